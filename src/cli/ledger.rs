//! The log of a policy repo, opened: find the repo, walk `jit/audit` from its first commit, hold it against the pin of
//! this machine, examine all lines (in parallel), fold them. Where one of these fails nothing is answered from the log.

use std::path::PathBuf;

use anyhow::anyhow;

use super::context::{Context, shown};
use super::exit::Failure;
use super::pin::{
    GenesisOption, check_minimum, check_pin, expected_id, first_id, gone_log, home_id, no_log, no_repo, rewritten,
};
use crate::core::hash::Hash;
use crate::core::history::append::NewLine;
use crate::core::history::chain::Rules;
use crate::core::history::object::{Author, Oid};
use crate::core::history::segment::Tail;
use crate::core::history::void::Void;
use crate::core::ledger::{self, Delta, Verdict};
use crate::core::name::Name;
use crate::core::policy::PolicyFiles;
use crate::core::reason::Code;
use crate::core::statement::{Line, policy_digest};
use crate::core::view::{Memory, View, ViewExt};
use crate::edge::config::{Config, ConfigError, Pin};
use crate::edge::git::Repo;
use crate::edge::log::{self, BRANCH, Draft, Walked};
use crate::edge::replay::{self, Replayed};

/// A log, verified, held against this machine's pin, and folded.
pub(super) struct Ledger {
    /// The repo that it was read from.
    pub(super) repo: Repo,
    /// All that follows from it.
    pub(super) view: Memory,
    /// Its lines, without their LFs.
    pub(super) lines: Vec<Vec<u8>>,
    /// What each line is worth.
    pub(super) verdicts: Vec<Verdict>,
    /// The void commits, oldest first.
    pub(super) voids: Vec<(Oid, Void)>,
    /// The commit that added the last line.
    pub(super) last_valid_commit: Oid,
    /// Where it ends.
    pub(super) tail: Tail,
    pin: Option<Pin>,
    /// Whether this machine's pin follows this repo.
    moves_pin: bool,
}

impl Ledger {
    /// Returns a line as text.
    pub(super) fn line(&self, index: u64) -> anyhow::Result<&str> {
        let line = usize::try_from(index).ok().and_then(|index| self.lines.get(index));
        let line = line.ok_or_else(|| anyhow!("the log has no line {index}"))?;
        std::str::from_utf8(line).map_err(|_| anyhow!("line {index} is no text"))
    }

    /// Returns what a line is worth.
    pub(super) fn verdict(&self, index: u64) -> anyhow::Result<&Verdict> {
        let verdict = usize::try_from(index).ok().and_then(|index| self.verdicts.get(index));
        verdict.ok_or_else(|| anyhow!("the log has no line {index}"))
    }

    /// Returns the log's id.
    pub(super) fn genesis_id(&self) -> Hash {
        self.view.genesis().map_or(Hash([0; 32]), |genesis| genesis.id)
    }

    /// Folds a longer log that this one must be the beginning of.
    fn catch_up(&self, walked: &Walked) -> anyhow::Result<Replayed> {
        let replayed = replay::replay(&self.repo, walked, &mut |_, _| {})?;
        check_pin(walked, &replayed.view, self.pin)?;
        let (size, root) = (self.view.size(), self.view.root());
        if replayed.view.root_at(size) == root {
            return Ok(replayed);
        }
        Err(rewritten("the log changed while this command ran", size, root, &replayed.view).into())
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
        if let Some(named) = self.named_repo()? {
            return Ok(Repo::open(&named)?);
        }
        let config = Config::open(self.world);
        if let Some(around) = Repo::discover(self.world.cwd())?
            && (around.read_ref(BRANCH)?.is_some() || home_id(&config, &around)?.is_some())
        {
            return Ok(around);
        }
        match config.default_repo()? {
            Some(default) => Ok(Repo::open(&default)?),
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
        self.open(repo, &config, progress, |genesis, repo| {
            // A repo that merely stands around never moves a pin; one that was made here does.
            Ok(config.trusts(&genesis)? && config.is_home_of(&genesis, &repo.shown_path())?)
        })
    }

    /// Opens, verifies and folds the log for a gate: only one whose genesis this machine trusts, or that is named.
    pub(super) fn gate_ledger(&mut self, genesis: Option<&str>) -> anyhow::Result<Ledger> {
        let config = Config::open(self.world);
        let from_environment = self.world.var_checked("JIT_GENESIS")?;
        let named = genesis.map(str::to_owned).or(from_environment);
        let named = named.as_deref().map(GenesisOption::parse).transpose()?;
        let (repo, is_chosen) = self.gate_repo(&config, named.as_ref())?;
        let ledger = self.open(repo, &config, &mut |_, _| {}, |id, repo| match &named {
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
        progress: &mut dyn FnMut(u64, u64),
        moves_pin: impl FnOnce(Hash, &Repo) -> anyhow::Result<bool>,
    ) -> anyhow::Result<Ledger> {
        if repo.read_ref(BRANCH)?.is_none() {
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
        let tip = repo.read_ref(BRANCH)?.ok_or_else(|| no_log(&repo))?;
        let walked = log::walk(&repo, tip, pin.map(|pin| pin.commit), &rules()).map_err(Failure::of_walk)?;
        let replayed = replay::replay(&repo, &walked, progress)?;
        check_pin(&walked, &replayed.view, pin)?;
        let id = replayed.view.genesis().map(|genesis| genesis.id);
        if id != genesis {
            let name = |id: Option<Hash>| id.map_or_else(|| "no log".to_owned(), |id| format!("log {id}"));
            let text = format!("the branch jit/audit holds {}, where {} was", name(id), name(genesis));
            return Err(Failure::untrusted(Code::LogRewritten, text).into());
        }
        for minimum in &minimums {
            check_minimum(&replayed.view, minimum, "the one that this machine has seen")?;
        }
        let ledger = Ledger {
            repo,
            view: replayed.view,
            lines: walked.lines,
            verdicts: replayed.verdicts,
            voids: walked.voids,
            last_valid_commit: walked.last_valid_commit,
            tail: walked.tail,
            pin,
            moves_pin,
        };
        self.advance_pin(config, &ledger)?;
        Ok(ledger)
    }

    /// Moves this machine's pin on, where it follows this repo. A gate that can't write still answers.
    fn advance_pin(&mut self, config: &Config, ledger: &Ledger) -> anyhow::Result<()> {
        let (Some(root), true) = (ledger.view.root(), ledger.moves_pin) else { return Ok(()) };
        let to = Pin { commit: ledger.last_valid_commit, size: ledger.view.size(), root };
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

    /// Appends a signed line, and lets `ledger` stand behind it. `judge` is asked with the log as it stands when the line
    /// goes in, again each time somebody else was first; what it answers is what the line changes.
    pub(super) fn append(
        &mut self,
        ledger: &mut Ledger,
        line: &Line,
        files: Option<&PolicyFiles>,
        author: &Name,
        message: &str,
        judge: &mut dyn FnMut(&Memory) -> anyhow::Result<Delta>,
    ) -> anyhow::Result<()> {
        let mut random = [0; 16];
        self.world.random(&mut random);
        let context = log::Context {
            rules: rules(),
            pin: ledger.pin.map(|pin| pin.commit),
            identity: Author { name: author.to_string(), email: format!("{author}@jit.invalid") },
            now: self.world.now().unix(),
            random,
        };
        let bytes = line.as_str().as_bytes();
        let mut before = None;
        let mut put = |walked: &Walked| -> anyhow::Result<Draft> {
            // If nobody was first, what is known already is the log that the line goes into.
            let raced = if walked.size() == ledger.view.size() { None } else { Some(ledger.catch_up(walked)?) };
            let delta = judge(raced.as_ref().map_or(&ledger.view, |raced| &raced.view))?;
            before = Some((walked.clone(), raced, delta));
            let new = NewLine { line: bytes.to_vec(), files: files.cloned().unwrap_or_default() };
            Ok(Draft { lines: vec![new], message: message.to_owned() })
        };
        let logged = log::append(&ledger.repo, &context, &mut put).map_err(Failure::of_append)?;
        let (mut walked, raced, delta) = before.ok_or_else(|| anyhow!("a line went in that nobody judged"))?;
        if let Some(raced) = raced {
            ledger.view = raced.view;
            ledger.verdicts = raced.verdicts;
        }
        ledger.verdicts.push(delta.verdict.clone());
        ledger.view.commit(delta);
        walked.lines.push(bytes.to_vec());
        ledger.lines = walked.lines;
        ledger.voids = walked.voids;
        ledger.last_valid_commit = logged.commit;
        ledger.tail = logged.tail;
        let config = Config::open(self.world);
        self.advance_pin(&config, ledger)
    }
}
/// How lines are judged while commits are walked.
pub(super) fn rules() -> Rules<'static> {
    Rules { is_genesis: &is_genesis, named_digest: &policy_digest }
}

fn is_genesis(line: &[u8]) -> bool {
    ledger::apply(&Memory::new(), &ledger::examine(line), None).is_ok()
}
