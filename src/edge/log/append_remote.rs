//! Appending to the log on a remote.
//!
//! One round is: judge the line on the log as it is known, build the commit on its tip, push without force. Where
//! somebody else was first, the log is fetched, only what is new of it is walked and folded, and the same signed line is
//! judged once more, for the next round. Where an answer was lost, the log is looked at for the line before anything is
//! sent again.
//!
//! What waits on this machine at the same time ([`queue`]) goes in one commit: whoever holds the lock judges
//! the lines of the others behind its own, takes along those that are still worth what their authors insist on, and
//! leaves the rest to their own processes, which then say why.

use std::thread;
use std::time::{Duration, Instant};

use super::queue::{self, Insist, Place, PushLock, Waiting};
use super::{AppendError, Context, Draft, Logged, propose};
use crate::core::history::append::NewLine;
use crate::core::history::object::Oid;
use crate::core::history::segment::{MAX_APPEND_LINES, MAX_APPEND_SIZE};
use crate::core::ledger::{self, Delta, Examined, NoLog};
use crate::core::statement::{Body, Line};
use crate::core::time::Timestamp;
use crate::core::view::View as _;
use crate::edge::git::{GitError, Repo};
use crate::edge::reference::PAUSE;
use crate::edge::remote::{self, Fetched, Pushed, Remote, RemoteError};
use crate::edge::replay::{LogView, Opened, ReplayError, examine_all};
use crate::edge::world::World;

/// How often others may be first before an append gives up: all who write may want to at once, and nobody can be kept
/// out.
const MOST_PUSHES: u32 = 1000;
/// How often a host may say that somebody else was first, or is about to be, while nobody moves the branch.
const MOST_UNMOVED: u32 = 20;
/// How many pushes may fail without an answer. A host that lets this user read and not write fails every one like that.
const MOST_UNANSWERED: u32 = 3;
/// How long to pause at most after a lost race, as a multiple of how long it took, and how much less after each.
const MOST_PAUSE: u32 = 16;
const LESS_PAUSE: u32 = 3;
/// How long to pause at most, however slow the network.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How long a round is taken to last before there was one: long, so that who has just come lets those who have lost go first.
const A_ROUND: Duration = Duration::from_millis(150);
/// How many of the last lines, signed how many seconds ago at most, tell that others are racing for the log already.
const LAST_LINES: u64 = 8;
const OF_OTHERS: usize = 4;
const SECONDS: i64 = 5;
/// How often to look whether another process has logged what waits, or lets this one: 10 minutes. After that this one
/// pushes for itself.
const LOOKS_AT_OTHERS: u32 = 30_000;

/// What is to be appended to the log on a remote.
pub struct Append<'a, E> {
    /// Runs git.
    pub world: &'a World,
    /// The clone.
    pub repo: &'a Repo,
    /// The remote that holds the log.
    pub remote: &'a Remote,
    /// What is known beside the lines.
    pub context: &'a Context<'a>,
    /// The signed lines, of which one alone may propose a policy and have files; all of them go in by one commit, in this
    /// order.
    pub new: &'a [NewLine],
    /// What happens by it, in plain words.
    pub message: &'a str,
    /// What each has to be worth.
    pub insist: Insist,
    /// Opens the log at a commit that does not simply follow what is known, and says no where it is not to be believed.
    pub open: &'a dyn Fn(Oid) -> Result<Opened, E>,
    /// Says why one is not worth what is insisted on.
    pub refuse: &'a dyn Fn(&Delta) -> E,
}

impl<E> Append<'_, E> {
    /// Appends the lines. `opened` is the log as this process knows it, and has them in the end; `is_fresh` says whether
    /// that was just fetched. Then the remote-tracking ref stands there too, unless that could not be noted here: what is
    /// logged is logged all the same, and this returns why.
    ///
    /// # Errors
    /// What the caller says; and see [`AppendError`]. After [`AppendError::Unknown`] the lines may be in the log.
    pub fn run(&self, opened: &mut Opened, is_fresh: bool) -> Result<Option<GitError>, AppendError<E>> {
        // A policy with all its files is pushed by whoever proposes it, and so is what goes in together or not at all.
        let waiting = match self.new {
            [only] if only.files.is_empty() => {
                let (line, message) = (only.line.clone(), self.message.to_owned());
                Some(Waiting { line, message, insist: self.insist })
            }
            _ => None,
        };
        // Whoever can't wait in the queue pushes for themselves.
        let place = waiting.and_then(|waiting| Place::take(self.repo, &waiting, self.context.random).ok());
        let turn = wait_for_turn(self.repo, place.as_ref());
        let examined: Vec<Examined> = self.new.iter().map(|new| ledger::examine(&new.line)).collect();
        let mut rounds = Rounds { append: self, place, opened, examined };
        if turn.has_waited {
            rounds.go_on_to_tracked()?;
            if rounds.is_logged() {
                return Ok(None);
            }
        }
        rounds.run(is_fresh && turn.is_ours)
    }
}

/// Judges lines one after another, each as if those before it stood in the log; returns what each changes, or that of the
/// first which is not worth what is insisted on.
///
/// # Errors
/// See [`ledger::apply`].
pub fn judge_all(
    view: &LogView,
    new: &[NewLine],
    examined: &[Examined],
    insist: Insist,
) -> Result<Result<Vec<Delta>, Delta>, NoLog> {
    // Copied for a second line only: most come alone.
    let mut with_these: Option<LogView> = None;
    let mut deltas: Vec<Delta> = Vec::new();
    for (new, examined) in new.iter().zip(examined) {
        if let Some(before) = deltas.last() {
            with_these.get_or_insert_with(|| view.clone()).commit(before.clone());
        }
        let files = Some(&new.files).filter(|files| !files.is_empty());
        let delta = ledger::apply(with_these.as_ref().unwrap_or(view), examined, files)?;
        if !insist.takes(&delta.verdict) {
            return Ok(Err(delta));
        }
        deltas.push(delta);
    }
    Ok(Ok(deltas))
}

/// When it is this process that pushes.
struct Turn {
    _lock: Option<PushLock>,
    /// False where somebody says that they have pushed for it, or another holds the lock for too long.
    is_ours: bool,
    has_waited: bool,
}

fn wait_for_turn(repo: &Repo, place: Option<&Place>) -> Turn {
    for look in 0..LOOKS_AT_OTHERS {
        if place.is_some_and(Place::is_gone) {
            break;
        }
        match PushLock::try_take(repo) {
            Ok(None) => thread::sleep(PAUSE),
            taken => return Turn { _lock: taken.ok().flatten(), is_ours: true, has_waited: look > 0 },
        }
    }
    Turn { _lock: None, is_ours: false, has_waited: true }
}

struct Rounds<'a, E> {
    append: &'a Append<'a, E>,
    place: Option<Place>,
    opened: &'a mut Opened,
    /// One's own lines.
    examined: Vec<Examined>,
}

/// What one commit would add.
struct Batch {
    draft: Draft,
    deltas: Vec<Delta>,
    places: Vec<Place>,
    /// The view with all of it; none where nobody else's is taken along.
    view: Option<LogView>,
}

impl<E> Rounds<'_, E> {
    fn run(&mut self, is_fresh: bool) -> Result<Option<GitError>, AppendError<E>> {
        let Append { world, repo, remote, context, .. } = *self.append;
        let (mut sent, mut unanswered): (Option<RemoteError>, u32) = (None, 0);
        let mut unmoved: Option<(Oid, u32)> = None;
        let (mut must_fetch, mut is_alone, mut races) = (!is_fresh, false, 0);
        if is_fresh && self.others_are_at_it() {
            (must_fetch, races) = (true, 1);
            world.sleep(pause(context.random, races, A_ROUND));
        }
        for _ in 0..MOST_PUSHES {
            let (started, clock) = (world.now(), Instant::now());
            if must_fetch {
                let fetch = if races == 0 { remote::fetch } else { remote::fetch_at_once };
                match fetch(world, repo, remote) {
                    Ok(Fetched::Tip(tip)) => self.come_to(tip)?,
                    Ok(Fetched::NoBranch) => return Err(AppendError::NoLog),
                    Err(error) => {
                        return Err(match sent {
                            Some(lost) => AppendError::Unknown(lost),
                            None => AppendError::Remote(error),
                        });
                    }
                }
                if self.is_logged() {
                    return Ok(self.settle(started));
                }
            }
            must_fetch = true;
            if let Some(error) = sent.take_if(|_| unanswered >= MOST_UNANSWERED) {
                return Err(AppendError::Unknown(error));
            }
            let tip = self.opened.walked.tip;
            let batch = self.batch(is_alone)?;
            let logged = propose(repo, context, Some(&self.opened.walked), &batch.draft)?;
            match remote::push(world, repo, remote, logged.commit) {
                Ok(Pushed::Done) => {
                    let places = self.take_in(&logged, batch);
                    let unnoted = self.settle(started);
                    places.iter().for_each(Place::remove);
                    return Ok(unnoted);
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
                    races += 1;
                    world.sleep(pause(context.random, races, clock.elapsed()));
                }
                // It may be another's line that the host does not want.
                Ok(Pushed::Refused(_)) if batch.deltas.len() > self.append.new.len() => is_alone = true,
                Ok(Pushed::Refused(why)) => return Err(AppendError::Refused(why)),
                Err(error) => (sent, unanswered) = (Some(error), unanswered + 1),
            }
        }
        match sent {
            Some(lost) => Err(AppendError::Unknown(lost)),
            None => Err(AppendError::Contended),
        }
    }

    /// Goes on to what another process has found good, if that simply follows what is known. Whatever else it is, a fetch
    /// will tell.
    fn go_on_to_tracked(&mut self) -> Result<(), AppendError<E>> {
        match self.append.repo.read_ref(&self.append.remote.tracking)? {
            Some(tip) => self.go_on(tip).map(|_| ()),
            None => Ok(()),
        }
    }

    fn come_to(&mut self, tip: Oid) -> Result<(), AppendError<E>> {
        if !self.go_on(tip)? {
            *self.opened = (self.append.open)(tip).map_err(AppendError::Judge)?;
        }
        Ok(())
    }

    fn go_on(&mut self, tip: Oid) -> Result<bool, AppendError<E>> {
        match self.opened.go_on(self.append.repo, tip, self.append.context.pin, &self.append.context.rules) {
            Ok(is_done) => Ok(is_done),
            Err(ReplayError::Walk(error)) => Err(AppendError::Walk(error)),
            Err(why) => Err(AppendError::Replay(why)),
        }
    }

    /// Tells whether all of it stands in the log as it is known now.
    fn is_logged(&self) -> bool {
        let stands = |examined: &Examined| {
            let signed = examined.outcome.as_ref();
            signed.is_ok_and(|signed| self.opened.view.entry(&signed.get().id).is_some())
        };
        self.examined.iter().all(stands)
    }

    /// Judges what is to go in: one's own lines, and behind them what others wait with.
    fn batch(&self, is_alone: bool) -> Result<Batch, AppendError<E>> {
        let Append { repo, context, new, message, insist, refuse, .. } = *self.append;
        let mut deltas = judge_all(&self.opened.view, new, &self.examined, insist)
            .map_err(|why| AppendError::Replay(ReplayError::NoLog(why)))?
            .map_err(|delta| AppendError::Judge(refuse(&delta)))?;
        let mut draft = Draft { lines: new.to_vec(), message: message.to_owned() };
        // Where the queue can't be read there is nothing to take along.
        let others = match is_alone {
            true => Vec::new(),
            false => queue::others(repo, self.place.as_ref()).unwrap_or_default(),
        };
        if others.is_empty() {
            return Ok(Batch { draft, deltas, places: Vec::new(), view: None });
        }
        let mut view = self.opened.view.clone();
        deltas.iter().for_each(|delta| view.commit(delta.clone()));
        let (mut places, mut messages) = (Vec::new(), Vec::new());
        let mut bytes: usize = new.iter().map(|new| new.line.len() + 1).sum();
        let lines: Vec<Vec<u8>> = others.iter().map(|(_, waiting)| waiting.line.clone()).collect();
        for ((place, waiting), examined) in others.into_iter().zip(examine_all(&lines)) {
            // What does not fit goes with the next; what says that it is a policy has files in the log, and none here.
            let with_it = bytes + waiting.line.len() + 1;
            let fits = (draft.lines.len() as u64) < MAX_APPEND_LINES && with_it as u64 <= MAX_APPEND_SIZE;
            if !fits || (context.rules.named_digest)(&waiting.line).is_some() {
                continue;
            }
            let Ok(delta) = ledger::apply(&view, &examined, None) else { continue };
            if waiting.insist.takes(&delta.verdict) {
                view.commit(delta.clone());
                deltas.push(delta);
                places.push(place);
                messages.push(waiting.message);
                draft.lines.push(NewLine::plain(waiting.line));
                bytes = with_it;
            }
        }
        if let Some((first, rest)) = messages.split_first() {
            let more = if rest.is_empty() { first.clone() } else { format!("{} more", messages.len()) };
            draft.message = format!("{message}, and {more}\n\n- {message}\n- {}", messages.join("\n- "));
        }
        Ok(Batch { draft, deltas, places, view: Some(view) })
    }

    /// Tells whether others were writing just now: then they have lost races that they did not start sooner than this one.
    /// Nothing depends on it but who goes first, so their clocks are believed.
    fn others_are_at_it(&self) -> bool {
        let Some(Ok(own)) = self.examined.first().map(|examined| &examined.outcome) else { return false };
        let now = self.append.world.now();
        let is_recent = |body: &Body| now.since(body.at()).num_seconds().abs() <= SECONDS;
        let Opened { walked, .. } = &*self.opened;
        let last = walked.segments(self.append.repo, walked.size().saturating_sub(LAST_LINES));
        // Whoever builds on it says what of it can't be read.
        let Ok(last) = last.collect::<Result<Vec<_>, _>>() else { return false };
        let lines = last.iter().flatten().filter_map(|line| Line::parse(line).ok());
        let of_others =
            lines.filter(|line| line.unverified().by() != own.get().body.by() && is_recent(line.unverified()));
        of_others.count() >= OF_OTHERS
    }

    /// Notes where the log stands on the remote, and returns why that could not be noted here; the next fetch brings it.
    fn settle(&self, started: Timestamp) -> Option<GitError> {
        let Append { repo, remote, context, .. } = *self.append;
        let noted = remote::accept(repo, remote, self.opened.walked.tip, context.random);
        noted.and_then(|()| remote::stamp(repo, started)).err()
    }

    /// Lets the log that is known have what was logged, and returns whose lines those were.
    fn take_in(&mut self, logged: &Logged, batch: Batch) -> Vec<Place> {
        self.opened.walked.take_in(logged);
        batch.deltas.iter().for_each(|delta| self.opened.verdicts.push(&delta.verdict));
        match batch.view {
            Some(view) => self.opened.view = view,
            None => batch.deltas.into_iter().for_each(|delta| self.opened.view.commit(delta)),
        }
        batch.places
    }
}

/// A pause after so many lost races, of which the last took so long, so that those who lost it do not meet again. It is the
/// shorter the more were lost: whoever has waited longest goes first, and who has just come leaves them the way.
fn pause(random: [u8; 16], races: u32, lost: Duration) -> Duration {
    let place = usize::try_from(races).unwrap_or_default() % random.len();
    let part = random.get(place).copied().unwrap_or_default();
    let most = lost * MOST_PAUSE.saturating_sub(LESS_PAUSE * races);
    (most * u32::from(part) / 255).min(LONGEST_PAUSE)
}
