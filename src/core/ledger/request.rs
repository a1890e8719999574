//! Requests: what becomes of one at its own line, at each approval, and by a revocation.
//!
//! A request is judged at its own line and at each approval line after it that counts, under the policy in force there.
//! Where one allow rule is first met as a whole it is complete, and the grant is fixed for ever.

use std::collections::BTreeSet;

use super::record::{ApprovalRecord, Ending, Grant, RequestRecord, Status};
use super::{Change, Effect, Placed};
use crate::core::evaluate::{self, Ask};
use crate::core::name::{Name, Resource};
use crate::core::policy::Policy;
use crate::core::reason::{Code, Reason};
use crate::core::statement::{Approval, Request, Revocation, Verdict};
use crate::core::time::Duration;
use crate::core::view::{View, ViewExt};

impl RequestRecord {
    /// Returns what of the request the rules look at.
    pub fn ask(&self) -> Ask<'_> {
        Ask {
            subject: &self.by,
            resource: &self.request.resource,
            action: &self.request.action,
            duration: self.request.duration,
            reason: &self.request.reason,
        }
    }
}

/// Takes in a `request` line.
pub(super) fn ask(view: &impl View, at: &Placed<'_>, request: &Request) -> Vec<Change> {
    let mut record = RequestRecord {
        id: at.id,
        index: at.index,
        leaf: at.leaf,
        by: at.statement.by.clone(),
        key: at.key.clone(),
        at: at.statement.at,
        request: request.clone(),
        pending_for: Duration::MAX,
        approvals: Vec::new(),
        status: Status::Pending,
        revoked: None,
    };
    judge_new(view, &mut record);
    vec![Change::Request(Box::new(record))]
}

/// Judges a request at its own line: complete, waiting, or without effect for ever.
pub fn judge_new(view: &impl View, record: &mut RequestRecord) {
    let Some(policy) = view.rules() else {
        // What holds for ever is that no rule fitted, not that this policy can't be read: a later one may load.
        let text = "no rule could be asked when it was made: no policy that this program can read was in force";
        record.status = Status::WithoutEffect(vec![Reason::new(Code::NoMatchingRule, text)]);
        return;
    };
    record.pending_for = policy.pending_for();
    let ask = record.ask();
    let mut against = Vec::new();
    against.extend(locked_reason(view, &record.by, &record.request.resource, record.index));
    against.extend(denied_reason(policy, &ask));
    against.extend(evaluate::misfits(policy, policy.rules_near(ask.resource), &ask));
    if against.is_empty() {
        record.status = completion(view, policy, record, record.index).map_or(Status::Pending, Status::Complete);
    } else {
        record.status = Status::WithoutEffect(against);
    }
}

/// Says why no rule of this log can be asked.
pub fn no_rules(view: &impl View) -> Reason {
    match (view.format_above(), view.policy_record()) {
        (Some(format), _) => {
            Reason::new(Code::PolicyUnsupported, format!("a policy of format {format} is in force: upgrade jit"))
        }
        (None, None) => Reason::new(Code::PolicyUnverified, "no policy is in force yet"),
        (None, Some(policy)) => Reason::new(
            Code::PolicyUnverified,
            format!("the files of policy version {} do not load: `jit policy status` says why", policy.version),
        ),
    }
}

/// Says which deny rule matches.
pub(crate) fn denied_reason(policy: &Policy, ask: &Ask<'_>) -> Option<Reason> {
    let rule = evaluate::denied_by(policy, ask.subject, ask.resource, ask.action)?;
    Some(Reason::new(Code::DeniedByRule, format!("the deny rule `{rule}` matches")))
}

/// Says which lockdown ends, or holds back, a request that stands at `index`.
pub fn locked_reason(view: &impl View, subject: &Name, resource: &Resource, index: u64) -> Option<Reason> {
    let lockdown = view.locked_down(subject, resource, index)?;
    let text = format!("`{}` locked it down ({})", lockdown.by, lockdown.id.short());
    Some(Reason::new(Code::Lockdown, text))
}

/// Takes in an approval, or a denial, of a request.
pub(super) fn approve(view: &impl View, at: &Placed<'_>, approval: &Approval) -> Effect {
    let by = &at.statement.by;
    let Some(record) = view.request(&approval.of) else { return Err("that request is not on record".to_owned()) };
    check_open(view, record)?;
    let Some(policy) = view.rules() else { return Err(no_rules(view).message) };
    if *by == record.by {
        return Err(format!("`{by}` can't judge a request of their own"));
    }
    if !evaluate::is_eligible(policy, &record.ask(), by) {
        return Err(format!("no rule that the request fits names `{by}` as an approver"));
    }
    let mut record = record.clone();
    let duration = match approval.verdict {
        Verdict::Deny => {
            record.status = Status::Denied(ending(at, &approval.comment));
            return Ok(vec![Change::Request(Box::new(record))]);
        }
        Verdict::Approve(duration) => duration,
    };
    if at.statement.at < record.at {
        return Err("it was signed before the request".to_owned());
    }
    if at.statement.at > record.lapses_at() {
        return Err(format!("it was signed after the request lapsed at {}", record.lapses_at()));
    }
    record.take_in(ApprovalRecord {
        id: at.id,
        index: at.index,
        leaf: at.leaf,
        by: by.clone(),
        key: at.key.clone(),
        at: at.statement.at,
        duration,
        comment: approval.comment.clone(),
    });
    if let Some(grant) = completion(view, policy, &record, at.index) {
        record.status = Status::Complete(grant);
    }
    Ok(vec![Change::Request(Box::new(record))])
}

/// Says what ended a request, if something did.
fn check_open(view: &impl View, record: &RequestRecord) -> Result<(), String> {
    match &record.status {
        Status::Pending => {}
        Status::WithoutEffect(_) => return Err("that request never had an effect".to_owned()),
        Status::Denied(ending) => return Err(format!("`{}` denied that request already", ending.by)),
        Status::Complete(_) => return Err("that request is granted already".to_owned()),
    }
    if let Some(ending) = &record.revoked {
        return Err(format!("`{}` revoked that request", ending.by));
    }
    match locked_reason(view, &record.by, &record.request.resource, record.index) {
        Some(reason) => Err(reason.message),
        None => Ok(()),
    }
}

/// Returns the grant if one allow rule is met as a whole at the line at `index`.
fn completion(view: &impl View, policy: &Policy, record: &RequestRecord, index: u64) -> Option<Grant> {
    let ask = record.ask();
    let in_force = view.policy_record()?;
    if !view.owns_key(&record.by, &record.key) || denied_reason(policy, &ask).is_some() {
        return None;
    }
    let counting = counting(view, policy, record);
    let people: BTreeSet<Name> = counting.iter().map(|approval| approval.by.clone()).collect();
    let rules: BTreeSet<Name> = evaluate::fitting(policy, &ask)
        .into_iter()
        .filter(|(_, allow)| evaluate::is_met(policy, allow, &ask, &people))
        .map(|(id, _)| id.clone())
        .collect();
    if rules.is_empty() {
        return None;
    }
    let signed = counting.iter().filter_map(|approval| approval.duration);
    let shortest = signed.fold(record.request.duration, Duration::min);
    let mut counted: Vec<ApprovalRecord> = Vec::new();
    for approval in counting {
        if !counted.iter().any(|earlier| earlier.by == approval.by) {
            counted.push(approval.clone());
        }
    }
    Some(Grant::fix(index, in_force.id, rules, record, counted, shortest))
}

/// Returns the approvals that count now: their author is eligible still, by a key still theirs. (That they were at their
/// own line, and signed in time, is why they are on record.)
pub(crate) fn counting<'a>(view: &impl View, policy: &Policy, record: &'a RequestRecord) -> Vec<&'a ApprovalRecord> {
    let ask = record.ask();
    record
        .approvals
        .iter()
        .filter(|approval| {
            view.owns_key(&approval.by, &approval.key) && evaluate::is_eligible(policy, &ask, &approval.by)
        })
        .collect()
}

/// Returns whose approvals of a waiting request count now.
pub fn approvers(view: &impl View, record: &RequestRecord) -> BTreeSet<Name> {
    let Some(policy) = view.rules() else { return BTreeSet::new() };
    counting(view, policy, record).into_iter().map(|approval| approval.by.clone()).collect()
}

/// Takes in a `revocation` line: by the subject, a counted approver, a revoker or a maintainer.
pub(super) fn revoke(view: &impl View, at: &Placed<'_>, revocation: &Revocation) -> Effect {
    let by = &at.statement.by;
    let Some(record) = view.request(&revocation.of) else { return Err("that request is not on record".to_owned()) };
    let counted = record.grant().is_some_and(|grant| grant.counted.iter().any(|approval| approval.by == *by));
    if *by != record.by && !counted && !view.is_revoker(by) {
        return Err(format!("`{by}` is neither its subject, a counted approver, a revoker nor a maintainer"));
    }
    match (&record.status, &record.revoked) {
        (_, Some(ending)) => return Err(format!("`{}` revoked it already", ending.by)),
        (Status::WithoutEffect(_), None) => return Err("that request never had an effect".to_owned()),
        (Status::Denied(ending), None) => return Err(format!("`{}` denied it already", ending.by)),
        (Status::Pending | Status::Complete(_), None) => {}
    }
    let mut record = record.clone();
    record.revoked = Some(ending(at, &revocation.reason));
    Ok(vec![Change::Request(Box::new(record))])
}

fn ending(at: &Placed<'_>, reason: &str) -> Ending {
    Ending { index: at.index, by: at.statement.by.clone(), at: at.statement.at, reason: reason.to_owned() }
}
