//! What loads and is warned of.

use super::*;

#[test]
fn lint_warns_of_what_loads() {
    assert_eq!(told(&lint(&load_with(&[]))), Vec::<String>::new());
    let table: &[(&str, &str, &[&str])] = &[
        (
            "jit.toml",
            "format=1\nname='a'\nmaintainers=['alice','bob']\nthreshold=1",
            &[
                "@:4:11: `threshold` is 1, so any of the 2 maintainers can change the policy alone | write `threshold = 2`",
            ],
        ),
        ("jit.toml", "format=1\nname='a'\nmaintainers=['alice']\nthreshold=1", &[]),
        (
            "policies/x.toml",
            "approvals=[{from=['bob']}]",
            &[
                "@:1:7: rule `x` needs 1 to approve, but for `bob` only 0 can | name more people with keys in `from`, or lower \
             `count`; nobody approves for themselves",
            ],
        ),
        ("policies/x.toml", "approvals=[{from=['alice']}]", &[]),
        ("policies/x.toml", "approvals=[{from=['group:dba']}]", &[]),
        (
            "policies/x.toml",
            "approvals=[{from=['group:dba'],count=2}]",
            &[
                "@:1:7: rule `x` needs 2 to approve, but for `bob` only 1 can | name more people with keys in `from`, or lower \
             `count`; nobody approves for themselves",
            ],
        ),
        (
            "policies/x.toml",
            "approvals=[{from=['ci']}]",
            &[
                "@:1:7: rule `x` needs 1 to approve, but for `bob` only 0 can | name more people with keys in `from`, or lower \
             `count`; nobody approves for themselves",
            ],
        ),
        (
            "policies/x.toml",
            "approvals=[{from=['alice']},{from=['alice'],longer_than='1h'}]",
            &[
                "@:1:7: rule `x` needs 2 to approve, but for `bob` only 1 can | name more people with keys in `from`, or lower \
             `count`; nobody approves for themselves",
            ],
        ),
        (
            "policies/x.toml",
            "approvals=[{from=['alice'],longer_than='2h'}]",
            &[
                "@:1:7: entry 1 of `approvals` in rule `x` is for requests longer than 2h, and the rule allows at most 2h",
            ],
        ),
        ("policies/x.toml", "approvals=[{from=['alice'],longer_than='119m'}]", &[]),
    ];
    for (path, text, expected) in table {
        let text = if *path == "jit.toml" { (*text).to_owned() } else { format!("{RULE}{text}") };
        let warnings = lint(&load_with(&[(path, &text)]));
        let expected: Vec<String> = expected.iter().map(|warning| warning.replace("@:", &format!("{path}:"))).collect();
        assert_eq!(told(&warnings), expected, "{text}");
        assert!(warnings.iter().all(|warning| warning.severity == Severity::Warning));
    }
    // An owner does not approve for the service; who has no key approves for nobody.
    let service = RULE.replace("bob", "ci");
    let warned = |line: &str| !lint(&load_with(&[("policies/x.toml", &format!("{service}{line}"))])).is_empty();
    assert!(warned("approvals=[{from=['alice']}]") && !warned("approvals=[{from=['bob']}]"));
    let keyless = PEOPLE.replace("keys = [\"KEY2\"]\n", "");
    let rule = format!("{service}approvals=[{{from=['bob']}}]");
    let policy = load_with(&[("identities/people.toml", &keyless), ("policies/x.toml", &rule)]);
    assert_eq!(
        told(&lint(&policy)),
        [
            "jit.toml:3:15: `threshold` is 2 but the number of maintainers with a key is 1 | list the maintainers' keys under identities/",
            "policies/x.toml:1:7: rule `x` needs 1 to approve, but for `ci` only 0 can | name more people with keys in `from`, \
         or lower `count`; nobody approves for themselves",
        ]
    );
}

/// Two services, some who hold security keys, and groups that overlap.
const MORE_PEOPLE: &str = "\
[identity.carol]
kind = \"person\"
keys = [\"SK3\"]
[identity.newcomer]
kind = \"person\"
[identity.robot]
kind = \"service\"
owners = [\"bob\"]
keys = [\"KEY4\"]
[group.new]
members = [\"newcomer\"]
[group.robots]
members = [\"robot\"]
[group.security]
members = [\"bob\", \"carol\"]
[group.holders]
members = [\"carol\"]
";

/// Returns what is looked for and found in rules, each as the name of its check and its message.
fn looked(rules: &str) -> Vec<String> {
    let files = [("identities/more.toml", MORE_PEOPLE), ("policies/db.toml", ""), ("policies/x.toml", rules)];
    lint(&load_with(&files)).into_iter().map(|found| format!("{}: {}", found.kind.id(), found.message)).collect()
}

fn allow(id: &str, subjects: &str, resources: &str, more: &str) -> String {
    format!(
        "[rule.{id}]\nsubjects=[{subjects}]\nresources=[{resources}]\nactions=['read','write']\nduration={{max='2h'}}\n{more}\n"
    )
}

fn deny(id: &str, subjects: &str, resources: &str, more: &str) -> String {
    format!("[rule.{id}]\neffect='deny'\nsubjects=[{subjects}]\nresources=[{resources}]\n{more}\n")
}

#[test]
fn groups_in_which_nobody_can_do_it() {
    for (rule, expected) in [
        (
            allow("x", "'group:new'", "'a'", ""),
            "nobody-meant: rule `x` is for `group:new`, in which nobody has a key to ask with",
        ),
        (allow("x", "'newcomer','group:dba'", "'a'", ""), ""),
        (
            allow("x", "'alice'", "'a'", "approvals=[{from=['group:robots','bob']}]"),
            "nobody-meant: entry 1 of `approvals` in rule `x` names `group:robots`, in which no person has a key to approve \
             with",
        ),
        (
            allow("x", "'alice'", "'a'", "approvals=[{from=['group:dba','group:holders'],hardware_key=true}]"),
            "nobody-meant: entry 1 of `approvals` in rule `x` names `group:dba`, in which no person has a security key to \
             approve with",
        ),
        (
            allow("x", "'group:dba','robot'", "'a'", "require_hardware_key=true"),
            "never-met: rule `x` wants a security key, and none of its subjects has one",
        ),
        (allow("x", "'group:dba','carol'", "'a'", "require_hardware_key=true"), ""),
    ] {
        assert_eq!(looked(&rule).join("\n"), expected, "{rule}");
    }
}

#[test]
fn approvers_who_fill_several_entries() {
    let entries = |text: &str| looked(&allow("x", "'alice','carol'", "'a'", &format!("approvals=[{text}]"))).join("\n");
    assert_eq!(entries("{from=['bob'],count=1},{from=['alice','carol']}"), "");
    // For carol only alice and bob are left, and for alice bob and carol: enough for each entry, and for both.
    assert_eq!(
        entries("{from=['bob']},{from=['bob']},{from=['alice','carol']}"),
        "too-few-approvers: rule `x` needs 3 to approve, but for `alice` only 2 can"
    );
    let three = "{from=['bob','newcomer']},{from=['group:new','bob']},{from=['alice','carol','robot']}";
    assert_eq!(
        entries(&three.replace("'group:new'", "'robot'")),
        "too-few-approvers: rule `x` needs 3 to approve, but for `alice` only 2 can"
    );
    let crossed = MORE_PEOPLE
        .replace("[identity.newcomer]\nkind = \"person\"", "[identity.newcomer]\nkind = \"person\"\nkeys = [\"KEY5\"]");
    let rule =
        allow("x", "'alice'", "'a'", "approvals=[{from=['bob']},{from=['bob']},{from=['carol','newcomer','bob']}]");
    let found = lint(&load_with(&[("identities/more.toml", &crossed), ("policies/x.toml", &rule)]));
    let found: Vec<String> = found.iter().map(|one| format!("{}: {}", one.kind.id(), one.message)).collect();
    assert_eq!(
        found,
        [
            "too-few-approvers: rule `x` needs 3 different people to approve, and for `alice` the same few would have to \
             fill places in several entries"
        ]
    );
    assert_eq!(
        entries("{from=['group:dba']},{from=['group:security']}"),
        "in-every-entry: in rule `x` `bob` can fill a place in every entry of `approvals`, whose groups are meant \
         to differ"
    );
    for differently in
        ["{from=['group:dba']},{from=['person:*']}", "{from=['group:dba']},{from=['group:holders','newcomer']}"]
    {
        assert!(!entries(differently).contains("in-every-entry"), "{differently}");
    }
}

#[test]
fn rules_of_which_nothing_is_left() {
    let told = "shadowed: rule `x` allows nothing: all of it is denied by rule";
    let x = allow("x", "'group:dba','robot'", "'db/*','db/prod/orders'", "");
    for (denials, expected) in [
        (deny("a", "'person:*','service:*'", "'db/**'", ""), "`a`"),
        (deny("a", "'group:dba','robot'", "'**'", "actions=['read','write']"), "`a`"),
        (deny("a", "'group:dba'", "'**'", "") + &deny("b", "'robot'", "'db/**'", ""), "s `a`, `b`"),
        (
            deny("a", "'person:*','robot'", "'db/*'", "") + &deny("b", "'person:*','robot'", "'*/prod/*'", ""),
            "s `a`, `b`",
        ),
        (
            deny("a", "'person:*','robot'", "'**'", "actions=['read']")
                + &deny("b", "'person:*','robot'", "'**'", "actions=['write']"),
            "s `a`, `b`",
        ),
        // Something is left: a subject, a resource, an action, an hour.
        (deny("a", "'alice','robot'", "'db/**'", ""), ""),
        (deny("a", "'group:dba','robot'", "'db/*'", ""), ""),
        (deny("a", "'group:dba','robot'", "'db/o*','db/prod/**'", ""), ""),
        (deny("a", "'group:dba','robot'", "'**'", "actions=['read']"), ""),
        (deny("a", "'group:dba','robot'", "'**'", "hours=[{from='00:00',to='24:00',tz='UTC'}]"), ""),
    ] {
        let found = looked(&format!("{x}{denials}"));
        let expected =
            if expected.is_empty() { String::new() } else { format!("{told}{expected}").replace("rule`", "rule `") };
        assert_eq!(found.join("\n"), expected, "{denials}");
    }
    let any = x.replace("['read','write']", "['*']");
    let some = deny("a", "'group:dba','robot'", "'**'", "actions=['read','write','access']");
    assert_eq!(looked(&format!("{any}{some}")), Vec::<String>::new(), "there are other actions");
    let long = allow("x", "'alice'", &format!("'a/{}'", "b".repeat(65)), "");
    assert!(looked(&long)[0].starts_with("never-met: rule `x` is about `a/bbb"));
    assert_eq!(looked(&long.replace(&"b".repeat(65), &format!("{}*", "b".repeat(64)))), Vec::<String>::new());
}

#[test]
fn services_by_which_their_owners_get_around() {
    let guarded = allow("guarded", "'group:dba'", "'db/prod/*'", "approvals=[{from=['carol']}]");
    let told = "own-service: `bob` owns `robot`, which has by rule `x` without an approval what rule `guarded` gives `bob` \
                only with one";
    for (rule, expected) in [
        (allow("x", "'robot'", "'db/**'", ""), told),
        (allow("x", "'group:robots'", "'*/prod/orders'", "approvals=[{from=['carol'],longer_than='1h'}]"), told),
        (allow("x", "'robot'", "'db/**'", "approvals=[{from=['carol']}]"), ""),
        (allow("x", "'robot'", "'db/staging/*'", ""), ""),
        (allow("x", "'robot'", "'db/**'", "").replace("['read','write']", "['deploy']"), ""),
        (allow("x", "'carol'", "'db/**'", ""), ""),
    ] {
        assert_eq!(looked(&format!("{guarded}{rule}")).join("\n"), expected, "{rule}");
    }
}

#[test]
fn there_is_an_end_to_what_is_compared() {
    // Each pattern takes many steps, and no two rules are alike.
    let patterns = (0..20).map(|n| format!("'*a{}*b*c*d*'", "x".repeat(n))).collect::<Vec<_>>().join(",");
    // And what is first of all that a rule allows is denied, so that it is not plain to see that something is left.
    let patterns = format!("{patterns},'*z'");
    let mut rules: String =
        (0..40).map(|n| allow(&format!("x{n}"), "'group:dba'", &format!("'*{n}*z*/**'"), "")).collect();
    rules.push_str(&deny("no", "'group:dba'", &patterns, ""));
    let found = looked(&rules);
    assert!(found.iter().all(|one| one.starts_with("not-all-compared: ")), "{found:?}");
    assert_eq!(found.len(), 1);
}
