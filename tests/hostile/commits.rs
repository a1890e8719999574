//! Commits on `jit/audit` that are no appends, made by stock git.

use serde_json::Value;

use crate::forge::{BRANCH, Entry, hex, merkle_root, policy_digest, policy_folder, segment_path, segments};
use crate::lab::{Lab, Said};

/// What a hostile commit does to the tree: files that are put in, and paths that are removed.
type Attack = (&'static str, Vec<Entry>, Vec<String>, &'static str);

/// A log where carol has a grant and dave had one that was revoked.
fn lab_with_grants() -> Lab {
    let lab = Lab::new();
    lab.request("carol", &["db/prod/orders", "read"], 0);
    let ended = lab.request("dave", &["db/prod/orders", "read"], 0);
    lab.jit("rita", &["revoke", &ended, "--reason", "enough"]).exits(0);
    lab
}

#[track_caller]
fn assert_gates_hold(lab: &Lab) {
    lab.check("carol", "db/prod/orders", "read").exits(0);
    lab.check("dave", "db/prod/orders", "read").exits(1).because("revoked");
}

/// Returns the lines as one segment.
fn whole(lines: &[Vec<u8>]) -> Vec<Entry> {
    segments(lines, 0)
}

fn attacks(lab: &Lab) -> Vec<Attack> {
    let lines = lab.lines();
    let last = lines.len() - 1;
    let path = segment_path(0);
    let but = |mode, bytes: Vec<u8>| vec![Entry { mode, path: path.clone(), bytes }];
    let honest = whole(&lines).remove(0).bytes;
    let longer = [lines.clone(), vec![b"x".to_vec()]].concat();
    let mut changed = lines.clone();
    changed[last] = String::from_utf8(changed[last].clone()).unwrap().replacen("enough", "enougH", 1).into_bytes();
    let mut reordered = longer.clone();
    reordered.swap(last, last - 1);
    let mut emptied = longer.clone();
    emptied[last].clear();
    let mut inserted = lines.clone();
    inserted.insert(last, Vec::new());
    let huge = [lines.clone(), vec![vec![b'x'; 100 << 10]]].concat();
    let with = |extra: Entry| [whole(&longer), vec![extra]].concat();
    let folder = "audit/0000000000/0000000000";
    let two_segments = {
        let mut entries = whole(&lines);
        entries.push(Entry::file(&segment_path(64), b"x\n"));
        entries
    };
    let crowded: Vec<Vec<u8>> = (0..65).map(|line| lines.get(line).cloned().unwrap_or_default()).collect();
    let crowded: Vec<u8> = crowded.iter().flat_map(|line| [line.as_slice(), b"\n"].concat()).collect();
    vec![
        ("drops the last line", whole(&lines[..last]), vec![], "drops line"),
        ("drops every line but the first", whole(&lines[..1]), vec![], "drops line 1"),
        ("drops the log", vec![], vec!["audit".to_owned()], "it lacks `audit`"),
        ("drops everything", vec![Entry::file("README", b"")], vec!["audit".to_owned(), "policy".to_owned()], ""),
        ("empties the segment", but("100644", Vec::new()), vec![], ""),
        (
            "drops one and adds two",
            whole(&[&lines[..last], &[b"x".to_vec(), b"y".to_vec()]].concat()),
            vec![],
            "changes line",
        ),
        ("changes a line", whole(&changed), vec![], "changes line"),
        ("empties a line", whole(&emptied), vec![], "changes line"),
        ("inserts a line", whole(&inserted), vec![], ""),
        ("reorders lines", whole(&reordered), vec![], "reorders"),
        ("adds nothing", vec![], vec![], "adds no line"),
        ("adds half a line", but("100644", [&honest[..], b"x"].concat()), vec![], "line feed"),
        ("loses the last line's end", but("100644", honest[..honest.len() - 1].to_vec()), vec![], ""),
        ("adds 100 KiB", whole(&huge), vec![], "over 64 KiB"),
        ("makes it executable", but("100755", whole(&longer).remove(0).bytes), vec![], "mode 100755"),
        ("makes it a link", but("120000", b"../../../../../etc/passwd".to_vec()), vec![], "mode 120000"),
        ("puts a file beside", with(Entry::file("README.md", b"hello\n")), vec![], "README.md"),
        ("puts a file in audit/", with(Entry::file("audit/x", b"hello\n")), vec![], "audit/x"),
        ("puts a file beside the segment", with(Entry::file(&format!("{folder}/x.jsonl"), b"x\n")), vec![], ""),
        ("writes to a terminal", with(Entry::file("audit/\u{1b}[2J\u{202e}", b"x\n")), vec![], "\\u{1b}[2J\\u{202e}"),
        ("skips to the next segment", two_segments, vec![], "not full"),
        ("overfills the segment", but("100644", crowded), vec![], "more than 64 lines"),
        ("renames the segment", vec![Entry::file(&format!("{folder}/0000000000.json"), &honest)], vec![path], ""),
        (
            "changes the policy",
            with(Entry::file("policy/0000000001/jit.toml", b"format = 1\n")),
            vec![],
            "changes the policy",
        ),
        ("adds to the policy", with(Entry::file("policy/0000000001/tests/x.toml", b"")), vec![], "changes the policy"),
        ("drops the policy", whole(&longer), vec!["policy".to_owned()], ""),
        (
            "brings a policy without a line",
            with(Entry::file("policy/0000000009/jit.toml", b"")),
            vec![],
            "policy/0000000009",
        ),
    ]
}

#[test]
fn a_commit_that_is_no_append_is_void_and_the_next_append_heals_the_branch() {
    let lab = lab_with_grants();
    let valid = lab.tip();
    let lines = lab.lines();
    let before = lab.verify();
    for (name, entries, removed, reason) in attacks(&lab) {
        let removed: Vec<&str> = removed.iter().map(String::as_str).collect();
        let void = lab.commit(BRANCH, &[&valid], &entries, &removed);
        let verified = lab.verify();
        let listed = &verified["void"][0];
        assert_eq!(listed["commit"].as_str(), Some(&*void), "{name}: {verified}");
        assert!(listed["reason"].as_str().unwrap().contains(reason), "{name}: {listed}");
        assert_eq!((&verified["size"], &verified["root"]), (&before["size"], &before["root"]), "{name}");
        assert_gates_hold(&lab);
        let human =
            lab.jit("mallory", &["audit", "verify", "--strict"]).exits(1).says(&format!("commit {void} is void: "));
        assert!(!human.stdout.contains(['\u{1b}', '\u{202e}']), "{name}");
    }
    // All of them, one upon the other, and then an append by the program.
    let mut tip = valid;
    let mut voids = Vec::new();
    for (_, entries, removed, _) in attacks_from(&lab, &tip) {
        let removed: Vec<&str> = removed.iter().map(String::as_str).collect();
        tip = lab.commit(BRANCH, &[&tip], &entries, &removed);
        voids.push(tip.clone());
    }
    assert_gates_hold(&lab);
    lab.request("carol", &["db/prod/orders", "read"], 0);
    assert_eq!(lab.git(&["rev-parse", &format!("{BRANCH}^")]), tip, "it stands on the branch's tip");
    let healed = lab.lines();
    assert_eq!((healed.len(), &healed[..lines.len()]), (lines.len() + 1, &lines[..]));
    let tree = lab.git(&["ls-tree", "-r", "--name-only", BRANCH]);
    let wanted =
        ["identities/people.toml", "jit.toml", "policies/rules.toml"].map(|path| format!("policy/0000000001/{path}"));
    assert_eq!(tree, [&[segment_path(0)][..], &wanted].concat().join("\n"));
    let listed: Vec<Value> =
        lab.verify()["void"].as_array().unwrap().iter().map(|void| void["commit"].clone()).collect();
    assert_eq!(listed, voids, "they stay listed");
    assert_gates_hold(&lab);
}

/// The attacks again, on the branch as it stands at a commit.
fn attacks_from(lab: &Lab, commit: &str) -> Vec<Attack> {
    lab.git(&["update-ref", BRANCH, commit]);
    attacks(lab)
}

/// A few kilobytes of objects, made by stock git: one file of the longest lines under every name of four folders. Read
/// as a log they would be a gigabyte of lines, and no gate could walk past them.
#[test]
fn a_commit_that_stands_for_a_gigabyte_is_void() {
    let lab = lab_with_grants();
    let lines = lab.lines();
    let (tip, verified) = (lab.tip(), lab.verify());
    let tree_of = |entries: &str| {
        let made = lab.run("git", &["mktree"], entries.as_bytes());
        String::from_utf8(made).unwrap().trim_end().to_owned()
    };
    let blob_of = |bytes: &[u8]| {
        let made = lab.run("git", &["hash-object", "-w", "--stdin"], bytes);
        String::from_utf8(made).unwrap().trim_end().to_owned()
    };
    let mut first: Vec<u8> = lines.iter().flat_map(|line| [line.as_slice(), b"\n"].concat()).collect();
    first.extend(b"\n".repeat(64 - lines.len()));
    let first = blob_of(&first);
    for (size, reason) in
        [(64 << 10, "it adds more than 1024 KiB of lines at once"), (0, "it adds more than 256 lines")]
    {
        let same = blob_of(&[vec![b'x'; size], vec![b'\n']].concat().repeat(64));
        let folders = (0..4).map(|folder| {
            let segments = (0..64).map(|segment| {
                let start = folder * 4096 + segment * 64;
                format!("100644 blob {}\t{start:010}.jsonl\n", if start == 0 { &first } else { &same })
            });
            format!("040000 tree {}\t{:010}\n", tree_of(&segments.collect::<String>()), folder * 4096)
        });
        let folders = tree_of(&folders.collect::<String>());
        let audit = tree_of(&format!("040000 tree {folders}\t0000000000\n"));
        let policy = lab.git(&["rev-parse", &format!("{tip}:policy")]);
        let tree = tree_of(&format!("040000 tree {audit}\taudit\n040000 tree {policy}\tpolicy\n"));
        let void = lab.git(&["commit-tree", "-m", "hello", "-p", &tip, &tree]);
        lab.git(&["update-ref", BRANCH, &void]);
        let pushed = lab.run("git", &["pack-objects", "--revs", "--stdout"], format!("{void}\n^{tip}\n").as_bytes());
        assert!(pushed.len() < 10_000, "{} bytes", pushed.len());
        assert_gates_hold(&lab);
        let now = lab.verify();
        assert_eq!((&now["size"], &now["root"]), (&verified["size"], &verified["root"]));
        assert_eq!(now["void"][0]["commit"].as_str(), Some(&*void));
        assert!(now["void"][0]["reason"].as_str().unwrap().contains(reason), "{now}");
    }
    lab.request("carol", &["db/prod/orders", "read"], 0);
    assert_eq!(lab.lines().len(), lines.len() + 1);
    assert_gates_hold(&lab);
}

#[test]
fn an_empty_line_is_a_line() {
    let lab = lab_with_grants();
    lab.push(&["", ""]);
    let verified = lab.verify();
    assert_eq!(verified["void"], serde_json::json!([]));
    assert_eq!(verified["inert"].as_array().unwrap().len(), 2);
    assert_eq!(verified["root"].as_str(), Some(&*hex(&merkle_root(&lab.lines()))));
    assert_gates_hold(&lab);
}

#[test]
fn a_policy_line_comes_with_its_files_or_the_commit_is_void() {
    let lab = lab_with_grants();
    let files = lab.changed("default = \"30m\", max = \"4h\"", "max = \"5m\"");
    let index = lab.lines().len();
    let line = |files| {
        let fields = format!(
            "\"version\":2,\"format\":1,\"commit\":\"{}\",\"digest\":\"{}\"",
            lab.git(&["rev-parse", "HEAD"]),
            policy_digest(files)
        );
        lab.sign("alice", &lab.head("alice").body("policy", &fields))
    };
    let honest = policy_folder(index, &files);
    let extra = |path: &str, mode| Entry { mode, path: format!("policy/{index:010}/{path}"), bytes: Vec::new() };
    let mut executable = honest.clone();
    executable[0].mode = "100755";
    let attacks: Vec<(&str, Vec<Entry>)> = vec![
        ("no folder", vec![]),
        ("the folder of another line", policy_folder(index + 1, &files)),
        ("one file too few", honest[1..].to_vec()),
        ("one file too many", [&honest[..], &[extra("tests/x.toml", "100644")]].concat()),
        ("other files", policy_folder(index, &lab.changed("max = \"4h\"", "max = \"400h\""))),
        ("a file that is no policy", [&honest[..], &[extra("run.sh", "100644")]].concat()),
        ("an executable", executable),
        ("a link", [&honest[..], &[extra("policies/link.toml", "120000")]].concat()),
        ("names in capitals", [&honest[..], &[extra("policies/RULES.toml", "100644")]].concat()),
    ];
    let tip = lab.tip();
    for (name, entries) in &attacks {
        lab.git(&["update-ref", BRANCH, &tip]);
        let void = lab.push_with(&[line(&files)], entries);
        let verified = lab.verify();
        assert_eq!(verified["void"][0]["commit"].as_str(), Some(&*void), "{name}");
        assert_eq!((verified["policy"]["version"].as_u64(), verified["size"].as_u64()), (Some(1), Some(index as u64)));
        assert_gates_hold(&lab);
    }
    // An inert policy line needs its files just as well, and what it brings means nothing.
    lab.git(&["update-ref", BRANCH, &tip]);
    let forged = line(&files).replacen("\"by\":\"alice\"", "\"by\":\"carol\"", 1);
    let void = lab.push(&[&forged]);
    assert_eq!(lab.verify()["void"][0]["commit"].as_str(), Some(&*void));
    lab.git(&["update-ref", BRANCH, &tip]);
    lab.push_with(&[&forged], &honest);
    let verified = lab.verify();
    assert_eq!(
        (verified["void"].as_array().unwrap().len(), verified["inert"][0]["index"].as_u64()),
        (0, Some(index as u64))
    );
    assert_gates_hold(&lab);
}

/// Asserts that nothing is answered from a rewritten log, and that both roots are shown.
#[track_caller]
fn assert_rewritten(lab: &Lab, roots: &[&str]) {
    let shows = |said: Said| {
        for root in roots {
            assert!(said.stdout.contains(root) || said.stderr.contains(root), "no {root}: {said:?}");
        }
    };
    shows(lab.check("carol", "db/prod/orders", "read").exits(4).because("log-rewritten"));
    shows(lab.jit("carol", &["check", "db/prod/orders", "read"]).exits(4).says("log-rewritten"));
    for args in [
        &["request", "db/prod/orders", "read"][..],
        &["lockdown", "--reason", "x", "--yes"],
        &["audit", "verify"],
        &["audit", "export"],
        &["list"],
        &["whoami"],
        &["policy", "status"],
    ] {
        shows(lab.jit("rita", args).exits(4).says("help: "));
    }
}

#[test]
fn a_rewritten_branch_is_noticed_and_a_repaired_one_taken_back() {
    let lab = lab_with_grants();
    let (tip, lines) = (lab.tip(), lab.lines());
    let seen = hex(&merkle_root(&lines));
    // Without its last line.
    lab.git(&["update-ref", BRANCH, &format!("{tip}^")]);
    assert_rewritten(&lab, &[&seen, &hex(&merkle_root(&lines[..lines.len() - 1]))]);
    // Another line in its place.
    let fork = lab.push(&["another line"]);
    let forked = [&lines[..lines.len() - 1], &[b"another line".to_vec()]].concat();
    assert_rewritten(&lab, &[&seen, &hex(&merkle_root(&forked))]);
    // That, and more lines than there were.
    lab.push(&["one", "two", "three"]);
    assert_rewritten(&lab, &[&seen, &hex(&merkle_root(&forked))]);
    // The same lines in other commits.
    let again = lab.commit(BRANCH, &[&format!("{tip}^")], &segments(&lines, 0), &[]);
    assert_ne!(again, tip);
    lab.check("carol", "db/prod/orders", "read").exits(4).because("log-rewritten");
    // Another log altogether.
    let orphan = lab.commit(BRANCH, &[], &segments(&[b"no genesis".to_vec()], 0), &[]);
    assert_ne!(orphan, fork);
    lab.check("carol", "db/prod/orders", "read").exits(4);
    lab.jit("carol", &["request", "db/prod/orders", "read"]).exits(4);
    // Repaired, without ceremony; and nobody's pin went astray on the way.
    lab.git(&["update-ref", BRANCH, &tip]);
    assert_gates_hold(&lab);
    lab.request("carol", &["db/prod/orders", "read"], 0);
}

#[test]
fn a_deleted_branch_is_not_answered_from_nor_started_anew() {
    let lab = lab_with_grants();
    let tip = lab.tip();
    lab.git(&["update-ref", "-d", BRANCH]);
    let said = lab.check("carol", "db/prod/orders", "read").exits(4).because("log-rewritten");
    assert!(said.stderr.contains(&format!("update-ref {BRANCH} {tip}")), "{said:?}");
    for args in [&["request", "db/prod/orders", "read"][..], &["audit", "verify"], &["init", "."]] {
        let said = lab.jit("alice", args).exits(4).says("jit/audit is gone from");
        assert!(!said.stderr.contains("jit init"), "a second log is no way out: {said:?}");
    }
    // Where another repo is the default one, it is not asked in place of this one.
    lab.jit("alice", &["init", "../other", "--as", "alice", "--name", "other"]).exits(0);
    let config = lab.path("home/.config/jit/config.toml");
    std::fs::write(config, format!("repo = \"{}\"\n", lab.path("other").display())).unwrap();
    lab.jit("alice", &["audit", "verify"]).exits(4);
    lab.check("carol", "db/prod/orders", "read").exits(4);
    lab.git(&["update-ref", BRANCH, &tip]);
    assert_gates_hold(&lab);
    // Who means it says so.
    lab.git(&["update-ref", "-d", BRANCH]);
    let trust = lab.path(&format!("home/.config/jit/trust/{}.toml", lab.genesis));
    lab.jit("alice", &["init", "."]).exits(4).says(&format!("rm '{}'", trust.display()));
    std::fs::remove_file(trust).unwrap();
    lab.jit("alice", &["init", "."]).exits(0);
    lab.check("carol", "db/prod/orders", "read").exits(1).because("no-grant");
}

#[test]
fn a_merge_with_what_is_no_log_is_only_void() {
    let lab = lab_with_grants();
    let tip = lab.tip();
    let orphan = |line: &[u8]| lab.commit("refs/heads/orphan", &[], &segments(&[line.to_vec()], 0), &[]);
    let (one, two) = (orphan(b"no genesis"), orphan(b""));
    let foreign = lab.lines()[0].clone();
    let other = orphan(&foreign[..foreign.len() - 1]);
    // Signed well, and no genesis.
    let request = orphan(&lab.lines()[2]);
    for parents in [&[&*one, &tip][..], &[&tip, &one], &[&one, &two, &other, &tip], &[&tip, &tip], &[&request, &tip]] {
        let merge = lab.commit(BRANCH, parents, &[], &[]);
        let verified = lab.verify();
        assert_eq!((verified["void"][0]["commit"].as_str(), verified["size"].as_u64()), (Some(&*merge), Some(5)));
        assert_gates_hold(&lab);
        // A machine that knows no more than the log's name, or not even that, follows the same parent.
        let fresh = |args: &[&str]| -> Said {
            lab.jit_command("carol", args).env("HOME", lab.path("elsewhere")).output().unwrap().into()
        };
        let ask = ["check", "db/prod/orders", "read", "--subject", "carol", "--genesis", &lab.genesis, "--json"];
        fresh(&ask).exits(0);
        fresh(&["audit", "verify"]).exits(0);
    }
    lab.request("carol", &["db/prod/orders", "read"], 0);
    assert_gates_hold(&lab);
}

#[test]
fn a_merge_can_not_hide_a_revocation() {
    let lab = Lab::new();
    let grant = lab.request("dave", &["db/prod/orders", "read"], 0);
    let base = lab.tip();
    // This machine has seen the grant and not yet what comes next, pushed by others.
    let fields = format!("\"of\":\"{grant}\",\"reason\":\"stolen laptop\"");
    lab.say("rita", &lab.head("rita"), "revocation", &fields);
    let revoked = lab.tip();
    // A merge whose first parent lacks the revocation, and whose tree does too.
    let merge = lab.commit(BRANCH, &[&base, &revoked], &[], &[]);
    lab.check("dave", "db/prod/orders", "read").exits(1).because("revoked");
    assert_eq!(lab.verify()["void"][0]["commit"].as_str(), Some(&*merge));
    // Now its first parent is a fork that says something else. (A machine that has seen the revocation stays with it.)
    let fork = |from: &str| {
        lab.git(&["update-ref", BRANCH, from]);
        lab.push(&["a line of the fork"])
    };
    let forked = fork(&base);
    lab.commit(BRANCH, &[&forked, &revoked], &[], &[]);
    lab.check("dave", "db/prod/orders", "read").exits(1).because("revoked");
    lab.jit("rita", &["audit", "verify"]).exits(0).says("is a merge of 2 commits");
    lab.request("carol", &["db/prod/orders", "read"], 0);
    assert!(lab.lines().iter().any(|line| String::from_utf8_lossy(line).contains("stolen laptop")));
}

#[test]
fn a_merge_of_forks_that_nobody_here_has_seen_is_no_answer() {
    let lab = Lab::new();
    let grant = lab.request("dave", &["db/prod/orders", "read"], 0);
    let base = lab.tip();
    lab.say("rita", &lab.head("rita"), "revocation", &format!("\"of\":\"{grant}\",\"reason\":\"stolen laptop\""));
    let revoked = lab.tip();
    lab.git(&["update-ref", BRANCH, &base]);
    let forked = lab.push(&["a line of the fork"]);
    lab.commit(BRANCH, &[&forked, &revoked], &[], &[]);
    // Both parents hold the pin, and none extends the other.
    let said = lab.check("dave", "db/prod/orders", "read").exits(4).because("log-rewritten");
    assert!(said.stdout.contains("none extends the others"), "{said:?}");
    lab.jit("rita", &["audit", "verify"]).exits(4);
    // A gate that has no pin at all, only the log's name.
    let mut fresh = lab.jit_command("dave", &["check", "db/prod/orders", "read", "--genesis", &lab.genesis, "--json"]);
    let said = Said::from(fresh.env("HOME", lab.path("elsewhere")).output().unwrap());
    said.exits(4);
    // One that is told a minimum that only the true log extends.
    lab.git(&["update-ref", BRANCH, &revoked]);
    let lines = lab.lines();
    lab.git(&["update-ref", BRANCH, &forked]);
    let minimum = format!("{}:{}:{}", lab.genesis, lines.len(), hex(&merkle_root(&lines)));
    let mut fresh = lab.jit_command("dave", &["check", "db/prod/orders", "read", "--subject", "dave", "--json"]);
    let said = Said::from(fresh.env("HOME", lab.path("elsewhere")).env("JIT_GENESIS", &minimum).output().unwrap());
    said.exits(4).because("log-rewritten");
    lab.git(&["update-ref", BRANCH, &revoked]);
    let mut fresh = lab.jit_command("dave", &["check", "db/prod/orders", "read", "--subject", "dave", "--json"]);
    let said = Said::from(fresh.env("HOME", lab.path("elsewhere")).env("JIT_GENESIS", &minimum).output().unwrap());
    said.exits(1).because("revoked");
}

#[test]
fn a_shallow_clone_is_no_answer() {
    let lab = lab_with_grants();
    let url = format!("file://{}", lab.repo().display());
    lab.git(&["clone", "-q", "--bare", "--depth", "1", "--no-single-branch", &url, "../shallow.git"]);
    let args =
        ["-C", "../shallow.git", "check", "db/prod/orders", "read", "--subject", "carol", "--genesis", &lab.genesis];
    lab.jit("mallory", &args).exits(5).says("shallow clone").says("fetch --unshallow");
    let shallow = lab.path("shallow.git");
    lab.git(&["-C", shallow.to_str().unwrap(), "fetch", "-q", "--unshallow"]);
    lab.jit("mallory", &args).exits(0);
}

#[test]
fn what_git_shows_in_place_of_an_object_is_not_believed() {
    let lab = lab_with_grants();
    let tip = lab.tip();
    // To stock git the branch now ends before the revocation; the objects themselves say otherwise.
    lab.git(&["replace", &tip, &format!("{tip}^")]);
    assert_eq!(lab.lines().len(), 4);
    assert_gates_hold(&lab);
    assert_eq!(lab.verify()["size"], 5);
    std::fs::write(lab.repo().join(".git/info/grafts"), format!("{tip}\n")).unwrap();
    assert_gates_hold(&lab);
    lab.git(&["replace", "-d", &tip]);
    std::fs::remove_file(lab.repo().join(".git/info/grafts")).unwrap();
    // A branch that is another name for something else.
    lab.git(&["symbolic-ref", BRANCH, "refs/heads/main"]);
    let said = lab.check("carol", "db/prod/orders", "read");
    assert!(matches!(said.code, Some(4 | 5)) && said.json()["decision"] == "deny", "{said:?}");
    let said = lab.jit("carol", &["request", "db/prod/orders", "read"]);
    assert!(matches!(said.code, Some(4 | 5)), "{said:?}");
    lab.git(&["symbolic-ref", "-d", BRANCH]);
    lab.git(&["update-ref", BRANCH, &tip]);
    assert_gates_hold(&lab);
}

#[test]
fn what_git_packs_and_prunes_is_the_same_log() {
    let lab = lab_with_grants();
    lab.git(&["gc", "-q", "--aggressive", "--prune=now"]);
    assert!(!lab.repo().join(".git/refs/heads/jit/audit").exists(), "the branch is packed");
    assert_gates_hold(&lab);
    lab.request("carol", &["db/prod/orders", "read"], 0);
    lab.git(&["pack-refs", "--all", "--prune"]);
    lab.push(&["by hand"]);
    lab.git(&["gc", "-q", "--prune=now"]);
    lab.request("carol", &["db/prod/orders", "read"], 0);
    assert_eq!(lab.lines().len(), 8);
    assert_gates_hold(&lab);
    lab.git(&["fsck", "--strict"]);
}
