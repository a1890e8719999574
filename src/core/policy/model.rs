//! What a policy means once it is loaded: who there is, and what the rules allow.
//!
//! A [`Policy`] comes only from [`super::load`], so all in it fits together: every name that is mentioned exists, no
//! group contains itself, no point belongs to two identities, maintainers and owners are people.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use regex::Regex;

use crate::core::key::PublicKey;
use crate::core::name::{Name, NameError, Resource};
use crate::core::pattern::Pattern;
use crate::core::policy::diagnostic::Span;
use crate::core::time::{Duration, Timestamp};

use super::hours::{Hours, any_contain};
use super::rotation::Rotation;

/// A policy that has been loaded as a whole.
#[derive(Clone, Debug)]
pub struct Policy {
    pub(super) name: Name,
    pub(super) maintainers: BTreeSet<Name>,
    pub(super) threshold: usize,
    pub(super) revokers: Vec<Selector>,
    pub(super) max_age: Duration,
    pub(super) witnesses: BTreeSet<Name>,
    pub(super) pending_for: Duration,
    pub(super) reason_for_all: Option<ReasonRule>,
    pub(super) identities: BTreeMap<Name, Identity>,
    pub(super) groups: BTreeMap<Name, BTreeSet<Name>>,
    pub(super) rotations: BTreeMap<Name, Rotation>,
    pub(super) key_owners: BTreeMap<PublicKey, Name>,
    pub(super) rules: BTreeMap<Name, Rule>,
    pub(super) by_resource: ByResource,
    pub(super) places: Places,
}

/// Rules by the first segment of their patterns, so that a resource finds the few that could be for it.
#[derive(Clone, Debug, Default)]
pub(super) struct ByResource {
    /// Rules with a pattern whose first segment is this very text.
    named: BTreeMap<String, BTreeSet<Name>>,
    /// Rules with a pattern whose first segment holds a wildcard.
    wild: BTreeSet<Name>,
}

impl ByResource {
    pub(super) fn new(rules: &BTreeMap<Name, Rule>) -> ByResource {
        let mut sorted = ByResource::default();
        for (id, rule) in rules {
            for pattern in &rule.resources {
                let first = pattern.as_str().split('/').next().unwrap_or_default();
                let ids = if first.contains('*') {
                    &mut sorted.wild
                } else {
                    sorted.named.entry(first.to_owned()).or_default()
                };
                ids.insert(id.clone());
            }
        }
        sorted
    }
}

/// Where in the files things stand, for warnings and explanations.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    pub(super) maintainers: Option<(String, Span)>,
    pub(super) threshold: Option<(String, Span)>,
    pub(super) rules: BTreeMap<Name, (String, Span)>,
}

impl Policy {
    /// Returns the name of the policy, such as `acme`.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// Returns the people who may propose and approve policies and lift lockdowns; at least one.
    pub fn maintainers(&self) -> &BTreeSet<Name> {
        &self.maintainers
    }

    /// Returns how many maintainers a policy or a lift needs: 1 to their number.
    pub fn threshold(&self) -> usize {
        self.threshold
    }

    /// Returns whom the policy names as revokers; a maintainer may revoke all the same.
    pub fn revokers(&self) -> &[Selector] {
        &self.revokers
    }

    /// Returns how old a gate's data may be; 5 minutes where the policy says nothing.
    pub fn max_age(&self) -> Duration {
        self.max_age
    }

    /// Returns the services whose checkpoints say how old a gate's data is; where there are none, the last fetch does.
    pub fn witnesses(&self) -> &BTreeSet<Name> {
        &self.witnesses
    }

    /// Returns how long a request may wait for approvals; 24 hours where the policy says nothing.
    pub fn pending_for(&self) -> Duration {
        self.pending_for
    }

    /// Returns all people and services, by name.
    pub fn identities(&self) -> &BTreeMap<Name, Identity> {
        &self.identities
    }

    /// Returns the person or service of that name.
    pub fn identity(&self, name: &Name) -> Option<&Identity> {
        self.identities.get(name)
    }

    /// Returns each group's members: all identities in it, directly or by way of other groups; at least one.
    pub fn groups(&self) -> &BTreeMap<Name, BTreeSet<Name>> {
        &self.groups
    }

    /// Returns all rotations, by name.
    pub fn rotations(&self) -> &BTreeMap<Name, Rotation> {
        &self.rotations
    }

    /// Returns the rotations in which `name` is on call at a moment.
    pub fn on_call(&self, name: &Name, at: Timestamp) -> BTreeSet<&Name> {
        let theirs = self.rotations.iter().filter(|(_, rotation)| rotation.on_call(at) == Some(name));
        theirs.map(|(rotation, _)| rotation).collect()
    }

    /// Returns the identity that `key` belongs to; keys are equal when their whole blobs are.
    pub fn owner_of_key(&self, key: &PublicKey) -> Option<&Name> {
        self.key_owners.get(key)
    }

    /// Tells whether the policy names `name` as a revoker at a moment, itself or by a group.
    pub fn is_revoker(&self, name: &Name, at: Timestamp) -> bool {
        self.selects(&self.revokers, name, at)
    }

    /// Tells whether `name` is a maintainer.
    pub fn is_maintainer(&self, name: &Name) -> bool {
        self.maintainers.contains(name)
    }

    /// Tells whether one of `from` means `name` at a moment (UTC): it is `name`, a group that `name` is in, a rotation in
    /// which `name` is on call then, or its kind.
    pub fn selects(&self, from: &[Selector], name: &Name, at: Timestamp) -> bool {
        self.selects_by(from, name, |rotation| rotation.on_call(at) == Some(name))
    }

    /// Tells whether one of `from` means `name` at some moment or other.
    pub fn could_select(&self, from: &[Selector], name: &Name) -> bool {
        self.selects_by(from, name, |rotation| rotation.people().contains(name))
    }

    /// Tells whether one of `from` means `name` whoever is on call.
    pub fn always_selects(&self, from: &[Selector], name: &Name) -> bool {
        self.selects_by(from, name, |_| false)
    }

    /// Returns the first instant after `now` and before `limit` at which [`Policy::selects`] says something else than at
    /// `now`.
    pub fn next_turn(&self, from: &[Selector], name: &Name, now: Timestamp, limit: Timestamp) -> Option<Timestamp> {
        if self.always_selects(from, name) {
            return None;
        }
        let rotations: Vec<&Rotation> = from.iter().filter_map(|selector| self.rotation_of(selector)).collect();
        let holds = self.selects(from, name, now);
        let mut at = now;
        loop {
            at = rotations.iter().filter_map(|rotation| rotation.next_change(at, limit)).min()?;
            if self.selects(from, name, at) != holds {
                return Some(at);
            }
        }
    }

    /// Says who is on call at a moment in the rotations of `from`, in their order; empty if there is none.
    pub fn turns(&self, from: &[Selector], at: Timestamp) -> String {
        let rotations = from.iter().filter_map(|selector| self.rotation_of(selector));
        let on_call = rotations.map(|rotation| rotation.on_call(at).map_or("nobody", Name::as_str));
        on_call.collect::<Vec<_>>().join(", ")
    }

    /// Returns the rotation that `selector` names, if it names one.
    pub fn rotation_of(&self, selector: &Selector) -> Option<&Rotation> {
        match selector {
            Selector::Rotation(name) => self.rotations.get(name),
            Selector::Identity(_) | Selector::Group(_) | Selector::Kind(_) => None,
        }
    }

    fn selects_by(&self, from: &[Selector], name: &Name, by_rotation: impl Fn(&Rotation) -> bool) -> bool {
        from.iter().any(|selector| match selector {
            Selector::Identity(identity) => identity == name,
            Selector::Group(group) => self.groups.get(group).is_some_and(|members| members.contains(name)),
            Selector::Rotation(_) => self.rotation_of(selector).is_some_and(&by_rotation),
            Selector::Kind(kind) => self.identity(name).is_some_and(|identity| identity.kind == *kind),
        })
    }

    /// Iterates over everybody that `selector` means; of a rotation, everybody who is on call at some time.
    pub fn selected<'a>(&'a self, selector: &'a Selector) -> Box<dyn Iterator<Item = &'a Name> + 'a> {
        match selector {
            Selector::Identity(name) => Box::new(std::iter::once(name)),
            Selector::Group(group) => Box::new(self.groups.get(group).into_iter().flatten()),
            Selector::Rotation(_) => Box::new(self.rotation_of(selector).into_iter().flat_map(Rotation::people)),
            Selector::Kind(kind) => {
                let of_kind = self.identities.iter().filter(|(_, identity)| identity.kind == *kind);
                Box::new(of_kind.map(|(name, _)| name))
            }
        }
    }

    /// Returns the same policy with keys that exist only in a rehearsal, where everybody can sign.
    pub(in crate::core) fn with_keys_of_rehearsal(&self) -> Policy {
        let mut policy = self.clone();
        policy.key_owners.clear();
        for (name, identity) in &mut policy.identities {
            // Making a point takes a while, and whoever has one has it to themselves.
            let own = identity.keys().next().cloned().unwrap_or_else(|| PublicKey::of_rehearsal(name, false));
            let keys = [false, true].map(|touched| own.with_touch(touched));
            policy.key_owners.extend(keys.iter().map(|key| (key.clone(), name.clone())));
            identity.keys = keys.map(|key| (key, String::new())).into();
        }
        policy
    }

    /// Returns what every request's reason must be like, whatever the rule says beyond.
    pub fn reason_for_all(&self) -> Option<&ReasonRule> {
        self.reason_for_all.as_ref()
    }

    /// Returns all rules, by id.
    pub fn rules(&self) -> &BTreeMap<Name, Rule> {
        &self.rules
    }

    /// Returns the rules that could be for `resource`, by id: all whose patterns match it, and a few more.
    pub fn rules_near(&self, resource: &Resource) -> impl Iterator<Item = &Rule> {
        let first = resource.segments().next().unwrap_or_default();
        let named = self.by_resource.named.get(first);
        let ids: BTreeSet<&Name> = named.into_iter().flatten().chain(&self.by_resource.wild).collect();
        ids.into_iter().filter_map(|id| self.rules.get(id))
    }

    /// Returns the file in which the rule of that id stands, and where in it.
    pub fn place_of_rule(&self, id: &Name) -> Option<(&str, &Span)> {
        self.places.rules.get(id).map(|(path, span)| (path.as_str(), span))
    }
}

/// A person or a service.
#[derive(Clone, Debug, PartialEq, Eq)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
#[derive(Clone, Debug, PartialEq, Eq)]
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
#[derive(Clone, Debug, PartialEq, Eq)]
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// They are refused, whatever other rules say.
    Deny,
    /// They may become grants, on conditions.
    Allow(Allow),
}

/// The conditions of an allow rule.
#[derive(Clone, Debug, PartialEq, Eq)]
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// The most grants whose windows overlap, the new one included; what was revoked or locked down is left out.
    pub active: Option<u32>,
    /// How many may start how near each other.
    pub rate: Option<Rate>,
    /// The least time from the end of one to the start of another.
    pub cooldown: Option<Duration>,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
#[derive(Clone, Debug)]
pub struct ReasonRule {
    /// Must be found somewhere in the reason.
    pub pattern: Option<Regex>,
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

impl PartialEq for ReasonRule {
    /// Compares what is written: two patterns are equal when their texts are.
    fn eq(&self, other: &ReasonRule) -> bool {
        let written = |rule: &ReasonRule| rule.pattern.as_ref().map(|pattern| pattern.as_str().to_owned());
        self.min_length == other.min_length && written(self) == written(other)
    }
}

impl Eq for ReasonRule {}

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
#[derive(Clone, Debug, PartialEq, Eq)]
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
