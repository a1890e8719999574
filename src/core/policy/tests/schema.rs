//! The schemas that editors get, held against the loader.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::*;
use crate::core::policy::syntax::Section;
use crate::core::policy::{cases, identities, rules, settings};

fn json(schema: Schema) -> Json {
    serde_json::from_str(schema.text()).unwrap()
}

/// Returns what the schema says against a file; none if it is no TOML at all.
fn faults(path: &str, text: &str) -> Option<Vec<String>> {
    let value: Json = serde_json::to_value(toml::from_str::<toml::Table>(text).ok()?).unwrap();
    let validator = jsonschema::draft7::new(&json(Schema::of(path).unwrap())).unwrap();
    Some(validator.iter_errors(&value).map(|fault| fault.to_string()).collect())
}

#[test]
fn the_schemas_know_the_keys_that_the_loader_knows() {
    let keys =
        |object: &Json| -> BTreeSet<String> { object["properties"].as_object().unwrap().keys().cloned().collect() };
    let known = |keys: &[&str]| -> BTreeSet<String> { keys.iter().map(|key| (*key).to_owned()).collect() };
    assert_eq!(keys(&json(Schema::Jit)), known(settings::KEYS));
    let sections: [(Schema, &[&Section]); 3] = [
        (Schema::Identities, &[&identities::IDENTITY, &identities::GROUP, &identities::ROTATION]),
        (Schema::Policies, &[&rules::RULE]),
        (Schema::Tests, &[&cases::TEST, &cases::ASSERT]),
    ];
    for (schema, sections) in sections {
        let json = json(schema);
        assert_eq!(keys(&json), known(&sections.iter().map(|section| section.name).collect::<Vec<_>>()));
        for section in sections {
            assert_eq!(keys(&json["definitions"][section.name]), known(section.keys), "{}", section.name);
        }
    }
    assert_eq!(keys(&json(Schema::Tests)["definitions"]["case"]), known(&cases::CASE_KEYS));
}

#[test]
fn the_schemas_are_schemas() {
    for schema in Schema::ALL {
        assert!(jsonschema::draft7::meta::is_valid(&json(schema)), "{}", schema.name());
        assert!(schema.text().ends_with("}\n"));
    }
}

/// The packs that `jit init` writes, and the texts of these tests: what loads fits.
#[test]
fn what_loads_fits_its_schema() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let mut waiting = vec![folder.clone()];
    let mut seen = 0;
    while let Some(place) = waiting.pop() {
        for entry in std::fs::read_dir(place).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap().replace("{{me}}", "alice").replace("{{key}}", "KEY1");
            let below = path.strip_prefix(&folder).unwrap().to_str().unwrap().split_once('/').unwrap().1.to_owned();
            assert_eq!(faults(&below, &with_keys(&text)), Some(Vec::new()), "{}", path.display());
            seen += 1;
        }
    }
    assert!(seen > 15, "{seen} files");
    let whole = "[rule.full]\ndescription=''\neffect='allow'\nsubjects=['dba','group:all','person:*']\nresources=['db/**','k8s/*/a-*']\n\
                 actions=['*']\nduration={default='1h',max='1d2h3m4s'}\nreason={pattern='^INC-[0-9]+',min_length=10}\n\
                 hours=[{days=['mon-fri','sun'],from='22:00',to='24:00',tz='Europe/Berlin'}]\n\
                 approvals=[{from=['carol','service:*'],count=2,longer_than='1h',hardware_key=true}]\n\
                 limits={active=1,rate={count=5,per='24h'},cooldown='10m'}\nrequire_hardware_key=true\n\
                 [rule.'a.b']\neffect='deny'\nsubjects=['ci']\nresources=['**']\n";
    for (path, text) in [
        ("jit.toml", JIT),
        (
            "jit.toml",
            &format!(
                "{JIT}revokers=[]\ncheck={{max_age='5m',witnesses=['ci']}}\nrequest={{pending_for='24h'}}\ndefaults={{duration={{max='1h'}},reason={{min_length=1}}}}"
            ),
        ),
        ("identities/people.toml", PEOPLE),
        (
            "identities/x.toml",
            "[rotation.r]\nmembers=['alice','bob']\nstart='2026-01-05'\nhandoff='09:00'\ntz='UTC'\nperiod='7d'\n\
             overrides=[{from='2026-01-07',to='2026-01-09T18:00',member='bob'}]\n",
        ),
        ("policies/db.toml", RULES),
        ("policies/x.toml", RULE),
        ("policies/x.toml", DENY),
        ("policies/x.toml", whole),
        ("targets/x.toml", "anything = [1]"),
    ] {
        assert_eq!(faults(path, &with_keys(text)), Some(Vec::new()), "{path}: {text}");
    }
}

/// What editors can see to be wrong: each of these the loader refuses too.
#[test]
fn what_is_broken_fails_both() {
    let rule = |line: &str| format!("{RULE}{line}\n");
    for (path, text) in [
        ("jit.toml", format!("{JIT}colour='red'")),
        ("jit.toml", JIT.replace("format = 1", "format = 2")),
        ("jit.toml", JIT.replace("threshold = 2\n", "")),
        ("jit.toml", JIT.replace("threshold = 2", "threshold = 0")),
        ("jit.toml", JIT.replace("[\"alice\", \"bob\"]", "[\"group:dba\"]")),
        ("jit.toml", format!("{JIT}check={{max_age='5 minutes'}}")),
        ("jit.toml", format!("{JIT}check={{maxage='5m'}}")),
        ("jit.toml", format!("{JIT}revokers=['person:*']")),
        ("identities/x.toml", "[identity.x]\nkind='robot'".to_owned()),
        ("identities/x.toml", "[identity.x]\nkeys=[]".to_owned()),
        ("identities/x.toml", "[identity.x]\nkind='service'".to_owned()),
        ("identities/x.toml", "[identity.x]\nkind='person'\nowners=['bob']".to_owned()),
        ("identities/x.toml", "[identity.x]\nkind='person'\nkeys=['ssh-rsa AAAA']".to_owned()),
        ("identities/x.toml", "[identity.X]\nkind='person'".to_owned()),
        ("identities/x.toml", "[identity.a.b]\nkind='person'".to_owned()),
        ("identities/x.toml", "[group.g]\nmembers=[]".to_owned()),
        ("identities/x.toml", "[group.g]\nmembers=['rotation:r']".to_owned()),
        ("identities/x.toml", "[rotation.r]\nmembers=['bob']\nstart='2026-01-05'\ntz='UTC'\nperiod='7d'".to_owned()),
        ("identities/x.toml", "[rule.g]\nmembers=['bob']".to_owned()),
        ("policies/x.toml", rule("colour='red'")),
        ("policies/x.toml", rule("effect='maybe'")),
        ("policies/x.toml", rule("reason={}")),
        ("policies/x.toml", rule("reason={min_length=0}")),
        ("policies/x.toml", rule("limits={rate={count=1}}")),
        ("policies/x.toml", rule("approvals=[{from=['bob'],count=0}]")),
        ("policies/x.toml", rule("approvals=[{count=1}]")),
        ("policies/x.toml", rule("hours=[{from='8:00',to='18:00',tz='UTC'}]")),
        ("policies/x.toml", rule("hours=[{days=['monday'],from='08:00',to='18:00',tz='UTC'}]")),
        ("policies/x.toml", rule("require_hardware_key='yes'")),
        ("policies/x.toml", RULE.replace("'2h'", "'2 hours'")),
        ("policies/x.toml", RULE.replace("a/*", "a//b")),
        ("policies/x.toml", RULE.replace("actions=['read']\n", "")),
        ("policies/x.toml", format!("{DENY}duration={{max='1h'}}")),
        ("policies/x.toml", "[identity.x]\nkind='person'".to_owned()),
        ("tests/x.toml", "[test.x]\nsubject='alice'\nresource='a'\nexpect='perhaps'".to_owned()),
        ("tests/x.toml", "[test.x]\nsubject='alice'\nresource='a'".to_owned()),
        ("tests/x.toml", "[test.x]\nsubject='alice'\nresource='a'\nexpect='deny'\nmising=[]".to_owned()),
        ("tests/x.toml", "[test.x]\nsubject='alice'\nresource='a'\ncases=[{expect='deny',why='x'}]".to_owned()),
        ("tests/x.toml", "[test.x]\nsubject='alice'\nresource='a'\nexpect='deny'\nreasons=['bad']".to_owned()),
        ("tests/x.toml", "[assert.x]\nresources=['a']".to_owned()),
        ("tests/x.toml", "[assert.x]\nresources=['a']\naccess=true".to_owned()),
        ("tests/x.toml", "[assert.x]\nresources=['a']\naccess=false\nneeds_approval=true".to_owned()),
    ] {
        let text = with_keys(&text);
        assert!(faults(path, &text).is_none_or(|faults| !faults.is_empty()), "{path}: {text}");
        let files = policy_with(&[(path, &text)]);
        let refused = match load(&files) {
            Ok(policy) => read_tests(&policy, &files).is_err(),
            Err(_) => true,
        };
        assert!(refused, "{path}: {text}");
    }
}

#[test]
fn editors_find_their_way_from_each_file() {
    for (path, expected) in [
        ("jit.toml", Some("#:schema ./.schemas/jit.json\n")),
        ("identities/alice.toml", Some("#:schema ../.schemas/identities.json\n")),
        ("policies/a/b.toml", Some("#:schema ../../.schemas/policies.json\n")),
        ("jit/x.toml", None),
        ("README.md", None),
    ] {
        assert_eq!(Schema::line_for(path).as_deref(), expected, "{path}");
    }
}
