//! `jit revoke`: end requests and grants early.

use serde::Serialize;

use super::context::{Context, Me};
use super::exit::{Exit, Failure};
use super::id;
use super::ledger::Ledger;
use super::statement::{self, Insist};
use super::text::check_text;
use super::verdict::warn_of_done;
use crate::core::hash::Hash;
use crate::core::ledger::foresee;
use crate::core::statement::{Revocation, What};

#[derive(clap::Args, Debug)]
pub(super) struct RevokeArgs {
    /// Ids of requests, or prefixes that name only one statement
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    /// Why; kept in the audit log
    #[arg(long, value_name = "T")]
    reason: String,
}

#[derive(Serialize)]
struct Revoked {
    revoked: Vec<RevokedOne>,
}

#[derive(Serialize)]
struct RevokedOne {
    id: String,
    of: String,
}

pub(super) fn run(cx: &mut Context<'_>, args: &RevokeArgs) -> anyhow::Result<Exit> {
    check_text("--reason", &args.reason)?;
    let mut ledger = cx.ledger()?;
    let ids = args
        .ids
        .iter()
        .map(|prefix| id::find_to_sign(cx, &ledger.view, prefix).map(|(id, _)| id))
        .collect::<anyhow::Result<Vec<Hash>>>()?;
    let mut me = cx.me(&ledger)?;
    let mut revoked = Vec::new();
    for of in ids {
        let id = match revoke(cx, &mut ledger, &mut me, of, &args.reason) {
            Ok(id) => id,
            Err(why) => {
                if cx.json() {
                    warn_of_done(cx, revoked.iter().map(|one: &RevokedOne| one.of.as_str()));
                }
                return Err(why);
            }
        };
        if !cx.json() {
            cx.print(&format!("Revoked {of}{}", in_brackets(&ledger, &of)))?;
        }
        revoked.push(RevokedOne { id: id.to_string(), of: of.to_string() });
    }
    if cx.json() {
        cx.print_json(&Revoked { revoked })?;
    }
    Ok(Exit::Done)
}

/// Says whose a request is and what for.
pub(super) fn in_brackets(ledger: &Ledger, of: &Hash) -> String {
    use crate::core::view::View as _;
    ledger.view.request(of).map_or_else(String::new, |record| {
        format!(" ({}: {} on {})", record.by, record.request.action, record.request.resource)
    })
}

/// Signs and logs the revocation of one request.
pub(super) fn revoke(
    cx: &mut Context<'_>,
    ledger: &mut Ledger,
    me: &mut Me,
    of: Hash,
    reason: &str,
) -> anyhow::Result<Hash> {
    use crate::core::view::View as _;
    if ledger.view.request(&of).is_none() {
        let text = format!("{} is no request", of.short());
        return Err(Failure::denied(text).help(format!("`jit show {}` shows what it is", of.short())).into());
    }
    let now = cx.world.now();
    let what = What::Revocation(Revocation { of, reason: reason.to_owned() });
    let statement = statement::compose(cx, ledger, me, now, what)?;
    statement::demand_effect(&foresee(&ledger.view, &statement, me.signer.public_key(), None))?;
    let message = format!("{} revokes {}", me.name, of.short());
    statement::say(cx, ledger, me, statement, &message, Insist::OnEffect).map(|logged| logged.id)
}
