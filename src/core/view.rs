//! What the fold and a decision may ask of all that is known, and the view that holds it, or the end of it, in memory.
//!
//! Everything is asked by key: a request by its id, a subject's requests by its name, an old root by its size. So a view
//! may live on disk and read little.

mod entries;
mod requests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use self::entries::Entries;
use self::requests::Requests;
use super::hash::{Hash, IdPrefix};
use super::key::PublicKey;
use super::ledger::{
    Change, Delta, Entry, GenesisRecord, LiftRecord, Loaded, LockdownRecord, PolicyRecord, ProposalRecord,
    RequestRecord,
};
use super::merkle::{HashReader, MissingHash, Node, root, stored_hashes};
use super::name::{Name, Resource};
use super::packed::{LineOf, Lines};
use super::policy::{IdentityKind, Policy};
use super::time::Timestamp;

/// All that follows from a log's lines so far.
///
/// A view that lives on disk can fail to read. It then answers as if nothing were there and remembers the failure, and
/// whoever made it asks for that before they believe an answer; so the fold and a decision need not speak of disks.
pub trait View {
    /// Why something could not be read, if that has happened; no decision is made from such a view ([`super::decide`]).
    fn failure(&self) -> Option<String>;
    /// The first line; none while the log is empty.
    fn genesis(&self) -> Option<Arc<GenesisRecord>>;
    /// The number of lines.
    fn size(&self) -> u64;
    /// The hash of a complete subtree of the Merkle tree over all lines; none if there is no such subtree yet.
    fn subtree(&self, node: Node) -> Option<Hash>;
    /// The Merkle root over all lines, where it has been made from the subtrees already.
    fn known_root(&self) -> Option<Hash> {
        None
    }
    /// The policy that last had its threshold, whether it loads or not.
    fn policy_record(&self) -> Option<Arc<PolicyRecord>>;
    /// The policy in force after the first `size` lines.
    fn policy_at(&self, size: u64) -> Option<Hash>;
    /// Between which sizes of the log a policy was in force, from the first on and before the second (none: it still is);
    /// none if it never was.
    fn in_force(&self, policy: &Hash) -> Option<(u64, Option<u64>)>;
    /// The last policy that loads: its identities, maintainers and revokers speak, even when a later one does not load.
    fn roster(&self) -> Option<Arc<Policy>>;
    /// The highest format above this program's that ever had its threshold.
    fn format_above(&self) -> Option<u64>;
    /// A non-inert line.
    fn entry(&self, id: &Hash) -> Option<Entry>;
    /// The non-inert lines whose ids start with this, in the order of their ids; at most `most` of them.
    fn entries_like(&self, prefix: &IdPrefix, most: usize) -> Vec<(Hash, Entry)>;
    /// A request.
    fn request(&self, id: &Hash) -> Option<Arc<RequestRecord>>;
    /// The requests of one subject, in log order.
    fn requests_of(&self, subject: &Name) -> Vec<Arc<RequestRecord>>;
    /// The requests of one subject that became grants which time ends after this, in log order; whatever else has ended them.
    fn grants_of(&self, subject: &Name, after: Timestamp) -> Vec<Arc<RequestRecord>>;
    /// The requests of one subject to do one thing, in log order; those that have not ended before `from`, as
    /// [`View::requests`] has it, or all there are where it is none.
    fn requests_for(
        &self,
        subject: &Name,
        resource: &Resource,
        action: &Name,
        from: Option<Timestamp>,
    ) -> Vec<Arc<RequestRecord>>;
    /// The requests that nothing has ended, and that time does not end before `from` ([`RequestRecord::until`]), in log
    /// order; all there are where `from` is none.
    fn requests(&self, from: Option<Timestamp>) -> Vec<Arc<RequestRecord>>;
    /// An open proposal; one that is dead or in force is none.
    fn proposal(&self, id: &Hash) -> Option<Arc<ProposalRecord>>;
    /// The open proposals, in log order.
    fn proposals(&self) -> Vec<Arc<ProposalRecord>>;
    /// A lockdown that had an effect.
    fn lockdown(&self, id: &Hash) -> Option<Arc<LockdownRecord>>;
    /// All lockdowns that had an effect, in log order, lifted ones too.
    fn lockdowns(&self) -> Vec<Arc<LockdownRecord>>;
    /// An open lift.
    fn lift(&self, id: &Hash) -> Option<Arc<LiftRecord>>;
    /// The open lifts, in log order.
    fn lifts(&self) -> Vec<Arc<LiftRecord>>;
}

/// Questions that every view answers alike, from the ones it must answer.
pub trait ViewExt: View {
    /// The Merkle root over all lines.
    fn root(&self) -> Option<Hash> {
        self.root_at(self.size())
    }

    /// The Merkle root over the first `size` lines; none beyond the log.
    fn root_at(&self, size: u64) -> Option<Hash> {
        let whole = self.size();
        if size > whole {
            return None;
        }
        self.known_root().filter(|_| size == whole).or_else(|| root(size, self).ok())
    }

    /// The open lifts of a lockdown.
    fn lifts_of(&self, lockdown: &Hash) -> Vec<Arc<LiftRecord>> {
        self.lifts().into_iter().filter(|lift| lift.of == *lockdown).collect()
    }

    /// The policy by which rules are judged: the one in force, if it loads and nothing above this program's format ever
    /// came before it.
    fn rules(&self) -> Option<Arc<Policy>> {
        match (self.format_above(), &self.policy_record()?.loaded) {
            (None, Loaded::Policy(policy)) => Some(Arc::clone(policy)),
            (Some(_), _) | (None, Loaded::Broken(_) | Loaded::Unsupported) => None,
        }
    }

    /// Tells whether `name` is an identity here, and `key` one of its keys.
    fn owns_key(&self, name: &Name, key: &PublicKey) -> bool {
        self.speaks_for(key, name) == Some(true)
    }

    /// Tells whether `key` is one of the keys of `name`; none if `name` is no identity here.
    fn speaks_for(&self, key: &PublicKey, name: &Name) -> Option<bool> {
        match self.roster() {
            Some(policy) => policy.identity(name).map(|identity| identity.has_key(key)),
            None => {
                let genesis = self.genesis()?;
                let mut keys = genesis.maintainers.iter().filter(|founder| founder.name == *name).map(|one| &one.key);
                keys.next().map(|first| first == key || keys.any(|other| other == key))
            }
        }
    }

    /// Tells whether `name` is an identity here.
    fn knows(&self, name: &Name) -> bool {
        match self.roster() {
            Some(policy) => policy.identity(name).is_some(),
            None => {
                self.genesis().is_some_and(|genesis| genesis.maintainers.iter().any(|founder| founder.name == *name))
            }
        }
    }

    /// The identity whose key this is.
    fn owner_of(&self, key: &PublicKey) -> Option<Name> {
        match self.roster() {
            Some(policy) => policy.owner_of_key(key).cloned(),
            None => self.genesis().and_then(|genesis| {
                genesis.maintainers.iter().find(|founder| founder.key == *key).map(|founder| founder.name.clone())
            }),
        }
    }

    /// Tells whether `name` is a person here.
    fn is_person(&self, name: &Name) -> bool {
        match self.roster() {
            Some(policy) => policy.identity(name).is_some_and(|identity| identity.kind == IdentityKind::Person),
            None => self.knows(name),
        }
    }

    /// Tells whether `name` is a maintainer here.
    fn is_maintainer(&self, name: &Name) -> bool {
        match self.roster() {
            Some(policy) => policy.is_maintainer(name),
            None => self.knows(name),
        }
    }

    /// Tells whether `name` may revoke and lock down: a revoker or a maintainer.
    fn is_revoker(&self, name: &Name, at: Timestamp) -> bool {
        self.is_maintainer(name) || self.roster().is_some_and(|policy| policy.is_revoker(name, at))
    }

    /// How many maintainers a policy or a lift needs.
    fn threshold(&self) -> usize {
        match (self.roster(), self.genesis()) {
            (Some(policy), _) => policy.threshold(),
            (None, Some(genesis)) => usize::try_from(genesis.threshold).unwrap_or(usize::MAX),
            (None, None) => usize::MAX,
        }
    }

    /// The first lockdown that ends, or holds back, a request of `subject` for `resource` that stands at `index`.
    fn locked_down(&self, subject: &Name, resource: &Resource, index: u64) -> Option<Arc<LockdownRecord>> {
        self.lockdowns().into_iter().find(|lockdown| lockdown.ends(subject, resource, index))
    }
}

impl<V: View + ?Sized> ViewExt for V {}

impl<V: View + ?Sized> HashReader for V {
    type Error = MissingHash;

    fn read(&self, node: Node) -> Result<Hash, MissingHash> {
        self.subtree(node).ok_or(MissingHash(node))
    }
}

/// The view of the empty log.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nothing;

/// The view in memory of a whole log.
pub type Memory = Overlay<Nothing>;

/// What the lines after a verified prefix change, in memory, over a view of that prefix. Over [`Nothing`] it is the view of a
/// whole log.
#[derive(Clone, Debug, Default)]
pub struct Overlay<B> {
    base: B,
    genesis: Option<Arc<GenesisRecord>>,
    /// Per level the hashes of the subtrees that the new lines complete, from the first that the base does not have.
    subtrees: Vec<Vec<Hash>>,
    /// How many lines are new.
    added: u64,
    policy: Option<Arc<PolicyRecord>>,
    roster: Option<Arc<Policy>>,
    format_above: Option<u64>,
    /// Per new policy, the number of lines after which it is in force.
    policies: BTreeMap<u64, Hash>,
    entries: Entries,
    /// The requests that are new or have another record.
    requests: Requests,
    proposals: BTreeMap<Hash, Arc<ProposalRecord>>,
    lockdowns: BTreeMap<Hash, Arc<LockdownRecord>>,
    lifts: BTreeMap<Hash, Arc<LiftRecord>>,
    /// The lifts of the base that are open no more.
    lifts_done: BTreeSet<Hash>,
}

impl Memory {
    /// Returns the view of the empty log.
    pub fn new() -> Memory {
        Memory::default()
    }
}

impl<B: View> Overlay<B> {
    /// Returns what `base` says, and nothing new.
    pub fn over(base: B) -> Overlay<B> {
        Overlay {
            base,
            genesis: None,
            subtrees: Vec::new(),
            added: 0,
            policy: None,
            roster: None,
            format_above: None,
            policies: BTreeMap::new(),
            entries: Entries::default(),
            requests: Requests::default(),
            proposals: BTreeMap::new(),
            lockdowns: BTreeMap::new(),
            lifts: BTreeMap::new(),
            lifts_done: BTreeSet::new(),
        }
    }

    /// Returns the view of the prefix.
    pub fn base(&self) -> &B {
        &self.base
    }

    /// Takes in what one line changed. Deltas come from [`super::ledger::apply`] on this same view.
    pub fn commit(&mut self, delta: Delta) {
        self.append(delta.leaf);
        for change in delta.changes {
            self.change(change);
        }
    }

    fn append(&mut self, leaf: Hash) {
        // A view that has lost what it had hashes into nothing that fits any root, which is what it should.
        let hashes = stored_hashes(self.size(), leaf, self).unwrap_or_else(|MissingHash(_)| vec![leaf]);
        self.subtrees.resize_with(self.subtrees.len().max(hashes.len()), Vec::new);
        for (level, hash) in self.subtrees.iter_mut().zip(hashes) {
            level.push(hash);
        }
        self.entries.append();
        self.added += 1;
    }

    fn change(&mut self, change: Change) {
        match change {
            Change::Genesis(genesis) => self.genesis = Some(Arc::new(genesis)),
            Change::Entry(id, entry) => {
                if let Some(place) = entry.index.checked_sub(self.base.size()) {
                    self.entries.set(place, id, entry.kind);
                }
            }
            Change::Request(record) => {
                let lines = NewLines::of(self.base.size(), &self.entries, &self.subtrees);
                self.requests.put(&record, &lines);
            }
            Change::Proposal(record) => {
                self.proposals.insert(record.policy.id, Arc::from(record));
            }
            Change::PolicyInForce(record) => {
                self.proposals.clear();
                self.policies.insert(self.size(), record.id);
                match &record.loaded {
                    Loaded::Policy(policy) => self.roster = Some(Arc::clone(policy)),
                    Loaded::Unsupported => self.format_above = self.format_above().max(Some(record.format)),
                    Loaded::Broken(_) => {}
                }
                self.policy = Some(Arc::from(record));
            }
            Change::Lockdown(record) => {
                self.lockdowns.insert(record.id, Arc::from(record));
            }
            Change::Lift(record) => {
                self.lifts.insert(record.id, Arc::from(record));
            }
            Change::LiftDone(id) => {
                self.lifts.remove(&id);
                self.lifts_done.insert(id);
            }
        }
    }

    /// Replaces those of the base's records that have another here, and adds the new ones; all in log order.
    fn join<R>(
        base: Vec<Arc<R>>,
        own: impl Iterator<Item = Arc<R>>,
        is_replaced: impl Fn(&R) -> bool,
        index: impl Fn(&R) -> u64,
    ) -> Vec<Arc<R>> {
        let mut all: Vec<Arc<R>> = base.into_iter().filter(|record| !is_replaced(record)).chain(own).collect();
        all.sort_by_key(|record| index(record));
        all
    }

    fn join_requests(
        &self,
        base: Vec<Arc<RequestRecord>>,
        own: impl Iterator<Item = Arc<RequestRecord>>,
    ) -> Vec<Arc<RequestRecord>> {
        Overlay::<B>::join(base, own, |record| self.requests.has(record.index), |record| record.index)
    }

    fn new_lines(&self) -> NewLines<'_> {
        NewLines::of(self.base.size(), &self.entries, &self.subtrees)
    }

    /// Returns a new line by its id.
    fn new_entry(&self, id: &Hash) -> Option<Entry> {
        self.entries.get(id).map(|entry| Entry { index: entry.index + self.base.size(), kind: entry.kind })
    }
}

/// What is known of new lines by their places.
struct NewLines<'a> {
    before: u64,
    entries: &'a Entries,
    leaves: Option<&'a [Hash]>,
}

impl<'a> NewLines<'a> {
    fn of(before: u64, entries: &'a Entries, subtrees: &'a [Vec<Hash>]) -> NewLines<'a> {
        NewLines { before, entries, leaves: subtrees.first().map(Vec::as_slice) }
    }
}

impl Lines for NewLines<'_> {
    fn line(&self, index: u64) -> Option<LineOf> {
        let place = index.checked_sub(self.before)?;
        let leaf = usize::try_from(place).ok().and_then(|place| self.leaves?.get(place)).copied()?;
        self.entries.id(place).map(|id| LineOf { id, leaf })
    }
}

impl<B: View> View for Overlay<B> {
    fn failure(&self) -> Option<String> {
        self.base.failure()
    }

    fn genesis(&self) -> Option<Arc<GenesisRecord>> {
        self.genesis.clone().or_else(|| self.base.genesis())
    }

    fn size(&self) -> u64 {
        self.base.size() + self.added
    }

    fn subtree(&self, node: Node) -> Option<Hash> {
        let known = self.base.size().checked_shr(node.level).unwrap_or(0);
        let Some(place) = node.index.checked_sub(known) else { return self.base.subtree(node) };
        let level = self.subtrees.get(usize::try_from(node.level).ok()?)?;
        level.get(usize::try_from(place).ok()?).copied()
    }

    fn known_root(&self) -> Option<Hash> {
        self.base.known_root().filter(|_| self.added == 0)
    }

    fn policy_record(&self) -> Option<Arc<PolicyRecord>> {
        self.policy.clone().or_else(|| self.base.policy_record())
    }

    fn policy_at(&self, size: u64) -> Option<Hash> {
        self.policies.range(..=size).next_back().map(|(_, id)| *id).or_else(|| self.base.policy_at(size))
    }

    fn in_force(&self, policy: &Hash) -> Option<(u64, Option<u64>)> {
        let first = self.policies.keys().next().copied();
        if let Some((from, to)) = self.base.in_force(policy) {
            return Some((from, to.or(first)));
        }
        let mut sizes = self.policies.iter().skip_while(|(_, id)| *id != policy).map(|(size, _)| *size);
        sizes.next().map(|from| (from, sizes.next()))
    }

    fn roster(&self) -> Option<Arc<Policy>> {
        self.roster.clone().or_else(|| self.base.roster())
    }

    fn format_above(&self) -> Option<u64> {
        self.format_above.or_else(|| self.base.format_above())
    }

    fn entry(&self, id: &Hash) -> Option<Entry> {
        self.new_entry(id).or_else(|| self.base.entry(id))
    }

    fn entries_like(&self, prefix: &IdPrefix, most: usize) -> Vec<(Hash, Entry)> {
        let own = self.entries.like(prefix, most);
        let mut all: Vec<(Hash, Entry)> = self.base.entries_like(prefix, most);
        let before = self.base.size();
        all.extend(own.into_iter().map(|(id, entry)| (id, Entry { index: entry.index + before, ..entry })));
        all.sort_by_key(|(id, _)| *id);
        all.truncate(most);
        all
    }

    fn request(&self, id: &Hash) -> Option<Arc<RequestRecord>> {
        let own = match self.new_entry(id) {
            Some(entry) => Some(entry.index),
            // One of the base that has another record now.
            None if self.requests.first().is_some_and(|first| first < self.base.size()) => {
                self.base.entry(id).map(|entry| entry.index)
            }
            None => None,
        };
        own.and_then(|index| self.requests.get(index, &self.new_lines())).or_else(|| self.base.request(id))
    }

    fn requests_of(&self, subject: &Name) -> Vec<Arc<RequestRecord>> {
        self.join_requests(self.base.requests_of(subject), self.requests.of(subject, &self.new_lines()))
    }

    fn grants_of(&self, subject: &Name, after: Timestamp) -> Vec<Arc<RequestRecord>> {
        let own = self.requests.grants_of(subject, after, &self.new_lines());
        self.join_requests(self.base.grants_of(subject, after), own.into_iter())
    }

    fn requests_for(
        &self,
        subject: &Name,
        resource: &Resource,
        action: &Name,
        from: Option<Timestamp>,
    ) -> Vec<Arc<RequestRecord>> {
        let lines = self.new_lines();
        let own = self.requests.of_for(subject, (resource, action), &lines).filter(|record| record.reaches(from));
        self.join_requests(self.base.requests_for(subject, resource, action, from), own)
    }

    fn requests(&self, from: Option<Timestamp>) -> Vec<Arc<RequestRecord>> {
        let lines = self.new_lines();
        let own = self.requests.all(&lines).filter(|record| record.reaches(from));
        self.join_requests(self.base.requests(from), own)
    }

    fn proposal(&self, id: &Hash) -> Option<Arc<ProposalRecord>> {
        let of_base = || if self.policies.is_empty() { self.base.proposal(id) } else { None };
        self.proposals.get(id).cloned().or_else(of_base)
    }

    fn proposals(&self) -> Vec<Arc<ProposalRecord>> {
        // What has come into force since has ended those of the base.
        let base = if self.policies.is_empty() { self.base.proposals() } else { Vec::new() };
        let is_replaced = |record: &ProposalRecord| self.proposals.contains_key(&record.policy.id);
        Overlay::<B>::join(base, self.proposals.values().cloned(), is_replaced, |record| record.policy.index)
    }

    fn lockdown(&self, id: &Hash) -> Option<Arc<LockdownRecord>> {
        self.lockdowns.get(id).cloned().or_else(|| self.base.lockdown(id))
    }

    fn lockdowns(&self) -> Vec<Arc<LockdownRecord>> {
        let is_replaced = |record: &LockdownRecord| self.lockdowns.contains_key(&record.id);
        let own = self.lockdowns.values().cloned();
        Overlay::<B>::join(self.base.lockdowns(), own, is_replaced, |record| record.index)
    }

    fn lift(&self, id: &Hash) -> Option<Arc<LiftRecord>> {
        let of_base = || if self.lifts_done.contains(id) { None } else { self.base.lift(id) };
        self.lifts.get(id).cloned().or_else(of_base)
    }

    fn lifts(&self) -> Vec<Arc<LiftRecord>> {
        let is_replaced =
            |record: &LiftRecord| self.lifts.contains_key(&record.id) || self.lifts_done.contains(&record.id);
        Overlay::<B>::join(self.base.lifts(), self.lifts.values().cloned(), is_replaced, |record| record.index)
    }
}

impl View for Nothing {
    fn failure(&self) -> Option<String> {
        None
    }

    fn genesis(&self) -> Option<Arc<GenesisRecord>> {
        None
    }

    fn size(&self) -> u64 {
        0
    }

    fn subtree(&self, _: Node) -> Option<Hash> {
        None
    }

    fn policy_record(&self) -> Option<Arc<PolicyRecord>> {
        None
    }

    fn policy_at(&self, _: u64) -> Option<Hash> {
        None
    }

    fn in_force(&self, _: &Hash) -> Option<(u64, Option<u64>)> {
        None
    }

    fn roster(&self) -> Option<Arc<Policy>> {
        None
    }

    fn format_above(&self) -> Option<u64> {
        None
    }

    fn entry(&self, _: &Hash) -> Option<Entry> {
        None
    }

    fn entries_like(&self, _: &IdPrefix, _: usize) -> Vec<(Hash, Entry)> {
        Vec::new()
    }

    fn request(&self, _: &Hash) -> Option<Arc<RequestRecord>> {
        None
    }

    fn requests_of(&self, _: &Name) -> Vec<Arc<RequestRecord>> {
        Vec::new()
    }

    fn grants_of(&self, _: &Name, _: Timestamp) -> Vec<Arc<RequestRecord>> {
        Vec::new()
    }

    fn requests_for(&self, _: &Name, _: &Resource, _: &Name, _: Option<Timestamp>) -> Vec<Arc<RequestRecord>> {
        Vec::new()
    }

    fn requests(&self, _: Option<Timestamp>) -> Vec<Arc<RequestRecord>> {
        Vec::new()
    }

    fn proposal(&self, _: &Hash) -> Option<Arc<ProposalRecord>> {
        None
    }

    fn proposals(&self) -> Vec<Arc<ProposalRecord>> {
        Vec::new()
    }

    fn lockdown(&self, _: &Hash) -> Option<Arc<LockdownRecord>> {
        None
    }

    fn lockdowns(&self) -> Vec<Arc<LockdownRecord>> {
        Vec::new()
    }

    fn lift(&self, _: &Hash) -> Option<Arc<LiftRecord>> {
        None
    }

    fn lifts(&self) -> Vec<Arc<LiftRecord>> {
        Vec::new()
    }
}
