//! What the fold and a decision may ask of all that is known, and the view that holds it in memory.
//!
//! Everything is asked by key: a request by its id, a subject's requests by its name, an old root by its size. So a view
//! may live on disk and read little.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::hash::Hash;
use super::key::PublicKey;
use super::ledger::{
    Change, Delta, Entry, GenesisRecord, LiftRecord, Loaded, LockdownRecord, PolicyRecord, ProposalRecord,
    RequestRecord,
};
use super::merkle::MemoryTree;
use super::name::Name;
use super::policy::{IdentityKind, Policy};
use super::time::Timestamp;

/// All that follows from a log's lines so far.
pub trait View {
    /// The first line; none while the log is empty.
    fn genesis(&self) -> Option<&GenesisRecord>;
    /// The number of lines.
    fn size(&self) -> u64;
    /// The Merkle root over the first `size` lines; none beyond the log.
    fn root_at(&self, size: u64) -> Option<Hash>;
    /// The policy that last had its threshold, whether it loads or not.
    fn policy_record(&self) -> Option<&PolicyRecord>;
    /// The policy in force after the first `size` lines.
    fn policy_at(&self, size: u64) -> Option<Hash>;
    /// The last policy that loads: its identities, maintainers and revokers speak, even when a later one does not load.
    fn roster(&self) -> Option<&Arc<Policy>>;
    /// The highest format above this program's that ever had its threshold.
    fn format_above(&self) -> Option<u64>;
    /// A non-inert line.
    fn entry(&self, id: &Hash) -> Option<Entry>;
    /// A request.
    fn request(&self, id: &Hash) -> Option<&RequestRecord>;
    /// The requests of one subject, in log order.
    fn requests_of(&self, subject: &Name) -> Vec<&RequestRecord>;
    /// An open proposal; one that is dead or in force is none.
    fn proposal(&self, id: &Hash) -> Option<&ProposalRecord>;
    /// A lockdown that had an effect.
    fn lockdown(&self, id: &Hash) -> Option<&LockdownRecord>;
    /// All lockdowns that had an effect, in log order, lifted ones too.
    fn lockdowns(&self) -> Vec<&LockdownRecord>;
    /// An open lift.
    fn lift(&self, id: &Hash) -> Option<&LiftRecord>;
    /// The open lifts of a lockdown.
    fn lifts_of(&self, lockdown: &Hash) -> Vec<&LiftRecord>;
}

/// Questions that every view answers alike, from the ones it must answer.
pub trait ViewExt: View {
    /// The Merkle root over all lines.
    fn root(&self) -> Option<Hash> {
        self.root_at(self.size())
    }

    /// The policy by which rules are judged: the one in force, if it loads and nothing above this program's format ever
    /// came before it.
    fn rules(&self) -> Option<&Arc<Policy>> {
        match (self.format_above(), &self.policy_record()?.loaded) {
            (None, Loaded::Policy(policy)) => Some(policy),
            (Some(_), _) | (None, Loaded::Broken(_) | Loaded::Unsupported) => None,
        }
    }

    /// Tells whether `name` is an identity here, and `key` one of its keys.
    fn owns_key(&self, name: &Name, key: &PublicKey) -> bool {
        match self.roster() {
            Some(policy) => policy.identity(name).is_some_and(|identity| identity.has_key(key)),
            None => self.genesis().is_some_and(|genesis| {
                genesis.maintainers.iter().any(|founder| founder.name == *name && founder.key == *key)
            }),
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
            None => self
                .genesis()
                .and_then(|genesis| genesis.maintainers.iter().find(|founder| founder.key == *key))
                .map(|founder| founder.name.clone()),
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
    fn locked_down(&self, subject: &Name, resource: &super::name::Resource, index: u64) -> Option<&LockdownRecord> {
        self.lockdowns().into_iter().find(|lockdown| lockdown.ends(subject, resource, index))
    }
}

impl<V: View + ?Sized> ViewExt for V {}

/// The view in memory.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    genesis: Option<GenesisRecord>,
    tree: MemoryTree,
    policy: Option<PolicyRecord>,
    roster: Option<Arc<Policy>>,
    format_above: Option<u64>,
    /// Per policy, the number of lines after which it is in force.
    policies: BTreeMap<u64, Hash>,
    entries: BTreeMap<Hash, Entry>,
    requests: BTreeMap<Hash, RequestRecord>,
    by_subject: BTreeMap<Name, Vec<Hash>>,
    proposals: BTreeMap<Hash, ProposalRecord>,
    lockdowns: BTreeMap<Hash, LockdownRecord>,
    lifts: BTreeMap<Hash, LiftRecord>,
}

impl Memory {
    /// Returns the view of the empty log.
    pub fn new() -> Memory {
        Memory::default()
    }

    /// Takes in what one line changed. Deltas come from [`super::ledger::apply`] on this same view.
    pub fn commit(&mut self, delta: Delta) {
        self.tree.append(delta.leaf);
        for change in delta.changes {
            self.change(change);
        }
    }

    fn change(&mut self, change: Change) {
        match change {
            Change::Genesis(genesis) => self.genesis = Some(genesis),
            Change::Entry(id, entry) => {
                self.entries.insert(id, entry);
            }
            Change::Request(record) => {
                if !self.requests.contains_key(&record.id) {
                    self.by_subject.entry(record.by.clone()).or_default().push(record.id);
                }
                self.requests.insert(record.id, *record);
            }
            Change::Proposal(record) => {
                self.proposals.insert(record.policy.id, *record);
            }
            Change::PolicyInForce(record) => {
                self.proposals.clear();
                self.policies.insert(self.size(), record.id);
                match &record.loaded {
                    Loaded::Policy(policy) => self.roster = Some(Arc::clone(policy)),
                    Loaded::Unsupported => self.format_above = self.format_above.max(Some(record.format)),
                    Loaded::Broken(_) => {}
                }
                self.policy = Some(*record);
            }
            Change::Lockdown(record) => {
                self.lockdowns.insert(record.id, *record);
            }
            Change::Lift(record) => {
                self.lifts.insert(record.id, *record);
            }
            Change::LiftDone(id) => {
                self.lifts.remove(&id);
            }
        }
    }

    /// Returns between which sizes of the log a policy was in force, from the first on and before the second (none: it still
    /// is); none if it never was.
    pub fn in_force(&self, policy: &Hash) -> Option<(u64, Option<u64>)> {
        let mut sizes = self.policies.iter().skip_while(|(_, id)| *id != policy).map(|(size, _)| *size);
        sizes.next().map(|from| (from, sizes.next()))
    }

    /// Iterates over all requests, in the order of their ids.
    pub fn requests(&self) -> impl Iterator<Item = &RequestRecord> {
        self.requests.values()
    }

    /// Iterates over the open proposals.
    pub fn proposals(&self) -> impl Iterator<Item = &ProposalRecord> {
        self.proposals.values()
    }

    /// Iterates over the open lifts.
    pub fn lifts(&self) -> impl Iterator<Item = &LiftRecord> {
        self.lifts.values()
    }

    /// Iterates over the ids that start with `prefix`, in lower-case hex digits.
    pub fn ids_with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (Hash, Entry)> + 'a {
        let mut first = [0; 32];
        for (place, digit) in prefix.bytes().take(64).enumerate() {
            let value = char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok()).unwrap_or(0);
            if let Some(byte) = first.get_mut(place / 2) {
                *byte |= if place % 2 == 0 { value << 4 } else { value };
            }
        }
        self.entries
            .range(Hash(first)..)
            .map(|(id, entry)| (*id, *entry))
            .take_while(move |(id, _)| id.to_string().starts_with(prefix))
    }
}

impl View for Memory {
    fn genesis(&self) -> Option<&GenesisRecord> {
        self.genesis.as_ref()
    }

    fn size(&self) -> u64 {
        self.tree.size()
    }

    fn root_at(&self, size: u64) -> Option<Hash> {
        self.tree.root_at(size)
    }

    fn policy_record(&self) -> Option<&PolicyRecord> {
        self.policy.as_ref()
    }

    fn policy_at(&self, size: u64) -> Option<Hash> {
        self.policies.range(..=size).next_back().map(|(_, id)| *id)
    }

    fn roster(&self) -> Option<&Arc<Policy>> {
        self.roster.as_ref()
    }

    fn format_above(&self) -> Option<u64> {
        self.format_above
    }

    fn entry(&self, id: &Hash) -> Option<Entry> {
        self.entries.get(id).copied()
    }

    fn request(&self, id: &Hash) -> Option<&RequestRecord> {
        self.requests.get(id)
    }

    fn requests_of(&self, subject: &Name) -> Vec<&RequestRecord> {
        self.by_subject.get(subject).into_iter().flatten().filter_map(|id| self.requests.get(id)).collect()
    }

    fn proposal(&self, id: &Hash) -> Option<&ProposalRecord> {
        self.proposals.get(id)
    }

    fn lockdown(&self, id: &Hash) -> Option<&LockdownRecord> {
        self.lockdowns.get(id)
    }

    fn lockdowns(&self) -> Vec<&LockdownRecord> {
        let mut all: Vec<_> = self.lockdowns.values().collect();
        all.sort_by_key(|lockdown| lockdown.index);
        all
    }

    fn lift(&self, id: &Hash) -> Option<&LiftRecord> {
        self.lifts.get(id)
    }

    fn lifts_of(&self, lockdown: &Hash) -> Vec<&LiftRecord> {
        self.lifts.values().filter(|lift| lift.of == *lockdown).collect()
    }
}
