//! Requests: what becomes of one at its own line, at each approval, and by a revocation.
//!
//! A request is judged at its own line and at each approval line after it that counts, under the policy in force there.
//! Where one allow rule is first met as a whole it is complete, and the grant is fixed for ever.

use std::collections::BTreeSet;

use super::record::{ApprovalRecord, Ending, Grant, RequestRecord, Status};
use super::{Change, Effect, Placed};
use crate::core::evaluate::{self, Approvers, Ask, Facts, Given, Held};
use crate::core::name::{Name, Resource};
use crate::core::policy::{Allow, Limits, Policy, Rule};
use crate::core::reason::{Code, Reason, merge};
use crate::core::statement::{Approval, Request, Revocation, Verdict};
use crate::core::time::{Duration, Timestamp};
use crate::core::view::{View, ViewExt};

impl RequestRecord {
    /// Returns what of the request the rules look at where it is judged, at its own line and at approvals: as of its `at`.
    pub fn ask(&self) -> Ask<'_> {
        self.ask_at(self.at)
    }

    /// Returns what of the request the rules look at, as of another moment.
    pub fn ask_at(&self, at: Timestamp) -> Ask<'_> {
        Ask {
            subject: &self.by,
            resource: &self.request.resource,
            action: &self.request.action,
            duration: self.request.duration,
            reason: &self.request.reason,
            by_hardware_key: self.key.is_security_key(),
            at,
        }
    }
}

/// A request beside the rules that could be for it: each of them is looked up, and held against it, once a line.
struct Asked<'a> {
    policy: &'a Policy,
    ask: Ask<'a>,
    near: Vec<&'a Rule>,
    fitting: Vec<(&'a Name, &'a Allow)>,
}

impl<'a> Asked<'a> {
    fn of(policy: &'a Policy, record: &'a RequestRecord) -> Asked<'a> {
        let ask = record.ask();
        let near: Vec<&Rule> = policy.rules_near(ask.resource).collect();
        let fitting = evaluate::fitting_among(policy, near.iter().copied(), &ask);
        Asked { policy, ask, near, fitting }
    }

    /// Says which deny rule matches: one without hours, since hours are asked at each check.
    fn denied_reason(&self) -> Option<Reason> {
        let denies = |rule: &&&Rule| rule.hours.is_empty() && evaluate::is_denial(self.policy, rule, &self.ask);
        self.near.iter().find(denies).map(|rule| denied_by(rule))
    }

    /// Says why none of the rules fits; empty if one does.
    fn misfits(&self) -> Vec<Reason> {
        match self.fitting.is_empty() {
            true => evaluate::misfits(self.policy, self.near.iter().copied(), &self.ask),
            false => Vec::new(),
        }
    }

    fn is_eligible(&self, who: &Name, given: Given) -> bool {
        evaluate::is_eligible_by(self.policy, &self.fitting, &self.ask, who, given)
    }

    /// Returns the approvals that count now: their author is eligible still, by a key still theirs. (That they were at
    /// their own line, and signed in time, is why they are on record.)
    fn counting<'r>(&self, view: &impl View, record: &'r RequestRecord) -> Vec<&'r ApprovalRecord> {
        let counts = |approval: &&ApprovalRecord| {
            view.owns_key(&approval.by, &approval.key) && self.is_eligible(&approval.by, given(approval))
        };
        record.approvals.iter().filter(counts).collect()
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
    let asked = Asked::of(&policy, record);
    let mut against = Vec::new();
    against.extend(locked_reason(view, &record.by, &record.request.resource, record.index));
    against.extend(asked.denied_reason());
    against.extend(asked.misfits());
    if !against.is_empty() {
        record.status = Status::WithoutEffect(against);
        return;
    }
    record.status = match completion(view, &asked, record, record.index) {
        Completion::Grant(grant) => Status::Complete(grant),
        Completion::Waits => Status::Pending,
        Completion::OverLimit(reasons) => Status::WithoutEffect(reasons),
    };
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

/// Says which deny rule matches at a check, at the ask's moment.
pub(crate) fn denied_now(policy: &Policy, ask: &Ask<'_>) -> Option<Reason> {
    evaluate::denials(policy, ask).find(|rule| rule.has_its_hour(ask.at)).map(denied_by)
}

fn denied_by(rule: &Rule) -> Reason {
    Reason::new(Code::DeniedByRule, format!("the deny rule `{}` matches", rule.id))
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
    let Some(before) = view.request(&approval.of) else { return Err("that request is not on record".to_owned()) };
    check_open(view, &before)?;
    let Some(policy) = view.rules() else { return Err(no_rules(view).message) };
    if *by == before.by {
        return Err(format!("`{by}` can't judge a request of their own"));
    }
    let asked = Asked::of(&policy, &before);
    let given = Given { by_hardware_key: at.key.is_security_key(), at: before.moment_of(at.statement.at) };
    if !asked.is_eligible(by, given) {
        let by_hardware_key = asked.is_eligible(by, Given { by_hardware_key: true, ..given });
        let how = if by_hardware_key { " by a key that is no security key" } else { "" };
        return Err(format!("no rule that the request fits names `{by}` as an approver{how}"));
    }
    let mut record = RequestRecord::clone(&before);
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
    let approval = ApprovalRecord {
        id: at.id,
        index: at.index,
        leaf: at.leaf,
        by: by.clone(),
        key: at.key.clone(),
        at: at.statement.at,
        duration,
        comment: approval.comment.clone(),
    };
    record.take_in(approval, &policy);
    if let Completion::Grant(grant) = completion(view, &asked, &record, at.index) {
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

/// Whether a request is complete at a line.
enum Completion {
    /// One allow rule is met as a whole.
    Grant(Grant),
    /// A rule that fits waits for approvals, or the subject may not have it at the moment.
    Waits,
    /// Every rule that fits has its approvals, and a limit of each is reached.
    OverLimit(Vec<Reason>),
}

/// Returns the grant if one allow rule is met as a whole at the line at `index`.
///
/// When a grant starts follows from the approvals that count, and what limits leave room for follows from when it starts;
/// so the window is that of all rules whose approvals are there, and then each of these is asked for its limits.
fn completion(view: &impl View, asked: &Asked<'_>, record: &RequestRecord, index: u64) -> Completion {
    let Asked { policy, ask, fitting, .. } = asked;
    let Some(in_force) = view.policy_record() else { return Completion::Waits };
    if !view.owns_key(&record.by, &record.key) || asked.denied_reason().is_some() {
        return Completion::Waits;
    }
    let counting = asked.counting(view, record);
    let people = people_of(&counting);
    let approved: Vec<(&Name, &Allow)> =
        fitting.iter().copied().filter(|(_, allow)| evaluate::is_approved(policy, allow, ask, &people)).collect();
    if approved.is_empty() {
        return Completion::Waits;
    }
    let signed = counting.iter().filter_map(|approval| approval.duration);
    let shortest = signed.fold(record.request.duration, Duration::min);
    let counted = choose_counted(policy, ask, &approved, &counting);
    let grant = Grant::fix(index, in_force.id, BTreeSet::new(), record, counted, shortest);
    let (mut rules, mut against) = (BTreeSet::new(), Vec::new());
    for (id, allow) in &approved {
        // Who has no limit need not be asked what they have, which may be much.
        let has_limits = allow.limits != Limits::default();
        let held = if has_limits { facts(view, &record.by, id) } else { Facts::default() };
        match evaluate::over_limit(&allow.limits, &held, grant.start, grant.end) {
            None => drop(rules.insert((*id).clone())),
            Some(limit) => {
                let text = format!("rule `{id}` has a limit that is reached: {limit}");
                merge(&mut against, [Reason::new(Code::OverLimit, text)]);
            }
        }
    }
    match rules.is_empty() {
        false => Completion::Grant(Grant { rules, ..grant }),
        true if approved.len() < fitting.len() => Completion::Waits,
        true => Completion::OverLimit(against),
    }
}

/// Returns what the subject holds by one rule.
fn facts(view: &impl View, subject: &Name, rule: &Name) -> Facts {
    let held = view.requests_of(subject).into_iter().filter_map(|record| {
        let grant = record.grant().filter(|grant| grant.rules.contains(rule))?;
        let is_ended =
            record.revoked.is_some() || view.locked_down(&record.by, &record.request.resource, record.index).is_some();
        Some(Held { start: grant.start, end: grant.end, is_ended })
    });
    Facts { held: held.collect() }
}

/// Returns what of an approval the rules look at.
fn given(approval: &ApprovalRecord) -> Given {
    Given { by_hardware_key: approval.key.is_security_key(), at: approval.at }
}

/// Returns whose approvals these are.
fn people_of(approvals: &[&ApprovalRecord]) -> Approvers {
    let mut people = Approvers::new();
    for approval in approvals {
        people.entry(approval.by.clone()).or_default().push(given(approval));
    }
    people
}

/// Chooses the counted approvals: of each person the first with which alone each of the rules would be met still; the
/// last, if there is none such. People are asked in the order of their first approvals.
fn choose_counted(
    policy: &Policy,
    ask: &Ask<'_>,
    rules: &[(&Name, &Allow)],
    counting: &[&ApprovalRecord],
) -> Vec<ApprovalRecord> {
    let mut people = people_of(counting);
    let mut counted: Vec<&ApprovalRecord> = Vec::new();
    for first in counting {
        if counted.iter().any(|chosen| chosen.by == first.by) {
            continue;
        }
        let theirs: Vec<&ApprovalRecord> =
            counting.iter().copied().filter(|approval| approval.by == first.by).collect();
        let alone = theirs.iter().copied().find(|approval| {
            people.insert(first.by.clone(), vec![given(approval)]);
            theirs.len() == 1 || rules.iter().all(|(_, allow)| evaluate::is_approved(policy, allow, ask, &people))
        });
        if alone.is_none() {
            people.insert(first.by.clone(), theirs.iter().map(|approval| given(approval)).collect());
        }
        counted.extend(alone.or(theirs.last().copied()));
    }
    counted.sort_by_key(|approval| approval.index);
    counted.into_iter().cloned().collect()
}

/// Returns whose approvals of a waiting request count now.
pub fn approvers(view: &impl View, record: &RequestRecord) -> Approvers {
    let Some(policy) = view.rules() else { return Approvers::new() };
    people_of(&Asked::of(&policy, record).counting(view, record))
}

/// Takes in a `revocation` line: by the subject, a counted approver, a revoker or a maintainer.
pub(super) fn revoke(view: &impl View, at: &Placed<'_>, revocation: &Revocation) -> Effect {
    let by = &at.statement.by;
    let Some(record) = view.request(&revocation.of) else { return Err("that request is not on record".to_owned()) };
    let counted = record.grant().is_some_and(|grant| grant.counted.iter().any(|approval| approval.by == *by));
    if *by != record.by && !counted && !view.is_revoker(by, at.statement.at) {
        return Err(format!("`{by}` is neither its subject, a counted approver, a revoker nor a maintainer"));
    }
    match (&record.status, &record.revoked) {
        (_, Some(ending)) => return Err(format!("`{}` revoked it already", ending.by)),
        (Status::WithoutEffect(_), None) => return Err("that request never had an effect".to_owned()),
        (Status::Denied(ending), None) => return Err(format!("`{}` denied it already", ending.by)),
        (Status::Pending | Status::Complete(_), None) => {}
    }
    let mut record = RequestRecord::clone(&record);
    record.revoked = Some(ending(at, &revocation.reason));
    Ok(vec![Change::Request(Box::new(record))])
}

fn ending(at: &Placed<'_>, reason: &str) -> Ending {
    Ending { index: at.index, by: at.statement.by.clone(), at: at.statement.at, reason: reason.to_owned() }
}
