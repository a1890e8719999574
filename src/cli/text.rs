//! Free text and times as people type them.

use chrono::DateTime;

use super::exit::Failure;
use super::render;
use crate::core::statement::{MAX_TEXT_LEN, is_text};
use crate::core::time::{Duration, Timestamp};

/// Refuses free text that no statement may hold.
pub(super) fn check_text(option: &str, text: &str) -> anyhow::Result<()> {
    if text.len() > MAX_TEXT_LEN {
        return Err(
            Failure::usage(format!("{option} has {} bytes, at most {MAX_TEXT_LEN} are kept", text.len())).into()
        );
    }
    if !is_text(text) {
        let text = format!("{option} holds a control character: {}", render::safe(text));
        return Err(Failure::usage(text).help("write it on one line, in plain text").into());
    }
    Ok(())
}

/// Reads a time as people write it: RFC 3339, or `+` and a duration from now.
pub(super) fn parse_time(text: &str, now: Timestamp) -> anyhow::Result<Timestamp> {
    if let Some(length) = text.strip_prefix('+') {
        let length: Duration =
            length.parse().map_err(|why| Failure::usage(format!("`{}`: {why}", render::safe(text))))?;
        return Ok(now.after(length));
    }
    let time = DateTime::parse_from_rfc3339(text).map_err(|_| {
        Failure::usage(format!("`{}` is no time", render::safe(text)))
            .help("write it like 2026-01-31T08:00:00Z, 2026-01-31T09:00:00+01:00 or +2h")
    })?;
    Ok(Timestamp::from(time.to_utc()))
}
