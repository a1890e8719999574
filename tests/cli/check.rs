//! `jit check`: the gate, in all its ways.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use insta::assert_snapshot;

use crate::support::Team;
use crate::support::keys::public_key;
use crate::support::policy::{edited, policy};
use crate::support::shape::{
    Shape, assert_shape, decision, error, grant, object, or_null, policy as policy_shape, reasons,
};

fn token(team: &Team, line: &str) -> String {
    team.jit("alice", line).run().out.trim_end().to_owned()
}

#[test]
fn ones_own_identity() {
    let team = Team::new();
    assert_eq!(team.jit("alice", "check db/staging/x read").show().status, 1);
    let id = team.request("alice", "db/staging/x read --for 1h");
    assert_eq!(team.jit("alice", "check db/staging/x read").show().status, 0);
    assert_eq!(team.jit("alice", "check db/staging/x write").show().status, 1);
    team.request("alice", "ssh/prod/web-1");
    assert_eq!(team.jit("alice", "check ssh/prod/web-1").show().status, 3);
    team.request("alice", "db/staging/y read --not-before +1h");
    assert_eq!(team.jit("alice", "check db/staging/y read").show().status, 1);
    team.wait(3600);
    team.note("an hour later");
    assert_eq!(team.jit("alice", "check db/staging/x read").show().status, 1);
    team.jit("alice", &format!("show {}", &id[..8])).show();
    assert_snapshot!(team.transcript());
}

#[test]
fn explained_rule_by_rule() {
    let team = Team::new();
    let same = |line: &str| {
        let plain = team.jit("carol", line).run();
        let explained = team.jit("carol", &format!("{line} --explain")).run();
        assert_eq!(explained.status, plain.status, "{line}");
        let (plain, explained) = (
            team.jit("carol", &format!("{line} --json")).run(),
            team.jit("carol", &format!("{line} --json --explain")).run(),
        );
        let keys = |ran: &crate::support::Ran| ran.json().as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!((explained.status, keys(&explained)), (plain.status, keys(&plain)), "{line}");
        assert_eq!(
            (&explained.json()["decision"], &explained.json()["reasons"][0]["code"]),
            (&plain.json()["decision"], &plain.json()["reasons"][0]["code"])
        );
        assert!(explained.err.contains("CONDITION") || explained.err.contains("o rule is"), "{}", explained.err);
    };
    let check = |line: &str| format!("check {line} --genesis {}", team.genesis());
    assert_eq!(team.jit("carol", &check("db/prod/orders read --subject alice --explain")).show().status, 1);
    let id = team.request("alice", "db/prod/orders read --for 2h --reason 'INC-1234 orders are stuck'");
    assert_eq!(team.jit("carol", &check("db/prod/orders read --subject alice --explain")).show().status, 3);
    same(&check("db/prod/orders read --subject alice"));
    assert_eq!(team.jit("carol", &format!("approve {id} --yes")).run().status, 0);
    assert_eq!(team.jit("carol", &check("db/prod/orders read --subject alice --explain")).show().status, 0);
    for line in
        ["db/prod/orders read --subject alice", "db/prod/orders read --subject nobody", "cloud/x --subject alice"]
    {
        same(&check(line));
    }
    assert_snapshot!(team.transcript());
}

#[test]
fn subjects_and_keys_that_the_gate_has_authenticated() {
    let team = Team::new();
    team.request("alice", "db/staging/x read");
    let bare = public_key("alice").replace(" alice@laptop", "");
    let table = [
        ("check db/staging/x read --subject alice".to_owned(), 0),
        ("check db/staging/x read --subject bob".to_owned(), 1),
        ("check db/staging/x read --subject nobody".to_owned(), 1),
        (format!("check db/staging/x read --ssh-key '{bare}'"), 0),
        ("check db/staging/x read --ssh-key ../home/alice/.ssh/id_ed25519.pub".to_owned(), 0),
        (format!("check db/staging/x read --ssh-key '{}'", public_key("mallory")), 1),
        ("check db/staging/x read --ssh-key nowhere.pub".to_owned(), 2),
        ("check db/staging/x read --ssh-key 'ssh-rsa AAAA'".to_owned(), 1),
        ("check db/staging/x read --ssh-key ''".to_owned(), 2),
        ("check db/staging/x read --subject alice --audience ci".to_owned(), 2),
        ("check db/staging/x read --subject alice --token -".to_owned(), 2),
        ("check db/staging/x read --subject 'No One'".to_owned(), 2),
        ("check db/staging/x read --audience ci".to_owned(), 2),
    ];
    for (line, status) in table {
        assert_eq!(team.jit("carol", &format!("{line} --genesis {}", team.genesis())).show().status, status, "{line}");
    }
    assert_snapshot!(team.transcript());
}

#[test]
fn tokens() {
    let team = Team::new();
    let id = team.request("alice", "db/staging/x read --for 1h");
    let good = token(&team, &format!("token {id}"));
    let short = token(&team, &format!("token {id} --for 1s"));
    let ci = token(&team, &format!("token {id} --audience ci"));
    team.write("good", &good);
    team.write("open", &good);
    fs::set_permissions(team.path("good"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(team.path("open"), fs::Permissions::from_mode(0o644)).unwrap();
    let broken = good.replace("jit1.", "jit1.AAAA");
    let table: [(&str, &str, &[u8], u8); 13] = [
        ("on standard input", "check db/staging/x read --token -", good.as_bytes(), 0),
        ("in a file", "check db/staging/x read --token-file ../good", b"", 0),
        ("in a file that others can read", "check db/staging/x read --token-file ../open", b"", 5),
        ("in no file", "check db/staging/x read --token-file ../nowhere", b"", 5),
        ("in the command line", "check db/staging/x read --token jit1.AAAA", b"", 2),
        ("for another resource", "check db/staging/y read --token -", good.as_bytes(), 1),
        ("for another action", "check db/staging/x write --token -", good.as_bytes(), 1),
        ("for another gate", "check db/staging/x read --token - --audience cd", ci.as_bytes(), 1),
        ("for this gate", "check db/staging/x read --token - --audience ci", ci.as_bytes(), 0),
        ("that has expired", "check db/staging/x read --token -", short.as_bytes(), 1),
        ("broken", "check db/staging/x read --token -", broken.as_bytes(), 1),
        ("empty", "check db/staging/x read --token -", b"", 1),
        ("no text", "check db/staging/x read --token -", b"jit1.\xff\x1b[2J", 1),
    ];
    for (what, line, input, status) in table {
        team.note(&format!("a token {what}"));
        assert_eq!(team.jit("alice", line).stdin(input).show().status, status, "{what}");
    }
    team.note("in the environment, and an option that wins over it");
    assert_eq!(team.jit("alice", "check db/staging/x read").var("JIT_TOKEN", &good).show().status, 0);
    assert_eq!(team.jit("alice", "check db/staging/x read").var("JIT_TOKEN", "jit1.AAAA").show().status, 1);
    assert_eq!(team.jit("alice", "check db/staging/x read --subject bob").var("JIT_TOKEN", &good).show().status, 1);
    team.note("too long");
    let long = "a".repeat(70_000);
    assert_eq!(team.jit("alice", "check db/staging/x read --token -").stdin(long).show().status, 1);
    assert_snapshot!(team.transcript());
}

#[test]
fn binds() {
    let team = Team::new();
    let (one, two) = ("1".repeat(64), "2".repeat(64));
    team.request("alice", &format!("db/staging/x read --bind sha256:{one}"));
    for (line, status) in [
        (format!("check db/staging/x read --bind sha256:{one}"), 0),
        (format!("check db/staging/x read --bind sha256:{two}"), 1),
        ("check db/staging/x read".to_owned(), 1),
        ("check db/staging/x read --bind sha256:1".to_owned(), 2),
    ] {
        assert_eq!(team.jit("alice", &line).show().status, status, "{line}");
    }
    assert_snapshot!(team.transcript());
}

#[test]
fn only_a_trusted_log_is_asked() {
    let team = Team::new();
    team.request("alice", "db/staging/x read");
    let line = "check db/staging/x read --subject alice";
    let verified = team.jit("alice", "audit verify --json").run().json();
    let (genesis, size, root) =
        (team.genesis(), verified["size"].as_u64().unwrap(), verified["root"].as_str().unwrap().to_owned());
    team.note("bob's machine made no log and cloned none");
    assert_eq!(team.jit("bob", line).show().status, 5);
    assert_eq!(team.jit("bob", &format!("{line} -C .")).show().status, 4);
    for (named, status) in [
        (genesis.clone(), 0),
        (format!("{genesis}:{size}:{root}"), 0),
        (format!("{genesis}:{size}:{}", "0".repeat(64)), 4),
        (format!("{genesis}:{}:{root}", size + 1), 4),
        ("0".repeat(64), 5),
        (genesis[..8].to_owned(), 2),
        (format!("{genesis}:{size}"), 2),
    ] {
        assert_eq!(team.jit("bob", &format!("{line} --genesis {named}")).show().status, status, "{named}");
    }
    team.note("in the environment");
    assert_eq!(team.jit("bob", line).var("JIT_GENESIS", &genesis).show().status, 0);
    assert_eq!(team.jit("bob", &format!("{line} -C .")).var("JIT_GENESIS", "0".repeat(64)).show().status, 4);
    team.note("alice's default repo, from elsewhere");
    assert_eq!(team.jit("alice", line).cwd(&team.path("home")).show().status, 0);
    assert_snapshot!(team.transcript());
}

#[test]
fn what_can_not_be_relied_on_is_no_yes() {
    let team = Team::new();
    team.request("alice", "db/staging/x read --for 8h");
    let line = "check db/staging/x read";
    team.note("a clock behind the policy");
    team.wait(-600);
    assert_eq!(team.jit("alice", line).show().status, 5);
    team.wait(600);
    team.note("a policy of a newer format");
    team.commit(&edited(policy(1), "jit.toml", "format = 1", "format = 2"));
    team.jit("alice", "policy publish --yes").show();
    team.note("a log that was rewritten");
    let before = team.git(&["rev-parse", "jit/audit"]);
    team.git(&["update-ref", "refs/heads/jit/audit", "jit/audit~1"]);
    assert_eq!(team.jit("alice", line).show().status, 4);
    assert_eq!(team.jit("alice", "list").show().status, 4);
    team.note("no log at all");
    team.git(&["update-ref", "-d", "refs/heads/jit/audit"]);
    assert_eq!(team.jit("alice", line).show().status, 4);
    team.note("repaired");
    team.git(&["update-ref", "refs/heads/jit/audit", &before]);
    assert_eq!(team.jit("alice", line).show().status, 0);
    assert_snapshot!(team.transcript());
}

#[test]
fn what_the_policy_takes_away() {
    let team = Team::new();
    team.request("alice", "db/staging/x read --for 8h");
    let publish = |files| {
        team.commit(&files);
        assert_eq!(team.jit("alice", "policy publish --yes").run().status, 0);
        team.jit("alice", "check db/staging/x read").show();
    };
    team.note("shorter");
    publish(edited(policy(1), "policies/all.toml", "max = \"8h\"", "max = \"4h\""));
    team.note("no such rule any more");
    publish(edited(policy(1), "policies/all.toml", "rule.staging", "rule.staging-2"));
    team.note("a deny rule");
    publish(edited(
        policy(1),
        "policies/all.toml",
        "subjects = [\"group:contractors\"]\nresources = [\"**/pii/**\"]",
        "subjects = [\"alice\"]\nresources = [\"**\"]",
    ));
    team.note("as before");
    publish(policy(1));
    assert_snapshot!(team.transcript());
}

#[test]
fn json() {
    let team = Team::new();
    let log = object(&[("genesis", Shape::Id), ("size", Shape::Number), ("root", Shape::Id)]);
    let shape = |decided: bool| {
        let known = |shape| if decided { shape } else { or_null(Shape::Word(&[])) };
        object(&[
            ("decision", decision()),
            ("reasons", reasons()),
            ("grant", or_null(grant())),
            ("valid_until", or_null(Shape::Time)),
            ("policy", known(policy_shape())),
            ("log", known(log.clone())),
            ("age_s", known(Shape::Number)),
            ("checked_at", Shape::Time),
        ])
    };
    team.request("alice", "db/staging/x read");
    team.request("alice", "ssh/prod/web-1");
    let table = [
        ("check db/staging/x read", 0, "allow", "granted", true),
        ("check ssh/prod/web-1", 3, "pending", "needs-approval", true),
        ("check db/staging/y read", 1, "deny", "no-grant", true),
        ("check db/staging/x read -C /nowhere", 5, "deny", "unavailable", false),
    ];
    for (line, status, decision, code, decided) in table {
        let ran = team.jit("alice", &format!("{line} --json")).run();
        assert_eq!(ran.status, status, "{line}");
        let answer = ran.json();
        assert_shape(&answer, &shape(decided));
        assert_eq!((&answer["decision"], &answer["reasons"][0]["code"]), (&decision.into(), &code.into()), "{line}");
        assert_eq!(answer["grant"].is_null(), decision != "allow");
        assert_eq!(answer["valid_until"].is_null(), decision != "allow");
    }
    let ran = team.jit("bob", "check db/staging/x read -C . --json").run();
    assert_eq!(ran.status, 4);
    assert_shape(&ran.json(), &shape(false));
    assert_eq!(ran.json()["reasons"][0]["code"], "unknown-genesis");
    let ran = team.jit("alice", "check db/staging/x read --token jit1.AAAA --json").run();
    assert_eq!(ran.status, 2);
    assert_shape(&ran.json(), &error());
}
