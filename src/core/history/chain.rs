//! Which log a branch holds: every commit from the first to the tip, judged once.
//!
//! The first commit has no parent and holds line 0 alone, a valid genesis. Every other commit is an append to the last
//! valid tree before it, or void: reported, its content ignored. A merge is void too, and the log goes on through one
//! of its parents:
//!
//! 1. the one that holds the pin, which is the commit that this machine last accepted: it is the pin or comes after it;
//! 2. if none or several do, the one whose log extends those of all others, the first of equals; a parent that is no
//!    log counts as empty;
//! 3. if there is none, the branch is no log from there on.
//!
//! Of the merges before the pin the same is asked with the answer in hand: this machine has accepted the pinned log,
//! so the log goes on through the parent with the longest part of it. (By rule 2 alone, a merge with a fork that this
//! machine had once passed by rule 1 would be unreadable to it as soon as its pin moved past that merge.)
//!
//! [`follow`] walks the graph in an order in which parents come before children, so however many merges cross each other,
//! no commit is looked at twice. A log may have as many commits as lines, nearly all of them with one parent: of such a one
//! the ids of itself and its tree are kept until it is judged, and nothing after that. What merges take is kept for merges
//! alone. [`go_on`] walks what came since, if it simply follows.

use std::collections::BTreeMap;
use std::fmt;

use super::foreseen::Foreseen;
use super::judge::{Appended, NamedDigest, judge_append_with, judge_first};
use super::object::{Objects, Oid};
use super::policy_folder::Sums;
use super::segment::{Tail, TreeError, is_prefix, measure};
use super::void::Void;

/// What a walk must know of lines.
#[derive(Clone, Copy)]
pub struct Rules<'a> {
    /// Tells whether a line is a valid genesis, and the one that is asked for.
    pub is_genesis: &'a dyn Fn(&[u8]) -> bool,
    /// Gives the digest that a line names, if the line has a canonical `policy` body.
    pub named_digest: NamedDigest<'a>,
}

/// The log that a branch holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chain {
    /// Where it ends.
    pub tail: Tail,
    /// The commit that added its last line.
    pub last_valid: Oid,
    /// The void commits from the first to the tip, by the parents that were followed, oldest first.
    pub voids: Vec<(Oid, Void)>,
    /// Whether the pin is the tip or comes before it. If there is a pin and this is false, the log was rewritten, or
    /// another clone is ahead of this one. If it is true the pinned lines are still to be compared by their root: where
    /// somebody merged forks after the pin, what comes of it may be another log.
    pub holds_pin: bool,
}

/// Why a branch holds no log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ChainError<E> {
    /// This first commit begins no log.
    NoLog(Oid, Void),
    /// Of this merge's parents none extends all others, and not just one holds the pin.
    Forked(Oid),
    /// This object is no commit that git can read.
    Unreadable(Oid),
    /// An object is missing or damaged.
    Objects(E),
}

impl<E: fmt::Display> fmt::Display for ChainError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChainError::NoLog(commit, why) => write!(f, "commit {commit} begins no log: {why}"),
            ChainError::Forked(merge) => write!(f, "commit {merge} merges logs of which none extends the others"),
            ChainError::Unreadable(oid) => write!(f, "{oid} is not a commit that can be read"),
            ChainError::Objects(error) => error.fmt(f),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for ChainError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ChainError::Objects(error) => error.source(),
            _ => None,
        }
    }
}

/// Walks every commit up to `tip`.
///
/// # Errors
/// See [`ChainError`].
pub fn follow<O: Objects + ?Sized>(
    objects: &O,
    tip: Oid,
    pin: Option<Oid>,
    rules: &Rules<'_>,
) -> Result<Chain, ChainError<O::Error>> {
    follow_handing(objects, tip, pin, rules, &mut |_| {})
}

/// As [`follow`]; `take` is handed what each commit appended, oldest first, so that nobody need read it again. Where there
/// are merges only the end tells which commits are the log's, and nothing is handed over.
///
/// # Errors
/// See [`ChainError`].
pub fn follow_handing<O: Objects + ?Sized>(
    objects: &O,
    tip: Oid,
    pin: Option<Oid>,
    rules: &Rules<'_>,
    take: &mut dyn FnMut(Appended),
) -> Result<Chain, ChainError<O::Error>> {
    let Commits { mut all, parents } = discover(objects, tip)?;
    let has_merges = parents.values().any(|parents| parents.len() > 1);
    // The pin bears on merges alone.
    let (mut before_pin, mut pinned) = (Vec::new(), None);
    if has_merges && let Some(place) = all.iter().position(|commit| Some(commit.oid) == pin) {
        before_pin = mark_before(place, &parents);
        let tree = all.get(place).and_then(|commit| commit.tree);
        pinned = tree.map(|tree| measure(objects, tree)).transpose().map_err(ChainError::Objects)?.flatten();
    }
    let foreseen = Foreseen::new(objects, all.last().and_then(|tip| tip.tree));
    let mut walk = Walk::new(objects, rules, pin, parents, foreseen);
    all.reverse();
    while let Some(commit) = take_last(&mut all) {
        let is_before_pin = before_pin.get(walk.judged).is_some_and(|mark| *mark);
        walk.judge(&commit, pinned.as_ref().filter(|_| is_before_pin))?;
        if let Some(appended) = walk.appended.take().filter(|_| !has_merges) {
            take(appended);
        }
    }
    walk.finish(tip)
}

/// The most commits that [`go_on`] takes, and that another walk is not worth.
const MOST_STEPS: usize = 10_000;

/// Goes on from the log at the commit `from` to a later `tip`. It gives the answer of [`follow`], or none where only that
/// can tell: the tip does not come after `from` by commits with one parent each; there is a pin, and neither holds `from` it
/// nor what came since; or it is among what came since, and merges before it were judged without it.
///
/// # Errors
/// See [`ChainError`].
pub fn go_on<O: Objects + ?Sized>(
    objects: &O,
    from: Oid,
    known: &Chain,
    tip: Oid,
    pin: Option<Oid>,
    rules: &Rules<'_>,
) -> Result<Option<Chain>, ChainError<O::Error>> {
    let mut holds_pin = known.holds_pin;
    let mut steps = Vec::new();
    let mut at = tip;
    while at != from {
        let head = objects.commit(at).map_err(ChainError::Objects)?;
        let parent = head.as_ref().and_then(|head| match *head.parents {
            [parent] => Some((head.tree, parent)),
            _ => None,
        });
        let Some((tree, parent)) = parent.filter(|_| steps.len() < MOST_STEPS) else { return Ok(None) };
        holds_pin |= Some(at) == pin;
        steps.push((at, tree));
        at = parent;
    }
    let has_merges = || known.voids.iter().any(|(_, void)| matches!(void, Void::Merge(_)));
    if pin.is_some() && (!holds_pin || (!known.holds_pin && has_merges())) {
        return Ok(None);
    }
    let (mut chain, mut sums) = (Chain { holds_pin, ..known.clone() }, Sums::default());
    for (commit, tree) in steps.into_iter().rev() {
        match judge_append_with(objects, &chain.tail, tree, rules.named_digest, &mut sums) {
            Ok(new) => (chain.tail, chain.last_valid) = (new.tail, commit),
            Err(error) => chain.voids.push((commit, void_or_error(error)?)),
        }
    }
    Ok(Some(chain))
}

/// All commits up to a tip. There may be as many as lines, so of each no more is kept than must be.
pub(super) struct Commits {
    /// Parents before children, the tip last.
    pub(super) all: Vec<Commit>,
    parents: Parents,
}

/// A commit of the graph.
pub(super) struct Commit {
    pub(super) oid: Oid,
    /// None if the object is no commit.
    tree: Option<Oid>,
}

/// The places of commits' parents among all commits, all smaller than their own, by which they stand here. A commit with one
/// parent, just before it, is not here, and nearly each is such a one.
type Parents = BTreeMap<usize, Vec<usize>>;

/// Returns all commits up to `tip`.
pub(super) fn discover<O: Objects + ?Sized>(objects: &O, tip: Oid) -> Result<Commits, ChainError<O::Error>> {
    /// A commit whose parents are looked at.
    struct Open {
        oid: Oid,
        tree: Option<Oid>,
        /// None if its one parent is met for the first time, and so comes just before it.
        fork: Option<Box<Fork>>,
    }
    struct Fork {
        parents: Vec<Oid>,
        next: usize,
    }
    let (mut all, mut parents_of) = (Vec::new(), Parents::new());
    let mut stack: Vec<Open> = Vec::new();
    // Where the commits are that one of the open forks may lead to again.
    let (mut places, mut open_forks) = (BTreeMap::<Oid, usize>::new(), 0_usize);
    let mut next = Some(tip);
    loop {
        if let Some(oid) = next.take() {
            let head = objects.commit(oid).map_err(ChainError::Objects)?;
            let (tree, parents) = head.map_or((None, Vec::new()), |head| (Some(head.tree), head.parents));
            let fork = match *parents {
                [only] if !places.contains_key(&only) => {
                    next = Some(only);
                    None
                }
                _ => Some(Box::new(Fork { parents, next: 0 })),
            };
            open_forks += usize::from(fork.is_some());
            stack.push(Open { oid, tree, fork });
            continue;
        }
        if let Some(fork) = stack.last_mut().and_then(|top| top.fork.as_mut())
            && let Some(parent) = fork.parents.get(fork.next)
        {
            fork.next += 1;
            // No commit is its own ancestor, so one on the stack is never met again.
            next = Some(*parent).filter(|parent| !places.contains_key(parent));
            continue;
        }
        // A long history is on the stack as a whole before it is among the commits.
        let Some(Open { oid, tree, fork }) = take_last(&mut stack) else { break };
        if let Some(fork) = fork {
            open_forks -= 1;
            let parents = fork.parents.iter().filter_map(|parent| places.get(parent).copied());
            parents_of.insert(all.len(), parents.collect());
        }
        match open_forks {
            0 => places.clear(),
            _ => drop(places.insert(oid, all.len())),
        }
        all.push(Commit { oid, tree });
    }
    Ok(Commits { all, parents: parents_of })
}

/// Takes the last of a list, which gives back what memory it no longer needs.
fn take_last<T>(list: &mut Vec<T>) -> Option<T> {
    let last = list.pop();
    if list.len() < list.capacity() / 4 {
        list.shrink_to(list.len() * 2);
    }
    last
}

/// Marks the commits that come before the one at `place`.
fn mark_before(place: usize, parents: &Parents) -> Vec<bool> {
    let mut marks = vec![false; place];
    let mark = |before: usize, marks: &mut [bool]| {
        if let Some(mark) = marks.get_mut(before) {
            *mark = true;
        }
    };
    for at in (0..=place).rev() {
        if at < place && !marks.get(at).is_some_and(|mark| *mark) {
            continue;
        }
        match (parents.get(&at), at.checked_sub(1)) {
            (Some(parents), _) => parents.iter().for_each(|parent| mark(*parent, &mut marks)),
            (None, Some(before)) => mark(before, &mut marks),
            (None, None) => {}
        }
    }
    marks
}

/// What the graph up to a commit comes to.
#[derive(Clone, Copy)]
struct State {
    log: LogOrBreak,
    holds_pin: bool,
}

/// A log, or the place among the breaks of why there is none.
type LogOrBreak = Result<Log, usize>;

/// Where a log ends.
#[derive(Clone, Copy)]
struct Log {
    tail: Tail,
    last_valid: Oid,
    /// The place of its last void commit among all of them.
    last_void: Option<usize>,
}

enum Break {
    First(Void),
    Forked,
    Unreadable,
}

struct Walk<'a, O: ?Sized> {
    objects: &'a O,
    rules: &'a Rules<'a>,
    pin: Option<Oid>,
    /// The parents of the commits that are not judged yet.
    parents: Parents,
    /// How many are judged.
    judged: usize,
    /// The state at the last of them.
    last: Option<State>,
    /// The states at those that others than just the next one go on from, by their places.
    states: BTreeMap<usize, Option<State>>,
    /// The void commits, each with the place of the one before it in the same log.
    voids: Vec<(Oid, Void, Option<usize>)>,
    /// Where a log ends for good, or none begins, and why.
    breaks: Vec<(Oid, Break)>,
    sums: Sums,
    foreseen: Foreseen<'a, O>,
    /// What the commit that was judged last added.
    appended: Option<Appended>,
}

impl<'a, O: Objects + ?Sized> Walk<'a, O> {
    fn new(
        objects: &'a O,
        rules: &'a Rules<'a>,
        pin: Option<Oid>,
        parents: Parents,
        foreseen: Foreseen<'a, O>,
    ) -> Walk<'a, O> {
        let states = parents.values().flatten().map(|place| (*place, None)).collect();
        let (judged, last, appended, sums) = (0, None, None, Sums::default());
        let (voids, breaks) = (Vec::new(), Vec::new());
        Walk { objects, rules, pin, parents, judged, last, states, voids, breaks, sums, foreseen, appended }
    }

    /// Judges the commit that comes next; `pinned` is where the pin's log ends, if it comes before the pin.
    fn judge(&mut self, commit: &Commit, pinned: Option<&Tail>) -> Result<(), ChainError<O::Error>> {
        let (last, parents) = (self.last, self.parents.remove(&self.judged));
        let several = parents.map(|parents| {
            parents.iter().filter_map(|place| self.states.get(place).copied().flatten()).collect::<Vec<_>>()
        });
        let before = several.as_deref().unwrap_or(last.as_slice());
        let log = match (commit.tree, before) {
            (None, _) => self.breaks_off(commit.oid, Break::Unreadable),
            (Some(tree), []) => self.judge_first(commit.oid, tree)?,
            (Some(tree), [parent]) => self.judge_append(commit.oid, tree, parent.log)?,
            (Some(_), parents) => {
                let parent = match pinned {
                    Some(pinned) => self.parent_in_pinned(parents, pinned),
                    None => self.parent_to_follow(parents),
                };
                match parent.map_err(ChainError::Objects)? {
                    Some(log) => self.after(log, commit.oid, Void::Merge(parents.len())),
                    None => self.breaks_off(commit.oid, Break::Forked),
                }
            }
        };
        let holds_pin = Some(commit.oid) == self.pin || before.iter().any(|parent| parent.holds_pin);
        let state = Some(State { log, holds_pin });
        if let Some(kept) = self.states.get_mut(&self.judged) {
            *kept = state;
        }
        self.last = state;
        self.judged += 1;
        Ok(())
    }

    fn judge_first(&mut self, oid: Oid, tree: Oid) -> Result<LogOrBreak, ChainError<O::Error>> {
        let why = match judge_first(self.objects, tree) {
            Ok(first) if first.lines.iter().next().is_some_and(|line| (self.rules.is_genesis)(line)) => {
                let tail = first.tail;
                self.appended = Some(first);
                return Ok(Ok(Log { tail, last_valid: oid, last_void: None }));
            }
            Ok(_) => Void::NotGenesis,
            Err(error) => void_or_error(error)?,
        };
        Ok(self.breaks_off(oid, Break::First(why)))
    }

    fn judge_append(&mut self, oid: Oid, tree: Oid, parent: LogOrBreak) -> Result<LogOrBreak, ChainError<O::Error>> {
        let Ok(old) = parent else { return Ok(parent) };
        let named_digest = self.rules.named_digest;
        let judged = match self.foreseen.append(&old.tail, tree, named_digest) {
            Some(new) => Ok(new),
            None => judge_append_with(self.objects, &old.tail, tree, named_digest, &mut self.sums)
                .inspect(|new| self.foreseen.learn(new)),
        };
        match judged {
            Ok(new) => {
                let tail = new.tail;
                self.appended = Some(new);
                Ok(Ok(Log { tail, last_valid: oid, ..old }))
            }
            Err(error) => Ok(self.after(parent, oid, void_or_error(error)?)),
        }
    }

    /// Returns what comes of a void commit, which is what its parent came to.
    fn after(&mut self, parent: LogOrBreak, oid: Oid, void: Void) -> LogOrBreak {
        let log = parent?;
        self.voids.push((oid, void, log.last_void));
        Ok(Log { last_void: Some(self.voids.len() - 1), ..log })
    }

    /// Returns that there is no log from this commit on.
    fn breaks_off(&mut self, oid: Oid, why: Break) -> LogOrBreak {
        self.breaks.push((oid, why));
        Err(self.breaks.len() - 1)
    }

    /// Rules 1 to 3 of the module's head: what the parent to follow came to.
    fn parent_to_follow(&self, parents: &[State]) -> Result<Option<LogOrBreak>, O::Error> {
        let mut holders = parents.iter().filter(|parent| parent.holds_pin);
        if let (Some(only), None) = (holders.next(), holders.next()) {
            return Ok(Some(only.log));
        }
        let logs = || parents.iter().filter_map(|parent| parent.log.ok());
        let Some(longest) = longest(logs()) else {
            // None is a log; what is said of the first will do.
            return Ok(parents.first().map(|parent| parent.log));
        };
        for other in logs() {
            if !is_prefix(self.objects, &other.tail, &longest.tail)? {
                return Ok(None);
            }
        }
        Ok(Some(Ok(longest)))
    }

    /// The rule for merges before the pin.
    fn parent_in_pinned(&self, parents: &[State], pinned: &Tail) -> Result<Option<LogOrBreak>, O::Error> {
        let mut parts = Vec::new();
        for log in parents.iter().filter_map(|parent| parent.log.ok()) {
            if is_prefix(self.objects, &log.tail, pinned)? {
                parts.push(log);
            }
        }
        Ok(longest(parts.into_iter()).map(Ok))
    }

    fn finish(self, tip: Oid) -> Result<Chain, ChainError<O::Error>> {
        let State { log, holds_pin } = self.last.ok_or(ChainError::Unreadable(tip))?;
        let Log { tail, last_valid, last_void } = match log {
            Ok(log) => log,
            Err(place) => {
                return Err(match self.breaks.into_iter().nth(place) {
                    Some((oid, Break::First(why))) => ChainError::NoLog(oid, why),
                    Some((oid, Break::Forked)) => ChainError::Forked(oid),
                    Some((oid, Break::Unreadable)) => ChainError::Unreadable(oid),
                    None => ChainError::Unreadable(tip),
                });
            }
        };
        let (mut voids, mut next) = (Vec::new(), last_void);
        for (place, (oid, void, before)) in self.voids.into_iter().enumerate().rev() {
            if next == Some(place) {
                voids.push((oid, void));
                next = before;
            }
        }
        voids.reverse();
        Ok(Chain { tail, last_valid, voids, holds_pin })
    }
}

/// Returns the longest log, the first of equals; none if there is none.
fn longest(logs: impl Iterator<Item = Log>) -> Option<Log> {
    logs.reduce(|best, other| if other.tail.size > best.tail.size { other } else { best })
}

/// Tells a void commit from an object that can't be read.
pub(super) fn void_or_error<E>(error: TreeError<E>) -> Result<Void, ChainError<E>> {
    match error {
        TreeError::Void(void) => Ok(void),
        TreeError::Objects(error) => Err(ChainError::Objects(error)),
    }
}

#[cfg(test)]
mod tests;
