//! `jit deny`: say no.

use super::context::Context;
use super::exit::Exit;
use super::verdict::{self, Say};
use crate::core::statement::Verdict;

#[derive(clap::Args, Debug)]
pub(super) struct DenyArgs {
    /// Ids, or prefixes that name only one statement
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    /// A word to the one who asked; kept in the audit log
    #[arg(long, value_name = "T", default_value = "")]
    comment: String,
}

pub(super) fn run(cx: &mut Context<'_>, args: &DenyArgs) -> anyhow::Result<Exit> {
    verdict::run(cx, &Say { ids: &args.ids, comment: &args.comment, verdict: Verdict::Deny })
}
