//! `jit token`: make a token of a grant.

use serde::Serialize;

use super::context::{Context, Me};
use super::exit::{Exit, Failure};
use super::id;
use super::json::{self, ReasonJson};
use super::ledger::Ledger;
use super::render::{self, Role};
use super::statement;
use super::text::check_text;
use crate::core::decide::{self, Answer};
use crate::core::ledger::RequestRecord;
use crate::core::statement::{Body, Presentation, What};
use crate::core::time::{Duration, Timestamp};
use crate::core::token;
use crate::core::view::View;

#[derive(clap::Args, Debug)]
pub(super) struct TokenArgs {
    /// The grant's id, or a prefix that names only one statement
    #[arg(value_name = "ID")]
    id: String,
    /// The one gate it is for; it must then ask with the same --audience
    #[arg(long, value_name = "T")]
    audience: Option<String>,
    /// Valid for this long [default: until the grant ends]
    #[arg(long = "for", value_name = "D")]
    duration: Option<Duration>,
}

#[derive(Serialize)]
struct TokenJson {
    token: Option<String>,
    expires: Option<String>,
    reasons: Vec<ReasonJson>,
}

pub(super) fn run(cx: &mut Context<'_>, args: &TokenArgs) -> anyhow::Result<Exit> {
    if let Some(audience) = &args.audience {
        check_text("--audience", audience)?;
    }
    let ledger = cx.ledger()?;
    let (id, _) = id::find_to_sign(cx, &ledger.view, &args.id)?;
    let record = ledger.view.request(&id).ok_or_else(|| Failure::denied(format!("{} is no request", id.short())))?;
    let mut me = cx.me(&ledger)?;
    if record.by != me.name {
        let text = format!("{} is `{}`'s, and only they can present it; you are `{}`", id.short(), record.by, me.name);
        return Err(Failure::denied(text).help("`jit list --active --mine` shows yours").into());
    }
    let now = cx.world.now();
    let decision = decide::stand(&ledger.view, &record, now);
    if decision.answer != Answer::Allow && !decision.is_asleep() {
        if cx.json() {
            let reasons = json::reasons(&decision.reasons);
            cx.print_json(&TokenJson { token: None, expires: None, reasons })?;
        }
        let title = render::paint(cx.coloured_talk(), Role::Bad, "error:");
        let reasons = super::verdict::describe_reasons(&decision.reasons);
        cx.world.warn(&format!("{title} {} is no live grant\n{reasons}", id.short()));
        cx.world.warn(&format!("  help: `jit show {}` shows what came of it", id.short()));
        return Ok(Exit::of(decision.answer, &decision.reasons));
    }
    let expires = args.duration.map(|length| now.after(length));
    let token = make(cx, &ledger, &mut me, &record, args.audience.clone(), expires)?;
    let end = record.grant().map_or(now, |grant| grant.end);
    if cx.json() {
        let expires = expires.map_or(end, |time| time.min(end)).to_string();
        cx.print_json(&TokenJson { token: Some(token), expires: Some(expires), reasons: Vec::new() })?;
    } else {
        cx.print(&token)?;
    }
    Ok(Exit::Done)
}

/// Signs a presentation and puts the token together; it expires with the grant or sooner.
pub(super) fn make(
    cx: &mut Context<'_>,
    ledger: &Ledger,
    me: &mut Me,
    record: &RequestRecord,
    audience: Option<String>,
    expires: Option<Timestamp>,
) -> anyhow::Result<String> {
    let grant = record.grant().ok_or_else(|| Failure::denied("it is not granted"))?;
    let expires = expires.map_or(grant.end, |time| time.min(grant.end));
    let what = What::Presentation(Presentation { of: record.id, audience, expires });
    let now = cx.world.now();
    let statement = statement::compose(cx, ledger, me, now, what)?;
    let presentation = statement::sign(cx, me, &Body::Statement(statement))?;
    let indices = [record.index].into_iter().chain(grant.counted.iter().map(|approval| approval.index));
    let lines = indices.map(|index| ledger.line(index)).collect::<anyhow::Result<Vec<String>>>()?;
    let token = token::encode(lines.iter().map(String::as_str), &presentation);
    if token.len() > token::MAX_TOKEN_LEN {
        let text = format!("the token would have {} bytes, at most {} are taken", token.len(), token::MAX_TOKEN_LEN);
        return Err(Failure::denied(text).help("let the gate ask by `--subject` or `--ssh-key`").into());
    }
    Ok(token)
}
