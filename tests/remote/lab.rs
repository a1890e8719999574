//! A bare repository for a host, and people who each have a HOME, a key and a clone: alice maintains the policy, bob may do
//! what she may, and asks his own gate.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::people;
pub(crate) use crate::people::{Said, write_program};

/// The folder of all of them, removed at the end.
pub(crate) struct Lab {
    folder: tempfile::TempDir,
    pub(crate) genesis: String,
}

impl Said {
    /// The first reason's code and message.
    #[track_caller]
    pub(crate) fn reason(&self) -> (String, String) {
        let json = self.json();
        let field = |name: &str| json["reasons"][0][name].as_str().unwrap().to_owned();
        (field("code"), field("message"))
    }

    /// Asserts that a gate says no for this reason.
    #[track_caller]
    pub(crate) fn because(self, code: &str) -> Said {
        assert_eq!(self.reason().0, code, "{}\n{}", self.out, self.err);
        assert_eq!(self.json()["decision"], "deny");
        self
    }
}

/// Something everybody here may have at once.
pub(crate) const WHAT: [&str; 2] = ["db/staging/orders", "read"];

impl Lab {
    /// Alice's repo on the host with Bob in its policy, and Bob's clone.
    pub(crate) fn new() -> Lab {
        let mut lab = Lab { folder: tempfile::tempdir().unwrap(), genesis: String::new() };
        ["alice", "bob"].into_iter().for_each(|who| people::settle(lab.folder.path(), who));
        lab.run("alice", "git", &["init", "-q", "--bare", "-b", "main", "../host.git"]).exits(0);
        lab.jit("alice", &["init", "clone", "--name", "acme"]).exits(0);
        lab.git("alice", &["remote", "add", "origin", "../../host.git"]);
        lab.git("alice", &["push", "-q", "origin", "main", "jit/audit"]);
        people::add_bob(lab.folder.path());
        lab.publish("Bob joins");
        lab.genesis = lab.verified("alice")["genesis"].as_str().unwrap().to_owned();
        lab.clone_as("bob", "clone");
        lab
    }

    /// Commits what alice's work tree has, and publishes it.
    pub(crate) fn publish(&self, message: &str) {
        self.git("alice", &["add", "-A"]);
        self.git("alice", &["commit", "-qm", message]);
        self.git("alice", &["push", "-q", "origin", "main"]);
        self.jit("alice", &["policy", "publish", "--yes"]).exits(0);
    }

    /// Makes a clone by the genesis that alice told.
    pub(crate) fn clone_as(&self, who: &str, folder: &str) {
        self.jit(who, &["clone", self.host().to_str().unwrap(), folder, "--genesis", &self.genesis]).exits(0);
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn host(&self) -> PathBuf {
        self.path("host.git")
    }

    /// Prepares to run a program as somebody: with an empty environment but for `PATH` and who they are.
    pub(crate) fn command(&self, who: &str, program: &str, args: &[&str]) -> Command {
        people::command(self.folder.path(), who, program, args)
    }

    pub(crate) fn run(&self, who: &str, program: &str, args: &[&str]) -> Said {
        self.command(who, program, args).output().unwrap().into()
    }

    pub(crate) fn jit(&self, who: &str, args: &[&str]) -> Said {
        self.run(who, env!("CARGO_BIN_EXE_jit"), args)
    }

    /// The same with more in its environment.
    pub(crate) fn jit_with(&self, who: &str, vars: &[(&str, &str)], args: &[&str]) -> Said {
        let mut command = self.command(who, env!("CARGO_BIN_EXE_jit"), args);
        command.envs(vars.iter().copied()).output().unwrap().into()
    }

    #[track_caller]
    pub(crate) fn git(&self, who: &str, args: &[&str]) -> String {
        self.run(who, "git", args).exits(0).out.trim_end().to_owned()
    }

    /// Runs git in the host's repository.
    #[track_caller]
    pub(crate) fn on_host(&self, args: &[&str]) -> String {
        self.git("alice", &[&["-C", self.host().to_str().unwrap()], args].concat())
    }

    /// Runs a script as alice, with `$HOST` and `$LAB` set.
    #[track_caller]
    pub(crate) fn script(&self, text: &str) -> String {
        let mut command = self.command("alice", "bash", &["-euo", "pipefail", "-c", text]);
        command.env("HOST", self.host()).env("LAB", self.path("."));
        Said::from(command.output().unwrap()).exits(0).out.trim_end().to_owned()
    }

    /// Asks for what is granted at once, and returns the request's id.
    #[track_caller]
    pub(crate) fn request(&self, who: &str, reason: &str) -> String {
        let said = self.jit(who, &request(reason)).exits(0);
        said.json()["request"]["id"].as_str().unwrap().to_owned()
    }

    /// Asks bob's gate whether somebody may have it.
    pub(crate) fn check(&self, subject: &str) -> Said {
        self.jit("bob", &check(subject))
    }

    pub(crate) fn verified(&self, who: &str) -> Value {
        self.jit(who, &["audit", "verify", "--json"]).exits(0).json()
    }

    pub(crate) fn tip(&self) -> String {
        self.on_host(&["rev-parse", "refs/heads/jit/audit"])
    }

    pub(crate) fn set_tip(&self, tip: &str) {
        self.on_host(&["update-ref", "refs/heads/jit/audit", tip]);
    }

    /// The reasons of all requests on the host's log, in order, as stock git reads them.
    pub(crate) fn reasons(&self) -> Vec<String> {
        let names = self.on_host(&["ls-tree", "-r", "--name-only", "refs/heads/jit/audit", "audit/"]);
        let mut found = Vec::new();
        for name in names.lines() {
            for line in self.on_host(&["cat-file", "blob", &format!("refs/heads/jit/audit:{name}")]).lines() {
                let Ok(line) = serde_json::from_str::<Value>(line) else { continue };
                if line["body"]["type"] == "request" {
                    found.push(line["body"]["reason"].as_str().unwrap().to_owned());
                }
            }
        }
        found
    }

    /// Says when bob's clone was last fetched, instead of waiting.
    pub(crate) fn stamp(&self, text: &str) {
        fs::write(self.path("bob/clone/.git/jit/fetched-at"), text).unwrap();
    }

    /// A `PATH` on which a program of ours comes before the real one of that name.
    pub(crate) fn path_with(&self, program: &str, script: &str) -> OsString {
        let folder = self.path("bin");
        fs::create_dir_all(&folder).unwrap();
        write_program(&folder.join(program), script);
        let mut path = folder.into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap());
        path
    }

    /// Lets bob's clone reach its remote by ssh, which is this script.
    pub(crate) fn by_ssh(&self, script: &str) -> [(&'static str, String); 2] {
        self.git("bob", &["remote", "set-url", "origin", "ssh://host.example/host.git"]);
        let program = self.path("ssh");
        write_program(&program, script);
        [("GIT_SSH_COMMAND", program.to_str().unwrap().to_owned()), ("GIT_SSH_VARIANT", "ssh".to_owned())]
    }
}

/// A stamp that is older than any `max_age`.
pub(crate) const LONG_AGO: &str = "2026-01-01T00:00:00Z\n";

pub(crate) fn request(reason: &str) -> Vec<&str> {
    vec!["request", WHAT[0], WHAT[1], "--reason", reason, "--json"]
}

pub(crate) fn check(subject: &str) -> Vec<&str> {
    vec!["check", WHAT[0], WHAT[1], "--subject", subject, "--json"]
}

/// Tells whether a process still does something: one that has ended and that nobody asked about does not.
pub(crate) fn is_running(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_ascii_whitespace().next());
    !matches!(state, None | Some("Z" | "X"))
}
