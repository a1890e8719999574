//! `jit policy publish`: propose what is committed, or bring it into force.

use serde::Serialize;

use crate::cli::context::{Context, Me};
use crate::cli::exit::{Exit, Failure};
use crate::cli::ledger::Ledger;
use crate::cli::render;
use crate::cli::statement::{self, Insist};
use crate::cli::verdict::deciders;
use crate::core::history::object::Oid;
use crate::core::ledger::{Loaded, PolicyRecord, changes_deciders, foresee};
use crate::core::policy::{self, FORMAT, Policy, PolicyFiles};
use crate::core::reason::Code;
use crate::core::statement::{PolicyProposal, What};
use crate::core::view::View;
use crate::edge::policy_tree::{dirty_policy_paths, read_policy_tree};

/// Publish the policy that is committed: checks it, shows what changes, asks, signs, logs
///
/// It is in force once as many maintainers as the policy before it demands have signed; the others use `jit approve`.
#[derive(clap::Args, Debug)]
pub(in crate::cli) struct PublishArgs {
    /// The commit to take it from
    #[arg(value_name = "COMMIT", default_value = "HEAD")]
    commit: String,
}

#[derive(Serialize)]
struct Published {
    id: Option<String>,
    version: u64,
    digest: String,
    in_force: bool,
}

pub(super) fn run(cx: &mut Context<'_>, args: &PublishArgs) -> anyhow::Result<Exit> {
    let mut ledger = cx.ledger()?;
    if args.commit == "HEAD" {
        let dirty = dirty_policy_paths(&ledger.repo)?;
        if !dirty.is_empty() {
            let paths = dirty.iter().map(|path| render::safe(path).into_owned()).collect::<Vec<_>>().join(", ");
            return Err(Failure::denied(format!("what is published is what is committed, and these are not: {paths}"))
                .help("commit or remove them, or name the commit to publish")
                .into());
        }
    }
    let commit = ledger.repo.resolve_commit(&args.commit)?;
    let mut me = cx.me(&ledger)?;
    publish(cx, &mut ledger, &mut me, commit)
}

/// Runs the tests of a policy that loads; one that does not say what they expect is not published.
fn pass_tests(cx: &mut Context<'_>, policy: &Policy, files: &PolicyFiles) -> anyhow::Result<()> {
    let no = |what: &str| {
        Failure::denied(what.to_owned()).help("`jit policy test` checks the work tree: mend one or the other")
    };
    // What is wrong with them was told with all else that was found.
    let tests = policy::read_tests(policy, files).map_err(|_| no("the policy's tests do not load"))?;
    let failed: Vec<_> = super::test::play(policy, &tests).into_iter().filter(|one| !one.ok).collect();
    for one in &failed {
        let text = super::test::describe(one, cx.coloured_talk());
        cx.world.warn(&text);
    }
    match failed.len() {
        0 => Ok(()),
        failed => Err(no(&format!("the policy does not say what its tests expect: {failed} failed")).into()),
    }
}

/// Publishes the policy files of a commit.
pub(in crate::cli) fn publish(
    cx: &mut Context<'_>,
    ledger: &mut Ledger,
    me: &mut Me,
    commit: Oid,
) -> anyhow::Result<Exit> {
    let files = read_policy_tree(&ledger.repo, commit)?;
    let Some(policy) = super::load_and_report(cx, &files) else {
        return Err(Failure::denied(format!("the policy in commit {commit} does not load"))
            .help("correct it (`jit policy lint` checks the work tree), and commit")
            .into());
    };
    pass_tests(cx, &policy, &files)?;
    let digest = files.digest();
    let before = ledger.view.policy_record();
    if let Some(before) = before.as_ref().filter(|before| before.digest == digest && is_loaded(before)) {
        if let Some(format) = ledger.view.format_above() {
            let text = format!(
                "version {} with just these files is in force, but nothing is decided by it: a policy of format {format} \
                 was in force before, and this program knows none above {}",
                before.version, FORMAT
            );
            return Err(Failure::untrusted(Code::PolicyUnsupported, text).help("upgrade jit").into());
        }
        let published = Published { id: None, version: before.version, digest: digest.to_string(), in_force: true };
        if cx.json() {
            cx.print_json(&published)?;
        } else {
            cx.print(&format!("Nothing to publish: version {} with just these files is in force.", before.version))?;
        }
        return Ok(Exit::Done);
    }
    if let Some((before, why)) = before.as_ref().and_then(|before| Some((before, why_not_loaded(before)?))) {
        cx.world.warn(&format!(
            "note: version {} is in force and does not load, so nothing is decided until a later one does: {}",
            before.version,
            render::safe(&why)
        ));
    }
    let now = cx.world.now();
    if let Some(before) = before.as_ref().filter(|before| before.at > now) {
        cx.world.warn(&format!("warning: the policy in force is dated {}, this machine's clock says {now}", before.at));
    }
    let version = before.as_ref().map_or(0, |before| before.version) + 1;
    let proposal = PolicyProposal { version, format: FORMAT, commit: commit.0, digest };
    let statement = statement::compose(cx, ledger, me, now, What::Policy(proposal))?;
    statement::demand_effect(&foresee(&ledger.view, &statement, me.signer.public_key(), Some(&files)))?;
    let maintainers = policy.maintainers().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let rows = [
        ("version", version.to_string()),
        ("digest", digest.to_string()),
        ("commit", commit.to_string()),
        ("dated", render::both_times(cx.world, now)),
        ("maintainers", format!("{maintainers}; threshold {}", policy.threshold())),
        ("needs", describe_threshold(&ledger.view, &policy)),
    ];
    if let Some(other) = ledger.view.proposals().into_iter().find(|other| other.policy.digest == digest) {
        let id = other.policy.id;
        cx.world.warn(&format!("note: just these files are proposed already; `jit approve {id}` signs for that"));
    }
    let changes = super::describe_difference(ledger, &files, &commit.to_string())?;
    let text = format!("About to publish this policy as {}:\n{}\n{changes}", me.describe(), render::details(&rows));
    cx.show_before_signing(&text);
    cx.confirm("Sign and log this policy?")?;
    let message = format!("{} publishes policy version {version}", me.name);
    let logged = statement::say_with_files(cx, ledger, me, statement, Some(&files), &message, Insist::OnEffect)?;
    let in_force = ledger.view.policy_record().is_some_and(|policy| policy.id == logged.id);
    if cx.json() {
        cx.print_json(&Published { id: Some(logged.id.to_string()), version, digest: digest.to_string(), in_force })?;
    } else if in_force {
        cx.print(&format!("Policy version {version} is in force."))?;
    } else {
        cx.print(&format!(
            "Policy version {version} waits for more signatures; each maintainer says `jit approve {}`",
            logged.id
        ))?;
    }
    Ok(if in_force { Exit::Done } else { Exit::Pending })
}

/// Tells whether the files of a policy with its threshold load.
fn is_loaded(policy: &PolicyRecord) -> bool {
    why_not_loaded(policy).is_none()
}

/// Says why the files of a policy with its threshold do not load, if that is so.
fn why_not_loaded(policy: &PolicyRecord) -> Option<String> {
    match &policy.loaded {
        Loaded::Policy(_) => None,
        Loaded::Broken(why) => Some(why.clone()),
        Loaded::Unsupported => Some(format!("its format is {}, this program knows none above {FORMAT}", policy.format)),
    }
}

/// Says whose signatures a proposal needs.
fn describe_threshold(view: &impl View, next: &Policy) -> String {
    let now = deciders(view);
    if !changes_deciders(view, next) {
        return now;
    }
    let own = next.maintainers().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    format!("{now}; and, since it changes who decides, {} of {own}", next.threshold())
}
