//! Saying yes or no to what others signed: what `approve` and `deny` share, and how requests are described.

use super::context::{Context, Me};
use super::exit::{Exit, Failure};
use super::id;
use super::ledger::Ledger;
use super::render;
use super::statement::{self, Insist};
use super::text::check_text;
use crate::core::evaluate::{self, Need};
use crate::core::hash::Hash;
use crate::core::ledger::{
    ApprovalRecord, Change, Delta, Entry, EntryKind, LiftRecord, Loaded, ProposalRecord, RequestRecord, Status, Tally,
    foresee, lift_signers, tally,
};
use crate::core::name::Name;
use crate::core::reason::{Code, Reason};
use crate::core::statement::{Approval, Verdict, What};
use crate::core::time::Duration;
use crate::core::view::{View, ViewExt};
use serde::Serialize;

/// A yes or a no as it was asked for on the command line.
#[derive(Debug)]
pub(super) struct Say<'a> {
    pub(super) ids: &'a [String],
    pub(super) comment: &'a str,
    pub(super) verdict: Verdict,
}

#[derive(Serialize)]
struct SaidJson {
    said: Vec<SaidOne>,
}

#[derive(Serialize)]
struct SaidOne {
    id: String,
    of: String,
    kind: &'static str,
    verdict: &'static str,
    state: String,
}

/// Shows each statement, asks, signs and logs.
pub(super) fn run(cx: &mut Context<'_>, say: &Say<'_>) -> anyhow::Result<Exit> {
    check_text("--comment", say.comment)?;
    let mut ledger = cx.ledger()?;
    let found = say
        .ids
        .iter()
        .map(|prefix| id::find_to_sign(cx, &ledger.view, prefix))
        .collect::<anyhow::Result<Vec<(Hash, Entry)>>>()?;
    let mut me = cx.me(&ledger)?;
    let mut said = Vec::new();
    for (of, entry) in found {
        match one(cx, &mut ledger, &mut me, say, of, entry) {
            Ok(one) => said.push(one),
            Err(why) => {
                if cx.json() {
                    warn_of_done(cx, said.iter().map(|one| one.of.as_str()));
                }
                return Err(why);
            }
        }
    }
    if cx.json() {
        cx.print_json(&SaidJson { said })?;
    }
    Ok(Exit::Done)
}

/// What to look at where a policy can't be approved.
const STATUS_HELP: &str = "`jit policy status` shows what is in force and what is proposed";
/// The same for a lift.
const LOCKDOWNS_HELP: &str = "`jit list` shows the lockdowns that hold";

/// Names and values.
type Rows = Vec<(&'static str, String)>;

/// Says what stands in the log already, where a command over several ids breaks off.
pub(super) fn warn_of_done<'a>(cx: &mut Context<'_>, done: impl Iterator<Item = &'a str>) {
    let done: Vec<&str> = done.collect();
    if !done.is_empty() {
        cx.world.warn(&format!("Signed and logged before that: {}", done.join(", ")));
    }
}

fn one(
    cx: &mut Context<'_>,
    ledger: &mut Ledger,
    me: &mut Me,
    say: &Say<'_>,
    of: Hash,
    entry: Entry,
) -> anyhow::Result<SaidOne> {
    let now = cx.world.now();
    // Signed before the request it would not count; clocks differ by a little.
    let at = ledger.view.request(&of).map_or(now, |record| now.max(record.at));
    let (kind, mut rows, changes) = describe(cx, ledger, say, &of, entry.kind)?;
    let approval = Approval { of, verdict: say.verdict, comment: say.comment.to_owned() };
    let statement = statement::compose(cx, ledger, me, at, What::Approval(approval))?;
    let foreseen = foresee(&ledger.view, &statement, me.signer.public_key(), None);
    if let Err(why) = statement::demand_effect(&foreseen) {
        let help = match ledger.view.request(&of) {
            Some(record) if record.by == me.name => format!("`jit revoke {} --reason T` takes it back", of.short()),
            Some(record) if owns(&ledger.view, &me.name, &record.by) => {
                format!("an owner of `{}` can't judge its requests: somebody else must", record.by)
            }
            Some(_) => format!("`jit show {}` shows how it stands", of.short()),
            None if entry.kind == EntryKind::Policy => STATUS_HELP.to_owned(),
            None => LOCKDOWNS_HELP.to_owned(),
        };
        return Err(Failure::from_error(&why).help(help).into());
    }
    if !say.comment.is_empty() {
        rows.push(("your comment", render::quoted(say.comment)));
    }
    rows.push(("then", then(cx, &foreseen)));
    let shown = format!("{}{changes}", render::details(&rows));
    let (word, past) = match say.verdict {
        Verdict::Approve(_) => ("approve", "Approved"),
        Verdict::Deny => ("deny", "Denied"),
    };
    cx.show_before_signing(&format!("About to {word} this {kind} as {}:\n{shown}", me.describe()));
    cx.confirm(&format!("Sign and log that you {word} it?"))?;
    let message = format!("{} {}s {kind} {}", me.name, if word == "deny" { "denie" } else { word }, of.short());
    let logged = statement::say(cx, ledger, me, statement, &message, Insist::OnEffect)?;
    let state = state_after(cx, ledger, &of, entry.kind);
    if !cx.json() {
        cx.print(&format!("{past}. {state}"))?;
    }
    Ok(SaidOne { id: logged.id.to_string(), of: of.to_string(), kind, verdict: word, state })
}

/// Tells whether somebody is an owner of a service.
fn owns(view: &impl View, owner: &Name, service: &Name) -> bool {
    view.roster().is_some_and(|policy| policy.identity(service).is_some_and(|service| service.owners.contains(owner)))
}

/// Describes what is about to be approved or denied: what it is called, its fields, and for a policy what changes.
fn describe(
    cx: &Context<'_>,
    ledger: &Ledger,
    say: &Say<'_>,
    of: &Hash,
    kind: EntryKind,
) -> anyhow::Result<(&'static str, Rows, String)> {
    match kind {
        EntryKind::Request => {
            let record = ledger.view.request(of).ok_or_else(|| Failure::denied("that request is not on record"))?;
            Ok(("request", request_rows(cx, ledger, &record, say), String::new()))
        }
        EntryKind::Policy => {
            let proposal = ledger.view.proposal(of).ok_or_else(|| {
                Failure::denied("that policy is in force already, or can't come into force any more").help(STATUS_HELP)
            })?;
            check_date(cx, &proposal)?;
            let changes = super::policy::describe_changes(ledger, &proposal.policy)?;
            Ok(("policy", proposal_rows(cx, ledger, &proposal), format!("\n{changes}")))
        }
        EntryKind::Lift => {
            let lift = ledger.view.lift(of).ok_or_else(|| {
                Failure::denied("that lift has taken effect already, or never can").help(LOCKDOWNS_HELP)
            })?;
            Ok(("lift", lift_rows(cx, ledger, &lift), String::new()))
        }
        EntryKind::Lockdown | EntryKind::Other => {
            let text = format!("{} is no request, policy or lift", of.short());
            Err(Failure::denied(text).help(format!("`jit show {}` shows what it is", of.short())).into())
        }
    }
}

/// Says what will have become of it, if nobody else is first.
fn then(cx: &Context<'_>, foreseen: &Delta) -> String {
    let settled = foreseen.changes.iter().find_map(|change| match change {
        Change::Request(record) => match &record.status {
            Status::Complete(grant) => {
                let (start, end) = (render::both_times(cx.world, grant.start), render::both_times(cx.world, grant.end));
                Some(format!("it is granted, from {start} until {end}"))
            }
            Status::Denied(_) => Some("it has ended".to_owned()),
            Status::Pending | Status::WithoutEffect(_) => None,
        },
        Change::PolicyInForce(_) => Some("it is in force".to_owned()),
        Change::LiftDone(_) => Some("the lockdown is lifted; what it ended stays ended".to_owned()),
        Change::Genesis(_) | Change::Entry(..) | Change::Proposal(_) | Change::Lockdown(_) | Change::Lift(_) => None,
    });
    settled.unwrap_or_else(|| "it waits for others".to_owned())
}

/// A policy dated ahead of this clock could hold gates up until then: it is not approved.
fn check_date(cx: &Context<'_>, proposal: &ProposalRecord) -> anyhow::Result<()> {
    let now = cx.world.now();
    let ahead = proposal.policy.at.since(now).num_seconds();
    if ahead > 60 {
        let text =
            format!("that policy is dated {}, this machine's clock says {now}: {ahead} s ahead", proposal.policy.at);
        return Err(Failure { code: Some(Code::Clock), ..Failure::new(Exit::Unavailable, text) }
            .help("set the clock, or have the policy published again")
            .into());
    }
    Ok(())
}

/// Says what a request is now, in a few words.
fn state_of_request(cx: &Context<'_>, view: &impl View, record: &RequestRecord) -> String {
    match &record.status {
        Status::Complete(grant) => {
            let (start, end) = (grant.start, render::both_times(cx.world, grant.end));
            let from = if start > cx.world.now() { format!(" from {start}") } else { String::new() };
            let request = &record.request;
            format!("{} may {} {}{from} until {end}", record.by, request.action, request.resource)
        }
        Status::Denied(_) => "The request has ended.".to_owned(),
        Status::Pending | Status::WithoutEffect(_) => {
            format!("It still waits for approvals:\n{}", describe_needs(&needs(view, record)))
        }
    }
}

/// Says what the statement is now, in a few words.
fn state_after(cx: &Context<'_>, ledger: &Ledger, of: &Hash, kind: EntryKind) -> String {
    let view = &ledger.view;
    match kind {
        EntryKind::Request => match view.request(of) {
            Some(record) => state_of_request(cx, view, &record),
            None => "It is not on record.".to_owned(),
        },
        EntryKind::Policy => match view.proposal(of) {
            Some(proposal) => format!("It still waits for signatures: {}.", describe_tally(&tally(view, &proposal))),
            None => "It is in force.".to_owned(),
        },
        EntryKind::Lift => match view.lift(of) {
            Some(lift) => {
                format!("It still waits for signatures: {}.", lift_tally(view, &lift))
            }
            None => "The lockdown is lifted.".to_owned(),
        },
        EntryKind::Lockdown | EntryKind::Other => String::new(),
    }
}

/// Says who decides now, and how many of them it takes.
pub(super) fn deciders(view: &impl View) -> String {
    let names: Vec<String> = match (view.roster(), view.genesis()) {
        (Some(policy), _) => policy.maintainers().iter().map(ToString::to_string).collect(),
        (None, Some(genesis)) => genesis.maintainers.iter().map(|founder| founder.name.to_string()).collect(),
        (None, None) => Vec::new(),
    };
    format!("{} of {}", view.threshold(), names.join(", "))
}

/// Says how many have signed for a proposal.
pub(super) fn describe_tally(tally: &Tally) -> String {
    let now = format!("{} there, {} needed", tally.signed, tally.threshold);
    match tally.own {
        Some((signed, threshold)) => {
            format!("{now}; of the maintainers that it names {signed} there, {threshold} needed")
        }
        None => now,
    }
}

/// Says how many have signed for a lift.
pub(super) fn lift_tally(view: &impl View, lift: &LiftRecord) -> String {
    format!("{} there, needs {}", lift_signers(view, lift).len(), deciders(view))
}

/// Returns what the rules that a waiting request fits still demand.
pub(super) fn needs(view: &impl View, record: &RequestRecord) -> Vec<Need> {
    let Some(policy) = view.rules() else { return Vec::new() };
    let people = crate::core::ledger::approvers(view, record);
    evaluate::needs(&policy, &record.ask(), &people)
}

/// Describes what the rules demand and who has signed, a line a rule; any one of them is enough.
pub(super) fn describe_needs(needs: &[Need]) -> String {
    let by_rule = needs.chunk_by(|one, next| one.rule == next.rule).map(|entries| {
        let entry = |need: &Need| {
            let from = need.from.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let have = need.have.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let how = if need.hardware_key { " by a security key" } else { "" };
            format!("{} of {from}{how} (so far {})", need.count, if have.is_empty() { "nobody" } else { &have })
        };
        let rule = entries.first().map_or_else(String::new, |need| need.rule.to_string());
        // One person fills one place, however many they could fill.
        format!("  rule {rule}: {}", entries.iter().map(entry).collect::<Vec<_>>().join(" and, by others, "))
    });
    by_rule.collect::<Vec<_>>().join("\n  or\n")
}

/// Describes reasons, a line each.
pub(super) fn describe_reasons(reasons: &[Reason]) -> String {
    reasons.iter().map(|reason| format!("  {}: {}", reason.code, reason.message)).collect::<Vec<_>>().join("\n")
}

/// Describes a request to whoever is about to judge it: everything in it that is signed, and what the policy says.
fn request_rows(cx: &Context<'_>, ledger: &Ledger, record: &RequestRecord, say: &Say<'_>) -> Rows {
    let request = &record.request;
    let mut rows = vec![
        ("id", record.id.to_string()),
        ("who", format!("{} ({})", record.by, record.key.fingerprint())),
        ("what", request.resource.to_string()),
        ("action", request.action.to_string()),
        ("how long", format!("{}{}", request.duration, narrowed(say, request.duration))),
        ("why", why(&request.reason)),
        ("asked at", render::both_times(cx.world, record.at)),
        ("waits until", render::both_times(cx.world, record.lapses_at())),
    ];
    if let Some(time) = request.not_before {
        rows.push(("not before", render::both_times(cx.world, time)));
    }
    rows.push(("bound to", request.bind.map_or_else(|| "nothing".to_owned(), |bind| bind.to_string())));
    if let Some(policy) = ledger.view.policy_record() {
        let asked_under = if policy.id == request.policy {
            String::new()
        } else {
            format!("; it was asked for under an earlier one, {}", request.policy)
        };
        rows.push(("policy", format!("version {}, {}{asked_under}", policy.version, policy.id)));
    }
    rows.extend(approval_rows(record));
    rows.push(("needs", dedented(&describe_needs(&needs(&ledger.view, record)))));
    rows
}

/// Describes the approvals of a request, one a row.
pub(super) fn approval_rows(record: &RequestRecord) -> Rows {
    let counted = record.grant().map(|grant| grant.counted.as_slice());
    let row = |approval: &ApprovalRecord| {
        let narrowed = approval.duration.map(|duration| format!(" for {duration}")).unwrap_or_default();
        // Until it is complete, what counts is judged at each further approval.
        let is_counted = counted.is_none_or(|counted| counted.iter().any(|other| other.id == approval.id));
        let worth = if is_counted { "" } else { " (did not count)" };
        let comment = match approval.comment.as_str() {
            "" => String::new(),
            comment => format!(": {}", render::quoted(comment)),
        };
        ("approved", format!("{} at {}{narrowed}{worth}{comment}", approval.by, approval.at))
    };
    record.approvals.iter().map(row).collect()
}

/// Quotes a reason; an empty one says so.
pub(super) fn why(reason: &str) -> String {
    if reason.is_empty() { "no reason given".to_owned() } else { render::quoted(reason) }
}

/// Returns lines without the two spaces before each, for a column of details.
pub(super) fn dedented(lines: &str) -> String {
    lines.lines().map(|line| line.strip_prefix("  ").unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

fn narrowed(say: &Say<'_>, asked: Duration) -> String {
    match say.verdict {
        Verdict::Approve(Some(duration)) if duration < asked => format!(", you approve {duration}"),
        Verdict::Approve(Some(_)) => ", which your --for does not shorten".to_owned(),
        Verdict::Approve(None) | Verdict::Deny => String::new(),
    }
}

fn proposal_rows(cx: &Context<'_>, ledger: &Ledger, proposal: &ProposalRecord) -> Rows {
    let policy = &proposal.policy;
    let signers = proposal.signatures.iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>().join(", ");
    let mut rows = vec![
        ("id", policy.id.to_string()),
        ("version", policy.version.to_string()),
        ("digest", policy.digest.to_string()),
        ("commit", policy.commit.iter().map(|byte| format!("{byte:02x}")).collect()),
        ("dated", render::both_times(cx.world, policy.at)),
        ("signed by", signers),
        ("signatures", describe_tally(&tally(&ledger.view, proposal))),
    ];
    match &policy.loaded {
        Loaded::Policy(next) => {
            let names = next.maintainers().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            rows.push(("maintainers", format!("{names}; threshold {}", next.threshold())));
        }
        Loaded::Broken(why) => rows.push(("DOES NOT LOAD", render::safe(why).into_owned())),
        Loaded::Unsupported => {
            rows.push(("DOES NOT LOAD", format!("format {} is above this program's", policy.format)))
        }
    }
    rows
}

fn lift_rows(cx: &Context<'_>, ledger: &Ledger, lift: &LiftRecord) -> Rows {
    let mut rows = vec![
        ("id", lift.id.to_string()),
        ("why", render::quoted(&lift.reason)),
        ("signed by", lift.signatures.iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>().join(", ")),
        ("signatures", lift_tally(&ledger.view, lift)),
        ("lockdown", lift.of.to_string()),
    ];
    if let Some(lockdown) = ledger.view.lockdown(&lift.of) {
        rows.push(("locked down", super::lockdown::describe(&lockdown.subjects, &lockdown.resources)));
        rows.push(("by", format!("{} at {}", lockdown.by, render::both_times(cx.world, lockdown.at))));
        rows.push(("because", render::quoted(&lockdown.reason)));
    }
    rows
}
