//! One subject, and one pattern of a rule that is for them: what the other policy leaves of it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::nearby::{Close, Nearby};
use super::side::{Side, at};
use super::{Change, Deeds, Example, Found, One, are_same};
use crate::core::name::{Name, Resource};
use crate::core::pattern::Pattern;
use crate::core::policy::{Actions, Allow, ApprovalRule, Effect, Rule};
use crate::core::reach::cover::Regions;
use crate::core::reach::demand::{self, Entry, Person};
use crate::core::reach::{is_settled, people};
use crate::core::region::TooHard;
use crate::core::time::Duration;

/// One subject in two policies.
pub(super) struct About<'a, 's> {
    pub(super) names: &'s [&'a Name],
    pub(super) who: Person,
    pub(super) name: &'a Name,
    pub(super) base: &'s Side<'a>,
    pub(super) other: &'s Side<'a>,
}

/// The deny rules near a pattern that are for the subject.
pub(super) struct Denials<'a, 'n> {
    /// Those of `base` that always hold.
    base: Vec<&'n Close<'a>>,
    /// Others of it.
    pub(super) base_timed: Vec<&'n Close<'a>>,
    /// Those of `other` that always hold.
    other: Vec<&'n Close<'a>>,
    /// Others of it.
    pub(super) timed: Vec<&'n Close<'a>>,
}

/// What there is beside a pattern for all who are alike but for approvals, and what is known of it.
pub(super) struct Beside<'a, 'n> {
    near: &'n Nearby<'a>,
    /// Whether they ask by a security key.
    touched: bool,
    /// The allow rules of `other`.
    pub(super) others: Allowing<'a, 'n>,
    pub(super) denials: Denials<'a, 'n>,
    /// What can be done by the rule.
    actions: Vec<Name>,
    /// What the rule asks beside approvals.
    conditions: Arc<[String]>,
    left: RefCell<HashMap<Covered, Result<Option<Resource>, TooHard>>>,
    holes: RefCell<HashMap<BTreeSet<Name>, Holes<'a>>>,
}

/// An action by its number, the allow rules of `other` that cover a pattern, and what is looked for.
type Covered = (usize, Vec<usize>, Kind);
/// Deny rules of `base` and of `other`.
type Holes<'a> = (Arc<[&'a Rule]>, Arc<[&'a Rule]>);
/// Allow rules of `other`.
pub(super) type Allowing<'a, 'n> = Vec<(&'n Close<'a>, &'a Allow)>;
/// What came of one span of durations: per action, more or easier, and an example if that is sure.
type Outcome = BTreeMap<Name, (Kind, Option<Example>)>;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Kind {
    More,
    Easier,
}

impl<'a> About<'a, '_> {
    /// Picks out what is for the subject.
    pub(super) fn beside<'n>(&self, one: &One<'a>, near: &'n Nearby<'a>) -> Beside<'a, 'n> {
        let touched = one.allow.require_hardware_key || !demand::keys_of(&self.base.keys, self.who).plain;
        let (others, denials) = (self.others(near, touched), self.denials(near));
        let actions = match &one.rule.actions {
            Actions::These(actions) => actions.iter().cloned().collect(),
            Actions::Any => {
                let rules = others.iter().map(|(close, _)| *close).chain(denials.all()).map(|close| close.rule);
                people::actions_and_another(rules.map(|rule| &rule.actions))
            }
        };
        let conditions = self.said(self.base, one.rule, one.allow, &[]).into();
        let (left, holes) = (RefCell::default(), RefCell::default());
        Beside { near, touched, others, denials, actions, conditions, left, holes }
    }

    /// Returns what there is more than in `other`, and what is easier.
    pub(super) fn look(&self, one: &One<'a>, beside: &Beside<'a, '_>, regions: &mut Regions<'a>) -> Found<'a> {
        let (mut more, mut easier) = (Vec::new(), Vec::new());
        if one.allow.require_hardware_key && !demand::keys_of(&self.base.keys, self.who).security {
            return (more, easier);
        }
        let mut spans = people::steps(one.allow);
        for (_, allow) in &beside.others {
            spans.extend(people::steps(allow).into_iter().filter(|bound| *bound < one.allow.max));
        }
        let mut over = None;
        for up_to in spans {
            let found = self.look_at(one, up_to, beside, regions);
            for (kind, into) in [(Kind::More, &mut more), (Kind::Easier, &mut easier)] {
                for is_sure in [true, false] {
                    let is_it = |(_, (found, example)): &(&Name, &(Kind, Option<Example>))| {
                        *found == kind && example.is_some() == is_sure
                    };
                    let mut picked = found.iter().filter(is_it).peekable();
                    let Some((_, (_, example))) = picked.peek().copied() else { continue };
                    let picked: BTreeSet<Name> = picked.map(|(action, _)| action.clone()).collect();
                    let (except, denied_by) = self.holes(&picked, beside, regions);
                    let mut change = self.change(one, beside, deeds(&one.rule.actions, &beside.actions, picked), up_to);
                    (change.except, change.denied_by) = (except, denied_by);
                    change.over = over;
                    change.example = example.clone();
                    if kind == Kind::Easier {
                        self.compare_conditions(one, up_to, beside, &mut change);
                    }
                    join(into, change);
                }
            }
            over = Some(up_to);
        }
        (more, easier)
    }

    /// Picks the allow rules of `other` for the subject that a request takes no more keys for.
    fn others<'n>(&self, near: &'n Nearby<'a>, touched: bool) -> Allowing<'a, 'n> {
        let keys = demand::keys_of(&self.other.keys, self.who);
        let own = near.allowing.iter().filter(|close| self.other.is_for(close.index, self.who));
        let allowing = own.filter_map(|close| match &close.rule.effect {
            Effect::Allow(allow) => Some((close, allow)),
            Effect::Deny => None,
        });
        allowing.filter(|(_, allow)| demand::is_no_weaker(keys, allow.require_hardware_key, touched)).collect()
    }

    /// Picks the deny rules of both for the subject.
    fn denials<'n>(&self, near: &'n Nearby<'a>) -> Denials<'a, 'n> {
        let of = |side: &Side<'a>, near: &'n [Close<'a>]| -> (Vec<&'n Close<'a>>, Vec<&'n Close<'a>>) {
            // Many of them are for the same people.
            let mut last = (None, false);
            let own = near.iter().filter(|close| {
                let audience = side.audience_of(close.index);
                if last.0 != audience {
                    last = (audience, side.is_for(close.index, self.who));
                }
                last.1
            });
            own.partition(|close| match side.is_by_turns(close.index) {
                true => is_settled(side.policy, close.rule, self.name, None),
                false => close.rule.hours.is_empty(),
            })
        };
        let (base, base_timed) = of(self.base, &near.base_denying);
        let (other, timed) = of(self.other, &near.denying);
        Denials { base, base_timed, other, timed }
    }

    /// Asks of each action whether some of it is more than `other` gives, or easier, for just that long.
    fn look_at(&self, one: &One<'a>, up_to: Duration, beside: &Beside<'a, '_>, regions: &mut Regions<'a>) -> Outcome {
        let demand = self.base.demand(one.index, up_to, self.who);
        let long_enough: Vec<_> = beside.others.iter().filter(|(_, allow)| allow.max >= up_to).collect();
        let demands: Vec<Vec<Entry<'_>>> =
            long_enough.iter().map(|(close, _)| self.other.demand(close.index, up_to, self.who)).collect();
        let always = (0..demands.len())
            .filter(|index| demands.get(*index).is_some_and(|other| demand::plainly_implies(&demand, other)));
        let always: Vec<usize> = always.collect();
        let mut exact = None;
        let mut found = Outcome::new();
        for asked in beside.actions.iter().enumerate() {
            let (_, action) = asked;
            let rules_of = |meets: &[usize], kind: Kind| -> Vec<&Close<'a>> {
                let met = meets.iter().filter_map(|index| long_enough.get(*index));
                met.filter(|(close, _)| close.matches(action))
                    .filter(|(close, allow)| kind == Kind::More || self.asks_no_more((close.rule, allow), one, up_to))
                    .map(|(close, _)| *close)
                    .collect()
            };
            for kind in [Kind::More, Kind::Easier] {
                // What each set of approvers meets is needed only where what all of them meet does not do.
                if self.left(beside, asked, &rules_of(&always, kind), kind, regions) == Ok(None) {
                    // Nothing at all may be left because nobody can approve it: that is no access either.
                    continue;
                }
                let meetings = exact.get_or_insert_with(|| demand::meetings(&demand, &demands));
                let meetings = match meetings {
                    Ok(meetings) => meetings,
                    Err(TooHard) => {
                        found.insert(action.clone(), (kind, None));
                        break;
                    }
                };
                let mut outcome = None;
                for meeting in meetings.iter() {
                    match self.left(beside, asked, &rules_of(&meeting.meets, kind), kind, regions) {
                        Ok(None) => {}
                        Ok(Some(resource)) => {
                            let approved_by = meeting
                                .people
                                .iter()
                                .filter_map(|who| at(self.names, *who))
                                .map(|name| (*name).clone())
                                .collect();
                            outcome = Some(Some(Example { resource, action: action.clone(), approved_by }));
                            break;
                        }
                        Err(TooHard) => outcome = Some(None),
                    }
                }
                if let Some(example) = outcome {
                    found.insert(action.clone(), (kind, example));
                    break;
                }
            }
        }
        found
    }

    /// Describes what the rule gives.
    fn change(&self, one: &One<'a>, beside: &Beside<'a, '_>, actions: Deeds, up_to: Duration) -> Change<'a> {
        let applying = one.allow.approvals.iter().filter(|entry| entry.applies_to(up_to));
        Change {
            subjects: Arc::new([self.name]),
            rule: one.rule,
            resources: one.pattern,
            actions,
            over: None,
            up_to,
            approvals: applying.map(|entry| ApprovalRule { longer_than: None, ..entry.clone() }.to_string()).collect(),
            by_security_key: beside.touched,
            conditions: Arc::clone(&beside.conditions),
            instead: Vec::new(),
            except: Arc::new([]),
            denied_by: Arc::new([]),
            example: None,
        }
    }

    /// Returns a resource of the pattern that `base` does not deny, and that none of `covering` is for or `other` denies.
    fn left(
        &self,
        beside: &Beside<'a, '_>,
        (number, action): (usize, &Name),
        covering: &[&Close<'a>],
        kind: Kind,
        regions: &mut Regions<'a>,
    ) -> Result<Option<Resource>, TooHard> {
        // Where no deny rule holds only at times, the same is looked for.
        let kind = if beside.denials.timed.is_empty() { Kind::More } else { kind };
        let key = (number, covering.iter().map(|close| close.index).collect(), kind);
        if let Some(known) = beside.left.borrow().get(&key) {
            return known.clone();
        }
        let left = self.look_for_left(beside, action, covering, kind, regions);
        beside.left.borrow_mut().insert(key, left.clone());
        left
    }

    fn look_for_left(
        &self,
        Beside { near, denials, .. }: &Beside<'a, '_>,
        action: &Name,
        covering: &[&Close<'a>],
        kind: Kind,
        regions: &mut Regions<'a>,
    ) -> Result<Option<Resource>, TooHard> {
        let denied = of_action(&denials.base, action);
        let outside: Vec<&Close<'a>> = covering.iter().chain(&denied).copied().collect();
        let uncovered = match near.plainly_left(&outside) {
            Some(uncovered) => uncovered,
            None => regions.example(&[near.pattern], &patterns(&outside))?,
        };
        if uncovered.is_some() {
            return Ok(uncovered);
        }
        for close in of_action(&denials.other, action) {
            let taken = self.taken(near.pattern, close, &denied, regions)?;
            if taken.is_some() {
                return Ok(taken);
            }
        }
        if kind == Kind::Easier {
            for close in of_action(&denials.timed, action) {
                // Those of `base` that deny it at all the same hours.
                let as_long = of_action(&denials.base_timed, action);
                let as_long = as_long.into_iter().filter(|own| self.is_as_long(own.rule, close.rule));
                let outside: Vec<&Close<'a>> = denied.iter().copied().chain(as_long).collect();
                let taken = self.taken(near.pattern, close, &outside, regions)?;
                if taken.is_some() {
                    return Ok(taken);
                }
            }
        }
        Ok(None)
    }

    /// Returns a resource of the pattern that a deny rule of `other` takes away, and none of `outside`, deny rules of `base`.
    fn taken(
        &self,
        pattern: &'a Pattern,
        close: &Close<'a>,
        outside: &[&Close<'a>],
        regions: &mut Regions<'a>,
    ) -> Result<Option<Resource>, TooHard> {
        let outside = self.outside(close, outside, regions);
        for denied in close.about() {
            let taken = regions.example(&[pattern, denied], &patterns(&outside))?;
            if taken.is_some() {
                return Ok(taken);
            }
        }
        Ok(None)
    }

    /// Returns which of these deny rules of `base` may take away something of what one of `other` denies.
    fn outside<'n>(
        &self,
        close: &Close<'a>,
        outside: &[&'n Close<'a>],
        regions: &mut Regions<'a>,
    ) -> Vec<&'n Close<'a>> {
        let near = regions.near(close.index, &close.rule.resources, &self.base.denying);
        if near.is_empty() {
            return Vec::new();
        }
        outside.iter().copied().filter(|own| near.binary_search(&own.index).is_ok()).collect()
    }

    /// Returns the deny rules of `base` that take something of the pattern away, and those of `other` that take away something
    /// of what is left.
    fn holes(&self, actions: &BTreeSet<Name>, beside: &Beside<'a, '_>, regions: &mut Regions<'a>) -> Holes<'a> {
        if let Some(known) = beside.holes.borrow().get(actions) {
            return known.clone();
        }
        let denials = &beside.denials;
        let is_hole = |close: &&&Close<'a>| actions.iter().any(|action| close.matches(action));
        let except = denials.base.iter().filter(is_hole).map(|close| close.rule).collect();
        let left: Vec<(&Name, Vec<&Close<'a>>)> =
            actions.iter().map(|action| (action, of_action(&denials.base, action))).collect();
        let mut is_denying = |close: &&&Close<'a>| {
            left.iter().filter(|(action, _)| close.matches(action)).any(|(_, denied)| {
                let outside = self.outside(close, denied, regions);
                // Who can't be sure that it takes nothing says that it may.
                outside.is_empty()
                    || close.about().any(|pattern| {
                        regions.example(&[beside.near.pattern, pattern], &patterns(&outside)) != Ok(None)
                    })
            })
        };
        let denied_by = denials.other.iter().filter(|close| is_denying(close)).map(|close| close.rule).collect();
        let holes: Holes<'a> = (except, denied_by);
        beside.holes.borrow_mut().insert(actions.clone(), holes.clone());
        holes
    }
}

impl<'a, 'n> Denials<'a, 'n> {
    fn all(&self) -> impl Iterator<Item = &'n Close<'a>> {
        [&self.base, &self.base_timed, &self.other, &self.timed].into_iter().flatten().copied()
    }
}

fn of_action<'a, 'n>(rules: &[&'n Close<'a>], action: &Name) -> Vec<&'n Close<'a>> {
    rules.iter().copied().filter(|close| close.matches(action)).collect()
}

fn patterns<'a>(rules: &[&Close<'a>]) -> Vec<&'a Pattern> {
    rules.iter().flat_map(|close| close.about()).collect()
}

/// Says which actions are meant by some of those that were asked about; of any, the last of them stood for all others.
fn deeds(of: &Actions, asked: &[Name], picked: BTreeSet<Name>) -> Deeds {
    match of {
        Actions::Any if asked.last().is_some_and(|other| picked.contains(other)) => {
            Deeds::AllBut(asked.iter().filter(|action| !picked.contains(*action)).cloned().collect())
        }
        Actions::Any | Actions::These(_) => Deeds::These(picked),
    }
}

/// Adds a change, to the one before it where that is the same for shorter requests.
fn join<'a>(into: &mut Vec<Change<'a>>, change: Change<'a>) {
    match into.last_mut() {
        Some(last) if change.over == Some(last.up_to) && is_same(last, &change) => last.up_to = change.up_to,
        _ => into.push(change),
    }
}

/// Tells whether two changes by one rule are the same but for durations and examples.
fn is_same(one: &Change<'_>, other: &Change<'_>) -> bool {
    one.example.is_some() == other.example.is_some()
        && (&one.actions, &one.approvals, &one.conditions) == (&other.actions, &other.approvals, &other.conditions)
        && one.instead == other.instead
        && are_same(&one.except, &other.except)
        && are_same(&one.denied_by, &other.denied_by)
}
