//! What `--json` prints: the values behind the tables. Times are RFC 3339 UTC, ids whole, lengths whole seconds.

use serde::Serialize;

use crate::core::decide::Granted;
use crate::core::evaluate::Need;
use crate::core::ledger::{ApprovalRecord, Ending, PolicyRecord, RequestRecord};
use crate::core::reason::Reason;
use crate::core::view::{View, ViewExt};

/// A reason.
#[derive(Serialize, Debug, Clone)]
pub(super) struct ReasonJson {
    code: &'static str,
    message: String,
}

/// Returns reasons as `--json` prints them.
pub(super) fn reasons(reasons: &[Reason]) -> Vec<ReasonJson> {
    reasons.iter().map(|reason| ReasonJson { code: reason.code.as_str(), message: reason.message.clone() }).collect()
}

/// A grant, as a decision shows it.
#[derive(Serialize, Debug, Clone)]
pub(super) struct GrantJson {
    /// None as long as nobody has signed the request: its id is the grant's.
    id: Option<String>,
    subject: String,
    resource: String,
    action: String,
    bind: Option<String>,
    reason: String,
    rule: String,
    starts: String,
    expires: String,
    approved_by: Vec<String>,
}

impl From<&Granted> for GrantJson {
    fn from(grant: &Granted) -> GrantJson {
        GrantJson {
            id: Some(grant.id.to_string()),
            subject: grant.subject.to_string(),
            resource: grant.resource.to_string(),
            action: grant.action.to_string(),
            bind: grant.bind.map(|bind| bind.to_string()),
            reason: grant.reason.clone(),
            rule: grant.rule.to_string(),
            starts: grant.starts.to_string(),
            expires: grant.expires.to_string(),
            approved_by: grant.approved_by.iter().map(ToString::to_string).collect(),
        }
    }
}

impl GrantJson {
    /// Returns the grant that would come of a request that nobody has signed.
    pub(super) fn unsigned(grant: &Granted) -> GrantJson {
        GrantJson { id: None, ..GrantJson::from(grant) }
    }
}

/// The policy that last had its threshold.
#[derive(Serialize, Debug, Clone)]
pub(super) struct PolicyJson {
    id: String,
    version: u64,
    digest: String,
}

impl From<&PolicyRecord> for PolicyJson {
    fn from(policy: &PolicyRecord) -> PolicyJson {
        PolicyJson { id: policy.id.to_string(), version: policy.version, digest: policy.digest.to_string() }
    }
}

/// A log at one size.
#[derive(Serialize, Debug, Clone)]
pub(super) struct LogJson {
    genesis: String,
    size: u64,
    root: String,
}

/// Returns the log as `--json` prints it; none while it is empty.
pub(super) fn log(view: &impl View) -> Option<LogJson> {
    let (genesis, root) = (view.genesis()?, view.root()?);
    Some(LogJson { genesis: genesis.id.to_string(), size: view.size(), root: root.to_string() })
}

/// What an allow rule demands.
#[derive(Serialize, Debug, Clone)]
pub(super) struct NeedJson {
    rule: String,
    from: Vec<String>,
    count: u32,
    have: Vec<String>,
}

impl From<&Need> for NeedJson {
    fn from(need: &Need) -> NeedJson {
        NeedJson {
            rule: need.rule.to_string(),
            from: need.from.iter().map(ToString::to_string).collect(),
            count: need.count,
            have: need.have.iter().map(ToString::to_string).collect(),
        }
    }
}

/// A request and what came of it.
#[derive(Serialize, Debug, Clone)]
pub(super) struct RequestJson {
    /// None as long as nobody has signed it.
    pub(super) id: Option<String>,
    pub(super) index: Option<u64>,
    pub(super) subject: String,
    pub(super) key: String,
    pub(super) at: String,
    /// None only of what can't be signed, since no policy is in force.
    pub(super) policy: Option<String>,
    pub(super) resource: String,
    pub(super) action: String,
    /// None only of what can't be signed, since no rule says for how long.
    pub(super) duration_s: Option<u32>,
    pub(super) not_before: Option<String>,
    pub(super) bind: Option<String>,
    pub(super) reason: String,
    /// None only of what can't be signed.
    pub(super) lapses_at: Option<String>,
    pub(super) approvals: Vec<ApprovalJson>,
    pub(super) revoked: Option<EndingJson>,
}

impl From<&RequestRecord> for RequestJson {
    fn from(record: &RequestRecord) -> RequestJson {
        let counted = record.grant().map(|grant| grant.counted.as_slice()).unwrap_or_default();
        let approval = |approval: &ApprovalRecord| ApprovalJson {
            id: approval.id.to_string(),
            by: approval.by.to_string(),
            at: approval.at.to_string(),
            duration_s: approval.duration.map(|duration| duration.as_secs()),
            comment: approval.comment.clone(),
            counted: counted.iter().any(|other| other.id == approval.id),
        };
        RequestJson {
            id: Some(record.id.to_string()),
            index: Some(record.index),
            subject: record.by.to_string(),
            key: record.key.fingerprint(),
            at: record.at.to_string(),
            policy: Some(record.request.policy.to_string()),
            resource: record.request.resource.to_string(),
            action: record.request.action.to_string(),
            duration_s: Some(record.request.duration.as_secs()),
            not_before: record.request.not_before.map(|time| time.to_string()),
            bind: record.request.bind.map(|bind| bind.to_string()),
            reason: record.request.reason.clone(),
            lapses_at: Some(record.lapses_at().to_string()),
            approvals: record.approvals.iter().map(approval).collect(),
            revoked: record.revoked.as_ref().map(EndingJson::from),
        }
    }
}

impl RequestJson {
    /// Returns a request that nobody has signed.
    pub(super) fn unsigned(record: &RequestRecord) -> RequestJson {
        RequestJson { id: None, index: None, ..RequestJson::from(record) }
    }
}

/// An approval of a request.
#[derive(Serialize, Debug, Clone)]
pub(super) struct ApprovalJson {
    id: String,
    by: String,
    at: String,
    duration_s: Option<u32>,
    comment: String,
    counted: bool,
}

/// Who ended something early.
#[derive(Serialize, Debug, Clone)]
pub(super) struct EndingJson {
    by: String,
    at: String,
    reason: String,
}

impl From<&Ending> for EndingJson {
    fn from(ending: &Ending) -> EndingJson {
        EndingJson { by: ending.by.to_string(), at: ending.at.to_string(), reason: ending.reason.clone() }
    }
}
