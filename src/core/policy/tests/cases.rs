//! Files under tests/, line by line.

use super::*;

fn errors(text: &str) -> Vec<String> {
    let files = policy_with(&[("tests/t.toml", text)]);
    let policy = load(&files).expect("tests never bear on loading");
    read_tests(&policy, &files).map_or_else(|errors| told(&errors), |_| Vec::new())
}

const CASE: &str = "[test.x]\nsubject='alice'\nresource='a/b'\nexpect='allow'\n";
const ASSERT: &str = "[assert.x]\nresources=['a/b']\naccess=false\n";

#[test]
fn tests_that_load() {
    for text in [
        "",
        CASE,
        ASSERT,
        &format!("{CASE}{ASSERT}"),
        &format!("{CASE}cases=[{{}},{{subject='ci',expect='deny'}}]"),
        "[test.x]\ncases=[{subject='alice',resource='a',expect='pending'}]",
        &format!("{CASE}approved_by=[]\nearlier=[]\nmissing=[]\nreasons=[]"),
        &format!("{CASE}at='2026-01-05T09:00:00+01:00'\nnot_before='2026-01-05T09:00:00Z'\ndescription='x'"),
        &format!("{CASE}approved_by=['bob',{{name='bob',for='1h',hardware_key=true}}]"),
        &format!("{ASSERT}subjects=['person:*','group:dba','alice']\nactions=['read']\ndescription='x'"),
    ] {
        assert_eq!(errors(text), [""; 0], "{text}");
    }
}

#[test]
fn tests_that_do_not_load() {
    let table: &[(String, &[&str])] = &[
        (
            "[test.x]".to_owned(),
            &[
                "tests/t.toml:1:7: test `x` needs `expect` | write for example `expect = \"allow\"`",
                "tests/t.toml:1:7: test `x` needs `resource` | write for example `resource = \"db/prod/orders\"`",
                "tests/t.toml:1:7: test `x` needs `subject` | write for example `subject = \"alice\"`",
            ],
        ),
        (
            "[rule.x]".to_owned(),
            &["tests/t.toml:1:2: `rule` does not stand in a file under tests/ | tables here are `[test.NAME]` and \
             `[assert.NAME]`"],
        ),
        (CASE.replace("alice", "alise"), &["tests/t.toml:2:9: there is no identity `alise` | did you mean `alice`?"]),
        (
            CASE.replace("allow", "alow"),
            &["tests/t.toml:4:8: `expect` is `allow`, `pending` or `deny`, not `alow` | did you mean `allow`?"],
        ),
        (
            format!("{CASE}reason_codes=[]"),
            &[
                "tests/t.toml:5:1: unknown key `reason_codes` in a test | a test may hold description, subject, resource, \
             action, duration, reason, at, not_before, hardware_key, approved_by, earlier, expect, rule, missing, \
             reasons, cases",
            ],
        ),
        (
            format!("{CASE}reasons=['to-long']"),
            &["tests/t.toml:5:10: `to-long` is no reason that a case can have | did you mean `too-long`?"],
        ),
        (format!("{CASE}rule='raed'"), &["tests/t.toml:5:6: there is no rule `raed` | did you mean `read`?"]),
        (
            format!("{CASE}at='2026-01-05 09:00'"),
            &["tests/t.toml:5:4: `2026-01-05 09:00` is no time with its offset from UTC | write for example \
             `2026-01-05T09:00:00+01:00`, or `2026-01-05T08:00:00Z`"],
        ),
        (
            format!("{CASE}approved_by=[{{}}]"),
            &["tests/t.toml:5:14: an entry of `approved_by` needs `name` | write for example `name = \"carol\"`"],
        ),
        (
            format!("{CASE}earlier=[{{}}]"),
            &[
                "tests/t.toml:5:10: an entry of `earlier` needs `at` | write for example `at = \"2026-01-05T08:00:00Z\"`",
            ],
        ),
        (format!("{CASE}cases=[]"), &["tests/t.toml:5:7: `cases` is an empty list"]),
        (
            format!("{CASE}cases=[{{cases=[]}}]"),
            &[
                "tests/t.toml:5:9: unknown key `cases` in a case | a case may hold description, subject, resource, action, \
                 duration, reason, at, not_before, hardware_key, approved_by, earlier, expect, rule, missing, reasons",
            ],
        ),
        (
            ASSERT.replace("access=false", ""),
            &["tests/t.toml:1:9: assertion `x` claims nothing, and an assertion claims one | `access = false`, \
             `needs_approval = true` or `approvers = [\"group:dba\"]`"],
        ),
        (
            format!("{ASSERT}needs_approval=true"),
            &[
                "tests/t.toml:1:9: assertion `x` claims more than one thing, and an assertion claims one | `access = false`, \
             `needs_approval = true` or `approvers = [\"group:dba\"]`",
            ],
        ),
        (ASSERT.replace("false", "true"), &["tests/t.toml:3:8: `access` says something only as `access = false`"]),
        (
            ASSERT.replace("a/b", "a//b"),
            &["tests/t.toml:2:12: `a//b`: a pattern has no empty segment: no `/` at an end, no `//`"],
        ),
        (
            format!("{ASSERT}subjects=['group:dbas']"),
            &["tests/t.toml:4:11: there is no `group:dbas` | did you mean `dba`?"],
        ),
        (format!("{ASSERT}[test"), &["tests/t.toml:4:6: unclosed table, expected `]`"]),
    ];
    for (text, expected) in table {
        assert_eq!(errors(text), *expected, "{text}");
    }
    let files = policy_with(&[("tests/a.toml", CASE), ("tests/b.toml", CASE)]);
    let policy = load(&files).unwrap();
    assert_eq!(told(&read_tests(&policy, &files).unwrap_err()), ["tests/b.toml:1:7: a test `x` is there already"]);
}
