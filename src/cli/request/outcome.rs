//! What came of requests, for people and for programs.

use std::sync::Arc;

use serde::Serialize;

use super::RequestArgs;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::json::{self, GrantJson, NeedJson, ReasonJson, RequestJson};
use crate::cli::ledger::Ledger;
use crate::cli::render::{self, Role};
use crate::cli::verdict;
use crate::core::decide::{self, Answer, Decision, Granted};
use crate::core::ledger::RequestRecord;
use crate::core::reason::{Code, Reason};

/// What was asked for.
pub(super) enum Asked {
    /// A request that is logged, or with `--dry-run` would be.
    For(Arc<RequestRecord>),
    /// Nothing that could have been signed.
    Not(Box<RequestJson>),
}

/// What came of one request.
pub(super) struct Outcome {
    pub(super) asked: Asked,
    pub(super) decision: Decision,
    pub(super) token: Option<String>,
}

#[derive(Serialize)]
struct RequestAnswer {
    decision: &'static str,
    grant: Option<GrantJson>,
    /// None where it could not even be put together.
    request: Option<RequestJson>,
    needs: Vec<NeedJson>,
    reasons: Vec<ReasonJson>,
    /// With `--token` only; null where nothing was granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<Option<String>>,
}

/// What came of several requests.
#[derive(Serialize)]
struct SeveralAnswers {
    /// The worst there is among them.
    decision: &'static str,
    /// What came of each, in the order in which they were named; none where none could be put together.
    requests: Vec<RequestAnswer>,
    /// What went wrong with all of them.
    reasons: Vec<ReasonJson>,
}

/// Prints, for programs, a decision about what could not even be put together.
pub(super) fn print_none(cx: &mut Context<'_>, args: &RequestArgs, decision: &Decision) -> anyhow::Result<()> {
    let (word, reasons) = (decision.answer.as_str(), json::reasons(&decision.reasons));
    if args.are_several() {
        cx.print_json(&SeveralAnswers { decision: word, requests: Vec::new(), reasons })
    } else {
        cx.print_json(&RequestAnswer {
            decision: word,
            grant: None,
            request: None,
            needs: Vec::new(),
            reasons,
            token: args.token.then_some(None),
        })
    }
}

/// Shows what came of all that was asked for, or would.
pub(super) fn answer(
    cx: &mut Context<'_>,
    args: &RequestArgs,
    ledger: &Ledger,
    outcomes: Vec<Outcome>,
) -> anyhow::Result<Exit> {
    let tokens: Vec<String> = outcomes.iter().filter_map(|outcome| outcome.token.clone()).collect();
    let mut shown: Vec<Shown> = outcomes.into_iter().map(|outcome| show(cx, args, ledger, outcome)).collect();
    // What can't be had or trusted wins over a no, and that over what waits.
    let rank = |exit: Exit| match exit {
        Exit::Done => 0,
        Exit::Pending => 1,
        Exit::Denied => 2,
        _ => 3,
    };
    let exit = shown.iter().map(|one| one.exit).max_by_key(|exit| rank(*exit)).unwrap_or(Exit::Denied);
    if cx.json() {
        match (shown.pop(), shown.is_empty()) {
            (Some(only), true) => cx.print_json(&only.json)?,
            (last, _) => {
                shown.extend(last);
                let decision = shown.iter().map(|one| one.answer).min().unwrap_or(Answer::Deny).as_str();
                let requests = shown.into_iter().map(|one| one.json).collect();
                cx.print_json(&SeveralAnswers { decision, requests, reasons: Vec::new() })?;
            }
        }
        return Ok(exit);
    }
    let mut last: Vec<String> = Vec::new();
    for line in shown.iter().flat_map(|one| &one.last) {
        if !last.contains(line) {
            last.push(line.clone());
        }
    }
    let between = if last.is_empty() || shown.len() == 1 { "\n" } else { "\n\n" };
    let texts: Vec<String> = shown.into_iter().map(|one| one.text).collect();
    let text = [texts.join("\n\n"), last.join("\n")].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>();
    let text = text.join(between);
    if args.token {
        cx.world.say(&text);
        for token in tokens {
            cx.print(&token)?;
        }
    } else {
        cx.print(&text)?;
    }
    Ok(exit)
}

/// What came of one request, to be shown.
struct Shown {
    answer: Answer,
    exit: Exit,
    json: RequestAnswer,
    /// What it is and how it stands.
    text: String,
    /// What to add in the end, once for all.
    last: Vec<String>,
}

/// Says what came of a request, or would.
fn show(cx: &Context<'_>, args: &RequestArgs, ledger: &Ledger, outcome: Outcome) -> Shown {
    let Outcome { asked, decision, token } = outcome;
    let record = match &asked {
        Asked::For(record) => Some(record.as_ref()),
        Asked::Not(_) => None,
    };
    // What a gate would not honour at this hour is granted all the same.
    let not_now = record.is_some_and(|record| record.grant().is_some()) && is_only_not_now(&decision);
    let answer = if not_now { Answer::Allow } else { decision.answer };
    let needs = match (answer, record) {
        (Answer::Pending, Some(record)) => verdict::needs(&ledger.view, record),
        _ => Vec::new(),
    };
    let grant = record.and_then(|record| decide::granted(&ledger.view, record));
    let exit = Exit::of(answer, if not_now { &[] } else { &decision.reasons });
    let mut lines = Vec::new();
    let would = if args.dry_run { "Would be " } else { "" };
    let coloured = cx.coloured();
    match (answer, record) {
        (Answer::Allow, Some(record)) => {
            let word = render::paint(coloured, Role::Good, if args.dry_run { "granted" } else { "Granted" });
            lines.push(format!(
                "{would}{word}: {} may {} {}",
                record.by, record.request.action, record.request.resource
            ));
            if let Some(grant) = record.grant() {
                lines.push(render::details(&[
                    ("from", render::both_times(cx.world, grant.start)),
                    ("until", render::both_times(cx.world, grant.end)),
                    ("rules", grant.rules.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
                ]));
            }
        }
        (Answer::Pending, Some(record)) => {
            let word = render::paint(coloured, Role::Waiting, if args.dry_run { "pending" } else { "Pending" });
            lines.push(format!(
                "{would}{word}: {} asks to {} {} for {}",
                record.by, record.request.action, record.request.resource, record.request.duration
            ));
            let until = render::both_times(cx.world, record.lapses_at());
            lines.push(format!("It waits for approvals, until {until}:"));
            lines.push(verdict::describe_needs(&needs));
            if !args.dry_run {
                lines.push(format!("Each of them says `jit approve {}`", record.id));
            }
        }
        (Answer::Deny, Some(record)) if is_over_already(&decision) => {
            // It is in the log as granted, and no gate lets anybody in by it.
            let word = render::paint(coloured, Role::Bad, if args.dry_run { "over already" } else { "Over already" });
            lines.push(format!(
                "{would}{word}: {} was granted to {} {} for {}",
                record.by, record.request.action, record.request.resource, record.request.duration
            ));
            lines.push(verdict::describe_reasons(&decision.reasons));
        }
        (Answer::Deny, _) | (_, None) => {
            let word = render::paint(coloured, Role::Bad, if args.dry_run { "denied" } else { "Denied" });
            let what = match (&asked, args.are_several()) {
                (_, false) => String::new(),
                (Asked::For(record), true) => format!(" to {} {}", record.request.action, record.request.resource),
                (Asked::Not(request), true) => format!(" to {} {}", request.action, request.resource),
            };
            lines.push(format!("{would}{word}{what}:"));
            lines.push(verdict::describe_reasons(&decision.reasons));
        }
    }
    // When it starts is told already.
    let other_hours = decision.reasons.iter().filter(|reason| not_now && reason.code != Code::NotYetValid);
    let other_hours: Vec<Reason> = other_hours.cloned().collect();
    if !other_hours.is_empty() {
        lines.push("A gate does not honour it at this hour:".to_owned());
        lines.push(verdict::describe_reasons(&other_hours));
    }
    let mut last = Vec::new();
    match (answer, record) {
        (_, Some(record)) if !args.dry_run => lines.push(format!("id {}", record.id)),
        (Answer::Deny, None) if !args.dry_run => last.push("Nothing was logged.".to_owned()),
        _ => {}
    }
    let next = decision.reasons.iter().find_map(|reason| match reason.code {
        Code::NoMatchingRule | Code::TooLong => Some("`jit whoami` shows what you may ask for."),
        Code::PolicyUnverified => Some("`jit policy status` shows what is missing."),
        Code::Expired => Some("Ask for longer: it ended before it could be used."),
        _ => None,
    });
    last.extend(next.filter(|_| answer == Answer::Deny).map(str::to_owned));
    let request = match asked {
        Asked::For(record) if args.dry_run => RequestJson::unsigned(&record),
        Asked::For(record) => RequestJson::from(record.as_ref()),
        Asked::Not(request) => *request,
    };
    let grant_json = if args.dry_run { GrantJson::unsigned } else { |grant: &Granted| GrantJson::from(grant) };
    let json = RequestAnswer {
        decision: answer.as_str(),
        grant: grant.as_ref().map(grant_json).filter(|_| answer == Answer::Allow),
        request: Some(request),
        needs: needs.iter().map(NeedJson::from).collect(),
        reasons: json::reasons(&decision.reasons),
        token: args.token.then_some(token),
    };
    let text = lines.into_iter().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n");
    Shown { answer, exit, json, text, last }
}

/// Tells whether only the hour stands against a grant: it starts later, or a rule has hours, be it one that allows or one
/// that denies. (A deny rule without hours would have stopped the request, unless the policy has changed since.)
fn is_only_not_now(decision: &Decision) -> bool {
    let is_hour = |reason: &Reason| matches!(reason.code, Code::NotYetValid | Code::OutsideHours | Code::DeniedByRule);
    decision.answer == Answer::Deny && decision.reasons.iter().all(is_hour)
}

/// Tells whether it was granted for so short that it has ended before anybody could look.
fn is_over_already(decision: &Decision) -> bool {
    let is_end = |reason: &Reason| {
        matches!(reason.code, Code::Expired | Code::NotYetValid | Code::OutsideHours | Code::DeniedByRule)
    };
    decision.answer == Answer::Deny
        && decision.reasons.iter().any(|reason| reason.code == Code::Expired)
        && decision.reasons.iter().all(is_end)
}
