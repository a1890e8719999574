//! Whether something of a pattern is left, asked again and again: with the answers kept.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use crate::core::name::Resource;
use crate::core::near::Near;
use crate::core::pattern::Pattern;
use crate::core::region::{self, TooHard};

/// Answers to questions about regions; the same question costs once.
#[derive(Default)]
pub(super) struct Regions<'a> {
    numbers: HashMap<&'a str, u32>,
    known: HashMap<Question, Result<Option<Resource>, TooHard>>,
    near: HashMap<usize, Rc<[usize]>>,
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
        let key = (self.numbered(inside), self.numbered(outside));
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let answer = region::example(inside, outside);
        self.known.insert(key, answer.clone());
        answer
    }

    /// Returns which things may overlap with the patterns of rule `index`; it is the same things and rules each time.
    pub(super) fn near(&mut self, index: usize, patterns: &[Pattern], things: &Near<usize>) -> Rc<[usize]> {
        let near = self.near.entry(index).or_insert_with(|| {
            let near: BTreeSet<usize> = patterns.iter().flat_map(|pattern| things.to(pattern)).copied().collect();
            near.into_iter().collect()
        });
        Rc::clone(near)
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
