//! What is plain to see of a region, without a search: the same answers, for most questions, in less than a microsecond.

use std::collections::BTreeSet;

use super::{FIRST, Texts};
use crate::core::name::{MAX_NAME_LEN, MAX_RESOURCE_LEN, MAX_SEGMENTS, Resource};
use crate::core::near::may_overlap;
use crate::core::pattern::{ANY_SEGMENTS, Pattern, segment_matches};

/// Returns the example that a search would find, or that there is none; nothing if it takes a search to tell.
pub(super) fn example(inside: &[&Pattern], outside: &[&Pattern]) -> Option<Option<Resource>> {
    if outside.iter().any(|one| inside.contains(one) || one.as_str() == ANY_SEGMENTS) {
        return Some(None);
    }
    for pattern in inside {
        let is_one = is_resource(pattern);
        // The first of the shortest that one of them stands for is that of all of them, if they all stand for it.
        match shortest(pattern) {
            Some(first)
                if inside.iter().all(|one| one.matches(&first)) && !outside.iter().any(|one| one.matches(&first)) =>
            {
                return Some(Some(first));
            }
            Some(_) | None if is_one => return Some(None),
            Some(_) | None => {}
        }
    }
    None
}

/// Tells whether some resource is in both; nothing if it might be longer than any may be.
pub(super) fn overlap(one: &Pattern, other: &Pattern) -> Option<bool> {
    if !may_overlap(one, other) {
        return Some(false);
    }
    let (one, other): (Vec<&str>, Vec<&str>) = (one.as_str().split('/').collect(), other.as_str().split('/').collect());
    let is_short = one.len() + other.len() <= MAX_SEGMENTS
        && [&one, &other].iter().all(|segments| segments.iter().all(|segment| segment.len() <= MAX_NAME_LEN / 2))
        && (one.len() + other.len()) * (MAX_NAME_LEN + 1) <= 2 * MAX_RESOURCE_LEN;
    is_short.then(|| meet(&one, &other, &|one, other| segments_meet(one, other), ANY_SEGMENTS))
}

/// Returns the texts that differ in which of these segments stand for them, where each is a name or `*`: each name, and the
/// first text that is none of them. Nothing if all texts of one letter are.
pub(super) fn texts(asked: &BTreeSet<&str>) -> Option<Texts> {
    if asked.iter().any(|segment| *segment != "*" && segment.contains('*')) {
        return None;
    }
    let any = asked.contains("*").then(|| "*".to_owned());
    let names = asked.iter().filter(|segment| **segment != "*" && segment.len() <= MAX_NAME_LEN);
    let names = names.map(|name| {
        let stands: BTreeSet<String> = any.iter().cloned().chain([(*name).to_owned()]).collect();
        (stands, (*name).to_owned())
    });
    let other = FIRST.iter().map(|c| char::from(*c).to_string()).find(|text| !asked.contains(text.as_str()))?;
    let mut texts: Texts = names.chain([(any.iter().cloned().collect(), other)]).collect();
    texts.sort_unstable();
    Some(texts)
}

/// Tells whether a pattern stands for one resource alone.
fn is_resource(pattern: &Pattern) -> bool {
    !pattern.as_str().contains('*')
}

/// Returns the shortest resource that a pattern stands for, the first among equals: each wildcard stands for nothing, or for
/// `a` where something has to stand. None if even that is too long.
fn shortest(pattern: &Pattern) -> Option<Resource> {
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

/// Tells whether a text stands for both segments, each of half the length of a name at most.
fn segments_meet(one: &str, other: &str) -> bool {
    match (one.contains('*'), other.contains('*')) {
        (false, false) => one == other,
        (true, false) => segment_matches(one, other),
        (false, true) => segment_matches(other, one),
        // A text may begin with any letter where both begin with a `*`, and else begins as one of them does.
        (true, true) => meet(one.as_bytes(), other.as_bytes(), &|one, other| one == other, b'*'),
    }
}

/// Tells whether two lists, in which `any` stands for any number of items, stand for a common one.
fn meet<T: PartialEq + Copy>(one: &[T], other: &[T], same: &dyn Fn(T, T) -> bool, any: T) -> bool {
    // Of the first of `one`, which beginnings of `other` can stand for the same.
    let mut row = vec![false; other.len() + 1];
    let step = |row: &mut Vec<bool>| {
        let mut last = false;
        for (index, place) in row.iter_mut().enumerate() {
            // What stands for nothing.
            *place |= last && index.checked_sub(1).and_then(|index| other.get(index)) == Some(&any);
            last = *place;
        }
    };
    if let Some(start) = row.first_mut() {
        *start = true;
    }
    step(&mut row);
    for item in one {
        let mut next = vec![false; row.len()];
        let mut before = false;
        let mut reached = false;
        for ((index, here), place) in row.iter().enumerate().zip(&mut next) {
            reached |= *here;
            let beside = index.checked_sub(1).and_then(|index| other.get(index));
            *place = match beside {
                // Whatever `item` stands for, `any` takes in.
                _ if *item == any => reached,
                Some(beside) if *beside == any => *here,
                Some(beside) => before && same(*item, *beside),
                None => false,
            };
            before = *here;
        }
        step(&mut next);
        row = next;
    }
    row.last() == Some(&true)
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
            prop::sample::select(vec!["a", "b", "ab", "*", "a*", "*b", "*-b", "*.*", "a*b", "b*a*", "**", "**"]);
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
    }

    #[test]
    fn what_may_be_too_long_is_left_to_the_search() {
        let long: Pattern = format!("{}*", "a".repeat(64)).parse().unwrap();
        assert_eq!(overlap(&long, &"*b".parse().unwrap()), None);
        assert_eq!(super::super::overlap(&long, &"*b".parse().unwrap()), Ok(false));
        let many: Pattern = ["*"; 16].join("/").parse().unwrap();
        assert_eq!(overlap(&many, &"**/b".parse().unwrap()), None);
    }
}
