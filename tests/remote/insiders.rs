//! A hostile insider with push rights and stock git. Whatever they push onto `jit/audit`, no gate is fooled, none is
//! stopped, and the next append heals it.

use crate::lab::{LONG_AGO, Lab, WHAT, check, request};

/// Stock git in a clone of eve's own. `$file` holds the log's only segment; what a script does to it or to the index is
/// committed upon the branch and pushed.
const AS_EVE: &str = r#"
    rm -rf $LAB/eve; git clone -q -b jit/audit $HOST $LAB/eve 2>/dev/null; cd $LAB/eve
    file=audit/0000000000/0000000000/0000000000.jsonl
    push() { git push -q origin HEAD:refs/heads/jit/audit; }
    commit() { git add -A; git commit -q --allow-empty -m "$1"; }
"#;

/// What eve does: its name, the script, and what is reported of it.
const VOID: [(&str, &str, &str); 14] = [
    ("drops the last line", "sed -i '$d' $file; commit x", "drops line"),
    ("drops all but the first", "sed -i '2,$d' $file; commit x", "drops line 1"),
    ("drops everything", "git rm -rq .; commit x", "lacks"),
    ("changes a line", "sed -i '$s/over/ovEr/' $file; commit x", "changes line"),
    ("reorders lines", "{ head -n -2 $file; tail -n 2 $file | tac; } > $LAB/x; cp $LAB/x $file; commit x", "reorders"),
    ("adds nothing", "commit x", "adds no line"),
    ("adds half a line", "printf x >> $file; commit x", "line feed"),
    (
        "adds a line of 100 KiB",
        "head -c 102400 /dev/zero | tr '\\0' x >> $file; echo >> $file; commit x",
        "over 64 KiB",
    ),
    ("makes it executable", "echo x >> $file; chmod +x $file; commit x", "mode 100755"),
    ("makes it a link", "rm $file; ln -s /etc/passwd $file; commit x", "mode 120000"),
    ("puts a file beside", "echo x >> $file; echo x > x; commit x", "no append puts there"),
    (
        "changes a policy",
        "sed -i 's/5m/9h/' policy/0000000001/jit.toml; echo x >> $file; commit x",
        "changes the policy",
    ),
    (
        "merges a log without the line",
        "git checkout -q -b side HEAD~1; echo x > x; commit x; git checkout -q jit/audit; \
         git merge -q -s ours -m x side; sed -i '$d' $file; git add -A; git commit -q --amend --no-edit",
        "merge",
    ),
    (
        "merges with its own log in front",
        "tip=$(git rev-parse HEAD); git checkout -q -b side HEAD~1; git merge -q --no-ff -s ours -m x $tip",
        "merge",
    ),
];

/// A log whose last line ends what bob has; his gate has not seen it yet.
fn with_an_end_that_a_gate_has_not_seen() -> Lab {
    let lab = Lab::new();
    let ended = lab.request("bob", "INC-0001 first");
    lab.check("bob").exits(0);
    lab.jit("alice", &["revoke", &ended, "--reason", "over"]).exits(0);
    lab
}

#[test]
fn no_void_commit_hides_a_revocation_from_a_gate_that_had_not_seen_it() {
    let lab = Lab::new();
    let mut reasons = Vec::new();
    for (name, script, words) in VOID {
        // The gate has seen the grant, and eve is faster than its next look.
        reasons.push(format!("INC-0001 {name}"));
        let ended = lab.request("bob", reasons.last().unwrap());
        lab.check("bob").exits(0);
        lab.jit("alice", &["revoke", &ended, "--reason", "over"]).exits(0);
        let good = lab.tip();
        lab.script(&format!("{AS_EVE} {script}; push"));
        assert_ne!(lab.tip(), good, "{name}");
        lab.stamp(LONG_AGO);
        let shut = lab.check("bob");
        assert_eq!((shut.status, shut.reason().0.as_str()), (Some(1), "revoked"), "{name}: {}", shut.out);
        let verified = lab.verified("bob");
        let void = verified["void"].as_array().unwrap().last().unwrap()["reason"].as_str().unwrap().to_owned();
        assert!(void.contains(words), "{name}: {void}");
        assert_eq!(verified["inert"], serde_json::json!([]), "{name}");
        // Alice's next line heals the branch: stock git reads it again, and all that was there.
        reasons.push(format!("INC-0002 {name}"));
        lab.request("alice", reasons.last().unwrap());
        assert_eq!(lab.reasons(), reasons, "{name}");
        lab.jit("bob", &["sync"]).exits(0);
        lab.check("alice").exits(0);
        lab.check("bob").exits(1).because("revoked");
    }
    lab.jit("alice", &["audit", "verify", "--strict"]).exits(1);
}

#[test]
fn where_a_host_lets_merges_in_a_fork_closes_gates_until_it_is_put_right() {
    let lab = with_an_end_that_a_gate_has_not_seen();
    let good = lab.tip();
    // Both parents go on from what the gate has seen, and neither from the other: nobody can say which is the log.
    lab.script(&format!(
        "{AS_EVE} git checkout -q -b side HEAD~1; echo x >> $file; commit x; git checkout -q jit/audit; \
         git merge -q -s ours -m x side; push"
    ));
    lab.stamp(LONG_AGO);
    lab.check("bob").exits(5).because("stale").says("help: ");
    lab.jit("bob", &["list"]).exits(4).says("help: ");
    lab.jit("bob", &request("INC-0002 second")).exits(4);
    // Alice has seen what only one of them holds.
    lab.jit("alice", &["list"]).exits(0);
    lab.set_tip(&good);
    lab.check("bob").exits(1).because("revoked");
    lab.request("bob", "INC-0003 third");
}

#[test]
fn lines_of_garbage_are_leaves_and_nothing_more() {
    let lab = with_an_end_that_a_gate_has_not_seen();
    let garbage = [
        "printf '\\n' >> $file",
        "printf 'x\\n' >> $file",
        "printf '\\0\\33[2J\\377\\n' >> $file",
        "head -1 $file >> $file",
        "sed -n 4p $file >> $file",
        "tail -1 $file | sed 's/revocation/approval/' >> $file",
        "tail -1 $file | sed 's/\"sig\":\"..../\"sig\":\"AAAA/' >> $file",
        "head -c 65536 /dev/zero | tr '\\0' '{' >> $file; echo >> $file",
    ];
    lab.script(&format!("{AS_EVE} {}; commit x; push", garbage.join("; commit x; ")));
    lab.stamp(LONG_AGO);
    lab.check("bob").exits(1).because("revoked");
    let verified = lab.verified("bob");
    assert_eq!(verified["void"], serde_json::json!([]));
    assert_eq!(verified["inert"].as_array().unwrap().len(), garbage.len(), "{}", verified["inert"]);
    lab.request("bob", "INC-0002 second");
    lab.check("bob").exits(0);
    let shown = lab.jit("bob", &["audit", "log"]).exits(0);
    assert!(!shown.out.contains('\u{1b}'), "{}", shown.out);
}

/// Objects that git's own checks refuse, and a host does not that leaves them off, as most do by default.
const ODD_OBJECTS: &str = r#"
    tree=$(git -C $HOST rev-parse jit/audit^{tree}) tip=$(git -C $HOST rev-parse jit/audit)
    put() { git -C $HOST hash-object -t $1 --literally -w --stdin; }
    tip=$(printf 'tree %s\nparent %s\nauthor no mail 1 +0000\ncommitter x <x> 99999999999999999999 +0000\n\nx\n' $tree $tip | put commit)
    tip=$(printf 'tree %s\nparent %s\n\nnobody\n' $tree $tip | put commit)
    blob=$(git -C $HOST hash-object -w --stdin < /dev/null)
    raw=$(printf %s $blob | sed 's/../\\x&/g')
    odd=$(printf "0100644 x\\0${raw}100644 .git\\0${raw}" | put tree)
    tip=$(printf 'tree %s\nparent %s\nauthor x <x> 1 +0000\ncommitter x <x> 1 +0000\n\nx\n' $odd $tip | put commit)
    git -C $HOST update-ref refs/heads/jit/audit $tip
"#;

#[test]
fn objects_that_git_would_refuse_do_not_stop_whoever_has_git_check_them() {
    let lab = with_an_end_that_a_gate_has_not_seen();
    lab.git("bob", &["config", "--global", "transfer.fsckObjects", "true"]);
    lab.git("bob", &["config", "--global", "fetch.fsckObjects", "true"]);
    lab.script(ODD_OBJECTS);
    lab.stamp(LONG_AGO);
    let shut = lab.check("bob");
    assert_eq!((shut.status, shut.reason().0.as_str()), (Some(1), "revoked"), "{}", shut.out);
    lab.request("bob", "INC-0002 second");
    lab.check("bob").exits(0);
    assert!(lab.verified("bob")["void"].as_array().unwrap().len() >= 3);
}

#[test]
fn a_branch_named_as_the_log_is_spelt_stops_no_push() {
    let lab = Lab::new();
    // Git completes `refs/heads/jit/audit` on the host to any of these, and then can't choose.
    for (number, name) in ["heads/refs/heads/jit/audit", "tags/refs/heads/jit/audit"].into_iter().enumerate() {
        lab.git("alice", &["push", "-q", "origin", &format!("main:refs/{name}")]);
        lab.request("bob", &format!("INC-{number:04} {name}"));
        lab.jit("alice", &["revoke", "--reason", "over", &lab.request("alice", "INC-1000 too")]).exits(0);
    }
    assert_eq!(lab.git("bob", &["for-each-ref", "refs/jit/outgoing"]), "");
    // By hand it takes a clean host.
    lab.script("git -C $HOST update-ref -d refs/heads/refs/heads/jit/audit");
    lab.script("git -C $HOST update-ref -d refs/tags/refs/heads/jit/audit");
    // Whoever is second is still not told that they were first.
    lab.script(&format!("{AS_EVE} echo x >> $file; commit x; push"));
    lab.request("bob", "INC-2000 after it");
    assert_eq!(lab.reasons().last().unwrap(), "INC-2000 after it");
    assert_eq!(lab.jit("bob", &[&["check"], &WHAT[..]].concat()).status, Some(0));
}

#[test]
fn a_copy_made_by_hand_moves_no_pin() {
    let lab = Lab::new();
    lab.script(
        "cp -r $LAB/bob/clone $LAB/bob/copy; cd $LAB/bob/copy
         git update-ref refs/heads/jit/audit refs/remotes/origin/jit/audit; git remote remove origin",
    );
    lab.script(
        "cp -r $LAB/bob $LAB/eve; rm -r $LAB/eve/.config; \
         HOME=$LAB/eve JIT_KEY=$LAB/eve/key JIT_REPO=$LAB/bob/copy \"$0\" request db/staging/orders read >/dev/null"
            .replace("\"$0\"", env!("CARGO_BIN_EXE_jit"))
            .as_str(),
    );
    for args in [check("bob"), vec!["list"], [&check("bob")[..], &["--genesis", &lab.genesis]].concat()] {
        lab.jit("bob", &[&["-C", "copy"][..], &args].concat());
        lab.jit_with("bob", &[("JIT_REPO", lab.path("bob/copy").to_str().unwrap())], &args);
        lab.jit("bob", &["list"]).exits(0);
        lab.check("bob").exits(1).because("no-grant");
    }
    lab.request("bob", "INC-0001 first");
    // What this machine has seen meanwhile, the copy lacks; and says so.
    lab.jit("bob", &[&["-C", "copy"][..], &check("bob")].concat()).exits(4).because("log-rewritten");
}
