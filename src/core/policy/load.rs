//! From files to a [`Policy`]: reads each file, then looks up every name that was mentioned.
//!
//! 1. A `format` other than ours is the only error: nothing else in such files can be judged.
//! 2. Each file is read on its own into a [`Draft`], in which names may not exist yet. Order does not matter; where
//!    two things are the same that must differ, the first in the order of files is taken for the good one.
//! 3. Names are looked up, groups resolved, kinds compared.
//! 4. If anything was wrong, all of it is the answer; else the draft becomes the policy.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::key::PublicKey;
use crate::core::name::Name;

use super::diagnostic::{Diagnostic, Kind};
use super::files::{PolicyFiles, SETTINGS};
use super::findings::{At, Findings};
use super::groups::resolve_groups;
use super::identities::{DraftGroup, DraftIdentity, DraftRotation, read_identities};
use super::loaded::{ByResource, Head, Parts, Places, Policy, Whole};
use super::model::{Identity, IdentityKind, Rule, Selector};
use super::rules::{Regexes, read_rules};
use super::settings::{Settings, format_of, read_settings};
use super::syntax::{Declared, Reader};
use super::{FORMAT, IDENTITIES, POLICIES};

/// All that was read, before names are looked up.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) settings: Option<Settings>,
    pub(super) identities: BTreeMap<Name, DraftIdentity>,
    pub(super) groups: BTreeMap<Name, DraftGroup>,
    pub(super) rotations: BTreeMap<Name, DraftRotation>,
    /// Rules; none where one could not be read.
    pub(super) rules: BTreeMap<Name, (At, Option<Rule>)>,
    /// Whom rules mention.
    pub(super) mentioned: Vec<(Selector, At)>,
    /// Whose each key is, and where it stands.
    pub(super) keys: BTreeMap<PublicKey, (Name, At)>,
    /// Whose each point is, and where it first stands.
    pub(super) points: BTreeMap<[u8; 32], (Name, At)>,
    pub(super) regexes: Regexes,
    /// Names that are surely meant to exist, but whose own tables are at fault; never called unknown.
    pub(super) excused_identities: BTreeSet<String>,
    pub(super) excused_groups: BTreeSet<String>,
    pub(super) excused_rotations: BTreeSet<String>,
    /// Whether a file under identities/ could not be read, so that no name can be called unknown.
    pub(super) incomplete: bool,
}

/// Loads a policy as a whole.
///
/// # Errors
/// All that is wrong in all files, in the order of files, then of places. If the `format` is not [`FORMAT`], that
/// alone, as [`Kind::UnsupportedFormat`].
pub fn load(files: &PolicyFiles) -> Result<Policy, Vec<Diagnostic>> {
    let mut findings = Findings::default();
    let mut draft = Draft::default();
    if let Some(format) = declared_format(files).filter(|format| *format != FORMAT) {
        let file = findings.add_file(SETTINGS, &[]);
        let message = format!("the policy is written in format {format}, this program knows only format {FORMAT}");
        let help = if format > FORMAT { "upgrade jit" } else { "write `format = 1`" };
        findings.note(Kind::UnsupportedFormat(format), file, None, message, Some(help.to_owned()));
        return Err(findings.into_sorted());
    }
    for (path, content) in files.iter() {
        if path == SETTINGS {
            read_file(&mut findings, path, content, |reader, table| {
                draft.settings = Some(read_settings(reader, table, &mut draft.regexes));
            });
        } else if path.starts_with(IDENTITIES) {
            let whole =
                read_file(&mut findings, path, content, |reader, table| read_identities(reader, table, &mut draft));
            draft.incomplete |= !whole;
        } else if path.starts_with(POLICIES) {
            read_file(&mut findings, path, content, |reader, table| read_rules(reader, table, &mut draft));
        }
        // What stands under targets/ and tests/ never bears on loading.
    }
    if files.get(SETTINGS).is_none() {
        let file = findings.add_file(SETTINGS, &[]);
        let help = Some("it says format, name, maintainers and threshold".to_owned());
        findings.file_error(file, "the file is missing", help);
    }
    draft.finish(findings)
}

/// Returns the `format` that jit.toml says, even if nothing else in it can be read; none if it says no number.
pub fn declared_format(files: &PolicyFiles) -> Option<u64> {
    files.get(SETTINGS).and_then(format_of)
}

/// Reads one file; tells whether it could be parsed.
fn read_file<'a>(
    findings: &mut Findings<'a>,
    path: &'a str,
    content: &'a [u8],
    read: impl FnOnce(&mut Reader<'_, 'a>, &toml::de::DeTable<'a>),
) -> bool {
    let file = findings.add_file(path, content);
    match Reader::open(findings, file, content) {
        Some((mut reader, table)) => {
            read(&mut reader, &table);
            true
        }
        None => false,
    }
}

/// Notes that a table of that name was there before, at `first`.
pub(super) fn report_twice(reader: &mut Reader<'_, '_>, what: &str, declared: &Declared<'_, '_>, first: &At) {
    let place = reader.findings.spell(first);
    let message = format!("{what} `{}` is there already, at {place}", declared.name);
    reader.findings.error(&declared.at, message, None);
}

impl Draft {
    fn finish(self, mut findings: Findings<'_>) -> Result<Policy, Vec<Diagnostic>> {
        for (selector, at) in &self.mentioned {
            self.check_known(selector, at, &mut findings);
        }
        for (member, at) in self.groups.values().flat_map(|group| &group.members) {
            self.check_known(member, at, &mut findings);
        }
        for (name, identity) in &self.identities {
            for (owner, at) in &identity.owners {
                self.check_person(owner, at, &format!("an owner of `{name}`"), &mut findings);
            }
        }
        for (name, rotation) in &self.rotations {
            for (member, at) in &rotation.people {
                self.check_person(member, at, &format!("who is on call in `{name}`"), &mut findings);
            }
        }
        if let Some(settings) = &self.settings {
            for (maintainer, at) in &settings.maintainers {
                self.check_person(maintainer, at, "a maintainer", &mut findings);
            }
            for (revoker, at) in &settings.revokers {
                self.check_known(revoker, at, &mut findings);
            }
            for (witness, at) in &settings.witnesses {
                self.check_service(witness, at, &mut findings);
            }
        }
        let groups = resolve_groups(&self.groups, &mut findings);
        match self.settings {
            Some(settings) if findings.is_empty() => {
                let (identities, keys, rules, rotations) = (self.identities, self.keys, self.rules, self.rotations);
                let checked = Checked { identities, keys, rules, groups, rotations };
                Ok(checked.into_policy(settings, &findings))
            }
            Some(_) | None => Err(findings.into_sorted()),
        }
    }

    /// Notes it if nobody is meant by `selector`.
    fn check_known(&self, selector: &Selector, at: &At, findings: &mut Findings<'_>) {
        let (known, excused) = match selector {
            Selector::Kind(_) => return,
            Selector::Identity(name) => {
                (self.identities.contains_key(name), self.excused_identities.contains(name.as_str()))
            }
            Selector::Group(name) => (self.groups.contains_key(name), self.excused_groups.contains(name.as_str())),
            Selector::Rotation(name) => {
                (self.rotations.contains_key(name), self.excused_rotations.contains(name.as_str()))
            }
        };
        if known || excused || self.incomplete {
            return;
        }
        let (message, help) = match selector {
            Selector::Kind(_) => return,
            Selector::Identity(name) => {
                let help = match (self.groups.contains_key(name), self.rotations.contains_key(name)) {
                    (true, _) => Some(format!("`{name}` is a group: write `group:{name}`")),
                    (false, true) => Some(format!("`{name}` is a rotation: write `rotation:{name}`")),
                    (false, false) => findings.nearest(name.as_str(), self.identities.keys().map(Name::as_str)),
                };
                (format!("there is no identity `{name}`"), help)
            }
            Selector::Group(name) => {
                let help = match (self.identities.contains_key(name), self.rotations.contains_key(name)) {
                    (true, _) => Some(format!("`{name}` is an identity: write `{name}`")),
                    (false, true) => Some(format!("`{name}` is a rotation: write `rotation:{name}`")),
                    (false, false) => findings.nearest(name.as_str(), self.groups.keys().map(Name::as_str)),
                };
                (format!("there is no group `{name}`"), help)
            }
            Selector::Rotation(name) => {
                let help = match (self.groups.contains_key(name), self.identities.contains_key(name)) {
                    (true, _) => Some(format!("`{name}` is a group: write `group:{name}`")),
                    (false, true) => Some(format!("`{name}` is an identity: write `{name}`")),
                    (false, false) => findings.nearest(name.as_str(), self.rotations.keys().map(Name::as_str)),
                };
                (format!("there is no rotation `{name}`"), help)
            }
        };
        findings.error(at, message, help);
    }

    /// Notes it if `name` is not a person's.
    fn check_person(&self, name: &Name, at: &At, role: &str, findings: &mut Findings<'_>) {
        match self.identities.get(name).map(|identity| identity.kind) {
            Some(Some(IdentityKind::Service)) => {
                findings.error(at, format!("`{name}` is a service, and {role} must be a person"), None);
            }
            Some(Some(IdentityKind::Person) | None) => {}
            None => self.check_known(&Selector::Identity(name.clone()), at, findings),
        }
    }

    /// Notes it if `name` is not a service's.
    fn check_service(&self, name: &Name, at: &At, findings: &mut Findings<'_>) {
        match self.identities.get(name).map(|identity| identity.kind) {
            Some(Some(IdentityKind::Person)) => {
                findings.error(at, format!("`{name}` is a person, and a witness must be a service"), None);
            }
            Some(Some(IdentityKind::Service) | None) => {}
            None => self.check_known(&Selector::Identity(name.clone()), at, findings),
        }
    }
}

/// A draft in which nothing is wrong.
struct Checked {
    identities: BTreeMap<Name, DraftIdentity>,
    keys: BTreeMap<PublicKey, (Name, At)>,
    rules: BTreeMap<Name, (At, Option<Rule>)>,
    groups: BTreeMap<Name, BTreeSet<Name>>,
    rotations: BTreeMap<Name, DraftRotation>,
}

impl Checked {
    fn into_policy(self, settings: Settings, findings: &Findings<'_>) -> Policy {
        let places = Places {
            maintainers: settings.maintainers_at.as_ref().and_then(|at| findings.place(at)),
            threshold: settings.threshold_at.as_ref().and_then(|at| findings.place(at)),
            rules: self
                .rules
                .iter()
                .filter_map(|(id, (at, _))| findings.place(at).map(|place| (id.clone(), place)))
                .collect(),
        };
        let identities = self.identities.into_iter().map(|(name, draft)| {
            let kind = draft.kind.expect("a kind that can't be read is an error");
            let owners = draft.owners.into_iter().map(|(owner, _)| owner).collect();
            (name, Identity { kind, owners, keys: draft.keys })
        });
        let rotations = self.rotations.into_iter().map(|(name, draft)| {
            let rotation = draft.rotation.expect("a rotation that can't be read is an error");
            (name, rotation)
        });
        let rules = self.rules.into_iter().map(|(id, (_, rule))| {
            let rule = rule.expect("a rule that can't be read is an error");
            (id, rule)
        });
        let rules: BTreeMap<Name, Rule> = rules.collect();
        let head = Head {
            name: settings.name.expect("a policy without a name is an error"),
            maintainers: settings.maintainers.into_iter().map(|(name, _)| name).collect(),
            threshold: settings.threshold.expect("a policy without a threshold is an error"),
            revokers: settings.revokers.into_iter().map(|(selector, _)| selector).collect(),
            max_age: settings.max_age,
            witnesses: settings.witnesses.into_iter().map(|(name, _)| name).collect(),
            pending_for: settings.pending_for,
            reason_for_all: settings.defaults.reason,
        };
        let whole = Whole {
            identities: identities.collect(),
            groups: self.groups,
            rotations: rotations.collect(),
            key_owners: self.keys.into_iter().map(|(key, (owner, _))| (key, owner)).collect(),
            by_resource: ByResource::new(&rules),
            rules,
            by_pattern: None,
            places,
        };
        Policy { head, parts: Parts::Whole(Box::new(whole)) }
    }
}
