//! Which patterns may overlap: told by what is plain to see, and found among many without a look at each.
//!
//! A yes may still be a no, which [`region`](super::region) tells; a no never is a yes.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::pattern::{ANY_SEGMENTS, Pattern};

/// Tells by what stands before and behind their first and last `**` whether two patterns may overlap.
pub(in crate::core) fn may_overlap(one: &Pattern, other: &Pattern) -> bool {
    // It is asked of each pair of patterns that there is in a policy; segments are short, and bytes are told apart in less
    // time than a search for a character takes to begin.
    let (one, other) = (one.as_str().as_bytes(), other.as_str().as_bytes());
    let is_slash = |byte: &u8| *byte == b'/';
    are_alike(one.split(is_slash), other.split(is_slash)) && are_alike(one.rsplit(is_slash), other.rsplit(is_slash))
}

/// Goes through the segments until one of them may be any number.
fn are_alike<'s>(one: impl Iterator<Item = &'s [u8]>, mut other: impl Iterator<Item = &'s [u8]>) -> bool {
    let any = ANY_SEGMENTS.as_bytes();
    for segment in one {
        match other.next() {
            _ if segment == any => return true,
            Some(beside) if beside == any => return true,
            Some(beside) if may_be_same(segment, beside) => {}
            Some(_) | None => return false,
        }
    }
    other.next().is_none_or(|beside| beside == any)
}

/// Tells by what stands before and behind their first and last `*` whether two segments may stand for the same.
fn may_be_same(one: &[u8], other: &[u8]) -> bool {
    match (ends(one), ends(other)) {
        (None, None) => one == other,
        (Some((head, tail)), None) => other.starts_with(head) && other.ends_with(tail),
        (None, Some((head, tail))) => one.starts_with(head) && one.ends_with(tail),
        (Some((head, tail)), Some((other_head, other_tail))) => {
            (head.starts_with(other_head) || other_head.starts_with(head))
                && (tail.ends_with(other_tail) || other_tail.ends_with(tail))
        }
    }
}

/// What stands before the first `*` of a segment, and what behind the last; none if it holds none.
fn ends(segment: &[u8]) -> Option<(&[u8], &[u8])> {
    let is_any = |byte: &u8| *byte == b'*';
    let (first, last) = (segment.iter().position(is_any)?, segment.iter().rposition(is_any)?);
    Some((segment.get(..first)?, segment.get(last + 1..)?))
}

/// What stands before the first `*` of a segment.
fn head(segment: &str) -> &str {
    segment.split('*').next().unwrap_or_default()
}

/// Things by their patterns, found by a pattern that may overlap with these.
#[derive(Clone, Debug)]
pub(in crate::core) struct Near<T> {
    things: Vec<(Pattern, T)>,
    root: Node,
}

/// What patterns are the same up to a segment; things are known by their place among all.
#[derive(Clone, Debug, Default)]
struct Node {
    /// Those whose next segment is this text.
    named: BTreeMap<String, Node>,
    /// Those whose next segment holds a `*`, by what stands before it.
    wild: BTreeMap<String, Node>,
    /// Those whose next segment is `**`; what follows is not looked at.
    any: Vec<usize>,
    /// Those that end here.
    end: Vec<usize>,
}

impl<T: Ord> Near<T> {
    /// Puts things in order; one with several patterns is there several times.
    pub(in crate::core) fn new(things: impl Iterator<Item = (Pattern, T)>) -> Near<T> {
        let things: Vec<(Pattern, T)> = things.collect();
        let mut root = Node::default();
        for (index, (pattern, _)) in things.iter().enumerate() {
            let mut node = &mut root;
            let mut segments = pattern.as_str().split('/');
            let list = loop {
                node = match segments.next() {
                    None => break &mut node.end,
                    Some(ANY_SEGMENTS) => break &mut node.any,
                    Some(glob) if glob.contains('*') => node.wild.entry(head(glob).to_owned()).or_default(),
                    Some(name) => node.named.entry(name.to_owned()).or_default(),
                };
            };
            list.push(index);
        }
        Near { things, root }
    }

    /// Returns what has a pattern that may overlap with this one; sorted, each once.
    pub(in crate::core) fn to(&self, pattern: &Pattern) -> Vec<&T> {
        let segments: Vec<&str> = pattern.as_str().split('/').collect();
        let mut found = Vec::new();
        self.root.find(&segments, &mut found);
        let found = found.into_iter().filter_map(|index| self.things.get(index));
        let mut near: Vec<&T> = found.filter(|(one, _)| may_overlap(one, pattern)).map(|(_, thing)| thing).collect();
        near.sort_unstable();
        near.dedup();
        near
    }
}

impl Node {
    /// Goes down by the segments of a pattern; no pattern has more than sixteen.
    fn find(&self, segments: &[&str], found: &mut Vec<usize>) {
        found.extend(&self.any);
        let Some((segment, rest)) = segments.split_first() else {
            found.extend(&self.end);
            return;
        };
        if *segment == ANY_SEGMENTS {
            return self.all_below(found);
        }
        let start = head(segment);
        match segment.contains('*') {
            true => {
                for (_, node) in beginning_with(&self.named, start) {
                    node.find(rest, found);
                }
                for (_, node) in beginning_with(&self.wild, start) {
                    node.find(rest, found);
                }
            }
            false => {
                if let Some(node) = self.named.get(*segment) {
                    node.find(rest, found);
                }
            }
        }
        // Those of which less is said before the `*`; all of it was looked at above where this one holds a `*`, too.
        let all = if segment.contains('*') { 0..start.len() } else { 0..start.len() + 1 };
        for node in all.filter_map(|length| self.wild.get(start.get(..length)?)) {
            node.find(rest, found);
        }
    }

    fn all_below(&self, found: &mut Vec<usize>) {
        found.extend(&self.end);
        for node in self.named.values().chain(self.wild.values()) {
            found.extend(&node.any);
            node.all_below(found);
        }
    }
}

fn beginning_with<'n>(nodes: &'n BTreeMap<String, Node>, start: &str) -> impl Iterator<Item = (&'n String, &'n Node)> {
    nodes
        .range::<str, _>((Bound::Included(start), Bound::Unbounded))
        .take_while(move |(name, _)| name.starts_with(start))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::core::region;

    fn pattern() -> impl Strategy<Value = Pattern> {
        let segment = prop::sample::select(vec!["a", "ab", "b", "*", "a*", "ab*", "*b", "*ab", "a*b", "**"]);
        prop::collection::vec(segment, 1..4).prop_map(|segments| segments.join("/").parse().unwrap())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn whatever_overlaps_is_found(
            all in prop::collection::vec(pattern(), 1..12),
            asked in prop::collection::vec(pattern(), 1..6),
        ) {
            let near = Near::new(all.iter().cloned().zip(0..));
            for one in &asked {
                let found = near.to(one);
                for (index, other) in all.iter().enumerate() {
                    prop_assert_eq!(found.contains(&&index), may_overlap(other, one), "{} {}", other, one);
                    prop_assert!(region::overlap(other, one) == Ok(false) || may_overlap(other, one), "{} {}", other, one);
                }
            }
        }
    }

    #[test]
    fn what_is_plainly_apart_is_not_near() {
        for (one, other) in
            [("a/b", "a/c"), ("a/*", "a"), ("web-1-*", "web-2-*"), ("*-x", "*-y"), ("**/a", "**/b"), ("a*", "b")]
        {
            assert!(!may_overlap(&one.parse().unwrap(), &other.parse().unwrap()), "{one} {other}");
        }
    }
}
