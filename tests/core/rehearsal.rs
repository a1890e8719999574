//! What a policy's own tests say of it: cases and assertions, played without a log.

use jit::core::policy::{PolicyFiles, load, read_tests};
use jit::core::rehearsal::Rehearsal;

use crate::support::org::Org;

fn org() -> Org {
    Org::new(&["alice"], 1)
        .people("bob carol dave")
        .service("ci", "carol")
        .group("dba", "carol dave")
        .group("contractors", "dave")
        .allow_if(
            "read",
            "bob ci",
            "db/**",
            "read",
            "4h",
            r#"approvals = [{ from = ["group:dba"], longer_than = "1h" }]
limits = { active = 1 }
hours = [{ days = ["mon-fri"], from = "08:00", to = "18:00", tz = "Europe/Berlin" }]"#,
        )
        .allow_if("key", "bob", "key/*", "access", "1h", "require_hardware_key = true")
        .allow("open", "bob dave", "web/**", "access write", "1h")
        .deny("never", "group:contractors", "web/pii/** web/*/pii")
}

/// Plays what stands in a file under tests/; returns what failed, with the faults.
fn play(text: &str) -> Vec<String> {
    let own = org().files();
    let all = own.iter().chain([("tests/x.toml", text.as_bytes())]);
    let files =
        PolicyFiles::new(all.map(|(path, bytes)| (path.to_owned(), bytes.to_vec()))).expect("the paths are good");
    let policy = load(&files).expect("the policy loads");
    let tests = read_tests(&policy, &files).expect("the tests load");
    assert!(!(tests.cases.is_empty() && tests.assertions.is_empty()));
    let rehearsal = Rehearsal::new(&policy);
    let cases = tests.cases.iter().map(|case| {
        let faults: Vec<String> = rehearsal.play(case).faults.iter().map(ToString::to_string).collect();
        (case.name.clone(), faults)
    });
    let assertions = tests
        .assertions
        .iter()
        .map(|one| (one.name.clone(), rehearsal.breaches(one).expect("the patterns are simple")));
    cases
        .chain(assertions)
        .filter(|(_, faults)| !faults.is_empty())
        .map(|(name, faults)| format!("{name}: {}", faults.join("; ")))
        .collect()
}

#[test]
fn cases_are_judged_as_a_log_would() {
    let expected: [&str; 0] = [];
    let text = r#"
[test.bob]
subject = "bob"
resource = "db/prod/orders"
action = "read"
cases = [
    { expect = "pending" },
    { duration = "1h", expect = "allow", rule = "read", reasons = ["granted"], missing = [] },
    { duration = "2h", expect = "pending", reasons = ["needs-approval"], missing = ["group:dba"] },
    { duration = "2h", approved_by = ["carol"], expect = "allow" },
    { duration = "2h", approved_by = [{ name = "dave", for = "10m" }], expect = "allow" },
    { duration = "2h", approved_by = ["bob", "alice"], expect = "pending" },
    { duration = "5h", expect = "deny", reasons = ["too-long"] },
    { action = "write", duration = "1h", expect = "deny", reasons = ["no-matching-rule"] },
    # A Monday in winter: 07:59 and 08:00 in Berlin.
    { duration = "1h", at = "2026-01-05T06:59:59Z", expect = "deny", reasons = ["outside-hours"] },
    { duration = "1h", at = "2026-01-05T08:00:00+01:00", expect = "allow" },
    { duration = "1h", at = "2026-01-10T12:00:00Z", expect = "deny" },
    # What was granted before.
    { duration = "1h", earlier = [{ at = "2026-01-05T11:30:00Z" }], expect = "deny", reasons = ["over-limit"] },
    { duration = "1h", earlier = [{ at = "2026-01-05T10:30:00Z" }], expect = "allow" },
    { duration = "1h", earlier = [{ at = "2026-01-05T11:30:00Z", revoked = true }], expect = "allow" },
    { duration = "1h", earlier = [{ at = "2026-01-05T11:30:00Z", resource = "web/a", action = "access" }], expect = "allow" },
    { duration = "1h", not_before = "2026-01-05T14:00:00Z", expect = "allow" },
]

[test.an-owner-does-not-count]
subject = "ci"
resource = "db/prod/orders"
action = "read"
duration = "2h"
cases = [
    { approved_by = ["carol"], expect = "pending", missing = ["group:dba"] },
    { approved_by = ["carol", "dave"], expect = "allow" },
]

[test.key]
subject = "bob"
resource = "key/a"
cases = [
    { expect = "deny", reasons = ["needs-hardware-key"] },
    { hardware_key = true, expect = "allow", rule = "key" },
]

[test.denied]
subject = "dave"
resource = "web/pii/a"
expect = "deny"
reasons = ["denied-by-rule"]

[test.for-nobody]
subject = "alice"
resource = "db/prod/orders"
expect = "deny"
reasons = ["no-matching-rule"]
"#;
    assert_eq!(play(text), expected);
}

#[test]
fn what_is_not_as_expected_is_told() {
    let text = r#"
[test.x]
subject = "bob"
resource = "db/prod/orders"
action = "read"
cases = [
    { duration = "1h", expect = "deny" },
    { duration = "2h", expect = "allow", rule = "open" },
    { duration = "1h", expect = "allow", rule = "open", reasons = ["too-long"] },
    { duration = "2h", expect = "pending", missing = ["carol"] },
]
"#;
    assert_eq!(
        play(text),
        [
            "x[1]: expected `expect = \"deny\"`, and it is `expect = \"allow\"`: granted to `bob` until 2026-01-05T13:00:00Z",
            "x[2]: expected `expect = \"allow\"`, and it is `expect = \"pending\"`: it waits for approval until \
             2026-01-06T12:00:00Z; expected `rule = \"open\"`, and it is `no rule`",
            "x[3]: expected `rule = \"open\"`, and it is `rule = \"read\"`; expected `reasons = [\"too-long\"]`, and it is \
             `reasons = [\"granted\"]`",
            "x[4]: expected `missing = [\"carol\"]`, and it is `missing = [\"group:dba\"]`",
        ]
    );
}

#[test]
fn assertions_hold_for_everybody_and_everything() {
    let holds: [&str; 0] = [];
    let check = |body: &str| play(&format!("[assert.a]\n{body}\n"));
    // By deny rules, by other actions, by other people, by other resources.
    for body in [
        "resources = [\"web/pii/**\"]\nsubjects = [\"group:contractors\"]\naccess = false",
        "resources = [\"web/*/pii\"]\nsubjects = [\"dave\"]\naccess = false",
        "resources = [\"web/**\"]\nactions = [\"read\"]\naccess = false",
        "resources = [\"web/**\"]\nsubjects = [\"service:*\"]\naccess = false",
        "resources = [\"cloud/**\", \"key/a/**/b\"]\naccess = false",
        "resources = [\"**\"]\napprovers = [\"group:dba\"]",
        "resources = [\"**\"]\nactions = [\"delete\"]\naccess = false",
    ] {
        assert_eq!(check(body), holds, "{body}");
    }
    for (body, expected) in [
        ("resources = [\"web/pii/**\"]\naccess = false", "a: `bob` can `access` `web/pii` by rule `open`"),
        (
            "resources = [\"web/*/pii\", \"web/x\"]\nsubjects = [\"dave\"]\naccess = false",
            "a: `dave` can `access` `web/x` by rule `open`",
        ),
        (
            "resources = [\"db/prod/**\"]\nneeds_approval = true",
            "a: `bob` can `read` `db/prod` by rule `read`, without an approval",
        ),
        (
            "resources = [\"db/prod/**\"]\napprovers = [\"carol\"]",
            "a: `bob` can `read` `db/prod` by rule `read`, approved by `dave`",
        ),
        (
            // The only one to approve for ci is dave: carol owns it.
            "resources = [\"db/**\"]\nsubjects = [\"ci\"]\napprovers = [\"carol\"]",
            "a: `ci` can `read` `db` by rule `read`, approved by `dave`",
        ),
    ] {
        assert_eq!(check(body), [expected], "{body}");
    }
    assert_eq!(check("resources = [\"db/**\"]\nsubjects = [\"ci\"]\napprovers = [\"dave\"]"), holds);
}

#[test]
fn an_assertion_about_an_action_that_no_rule_names_meets_the_rules_for_any() {
    let files = Org::new(&["alice"], 1).people("bob").allow("all", "bob", "db/**", "*", "1h").files();
    let policy = load(&files).expect("the policy loads");
    let text = "[assert.nobody]\nresources = [\"db/prod/**\"]\nactions = [\"admin\"]\naccess = false\n";
    let tests = PolicyFiles::new([("tests/x.toml".to_owned(), text.as_bytes().to_vec())]).expect("the path is good");
    let tests = read_tests(&policy, &tests).expect("the tests load");
    let breaches = Rehearsal::new(&policy).breaches(&tests.assertions[0]);
    assert_eq!(breaches, Ok(vec!["`bob` can `admin` `db/prod` by rule `all`".to_owned()]));
}

#[test]
fn what_comes_of_many_tests_stands_in_their_order() {
    let case = |number: usize| {
        let (who, action) = [("bob", "access"), ("dave", "write"), ("carol", "access")][number % 3];
        let resource = ["web/a", "web/pii/a", "web/x/pii", "db/a"][number % 4];
        format!(
            "[test.case{number}]\nsubject = \"{who}\"\nresource = \"{resource}\"\naction = \"{action}\"\nexpect = \"allow\"\n"
        )
    };
    let assertion = |number: usize| {
        let resource = ["web/**", "web/pii/*", "**/pii"][number % 3];
        format!("[assert.always{number}]\nresources = [\"{resource}\"]\nsubjects = [\"dave\"]\naccess = false\n")
    };
    let text: String = (0..60).map(case).chain((0..9).map(assertion)).collect();
    let own = org().files();
    let all = own.iter().chain([("tests/x.toml", text.as_bytes())]);
    let files = PolicyFiles::new(all.map(|(path, bytes)| (path.to_owned(), bytes.to_vec()))).expect("good paths");
    let policy = load(&files).expect("the policy loads");
    let tests = read_tests(&policy, &files).expect("the tests load");
    let rehearsal = Rehearsal::new(&policy);
    let all = rehearsal.rehearse(&tests);
    let one_by_one: Vec<_> = tests.cases.iter().map(|case| rehearsal.play(case).faults).collect();
    assert_eq!(all.cases.into_iter().map(|played| played.faults).collect::<Vec<_>>(), one_by_one);
    let one_by_one: Vec<_> = tests.assertions.iter().map(|one| rehearsal.breaches(one)).collect();
    assert_eq!(all.assertions, one_by_one);
    assert!(one_by_one.iter().any(|broken| broken != &Ok(Vec::new())) && one_by_one.contains(&Ok(Vec::new())));
}
