//! Who is meant, and what keys they have: the one place through which reach and comparison ask a policy for people.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::evaluate;
use crate::core::name::Name;
use crate::core::policy::{Actions, Allow, ApprovalRule, Policy, Rotation, Selector};
use crate::core::time::{Duration, Timestamp};

/// Tells whether one of `from` means `who`, at a moment or at some.
pub(super) fn is_meant(policy: &Policy, from: &[Selector], who: &Name, at: Option<Timestamp>) -> bool {
    match at {
        Some(at) => policy.selects(from, who, at),
        None => policy.could_select(from, who),
    }
}

/// Returns everybody whom one of `from` means, at a moment or at some.
pub(super) fn meant<'a>(policy: &'a Policy, from: &'a [Selector], at: Option<Timestamp>) -> BTreeSet<&'a Name> {
    let all = from.iter().flat_map(|selector| policy.selected(selector));
    all.filter(|who| at.is_none_or(|at| policy.selects(from, who, at))).collect()
}

/// Returns the rotations by which alone `from` means somebody, so that it does only while they are on call.
pub(super) fn turns<'a>(policy: &'a Policy, from: &[Selector], who: &Name) -> BTreeMap<String, &'a Rotation> {
    // Most lists name none.
    if from.iter().all(|selector| policy.rotation_of(selector).is_none()) || policy.always_selects(from, who) {
        return BTreeMap::new();
    }
    let rotations = from.iter().filter_map(|selector| Some((selector.to_string(), policy.rotation_of(selector)?)));
    rotations.filter(|(_, rotation)| rotation.people().contains(who)).collect()
}

/// Returns everybody who takes turns in a rotation that `from` names, and those by which alone it means them: somebody whom
/// it means anyway has none.
pub(super) fn turns_in<'a>(
    policy: &'a Policy,
    from: &[Selector],
) -> BTreeMap<&'a Name, BTreeMap<String, &'a Rotation>> {
    let rotations = from.iter().filter_map(|selector| policy.rotation_of(selector));
    rotations.flat_map(|rotation| rotation.people()).map(|who| (who, turns(policy, from, who))).collect()
}

/// Returns the rotations out of which somebody may have to approve.
pub(super) fn approving_turns<'a>(policy: &'a Policy, entries: &[ApprovalRule]) -> BTreeMap<String, &'a Rotation> {
    let from = entries.iter().flat_map(|entry| &entry.from);
    from.filter_map(|selector| Some((selector.to_string(), policy.rotation_of(selector)?))).collect()
}

/// Says that it is only while they are on call, if that is so.
pub(super) fn turns_text(policy: &Policy, from: &[Selector], who: &Name) -> Option<String> {
    let turns: Vec<String> = turns(policy, from, who).into_keys().collect();
    (!turns.is_empty()).then(|| format!("while on call ({})", turns.join(", ")))
}

/// Tells whether `who` may approve or deny requests of `subject`, if a rule names them: a person, neither the subject nor
/// an owner of it.
pub(super) fn may_judge(policy: &Policy, subject: &Name, who: &Name) -> bool {
    evaluate::may_judge(policy, subject, who)
}

/// The kinds of keys that somebody has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Keys {
    /// One that signs without a touch.
    pub plain: bool,
    /// A security key.
    pub security: bool,
}

impl Keys {
    /// Tells whether there is any.
    pub fn is_any(self) -> bool {
        self.plain || self.security
    }
}

/// Returns what keys an identity has; none if it is unknown.
pub fn keys(policy: &Policy, name: &Name) -> Keys {
    let kinds = policy.identity(name).into_iter().flat_map(|identity| identity.keys()).map(|key| key.is_security_key());
    kinds.fold(Keys::default(), |keys, security| Keys {
        plain: keys.plain || !security,
        security: keys.security || security,
    })
}

/// Returns who can approve by an entry, whoever asks: people whom it names, with a key of the kind.
pub(super) fn pool<'a>(policy: &'a Policy, entry: &'a ApprovalRule, at: Option<Timestamp>) -> Vec<&'a Name> {
    let can = |who: &&Name| {
        let keys = keys(policy, who);
        policy.identity(who).is_some_and(|identity| identity.is_person())
            && (keys.security || (keys.plain && !entry.hardware_key))
    };
    meant(policy, &entry.from, at).into_iter().filter(can).collect()
}

/// Returns who can approve by each entry of a rule, whoever asks.
pub(super) fn pools<'a>(policy: &'a Policy, allow: &'a Allow, at: Option<Timestamp>) -> Vec<Vec<&'a Name>> {
    allow.approvals.iter().map(|entry| pool(policy, entry, at)).collect()
}

/// Returns the durations up to which a rule always asks the same, the last its `max`.
pub(super) fn steps(allow: &Allow) -> BTreeSet<Duration> {
    let bounds = allow.approvals.iter().filter_map(|entry| entry.longer_than).filter(|bound| *bound < allow.max);
    bounds.chain([allow.max]).collect()
}

/// Returns all actions that are named, and one that is not, for all others, at the end.
pub(in crate::core) fn actions_and_another<'a>(several: impl Iterator<Item = &'a Actions>) -> Vec<Name> {
    let named = several.filter_map(|actions| match actions {
        Actions::Any => None,
        Actions::These(actions) => Some(actions),
    });
    let named: BTreeSet<&Name> = named.flatten().collect();
    let others = (0..).map(|number| if number == 0 { Name::access() } else { another(number) });
    let other = others.take(named.len() + 1).find(|name| !named.contains(name));
    named.into_iter().cloned().chain(other).collect()
}

fn another(number: usize) -> Name {
    format!("anything-{number}").parse().unwrap_or_else(|_| Name::access())
}
