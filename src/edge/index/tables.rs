//! What an index says of itself, what is open in a log, and how what a line changes is written.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, ErrorCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::keyed::{self, Key, Kind, Range};
use super::levels::Levels;
use super::policies::{self, Met};
use super::{IndexError, Prefix, lines, requests};
use crate::core::hash::Hash;
use crate::core::history::object::Oid;
use crate::core::history::segment::Tail;
use crate::core::key::PublicKey;
use crate::core::ledger::{Change, Delta, GenesisRecord, LiftRecord, Loaded, PolicyRecord};
use crate::core::name::Name;
use crate::core::stored::StoredPolicy;
use crate::core::time::Timestamp;

/// The form of these tables and of the records in them; another form is another text.
const FORM: &str = concat!("jit ", env!("CARGO_PKG_VERSION"), ", index 5");

const FORM_NAME: &str = "form";
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
    for table in [lines::TABLE, requests::TABLE, keyed::TABLE] {
        db.execute_batch(table)?;
    }
    put(&db, FORM_NAME, &FORM)?;
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
        let said = Said::read(db).map_err(|error| match error {
            // The table is not there.
            IndexError::Store(error) if error.sqlite_error_code() == Some(ErrorCode::Unknown) => IndexError::Form,
            other => other,
        })?;
        // Of another form nothing else may be there.
        if said.get::<String>(FORM_NAME).ok().flatten().as_deref() != Some(FORM) {
            return Err(IndexError::Form);
        }
        let genesis: GenesisRecord = said.get(GENESIS)?.ok_or(IndexError::Torn)?;
        let reach: Reach = said.get(PREFIX)?.ok_or(IndexError::Torn)?;
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
            policy: said.get(POLICY)?,
            roster: said.get(ROSTER)?,
            format_above: said.get(FORMAT_ABOVE)?,
            horizon: said.get(HORIZON)?.ok_or(IndexError::Torn)?,
        })
    }
}

/// All that an index says of itself, by names.
struct Said(BTreeMap<Vec<u8>, Vec<u8>>);

impl Said {
    fn read(db: &Connection) -> Result<Said, IndexError> {
        let all = keyed::all(db, &Range::of(Key::of(Kind::Head)), |key, value| Ok((key.to_vec(), value.to_vec())))?;
        Ok(Said(all.into_iter().collect()))
    }

    fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, IndexError> {
        self.0.get(head_key(name).bytes()).map(|value| from_json(value)).transpose()
    }
}

/// Writes from which instant on the live part has all requests.
pub(super) fn put_horizon(db: &Connection, horizon: Timestamp) -> Result<(), IndexError> {
    put(db, HORIZON, &horizon)
}

/// Writes how far the index reaches.
fn write_prefix(db: &Connection, prefix: &Prefix, root: Hash) -> Result<(), IndexError> {
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

fn head_key(name: &str) -> Key {
    Key::of(Kind::Head).with(name.as_bytes())
}

fn get<T: DeserializeOwned>(db: &Connection, name: &str) -> Result<Option<T>, IndexError> {
    keyed::get(db, &head_key(name))?.map(|value| from_json(&value)).transpose()
}

fn put<T: Serialize + ?Sized>(db: &Connection, name: &str, value: &T) -> Result<(), IndexError> {
    keyed::put(db, &head_key(name), &serde_json::to_vec(value)?)
}

fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, IndexError> {
    Ok(serde_json::from_slice(bytes)?)
}

/// Returns the digests of the files of all policies that are of use still: what is in force, whose identities speak, and
/// what is proposed.
pub(super) fn digests_in_use(db: &Connection) -> Result<BTreeSet<Hash>, IndexError> {
    let policy: Option<StoredPolicy> = get(db, POLICY)?;
    let roster: Option<Hash> = get(db, ROSTER)?;
    let mut digests: BTreeSet<Hash> = policy.map(|policy| policy.digest).into_iter().chain(roster).collect();
    for proposal in read_all::<StoredProposal>(db, Kind::Proposal)? {
        digests.insert(proposal.0.digest);
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

/// Reads all records of a kind, in log order.
pub(super) fn read_all<R: DeserializeOwned>(db: &Connection, kind: Kind) -> Result<Vec<Arc<R>>, IndexError> {
    keyed::all(db, &Range::of(Key::of(kind)), |_, value| from_json(value).map(Arc::new))
}

/// A proposal as it is kept.
pub(super) type StoredProposal = (StoredPolicy, Vec<(Name, PublicKey)>);

/// Returns the policy in force after the first `size` lines.
pub(super) fn policy_at(db: &Connection, size: u64) -> Result<Option<Hash>, IndexError> {
    let kind = Key::of(Kind::InForce);
    let mut found = None;
    keyed::each(db, &Range::of(kind).from(in_force_key(size)), |_, id| {
        found = Some(to_hash(id)?);
        Ok(false)
    })?;
    Ok(found)
}

/// Returns between which sizes of the log a policy was in force.
pub(super) fn in_force(db: &Connection, policy: &Hash) -> Result<Option<(u64, Option<u64>)>, IndexError> {
    let (mut until, mut found) = (None, None);
    keyed::each(db, &Range::of(Key::of(Kind::InForce)), |key, id| {
        let from = LAST_SIZE - keyed::last_number(key)?;
        if id == policy.0 {
            found = Some((from, until));
        }
        until = Some(from);
        Ok(true)
    })?;
    Ok(found)
}

/// The highest number that a key can have.
const LAST_SIZE: u64 = (1 << 40) - 1;

/// The key of the policy that is in force after so many lines; the last come first, so that whoever looks for the one at a
/// place meets it first.
fn in_force_key(size: u64) -> Key {
    Key::of(Kind::InForce).with_number(LAST_SIZE.saturating_sub(size))
}

/// Takes in what lines change.
#[derive(Debug)]
pub(super) struct Addition {
    /// From where on the live part has all requests.
    horizon: Timestamp,
    levels: Levels,
    met: Met,
}

impl Addition {
    /// To a new index.
    pub(super) fn new(horizon: Timestamp) -> Addition {
        Addition { horizon, levels: Levels::new(), met: Met::default() }
    }

    /// To an index whose horizon is not where it should be any more.
    pub(super) fn going_on(db: &Connection, horizon: Timestamp, now: Timestamp) -> Result<Addition, IndexError> {
        let mut levels = Levels::read(db)?;
        let horizon = requests::settle(db, &mut levels, horizon, now)?;
        Ok(Addition { horizon, levels, met: Met::default() })
    }

    /// Writes what the line number `line` changed.
    pub(super) fn add(&mut self, db: &Connection, line: u64, delta: &Delta) -> Result<(), IndexError> {
        lines::write(db, &mut self.levels, line, delta)?;
        self.met.take_in(delta);
        delta.changes.iter().try_for_each(|change| self.change(db, line, change))
    }

    /// Writes how far the index reaches now.
    pub(super) fn finish(self, db: &Connection, prefix: &Prefix, root: Hash) -> Result<(), IndexError> {
        policies::write(db, &self.met)?;
        self.levels.finish(db)?;
        write_prefix(db, prefix, root)
    }

    fn change(&mut self, db: &Connection, line: u64, change: &Change) -> Result<(), IndexError> {
        match change {
            Change::Genesis(genesis) => put(db, GENESIS, genesis),
            Change::Entry(..) => Ok(()),
            Change::Request(record) => {
                requests::write(db, &mut self.levels, record, record.index == line, self.horizon)
            }
            Change::Proposal(record) => {
                let kept = (StoredPolicy::from(&record.policy), &record.signatures);
                put_at(db, Kind::Proposal, record.policy.index, &kept)
            }
            Change::PolicyInForce(record) => write_policy(db, line, record),
            Change::Lockdown(record) => put_at(db, Kind::Lockdown, record.index, record),
            Change::Lift(record) => put_at(db, Kind::Lift, record.index, record),
            Change::LiftDone(id) => {
                let lifts = read_all::<LiftRecord>(db, Kind::Lift)?;
                let mut done = lifts.iter().filter(|lift| lift.id == *id);
                done.try_for_each(|lift| keyed::take(db, &key_at(Kind::Lift, lift.index)).map(drop))
            }
        }
    }
}

fn key_at(kind: Kind, line: u64) -> Key {
    Key::of(kind).with_number(line)
}

fn put_at<T: Serialize + ?Sized>(db: &Connection, kind: Kind, line: u64, value: &T) -> Result<(), IndexError> {
    keyed::put(db, &key_at(kind, line), &serde_json::to_vec(value)?)
}

/// Writes that a policy comes into force after the line number `line`.
fn write_policy(db: &Connection, line: u64, record: &PolicyRecord) -> Result<(), IndexError> {
    keyed::take_all(db, &Range::of(Key::of(Kind::Proposal)))?;
    keyed::put(db, &in_force_key(line + 1), &record.id.0)?;
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
