//! `jit done`.

use insta::assert_snapshot;

use crate::support::Team;
use crate::support::shape::{Shape, assert_shape, error, object};

#[test]
fn the_only_grant_needs_no_id() {
    let team = Team::new();
    assert_eq!(team.jit("alice", "done").show().status, 2);
    team.request("alice", "db/staging/x read");
    team.jit("alice", "done").show();
    let one = team.request("alice", "db/staging/x read");
    team.request("alice", "db/staging/y read");
    team.note("two of them");
    assert_eq!(team.jit("alice", "done").show().status, 2);
    team.jit("alice", &format!("done {}", &one[..8])).at_terminal().show();
    team.note("somebody else's");
    let theirs = team.request("bob", "db/staging/x read");
    assert_eq!(team.jit("alice", &format!("done {theirs}")).show().status, 1);
    assert_eq!(team.jit("alice", &format!("done {one}")).show().status, 1);
    assert_snapshot!(team.transcript());
}

#[test]
fn json() {
    let team = Team::new();
    let ran = team.jit("alice", "done --json").run();
    assert_eq!(ran.status, 2);
    assert_shape(&ran.json(), &error());
    team.request("alice", "db/staging/x read");
    let ran = team.jit("alice", "done --json").run();
    assert_eq!(ran.status, 0);
    assert_shape(&ran.json(), &object(&[("id", Shape::Id), ("of", Shape::Id)]));
}
