//! Standing assertions: what must hold of everybody and of all resources, asked of each rule at once.
//!
//! A rule breaks an assertion where some of its subjects reach something that both are about. Deny rules can only take
//! away, and subjects whom the same deny rules stop reach the same. So of the rules only those near the assertion are
//! looked at, of the deny rules those near both, and of the subjects one of a kind.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::rc::Rc;

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

/// Something without which an assertion would not hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Prop {
    /// A deny rule.
    Denial(Name),
    /// The entry of `approvals` at this place, from 0, of an allow rule.
    Entry(Name, usize),
}

impl Rehearsal {
    /// Returns how an assertion is broken, in words, an example each; none if it holds.
    ///
    /// Deny rules with hours, and hours themselves, change nothing here: what is allowed at some hour is allowed.
    ///
    /// # Errors
    /// The patterns are too intricate to tell.
    pub fn breaches(&self, assertion: &Assertion) -> Result<Vec<String>, TooHard> {
        let mut inquiry = Inquiry::new(self, assertion);
        let rules = inquiry.rules.clone();
        rules.into_iter().filter_map(|(rule, allow)| inquiry.breach_by(rule, allow, None).transpose()).collect()
    }

    /// Returns what an assertion that holds would not hold without. What is too intricate to tell, it does not lean on.
    pub fn props(&self, assertion: &Assertion) -> BTreeSet<Prop> {
        let mut inquiry = Inquiry::new(self, assertion);
        let mut props = BTreeSet::new();
        for (rule, allow) in inquiry.rules.clone() {
            for denial in inquiry.denials_near(rule) {
                let prop = Prop::Denial(denial.id.clone());
                if !props.contains(&prop) && matches!(inquiry.breach_by(rule, allow, Some(denial)), Ok(Some(_))) {
                    props.insert(prop);
                }
            }
            // With less to approve no more people approve, nor does anybody reach more.
            let entries = match assertion.claim {
                Claim::NeedsApproval => allow.approvals.len(),
                Claim::NoAccess | Claim::Approvers(_) => 0,
            };
            for index in 0..entries {
                let mut bare = allow.clone();
                bare.approvals.remove(index);
                if matches!(inquiry.breach_by(rule, &bare, None), Ok(Some(_))) {
                    props.insert(Prop::Entry(rule.id.clone(), index));
                }
            }
        }
        props
    }
}

/// Subjects of a rule, and the deny rules that stop each.
type Asked<'a> = Rc<Vec<(&'a Name, Vec<&'a Rule>)>>;

/// An assertion that is asked of many rules.
struct Inquiry<'a> {
    policy: &'a Policy,
    assertion: &'a Assertion,
    /// Everybody it is about, if not all.
    about: Option<HashSet<&'a Name>>,
    /// The allow rules near it, by id.
    rules: Vec<(&'a Rule, &'a Allow)>,
    /// The deny rules near it, without those with hours, which leave open at some hour what they deny.
    denying: Near<&'a Name>,
    /// Whom to ask about, by whom a rule is for and the deny rules near it: many rules are for the same people.
    asked: BTreeMap<(&'a [Selector], Vec<&'a Name>), Asked<'a>>,
}

impl<'a> Inquiry<'a> {
    fn new(rehearsal: &'a Rehearsal, assertion: &'a Assertion) -> Inquiry<'a> {
        let policy = &*rehearsal.policy;
        let is_near = |one: &&Pattern| assertion.resources.iter().any(|other| may_overlap(one, other));
        let (mut rules, mut denying) = (Vec::new(), Vec::new());
        for rule in policy.rules_about(&assertion.resources) {
            match &rule.effect {
                Effect::Allow(allow) if shares_actions(rule, assertion) => rules.push((rule, allow)),
                Effect::Deny if rule.hours.is_empty() => {
                    let about = rule.resources.iter().filter(is_near);
                    denying.extend(about.map(|pattern| (pattern.clone(), &rule.id)));
                }
                Effect::Allow(_) | Effect::Deny => {}
            }
        }
        let about = assertion.subjects.as_ref().filter(|_| !rules.is_empty());
        let about = about.map(|from| from.iter().flat_map(|selector| policy.selected(selector)).collect());
        let denying = Near::new(denying.into_iter());
        Inquiry { policy, assertion, about, rules, denying, asked: BTreeMap::new() }
    }

    /// Returns the deny rules near both the rule and the assertion, by id.
    fn denials_near(&self, rule: &Rule) -> Vec<&'a Rule> {
        let ids: BTreeSet<&Name> = rule.resources.iter().flat_map(|one| self.denying.to(one)).copied().collect();
        ids.into_iter().filter_map(|id| self.policy.rules().get(id)).collect()
    }

    /// Returns how a rule breaks the assertion, if these are its conditions and one of the deny rules is left out.
    fn breach_by(&mut self, rule: &'a Rule, allow: &Allow, without: Option<&Rule>) -> Result<Option<String>, TooHard> {
        let needs_approval = || allow.approvals.iter().any(|entry| entry.longer_than.is_none());
        let strangers = match &self.assertion.claim {
            Claim::NoAccess => None,
            Claim::NeedsApproval if needs_approval() => return Ok(None),
            Claim::NeedsApproval => None,
            Claim::Approvers(known) => Some(strangers(self.policy, allow, known)),
        };
        if strangers.as_ref().is_some_and(Vec::is_empty) {
            return Ok(None);
        }
        let mut denying = self.denials_near(rule);
        denying.retain(|denial| without.is_none_or(|without| without.id != denial.id));
        let mut known: BTreeMap<Vec<&Name>, Reached> = BTreeMap::new();
        for (subject, denying) in &*self.asked_of(rule, &denying) {
            let may_judge = |who: &&&Name| evaluate::may_judge(self.policy, subject, who);
            let stranger = strangers.as_ref().map(|strangers| strangers.iter().find(may_judge));
            if stranger == Some(None) {
                continue;
            }
            let ids = ids(denying);
            let found = match known.get(&ids) {
                Some(found) => found.clone(),
                None => known.entry(ids).or_insert(reached_if_any(self.assertion, rule, denying)?).clone(),
            };
            let Some((action, resource)) = found else { continue };
            let what = format!("`{subject}` can `{action}` `{resource}` by rule `{}`", rule.id);
            return Ok(Some(match (&self.assertion.claim, stranger.flatten()) {
                (Claim::NeedsApproval, _) => format!("{what}, without an approval"),
                (Claim::Approvers(_), Some(stranger)) => format!("{what}, approved by `{stranger}`"),
                (Claim::NoAccess | Claim::Approvers(_), _) => what,
            }));
        }
        Ok(None)
    }

    /// Returns whom of a rule's subjects to ask about, by name, and which of these deny rules stop each: of those whom the
    /// same ones stop the first, unless it matters who they are.
    fn asked_of(&mut self, rule: &'a Rule, denying: &[&'a Rule]) -> Asked<'a> {
        let key = (rule.subjects.as_slice(), ids(denying));
        if let Some(asked) = self.asked.get(&key) {
            return Rc::clone(asked);
        }
        let policy = self.policy;
        let subjects: BTreeSet<&Name> = rule.subjects.iter().flat_map(|from| policy.selected(from)).collect();
        let mut seen = BTreeSet::new();
        let mut asked = Vec::new();
        for subject in subjects {
            if self.about.as_ref().is_some_and(|about| !about.contains(subject)) {
                continue;
            }
            let stopping = denying.iter().copied().filter(|denial| policy.always_selects(&denial.subjects, subject));
            let stopping: Vec<&Rule> = stopping.collect();
            if matches!(self.assertion.claim, Claim::Approvers(_)) || seen.insert(ids(&stopping)) {
                asked.push((subject, stopping));
            }
        }
        let asked = Rc::new(asked);
        self.asked.insert(key, Rc::clone(&asked));
        asked
    }
}

fn ids<'a>(rules: &[&'a Rule]) -> Vec<&'a Name> {
    rules.iter().map(|rule| &rule.id).collect()
}

/// Tells whether some action is one that both are about.
fn shares_actions(rule: &Rule, assertion: &Assertion) -> bool {
    match (&rule.actions, &assertion.actions) {
        (Actions::These(actions), Some(asked)) => !actions.is_disjoint(asked),
        (Actions::Any, _) | (Actions::These(_), None) => true,
    }
}

/// Returns who beside `known` is named as an approver by the rule's conditions.
fn strangers<'a>(policy: &'a Policy, allow: &'a Allow, known: &[Selector]) -> Vec<&'a Name> {
    let entries = allow.approvals.iter().filter(|entry| entry.applies_to(allow.max));
    let named = entries.flat_map(|entry| &entry.from).filter(|from| !known.contains(from));
    named.flat_map(|from| policy.selected(from)).filter(|who| !policy.always_selects(known, who)).collect()
}

/// As [`reached`]; where that is too intricate to tell, it may be plain that without any deny rule there is nothing.
fn reached_if_any(assertion: &Assertion, rule: &Rule, denying: &[&Rule]) -> Result<Reached, TooHard> {
    match reached(assertion, rule, denying) {
        Err(too_hard) if !denying.is_empty() && reached(assertion, rule, &[])?.is_some() => Err(too_hard),
        Err(TooHard) if !denying.is_empty() => Ok(None),
        told => told,
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
    let mut asked = BTreeSet::new();
    for action in actions {
        let denials = denying.iter().filter(|other| other.actions.matches(&action)).flat_map(|other| &other.resources);
        let denials: Vec<&Pattern> = denials.collect();
        // Where the same is denied the same is left.
        if !asked.insert(denials.clone()) {
            continue;
        }
        let pairs = rule.resources.iter().flat_map(|one| assertion.resources.iter().map(move |other| (one, other)));
        for (one, other) in pairs.filter(|(one, other)| may_overlap(one, other)) {
            let outside =
                denials.iter().copied().filter(|denied| may_overlap(denied, one) && may_overlap(denied, other));
            let outside: Vec<&Pattern> = outside.collect();
            if let Some(resource) = region::example(&[one, other], &outside)? {
                debug_assert!(is_about(rule, &resource, &action));
                return Ok(Some((action, resource)));
            }
        }
    }
    Ok(None)
}
