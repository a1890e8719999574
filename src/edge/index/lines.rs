//! The lines in an index: by their numbers, and by how their ids start.

use std::cell::RefCell;
use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _};

use super::IndexError;
use super::keyed::{self, Range};
use super::levels::{self, Levels, Of};
use super::tables::number;
use crate::core::hash::{Hash, IdPrefix};
use crate::core::ledger::{Change, Delta, Entry, EntryKind, Verdict};
use crate::core::merkle::{HashReader, Node, stored_hashes};
use crate::core::packed::{LineOf, Lines};

/// Of each line the hashes of the subtrees of the Merkle tree that it completes, its own first, as many as its number tells;
/// and, where it is not inert, its kind, its id, and why it is without effect, if it is.
pub(super) const TABLE: &str = "CREATE TABLE lines(line INTEGER PRIMARY KEY,data);";

/// The kinds of entry, each kept as its place here.
const KINDS: [EntryKind; 5] =
    [EntryKind::Request, EntryKind::Policy, EntryKind::Lockdown, EntryKind::Lift, EntryKind::Other];
/// What is added to a kind where the line is without effect.
const WITHOUT_EFFECT: u8 = 128;

/// A line as it is kept.
struct Kept<'a> {
    hashes: &'a [[u8; 32]],
    /// Its kind and its id, where it is not inert.
    entry: Option<(u8, Hash)>,
    why: &'a [u8],
}

impl Kept<'_> {
    /// Reads the line number `line`; none if that is not what it says.
    fn read(line: u64, data: &[u8]) -> Option<Kept<'_>> {
        let (hashes, rest) = data.split_at_checked(32 * count_of_hashes(line))?;
        let (hashes, []) = hashes.as_chunks() else { return None };
        if rest.is_empty() {
            return Some(Kept { hashes, entry: None, why: &[] });
        }
        let (kind, rest) = rest.split_first()?;
        let (id, why) = rest.split_first_chunk()?;
        Some(Kept { hashes, entry: Some((*kind, Hash(*id))), why })
    }
}

/// How many subtrees a line completes.
fn count_of_hashes(line: u64) -> usize {
    line.trailing_ones() as usize + 1
}

/// Reads something of the line number `line`.
fn read<T>(db: &Connection, line: u64, read: impl FnOnce(Kept<'_>) -> Result<T, IndexError>) -> Result<T, IndexError> {
    let mut statement = db.prepare_cached("SELECT data FROM lines WHERE line=?")?;
    let kept = |row: &rusqlite::Row<'_>| {
        let data = row.get_ref(0)?.as_blob()?;
        Ok(Kept::read(line, data).ok_or(IndexError::Torn).and_then(read))
    };
    statement.query_row([number(line)?], kept).optional()?.ok_or(IndexError::Torn)?
}

/// How many bytes of an id stand in a key.
const START: usize = 6;
/// Where the number of a line stands in a key, after what it is of and how the id starts.
const LINE_AT: usize = 2 + START;

/// Returns how an id starts; that is as good as the id, but for a few which are told apart by their lines.
fn start_of(id: &Hash) -> &[u8] {
    id.0.split_at(START).0
}

/// Returns a line that is not inert by its id, and why it is without effect, if it is.
pub(super) fn entry(db: &Connection, id: &Hash) -> Result<Option<(Entry, Option<String>)>, IndexError> {
    for start in levels::starts(Of::Line) {
        let lines = keyed::all(db, &Range::of(start.with(start_of(id))), |key, _| keyed::last_number(key))?;
        for line in lines {
            let (known, entry, why) = entry_at(db, line)?;
            if known == *id {
                return Ok(Some((entry, why)));
            }
        }
    }
    Ok(None)
}

/// Returns the lines that are not inert and whose ids start with this, in the order of their ids; at most `most` of them.
pub(super) fn entries_like(db: &Connection, prefix: &IdPrefix, most: usize) -> Result<Vec<(Hash, Entry)>, IndexError> {
    let (first, last) = (prefix.first(), prefix.last());
    let mut found = Vec::new();
    for start in levels::starts(Of::Line) {
        let from = start.clone().with(start_of(&first));
        let to = start.clone().with(start_of(&last));
        let (mut here, mut start_before) = (0, Vec::new());
        keyed::each(db, &Range::of(start).from(from).up_to(to), |key, _| {
            let line = keyed::last_number(key)?;
            let start = key.get(..LINE_AT).ok_or(IndexError::Torn)?;
            // Ids that start alike come in the order of their lines.
            if here >= most && start_before != start {
                return Ok(false);
            }
            start_before = start.to_vec();
            let (id, entry, _) = entry_at(db, line)?;
            if prefix.is_of(&id) {
                found.push((id, entry));
                here += 1;
            }
            Ok(true)
        })?;
    }
    found.sort_by_key(|(id, _)| *id);
    found.truncate(most);
    Ok(found)
}

/// Reads the line number `line`, which is not inert.
fn entry_at(db: &Connection, line: u64) -> Result<(Hash, Entry, Option<String>), IndexError> {
    read(db, line, |kept| {
        let (kind, id) = kept.entry.ok_or(IndexError::Torn)?;
        let is_without_effect = kind & WITHOUT_EFFECT != 0;
        let kind = KINDS.get(usize::from(kind & !WITHOUT_EFFECT)).ok_or(IndexError::Torn)?;
        let why = str::from_utf8(kept.why).map_err(|_| IndexError::Torn)?;
        Ok((id, Entry { index: line, kind: *kind }, is_without_effect.then(|| why.to_owned())))
    })
}

/// Writes the line number `line`.
pub(super) fn write(db: &Connection, levels: &mut Levels, line: u64, delta: &Delta) -> Result<(), IndexError> {
    let mut data: Vec<u8> = stored_hashes(line, delta.leaf, &Subtrees { db, met: &Met::default() })?
        .iter()
        .flat_map(|hash| hash.0)
        .collect();
    let entry = delta.changes.iter().find_map(|change| match change {
        Change::Entry(id, entry) => Some((id, entry)),
        _ => None,
    });
    if let Some((id, entry)) = entry {
        let kind = KINDS.iter().position(|kind| *kind == entry.kind).and_then(|kind| u8::try_from(kind).ok());
        let kind = kind.ok_or(IndexError::Torn)?;
        match &delta.verdict {
            Verdict::WithoutEffect(why) => {
                data.push(kind | WITHOUT_EFFECT);
                data.extend_from_slice(&id.0);
                data.extend_from_slice(why.as_bytes());
            }
            Verdict::Effect | Verdict::Inert(_) => {
                data.push(kind);
                data.extend_from_slice(&id.0);
            }
        }
        levels.add(db, levels::start(Of::Line).with(start_of(id)).with_number(line))?;
    }
    db.prepare_cached("INSERT INTO lines VALUES(?,?)")?.execute((number(line)?, data))?;
    Ok(())
}

/// What an index knows of its lines.
pub(super) struct IndexLines<'a>(pub(super) &'a Connection);

impl Lines for IndexLines<'_> {
    fn line(&self, index: u64) -> Option<LineOf> {
        // What can't be read is not known, and then the record that needs it can't be read either.
        let found = read(self.0, index, |kept| Ok(kept.entry.zip(kept.hashes.first().copied())));
        found.ok().flatten().map(|((_, id), leaf)| LineOf { id, leaf: Hash(leaf) })
    }
}

/// Hashes of the Merkle tree that were read: the roots of a few sizes are asked for more than once.
#[derive(Debug, Default)]
pub(super) struct Met(RefCell<BTreeMap<Node, Hash>>);

/// How many are kept.
const MOST_MET: usize = 1024;

/// The Merkle tree's hashes in the store.
pub(super) struct Subtrees<'a> {
    pub(super) db: &'a Connection,
    pub(super) met: &'a Met,
}

impl HashReader for Subtrees<'_> {
    type Error = IndexError;

    fn read(&self, node: Node) -> Result<Hash, IndexError> {
        let known = self.met.0.borrow().get(&node).copied();
        if let Some(hash) = known {
            return Ok(hash);
        }
        let level = usize::try_from(node.level).map_err(|_| IndexError::Torn)?;
        let of_level = |kept: Kept<'_>| kept.hashes.get(level).copied().map(Hash).ok_or(IndexError::Torn);
        let hash = read(self.db, node.last_leaf(), of_level)?;
        let mut met = self.met.0.borrow_mut();
        if met.len() < MOST_MET {
            met.insert(node, hash);
        }
        Ok(hash)
    }
}
