//! What `jit doctor --remote` says of a host.

use std::fs;

use crate::site::{Said, Site};

fn doctor(site: &Site, who: &str) -> Said {
    site.jit(who, &["doctor", "--remote", "--json"])
}

#[test]
fn a_host_that_is_as_it_should_be() {
    let site = Site::new();
    site.clone_as("bob");
    site.request("a");
    let same = doctor(&site, "alice").exits(0);
    same.is_fine("host", "answers");
    same.is_fine("host log", "the same as here");
    same.is_fine("push", "only by a real one");
    // What Bob lacks is looked at, and not taken over.
    let count = |site: &Site| site.git("bob", &["count-objects", "-v"]);
    let (before, refs) = (count(&site), site.git("bob", &["for-each-ref"]));
    let ahead = doctor(&site, "bob").exits(0);
    let (severity, message, help) = ahead.check("host log");
    assert_eq!((severity.as_deref(), help.as_str()), (Some("note"), "jit sync"), "{}", ahead.out);
    assert!(message.contains("1 line more"), "{message}");
    assert_eq!((count(&site), site.git("bob", &["for-each-ref"])), (before, refs));
    site.jit("bob", &["sync"]).exits(0);
    doctor(&site, "bob").exits(0).is_fine("host log", "the same as here");
}

#[test]
fn a_clone_that_another_one_here_is_ahead_of() {
    let site = Site::new();
    // Bob's home is Alice's too: one machine, one pin, two clones.
    let host = site.host();
    site.jit("alice", &["clone", host.to_str().unwrap(), "../second", "--genesis", &site.genesis]).exits(0);
    site.request("a");
    let second = site.path("alice/second");
    let said = site.jit("alice", &["-C", second.to_str().unwrap(), "doctor", "--remote", "--json"]).exits(0);
    let (severity, message, help) = said.check("log");
    assert_eq!((severity.as_deref(), help.as_str()), (Some("note"), "jit sync"), "{}", said.out);
    assert!(message.contains("another clone here is ahead"), "{message}");
}

#[test]
fn a_host_that_went_back_or_lost_its_log() {
    let site = Site::new();
    site.clone_as("bob");
    site.request("a");
    let host = site.host();
    let set = |args: &[&str]| site.git("alice", &[&["-C", host.to_str().unwrap()], args].concat());
    let tip = set(&["rev-parse", "jit/audit"]).trim().to_owned();
    set(&["update-ref", "refs/heads/jit/audit", "jit/audit~1"]);
    doctor(&site, "alice").exits(4).has_problem("host log", "it was rolled back: 2 lines with root ");
    // The other clone has not seen more, so nothing is wrong there.
    doctor(&site, "bob").exits(0);
    // Two logs from one stem: what is there is not what Alice has seen, and no prefix of it.
    site.jit("bob", &["request", "db/staging/b", "read"]).exits(0);
    doctor(&site, "alice")
        .exits(4)
        .has_problem("host log", "it has another log than was seen here: 3 lines with root ");
    set(&["update-ref", "-d", "refs/heads/jit/audit"]);
    let gone = doctor(&site, "alice").exits(4);
    gone.has_problem("host log", "is gone from `origin`");
    // What it says to type mends it.
    let (_, _, help) = gone.check("host log");
    let command = help.split(": ").last().unwrap();
    assert_eq!(command, format!("git push origin {tip}:refs/heads/jit/audit"));
    site.git("alice", &command.split(' ').skip(1).collect::<Vec<_>>());
    doctor(&site, "alice").exits(0).is_fine("host log", "the same as here");
    fs::rename(&host, site.path("gone.git")).unwrap();
    doctor(&site, "alice").exits(5).has_problem("host", "asking the remote `origin` failed");
}

#[test]
fn a_log_that_was_never_pushed() {
    let site = Site::new();
    let host = site.path("other.git");
    site.run("alice", "git", &["init", "-q", "--bare", host.to_str().unwrap()]).exits(0);
    site.git("alice", &["remote", "remove", "origin"]);
    let none = doctor(&site, "alice").exits(5);
    none.has_problem("host", "no remote");
    site.git("alice", &["remote", "add", "origin", host.to_str().unwrap()]);
    let said = doctor(&site, "alice").exits(1);
    let (_, _, help) = said.check("host log");
    assert_eq!(help, "git push origin jit/audit");
    site.git("alice", &["push", "-q", "origin", "jit/audit"]);
    doctor(&site, "alice").exits(0);
    for remote in ["one", "two"] {
        site.git("alice", &["remote", "add", remote, host.to_str().unwrap()]);
    }
    site.git("alice", &["remote", "remove", "origin"]);
    doctor(&site, "alice").exits(5).has_problem("remote", "none is called origin: `one`, `two`");
}

#[test]
fn the_rule_that_refused_a_push_is_named_until_one_succeeds() {
    let site = Site::new();
    site.request("a");
    let rules = [
        (
            "error: GH013: Repository rule violations found for refs/heads/jit/audit.\n\n- Changes must be made through a \
             pull request.\n\n- Commits must have verified signatures.",
            "it takes changes by pull request only; it demands signed commits",
            "(GitHub: ",
        ),
        (
            "GitLab: You are not allowed to push code to protected branches on this project.",
            "the branch is protected, and you are not among those who may push to it",
            "(GitLab: ",
        ),
        ("Forgejo: Not allowed to push to protected branch jit/audit", "the branch is protected", "(Forgejo: "),
        ("no pushes \u{1b}[31mtoday", "a hook on the host said no", "see what the hook says above"),
    ];
    for (words, rule, help) in rules {
        site.refuse(words);
        let refused = site.jit("alice", &["request", "db/staging/b", "read"]).exits(5);
        assert!(refused.err.contains(rule) && refused.err.contains(help), "{}", refused.err);
        let said = doctor(&site, "alice").exits(5);
        said.has_problem("refusal", rule);
        let (_, message, helped) = said.check("refusal");
        assert!(helped.contains(help) && message.contains("jit/audit was refused, 20"), "{message}\n{helped}");
        let shown = site.jit("alice", &["doctor", "--remote"]).exits(5);
        assert!(!shown.out.contains('\u{1b}'), "{}", shown.out);
        // A dry run is asked no rule, and the answer does not pretend otherwise.
        said.is_fine("push", "asked only by a real one");
    }
    fs::remove_file(site.host().join("hooks/pre-receive")).unwrap();
    site.request("b");
    doctor(&site, "alice").exits(0);
}

#[test]
fn git_itself_refuses_what_is_forced() {
    let site = Site::new();
    let host = site.host();
    site.git("alice", &["-C", host.to_str().unwrap(), "config", "receive.denyNonFastForwards", "true"]);
    let key = fs::read_to_string(site.path("alice/key.pub")).unwrap();
    let other = site.path("w1");
    fs::create_dir(&other).unwrap();
    site.run("w1", "ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", "key"]).exits(0);
    let own = fs::read_to_string(other.join("key.pub")).unwrap();
    assert_ne!(key, own);
    let identity = format!("[identity.w1]\nkind = \"service\"\nowners = [\"alice\"]\nkeys = [\"{}\"]\n", own.trim());
    fs::write(site.path("alice/clone/identities/w1.toml"), identity).unwrap();
    let settings = site.path("alice/clone/jit.toml");
    let text = fs::read_to_string(&settings).unwrap();
    let named = |line: &str| match line.starts_with("check = ") {
        true => "check = { max_age = \"5m\", witnesses = [\"w1\"] }".to_owned(),
        false => line.to_owned(),
    };
    fs::write(&settings, text.lines().map(named).collect::<Vec<_>>().join("\n") + "\n").unwrap();
    site.git("alice", &["add", "-A"]);
    site.git("alice", &["commit", "-qm", "A witness"]);
    site.jit("alice", &["policy", "publish", "--yes"]).exits(0);
    let host_path = host.to_str().unwrap();
    site.jit("w1", &["clone", host_path, "clone", "--genesis", &site.genesis]).exits(0);
    let key = other.join("key");
    let witness = |site: &Site| site.jit("w1", &["--key", key.to_str().unwrap(), "witness"]);
    let silent = doctor(&site, "w1").exits(0);
    let (severity, message, _) = silent.check("age");
    assert!(severity.as_deref() == Some("note") && message.contains("no witness has vouched"), "{message}");
    witness(&site).exits(0);
    site.jit("w1", &["sync"]).exits(0);
    doctor(&site, "w1").exits(0).is_fine("age", "the last witness of the log here was `w1`");
    site.request("a");
    let refused = witness(&site).exits(5);
    assert!(refused.err.contains("let the witness overwrite jit/witness/w1"), "{}", refused.err);
    doctor(&site, "w1").exits(5).has_problem("refusal", "jit/witness/w1 was refused");
}

#[test]
fn repos_that_can_not_be_read() {
    let site = Site::new();
    let host = site.host();
    site.request("a");
    let doctor = |args: &[&str]| site.jit("alice", &[args, &["doctor", "--remote", "--json"]].concat());
    let url = format!("file://{}", host.display());
    site.git("alice", &["clone", "-q", "--depth", "1", "-b", "jit/audit", &url, "../shallow"]);
    let shallow = site.path("alice/shallow");
    let said = doctor(&["-C", shallow.to_str().unwrap()]).exits(5);
    said.has_problem("repo", "is a shallow clone");
    assert!(said.check("repo").2.ends_with("fetch --unshallow"), "{}", said.out);
    for (kind, why) in [("--object-format=sha256", "not SHA-1"), ("--ref-format=reftable", "not files")] {
        let folder = site.path(kind);
        // A git that does not know a kind can't have made such a repo either.
        if site.run("alice", "git", &["init", "-q", kind, folder.to_str().unwrap()]).status != Some(0) {
            assert_eq!(kind, "--ref-format=reftable");
            continue;
        }
        doctor(&["-C", folder.to_str().unwrap()]).exits(5).has_problem("repo", why);
    }
    // An object that is gone, and a clone that is a folder of rubbish.
    let clone = site.path("alice/clone");
    let tree = site.git("alice", &["rev-parse", "origin/jit/audit^{tree}"]);
    let (first, rest) = tree.trim().split_at(2);
    fs::remove_file(clone.join(".git/objects").join(first).join(rest)).unwrap();
    doctor(&[]).exits(5).has_problem("log", "is missing or damaged");
    fs::write(clone.join(".git/HEAD"), "rubbish").unwrap();
    doctor(&[]).exits(5).has_problem("repo", "git can't use it: fatal: not a git repository");
}

#[test]
fn a_repo_that_several_users_share() {
    let site = Site::new();
    site.git("alice", &["config", "core.sharedRepository", "group"]);
    site.git("alice", &["init", "-q"]);
    let with_umask = |mask: &str| {
        let script = format!("umask {mask}; exec '{}' doctor --json", env!("CARGO_BIN_EXE_jit"));
        site.run("alice", "sh", &["-c", &script])
    };
    let closed = with_umask("022").exits(1);
    closed.has_problem("owner", "what this user adds would be closed to it (umask 022)");
    assert!(closed.check("owner").2.contains("umask 002"), "{}", closed.out);
    with_umask("002").exits(0).is_fine("owner", "shared with a group, and what this user adds stays open to it");
}
