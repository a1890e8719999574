//! `jit request`: ask for access.

use std::ffi::OsString;
use std::str::FromStr;
use std::sync::Arc;

use serde::Serialize;

use super::context::{Context, Me};
use super::exit::{Exit, Failure};
use super::json::{self, GrantJson, NeedJson, ReasonJson, RequestJson};
use super::ledger::Ledger;
use super::render::{self, Role};
use super::statement::{self, Insist};
use super::text::{check_text, parse_time};
use super::watch::Patience;
use crate::core::decide::{self, Answer, Decision, Granted};
use crate::core::evaluate;
use crate::core::hash::Hash;
use crate::core::ledger::{Change, RequestRecord, foresee, no_rules};
use crate::core::name::{Name, NameError, Resource, ResourceError};
use crate::core::reason::{Code, Reason};
use crate::core::statement::{Bind, Request, Statement, What};
use crate::core::time::{Duration, Timestamp};
use crate::core::view::{View, ViewExt};

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

/// The most requests that are made at once: somebody has to read what came of each.
const MOST_AT_ONCE: usize = 32;

/// A word after the first resource. An action has no `/`, and what has one is a resource; so one of a single segment is
/// asked for first, or by itself.
#[derive(Clone, Debug)]
enum Word {
    Action(Name),
    Resource(Resource),
}

impl FromStr for Word {
    type Err = String;

    fn from_str(text: &str) -> Result<Word, String> {
        match text.contains('/') {
            true => text.parse().map(Word::Resource).map_err(|why: ResourceError| why.to_string()),
            false => text.parse().map(Word::Action).map_err(|why: NameError| why.to_string()),
        }
    }
}

/// What one request is for.
struct Wanted {
    resource: Resource,
    action: Name,
}

impl RequestArgs {
    /// Returns what is asked for: each action on each resource, in the order in which they are named.
    fn wanted(&self) -> anyhow::Result<Vec<Wanted>> {
        let (mut resources, mut actions) = (vec![&self.resource], Vec::new());
        for word in &self.more {
            match word {
                Word::Action(action) => actions.push(action),
                Word::Resource(resource) => resources.push(resource),
            }
        }
        let usual: Name = USUAL_ACTION.parse()?;
        if actions.is_empty() {
            actions.push(&usual);
        }
        let count = resources.len().saturating_mul(actions.len());
        if count > MOST_AT_ONCE {
            let text = format!("these are {count} requests, and at most {MOST_AT_ONCE} are made at once");
            return Err(Failure::usage(text).help("ask in several steps").into());
        }
        let pairs: Vec<(&Resource, &Name)> =
            resources.iter().flat_map(|resource| actions.iter().map(|action| (*resource, *action))).collect();
        let again = pairs.iter().enumerate().find(|(at, pair)| pairs.iter().take(*at).any(|before| before == *pair));
        if let Some((_, (resource, action))) = again {
            return Err(Failure::usage(format!("to {action} {resource} is asked for twice")).into());
        }
        if self.token && count > 1 {
            let text = format!("--token prints one token, and these are {count} requests");
            return Err(Failure::usage(text).help("ask without it; `jit token ID` makes the token of each").into());
        }
        let wanted =
            pairs.into_iter().map(|(resource, action)| Wanted { resource: resource.clone(), action: action.clone() });
        Ok(wanted.collect())
    }

    /// Tells whether these are several requests.
    fn are_several(&self) -> bool {
        let actions = self.more.iter().filter(|word| matches!(word, Word::Action(_))).count();
        actions > 1 || actions < self.more.len()
    }
}

/// What a request asks to do if it does not say.
const USUAL_ACTION: &str = "access";

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

/// `line` is the command line as it was typed.
pub(super) fn run(cx: &mut Context<'_>, args: &RequestArgs, line: &[OsString]) -> anyhow::Result<Exit> {
    refuse_lone_length(line)?;
    let failure = match ask(cx, args) {
        Err(error) if cx.json() => Failure::from_error(&error),
        outcome => return outcome,
    };
    // Programs get one shape, whatever went wrong.
    let Some(decision) = failure.decision() else { return Err(failure.into()) };
    let (word, reasons) = (decision.answer.as_str(), json::reasons(&decision.reasons));
    if args.are_several() {
        cx.print_json(&SeveralAnswers { decision: word, requests: Vec::new(), reasons })?;
    } else {
        cx.print_json(&RequestAnswer {
            decision: word,
            grant: None,
            request: None,
            needs: Vec::new(),
            reasons,
            token: args.token.then_some(None),
        })?;
    }
    render::failure_in_words(cx, &failure);
    Ok(failure.exit)
}

/// Refuses a length that stands apart from `--wait`: it would be one more action or resource, and asked for.
fn refuse_lone_length(line: &[OsString]) -> Result<(), Failure> {
    let options = line.iter().take_while(|word| *word != "--");
    let next = options.skip_while(|word| *word != "--wait").nth(1).and_then(|word| word.to_str());
    match next.filter(|word| word.starts_with(|first: char| first.is_ascii_digit()) && !word.contains('/')) {
        Some(word) => Err(Failure::usage(format!(
            "`{word}` behind `--wait` is one more thing to ask for, and not how long to wait"
        ))
        .help(format!("write `--wait={word}`; to ask for `{word}`, name it before `--wait`"))),
        None => Ok(()),
    }
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
            let needs = super::verdict::describe_needs(&super::verdict::needs(&ledger.view, &record));
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

/// What was asked for.
enum Asked {
    /// A request that is logged, or with `--dry-run` would be.
    For(Arc<RequestRecord>),
    /// Nothing that could have been signed.
    Not(Box<RequestJson>),
}

/// What came of one request.
struct Outcome {
    asked: Asked,
    decision: Decision,
    token: Option<String>,
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

/// Shows what came of all that was asked for, or would.
fn answer(cx: &mut Context<'_>, args: &RequestArgs, ledger: &Ledger, outcomes: Vec<Outcome>) -> anyhow::Result<Exit> {
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
        (Answer::Pending, Some(record)) => super::verdict::needs(&ledger.view, record),
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
            lines.push(super::verdict::describe_needs(&needs));
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
            lines.push(super::verdict::describe_reasons(&decision.reasons));
        }
        (Answer::Deny, _) | (_, None) => {
            let word = render::paint(coloured, Role::Bad, if args.dry_run { "denied" } else { "Denied" });
            let what = match (&asked, args.are_several()) {
                (_, false) => String::new(),
                (Asked::For(record), true) => format!(" to {} {}", record.request.action, record.request.resource),
                (Asked::Not(request), true) => format!(" to {} {}", request.action, request.resource),
            };
            lines.push(format!("{would}{word}{what}:"));
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
