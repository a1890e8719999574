//! `jit hook`: what a git host calls before it lets a push in.
//!
//! `update` judges only what is pushed to `jit/audit`, by the rules that every clone goes by ([`judge_push`]), so that
//! what they would pass over, or take for a rewritten log, never gets in. It says nothing about rights: a line is judged
//! at its place, by every clone. It walks the branch from its first commit, so its time grows with the log.

use std::ffi::OsString;
use std::path::Path;

use clap::Subcommand;
use serde::Serialize;

use super::context::Context;
use super::exit::{Exit, Failure};
use super::ledger::rules;
use super::render;
use crate::core::hash::parse_hex;
use crate::core::history::chain::ChainError;
use crate::core::history::incoming::{PushError, judge_push};
use crate::core::history::object::Oid;
use crate::core::reason::Code;
use crate::edge::git::{GitError, Repo};
use crate::edge::log::BRANCH;

/// What git passes for a commit that is not there: of a branch that is new, or to be deleted.
const NONE: Oid = Oid([0; 20]);
/// Git's variable for the repository that it calls a hook for.
const GIT_DIR: &str = "GIT_DIR";
/// Git's variable for the folder where it keeps what is pushed until `pre-receive` is done. (`update` comes later.)
const OBJECTS: &str = "GIT_OBJECT_DIRECTORY";

#[derive(Subcommand, Debug)]
pub(super) enum HookCommand {
    Update(UpdateArgs),
}

/// Refuse a push to jit/audit that is no append to the log; leave all other refs alone
///
/// This is git's `update` hook for the bare repository that people push to, on the host: the file `hooks/update` in it,
/// executable, with the two lines `#!/bin/sh` and `exec jit hook update "$1" "$2" "$3"`. git calls it there, once for each
/// ref that is pushed; by hand, -C names the repository. It needs no configuration and no key. Exits 0 to let the push in.
#[derive(clap::Args, Debug)]
pub(super) struct UpdateArgs {
    /// The ref that is pushed to
    #[arg(value_name = "REF")]
    name: OsString,
    /// The commit that it names, all zeros for none
    old: OsString,
    /// The commit that it is to name, all zeros for none
    new: OsString,
}

#[derive(Serialize)]
struct Accepted {
    r#ref: String,
    /// How many lines the log then has; null of another ref.
    size: Option<u64>,
}

pub(super) fn run(cx: &mut Context<'_>, command: &HookCommand) -> anyhow::Result<Exit> {
    match command {
        HookCommand::Update(args) => update(cx, args),
    }
}

fn update(cx: &mut Context<'_>, args: &UpdateArgs) -> anyhow::Result<Exit> {
    let size = if args.name == BRANCH { Some(judge(cx, args)?) } else { None };
    if cx.json() {
        cx.print_json(&Accepted { r#ref: args.name.to_string_lossy().into_owned(), size })?;
    }
    Ok(Exit::Done)
}

/// Judges a push to the log's branch, and returns how many lines the log then has.
fn judge(cx: &Context<'_>, args: &UpdateArgs) -> anyhow::Result<u64> {
    let (old, new) = (parse_commit(&args.old)?, parse_commit(&args.new)?);
    if new == NONE {
        let text = "this push is refused: it deletes jit/audit, and the log is only added to";
        return Err(Failure::denied(text).into());
    }
    let folder = cx.globals.repo.clone().or_else(|| cx.world.path_var(GIT_DIR));
    let folder = cx.world.cwd().join(folder.as_deref().unwrap_or(Path::new("")));
    let repo = Repo::open(&folder)?;
    if repo.is_shallow() {
        return Err(GitError::Shallow(repo.shown_path()).into());
    }
    if let Some(objects) = cx.world.path_var(OBJECTS) {
        repo.add_objects(&cx.world.cwd().join(objects))?;
    }
    let old = (old != NONE).then_some(old);
    Ok(judge_push(&repo, old, new, &rules()).map_err(refused)?.size)
}

fn parse_commit(text: &OsString) -> Result<Oid, Failure> {
    let text = text.to_string_lossy();
    let wrong = || Failure::usage(format!("`{}` is no commit id of 40 digits", render::safe(&text)));
    parse_hex(text.as_bytes()).map(Oid).ok_or_else(wrong)
}

fn refused(error: PushError<GitError>) -> Failure {
    let text = format!("this push to jit/audit is refused: {error}");
    if error.is_refusal() {
        return Failure::denied(text).help("only `jit` needs to push here; it appends to the log as it is now");
    }
    match error {
        PushError::Branch(ChainError::Objects(error)) | PushError::Pushed(ChainError::Objects(error)) => {
            Failure { help: error.help(), ..Failure::unavailable(text) }
        }
        _ => Failure::untrusted(Code::LogRewritten, text)
            .help("whoever runs this host can put the branch back: git update-ref refs/heads/jit/audit COMMIT"),
    }
}
