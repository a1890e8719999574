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
use rusqlite::{Connection, OptionalExtension as _};

use super::IndexError;
use super::tables::{IndexLines, line_number, number, put_horizon};
use crate::core::hash::Hash;
use crate::core::ledger::RequestRecord;
use crate::core::name::{Name, Resource};
use crate::core::packed::{Lines, NoLines, Words, pack, unpack};
use crate::core::time::Timestamp;

/// What they are for:
/// - `live`: by their lines, by subject and question, and by when time ends them;
/// - `ended`: by their lines, with when time ended them, or null where something else did;
/// - `ended_by_question`: the same by subject and question;
/// - `grants`: those of both that became grants, by subject and when time ends them.
///
/// Subjects and questions are numbers ([`number_of`]): two may have the same, and the record tells which it is of.
pub(super) const TABLES: &str = "
    CREATE TABLE live (line INTEGER PRIMARY KEY, subject INTEGER NOT NULL, question INTEGER NOT NULL,
        until INTEGER NOT NULL, record BLOB NOT NULL);
    CREATE INDEX live_by_question ON live (subject, question, until);
    CREATE INDEX live_by_end ON live (until);
    CREATE TABLE ended (line INTEGER PRIMARY KEY, until INTEGER, record BLOB NOT NULL);
    CREATE TABLE ended_by_question (subject INTEGER NOT NULL, question INTEGER NOT NULL, line INTEGER NOT NULL,
        PRIMARY KEY (subject, question, line)) WITHOUT ROWID;
    CREATE TABLE grants (subject INTEGER NOT NULL, until INTEGER NOT NULL, line INTEGER NOT NULL,
        PRIMARY KEY (subject, until, line)) WITHOUT ROWID;
";

/// How far the horizon stays behind the clock at least, since clocks are set back a little now and then.
const BEHIND: TimeDelta = TimeDelta::hours(1);
/// By how much the horizon moves at once: not each line that is added moves something.
const STEP: i64 = 3600;

/// Returns where the horizon is, by the clock.
pub(super) fn horizon_at(now: Timestamp) -> Timestamp {
    let behind = now.shifted(-BEHIND).unix();
    Timestamp::from_unix(behind - behind.rem_euclid(STEP))
}

/// Writes a request, `new` or another record of one that is there.
pub(super) fn write(db: &Connection, record: &RequestRecord, new: bool, horizon: Timestamp) -> Result<(), IndexError> {
    if let Some(grant) = record.grant() {
        let sql = "INSERT OR IGNORE INTO grants (subject, until, line) VALUES (?, ?, ?)";
        let key = (subject_number(&record.by), grant.end.unix(), number(record.index)?);
        db.prepare_cached(sql)?.execute(key)?;
    }
    match record.until().filter(|until| *until >= horizon) {
        Some(until) => {
            if !new {
                delete_ended(db, record)?;
            }
            put_live(db, record, until)
        }
        None => {
            if !new {
                delete_live(db, record.index)?;
            }
            put_ended(db, record)
        }
    }
}

fn put_live(db: &Connection, record: &RequestRecord, until: Timestamp) -> Result<(), IndexError> {
    let bytes = pack(record, &mut Words::none(), &NoLines);
    let sql = "INSERT OR REPLACE INTO live (line, subject, question, until, record) VALUES (?, ?, ?, ?, ?)";
    let question = question_number(&record.request.resource, &record.request.action);
    let (line, subject) = (number(record.index)?, subject_number(&record.by));
    db.prepare_cached(sql)?.execute((line, subject, question, until.unix(), &bytes[..]))?;
    Ok(())
}

fn delete_live(db: &Connection, line: u64) -> Result<(), IndexError> {
    db.prepare_cached("DELETE FROM live WHERE line = ?")?.execute([number(line)?])?;
    Ok(())
}

fn put_ended(db: &Connection, record: &RequestRecord) -> Result<(), IndexError> {
    let line = number(record.index)?;
    let bytes = pack(record, &mut Words::none(), &IndexLines(db));
    let sql = "INSERT OR REPLACE INTO ended (line, until, record) VALUES (?, ?, ?)";
    db.prepare_cached(sql)?.execute((line, record.until().map(Timestamp::unix), &bytes[..]))?;
    let question = question_number(&record.request.resource, &record.request.action);
    let sql = "INSERT OR IGNORE INTO ended_by_question (subject, question, line) VALUES (?, ?, ?)";
    db.prepare_cached(sql)?.execute((subject_number(&record.by), question, line))?;
    Ok(())
}

fn delete_ended(db: &Connection, record: &RequestRecord) -> Result<(), IndexError> {
    let line = number(record.index)?;
    if db.prepare_cached("DELETE FROM ended WHERE line = ?")?.execute([line])? > 0 {
        let question = question_number(&record.request.resource, &record.request.action);
        let sql = "DELETE FROM ended_by_question WHERE subject = ? AND question = ? AND line = ?";
        db.prepare_cached(sql)?.execute((subject_number(&record.by), question, line))?;
    }
    Ok(())
}

/// Moves the horizon on from where it was to where the clock has it, and what it passes with it; returns where it is. Where
/// the clock was far ahead once, so that each check would read both parts, it goes back, and what has not ended is live again.
pub(super) fn settle(db: &Connection, before: Timestamp, now: Timestamp) -> Result<Timestamp, IndexError> {
    let wanted = horizon_at(now);
    let horizon = if wanted > before || now < before { wanted } else { before };
    if horizon > before {
        let passed = records(db, "SELECT record FROM live WHERE until < ?", [horizon.unix()], &NoLines)?;
        for record in passed {
            write(db, &record, false, horizon)?;
        }
    } else if horizon < before {
        let sql = "SELECT record FROM ended WHERE until >= ?";
        for record in records(db, sql, [horizon.unix()], &IndexLines(db))? {
            write(db, &record, false, horizon)?;
        }
    }
    if horizon != before {
        put_horizon(db, horizon)?;
    }
    Ok(horizon)
}

/// Returns the request whose line is number `line`.
pub(super) fn at(db: &Connection, line: u64) -> Result<RequestRecord, IndexError> {
    let live = records(db, "SELECT record FROM live WHERE line = ?", [number(line)?], &NoLines)?;
    match live.into_iter().next() {
        Some(record) => of_line(record, line),
        None => ended_at(db, line),
    }
}

fn ended_at(db: &Connection, line: u64) -> Result<RequestRecord, IndexError> {
    let mut statement = db.prepare_cached("SELECT record FROM ended WHERE line = ?")?;
    let read = |row: &rusqlite::Row<'_>| Ok(unpack(row.get_ref(0)?.as_blob()?, &Words::none(), &IndexLines(db)));
    let found = statement.query_row([number(line)?], read).optional()?;
    of_line(found.ok_or(IndexError::Torn)??, line)
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
    let number = subject_number(subject);
    let question = what.map(|(resource, action)| question_number(resource, action));
    let since = from.map_or(i64::MIN, Timestamp::unix);
    let mut found = match question {
        Some(question) => {
            let sql = "SELECT record FROM live WHERE subject = ? AND question = ? AND until >= ?";
            records(db, sql, (number, question, since), &NoLines)?
        }
        None => records(db, "SELECT record FROM live WHERE subject = ? AND until >= ?", (number, since), &NoLines)?,
    };
    if from < Some(horizon) {
        let lines = match question {
            Some(question) => {
                let sql = "SELECT line FROM ended_by_question WHERE subject = ? AND question = ?";
                lines(db, sql, (number, question))?
            }
            None => lines(db, "SELECT line FROM ended_by_question WHERE subject = ?", [number])?,
        };
        for line in lines {
            found.push(ended_at(db, line)?);
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
    let sql = "SELECT line FROM grants WHERE subject = ? AND until > ?";
    let mut found = Vec::new();
    for line in lines(db, sql, (subject_number(subject), after.unix()))? {
        found.push(at(db, line)?);
    }
    Ok(in_log_order(found.into_iter().filter(|record| record.by == *subject)))
}

/// Returns all requests, or those that reach `from`, in log order.
pub(super) fn all(
    db: &Connection,
    from: Option<Timestamp>,
    horizon: Timestamp,
) -> Result<Vec<Arc<RequestRecord>>, IndexError> {
    let since = from.map_or(i64::MIN, Timestamp::unix);
    let mut found = records(db, "SELECT record FROM live WHERE until >= ?", [since], &NoLines)?;
    if from < Some(horizon) {
        let ended = match from {
            Some(from) => {
                let sql = "SELECT record FROM ended WHERE until >= ?";
                records(db, sql, [from.unix()], &IndexLines(db))?
            }
            None => records(db, "SELECT record FROM ended", [], &IndexLines(db))?,
        };
        found.extend(ended);
    }
    Ok(in_log_order(found.into_iter()))
}

fn in_log_order(records: impl Iterator<Item = RequestRecord>) -> Vec<Arc<RequestRecord>> {
    let mut records: Vec<Arc<RequestRecord>> = records.map(Arc::new).collect();
    records.sort_by_key(|record| record.index);
    records
}

/// Reads the records that a query returns.
fn records(
    db: &Connection,
    sql: &str,
    key: impl rusqlite::Params,
    lines: &impl Lines,
) -> Result<Vec<RequestRecord>, IndexError> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(key)?;
    let (mut found, words) = (Vec::new(), Words::none());
    while let Some(row) = rows.next()? {
        let bytes = row.get_ref(0)?.as_blob().map_err(|_| IndexError::Torn)?;
        found.push(unpack(bytes, &words, lines)?);
    }
    Ok(found)
}

/// Reads the lines that a query returns.
fn lines(db: &Connection, sql: &str, key: impl rusqlite::Params) -> Result<Vec<u64>, IndexError> {
    let mut statement = db.prepare_cached(sql)?;
    let found = statement.query_map(key, |row| row.get(0))?;
    found.map(|line| line_number(line?)).collect()
}

fn subject_number(subject: &Name) -> i64 {
    number_of(subject.as_str())
}

fn question_number(resource: &Resource, action: &Name) -> i64 {
    number_of(&format!("{resource} {action}"))
}

/// Returns a number that stands for a text, of four bytes.
fn number_of(text: &str) -> i64 {
    let hash = Hash::of(text.as_bytes());
    hash.0.first_chunk().map_or(0, |first| i64::from(u32::from_be_bytes(*first)))
}
