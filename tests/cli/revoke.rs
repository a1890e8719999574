//! `jit revoke`.

use insta::assert_snapshot;

use crate::support::Team;
use crate::support::shape::{Shape, assert_shape, error, list, object};

#[test]
fn grants_and_requests_end_early() {
    let team = Team::new();
    let granted = team.request("alice", "db/staging/x read");
    let waits = team.request("bob", "ssh/prod/web-1");
    team.jit("carol", &format!("revoke {granted} {waits} --reason 'laptop stolen'")).show();
    team.jit("alice", &format!("show {}", &granted[..8])).show();
    team.jit("alice", "check db/staging/x read").show();
    team.note("at a terminal 8 digits are enough");
    let another = team.request("alice", "db/staging/x read");
    team.jit("alice", &format!("revoke {} --reason done", &another[..8])).at_terminal().show();
    assert_snapshot!(team.transcript());
}

#[test]
fn refusals() {
    let team = Team::new();
    let granted = team.request("bob", "db/staging/x read");
    let ended = team.request("bob", "db/staging/y read");
    let never = team.request("bob", "db/prod/orders write --for 1h");
    assert_eq!(team.jit("bob", &format!("revoke {ended} --reason x")).run().status, 0);
    let genesis = team.genesis();
    let table = [
        ("no right", "erin", format!("revoke {granted} --reason x"), 1),
        ("twice", "bob", format!("revoke {ended} --reason x"), 1),
        ("without effect", "bob", format!("revoke {never} --reason x"), 1),
        ("no request", "bob", format!("revoke {genesis} --reason x"), 1),
        ("no reason", "bob", format!("revoke {granted}"), 2),
        ("short id without a terminal", "bob", format!("revoke {} --reason x", &granted[..8]), 2),
        ("the second is refused", "bob", format!("revoke {granted} {ended} --reason x"), 1),
    ];
    for (what, who, line, status) in table {
        team.note(what);
        assert_eq!(team.jit(who, &line).show().status, status, "{what}");
    }
    assert_snapshot!(team.transcript());
}

#[test]
fn json() {
    let team = Team::new();
    let id = team.request("alice", "db/staging/x read");
    let ran = team.jit("alice", &format!("revoke {id} --reason x --json")).run();
    assert_eq!(ran.status, 0);
    assert_shape(&ran.json(), &object(&[("revoked", list(object(&[("id", Shape::Id), ("of", Shape::Id)])))]));
    let ran = team.jit("alice", &format!("revoke {id} --reason x --json")).run();
    assert_eq!(ran.status, 1);
    assert_shape(&ran.json(), &error());
}
