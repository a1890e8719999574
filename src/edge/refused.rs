//! The last push that the host refused, kept in the repository's common folder, for `jit doctor --remote`: a dry run asks
//! no hook and no rule of a host, so what was said last time is all there is to go by.
//!
//! One small text file: when, which branch, and what was said, escaped and cut. It is there as a help only: it is gone
//! after the next push that succeeds, and where it can't be written or read there is none.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::PathBuf;

use super::git::Repo;
use super::remote::talk;
use crate::core::time::Timestamp;

/// The file, in the common folder.
const FILE: &str = "jit/refused";
/// The most characters of the host's words that are kept.
const MAX_WORDS: usize = 4000;
/// The most bytes of the file that are read.
const MAX_FILE: u64 = 32 * 1024;

/// A push that the host refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// When.
    pub at: Timestamp,
    /// The branch, without `refs/heads/`.
    pub branch: String,
    /// What git and the host said, escaped and in one line.
    pub said: String,
}

fn place(repo: &Repo) -> PathBuf {
    repo.common_dir().join(FILE)
}

/// Keeps what was said of a refused push.
pub fn keep(repo: &Repo, at: Timestamp, branch: &str, said: &str) {
    let path = place(repo);
    let said: String = talk(said).chars().take(MAX_WORDS).collect();
    let fresh = path.with_extension("new");
    // It helps whoever looks later; the refusal itself is said anyway.
    let _ = fs::write(&fresh, format!("{at}\n{branch}\n{said}\n")).and_then(|()| fs::rename(&fresh, &path));
}

/// Forgets it: a push succeeded.
pub fn forget(repo: &Repo) {
    // If there is none there is nothing to forget.
    let _ = fs::remove_file(place(repo));
}

/// Returns the last one; none if there is none, or it can't be read.
pub fn last(repo: &Repo) -> Option<Refused> {
    let path = place(repo);
    // A pipe that somebody put there would hold us for ever.
    if !fs::symlink_metadata(&path).ok()?.is_file() {
        return None;
    }
    let mut text = String::new();
    File::open(path).ok()?.take(MAX_FILE).read_to_string(&mut text).ok()?;
    let mut lines = text.lines();
    let (at, branch, said) = (lines.next()?, lines.next()?, lines.next()?);
    // Whoever can write to the folder can have put anything there.
    let shown = |text: &str| super::git::escaped(text);
    Some(Refused { at: at.parse().ok()?, branch: shown(branch), said: shown(said) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_escaped_and_cut_until_a_push_succeeds() {
        let folder = tempfile::tempdir().unwrap();
        let repo = Repo::init(folder.path()).unwrap();
        let at: Timestamp = "2026-11-24T08:30:00Z".parse().unwrap();
        assert_eq!(last(&repo), None);
        fs::create_dir(repo.common_dir().join("jit")).unwrap();
        keep(&repo, at, "jit/audit", "remote: no \u{1b}[31mway\nerror: failed to push some refs to 'x'\n");
        let said = "remote: no \\u{1b}[31mway".to_owned();
        assert_eq!(last(&repo), Some(Refused { at, branch: "jit/audit".to_owned(), said }));
        keep(&repo, at, "jit/audit", &"x".repeat(100_000));
        assert_eq!(last(&repo).unwrap().said.len(), MAX_WORDS);
        for odd in ["", "2026-11-24T08:30:00Z\n", "yesterday\njit/audit\nno\n"] {
            fs::write(place(&repo), odd).unwrap();
            assert_eq!(last(&repo), None, "{odd}");
        }
        fs::write(place(&repo), "2026-11-24T08:30:00Z\njit/\u{202e}\nno\u{7}\n").unwrap();
        let odd = last(&repo).unwrap();
        assert_eq!((odd.branch.as_str(), odd.said.as_str()), ("jit/\\u{202e}", "no\\u{7}"));
        forget(&repo);
        assert_eq!(last(&repo), None);
    }
}
