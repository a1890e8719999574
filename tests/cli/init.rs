//! `jit init`.

use std::fs;

use insta::assert_snapshot;

use crate::support::Team;
use crate::support::policy::{edited, policy};
use crate::support::shape::{Shape, assert_shape, error, list, object};

/// Names the key, so that what this machine's git says about keys does not matter.
const KEY: &str = "--key home/alice/.ssh/id_ed25519";

#[test]
fn a_new_folder_gets_the_starter_pack() {
    let team = Team::without_repo();
    team.jit("alice", &format!("init repo --name acme {KEY}")).show();
    team.jit("alice", "whoami").show();
    team.jit("alice", "request db/prod/orders read --reason 'INC-1234 orders are stuck in payment'").show();
    team.jit("alice", "request ssh/prod/web-1 --reason 'INC-1234 disk is full'").show();
    team.jit("alice", "policy status").show();
    team.jit("alice", "init").show();
    assert_snapshot!(team.transcript());
    assert_eq!(team.git(&["status", "--porcelain"]), "");
    assert_eq!(team.git(&["log", "--format=%s", "main"]), "Start with a policy");
}

#[test]
fn every_template_is_covered_by_its_tests() {
    let team = Team::without_repo();
    team.jit("alice", "init --list-templates").show();
    let ran = team.jit("alice", "init --list-templates --json").run();
    let template = object(&[("name", Shape::Text), ("about", Shape::Text)]);
    assert_shape(&ran.json(), &object(&[("templates", list(template))]));
    assert_eq!(team.jit("alice", &format!("init repo --template on-cal {KEY}")).show().status, 2);
    assert!(!team.repo().exists());
    let templates = ran.json()["templates"].as_array().unwrap().clone();
    assert_eq!(templates.len(), 4);
    for template in &templates {
        let name = template["name"].as_str().unwrap();
        let ran = team.jit("alice", &format!("init {name} --name acme --template {name} {KEY}")).run();
        assert_eq!(ran.status, 0, "{name}: {}", ran.err);
        let ran = team.jit("alice", &format!("policy test {name} --coverage --fail-under 100")).run();
        assert_eq!(ran.status, 0, "{name}: {}{}", ran.out, ran.err);
        assert_eq!(team.jit("alice", &format!("policy lint {name}")).run().status, 0, "{name}");
    }
    assert_snapshot!(team.transcript());
}

#[test]
fn editors_find_the_schemas() {
    let team = Team::without_repo();
    assert_eq!(team.jit("alice", &format!("init repo --name acme {KEY}")).run().status, 0);
    let read = |path: &str| fs::read_to_string(team.repo().join(path)).unwrap();
    for (path, line) in [
        ("jit.toml", "#:schema ./.schemas/jit.json"),
        ("identities/people.toml", "#:schema ../.schemas/identities.json"),
        ("tests/small-team.toml", "#:schema ../.schemas/tests.json"),
    ] {
        let text = read(path);
        assert_eq!(text.lines().next(), Some(line), "{path}");
        let schema = team.repo().join(path).parent().unwrap().join(line.split_once(' ').unwrap().1);
        assert!(schema.is_file(), "{path}");
    }
    for name in ["jit", "identities", "policies", "targets", "tests"] {
        let ran = team.jit("alice", &format!("policy schema {name}")).run();
        assert_eq!((ran.status, ran.out), (0, read(&format!(".schemas/{name}.json"))), "{name}");
    }
    let all = team.jit("alice", "policy schema").run().json();
    assert_eq!(all.as_object().unwrap().len(), 5);
    assert_eq!(team.jit("alice", "policy schema rules").run().status, 2);
    assert_eq!(team.jit("alice", "identity add bob").run().status, 0);
    assert!(read("identities/bob.toml").starts_with("#:schema ../.schemas/identities.json\n[identity."));
}

#[test]
fn json() {
    let team = Team::without_repo();
    let answer = team.jit("alice", &format!("init repo {KEY} --json")).run();
    let initialised = object(&[
        ("genesis", Shape::Id),
        ("repo", Shape::Text),
        ("name", Shape::Text),
        ("me", Shape::Text),
        ("key", Shape::Text),
        ("policy_in_force", Shape::Bool),
    ]);
    assert_eq!(answer.status, 0);
    assert_shape(&answer.json(), &initialised);
    assert_eq!(answer.json()["repo"], team.repo().to_str().unwrap());
    assert_eq!(answer.json()["name"], "repo");
    let again = team.jit("alice", "init --json").run();
    assert_eq!(again.status, 1);
    assert_shape(&again.json(), &error());
}

#[test]
fn names_that_can_not_be() {
    let team = Team::without_repo();
    for line in [
        "init repo --as deployer",
        "init repo --as example-contractor",
        "init repo --as 'Dr. No'",
        "init repo --name 'No Name'",
        "init repo --template large-team",
        "init 'No Name'",
    ] {
        assert_eq!(team.jit("alice", &format!("{line} {KEY}")).show().status, 2, "{line}");
    }
    for user in ["deployer", "No One", ""] {
        team.note(&format!("USER={user}"));
        assert_eq!(team.jit("alice", &format!("init repo {KEY}")).var("USER", user).show().status, 2, "{user}");
    }
    team.note("what there is to choose from comes before who one is");
    let line = format!("init repo --template large-team {KEY}");
    assert_eq!(team.jit("alice", &line).var("USER", "").show().status, 2);
    assert_snapshot!(team.transcript());
    for folder in ["repo", "No Name"] {
        let log = team.path(folder).join(".git/refs/heads");
        assert!(fs::read_dir(log).map_or(true, |mut refs| refs.next().is_none()), "{folder} has commits");
    }
}

#[test]
fn a_policy_that_is_committed_is_taken() {
    let team = Team::without_log();
    team.commit(&policy(1));
    team.note("under other names than it has");
    assert_eq!(team.jit("alice", "init --as bob").show().status, 2);
    assert_eq!(team.jit("alice", "init --name other").show().status, 2);
    assert_eq!(team.git(&["branch", "--list", "jit/audit"]), "");
    team.note("under those that it has");
    team.jit("alice", "init --as alice --name acme").show();
    team.jit("alice", "audit log").show();
    team.note("once more, by who made it and by somebody else");
    assert_eq!(team.jit("alice", "init").show().status, 1);
    assert_eq!(team.jit("bob", "init").show().status, 1);
    assert_snapshot!(team.transcript());
}

#[test]
fn a_policy_that_needs_two_waits_for_the_other() {
    let team = Team::without_log();
    team.commit(&policy(2));
    let ran = team.jit("alice", "init").show();
    assert_eq!(ran.status, 3);
    team.jit("alice", "request db/staging/x read").show();
    team.jit("alice", "check db/staging/x read").show();
    team.jit("alice", "policy status").show();
    let id = ran.out.split("jit approve ").nth(1).unwrap().split('`').next().unwrap().to_owned();
    team.jit("bob", &format!("approve {id} --yes")).show();
    assert_snapshot!(team.transcript());
}

#[test]
fn what_can_not_start_a_log() {
    let team = Team::without_log();
    team.commit(&policy(1));
    team.note("carol is no maintainer, and mallory nobody");
    assert_eq!(team.jit("carol", "init").show().status, 1);
    assert_eq!(team.jit("mallory", "init").show().status, 1);
    team.note("a policy that does not load");
    team.commit(&edited(policy(1), "policies/all.toml", "\"db/prod/orders\"", "\"db//orders\""));
    assert_eq!(team.jit("alice", "init").show().status, 1);
    assert_snapshot!(team.transcript());
    assert!(!team.git(&["branch", "--list", "jit/audit"]).contains("jit/audit"));
}

#[test]
fn what_was_cut_off_is_finished() {
    let team = Team::new();
    let genesis = team.git(&["rev-list", "--max-parents=0", "jit/audit"]);
    team.git(&["update-ref", "refs/heads/jit/audit", &genesis]);
    fs::remove_dir_all(team.home("alice").join(".config")).unwrap();
    team.jit("bob", "whoami").show();
    team.jit("mallory", "init").show();
    team.jit("alice", "init").show();
    team.jit("alice", "check db/staging/x read").show();
    assert_snapshot!(team.transcript());
}

#[test]
fn a_remote_gets_the_log_by_a_push() {
    for (branch, remote, expected) in [
        ("main", "origin", "  git push -u origin main jit/audit\n"),
        ("team/access", "hub", "  git push -u hub team/access jit/audit\n"),
        ("a;b", "x$y", "  git push -u REMOTE HEAD jit/audit\n"),
    ] {
        let team = Team::without_log();
        team.git(&["switch", "-q", "--orphan", branch]);
        team.git(&["remote", "add", remote, "../host.git"]);
        let ran = team.jit("alice", "init --name acme").run();
        assert_eq!(ran.status, 0, "{ran:?}");
        for words in [expected, "  linear history (no merges)\n", "  no forced push\n", "  no deletion\n"] {
            assert!(ran.out.contains(words), "{words}: {}", ran.out);
        }
    }
    // Where there is none, there is nothing to push to.
    let team = Team::without_log();
    let ran = team.jit("alice", "init --name acme").run();
    assert!(ran.status == 0 && !ran.out.contains("push"), "{ran:?}");
}
