//! What tests show of a policy's rules, and what they leave open.

use jit::core::coverage::{Covered, coverage, percent};
use jit::core::policy::{PolicyFiles, load, read_tests};
use jit::core::rehearsal::Rehearsal;

use crate::support::org::Org;

fn covered(tests: &str) -> Vec<Covered> {
    let own = Org::new(&["alice"], 1)
        .people("bob carol dave")
        .group("dba", "carol dave")
        .allow_if(
            "read",
            "bob",
            "db/**",
            "read",
            "4h",
            r#"approvals = [{ from = ["group:dba"], longer_than = "1h" }]
reason = { min_length = 3 }
limits = { active = 1 }
hours = [{ days = ["mon-fri"], from = "08:00", to = "18:00", tz = "UTC" }]"#,
        )
        .allow_if(
            "key",
            "person:*",
            "**",
            "use",
            "365d",
            "require_hardware_key = true\napprovals = [{ from = [\"carol\"] }]",
        )
        .deny("never", "dave", "web/**")
        .files();
    let all = own.iter().chain([("tests/x.toml", tests.as_bytes())]);
    let files = PolicyFiles::new(all.map(|(path, bytes)| (path.to_owned(), bytes.to_vec()))).expect("good paths");
    let policy = load(&files).expect("the policy loads");
    let tests = read_tests(&policy, &files).expect("the tests load");
    let rehearsal = Rehearsal::new(&policy);
    coverage(&rehearsal, &tests, &rehearsal.rehearse(&tests))
}

fn missing(tests: &str, rule: &str) -> Vec<String> {
    let covered = covered(tests);
    let one = covered.iter().find(|one| one.rule.as_str() == rule).expect("the rule is there");
    one.missing().map(|goal| goal.to_string()).collect()
}

const READ: &str = r#"
[test.read]
subject = "bob"
resource = "db/a"
action = "read"
duration = "1h"
reason = "INC"
cases = ["#;

fn read(cases: &str) -> Vec<String> {
    missing(&format!("{READ}{cases}]\n"), "read")
}

const ALL: [&str; 10] = [
    "met as a whole",
    "all met but `subjects`",
    "all met but `resources`",
    "all met but `actions`",
    "all met but `duration`",
    "all met but `reason`",
    "all met but `approvals[0]`",
    "all met but `hours`",
    "all met but `limits`",
    "allowed, with `approvals[0]`",
];

#[test]
fn each_condition_has_to_make_the_difference() {
    let last = "allowed, too short for `approvals[0]`";
    let all: Vec<&str> = ALL.iter().copied().chain([last]).collect();
    assert_eq!(missing("", "read"), all);
    for (case, shown) in [
        ("{ expect = \"allow\" }", &["met as a whole", last][..]),
        (
            "{ duration = \"2h\", approved_by = [\"carol\"], expect = \"allow\" }",
            &["met as a whole", "allowed, with `approvals[0]`"],
        ),
        ("{ duration = \"2h\", expect = \"pending\" }", &["all met but `approvals[0]`"]),
        ("{ subject = \"alice\", expect = \"deny\" }", &["all met but `subjects`"]),
        ("{ resource = \"web/a\", expect = \"deny\" }", &["all met but `resources`"]),
        ("{ action = \"write\", expect = \"deny\" }", &["all met but `actions`"]),
        ("{ duration = \"5h\", approved_by = [\"carol\"], expect = \"deny\" }", &["all met but `duration`"]),
        ("{ reason = \"\", expect = \"deny\" }", &["all met but `reason`"]),
        ("{ at = \"2026-01-05T07:59:59Z\", expect = \"deny\" }", &["all met but `hours`"]),
        ("{ earlier = [{ at = \"2026-01-05T11:30:00Z\" }], expect = \"deny\" }", &["all met but `limits`"]),
        // Two things that are not met say nothing about either, nor does a case that fails.
        ("{ duration = \"5h\", expect = \"deny\" }", &[]),
        ("{ subject = \"alice\", reason = \"\", expect = \"deny\" }", &[]),
        ("{ expect = \"deny\" }", &[]),
    ] {
        let left: Vec<&str> = all.iter().copied().filter(|goal| !shown.contains(goal)).collect();
        assert_eq!(read(case), left, "{case}");
    }
}

#[test]
fn what_can_not_be_otherwise_is_no_goal() {
    let goals =
        ["met as a whole", "all met but `actions`", "all met but `require_hardware_key`", "all met but `approvals[0]`"];
    assert_eq!(missing("", "key"), goals);
    assert_eq!(missing("", "never"), ["met as a whole", "all met but `subjects`", "all met but `resources`"]);
}

#[test]
fn assertions_cover_what_they_would_not_hold_without() {
    let key = |text: &str| missing(&format!("[assert.a]\n{text}\n"), "key");
    assert!(!key("resources = [\"k8s/**\"]\nneeds_approval = true").contains(&"all met but `approvals[0]`".to_owned()));
    assert!(
        key("resources = [\"k8s/**\"]\nactions = [\"x\"]\naccess = false")
            .contains(&"all met but `approvals[0]`".to_owned())
    );
    let never = |text: &str| missing(&format!("[assert.a]\n{text}\n"), "never");
    let without_met = ["all met but `subjects`", "all met but `resources`"];
    assert_eq!(never("resources = [\"web/pii\"]\nsubjects = [\"dave\"]\naccess = false"), without_met);
    // It holds with or without the rule; or does not hold.
    assert_eq!(never("resources = [\"web/pii\"]\nactions = [\"x\"]\naccess = false").len(), 3);
    assert_eq!(never("resources = [\"web/pii\"]\naccess = false").len(), 3);
}

#[test]
fn a_hundred_is_all() {
    let none = covered("");
    assert_eq!(percent(&none), 0);
    assert_eq!(percent(&[]), 100);
    let mut most = none;
    let rules = most.len();
    for one in most.iter_mut().flat_map(|one| one.goals.values_mut()) {
        *one = true;
    }
    assert_eq!(percent(&most), 100);
    *most[rules - 1].goals.values_mut().next().expect("each rule has goals") = false;
    assert_eq!(percent(&most), 94);
}
