//! `jit approve`: say yes.

use super::context::Context;
use super::exit::Exit;
use super::verdict::{self, Say};
use crate::core::statement::Verdict;
use crate::core::time::Duration;

#[derive(clap::Args, Debug)]
pub(super) struct ApproveArgs {
    /// Ids, or prefixes that name only one statement
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    /// A word to the one who asked; kept in the audit log
    #[arg(long, value_name = "T", default_value = "")]
    comment: String,
    /// For at most this long; longer than asked changes nothing
    #[arg(long = "for", value_name = "D")]
    duration: Option<Duration>,
}

pub(super) fn run(cx: &mut Context<'_>, args: &ApproveArgs) -> anyhow::Result<Exit> {
    let verdict = Verdict::Approve(args.duration);
    verdict::run(cx, &Say { ids: &args.ids, comment: &args.comment, verdict })
}
