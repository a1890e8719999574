//! The tables of an index, and how what a line changes is written to them.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, Row};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{IndexError, Prefix};
use crate::core::hash::Hash;
use crate::core::history::object::Oid;
use crate::core::history::segment::Tail;
use crate::core::key::PublicKey;
use crate::core::ledger::{
    Change, Delta, Entry, EntryKind, GenesisRecord, Loaded, PolicyRecord, ProposalRecord, RequestRecord, Verdict,
};
use crate::core::merkle::{HashReader, Node, stored_before, stored_hashes};
use crate::core::name::Name;
use crate::core::stored::StoredPolicy;

/// The form of these tables and of the records in them; another form is another text.
const FORM: &str = concat!("jit ", env!("CARGO_PKG_VERSION"), ", index 2");

/// What they are for:
/// - `head`: what the index says of itself ([`Head`]), by names;
/// - `subtrees`: the Merkle tree's hashes, in the order in which subtrees become complete;
/// - `entries`: the non-inert lines by their ids, and why one is without effect;
/// - `requests`: each by its id, by whom it asks for and for what; `until` is when time ends it, null once something has;
/// - `policies`: after how many lines each was in force.
const TABLES: &str = "
    CREATE TABLE head (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE subtrees (place INTEGER PRIMARY KEY, hash BLOB NOT NULL);
    CREATE TABLE entries (id BLOB PRIMARY KEY, line INTEGER NOT NULL, kind INTEGER NOT NULL, why TEXT)
        WITHOUT ROWID;
    CREATE TABLE requests (line INTEGER PRIMARY KEY, id BLOB NOT NULL, subject TEXT NOT NULL, resource TEXT NOT NULL,
        action TEXT NOT NULL, until INTEGER, record TEXT NOT NULL);
    CREATE UNIQUE INDEX requests_by_id ON requests (id);
    CREATE INDEX requests_by_subject ON requests (subject, resource, action);
    CREATE INDEX requests_by_end ON requests (until) WHERE until IS NOT NULL;
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

/// Makes the file of a new index. Nothing has to last before it is finished.
pub(super) fn create(path: &Path, mode: u32) -> Result<Connection, IndexError> {
    let made = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    // Whatever the umask says: those who may read it are to.
    made.and_then(|file| file.set_permissions(Permissions::from_mode(mode))).map_err(IndexError::Write)?;
    let db = Connection::open(path)?;
    db.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")?;
    db.execute_batch("BEGIN")?;
    db.execute_batch(TABLES)?;
    db.execute_batch(super::policies::TABLES)?;
    put(&db, "form", &FORM)?;
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
        })
    }
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

/// The columns of [`to_entry`].
pub(super) const ENTRY: &str = "id, line, kind";

/// Reads a row of `entries`.
pub(super) fn to_entry(row: &Row<'_>) -> Result<(Vec<u8>, i64, i64), rusqlite::Error> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

/// The kinds of entry, each kept as its place here.
const KINDS: [EntryKind; 5] =
    [EntryKind::Request, EntryKind::Policy, EntryKind::Lockdown, EntryKind::Lift, EntryKind::Other];

/// Returns what a row of `entries` says.
pub(super) fn entry((id, line, kind): (Vec<u8>, i64, i64)) -> Result<(Hash, Entry), IndexError> {
    let kind = usize::try_from(kind).ok().and_then(|kind| KINDS.get(kind)).copied();
    let index = u64::try_from(line).ok();
    match (kind, index) {
        (Some(kind), Some(index)) => Ok((to_hash(&id)?, Entry { index, kind })),
        _ => Err(IndexError::Torn),
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
        let sql = "SELECT hash FROM subtrees WHERE place = ?";
        let place = number(node.stored_index())?;
        let found: Option<Vec<u8>> = self.0.prepare_cached(sql)?.query_row([place], |row| row.get(0)).optional()?;
        to_hash(&found.ok_or(IndexError::Torn)?)
    }
}

/// Writes what the line number `line` changed.
pub(super) fn write(db: &Connection, line: u64, delta: &Delta) -> Result<(), IndexError> {
    let hashes = stored_hashes(line, delta.leaf, &Subtrees(db))?;
    for (hash, place) in hashes.iter().zip(stored_before(line)..) {
        let sql = "INSERT INTO subtrees (place, hash) VALUES (?, ?)";
        db.prepare_cached(sql)?.execute((number(place)?, &hash.0[..]))?;
    }
    let why = match &delta.verdict {
        Verdict::WithoutEffect(why) => Some(why.as_str()),
        Verdict::Effect | Verdict::Inert(_) => None,
    };
    delta.changes.iter().try_for_each(|change| write_change(db, line, change, why))
}

fn write_change(db: &Connection, line: u64, change: &Change, why: Option<&str>) -> Result<(), IndexError> {
    match change {
        Change::Genesis(genesis) => put(db, GENESIS, genesis),
        Change::Entry(id, entry) => {
            let kind = KINDS.iter().position(|kind| *kind == entry.kind).ok_or(IndexError::Torn)?;
            let sql = "INSERT INTO entries (id, line, kind, why) VALUES (?, ?, ?, ?)";
            db.prepare_cached(sql)?.execute((&id.0[..], number(entry.index)?, number(kind as u64)?, why))?;
            Ok(())
        }
        Change::Request(record) => write_request(db, record),
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

fn write_request(db: &Connection, record: &RequestRecord) -> Result<(), IndexError> {
    let sql = "INSERT OR REPLACE INTO requests (line, id, subject, resource, action, until, record)
        VALUES (?, ?, ?, ?, ?, ?, ?)";
    db.prepare_cached(sql)?.execute((
        number(record.index)?,
        &record.id.0[..],
        record.by.as_str(),
        record.request.resource.as_str(),
        record.request.action.as_str(),
        record.until().map(|until| until.unix()),
        to_json(record)?,
    ))?;
    Ok(())
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
