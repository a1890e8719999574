//! Alice's policy repo, a bare repository for a host, and clones of it.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::people;
pub(crate) use crate::people::{Said, write_program};

/// A folder that is removed at the end.
pub(crate) struct Site {
    folder: tempfile::TempDir,
    pub(crate) genesis: String,
}

impl Said {
    /// Returns the worst of what a doctor says by this name: its severity, message and help.
    #[track_caller]
    pub(crate) fn check(&self, name: &str) -> (Option<String>, String, String) {
        let json = self.json();
        let checks = json["checks"].as_array().unwrap().iter().filter(|check| check["name"] == name);
        let rank = |check: &&Value| ["note", "problem"].iter().position(|word| check["severity"] == *word);
        let worst = checks.max_by_key(rank).unwrap_or_else(|| panic!("no {name} in {json}"));
        let text = |key: &str| worst[key].as_str().map(str::to_owned);
        (text("severity"), text("message").unwrap(), text("help").unwrap_or_default())
    }

    /// Checks that a doctor finds this in the way, and says so.
    #[track_caller]
    pub(crate) fn has_problem(&self, name: &str, said: &str) {
        let (severity, message, _) = self.check(name);
        assert!(severity.as_deref() == Some("problem") && message.contains(said), "{}", self.out);
    }

    #[track_caller]
    pub(crate) fn is_fine(&self, name: &str, said: &str) {
        let (severity, message, _) = self.check(name);
        assert!(severity.is_none() && message.contains(said), "{name}: {said} in {}", self.out);
    }
}

impl Site {
    /// Alice has made the repo, and pushed it to the host.
    pub(crate) fn new() -> Site {
        let mut site = Site { folder: tempfile::tempdir().unwrap(), genesis: String::new() };
        people::settle(site.folder.path(), "alice");
        site.jit("alice", &["init", "clone", "--name", "acme"]).exits(0);
        let host = site.host();
        site.git("alice", &["init", "-q", "--bare", "-b", "main", host.to_str().unwrap()]);
        site.git("alice", &["remote", "add", "origin", host.to_str().unwrap()]);
        site.git("alice", &["push", "-q", "origin", "main", "jit/audit"]);
        site.git("alice", &["fetch", "-q", "origin"]);
        let verified = site.jit("alice", &["audit", "verify", "--json"]).exits(0).json();
        site.genesis = verified["genesis"].as_str().unwrap().to_owned();
        site
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn host(&self) -> PathBuf {
        self.path("host.git")
    }

    /// A home folder of its own, with Alice's key, and a clone.
    pub(crate) fn clone_as(&self, who: &str) {
        fs::create_dir(self.path(who)).unwrap();
        let host = self.host();
        self.jit(who, &["clone", host.to_str().unwrap(), "clone", "--genesis", &self.genesis]).exits(0);
    }

    pub(crate) fn run(&self, who: &str, program: &str, args: &[&str]) -> Said {
        let (home, clone) = (self.path(who), self.path(who).join("clone"));
        let mut command = people::command(self.folder.path(), who, program, args);
        // Whoever it is has alice's key; and a doctor looks for the repo by itself.
        command.env("USER", "alice").env("JIT_KEY", self.path("alice/key")).env_remove("JIT_REPO");
        command.current_dir(if clone.exists() { clone } else { home }).output().unwrap().into()
    }

    pub(crate) fn jit(&self, who: &str, args: &[&str]) -> Said {
        self.run(who, env!("CARGO_BIN_EXE_jit"), args)
    }

    #[track_caller]
    pub(crate) fn git(&self, who: &str, args: &[&str]) -> String {
        self.run(who, "git", args).exits(0).out
    }

    /// Asks for something that the starter policy grants at once, and returns the request's id.
    pub(crate) fn request(&self, what: &str) -> String {
        let said = self.jit("alice", &["request", &format!("db/staging/{what}"), "read", "--json"]).exits(0).json();
        said["request"]["id"].as_str().unwrap().to_owned()
    }

    /// Has the host refuse pushes in these words.
    pub(crate) fn refuse(&self, words: &str) {
        write_program(
            &self.host().join("hooks/pre-receive"),
            &format!("#!/bin/sh\ncat <<'END' >&2\n{words}\nEND\nexit 1\n"),
        );
    }
}
