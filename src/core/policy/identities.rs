//! Files under `identities/`: people, services and groups.

use std::collections::btree_map::Entry;

use toml::de::DeTable;

use crate::core::key::{KeyError, PublicKey};
use crate::core::name::Name;

use super::diagnostic::quoted;
use super::findings::At;
use super::load::{Draft, report_twice};
use super::model::{IdentityKind, Selector};
use super::syntax::{Declared, Reader, Section, Value, What};

pub(super) const IDENTITY: Section =
    Section { name: "identity", what: "an identity", keys: &["kind", "keys", "owners"] };
pub(super) const GROUP: Section = Section { name: "group", what: "a group", keys: &["members"] };

/// An identity as it is written; its owners may not exist, and the kind is none where it could not be read.
pub(super) struct DraftIdentity {
    pub(super) at: At,
    pub(super) kind: Option<IdentityKind>,
    pub(super) owners: Vec<(Name, At)>,
    pub(super) keys: Vec<(PublicKey, String)>,
}

/// A group as it is written; its members may not exist.
pub(super) struct DraftGroup {
    pub(super) at: At,
    pub(super) members: Vec<(Selector, At)>,
}

/// Reads a file under identities/ into `draft`.
pub(super) fn read_identities(reader: &mut Reader<'_, '_>, table: &DeTable<'_>, draft: &mut Draft) {
    for (key, value) in table {
        match &**key.get_ref() {
            "identity" => {
                for declared in reader.section(&IDENTITY, value, &mut draft.excused_identities) {
                    read_identity(reader, &declared, draft);
                }
            }
            "group" => {
                for declared in reader.section(&GROUP, value, &mut draft.excused_groups) {
                    read_group(reader, &declared, draft);
                }
            }
            other => {
                let help = match (other, reader.findings.nearest(other, ["identity", "group"])) {
                    ("rule", _) => "move it to a file under policies/".to_owned(),
                    (_, Some(near)) => near,
                    (_, None) => "tables here are `[identity.NAME]` and `[group.NAME]`".to_owned(),
                };
                let message = format!("{} does not stand in a file under identities/", quoted(other));
                reader.error(key.span(), message, Some(help));
            }
        }
    }
}

fn read_identity(reader: &mut Reader<'_, '_>, declared: &Declared<'_, '_>, draft: &mut Draft) {
    let what = format!("identity `{}`", declared.name);
    let kind = reader.required(declared.table, "kind", Some((&what, &declared.at)), "kind = \"person\"");
    let kind = kind.and_then(|value| read_kind(reader, value));
    let owners_value = declared.table.get("owners");
    let owners = match owners_value {
        Some(value) => {
            let list = reader.list("owners", value).unwrap_or_default();
            reader.entries("owners", list)
        }
        None => Vec::new(),
    };
    match (kind, owners_value) {
        (Some(IdentityKind::Person), Some(value)) => {
            let help = Some("remove `owners`, or write `kind = \"service\"`".to_owned());
            reader.error(value.span(), format!("{what} is a person, and only services have owners"), help);
        }
        (Some(IdentityKind::Service), None) => {
            reader.required(declared.table, "owners", Some((&what, &declared.at)), "owners = [\"alice\"]");
        }
        (Some(IdentityKind::Person) | None, None) | (Some(IdentityKind::Service) | None, Some(_)) => {}
    }
    let keys = declared.table.get("keys").map(|value| read_keys(reader, &declared.name, value, draft));
    let at = declared.at.clone();
    let identity = DraftIdentity { at, kind, owners, keys: keys.unwrap_or_default() };
    match draft.identities.entry(declared.name.clone()) {
        Entry::Vacant(place) => drop(place.insert(identity)),
        Entry::Occupied(first) => report_twice(reader, "identity", declared, &first.get().at),
    }
}

fn read_kind(reader: &mut Reader<'_, '_>, value: &Value<'_>) -> Option<IdentityKind> {
    match reader.text(What::Key("kind"), value)? {
        "person" => Some(IdentityKind::Person),
        "service" => Some(IdentityKind::Service),
        other => {
            let help = reader.findings.nearest(other, ["person", "service"]);
            reader.error(value.span(), format!("`kind` is `person` or `service`, not {}", quoted(other)), help);
            None
        }
    }
}

/// Reads the keys of the identity `owner`; an empty list is taken, since an identity may have no key.
fn read_keys(
    reader: &mut Reader<'_, '_>,
    owner: &Name,
    value: &Value<'_>,
    draft: &mut Draft,
) -> Vec<(PublicKey, String)> {
    let mut keys = Vec::new();
    for value in reader.list_or_none("keys", value).unwrap_or_default() {
        let Some(line) = reader.text(What::EntryOf("keys"), value) else { continue };
        let (key, comment) = match PublicKey::parse_openssh(line) {
            Ok(read) => read,
            Err(why) => {
                let help = match &why {
                    KeyError::Kind(_) | KeyError::Certificate | KeyError::Weak => {
                        Some("make another key with `ssh-keygen -t ed25519`, and put its .pub file here".to_owned())
                    }
                    KeyError::Form => Some("copy the line from the key's .pub file".to_owned()),
                    KeyError::Application => None,
                };
                reader.error(value.span(), why.to_string(), help);
                continue;
            }
        };
        let at = reader.at(value.span());
        if let Some((first, first_at)) = draft.keys.get(&key).filter(|(first, _)| first == owner) {
            let place = reader.findings.spell(first_at);
            reader.error(value.span(), format!("`{first}` has this key already, at {place}"), None);
            continue;
        }
        // By the point alone: the same secret behind another application is still the same person's.
        if let Some((first, first_at)) = draft.points.get(key.point()).filter(|(first, _)| first != owner) {
            let place = reader.findings.spell(first_at);
            let message = format!("this key of `{owner}` belongs to `{first}` already, at {place}");
            let help = "a key is one identity's; give each its own".to_owned();
            reader.error(value.span(), message, Some(help));
            continue;
        }
        draft.points.insert(*key.point(), (owner.clone(), at.clone()));
        draft.keys.insert(key.clone(), (owner.clone(), at));
        keys.push((key, comment));
    }
    keys
}

fn read_group(reader: &mut Reader<'_, '_>, declared: &Declared<'_, '_>, draft: &mut Draft) {
    let what = format!("group `{}`", declared.name);
    let members = reader.required(declared.table, "members", Some((&what, &declared.at)), "members = [\"alice\"]");
    let members = match members {
        Some(value) => {
            let list = reader.list("members", value).unwrap_or_default();
            reader.named("members", list)
        }
        None => Vec::new(),
    };
    let group = DraftGroup { at: declared.at.clone(), members };
    match draft.groups.entry(declared.name.clone()) {
        Entry::Vacant(place) => drop(place.insert(group)),
        Entry::Occupied(first) => report_twice(reader, "group", declared, &first.get().at),
    }
}
