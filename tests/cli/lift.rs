//! `jit lift`, and its approval.

use insta::assert_snapshot;

use super::approve::said;
use crate::support::Team;
use crate::support::policy::policy;
use crate::support::shape::{Shape, assert_shape, error, object};

fn locked(team: &Team) -> String {
    let ran = team.jit("carol", "lockdown --resource 'db/**' --reason 'intrusion' --yes --json").run();
    ran.json()["id"].as_str().unwrap().to_owned()
}

#[test]
fn one_maintainer_is_enough_where_one_is() {
    let team = Team::new();
    team.request("alice", "db/staging/x read");
    let id = locked(&team);
    team.jit("alice", &format!("lift {} --reason 'all clear'", &id[..8])).answer("y").show();
    team.note("what was ended stays ended");
    team.jit("alice", "check db/staging/x read").show();
    team.jit("alice", "request db/staging/x read").show();
    team.jit("alice", &format!("show {}", &id[..8])).show();
    assert_snapshot!(team.transcript());
}

#[test]
fn two_are_needed_where_two_are() {
    let team = Team::with(&policy(2));
    let proposal = team.jit("alice", "policy status --json").run().json();
    team.approve("bob", proposal["proposed"][0]["id"].as_str().unwrap());
    let id = locked(&team);
    let ran = team.jit("alice", &format!("lift {} --reason 'all clear'", &id[..8])).answer("y").show();
    assert_eq!(ran.status, 3);
    let lift = ran.out.split('`').nth(1).unwrap().split(' ').nth(2).unwrap().to_owned();
    team.note("again by the same, and by no maintainer");
    assert_eq!(team.jit("alice", &format!("approve {lift} --yes")).show().status, 1);
    assert_eq!(team.jit("carol", &format!("approve {lift} --yes")).show().status, 1);
    assert_eq!(team.jit("bob", &format!("deny {lift} --yes")).show().status, 1);
    team.jit("bob", &format!("approve {}", &lift[..8])).answer("y").show();
    assert_eq!(team.jit("bob", &format!("approve {lift} --yes")).show().status, 1);
    assert_snapshot!(team.transcript());
}

#[test]
fn what_becomes_of_another_lift_of_the_same() {
    let team = Team::with(&policy(2));
    let proposal = team.jit("alice", "policy status --json").run().json();
    team.approve("bob", proposal["proposed"][0]["id"].as_str().unwrap());
    let id = locked(&team);
    let lift = |who: &str| {
        let ran = team.jit(who, &format!("lift {id} --reason 'all clear' --yes --json")).run();
        assert_eq!(ran.status, 3);
        ran.json()["id"].as_str().unwrap().to_owned()
    };
    let (first, second) = (lift("alice"), lift("bob"));
    team.jit("carol", &format!("show {first}")).show();
    team.approve("bob", &first);
    for lift in [&first, &second] {
        team.jit("carol", &format!("show {lift}")).show();
        assert_eq!(team.jit("carol", &format!("show {lift} --json")).run().json()["state"], "closed");
        assert_eq!(team.jit("alice", &format!("approve {lift} --yes")).show().status, 1);
    }
    assert_snapshot!(team.transcript());
}

#[test]
fn refusals() {
    let team = Team::new();
    let id = locked(&team);
    let request = team.request("alice", "ssh/prod/web-1");
    let table = [
        ("a revoker is no maintainer", "carol", format!("lift {id} --reason x --yes"), 1),
        ("no lockdown", "alice", format!("lift {request} --reason x --yes"), 1),
        ("no reason", "alice", format!("lift {id} --yes"), 2),
        ("no terminal", "alice", format!("lift {id} --reason x"), 2),
    ];
    for (what, who, line, status) in table {
        team.note(what);
        assert_eq!(team.jit(who, &line).show().status, status, "{what}");
    }
    team.note("no");
    assert_eq!(team.jit("alice", &format!("lift {} --reason x", &id[..8])).answer("n").show().status, 1);
    team.note("twice");
    assert_eq!(team.jit("alice", &format!("lift {id} --reason x --yes")).run().status, 0);
    assert_eq!(team.jit("alice", &format!("lift {id} --reason x --yes")).show().status, 1);
    assert_snapshot!(team.transcript());
}

#[test]
fn json() {
    let team = Team::new();
    let id = locked(&team);
    let ran = team.jit("alice", &format!("lift {id} --reason x --yes --json")).run();
    assert_eq!(ran.status, 0);
    assert_shape(&ran.json(), &object(&[("id", Shape::Id), ("of", Shape::Id), ("lifted", Shape::Bool)]));
    assert_eq!(ran.json()["lifted"], true);
    let ran = team.jit("alice", &format!("lift {id} --reason x --yes --json")).run();
    assert_eq!(ran.status, 1);
    assert_shape(&ran.json(), &error());

    let team = Team::with(&policy(2));
    let proposal = team.jit("alice", "policy status --json").run().json();
    team.approve("bob", proposal["proposed"][0]["id"].as_str().unwrap());
    let id = locked(&team);
    let ran = team.jit("alice", &format!("lift {id} --reason x --yes --json")).run();
    assert_eq!((ran.status, &ran.json()["lifted"]), (3, &serde_json::json!(false)));
    let lift = ran.json()["id"].as_str().unwrap().to_owned();
    let ran = team.jit("bob", &format!("approve {lift} --yes --json")).run();
    assert_eq!(ran.status, 0);
    assert_shape(&ran.json(), &said());
    assert_eq!(ran.json()["said"][0]["kind"], "lift");
}
