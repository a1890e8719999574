//! The index: what follows from a verified prefix of a log, in a file of this user's, read by key.
//!
//! A gate is asked thousands of times a day and a log only grows, so nobody reads it from the first line each time. The
//! index says what a [`View`] is asked: it is opened ([`IndexFile::open`]), what is new lies over it in memory
//! ([`Overlay`](crate::core::view::Overlay)), and is then added to it ([`Index::advance`]), in proportion to the new lines.
//! It may be deleted at any time; the log is the only truth, and `jit audit verify` believes no index.
//!
//! The store is SQLite, one file with a rollback journal: any number of readers beside one writer, a killed writer's change
//! is rolled back, and whoever may only read can. A reader holds its lock until it is dropped, so what it reads is of one
//! moment; a writer waits a moment for readers to end, and else leaves it to whoever comes next.
//!
//! What is live stands apart from what has ended (`requests.rs`), so what a check reads is as large as what is live. The keys
//! of which a longer log has more stand on levels (`levels.rs`), so new lines change few pages, however many there are.
//!
//! It stands in this user's state folder; or in one that `/etc/jit` names, whose owner keeps it and everybody reads it.
//!
//! An index is believed if nobody but who keeps it or root can have written it, it is of this program's form and of the log
//! that is asked for, and its hashes make up the root it names. Where reading fails later on, [`View::failure`] says so, and
//! no decision is made from it.

mod error;
mod keyed;
mod levels;
mod lines;
mod policies;
mod requests;
mod store;
mod tables;
mod writing;

use std::cell::OnceCell;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use rusqlite::Connection;

pub use self::writing::Writing;

pub use self::error::IndexError;
use self::keyed::Kind;
use self::lines::Subtrees;
pub use self::store::Unread;
use self::store::{Store, connect};
use self::tables::{Addition, Head, StoredProposal};
use super::config::Folder;
use super::world::{World, WorldError};
use crate::core::hash::{Hash, IdPrefix};
use crate::core::history::object::Oid;
use crate::core::history::segment::Tail;
use crate::core::ledger::{
    Delta, Entry, EntryKind, GenesisRecord, LiftRecord, LockdownRecord, PolicyRecord, ProposalRecord, RequestRecord,
    Verdict,
};
use crate::core::merkle::{self, HashReader as _, Node};
use crate::core::name::{Name, Resource};
use crate::core::policy::Policy;
use crate::core::time::Timestamp;
use crate::core::view::View;

/// The folder of indexes within the user's state.
const FOLDER: &str = "index";
/// Where the index of one log in one repo stands, there or not.
#[derive(Clone, Debug)]
pub struct IndexFile {
    folder: Folder,
    name: String,
    /// Who may read it.
    mode: u32,
    is_ours: bool,
    /// By which clock it is told what has ended.
    now: Timestamp,
}

/// Up to where an index reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// The log's id.
    pub genesis: Hash,
    /// The commit that was walked to.
    pub tip: Oid,
    /// The commit that added the last line.
    pub last_valid_commit: Oid,
    /// Where the log ends there.
    pub tail: Tail,
    /// The pin that was found on the way there, if there was one.
    pub pin: Option<Oid>,
}

impl IndexFile {
    /// Returns the place of the index of the log `genesis` in the repo at `repo`: in the folder `shared`, if there is one,
    /// which its owner keeps for all; else in this user's state.
    ///
    /// # Errors
    /// There is no home folder.
    pub fn of(world: &World, genesis: &Hash, repo: &Path, shared: Option<&Path>) -> Result<IndexFile, WorldError> {
        // Two clones of one log need not stand at the same place of it.
        let place = Hash::of(repo.as_os_str().as_encoded_bytes());
        let name = format!("{genesis}-{}.db", place.short());
        if let Some((shared, found)) = shared.and_then(|folder| fs::metadata(folder).ok().map(|found| (folder, found)))
        {
            let folder = Folder::new(shared.to_owned(), found.uid());
            let is_ours = found.uid() == world.uid();
            return Ok(IndexFile { folder, name, mode: 0o644, is_ours, now: world.now() });
        }
        let folder = Folder::new(world.state_dir()?.join(FOLDER), world.uid());
        Ok(IndexFile { folder, name, mode: 0o600, is_ours: true, now: world.now() })
    }

    /// Tells whether this user keeps it.
    pub fn is_ours(&self) -> bool {
        self.is_ours
    }

    /// Returns its path.
    pub fn path(&self) -> PathBuf {
        self.folder.place(&self.name)
    }

    /// Opens the index; none if there is none.
    ///
    /// # Errors
    /// It can't be read, is not of this program's form, or is not to be believed. It can be built anew.
    pub fn open(&self) -> Result<Option<(Index, Prefix)>, IndexError> {
        let Some(path) = self.folder.file(&self.name).map_err(IndexError::Folder)? else { return Ok(None) };
        let db = connect(&path)?;
        // From here on nobody changes what is read, until it is dropped.
        db.execute_batch("BEGIN")?;
        let head = Head::read(&db)?;
        let met = lines::Met::default();
        if merkle::root(head.prefix.tail.size, &Subtrees { db: &db, met: &met })? != head.root {
            return Err(IndexError::Torn);
        }
        let store = Arc::new(Store::new(db, path));
        let known = Known::of(&store, &head)?;
        let prefix = head.prefix.clone();
        Ok(Some((Index(Some(Rc::new(Stored { store, head, known, met, now: self.now }))), prefix)))
    }

    /// Starts an index anew; it takes the place of what was there once it is finished.
    ///
    /// # Errors
    /// It can't be written.
    pub fn build(&self) -> Result<Builder, IndexError> {
        self.folder.make().map_err(IndexError::Folder)?;
        // Of several who build at once each has a file of its own, and the last is as good as the first.
        let path = self.folder.place(&format!("{}.{}.new", self.name, std::process::id()));
        let horizon = requests::horizon_at(self.now);
        let db = tables::create(&path, self.mode, horizon)?;
        Ok(Builder { writing: Some((db, Addition::new(horizon))), size: 0, path, place: self.path() })
    }

    /// Takes the index away; it is no error if there is none.
    ///
    /// # Errors
    /// What the system says.
    pub fn remove(&self) -> std::io::Result<()> {
        match fs::remove_file(self.path()) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

/// An index that is written from the first line on.
#[derive(Debug)]
pub struct Builder {
    /// None once it is finished.
    writing: Option<(Connection, Addition)>,
    size: u64,
    path: PathBuf,
    place: PathBuf,
}

impl Builder {
    /// Adds what the next line changed.
    ///
    /// # Errors
    /// It can't be written.
    pub fn add(&mut self, delta: &Delta) -> Result<(), IndexError> {
        let Some((db, addition)) = &mut self.writing else { return Err(IndexError::Torn) };
        addition.add(db, self.size, delta)?;
        self.size += 1;
        Ok(())
    }

    /// Puts it in its place.
    ///
    /// # Errors
    /// It can't be written.
    pub fn finish(mut self, prefix: &Prefix, root: Hash) -> Result<(), IndexError> {
        let Some((db, addition)) = self.writing.take() else { return Err(IndexError::Torn) };
        addition.finish(&db, prefix, root)?;
        tables::finish(&db, &self.path)?;
        db.close().map_err(|(_, error)| error)?;
        fs::rename(&self.path, &self.place).map_err(IndexError::Write)
    }
}

impl Drop for Builder {
    /// What was not finished is of no use; once it is, the name is gone.
    fn drop(&mut self) {
        self.writing = None;
        let _ = fs::remove_file(&self.path);
    }
}

/// What follows from a prefix of a log; or nothing, which is the view of the empty log. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Index(Option<Rc<Stored>>);

#[derive(Debug)]
struct Stored {
    store: Arc<Store>,
    head: Head,
    known: Known,
    met: lines::Met,
    now: Timestamp,
}

/// What is read when an index is opened, since every question needs it; and what is read whole when it is first asked for.
#[derive(Debug)]
struct Known {
    genesis: Arc<GenesisRecord>,
    policy: Option<Arc<PolicyRecord>>,
    roster: Option<Arc<Policy>>,
    lockdowns: Vec<Arc<LockdownRecord>>,
    proposals: OnceCell<Vec<Arc<ProposalRecord>>>,
    lifts: OnceCell<Vec<Arc<LiftRecord>>>,
}

impl Known {
    fn of(store: &Arc<Store>, head: &Head) -> Result<Known, IndexError> {
        let db = store.lock();
        let db = db.as_ref().ok_or(IndexError::Torn)?;
        let roster = head.roster.as_ref().map(|digest| policies::open(store, db, digest)).transpose()?;
        // The policy in force is mostly the one whose identities speak.
        let load = |digest: &Hash| match (&head.roster, &roster) {
            (Some(known), Some(policy)) if known == digest => Ok(Arc::clone(policy)),
            _ => policies::open(store, db, digest),
        };
        let policy = head.policy.clone().map(|policy| policy.into_record(load)).transpose()?;
        Ok(Known {
            genesis: Arc::new(head.genesis.clone()),
            policy: policy.map(Arc::new),
            roster,
            lockdowns: tables::read_all(db, Kind::Lockdown)?,
            proposals: OnceCell::new(),
            lifts: OnceCell::new(),
        })
    }
}

impl Stored {
    fn proposals(&self) -> &[Arc<ProposalRecord>] {
        self.known.proposals.get_or_init(|| self.store.read(|db| self.read_proposals(db)))
    }

    fn read_proposals(&self, db: &Connection) -> Result<Vec<Arc<ProposalRecord>>, IndexError> {
        let proposals = tables::read_all(db, Kind::Proposal)?;
        let read = |kept: &Arc<StoredProposal>| {
            let (policy, signatures) = StoredProposal::clone(kept);
            let policy = policy.into_record(|digest| policies::open(&self.store, db, digest))?;
            Ok(Arc::new(ProposalRecord { policy, signatures }))
        };
        proposals.iter().map(read).collect()
    }

    fn add(&self, db: &Connection, deltas: &[Delta], prefix: &Prefix, root: Hash) -> Result<(), IndexError> {
        let mut addition = Addition::going_on(db, self.head.horizon, self.now)?;
        for (delta, line) in deltas.iter().zip(self.head.prefix.tail.size..) {
            addition.add(db, line, delta)?;
        }
        addition.finish(db, prefix, root)?;
        Ok(db.execute_batch("COMMIT")?)
    }

    fn lifts(&self) -> &[Arc<LiftRecord>] {
        let read = |db: &Connection| tables::read_all(db, Kind::Lift);
        self.known.lifts.get_or_init(|| self.store.read(read))
    }
}

impl Index {
    /// Returns the view of the empty log.
    pub fn nothing() -> Index {
        Index::default()
    }

    /// Adds what the lines after its own changed. Nobody goes on to read from it: what was read was of one moment. Whoever
    /// reads the same file in the meantime may be in the way; then nothing changes. One that is found to be damaged goes.
    ///
    /// # Errors
    /// It can't be written, or others read it.
    pub fn advance(&self, deltas: &[Delta], prefix: &Prefix, root: Hash) -> Result<(), IndexError> {
        let Some(stored) = &self.0 else { return Ok(()) };
        if stored.store.unread().why().is_some() {
            return Err(IndexError::Torn);
        }
        // The lock that it has read under becomes the writer's, so nobody can have changed it in between.
        let db = stored.store.lock().take().ok_or(IndexError::Torn)?;
        let written = stored.add(&db, deltas, prefix, root);
        drop(db);
        if written.as_ref().is_err_and(IndexError::is_damage) {
            // Nobody could ever add to it, and each command would fold more.
            let _ = stored.store.remove();
        }
        written
    }

    /// Returns what will say whether something could not be read.
    pub fn unread(&self) -> Unread {
        self.0.as_ref().map(|stored| stored.store.unread().clone()).unwrap_or_default()
    }

    /// Returns what a non-inert line is worth; none if there is no such line.
    pub fn verdict(&self, id: &Hash) -> Option<Verdict> {
        let (_, why) = self.read(|db| lines::entry(db, id))?;
        Some(why.map_or(Verdict::Effect, Verdict::WithoutEffect))
    }

    fn read<T: Default>(&self, read: impl FnOnce(&Connection) -> Result<T, IndexError>) -> T {
        self.0.as_ref().map(|stored| stored.store.read(read)).unwrap_or_default()
    }

    fn horizon(&self) -> Timestamp {
        self.0.as_ref().map_or(Timestamp::MIN, |stored| stored.head.horizon)
    }

    fn known<T>(&self, of: impl FnOnce(&Known) -> T) -> Option<T> {
        self.0.as_ref().map(|stored| of(&stored.known))
    }
}

impl View for Index {
    fn failure(&self) -> Option<String> {
        self.unread().why()
    }

    fn genesis(&self) -> Option<Arc<GenesisRecord>> {
        self.known(|known| Arc::clone(&known.genesis))
    }

    fn size(&self) -> u64 {
        self.0.as_ref().map_or(0, |stored| stored.head.prefix.tail.size)
    }

    fn subtree(&self, node: Node) -> Option<Hash> {
        let stored = self.0.as_ref()?;
        let complete = stored.head.prefix.tail.size.checked_shr(node.level).unwrap_or(0);
        if node.index >= complete {
            return None;
        }
        self.read(|db| Subtrees { db, met: &stored.met }.read(node).map(Some))
    }

    /// Opening it made it from the subtrees.
    fn known_root(&self) -> Option<Hash> {
        self.0.as_ref().map(|stored| stored.head.root)
    }

    fn policy_record(&self) -> Option<Arc<PolicyRecord>> {
        self.known(|known| known.policy.clone()).flatten()
    }

    fn policy_at(&self, size: u64) -> Option<Hash> {
        self.read(|db| tables::policy_at(db, size))
    }

    fn in_force(&self, policy: &Hash) -> Option<(u64, Option<u64>)> {
        self.read(|db| tables::in_force(db, policy))
    }

    fn roster(&self) -> Option<Arc<Policy>> {
        self.known(|known| known.roster.clone()).flatten()
    }

    fn format_above(&self) -> Option<u64> {
        self.0.as_ref().and_then(|stored| stored.head.format_above)
    }

    fn entry(&self, id: &Hash) -> Option<Entry> {
        self.read(|db| Ok(lines::entry(db, id)?.map(|(entry, _)| entry)))
    }

    fn entries_like(&self, prefix: &IdPrefix, most: usize) -> Vec<(Hash, Entry)> {
        self.read(|db| lines::entries_like(db, prefix, most))
    }

    fn request(&self, id: &Hash) -> Option<Arc<RequestRecord>> {
        self.read(|db| match lines::entry(db, id)? {
            Some((Entry { index, kind: EntryKind::Request }, _)) => {
                requests::at(db, index).map(|it| Some(Arc::new(it)))
            }
            Some(_) | None => Ok(None),
        })
    }

    fn requests_of(&self, subject: &Name) -> Vec<Arc<RequestRecord>> {
        self.read(|db| requests::of(db, subject, None, (None, self.horizon())))
    }

    fn grants_of(&self, subject: &Name, after: Timestamp) -> Vec<Arc<RequestRecord>> {
        self.read(|db| requests::grants_of(db, subject, after))
    }

    fn requests_for(
        &self,
        subject: &Name,
        resource: &Resource,
        action: &Name,
        from: Option<Timestamp>,
    ) -> Vec<Arc<RequestRecord>> {
        self.read(|db| requests::of(db, subject, Some((resource, action)), (from, self.horizon())))
    }

    fn requests(&self, from: Option<Timestamp>) -> Vec<Arc<RequestRecord>> {
        self.read(|db| requests::all(db, from, self.horizon()))
    }

    fn proposal(&self, id: &Hash) -> Option<Arc<ProposalRecord>> {
        self.0.as_ref()?.proposals().iter().find(|proposal| proposal.policy.id == *id).cloned()
    }

    fn proposals(&self) -> Vec<Arc<ProposalRecord>> {
        self.0.as_ref().map(|stored| stored.proposals().to_vec()).unwrap_or_default()
    }

    fn lockdown(&self, id: &Hash) -> Option<Arc<LockdownRecord>> {
        self.known(|known| known.lockdowns.iter().find(|lockdown| lockdown.id == *id).cloned()).flatten()
    }

    fn lockdowns(&self) -> Vec<Arc<LockdownRecord>> {
        self.known(|known| known.lockdowns.clone()).unwrap_or_default()
    }

    fn lift(&self, id: &Hash) -> Option<Arc<LiftRecord>> {
        self.0.as_ref()?.lifts().iter().find(|lift| lift.id == *id).cloned()
    }

    fn lifts(&self) -> Vec<Arc<LiftRecord>> {
        self.0.as_ref().map(|stored| stored.lifts().to_vec()).unwrap_or_default()
    }
}
