//! Requests in few bytes: as an index keeps them, and memory where there are many.
//!
//! ```text
//! record    = flags index [id leaf] by resource action key at policy duration [not_before] [bind] reason pending_for
//!             approvals status [ending]
//! approval  = flags index [id leaf] by key at [duration] comment
//! status    = reasons | nothing | ending | grant                    by two bits of the record's flags
//! grant     = index policy rules counted start end live_from     what is counted by its number, from 1, or 0 and itself
//! ending    = index by at reason
//! ```
//! Numbers are LEB128, seven bits a byte, the low ones first. Places and instants are told by how far they are from the
//! record's own. A list is its length and its items; a text is its length and its bytes. Names, resources, keys and ids of
//! policies come again and again, so each is a *word* ([`Words`]): 0 and the word itself where it is met first, later its
//! number. Ids and leaf hashes are not there where who keeps the record knows them from the log ([`Lines`]).
//!
//! What stands in a file may be damaged: [`unpack`] believes nothing, and gives a record or [`Damaged`].

mod bytes;

use std::collections::BTreeSet;
use std::fmt;

use self::bytes::{Reader, Writer};
use super::hash::Hash;
use super::ledger::{ApprovalRecord, Ending, Grant, RequestRecord, Status};
use super::name::{Name, Resource};
use super::reason::Reason;
use super::statement::{Bind, Request};
use super::time::Timestamp;
pub use bytes::Words;

/// Bytes that are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged;

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "its bytes are those of no request")
    }
}

impl std::error::Error for Damaged {}

/// What a record says of a line that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineOf {
    /// The id.
    pub id: Hash,
    /// The leaf hash.
    pub leaf: Hash,
}

/// What is known of lines by their places, and need not be kept with each record.
pub trait Lines {
    /// A line that is not inert.
    fn line(&self, index: u64) -> Option<LineOf>;
}

/// Where nothing is known of lines.
#[derive(Clone, Copy, Debug)]
pub struct NoLines;

impl Lines for NoLines {
    fn line(&self, _: u64) -> Option<LineOf> {
        None
    }
}

/// Its line is known.
const KNOWN: u8 = 1;
const NOT_BEFORE: u8 = 1 << 1;
const BIND: u8 = 1 << 2;
const REVOKED: u8 = 1 << 3;
/// The two bits that say which status it is.
const STATUS: u8 = 0b11 << 5;
const WITHOUT_EFFECT: u8 = 0;
const PENDING: u8 = 1 << 5;
const DENIED: u8 = 2 << 5;
const COMPLETE: u8 = 3 << 5;
/// Of an approval: it says for how long at most.
const DURATION: u8 = 1 << 1;

/// Packs a record. Words that come again are added to `words`, as far as it takes them.
pub fn pack(record: &RequestRecord, words: &mut Words, lines: &impl Lines) -> Box<[u8]> {
    let mut to = Writer::new(words);
    let request = &record.request;
    let status = match &record.status {
        Status::WithoutEffect(_) => WITHOUT_EFFECT,
        Status::Pending => PENDING,
        Status::Denied(_) => DENIED,
        Status::Complete(_) => COMPLETE,
    };
    let line = LineOf { id: record.id, leaf: record.leaf };
    let flags = flag(KNOWN, lines.line(record.index) == Some(line))
        | flag(NOT_BEFORE, request.not_before.is_some())
        | flag(BIND, request.bind.is_some())
        | flag(REVOKED, record.revoked.is_some())
        | status;
    to.byte(flags);
    to.number(record.index);
    line.put(&mut to, flags);
    to.name(&record.by);
    to.resource(&request.resource);
    to.name(&request.action);
    to.key(&record.key);
    to.instant(record.at);
    to.hash_word(&request.policy);
    to.duration(request.duration);
    request.not_before.into_iter().for_each(|at| to.instant(at));
    request.bind.into_iter().for_each(|Bind(hash)| to.hash(&hash));
    to.text(&request.reason);
    to.duration(record.pending_for);
    to.list(&record.approvals, |to, approval| put_approval(to, record, approval, lines));
    match &record.status {
        Status::WithoutEffect(reasons) => to.list(reasons, |to, Reason { code, message }| {
            to.text(code.as_str());
            to.text(message);
        }),
        Status::Pending => {}
        Status::Denied(ending) => put_ending(&mut to, record, ending),
        Status::Complete(grant) => put_grant(&mut to, record, grant, lines),
    }
    record.revoked.iter().for_each(|ending| put_ending(&mut to, record, ending));
    to.finish()
}

fn put_approval(to: &mut Writer<'_>, record: &RequestRecord, approval: &ApprovalRecord, lines: &impl Lines) {
    let line = LineOf { id: approval.id, leaf: approval.leaf };
    let flags = flag(KNOWN, lines.line(approval.index) == Some(line)) | flag(DURATION, approval.duration.is_some());
    to.byte(flags);
    to.place_after(record.index, approval.index);
    line.put(to, flags);
    to.name(&approval.by);
    to.key(&approval.key);
    to.instant_after(record.at, approval.at);
    approval.duration.into_iter().for_each(|duration| to.duration(duration));
    to.text(&approval.comment);
}

fn put_grant(to: &mut Writer<'_>, record: &RequestRecord, grant: &Grant, lines: &impl Lines) {
    to.place_after(record.index, grant.index);
    to.hash_word(&grant.policy);
    to.number(grant.rules.len() as u64);
    grant.rules.iter().for_each(|rule| to.name(rule));
    let mut next = 0;
    to.list(&grant.counted, |to, counted| {
        let known = record.approvals.iter().position(|approval| approval == counted).filter(|place| *place >= next);
        next = known.map_or(next, |place| place + 1);
        to.number(known.map_or(0, |place| place as u64 + 1));
        if known.is_none() {
            put_approval(to, record, counted, lines);
        }
    });
    to.instant_after(record.at, grant.start);
    to.instant_after(grant.start, grant.end);
    to.instant_after(grant.start, grant.live_from);
}

fn put_ending(to: &mut Writer<'_>, record: &RequestRecord, ending: &Ending) {
    to.place_after(record.index, ending.index);
    to.name(&ending.by);
    to.instant_after(record.at, ending.at);
    to.text(&ending.reason);
}

fn flag(flag: u8, is_set: bool) -> u8 {
    if is_set { flag } else { 0 }
}

impl LineOf {
    /// Writes it, where it is not known.
    fn put(&self, to: &mut Writer<'_>, flags: u8) {
        if flags & KNOWN == 0 {
            to.hash(&self.id);
            to.hash(&self.leaf);
        }
    }

    fn read(from: &mut Reader<'_>, index: u64, flags: u8, lines: &impl Lines) -> Result<LineOf, Damaged> {
        match flags & KNOWN {
            0 => Ok(LineOf { id: from.hash()?, leaf: from.hash()? }),
            _ => lines.line(index).ok_or(Damaged),
        }
    }
}

/// Reads a record that was packed with these words and lines, or fewer of them.
///
/// # Errors
/// The bytes are no record, or more than one.
pub fn unpack(bytes: &[u8], words: &Words, lines: &impl Lines) -> Result<RequestRecord, Damaged> {
    let mut from = Reader::new(bytes, words);
    let flags = from.byte()?;
    let index = from.number()?;
    let line = LineOf::read(&mut from, index, flags, lines)?;
    let (by, resource, action) = (from.name()?, from.resource()?, from.name()?);
    let key = from.key()?;
    let at = from.instant()?;
    let request = Request {
        policy: from.hash_word()?,
        resource,
        action,
        duration: from.duration()?,
        not_before: if flags & NOT_BEFORE == 0 { None } else { Some(from.instant()?) },
        bind: if flags & BIND == 0 { None } else { Some(Bind(from.hash()?)) },
        reason: from.text()?.to_owned(),
    };
    let pending_for = from.duration()?;
    let own = Own { index, at };
    let approvals = from.list(|from| own.approval(from, lines))?;
    let status = match flags & STATUS {
        WITHOUT_EFFECT => Status::WithoutEffect(from.list(|from| {
            let code = from.code()?;
            Ok(Reason { code, message: from.text()?.to_owned() })
        })?),
        PENDING => Status::Pending,
        DENIED => Status::Denied(own.ending(&mut from)?),
        _ => Status::Complete(own.grant(&mut from, &approvals, lines)?),
    };
    let revoked = if flags & REVOKED == 0 { None } else { Some(own.ending(&mut from)?) };
    if flags & !(KNOWN | NOT_BEFORE | BIND | REVOKED | STATUS) != 0 {
        return Err(Damaged);
    }
    from.end()?;
    Ok(RequestRecord {
        id: line.id,
        index,
        leaf: line.leaf,
        by,
        key,
        at,
        request,
        pending_for,
        approvals,
        status,
        revoked,
    })
}

/// Tells whether a packed record asks for this, reading no more of it than that takes.
///
/// # Errors
/// The bytes are no record.
pub fn is_for(
    bytes: &[u8],
    words: &Words,
    lines: &impl Lines,
    resource: &Resource,
    action: &Name,
) -> Result<bool, Damaged> {
    let mut from = Reader::new(bytes, words);
    let flags = from.byte()?;
    let index = from.number()?;
    LineOf::read(&mut from, index, flags, lines)?;
    from.name()?;
    Ok(from.resource()? == *resource && from.name()? == *action)
}

/// What a record says of itself that the rest of it is told by.
struct Own {
    index: u64,
    at: Timestamp,
}

impl Own {
    fn approval(&self, from: &mut Reader<'_>, lines: &impl Lines) -> Result<ApprovalRecord, Damaged> {
        let flags = from.byte()?;
        if flags & !(KNOWN | DURATION) != 0 {
            return Err(Damaged);
        }
        let index = from.place_after(self.index)?;
        let line = LineOf::read(from, index, flags, lines)?;
        Ok(ApprovalRecord {
            id: line.id,
            index,
            leaf: line.leaf,
            by: from.name()?,
            key: from.key()?,
            at: from.instant_after(self.at)?,
            duration: if flags & DURATION == 0 { None } else { Some(from.duration()?) },
            comment: from.text()?.to_owned(),
        })
    }

    fn grant(&self, from: &mut Reader<'_>, approvals: &[ApprovalRecord], lines: &impl Lines) -> Result<Grant, Damaged> {
        let index = from.place_after(self.index)?;
        let policy = from.hash_word()?;
        let rules: Vec<Name> = from.list(Reader::name)?;
        if !rules.is_sorted_by(|one, next| one < next) {
            return Err(Damaged);
        }
        // Each is named once, so that few bytes can't stand for many approvals.
        let mut left = approvals.iter().enumerate();
        let counted = from.list(|from| match from.number()?.checked_sub(1) {
            None => self.approval(from, lines),
            Some(place) => {
                let known = left.find(|(number, _)| *number as u64 == place);
                known.map(|(_, approval)| approval.clone()).ok_or(Damaged)
            }
        })?;
        let start = from.instant_after(self.at)?;
        let (end, live_from) = (from.instant_after(start)?, from.instant_after(start)?);
        Ok(Grant { index, policy, rules: BTreeSet::from_iter(rules), counted, start, end, live_from })
    }

    fn ending(&self, from: &mut Reader<'_>) -> Result<Ending, Damaged> {
        Ok(Ending {
            index: from.place_after(self.index)?,
            by: from.name()?,
            at: from.instant_after(self.at)?,
            reason: from.text()?.to_owned(),
        })
    }
}
