//! What people sign: one type a kind of statement, its one encoding, its id.
//!
//! A statement is one line, `{"body":B,"sig":"S"}`. B is compact JSON in a single canonical form (`canonical.rs`), and
//! exactly its bytes are signed and hashed: a statement's id is the SHA-256 of B. S is the base64 of an SSHSIG blob
//! ([`crate::core::signature`]). Bodies start
//!
//! ```text
//! "v":1,"type":…,"log":<genesis id>,"by":<identity>,"at":…,"seen":{"size":N,"root":…},"nonce":…
//! ```
//!
//! (a genesis has neither `log` nor `seen`), and then come the fields of the kind, in the order of the structs here.
//! The pair (`v`, `type`) fixes the exact list of fields; of a pair that is not known the head is read, the rest must be
//! canonical JSON, and is ignored.
//!
//! Start reading at [`Line::parse`]; [`Body`] is what it finds.

mod body;
mod canonical;
mod line;
#[cfg(test)]
mod tests;

pub use body::encode;
pub use canonical::{MAX_NUMBER, MAX_TEXT_LEN, Malformed, is_text};
pub use line::{Line, MAX_LINE_LEN, Signed, policy_digest};

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::hash::Hash;
use super::key::PublicKey;
use super::name::{Name, Resource};
use super::pattern::Pattern;
use super::time::{Duration, Timestamp};

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// The first line of a log.
    Genesis(Genesis),
    /// Any other.
    Statement(Statement),
}

impl Body {
    /// Returns the identity that the line says it is by.
    pub fn by(&self) -> &Name {
        match self {
            Body::Genesis(genesis) => &genesis.by,
            Body::Statement(statement) => &statement.by,
        }
    }

    /// Returns when the author says it was signed.
    pub fn at(&self) -> Timestamp {
        match self {
            Body::Genesis(genesis) => genesis.at,
            Body::Statement(statement) => statement.at,
        }
    }

    /// The words in the field `type` that this program knows, in the order of the design.
    pub const KINDS: [&'static str; 9] =
        ["genesis", "policy", "request", "approval", "revocation", "lockdown", "lift", "presentation", "checkpoint"];

    /// Returns the word in the field `type`.
    pub fn kind(&self) -> &str {
        match self {
            Body::Genesis(_) => "genesis",
            Body::Statement(statement) => statement.what.kind(),
        }
    }
}

/// 16 random bytes, so that no two statements are the same.
pub type Nonce = [u8; 16];

/// The first line of a log: who may speak until the first policy. Its id names the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genesis {
    /// The maintainer who signed it.
    pub by: Name,
    /// When.
    pub at: Timestamp,
    /// Random.
    pub nonce: Nonce,
    /// The log's name.
    pub name: Name,
    /// The maintainers and one key each; names and keys are distinct.
    pub maintainers: Vec<Founder>,
    /// How many of them a policy needs: 1 to their number.
    pub threshold: u64,
}

/// A maintainer that a genesis names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Founder {
    /// The maintainer.
    pub name: Name,
    /// The one key that speaks for them until the first policy.
    pub key: PublicKey,
}

/// Any line but the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The id of the genesis of the log that it belongs to.
    pub log: Hash,
    /// The identity that says it.
    pub by: Name,
    /// When the author says it was signed; nobody else vouches for that.
    pub at: Timestamp,
    /// The log that the author saw.
    pub seen: Seen,
    /// Random.
    pub nonce: Nonce,
    /// What is said.
    pub what: What,
}

/// A log's size and Merkle root, as the author of a statement saw them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The number of lines.
    pub size: u64,
    /// The Merkle root over them.
    pub root: Hash,
}

/// The kinds of statement and their own fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Proposes a policy.
    Policy(PolicyProposal),
    /// Asks for access.
    Request(Request),
    /// Says yes or no to a request, a policy or a lift.
    Approval(Approval),
    /// Ends a request or grant.
    Revocation(Revocation),
    /// Ends all that matches, and holds it back until lifted.
    Lockdown(Lockdown),
    /// Lifts a lockdown.
    Lift(Lift),
    /// Shows that the subject's key was there; stands in a token, never in the log.
    Presentation(Presentation),
    /// A witness's word on the log; stands on a ref of its own, never in the log.
    Checkpoint(Checkpoint),
    /// A kind that this program does not know: its head counts, its content does not.
    Unknown {
        /// The version.
        v: u64,
        /// The kind's name.
        kind: Name,
    },
}

impl What {
    /// Returns the word in the field `type`.
    pub fn kind(&self) -> &str {
        match self {
            What::Policy(_) => "policy",
            What::Request(_) => "request",
            What::Approval(_) => "approval",
            What::Revocation(_) => "revocation",
            What::Lockdown(_) => "lockdown",
            What::Lift(_) => "lift",
            What::Presentation(_) => "presentation",
            What::Checkpoint(_) => "checkpoint",
            What::Unknown { kind, .. } => kind.as_str(),
        }
    }

    /// Returns the statement that this one speaks of.
    pub fn of(&self) -> Option<Hash> {
        match self {
            What::Approval(Approval { of, .. })
            | What::Revocation(Revocation { of, .. })
            | What::Lift(Lift { of, .. })
            | What::Presentation(Presentation { of, .. }) => Some(*of),
            What::Policy(_) | What::Request(_) | What::Lockdown(_) | What::Checkpoint(_) | What::Unknown { .. } => None,
        }
    }
}

/// Proposes the policy whose files stand in the log's tree under the line's index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyProposal {
    /// One more than the policy before it; the first is 1.
    pub version: u64,
    /// What the files are written in; the `format` of their jit.toml.
    pub format: u64,
    /// The commit the files were taken from, for people to look up; 20 bytes.
    pub commit: [u8; 20],
    /// The digest over the files.
    pub digest: Hash,
}

/// Asks for access to a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The id of the policy in force that the author saw.
    pub policy: Hash,
    /// What is to be accessed.
    pub resource: Resource,
    /// What is to be done to it.
    pub action: Name,
    /// For how long.
    pub duration: Duration,
    /// Not sooner than this.
    pub not_before: Option<Timestamp>,
    /// What the grant is bound to: the SHA-256 of something the gate knows.
    pub bind: Option<Bind>,
    /// Why; may be empty.
    pub reason: String,
}

/// `sha256:` and a hash: what a grant is bound to, such as a commit or an artifact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bind(pub Hash);

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.0)
    }
}

impl FromStr for Bind {
    type Err = BindError;

    fn from_str(text: &str) -> Result<Bind, BindError> {
        text.strip_prefix("sha256:").and_then(|hex| hex.parse().ok()).map(Bind).ok_or(BindError)
    }
}

/// A text that is not `sha256:` and 64 lower-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BindError;

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not `sha256:` and 64 lower-case hex digits")
    }
}

impl std::error::Error for BindError {}

/// Says yes or no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// A request, a policy or a lift.
    pub of: Hash,
    /// Yes or no.
    pub verdict: Verdict,
    /// A word to the one who asked; may be empty.
    pub comment: String,
}

/// The verdict of an approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Yes; perhaps for less time than was asked.
    Approve(Option<Duration>),
    /// No.
    Deny,
}

/// Ends a request, or the grant that came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// The request.
    pub of: Hash,
    /// Why; may be empty.
    pub reason: String,
}

/// Ends all that matches both lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lockdown {
    /// Whom; not empty.
    pub subjects: Vec<LockdownSubject>,
    /// Where; not empty.
    pub resources: Vec<Pattern>,
    /// Why; may be empty.
    pub reason: String,
}

/// Whom a lockdown is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LockdownSubject {
    /// `*`
    Everyone,
    /// One identity, whether it is known or not.
    Identity(Name),
    /// `group:NAME`, whether it is known or not.
    Group(Name),
}

impl fmt::Display for LockdownSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LockdownSubject::Everyone => write!(f, "*"),
            LockdownSubject::Identity(name) => write!(f, "{name}"),
            LockdownSubject::Group(name) => write!(f, "group:{name}"),
        }
    }
}

impl FromStr for LockdownSubject {
    type Err = super::name::NameError;

    fn from_str(text: &str) -> Result<LockdownSubject, Self::Err> {
        match (text, text.strip_prefix("group:")) {
            ("*", _) => Ok(LockdownSubject::Everyone),
            (_, Some(group)) => group.parse().map(LockdownSubject::Group),
            (name, None) => name.parse().map(LockdownSubject::Identity),
        }
    }
}

/// Lifts a lockdown; what it ended stays ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lift {
    /// The lockdown.
    pub of: Hash,
    /// Why; may be empty.
    pub reason: String,
}

/// Shows a gate that the subject's key was there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presentation {
    /// The grant: the id of its request.
    pub of: Hash,
    /// The one gate it is for.
    pub audience: Option<String>,
    /// From then on it shows nothing.
    pub expires: Timestamp,
}

/// A witness's word that a log has this size and root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The number of lines.
    pub size: u64,
    /// The Merkle root over them.
    pub root: Hash,
}
