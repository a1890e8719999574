//! `jit policy status`: what is in force, what is proposed, and whether the branch is ahead.

use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::render;
use crate::cli::verdict::describe_tally;
use crate::core::history::object::Oid;
use crate::core::ledger::{Loaded, PolicyRecord, Tally, no_rules, tally};
use crate::core::time::Timestamp;
use crate::core::view::{View, ViewExt};
use crate::edge::git::Repo;
use crate::edge::policy_tree::read_policy_tree;

/// Show the policy in force, those that wait for signatures, and whether HEAD holds another
#[derive(clap::Args, Debug)]
pub(in crate::cli) struct StatusArgs {
    /// Exit with 1 unless HEAD holds the policy in force
    #[arg(long)]
    exit_code: bool,
}

#[derive(Serialize)]
struct Status {
    in_force: Option<Policy>,
    proposed: Vec<Proposed>,
    head: Option<Head>,
}

#[derive(Serialize)]
struct Policy {
    id: String,
    version: u64,
    format: u64,
    digest: String,
    commit: String,
    at: String,
    #[serde(skip)]
    dated: Timestamp,
    signed_by: Vec<String>,
    loads: bool,
    fault: Option<String>,
}

#[derive(Serialize)]
struct Proposed {
    #[serde(flatten)]
    policy: Policy,
    signatures: usize,
    threshold: usize,
    /// Where it changes who decides: signatures of those that it names, and how many it takes.
    own_signatures: Option<usize>,
    own_threshold: Option<usize>,
    #[serde(skip)]
    tally: Tally,
}

#[derive(Serialize)]
pub(in crate::cli) struct Head {
    pub(in crate::cli) commit: String,
    pub(in crate::cli) digest: Option<String>,
    pub(in crate::cli) in_force: bool,
    pub(in crate::cli) fault: Option<String>,
}

pub(super) fn run(cx: &mut Context<'_>, args: &StatusArgs) -> anyhow::Result<Exit> {
    let ledger = cx.ledger()?;
    let mut in_force = ledger.view.policy_record().map(|policy| describe(&policy, policy.signers.iter()));
    // A policy that loads is of no use to this program either, once one of a newer format was in force.
    if let Some(policy) = in_force.as_mut().filter(|policy| policy.loads && ledger.view.rules().is_none()) {
        policy.loads = false;
        policy.fault = Some(no_rules(&ledger.view).message);
    }
    let proposed: Vec<Proposed> = ledger
        .view
        .proposals()
        .into_iter()
        .map(|proposal| {
            let tally = tally(&ledger.view, &proposal);
            Proposed {
                policy: describe(&proposal.policy, proposal.signatures.iter().map(|(name, _)| name)),
                signatures: tally.signed,
                threshold: tally.threshold,
                own_signatures: tally.own.map(|(signed, _)| signed),
                own_threshold: tally.own.map(|(_, threshold)| threshold),
                tally,
            }
        })
        .collect();
    let status = Status { in_force, proposed, head: head(&ledger.repo, &ledger.view) };
    let exit = match ledger.view.rules() {
        Some(_) if args.exit_code && !status.head.as_ref().is_some_and(|head| head.in_force) => Exit::Denied,
        Some(_) => Exit::Done,
        None => Exit::Untrusted,
    };
    if cx.json() {
        cx.print_json(&status)?;
        return Ok(exit);
    }
    match &status.in_force {
        None => cx.print("No policy is in force yet.")?,
        Some(policy) => cx.print(&format!("In force:\n{}", render::details(&rows(cx, policy))))?,
    }
    for proposed in &status.proposed {
        let mut rows = rows(cx, &proposed.policy);
        rows.push(("signatures", describe_tally(&proposed.tally)));
        cx.print(&format!("Proposed, for maintainers to `jit approve`:\n{}", render::details(&rows)))?;
    }
    match &status.head {
        Some(Head { fault: Some(fault), commit, .. }) => {
            cx.print(&format!("HEAD ({commit}) holds no policy: {}", render::safe(fault)))?
        }
        Some(Head { in_force: true, .. }) => cx.print("HEAD holds the policy in force.")?,
        Some(Head { digest: Some(digest), .. }) if status.proposed.iter().any(|one| one.policy.digest == *digest) => {
            cx.print("HEAD holds a proposed policy.")?;
        }
        Some(Head { commit, .. }) => {
            cx.print(&format!("HEAD ({commit}) holds another policy: `jit policy publish` proposes it."))?;
        }
        None => {}
    }
    Ok(exit)
}

fn describe<'a>(policy: &PolicyRecord, signers: impl Iterator<Item = &'a crate::core::name::Name>) -> Policy {
    let fault = match &policy.loaded {
        Loaded::Policy(_) => None,
        Loaded::Broken(why) => Some(why.clone()),
        Loaded::Unsupported => Some(format!("format {} is above this program's: upgrade jit", policy.format)),
    };
    let mut names: Vec<String> = signers.map(ToString::to_string).collect();
    names.dedup();
    Policy {
        id: policy.id.to_string(),
        version: policy.version,
        format: policy.format,
        digest: policy.digest.to_string(),
        commit: Oid(policy.commit).to_string(),
        at: policy.at.to_string(),
        dated: policy.at,
        signed_by: names,
        loads: fault.is_none(),
        fault,
    }
}

fn rows(cx: &Context<'_>, policy: &Policy) -> Vec<(&'static str, String)> {
    let mut rows = vec![
        ("id", policy.id.clone()),
        ("version", policy.version.to_string()),
        ("digest", policy.digest.clone()),
        ("commit", policy.commit.clone()),
        ("dated", render::both_times(cx.world, policy.dated)),
        ("signed by", policy.signed_by.join(", ")),
    ];
    if let Some(fault) = &policy.fault {
        rows.push(("DOES NOT LOAD", render::safe(fault).into_owned()));
    }
    rows
}

/// Holds the policy that is checked out against the one in force; none where there is no commit.
pub(in crate::cli) fn head(repo: &Repo, view: &impl View) -> Option<Head> {
    let commit = repo.resolve_commit("HEAD").ok()?;
    let (digest, fault) = match read_policy_tree(repo, commit) {
        Ok(files) => (Some(files.digest()), None),
        Err(why) => (None, Some(why.to_string())),
    };
    let in_force = digest.is_some() && view.policy_record().map(|policy| policy.digest) == digest;
    Some(Head { commit: commit.to_string(), digest: digest.map(|digest| digest.to_string()), in_force, fault })
}
