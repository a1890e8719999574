//! The log of a policy repo, opened: find the repo, walk `jit/audit` from its first commit, hold it against the pin of
//! this machine, examine all lines (in parallel), fold them. Where one of these fails nothing is answered from the log.

mod append;
mod fetch;
mod index;

pub(super) use fetch::{Unfetched, check_clock};
pub(super) use index::UseOfIndex;

use std::cell::Cell;
use std::path::PathBuf;

use anyhow::anyhow;

use self::fetch::Fresh;
use super::context::{Context, shown};
use super::exit::Failure;
use super::pin::{
    GenesisOption, check_minimum, check_pin, expected_id, first_id, gone_log, home_id, log_ref, moves_pin, no_log,
    no_repo,
};
use crate::core::hash::Hash;
use crate::core::history::chain::Rules;
use crate::core::history::object::Oid;
use crate::core::history::segment::{SEGMENT_LINES, read_segment_at, segment_starts};
use crate::core::ledger::{self, Delta, Verdict};
use crate::core::reason::Code;
use crate::core::statement::policy_digest;
use crate::core::time::Duration;
use crate::core::view::{Memory, View, ViewExt};
use crate::edge::config::{Config, ConfigError, Origin, Pin, Seen};
use crate::edge::git::Repo;
use crate::edge::index::Writing;
use crate::edge::log::{self, BRANCH, WalkError};
use crate::edge::remote::{self, Remote};
use crate::edge::replay::{self, Opened, ReplayError, Told};
use crate::edge::world::World;

/// A log, verified, held against this machine's pin, and folded.
pub(super) struct Ledger {
    /// The repo that it was read from.
    pub(super) repo: Repo,
    /// The remote that it is a copy of.
    remote: Option<Remote>,
    opened: Opened,
    pin: Option<Pin>,
    /// Whether this machine's pin follows this repo.
    moves_pin: bool,
    /// How old what is known is.
    pub(super) age: Age,
}

impl std::ops::Deref for Ledger {
    type Target = Opened;

    fn deref(&self) -> &Opened {
        &self.opened
    }
}

/// How old the data is that a ledger was opened from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Age {
    /// There is no remote.
    OwnTruth,
    /// Fetched so many seconds ago.
    Fetched(u64),
    /// Nobody knows when it was fetched.
    Unknown,
    /// Older than it may be, and nothing newer could be had.
    Stale {
        /// Its age in seconds, if that is known.
        seconds: Option<u64>,
        /// Why.
        reason: String,
        /// What to do next.
        help: Option<String>,
    },
}

impl Age {
    /// Returns the age in seconds, as `--json` prints it.
    pub(super) fn seconds(&self) -> Option<u64> {
        match self {
            Age::OwnTruth => Some(0),
            Age::Fetched(seconds) => Some(*seconds),
            Age::Unknown => None,
            Age::Stale { seconds, .. } => *seconds,
        }
    }
}

/// By which rule the policy repo was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FoundBy {
    /// `-C` names it.
    Option,
    /// `JIT_REPO` names it.
    Variable,
    /// It stands around the current folder.
    Around,
    /// The configuration names it as the default one.
    Default,
}

/// What a log has to be for this machine to believe it.
pub(super) struct Expected {
    /// Its id.
    pub(super) genesis: Option<Hash>,
    /// What this machine has seen of it.
    pub(super) seen: Seen,
    /// The index that it may be read from.
    pub(super) index: Option<UseOfIndex>,
}

impl Expected {
    /// Walks and folds the log up to a commit, and holds it against what it has to be. Says how far it is.
    pub(super) fn open_at(&self, world: &World, repo: &Repo, tip: Oid) -> anyhow::Result<Opened> {
        if let Some(index) = &self.index
            && let Some(opened) = self.open_indexed(index, repo, tip)
        {
            return Ok(opened);
        }
        let progress = world.progress();
        let pin = self.seen.pin.map(|pin| pin.commit);
        let has_lines = Cell::new(false);
        let reading = |objects| {
            if !has_lines.get() {
                progress.tell(format_args!("reading the log: {objects} objects"));
            }
        };
        let verifying = |lines: u64, of: u64| {
            has_lines.set(true);
            let percent = (lines.saturating_mul(100) / of.max(1)).min(100);
            progress.tell(format_args!("verifying the log: {percent}% ({lines}/{of} lines)"));
        };
        // An index that can't be written is no reason not to answer.
        let builder = self.index.as_ref().filter(|index| index.writes).and_then(|index| index.file.build().ok());
        let mut writing = builder.map(Writing::start);
        let keep = &mut |delta: &Delta| writing.iter_mut().for_each(|writing| writing.add(delta));
        let told = Told { objects: &reading, lines: &verifying, keep };
        let opened = match replay::open(repo, tip, pin, &rules(), told) {
            Err(ReplayError::Walk(why)) => return Err(Failure::of_walk(why)),
            opened => opened?,
        };
        progress.end();
        self.check(&opened)?;
        if let (Some(writing), Some(prefix), Some(root)) = (writing, opened.prefix(pin), opened.view.root()) {
            writing.finish(&prefix, root);
        }
        Ok(opened)
    }

    /// Holds a log against what it has to be.
    fn check(&self, opened: &Opened) -> anyhow::Result<()> {
        let view = &opened.view;
        check_pin(&opened.walked, view, self.seen.pin)?;
        let id = view.genesis().map(|genesis| genesis.id);
        if id != self.genesis {
            let name = |id: Option<Hash>| id.map_or_else(|| "no log".to_owned(), |id| format!("log {id}"));
            let text = format!("the branch jit/audit holds {}, where {} was", name(id), name(self.genesis));
            return Err(Failure::untrusted(Code::LogRewritten, text).into());
        }
        for minimum in &self.seen.minimums {
            check_minimum(view, minimum, "the one that this machine has seen")?;
        }
        Ok(())
    }
}

/// Tells whether `jit clone` made this repo.
pub(super) fn is_clone(config: &Config, genesis: Option<Hash>, repo: &Repo) -> anyhow::Result<bool> {
    let Some(genesis) = genesis else { return Ok(false) };
    let trust = config.trust_in(&genesis)?;
    let cloned = trust.is_some_and(|trust| trust.origin == Some(Origin::Clone));
    Ok(cloned && config.is_home_of(&genesis, &repo.shown_path())?)
}

impl Ledger {
    /// Returns a line as text.
    pub(super) fn line(&self, index: u64) -> anyhow::Result<String> {
        let segment = self.read_segment(index)?;
        let place = usize::try_from(index % SEGMENT_LINES)?;
        let line = segment.into_iter().nth(place).ok_or_else(|| anyhow!("the log has no line {index}"))?;
        String::from_utf8(line).map_err(|_| anyhow!("line {index} is no text"))
    }

    /// Hands over each line of a log that was opened whole, without its LF, with its number and what it is worth. The lines
    /// are read a segment at a time: a log may be larger than what fits into memory.
    pub(super) fn each_line(
        &self,
        mut take: impl FnMut(u64, &[u8], &Verdict) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut verdicts = (0..).zip(self.verdicts.iter());
        for start in segment_starts(self.walked.tail.size) {
            for (line, (index, verdict)) in self.read_segment(start)?.iter().zip(&mut verdicts) {
                take(index, line, verdict)?;
            }
        }
        Ok(())
    }

    fn read_segment(&self, line: u64) -> anyhow::Result<Vec<Vec<u8>>> {
        read_segment_at(&self.repo, &self.walked.tail, line).map_err(|why| Failure::of_walk(WalkError::Tree(why)))
    }

    /// Returns what a non-inert line is worth.
    pub(super) fn verdict(&self, id: &Hash, index: u64) -> anyhow::Result<Verdict> {
        let base = self.view.base();
        let verdict = match index.checked_sub(base.size()) {
            Some(place) => self.verdicts.get(place).cloned(),
            None => base.verdict(id),
        };
        verdict.ok_or_else(|| anyhow!("nobody knows what line {index} is worth"))
    }

    /// Ends its use where the process ends too: what an index lacks goes in, and the memory is the system's to take back,
    /// all at once.
    pub(super) fn leave(mut self) {
        self.opened.unsaved = None;
        std::mem::forget(self);
    }

    /// Returns the remote that it is a copy of.
    pub(super) fn remote(&self) -> Option<&Remote> {
        self.remote.as_ref()
    }

    /// Tells whether this machine's pin follows this repo.
    pub(super) fn moves_pin(&self) -> bool {
        self.moves_pin
    }

    /// Returns the log's id.
    pub(super) fn genesis_id(&self) -> Hash {
        self.view.genesis().map_or(Hash([0; 32]), |genesis| genesis.id)
    }
}

/// Says for programs what a line is worth, in one word, and why where that is not all.
pub(super) fn verdict_fields(verdict: &Verdict) -> (&'static str, Option<String>) {
    match verdict {
        Verdict::Effect => ("effect", None),
        Verdict::WithoutEffect(why) => ("without-effect", Some(why.clone())),
        Verdict::Inert(why) => ("inert", Some(why.to_string())),
    }
}

/// Says in words what a line is worth.
pub(super) fn describe_verdict(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Effect => "has effect".to_owned(),
        Verdict::WithoutEffect(why) => format!("without effect: {why}"),
        Verdict::Inert(why) => format!("inert: {why}"),
    }
}
impl Context<'_> {
    /// Returns the folder that the command line or the environment names for the policy repo.
    fn named_repo(&self) -> anyhow::Result<Option<PathBuf>> {
        if let Some(named) = &self.globals.repo {
            return Ok(Some(self.world.cwd().join(named)));
        }
        Ok(self.world.path_var("JIT_REPO").map(|named| self.world.cwd().join(named)))
    }

    /// Opens the policy repo, for commands that are no gates.
    pub(super) fn repo(&self) -> anyhow::Result<Repo> {
        self.repo_and_why().map(|(repo, _)| repo)
    }

    /// Opens the policy repo, for commands that are no gates, and says by which rule it was found.
    pub(super) fn repo_and_why(&self) -> anyhow::Result<(Repo, FoundBy)> {
        if let Some(named) = self.named_repo()? {
            let by = if self.globals.repo.is_some() { FoundBy::Option } else { FoundBy::Variable };
            return Ok((Repo::open(&named)?, by));
        }
        let config = Config::open(self.world);
        if let Some(around) = Repo::discover(self.world.cwd())?
            && (log_ref(&around, remote::find(&around)?.as_ref())?.is_some() || home_id(&config, &around)?.is_some())
        {
            return Ok((around, FoundBy::Around));
        }
        match config.default_repo()? {
            Some(default) => Ok((Repo::open(&default)?, FoundBy::Default)),
            None => Err(no_repo().into()),
        }
    }

    /// Opens the log, verifies and folds what is new since the index, for commands that are no gates.
    pub(super) fn ledger(&mut self) -> anyhow::Result<Ledger> {
        self.open_now(false)
    }

    /// Opens the log, verifies and folds all of it from the first line, for who believes no index or asks for each line.
    pub(super) fn whole_ledger(&mut self) -> anyhow::Result<Ledger> {
        self.open_now(true)
    }

    fn open_now(&mut self, whole: bool) -> anyhow::Result<Ledger> {
        let repo = self.repo()?;
        let config = Config::open(self.world);
        self.open(repo, &config, (&Fresh::Now, whole), |genesis, _| Ok(config.trusts(&genesis)?))
    }

    /// Opens, verifies and folds the log for a gate: only one whose genesis this machine trusts, or that is named.
    ///
    /// With a remote its data is fetched if it is older than the policy in force allows, or than `max_age`, if that is
    /// shorter; [`Ledger::age`] says whether that could be had.
    pub(super) fn gate_ledger(&mut self, genesis: Option<&str>, max_age: Option<Duration>) -> anyhow::Result<Ledger> {
        let config = Config::open(self.world);
        let from_environment = self.world.var_checked("JIT_GENESIS")?;
        let named = genesis.map(str::to_owned).or(from_environment);
        let named = named.as_deref().map(GenesisOption::parse).transpose()?;
        let repo = self.gate_repo(&config, named.as_ref())?;
        let fresh = Fresh::Within(max_age);
        let ledger = self.open(repo, &config, (&fresh, false), |id, repo| match &named {
            Some(named) if named.id == id => Ok(config.trusts(&id)?),
            Some(named) => Err(Failure::untrusted(
                Code::UnknownGenesis,
                format!("the log in `{}` is {id}, not the {} that was named", shown(&repo.shown_path()), named.id),
            )
            .help("name the repo that is meant with -C DIR, or its genesis with --genesis ID")
            .into()),
            None if config.trusts(&id)? => Ok(true),
            None => Err(Failure::untrusted(
                Code::UnknownGenesis,
                format!("this machine does not trust the log {id} in `{}`", shown(&repo.shown_path())),
            )
            .help("if it is the right one, name it: --genesis ID, or JIT_GENESIS=ID")
            .into()),
        })?;
        if let Some(minimum) = named.and_then(|named| named.minimum) {
            check_minimum(&ledger.view, &minimum, "the one that --genesis names")?;
        }
        Ok(ledger)
    }

    /// Finds the repo for a gate: a named one, the one around the current folder if it was made here or `--genesis` speaks
    /// for it, else the default.
    fn gate_repo(&self, config: &Config, named: Option<&GenesisOption>) -> anyhow::Result<Repo> {
        if let Some(folder) = self.named_repo()? {
            return Ok(Repo::open(&folder)?);
        }
        if let Ok(Some(around)) = Repo::discover(self.world.cwd())
            && (home_id(config, &around)?.is_some() || named.is_some_and(|named| first_id(&around) == Some(named.id)))
        {
            return Ok(around);
        }
        match config.default_repo()? {
            Some(default) => Ok(Repo::open(&default)?),
            None => Err(no_repo().into()),
        }
    }

    /// Opens a repo's log, the `whole` of it from the first line or what is new since the index. `accept` says whether this
    /// machine trusts it, or refuses it.
    fn open(
        &mut self,
        repo: Repo,
        config: &Config,
        (fresh, whole): (&Fresh, bool),
        accept: impl FnOnce(Hash, &Repo) -> anyhow::Result<bool>,
    ) -> anyhow::Result<Ledger> {
        let remote = remote::find(&repo)?;
        // Where it was fetched once, a remote-tracking ref that is gone does not make this copy the truth.
        let was_fetched = remote::was_fetched(&repo)?;
        if was_fetched && remote.is_none() && !repo.remote_names()?.is_empty() {
            let text = format!("nobody can say which of its remotes `{}` has the log from", shown(&repo.shown_path()));
            return Err(Failure::unavailable(text).help("call that one origin: git remote rename NAME origin").into());
        }
        let no_log_here =
            |config| Ok::<_, anyhow::Error>(gone_log(config, &repo)?.unwrap_or_else(|| no_log(&repo)).into());
        if log_ref(&repo, remote.as_ref())?.is_none() && !(was_fetched && remote.is_some()) {
            return Err(no_log_here(config)?);
        }
        let genesis = expected_id(config, &repo)?;
        let moves_pin = match genesis {
            Some(genesis) => accept(genesis, &repo)? && moves_pin(config, &genesis, &repo)?,
            None => false,
        };
        // The pin is asked even where it does not move: a log that this machine has seen further is not believed.
        let seen = genesis.map(|genesis| config.seen(&genesis)).transpose()?.unwrap_or_default();
        // The tip is read after the pin: others move the branch first and the pin after it, so the branch is not behind.
        let pin = seen.pin;
        let (tip, is_remote) = match (log_ref(&repo, remote.as_ref())?, pin) {
            (Some(found), _) => found,
            // `git fetch --prune` took the ref away, while the branch was not on the host. What was seen of it is here.
            (None, Some(pin)) => (pin.commit, true),
            (None, None) => return Err(no_log_here(config)?),
        };
        let index = match (whole, genesis) {
            (false, Some(genesis)) => UseOfIndex::of(self.world, config, &genesis, &repo, moves_pin)?,
            (true, _) | (_, None) => None,
        };
        let expected = Expected { genesis, seen, index };
        let remote = remote.filter(|_| is_remote || was_fetched);
        let (opened, age) = match &remote {
            // A repo without a remote is its own truth, unless it was cloned: then nobody knows what it lacks.
            None => {
                let opened = expected.open_at(self.world, &repo, tip)?;
                self.check_witnesses(&repo, None, &opened.view)?;
                let reason = "it was cloned, and has no remote any more".to_owned();
                let help = Some("`git remote add origin URL` gives it one again".to_owned());
                let stale = Age::Stale { seconds: None, reason, help };
                (opened, if is_clone(config, genesis, &repo)? { stale } else { Age::OwnTruth })
            }
            Some(remote) => self.open_fresh(&repo, remote, tip, &expected, fresh)?,
        };
        let ledger = Ledger { repo, remote, opened, pin, moves_pin, age };
        self.reads_from(ledger.view.base());
        self.advance_pin(config, &ledger)?;
        Ok(ledger)
    }

    /// Moves this machine's pin on, where it follows this repo. A gate that can't write still answers.
    fn advance_pin(&mut self, config: &Config, ledger: &Ledger) -> anyhow::Result<()> {
        let (Some(root), true) = (ledger.view.root(), ledger.moves_pin) else { return Ok(()) };
        let to = Pin { commit: ledger.walked.last_valid_commit, size: ledger.view.size(), root };
        // What this command found there at its start: others can only have moved it further.
        if ledger.pin == Some(to) {
            return Ok(());
        }
        let extends = |pin: &Pin| ledger.view.root_at(pin.size) == Some(pin.root);
        match config.advance_pin(&ledger.genesis_id(), to, extends) {
            Ok(()) => Ok(()),
            // Another process on this machine was faster and stands further along the same log.
            Err(ConfigError::Backwards { .. }) => Ok(()),
            Err(why) if why.is_unwritable() => {
                if self.verbose() {
                    self.world.say(&format!("note: the pin could not be kept: {why}"));
                }
                Ok(())
            }
            Err(why) => Err(why.into()),
        }
    }

    /// Returns a log's id and its pin as it stands, for whoever is about to trust it.
    pub(super) fn first_pin(&self, repo: &Repo) -> anyhow::Result<(Hash, Pin)> {
        let tip = repo.read_ref(BRANCH)?.ok_or_else(|| no_log(repo))?;
        let walked = log::walk(repo, tip, None, &rules()).map_err(Failure::of_walk)?;
        let replayed = replay::replay(repo, &walked)?;
        let (Some(genesis), Some(root)) = (replayed.view.genesis(), replayed.view.root()) else {
            return Err(no_log(repo).into());
        };
        Ok((genesis.id, Pin { commit: walked.last_valid_commit, size: replayed.view.size(), root }))
    }
}

/// How lines are judged while commits are walked.
pub(super) fn rules() -> Rules<'static> {
    Rules { is_genesis: &is_genesis, named_digest: &policy_digest }
}

/// Tells whether a line can be the first of a log.
pub(super) fn is_genesis(line: &[u8]) -> bool {
    ledger::apply(&Memory::new(), &ledger::examine(line), None).is_ok()
}
