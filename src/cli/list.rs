//! `jit list`: tables of requests and grants.

use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::context::{Context, Me};
use super::exit::{Exit, Failure};
use super::json::{self, GrantJson, NeedJson, ReasonJson, RequestJson};
use super::ledger::Ledger;
use super::render;
use super::watch::Patience;
use crate::core::decide::{self, Answer, Decision};
use crate::core::evaluate::{self, Given};
use crate::core::ledger::RequestRecord;
use crate::core::policy::Policy;
use crate::core::reason::{Code, Reason};
use crate::core::time::Timestamp;
use crate::core::view::{View, ViewExt};

#[derive(clap::Args, Debug)]
pub(super) struct ListArgs {
    /// Those that wait for approval, first those that you could approve
    #[arg(long)]
    pending: bool,
    /// Those that are live now
    #[arg(long)]
    active: bool,
    /// Your own
    #[arg(long)]
    mine: bool,
    /// Those that have ended, too
    #[arg(long, conflicts_with_all = ["pending", "active"])]
    all: bool,
    /// Go on until it is ended: on a terminal draw it anew every few seconds, else print it again when something has
    /// changed (with --json one object a line)
    #[arg(long)]
    watch: bool,
}

#[derive(Serialize)]
struct ListAnswer<'a> {
    requests: Rows<'a>,
    lockdowns: Vec<LockdownJson>,
}

/// The requests as JSON, each made when it is written: all of them at once would take several times the memory of the records.
struct Rows<'a> {
    ledger: &'a Ledger,
    listed: &'a [Listed],
}

impl Serialize for Rows<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.listed.iter().map(|listed| row(self.ledger, listed)))
    }
}

#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    request: RequestJson,
    decision: &'static str,
    reasons: Vec<ReasonJson>,
    grant: Option<GrantJson>,
    needs: Vec<NeedJson>,
    yours_to_approve: bool,
}

#[derive(Serialize)]
struct LockdownJson {
    id: String,
    by: String,
    at: String,
    subjects: Vec<String>,
    resources: Vec<String>,
    reason: String,
}

struct Listed {
    record: Arc<RequestRecord>,
    decision: Decision,
    /// Whether it waits, and for somebody like who looks.
    mine_to_approve: bool,
}

pub(super) fn run(cx: &mut Context<'_>, args: &ListArgs) -> anyhow::Result<Exit> {
    let redraws = cx.world.stdout_is_terminal() && !cx.json();
    let mut last = None;
    loop {
        let ledger = cx.ledger()?;
        let now = cx.world.now();
        let listed = look(cx, args, &ledger, now)?;
        // All that there is to say, without times left: that is what tells whether something has changed.
        let state = (args.watch && !redraws).then(|| render::json(&answer(&ledger, &listed)));
        let is_news = redraws || !args.watch || last != state;
        if is_news {
            match &state {
                Some(state) if cx.json() => cx.print(state.trim_end())?,
                None if cx.json() => cx.print_json(&answer(&ledger, &listed))?,
                Some(_) | None => {
                    let text = in_words(cx, args, &ledger, &listed, now);
                    cx.print(&if redraws && args.watch { format!("{CLEAR}{text}") } else { text })?;
                }
            }
        }
        if !args.watch {
            // As the log is left: there may be much of it.
            std::mem::forget(listed);
            ledger.leave();
            return Ok(Exit::Done);
        }
        last = state;
        // Whoever holds an index keeps others from adding to it.
        drop(ledger);
        Patience::new(cx, None).pause(cx);
    }
}

/// Puts the cursor into the corner and clears what is below it.
const CLEAR: &str = "\u{1b}[H\u{1b}[J";

/// Returns what there is to list: what somebody could approve first, then by age, the newest last.
fn look(cx: &mut Context<'_>, args: &ListArgs, ledger: &Ledger, now: Timestamp) -> anyhow::Result<Vec<Listed>> {
    let me = match cx.me(ledger) {
        Ok(me) => Some(me),
        Err(why) if args.mine => return Err(why),
        // The list is for everyone who can read the log; only what they could approve can't be marked then.
        Err(why) => {
            if cx.names_key() {
                let why = Failure::from_error(&why);
                cx.warn_once(&format!("note: nothing is marked as yours to approve: {why}"), "");
            }
            None
        }
    };
    let mut listed: Vec<Listed> = ledger
        .view
        .requests((!args.all).then_some(now))
        .into_iter()
        .map(|record| {
            let decision = decide::stand(&ledger.view, &record, now);
            let may_approve = || me.as_ref().is_some_and(|me| may_approve(ledger, &record, me, now));
            let mine_to_approve = decision.answer == Answer::Pending && may_approve();
            Listed { decision, mine_to_approve, record }
        })
        .filter(|listed| {
            let answer = listed.decision.answer;
            let wanted = match (args.all, args.pending, args.active) {
                (true, _, _) => true,
                (false, true, true) | (false, false, false) => answer != Answer::Deny || listed.decision.is_asleep(),
                (false, true, false) => answer == Answer::Pending,
                (false, false, true) => answer == Answer::Allow,
            };
            wanted && (!args.mine || me.as_ref().is_some_and(|me| me.name == listed.record.by))
        })
        .collect();
    listed.sort_by_key(|listed| (!listed.mine_to_approve, listed.record.index));
    Ok(listed)
}

/// Returns all of it for programs.
fn answer<'a>(ledger: &'a Ledger, listed: &'a [Listed]) -> ListAnswer<'a> {
    ListAnswer { requests: Rows { ledger, listed }, lockdowns: lockdowns(ledger) }
}

/// Returns all of it for people.
fn in_words(cx: &Context<'_>, args: &ListArgs, ledger: &Ledger, listed: &[Listed], now: Timestamp) -> String {
    let mut text = if listed.is_empty() { nothing(args).to_owned() } else { table(cx, listed, now) };
    for lockdown in ledger.view.lockdowns().into_iter().filter(|lockdown| lockdown.lifted.is_none()) {
        let what = super::lockdown::describe(&lockdown.subjects, &lockdown.resources);
        text.push_str(&format!(
            "\nLockdown {}: {what}, by {}: {}",
            lockdown.id.short(),
            lockdown.by,
            render::quoted(&lockdown.reason)
        ));
    }
    text
}

/// Tells whether somebody may approve it who has not done so, by the key in use.
fn may_approve(ledger: &Ledger, record: &RequestRecord, me: &Me, now: Timestamp) -> bool {
    let signed = record.approvals.iter().any(|approval| approval.by == me.name);
    let by_hardware_key = me.signer.public_key().is_security_key();
    let given = Given { by_hardware_key, at: record.moment_of(now) };
    let is_eligible = |policy: &Policy| evaluate::is_eligible(policy, &record.ask(), &me.name, given);
    !signed && ledger.view.rules().is_some_and(|policy| is_eligible(&policy))
}

fn row(ledger: &Ledger, listed: &Listed) -> Row {
    let needs = match listed.decision.answer {
        Answer::Pending => super::verdict::needs(&ledger.view, &listed.record),
        Answer::Allow | Answer::Deny => Vec::new(),
    };
    Row {
        request: RequestJson::from(&*listed.record),
        decision: listed.decision.answer.as_str(),
        reasons: json::reasons(&listed.decision.reasons),
        grant: decide::granted(&ledger.view, &listed.record).as_ref().map(GrantJson::from),
        needs: needs.iter().map(NeedJson::from).collect(),
        yours_to_approve: listed.mine_to_approve,
    }
}

fn lockdowns(ledger: &Ledger) -> Vec<LockdownJson> {
    let holding = ledger.view.lockdowns().into_iter().filter(|lockdown| lockdown.lifted.is_none());
    holding
        .map(|lockdown| LockdownJson {
            id: lockdown.id.to_string(),
            by: lockdown.by.to_string(),
            at: lockdown.at.to_string(),
            subjects: lockdown.subjects.iter().map(ToString::to_string).collect(),
            resources: lockdown.resources.iter().map(ToString::to_string).collect(),
            reason: lockdown.reason.clone(),
        })
        .collect()
}

/// Says that there is nothing to list.
fn nothing(args: &ListArgs) -> &'static str {
    match (args.all, args.pending && !args.active, args.active && !args.pending, args.mine) {
        (true, _, _, false) => "Nobody has asked for anything yet: `jit request` does.",
        (true, _, _, true) => "You have not asked for anything yet: `jit request` does.",
        (false, true, _, false) => "Nothing waits for approval.",
        (false, true, _, true) => "Nothing of yours waits for approval.",
        (false, _, true, false) => "Nothing is live.",
        (false, _, true, true) => "Nothing of yours is live.",
        (false, false, false, false) => "Nothing waits and nothing is live; `jit list --all` shows what has ended.",
        (false, false, false, true) => {
            "Nothing of yours waits or is live; `jit list --all --mine` shows what has ended."
        }
    }
}

fn table(cx: &Context<'_>, listed: &[Listed], now: Timestamp) -> String {
    let rows: Vec<[String; 8]> = listed
        .iter()
        .map(|listed| {
            let record = &*listed.record;
            let (state, left) = state(&listed.decision, record, now);
            [
                record.id.short(),
                record.by.to_string(),
                record.request.action.to_string(),
                record.request.resource.to_string(),
                if listed.mine_to_approve { format!("{state} (yours to approve)") } else { state },
                left,
                until(&listed.decision, record).map(|end| cx.world.local_time(end)).unwrap_or_default(),
                crate::core::escape::shorten(&record.request.reason, 40).into_owned(),
            ]
        })
        .collect();
    render::table(["ID", "WHO", "ACTION", "RESOURCE", "STATE", "LEFT", "UNTIL", "WHY"], &rows)
}

/// Returns when a request ends, or ended; none if it never had an effect, or was denied.
fn until(decision: &Decision, record: &RequestRecord) -> Option<Timestamp> {
    let by_itself =
        |reason: &Reason| matches!(reason.code, Code::NotYetValid | Code::OutsideHours | Code::Expired | Code::Lapsed);
    match (&record.revoked, record.grant()) {
        (Some(revoked), _) => Some(revoked.at),
        (None, Some(grant)) if decision.answer != Answer::Deny || decision.reasons.iter().all(by_itself) => {
            Some(grant.end)
        }
        (None, None) if decision.answer != Answer::Deny || decision.reasons.iter().all(by_itself) => {
            Some(record.lapses_at())
        }
        (None, Some(_) | None) => None,
    }
}

/// Says how a request stands in a word or two, and how much time is left in that state.
pub(super) fn state(decision: &Decision, record: &RequestRecord, now: Timestamp) -> (String, String) {
    match (decision.answer, record.grant()) {
        (Answer::Allow, Some(grant)) => ("live".to_owned(), render::left(now, grant.end)),
        (Answer::Pending, _) => ("pending".to_owned(), render::left(now, record.lapses_at())),
        (Answer::Deny, Some(grant)) if decision.is_asleep() && now < grant.live_from => {
            (format!("starts in {}", render::left(now, grant.start)), String::new())
        }
        (Answer::Allow, None) | (Answer::Deny, _) => {
            let word = decision.reasons.first().map_or("ended", |reason| reason.code.as_str());
            (word.to_owned(), String::new())
        }
    }
}
