//! `jit audit log`, `verify` and `export`.

use insta::assert_snapshot;

use crate::support::Team;
use crate::support::shape::{Shape, assert_shape, error, list, object, or_null, policy};

/// A log with one line of most kinds, of which one has no effect.
fn eventful() -> Team {
    let team = Team::new();
    let id = team.request("alice", "db/prod/orders read --for 2h --reason 'INC-1234 =HYPERLINK(\"x\"), \u{202e}done'");
    team.approve("bob", &id);
    team.request("alice", "db/prod/orders write --for 1h --reason '=1+1'");
    assert_eq!(team.jit("alice", &format!("revoke {id} --reason ''")).run().status, 0);
    assert_eq!(team.jit("carol", "lockdown --resource k8s/x --reason=-drill --yes").run().status, 0);
    team
}

/// What others can push: a line that is none, and a commit that drops it again.
fn attacked() -> Team {
    let team = eventful();
    team.push_line("garbage \u{1b}[2J");
    team.git(&["commit", "-q", "--allow-empty", "-m", "x"]);
    let tree = team.git(&["rev-parse", "jit/audit~1^{tree}"]);
    let commit = team.git(&["commit-tree", "-m", "drop it", "-p", "jit/audit", &tree]);
    team.git(&["update-ref", "refs/heads/jit/audit", &commit]);
    team
}

#[test]
fn log() {
    let team = attacked();
    for line in ["audit log", "audit log --by alice --type request", "audit log --last 2", "audit log --by nobody"] {
        team.jit("mallory", line).show();
    }
    assert_eq!(team.jit("alice", "audit log --last x").show().status, 2);
    team.note("no type of line; and one that is, of which there is none");
    assert_eq!(team.jit("alice", "audit log --type aproval").show().status, 2);
    assert_eq!(team.jit("alice", "audit log --type event").show().status, 2);
    assert_eq!(team.jit("alice", "audit log --type lift").show().status, 0);
    assert_snapshot!(team.transcript());
}

#[test]
fn verify() {
    let team = eventful();
    assert_eq!(team.jit("alice", "audit verify --strict").show().status, 0);
    let verified = team.jit("alice", "audit verify --json").run().json();
    let (size, root) = (verified["size"].as_u64().unwrap(), verified["root"].as_str().unwrap().to_owned());
    for (known, status) in [
        (format!("{size}:{root}"), 0),
        (format!("{}:{root}", size - 1), 4),
        (format!("{}:{root}", size + 1), 4),
        (format!("0:{root}"), 2),
        ("latest".to_owned(), 2),
    ] {
        assert_eq!(team.jit("alice", &format!("audit verify --known {known}")).show().status, status, "{known}");
    }
    assert_snapshot!(team.transcript());
}

#[test]
fn what_was_pushed_beyond_ones_rights_is_listed() {
    let team = attacked();
    assert_eq!(team.jit("alice", "audit verify").show().status, 0);
    assert_eq!(team.jit("alice", "audit verify --strict").show().status, 1);
    team.note("the next line heals the branch");
    team.request("alice", "db/staging/x read");
    assert_eq!(team.jit("alice", "audit verify").show().status, 0);
    team.note("a machine that has seen more than the branch has now");
    team.git(&["update-ref", "refs/heads/jit/audit", "jit/audit~4"]);
    assert_eq!(team.jit("alice", "audit verify").show().status, 4);
    assert_snapshot!(team.transcript());
}

#[test]
fn export() {
    let team = attacked();
    team.jit("mallory", "audit export").show();
    team.jit("mallory", "audit export --format csv").show();
    assert_eq!(team.jit("mallory", "audit export --format xml").show().status, 2);
    assert_snapshot!(team.transcript());
}

#[test]
fn json() {
    let team = attacked();
    let line = object(&[
        ("index", Shape::Number),
        ("id", or_null(Shape::Id)),
        ("at", or_null(Shape::Time)),
        ("by", or_null(Shape::Text)),
        ("type", or_null(Shape::Text)),
        ("summary", Shape::Text),
        ("verdict", Shape::Word(&["effect", "without-effect", "inert"])),
        ("reason", or_null(Shape::Text)),
    ]);
    let ran = team.jit("mallory", "audit log --json").run();
    assert_eq!(ran.status, 0);
    assert_shape(&ran.json(), &object(&[("lines", list(line))]));

    let verified = object(&[
        ("size", Shape::Number),
        ("root", Shape::Id),
        ("genesis", Shape::Id),
        ("policy", policy()),
        ("statements", Shape::Map(Box::new(Shape::Number))),
        ("without_effect", Shape::Number),
        ("inert", list(object(&[("index", Shape::Number), ("reason", Shape::Text)]))),
        ("void", list(object(&[("commit", Shape::Commit), ("reason", Shape::Text)]))),
    ]);
    for (line, status) in [("audit verify --json", 0), ("audit verify --json --strict", 1)] {
        let ran = team.jit("alice", line).run();
        assert_eq!(ran.status, status, "{line}");
        let answer = ran.json();
        assert_shape(&answer, &verified);
        let statements = serde_json::json!(
            {"approval": 1, "genesis": 1, "lockdown": 1, "policy": 1, "request": 2, "revocation": 1});
        assert_eq!(answer["statements"], statements);
        assert_eq!(answer["inert"].as_array().unwrap().len(), 1);
        assert_eq!(answer["void"].as_array().unwrap().len(), 1);
    }
    let ran = team.jit("alice", &format!("audit verify --json --known 1:{}", "0".repeat(64))).run();
    assert_eq!(ran.status, 4);
    assert_shape(&ran.json(), &error());
    assert_eq!(ran.json()["error"]["code"], "log-rewritten");

    let exported = |is_line: bool| {
        let known = |shape| if is_line { shape } else { or_null(Shape::Word(&[])) };
        let mut keys = vec![
            ("index", Shape::Number),
            ("id", known(Shape::Id)),
            ("leaf", Shape::Id),
            ("type", known(Shape::Text)),
            ("by", known(Shape::Text)),
            ("at", known(Shape::Time)),
            ("verdict", Shape::Word(&["effect", "without-effect", "inert"])),
            ("reason", or_null(Shape::Text)),
            ("body", known(Shape::Any)),
            ("sig", known(Shape::Text)),
        ];
        if !is_line {
            keys.push(("bytes", Shape::Text));
        }
        object(&keys)
    };
    let ran = team.jit("mallory", "audit export").run();
    assert_eq!(ran.out.lines().count(), 8);
    for line in ran.out.lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_shape(&value, &exported(value["index"] != 7));
    }
}

#[test]
fn exported_bodies_are_the_signed_bytes() {
    let team = eventful();
    let blob = team.git(&["show", "jit/audit:audit/0000000000/0000000000/0000000000.jsonl"]);
    let exported = team.jit("mallory", "audit export").run().out;
    for (line, row) in blob.lines().zip(exported.lines()) {
        let body = line.split("\"body\":").nth(1).unwrap().split(",\"sig\"").next().unwrap();
        assert!(row.contains(&format!("\"body\":{body},\"sig\"")), "{row}");
    }
}
