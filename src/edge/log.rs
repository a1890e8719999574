//! The log in a repository: the branch `jit/audit`, walked from its first commit and appended to.
//!
//! [`walk`] tells which log a commit holds; its lines are read a segment at a time ([`Walked::segments`]). [`append`] is
//! one round after another of: walk to the tip, let the caller judge what it is about to add, build the tree from the
//! last valid one, commit on the tip, flush, move the branch if nobody was first. [`append_remote`] does the same with
//! the branch on a remote, for all that waits in this machine's [`queue`]. Nothing here looks at the work tree, the index or HEAD.
//!
//! [`propose`] is the middle of such a round, for whoever moves another ref than the local branch.

pub mod append_remote;
pub mod queue;

use std::fmt;

use super::git::{GitError, Repo};
use super::object_writer::ObjectWriter;
use super::recent::Recent;
use super::reference::{AppendLock, Moved, advance};
use super::remote::{self, RemoteError};
use super::replay::ReplayError;
use crate::core::history::append::{BuildError, NewLine, build};
use crate::core::history::chain::{Chain, ChainError, Rules, follow_handing, go_on};
use crate::core::history::judge::Appended;
use crate::core::history::object::{Author, CommitHead, Objects as _, Oid};
use crate::core::history::policy_folder::read_policy;
use crate::core::history::segment::{SEGMENT_LINES, Tail, TreeError, read_segment_at, segment_starts};
use crate::core::history::void::Void;
use crate::core::policy::PolicyFiles;
use crate::core::refusal;

/// The log's branch.
pub const BRANCH: &str = "refs/heads/jit/audit";
/// The same as people call it.
pub const BRANCH_NAME: &str = "jit/audit";

/// How often others may be first before an append gives up.
const MOST_ROUNDS: u32 = 50;
/// After how many lost rounds an append keeps other jits out while it walks.
const POLITE_ROUNDS: u32 = 2;

/// The log that a commit holds.
#[derive(Clone, Debug)]
pub struct Walked {
    /// The commit that was walked to; it may be void.
    pub tip: Oid,
    /// Where the log ends: its size and its tree.
    pub tail: Tail,
    /// The commit that added the last line: what a pin names.
    pub last_valid_commit: Oid,
    /// The void commits of the chain that was followed, oldest first.
    pub voids: Vec<(Oid, Void)>,
    /// Whether the pinned commit is the tip or comes before it.
    pub holds_pin: bool,
}

impl Walked {
    /// Returns how many lines the log has.
    pub fn size(&self) -> u64 {
        self.tail.size
    }

    /// Reads the lines from number `from` on, without their LFs, segment by segment: a log may be larger than what fits
    /// into memory.
    pub fn segments<'a>(
        &'a self,
        repo: &'a Repo,
        from: u64,
    ) -> impl Iterator<Item = Result<Vec<Vec<u8>>, WalkError>> + 'a {
        let starts = segment_starts(self.tail.size).skip_while(move |start| start + SEGMENT_LINES <= from);
        starts.map(move |start| {
            let mut lines = read_segment_at(repo, &self.tail, start).map_err(WalkError::Tree)?;
            let known = usize::try_from(from.saturating_sub(start)).unwrap_or(usize::MAX).min(lines.len());
            Ok(lines.split_off(known))
        })
    }

    /// Goes on to a later `tip`; `pin` and `rules` are those of the walk so far. It comes to what [`walk`] would; false
    /// where only that can tell, and then nothing has changed.
    ///
    /// # Errors
    /// See [`WalkError`].
    pub fn go_on(&mut self, repo: &Repo, tip: Oid, pin: Option<Oid>, rules: &Rules<'_>) -> Result<bool, WalkError> {
        let (tail, last_valid, voids) = (self.tail, self.last_valid_commit, self.voids.clone());
        let known = Chain { tail, last_valid, voids, holds_pin: self.holds_pin };
        let objects = Recent::new(repo, &|_| {});
        let later = go_on(&objects, self.tip, &known, tip, pin, rules).map_err(WalkError::Chain)?;
        let Some(Chain { tail, last_valid, voids, holds_pin }) = later else { return Ok(false) };
        *self = Walked { tip, tail, last_valid_commit: last_valid, voids, holds_pin };
        Ok(true)
    }

    /// Takes in what was appended to this log.
    pub fn take_in(&mut self, logged: &Logged) {
        (self.tip, self.last_valid_commit, self.tail) = (logged.commit, logged.commit, logged.tail);
    }

    /// Reads the files of the policy that line number `line` proposes; none if it has none in the log's tree.
    ///
    /// # Errors
    /// An object is missing or damaged.
    pub fn policy_files(&self, repo: &Repo, line: u64) -> Result<Option<PolicyFiles>, WalkError> {
        read_policy(repo, &self.tail, line).map_err(WalkError::Tree)
    }
}

/// Walks every commit up to `tip` and tells which log it holds. `pin` is the commit that this machine last
/// accepted; it decides where merges with forks go on.
///
/// # Errors
/// See [`WalkError`].
pub fn walk(repo: &Repo, tip: Oid, pin: Option<Oid>, rules: &Rules<'_>) -> Result<Walked, WalkError> {
    walk_handing(repo, tip, pin, rules, &|_| {}, &mut |_| {})
}

/// As [`walk`]; `tell` is told how many objects were read so far, and `take` is handed what commits appended, or nothing
/// ([`follow_handing`]).
///
/// # Errors
/// See [`WalkError`].
pub fn walk_handing(
    repo: &Repo,
    tip: Oid,
    pin: Option<Oid>,
    rules: &Rules<'_>,
    tell: &dyn Fn(u64),
    take: &mut dyn FnMut(Appended),
) -> Result<Walked, WalkError> {
    if repo.is_shallow() {
        return Err(WalkError::Git(GitError::Shallow(repo.shown_path())));
    }
    let objects = Recent::new(repo, tell);
    let chain = follow_handing(&objects, tip, pin, rules, take).map_err(WalkError::Chain)?;
    let Chain { tail, last_valid, voids, holds_pin } = chain;
    Ok(Walked { tip, tail, last_valid_commit: last_valid, voids, holds_pin })
}

/// Reads line 0 in the commit without a parent that first parents lead to from `tip`; none if there is none. Which log a
/// branch holds is for [`walk`] to say; this tells which one to expect.
///
/// # Errors
/// The repository can't be read.
pub fn first_line(repo: &Repo, tip: Oid) -> Result<Option<Vec<u8>>, GitError> {
    let mut at = tip;
    loop {
        let Some(head) = repo.commit(at)? else { return Ok(None) };
        match head.parents.first() {
            Some(parent) => at = *parent,
            None => {
                let tail = Tail { size: 1, tree: head.tree };
                return match read_segment_at(repo, &tail, 0) {
                    Ok(lines) => Ok(lines.into_iter().next()),
                    Err(TreeError::Objects(error)) => Err(error),
                    Err(TreeError::Void(_)) => Ok(None),
                };
            }
        }
    }
}

/// Why a log could not be walked.
#[derive(Debug)]
pub enum WalkError {
    /// The commits hold no log, or one can't be read.
    Chain(ChainError<GitError>),
    /// The log's own tree can't be read.
    Tree(TreeError<GitError>),
    /// The repository can't be read.
    Git(GitError),
}

impl WalkError {
    /// Tells whether the commits themselves are at fault: this is no log that can be trusted. Otherwise the repository
    /// could not be read, and nothing is known.
    pub fn is_untrusted(&self) -> bool {
        match self {
            WalkError::Chain(ChainError::NoLog(..) | ChainError::Forked(_) | ChainError::Unreadable(_)) => true,
            WalkError::Chain(ChainError::Objects(_)) => false,
            WalkError::Tree(_) | WalkError::Git(_) => false,
        }
    }

    /// Returns what is wrong with the repository, if that is it.
    pub fn git(&self) -> Option<&GitError> {
        match self {
            WalkError::Chain(ChainError::Objects(error))
            | WalkError::Tree(TreeError::Objects(error))
            | WalkError::Git(error) => Some(error),
            WalkError::Chain(_) | WalkError::Tree(_) => None,
        }
    }
}

impl fmt::Display for WalkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WalkError::Chain(error) => error.fmt(f),
            WalkError::Tree(TreeError::Void(void)) => write!(f, "the log's tree can't be read: {void}"),
            WalkError::Tree(TreeError::Objects(error)) | WalkError::Git(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for WalkError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.git().and_then(std::error::Error::source)
    }
}

/// What an append adds.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The lines, at least one.
    pub lines: Vec<NewLine>,
    /// What happened, in plain words: `git log jit/audit` reads as a history of access.
    pub message: String,
}

/// What an append needs to know beside the lines.
#[derive(Clone)]
pub struct Context<'a> {
    /// How lines are judged.
    pub rules: Rules<'a>,
    /// The commit that this machine last accepted.
    pub pin: Option<Oid>,
    /// The identity, which is the commits' author where git's configuration names none.
    pub identity: Author,
    /// Seconds since the start of 1970.
    pub now: i64,
    /// Fresh random bytes, for a file name.
    pub random: [u8; 16],
}

/// An append that is on disk and in the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Logged {
    /// The commit that added the lines; the branch's tip when it was made.
    pub commit: Oid,
    /// The number of the first new line.
    pub first: u64,
    /// Where the log ends with them.
    pub tail: Tail,
}

/// Appends to the log on the local branch.
///
/// The walk goes on from what is `known`, if there is such a thing, else from the first commit. `judge` is given the log as it
/// stands at the branch's tip and says what to add to it, or that nothing is to be added any more. It is asked again, with the longer log, each time somebody else was first.
///
/// # Errors
/// What `judge` says; and see [`AppendError`]. In all cases but [`AppendError::Git`] while flushing the branch itself,
/// the log is as it was.
pub fn append<E>(
    repo: &Repo,
    context: &Context<'_>,
    known: Option<&Walked>,
    judge: &mut dyn FnMut(&Walked) -> Result<Draft, E>,
) -> Result<Logged, AppendError<E>> {
    let mut lock = None;
    for round in 0..MOST_ROUNDS {
        if round >= POLITE_ROUNDS && lock.is_none() {
            lock = Some(AppendLock::take(repo)?);
        }
        let tip = repo.read_ref(BRANCH)?.ok_or(AppendError::NoLog)?;
        let walked = walk_from(repo, known, tip, context).map_err(AppendError::Walk)?;
        let draft = judge(&walked).map_err(AppendError::Judge)?;
        let logged = propose(repo, context, Some(&walked), &draft)?;
        let held = match &lock {
            Some(lock) => lock,
            None => lock.insert(AppendLock::take(repo)?),
        };
        match advance(repo, held, BRANCH, Some(tip), logged.commit, context.random)? {
            Moved::Yes => return Ok(logged),
            Moved::Raced if round < POLITE_ROUNDS => lock = None,
            Moved::Raced => {}
        }
    }
    Err(AppendError::Contended)
}

/// Walks to `tip` from what is known, or else from the first commit.
fn walk_from(repo: &Repo, known: Option<&Walked>, tip: Oid, context: &Context<'_>) -> Result<Walked, WalkError> {
    if let Some(known) = known {
        let mut longer = known.clone();
        if longer.go_on(repo, tip, context.pin, &context.rules)? {
            return Ok(longer);
        }
    }
    walk(repo, tip, context.pin, &context.rules)
}

/// Starts a log on the local branch with its line 0.
///
/// # Errors
/// There is a branch of that name already, or see [`AppendError`].
pub fn start<E>(
    repo: &Repo,
    context: &Context<'_>,
    genesis: NewLine,
    message: String,
) -> Result<Logged, AppendError<E>> {
    if repo.read_ref(BRANCH)?.is_some() {
        return Err(AppendError::Exists);
    }
    if !(context.rules.is_genesis)(&genesis.line) {
        return Err(AppendError::NotGenesis);
    }
    let logged = propose(repo, context, None, &Draft { lines: vec![genesis], message })?;
    let lock = AppendLock::take(repo)?;
    match advance(repo, &lock, BRANCH, None, logged.commit, context.random)? {
        Moved::Yes => Ok(logged),
        Moved::Raced => Err(AppendError::Exists),
    }
}

/// Builds the commit that would append `draft` to a log (none: start one) and flushes it to disk. It stands on the tip,
/// and its tree is that of the last valid commit with the new lines. No ref is moved.
///
/// # Errors
/// The draft is not what an append can be, or the repository can't be written to.
pub fn propose<E>(
    repo: &Repo,
    context: &Context<'_>,
    walked: Option<&Walked>,
    draft: &Draft,
) -> Result<Logged, AppendError<E>> {
    let store = ObjectWriter::new(repo);
    let old = walked.map(|walked| &walked.tail);
    let tail = build(&store, old, &draft.lines, context.rules.named_digest).map_err(AppendError::Build)?;
    let parents = walked.map(|walked| walked.tip).into_iter().collect();
    let author = repo.author(&context.identity)?;
    let commit = store.write_commit(&CommitHead { tree: tail.tree, parents }, &author, context.now, &draft.message)?;
    store.flush()?;
    Ok(Logged { commit, first: old.map_or(0, |tail| tail.size), tail })
}

/// Why nothing was appended.
#[derive(Debug)]
pub enum AppendError<E> {
    /// The caller's own reason.
    Judge(E),
    /// There is no branch `jit/audit`.
    NoLog,
    /// There is a branch `jit/audit` already.
    Exists,
    /// The line to start with is no valid genesis.
    NotGenesis,
    /// The log can't be walked.
    Walk(WalkError),
    /// The log can't be folded.
    Replay(ReplayError),
    /// The lines are not what an append can be.
    Build(BuildError<GitError>),
    /// Others were first, time and again.
    Contended,
    /// The remote can't be reached; nothing was sent.
    Remote(RemoteError),
    /// The lines were sent and the answer was lost: they may be in the log.
    Unknown(RemoteError),
    /// The host refused them, with its words.
    Refused(String),
    /// The repository can't be read or written to.
    Git(GitError),
}

impl<E> AppendError<E> {
    /// Returns a command to type, or a thing to change.
    pub fn help(&self) -> Option<String> {
        match self {
            AppendError::Refused(said) => Some(refusal::classify(said).map_or_else(
                || {
                    "whoever may ask or approve must be able to push to jit/audit, directly: see the host's branch \
                     rules, and who has the right to push"
                        .to_owned()
                },
                |refusal| refusal.help(BRANCH_NAME),
            )),
            AppendError::Remote(error) => error.help(),
            AppendError::Contended => {
                Some("try it again; if nobody else is at work, see what the host shows: git ls-remote".to_owned())
            }
            AppendError::Unknown(_) => Some(
                "before you do it again, look: `jit audit log` once the remote is back; and see whether you may push \
                     there at all: `jit doctor --remote`"
                    .to_owned(),
            ),
            AppendError::Walk(error) => error.git().and_then(GitError::help),
            AppendError::Git(error) => error.help(),
            AppendError::Judge(_)
            | AppendError::NoLog
            | AppendError::Exists
            | AppendError::NotGenesis
            | AppendError::Replay(_)
            | AppendError::Build(_) => None,
        }
    }
}

impl<E> From<GitError> for AppendError<E> {
    fn from(error: GitError) -> AppendError<E> {
        AppendError::Git(error)
    }
}

impl<E: fmt::Display> fmt::Display for AppendError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AppendError::Judge(error) => error.fmt(f),
            AppendError::NoLog => write!(f, "there is no branch `jit/audit`, so there is no log"),
            AppendError::Exists => write!(f, "there is a branch `jit/audit` already"),
            AppendError::NotGenesis => write!(f, "the first line of a log is a valid genesis, this is none"),
            AppendError::Walk(error) => error.fmt(f),
            AppendError::Replay(error) => error.fmt(f),
            AppendError::Build(error) => error.fmt(f),
            AppendError::Contended => {
                write!(f, "nothing was logged: others were first, time and again")
            }
            AppendError::Remote(error) => write!(f, "nothing was logged: {error}"),
            AppendError::Unknown(error) => {
                write!(f, "nobody knows whether it was logged: it was sent, and the answer was lost: {error}")
            }
            AppendError::Refused(why) => {
                f.write_str("nothing was logged: the host refused it")?;
                if let Some(refusal) = refusal::classify(why) {
                    write!(f, " ({refusal})")?;
                }
                write!(f, ": {}", remote::talk(why))
            }
            AppendError::Git(error) => error.fmt(f),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for AppendError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            AppendError::Judge(error) => error.source(),
            AppendError::Walk(error) => error.source(),
            AppendError::Replay(error) => error.source(),
            AppendError::Build(error) => error.source(),
            AppendError::Git(error) => error.source(),
            AppendError::Remote(error) | AppendError::Unknown(error) => error.source(),
            AppendError::NoLog
            | AppendError::Exists
            | AppendError::NotGenesis
            | AppendError::Contended
            | AppendError::Refused(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn a_walk_goes_on_and_lines_are_read_from_any_on() {
        let folder = tempfile::tempdir().unwrap();
        let repo = Repo::init(folder.path()).unwrap();
        let rules = Rules { is_genesis: &|_| true, named_digest: &|_| None };
        let identity = Author { name: "alice".to_owned(), email: String::new() };
        let context = Context { rules, pin: None, identity, now: 0, random: [7; 16] };
        let started = start::<Infallible>(&repo, &context, NewLine::plain("0"), String::new()).unwrap();
        let mut gone_on = walk(&repo, started.commit, None, &context.rules).unwrap();
        let mut taken_in = gone_on.clone();
        let mut lines = vec![b"0".to_vec()];
        for count in [1, 62, 63, 5] {
            let new: Vec<Vec<u8>> = (0..count).map(|line| format!("{count} {line}").into_bytes()).collect();
            let draft = Draft { lines: new.iter().cloned().map(NewLine::plain).collect(), message: String::new() };
            let logged = append::<Infallible>(&repo, &context, None, &mut |_| Ok(draft.clone())).unwrap();
            lines.extend(new);
            let walked = walk(&repo, logged.commit, None, &context.rules).unwrap();
            assert!(gone_on.go_on(&repo, logged.commit, None, &context.rules).unwrap());
            taken_in.take_in(&logged);
            for known in [&gone_on, &taken_in] {
                assert_eq!((known.tip, known.tail, known.last_valid_commit), (walked.tip, walked.tail, logged.commit));
            }
        }
        for from in 0..=lines.len() + 1 {
            let read: Result<Vec<_>, _> = gone_on.segments(&repo, from as u64).collect();
            assert_eq!(read.unwrap().concat(), lines.get(from..).unwrap_or_default(), "{from}");
        }
        // What does not follow is not gone on to.
        let last = gone_on.tip;
        assert!(!gone_on.go_on(&repo, started.commit, None, &context.rules).unwrap());
        assert_eq!(gone_on.tip, last);
    }
}
