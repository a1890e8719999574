//! Appends to a log that a git host keeps: what the local branch's compare-and-swap does is here a push without force.

use std::time::Duration;

use super::{AppendError, Context, Draft, Logged, Walked, propose, walk};
use crate::core::history::object::Oid;
use crate::edge::git::Repo;
use crate::edge::remote::{self, Fetched, Pushed, Remote, RemoteError};
use crate::edge::world::World;

/// How often others may be first before an append gives up. All who write may want to at once, and nobody can be kept out.
const MOST_PUSHES: u32 = 1000;
/// How often a host may say that somebody else was first, or is about to be, while nobody moves the branch.
const MOST_UNMOVED: u32 = 20;
/// How many pushes may fail without an answer. A host that lets this user read and not write fails every one like that.
const MOST_UNANSWERED: u32 = 3;

/// Appends to the log on a remote: fetches, lets `judge` see the log as it stands there, builds on its tip, and pushes
/// without force; a push that lost is made anew from the same lines. Where an answer was lost, the log is looked at for
/// the lines before anything is sent again. In the end the remote-tracking ref stands at the new commit.
///
/// # Errors
/// What `judge` says; and see [`AppendError`]. After [`AppendError::Unknown`] the lines may be in the log.
pub fn append_remote<E>(
    world: &World,
    repo: &Repo,
    remote: &Remote,
    context: &Context<'_>,
    judge: &mut dyn FnMut(&Walked) -> Result<Draft, E>,
) -> Result<Logged, AppendError<E>> {
    let mut sent: Option<(Draft, RemoteError)> = None;
    let mut unanswered = 0;
    let mut unmoved: Option<(Oid, u32)> = None;
    for round in 0..MOST_PUSHES {
        let tip = match remote::fetch(world, repo, remote) {
            Ok(Fetched::Tip(tip)) => tip,
            Ok(Fetched::NoBranch) => return Err(AppendError::NoLog),
            Err(error) => {
                return Err(match sent {
                    Some((.., lost)) => AppendError::Unknown(lost),
                    None => AppendError::Remote(error),
                });
            }
        };
        let walked = walk(repo, tip, context.pin, &context.rules).map_err(AppendError::Walk)?;
        if let Some((draft, _)) = &sent
            && let Some(first) = walked.place_of(repo, &draft.lines).map_err(AppendError::Walk)?
        {
            settle(repo, remote, tip, context);
            // Others may be behind them already, and which of our commits arrived is not known: the log as it stands is.
            return Ok(Logged { commit: walked.last_valid_commit, first, tail: walked.tail });
        }
        if unanswered == MOST_UNANSWERED
            && let Some((.., why)) = sent
        {
            return Err(AppendError::Unknown(why));
        }
        let draft = judge(&walked).map_err(AppendError::Judge)?;
        let logged = propose(repo, context, Some(&walked), &draft)?;
        match remote::push(world, repo, remote, logged.commit) {
            Ok(Pushed::Done) => {
                settle(repo, remote, logged.commit, context);
                return Ok(logged);
            }
            Ok(lost @ (Pushed::Raced | Pushed::Held(_))) => {
                // Where nobody moves it, nobody was first, whatever the host says.
                let times = unmoved.filter(|(at, _)| *at == tip).map_or(1, |(_, times)| times + 1);
                if times == MOST_UNMOVED {
                    return Err(match lost {
                        Pushed::Held(why) => AppendError::Refused(why),
                        _ => AppendError::Contended,
                    });
                }
                unmoved = Some((tip, times));
                world.sleep(jitter(context.random, round));
            }
            Ok(Pushed::Refused(why)) => return Err(AppendError::Refused(why)),
            Err(error) => {
                unanswered += 1;
                sent = Some((draft, error));
            }
        }
    }
    match sent {
        Some((.., lost)) => Err(AppendError::Unknown(lost)),
        None => Err(AppendError::Contended),
    }
}

/// Moves the remote-tracking ref to where the log stands on the remote. What is logged there is logged, whether or not
/// this can be noted here: the next fetch brings it.
fn settle(repo: &Repo, remote: &Remote, tip: Oid, context: &Context<'_>) {
    let _ = remote::accept(repo, remote, tip, context.random);
}

/// A small flat pause, so that those who lost the same race do not meet again: up to 50 ms.
fn jitter(random: [u8; 16], round: u32) -> Duration {
    let place = usize::try_from(round).unwrap_or_default() % random.len();
    let byte = random.get(place).copied().unwrap_or_default();
    Duration::from_millis(u64::from(byte) * 50 / 255)
}
