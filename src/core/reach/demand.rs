//! What has to be approved: whether whoever meets one demand also meets another.
//!
//! A demand is met by distinct people, one for each place. Two of different policies are compared by the sets of people
//! that just meet the one: if each of them meets the other as well, the other asks no more. People whom no entry tells
//! apart are alike, so there are few such sets, however many people there are.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::evaluate;
use crate::core::region::TooHard;

use super::people::Keys;

/// The most places of one demand whose sets are looked through, and the most steps of looking.
const MAX_PLACES: usize = 32;
const MAX_STEPS: usize = 20_000;

/// Somebody, by a number that is theirs in both policies.
pub(super) type Person = u32;

/// One entry of `approvals`, for one subject.
#[derive(Clone, Debug)]
pub(super) struct Entry<'a> {
    /// People whom it names, who have a key and may judge the subject; sorted.
    pub(super) able: Vec<Person>,
    pub(super) count: u32,
    /// Whether it takes a security key.
    pub(super) touched: bool,
    /// What keys people have in its policy.
    pub(super) keys: &'a [Keys],
}

impl Entry<'_> {
    fn keys_of(&self, who: Person) -> Keys {
        keys_of(self.keys, who)
    }

    /// Tells whether `who`, who signs with a touch or without elsewhere, can fill a place with no less.
    fn takes(&self, who: Person, touched: bool) -> bool {
        self.able.binary_search(&who).is_ok() && is_no_weaker(self.keys_of(who), self.touched, touched)
    }
}

/// Returns the keys of somebody; of one who is not known none.
pub(super) fn keys_of(keys: &[Keys], who: Person) -> Keys {
    usize::try_from(who).ok().and_then(|index| keys.get(index)).copied().unwrap_or_default()
}

/// Tells whether one who has these keys can sign where a touch is wanted or not, by a key that asks no more of them than the
/// signature that is at hand, with a touch or without.
pub(super) fn is_no_weaker(keys: Keys, wants_touch: bool, touched: bool) -> bool {
    match (touched, wants_touch) {
        (true, true) => keys.security,
        (true, false) => keys.is_any(),
        (false, true) => false,
        (false, false) => keys.plain,
    }
}

/// Tells by the entries alone whether whoever meets `one` also meets `other`; a no may still be a yes.
pub(super) fn plainly_implies(one: &[Entry<'_>], other: &[Entry<'_>]) -> bool {
    let mut free: Vec<&Entry<'_>> = one.iter().collect();
    other.iter().all(|weaker| {
        let found = free.iter().position(|entry| {
            let touch = |who: Person| entry.touched || !entry.keys_of(who).plain;
            weaker.count <= entry.count && entry.able.iter().all(|who| weaker.takes(*who, touch(*who)))
        });
        found.map(|index| free.remove(index)).is_some()
    })
}

/// People who just meet a demand, and which of the other demands they meet.
pub(super) struct Meeting {
    pub(super) people: Vec<Person>,
    /// By index, sorted.
    pub(super) meets: Vec<usize>,
}

/// Returns sets of people that meet `demand`: whoever meets it meets all that one of these sets does. None if nobody can.
///
/// # Errors
/// There are too many.
pub(super) fn meetings(demand: &[Entry<'_>], others: &[Vec<Entry<'_>>]) -> Result<Vec<Meeting>, TooHard> {
    let places: u64 = demand.iter().map(|entry| u64::from(entry.count)).sum();
    if demand.iter().any(|entry| (entry.able.len() as u64) < u64::from(entry.count)) {
        return Ok(Vec::new());
    }
    if places > MAX_PLACES as u64 {
        return Err(TooHard);
    }
    let all: BTreeSet<Person> = demand.iter().flat_map(|entry| entry.able.iter().copied()).collect();
    let mut alike: BTreeMap<Vec<bool>, Vec<Person>> = BTreeMap::new();
    for who in all {
        let own = demand.iter().flat_map(|entry| [entry.able.binary_search(&who).is_ok(), entry.keys_of(who).security]);
        let plain = demand.first().map(|entry| entry.keys_of(who).plain);
        let theirs = others.iter().flatten().flat_map(|entry| [entry.takes(who, false), entry.takes(who, true)]);
        alike.entry(own.chain(plain).chain(theirs).collect()).or_default().push(who);
    }
    let classes: Vec<Vec<Person>> = alike.into_values().collect();
    let mut search = Search { demand, classes: &classes, taken: Vec::new(), found: BTreeSet::new(), steps: 0 };
    search.fill(0, 0, 0)?;
    let meeting = |taken: Vec<(usize, bool)>| {
        let mut next = vec![0; classes.len()];
        let mut people: Vec<(Person, bool)> = Vec::new();
        for (class, touched) in taken {
            let who = next.get_mut(class).and_then(|next| {
                *next += 1;
                classes.get(class)?.get(*next - 1)
            });
            people.extend(who.map(|who| (*who, touched)));
        }
        let meets = others.iter().enumerate().filter(|(_, other)| is_met(other, &people)).map(|(index, _)| index);
        Meeting { meets: meets.collect(), people: people.iter().map(|(who, _)| *who).collect() }
    };
    Ok(search.found.into_iter().map(meeting).collect())
}

/// Tells whether these people, each with a touch or without, fill all places.
fn is_met(demand: &[Entry<'_>], people: &[(Person, bool)]) -> bool {
    let places: u64 = demand.iter().map(|entry| u64::from(entry.count)).sum();
    if places > people.len() as u64 {
        return false;
    }
    let able = |entry: &Entry<'_>| {
        let fits = people.iter().enumerate().filter(|(_, (who, touched))| entry.takes(*who, *touched));
        fits.map(|(index, _)| index).collect()
    };
    let counts: Vec<u32> = demand.iter().map(|entry| entry.count).collect();
    evaluate::can_fill(demand.iter().map(able).collect(), &counts, people.len())
}

/// Goes through the ways to fill the places, one entry after the other.
struct Search<'a> {
    demand: &'a [Entry<'a>],
    classes: &'a [Vec<Person>],
    /// Of each place filled the class, and whether with a touch.
    taken: Vec<(usize, bool)>,
    found: BTreeSet<Vec<(usize, bool)>>,
    steps: usize,
}

impl Search<'_> {
    /// Fills the places from number `place` of an entry on, by classes from `from` on.
    fn fill(&mut self, entry: usize, place: u32, from: usize) -> Result<(), TooHard> {
        self.steps += 1;
        if self.steps > MAX_STEPS {
            return Err(TooHard);
        }
        let Some(wanted) = self.demand.get(entry) else {
            let mut taken = self.taken.clone();
            taken.sort_unstable();
            self.found.insert(taken);
            return Ok(());
        };
        if place == wanted.count {
            return self.fill(entry + 1, 0, 0);
        }
        for (index, class) in self.classes.iter().enumerate().skip(from) {
            let Some(who) = class.first() else { continue };
            let keys = wanted.keys_of(*who);
            let is_able = wanted.able.binary_search(who).is_ok() && (keys.security || !wanted.touched);
            let used = self.taken.iter().filter(|(taken, _)| *taken == index).count();
            if is_able && used < class.len() {
                self.taken.push((index, wanted.touched || !keys.plain));
                self.fill(entry, place + 1, index)?;
                self.taken.pop();
            }
        }
        Ok(())
    }
}
