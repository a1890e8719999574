//! Why an index can't be used.

use std::fmt;

use rusqlite::ErrorCode;

use crate::core::packed::Damaged;
use crate::edge::config::ConfigError;

/// Why an index can't be used. It is never the truth, so each of these means: read the log instead.
#[derive(Debug)]
pub enum IndexError {
    /// Its folder or file is not ours alone, or can't be made.
    Folder(ConfigError),
    /// Its file can't be put in its place.
    Write(std::io::Error),
    /// The store fails, or others are in the way.
    Store(rusqlite::Error),
    /// It is of another form than this program writes.
    Form,
    /// What it holds does not fit together.
    Torn,
    /// A record in it does not read.
    Record(serde_json::Error),
    /// A request in it does not read.
    Request(Damaged),
    /// A piece of a policy in it does not read.
    Piece(String),
}

impl IndexError {
    /// Tells whether it is what the index holds that is wrong, and not what is around it: nobody else gets further either.
    pub(super) fn is_damage(&self) -> bool {
        match self {
            IndexError::Folder(_) | IndexError::Write(_) => false,
            IndexError::Store(error) => matches!(
                error.sqlite_error_code(),
                None | Some(
                    ErrorCode::DatabaseCorrupt
                        | ErrorCode::NotADatabase
                        | ErrorCode::ConstraintViolation
                        | ErrorCode::Unknown
                )
            ),
            IndexError::Form
            | IndexError::Torn
            | IndexError::Record(_)
            | IndexError::Request(_)
            | IndexError::Piece(_) => true,
        }
    }
}

impl From<serde_json::Error> for IndexError {
    fn from(error: serde_json::Error) -> IndexError {
        IndexError::Record(error)
    }
}

impl From<Damaged> for IndexError {
    fn from(error: Damaged) -> IndexError {
        IndexError::Request(error)
    }
}

impl From<rusqlite::Error> for IndexError {
    fn from(error: rusqlite::Error) -> IndexError {
        IndexError::Store(error)
    }
}

impl fmt::Display for IndexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IndexError::Folder(error) => error.fmt(f),
            IndexError::Write(error) => write!(f, "can't write it: {error}"),
            IndexError::Store(error) => error.fmt(f),
            IndexError::Form => write!(f, "another version of this program wrote it"),
            IndexError::Torn => write!(f, "what it holds does not fit together"),
            IndexError::Piece(why) => write!(f, "a piece of a policy does not read: {why}"),
            IndexError::Record(error) => write!(f, "a record does not read: {error}"),
            IndexError::Request(error) => write!(f, "a request does not read: {error}"),
        }
    }
}

impl std::error::Error for IndexError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            IndexError::Folder(error) => Some(error),
            IndexError::Write(error) => Some(error),
            IndexError::Store(error) => Some(error),
            IndexError::Record(error) => Some(error),
            IndexError::Request(error) => Some(error),
            IndexError::Form | IndexError::Torn | IndexError::Piece(_) => None,
        }
    }
}
