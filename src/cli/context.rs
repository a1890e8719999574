//! What a command works with: the world and the global options; what it prints, whom it asks, and whose key signs.

use std::io::Write;
use std::path::Path;

use zeroize::Zeroizing;

use super::exit::Failure;
use super::ledger::Ledger;
use super::{Color, Globals};
use crate::core::key::PublicKey;
use crate::core::name::Name;
use crate::core::reason::Code;
use crate::core::view::ViewExt;
use crate::edge::git::Repo;
use crate::edge::index::{Index, Unread};
use crate::edge::keys::{self, ChosenBy, Environment, GitKeyConfig, Prompt, Signer};
use crate::edge::world::World;

/// What a command works with.
pub(super) struct Context<'w> {
    /// The clock, randomness, environment and terminal.
    pub(super) world: &'w mut World,
    pub(super) globals: Globals,
    /// Whether answers are held back.
    is_silent: bool,
    /// The last warning that could come again and again.
    last_warning: Option<String>,
    /// What can't be read of the index that answers are read from is missing in them.
    unread: Unread,
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
        Context { world, globals, is_silent: false, last_warning: None, unread: Unread::default() }
    }

    /// Tells whether `--json` was given.
    pub(super) fn json(&self) -> bool {
        self.globals.json
    }

    /// Warns of something that may come up at each look of a command that looks again and again: said once, until it is
    /// something else.
    pub(super) fn warn_once(&mut self, what: &str, more: &str) {
        if self.last_warning.as_deref() != Some(what) {
            self.world.warn(&format!("{what}{more}"));
            self.last_warning = Some(what.to_owned());
        }
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

    /// Reads from this from now on.
    pub(super) fn reads_from(&mut self, index: &Index) {
        self.unread = index.unread();
    }

    /// Prints from now on what has been found out, whatever could not be read: the answer says so itself.
    pub(super) fn answers_for_itself(&mut self) {
        self.unread = Unread::default();
    }

    /// An answer that something is missing in is none, and nothing is signed on its strength.
    pub(super) fn check_read(&self) -> anyhow::Result<()> {
        match self.unread.why() {
            Some(why) => Err(Failure::unavailable(why).into()),
            None => Ok(()),
        }
    }

    /// Prints an answer, and a line end.
    pub(super) fn print(&mut self, text: &str) -> anyhow::Result<()> {
        if self.is_silent {
            return Ok(());
        }
        self.check_read()?;
        self.world.out(&format!("{text}\n")).map_err(unwritable)
    }

    /// Prints the one JSON object of a command.
    pub(super) fn print_json(&mut self, value: &impl serde::Serialize) -> anyhow::Result<()> {
        if self.is_silent {
            return Ok(());
        }
        self.check_read()?;
        let mut out = Pieces { world: &mut *self.world, piece: Vec::new() };
        let written = serde_json::to_writer(&mut out, value).map_err(std::io::Error::from);
        written.and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()).map_err(unwritable)
    }

    /// Tells whether there is a terminal to ask at.
    pub(super) fn can_ask(&self) -> bool {
        self.world.stdin_is_terminal() && self.world.stderr_is_terminal()
    }

    /// Tells whether a yes is asked for. What a command does by the way is covered by its own.
    fn asks(&self) -> bool {
        !self.globals.yes && !self.is_silent
    }

    /// Shows what is about to be signed. Nobody signs blind: what a yes is asked for is shown in spite of `--quiet`.
    pub(super) fn show_before_signing(&mut self, text: &str) {
        if self.asks() { self.world.warn(text) } else { self.world.say(text) }
    }

    /// Asks for a yes, unless `--yes` was given; without a terminal to ask at it refuses rather than guess.
    pub(super) fn confirm(&mut self, question: &str) -> anyhow::Result<()> {
        if !self.asks() {
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
        is_known: &dyn Fn(&PublicKey) -> bool,
    ) -> anyhow::Result<Signer> {
        self.signer_and_why(repo, is_known).map(|(signer, _)| signer)
    }

    /// Finds the caller's key, and says by which rule it was found.
    pub(super) fn signer_and_why(
        &self,
        repo: Option<&Repo>,
        is_known: &dyn Fn(&PublicKey) -> bool,
    ) -> anyhow::Result<(Signer, ChosenBy)> {
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
        Ok(keys::choose_and_say(&environment, &git, host.as_deref(), named.as_deref(), is_known)?)
    }
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

/// Writes text piece by piece: what `policy diff` says of a large policy would be gigabytes in memory.
struct Pieces<'w> {
    world: &'w mut World,
    piece: Vec<u8>,
}

/// The size from which on a piece is printed, in bytes.
const PIECE: usize = 1 << 16;

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        // JSON is written in strings, so that no piece ends within a character.
        let text = std::str::from_utf8(&self.piece).map_err(std::io::Error::other)?;
        self.world.out(text)?;
        self.piece.clear();
        Ok(())
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
