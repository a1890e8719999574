//! Checkpoints: what a witness's word on the log is worth.
//!
//! A witness verifies the log and signs its size and root. Whoever holds a log can then tell three things: how old it is
//! at most (the log extends what the witness saw at that time), that it is older than what somebody has seen (the witness
//! saw more lines), or that it is another one (the witness saw other lines): a fork, and the checkpoint proves it.
//!
//! Anybody may put anything where checkpoints stand, so one that is not believed is nothing: it neither makes a log fresh
//! nor harms it. [`judge`] says which it is.

use std::fmt;

use chrono::TimeDelta;

use super::hash::Hash;
use super::ledger::{Fault, examine};
use super::name::Name;
use super::statement::{Body, MAX_LINE_LEN, Seen, What};
use super::time::Timestamp;
use super::view::{View, ViewExt};

/// The most that a witness's clock may be ahead, in seconds.
const MAX_AHEAD_SECS: i64 = 60;
/// The longest file that can hold a checkpoint, in bytes: a line and its LF.
pub const MAX_CHECKPOINT_LEN: usize = MAX_LINE_LEN + 1;

/// What a checkpoint says about a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// The log extends what the witness saw.
    Extended(Sighting),
    /// The witness saw more lines than there are: the log is older than the checkpoint.
    Ahead(Sighting),
    /// The witness saw other lines.
    Fork(Fork),
    /// Nothing.
    NotBelieved(Distrust),
}

/// What a witness saw, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The witness.
    pub by: Name,
    /// When it had seen it; never after now.
    pub at: Timestamp,
    /// The number of lines.
    pub size: u64,
}

/// The proof that there are two logs: the same number of lines, and two roots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fork {
    /// The witness.
    pub by: Name,
    /// The fingerprint of the key that it signed with.
    pub key: String,
    /// When.
    pub at: Timestamp,
    /// The number of lines.
    pub size: u64,
    /// The root over so many lines that the witness signed.
    pub witnessed: Hash,
    /// The root over so many lines here.
    pub here: Hash,
}

impl fmt::Display for Fork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "there are two logs: over the first {} lines the witness `{}` signed the root {} at {} (by {}), here it is {}",
            self.size, self.by, self.witnessed, self.at, self.key, self.here
        )
    }
}

/// Why a checkpoint is not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Distrust {
    /// Not a signed line, with the LF that ends it and nothing more.
    NoLine(String),
    /// A statement of another kind.
    OtherKind(String),
    /// It is about another log, named here.
    OtherLog(Hash),
    /// The policy in force does not name its author as a witness.
    NoWitness(Name),
    /// The key, given by its fingerprint, is not the witness's.
    NotTheirKey(Name, String),
    /// It vouches for no line at all.
    Empty,
    /// It says that it was signed in the future.
    FromAhead(Timestamp),
}

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Distrust::NoLine(why) => write!(f, "it is no signed line: {why}"),
            Distrust::OtherKind(kind) => write!(f, "it is a {kind}"),
            Distrust::OtherLog(id) => write!(f, "it is about the log {id}"),
            Distrust::NoWitness(name) => write!(f, "the policy in force does not name `{name}` as a witness"),
            Distrust::NotTheirKey(name, key) => write!(f, "{key} is not a key of `{name}`"),
            Distrust::Empty => write!(f, "it vouches for no line"),
            Distrust::FromAhead(at) => write!(f, "it is dated {at}, which is yet to come"),
        }
    }
}

/// Judges a file that should hold a checkpoint: one line and its LF. `view` is the log, `now` the gate's clock.
pub fn judge(view: &impl View, file: &[u8], now: Timestamp) -> Word {
    read(view, file, now).unwrap_or_else(Word::NotBelieved)
}

fn read(view: &impl View, file: &[u8], now: Timestamp) -> Result<Word, Distrust> {
    let line = file.strip_suffix(b"\n").ok_or_else(|| Distrust::NoLine("no line feed at its end".to_owned()))?;
    let signed = examine(line).outcome.map_err(|fault| match fault {
        Fault::Malformed(why) => Distrust::NoLine(why.to_string()),
        Fault::Signature(why) => Distrust::NoLine(why.to_string()),
    })?;
    let statement = match &signed.get().body {
        Body::Statement(statement) => statement,
        Body::Genesis(_) => return Err(Distrust::OtherKind("genesis".to_owned())),
    };
    let What::Checkpoint(checkpoint) = &statement.what else {
        return Err(Distrust::OtherKind(statement.what.kind().to_owned()));
    };
    if view.genesis().is_none_or(|genesis| genesis.id != statement.log) {
        return Err(Distrust::OtherLog(statement.log));
    }
    let (by, at) = (&statement.by, statement.at);
    if !view.rules().is_some_and(|policy| policy.witnesses().contains(by)) {
        return Err(Distrust::NoWitness(by.clone()));
    }
    if !view.owns_key(by, signed.key()) {
        return Err(Distrust::NotTheirKey(by.clone(), signed.key().fingerprint()));
    }
    // Both vouch for the log; a witness of ours makes them the same.
    let claims = [statement.seen, Seen { size: checkpoint.size, root: checkpoint.root }];
    if claims.iter().any(|claim| claim.size == 0) {
        return Err(Distrust::Empty);
    }
    // The proof of a fork is one whenever it was signed, so this comes before the date.
    for Seen { size, root } in claims {
        if let Some(here) = view.root_at(size).filter(|here| *here != root) {
            let key = signed.key().fingerprint();
            return Ok(Word::Fork(Fork { by: by.clone(), key, at, size, witnessed: root, here }));
        }
    }
    if at.since(now) > TimeDelta::seconds(MAX_AHEAD_SECS) {
        return Err(Distrust::FromAhead(at));
    }
    let size = claims.iter().map(|claim| claim.size).max().unwrap_or_default();
    let sighting = Sighting { by: by.clone(), at: at.min(now), size };
    Ok(if size > view.size() { Word::Ahead(sighting) } else { Word::Extended(sighting) })
}
