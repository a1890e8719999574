//! The requests that lines after a prefix brought or changed, packed: a log has many, and asks again for few.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use crate::core::ledger::RequestRecord;
use crate::core::name::{Name, Resource};
use crate::core::packed::{Lines, Words, is_for, pack, unpack};
use crate::core::time::Timestamp;

/// What is packed here reads again, with the same words and lines.
const PACKED_HERE: &str = "a request reads as it was packed";

#[derive(Clone, Debug)]
pub(super) struct Requests {
    /// By their lines' places in the log.
    packed: BTreeMap<u64, Box<[u8]>>,
    by_subject: BTreeMap<Name, OfSubject>,
    words: Words,
}

/// Where one subject's stand.
#[derive(Clone, Debug, Default)]
struct OfSubject {
    /// Their places, in log order.
    places: Vec<u64>,
    /// Those that became grants, by their ends.
    ends: BTreeSet<(Timestamp, u64)>,
}

impl Default for Requests {
    fn default() -> Requests {
        Requests { packed: BTreeMap::new(), by_subject: BTreeMap::new(), words: Words::shared() }
    }
}

impl Requests {
    /// Takes in a new request, or another record of one.
    pub(super) fn put(&mut self, record: &RequestRecord, lines: &impl Lines) {
        self.packed.insert(record.index, pack(record, &mut self.words, lines));
        let theirs = self.by_subject.entry(record.by.clone()).or_default();
        if let Err(before) = theirs.places.binary_search(&record.index) {
            theirs.places.insert(before, record.index);
        }
        theirs.ends.extend(record.grant().map(|grant| (grant.end, record.index)));
    }

    /// Tells whether the request at this place of the log is here.
    pub(super) fn has(&self, index: u64) -> bool {
        self.packed.contains_key(&index)
    }

    /// Returns the first place of which there is a request here.
    pub(super) fn first(&self) -> Option<u64> {
        self.packed.keys().next().copied()
    }

    /// Returns the request at this place of the log.
    pub(super) fn get(&self, index: u64, lines: &impl Lines) -> Option<Arc<RequestRecord>> {
        self.packed.get(&index).map(|bytes| self.read(bytes, lines))
    }

    /// Returns all, in log order.
    pub(super) fn all(&self, lines: &impl Lines) -> impl Iterator<Item = Arc<RequestRecord>> {
        self.packed.values().map(|bytes| self.read(bytes, lines))
    }

    /// Returns those of a subject, in log order.
    pub(super) fn of(&self, subject: &Name, lines: &impl Lines) -> impl Iterator<Item = Arc<RequestRecord>> {
        self.packed_of(subject).map(|bytes| self.read(bytes, lines))
    }

    /// Returns those of a subject that became grants which end after this, in no order.
    pub(super) fn grants_of(&self, subject: &Name, after: Timestamp, lines: &impl Lines) -> Vec<Arc<RequestRecord>> {
        let Some(theirs) = self.by_subject.get(subject) else { return Vec::new() };
        let later = (Bound::Excluded((after, u64::MAX)), Bound::Unbounded);
        theirs.ends.range(later).filter_map(|(_, index)| self.get(*index, lines)).collect()
    }

    /// Returns those of a subject to do one thing, in log order.
    pub(super) fn of_for(
        &self,
        subject: &Name,
        (resource, action): (&Resource, &Name),
        lines: &impl Lines,
    ) -> impl Iterator<Item = Arc<RequestRecord>> {
        let asked = |bytes: &&[u8]| is_for(bytes, &self.words, lines, resource, action).expect(PACKED_HERE);
        self.packed_of(subject).filter(asked).map(|bytes| self.read(bytes, lines))
    }

    fn packed_of(&self, subject: &Name) -> impl Iterator<Item = &[u8]> {
        let places = self.by_subject.get(subject).into_iter().flat_map(|theirs| &theirs.places);
        places.filter_map(|index| self.packed.get(index).map(|bytes| &**bytes))
    }

    fn read(&self, bytes: &[u8], lines: &impl Lines) -> Arc<RequestRecord> {
        Arc::new(unpack(bytes, &self.words, lines).expect(PACKED_HERE))
    }
}
