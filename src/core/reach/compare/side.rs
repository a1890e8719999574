//! One of two policies that are compared: its people by number, and whom each rule is for.

use std::collections::HashMap;

use crate::core::name::Name;
use crate::core::near::Near;
use crate::core::policy::{ApprovalRule, Effect, Policy, Rule, Selector};
use crate::core::reach::demand::{self, Entry, Person};
use crate::core::reach::people::{self, Keys};
use crate::core::time::Duration;

/// One policy, with people by number.
pub(super) struct Side<'a> {
    pub(super) policy: &'a Policy,
    pub(super) keys: Vec<Keys>,
    pub(super) is_person: Vec<bool>,
    pub(super) owners: Vec<Vec<Person>>,
    /// Of each rule, by number, everybody whom it is for.
    pub(super) rules: Vec<&'a Rule>,
    /// Of each person the rules that are for them, sorted.
    pub(super) rules_of: Vec<Vec<usize>>,
    /// Of each rule and entry of its `approvals`, the people named who have a key; sorted.
    pub(super) named: Vec<Vec<Vec<Person>>>,
    /// Of each rule the one of the other policy that says the same, but perhaps of other subjects.
    pub(super) twins: Vec<Option<usize>>,
    /// Rules by what they are about.
    pub(super) near: Near<usize>,
}

impl<'a> Side<'a> {
    pub(super) fn new(policy: &'a Policy, names: &[&'a Name]) -> Side<'a> {
        let numbers: HashMap<&Name, Person> = (0..).zip(names).map(|(number, name)| (*name, number)).collect();
        let number = |name: &&Name| numbers.get(*name).copied();
        let identity = |name: &&&'a Name| policy.identity(name);
        let keys: Vec<Keys> = names.iter().map(|name| people::keys(policy, name)).collect();
        let is_person: Vec<bool> =
            names.iter().map(|name| identity(&name).is_some_and(|identity| identity.is_person())).collect();
        let owners = names.iter().map(|name| {
            identity(&name).into_iter().flat_map(|identity| &identity.owners).filter_map(|name| number(&name)).collect()
        });
        let owners = owners.collect();
        let mut members: HashMap<&'a Selector, Vec<Person>> = HashMap::new();
        let mut meant = |from: &'a [Selector]| -> Vec<Person> {
            let mut all: Vec<Person> = Vec::new();
            for selector in from {
                let one = members.entry(selector).or_insert_with(|| {
                    let meant = people::meant(policy, std::slice::from_ref(selector), None);
                    meant.iter().filter_map(number).collect()
                });
                all.extend_from_slice(one);
            }
            all.sort_unstable();
            all.dedup();
            all
        };
        let rules: Vec<&Rule> = policy.rules().values().collect();
        let mut rules_of = vec![Vec::new(); names.len()];
        let mut named = Vec::with_capacity(rules.len());
        for (index, rule) in rules.iter().enumerate() {
            for who in meant(&rule.subjects) {
                if let Some(own) = at_mut(&mut rules_of, who) {
                    own.push(index);
                }
            }
            let entries = approvals(rule).iter().map(|entry| {
                let can =
                    |who: &Person| at(&is_person, *who).is_some_and(|is| *is) && demand::keys_of(&keys, *who).is_any();
                meant(&entry.from).into_iter().filter(can).collect()
            });
            named.push(entries.collect());
        }
        let twins = vec![None; rules.len()];
        let about =
            rules.iter().enumerate().flat_map(|(index, rule)| rule.resources.iter().map(move |one| (one, index)));
        let near = Near::new(about.map(|(pattern, index)| (pattern.clone(), index)));
        Side { policy, keys, is_person, owners, rules, rules_of, named, twins, near }
    }

    pub(super) fn rules_of(&self, who: Person) -> &[usize] {
        at(&self.rules_of, who).map(Vec::as_slice).unwrap_or_default()
    }

    /// What a rule wants approved of a request of `who` for so long.
    pub(super) fn demand(&self, index: usize, duration: Duration, who: Person) -> Vec<Entry<'_>> {
        let owners = at(&self.owners, who).map(Vec::as_slice).unwrap_or_default();
        let entries = self.rules.get(index).map(|rule| approvals(rule)).unwrap_or_default();
        let named = self.named.get(index).map(Vec::as_slice).unwrap_or_default();
        let applying = entries.iter().zip(named).filter(|(entry, _)| entry.applies_to(duration));
        let able = |named: &[Person]| {
            named.iter().copied().filter(|judge| *judge != who && !owners.contains(judge)).collect::<Vec<_>>()
        };
        applying
            .map(|(entry, named)| Entry {
                able: able(named),
                count: entry.count,
                touched: entry.hardware_key,
                keys: &self.keys,
            })
            .collect()
    }
}

pub(super) fn at<T>(list: &[T], who: Person) -> Option<&T> {
    usize::try_from(who).ok().and_then(|index| list.get(index))
}

fn at_mut<T>(list: &mut [T], who: Person) -> Option<&mut T> {
    usize::try_from(who).ok().and_then(|index| list.get_mut(index))
}

pub(super) fn approvals(rule: &Rule) -> &[ApprovalRule] {
    match &rule.effect {
        Effect::Allow(allow) => &allow.approvals,
        Effect::Deny => &[],
    }
}

/// Finds the rules that say the same in both policies, but perhaps of other subjects.
pub(super) fn find_twins(old: &mut Side<'_>, new: &mut Side<'_>) {
    let numbers: HashMap<&Name, usize> = old.rules.iter().enumerate().map(|(index, rule)| (&rule.id, index)).collect();
    let same_reason = old.policy.reason_for_all() == new.policy.reason_for_all();
    let same_people = |one: &Vec<Person>, other: &Vec<Person>| {
        one == other && one.iter().all(|who| demand::keys_of(&old.keys, *who) == demand::keys_of(&new.keys, *who))
    };
    let twin = |(index, rule): (usize, &&Rule)| {
        let before = numbers.get(&rule.id).copied()?;
        let other = old.rules.get(before)?;
        let same_words = (&rule.resources, &rule.actions, &rule.hours, &rule.effect)
            == (&other.resources, &other.actions, &other.hours, &other.effect);
        let (own, others) = (new.named.get(index)?, old.named.get(before)?);
        let same_approvers =
            own.len() == others.len() && own.iter().zip(others).all(|(one, other)| same_people(one, other));
        let same_turns =
            approvals(rule).iter().map(|entry| people::turns_in(new.policy, &entry.from)).collect::<Vec<_>>()
                == approvals(other).iter().map(|entry| people::turns_in(old.policy, &entry.from)).collect::<Vec<_>>();
        (same_words && same_approvers && same_turns && (same_reason || rule.effect == Effect::Deny)).then_some(before)
    };
    new.twins = new.rules.iter().enumerate().map(twin).collect();
    for (index, before) in new.twins.iter().enumerate() {
        if let Some(twin) = before.and_then(|before| old.twins.get_mut(before)) {
            *twin = Some(index);
        }
    }
}
