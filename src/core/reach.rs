//! Who can have what: one policy asked about everybody, or about everything.
//!
//! The answers are exact, and they are about people rather than about rules: a subject that a deny rule stops, or that
//! has no key to ask by, is told apart from one that can; approvers are those who can in truth approve, without the
//! subject and its owners; and a tier that more people would have to approve than there are is said to be out of reach.
//!
//! What depends on the request (its reason), on the log (limits) or on the clock (hours) is a condition and said as text;
//! where a moment is given, what depends on the clock is answered for it.
//!
//! [`people`] is the one place that says who a selector means; [`compare`] holds two policies against each other.

pub mod compare;
mod cover;
mod demand;
pub mod people;

use std::collections::BTreeSet;

use super::evaluate;
use super::name::{Name, Resource};
use super::pattern::Pattern;
use super::policy::{Actions, Allow, ApprovalRule, Effect, Limits, Policy, Rule};
use super::region::{self, TooHard};
use super::time::{Duration, Timestamp};

/// A rule by which a subject can have something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way<'a> {
    /// Who.
    pub subject: &'a Name,
    /// By which rule.
    pub rule: &'a Rule,
    /// What it asks for which durations, from the shortest on; at least one.
    pub tiers: Vec<Tier<'a>>,
    /// What else it asks, in words.
    pub conditions: Vec<String>,
    /// Whether its hours hold, and no deny rule that has hours, at the moment asked about; none if none was.
    pub holds: Option<bool>,
}

/// What a rule asks of requests of some durations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tier<'a> {
    /// Longer than this; none from the shortest on.
    pub over: Option<Duration>,
    /// This long at most.
    pub up_to: Duration,
    /// What has to be approved; distinct people for all of it.
    pub approvals: Vec<Approval<'a>>,
    /// Whether there are people enough.
    pub is_in_reach: bool,
}

/// One entry of `approvals`, for one subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval<'a> {
    /// What the policy says.
    pub entry: &'a ApprovalRule,
    /// Who can approve by it: people with a key of the kind, without the subject and its owners.
    pub approvers: Vec<&'a Name>,
}

/// Why somebody whom an allow rule is for has nothing of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bar<'a> {
    /// This deny rule is for them, too, and at any hour or the one asked about.
    Denied(&'a Name),
    /// They have no key to ask by; true if only one that the rule does not take.
    NoKey(bool),
    /// There are too few people who can approve even the shortest request.
    TooFew,
}

/// What there is to say of one resource and action.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WhoCan<'a> {
    /// Who can, by name, then by rule.
    pub ways: Vec<Way<'a>>,
    /// Who can't though an allow rule is for them, by name, then by that rule, and why.
    pub barred: Vec<(&'a Name, &'a Name, Bar<'a>)>,
}

/// Returns who can do `action` to `resource`, at a moment or at some.
pub fn who_can<'a>(policy: &'a Policy, resource: &Resource, action: &Name, at: Option<Timestamp>) -> WhoCan<'a> {
    let mut all = WhoCan::default();
    let about = |rule: &&Rule| rule.actions.matches(action) && rule.resources.iter().any(|one| one.matches(resource));
    let (denials, allows): (Vec<&Rule>, Vec<&Rule>) =
        policy.rules_near(resource).filter(about).partition(|rule| matches!(rule.effect, Effect::Deny));
    let denials: Vec<(&Rule, BTreeSet<&Name>)> =
        denials.into_iter().map(|rule| (rule, people::meant(policy, &rule.subjects, at))).collect();
    for rule in allows {
        let Effect::Allow(allow) = &rule.effect else { continue };
        let pools = people::pools(policy, allow, at);
        for subject in people::meant(policy, &rule.subjects, at) {
            let denying = denials.iter().filter(|(_, denied)| denied.contains(subject)).map(|(rule, _)| *rule);
            let denying: Vec<&Rule> = denying.collect();
            // A moment at which only the hours stop it is told by `holds`.
            if let Some(denial) = denying.iter().find(|denial| is_settled(policy, denial, subject, at)) {
                all.barred.push((subject, &rule.id, Bar::Denied(&denial.id)));
            } else if let Some(bar) = no_key(policy, allow, subject) {
                all.barred.push((subject, &rule.id, bar));
            } else {
                let tiers = tiers(policy, allow, &pools, subject);
                if !is_in_reach(&tiers) {
                    all.barred.push((subject, &rule.id, Bar::TooFew));
                    continue;
                }
                all.ways.push(Way {
                    subject,
                    rule,
                    tiers,
                    conditions: said_to(policy, rule, allow, subject, at, &denying, false),
                    holds: at.map(|at| rule.has_its_hour(at) && !denying.iter().any(|one| one.has_its_hour(at))),
                });
            }
        }
    }
    all.ways.sort_by_key(|way| (way.subject, &way.rule.id));
    all.barred.sort_by_key(|(subject, rule, _)| (*subject, *rule));
    all
}

/// Something that a subject can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach<'a> {
    /// By which rule, and on which conditions.
    pub way: Way<'a>,
    /// On what: a pattern of the rule of which deny rules leave something.
    pub resources: &'a Pattern,
    /// What can be done to some of it.
    pub actions: Actions,
    /// The deny rules that take something of it away at any hour, by id.
    pub except: Vec<&'a Rule>,
    /// A resource and an action that are left; none where the patterns are too intricate to tell whether any are.
    pub example: Option<(Resource, Name)>,
}

/// What there is to say of one subject.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WhatCan<'a> {
    /// What it can have, by rule, then in the rule's own order.
    pub reaches: Vec<Reach<'a>>,
    /// What it can't though an allow rule is for it, by that rule, and why.
    pub barred: Vec<(&'a Name, &'a Pattern, Bar<'a>)>,
}

/// Returns all that `subject` can have, at a moment or at some.
pub fn what_can<'a>(policy: &'a Policy, subject: &'a Name, at: Option<Timestamp>) -> WhatCan<'a> {
    let mut all = WhatCan::default();
    let mine = policy.rules().values().filter(|rule| people::is_meant(policy, &rule.subjects, subject, at));
    let (denials, allows): (Vec<&Rule>, Vec<&Rule>) = mine.partition(|rule| matches!(rule.effect, Effect::Deny));
    for rule in allows {
        let Effect::Allow(allow) = &rule.effect else { continue };
        let bar = no_key(policy, allow, subject);
        let tiers = tiers(policy, allow, &people::pools(policy, allow, at), subject);
        let bar = bar.or_else(|| (!is_in_reach(&tiers)).then_some(Bar::TooFew));
        for pattern in &rule.resources {
            if let Some(bar) = bar.clone() {
                all.barred.push((&rule.id, pattern, bar));
                continue;
            }
            let touches = |denial: &&Rule| {
                may_share_an_action(&rule.actions, &denial.actions)
                    && denial.resources.iter().any(|one| region::overlap(one, pattern) != Ok(false))
            };
            let near: Vec<&Rule> = denials.iter().copied().filter(touches).collect();
            let (except, timed): (Vec<&Rule>, Vec<&Rule>) =
                near.into_iter().partition(|denial| is_settled(policy, denial, subject, at));
            let (actions, example) = left(&rule.actions, pattern, &except);
            let Some(actions) = actions else {
                if let Some(denial) = except.first() {
                    all.barred.push((&rule.id, pattern, Bar::Denied(&denial.id)));
                }
                continue;
            };
            let way = Way {
                subject,
                rule,
                tiers: tiers.clone(),
                conditions: said_to(policy, rule, allow, subject, at, &timed, true),
                holds: at.map(|at| {
                    // A deny rule with hours that is about a part of it is told as a condition.
                    let all_of_it = timed.iter().copied().filter(|denial| denial.has_its_hour(at)).collect::<Vec<_>>();
                    rule.has_its_hour(at)
                        && left(&actions, pattern, &[except.as_slice(), &all_of_it].concat()).0.is_some()
                }),
            };
            all.reaches.push(Reach { way, resources: pattern, actions, except, example });
        }
    }
    all
}

/// Returns which of the actions some resource of the pattern is left for, and an example.
fn left(actions: &Actions, pattern: &Pattern, denials: &[&Rule]) -> (Option<Actions>, Option<(Resource, Name)>) {
    let asked: Vec<Name> = match actions {
        Actions::These(actions) => actions.iter().cloned().collect(),
        Actions::Any => people::actions_and_another(denials.iter().map(|denial| &denial.actions)),
    };
    let mut example = None;
    let mut kept = BTreeSet::new();
    for action in &asked {
        let outside: Vec<&Pattern> = denials
            .iter()
            .filter(|denial| denial.actions.matches(action))
            .flat_map(|denial| &denial.resources)
            .filter(|one| region::overlap(one, pattern) != Ok(false))
            .collect();
        match region::example(&[pattern], &outside) {
            Ok(None) => continue,
            Ok(Some(resource)) => example = example.or_else(|| Some((resource, action.clone()))),
            // Who can't be sure that nothing is left says that something may be.
            Err(TooHard) => {}
        }
        kept.insert(action.clone());
    }
    let actions = match actions {
        _ if kept.is_empty() => None,
        // All but some: which, the deny rules beside it say.
        Actions::Any if asked.last().is_some_and(|other| kept.contains(other)) => Some(Actions::Any),
        Actions::Any | Actions::These(_) => Some(Actions::These(kept)),
    };
    (actions, example)
}

fn may_share_an_action(one: &Actions, other: &Actions) -> bool {
    match one {
        Actions::Any => true,
        Actions::These(actions) => actions.iter().any(|action| other.matches(action)),
    }
}

/// Returns why the subject can't ask by the rule, if for want of a key.
fn no_key<'a>(policy: &Policy, allow: &Allow, subject: &Name) -> Option<Bar<'a>> {
    let keys = people::keys(policy, subject);
    match (keys.is_any(), keys.security) {
        (false, _) => Some(Bar::NoKey(false)),
        (true, false) if allow.require_hardware_key => Some(Bar::NoKey(true)),
        (true, _) => None,
    }
}

/// Returns what a rule asks of a subject for which durations.
fn tiers<'a>(policy: &Policy, allow: &'a Allow, pools: &[Vec<&'a Name>], subject: &Name) -> Vec<Tier<'a>> {
    let mut over = None;
    let ends = people::steps(allow);
    let tiers = ends.into_iter().map(|up_to| {
        let applying = allow.approvals.iter().zip(pools).filter(|(entry, _)| entry.applies_to(up_to));
        let approvals: Vec<Approval<'a>> = applying
            .map(|(entry, pool)| Approval {
                entry,
                approvers: pool.iter().copied().filter(|who| people::may_judge(policy, subject, who)).collect(),
            })
            .collect();
        let is_in_reach = are_enough(&approvals);
        Tier { over: over.replace(up_to), up_to, approvals, is_in_reach }
    });
    tiers.collect()
}

/// Tells whether anything is in reach. What a short request needs, a longer one needs too.
fn is_in_reach(tiers: &[Tier<'_>]) -> bool {
    tiers.first().is_some_and(|tier| tier.is_in_reach)
}

/// Tells whether there are people enough to fill every place, each one of them.
fn are_enough(approvals: &[Approval<'_>]) -> bool {
    let mut approvals: Vec<&Approval<'_>> = approvals.iter().collect();
    // An entry with as many as there are places in all is filled from whoever the others leave.
    loop {
        let places: u64 = approvals.iter().map(|approval| u64::from(approval.entry.count)).sum();
        let before = approvals.len();
        approvals.retain(|approval| (approval.approvers.len() as u64) < places);
        if approvals.len() == before {
            break;
        }
    }
    if approvals.iter().any(|approval| (approval.approvers.len() as u64) < u64::from(approval.entry.count)) {
        return false;
    }
    let all: BTreeSet<&Name> = approvals.iter().flat_map(|approval| approval.approvers.iter().copied()).collect();
    let all: Vec<&Name> = all.into_iter().collect();
    let able = approvals
        .iter()
        .map(|approval| approval.approvers.iter().filter_map(|who| all.binary_search(who).ok()).collect())
        .collect();
    let counts: Vec<u32> = approvals.iter().map(|approval| approval.entry.count).collect();
    evaluate::can_fill(able, &counts, all.len())
}

/// Tells whether a deny rule that is for the subject always is, or is at the moment asked about, whatever the hour.
fn is_settled(policy: &Policy, denial: &Rule, subject: &Name, at: Option<Timestamp>) -> bool {
    denial.hours.is_empty() && (at.is_some() || people::turns(policy, &denial.subjects, subject).is_empty())
}

/// Says what a rule asks of a subject beside approvals, and which deny rules stop it at times; and what these are about
/// where that may be a part of it.
fn said_to(
    policy: &Policy,
    rule: &Rule,
    allow: &Allow,
    subject: &Name,
    at: Option<Timestamp>,
    denials: &[&Rule],
    with_resources: bool,
) -> Vec<String> {
    let turn = |from: &[_]| people::turns_text(policy, from, subject).filter(|_| at.is_none());
    let mut said: Vec<String> = turn(&rule.subjects).into_iter().collect();
    said.extend(conditions(policy, rule, allow));
    for denial in denials {
        let mut times: Vec<String> = denial.hours.iter().map(ToString::to_string).collect();
        times = Some(times.join(", ")).filter(|hours| !hours.is_empty()).into_iter().collect();
        times.extend(turn(&denial.subjects));
        let resources = denial.resources.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let what = if with_resources { format!("{resources} on ") } else { String::new() };
        said.push(format!("not {what}{} (rule {})", times.join(" "), denial.id));
    }
    said
}

/// Says what a rule asks beside approvals, in words.
pub fn conditions(policy: &Policy, rule: &Rule, allow: &Allow) -> Vec<String> {
    let demands = policy.reason_for_all().into_iter().chain(&allow.reason);
    let mut conditions: Vec<String> = demands.map(|reason| format!("reason: {reason}")).collect();
    if allow.require_hardware_key {
        conditions.push("a security key".to_owned());
    }
    conditions.extend(rule.hours.iter().map(ToString::to_string));
    if allow.limits != Limits::default() {
        conditions.push(allow.limits.to_string());
    }
    conditions
}
