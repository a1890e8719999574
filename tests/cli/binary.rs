//! The real program: its exit status, its help, and that it is wired to the process around it.

use std::process::{Output, Stdio};

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
