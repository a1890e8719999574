//! A log as fresh as it has to be: fetched from its remote, and taken only if it extends what this machine has seen.

use std::path::Path;

use super::{Age, Expected};
use crate::cli::context::{Context, shown};
use crate::cli::exit::Failure;
use crate::cli::freshness::{Aged, describe_fetch, names_witnesses};
use crate::cli::pin::REWRITTEN_HELP;
use crate::core::history::object::Oid;
use crate::core::reason::Code;
use crate::core::time::{Duration, Timestamp};
use crate::core::view::ViewExt;
use crate::edge::config::Pin;
use crate::edge::git::Repo;
use crate::edge::log::BRANCH;
use crate::edge::remote::{self, Fetched, Remote};
use crate::edge::replay::Opened;

/// By how many seconds a gate's clock may be behind the last fetch.
const CLOCK_SLACK: i64 = 60;

/// How fresh the log has to be.
pub(super) enum Fresh {
    /// As it is now, if the remote can be reached.
    Now,
    /// As old as the policy in force allows, or this, if that is shorter.
    Within(Option<Duration>),
}

/// Why nothing was fetched.
pub(in crate::cli) enum Unfetched {
    /// The remote can't be reached, or nothing can be kept.
    Unreachable(anyhow::Error),
    /// What it shows is not believed.
    Untrusted(anyhow::Error),
    /// A witness contradicts what it shows.
    Forked(anyhow::Error),
}

impl Unfetched {
    /// Returns why.
    pub(in crate::cli) fn into_error(self) -> anyhow::Error {
        match self {
            Unfetched::Unreachable(why) | Unfetched::Untrusted(why) | Unfetched::Forked(why) => why,
        }
    }
}

/// Says that a remote has lost its log.
fn gone_from(repo: &Repo, remote: &Remote, pin: Option<Pin>) -> Failure {
    let seen = pin.map(|pin| format!(": this machine has seen {} lines of it, root {}", pin.size, pin.root));
    let seen = seen.unwrap_or_default();
    let text = format!("the branch jit/audit is gone from the remote `{}`{seen}", shown(Path::new(&remote.name)));
    let help = match pin {
        Some(pin) => put_back(repo, remote, pin),
        None => REWRITTEN_HELP.to_owned(),
    };
    Failure::untrusted(Code::LogRewritten, text).help(help)
}

/// Says how a host gets back what it lost.
fn put_back(repo: &Repo, remote: &Remote, pin: Pin) -> String {
    format!(
        "if the host came back from a backup, give it the lines again: git -C '{}' push '{}' {}:{BRANCH}; if not, find \
         out who did that",
        shown(&repo.shown_path()),
        shown(Path::new(&remote.name)),
        pin.commit
    )
}

/// Refuses to answer at a gate whose clock is behind the last fetch: what had ended would be live again.
pub(in crate::cli) fn check_clock(stamped: Option<Timestamp>, now: Timestamp) -> anyhow::Result<()> {
    match stamped {
        Some(at) if at.since(now).num_seconds() > CLOCK_SLACK => {
            let text = format!("this machine's clock is wrong: it says {now}, and the log was fetched here at {at}");
            let help = "set the clock; if it is right now and was wrong then, `jit sync` notes the time anew";
            Err(Failure { code: Some(Code::Clock), ..Failure::unavailable(text) }.help(help).into())
        }
        Some(_) | None => Ok(()),
    }
}

impl Context<'_> {
    /// Opens the log of a remote from data that is as fresh as it has to be. What the remote shows is taken only if it
    /// extends what this machine has seen.
    pub(super) fn open_fresh(
        &mut self,
        repo: &Repo,
        remote: &Remote,
        tip: Oid,
        expected: &Expected,
        fresh: &Fresh,
    ) -> anyhow::Result<(Opened, Age)> {
        let limit = match fresh {
            // Whoever reads or writes wants what is there now; where that can't be had, what was there, and its age.
            Fresh::Now => {
                return match self.fetch(repo, remote, tip, expected, None) {
                    Ok(fetched) => Ok((fetched, Age::Fetched(0))),
                    Err(Unfetched::Unreachable(why)) => {
                        let opened = expected.open_at(self.world, repo, tip)?;
                        self.check_witnesses(repo, Some(remote), &opened.view)?;
                        let age = self.age(repo)?;
                        let why = Failure::from_error(&why);
                        let help = why.help.as_ref().map(|help| format!("\n  help: {help}")).unwrap_or_default();
                        self.warn_once(&format!("warning: {why}"), &format!("\n  {}{help}", describe_fetch(age)));
                        Ok((opened, age.map_or(Age::Unknown, |age| Age::Fetched(age.max(1)))))
                    }
                    Err(Unfetched::Untrusted(why) | Unfetched::Forked(why)) => Err(why),
                };
            }
            Fresh::Within(shorter) => *shorter,
        };
        check_clock(remote::stamped(repo)?, self.world.now())?;
        // A gate answers from what it has while that is fresh enough.
        let known = match expected.open_at(self.world, repo, tip) {
            Ok(opened) => self.age_of(repo, remote, &opened.view).map(|age| (opened, age)),
            Err(why) => Err(why),
        };
        let limit_of = |opened: &Opened| {
            let policy = opened.view.rules().map(|policy| policy.max_age());
            [policy, limit].into_iter().flatten().min().map_or(0, |limit| u64::from(limit.as_secs()))
        };
        let fresh_enough = |opened: &Opened, age: &Aged| age.seconds.filter(|seconds| *seconds <= limit_of(opened));
        let known = match known {
            Ok((opened, age)) => match fresh_enough(&opened, &age).filter(|_| !age.lacks_lines) {
                Some(seconds) => return Ok((opened, Age::Fetched(seconds))),
                None => Ok((opened, age)),
            },
            Err(why) => Err(why),
        };
        let opened = known.as_ref().ok().map(|(opened, _)| opened);
        let why = match self.fetch(repo, remote, tip, expected, opened) {
            Ok(opened) => {
                let age = self.age_of(repo, remote, &opened.view)?;
                if !names_witnesses(&opened.view) {
                    return Ok((opened, Age::Fetched(0)));
                }
                return Ok(match fresh_enough(&opened, &age) {
                    Some(seconds) => (opened, Age::Fetched(seconds)),
                    None => (opened, Age::Stale { seconds: age.seconds, reason: age.told, help: None }),
                });
            }
            Err(Unfetched::Forked(why)) => return Err(why),
            Err(Unfetched::Unreachable(why) | Unfetched::Untrusted(why)) => why,
        };
        // A `git fetch` by hand may have brought what is not believed: the last good state is where the pin is.
        let (opened, age) = match (known, expected.seen.pin) {
            (Err(_), Some(pin)) => {
                let opened = expected.open_at(self.world, repo, pin.commit)?;
                let age = self.age_of(repo, remote, &opened.view)?;
                (opened, age)
            }
            (known, _) => known?,
        };
        if let Some(seconds) = fresh_enough(&opened, &age) {
            self.world.warn(&format!("warning: answering from what was last good: {why}"));
            return Ok((opened, Age::Fetched(seconds)));
        }
        let why = Failure::from_error(&why);
        let reason = format!("{}, and {why}", age.told);
        Ok((opened, Age::Stale { seconds: age.seconds, reason, help: why.help }))
    }

    /// Fetches the log, and moves the remote-tracking ref to it if it is what it must be. `opened` is the log up to
    /// `known`, where that ref is, if it was opened already: mostly there is nothing new.
    fn fetch(
        &mut self,
        repo: &Repo,
        remote: &Remote,
        known: Oid,
        expected: &Expected,
        opened: Option<&Opened>,
    ) -> Result<Opened, Unfetched> {
        let unreachable = |why: anyhow::Error| Unfetched::Unreachable(why);
        let started = self.world.now();
        let before = opened.map(|opened| (known, opened));
        let fetched = self.fetch_log(repo, remote, expected, before)?;
        let (tip, opened) = self.hear_witnesses(repo, remote, fetched, expected)?;
        if repo.read_ref(&remote.tracking).map_err(|why| unreachable(why.into()))? != Some(tip) {
            let mut random = [0; 16];
            self.world.random(&mut random);
            remote::accept(repo, remote, tip, random).map_err(|why| unreachable(why.into()))?;
        }
        self.keep_checkpoint(repo, remote, &opened.view).map_err(unreachable)?;
        remote::stamp(repo, started).map_err(|why| unreachable(why.into()))?;
        Ok(opened)
    }

    /// Fetches what witnesses say of a log that was just fetched, and refuses one that they contradict; where they have
    /// seen more of it, it is fetched once more. No ref moves but those of what was fetched.
    pub(in crate::cli) fn hear_witnesses(
        &mut self,
        repo: &Repo,
        remote: &Remote,
        fetched: (Oid, Opened),
        expected: &Expected,
    ) -> Result<(Oid, Opened), Unfetched> {
        let (mut tip, mut opened) = fetched;
        match self.fetch_checkpoints(repo, remote, &opened.view) {
            Ok(false) => {}
            // Signed just now, or what came was an old log: looked at once more before anything is made of it.
            Ok(true) => (tip, opened) = self.fetch_log(repo, remote, expected, Some((tip, &opened)))?,
            Err(why) => self.warn_once(&format!("warning: {}", Failure::from_error(&why)), ""),
        }
        self.check_witnesses(repo, Some(remote), &opened.view).map_err(Unfetched::Forked)?;
        Ok((tip, opened))
    }

    /// Fetches the log and opens it, from where it was opened before if it was; no ref moves but that of what was fetched.
    fn fetch_log(
        &self,
        repo: &Repo,
        remote: &Remote,
        expected: &Expected,
        before: Option<(Oid, &Opened)>,
    ) -> Result<(Oid, Opened), Unfetched> {
        let tip = match remote::fetch(self.world, repo, remote) {
            Ok(Fetched::Tip(tip)) => tip,
            Ok(Fetched::NoBranch) => {
                return Err(Unfetched::Untrusted(gone_from(repo, remote, expected.seen.pin).into()));
            }
            Err(why) => return Err(Unfetched::Unreachable(why.into())),
        };
        if let Some((_, opened)) = before.filter(|(known, _)| *known == tip) {
            return Ok((tip, opened.clone()));
        }
        if let Some(opened) = before.and_then(|(_, opened)| expected.go_on(opened, repo, tip)) {
            return Ok((tip, opened));
        }
        let why = match expected.open_at(self.world, repo, tip) {
            Ok(opened) => return Ok((tip, opened)),
            Err(why) => why,
        };
        let is_older = match expected.seen.pin {
            Some(pin) if repo.is_before(tip, pin.commit).unwrap_or(false) => Some(pin),
            Some(_) | None => None,
        };
        let why = Failure::from_error(&why);
        let help = match (is_older, &why.help) {
            (Some(pin), _) => put_back(repo, remote, pin),
            (None, Some(help)) => help.clone(),
            (None, None) => REWRITTEN_HELP.to_owned(),
        };
        Err(Unfetched::Untrusted(why.help(help).into()))
    }

    /// Returns how many seconds ago the log was fetched; none if nobody knows. A fetch that lies ahead is not known.
    fn age(&self, repo: &Repo) -> anyhow::Result<Option<u64>> {
        let stamped = remote::stamped(repo)?;
        Ok(stamped.and_then(|at| u64::try_from(self.world.now().since(at).num_seconds()).ok()))
    }
}
