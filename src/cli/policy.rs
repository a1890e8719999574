//! `jit policy`: for maintainers.

mod diff;
mod explain;
mod lint;
mod publish;
mod reach;
mod sarif;
mod schema;
mod status;
mod test;
mod what_can;
mod who_can;

pub(super) use explain::describe as describe_rule;
pub(super) use publish::publish;
pub(super) use status::head;

use std::path::Path;
use std::sync::Arc;

use clap::Subcommand;
use similar::{ChangeTag, TextDiff};

use super::context::Context;
use super::exit::{Exit, Failure};
use super::ledger::Ledger;
use super::render;
use crate::core::history::policy_folder::read_policy;
use crate::core::ledger::PolicyRecord;
use crate::core::name::Name;
use crate::core::policy::{self, Diagnostic, Policy, PolicyFiles, Severity, did_you_mean, nearest};
use crate::core::view::{View, ViewExt as _};
use crate::edge::log::BRANCH;
use crate::edge::policy_tree;

/// How many lines of changes are shown before the rest is only counted.
const MOST_CHANGED_LINES: usize = 400;

#[derive(Subcommand, Debug)]
pub(super) enum PolicyCommand {
    Diff(diff::DiffArgs),
    Explain(explain::ExplainArgs),
    Lint(lint::LintArgs),
    Publish(publish::PublishArgs),
    Schema(schema::SchemaArgs),
    Status(status::StatusArgs),
    Test(test::TestArgs),
    WhatCan(what_can::WhatCanArgs),
    WhoCan(who_can::WhoCanArgs),
}

pub(super) fn run(cx: &mut Context<'_>, command: &PolicyCommand) -> anyhow::Result<Exit> {
    match command {
        PolicyCommand::Diff(args) => diff::run(cx, args),
        PolicyCommand::Explain(args) => explain::run(cx, args),
        PolicyCommand::Lint(args) => lint::run(cx, args),
        PolicyCommand::Publish(args) => publish::run(cx, args),
        PolicyCommand::Schema(args) => schema::run(cx, args),
        PolicyCommand::Status(args) => status::run(cx, args),
        PolicyCommand::Test(args) => test::run(cx, args),
        PolicyCommand::WhatCan(args) => what_can::run(cx, args),
        PolicyCommand::WhoCan(args) => who_can::run(cx, args),
    }
}

/// Loads a policy and says all that is wrong with it, or (unless talk is held back) deserves a look; none if it does not
/// load.
pub(super) fn load_and_report(cx: &mut Context<'_>, files: &PolicyFiles) -> Option<policy::Policy> {
    let (policy, findings) = check(files);
    let warns = !cx.is_silent();
    for finding in findings.iter().filter(|finding| finding.severity == Severity::Error || warns) {
        let text = render_finding(files, finding);
        cx.world.warn(&text);
    }
    policy
}

/// Loads a policy, and returns everything found: errors if it does not load, warnings if it does, and errors in its tests,
/// which never bear on loading.
pub(super) fn check(files: &PolicyFiles) -> (Option<policy::Policy>, Vec<Diagnostic>) {
    match policy::load(files) {
        Ok(policy) => {
            let mut findings = policy::lint(&policy);
            findings.extend(policy::read_tests(&policy, files).err().into_iter().flatten());
            (Some(policy), findings)
        }
        Err(errors) => (None, errors),
    }
}

/// Returns the policy in force.
fn in_force(ledger: &Ledger) -> anyhow::Result<Arc<policy::Policy>> {
    let policy = ledger.view.rules().ok_or_else(|| {
        let why = crate::core::ledger::no_rules(&ledger.view);
        Failure::untrusted(why.code, why.message).help("`jit policy status` shows what is missing")
    })?;
    // Whoever asks about a policy asks for all of it, and half of one would be a wrong answer.
    policy.rules();
    match ledger.view.failure() {
        Some(why) => Err(Failure::unavailable(why).into()),
        None => Ok(policy),
    }
}

/// Returns the policy of a folder, published or not.
fn of_folder(cx: &Context<'_>, folder: &Path) -> anyhow::Result<Arc<policy::Policy>> {
    let files = policy_tree::read_folder(&lint::folder(cx, Some(folder))?)?;
    let policy = policy::load(&files).map_err(|_| {
        Failure::denied("the policy in that folder does not load").help("`jit policy lint DIR` says why")
    })?;
    Ok(Arc::new(policy))
}

/// Shows one finding with its line.
pub(super) fn render_finding(files: &PolicyFiles, finding: &Diagnostic) -> String {
    let source = files.get(&finding.path).and_then(|bytes| std::str::from_utf8(bytes).ok());
    policy::render(finding, source)
}

/// Tells how many of the findings are errors.
pub(super) fn errors_in(findings: &[Diagnostic]) -> usize {
    findings.iter().filter(|finding| finding.severity == Severity::Error).count()
}

/// Reads the files of a policy line from the log's own tree.
pub(super) fn files_of(ledger: &Ledger, index: u64) -> anyhow::Result<PolicyFiles> {
    let files = read_policy(&ledger.repo, &ledger.walked.tail, index)
        .map_err(|_| Failure::unavailable(format!("the policy files of line {index} can't be read")))?;
    Ok(files.unwrap_or_default())
}

/// Describes how a proposed policy differs from the one in force, from the digested files of both.
pub(super) fn describe_changes(ledger: &Ledger, next: &PolicyRecord) -> anyhow::Result<String> {
    describe_difference(ledger, &files_of(ledger, next.index)?, &tree_of(next.index))
}

/// Refuses a name that is no identity of a policy.
fn nobody_called(policy: &Policy, name: &Name) -> Failure {
    let help = match nearest(name.as_str(), policy.identities().keys().map(Name::as_str)) {
        Some(near) => did_you_mean(near),
        None => {
            "the files under identities/ say who there is; `jit identity add NAME KEYFILE` adds somebody".to_owned()
        }
    };
    Failure::usage(format!("nobody is called `{name}` in this policy")).help(help)
}

/// Names the folder of a policy line's files, as git takes it.
fn tree_of(index: u64) -> String {
    format!("{BRANCH}:policy/{index:010}")
}

/// Describes how policy files differ from those in force; `tree` is what git calls them.
pub(super) fn describe_difference(ledger: &Ledger, next: &PolicyFiles, tree: &str) -> anyhow::Result<String> {
    let in_force = ledger.view.policy_record();
    let (from, known) = match &in_force {
        Some(policy) => (format!("policy version {}", policy.version), files_of(ledger, policy.index)?),
        None => ("nothing".to_owned(), PolicyFiles::default()),
    };
    let mut paths: Vec<&str> = known.iter().chain(next.iter()).map(|(path, _)| path).collect();
    paths.sort_unstable();
    paths.dedup();
    let mut lines = Vec::new();
    for path in paths {
        let (old, new) = (known.get(path), next.get(path));
        if old == new {
            continue;
        }
        let word = match (old, new) {
            (None, _) => "new",
            (_, None) => "gone",
            (Some(_), Some(_)) => "changed",
        };
        lines.push(format!("  {word}: {}", render::safe(path)));
        let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
        let (old, new) = (text(old), text(new));
        let diff = TextDiff::from_lines(&old, &new);
        for part in diff.grouped_ops(0) {
            if word == "changed" {
                lines.extend(part.first().map(|first| place(&new, first.new_range().start)));
            }
            for change in part.iter().flat_map(|op| diff.iter_changes(op)) {
                let sign = match change.tag() {
                    ChangeTag::Equal => continue,
                    ChangeTag::Delete => '-',
                    ChangeTag::Insert => '+',
                };
                lines.push(format!("    {sign} {}", render::safe(change.value().trim_end_matches(['\n', '\r']))));
            }
        }
    }
    if lines.is_empty() {
        return Ok(format!("No file differs from {from}"));
    }
    let more = lines.len().saturating_sub(MOST_CHANGED_LINES);
    lines.truncate(MOST_CHANGED_LINES);
    if more > 0 {
        // The commit that a policy line names is only said; its files in the log are what is signed.
        let command = match in_force {
            Some(policy) => format!("git diff {} {tree}", tree_of(policy.index)),
            None => format!("git ls-tree -r {tree}"),
        };
        lines.push(format!("  … and {more} lines more: `{command}` shows all"));
    }
    Ok(format!("What changes from {from}:\n{}", lines.join("\n")))
}

/// Says where in a file a change stands: its line, and the table that the line is in. In a file of groups that look
/// alike one could not tell otherwise who gains.
fn place(text: &str, index: usize) -> String {
    let above = text.lines().take(index).filter(|line| line.trim_start().starts_with('['));
    let table = above.last().map(|line| format!(", under {}", render::safe(line.trim()))).unwrap_or_default();
    format!("    @ line {}{table}", index + 1)
}
