//! Two policies held against each other: who gains what, and who loses what.
//!
//! Somebody *gains* something where, for some resource, action and duration, some people can approve a request of theirs
//! under the new policy, and the same people, by keys that ask no more of anybody, could not under the old one. *Losing* is
//! the same the other way round. This is exact over all resources, actions, durations and sets of approvers; deny rules
//! that hold at any hour are counted, and so is which keys people have.
//!
//! Reasons, hours (those of deny rules, too) and limits are conditions on top. Where the access as such is the same and the
//! conditions ask less than before in some respect, it is *eased*; the other way round, *tightened*; where they are just
//! other ones, it is both.
//!
//! **How.** Each rule that one policy has for somebody and the other has not in the same words is taken apart: by pattern,
//! by duration (between two bounds that any rule names, nothing changes), and by sets of approvers that just meet it. The
//! rules of the other policy that such a set meets cover their patterns; whatever of the rule's own pattern they leave, or
//! a deny rule that is no more takes out of them, is gained. Who has the same rules as before is not looked at.

mod alike;
mod notes;
mod side;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::thread;

use crate::core::name::{Name, Resource};
use crate::core::near::may_overlap;
use crate::core::pattern::Pattern;
use crate::core::policy::{Actions, Allow, ApprovalRule, Effect, Limits, Policy, ReasonRule, Rotation, Rule};
use crate::core::region::TooHard;
use crate::core::time::Duration;

use super::cover::Regions;
use super::demand::{self, Entry, Person};
use super::people;
use alike::{Alike, Nearby};
use notes::notes;
use side::{Side, approvals, at, find_twins};

/// How the reach of one policy differs from that of another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// What somebody can have, and could not before; rules are the new policy's.
    pub gains: Vec<Change>,
    /// What somebody could have, and can't any more; rules are the old policy's.
    pub losses: Vec<Change>,
    /// What asks less than before beside approvals, or other things; rules are the new policy's.
    pub eased: Vec<Change>,
    /// What asks more than before beside approvals, or other things; rules are the old policy's.
    pub tightened: Vec<Change>,
    /// What else has changed in settings, keys and usual durations, in words.
    pub notes: Vec<String>,
}

impl Comparison {
    /// Tells whether nobody's reach has changed, nor the conditions on it.
    pub fn is_empty(&self) -> bool {
        [&self.gains, &self.losses, &self.eased, &self.tightened].into_iter().all(Vec::is_empty)
    }

    /// Tells whether somebody gains anything, or might: conditions that are eased let people in whom they kept out.
    pub fn gives(&self) -> bool {
        !self.gains.is_empty() || !self.eased.is_empty()
    }
}

/// A difference for one subject, by one pattern of one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Who.
    pub subject: Name,
    /// By which rule of the policy that gives it.
    pub rule: Name,
    /// On some resources of this pattern of the rule.
    pub resources: Pattern,
    /// What can be done.
    pub actions: Deeds,
    /// For longer than this; none from the shortest on.
    pub over: Option<Duration>,
    /// For this long at most.
    pub up_to: Duration,
    /// What that policy wants approved.
    pub approvals: Vec<String>,
    /// Whether it wants a request by a security key.
    pub by_security_key: bool,
    /// What else it asks.
    pub conditions: Vec<String>,
    /// What the other policy asks beside approvals, where that is the difference: one text for each rule.
    pub instead: Vec<String>,
    /// The deny rules of that policy that take something of the pattern away at any hour, by id.
    pub except: Vec<Hole>,
    /// The deny rules of the other policy that take away something that this one leaves, by id.
    pub denied_by: Vec<Hole>,
    /// One case of it; none where patterns or approvals are too intricate to tell whether there is any.
    pub example: Option<Example>,
}

/// What a deny rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hole {
    /// The rule.
    pub rule: Name,
    /// What it denies.
    pub resources: Vec<Pattern>,
    /// To do what.
    pub actions: Actions,
}

/// One case of a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// For what.
    pub resource: Resource,
    /// To do what.
    pub action: Name,
    /// Approved by whom.
    pub approved_by: Vec<Name>,
}

/// Actions out of all there are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deeds {
    /// These.
    These(BTreeSet<Name>),
    /// All but these; perhaps all.
    AllBut(BTreeSet<Name>),
}

impl Deeds {
    /// Tells whether `action` is one of them.
    pub fn contains(&self, action: &Name) -> bool {
        match self {
            Deeds::These(actions) => actions.contains(action),
            Deeds::AllBut(actions) => !actions.contains(action),
        }
    }
}

impl fmt::Display for Deeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |actions: &BTreeSet<Name>| actions.iter().map(Name::to_string).collect::<Vec<_>>().join(", ");
        match self {
            Deeds::These(actions) => f.write_str(&list(actions)),
            Deeds::AllBut(actions) if actions.is_empty() => f.write_str("*"),
            Deeds::AllBut(actions) => write!(f, "* but {}", list(actions)),
        }
    }
}

/// Returns what changes from the old policy to the new one.
pub fn compare(old: &Policy, new: &Policy) -> Comparison {
    let names: BTreeSet<&Name> = old.identities().keys().chain(new.identities().keys()).collect();
    let names: Vec<&Name> = names.into_iter().collect();
    let (mut old, mut new) = (Side::new(old, &names), Side::new(new, &names));
    find_twins(&mut old, &mut new);
    let given = |base, other| given(&names, base, other, &mut Regions::default());
    let ((gains, eased), (losses, tightened)) = thread::scope(|scope| {
        let lost = scope.spawn(|| given(&old, &new));
        let gained = given(&new, &old);
        (gained, lost.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    Comparison { gains, losses, eased, tightened, notes: notes(old.policy, new.policy) }
}

/// Returns what `base` gives and `other` does not, and what both give and `base` asks less for.
fn given<'a>(
    names: &[&'a Name],
    base: &Side<'a>,
    other: &Side<'a>,
    regions: &mut Regions<'a>,
) -> (Vec<Change>, Vec<Change>) {
    let (mut more, mut easier) = (Vec::new(), Vec::new());
    let (mut nearby, mut alike) = (Nearby::default(), Alike::default());
    for (who, name) in (0..).zip(names) {
        if !demand::keys_of(&base.keys, who).is_any() {
            continue;
        }
        let is_same_person = at(&base.owners, who) == at(&other.owners, who)
            && at(&base.keys, who) == at(&other.keys, who)
            && at(&base.is_person, who) == at(&other.is_person, who);
        // Whether a rule of one policy is for them in the other as well.
        let known = |index: usize, side: &Side<'a>, elsewhere: &Side<'a>| {
            let twin = side.twins.get(index).copied().flatten();
            let turns = |side: &Side<'a>, index: usize| {
                side.rules.get(index).map(|rule| people::turns(side.policy, &rule.subjects, name))
            };
            twin.is_some_and(|twin| {
                elsewhere.rules_of(who).binary_search(&twin).is_ok() && turns(side, index) == turns(elsewhere, twin)
            })
        };
        if is_same_person
            && base.rules_of(who).iter().all(|index| known(*index, base, other))
            && other.rules_of(who).iter().all(|index| known(*index, other, base))
        {
            continue;
        }
        let rules = |side: &Side<'a>| -> Vec<(usize, &'a Rule)> {
            side.rules_of(who).iter().filter_map(|index| Some((*index, *side.rules.get(*index)?))).collect()
        };
        let (own, theirs) = (rules(base), rules(other));
        // What `other` denies and `base` does not.
        let denied: Vec<&'a Rule> = theirs
            .iter()
            .filter(|(index, rule)| is_deny(rule) && !known(*index, other, base))
            .map(|(_, rule)| *rule)
            .collect();
        let is_touched = |rule: &Rule| rules_overlap(&denied, &rule.resources);
        let fresh: Vec<(usize, &'a Rule)> = own
            .iter()
            .copied()
            .filter(|(_, rule)| !is_deny(rule))
            .filter(|(index, rule)| !is_same_person || !known(*index, base, other) || is_touched(rule))
            .collect();
        if fresh.is_empty() {
            continue;
        }
        let person = About { names, who, name, base, other };
        for (index, rule) in fresh {
            let Effect::Allow(allow) = &rule.effect else { continue };
            for pattern in &rule.resources {
                let one = One { index, rule, allow, pattern };
                let beside = person.beside(nearby.to(pattern, base, other));
                let found = alike.of(&person, &one, &beside, || person.look(&one, &beside, regions));
                more.extend(found.0);
                easier.extend(found.1);
            }
        }
    }
    (more, easier)
}

fn is_deny(rule: &Rule) -> bool {
    matches!(rule.effect, Effect::Deny)
}

fn rules_overlap(rules: &[&Rule], patterns: &[Pattern]) -> bool {
    rules.iter().any(|rule| patterns.iter().any(|pattern| is_near(rule, pattern)))
}

fn is_near(rule: &Rule, pattern: &Pattern) -> bool {
    rule.resources.iter().any(|one| may_overlap(one, pattern))
}

/// One pattern of one rule of `base`.
struct One<'a> {
    index: usize,
    rule: &'a Rule,
    allow: &'a Allow,
    pattern: &'a Pattern,
}

/// One subject in two policies.
struct About<'a, 's> {
    names: &'s [&'a Name],
    who: Person,
    name: &'a Name,
    base: &'s Side<'a>,
    other: &'s Side<'a>,
}

/// What both policies have to say of a subject and what is near a pattern.
struct Beside<'a> {
    /// The allow rules of `other`.
    allows: Vec<(usize, &'a Rule)>,
    /// Deny rules of `base`, those of them that always hold and others, then those of `other`.
    denials: [Vec<&'a Rule>; 4],
    /// All of these, of `base` and of `other`, by number.
    numbers: [Vec<usize>; 2],
}

/// What came of one span of durations: per action, more or easier, and an example if that is sure.
type Found = BTreeMap<Name, (Kind, Option<Example>)>;
/// Allow rules, by number.
type Allowing<'a> = Vec<(usize, &'a Rule, &'a Allow)>;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    More,
    Easier,
}

impl<'a> About<'a, '_> {
    /// Picks the rules for the subject out of those that are near something.
    fn beside(&self, near: &[Vec<usize>; 2]) -> Beside<'a> {
        let [base, other] = near;
        let own = |side: &Side<'a>, near: &[usize]| -> Vec<(usize, &'a Rule)> {
            let theirs = side.rules_of(self.who);
            let mine = near.iter().filter(|index| theirs.binary_search(index).is_ok());
            mine.filter_map(|index| Some((*index, *side.rules.get(*index)?))).collect()
        };
        let denying = |side: &Side<'a>, rules: &[(usize, &'a Rule)], timed: bool| -> Vec<&'a Rule> {
            let denying = rules.iter().map(|(_, rule)| *rule).filter(|rule| is_deny(rule));
            denying.filter(|rule| super::is_settled(side.policy, rule, self.name, None) != timed).collect()
        };
        let (base_rules, rules) = (own(self.base, base), own(self.other, other));
        let denials = [
            denying(self.base, &base_rules, false),
            denying(self.base, &base_rules, true),
            denying(self.other, &rules, false),
            denying(self.other, &rules, true),
        ];
        let base_denials = base_rules.iter().filter(|(_, rule)| is_deny(rule)).map(|(index, _)| *index);
        let numbers = [base_denials.collect(), rules.iter().map(|(index, _)| *index).collect()];
        let allows = rules.into_iter().filter(|(_, rule)| !is_deny(rule)).collect();
        Beside { allows, denials, numbers }
    }

    /// Returns what there is more than in `other`, and what is easier.
    fn look(&self, one: &One<'a>, beside: &Beside<'a>, regions: &mut Regions<'a>) -> (Vec<Change>, Vec<Change>) {
        let (mut more, mut easier) = (Vec::new(), Vec::new());
        let keys = demand::keys_of(&self.base.keys, self.who);
        if one.allow.require_hardware_key && !keys.security {
            return (more, easier);
        }
        let touched = one.allow.require_hardware_key || !keys.plain;
        let others: Allowing<'a> = beside
            .allows
            .iter()
            .filter_map(|(index, rule)| match &rule.effect {
                Effect::Allow(allow) => Some((*index, *rule, allow)),
                Effect::Deny => None,
            })
            .filter(|(_, _, allow)| {
                let keys = demand::keys_of(&self.other.keys, self.who);
                demand::is_no_weaker(keys, allow.require_hardware_key, touched)
            })
            .collect();
        let denials = &beside.denials;
        let actions = match &one.rule.actions {
            Actions::These(actions) => actions.iter().cloned().collect(),
            Actions::Any => people::actions_and_another(
                others
                    .iter()
                    .map(|(_, rule, _)| *rule)
                    .chain(denials.iter().flatten().copied())
                    .map(|rule| &rule.actions),
            ),
        };
        let mut spans = people::steps(one.allow);
        for (_, _, allow) in &others {
            spans.extend(people::steps(allow).into_iter().filter(|bound| *bound < one.allow.max));
        }
        let mut over = None;
        for up_to in spans {
            let found = self.look_at(one, up_to, &others, denials, &actions, regions);
            for (kind, into) in [(Kind::More, &mut more), (Kind::Easier, &mut easier)] {
                for is_sure in [true, false] {
                    let is_it = |(_, (found, example)): &(&Name, &(Kind, Option<Example>))| {
                        *found == kind && example.is_some() == is_sure
                    };
                    let mut picked = found.iter().filter(is_it).peekable();
                    let Some((_, (_, example))) = picked.peek().copied() else { continue };
                    let picked: BTreeSet<Name> = picked.map(|(action, _)| action.clone()).collect();
                    let (except, denied_by) = holes(one, &picked, denials, regions);
                    let mut change = self.change(one, touched, deeds(&one.rule.actions, &actions, picked), up_to);
                    (change.except, change.denied_by) = (except, denied_by);
                    change.over = over;
                    change.example = example.clone();
                    if kind == Kind::Easier {
                        self.compare_conditions(one, up_to, &others, denials, &mut change);
                    }
                    join(into, change);
                }
            }
            over = Some(up_to);
        }
        (more, easier)
    }

    /// Asks of each action whether some of it is more than `other` gives, or easier, for just that long.
    fn look_at(
        &self,
        one: &One<'a>,
        up_to: Duration,
        others: &Allowing<'a>,
        denials: &[Vec<&'a Rule>; 4],
        actions: &[Name],
        regions: &mut Regions<'a>,
    ) -> Found {
        let demand = self.base.demand(one.index, up_to, self.who);
        let long_enough: Vec<_> = others.iter().filter(|(_, _, allow)| allow.max >= up_to).collect();
        let demands: Vec<Vec<Entry<'_>>> =
            long_enough.iter().map(|(index, _, _)| self.other.demand(*index, up_to, self.who)).collect();
        let always = (0..demands.len())
            .filter(|index| demands.get(*index).is_some_and(|other| demand::plainly_implies(&demand, other)));
        let always: Vec<usize> = always.collect();
        let mut exact = None;
        let mut found = Found::new();
        for action in actions {
            let rules_of = |meets: &[usize], kind: Kind| -> Vec<&'a Rule> {
                let met = meets.iter().filter_map(|index| long_enough.get(*index));
                met.filter(|(_, rule, _)| rule.actions.matches(action))
                    .filter(|(_, rule, allow)| kind == Kind::More || self.asks_no_more((rule, allow), one, up_to))
                    .map(|(_, rule, _)| *rule)
                    .collect()
            };
            for kind in [Kind::More, Kind::Easier] {
                // What each set of approvers meets is needed only where what all of them meet does not do.
                if self.left(one, action, &rules_of(&always, kind), denials, kind, regions) == Ok(None) {
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
                    match self.left(one, action, &rules_of(&meeting.meets, kind), denials, kind, regions) {
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

    fn said(&self, side: &Side<'a>, rule: &Rule, allow: &Allow, denials: &[&Rule]) -> Vec<String> {
        super::said_to(side.policy, rule, allow, self.name, None, denials, false)
    }

    /// Tells whether `other` asks by a rule, beside approvals and keys, no more than `base` does by one of requests for just
    /// that long: of the same reason, at the same hours, and of nobody to be on call where they need not be.
    fn asks_no_more(&self, (rule, allow): (&Rule, &Allow), one: &One<'a>, duration: Duration) -> bool {
        let name = self.name;
        let subject_turns = |side: &Side<'a>, rule: &Rule| people::turns(side.policy, &rule.subjects, name);
        turns_ask_no_more(&subject_turns(self.other, rule), &subject_turns(self.base, one.rule))
            && self.approver_turns_ask_no_more(rule, one, duration)
            && asks_no_more((self.other.policy, rule, allow), (self.base.policy, one.rule, one.allow))
    }

    /// Tells whether whoever can approve by one rule of `base`, while that is their turn, can by the rule of `other`.
    fn approver_turns_ask_no_more(&self, rule: &Rule, one: &One<'a>, duration: Duration) -> bool {
        let name = self.name;
        let of_rotations = people::approving_turns(self.other.policy, approvals(rule));
        let people: BTreeSet<&Name> = of_rotations.values().flat_map(|rotation| rotation.people()).collect();
        people.into_iter().all(|who| {
            let turns = |side: &Side<'a>, rule: &Rule| -> Vec<Turns<'a>> {
                let policy = side.policy;
                let could = |entry: &&ApprovalRule| {
                    entry.applies_to(duration)
                        && people::may_judge(policy, name, who)
                        && policy.could_select(&entry.from, who)
                };
                approvals(rule).iter().filter(could).map(|entry| people::turns(policy, &entry.from, who)).collect()
            };
            let (theirs, own) = (turns(self.other, rule), turns(self.base, one.rule));
            theirs == own || theirs.iter().all(|theirs| own.iter().all(|own| turns_ask_no_more(theirs, own)))
        })
    }

    /// Tells whether a deny rule of `base` stops them whenever one of `other` does.
    fn is_as_long(&self, own: &Rule, rule: &Rule) -> bool {
        let name = self.name;
        let own_turns = people::turns(self.base.policy, &own.subjects, name);
        let turns = people::turns(self.other.policy, &rule.subjects, name);
        let same_hours = own.hours.is_empty()
            || (!rule.hours.is_empty() && rule.hours.iter().all(|hours| own.hours.contains(hours)));
        turns_ask_no_more(&own_turns, &turns) && same_hours
    }

    /// Describes what the rule gives.
    fn change(&self, one: &One<'a>, by_security_key: bool, actions: Deeds, up_to: Duration) -> Change {
        let applying = one.allow.approvals.iter().filter(|entry| entry.applies_to(up_to));
        Change {
            subject: self.name.clone(),
            rule: one.rule.id.clone(),
            resources: one.pattern.clone(),
            actions,
            over: None,
            up_to,
            approvals: applying.map(|entry| ApprovalRule { longer_than: None, ..entry.clone() }.to_string()).collect(),
            by_security_key,
            conditions: self.said(self.base, one.rule, one.allow, &[]),
            instead: Vec::new(),
            except: Vec::new(),
            denied_by: Vec::new(),
            example: None,
        }
    }

    /// Says what both policies ask beside approvals, in the example or (where there is none) anywhere near.
    fn compare_conditions(
        &self,
        one: &One<'a>,
        up_to: Duration,
        others: &Allowing<'a>,
        [_, base_timed, _, timed]: &[Vec<&'a Rule>; 4],
        change: &mut Change,
    ) {
        let example = change.example.clone();
        let is_about = |rule: &Rule| {
            example.as_ref().is_none_or(|example| {
                rule.actions.matches(&example.action) && rule.resources.iter().any(|one| one.matches(&example.resource))
            })
        };
        let about = |rules: &[&'a Rule]| rules.iter().copied().filter(|rule| is_about(rule)).collect::<Vec<_>>();
        change.conditions = self.said(self.base, one.rule, one.allow, &about(base_timed));
        let theirs =
            others.iter().filter(|(_, rule, allow)| allow.max >= up_to && is_about(rule)).map(|(_, rule, allow)| {
                let asked = self.said(self.other, rule, allow, &about(timed));
                if asked.is_empty() { "nothing".to_owned() } else { asked.join("; ") }
            });
        let theirs: BTreeSet<String> = theirs.collect();
        change.instead = theirs.into_iter().collect();
    }

    /// Returns a resource of the pattern that `base` does not deny, and that none of `covering` is for or `other` denies.
    fn left(
        &self,
        one: &One<'a>,
        action: &Name,
        covering: &[&'a Rule],
        [base_denials, base_timed, denials, timed]: &[Vec<&'a Rule>; 4],
        kind: Kind,
        regions: &mut Regions<'a>,
    ) -> Result<Option<Resource>, TooHard> {
        let near = |rules: &[&'a Rule]| -> Vec<&'a Pattern> {
            let about = rules.iter().filter(|rule| rule.actions.matches(action)).flat_map(|rule| &rule.resources);
            about.filter(|other| may_overlap(other, one.pattern)).collect()
        };
        let denied = near(base_denials);
        let uncovered = regions.example(&[one.pattern], &[near(covering), denied.clone()].concat())?;
        if uncovered.is_some() {
            return Ok(uncovered);
        }
        for pattern in near(denials) {
            let taken = regions.example(&[one.pattern, pattern], &denied)?;
            if taken.is_some() {
                return Ok(taken);
            }
        }
        if kind == Kind::Easier {
            for rule in timed.iter().filter(|rule| rule.actions.matches(action)) {
                // Those of `base` that deny it at all the same hours.
                let as_long = base_timed.iter().copied().filter(|own| self.is_as_long(own, rule));
                let outside = [denied.clone(), near(&as_long.collect::<Vec<_>>())].concat();
                for pattern in near(&[rule]) {
                    let taken = regions.example(&[one.pattern, pattern], &outside)?;
                    if taken.is_some() {
                        return Ok(taken);
                    }
                }
            }
        }
        Ok(None)
    }
}

/// Returns the deny rules of `base` that take something of the pattern away, and those of `other` that take away something of
/// what is left.
fn holes<'a>(
    one: &One<'a>,
    actions: &BTreeSet<Name>,
    [base_denials, _, denials, _]: &[Vec<&'a Rule>; 4],
    regions: &mut Regions<'a>,
) -> (Vec<Hole>, Vec<Hole>) {
    let near = |rule: &'a Rule| rule.resources.iter().filter(|pattern| may_overlap(pattern, one.pattern));
    let mut takes = |rule: &'a Rule, action: &Name, outside: &[&'a Pattern]| {
        // Who can't be sure that it takes nothing says that it may.
        let takes = |pattern| regions.example(&[one.pattern, pattern], outside) != Ok(None);
        rule.actions.matches(action) && near(rule).any(takes)
    };
    let hole =
        |rule: &Rule| Hole { rule: rule.id.clone(), resources: rule.resources.clone(), actions: rule.actions.clone() };
    let is_hole = |rule: &&&'a Rule| actions.iter().any(|action| takes(rule, action, &[]));
    let except = base_denials.iter().filter(is_hole).map(|rule| hole(rule)).collect();
    let left_by_base = |action: &Name| -> Vec<&'a Pattern> {
        base_denials.iter().filter(|rule| rule.actions.matches(action)).flat_map(|rule| near(rule)).collect()
    };
    let left: Vec<(&Name, Vec<&'a Pattern>)> = actions.iter().map(|action| (action, left_by_base(action))).collect();
    let is_denying = |rule: &&&'a Rule| left.iter().any(|(action, outside)| takes(rule, action, outside));
    (except, denials.iter().filter(is_denying).map(|rule| hole(rule)).collect())
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
fn join(into: &mut Vec<Change>, change: Change) {
    if let Some(last) = into.last_mut() {
        let is_next = change.over == Some(last.up_to) && last.example.is_some() == change.example.is_some();
        let longer = Change { over: last.over, up_to: change.up_to, example: last.example.clone(), ..last.clone() };
        let same = Change { over: last.over, example: last.example.clone(), ..change.clone() };
        if is_next && longer == same {
            *last = longer;
            return;
        }
    }
    into.push(change);
}

/// The rotations by which alone somebody is meant; none if they always are.
type Turns<'a> = BTreeMap<String, &'a Rotation>;

/// Tells whether somebody has one of the turns whenever they have one of the others.
fn turns_ask_no_more(turns: &Turns<'_>, others: &Turns<'_>) -> bool {
    turns.is_empty() || (!others.is_empty() && others.iter().all(|(rotation, turn)| turns.get(rotation) == Some(turn)))
}

/// Tells whether the first rule of these asks, beside approvals and keys, no more than the second, as far as one can tell by
/// what is written.
fn asks_no_more(one: (&Policy, &Rule, &Allow), other: (&Policy, &Rule, &Allow)) -> bool {
    let reasons = |(policy, _, allow): (&Policy, &Rule, &Allow)| -> Vec<ReasonRule> {
        policy.reason_for_all().into_iter().chain(&allow.reason).cloned().collect()
    };
    let asked = reasons(other);
    let has_its_reason = reasons(one).iter().all(|reason| {
        let pattern = reason.pattern.as_ref().map(|pattern| pattern.as_str());
        let same_pattern = |have: &ReasonRule| have.pattern.as_ref().map(|pattern| pattern.as_str()) == pattern;
        let is_long = |have: &ReasonRule| have.min_length >= reason.min_length;
        (pattern.is_none() || asked.iter().any(same_pattern))
            && (reason.min_length.is_none() || asked.iter().any(is_long))
    });
    let (hours, other_hours) = (&one.1.hours, &other.1.hours);
    let has_its_hours =
        hours.is_empty() || (!other_hours.is_empty() && other_hours.iter().all(|other| hours.contains(other)));
    has_its_reason && has_its_hours && limits_no_more(&one.2.limits, &other.2.limits)
}

/// Tells whether whatever the second limits let through the first do, too.
fn limits_no_more(one: &Limits, other: &Limits) -> bool {
    let active = one.active.is_none_or(|most| other.active.is_some_and(|other| other <= most));
    let rate =
        one.rate.is_none_or(|rate| other.rate.is_some_and(|other| other.count <= rate.count && other.per >= rate.per));
    let cooldown = one.cooldown.is_none_or(|least| other.cooldown.is_some_and(|other| other >= least));
    active && rate && cooldown
}
