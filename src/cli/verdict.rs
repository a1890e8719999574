//! Saying yes or no to what others signed: what `approve` and `deny` share, and how requests are described.

use super::context::{Context, Ledger, Me};
use super::exit::{Exit, Failure};
use super::id;
use super::render;
use super::request::check_text;
use super::statement::{self, Insist};
use crate::core::evaluate::{self, Need};
use crate::core::hash::Hash;
use crate::core::ledger::{Entry, EntryKind, LiftRecord, Loaded, ProposalRecord, RequestRecord, Status, foresee};
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
    pub(super) yes: bool,
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
        .map(|prefix| id::find_to_sign(cx, &ledger.view, prefix, say.yes))
        .collect::<anyhow::Result<Vec<(Hash, Entry)>>>()?;
    let mut me = cx.me(&ledger)?;
    let mut said = Vec::new();
    for (of, entry) in found {
        said.push(one(cx, &mut ledger, &mut me, say, of, entry)?);
    }
    if cx.json() {
        cx.print_json(&SaidJson { said })?;
    }
    Ok(Exit::Done)
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
    let (kind, shown, at) = match entry.kind {
        EntryKind::Request => {
            let record = ledger.view.request(&of).ok_or_else(|| Failure::denied("that request is not on record"))?;
            // Signed before the request it would not count; clocks differ by a little.
            ("request", describe_request(cx, ledger, record, say), now.max(record.at))
        }
        EntryKind::Policy => {
            let proposal = ledger
                .view
                .proposal(&of)
                .ok_or_else(|| Failure::denied("that policy is in force already, or can't come into force any more"))?;
            check_date(cx, proposal)?;
            ("policy", describe_proposal(cx, ledger, proposal)?, now)
        }
        EntryKind::Lift => {
            let lift = ledger
                .view
                .lift(&of)
                .ok_or_else(|| Failure::denied("that lift has taken effect already, or never can"))?;
            ("lift", describe_lift(cx, ledger, lift), now)
        }
        EntryKind::Lockdown | EntryKind::Other => {
            let text = format!("{} is no request, policy or lift", of.short());
            return Err(Failure::denied(text).help(format!("`jit show {}` shows what it is", of.short())).into());
        }
    };
    let approval = Approval { of, verdict: say.verdict, comment: say.comment.to_owned() };
    let statement = statement::compose(cx, ledger, me, at, What::Approval(approval))?;
    statement::demand_effect(&foresee(&ledger.view, &statement, me.signer.public_key(), None))?;
    let (word, past) = match say.verdict {
        Verdict::Approve(_) => ("approve", "Approved"),
        Verdict::Deny => ("deny", "Denied"),
    };
    cx.world.say(&format!("You ({}, {}) are about to {word} this {kind}:\n{shown}", me.name, me.signer.describe()));
    cx.confirm(&format!("Sign and log that you {word} it?"), say.yes)?;
    let message = format!("{} {}s {kind} {}", me.name, if word == "deny" { "denie" } else { word }, of.short());
    let logged = statement::say(cx, ledger, me, statement, &message, Insist::OnEffect)?;
    let state = state_after(ledger, &of, entry.kind);
    if !cx.json() {
        cx.print(&format!("{past}: {state}"))?;
    }
    Ok(SaidOne { id: logged.id.to_string(), of: of.to_string(), kind, verdict: word, state })
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

/// Says what the statement is now, in a few words.
fn state_after(ledger: &Ledger, of: &Hash, kind: EntryKind) -> String {
    let view = &ledger.view;
    match kind {
        EntryKind::Request => match view.request(of).map(|record| (&record.status, needs(view, record))) {
            Some((Status::Complete(grant), _)) => format!("granted until {}", grant.end),
            Some((Status::Denied(_), _)) => "it is denied".to_owned(),
            Some((_, needs)) => format!("it still waits for\n{}", describe_needs(&needs)),
            None => "it is not on record".to_owned(),
        },
        EntryKind::Policy => match view.proposal(of) {
            Some(proposal) => format!("it has {} of {} signatures", signed_for(ledger, proposal), view.threshold()),
            None => "it is in force".to_owned(),
        },
        EntryKind::Lift => match view.lift(of) {
            Some(lift) => format!("it has {} of {} signatures", lift_signers(ledger, lift), view.threshold()),
            None => "the lockdown is lifted".to_owned(),
        },
        EntryKind::Lockdown | EntryKind::Other => String::new(),
    }
}

/// Counts the maintainers of the policy in force who signed for a proposal.
pub(super) fn signed_for(ledger: &Ledger, proposal: &ProposalRecord) -> usize {
    let names = proposal.signatures.iter().map(|(name, _)| name).filter(|name| ledger.view.is_maintainer(name));
    names.collect::<std::collections::BTreeSet<_>>().len()
}

fn lift_signers(ledger: &Ledger, lift: &LiftRecord) -> usize {
    crate::core::ledger::lift_signers(&ledger.view, lift).len()
}

/// Returns what the rules that a waiting request fits still demand.
pub(super) fn needs(view: &impl View, record: &RequestRecord) -> Vec<Need> {
    let Some(policy) = view.rules() else { return Vec::new() };
    let people = crate::core::ledger::approvers(view, record);
    evaluate::needs(policy, &record.ask(), &people)
}

/// Describes what is missing, a line a rule's entry.
pub(super) fn describe_needs(needs: &[Need]) -> String {
    let mut lines = Vec::new();
    let mut rule = None;
    for need in needs {
        if rule == Some(&need.rule) {
            lines.push("  and".to_owned());
        } else if rule.is_some() {
            lines.push("  or".to_owned());
        }
        rule = Some(&need.rule);
        let from = need.from.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let have = match need.have.as_slice() {
            [] => "nobody yet".to_owned(),
            names => names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        };
        lines.push(format!("  {} of {from} (rule {}; so far: {have})", need.count, need.rule));
    }
    lines.join("\n")
}

/// Describes reasons, a line each.
pub(super) fn describe_reasons(reasons: &[Reason]) -> String {
    reasons.iter().map(|reason| format!("  {}: {}", reason.code, reason.message)).collect::<Vec<_>>().join("\n")
}

/// Describes a request to whoever is about to judge it: everything in it that is signed, and what the policy says.
fn describe_request(cx: &Context<'_>, ledger: &Ledger, record: &RequestRecord, say: &Say<'_>) -> String {
    let request = &record.request;
    let mut rows = vec![
        ("id", record.id.to_string()),
        ("who", format!("{} ({})", record.by, record.key.fingerprint())),
        ("what", request.resource.to_string()),
        ("action", request.action.to_string()),
        ("how long", format!("{}{}", request.duration, narrowed(say, request.duration))),
        ("why", render::quoted(&request.reason)),
        ("asked at", render::both_times(cx.world, record.at)),
        ("waits until", render::both_times(cx.world, record.lapses_at())),
    ];
    if let Some(time) = request.not_before {
        rows.push(("not before", render::both_times(cx.world, time)));
    }
    rows.push(("bound to", request.bind.map_or_else(|| "nothing".to_owned(), |bind| bind.to_string())));
    if let Some(policy) = ledger.view.policy_record() {
        rows.push(("policy", format!("version {} ({})", policy.version, policy.id.short())));
    }
    rows.push(("still missing", describe_needs(&needs(&ledger.view, record)).trim_start().to_owned()));
    if !say.comment.is_empty() {
        rows.push(("your comment", render::quoted(say.comment)));
    }
    render::details(&rows)
}

fn narrowed(say: &Say<'_>, asked: Duration) -> String {
    match say.verdict {
        Verdict::Approve(Some(duration)) if duration < asked => format!(", you approve {duration}"),
        Verdict::Approve(Some(_)) => ", which your --for does not shorten".to_owned(),
        Verdict::Approve(None) | Verdict::Deny => String::new(),
    }
}

fn describe_proposal(cx: &Context<'_>, ledger: &Ledger, proposal: &ProposalRecord) -> anyhow::Result<String> {
    let policy = &proposal.policy;
    let signers = proposal.signatures.iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>().join(", ");
    let mut rows = vec![
        ("id", policy.id.to_string()),
        ("version", policy.version.to_string()),
        ("digest", policy.digest.to_string()),
        ("commit", policy.commit.iter().map(|byte| format!("{byte:02x}")).collect()),
        ("dated", render::both_times(cx.world, policy.at)),
        ("signed by", signers),
        ("signatures", format!("{} of {}", signed_for(ledger, proposal), ledger.view.threshold())),
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
    let changes = super::policy::describe_changes(ledger, policy)?;
    Ok(format!("{}\n{changes}", render::details(&rows)))
}

fn describe_lift(cx: &Context<'_>, ledger: &Ledger, lift: &LiftRecord) -> String {
    let mut rows = vec![
        ("id", lift.id.to_string()),
        ("why", render::quoted(&lift.reason)),
        ("signed by", lift.signatures.iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>().join(", ")),
        ("signatures", format!("{} of {}", lift_signers(ledger, lift), ledger.view.threshold())),
        ("lockdown", lift.of.to_string()),
    ];
    if let Some(lockdown) = ledger.view.lockdown(&lift.of) {
        rows.push(("locked down", super::lockdown::describe(&lockdown.subjects, &lockdown.resources)));
        rows.push(("by", format!("{} at {}", lockdown.by, render::both_times(cx.world, lockdown.at))));
        rows.push(("because", render::quoted(&lockdown.reason)));
    }
    render::details(&rows)
}
