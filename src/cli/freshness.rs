//! How old the log here is: by the last fetch, or where the policy names witnesses, by what they have vouched for.

use std::collections::BTreeSet;

use super::context::Context;
use super::exit::Failure;
use crate::core::checkpoint::{Fork, Sighting, Word, judge};
use crate::core::history::object::Oid;
use crate::core::name::Name;
use crate::core::reason::Code;
use crate::core::time::{Duration, Timestamp};
use crate::core::view::{View, ViewExt};
use crate::edge::git::Repo;
use crate::edge::remote::{self, Remote};
use crate::edge::witness;

/// How old a log is.
#[derive(Clone, Debug)]
pub(super) struct Aged {
    /// In seconds; none if nobody knows.
    pub(super) seconds: Option<u64>,
    /// The same in words.
    pub(super) told: String,
    /// A witness has seen lines that are not here.
    pub(super) lacks_lines: bool,
}

/// What the checkpoints here say of a log.
#[derive(Debug, Default)]
struct Heard {
    /// The newest that the log extends, and the commit that holds it.
    newest: Option<(Sighting, Oid)>,
    /// The longest log that a witness has seen, if it is longer than this one.
    ahead: Option<Sighting>,
    fork: Option<Fork>,
    /// Why there is none that counts, where there is something.
    distrust: Option<(Name, String)>,
}

/// Returns the witnesses that the policy in force names.
fn witnesses(view: &impl View) -> BTreeSet<Name> {
    view.rules().map(|policy| policy.witnesses().clone()).unwrap_or_default()
}

/// Tells whether the age of a log is counted from checkpoints.
pub(super) fn names_witnesses(view: &impl View) -> bool {
    !witnesses(view).is_empty()
}

fn ago(from: Timestamp, now: Timestamp) -> Option<u64> {
    u64::try_from(now.since(from).num_seconds()).ok()
}

/// Says that something happened so many seconds ago.
pub(super) fn describe_age(seconds: u64) -> String {
    match (seconds, Duration::from_secs(seconds)) {
        (_, Some(age)) => format!("{age} ago"),
        (0, None) => "just now".to_owned(),
        (_, None) => "more than a year ago".to_owned(),
    }
}

/// Says how long ago a log was fetched.
pub(super) fn describe_fetch(seconds: Option<u64>) -> String {
    match seconds {
        Some(seconds) => format!("the log here was fetched {}", describe_age(seconds)),
        None => "nobody knows how old the log here is".to_owned(),
    }
}

fn listen(repo: &Repo, remote: Option<&Remote>, view: &impl View, now: Timestamp) -> anyhow::Result<Heard> {
    let mut heard = Heard::default();
    for name in witnesses(view) {
        for found in witness::found(repo, remote, &name)? {
            let Some(file) = found.file else {
                heard.distrust = Some((name.clone(), "its branch holds something else".to_owned()));
                continue;
            };
            match judge(view, &file, now) {
                Word::Extended(seen) => {
                    if heard.newest.as_ref().is_none_or(|(known, _)| seen.at > known.at) {
                        heard.newest = Some((seen, found.commit));
                    }
                }
                Word::Ahead(seen) => {
                    if heard.ahead.as_ref().is_none_or(|known| seen.size > known.size) {
                        heard.ahead = Some(seen);
                    }
                }
                Word::Fork(fork) => heard.fork = Some(fork),
                Word::NotBelieved(why) => heard.distrust = Some((name.clone(), why.to_string())),
            }
        }
    }
    Ok(heard)
}

impl Heard {
    /// Refuses a log that a witness contradicts.
    fn check(&self) -> anyhow::Result<()> {
        let Some(fork) = &self.fork else { return Ok(()) };
        let help = format!(
            "keep both: this is proof that somebody shows two logs, or that the key of `{by}` was stolen. Compare with \
             other clones (`jit audit verify`); if the checkpoint is the false one, remove it from the host: git push \
             origin :jit/witness/{by}",
            by = fork.by
        );
        Err(Failure::untrusted(Code::LogRewritten, fork.to_string()).help(help).into())
    }

    fn aged(&self, now: Timestamp) -> Aged {
        let seconds = self.newest.as_ref().and_then(|(seen, _)| ago(seen.at, now));
        let mut told = match (&self.newest, seconds) {
            (Some((seen, _)), Some(seconds)) => {
                format!("the last witness of the log here was `{}`, {}", seen.by, describe_age(seconds))
            }
            _ => "no witness has vouched for the log here".to_owned(),
        };
        if let Some(ahead) = &self.ahead {
            told.push_str(&format!("; `{}` has seen {} lines, which are not all here", ahead.by, ahead.size));
        } else if let (None, Some((name, why))) = (&self.newest, &self.distrust) {
            told.push_str(&format!("; the checkpoint of `{name}` does not count: {why}"));
        }
        Aged { seconds, told, lacks_lines: self.ahead.is_some() }
    }
}

impl Context<'_> {
    /// Says how old the log of a remote is.
    ///
    /// # Errors
    /// A witness has seen another log; or the repository can't be read.
    pub(super) fn age_of(&self, repo: &Repo, remote: &Remote, view: &impl View) -> anyhow::Result<Aged> {
        let now = self.world.now();
        if !names_witnesses(view) {
            // A fetch that lies ahead is not known.
            let seconds = remote::stamped(repo)?.and_then(|at| ago(at, now));
            return Ok(Aged { seconds, told: describe_fetch(seconds), lacks_lines: false });
        }
        let heard = listen(repo, Some(remote), view, now)?;
        heard.check()?;
        Ok(heard.aged(now))
    }

    /// Refuses a log that a witness contradicts, by the checkpoints that are here.
    pub(super) fn check_witnesses(&self, repo: &Repo, remote: Option<&Remote>, view: &impl View) -> anyhow::Result<()> {
        listen(repo, remote, view, self.world.now())?.check()
    }

    /// Fetches the checkpoints of the witnesses that the policy in force names. Tells whether one of them has seen lines
    /// that are not here.
    pub(super) fn fetch_checkpoints(&self, repo: &Repo, remote: &Remote, view: &impl View) -> anyhow::Result<bool> {
        let names = witnesses(view);
        witness::fetch(self.world, repo, remote, &names)?;
        Ok(listen(repo, Some(remote), view, self.world.now())?.ahead.is_some())
    }

    /// Keeps the newest checkpoint that a log extends which is now believed.
    pub(super) fn keep_checkpoint(&mut self, repo: &Repo, remote: &Remote, view: &impl View) -> anyhow::Result<()> {
        if let Some((seen, commit)) = listen(repo, Some(remote), view, self.world.now())?.newest {
            let mut random = [0; 16];
            self.world.random(&mut random);
            witness::keep(repo, &seen.by, commit, random)?;
        }
        Ok(())
    }
}
