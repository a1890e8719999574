//! `jit done`: end one's own grant.

use serde::Serialize;

use super::context::Context;
use super::exit::{Exit, Failure};
use super::{id, revoke};
use crate::core::decide::{self, Answer};
use crate::core::hash::Hash;
use crate::core::view::View;

#[derive(clap::Args, Debug)]
pub(super) struct DoneArgs {
    /// Its id, or a prefix that names only one statement [default: your only live grant]
    #[arg(value_name = "ID")]
    id: Option<String>,
}

#[derive(Serialize)]
struct Done {
    id: String,
    of: String,
}

pub(super) fn run(cx: &mut Context<'_>, args: &DoneArgs) -> anyhow::Result<Exit> {
    let mut ledger = cx.ledger()?;
    let mut me = cx.me(&ledger)?;
    let of = match &args.id {
        Some(prefix) => id::find_to_sign(cx, &ledger.view, prefix)?.0,
        None => {
            let now = cx.world.now();
            let live: Vec<Hash> = ledger
                .view
                .requests_of(&me.name)
                .into_iter()
                .filter(|record| decide::stand(&ledger.view, record, now).answer == Answer::Allow)
                .map(|record| record.id)
                .collect();
            match live.as_slice() {
                [only] => *only,
                [] => {
                    let text = format!("`{}` has no live grant", me.name);
                    return Err(Failure::usage(text).help("`jit list --mine` shows what waits").into());
                }
                several => {
                    let text = format!("`{}` has {} live grants", me.name, several.len());
                    return Err(Failure::usage(text).help("name one: `jit list --active --mine` shows them").into());
                }
            }
        }
    };
    if ledger.view.request(&of).is_some_and(|record| record.by != me.name) {
        let text = format!("{} is not a request of yours", of.short());
        return Err(Failure::denied(text).help("`jit revoke ID --reason T` ends those of others").into());
    }
    let id = revoke::revoke(cx, &mut ledger, &mut me, of, "")?;
    if cx.json() {
        cx.print_json(&Done { id: id.to_string(), of: of.to_string() })?;
    } else {
        cx.print(&format!("Ended {of}{}", revoke::in_brackets(&ledger, &of)))?;
    }
    Ok(Exit::Done)
}
