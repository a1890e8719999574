//! Why an answer is what it is: the stable reason codes, and a sentence for people.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A reason code; its text never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// A grant allows it now.
    Granted,
    /// No allow rule is for this subject, resource and action.
    NoMatchingRule,
    /// A deny rule matches.
    DeniedByRule,
    /// Nobody asked.
    NoGrant,
    /// Approvals are missing.
    NeedsApproval,
    /// An approver said no.
    DeniedByApprover,
    /// Asked for longer than any matching rule allows.
    TooLong,
    /// The reason is not what the rule demands.
    ReasonRejected,
    /// The key is no security key, and the rule wants one.
    NeedsHardwareKey,
    /// A limit of the rule is reached.
    OverLimit,
    /// Outside the rule's hours.
    OutsideHours,
    /// The grant has not started.
    NotYetValid,
    /// The grant or its token has ended.
    Expired,
    /// Not approved in time.
    Lapsed,
    /// Ended early by a revocation.
    Revoked,
    /// Ended or held back by a lockdown.
    Lockdown,
    /// No such identity.
    UnknownSubject,
    /// The key is not the subject's.
    WrongKey,
    /// A signature does not fit.
    BadSignature,
    /// A token is not of the right form.
    Malformed,
    /// A token of another log.
    WrongLog,
    /// A token's lines are not those of the log.
    NotLogged,
    /// A token for another resource.
    WrongResource,
    /// A token for another action.
    WrongAction,
    /// Bound to something else.
    WrongBind,
    /// A token for another gate.
    WrongAudience,
    /// The policy is no longer the one it was granted under.
    PolicyChanged,
    /// What is known is older than the policy allows.
    Stale,
    /// This machine's clock is behind the policy in force.
    Clock,
    /// Something needed can't be reached.
    Unavailable,
    /// The log is not an extension of the one seen before.
    LogRewritten,
    /// No policy is in force, or its files do not load.
    PolicyUnverified,
    /// The policy's format is newer than this program.
    PolicyUnsupported,
    /// This machine does not trust this log.
    UnknownGenesis,
}

impl Code {
    /// Returns the code's text, as `--json` prints it.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::Granted => "granted",
            Code::NoMatchingRule => "no-matching-rule",
            Code::DeniedByRule => "denied-by-rule",
            Code::NoGrant => "no-grant",
            Code::NeedsApproval => "needs-approval",
            Code::DeniedByApprover => "denied-by-approver",
            Code::TooLong => "too-long",
            Code::ReasonRejected => "reason-rejected",
            Code::NeedsHardwareKey => "needs-hardware-key",
            Code::OverLimit => "over-limit",
            Code::OutsideHours => "outside-hours",
            Code::NotYetValid => "not-yet-valid",
            Code::Expired => "expired",
            Code::Lapsed => "lapsed",
            Code::Revoked => "revoked",
            Code::Lockdown => "lockdown",
            Code::UnknownSubject => "unknown-subject",
            Code::WrongKey => "wrong-key",
            Code::BadSignature => "bad-signature",
            Code::Malformed => "malformed",
            Code::WrongLog => "wrong-log",
            Code::NotLogged => "not-logged",
            Code::WrongResource => "wrong-resource",
            Code::WrongAction => "wrong-action",
            Code::WrongBind => "wrong-bind",
            Code::WrongAudience => "wrong-audience",
            Code::PolicyChanged => "policy-changed",
            Code::Stale => "stale",
            Code::Clock => "clock",
            Code::Unavailable => "unavailable",
            Code::LogRewritten => "log-rewritten",
            Code::PolicyUnverified => "policy-unverified",
            Code::PolicyUnsupported => "policy-unsupported",
            Code::UnknownGenesis => "unknown-genesis",
        }
    }

    /// Returns how much the code weighs for a gate's exit status.
    pub fn weight(self) -> Weight {
        match self {
            Code::LogRewritten | Code::PolicyUnverified | Code::PolicyUnsupported | Code::UnknownGenesis => {
                Weight::Untrusted
            }
            Code::Stale | Code::Clock | Code::Unavailable => Weight::Unavailable,
            Code::Granted
            | Code::NoMatchingRule
            | Code::DeniedByRule
            | Code::NoGrant
            | Code::NeedsApproval
            | Code::DeniedByApprover
            | Code::TooLong
            | Code::ReasonRejected
            | Code::NeedsHardwareKey
            | Code::OverLimit
            | Code::OutsideHours
            | Code::NotYetValid
            | Code::Expired
            | Code::Lapsed
            | Code::Revoked
            | Code::Lockdown
            | Code::UnknownSubject
            | Code::WrongKey
            | Code::BadSignature
            | Code::Malformed
            | Code::WrongLog
            | Code::NotLogged
            | Code::WrongResource
            | Code::WrongAction
            | Code::WrongBind
            | Code::WrongAudience
            | Code::PolicyChanged => Weight::Answer,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a reason is an answer, or says that there can be none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Yes, no or not yet.
    Answer,
    /// Something needed is missing: exit 5.
    Unavailable,
    /// Something fails verification: exit 4.
    Untrusted,
}

/// A code and a sentence for people; the sentence holds checked names and times only, never free text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Reason {
    /// The code.
    pub code: Code,
    /// The sentence: lower case, no full stop.
    pub message: String,
}

impl Reason {
    /// Makes a reason.
    pub fn new(code: Code, message: impl Into<String>) -> Reason {
        Reason { code, message: message.into() }
    }
}

/// Adds reasons to a list that holds each code once, in the order of first mention.
pub fn merge(list: &mut Vec<Reason>, more: impl IntoIterator<Item = Reason>) {
    for reason in more {
        if !list.iter().any(|known| known.code == reason.code) {
            list.push(reason);
        }
    }
}
