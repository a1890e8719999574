//! `jit approve`: of requests. That of policies and lifts is with them.

use insta::assert_snapshot;

use crate::support::Team;
use crate::support::policy::{edited, policy};
use crate::support::shape::{Shape, assert_shape, error, list, object};

/// What `approve` and `deny` print.
pub(crate) fn said() -> Shape {
    let one = object(&[
        ("id", Shape::Id),
        ("of", Shape::Id),
        ("kind", Shape::Word(&["request", "policy", "lift"])),
        ("verdict", Shape::Word(&["approve", "deny"])),
        ("state", Shape::Text),
    ]);
    object(&[("said", list(one))])
}

/// A request with everything in it, which waits for two people.
fn whole_request(team: &Team) -> String {
    let bind = "0123456789abcdef".repeat(4);
    let reason = "INC-1234 “orders” are stuck \u{202e}kcats era sredro";
    team.request(
        "alice",
        &format!("db/prod/orders read --for 3h --not-before +1h --bind sha256:{bind} --reason '{reason}'"),
    )
}

#[test]
fn an_approver_sees_all_that_is_signed() {
    let team = Team::new();
    let id = whole_request(&team);
    team.jit("bob", &format!("approve {} --comment 'looks right'", &id[..8])).answer("y").show();
    team.jit("carol", &format!("approve {} --for 30m", &id[..8])).answer("y").show();
    assert_snapshot!(team.transcript());
}

#[test]
fn only_a_yes_signs() {
    let team = Team::new();
    let id = whole_request(&team);
    let before = team.git(&["rev-parse", "jit/audit"]);
    let table = [
        (format!("approve {}", &id[..8]), Some("n"), 1),
        (format!("approve {} -q", &id[..8]), Some(""), 1),
        (format!("approve {id}"), None, 2),
        (format!("approve {id} -q"), None, 2),
        (format!("approve {}", &id[..8]), None, 2),
        (format!("approve {} --yes", &id[..15]), Some("y"), 2),
    ];
    for (line, answer, status) in table {
        let call = team.jit("bob", &line);
        let call = match answer {
            Some(answer) => call.answer(answer),
            None => call,
        };
        assert_eq!(call.show().status, status, "{line}");
    }
    assert_eq!(team.git(&["rev-parse", "jit/audit"]), before);
    team.note("with --yes, and quiet");
    team.jit("bob", &format!("approve {} --yes", &id[..16])).show();
    team.jit("carol", &format!("approve {id} --yes -q")).show();
    assert_snapshot!(team.transcript());
}

#[test]
fn refusals() {
    let team = Team::new();
    let waits = team.request("alice", "ssh/prod/web-1");
    let granted = team.request("alice", "db/staging/x read");
    let never = team.request("alice", "db/prod/orders write --for 1h");
    let denied = team.request("alice", "ssh/prod/web-2");
    let revoked = team.request("alice", "ssh/prod/web-3");
    let service = team.request("deployer", "deploy/api/prod deploy");
    assert_eq!(team.jit("bob", &format!("deny {denied} --yes")).run().status, 0);
    assert_eq!(team.jit("alice", &format!("revoke {revoked} --reason mistake")).run().status, 0);
    let genesis = team.genesis();
    let table = [
        ("a request of one's own", "alice", format!("approve {waits} --yes"), 1),
        ("not named as approver", "erin", format!("approve {waits} --yes"), 1),
        ("nobody", "mallory", format!("approve {waits} --yes"), 5),
        ("an owner of the service", "alice", format!("approve {service} --yes"), 1),
        ("granted already", "bob", format!("approve {granted} --yes"), 1),
        ("without effect", "bob", format!("approve {never} --yes"), 1),
        ("denied", "carol", format!("approve {denied} --yes"), 1),
        ("revoked", "bob", format!("approve {revoked} --yes"), 1),
        ("no such id", "bob", format!("approve {} --yes", "f".repeat(64)), 1),
        ("no id", "bob", "approve 'DROP TABLE' --yes".to_owned(), 2),
        ("too short", "bob", format!("approve {}", &waits[..3]), 2),
        ("another kind", "bob", format!("approve {genesis} --yes"), 1),
        ("no id at all", "bob", "approve --yes".to_owned(), 2),
        ("no duration", "bob", format!("approve {waits} --for long --yes"), 2),
        ("a comment with an escape", "bob", format!("approve {waits} --comment '\u{1b}[2J' --yes"), 2),
    ];
    for (what, who, line, status) in table {
        team.note(what);
        let call = team.jit(who, &line);
        let call = if what == "too short" { call.at_terminal() } else { call };
        assert_eq!(call.show().status, status, "{what}");
    }
    team.wait(24 * 3600);
    team.note("a day later");
    assert_eq!(team.jit("bob", &format!("approve {waits} --yes")).show().status, 1);
    assert_snapshot!(team.transcript());
}

#[test]
fn several_at_once_are_asked_one_by_one() {
    let team = Team::new();
    let one = team.request("alice", "ssh/prod/web-1");
    let two = team.request("alice", "ssh/prod/web-2");
    let ran = team.jit("bob", &format!("approve {} {}", &one[..8], &two[..8])).answer("y").answer("n").show();
    assert_eq!(ran.status, 1);
    team.jit("alice", "list").show();
    assert_snapshot!(team.transcript());
}

#[test]
fn a_longer_time_changes_nothing_and_the_later_clock_is_signed() {
    let team = Team::new();
    let id = team.request("alice", "ssh/prod/web-1 --for 1h");
    team.wait(-30);
    team.note("bob's clock is half a minute behind alice's");
    team.jit("bob", &format!("approve {} --for 2h", &id[..8])).answer("yes").show();
    assert_snapshot!(team.transcript());
}

#[test]
fn a_policy_that_came_between_is_named() {
    let team = Team::new();
    let id = team.request("alice", "ssh/prod/web-1 --for 1h");
    team.commit(&edited(policy(1), "policies/all.toml", "max = \"2h\"", "max = \"3h\""));
    assert_eq!(team.jit("alice", "policy publish --yes").run().status, 0);
    team.jit("bob", &format!("approve {}", &id[..8])).answer("y").show();
    assert_snapshot!(team.transcript());
}

#[test]
fn json() {
    let team = Team::new();
    let id = whole_request(&team);
    for who in ["bob", "carol"] {
        let ran = team.jit(who, &format!("approve {id} --yes --json")).run();
        assert_eq!(ran.status, 0);
        assert_shape(&ran.json(), &said());
        assert_eq!(ran.json()["said"][0]["of"], id);
    }
    let ran = team.jit("bob", &format!("approve {id} --yes --json")).run();
    assert_eq!(ran.status, 1);
    assert_shape(&ran.json(), &error());
}
