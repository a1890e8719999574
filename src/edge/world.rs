//! The world: the clock, random bytes, the environment and the terminal, in one value.
//!
//! A command gets a [`World`] and reads nothing else of this kind, so a test can say what time it is, what is random,
//! which variables are set and what a person answers. [`World::real`] is that of the process, and the only code of
//! the program that asks the system for these things (`disallowed-methods` in clippy.toml holds it so);
//! [`fixed`] makes one for tests. Files, git and other programs are the business of the other files of the edge; a
//! program is started through [`World::command`], so that it sees this world's environment.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use chrono::{FixedOffset, Local, TimeDelta};
use zeroize::Zeroizing;

use crate::core::time::Timestamp;

mod fixed;
mod progress;
mod terminal;

pub use fixed::{Fixed, Tape, fixed};
pub use progress::Progress;
pub use terminal::Stream;
use terminal::{Real, Terminal};

/// Our folder within the user's configuration and state.
const OUR_FOLDER: &str = "jit";
/// Where the machine's owner configures jit for everyone on it.
const SYSTEM_CONFIG: &str = "/etc/jit";
/// How often a question is asked before no clear answer is a no.
const MAX_ASKED: usize = 3;

/// The clock, random bytes, the environment and the terminal.
pub struct World {
    source: Source,
    cwd: PathBuf,
    terminal: Box<dyn Terminal>,
    quiet: bool,
}

/// Where the clock, random bytes and the environment come from.
enum Source {
    Real,
    Fixed {
        clock: Arc<Mutex<Timestamp>>,
        vars: BTreeMap<OsString, OsString>,
        random: fixed::Seeded,
        system: PathBuf,
        zone: FixedOffset,
        during_sleep: RefCell<Option<Box<dyn FnMut()>>>,
    },
}

impl World {
    /// Returns the world of this process.
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the system for the current folder")]
    pub fn real() -> World {
        // A current folder that is gone or may not be read fails where it is first used, and by name there.
        let cwd = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
        World { source: Source::Real, cwd, terminal: Box::new(Real), quiet: false }
    }

    /// Returns the arguments of this process, the program's own name first.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the arguments")]
    pub fn args() -> Vec<OsString> {
        std::env::args_os().collect()
    }

    /// Returns the time, cut to the second below.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    pub fn now(&self) -> Timestamp {
        match &self.source {
            Source::Real => {
                // A clock before 1970 is cut to its start, and found too early by whoever compares it.
                let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                Timestamp::from_unix(i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX))
            }
            Source::Fixed { clock, .. } => *clock.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Waits; in a fixed world the clock moves instead.
    pub fn sleep(&self, length: std::time::Duration) {
        match &self.source {
            Source::Real => std::thread::sleep(length),
            Source::Fixed { clock, during_sleep, .. } => {
                if let Some(others) = during_sleep.borrow_mut().as_mut() {
                    others();
                }
                let mut clock = clock.lock().unwrap_or_else(PoisonError::into_inner);
                *clock = clock.shifted(TimeDelta::from_std(length).unwrap_or(TimeDelta::MAX));
            }
        }
    }

    /// Returns 16 random bytes for a statement's nonce.
    pub fn nonce(&mut self) -> [u8; 16] {
        let mut nonce = [0; 16];
        self.random(&mut nonce);
        nonce
    }

    /// Fills `buf` with random bytes, fit for keys.
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the system for random bytes")]
    pub fn random(&mut self, buf: &mut [u8]) {
        match &mut self.source {
            Source::Real => getrandom::fill(buf).expect("the system has random bytes once it has started"),
            Source::Fixed { random, .. } => random.fill(buf),
        }
    }

    /// Returns an environment variable; none if it is not set, empty, or not UTF-8.
    ///
    /// For what does no harm when it is not heard, such as `NO_COLOR`; else [`World::var_checked`].
    pub fn var(&self, name: &str) -> Option<String> {
        self.var_os(name).and_then(|value| value.into_string().ok())
    }

    /// Returns an environment variable; none if it is not set or empty.
    ///
    /// # Errors
    /// [`WorldError::NotText`] if it is not UTF-8.
    pub fn var_checked(&self, name: &'static str) -> Result<Option<String>, WorldError> {
        self.var_os(name).map(|value| value.into_string().map_err(|_| WorldError::NotText(name))).transpose()
    }

    /// Returns an environment variable that names a file or folder; none if it is not set or empty.
    pub fn path_var(&self, name: &str) -> Option<PathBuf> {
        self.var_os(name).map(PathBuf::from)
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    fn var_os(&self, name: &str) -> Option<OsString> {
        let value = match &self.source {
            Source::Real => std::env::var_os(name),
            Source::Fixed { vars, .. } => vars.get(OsStr::new(name)).cloned(),
        };
        value.filter(|value| !value.is_empty())
    }

    /// Returns all environment variables, for whoever starts other programs with them.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn vars(&self) -> Vec<(OsString, OsString)> {
        match &self.source {
            Source::Real => std::env::vars_os().collect(),
            Source::Fixed { vars, .. } => vars.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        }
    }

    /// Prepares to run another program: in this world's current folder, with its environment and nothing else.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        if let Source::Fixed { vars, .. } = &self.source {
            command.env_clear().envs(vars).current_dir(&self.cwd);
        }
        command
    }

    /// Returns the user's home folder, from `HOME`; none if that is not set or no absolute path.
    pub fn home(&self) -> Option<PathBuf> {
        self.path_var("HOME").filter(|home| home.is_absolute())
    }

    /// Returns the current folder.
    pub fn cwd(&self) -> &Path {
        &self.cwd
    }

    /// Returns the id of the user that files made now will belong to.
    pub fn uid(&self) -> u32 {
        rustix::process::geteuid().as_raw()
    }

    /// Returns our folder in the user's configuration: `$XDG_CONFIG_HOME/jit`, else `~/.config/jit`; elsewhere than on
    /// Linux where the system puts configuration.
    ///
    /// # Errors
    /// [`WorldError::NoHome`] if there is neither variable.
    pub fn config_dir(&self) -> Result<PathBuf, WorldError> {
        self.user_dir("XDG_CONFIG_HOME", ".config", dirs::config_dir)
    }

    /// Returns our folder for what may be deleted at any time: `$XDG_STATE_HOME/jit`, else `~/.local/state/jit`;
    /// elsewhere than on Linux where the system puts data.
    ///
    /// # Errors
    /// [`WorldError::NoHome`] if there is neither variable.
    pub fn state_dir(&self) -> Result<PathBuf, WorldError> {
        self.user_dir("XDG_STATE_HOME", ".local/state", || dirs::state_dir().or_else(dirs::data_local_dir))
    }

    /// Asks the system for a folder of the user's, or works it out as `dirs` does on Linux.
    fn user_dir(
        &self,
        variable: &'static str,
        in_home: &str,
        ask_system: impl Fn() -> Option<PathBuf>,
    ) -> Result<PathBuf, WorldError> {
        let named = self.path_var(variable).filter(|folder| folder.is_absolute());
        let home = self.home();
        let folder = match &self.source {
            // Without HOME the system would look in the user database, which a gate must not depend on.
            Source::Real if named.is_some() || home.is_some() => ask_system(),
            Source::Real => None,
            Source::Fixed { .. } => named.or_else(|| home.map(|home| home.join(in_home))),
        };
        folder.map(|folder| folder.join(OUR_FOLDER)).ok_or(WorldError::NoHome(variable))
    }

    /// Returns the folder that configures jit for everyone on this machine, `/etc/jit`; it need not be there.
    pub fn system_config_dir(&self) -> &Path {
        match &self.source {
            Source::Real => Path::new(SYSTEM_CONFIG),
            Source::Fixed { system, .. } => system,
        }
    }

    /// Chooses whether [`World::say`] keeps still.
    pub fn set_quiet(&mut self, quiet: bool) {
        self.quiet = quiet;
    }

    /// Prints an answer to standard output, as it is; whatever others wrote in it must have been escaped.
    ///
    /// # Errors
    /// Whatever the system says; [`io::ErrorKind::BrokenPipe`] when whoever read it has gone.
    pub fn out(&mut self, text: &str) -> io::Result<()> {
        self.terminal.print(text)
    }

    /// Prints a line of talk to standard error, unless quiet; whatever others wrote in it must have been escaped.
    pub fn say(&mut self, text: &str) {
        if !self.quiet {
            self.warn(text);
        }
    }

    /// Prints a line to standard error, quiet or not: a warning, an error.
    pub fn warn(&mut self, text: &str) {
        // With standard error gone there is nobody left to tell, and the exit code still says it.
        let _ = self.terminal.talk(&format!("{text}\n"));
    }

    /// Returns a line that says how far something is which starts now: on a terminal, and unless quiet.
    pub fn progress(&self) -> Progress {
        match &self.source {
            Source::Real if !self.quiet && self.stderr_is_terminal() => {
                Progress::on(Box::new(terminal::screen()), terminal::columns)
            }
            // In a fixed world nothing takes time.
            Source::Real | Source::Fixed { .. } => Progress::hidden(),
        }
    }

    /// Asks for a yes; an empty answer, the end of input, or no clear answer in three is a no. None if there is no
    /// terminal to ask at: standard input and standard error must both be one.
    ///
    /// # Errors
    /// Whatever the system says while writing or reading.
    pub fn confirm(&mut self, question: &str) -> io::Result<Option<bool>> {
        if !self.stdin_is_terminal() || !self.stderr_is_terminal() {
            return Ok(None);
        }
        for _ in 0..MAX_ASKED {
            self.terminal.talk(&format!("{question} [y/N] "))?;
            let Some(answer) = self.terminal.read_answer()? else {
                // Nobody has ended the line of the question.
                self.terminal.talk("\n")?;
                break;
            };
            match answer.trim().to_ascii_lowercase().as_str() {
                "y" | "yes" => return Ok(Some(true)),
                "" | "n" | "no" => return Ok(Some(false)),
                _ => self.terminal.talk("Please answer yes or no.\n")?,
            }
        }
        Ok(Some(false))
    }

    /// Asks for a line that is not shown while it is typed; none if there is no terminal to ask at.
    ///
    /// # Errors
    /// Whatever the system says while writing or reading.
    pub fn ask_secret(&mut self, prompt: &str) -> io::Result<Option<Zeroizing<String>>> {
        self.terminal.read_secret(prompt)
    }

    /// Tells whether a person types into standard input.
    pub fn stdin_is_terminal(&self) -> bool {
        self.terminal.is_terminal(Stream::In)
    }

    /// Tells whether a person reads standard output.
    pub fn stdout_is_terminal(&self) -> bool {
        self.terminal.is_terminal(Stream::Out)
    }

    /// Tells whether a person reads standard error.
    pub fn stderr_is_terminal(&self) -> bool {
        self.terminal.is_terminal(Stream::Err)
    }

    /// Reads standard input to its end.
    ///
    /// # Errors
    /// [`io::ErrorKind::FileTooLarge`] if it holds more than `limit` bytes; whatever the system says.
    pub fn read_stdin(&mut self, limit: usize) -> io::Result<Vec<u8>> {
        let mut input = Vec::new();
        let one_more = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        self.terminal.read_input(one_more, &mut input)?;
        if input.len() > limit {
            let why = format!("standard input holds more than {limit} bytes");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
        }
        Ok(input)
    }

    /// Returns an instant as a person reads it, in the user's zone (`TZ`, else the system's): `2026-11-24 09:30 +01:00`,
    /// or with `UTC` for the offset 0.
    pub fn local_time(&self, time: Timestamp) -> String {
        let there = match &self.source {
            Source::Real => time.to_chrono().with_timezone(&Local).fixed_offset(),
            Source::Fixed { zone, .. } => time.to_chrono().with_timezone(zone),
        };
        let zone = if there.offset().local_minus_utc() == 0 { "UTC" } else { "%:z" };
        there.format(&format!("%Y-%m-%d %H:%M {zone}")).to_string()
    }
}

/// What the environment lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorldError {
    /// The variable is set, and is not UTF-8.
    NotText(&'static str),
    /// There is no home folder, nor the variable that would name this folder without it.
    NoHome(&'static str),
}

impl fmt::Display for WorldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WorldError::NotText(variable) => write!(f, "the environment variable {variable} is not UTF-8"),
            WorldError::NoHome(variable) => {
                write!(f, "no home folder: neither HOME nor {variable} is set to an absolute path")
            }
        }
    }
}

impl std::error::Error for WorldError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Fixed {
        Fixed::new("2026-11-24T08:30:00Z".parse().unwrap())
    }

    #[test]
    fn a_fixed_clock_moves_when_told() {
        let made_of = start();
        let tape = made_of.tape();
        let world = fixed(made_of);
        assert_eq!(world.now().to_string(), "2026-11-24T08:30:00Z");
        tape.advance(TimeDelta::seconds(-1));
        assert_eq!(world.now().to_string(), "2026-11-24T08:29:59Z");
        world.sleep(std::time::Duration::from_secs(60));
        assert_eq!(world.now().to_string(), "2026-11-24T08:30:59Z");
        tape.set_now(Timestamp::MAX);
        assert_eq!(world.now(), Timestamp::MAX);
    }

    #[test]
    fn the_real_clock_and_randomness_are_not_constant() {
        let mut world = World::real();
        assert!(world.now() > "2026-01-01T00:00:00Z".parse().unwrap());
        assert_ne!(world.nonce(), world.nonce());
    }

    #[test]
    fn seeded_bytes_follow_from_the_seed() {
        let bytes = |seed, sizes: &[usize]| {
            let mut world = fixed(start().seed(seed));
            let mut all = Vec::new();
            for size in sizes {
                let mut part = vec![0; *size];
                world.random(&mut part);
                all.extend(part);
            }
            all
        };
        assert_eq!(bytes(1, &[80]), bytes(1, &[16, 1, 63]));
        assert_ne!(bytes(1, &[80]), bytes(2, &[80]));
        assert_ne!(bytes(1, &[64])[..32], bytes(1, &[64])[32..]);
    }

    #[test]
    fn variables_are_those_that_were_set() {
        use std::os::unix::ffi::OsStringExt as _;
        let odd = OsString::from_vec(vec![b'/', 0xff]);
        let world = fixed(start().var("A", "b").var("EMPTY", "").var("ODD", odd.clone()));
        assert_eq!(world.var("A").as_deref(), Some("b"));
        for unset in ["EMPTY", "PATH", "HOME"] {
            assert_eq!((world.var(unset), world.path_var(unset)), (None, None), "{unset}");
        }
        assert_eq!(world.var_checked("ODD"), Err(WorldError::NotText("ODD")));
        assert_eq!((world.var("ODD"), world.path_var("ODD")), (None, Some(PathBuf::from(odd))));
    }

    #[test]
    fn programs_see_this_environment_only() {
        let path = World::real().var("PATH").unwrap_or_default();
        let world = fixed(start().var("PATH", path).var("JIT_REPO", "here"));
        let output = world.command("env").output().unwrap();
        let seen = String::from_utf8(output.stdout).unwrap();
        assert!(seen.contains("JIT_REPO=here\n") && !seen.contains("CARGO"), "{seen}");
    }

    #[test]
    fn folders_follow_the_variables() {
        let table = [
            (&[("HOME", "/home/a")][..], "/home/a/.config/jit", "/home/a/.local/state/jit"),
            (&[("HOME", "/home/a"), ("XDG_CONFIG_HOME", "/c"), ("XDG_STATE_HOME", "/s")], "/c/jit", "/s/jit"),
            (
                &[("HOME", "/home/a"), ("XDG_CONFIG_HOME", "not/absolute")],
                "/home/a/.config/jit",
                "/home/a/.local/state/jit",
            ),
            (&[("XDG_CONFIG_HOME", "/c")], "/c/jit", ""),
            (&[("HOME", "home/a")], "", ""),
            (&[], "", ""),
        ];
        for (vars, config, state) in table {
            let world = fixed(vars.iter().fold(start(), |made_of, (name, value)| made_of.var(name, value)));
            assert_eq!(world.config_dir().unwrap_or_default(), Path::new(config), "{vars:?}");
            assert_eq!(world.state_dir().unwrap_or_default(), Path::new(state), "{vars:?}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_real_folders_are_worked_out_alike() {
        let real = World::real();
        let copied = ["HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"]
            .iter()
            .filter_map(|name| real.path_var(name).map(|value| (name, value)))
            .fold(start(), |made_of, (name, value)| made_of.var(name, value));
        let copied = fixed(copied);
        assert_eq!(real.config_dir(), copied.config_dir());
        assert_eq!(real.state_dir(), copied.state_dir());
    }

    #[test]
    fn what_is_printed_goes_where_it_belongs() {
        let made_of = start();
        let tape = made_of.tape();
        let mut world = fixed(made_of);
        world.out("answer\n").unwrap();
        world.say("talk");
        world.set_quiet(true);
        world.say("not heard");
        world.warn("heard");
        assert_eq!((tape.take_out().as_str(), tape.take_err().as_str()), ("answer\n", "talk\nheard\n"));
        tape.close_out();
        assert_eq!(world.out("x").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn only_a_clear_yes_is_a_yes() {
        let table = [
            (&["y"][..], Some(true)),
            (&[" YES "], Some(true)),
            (&["what?", "yes"], Some(true)),
            (&["n"], Some(false)),
            (&[""], Some(false)),
            (&["yess"], Some(false)),
            (&["1", "2", "3", "yes"], Some(false)),
            (&[], None),
        ];
        for (answers, said) in table {
            let mut world = fixed(answers.iter().fold(start(), |made_of, answer| made_of.answer(answer)));
            assert_eq!(world.confirm("Sign it?").unwrap(), said, "{answers:?}");
        }
        for lacking in [Stream::In, Stream::Err] {
            let mut world = fixed(start().terminal(lacking));
            assert_eq!(world.confirm("Sign it?").unwrap(), None);
        }
    }

    #[test]
    fn secrets_need_a_terminal() {
        let made_of = start().secret("hush");
        let tape = made_of.tape();
        let mut world = fixed(made_of);
        assert_eq!(world.ask_secret("Passphrase: ").unwrap().as_deref().map(String::as_str), Some("hush"));
        assert_eq!(world.ask_secret("Passphrase: ").unwrap(), None);
        assert_eq!(tape.take_err(), "Passphrase: ");
    }

    #[test]
    fn standard_input_is_bounded() {
        for (limit, fits) in [(0, false), (4, false), (5, true), (6, true), (usize::MAX, true)] {
            let read = fixed(start().stdin("token")).read_stdin(limit);
            match read {
                Ok(bytes) => assert!(fits && bytes == b"token", "{limit}"),
                Err(error) => assert!(!fits && error.kind() == io::ErrorKind::FileTooLarge, "{limit}"),
            }
        }
    }

    #[test]
    fn times_are_shown_in_the_zone() {
        let time = "2026-11-24T08:30:59Z".parse().unwrap();
        for (east, shown) in
            [(0, "2026-11-24 08:30 UTC"), (3600, "2026-11-24 09:30 +01:00"), (-34_200, "2026-11-23 23:00 -09:30")]
        {
            assert_eq!(fixed(start().zone(east)).local_time(time), shown);
        }
        assert!(World::real().local_time(time).starts_with("2026-11-2"));
    }
}
