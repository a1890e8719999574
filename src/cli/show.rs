//! `jit show`: everything about one statement.

use serde::Serialize;

use super::context::Context;
use super::exit::{Exit, Failure};
use super::id;
use super::json::{self, GrantJson, NeedJson, ReasonJson, RequestJson};
use super::ledger::{Ledger, describe_verdict, verdict_fields};
use super::render;
use super::verdict::{describe_tally, lift_tally};
use crate::core::decide;
use crate::core::hash::Hash;
use crate::core::ledger::{Loaded, RequestRecord, Status, tally};
use crate::core::statement::{Body, Line, What};
use crate::core::view::View;

#[derive(clap::Args, Debug)]
pub(super) struct ShowArgs {
    /// Its id, or a prefix that names only one statement
    #[arg(value_name = "ID")]
    id: String,
}

#[derive(Serialize)]
struct Shown {
    id: String,
    index: u64,
    #[serde(rename = "type")]
    kind: String,
    by: String,
    at: String,
    verdict: &'static str,
    reason: Option<String>,
    /// How a policy, a lockdown or a lift stands now; null of anything else. Of a request that is its decision.
    state: Option<&'static str>,
    line: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<ShownRequest>,
}

#[derive(Serialize)]
struct ShownRequest {
    #[serde(flatten)]
    request: RequestJson,
    decision: &'static str,
    reasons: Vec<ReasonJson>,
    grant: Option<GrantJson>,
    needs: Vec<NeedJson>,
}

pub(super) fn run(cx: &mut Context<'_>, args: &ShowArgs) -> anyhow::Result<Exit> {
    let ledger = cx.ledger()?;
    let (id, entry) = id::find(&ledger.view, &args.id)?;
    let text = ledger.line(entry.index)?;
    let line = Line::parse(text.as_bytes()).map_err(|why| Failure::denied(why.to_string()))?;
    let body = line.unverified();
    let verdict = ledger.verdict(&id, entry.index)?;
    let record = ledger.view.request(&id);
    if cx.json() {
        let (verdict, reason) = verdict_fields(&verdict);
        let shown = Shown {
            id: id.to_string(),
            index: entry.index,
            kind: body.kind().to_owned(),
            by: body.by().to_string(),
            at: body.at().to_string(),
            verdict,
            reason,
            state: state(&ledger, &id, body).map(|(word, _)| word),
            line: text.clone(),
            request: record.map(|record| shown_request(cx, &ledger, &record)),
        };
        cx.print_json(&shown)?;
        return Ok(Exit::Done);
    }
    let mut rows = vec![
        ("id", id.to_string()),
        ("line", entry.index.to_string()),
        ("type", body.kind().to_owned()),
        ("by", format!("{} ({})", body.by(), line.signature().key().fingerprint())),
        ("at", render::both_times(cx.world, body.at())),
        ("verdict", describe_verdict(&verdict)),
    ];
    match record {
        Some(record) => rows.extend(request_rows(cx, &ledger, &record)),
        None => {
            rows.extend(super::audit::field_rows(body));
            rows.extend(state(&ledger, &id, body).map(|(_, words)| ("state", words)));
        }
    }
    cx.print(&render::details(&rows))?;
    if let Body::Statement(_) | Body::Genesis(_) = body
        && cx.verbose()
    {
        cx.print(&format!("  {}", render::safe(&text)))?;
    }
    Ok(Exit::Done)
}

/// Says how a policy, a lockdown or a lift stands now, in one word and in several; none of anything else, and none of a
/// lockdown or lift that never had an effect.
fn state(ledger: &Ledger, id: &Hash, body: &Body) -> Option<(&'static str, String)> {
    let Body::Statement(statement) = body else { return None };
    match &statement.what {
        What::Policy(_) => Some(policy_state(&ledger.view, id)),
        What::Lockdown(_) => ledger.view.lockdown(id).map(|lockdown| match lockdown.lifted {
            None => ("holds", "holds".to_owned()),
            Some(line) => ("lifted", format!("lifted by line {line}")),
        }),
        What::Lift(lift) => match (ledger.view.lift(id), ledger.view.lockdown(&lift.of)?.lifted) {
            (Some(open), _) => Some(("open", format!("waits for signatures: {}", lift_tally(&ledger.view, &open)))),
            (None, Some(line)) => Some(("closed", format!("closed: the lockdown was lifted by line {line}"))),
            (None, None) => None,
        },
        What::Request(_)
        | What::Approval(_)
        | What::Revocation(_)
        | What::Presentation(_)
        | What::Checkpoint(_)
        | What::Unknown { .. } => None,
    }
}

fn policy_state(view: &impl View, id: &Hash) -> (&'static str, String) {
    if let Some(proposal) = view.proposal(id) {
        return ("proposed", format!("proposed, waits for signatures: {}", describe_tally(&tally(view, &proposal))));
    }
    match view.in_force(id) {
        None => ("dead", "dead: it can't come into force any more".to_owned()),
        // A policy is in force after the line that completed it.
        Some((from, Some(until))) => {
            let text = format!("superseded: it was in force after line {} and up to line {}", from - 1, until - 1);
            ("superseded", text)
        }
        Some((from, None)) => {
            let record = view.policy_record();
            let fault = match record.as_ref().map(|policy| &policy.loaded) {
                Some(Loaded::Broken(why)) => format!("; it DOES NOT LOAD: {}", render::safe(why)),
                Some(Loaded::Unsupported) => "; it DOES NOT LOAD: its format is above this program's".to_owned(),
                Some(Loaded::Policy(_)) | None => String::new(),
            };
            ("in-force", format!("in force since line {}{fault}", from - 1))
        }
    }
}

fn shown_request(cx: &Context<'_>, ledger: &Ledger, record: &RequestRecord) -> ShownRequest {
    let decision = decide::stand(&ledger.view, record, cx.world.now());
    let needs = match record.status {
        Status::Pending => super::verdict::needs(&ledger.view, record),
        Status::WithoutEffect(_) | Status::Denied(_) | Status::Complete(_) => Vec::new(),
    };
    ShownRequest {
        request: RequestJson::from(record),
        decision: decision.answer.as_str(),
        reasons: json::reasons(&decision.reasons),
        grant: decide::granted(&ledger.view, record).as_ref().map(GrantJson::from),
        needs: needs.iter().map(NeedJson::from).collect(),
    }
}

fn request_rows(cx: &Context<'_>, ledger: &Ledger, record: &RequestRecord) -> Vec<(&'static str, String)> {
    let now = cx.world.now();
    let request = &record.request;
    let decision = decide::stand(&ledger.view, record, now);
    let (state, left) = super::list::state(&decision, record, now);
    let mut rows = vec![
        ("what", format!("{} on {}", request.action, request.resource)),
        ("how long", request.duration.to_string()),
        ("why", super::verdict::why(&request.reason)),
    ];
    if let Some(time) = request.not_before {
        rows.push(("not before", render::both_times(cx.world, time)));
    }
    if let Some(bind) = request.bind {
        rows.push(("bound to", bind.to_string()));
    }
    rows.push(("state", if left.is_empty() { state } else { format!("{state}, {left} left") }));
    rows.push(("because", super::verdict::dedented(&super::verdict::describe_reasons(&decision.reasons))));
    if let Some(grant) = record.grant() {
        rows.push(("from", render::both_times(cx.world, grant.start)));
        rows.push(("until", render::both_times(cx.world, grant.end)));
        rows.push(("rules", grant.rules.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")));
    }
    rows.extend(super::verdict::approval_rows(record));
    if let Status::Denied(ending) = &record.status {
        rows.push(("denied", format!("{} at {}: {}", ending.by, ending.at, super::verdict::why(&ending.reason))));
    }
    if let Some(ending) = &record.revoked {
        rows.push(("revoked", format!("{} at {}: {}", ending.by, ending.at, super::verdict::why(&ending.reason))));
    }
    if matches!(record.status, Status::Pending) {
        rows.push((
            "needs",
            super::verdict::dedented(&super::verdict::describe_needs(&super::verdict::needs(&ledger.view, record))),
        ));
    }
    rows
}
