//! What can be wrong with the configuration, said so that a person knows which file to look at and what to do.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::{Minimum, files};
use crate::core::escape::escape;
use crate::edge::world::WorldError;

/// Why the configuration says nothing.
#[derive(Debug)]
pub enum ConfigError {
    /// There is no folder of the user's to write to.
    NoFolder(WorldError),
    /// A file or folder is there, and can't be read.
    Read(PathBuf, io::Error),
    /// A file or folder can't be written.
    Write(PathBuf, io::Error),
    /// Something else than a plain file stands there.
    NotAFile(PathBuf),
    /// Something else than a folder stands there.
    NotAFolder(PathBuf),
    /// A file or folder belongs to somebody else, whose id this is.
    OtherOwner(PathBuf, u32),
    /// Others may write to a file or folder.
    OthersWrite(PathBuf),
    /// A file is, or would become, larger than it may be.
    TooLarge(PathBuf),
    /// A file is no TOML, or has unknown or missing keys; line and column count from 1.
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where in it.
        line: usize,
        /// Where in the line, in characters.
        column: usize,
        /// What is wrong there.
        why: String,
    },
    /// A value in a file is not of its form.
    Value {
        /// The file.
        path: PathBuf,
        /// The key.
        key: &'static str,
        /// What the form is.
        why: String,
    },
    /// A file in `trust/` is not named for a genesis.
    FileName(PathBuf),
    /// A repo's path is not UTF-8, so no file can hold it.
    PathNotText(PathBuf),
    /// The trust is there, and its pin is not.
    LostPin {
        /// Where the pin should be.
        pin: PathBuf,
        /// Where the trust is.
        trust: PathBuf,
    },
    /// The pin already has more lines.
    Backwards {
        /// The lines of the pin.
        have: u64,
        /// The lines of what was to take its place.
        offered: u64,
    },
    /// What was to take the pin's place does not extend it.
    Forked {
        /// What is pinned.
        have: Minimum,
        /// What was to take its place.
        offered: Minimum,
    },
}

impl ConfigError {
    pub(super) fn value(path: &Path, key: &'static str, why: &str) -> ConfigError {
        ConfigError::Value { path: path.to_owned(), key, why: why.to_owned() }
    }

    pub(super) fn syntax(path: PathBuf, text: &str, error: &toml::de::Error) -> ConfigError {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let (line, column) = match before.rsplit_once('\n') {
            Some((lines, start)) => (lines.matches('\n').count() + 2, start.chars().count() + 1),
            None => (1, before.chars().count() + 1),
        };
        ConfigError::Syntax { path, line, column, why: error.message().to_owned() }
    }

    /// Tells whether all that is wrong is that nothing can be kept here: no home folder, or none to write to.
    ///
    /// What was read is right then, and a gate may go on with it.
    pub fn is_unwritable(&self) -> bool {
        matches!(self, ConfigError::NoFolder(_) | ConfigError::Write(..))
    }

    /// Tells whether the log or what is kept about it fails verification, rather than something being out of reach.
    pub fn is_untrusted(&self) -> bool {
        matches!(self, ConfigError::Forked { .. } | ConfigError::LostPin { .. })
    }

    /// Returns what to do about it, where there is something.
    pub fn help(&self) -> Option<String> {
        let quoted = |path: &Path| escape(&path.to_string_lossy()).into_owned();
        match self {
            ConfigError::NoFolder(_) => Some("set HOME, or XDG_CONFIG_HOME, to an absolute path".to_owned()),
            ConfigError::OtherOwner(path, _) => Some(format!(
                "look at who wrote it; if all in it is right, take it over: chown \"$(id -u)\" '{}'",
                quoted(path)
            )),
            ConfigError::OthersWrite(path) => {
                Some(format!("look at what is in it; if all is right: chmod go-w '{}'", quoted(path)))
            }
            ConfigError::LostPin { pin, trust } => Some(format!(
                "put back {} from a backup; or compare `jit audit verify` with a colleague's, delete {} and clone anew",
                quoted(pin),
                quoted(trust)
            )),
            ConfigError::Syntax { path, .. } | ConfigError::Value { path, .. } => {
                Some(format!("correct {}, or put it back from a backup", quoted(path)))
            }
            ConfigError::Backwards { .. } => Some("run the command again".to_owned()),
            ConfigError::FileName(path) => Some(format!(
                "name it for the whole genesis id, 64 digits of 0-9 and a-f and .toml, or move {} away",
                quoted(path)
            )),
            ConfigError::Read(..)
            | ConfigError::Write(..)
            | ConfigError::NotAFile(_)
            | ConfigError::NotAFolder(_)
            | ConfigError::TooLarge(_)
            | ConfigError::PathNotText(_)
            | ConfigError::Forked { .. } => None,
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |path: &Path| escape(&path.to_string_lossy()).into_owned();
        match self {
            ConfigError::NoFolder(why) => write!(f, "nowhere to keep trust and pins: {why}"),
            ConfigError::Read(path, why) => write!(f, "can't read {}: {why}", quoted(path)),
            ConfigError::Write(path, why) => write!(f, "can't write {}: {why}", quoted(path)),
            ConfigError::NotAFile(path) => write!(f, "{} is not a plain file", quoted(path)),
            ConfigError::NotAFolder(path) => write!(f, "{} is not a folder", quoted(path)),
            ConfigError::OtherOwner(path, owner) => {
                write!(f, "{} belongs to another user (id {owner}), who may have put anything there", quoted(path))
            }
            ConfigError::OthersWrite(path) => {
                write!(f, "{} can be written by others, who may have put anything there", quoted(path))
            }
            ConfigError::TooLarge(path) => {
                write!(f, "{} is larger than the {} bytes that it may have", quoted(path), files::MAX_FILE_LEN)
            }
            ConfigError::Syntax { path, line, column, why } => {
                write!(f, "{}:{line}:{column}: {}", quoted(path), escape(why))
            }
            ConfigError::Value { path, key, why } => write!(f, "{}: `{key}`: {}", quoted(path), escape(why)),
            ConfigError::FileName(path) => write!(f, "{} is not named for a genesis", quoted(path)),
            ConfigError::PathNotText(path) => {
                write!(f, "the path {} is not UTF-8, so it can't be kept as trusted", quoted(path))
            }
            ConfigError::LostPin { pin, trust } => write!(
                f,
                "the pin {} is gone, though {} is there: a log that was cut short could not be told from the true one",
                quoted(pin),
                quoted(trust)
            ),
            ConfigError::Backwards { have, offered } => {
                write!(f, "the pin has moved on to {have} lines meanwhile, past the {offered} read here")
            }
            ConfigError::Forked { have, offered } => write!(
                f,
                "the log was rewritten: {} lines with root {} do not extend the pinned {} lines with root {}",
                offered.size, offered.root, have.size, have.root
            ),
        }
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ConfigError::NoFolder(why) => Some(why),
            ConfigError::Read(_, why) | ConfigError::Write(_, why) => Some(why),
            _ => None,
        }
    }
}
