//! Which key signs. The order, and what each step takes:
//!
//! 1. `--key`: a key file of either half, or a whole `SHA256:…` fingerprint;
//! 2. `JIT_KEY`: the same;
//! 3. git's `user.signingkey` when `gpg.format` is `ssh`: a key file of either half, or `key::` and a public key;
//! 4. the first known key of the agent, in the agent's order (that of `ssh-add -l`);
//! 5. the first known key of `~/.ssh`: `id_ed25519`, `id_ed25519_sk`, then each other file that has a `.pub` beside it,
//!    by name. One that can't sign (open to others, a security key without an agent) is passed over if a later one can.
//!
//! Steps 1 to 3 take what is named, known or not, and a named key that can't be used is an error: another key is never
//! used silently in its place. The one exception is a git key of a kind that can't sign statements at all, or a
//! certificate: it was chosen for commits, and is passed over. Known means that the caller says so: the key is in identities/.
//!
//! The agent is asked only when a step needs it.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::agent::{Agent, AgentKey};
use super::environment::Environment;
use super::fault::KeyFault;
use super::file::{FileFault, KeyFile, PrivateFile, read_key_file};
use super::search::{Search, Seen, fingerprint};
use super::ssh_config::locate;
use super::{Signer, shown};
use crate::core::key::PublicKey;

/// What starts a fingerprint.
const FINGERPRINT_START: &str = "SHA256:";
/// What starts a public key in git's `user.signingkey`. Before there was this, `ssh-` alone did, and git still takes it.
const GIT_LITERAL_START: &str = "key::";
const GIT_LITERAL_START_OLD: &str = "ssh-";
/// The key files of `~/.ssh` that are looked for by name.
const DEFAULT_NAMES: [&str; 2] = ["id_ed25519", "id_ed25519_sk"];
/// The most entries of `~/.ssh` that are looked at.
const MAX_ENTRIES: usize = 10_000;

/// What git's configuration says about signing.
#[derive(Clone, Debug, Default)]
pub struct GitKeyConfig {
    /// `gpg.format`; the key is one for us only if this is `ssh`.
    pub format: Option<String>,
    /// `user.signingkey`.
    pub signingkey: Option<String>,
}

/// Where a key was named other than on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The variable `JIT_KEY`.
    Variable,
    /// git's `user.signingkey`.
    Git,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Variable => write!(f, "`JIT_KEY`"),
            Origin::Git => write!(f, "git's `user.signingkey`"),
        }
    }
}

/// Chooses the key to sign with, in the order that the module's head describes.
///
/// `remote_host` is the host of the policy repo's remote; its section of the ssh configuration may name an agent.
/// `explicit` is `--key`. `is_known` tells whether a key is in identities/.
///
/// # Errors
/// A named key that can't be found or used; no known key, with a list of what was looked at.
pub fn choose(
    env: &Environment,
    git: &GitKeyConfig,
    remote_host: Option<&str>,
    explicit: Option<&str>,
    is_known: &dyn Fn(&PublicKey) -> bool,
) -> Result<Signer, KeyFault> {
    choose_and_say(env, git, remote_host, explicit, is_known).map(|(signer, _)| signer)
}

/// As [`choose`], and says by which of the steps.
///
/// # Errors
/// As [`choose`].
pub fn choose_and_say(
    env: &Environment,
    git: &GitKeyConfig,
    remote_host: Option<&str>,
    explicit: Option<&str>,
    is_known: &dyn Fn(&PublicKey) -> bool,
) -> Result<(Signer, ChosenBy), KeyFault> {
    let keyring = Keyring { env, remote_host, agent: OnceCell::new() };
    let said = |by: ChosenBy| move |signer: Signer| (signer, by);
    if let Some(named) = explicit {
        return keyring.named(OsStr::new(named)).map(said(ChosenBy::Option));
    }
    if let Some(named) = env.get("JIT_KEY") {
        let chosen = keyring.named(named).map(said(ChosenBy::Named(Origin::Variable)));
        return chosen.map_err(|fault| fault.at(Origin::Variable));
    }
    let mut passed_over = None;
    if let (Some("ssh"), Some(named)) = (git.format.as_deref(), git.signingkey.as_deref().filter(|key| !key.is_empty()))
    {
        match keyring.named_by_git(named) {
            Err(fault) if fault.is_other_kind() => passed_over = Some(fault),
            chosen => {
                let chosen = chosen.map(said(ChosenBy::Named(Origin::Git)));
                return chosen.map_err(|fault| fault.at(Origin::Git));
            }
        }
    }
    keyring.first_known(is_known, passed_over).map(said(ChosenBy::First))
}

/// How a key came to be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChosenBy {
    /// `--key` names it.
    Option,
    /// It is named elsewhere.
    Named(Origin),
    /// It is the first one that is known.
    First,
}

impl fmt::Display for ChosenBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChosenBy::Option => f.write_str("named by --key"),
            ChosenBy::Named(origin) => write!(f, "named by {origin}"),
            ChosenBy::First => f.write_str("the first of the agent and ~/.ssh that the policy lists"),
        }
    }
}

/// Returns all keys that the last two steps of [`choose`] would look at, in their order.
pub fn candidates(env: &Environment, remote_host: Option<&str>) -> Search {
    let keyring = Keyring { env, remote_host, agent: OnceCell::new() };
    keyring.search(&keyring.folder())
}

/// The places where keys are, as one caller sees them.
struct Keyring<'a> {
    env: &'a Environment,
    remote_host: Option<&'a str>,
    agent: OnceCell<AgentView>,
}

/// The agent and what it lists, or why there is nothing.
struct AgentView {
    agent: Option<Agent>,
    keys: Vec<AgentKey>,
    trouble: Vec<String>,
}

/// A key of `~/.ssh`.
pub(super) struct FolderKey {
    /// Its private half.
    pub(super) path: PathBuf,
    pub(super) public: Result<PublicKey, FileFault>,
    /// Whether there is a private half.
    pub(super) is_whole: bool,
}

impl Keyring<'_> {
    /// Finds a key by what the user wrote: a fingerprint or a path.
    fn named(&self, name: &OsStr) -> Result<Signer, KeyFault> {
        match name.to_str().filter(|name| name.starts_with(FINGERPRINT_START)) {
            Some(fingerprint) => self.by_fingerprint(fingerprint),
            None => self.by_path(&self.env.expand(name)),
        }
    }

    fn named_by_git(&self, name: &str) -> Result<Signer, KeyFault> {
        let old_literal = name.starts_with(GIT_LITERAL_START_OLD).then_some(name);
        match name.strip_prefix(GIT_LITERAL_START).or(old_literal) {
            Some(literal) => {
                let (key, _) = PublicKey::parse_openssh(literal).map_err(KeyFault::Literal)?;
                self.by_key(&key)
            }
            None => self.by_path(&self.env.expand(OsStr::new(name))),
        }
    }

    fn by_fingerprint(&self, wanted: &str) -> Result<Signer, KeyFault> {
        let hash = wanted.strip_prefix(FINGERPRINT_START).and_then(|text| STANDARD_NO_PAD.decode(text).ok());
        if hash.is_none_or(|hash| hash.len() != 32) {
            return Err(KeyFault::Fingerprint(wanted.to_owned()));
        }
        if let Some(listed) = self.agent().keys.iter().find(|listed| fingerprint(&listed.blob) == wanted) {
            return match &listed.key {
                Ok(key) => self.by_key(key),
                Err(why) => Err(KeyFault::Literal(why.clone())),
            };
        }
        self.by_folder(&|key| key.fingerprint() == wanted, wanted)
    }

    /// Finds the private half of `key` in the agent, else in `~/.ssh`.
    fn by_key(&self, key: &PublicKey) -> Result<Signer, KeyFault> {
        match self.by_agent(key) {
            Some(signer) => Ok(signer),
            None => self.by_folder(&|other| other == key, &key.fingerprint()),
        }
    }

    /// Finds the private half of the key that `is_wanted`, and has the fingerprint `wanted`, in `~/.ssh`.
    fn by_folder(&self, is_wanted: &dyn Fn(&PublicKey) -> bool, wanted: &str) -> Result<Signer, KeyFault> {
        let folder = self.folder();
        let found = folder.iter().filter(|entry| entry.is_whole).find_map(|entry| {
            let key = entry.public.as_ref().ok().filter(|key| is_wanted(key))?;
            Some((entry, key))
        });
        match found {
            Some((entry, key)) => self.by_private_half(&entry.path, key),
            None => Err(KeyFault::Missing { wanted: wanted.to_owned(), search: Box::new(self.search(&folder)) }),
        }
    }

    fn by_agent(&self, key: &PublicKey) -> Option<Signer> {
        let view = self.agent();
        let holds = view.keys.iter().any(|listed| listed.key.as_ref().is_ok_and(|other| other == key));
        view.agent.clone().filter(|_| holds).map(|agent| Signer::agent(self.env, key.clone(), agent))
    }

    fn by_path(&self, path: &Path) -> Result<Signer, KeyFault> {
        match read_key_file(path) {
            Ok(KeyFile::Private(file)) => self.by_private_file(*file),
            Ok(KeyFile::Public(key)) => self.by_public_file(path, &key),
            // As for ssh, the name of the private half may stand for a key of which only the public half is here.
            Err(fault) if fault.is_not_found() => match read_key_file(&with_pub(path)) {
                Ok(KeyFile::Public(key)) => self.by_public_file(&with_pub(path), &key),
                Ok(KeyFile::Private(_)) | Err(_) => Err(KeyFault::File { path: path.to_owned(), fault }),
            },
            Err(fault) => Err(KeyFault::File { path: path.to_owned(), fault }),
        }
    }

    fn by_private_file(&self, file: PrivateFile) -> Result<Signer, KeyFault> {
        let is_security_key = file.public().is_security_key();
        if !is_security_key && !file.is_encrypted() {
            return Ok(Signer::file(self.env, file));
        }
        match self.by_agent(file.public()) {
            Some(signer) => Ok(signer),
            None if is_security_key => {
                Err(KeyFault::NeedsAgent { path: file.path().to_owned(), agent: self.agent().why_not() })
            }
            None => Ok(Signer::file(self.env, file)),
        }
    }

    /// Finds the private half of a public key file: beside it, or in the agent.
    fn by_public_file(&self, path: &Path, key: &PublicKey) -> Result<Signer, KeyFault> {
        match without_pub(path).filter(|private| private.exists()) {
            Some(private) => self.by_private_half(&private, key),
            None => self.by_agent(key).ok_or_else(|| KeyFault::NoPrivateHalf {
                path: path.to_owned(),
                fingerprint: key.fingerprint(),
                agent: self.agent().why_not(),
            }),
        }
    }

    /// Takes the private half of `key` at `path`. If that is of no use, the agent may still hold the key.
    fn by_private_half(&self, path: &Path, key: &PublicKey) -> Result<Signer, KeyFault> {
        let fault = match read_key_file(path) {
            Ok(KeyFile::Private(file)) if file.public() == key => return self.by_private_file(*file),
            Ok(KeyFile::Private(_) | KeyFile::Public(_)) => FileFault::NotPair,
            Err(fault) => fault,
        };
        self.by_agent(key).ok_or(KeyFault::File { path: path.to_owned(), fault })
    }

    fn first_known(
        &self,
        is_known: &dyn Fn(&PublicKey) -> bool,
        passed_over: Option<KeyFault>,
    ) -> Result<Signer, KeyFault> {
        let listed = self.agent().keys.iter().filter_map(|listed| listed.key.as_ref().ok());
        if let Some(signer) = listed.filter(|key| is_known(key)).find_map(|key| self.by_agent(key)) {
            return Ok(signer);
        }
        let folder = self.folder();
        let mut first_fault = None;
        for entry in folder.iter().filter(|entry| entry.is_whole) {
            let Some(key) = entry.public.as_ref().ok().filter(|key| is_known(key)) else { continue };
            match self.by_private_half(&entry.path, key) {
                Ok(signer) => return Ok(signer),
                Err(fault) => first_fault = first_fault.or(Some(fault)),
            }
        }
        Err(first_fault.unwrap_or_else(|| {
            let mut search = self.search(&folder);
            if let Some(fault) = passed_over {
                search.seen.insert(0, Seen::passed_over(Origin::Git.to_string(), fault.to_string()));
            }
            KeyFault::NoneKnown(Box::new(search))
        }))
    }

    fn agent(&self) -> &AgentView {
        self.agent.get_or_init(|| AgentView::open(self.env, self.remote_host))
    }

    /// Lists the keys of `~/.ssh`, those with the usual names first.
    fn folder(&self) -> Vec<FolderKey> {
        let Some(folder) = self.env.home.as_ref().map(|home| home.join(".ssh")) else { return Vec::new() };
        let entries = match folder.read_dir() {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
            Err(error) => {
                return vec![FolderKey { path: folder, public: Err(FileFault::Read(error)), is_whole: false }];
            }
        };
        let names = entries.take(MAX_ENTRIES).filter_map(Result::ok).map(|entry| entry.file_name());
        let others: BTreeSet<OsString> = names
            .filter_map(|name| name.as_bytes().strip_suffix(b".pub").map(|stem| OsString::from_vec(stem.to_vec())))
            .filter(|stem| !stem.is_empty() && !DEFAULT_NAMES.iter().any(|name| stem == name))
            .collect();
        let all = DEFAULT_NAMES.into_iter().map(OsString::from).chain(others);
        all.filter_map(|name| folder_key(folder.join(name))).collect()
    }

    fn search(&self, folder: &[FolderKey]) -> Search {
        let view = self.agent();
        let mut seen: Vec<Seen> = view.keys.iter().map(Seen::in_agent).collect();
        seen.extend(folder.iter().map(Seen::in_folder));
        Search { seen, agent: view.trouble.clone() }
    }
}

impl AgentView {
    fn open(env: &Environment, remote_host: Option<&str>) -> AgentView {
        let located = locate(env, remote_host);
        let mut trouble: Vec<String> = located.remark.into_iter().collect();
        let opened = match located.socket {
            Ok(socket) => {
                let agent = Agent::new(socket);
                let listed = agent.list().map_err(|fault| format!("`{}`: {fault}", shown(agent.socket())));
                listed.map(|keys| (agent, keys))
            }
            Err(why) => Err(why.to_string()),
        };
        match opened {
            Ok((agent, keys)) => {
                if keys.is_empty() {
                    trouble.push(format!("`{}`: it lists no keys, or is locked", shown(agent.socket())));
                }
                AgentView { agent: Some(agent), keys, trouble }
            }
            Err(why) => {
                trouble.push(why);
                AgentView { agent: None, keys: Vec::new(), trouble }
            }
        }
    }

    /// Says why the agent can't sign with a key that it does not list.
    fn why_not(&self) -> String {
        if self.keys.is_empty() { self.trouble.join("; ") } else { "the agent does not hold it".to_owned() }
    }
}

/// Reads the public half of a key of `~/.ssh`, without touching the private one where there is a `.pub`.
fn folder_key(path: PathBuf) -> Option<FolderKey> {
    let is_whole = path.exists();
    let public = match read_key_file(&with_pub(&path)) {
        Err(fault) if fault.is_not_found() && is_whole => read_key_file(&path),
        Err(fault) if fault.is_not_found() => return None,
        read => read,
    };
    let public = public.map(|file| match file {
        KeyFile::Public(key) => key,
        KeyFile::Private(file) => file.public().clone(),
    });
    Some(FolderKey { path, public, is_whole })
}

fn with_pub(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    PathBuf::from(name)
}

fn without_pub(path: &Path) -> Option<PathBuf> {
    let stem = path.as_os_str().as_bytes().strip_suffix(b".pub")?;
    Some(PathBuf::from(OsStr::from_bytes(stem)))
}
