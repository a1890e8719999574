//! What the parts of a policy are: people and services, rules and their conditions, and whom both mean.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

use crate::core::key::PublicKey;
use crate::core::name::{Name, NameError};
use crate::core::pattern::Pattern;
use crate::core::time::{Duration, Timestamp};

use super::hours::{Hours, any_contain};

/// A person or a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Which of the two it is.
    pub kind: IdentityKind,
    /// The people who own a service, at least one; of a person none.
    pub owners: BTreeSet<Name>,
    /// The keys that speak for it, each once, and their comments (any text); perhaps none.
    pub keys: Vec<(PublicKey, String)>,
}

impl Identity {
    /// Iterates over the keys, in the order of the file.
    pub fn keys(&self) -> impl Iterator<Item = &PublicKey> {
        self.keys.iter().map(|(key, _)| key)
    }

    /// Tells whether `key` is one of its keys.
    pub fn has_key(&self, key: &PublicKey) -> bool {
        self.keys().any(|own| own == key)
    }

    /// Tells whether this is a person.
    pub fn is_person(&self) -> bool {
        self.kind == IdentityKind::Person
    }
}

/// What an identity is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum IdentityKind {
    /// Someone who may ask and approve.
    Person,
    /// Something that may ask, owned by people.
    Service,
}

impl fmt::Display for IdentityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IdentityKind::Person => write!(f, "person"),
            IdentityKind::Service => write!(f, "service"),
        }
    }
}

/// Says who is meant: one identity, all in a group, or whoever is on call. Each of these has names of its own, so all may
/// be called `dba`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Selector {
    /// The identity of that name; written `alice`.
    Identity(Name),
    /// All in the group of that name; written `group:dba`.
    Group(Name),
    /// Whoever is on call in the rotation of that name; written `rotation:primary`.
    Rotation(Name),
    /// All people, or all services; written `person:*` and `service:*`.
    Kind(IdentityKind),
}

const GROUP_PREFIX: &str = "group:";
const ROTATION_PREFIX: &str = "rotation:";
const KINDS: [(&str, IdentityKind); 2] = [("person:*", IdentityKind::Person), ("service:*", IdentityKind::Service)];

impl FromStr for Selector {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Selector, NameError> {
        if let Some((_, kind)) = KINDS.iter().find(|(written, _)| *written == text) {
            return Ok(Selector::Kind(*kind));
        }
        match (text.strip_prefix(GROUP_PREFIX), text.strip_prefix(ROTATION_PREFIX)) {
            (Some(group), _) => group.parse().map(Selector::Group),
            (None, Some(rotation)) => rotation.parse().map(Selector::Rotation),
            (None, None) => text.parse().map(Selector::Identity),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Selector::Identity(name) => write!(f, "{name}"),
            Selector::Group(name) => write!(f, "{GROUP_PREFIX}{name}"),
            Selector::Rotation(name) => write!(f, "{ROTATION_PREFIX}{name}"),
            Selector::Kind(kind) => write!(f, "{kind}:*"),
        }
    }
}

/// One rule: for whom, on what, to do what, and whether that is denied or allowed on which conditions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// The name in the rule's header, which no other rule of the policy has.
    pub id: Name,
    /// A word to people; any text of at most 1,024 bytes.
    pub description: Option<String>,
    /// Whom the rule is about; at least one.
    pub subjects: Vec<Selector>,
    /// What the rule is about; at least one.
    pub resources: Vec<Pattern>,
    /// What may, or may not, be done.
    pub actions: Actions,
    /// When the rule holds; always where there are none.
    pub hours: Vec<Hours>,
    /// Deny or allow.
    pub effect: Effect,
}

impl Rule {
    /// Tells whether the rule holds at `now` (UTC), by its hours.
    pub fn has_its_hour(&self, now: Timestamp) -> bool {
        self.hours.is_empty() || any_contain(&self.hours, now)
    }
}

/// The actions that a rule is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Actions {
    /// All there are; written `["*"]`, or left out of a deny rule.
    Any,
    /// These; at least one.
    These(BTreeSet<Name>),
}

impl Actions {
    /// Tells whether `action` is among them.
    pub fn matches(&self, action: &Name) -> bool {
        match self {
            Actions::Any => true,
            Actions::These(actions) => actions.contains(action),
        }
    }
}

impl fmt::Display for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Actions::Any => write!(f, "*"),
            Actions::These(actions) => {
                for (index, action) in actions.iter().enumerate() {
                    write!(f, "{}{action}", if index == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
        }
    }
}

/// What a rule does to the requests it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// They are refused, whatever other rules say.
    Deny,
    /// They may become grants, on conditions.
    Allow(Allow),
}

/// The conditions of an allow rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allow {
    /// The longest duration that may be asked for, itself included.
    pub max: Duration,
    /// The duration of a request that names none; at most `max`.
    pub default: Duration,
    /// What the request's reason must be like.
    pub reason: Option<ReasonRule>,
    /// What has to be approved, and by whom; each entry that applies must be met by people of its own.
    pub approvals: Vec<ApprovalRule>,
    /// How much of it one subject may have.
    pub limits: Limits,
    /// Whether the request, its token and the key at a gate must be by a security key.
    pub require_hardware_key: bool,
}

/// How much one subject may have of what one rule grants. Counted are the subject's earlier grants by this rule, when
/// another is about to be complete.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// The most grants whose windows overlap, the new one included; what was revoked or locked down is left out.
    pub active: Option<u32>,
    /// How many may start how near each other.
    pub rate: Option<Rate>,
    /// The least time from the end of one to the start of another.
    pub cooldown: Option<Duration>,
}

impl Limits {
    /// Returns the instant by which a grant has ended that none of them counts beside one that starts at `start`.
    pub fn since(&self, start: Timestamp) -> Timestamp {
        let longest = self.rate.map(|rate| rate.per).max(self.cooldown);
        longest.map_or(start, |longest| start.shifted(-longest.delta()))
    }
}

impl fmt::Display for Limits {
    /// Writes it as `at most 1 at a time, at most 5 in 24h, 10m between one and the next`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let active = self.active.map(|most| format!("at most {most} at a time"));
        let rate = self.rate.map(|rate| rate.to_string());
        let cooldown = self.cooldown.map(|length| format!("{length} between one and the next"));
        let parts: Vec<String> = [active, rate, cooldown].into_iter().flatten().collect();
        f.write_str(&parts.join(", "))
    }
}

/// So many in so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// The most grants, the new one included.
    pub count: u32,
    /// That start less than this away from the new one, earlier or later.
    pub per: Duration,
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {} in {}", self.count, self.per)
    }
}

/// What a reason must be like; both where both are there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReasonRule {
    /// Must be found somewhere in the reason.
    pub pattern: Option<ReasonPattern>,
    /// The fewest Unicode scalar values the reason may have.
    pub min_length: Option<u32>,
}

impl ReasonRule {
    /// Tells whether `reason` will do.
    ///
    /// # Errors
    /// What it lacks; the length first.
    pub fn accepts(&self, reason: &str) -> Result<(), ReasonRefusal> {
        if let Some(need) = self.min_length {
            let have = reason.chars().count();
            if u32::try_from(have).is_ok_and(|have| have < need) {
                return Err(ReasonRefusal::TooShort { have, need });
            }
        }
        match &self.pattern {
            Some(pattern) if !pattern.is_match(reason) => Err(ReasonRefusal::NoMatch(pattern.as_str().to_owned())),
            Some(_) | None => Ok(()),
        }
    }
}

impl fmt::Display for ReasonRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.pattern, self.min_length) {
            (Some(pattern), Some(length)) => {
                write!(f, "matches {}, of at least {length} characters", super::diagnostic::quoted(pattern.as_str()))
            }
            (Some(pattern), None) => write!(f, "matches {}", super::diagnostic::quoted(pattern.as_str())),
            (None, Some(length)) => write!(f, "at least {length} characters"),
            (None, None) => f.write_str("any"),
        }
    }
}

/// The largest compiled pattern, in bytes as the `regex` crate counts them; `\w` takes some 50 KiB, `.{20,200}` 200.
const MAX_REGEX_SIZE: usize = 1 << 20;
/// The deepest nesting in a pattern.
const MAX_REGEX_DEPTH: u32 = 50;

/// A pattern that reasons are to match; compiled when it is first needed.
#[derive(Clone)]
pub struct ReasonPattern {
    text: String,
    /// None inside where it does not compile, which a checked one always does.
    compiled: OnceLock<Option<Regex>>,
}

impl ReasonPattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// It is none, or takes too much.
    pub(super) fn compile(text: &str) -> Result<ReasonPattern, regex::Error> {
        let compiled = compiled(text)?;
        Ok(ReasonPattern { text: text.to_owned(), compiled: OnceLock::from(Some(compiled)) })
    }

    /// Takes a pattern that was compiled once.
    pub(in crate::core) fn checked(text: String) -> ReasonPattern {
        ReasonPattern { text, compiled: OnceLock::new() }
    }

    /// Returns what is written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Tells whether it is found somewhere in `reason`.
    pub fn is_match(&self, reason: &str) -> bool {
        let compiled = self.compiled.get_or_init(|| compiled(&self.text).ok());
        compiled.as_ref().is_some_and(|pattern| pattern.is_match(reason))
    }
}

fn compiled(text: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text).size_limit(MAX_REGEX_SIZE).nest_limit(MAX_REGEX_DEPTH).build()
}

impl fmt::Debug for ReasonPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

impl PartialEq for ReasonPattern {
    /// Compares what is written.
    fn eq(&self, other: &ReasonPattern) -> bool {
        self.text == other.text
    }
}

impl Eq for ReasonPattern {}

/// Why a reason will not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReasonRefusal {
    /// It has fewer Unicode scalar values than the rule wants.
    TooShort {
        /// How many it has.
        have: usize,
        /// How many it needs.
        need: u32,
    },
    /// The pattern, given here, is not found in it.
    NoMatch(String),
}

impl fmt::Display for ReasonRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReasonRefusal::TooShort { have, need } => {
                let plural = if *have == 1 { "" } else { "s" };
                write!(f, "the reason has {have} character{plural} and needs at least {need}")
            }
            ReasonRefusal::NoMatch(pattern) => {
                write!(f, "the reason does not match {}", super::diagnostic::quoted(pattern))
            }
        }
    }
}

impl std::error::Error for ReasonRefusal {}

/// One requirement of approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalRule {
    /// Who may approve; at least one.
    pub from: Vec<Selector>,
    /// How many distinct people must; at least one.
    pub count: u32,
    /// If there, the requirement is only for requests longer than this, not of just this length.
    pub longer_than: Option<Duration>,
    /// Whether the approval must be signed by a security key.
    pub hardware_key: bool,
}

impl ApprovalRule {
    /// Tells whether a request for `duration` has to meet this.
    pub fn applies_to(&self, duration: Duration) -> bool {
        self.longer_than.is_none_or(|bound| duration > bound)
    }
}

impl fmt::Display for ApprovalRule {
    /// Writes it as `2 of group:dba by a security key, over 1h`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from: Vec<String> = self.from.iter().map(ToString::to_string).collect();
        write!(f, "{} of {}", self.count, from.join(", "))?;
        if self.hardware_key {
            f.write_str(" by a security key")?;
        }
        match self.longer_than {
            Some(bound) => write!(f, ", over {bound}"),
            None => Ok(()),
        }
    }
}
