//! The pieces together, against the real `ssh-keygen`, `ssh-add` and `ssh-agent`, and against agents that lie.

mod agents;
mod choice;
mod files;

use std::collections::VecDeque;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use tempfile::TempDir;
use zeroize::Zeroizing;

use super::{Environment, GitKeyConfig, KeyFault, Prompt, Signer, choose};
use crate::core::key::PublicKey;
use crate::core::signature::Signature;

const MESSAGE: &[u8] = br#"{"v":1}"#;

/// A home folder with `.ssh` and `bin` in it. There is no `ssh` in its `PATH`, so no configuration of this machine
/// matters.
struct Home {
    folder: TempDir,
    env: Environment,
}

impl Home {
    fn new() -> Home {
        let folder = tempfile::tempdir().unwrap();
        for name in [".ssh", "bin"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let env = Environment::from_vars([
            ("HOME".into(), folder.path().into()),
            ("PATH".into(), folder.path().join("bin").into()),
        ]);
        Home { folder, env }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn set(&mut self, name: &str, value: impl Into<std::ffi::OsString>) {
        self.env.vars.insert(name.to_owned(), value.into());
    }

    /// Makes an ed25519 key; with a passphrase if there is one, with the least rounds of bcrypt.
    fn key(&self, name: &str, passphrase: &str) -> PublicKey {
        self.keygen(&["-t", "ed25519", "-a", "1", "-N", passphrase, "-C", "me@here"], name);
        self.public(name)
    }

    fn keygen(&self, args: &[&str], name: &str) {
        run(Command::new("ssh-keygen").args(["-q"]).args(args).arg("-f").arg(self.path(name)));
    }

    fn public(&self, name: &str) -> PublicKey {
        let text = fs::read_to_string(self.path(&format!("{name}.pub"))).unwrap();
        PublicKey::parse_openssh(&text).unwrap().0
    }

    fn script(&self, name: &str, body: &str) -> PathBuf {
        write_script(&self.path(name), body);
        self.path(name)
    }

    fn chmod(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Chooses by `--key`.
    fn named(&self, name: impl AsRef<Path>) -> Result<Signer, KeyFault> {
        choose(&self.env, &GitKeyConfig::default(), None, Some(name.as_ref().to_str().unwrap()), &|_| false)
    }

    /// Chooses without a name, where `known` are in identities/.
    fn known(&self, known: &[&PublicKey]) -> Result<Signer, KeyFault> {
        choose(&self.env, &GitKeyConfig::default(), None, None, &|key| known.contains(&key))
    }

    fn signing_key(&self, signingkey: &str, known: &[&PublicKey]) -> Result<Signer, KeyFault> {
        let git = GitKeyConfig { format: Some("ssh".to_owned()), signingkey: Some(signingkey.to_owned()) };
        choose(&self.env, &git, None, None, &|key| known.contains(&key))
    }

    /// Asserts that stock ssh-keygen takes `signature` by `key`.
    fn assert_verifies(&self, key: &PublicKey, signature: &Signature) {
        let (allowed, file) = (self.path("allowed"), self.path("signature"));
        fs::write(&allowed, format!("me {key}\n")).unwrap();
        fs::write(&file, signature.to_pem()).unwrap();
        let mut command = Command::new("ssh-keygen");
        command.args(["-Y", "verify", "-n", "jit", "-I", "me", "-f"]).arg(allowed).arg("-s").arg(file);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(MESSAGE).unwrap();
        assert!(child.wait().unwrap().success());
    }
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Writes a shell script that can be run. A child does the writing: a file that this process has open for writing, if
/// only in a child that another test is just starting, can't be run.
pub(super) fn write_script(path: &Path, body: &str) {
    let text = format!("#!/bin/sh\n{body}\n");
    let write = r#"printf %s "$1" > "$2" && chmod 755 "$2""#;
    run(Command::new("sh").args(["-c", write, "sh", &text]).arg(path));
}

/// The real ssh-agent, ended when this goes.
struct RealAgent {
    child: Child,
    socket: PathBuf,
}

impl RealAgent {
    fn start(socket: PathBuf) -> RealAgent {
        let mut child =
            Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket).stdout(Stdio::piped()).spawn().unwrap();
        // It prints its variables once it listens.
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("SSH_AUTH_SOCK="), "{line}");
        RealAgent { child, socket }
    }

    fn add(&self, key: &Path) {
        run(Command::new("ssh-add").arg("-q").arg(key).env("SSH_AUTH_SOCK", &self.socket));
    }
}

impl Drop for RealAgent {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Serves a socket with what `answer` makes of each request; both with their length in front, so that it may lie.
fn fake_agent(socket: &Path, mut answer: impl FnMut(&[u8]) -> Vec<u8> + Send + 'static) {
    let listener = UnixListener::bind(socket).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut length = [0; 4];
            stream.read_exact(&mut length).unwrap();
            let mut request = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap()];
            stream.read_exact(&mut request).unwrap();
            // One that has heard enough hangs up.
            let _ = stream.write_all(&answer(&request));
        }
    });
}

/// Puts a length in front of a message.
fn framed(message: &[u8]) -> Vec<u8> {
    [&u32::try_from(message.len()).unwrap().to_be_bytes(), message].concat()
}

/// Somebody who answers what is written down, and remembers what was said.
#[derive(Default)]
struct Scripted {
    answers: VecDeque<&'static str>,
    asked: Vec<String>,
    notes: Vec<String>,
}

impl Scripted {
    fn new(answers: &[&'static str]) -> Scripted {
        Scripted { answers: answers.iter().copied().collect(), ..Scripted::default() }
    }
}

impl Prompt for Scripted {
    fn secret(&mut self, prompt: &str) -> Result<Option<Zeroizing<String>>, io::Error> {
        self.asked.push(prompt.to_owned());
        Ok(self.answers.pop_front().map(|answer| Zeroizing::new(answer.to_owned())))
    }

    fn note(&mut self, text: &str) {
        self.notes.push(text.to_owned());
    }
}
