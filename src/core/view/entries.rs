//! The non-inert lines after a prefix, by their ids and by their places.

use crate::core::hash::{Hash, IdPrefix};
use crate::core::ledger::{Entry, EntryKind};

/// The lines after the first `before`: some 50 bytes each.
#[derive(Clone, Debug, Default)]
pub(super) struct Entries {
    /// Per line its id, or zeros where it is inert.
    ids: Vec<Hash>,
    /// Per line its kind; none where it is inert.
    kinds: Vec<Option<EntryKind>>,
    places: Places,
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
            self.places.add(&id, place, &self.ids);
        }
    }

    /// Returns the id of the line at this place, if it is not inert.
    pub(super) fn id(&self, place: u64) -> Option<Hash> {
        self.at(place).map(|(id, _)| id)
    }

    /// Returns the line with this id; its index is counted from the prefix.
    pub(super) fn get(&self, id: &Hash) -> Option<Entry> {
        self.places.alike(id).find_map(|index| {
            let (known, kind) = self.at(index)?;
            (known == *id).then_some(Entry { index, kind })
        })
    }

    /// Returns the lines whose ids start with this, by their ids; at most `most` of them. It looks at each line, since only
    /// people ask.
    pub(super) fn like(&self, prefix: &IdPrefix, most: usize) -> Vec<(Hash, Entry)> {
        let range = prefix.first()..=prefix.last();
        let all = (0..).zip(self.ids.iter().zip(&self.kinds));
        let not_inert = all.filter_map(|(index, (id, kind))| kind.map(|kind| (*id, Entry { index, kind })));
        let mut found: Vec<(Hash, Entry)> = not_inert.filter(|(id, _)| range.contains(id)).collect();
        found.sort_by_key(|(id, _)| *id);
        found.truncate(most);
        found
    }

    fn at(&self, place: u64) -> Option<(Hash, EntryKind)> {
        let at = usize::try_from(place).ok()?;
        let kind = self.kinds.get(at).copied().flatten()?;
        self.ids.get(at).map(|id| (*id, kind))
    }
}

/// Where lines stand, by their ids: slots in a row, of which an id's own bytes name the first to look at, and the next ones
/// come after it. Each line of a log is asked for once and added, all over the place, and this takes one look at memory where
/// an ordered map takes several. Whoever wants many ids to name the same slot tries as many hashes for each as there are
/// slots, and makes each of them look at the others.
#[derive(Clone, Debug, Default)]
struct Places {
    /// None, or a power of two, of which a quarter at least is free; in the others some more bits of the id, and the place,
    /// counted from 1.
    slots: Vec<u64>,
    taken: usize,
}

const FREE: u64 = 0;
/// How many bits of a slot are the place: no log has as many lines.
const PLACE_BITS: u32 = 40;
const FEWEST_SLOTS: usize = 16;

impl Places {
    /// Returns the places of the lines with this id, and perhaps of a few others.
    fn alike(&self, id: &Hash) -> impl Iterator<Item = u64> {
        let mark = mark(id);
        let slots = self.slots_of(id).filter_map(|at| self.slots.get(at)).take_while(|slot| **slot != FREE);
        slots.filter(move |slot| **slot >> PLACE_BITS == mark).map(|slot| (slot & ((1 << PLACE_BITS) - 1)) - 1)
    }

    /// Adds a line; `ids` are those of all places.
    fn add(&mut self, id: &Hash, place: u64, ids: &[Hash]) {
        if self.taken >= self.slots.len() / 4 * 3 {
            let larger = (self.slots.len() * 2).max(FEWEST_SLOTS);
            let before = std::mem::replace(self, Places { slots: vec![FREE; larger], taken: 0 });
            for slot in before.slots.into_iter().filter(|slot| *slot != FREE) {
                let place = (slot & ((1 << PLACE_BITS) - 1)) - 1;
                if let Some(id) = usize::try_from(place).ok().and_then(|at| ids.get(at)) {
                    self.put(id, place);
                }
            }
        }
        self.put(id, place);
    }

    fn put(&mut self, id: &Hash, place: u64) {
        let free = self.slots_of(id).find(|at| self.slots.get(*at) == Some(&FREE));
        if let Some(slot) = free.and_then(|at| self.slots.get_mut(at)) {
            *slot = mark(id) << PLACE_BITS | (place + 1);
            self.taken += 1;
        }
    }

    /// Returns all slots, the one that an id names first, and those before it last.
    fn slots_of(&self, id: &Hash) -> impl Iterator<Item = usize> + use<> {
        let count = self.slots.len();
        let [.., a, b, c, d] = id.0;
        let first = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or_default();
        (0..count).map(move |step| (first + step) & (count - 1))
    }
}

/// Returns the bits of an id that its slot holds, which are others than those that name the slot.
fn mark(id: &Hash) -> u64 {
    let [a, b, c, ..] = id.0;
    u64::from(u32::from_be_bytes([0, a, b, c]))
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
