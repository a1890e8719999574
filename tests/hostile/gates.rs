//! Gates that stand in the wrong place, with the wrong clock, or before the wrong log.

use std::fs;

use crate::forge::{BRANCH, hex, merkle_root};
use crate::lab::{Lab, Said};

/// A repo by mallory in which everybody may do everything, that nobody here trusts; as a folder of the lab's.
fn foreign_repo(lab: &Lab) -> (std::path::PathBuf, String) {
    let folder = lab.path("foreign");
    fs::create_dir(&folder).unwrap();
    lab.git(&["-C", folder.to_str().unwrap(), "init", "-q"]);
    let key = lab.public_key("mallory");
    for (path, text) in [
        ("jit.toml", "format = 1\nname = \"acme\"\nmaintainers = [\"carol\"]\nthreshold = 1\n".to_owned()),
        ("identities/people.toml", format!("[identity.carol]\nkind = \"person\"\nkeys = [\"{key}\"]\n")),
        (
            "policies/rules.toml",
            "[rule.all]\nsubjects = [\"carol\"]\nresources = [\"**\"]\nactions = [\"*\"]\nduration = { max = \"1h\" }\n"
                .to_owned(),
        ),
    ] {
        fs::create_dir_all(folder.join(path).parent().unwrap()).unwrap();
        fs::write(folder.join(path), text).unwrap();
    }
    let at = folder.to_str().unwrap();
    lab.git(&["-C", at, "add", "-A"]);
    lab.git(&["-C", at, "commit", "-q", "-m", "Mine"]);
    let home = lab.path("their-home");
    fs::create_dir(&home).unwrap();
    let mut init = lab.jit_command("mallory", &["init", ".", "--json"]);
    let made = Said::from(init.env("HOME", &home).current_dir(&folder).output().unwrap()).exits(0).json();
    let mut request = lab.jit_command("mallory", &["request", "db/prod/orders", "read", "--token"]);
    let said = Said::from(request.env("HOME", &home).current_dir(&folder).output().unwrap()).exits(0);
    fs::write(folder.join("token"), &said.stdout).unwrap();
    lab.run("chmod", &["600", folder.join("token").to_str().unwrap()], b"");
    (folder, made["genesis"].as_str().unwrap().to_owned())
}

const ASK: [&str; 6] = ["check", "db/prod/orders", "read", "--subject", "carol", "--json"];

#[test]
fn a_foreign_repo_around_the_current_folder_is_not_asked() {
    let lab = Lab::new();
    let (foreign, genesis) = foreign_repo(&lab);
    // The default repo answers, in which carol has no grant.
    let said = lab.jit_in(&foreign, "carol", &ASK).exits(1).because("no-grant").json();
    assert_eq!(said["log"]["genesis"].as_str(), Some(&*lab.genesis));
    lab.jit_in(&foreign, "mallory", &["check", "db/prod/orders", "read"]).exits(1);
    lab.jit_in(&foreign, "carol", &["check", "db/prod/orders", "read", "--token-file", "token", "--json"])
        .exits(1)
        .because("wrong-log");
    // Named on the command line it still is no log that this machine trusts.
    lab.jit("carol", &[&["-C", "../foreign"], &ASK[..]].concat()).exits(4).because("unknown-genesis");
    let mut named = lab.jit_command("carol", &ASK);
    Said::from(named.env("JIT_REPO", &foreign).output().unwrap()).exits(4).because("unknown-genesis");
    // Neither is it in a clone of the true repo that it was pushed into, under the same branch.
    lab.jit_in(&foreign, "carol", &[&ASK[..], &["--genesis", &lab.genesis]].concat()).exits(1).because("no-grant");
    lab.jit("carol", &[&["-C", "../foreign"], &ASK[..], &["--genesis", &lab.genesis]].concat())
        .exits(4)
        .because("unknown-genesis");
    // Without a default repo there is nothing to ask.
    fs::remove_file(lab.path("home/.config/jit/config.toml")).unwrap();
    lab.jit_in(&foreign, "carol", &ASK).exits(5).because("unavailable");
    // Only who names its genesis gets its answer.
    lab.jit_in(&foreign, "carol", &[&ASK[..], &["--genesis", &genesis]].concat()).exits(0);
    lab.jit_in(&lab.repo(), "carol", &ASK).exits(1);
}

#[test]
fn a_foreign_log_in_the_place_of_ours() {
    let lab = Lab::new();
    lab.request("carol", &["db/prod/orders", "read"], 0);
    let (foreign, genesis) = foreign_repo(&lab);
    let ours = lab.tip();
    lab.git(&["fetch", "-q", foreign.to_str().unwrap(), &format!("+{BRANCH}:{BRANCH}")]);
    let said = lab.jit("carol", &ASK).exits(4).because("log-rewritten");
    assert!(said.stdout.contains(&lab.genesis) || said.stdout.contains("extend"), "{said:?}");
    lab.jit("carol", &["request", "db/prod/orders", "read"]).exits(4);
    lab.jit("carol", &[&ASK[..], &["--genesis", &genesis]].concat()).exits(4);
    lab.git(&["update-ref", BRANCH, &ours]);
    lab.jit("carol", &ASK).exits(0);
}

#[test]
fn a_repo_that_merely_stands_around_never_moves_a_pin() {
    let lab = Lab::new();
    lab.request("carol", &["db/prod/orders", "read"], 0);
    // A copy of ours, with a line that the true repo does not have.
    lab.git(&["clone", "-q", ".", "../copy"]);
    let copy = lab.path("copy");
    lab.git(&["-C", "../copy", "fetch", "-q", "origin", &format!("{BRANCH}:{BRANCH}")]);
    let honest = lab.tip();
    lab.push(&["only in the copy"]);
    let fork = lab.tip();
    lab.git(&["-C", "../copy", "fetch", "-q", "origin", &format!("+{BRANCH}:{BRANCH}")]);
    lab.git(&["update-ref", BRANCH, &honest]);
    assert_ne!(honest, fork);
    for args in [
        &["audit", "verify"][..],
        &["list"],
        &ASK,
        &["check", "db/prod/orders", "read", "--subject", "carol", "--genesis", &lab.genesis],
    ] {
        let said = lab.jit_in(&copy, "carol", args);
        assert_eq!(said.code, Some(0), "{args:?}: {said:?}");
    }
    // The true log goes on from where it was.
    lab.push(&["another line"]);
    lab.check("carol", "db/prod/orders", "read").exits(0);
    lab.verify();
}

#[test]
fn a_clock_behind_the_policy_in_force_is_no_clock() {
    let lab = Lab::new();
    lab.request("carol", &["db/prod/orders", "read"], 0);
    let files = lab.changed("max = \"4h\"", "max = \"3h\"");
    // A minute is forgiven, as clocks differ.
    let mut head = lab.head("alice");
    head.at = lab.time(50);
    lab.say_policy("alice", &head, 2, 1, &files);
    lab.check("carol", "db/prod/orders", "read").exits(0);
    // The policy in force is dated ahead: this machine's clock is behind it, whoever of the two is wrong.
    let mut head = lab.head("alice");
    head.at = lab.time(3700);
    lab.say_policy("alice", &head, 3, 1, &lab.changed("max = \"4h\"", "max = \"2h\""));
    let said = lab.check("carol", "db/prod/orders", "read").exits(5).because("clock").json();
    assert_eq!((said["decision"].as_str(), said["grant"].is_null()), (Some("deny"), true));
    assert!(said["reasons"][0]["message"].as_str().unwrap().contains(&head.at), "{said}");
    lab.jit("carol", &["check", "db/prod/orders", "read"]).exits(5).says("clock");
    lab.jit("carol", &["request", "db/prod/orders", "read", "--json"]).exits(5).because("clock");
    // It is no trap: a maintainer publishes another one, and sees the dates.
    lab.commit_policy(&lab.changed("max = \"4h\"", "max = \"90m\""));
    lab.jit("alice", &["policy", "publish", "--yes"]).exits(0).says(&head.at);
    lab.check("carol", "db/prod/orders", "read").exits(0);
    lab.verify();
}

#[test]
fn a_policy_dated_ahead_is_not_approved() {
    let lab = Lab::with_two_maintainers();
    let files = lab.files("\"alice\", \"bob\"", 2);
    let files = files.into_iter().map(|(path, text)| (path, text.replace("\"4h\"", "\"3h\""))).collect();
    let mut head = lab.head("alice");
    head.at = lab.time(3700);
    let ahead = lab.say_policy("alice", &head, 2, 1, &files);
    lab.jit("bob", &["approve", &ahead, "--yes"]).exits(5).says(&head.at).says("ahead");
    assert_eq!(lab.verify()["policy"]["version"], 1);
}

#[test]
fn a_minimum_holds_whoever_names_it() {
    let lab = Lab::new();
    lab.request("carol", &["db/prod/orders", "read"], 0);
    let lines = lab.lines();
    let root = |size: usize| hex(&merkle_root(&lines[..size]));
    let ask =
        |minimum: String| lab.jit("carol", &[&ASK[..], &["--genesis", &format!("{}:{minimum}", lab.genesis)]].concat());
    for size in 1..=lines.len() {
        ask(format!("{size}:{}", root(size))).exits(0);
        ask(format!("{size}:{}", "0".repeat(64))).exits(4).because("log-rewritten");
    }
    ask(format!("4:{}", root(3))).exits(4).because("log-rewritten");
    for nonsense in
        ["0:".to_owned() + &root(1), "1".to_owned(), "1:".to_owned(), "x:y".to_owned(), format!("1:{}:2", root(1))]
    {
        ask(nonsense).exits(2);
    }
    lab.jit("carol", &[&ASK[..], &["--genesis", &lab.genesis[..16]]].concat()).exits(2);
}
