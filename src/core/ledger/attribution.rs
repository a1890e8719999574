//! Whose line it is: the closed list of what makes a line inert.

use std::fmt;

use super::EntryKind;
use super::{Examined, Fault};
use crate::core::hash::Hash;
use crate::core::key::PublicKey;
use crate::core::name::Name;
use crate::core::signature::SignatureError;
use crate::core::statement::{Body, Malformed, Statement, What};
use crate::core::view::{View, ViewExt};

/// Why a line is a leaf and nothing more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inert {
    /// Not of the one form.
    Malformed(Malformed),
    /// The signature does not fit.
    BadSignature(SignatureError),
    /// A genesis that is not the first line.
    SecondGenesis,
    /// A kind that has no place in the log.
    NoPlace(&'static str),
    /// It belongs to another log, named here.
    OtherLog(Hash),
    /// No identity of that name here.
    UnknownAuthor(Name),
    /// The key, given by its fingerprint, is not the author's here.
    NotTheirKey(Name, String),
    /// It says it saw no line, or more lines than there are before it.
    SeenSize(u64),
    /// The root that it saw is not this log's.
    SeenRoot(u64),
    /// The statement it speaks of is not below what it saw, not there, inert, or of another kind.
    Of(Hash),
    /// A request that names another policy than the one in force after what it saw.
    OtherPolicy(Hash),
    /// A statement with this id stands in the log already.
    Repeated(Hash),
}

impl fmt::Display for Inert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Inert::Malformed(why) => write!(f, "malformed: {why}"),
            Inert::BadSignature(why) => write!(f, "bad signature: {why}"),
            Inert::SecondGenesis => write!(f, "a second genesis"),
            Inert::NoPlace(kind) => write!(f, "a {kind} has no place in the log"),
            Inert::OtherLog(id) => write!(f, "it belongs to the log {id}"),
            Inert::UnknownAuthor(name) => write!(f, "unknown author: nobody is called `{name}` here"),
            Inert::NotTheirKey(name, key) => write!(f, "wrong key: {key} is not a key of `{name}` here"),
            Inert::SeenSize(size) => write!(f, "it claims to have seen {size} lines"),
            Inert::SeenRoot(size) => write!(f, "the root it saw is not that of the first {size} lines"),
            Inert::Of(id) => {
                write!(f, "it speaks of {id}, which its author can't have seen here as what it takes it for")
            }
            Inert::OtherPolicy(id) => write!(f, "its policy {id} was not in force in the log that its author saw"),
            Inert::Repeated(id) => write!(f, "the statement {id} stands in the log already"),
        }
    }
}

/// Returns the statement, its id and the key that signed it, if the bytes are a signed line that is no genesis.
pub(super) fn read(line: &Examined) -> Result<(&Statement, Hash, &PublicKey), Inert> {
    let signed = match &line.outcome {
        Ok(signed) => signed,
        Err(Fault::Malformed(why)) => return Err(Inert::Malformed(why.clone())),
        Err(Fault::Signature(why)) => return Err(Inert::BadSignature(why.clone())),
    };
    match &signed.get().body {
        Body::Genesis(_) => Err(Inert::SecondGenesis),
        Body::Statement(statement) => Ok((statement, signed.get().id, signed.key())),
    }
}

/// Checks that a statement signed by `key` is not inert as the next line of the log.
pub(super) fn check_place(view: &impl View, statement: &Statement, id: Hash, key: &PublicKey) -> Result<(), Inert> {
    match &statement.what {
        What::Presentation(_) => return Err(Inert::NoPlace("presentation")),
        What::Checkpoint(_) => return Err(Inert::NoPlace("checkpoint")),
        What::Policy(_)
        | What::Request(_)
        | What::Approval(_)
        | What::Revocation(_)
        | What::Lockdown(_)
        | What::Lift(_)
        | What::Unknown { .. } => {}
    }
    check_author(view, statement, key)?;
    if view.entry(&id).is_some() { Err(Inert::Repeated(id)) } else { Ok(()) }
}

/// Judges a statement's log, author, `seen`, `of` and `policy` as if it came next in the log.
pub(in crate::core) fn check_author(view: &impl View, statement: &Statement, key: &PublicKey) -> Result<(), Inert> {
    if view.genesis().is_none_or(|genesis| statement.log != genesis.id) {
        return Err(Inert::OtherLog(statement.log));
    }
    match view.speaks_for(key, &statement.by) {
        Some(true) => {}
        Some(false) => return Err(Inert::NotTheirKey(statement.by.clone(), key.fingerprint())),
        None => return Err(Inert::UnknownAuthor(statement.by.clone())),
    }
    let seen = statement.seen;
    if seen.size == 0 || seen.size > view.size() {
        return Err(Inert::SeenSize(seen.size));
    }
    if view.root_at(seen.size) != Some(seen.root) {
        return Err(Inert::SeenRoot(seen.size));
    }
    check_of(view, statement)?;
    match &statement.what {
        What::Request(request) if view.policy_at(seen.size) != Some(request.policy) => {
            Err(Inert::OtherPolicy(request.policy))
        }
        _ => Ok(()),
    }
}

fn check_of(view: &impl View, statement: &Statement) -> Result<(), Inert> {
    let Some(of) = statement.what.of() else { return Ok(()) };
    let may_be = |kind| match &statement.what {
        What::Approval(_) => matches!(kind, EntryKind::Request | EntryKind::Policy | EntryKind::Lift),
        What::Revocation(_) | What::Presentation(_) => kind == EntryKind::Request,
        What::Lift(_) => kind == EntryKind::Lockdown,
        What::Policy(_) | What::Request(_) | What::Lockdown(_) | What::Checkpoint(_) | What::Unknown { .. } => true,
    };
    match view.entry(&of) {
        Some(entry) if entry.index < statement.seen.size && may_be(entry.kind) => Ok(()),
        Some(_) | None => Err(Inert::Of(of)),
    }
}
