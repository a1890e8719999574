//! `jit lift`: lift a lockdown.

use serde::Serialize;

use super::context::Context;
use super::exit::{Exit, Failure};
use super::id;
use super::render;
use super::statement::{self, Insist};
use super::text::check_text;
use super::verdict::deciders;
use crate::core::ledger::foresee;
use crate::core::statement::{Lift, What};
use crate::core::view::View;

#[derive(clap::Args, Debug)]
pub(super) struct LiftArgs {
    /// The lockdown's id, or a prefix that names only one statement
    #[arg(value_name = "ID")]
    id: String,
    /// Why; kept in the audit log
    #[arg(long, value_name = "T")]
    reason: String,
}

#[derive(Serialize)]
struct Lifted {
    id: String,
    of: String,
    lifted: bool,
}

pub(super) fn run(cx: &mut Context<'_>, args: &LiftArgs) -> anyhow::Result<Exit> {
    check_text("--reason", &args.reason)?;
    let mut ledger = cx.ledger()?;
    let (of, _) = id::find_to_sign(cx, &ledger.view, &args.id)?;
    let lockdown = ledger.view.lockdown(&of).ok_or_else(|| {
        Failure::denied(format!("{} is no lockdown", of.short())).help("`jit list` shows the lockdowns that hold")
    })?;
    let mut me = cx.me(&ledger)?;
    let now = cx.world.now();
    let what = What::Lift(Lift { of, reason: args.reason.clone() });
    let statement = statement::compose(cx, &ledger, &me, now, what)?;
    statement::demand_effect(&foresee(&ledger.view, &statement, me.signer.public_key(), None))?;
    let rows = [
        ("lockdown", of.to_string()),
        ("locked down", super::lockdown::describe(&lockdown.subjects, &lockdown.resources)),
        ("by", format!("{} at {}", lockdown.by, render::both_times(cx.world, lockdown.at))),
        ("because", render::quoted(&lockdown.reason)),
        ("lift because", render::quoted(&args.reason)),
        ("needs", deciders(&ledger.view)),
    ];
    let text = format!("About to lift, as {}:\n{}", me.describe(), render::details(&rows));
    cx.show_before_signing(&text);
    cx.confirm("Sign and log that you lift it?")?;
    let message = format!("{} lifts lockdown {}", me.name, of.short());
    let logged = statement::say(cx, &mut ledger, &mut me, statement, &message, Insist::OnEffect)?;
    let lifted = ledger.view.lift(&logged.id).is_none();
    if cx.json() {
        cx.print_json(&Lifted { id: logged.id.to_string(), of: of.to_string(), lifted })?;
    } else if lifted {
        cx.print(&format!("Lifted {of}"))?;
    } else {
        let text = format!("The lift needs {}; each of them says `jit approve {}`", deciders(&ledger.view), logged.id);
        cx.print(&text)?;
    }
    Ok(if lifted { Exit::Done } else { Exit::Pending })
}
