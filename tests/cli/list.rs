//! `jit list`.

use std::rc::Rc;

use insta::assert_snapshot;

use crate::support::Team;
use crate::support::shape::{
    Shape, assert_shape, decision, error, grant, list, needs, object, or_null, reasons, request, with,
};

/// Requests in every state.
fn busy() -> Team {
    let team = Team::new();
    team.request("alice", "db/prod/orders read --reason 'INC-1234 orders are stuck'");
    team.request("bob", "ssh/prod/web-1 --reason 'disk is full'");
    team.request("alice", "ssh/prod/web-1 --reason 'a long reason that goes on and on and on, for the table to cut'");
    team.request("erin", "db/staging/x write --for 5m --not-before +1h");
    team.request("erin", "db/staging/pii/x read");
    let ended = team.request("carol", "db/staging/x read");
    assert_eq!(team.jit("carol", &format!("revoke {ended} --reason x")).run().status, 0);
    team
}

#[test]
fn tables() {
    let team = busy();
    for (who, line) in [
        ("carol", "list"),
        ("bob", "ls --pending"),
        ("alice", "list --active"),
        ("alice", "list --pending --active --mine"),
        ("erin", "list --mine"),
        ("alice", "list --all"),
    ] {
        team.jit(who, line).show();
    }
    team.note("two days later");
    team.wait(2 * 24 * 3600);
    team.jit("alice", "list").show();
    team.jit("alice", "list --all").show();
    assert_snapshot!(team.transcript());
}

#[test]
fn nothing_to_list() {
    let team = Team::new();
    for line in
        ["", " --pending", " --active", " --all", " --mine", " --pending --mine", " --active --mine", " --all --mine"]
    {
        team.jit("alice", &format!("list{line}")).show();
    }
    assert_eq!(team.jit("alice", "list --all --pending").show().status, 2);
    assert_snapshot!(team.transcript());
}

#[test]
fn whoever_reads_the_log_can_list_it() {
    let team = busy();
    team.note("mallory's key is nobody's");
    assert_eq!(team.jit("mallory", "list").show().status, 0);
    team.note("a key that is not there");
    assert_eq!(team.jit("alice", "list --active --key nowhere").show().status, 0);
    assert_eq!(team.jit("mallory", "list --mine").show().status, 5);
    assert_snapshot!(team.transcript());
}

#[test]
fn a_lockdown_that_holds_is_listed() {
    let team = busy();
    assert_eq!(team.jit("carol", "lockdown --resource 'ssh/**' --reason '=1+1' --yes").run().status, 0);
    team.jit("alice", "list").show();
    assert_snapshot!(team.transcript());
}

#[test]
fn json() {
    let team = busy();
    assert_eq!(team.jit("carol", "lockdown --resource k8s/x --reason drill --yes").run().status, 0);
    let row = with(
        request(),
        &[
            ("decision", decision()),
            ("reasons", reasons()),
            ("grant", or_null(grant())),
            ("needs", needs()),
            ("yours_to_approve", Shape::Bool),
        ],
    );
    let lockdown = object(&[
        ("id", Shape::Id),
        ("by", Shape::Text),
        ("at", Shape::Time),
        ("subjects", list(Shape::Text)),
        ("resources", list(Shape::Text)),
        ("reason", Shape::Text),
    ]);
    let shape = object(&[("requests", list(row)), ("lockdowns", list(lockdown))]);
    for (line, rows) in
        [("list", 4), ("list --pending", 2), ("list --active", 1), ("list --mine", 2), ("list --all", 6)]
    {
        let ran = team.jit("alice", &format!("{line} --json")).run();
        assert_eq!(ran.status, 0);
        assert_shape(&ran.json(), &shape);
        assert_eq!(ran.json()["requests"].as_array().unwrap().len(), rows, "{line}");
        assert_eq!(ran.json()["lockdowns"].as_array().unwrap().len(), 1);
    }
    let ran = team.jit("mallory", "list --mine --json").run();
    assert_eq!(ran.status, 5);
    assert_shape(&ran.json(), &error());
}

#[test]
fn watching_prints_what_has_changed() {
    for at_terminal in [false, true] {
        let team = Rc::new(Team::new());
        let (others, mut looks) = (Rc::clone(&team), 0);
        let call = team.jit("alice", "list --watch");
        let call = if at_terminal { call.at_terminal() } else { call };
        let tape = call.tape();
        let ran = call
            .during_sleep(move || {
                looks += 1;
                match looks {
                    2 => drop(others.request("bob", "ssh/prod/web-1")),
                    4 => tape.close_out(),
                    // Something more to print, for a reader that has gone.
                    5 => drop(others.request("carol", "ssh/prod/web-1")),
                    _ => assert!(looks < 6, "nobody reads it"),
                }
            })
            .run();
        let (blank, bob) = ("Nothing waits and nothing is live", "bob  access  ssh/prod/web-1");
        let counts = (ran.out.matches(blank).count(), ran.out.matches(bob).count(), ran.out.matches('\u{1b}').count());
        let expected = if at_terminal { (2, 2, 8) } else { (1, 1, 0) };
        assert_eq!((ran.status, counts), (0, expected), "{ran:?}");
    }
}
