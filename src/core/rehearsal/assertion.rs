//! Standing assertions: what must hold of everybody and of all resources, asked of each rule at once.
//!
//! A rule breaks an assertion where some of its subjects reach something that both are about. Deny rules can only take
//! away, so what a rule does not reach without any is not looked at further; and subjects whom the same deny rules stop
//! reach the same.

use std::collections::{BTreeMap, BTreeSet};

use super::Rehearsal;
use crate::core::evaluate::{self, is_about};
use crate::core::name::{Name, Resource};
use crate::core::near::{Near, may_overlap};
use crate::core::pattern::Pattern;
use crate::core::policy::{Actions, Allow, Assertion, Claim, Effect, Policy, Rule, Selector};
use crate::core::reach::people::actions_and_another;
use crate::core::region::{self, TooHard};

/// An action and a resource that somebody reaches.
type Reached = Option<(Name, Resource)>;

/// Returns the deny rules that assertions take into account, by what they are about.
pub(super) fn denials(policy: &Policy) -> Near<Name> {
    let denies = |rule: &&Rule| matches!(rule.effect, Effect::Deny) && rule.hours.is_empty();
    let denials = policy.rules().values().filter(denies);
    Near::new(denials.flat_map(|rule| rule.resources.iter().map(|pattern| (pattern.clone(), rule.id.clone()))))
}

impl Rehearsal {
    /// Returns how an assertion is broken, in words, an example each; none if it holds.
    ///
    /// Deny rules with hours, and hours themselves, change nothing here: what is allowed at some hour is allowed.
    ///
    /// # Errors
    /// The patterns are too intricate to tell.
    pub fn breaches(&self, assertion: &Assertion) -> Result<Vec<String>, TooHard> {
        let mut breaches = Vec::new();
        for rule in self.policy.rules().values() {
            if let Some(breach) = self.breach_by(assertion, rule, None)? {
                breaches.push(breach);
            }
        }
        Ok(breaches)
    }

    /// Tells whether an assertion that holds would not without this deny rule, or without the entry of `approvals` at this
    /// place of this rule. What is too intricate to tell, it does not lean on.
    pub fn leans_on(&self, assertion: &Assertion, rule: &Rule, entry: Option<usize>) -> bool {
        let Some(entry) = entry else {
            let breaks = |other: &Rule| matches!(self.breach_by(assertion, other, Some(rule)), Ok(Some(_)));
            return self.policy.rules().values().any(breaks);
        };
        let mut bare = rule.clone();
        if let Effect::Allow(allow) = &mut bare.effect
            && entry < allow.approvals.len()
        {
            allow.approvals.remove(entry);
        }
        matches!(self.breach_by(assertion, &bare, None), Ok(Some(_)))
    }

    /// Returns how one rule breaks an assertion, if one of the deny rules is left out.
    fn breach_by(&self, assertion: &Assertion, rule: &Rule, without: Option<&Rule>) -> Result<Option<String>, TooHard> {
        let Effect::Allow(allow) = &rule.effect else { return Ok(None) };
        if matches!(assertion.claim, Claim::NeedsApproval)
            && allow.approvals.iter().any(|entry| entry.longer_than.is_none())
        {
            return Ok(None);
        }
        if reached(assertion, rule, &[])?.is_none() {
            return Ok(None);
        }
        let near: BTreeSet<&Name> = rule.resources.iter().flat_map(|pattern| self.denials.to(pattern)).collect();
        let near = near.into_iter().filter(|id| without.is_none_or(|without| without.id != **id));
        let near: Vec<&Rule> = near.filter_map(|id| self.policy.rules().get(id)).collect();
        let mut known: BTreeMap<Vec<&Name>, Reached> = BTreeMap::new();
        let subjects: BTreeSet<&Name> = rule.subjects.iter().flat_map(|from| self.policy.selected(from)).collect();
        for subject in subjects {
            if assertion.subjects.as_ref().is_some_and(|from| !self.policy.could_select(from, subject)) {
                continue;
            }
            let stranger = match &assertion.claim {
                Claim::NoAccess | Claim::NeedsApproval => None,
                Claim::Approvers(known) => match self.stranger(allow, known, subject) {
                    Some(stranger) => Some(stranger),
                    None => continue,
                },
            };
            let denying = near.iter().copied().filter(|other| self.policy.always_selects(&other.subjects, subject));
            let denying: Vec<&Rule> = denying.collect();
            let ids = denying.iter().map(|rule| &rule.id).collect();
            let found = match known.get(&ids) {
                Some(found) => found.clone(),
                None => known.entry(ids).or_insert(reached(assertion, rule, &denying)?).clone(),
            };
            let Some((action, resource)) = found else { continue };
            let what = format!("`{subject}` can `{action}` `{resource}` by rule `{}`", rule.id);
            return Ok(Some(match (&assertion.claim, stranger) {
                (Claim::NeedsApproval, _) => format!("{what}, without an approval"),
                (Claim::Approvers(_), Some(stranger)) => format!("{what}, approved by `{stranger}`"),
                (Claim::NoAccess | Claim::Approvers(_), _) => what,
            }));
        }
        Ok(None)
    }

    /// Returns somebody beside `known` who can approve requests of `subject` by the rule.
    fn stranger<'a>(&'a self, allow: &'a Allow, known: &[Selector], subject: &Name) -> Option<&'a Name> {
        let entries = allow.approvals.iter().filter(|entry| entry.applies_to(allow.max));
        let named = entries.flat_map(|entry| &entry.from);
        named
            .filter(|from| !known.contains(from))
            .flat_map(|from| self.policy.selected(from))
            .find(|who| !self.policy.always_selects(known, who) && evaluate::may_judge(&self.policy, subject, who))
    }
}

/// Returns an action and a resource that the assertion is about and the rule lets somebody have whom these deny rules stop.
fn reached(assertion: &Assertion, rule: &Rule, denying: &[&Rule]) -> Result<Reached, TooHard> {
    let actions = match (&rule.actions, &assertion.actions) {
        (Actions::These(actions), None) => actions.iter().cloned().collect(),
        (Actions::These(actions), Some(asked)) => actions.intersection(asked).cloned().collect(),
        (Actions::Any, Some(asked)) => asked.iter().cloned().collect(),
        // Where no deny rule tells actions apart, one stands for all.
        (Actions::Any, None) => actions_and_another(denying.iter().map(|denial| &denial.actions)),
    };
    for action in actions {
        let denials = denying.iter().filter(|other| other.actions.matches(&action)).flat_map(|other| &other.resources);
        let denials: Vec<&Pattern> = denials.collect();
        let pairs = rule.resources.iter().flat_map(|one| assertion.resources.iter().map(move |other| (one, other)));
        for (one, other) in pairs.filter(|(one, other)| may_overlap(one, other)) {
            let outside: Vec<&Pattern> = denials.iter().copied().filter(|denied| may_overlap(denied, one)).collect();
            if let Some(resource) = region::example(&[one, other], &outside)? {
                debug_assert!(is_about(rule, &resource, &action));
                return Ok(Some((action, resource)));
            }
        }
    }
    Ok(None)
}
