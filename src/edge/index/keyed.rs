//! One table of keys and values, in the order of the keys' bytes; what each is, its first byte tells ([`Kind`]). A store reads
//! what tables it has in each process anew, and each statement as well, so both are few here.

use rusqlite::{Connection, OptionalExtension as _};

use super::IndexError;

/// The table.
pub(super) const TABLE: &str = "CREATE TABLE kept(key PRIMARY KEY,value)WITHOUT ROWID;";

/// What a key is of. The numbers from 128 on are those of [`super::levels`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// What the index says of itself, by names.
    Head = 1,
    /// Lockdowns, by their lines.
    Lockdown = 2,
    /// Open lifts, by their lines.
    Lift = 3,
    /// Open proposals, by their lines.
    Proposal = 4,
    /// After how many lines each policy was in force, the last first: its id.
    InForce = 5,
    /// A policy by its files' digest: its number, and what it says beside its people and rules.
    Policy = 6,
    /// The people and rules of a policy, by its number, what they are, key and part.
    Piece = 7,
    /// The requests that are live, by their lines.
    Live = 8,
    /// The lines of the same, by subject, question and when time ends them.
    LiveByQuestion = 9,
    /// The lines of the same, by when time ends them.
    LiveByEnd = 10,
    /// How many keys the levels have.
    Levels = 11,
}

/// A key; or how several start.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(Vec<u8>);

impl Key {
    pub(super) fn of(kind: Kind) -> Key {
        Key::starting(kind as u8)
    }

    pub(super) fn starting(first: u8) -> Key {
        Key(vec![first])
    }

    /// The same with another first byte.
    pub(super) fn starting_with(mut self, first: u8) -> Key {
        if let Some(known) = self.0.first_mut() {
            *known = first;
        }
        self
    }

    pub(super) fn with(mut self, bytes: &[u8]) -> Key {
        self.0.extend_from_slice(bytes);
        self
    }

    /// A text that others may follow.
    pub(super) fn with_text(self, text: &str) -> Key {
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        self.with(&length.to_be_bytes()).with(text.as_bytes())
    }

    /// The number of a line, or of a second since 1970: both are below 2^40.
    pub(super) fn with_number(self, number: u64) -> Key {
        let [_, _, _, bytes @ ..] = number.to_be_bytes();
        self.with(&bytes)
    }

    /// A key that was read.
    pub(super) fn read(bytes: &[u8]) -> Key {
        Key(bytes.to_vec())
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The key that comes next after all that start with this one.
    fn end(mut self) -> Key {
        while let Some(last) = self.0.pop() {
            if let Some(next) = last.checked_add(1) {
                self.0.push(next);
                return self;
            }
        }
        // No kind is 255.
        self
    }
}

/// Reads the number with which a key ends.
pub(super) fn last_number(key: &[u8]) -> Result<u64, IndexError> {
    let [first, second, third, fourth, fifth] = key.last_chunk::<5>().ok_or(IndexError::Torn)?;
    Ok(u64::from_be_bytes([0, 0, 0, *first, *second, *third, *fourth, *fifth]))
}

/// Splits what starts with a text, as [`Key::with_text`] has it, after that.
pub(super) fn split_text(bytes: &[u8]) -> Result<(&[u8], &[u8]), IndexError> {
    let (length, rest) = bytes.split_first_chunk().ok_or(IndexError::Torn)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| IndexError::Torn)?;
    rest.split_at_checked(length).ok_or(IndexError::Torn)
}

/// All keys from one on and before another.
#[derive(Clone, Debug)]
pub(super) struct Range {
    first: Key,
    end: Key,
}

impl Range {
    /// All that start so.
    pub(super) fn of(start: Key) -> Range {
        Range { first: start.clone(), end: start.end() }
    }

    /// Those of them that are this one or come later.
    pub(super) fn from(self, first: Key) -> Range {
        Range { first: self.first.max(first), ..self }
    }

    /// Those of them that come later than this one.
    pub(super) fn after(self, last: Key) -> Range {
        self.from(last.with(&[0]))
    }

    /// Those of them that come earlier than this one.
    pub(super) fn before(self, end: Key) -> Range {
        Range { end: self.end.min(end), ..self }
    }

    /// Those of them that start with this one, or come earlier.
    pub(super) fn up_to(self, last: Key) -> Range {
        self.before(last.end())
    }
}

/// Returns the value of a key.
pub(super) fn get(db: &Connection, key: &Key) -> Result<Option<Vec<u8>>, IndexError> {
    let sql = "SELECT value FROM kept WHERE key=?";
    let read = |row: &rusqlite::Row<'_>| Ok(row.get_ref(0)?.as_blob()?.to_vec());
    Ok(db.prepare_cached(sql)?.query_row([key.bytes()], read).optional()?)
}

/// Hands on keys and values in the order of the keys, until that says `false`.
pub(super) fn each(
    db: &Connection,
    range: &Range,
    mut take: impl FnMut(&[u8], &[u8]) -> Result<bool, IndexError>,
) -> Result<(), IndexError> {
    let mut statement = db.prepare_cached("SELECT key,value FROM kept WHERE key>=? AND key<?")?;
    let mut rows = statement.query([range.first.bytes(), range.end.bytes()])?;
    while let Some(row) = rows.next()? {
        let blob = |column| row.get_ref(column)?.as_blob().map_err(|_| IndexError::Torn);
        if !take(blob(0)?, blob(1)?)? {
            break;
        }
    }
    Ok(())
}

/// Reads something from each key and value.
pub(super) fn all<T>(
    db: &Connection,
    range: &Range,
    mut read: impl FnMut(&[u8], &[u8]) -> Result<T, IndexError>,
) -> Result<Vec<T>, IndexError> {
    let mut found = Vec::new();
    each(db, range, |key, value| {
        found.push(read(key, value)?);
        Ok(true)
    })?;
    Ok(found)
}

/// Returns the first keys, at most `most` of them.
pub(super) fn first(db: &Connection, range: &Range, most: u64) -> Result<Vec<Key>, IndexError> {
    let (mut found, mut left) = (Vec::new(), most);
    each(db, range, |key, _| {
        found.push(Key::read(key));
        left = left.saturating_sub(1);
        Ok(left > 0)
    })?;
    Ok(found)
}

/// Writes a value, in the place of what was there.
pub(super) fn put(db: &Connection, key: &Key, value: &[u8]) -> Result<(), IndexError> {
    db.prepare_cached("REPLACE INTO kept VALUES(?,?)")?.execute((key.bytes(), value))?;
    Ok(())
}

/// Takes a key away; false if it was not there.
pub(super) fn take(db: &Connection, key: &Key) -> Result<bool, IndexError> {
    Ok(db.prepare_cached("DELETE FROM kept WHERE key=?")?.execute([key.bytes()])? > 0)
}

/// Takes all these keys away.
pub(super) fn take_all(db: &Connection, range: &Range) -> Result<(), IndexError> {
    let sql = "DELETE FROM kept WHERE key>=? AND key<?";
    db.prepare_cached(sql)?.execute([range.first.bytes(), range.end.bytes()])?;
    Ok(())
}
