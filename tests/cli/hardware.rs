//! Rules that want a security key, with the real program: its keys are in software, behind an agent of the test's own.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::thread;

use crate::signing_keys::{Key, put, security_key};
use crate::support::Team;
use crate::support::keys::public_key;
use crate::support::policy::policy;

const RULES: &str = r#"
[rule.touched]
subjects = ["alice"]
resources = ["vault/open"]
actions = ["access"]
duration = { max = "1h" }
require_hardware_key = true

[rule.approved]
subjects = ["erin"]
resources = ["vault/sealed"]
actions = ["access"]
duration = { max = "1h" }
approvals = [{ from = ["alice", "carol"], hardware_key = true }]
"#;

/// Alice and Carol have a security key each beside their plain ones.
struct Vault {
    team: Team,
}

impl Vault {
    fn new() -> Vault {
        let mut files = policy(1);
        for who in ["alice", "carol"] {
            let (plain, touched) = (public_key(who), security_key(who).openssh());
            for (_, text) in &mut files {
                *text = text.replace(&format!("\"{plain}\""), &format!("\"{plain}\", \"{touched}\""));
            }
        }
        files.push(("policies/vault.toml".to_owned(), RULES.to_owned()));
        Vault { team: Team::with(&files) }
    }

    /// Runs the program as `who`, by their plain key.
    fn plain(&self, who: &str, line: &str) -> Output {
        self.team.binary(who, line)
    }

    /// Runs it by their security key, which signs with these flags.
    fn touching(&self, who: &str, flags: u8, line: &str) -> Output {
        let key = security_key(who).flags(flags);
        let file = self.team.home(who).join("security_key.pub");
        std::fs::write(&file, format!("{}\n", key.openssh())).unwrap();
        let socket = self.agent(who, key, flags);
        let mut command = self.team.binary_command(who, &format!("{line} --key {}", file.display()));
        command.env("SSH_AUTH_SOCK", socket).stdin(Stdio::null()).output().unwrap()
    }

    /// An agent that holds one security key, for as long as the test runs.
    fn agent(&self, who: &str, key: Key, flags: u8) -> PathBuf {
        let socket = self.team.path(&format!("{who}-{flags}.sock"));
        let _ = std::fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).unwrap();
        thread::spawn(move || listener.incoming().flatten().for_each(|stream| serve(stream, &key)));
        socket
    }
}

/// Answers as OpenSSH's agent protocol has it, until the other side has gone.
fn serve(mut stream: UnixStream, key: &Key) {
    let mut length = [0; 4];
    while stream.read_exact(&mut length).is_ok() {
        let mut request = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut request).unwrap();
        let mut answer = Vec::new();
        match request.split_first() {
            Some((11, _)) => {
                answer.extend([12, 0, 0, 0, 1]);
                put(&mut answer, key.public().to_blob().as_slice());
                put(&mut answer, b"security key");
            }
            Some((13, rest)) => {
                let (_, rest) = string(rest);
                let (data, _) = string(rest);
                answer.push(14);
                put(&mut answer, &key.touched(data).unwrap());
            }
            _ => answer.push(5),
        }
        let mut framed = Vec::new();
        put(&mut framed, &answer);
        // Whoever asked may have gone.
        let _ = stream.write_all(&framed);
    }
}

fn string(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (length, rest) = bytes.split_first_chunk().unwrap();
    rest.split_at(u32::from_be_bytes(*length) as usize)
}

#[track_caller]
fn says(output: &Output, status: i32, what: &str) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(status), "{out}{err}");
    assert!(out.contains(what) || err.contains(what), "no `{what}` in {out}{err}");
    out.into_owned()
}

fn id_in(out: &str) -> String {
    out.lines().find_map(|line| line.strip_prefix("id ")).unwrap().to_owned()
}

#[test]
fn a_rule_wants_the_request_and_the_gate_touched() {
    let vault = Vault::new();
    let ask = "request vault/open";
    says(&vault.plain("alice", ask), 1, "needs-hardware-key");
    for flags in [0x00, 0x04] {
        says(&vault.touching("alice", flags, ask), 5, "nobody touched the security key");
    }
    let before = vault.team.git(&["rev-parse", "jit/audit"]);
    says(&vault.touching("alice", 0x00, ask), 5, "nobody touched the security key");
    assert_eq!(vault.team.git(&["rev-parse", "jit/audit"]), before, "what was not touched is not logged");
    let granted = says(&vault.touching("alice", 0x01, ask), 0, "Granted: alice may access vault/open");
    // The gate asks for a touch as well, of a key as of a token.
    let check = format!("check vault/open --genesis {}", vault.team.genesis());
    let key = |key: &str| format!("{check} --ssh-key '{key}'");
    says(&vault.plain("bob", &key(&public_key("alice"))), 1, "needs-hardware-key");
    says(&vault.plain("bob", &key(&security_key("alice").openssh())), 0, "allow");
    says(&vault.plain("bob", &format!("{check} --subject alice")), 0, "allow");
    let id = id_in(&granted);
    for (made, status, what) in [
        (vault.plain("alice", &format!("token {id}")), 1, "needs-hardware-key"),
        (vault.touching("alice", 0x01, &format!("token {id}")), 0, "allow"),
    ] {
        vault.team.write("token", &String::from_utf8(made.stdout).unwrap());
        let mut check = vault.team.binary_command("bob", &format!("{check} --token -"));
        check.stdin(std::fs::File::open(vault.team.path("token")).unwrap());
        says(&check.output().unwrap(), status, what);
    }
    says(&vault.touching("alice", 0x00, &format!("token {id}")), 5, "nobody touched the security key");
    // Without a token the caller shows who they are by the key in use.
    says(&vault.plain("alice", &check), 1, "needs-hardware-key");
    says(&vault.touching("alice", 0x01, &check), 0, "allow");
}

#[test]
fn an_entry_wants_the_approval_touched() {
    let vault = Vault::new();
    let id = id_in(&says(&vault.plain("erin", "request vault/sealed"), 3, "1 of alice, carol by a security key"));
    let approve = format!("approve {id} --yes");
    says(&vault.plain("carol", &approve), 1, "as an approver by a key that is no security key");
    says(&vault.plain("carol", &format!("deny {id} --yes")), 1, "by a key that is no security key");
    says(&vault.touching("carol", 0x00, &approve), 5, "nobody touched the security key");
    says(&vault.plain("erin", &format!("show {id}")), 0, "pending");
    says(&vault.touching("carol", 0x01, &approve), 0, "Approved. erin may access vault/sealed");
    let check = format!("check vault/sealed --genesis {}", vault.team.genesis());
    says(&vault.plain("erin", &check), 0, "allow");
    says(&vault.plain("erin", "audit verify --strict"), 0, "");
}
