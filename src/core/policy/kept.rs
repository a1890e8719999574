//! A policy in pieces: each a short text under a key, so that a store can hold them and a decision reads few.
//!
//! The pieces of a policy are made from one that was loaded from its files ([`Policy::each_piece`]), and only read back
//! ([`Policy::kept`]) from where nobody else can have written.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, OnceLock};

use elsa::sync::FrozenBTreeMap;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::core::key::PublicKey;
use crate::core::name::{Name, Resource};

use super::loaded::{ByResource, Parts, Places, Policy, Whole, starts_of};
use super::model::{Identity, Rule};
use super::rotation::Rotation;

/// What a piece says; each piece has a key, of which some have several parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Piece {
    /// A person or a service, by its name.
    Identity,
    /// Whose a key is, by the key.
    KeyOwner,
    /// That somebody is in a group, by the group and the member.
    Member,
    /// A rule, by its id.
    Rule,
    /// That a rule has a pattern that begins so, by the beginning and the rule.
    RuleAt,
    /// A rotation, by its name.
    Rotation,
    /// That somebody has turns, by their name and the rotation.
    Turns,
}

/// Where the pieces of one policy are kept.
///
/// It can fail to read. It then answers as if nothing were there, and whoever made it sees to it that no decision is made
/// (as [`View::failure`](crate::core::view::View::failure) has it).
pub trait Keeper: fmt::Debug + Send + Sync {
    /// Returns what is said under a key and, where there are parts, a part.
    fn text(&self, piece: Piece, key: &str, part: &str) -> Option<String>;
    /// Returns the parts there are under a key.
    fn parts(&self, piece: Piece, key: &str) -> Vec<String>;
    /// Returns all pieces of a kind: key, part and text.
    fn all(&self, piece: Piece) -> Vec<(String, String, String)>;
    /// Is told that a piece does not read.
    fn fail(&self, why: &str);
}

impl Policy {
    /// Returns a policy of which `head` is what [`Policy::head_text`] said, and the pieces are kept there.
    ///
    /// # Errors
    /// The text is none of those.
    pub fn kept(head: &str, keeper: Arc<dyn Keeper>) -> Result<Policy, serde_json::Error> {
        Ok(Policy { head: serde_json::from_str(head)?, parts: Parts::Kept(Box::new(Kept::new(keeper))) })
    }

    /// Returns what it says beside its people and rules.
    ///
    /// # Errors
    /// What it holds has no text; that does not happen.
    pub fn head_text(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(&self.head)
    }

    /// Gives each of its pieces to `keep`: kind, key, part and text.
    ///
    /// # Errors
    /// What `keep` says, or what [`Policy::head_text`] says.
    pub fn each_piece<E: From<serde_json::Error>>(
        &self,
        mut keep: impl FnMut(Piece, &str, &str, &str) -> Result<(), E>,
    ) -> Result<(), E> {
        let whole = self.whole();
        for (name, identity) in &whole.identities {
            keep(Piece::Identity, name.as_str(), "", &text_of(identity)?)?;
        }
        for (key, owner) in &whole.key_owners {
            keep(Piece::KeyOwner, &key.to_openssh(), "", &text_of(owner)?)?;
        }
        for (group, members) in &whole.groups {
            members.iter().try_for_each(|member| keep(Piece::Member, group.as_str(), member.as_str(), ""))?;
        }
        for (id, rule) in &whole.rules {
            keep(Piece::Rule, id.as_str(), "", &text_of(rule)?)?;
        }
        for (start, ids) in whole.by_resource.iter() {
            ids.iter().try_for_each(|id| keep(Piece::RuleAt, start, id.as_str(), ""))?;
        }
        for (name, rotation) in &whole.rotations {
            keep(Piece::Rotation, name.as_str(), "", &text_of(rotation)?)?;
            let people = rotation.people();
            people.iter().try_for_each(|person| keep(Piece::Turns, person.as_str(), name.as_str(), ""))?;
        }
        Ok(())
    }
}

fn text_of<T: Serialize>(value: &T) -> Result<String, serde_json::Error> {
    serde_json::to_string(value)
}

/// What has been read of a kept policy so far, or was found not to be there.
type Read<K, V> = FrozenBTreeMap<K, Box<Option<V>>>;

/// A policy that is kept in pieces. What is read once stays.
pub(super) struct Kept {
    keeper: Arc<dyn Keeper>,
    identities: Read<Name, Identity>,
    key_owners: Read<PublicKey, Name>,
    rules: Read<Name, Rule>,
    rotations: Read<Name, Rotation>,
    /// The rules that have a pattern that begins so.
    starting: FrozenBTreeMap<String, Box<[Name]>>,
    /// Whether a group has somebody.
    members: FrozenBTreeMap<(Name, Name), Box<bool>>,
    whole: OnceLock<Box<Whole>>,
}

impl Kept {
    fn new(keeper: Arc<dyn Keeper>) -> Kept {
        Kept {
            keeper,
            identities: Read::new(),
            key_owners: Read::new(),
            rules: Read::new(),
            rotations: Read::new(),
            starting: FrozenBTreeMap::new(),
            members: FrozenBTreeMap::new(),
            whole: OnceLock::new(),
        }
    }

    pub(super) fn identity(&self, name: &Name) -> Option<&Identity> {
        self.one(&self.identities, name, Piece::Identity, name.as_str())
    }

    pub(super) fn owner_of_key(&self, key: &PublicKey) -> Option<&Name> {
        self.one(&self.key_owners, key, Piece::KeyOwner, &key.to_openssh())
    }

    pub(super) fn is_member(&self, group: &Name, name: &Name) -> bool {
        let key = (group.clone(), name.clone());
        let found = self.members.get(&key).copied();
        found.unwrap_or_else(|| {
            let is_there = self.keeper.text(Piece::Member, group.as_str(), name.as_str()).is_some();
            self.members.insert(key, Box::new(is_there));
            is_there
        })
    }

    pub(super) fn members(&self, group: &Name) -> Option<BTreeSet<Name>> {
        // No group is empty.
        Some(self.names(Piece::Member, group.as_str())).filter(|members| !members.is_empty())
    }

    pub(super) fn rule(&self, id: &Name) -> Option<&Rule> {
        self.one(&self.rules, id, Piece::Rule, id.as_str())
    }

    pub(super) fn rules_near(&self, resource: &Resource) -> Vec<&Rule> {
        let ids: BTreeSet<&Name> = starts_of(resource).filter_map(|start| self.starting(start)).flatten().collect();
        ids.into_iter().filter_map(|id| self.rule(id)).collect()
    }

    fn starting(&self, start: &str) -> Option<&[Name]> {
        self.starting.get(start).or_else(|| {
            self.starting.insert(start.to_owned(), self.names(Piece::RuleAt, start).into_iter().collect());
            self.starting.get(start)
        })
    }

    pub(super) fn rotation(&self, name: &Name) -> Option<&Rotation> {
        self.one(&self.rotations, name, Piece::Rotation, name.as_str())
    }

    pub(super) fn rotations_of(&self, person: &Name) -> BTreeSet<Name> {
        self.names(Piece::Turns, person.as_str())
    }

    /// Reads all pieces, once.
    pub(super) fn whole(&self) -> &Whole {
        self.whole.get_or_init(|| Box::new(self.read_whole()))
    }

    fn read_whole(&self) -> Whole {
        let mut groups: BTreeMap<Name, BTreeSet<Name>> = BTreeMap::new();
        for (group, member, _) in self.keeper.all(Piece::Member) {
            if let (Some(group), Some(member)) = (self.parsed(&group), self.parsed(&member)) {
                groups.entry(group).or_default().insert(member);
            }
        }
        let owners = self.keeper.all(Piece::KeyOwner).into_iter().filter_map(|(key, _, owner)| {
            let key = PublicKey::parse_canonical(&key).map_err(|why| self.keeper.fail(&why.to_string())).ok()?;
            Some((key, self.read(&owner)?))
        });
        let rules = self.all_by_name(Piece::Rule);
        Whole {
            identities: self.all_by_name(Piece::Identity),
            groups,
            rotations: self.all_by_name(Piece::Rotation),
            key_owners: owners.collect(),
            by_resource: ByResource::new(&rules),
            rules,
            by_pattern: None,
            places: Places::default(),
        }
    }

    /// Reads what is said under one key, unless it has been.
    fn one<'a, K: Ord + Clone, V: DeserializeOwned>(
        &self,
        read: &'a Read<K, V>,
        key: &K,
        piece: Piece,
        spelt: &str,
    ) -> Option<&'a V> {
        let found = read.get(key).or_else(|| {
            let text = self.keeper.text(piece, spelt, "");
            read.insert(key.clone(), Box::new(text.and_then(|text| self.read(&text))));
            read.get(key)
        });
        found.and_then(Option::as_ref)
    }

    fn all_by_name<V: DeserializeOwned>(&self, piece: Piece) -> BTreeMap<Name, V> {
        let all = self.keeper.all(piece).into_iter();
        all.filter_map(|(name, _, text)| Some((self.parsed(&name)?, self.read(&text)?))).collect()
    }

    fn names(&self, piece: Piece, key: &str) -> BTreeSet<Name> {
        self.keeper.parts(piece, key).iter().filter_map(|part| self.parsed(part)).collect()
    }

    fn read<V: DeserializeOwned>(&self, text: &str) -> Option<V> {
        serde_json::from_str(text).map_err(|why| self.keeper.fail(&why.to_string())).ok()
    }

    fn parsed(&self, name: &str) -> Option<Name> {
        name.parse().map_err(|why: crate::core::name::NameError| self.keeper.fail(&why.to_string())).ok()
    }
}

impl Clone for Kept {
    /// Returns the same policy, of which nothing has been read yet.
    fn clone(&self) -> Kept {
        Kept::new(Arc::clone(&self.keeper))
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Kept").field(&self.keeper).finish()
    }
}
