//! `jit sync`: fetch the log, verify it, and keep its age.

use serde::Serialize;

use super::context::Context;
use super::exit::{Exit, Failure};
use super::ledger::Age;
use crate::core::time::Duration;
use crate::core::view::{View, ViewExt};

/// JIT_TIMEOUT says how long git may take at a time, here as in every command that asks the remote; it is 2m where it is
/// not set, and 1h for `jit clone`.
#[derive(clap::Args, Debug)]
pub(super) struct SyncArgs {
    /// Again and again, this long after each other, until it is ended
    #[arg(long, value_name = "D")]
    every: Option<Duration>,
}

#[derive(Serialize)]
struct Synced {
    size: u64,
    root: String,
    age_s: Option<u64>,
}

pub(super) fn run(cx: &mut Context<'_>, args: &SyncArgs) -> anyhow::Result<Exit> {
    let Some(every) = args.every else { return sync(cx) };
    loop {
        // One bad minute of a network does not end it; it says what is wrong, and gates see the age grow.
        if let Err(why) = sync(cx) {
            super::render::failure(cx, &why);
        }
        cx.world.sleep(std::time::Duration::from_secs(u64::from(every.as_secs())));
    }
}

fn sync(cx: &mut Context<'_>) -> anyhow::Result<Exit> {
    let ledger = cx.ledger()?;
    let (size, root) = (ledger.view.size(), ledger.view.root().map(|root| root.to_string()).unwrap_or_default());
    match &ledger.age {
        Age::OwnTruth => {
            return Err(Failure::denied("this log has no remote to fetch from")
                .help("`git remote add origin URL`, and push jit/audit to it")
                .into());
        }
        Age::Fetched(0) => {}
        Age::Fetched(_) | Age::Unknown | Age::Stale { .. } => {
            return Err(Failure::unavailable("nothing was fetched").into());
        }
    }
    if cx.json() {
        cx.print_json(&Synced { size, root, age_s: ledger.age.seconds() })?;
    } else {
        cx.print(&format!("Synced: {size} lines, root {root}"))?;
    }
    Ok(Exit::Done)
}
