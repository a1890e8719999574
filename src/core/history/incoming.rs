//! What a push brings to the log's branch, judged before the branch moves: by the rules of a walk, but of a host that
//! can still say no. What a walk would pass over as void, and what a clone would find rewritten, is refused.
//!
//! The commits between the branch and what is pushed are found from the new end, so their judgement costs what they
//! bring. Where the log ends on the branch as it stands takes a walk from its first commit ([`follow`]).

use std::fmt;

use super::chain::{ChainError, Rules, discover, follow, void_or_error};
use super::judge::judge_append;
use super::object::{Objects, Oid};
use super::segment::Tail;
use super::void::Void;

/// Why a push is refused, or can't be judged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PushError<E> {
    /// The branch as it stands is no log, or can't be read: there is nothing to append to.
    Branch(ChainError<E>),
    /// What is pushed is no log, or can't be read.
    Pushed(ChainError<E>),
    /// The branch's commit is not among those before the one that is pushed.
    Rewrites,
    /// It brings this commit, which is no append to the log before it.
    Void(Oid, Void),
}

impl<E> PushError<E> {
    /// Tells whether what is pushed is at fault. Otherwise the branch was broken before, or the objects can't be read.
    pub fn is_refusal(&self) -> bool {
        match self {
            PushError::Rewrites | PushError::Void(..) => true,
            PushError::Pushed(error) => match error {
                ChainError::NoLog(..) | ChainError::Forked(_) | ChainError::Unreadable(_) => true,
                ChainError::Objects(_) => false,
            },
            PushError::Branch(_) => false,
        }
    }
}

impl<E: fmt::Display> fmt::Display for PushError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PushError::Branch(error) => write!(f, "the branch as it stands can't be appended to: {error}"),
            PushError::Pushed(error) => error.fmt(f),
            PushError::Rewrites => write!(f, "it takes back commits that the branch has"),
            PushError::Void(commit, why) => write!(f, "commit {commit} is void: {why}"),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for PushError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            PushError::Branch(error) | PushError::Pushed(error) => error.source(),
            PushError::Rewrites | PushError::Void(..) => None,
        }
    }
}

/// Judges a push that moves the branch from `old` (none: makes it) to `new`, and returns where the log then ends.
///
/// # Errors
/// The push is refused, or can't be judged; see [`PushError`].
pub fn judge_push<O: Objects + ?Sized>(
    objects: &O,
    old: Option<Oid>,
    new: Oid,
    rules: &Rules<'_>,
) -> Result<Tail, PushError<O::Error>> {
    let added = added(objects, old, new)?;
    // Of a new branch its own first commit is what the others are appended to.
    let (mut tail, appends) = match (old, added.split_last()) {
        (Some(old), _) => (follow(objects, old, None, rules).map_err(PushError::Branch)?.tail, &*added),
        (None, Some(((first, _), rest))) => {
            (follow(objects, *first, None, rules).map_err(PushError::Pushed)?.tail, rest)
        }
        (None, None) => return Err(PushError::Pushed(ChainError::Unreadable(new))),
    };
    for (commit, tree) in appends.iter().rev() {
        tail = match judge_append(objects, &tail, *tree, rules.named_digest) {
            Ok(appended) => appended.tail,
            Err(error) => {
                let why = void_or_error(error).map_err(PushError::Pushed)?;
                return Err(PushError::Void(*commit, why));
            }
        };
    }
    Ok(tail)
}

/// Returns the commits from `new` back to the one after `old` (none: to the first), and their trees. Each but the last
/// has the next as its only parent.
fn added<O: Objects + ?Sized>(objects: &O, old: Option<Oid>, new: Oid) -> Result<Vec<(Oid, Oid)>, PushError<O::Error>> {
    let mut added = Vec::new();
    let mut at = new;
    while Some(at) != old {
        let head = objects.commit(at).map_err(|error| PushError::Pushed(ChainError::Objects(error)))?;
        let Some(head) = head else { return Err(PushError::Pushed(ChainError::Unreadable(at))) };
        added.push((at, head.tree));
        match *head.parents {
            [parent] => at = parent,
            [] if old.is_none() => break,
            [] => return Err(PushError::Rewrites),
            // A merge that was there before the branch was taken back is not what is wrong with the push.
            _ if is_rewritten(objects, old, new)? => return Err(PushError::Rewrites),
            _ => return Err(PushError::Void(at, Void::Merge(head.parents.len()))),
        }
    }
    Ok(added)
}

/// Tells whether `old` is missing among `new` and all commits before it.
fn is_rewritten<O: Objects + ?Sized>(objects: &O, old: Option<Oid>, new: Oid) -> Result<bool, PushError<O::Error>> {
    let Some(old) = old else { return Ok(false) };
    let commits = discover(objects, new).map_err(PushError::Pushed)?;
    Ok(commits.all.iter().all(|commit| commit.oid != old))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::history::append::build;
    use crate::core::history::append::tests::{named, plain};
    use crate::core::history::object::memory::{MemoryObjects, Missing};

    const RULES: Rules<'_> = Rules { is_genesis: &|line| line == b"line 0", named_digest: &named };

    struct Host {
        store: MemoryObjects,
        count: u64,
    }

    impl Host {
        fn new() -> Host {
            Host { store: MemoryObjects::default(), count: 0 }
        }

        /// A commit with these lines, whatever its parents.
        fn commit(&mut self, lines: &[u64], parents: &[Oid]) -> Oid {
            let tree = build(&self.store, None, &plain(lines.iter().copied()), &named).unwrap().tree;
            self.count += 1;
            self.store.put_commit(tree, parents, &self.count.to_string())
        }

        fn judge(&self, old: Option<Oid>, new: Oid) -> Result<u64, PushError<Missing>> {
            judge_push(&self.store, old, new, &RULES).map(|tail| tail.size)
        }
    }

    #[test]
    fn only_appends_get_in() {
        let mut host = Host::new();
        let first = host.commit(&[0], &[]);
        let old = host.commit(&[0, 1], &[first]);
        let next = host.commit(&[0, 1, 2], &[old]);
        let last = host.commit(&[0, 1, 2, 3, 4], &[next]);
        let dropped = host.commit(&[0], &[old]);
        let healed = host.commit(&[0, 1, 2], &[dropped]);
        let changed = host.commit(&[0, 7, 2], &[old]);
        let reordered = host.commit(&[0, 2, 1], &[next]);
        let idle = host.commit(&[0, 1, 2], &[next]);
        let fork = host.commit(&[0, 8], &[first]);
        let rewritten = host.commit(&[0, 1, 2], &[first]);
        let merge = host.commit(&[0, 1, 2], &[old, fork]);
        let twin = host.commit(&[0, 1, 2], &[old, old]);
        let after_merge = host.commit(&[0, 1, 2, 3], &[merge]);
        let orphan = host.commit(&[0, 1, 2], &[]);
        let stray_merge = host.commit(&[0, 1, 2], &[fork, orphan]);
        let blob = host.store.put("blob", b"x");
        let gone = Oid([9; 20]);
        let merged = |oid| Err(PushError::Void(oid, Void::Merge(2)));
        for (name, new, expected) in [
            ("one append", next, Ok(3)),
            ("two appends", last, Ok(5)),
            ("the same commit", old, Ok(2)),
            ("a drop", dropped, Err(PushError::Void(dropped, Void::Drops(1)))),
            ("a drop that is healed", healed, Err(PushError::Void(dropped, Void::Drops(1)))),
            ("a change", changed, Err(PushError::Void(changed, Void::Changes(1)))),
            ("another order, after an append", reordered, Err(PushError::Void(reordered, Void::Reorders(1)))),
            ("nothing new", idle, Err(PushError::Void(idle, Void::NothingNew))),
            ("a fork", fork, Err(PushError::Rewrites)),
            ("the same lines in another commit", rewritten, Err(PushError::Rewrites)),
            ("an earlier commit", first, Err(PushError::Rewrites)),
            ("a log of its own", orphan, Err(PushError::Rewrites)),
            ("a merge of others", stray_merge, Err(PushError::Rewrites)),
            ("a merge", merge, merged(merge)),
            ("a merge with itself", twin, merged(twin)),
            ("an append to a merge", after_merge, merged(merge)),
            ("no commit", blob, Err(PushError::Pushed(ChainError::Unreadable(blob)))),
            ("nothing", gone, Err(PushError::Pushed(ChainError::Objects(Missing(gone))))),
        ] {
            assert_eq!(host.judge(Some(old), new), expected, "{name}");
        }
    }

    #[test]
    fn a_branch_with_void_commits_goes_on_from_its_last_valid_tree() {
        let mut host = Host::new();
        let first = host.commit(&[0], &[]);
        let valid = host.commit(&[0, 1], &[first]);
        let dropped = host.commit(&[0], &[valid]);
        let merge = host.commit(&[0, 9], &[dropped, first]);
        let healed = host.commit(&[0, 1, 2], &[merge]);
        let follows_the_void = host.commit(&[0, 9, 10], &[merge]);
        assert_eq!(host.judge(Some(merge), healed), Ok(3));
        let expected = Err(PushError::Void(follows_the_void, Void::Changes(1)));
        assert_eq!(host.judge(Some(merge), follows_the_void), expected);
        // Taken back to before the merge: that it was there is not what is wrong.
        let aside = host.commit(&[0, 1, 2, 3], &[merge]);
        assert_eq!(host.judge(Some(healed), aside), Err(PushError::Rewrites));
    }

    #[test]
    fn a_branch_that_is_no_log_is_not_gone_on_with() {
        let mut host = Host::new();
        let other = host.commit(&[7], &[]);
        let next = host.commit(&[7, 8], &[other]);
        let why = PushError::Branch(ChainError::NoLog(other, Void::NotGenesis));
        assert_eq!(host.judge(Some(other), next), Err(why.clone()));
        assert!(!why.is_refusal());
    }

    #[test]
    fn a_new_branch_is_a_log_from_its_first_commit_on() {
        let mut host = Host::new();
        let first = host.commit(&[0], &[]);
        let second = host.commit(&[0, 1], &[first]);
        let dropped = host.commit(&[0], &[second]);
        let healed = host.commit(&[0, 1, 2], &[dropped]);
        let merge = host.commit(&[0, 1], &[first, second]);
        let two = host.commit(&[0, 1], &[]);
        let stranger = host.commit(&[7], &[]);
        for (name, new, expected) in [
            ("a genesis", first, Ok(1)),
            ("a log", second, Ok(2)),
            ("a log with a void commit", healed, Err(PushError::Void(dropped, Void::Drops(1)))),
            ("a log with a merge", merge, Err(PushError::Void(merge, Void::Merge(2)))),
            ("two lines at once", two, Err(PushError::Pushed(ChainError::NoLog(two, Void::NotAlone)))),
            ("no genesis", stranger, Err(PushError::Pushed(ChainError::NoLog(stranger, Void::NotGenesis)))),
        ] {
            assert_eq!(host.judge(None, new), expected, "{name}");
            assert!(expected.is_ok() || expected.is_err_and(|why| why.is_refusal()), "{name}");
        }
    }
}
