//! Everything that a view can be asked, so that two can be held against each other.

use chrono::TimeDelta;
use jit::core::hash::{Hash, IdPrefix};
use jit::core::ledger::{
    Entry, GenesisRecord, LiftRecord, LockdownRecord, PolicyRecord, ProposalRecord, RequestRecord,
};
use jit::core::name::Name;
use jit::core::policy::Policy;
use jit::core::time::Timestamp;
use jit::core::view::{View, ViewExt as _};
use std::sync::Arc;

/// All that a view answers.
#[derive(Debug, PartialEq)]
pub struct Asked {
    genesis: Option<Arc<GenesisRecord>>,
    policy: Option<Arc<PolicyRecord>>,
    roster: Option<String>,
    format_above: Option<u64>,
    requests: [Vec<Arc<RequestRecord>>; 2],
    proposals: Vec<Arc<ProposalRecord>>,
    lockdowns: Vec<Arc<LockdownRecord>>,
    lifts: Vec<Arc<LiftRecord>>,
    prefixes: Vec<(Option<Hash>, Option<Hash>)>,
    by_id: Vec<ById>,
    by_digits: Vec<Vec<(Hash, Entry)>>,
    by_subject: Vec<[Vec<Arc<RequestRecord>>; 5]>,
}

#[derive(Debug, PartialEq)]
struct ById {
    entry: Option<Entry>,
    in_force: Option<(u64, Option<u64>)>,
    request: Option<Arc<RequestRecord>>,
    proposal: Option<Arc<ProposalRecord>>,
    lockdown: Option<Arc<LockdownRecord>>,
    lift: Option<Arc<LiftRecord>>,
}

/// All that a policy says.
pub fn said(policy: &Policy) -> String {
    let settings = (policy.name(), policy.maintainers(), policy.threshold(), policy.revokers(), policy.witnesses());
    let limits = (policy.max_age(), policy.pending_for(), policy.reason_for_all());
    let people = (policy.identities(), policy.groups(), policy.rotations());
    format!("{settings:?} {limits:?} {people:?} {:?}", policy.rules())
}

/// Asks a view everything, about these statements and subjects, at one instant.
pub fn ask_all(view: &impl View, ids: &[Hash], subjects: &[Name], now: Timestamp) -> Asked {
    let requests = view.requests(None);
    let by_digits = |digits: &str| {
        let prefix: IdPrefix = digits.parse().expect("hex digits");
        view.entries_like(&prefix, 3)
    };
    Asked {
        genesis: view.genesis(),
        policy: view.policy_record(),
        roster: view.roster().as_deref().map(said),
        format_above: view.format_above(),
        proposals: view.proposals(),
        lockdowns: view.lockdowns(),
        lifts: view.lifts(),
        prefixes: (0..=view.size() + 1).map(|size| (view.root_at(size), view.policy_at(size))).collect(),
        by_id: ids
            .iter()
            .map(|id| ById {
                entry: view.entry(id),
                in_force: view.in_force(id),
                request: view.request(id),
                proposal: view.proposal(id),
                lockdown: view.lockdown(id),
                lift: view.lift(id),
            })
            .collect(),
        by_digits: ["", "0", "7", "f", "3c", "80"].map(by_digits).into(),
        by_subject: subjects
            .iter()
            .map(|subject| {
                let for_each = |from| -> Vec<Arc<RequestRecord>> {
                    let asked = requests.iter().map(|one| (&one.request.resource, &one.request.action));
                    asked.flat_map(|(resource, action)| view.requests_for(subject, resource, action, from)).collect()
                };
                let grants = |hours| view.grants_of(subject, now.shifted(TimeDelta::hours(hours)));
                [view.requests_of(subject), for_each(None), for_each(Some(now)), grants(0), grants(-2)]
            })
            .collect(),
        requests: [view.requests(Some(now)), requests],
    }
}
