//! `jit whoami`.

use insta::assert_snapshot;

use crate::support::Team;
use crate::support::policy::policy_and;
use crate::support::shape::{Shape, assert_shape, error, list, object, or_null};

#[test]
fn everyone_sees_themselves() {
    let team = Team::new();
    for who in ["alice", "carol", "erin", "deployer"] {
        team.jit(who, "whoami").show();
    }
    assert_eq!(team.jit("mallory", "whoami").show().status, 5);
    assert_snapshot!(team.transcript());
}

#[test]
fn all_that_a_rule_wants_is_said() {
    let team = Team::new();
    let more = r#"
[rule.all]
subjects = ["alice"]
resources = ["cloud/**"]
actions = ["access"]
duration = { max = "1h" }
require_hardware_key = true
hours = [{ days = ["mon-fri"], from = "08:00", to = "18:00", tz = "Europe/Berlin" }]
limits = { active = 1, rate = { count = 5, per = "24h" }, cooldown = "10m" }
approvals = [{ from = ["group:dba"], hardware_key = true }]
"#;
    team.commit(&policy_and(&[("policies/more.toml", more)]));
    assert_eq!(team.jit("alice", "policy publish --yes").run().status, 0);
    team.jit("alice", "whoami").show();
    team.jit("alice", "policy explain cloud/a").show();
    assert_snapshot!(team.transcript());
}

#[test]
fn who_is_on_call() {
    let team = Team::new();
    let people = r#"
[rotation.primary]
members = ["carol", "alice"]
start = "2026-01-05"
handoff = "10:00"
tz = "Europe/Berlin"
period = "1d"
overrides = [{ from = "2026-01-13", to = "2026-01-14", member = "bob" }]
"#;
    let rules = r#"
[rule.pager]
subjects = ["rotation:primary"]
resources = ["cloud/**"]
actions = ["access"]
duration = { max = "1h" }

[rule.cover]
subjects = ["erin"]
resources = ["cloud/**"]
actions = ["access"]
duration = { max = "1h" }
approvals = [{ from = ["rotation:primary"] }]
"#;
    let tests = r#"
[test.pager]
subject = "alice"
resource = "cloud/a"
cases = [
    { at = "2026-01-13T08:59:59Z", expect = "allow", rule = "pager" },
    { at = "2026-01-13T09:00:00Z", expect = "deny", reasons = ["no-matching-rule"] },
]

[test.cover]
subject = "erin"
resource = "cloud/a"
at = "2026-01-13T09:00:00Z"
cases = [
    { expect = "pending", missing = ["rotation:primary"] },
    { approved_by = ["bob"], expect = "allow" },
    { approved_by = ["carol"], expect = "pending" },
]

[assert.erin-is-never-alone]
subjects = ["erin"]
resources = ["cloud/**"]
needs_approval = true

[assert.who-covers]
subjects = ["erin"]
resources = ["cloud/**"]
approvers = ["rotation:primary"]

[assert.nobody-but-alice]
resources = ["cloud/**"]
subjects = ["rotation:primary"]
access = false
"#;
    let files = [("identities/rotations.toml", people), ("policies/more.toml", rules)];
    team.commit(&policy_and(&files));
    team.jit("alice", "policy lint").show();
    team.jit("alice", "policy publish --yes").run();
    team.jit("alice", "whoami").show();
    let answer = team.jit("alice", "whoami --json").run().json();
    assert_eq!(answer["rotations"][0]["on_call"], true);
    assert_eq!(answer["rotations"][0]["until"], "2026-01-13T09:00:00Z");
    team.jit("carol", "whoami").show();
    team.jit("bob", "request cloud/a").show();
    team.jit("alice", "request cloud/a").show();
    team.jit("alice", "check cloud/a").show();
    team.jit("erin", "request cloud/a").show();
    team.note("half an hour on");
    team.wait(1800);
    team.jit("alice", "check cloud/a").show();
    team.jit("bob", "request cloud/a").show();
    team.jit("bob", "list --pending").show();
    team.jit("carol", "policy explain cloud/a --subject erin --approved-by carol").show();
    team.note("whoever is on call is not nobody");
    team.commit(&policy_and(&[&files[..], &[("tests/rotations.toml", tests)]].concat()));
    assert_eq!(team.jit("alice", "policy test").show().status, 1);
    assert_snapshot!(team.transcript());
}

#[test]
fn json() {
    let team = Team::new();
    let may_ask = object(&[
        ("rule", Shape::Text),
        ("resources", list(Shape::Text)),
        ("actions", list(Shape::Text)),
        ("max_s", Shape::Number),
        (
            "approvals",
            list(object(&[
                ("from", list(Shape::Text)),
                ("count", Shape::Number),
                ("longer_than_s", or_null(Shape::Number)),
                ("hardware_key", Shape::Bool),
            ])),
        ),
        ("conditions", list(Shape::Text)),
    ]);
    let shape = object(&[
        ("name", Shape::Text),
        ("kind", Shape::Word(&["person", "service"])),
        ("key", Shape::Text),
        ("key_source", Shape::Text),
        ("groups", list(Shape::Text)),
        ("rotations", list(Shape::Text)),
        ("maintainer", Shape::Bool),
        ("revoker", Shape::Bool),
        ("may_ask_for", list(may_ask)),
    ]);
    for who in ["alice", "erin", "deployer"] {
        let answer = team.jit(who, "whoami --json").run();
        assert_eq!(answer.status, 0);
        assert_shape(&answer.json(), &shape);
        assert_eq!(answer.json()["name"], who);
    }
    let answer = team.jit("mallory", "whoami --json").run();
    assert_eq!(answer.status, 5);
    assert_shape(&answer.json(), &error());
}
