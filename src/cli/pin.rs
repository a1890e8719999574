//! Which log a repo holds, and whether this machine may believe it: genesis ids, pins, and prefixes that a log must have.

use super::context::shown;
use super::exit::Failure;
use super::ledger::{is_genesis, rules};
use crate::core::hash::Hash;
use crate::core::history::object::Oid;
use crate::core::ledger;
use crate::core::reason::Code;
use crate::core::view::{View, ViewExt};
use crate::edge::config::{Config, Minimum, Pin};
use crate::edge::git::{GitError, Repo};
use crate::edge::log::{self, BRANCH, Walked};
use crate::edge::remote::{self, Remote};

/// Returns the commit that the log stands at, and whether it is a remote's: with a remote it is what was fetched from it,
/// else the local branch; none if there is neither.
pub(super) fn log_ref(repo: &Repo, remote: Option<&Remote>) -> Result<Option<(Oid, bool)>, GitError> {
    if let Some(remote) = remote
        && let Some(tip) = repo.read_ref(&remote.tracking)?
    {
        return Ok(Some((tip, true)));
    }
    Ok(repo.read_ref(BRANCH)?.map(|tip| (tip, false)))
}

/// Returns the id that the first line of a log has; none if there is no log to be read.
pub(super) fn first_id(repo: &Repo) -> Option<Hash> {
    let remote = remote::find(repo).ok()?;
    let (tip, _) = log_ref(repo, remote.as_ref()).ok().flatten()?;
    // The first parents tell quickly, unless one of a merge is no log at all: then the whole walk does.
    let line = match log::first_line(repo, tip).ok().flatten().filter(|line| is_genesis(line)) {
        Some(line) => line,
        None => log::walk(repo, tip, None, &rules()).ok()?.segments(repo, 0).next()?.ok()?.into_iter().next()?,
    };
    let outcome = ledger::examine(&line).outcome;
    outcome.ok().map(|signed| signed.get().id)
}

/// Returns the id of the log that `init` or `clone` made in this repo; none if neither did.
pub(super) fn home_id(config: &Config, repo: &Repo) -> anyhow::Result<Option<Hash>> {
    for id in config.trusted()? {
        if config.is_home_of(&id, &repo.shown_path())? {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// Returns the id of the log that this repo is known to hold, because it was made here; else the one that it seems to.
pub(super) fn expected_id(config: &Config, repo: &Repo) -> anyhow::Result<Option<Hash>> {
    Ok(home_id(config, repo)?.or_else(|| first_id(repo)))
}

/// Tells whether this machine's pin of a log follows this repo: one that `init` or `clone` made here, or the default one.
/// One that merely stands around, or a copy of one that somebody names, moves no pin: what it holds beyond the others of
/// that log is in none of them.
pub(super) fn moves_pin(config: &Config, genesis: &Hash, repo: &Repo) -> anyhow::Result<bool> {
    let path = repo.shown_path();
    Ok(config.is_home_of(genesis, &path)? || config.is_default(&path)?)
}

/// What `--genesis` and `JIT_GENESIS` name: `ID[:SIZE:ROOT]`.
#[derive(Debug)]
pub(super) struct GenesisOption {
    /// The log.
    pub(super) id: Hash,
    /// What it must begin with.
    pub(super) minimum: Option<Minimum>,
}

impl GenesisOption {
    /// Reads it.
    pub(super) fn parse(text: &str) -> anyhow::Result<GenesisOption> {
        let wrong = || {
            let shown = super::render::safe(text);
            Failure::usage(format!("`{shown}` names no genesis"))
                .help("write it ID or ID:SIZE:ROOT, ids and roots whole")
        };
        let mut parts = text.split(':');
        let id = parts.next().and_then(|id| id.parse().ok()).ok_or_else(wrong)?;
        let minimum = match (parts.next(), parts.next(), parts.next()) {
            (None, _, _) => None,
            (Some(size), Some(root), None) => Some(parse_minimum(size, root).ok_or_else(wrong)?),
            (Some(_), _, _) => return Err(wrong().into()),
        };
        Ok(GenesisOption { id, minimum })
    }
}

/// Reads `SIZE` and `ROOT`.
pub(super) fn parse_minimum(size: &str, root: &str) -> Option<Minimum> {
    let size = size.parse().ok().filter(|size| *size > 0)?;
    Some(Minimum { size, root: root.parse().ok()? })
}

/// Holds a log against a prefix that it must have.
pub(super) fn check_minimum(view: &impl View, minimum: &Minimum, whose: &str) -> anyhow::Result<()> {
    if view.root_at(minimum.size) == Some(minimum.root) {
        return Ok(());
    }
    let text = format!("the log does not extend {whose}");
    Err(rewritten(&text, minimum.size, Some(minimum.root), view)
        .help("this branch jit/audit is behind, or somebody rewrote it: compare it with a clone that has those lines")
        .into())
}

pub(super) fn check_pin(walked: &Walked, view: &impl View, pin: Option<Pin>) -> anyhow::Result<()> {
    let Some(known) = pin else { return Ok(()) };
    let same_lines = view.root_at(known.size) == Some(known.root);
    if walked.holds_pin && same_lines {
        return Ok(());
    }
    let text = if same_lines {
        format!("the commit {} that this machine last accepted is gone from the log's history", known.commit)
    } else {
        "the log does not extend the one that this machine has seen".to_owned()
    };
    Err(rewritten(&text, known.size, Some(known.root), view).into())
}

/// What to do about a log that is not the one it was.
pub(super) const REWRITTEN_HELP: &str =
    "somebody rewrote the branch jit/audit: restore it from a clone that has the lines, and find out who did";

/// The proof of a rewritten log: both roots.
pub(super) fn rewritten(what: &str, size: u64, known: Option<Hash>, view: &impl View) -> Failure {
    let known = known.map_or_else(|| "no root".to_owned(), |root| root.to_string());
    let now = match view.root_at(size) {
        Some(root) => format!("now {root}"),
        None => format!("now the log has {} lines, root {}", view.size(), view.root().unwrap_or(Hash([0; 32]))),
    };
    Failure::untrusted(Code::LogRewritten, format!("{what}: at {size} lines its root was {known}, {now}"))
        .help(REWRITTEN_HELP)
}

pub(super) fn no_repo() -> Failure {
    Failure::unavailable("there is no policy repo here, and no default one")
        .help("name one with -C DIR or JIT_REPO, or make one with `jit init`")
}

/// Says that the branch of a log is gone that was made in this repo; none if no log was.
pub(super) fn gone_log(config: &Config, repo: &Repo) -> anyhow::Result<Option<Failure>> {
    let Some(id) = home_id(config, repo)? else { return Ok(None) };
    let path = shown(&repo.shown_path());
    let Some(pin) = config.pin(&id)? else {
        let text = format!("the branch jit/audit is gone from `{path}`, which held the log {id}");
        return Ok(Some(Failure::untrusted(Code::LogRewritten, text).help("restore it from a clone that has it")));
    };
    let text = format!(
        "the branch jit/audit is gone from `{path}`: this machine has seen {} lines of the log {id} there, root {}",
        pin.size, pin.root
    );
    let help = format!(
        "restore it from a clone that has it; if nobody pruned the commits, \
         `git -C '{path}' update-ref {BRANCH} {}` does",
        pin.commit
    );
    Ok(Some(Failure::untrusted(Code::LogRewritten, text).help(help)))
}

pub(super) fn no_log(repo: &Repo) -> Failure {
    let text = format!("`{}` is no policy repo: it has no branch jit/audit", shown(&repo.shown_path()));
    Failure::unavailable(text).help("make it one with `jit init`, or name another with -C DIR")
}
