//! `jit policy lint`: what is wrong with the policy in the work tree.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cli::context::{Context, shown};
use crate::cli::exit::{Exit, Failure};
use crate::cli::render;
use crate::core::policy::{Diagnostic, FOLDERS, Kind, Severity, is_policy_path};
use crate::edge::git::Repo;
use crate::edge::policy_tree;

use super::sarif;

/// Check the policy files in the work tree: every error of every file at once, and what deserves a look
#[derive(clap::Args, Debug)]
pub(in crate::cli) struct LintArgs {
    /// The folder with jit.toml [default: that of the policy repo]
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Print the findings as SARIF 2.1.0, which code-review pages show beside the lines
    #[arg(long, conflicts_with = "json")]
    sarif: bool,
}

#[derive(Serialize)]
struct Lint<'a> {
    ok: bool,
    findings: &'a [Diagnostic],
}

pub(super) fn run(cx: &mut Context<'_>, args: &LintArgs) -> anyhow::Result<Exit> {
    let folder = folder(cx, args.folder.as_deref())?;
    let (files, rejected) = policy_tree::look_through(&folder)?;
    let (policy, mut findings) = super::check(&files);
    findings.extend(rejected.iter().map(|path| no_policy_file(path)));
    findings.sort_by(|one, other| one.path.cmp(&other.path));
    let policy = policy.filter(|_| rejected.is_empty());
    let errors = super::errors_in(&findings);
    if args.sarif {
        let work_tree = Repo::discover(&folder).ok().flatten().and_then(|repo| repo.work_dir().map(Path::to_owned));
        cx.print_json(&sarif::log(&files, &findings, &sarif::prefix(work_tree.as_deref(), &folder)))?;
    } else if cx.json() {
        cx.print_json(&Lint { ok: errors == 0, findings: &findings })?;
    } else {
        for finding in &findings {
            let text = super::render_finding(&files, finding);
            cx.print(&format!("{}\n", text.trim_end()))?;
        }
        let count = |number: usize, thing| render::count(number as u64, thing);
        let warnings = findings.len() - errors;
        let rules = policy.as_ref().map(|policy| policy.rules().len());
        let files = count(files.iter().count(), "file");
        cx.print(&match rules {
            Some(rules) if errors > 0 => {
                format!("{files}, {}: it loads, but for {} in its tests.", count(rules, "rule"), count(errors, "error"))
            }
            Some(rules) if warnings == 0 => format!("{files}, {}: nothing to complain of.", count(rules, "rule")),
            Some(rules) => {
                let warnings = count(warnings, "warning");
                format!("{files}, {}: it loads, with {warnings}.", count(rules, "rule"))
            }
            None => format!("{files}: it does not load, for {}.", count(errors, "error")),
        })?;
    }
    Ok(if errors == 0 { Exit::Done } else { Exit::Denied })
}

/// Returns the folder that is named, or the work tree around the current one.
pub(super) fn folder(cx: &Context<'_>, named: Option<&Path>) -> anyhow::Result<PathBuf> {
    let folder = match named {
        Some(folder) => cx.world.cwd().join(folder),
        None => work_tree(cx)?,
    };
    match folder.is_dir() {
        true => Ok(folder),
        false => Err(Failure::unavailable(format!("there is no folder `{}`", shown(&folder))).into()),
    }
}

/// Says that something can't be published under its name, or is no plain file.
fn no_policy_file(path: &str) -> Diagnostic {
    let why = if is_policy_path(path) { "it is no plain file" } else { "that is no name of a policy file" };
    Diagnostic {
        severity: Severity::Error,
        kind: Kind::Fault,
        path: path.to_owned(),
        span: None,
        message: format!("this can't be published: {why}"),
        help: Some(format!(
            "under {}/ stand only `*.toml` files, with names of a-z, 0-9, `.`, `_` and `-`",
            FOLDERS.join("/, ")
        )),
    }
}

/// The work tree around the current folder, even where there is no log yet.
fn work_tree(cx: &Context<'_>) -> anyhow::Result<PathBuf> {
    let repo = repo_around(cx)?;
    let folder = repo.work_dir().ok_or_else(|| {
        Failure::usage(format!("`{}` has no work tree", shown(&repo.shown_path())))
            .help("name a folder with jit.toml: jit policy lint DIR")
    })?;
    Ok(folder.to_owned())
}

/// The repo around the current folder, even where there is no log yet.
pub(super) fn repo_around(cx: &Context<'_>) -> anyhow::Result<Repo> {
    match Repo::discover(cx.world.cwd()) {
        Ok(Some(repo))
            if !cx.names_repo() && repo.work_dir().is_some_and(|folder| folder.join("jit.toml").exists()) =>
        {
            Ok(repo)
        }
        _ => cx.repo(),
    }
}
