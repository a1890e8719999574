//! A bare repository for a host; alice who maintains the policy, bob who is a gate, and the service w1 that is a witness:
//! each with a home folder, a key and a clone.

use std::fs;
use std::path::PathBuf;

use std::time::SystemTime;

use jit::core::hash::Hash;
use jit::core::statement::{Body, Checkpoint, Seen, Statement, What, encode};
use jit::core::time::Timestamp;
use serde_json::Value;

use crate::people;
pub(crate) use crate::people::Said;

/// The team's folder, removed at the end.
pub(crate) struct Team {
    folder: tempfile::TempDir,
    genesis: String,
}

/// The size and root of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) size: u64,
    pub(crate) root: Hash,
}

pub(crate) const NOBODY: State = State { size: 1, root: Hash([9; 32]) };

const W1: &str = "refs/heads/jit/witness/w1";

impl Team {
    /// All have a clone of the log on the host, whose policy names w1 as a witness.
    pub(crate) fn new() -> Team {
        let team = Team::alone();
        team.run("alice", "git", &["init", "-q", "--bare", "-b", "main", "../../host.git"]).exits(0);
        team.git("alice", &["remote", "add", "origin", "../../host.git"]);
        team.git("alice", &["push", "-q", "origin", "main", "jit/audit"]);
        team.git("alice", &["fetch", "-q", "origin"]);
        team.clone_as("w1");
        team.clone_as("bob");
        team
    }

    /// Alice alone has it; there is no host.
    pub(crate) fn alone() -> Team {
        let mut team = Team { folder: tempfile::tempdir().unwrap(), genesis: String::new() };
        for who in ["alice", "bob", "w1"] {
            people::settle(team.folder.path(), who);
        }
        team.jit("alice", &["init", "clone", "--name", "acme"]).exits(0);
        let key = fs::read_to_string(team.path("w1/key.pub")).unwrap();
        let w1 = format!("[identity.w1]\nkind = \"service\"\nowners = [\"alice\"]\nkeys = [\"{}\"]\n", key.trim());
        fs::write(team.path("alice/clone/identities/w1.toml"), w1).unwrap();
        team.set_witnesses("[\"w1\"]");
        team.genesis = team.verified()["genesis"].as_str().unwrap().to_owned();
        team
    }

    /// Publishes a policy that names these witnesses.
    pub(crate) fn set_witnesses(&self, list: &str) {
        let settings = self.path("alice/clone/jit.toml");
        let text = fs::read_to_string(&settings).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        for line in lines.iter_mut().filter(|line| line.starts_with("check = ")) {
            *line = format!("check = {{ max_age = \"5m\", witnesses = {list} }}");
        }
        fs::write(&settings, lines.join("\n") + "\n").unwrap();
        self.git("alice", &["add", "-A"]);
        self.git("alice", &["commit", "-qm", "Who witnesses the log"]);
        self.jit("alice", &["policy", "publish", "--yes"]).exits(0);
    }

    /// Makes a clone, by the genesis that alice told.
    pub(crate) fn clone_as(&self, who: &str) {
        self.try_clone(who).exits(0);
    }

    pub(crate) fn try_clone(&self, who: &str) -> Said {
        self.jit(who, &["clone", "../host.git", "clone", "--genesis", &self.genesis])
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn run(&self, who: &str, program: &str, args: &[&str]) -> Said {
        people::command(self.folder.path(), who, program, args).output().unwrap().into()
    }

    pub(crate) fn jit(&self, who: &str, args: &[&str]) -> Said {
        self.run(who, env!("CARGO_BIN_EXE_jit"), args)
    }

    #[track_caller]
    pub(crate) fn git(&self, who: &str, args: &[&str]) -> String {
        self.run(who, "git", args).exits(0).out.trim_end().to_owned()
    }

    /// Runs git in the host's repository.
    #[track_caller]
    pub(crate) fn on_host(&self, args: &[&str]) -> String {
        let host = self.path("host.git");
        self.git("alice", &[&["-C", host.to_str().unwrap()], args].concat())
    }

    /// Asks as alice for something that needs no approval.
    pub(crate) fn request(&self, what: &str) {
        self.jit("alice", &["request", &format!("db/staging/{what}"), "read"]).exits(0);
    }

    /// Asks the gate whether alice may.
    pub(crate) fn check(&self, what: &str) -> Said {
        let resource = format!("db/staging/{what}");
        self.jit("bob", &["check", &resource, "read", "--subject", "alice", "--json"])
    }

    /// How far alice's log is.
    pub(crate) fn state(&self) -> State {
        let verified = self.verified();
        State { size: verified["size"].as_u64().unwrap(), root: verified["root"].as_str().unwrap().parse().unwrap() }
    }

    fn verified(&self) -> Value {
        self.jit("alice", &["audit", "verify", "--json"]).json()
    }

    /// A checkpoint in the name of `by`, signed so many seconds ago by stock ssh-keygen with the key of `key`.
    pub(crate) fn checkpoint(&self, by: &str, key: &str, state: State, seen: State, seconds_ago: i64) -> String {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let statement = Statement {
            log: self.genesis.parse().unwrap(),
            by: by.parse().unwrap(),
            at: Timestamp::from_unix(i64::try_from(now).unwrap() - seconds_ago),
            seen: Seen { size: seen.size, root: seen.root },
            nonce: [7; 16],
            what: What::Checkpoint(Checkpoint { size: state.size, root: state.root }),
        };
        let body = encode(&Body::Statement(statement));
        let file = self.path(key).join("body");
        fs::write(&file, &body).unwrap();
        let _ = fs::remove_file(self.path(key).join("body.sig"));
        self.run(key, "ssh-keygen", &["-q", "-Y", "sign", "-n", "jit", "-f", "key", "body"]).exits(0);
        let armour = fs::read_to_string(self.path(key).join("body.sig")).unwrap();
        let signature: String = armour.lines().filter(|line| !line.starts_with('-')).collect();
        format!("{{\"body\":{body},\"sig\":\"{signature}\"}}\n")
    }

    /// Puts a file where w1's checkpoints stand, as anyone who can push may, with stock git.
    pub(crate) fn put(&self, name: &str, file: &str) {
        fs::write(self.path("file"), file).unwrap();
        let blob = self.on_host(&["hash-object", "-w", self.path("file").to_str().unwrap()]);
        fs::write(self.path("tree"), format!("100644 blob {blob}\t{name}\n")).unwrap();
        let script = format!("git -C '{}' mktree < '{}'", self.path("host.git").display(), self.path("tree").display());
        let tree = self.run("alice", "sh", &["-c", &script]).exits(0).out.trim().to_owned();
        let commit = self.on_host(&["commit-tree", "-m", "a checkpoint", &tree]);
        self.on_host(&["update-ref", W1, &commit]);
    }

    /// Removes w1's branch from the host.
    pub(crate) fn remove_branch(&self) {
        self.on_host(&["update-ref", "-d", W1]);
    }
}
