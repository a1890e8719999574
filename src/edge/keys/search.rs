//! What was looked at for a key: the list that stands in an error, and that `jit doctor` can print.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use sha2::{Digest as _, Sha256};

use super::agent::AgentKey;
use super::choose::FolderKey;
use super::file::FileFault;
use super::shown;
use crate::core::key::{KeyError, PublicKey};

/// The most keys that are listed.
const MAX_LISTED: usize = 20;

/// What was looked at when no key was found.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// The keys, in the order they were looked at.
    pub seen: Vec<Seen>,
    /// What is wrong with the agent, if anything.
    pub agent: Vec<String>,
}

/// One key that was looked at.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The key, if it is one that may sign.
    pub key: Option<PublicKey>,
    /// Its fingerprint, where it could be read.
    pub fingerprint: Option<String>,
    /// Where it is, with its comment; escaped.
    pub place: String,
    /// Why it can't sign, if that is so.
    pub fault: Option<String>,
}

impl Seen {
    pub(super) fn in_agent(listed: &AgentKey) -> Seen {
        let comment = &listed.comment;
        Seen {
            key: listed.key.clone().ok(),
            fingerprint: Some(fingerprint(&listed.blob)),
            place: if comment.is_empty() { "agent".to_owned() } else { format!("agent, {comment}") },
            fault: listed.key.as_ref().err().map(KeyError::to_string),
        }
    }

    pub(super) fn in_folder(entry: &FolderKey) -> Seen {
        let public = entry.public.as_ref();
        let half = (!entry.is_whole).then(|| "only its public half is here".to_owned());
        Seen {
            key: public.ok().cloned(),
            fingerprint: public.ok().map(PublicKey::fingerprint),
            place: shown(&entry.path),
            fault: public.err().map(FileFault::to_string).or(half),
        }
    }

    pub(super) fn passed_over(place: String, fault: String) -> Seen {
        Seen { key: None, fingerprint: None, place, fault: Some(fault) }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.fingerprint {
            Some(fingerprint) => write!(f, "{fingerprint} ({})", self.place)?,
            None => f.write_str(&self.place)?,
        }
        match &self.fault {
            Some(fault) => write!(f, ": {fault}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Search {
    /// One line for each thing, each started by a line feed and two spaces.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for seen in self.seen.iter().take(MAX_LISTED) {
            write!(f, "\n  {seen}")?;
        }
        if let Some(more) = self.seen.len().checked_sub(MAX_LISTED).filter(|more| *more > 0) {
            write!(f, "\n  and {more} more")?;
        }
        for trouble in &self.agent {
            write!(f, "\n  agent: {trouble}")?;
        }
        Ok(())
    }
}

/// Returns the fingerprint of a key blob of any kind, as OpenSSH prints it.
pub(super) fn fingerprint(blob: &[u8]) -> String {
    format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(blob)))
}
