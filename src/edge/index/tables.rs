//! The tables of an index, and how what a line changes is written to them. What it holds of requests is in `requests.rs`.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{IndexError, Prefix, requests};
use crate::core::hash::{Hash, IdPrefix};
use crate::core::history::object::Oid;
use crate::core::history::segment::Tail;
use crate::core::key::PublicKey;
use crate::core::ledger::{
    Change, Delta, Entry, EntryKind, GenesisRecord, Loaded, PolicyRecord, ProposalRecord, Verdict,
};
use crate::core::merkle::{HashReader, Node, stored_hashes};
use crate::core::name::Name;
use crate::core::packed::{LineOf, Lines};
use crate::core::stored::StoredPolicy;
use crate::core::time::Timestamp;

/// The form of these tables and of the records in them; another form is another text.
const FORM: &str = concat!("jit ", env!("CARGO_PKG_VERSION"), ", index 4");

/// What they are for:
/// - `head`: what the index says of itself ([`Head`]), by names;
/// - `lines`: of each line the hashes of the subtrees of the Merkle tree that it completes, its own first; and, where it is
///   not inert, its id, its kind, and why it is without effect. Beside it the lines by how their ids start;
/// - `policies`: after how many lines each was in force;
/// - what is open: proposals, lockdowns and lifts.
const TABLES: &str = "
    CREATE TABLE head (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE lines (line INTEGER PRIMARY KEY, hashes BLOB NOT NULL, id BLOB, kind INTEGER, why TEXT);
    CREATE TABLE lines_by_id (start INTEGER NOT NULL, line INTEGER NOT NULL, PRIMARY KEY (start, line)) WITHOUT ROWID;
    CREATE TABLE policies (size INTEGER PRIMARY KEY, id BLOB NOT NULL);
    CREATE TABLE proposals (line INTEGER PRIMARY KEY, digest BLOB NOT NULL, record TEXT NOT NULL);
    CREATE TABLE lockdowns (line INTEGER PRIMARY KEY, record TEXT NOT NULL);
    CREATE TABLE lifts (line INTEGER PRIMARY KEY, id BLOB NOT NULL, record TEXT NOT NULL);
";

const PREFIX: &str = "prefix";
const GENESIS: &str = "genesis";
const POLICY: &str = "policy";
const ROSTER: &str = "roster";
const FORMAT_ABOVE: &str = "format above";
const HORIZON: &str = "horizon";

/// Makes the file of a new index, whose live part reaches from `horizon` on. Nothing has to last before it is finished.
pub(super) fn create(path: &Path, mode: u32, horizon: Timestamp) -> Result<Connection, IndexError> {
    let made = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    // Whatever the umask says: those who may read it are to.
    made.and_then(|file| file.set_permissions(Permissions::from_mode(mode))).map_err(IndexError::Write)?;
    let db = Connection::open(path)?;
    db.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")?;
    db.execute_batch("BEGIN")?;
    db.execute_batch(TABLES)?;
    db.execute_batch(requests::TABLES)?;
    db.execute_batch(super::policies::TABLES)?;
    put(&db, "form", &FORM)?;
    put_horizon(&db, horizon)?;
    Ok(db)
}

/// Ends the writing of a new index: it is on the disk.
pub(super) fn finish(db: &Connection, path: &Path) -> Result<(), IndexError> {
    db.execute_batch("COMMIT")?;
    File::open(path).and_then(|file| file.sync_all()).map_err(IndexError::Write)
}

/// What an index says of itself.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) prefix: Prefix,
    pub(super) root: Hash,
    pub(super) genesis: GenesisRecord,
    pub(super) policy: Option<StoredPolicy>,
    /// The digest of the files of the last policy that loads.
    pub(super) roster: Option<Hash>,
    pub(super) format_above: Option<u64>,
    /// From which instant on the live part has all requests that reach it.
    pub(super) horizon: Timestamp,
}

/// A [`Prefix`] as it is kept, and its root.
#[derive(Serialize, Deserialize)]
struct Reach {
    tip: [u8; 20],
    last_valid_commit: [u8; 20],
    size: u64,
    tree: [u8; 20],
    pin: Option<[u8; 20]>,
    root: Hash,
}

impl Head {
    pub(super) fn read(db: &Connection) -> Result<Head, IndexError> {
        let form: Option<String> = get(db, "form")?;
        if form.as_deref() != Some(FORM) {
            return Err(IndexError::Form);
        }
        let genesis: GenesisRecord = get(db, GENESIS)?.ok_or(IndexError::Torn)?;
        let reach: Reach = get(db, PREFIX)?.ok_or(IndexError::Torn)?;
        let prefix = Prefix {
            genesis: genesis.id,
            tip: Oid(reach.tip),
            last_valid_commit: Oid(reach.last_valid_commit),
            tail: Tail { size: reach.size, tree: Oid(reach.tree) },
            pin: reach.pin.map(Oid),
        };
        Ok(Head {
            prefix,
            root: reach.root,
            genesis,
            policy: get(db, POLICY)?,
            roster: get(db, ROSTER)?,
            format_above: get(db, FORMAT_ABOVE)?,
            horizon: get(db, HORIZON)?.ok_or(IndexError::Torn)?,
        })
    }
}

/// Writes from which instant on the live part has all requests.
pub(super) fn put_horizon(db: &Connection, horizon: Timestamp) -> Result<(), IndexError> {
    put(db, HORIZON, &horizon)
}

/// Writes how far the index reaches.
pub(super) fn write_prefix(db: &Connection, prefix: &Prefix, root: Hash) -> Result<(), IndexError> {
    let reach = Reach {
        tip: prefix.tip.0,
        last_valid_commit: prefix.last_valid_commit.0,
        size: prefix.tail.size,
        tree: prefix.tail.tree.0,
        pin: prefix.pin.map(|pin| pin.0),
        root,
    };
    put(db, PREFIX, &reach)
}

fn get<T: DeserializeOwned>(db: &Connection, name: &str) -> Result<Option<T>, IndexError> {
    let sql = "SELECT value FROM head WHERE name = ?";
    let text: Option<String> = db.prepare_cached(sql)?.query_row([name], |row| row.get(0)).optional()?;
    text.map(|text| from_json(&text)).transpose()
}

fn put<T: Serialize + ?Sized>(db: &Connection, name: &str, value: &T) -> Result<(), IndexError> {
    let text = to_json(value)?;
    db.prepare_cached("INSERT OR REPLACE INTO head (name, value) VALUES (?, ?)")?.execute([name, &text])?;
    Ok(())
}

pub(super) fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, IndexError> {
    serde_json::from_str(text).map_err(IndexError::Record)
}

fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<String, IndexError> {
    serde_json::to_string(value).map_err(IndexError::Record)
}

/// Returns the digests of the files of all policies that are of use still: what is in force, whose identities speak, and
/// what is proposed.
pub(super) fn digests_in_use(db: &Connection) -> Result<BTreeSet<Hash>, IndexError> {
    let policy: Option<StoredPolicy> = get(db, POLICY)?;
    let roster: Option<Hash> = get(db, ROSTER)?;
    let mut digests: BTreeSet<Hash> = policy.map(|policy| policy.digest).into_iter().chain(roster).collect();
    let mut statement = db.prepare("SELECT digest FROM proposals")?;
    let proposed = statement.query_map([], |row| row.get::<_, Vec<u8>>(0))?;
    for digest in proposed {
        digests.insert(to_hash(&digest?)?);
    }
    Ok(digests)
}

/// Reads a hash.
pub(super) fn to_hash(bytes: &[u8]) -> Result<Hash, IndexError> {
    bytes.try_into().map(Hash).map_err(|_| IndexError::Torn)
}

/// Numbers of lines as SQLite has them.
pub(super) fn number(size: u64) -> Result<i64, IndexError> {
    i64::try_from(size).map_err(|_| IndexError::Torn)
}

/// Numbers of lines as the index has them.
pub(super) fn line_number(number: i64) -> Result<u64, IndexError> {
    u64::try_from(number).map_err(|_| IndexError::Torn)
}

/// Returns how an id starts, as a number; they come in the order of the ids.
fn start_of(id: &Hash) -> i64 {
    let start = id.0.first_chunk().map_or(0, |first| u64::from_be_bytes(*first));
    (start ^ (1 << 63)).cast_signed()
}

/// The kinds of entry, each kept as its place here.
const KINDS: [EntryKind; 5] =
    [EntryKind::Request, EntryKind::Policy, EntryKind::Lockdown, EntryKind::Lift, EntryKind::Other];

/// Returns a line that is not inert by its id, and why it is without effect, if it is.
pub(super) fn entry(db: &Connection, id: &Hash) -> Result<Option<(Entry, Option<String>)>, IndexError> {
    let start = start_of(id);
    let sql = "SELECT line FROM lines_by_id WHERE start = ?";
    let mut statement = db.prepare_cached(sql)?;
    for line in statement.query_map([start], |row| row.get(0))? {
        let (known, entry, why) = line_at(db, line?)?;
        if known == *id {
            return Ok(Some((entry, why)));
        }
    }
    Ok(None)
}

/// Returns the lines that are not inert and whose ids start with this, in the order of their ids; at most `most` of them.
pub(super) fn entries_like(db: &Connection, prefix: &IdPrefix, most: usize) -> Result<Vec<(Hash, Entry)>, IndexError> {
    let sql = "SELECT start, line FROM lines_by_id WHERE start BETWEEN ? AND ? ORDER BY start";
    let mut statement = db.prepare_cached(sql)?;
    let (first, last) = (start_of(&prefix.first()), start_of(&prefix.last()));
    let rows = statement.query_map([first, last], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)))?;
    let (mut found, mut start_before) = (Vec::new(), None);
    for row in rows {
        let (start, line) = row?;
        // Ids that start alike come in the order of their lines.
        if found.len() >= most && start_before != Some(start) {
            break;
        }
        start_before = Some(start);
        let (id, entry, _) = line_at(db, line)?;
        if prefix.is_of(&id) {
            found.push((id, entry));
        }
    }
    found.sort_by_key(|(id, _)| *id);
    found.truncate(most);
    Ok(found)
}

/// Reads the line number `line`, which is not inert.
fn line_at(db: &Connection, line: i64) -> Result<(Hash, Entry, Option<String>), IndexError> {
    type Row = (Option<Vec<u8>>, Option<i64>, Option<String>);
    let sql = "SELECT id, kind, why FROM lines WHERE line = ?";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let found: Option<Row> = db.prepare_cached(sql)?.query_row([line], read).optional()?;
    let Some((Some(id), Some(kind), why)) = found else { return Err(IndexError::Torn) };
    let kind = usize::try_from(kind).ok().and_then(|kind| KINDS.get(kind)).copied().ok_or(IndexError::Torn)?;
    Ok((to_hash(&id)?, Entry { index: line_number(line)?, kind }, why))
}

/// What an index knows of its lines.
pub(super) struct IndexLines<'a>(pub(super) &'a Connection);

impl Lines for IndexLines<'_> {
    fn line(&self, index: u64) -> Option<LineOf> {
        let sql = "SELECT id, hashes FROM lines WHERE line = ?";
        let read = |row: &rusqlite::Row<'_>| {
            let (id, hashes) = (row.get_ref(0)?.as_blob_or_null()?, row.get_ref(1)?.as_blob()?);
            Ok(id.and_then(|id| to_hash(id).ok()).zip(hashes.first_chunk().copied().map(Hash)))
        };
        // What can't be read is not known, and then the record that needs it can't be read either.
        let found =
            self.0.prepare_cached(sql).and_then(|mut statement| statement.query_row([number(index).ok()], read));
        found.ok().flatten().map(|(id, leaf)| LineOf { id, leaf })
    }
}

/// Reads all records that a query returns.
pub(super) fn read_all<R: DeserializeOwned>(db: &Connection, sql: &str) -> Result<Vec<Arc<R>>, IndexError> {
    let mut statement = db.prepare(sql)?;
    let texts = statement.query_map([], |row| row.get::<_, String>(0))?;
    texts.map(|text| from_json(&text?).map(Arc::new)).collect()
}

/// A proposal as it is kept.
pub(super) type StoredProposal = (StoredPolicy, Vec<(Name, PublicKey)>);

/// The Merkle tree's hashes in the store.
pub(super) struct Subtrees<'a>(pub(super) &'a Connection);

impl HashReader for Subtrees<'_> {
    type Error = IndexError;

    fn read(&self, node: Node) -> Result<Hash, IndexError> {
        let sql = "SELECT hashes FROM lines WHERE line = ?";
        let level = usize::try_from(node.level).map_err(|_| IndexError::Torn)?;
        let read = |row: &rusqlite::Row<'_>| {
            let hashes = row.get_ref(0)?.as_blob()?;
            Ok(hashes.as_chunks().0.get(level).copied().map(Hash))
        };
        let found = self.0.prepare_cached(sql)?.query_row([number(node.last_leaf())?], read).optional()?;
        found.flatten().ok_or(IndexError::Torn)
    }
}

/// Writes what the line number `line` changed; the live part reaches from `horizon` on.
pub(super) fn write(db: &Connection, line: u64, delta: &Delta, horizon: Timestamp) -> Result<(), IndexError> {
    let hashes = stored_hashes(line, delta.leaf, &Subtrees(db))?;
    let hashes: Vec<u8> = hashes.iter().flat_map(|hash| hash.0).collect();
    let entry = delta.changes.iter().find_map(|change| match change {
        Change::Entry(id, entry) => Some((id, entry)),
        _ => None,
    });
    let place = number(line)?;
    match entry {
        Some((id, entry)) => {
            let kind = KINDS.iter().position(|kind| *kind == entry.kind).ok_or(IndexError::Torn)?;
            let why = match &delta.verdict {
                Verdict::WithoutEffect(why) => Some(why.as_str()),
                Verdict::Effect | Verdict::Inert(_) => None,
            };
            let sql = "INSERT INTO lines (line, hashes, id, kind, why) VALUES (?, ?, ?, ?, ?)";
            db.prepare_cached(sql)?.execute((place, hashes, &id.0[..], number(kind as u64)?, why))?;
            let sql = "INSERT INTO lines_by_id (start, line) VALUES (?, ?)";
            db.prepare_cached(sql)?.execute((start_of(id), place))?;
        }
        None => {
            db.prepare_cached("INSERT INTO lines (line, hashes) VALUES (?, ?)")?.execute((place, hashes))?;
        }
    }
    delta.changes.iter().try_for_each(|change| write_change(db, line, change, horizon))
}

fn write_change(db: &Connection, line: u64, change: &Change, horizon: Timestamp) -> Result<(), IndexError> {
    match change {
        Change::Genesis(genesis) => put(db, GENESIS, genesis),
        Change::Entry(..) => Ok(()),
        Change::Request(record) => requests::write(db, record, record.index == line, horizon),
        Change::Proposal(record) => write_proposal(db, record),
        Change::PolicyInForce(record) => write_policy(db, line, record),
        Change::Lockdown(record) => {
            let sql = "INSERT OR REPLACE INTO lockdowns (line, record) VALUES (?, ?)";
            db.prepare_cached(sql)?.execute((number(record.index)?, to_json(record)?))?;
            Ok(())
        }
        Change::Lift(record) => {
            let sql = "INSERT OR REPLACE INTO lifts (line, id, record) VALUES (?, ?, ?)";
            db.prepare_cached(sql)?.execute((number(record.index)?, &record.id.0[..], to_json(record)?))?;
            Ok(())
        }
        Change::LiftDone(id) => {
            db.prepare_cached("DELETE FROM lifts WHERE id = ?")?.execute([&id.0[..]])?;
            Ok(())
        }
    }
}

fn write_proposal(db: &Connection, record: &ProposalRecord) -> Result<(), IndexError> {
    let kept: (StoredPolicy, &Vec<(Name, PublicKey)>) = (StoredPolicy::from(&record.policy), &record.signatures);
    let sql = "INSERT OR REPLACE INTO proposals (line, digest, record) VALUES (?, ?, ?)";
    let digest = &record.policy.digest.0[..];
    db.prepare_cached(sql)?.execute((number(record.policy.index)?, digest, to_json(&kept)?))?;
    Ok(())
}

/// Writes that a policy comes into force after the line number `line`.
fn write_policy(db: &Connection, line: u64, record: &PolicyRecord) -> Result<(), IndexError> {
    db.execute("DELETE FROM proposals", [])?;
    let sql = "INSERT INTO policies (size, id) VALUES (?, ?)";
    db.prepare_cached(sql)?.execute((number(line + 1)?, &record.id.0[..]))?;
    put(db, POLICY, &StoredPolicy::from(record))?;
    match &record.loaded {
        Loaded::Policy(_) => put(db, ROSTER, &record.digest),
        Loaded::Unsupported => {
            let known: Option<u64> = get(db, FORMAT_ABOVE)?;
            put(db, FORMAT_ABOVE, &known.max(Some(record.format)))
        }
        Loaded::Broken(_) => Ok(()),
    }
}
