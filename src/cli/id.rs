//! Ids as people type them: any prefix of 4 digits or more that names one statement.

use super::context::Context;
use super::exit::Failure;
use crate::core::hash::{Hash, HashError, IdPrefix};
use crate::core::ledger::Entry;
use crate::core::view::View;

/// The shortest prefix.
const SHORTEST: usize = 4;
/// The shortest prefix where nobody looks before signing: 8 digits can be ground in minutes.
const SHORTEST_UNSEEN: usize = 16;

/// Finds the statement that `prefix` names, for a command that signs. With `--yes` or without a terminal it must be long
/// enough that nobody can have made another one to fit.
pub(super) fn find_to_sign(cx: &Context<'_>, view: &impl View, prefix: &str) -> anyhow::Result<(Hash, Entry)> {
    check_digits(prefix)?;
    let yes = cx.globals.yes;
    if prefix.len() < SHORTEST_UNSEEN && (yes || !cx.can_ask()) {
        let why = if yes { "with --yes" } else { "without a terminal" };
        let text = format!(
            "{why} an id needs at least {SHORTEST_UNSEEN} digits, `{}` has {}",
            super::render::safe(prefix),
            prefix.len()
        );
        return Err(Failure::usage(text).help("take the whole id from `jit list --json`, or from `jit show`").into());
    }
    find(view, prefix)
}

/// Finds the statement that `prefix` names.
pub(super) fn find(view: &impl View, prefix: &str) -> anyhow::Result<(Hash, Entry)> {
    let digits = check_digits(prefix)?;
    let shown = super::render::safe(prefix);
    if prefix.len() < SHORTEST {
        return Err(Failure::usage(format!("`{shown}` is too short: an id needs at least {SHORTEST} digits")).into());
    }
    let found = view.entries_like(&digits, 2);
    match (found.first(), found.get(1)) {
        (Some(only), None) => Ok(*only),
        (Some((one, _)), Some((other, _))) => {
            let text = format!("`{shown}` is ambiguous: {one} and {other} start with it");
            Err(Failure::usage(text).help("type more digits").into())
        }
        (None, _) => {
            let text = format!("no statement in this log has an id that starts with `{shown}`");
            Err(Failure::denied(text).help("`jit list --all` shows the requests").into())
        }
    }
}

/// Refuses what no id starts with.
fn check_digits(prefix: &str) -> Result<IdPrefix, Failure> {
    prefix.parse().map_err(|HashError| {
        let text = format!("`{}` is no id: ids are up to 64 digits, 0-9 and a-f", super::render::safe(prefix));
        Failure::usage(text).help("`jit list` shows them")
    })
}
