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
//! What is plain to see needs no search (`region/plain.rs`): most often the first resource of a pattern will do.
//!
//! **Time.** Patterns as people write them take microseconds. Some sets of patterns are hard by nature, so the steps are
//! counted, and past a bound of them the answer is [`TooHard`]; they are steps and not seconds, so that every machine gives
//! the same answer.

mod plain;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, VecDeque};
use std::fmt;
use std::rc::Rc;

use super::name::{MAX_NAME_LEN, MAX_RESOURCE_LEN, MAX_SEGMENTS, Resource};
use super::near::may_overlap;
use super::pattern::{ANY_SEGMENTS, Pattern};

pub(in crate::core) use plain::first_of;

/// The most steps of one search: one for each pattern, or segment of one, each time that it is moved on.
const MAX_STEPS: usize = 400_000;
/// The letters of names that stand first, and all of them; in this order, where something is the first of many.
const FIRST: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
const LATER: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789._-";
/// What stands between segments, as a place behind all letters.
const SLASH: u8 = u8::MAX;

/// Returns a resource that every pattern of `inside` stands for and none of `outside`; none if there is none. It is the
/// shortest, of those the one of the fewest segments, and of those the first.
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
    overlap_within(one, other, &mut { MAX_STEPS })
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
    if let Some(answer) = plain::overlap(one, other) {
        *steps = steps.saturating_sub(1);
        return Ok(answer);
    }
    example_within(&[one, other], &[], steps).map(|found| found.is_some())
}

fn example_within(inside: &[&Pattern], outside: &[&Pattern], steps: &mut usize) -> Result<Option<Resource>, TooHard> {
    *steps = steps.saturating_sub(inside.len() + outside.len());
    if let Some(answer) = plain::example(inside, outside) {
        return Ok(answer);
    }
    // What is apart from one of `inside` takes nothing away.
    let is_beside = |one: &Pattern| inside.iter().all(|inner| may_overlap(inner, one));
    let outside: Vec<&Pattern> = outside.iter().copied().filter(|one| is_beside(one)).collect();
    let found = search(inside, &[], steps)?;
    // The first of all may be outside; what comes next takes longer to find.
    match found {
        Some(first) if outside.iter().any(|one| one.matches(&first)) => search(inside, &outside, steps),
        found => Ok(found),
    }
}

fn search(inside: &[&Pattern], outside: &[&Pattern], steps: &mut usize) -> Result<Option<Resource>, TooHard> {
    let mut search = Search::new(inside, outside, MAX_STEPS.min(*steps));
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
/// Segments of patterns, by number; in order.
type Globs = Vec<usize>;
/// Which segments of patterns stand for a text, and the shortest such text, the first among equals.
type Texts = Vec<(Globs, Spelled)>;

/// A text by the places of its letters among all; in that order among texts of the same length.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Spelled(Vec<u8>);

/// One segment of a pattern.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Segment {
    /// `**`.
    Any,
    /// Another, by number.
    Glob(usize),
}

struct Search<'a> {
    patterns: Vec<Vec<Segment>>,
    /// The different segments other than `**`.
    globs: Vec<&'a str>,
    /// How many patterns, from the first on, have to match; the others must not.
    inside: usize,
    steps: usize,
    /// The most steps it may take.
    most: usize,
    /// What texts there are, by the segments of patterns that are asked of them.
    texts: HashMap<Globs, Rc<Texts>>,
}

impl<'a> Search<'a> {
    fn new(inside: &[&'a Pattern], outside: &[&'a Pattern], most: usize) -> Search<'a> {
        let mut globs: Vec<&'a str> = Vec::new();
        let mut segment = |text: &'a str| match text {
            ANY_SEGMENTS => Segment::Any,
            glob => Segment::Glob(globs.iter().position(|known| *known == glob).unwrap_or_else(|| {
                globs.push(glob);
                globs.len() - 1
            })),
        };
        let all = inside.iter().chain(outside);
        let patterns = all.map(|pattern| pattern.as_str().split('/').map(&mut segment).collect()).collect();
        Search { patterns, globs, inside: inside.len(), steps: 0, most, texts: HashMap::new() }
    }

    /// Goes through the states from the shortest resource on, the first among equals.
    fn run(&mut self) -> Result<Option<Resource>, TooHard> {
        let start: State = self.patterns.iter().map(|segments| skipped(segments, 1)).collect();
        let mut seen = HashSet::new();
        let mut queue = BinaryHeap::from([Reverse((0, 0, Spelled::default(), start))]);
        while let Some(Reverse((_, segments, resource, state))) = queue.pop() {
            if segments > 0 && self.is_found(&state) {
                return Ok(resource.text().parse().ok());
            }
            if segments == MAX_SEGMENTS || !seen.insert((segments, state.clone())) {
                continue;
            }
            for (stands, text) in self.texts_for(&state)?.iter() {
                let next = self.after(&state, stands);
                let longer = resource.with(text);
                let length = longer.0.len();
                if self.is_alive(&next) && length <= MAX_RESOURCE_LEN && !seen.contains(&(segments + 1, next.clone())) {
                    queue.push(Reverse((length, segments + 1, longer, next)));
                }
            }
        }
        Ok(None)
    }

    /// Tells whether a resource that ends here is in the region.
    fn is_found(&self, state: &State) -> bool {
        let at_end = |(segments, at): (&Vec<Segment>, &u32)| at & bit(segments.len()) != 0;
        let mut ends = self.patterns.iter().zip(state).map(at_end);
        ends.by_ref().take(self.inside).all(|ends| ends) && !ends.any(|ends| ends)
    }

    /// Tells whether every pattern of `inside` can still match.
    fn is_alive(&self, state: &State) -> bool {
        state.iter().take(self.inside).all(|at| *at != 0)
    }

    /// Returns where the patterns are after a segment that these segments of theirs stand for.
    fn after(&self, state: &State, stands: &Globs) -> State {
        let step = |(segments, at): (&Vec<Segment>, &u32)| {
            let here = segments.iter().enumerate().filter(|(index, _)| at & bit(*index) != 0);
            let next = here.map(|(index, segment)| match segment {
                Segment::Any => bit(index),
                Segment::Glob(glob) if stands.binary_search(glob).is_ok() => bit(index + 1),
                Segment::Glob(_) => 0,
            });
            skipped(segments, next.fold(0, |all, one| all | one))
        };
        self.patterns.iter().zip(state).map(step).collect()
    }

    /// Returns the texts that differ in which of the segments that may come next stand for them.
    fn texts_for(&mut self, state: &State) -> Result<Rc<Texts>, TooHard> {
        let next = self.patterns.iter().zip(state).flat_map(|(segments, at)| {
            segments.iter().enumerate().filter(move |(index, _)| at & bit(*index) != 0).map(|(_, segment)| *segment)
        });
        let mut asked: Globs = next
            .filter_map(|segment| match segment {
                Segment::Any => None,
                Segment::Glob(glob) => Some(glob),
            })
            .collect();
        asked.sort_unstable();
        asked.dedup();
        self.count(self.patterns.len())?;
        if let Some(known) = self.texts.get(&asked) {
            return Ok(Rc::clone(known));
        }
        let globs: Vec<&str> = asked.iter().filter_map(|glob| self.globs.get(*glob).copied()).collect();
        let texts = match plain_texts(&asked, &globs) {
            Some(texts) => {
                self.count(globs.len())?;
                texts
            }
            None => self.spell(&asked, &globs)?,
        };
        let texts = Rc::new(texts);
        self.texts.insert(asked, Rc::clone(&texts));
        Ok(texts)
    }

    /// Looks for them a character at a time.
    fn spell(&mut self, asked: &Globs, globs: &[&str]) -> Result<Texts, TooHard> {
        let globs: Vec<&[u8]> = globs.iter().map(|glob| glob.as_bytes()).collect();
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
        let mut found: BTreeMap<Globs, Spelled> = BTreeMap::new();
        while let Some((places, text)) = queue.pop_front() {
            if !text.is_empty() {
                let stands = globs.iter().zip(asked).zip(&places).filter(|((glob, _), places)| places.is_end(glob));
                let stands: Globs = stands.map(|((_, glob), _)| *glob).collect();
                found.entry(stands).or_insert_with(|| Spelled::from(text.as_str()));
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
        Ok(found.into_iter().collect())
    }

    fn count(&mut self, steps: usize) -> Result<(), TooHard> {
        self.steps += steps;
        if self.steps > self.most { Err(TooHard) } else { Ok(()) }
    }
}

/// Returns the texts that differ in which of these segments stand for them, where each is a name or `*`: each name, and the
/// first text that is none of them. Nothing if all texts of one letter are.
fn plain_texts(asked: &Globs, globs: &[&str]) -> Option<Texts> {
    if globs.iter().any(|glob| *glob != "*" && glob.contains('*')) {
        return None;
    }
    let other = FIRST.iter().map(|c| char::from(*c).to_string()).find(|text| !globs.contains(&text.as_str()))?;
    let with_any = |name: Option<usize>| -> Globs {
        let stands = |(glob, text): &(&usize, &&str)| **text == "*" || Some(**glob) == name;
        asked.iter().zip(globs).filter(stands).map(|(glob, _)| *glob).collect()
    };
    let names = asked.iter().zip(globs).filter(|(_, name)| **name != "*" && name.len() <= MAX_NAME_LEN);
    let names = names.map(|(glob, name)| (with_any(Some(*glob)), Spelled::from(*name)));
    Some(names.chain([(with_any(None), Spelled::from(other.as_str()))]).collect())
}

impl Spelled {
    /// Adds a segment.
    fn with(&self, segment: &Spelled) -> Spelled {
        let mut longer = Vec::with_capacity(self.0.len() + 1 + segment.0.len());
        longer.extend_from_slice(&self.0);
        if !self.0.is_empty() {
            longer.push(SLASH);
        }
        longer.extend_from_slice(&segment.0);
        Spelled(longer)
    }

    fn text(&self) -> String {
        let letter = |place: &u8| LATER.get(usize::from(*place)).copied().map_or('/', char::from);
        self.0.iter().map(letter).collect()
    }
}

impl From<&str> for Spelled {
    fn from(text: &str) -> Spelled {
        let place = |c: u8| (0..).zip(LATER).find(|(_, letter)| **letter == c).map_or(SLASH, |(place, _)| place);
        Spelled(text.bytes().map(place).collect())
    }
}

fn bit(index: usize) -> u32 {
    1 << index.min(31)
}

/// Adds to each `**` what comes after it, since it may stand for nothing.
fn skipped(segments: &[Segment], mut at: u32) -> u32 {
    for (index, segment) in segments.iter().enumerate() {
        if *segment == Segment::Any && at & bit(index) != 0 {
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
            let place = |resource: &Resource| {
                let text = resource.as_str();
                (text.len(), text.split('/').count(), Spelled::from(text))
            };
            let first = universe().into_iter().filter(is_in).min_by_key(place);
            match found {
                Some(resource) => {
                    prop_assert!(is_in(&resource), "{resource}");
                    prop_assert!(first.is_none_or(|first| place(&resource) <= place(&first)), "{resource}");
                }
                None => prop_assert_eq!(first, None),
            }
        }
    }
}
