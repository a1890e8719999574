//! What is the same for several subjects is looked at once.
//!
//! Two subjects are alike beside a pattern of a rule where the same rules near it are for both, they have keys of the same
//! kinds, and neither they nor their owners are told apart by who may approve: where one is in the place of the other, so is
//! all that follows. Where a rule that is for somebody names a rotation, for whom or by whose approval, they are like nobody
//! else.

use std::collections::HashMap;

use super::One;
use super::nearby::{Close, Nearby};
use super::side::{Side, at};
use crate::core::reach::demand::{self, Person};
use crate::core::reach::people::Keys;

/// Subjects who are alike.
pub(super) struct Class {
    /// At least one.
    pub(super) people: Vec<Person>,
    /// The number of all who are alike but for approvals.
    pub(super) group: usize,
}

/// What tells subjects apart but for approvals.
#[derive(PartialEq, Eq, Hash)]
struct Mark {
    /// Which of the rules near it are for them.
    is_for: Vec<bool>,
    keys: [Keys; 2],
    /// Who they are, where it matters.
    who: Option<Person>,
}

/// What tells them apart then.
#[derive(PartialEq, Eq, Hash)]
struct Approving {
    group: usize,
    /// By which entries of `approvals` they could approve.
    is_named: Vec<bool>,
    /// Their owners who could, in both policies.
    owners: [Vec<Person>; 2],
}

/// Puts people together who are alike; in the order of the first of each.
pub(super) fn classes<'a>(
    one: &One<'a>,
    near: &Nearby<'a>,
    [base, other]: [&Side<'a>; 2],
    people: &[Person],
) -> Vec<Class> {
    // Rules for the same people, or by the approval of the same, tell nobody apart.
    let audiences = |side: &Side<'a>, rules: &mut dyn Iterator<Item = &Close<'a>>| {
        once_each(rules.filter_map(|close| side.audience_of(close.index)).collect())
    };
    let base_audiences = audiences(base, &mut near.base_denying.iter());
    let other_audiences = audiences(other, &mut near.denying.iter().chain(&near.allowing));
    let pools = once_each(near.allowing.iter().flat_map(|close| other.pools_of(close.index)).copied().collect());
    let meant = base_audiences.iter().map(|number| base.audience(*number));
    let meant: Vec<&[Person]> = meant.chain(other_audiences.iter().map(|number| other.audience(*number))).collect();
    let named = base.pools_of(one.index).iter().map(|number| base.pool(*number));
    let named: Vec<&[Person]> = named.chain(pools.iter().map(|number| other.pool(*number))).collect();
    let is_one_of = |lists: &[&[Person]], who: Person| -> Vec<bool> {
        lists.iter().map(|list| list.binary_search(&who).is_ok()).collect()
    };
    let base_turns: Vec<&Close<'a>> = near.base_denying.iter().filter(|close| base.is_by_turns(close.index)).collect();
    let turns = near.denying.iter().chain(&near.allowing).filter(|close| other.is_by_turns(close.index));
    let turns: Vec<&Close<'a>> = turns.collect();
    let is_by_turns = |who: Person| {
        base.is_by_turns(one.index)
            || base_turns.iter().any(|close| base.is_for(close.index, who))
            || turns.iter().any(|close| other.is_for(close.index, who))
    };
    let mark = |who: Person| Mark {
        is_for: is_one_of(&meant, who),
        keys: [base, other].map(|side| demand::keys_of(&side.keys, who)),
        who: Some(who).filter(|who| is_by_turns(*who)),
    };
    let approving = |who: Person, group: usize| Approving {
        group,
        is_named: is_one_of(&named, who),
        owners: [base, other].map(|side| {
            let owners = at(&side.owners, who).map(Vec::as_slice).unwrap_or_default().iter().copied();
            once_each(owners.filter(|owner| named.iter().any(|list| list.binary_search(owner).is_ok())).collect())
        }),
    };
    let mut groups: HashMap<Mark, usize> = HashMap::new();
    let mut places: HashMap<Approving, usize> = HashMap::new();
    let mut classes: Vec<Class> = Vec::new();
    for who in people {
        let next = groups.len();
        let group = *groups.entry(mark(*who)).or_insert(next);
        let place = *places.entry(approving(*who, group)).or_insert(classes.len());
        match classes.get_mut(place) {
            Some(class) => class.people.push(*who),
            None => classes.push(Class { people: vec![*who], group }),
        }
    }
    classes
}

fn once_each<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort_unstable();
    list.dedup();
    list
}
