//! A rehearsal: what a policy would say, by playing requests and approvals through the fold and the decision themselves.
//!
//! Nothing is signed and nothing logged: everybody is given keys that exist only here, so that what is played is judged
//! just as it would be in a log. Standing assertions are asked of rules and patterns: `assertion.rs`.

mod assertion;

use std::collections::BTreeSet;
use std::fmt;
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

pub use assertion::Prop;

use super::decide::{self, Answer, Decision};
use super::evaluate::{self, Need};
use super::hash::Hash;
use super::key::PublicKey;
use super::ledger::{
    Change, Delta, Entry, EntryKind, GenesisRecord, Loaded, PolicyRecord, Verdict, approvers, foresee,
};
use super::name::{Name, Resource};
use super::policy::{Case, Policy, Selector, Tests};
use super::reason::{Code, Reason};
use super::region::TooHard;
use super::statement::{Approval, Request, Revocation, Seen, Statement, Verdict as Vote, What};
use super::time::{Duration, Timestamp};
use super::view::{Memory, View, ViewExt};

/// What came of a case.
#[derive(Clone, Debug)]
pub struct Played {
    /// The answer at a gate, at the time of the case; allow also where the grant only starts later.
    pub decision: Decision,
    /// What still has to be approved.
    pub needs: Vec<Need>,
    /// What is not as the case expects it; none if all is.
    pub faults: Vec<Fault>,
}

/// Something that is not as a case expects it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What the case says, as it is written there.
    pub expected: String,
    /// What it would have to say, were all well as it is.
    pub found: String,
    /// Why it is so, where that can be said.
    pub why: Option<String>,
}

impl fmt::Display for Fault {
    /// Writes it on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected `{}`, and it is `{}`", self.expected, self.found)?;
        match &self.why {
            Some(why) => write!(f, ": {why}"),
            None => Ok(()),
        }
    }
}

/// Plays the cases and asks the assertions of one policy.
#[derive(Clone, Debug)]
pub struct Rehearsal {
    /// The policy, with keys that exist only here.
    policy: Arc<Policy>,
    /// A log in which it is in force.
    start: Memory,
}

/// What came of a policy's tests, each in its place.
#[derive(Clone, Debug)]
pub struct Rehearsed {
    /// Of the cases.
    pub cases: Vec<Played>,
    /// Of the assertions: how each is broken, or that it can't be told ([`Rehearsal::breaches`]).
    pub assertions: Vec<Result<Vec<String>, TooHard>>,
}

impl Rehearsal {
    /// Begins a rehearsal of a policy.
    pub fn new(policy: &Policy) -> Rehearsal {
        let policy = Arc::new(policy.with_keys_of_rehearsal());
        let id = |text: &str| Hash::of(text.as_bytes());
        let (genesis, in_force) = (id("genesis"), id("policy"));
        let mut start = Memory::new();
        let maintainers = policy.maintainers().iter().cloned().collect::<Vec<_>>();
        let record = GenesisRecord {
            id: genesis,
            name: policy.name().parse().unwrap_or_else(|_| maintainers.first().cloned().unwrap_or_else(nobody)),
            maintainers: Vec::new(),
            threshold: 1,
            at: Timestamp::MIN,
        };
        start.commit(Delta {
            leaf: genesis,
            verdict: Verdict::Effect,
            changes: vec![Change::Genesis(record), Change::Entry(genesis, Entry { index: 0, kind: EntryKind::Other })],
        });
        let record = PolicyRecord {
            id: in_force,
            index: 1,
            version: 1,
            format: super::policy::FORMAT,
            digest: in_force,
            commit: [0; 20],
            at: Timestamp::MIN,
            signers: maintainers,
            loaded: Loaded::Policy(Arc::clone(&policy)),
        };
        start.commit(Delta {
            leaf: in_force,
            verdict: Verdict::Effect,
            changes: vec![
                Change::Entry(in_force, Entry { index: 1, kind: EntryKind::Policy }),
                Change::PolicyInForce(Box::new(record)),
            ],
        });
        Rehearsal { policy, start }
    }

    /// Returns the policy, in which everybody has keys that exist only here.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Plays all cases and asks all assertions.
    pub fn rehearse(&self, tests: &Tests) -> Rehearsed {
        Rehearsed {
            cases: of_each(&tests.cases, |case| self.play(case)),
            assertions: of_each(&tests.assertions, |assertion| self.breaches(assertion)),
        }
    }

    /// Plays one case.
    pub fn play(&self, case: &Case) -> Played {
        let mut stage = Stage { view: self.start.clone(), nonce: 0 };
        let key = |name: &Name, touched: bool| key_of(&self.policy, name, touched);
        let usual = evaluate::default_duration(&self.policy, &case.subject, &case.resource, &case.action, case.at);
        let length = case.duration.or(usual);
        for earlier in &case.earlier {
            let (resource, action) = (earlier.resource.as_ref(), earlier.action.as_ref());
            let (resource, action) = (resource.unwrap_or(&case.resource), action.unwrap_or(&case.action));
            let usual = evaluate::default_duration(&self.policy, &case.subject, resource, action, earlier.at);
            let Some(length) = earlier.duration.or(case.duration).or(usual) else { continue };
            let request = stage.request(resource, action, length, &case.reason, None);
            let id = stage.say(&case.subject, &key(&case.subject, case.by_hardware_key), earlier.at, request);
            stage.approve(&self.policy, case, id, earlier.at);
            if earlier.is_revoked {
                let revocation = What::Revocation(Revocation { of: id, reason: String::new() });
                stage.say(&case.subject, &key(&case.subject, false), earlier.at, revocation);
            }
        }
        let Some(length) = length else {
            // What `jit request` says before anything is signed.
            let reason = evaluate::no_matching_rule(&self.policy, &case.subject, &case.resource, &case.action, case.at);
            return judged(case, Decision::deny(reason), Vec::new());
        };
        let request = stage.request(&case.resource, &case.action, length, &case.reason, case.not_before);
        let id = stage.say(&case.subject, &key(&case.subject, case.by_hardware_key), case.at, request);
        stage.approve(&self.policy, case, id, case.at);
        let Some(record) = stage.view.request(&id) else {
            return judged(case, Decision::deny(Reason::new(Code::NoGrant, "it is not on record")), Vec::new());
        };
        let mut decision = decide::stand(&stage.view, &record, case.at);
        let starts_later = decision.reasons.iter().all(|reason| reason.code == Code::NotYetValid);
        if decision.answer == Answer::Deny && starts_later {
            decision.answer = Answer::Allow;
            decision.grant = decide::granted(&stage.view, &record);
        }
        let needs = match decision.answer {
            Answer::Pending => evaluate::needs(&self.policy, &record.ask(), &approvers(&stage.view, &record)),
            Answer::Allow | Answer::Deny => Vec::new(),
        };
        judged(case, decision, needs)
    }
}

/// Returns what comes of each, in order; two at a time.
pub(in crate::core) fn of_each<T: Sync, R: Send>(all: &[T], what: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let work = || {
        let indexes = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
        indexes.map_while(|index| Some((index, what(all.get(index)?)))).collect::<Vec<_>>()
    };
    let mut done = thread::scope(|scope| {
        let beside = scope.spawn(work);
        let mut done = work();
        done.extend(beside.join().unwrap_or_else(|why| panic::resume_unwind(why)));
        done
    });
    done.sort_unstable_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, one)| one).collect()
}

/// Returns the key by which somebody signs in a rehearsal.
fn key_of(policy: &Policy, name: &Name, touched: bool) -> PublicKey {
    let mut keys = policy.identity(name).into_iter().flat_map(|identity| identity.keys());
    let key = keys.find(|key| key.is_security_key() == touched);
    key.cloned().unwrap_or_else(|| PublicKey::of_rehearsal(name, touched))
}

fn nobody() -> Name {
    "nobody".parse().expect("it is a name")
}

/// Holds what came of a case against what it expects.
fn judged(case: &Case, decision: Decision, needs: Vec<Need>) -> Played {
    let fault = |expected: String, found: String, why: Option<String>| Fault { expected, found, why };
    let mut faults = Vec::new();
    if decision.answer != case.expect {
        let why = decision.reasons.iter().map(|reason| reason.message.as_str()).collect::<Vec<_>>().join("; ");
        let written = |answer: Answer| format!("expect = \"{}\"", answer.as_str());
        faults.push(fault(written(case.expect), written(decision.answer), Some(why)));
    }
    if let Some(rule) = &case.rule {
        let written = |rule: &Name| format!("rule = \"{rule}\"");
        match decision.grant.as_ref().map(|grant| &grant.rule) {
            Some(allowing) if allowing == rule => {}
            Some(allowing) => faults.push(fault(written(rule), written(allowing), None)),
            None => faults.push(fault(written(rule), "no rule".to_owned(), None)),
        }
    }
    if let Some(reasons) = &case.reasons {
        let found: BTreeSet<Code> = decision.reasons.iter().map(|reason| reason.code).collect();
        if found != *reasons {
            let written =
                |codes: &BTreeSet<Code>| format!("reasons = {}", list(codes.iter().map(|code| code.as_str())));
            faults.push(fault(written(reasons), written(&found), None));
        }
    }
    if let Some(missing) = &case.missing {
        let open = needs.iter().filter(|need| u32::try_from(need.have.len()).is_ok_and(|have| have < need.count));
        let found: BTreeSet<Selector> = open.flat_map(|need| need.from.iter().cloned()).collect();
        if found != *missing {
            let written = |from: &BTreeSet<Selector>| format!("missing = {}", list(from.iter()));
            faults.push(fault(written(missing), written(&found), None));
        }
    }
    Played { decision, needs, faults }
}

/// Writes a list as TOML does.
fn list<T: fmt::Display>(items: impl Iterator<Item = T>) -> String {
    format!("[{}]", items.map(|item| format!("\"{item}\"")).collect::<Vec<_>>().join(", "))
}

/// A log that is being played.
struct Stage {
    view: Memory,
    nonce: u128,
}

impl Stage {
    fn request(
        &self,
        resource: &Resource,
        action: &Name,
        duration: Duration,
        reason: &str,
        not_before: Option<Timestamp>,
    ) -> What {
        What::Request(Request {
            policy: self.view.policy_at(self.view.size()).unwrap_or(Hash([0; 32])),
            resource: resource.clone(),
            action: action.clone(),
            duration,
            not_before,
            bind: None,
            reason: reason.to_owned(),
        })
    }

    /// Lets somebody say something; returns its id.
    fn say(&mut self, by: &Name, key: &PublicKey, at: Timestamp, what: What) -> Hash {
        self.nonce += 1;
        let statement = Statement {
            log: self.view.genesis().map_or(Hash([0; 32]), |genesis| genesis.id),
            by: by.clone(),
            at,
            seen: Seen { size: self.view.size(), root: self.view.root().unwrap_or(Hash([0; 32])) },
            nonce: self.nonce.to_be_bytes(),
            what,
        };
        let delta = foresee(&self.view, &statement, key, None);
        let said = delta.changes.iter().find_map(|change| match change {
            Change::Entry(id, _) => Some(*id),
            _ => None,
        });
        self.view.commit(delta);
        said.unwrap_or(Hash([0; 32]))
    }

    fn approve(&mut self, policy: &Policy, case: &Case, of: Hash, at: Timestamp) {
        for given in &case.approved_by {
            let approval = Approval { of, verdict: Vote::Approve(given.duration), comment: String::new() };
            let key = key_of(policy, &given.name, given.by_hardware_key);
            self.say(&given.name, &key, at, What::Approval(approval));
        }
    }
}
