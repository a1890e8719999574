//! From a walked log to all that follows from it: examine every line on all cores, then fold them in order.

use std::fmt;
use std::num::NonZero;
use std::thread;

use super::git::Repo;
use super::log::{WalkError, Walked};
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

/// Folds a log from its first line; `progress` is told how many of how many lines are done.
///
/// # Errors
/// The first line is no genesis, or the files of a policy can't be read.
pub fn replay(repo: &Repo, walked: &Walked, progress: &dyn Fn(u64, u64)) -> Result<Replayed, ReplayError> {
    let total = walked.size();
    let mut replayed = Replayed { view: Memory::new(), verdicts: Vec::new() };
    let (mut batch, mut bytes) = (Vec::new(), 0);
    for segment in walked.segments(repo) {
        let segment = segment.map_err(ReplayError::Walk)?;
        bytes += segment.iter().map(Vec::len).sum::<usize>();
        batch.extend(segment);
        if batch.len() >= BATCH || bytes >= BATCH_SIZE {
            progress(replayed.view.size(), total);
            fold(repo, walked, &batch, &mut replayed)?;
            batch.clear();
            bytes = 0;
        }
    }
    progress(replayed.view.size(), total);
    fold(repo, walked, &batch, &mut replayed)?;
    progress(total, total);
    Ok(replayed)
}

/// Folds the lines that come next.
fn fold(repo: &Repo, walked: &Walked, lines: &[Vec<u8>], replayed: &mut Replayed) -> Result<(), ReplayError> {
    for examined in examine_all(lines) {
        let files = match ledger::needs_files(&replayed.view, &examined) {
            true => read_files(repo, walked, replayed.view.size())?,
            false => None,
        };
        let delta = ledger::apply(&replayed.view, &examined, files.as_ref()).map_err(ReplayError::NoLog)?;
        replayed.verdicts.push(delta.verdict.clone());
        replayed.view.commit(delta);
    }
    Ok(())
}

/// Examines lines on all cores: a signature needs nothing but its own line.
fn examine_all(lines: &[Vec<u8>]) -> Vec<Examined> {
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
