//! Rules, line by line.

use super::*;

#[test]
fn rules_that_load() {
    let sixty_four = format!("approvals=[{}]", "{from=['bob']},".repeat(64));
    let long = format!("description='{}'", "é".repeat(512));
    for line in [
        "",
        "effect='allow'",
        "description='two\\nlines'",
        "description=\"\\u001b[2J\"",
        &long,
        "reason={min_length=1}",
        "reason={min_length=1024}",
        "reason={pattern=''}",
        "reason={pattern='(?i)\\p{L}+\\d\\b'}",
        "reason={pattern='^.{20,200}$'}",
        "reason={pattern='\\w+ \\w+'}",
        "approvals=[{from=['alice'], count=1000, longer_than='2h'}]",
        "approvals=[{from=['alice']}, {from=['alice']}]",
        "approvals=[{from=['ci']}]",
        &sixty_four,
        "[[rule.x.approvals]]\nfrom=['group:dba']",
        "[rule.x.reason]\nmin_length=3",
    ] {
        load_with(&[("policies/x.toml", &format!("{RULE}{line}"))]);
    }
    for (old, new) in [
        ("['bob']", "['bob','group:dba']"),
        ("['a/*']", "['**','*','a/**/b*c']"),
        ("['read']", "['*']"),
        ("['read']", "['read','access','a.b']"),
        ("{max='2h'}", "{max='2h',default='2h'}"),
        ("{max='2h'}", "{max='365d',default='1s'}"),
        ("[rule.x]", "[rule.'x.y']"),
        ("[rule.x]", "[rule.\"duration\"]"),
    ] {
        assert!(RULE.contains(old), "{old}");
        load_with(&[("policies/x.toml", &RULE.replacen(old, new, 1))]);
    }
    for line in [
        "",
        "description='a'",
        "actions=['*']",
        "actions=['read','write']",
        "hours=[{from='22:00',to='06:00',tz='UTC'}]",
    ] {
        load_with(&[("policies/x.toml", &format!("{DENY}{line}"))]);
    }
    load_with(&[("policies/x.toml", "")]);
    load_with(&[("policies/db.toml", "# no rule at all")]);
}

#[test]
fn rules_that_do_not_load() {
    let sixty_five_hours = format!("hours=[{}]", "{from='08:00',to='09:00',tz='UTC'},".repeat(65));
    let sixty_five = format!("approvals=[{}]", "{from=['bob']},".repeat(65));
    let long = format!("description='{}a'", "é".repeat(512));
    let long_pattern = format!("reason={{pattern='{}'}}", "a".repeat(1025));
    let added: &[(&str, &[&str])] = &[
        ("hours=[]", &["@:6:7: `hours` is an empty list"]),
        ("hours={from='08:00'}", &["@:6:7: `hours` must be a list, this is a table"]),
        (
            "hours=[{from='08:00'}]",
            &[
                "@:6:8: an entry of `hours` needs `to` | write for example `to = \"18:00\"`",
                "@:6:8: an entry of `hours` needs `tz` | write for example `tz = \"Europe/Berlin\"`",
            ],
        ),
        (
            "hours=[{from='8:00',to='24:00',tz='UTC'}]",
            &["@:6:14: `8:00`: a time of day is written like 08:00, from 00:00 to 24:00"],
        ),
        (
            "hours=[{from='08:00',to='24:01',tz='UTC'}]",
            &["@:6:25: `24:01`: a time of day is written like 08:00, from 00:00 to 24:00"],
        ),
        (
            "hours=[{from='08:00',to='23:60',tz='UTC'}]",
            &["@:6:25: `23:60`: a time of day is written like 08:00, from 00:00 to 24:00"],
        ),
        (
            "hours=[{from='08:00',to='+9:00',tz='UTC'}]",
            &["@:6:25: `+9:00`: a time of day is written like 08:00, from 00:00 to 24:00"],
        ),
        ("hours=[{from=8,to='09:00',tz='UTC'}]", &["@:6:14: `from` must be a text in quotes, this is a whole number"]),
        (
            "hours=[{from='24:00',to='09:00',tz='UTC'}]",
            &["@:6:8: `from` is before 24:00 | write `from = \"00:00\"`; with `days`, that of the next day"],
        ),
        (
            "hours=[{from='09:00',to='09:00',tz='UTC'}]",
            &["@:6:25: `from` and `to` are both 09:00 | for whole days, write `from = \"00:00\", to = \"24:00\"`"],
        ),
        (
            "hours=[{from='08:00',to='09:00',tz='Europe/Berln'}]",
            &["@:6:36: there is no time zone `Europe/Berln` | did you mean `Europe/Berlin`?"],
        ),
        (
            "hours=[{from='08:00',to='09:00',tz='europe/berlin'}]",
            &["@:6:36: there is no time zone `europe/berlin` | did you mean `Europe/Berlin`?"],
        ),
        (
            "hours=[{from='08:00',to='09:00',tz='+01:00'}]",
            &["@:6:36: there is no time zone `+01:00` | write for example `tz = \"Europe/Berlin\"`, or `tz = \"UTC\"`"],
        ),
        ("hours=[{days=['mon','mon'],from='08:00',to='09:00',tz='UTC'}]", &["@:6:21: `mon` is twice in `days`"]),
        ("hours=[{days=[],from='08:00',to='09:00',tz='UTC'}]", &["@:6:14: `days` is an empty list"]),
        (
            "hours=[{days=['Mon'],from='08:00',to='09:00',tz='UTC'}]",
            &["@:6:15: `Mon`: days are written like mon, or mon-fri; the days are mon, tue, wed, thu, fri, sat, sun"],
        ),
        (
            "hours=[{days=['mon-'],from='08:00',to='09:00',tz='UTC'}]",
            &["@:6:15: `mon-`: days are written like mon, or mon-fri; the days are mon, tue, wed, thu, fri, sat, sun"],
        ),
        (
            "hours=[{days=['mon-wed-fri'],from='08:00',to='09:00',tz='UTC'}]",
            &[
                "@:6:15: `mon-wed-fri`: days are written like mon, or mon-fri; the days are mon, tue, wed, thu, fri, sat, sun",
            ],
        ),
        (
            "hours=[{day=['mon'],from='08:00',to='09:00',tz='UTC'}]",
            &["@:6:9: unknown key `day` in an entry of `hours` | did you mean `days`?"],
        ),
        (&sixty_five_hours, &["@:6:7: `hours` has at most 64 entries, this one has 65"]),
        ("limits={}", &["@:6:8: `limits` needs `active`, `rate` or `cooldown`"]),
        ("limits.active=0", &["@:6:15: `active` must be from 1 to 1000"]),
        ("limits={active=1001}", &["@:6:16: `active` must be from 1 to 1000"]),
        ("limits={cooldown='0s'}", &["@:6:18: `0s`: a duration is at least 1s and at most 365d"]),
        (
            "limits={rate={}}",
            &[
                "@:6:14: `rate` of rule `x` needs `count` | write for example `count = 5`",
                "@:6:14: `rate` of rule `x` needs `per` | write for example `per = \"24h\"`",
            ],
        ),
        ("limits={rate={count=0,per='1h'}}", &["@:6:21: `count` must be from 1 to 1000"]),
        ("limits={rates=1}", &["@:6:9: unknown key `rates` in `limits` | did you mean `rate`?"]),
        ("require_hardware_key=1", &["@:6:22: `require_hardware_key` must be true or false, this is a whole number"]),
        (
            "approvals=[{from=['bob'],hardware_key='yes'}]",
            &["@:6:39: `hardware_key` must be true or false, this is a text"],
        ),
        (
            "colour=1",
            &[
                "@:6:1: unknown key `colour` in a rule | a rule may hold description, effect, subjects, resources, actions, \
             duration, reason, hours, approvals, limits, require_hardware_key",
            ],
        ),
        ("subject=1", &["@:6:1: unknown key `subject` in a rule | did you mean `subjects`?"]),
        ("effect='Deny'", &["@:6:8: `effect` is `allow` or `deny`, not `Deny` | did you mean `deny`?"]),
        ("effect=false", &["@:6:8: `effect` must be a text in quotes, this is true or false"]),
        ("description=1", &["@:6:13: `description` must be a text in quotes, this is a whole number"]),
        (&long, &["@:6:13: a description has at most 1024 bytes, this one has 1025"]),
        ("reason={}", &["@:6:8: `reason` needs `pattern`, `min_length` or both"]),
        ("reason='INC'", &["@:6:8: `reason` must be a table, this is a text"]),
        ("reason={min=1}", &["@:6:9: unknown key `min` in `reason` | `reason` may hold pattern, min_length"]),
        ("reason={min_length=0}", &["@:6:20: `min_length` must be from 1 to 1024"]),
        ("reason={min_length=1025}", &["@:6:20: `min_length` must be from 1 to 1024"]),
        ("reason={min_length=99999999999999999999}", &["@:6:20: `min_length` must be from 1 to 1024"]),
        ("reason={pattern='('}", &["@:6:17: `(` is no pattern: unclosed group"]),
        ("reason={pattern='a\\1'}", &["@:6:17: `a\\1` is no pattern: backreferences are not supported"]),
        (
            "reason={pattern='(?=a)'}",
            &["@:6:17: `(?=a)` is no pattern: look-around, including look-ahead and look-behind, is not supported"],
        ),
        (
            "reason={pattern='(\\w{100}){100}'}",
            &["@:6:17: `(\\w{100}){100}` is no pattern: compiled, it takes more than 1048576 bytes"],
        ),
        (&long_pattern, &["@:6:17: a pattern has at most 1024 bytes, this one has 1025"]),
        ("approvals=[]", &["@:6:11: `approvals` is an empty list"]),
        (&sixty_five, &["@:6:11: `approvals` has at most 64 entries, this one has 65"]),
        ("approvals={from=['bob']}", &["@:6:11: `approvals` must be a list, this is a table"]),
        ("approvals=['bob']", &["@:6:12: each entry of `approvals` must be a table, this is a text"]),
        (
            "approvals=[{}]",
            &["@:6:12: an entry of `approvals` needs `from` | write for example `from = [\"group:dba\"]`"],
        ),
        ("approvals=[{from=[]}]", &["@:6:18: `from` is an empty list"]),
        ("approvals=[{from=['bob','bob']}]", &["@:6:25: `bob` is twice in `from`"]),
        ("approvals=[{from=['bobb']}]", &["@:6:19: there is no identity `bobb` | did you mean `bob`?"]),
        ("approvals=[{from=['group:nobody']}]", &["@:6:19: there is no group `nobody`"]),
        ("approvals=[{from=['bob'],count=0}]", &["@:6:32: `count` must be from 1 to 1000"]),
        ("approvals=[{from=['bob'],count=-1}]", &["@:6:32: `count` must be from 1 to 1000"]),
        ("approvals=[{from=['bob'],count=1001}]", &["@:6:32: `count` must be from 1 to 1000"]),
        (
            "approvals=[{from=['bob'],longer='1h'}]",
            &[
                "@:6:26: unknown key `longer` in an entry of `approvals` | an entry of `approvals` may hold from, count, \
             longer_than, hardware_key",
            ],
        ),
        (
            "approvals=[{from=['bob'],longer_than='1w'}]",
            &["@:6:38: `1w`: a duration is written like 90m, 1h30m or 2d: d, h, m, s in that order, each once"],
        ),
        (
            "[rule.y]",
            &[
                "@:6:7: rule `y` needs `actions` | write for example `actions = [\"read\"]`",
                "@:6:7: rule `y` needs `duration` | write for example `duration = { max = \"4h\" }`",
                "@:6:7: rule `y` needs `resources` | write for example `resources = [\"db/prod/orders\"]`",
                "@:6:7: rule `y` needs `subjects` | write for example `subjects = [\"group:oncall\"]`",
            ],
        ),
        (
            "[identity.y]",
            &["@:6:2: `identity` does not stand in a file under policies/ | move it to a file under identities/"],
        ),
        ("[rules.y]", &["@:6:2: `rules` does not stand in a file under policies/ | write `[rule.NAME]`"]),
    ];
    for (line, expected) in added {
        check("policies/x.toml", &format!("{RULE}{line}"), expected);
    }
    let changed: &[(&str, &str, &[&str])] = &[
        (
            "subjects=['bob']\n",
            "",
            &["@:1:7: rule `x` needs `subjects` | write for example `subjects = [\"group:oncall\"]`"],
        ),
        ("['bob']", "[]", &["@:2:10: `subjects` is an empty list"]),
        ("['bob']", "['eve']", &["@:2:11: there is no identity `eve`"]),
        ("['bob']", "['*']", &["@:2:11: `*`: a name holds only a-z, 0-9, `.`, `_` and `-`, not `*` (character 1)"]),
        (
            "resources=['a/*']\n",
            "",
            &["@:1:7: rule `x` needs `resources` | write for example `resources = [\"db/prod/orders\"]`"],
        ),
        ("['a/*']", "[]", &["@:3:11: `resources` is an empty list"]),
        ("['a/*']", "['a/*','a/*']", &["@:3:18: `a/*` is twice in `resources`"]),
        (
            "['a/*']",
            "['a/***']",
            &["@:3:12: `a/***`: segment `***`: `**` must be a whole segment; inside one, write a single `*`"],
        ),
        (
            "['a/*']",
            "['a**']",
            &["@:3:12: `a**`: segment `a**`: `**` must be a whole segment; inside one, write a single `*`"],
        ),
        ("['a/*']", "['a//b']", &["@:3:12: `a//b`: a pattern has no empty segment: no `/` at an end, no `//`"]),
        ("['a/*']", "['A']", &["@:3:12: `A`: segment `A`: it holds only a-z, 0-9, `.`, `_`, `-` and `*`, not `A`"]),
        ("actions=['read']\n", "", &["@:1:7: rule `x` needs `actions` | write for example `actions = [\"read\"]`"]),
        ("['read']", "[]", &["@:4:9: `actions` is an empty list"]),
        (
            "['read']",
            "['read','*']",
            &[
                "@:4:17: `*` is any action and stands alone | write `actions = [\"*\"]` for any action, or leave `*` out",
            ],
        ),
        ("['read']", "['r*']", &["@:4:10: `r*`: a name holds only a-z, 0-9, `.`, `_` and `-`, not `*` (character 2)"]),
        ("['read']", "['read','read']", &["@:4:17: `read` is twice in `actions`"]),
        (
            "duration={max='2h'}\n",
            "",
            &["@:1:7: rule `x` needs `duration` | write for example `duration = { max = \"4h\" }`"],
        ),
        (
            "{max='2h'}",
            "{default='1h'}",
            &["@:5:10: `duration` of rule `x` needs `max` | write for example `max = \"4h\"`"],
        ),
        ("{max='2h'}", "'2h'", &["@:5:10: `duration` must be a table, this is a text"]),
        ("{max='2h'}", "{max=2}", &["@:5:15: `max` must be a text in quotes, this is a whole number"]),
        ("{max='2h'}", "{max='366d'}", &["@:5:15: `366d`: a duration is at least 1s and at most 365d"]),
        ("{max='2h'}", "{max='2h',default='121m'}", &["@:5:28: `default` is 2h1m, longer than `max`, which is 2h"]),
        (
            "{max='2h'}",
            "{max='2h',min='1m'}",
            &["@:5:20: unknown key `min` in `duration` | `duration` may hold max, default"],
        ),
        ("[rule.x]", "[rule.X]", &["@:1:7: `X`: a name holds only a-z, 0-9, `.`, `_` and `-`, not `X` (character 1)"]),
        ("[rule.x]", "[rule.read]", &["@:1:7: rule `read` is there already, at policies/db.toml:1:7"]),
        ("[rule.x]", "[[rule.x]]", &["@:1:1: `x` must be a table, this is a list"]),
        (
            "[rule.x]",
            "[rule.x.y]",
            &["@:1:9: `x.y` without quotes is not one name but tables inside each other | write `[rule.\"x.y\"]`"],
        ),
        (
            "[rule.x]",
            "[rule.x.reason]",
            &[
                "@:1:9: `x.reason` without quotes is not one name but tables inside each other | write `[rule.\"x.reason\"]`",
            ],
        ),
        (
            "[rule.x]",
            "[rule.x.subjects]",
            &["@:1:9: `x.subjects` without quotes is not one name but tables inside each other | write \
             `[rule.\"x.subjects\"]`"],
        ),
    ];
    for (old, new, expected) in changed {
        assert!(RULE.contains(old), "{old}");
        check("policies/x.toml", &RULE.replacen(old, new, 1), expected);
    }
    let help = "a deny rule takes only description, subjects, resources, actions and hours";
    for key in [
        "duration={max='1h'}",
        "reason={min_length=1}",
        "approvals=[{from=['bob']}]",
        "limits={active=1}",
        "require_hardware_key=false",
    ] {
        let name = key.split('=').next().unwrap();
        let expected = format!("@:5:1: a deny rule has no `{name}` | {help}");
        check("policies/x.toml", &format!("{DENY}{key}"), &[&expected]);
    }
    check("policies/x.toml", &format!("{DENY}hours=[]"), &["@:5:7: `hours` is an empty list"]);
    check("policies/x.toml", &format!("{DENY}actions=[]"), &["@:5:9: `actions` is an empty list"]);
}

#[test]
fn different_reason_patterns_are_counted_and_shared_ones_are_not() {
    let rules = |count: usize| -> String {
        (0..count)
            .map(|n| RULE.replace("rule.x", &format!("rule.x{n}")) + &format!("reason={{pattern='{n}'}}\n"))
            .collect()
    };
    let shared = RULE.replace("rule.x", "rule.again") + "reason={pattern='7'}\n";
    load_with(&[("policies/x.toml", &(rules(1_000) + &shared))]);
    check(
        "policies/x.toml",
        &rules(1_001),
        &["@:6000:17: a policy has at most 1000 different patterns for reasons | share patterns between rules"],
    );
}

#[test]
fn reasons_are_measured_in_characters_and_searched_anywhere() {
    let policy =
        load_with(&[("policies/x.toml", &format!("{RULE}reason = {{ pattern = \"INC-[0-9]+\", min_length = 8 }}"))]);
    let Effect::Allow(allow) = &policy.rules()["x"].effect else { panic!("it allows") };
    let reason = allow.reason.as_ref().unwrap();
    assert_eq!(reason.accepts("see INC-1, please"), Ok(()));
    assert_eq!(reason.accepts("éééINC-1"), Ok(()));
    assert_eq!(reason.accepts("ééINC-1"), Err(ReasonRefusal::TooShort { have: 7, need: 8 }));
    assert_eq!(reason.accepts("see inc-1, please"), Err(ReasonRefusal::NoMatch("INC-[0-9]+".to_owned())));
    assert_eq!(reason.accepts(""), Err(ReasonRefusal::TooShort { have: 0, need: 8 }));
}
