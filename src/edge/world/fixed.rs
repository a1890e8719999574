//! A world for tests: everything in it is said beforehand, and whatever a command does to it can be looked at.
//!
//! Nothing that a released program is given (argument, variable, file) leads here: only code that calls [`fixed`] does.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{FixedOffset, TimeDelta};
use sha2::{Digest, Sha256};

use super::terminal::{Printed, Scripted, Stream};
use super::{Source, World};
use crate::core::time::Timestamp;

/// What a fixed world is made of. Every method takes it and gives it back with one thing said.
pub struct Fixed {
    seed: u64,
    clock: Arc<Mutex<Timestamp>>,
    vars: BTreeMap<OsString, OsString>,
    cwd: PathBuf,
    system: PathBuf,
    zone: FixedOffset,
    during_sleep: Option<Box<dyn FnMut()>>,
    terminal: Scripted,
}

impl Fixed {
    /// Starts with a clock that stands at `now`, no environment, no terminal, an empty standard input, the zone UTC,
    /// `/` as current folder and an `/etc/jit` that isn't there.
    pub fn new(now: Timestamp) -> Fixed {
        Fixed {
            seed: 0,
            clock: Arc::new(Mutex::new(now)),
            vars: BTreeMap::new(),
            cwd: PathBuf::from("/"),
            system: PathBuf::from("/nonexistent/jit"),
            zone: chrono::Offset::fix(&chrono::Utc),
            during_sleep: None,
            terminal: Scripted {
                terminals: BTreeSet::new(),
                answers: VecDeque::new(),
                secrets: VecDeque::new(),
                input: io::Cursor::new(Vec::new()),
                printed: Arc::new(Mutex::new(Printed::default())),
            },
        }
    }

    /// Chooses the random bytes: the same seed gives the same bytes in the same order.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Fixed {
        self.seed = seed;
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn var(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Fixed {
        self.vars.insert(name.into(), value.into());
        self
    }

    /// Sets the current folder.
    #[must_use]
    pub fn cwd(mut self, folder: impl Into<PathBuf>) -> Fixed {
        self.cwd = folder.into();
        self
    }

    /// Sets the folder that stands for `/etc/jit`.
    #[must_use]
    pub fn system_config(mut self, folder: impl Into<PathBuf>) -> Fixed {
        self.system = folder.into();
        self
    }

    /// Sets the user's zone, in seconds east of UTC (less than a day).
    #[must_use]
    pub fn zone(mut self, seconds_east: i32) -> Fixed {
        self.zone = FixedOffset::east_opt(seconds_east).expect("a zone is less than a day from UTC");
        self
    }

    /// Sets what others do each time somebody waits, before the clock moves.
    #[must_use]
    pub fn during_sleep(mut self, others: impl FnMut() + 'static) -> Fixed {
        self.during_sleep = Some(Box::new(others));
        self
    }

    /// Puts a person behind a stream.
    #[must_use]
    pub fn terminal(mut self, stream: Stream) -> Fixed {
        self.terminal.terminals.insert(stream);
        self
    }

    /// Adds a person who answers a question so, after those added before; all of standard input, output and error
    /// are then a terminal.
    #[must_use]
    pub fn answer(mut self, answer: &str) -> Fixed {
        self.terminal.terminals.extend([Stream::In, Stream::Out, Stream::Err]);
        self.terminal.answers.push_back(answer.to_owned());
        self
    }

    /// Adds an answer to a question for a secret; with none left there is no terminal to ask at.
    #[must_use]
    pub fn secret(mut self, secret: &str) -> Fixed {
        self.terminal.secrets.push_back(secret.to_owned());
        self
    }

    /// Sets what standard input holds.
    #[must_use]
    pub fn stdin(mut self, input: impl Into<Vec<u8>>) -> Fixed {
        self.terminal.input = io::Cursor::new(input.into());
        self
    }

    /// Returns a hold on the world that will be made of this: its clock, and what it prints.
    pub fn tape(&self) -> Tape {
        Tape { clock: Arc::clone(&self.clock), printed: Arc::clone(&self.terminal.printed) }
    }
}

/// Makes the world that `made_of` says.
pub fn fixed(made_of: Fixed) -> World {
    let random = Seeded { state: Sha256::digest(made_of.seed.to_be_bytes()).into(), left: Vec::new() };
    World {
        source: Source::Fixed {
            clock: made_of.clock,
            vars: made_of.vars,
            random,
            system: made_of.system,
            zone: made_of.zone,
            during_sleep: RefCell::new(made_of.during_sleep),
        },
        cwd: made_of.cwd,
        terminal: Box::new(made_of.terminal),
        quiet: false,
    }
}

/// A hold on a fixed world: sets its clock, and shows what was printed.
#[derive(Clone)]
pub struct Tape {
    clock: Arc<Mutex<Timestamp>>,
    printed: Arc<Mutex<Printed>>,
}

impl Tape {
    /// Sets the clock.
    pub fn set_now(&self, now: Timestamp) {
        *self.clock.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// Moves the clock, either way.
    pub fn advance(&self, delta: TimeDelta) {
        let mut clock = self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        *clock = clock.shifted(delta);
    }

    /// Returns what was printed to standard output since the last call.
    pub fn take_out(&self) -> String {
        std::mem::take(&mut self.printed.lock().unwrap_or_else(PoisonError::into_inner).out)
    }

    /// Returns what was printed to standard error since the last call.
    pub fn take_err(&self) -> String {
        std::mem::take(&mut self.printed.lock().unwrap_or_else(PoisonError::into_inner).err)
    }

    /// Makes every later print to standard output fail as if its reader had gone (a broken pipe).
    pub fn close_out(&self) {
        self.printed.lock().unwrap_or_else(PoisonError::into_inner).out_is_closed = true;
    }
}

/// Bytes that look random and follow from a seed: a chain of SHA-256.
pub(super) struct Seeded {
    state: [u8; 32],
    left: Vec<u8>,
}

impl Seeded {
    pub(super) fn fill(&mut self, buf: &mut [u8]) {
        for byte in buf {
            *byte = loop {
                match self.left.pop() {
                    Some(byte) => break byte,
                    None => self.refill(),
                }
            };
        }
    }

    fn refill(&mut self) {
        self.left = Sha256::new().chain_update(self.state).chain_update(b"out").finalize().to_vec();
        self.state = Sha256::digest(self.state).into();
    }
}
