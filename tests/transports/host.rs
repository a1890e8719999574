//! The host's bare repository, and people who each have a HOME.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::lab::{Lab, Said};
use crate::server::{Server, account, http, sshd};

/// Who uses the host: two people, of whom dave asks and carol approves, and a gate.
pub(crate) const PEOPLE: [&str; 3] = ["carol", "dave", "robot"];

/// The host, and the laboratory that has everybody's keys.
pub(crate) struct Host {
    pub(crate) lab: Lab,
}

impl Host {
    /// A host with the log of a fresh laboratory.
    pub(crate) fn new() -> Host {
        let host = Host { lab: Lab::new() };
        let bare = host.bare();
        host.lab.git(&["init", "-q", "--bare", "-b", "main", bare.to_str().unwrap()]);
        host.lab.git(&["push", "-q", bare.to_str().unwrap(), "main", "jit/audit"]);
        host.lab.make_key("host");
        for who in PEOPLE {
            fs::create_dir(host.home(who)).unwrap();
        }
        host
    }

    pub(crate) fn bare(&self) -> PathBuf {
        self.lab.path("access.git")
    }

    /// Returns the URL that needs no server.
    pub(crate) fn file_url(&self) -> String {
        format!("file://{}", self.bare().display())
    }

    /// Serves it by ssh; returns the URL too.
    pub(crate) fn sshd(&self) -> (Server, String) {
        let people = PEOPLE.map(|who| (who, self.lab.public_key(who)));
        let server = sshd(&self.lab.path("sshd"), &self.lab.key("host"), &self.lab.path("home"), &people);
        let url = format!("ssh://{}@127.0.0.1:{}{}", account(), server.port, self.bare().display());
        (server, url)
    }

    /// Serves it by HTTP, with [`password`]s; returns the URL too.
    pub(crate) fn http(&self) -> (Server, String) {
        let passwords = PEOPLE.map(|who| (who, password(who)));
        let people = passwords.each_ref().map(|(who, password)| (*who, password.as_str()));
        let server = http(&self.lab.path("lighttpd"), &self.lab.path(""), &self.lab.path("home"), &people);
        let url = format!("http://127.0.0.1:{}/git/access.git", server.port);
        (server, url)
    }

    /// Returns what somebody's git is to run for ssh: with their key, and with the host's key known or not.
    pub(crate) fn ssh(&self, who: &str, server: &Server, is_known: bool) -> String {
        let known = self.home(who).join("known_hosts");
        let line = format!("[127.0.0.1]:{} {}\n", server.port, self.lab.public_key("host"));
        fs::write(&known, if is_known { line } else { String::new() }).unwrap();
        format!(
            "ssh -F none -i '{}' -o IdentitiesOnly=yes -o UserKnownHostsFile='{}' -o GlobalKnownHostsFile=none",
            self.lab.key(who).display(),
            known.display()
        )
    }

    /// Sets git up for somebody, as they would themselves.
    pub(crate) fn git_config(&self, who: &str, key: &str, value: &str) {
        let mut git = self.command(who, "git");
        assert!(git.args(["config", "--global", key, value]).status().unwrap().success());
    }

    /// Has somebody's git know a password, from a file that its own helper reads.
    pub(crate) fn store_password(&self, who: &str, server: &Server, password: &str) {
        let file = self.home(who).join("passwords");
        fs::write(&file, format!("http://{who}:{password}@127.0.0.1%3a{}\n", server.port)).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        self.git_config(who, "credential.helper", &format!("store --file='{}'", file.display()));
    }

    pub(crate) fn home(&self, who: &str) -> PathBuf {
        self.lab.path(&format!("home-of-{who}"))
    }

    /// Prepares a program to run in somebody's HOME, with nothing else in its environment.
    pub(crate) fn command(&self, who: &str, program: impl AsRef<Path>) -> Command {
        let mut command = self.lab.command(program.as_ref().to_str().unwrap());
        command.env("HOME", self.home(who)).env("JIT_KEY", self.lab.key(who)).current_dir(self.home(who));
        command
    }

    pub(crate) fn jit_command(&self, who: &str, args: &[&str]) -> Command {
        let mut command = self.command(who, env!("CARGO_BIN_EXE_jit"));
        command.args(args);
        command
    }

    /// Runs `jit` where nobody can be asked.
    pub(crate) fn jit(&self, who: &str, args: &[&str]) -> Said {
        self.jit_command(who, args).output().unwrap().into()
    }
}

/// Somebody's password at the host.
pub(crate) fn password(who: &str) -> String {
    format!("pw-of-{who}")
}
