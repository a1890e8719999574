//! People who run programs: each with a home folder, a key and perhaps a clone, and nothing of this process's own
//! environment but `PATH`.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part of what is shared")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// What a program printed, and how it ended.
#[derive(Debug)]
pub struct Said {
    /// None where a signal ended it.
    pub status: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Said {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it prints UTF-8");
        Said { status: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Said {
    /// Asserts how it ended.
    #[track_caller]
    pub fn exits(self, status: i32) -> Said {
        assert_eq!(self.status, Some(status), "{}\n{}", self.out, self.err);
        self
    }

    /// Asserts that it says this on standard error.
    #[track_caller]
    pub fn says(self, words: &str) -> Said {
        assert!(self.err.contains(words), "no `{words}` in\n{}\n{}", self.out, self.err);
        self
    }

    /// Reads its answer.
    #[track_caller]
    pub fn json(&self) -> Value {
        let parsed = serde_json::from_str(&self.out);
        assert!(parsed.is_ok(), "{}\n{}", self.out, self.err);
        parsed.unwrap_or_default()
    }
}

/// Prepares to run a program as somebody whose home is the folder of that name in `folder`, with the key that is there.
/// Git runs in their clone, if they have one, and everything else beside it.
pub fn command(folder: &Path, who: &str, program: &str, args: &[&str]) -> Command {
    let home = folder.join(who);
    let clone = home.join("clone");
    let mut command = Command::new(program);
    command.args(args).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", &home);
    command.env("USER", who).env("JIT_KEY", home.join("key")).env("GIT_CONFIG_NOSYSTEM", "1");
    for role in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{role}_NAME"), who).env(format!("GIT_{role}_EMAIL"), format!("{who}@example.org"));
    }
    let is_git = program == "git" && clone.exists();
    command.current_dir(if is_git { &clone } else { &home }).stdin(Stdio::null());
    if clone.exists() {
        command.env("JIT_REPO", &clone);
    }
    command
}

/// Makes a home folder for somebody, and a key in it.
#[track_caller]
pub fn settle(folder: &Path, who: &str) {
    fs::create_dir_all(folder.join(who)).expect("the folder can be made");
    let args = ["-q", "-t", "ed25519", "-N", "", "-C", who, "-f", "key"];
    Said::from(command(folder, who, "ssh-keygen", &args).output().expect("ssh-keygen runs")).exits(0);
}

/// Lets alice add bob, whose key is in his home, to her clone's work tree, in all groups that she is in.
#[track_caller]
pub fn add_bob(folder: &Path) {
    let jit =
        command(folder, "alice", env!("CARGO_BIN_EXE_jit"), &["identity", "add", "bob", "../bob/key.pub"]).output();
    Said::from(jit.expect("jit runs")).exits(0);
    let groups = folder.join("alice/clone/identities/groups.toml");
    let text = fs::read_to_string(&groups).expect("the starter pack has groups");
    fs::write(&groups, text.replace("[\"alice\"", "[\"alice\", \"bob\"")).expect("it can be written");
}

/// Writes a script that can be run.
pub fn write_program(path: &Path, text: &str) {
    fs::write(path, text).expect("it can be written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("it is ours");
}
