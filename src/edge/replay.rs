//! From a walked log to all that follows from it: examine every line on all cores, then fold them in order.

use std::fmt;
use std::num::NonZero;
use std::thread;

use super::git::Repo;
use super::log::{WalkError, Walked};
use crate::core::history::chain::Rules;
use crate::core::history::object::Oid;
use crate::core::ledger::{self, Examined, NoLog, Verdict};
use crate::core::policy::PolicyFiles;
use crate::core::view::{Memory, View as _};

/// How many lines are examined between two words of progress, unless they are large.
const BATCH: usize = 4096;
/// How many bytes of lines are examined at once; one segment may be more.
const BATCH_SIZE: usize = 4 << 20;
/// Fewer lines than this for each thread are not worth starting it.
const FEW: usize = 32;

/// All that follows from a log's lines.
pub type LogView = Memory;

/// A log, folded.
#[derive(Debug)]
pub struct Replayed {
    /// All that follows from its lines.
    pub view: LogView,
    /// What each line is worth.
    pub verdicts: Vec<Verdict>,
}

/// A log as it stands at one commit: walked, and folded.
#[derive(Clone, Debug)]
pub struct Opened {
    /// How it was walked, and where it ends.
    pub walked: Walked,
    /// All that follows from its lines.
    pub view: LogView,
    /// What each line is worth.
    pub verdicts: Vec<Verdict>,
}

impl Opened {
    /// Goes on to a later `tip`, walking and folding only what is new; false where the log has to be opened anew, and
    /// then nothing has changed. See [`Walked::go_on`].
    ///
    /// # Errors
    /// The commits can't be walked, or the files of a policy can't be read. Then this log is no longer of use.
    pub fn go_on(&mut self, repo: &Repo, tip: Oid, pin: Option<Oid>, rules: &Rules<'_>) -> Result<bool, ReplayError> {
        if !self.walked.go_on(repo, tip, pin, rules).map_err(ReplayError::Walk)? {
            return Ok(false);
        }
        fold_rest(repo, &self.walked, &mut self.view, &mut self.verdicts, &|_, _| {})?;
        Ok(true)
    }
}

/// Folds a log from its first line; `progress` is told how many of how many lines are done.
///
/// # Errors
/// The first line is no genesis, or the files of a policy can't be read.
pub fn replay(repo: &Repo, walked: &Walked, progress: &dyn Fn(u64, u64)) -> Result<Replayed, ReplayError> {
    let mut replayed = Replayed { view: LogView::new(), verdicts: Vec::new() };
    fold_rest(repo, walked, &mut replayed.view, &mut replayed.verdicts, progress)?;
    Ok(replayed)
}

/// Folds the lines that the view does not have yet.
fn fold_rest(
    repo: &Repo,
    walked: &Walked,
    view: &mut LogView,
    verdicts: &mut Vec<Verdict>,
    progress: &dyn Fn(u64, u64),
) -> Result<(), ReplayError> {
    let total = walked.size();
    let (mut batch, mut bytes) = (Vec::new(), 0);
    for segment in walked.segments(repo, view.size()) {
        let segment = segment.map_err(ReplayError::Walk)?;
        bytes += segment.iter().map(Vec::len).sum::<usize>();
        batch.extend(segment);
        if batch.len() >= BATCH || bytes >= BATCH_SIZE {
            progress(view.size(), total);
            fold(repo, walked, &batch, view, verdicts)?;
            batch.clear();
            bytes = 0;
        }
    }
    progress(view.size(), total);
    fold(repo, walked, &batch, view, verdicts)?;
    progress(total, total);
    Ok(())
}

/// Folds the lines that come next.
fn fold(
    repo: &Repo,
    walked: &Walked,
    lines: &[Vec<u8>],
    view: &mut LogView,
    verdicts: &mut Vec<Verdict>,
) -> Result<(), ReplayError> {
    for examined in examine_all(lines) {
        let files = match ledger::needs_files(view, &examined) {
            true => read_files(repo, walked, view.size())?,
            false => None,
        };
        let delta = ledger::apply(view, &examined, files.as_ref()).map_err(ReplayError::NoLog)?;
        verdicts.push(delta.verdict.clone());
        view.commit(delta);
    }
    Ok(())
}

/// Examines lines on all cores: a signature needs nothing but its own line.
pub(super) fn examine_all(lines: &[Vec<u8>]) -> Vec<Examined> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let share = lines.len().div_ceil(cores).max(FEW);
    thread::scope(|scope| {
        let examine_share = |share: &[Vec<u8>]| share.iter().map(|line| ledger::examine(line)).collect::<Vec<_>>();
        let mut shares = lines.chunks(share);
        let first = shares.next().unwrap_or_default();
        let others: Vec<_> = shares.map(|share| scope.spawn(move || examine_share(share))).collect();
        let mut examined = examine_share(first);
        for other in others {
            examined.extend(other.join().expect("examining a line does not panic"));
        }
        examined
    })
}

fn read_files(repo: &Repo, walked: &Walked, index: u64) -> Result<Option<PolicyFiles>, ReplayError> {
    walked.policy_files(repo, index).map_err(ReplayError::Walk)
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
