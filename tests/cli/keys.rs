//! Where the key comes from: files, passphrases, git's configuration, an agent.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use insta::assert_snapshot;

use crate::support::Team;
use crate::support::keys::{public_key, write_key};

/// bob's home, whose key is that of nobody; so it must come from elsewhere.
fn without_own_key(team: &Team) {
    fs::remove_dir_all(team.home("bob").join(".ssh")).unwrap();
}

fn key_source(team: &Team, line: &str) -> String {
    let ran = team.jit("bob", &format!("{line} --json")).run();
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!(ran.json()["name"], "bob");
    ran.json()["key_source"].as_str().unwrap().to_owned()
}

#[test]
fn a_key_that_is_named() {
    let team = Team::new();
    write_key("bob", &team.path("elsewhere/key"));
    let fingerprint = team.jit("bob", "whoami --json").run().json()["key"].as_str().unwrap().to_owned();
    assert!(key_source(&team, "whoami --key ../elsewhere/key").ends_with("elsewhere/key"));
    assert!(key_source(&team, "whoami --key ../elsewhere/key.pub").ends_with("elsewhere/key"));
    assert!(key_source(&team, &format!("whoami --key {fingerprint}")).ends_with("bob/.ssh/id_ed25519"));
    let ran = team.jit("alice", "whoami --json").var("JIT_KEY", team.path("elsewhere/key")).run();
    assert_eq!(ran.json()["name"], "bob");
    team.note("what is named must do: no other key is taken in its place");
    for key in ["nowhere", "../elsewhere", "jit.toml", "SHA256:short", &format!("SHA256:{}", "A".repeat(43))] {
        assert_eq!(team.jit("bob", &format!("whoami --key '{key}'")).show().status, 5, "{key}");
    }
    team.jit("bob", "whoami").var("JIT_KEY", "nowhere").show();
    fs::set_permissions(team.path("elsewhere/key"), fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(team.jit("bob", "whoami --key ../elsewhere/key").show().status, 5);
    without_own_key(&team);
    assert_eq!(team.jit("bob", "whoami").show().status, 5);
    assert_snapshot!(team.transcript());
}

#[test]
fn git_s_signing_key() {
    let team = Team::new();
    without_own_key(&team);
    write_key("bob", &team.path("elsewhere/key"));
    team.git(&["config", "gpg.format", "ssh"]);
    team.git(&["config", "user.signingkey", team.path("elsewhere/key").to_str().unwrap()]);
    assert!(key_source(&team, "whoami").ends_with("elsewhere/key"));
    team.note("a literal key, whose private half is nowhere");
    team.git(&["config", "user.signingkey", &format!("key::{}", public_key("bob"))]);
    assert_eq!(team.jit("bob", "whoami").show().status, 5);
    team.note("and which stands in ~/.ssh");
    write_key("bob", &team.home("bob").join(".ssh/work"));
    team.jit("bob", "whoami").show();
    assert_snapshot!(team.transcript());
}

#[test]
fn a_passphrase_is_asked_for_once() {
    let team = Team::new();
    let key = team.home("bob").join(".ssh/id_ed25519");
    run(Command::new("ssh-keygen").args(["-q", "-p", "-a", "1", "-N", "open sesame", "-f"]).arg(&key));
    team.note("who bob is stands in clear");
    assert_eq!(team.jit("bob", "whoami").run().status, 0);
    team.jit("bob", "request db/staging/x read --token").secret("open sesame").show();
    team.note("a wrong one, and nobody to ask");
    team.jit("bob", "request db/staging/x read").secret("wrong").show();
    assert_eq!(team.jit("bob", "request db/staging/x read").show().status, 5);
    assert_snapshot!(team.transcript());
}

#[test]
fn an_agent() {
    let team = Team::new();
    let socket = team.path("agent.sock");
    let _agent = Agent::start(&socket);
    run(Command::new("ssh-add")
        .arg("-q")
        .arg(team.home("bob").join(".ssh/id_ed25519"))
        .env("SSH_AUTH_SOCK", &socket)
        .stderr(Stdio::null()));
    without_own_key(&team);
    let id = team.request("alice", "ssh/prod/web-1");
    team.jit("bob", "whoami").var("SSH_AUTH_SOCK", &socket).show();
    team.jit("bob", &format!("approve {id} --yes")).var("SSH_AUTH_SOCK", &socket).show();
    team.note("a public half, whose private one stands beside it; then an agent that holds nothing");
    team.jit("bob", "whoami --key ../home/alice/.ssh/id_ed25519.pub").var("SSH_AUTH_SOCK", &socket).show();
    run(Command::new("ssh-add").args(["-q", "-D"]).env("SSH_AUTH_SOCK", &socket).stderr(Stdio::null()));
    assert_eq!(team.jit("bob", "whoami").var("SSH_AUTH_SOCK", &socket).show().status, 5);
    team.note("no agent there");
    assert_eq!(team.jit("bob", "whoami").var("SSH_AUTH_SOCK", team.path("nowhere")).show().status, 5);
    assert_snapshot!(team.transcript());
}

/// A real ssh-agent, which ends with this value.
struct Agent(Child);

impl Agent {
    fn start(socket: &Path) -> Agent {
        let mut command = Command::new("ssh-agent");
        let agent = Agent(command.args(["-D", "-a"]).arg(socket).stdout(Stdio::null()).spawn().unwrap());
        let start = Instant::now();
        // Its name is there a moment before it listens.
        while UnixStream::connect(socket).is_err() {
            assert!(start.elapsed() < Duration::from_secs(60), "the agent does not start");
            std::thread::yield_now();
        }
        agent
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}
