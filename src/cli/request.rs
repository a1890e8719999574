//! `jit request`: ask for access.

mod outcome;
mod wanted;

use std::ffi::OsString;
use std::sync::Arc;

use super::context::{Context, Me};
use super::exit::{Exit, Failure};
use super::json::RequestJson;
use super::ledger::Ledger;
use super::render;
use super::statement::{self, Insist};
use super::text::{check_text, parse_time};
use super::verdict;
use super::watch::Patience;
use crate::core::decide::{self, Answer, Decision};
use crate::core::evaluate;
use crate::core::hash::Hash;
use crate::core::ledger::{Change, RequestRecord, foresee, no_rules};
use crate::core::name::{Name, Resource};
use crate::core::reason::{Code, Reason};
use crate::core::statement::{Bind, Request, Statement, What};
use crate::core::time::{Duration, Timestamp};
use crate::core::view::{View, ViewExt};
use outcome::{Asked, Outcome, answer};
use wanted::{Wanted, Word, refuse_lone_length};

#[derive(clap::Args, Debug)]
pub(super) struct RequestArgs {
    /// What to access, such as db/prod/orders
    resource: Resource,
    /// What to do to it; `access` if it is not said. What has a `/` is one more resource: several of either are as many
    /// requests, signed one by one and logged all at once or not at all
    #[arg(value_name = "ACTION|RESOURCE")]
    more: Vec<Word>,
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

/// `line` is the command line as it was typed.
pub(super) fn run(cx: &mut Context<'_>, args: &RequestArgs, line: &[OsString]) -> anyhow::Result<Exit> {
    refuse_lone_length(line)?;
    let failure = match ask(cx, args) {
        Err(error) if cx.json() => Failure::from_error(&error),
        outcome => return outcome,
    };
    // Programs get one shape, whatever went wrong.
    let Some(decision) = failure.decision() else { return Err(failure.into()) };
    outcome::print_none(cx, args, &decision)?;
    render::failure_in_words(cx, &failure);
    Ok(failure.exit)
}

fn ask(cx: &mut Context<'_>, args: &RequestArgs) -> anyhow::Result<Exit> {
    check_text("--reason", &args.reason)?;
    let wanted = args.wanted()?;
    let mut ledger = cx.ledger()?;
    let mut me = cx.me(&ledger)?;
    let now = cx.world.now();
    let not_before = args.not_before.as_deref().map(|text| parse_time(text, now)).transpose()?;
    let policy = ledger.view.policy_at(ledger.view.size());
    let obstacle = decide::obstacle(&ledger.view, now);
    let durations: Vec<Option<Duration>> = match &obstacle {
        Some(_) => vec![args.duration; wanted.len()],
        None => {
            wanted.iter().map(|one| args.duration.or_else(|| default_duration(&ledger, &me.name, one, now))).collect()
        }
    };
    if obstacle.is_some() || durations.contains(&None) {
        // Not one is signed if one can't be.
        let unsigned = |one: &Wanted, duration: Option<Duration>| RequestJson {
            id: None,
            index: None,
            subject: me.name.to_string(),
            key: me.signer.public_key().fingerprint(),
            at: now.to_string(),
            policy: ledger.view.policy_record().map(|policy| policy.id.to_string()),
            resource: one.resource.to_string(),
            action: one.action.to_string(),
            duration_s: duration.map(Duration::as_secs),
            not_before: not_before.map(|time| time.to_string()),
            bind: args.bind.map(|bind| bind.to_string()),
            reason: args.reason.clone(),
            lapses_at: None,
            approvals: Vec::new(),
            revoked: None,
        };
        let refused = wanted.iter().zip(durations).map(|(one, duration)| {
            let reason = match (&obstacle, duration) {
                (Some(obstacle), _) => obstacle.clone(),
                (None, None) => no_rule(&ledger, &me.name, one, now),
                (None, Some(_)) => {
                    let text =
                        format!("to {} {} is not asked for, since not all of these can be", one.action, one.resource);
                    Reason::new(Code::NoGrant, text)
                }
            };
            Outcome {
                asked: Asked::Not(Box::new(unsigned(one, duration))),
                decision: Decision::deny(reason),
                token: None,
            }
        });
        let refused = refused.collect();
        return answer(cx, args, &ledger, refused);
    }
    let policy = policy.ok_or_else(|| {
        Failure::untrusted(Code::PolicyUnverified, "no policy is in force yet")
            .help("`jit policy status` shows what is missing")
    })?;
    let mut statements = Vec::new();
    for (one, duration) in wanted.iter().zip(durations.into_iter().flatten()) {
        let request = Request {
            policy,
            resource: one.resource.clone(),
            action: one.action.clone(),
            duration,
            not_before,
            bind: args.bind,
            reason: args.reason.clone(),
        };
        statements.push(statement::compose(cx, &ledger, &me, now, What::Request(request))?);
    }
    if args.dry_run {
        let foreseen = foresee_all(&ledger, &me, &statements)?;
        let judged = foreseen.into_iter().map(|record| {
            let decision = decide::stand(&ledger.view, &record, now);
            Outcome { asked: Asked::For(record), decision, token: None }
        });
        let judged = judged.collect();
        return answer(cx, args, &ledger, judged);
    }
    let message = describe(&me.name, &statements);
    let logged = statement::say_all(cx, &mut ledger, &mut me, statements, &message, Insist::OnRecord)?;
    let patience = args.wait.map(|length| Patience::new(cx, length));
    let mut outcomes = Vec::new();
    for said in logged {
        let logged = ledger.view.request(&said.id).ok_or_else(|| Failure::denied("the request is not on record"))?;
        let (record, decision);
        (ledger, record, decision) = match &patience {
            Some(patience) => wait(cx, ledger, said.id, patience)?,
            None => {
                let decision = decide::stand(&ledger.view, &logged, cx.world.now());
                (ledger, logged, decision)
            }
        };
        let token = match (args.token, decision.answer) {
            (true, Answer::Allow) => Some(super::token::make(cx, &ledger, &mut me, &record, None, None)?),
            _ => None,
        };
        outcomes.push(Outcome { asked: Asked::For(record), decision, token });
    }
    answer(cx, args, &ledger, outcomes)
}

/// Says in one line what is asked for.
fn describe(who: &Name, statements: &[Statement]) -> String {
    let requests = statements.iter().filter_map(|statement| match &statement.what {
        What::Request(request) => Some(format!("{} {} for {}", request.action, request.resource, request.duration)),
        _ => None,
    });
    let requests: Vec<String> = requests.collect();
    match requests.split_first() {
        Some((first, [])) => format!("{who} asks to {first}"),
        Some((first, rest)) => {
            format!("{who} asks to {first}, and for {} more\n\n- {}", rest.len(), requests.join("\n- "))
        }
        None => format!("{who} asks"),
    }
}

/// Returns what would come of each, if they were logged one after another.
fn foresee_all(ledger: &Ledger, me: &Me, statements: &[Statement]) -> anyhow::Result<Vec<Arc<RequestRecord>>> {
    let mut view = ledger.view.clone();
    let mut records = Vec::new();
    for statement in statements {
        let foreseen = foresee(&view, statement, me.signer.public_key(), None);
        let record = foreseen.changes.iter().find_map(|change| match change {
            Change::Request(record) => Some(Arc::new(record.as_ref().clone())),
            _ => None,
        });
        let Some(record) = record else {
            statement::demand_effect(&foreseen)?;
            return Err(Failure::denied("the log would not take that").into());
        };
        records.push(record);
        view.commit(foreseen);
    }
    Ok(records)
}

/// Looks again and again until a request is pending no more, or time is over.
fn wait(
    cx: &mut Context<'_>,
    mut ledger: Ledger,
    id: Hash,
    patience: &Patience,
) -> anyhow::Result<(Ledger, Arc<RequestRecord>, Decision)> {
    let mut is_told = false;
    loop {
        let record = ledger.view.request(&id).ok_or_else(|| {
            // A log that extends what was seen has it; without a pin nobody notices but us.
            Failure::untrusted(Code::LogRewritten, format!("the request {id} is gone from the log"))
        })?;
        let decision = decide::stand(&ledger.view, &record, cx.world.now());
        if decision.answer != Answer::Pending {
            return Ok((ledger, record, decision));
        }
        if !is_told {
            let needs = verdict::describe_needs(&verdict::needs(&ledger.view, &record));
            let until = render::both_times(cx.world, record.lapses_at());
            cx.world.say(&format!(
                "It waits for approvals, until {until}:\n{needs}\nEach of them says `jit approve {}`\nWaiting…",
                record.id
            ));
            is_told = true;
        }
        if patience.is_over(cx) {
            return Ok((ledger, record, decision));
        }
        // Whoever holds an index keeps others from adding to it.
        drop(ledger);
        patience.pause(cx);
        ledger = cx.ledger()?;
    }
}

fn default_duration(ledger: &Ledger, subject: &Name, wanted: &Wanted, at: Timestamp) -> Option<Duration> {
    let policy = ledger.view.rules()?;
    evaluate::default_duration(&policy, subject, &wanted.resource, &wanted.action, at)
}

fn no_rule(ledger: &Ledger, subject: &Name, wanted: &Wanted, at: Timestamp) -> Reason {
    match ledger.view.rules() {
        Some(policy) => evaluate::no_matching_rule(&policy, subject, &wanted.resource, &wanted.action, at),
        None => no_rules(&ledger.view),
    }
}
