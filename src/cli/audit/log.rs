//! `jit audit log`: the history of access, line by line.

use serde::Serialize;

use super::summary;
use crate::cli::context::Context;
use crate::cli::exit::{Exit, Failure};
use crate::cli::ledger::{describe_verdict, verdict_fields};
use crate::cli::render;
use crate::core::ledger::Verdict;
use crate::core::name::Name;
use crate::core::policy::{did_you_mean, nearest};
use crate::core::statement::{Body, Line};

/// Show the log, line by line, with what each line is worth
///
/// An inert line is a leaf of the tree and nothing more: it has no id that anything could refer to, so with --json its
/// `id` is null, and what is no line at all has no `at`, `by` and `type` either.
#[derive(clap::Args, Debug)]
pub(in crate::cli) struct LogArgs {
    /// Only lines by this identity
    #[arg(long, value_name = "NAME")]
    by: Option<Name>,
    /// Only lines of this type, such as request or approval
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<Name>,
    /// Only the last N of them
    #[arg(long, value_name = "N")]
    last: Option<usize>,
}

#[derive(Serialize)]
struct Log {
    lines: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    index: u64,
    id: Option<String>,
    at: Option<String>,
    by: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    summary: String,
    verdict: &'static str,
    reason: Option<String>,
}

pub(super) fn run(cx: &mut Context<'_>, args: &LogArgs) -> anyhow::Result<Exit> {
    let ledger = cx.whole_ledger()?;
    let mut rows: Vec<Row> = Vec::new();
    let mut is_known = args.kind.as_ref().is_none_or(|kind| Body::KINDS.contains(&kind.as_str()));
    ledger.each_line(|index, line, verdict| {
        let row = row(index, line, verdict);
        let by = args.by.as_ref().is_none_or(|by| row.by.as_deref() == Some(by.as_str()));
        let kind = args.kind.as_ref().is_none_or(|kind| row.kind.as_deref() == Some(kind.as_str()));
        // Lines of a newer program may be of a type that this one does not know.
        is_known |= kind;
        if by && kind {
            rows.push(row);
        }
        Ok(())
    })?;
    if let Some(kind) = args.kind.as_ref().filter(|_| !is_known) {
        let near = nearest(kind.as_str(), Body::KINDS).map(did_you_mean);
        let all = format!("the types are {}", Body::KINDS.join(", "));
        let help = near.map_or(all.clone(), |near| format!("{near} {all}"));
        return Err(Failure::usage(format!("`{kind}` is no type of line")).help(help).into());
    }
    if let Some(last) = args.last {
        rows.drain(..rows.len().saturating_sub(last));
    }
    if cx.json() {
        cx.print_json(&Log { lines: rows })?;
        return Ok(Exit::Done);
    }
    if rows.is_empty() {
        cx.print("No such lines.")?;
        return Ok(Exit::Done);
    }
    let cells: Vec<[String; 6]> = rows
        .into_iter()
        .map(|row| {
            let worth = row.reason.map(|reason| format!("{}: {reason}", row.verdict)).unwrap_or_default();
            [
                row.index.to_string(),
                row.id.map(|id| id.chars().take(8).collect()).unwrap_or_default(),
                row.at.unwrap_or_default(),
                row.by.unwrap_or_default(),
                row.kind.unwrap_or_default(),
                if worth.is_empty() { row.summary } else { format!("{} [{worth}]", row.summary) },
            ]
        })
        .collect();
    cx.print(&render::table(["LINE", "ID", "AT", "BY", "TYPE", "WHAT"], &cells))?;
    Ok(Exit::Done)
}

fn row(index: u64, line: &[u8], verdict: &Verdict) -> Row {
    let (word, reason) = verdict_fields(verdict);
    let row = Row { index, id: None, at: None, by: None, kind: None, summary: String::new(), verdict: word, reason };
    match Line::parse(line) {
        Ok(parsed) => {
            let body = parsed.unverified();
            Row {
                // Inert lines have no id to be found by.
                id: (!matches!(verdict, Verdict::Inert(_))).then(|| parsed.id().to_string()),
                at: Some(body.at().to_string()),
                by: Some(body.by().to_string()),
                kind: Some(body.kind().to_owned()),
                summary: summary(body),
                ..row
            }
        }
        Err(_) => Row { summary: format!("{} bytes", line.len()), ..row },
    }
}

/// Says in words what a line is worth; for exports.
pub(super) fn worth(verdict: &Verdict) -> String {
    describe_verdict(verdict)
}
