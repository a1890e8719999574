//! Every rule that is about a resource, with each of its conditions met or not: the evaluation, said in words.
//!
//! The answers are those of [`evaluate`], asked one condition at a time; a property holds the two
//! together.

use std::fmt;

use super::evaluate::{self, Approvers, Ask};
use super::policy::{Allow, ApprovalRule, Effect, Policy, ReasonRule, Rule, Selector};
use super::time::Timestamp;

/// One condition of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// Whom it is for.
    Subject,
    /// What it is for.
    Resource,
    /// To do what.
    Action,
    /// For how long.
    Duration,
    /// Why.
    Reason,
    /// By what key.
    HardwareKey,
    /// The entry of `approvals` at this place, from 0.
    Approvals(usize),
    /// At what hours; asked at each check, and not of a request.
    Hours,
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Condition::Subject => f.write_str("subjects"),
            Condition::Resource => f.write_str("resources"),
            Condition::Action => f.write_str("actions"),
            Condition::Duration => f.write_str("duration"),
            Condition::Reason => f.write_str("reason"),
            Condition::HardwareKey => f.write_str("require_hardware_key"),
            Condition::Approvals(index) => write!(f, "approvals[{index}]"),
            Condition::Hours => f.write_str("hours"),
        }
    }
}

/// A condition, asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Which.
    pub condition: Condition,
    /// Whether it is met.
    pub is_met: bool,
    /// What the rule wants.
    pub wants: String,
}

/// A rule, and all that it asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained<'a> {
    /// The rule.
    pub rule: &'a Rule,
    /// Its conditions, in the order of [`Condition`].
    pub conditions: Vec<Asked>,
}

impl Explained<'_> {
    /// Tells whether all that it asks is met, so that it denies, or allows (limits aside).
    pub fn is_met(&self) -> bool {
        self.conditions.iter().all(|asked| asked.is_met)
    }

    /// Tells whether it denies.
    pub fn is_deny(&self) -> bool {
        matches!(self.rule.effect, Effect::Deny)
    }

    /// Tells whether it is for this subject, resource and action.
    pub fn is_addressed(&self) -> bool {
        let names = [Condition::Subject, Condition::Resource, Condition::Action];
        self.conditions.iter().all(|asked| asked.is_met || !names.contains(&asked.condition))
    }
}

/// Explains how each rule that is about the resource takes a request, which `people` have approved, at the ask's moment.
pub fn explain<'a>(policy: &'a Policy, ask: &Ask<'_>, people: &Approvers) -> Vec<Explained<'a>> {
    policy
        .rules_near(ask.resource)
        .filter(|rule| rule.resources.iter().any(|pattern| pattern.matches(ask.resource)))
        .map(|rule| Explained { rule, conditions: conditions(policy, rule, ask, people) })
        .collect()
}

/// Asks each condition of one rule.
pub(in crate::core) fn conditions(policy: &Policy, rule: &Rule, ask: &Ask<'_>, people: &Approvers) -> Vec<Asked> {
    let mut asked = vec![
        Asked {
            condition: Condition::Subject,
            is_met: policy.selects(&rule.subjects, ask.subject, ask.at),
            wants: with_turns(policy, list(&rule.subjects), &rule.subjects, ask.at),
        },
        Asked {
            condition: Condition::Resource,
            is_met: rule.resources.iter().any(|pattern| pattern.matches(ask.resource)),
            wants: list(&rule.resources),
        },
        Asked {
            condition: Condition::Action,
            is_met: rule.actions.matches(ask.action),
            wants: rule.actions.to_string(),
        },
    ];
    if let Effect::Allow(allow) = &rule.effect {
        asked.extend(of_allow(policy, allow, ask, people));
    }
    if !rule.hours.is_empty() {
        let wants = list(&rule.hours);
        asked.push(Asked { condition: Condition::Hours, is_met: rule.has_its_hour(ask.at), wants });
    }
    asked
}

fn of_allow(policy: &Policy, allow: &Allow, ask: &Ask<'_>, people: &Approvers) -> Vec<Asked> {
    let wants = format!("at most {}", allow.max);
    let mut asked = vec![Asked { condition: Condition::Duration, is_met: ask.duration <= allow.max, wants }];
    let demands: Vec<&ReasonRule> = policy.reason_for_all().into_iter().chain(&allow.reason).collect();
    if !demands.is_empty() {
        asked.push(Asked {
            condition: Condition::Reason,
            is_met: demands.iter().all(|demand| demand.accepts(ask.reason).is_ok()),
            wants: list(&demands),
        });
    }
    if allow.require_hardware_key {
        let wants = "a request signed by a security key".to_owned();
        asked.push(Asked { condition: Condition::HardwareKey, is_met: ask.by_hardware_key, wants });
    }
    asked.extend(of_approvals(policy, allow, ask, people));
    asked
}

fn of_approvals(policy: &Policy, allow: &Allow, ask: &Ask<'_>, people: &Approvers) -> Vec<Asked> {
    let is_short = |entry: &ApprovalRule| {
        let able =
            people.iter().filter(|(who, given)| evaluate::may_fill_by_one(policy, entry, ask.subject, who, given));
        entry.applies_to(ask.duration) && u32::try_from(able.count()).is_ok_and(|able| able < entry.count)
    };
    let mut asked: Vec<Asked> = allow
        .approvals
        .iter()
        .enumerate()
        .map(|(index, entry)| Asked {
            condition: Condition::Approvals(index),
            is_met: !is_short(entry),
            wants: with_turns(policy, entry.to_string(), &entry.from, ask.at),
        })
        .collect();
    // Each may have enough people by itself while there are not enough for all of them.
    if asked.iter().all(|asked| asked.is_met) && !evaluate::is_approved(policy, allow, ask, people) {
        let applying = allow.approvals.iter().rposition(|entry| entry.applies_to(ask.duration));
        if let Some(last) = applying.and_then(|index| asked.get_mut(index)) {
            last.is_met = false;
            last.wants.push_str(", by others than fill the other entries");
        }
    }
    asked
}

/// Adds who is on call, where rotations are named.
fn with_turns(policy: &Policy, wants: String, from: &[Selector], at: Timestamp) -> String {
    match policy.turns(from, at).as_str() {
        "" => wants,
        turns => format!("{wants} (on call: {turns})"),
    }
}

fn list<T: fmt::Display>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
