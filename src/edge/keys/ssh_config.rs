//! Which agent: `SSH_AUTH_SOCK`, unless the user's ssh configuration names another one (`IdentityAgent`).
//!
//! The configuration is asked for by running `ssh -G -- HOST`, so that `Host`, `Match` and `Include` mean what they mean
//! to ssh. HOST is that of the policy repo's remote, else one that no section but `Host *` is about. An ssh that is
//! missing, fails or takes too long changes nothing, and is told of only when no key was found.

use std::ffi::OsStr;
use std::fmt;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::environment::Environment;
use super::shown;

/// The host that is asked about when there is no remote; RFC 2606 keeps `.invalid` free.
const ANY_HOST: &str = "jit.invalid";
/// The longest host name that is asked about, in bytes.
const MAX_HOST_LEN: usize = 255;
/// The most that is read of what ssh prints, in bytes.
const MAX_OUTPUT_LEN: u64 = 256 * 1024;
/// How long ssh may take; a `Match exec` runs a program.
const WITHIN: Duration = Duration::from_secs(5);
/// How long to wait between two looks at a child that closed its output but has not ended.
const PAUSE: Duration = Duration::from_millis(2);

/// The agent's socket, and what went wrong on the way to it.
#[derive(Debug)]
pub(super) struct Located {
    pub(super) socket: Result<PathBuf, NoSocket>,
    pub(super) remark: Option<String>,
}

/// Why there is no agent to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoSocket {
    /// This variable is not set.
    NotSet(String),
    /// The configuration says `IdentityAgent none`.
    Disabled,
    /// The configuration names a place that is no absolute path.
    NotAbsolute(String),
}

impl fmt::Display for NoSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoSocket::NotSet(name) => write!(f, "`{}` is not set", name.escape_debug()),
            NoSocket::Disabled => write!(f, "the ssh configuration says `IdentityAgent none`"),
            NoSocket::NotAbsolute(value) => {
                write!(f, "the ssh configuration's `IdentityAgent {}` is not an absolute path", value.escape_debug())
            }
        }
    }
}

/// Finds the agent's socket for `host`, or for any host.
pub(super) fn locate(env: &Environment, host: Option<&str>) -> Located {
    let host = host.filter(|host| is_host(host)).unwrap_or(ANY_HOST);
    match ask_ssh(env, host, WITHIN) {
        Ok(output) => Located { socket: read_setting(env, &output), remark: None },
        Err(remark) => Located { socket: from_variable(env, "SSH_AUTH_SOCK"), remark },
    }
}

/// Reads the `identityagent` line of what `ssh -G` prints (ssh_config(5)).
///
/// ssh prints the value with `~`, `%` and `${}` expanded; before OpenSSH 9 it printed it as it stands, and then a `~/`
/// or `%d/` at its start is expanded here.
fn read_setting(env: &Environment, output: &str) -> Result<PathBuf, NoSocket> {
    let Some(value) = output.lines().find_map(|line| line.strip_prefix("identityagent ")) else {
        return from_variable(env, "SSH_AUTH_SOCK");
    };
    match value.trim() {
        "none" => Err(NoSocket::Disabled),
        "SSH_AUTH_SOCK" => from_variable(env, "SSH_AUTH_SOCK"),
        value => match value.strip_prefix('$') {
            Some(name) if !name.starts_with('{') => from_variable(env, name),
            Some(_) | None => {
                let at_home = value.strip_prefix("%d/").map(|rest| format!("~/{rest}"));
                let path = env.expand(OsStr::new(at_home.as_deref().unwrap_or(value)));
                if path.is_absolute() { Ok(path) } else { Err(NoSocket::NotAbsolute(value.to_owned())) }
            }
        },
    }
}

fn from_variable(env: &Environment, name: &str) -> Result<PathBuf, NoSocket> {
    env.get(name).map(PathBuf::from).ok_or_else(|| NoSocket::NotSet(name.to_owned()))
}

/// Tells whether `host` may be passed to ssh: no option, nothing that a shell or a terminal would take for more.
fn is_host(host: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:%@[]".contains(&byte);
    !host.is_empty() && host.len() <= MAX_HOST_LEN && !host.starts_with('-') && host.bytes().all(plain)
}

/// Runs `ssh -G -- HOST` and returns what it prints; where it can't, a remark, if that is worth one.
fn ask_ssh(env: &Environment, host: &str, within: Duration) -> Result<String, Option<String>> {
    let Some(program) = env.find_program(OsStr::new("ssh")) else { return Err(None) };
    run(env, &program, host, within).map_err(|why| Some(format!("`{} -G -- {host}`: {why}", shown(&program))))
}

fn run(env: &Environment, program: &Path, host: &str, within: Duration) -> Result<String, String> {
    let until = Instant::now() + within;
    let mut command = env.command(program);
    command.args(["-G", "--", host]).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let output = read_output(&mut child, within);
    // A child that has printed all it had may still not have ended.
    let ended = loop {
        match child.try_wait() {
            Ok(None) if output.is_ok() && Instant::now() < until => thread::sleep(PAUSE),
            other => break other,
        }
    };
    match ended {
        Ok(Some(status)) if status.success() => output,
        Ok(Some(status)) => output.and(Err(format!("it ended with {status}"))),
        Ok(None) => {
            // It may have ended meanwhile, so neither answer matters.
            let _ = child.kill();
            let _ = child.wait();
            output.and(Err(format!("it did not end within {within:?}")))
        }
        Err(error) => Err(error.to_string()),
    }
}

/// Reads the child's output to its end, on a thread of its own, since std has no limit in time for a pipe.
fn read_output(child: &mut Child, within: Duration) -> Result<String, String> {
    let Some(stdout) = child.stdout.take() else { return Err("it has no output".to_owned()) };
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut output = Vec::new();
        let read: io::Result<usize> = stdout.take(MAX_OUTPUT_LEN + 1).read_to_end(&mut output);
        sender.send(read.map(|_| output))
    });
    match receiver.recv_timeout(within) {
        Ok(Ok(output)) if u64::try_from(output.len()).is_ok_and(|len| len <= MAX_OUTPUT_LEN) => {
            String::from_utf8(output).map_err(|_| "its output is not UTF-8".to_owned())
        }
        Ok(Ok(_)) => Err(format!("its output is longer than {MAX_OUTPUT_LEN} bytes")),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {within:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::keys::tests::write_script;

    /// A folder with a script named `ssh`, and an environment that finds it.
    fn with_ssh(script: &str) -> (tempfile::TempDir, Environment) {
        let folder = tempfile::tempdir().unwrap();
        write_script(&folder.path().join("ssh"), script);
        let path = format!("{}:/usr/bin:/bin", folder.path().display());
        let pairs = [("PATH", path.as_str()), ("SSH_AUTH_SOCK", "/run/default"), ("OTHER", "/run/other")];
        let vars = pairs.iter().map(|(name, value)| (name.into(), value.into()));
        (folder, Environment { home: Some(PathBuf::from("/home/alice")), ..Environment::from_vars(vars) })
    }

    #[test]
    fn the_forms_of_the_setting() {
        let (_folder, env) = with_ssh("exit 1");
        let not_set = |name: &str| Err(NoSocket::NotSet(name.to_owned()));
        for (value, socket) in [
            ("none", Err(NoSocket::Disabled)),
            ("SSH_AUTH_SOCK", Ok("/run/default")),
            ("$OTHER", Ok("/run/other")),
            ("$MISSING", not_set("MISSING")),
            ("/run/mine", Ok("/run/mine")),
            ("/run/my agent", Ok("/run/my agent")),
            ("~/agent", Ok("/home/alice/agent")),
            ("%d/agent", Ok("/home/alice/agent")),
            ("agent", Err(NoSocket::NotAbsolute("agent".to_owned()))),
            ("${OTHER}/agent", Err(NoSocket::NotAbsolute("${OTHER}/agent".to_owned()))),
        ] {
            let output = format!("user alice\nidentityagent {value}\nport 22\n");
            assert_eq!(read_setting(&env, &output), socket.map(PathBuf::from), "{value}");
        }
        assert_eq!(read_setting(&env, "user alice\n"), Ok(PathBuf::from("/run/default")));
        assert_eq!(read_setting(&Environment::default(), ""), not_set("SSH_AUTH_SOCK").map(PathBuf::from));
    }

    #[test]
    fn only_plain_hosts_are_passed_to_ssh() {
        for host in ["git.example.com", "alice@host", "gitlab_1", "::1", "[fe80::1%eth0]"] {
            assert!(is_host(host), "{host}");
        }
        let long = "a".repeat(MAX_HOST_LEN + 1);
        for host in ["", "-oProxyCommand=x", "a b", "a;b", "$(x)", "a\n", "`x`", "a'b", &long] {
            assert!(!is_host(host), "{host}");
        }
        let (_folder, env) = with_ssh("echo \"identityagent /run/$1/$2/$3\"");
        for (host, asked) in [(Some("git.example.com"), "git.example.com"), (Some("-oX"), ANY_HOST), (None, ANY_HOST)] {
            assert_eq!(locate(&env, host).socket, Ok(PathBuf::from(format!("/run/-G/--/{asked}"))));
        }
    }

    #[test]
    fn an_ssh_that_is_missing_fails_or_hangs_changes_nothing() {
        let default = || Ok(PathBuf::from("/run/default"));
        let (_folder, env) = with_ssh("echo identityagent /run/half; exit 255");
        let located = locate(&env, None);
        assert_eq!(located.socket, default());
        assert!(located.remark.is_some_and(|remark| remark.contains("exit status: 255")));

        let (folder, mut env) = with_ssh("exec tail -f /dev/null");
        let why = run(&env, &folder.path().join("ssh"), ANY_HOST, Duration::from_millis(50)).unwrap_err();
        assert!(why.contains("within 50ms"), "{why}");
        let (folder, _) = with_ssh("exec >/dev/null; exec tail -f /dev/null");
        let why = run(&env, &folder.path().join("ssh"), ANY_HOST, Duration::from_millis(200)).unwrap_err();
        assert!(why.contains("within 200ms"), "{why}");
        let (folder, _) = with_ssh("exec head -c 300000 /dev/zero");
        let why = run(&env, &folder.path().join("ssh"), ANY_HOST, WITHIN).unwrap_err();
        assert!(why.contains("longer than"), "{why}");

        env.vars.insert("PATH".to_owned(), "/nonexistent".into());
        let located = locate(&env, None);
        assert_eq!((located.socket, located.remark), (default(), None));
    }
}
