//! The rules of both policies near one pattern of a rule: those that are about some of it.

use super::side::Side;
use crate::core::name::{Name, Resource};
use crate::core::near::Near;
use crate::core::pattern::Pattern;
use crate::core::policy::Rule;
use crate::core::region;

/// A rule near the pattern.
pub(super) struct Close<'a> {
    pub(super) index: usize,
    pub(super) rule: &'a Rule,
    /// Its patterns that overlap with the pattern, or are too intricate to tell; none if all of them.
    some: Option<Vec<&'a Pattern>>,
    /// Whether one of them plainly stands for all of it.
    is_all: bool,
    /// Whether one of them stands for the first resource of it.
    has_first: bool,
}

impl<'a> Close<'a> {
    /// Its patterns that overlap with the pattern, or are too intricate to tell.
    pub(super) fn about(&self) -> impl Iterator<Item = &'a Pattern> {
        let all = if self.some.is_none() { self.rule.resources.as_slice() } else { &[] };
        all.iter().chain(self.some.iter().flatten().copied())
    }

    pub(super) fn matches(&self, action: &Name) -> bool {
        self.rule.actions.matches(action)
    }
}

/// All of them, each kind by number.
pub(super) struct Nearby<'a> {
    pub(super) pattern: &'a Pattern,
    first: Option<Resource>,
    /// The deny rules of `base`.
    pub(super) base_denying: Vec<Close<'a>>,
    pub(super) allowing: Vec<Close<'a>>,
    pub(super) denying: Vec<Close<'a>>,
}

impl<'a> Nearby<'a> {
    pub(super) fn new(pattern: &'a Pattern, base: &Side<'a>, other: &Side<'a>) -> Nearby<'a> {
        let first = region::first_of(pattern);
        let close = |side: &Side<'a>, near: &Near<usize>| -> Vec<Close<'a>> {
            let rules = near.to(pattern).into_iter().filter_map(|index| Some((*index, *side.rules.get(*index)?)));
            rules.filter_map(|(index, rule)| close(pattern, first.as_ref(), index, rule)).collect()
        };
        let (base_denying, allowing, denying) =
            (close(base, &base.denying), close(other, &other.allowing), close(other, &other.denying));
        Nearby { pattern, first, base_denying, allowing, denying }
    }

    /// Returns a resource of the pattern for which none of these rules is, as far as that is plain: nothing if it takes a
    /// search to tell.
    pub(super) fn plainly_left(&self, outside: &[&Close<'a>]) -> Option<Option<Resource>> {
        if outside.iter().any(|close| close.is_all) {
            return Some(None);
        }
        let first = self.first.as_ref().filter(|_| !outside.iter().any(|close| close.has_first));
        first.map(|first| Some(first.clone()))
    }
}

fn close<'a>(pattern: &Pattern, first: Option<&Resource>, index: usize, rule: &'a Rule) -> Option<Close<'a>> {
    let is_near = |one: &&Pattern| region::overlap(one, pattern) != Ok(false);
    let some: Option<Vec<&'a Pattern>> = match rule.resources.as_slice() {
        [one] if is_near(&one) => None,
        all => Some(all.iter().filter(is_near).collect()).filter(|some: &Vec<_>| some.len() < all.len()),
    };
    let close = Close { index, rule, some, is_all: false, has_first: false };
    close.about().next()?;
    let is_all = close.about().any(|one| one.plainly_covers(pattern));
    let has_first = first.is_some_and(|first| is_all || close.about().any(|one| one.matches(first)));
    Some(Close { is_all, has_first, ..close })
}
