//! Rules held against each other: what deny rules leave of a rule, and what a service has that its owner must ask for.
//!
//! Rules are found by their patterns, so few are compared; each comparison is paid for in steps, and when none are left
//! nothing more is compared.

use std::collections::BTreeSet;

use crate::core::name::{Name, Resource};
use crate::core::near::Near;
use crate::core::pattern::Pattern;
use crate::core::policy::diagnostic::{Check, Diagnostic};
use crate::core::policy::loaded::Policy;
use crate::core::policy::model::{Actions, Effect, IdentityKind, Rule, Selector};
use crate::core::region;

use super::crowd::Crowd;
use super::warning;

pub(super) fn check<'p>(policy: &'p Policy, crowd: &Crowd<'p>, steps: &mut usize, warnings: &mut Vec<Diagnostic>) {
    let rules = || policy.rules().values();
    let denying = ByPattern::new(rules().filter(|rule| matches!(rule.effect, Effect::Deny) && rule.hours.is_empty()));
    let guarded = ByPattern::new(rules().filter(|rule| always_needs_approval(rule)));
    for rule in rules().filter(|rule| matches!(rule.effect, Effect::Allow(_))) {
        check_patterns(policy, rule, steps, warnings);
        check_shadowed(policy, rule, &denying, crowd, steps, warnings);
        check_services(policy, rule, &guarded, crowd, steps, warnings);
    }
}

/// Rules by what they are about.
struct ByPattern<'p> {
    rules: Vec<&'p Rule>,
    near: Near<usize>,
}

impl<'p> ByPattern<'p> {
    fn new(rules: impl Iterator<Item = &'p Rule>) -> ByPattern<'p> {
        let rules: Vec<&'p Rule> = rules.collect();
        let about = rules.iter().enumerate();
        let about = about.flat_map(|(index, rule)| rule.resources.iter().map(move |one| (one.clone(), index)));
        let near = Near::new(about);
        ByPattern { rules, near }
    }

    /// Returns the rules that may share a resource with `rule`, by id, each once.
    fn near(&self, rule: &Rule) -> Vec<&'p Rule> {
        let near: BTreeSet<usize> = rule.resources.iter().flat_map(|pattern| self.near.to(pattern)).copied().collect();
        near.into_iter().filter_map(|index| self.rules.get(index).copied()).collect()
    }
}

/// Warns of patterns that no resource fits.
fn check_patterns(policy: &Policy, rule: &Rule, steps: &mut usize, warnings: &mut Vec<Diagnostic>) {
    // Only a segment longer than any name makes one; the `*` in it may stand for nothing.
    let is_long = |pattern: &Pattern| pattern.as_str().split('/').any(|segment| segment.len() >= 64);
    for pattern in rule.resources.iter().filter(|pattern| is_long(pattern)) {
        if region::covers_within(&[], pattern, steps) == Ok(true) {
            let message = format!("rule `{}` is about `{pattern}`, and no resource is like that", rule.id);
            let help = Some("a segment of a resource has at most 64 characters");
            warnings.push(warning(Check::NeverMet, policy.place_of_rule(&rule.id), message, help));
        }
    }
}

/// Warns of a rule of which deny rules leave nothing: no subject, no action, no resource.
fn check_shadowed<'p>(
    policy: &'p Policy,
    rule: &'p Rule,
    denying: &ByPattern<'p>,
    crowd: &Crowd<'p>,
    steps: &mut usize,
    warnings: &mut Vec<Diagnostic>,
) {
    let near = denying.near(rule);
    // Who is on call is denied only while they are.
    let always =
        |one: &'p Selector, subject: &&Name| policy.rotation_of(one).is_none() && crowd.members(one).contains(*subject);
    let actions: Vec<Option<&Name>> = match &rule.actions {
        // A deny rule that names its actions leaves others.
        Actions::Any => vec![None],
        Actions::These(actions) => actions.iter().map(Some).collect(),
    };
    let mut compared: BTreeSet<Vec<&Name>> = BTreeSet::new();
    let mut shadowing: BTreeSet<&Name> = BTreeSet::new();
    for selector in &rule.subjects {
        for subject in crowd.members(selector).iter() {
            *steps = steps.saturating_sub(near.len());
            // Many of them are for the same.
            let mut last: (&[Selector], bool) = (&[], false);
            let denials = near.iter().copied().filter(|deny| {
                if last.0 != deny.subjects {
                    last = (&deny.subjects, deny.subjects.iter().any(|one| always(one, subject)));
                }
                last.1
            });
            let denials: Vec<&Rule> = denials.collect();
            if denials.is_empty() || *steps == 0 {
                return;
            }
            if !compared.insert(denials.iter().map(|deny| &deny.id).collect()) {
                continue;
            }
            for action in &actions {
                let of_action = |deny: &&&Rule| match action {
                    Some(action) => deny.actions.matches(action),
                    None => deny.actions == Actions::Any,
                };
                let applying: Vec<&Rule> = denials.iter().filter(of_action).copied().collect();
                let outer: Vec<&Pattern> = applying.iter().flat_map(|deny| &deny.resources).collect();
                if !rule.resources.iter().all(|pattern| is_covered(&outer, pattern, steps)) {
                    return;
                }
                shadowing.extend(applying.iter().map(|deny| &deny.id));
            }
        }
    }
    if shadowing.is_empty() {
        return;
    }
    let (by, plural) = match shadowing.iter().collect::<Vec<_>>()[..] {
        [one] => (format!("`{one}`"), ""),
        ref many => {
            (many.iter().take(super::MAX_NAMED).map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", "), "s")
        }
    };
    let message = format!("rule `{}` allows nothing: all of it is denied by rule{plural} {by}", rule.id);
    let help = Some("remove it, or narrow what denies it");
    warnings.push(warning(Check::Shadowed, policy.place_of_rule(&rule.id), message, help));
}

/// Tells whether `outer` leave nothing of `inner`; where that is too intricate to tell, it is not said.
fn is_covered(outer: &[&Pattern], inner: &Pattern, steps: &mut usize) -> bool {
    if let Ok(resource) = inner.as_str().parse::<Resource>() {
        return outer.iter().any(|pattern| pattern.matches(&resource));
    }
    !outer.is_empty() && region::covers_within(outer, inner, steps) == Ok(true)
}

/// Tells whether each request by the rule, however short, needs an approval.
fn always_needs_approval(rule: &Rule) -> bool {
    match &rule.effect {
        Effect::Allow(allow) => allow.approvals.iter().any(|entry| entry.longer_than.is_none()),
        Effect::Deny => false,
    }
}

/// Warns of a rule by which somebody has in the name of a service, without an approval, what another rule gives them only
/// with one: who owns a service can most likely sign for it.
fn check_services<'p>(
    policy: &'p Policy,
    rule: &'p Rule,
    guarded: &ByPattern<'p>,
    crowd: &Crowd<'p>,
    steps: &mut usize,
    warnings: &mut Vec<Diagnostic>,
) {
    if always_needs_approval(rule) {
        return;
    }
    let is_service = |name: &Name| policy.identity(name).is_some_and(|one| one.kind == IdentityKind::Service);
    let near = guarded.near(rule);
    for selector in &rule.subjects {
        for service in crowd.members(selector).iter().filter(|name| is_service(name)) {
            for other in &near {
                *steps = steps.saturating_sub(1);
                if *steps == 0 {
                    return;
                }
                let owners = policy.identity(service).into_iter().flat_map(|identity| &identity.owners);
                let asks = |owner: &&Name| other.subjects.iter().any(|one| crowd.members(one).contains(*owner));
                let Some(owner) = owners.into_iter().find(asks) else { continue };
                if share_an_action(&rule.actions, &other.actions) && share_a_resource(rule, other, steps) {
                    let message = format!(
                        "`{owner}` owns `{service}`, which has by rule `{}` without an approval what rule `{}` gives \
                         `{owner}` only with one",
                        rule.id, other.id
                    );
                    let help = Some("add `approvals`: no owner's counts for a service's requests");
                    warnings.push(warning(Check::OwnService, policy.place_of_rule(&rule.id), message, help));
                    return;
                }
            }
        }
    }
}

fn share_an_action(one: &Actions, other: &Actions) -> bool {
    match (one, other) {
        (Actions::Any, _) | (_, Actions::Any) => true,
        (Actions::These(one), Actions::These(other)) => one.intersection(other).next().is_some(),
    }
}

fn share_a_resource(rule: &Rule, other: &Rule, steps: &mut usize) -> bool {
    let mut pairs = rule.resources.iter().flat_map(|one| other.resources.iter().map(move |two| (one, two)));
    pairs.any(|(one, two)| region::overlap_within(one, two, steps) == Ok(true))
}
