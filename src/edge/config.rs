//! What this machine trusts: genesis ids, the repos they were made or cloned at, the default repo, and the pins.
//!
//! Two folders of small TOML files: the user's (`$XDG_CONFIG_HOME/jit`, else `~/.config/jit`), which jit writes, and
//! `/etc/jit`, which the machine's owner writes for everyone on it and jit only reads:
//! ```text
//! config.toml            repo = "/home/alice/policy"      the default repo
//!                        index = "/var/lib/jit/index"     in /etc/jit: a folder of indexes, whose owner keeps them for all
//! trust/<genesis>.toml   repos = ["/home/alice/policy"]   where init or clone made it
//!                        added = "2026-11-24T09:30:00Z"
//!                        origin = "init"                  or "clone"
//!                        minimum = { size = 12, root = "<64 hex>" }
//! pins/<genesis>.toml    commit = "<40 hex>"              the last valid commit this machine accepted,
//!                        size = 12                        the log's lines there,
//!                        root = "<64 hex>"                and their Merkle root
//! ```
//! In `trust/` all fields are optional: that the file is there is the trust. What both folders say holds together:
//! trust and repos add up, every pin and minimum is to be kept, and of two default repos the user's counts.
//!
//! **A pin never gets lost in silence.** A file that can't be read, that does not parse, or that somebody else could
//! have written is an error that names it, not a file that isn't there. [`Config::trust`] writes the pin before the
//! trust, so trust in the user's folder without a pin beside it means that the pin was lost: an error too. (Where
//! trust comes from `/etc/jit` or from the command line, there may be no pin yet.) Pins live here and not beside the
//! index, which may be deleted at any time.
//!
//! **A pin never goes back.** [`Config::advance_pin`] asks, under a lock that other processes honour, whether the new
//! one extends the one that stands there *then*, and replaces it as a whole.
//!
//! A gate may run where there is no home folder, or none to write to: it checks against all pins that it can read, and
//! what [`Config::advance_pin`] then says is [`ConfigError::is_unwritable`], which such a gate may report and go on.
//! Whatever must write (`init`, `clone`) stops there.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub(super) use self::files::Folder;
use super::world::{World, WorldError};
use crate::core::hash::{Hash, parse_hex};
use crate::core::history::object::Oid;
use crate::core::time::Timestamp;

mod error;
mod files;

pub use error::ConfigError;

const CONFIG: &str = "config.toml";
const TRUST: &str = "trust";
const PINS: &str = "pins";

/// What this machine trusts.
#[derive(Clone, Debug)]
pub struct Config {
    user: Result<Folder, WorldError>,
    system: Folder,
    /// What was read of the trust in a genesis: one command asks many times. Pins move meanwhile, and are read each time.
    read: RefCell<BTreeMap<Hash, Read>>,
}

/// The trust in a genesis as it was read.
#[derive(Clone, Debug)]
struct Read {
    /// What both folders say; none if neither trusts it.
    together: Option<Trust>,
    /// Whether the user's folder trusts it.
    in_own: bool,
}

/// What this machine last accepted of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin {
    /// The last valid commit.
    pub commit: Oid,
    /// The number of lines at that commit, at least 1.
    pub size: u64,
    /// The Merkle root of those lines.
    pub root: Hash,
}

/// A prefix that a log must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Minimum {
    /// The number of lines, at least 1.
    pub size: u64,
    /// The Merkle root of those lines.
    pub root: Hash,
}

/// What a log must extend to be believed, all of one moment.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Seen {
    /// As [`Config::pin`].
    pub pin: Option<Pin>,
    /// Every prefix that it must have: of all pins, and those that the trust names.
    pub minimums: Vec<Minimum>,
}

/// How a repo came to be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `jit init` made it here.
    Init,
    /// `jit clone` made it here.
    Clone,
}

/// Trust in a genesis, as one folder or both together say.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Trust {
    /// Where `init` or `clone` made the repo, whole paths without links.
    pub repos: Vec<PathBuf>,
    /// When it was first trusted.
    pub added: Option<Timestamp>,
    /// How it was first trusted.
    pub origin: Option<Origin>,
    /// A prefix that the log must have.
    pub minimums: Vec<Minimum>,
}

impl Config {
    /// Finds the two folders; reads nothing yet, and neither needs to be there.
    pub fn open(world: &World) -> Config {
        let folder = |path| Folder::new(path, world.uid());
        Config {
            user: world.config_dir().map(folder),
            system: folder(world.system_config_dir().to_owned()),
            read: RefCell::default(),
        }
    }

    /// The user's folder, if there is a home, then `/etc/jit`.
    fn folders(&self) -> impl Iterator<Item = &Folder> {
        self.user.as_ref().ok().into_iter().chain([&self.system])
    }

    /// Returns where the user's folder is, there or not.
    ///
    /// # Errors
    /// There is no home to have one in.
    pub fn own_folder(&self) -> Result<&Path, WorldError> {
        self.user.as_ref().map(Folder::path).map_err(|why| *why)
    }

    /// Returns where the folder for everyone on this machine is, there or not.
    pub fn system_folder(&self) -> &Path {
        self.system.path()
    }

    /// Lists the files and folders for everyone on this machine, there or not.
    ///
    /// # Errors
    /// As the module's head says of files.
    pub fn system_files(&self) -> Result<Vec<PathBuf>, ConfigError> {
        let mut all = vec![self.system.place(CONFIG)];
        for folder in [TRUST, PINS].map(|name| self.system.join(name)) {
            all.push(folder.path().to_owned());
            all.extend(folder.names()?.iter().map(|name| folder.place(name)));
        }
        Ok(all)
    }

    /// The user's folder, for whoever must write.
    fn own(&self) -> Result<&Folder, ConfigError> {
        self.user.as_ref().map_err(|why| ConfigError::NoFolder(*why))
    }

    /// Returns the repo that commands use when nothing else names one, from the user's folder, else from `/etc/jit`.
    ///
    /// # Errors
    /// As the module's head says of files.
    pub fn default_repo(&self) -> Result<Option<PathBuf>, ConfigError> {
        for folder in self.folders() {
            if let Some(repo) = read_config(folder)?.repo {
                return absolute(&folder.place(CONFIG), "repo", repo).map(Some);
            }
        }
        Ok(None)
    }

    /// Returns the folder of indexes that another account keeps, if the machine's owner names one. Whoever owns it is
    /// believed about every log on this machine.
    ///
    /// # Errors
    /// As the module's head says of files.
    pub fn shared_index(&self) -> Result<Option<PathBuf>, ConfigError> {
        let named = read_config(&self.system)?.index;
        named.map(|folder| absolute(&self.system.place(CONFIG), "index", folder)).transpose()
    }

    /// Tells whether the repo at `repo` is the default one.
    ///
    /// # Errors
    /// As the module's head says of files, and a path that can't be followed.
    pub fn is_default(&self, repo: &Path) -> Result<bool, ConfigError> {
        let Some(default) = self.default_repo()? else { return Ok(false) };
        // One that is gone is no repo's path.
        Ok(followed(&default).is_ok_and(|default| followed(repo).is_ok_and(|repo| repo == default)))
    }

    /// Tells whether this machine trusts the log that starts with `genesis`.
    ///
    /// # Errors
    /// As the module's head says of files.
    pub fn trusts(&self, genesis: &Hash) -> Result<bool, ConfigError> {
        self.trust_in(genesis).map(|trust| trust.is_some())
    }

    /// Returns all that is known of the trust in `genesis`; none if it is not trusted.
    ///
    /// # Errors
    /// As the module's head says of files.
    pub fn trust_in(&self, genesis: &Hash) -> Result<Option<Trust>, ConfigError> {
        self.read_once(genesis).map(|read| read.together)
    }

    fn read_once(&self, genesis: &Hash) -> Result<Read, ConfigError> {
        if let Some(read) = self.read.borrow().get(genesis) {
            return Ok(read.clone());
        }
        let own = self.user.as_ref().ok().map(|own| read_trust(own, genesis)).transpose()?.flatten();
        let in_own = own.is_some();
        let mut together: Option<Trust> = None;
        for trust in own.into_iter().chain(read_trust(&self.system, genesis)?) {
            let known = together.get_or_insert_default();
            known.repos.extend(trust.repos);
            known.minimums.extend(trust.minimums);
            known.added = known.added.or(trust.added);
            known.origin = known.origin.or(trust.origin);
        }
        let read = Read { together, in_own };
        self.read.borrow_mut().insert(*genesis, read.clone());
        Ok(read)
    }

    /// Returns the file that the trust in `genesis` stands in, the user's first; for whoever is told to remove it.
    ///
    /// # Errors
    /// As the module's head says of files.
    pub fn trust_file(&self, genesis: &Hash) -> Result<Option<PathBuf>, ConfigError> {
        for folder in self.folders() {
            if read_trust(folder, genesis)?.is_some() {
                return Ok(Some(folder.join(TRUST).place(&file_name(genesis))));
            }
        }
        Ok(None)
    }

    /// Lists the genesis ids that this machine trusts, in order.
    ///
    /// # Errors
    /// As the module's head says of files, and a `.toml` file in `trust/` that is not named for a genesis.
    pub fn trusted(&self) -> Result<Vec<Hash>, ConfigError> {
        let mut found = Vec::new();
        for folder in self.folders() {
            let folder = folder.join(TRUST);
            for name in folder.names()? {
                match name.strip_suffix(".toml") {
                    Some(stem) if !stem.starts_with('.') => {
                        found.push(stem.parse().map_err(|_| ConfigError::FileName(folder.place(&name)))?);
                    }
                    _ => {}
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// Tells whether `init` or `clone` made the repo at `repo` here, for this genesis.
    ///
    /// # Errors
    /// As the module's head says of files, and a path that can't be followed.
    pub fn is_home_of(&self, genesis: &Hash, repo: &Path) -> Result<bool, ConfigError> {
        let repo = followed(repo)?;
        Ok(self.trust_in(genesis)?.is_some_and(|trust| trust.repos.contains(&repo)))
    }

    /// Trusts `genesis`, as `init` and `clone` do: keeps its pin, then the trust and the repo's path; the first repo
    /// becomes the default one. Once more is the same as once, and what is known already stays.
    ///
    /// # Errors
    /// As [`Config::advance_pin`]; a path that can't be followed or is not UTF-8.
    pub fn trust(
        &self,
        genesis: &Hash,
        repo: &Path,
        origin: Origin,
        now: Timestamp,
        pin: Pin,
        is_extension: impl FnOnce(&Pin) -> bool,
    ) -> Result<(), ConfigError> {
        let repo = followed(repo)?;
        let text = repo.to_str().ok_or_else(|| ConfigError::PathNotText(repo.clone()))?.to_owned();
        let own = self.own()?;
        let _lock = own.lock()?;
        self.move_pin(own, genesis, pin, is_extension)?;

        let mut file = read_trust_file(own, genesis)?.unwrap_or_else(|| TrustFile {
            added: Some(now.to_string()),
            origin: Some(origin.as_str().to_owned()),
            ..TrustFile::default()
        });
        if !file.repos.contains(&text) {
            file.repos.push(text.clone());
            own.join(TRUST).replace(&file_name(genesis), &to_toml(&file))?;
            self.read.borrow_mut().remove(genesis);
        }
        if read_config(own)?.repo.is_none() {
            // Whatever else stands in the file, comments say, stays behind the new line.
            let rest = own.read(CONFIG)?.unwrap_or_default();
            own.replace(CONFIG, &(to_toml(&ConfigFile { repo: Some(text), index: None }) + &rest))?;
        }
        Ok(())
    }

    /// Returns what this machine last accepted of a log: of the pins in both folders the one of more lines. The other
    /// is among [`Seen::minimums`].
    ///
    /// # Errors
    /// [`ConfigError::LostPin`]; as the module's head says of files.
    pub fn pin(&self, genesis: &Hash) -> Result<Option<Pin>, ConfigError> {
        self.pins(genesis).map(|pins| highest(&pins))
    }

    fn pins(&self, genesis: &Hash) -> Result<Vec<Pin>, ConfigError> {
        let mut pins = Vec::new();
        if let Ok(own) = &self.user {
            // In this order: the pin is written first, so whoever sees the trust must find the pin after it.
            let is_trusted = self.read_once(genesis)?.in_own;
            match read_pin(own, genesis)? {
                Some(pin) => pins.push(pin),
                None if is_trusted => {
                    let (pin, trust) = (own.join(PINS), own.join(TRUST));
                    let name = file_name(genesis);
                    return Err(ConfigError::LostPin { pin: pin.place(&name), trust: trust.place(&name) });
                }
                None => {}
            }
        }
        pins.extend(read_pin(&self.system, genesis)?);
        Ok(pins)
    }

    /// Returns what a log must extend to be believed.
    ///
    /// # Errors
    /// As [`Config::pin`].
    pub fn seen(&self, genesis: &Hash) -> Result<Seen, ConfigError> {
        let mut minimums = self.trust_in(genesis)?.unwrap_or_default().minimums;
        let pins = self.pins(genesis)?;
        minimums.extend(pins.iter().map(Pin::minimum));
        Ok(Seen { pin: highest(&pins), minimums })
    }

    /// Moves the pin on to `to`, in the user's folder.
    ///
    /// `is_extension` says whether the log at `to` extends the pin it is given, whose lines are no more than those of
    /// `to`: whether its root at `pin.size` is `pin.root`. It is asked about the pin that stands there when nobody
    /// else can move it, which may be another than the one read before.
    ///
    /// # Errors
    /// [`ConfigError::Backwards`] if the pin has more lines (another process was faster: walk again from there),
    /// [`ConfigError::Forked`] if `to` does not extend it; as the module's head says of files;
    /// [`ConfigError::is_unwritable`] if nothing can be kept.
    pub fn advance_pin(
        &self,
        genesis: &Hash,
        to: Pin,
        is_extension: impl FnOnce(&Pin) -> bool,
    ) -> Result<(), ConfigError> {
        // Most looks find nothing new, and then need no lock and no folder to write to.
        if self.pin(genesis)? == Some(to) {
            return Ok(());
        }
        let own = self.own()?;
        let _lock = own.lock()?;
        self.move_pin(own, genesis, to, is_extension)
    }

    /// Moves the pin; the caller holds the lock.
    fn move_pin(
        &self,
        own: &Folder,
        genesis: &Hash,
        to: Pin,
        is_extension: impl FnOnce(&Pin) -> bool,
    ) -> Result<(), ConfigError> {
        if let Some(have) = self.pin(genesis)? {
            if have == to && read_pin(own, genesis)?.is_some() {
                return Ok(());
            }
            if to.size < have.size {
                return Err(ConfigError::Backwards { have: have.size, offered: to.size });
            }
            let same_size_other_root = to.size == have.size && to.root != have.root;
            if same_size_other_root || !is_extension(&have) {
                return Err(ConfigError::Forked { have: have.minimum(), offered: to.minimum() });
            }
        }
        let file = PinFile { commit: to.commit.to_string(), size: to.size, root: to.root.to_string() };
        own.join(PINS).replace(&file_name(genesis), &to_toml(&file))
    }
}

impl Pin {
    /// Returns the prefix that a log must have to extend this pin.
    pub fn minimum(&self) -> Minimum {
        Minimum { size: self.size, root: self.root }
    }
}

impl Origin {
    /// Returns the origin as the file says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Origin::Init => "init",
            Origin::Clone => "clone",
        }
    }
}

/// Returns the pin of most lines, the first of such.
fn highest(pins: &[Pin]) -> Option<Pin> {
    pins.iter().rev().max_by_key(|pin| pin.size).copied()
}

/// `config.toml`
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    #[serde(skip_serializing_if = "Option::is_none")]
    repo: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<String>,
}

/// `trust/<genesis>.toml`
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TrustFile {
    #[serde(default)]
    repos: Vec<String>,
    added: Option<String>,
    origin: Option<String>,
    minimum: Option<MinimumFile>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MinimumFile {
    size: u64,
    root: String,
}

/// `pins/<genesis>.toml`
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PinFile {
    commit: String,
    size: u64,
    root: String,
}

fn file_name(genesis: &Hash) -> String {
    format!("{genesis}.toml")
}

fn to_toml(file: &impl Serialize) -> String {
    toml::to_string(file).expect("texts, numbers and lists of texts have a TOML form")
}

fn read_config(folder: &Folder) -> Result<ConfigFile, ConfigError> {
    read_toml(folder, CONFIG).map(Option::unwrap_or_default)
}

fn read_trust_file(folder: &Folder, genesis: &Hash) -> Result<Option<TrustFile>, ConfigError> {
    read_toml(&folder.join(TRUST), &file_name(genesis))
}

fn read_trust(folder: &Folder, genesis: &Hash) -> Result<Option<Trust>, ConfigError> {
    let Some(file) = read_trust_file(folder, genesis)? else { return Ok(None) };
    let path = folder.join(TRUST).place(&file_name(genesis));
    let origin = match file.origin.as_deref() {
        None => None,
        Some("init") => Some(Origin::Init),
        Some("clone") => Some(Origin::Clone),
        Some(_) => return Err(ConfigError::value(&path, "origin", "it is `init` or `clone`")),
    };
    let minimum = match &file.minimum {
        None => None,
        Some(minimum) => Some(Minimum { size: size(&path, minimum.size)?, root: field(&path, "root", &minimum.root)? }),
    };
    Ok(Some(Trust {
        repos: file.repos.into_iter().map(|repo| absolute(&path, "repos", repo)).collect::<Result<_, _>>()?,
        added: file.added.map(|added| field(&path, "added", &added)).transpose()?,
        origin,
        minimums: minimum.into_iter().collect(),
    }))
}

fn read_pin(folder: &Folder, genesis: &Hash) -> Result<Option<Pin>, ConfigError> {
    let (folder, name) = (folder.join(PINS), file_name(genesis));
    let Some(file) = read_toml::<PinFile>(&folder, &name)? else { return Ok(None) };
    let path = folder.place(&name);
    let commit = parse_hex(file.commit.as_bytes()).map(Oid);
    Ok(Some(Pin {
        commit: commit.ok_or_else(|| ConfigError::value(&path, "commit", "it is 40 digits of 0-9 and a-f"))?,
        size: size(&path, file.size)?,
        root: field(&path, "root", &file.root)?,
    }))
}

fn read_toml<T: DeserializeOwned>(folder: &Folder, name: &str) -> Result<Option<T>, ConfigError> {
    let Some(text) = folder.read(name)? else { return Ok(None) };
    toml::from_str(&text).map(Some).map_err(|error| ConfigError::syntax(folder.place(name), &text, &error))
}

fn field<T: FromStr<Err: fmt::Display>>(path: &Path, name: &'static str, text: &str) -> Result<T, ConfigError> {
    text.parse().map_err(|why: T::Err| ConfigError::value(path, name, &why.to_string()))
}

fn size(path: &Path, size: u64) -> Result<u64, ConfigError> {
    if size == 0 { Err(ConfigError::value(path, "size", "it is at least 1")) } else { Ok(size) }
}

fn absolute(path: &Path, name: &'static str, repo: String) -> Result<PathBuf, ConfigError> {
    let repo = PathBuf::from(repo);
    if repo.is_absolute() { Ok(repo) } else { Err(ConfigError::value(path, name, "a path here starts with `/`")) }
}

/// Follows all links in a path that is there.
fn followed(repo: &Path) -> Result<PathBuf, ConfigError> {
    repo.canonicalize().map_err(|error| ConfigError::Read(repo.to_owned(), error))
}

#[cfg(test)]
mod tests;
