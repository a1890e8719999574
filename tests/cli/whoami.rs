//! `jit whoami`.

use insta::assert_snapshot;

use crate::support::Team;
use crate::support::policy::policy;
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
    let mut files = policy(1);
    files.push(("policies/more.toml".to_owned(), more.to_owned()));
    team.commit(&files);
    assert_eq!(team.jit("alice", "policy publish --yes").run().status, 0);
    team.jit("alice", "whoami").show();
    team.jit("alice", "policy explain cloud/a").show();
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
