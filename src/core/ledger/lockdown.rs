//! Lockdowns, and lifting them.

use std::collections::{BTreeMap, BTreeSet};

use super::record::{LiftRecord, LockdownRecord};
use super::{Change, Effect, Placed};
use crate::core::name::Name;
use crate::core::statement::{Approval, Lift, Lockdown, LockdownSubject, Verdict};
use crate::core::view::{View, ViewExt};

/// Takes in a `lockdown` line. By a revoker or a maintainer it ends for good what it matches, and until it is lifted
/// nothing that matches is granted.
pub(super) fn lock(view: &impl View, at: &Placed<'_>, lockdown: &Lockdown) -> Effect {
    let by = &at.statement.by;
    if !view.is_revoker(by, at.statement.at) {
        return Err(format!("`{by}` is neither a revoker nor a maintainer"));
    }
    let mut members: BTreeMap<Name, BTreeSet<Name>> = BTreeMap::new();
    let roster = view.roster();
    for subject in &lockdown.subjects {
        if let LockdownSubject::Group(group) = subject
            && let Some(now) = roster.as_ref().and_then(|policy| policy.members(group))
        {
            members.insert(group.clone(), now);
        }
    }
    Ok(vec![Change::Lockdown(Box::new(LockdownRecord {
        id: at.id,
        index: at.index,
        by: by.clone(),
        at: at.statement.at,
        subjects: lockdown.subjects.clone(),
        resources: lockdown.resources.clone(),
        reason: lockdown.reason.clone(),
        lifted: None,
        members_then: members.values().flatten().cloned().collect(),
        members_now: members,
        members_once: BTreeMap::new(),
    }))])
}

/// Takes in a `lift` line, which is its author's own signature for it.
pub(super) fn lift(view: &impl View, at: &Placed<'_>, lift: &Lift) -> Effect {
    let record =
        LiftRecord { id: at.id, index: at.index, of: lift.of, reason: lift.reason.clone(), signatures: Vec::new() };
    sign(view, at, record)
}

/// Takes in an approval of a lift.
pub(super) fn approve_lift(view: &impl View, at: &Placed<'_>, approval: &Approval) -> Effect {
    match approval.verdict {
        Verdict::Approve(None) => {}
        Verdict::Approve(Some(_)) => return Err("a lift can't be approved for a time".to_owned()),
        Verdict::Deny => return Err("a denial of a lift has no effect".to_owned()),
    }
    let Some(record) = view.lift(&approval.of) else {
        return Err("the lift has taken effect already, or never can".to_owned());
    };
    sign(view, at, LiftRecord::clone(&record))
}

/// Adds one signature; lifts the lockdown once the threshold of those who are maintainers now, by keys still theirs, is
/// there.
fn sign(view: &impl View, at: &Placed<'_>, mut record: LiftRecord) -> Effect {
    let by = &at.statement.by;
    if !view.is_maintainer(by) {
        return Err(format!("`{by}` is no maintainer"));
    }
    let Some(lockdown) = view.lockdown(&record.of) else { return Err("that lockdown had no effect".to_owned()) };
    if lockdown.lifted.is_some() {
        return Err("that lockdown is lifted already".to_owned());
    }
    let signature = (by.clone(), at.key.clone());
    let is_new = !record.signatures.contains(&signature);
    if is_new {
        record.signatures.push(signature);
    }
    if signers(view, &record).len() < view.threshold() {
        // Signing once more only helps where the threshold has come down since.
        return if is_new {
            Ok(vec![Change::Lift(Box::new(record))])
        } else {
            Err(format!("`{by}` signed for it already"))
        };
    }
    let lifted = LockdownRecord { lifted: Some(at.index), ..LockdownRecord::clone(&lockdown) };
    // Others who proposed the same are served; nobody is to sign for theirs any more.
    let served = view.lifts_of(&record.of).into_iter().map(|lift| lift.id).filter(|id| *id != record.id);
    let mut changes: Vec<Change> = [record.id].into_iter().chain(served).map(Change::LiftDone).collect();
    changes.push(Change::Lockdown(Box::new(lifted)));
    Ok(changes)
}

/// Returns whose signatures under a lift count now.
pub fn signers(view: &impl View, record: &LiftRecord) -> BTreeSet<Name> {
    record
        .signatures
        .iter()
        .filter(|(name, key)| view.is_maintainer(name) && view.owns_key(name, key))
        .map(|(name, _)| name.clone())
        .collect()
}
