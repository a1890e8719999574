//! The fold: what each line of the log changes.
//!
//! A line is judged once, at its place, under the policy in force just before it; what comes later never makes it valid
//! or invalid. [`apply`] takes a view of all before and one line, in these steps:
//!
//! 1. [`examine`]: is it a line, and does its signature fit the key inside it? Stateless, so it runs in parallel.
//! 2. `attribution.rs`: is that key its author's here, does it belong to this log and place? If not, it is *inert*: a
//!    leaf of the tree and nothing more.
//! 3. By kind, in `policy.rs`, `request.rs` and `lockdown.rs`: what does it change? A valid line whose author had no such
//!    right, or that came too late, is *without effect*: shown, and no error.
//!
//! The answer is a [`Delta`], which the view takes in. Start reading at [`apply`].

mod attribution;
mod lockdown;
mod policy;
mod record;
mod request;
mod verdicts;

use std::fmt;

pub use attribution::Inert;
pub(in crate::core) use attribution::check_author;
pub use lockdown::signers as lift_signers;
pub use policy::{Tally, changes_deciders, tally};
pub use record::{
    ApprovalRecord, Ending, Entry, EntryKind, GenesisRecord, Grant, LiftRecord, Loaded, LockdownRecord, PolicyRecord,
    ProposalRecord, RequestRecord, Status,
};
pub(in crate::core) use request::denied_now;
pub use request::{approvers, judge_new, locked_reason, no_rules};
pub use verdicts::Verdicts;

use super::hash::Hash;
use super::key::PublicKey;
use super::merkle::leaf_hash;
use super::policy::PolicyFiles;
use super::signature::{SignatureError, Verified};
use super::statement::{Body, Line, Malformed, Signed, Statement, What, encode};
use super::view::{View, ViewExt};

/// A line, read and its signature checked; nothing yet about whose key it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examined {
    /// Its leaf hash.
    pub leaf: Hash,
    /// What it says, if it is a line with a signature that fits.
    pub outcome: Result<Verified<Signed>, Fault>,
}

/// Why bytes are no line, or no signed one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Not of the one form.
    Malformed(Malformed),
    /// The signature does not fit.
    Signature(SignatureError),
}

/// Reads a line and checks its signature. Needs nothing but the bytes, so many lines can be examined at once.
pub fn examine(line: &[u8]) -> Examined {
    let outcome = match Line::verify_bytes(line) {
        Ok(verified) => verified.map_err(Fault::Signature),
        Err(why) => Err(Fault::Malformed(why)),
    };
    Examined { leaf: leaf_hash(line), outcome }
}

/// What one line changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta {
    /// The line's leaf hash.
    pub leaf: Hash,
    /// What the line is worth.
    pub verdict: Verdict,
    /// The changes, in the order in which a view takes them in.
    pub changes: Vec<Change>,
}

/// What a line is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It has an effect.
    Effect,
    /// It is valid and changes nothing, for this reason.
    WithoutEffect(String),
    /// It is a leaf and nothing more.
    Inert(Inert),
}

/// One change to a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The log begins.
    Genesis(GenesisRecord),
    /// A non-inert line stands there.
    Entry(Hash, Entry),
    /// A request is new, or another record of it.
    Request(Box<RequestRecord>),
    /// A proposal is new, or another record of it.
    Proposal(Box<ProposalRecord>),
    /// A policy comes into force after this line; all open proposals are dead.
    PolicyInForce(Box<PolicyRecord>),
    /// A lockdown is new, or another record of it.
    Lockdown(Box<LockdownRecord>),
    /// A lift is new, or another record of it.
    Lift(Box<LiftRecord>),
    /// A lift has taken effect, or can't any more.
    LiftDone(Hash),
}

/// The first line is no genesis, so this is no log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoLog {
    /// Why.
    pub why: String,
}

impl fmt::Display for NoLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the first line is no valid genesis: {}", self.why)
    }
}

impl std::error::Error for NoLog {}

/// Judges the next line of the log.
///
/// `files` are those that stand in the log's tree under the line's index; a line with a canonical `policy` body has
/// some (none count as no files), any other has none.
///
/// # Errors
/// [`NoLog`], for the first line alone: there is no state in which a log without a genesis could be read.
pub fn apply(view: &impl View, line: &Examined, files: Option<&PolicyFiles>) -> Result<Delta, NoLog> {
    if view.genesis().is_none() {
        return begin(line);
    }
    Ok(match attribution::read(line) {
        Ok((statement, id, key)) => judge(view, line.leaf, id, key, statement, files),
        Err(inert) => Delta { leaf: line.leaf, verdict: Verdict::Inert(inert), changes: Vec::new() },
    })
}

/// Tells whether the files that stand in the log's tree beside a line bear on what [`apply`] says of it. Anybody with push
/// rights may log lines that bring thousands of files along; only a maintainer's are worth reading.
pub fn needs_files(view: &impl View, line: &Examined) -> bool {
    attribution::read(line).is_ok_and(|(statement, id, key)| {
        matches!(statement.what, What::Policy(_))
            && view.is_maintainer(&statement.by)
            && attribution::check_place(view, statement, id, key).is_ok()
    })
}

/// Judges a statement that nobody has signed yet, as if `key` had and it came next: what [`apply`] would say of it.
pub fn foresee(view: &impl View, statement: &Statement, key: &PublicKey, files: Option<&PolicyFiles>) -> Delta {
    let body = encode(&Body::Statement(statement.clone()));
    judge(view, leaf_hash(body.as_bytes()), Hash::of(body.as_bytes()), key, statement, files)
}

fn judge(
    view: &impl View,
    leaf: Hash,
    id: Hash,
    key: &PublicKey,
    statement: &Statement,
    files: Option<&PolicyFiles>,
) -> Delta {
    if let Err(inert) = attribution::check_place(view, statement, id, key) {
        return Delta { leaf, verdict: Verdict::Inert(inert), changes: Vec::new() };
    }
    let at = Placed { index: view.size(), leaf, id, key, statement };
    let entry = Entry { index: at.index, kind: kind_of(&statement.what) };
    let mut delta = Delta { leaf, verdict: Verdict::Effect, changes: vec![Change::Entry(id, entry)] };
    let effect = match &statement.what {
        What::Policy(proposal) => policy::propose(view, &at, proposal, files),
        What::Request(request) => Ok(request::ask(view, &at, request)),
        What::Approval(approval) => match view.entry(&approval.of).map(|entry| entry.kind) {
            Some(EntryKind::Policy) => policy::approve(view, &at, approval),
            Some(EntryKind::Lift) => lockdown::approve_lift(view, &at, approval),
            Some(EntryKind::Request | EntryKind::Lockdown | EntryKind::Other) | None => {
                request::approve(view, &at, approval)
            }
        },
        What::Revocation(revocation) => request::revoke(view, &at, revocation),
        What::Lockdown(lockdown) => lockdown::lock(view, &at, lockdown),
        What::Lift(lift) => lockdown::lift(view, &at, lift),
        What::Presentation(_) | What::Checkpoint(_) => Err("it has no place in the log".to_owned()),
        What::Unknown { v, kind } => Err(format!("this program does not know `{kind}` of version {v}")),
    };
    match effect {
        Ok(changes) => {
            delta.verdict = without_effect(&changes).map_or(Verdict::Effect, Verdict::WithoutEffect);
            delta.changes.extend(changes);
        }
        Err(why) => delta.verdict = Verdict::WithoutEffect(why),
    }
    delta
}

/// A request is kept even when it has no effect: each is on record, and a check says why there is no grant.
fn without_effect(changes: &[Change]) -> Option<String> {
    changes.iter().find_map(|change| match change {
        Change::Request(record) => match &record.status {
            Status::WithoutEffect(reasons) => {
                Some(reasons.iter().map(|reason| reason.message.as_str()).collect::<Vec<_>>().join("; "))
            }
            Status::Pending | Status::Denied(_) | Status::Complete(_) => None,
        },
        _ => None,
    })
}

/// A non-inert statement at its place.
struct Placed<'a> {
    index: u64,
    leaf: Hash,
    id: Hash,
    key: &'a PublicKey,
    statement: &'a Statement,
}

/// The changes that a statement makes, or why it makes none.
type Effect = Result<Vec<Change>, String>;

fn kind_of(what: &What) -> EntryKind {
    match what {
        What::Policy(_) => EntryKind::Policy,
        What::Request(_) => EntryKind::Request,
        What::Lockdown(_) => EntryKind::Lockdown,
        What::Lift(_) => EntryKind::Lift,
        What::Approval(_)
        | What::Revocation(_)
        | What::Presentation(_)
        | What::Checkpoint(_)
        | What::Unknown { .. } => EntryKind::Other,
    }
}

/// Begins a log with its genesis: signed by one of the maintainers it names, by the key it names for them.
fn begin(line: &Examined) -> Result<Delta, NoLog> {
    let no_log = |why: String| Err(NoLog { why });
    let signed = match &line.outcome {
        Ok(signed) => signed,
        Err(Fault::Malformed(why)) => return no_log(why.to_string()),
        Err(Fault::Signature(why)) => return no_log(why.to_string()),
    };
    let genesis = match &signed.get().body {
        Body::Genesis(genesis) => genesis,
        Body::Statement(statement) => return no_log(format!("it is a `{}`", statement.what.kind())),
    };
    if !genesis.maintainers.iter().any(|founder| founder.name == genesis.by && founder.key == *signed.key()) {
        return no_log(format!("`{}` did not sign it by the key it names", genesis.by));
    }
    let id = signed.get().id;
    let record = GenesisRecord {
        id,
        name: genesis.name.clone(),
        maintainers: genesis.maintainers.clone(),
        threshold: genesis.threshold,
        at: genesis.at,
    };
    let entry = Entry { index: 0, kind: EntryKind::Other };
    let changes = vec![Change::Genesis(record), Change::Entry(id, entry)];
    Ok(Delta { leaf: line.leaf, verdict: Verdict::Effect, changes })
}
