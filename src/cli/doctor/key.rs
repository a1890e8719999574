//! The key that would sign, and whose it is.

use super::Report;
use crate::cli::context::Context;
use crate::cli::exit::{Exit, Failure};
use crate::core::view::ViewExt;
use crate::edge::git::Repo;
use crate::edge::inspect;
use crate::edge::keys::{self, Environment, KeyFault};
use crate::edge::replay::LogView;

/// Looks for the key as a command that signs would.
pub(super) fn look(cx: &Context<'_>, repo: Option<&Repo>, view: Option<&LogView>, report: &mut Report) {
    let is_known = |key: &crate::core::key::PublicKey| view.is_some_and(|view| view.owner_of(key).is_some());
    let found = cx.signer_and_why(repo, &is_known);
    let has_key = found.is_ok();
    match found {
        Ok((signer, by)) => {
            let key = format!("{} ({}), {by}", signer.public_key().fingerprint(), signer.describe());
            match view.map(|view| view.owner_of(signer.public_key())) {
                Some(Some(name)) => report.fine("key", format!("`{name}`, by {key}")),
                Some(None) => {
                    let text = format!("{key}: it is nobody's in the policy in force");
                    let help = "have it added: `jit identity add NAME KEYFILE.pub`, commit, `jit policy publish`; or name \
                                another with --key";
                    report.problem("key", Exit::Denied, text, Some(help.to_owned()));
                }
                None => report.fine("key", key),
            }
        }
        Err(why) => missing(cx, repo, view, &why, report),
    }
    let search =
        keys::candidates(&Environment::from_vars(cx.world.vars()), repo.and_then(Repo::remote_host).as_deref());
    for trouble in search.agent {
        if has_key {
            report.fine("agent", format!("none is needed: {trouble}"));
        } else {
            let help = "`ssh-add -l` shows what the agent holds; eval \"$(ssh-agent)\" && ssh-add starts one";
            report.note("agent", trouble, Some(help.to_owned()));
        }
    }
}

/// Without a key one can't ask or approve; a gate that is told who is there needs none.
fn missing(cx: &Context<'_>, repo: Option<&Repo>, view: Option<&LogView>, why: &anyhow::Error, report: &mut Report) {
    let failure = Failure::from_error(why);
    let Some(KeyFault::NoneKnown(search)) = why.downcast_ref::<KeyFault>() else {
        return report.failed("key", why);
    };
    let is_own = repo.is_none_or(|repo| {
        inspect::standing(repo.common_dir()).ok().flatten().is_some_and(|folder| folder.owner == cx.world.uid())
    });
    if view.is_none() {
        let text = "without a log nobody knows which key would sign";
        return report.note("key", text, None);
    }
    if search.seen.is_empty() || !is_own {
        let text = "none that the policy lists: this user can't ask or approve; a gate needs no key";
        return report.note("key", text, failure.help);
    }
    report.problem("key", failure.exit, failure.message, failure.help);
}
