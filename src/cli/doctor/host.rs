//! The git host: whether it can be reached, what log it shows, and whether it takes pushes.

use super::Report;
use super::log::{Known, open_unpinned};
use crate::cli::context::Context;
use crate::cli::exit::{Exit, Failure};
use crate::cli::render;
use crate::core::history::object::Oid;
use crate::core::reason::Code;
use crate::core::refusal;
use crate::core::view::{View, ViewExt};
use crate::edge::git::Repo;
use crate::edge::inspect;
use crate::edge::log::BRANCH;
use crate::edge::probe::{self, Scratch};
use crate::edge::refused;
use crate::edge::remote::{self, Remote, RemoteError, talk};

/// Asks the host.
pub(super) fn look(cx: &mut Context<'_>, repo: &Repo, known: Option<&Known>, report: &mut Report) {
    let Ok(Some(remote)) = remote::find(repo) else {
        let help = "git remote add origin URL".to_owned();
        return report.problem("host", Exit::Unavailable, "there is no remote to ask", Some(help));
    };
    let Some(tip) = report.take("host", probe::advertised(cx.world, repo, &remote)) else {
        return last_refusal(cx, repo, report);
    };
    report.fine("host", format!("`{}` answers", render::safe(&remote.name)));
    match tip {
        Some(tip) => {
            if let Err(why) = compare(cx, repo, &remote, tip, known, report) {
                report.failed("host log", &why);
            }
        }
        None => no_branch(&remote, known, report),
    }
    if let Some(tip) = known.map(|known| known.tip).or(tip) {
        push(cx, repo, &remote, tip, report);
    }
    last_refusal(cx, repo, report);
}

fn no_branch(remote: &Remote, known: Option<&Known>, report: &mut Report) {
    let name = render::safe(&remote.name);
    match known {
        Some(known) if known.is_remote => {
            let text = format!("the branch jit/audit is gone from `{name}`, though it was there");
            let help =
                format!("find out who removed it; what is here is whole: git push {name} {}:{BRANCH}", known.tip);
            report.problem("host log", Exit::Untrusted, text, Some(help));
        }
        Some(_) => {
            let text = format!("`{name}` has no branch jit/audit yet");
            report.problem("host log", Exit::Denied, text, Some(format!("git push {name} jit/audit")));
        }
        None => {
            let text = format!("`{name}` has no branch jit/audit: it is no policy repo");
            let help = "git remote -v shows its URL; git remote set-url NAME URL corrects it".to_owned();
            report.problem("host log", Exit::Denied, text, Some(help));
        }
    }
}

/// Holds the log that the host shows against the one here.
fn compare(
    cx: &mut Context<'_>,
    repo: &Repo,
    remote: &Remote,
    tip: Oid,
    known: Option<&Known>,
    report: &mut Report,
) -> anyhow::Result<()> {
    let Some(known) = known else {
        report.note("host log", "it has a branch jit/audit; there is nothing here to hold against it", None);
        return Ok(());
    };
    if tip == known.tip {
        // Here may be less than another clone on this machine has seen; then there is too.
        known.expected.open_at(repo, tip, &mut |_, _| {})?;
        report.fine("host log", "the same as here");
        return Ok(());
    }
    let mut random = [0; 16];
    cx.world.random(&mut random);
    let scratch = Scratch::new(cx.world, random)?;
    probe::bring(cx.world, repo, remote, &scratch)?;
    // A repo of its own, so that nothing else comes to see those objects.
    let there = Repo::open(&repo.shown_path())?;
    there.add_objects(scratch.path())?;
    let shown = open_unpinned(&there, tip, known.expected.genesis)?;
    let (here, there_view) = (&known.opened.view, &shown.view);
    let (size, there_size) = (here.size(), there_view.size());
    if there_view.root_at(size) == here.root() {
        // Even so it has to hold the commit that is pinned.
        known.expected.open_at(&there, tip, &mut |_, _| {})?;
        match there_size - size {
            0 => report.fine("host log", "the same lines as here"),
            more => {
                let more = render::count(more, "line");
                report.note("host log", format!("it has {more} more than are here"), Some("jit sync".to_owned()));
            }
        }
        return Ok(());
    }
    let roots = format!(
        "{there_size} lines with root {} there, {size} lines with root {} here",
        there_view.root().map(|root| root.to_string()).unwrap_or_default(),
        here.root().map(|root| root.to_string()).unwrap_or_default()
    );
    let is_behind = here.root_at(there_size) == there_view.root();
    if is_behind && !known.is_remote {
        let missing = render::count(size - there_size, "line");
        let help = format!("git push {} jit/audit", render::safe(&remote.name));
        report.problem("host log", Exit::Denied, format!("it lacks {missing} that are here"), Some(help));
        return Ok(());
    }
    let what = if is_behind { "it was rolled back" } else { "it has another log than was seen here" };
    let help = "restore the branch jit/audit there from a clone that has the lines, and find out who rewrote it";
    Err(Failure::untrusted(Code::LogRewritten, format!("{what}: {roots}")).help(help).into())
}

fn push(cx: &Context<'_>, repo: &Repo, remote: &Remote, tip: Oid, report: &mut Report) {
    match probe::may_push(cx.world, repo, remote, tip) {
        Ok(()) => {
            let text = "the host would hear a push from this user; its rules for the branch and its hooks are asked only by a \
                        real one";
            report.fine("push", text);
        }
        Err(RemoteError::Failed { said, .. }) => {
            let rule = refusal::classify(&said);
            let named = rule.as_ref().map(|rule| format!(" ({rule})")).unwrap_or_default();
            let text = format!("the host takes no push from this user{named}: {}", talk(&said));
            let help = rule.map_or_else(
                || "have yourself, or the key or token that git uses, given the right to write to it".to_owned(),
                |rule| rule.help("jit/audit"),
            );
            let folder = inspect::standing(repo.common_dir()).ok().flatten();
            if folder.is_some_and(|folder| folder.is_writable) {
                report.problem("push", Exit::Unavailable, text, Some(help));
            } else {
                report.note("push", format!("{text}; whoever only reads this clone needs none"), Some(help));
            }
        }
        Err(why) => report.failed("push", &why.into()),
    }
}

/// Says which rule refused the last push, if it was refused.
fn last_refusal(cx: &Context<'_>, repo: &Repo, report: &mut Report) {
    let Some(refused) = refused::last(repo) else { return };
    let rule = refusal::classify(&refused.said);
    let named = rule.as_ref().map_or_else(|| "the host does not name the rule".to_owned(), ToString::to_string);
    let text = format!(
        "the last push to {} was refused, {}: {named}: {}",
        refused.branch,
        render::both_times(cx.world, refused.at),
        refused.said
    );
    let help = rule.map_or_else(
        || "see the host's rules for that branch, and who has the right to push".to_owned(),
        |rule| rule.help(&refused.branch),
    );
    report.problem("refusal", Exit::Unavailable, text, Some(help));
}
