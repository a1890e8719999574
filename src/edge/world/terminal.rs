//! The terminal: what is printed, asked and read. A real one, and one that plays a script for tests.

use std::collections::{BTreeSet, VecDeque};
use std::fs::OpenOptions;
use std::io::{self, BufRead as _, IsTerminal as _, Read, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use zeroize::Zeroizing;

/// The longest answer to a question, in bytes; more is read as the next answer.
const MAX_ANSWER_LEN: u64 = 1024;

/// One of the three streams of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    /// Standard input.
    In,
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// What a command prints to, asks and reads from.
pub(super) trait Terminal: Send {
    /// Writes to standard output, and flushes it.
    fn print(&mut self, text: &str) -> io::Result<()>;
    /// Writes to standard error.
    fn talk(&mut self, text: &str) -> io::Result<()>;
    /// Tells whether a person sits behind the stream.
    fn is_terminal(&self, stream: Stream) -> bool;
    /// Reads a line that a person types, without its end; none at the end of input.
    fn read_answer(&mut self) -> io::Result<Option<String>>;
    /// Asks for a line that is not shown while it is typed; none if there is no terminal.
    fn read_secret(&mut self, prompt: &str) -> io::Result<Option<Zeroizing<String>>>;
    /// Reads standard input to its end, though not past `limit` bytes.
    fn read_input(&mut self, limit: u64, into: &mut Vec<u8>) -> io::Result<()>;
}

/// The terminal of the process.
pub(super) struct Real;

#[expect(clippy::disallowed_methods, reason = "the one place that holds the process's own streams")]
impl Terminal for Real {
    fn print(&mut self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    fn talk(&mut self, text: &str) -> io::Result<()> {
        io::stderr().lock().write_all(text.as_bytes())
    }

    fn is_terminal(&self, stream: Stream) -> bool {
        match stream {
            Stream::In => io::stdin().is_terminal(),
            Stream::Out => io::stdout().is_terminal(),
            Stream::Err => io::stderr().is_terminal(),
        }
    }

    fn read_answer(&mut self) -> io::Result<Option<String>> {
        let mut line = String::new();
        let read = io::stdin().lock().take(MAX_ANSWER_LEN).read_line(&mut line)?;
        Ok((read > 0).then(|| line.trim_end_matches(['\n', '\r']).to_owned()))
    }

    fn read_secret(&mut self, prompt: &str) -> io::Result<Option<Zeroizing<String>>> {
        // Not standard input, which may carry a token; and a process without a terminal has no /dev/tty to open.
        if OpenOptions::new().read(true).write(true).open("/dev/tty").is_err() {
            return Ok(None);
        }
        rpassword::prompt_password(prompt).map(|secret| Some(Zeroizing::new(secret)))
    }

    fn read_input(&mut self, limit: u64, into: &mut Vec<u8>) -> io::Result<()> {
        io::stdin().lock().take(limit).read_to_end(into).map(drop)
    }
}

/// What a terminal is taken to be as wide as, where it does not say.
const USUAL_COLUMNS: u16 = 80;

/// Returns what a line of progress is drawn on.
#[expect(clippy::disallowed_methods, reason = "the one place that holds the process's own streams")]
pub(super) fn screen() -> io::Stderr {
    io::stderr()
}

/// Returns how wide the terminal behind standard error is, in characters.
pub(super) fn columns() -> usize {
    let told = rustix::termios::tcgetwinsize(screen()).map_or(0, |size| size.ws_col);
    usize::from(if told == 0 { USUAL_COLUMNS } else { told })
}

/// A terminal that plays a script and keeps what was printed.
pub(super) struct Scripted {
    pub(super) terminals: BTreeSet<Stream>,
    pub(super) answers: VecDeque<String>,
    pub(super) secrets: VecDeque<String>,
    pub(super) input: io::Cursor<Vec<u8>>,
    pub(super) printed: Arc<Mutex<Printed>>,
}

/// What a scripted terminal was told.
#[derive(Default)]
pub(super) struct Printed {
    pub(super) out: String,
    pub(super) err: String,
    /// Set when whoever reads standard output has gone.
    pub(super) out_is_closed: bool,
}

impl Terminal for Scripted {
    fn print(&mut self, text: &str) -> io::Result<()> {
        let mut printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner);
        if printed.out_is_closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        printed.out.push_str(text);
        Ok(())
    }

    fn talk(&mut self, text: &str) -> io::Result<()> {
        self.printed.lock().unwrap_or_else(PoisonError::into_inner).err.push_str(text);
        Ok(())
    }

    fn is_terminal(&self, stream: Stream) -> bool {
        self.terminals.contains(&stream)
    }

    fn read_answer(&mut self) -> io::Result<Option<String>> {
        Ok(self.answers.pop_front())
    }

    fn read_secret(&mut self, prompt: &str) -> io::Result<Option<Zeroizing<String>>> {
        let Some(secret) = self.secrets.pop_front() else { return Ok(None) };
        self.talk(prompt)?;
        Ok(Some(Zeroizing::new(secret)))
    }

    fn read_input(&mut self, limit: u64, into: &mut Vec<u8>) -> io::Result<()> {
        (&mut self.input).take(limit).read_to_end(into).map(drop)
    }
}
