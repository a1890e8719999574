//! Coverage: which rules, and which of their conditions, the tests of a policy would notice the loss of.
//!
//! Of each rule there are goals. A goal is reached by a case that is as it expects, or by an assertion that would no longer
//! hold:
//!
//! - **met**: some case meets the rule as a whole, so that it allows or denies; or, of a deny rule, some assertion would not
//!   hold without it.
//! - **each condition** makes the difference: some case meets all of the rule but this one condition, and no other rule
//!   answers in its place. Of an entry of `approvals`, some assertion would not hold without it will do as well.
//! - **each tier**: of an entry of `approvals` with `longer_than`, some case that the rule allows is long enough for it, and
//!   some is not.
//!
//! What can't be otherwise is no goal: the subjects of a rule for everybody, the resources of one for `**`, `actions =
//! ["*"]`, and a `max` that no request can exceed. So a policy can have all of it covered, and if it has, then no single
//! condition of an allow rule can be dropped without a test that fails.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::decide::Answer;
use super::evaluate::{Approvers, Ask, Given, default_duration};
use super::explain::{self, Asked, Condition};
use super::name::Name;
use super::pattern::Pattern;
use super::policy::{Actions, Allow, Assertion, Case, Effect, Limits, Policy, Rule, Selector, Tests};
use super::reason::Code;
use super::rehearsal::{self, Played, Prop, Rehearsal, Rehearsed};
use super::time::{Duration, Timestamp};

/// What tests can show of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Goal {
    /// It is met.
    Met,
    /// This condition alone keeps it from being met.
    Without(Condition),
    /// Its limits alone do.
    OverLimit,
    /// It allows what the entry of `approvals` at this place, from 0, is for.
    Tier(usize),
    /// It allows what that entry is not for.
    BelowTier(usize),
}

impl fmt::Display for Goal {
    /// Writes what a case would have to show.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Goal::Met => f.write_str("met as a whole"),
            Goal::Without(condition) => write!(f, "all met but `{condition}`"),
            Goal::OverLimit => f.write_str("all met but `limits`"),
            Goal::Tier(index) => write!(f, "allowed, with `approvals[{index}]`"),
            Goal::BelowTier(index) => write!(f, "allowed, too short for `approvals[{index}]`"),
        }
    }
}

/// What the tests show of one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Covered {
    /// The rule.
    pub rule: Name,
    /// Its goals, and whether each is reached.
    pub goals: BTreeMap<Goal, bool>,
}

impl Covered {
    /// Returns how many goals are reached.
    pub fn reached(&self) -> usize {
        self.goals.values().filter(|reached| **reached).count()
    }

    /// Iterates over the goals that are not.
    pub fn missing(&self) -> impl Iterator<Item = Goal> {
        self.goals.iter().filter(|(_, reached)| !**reached).map(|(goal, _)| *goal)
    }
}

/// Returns how many of a hundred goals are reached, rounded down: 100 is all. A policy without rules has all.
pub fn percent(covered: &[Covered]) -> u8 {
    let all: usize = covered.iter().map(|one| one.goals.len()).sum();
    let reached: usize = covered.iter().map(Covered::reached).sum();
    (reached * 100).checked_div(all).and_then(|percent| u8::try_from(percent).ok()).unwrap_or(100)
}

/// Returns what the tests of a policy show of each rule, by id, from what came of them.
pub fn coverage(rehearsal: &Rehearsal, tests: &Tests, rehearsed: &Rehearsed) -> Vec<Covered> {
    let policy = rehearsal.policy();
    let mut all: BTreeMap<&Name, BTreeMap<Goal, bool>> =
        policy.rules().values().map(|rule| (&rule.id, goals(policy, rule))).collect();
    let meant = Meant::new(policy);
    let as_expected = tests.cases.iter().zip(&rehearsed.cases).filter(|(_, played)| played.faults.is_empty());
    for (case, played) in as_expected {
        let scene = Scene::new(policy, case, played);
        for rule in policy.rules_near(&case.resource) {
            scene.shown(rule).into_iter().for_each(|goal| reach(&mut all, &rule.id, goal));
        }
        // What is about something else can only show that.
        let elsewhere = Goal::Without(Condition::Resource);
        for rule in meant.rules_for(&case.subject, case.at) {
            let is_open = all.get(&rule.id).and_then(|goals| goals.get(&elsewhere)) == Some(&false);
            if is_open && scene.shown(rule).contains(&elsewhere) {
                reach(&mut all, &rule.id, elsewhere);
            }
        }
    }
    let asked = tests.assertions.iter().zip(&rehearsed.assertions);
    let holding = asked.filter(|(_, breaches)| breaches.as_ref().is_ok_and(Vec::is_empty));
    let holding: Vec<&Assertion> = holding.map(|(assertion, _)| assertion).collect();
    for prop in rehearsal::of_each(&holding, |assertion| rehearsal.props(assertion)).into_iter().flatten() {
        match prop {
            Prop::Denial(rule) => reach(&mut all, &rule, Goal::Met),
            Prop::Entry(rule, index) => reach(&mut all, &rule, Goal::Without(Condition::Approvals(index))),
        }
    }
    all.into_iter().map(|(rule, goals)| Covered { rule: rule.clone(), goals }).collect()
}

fn reach(all: &mut BTreeMap<&Name, BTreeMap<Goal, bool>>, rule: &Name, goal: Goal) {
    if let Some(reached) = all.get_mut(rule).and_then(|goals| goals.get_mut(&goal)) {
        *reached = true;
    }
}

/// Rules by whom they are for.
struct Meant<'p> {
    policy: &'p Policy,
    rules: BTreeMap<&'p Selector, Vec<&'p Rule>>,
    /// In which groups somebody is.
    groups: BTreeMap<&'p Name, Vec<&'p Name>>,
}

impl<'p> Meant<'p> {
    fn new(policy: &'p Policy) -> Meant<'p> {
        let mut meant = Meant { policy, rules: BTreeMap::new(), groups: BTreeMap::new() };
        for rule in policy.rules().values() {
            rule.subjects.iter().for_each(|selector| meant.rules.entry(selector).or_default().push(rule));
        }
        for (group, members) in policy.groups() {
            members.iter().for_each(|member| meant.groups.entry(member).or_default().push(group));
        }
        meant
    }

    /// Returns the rules that are for somebody at a moment; one that means them in two ways is there twice.
    fn rules_for(&self, name: &Name, at: Timestamp) -> Vec<&'p Rule> {
        let kind = self.policy.identity(name).map(|identity| Selector::Kind(identity.kind));
        let groups = self.groups.get(name).into_iter().flatten().map(|group| Selector::Group((*group).clone()));
        let turns = self.policy.on_call(name, at).into_iter().map(Selector::Rotation);
        let selectors = kind.into_iter().chain(groups).chain(turns).chain([Selector::Identity(name.clone())]);
        selectors.filter_map(|selector| self.rules.get(&selector)).flatten().copied().collect()
    }
}

/// Returns what there is to be shown of a rule, none of it reached.
fn goals(policy: &Policy, rule: &Rule) -> BTreeMap<Goal, bool> {
    let mut goals = BTreeSet::from([Goal::Met]);
    if !is_for_all(policy, rule) {
        goals.insert(Goal::Without(Condition::Subject));
    }
    if !rule.resources.contains(&Pattern::everything()) {
        goals.insert(Goal::Without(Condition::Resource));
    }
    if rule.actions != Actions::Any {
        goals.insert(Goal::Without(Condition::Action));
    }
    if !rule.hours.is_empty() {
        goals.insert(Goal::Without(Condition::Hours));
    }
    if let Effect::Allow(allow) = &rule.effect {
        goals.extend(goals_of_allow(policy, allow));
    }
    goals.into_iter().map(|goal| (goal, false)).collect()
}

fn is_for_all(policy: &Policy, rule: &Rule) -> bool {
    let everybody = policy.identities().len();
    let meant = || rule.subjects.iter().flat_map(|from| policy.selected(from));
    // Most rules are for few, whoever they are.
    meant().take(everybody).count() == everybody && meant().collect::<BTreeSet<&Name>>().len() == everybody
}

fn goals_of_allow(policy: &Policy, allow: &Allow) -> BTreeSet<Goal> {
    let mut goals = BTreeSet::new();
    if allow.max < Duration::MAX {
        goals.insert(Goal::Without(Condition::Duration));
    }
    if allow.reason.is_some() || policy.reason_for_all().is_some() {
        goals.insert(Goal::Without(Condition::Reason));
    }
    if allow.require_hardware_key {
        goals.insert(Goal::Without(Condition::HardwareKey));
    }
    if allow.limits != Limits::default() {
        goals.insert(Goal::OverLimit);
    }
    for (index, entry) in allow.approvals.iter().enumerate() {
        goals.insert(Goal::Without(Condition::Approvals(index)));
        if entry.longer_than.is_some() {
            goals.extend([Goal::Tier(index), Goal::BelowTier(index)]);
        }
    }
    goals
}

/// A case that is as it expects.
struct Scene<'a> {
    policy: &'a Policy,
    case: &'a Case,
    played: &'a Played,
    people: Approvers,
    /// How long a request is that names no duration; none where no rule is for it.
    usual: Option<Duration>,
}

impl<'a> Scene<'a> {
    fn new(policy: &'a Policy, case: &'a Case, played: &'a Played) -> Scene<'a> {
        let mut people = Approvers::new();
        for given in &case.approved_by {
            let approval = Given { by_hardware_key: given.by_hardware_key, at: case.at };
            people.entry(given.name.clone()).or_default().push(approval);
        }
        let usual = default_duration(policy, &case.subject, &case.resource, &case.action, case.at);
        Scene { policy, case, played, people, usual }
    }

    /// Returns what it shows of a rule.
    fn shown(&self, rule: &Rule) -> Vec<Goal> {
        let (case, played) = (self.case, self.played);
        // Most rules are about something else altogether.
        let is_about = rule.resources.iter().any(|pattern| pattern.matches(&case.resource));
        if !is_about && !rule.actions.matches(&case.action) {
            return Vec::new();
        }
        let own = match &rule.effect {
            Effect::Allow(allow) => allow.default,
            Effect::Deny => Duration::MAX,
        };
        let ask = Ask {
            subject: &case.subject,
            resource: &case.resource,
            action: &case.action,
            duration: case.duration.or(self.usual).unwrap_or(own),
            reason: &case.reason,
            by_hardware_key: case.by_hardware_key,
            at: case.at,
        };
        let asked = explain::conditions(self.policy, rule, &ask, &self.people);
        let is_denied = played.decision.reasons.iter().any(|reason| reason.code == Code::DeniedByRule);
        let unmet: Vec<&Asked> = asked.iter().filter(|asked| !asked.is_met).collect();
        match (&unmet[..], &rule.effect) {
            // Where another rule allows it, or denies it, this condition made no difference.
            ([only], Effect::Allow(_)) if !is_denied && played.decision.answer != Answer::Allow => {
                vec![Goal::Without(only.condition)]
            }
            ([only], Effect::Deny) if !is_denied => vec![Goal::Without(only.condition)],
            ([], Effect::Deny) => vec![Goal::Met],
            ([], Effect::Allow(allow)) if !is_denied => shown_of_met(rule, allow, ask.duration, played),
            (_, _) => Vec::new(),
        }
    }
}

/// Returns what a case that no rule denies shows of an allow rule all of whose conditions it meets, limits aside.
fn shown_of_met(rule: &Rule, allow: &Allow, duration: Duration, played: &Played) -> Vec<Goal> {
    let decision = &played.decision;
    let has_limits = allow.limits != Limits::default();
    // Nothing else is left to keep it; where approvals are wanted, it stays pending.
    if decision.answer != Answer::Allow {
        return if has_limits { vec![Goal::OverLimit] } else { Vec::new() };
    }
    // Another rule may have allowed it, and this one held it back by its limits.
    if has_limits && decision.grant.as_ref().is_none_or(|grant| grant.rule != rule.id) {
        return Vec::new();
    }
    let tiers = allow.approvals.iter().enumerate().filter(|(_, entry)| entry.longer_than.is_some());
    let tiers = tiers.map(|(index, entry)| match entry.applies_to(duration) {
        true => Goal::Tier(index),
        false => Goal::BelowTier(index),
    });
    [Goal::Met].into_iter().chain(tiers).collect()
}
