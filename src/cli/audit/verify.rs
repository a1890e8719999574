//! `jit audit verify`: the whole history, from the genesis, believing nothing that was computed before.

use std::collections::BTreeMap;
use std::mem::ManuallyDrop;

use serde::Serialize;

use crate::cli::context::{Context, shown};
use crate::cli::exit::{Exit, Failure};
use crate::cli::json::PolicyJson;
use crate::cli::ledger::Ledger;
use crate::cli::pin;
use crate::cli::render;
use crate::core::ledger::Verdict;
use crate::core::view::{View, ViewExt};

/// Verify the whole log from its genesis, and name every inert line and void commit
///
/// Exits 0 if the log holds together, also where others pushed lines or commits without effect: they are listed. What
/// was pushed beyond somebody's rights changes nothing. Exits 4 if the log does not extend what was seen before.
#[derive(clap::Args, Debug)]
pub(in crate::cli) struct VerifyArgs {
    /// Exit 1 if there are inert lines or void commits
    #[arg(long)]
    strict: bool,
    /// Demand that the log extends this size and root
    #[arg(long, value_name = "SIZE:ROOT")]
    known: Option<String>,
}

#[derive(Serialize)]
struct Verified {
    size: u64,
    root: String,
    genesis: String,
    policy: Option<PolicyJson>,
    statements: BTreeMap<String, u64>,
    without_effect: u64,
    inert: Vec<InertJson>,
    void: Vec<VoidJson>,
}

#[derive(Serialize)]
struct InertJson {
    index: u64,
    reason: String,
}

#[derive(Serialize)]
struct VoidJson {
    commit: String,
    reason: String,
}

pub(super) fn run(cx: &mut Context<'_>, args: &VerifyArgs) -> anyhow::Result<Exit> {
    let known = match &args.known {
        Some(text) => {
            let minimum = text.split_once(':').and_then(|(size, root)| pin::parse_minimum(size, root));
            let wrong = || Failure::usage(format!("`{}` is no SIZE:ROOT", render::safe(text)));
            Some(minimum.ok_or_else(wrong)?)
        }
        None => None,
    };
    // The process ends after it, and to give back what follows from a long log record by record takes as long as it does to
    // verify some of it.
    let ledger = ManuallyDrop::new(cx.whole_ledger()?);
    if let Some(minimum) = known {
        pin::check_minimum(&ledger.view, &minimum, "the one that --known names")?;
    }
    let verified = report(&ledger);
    let exit =
        if args.strict && !(verified.inert.is_empty() && verified.void.is_empty()) { Exit::Denied } else { Exit::Done };
    if cx.json() {
        cx.print_json(&verified)?;
        return Ok(exit);
    }
    let counts =
        verified.statements.iter().map(|(kind, count)| format!("{count} {kind}")).collect::<Vec<_>>().join(", ");
    let policy = ledger.view.policy_record().map_or_else(
        || "none in force".to_owned(),
        |policy| format!("version {}, digest {}", policy.version, policy.digest),
    );
    let rows = [
        ("repo", shown(&ledger.repo.shown_path())),
        ("log", ledger.view.genesis().map_or_else(String::new, |genesis| genesis.name.to_string())),
        ("genesis", verified.genesis.clone()),
        ("size", verified.size.to_string()),
        ("root", verified.root.clone()),
        ("policy", policy),
        ("statements", counts),
        ("without effect", verified.without_effect.to_string()),
        ("inert lines", verified.inert.len().to_string()),
        ("void commits", verified.void.len().to_string()),
    ];
    cx.print(&format!("Verified: every line and commit from the genesis on\n{}", render::details(&rows)))?;
    for inert in &verified.inert {
        cx.print(&format!("  line {} is inert: {}", inert.index, render::safe(&inert.reason)))?;
    }
    for void in &verified.void {
        cx.print(&format!("  commit {} is void: {}", void.commit, render::safe(&void.reason)))?;
    }
    Ok(exit)
}

fn report(ledger: &Ledger) -> Verified {
    let (mut inert, mut without_effect) = (Vec::new(), 0);
    for (index, verdict) in ledger.verdicts.without_effect() {
        match verdict {
            Verdict::Inert(why) => inert.push(InertJson { index, reason: why.to_string() }),
            Verdict::WithoutEffect(_) => without_effect += 1,
            Verdict::Effect => {}
        }
    }
    Verified {
        size: ledger.view.size(),
        root: ledger.view.root().map(|root| root.to_string()).unwrap_or_default(),
        genesis: ledger.genesis_id().to_string(),
        policy: ledger.view.policy_record().as_deref().map(PolicyJson::from),
        statements: ledger.verdicts.kinds().clone(),
        without_effect,
        inert,
        void: ledger
            .walked
            .voids
            .iter()
            .map(|(commit, why)| VoidJson { commit: commit.to_string(), reason: why.to_string() })
            .collect(),
    }
}
