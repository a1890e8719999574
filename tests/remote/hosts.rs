//! A hostile host: what it serves, how it names things, and how it never comes to an end.

use std::fs;
use std::time::{Duration, Instant};

use crate::lab::{LONG_AGO, Lab, check, is_running, request, write_program};

/// What a host shows instead of the log: a name, a script, and a word of what is said about it.
const SHOWN: [(&str, &str, &str); 11] = [
    ("an older log", "git -C $HOST update-ref refs/heads/jit/audit jit/audit~1", "does not extend"),
    (
        "the genesis alone",
        "git -C $HOST update-ref refs/heads/jit/audit $(git -C $HOST rev-list --max-parents=0 jit/audit)",
        "root",
    ),
    (
        "another log",
        "mkdir $LAB/eva; HOME=$LAB/eva JIT_REPO= \"$JIT\" init $LAB/eva/other --name acme; \
         git -C $HOST fetch -q $LAB/eva/other +jit/audit:jit/audit",
        "",
    ),
    (
        "a line changed deep inside",
        "git -C $HOST fast-export jit/audit | sed 's/INC-0001/INC-0009/' | git -C $HOST fast-import --quiet --force",
        "root",
    ),
    (
        "a policy that is not its digest's",
        "git -C $HOST fast-export jit/audit | sed 's/max_age = \"5m\"/max_age = \"9h\"/' | \
         git -C $HOST fast-import --quiet --force",
        "root",
    ),
    ("no branch", "git -C $HOST update-ref -d refs/heads/jit/audit", "is gone from the remote `origin`"),
    ("the branch main", "git -C $HOST update-ref refs/heads/jit/audit main", "no log"),
    (
        "another branch by way of a symbolic ref",
        "git -C $HOST symbolic-ref refs/heads/jit/audit refs/heads/main",
        "no log",
    ),
    (
        "a tag",
        "tag=$(git -C $HOST rev-parse jit/audit); \
         tag=$(printf 'object %s\\ntype commit\\ntag x\\ntagger a <a> 1 +0000\\n\\nx\\n' $tag | git -C $HOST mktag); \
         echo $tag > $HOST/refs/heads/jit/audit",
        "is not a commit",
    ),
    (
        "a file",
        "file=$(git -C $HOST rev-parse jit/audit:audit/0000000000/0000000000/0000000000.jsonl); \
         echo $file > $HOST/refs/heads/jit/audit",
        "is not a commit",
    ),
    (
        "a fork of the log",
        "git -C $HOST update-ref refs/heads/jit/audit jit/audit~1; cp -r $LAB/alice $LAB/eve; rm -rf $LAB/eve/.config; \
         HOME=$LAB/eve JIT_REPO=$LAB/eve/clone \"$JIT\" request db/staging/orders read >/dev/null",
        "root",
    ),
];

#[test]
fn what_does_not_extend_the_log_is_refused_and_the_last_good_state_serves() {
    let lab = Lab::new();
    lab.request("bob", "INC-0001 first");
    let ended = lab.request("alice", "INC-0002 second");
    lab.jit("alice", &["revoke", &ended, "--reason", "over"]).exits(0);
    lab.jit("bob", &["sync"]).exits(0);
    let good = lab.tip();
    let (size, root) = {
        let verified = lab.verified("bob");
        (verified["size"].as_u64().unwrap(), verified["root"].as_str().unwrap().to_owned())
    };
    for (name, script, words) in SHOWN {
        lab.script(&format!("JIT={}; {script}", env!("CARGO_BIN_EXE_jit")));
        let refused = lab.jit("bob", &["list"]);
        let refused = refused.exits(4).says(words).says("help: ");
        if words == "root" || words == "does not extend" {
            assert!(refused.err.contains(&root) && refused.err.contains(&format!("{size} lines")), "{}", refused.err);
        }
        // What writes and what only looks, alike.
        lab.jit("bob", &request("INC-0003 third")).exits(4).says(words);
        lab.jit("bob", &["sync"]).exits(4);
        lab.jit("bob", &["audit", "verify"]).exits(4);
        // The gate stays with what it has seen while that is fresh enough,
        assert!(lab.check("bob").exits(0).json()["age_s"].as_u64().unwrap() < 300, "{name}");
        lab.check("alice").exits(1).because("revoked");
        // looks again as soon as it is not, and says why it can't answer.
        let strict = [&check("bob")[..], &["--max-age", "1s"]].concat();
        lab.stamp(LONG_AGO);
        for args in [check("bob"), strict] {
            let stale = lab.jit("bob", &args).exits(5).because("stale");
            assert!(stale.reason().1.contains(words), "{name}: {}", stale.out);
            assert!(stale.json()["age_s"].as_u64().unwrap() > 300, "{name}");
        }
        // A repaired branch is believed without ceremony.
        fs::create_dir_all(lab.host().join("refs/heads/jit")).unwrap();
        fs::write(lab.host().join("refs/heads/jit/audit"), format!("{good}\n")).unwrap();
        assert!(lab.check("bob").exits(0).json()["age_s"].as_u64().unwrap() < 60, "{name}");
        lab.check("alice").exits(1).because("revoked");
        lab.jit("bob", &["list"]).exits(0);
    }
    assert_eq!(lab.verified("bob")["root"], root.as_str());
    assert_eq!(lab.reasons().len(), 2);
}

#[test]
fn a_branch_that_was_pruned_here_while_it_was_away_comes_back() {
    let lab = Lab::new();
    lab.request("bob", "INC-0001 first");
    let good = lab.tip();
    lab.on_host(&["update-ref", "-d", "refs/heads/jit/audit"]);
    lab.git("bob", &["fetch", "-q", "--prune"]);
    lab.jit("bob", &["list"]).exits(4).says("is gone from the remote");
    lab.check("bob").exits(0);
    lab.stamp(LONG_AGO);
    lab.check("bob").exits(5).because("stale");
    lab.set_tip(&good);
    lab.check("bob").exits(0);
    lab.jit("bob", &["list"]).exits(0);
    assert_eq!(lab.git("bob", &["rev-parse", "refs/remotes/origin/jit/audit"]), good);
}

#[test]
fn a_host_back_from_a_backup_is_given_the_lines_again_as_the_help_says() {
    let lab = Lab::new();
    let yesterday = lab.tip();
    lab.request("bob", "INC-0001 first");
    lab.request("bob", "INC-0002 second");
    for undo in [&["update-ref", "refs/heads/jit/audit", &yesterday][..], &["update-ref", "-d", "refs/heads/jit/audit"]]
    {
        lab.on_host(undo);
        let said = lab.jit("bob", &["list"]).exits(4);
        let command = said.err.split("give it the lines again: ").nth(1).unwrap().split(';').next().unwrap();
        lab.run("bob", "sh", &["-c", command]).exits(0);
        lab.jit("bob", &["list"]).exits(0);
        assert_eq!(lab.reasons(), ["INC-0001 first", "INC-0002 second"]);
    }
    lab.jit("alice", &["audit", "verify", "--strict"]).exits(0);
}

#[test]
fn another_host_is_believed_only_if_it_has_all_lines() {
    let lab = Lab::new();
    lab.script("git clone -q --bare $HOST $LAB/second.git");
    lab.request("bob", "INC-0001 first");
    let second = lab.path("second.git");
    // Two remotes with different tails: the one called origin is the log.
    lab.git("bob", &["remote", "add", "aaa", second.to_str().unwrap()]);
    lab.git("bob", &["fetch", "-q", "aaa"]);
    lab.jit("bob", &["list"]).exits(0);
    lab.check("bob").exits(0);
    // Where none is, nobody can say which; least of all is what is here the truth.
    lab.git("bob", &["remote", "rename", "origin", "bbb"]);
    lab.jit("bob", &request("INC-0002 second")).exits(5).says("which of its remotes").says("remote rename");
    lab.check("bob").exits(5).because("unavailable");
    lab.git("bob", &["remote", "rename", "bbb", "origin"]);
    lab.check("bob").exits(0);
    lab.git("bob", &["remote", "set-url", "origin", second.to_str().unwrap()]);
    lab.jit("bob", &request("INC-0002 second")).exits(4).says("does not extend");
    // Somebody goes on there: a fork, each half of which says so.
    lab.script(
        "git clone -q --bare $HOST $LAB/x.git; git -C $LAB/x.git update-ref refs/heads/jit/audit jit/audit~1; \
         rm -rf $LAB/second.git; mv $LAB/x.git $LAB/second.git",
    );
    fs::create_dir(lab.path("carl")).unwrap();
    fs::copy(lab.path("alice/key"), lab.path("carl/key")).unwrap();
    lab.jit("carl", &["clone", second.to_str().unwrap(), "clone", "--genesis", &lab.genesis]).exits(0);
    lab.jit("carl", &request("INC-0003 third")).exits(0);
    lab.jit("bob", &["list"]).exits(4).says("root");
    lab.git("bob", &["remote", "set-url", "origin", lab.host().to_str().unwrap()]);
    lab.jit("bob", &["list"]).exits(0);
    assert_eq!(lab.reasons(), ["INC-0001 first"]);
}

/// Refs that nobody would choose, as git and a host's own files allow them.
const ODD_REFS: &str = r#"
    tip=$(git -C $HOST rev-parse jit/audit) main=$(git -C $HOST rev-parse main)
    for name in heads/JIT/AUDIT heads/jit-audit heads/refs/heads/jit/audit heads/heads/jit/audit heads/origin/jit/audit \
        heads/HEAD heads/refs/jit/fetched heads/jit/audits/x heads/refs/heads/refs/heads/jit/audit \
        tags/jit/audit tags/refs/heads/jit/audit tags/heads/jit/audit tags/refs/jit/fetched jit/fetched jit/outgoing/x/audit \
        remotes/origin/jit/audit remotes/refs/heads/jit/audit notes/refs/heads/jit/audit \
        heads/$'\xc2\x9b31m' heads/$'\xe2\x80\xae'x heads/-f heads/--all heads/"';id;'" heads/$tip tags/$tip; do
        git -C $HOST update-ref "refs/$name" $main
    done
    { git -C $HOST for-each-ref --format='%(objectname) %(refname)'
      for number in $(seq 3000); do echo "$main refs/heads/many/$number"; done; } > $HOST/packed
    # What no host of good will has: a branch in the place of a folder.
    printf '%s refs/heads/jit\n%s refs/heads/jit/audit/x\n' $main $main >> $HOST/packed
    { echo '# pack-refs with: peeled fully-peeled sorted'; LC_ALL=C sort -k2 $HOST/packed; } > $HOST/packed-refs
"#;

#[test]
fn refs_with_odd_names_stop_nobody() {
    let lab = Lab::new();
    lab.script(ODD_REFS);
    for round in ["INC-0001", "INC-0002"] {
        for who in ["alice", "bob"] {
            lab.request(who, &format!("{round} {who}"));
        }
        lab.check("alice").exits(0);
    }
    assert_eq!(lab.reasons().len(), 4);
    lab.jit("bob", &["audit", "verify", "--strict"]).exits(0);
    // Nor what of them a fetch by hand brought here.
    lab.run("bob", "git", &["fetch", "-q", "--tags", "--force", "origin", "+refs/heads/*:refs/remotes/origin/*"]);
    lab.request("bob", "INC-0003 bob");
    lab.jit("alice", &["sync"]).exits(0);
    assert_eq!(lab.git("bob", &["for-each-ref", "refs/jit/outgoing"]), "");
    // Those that a host of good will can have do not keep a newcomer out.
    lab.script("sed -i '/refs\\/heads\\/jit$/d; /refs\\/heads\\/jit\\/audit\\/x$/d' $HOST/packed-refs");
    lab.clone_as("bob", "second");
    lab.jit("bob", &["clone", "--bare", "../host.git", "gate.git", "--genesis", &lab.genesis]).exits(0);
    let at_the_gate = [&["-C", "gate.git"][..], &check("bob")].concat();
    lab.jit("bob", &at_the_gate).exits(0);
}

#[test]
fn a_repository_may_be_configured_as_its_owner_likes() {
    let settings = [
        ("push.default", "nothing"),
        ("push.default", "matching"),
        ("push.followTags", "true"),
        ("push.gpgSign", "true"),
        ("remote.origin.push", "+refs/heads/*:refs/heads/*"),
        ("remote.origin.mirror", "true"),
        ("remote.origin.prune", "true"),
        ("remote.origin.tagOpt", "--tags"),
        ("remote.origin.fetch", "+refs/*:refs/*"),
        ("fetch.prune", "true"),
        ("fetch.pruneTags", "true"),
        ("fetch.fsckObjects", "true"),
        ("transfer.fsckObjects", "true"),
        ("fetch.output", "compact"),
        ("fetch.writeCommitGraph", "true"),
        ("core.hooksPath", "hooks"),
        ("core.quotePath", "false"),
        ("gc.auto", "1"),
        ("color.ui", "always"),
        ("color.push", "always"),
        ("advice.pushUpdateRejected", "false"),
        ("url./nowhere/.insteadOf", "/elsewhere/"),
        ("protocol.version", "0"),
        ("protocol.version", "1"),
    ];
    let lab = Lab::new();
    fs::create_dir(lab.path("bob/clone/hooks")).unwrap();
    write_program(&lab.path("bob/clone/hooks/pre-push"), "#!/bin/sh\necho no >&2\nexit 1\n");
    for (number, (name, value)) in settings.into_iter().enumerate() {
        lab.git("bob", &["config", "--add", name, value]);
        let said = lab.jit("bob", &request(&format!("INC-{number:04} {name}")));
        assert_eq!(said.status, Some(0), "{name}={value}: {}", said.err);
        lab.git("bob", &["config", "--unset-all", name, &format!("^{}", value.replace(['+', '*'], "."))]);
        if name == "remote.origin.fetch" {
            assert_eq!(lab.git("bob", &["config", "--get-all", name]), "+refs/heads/*:refs/remotes/origin/*");
        }
    }
    assert_eq!(lab.reasons().len(), settings.len());
    // Nothing else was pushed, nor removed.
    assert_eq!(lab.on_host(&["for-each-ref", "--format=%(refname)"]), "refs/heads/jit/audit\nrefs/heads/main");
}

#[test]
fn what_a_host_says_reaches_the_terminal_escaped_and_short() {
    let lab = Lab::new();
    let script = "#!/bin/sh\nfor line in $(seq 2000); do printf 'no \\033[31m\\233 \\342\\200\\256 you\\rdon\\047t\\n' >&2; done\n\
                  head -c 5000 /dev/zero | tr '\\0' x >&2\nexit 1\n";
    let vars = lab.by_ssh(script);
    let vars = vars.each_ref().map(|(name, value)| (*name, value.as_str()));
    for args in [vec!["list"], vec!["sync"], request("INC-0001 first")] {
        let said = lab.jit_with("bob", &vars, &args);
        assert!(said.err.contains("\\u{1b}[31m") && said.err.contains("\\u{202e}"), "{}", said.err);
        assert!(!said.err.contains(['\u{1b}', '\r', '\u{9b}', '\u{202e}']), "{}", said.err);
        assert!(said.err.len() < 10_000, "{} bytes", said.err.len());
    }
    lab.stamp(LONG_AGO);
    let stale = lab.jit_with("bob", &vars, &check("bob")).exits(5).because("stale");
    assert!(stale.reason().1.contains("\\u{1b}[31m"), "{}", stale.out);
}

#[test]
fn a_host_that_never_ends_is_left_in_time_with_all_that_was_started() {
    let lab = Lab::new();
    lab.request("bob", "INC-0001 first");
    let pids = lab.path("pids");
    // By the program that git starts, and by one that it starts in turn.
    let hang = format!("#!/bin/sh\necho $$ >> {0}\nsleep 1000 & echo $! >> {0}\nwait\n", pids.display());
    let refs = format!(
        "#!/bin/sh\necho $$ >> {}\nwhile :; do printf '0043%040d refs/heads/x%09d\\n' 1 1 || exit; done\n",
        pids.display()
    );
    let chatter = format!("#!/bin/sh\necho $$ >> {}\nyes 'a word' >&2\n", pids.display());
    let garbage = format!("#!/bin/sh\necho $$ >> {}\nexec yes\n", pids.display());
    let hosts = [
        (&hang, "did not answer within 1 s"),
        (&refs, "did not answer within 1 s"),
        (&chatter, "talks without end"),
        (&garbage, "bad line length"),
    ];
    for (script, words) in hosts {
        let vars = lab.by_ssh(script);
        let mut vars = vars.each_ref().map(|(name, value)| (*name, value.as_str())).to_vec();
        vars.push(("JIT_TIMEOUT", if words.contains("1 s") { "1s" } else { "10m" }));
        lab.jit_with("bob", &vars, &request("INC-0002 second")).exits(5).says(words).says("nothing was logged");
        lab.jit_with("bob", &vars, &["sync"]).exits(5).says(words);
        lab.stamp(LONG_AGO);
        let stale = lab.jit_with("bob", &vars, &check("bob")).exits(5).because("stale");
        assert!(stale.reason().1.contains(words), "{}", stale.out);
        let to = lab.path("bob/other");
        let clone = ["clone", "ssh://host.example/host.git", to.to_str().unwrap(), "--genesis", &lab.genesis];
        lab.jit_with("bob", &vars, &clone).exits(5).says(words);
        assert!(!to.exists());
        let started = fs::read_to_string(&pids).unwrap();
        assert!(started.lines().count() >= 4, "{started}");
        // One whose reader is gone is told so when it next writes, which may be a moment after.
        let start = Instant::now();
        for pid in started.lines() {
            while is_running(pid) {
                assert!(start.elapsed() < Duration::from_secs(60), "{pid} of `{script}` is still there");
                std::thread::yield_now();
            }
        }
        fs::remove_file(&pids).unwrap();
        lab.git("bob", &["remote", "set-url", "origin", lab.host().to_str().unwrap()]);
        lab.check("bob").exits(0);
    }
    lab.jit_with("bob", &[("JIT_TIMEOUT", "soon")], &["sync"]).exits(5).says("JIT_TIMEOUT is no length of time");
}

#[test]
fn a_pack_without_end_is_stopped_and_nothing_of_it_stays() {
    let lab = Lab::new();
    lab.request("bob", "INC-0001 first");
    let good = lab.tip();
    // Incompressible, in a commit upon the log.
    lab.script(
        "blob=$(head -c 6000000 /dev/urandom | git -C $HOST hash-object -w --stdin)
         tree=$(printf '100644 blob %s\\tx\\n' $blob | git -C $HOST mktree)
         git -C $HOST update-ref refs/heads/jit/audit $(git -C $HOST commit-tree -p jit/audit -m x $tree)",
    );
    let packs = lab.path("bob/clone/.git/objects/pack");
    let before = fs::read_dir(&packs).unwrap().count();
    for signal in ["", "trap '' XFSZ;"] {
        let limited = |args: &[&str]| {
            let text = format!("{signal} ulimit -f 4000; exec \"$0\" \"$@\"");
            lab.run("bob", "sh", &[&["-c", &text, env!("CARGO_BIN_EXE_jit")], args].concat())
        };
        limited(&["sync"]).exits(5).says("the remote sends more than may be stored").says("help: ");
        limited(&request("INC-0002 second")).exits(5).says("nothing was logged");
        lab.stamp(LONG_AGO);
        let stale = limited(&check("bob")).exits(5).because("stale");
        assert!(stale.reason().1.contains("the remote sends more"), "{}", stale.out);
        assert_eq!(fs::read_dir(&packs).unwrap().count(), before, "half a pack is left");
    }
    lab.set_tip(&good);
    lab.check("bob").exits(0);
}

#[test]
fn a_host_that_can_not_write_is_not_asked_for_ever() {
    let lab = Lab::new();
    // As a lock that a dead process left on the host does, for all who push.
    fs::write(lab.host().join("refs/heads/jit/audit.lock"), "").unwrap();
    let said = lab.jit("bob", &request("INC-0001 first")).exits(5).says("nothing was logged: the host refused it");
    assert!(said.err.contains("audit.lock"), "{}", said.err);
    fs::remove_file(lab.host().join("refs/heads/jit/audit.lock")).unwrap();
    lab.request("bob", "INC-0002 second");
    assert_eq!(lab.reasons(), ["INC-0002 second"]);
}
