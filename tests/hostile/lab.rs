//! The laboratory: a policy repo in a temporary folder, people with real keys, `jit`, `git` and `ssh-keygen`.
//!
//! Every program runs with an empty environment but for `PATH` and a home of its own. The people: alice maintains (bob
//! too, where two do), bob and carol are `dba` and approve, carol and dave are `oncall` and ask, rita revokes, robot is
//! bob's service. carol has a second key. mallory is nobody.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A policy's files: path and text.
pub(crate) type Files = BTreeMap<String, String>;

/// What everybody may ask for in the laboratory.
const RULES: &str = r#"
[rule.orders]
subjects = ["group:oncall"]
resources = ["db/prod/orders"]
actions = ["read"]
duration = { default = "30m", max = "4h" }
approvals = [
    { from = ["group:dba"], count = 1, longer_than = "1h" },
    { from = ["group:dba", "alice"], count = 2, longer_than = "2h" },
]

[rule.ssh]
subjects = ["group:oncall", "robot"]
resources = ["ssh/prod/*"]
actions = ["access"]
duration = { max = "2h" }
approvals = [{ from = ["group:dba"], count = 1 }]

[rule.vault]
subjects = ["dave"]
resources = ["vault/**"]
actions = ["open"]
duration = { max = "1h" }
approvals = [{ from = ["group:dba"], count = 2 }]
"#;

/// A temporary folder with a policy repo in it; removed at the end.
pub(crate) struct Lab {
    folder: tempfile::TempDir,
    /// The log's id.
    pub(crate) genesis: String,
}

/// What a program said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Said {
    /// Asserts the exit status.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Said {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// Returns the one JSON object on standard output.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|why| panic!("{why}: {self:?}"))
    }

    /// Returns the reason codes of a decision.
    #[track_caller]
    pub(crate) fn codes(&self) -> Vec<String> {
        let json = self.json();
        let reasons = json["reasons"].as_array().unwrap_or_else(|| panic!("no reasons: {self:?}"));
        reasons.iter().map(|reason| reason["code"].as_str().unwrap().to_owned()).collect()
    }

    /// Asserts that a decision gives this reason.
    #[track_caller]
    pub(crate) fn because(self, code: &str) -> Said {
        assert!(self.codes().iter().any(|other| other == code), "no {code}: {self:?}");
        self
    }

    /// Asserts that these words stand in what was said.
    #[track_caller]
    pub(crate) fn says(self, words: &str) -> Said {
        assert!(self.stdout.contains(words) || self.stderr.contains(words), "no `{words}`: {self:?}");
        self
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Said {
        Said {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("jit prints text"),
            stderr: String::from_utf8(output.stderr).expect("jit prints text"),
        }
    }
}

impl Lab {
    /// A repo where alice alone maintains, policy version 1 in force.
    pub(crate) fn new() -> Lab {
        Lab::with("\"alice\"", 1)
    }

    /// A repo where alice and bob maintain and both must sign, policy version 1 in force.
    pub(crate) fn with_two_maintainers() -> Lab {
        let lab = Lab::with("\"alice\", \"bob\"", 2);
        let proposed = lab.jit("bob", &["policy", "status", "--json"]).exits(4).json();
        let id = proposed["proposed"][0]["id"].as_str().unwrap().to_owned();
        lab.jit("bob", &["approve", &id, "--yes"]).exits(0);
        lab
    }

    fn with(maintainers: &str, threshold: u32) -> Lab {
        let folder = tempfile::tempdir().unwrap();
        let mut lab = Lab { folder, genesis: String::new() };
        for name in ["home", "keys", "repo", "elsewhere"] {
            fs::create_dir(lab.path(name)).unwrap();
        }
        let config = "[user]\nname = Alice\nemail = alice@example.org\n[init]\ndefaultBranch = main\n";
        fs::write(lab.path("home/.gitconfig"), config).unwrap();
        for name in ["alice", "bob", "carol", "carol2", "dave", "rita", "robot", "mallory"] {
            lab.make_key(name);
        }
        lab.git(&["init", "-q"]);
        lab.commit_policy(&lab.files(maintainers, threshold));
        let code = if threshold == 1 { 0 } else { 3 };
        let made = lab.jit("alice", &["init", ".", "--json"]).exits(code).json();
        lab.genesis = made["genesis"].as_str().unwrap().to_owned();
        lab
    }

    /// The standard policy, to be changed.
    pub(crate) fn files(&self, maintainers: &str, threshold: u32) -> Files {
        let settings = format!(
            "format = 1\nname = \"acme\"\nmaintainers = [{maintainers}]\nthreshold = {threshold}\nrevokers = [\"rita\"]\n"
        );
        let mut people = String::new();
        for name in ["alice", "bob", "carol", "dave", "rita"] {
            let more = if name == "carol" { format!(", \"{}\"", self.public_key("carol2")) } else { String::new() };
            people +=
                &format!("[identity.{name}]\nkind = \"person\"\nkeys = [\"{}\"{more}]\n\n", self.public_key(name));
        }
        let robot = self.public_key("robot");
        people += &format!("[identity.robot]\nkind = \"service\"\nowners = [\"bob\"]\nkeys = [\"{robot}\"]\n\n");
        people += "[group.dba]\nmembers = [\"bob\", \"carol\"]\n\n[group.oncall]\nmembers = [\"carol\", \"dave\"]\n";
        Files::from([
            ("jit.toml".to_owned(), settings),
            ("identities/people.toml".to_owned(), people),
            ("policies/rules.toml".to_owned(), RULES.to_owned()),
        ])
    }

    /// The standard policy of [`Lab::new`] after one replacement, which must change something.
    pub(crate) fn changed(&self, from: &str, to: &str) -> Files {
        let mut files = self.files("\"alice\"", 1);
        let mut count = 0;
        for text in files.values_mut() {
            count += text.matches(from).count();
            *text = text.replace(from, to);
        }
        assert!(count > 0, "`{from}` is not in the policy");
        files
    }

    /// Commits policy files on the checked-out branch.
    pub(crate) fn commit_policy(&self, files: &Files) {
        for folder in ["identities", "policies"] {
            let _ = fs::remove_dir_all(self.repo().join(folder));
        }
        let _ = fs::remove_file(self.repo().join("jit.toml"));
        for (path, text) in files {
            let place = self.repo().join(path);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(place, text).unwrap();
        }
        self.git(&["add", "-A", "."]);
        self.git(&["commit", "-q", "--allow-empty", "-m", "Change the policy"]);
    }

    /// Commits and publishes a policy, by alice.
    pub(crate) fn publish(&self, files: &Files) -> Said {
        self.commit_policy(files);
        self.jit("alice", &["policy", "publish", "--yes", "--json"])
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn repo(&self) -> PathBuf {
        self.path("repo")
    }

    /// Returns where a private key stands.
    pub(crate) fn key(&self, name: &str) -> PathBuf {
        self.path("keys").join(name)
    }

    /// Makes an ed25519 key.
    pub(crate) fn make_key(&self, name: &str) {
        self.make_key_of(name, &["-t", "ed25519"]);
    }

    /// Makes a key of some kind.
    pub(crate) fn make_key_of(&self, name: &str, kind: &[&str]) {
        let key = self.key(name);
        let mut args = vec!["-q", "-N", "", "-C", name, "-f", key.to_str().unwrap()];
        args.extend(kind);
        self.run("ssh-keygen", &args, b"");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Returns a public key, type and base64.
    pub(crate) fn public_key(&self, name: &str) -> String {
        let text = fs::read_to_string(self.key(name).with_extension("pub")).unwrap();
        text.split(' ').take(2).collect::<Vec<_>>().join(" ")
    }

    /// Prepares any program, to run in the repo.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.path("home"));
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("LC_ALL", "C").env("TZ", "UTC");
        command.current_dir(self.repo()).stdin(Stdio::null());
        command
    }

    /// Runs a program that must succeed, and returns its standard output.
    #[track_caller]
    pub(crate) fn run(&self, program: &str, args: &[&str], input: &[u8]) -> Vec<u8> {
        let output = feed(self.command(program).args(args), input);
        assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// Runs git in the repo and returns what it prints, trimmed.
    #[track_caller]
    pub(crate) fn git(&self, args: &[&str]) -> String {
        String::from_utf8(self.run("git", args, b"")).unwrap().trim_end().to_owned()
    }

    /// Prepares `jit` with somebody's key, in the repo.
    pub(crate) fn jit_command(&self, who: &str, args: &[&str]) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_jit"));
        command.arg("--key").arg(self.key(who)).args(args);
        command
    }

    /// Runs `jit` with somebody's key, in the repo.
    pub(crate) fn jit(&self, who: &str, args: &[&str]) -> Said {
        let mut command = self.jit_command(who, args);
        command.output().unwrap().into()
    }

    /// Runs `jit` from another folder.
    pub(crate) fn jit_in(&self, folder: &Path, who: &str, args: &[&str]) -> Said {
        self.jit_command(who, args).current_dir(folder).output().unwrap().into()
    }

    /// Asks the gate about somebody it has authenticated.
    pub(crate) fn check(&self, subject: &str, resource: &str, action: &str) -> Said {
        self.jit("mallory", &["check", resource, action, "--subject", subject, "--json"])
    }

    /// Asks `audit verify`, which must succeed.
    #[track_caller]
    pub(crate) fn verify(&self) -> Value {
        self.jit("mallory", &["audit", "verify", "--json"]).exits(0).json()
    }

    /// Returns the lines of the log, one object each, as `audit log` sees them.
    #[track_caller]
    pub(crate) fn log(&self) -> Vec<Value> {
        self.jit("mallory", &["audit", "log", "--json"]).exits(0).json()["lines"].as_array().unwrap().clone()
    }

    /// Asks for access and returns the request's id.
    #[track_caller]
    pub(crate) fn request(&self, who: &str, args: &[&str], code: i32) -> String {
        let said = self.jit(who, &[&["request"], args, &["--json"]].concat()).exits(code);
        said.json()["request"]["id"].as_str().unwrap_or_else(|| panic!("no id: {said:?}")).to_owned()
    }

    /// Makes another repo beside this one, with the same people and keys, a home of its own, and another log.
    pub(crate) fn sibling(&self) -> Lab {
        let other = Lab::new();
        for entry in fs::read_dir(self.path("keys")).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), other.path("keys").join(entry.file_name())).unwrap();
        }
        fs::remove_dir_all(other.path("home/.config")).unwrap();
        fs::remove_dir_all(other.repo()).unwrap();
        fs::create_dir(other.repo()).unwrap();
        other.git(&["init", "-q"]);
        other.commit_policy(&other.files("\"alice\"", 1));
        let made = other.jit("alice", &["init", ".", "--json"]).exits(0).json();
        Lab { genesis: made["genesis"].as_str().unwrap().to_owned(), ..other }
    }
}

/// Runs a command with this on its standard input.
pub(crate) fn feed(command: &mut Command, input: &[u8]) -> Output {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    // Whoever does not read its input is no failure of ours.
    let _ = child.stdin.take().expect("it is piped").write_all(input);
    child.wait_with_output().expect("it ends")
}
