use proptest::prelude::*;

use super::*;
use crate::core::history::append::build;
use crate::core::history::append::tests::{lines_from, named, plain, policy};
use crate::core::history::object::memory::{MemoryObjects, Missing};

const RULES: Rules<'_> = Rules { is_genesis: &|line| line == b"line 0", named_digest: &named };

struct Repo {
    store: MemoryObjects,
    count: u64,
}

impl Repo {
    fn new() -> Repo {
        Repo { store: MemoryObjects::default(), count: 0 }
    }

    /// A commit with these lines, whatever its parents.
    fn commit(&mut self, lines: &[u64], parents: &[Oid]) -> Oid {
        let tree = build(&self.store, None, &plain(lines.iter().copied()), &named).unwrap().tree;
        self.count += 1;
        self.store.put_commit(tree, parents, &self.count.to_string())
    }

    fn void(&mut self, parents: &[Oid]) -> Oid {
        let tree = self.store.put("tree", b"");
        self.count += 1;
        self.store.put_commit(tree, parents, &self.count.to_string())
    }

    fn follow(&self, tip: Oid, pin: Option<Oid>) -> Result<Chain, ChainError<Missing>> {
        follow(&self.store, tip, pin, &RULES)
    }

    /// What is handed over is the log, or nothing.
    fn check_handed(&self, tip: Oid, pin: Option<Oid>, chain: &Chain) {
        let (mut handed, mut tail) = (Vec::new(), None);
        let again = follow_handing(&self.store, tip, pin, &RULES, &mut |appended| {
            handed.extend(appended.lines.iter().map(<[u8]>::to_vec));
            tail = Some(appended.tail);
        });
        assert_eq!(again.as_ref(), Ok(chain));
        let has_merges = chain.voids.iter().any(|(_, void)| matches!(void, Void::Merge(_)));
        match tail {
            Some(tail) => assert_eq!((tail, handed), (chain.tail, lines_from(&self.store, &chain.tail, 0))),
            None => assert!(has_merges),
        }
    }

    fn lines(&self, tip: Oid, pin: Option<Oid>) -> Result<Vec<u64>, ChainError<Missing>> {
        let tail = self.follow(tip, pin)?.tail;
        let lines = lines_from(&self.store, &tail, 0);
        Ok(lines.iter().map(|line| std::str::from_utf8(&line[5..]).unwrap().parse().unwrap()).collect())
    }
}

#[test]
fn a_straight_log_with_a_void_commit_heals() {
    let mut repo = Repo::new();
    let first = repo.commit(&[0], &[]);
    let second = repo.commit(&[0, 1], &[first]);
    let dropped = repo.commit(&[0], &[second]);
    let again = repo.void(&[dropped]);
    let healed = repo.commit(&[0, 1, 2, 3], &[again]);
    let chain = repo.follow(healed, Some(second)).unwrap();
    assert_eq!((chain.tail.size, chain.last_valid, chain.holds_pin), (4, healed, true));
    assert_eq!(chain.voids, [(dropped, Void::Drops(1)), (again, Void::Missing("audit".into()))]);
    let at_void = repo.follow(again, Some(healed)).unwrap();
    assert_eq!((at_void.tail.size, at_void.last_valid, at_void.holds_pin), (2, second, false));
}

/// An append that the tip foretells is not read at all. Where it tells nothing, an append is held against what the one
/// before it wrote, and a void commit against the same as the last.
#[test]
fn a_segment_is_read_once() {
    let mut repo = Repo::new();
    let mut tip = repo.commit(&[0], &[]);
    for last in 1..30 {
        let lines: Vec<u64> = (0..=last).collect();
        tip = repo.commit(&lines, &[tip]);
    }
    let valid = tip;
    repo.store.reads.set(0);
    repo.follow(valid, None).unwrap();
    // Each commit itself; the first log, the tip and its segment.
    assert!(repo.store.reads.get() <= 30 + 30, "{}", repo.store.reads.get());
    for other in 100..130 {
        tip = repo.commit(&[other], &[tip]);
    }
    repo.store.reads.set(0);
    assert_eq!(repo.follow(tip, None).unwrap().last_valid, valid);
    // Per commit: itself, four folders before and after, and the size and the bytes of one segment; and the tip.
    assert!(repo.store.reads.get() <= 60 * 11 + 10, "{}", repo.store.reads.get());
}

/// Whoever pushes may put one large folder under many lines.
#[test]
fn files_are_summed_up_once() {
    let mut repo = Repo::new();
    let first = repo.commit(&[0], &[]);
    let names: Vec<String> = (0..500).map(|name| format!("tests/{name}.toml")).collect();
    let mut files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "large")).collect();
    let mut lines = plain(0..1);
    let mut tip = first;
    for commit in 0..10_u32 {
        // The same once more, three times in this commit; then with one file that is another.
        lines.extend((0..3).map(|_| policy(&files)));
        files.push(("jit.toml", if commit % 2 == 0 { "even" } else { "odd" }));
        lines.push(policy(&files));
        files.pop();
        let tree = build(&repo.store, None, &lines, &named).unwrap().tree;
        tip = repo.store.put_commit(tree, &[tip], &commit.to_string());
    }
    repo.store.reads.set(0);
    let chain = repo.follow(tip, None).unwrap();
    assert_eq!((chain.tail.size, chain.voids), (41, Vec::new()));
    assert!(repo.store.reads.get() < 400, "{}", repo.store.reads.get());
}

#[test]
fn what_begins_no_log() {
    let mut repo = Repo::new();
    let two = repo.commit(&[0, 1], &[]);
    let other = repo.commit(&[7], &[]);
    let empty = repo.void(&[]);
    let blob = repo.store.put("blob", b"x");
    let after = repo.commit(&[0], &[empty]);
    let gone = Oid([9; 20]);
    let after_gone = repo.commit(&[0], &[gone]);
    for (tip, expected) in [
        (two, ChainError::NoLog(two, Void::NotAlone)),
        (other, ChainError::NoLog(other, Void::NotGenesis)),
        (empty, ChainError::NoLog(empty, Void::Missing("audit".into()))),
        (after, ChainError::NoLog(empty, Void::Missing("audit".into()))),
        (blob, ChainError::Unreadable(blob)),
        (after_gone, ChainError::Objects(Missing(gone))),
    ] {
        assert_eq!(repo.follow(tip, None), Err(expected));
    }
}

#[test]
fn a_merge_goes_on_through_the_right_parent() {
    let mut repo = Repo::new();
    let first = repo.commit(&[0], &[]);
    let mine = repo.commit(&[0, 1], &[first]);
    let more = repo.commit(&[0, 1, 2], &[mine]);
    let fork = repo.commit(&[0, 8, 9, 10], &[first]);
    let copy = repo.commit(&[0, 1, 2], &[first]);
    let stranger = repo.void(&[]);
    let mut merge = |parents: &[Oid]| repo.void(parents);
    let (fork_first, fork_last) = (merge(&[fork, more]), merge(&[more, fork]));
    let (behind, equal, same) = (merge(&[mine, more]), merge(&[copy, more]), merge(&[more, more]));
    let (with_stranger, strangers) = (merge(&[stranger, more, mine]), merge(&[stranger, stranger]));
    let healed = merge(&[fork_first, more]);
    let honest = Ok(vec![0, 1, 2]);
    for (name, tip, pin, expected) in [
        ("a fork first, with a pin", fork_first, Some(mine), honest.clone()),
        ("a fork last, with a pin", fork_last, Some(more), honest.clone()),
        ("the fork holds the pin", fork_first, Some(fork), Ok(vec![0, 8, 9, 10])),
        ("a fork, no pin", fork_first, None, Err(ChainError::Forked(fork_first))),
        ("a fork, both hold the pin", fork_last, Some(first), Err(ChainError::Forked(fork_last))),
        ("one is behind", behind, None, honest.clone()),
        ("one is behind, both hold the pin", behind, Some(mine), honest.clone()),
        ("the one that holds the pin is behind", merge(&[copy, mine]), Some(mine), Ok(vec![0, 1])),
        ("equal logs", equal, None, honest.clone()),
        ("one parent twice", same, Some(mine), honest.clone()),
        ("parents that are no logs", with_stranger, None, honest.clone()),
        ("only such", strangers, None, Err(ChainError::NoLog(stranger, Void::Missing("audit".into())))),
        ("a merge of no log with a log", healed, None, honest),
    ] {
        assert_eq!(repo.lines(tip, pin), expected, "{name}");
    }
    assert_eq!(repo.follow(equal, None).unwrap().last_valid, copy, "of equals the first");
    assert_eq!(repo.follow(equal, Some(mine)).unwrap().last_valid, more);
    assert_eq!(repo.follow(with_stranger, None).unwrap().voids, [(with_stranger, Void::Merge(3))]);
}

#[test]
fn a_passed_fork_stays_passed_when_the_pin_moves_on() {
    let mut repo = Repo::new();
    let first = repo.commit(&[0], &[]);
    let mine = repo.commit(&[0, 1], &[first]);
    let fork = repo.commit(&[0, 8, 9], &[first]);
    let merge = repo.void(&[fork, mine]);
    let next = repo.commit(&[0, 1, 2], &[merge]);
    let last = repo.commit(&[0, 1, 2, 3], &[next]);
    for pin in [mine, next, last] {
        assert_eq!(repo.lines(last, Some(pin)), Ok(vec![0, 1, 2, 3]));
    }
    assert_eq!(repo.lines(last, None), Err(ChainError::Forked(merge)));
}

/// Two parents hold the pin, so it does not choose; they are forks, so there is no log; and the next merge goes round
/// them. The pin is still there, its lines are not: that is for the roots to tell.
#[test]
fn a_pin_that_is_there_may_have_lost_its_lines() {
    let mut repo = Repo::new();
    let first = repo.commit(&[0], &[]);
    let pin = repo.commit(&[0, 1], &[first]);
    let forks = [repo.commit(&[0, 1, 2], &[pin]), repo.commit(&[0, 1, 3], &[pin])];
    let [one, other] = [repo.void(&forks), repo.void(&[forks[1], forks[0]])];
    let round = repo.void(&[one, first, other]);
    assert_eq!(repo.follow(one, Some(pin)), Err(ChainError::Forked(one)));
    let chain = repo.follow(round, Some(pin)).unwrap();
    assert_eq!((chain.tail.size, chain.last_valid, chain.holds_pin), (1, first, true));
}

#[test]
fn thousands_of_crossing_merges_are_walked_once() {
    let mut repo = Repo::new();
    let first = repo.commit(&[0], &[]);
    let mut pair = [repo.commit(&[0, 1], &[first]), repo.commit(&[0, 1], &[first])];
    for _ in 0..2000 {
        let [one, other] = pair;
        pair = [repo.void(&[one, other]), repo.void(&[other, one])];
    }
    let octopus = repo.void(&[pair, pair, pair].concat());
    repo.store.reads.set(0);
    let chain = repo.follow(octopus, None).unwrap();
    assert_eq!((chain.tail.size, chain.voids.len()), (2, 2001));
    assert!(repo.store.reads.get() < 10 * 4003, "{}", repo.store.reads.get());
}

/// Tells whether a commit is the pin or comes after it.
fn after(graph: &[(Vec<u64>, Vec<usize>)], at: usize, pin: usize) -> bool {
    at == pin || graph[at].1.iter().any(|parent| after(graph, *parent, pin))
}

/// The design's words, by recursion and over plain lists of lines. Gives the lines, and which commits are void.
fn naive(graph: &[(Vec<u64>, Vec<usize>)], at: usize, pin: Option<usize>) -> Option<(Vec<u64>, Vec<usize>)> {
    let (lines, parents) = &graph[at];
    let after_void = |(lines, mut voids): (Vec<u64>, Vec<usize>)| {
        voids.push(at);
        (lines, voids)
    };
    match &parents[..] {
        [] => (lines == &[0]).then(|| (lines.clone(), Vec::new())),
        [parent] => {
            let (old, voids) = naive(graph, *parent, pin)?;
            let is_append = lines.len() > old.len() && lines.starts_with(&old);
            Some(if is_append { (lines.clone(), voids) } else { after_void((old, voids)) })
        }
        _ => {
            let holders: Vec<_> =
                parents.iter().filter(|parent| pin.is_some_and(|pin| after(graph, **parent, pin))).collect();
            if let [only] = holders[..] {
                return naive(graph, *only, pin).map(after_void);
            }
            let logs: Vec<_> = parents.iter().filter_map(|parent| naive(graph, *parent, pin)).collect();
            let longest = logs.iter().find(|(log, _)| logs.iter().all(|(other, _)| log.starts_with(other)));
            longest.cloned().map(after_void)
        }
    }
}

fn graph_strategy() -> impl Strategy<Value = Vec<(Vec<u64>, Vec<usize>)>> {
    let lines = prop::collection::vec(1..3_u64, 0..4).prop_map(|rest| [vec![0], rest].concat());
    let commit = (lines, prop::collection::vec(any::<prop::sample::Index>(), 0..4));
    prop::collection::vec(commit, 1..14).prop_map(|commits| {
        let place = |(at, (lines, parents)): (usize, (Vec<u64>, Vec<prop::sample::Index>))| {
            // Mostly recent parents; the first commit has none.
            let parents = parents.iter().filter(|_| at > 0).map(|parent| at - 1 - parent.index(at.clamp(1, 4)));
            let lines = if at == 0 { vec![0] } else { lines };
            (lines, parents.collect())
        };
        commits.into_iter().enumerate().map(place).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn random_graphs_are_followed_as_the_design_says(graph in graph_strategy(), pick in any::<prop::sample::Index>()) {
        let mut repo = Repo::new();
        let mut oids: Vec<Oid> = Vec::new();
        for (lines, parents) in &graph {
            let parents: Vec<Oid> = parents.iter().map(|parent| oids[*parent]).collect();
            oids.push(repo.commit(lines, &parents));
        }
        let tip = graph.len() - 1;
        let found = |pin: Option<usize>| {
            let pin = pin.map(|pin| oids[pin]);
            let voids = repo.follow(oids[tip], pin).ok()?.voids;
            let place = |void: &Oid| oids.iter().position(|oid| oid == void).unwrap();
            Some((repo.lines(oids[tip], pin).unwrap(), voids.iter().map(|(void, _)| place(void)).collect()))
        };
        prop_assert_eq!(found(None), naive(&graph, tip, None));
        // A pin is a commit that was valid when it was accepted, so its own log is what is known.
        let pin = pick.index(graph.len());
        let pinned = repo.follow(oids[pin], None).is_ok_and(|chain| chain.last_valid == oids[pin]);
        if pinned {
            let found = found(Some(pin));
            prop_assert_eq!(&found, &naive(&graph, tip, Some(pin)));
            let holds = repo.follow(oids[tip], Some(oids[pin])).is_ok_and(|chain| chain.holds_pin);
            // A merge of forks after the pin is no log, and a later merge may go round it.
            let forked = |at: usize| after(&graph, at, pin) && naive(&graph, at, Some(pin)).is_none();
            prop_assert!(!holds || found.unwrap().0.starts_with(&graph[pin].0) || (pin..tip).any(forked));
        }
    }

    #[test]
    fn going_on_is_to_follow_from_the_start(graph in graph_strategy(), picks in any::<[prop::sample::Index; 2]>()) {
        let mut repo = Repo::new();
        let mut oids: Vec<Oid> = Vec::new();
        for (lines, parents) in &graph {
            let parents: Vec<Oid> = parents.iter().map(|parent| oids[*parent]).collect();
            oids.push(repo.commit(lines, &parents));
        }
        let tip = oids[graph.len() - 1];
        let from = oids[picks[0].index(graph.len())];
        for pin in [None, Some(oids[picks[1].index(graph.len())])] {
            let Ok(known) = repo.follow(from, pin) else { continue };
            repo.check_handed(from, pin, &known);
            if let Some(chain) = go_on(&repo.store, from, &known, tip, pin, &RULES).unwrap() {
                prop_assert_eq!(Ok(chain), repo.follow(tip, pin));
            }
        }
    }
}
