//! What is asked beside approvals: whether one policy asks less than the other, and what both ask, in words.

use std::collections::{BTreeMap, BTreeSet};

use super::look::{About, Beside};
use super::nearby::Close;
use super::side::{Side, approvals};
use super::{Change, One};
use crate::core::name::Name;
use crate::core::policy::{Allow, ApprovalRule, Limits, Policy, ReasonRule, Rotation, Rule};
use crate::core::reach::{people, said_to};
use crate::core::time::Duration;

impl<'a> About<'a, '_> {
    /// Says what a rule asks of the subject beside approvals, and which deny rules stop it at times.
    pub(super) fn said(&self, side: &Side<'a>, rule: &Rule, allow: &Allow, denials: &[&Rule]) -> Vec<String> {
        said_to(side.policy, rule, allow, self.name, None, denials, false)
    }

    /// Tells whether `other` asks by a rule, beside approvals and keys, no more than `base` does by one of requests for just
    /// that long: of the same reason, at the same hours, and of nobody to be on call where they need not be.
    pub(super) fn asks_no_more(&self, (rule, allow): (&Rule, &Allow), one: &One<'a>, duration: Duration) -> bool {
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
    pub(super) fn is_as_long(&self, own: &Rule, rule: &Rule) -> bool {
        let name = self.name;
        let own_turns = people::turns(self.base.policy, &own.subjects, name);
        let turns = people::turns(self.other.policy, &rule.subjects, name);
        let same_hours = own.hours.is_empty()
            || (!rule.hours.is_empty() && rule.hours.iter().all(|hours| own.hours.contains(hours)));
        turns_ask_no_more(&own_turns, &turns) && same_hours
    }

    /// Says what both policies ask beside approvals, in the example or (where there is none) anywhere near.
    pub(super) fn compare_conditions(
        &self,
        one: &One<'a>,
        up_to: Duration,
        Beside { others, denials, .. }: &Beside<'a, '_>,
        change: &mut Change<'a>,
    ) {
        let example = change.example.clone();
        let is_about = |rule: &Rule| {
            example.as_ref().is_none_or(|example| {
                rule.actions.matches(&example.action) && rule.resources.iter().any(|one| one.matches(&example.resource))
            })
        };
        let about = |rules: &[&Close<'a>]| -> Vec<&'a Rule> {
            rules.iter().map(|close| close.rule).filter(|rule| is_about(rule)).collect()
        };
        change.conditions = self.said(self.base, one.rule, one.allow, &about(&denials.base_timed)).into();
        let theirs = others.iter().filter(|(close, allow)| allow.max >= up_to && is_about(close.rule));
        let theirs = theirs.map(|(close, allow)| {
            let asked = self.said(self.other, close.rule, allow, &about(&denials.timed));
            if asked.is_empty() { "nothing".to_owned() } else { asked.join("; ") }
        });
        let theirs: BTreeSet<String> = theirs.collect();
        change.instead = theirs.into_iter().collect();
    }
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
