//! Two policies held against each other: who gains what, and who loses what.
//!
//! Somebody *gains* something where, for some resource, action and duration, some people can approve a request of theirs
//! under the new policy, and the same people, by keys that ask no more of anybody, could not under the old one. *Losing* is
//! the same the other way round. This is exact over all resources, actions, durations and sets of approvers; deny rules
//! that hold at any hour are counted, and so is which keys people have.
//!
//! Reasons, hours (those of deny rules, too) and limits are conditions on top. Where the access as such is the same and the
//! conditions ask less than before in some respect, it is *eased*; the other way round, *tightened*; where they are just
//! other ones, it is both.
//!
//! **How.** Each rule that one policy has for somebody and the other has not in the same words is taken apart: by pattern,
//! by duration (between two bounds that any rule names, nothing changes), and by sets of approvers that just meet it. The
//! rules of the other policy that such a set meets cover their patterns; whatever of the rule's own pattern they leave, or
//! a deny rule that is no more takes out of them, is gained. Who has the same rules as before is not looked at; those whom
//! nothing near a pattern tells apart are looked at once.

mod alike;
mod conditions;
mod look;
mod nearby;
mod notes;
mod side;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;
use std::thread;

use crate::core::name::{Name, Resource};
use crate::core::pattern::Pattern;
use crate::core::policy::{Allow, Effect, Policy, Rotation, Rule};
use crate::core::time::Duration;

use super::cover::Regions;
use super::demand::{self, Person};
use super::people;
use alike::classes;
use look::{About, Beside};
use nearby::Nearby;
use notes::notes;
use side::{Side, at, find_twins};

/// How the reach of one policy differs from that of another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison<'a> {
    /// What somebody can have, and could not before; rules are the new policy's.
    pub gains: Vec<Change<'a>>,
    /// What somebody could have, and can't any more; rules are the old policy's.
    pub losses: Vec<Change<'a>>,
    /// What asks less than before beside approvals, or other things; rules are the new policy's.
    pub eased: Vec<Change<'a>>,
    /// What asks more than before beside approvals, or other things; rules are the old policy's.
    pub tightened: Vec<Change<'a>>,
    /// What else has changed in settings, keys and usual durations, in words.
    pub notes: Vec<String>,
}

impl Comparison<'_> {
    /// Tells whether nobody's reach has changed, nor the conditions on it.
    pub fn is_empty(&self) -> bool {
        [&self.gains, &self.losses, &self.eased, &self.tightened].into_iter().all(Vec::is_empty)
    }

    /// Tells whether somebody gains anything, or might: conditions that are eased let people in whom they kept out.
    pub fn gives(&self) -> bool {
        !self.gains.is_empty() || !self.eased.is_empty()
    }
}

/// A difference for subjects who are alike, by one pattern of one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change<'a> {
    /// Who, by name; at least one.
    pub subjects: Arc<[&'a Name]>,
    /// By which rule of the policy that gives it.
    pub rule: &'a Rule,
    /// On some resources of this pattern of the rule.
    pub resources: &'a Pattern,
    /// What can be done.
    pub actions: Deeds,
    /// For longer than this; none from the shortest on.
    pub over: Option<Duration>,
    /// For this long at most.
    pub up_to: Duration,
    /// What that policy wants approved.
    pub approvals: Vec<String>,
    /// Whether it wants a request by a security key.
    pub by_security_key: bool,
    /// What else it asks.
    pub conditions: Arc<[String]>,
    /// What the other policy asks beside approvals, where that is the difference: one text for each rule.
    pub instead: Vec<String>,
    /// The deny rules of that policy that take something of the pattern away at any hour, by id.
    pub except: Arc<[&'a Rule]>,
    /// The deny rules of the other policy that take away something that this one leaves, by id.
    pub denied_by: Arc<[&'a Rule]>,
    /// One case of it, for the first subject; none where patterns or approvals are too intricate to tell whether there is
    /// any.
    pub example: Option<Example>,
}

impl Change<'_> {
    /// Returns a case of it for one of the subjects: where one is in the place of another, so is that one in theirs.
    pub fn example_for(&self, subject: &Name) -> Option<Example> {
        let mut example = self.example.clone()?;
        if let Some(first) = self.subjects.first() {
            let approving = example.approved_by.iter_mut().filter(|who| *who == subject);
            approving.for_each(|who| *who = (*first).clone());
        }
        Some(example)
    }
}

/// Tells whether these are the same rules of one policy.
pub fn are_same(rules: &[&Rule], others: &[&Rule]) -> bool {
    // There may be many, and in a policy each is there once.
    rules.len() == others.len() && rules.iter().zip(others).all(|(rule, other)| std::ptr::eq(*rule, *other))
}

/// One case of a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// For what.
    pub resource: Resource,
    /// To do what.
    pub action: Name,
    /// Approved by whom.
    pub approved_by: Vec<Name>,
}

/// Actions out of all there are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deeds {
    /// These.
    These(BTreeSet<Name>),
    /// All but these; perhaps all.
    AllBut(BTreeSet<Name>),
}

impl Deeds {
    /// Tells whether `action` is one of them.
    pub fn contains(&self, action: &Name) -> bool {
        match self {
            Deeds::These(actions) => actions.contains(action),
            Deeds::AllBut(actions) => !actions.contains(action),
        }
    }
}

impl fmt::Display for Deeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |actions: &BTreeSet<Name>| actions.iter().map(Name::to_string).collect::<Vec<_>>().join(", ");
        match self {
            Deeds::These(actions) => f.write_str(&list(actions)),
            Deeds::AllBut(actions) if actions.is_empty() => f.write_str("*"),
            Deeds::AllBut(actions) => write!(f, "* but {}", list(actions)),
        }
    }
}

/// Returns what changes from the old policy to the new one.
pub fn compare<'a>(old: &'a Policy, new: &'a Policy) -> Comparison<'a> {
    let names: BTreeSet<&Name> = old.identities().keys().chain(new.identities().keys()).collect();
    let names: Vec<&Name> = names.into_iter().collect();
    let (mut old, mut new) = thread::scope(|scope| {
        let before = scope.spawn(|| Side::new(old, &names));
        let after = Side::new(new, &names);
        (before.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), after)
    });
    find_twins(&mut old, &mut new);
    let ((gains, eased), (losses, tightened)) = thread::scope(|scope| {
        let lost = scope.spawn(|| given(&names, &old, &new));
        let gained = given(&names, &new, &old);
        (gained, lost.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    Comparison { gains, losses, eased, tightened, notes: notes(old.policy, new.policy) }
}

/// One pattern of one rule of `base`.
struct One<'a> {
    index: usize,
    rule: &'a Rule,
    allow: &'a Allow,
    pattern: &'a Pattern,
}

/// More than in the other policy, and easier than there.
type Found<'a> = (Vec<Change<'a>>, Vec<Change<'a>>);

/// Returns what `base` gives and `other` does not, and what both give and `base` asks less for.
fn given<'a>(names: &[&'a Name], base: &Side<'a>, other: &Side<'a>) -> Found<'a> {
    let mut regions = Regions::default();
    // In the end by the first subject, then by rule and pattern.
    let mut found: BTreeMap<(Person, usize, usize), Found<'a>> = BTreeMap::new();
    for (index, people) in to_look_at(names, base, other) {
        let Some(rule) = base.rules.get(index).copied() else { continue };
        let Effect::Allow(allow) = &rule.effect else { continue };
        for (number, pattern) in rule.resources.iter().enumerate() {
            let one = One { index, rule, allow, pattern };
            let near = Nearby::new(pattern, base, other);
            let mut besides: HashMap<usize, Beside<'a, '_>> = HashMap::new();
            for class in classes(&one, &near, [base, other], &people) {
                let Some(who) = class.people.first().copied() else { continue };
                let Some(name) = at(names, who).copied() else { continue };
                let about = About { names, who, name, base, other };
                let beside = besides.entry(class.group).or_insert_with(|| about.beside(&one, &near));
                let (mut more, mut easier) = about.look(&one, beside, &mut regions);
                if more.is_empty() && easier.is_empty() {
                    continue;
                }
                let subjects: Arc<[&'a Name]> =
                    class.people.iter().filter_map(|who| at(names, *who).copied()).collect();
                more.iter_mut().chain(&mut easier).for_each(|change| change.subjects = Arc::clone(&subjects));
                found.insert((who, index, number), (more, easier));
            }
        }
    }
    let (mut more, mut easier) = (Vec::new(), Vec::new());
    for found in found.into_values() {
        more.extend(found.0);
        easier.extend(found.1);
    }
    (more, easier)
}

/// Returns the allow rules of `base` that may give somebody more than `other`, or for less, and whom; both in order.
fn to_look_at<'a>(names: &[&'a Name], base: &Side<'a>, other: &Side<'a>) -> BTreeMap<usize, Vec<Person>> {
    let mut all: BTreeMap<usize, Vec<Person>> = BTreeMap::new();
    let mut touched = Touched::default();
    // What is known of a rule for everybody spares a look at each.
    let is_same: Vec<bool> = (0..base.rules.len()).map(|index| is_known_to_all(index, base, other)).collect();
    let is_same = |index: usize| is_same.get(index) == Some(&true);
    let changed: Vec<usize> = other.denials().filter(|index| !is_known_to_all(*index, other, base)).collect();
    for (who, name) in (0..).zip(names) {
        if !demand::keys_of(&base.keys, who).is_any() {
            continue;
        }
        let is_same_person = at(&base.owners, who) == at(&other.owners, who)
            && at(&base.keys, who) == at(&other.keys, who)
            && at(&base.is_person, who) == at(&other.is_person, who);
        // What `other` denies and `base` does not.
        let denied = changed.iter().copied().filter(|index| other.is_for(*index, who));
        let denied: Vec<usize> = denied.filter(|index| !is_known(*index, other, base, (who, name))).collect();
        for index in base.rules_of(who).iter().copied() {
            let mut is_touched = || denied.iter().any(|denial| touched.by(*denial, index, base, other));
            let is_known = || is_same(index) || is_known(index, base, other, (who, name));
            if !base.is_denial(index) && (!is_same_person || !is_known() || is_touched()) {
                all.entry(index).or_default().push(who);
            }
        }
    }
    all
}

/// Tells whether a rule of one policy is for the same people, at any time, in the other as well.
fn is_known_to_all(index: usize, side: &Side<'_>, elsewhere: &Side<'_>) -> bool {
    side.twins.get(index).copied().flatten().is_some_and(|twin| {
        !side.is_by_turns(index) && !elsewhere.is_by_turns(twin) && side.people_of(index) == elsewhere.people_of(twin)
    })
}

/// Tells whether a rule of one policy that is for somebody is for them in the other as well, at the same times.
fn is_known(index: usize, side: &Side<'_>, elsewhere: &Side<'_>, (who, name): (Person, &Name)) -> bool {
    side.twins.get(index).copied().flatten().is_some_and(|twin| {
        let is_by_turns = side.is_by_turns(index) || elsewhere.is_by_turns(twin);
        elsewhere.is_for(twin, who) && (!is_by_turns || turns(side, index, name) == turns(elsewhere, twin, name))
    })
}

fn turns<'a>(side: &Side<'a>, index: usize, name: &Name) -> Option<BTreeMap<String, &'a Rotation>> {
    side.rules.get(index).map(|rule| people::turns(side.policy, &rule.subjects, name))
}

/// Which rules of `base` the deny rules of `other` may be about, by number.
#[derive(Default)]
struct Touched(HashMap<usize, Vec<usize>>);

impl Touched {
    fn by(&mut self, denial: usize, index: usize, base: &Side<'_>, other: &Side<'_>) -> bool {
        let about = self.0.entry(denial).or_insert_with(|| {
            let patterns = other.rules.get(denial).map(|rule| rule.resources.as_slice()).unwrap_or_default();
            let rules: BTreeSet<usize> =
                patterns.iter().flat_map(|pattern| base.allowing.to(pattern)).copied().collect();
            rules.into_iter().collect()
        });
        about.binary_search(&index).is_ok()
    }
}
