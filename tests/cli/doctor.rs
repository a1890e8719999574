//! `jit doctor`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use insta::assert_snapshot;
use regex::Regex;

use crate::support::shape::{Shape, assert_shape, list, object, or_null};
use crate::support::{Call, Ran, Team};

/// With nothing of this machine's configuration in it.
fn doctor<'t>(team: &'t Team, who: &str, line: &str) -> Call<'t> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    team.jit(who, line).var("GIT_CONFIG_NOSYSTEM", "1").var("PATH", path)
}

/// The transcript, without what differs from machine to machine: git's version, and who runs this.
fn transcript(team: &Team) -> String {
    let text = team.transcript();
    let text = Regex::new(r"(git +)\d\S*").unwrap().replace_all(&text, "${1}$$VERSION");
    Regex::new(r"`[^`]*`(, who runs this|: chmod)").unwrap().replace_all(&text, "`$$ME`$1").into_owned()
}

fn check(ran: &Ran, name: &str) -> serde_json::Value {
    let json = ran.json();
    let checks = json["checks"].as_array().unwrap();
    checks.iter().rfind(|check| check["name"] == name).unwrap_or_else(|| panic!("no {name} in {json}")).clone()
}

#[test]
fn nothing_is_in_the_way() {
    let team = Team::new();
    assert_eq!(doctor(&team, "alice", "doctor").show().status, 0);
    team.note("without a key, a gate still works");
    fs::remove_dir_all(team.home("erin").join(".ssh")).unwrap();
    assert_eq!(doctor(&team, "erin", "doctor").var("JIT_GENESIS", team.genesis()).show().status, 0);
    assert_snapshot!(transcript(&team));
}

#[test]
fn what_a_newcomer_meets() {
    let team = Team::new();
    team.note("a key that is nobody's, and a log that this user was never told of");
    assert_eq!(doctor(&team, "mallory", "doctor").show().status, 4);
    team.note("a key that is not there");
    assert_eq!(doctor(&team, "alice", "doctor --key nowhere").show().status, 5);
    team.note("no repo at all");
    let elsewhere = team.home("bob");
    assert_eq!(doctor(&team, "bob", "doctor").cwd(&elsewhere).show().status, 5);
    team.note("a folder that is no repo");
    assert_eq!(doctor(&team, "bob", "doctor -C .ssh").cwd(&elsewhere).show().status, 5);
    assert_snapshot!(transcript(&team));
}

#[test]
fn what_is_broken_in_a_repo() {
    let team = Team::new();
    let mut files = crate::support::policy::policy(1);
    files.push(("policies/more.toml".to_owned(), String::new()));
    team.commit(&files);
    team.push_line("no line of anybody's");
    let common = team.repo().join(".git");
    fs::write(common.join("refs/heads/jit/audit.lock"), "").unwrap();
    fs::write(common.join("jit/ref-00"), "").unwrap();
    team.git(&["config", "core.sharedRepository", "umask"]);
    fs::set_permissions(common.join("hooks"), fs::Permissions::from_mode(0o777)).unwrap();
    assert_eq!(doctor(&team, "alice", "doctor").show().status, 5);
    team.note("a log that was rewritten");
    fs::remove_file(common.join("refs/heads/jit/audit.lock")).unwrap();
    fs::set_permissions(common.join("hooks"), fs::Permissions::from_mode(0o755)).unwrap();
    team.jit("alice", "list").run();
    team.git(&["update-ref", "refs/heads/jit/audit", "jit/audit~2"]);
    assert_eq!(doctor(&team, "alice", "doctor").show().status, 4);
    assert_snapshot!(transcript(&team));
}

#[test]
fn what_is_wrong_with_this_machine() {
    let team = Team::new();
    let (genesis, config) = (team.genesis(), team.home("alice").join(".config/jit"));
    team.note("others could have written what is trusted");
    fs::set_permissions(config.join("config.toml"), fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(doctor(&team, "alice", "doctor").show().status, 5);
    fs::set_permissions(config.join("config.toml"), fs::Permissions::from_mode(0o600)).unwrap();
    team.note("the pin is lost");
    fs::remove_dir_all(config.join("pins")).unwrap();
    assert_eq!(doctor(&team, "alice", "doctor").show().status, 4);
    team.note("git's owner check is switched off, and the clock is wrong");
    team.write("home/bob/.gitconfig", "[safe]\n\tdirectory = *\n");
    team.wait(-7200);
    assert_eq!(doctor(&team, "bob", "doctor").var("JIT_GENESIS", genesis).show().status, 5);
    assert_snapshot!(transcript(&team));
}

#[test]
fn json() {
    let team = Team::new();
    let shape = object(&[
        ("ok", Shape::Bool),
        (
            "checks",
            list(object(&[
                ("name", Shape::Text),
                ("ok", Shape::Bool),
                ("severity", or_null(Shape::Word(&["note", "problem"]))),
                ("message", Shape::Text),
                ("help", or_null(Shape::Text)),
            ])),
        ),
    ]);
    for (who, status) in [("alice", 0), ("mallory", 4)] {
        let ran = doctor(&team, who, "doctor --json").run();
        assert_eq!(ran.status, status, "{ran:?}");
        assert_shape(&ran.json(), &shape);
        assert_eq!(ran.json()["ok"], status == 0);
    }
    let asked = doctor(&team, "alice", "doctor --json --remote").run();
    assert_eq!((asked.status, &check(&asked, "host")["severity"]), (5, &"problem".into()));
}

#[test]
fn nothing_is_changed() {
    let team = Team::new();
    let state = |team: &Team| {
        let output = std::process::Command::new("find")
            .arg(team.path("."))
            .args(["-not", "-type", "d", "-printf", "%p %s %T@ %m\n"])
            .output()
            .unwrap();
        let mut lines: Vec<_> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    // Others have written more since this user's pin was kept.
    team.request("carol", "db/staging/x read");
    let before = state(&team);
    assert!(before.len() > 20);
    for who in ["alice", "carol", "mallory"] {
        doctor(&team, who, "doctor --remote").run();
    }
    assert_eq!(state(&team), before);
}
