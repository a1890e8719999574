//! What is plain to see of a region, without a search: the same answers, for most questions, in less than a microsecond.

use crate::core::name::{MAX_NAME_LEN, MAX_RESOURCE_LEN, MAX_SEGMENTS, Resource};
use crate::core::near::may_overlap;
use crate::core::pattern::{ANY_SEGMENTS, Pattern, segment_matches};

/// Returns the example that a search would find, or that there is none; nothing if it takes a search to tell.
pub(super) fn example(inside: &[&Pattern], outside: &[&Pattern]) -> Option<Option<Resource>> {
    if outside.iter().any(|outer| inside.iter().any(|inner| outer.plainly_covers(inner))) {
        return Some(None);
    }
    for pattern in inside {
        let first = first_of(pattern);
        let is_in = |first: &Resource| inside.iter().all(|one| one.matches(first));
        let is_out = |first: &Resource| outside.iter().any(|one| one.matches(first));
        match first {
            // What is first of all that one of them stands for is first of all that is in the region, if it is in there.
            Some(first) if is_in(&first) && !is_out(&first) => return Some(Some(first)),
            // And there is nothing else where it stands for one resource alone.
            Some(_) | None if !pattern.as_str().contains('*') => return Some(None),
            Some(_) | None => {}
        }
    }
    match inside {
        [one, other] if overlap(one, other) == Some(false) => Some(None),
        _ => None,
    }
}

/// Tells whether some resource is in both; nothing if it might be longer than any may be.
pub(super) fn overlap(one: &Pattern, other: &Pattern) -> Option<bool> {
    if !may_overlap(one, other) {
        return Some(false);
    }
    let (one, other) = (one.as_str(), other.as_str());
    if are_loose(one, other) {
        return Some(true);
    }
    if one.split('/').chain(other.split('/')).any(|segment| segment.len() > MOST_ITEMS) {
        return None;
    }
    if !meet(one.split('/'), other.split('/'), ANY_SEGMENTS, segments_meet) {
        return Some(false);
    }
    let segments = |text: &str| text.split('/').count();
    let most = |segment: &str| if segment.contains('*') { MAX_NAME_LEN / 2 } else { MAX_NAME_LEN };
    let is_short = |text: &str| text.split('/').all(|segment| segment.len() <= most(segment));
    let are_short = segments(one) + segments(other) <= MAX_SEGMENTS
        && one.len() + other.len() + MAX_SEGMENTS <= MAX_RESOURCE_LEN
        && is_short(one)
        && is_short(other);
    are_short.then_some(true)
}

/// Tells whether two patterns that may overlap do since each has a `**` for what the other has in the middle, and no segments
/// of which only parts are alike.
fn are_loose(one: &str, other: &str) -> bool {
    let is_loose = |text: &str| {
        let text = text.as_bytes();
        let is_edge =
            |place: Option<usize>| place.and_then(|place| text.get(place)).is_none_or(|c| matches!(c, b'/' | b'*'));
        let mut stars = text.iter().enumerate().filter(|(_, c)| **c == b'*');
        text.len() <= MAX_NAME_LEN
            && text.windows(ANY_SEGMENTS.len()).any(|some| some == ANY_SEGMENTS.as_bytes())
            && stars.all(|(place, _)| is_edge(place.checked_sub(1)) && is_edge(place.checked_add(1)))
    };
    let slashes = |text: &str| text.bytes().filter(|c| *c == b'/').count();
    is_loose(one) && is_loose(other) && slashes(one) + slashes(other) + 2 <= MAX_SEGMENTS
}

/// Returns the first of the resources that a pattern stands for: each wildcard stands for nothing, or for `a` where something
/// has to stand. None if even that is too long.
pub(in crate::core) fn first_of(pattern: &Pattern) -> Option<Resource> {
    let mut text = String::with_capacity(pattern.as_str().len());
    for segment in pattern.as_str().split('/').filter(|segment| *segment != ANY_SEGMENTS) {
        if !text.is_empty() {
            text.push('/');
        }
        let before = text.len();
        text.extend(segment.chars().filter(|c| *c != '*'));
        let begins = text.get(before..).and_then(|own| own.bytes().next());
        if !begins.is_some_and(|first| first.is_ascii_alphanumeric()) {
            text.insert(before, 'a');
        }
    }
    if text.is_empty() {
        text.push('a');
    }
    text.parse().ok()
}

/// Tells whether a text of any length stands for both segments.
fn segments_meet(one: &str, other: &str) -> bool {
    match (one.contains('*'), other.contains('*')) {
        (false, false) => one == other,
        (true, false) => segment_matches(one, other),
        (false, true) => segment_matches(other, one),
        // A text may begin with any letter where both begin with a `*`, and else begins as one of them does.
        (true, true) => meet(one.bytes(), other.bytes(), b'*', |one, other| one == other),
    }
}

/// How many items a list may have that [`meet`] is asked about.
const MOST_ITEMS: usize = 127;

/// Tells whether two lists, in which `any` stands for any number of items, stand for a common one; each has [`MOST_ITEMS`] at
/// most.
fn meet<T: PartialEq + Copy>(
    one: impl Iterator<Item = T>,
    other: impl Iterator<Item = T> + Clone,
    any: T,
    same: impl Fn(T, T) -> bool,
) -> bool {
    // Bit `i`: what came of `one` so far and the first `i` of `other` can stand for the same.
    let last = 1_u128 << other.clone().count().min(MOST_ITEMS);
    // An `any` of `other` may stand for nothing.
    let skipped = |mut row: u128| {
        for (index, _) in other.clone().enumerate().filter(|(_, item)| *item == any) {
            row |= (row & (1 << index)) << 1;
        }
        row
    };
    let mut row = skipped(1);
    for item in one {
        let next = match item == any {
            // Whatever comes next of `other`, this takes it in.
            true => !0 << row.trailing_zeros().min(MOST_ITEMS as u32),
            false => other.clone().enumerate().fold(0, |next, (index, beside)| match row & (1 << index) {
                0 => next,
                _ if beside == any => next | (1 << index),
                _ if same(item, beside) => next | (2 << index),
                _ => next,
            }),
        };
        row = skipped(next);
        if row == 0 {
            return false;
        }
    }
    row & last != 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::core::region::{MAX_STEPS, Search};

    fn search(inside: &[&Pattern], outside: &[&Pattern]) -> Option<Resource> {
        Search::new(inside, outside, MAX_STEPS).run().unwrap()
    }

    fn pattern() -> impl Strategy<Value = Pattern> {
        let segment =
            prop::sample::select(vec!["a", "b", "ab", "*", "a*", "*b", "*-b", "*.*", "a*b", "b*a*", "*a*", "**", "**"]);
        prop::collection::vec(segment, 1..5).prop_map(|segments| segments.join("/").parse().unwrap())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn what_is_plain_is_what_a_search_finds(
            inside in prop::collection::vec(pattern(), 1..3),
            outside in prop::collection::vec(pattern(), 0..3),
        ) {
            let (inside, outside) = (inside.iter().collect::<Vec<_>>(), outside.iter().collect::<Vec<_>>());
            if let Some(answer) = example(&inside, &outside) {
                prop_assert_eq!(answer, search(&inside, &outside), "{:?} {:?}", inside, outside);
            }
        }

        #[test]
        fn whether_patterns_overlap_is_what_a_search_finds(one in pattern(), other in pattern()) {
            prop_assert_eq!(overlap(&one, &other), Some(search(&[&one, &other], &[]).is_some()), "{} {}", one, other);
        }

        #[test]
        fn what_plainly_covers_covers(one in pattern(), other in pattern()) {
            prop_assert!(!one.plainly_covers(&other) || search(&[&other], &[&one]).is_none(), "{} {}", one, other);
        }
    }

    #[test]
    fn the_first_example_is_the_shortest_and_by_its_letters() {
        for (inside, expected) in [(["**/a*/**", "ab/*"], "ab/a"), (["*/*", "**/b"], "a/b"), (["x*/**", "**/*0"], "x0")]
        {
            let inside = inside.map(|text| text.parse::<Pattern>().unwrap());
            let found = search(&[&inside[0], &inside[1]], &[]);
            assert_eq!(found.unwrap().as_str(), expected);
        }
    }

    #[test]
    fn what_may_be_too_long_is_left_to_the_search() {
        let long: Pattern = format!("{}*", "a".repeat(64)).parse().unwrap();
        for (other, are_both) in [("*b", false), ("*a", true)] {
            let other: Pattern = other.parse().unwrap();
            assert_eq!(overlap(&long, &other), None);
            assert_eq!(super::super::overlap(&long, &other), Ok(are_both));
        }
        for length in [127, 128, 129, 200, 500] {
            let [one, other] = ["a", "*a"].map(|piece| format!("{}*", piece.repeat(length / piece.len())));
            let [one, other] = [one, other].map(|text| text.parse::<Pattern>().unwrap());
            assert_eq!(overlap(&one, &other), None, "{length}");
            assert_eq!(super::super::overlap(&one, &other), Ok(false), "{length}: no name is that long");
            let has_any = super::super::overlap(&other, &"**".parse().unwrap());
            assert_eq!(has_any, Ok(length / 2 <= MAX_NAME_LEN), "{length}");
        }
        let many: Pattern = ["*"; 16].join("/").parse().unwrap();
        assert_eq!(overlap(&many, &"**/b".parse().unwrap()), None);
    }
}
