//! The corners of the language, one line each: what loads, and what is said about what does not.

mod cases;
mod hostile;
mod hours;
mod identities;
mod lint;
mod rotation;
mod rules;
mod schema;
mod settings;

use std::collections::BTreeMap;

use ed25519_dalek::SigningKey;
use ssh_key::public::{Ed25519PublicKey, KeyData, SkEd25519};

use crate::core::key::PublicKey;
use crate::core::name::Name;
use crate::core::time::{Duration, Timestamp};

use super::*;

const JIT: &str = "format = 1\nname = \"acme\"\nmaintainers = [\"alice\", \"bob\"]\nthreshold = 2\n";
const PEOPLE: &str = "\
[identity.alice]
kind = \"person\"
keys = [\"KEY1 alice@laptop\"]
[identity.bob]
kind = \"person\"
keys = [\"KEY2\"]
[identity.ci]
kind = \"service\"
owners = [\"alice\"]
[group.dba]
members = [\"alice\", \"bob\"]
";
const RULES: &str = "\
[rule.read]
subjects = [\"group:dba\", \"ci\"]
resources = [\"db/*/orders\"]
actions = [\"read\"]
duration = { max = \"4h\" }
";

/// A good rule in which to change one line.
const RULE: &str = "[rule.x]\nsubjects=['bob']\nresources=['a/*']\nactions=['read']\nduration={max='2h'}\n";
const DENY: &str = "[rule.x]\neffect='deny'\nsubjects=['bob']\nresources=['a/*']\n";

fn point(seed: u8) -> Ed25519PublicKey {
    Ed25519PublicKey(SigningKey::from_bytes(&[seed; 32]).verifying_key().to_bytes())
}

/// Puts keys in the place of `KEY1` to `KEY9`; `SK1` is a security key with the point of `KEY1`, `WK1` another one.
fn with_keys(text: &str) -> String {
    let mut text = text.to_owned();
    for seed in 1..=9 {
        let sk = |application: &str| KeyData::SkEd25519(SkEd25519::new(point(seed), application));
        for (what, key) in [("KEY", KeyData::Ed25519(point(seed))), ("SK", sk("ssh:")), ("WK", sk("ssh:work"))] {
            let key = PublicKey::from_key_data(&key).unwrap();
            text = text.replace(&format!("{what}{seed}"), &key.to_openssh());
        }
    }
    text
}

/// Returns a good policy with `files` added or put in the place of its own.
fn policy_with(files: &[(&str, &str)]) -> PolicyFiles {
    let mut all = BTreeMap::from([("jit.toml", JIT), ("identities/people.toml", PEOPLE), ("policies/db.toml", RULES)]);
    all.extend(files.iter().copied());
    PolicyFiles::new(all.into_iter().map(|(path, text)| (path.to_owned(), with_keys(text).into_bytes()))).unwrap()
}

fn load_with(files: &[(&str, &str)]) -> Policy {
    load(&policy_with(files)).unwrap_or_else(|errors| panic!("{files:?}: {}", told(&errors).join("\n")))
}

fn told(diagnostics: &[Diagnostic]) -> Vec<String> {
    diagnostics
        .iter()
        .map(|diagnostic| match &diagnostic.help {
            Some(help) => format!("{diagnostic} | {help}"),
            None => diagnostic.to_string(),
        })
        .collect()
}

fn errors_with(files: &[(&str, &str)]) -> Vec<String> {
    match load(&policy_with(files)) {
        Ok(_) => Vec::new(),
        Err(errors) => {
            assert!(!errors.is_empty() && errors.iter().all(|error| error.severity == Severity::Error));
            told(&errors)
        }
    }
}

/// Checks that `text` as the file at `path` gives exactly these errors, in which `@:` stands for that path and a colon.
fn check(path: &str, text: &str, expected: &[&str]) {
    let expected: Vec<String> = expected.iter().map(|error| error.replace("@:", &format!("{path}:"))).collect();
    assert_eq!(errors_with(&[(path, text)]), expected, "{text}");
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn duration(text: &str) -> Duration {
    text.parse().unwrap()
}

#[test]
fn the_whole_language_loads() {
    let policy = load_with(&[
        (
            "jit.toml",
            "# settings\nformat = 1\nname = \"acme\"\nmaintainers = [\"alice\", \"bob\"]\nthreshold = 2\n\
             revokers = [\"group:all\", \"carol\"]\ncheck = { max_age = \"10m\" }\nrequest = { pending_for = \"2d\" }\n",
        ),
        (
            "identities/more/people.toml",
            "[identity.carol]\nkind = \"person\"\n[identity.\"d.e\"]\nkind = \"person\"\nkeys = []\n\
             [identity.dba]\nkind = \"service\"\nowners = [\"alice\", \"carol\"]\nkeys = [\"SK3 a b\", \"WK3\", \"KEY3\"]\n\
             [group.all]\nmembers = [\"group:dba\", \"d.e\"]\n",
        ),
        (
            "policies/all.toml",
            "[rule.full]\ndescription = \"\"\neffect = \"allow\"\nsubjects = [\"dba\", \"group:all\"]\n\
             resources = [\"db/**\", \"k8s/*/a-*\"]\nactions = [\"read\", \"access\"]\n\
             duration = { default = \"1h\", max = \"4h\" }\nreason = { pattern = \"^INC-[0-9]+\", min_length = 10 }\n\
             [[rule.full.approvals]]\nfrom = [\"group:dba\"]\n\
             [[rule.full.approvals]]\nfrom = [\"carol\", \"group:all\"]\ncount = 2\nlonger_than = \"1h\"\n\
             [rule.no]\neffect = \"deny\"\nsubjects = [\"ci\"]\nresources = [\"**\"]\n\
             [rule.\"no.write\"]\neffect = \"deny\"\nsubjects = [\"ci\"]\nresources = [\"a\"]\nactions = [\"*\"]\n",
        ),
        ("tests/broken.toml", "= not even toml"),
        ("targets/broken.toml", "\u{1}"),
    ]);
    assert_eq!((policy.name(), policy.threshold()), ("acme", 2));
    assert_eq!((policy.max_age(), policy.pending_for()), (duration("10m"), duration("2d")));
    assert!(policy.is_maintainer(&name("bob")) && !policy.is_maintainer(&name("carol")));
    assert!(
        policy.is_revoker(&name("carol"), Timestamp::MIN)
            && policy.is_revoker(&name("d.e"), Timestamp::MIN)
            && policy.is_revoker(&name("bob"), Timestamp::MIN)
    );
    assert!(!policy.is_revoker(&name("dba"), Timestamp::MIN) && !policy.is_revoker(&name("ci"), Timestamp::MIN));
    assert_eq!(policy.identities().len(), 6);
    let members = |group: &str| policy.groups()[group].iter().map(Name::as_str).collect::<Vec<_>>();
    assert_eq!((members("all"), members("dba")), (vec!["alice", "bob", "d.e"], vec!["alice", "bob"]));

    // The identity and the group called dba are two things.
    let (identity, group) = ([Selector::Identity(name("dba"))], [Selector::Group(name("dba"))]);
    assert!(
        policy.selects(&identity, &name("dba"), Timestamp::MIN)
            && !policy.selects(&identity, &name("alice"), Timestamp::MIN)
    );
    assert!(
        policy.selects(&group, &name("alice"), Timestamp::MIN) && !policy.selects(&group, &name("dba"), Timestamp::MIN)
    );
    assert!(!policy.selects(&[], &name("alice"), Timestamp::MIN));
    let people = [Selector::Kind(IdentityKind::Person)];
    assert!(
        policy.selects(&people, &name("alice"), Timestamp::MIN)
            && !policy.selects(&people, &name("ci"), Timestamp::MIN)
    );
    assert!(!policy.selects(&people, &name("nobody"), Timestamp::MIN));

    let service = policy.identity(&name("dba")).unwrap();
    assert_eq!((service.kind, service.owners.len(), service.keys().count()), (IdentityKind::Service, 2, 3));
    assert_eq!(service.keys[0].1, "a b");
    for key in service.keys() {
        assert_eq!((policy.owner_of_key(key), service.has_key(key)), (Some(&name("dba")), true));
    }
    let foreign = PublicKey::from_key_data(&KeyData::Ed25519(point(4))).unwrap();
    assert!(policy.owner_of_key(&foreign).is_none() && !service.has_key(&foreign));

    let Effect::Allow(allow) = &policy.rules()["full"].effect else { panic!("it allows") };
    assert_eq!((allow.max, allow.default), (duration("4h"), duration("1h")));
    let [first, second] = &allow.approvals[..] else { panic!("two entries") };
    assert_eq!((first.count, first.longer_than, second.count), (1, None, 2));
    assert!(
        first.applies_to(duration("1s")) && !second.applies_to(duration("1h")) && second.applies_to(duration("61m"))
    );
    let actions = |rule: &str, action: &str| policy.rules()[rule].actions.matches(&name(action));
    assert!(actions("full", "read") && actions("full", "access") && !actions("full", "write"));
    assert!(actions("no", "write") && actions("no.write", "read"));
    assert_eq!(policy.rules()["no"].effect, Effect::Deny);

    let (path, span) = policy.place_of_rule(&name("no.write")).unwrap();
    assert_eq!((path, span.line, span.column), ("policies/all.toml", 19, 7));
}

#[test]
fn defaults_are_those_of_the_language() {
    let policy = load_with(&[]);
    assert_eq!((policy.max_age(), policy.pending_for()), (duration("5m"), duration("24h")));
    assert!(policy.revokers().is_empty() && !policy.is_revoker(&name("alice"), Timestamp::MIN));
    let rule = &policy.rules()["read"];
    let Effect::Allow(allow) = &rule.effect else { panic!("it allows") };
    assert_eq!((allow.default, &allow.reason, allow.approvals.len()), (duration("4h"), &None, 0));
    assert_eq!((rule.id.as_str(), &rule.description), ("read", &None));
    assert!(policy.identity(&name("ci")).unwrap().keys.is_empty());
}

#[test]
fn all_errors_of_all_files_come_at_once_in_order() {
    let errors = errors_with(&[
        (
            "policies/z.toml",
            "[rule.z]\nsubjects = [\"group:dbas\"]\nresources = [\"**\"]\nactions = [\"*\"]\nhours = []",
        ),
        ("policies/b.toml", "a = \n[rule.y]\nb = \"x\n"),
        ("identities/x.toml", "[group.g]\nmembers = [\"eve\"]\n[group.h]\nmembers = []"),
        ("jit.toml", "name = \"a\"\nmaintainers = [\"ci\"]\nformat = 1"),
    ]);
    assert_eq!(
        errors,
        [
            "identities/x.toml:2:12: there is no identity `eve`",
            "identities/x.toml:4:11: `members` is an empty list",
            "jit.toml: `threshold` is missing | write for example `threshold = 1`",
            "jit.toml:2:16: `ci` is a service, and a maintainer must be a person",
            "policies/b.toml:1:5: string values must be quoted, expected literal string",
            "policies/b.toml:3:7: invalid basic string, expected `\"`",
            "policies/z.toml:1:7: rule `z` needs `duration` | write for example `duration = { max = \"4h\" }`",
            "policies/z.toml:2:13: there is no group `dbas` | did you mean `dba`?",
            "policies/z.toml:5:9: `hours` is an empty list",
        ]
    );
}

#[test]
fn kinds_stand_in_rules_alone() {
    load_with(&[("policies/x.toml", &RULE.replace("['bob']", "['person:*','service:*']"))]);
    load_with(&[("policies/x.toml", &format!("{RULE}approvals=[{{from=['person:*']}}]"))]);
    let whom = "name people, services or groups";
    for (path, text, expected) in [
        (
            "identities/x.toml",
            "[group.g]\nmembers=['person:*']".to_owned(),
            "2:10: `person:*` does not stand in `members`",
        ),
        ("jit.toml", format!("{JIT}revokers=['service:*']"), "5:11: `service:*` does not stand in `revokers`"),
    ] {
        check(path, &text, &[&format!("@:{expected}: {whom}")]);
    }
}

#[test]
fn selectors_read_and_print() {
    for good in ["alice", "group:dba", "group:a.b", "group", "person:*", "service:*"] {
        assert_eq!(good.parse::<Selector>().map(|selector| selector.to_string()), Ok(good.to_owned()));
    }
    for bad in [
        "",
        "group:",
        "group:group:a",
        "Group:a",
        "group: a",
        "*",
        "group:*",
        "person:",
        "person:a",
        " person:*",
        " alice",
        "groups:a",
    ] {
        assert!(bad.parse::<Selector>().is_err(), "{bad:?}");
    }
}
