//! Regions: the resources that some patterns stand for and others do not, and an example of one.
//!
//! Whether a rule is wholly covered by others, whether two overlap, what one policy gives and another does not: all of it
//! is the question whether a region is empty, and the answer is exact, over all resources there could be. An example says
//! more than a yes.
//!
//! **How.** A pattern is read as an automaton over segments, whose state is the set of its segments that may come next; a
//! segment is known only by which of the patterns' segments stand for it. So the search goes over states of all patterns
//! at once, and for each it asks which combinations of segments one text can have, in the same way a character at a time.
//! Characters that no pattern names are all alike, and one stands for the rest.
//!
//! **Time.** Patterns as people write them take microseconds. Some sets of patterns are hard by nature, so the steps are
//! counted, and past a bound of them the answer is [`TooHard`]; they are steps and not seconds, so that every machine gives
//! the same answer.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::fmt;

use super::name::{MAX_NAME_LEN, MAX_RESOURCE_LEN, MAX_SEGMENTS, Resource};
use super::pattern::{ANY_SEGMENTS, Pattern};

/// The most steps of one search: one for each pattern, or segment of one, each time that it is moved on.
const MAX_STEPS: usize = 400_000;
/// The letters of names that stand first, and all of them.
const FIRST: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
const LATER: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789._-";

/// Returns a resource that every pattern of `inside` stands for and none of `outside`; none if there is none.
///
/// # Errors
/// The patterns are too intricate to tell.
pub fn example(inside: &[&Pattern], outside: &[&Pattern]) -> Result<Option<Resource>, TooHard> {
    example_within(inside, outside, &mut { MAX_STEPS })
}

/// Tells whether some resource is in both.
///
/// # Errors
/// The patterns are too intricate to tell.
pub fn overlap(one: &Pattern, other: &Pattern) -> Result<bool, TooHard> {
    Ok(example(&[one, other], &[])?.is_some())
}

/// Tells whether every resource that `inner` stands for is one of `outer`'s.
///
/// # Errors
/// The patterns are too intricate to tell.
pub fn covers(outer: &[&Pattern], inner: &Pattern) -> Result<bool, TooHard> {
    Ok(example(&[inner], outer)?.is_none())
}

/// As [`covers`], out of an allowance of steps for many questions, which it lowers by what it took.
///
/// # Errors
/// The patterns are too intricate to tell, or the allowance is used up.
pub fn covers_within(outer: &[&Pattern], inner: &Pattern, steps: &mut usize) -> Result<bool, TooHard> {
    example_within(&[inner], outer, steps).map(|found| found.is_none())
}

/// As [`overlap`], out of an allowance of steps like that of [`covers_within`].
///
/// # Errors
/// The patterns are too intricate to tell, or the allowance is used up.
pub fn overlap_within(one: &Pattern, other: &Pattern, steps: &mut usize) -> Result<bool, TooHard> {
    example_within(&[one, other], &[], steps).map(|found| found.is_some())
}

fn example_within(inside: &[&Pattern], outside: &[&Pattern], steps: &mut usize) -> Result<Option<Resource>, TooHard> {
    // What is plain to see needs no search.
    if outside.iter().any(|one| inside.contains(one) || one.as_str() == ANY_SEGMENTS) {
        return Ok(None);
    }
    let patterns = inside.iter().chain(outside).map(|pattern| pattern.as_str().split('/').collect()).collect();
    let most = MAX_STEPS.min(*steps);
    let mut search = Search { patterns, inside: inside.len(), steps: 0, most, texts: BTreeMap::new() };
    let found = search.run();
    *steps = steps.saturating_sub(search.steps);
    found
}

/// The patterns are too intricate for an exact answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooHard;

impl fmt::Display for TooHard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "these patterns are too intricate to compare: write fewer `*` inside segments")
    }
}

impl std::error::Error for TooHard {}

/// Of each pattern the segments that may come next: bit `i` for segment `i`, and the bit after the last for the end.
type State = Vec<u32>;
/// Which segments of patterns stand for a text, and the shortest such text, the first among equals.
type Texts = Vec<(BTreeSet<String>, String)>;

struct Search<'a> {
    patterns: Vec<Vec<&'a str>>,
    /// How many of them, from the first on, have to match; the others must not.
    inside: usize,
    steps: usize,
    /// The most steps it may take.
    most: usize,
    /// What texts there are, by the segments of patterns that are asked of them.
    texts: BTreeMap<BTreeSet<&'a str>, Texts>,
}

impl<'a> Search<'a> {
    /// Goes through the states from the shortest resource on.
    fn run(&mut self) -> Result<Option<Resource>, TooHard> {
        let start: State = self.patterns.iter().map(|globs| skipped(globs, 1)).collect();
        let mut seen = BTreeSet::from([(0, start.clone())]);
        let mut queue = BinaryHeap::from([Reverse((0, 0, String::new(), start))]);
        while let Some(Reverse((_, segments, resource, state))) = queue.pop() {
            if segments > 0 && self.is_found(&state) {
                return Ok(resource.parse().ok());
            }
            if segments == MAX_SEGMENTS {
                continue;
            }
            for (stands, text) in self.texts_for(&state)? {
                let next = self.after(&state, &stands);
                let slash = if segments == 0 { "" } else { "/" };
                let longer = format!("{resource}{slash}{text}");
                if self.is_alive(&next) && longer.len() <= MAX_RESOURCE_LEN && seen.insert((segments + 1, next.clone()))
                {
                    queue.push(Reverse((longer.len(), segments + 1, longer, next)));
                }
            }
        }
        Ok(None)
    }

    /// Tells whether a resource that ends here is in the region.
    fn is_found(&self, state: &State) -> bool {
        let at_end = |(globs, at): (&Vec<&str>, &u32)| at & bit(globs.len()) != 0;
        let mut ends = self.patterns.iter().zip(state).map(at_end);
        ends.by_ref().take(self.inside).all(|ends| ends) && !ends.any(|ends| ends)
    }

    /// Tells whether every pattern of `inside` can still match.
    fn is_alive(&self, state: &State) -> bool {
        state.iter().take(self.inside).all(|at| *at != 0)
    }

    /// Returns where the patterns are after a segment that these segments of theirs stand for.
    fn after(&self, state: &State, stands: &BTreeSet<String>) -> State {
        let step = |(globs, at): (&Vec<&str>, &u32)| {
            let next =
                globs.iter().enumerate().filter(|(index, _)| at & bit(*index) != 0).map(|(index, glob)| match *glob {
                    ANY_SEGMENTS => bit(index),
                    glob if stands.contains(glob) => bit(index + 1),
                    _ => 0,
                });
            skipped(globs, next.fold(0, |all, one| all | one))
        };
        self.patterns.iter().zip(state).map(step).collect()
    }

    /// Returns the texts that differ in which of the segments that may come next stand for them.
    fn texts_for(&mut self, state: &State) -> Result<Texts, TooHard> {
        let asked: BTreeSet<&'a str> = self
            .patterns
            .iter()
            .zip(state)
            .flat_map(|(globs, at)| globs.iter().enumerate().filter(move |(index, _)| at & bit(*index) != 0))
            .map(|(_, glob)| *glob)
            .filter(|glob| *glob != ANY_SEGMENTS)
            .collect();
        self.count(self.patterns.len())?;
        if let Some(known) = self.texts.get(&asked) {
            return Ok(known.clone());
        }
        let globs: Vec<&[u8]> = asked.iter().map(|glob| glob.as_bytes()).collect();
        let literals: BTreeSet<u8> =
            globs.iter().flat_map(|glob| glob.iter().copied()).filter(|c| *c != b'*').collect();
        let alphabet = |all: &[u8], others: &[u8]| -> Vec<u8> {
            let other = others.iter().find(|c| !literals.contains(c)).copied();
            all.iter().copied().filter(|c| literals.contains(c) || other == Some(*c)).collect()
        };
        let (first, mut later) = (alphabet(FIRST, FIRST), alphabet(LATER, FIRST));
        later.extend(b"._-".iter().find(|c| !literals.contains(c)));
        let start: Vec<Places> = globs.iter().map(|glob| Places::start(glob)).collect();
        // The start is not among them: it is no text yet, and a text may come back to it.
        let mut seen = BTreeSet::new();
        let mut queue = VecDeque::from([(start, String::new())]);
        let mut found: BTreeMap<BTreeSet<String>, String> = BTreeMap::new();
        while let Some((places, text)) = queue.pop_front() {
            if !text.is_empty() {
                let stands = globs.iter().zip(&asked).zip(&places).filter(|((glob, _), places)| places.is_end(glob));
                let stands: BTreeSet<String> = stands.map(|((_, glob), _)| (*glob).to_owned()).collect();
                found.entry(stands).or_insert_with(|| text.clone());
            }
            if text.len() == MAX_NAME_LEN {
                continue;
            }
            for c in if text.is_empty() { &first } else { &later } {
                self.count(globs.len().max(1))?;
                let next: Vec<Places> =
                    globs.iter().zip(&places).map(|(glob, places)| places.after(glob, *c)).collect();
                if seen.insert(next.clone()) {
                    queue.push_back((next, format!("{text}{}", char::from(*c))));
                }
            }
        }
        let texts: Texts = found.into_iter().collect();
        self.texts.insert(asked, texts.clone());
        Ok(texts)
    }

    fn count(&mut self, steps: usize) -> Result<(), TooHard> {
        self.steps += steps;
        if self.steps > self.most { Err(TooHard) } else { Ok(()) }
    }
}

fn bit(index: usize) -> u32 {
    1 << index.min(31)
}

/// Adds to each `**` what comes after it, since it may stand for nothing.
fn skipped(globs: &[&str], mut at: u32) -> u32 {
    for (index, glob) in globs.iter().enumerate() {
        if *glob == ANY_SEGMENTS && at & bit(index) != 0 {
            at |= bit(index + 1);
        }
    }
    at
}

/// The places in one segment of a pattern that a text has come to, in order; a text that came nowhere has none.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Places(Vec<usize>);

impl Places {
    fn start(glob: &[u8]) -> Places {
        Places(vec![0]).skipped(glob)
    }

    /// Adds what comes after each `*`, since it may stand for nothing.
    fn skipped(mut self, glob: &[u8]) -> Places {
        let mut next = 0;
        while let Some(place) = self.0.get(next).copied() {
            if glob.get(place) == Some(&b'*') && !self.0.contains(&(place + 1)) {
                self.0.push(place + 1);
            }
            next += 1;
        }
        self.0.sort_unstable();
        self
    }

    fn after(&self, glob: &[u8], c: u8) -> Places {
        let mut places: Vec<usize> = self
            .0
            .iter()
            .filter_map(|place| match glob.get(*place) {
                Some(b'*') => Some(*place),
                Some(own) if *own == c => Some(place + 1),
                Some(_) | None => None,
            })
            .collect();
        places.dedup();
        Places(places).skipped(glob)
    }

    fn is_end(&self, glob: &[u8]) -> bool {
        self.0.last() == Some(&glob.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn patterns(text: &str) -> Vec<Pattern> {
        text.split_whitespace().map(|pattern| pattern.parse().unwrap()).collect()
    }

    fn find(inside: &str, outside: &str) -> Option<String> {
        let (inside, outside) = (patterns(inside), patterns(outside));
        let found = example(&inside.iter().collect::<Vec<_>>(), &outside.iter().collect::<Vec<_>>()).unwrap();
        found.map(|resource| resource.to_string())
    }

    #[test]
    fn regions_and_what_is_in_them() {
        for (inside, outside, expected) in [
            ("db/prod/orders", "", Some("db/prod/orders")),
            ("db/prod/*", "", Some("db/prod/a")),
            ("**", "", Some("a")),
            ("db/prod/*", "db/prod/orders", Some("db/prod/a")),
            ("db/prod/orders", "db/prod/*", None),
            ("db/**", "db/prod/**", Some("db")),
            ("db/*", "db/a", Some("db/b")),
            ("db/**", "db db/*", Some("db/a/a")),
            ("db/**", "**", None),
            ("db/**", "*/**", None),
            ("db/**", "db/*/**", Some("db")),
            ("db/*/pii db/prod/**", "", Some("db/prod/pii")),
            ("db/*/pii web/**", "", None),
            ("ssh/web-*", "ssh/*-1", Some("ssh/web-")),
            ("ssh/web-* ssh/*-1", "", Some("ssh/web-1")),
            ("ssh/a*b ssh/*c*", "", Some("ssh/acb")),
            ("a*", "a aa* ab* ac* ad*", Some("ae")),
            ("**/a **/b", "", None),
            ("**/a/** **/b/**", "", Some("a/b")),
            ("**/a/** **/b/**", "**/a/**/b/**", Some("b/a")),
            ("*/*", "a*/* */b*", Some("b/a")),
            // What fits no resource at all.
            ("a/**/b/**/c/**/d/**/e/**/f/**/g/h", "", Some("a/b/c/d/e/f/g/h")),
        ] {
            assert_eq!(find(inside, outside).as_deref(), expected, "{inside} without {outside}");
        }
        let longest = "a".repeat(64);
        assert_eq!(find(&format!("{longest}*"), &longest), None, "a segment has at most 64 characters");
        let all = ["*"; 16].join("/");
        assert_eq!(find(&format!("{all} **"), &all), None);
        assert_eq!(find(&all, "*"), Some(["a"; 16].join("/")));
    }

    #[test]
    fn what_is_intricate_ends() {
        let hard: Vec<Pattern> = (0..12)
            .map(|n| {
                format!("*{}*{}*{}*", &"abcdefghijkl"[n..=n], "x".repeat(n + 1), "y".repeat(n + 1)).parse().unwrap()
            })
            .collect();
        let all: Pattern = "*".parse().unwrap();
        // Whatever the answer, there is one, and it is the same every time.
        let refs: Vec<&Pattern> = hard.iter().collect();
        assert_eq!(example(&[&all], &refs), example(&[&all], &refs));
        assert_eq!(example(&refs, &[]), Err(TooHard));
    }

    /// All resources of up to three segments out of a few texts: enough to tell small patterns apart.
    fn universe() -> Vec<Resource> {
        let texts = ["a", "b", "c", "aa", "ab", "ba", "bb", "ac", "ca", "aba", "bab", "aab", "abc", "cab"];
        let mut all: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        for _ in 0..2 {
            let longer = all.iter().flat_map(|head| texts.iter().map(move |text| format!("{head}/{text}")));
            all = all.iter().cloned().chain(longer.collect::<Vec<_>>()).collect();
        }
        all.sort();
        all.dedup();
        all.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn pattern() -> impl Strategy<Value = Pattern> {
        let segment = prop::sample::select(vec!["a", "b", "*", "a*", "*b", "ab", "a*b", "**", "**"]);
        prop::collection::vec(segment, 1..4).prop_map(|segments| segments.join("/").parse().unwrap())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn an_example_is_in_the_region_and_there_is_one_where_looking_finds_one(
            inside in prop::collection::vec(pattern(), 1..4),
            outside in prop::collection::vec(pattern(), 0..4),
        ) {
            let found = example(&inside.iter().collect::<Vec<_>>(), &outside.iter().collect::<Vec<_>>()).unwrap();
            let is_in = |resource: &Resource| {
                inside.iter().all(|pattern| pattern.matches(resource))
                    && !outside.iter().any(|pattern| pattern.matches(resource))
            };
            match found {
                Some(resource) => prop_assert!(is_in(&resource), "{resource}"),
                None => prop_assert_eq!(universe().into_iter().find(|resource| is_in(resource)), None),
            }
        }
    }
}
