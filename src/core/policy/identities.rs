//! Files under `identities/`: people, services, groups and rotations.

use std::collections::btree_map::Entry;

use toml::de::DeTable;

use crate::core::key::{KeyError, PublicKey};
use crate::core::name::Name;
use crate::core::time::Duration;

use super::diagnostic::quoted;
use super::findings::At;
use super::hours::TimeOfDay;
use super::load::{Draft, report_twice};
use super::model::{IdentityKind, Selector};
use super::rotation::{Handoffs, Override, Rotation, parse_date};
use super::rules::read_zone;
use super::syntax::{Declared, Reader, Section, Value, What};

pub(super) const IDENTITY: Section =
    Section { name: "identity", what: "an identity", keys: &["kind", "keys", "owners"] };
pub(super) const GROUP: Section = Section { name: "group", what: "a group", keys: &["members"] };
pub(super) const ROTATION: Section = Section {
    name: "rotation",
    what: "a rotation",
    keys: &["members", "start", "handoff", "tz", "period", "overrides"],
};

const SECS_PER_DAY: u32 = 24 * 60 * 60;

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

/// A rotation as it is written; its people may not exist.
pub(super) struct DraftRotation {
    pub(super) at: At,
    /// Members, and who stands in.
    pub(super) people: Vec<(Name, At)>,
    /// None where something in it could not be read.
    pub(super) rotation: Option<Rotation>,
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
            "rotation" => {
                for declared in reader.section(&ROTATION, value, &mut draft.excused_rotations) {
                    read_rotation(reader, &declared, draft);
                }
            }
            other => {
                let help = match (other, reader.findings.nearest(other, ["identity", "group", "rotation"])) {
                    ("rule", _) => "move it to a file under policies/".to_owned(),
                    (_, Some(near)) => near,
                    (_, None) => "tables here are `[identity.NAME]`, `[group.NAME]` and `[rotation.NAME]`".to_owned(),
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
            let mut members = reader.named("members", list);
            members.retain(|(member, at)| {
                let is_rotation = matches!(member, Selector::Rotation(_));
                if is_rotation {
                    let help = format!("name `{member}` beside the group, wherever it is meant");
                    reader.findings.error(at, "who is on call is no member of a group", Some(help));
                }
                !is_rotation
            });
            members
        }
        None => Vec::new(),
    };
    let group = DraftGroup { at: declared.at.clone(), members };
    match draft.groups.entry(declared.name.clone()) {
        Entry::Vacant(place) => drop(place.insert(group)),
        Entry::Occupied(first) => report_twice(reader, "group", declared, &first.get().at),
    }
}

fn read_rotation(reader: &mut Reader<'_, '_>, declared: &Declared<'_, '_>, draft: &mut Draft) {
    let what = format!("rotation `{}`", declared.name);
    let owner = Some((what.as_str(), &declared.at));
    let members = match reader.required(declared.table, "members", owner, "members = [\"alice\", \"bob\"]") {
        Some(value) => {
            let list = reader.list("members", value).unwrap_or_default();
            reader.entries::<Name>("members", list)
        }
        None => Vec::new(),
    };
    let handoffs = read_handoffs(reader, owner, declared.table);
    let standing_in = match (declared.table.get("overrides"), &handoffs) {
        (Some(value), Some(handoffs)) => read_overrides(reader, value, handoffs),
        (Some(_), None) | (None, _) => Vec::new(),
    };
    let rotation = handoffs.map(|handoffs| Rotation {
        members: members.iter().map(|(name, _)| name.clone()).collect(),
        handoffs,
        overrides: standing_in.iter().map(|(one, _)| one.clone()).collect(),
    });
    let people = standing_in.into_iter().map(|(one, at)| (one.member, at)).chain(members).collect();
    let rotation = DraftRotation { at: declared.at.clone(), people, rotation };
    match draft.rotations.entry(declared.name.clone()) {
        Entry::Vacant(place) => drop(place.insert(rotation)),
        Entry::Occupied(first) => report_twice(reader, "rotation", declared, &first.get().at),
    }
}

/// Reads `start`, `handoff`, `tz` and `period` of a rotation.
fn read_handoffs(reader: &mut Reader<'_, '_>, owner: Option<(&str, &At)>, table: &DeTable<'_>) -> Option<Handoffs> {
    let start = reader.required(table, "start", owner, "start = \"2026-01-05\"").and_then(|value| {
        let text = reader.text(What::Key("start"), value)?;
        let date = parse_date(text);
        if date.is_none() {
            reader.error(value.span(), format!("{} is no day; write it as in `2026-01-05`", quoted(text)), None);
        }
        date
    });
    let time_value = reader.required(table, "handoff", owner, "handoff = \"09:00\"");
    let time = time_value.and_then(|value| reader.parsed::<TimeOfDay>(What::Key("handoff"), value));
    if let (Some(TimeOfDay::END), Some(value)) = (time, time_value) {
        reader.error(value.span(), "`handoff` is before 24:00", Some("write `handoff = \"00:00\"`".to_owned()));
    }
    let tz = reader.required(table, "tz", owner, "tz = \"Europe/Berlin\"").and_then(|value| read_zone(reader, value));
    let period = reader.required(table, "period", owner, "period = \"7d\"").and_then(|value| {
        let period = reader.parsed::<Duration>(What::Key("period"), value)?.as_secs();
        let whole = period.is_multiple_of(SECS_PER_DAY).then_some(period / SECS_PER_DAY);
        if whole.is_none() {
            reader.error(value.span(), "`period` is in whole days, as in `7d`", None);
        }
        whole
    });
    Some(Handoffs { start: start?, time: time?, tz: tz?, days: period? })
}

/// Reads a list of `{ from, to, member }`, and puts it in order.
fn read_overrides(reader: &mut Reader<'_, '_>, value: &Value<'_>, handoffs: &Handoffs) -> Vec<(Override, At)> {
    let list = reader.list_or_none("overrides", value).unwrap_or_default();
    let read = list.iter().filter_map(|value| read_override(reader, value, handoffs));
    let mut overrides: Vec<(Override, At, At)> = read.collect();
    overrides.sort_by_key(|(one, _, _)| (one.from, one.to));
    for pair in overrides.windows(2) {
        if let [(first, _, first_at), (next, _, at)] = pair
            && next.from < first.to
        {
            let place = reader.findings.spell(first_at);
            let message = format!("this override begins at {}, and the one at {place} ends at {}", next.from, first.to);
            let help = "let one end where the next begins: only one person is on call".to_owned();
            reader.findings.error(at, message, Some(help));
        }
    }
    overrides.into_iter().map(|(one, member_at, _)| (one, member_at)).collect()
}

/// Reads one override; also where its member stands, and where it stands itself.
fn read_override(reader: &mut Reader<'_, '_>, value: &Value<'_>, handoffs: &Handoffs) -> Option<(Override, At, At)> {
    let table = reader.table(What::EntryOf("overrides"), value)?;
    reader.check_keys("an entry of `overrides`", table, &["from", "to", "member"]);
    let at = reader.at(value.span());
    let owner = Some(("an entry of `overrides`", &at));
    let mut moment = |key: &'static str, example: &str| {
        let value = reader.required(table, key, owner, example)?;
        let text = reader.text(What::Key(key), value)?;
        let moment = handoffs.parse_moment(text);
        if moment.is_none() {
            let message = format!("{} is no moment", quoted(text));
            let help = "write a day as in `2026-01-05`, for its handoff, or with a time as in `2026-01-05T18:00`; both are \
                        in the `tz` of the rotation";
            reader.error(value.span(), message, Some(help.to_owned()));
        }
        moment
    };
    let from = moment("from", "from = \"2026-01-05\"");
    let to = moment("to", "to = \"2026-01-06\"");
    let member_value = reader.required(table, "member", owner, "member = \"bob\"")?;
    let member = reader.parsed(What::Key("member"), member_value)?;
    let (from, to) = (from?, to?);
    if from >= to {
        reader.error(value.span(), "`from` of an override is before its `to`", None);
    }
    Some((Override { from, to, member }, reader.at(member_value.span()), at))
}
