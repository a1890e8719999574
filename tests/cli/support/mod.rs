//! A team with a policy repo, each with a home folder and a key of their own, who run the command line in a world that
//! is said beforehand: no environment but theirs, a clock that ticks a second a command, seeded randomness.
//!
//! What is run with [`Call::show`] is kept as a transcript, for snapshots: standard error with `2> ` before each line,
//! then standard output, then the exit status where it is not 0. What would differ from run to run or tell nothing is
//! replaced: the repo is `$REPO`, and each id, root, digest and commit is numbered as it turns up and keeps its width.

use std::cell::{Cell, RefCell};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use chrono::TimeDelta;
use jit::core::escape::escape;
use jit::core::time::Timestamp;
use jit::edge::world::{Fixed, Stream, Tape, fixed};
use regex::{Captures, Regex};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) mod keys;
pub(crate) mod policy;
pub(crate) mod shape;

use policy::Files;

/// The time at which every team starts; a Tuesday.
const START: &str = "2026-01-13T08:30:00Z";

/// The people and services that have a home folder.
const EVERYBODY: [&str; 7] = ["alice", "bob", "carol", "dave", "erin", "deployer", "mallory"];

/// A folder that is removed at the end, with a repo and home folders.
pub(crate) struct Team {
    /// Removed at the end.
    _folder: TempDir,
    root: PathBuf,
    now: Cell<Timestamp>,
    ran: Cell<u64>,
    transcript: RefCell<String>,
    /// What was replaced in the transcript, by order of appearance.
    seen: RefCell<Vec<String>>,
}

impl Team {
    /// The team with its usual policy in force, published by alice.
    pub(crate) fn new() -> Team {
        Team::with(&policy::policy(1))
    }

    /// The team with this policy, published by alice.
    pub(crate) fn with(files: &Files) -> Team {
        let team = Team::without_log();
        team.commit(files);
        team.jit("alice", "init").run();
        team
    }

    /// The team with a git repo without a commit.
    pub(crate) fn without_log() -> Team {
        let team = Team::without_repo();
        fs::create_dir(team.repo()).unwrap();
        team.git(&["init", "-q", "-b", "main"]);
        // Hides what the configuration of this machine says.
        for name in ["user.name", "user.email", "user.signingkey", "gpg.format"] {
            team.git(&["config", name, ""]);
        }
        team
    }

    /// The team with home folders alone.
    pub(crate) fn without_repo() -> Team {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for name in EVERYBODY {
            keys::write_key(name, &root.join("home").join(name).join(".ssh/id_ed25519"));
        }
        Team {
            _folder: folder,
            root,
            now: Cell::new(START.parse().unwrap()),
            ran: Cell::new(0),
            transcript: RefCell::new(String::new()),
            seen: RefCell::new(Vec::new()),
        }
    }

    /// A path in the team's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub(crate) fn repo(&self) -> PathBuf {
        self.path("repo")
    }

    pub(crate) fn home(&self, who: &str) -> PathBuf {
        self.path("home").join(who)
    }

    /// Lets time pass.
    pub(crate) fn wait(&self, seconds: i64) {
        self.now.set(self.now.get().shifted(TimeDelta::seconds(seconds)));
    }

    /// Writes a file in the team's folder.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Writes policy files and commits them, and nothing else that stood there.
    pub(crate) fn commit(&self, files: &Files) {
        for folder in ["identities", "policies", "targets", "tests"] {
            let _ = fs::remove_dir_all(self.repo().join(folder));
        }
        for (path, text) in files {
            self.write(&format!("repo/{path}"), text);
        }
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", "Change the policy"]);
    }

    /// Appends a line to the log as anyone who can push may, with stock git.
    pub(crate) fn push_line(&self, line: &str) {
        let segment = "audit/0000000000/0000000000/0000000000.jsonl";
        let text = self.git(&["show", &format!("jit/audit:{segment}")]);
        self.write("segment", &format!("{text}\n{line}\n"));
        let blob = self.git(&["hash-object", "-w", self.path("segment").to_str().unwrap()]);
        let index = self.path("index");
        let git = |args: &[&str]| self.git_with(args, &[("GIT_INDEX_FILE", index.as_os_str())]);
        git(&["read-tree", "jit/audit"]);
        git(&["update-index", "--cacheinfo", &format!("100644,{blob},{segment}")]);
        let tree = git(&["write-tree"]);
        let commit = git(&["commit-tree", "-m", "a line", "-p", "jit/audit", &tree]);
        self.git(&["update-ref", "refs/heads/jit/audit", &commit]);
    }

    /// Runs stock git in the repo, and returns what it prints.
    pub(crate) fn git(&self, args: &[&str]) -> String {
        self.git_with(args, &[])
    }

    fn git_with(&self, args: &[&str], vars: &[(&str, &OsStr)]) -> String {
        let mut command = Command::new("git");
        command.env_clear().env("PATH", path_of_this_machine()).env("HOME", &self.root).env("GIT_CONFIG_NOSYSTEM", "1");
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), "git").env(format!("GIT_{role}_EMAIL"), "git@example.org");
            command.env(format!("GIT_{role}_DATE"), "1768293000 +0000");
        }
        command.envs(vars.iter().copied());
        let output = command.current_dir(self.repo()).args(args).output().unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// A command line of somebody's, in the repo; `'` quotes.
    pub(crate) fn jit(&self, who: &str, line: &str) -> Call<'_> {
        self.args(who, words(line).into_iter().map(OsString::from).collect(), line)
    }

    /// A command line of somebody's that a line can't spell, shown as `line`.
    pub(crate) fn args(&self, who: &str, args: Vec<OsString>, line: &str) -> Call<'_> {
        self.wait(1);
        self.ran.set(self.ran.get() + 1);
        let home = self.home(who);
        let folder = if self.repo().exists() { self.repo() } else { self.root.clone() };
        let world = Fixed::new(self.now.get())
            .seed(self.ran.get())
            .zone(3600)
            .cwd(folder)
            .var("HOME", &home)
            .var("XDG_CONFIG_HOME", home.join(".config"))
            .var("XDG_STATE_HOME", home.join(".local/state"))
            .var("USER", who);
        Call { team: self, prompt: format!("{who}$ jit {line}"), args, world, answers: Vec::new(), closes_out: false }
    }

    /// Returns the id of the log.
    pub(crate) fn genesis(&self) -> String {
        let answer = self.jit("alice", "audit verify --json").run().json();
        answer["genesis"].as_str().unwrap().to_owned()
    }

    /// Asks as `who`, whatever comes of it, and returns the request's id.
    pub(crate) fn request(&self, who: &str, what: &str) -> String {
        let answer = self.jit(who, &format!("request {what} --json")).run().json();
        answer["request"]["id"].as_str().unwrap().to_owned()
    }

    /// Approves as `who`.
    pub(crate) fn approve(&self, who: &str, id: &str) {
        assert_eq!(self.jit(who, &format!("approve {id} --yes")).run().status, 0);
    }

    /// Adds a line of the test's own to the transcript.
    pub(crate) fn note(&self, text: &str) {
        self.transcript.borrow_mut().push_str(&format!("# {text}\n\n"));
    }

    /// Returns what was shown so far.
    pub(crate) fn transcript(&self) -> String {
        self.transcript.borrow().trim_end().to_owned()
    }

    /// Runs the real program as `who`, in the repo, with nothing else in its environment.
    pub(crate) fn binary(&self, who: &str, line: &str) -> Output {
        self.binary_command(who, line).stdin(Stdio::null()).output().unwrap()
    }

    /// Prepares to.
    pub(crate) fn binary_command(&self, who: &str, line: &str) -> Command {
        let home = self.home(who);
        let mut command = Command::new(env!("CARGO_BIN_EXE_jit"));
        command.env_clear().env("HOME", home).env("USER", who).args(&words(line)[1..]);
        command.current_dir(if self.repo().exists() { self.repo() } else { self.root.clone() });
        command
    }

    /// Replaces what differs from run to run.
    fn redacted(&self, text: &str) -> String {
        let text = text.replace(self.root.to_str().unwrap(), "$ROOT").replace("$ROOT/repo", "$REPO");
        let text = pattern(r"jit1\.[A-Za-z0-9_-]+").replace_all(&text, "jit1.$$TOKEN").into_owned();
        let text = pattern("(\"(?:sig|nonce)\":\")[^\"]*").replace_all(&text, "${1}…").into_owned();
        // A short id is the start of a whole one that came up somewhere before.
        pattern(r"\b[0-9a-f]{8,64}\b").replace_all(&text, |found: &Captures<'_>| self.number(&found[0])).into_owned()
    }

    fn number(&self, hex: &str) -> String {
        let mut seen = self.seen.borrow_mut();
        let known = seen.iter().position(|other| other.starts_with(hex) || hex.starts_with(other.as_str()));
        let index = known.unwrap_or_else(|| {
            seen.push(hex.to_owned());
            seen.len() - 1
        });
        if seen[index].len() < hex.len() {
            seen[index] = hex.to_owned();
        }
        let kind = if seen[index].len() == 40 { "git" } else { "hex" };
        format!("{:·<width$}", format!("{kind}-{:04}", index + 1), width = hex.len())
    }
}

impl Drop for Team {
    #[expect(clippy::print_stderr, reason = "what a test that fails saw helps whoever looks at it")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.transcript());
        }
    }
}

fn pattern(text: &str) -> Regex {
    Regex::new(text).unwrap()
}

fn path_of_this_machine() -> OsString {
    std::env::var_os("PATH").unwrap_or_default()
}

/// Splits a command line at spaces, but not within `'…'`.
fn words(line: &str) -> Vec<String> {
    let mut words = vec!["jit".to_owned()];
    let mut word: Option<String> = None;
    let mut is_quoted = false;
    for c in line.chars() {
        match c {
            '\'' => {
                is_quoted = !is_quoted;
                word.get_or_insert_default();
            }
            ' ' if !is_quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// A command line that is about to be run.
pub(crate) struct Call<'t> {
    team: &'t Team,
    prompt: String,
    args: Vec<OsString>,
    world: Fixed,
    answers: Vec<String>,
    closes_out: bool,
}

impl Call<'_> {
    fn map(mut self, change: impl FnOnce(Fixed) -> Fixed) -> Self {
        self.world = change(self.world);
        self
    }

    /// There is somebody who answers a question so, after what was said before.
    pub(crate) fn answer(mut self, text: &str) -> Self {
        self.answers.push(text.to_owned());
        self.map(|world| world.answer(text))
    }

    /// There is somebody at the terminal, who answers nothing.
    pub(crate) fn at_terminal(self) -> Self {
        self.map(|world| world.terminal(Stream::In).terminal(Stream::Out).terminal(Stream::Err))
    }

    /// There is somebody who types this when a passphrase is asked for.
    pub(crate) fn secret(self, text: &str) -> Self {
        self.map(|world| world.secret(text))
    }

    /// Standard input holds this.
    pub(crate) fn stdin(self, text: impl Into<Vec<u8>>) -> Self {
        self.map(|world| world.stdin(text))
    }

    pub(crate) fn var(self, name: &str, value: impl AsRef<Path>) -> Self {
        self.map(|world| world.var(name, value.as_ref()))
    }

    pub(crate) fn cwd(self, folder: &Path) -> Self {
        self.map(|world| world.cwd(folder))
    }

    /// Others do this each time the command waits.
    pub(crate) fn during_sleep(self, others: impl FnMut() + 'static) -> Self {
        self.map(|world| world.during_sleep(others))
    }

    /// A hold on what the command will see and print.
    pub(crate) fn tape(&self) -> Tape {
        self.world.tape()
    }

    /// Whoever read standard output has gone.
    pub(crate) fn close_out(mut self) -> Self {
        self.closes_out = true;
        self
    }

    /// Runs it, and leaves the transcript as it is.
    pub(crate) fn run(self) -> Ran {
        let tape = self.world.tape();
        if self.closes_out {
            tape.close_out();
        }
        let status = jit::cli::run(&mut fixed(self.world), self.args);
        Ran { status, out: tape.take_out(), err: tape.take_err() }
    }

    /// Runs it, and adds what one sees to the transcript.
    pub(crate) fn show(self) -> Ran {
        let (team, prompt, answers) = (self.team, escape(&self.prompt).into_owned(), self.answers.clone());
        let ran = self.run();
        // Whoever types an answer ends the line.
        let err = answers
            .iter()
            .fold(ran.err.clone(), |err, answer| err.replacen("[y/N] ", &format!("[y/N]: {answer}\n"), 1));
        let err: String = err.lines().map(|line| format!("2> {line}").trim_end().to_owned() + "\n").collect();
        let status = if ran.status == 0 { String::new() } else { format!("[exit {}]\n", ran.status) };
        let shown = team.redacted(&format!("{prompt}\n{err}{}{status}\n", ran.out)).replace('\u{1b}', "\\e");
        team.transcript.borrow_mut().push_str(&shown);
        ran
    }
}

/// What came of a command.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: u8,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// Returns the one JSON object on standard output.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert!(self.out.ends_with('\n') && self.out.lines().count() == 1, "{self:?}");
        let value: Value = serde_json::from_str(&self.out).unwrap();
        assert!(value.is_object(), "{value}");
        value
    }
}
