//! `jit token`.

use insta::assert_snapshot;

use crate::support::Team;
use crate::support::shape::{Shape, assert_shape, error, object, or_null, reasons};

#[test]
fn tokens_of_live_and_later_grants() {
    let team = Team::new();
    let id = team.request("alice", "db/staging/x read");
    let ran = team.jit("alice", &format!("token {}", &id[..8])).at_terminal().show();
    assert!(ran.out.starts_with("jit1.") && ran.out.lines().count() == 1);
    let later = team.request("alice", "db/staging/x read --not-before +1h");
    assert_eq!(team.jit("alice", &format!("token {later}")).show().status, 0);
    assert_snapshot!(team.transcript());
}

#[test]
fn refusals() {
    let team = Team::new();
    let granted = team.request("alice", "db/staging/x read");
    let waits = team.request("alice", "ssh/prod/web-1");
    let never = team.request("alice", "db/prod/orders write --for 1h");
    let theirs = team.request("bob", "db/staging/x read");
    let genesis = team.genesis();
    let table = [
        ("waits", format!("token {waits}"), 3),
        ("without effect", format!("token {never}"), 1),
        ("somebody else's", format!("token {theirs}"), 1),
        ("no request", format!("token {genesis}"), 1),
        ("a short id without a terminal", format!("token {}", &granted[..8]), 2),
        ("an audience with an escape", format!("token {granted} --audience '\u{1b}[2J'"), 2),
    ];
    for (what, line, status) in table {
        team.note(what);
        let ran = team.jit("alice", &line).show();
        assert_eq!((ran.status, ran.out.as_str()), (status, ""), "{what}");
    }
    team.wait(3 * 3600);
    team.note("ended");
    assert_eq!(team.jit("alice", &format!("token {granted}")).show().status, 1);
    assert_snapshot!(team.transcript());
}

#[test]
fn json() {
    let team = Team::new();
    let shape = object(&[("token", or_null(Shape::Text)), ("expires", or_null(Shape::Time)), ("reasons", reasons())]);
    let granted = team.request("alice", "db/staging/x read --for 1h");
    let end = team.jit("alice", &format!("show {granted} --json")).run().json()["request"]["grant"]["expires"].clone();
    for (line, cut) in [("", false), (" --for 10m --audience ci", true), (" --for 3h", false)] {
        let ran = team.jit("alice", &format!("token {granted}{line} --json")).run();
        assert_eq!(ran.status, 0);
        assert_shape(&ran.json(), &shape);
        assert!(ran.json()["token"].as_str().unwrap().starts_with("jit1."));
        assert_eq!(ran.json()["expires"] != end, cut, "{line}");
    }
    let waits = team.request("alice", "ssh/prod/web-1");
    let ran = team.jit("alice", &format!("token {waits} --json")).run();
    assert_eq!(ran.status, 3);
    assert_shape(&ran.json(), &shape);
    assert!(ran.json()["token"].is_null());
    let theirs = team.request("bob", "db/staging/x read");
    let ran = team.jit("alice", &format!("token {theirs} --json")).run();
    assert_eq!(ran.status, 1);
    assert_shape(&ran.json(), &error());
}
