//! What a command works with: the world, the global options, and the log of a policy repo once it is opened.
//!
//! Opening a log is: find the repo, walk `jit/audit` from its first commit, hold it against the pin of this machine,
//! examine all lines (in parallel), fold them. Where one of these fails nothing is answered from the log.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use zeroize::Zeroizing;

use super::exit::{Exit, Failure};
use super::{Color, Globals};
use crate::core::escape::hide_tokens;
use crate::core::hash::Hash;
use crate::core::history::append::NewLine;
use crate::core::history::chain::{ChainError, Rules};
use crate::core::history::object::{Author, Oid};
use crate::core::history::segment::Tail;
use crate::core::history::void::Void;
use crate::core::ledger::{self, Delta, Examined, Verdict};
use crate::core::name::Name;
use crate::core::policy::PolicyFiles;
use crate::core::reason::Code;
use crate::core::statement::{Line, policy_digest};
use crate::core::view::{Memory, View, ViewExt};
use crate::edge::config::{Config, ConfigError, Minimum, Pin};
use crate::edge::git::{GitError, Repo};
use crate::edge::keys::{self, Environment, GitKeyConfig, KeyFault, Prompt, Signer};
use crate::edge::log::{self, AppendError, BRANCH, Draft, WalkError, Walked};
use crate::edge::replay::{self, Replayed};
use crate::edge::world::World;

/// What a command works with.
pub(super) struct Context<'w> {
    /// The clock, randomness, environment and terminal.
    pub(super) world: &'w mut World,
    globals: Globals,
    /// Whether answers are held back.
    is_silent: bool,
}

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

    /// Says what a line is worth.
    pub(super) fn verdict(&self, index: u64) -> String {
        match usize::try_from(index).ok().and_then(|index| self.verdicts.get(index)) {
            Some(verdict) => describe_verdict(verdict),
            None => String::new(),
        }
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

/// Says in words what a line is worth.
pub(super) fn describe_verdict(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Effect => "has effect".to_owned(),
        Verdict::WithoutEffect(why) => format!("without effect: {why}"),
        Verdict::Inert(why) => format!("inert: {why}"),
    }
}

/// The caller: an identity of the log, and the key that shows it.
pub(super) struct Me {
    /// The identity.
    pub(super) name: Name,
    /// Its key.
    pub(super) signer: Signer,
}

impl Me {
    /// Says as whom, and by which key, something is about to be signed.
    pub(super) fn describe(&self) -> String {
        format!("{}, by {} ({})", self.name, self.signer.public_key().fingerprint(), self.signer.describe())
    }
}

impl<'w> Context<'w> {
    /// Puts a world and the global options together.
    pub(super) fn new(world: &'w mut World, globals: Globals) -> Context<'w> {
        Context { world, globals, is_silent: false }
    }

    /// Tells whether `--json` was given.
    pub(super) fn json(&self) -> bool {
        self.globals.json
    }

    /// Tells whether `--quiet` was given.
    pub(super) fn quiet(&self) -> bool {
        self.globals.quiet
    }

    /// Tells whether the command line or the environment names a repo.
    pub(super) fn names_repo(&self) -> bool {
        self.globals.repo.is_some() || self.world.path_var("JIT_REPO").is_some()
    }

    /// Works on this repo from now on, whatever the command line named.
    pub(super) fn use_repo(&mut self, repo: &Repo) {
        self.globals.repo = Some(repo.shown_path());
    }

    /// Runs a part of a command whose own answer and talk are not the command's.
    pub(super) fn silently<T>(&mut self, part: impl FnOnce(&mut Context<'_>) -> T) -> T {
        self.is_silent = true;
        self.world.set_quiet(true);
        let result = part(self);
        self.world.set_quiet(self.globals.quiet);
        self.is_silent = false;
        result
    }

    /// Tells whether `--verbose` was given.
    pub(super) fn verbose(&self) -> bool {
        self.globals.verbose
    }

    /// Tells whether answers and talk are held back.
    pub(super) fn is_silent(&self) -> bool {
        self.is_silent
    }

    /// Tells whether the command line or the environment names a key.
    pub(super) fn names_key(&self) -> bool {
        self.globals.key.is_some() || self.world.path_var("JIT_KEY").is_some()
    }

    /// Tells whether answers are coloured.
    pub(super) fn coloured(&self) -> bool {
        self.wants_colour(self.world.stdout_is_terminal())
    }

    /// Tells whether talk is coloured.
    pub(super) fn coloured_talk(&self) -> bool {
        self.wants_colour(self.world.stderr_is_terminal())
    }

    fn wants_colour(&self, is_terminal: bool) -> bool {
        match self.globals.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => is_terminal && super::render::takes_colour(self.world),
        }
    }

    /// Prints an answer, and a line end.
    pub(super) fn print(&mut self, text: &str) -> anyhow::Result<()> {
        if self.is_silent {
            return Ok(());
        }
        self.world.out(&format!("{text}\n")).map_err(unwritable)
    }

    /// Prints the one JSON object of a command.
    pub(super) fn print_json(&mut self, value: &impl serde::Serialize) -> anyhow::Result<()> {
        if self.is_silent {
            return Ok(());
        }
        self.world.out(&super::render::json(value)).map_err(unwritable)
    }

    /// Tells whether there is a terminal to ask at.
    pub(super) fn can_ask(&self) -> bool {
        self.world.stdin_is_terminal() && self.world.stderr_is_terminal()
    }

    /// Shows what is about to be signed. Nobody signs blind: what a yes is asked for is shown in spite of `--quiet`.
    pub(super) fn show_before_signing(&mut self, text: &str, yes: bool) {
        if yes { self.world.say(text) } else { self.world.warn(text) }
    }

    /// Asks for a yes, unless `--yes` was given; without a terminal to ask at it refuses rather than guess.
    pub(super) fn confirm(&mut self, question: &str, yes: bool) -> anyhow::Result<()> {
        if yes {
            return Ok(());
        }
        match self.world.confirm(question).map_err(|why| Failure::unavailable(format!("can't ask: {why}")))? {
            Some(true) => Ok(()),
            Some(false) => Err(Failure::denied("that was no yes, so it was not signed").into()),
            None => Err(Failure::usage("there is no terminal to ask at, so it was not signed")
                .help("if you want just that signed, add --yes")
                .into()),
        }
    }

    /// Returns whoever may be asked for a passphrase.
    pub(super) fn prompt(&mut self) -> WorldPrompt<'_> {
        WorldPrompt { world: self.world }
    }

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
        let repo = self.repo()?;
        let config = Config::open(self.world);
        self.open(repo, &config, &mut |_, _| {}, |genesis, repo| {
            // A repo that merely stands around never moves a pin; one that was made here, or is named, does.
            Ok(config.trusts(&genesis)? && config.is_home_of(&genesis, &repo.shown_path())?)
        })
    }

    /// As [`Context::ledger`], saying how far it is.
    pub(super) fn ledger_with_progress(&mut self, progress: &mut dyn FnMut(u64, u64)) -> anyhow::Result<Ledger> {
        let repo = self.repo()?;
        let config = Config::open(self.world);
        self.open(repo, &config, progress, |genesis, repo| {
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
        let walked = log::walk(&repo, tip, pin.map(|pin| pin.commit), &rules()).map_err(walk_failure)?;
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
        let walked = log::walk(repo, tip, None, &rules()).map_err(walk_failure)?;
        let replayed = replay::replay(repo, &walked, &mut |_, _| {})?;
        let (Some(genesis), Some(root)) = (replayed.view.genesis(), replayed.view.root()) else {
            return Err(no_log(repo).into());
        };
        Ok((genesis.id, Pin { commit: walked.last_valid_commit, size: replayed.view.size(), root }))
    }

    /// Finds the caller's key, and the identity that it belongs to.
    pub(super) fn me(&mut self, ledger: &Ledger) -> anyhow::Result<Me> {
        let signer = self.signer(Some(&ledger.repo), &|key| ledger.view.owner_of(key).is_some())?;
        match ledger.view.owner_of(signer.public_key()) {
            Some(name) => Ok(Me { name, signer }),
            None => {
                let text = format!(
                    "{} ({}) is nobody's key in the policy in force",
                    signer.public_key().fingerprint(),
                    signer.describe()
                );
                Err(Failure { code: Some(Code::UnknownSubject), ..Failure::denied(text) }
                    .help("have it added: `jit identity add NAME KEYFILE.pub`, commit, `jit policy publish`; or name another with --key")
                    .into())
            }
        }
    }

    /// Finds the caller's key.
    pub(super) fn signer(
        &mut self,
        repo: Option<&Repo>,
        is_known: &dyn Fn(&crate::core::key::PublicKey) -> bool,
    ) -> anyhow::Result<Signer> {
        let environment = Environment::from_vars(self.world.vars());
        let git = match repo {
            Some(repo) => repo.key_config()?,
            None => GitKeyConfig::default(),
        };
        let host = repo.and_then(Repo::remote_host);
        // What is named on the command line stands under the current folder; `~` is for where the key is looked for.
        let named = self.globals.key.as_ref().map(|key| match key.as_str() {
            key if key.starts_with("SHA256:") || key.starts_with('~') => key.to_owned(),
            key => self.world.cwd().join(key).to_string_lossy().into_owned(),
        });
        Ok(keys::choose(&environment, &git, host.as_deref(), named.as_deref(), is_known)?)
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
        let logged = log::append(&ledger.repo, &context, &mut put).map_err(append_failure)?;
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

/// Returns the id that the first line of a log has; none if there is no log to be read.
fn first_id(repo: &Repo) -> Option<Hash> {
    let tip = repo.read_ref(BRANCH).ok().flatten()?;
    let line = log::first_line(repo, tip).ok().flatten()?;
    let Examined { outcome, .. } = ledger::examine(&line);
    outcome.ok().map(|signed| signed.get().id)
}

/// Returns the id of the log that `init` or `clone` made in this repo; none if neither did.
pub(super) fn home_id(config: &Config, repo: &Repo) -> anyhow::Result<Option<Hash>> {
    for id in config.trusted()? {
        if config.is_home_of(&id, &repo.shown_path())? {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// Returns the id of the log that this repo is known to hold, because it was made here; else the one that it seems to.
fn expected_id(config: &Config, repo: &Repo) -> anyhow::Result<Option<Hash>> {
    Ok(home_id(config, repo)?.or_else(|| first_id(repo)))
}

/// What `--genesis` and `JIT_GENESIS` name: `ID[:SIZE:ROOT]`.
#[derive(Debug)]
struct GenesisOption {
    id: Hash,
    minimum: Option<Minimum>,
}

impl GenesisOption {
    fn parse(text: &str) -> anyhow::Result<GenesisOption> {
        let wrong = || {
            let shown = super::render::safe(text);
            Failure::usage(format!("`{shown}` names no genesis"))
                .help("write it ID or ID:SIZE:ROOT, ids and roots whole")
        };
        let mut parts = text.split(':');
        let id = parts.next().and_then(|id| id.parse().ok()).ok_or_else(wrong)?;
        let minimum = match (parts.next(), parts.next(), parts.next()) {
            (None, _, _) => None,
            (Some(size), Some(root), None) => Some(parse_minimum(size, root).ok_or_else(wrong)?),
            (Some(_), _, _) => return Err(wrong().into()),
        };
        Ok(GenesisOption { id, minimum })
    }
}

/// Reads `SIZE` and `ROOT`.
pub(super) fn parse_minimum(size: &str, root: &str) -> Option<Minimum> {
    let size = size.parse().ok().filter(|size| *size > 0)?;
    Some(Minimum { size, root: root.parse().ok()? })
}

/// Holds a log against a prefix that it must have.
pub(super) fn check_minimum(view: &Memory, minimum: &Minimum, whose: &str) -> anyhow::Result<()> {
    if view.root_at(minimum.size) == Some(minimum.root) {
        return Ok(());
    }
    let text = format!("the log does not extend {whose}");
    Err(rewritten(&text, minimum.size, Some(minimum.root), view)
        .help("this branch jit/audit is behind, or somebody rewrote it: compare it with a clone that has those lines")
        .into())
}

fn check_pin(walked: &Walked, view: &Memory, pin: Option<Pin>) -> anyhow::Result<()> {
    let Some(known) = pin else { return Ok(()) };
    let same_lines = view.root_at(known.size) == Some(known.root);
    if walked.holds_pin && same_lines {
        return Ok(());
    }
    let text = if same_lines {
        format!("the commit {} that this machine last accepted is gone from the log's history", known.commit)
    } else {
        "the log does not extend the one that this machine has seen".to_owned()
    };
    Err(rewritten(&text, known.size, Some(known.root), view).into())
}

/// The proof of a rewritten log: both roots.
fn rewritten(what: &str, size: u64, known: Option<Hash>, view: &Memory) -> Failure {
    let known = known.map_or_else(|| "no root".to_owned(), |root| root.to_string());
    let now = match view.root_at(size) {
        Some(root) => format!("now {root}"),
        None => format!("now the log has {} lines, root {}", view.size(), view.root().unwrap_or(Hash([0; 32]))),
    };
    Failure::untrusted(Code::LogRewritten, format!("{what}: at {size} lines its root was {known}, {now}"))
        .help("somebody rewrote the branch jit/audit: restore it from a clone that has the lines, and find out who did")
}

fn no_repo() -> Failure {
    Failure::unavailable("there is no policy repo here, and no default one")
        .help("name one with -C DIR or JIT_REPO, or make one with `jit init`")
}

/// Says that the branch of a log is gone that was made in this repo; none if no log was.
pub(super) fn gone_log(config: &Config, repo: &Repo) -> anyhow::Result<Option<Failure>> {
    let Some(id) = home_id(config, repo)? else { return Ok(None) };
    let path = shown(&repo.shown_path());
    let Some(pin) = config.pin(&id)? else {
        let text = format!("the branch jit/audit is gone from `{path}`, which held the log {id}");
        return Ok(Some(Failure::untrusted(Code::LogRewritten, text).help("restore it from a clone that has it")));
    };
    let text = format!(
        "the branch jit/audit is gone from `{path}`: this machine has seen {} lines of the log {id} there, root {}",
        pin.size, pin.root
    );
    let help = format!(
        "restore it from a clone that has it; if nobody pruned the commits, \
         `git -C '{path}' update-ref {BRANCH} {}` does",
        pin.commit
    );
    Ok(Some(Failure::untrusted(Code::LogRewritten, text).help(help)))
}

fn no_log(repo: &Repo) -> Failure {
    let text = format!("`{}` is no policy repo: it has no branch jit/audit", shown(&repo.shown_path()));
    Failure::unavailable(text).help("make it one with `jit init`, or name another with -C DIR")
}

/// Returns a path for people.
pub(super) fn shown(path: &Path) -> String {
    super::render::safe(&path.to_string_lossy()).into_owned()
}

fn unwritable(why: std::io::Error) -> anyhow::Error {
    let kind = why.kind();
    let failure = Failure::unavailable(format!("can't write the answer: {why}"));
    // The kind stays to be found: whoever reads the answer may have gone on purpose.
    anyhow::Error::new(std::io::Error::new(kind, why)).context(failure)
}

pub(super) fn walk_failure(error: WalkError) -> anyhow::Error {
    let forked = matches!(&error, WalkError::Chain(ChainError::Forked(_)));
    if error.is_untrusted() {
        let code = if forked { Code::LogRewritten } else { Code::PolicyUnverified };
        return Failure::untrusted(code, error.to_string()).into();
    }
    let help = error.git().and_then(GitError::help);
    Failure { help, ..Failure::unavailable(error.to_string()) }.into()
}

pub(super) fn append_failure(error: AppendError<anyhow::Error>) -> anyhow::Error {
    match error {
        AppendError::Judge(error) => error,
        AppendError::Walk(error) => walk_failure(error),
        AppendError::Git(error) => error.into(),
        other => Failure::unavailable(other.to_string()).into(),
    }
}

/// Asks for passphrases at the world's terminal.
pub(super) struct WorldPrompt<'a> {
    world: &'a mut World,
}

impl Prompt for WorldPrompt<'_> {
    fn secret(&mut self, prompt: &str) -> Result<Option<Zeroizing<String>>, std::io::Error> {
        self.world.ask_secret(prompt)
    }

    fn note(&mut self, text: &str) {
        self.world.say(text);
    }
}

impl Failure {
    /// Returns the failure that an error is, or stands for: what the edge can't do is unavailable. No token is in it.
    pub(super) fn from_error(error: &anyhow::Error) -> Failure {
        let failure = Failure::found_in(error);
        let hidden = |text: &str| hide_tokens(text).into_owned();
        Failure { message: hidden(&failure.message), help: failure.help.as_deref().map(hidden), ..failure }
    }

    fn found_in(error: &anyhow::Error) -> Failure {
        for cause in error.chain() {
            if let Some(failure) = cause.downcast_ref::<Failure>() {
                return failure.clone();
            }
        }
        // Most errors say what caused them; what they left out follows. What libgit2 says is in the error that holds it.
        let causes = error.chain().filter(|cause| !cause.is::<git2::Error>());
        let message = causes.fold(String::new(), |message, cause| match cause.to_string() {
            cause if message.is_empty() => cause,
            cause if message.contains(&cause) => message,
            cause => format!("{message}: {cause}"),
        });
        let failure = Failure::unavailable(message);
        let help = error.chain().find_map(|cause| {
            cause
                .downcast_ref::<GitError>()
                .and_then(GitError::help)
                .or_else(|| cause.downcast_ref::<KeyFault>().and_then(KeyFault::help))
                .or_else(|| cause.downcast_ref::<ConfigError>().and_then(ConfigError::help))
        });
        if error.downcast_ref::<ConfigError>().is_some_and(ConfigError::is_untrusted) {
            return Failure { help, exit: Exit::Untrusted, code: Some(Code::LogRewritten), ..failure };
        }
        Failure { help, ..failure }
    }
}
