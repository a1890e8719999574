//! The non-inert lines after a prefix, by their ids and by their places.

use std::collections::BTreeSet;

use crate::core::hash::{Hash, IdPrefix};
use crate::core::ledger::{Entry, EntryKind};

/// How many bytes of an id stand in the order: few ids share as many.
const ORDERED: usize = 8;
/// How many bytes of a place do: no log has as many lines.
const PLACE: usize = 5;

/// An id's first bytes, and its line's place after the prefix.
type Ordered = [u8; ORDERED + PLACE];

/// The lines after the first `before`: some 56 bytes each.
#[derive(Clone, Debug, Default)]
pub(super) struct Entries {
    /// Per line its id, or zeros where it is inert.
    ids: Vec<Hash>,
    /// Per line its kind; none where it is inert.
    kinds: Vec<Option<EntryKind>>,
    order: BTreeSet<Ordered>,
}

impl Entries {
    /// Adds a line, which is inert as long as nothing else is said.
    pub(super) fn append(&mut self) {
        self.ids.push(Hash([0; 32]));
        self.kinds.push(None);
    }

    /// Says that the line at this place after the prefix is not inert.
    pub(super) fn set(&mut self, place: u64, id: Hash, kind: EntryKind) {
        let at = usize::try_from(place).ok();
        if let Some((known, its_kind)) = at.and_then(|at| self.ids.get_mut(at).zip(self.kinds.get_mut(at))) {
            (*known, *its_kind) = (id, Some(kind));
            self.order.insert(ordered(&id, place));
        }
    }

    /// Returns the id of the line at this place, if it is not inert.
    pub(super) fn id(&self, place: u64) -> Option<Hash> {
        self.at(place).map(|(id, _)| id)
    }

    /// Returns the line with this id; its index is counted from the prefix.
    pub(super) fn get(&self, id: &Hash) -> Option<Entry> {
        let alike = self.order.range(ordered(id, 0)..=ordered(id, u64::MAX));
        alike.filter_map(|one| self.read(one)).find(|(known, _)| known == id).map(|(_, entry)| entry)
    }

    /// Returns the lines whose ids start with this, by their ids; at most `most` of them.
    pub(super) fn like(&self, prefix: &IdPrefix, most: usize) -> Vec<(Hash, Entry)> {
        let all = self.order.range(ordered(&prefix.first(), 0)..=ordered(&prefix.last(), u64::MAX));
        let mut found: Vec<(Hash, Entry)> = Vec::new();
        for (id, entry) in all.filter_map(|one| self.read(one)).filter(|(id, _)| prefix.is_of(id)) {
            // Ids whose first bytes are the same come in the order of their lines.
            if found.len() >= most && found.last().is_some_and(|(last, _)| first_bytes(last) != first_bytes(&id)) {
                break;
            }
            found.push((id, entry));
        }
        found.sort_by_key(|(id, _)| *id);
        found.truncate(most);
        found
    }

    fn at(&self, place: u64) -> Option<(Hash, EntryKind)> {
        let at = usize::try_from(place).ok()?;
        let kind = self.kinds.get(at).copied().flatten()?;
        self.ids.get(at).map(|id| (*id, kind))
    }

    fn read(&self, ordered: &Ordered) -> Option<(Hash, Entry)> {
        let place = ordered.iter().skip(ORDERED).fold(0, |place, byte| place << 8 | u64::from(*byte));
        self.at(place).map(|(id, kind)| (id, Entry { index: place, kind }))
    }
}

fn first_bytes(id: &Hash) -> impl PartialEq {
    id.0.first_chunk::<ORDERED>().copied()
}

/// Returns an id and a place as they stand in the order; a place beyond all stands for the last.
fn ordered(id: &Hash, place: u64) -> Ordered {
    let place = place.min((1 << (8 * PLACE)) - 1).to_be_bytes();
    let mut bytes = id.0.iter().take(ORDERED).chain(place.iter().skip(place.len() - PLACE));
    std::array::from_fn(|_| bytes.next().copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ids that share their first bytes, as only somebody who looks for them finds any.
    fn id(first: u8, last: u8) -> Hash {
        let mut id = Hash([7; 32]);
        (id.0[0], id.0[31]) = (first, last);
        id
    }

    #[test]
    fn ids_that_begin_alike_are_told_apart() {
        let mut entries = Entries::default();
        let ids = [id(1, 9), id(0, 5), id(1, 3), id(1, 6), id(2, 0)];
        for (place, id) in (0..).zip(ids) {
            entries.append();
            if place != 3 {
                entries.set(place, id, EntryKind::Other);
            }
        }
        let at = |index| Entry { index, kind: EntryKind::Other };
        let found = ids.map(|id| entries.get(&id));
        assert_eq!(found, [Some(at(0)), Some(at(1)), Some(at(2)), None, Some(at(4))]);
        assert_eq!([2, 3, 9].map(|place| entries.id(place)), [Some(ids[2]), None, None]);
        assert_eq!(entries.get(&id(1, 4)), None);
        let like = |digits: &str, most| {
            let found = entries.like(&digits.parse().unwrap(), most);
            found.iter().map(|(_, entry)| entry.index).collect::<Vec<_>>()
        };
        assert_eq!(
            [like("", 9), like("", 2), like("", 1), like("", 0)],
            [vec![1, 2, 0, 4], vec![1, 2], vec![1], vec![]]
        );
        assert_eq!([like("01", 9), like("01", 1), like("0107", 9)], [vec![2, 0], vec![2], vec![2, 0]]);
        assert_eq!([like(&ids[2].to_string(), 9), like("03", 9)], [vec![2], vec![]]);
    }
}
