//! What git says on standard error, and what the host says through it: kept for people, but for how far the work is,
//! which is shown while it lasts and then forgotten.

use std::io::{self, BufRead};

use super::git::escaped;
use super::world::Progress;

/// The longest line that may be one of progress, in bytes.
const MAX_PROGRESS_LEN: usize = 256;

/// Reads lines, which end with a CR while git is going to write over them, and tells which are progress.
///
/// # Errors
/// The stream can't be read on.
pub(super) fn sort(from: &mut impl BufRead, keep: &mut dyn FnMut(&[u8]), progress: &Progress) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        let bytes = from.fill_buf()?;
        let end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
        // A line that goes on for ever is taken in parts.
        let count = end.map_or(bytes.len(), |end| end + 1).min(MAX_PROGRESS_LEN);
        let is_over = count == 0;
        line.extend(bytes.iter().take(count));
        from.consume(count);
        if is_over || line.len() >= MAX_PROGRESS_LEN || matches!(line.last(), Some(b'\r' | b'\n')) {
            match how_far(&String::from_utf8_lossy(&line)) {
                Some(text) => progress.tell(format_args!("git: {}", escaped(text))),
                None => keep(&line),
            }
            line.clear();
        }
        if is_over {
            return Ok(());
        }
    }
}

/// Returns what a line of progress says: `Receiving objects:  45% (450/1000), 12.00 MiB | 3.00 MiB/s`, or without a
/// percentage where nobody knows how many there are; with `remote: ` before it if the host is at work. None of any other.
fn how_far(line: &str) -> Option<&str> {
    let line = line.trim_end();
    let (title, numbers) = line.strip_prefix("remote: ").unwrap_or(line).split_once(": ")?;
    let numbers = numbers.trim_start();
    let digits = numbers.find(|c: char| !c.is_ascii_digit()).unwrap_or(numbers.len());
    let after = numbers.get(digits..).unwrap_or_default();
    let is_title = title.chars().all(|c| c.is_ascii_alphabetic() || c == ' ');
    let is_count = digits > 0 && (after.is_empty() || after.starts_with("% (") || after.starts_with(", done"));
    (is_title && is_count).then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    use crate::core::time::Timestamp;
    use crate::edge::world::{Fixed, fixed};

    #[test]
    fn progress_is_told_from_what_is_said() {
        for line in [
            "Receiving objects:  45% (450/1000), 12.00 MiB | 3.00 MiB/s\r",
            "Receiving objects: 100% (1000/1000), 20.00 MiB | 3.00 MiB/s, done.\n",
            "Enumerating objects: 1234\r",
            "Enumerating objects: 1234, done.\n",
            "remote: Counting objects:   3% (1/32)        \r",
        ] {
            assert_eq!(how_far(line), Some(line.trim_end()));
        }
        for line in [
            "",
            "\n",
            "remote: error: 404 not found",
            "error: 1 of 2 refs failed",
            "ssh: connect to host 127.0.0.1 port 22: Connection refused",
            "remote: \u{1b}[2J: 10% (1/10)\r",
            "To file:///access.git",
        ] {
            assert_eq!(how_far(line), None, "{line}");
        }
    }

    #[test]
    fn what_is_said_is_kept_but_for_progress() {
        let hidden = fixed(Fixed::new(Timestamp::MAX)).progress();
        let heard = |said: &[u8]| {
            let mut kept = Vec::new();
            sort(&mut BufReader::with_capacity(7, said), &mut |heard| kept.extend(heard), &hidden).unwrap();
            String::from_utf8(kept).unwrap()
        };
        let said = b"hello\nReceiving objects:  1% (1/100)\rReceiving objects: 100% (100/100), done.\nfatal: no\nmore";
        assert_eq!(heard(said), "hello\nfatal: no\nmore");
        assert_eq!(heard(&vec![b'x'; 10_000]).len(), 10_000);
    }
}
