//! From a log to all that follows from it: every line is examined, on all cores, while those before it are folded in order
//! and those after it are read.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::num::NonZero;
use std::rc::Rc;
use std::sync::mpsc::{self, Receiver, SendError, Sender};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, Scope};

use super::git::Repo;
use super::index::{Index, Prefix};
use super::log::{self, WalkError, Walked};
use crate::core::hash::Hash;
use crate::core::history::chain::Rules;
use crate::core::history::judge::Appended;
use crate::core::history::object::{Objects as _, Oid};
use crate::core::history::policy_folder::read_policy;
use crate::core::history::segment::{Lines, Tail, measure};
use crate::core::history::void::Void;
use crate::core::ledger::{self, Delta, Examined, NoLog, Verdicts};
use crate::core::policy::PolicyFiles;
use crate::core::view::{Overlay, View as _};

/// How many lines are examined at once by one worker, unless they are large: so few that neither they nor what is found in
/// them is larger than what an allocator hands out again and again.
const BATCH: usize = 128;
/// After how many bytes of lines a batch ends.
const BATCH_SIZE: usize = 128 << 10;
/// How many batches wait for each core, or for what is before them.
const MOST_WAITING: usize = 8;
/// Fewer lines than this for each thread are not worth starting it.
const FEW: usize = 32;
const NO_PANIC: &str = "examining a line does not panic";

/// All that follows from a log's lines: an index, perhaps of nothing, and what is new since.
pub type LogView = Overlay<Index>;

/// A log, folded.
#[derive(Debug)]
pub struct Replayed {
    /// All that follows from its lines.
    pub view: LogView,
    /// What each line is worth.
    pub verdicts: Verdicts,
}

/// A log as it stands at one commit: walked, and folded.
#[derive(Clone, Debug)]
pub struct Opened {
    /// How it was walked, and where it ends. Of what an index tells, the void commits are not known.
    pub walked: Walked,
    /// All that follows from its lines.
    pub view: LogView,
    /// What each line is worth that the index does not have.
    pub verdicts: Verdicts,
    /// What the index is to take in once nobody reads from it any more.
    pub unsaved: Option<Rc<Unsaved>>,
}

/// What an index lacks. It goes in when this is dropped, and what is read from the index is of the moment before.
#[derive(Debug)]
pub struct Unsaved {
    index: Index,
    lacking: RefCell<Lacking>,
}

/// What the lines after those of an index changed, up to where it then reaches, and the root there.
#[derive(Debug)]
struct Lacking {
    deltas: Vec<Delta>,
    prefix: Prefix,
    root: Hash,
}

impl Unsaved {
    /// An index lacks what the lines after its own changed, up to `prefix` with its root.
    pub fn new(index: Index, deltas: Vec<Delta>, (prefix, root): (Prefix, Hash)) -> Unsaved {
        Unsaved { index, lacking: RefCell::new(Lacking { deltas, prefix, root }) }
    }

    /// It lacks what the lines after those changed, too: an index is written once.
    pub fn extend(&self, deltas: Vec<Delta>, (prefix, root): (Prefix, Hash)) {
        let mut lacking = self.lacking.borrow_mut();
        lacking.deltas.extend(deltas);
        (lacking.prefix, lacking.root) = (prefix, root);
    }
}

impl Drop for Unsaved {
    fn drop(&mut self) {
        let Lacking { deltas, prefix, root } = &*self.lacking.borrow();
        // An index that could not be written is as true as before, and the next command tries again; `jit doctor` looks
        // whether it can be.
        let _ = self.index.advance(deltas, prefix, *root);
    }
}

/// Is told what each line changes, as lines are folded.
pub type Keep<'a> = &'a mut dyn FnMut(&Delta);

impl Opened {
    /// Goes on to a later `tip`, walking and folding only what is new; false where the log has to be opened anew, and
    /// then nothing has changed. See [`Walked::go_on`].
    ///
    /// # Errors
    /// The commits can't be walked, or the files of a policy can't be read. Then this log is no longer of use.
    pub fn go_on(&mut self, repo: &Repo, tip: Oid, pin: Option<Oid>, rules: &Rules<'_>) -> Result<bool, ReplayError> {
        self.go_on_keeping(repo, tip, pin, rules, &mut |_| {})
    }

    /// As [`Opened::go_on`]; `keep` is told what each new line changes.
    ///
    /// # Errors
    /// As there.
    pub fn go_on_keeping(
        &mut self,
        repo: &Repo,
        tip: Oid,
        pin: Option<Oid>,
        rules: &Rules<'_>,
        keep: Keep<'_>,
    ) -> Result<bool, ReplayError> {
        if !self.walked.go_on(repo, tip, pin, rules).map_err(ReplayError::Walk)? {
            return Ok(false);
        }
        fold_rest(repo, &self.walked, (&mut self.view, &mut self.verdicts), &|_, _| {}, keep)?;
        Ok(true)
    }

    /// Returns the log as an index has it, which was walked with its pin in hand; `pin` is the one to be held now.
    pub fn of_index(index: Index, prefix: &Prefix, pin: Option<Oid>) -> Opened {
        let holds_pin = pin.is_none_or(|pin| pin == prefix.last_valid_commit || Some(pin) == prefix.pin);
        let walked = Walked {
            tip: prefix.tip,
            tail: prefix.tail,
            last_valid_commit: prefix.last_valid_commit,
            voids: Vec::new(),
            holds_pin,
        };
        Opened { walked, view: Overlay::over(index), verdicts: Verdicts::default(), unsaved: None }
    }

    /// Returns up to where this log reaches, for an index; none of one that an index can't say all of: where logs were
    /// merged, which one goes on depends on what this machine has seen.
    pub fn prefix(&self, pin: Option<Oid>) -> Option<Prefix> {
        if self.walked.voids.iter().any(|(_, void)| matches!(void, Void::Merge(_))) {
            return None;
        }
        Some(Prefix {
            genesis: self.view.genesis()?.id,
            tip: self.walked.tip,
            last_valid_commit: self.walked.last_valid_commit,
            tail: self.walked.tail,
            pin: pin.filter(|_| self.walked.holds_pin),
        })
    }
}

/// Who is told how far it is.
pub struct Told<'a> {
    /// How many objects were read, before there are lines.
    pub objects: &'a dyn Fn(u64),
    /// How many of how many lines are folded, as far as that is known.
    pub lines: &'a dyn Fn(u64, u64),
    /// What each line changes.
    pub keep: Keep<'a>,
}

/// Walks the log up to `tip`, and folds it from its first line while it is walked. What is walked is the log at each
/// moment, unless there are merges; then it is folded when the walk has told which commits are the log's.
///
/// # Errors
/// The commits can't be walked, the first line is no genesis, or the files of a policy can't be read.
pub fn open(
    repo: &Repo,
    tip: Oid,
    pin: Option<Oid>,
    rules: &Rules<'_>,
    Told { objects, lines, keep }: Told<'_>,
) -> Result<Opened, ReplayError> {
    // It is for the eye alone: whatever the tip is, the walk tells what is true.
    let head = repo.commit(tip).ok().flatten();
    let tail = head.and_then(|head| measure(repo, head.tree).ok().flatten());
    let total = tail.map_or(0, |tail| tail.size);
    let mut replayed = Replayed { view: Overlay::over(Index::nothing()), verdicts: Verdicts::default() };
    let progress = |done| lines(done, total);
    let walked = thread::scope(|scope| {
        let to = (&mut replayed.view, &mut replayed.verdicts);
        let mut fold = Fold::new(scope, repo, to, &progress, &mut *keep);
        let mut fault = None;
        let mut take = |appended: Appended| {
            if fault.is_none() {
                fault = fold.take(appended.tail, appended.lines.iter()).err();
            }
        };
        let walked = log::walk_handing(repo, tip, pin, rules, objects, &mut take).map_err(ReplayError::Walk)?;
        fault.map_or(Ok(()), Err)?;
        fold.finish()?;
        Ok(walked)
    })?;
    let to = (&mut replayed.view, &mut replayed.verdicts);
    fold_rest(repo, &walked, to, &lines, &mut *keep)?;
    Ok(Opened { walked, view: replayed.view, verdicts: replayed.verdicts, unsaved: None })
}

/// Folds a log that was walked, from its first line.
///
/// # Errors
/// The first line is no genesis, or the files of a policy can't be read.
pub fn replay(repo: &Repo, walked: &Walked) -> Result<Replayed, ReplayError> {
    let mut replayed = Replayed { view: Overlay::over(Index::nothing()), verdicts: Verdicts::default() };
    fold_rest(repo, walked, (&mut replayed.view, &mut replayed.verdicts), &|_, _| {}, &mut |_| {})?;
    Ok(replayed)
}

/// Folds the lines that the view does not have yet.
fn fold_rest(
    repo: &Repo,
    walked: &Walked,
    (view, verdicts): (&mut LogView, &mut Verdicts),
    progress: &dyn Fn(u64, u64),
    keep: Keep<'_>,
) -> Result<(), ReplayError> {
    let (known, total) = (view.size(), walked.size());
    if known >= total {
        return Ok(());
    }
    thread::scope(|scope| {
        let progress = |done| progress(done, total);
        let mut fold = Fold::new(scope, repo, (view, verdicts), &progress, keep);
        for segment in walked.segments(repo, known) {
            fold.take(walked.tail, segment.map_err(ReplayError::Walk)?.iter().map(Vec::as_slice))?;
        }
        fold.finish()
    })
}

/// Lines on their way into a view: workers examine them, a batch each, while those before are folded and those after are
/// read. What is on its way at once is bounded, however long the log.
struct Fold<'scope, 'env, 'a> {
    scope: &'scope Scope<'scope, 'env>,
    repo: &'a Repo,
    view: &'a mut LogView,
    verdicts: &'a mut Verdicts,
    /// Is told how many lines the view has.
    progress: &'a dyn Fn(u64),
    keep: Keep<'a>,
    /// Where the log ends that the lines so far are of; none as long as there are none.
    tail: Option<Tail>,
    batch: Lines,
    /// Where batches are examined; none as long as there were not enough lines for it.
    jobs: Option<Sender<Job>>,
    /// The batches that are being examined, in log order.
    examined: VecDeque<Receiver<Vec<Examined>>>,
}

/// Lines to be examined, and who wants to know.
type Job = (Lines, Sender<Vec<Examined>>);

impl<'scope, 'env, 'a> Fold<'scope, 'env, 'a> {
    fn new(
        scope: &'scope Scope<'scope, 'env>,
        repo: &'a Repo,
        (view, verdicts): (&'a mut LogView, &'a mut Verdicts),
        progress: &'a dyn Fn(u64),
        keep: Keep<'a>,
    ) -> Fold<'scope, 'env, 'a> {
        let (batch, examined) = (Lines::default(), VecDeque::new());
        Fold { scope, repo, view, verdicts, progress, keep, tail: None, batch, jobs: None, examined }
    }

    /// Takes the lines that come next, of a log that ends there.
    fn take<'l>(&mut self, tail: Tail, lines: impl Iterator<Item = &'l [u8]>) -> Result<(), ReplayError> {
        self.tail = Some(tail);
        for line in lines {
            self.batch.push(line);
            if self.batch.len() >= BATCH || self.batch.size() >= BATCH_SIZE {
                self.send()?;
            }
        }
        Ok(())
    }

    /// Folds all that was taken.
    fn finish(mut self) -> Result<(), ReplayError> {
        while let Some(next) = self.examined.pop_front() {
            self.fold(&received(&next))?;
        }
        let rest = examine_all(&self.batch.iter().collect::<Vec<_>>());
        self.fold(&rest)
    }

    /// Lets the batch be examined, and folds what has been.
    fn send(&mut self) -> Result<(), ReplayError> {
        let (answer, examined) = mpsc::channel();
        let batch = std::mem::take(&mut self.batch);
        let scope = self.scope;
        let jobs = self.jobs.get_or_insert_with(|| start_workers(scope));
        if let Err(SendError((batch, answer))) = jobs.send((batch, answer)) {
            // The system gives no thread.
            let _ = answer.send(batch.iter().map(ledger::examine).collect());
        }
        self.examined.push_back(examined);
        while let Some(next) = self.examined.front() {
            let done = match self.examined.len() > MOST_WAITING * cores() {
                true => received(next),
                false => match next.try_recv() {
                    Ok(done) => done,
                    Err(_) => break,
                },
            };
            self.examined.pop_front();
            self.fold(&done)?;
        }
        Ok(())
    }

    /// Folds the lines that come next.
    fn fold(&mut self, lines: &[Examined]) -> Result<(), ReplayError> {
        for examined in lines {
            let files = match (ledger::needs_files(self.view, examined), &self.tail) {
                (true, Some(tail)) => read_files(self.repo, tail, self.view.size())?,
                (true, None) | (false, _) => None,
            };
            let delta = ledger::apply(self.view, examined, files.as_ref()).map_err(ReplayError::NoLog)?;
            (self.keep)(&delta);
            let kind = examined.outcome.as_ref().map_or("", |signed| signed.get().body.kind());
            self.verdicts.push_kind(&delta.verdict, kind);
            self.view.commit(delta);
        }
        (self.progress)(self.view.size());
        Ok(())
    }
}

/// Waits for what was examined.
fn received(from: &Receiver<Vec<Examined>>) -> Vec<Examined> {
    from.recv().expect(NO_PANIC)
}

/// How much stack a worker has, in bytes: what threads have, and a part of a page. Where stacks begin at a page, and so at
/// the same place in each build, what the curve's arithmetic keeps there can get in the way of what it reads, and a signature
/// takes a sixth longer. Measured: from 1,024 to 1,536 bytes beyond, no build so far is slow.
const STACK: usize = (2 << 20) + 1280;

/// Starts a worker for each core; fewer, or none, where the system gives no more threads. They end when nobody can send them
/// anything any more.
fn start_workers<'scope>(scope: &'scope Scope<'scope, '_>) -> Sender<Job> {
    let (sender, jobs) = mpsc::channel::<Job>();
    let jobs = Arc::new(Mutex::new(jobs));
    for _ in 0..cores() {
        let jobs = Arc::clone(&jobs);
        let work = move || {
            loop {
                let next = jobs.lock().expect(NO_PANIC).recv();
                let Ok((lines, answer)) = next else { return };
                // Nobody waits for it where another line could not be folded.
                let _ = answer.send(lines.iter().map(ledger::examine).collect());
            }
        };
        if thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work).is_err() {
            break;
        }
    }
    sender
}

/// Returns how many threads can run at once. It is asked for each batch, and the system is asked once, which reads files.
fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| thread::available_parallelism().map_or(1, NonZero::get))
}

/// Examines lines on all cores: a signature needs nothing but its own line.
pub(super) fn examine_all<L: AsRef<[u8]> + Sync>(lines: &[L]) -> Vec<Examined> {
    let share = lines.len().div_ceil(cores()).max(FEW);
    thread::scope(|scope| {
        let examine_share = |share: &[L]| share.iter().map(|line| ledger::examine(line.as_ref())).collect::<Vec<_>>();
        let mut shares = lines.chunks(share);
        let first = shares.next().unwrap_or_default();
        let start = |share| thread::Builder::new().spawn_scoped(scope, move || examine_share(share)).map_err(|_| share);
        let others: Vec<_> = shares.map(start).collect();
        let mut examined = examine_share(first);
        for other in others {
            // A share that the system gives no thread for is examined here.
            examined.extend(other.map_or_else(examine_share, |other| other.join().expect(NO_PANIC)));
        }
        examined
    })
}

fn read_files(repo: &Repo, tail: &Tail, index: u64) -> Result<Option<PolicyFiles>, ReplayError> {
    read_policy(repo, tail, index).map_err(|why| ReplayError::Walk(WalkError::Tree(why)))
}

/// Why a log could not be folded.
#[derive(Debug)]
pub enum ReplayError {
    /// The first line is no genesis.
    NoLog(NoLog),
    /// The files of a policy can't be read.
    Walk(WalkError),
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReplayError::NoLog(why) => why.fmt(f),
            ReplayError::Walk(why) => why.fmt(f),
        }
    }
}

impl std::error::Error for ReplayError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ReplayError::NoLog(_) => None,
            ReplayError::Walk(why) => why.source(),
        }
    }
}
