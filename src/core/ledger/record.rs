//! What the fold keeps of statements: one record a request, proposal, lockdown and lift.
//!
//! Records are values; a delta replaces them whole.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::TimeDelta;

use crate::core::hash::Hash;
use crate::core::key::PublicKey;
use crate::core::name::{Name, Resource};
use crate::core::pattern::Pattern;
use crate::core::policy::Policy;
use crate::core::reason::Reason;
use crate::core::statement::{Founder, LockdownSubject, Request};
use crate::core::time::{Duration, Timestamp};

/// How much earlier than its start a grant counts as live, where the start is somebody's clock reading.
const START_LEEWAY: TimeDelta = TimeDelta::seconds(60);

/// A non-inert line: where it stands and what kind it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its place in the log, from 0.
    pub index: u64,
    /// Its kind, as far as other lines may speak of it.
    pub kind: EntryKind,
}

/// The kinds of line that others speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EntryKind {
    /// A request.
    Request,
    /// A policy.
    Policy,
    /// A lockdown.
    Lockdown,
    /// A lift.
    Lift,
    /// Any other.
    Other,
}

/// The first line, as the rest of the log refers to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenesisRecord {
    /// The log's id.
    pub id: Hash,
    /// The log's name.
    pub name: Name,
    /// Who maintains it until the first policy, one key each.
    pub maintainers: Vec<Founder>,
    /// How many of them a policy needs.
    pub threshold: u64,
    /// When it was signed.
    pub at: Timestamp,
}

/// Whether a policy's files load.
#[derive(Clone, Debug)]
pub enum Loaded {
    /// They do.
    Policy(Arc<Policy>),
    /// They do not; the text says why.
    Broken(String),
    /// Their format is above this program's.
    Unsupported,
}

impl PartialEq for Loaded {
    /// Tells whether both load, or neither for the same reason. Which files they are, the digest beside it says.
    fn eq(&self, other: &Loaded) -> bool {
        match (self, other) {
            (Loaded::Policy(_), Loaded::Policy(_)) | (Loaded::Unsupported, Loaded::Unsupported) => true,
            (Loaded::Broken(why), Loaded::Broken(other)) => why == other,
            (Loaded::Policy(_) | Loaded::Broken(_) | Loaded::Unsupported, _) => false,
        }
    }
}

impl Eq for Loaded {}

/// A policy with its threshold: the one in force, if this program can load it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyRecord {
    /// The id of its line.
    pub id: Hash,
    /// The index of its line, which names its folder.
    pub index: u64,
    /// Its version.
    pub version: u64,
    /// Its format.
    pub format: u64,
    /// The digest over its files.
    pub digest: Hash,
    /// The commit it was taken from.
    pub commit: [u8; 20],
    /// When its author signed it.
    pub at: Timestamp,
    /// Who signed for it, author first.
    pub signers: Vec<Name>,
    /// Its files.
    pub loaded: Loaded,
}

/// A policy that may still come into force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposalRecord {
    /// What it would be in force; its signers so far are in [`ProposalRecord::signatures`].
    pub policy: PolicyRecord,
    /// Who signed for it so far, author first, and by which key.
    pub signatures: Vec<(Name, PublicKey)>,
}

/// A request, and all that came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestRecord {
    /// Its id.
    pub id: Hash,
    /// Its place in the log.
    pub index: u64,
    /// The leaf hash of its line.
    pub leaf: Hash,
    /// The subject.
    pub by: Name,
    /// The key that signed it.
    pub key: PublicKey,
    /// When it was signed.
    pub at: Timestamp,
    /// What it asks for.
    pub request: Request,
    /// How long it may wait, as the policy at its line said.
    pub pending_for: Duration,
    /// The approvals with effect, in log order: of each person, key and set of rotations in which they were on call then,
    /// the first and, if a later one is for less time, the shortest. The rest could change nothing, and whoever may
    /// approve may do so any number of times.
    pub approvals: Vec<ApprovalRecord>,
    /// What came of it.
    pub status: Status,
    /// Its revocation.
    pub revoked: Option<Ending>,
}

impl RequestRecord {
    /// Returns the last instant at which an approval of it counts.
    pub fn lapses_at(&self) -> Timestamp {
        self.at.after(self.pending_for)
    }

    /// Returns the moment at which somebody who approves or denies it must be among those whom a rule names: that of their
    /// own signature, which can't be taken further back than the request nor further on than its lapse.
    pub fn moment_of(&self, at: Timestamp) -> Timestamp {
        at.clamp(self.at, self.lapses_at())
    }

    /// Tells whether it asks for this.
    pub fn is_for(&self, resource: &Resource, action: &Name) -> bool {
        self.request.resource == *resource && self.request.action == *action
    }

    /// Returns the instant after which time has ended it, if nothing ended it before: a grant's end, or the last instant at
    /// which an approval counts; none if something has.
    pub fn until(&self) -> Option<Timestamp> {
        match (&self.status, &self.revoked) {
            (Status::WithoutEffect(_) | Status::Denied(_), _) | (_, Some(_)) => None,
            (Status::Pending, None) => Some(self.lapses_at()),
            (Status::Complete(grant), None) => Some(grant.end),
        }
    }

    /// Tells whether it had to be complete before `now`, and is not.
    pub fn has_lapsed(&self, now: Timestamp) -> bool {
        matches!(self.status, Status::Pending) && now > self.lapses_at()
    }

    /// Takes in an approval with effect, under the policy in force at its line.
    pub(super) fn take_in(&mut self, approval: ApprovalRecord, policy: &Policy) {
        let turns = policy.on_call(&approval.by, approval.at);
        let same = |other: &ApprovalRecord| {
            other.by == approval.by && other.key == approval.key && policy.on_call(&other.by, other.at) == turns
        };
        if self.approvals.iter().any(same) {
            let shortest = self.approvals.iter().filter(|other| same(other)).filter_map(|other| other.duration).min();
            if approval.duration.is_none_or(|length| shortest.is_some_and(|shortest| shortest <= length)) {
                return;
            }
            let mut is_first = true;
            self.approvals.retain(|other| !same(other) || std::mem::take(&mut is_first));
        }
        self.approvals.push(approval);
    }

    /// Returns the grant that came of it.
    pub fn grant(&self) -> Option<&Grant> {
        match &self.status {
            Status::Complete(grant) => Some(grant),
            Status::Pending | Status::Denied(_) | Status::WithoutEffect(_) => None,
        }
    }
}

/// What came of a request, revocations and lockdowns aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// It never had an effect, for these reasons.
    WithoutEffect(Vec<Reason>),
    /// It waits for approvals.
    Pending,
    /// Somebody eligible said no.
    Denied(Ending),
    /// It is a grant.
    Complete(Grant),
}

/// Who ended something early.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// The line's place in the log.
    pub index: u64,
    /// Who.
    pub by: Name,
    /// When, as they say.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

/// One signed yes that had an effect at its line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalRecord {
    /// Its id.
    pub id: Hash,
    /// Its place in the log.
    pub index: u64,
    /// The leaf hash of its line.
    pub leaf: Hash,
    /// Who.
    pub by: Name,
    /// By which key.
    pub key: PublicKey,
    /// When it was signed.
    pub at: Timestamp,
    /// For how long at most.
    pub duration: Option<Duration>,
    /// A word to the subject.
    pub comment: String,
}

/// The signed, time-bound access that a request became. Nothing in it ever changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The index of the line that completed it.
    pub index: u64,
    /// The id of the policy in force there.
    pub policy: Hash,
    /// The ids of all rules met there.
    pub rules: BTreeSet<Name>,
    /// The counted approvals, one a person, in log order.
    pub counted: Vec<ApprovalRecord>,
    /// When it starts.
    pub start: Timestamp,
    /// When it ends; at that instant it no longer holds.
    pub end: Timestamp,
    /// From when on a gate honours it: the start, or a little before where the start is somebody's clock reading.
    pub live_from: Timestamp,
}

impl Grant {
    /// Fixes a grant's window (design, section 6): start = the latest of the request's `at`, its `not_before` and the
    /// counted approvals' `at`; end = start + the shortest duration signed.
    pub(super) fn fix(
        index: u64,
        policy: Hash,
        rules: BTreeSet<Name>,
        record: &RequestRecord,
        counted: Vec<ApprovalRecord>,
        shortest: Duration,
    ) -> Grant {
        let not_before = record.request.not_before.unwrap_or(Timestamp::MIN);
        let read = counted.iter().map(|approval| approval.at).fold(record.at, Timestamp::max);
        let start = read.max(not_before);
        let live_from = read.shifted(-START_LEEWAY).max(not_before);
        Grant { index, policy, rules, counted, start, end: start.after(shortest), live_from }
    }
}

/// A lockdown by someone who had the right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockdownRecord {
    /// Its id.
    pub id: Hash,
    /// Its place in the log.
    pub index: u64,
    /// Who.
    pub by: Name,
    /// When, as they say.
    pub at: Timestamp,
    /// Whom.
    pub subjects: Vec<LockdownSubject>,
    /// Where.
    pub resources: Vec<Pattern>,
    /// Why.
    pub reason: String,
    /// The index of the line that lifted it.
    pub lifted: Option<u64>,
    /// Members of its groups as they stood at its line.
    pub members_then: BTreeSet<Name>,
    /// Members of its groups as they last stood, group by group; frozen once lifted.
    pub members_now: BTreeMap<Name, BTreeSet<Name>>,
    /// Who was a member for a while: up to which index their requests are ended.
    pub members_once: BTreeMap<Name, u64>,
}

impl LockdownRecord {
    /// Tells whether it ends, or holds back, a request that stands at `index`.
    ///
    /// A request before the lockdown is ended for good; one after it is held back until the lift. Somebody who joins one
    /// of its groups while it is not lifted is locked down from then on, and what that ended stays ended after they leave.
    pub fn ends(&self, subject: &Name, resource: &Resource, index: u64) -> bool {
        let reaches = |end: Option<u64>| end.is_none_or(|end| index < end);
        let is_member_now = || self.members_now.values().any(|members| members.contains(subject));
        let by_name = self.subjects.iter().any(|named| match named {
            LockdownSubject::Everyone => true,
            LockdownSubject::Identity(name) => name == subject,
            LockdownSubject::Group(_) => false,
        });
        let reached = if by_name || self.members_then.contains(subject) || is_member_now() {
            reaches(self.lifted)
        } else {
            self.members_once.get(subject).is_some_and(|end| reaches(Some(*end)))
        };
        reached && self.resources.iter().any(|pattern| pattern.matches(resource))
    }

    /// Follows the groups of a policy that comes into force by the line at `index`; a group that is gone counts as it
    /// last stood.
    pub(super) fn follow_groups(&mut self, policy: &Policy, index: u64) {
        let before: BTreeSet<Name> = self.members_now.values().flatten().cloned().collect();
        for subject in &self.subjects {
            if let LockdownSubject::Group(group) = subject
                && let Some(members) = policy.members(group)
            {
                self.members_now.insert(group.clone(), members);
            }
        }
        let after: BTreeSet<&Name> = self.members_now.values().flatten().collect();
        for left in before.iter().filter(|name| !after.contains(name)) {
            self.members_once.insert(left.clone(), index);
        }
    }
}

/// A lift that may still take effect, or has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiftRecord {
    /// Its id.
    pub id: Hash,
    /// Its place in the log.
    pub index: u64,
    /// The lockdown.
    pub of: Hash,
    /// Why.
    pub reason: String,
    /// Who signed for it so far, author first, and by which key.
    pub signatures: Vec<(Name, PublicKey)>,
}
