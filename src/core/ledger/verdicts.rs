//! What many lines are worth: nearly all of them have an effect, so only what is said of the others is kept.

use std::collections::BTreeMap;

use super::Verdict;

/// What lines are worth, in log order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdicts {
    size: u64,
    /// Those of the lines that have no effect, by their places.
    others: BTreeMap<u64, Verdict>,
    kinds: BTreeMap<String, u64>,
}

impl Verdicts {
    /// Adds what the next line is worth.
    pub fn push(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::Effect => {}
            Verdict::WithoutEffect(_) | Verdict::Inert(_) => drop(self.others.insert(self.size, verdict.clone())),
        }
        self.size += 1;
    }

    /// As [`Verdicts::push`], for a line of this kind.
    pub fn push_kind(&mut self, verdict: &Verdict, kind: &str) {
        match (verdict, self.kinds.get_mut(kind)) {
            (Verdict::Inert(_), _) => {}
            (Verdict::Effect | Verdict::WithoutEffect(_), Some(count)) => *count += 1,
            (Verdict::Effect | Verdict::WithoutEffect(_), None) => drop(self.kinds.insert(kind.to_owned(), 1)),
        }
        self.push(verdict);
    }

    /// Returns what the line at `place` is worth, counted from the first of these; none beyond the last.
    pub fn get(&self, place: u64) -> Option<&Verdict> {
        (place < self.size).then(|| self.others.get(&place).unwrap_or(&Verdict::Effect))
    }

    /// Returns what each line is worth.
    pub fn iter(&self) -> impl Iterator<Item = &Verdict> {
        (0..self.size).filter_map(|place| self.get(place))
    }

    /// Returns the lines that have no effect, by their places from the first of these on.
    pub fn without_effect(&self) -> impl Iterator<Item = (u64, &Verdict)> {
        self.others.iter().map(|(place, verdict)| (*place, verdict))
    }

    /// Returns how many lines that are not inert there are of each kind, among those whose kind was told.
    pub fn kinds(&self) -> &BTreeMap<String, u64> {
        &self.kinds
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ledger::Inert;

    #[test]
    fn all_that_was_pushed_is_told() {
        let without = Verdict::WithoutEffect("late".to_owned());
        let inert = Verdict::Inert(Inert::SecondGenesis);
        let all = [Verdict::Effect, without.clone(), inert.clone(), Verdict::Effect, inert.clone()];
        let mut verdicts = Verdicts::default();
        for (verdict, kind) in all.iter().zip(["genesis", "request", "genesis", "request"]) {
            verdicts.push_kind(verdict, kind);
        }
        verdicts.push(&inert);
        assert_eq!(verdicts.iter().cloned().collect::<Vec<_>>(), all);
        assert_eq!((verdicts.get(1), verdicts.get(3), verdicts.get(5)), (Some(&without), Some(&Verdict::Effect), None));
        assert_eq!(verdicts.without_effect().map(|(place, _)| place).collect::<Vec<_>>(), [1, 2, 4]);
        let kinds = [("genesis".to_owned(), 1), ("request".to_owned(), 2)];
        assert_eq!(verdicts.kinds(), &BTreeMap::from(kinds));
    }
}
