//! `jit identity add`.

use std::fs;

use insta::assert_snapshot;

use crate::support::Team;
use crate::support::keys::public_key;
use crate::support::shape::{Shape, assert_shape, error, list, object};

#[test]
fn a_person_is_added_and_published() {
    let team = Team::new();
    team.jit("alice", "identity add mallory ../home/mallory/.ssh/id_ed25519.pub").show();
    team.note("cat identities/mallory.toml");
    let written = fs::read_to_string(team.repo().join("identities/mallory.toml")).unwrap();
    assert_snapshot!("written", written);
    team.jit("alice", "policy publish --yes").show();
    team.git(&["add", "-A"]);
    team.git(&["commit", "-q", "-m", "Add mallory"]);
    team.jit("alice", "policy publish").answer("y").show();
    team.jit("mallory", "whoami").show();
    assert_snapshot!(team.transcript());
}

#[test]
fn services_names_with_dots_and_nobody_s_key() {
    let team = Team::new();
    team.jit("alice", "identity add ci.bot - --service-of alice --service-of bob")
        .stdin(format!("# two keys\n\n{}\n{}\n", public_key("one"), public_key("two")))
        .show();
    team.jit("alice", "identity add frank").show();
    team.jit("alice", "policy lint").show();
    assert_snapshot!(team.transcript());
    assert_snapshot!("service", fs::read_to_string(team.repo().join("identities/ci.bot.toml")).unwrap());
}

#[test]
fn json() {
    let team = Team::new();
    let answer = team.jit("alice", "identity add mallory - --json").stdin(public_key("mallory")).run();
    let added = object(&[("name", Shape::Text), ("file", Shape::Text), ("fingerprints", list(Shape::Text))]);
    assert_eq!(answer.status, 0);
    assert_shape(&answer.json(), &added);
    let again = team.jit("alice", "identity add mallory - --json").stdin(public_key("mallory")).run();
    assert_eq!(again.status, 1);
    assert_shape(&again.json(), &error());
}

#[test]
fn refusals() {
    let team = Team::new();
    let key = public_key("mallory");
    let rsa = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC7 me";
    let cases = [
        ("taken name", "identity add alice -", key.clone(), 1),
        ("taken key", "identity add mallory -", public_key("bob"), 1),
        ("options", "identity add mallory -", format!("command=\"sh\" {key}"), 2),
        ("certificate", "identity add mallory -", key.replace("ssh-ed25519 ", "ssh-ed25519-cert-v01@openssh.com "), 2),
        ("another kind", "identity add mallory -", rsa.to_owned(), 2),
        ("no key", "identity add mallory -", "# nothing\n".to_owned(), 2),
        ("a private key", "identity add mallory ../home/bob/.ssh/id_ed25519", String::new(), 2),
        ("no file", "identity add mallory nobody.pub", String::new(), 2),
        ("no such owner", "identity add bot - --service-of nobody", key.clone(), 1),
        ("no name", "identity add 'Eve Smith' -", key.clone(), 2),
        ("hostile text", "identity add mallory -", "ssh-ed25519 \u{1b}[2J\u{202e}".to_owned(), 2),
    ];
    for (what, line, input, status) in cases {
        team.note(what);
        assert_eq!(team.jit("alice", line).stdin(input).show().status, status, "{what}");
    }
    assert_snapshot!(team.transcript());
    assert_eq!(team.git(&["status", "--porcelain"]), "");
}

#[test]
fn comments_of_keys_can_not_break_out() {
    let team = Team::new();
    let key = format!("{} \"]\u{1b}[31m\u{202e}\\", public_key("mallory").trim_end_matches(" mallory@laptop"));
    let ran = team.jit("alice", "identity add mallory -").stdin(key).show();
    assert_eq!(ran.status, 0);
    assert!(!ran.out.contains(['\u{1b}', '\u{202e}']), "{}", ran.out);
    let written = fs::read_to_string(team.repo().join("identities/mallory.toml")).unwrap();
    assert!(!written.contains(['\u{1b}', '\u{202e}', '\\']), "{written}");
    assert_eq!(team.jit("alice", "policy lint").run().status, 0);
}
