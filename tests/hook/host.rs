//! A git host: a bare repository with the hook of `examples/` in it, and a log that was pushed there.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::forge::BRANCH;
use crate::lab::{Lab, Said};

/// The settings that the README gives for a host.
const SETTINGS: [&str; 3] = ["receive.denyNonFastForwards", "receive.denyDeletes", "receive.fsckObjects"];

/// Which of git's hooks calls `jit`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hook {
    /// The one in `examples/`.
    Update,
    /// One that calls it for each ref while git still keeps the pushed objects apart.
    PreReceive,
}

/// The host; the laboratory's repo is where commits are made before they are pushed.
pub(crate) struct Host {
    pub(crate) lab: Lab,
}

impl Host {
    /// A host without the settings that make git itself refuse, so that the hook is what answers; without a log yet.
    pub(crate) fn empty(hook: Hook) -> Host {
        let host = Host { lab: Lab::new() };
        let bare = host.bare();
        host.lab.git(&["init", "-q", "--bare", bare.to_str().unwrap()]);
        let jit = format!("'{}'", env!("CARGO_BIN_EXE_jit"));
        let (name, script) = match hook {
            Hook::Update => {
                let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/update-hook");
                let text = fs::read_to_string(example).unwrap();
                assert_eq!(text.matches("exec jit hook").count(), 1);
                // Who was let in as whom is the server's to say.
                let who = format!("echo \"${{JIT_USER:-$REMOTE_USER}} $1\" >> '{}'\n", host.pushers().display());
                ("update", text.replace("exec jit", &format!("{who}exec {jit}")))
            }
            Hook::PreReceive => {
                let each = format!(
                    "while read -r old new ref; do {jit} hook update \"$ref\" \"$old\" \"$new\" || exit 1; done"
                );
                ("pre-receive", format!("#!/bin/sh\n[ -n \"$GIT_OBJECT_DIRECTORY\" ] || exit 9\n{each}\n"))
            }
        };
        let hooks = bare.join("hooks");
        fs::create_dir_all(&hooks).unwrap();
        fs::write(hooks.join(name), script).unwrap();
        fs::set_permissions(hooks.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        host
    }

    /// A host that the laboratory's two branches were pushed to.
    pub(crate) fn new() -> Host {
        let host = Host::empty(Hook::Update);
        host.push(&["main", BRANCH]).exits(0);
        host
    }

    /// Has git itself refuse what it can, as the README says.
    pub(crate) fn with_settings(self) -> Host {
        for setting in SETTINGS {
            self.lab.git(&["-C", self.bare().to_str().unwrap(), "config", setting, "true"]);
        }
        self
    }

    /// Returns where the bare repository stands.
    pub(crate) fn bare(&self) -> PathBuf {
        self.lab.path("access.git")
    }

    /// Returns the URL that needs no server.
    pub(crate) fn url(&self) -> String {
        format!("file://{}", self.bare().display())
    }

    /// Returns where the hook notes who pushed to which ref.
    pub(crate) fn pushers(&self) -> PathBuf {
        self.lab.path("pushers")
    }

    /// Pushes from the laboratory's repo.
    pub(crate) fn push(&self, args: &[&str]) -> Said {
        self.push_to(&self.url(), args, |_| {})
    }

    /// Pushes to a URL of the host; `dress` gives git what the transport needs.
    pub(crate) fn push_to(&self, url: &str, args: &[&str], dress: impl Fn(&mut Command)) -> Said {
        let mut command = self.lab.command("git");
        command.args(["push", "--porcelain", url]).args(args).env("GIT_TERMINAL_PROMPT", "0");
        dress(&mut command);
        command.output().unwrap().into()
    }

    /// Returns the commit that a ref of the host names.
    pub(crate) fn tip(&self, name: &str) -> Option<String> {
        let bare = self.bare();
        let named =
            self.lab.command("git").arg("--git-dir").arg(bare).args(["rev-parse", "-q", "--verify", name]).output();
        let output = named.unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim_end().to_owned())
    }
}
