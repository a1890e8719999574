//! The policy repo: which one, whose, and what stands in the way in it.

use super::Report;
use crate::cli::context::{Context, shown};
use crate::cli::exit::{Exit, Failure};
use crate::cli::ledger::FoundBy;
use crate::edge::git::{GitError, Repo};
use crate::edge::inspect;
use crate::edge::log::BRANCH;
use crate::edge::remote::{self, FETCHED};

/// Finds the repo and looks at it; none if there is none that can be opened.
pub(super) fn look(cx: &Context<'_>, report: &mut Report) -> Option<Repo> {
    let (repo, by) = match cx.repo_and_why() {
        Ok(found) => found,
        Err(why) => {
            not_open(&why, report);
            return None;
        }
    };
    let by = match by {
        FoundBy::Option => "named by -C",
        FoundBy::Variable => "named by JIT_REPO",
        FoundBy::Around => "around the current folder",
        FoundBy::Default => "the default one of the configuration",
    };
    let kind = if repo.work_dir().is_some() { "with a work tree" } else { "bare" };
    let path = shown(&repo.shown_path());
    if repo.is_shallow() {
        report.failed("repo", &GitError::Shallow(repo.shown_path()).into());
    } else {
        report.fine("repo", format!("{path}, {kind}, {by}"));
    }
    if let Ok(Some(said)) = inspect::why_git_refuses(cx.world, &repo) {
        let help = format!("put back what is damaged in it, or `jit clone` it anew; git -C '{path}' fsck says more");
        report.problem("repo", Exit::Unavailable, format!("git can't use it: {said}"), Some(help));
    }
    owner(cx, &repo, report);
    leftovers(&repo, report);
    Some(repo)
}

/// Says why there is no repo; of one that is somebody else's, whose.
fn not_open(why: &anyhow::Error, report: &mut Report) {
    let Some(GitError::Owner(path)) = why.downcast_ref::<GitError>() else {
        return report.failed("repo", why);
    };
    let owner = inspect::standing(path).ok().flatten();
    let owner = owner.map_or_else(|| "somebody else".to_owned(), |standing| inspect::user_name(standing.owner));
    let text =
        format!("{} belongs to `{owner}`, and git takes no repository of another user's for granted", shown(path));
    let help = format!(
        "if `{owner}` is meant to keep it for you: git config --global --add safe.directory '{0}'; for each user of this \
         machine, as root: git config --file /etc/gitconfig --add safe.directory '{0}'",
        shown(path)
    );
    report.problem("repo", Exit::Unavailable, text, Some(help));
}

/// Tells whether git shares a repo with a group, or with all, by its `core.sharedRepository`.
fn is_shared(repo: &Repo) -> bool {
    repo.shared().is_some_and(|shared| !matches!(shared.as_str(), "umask" | "false" | "0" | "no" | "off"))
}

fn owner(cx: &Context<'_>, repo: &Repo, report: &mut Report) {
    let path = shown(&repo.shown_path());
    let all = match inspect::sensitive(repo) {
        Ok(all) => all,
        Err(why) => {
            let help = format!("whoever owns it: chmod -R a+rX '{path}'");
            return report.problem("owner", Exit::Unavailable, format!("{path} can't be looked at: {why}"), Some(help));
        }
    };
    let Some((_, folder)) = all.first().cloned() else { return };
    let me = cx.world.uid();
    let owner = inspect::user_name(folder.owner);
    let is_shared = is_shared(repo);
    if let Some((open, _)) = all.iter().find(|(_, standing)| standing.is_open_to_all()) {
        let text =
            format!("everybody on this machine can write to {}: what git does there is theirs to say", shown(open));
        return report.problem("owner", Exit::Denied, text, Some(format!("as `{owner}`: chmod -R o-w '{path}'")));
    }
    if let Some((open, _)) = all.iter().find(|(_, standing)| standing.is_open_to_group() && !is_shared) {
        let text = format!("a group can write to {}, though the repo is not shared with one", shown(open));
        return report.problem("owner", Exit::Denied, text, Some(format!("as `{owner}`: chmod -R g-w '{path}'")));
    }
    let writable = all.iter().find(|(_, standing)| standing.is_writable);
    if is_shared && writable.is_some() {
        return shared(&owner, report);
    }
    match writable {
        _ if folder.owner == me => {
            report.fine("owner", format!("`{owner}`, who runs this; nobody else can write to it"))
        }
        // Root can write to anything.
        Some(_) if me == 0 => report.fine("owner", format!("`{owner}`; root runs this, and a gate should not be root")),
        None => report.fine("owner", format!("`{owner}`; this user only reads it")),
        Some((open, _)) => {
            let text = format!(
                "it is `{owner}`'s, and this user can write to {}: whoever gets hold of a gate could change what it reads",
                shown(open)
            );
            report.problem("owner", Exit::Denied, text, Some(format!("as root: chown -R {owner}: '{path}'")));
        }
    }
}

/// What several users write to has to stay open to all of them.
fn shared(owner: &str, report: &mut Report) {
    let lacking = inspect::lacking();
    if lacking & 0o020 == 0 {
        return report
            .fine("owner", format!("`{owner}`; shared with a group, and what this user adds stays open to it"));
    }
    let text = format!("shared with a group, and what this user adds would be closed to it (umask {lacking:03o})");
    report.problem("owner", Exit::Denied, text, Some("put `umask 002` into ~/.profile, and log in again".to_owned()));
}

fn leftovers(repo: &Repo, report: &mut Report) {
    let tracking = remote::find(repo).ok().flatten().map(|remote| remote.tracking);
    let refs: Vec<&str> =
        [BRANCH, FETCHED].into_iter().chain(tracking.as_deref().filter(|name| *name != BRANCH)).collect();
    let found = match inspect::leftovers(repo, &refs) {
        Ok(found) => found,
        Err(why) => {
            let text = format!("what dead processes left in {} can't be looked at: {why}", shown(repo.common_dir()));
            return report.problem("leftovers", Exit::Unavailable, text, None);
        }
    };
    if let Some(first) = found.ours.first() {
        let more = match found.ours.len() {
            1 => String::new(),
            all => format!(" and {} more", all - 1),
        };
        let text =
            format!("a jit was killed here and left {}{more}: the next one that writes removes it", shown(first));
        report.note("leftovers", text, None);
    }
    for lock in found.locks {
        let failure = Failure::from_error(&GitError::Locked(lock).into());
        report.problem("leftovers", failure.exit, failure.message, failure.help);
    }
}
