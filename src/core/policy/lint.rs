//! What loads but is perhaps not what its author meant.

use std::collections::BTreeSet;

use crate::core::name::Name;

use super::diagnostic::{Diagnostic, Kind, Severity, Span};
use super::files::SETTINGS;
use super::model::{Allow, ApprovalRule, Effect, Policy, Rule, Selector};
use super::rotation::Rotation;

/// Returns what deserves a look in a policy that loads: warnings only, those about jit.toml first, then by file and
/// place.
///
/// - a threshold of 1 with two or more maintainers; fewer maintainers with keys than the threshold
/// - an entry of `approvals` that is only for requests longer than the rule allows
/// - a rule that asks for approvals of who is on call, or revokers who are on call: the moment is the one at which such a
///   statement is dated, by its author
/// - a rule that needs more approvers than there are for one of its subjects. This counts people who have a key, for
///   each entry and for all entries together; a rotation counts as one person, and as none where whoever asks, or an
///   owner, has turns in it. It does not find every rule that can't be met.
pub fn lint(policy: &Policy) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    check_maintainers(policy, &mut warnings);
    check_revokers(policy, &mut warnings);
    let most_owners = policy.identities().values().map(|identity| identity.owners.len()).max().unwrap_or(0);
    for rule in policy.rules().values() {
        if let Effect::Allow(allow) = &rule.effect {
            check_tiers(policy, rule, allow, &mut warnings);
            check_turns(policy, rule, allow, &mut warnings);
            check_approvers(policy, rule, allow, most_owners.max(1), &mut warnings);
        }
    }
    let key = |warning: &Diagnostic| {
        (warning.path != SETTINGS, warning.path.clone(), warning.span.as_ref().map(|span| span.bytes.start))
    };
    warnings.sort_by_key(key);
    warnings
}

fn warning(place: Option<(&str, &Span)>, message: String, help: Option<&str>) -> Diagnostic {
    Diagnostic {
        severity: Severity::Warning,
        kind: Kind::Fault,
        path: place.map_or(SETTINGS, |(path, _)| path).to_owned(),
        span: place.map(|(_, span)| span.clone()),
        message,
        help: help.map(str::to_owned),
    }
}

fn check_maintainers(policy: &Policy, warnings: &mut Vec<Diagnostic>) {
    let (count, threshold) = (policy.maintainers().len(), policy.threshold());
    let at = |place: &'_ Option<(String, Span)>| place.clone();
    if threshold == 1 && count > 1 {
        let place = at(&policy.places.threshold);
        let message = format!("`threshold` is 1, so any of the {count} maintainers can change the policy alone");
        let place = place.as_ref().map(|(path, span)| (path.as_str(), span));
        warnings.push(warning(place, message, Some("write `threshold = 2`")));
    }
    let able = policy.maintainers().iter().filter(|name| has_key(policy, name)).count();
    if able < threshold {
        let place = at(&policy.places.maintainers);
        let message = format!("`threshold` is {threshold} but the number of maintainers with a key is {able}");
        let place = place.as_ref().map(|(path, span)| (path.as_str(), span));
        warnings.push(warning(place, message, Some("list the maintainers' keys under identities/")));
    }
}

fn has_key(policy: &Policy, name: &Name) -> bool {
    policy.identity(name).is_some_and(|identity| !identity.keys.is_empty())
}

/// Warns of entries that never apply.
fn check_tiers(policy: &Policy, rule: &Rule, allow: &Allow, warnings: &mut Vec<Diagnostic>) {
    for (index, entry) in allow.approvals.iter().enumerate() {
        if let Some(bound) = entry.longer_than
            && !entry.applies_to(allow.max)
        {
            let message = format!(
                "entry {} of `approvals` in rule `{}` is for requests longer than {bound}, and the rule allows at most {}",
                index + 1,
                rule.id,
                allow.max
            );
            warnings.push(warning(policy.place_of_rule(&rule.id), message, None));
        }
    }
}

/// Tells whether it depends on the time whom `from` means, and somebody can choose that time.
fn is_by_turns(policy: &Policy, from: &[Selector]) -> bool {
    from.iter().filter_map(|selector| policy.rotation_of(selector)).any(|rotation| {
        let people = rotation.people();
        people.len() > 1 && people.into_iter().any(|name| !policy.always_selects(from, name))
    })
}

/// Warns of revokers who are on call: a revocation may be dated as its author likes.
fn check_revokers(policy: &Policy, warnings: &mut Vec<Diagnostic>) {
    if is_by_turns(policy, policy.revokers()) {
        let message = "`revokers` names who is on call, at the time that a revocation or a lockdown is dated: whoever has \
                       turns can date theirs into one, and so revoke at any time";
        let help = "if that is not meant, name people or groups";
        warnings.push(warning(None, message.to_owned(), Some(help)));
    }
}

/// Warns of entries that ask who is on call: an approval may be dated as its author likes, within bounds.
fn check_turns(policy: &Policy, rule: &Rule, allow: &Allow, warnings: &mut Vec<Diagnostic>) {
    for (index, entry) in allow.approvals.iter().enumerate() {
        if is_by_turns(policy, &entry.from) {
            let message = format!(
                "entry {} of `approvals` in rule `{}` asks who is on call at the time that an approval is dated: whoever has \
                 turns can date theirs into one that is at most {} after the request",
                index + 1,
                rule.id,
                policy.pending_for()
            );
            let help = "if that is too much, name a group, or shorten `request.pending_for` in jit.toml";
            warnings.push(warning(policy.place_of_rule(&rule.id), message, Some(help)));
        }
    }
}

/// Warns if for some subject there are not enough people to approve the longest request.
fn check_approvers(policy: &Policy, rule: &Rule, allow: &Allow, most_excluded: usize, warnings: &mut Vec<Diagnostic>) {
    let entries: Vec<&ApprovalRule> = allow.approvals.iter().filter(|entry| entry.applies_to(allow.max)).collect();
    let together: BTreeSet<&Selector> = entries.iter().flat_map(|entry| &entry.from).collect();
    let sum = entries.iter().map(|entry| needed(entry)).sum();
    let each = entries.iter().map(|entry| (entry.from.iter().collect(), needed(entry)));
    let demands: Vec<(BTreeSet<&Selector>, usize)> = each.chain([(together, sum)]).collect();
    for (from, need) in demands {
        // A subject takes away itself and its owners, so with so many nobody can be short of approvers.
        let enough = need + most_excluded;
        let able = able_approvers(policy, &from, enough);
        if able.len() >= enough {
            continue;
        }
        let turns: Vec<BTreeSet<&Name>> =
            from.iter().filter_map(|selector| policy.rotation_of(selector)).map(Rotation::people).collect();
        let short = subjects(policy, rule).map(|subject| (subject, able_for(policy, &able, &turns, subject)));
        if let Some((subject, have)) = short.filter(|(_, have)| *have < need).min_by_key(|(_, have)| *have) {
            let when = if turns.is_empty() {
                ""
            } else {
                " at any time: a rotation is one person, and nobody in their own turn"
            };
            let message =
                format!("rule `{}` needs {need} to approve, but for `{subject}` only {have} can{when}", rule.id);
            let help = "name more people with keys in `from`, or lower `count`; nobody approves for themselves";
            warnings.push(warning(policy.place_of_rule(&rule.id), message, Some(help)));
            return;
        }
    }
}

fn needed(entry: &ApprovalRule) -> usize {
    usize::try_from(entry.count).unwrap_or(usize::MAX)
}

/// Returns people with keys among `from`, whoever is on call; stops when there are `enough`.
fn able_approvers<'p>(policy: &'p Policy, from: &BTreeSet<&'p Selector>, enough: usize) -> BTreeSet<&'p Name> {
    let mut able = BTreeSet::new();
    let settled = from.iter().filter(|selector| policy.rotation_of(selector).is_none());
    for name in settled.flat_map(|selector| policy.selected(selector)) {
        if policy.identity(name).is_some_and(|identity| identity.is_person() && !identity.keys.is_empty()) {
            able.insert(name);
        }
        if able.len() >= enough {
            break;
        }
    }
    able
}

/// Counts who of `able`, and of those who take `turns`, can approve for the subject at any time.
fn able_for(policy: &Policy, able: &BTreeSet<&Name>, turns: &[BTreeSet<&Name>], subject: &Name) -> usize {
    let owners = policy.identity(subject).into_iter().flat_map(|identity| &identity.owners);
    let excluded: BTreeSet<&Name> = owners.chain([subject]).collect();
    let adds_one = |people: &&BTreeSet<&Name>| {
        let can = |name: &&Name| has_key(policy, name) && !excluded.contains(name) && !able.contains(name);
        people.iter().all(can)
    };
    able.len() - excluded.iter().filter(|name| able.contains(*name)).count() + turns.iter().filter(adds_one).count()
}

fn subjects<'p>(policy: &'p Policy, rule: &'p Rule) -> impl Iterator<Item = &'p Name> {
    rule.subjects.iter().flat_map(|selector| policy.selected(selector))
}
