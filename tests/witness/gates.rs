//! What gates answer.

use std::fs;

use crate::team::{NOBODY, Said, State, Team};

#[track_caller]
fn code(said: &Said) -> String {
    said.json()["reasons"][0]["code"].as_str().unwrap().to_owned()
}

#[track_caller]
fn message(said: &Said) -> String {
    said.json()["reasons"][0]["message"].as_str().unwrap().to_owned()
}

#[test]
fn a_gate_is_as_fresh_as_the_last_word_of_a_witness() {
    let team = Team::new();
    team.request("a");
    let silent = team.check("a").exits(5);
    assert_eq!((code(&silent), silent.json()["age_s"].is_null()), ("stale".to_owned(), true));
    assert!(message(&silent).contains("no witness"), "{}", silent.out);

    let said = team.jit("w1", &["witness", "--json"]).exits(0).json();
    assert_eq!((&said["witness"], &said["size"]), (&"w1".into(), &team.state().size.into()));
    let open = team.check("a").exits(0);
    assert!(open.json()["age_s"].as_u64().unwrap() < 60, "{}", open.out);
    // The form of what it pushed: a commit without a parent, with one file of one line, that stock ssh-keygen verifies.
    let tree = team.on_host(&["ls-tree", "-r", "jit/witness/w1"]);
    assert!(tree.starts_with("100644 blob ") && tree.ends_with("\tcheckpoint") && tree.lines().count() == 1, "{tree}");
    assert_eq!(team.on_host(&["rev-list", "--count", "jit/witness/w1"]), "1");
    let file = team.on_host(&["show", "jit/witness/w1:checkpoint"]);
    let (body, signature) = file.split_once(",\"sig\":\"").unwrap();
    let body = body.strip_prefix("{\"body\":").unwrap();
    fs::write(team.path("said"), body).unwrap();
    let armour = format!(
        "-----BEGIN SSH SIGNATURE-----\n{}\n-----END SSH SIGNATURE-----\n",
        signature.strip_suffix("\"}").unwrap()
    );
    fs::write(team.path("said.sig"), armour).unwrap();
    fs::write(team.path("signers"), format!("w1 {}", fs::read_to_string(team.path("w1/key.pub")).unwrap())).unwrap();
    let script = "ssh-keygen -Y verify -n jit -I w1 -f ../signers -s ../said.sig < ../said";
    team.run("alice", "sh", &["-c", script]).exits(0);

    // Overwritten by the next, which has no more of a past.
    team.request("b");
    assert_eq!(team.jit("w1", &["witness", "--json"]).exits(0).json()["size"], team.state().size);
    assert_eq!(team.on_host(&["rev-list", "--count", "jit/witness/w1"]), "1");
    // In a clone that starts now, a word of ten minutes ago is too old, whenever it was fetched; one of four is not.
    fs::create_dir(team.path("bob/other")).unwrap();
    for (seconds, status) in [(600, 5), (240, 0)] {
        let state = team.state();
        team.put("checkpoint", &team.checkpoint("w1", "w1", state, state, seconds));
        fs::remove_dir_all(team.path("bob/clone")).unwrap();
        let said = team.try_clone("bob").exits(0);
        assert_eq!(said.err.contains("the last witness of the log here was `w1`, 10m"), status == 5, "{}", said.err);
        let said = team.check("b").exits(status);
        let age = said.json()["age_s"].as_i64().unwrap();
        assert!((seconds..seconds + 60).contains(&age), "{age}");
        if status == 5 {
            assert_eq!(code(&said), "stale");
            assert!(message(&said).contains("`w1`, 10m"), "{}", said.out);
        }
    }
    // A gate may ask for fresher data than the policy does.
    let strict = ["check", "db/staging/b", "read", "--subject", "alice", "--json", "--max-age", "3m"];
    assert_eq!(code(&team.jit("bob", &strict).exits(5)), "stale");
}

#[test]
fn without_witnesses_in_the_policy_nobody_is_listened_to() {
    let team = Team::new();
    team.request("a");
    team.set_witnesses("[]");
    team.put("checkpoint", &team.checkpoint("w1", "w1", NOBODY, NOBODY, 0));
    // The gate's own copy still names one until it has fetched; what it fetches does not.
    team.check("a").exits(0);
    let said = team.jit("w1", &["witness"]).exits(1);
    assert!(said.err.contains("does not name `w1` as a witness"), "{}", said.err);
}

#[test]
fn only_a_witness_that_trusts_the_log_vouches_for_it() {
    let team = Team::new();
    let said = team.jit("alice", &["witness"]).exits(1);
    assert!(said.err.contains("does not name `alice` as a witness"), "{}", said.err);
    team.run("w1", "git", &["clone", "-q", "../../host.git", "../plain"]).exits(0);
    let config = team.path("w1/.config");
    fs::rename(&config, team.path("w1/config-gone")).unwrap();
    team.jit("w1", &["-C", "plain", "witness"]).exits(4);
    fs::rename(team.path("w1/config-gone"), &config).unwrap();
    // Nor does it for what it could not fetch.
    fs::rename(team.path("host.git"), team.path("gone.git")).unwrap();
    let said = team.jit("w1", &["witness"]).exits(5);
    assert!(said.err.contains("nothing to vouch for"), "{}", said.err);
    fs::rename(team.path("gone.git"), team.path("host.git")).unwrap();
    team.jit("w1", &["witness"]).exits(0);
}

#[test]
fn what_others_put_in_its_place_is_nothing() {
    let team = Team::new();
    team.request("a");
    let state = team.state();
    let good = team.checkpoint("w1", "w1", state, state, 1);
    let table = [
        ("another's key", "checkpoint", team.checkpoint("w1", "bob", state, state, 1), "not a key of `w1`"),
        ("another root by another's key", "checkpoint", team.checkpoint("w1", "bob", NOBODY, state, 1), "not a key"),
        ("no witness", "checkpoint", team.checkpoint("alice", "alice", state, state, 1), "does not name `alice`"),
        ("dated ahead", "checkpoint", team.checkpoint("w1", "w1", state, state, -600), "yet to come"),
        ("a changed byte", "checkpoint", good.replacen("\"size\":", "\"Size\":", 1), "no signed line"),
        ("no line feed", "checkpoint", good.trim_end().to_owned(), "no line feed"),
        ("another file", "other", good.clone(), "something else"),
        ("garbage", "checkpoint", "\u{1b}[31m\n".to_owned(), "no signed line"),
        ("100 KiB", "checkpoint", "x".repeat(100 * 1024) + "\n", "something else"),
    ];
    for (name, path, file, expected) in table {
        team.put(path, &file);
        let said = team.check("a").exits(5);
        assert_eq!(code(&said), "stale", "{name}");
        assert!(message(&said).contains(expected), "{name}: {}", said.out);
        assert!(!said.out.contains('\u{1b}') && !said.err.contains('\u{1b}'), "{name}");
    }
    team.put("checkpoint", &good);
    team.check("a").exits(0);
    // What was believed stays believed, for as long as it is fresh, whatever the host shows next.
    team.put("checkpoint", "garbage\n");
    team.jit("bob", &["sync"]).exits(0);
    team.check("a").exits(0);
    team.remove_branch();
    team.jit("bob", &["sync"]).exits(0);
    team.check("a").exits(0);
}

#[test]
fn a_host_that_withholds_lines_is_found_out() {
    let team = Team::new();
    team.request("a");
    let before = team.on_host(&["rev-parse", "jit/audit"]);
    team.jit("bob", &["sync"]).exits(0);
    team.request("b");
    team.jit("w1", &["witness"]).exits(0);
    let whole = team.on_host(&["rev-parse", "jit/audit"]);
    team.on_host(&["update-ref", "refs/heads/jit/audit", &before]);
    // The gate has never seen more than it is shown, so only the witness can tell.
    let said = team.check("a").exits(5);
    assert_eq!(code(&said), "stale");
    assert!(message(&said).contains(&format!("`w1` has seen {} lines", team.size_seen())), "{}", said.out);
    team.on_host(&["update-ref", "refs/heads/jit/audit", &whole]);
    team.check("a").exits(0);
}

impl Team {
    /// How many lines w1 has vouched for.
    fn size_seen(&self) -> u64 {
        let file = self.on_host(&["show", "jit/witness/w1:checkpoint"]);
        let (_, rest) = file.rsplit_once("\"size\":").unwrap();
        rest.split(',').next().unwrap().parse().unwrap()
    }
}

#[test]
fn two_logs_are_proof_of_a_fork() {
    let team = Team::new();
    team.request("a");
    team.jit("w1", &["witness"]).exits(0);
    team.check("a").exits(0);
    let state = team.state();
    let kept = team.git("bob", &["rev-parse", "refs/remotes/origin/jit/audit"]);
    let other = State { size: state.size + 1, root: NOBODY.root };
    team.request("b");
    let longer = team.state();
    for (name, file) in [
        ("another root", team.checkpoint("w1", "w1", other, state, 0)),
        ("another root, however old", team.checkpoint("w1", "w1", other, state, 100_000)),
        ("another root seen", team.checkpoint("w1", "w1", longer, other, 0)),
    ] {
        team.put("checkpoint", &file);
        // What is fetched now is contradicted; nothing of it is believed, nor is the pin moved to it.
        let said = team.jit("bob", &["sync"]).exits(4);
        for root in [other.root, longer.root] {
            assert!(said.err.contains(&root.to_string()), "{name}: {}", said.err);
        }
        assert_eq!(team.git("bob", &["rev-parse", "refs/remotes/origin/jit/audit"]), kept, "{name}");
        for words in [&["list"][..], &["witness"], &["request", "db/staging/c", "read"]] {
            team.jit("bob", words).exits(4);
        }
    }
    fs::remove_dir_all(team.path("bob/clone")).unwrap();
    // Whoever clones now is told before anything is trusted, and keeps nothing of it.
    let said = team.try_clone("bob").exits(4);
    assert!([other.root, longer.root].iter().all(|root| said.err.contains(&root.to_string())), "{}", said.err);
    assert!(!team.path("bob/clone").exists());
    team.remove_branch();
    let said = team.try_clone("bob").exits(0);
    assert!(said.err.contains("no witness has vouched for the log here"), "{}", said.err);
    team.put("checkpoint", &team.checkpoint("w1", "w1", longer, other, 0));
    let said = team.check("b").exits(4);
    assert_eq!(code(&said), "log-rewritten");
    assert!([other.root, longer.root].iter().all(|root| message(&said).contains(&root.to_string())), "{}", said.out);
    // Cut off, it is no less a proof.
    fs::rename(team.path("host.git"), team.path("gone.git")).unwrap();
    assert_eq!(code(&team.check("b").exits(4)), "log-rewritten");
    fs::rename(team.path("gone.git"), team.path("host.git")).unwrap();
    // If it was the checkpoint that was false, it goes, and the next one is believed without ceremony.
    team.remove_branch();
    team.jit("w1", &["witness"]).exits(0);
    team.check("b").exits(0);
}

#[test]
fn without_a_remote_its_branch_stands_beside_the_log() {
    let team = Team::alone();
    let as_w1 = ["--key", team.path("w1/key").to_str().unwrap()].map(str::to_owned);
    let witness = ["witness", &as_w1[0], &as_w1[1]];
    team.request("a");
    team.jit("alice", &witness).exits(0);
    assert_eq!(team.git("alice", &["rev-list", "--count", "jit/witness/w1"]), "1");
    team.jit("alice", &witness).exits(0);
    assert_eq!(team.git("alice", &["rev-list", "--count", "jit/witness/w1"]), "1");
    let check = ["check", "db/staging/a", "read", "--json"];
    assert_eq!(team.jit("alice", &check).exits(0).json()["age_s"], 0);
    let (state, clone) = (team.state(), team.path("alice/clone"));
    let file = team.checkpoint("w1", "w1", State { size: state.size, root: NOBODY.root }, state, 0);
    std::os::unix::fs::symlink(clone.join(".git"), team.path("host.git")).unwrap();
    team.put("checkpoint", &file);
    assert_eq!(code(&team.jit("alice", &check).exits(4)), "log-rewritten");
}
