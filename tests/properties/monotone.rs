//! Fewer approvals or a longer ask never open what more approvals or a shorter ask would not.

use jit::core::time::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::support::log::Log;
use crate::support::org::Org;

const APPROVERS: [&str; 5] = ["alice", "carol", "dave", "erin", "frank"];

/// Entries of a rule: whom each names, how many, and for requests longer than how many minutes.
type Entries = Vec<(Vec<bool>, u32, Option<u32>)>;

fn entries() -> impl Strategy<Value = Entries> {
    vec((vec(any::<bool>(), APPROVERS.len()), 1..3_u32, proptest::option::of(1..120_u32)), 0..4)
}

fn org(rules: &[Entries]) -> Org {
    let mut org = Org::new(&["alice"], 1).people("bob carol dave erin frank");
    for (index, entries) in rules.iter().enumerate() {
        let entries: Vec<String> = entries
            .iter()
            .map(|(named, count, longer)| {
                let names =
                    APPROVERS.iter().zip(named).filter(|(_, named)| **named).map(|(name, _)| format!("{name:?}"));
                let mut names: Vec<String> = names.collect();
                if names.is_empty() {
                    names.push("\"carol\"".to_owned());
                }
                let count = (*count).min(u32::try_from(names.len()).unwrap_or(1));
                let longer = longer.map(|minutes| format!(", longer_than = \"{minutes}m\"")).unwrap_or_default();
                format!("{{ from = [{}], count = {count}{longer} }}", names.join(", "))
            })
            .collect();
        let more = if entries.is_empty() { String::new() } else { format!("approvals = [{}]", entries.join(", ")) };
        org = org.allow_if(&format!("r{index}"), "bob", "db/**", "read", "2h", &more);
    }
    org
}

/// Asks for so many minutes, and has it approved by those people at one and the same time.
fn is_granted(start: &Log, minutes: u32, approvers: &[usize]) -> bool {
    let mut log = start.clone();
    let now: Timestamp = log.now();
    let id = log.request("bob", "db/prod", "read", &format!("{minutes}m"), "");
    for approver in approvers {
        log.at(now).approve(APPROVERS.get(*approver).copied().unwrap_or("carol"), id);
    }
    log.answer_at(now, "bob", "db/prod", "read") == "allow granted"
}

proptest! {
    #![proptest_config(crate::cases(1))]

    #[test]
    fn less_never_opens_more(
        rules in vec(entries(), 1..3),
        approvers in vec(0..APPROVERS.len(), 0..5),
        dropped in any::<prop::sample::Index>(),
        minutes in 1..110_u32,
        longer in 1..40_u32,
    ) {
        let mut start = Log::new(&["alice"], 1);
        start.policy("alice", &org(&rules));
        prop_assert_eq!(start.last(), "effect");
        prop_assert!(start.view().policy_loads(), "the policy loads");
        let full = is_granted(&start, minutes, &approvers);
        if !approvers.is_empty() {
            let mut fewer = approvers.clone();
            fewer.remove(dropped.index(fewer.len()));
            prop_assert!(full || !is_granted(&start, minutes, &fewer), "an approval less opens it");
        }
        let reversed: Vec<usize> = approvers.iter().rev().copied().collect();
        prop_assert_eq!(full, is_granted(&start, minutes, &reversed), "the order of approvals matters");
        if is_granted(&start, minutes + longer, &approvers) {
            prop_assert!(full, "a longer ask opens it");
        }
    }
}

trait Loads {
    fn policy_loads(&self) -> bool;
}

impl Loads for jit::core::view::Memory {
    fn policy_loads(&self) -> bool {
        use jit::core::view::ViewExt as _;
        self.rules().is_some()
    }
}
