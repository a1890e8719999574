//! Files under `tests/`: what the policy should say, in cases and in standing assertions.
//!
//! ```toml
//! [test.an-hour-is-free]                     # a request, and what is to come of it
//! subject = "alice"
//! resource = "db/prod/orders"
//! action = "read"                            # `access` where it is missing
//! duration = "1h"                            # as `jit request` takes it where it is missing
//! reason = "INC-1234 orders are stuck"
//! at = "2026-01-05T09:00:00+01:00"           # when it is signed, and asked about; a Monday at noon, UTC, if missing
//! hardware_key = true                        # the request is signed by a security key
//! approved_by = ["carol", { name = "dave", for = "30m", hardware_key = true }]
//! earlier = [{ resource = "db/prod/orders", at = "2026-01-05T07:00:00Z", revoked = true }]
//! expect = "allow"                           # or "pending", or "deny"
//! rule = "orders-read"                       # the rule that allows it
//! missing = ["group:dba"]                    # who still has to approve, rule by rule
//! reasons = ["too-long"]                     # all reason codes there are
//!
//! [test.too-long]                            # a table of cases: each adds to what they have in common
//! subject = "alice"
//! resource = "db/prod/orders"
//! cases = [{ duration = "4h", expect = "pending" }, { duration = "5h", expect = "deny" }]
//!
//! [assert.nobody-alone]                      # about everybody, and all resources there could be
//! resources = ["db/prod/**"]
//! actions = ["write"]                        # any where it is missing
//! subjects = ["person:*"]                    # everybody where it is missing
//! needs_approval = true                      # or `access = false`, or `approvers = ["group:dba"]`
//! ```
//!
//! `earlier` are requests by the same subject that came before, approved as the case is, each logged when it starts.

use std::collections::BTreeSet;

use chrono::DateTime;
use toml::de::DeTable;

use crate::core::decide::Answer;
use crate::core::name::{Name, Resource};
use crate::core::pattern::Pattern;
use crate::core::reason::Code;
use crate::core::time::{Duration, Timestamp};

use super::diagnostic::{Diagnostic, Span, quoted};
use super::files::PolicyFiles;
use super::findings::{At, Findings};
use super::loaded::Policy;
use super::model::Selector;
use super::syntax::{Declared, Reader, Section, Value, What};

/// The folder of tests.
const TESTS: &str = "tests/";
/// When a case plays that does not say: 2026-01-05T12:00:00Z, a Monday at noon.
const USUAL_TIME: i64 = 1_767_614_400;

/// The reasons that a case can have.
const CODES: [Code; 10] = [
    Code::Granted,
    Code::NoMatchingRule,
    Code::DeniedByRule,
    Code::NeedsApproval,
    Code::TooLong,
    Code::ReasonRejected,
    Code::NeedsHardwareKey,
    Code::OverLimit,
    Code::OutsideHours,
    Code::NotYetValid,
];

pub(super) const CASE_KEYS: [&str; 15] = [
    "description",
    "subject",
    "resource",
    "action",
    "duration",
    "reason",
    "at",
    "not_before",
    "hardware_key",
    "approved_by",
    "earlier",
    "expect",
    "rule",
    "missing",
    "reasons",
];
/// What a test holds: a case, or what a table of cases has in common.
const TEST_KEYS: [&str; 16] = {
    let mut keys = ["cases"; 16];
    keys.split_at_mut(CASE_KEYS.len()).0.copy_from_slice(&CASE_KEYS);
    keys
};
pub(super) const TEST: Section = Section { name: "test", what: "a test", keys: &TEST_KEYS };
pub(super) const ASSERT: Section = Section {
    name: "assert",
    what: "an assertion",
    keys: &["description", "subjects", "resources", "actions", "access", "needs_approval", "approvers"],
};

/// All that a policy's files under `tests/` say.
#[derive(Clone, Debug, Default)]
pub struct Tests {
    /// One request each.
    pub cases: Vec<Case>,
    /// What must hold for everybody and everything.
    pub assertions: Vec<Assertion>,
}

/// Where something stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub path: String,
    /// Where in it.
    pub span: Span,
}

/// One request, and what is to come of it.
#[derive(Clone, Debug)]
pub struct Case {
    /// The name in its header; of one in a table of cases with its number, from 1, as in `too-long[2]`.
    pub name: String,
    /// Where it stands.
    pub place: Option<Place>,
    /// Who asks.
    pub subject: Name,
    /// For what.
    pub resource: Resource,
    /// To do what.
    pub action: Name,
    /// For how long; the default of the rules where there is none.
    pub duration: Option<Duration>,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
    /// From when on.
    pub not_before: Option<Timestamp>,
    /// Whether a security key signs it.
    pub by_hardware_key: bool,
    /// Who has approved it.
    pub approved_by: Vec<GivenApproval>,
    /// What the subject was granted before.
    pub earlier: Vec<Earlier>,
    /// The answer.
    pub expect: Answer,
    /// The rule that allows it, if that matters.
    pub rule: Option<Name>,
    /// Who still has to approve, if that matters.
    pub missing: Option<BTreeSet<Selector>>,
    /// All reason codes, if they matter.
    pub reasons: Option<BTreeSet<Code>>,
}

/// An approval of a case.
#[derive(Clone, Debug)]
pub struct GivenApproval {
    /// By whom.
    pub name: Name,
    /// For how long at most.
    pub duration: Option<Duration>,
    /// Whether by a security key.
    pub by_hardware_key: bool,
}

/// A request that came before a case.
#[derive(Clone, Debug)]
pub struct Earlier {
    /// For what; the case's where there is none.
    pub resource: Option<Resource>,
    /// To do what; the case's where there is none.
    pub action: Option<Name>,
    /// For how long; the case's where there is none.
    pub duration: Option<Duration>,
    /// When.
    pub at: Timestamp,
    /// Whether it was revoked.
    pub is_revoked: bool,
}

/// What must hold for everybody it is about, on all resources it is about.
#[derive(Clone, Debug)]
pub struct Assertion {
    /// The name in its header.
    pub name: String,
    /// Where it stands.
    pub place: Option<Place>,
    /// About whom; everybody where there is none.
    pub subjects: Option<Vec<Selector>>,
    /// About what.
    pub resources: Vec<Pattern>,
    /// About which actions; all where there is none.
    pub actions: Option<BTreeSet<Name>>,
    /// What.
    pub claim: Claim,
}

/// What an assertion says.
#[derive(Clone, Debug)]
pub enum Claim {
    /// Nobody gets there at all.
    NoAccess,
    /// Nobody gets there without an approval.
    NeedsApproval,
    /// Nobody else can approve it.
    Approvers(Vec<Selector>),
}

/// Reads the tests of a policy that loads.
///
/// # Errors
/// All that is wrong in them.
pub fn read_tests(policy: &Policy, files: &PolicyFiles) -> Result<Tests, Vec<Diagnostic>> {
    let mut findings = Findings::default();
    let mut tests = Tests::default();
    let mut seen = BTreeSet::new();
    for (path, content) in files.iter().filter(|(path, _)| path.starts_with(TESTS)) {
        let file = findings.add_file(path, content);
        let Some((mut reader, table)) = Reader::open(&mut findings, file, content) else { continue };
        read_file(&mut reader, &table, policy, &mut tests, &mut seen);
    }
    if findings.is_empty() { Ok(tests) } else { Err(findings.into_sorted()) }
}

fn read_file(
    reader: &mut Reader<'_, '_>,
    table: &DeTable<'_>,
    policy: &Policy,
    tests: &mut Tests,
    seen: &mut BTreeSet<(&'static str, Name)>,
) {
    for (key, value) in table {
        let section = match &**key.get_ref() {
            "test" => &TEST,
            "assert" => &ASSERT,
            other => {
                let help = "tables here are `[test.NAME]` and `[assert.NAME]`".to_owned();
                reader.error(
                    key.span(),
                    format!("{} does not stand in a file under tests/", quoted(other)),
                    Some(help),
                );
                continue;
            }
        };
        for declared in reader.section(section, value, &mut BTreeSet::new()) {
            if !seen.insert((section.name, declared.name.clone())) {
                reader.findings.error(
                    &declared.at,
                    format!("{} `{}` is there already", section.what, declared.name),
                    None,
                );
            }
            match section.name {
                "test" => read_test(reader, &declared, policy, tests),
                _ => tests.assertions.extend(read_assertion(reader, &declared, policy)),
            }
        }
    }
}

/// Reads one test, or its table of cases.
fn read_test(reader: &mut Reader<'_, '_>, declared: &Declared<'_, '_>, policy: &Policy, tests: &mut Tests) {
    let what = format!("test `{}`", declared.name);
    let Some(cases) = declared.table.get("cases") else {
        let layers = Layers { own: None, common: declared.table, what: &what, at: declared.at.clone(), policy };
        tests.cases.extend(layers.read(reader, declared.name.to_string()));
        return;
    };
    for (index, value) in reader.list("cases", cases).unwrap_or_default().iter().enumerate() {
        let Some(own) = reader.table(What::EntryOf("cases"), value) else { continue };
        reader.check_keys("a case", own, &CASE_KEYS);
        let at = reader.at(value.span());
        let layers = Layers { own: Some(own), common: declared.table, what: &what, at, policy };
        tests.cases.extend(layers.read(reader, format!("{}[{}]", declared.name, index + 1)));
    }
}

/// A case's own keys, over those that a table of cases has in common.
struct Layers<'a, 't> {
    own: Option<&'a DeTable<'t>>,
    common: &'a DeTable<'t>,
    what: &'a str,
    at: At,
    policy: &'a Policy,
}

impl<'a, 't> Layers<'a, 't> {
    fn get(&self, key: &str) -> Option<&'a Value<'t>> {
        self.own.and_then(|own| own.get(key)).or_else(|| self.common.get(key))
    }

    fn required(&self, reader: &mut Reader<'_, '_>, key: &str, example: &str) -> Option<&'a Value<'t>> {
        match self.get(key) {
            Some(value) => Some(value),
            None => reader.required(self.common, key, Some((self.what, &self.at)), example),
        }
    }

    fn read(&self, reader: &mut Reader<'_, '_>, name: String) -> Option<Case> {
        let subject = self.required(reader, "subject", "subject = \"alice\"");
        let subject = subject.and_then(|value| read_identity(reader, "subject", value, self.policy));
        let resource = self.required(reader, "resource", "resource = \"db/prod/orders\"");
        let resource = resource.and_then(|value| reader.parsed(What::Key("resource"), value));
        let action = self.get("action").map(|value| reader.parsed(What::Key("action"), value));
        let action = action.unwrap_or_else(|| "access".parse().ok());
        let expect = self.required(reader, "expect", "expect = \"allow\"").and_then(|value| read_answer(reader, value));
        let at = self.get("at").map(|value| read_time(reader, "at", value));
        let at = at.unwrap_or_else(|| Some(Timestamp::from_unix(USUAL_TIME)));
        let approved_by = self.get("approved_by").map(|value| {
            let list = reader.list_or_none("approved_by", value).unwrap_or_default();
            list.iter().filter_map(|value| read_given(reader, value, self.policy)).collect()
        });
        let earlier = self.get("earlier").map(|value| {
            let list = reader.list_or_none("earlier", value).unwrap_or_default();
            list.iter().filter_map(|value| read_earlier(reader, value)).collect()
        });
        let rule = self.get("rule").and_then(|value| read_rule_name(reader, value, self.policy));
        Some(Case {
            name,
            place: reader.findings.place(&self.at).map(|(path, span)| Place { path, span }),
            duration: self.get("duration").and_then(|value| reader.parsed(What::Key("duration"), value)),
            reason: self
                .get("reason")
                .and_then(|value| reader.text(What::Key("reason"), value))
                .unwrap_or_default()
                .to_owned(),
            not_before: self.get("not_before").and_then(|value| read_time(reader, "not_before", value)),
            by_hardware_key: self.flag(reader, "hardware_key"),
            missing: self.get("missing").map(|value| {
                let list = reader.list_or_none("missing", value).unwrap_or_default();
                reader.entries::<Selector>("missing", list).into_iter().map(|(selector, _)| selector).collect()
            }),
            reasons: self.get("reasons").map(|value| read_codes(reader, value)),
            approved_by: approved_by.unwrap_or_default(),
            earlier: earlier.unwrap_or_default(),
            rule,
            subject: subject?,
            resource: resource?,
            action: action?,
            at: at?,
            expect: expect?,
        })
    }

    fn flag(&self, reader: &mut Reader<'_, '_>, key: &str) -> bool {
        self.get(key).and_then(|value| reader.boolean(What::Key(key), value)).unwrap_or(false)
    }
}

fn read_identity(reader: &mut Reader<'_, '_>, key: &str, value: &Value<'_>, policy: &Policy) -> Option<Name> {
    let name: Name = reader.parsed(What::Key(key), value)?;
    if policy.identity(&name).is_none() {
        let help = reader.findings.nearest(name.as_str(), policy.identities().keys().map(Name::as_str));
        reader.error(value.span(), format!("there is no identity `{name}`"), help);
        return None;
    }
    Some(name)
}

fn read_rule_name(reader: &mut Reader<'_, '_>, value: &Value<'_>, policy: &Policy) -> Option<Name> {
    let name: Name = reader.parsed(What::Key("rule"), value)?;
    if !policy.rules().contains_key(&name) {
        let help = reader.findings.nearest(name.as_str(), policy.rules().keys().map(Name::as_str));
        reader.error(value.span(), format!("there is no rule `{name}`"), help);
    }
    Some(name)
}

fn read_answer(reader: &mut Reader<'_, '_>, value: &Value<'_>) -> Option<Answer> {
    let text = reader.text(What::Key("expect"), value)?;
    let answers = [Answer::Allow, Answer::Pending, Answer::Deny];
    let answer = answers.into_iter().find(|answer| answer.as_str() == text);
    if answer.is_none() {
        let help = reader.findings.nearest(text, answers.map(Answer::as_str));
        reader.error(value.span(), format!("`expect` is `allow`, `pending` or `deny`, not {}", quoted(text)), help);
    }
    answer
}

/// Reads an instant with its offset from UTC, as RFC 3339 writes it.
fn read_time(reader: &mut Reader<'_, '_>, key: &str, value: &Value<'_>) -> Option<Timestamp> {
    let text = reader.text(What::Key(key), value)?;
    match DateTime::parse_from_rfc3339(text) {
        Ok(time) => Some(Timestamp::from_unix(time.timestamp())),
        Err(_) => {
            let help = Some("write for example `2026-01-05T09:00:00+01:00`, or `2026-01-05T08:00:00Z`".to_owned());
            reader.error(value.span(), format!("{} is no time with its offset from UTC", quoted(text)), help);
            None
        }
    }
}

fn read_codes(reader: &mut Reader<'_, '_>, value: &Value<'_>) -> BTreeSet<Code> {
    let list = reader.list_or_none("reasons", value).unwrap_or_default();
    let mut codes = BTreeSet::new();
    for value in list {
        let Some(text) = reader.text(What::EntryOf("reasons"), value) else { continue };
        match CODES.into_iter().find(|code| code.as_str() == text) {
            Some(code) => drop(codes.insert(code)),
            None => {
                let help = reader.findings.nearest(text, CODES.map(Code::as_str));
                reader.error(value.span(), format!("{} is no reason that a case can have", quoted(text)), help);
            }
        }
    }
    codes
}

/// Reads a name, or `{ name, for, hardware_key }`.
fn read_given(reader: &mut Reader<'_, '_>, value: &Value<'_>, policy: &Policy) -> Option<GivenApproval> {
    if value.get_ref().as_table().is_none() {
        let name = read_identity(reader, "approved_by", value, policy)?;
        return Some(GivenApproval { name, duration: None, by_hardware_key: false });
    }
    let table = reader.table(What::EntryOf("approved_by"), value)?;
    reader.check_keys("an entry of `approved_by`", table, &["name", "for", "hardware_key"]);
    let at = reader.at(value.span());
    let name = reader.required(table, "name", Some(("an entry of `approved_by`", &at)), "name = \"carol\"");
    let duration = table.get("for").and_then(|value| reader.parsed(What::Key("for"), value));
    let hardware = table.get("hardware_key").and_then(|value| reader.boolean(What::Key("hardware_key"), value));
    let name = name.and_then(|value| read_identity(reader, "name", value, policy))?;
    Some(GivenApproval { name, duration, by_hardware_key: hardware.unwrap_or(false) })
}

fn read_earlier(reader: &mut Reader<'_, '_>, value: &Value<'_>) -> Option<Earlier> {
    let table = reader.table(What::EntryOf("earlier"), value)?;
    reader.check_keys("an entry of `earlier`", table, &["resource", "action", "duration", "at", "revoked"]);
    let at = reader.at(value.span());
    let time = reader.required(table, "at", Some(("an entry of `earlier`", &at)), "at = \"2026-01-05T08:00:00Z\"");
    let revoked = table.get("revoked").and_then(|value| reader.boolean(What::Key("revoked"), value));
    Some(Earlier {
        resource: table.get("resource").and_then(|value| reader.parsed(What::Key("resource"), value)),
        action: table.get("action").and_then(|value| reader.parsed(What::Key("action"), value)),
        duration: table.get("duration").and_then(|value| reader.parsed(What::Key("duration"), value)),
        is_revoked: revoked.unwrap_or(false),
        at: time.and_then(|value| read_time(reader, "at", value))?,
    })
}

fn read_assertion(reader: &mut Reader<'_, '_>, declared: &Declared<'_, '_>, policy: &Policy) -> Option<Assertion> {
    let table = declared.table;
    let what = format!("assertion `{}`", declared.name);
    let resources = reader.required(table, "resources", Some((&what, &declared.at)), "resources = [\"db/prod/**\"]");
    let resources = resources.map(|value| {
        let list = reader.list("resources", value).unwrap_or_default();
        reader.entries("resources", list).into_iter().map(|(pattern, _)| pattern).collect()
    });
    let subjects = table.get("subjects").map(|value| read_known(reader, "subjects", value, policy));
    let actions = table.get("actions").map(|value| {
        let list = reader.list("actions", value).unwrap_or_default();
        reader.entries("actions", list).into_iter().map(|(action, _)| action).collect()
    });
    let mut claims = Vec::new();
    for (key, when, claim) in [("access", false, Claim::NoAccess), ("needs_approval", true, Claim::NeedsApproval)] {
        let Some(value) = table.get(key) else { continue };
        let said = reader.boolean(What::Key(key), value)?;
        if said != when {
            reader.error(value.span(), format!("`{key}` says something only as `{key} = {when}`"), None);
        }
        claims.push(claim);
    }
    claims.extend(table.get("approvers").map(|value| Claim::Approvers(read_known(reader, "approvers", value, policy))));
    if claims.len() != 1 {
        let help = Some("`access = false`, `needs_approval = true` or `approvers = [\"group:dba\"]`".to_owned());
        let number = if claims.is_empty() { "nothing" } else { "more than one thing" };
        reader.findings.error(&declared.at, format!("{what} claims {number}, and an assertion claims one"), help);
    }
    Some(Assertion {
        name: declared.name.to_string(),
        place: reader.findings.place(&declared.at).map(|(path, span)| Place { path, span }),
        subjects,
        resources: resources?,
        actions,
        claim: claims.into_iter().next()?,
    })
}

/// Reads identities, groups, rotations and kinds that exist.
fn read_known(reader: &mut Reader<'_, '_>, key: &str, value: &Value<'_>, policy: &Policy) -> Vec<Selector> {
    let list = reader.list(key, value).unwrap_or_default();
    let mut known = Vec::new();
    for (selector, at) in reader.entries::<Selector>(key, list) {
        let nearest = match &selector {
            Selector::Identity(name) if policy.identity(name).is_none() => {
                Some(reader.findings.nearest(name.as_str(), policy.identities().keys().map(Name::as_str)))
            }
            Selector::Group(name) if !policy.groups().contains_key(name) => {
                Some(reader.findings.nearest(name.as_str(), policy.groups().keys().map(Name::as_str)))
            }
            Selector::Rotation(name) if !policy.rotations().contains_key(name) => {
                Some(reader.findings.nearest(name.as_str(), policy.rotations().keys().map(Name::as_str)))
            }
            Selector::Identity(_) | Selector::Group(_) | Selector::Rotation(_) | Selector::Kind(_) => None,
        };
        match nearest {
            Some(help) => reader.findings.error(&at, format!("there is no `{selector}`"), help),
            None => known.push(selector),
        }
    }
    known
}
