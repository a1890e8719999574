//! What is the same for several subjects is looked at once.
//!
//! Two subjects are alike beside a pattern of a rule where the same rules near it are for both, they have keys of the same
//! kinds, and neither they nor their owners are told apart by who may approve: where one is in the place of the other, so is
//! all that follows. Where rules name a rotation, for whom or by whose approval, everybody is like nobody else.

use std::collections::HashMap;

use super::side::{Side, approvals, at};
use super::{About, Beside, Change, One};
use crate::core::name::Name;
use crate::core::pattern::Pattern;
use crate::core::policy::{Rule, Selector};
use crate::core::reach::demand::{self, Person};
use crate::core::reach::people::Keys;

/// The rules of both policies near patterns, by number; those of `base` first.
#[derive(Default)]
pub(super) struct Nearby<'a>(HashMap<&'a str, [Vec<usize>; 2]>);

impl<'a> Nearby<'a> {
    pub(super) fn to(&mut self, pattern: &'a Pattern, base: &Side<'a>, other: &Side<'a>) -> &[Vec<usize>; 2] {
        let near = |side: &Side<'a>| side.near.to(pattern).into_iter().copied().collect();
        self.0.entry(pattern.as_str()).or_insert_with(|| [near(base), near(other)])
    }
}

/// More than in the other policy, and easier than there.
type Found = (Vec<Change>, Vec<Change>);

/// What tells subjects apart.
#[derive(PartialEq, Eq, Hash)]
struct Mark<'a> {
    rule: usize,
    pattern: &'a str,
    beside: [Vec<usize>; 2],
    keys: [Keys; 2],
    /// In which entries of `approvals` of these rules the subject is named.
    named: Vec<bool>,
    /// Its owners who are named in one, in both policies.
    owners: [Vec<Person>; 2],
}

/// What was found for the first of those who are alike.
#[derive(Default)]
pub(super) struct Alike<'a>(HashMap<Mark<'a>, (&'a Name, Found)>);

impl<'a> Alike<'a> {
    /// Returns what there is for a subject: by `look`, or what was found for another.
    pub(super) fn of(
        &mut self,
        about: &About<'a, '_>,
        one: &One<'a>,
        beside: &Beside<'a>,
        look: impl FnOnce() -> Found,
    ) -> Found {
        let rules = || beside.allows.iter().map(|(_, rule)| *rule).chain(beside.denials.iter().flatten().copied());
        if rules().chain([one.rule]).any(has_turns) {
            return look();
        }
        let mark = mark(about, one, beside);
        if let Some((first, found)) = self.0.get(&mark) {
            return (for_another(&found.0, first, about.name), for_another(&found.1, first, about.name));
        }
        let found = look();
        self.0.insert(mark, (about.name, found.clone()));
        found
    }
}

fn has_turns(rule: &Rule) -> bool {
    let approving = approvals(rule).iter().flat_map(|entry| &entry.from);
    rule.subjects.iter().chain(approving).any(|from| matches!(from, Selector::Rotation(_)))
}

fn mark<'a>(about: &About<'a, '_>, one: &One<'a>, beside: &Beside<'a>) -> Mark<'a> {
    let sides = [about.base, about.other];
    let allows = || beside.allows.iter().map(|(index, _)| (about.other, *index));
    let with_approvals =
        |(side, index): &(&Side<'a>, usize)| side.rules.get(*index).is_some_and(|rule| !approvals(rule).is_empty());
    let entries = || {
        let rules = [(about.base, one.index)].into_iter().chain(allows()).filter(with_approvals);
        rules.filter_map(|(side, index)| side.named.get(index)).flatten()
    };
    let is_named = |who: &Person| entries().any(|named| named.binary_search(who).is_ok());
    Mark {
        rule: one.index,
        pattern: one.pattern.as_str(),
        beside: beside.numbers.clone(),
        keys: sides.map(|side| demand::keys_of(&side.keys, about.who)),
        named: entries().map(|named| named.binary_search(&about.who).is_ok()).collect(),
        owners: sides.map(|side| {
            let mut owners: Vec<Person> = at(&side.owners, about.who).cloned().unwrap_or_default();
            owners.retain(is_named);
            owners.sort_unstable();
            owners
        }),
    }
}

/// Puts one subject in the place of another, and the other in its own.
fn for_another(changes: &[Change], first: &Name, name: &Name) -> Vec<Change> {
    let mut changes = changes.to_vec();
    for change in &mut changes {
        change.subject = name.clone();
        let approving = change.example.iter_mut().flat_map(|example| &mut example.approved_by);
        approving.filter(|who| *who == name).for_each(|who| *who = first.clone());
    }
    changes
}
