//! `jit request`: ask for access.

use std::sync::Arc;

use serde::Serialize;

use super::context::Context;
use super::exit::{Exit, Failure};
use super::json::{self, GrantJson, NeedJson, ReasonJson, RequestJson};
use super::ledger::Ledger;
use super::render::{self, Role};
use super::statement::{self, Insist};
use super::text::{check_text, parse_time};
use super::watch::Patience;
use crate::core::decide::{self, Answer, Decision, Granted};
use crate::core::evaluate;
use crate::core::ledger::{Change, RequestRecord, foresee};
use crate::core::name::{Name, Resource};
use crate::core::reason::{Code, Reason};
use crate::core::statement::{Bind, Request, What};
use crate::core::time::Duration;
use crate::core::view::{View, ViewExt};

/// Ask for access: signs a request, logs it, and shows the grant or what it waits for
#[derive(clap::Args, Debug)]
pub(super) struct RequestArgs {
    /// What to access, such as db/prod/orders
    resource: Resource,
    /// What to do to it
    #[arg(default_value = "access")]
    action: Name,
    /// For how long, such as 30m, 1h30m or 2d [default: the shortest default of the rules that match]
    #[arg(long = "for", value_name = "D")]
    duration: Option<Duration>,
    /// Why; kept in the audit log, for everyone who can read it
    #[arg(long, value_name = "T", default_value = "")]
    reason: String,
    /// Not sooner than this: an RFC 3339 time, or +D for a while from now
    #[arg(long, value_name = "T")]
    not_before: Option<String>,
    /// Bind the grant to something the gate knows: sha256: and 64 hex digits
    #[arg(long, value_name = "H")]
    bind: Option<Bind>,
    /// Wait until it is granted, denied or has lapsed, or until this long has passed; then exit as if asked only then
    #[arg(long, value_name = "D", num_args = 0..=1, require_equals = true, conflicts_with = "dry_run")]
    wait: Option<Option<Duration>>,
    /// Print the token of a granted request on standard output, and all else on standard error
    #[arg(long)]
    token: bool,
    /// Sign and log nothing; show what would happen
    #[arg(long, conflicts_with = "token")]
    dry_run: bool,
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

pub(super) fn run(cx: &mut Context<'_>, args: &RequestArgs) -> anyhow::Result<Exit> {
    let failure = match ask(cx, args) {
        Err(error) if cx.json() => Failure::from_error(&error),
        outcome => return outcome,
    };
    // Programs get one shape, whatever went wrong.
    let Some(decision) = failure.decision() else { return Err(failure.into()) };
    cx.print_json(&RequestAnswer {
        decision: decision.answer.as_str(),
        grant: None,
        request: None,
        needs: Vec::new(),
        reasons: json::reasons(&decision.reasons),
        token: args.token.then_some(None),
    })?;
    render::failure_in_words(cx, &failure);
    Ok(failure.exit)
}

fn ask(cx: &mut Context<'_>, args: &RequestArgs) -> anyhow::Result<Exit> {
    check_text("--reason", &args.reason)?;
    let mut ledger = cx.ledger()?;
    let mut me = cx.me(&ledger)?;
    let now = cx.world.now();
    let not_before = args.not_before.as_deref().map(|text| parse_time(text, now)).transpose()?;
    let unsigned = |duration: Option<Duration>| RequestJson {
        id: None,
        index: None,
        subject: me.name.to_string(),
        key: me.signer.public_key().fingerprint(),
        at: now.to_string(),
        policy: ledger.view.policy_record().map(|policy| policy.id.to_string()),
        resource: args.resource.to_string(),
        action: args.action.to_string(),
        duration_s: duration.map(Duration::as_secs),
        not_before: not_before.map(|time| time.to_string()),
        bind: args.bind.map(|bind| bind.to_string()),
        reason: args.reason.clone(),
        lapses_at: None,
        approvals: Vec::new(),
        revoked: None,
    };
    if let Some(obstacle) = decide::obstacle(&ledger.view, now) {
        return answer(
            cx,
            args,
            &ledger,
            Asked::Not(Box::new(unsigned(args.duration))),
            Decision::deny(obstacle),
            None,
        );
    }
    let Some(duration) = args.duration.or_else(|| default_duration(&ledger, &me.name, args)) else {
        let text = format!("no rule lets `{}` do `{}` on `{}`", me.name, args.action, args.resource);
        let decision = Decision::deny(Reason::new(Code::NoMatchingRule, text));
        return answer(cx, args, &ledger, Asked::Not(Box::new(unsigned(None))), decision, None);
    };
    let policy = ledger.view.policy_at(ledger.view.size()).ok_or_else(|| {
        Failure::untrusted(Code::PolicyUnverified, "no policy is in force yet")
            .help("`jit policy status` shows what is missing")
    })?;
    let request = Request {
        policy,
        resource: args.resource.clone(),
        action: args.action.clone(),
        duration,
        not_before,
        bind: args.bind,
        reason: args.reason.clone(),
    };
    let statement = statement::compose(cx, &ledger, &me, now, What::Request(request))?;
    let foreseen = foresee(&ledger.view, &statement, me.signer.public_key(), None);
    if args.dry_run {
        let record = foreseen.changes.iter().find_map(|change| match change {
            Change::Request(record) => Some(record.as_ref()),
            _ => None,
        });
        let Some(record) = record else {
            statement::demand_effect(&foreseen)?;
            return Err(Failure::denied("the log would not take that").into());
        };
        let decision = decide::stand(&ledger.view, record, now);
        return answer(cx, args, &ledger, Asked::For(record), decision, None);
    }
    let message = format!("{} asks to {} {} for {duration}", me.name, args.action, args.resource);
    let logged = statement::say(cx, &mut ledger, &mut me, statement, &message, Insist::OnRecord)?;
    let record = ledger.view.request(&logged.id).ok_or_else(|| Failure::denied("the request is not on record"))?;
    let (record, decision) = match args.wait {
        Some(length) => wait(cx, &mut ledger, record, length)?,
        None => {
            let decision = decide::stand(&ledger.view, &record, cx.world.now());
            (record, decision)
        }
    };
    let token = match (args.token, decision.answer) {
        (true, Answer::Allow) => Some(super::token::make(cx, &ledger, &mut me, &record, None, None)?),
        _ => None,
    };
    answer(cx, args, &ledger, Asked::For(&record), decision, token)
}

/// Looks again and again until a request is pending no more, or time is over.
fn wait(
    cx: &mut Context<'_>,
    ledger: &mut Ledger,
    mut record: Arc<RequestRecord>,
    length: Option<Duration>,
) -> anyhow::Result<(Arc<RequestRecord>, Decision)> {
    let patience = Patience::new(cx, length);
    let mut is_told = false;
    loop {
        let decision = decide::stand(&ledger.view, &record, cx.world.now());
        if decision.answer != Answer::Pending {
            return Ok((record, decision));
        }
        if !is_told {
            let needs = super::verdict::describe_needs(&super::verdict::needs(&ledger.view, &record));
            let until = render::both_times(cx.world, record.lapses_at());
            cx.world.say(&format!(
                "It waits for approvals, until {until}:\n{needs}\nEach of them says `jit approve {}`\nWaiting…",
                record.id
            ));
            is_told = true;
        }
        if !patience.pause(cx) {
            return Ok((record, decision));
        }
        *ledger = cx.ledger()?;
        record = ledger.view.request(&record.id).ok_or_else(|| {
            // A log that extends what was seen has it; without a pin nobody notices but us.
            Failure::untrusted(Code::LogRewritten, format!("the request {} is gone from the log", record.id))
        })?;
    }
}

/// What was asked for.
enum Asked<'a> {
    /// A request that is logged, or with `--dry-run` would be.
    For(&'a RequestRecord),
    /// Nothing that could have been signed.
    Not(Box<RequestJson>),
}

fn default_duration(ledger: &Ledger, subject: &Name, args: &RequestArgs) -> Option<Duration> {
    let policy = ledger.view.rules()?;
    evaluate::default_duration(&policy, subject, &args.resource, &args.action)
}

/// Tells whether only the hour stands against a grant: it starts later, or a rule has hours, be it one that allows or one
/// that denies. (A deny rule without hours would have stopped the request, unless the policy has changed since.)
fn is_only_not_now(decision: &Decision) -> bool {
    let is_hour = |reason: &Reason| matches!(reason.code, Code::NotYetValid | Code::OutsideHours | Code::DeniedByRule);
    decision.answer == Answer::Deny && decision.reasons.iter().all(is_hour)
}

/// Shows what came of a request, or would.
fn answer(
    cx: &mut Context<'_>,
    args: &RequestArgs,
    ledger: &Ledger,
    asked: Asked<'_>,
    decision: Decision,
    token: Option<String>,
) -> anyhow::Result<Exit> {
    let record = match &asked {
        Asked::For(record) => Some(*record),
        Asked::Not(_) => None,
    };
    // What a gate would not honour at this hour is granted all the same.
    let not_now = record.is_some_and(|record| record.grant().is_some()) && is_only_not_now(&decision);
    let answer = if not_now { Answer::Allow } else { decision.answer };
    let needs = match (answer, record) {
        (Answer::Pending, Some(record)) => super::verdict::needs(&ledger.view, record),
        _ => Vec::new(),
    };
    let grant = record.and_then(|record| decide::granted(&ledger.view, record));
    let exit = Exit::of(answer, if not_now { &[] } else { &decision.reasons });
    if cx.json() {
        let request = match asked {
            Asked::For(record) if args.dry_run => RequestJson::unsigned(record),
            Asked::For(record) => RequestJson::from(record),
            Asked::Not(request) => *request,
        };
        let grant_json = if args.dry_run { GrantJson::unsigned } else { |grant: &Granted| GrantJson::from(grant) };
        cx.print_json(&RequestAnswer {
            decision: answer.as_str(),
            grant: grant.as_ref().map(grant_json).filter(|_| answer == Answer::Allow),
            request: Some(request),
            needs: needs.iter().map(NeedJson::from).collect(),
            reasons: json::reasons(&decision.reasons),
            token: args.token.then_some(token),
        })?;
        return Ok(exit);
    }
    let talk = args.token;
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
            lines.push(super::verdict::describe_needs(&needs));
            if !args.dry_run {
                lines.push(format!("Each of them says `jit approve {}`", record.id));
            }
        }
        (Answer::Deny, _) | (_, None) => {
            let word = render::paint(coloured, Role::Bad, if args.dry_run { "denied" } else { "Denied" });
            lines.push(format!("{would}{word}:"));
            lines.push(super::verdict::describe_reasons(&decision.reasons));
        }
    }
    // When it starts is told already.
    let other_hours = decision.reasons.iter().filter(|reason| not_now && reason.code != Code::NotYetValid);
    let other_hours: Vec<Reason> = other_hours.cloned().collect();
    if !other_hours.is_empty() {
        lines.push("A gate does not honour it at this hour:".to_owned());
        lines.push(super::verdict::describe_reasons(&other_hours));
    }
    match (answer, record) {
        (_, Some(record)) if !args.dry_run => lines.push(format!("id {}", record.id)),
        (Answer::Deny, None) if !args.dry_run => lines.push("Nothing was logged.".to_owned()),
        _ => {}
    }
    let next = decision.reasons.iter().find_map(|reason| match reason.code {
        Code::NoMatchingRule | Code::TooLong => Some("`jit whoami` shows what you may ask for."),
        Code::PolicyUnverified => Some("`jit policy status` shows what is missing."),
        _ => None,
    });
    lines.extend(next.filter(|_| answer == Answer::Deny).map(str::to_owned));
    let text = lines.into_iter().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n");
    if talk {
        cx.world.say(&text);
        if let Some(token) = token {
            cx.print(&token)?;
        }
    } else {
        cx.print(&text)?;
    }
    Ok(exit)
}
