//! Two people and a service with keys, and a policy repo from the starter pack that they are all in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A home folder in which everything stands.
pub(crate) struct Team {
    home: TempDir,
    genesis: String,
}

/// What a command printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Team {
    /// Makes the repo as alice; bob is in all of her groups, and the deployer has a key.
    pub(crate) fn new() -> Team {
        let mut team = Team { home: TempDir::new().unwrap(), genesis: String::new() };
        for name in ["alice", "bob", "deployer", "stranger"] {
            team.shell(
                name,
                &format!("mkdir -p -m 700 .ssh && ssh-keygen -q -t ed25519 -N '' -C {name} -f .ssh/{name}"),
            );
        }
        team.shell("alice", "git config --global user.name Alice && git config --global user.email alice@example.org");
        team.shell("alice", "jit --quiet init access --as alice");
        team.shell(
            "alice",
            r#"cd access && jit identity add bob ~/.ssh/bob.pub &&
            sed -i 's/^members = \["alice"/members = ["alice", "bob"/' identities/groups.toml &&
            sed -i "s|^keys = \[\]|keys = [\"$(cat ~/.ssh/deployer.pub)\"]|" identities/services.toml &&
            git add -A && git commit -qm 'Bob and the deployer' && jit --quiet policy publish --yes"#,
        );
        let verified = team.shell("alice", "jit audit verify --json");
        let value: serde_json::Value = serde_json::from_str(&verified.out).unwrap();
        team.genesis = value["genesis"].as_str().unwrap().to_owned();
        team
    }

    /// Returns the home folder.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// Returns the policy repo.
    pub(crate) fn repo(&self) -> PathBuf {
        self.home().join("access")
    }

    /// Returns the log's id.
    pub(crate) fn genesis(&self) -> &str {
        &self.genesis
    }

    /// Returns the text of somebody's public key, `TYPE BASE64`.
    pub(crate) fn public_key(&self, name: &str) -> String {
        let text = fs::read_to_string(self.home().join(".ssh").join(format!("{name}.pub"))).unwrap();
        text.split(' ').take(2).collect::<Vec<_>>().join(" ")
    }

    /// Returns a command in the home folder that has only what it is given, and `who`'s key.
    pub(crate) fn command(&self, who: &str, program: &str) -> Command {
        let jit = Path::new(env!("CARGO_BIN_EXE_jit"));
        let path = std::env::var("PATH").unwrap();
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("HOME", self.home())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("PATH", format!("{}:{path}", jit.parent().unwrap().display()))
            .env("JIT_KEY", self.home().join(".ssh").join(who))
            .env("TZ", "UTC")
            .current_dir(self.home())
            .stdin(Stdio::null());
        command
    }

    /// Runs one of the examples.
    pub(crate) fn example(&self, who: &str, name: &str, args: &[&str], vars: &[(&str, &str)]) -> Ended {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
        let mut command = self.command(who, script.to_str().unwrap());
        command.args(args).envs(vars.iter().copied());
        Ended::from(command.output().unwrap())
    }

    /// Runs a shell script that has to succeed.
    pub(crate) fn shell(&self, who: &str, script: &str) -> Ended {
        let ended = Ended::from(self.command(who, "bash").args(["-euo", "pipefail", "-c", script]).output().unwrap());
        assert_eq!(ended.status, 0, "{script}\n{}{}", ended.out, ended.err);
        ended
    }

    /// Asks as `who`, and returns the request's id, granted or not.
    pub(crate) fn request(&self, who: &str, args: &[&str]) -> String {
        let output = self.command(who, "jit").args(["request", "--json"]).args(args).output().unwrap();
        let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        value["request"]["id"].as_str().unwrap().to_owned()
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Ended {
        Ended {
            status: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}
