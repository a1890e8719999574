//! The real program: its exit status, its help, and that it is wired to the process around it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use insta::assert_snapshot;

use crate::support::Team;

fn text(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// A command's help, then that of its own commands.
fn help(team: &Team, path: &str, into: &mut String) {
    let line = format!("{path} --help").trim_start().to_owned();
    let (status, out, err) = text(&team.binary("alice", &line));
    assert_eq!((status, err.as_str()), (Some(0), ""), "{line}");
    into.push_str(&format!("$ jit {line}\n{out}\n"));
    let commands = out.split("\nCommands:\n").nth(1).unwrap_or_default().split("\n\n").next().unwrap_or_default();
    for name in
        commands.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next().filter(|name| !name.is_empty()))
    {
        if name != "help" {
            help(team, format!("{path} {name}").trim_start(), into);
        }
    }
}

#[test]
fn help_of_every_command() {
    let team = Team::without_repo();
    let mut all = String::new();
    help(&team, "", &mut all);
    assert_snapshot!(all);
}

#[test]
fn exit_statuses() {
    let team = Team::new();
    // Granted by the real program, at the real time, which is after the policy's.
    let table = [
        ("--version", 0, "jit ", ""),
        ("request db/staging/x read", 0, "Granted: ", ""),
        ("check db/staging/x read", 0, "allow\n", ""),
        ("check db/staging/y read", 1, "deny\n", ""),
        ("check db/staging/x read --bind", 2, "", "error: "),
        ("request ssh/prod/web-1", 3, "Pending: ", ""),
        ("check db/staging/x read -C /nowhere", 5, "deny\n", ""),
        ("approve 00000000", 2, "", "error: "),
        ("frobnicate", 2, "", "error: "),
    ];
    for (line, status, out, err) in table {
        let (code, stdout, stderr) = text(&team.binary("alice", line));
        assert_eq!(code, Some(status), "{line}: {stdout}{stderr}");
        assert!(stdout.starts_with(out) && stderr.starts_with(err), "{line}: {stdout}{stderr}");
    }
    let (code, out, _) = text(&team.binary("bob", "check db/staging/x read -C . --subject alice"));
    assert_eq!((code, out.starts_with("deny\n  unknown-genesis: ")), (Some(4), true), "{out}");
}

#[test]
fn a_reader_that_goes_is_no_failure() {
    let team = Team::new();
    for line in ["list", "audit export", "--help"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = team.binary_command("alice", line).stdin(Stdio::null()).stdout(writer).output().unwrap();
        assert_eq!(text(&output), (Some(0), String::new(), String::new()), "{line}");
    }
}

#[test]
fn standard_input_is_read() {
    use std::io::Write as _;
    let team = Team::new();
    let mut child = team
        .binary_command("alice", "check db/staging/x read --token -")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"jit1.AAAA\n").unwrap();
    let (code, out, err) = text(&child.wait_with_output().unwrap());
    assert!(code == Some(1) && out.starts_with("deny\n  malformed: "), "{code:?} {out} {err}");
}

/// What is written to a shared repository is open to its group, whatever the umask of whoever writes says.
#[test]
fn a_shared_repository_stays_shared() {
    let team = Team::without_repo();
    let repo = team.repo();
    let repo_text = repo.to_str().unwrap();
    let umask = |program: &mut Command| -> Output {
        let mut shell = Command::new("sh");
        shell.args(["-c", "umask 077 && exec \"$0\" \"$@\""]).arg(program.get_program()).args(program.get_args());
        shell.env_clear().envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell.current_dir(team.path("home")).stdin(Stdio::null()).output().unwrap()
    };
    for (who, shared, folders, files) in [("alice", "group", 0o2770, 0o060), ("bob", "0644", 0o2755, 0o044)] {
        let _ = fs::remove_dir_all(&repo);
        let mut init = Command::new("git");
        init.args(["init", "-q", "-b", "main", &format!("--shared={shared}"), repo_text]);
        init.env("PATH", std::env::var_os("PATH").unwrap()).env("GIT_CONFIG_NOSYSTEM", "1");
        assert!(umask(&mut init).status.success());
        // What git made is as it made it: what is looked at is new.
        let made = below(&repo.join(".git"));
        let init = format!("init {repo_text} --as {who}");
        let ask = format!("-C {repo_text} request db/staging/x");
        for line in [&init, &ask] {
            let ran = umask(&mut team.binary_command(who, line));
            assert!(matches!(ran.status.code(), Some(0 | 1)), "{line}: {ran:?}");
        }
        let new: Vec<PathBuf> = below(&repo.join(".git")).into_iter().filter(|path| !made.contains(path)).collect();
        for wanted in ["jit", "jit/append.lock", "refs/heads/jit", "refs/heads/jit/audit", "refs/heads/main", "index"] {
            assert!(new.contains(&repo.join(".git").join(wanted)), "{wanted}: {new:?}");
        }
        for path in new {
            let data = fs::symlink_metadata(&path).unwrap();
            let mode = data.permissions().mode() & 0o7777;
            let is_object = path.starts_with(repo.join(".git/objects"));
            if data.is_dir() {
                assert_eq!(mode & folders, folders, "{mode:o} {}", path.display());
            } else {
                let wanted = if is_object { files & 0o444 } else { files };
                assert_eq!(mode & 0o077, wanted, "{mode:o} {}", path.display());
            }
        }
    }
}

/// All that is in a folder, and in those below.
fn below(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(below(&path));
        }
        found.insert(path);
    }
    found
}
