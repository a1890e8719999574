//! Whether something of a pattern is left, asked again and again: with the answers kept.

use std::collections::HashMap;

use crate::core::name::Resource;
use crate::core::pattern::{ANY_SEGMENTS, Pattern};
use crate::core::region::{self, TooHard};

/// Answers to questions about regions; the same question costs once.
#[derive(Default)]
pub(super) struct Regions<'a> {
    numbers: HashMap<&'a str, u32>,
    known: HashMap<Question, Result<Option<Resource>, TooHard>>,
}

/// The patterns inside and outside, by their numbers.
type Question = (Vec<u32>, Vec<u32>);

impl<'a> Regions<'a> {
    /// Returns a resource that all of `inside` stand for and none of `outside`.
    pub(super) fn example(
        &mut self,
        inside: &[&'a Pattern],
        outside: &[&'a Pattern],
    ) -> Result<Option<Resource>, TooHard> {
        // What is plain to see needs no search.
        if outside.iter().any(|one| inside.contains(one) || one.as_str() == ANY_SEGMENTS) {
            return Ok(None);
        }
        let key = (self.numbered(inside), self.numbered(outside));
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let answer = region::example(inside, outside);
        self.known.insert(key, answer.clone());
        answer
    }

    fn numbered(&mut self, patterns: &[&'a Pattern]) -> Vec<u32> {
        let mut numbers: Vec<u32> = Vec::with_capacity(patterns.len());
        for pattern in patterns {
            let next = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
            numbers.push(*self.numbers.entry(pattern.as_str()).or_insert(next));
        }
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }
}

/// Tells by what stands before and behind their first and last wildcards whether two patterns may overlap; a yes may still be
/// a no.
pub(super) fn may_overlap(one: &Pattern, other: &Pattern) -> bool {
    let (one, other) = (one.as_str(), other.as_str());
    are_alike(one.split('/'), other.split('/')) && are_alike(one.rsplit('/'), other.rsplit('/'))
}

/// Goes through the segments until one of them may be any number.
fn are_alike<'s>(one: impl Iterator<Item = &'s str>, mut other: impl Iterator<Item = &'s str>) -> bool {
    for segment in one {
        match (segment, other.next()) {
            (ANY_SEGMENTS, _) | (_, Some(ANY_SEGMENTS)) => return true,
            (_, None) => return false,
            (segment, Some(beside)) => {
                let is_literal = !segment.contains('*') && !beside.contains('*');
                if is_literal && segment != beside {
                    return false;
                }
            }
        }
    }
    matches!(other.next(), None | Some(ANY_SEGMENTS))
}
