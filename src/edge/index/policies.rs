//! The policies that an index keeps in pieces, by the digest of their files: what is in force, whose identities speak, and
//! what is proposed. A decision reads the few pieces it asks for, however many rules there are.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::IndexError;
use super::store::Store;
use super::tables::{digests_in_use, to_hash};
use crate::core::hash::Hash;
use crate::core::ledger::{Change, Delta, Loaded, PolicyRecord};
use crate::core::policy::{Keeper, Piece, Policy};

/// What they are for:
/// - `kept_policies`: each policy's digest, and what it says beside its people and rules;
/// - `pieces`: its people and rules, by kind, key and part.
pub(super) const TABLES: &str = "
    CREATE TABLE kept_policies (policy INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, head TEXT NOT NULL);
    CREATE TABLE pieces (policy INTEGER NOT NULL, kind INTEGER NOT NULL, key TEXT NOT NULL, part TEXT NOT NULL,
        text TEXT NOT NULL, PRIMARY KEY (policy, kind, key, part)) WITHOUT ROWID;
";

/// The policies that lines have brought, of which some will have to be kept.
#[derive(Debug, Default)]
pub(super) struct Met {
    policies: BTreeMap<Hash, Arc<Policy>>,
    /// Whether a line has changed what is of use; most don't.
    has_changed: bool,
}

impl Met {
    /// Takes in what a line changed.
    pub(super) fn take_in(&mut self, delta: &Delta) {
        for change in &delta.changes {
            match change {
                Change::Proposal(record) => self.take(&record.policy),
                Change::PolicyInForce(record) => {
                    // With it the proposals end; and where it does not load, the one before goes on to speak.
                    if matches!(record.loaded, Loaded::Policy(_)) {
                        self.policies.clear();
                    }
                    self.take(record);
                }
                Change::Genesis(_)
                | Change::Entry(..)
                | Change::Request(_)
                | Change::Lockdown(_)
                | Change::Lift(_)
                | Change::LiftDone(_) => {}
            }
        }
    }

    fn take(&mut self, record: &PolicyRecord) {
        self.has_changed = true;
        if let Loaded::Policy(policy) = &record.loaded {
            self.policies.insert(record.digest, Arc::clone(policy));
        }
    }
}

/// Writes the policies that are of use and not there yet, and takes away the others.
pub(super) fn write(db: &Connection, met: &Met) -> Result<(), IndexError> {
    if !met.has_changed {
        return Ok(());
    }
    let in_use = digests_in_use(db)?;
    let mut there = db.prepare("SELECT policy, digest FROM kept_policies")?;
    let there = there.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)))?;
    let mut known = Vec::new();
    for row in there {
        let (number, digest) = row?;
        let digest = to_hash(&digest)?;
        if in_use.contains(&digest) {
            known.push(digest);
        } else {
            db.execute("DELETE FROM pieces WHERE policy = ?", [number])?;
            db.execute("DELETE FROM kept_policies WHERE policy = ?", [number])?;
        }
    }
    // What is of use and does not load is nothing to keep, and is not met.
    let new = in_use.iter().filter(|digest| !known.contains(digest));
    new.filter_map(|digest| Some((digest, met.policies.get(digest)?)))
        .try_for_each(|(digest, policy)| keep(db, digest, policy))
}

fn keep(db: &Connection, digest: &Hash, policy: &Policy) -> Result<(), IndexError> {
    let sql = "INSERT INTO kept_policies (digest, head) VALUES (?, ?)";
    db.prepare_cached(sql)?.execute((&digest.0[..], policy.head_text()?))?;
    let number = db.last_insert_rowid();
    let mut insert = db.prepare_cached("INSERT INTO pieces (policy, kind, key, part, text) VALUES (?, ?, ?, ?, ?)")?;
    policy.each_piece(|piece, key, part, text| {
        insert.execute(params![number, kind(piece), key, part, text])?;
        Ok(())
    })
}

/// Returns the policy whose files have this digest.
pub(super) fn open(store: &Arc<Store>, db: &Connection, digest: &Hash) -> Result<Arc<Policy>, IndexError> {
    let sql = "SELECT policy, head FROM kept_policies WHERE digest = ?";
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let found: Option<(i64, String)> = db.prepare_cached(sql)?.query_row([&digest.0[..]], row).optional()?;
    let (number, head) = found.ok_or(IndexError::Torn)?;
    Ok(Arc::new(Policy::kept(&head, Arc::new(KeptPolicy { store: Arc::clone(store), number }))?))
}

/// The pieces of one policy.
#[derive(Debug)]
struct KeptPolicy {
    store: Arc<Store>,
    number: i64,
}

fn kind(piece: Piece) -> i64 {
    match piece {
        Piece::Identity => 0,
        Piece::KeyOwner => 1,
        Piece::Member => 2,
        Piece::Rule => 3,
        Piece::RuleAt => 4,
        Piece::Rotation => 5,
        Piece::Turns => 6,
    }
}

impl Keeper for KeptPolicy {
    fn text(&self, piece: Piece, key: &str, part: &str) -> Option<String> {
        self.store.read(|db| {
            let sql = "SELECT text FROM pieces WHERE policy = ? AND kind = ? AND key = ? AND part = ?";
            let mut statement = db.prepare_cached(sql)?;
            Ok(statement.query_row(params![self.number, kind(piece), key, part], |row| row.get(0)).optional()?)
        })
    }

    fn parts(&self, piece: Piece, key: &str) -> Vec<String> {
        self.store.read(|db| {
            let sql = "SELECT part FROM pieces WHERE policy = ? AND kind = ? AND key = ? ORDER BY part";
            let mut statement = db.prepare_cached(sql)?;
            let parts = statement.query_map(params![self.number, kind(piece), key], |row| row.get(0))?;
            Ok(parts.collect::<Result<_, rusqlite::Error>>()?)
        })
    }

    fn all(&self, piece: Piece) -> Vec<(String, String, String)> {
        self.store.read(|db| {
            let sql = "SELECT key, part, text FROM pieces WHERE policy = ? AND kind = ? ORDER BY key, part";
            let mut statement = db.prepare_cached(sql)?;
            let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
            let rows = statement.query_map(params![self.number, kind(piece)], row)?;
            Ok(rows.collect::<Result<_, rusqlite::Error>>()?)
        })
    }

    fn fail(&self, why: &str) {
        self.store.fail(&IndexError::Piece(why.to_owned()));
    }
}
