//! jit.toml, line by line.

use proptest::prelude::*;

use super::*;

#[test]
fn settings_that_load() {
    for text in [
        "format=1\nname='a'\nmaintainers=['bob']\nthreshold=1",
        "format=0x1\nname='a'\nmaintainers=['bob']\nthreshold=0b1\nrevokers=[]\n[check]\n[request]",
        "\u{feff}format = +1\r\nname = \"\"\"a\"\"\"\r\nmaintainers = [\"bob\",\r\n]\r\nthreshold = 1\r\n",
        "check.max_age='1s'\nrequest.pending_for='365d'\nformat=1\nname='a'\nmaintainers=['bob']\nthreshold=1",
        "format=1\nname='a'\nmaintainers=['bob']\nthreshold=1\nrevokers=['ci', 'group:dba']\ncheck={\n}",
    ] {
        load_with(&[("jit.toml", text)]);
    }
}

#[test]
fn witnesses_are_services_that_a_branch_can_be_named_for() {
    let service = |name: &str| format!("[identity.\"{name}\"]\nkind = \"service\"\nowners = [\"alice\"]\nkeys = []\n");
    for (name, loads) in
        [("w1", true), ("w.1", true), ("w..1", false), ("w.", false), ("w.lock", false), ("lock", true)]
    {
        let files = policy_with(&[
            ("jit.toml", &format!("{JIT}check = {{ witnesses = [\"ci\", \"{name}\"] }}\n")),
            ("identities/more.toml", &service(name)),
        ]);
        match load(&files) {
            Ok(policy) => {
                let names: Vec<_> = policy.witnesses().iter().map(Name::as_str).collect();
                assert_eq!((names, loads), (vec!["ci", name], true));
            }
            Err(errors) => {
                let message = format!("`{name}` can't be a witness: git has no branch of such a name");
                assert_eq!((told(&errors).len(), errors[0].message.as_str(), loads), (1, message.as_str(), false));
            }
        }
    }
    assert!(load_with(&[("jit.toml", &format!("{JIT}check = {{ witnesses = [] }}\n"))]).witnesses().is_empty());
    assert!(load_with(&[("jit.toml", JIT)]).witnesses().is_empty());
}

#[test]
fn what_all_rules_have_can_be_made_stricter_and_never_looser() {
    let jit = |defaults: &str| format!("{JIT}{defaults}\n");
    let with = |defaults: &str, duration: &str| {
        load(&policy_with(&[
            ("jit.toml", &jit(defaults)),
            ("policies/db.toml", &RULE.replace("duration={max='2h'}\n", duration)),
        ]))
    };
    for (defaults, duration, expected) in [
        ("", "duration={max='2h'}", "2h 2h"),
        ("defaults={}", "duration={max='2h'}", "2h 2h"),
        ("defaults={duration={max='8h'}}", "", "8h 8h"),
        ("defaults={duration={max='8h'}}", "duration={}", "8h 8h"),
        ("defaults={duration={max='8h'}}", "duration={max='8h'}", "8h 8h"),
        ("defaults={duration={max='8h'}}", "duration={default='1h'}", "8h 1h"),
        ("defaults={duration={max='8h',default='30m'}}", "", "8h 30m"),
        ("defaults={duration={max='8h',default='30m'}}", "duration={max='20m'}", "20m 20m"),
        ("defaults={duration={max='8h',default='30m'}}", "duration={default='1h'}", "8h 1h"),
        ("defaults={duration={default='30m'}}", "duration={max='2h'}", "2h 30m"),
    ] {
        let policy = with(defaults, duration).unwrap_or_else(|errors| panic!("{defaults}: {:?}", told(&errors)));
        let Effect::Allow(allow) = &policy.rules()["x"].effect else { panic!("it allows") };
        assert_eq!(format!("{} {}", allow.max, allow.default), expected, "{defaults} {duration}");
    }
    for (defaults, duration, expected) in [
        (
            "defaults={duration={max='8h'}}",
            "duration={max='8h1s'}",
            "policies/db.toml:5:15: `max` is 8h1s, and jit.toml allows no rule more than 8h | lower it, or raise `max` in \
             `defaults` for all rules",
        ),
        (
            "defaults={duration={max='8h'}}",
            "duration={default='9h'}",
            "policies/db.toml:5:19: `default` is 9h, longer than the `max` of jit.toml, 8h",
        ),
        (
            "defaults={duration={default='30m'}}",
            "",
            "policies/db.toml:1:7: rule `x` needs `duration` | write for example `duration = { max = \"4h\" }`",
        ),
        (
            "defaults={duration={max='8h',default='9h'}}",
            "",
            "jit.toml:5:38: `default` is 9h, longer than `max`, which is 8h",
        ),
        (
            "defaults={reason={}}",
            "duration={max='2h'}",
            "jit.toml:5:18: `reason` needs `pattern`, `min_length` or both",
        ),
        (
            "defaults={approvals=[]}",
            "duration={max='2h'}",
            "jit.toml:5:11: unknown key `approvals` in `defaults` | `defaults` may hold duration, reason",
        ),
    ] {
        let errors = with(defaults, duration).expect_err(defaults);
        assert_eq!(told(&errors), [expected], "{defaults} {duration}");
    }
    let policy = with("defaults={reason={min_length=5}}", "duration={max='2h'}").unwrap();
    assert!(policy.reason_for_all().unwrap().accepts("abcd").is_err());
}

#[test]
fn settings_that_do_not_load() {
    let table: &[(&str, &str, &[&str])] = &[
        ("format = 1\n", "", &["@: `format` is missing | write for example `format = 1`"]),
        ("format = 1", "format = \"1\"", &["@:1:10: `format` must be a whole number, this is a text"]),
        ("format = 1", "format = 1.0", &["@:1:10: `format` must be a whole number, this is a fraction"]),
        ("format = 1", "format = -1", &["@:1:10: `format` must be 1"]),
        ("name = \"acme\"\n", "", &["@: `name` is missing | write for example `name = \"acme\"`"]),
        (
            "\"acme\"",
            "\"Acme\"",
            &["@:2:8: `Acme`: a name holds only a-z, 0-9, `.`, `_` and `-`, not `A` (character 1)"],
        ),
        ("\"acme\"", "\"\"", &["@:2:8: ``: a name can't be empty"]),
        ("\"acme\"", "7", &["@:2:8: `name` must be a text in quotes, this is a whole number"]),
        ("threshold = 2\n", "", &["@: `threshold` is missing | write for example `threshold = 1`"]),
        ("threshold = 2", "threshold = 0", &["@:4:13: `threshold` must be at least 1"]),
        ("threshold = 2", "threshold = 3", &["@:4:13: `threshold` is 3 but there are only 2 maintainers"]),
        ("threshold = 2", "threshold = true", &["@:4:13: `threshold` must be a whole number, this is true or false"]),
        (
            "maintainers = [\"alice\", \"bob\"]\n",
            "",
            &["@: `maintainers` is missing | write for example `maintainers = [\"alice\"]`"],
        ),
        (
            "[\"alice\", \"bob\"]",
            "[]",
            &["@:3:15: `maintainers` is an empty list", "@:4:13: `threshold` is 2 but there are only 0 maintainers"],
        ),
        ("[\"alice\", \"bob\"]", "[\"bob\"]", &["@:4:13: `threshold` is 2 but there is only 1 maintainer"]),
        ("[\"alice\", \"bob\"]", "\"alice\"", &["@:3:15: `maintainers` must be a list, this is a text"]),
        ("\"bob\"]", "1979-05-27]", &["@:3:25: each entry of `maintainers` must be a text in quotes, this is a date"]),
        ("\"bob\"", "\"alice\"", &["@:3:25: `alice` is twice in `maintainers`"]),
        ("\"bob\"", "\"group:dba\"", &["@:3:25: maintainers are people by name, never groups or rotations"]),
        ("\"bob\"", "\"ci\"", &["@:3:25: `ci` is a service, and a maintainer must be a person"]),
        ("\"bob\"", "\"bab\"", &["@:3:25: there is no identity `bab` | did you mean `bob`?"]),
        ("\"bob\"", "\"dba\"", &["@:3:25: there is no identity `dba` | `dba` is a group: write `group:dba`"]),
        (
            "format",
            "revokers = [\"group:alice\"]\nformat",
            &["@:1:13: there is no group `alice` | `alice` is an identity: write `alice`"],
        ),
        ("format", "revokers = \"alice\"\nformat", &["@:1:12: `revokers` must be a list, this is a text"]),
        ("format", "revokers = [\"alice\", \"alice\"]\nformat", &["@:1:22: `alice` is twice in `revokers`"]),
        (
            "format",
            "revokers = [\"*\"]\nformat",
            &["@:1:13: `*`: a name holds only a-z, 0-9, `.`, `_` and `-`, not `*` (character 1)"],
        ),
        (
            "format",
            "check = { max_age = \"0s\" }\nformat",
            &["@:1:21: `0s`: a duration is at least 1s and at most 365d"],
        ),
        (
            "format",
            "check = { max_age = 300 }\nformat",
            &["@:1:21: `max_age` must be a text in quotes, this is a whole number"],
        ),
        ("format", "check = \"5m\"\nformat", &["@:1:9: `check` must be a table, this is a text"]),
        (
            "format",
            "check = { maxage = \"5m\" }\nformat",
            &["@:1:11: unknown key `maxage` in `check` | did you mean `max_age`?"],
        ),
        ("format", "check = { witnesses = \"ci\" }\nformat", &["@:1:23: `witnesses` must be a list, this is a text"]),
        (
            "format",
            "check = { witnesses = [\"alice\"] }\nformat",
            &["@:1:24: `alice` is a person, and a witness must be a service"],
        ),
        (
            "format",
            "check = { witnesses = [\"group:dba\"] }\nformat",
            &["@:1:24: witnesses are services by name, never groups or rotations"],
        ),
        ("format", "check = { witnesses = [\"ci\", \"ci\"] }\nformat", &["@:1:30: `ci` is twice in `witnesses`"]),
        (
            "format",
            "check = { witnesses = [\"c\"] }\nformat",
            &["@:1:24: there is no identity `c` | did you mean `ci`?"],
        ),
        (
            "format",
            "request = { witnesses = [] }\nformat",
            &["@:1:13: unknown key `witnesses` in `request` | `request` may hold pending_for"],
        ),
        (
            "format",
            "request = { pending_for = \"1m1h\" }\nformat",
            &["@:1:27: `1m1h`: a duration is written like 90m, 1h30m or 2d: d, h, m, s in that order, each once"],
        ),
        (
            "format",
            "request = { max_age = \"1h\" }\nformat",
            &["@:1:13: unknown key `max_age` in `request` | `request` may hold pending_for"],
        ),
        ("format", "treshold = 1\nformat", &["@:1:1: unknown key `treshold` in jit.toml | did you mean `threshold`?"]),
        (
            "format",
            "colour = 1\nformat",
            &[
                "@:1:1: unknown key `colour` in jit.toml | jit.toml may hold format, name, maintainers, threshold, revokers, \
             check, request, defaults",
            ],
        ),
        (
            "threshold = 2\n",
            "threshold = 2\n[identity.eve]\nkind = \"person\"\n",
            &["@:5:2: `identity` tables do not stand in jit.toml | move them to a file under identities/"],
        ),
        (
            "threshold = 2\n",
            "threshold = 2\n[rule.eve]\n",
            &["@:5:2: `rule` tables do not stand in jit.toml | move them to a file under policies/"],
        ),
        ("name", "name = \"b\"\nname", &["@:3:1: `name` is there already"]),
        ("= 2", "= ", &["@:4:13: string values must be quoted, expected literal string"]),
    ];
    for (old, new, expected) in table {
        assert!(JIT.contains(old), "{old}");
        check("jit.toml", &JIT.replacen(old, new, 1), expected);
    }
}

#[test]
fn another_format_is_the_only_error() {
    for (text, format, help) in [
        ("format = 2", 2, "upgrade jit"),
        ("format = 2\nanything = { goes }\n[[[", 2, "upgrade jit"),
        ("= broken\nformat = 0x10", 16, "upgrade jit"),
        ("format = 0\nname = 1", 0, "write `format = 1`"),
    ] {
        let files = policy_with(&[("jit.toml", text), ("policies/x.toml", "= broken")]);
        assert_eq!(declared_format(&files), Some(format), "{text}");
        let errors = load(&files).unwrap_err();
        let message =
            format!("jit.toml: the policy is written in format {format}, this program knows only format 1 | {help}");
        assert_eq!((told(&errors), errors[0].kind), (vec![message], Kind::UnsupportedFormat(format)), "{text}");
    }
    for text in
        ["", "format = \"2\"", "format = 2.0", "format = -2", "[format]", "name = \"format = 2\"", "[a]\nformat = 2"]
    {
        let files = policy_with(&[("jit.toml", text)]);
        assert_eq!(declared_format(&files), None, "{text}");
        let errors = load(&files).unwrap_err();
        assert!(errors.iter().all(|error| !matches!(error.kind, Kind::UnsupportedFormat(_))), "{text}");
    }
    let broken = policy_with(&[("jit.toml", "format = 1\n=")]);
    assert_eq!((declared_format(&broken), load(&broken).is_err()), (Some(1), true));
    assert_eq!(declared_format(&PolicyFiles::default()), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever a rule says, it loads if it is no looser than what jit.toml says for all, and is no looser then.
    #[test]
    fn no_rule_that_loads_is_looser_than_what_all_have(
        cap in 1_u32..6,
        usual in prop::option::of(1_u32..6),
        max in prop::option::of(1_u32..8),
        default in prop::option::of(1_u32..8),
        (least, rules_least) in (1_u32..6, prop::option::of(1_u32..8)),
        reason in "x{0,8}",
    ) {
        let hours = |key: &str, hours: Option<u32>| hours.map(|hours| format!("{key}='{hours}h'"));
        let joined = |parts: [Option<String>; 2]| parts.into_iter().flatten().collect::<Vec<_>>().join(",");
        let settings = format!(
            "{JIT}defaults={{duration={{{}}},reason={{min_length={least}}}}}\n",
            joined([hours("max", Some(cap)), hours("default", usual)])
        );
        let rule = format!(
            "duration={{{}}}\n{}",
            joined([hours("max", max), hours("default", default)]),
            rules_least.map(|least| format!("reason={{min_length={least}}}")).unwrap_or_default()
        );
        let files = [("jit.toml", settings.as_str()), ("policies/db.toml", &RULE.replace("duration={max='2h'}\n", &rule))];
        let fits = usual.is_none_or(|usual| usual <= cap)
            && max.is_none_or(|max| max <= cap)
            && default.is_none_or(|default| default <= max.unwrap_or(cap));
        let loaded = load(&policy_with(&files));
        prop_assert_eq!(loaded.is_ok(), fits, "{} {}", settings, rule);
        let Ok(policy) = loaded else { return Ok(()) };
        let Effect::Allow(allow) = &policy.rules()["x"].effect else { panic!("it allows") };
        let cap = duration(&format!("{cap}h"));
        prop_assert!(allow.default <= allow.max && allow.max <= cap, "{} {}", allow.default, allow.max);
        let demands = policy.reason_for_all().into_iter().chain(&allow.reason);
        let is_taken = demands.map(|demand| demand.accepts(&reason)).all(|taken| taken.is_ok());
        let length = u32::try_from(reason.len()).unwrap();
        prop_assert_eq!(is_taken, length >= least && rules_least.is_none_or(|least| length >= least));
    }
}
