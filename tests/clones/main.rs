//! Two clones and a host: the log fetched, pushed to, gone stale, rewritten and repaired, with the real program and git.

#![cfg_attr(test, expect(clippy::disallowed_methods, reason = "a test's own environment is the process's"))]

#[cfg(test)]
#[path = "../support/people.rs"]
mod people;

#[cfg(test)]
mod life {
    use std::fs;
    use std::path::{Path, PathBuf};

    use crate::people::{self, Said};

    /// A folder with a bare repository for a host, and people who each have a HOME and a clone of it.
    struct Team {
        folder: tempfile::TempDir,
    }

    impl Said {
        #[track_caller]
        fn id(self) -> String {
            self.json()["request"]["id"].as_str().unwrap().to_owned()
        }
    }

    impl Team {
        /// Alice's repo, pushed to the host with Bob in its policy.
        fn new() -> Team {
            let team = Team { folder: tempfile::tempdir().unwrap() };
            ["alice", "bob"].into_iter().for_each(|who| people::settle(team.folder.path(), who));
            team.run("alice", "git", &["init", "-q", "--bare", "-b", "main", "../host.git"]).exits(0);
            team.jit("alice", &["init", "clone", "--name", "acme"]).exits(0);
            team.git("alice", &["remote", "add", "origin", "../../host.git"]);
            team.git("alice", &["push", "-q", "origin", "main", "jit/audit"]);
            people::add_bob(team.folder.path());
            team.git("alice", &["add", "-A"]);
            team.git("alice", &["commit", "-qm", "Bob joins"]);
            team.git("alice", &["push", "-q", "origin", "main"]);
            team.jit("alice", &["policy", "publish", "--yes"]).exits(0);
            team
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn run(&self, who: &str, program: &str, args: &[&str]) -> Said {
            people::command(self.folder.path(), who, program, args).output().unwrap().into()
        }

        fn jit(&self, who: &str, args: &[&str]) -> Said {
            self.run(who, env!("CARGO_BIN_EXE_jit"), args)
        }

        #[track_caller]
        fn git(&self, who: &str, args: &[&str]) -> String {
            self.run(who, "git", args).exits(0).out
        }

        fn genesis(&self) -> String {
            self.jit("alice", &["audit", "verify", "--json"]).json()["genesis"].as_str().unwrap().to_owned()
        }

        /// Bob clones, by the genesis that Alice told him.
        fn with_bobs_clone() -> Team {
            let team = Team::new();
            team.jit("bob", &["clone", "../host.git", "clone", "--genesis", &team.genesis()]).exits(0);
            team
        }

        fn host(&self) -> PathBuf {
            self.path("host.git")
        }

        fn tip(&self) -> String {
            self.git("alice", &["-C", self.host().to_str().unwrap(), "rev-parse", "jit/audit"]).trim().to_owned()
        }

        fn set_tip(&self, tip: &str) {
            self.git("alice", &["-C", self.host().to_str().unwrap(), "update-ref", "refs/heads/jit/audit", tip]);
        }
    }

    const ORDERS: [&str; 2] = ["db/prod/orders", "read"];

    fn with<'a>(command: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
        [command].into_iter().chain(ORDERS).chain(rest.iter().copied()).collect()
    }

    #[test]
    fn a_request_an_approval_and_a_revocation_from_three_sides() {
        let team = Team::with_bobs_clone();
        let id = team
            .jit("bob", &with("request", &["--for", "2h", "--reason", "INC-1234 stuck orders", "--json"]))
            .exits(3)
            .id();
        team.jit("alice", &["approve", &id, "--yes"]).exits(0);
        assert_eq!(team.jit("bob", &["list", "--json"]).exits(0).json()["requests"][0]["decision"], "allow");
        let open = team.jit("bob", &with("check", &["--json"])).exits(0).json();
        assert_eq!((&open["decision"], &open["grant"]["id"]), (&"allow".into(), &id.as_str().into()));
        assert!(open["age_s"].is_u64());
        team.jit("alice", &["revoke", &id, "--reason", "over"]).exits(0);
        // The gate's data is fresh enough to be used, and knows of it as soon as it is fetched.
        team.jit("bob", &["sync"]).exits(0);
        let shut = team.jit("bob", &with("check", &["--json"])).exits(1).json();
        assert_eq!(shut["reasons"][0]["code"], "revoked");
        // One log, linear, each line once.
        let merges =
            team.git("alice", &["-C", team.host().to_str().unwrap(), "rev-list", "--min-parents=2", "jit/audit"]);
        assert_eq!(merges, "");
        let verified = team.jit("alice", &["audit", "verify", "--strict", "--json"]).exits(0).json();
        assert_eq!(verified["size"], 6);
    }

    #[test]
    fn a_clone_is_of_the_log_that_was_named() {
        let team = Team::new();
        let other = "0".repeat(64);
        for (args, status) in
            [(vec!["clone", "../host.git"], 2), (vec!["clone", "../host.git", "--genesis", &other], 4)]
        {
            team.jit("bob", &args).exits(status);
            assert!(!team.path("bob/host").exists(), "nothing is left behind");
        }
        let short = format!("{}:2:{other}", team.genesis());
        team.jit("bob", &["clone", "../host.git", "clone", "--genesis", &short]).exits(4);
        assert!(!team.path("bob/clone").exists());
        team.jit("bob", &["clone", "../nowhere.git", "clone", "--genesis", &other]).exits(5);
    }

    #[test]
    fn no_second_log_is_started_in_a_clone_that_git_made() {
        let team = Team::new();
        team.run("bob", "git", &["clone", "-q", "../host.git", "plain"]).exits(0);
        team.jit("bob", &["init", "plain", "--as", "bob"]).exits(1);
        let made = team.run("bob", "git", &["-C", "plain", "branch", "--list", "jit/audit"]).exits(0);
        assert_eq!(made.out, "");
    }

    #[test]
    fn both_write_at_once_and_both_are_heard() {
        let team = Team::with_bobs_clone();
        std::thread::scope(|scope| {
            for who in ["alice", "bob"] {
                let team = &team;
                scope.spawn(move || {
                    for number in 0..6 {
                        team.jit(who, &["request", &format!("db/staging/{who}-{number}"), "read"]).exits(0);
                    }
                });
            }
        });
        let verified = team.jit("alice", &["audit", "verify", "--strict", "--json"]).exits(0).json();
        assert_eq!((&verified["size"], &verified["statements"]["request"]), (&15.into(), &12.into()));
    }

    #[test]
    fn a_gate_without_its_host_answers_while_it_may() {
        let team = Team::with_bobs_clone();
        team.jit("bob", &with("request", &["--reason", "INC-1234 stuck orders"])).exits(0);
        fs::rename(team.host(), team.path("gone.git")).unwrap();
        team.jit("bob", &with("check", &[])).exits(0);
        // What was fetched longer ago than a gate allows is no answer; the stamp is dated back instead of waiting.
        let stamp = team.path("bob/clone/.git/jit/fetched-at");
        fs::write(&stamp, "2026-01-01T00:00:00Z\n").unwrap();
        let stale = team.jit("bob", &with("check", &["--json"])).exits(5).json();
        assert_eq!((&stale["decision"], &stale["reasons"][0]["code"]), (&"deny".into(), &"stale".into()));
        let said = team.jit("bob", &with("request", &["--reason", "INC-1234 stuck orders"])).exits(5);
        assert!(said.err.contains("nothing was logged"), "{}", said.err);
        fs::rename(team.path("gone.git"), team.host()).unwrap();
        team.jit("bob", &with("check", &[])).exits(0);
    }

    #[test]
    fn a_log_that_was_rolled_back_is_refused_and_a_repaired_one_is_not() {
        let team = Team::with_bobs_clone();
        let id = team.jit("bob", &with("request", &["--reason", "INC-1234 stuck orders", "--json"])).exits(0).id();
        let before = team.tip();
        team.jit("alice", &["revoke", &id, "--reason", "over"]).exits(0);
        team.jit("bob", &["sync"]).exits(0);
        let tip = team.tip();
        team.set_tip(&before);
        let said = team.jit("bob", &["list"]).exits(4);
        assert!(said.err.contains("root"), "{}", said.err);
        // The gate stays with what it has seen, and says no where that is too old.
        let shut = team.jit("bob", &with("check", &["--json"])).exits(1).json();
        assert_eq!(shut["reasons"][0]["code"], "revoked");
        fs::write(team.path("bob/clone/.git/jit/fetched-at"), "2026-01-01T00:00:00Z\n").unwrap();
        let stale = team.jit("bob", &with("check", &["--json"])).exits(5).json();
        assert_eq!(stale["reasons"][0]["code"], "stale");
        team.set_tip(&tip);
        team.jit("bob", &["list"]).exits(0);
        team.jit("bob", &with("check", &[])).exits(1);
    }

    #[test]
    fn a_host_may_refuse_and_its_words_are_shown() {
        let team = Team::with_bobs_clone();
        let hook = team.host().join("hooks/pre-receive");
        write_program(&hook, "#!/bin/sh\nprintf 'no pushes \\033[31mtoday\\n' >&2\nexit 1\n");
        let said = team.jit("bob", &with("request", &["--reason", "INC-1234 stuck orders"])).exits(5);
        assert!(said.err.contains("no pushes") && !said.err.contains('\u{1b}'), "{}", said.err);
        fs::remove_file(hook).unwrap();
        team.jit("bob", &with("request", &["--reason", "INC-1234 stuck orders"])).exits(0);
        let verified = team.jit("bob", &["audit", "verify", "--json"]).exits(0).json();
        assert_eq!(verified["statements"]["request"], 1);
    }

    fn write_program(path: &Path, text: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
}
