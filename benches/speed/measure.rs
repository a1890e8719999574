//! Whole processes, warm: started, waited for, and timed, round by round, so that what is compared meets the same moments
//! of the machine.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use ed25519_dalek::{Signer as _, SigningKey};
use jit::core::signature::signed_data;

/// What GNU time is called, which knows a process's peak memory.
const GNU_TIME: &str = "/usr/bin/time";

/// A program that is run again and again.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    program: OsString,
    args: Vec<OsString>,
    environment: Vec<(&'static str, OsString)>,
    stdin: Option<PathBuf>,
    folder: Option<PathBuf>,
    status: i32,
}

impl Program {
    pub(crate) fn new<A: AsRef<OsStr>>(program: impl AsRef<OsStr>, args: &[A]) -> Program {
        let args = args.iter().map(|arg| arg.as_ref().to_owned()).collect();
        Program {
            program: program.as_ref().to_owned(),
            args,
            environment: Vec::new(),
            stdin: None,
            folder: None,
            status: 0,
        }
    }

    pub(crate) fn var(mut self, name: &'static str, value: impl AsRef<OsStr>) -> Program {
        self.environment.push((name, value.as_ref().to_owned()));
        self
    }

    pub(crate) fn stdin(mut self, path: &Path) -> Program {
        self.stdin = Some(path.to_owned());
        self
    }

    /// Lets it run in a folder.
    pub(crate) fn folder(mut self, path: &Path) -> Program {
        self.folder = Some(path.to_owned());
        self
    }

    /// Says with which status it ends well; 0 where nothing is said.
    pub(crate) fn status(mut self, status: i32) -> Program {
        self.status = status;
        self
    }

    fn command(&self, program: &OsStr, before: &[&OsStr]) -> Command {
        let mut command = Command::new(program);
        command.args(before).args(&self.args).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.envs(self.environment.iter().map(|(name, value)| (name, value))).stdout(Stdio::null());
        let stdin = self.stdin.as_ref().map(|path| Stdio::from(File::open(path).expect("standard input can be read")));
        command.stdin(stdin.unwrap_or_else(Stdio::null));
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command
    }

    /// Runs it once; it must end well.
    pub(crate) fn run(&self) -> Duration {
        let mut command = self.command(&self.program, &[]);
        command.stderr(Stdio::null());
        let started = Instant::now();
        let mut child = command.spawn().expect("the program starts");
        let status = child.wait().expect("the program ends");
        let took = started.elapsed();
        assert!(status.code() == Some(self.status), "{status}: {:?}\n{}", self, self.output_and_errors());
        took
    }

    fn output_and_errors(&self) -> String {
        let output = self.command(&self.program, &[]).stdout(Stdio::piped()).output().expect("the program starts");
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    }

    /// Runs it once, and returns what it prints.
    pub(crate) fn output(&self) -> String {
        let output = self.command(&self.program, &[]).stdout(Stdio::piped()).output().expect("the program starts");
        assert!(output.status.success(), "{:?}: {}", self, String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Runs it once, and returns its peak memory in MiB; none without GNU time.
    pub(crate) fn peak_mib(&self) -> Option<f64> {
        if !Path::new(GNU_TIME).exists() {
            return None;
        }
        // It measures a child of its own: ours would start with what this process has.
        let before = [OsStr::new("-f"), OsStr::new("peak %M"), &self.program];
        let output = self.command(OsStr::new(GNU_TIME), &before).stderr(Stdio::piped()).output().ok()?;
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        let kib: f64 = err.rsplit_once("peak ")?.1.trim().parse().ok()?;
        Some(kib / 1024.0)
    }
}

/// How long the runs of one program took.
#[derive(Clone, Debug, Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn push(&mut self, took: Duration) {
        self.0.push(took);
        self.0.sort_unstable();
    }

    pub(crate) fn median(&self) -> f64 {
        self.0.get(self.0.len() / 2).map_or(f64::NAN, Duration::as_secs_f64)
    }

    pub(crate) fn min(&self) -> f64 {
        self.0.first().map_or(f64::NAN, Duration::as_secs_f64)
    }
}

impl From<Duration> for Times {
    fn from(took: Duration) -> Times {
        Times(vec![took])
    }
}

/// Runs all programs once in each round, in turn; a round before them is not counted.
pub(crate) fn rounds<const N: usize>(rounds: usize, programs: [&Program; N]) -> [Times; N] {
    for program in programs {
        program.run();
    }
    let mut times = [(); N].map(|()| Times::default());
    for _ in 0..rounds {
        for (times, program) in times.iter_mut().zip(programs) {
            times.push(program.run());
        }
    }
    times
}

/// Returns how many signatures a second `verify_strict` alone verifies, with so many threads.
pub(crate) fn verify_strict_rate(threads: usize, each: usize) -> f64 {
    let key = SigningKey::from_bytes(&[7; 32]);
    let verifying = key.verifying_key();
    let signed: Vec<_> =
        (0..64_u8).map(|number| signed_data(&[number; 600])).map(|bytes| (key.sign(&bytes), bytes)).collect();
    let started = Instant::now();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                for (signature, bytes) in signed.iter().cycle().take(each) {
                    verifying.verify_strict(bytes, signature).expect("it fits");
                }
            });
        }
    });
    let verified = u32::try_from(threads * each).map_or(f64::MAX, f64::from);
    verified / started.elapsed().as_secs_f64()
}
