//! What loads but is perhaps not what its author meant.
//!
//! [`lint`] looks for one thing after the other; [`Check`] lists them. What is about one rule and the people in it stands
//! here; `lint/relations.rs` holds rules against each other.

mod crowd;
mod relations;

use std::collections::BTreeSet;

use crate::core::evaluate::can_fill;
use crate::core::name::Name;

use super::diagnostic::{Check, Diagnostic, Kind, Severity, Span};
use super::files::SETTINGS;
use super::loaded::Policy;
use super::model::{Allow, ApprovalRule, Effect, Rule, Selector};
use super::rotation::Rotation;
use crowd::Crowd;

/// How much is compared in one policy, in steps of some hundred nanoseconds at most: whatever the policy, the time has an
/// end, and it is the same on every machine whether it was reached.
const MAX_STEPS: usize = 2_000_000;
/// The most names that a message lists.
const MAX_NAMED: usize = 3;

/// Returns what deserves a look in a policy that loads: warnings only, those about jit.toml first, then by file and
/// place. What each is about, [`Check`] says.
///
/// People count as approvers if they have a key, by a security key if the entry asks for that. Hours and limits are left
/// out of account, and a deny rule with hours shadows nothing. A rotation counts as one approver, and as none where whoever
/// asks, or an owner, has turns in it.
pub fn lint(policy: &Policy) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    check_maintainers(policy, &mut warnings);
    check_revokers(policy, &mut warnings);
    let crowd = Crowd::new(policy);
    let mut steps = MAX_STEPS;
    let most_owners = policy.identities().values().map(|identity| identity.owners.len()).max().unwrap_or(0);
    for rule in policy.rules().values() {
        if let Effect::Allow(allow) = &rule.effect {
            check_tiers(policy, rule, allow, &mut warnings);
            check_turns(policy, rule, allow, &mut warnings);
            check_meant(policy, rule, allow, &crowd, &mut warnings);
            check_approvers(policy, rule, allow, most_owners.max(1), &mut steps, &mut warnings);
            check_entries(policy, rule, allow, &crowd, &mut warnings);
        }
    }
    relations::check(policy, &crowd, &mut steps, &mut warnings);
    if steps == 0 {
        let message = "there is more in this policy than is compared: `shadowed`, `own-service` and `too-few-approvers` \
                       were not looked for everywhere";
        warnings.push(warning(Check::NotAllCompared, None, message.to_owned(), None));
    }
    let key = |warning: &Diagnostic| {
        (warning.path != SETTINGS, warning.path.clone(), warning.span.as_ref().map(|span| span.bytes.start))
    };
    warnings.sort_by_key(key);
    warnings
}

fn warning(check: Check, place: Option<(&str, &Span)>, message: String, help: Option<&str>) -> Diagnostic {
    Diagnostic {
        severity: Severity::Warning,
        kind: Kind::Look(check),
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
        let place = at(&policy.whole().places.threshold);
        let message = format!("`threshold` is 1, so any of the {count} maintainers can change the policy alone");
        let place = place.as_ref().map(|(path, span)| (path.as_str(), span));
        warnings.push(warning(Check::LoneMaintainer, place, message, Some("write `threshold = 2`")));
    }
    let able = policy.maintainers().iter().filter(|name| has_key(policy, name)).count();
    if able < threshold {
        let place = at(&policy.whole().places.maintainers);
        let message = format!("`threshold` is {threshold} but the number of maintainers with a key is {able}");
        let place = place.as_ref().map(|(path, span)| (path.as_str(), span));
        let help = Some("list the maintainers' keys under identities/");
        warnings.push(warning(Check::MaintainersWithoutKeys, place, message, help));
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
            warnings.push(warning(Check::IdleTier, policy.place_of_rule(&rule.id), message, None));
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
        warnings.push(warning(Check::ByTurns, None, message.to_owned(), Some(help)));
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
            warnings.push(warning(Check::ByTurns, policy.place_of_rule(&rule.id), message, Some(help)));
        }
    }
}

/// Warns of groups and kinds in which nobody can ask or approve, and of a security key that no subject has.
///
/// Identities by name are left out: that one has no key yet stands beside its name.
fn check_meant<'p>(
    policy: &'p Policy,
    rule: &'p Rule,
    allow: &'p Allow,
    crowd: &Crowd<'p>,
    warnings: &mut Vec<Diagnostic>,
) {
    let place = policy.place_of_rule(&rule.id);
    let by_name = |selector: &&Selector| matches!(selector, Selector::Identity(_));
    for selector in rule.subjects.iter().filter(|selector| !by_name(selector)) {
        if !crowd.has_keys(selector, false) {
            let message = format!("rule `{}` is for `{selector}`, in which nobody has a key to ask with", rule.id);
            let help = Some("list their keys under identities/, or take them out of `subjects`");
            warnings.push(warning(Check::NobodyMeant, place, message, help));
        }
    }
    for (index, entry) in allow.approvals.iter().enumerate() {
        for selector in entry.from.iter().filter(|selector| !by_name(selector)) {
            if !crowd.can_approve(selector, entry.hardware_key) {
                let key = if entry.hardware_key { "a security key" } else { "a key" };
                let message = format!(
                    "entry {} of `approvals` in rule `{}` names `{selector}`, in which no person has {key} to approve with",
                    index + 1,
                    rule.id
                );
                let help = Some("list their keys under identities/, or name others in `from`");
                warnings.push(warning(Check::NobodyMeant, place, message, help));
            }
        }
    }
    let has_keys = |hardware: bool| rule.subjects.iter().any(|selector| crowd.has_keys(selector, hardware));
    if allow.require_hardware_key && has_keys(false) && !has_keys(true) {
        let message = format!("rule `{}` wants a security key, and none of its subjects has one", rule.id);
        let help = Some("list a key made by `ssh-keygen -t ed25519-sk`, or remove `require_hardware_key`");
        warnings.push(warning(Check::NeverMet, place, message, help));
    }
}

/// Warns if for some subject there are not enough people to approve the longest request: for one entry, for all of them
/// together, or because the same people would have to fill places in several.
fn check_approvers(
    policy: &Policy,
    rule: &Rule,
    allow: &Allow,
    most_excluded: usize,
    steps: &mut usize,
    warnings: &mut Vec<Diagnostic>,
) {
    let entries: Vec<&ApprovalRule> = allow.approvals.iter().filter(|entry| entry.applies_to(allow.max)).collect();
    let sum = entries.iter().map(|entry| needed(entry)).sum();
    let each = entries.iter().map(|entry| (vec![*entry], needed(entry)));
    let demands: Vec<(Vec<&ApprovalRule>, usize)> = each.chain([(entries.clone(), sum)]).collect();
    let place = policy.place_of_rule(&rule.id);
    for (among, need) in demands {
        // A subject takes away itself and its owners, so with so many nobody can be short of approvers.
        let enough = need + most_excluded;
        let able = able_approvers(policy, &among, enough);
        if able.len() >= enough {
            continue;
        }
        let from = among.iter().flat_map(|entry| &entry.from).collect::<BTreeSet<_>>();
        let turns: Vec<BTreeSet<&Name>> =
            from.into_iter().filter_map(|selector| policy.rotation_of(selector)).map(Rotation::people).collect();
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
            warnings.push(warning(Check::TooFewApprovers, place, message, Some(help)));
            return;
        }
    }
    if let Some(subject) = crossed(policy, rule, &entries, sum + most_excluded, steps) {
        let message = format!(
            "rule `{}` needs {sum} different people to approve, and for `{subject}` the same few would have to fill places \
             in several entries",
            rule.id
        );
        let help = "name more people with keys in `from`; one person fills one place";
        warnings.push(warning(Check::TooFewApprovers, place, message, Some(help)));
    }
}

/// Returns a subject for whom no people fill all entries, each a place of their own, though each entry has enough.
fn crossed<'p>(
    policy: &'p Policy,
    rule: &'p Rule,
    entries: &[&ApprovalRule],
    enough: usize,
    steps: &mut usize,
) -> Option<&'p Name> {
    // Where there are enough for all entries together, somebody is left in the end: only the others compete.
    let pools = entries.iter().map(|entry| (able_approvers(policy, &[entry], enough), entry.count));
    let (pools, counts): (Vec<BTreeSet<&Name>>, Vec<u32>) = pools.filter(|(pool, _)| pool.len() < enough).unzip();
    let has_turns = entries.iter().flat_map(|entry| &entry.from).any(|from| policy.rotation_of(from).is_some());
    if pools.len() < 2 || has_turns {
        return None;
    }
    let people: Vec<&Name> = pools.iter().flatten().copied().collect::<BTreeSet<_>>().into_iter().collect();
    let places: usize = counts.iter().map(|count| usize::try_from(*count).unwrap_or(usize::MAX)).sum();
    let mut asked_for_a_stranger = false;
    subjects(policy, rule).find(|subject| {
        let excluded: BTreeSet<&Name> = not_counting(policy, subject).filter(|name| people.contains(name)).collect();
        // All who take nobody away are alike.
        if excluded.is_empty() && std::mem::replace(&mut asked_for_a_stranger, true) {
            return false;
        }
        *steps = steps.saturating_sub(places.saturating_mul(people.len()));
        let able = pools.iter().map(|pool| {
            let fits = |name: &Name| pool.contains(name) && !excluded.contains(name);
            people.iter().enumerate().filter(|(_, name)| fits(name)).map(|(index, _)| index).collect()
        });
        *steps > 0 && !can_fill(able.collect(), &counts, people.len())
    })
}

fn needed(entry: &ApprovalRule) -> usize {
    usize::try_from(entry.count).unwrap_or(usize::MAX)
}

/// Returns people who can approve by one of the entries, whoever is on call; stops when there are `enough`.
fn able_approvers<'p>(policy: &'p Policy, entries: &[&'p ApprovalRule], enough: usize) -> BTreeSet<&'p Name> {
    let mut able = BTreeSet::new();
    let named = entries.iter().flat_map(|entry| entry.from.iter().map(move |from| (entry.hardware_key, from)));
    let named = named.filter(|(_, from)| policy.rotation_of(from).is_none());
    for (hardware, name) in named.flat_map(|(hardware, from)| policy.selected(from).map(move |name| (hardware, name))) {
        if crowd::can_approve(policy, name, hardware) {
            able.insert(name);
        }
        if able.len() >= enough {
            break;
        }
    }
    able
}

/// Iterates over those whose approval never counts for the subject: itself and its owners.
fn not_counting<'p>(policy: &'p Policy, subject: &'p Name) -> impl Iterator<Item = &'p Name> {
    policy.identity(subject).into_iter().flat_map(|identity| &identity.owners).chain([subject])
}

/// Counts who of `able`, and of those who take `turns`, can approve for the subject at any time.
fn able_for(policy: &Policy, able: &BTreeSet<&Name>, turns: &[BTreeSet<&Name>], subject: &Name) -> usize {
    let excluded: BTreeSet<&Name> = not_counting(policy, subject).collect();
    let adds_one = |people: &&BTreeSet<&Name>| {
        let can = |name: &&Name| has_key(policy, name) && !excluded.contains(name) && !able.contains(name);
        people.iter().all(can)
    };
    able.len() - excluded.iter().filter(|name| able.contains(*name)).count() + turns.iter().filter(adds_one).count()
}

fn subjects<'p>(policy: &'p Policy, rule: &'p Rule) -> impl Iterator<Item = &'p Name> {
    rule.subjects.iter().flat_map(|selector| policy.selected(selector))
}

/// Warns of people who can fill a place in every entry of a quorum that names different groups: who they stand for is then
/// their choice. An entry that names the very same as another, or all people, asks for no group of its own.
fn check_entries<'p>(
    policy: &'p Policy,
    rule: &'p Rule,
    allow: &'p Allow,
    crowd: &Crowd<'p>,
    warnings: &mut Vec<Diagnostic>,
) {
    let entries: Vec<&ApprovalRule> = allow.approvals.iter().filter(|entry| entry.applies_to(allow.max)).collect();
    let named: BTreeSet<BTreeSet<&Selector>> = entries.iter().map(|entry| entry.from.iter().collect()).collect();
    let names_all = named.iter().flatten().any(|selector| matches!(selector, Selector::Kind(_)));
    if named.len() < 2 || named.len() < entries.len() || names_all {
        return;
    }
    let Some((first, others)) = entries.split_first() else { return };
    let can_fill =
        |entry: &'p ApprovalRule, name: &Name| entry.from.iter().any(|from| crowd.members(from).contains(name));
    let everywhere: BTreeSet<&Name> = able_approvers(policy, &[first], usize::MAX)
        .into_iter()
        .filter(|name| others.iter().all(|entry| can_fill(entry, name)))
        .collect();
    if everywhere.is_empty() {
        return;
    }
    let shown = everywhere.iter().take(MAX_NAMED).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let more = match everywhere.len().saturating_sub(MAX_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let each = if everywhere.len() == 1 { "" } else { "each of " };
    let message = format!(
        "in rule `{}` {each}{shown}{more} can fill a place in every entry of `approvals`, whose groups are meant to differ",
        rule.id
    );
    let help = Some("keep the groups apart, or ask for their people in one entry with a `count`");
    warnings.push(warning(Check::InEveryEntry, policy.place_of_rule(&rule.id), message, help));
}
