//! `jit whoami`.

use insta::assert_snapshot;

use crate::support::Team;
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
            ])),
        ),
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
