//! `jit audit export`: the log for other programs.

use clap::ValueEnum;
use serde::Serialize;
use serde_json::value::RawValue;

use super::log::worth;
use super::summary;
use crate::cli::context::Context;
use crate::cli::exit::{Exit, Failure};
use crate::cli::ledger::{Ledger, verdict_fields};
use crate::core::escape::csv_safe;
use crate::core::merkle::leaf_hash;
use crate::core::statement::Line;

/// Write the whole log for other programs: JSON lines, or CSV whose cells no spreadsheet takes for formulas
#[derive(clap::Args, Debug)]
pub(in crate::cli) struct ExportArgs {
    /// The format
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    format: Format,
}

#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// One JSON object a line of the log
    Jsonl,
    /// A header, and one row a line of the log
    Csv,
}

#[derive(Serialize)]
struct Exported<'a> {
    index: u64,
    id: Option<String>,
    leaf: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    by: Option<String>,
    at: Option<String>,
    verdict: &'static str,
    reason: Option<String>,
    /// The body as it was signed.
    body: Option<&'a RawValue>,
    sig: Option<String>,
    /// The bytes of what is no line, in hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<String>,
}

pub(super) fn run(cx: &mut Context<'_>, args: &ExportArgs) -> anyhow::Result<Exit> {
    if cx.json() && args.format == Format::Csv {
        return Err(Failure::usage("--json and --format csv exclude each other").help("leave one of them out").into());
    }
    let ledger = cx.whole_ledger()?;
    match args.format {
        Format::Jsonl => jsonl(cx, &ledger),
        Format::Csv => csv(cx, &ledger),
    }
}

fn jsonl(cx: &mut Context<'_>, ledger: &Ledger) -> anyhow::Result<Exit> {
    ledger.each_line(|index, line, verdict| {
        let parsed = Line::parse(line).ok();
        let body = parsed.as_ref().and_then(|line| serde_json::from_str(line.body_text()).ok());
        let (word, reason) = verdict_fields(verdict);
        cx.print_json(&Exported {
            index,
            id: parsed.as_ref().map(|line| line.id().to_string()),
            leaf: leaf_hash(line).to_string(),
            kind: parsed.as_ref().map(|line| line.unverified().kind().to_owned()),
            by: parsed.as_ref().map(|line| line.unverified().by().to_string()),
            at: parsed.as_ref().map(|line| line.unverified().at().to_string()),
            verdict: word,
            reason,
            body,
            sig: parsed.as_ref().map(|line| line.signature().to_base64()),
            bytes: parsed.is_none().then(|| line.iter().map(|byte| format!("{byte:02x}")).collect()),
        })
    })?;
    Ok(Exit::Done)
}

fn csv(cx: &mut Context<'_>, ledger: &Ledger) -> anyhow::Result<Exit> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["index", "id", "type", "by", "at", "verdict", "summary"])?;
    ledger.each_line(|index, line, verdict| {
        let mut cells = vec![index.to_string()];
        match Line::parse(line) {
            Ok(parsed) => {
                let body = parsed.unverified();
                cells.extend([parsed.id().to_string(), body.kind().to_owned()]);
                cells.extend([body.by().to_string(), body.at().to_string(), worth(verdict), summary(body)]);
            }
            Err(_) => {
                let nothing = String::new;
                cells.extend([nothing(), nothing(), nothing(), nothing(), worth(verdict), nothing()]);
            }
        }
        writer.write_record(cells.iter().map(|cell| csv_safe(cell).into_owned()))?;
        Ok(())
    })?;
    let bytes = writer.into_inner().map_err(|why| anyhow::anyhow!("{why}"))?;
    let text = String::from_utf8(bytes)?;
    cx.print(text.trim_end())?;
    Ok(Exit::Done)
}
