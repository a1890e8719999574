//! The log on a git host: fetched and pushed by the user's own `git`, so that ssh configuration, credential helpers and
//! proxies just work.
//!
//! Nothing that comes from the host is believed. A fetch brings the branch to a ref of ours, [`FETCHED`]; whoever walks it
//! and finds that it extends what was seen moves the remote-tracking ref to it ([`accept`]). So the last good state stays
//! where it is while a host shows something else. A push never forces: a refused one means that somebody was first. The
//! host's own words are kept for people, and the program reads only `--porcelain` output, in the C locale.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::git::{GitError, Repo};
use super::log::BRANCH;
use super::reference::{AppendLock, Moved, advance};
use super::world::World;
use crate::core::hash::parse_hex;
use crate::core::history::object::{Objects as _, Oid};
use crate::core::time::Timestamp;

/// Where a fetch puts the branch before anybody has walked it.
pub const FETCHED: &str = "refs/jit/fetched";
/// When the last successful fetch was, in the repository's common folder; whoever shares the clone reads it.
const STAMP: &str = "jit/fetched-at";
/// How long git may take over the network.
const PATIENCE: Duration = Duration::from_secs(120);
/// The most of git's words that are kept, in bytes.
const MAX_TALK: u64 = 64 * 1024;
/// The most bytes that one fetch may bring: no file that git writes for us, such as a pack, may grow larger.
const MAX_FETCH: u64 = 2 << 30;

/// What git would take from whoever runs us, such as a hook, that belongs to another repository; and our own secret.
const NOT_PASSED_ON: [&str; 11] = [
    "JIT_TOKEN",
    "GIT_DIR",
    "GIT_COMMON_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_QUARANTINE_PATH",
    "GIT_SHALLOW_FILE",
    "GIT_TRACE",
];

/// A remote repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// Its name in git's configuration, such as `origin`.
    pub name: String,
    /// The ref of this repository that stands for the log on it.
    pub tracking: String,
}

/// Finds the remote that holds the log: `origin`, else the only one; none if there is none or nobody can say which.
///
/// # Errors
/// Git's configuration can't be read.
pub fn find(repo: &Repo) -> Result<Option<Remote>, GitError> {
    let Some(name) = repo.remote_name()? else { return Ok(None) };
    // A bare clone has no remote-tracking refs; its own branch is the copy.
    let tracking = if repo.work_dir().is_none() { BRANCH.to_owned() } else { format!("refs/remotes/{name}/jit/audit") };
    Ok(Some(Remote { name, tracking }))
}

/// Clones a repository by the user's own git, which shows on a terminal how far it is. The folder must not be there.
///
/// # Errors
/// The remote can't be reached, or the folder can't be made.
pub fn clone(world: &World, url: &str, folder: &Path, bare: bool) -> Result<(), RemoteError> {
    let mut args: Vec<OsString> = ["clone", "--no-tags", "--origin", "origin"].map(OsString::from).to_vec();
    if bare {
        args.push("--bare".into());
    }
    args.extend(["--".into(), url.into(), folder.into()]);
    let said = run(world, None, &args)?;
    if said.status.success() {
        return Ok(());
    }
    Err(RemoteError::Failed { doing: "cloning", remote: url.to_owned(), said: said.err })
}

/// What a fetch found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// The branch, at this commit; nobody has walked it yet.
    Tip(Oid),
    /// The remote has no such branch.
    NoBranch,
}

/// Fetches the log's branch to [`FETCHED`].
///
/// # Errors
/// The remote can't be reached, takes too long, or sends what git does not take; with git's words.
pub fn fetch(world: &World, repo: &Repo, remote: &Remote) -> Result<Fetched, RemoteError> {
    fetch_with(world, repo, remote, &[])
}

/// As [`fetch`], for whoever was just told that there is something new and wants it at once: what comes stays in one file,
/// where git would write one for each object.
///
/// # Errors
/// As [`fetch`].
pub fn fetch_at_once(world: &World, repo: &Repo, remote: &Remote) -> Result<Fetched, RemoteError> {
    fetch_with(world, repo, remote, &["-c", "fetch.unpackLimit=1"])
}

fn fetch_with(world: &World, repo: &Repo, remote: &Remote, config: &[&str]) -> Result<Fetched, RemoteError> {
    let refspec = format!("+{BRANCH}:{FETCHED}");
    let options = [
        "fetch",
        "--porcelain",
        "--no-tags",
        "--no-write-fetch-head",
        "--no-recurse-submodules",
        "--no-auto-gc",
        "--no-prune",
        // Else git moves the remote-tracking ref too, to what nobody has walked yet.
        "--refmap=",
    ];
    let mut args: Vec<OsString> = config.iter().chain(&options).map(OsString::from).collect();
    args.extend(["--".into(), remote.name.clone().into(), refspec.into()]);
    let said = run(world, Some(repo), &args)?;
    // Another process may fetch here at the same time and hold the ref, or move it again: what this fetch brought is in
    // its own words.
    if let Some(tip) = brought(&said.out)
        && repo.commit(tip)?.is_some()
    {
        return Ok(Fetched::Tip(tip));
    }
    if !said.status.success() {
        // The one refusal that is an answer: git asks for a ref by name, and the host has none.
        let missing = format!("couldn't find remote ref {BRANCH}");
        if said.err.contains(&missing) {
            return Ok(Fetched::NoBranch);
        }
        return Err(RemoteError::failed("fetching from the remote", remote, said));
    }
    match repo.read_ref(FETCHED)? {
        Some(tip) => Ok(Fetched::Tip(tip)),
        None => Ok(Fetched::NoBranch),
    }
}

/// Reads what a fetch brought to [`FETCHED`]: `<flag> <old> <new> <local ref>`, git-fetch(1) "Output".
fn brought(out: &str) -> Option<Oid> {
    let line = out.lines().find(|line| line.ends_with(FETCHED))?;
    line.split_ascii_whitespace().rev().nth(1).map(str::as_bytes).and_then(parse_hex).map(Oid)
}

/// Moves the remote-tracking ref to what was fetched, walked and found good. `random` names a file.
///
/// # Errors
/// The repository can't be written to.
pub fn accept(repo: &Repo, remote: &Remote, tip: Oid, random: [u8; 16]) -> Result<(), GitError> {
    let lock = AppendLock::take(repo)?;
    let known = repo.read_ref(&remote.tracking)?;
    if known == Some(tip) {
        return Ok(());
    }
    match advance(repo, &lock, &remote.tracking, known, tip, random)? {
        Moved::Yes => Ok(()),
        // Somebody else's fetch was faster; what they found good is as good.
        Moved::Raced => Ok(()),
    }
}

/// What came of a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// The branch stands at the commit.
    Done,
    /// The branch is no longer what it was: somebody was first.
    Raced,
    /// The host refused it, for reasons of its own.
    Refused(String),
}

/// Pushes a commit to the log's branch, without force.
///
/// # Errors
/// The remote can't be reached, or its answer was lost: the commit may stand there all the same.
pub fn push(world: &World, repo: &Repo, remote: &Remote, commit: Oid) -> Result<Pushed, RemoteError> {
    let refspec = format!("{commit}:{BRANCH}");
    let options = ["push", "--porcelain", "--no-verify", "--no-follow-tags", "--recurse-submodules=no"];
    let mut args: Vec<OsString> = options.map(OsString::from).to_vec();
    args.extend(["--", &remote.name, &refspec].map(OsString::from));
    let said = run(world, Some(repo), &args)?;
    if said.status.success() {
        return Ok(Pushed::Done);
    }
    // `<flag> TAB <from>:<to> TAB <summary> (<reason>)`, git-push(1) "Output"
    let ours = said.out.lines().find(|line| line.split('\t').nth(1).is_some_and(|refs| refs.ends_with(BRANCH)));
    match ours.filter(|line| line.starts_with('!')) {
        Some(line) if ["(fetch first)", "(non-fast-forward)", "(stale info)"].iter().any(|why| line.contains(why)) => {
            Ok(Pushed::Raced)
        }
        // Two at once on one host: the other holds the ref's lock, or moved it between the answer and the update.
        Some(line)
            if ["failed to update ref", "cannot lock ref", "reference already exists", "failed to lock"]
                .iter()
                .any(|why| line.contains(why) || said.err.contains(why)) =>
        {
            Ok(Pushed::Raced)
        }
        Some(line) => {
            let why = line.split('\t').nth(2).unwrap_or_default();
            Ok(Pushed::Refused(format!("{why}\n{}", said.err)))
        }
        None => Err(RemoteError::failed("pushing to the remote", remote, said)),
    }
}

/// Notes that the log was fetched at `now`.
///
/// # Errors
/// The repository can't be written to.
pub fn stamp(repo: &Repo, now: Timestamp) -> Result<(), GitError> {
    let path = repo.common_dir().join(STAMP);
    let folder = repo.common_dir().join("jit");
    fs::create_dir_all(&folder).map_err(GitError::io("making the folder", &folder))?;
    // Others may note the same at this moment.
    let fresh = path.with_extension(std::process::id().to_string());
    fs::write(&fresh, format!("{now}\n")).map_err(GitError::io("writing", &fresh))?;
    fs::rename(&fresh, &path).map_err(GitError::io("writing", &path))
}

/// Returns when the log was last fetched; none if never.
///
/// # Errors
/// The stamp is there and can't be read: nothing is known about the data's age.
pub fn stamped(repo: &Repo) -> Result<Option<Timestamp>, GitError> {
    let path = repo.common_dir().join(STAMP);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(why) => return Err(GitError::io("reading", &path)(why)),
    };
    let unreadable = |_| GitError::io("reading", &path)(io::Error::new(io::ErrorKind::InvalidData, "it is no time"));
    text.trim_end().parse().map(Some).map_err(unreadable)
}

/// What git said.
pub(super) struct Said {
    pub(super) status: ExitStatus,
    pub(super) out: String,
    pub(super) err: String,
}

/// Runs the user's git in the repository, with a limit on time and on words.
pub(super) fn run(world: &World, repo: Option<&Repo>, args: &[OsString]) -> Result<Said, RemoteError> {
    run_with(world, repo, args, &[])
}

/// As [`run`], with more in git's environment.
pub(super) fn run_with(
    world: &World,
    repo: Option<&Repo>,
    args: &[OsString],
    vars: &[(&str, &OsStr)],
) -> Result<Said, RemoteError> {
    let mut command: Command = world.command("git");
    if let Some(repo) = repo {
        command.arg("--git-dir").arg(repo.common_dir());
        // A remote may be a path, and then it starts where git itself would stand.
        command.current_dir(repo.work_dir().unwrap_or(repo.common_dir()));
    }
    command.args(args);
    command.env("LC_ALL", "C").env("LANGUAGE", "C").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for variable in NOT_PASSED_ON {
        command.env_remove(variable);
    }
    command.envs(vars.iter().copied());
    if !(world.stdin_is_terminal() && world.stderr_is_terminal()) {
        // Nobody is there to answer: fail rather than wait.
        command.env("GIT_TERMINAL_PROMPT", "0").env("GCM_INTERACTIVE", "never");
    }
    let mut child = spawn_bounded(&mut command).map_err(RemoteError::NoGit)?;
    let out = read_in_background(child.stdout.take());
    let err = read_in_background(child.stderr.take());
    let (ended, end) = mpsc::channel();
    let pid = child.id();
    let waiter = thread::spawn(move || {
        let status = child.wait();
        // The receiver is gone only if time ran out, and then nobody asks.
        let _ = ended.send(status);
    });
    let status = match end.recv_timeout(PATIENCE) {
        Ok(status) => status.map_err(RemoteError::NoGit)?,
        Err(_) => {
            kill(pid);
            let _ = waiter.join();
            return Err(RemoteError::TooSlow(PATIENCE));
        }
    };
    let text =
        |reader: thread::JoinHandle<Vec<u8>>| String::from_utf8_lossy(&reader.join().unwrap_or_default()).into_owned();
    Ok(Said { status, out: text(out), err: text(err) })
}

/// Starts git, which inherits a limit on how large a file it may write.
fn spawn_bounded(command: &mut Command) -> io::Result<Child> {
    let before = getrlimit(Resource::Fsize);
    let bound = before.current.map_or(MAX_FETCH, |current| current.min(MAX_FETCH));
    // Where there can be no limit there is still the one on time.
    let is_bounded = setrlimit(Resource::Fsize, Rlimit { current: Some(bound), ..before }).is_ok();
    let child = command.spawn();
    if is_bounded {
        // We write no such file: a limit that stays harms nobody.
        let _ = setrlimit(Resource::Fsize, before);
    }
    child
}

/// Ends git and leaves its helpers to notice that it has gone.
fn kill(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) {
        // If it has just ended by itself there is nothing to kill.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

fn read_in_background(from: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut from) = from {
            // What is cut or lost here is talk: the status says what happened.
            let _ = from.by_ref().take(MAX_TALK).read_to_end(&mut bytes);
            let _ = io::copy(&mut from, &mut io::sink());
        }
        bytes
    })
}

/// Why a remote could not be asked.
#[derive(Debug)]
pub enum RemoteError {
    /// Git itself can't be run.
    NoGit(io::Error),
    /// It took longer than this.
    TooSlow(Duration),
    /// Git says no.
    Failed {
        /// What was done.
        doing: &'static str,
        /// The remote's name.
        remote: String,
        /// Git's words and the host's, as they came.
        said: String,
    },
    /// The repository can't be read or written to.
    Git(GitError),
}

/// Returns what git and the host said, escaped and in one line.
pub(crate) fn talk(said: &str) -> String {
    let lines = said.lines().map(str::trim).filter(|line| {
        // What the status says already, and frames without words in them.
        !line.is_empty() && *line != "remote:" && !line.starts_with("error: failed to push some refs")
    });
    let lines: Vec<String> = lines.map(super::git::escaped).collect();
    if lines.is_empty() { "git does not say why".to_owned() } else { lines.join("; ") }
}

impl RemoteError {
    /// Returns a command to type, or a thing to change.
    pub fn help(&self) -> Option<String> {
        match self {
            RemoteError::NoGit(_) => Some("install git, so that it is found in PATH".to_owned()),
            RemoteError::TooSlow(_) => Some("check the network, and what `git fetch` says by hand".to_owned()),
            RemoteError::Failed { doing: "cloning", remote, .. } => {
                Some(format!("check the URL and the network: git ls-remote '{}'", super::git::escaped(remote)))
            }
            RemoteError::Failed { remote, .. } => Some(format!(
                "check its URL (`git remote -v`) and the network: git fetch '{}'",
                super::git::escaped(remote)
            )),
            RemoteError::Git(error) => error.help(),
        }
    }

    pub(super) fn failed(doing: &'static str, remote: &Remote, said: Said) -> RemoteError {
        RemoteError::Failed { doing, remote: remote.name.clone(), said: said.err }
    }
}

impl From<GitError> for RemoteError {
    fn from(error: GitError) -> RemoteError {
        RemoteError::Git(error)
    }
}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RemoteError::NoGit(why) => write!(f, "can't run git: {why}"),
            RemoteError::TooSlow(length) => write!(f, "git did not answer within {} s", length.as_secs()),
            RemoteError::Failed { doing, remote, said } => {
                write!(f, "{doing} `{}` failed: {}", super::git::escaped(remote), talk(said))
            }
            RemoteError::Git(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RemoteError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            RemoteError::NoGit(why) => Some(why),
            RemoteError::Git(error) => error.source(),
            RemoteError::TooSlow(_) | RemoteError::Failed { .. } => None,
        }
    }
}
