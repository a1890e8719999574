//! The policies that an index keeps in pieces, by the digest of their files: what is in force, whose identities speak, and
//! what is proposed. A decision reads the few pieces it asks for, however many rules there are.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::Connection;

use super::IndexError;
use super::keyed::{self, Key, Kind, Range};
use super::store::Store;
use super::tables::digests_in_use;
use crate::core::hash::Hash;
use crate::core::ledger::{Change, Delta, Loaded, PolicyRecord};
use crate::core::policy::{Keeper, Piece, Policy};

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
    let all = keyed::all(db, &Range::of(Key::of(Kind::Policy)), |key, value| {
        let digest = key.last_chunk().copied().map(Hash).ok_or(IndexError::Torn)?;
        Ok((digest, read_head(value)?.0))
    })?;
    let mut next = all.iter().map(|(_, number)| number + 1).max().unwrap_or(0);
    let (known, of_no_use): (Vec<_>, Vec<_>) = all.into_iter().partition(|(digest, _)| in_use.contains(digest));
    for (digest, number) in of_no_use {
        keyed::take_all(db, &Range::of(pieces_of(number)))?;
        keyed::take(db, &head_key(&digest))?;
    }
    for digest in in_use.iter().filter(|digest| !known.iter().any(|(known, _)| known == *digest)) {
        // What is of use and does not load is nothing to keep, and is not met.
        if let Some(policy) = met.policies.get(digest) {
            keep(db, digest, policy, next)?;
            next += 1;
        }
    }
    Ok(())
}

fn keep(db: &Connection, digest: &Hash, policy: &Policy, number: u64) -> Result<(), IndexError> {
    let head = Key::read(&[]).with_number(number).with(policy.head_text()?.as_bytes());
    keyed::put(db, &head_key(digest), head.bytes())?;
    policy.each_piece(|piece, key, part, text| {
        let key = pieces_at(number, piece, key).with(part.as_bytes());
        keyed::put(db, &key, text.as_bytes())
    })
}

fn head_key(digest: &Hash) -> Key {
    Key::of(Kind::Policy).with(&digest.0)
}

/// Reads the number of a policy, and what it says beside its people and rules.
fn read_head(value: &[u8]) -> Result<(u64, &str), IndexError> {
    let (number, head) = value.split_at_checked(5).ok_or(IndexError::Torn)?;
    Ok((keyed::last_number(number)?, text(head)?))
}

fn text(bytes: &[u8]) -> Result<&str, IndexError> {
    str::from_utf8(bytes).map_err(|_| IndexError::Torn)
}

/// How the keys of a policy's pieces start.
fn pieces_of(number: u64) -> Key {
    Key::of(Kind::Piece).with_number(number)
}

/// How the keys of a policy's pieces under one key start; what follows is the part.
fn pieces_at(number: u64, piece: Piece, key: &str) -> Key {
    pieces_of(number).with(&[kind(piece)]).with_text(key)
}

/// Returns the policy whose files have this digest.
pub(super) fn open(store: &Arc<Store>, db: &Connection, digest: &Hash) -> Result<Arc<Policy>, IndexError> {
    let found = keyed::get(db, &head_key(digest))?.ok_or(IndexError::Torn)?;
    let (number, head) = read_head(&found)?;
    Ok(Arc::new(Policy::kept(head, Arc::new(KeptPolicy { store: Arc::clone(store), number }))?))
}

/// The pieces of one policy.
#[derive(Debug)]
struct KeptPolicy {
    store: Arc<Store>,
    number: u64,
}

fn kind(piece: Piece) -> u8 {
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
        let key = pieces_at(self.number, piece, key).with(part.as_bytes());
        self.store.read(|db| match keyed::get(db, &key)? {
            Some(found) => Ok(Some(text(&found)?.to_owned())),
            None => Ok(None),
        })
    }

    fn parts(&self, piece: Piece, key: &str) -> Vec<String> {
        let start = pieces_at(self.number, piece, key);
        let part = |key: &[u8], _: &[u8]| {
            let part = key.strip_prefix(start.bytes()).ok_or(IndexError::Torn)?;
            Ok(text(part)?.to_owned())
        };
        self.store.read(|db| keyed::all(db, &Range::of(start.clone()), part))
    }

    fn all(&self, piece: Piece) -> Vec<(String, String, String)> {
        let start = pieces_of(self.number).with(&[kind(piece)]);
        let read = |key: &[u8], value: &[u8]| {
            let rest = key.strip_prefix(start.bytes()).ok_or(IndexError::Torn)?;
            let (key, part) = keyed::split_text(rest)?;
            Ok((text(key)?.to_owned(), text(part)?.to_owned(), text(value)?.to_owned()))
        };
        self.store.read(|db| keyed::all(db, &Range::of(start.clone()), read))
    }

    fn fail(&self, why: &str) {
        self.store.fail(&IndexError::Piece(why.to_owned()));
    }
}
