//! `jit lockdown`.

use insta::assert_snapshot;

use crate::support::Team;
use crate::support::shape::{Shape, assert_shape, error, list, object};

#[test]
fn a_lockdown_shows_what_it_ends() {
    let team = Team::new();
    team.request("alice", "db/staging/x read --reason 'load test'");
    team.request("bob", "ssh/prod/web-1");
    team.request("erin", "db/staging/x read");
    team.request("bob", "db/staging/y read --not-before +1h");
    team.jit("carol", "lockdown --subject group:oncall --resource 'db/**' --resource 'ssh/**' --reason 'intrusion'")
        .answer("y")
        .show();
    team.jit("alice", "list").show();
    team.jit("alice", "request db/staging/x read").show();
    team.jit("alice", "check db/staging/x read").show();
    assert_snapshot!(team.transcript());
}

#[test]
fn everything_is_asked_twice() {
    let team = Team::new();
    team.request("alice", "db/staging/x read");
    assert_eq!(team.jit("alice", "lockdown --reason drill").answer("y").answer("n").show().status, 1);
    assert_eq!(team.jit("alice", "check db/staging/x read").run().status, 0);
    team.jit("alice", "lockdown --reason drill").answer("y").answer("y").show();
    assert_eq!(team.jit("alice", "check db/staging/x read").run().status, 1);
    assert_snapshot!(team.transcript());
}

#[test]
fn refusals() {
    let team = Team::new();
    let table = [
        ("no right", "erin", "lockdown --reason x --yes", 1),
        ("no terminal", "alice", "lockdown --resource db/x --reason x", 2),
        ("no reason", "alice", "lockdown --yes", 2),
        ("no such group", "alice", "lockdown --subject group:nobody --reason x --yes", 0),
        ("no such name", "alice", "lockdown --subject nobody --reason x --yes", 0),
        ("no pattern", "alice", "lockdown --resource 'db/***' --reason x --yes", 2),
        ("no name", "alice", "lockdown --subject 'group:' --reason x --yes", 2),
    ];
    for (what, who, line, status) in table {
        team.note(what);
        assert_eq!(team.jit(who, line).show().status, status, "{what}");
    }
    assert_snapshot!(team.transcript());
}

#[test]
fn json() {
    let team = Team::new();
    let id = team.request("alice", "db/staging/x read");
    let ran = team.jit("alice", "lockdown --subject alice --reason x --yes --json").run();
    assert_eq!(ran.status, 0);
    assert_shape(&ran.json(), &object(&[("id", Shape::Id), ("ended", list(Shape::Id))]));
    assert_eq!(ran.json()["ended"], serde_json::json!([id]));
    let ran = team.jit("erin", "lockdown --reason x --yes --json").run();
    assert_eq!(ran.status, 1);
    assert_shape(&ran.json(), &error());
}
