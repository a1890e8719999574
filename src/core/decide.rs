//! A decision: may this subject do this now?
//!
//! A check can only take away. A grant is fixed when it completes; [`decide`] asks again, under the policy in force now,
//! whether the subject is known and the key theirs, whether a deny rule matches, whether one of the rules that were met
//! still fits, whether it was revoked or locked down, and whether now is inside its window. Approvals are not counted
//! again: what was approved stays approved, who may have it is asked each time. Deny is what happens when nothing says
//! allow.

use chrono::TimeDelta;

use super::evaluate;
use super::hash::Hash;
use super::key::PublicKey;
use super::ledger::{Grant, RequestRecord, Status, denied_now, locked_reason, no_rules};
use super::name::{Name, Resource};
use super::policy::{Allow, Hours, Policy, Rule, next_change};
use super::reason::{Code, Reason, merge};
use super::statement::Bind;
use super::time::Timestamp;
use super::token;
use super::view::{View, ViewExt};

/// How far this machine's clock may be behind the policy in force.
const CLOCK_LEEWAY: TimeDelta = TimeDelta::seconds(60);

/// What a gate asks.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// What is to be accessed.
    pub resource: &'a Resource,
    /// What is to be done to it.
    pub action: &'a Name,
    /// What the grant must be bound to; none if it must be bound to nothing.
    pub bind: Option<Bind>,
    /// Who is there.
    pub shown: Shown<'a>,
}

/// How the gate knows who is there.
#[derive(Clone, Copy, Debug)]
pub enum Shown<'a> {
    /// Somebody brought a token, for this gate.
    Token {
        /// The token, as it came.
        text: &'a str,
        /// The gate's own name; none if it has none.
        audience: Option<&'a str>,
    },
    /// The gate has authenticated the subject itself.
    Subject(&'a Name),
    /// The gate has authenticated the holder of this key itself.
    Key(&'a PublicKey),
}

/// The three answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    /// No.
    Deny,
    /// Not yet: a request waits for approvals.
    Pending,
    /// Yes.
    Allow,
}

impl Answer {
    /// Returns the answer as `--json` prints it.
    pub fn as_str(self) -> &'static str {
        match self {
            Answer::Deny => "deny",
            Answer::Pending => "pending",
            Answer::Allow => "allow",
        }
    }
}

/// An answer and all that led to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Yes, no or not yet.
    pub answer: Answer,
    /// Why; each code once. `granted` alone where the answer is yes.
    pub reasons: Vec<Reason>,
    /// The grant that allows it.
    pub grant: Option<Granted>,
    /// Until when the answer yes holds, if nothing new is logged.
    pub valid_until: Option<Timestamp>,
}

impl Decision {
    /// Returns a no for one reason.
    pub fn deny(reason: Reason) -> Decision {
        Decision { answer: Answer::Deny, reasons: vec![reason], grant: None, valid_until: None }
    }

    /// Tells whether only the time stands against it: the grant has not started, or has not its hour.
    pub fn is_asleep(&self) -> bool {
        self.answer == Answer::Deny
            && self.reasons.iter().all(|reason| matches!(reason.code, Code::NotYetValid | Code::OutsideHours))
    }
}

/// A grant, as a decision shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// Its id: that of its request.
    pub id: Hash,
    /// Whose it is.
    pub subject: Name,
    /// For what.
    pub resource: Resource,
    /// To do what.
    pub action: Name,
    /// What it is bound to.
    pub bind: Option<Bind>,
    /// Why it was asked for.
    pub reason: String,
    /// The smallest id of a rule that allows it now.
    pub rule: Name,
    /// When it starts.
    pub starts: Timestamp,
    /// When it ends; at that instant it no longer holds.
    pub expires: Timestamp,
    /// Whose approvals were counted, in log order.
    pub approved_by: Vec<Name>,
}

/// Decides whether the question's subject may do what it names at `now` (UTC).
///
/// Where no rule can be asked at all (no policy in force, one that does not load, a clock behind the policy), the answer
/// is no with that reason alone.
///
/// Of a view that could not be read the answer is no: what it did not show may be what speaks against it.
pub fn decide(view: &impl View, question: &Question<'_>, now: Timestamp) -> Decision {
    if let Some(reason) = obstacle(view, now) {
        return Decision::deny(reason);
    }
    let decision = match question.shown {
        Shown::Token { text, audience } => token::decide(view, text, question, audience, now),
        Shown::Subject(subject) => decide_subject(view, subject, None, question, now),
        Shown::Key(key) => match view.owner_of(key) {
            Some(subject) => decide_subject(view, &subject, Some(key), question, now),
            None => {
                let text = format!("{} is nobody's key here", key.fingerprint());
                Decision::deny(Reason::new(Code::UnknownSubject, text))
            }
        },
    };
    unless_failed(view, decision)
}

/// Returns a decision, unless the view that it was made from could not be read.
fn unless_failed(view: &impl View, decision: Decision) -> Decision {
    match view.failure() {
        None => decision,
        Some(why) => Decision::deny(Reason::new(Code::Unavailable, why)),
    }
}

/// Says why nothing can be decided here and now: no usable policy, or a clock behind the policy in force.
pub fn obstacle(view: &impl View, now: Timestamp) -> Option<Reason> {
    if let Some(why) = view.failure() {
        return Some(Reason::new(Code::Unavailable, why));
    }
    if view.rules().is_none() {
        return Some(no_rules(view));
    }
    let policy = view.policy_record()?;
    (now < policy.at.shifted(-CLOCK_LEEWAY)).then(|| {
        let text = format!("this machine's clock says {now}, but the policy in force was signed at {}", policy.at);
        Reason::new(Code::Clock, text)
    })
}

fn decide_subject(
    view: &impl View,
    subject: &Name,
    key: Option<&PublicKey>,
    question: &Question<'_>,
    now: Timestamp,
) -> Decision {
    if !view.knows(subject) {
        return Decision::deny(unknown_subject(subject));
    }
    let judged = |from: Option<Timestamp>| {
        let records = view.requests_for(subject, question.resource, question.action, from);
        choose(records.iter().map(|record| judge(view, record, question.bind, key, now)).collect())
    };
    // What has ended only says why not, so it is asked if nothing else answers; there may be much of it.
    let live = judged(Some(now)).filter(|decision| decision.answer != Answer::Deny);
    live.or_else(|| judged(None)).unwrap_or_else(|| {
        let text = format!("`{subject}` has not asked for `{}` on `{}`", question.action, question.resource);
        Decision::deny(Reason::new(Code::NoGrant, text))
    })
}

fn unknown_subject(subject: &Name) -> Reason {
    Reason::new(Code::UnknownSubject, format!("nobody is called `{subject}` here"))
}

/// Chooses among the requests that answer a question: allow if any allows (the latest end, then the smallest id), else
/// pending if any is, else deny; with the reasons of all that share the answer.
fn choose(judged: Vec<Decision>) -> Option<Decision> {
    let answer = judged.iter().map(|decision| decision.answer).max()?;
    let winners = judged.into_iter().filter(|decision| decision.answer == answer);
    if answer == Answer::Allow {
        return winners
            .min_by_key(|decision| decision.grant.as_ref().map(|grant| (std::cmp::Reverse(grant.expires), grant.id)));
    }
    let mut reasons = Vec::new();
    // The newest request comes first: what it lacks is what its author wants to know.
    for decision in winners.collect::<Vec<_>>().into_iter().rev() {
        merge(&mut reasons, decision.reasons);
    }
    Some(Decision { answer, reasons, grant: None, valid_until: None })
}

/// Judges one request at `now`, for a gate that wants it bound to `bind` and at which `key` was shown; none where the gate
/// knows who is there by other means.
pub fn judge(
    view: &impl View,
    record: &RequestRecord,
    bind: Option<Bind>,
    key: Option<&PublicKey>,
    now: Timestamp,
) -> Decision {
    let mut decision = stand_at(view, record, key, now);
    if record.request.bind != bind {
        let text = match (record.request.bind, bind) {
            (Some(bound), _) => format!("the grant is bound to {bound}"),
            (None, _) => "the grant is bound to nothing".to_owned(),
        };
        let against = Reason::new(Code::WrongBind, text);
        if decision.answer != Answer::Deny {
            return Decision::deny(against);
        }
        merge(&mut decision.reasons, [against]);
    }
    decision
}

/// Judges how one request stands at `now`, whatever a gate may want it bound to.
pub fn stand(view: &impl View, record: &RequestRecord, now: Timestamp) -> Decision {
    unless_failed(view, stand_at(view, record, None, now))
}

fn stand_at(view: &impl View, record: &RequestRecord, key: Option<&PublicKey>, now: Timestamp) -> Decision {
    if let Some(reason) = obstacle(view, now) {
        return Decision::deny(reason);
    }
    let Some(policy) = view.rules() else { return Decision::deny(no_rules(view)) };
    if !view.knows(&record.by) {
        return Decision::deny(unknown_subject(&record.by));
    }
    let mut against = Vec::new();
    if !view.owns_key(&record.by, &record.key) {
        let text =
            format!("{}, which signed the request, is no key of `{}` any more", record.key.fingerprint(), record.by);
        merge(&mut against, [Reason::new(Code::WrongKey, text)]);
        merge(&mut against, changed(view, record));
    }
    if let Some(ending) = &record.revoked {
        merge(&mut against, [Reason::new(Code::Revoked, format!("`{}` revoked it at {}", ending.by, ending.at))]);
    }
    if !matches!(record.status, Status::WithoutEffect(_)) {
        merge(&mut against, locked_reason(view, &record.by, &record.request.resource, record.index));
    }
    match &record.status {
        Status::WithoutEffect(reasons) => {
            merge(&mut against, reasons.iter().cloned());
            deny(against)
        }
        Status::Denied(ending) => {
            let text = format!("`{}` denied it at {}", ending.by, ending.at);
            merge(&mut against, [Reason::new(Code::DeniedByApprover, text)]);
            deny(against)
        }
        Status::Pending => stand_pending(view, &policy, record, now, against),
        Status::Complete(grant) => stand_complete(view, &policy, record, &Gate { grant, key, now }, against),
    }
}

fn deny(reasons: Vec<Reason>) -> Decision {
    Decision { answer: Answer::Deny, reasons, grant: None, valid_until: None }
}

fn stand_pending(
    view: &impl View,
    policy: &Policy,
    record: &RequestRecord,
    now: Timestamp,
    mut against: Vec<Reason>,
) -> Decision {
    let ask = record.ask_at(now);
    if record.has_lapsed(now) {
        let text = format!("it was not approved by {}", record.lapses_at());
        merge(&mut against, [Reason::new(Code::Lapsed, text)]);
    }
    let by_policy: Vec<Reason> = denied_now(policy, &ask)
        .into_iter()
        .chain(evaluate::misfits(policy, policy.rules_near(ask.resource), &ask))
        .collect();
    if !by_policy.is_empty() {
        merge(&mut against, by_policy);
        merge(&mut against, changed(view, record));
    }
    if against.is_empty() {
        let text = format!("it waits for approval until {}", record.lapses_at());
        let reasons = vec![Reason::new(Code::NeedsApproval, text)];
        return Decision { answer: Answer::Pending, reasons, grant: None, valid_until: None };
    }
    deny(against)
}

/// A grant at a gate.
struct Gate<'a> {
    grant: &'a Grant,
    /// The key that was shown there.
    key: Option<&'a PublicKey>,
    now: Timestamp,
}

fn stand_complete(
    view: &impl View,
    policy: &Policy,
    record: &RequestRecord,
    gate: &Gate<'_>,
    mut against: Vec<Reason>,
) -> Decision {
    let (ask, grant, now) = (record.ask_at(gate.now), gate.grant, gate.now);
    let rules = grant.rules.iter().filter_map(|id| policy.rule(id));
    let fitting: Vec<(&Rule, &Allow)> =
        rules.clone().filter_map(|rule| evaluate::fit(policy, rule, &ask).ok().map(|allow| (rule, allow))).collect();
    let mut by_policy: Vec<Reason> = denied_now(policy, &ask).into_iter().collect();
    if fitting.is_empty() {
        by_policy.extend(evaluate::misfits(policy, rules, &ask));
    }
    if !by_policy.is_empty() {
        merge(&mut against, by_policy);
        merge(&mut against, changed(view, record));
    }
    let is_touched = gate.key.is_none_or(PublicKey::is_security_key);
    let (usable, untouched): (Vec<_>, Vec<_>) =
        fitting.into_iter().partition(|(_, allow)| is_touched || !allow.require_hardware_key);
    let allowing = usable.iter().find(|(rule, _)| rule.has_its_hour(now)).map(|(rule, _)| rule.id.clone());
    if allowing.is_none() {
        merge(&mut against, usable.iter().map(|(rule, _)| outside_hours(rule)));
        merge(&mut against, untouched.iter().map(|(rule, _)| untouched_key(rule)));
    }
    if now < grant.live_from {
        merge(&mut against, [Reason::new(Code::NotYetValid, format!("it starts at {}", grant.start))]);
    }
    if now >= grant.end {
        merge(&mut against, [Reason::new(Code::Expired, format!("it ended at {}", grant.end))]);
    }
    match allowing {
        Some(rule) if against.is_empty() => Decision {
            answer: Answer::Allow,
            reasons: vec![Reason::new(Code::Granted, format!("granted to `{}` until {}", record.by, grant.end))],
            grant: Some(shown(record, grant, rule)),
            valid_until: Some(holds_until(policy, record, &usable, now, grant.end)),
        },
        Some(_) | None => deny(against),
    }
}

fn outside_hours(rule: &Rule) -> Reason {
    let hours = rule.hours.iter().map(Hours::to_string).collect::<Vec<_>>().join("; ");
    Reason::new(Code::OutsideHours, format!("rule `{}` holds only {hours}", rule.id))
}

fn untouched_key(rule: &Rule) -> Reason {
    let text = format!("rule `{}` wants a security key (sk-ssh-ed25519) at the gate", rule.id);
    Reason::new(Code::NeedsHardwareKey, text)
}

/// Returns until when a grant that is allowed at `now` stays so, if nothing new is logged: the earliest of its end, of the
/// time for which the rules that allow it have their hour and are for the subject, and of the start of that of a deny rule.
fn holds_until(
    policy: &Policy,
    record: &RequestRecord,
    allowing: &[(&Rule, &Allow)],
    now: Timestamp,
    end: Timestamp,
) -> Timestamp {
    let subject = &record.by;
    let mut reached = now;
    while reached < end {
        let holding = allowing.iter().map(|(rule, _)| *rule).filter(|rule| holds(policy, rule, subject, reached));
        let further = holding.map(|rule| next_flip(policy, rule, subject, reached, end).unwrap_or(end)).max();
        match further {
            Some(further) => reached = further,
            None => break,
        }
    }
    let ask = record.ask_at(now);
    let denials = evaluate::denials_of_anybody(policy, &ask);
    denials.fold(reached, |until, rule| next_flip(policy, rule, subject, now, until).unwrap_or(until))
}

/// Tells whether a rule is for the subject at `now`, and has its hour.
fn holds(policy: &Policy, rule: &Rule, subject: &Name, now: Timestamp) -> bool {
    policy.selects(&rule.subjects, subject, now) && rule.has_its_hour(now)
}

/// Returns the first instant after `now` and before `limit` at which [`holds`] says something else than at `now`.
fn next_flip(policy: &Policy, rule: &Rule, subject: &Name, now: Timestamp, limit: Timestamp) -> Option<Timestamp> {
    if !policy.could_select(&rule.subjects, subject) {
        return None;
    }
    let held = holds(policy, rule, subject, now);
    let mut at = now;
    loop {
        let turn = policy.next_turn(&rule.subjects, subject, at, limit);
        at = next_change(&rule.hours, at, turn.unwrap_or(limit)).or(turn)?;
        if holds(policy, rule, subject, at) != held {
            return Some(at);
        }
    }
}

/// Says that the policy in force is another than the one at the request or its completion, if it is.
fn changed(view: &impl View, record: &RequestRecord) -> Option<Reason> {
    let judged_under = record.grant().map_or(record.request.policy, |grant| grant.policy);
    let policy = view.policy_record().filter(|policy| policy.id != judged_under)?;
    let text = format!("policy version {} is in force since it was granted", policy.version);
    Some(Reason::new(Code::PolicyChanged, text))
}

/// Returns the grant that a request became, as a decision shows it, whether it holds now or not; with the smallest id of
/// a rule that still allows it, or else of one that did.
pub fn granted(view: &impl View, record: &RequestRecord) -> Option<Granted> {
    let grant = record.grant()?;
    let policy = view.rules();
    let still = |id: &&Name| {
        let rule = policy.as_ref().and_then(|policy| policy.rule(id).map(|rule| (policy, rule)));
        rule.is_some_and(|(policy, rule)| evaluate::fit(policy, rule, &record.ask()).is_ok())
    };
    let rule = grant.rules.iter().find(still).or_else(|| grant.rules.first())?;
    Some(shown(record, grant, rule.clone()))
}

/// Returns a grant as a decision shows it.
fn shown(record: &RequestRecord, grant: &Grant, rule: Name) -> Granted {
    Granted {
        id: record.id,
        subject: record.by.clone(),
        resource: record.request.resource.clone(),
        action: record.request.action.clone(),
        bind: record.request.bind,
        reason: record.request.reason.clone(),
        rule,
        starts: grant.start,
        expires: grant.end,
        approved_by: grant.counted.iter().map(|approval| approval.by.clone()).collect(),
    }
}
