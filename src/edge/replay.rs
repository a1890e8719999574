//! From a walked log to all that follows from it: examine every line on all cores, then fold them in order.

use std::fmt;
use std::num::NonZero;
use std::rc::Rc;
use std::thread;

use super::git::Repo;
use super::index::{Index, Prefix};
use super::log::{WalkError, Walked};
use crate::core::hash::Hash;
use crate::core::history::chain::Rules;
use crate::core::history::object::Oid;
use crate::core::history::void::Void;
use crate::core::ledger::{self, Delta, Examined, NoLog, Verdict};
use crate::core::policy::PolicyFiles;
use crate::core::view::{Overlay, View as _};

/// How many lines are examined between two words of progress, unless they are large.
const BATCH: usize = 4096;
/// How many bytes of lines are examined at once; one segment may be more.
const BATCH_SIZE: usize = 4 << 20;
/// Fewer lines than this for each thread are not worth starting it.
const FEW: usize = 32;

/// All that follows from a log's lines: an index, perhaps of nothing, and what is new since.
pub type LogView = Overlay<Index>;

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
    /// How it was walked, and where it ends. Of what an index tells, the void commits are not known.
    pub walked: Walked,
    /// All that follows from its lines.
    pub view: LogView,
    /// What each line is worth that the index does not have.
    pub verdicts: Vec<Verdict>,
    /// What the index is to take in once nobody reads from it any more.
    pub unsaved: Option<Rc<Unsaved>>,
}

/// What an index lacks. It goes in when this is dropped, and what is read from the index is of the moment before.
#[derive(Debug)]
pub struct Unsaved {
    /// The index.
    pub index: Index,
    /// What the lines after its own changed.
    pub deltas: Vec<Delta>,
    /// Up to where it then reaches.
    pub prefix: Prefix,
    /// The root there.
    pub root: Hash,
}

impl Drop for Unsaved {
    fn drop(&mut self) {
        // An index that could not be written is as true as before, and the next command tries again; `jit doctor` looks
        // whether it can be.
        let _ = self.index.advance(&self.deltas, &self.prefix, self.root);
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
        Opened { walked, view: Overlay::over(index), verdicts: Vec::new(), unsaved: None }
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

/// Folds a log from its first line; `progress` is told how many of how many lines are done.
///
/// # Errors
/// The first line is no genesis, or the files of a policy can't be read.
pub fn replay(repo: &Repo, walked: &Walked, progress: &dyn Fn(u64, u64)) -> Result<Replayed, ReplayError> {
    replay_keeping(repo, walked, progress, &mut |_| {})
}

/// As [`replay`]; `keep` is told what each line changes.
///
/// # Errors
/// As there.
pub fn replay_keeping(
    repo: &Repo,
    walked: &Walked,
    progress: &dyn Fn(u64, u64),
    keep: Keep<'_>,
) -> Result<Replayed, ReplayError> {
    let mut replayed = Replayed { view: Overlay::over(Index::nothing()), verdicts: Vec::new() };
    fold_rest(repo, walked, (&mut replayed.view, &mut replayed.verdicts), progress, keep)?;
    Ok(replayed)
}

/// Folds the lines that the view does not have yet.
fn fold_rest(
    repo: &Repo,
    walked: &Walked,
    (view, verdicts): (&mut LogView, &mut Vec<Verdict>),
    progress: &dyn Fn(u64, u64),
    keep: Keep<'_>,
) -> Result<(), ReplayError> {
    let total = walked.size();
    if view.size() >= total {
        return Ok(());
    }
    let (mut batch, mut bytes) = (Vec::new(), 0);
    for segment in walked.segments(repo, view.size()) {
        let segment = segment.map_err(ReplayError::Walk)?;
        bytes += segment.iter().map(Vec::len).sum::<usize>();
        batch.extend(segment);
        if batch.len() >= BATCH || bytes >= BATCH_SIZE {
            progress(view.size(), total);
            fold(repo, walked, &batch, (view, verdicts), keep)?;
            batch.clear();
            bytes = 0;
        }
    }
    progress(view.size(), total);
    fold(repo, walked, &batch, (view, verdicts), keep)?;
    progress(total, total);
    Ok(())
}

/// Folds the lines that come next.
fn fold(
    repo: &Repo,
    walked: &Walked,
    lines: &[Vec<u8>],
    (view, verdicts): (&mut LogView, &mut Vec<Verdict>),
    keep: Keep<'_>,
) -> Result<(), ReplayError> {
    for examined in examine_all(lines) {
        let files = match ledger::needs_files(view, &examined) {
            true => read_files(repo, walked, view.size())?,
            false => None,
        };
        let delta = ledger::apply(view, &examined, files.as_ref()).map_err(ReplayError::NoLog)?;
        keep(&delta);
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
