//! A machine with gates as docs/GATES.md sets it up: the page's own commands, as root, in a mount namespace of the test's,
//! so that users, `/etc` and `/var/lib` of the real machine stay as they are.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::site::{Said, Site};

const CLONE: &str = "/var/lib/jit/access.git";
/// What the page gives a gate for an environment.
const PATH: &str = "PATH=/usr/local/bin:/usr/bin:/bin";

/// Lays copies over the folders that root's commands write to, and the program that is tested over /usr/local/bin; then
/// stays, and with it the namespace, until its input ends.
const SET_UP: &str = r#"
cp -a /etc "$T/etc"
rm -rf "$T/etc/jit" "$T/etc/gitconfig"
mkdir "$T/lib" "$T/bin" "$T/old" "$T/local"
mount --bind /usr/local/bin "$T/old"
ln -s "$T"/old/* "$T/bin/" || :
rm -f "$T/bin/jit"
install -m 755 "$JIT" "$T/bin/jit"
mount --bind "$T/etc" /etc
mount --bind "$T/lib" /var/lib
mount --bind "$T/bin" /usr/local/bin
# Where a git of the machine's own keeps what Debian's keeps in /etc.
[ ! -d /usr/local/etc ] || mount --bind "$T/local" /usr/local/etc
git config --system --add safe.directory "$url"
echo ready
exec cat
"#;

/// A namespace, which goes with the process that holds it.
struct Machine {
    keeper: Child,
    site: Site,
}

impl Drop for Machine {
    fn drop(&mut self) {
        // If it has ended by itself there is nothing to end.
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}

/// Ended with the test.
struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Tells whether this can be tested here: only root can add users and mount. In CI that must not be passed over.
#[expect(clippy::print_stderr, reason = "what is not tested must not look tested")]
fn is_root() -> bool {
    let said: Said = Command::new("id").arg("-u").output().unwrap().into();
    let is_root = said.exits(0).out.trim() == "0";
    let is_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(is_root || !is_ci, "this test adds users and mounts folders: in CI it has to run as root");
    if !is_root {
        eprintln!("NOT TESTED: the layout for gates needs root, for users and a mount namespace");
    }
    is_root
}

/// Returns the blocks of the page that the test runs.
fn blocks() -> Vec<String> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/GATES.md")).unwrap();
    text.split("\n```bash\n").skip(1).map(|rest| rest.split("\n```").next().unwrap().to_owned()).collect()
}

/// Returns the command of the service, looking more often.
fn service() -> Vec<String> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/jit-sync.service")).unwrap();
    let command = text.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    assert!(command.ends_with(" --every 1m"));
    command.replace("1m", "1s").split(' ').map(str::to_owned).collect()
}

impl Machine {
    fn new() -> Machine {
        let site = Site::new();
        let folder = site.path("");
        // Others have to be able to reach the host's repository.
        for path in [&folder, &site.host()] {
            let mut mode = fs::metadata(path).unwrap().permissions();
            std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o755);
            fs::set_permissions(path, mode).unwrap();
        }
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "bash", "-euo", "pipefail", "-c", SET_UP]);
        command.env("T", &folder).env("JIT", env!("CARGO_BIN_EXE_jit")).env("url", site.host());
        let mut keeper = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let machine = Machine { keeper, site };
        assert_eq!(line, "ready\n", "the mount namespace could not be made: this test needs CAP_SYS_ADMIN");
        machine
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--mount=/proc/{}/ns/mnt", self.keeper.id())).arg("--").args(args);
        command.env_clear().env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("url", self.site.host()).env("genesis", &self.site.genesis).stdin(Stdio::null());
        command
    }

    /// Runs a shell script as root, which has to succeed.
    #[track_caller]
    fn root(&self, script: &str) -> Said {
        Said::from(self.command(&["bash", "-euo", "pipefail", "-c", script]).output().unwrap()).exits(0)
    }

    /// Runs `jit` as the page says for a gate.
    fn gate(&self, args: &[&str]) -> Said {
        let gate = ["runuser", "-u", "jit-gate", "--", "env", "-i", PATH, "jit"];
        self.command(&[&gate, args].concat()).output().unwrap().into()
    }

    fn check(&self, what: &str) -> Said {
        self.gate(&["check", &format!("db/staging/{what}"), "read", "--subject", "alice", "--json"])
    }

    #[track_caller]
    fn answers(&self, what: &str, status: i32, code: &str) {
        let said = self.check(what).exits(status);
        assert_eq!(said.json()["reasons"][0]["code"], code, "{}", said.out);
    }

    fn doctor(&self) -> Said {
        self.gate(&["doctor", "--json"])
    }
}

#[test]
fn a_gate_reads_a_clone_that_another_account_keeps_fresh() {
    if !is_root() {
        return;
    }
    let machine = Machine::new();
    let blocks = blocks();
    let [users, trust, owner, look] = blocks.as_slice() else { panic!("{} blocks, not four", blocks.len()) };
    machine.root(users);
    machine.root(trust);
    // Until root has made the exception, git's owner check holds, and the doctor says what to type.
    machine.doctor().exits(5).has_problem("repo", "belongs to `jit-sync`, and git takes no repository");
    machine.check("a").exits(5);
    machine.root(owner);
    let text = machine.root(look).out;
    assert!(text.contains("/etc/jit, which only root can write to"), "{text}");
    let said = machine.doctor().exits(0);
    said.is_fine("owner", "`jit-sync`; this user only reads it");
    said.is_fine("repo", "/var/lib/jit/access.git, bare, the default one of the configuration");
    said.is_fine("trust", "this user has no pin of it");
    said.is_fine("age", "the log here was fetched ");
    // The home that the user database names is not there.
    let gate = ["runuser", "-u", "jit-gate", "--", "env", "-i", PATH, "HOME=/nonexistent", "jit", "doctor", "--json"];
    let homeless = Said::from(machine.command(&gate).output().unwrap()).exits(0);
    assert!(homeless.check("config").1.contains("/nonexistent/.config/jit can't be written to"), "{}", homeless.out);

    let service: Vec<String> = service();
    let as_sync = ["setpriv", "--reuid=jit-sync", "--regid=jit-sync", "--init-groups", "env", "HOME=/var/lib/jit"];
    let args: Vec<&str> = as_sync.into_iter().chain(service.iter().map(String::as_str)).collect();
    let mut sync = Service(machine.command(&args).stdout(Stdio::piped()).spawn().unwrap());
    let (told, heard) = std::sync::mpsc::channel();
    let talk = BufReader::new(sync.0.stdout.take().unwrap());
    std::thread::spawn(move || talk.lines().map_while(Result::ok).try_for_each(|line| told.send(line)));
    let wait_for = |lines: u32| {
        let wanted = format!("Synced: {lines} lines, ");
        while !heard.recv_timeout(Duration::from_secs(60)).expect("it goes on fetching").starts_with(&wanted) {}
    };
    wait_for(2);
    machine.answers("a", 1, "no-grant");
    let id = machine.site.request("a");
    wait_for(3);
    machine.answers("a", 0, "granted");
    machine.site.jit("alice", &["revoke", &id, "--reason", "over"]).exits(0);
    wait_for(4);
    machine.answers("a", 1, "revoked");
    machine.site.request("b");
    wait_for(5);
    machine.answers("b", 0, "granted");
    // What the service has verified the gate reads, and keeps nothing itself.
    machine.doctor().is_fine("index", "5 of 5 lines");

    // The service has stopped, and all that is here is too old: its stamp is dated back instead of waiting.
    drop(sync);
    machine.root(&format!("echo 2026-01-01T00:00:00Z > {CLONE}/jit/fetched-at"));
    machine.answers("b", 5, "stale");
    let stale = machine.doctor().exits(5);
    stale.has_problem("age", "so gates of this user say `stale`");
    let (_, _, help) = stale.check("age");
    let by_hand = help.rsplit_once("by hand: ").unwrap().1;
    machine.root(&by_hand.replace("sudo -u jit-sync -H", "runuser -u jit-sync -- env HOME=/var/lib/jit"));
    machine.answers("b", 0, "granted");
    machine.doctor().exits(0);
}

#[test]
fn what_a_gate_must_not_be_able_to_do_is_found_and_mended() {
    if !is_root() {
        return;
    }
    let machine = Machine::new();
    for block in &blocks()[..3] {
        machine.root(block);
    }
    machine.doctor().exits(0);
    // A group that nobody else is in is as good as none.
    machine.root("chmod g+w /var/lib/jit/access.git/config");
    machine.doctor().exits(0);
    for path in [CLONE, "/var/lib/jit/access.git/refs/heads/jit", "/etc/jit", "/etc/jit/trust"] {
        let touch = ["runuser", "-u", "jit-gate", "--", "touch", &format!("{path}/x")];
        assert!(!Said::from(machine.command(&touch).output().unwrap()).err.is_empty(), "{path}");
    }
    let table = [
        ("chmod o+w /var/lib/jit/access.git/hooks", 1, "owner", "everybody on this machine can write to"),
        (
            "groupadd team; usermod -aG team daemon; chgrp team /var/lib/jit/access.git/config; chmod g+w /var/lib/jit/access.git/config",
            1,
            "owner",
            "a group can write to",
        ),
        ("chown jit-gate /var/lib/jit/access.git/refs", 1, "owner", "it is `jit-sync`'s, and this user can write to"),
        ("chown jit-gate /etc/jit/trust/*", 1, "config", "belongs to `jit-gate`, who could have every gate"),
        ("chmod o+w /etc/jit/trust/*", 5, "config", "can be written by others"),
        ("chmod g+w /etc/jit", 5, "config", "/etc/jit can be written by others"),
        ("chmod o-r /etc/jit/config.toml", 5, "config", "can't read /etc/jit/config.toml"),
        ("git config --file /etc/gitconfig --unset-all safe.directory", 5, "repo", "belongs to `jit-sync`"),
    ];
    for (harm, status, name, message) in table {
        machine.root(harm);
        let said = machine.doctor().exits(status);
        said.has_problem(name, message);
        let (_, _, help) = said.check(name);
        // What it says to type is all that has to be done.
        let marks = ["as root: ", "as `jit-sync`: ", "is right: "];
        let command =
            marks.iter().find_map(|mark| help.rsplit_once(mark)).unwrap_or_else(|| panic!("{harm}: {help}")).1;
        machine.root(command);
        machine.doctor().exits(0);
    }
}
