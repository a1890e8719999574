//! `jit deny`.

use insta::assert_snapshot;

use super::approve::said;
use crate::support::Team;
use crate::support::shape::assert_shape;

#[test]
fn a_no_ends_the_request() {
    let team = Team::new();
    let id = team.request("alice", "ssh/prod/web-1 --reason 'why not'");
    team.jit("bob", &format!("deny {} --comment 'ask on Monday'", &id[..8])).answer("y").show();
    team.jit("carol", &format!("deny {id} --yes")).show();
    team.jit("alice", &format!("show {}", &id[..8])).show();
    team.jit("alice", "check ssh/prod/web-1").show();
    assert_snapshot!(team.transcript());
}

#[test]
fn refusals() {
    let team = Team::new();
    let id = team.request("alice", "ssh/prod/web-1");
    team.note("not confirmed");
    assert_eq!(team.jit("bob", &format!("deny {}", &id[..8])).answer("n").show().status, 1);
    team.note("one's own: revoke ends it");
    assert_eq!(team.jit("alice", &format!("deny {id} --yes")).show().status, 1);
    team.note("no approver");
    assert_eq!(team.jit("erin", &format!("deny {id} --yes")).show().status, 1);
    assert_snapshot!(team.transcript());
}

#[test]
fn json() {
    let team = Team::new();
    let id = team.request("alice", "ssh/prod/web-1");
    let ran = team.jit("bob", &format!("deny {id} --yes --json")).run();
    assert_eq!(ran.status, 0);
    assert_shape(&ran.json(), &said());
    assert_eq!(ran.json()["said"][0]["verdict"], "deny");
}
