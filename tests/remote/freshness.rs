//! A gate that is cut off, clocks that are off, and gates that look at once.

use std::fs;
use std::process::Stdio;
use std::time::{SystemTime, UNIX_EPOCH};

use jit::core::time::Timestamp;

use crate::lab::{LONG_AGO, Lab, Said, WHAT, check};

/// The time in so many seconds, as a stamp.
fn from_now(seconds: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    format!("{}\n", Timestamp::from_unix(i64::try_from(now).unwrap() + seconds))
}

#[test]
fn a_gate_that_is_cut_off_answers_while_it_may_and_is_right_again_within_one_check() {
    let lab = Lab::new();
    let id = lab.request("bob", "INC-0001 first");
    lab.check("bob").exits(0);
    fs::rename(lab.host(), lab.path("away.git")).unwrap();
    for age in [10, 200] {
        lab.stamp(&from_now(-age));
        let said = lab.check("bob").exits(0);
        let seconds = said.json()["age_s"].as_i64().unwrap();
        assert!((age..age + 60).contains(&seconds), "{seconds}");
        let shown = lab.jit("bob", &["check", WHAT[0], WHAT[1]]).exits(0);
        assert!(shown.out.contains("by the log as it was ") && shown.out.contains(" ago"), "{}", shown.out);
    }
    // Older than the caller wants it, older than the policy allows, or of an age that nobody knows.
    for (stamp, max_age) in [(from_now(-10), "2s"), (from_now(-310), "9h"), (LONG_AGO.to_owned(), "9h")] {
        lab.stamp(&stamp);
        let args = [&check("bob")[..], &["--max-age", max_age]].concat();
        let stale = lab.jit("bob", &args).exits(5).because("stale");
        let (_, message) = stale.reason();
        assert!(message.contains("the log here was fetched ") && message.contains(" ago, and "), "{message}");
        assert!(message.contains("does not appear to be a git repository"), "{message}");
        assert!(stale.err.contains("help: "), "{}", stale.err);
        assert!(stale.json()["age_s"].is_u64());
    }
    // What happened meanwhile counts in the first check that gets through, and in no earlier one.
    fs::rename(lab.path("away.git"), lab.host()).unwrap();
    lab.jit("alice", &["revoke", &id, "--reason", "over"]).exits(0);
    let back = lab.check("bob").exits(1).because("revoked");
    assert!(back.json()["age_s"].as_u64().unwrap() < 60);
    assert_eq!(back.json()["log"]["size"], lab.verified("alice")["size"]);
}

#[test]
fn the_policy_says_how_old_an_answer_may_be() {
    let lab = Lab::new();
    let settings = lab.path("alice/clone/jit.toml");
    let text = fs::read_to_string(&settings).unwrap();
    assert!(text.contains("max_age = \"5m\""), "{text}");
    fs::write(&settings, text.replace("max_age = \"5m\"", "max_age = \"1s\"")).unwrap();
    lab.publish("Fresher");
    lab.request("bob", "INC-0001 first");
    lab.check("bob").exits(0);
    fs::rename(lab.host(), lab.path("away.git")).unwrap();
    lab.stamp(&from_now(-5));
    lab.check("bob").exits(5).because("stale");
    lab.jit("bob", &[&check("bob")[..], &["--max-age", "1h"]].concat()).exits(5).because("stale");
    fs::rename(lab.path("away.git"), lab.host()).unwrap();
    lab.check("bob").exits(0);
}

#[test]
fn a_clock_that_is_off_by_an_hour_opens_nothing() {
    let lab = Lab::new();
    let id = lab.request("bob", "INC-0001 first");
    lab.check("bob").exits(0);
    // It went back, or was ahead when the log was fetched: what had ended would be live again.
    lab.stamp(&from_now(3600));
    let off = lab.check("bob").exits(5).because("clock");
    assert!(off.reason().1.contains("this machine's clock is wrong"), "{}", off.out);
    assert!(off.err.contains("jit sync"), "{}", off.err);
    // Off by less than a minute is no fault of anybody's.
    lab.stamp(&from_now(30));
    lab.check("bob").exits(0);
    lab.stamp(&from_now(3600));
    lab.jit("bob", &["sync"]).exits(0);
    lab.check("bob").exits(0);
    // An hour behind: nothing was fetched for as long as that, and it is looked anew.
    lab.jit("alice", &["revoke", &id, "--reason", "over"]).exits(0);
    lab.stamp(&from_now(-3600));
    lab.check("bob").exits(1).because("revoked");
}

#[test]
fn gates_that_look_at_once_in_one_clone_all_get_an_answer() {
    let lab = Lab::new();
    lab.request("bob", "INC-0001 first");
    for round in 0..3 {
        lab.request("alice", &format!("INC-0002 round {round}"));
        lab.stamp(LONG_AGO);
        let start = |_| {
            let mut command = lab.command("bob", env!("CARGO_BIN_EXE_jit"), &check("bob"));
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let gates: Vec<_> = (0..8).map(start).collect();
        for gate in gates {
            let said = Said::from(gate.wait_with_output().unwrap()).exits(0);
            assert!(said.json()["age_s"].as_u64().unwrap() < 60, "{}", said.out);
        }
    }
}

/// A git from before 2.41, such as Debian 12's, whose `fetch` has no `--porcelain`.
const OLD_GIT: &str = r#"#!/bin/sh
case " $* " in
*" fetch "*" --porcelain "*)
    echo "error: unknown option \`porcelain'" >&2
    echo "usage: git fetch [<options>] [<repository> [<refspec>...]]" >&2
    exit 129 ;;
esac
PATH=${PATH#*:} exec git "$@"
"#;

#[test]
fn an_older_git_fetches_too() {
    let lab = Lab::new();
    let path = lab.path_with("git", OLD_GIT);
    let path = [("PATH", path.to_str().unwrap())];
    let id = lab.request("alice", "INC-0001 first");
    lab.jit_with("bob", &path, &["sync"]).exits(0);
    lab.jit_with("bob", &path, &check("alice")).exits(0);
    lab.jit_with("bob", &path, &["request", WHAT[0], WHAT[1], "--reason", "INC-0002 second"]).exits(0);
    lab.jit("alice", &["revoke", &id, "--reason", "over"]).exits(0);
    lab.stamp(LONG_AGO);
    lab.jit_with("bob", &path, &check("alice")).exits(1).because("revoked");
    let many: Vec<_> = (0..6)
        .map(|_| {
            lab.stamp(LONG_AGO);
            let mut command = lab.command("bob", env!("CARGO_BIN_EXE_jit"), &check("bob"));
            command.env("PATH", path[0].1).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for child in many {
        Said::from(child.wait_with_output().unwrap()).exits(0);
    }
    fs::rename(lab.host(), lab.path("away.git")).unwrap();
    lab.stamp(LONG_AGO);
    lab.jit_with("bob", &path, &check("bob")).exits(5).because("stale");
}
