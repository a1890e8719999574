//! Who may change the policy, and what gates do under one that they can't read.

use serde_json::Value;

use crate::forge::approval_fields;
use crate::lab::{Files, Lab};

fn replaced(files: &Files, from: &str, to: &str) -> Files {
    let changed: Files = files.iter().map(|(path, text)| (path.clone(), text.replace(from, to))).collect();
    assert_ne!(&changed, files, "`{from}` is not in the policy");
    changed
}

fn version(lab: &Lab) -> u64 {
    lab.verify()["policy"]["version"].as_u64().unwrap()
}

/// Returns what the log says about its last line.
fn last_verdict(lab: &Lab) -> Value {
    lab.log().last().unwrap().clone()
}

#[test]
fn two_maintainers_must_both_sign() {
    let lab = Lab::with_two_maintainers();
    let files = replaced(&lab.files("\"alice\", \"bob\"", 2), "max = \"2h\"", "max = \"3h\"");
    let proposed = lab.publish(&files).exits(3).json();
    let id = proposed["id"].as_str().unwrap().to_owned();
    assert_eq!((proposed["in_force"].as_bool(), version(&lab)), (Some(false), 1));
    // Nobody signs twice, and whoever is no maintainer does not sign at all.
    lab.jit("alice", &["approve", &id, "--yes"]).exits(1).says("signed for it already");
    for stranger in ["carol", "rita", "robot"] {
        lab.jit(stranger, &["approve", &id, "--yes"]).exits(1).says("is no maintainer");
        lab.say(stranger, &lab.head(stranger), "approval", &approval_fields(&id, "approve", "null", ""));
        assert_eq!(last_verdict(&lab)["verdict"], "without-effect");
    }
    for useless in [approval_fields(&id, "deny", "null", ""), approval_fields(&id, "approve", "60", "")] {
        lab.say("bob", &lab.head("bob"), "approval", &useless);
        assert_eq!((last_verdict(&lab)["verdict"].as_str(), version(&lab)), (Some("without-effect"), 1));
    }
    lab.jit("carol", &["request", "ssh/prod/web-1", "--for", "3h", "--json"]).exits(1).because("too-long");
    lab.jit("bob", &["approve", &id, "--yes"]).exits(0).says("it is in force");
    assert_eq!(version(&lab), 2);
    lab.jit("carol", &["request", "ssh/prod/web-1", "--for", "3h"]).exits(3);
    lab.jit("bob", &["approve", &id, "--yes"]).exits(1).says("in force already");
}

#[test]
fn two_proposals_for_one_version() {
    let lab = Lab::with_two_maintainers();
    let files = lab.files("\"alice\", \"bob\"", 2);
    let one = lab.say_policy("alice", &lab.head("alice"), 2, 1, &replaced(&files, "\"2h\"", "\"1h\""));
    let other = lab.say_policy("bob", &lab.head("bob"), 2, 1, &replaced(&files, "\"2h\"", "\"8h\""));
    lab.jit("bob", &["approve", &one, "--yes"]).exits(0);
    lab.jit("alice", &["approve", &other, "--yes"]).exits(1).says("can't come into force any more");
    lab.say("alice", &lab.head("alice"), "approval", &approval_fields(&other, "approve", "null", ""));
    assert_eq!(last_verdict(&lab)["verdict"], "without-effect");
    let status = lab.jit("alice", &["policy", "status", "--json"]).exits(0).json();
    assert_eq!((status["in_force"]["id"].as_str(), status["proposed"].as_array().unwrap().len()), (Some(&*one), 0));
}

#[test]
fn versions_go_up_by_one_and_only_maintainers_propose() {
    let lab = Lab::new();
    let files = lab.changed("\"2h\"", "\"8h\"");
    for version in [0, 1, 3, (1 << 53) - 1] {
        lab.say_policy("alice", &lab.head("alice"), version, 1, &files);
        assert_eq!(last_verdict(&lab)["verdict"], "without-effect", "{version}");
    }
    for stranger in ["carol", "rita", "robot"] {
        let id = lab.say_policy(stranger, &lab.head(stranger), 2, 1, &files);
        assert_eq!(last_verdict(&lab)["verdict"], "without-effect", "{stranger}");
        // Dead whoever approves it.
        lab.say("alice", &lab.head("alice"), "approval", &approval_fields(&id, "approve", "null", ""));
        assert_eq!((last_verdict(&lab)["verdict"].as_str(), version(&lab)), (Some("without-effect"), 1));
    }
    let by_mallory = lab.say_policy("mallory", &lab.head("mallory"), 2, 1, &files);
    let claims = lab.say_policy("mallory", &lab.head("alice"), 2, 1, &files);
    assert_eq!((lab.verify()["inert"].as_array().unwrap().len(), version(&lab)), (2, 1));
    for id in [by_mallory, claims] {
        lab.jit("alice", &["approve", &id, "--yes"]).exits(1).says("no statement in this log");
    }
}

#[test]
fn new_maintainers_sign_for_themselves() {
    let lab = Lab::new();
    // alice alone can't make dave the maintainer: he must sign that he has the key.
    let files = lab.files("\"dave\"", 1);
    let proposed = lab.publish(&files).exits(3).json();
    let id = proposed["id"].as_str().unwrap();
    assert_eq!(version(&lab), 1);
    lab.jit("carol", &["approve", id, "--yes"]).exits(1).says("is no maintainer");
    lab.jit("dave", &["approve", id, "--yes"]).exits(0).says("it is in force");
    lab.say_policy("alice", &lab.head("alice"), 3, 1, &lab.changed("\"2h\"", "\"8h\""));
    assert_eq!((last_verdict(&lab)["verdict"].as_str(), version(&lab)), (Some("without-effect"), 2));

    // A higher threshold needs as many as it names, and a new key must be shown by a signature.
    let lab = Lab::new();
    let id = lab.publish(&lab.files("\"alice\", \"bob\"", 2)).exits(3).json()["id"].as_str().unwrap().to_owned();
    lab.jit("alice", &["approve", &id, "--yes"]).exits(1);
    assert_eq!(version(&lab), 1);
    lab.make_key("alice-new");
    let rotated = lab.changed(&lab.public_key("alice"), &lab.public_key("alice-new"));
    lab.publish(&rotated).exits(3);
    assert_eq!(version(&lab), 1, "her old key does not speak for the new one");
    let both = format!("{}\", \"{}", lab.public_key("alice"), lab.public_key("alice-new"));
    lab.publish(&lab.changed(&lab.public_key("alice"), &both)).exits(0);
    assert_eq!(version(&lab), 2);
    lab.jit("alice-new", &["policy", "status"]).exits(0);
}

#[test]
fn a_format_above_ours_stops_this_program_for_good() {
    let lab = Lab::new();
    lab.request("carol", &["db/prod/orders", "read"], 0);
    let newer = lab.changed("format = 1", "format = 2\nmagic = true");
    lab.say_policy("alice", &lab.head("alice"), 2, 2, &newer);
    let refuses = || {
        let said = lab.check("carol", "db/prod/orders", "read").exits(4).because("policy-unsupported").json();
        assert!(said["reasons"][0]["message"].as_str().unwrap().contains("upgrade jit"), "{said}");
        lab.jit("carol", &["request", "db/prod/orders", "read", "--json"]).exits(4).because("policy-unsupported");
        lab.jit("carol", &["check", "db/prod/orders", "read"]).exits(4).says("upgrade jit");
        lab.jit("alice", &["policy", "status"]).exits(4).says("upgrade jit");
    };
    refuses();
    // A request made by hand there is on record and has no effect, whatever comes later.
    lab.say_request("dave", "db/prod/orders", "read", 600);
    assert_eq!(last_verdict(&lab)["verdict"], "without-effect");
    // Then one of our own format: whatever the newer one meant for the log, this program did not follow it.
    lab.say_policy("alice", &lab.head("alice"), 3, 1, &lab.changed("\"2h\"", "\"1h\""));
    refuses();
    assert_eq!(version(&lab), 3);
}

#[test]
fn a_policy_that_does_not_load_grants_nothing_and_the_next_one_does() {
    let lab = Lab::new();
    lab.request("carol", &["db/prod/orders", "read"], 0);
    let good = lab.files("\"alice\"", 1);
    let (alice, dave) = (lab.public_key("alice"), lab.public_key("dave"));
    // y = 1, the neutral element.
    let weak = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let mut without_settings = good.clone();
    without_settings.remove("jit.toml");
    let broken: Vec<(&str, u64, Files)> = vec![
        ("another format than its line says", 1, replaced(&good, "format = 1", "format = 2")),
        ("a lower format", 0, replaced(&good, "format = 1", "format = 0")),
        ("no format", 1, replaced(&good, "format = 1", "")),
        ("no jit.toml", 1, without_settings),
        ("no TOML", 1, replaced(&good, "[rule.ssh]", "[rule.ssh")),
        ("an unknown key", 1, replaced(&good, "count = 2", "count = 2, weight = 1")),
        ("an unknown group", 1, replaced(&good, "[\"group:oncall\"]", "[\"group:onkall\"]")),
        ("a bad pattern", 1, replaced(&good, "vault/**", "vault/***")),
        ("a key claimed twice", 1, replaced(&good, &dave, &alice)),
        ("a weak key", 1, replaced(&good, &dave, weak)),
        ("no maintainer", 1, replaced(&good, "maintainers = [\"alice\"]", "maintainers = []")),
        ("a group that maintains", 1, replaced(&good, "maintainers = [\"alice\"]", "maintainers = [\"group:dba\"]")),
        ("a threshold of none", 1, replaced(&good, "threshold = 1", "threshold = 0")),
        (
            "a group in itself",
            1,
            replaced(&good, "members = [\"bob\", \"carol\"]", "members = [\"bob\", \"group:dba\"]"),
        ),
        ("a rule twice", 1, replaced(&good, "[rule.vault]", "[rule.ssh]")),
        ("no duration", 1, replaced(&good, "duration = { max = \"1h\" }", "")),
    ];
    // The same files, published by the program: what is in force and does not load is not all there is to do.
    lab.commit_policy(&good);
    lab.say_policy("alice", &lab.head("alice"), 2, 0, &good);
    lab.check("carol", "db/prod/orders", "read").exits(4).because("policy-unverified");
    lab.jit("alice", &["policy", "publish", "--yes"]).exits(0).says("version 2 is in force and does not load");
    lab.check("carol", "db/prod/orders", "read").exits(0);
    lab.jit("alice", &["policy", "publish", "--yes"]).exits(0).says("Nothing to publish: version 3");
    let mut next = 4;
    for (name, format, files) in broken {
        if name != "another format than its line says" {
            lab.commit_policy(&files);
            let said = lab.jit("alice", &["policy", "publish", "--yes"]);
            assert!(matches!(said.code, Some(1)), "{name}: {said:?}");
        }
        lab.say_policy("alice", &lab.head("alice"), next, format, &files);
        assert_eq!(version(&lab), next, "{name}: it takes its version");
        lab.check("carol", "db/prod/orders", "read").exits(4).because("policy-unverified");
        lab.jit("carol", &["request", "db/prod/orders", "read", "--json"]).exits(4).because("policy-unverified");
        lab.jit("alice", &["policy", "status"]).exits(4).says("DOES NOT LOAD");
        next += 1;
        lab.say_policy("alice", &lab.head("alice"), next, 1, &good);
        lab.check("carol", "db/prod/orders", "read").exits(0);
        next += 1;
    }
    // What was asked while nothing could be judged has no effect, also later; and the broken ones did not end anything.
    lab.say_policy("alice", &lab.head("alice"), next, 1, &replaced(&good, "threshold = 1", "threshold = 9"));
    let lost = lab.say_request("dave", "db/prod/orders", "read", 600);
    lab.commit_policy(&good);
    lab.jit("alice", &["policy", "publish", "--yes"]).exits(0);
    lab.check("dave", "db/prod/orders", "read").exits(1).because("no-matching-rule");
    lab.jit("dave", &["token", &lost]).exits(1);
    lab.check("carol", "db/prod/orders", "read").exits(0);
}

#[test]
fn publish_takes_what_is_committed_and_nothing_else() {
    let lab = Lab::new();
    let wider = lab.changed("\"2h\"", "\"8h\"");
    std::fs::write(lab.repo().join("policies/rules.toml"), &wider["policies/rules.toml"]).unwrap();
    lab.jit("alice", &["policy", "publish", "--yes"]).exits(1).says("policies/rules.toml").says("commit or remove");
    lab.git(&["checkout", "-q", "."]);
    std::fs::write(lab.repo().join("policies/new.toml"), "").unwrap();
    lab.jit("alice", &["policy", "publish", "--yes"]).exits(1).says("policies/new.toml");
    for (path, name) in [("policies/new.toml", "policies/run.sh"), ("policies/run.sh", "policies/New.toml")] {
        std::fs::rename(lab.repo().join(path), lab.repo().join(name)).unwrap();
        lab.git(&["add", "-A"]);
        lab.git(&["commit", "-q", "-m", "Add what is no policy file"]);
        let said = lab.jit("alice", &["policy", "publish", "--yes"]);
        assert!(matches!(said.code, Some(1 | 5)) && said.stderr.contains(name), "{said:?}");
    }
    assert_eq!(version(&lab), 1);
    lab.git(&["rm", "-q", "policies/New.toml"]);
    lab.git(&["commit", "-q", "-m", "Remove it"]);
    std::os::unix::fs::symlink("/etc/passwd", lab.repo().join("policies/link.toml")).unwrap();
    lab.git(&["add", "-A"]);
    lab.git(&["commit", "-q", "-m", "Add a link"]);
    let said = lab.jit("alice", &["policy", "publish", "--yes"]);
    assert!(matches!(said.code, Some(1 | 5)) && said.stderr.contains("link.toml"), "{said:?}");
    assert_eq!(version(&lab), 1);
}
