//! `jit show`.

use insta::assert_snapshot;

use crate::support::Team;
use crate::support::policy::{edited, policy};
use crate::support::shape::{
    Shape, assert_shape, decision, error, grant, needs, object, or_null, reasons, request, with,
};

#[test]
fn every_kind_of_line() {
    let team = Team::new();
    let bind = "0123456789abcdef".repeat(4);
    let id = team.request(
        "alice",
        &format!("db/prod/orders read --for 3h --not-before +1h --bind sha256:{bind} --reason 'INC-1234 orders'"),
    );
    assert_eq!(team.jit("bob", &format!("approve {id} --for 2h --comment 'fine' --yes")).run().status, 0);
    team.jit("alice", &format!("show {}", &id[..8])).show();
    team.approve("carol", &id);
    team.jit("mallory", &format!("show {}", &id[..8])).show();
    assert_eq!(team.jit("carol", &format!("revoke {id} --reason 'no more'")).run().status, 0);
    let lockdown = team.jit("carol", "lockdown --subject alice --reason x --yes --json").run().json();
    let lockdown = lockdown["id"].as_str().unwrap();
    assert_eq!(team.jit("alice", &format!("lift {lockdown} --reason y --yes")).run().status, 0);
    let lines = team.jit("alice", "audit log --json").run().json();
    for line in lines["lines"].as_array().unwrap() {
        team.jit("alice", &format!("show {}", &line["id"].as_str().unwrap()[..12])).show();
    }
    team.note("with the line itself");
    team.jit("alice", &format!("show -v {}", &lockdown[..8])).show();
    assert_snapshot!(team.transcript());
}

#[test]
fn how_a_policy_stands() {
    let team = Team::with(&policy(2));
    let longer = |hours: u32| edited(policy(2), "policies/all.toml", "max = \"4h\"", &format!("max = \"{hours}h\""));
    let publish = |who: &str| {
        let ran = team.jit(who, "policy publish --yes --json").run();
        assert_eq!(ran.status, 3);
        ran.json()["id"].as_str().unwrap().to_owned()
    };
    let stands = |id: &str| team.jit("carol", &format!("show {id} --json")).run().json()["state"].clone();
    let status = team.jit("alice", "policy status --json").run().json();
    let first = status["proposed"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(stands(&first), "proposed");
    team.approve("bob", &first);
    assert_eq!(stands(&first), "in-force");
    team.commit(&longer(5));
    let second = publish("alice");
    team.commit(&longer(6));
    let third = publish("bob");
    assert_eq!(
        (stands(&first), stands(&second), stands(&third)),
        ("in-force".into(), "proposed".into(), "proposed".into())
    );
    team.jit("carol", &format!("show {third}")).show();
    team.approve("alice", &third);
    assert_eq!(
        (stands(&first), stands(&second), stands(&third)),
        ("superseded".into(), "dead".into(), "in-force".into())
    );
    for id in [&first, &second, &third] {
        team.jit("carol", &format!("show {id}")).show();
    }
    assert_snapshot!(team.transcript());
}

#[test]
fn refusals() {
    let team = Team::new();
    let id = team.request("alice", "db/staging/x read");
    for (line, status) in [
        ("show".to_owned(), 2),
        (format!("show {}", &id[..3]), 2),
        (format!("show {}", id.to_uppercase()), 2),
        (format!("show {id}0"), 2),
        (format!("show {}", "0".repeat(16)), 1),
        ("show '\u{1b}[2J'".to_owned(), 2),
        // That it is no id comes before that it is too short a one.
        ("token zzz".to_owned(), 2),
        ("approve zzz --yes".to_owned(), 2),
    ] {
        assert_eq!(team.jit("alice", &line).show().status, status, "{line}");
    }
    assert_snapshot!(team.transcript());
}

#[test]
fn json() {
    let team = Team::new();
    let line = object(&[
        ("id", Shape::Id),
        ("index", Shape::Number),
        ("type", Shape::Text),
        ("by", Shape::Text),
        ("at", Shape::Time),
        ("verdict", Shape::Word(&["effect", "without-effect", "inert"])),
        ("reason", or_null(Shape::Text)),
        (
            "state",
            or_null(Shape::Word(&["proposed", "in-force", "superseded", "dead", "holds", "lifted", "open", "closed"])),
        ),
        ("line", Shape::Text),
    ]);
    let shown = with(
        request(),
        &[("decision", decision()), ("reasons", reasons()), ("grant", or_null(grant())), ("needs", needs())],
    );
    let genesis = team.genesis();
    assert_shape(&team.jit("alice", &format!("show {genesis} --json")).run().json(), &line);
    for what in ["ssh/prod/web-1", "db/staging/x read", "db/prod/orders write --for 1h"] {
        let id = team.request("alice", what);
        let ran = team.jit("alice", &format!("show {id} --json")).run();
        assert_eq!(ran.status, 0);
        assert_shape(&ran.json(), &with(line.clone(), &[("request", shown.clone())]));
    }
    let ran = team.jit("alice", &format!("show {} --json", "0".repeat(16))).run();
    assert_eq!(ran.status, 1);
    assert_shape(&ran.json(), &error());
}
