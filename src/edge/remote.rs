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
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::bounded::{PATIENCE, PATIENCE_TO_CLONE, Said, TIMEOUT};
use super::git::{GitError, Repo};
use super::log::BRANCH;
use super::reference::{AppendLock, Moved, advance, share};
use super::world::World;
use crate::core::hash::parse_hex;
use crate::core::history::object::{Objects as _, Oid};
use crate::core::time::Timestamp;

mod bounded;

/// Where a fetch puts the branch before anybody has walked it.
pub const FETCHED: &str = "refs/jit/fetched";
/// When the last successful fetch was, in the repository's common folder; whoever shares the clone reads it.
const STAMP: &str = "jit/fetched-at";
/// Where a commit stands while it is pushed by a pattern.
const OUTGOING: &str = "refs/jit/outgoing/";
/// How often a fetch is tried again while others hold the ref that it writes to, and after which pause.
const MOST_HELD: usize = 20;
const HELD_PAUSE: Duration = Duration::from_millis(20);
/// The most lines of git's words that are shown, and the most characters of each.
const MOST_SHOWN: (usize, usize) = (12, 300);
/// A program that fails where ssh or git ask it for a secret.
const NO_ANSWER: &str = "false";

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
    let said = bounded::run(world, None, &args, &[], PATIENCE_TO_CLONE)?;
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
    let said = fetch_refs(world, repo, remote, config, [format!("+{BRANCH}:{FETCHED}")])?;
    // Another process may fetch here at the same time and hold the ref, or move it again: what this fetch brought is in
    // its own words.
    if let Some(tip) = brought(&said.out)
        && repo.commit(tip)?.is_some()
    {
        return Ok(Fetched::Tip(tip));
    }
    if !said.status.success() {
        // The one refusal that is an answer: git asks for a ref by name, and the host has none.
        if said.lacks(BRANCH) {
            return Ok(Fetched::NoBranch);
        }
        return Err(RemoteError::failed("fetching from the remote", remote, said));
    }
    match repo.read_ref(FETCHED)? {
        Some(tip) => Ok(Fetched::Tip(tip)),
        None => Ok(Fetched::NoBranch),
    }
}

/// How git fetches refs by name: nothing beside them, and nothing moves but what is said.
pub(super) const FETCH: [&str; 9] = [
    // Whoever may push could push what git's own checks refuse, and so keep everybody from fetching. The log is walked by
    // stricter ones, which pass over it.
    "-c",
    "fetch.fsckObjects=false",
    "fetch",
    "--no-tags",
    "--no-write-fetch-head",
    "--no-recurse-submodules",
    "--no-auto-gc",
    "--no-prune",
    // Else git moves the remote-tracking ref too, to what nobody has walked yet.
    "--refmap=",
];

/// Fetches these refs and no others, whatever the repository is configured to fetch beside them; `config` is more of it.
pub(super) fn fetch_refs(
    world: &World,
    repo: &Repo,
    remote: &Remote,
    config: &[&str],
    refspecs: impl IntoIterator<Item = String>,
) -> Result<Said, RemoteError> {
    let mut args: Vec<OsString> = config.iter().copied().chain(FETCH).map(OsString::from).collect();
    args.extend(["--porcelain", "--", &remote.name].map(OsString::from));
    args.extend(refspecs.into_iter().map(OsString::from));
    let before = half_packs(repo);
    let mut said = run(world, Some(repo), &args);
    if said.as_ref().is_ok_and(|said| said.err.starts_with("error: unknown option `porcelain'")) {
        // Git has it since 2.41. An older one does not say what it brought, so it is the ref that tells; and where another
        // fetch holds that, it is asked again.
        args.retain(|arg| arg != "--porcelain");
        said = run(world, Some(repo), &args);
        for _ in 0..MOST_HELD {
            if !said.as_ref().is_ok_and(|said| said.err.contains("cannot lock ref")) {
                break;
            }
            world.sleep(HELD_PAUSE);
            said = run(world, Some(repo), &args);
        }
    }
    if !said.as_ref().is_ok_and(|said| said.status.success()) {
        // Git leaves behind what it had of a pack, and a host that breaks off each time would fill the disk. If somebody
        // else fetches here at this moment, that fetch fails, and the next brings the same.
        for half in half_packs(repo).into_iter().filter(|half| !before.contains(half)) {
            // Whoever can't remove it could not have written it.
            let _ = fs::remove_file(half);
        }
    }
    said
}

/// Lists packs that git has not received to their ends.
fn half_packs(repo: &Repo) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(repo.common_dir().join("objects/pack")) else { return Vec::new() };
    let half = |entry: &fs::DirEntry| entry.file_name().as_encoded_bytes().starts_with(b"tmp_");
    entries.flatten().filter(half).map(|entry| entry.path()).collect()
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
    /// The host could not move the branch, with its words: another push holds it or was first, or it can't write at all.
    Held(String),
    /// The host refused it, for reasons of its own.
    Refused(String),
}

/// Pushes a commit to the log's branch, without force.
///
/// # Errors
/// The remote can't be reached, or its answer was lost: the commit may stand there all the same.
pub fn push(world: &World, repo: &Repo, remote: &Remote, commit: Oid) -> Result<Pushed, RemoteError> {
    push_to(world, repo, remote, commit, BRANCH, "")
}

/// Pushes a commit to a branch; `force` is `+` or nothing.
pub(super) fn push_to(
    world: &World,
    repo: &Repo,
    remote: &Remote,
    commit: Oid,
    branch: &str,
    force: &str,
) -> Result<Pushed, RemoteError> {
    let mut said = push_refs(world, repo, remote, &format!("{force}{commit}:{branch}"))?;
    // Git completes names on the host, even whole ones: there `refs/heads/jit/audit` also means a branch or a tag that
    // somebody has named `refs/heads/jit/audit`. It completes none that a pattern leads to.
    let is_ambiguous = format!("error: dst refspec {branch} matches more than one");
    if !said.status.success()
        && said.err.lines().any(|line| line == is_ambiguous)
        && let Some((folder, last)) = branch.rsplit_once('/')
    {
        let outgoing = format!("{OUTGOING}{commit}");
        let name = format!("{outgoing}/{last}");
        repo.make_ref(&name, commit)?;
        let pushed = push_refs(world, repo, remote, &format!("{force}{outgoing}/*:{folder}/*"));
        repo.remove_ref(&name)?;
        said = pushed?;
    }
    if said.status.success() {
        return Ok(Pushed::Done);
    }
    // `<flag> TAB <from>:<to> TAB <summary> (<reason>)`, git-push(1) "Output"
    let to = format!(":{branch}");
    let ours = said.out.lines().find(|line| line.split('\t').nth(1).is_some_and(|refs| refs.ends_with(&to)));
    let Some(line) = ours.filter(|line| line.starts_with('!')) else {
        return Err(RemoteError::failed("pushing to the remote", remote, said));
    };
    let summary = line.split('\t').nth(2).unwrap_or_default();
    let is_any = |words: &[&str]| words.iter().any(|words| summary.ends_with(&format!("({words})")));
    // Only the summary counts: what a hook says is told, and not obeyed.
    if summary.starts_with("[rejected]") && is_any(&["fetch first", "non-fast-forward", "stale info"]) {
        return Ok(Pushed::Raced);
    }
    let why = format!("{summary}\n{}", said.err);
    // Hosts word it as they like, GitHub with both commits behind it.
    let is_held =
        is_any(&["failed to update ref", "failed to lock", "reference already exists", "incorrect old value provided"])
            || summary.contains("(cannot lock ref");
    if is_held {
        return Ok(Pushed::Held(why));
    }
    Ok(Pushed::Refused(why))
}

/// Pushes by one refspec and nothing else, whatever the repository is configured to push.
fn push_refs(world: &World, repo: &Repo, remote: &Remote, refspec: &str) -> Result<Said, RemoteError> {
    let no_mirror = format!("remote.{}.mirror=false", remote.name);
    let options = [
        "-c",
        // Git mirrors all or nothing.
        &no_mirror,
        "push",
        "--porcelain",
        "--no-verify",
        "--no-follow-tags",
        "--no-signed",
        "--recurse-submodules=no",
        "--",
        &remote.name,
        refspec,
    ];
    run(world, Some(repo), &options.map(OsString::from))
}

/// Runs the user's git in the repository, for one exchange with the remote.
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
    bounded::run(world, repo, args, vars, PATIENCE)
}

impl Said {
    /// Tells whether git found no such ref on the remote. The host's own words begin otherwise, or can do no more than
    /// take the ref away.
    pub(super) fn lacks(&self, name: &str) -> bool {
        let words = format!("fatal: couldn't find remote ref {name}");
        self.err.lines().any(|line| line.trim_end() == words)
    }
}

/// Notes that the log was fetched at `now`.
///
/// # Errors
/// The repository can't be written to.
pub fn stamp(repo: &Repo, now: Timestamp) -> Result<(), GitError> {
    // Under a lock, since several gates may fetch at once and the new file has one name.
    let _lock = AppendLock::take(repo)?;
    let path = repo.common_dir().join(STAMP);
    let fresh = path.with_extension("new");
    fs::write(&fresh, format!("{now}\n")).map_err(GitError::io("writing", &fresh))?;
    share(repo, &fresh)?;
    fs::rename(&fresh, &path).map_err(GitError::io("writing", &path))
}

/// Returns when the log was last fetched; none if nobody knows: never, or the stamp is damaged, as a power failure leaves
/// it. The next fetch writes it anew.
///
/// # Errors
/// The stamp is there and can't be read.
pub fn stamped(repo: &Repo) -> Result<Option<Timestamp>, GitError> {
    let path = repo.common_dir().join(STAMP);
    match fs::read(&path) {
        Ok(bytes) => Ok(std::str::from_utf8(&bytes).ok().and_then(|text| text.trim_end().parse().ok())),
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(why) => Err(GitError::io("reading", &path)(why)),
    }
}

/// Tells whether the log was ever fetched here.
///
/// # Errors
/// The folder can't be looked into.
pub fn was_fetched(repo: &Repo) -> Result<bool, GitError> {
    let path = repo.common_dir().join(STAMP);
    path.try_exists().map_err(GitError::io("looking at", &path))
}

/// Why a remote could not be asked.
#[derive(Debug)]
pub enum RemoteError {
    /// Git itself can't be run.
    NoGit(io::Error),
    /// `JIT_TIMEOUT` says something else than how long git may take.
    Timeout(String),
    /// It took longer than this.
    TooSlow(Duration),
    /// It said more than so many bytes.
    TooTalkative(usize),
    /// The host sends a larger file than may be written.
    TooLarge,
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

/// Returns what git and the host said, escaped, in one line, and not too much of it.
pub(crate) fn talk(said: &str) -> String {
    let lines = said.lines().map(str::trim).filter(|line| {
        // What the status says already, frames without words in them, and that our own answer is none.
        !line.is_empty()
            && *line != "remote:"
            && !line.starts_with("error: failed to push some refs")
            && !line.starts_with(&format!("error: unable to read askpass response from '{NO_ANSWER}'"))
    });
    let (most, longest) = MOST_SHOWN;
    let short = |line: &str| {
        let more = if line.chars().nth(longest).is_some() { "…" } else { "" };
        super::git::escaped(&line.chars().take(longest).collect::<String>()) + more
    };
    let mut lines: Vec<String> = lines.map(short).collect();
    if lines.is_empty() {
        return "git does not say why".to_owned();
    }
    // A host begins with its reasons, git ends with its own.
    if let Some(more) = lines.len().checked_sub(most).filter(|more| *more > 0) {
        let from = most / 2;
        lines.splice(from..from + more, [format!("({more} more lines)")]);
    }
    lines.join("; ")
}

/// Returns what to do about a host that does not let this user in, or that nobody knows; none if that is not it.
fn access(said: &str) -> Option<&'static str> {
    if ["terminal prompts disabled", "Authentication failed"].iter().any(|words| said.contains(words)) {
        return Some("have git know the right user and password, by a credential helper: see `git help credentials`");
    }
    if said.contains("Host key verification failed") {
        return Some(
            "compare the host's key with what its owner says, and have ssh know it: connect once by hand, at a terminal",
        );
    }
    said.contains("Permission denied (")
        .then_some("have the host know your ssh key, and your agent hold it: ssh-add -l")
}

impl RemoteError {
    /// Returns a command to type, or a thing to change.
    pub fn help(&self) -> Option<String> {
        match self {
            RemoteError::NoGit(_) => Some("install git, so that it is found in PATH".to_owned()),
            RemoteError::Timeout(_) => Some(format!("set it to a length of time: {TIMEOUT}=30s")),
            RemoteError::TooSlow(_) => {
                Some(format!("check the network, and what `git fetch` says by hand; {TIMEOUT}=10m waits longer"))
            }
            RemoteError::TooTalkative(_) => Some("look at what `git fetch` says by hand, and ask whoever runs the host".to_owned()),
            RemoteError::TooLarge => Some(
                "ask whoever runs the host what stands on jit/audit: appends are small, and a limit on the size of pushes \
                 keeps others out"
                    .to_owned(),
            ),
            RemoteError::Failed { said, .. } if access(said).is_some() => access(said).map(str::to_owned),
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
        // Of the limit on files git's helper dies (SIGXFSZ), or it hears of it where that signal is ignored.
        if ["died of signal 25", "File too large"].iter().any(|words| said.err.contains(words)) {
            return RemoteError::TooLarge;
        }
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
            RemoteError::Timeout(why) => write!(f, "{why}"),
            RemoteError::TooSlow(length) => write!(f, "the remote did not answer within {} s", length.as_secs()),
            RemoteError::TooTalkative(most) => write!(f, "the remote talks without end: over {} MiB", most >> 20),
            RemoteError::TooLarge => {
                write!(f, "the remote sends more than may be stored at once: 2 GiB, or `ulimit -f`")
            }
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
            RemoteError::Timeout(_)
            | RemoteError::TooSlow(_)
            | RemoteError::TooTalkative(_)
            | RemoteError::TooLarge
            | RemoteError::Failed { .. } => None,
        }
    }
}
