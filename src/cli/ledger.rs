//! The log of a policy repo, opened: find the repo, walk `jit/audit` from its first commit, hold it against the pin of
//! this machine, examine all lines (in parallel), fold them. Where one of these fails nothing is answered from the log.

use std::path::{Path, PathBuf};

use anyhow::anyhow;

use super::context::{Context, shown};
use super::exit::Failure;
use super::freshness::{Aged, describe_fetch, names_witnesses};
use super::pin::{
    GenesisOption, check_minimum, check_pin, expected_id, first_id, gone_log, home_id, log_ref, no_log, no_repo,
};
use crate::core::hash::Hash;
use crate::core::history::chain::Rules;
use crate::core::history::object::Oid;
use crate::core::ledger::{self, Verdict};
use crate::core::reason::Code;
use crate::core::statement::policy_digest;
use crate::core::time::{Duration, Timestamp};
use crate::core::view::{Memory, View, ViewExt};
use crate::edge::config::{Config, ConfigError, Minimum, Origin, Pin};
use crate::edge::git::Repo;
use crate::edge::log::{self, BRANCH};
use crate::edge::remote::{self, Fetched, Remote};
use crate::edge::replay::{self, Opened};

/// By how many seconds a gate's clock may be behind the last fetch.
const CLOCK_SLACK: i64 = 60;

/// A log, verified, held against this machine's pin, and folded.
pub(super) struct Ledger {
    /// The repo that it was read from.
    pub(super) repo: Repo,
    /// The remote that it is a copy of.
    pub(super) remote: Option<Remote>,
    /// What follows from it.
    pub(super) opened: Opened,
    /// What this machine had accepted of it before.
    pub(super) pin: Option<Pin>,
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

/// How fresh the log has to be.
enum Fresh {
    /// As it is now, if the remote can be reached.
    Now,
    /// As old as the policy in force allows, or this, if that is shorter.
    Within(Option<Duration>),
}

/// Why nothing was fetched.
enum Unfetched {
    /// The remote can't be reached, or nothing can be kept.
    Unreachable(anyhow::Error),
    /// What it shows is not believed.
    Untrusted(anyhow::Error),
    /// A witness contradicts what it shows.
    Forked(anyhow::Error),
}

/// What a log has to be for this machine to believe it.
pub(super) struct Expected {
    /// Its id.
    pub(super) genesis: Option<Hash>,
    /// What this machine last accepted of it.
    pub(super) pin: Option<Pin>,
    /// Prefixes that it must have.
    pub(super) minimums: Vec<Minimum>,
}

impl Expected {
    /// Walks and folds the log up to a commit, and holds it against what it has to be.
    pub(super) fn open_at(&self, repo: &Repo, tip: Oid, progress: &mut dyn FnMut(u64, u64)) -> anyhow::Result<Opened> {
        let walked = log::walk(repo, tip, self.pin.map(|pin| pin.commit), &rules()).map_err(Failure::of_walk)?;
        let replayed = replay::replay(repo, &walked, progress)?;
        check_pin(&walked, &replayed.view, self.pin)?;
        let id = replayed.view.genesis().map(|genesis| genesis.id);
        if id != self.genesis {
            let name = |id: Option<Hash>| id.map_or_else(|| "no log".to_owned(), |id| format!("log {id}"));
            let text = format!("the branch jit/audit holds {}, where {} was", name(id), name(self.genesis));
            return Err(Failure::untrusted(Code::LogRewritten, text).into());
        }
        for minimum in &self.minimums {
            check_minimum(&replayed.view, minimum, "the one that this machine has seen")?;
        }
        Ok(Opened { walked, view: replayed.view, verdicts: replayed.verdicts })
    }
}

/// Tells whether `jit clone` made this repo.
pub(super) fn is_clone(config: &Config, genesis: Option<Hash>, repo: &Repo) -> anyhow::Result<bool> {
    let Some(genesis) = genesis else { return Ok(false) };
    let trust = config.trust_in(&genesis)?;
    let cloned = trust.is_some_and(|trust| trust.origin == Some(Origin::Clone));
    Ok(cloned && config.is_home_of(&genesis, &repo.shown_path())?)
}

/// Says that a remote has lost its log.
fn gone_from(remote: &Remote, pin: Option<Pin>) -> Failure {
    let seen = pin.map(|pin| format!(": this machine has seen {} lines of it, root {}", pin.size, pin.root));
    let seen = seen.unwrap_or_default();
    let text = format!("the branch jit/audit is gone from the remote `{}`{seen}", shown(Path::new(&remote.name)));
    Failure::untrusted(Code::LogRewritten, text)
        .help("restore it from a clone that has the lines, and find out who did")
}

/// Refuses to answer at a gate whose clock is behind the last fetch: what had ended would be live again.
pub(super) fn check_clock(stamped: Option<Timestamp>, now: Timestamp) -> anyhow::Result<()> {
    match stamped {
        Some(at) if at.since(now).num_seconds() > CLOCK_SLACK => {
            let text = format!("this machine's clock is wrong: it says {now}, and the log was fetched here at {at}");
            let help = "set the clock; if it is right now and was wrong then, `jit sync` notes the time anew";
            Err(Failure { code: Some(Code::Clock), ..Failure::unavailable(text) }.help(help).into())
        }
        Some(_) | None => Ok(()),
    }
}

impl Ledger {
    /// Returns a line as text.
    pub(super) fn line(&self, index: u64) -> anyhow::Result<&str> {
        let line = usize::try_from(index).ok().and_then(|index| self.walked.lines.get(index));
        let line = line.ok_or_else(|| anyhow!("the log has no line {index}"))?;
        std::str::from_utf8(line).map_err(|_| anyhow!("line {index} is no text"))
    }

    /// Returns what a line is worth.
    pub(super) fn verdict(&self, index: u64) -> anyhow::Result<&Verdict> {
        let verdict = usize::try_from(index).ok().and_then(|index| self.verdicts.get(index));
        verdict.ok_or_else(|| anyhow!("the log has no line {index}"))
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

    /// Opens, verifies and folds the log, for commands that are no gates.
    pub(super) fn ledger(&mut self) -> anyhow::Result<Ledger> {
        self.ledger_with_progress(&mut |_, _| {})
    }

    /// As [`Context::ledger`], saying how far it is.
    pub(super) fn ledger_with_progress(&mut self, progress: &mut dyn FnMut(u64, u64)) -> anyhow::Result<Ledger> {
        let repo = self.repo()?;
        let config = Config::open(self.world);
        self.open(repo, &config, &Fresh::Now, progress, |genesis, repo| {
            // A repo that merely stands around never moves a pin; one that was made here does.
            Ok(config.trusts(&genesis)? && config.is_home_of(&genesis, &repo.shown_path())?)
        })
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
        let (repo, is_chosen) = self.gate_repo(&config, named.as_ref())?;
        let fresh = Fresh::Within(max_age);
        let ledger = self.open(repo, &config, &fresh, &mut |_, _| {}, |id, repo| match &named {
            Some(named) if named.id == id => Ok(is_chosen && config.trusts(&id)?),
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

    /// Finds the repo for a gate: a named one, the one around the current folder if it was made here, else the default.
    /// Where only `--genesis` speaks for the one around, it is taken too; then the second value is false: it merely
    /// stands there, and moves no pin.
    fn gate_repo(&self, config: &Config, named: Option<&GenesisOption>) -> anyhow::Result<(Repo, bool)> {
        if let Some(folder) = self.named_repo()? {
            return Ok((Repo::open(&folder)?, true));
        }
        if let Ok(Some(around)) = Repo::discover(self.world.cwd()) {
            if home_id(config, &around)?.is_some() {
                return Ok((around, true));
            }
            if named.is_some_and(|named| first_id(&around) == Some(named.id)) {
                return Ok((around, false));
            }
        }
        match config.default_repo()? {
            Some(default) => Ok((Repo::open(&default)?, true)),
            None => Err(no_repo().into()),
        }
    }

    fn open(
        &mut self,
        repo: Repo,
        config: &Config,
        fresh: &Fresh,
        progress: &mut dyn FnMut(u64, u64),
        moves_pin: impl FnOnce(Hash, &Repo) -> anyhow::Result<bool>,
    ) -> anyhow::Result<Ledger> {
        let remote = remote::find(&repo)?;
        if log_ref(&repo, remote.as_ref())?.is_none() {
            return Err(gone_log(config, &repo)?.unwrap_or_else(|| no_log(&repo)).into());
        }
        let genesis = expected_id(config, &repo)?;
        let moves_pin = match genesis {
            Some(genesis) => moves_pin(genesis, &repo)?,
            None => false,
        };
        // The pin is asked even where it does not move: a log that this machine has seen further is not believed.
        let pin = genesis.map(|genesis| config.pin(&genesis)).transpose()?.flatten();
        let minimums = genesis.map(|genesis| config.minimums(&genesis)).transpose()?.unwrap_or_default();
        // The tip is read after the pin: others move the branch first and the pin after it, so the branch is not behind.
        let (tip, is_remote) = log_ref(&repo, remote.as_ref())?.ok_or_else(|| no_log(&repo))?;
        let expected = Expected { genesis, pin, minimums };
        // Where it was fetched once, a remote-tracking ref that is gone does not make this copy the truth.
        let was_fetched = remote::stamped(&repo)?.is_some();
        let remote = remote.filter(|_| is_remote || was_fetched);
        let (opened, age) = match &remote {
            // A repo without a remote is its own truth, unless it was cloned: then nobody knows what it lacks.
            None => {
                let opened = expected.open_at(&repo, tip, progress)?;
                self.check_witnesses(&repo, None, &opened.view)?;
                let reason = "it was cloned, and has no remote any more".to_owned();
                let stale = Age::Stale { seconds: None, reason };
                (opened, if is_clone(config, genesis, &repo)? { stale } else { Age::OwnTruth })
            }
            Some(remote) => self.open_fresh(&repo, remote, tip, &expected, fresh, progress)?,
        };
        let ledger = Ledger { repo, remote, opened, pin, moves_pin, age };
        self.advance_pin(config, &ledger)?;
        Ok(ledger)
    }

    /// Opens the log of a remote from data that is as fresh as it has to be. What the remote shows is taken only if it
    /// extends what this machine has seen.
    fn open_fresh(
        &mut self,
        repo: &Repo,
        remote: &Remote,
        tip: Oid,
        expected: &Expected,
        fresh: &Fresh,
        progress: &mut dyn FnMut(u64, u64),
    ) -> anyhow::Result<(Opened, Age)> {
        let limit = match fresh {
            // Whoever reads or writes wants what is there now; where that can't be had, what was there, and its age.
            Fresh::Now => {
                return match self.fetch(repo, remote, tip, expected, progress) {
                    Ok(fetched) => Ok((fetched, Age::Fetched(0))),
                    Err(Unfetched::Unreachable(why)) => {
                        let opened = expected.open_at(repo, tip, progress)?;
                        self.check_witnesses(repo, Some(remote), &opened.view)?;
                        let age = self.age(repo)?;
                        self.warn_once(&format!("warning: {why}"), &format!("\n  {}", describe_fetch(age)));
                        Ok((opened, age.map_or(Age::Unknown, |age| Age::Fetched(age.max(1)))))
                    }
                    Err(Unfetched::Untrusted(why) | Unfetched::Forked(why)) => Err(why),
                };
            }
            Fresh::Within(shorter) => *shorter,
        };
        check_clock(remote::stamped(repo)?, self.world.now())?;
        // A gate answers from what it has while that is fresh enough.
        let known = match expected.open_at(repo, tip, progress) {
            Ok(opened) => self.age_of(repo, remote, &opened.view).map(|age| (opened, age)),
            Err(why) => Err(why),
        };
        let limit_of = |opened: &Opened| {
            let policy = opened.view.rules().map(|policy| policy.max_age());
            [policy, limit].into_iter().flatten().min().map_or(0, |limit| u64::from(limit.as_secs()))
        };
        let fresh_enough = |opened: &Opened, age: &Aged| age.seconds.filter(|seconds| *seconds <= limit_of(opened));
        let known = match known {
            Ok((opened, age)) => match fresh_enough(&opened, &age).filter(|_| !age.lacks_lines) {
                Some(seconds) => return Ok((opened, Age::Fetched(seconds))),
                None => Ok((opened, age)),
            },
            Err(why) => Err(why),
        };
        let why = match self.fetch(repo, remote, tip, expected, progress) {
            Ok(opened) => {
                let age = self.age_of(repo, remote, &opened.view)?;
                if !names_witnesses(&opened.view) {
                    return Ok((opened, Age::Fetched(0)));
                }
                return Ok(match fresh_enough(&opened, &age) {
                    Some(seconds) => (opened, Age::Fetched(seconds)),
                    None => (opened, Age::Stale { seconds: age.seconds, reason: age.told }),
                });
            }
            Err(Unfetched::Forked(why)) => return Err(why),
            Err(Unfetched::Unreachable(why) | Unfetched::Untrusted(why)) => why,
        };
        // A `git fetch` by hand may have brought what is not believed: the last good state is where the pin is.
        let (opened, age) = match (known, expected.pin) {
            (Err(_), Some(pin)) => {
                let opened = expected.open_at(repo, pin.commit, progress)?;
                let age = self.age_of(repo, remote, &opened.view)?;
                (opened, age)
            }
            (known, _) => known?,
        };
        if let Some(seconds) = fresh_enough(&opened, &age) {
            self.world.warn(&format!("warning: answering from what was last good: {why}"));
            return Ok((opened, Age::Fetched(seconds)));
        }
        Ok((opened, Age::Stale { seconds: age.seconds, reason: format!("{}, and {why}", age.told) }))
    }

    /// Fetches the log, and moves the remote-tracking ref to it if it is what it must be.
    fn fetch(
        &mut self,
        repo: &Repo,
        remote: &Remote,
        known: Oid,
        expected: &Expected,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Opened, Unfetched> {
        let unreachable = |why: anyhow::Error| Unfetched::Unreachable(why);
        let started = self.world.now();
        let (mut tip, mut opened) = self.fetch_log(repo, remote, expected, progress)?;
        match self.fetch_checkpoints(repo, remote, &opened.view) {
            Ok(false) => {}
            // Signed just now, or what came was an old log: looked at once more before anything is made of it.
            Ok(true) => (tip, opened) = self.fetch_log(repo, remote, expected, progress)?,
            Err(why) => self.warn_once(&format!("warning: {}", Failure::from_error(&why)), ""),
        }
        self.check_witnesses(repo, Some(remote), &opened.view).map_err(Unfetched::Forked)?;
        if tip != known {
            let mut random = [0; 16];
            self.world.random(&mut random);
            remote::accept(repo, remote, tip, random).map_err(|why| unreachable(why.into()))?;
        }
        self.keep_checkpoint(repo, remote, &opened.view).map_err(unreachable)?;
        remote::stamp(repo, started).map_err(|why| unreachable(why.into()))?;
        Ok(opened)
    }

    /// Fetches the log and opens it; no ref moves but that of what was fetched.
    fn fetch_log(
        &self,
        repo: &Repo,
        remote: &Remote,
        expected: &Expected,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(Oid, Opened), Unfetched> {
        let tip = match remote::fetch(self.world, repo, remote) {
            Ok(Fetched::Tip(tip)) => tip,
            Ok(Fetched::NoBranch) => return Err(Unfetched::Untrusted(gone_from(remote, expected.pin).into())),
            Err(why) => return Err(Unfetched::Unreachable(why.into())),
        };
        Ok((tip, expected.open_at(repo, tip, progress).map_err(Unfetched::Untrusted)?))
    }

    /// Returns how many seconds ago the log was fetched; none if nobody knows. A fetch that lies ahead is not known.
    fn age(&self, repo: &Repo) -> anyhow::Result<Option<u64>> {
        let stamped = remote::stamped(repo)?;
        Ok(stamped.and_then(|at| u64::try_from(self.world.now().since(at).num_seconds()).ok()))
    }

    /// Moves this machine's pin on, where it follows this repo. A gate that can't write still answers.
    pub(super) fn advance_pin(&mut self, config: &Config, ledger: &Ledger) -> anyhow::Result<()> {
        let (Some(root), true) = (ledger.view.root(), ledger.moves_pin) else { return Ok(()) };
        let to = Pin { commit: ledger.walked.last_valid_commit, size: ledger.view.size(), root };
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
        let replayed = replay::replay(repo, &walked, &mut |_, _| {})?;
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
