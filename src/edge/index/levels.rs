//! The keys of which there are as many as lines: lines by how their ids start, what has ended by subject and question, and
//! grants by subject.
//!
//! They come in no order, so each of them would change another page of something as large as the log. So they stand on levels,
//! each of them many times as large as the one before. What is new comes on the first. A level that has more than it is for
//! gives that to the next: a stretch of its keys, which begins where the last one ended, so that several of them change one
//! page there. A fold moves as many keys as it adds, more or less, and whoever looks for one looks on each level.

use std::collections::BTreeSet;

use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::IndexError;
use super::keyed::{self, Key, Kind, Range};

/// How many levels there are before the last.
const LEVELS: usize = 3;
/// How many keys each of them is for; those of the last are any number.
const SIZES: [u64; LEVELS] = [1 << 10, 1 << 14, 1 << 18];
/// How many keys more than it is for a level may have before it gives them to the next: this part of the first level's size.
const SPARE: u64 = 8;
/// How many keys of a new index are put in order at once.
const AT_ONCE: usize = 1 << 17;
/// The first byte of the keys on the first level; that of the others follow.
const FIRST: u8 = 128;
/// The same of the last level.
const LAST: u8 = FIRST + LEVELS as u8;

/// What a key is of, its second byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// A line that is not inert: how its id starts, and its number.
    Line = 0,
    /// A request that has ended: its subject, its question, and the number of its line.
    Ended = 1,
    /// A grant: its subject, when time ends it, and the number of its line.
    Grant = 2,
}

/// How keys start on each level; what is new comes first.
pub(super) fn starts(of: Of) -> impl Iterator<Item = Key> {
    (FIRST..=LAST).map(move |first| Key::starting(first).with(&[of as u8]))
}

/// How a key to be added starts.
pub(super) fn start(of: Of) -> Key {
    Key::starting(FIRST).with(&[of as u8])
}

/// What is written to the levels.
#[derive(Debug)]
pub(super) enum Levels {
    /// Of an index that is there.
    Known(Filled),
    /// Of a new one: all stand on the last level, many at once and in order. These are not written yet.
    New(BTreeSet<Key>),
}

/// How full the levels are.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Filled {
    /// How many keys each is for, but for the last.
    sizes: [u64; LEVELS],
    /// How many each has.
    held: [u64; LEVELS],
    /// The last key that each gave to the next.
    given: [Vec<u8>; LEVELS],
}

impl Levels {
    pub(super) fn new() -> Levels {
        Levels::New(BTreeSet::new())
    }

    pub(super) fn read(db: &Connection) -> Result<Levels, IndexError> {
        let value = keyed::get(db, &Key::of(Kind::Levels))?.ok_or(IndexError::Torn)?;
        Ok(Levels::Known(serde_json::from_slice(&value)?))
    }

    /// Adds a key that is not there, as [`start`] has it.
    pub(super) fn add(&mut self, db: &Connection, key: Key) -> Result<(), IndexError> {
        match self {
            Levels::Known(filled) => {
                keyed::put(db, &key, &[])?;
                let ([held, ..], [size, ..]) = (&mut filled.held, filled.sizes);
                *held = held.saturating_add(1);
                // Where very many come at once, it must not become large meanwhile.
                if *held > size.saturating_mul(2) { filled.give_all(db) } else { Ok(()) }
            }
            Levels::New(waiting) => {
                waiting.insert(key.starting_with(LAST));
                if waiting.len() < AT_ONCE { Ok(()) } else { put_all(db, waiting) }
            }
        }
    }

    /// Takes a key away, as [`start`] has it.
    pub(super) fn take(&mut self, db: &Connection, key: &Key) -> Result<(), IndexError> {
        match self {
            Levels::Known(filled) => {
                let mut held = filled.held.iter_mut();
                for first in FIRST..=LAST {
                    let held = held.next();
                    if keyed::take(db, &key.clone().starting_with(first))? {
                        held.into_iter().for_each(|held| *held = held.saturating_sub(1));
                        break;
                    }
                }
                Ok(())
            }
            Levels::New(waiting) => {
                let key = key.clone().starting_with(LAST);
                if !waiting.remove(&key) {
                    keyed::take(db, &key)?;
                }
                Ok(())
            }
        }
    }

    /// Ends what is written: no level has more than it may have.
    pub(super) fn finish(self, db: &Connection) -> Result<(), IndexError> {
        let filled = match self {
            Levels::Known(mut filled) => {
                filled.give_all(db)?;
                filled
            }
            Levels::New(mut waiting) => {
                put_all(db, &mut waiting)?;
                Filled::none(SIZES)
            }
        };
        keyed::put(db, &Key::of(Kind::Levels), &serde_json::to_vec(&filled)?)
    }
}

fn put_all(db: &Connection, waiting: &mut BTreeSet<Key>) -> Result<(), IndexError> {
    std::mem::take(waiting).iter().try_for_each(|key| keyed::put(db, key, &[]))
}

impl Filled {
    fn none(sizes: [u64; LEVELS]) -> Filled {
        Filled { sizes, held: [0; LEVELS], given: [const { Vec::new() }; LEVELS] }
    }

    fn give_all(&mut self, db: &Connection) -> Result<(), IndexError> {
        (0..LEVELS).try_for_each(|level| self.give(db, level))
    }

    /// Gives what a level has too much to the next.
    fn give(&mut self, db: &Connection, level: usize) -> Result<(), IndexError> {
        let [first_size, ..] = self.sizes;
        let (Some(size), Some(held), Some(given)) =
            (self.sizes.get(level), self.held.get_mut(level), self.given.get_mut(level))
        else {
            return Ok(());
        };
        let too_many = held.saturating_sub(*size);
        if too_many <= first_size / SPARE {
            return Ok(());
        }
        let first = FIRST + level as u8;
        let all = Range::of(Key::starting(first));
        let (mut moved, mut left) = (0, too_many);
        // From the last one on to the level's end, and then from its beginning.
        for range in [all.clone().after(Key::read(given)), all] {
            let keys = keyed::first(db, &range, left)?;
            let Some(last) = keys.last() else { continue };
            for key in &keys {
                keyed::put(db, &key.clone().starting_with(first + 1), &[])?;
            }
            keyed::take_all(db, &range.up_to(last.clone()))?;
            *given = last.bytes().to_vec();
            moved += keys.len() as u64;
            left = left.saturating_sub(keys.len() as u64);
            if left == 0 {
                break;
            }
        }
        *held = if left == 0 { held.saturating_sub(too_many) } else { 0 };
        if let Some(next) = self.held.get_mut(level + 1) {
            *next = next.saturating_add(moved);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SMALL: [u64; LEVELS] = [16, 64, 256];

    fn key(number: u16) -> Key {
        // As ids, they come in no order.
        let place = number.wrapping_mul(40_503).to_be_bytes();
        start([Of::Line, Of::Ended, Of::Grant][usize::from(number) % 3]).with(&place)
    }

    /// The keys on each level.
    fn stand(db: &Connection) -> Vec<Vec<Key>> {
        let keys = |first| keyed::first(db, &Range::of(Key::starting(first)), u64::MAX).unwrap();
        (FIRST..=LAST).map(keys).collect()
    }

    fn open() -> Connection {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(keyed::TABLE).unwrap();
        db
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn each_key_stands_on_one_level_and_none_has_too_many(
            folds in prop::collection::vec((1..80_u16, prop::collection::vec(any::<u16>(), 0..4)), 1..60),
        ) {
            let db = open();
            let mut model = BTreeSet::new();
            Levels::Known(Filled::none(SMALL)).finish(&db).unwrap();
            let mut next = 0;
            for (new, gone) in folds {
                let mut levels = Levels::read(&db).unwrap();
                for number in next..next + new {
                    levels.add(&db, key(number)).unwrap();
                    model.insert(key(number));
                }
                next += new;
                // Some of them were never there, or are not any more.
                for number in gone {
                    levels.take(&db, &key(number % (next + 5))).unwrap();
                    model.remove(&key(number % (next + 5)));
                }
                levels.finish(&db).unwrap();
                let levels = stand(&db);
                let mut all: Vec<Key> =
                    levels.iter().flatten().map(|key| key.clone().starting_with(FIRST)).collect();
                all.sort();
                prop_assert_eq!(all, model.iter().cloned().collect::<Vec<_>>());
                let Levels::Known(filled) = Levels::read(&db).unwrap() else { unreachable!() };
                for ((keys, held), size) in levels.iter().zip(filled.held).zip(SMALL) {
                    prop_assert_eq!(keys.len() as u64, held);
                    prop_assert!(held <= size + SMALL[0] / SPARE);
                }
            }
        }
    }

    #[test]
    fn a_new_index_has_all_on_the_last_level() {
        let db = open();
        let mut levels = Levels::new();
        (0..100).for_each(|number| levels.add(&db, key(number)).unwrap());
        levels.take(&db, &key(7)).unwrap();
        levels.finish(&db).unwrap();
        assert_eq!(stand(&db).iter().map(Vec::len).collect::<Vec<_>>(), [0, 0, 0, 99]);
    }

    /// Counts that are not true, as only damage leaves them, cost time and lose nothing.
    #[test]
    fn a_level_that_has_less_than_it_says_gives_what_it_has() {
        let db = open();
        let mut filled = Filled { held: [1000, 1000, 1000], ..Filled::none(SMALL) };
        (0..20).for_each(|number| keyed::put(&db, &key(number), &[]).unwrap());
        filled.give_all(&db).unwrap();
        assert_eq!(stand(&db).iter().map(Vec::len).sum::<usize>(), 20);
        assert!(filled.held.iter().all(|held| *held < 1000), "{filled:?}");
    }
}
