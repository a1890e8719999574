//! A policy as everything else uses it: read as a whole from its files, or kept in pieces, of which each is read when it is
//! asked for.
//!
//! A [`Policy`] comes only from [`super::load`], or from the pieces of one that came from there, so all in it fits together:
//! every name that is mentioned exists, no group contains itself, no point belongs to two identities, maintainers and owners
//! are people.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::core::key::PublicKey;
use crate::core::name::{Name, Resource};
use crate::core::near::Near;
use crate::core::pattern::Pattern;
use crate::core::time::{Duration, Timestamp};

use super::diagnostic::Span;
use super::kept::Kept;
use super::model::{Identity, ReasonRule, Rule, Selector};
use super::rotation::Rotation;

/// A policy that loads.
#[derive(Clone, Debug)]
pub struct Policy {
    pub(super) head: Head,
    pub(super) parts: Parts,
}

/// What a policy says beside its people and rules.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) name: Name,
    pub(super) maintainers: BTreeSet<Name>,
    pub(super) threshold: usize,
    pub(super) revokers: Vec<Selector>,
    pub(super) max_age: Duration,
    pub(super) witnesses: BTreeSet<Name>,
    pub(super) pending_for: Duration,
    pub(super) reason_for_all: Option<ReasonRule>,
}

/// Where its people and rules are.
#[derive(Clone, Debug)]
pub(super) enum Parts {
    /// All here.
    Whole(Box<Whole>),
    /// Each where it is kept, until it is asked for.
    Kept(Box<Kept>),
}

/// All people and rules of a policy.
#[derive(Clone, Debug, Default)]
pub(super) struct Whole {
    pub(super) identities: BTreeMap<Name, Identity>,
    pub(super) groups: BTreeMap<Name, BTreeSet<Name>>,
    pub(super) rotations: BTreeMap<Name, Rotation>,
    pub(super) key_owners: BTreeMap<PublicKey, Name>,
    pub(super) rules: BTreeMap<Name, Rule>,
    pub(super) by_resource: ByResource,
    /// The same by whole patterns: worth its making only where much is asked.
    pub(super) by_pattern: Option<ByPattern>,
    /// Empty where the policy does not come from its files.
    pub(super) places: Places,
}

/// Rules by how their patterns begin, so that a resource finds the few that could be for it: each by the segments before
/// the first that holds a wildcard.
#[derive(Clone, Debug, Default)]
pub(super) struct ByResource(BTreeMap<String, BTreeSet<Name>>);

impl ByResource {
    pub(super) fn new(rules: &BTreeMap<Name, Rule>) -> ByResource {
        let mut sorted: BTreeMap<String, BTreeSet<Name>> = BTreeMap::new();
        for (id, start) in rules.iter().flat_map(|(id, rule)| rule.resources.iter().map(move |one| (id, start_of(one))))
        {
            match sorted.get_mut(start) {
                Some(ids) => drop(ids.insert(id.clone())),
                None => drop(sorted.insert(start.to_owned(), BTreeSet::from([id.clone()]))),
            }
        }
        ByResource(sorted)
    }

    /// Iterates over how patterns begin, and the rules with such a pattern.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &BTreeSet<Name>)> {
        self.0.iter()
    }
}

/// Rules by their whole patterns, so that few are found that are not for a resource, or for a pattern.
#[derive(Clone, Debug)]
pub(super) struct ByPattern {
    /// By their places among all, in the order of ids.
    near: Near<usize>,
    ids: Vec<Name>,
}

impl ByPattern {
    fn new(rules: &BTreeMap<Name, Rule>) -> ByPattern {
        let about = rules.values().enumerate();
        let about = about.flat_map(|(place, rule)| rule.resources.iter().map(move |one| (one.clone(), place)));
        ByPattern { near: Near::new(about), ids: rules.keys().cloned().collect() }
    }
}

/// Returns the segments of a pattern before the first that holds a wildcard, such as `db/prod` of `db/prod/**`; perhaps none.
pub(super) fn start_of(pattern: &Pattern) -> &str {
    let text = pattern.as_str();
    match text.find('*') {
        Some(star) => text.get(..star).and_then(|before| before.rsplit_once('/')).map_or("", |(start, _)| start),
        None => text,
    }
}

/// Iterates over how patterns can begin that match a resource: with none of its segments, with its first, and so on.
pub(super) fn starts_of(resource: &Resource) -> impl Iterator<Item = &str> {
    let text = resource.as_str();
    let slashes = text.match_indices('/').map(|(slash, _)| slash).chain([text.len()]);
    std::iter::once("").chain(slashes.filter_map(|end| text.get(..end)))
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
        self.head.name.as_str()
    }

    /// Returns the people who may propose and approve policies and lift lockdowns; at least one.
    pub fn maintainers(&self) -> &BTreeSet<Name> {
        &self.head.maintainers
    }

    /// Returns how many maintainers a policy or a lift needs: 1 to their number.
    pub fn threshold(&self) -> usize {
        self.head.threshold
    }

    /// Returns whom the policy names as revokers; a maintainer may revoke all the same.
    pub fn revokers(&self) -> &[Selector] {
        &self.head.revokers
    }

    /// Returns how old a gate's data may be; 5 minutes where the policy says nothing.
    pub fn max_age(&self) -> Duration {
        self.head.max_age
    }

    /// Returns the services whose checkpoints say how old a gate's data is; where there are none, the last fetch does.
    pub fn witnesses(&self) -> &BTreeSet<Name> {
        &self.head.witnesses
    }

    /// Returns how long a request may wait for approvals; 24 hours where the policy says nothing.
    pub fn pending_for(&self) -> Duration {
        self.head.pending_for
    }

    /// Returns all people and services, by name.
    pub fn identities(&self) -> &BTreeMap<Name, Identity> {
        &self.whole().identities
    }

    /// Returns the person or service of that name.
    pub fn identity(&self, name: &Name) -> Option<&Identity> {
        match &self.parts {
            Parts::Whole(whole) => whole.identities.get(name),
            Parts::Kept(kept) => kept.identity(name),
        }
    }

    /// Returns each group's members: all identities in it, directly or by way of other groups; at least one.
    pub fn groups(&self) -> &BTreeMap<Name, BTreeSet<Name>> {
        &self.whole().groups
    }

    /// Returns the members of a group; none if there is no such group.
    pub fn members(&self, group: &Name) -> Option<BTreeSet<Name>> {
        match &self.parts {
            Parts::Whole(whole) => whole.groups.get(group).cloned(),
            Parts::Kept(kept) => kept.members(group),
        }
    }

    /// Tells whether `name` is in that group.
    pub fn is_member(&self, group: &Name, name: &Name) -> bool {
        match &self.parts {
            Parts::Whole(whole) => whole.groups.get(group).is_some_and(|members| members.contains(name)),
            Parts::Kept(kept) => kept.is_member(group, name),
        }
    }

    /// Returns all rotations, by name.
    pub fn rotations(&self) -> &BTreeMap<Name, Rotation> {
        &self.whole().rotations
    }

    /// Returns the rotation of that name.
    pub fn rotation(&self, name: &Name) -> Option<&Rotation> {
        match &self.parts {
            Parts::Whole(whole) => whole.rotations.get(name),
            Parts::Kept(kept) => kept.rotation(name),
        }
    }

    /// Returns the rotations in which `name` is on call at a moment.
    pub fn on_call(&self, name: &Name, at: Timestamp) -> BTreeSet<Name> {
        let of_theirs: BTreeSet<Name> = match &self.parts {
            Parts::Whole(whole) => whole.rotations.keys().cloned().collect(),
            Parts::Kept(kept) => kept.rotations_of(name),
        };
        let is_on_call = |id: &Name| self.rotation(id).is_some_and(|rotation| rotation.on_call(at) == Some(name));
        of_theirs.into_iter().filter(is_on_call).collect()
    }

    /// Returns the identity that `key` belongs to; keys are equal when their whole blobs are.
    pub fn owner_of_key(&self, key: &PublicKey) -> Option<&Name> {
        match &self.parts {
            Parts::Whole(whole) => whole.key_owners.get(key),
            Parts::Kept(kept) => kept.owner_of_key(key),
        }
    }

    /// Tells whether the policy names `name` as a revoker at a moment, itself or by a group.
    pub fn is_revoker(&self, name: &Name, at: Timestamp) -> bool {
        self.selects(&self.head.revokers, name, at)
    }

    /// Tells whether `name` is a maintainer.
    pub fn is_maintainer(&self, name: &Name) -> bool {
        self.head.maintainers.contains(name)
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
            Selector::Rotation(name) => self.rotation(name),
            Selector::Identity(_) | Selector::Group(_) | Selector::Kind(_) => None,
        }
    }

    fn selects_by(&self, from: &[Selector], name: &Name, by_rotation: impl Fn(&Rotation) -> bool) -> bool {
        from.iter().any(|selector| match selector {
            Selector::Identity(identity) => identity == name,
            Selector::Group(group) => self.is_member(group, name),
            Selector::Rotation(_) => self.rotation_of(selector).is_some_and(&by_rotation),
            Selector::Kind(kind) => self.identity(name).is_some_and(|identity| identity.kind == *kind),
        })
    }

    /// Iterates over everybody that `selector` means; of a rotation, everybody who is on call at some time.
    pub fn selected<'a>(&'a self, selector: &'a Selector) -> Box<dyn Iterator<Item = &'a Name> + 'a> {
        match selector {
            Selector::Identity(name) => Box::new(std::iter::once(name)),
            Selector::Group(group) => Box::new(self.groups().get(group).into_iter().flatten()),
            Selector::Rotation(_) => Box::new(self.rotation_of(selector).into_iter().flat_map(Rotation::people)),
            Selector::Kind(kind) => {
                let of_kind = self.identities().iter().filter(|(_, identity)| identity.kind == *kind);
                Box::new(of_kind.map(|(name, _)| name))
            }
        }
    }

    /// Returns the same policy with keys that exist only in a rehearsal, where everybody can sign.
    pub(in crate::core) fn with_keys_of_rehearsal(&self) -> Policy {
        let Whole { identities, groups, rotations, rules, .. } = self.whole();
        let mut whole = Whole {
            identities: identities.clone(),
            groups: groups.clone(),
            rotations: rotations.clone(),
            rules: rules.clone(),
            by_pattern: Some(ByPattern::new(rules)),
            ..Whole::default()
        };
        for (name, identity) in &mut whole.identities {
            // Making a point takes a while, and whoever has one has it to themselves.
            let own = identity.keys().next().cloned().unwrap_or_else(|| PublicKey::of_rehearsal(name, false));
            let keys = [false, true].map(|touched| own.with_touch(touched));
            whole.key_owners.extend(keys.iter().map(|key| (key.clone(), name.clone())));
            identity.keys = keys.map(|key| (key, String::new())).into();
        }
        Policy { head: self.head.clone(), parts: Parts::Whole(Box::new(whole)) }
    }

    /// Returns all parts; of a policy that is kept in pieces all of them are read, once.
    pub(super) fn whole(&self) -> &Whole {
        match &self.parts {
            Parts::Whole(whole) => whole,
            Parts::Kept(kept) => kept.whole(),
        }
    }

    /// Returns what every request's reason must be like, whatever the rule says beyond.
    pub fn reason_for_all(&self) -> Option<&ReasonRule> {
        self.head.reason_for_all.as_ref()
    }

    /// Returns all rules, by id.
    pub fn rules(&self) -> &BTreeMap<Name, Rule> {
        &self.whole().rules
    }

    /// Returns the rule of that id.
    pub fn rule(&self, id: &Name) -> Option<&Rule> {
        match &self.parts {
            Parts::Whole(whole) => whole.rules.get(id),
            Parts::Kept(kept) => kept.rule(id),
        }
    }

    /// Returns the rules that could be for `resource`, by id: all with a pattern that matches it, and a few more.
    pub fn rules_near(&self, resource: &Resource) -> impl Iterator<Item = &Rule> {
        let rules: Vec<&Rule> = match &self.parts {
            Parts::Whole(whole) => {
                let ids: Vec<&Name> = match &whole.by_pattern {
                    Some(ByPattern { near, ids }) => {
                        near.to(&resource.into()).into_iter().filter_map(|place| ids.get(*place)).collect()
                    }
                    None => {
                        let ids = starts_of(resource).filter_map(|start| whole.by_resource.0.get(start)).flatten();
                        let mut ids: Vec<&Name> = ids.collect();
                        ids.sort_unstable();
                        ids.dedup();
                        ids
                    }
                };
                ids.into_iter().filter_map(|id| whole.rules.get(id)).collect()
            }
            Parts::Kept(kept) => kept.rules_near(resource),
        };
        rules.into_iter()
    }

    /// Returns the rules that could share a resource with one of these patterns, by id: all that do, and perhaps more.
    pub(in crate::core) fn rules_about(&self, patterns: &[Pattern]) -> Vec<&Rule> {
        let rules: Vec<&Rule> = self.rules().values().collect();
        let Some(ByPattern { near, .. }) = &self.whole().by_pattern else { return rules };
        let places: BTreeSet<&usize> = patterns.iter().flat_map(|pattern| near.to(pattern)).collect();
        places.into_iter().filter_map(|place| rules.get(*place).copied()).collect()
    }

    /// Returns the file in which the rule of that id stands, and where in it.
    pub fn place_of_rule(&self, id: &Name) -> Option<(&str, &Span)> {
        self.whole().places.rules.get(id).map(|(path, span)| (path.as_str(), span))
    }
}
