//! A host, which is a bare repository in a temporary folder, and machines that each have a home and a clone of it.
//!
//! Each machine is a person's, who has a key there. Alice maintains the policy. Every program runs with an empty
//! environment but for `PATH` and its machine's home.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A temporary folder with all of it; removed at the end.
pub(crate) struct Host {
    folder: tempfile::TempDir,
    /// The log's id.
    pub(crate) genesis: String,
}

/// What a program said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    /// Asserts the exit status.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Said {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        self
    }

    /// Returns the one JSON object on standard output.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|why| panic!("{why}: {self:?}"))
    }

    /// Returns the id of a request.
    #[track_caller]
    pub(crate) fn id(&self) -> String {
        self.json()["request"]["id"].as_str().unwrap_or_else(|| panic!("no id: {self:?}")).to_owned()
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Said {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("programs print text");
        Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Host {
    /// A host with a log that alice has made on a machine called `alice`, policy version 1 in force.
    pub(crate) fn new() -> Host {
        let mut host = Host { folder: tempfile::tempdir().unwrap(), genesis: String::new() };
        host.add_machine("alice");
        host.run("alice", "git", &["init", "-q", "--bare", "-b", "main", "../host.git"]).exits(0);
        host.git_of_host(&["config", "core.logAllRefUpdates", "always"]);
        host.jit("alice", &["init", "clone", "--name", "acme"]).exits(0);
        host.run("alice", "git", &["-C", "clone", "remote", "add", "origin", "../../host.git"]).exits(0);
        host.run("alice", "git", &["-C", "clone", "push", "-q", "origin", "main", "jit/audit"]).exits(0);
        host.genesis =
            host.jit("alice", &["audit", "verify", "--json"]).exits(0).json()["genesis"].as_str().unwrap().to_owned();
        host
    }

    fn add_machine(&self, person: &str) {
        fs::create_dir(self.path(person)).unwrap();
        self.run(person, "ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", "key"]).exits(0);
    }

    /// Adds a machine with a clone, of somebody who is in no policy.
    pub(crate) fn add_clone(&self, person: &str) {
        self.add_machine(person);
        self.jit(person, &["clone", "../host.git", "clone", "--genesis", &self.genesis]).exits(0);
    }

    /// Adds people, each with a machine and a clone, whom alice makes engineers.
    pub(crate) fn add_engineers(&self, people: &[String]) {
        for person in people {
            self.add_clone(person);
            self.jit("alice", &["identity", "add", person, &format!("../{person}/key.pub")]).exits(0);
        }
        let groups = self.path("alice/clone/identities/groups.toml");
        let text = fs::read_to_string(&groups).unwrap();
        fs::write(&groups, text.replacen("\"alice\"", &format!("\"alice\", \"{}\"", people.join("\", \"")), 1))
            .unwrap();
        self.run("alice", "git", &["-C", "clone", "add", "-A"]).exits(0);
        self.run("alice", "git", &["-C", "clone", "commit", "-qm", "They join"]).exits(0);
        self.jit("alice", &["policy", "publish", "--yes"]).exits(0);
    }

    /// Returns a path in the folder of it all.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns a program, ready to be run in a machine's home, with nothing to read.
    pub(crate) fn command(&self, machine: &str, program: &str, args: &[&str]) -> Command {
        let home = self.path(machine);
        let mut command = Command::new(program);
        command.args(args).current_dir(&home).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", &home).env("USER", machine);
        command.env("JIT_KEY", home.join("key")).env("GIT_CONFIG_NOSYSTEM", "1");
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), machine).env(format!("GIT_{role}_EMAIL"), "we@example.org");
        }
        command
    }

    /// Returns `jit`, ready to be run.
    pub(crate) fn jit_command(&self, machine: &str, args: &[&str]) -> Command {
        self.command(machine, env!("CARGO_BIN_EXE_jit"), args)
    }

    /// Runs a program in a machine's home.
    pub(crate) fn run(&self, machine: &str, program: &str, args: &[&str]) -> Said {
        self.command(machine, program, args).output().unwrap().into()
    }

    /// Runs `jit` on a machine.
    pub(crate) fn jit(&self, machine: &str, args: &[&str]) -> Said {
        self.jit_command(machine, args).output().unwrap().into()
    }

    /// Runs git on the host itself, and returns what it says.
    #[track_caller]
    pub(crate) fn git_of_host(&self, args: &[&str]) -> String {
        self.run("alice", "git", &[&["-C", "../host.git"], args].concat()).exits(0).out
    }

    /// Writes a hook of the host.
    pub(crate) fn write_hook(&self, name: &str, text: &str) {
        let hook = self.path("host.git/hooks").join(name);
        fs::write(&hook, text).unwrap();
        fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Returns how often the log's branch was moved on the host.
    pub(crate) fn pushes(&self) -> usize {
        fs::read_to_string(self.path("host.git/logs/refs/heads/jit/audit")).unwrap().lines().count()
    }

    /// Returns the ids of all requests in the log, in order, as one who clones it anew finds them; all lines are valid.
    pub(crate) fn requests(&self, auditor: &str) -> Vec<String> {
        self.add_clone(auditor);
        let verified = self.jit(auditor, &["audit", "verify", "--strict", "--json"]).exits(0).json();
        let log = self.jit(auditor, &["audit", "export"]).exits(0).out;
        let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(verified["size"], lines.len());
        let requests = lines.iter().filter(|line| line["body"]["type"] == "request");
        requests.map(|line| line["id"].as_str().unwrap_or_else(|| panic!("{line}")).to_owned()).collect()
    }
}
