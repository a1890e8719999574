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
