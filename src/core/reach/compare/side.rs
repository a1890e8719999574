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
    pub(super) rules: Vec<&'a Rule>,
    /// Of each rule the number of those whom it is for; the same for rules that name the same.
    audience_of: Vec<usize>,
    /// Everybody who is meant, sorted.
    audiences: Vec<Vec<Person>>,
    /// Of each person the rules that are for them, sorted.
    rules_of: Vec<Vec<usize>>,
    /// Of each rule, of each entry of its `approvals`, the number of those whom it names.
    pools_of: Vec<Vec<usize>>,
    /// The people named who have a key, sorted.
    pools: Vec<Vec<Person>>,
    /// Of each rule whether it names a rotation, for whom or by whose approval.
    by_turns: Vec<bool>,
    /// Of each rule whether it denies.
    is_denial: Vec<bool>,
    /// Of each rule the one of the other policy that says the same, but perhaps of other subjects.
    pub(super) twins: Vec<Option<usize>>,
    /// Allow rules by what they are about.
    pub(super) allowing: Near<usize>,
    /// Deny rules by what they are about.
    pub(super) denying: Near<usize>,
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
        let can_approve =
            |who: &Person| at(&is_person, *who).is_some_and(|is| *is) && demand::keys_of(&keys, *who).is_any();
        let rules: Vec<&'a Rule> = policy.rules().values().collect();
        let (mut audiences, mut pools) = (Lists::default(), Lists::default());
        let mut rules_of = vec![Vec::new(); names.len()];
        let (mut audience_of, mut pools_of) = (Vec::with_capacity(rules.len()), Vec::with_capacity(rules.len()));
        for (index, rule) in rules.iter().enumerate() {
            let (number, audience) = audiences.of(&rule.subjects, || meant(&rule.subjects));
            for who in audience {
                if let Some(own) = at_mut(&mut rules_of, *who) {
                    own.push(index);
                }
            }
            audience_of.push(number);
            let mut able = |from: &'a [Selector]| meant(from).into_iter().filter(can_approve).collect();
            pools_of.push(approvals(rule).iter().map(|entry| pools.of(&entry.from, || able(&entry.from)).0).collect());
        }
        let near = |deny: bool| {
            let of_kind = rules.iter().enumerate().filter(move |(_, rule)| is_deny(rule) == deny);
            Near::new(of_kind.flat_map(|(index, rule)| rule.resources.iter().map(move |one| (one.clone(), index))))
        };
        let (allowing, denying) = (near(false), near(true));
        let by_turns = rules.iter().map(|rule| is_by_turns(rule)).collect();
        let is_denial = rules.iter().map(|rule| is_deny(rule)).collect();
        let twins = vec![None; rules.len()];
        Side {
            policy,
            keys,
            is_person,
            owners,
            rules,
            audience_of,
            audiences: audiences.lists,
            rules_of,
            pools_of,
            pools: pools.lists,
            by_turns,
            is_denial,
            twins,
            allowing,
            denying,
        }
    }

    pub(super) fn rules_of(&self, who: Person) -> &[usize] {
        at(&self.rules_of, who).map(Vec::as_slice).unwrap_or_default()
    }

    /// The number of those whom a rule is for.
    pub(super) fn audience_of(&self, index: usize) -> Option<usize> {
        self.audience_of.get(index).copied()
    }

    /// Everybody whom a rule is for that has this audience; sorted.
    pub(super) fn audience(&self, number: usize) -> &[Person] {
        self.audiences.get(number).map(Vec::as_slice).unwrap_or_default()
    }

    /// Everybody whom a rule is for; sorted.
    pub(super) fn people_of(&self, index: usize) -> Option<&[Person]> {
        self.audience_of(index).map(|number| self.audience(number))
    }

    /// Tells whether a rule names a rotation, for whom or by whose approval.
    pub(super) fn is_by_turns(&self, index: usize) -> bool {
        self.by_turns.get(index) == Some(&true)
    }

    pub(super) fn is_denial(&self, index: usize) -> bool {
        self.is_denial.get(index) == Some(&true)
    }

    /// The deny rules, by number.
    pub(super) fn denials(&self) -> impl Iterator<Item = usize> {
        self.is_denial.iter().enumerate().filter(|(_, is)| **is).map(|(index, _)| index)
    }

    /// Tells whether a rule is for somebody.
    pub(super) fn is_for(&self, index: usize, who: Person) -> bool {
        self.audience_of(index).is_some_and(|number| self.audience(number).binary_search(&who).is_ok())
    }

    /// The numbers of those whom the entries of a rule name.
    pub(super) fn pools_of(&self, index: usize) -> &[usize] {
        self.pools_of.get(index).map(Vec::as_slice).unwrap_or_default()
    }

    /// Those who can approve by an entry that has this number; sorted.
    pub(super) fn pool(&self, number: usize) -> &[Person] {
        self.pools.get(number).map(Vec::as_slice).unwrap_or_default()
    }

    /// What a rule wants approved of a request of `who` for so long.
    pub(super) fn demand(&self, index: usize, duration: Duration, who: Person) -> Vec<Entry<'_>> {
        let owners = at(&self.owners, who).map(Vec::as_slice).unwrap_or_default();
        let entries = self.rules.get(index).map(|rule| approvals(rule)).unwrap_or_default();
        let named = self.pools_of(index).iter().map(|number| self.pool(*number));
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

/// Lists of people, by what names them.
#[derive(Default)]
struct Lists<'a> {
    numbers: HashMap<&'a [Selector], usize>,
    lists: Vec<Vec<Person>>,
}

impl<'a> Lists<'a> {
    /// Returns the list of those whom `from` names, and its number.
    fn of(&mut self, from: &'a [Selector], make: impl FnOnce() -> Vec<Person>) -> (usize, &[Person]) {
        let number = *self.numbers.entry(from).or_insert(self.lists.len());
        if number == self.lists.len() {
            self.lists.push(make());
        }
        (number, self.lists.get(number).map(Vec::as_slice).unwrap_or_default())
    }
}

pub(super) fn at<T>(list: &[T], who: Person) -> Option<&T> {
    usize::try_from(who).ok().and_then(|index| list.get(index))
}

fn at_mut<T>(list: &mut [T], who: Person) -> Option<&mut T> {
    usize::try_from(who).ok().and_then(|index| list.get_mut(index))
}

pub(super) fn is_deny(rule: &Rule) -> bool {
    matches!(rule.effect, Effect::Deny)
}

pub(super) fn approvals(rule: &Rule) -> &[ApprovalRule] {
    match &rule.effect {
        Effect::Allow(allow) => &allow.approvals,
        Effect::Deny => &[],
    }
}

fn is_by_turns(rule: &Rule) -> bool {
    let approving = approvals(rule).iter().flat_map(|entry| &entry.from);
    rule.subjects.iter().chain(approving).any(|from| matches!(from, Selector::Rotation(_)))
}

/// Finds the rules that say the same in both policies, but perhaps of other subjects.
pub(super) fn find_twins(old: &mut Side<'_>, new: &mut Side<'_>) {
    let numbers: HashMap<&Name, usize> = old.rules.iter().enumerate().map(|(index, rule)| (&rule.id, index)).collect();
    let same_reason = old.policy.reason_for_all() == new.policy.reason_for_all();
    let same_people = |one: &[Person], other: &[Person]| {
        one == other && one.iter().all(|who| demand::keys_of(&old.keys, *who) == demand::keys_of(&new.keys, *who))
    };
    let twin = |(index, rule): (usize, &&Rule)| {
        let before = numbers.get(&rule.id).copied()?;
        let other = old.rules.get(before)?;
        let same_words = (&rule.resources, &rule.actions, &rule.hours, &rule.effect)
            == (&other.resources, &other.actions, &other.hours, &other.effect);
        let same_approvers = || {
            let (own, others) = (new.pools_of(index), old.pools_of(before));
            let mut pairs = own.iter().zip(others).map(|(own, other)| (new.pool(*own), old.pool(*other)));
            own.len() == others.len() && pairs.all(|(own, other)| same_people(own, other))
        };
        let same_turns = || {
            approvals(rule).iter().map(|entry| people::turns_in(new.policy, &entry.from)).collect::<Vec<_>>()
                == approvals(other).iter().map(|entry| people::turns_in(old.policy, &entry.from)).collect::<Vec<_>>()
        };
        let same_reason = same_reason || is_deny(rule);
        (same_words && same_reason && same_approvers() && same_turns()).then_some(before)
    };
    new.twins = new.rules.iter().enumerate().map(twin).collect();
    for (index, before) in new.twins.iter().enumerate() {
        if let Some(twin) = before.and_then(|before| old.twins.get_mut(before)) {
            *twin = Some(index);
        }
    }
}
