//! What people read: tables, details, errors. Whatever others wrote is escaped here.

use std::borrow::Cow;

use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};
use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use super::context::Context;
use super::exit::{Exit, Failure};
use crate::core::escape::{escape, hide_tokens};
use crate::core::time::Timestamp;
use crate::edge::world::World;

/// Returns text of somebody else's, fit for a terminal.
pub(super) fn safe(text: &str) -> Cow<'_, str> {
    escape(text)
}

/// Returns text of somebody else's in quotes, so that one sees where it ends.
pub(super) fn quoted(text: &str) -> String {
    format!("“{}”", safe(text))
}

/// How many rows of a table are laid out at once: of many rows all cells would stand in memory a second time.
const ROWS_AT_ONCE: usize = 64;

/// Returns a table without lines, its header first.
pub(super) fn table<const N: usize>(header: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = header.map(UnicodeWidthStr::width);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(safe(cell).width());
        }
    }
    let mut text = laid_out(widths, [header].into_iter().map(|row| row.map(str::to_owned)));
    for part in rows.chunks(ROWS_AT_ONCE) {
        text.push('\n');
        text.push_str(&laid_out(widths, part.iter().map(|row| row.each_ref().map(|cell| safe(cell).into_owned()))));
    }
    text
}

/// Returns rows of cells below each other, in columns of these widths.
fn laid_out<const N: usize>(widths: [usize; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    for row in rows {
        table.add_row(row);
    }
    // A column's width is that of a cell with a space on either side; the one before the first is of no use.
    for (column, width) in table.column_iter_mut().zip(widths) {
        let width = u16::try_from(width + 2).unwrap_or(u16::MAX);
        column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(width)));
    }
    let lines = table.trim_fmt();
    let lines = lines.lines().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end());
    lines.collect::<Vec<_>>().join("\n")
}

/// Returns names and values, one a line, the values below each other.
pub(super) fn details(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let line = |(name, value): &(&str, String)| {
        let indented = value.replace('\n', &format!("\n{:width$}    ", ""));
        format!("  {name:width$}  {indented}").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Returns a number of things, in words.
pub(super) fn count(number: u64, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// Returns how long until `end`, to the minute and down to the second in the last one.
pub(super) fn left(now: Timestamp, end: Timestamp) -> String {
    let seconds = end.since(now).num_seconds().max(0);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h{:02}m", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// Returns an instant in the user's zone and as it is signed.
pub(super) fn both_times(world: &World, time: Timestamp) -> String {
    format!("{time} ({})", world.local_time(time))
}

/// Writes one JSON object.
pub(super) fn json(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string(value).expect("what we print has string keys only");
    text.push('\n');
    text
}

/// What is coloured.
#[derive(Clone, Copy, Debug)]
pub(super) enum Role {
    /// Yes.
    Good,
    /// Not yet.
    Waiting,
    /// No.
    Bad,
}

/// Colours text if colours are wanted.
pub(super) fn paint(coloured: bool, role: Role, text: &str) -> String {
    let code = match role {
        Role::Good => "32",
        Role::Waiting => "33",
        Role::Bad => "31",
    };
    if coloured { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
}

#[derive(Serialize)]
struct FailureJson {
    error: FailureBody,
}

#[derive(Serialize)]
struct FailureBody {
    code: Option<&'static str>,
    message: String,
    help: Option<String>,
}

/// Prints a failure and returns its exit status.
pub(super) fn failure(cx: &mut Context<'_>, error: &anyhow::Error) -> Exit {
    if is_broken_pipe(error) {
        // Whoever read the answer has gone; there is nobody to tell.
        return Exit::Done;
    }
    let failure = Failure::from_error(error);
    if cx.json() {
        let body = FailureBody {
            code: failure.code.map(|code| code.as_str()),
            message: failure.message.clone(),
            help: failure.help.clone(),
        };
        // If even that can't be written, the status still says it.
        let _ = cx.world.out(&json(&FailureJson { error: body }));
    }
    failure_in_words(cx, &failure);
    failure.exit
}

/// Says a failure to people.
pub(super) fn failure_in_words(cx: &mut Context<'_>, failure: &Failure) {
    let title = paint(cx.coloured_talk(), Role::Bad, "error:");
    cx.world.warn(&format!("{title} {}", failure.message));
    if let Some(help) = &failure.help {
        cx.world.warn(&format!("  help: {help}"));
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
    })
}

/// Tells whether people want colour at a terminal, as far as the environment says.
pub(super) fn takes_colour(world: &World) -> bool {
    world.var("NO_COLOR").is_none() && world.var("TERM").is_none_or(|term| term != "dumb")
}

/// Takes what clap says of a command line apart: what is wrong, and what would be right.
fn usage_body(text: &str) -> FailureBody {
    let on_one_line = |part: &str| part.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut parts = text.split("\n\n").map(on_one_line).filter(|part| !part.starts_with("For more information"));
    let message = parts.next().unwrap_or_default();
    let help = parts.collect::<Vec<_>>().join("; ");
    FailureBody {
        code: None,
        message: message.strip_prefix("error: ").unwrap_or(&message).to_owned(),
        help: (!help.is_empty()).then_some(help),
    }
}

/// Prints what clap says of a command line: help and version are answers, anything else is a usage error.
pub(super) fn usage(world: &mut World, error: &clap::Error, json: bool) -> Exit {
    use clap::error::ErrorKind;
    let text = error.render();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let coloured = world.stdout_is_terminal() && takes_colour(world);
            let text = if coloured { text.ansi().to_string() } else { text.to_string() };
            match world.out(&text) {
                Ok(()) => Exit::Done,
                Err(why) if why.kind() == std::io::ErrorKind::BrokenPipe => Exit::Done,
                Err(_) => Exit::Unavailable,
            }
        }
        _ => {
            let text = text.to_string();
            let text = hide_tokens(&text);
            let lines: Vec<Cow<'_, str>> = text.trim_end().lines().map(safe).collect();
            let text = lines.join("\n");
            if json {
                // If that can't be written, the status still says it.
                let _ = world.out(&self::json(&FailureJson { error: usage_body(&text) }));
            }
            world.warn(&text);
            Exit::Usage
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ROWS_AT_ONCE, table};

    #[test]
    fn a_long_table_is_laid_out_in_parts_as_it_would_be_at_once() {
        let row =
            |n: usize| [n.to_string(), "用".repeat(n % 7), "x".repeat(n * n % 31), "e\u{301}\u{1b}\n".repeat(n % 3)];
        for rows in [0, 1, ROWS_AT_ONCE, ROWS_AT_ONCE + 1, 3 * ROWS_AT_ONCE + 5] {
            let rows: Vec<_> = (0..rows).map(row).collect();
            let text = table(["ID", "WHO", "WHY", "É"], &rows);
            let mut whole = comfy_table::Table::new();
            whole.load_style(comfy_table::presets::NOTHING);
            whole.set_content_arrangement(comfy_table::ContentArrangement::Disabled);
            whole.set_header(["ID", "WHO", "WHY", "É"]);
            for row in &rows {
                whole.add_row(row.each_ref().map(|cell| super::safe(cell).into_owned()));
            }
            let whole = whole.trim_fmt();
            let whole: Vec<_> = whole.lines().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end()).collect();
            assert_eq!(text, whole.join("\n"), "{} rows", rows.len());
        }
    }
}
