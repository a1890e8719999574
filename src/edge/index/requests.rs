//! The requests in an index: what is live apart from what has ended, so that what a check reads is as large as what is live.
//!
//! A request is live as long as nothing has ended it and time has not either, up to the index's *horizon*: an instant that
//! follows the clock, a while behind it. Whoever asks for what reaches an instant after the horizon, as every check does,
//! reads the live part alone; whoever asks for less, such as a machine whose clock is behind, reads both. When lines are added
//! the horizon moves on ([`settle`]), and what it has passed leaves the live part.
//!
//! Records are packed ([`crate::core::packed`]). A live one stands by itself; of one that has ended, ids and leaf hashes are
//! those of the lines.

use std::sync::Arc;

use chrono::TimeDelta;
use rusqlite::Connection;

use super::IndexError;
use super::keyed::{self, Key, Kind, Range};
use super::levels::{self, Levels, Of};
use super::lines::IndexLines;
use super::tables::{number, put_horizon};
use crate::core::hash::Hash;
use crate::core::ledger::RequestRecord;
use crate::core::name::{Name, Resource};
use crate::core::packed::{NoLines, Words, pack, unpack};
use crate::core::time::Timestamp;

/// Those that have ended, by their lines, with when time ended them, or null where something else did. What else there is of
/// requests stands among the keys ([`Kind`], [`Of`]): those that are live, by their lines, by subject and question, and by when
/// time ends them; those that have ended, by subject and question; and the grants among both, by subject and when time ends
/// them. Subjects and questions are numbers ([`number_of`]): two may have the same, and the record tells which it is of.
pub(super) const TABLE: &str = "CREATE TABLE ended(line INTEGER PRIMARY KEY,until,record);";

/// How far the horizon stays behind the clock at least, since clocks are set back a little now and then.
const BEHIND: TimeDelta = TimeDelta::hours(1);
/// By how much the horizon moves at once: not each line that is added moves something.
const STEP: i64 = 3600;

/// Returns where the horizon is, by the clock.
pub(super) fn horizon_at(now: Timestamp) -> Timestamp {
    let behind = now.shifted(-BEHIND).unix();
    Timestamp::from_unix(behind - behind.rem_euclid(STEP))
}

/// Where a request stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Live,
    Ended,
}

/// Writes a request, `new` or another record of one that is there.
pub(super) fn write(
    db: &Connection,
    levels: &mut Levels,
    record: &RequestRecord,
    new: bool,
    horizon: Timestamp,
) -> Result<(), IndexError> {
    let before = if new { None } else { Some(find(db, record.index)?) };
    replace(db, levels, before.as_ref().map(|(part, record)| (*part, record)), record, horizon)
}

/// Writes a record in the place of the one before, where that stands.
fn replace(
    db: &Connection,
    levels: &mut Levels,
    before: Option<(Part, &RequestRecord)>,
    record: &RequestRecord,
    horizon: Timestamp,
) -> Result<(), IndexError> {
    if let Some(grant) = record.grant()
        && before.is_none_or(|(_, before)| before.grant().is_none())
    {
        let start = levels::start(Of::Grant).with(&subject_number(&record.by));
        levels.add(db, start.with_number(seconds(grant.end)).with_number(record.index))?;
    }
    match (before, record.until().filter(|until| *until >= horizon)) {
        (Some((Part::Live, before)), Some(until)) if before.until() == Some(until) => put_record(db, record),
        (Some((Part::Ended, _)), None) => put_ended(db, record),
        (before, until) => {
            match before {
                Some((Part::Live, before)) => delete_live(db, before)?,
                Some((Part::Ended, before)) => delete_ended(db, levels, before)?,
                None => {}
            }
            match until {
                Some(until) => {
                    put_record(db, record)?;
                    keys_of_live(record, until).iter().try_for_each(|key| keyed::put(db, key, &[]))
                }
                None => {
                    put_ended(db, record)?;
                    levels.add(db, ended_key(record))
                }
            }
        }
    }
}

fn live_key(line: u64) -> Key {
    Key::of(Kind::Live).with_number(line)
}

/// The keys by which a request is found that time ends at `until`.
fn keys_of_live(record: &RequestRecord, until: Timestamp) -> [Key; 2] {
    let by_question = Key::of(Kind::LiveByQuestion).with(&subject_number(&record.by)).with(&question_of(record));
    [by_question, Key::of(Kind::LiveByEnd)].map(|key| key.with_number(seconds(until)).with_number(record.index))
}

fn ended_key(record: &RequestRecord) -> Key {
    let start = levels::start(Of::Ended).with(&subject_number(&record.by)).with(&question_of(record));
    start.with_number(record.index)
}

fn put_record(db: &Connection, record: &RequestRecord) -> Result<(), IndexError> {
    keyed::put(db, &live_key(record.index), &pack(record, &mut Words::none(), &NoLines))
}

fn delete_live(db: &Connection, record: &RequestRecord) -> Result<(), IndexError> {
    let until = record.until().ok_or(IndexError::Torn)?;
    let keys = keys_of_live(record, until);
    keys.iter().chain([&live_key(record.index)]).try_for_each(|key| keyed::take(db, key).map(drop))
}

fn put_ended(db: &Connection, record: &RequestRecord) -> Result<(), IndexError> {
    let bytes = pack(record, &mut Words::none(), &IndexLines(db));
    let row = (number(record.index)?, record.until().map(Timestamp::unix), &bytes[..]);
    db.prepare_cached("REPLACE INTO ended VALUES(?,?,?)")?.execute(row)?;
    Ok(())
}

fn delete_ended(db: &Connection, levels: &mut Levels, record: &RequestRecord) -> Result<(), IndexError> {
    db.prepare_cached("DELETE FROM ended WHERE line=?")?.execute([number(record.index)?])?;
    levels.take(db, &ended_key(record))
}

/// Moves the horizon on from where it was to where the clock has it, and what it passes with it; returns where it is. Where
/// the clock was far ahead once, so that each check would read both parts, it goes back, and what has not ended is live again.
pub(super) fn settle(
    db: &Connection,
    levels: &mut Levels,
    before: Timestamp,
    now: Timestamp,
) -> Result<Timestamp, IndexError> {
    let wanted = horizon_at(now);
    let horizon = if wanted > before || now < before { wanted } else { before };
    if horizon > before {
        let end = Key::of(Kind::LiveByEnd);
        let passed = Range::of(end.clone()).before(end.with_number(seconds(horizon)));
        for line in keyed::all(db, &passed, |key, _| keyed::last_number(key))? {
            let record = live_at(db, line)?.ok_or(IndexError::Torn)?;
            replace(db, levels, Some((Part::Live, &record)), &record, horizon)?;
        }
    } else if horizon < before {
        for record in ended_since(db, Some(horizon))? {
            replace(db, levels, Some((Part::Ended, &record)), &record, horizon)?;
        }
    }
    if horizon != before {
        put_horizon(db, horizon)?;
    }
    Ok(horizon)
}

/// Returns the request whose line is number `line`.
pub(super) fn at(db: &Connection, line: u64) -> Result<RequestRecord, IndexError> {
    Ok(find(db, line)?.1)
}

fn find(db: &Connection, line: u64) -> Result<(Part, RequestRecord), IndexError> {
    match live_at(db, line)? {
        Some(record) => Ok((Part::Live, record)),
        None => Ok((Part::Ended, ended_at(db, line)?)),
    }
}

fn live_at(db: &Connection, line: u64) -> Result<Option<RequestRecord>, IndexError> {
    keyed::get(db, &live_key(line))?.map(|bytes| of_line(read_live(&bytes)?, line)).transpose()
}

fn read_live(bytes: &[u8]) -> Result<RequestRecord, IndexError> {
    Ok(unpack(bytes, &Words::none(), &NoLines)?)
}

fn ended_at(db: &Connection, line: u64) -> Result<RequestRecord, IndexError> {
    let mut found = ended(db, "SELECT record FROM ended WHERE line=?", [number(line)?])?;
    of_line(found.pop().ok_or(IndexError::Torn)?, line)
}

/// Returns the requests that have ended, but for those that had before `from`, where there is one.
fn ended_since(db: &Connection, from: Option<Timestamp>) -> Result<Vec<RequestRecord>, IndexError> {
    match from {
        Some(from) => ended(db, "SELECT record FROM ended WHERE until>=?", [from.unix()]),
        None => ended(db, "SELECT record FROM ended", []),
    }
}

/// Reads the records of requests that have ended.
fn ended(db: &Connection, sql: &str, key: impl rusqlite::Params) -> Result<Vec<RequestRecord>, IndexError> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(key)?;
    let (mut found, words, lines) = (Vec::new(), Words::none(), IndexLines(db));
    while let Some(row) = rows.next()? {
        let bytes = row.get_ref(0)?.as_blob().map_err(|_| IndexError::Torn)?;
        found.push(unpack(bytes, &words, &lines)?);
    }
    Ok(found)
}

fn of_line(record: RequestRecord, line: u64) -> Result<RequestRecord, IndexError> {
    if record.index == line { Ok(record) } else { Err(IndexError::Torn) }
}

/// Returns the requests of a subject, or those of it to do one thing, in log order; those that reach `from`, where there is
/// one.
pub(super) fn of(
    db: &Connection,
    subject: &Name,
    what: Option<(&Resource, &Name)>,
    (from, horizon): (Option<Timestamp>, Timestamp),
) -> Result<Vec<Arc<RequestRecord>>, IndexError> {
    let with_question = |start: Key| {
        let start = start.with(&subject_number(subject));
        match what {
            Some((resource, action)) => start.with(&question_number(resource, action)),
            None => start,
        }
    };
    let live = with_question(Key::of(Kind::LiveByQuestion));
    let live = match (what, from) {
        // Of one question they come in the order in which they end.
        (Some(_), Some(from)) => Range::of(live.clone()).from(live.with_number(seconds(from))),
        _ => Range::of(live),
    };
    let mut found = Vec::new();
    for line in keyed::all(db, &live, |key, _| keyed::last_number(key))? {
        found.push(live_at(db, line)?.ok_or(IndexError::Torn)?);
    }
    if from < Some(horizon) {
        for start in levels::starts(Of::Ended) {
            for line in keyed::all(db, &Range::of(with_question(start)), |key, _| keyed::last_number(key))? {
                found.push(ended_at(db, line)?);
            }
        }
    }
    let is_asked = |record: &RequestRecord| {
        let is_theirs = record.by == *subject && what.is_none_or(|(resource, action)| record.is_for(resource, action));
        is_theirs && from.is_none_or(|from| record.until() >= Some(from))
    };
    Ok(in_log_order(found.into_iter().filter(is_asked)))
}

/// Returns the requests of a subject that became grants which time ends after this, in log order.
pub(super) fn grants_of(
    db: &Connection,
    subject: &Name,
    after: Timestamp,
) -> Result<Vec<Arc<RequestRecord>>, IndexError> {
    let mut found = Vec::new();
    for start in levels::starts(Of::Grant) {
        let theirs = start.with(&subject_number(subject));
        let range = Range::of(theirs.clone()).from(theirs.with_number(seconds(after) + 1));
        for line in keyed::all(db, &range, |key, _| keyed::last_number(key))? {
            found.push(at(db, line)?);
        }
    }
    Ok(in_log_order(found.into_iter().filter(|record| record.by == *subject)))
}

/// Returns all requests, or those that reach `from`, in log order.
pub(super) fn all(
    db: &Connection,
    from: Option<Timestamp>,
    horizon: Timestamp,
) -> Result<Vec<Arc<RequestRecord>>, IndexError> {
    let mut found = keyed::all(db, &Range::of(Key::of(Kind::Live)), |_, bytes| read_live(bytes))?;
    if from < Some(horizon) {
        found.extend(ended_since(db, from)?);
    }
    let is_asked = |record: &RequestRecord| from.is_none_or(|from| record.until() >= Some(from));
    Ok(in_log_order(found.into_iter().filter(is_asked)))
}

fn in_log_order(records: impl Iterator<Item = RequestRecord>) -> Vec<Arc<RequestRecord>> {
    let mut records: Vec<Arc<RequestRecord>> = records.map(Arc::new).collect();
    records.sort_by_key(|record| record.index);
    records
}

fn seconds(at: Timestamp) -> u64 {
    at.unix().unsigned_abs()
}

fn subject_number(subject: &Name) -> [u8; 4] {
    number_of(subject.as_str())
}

fn question_number(resource: &Resource, action: &Name) -> [u8; 4] {
    number_of(&format!("{resource} {action}"))
}

fn question_of(record: &RequestRecord) -> [u8; 4] {
    question_number(&record.request.resource, &record.request.action)
}

/// Returns a number that stands for a text, of four bytes.
fn number_of(text: &str) -> [u8; 4] {
    Hash::of(text.as_bytes()).0.first_chunk().copied().unwrap_or_default()
}
