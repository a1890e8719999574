//! Who is asked for what: nobody without a terminal, where a command fails at once and says what is missing; and whoever
//! sits at one, by git itself.

use crate::host::{Host, password};
use crate::terminal::Terminal;

/// A clone into `access` by dave, as a line of shell.
fn clone_line(host: &Host, url: &str, rest: &str) -> String {
    format!("'{}' clone {url} access {rest}", env!("CARGO_BIN_EXE_jit")).replace("$GENESIS", &host.lab.genesis)
}

#[test]
fn a_wrong_password_and_none_are_told_apart() {
    let host = Host::new();
    let (server, url) = host.http();
    let clone = ["clone", &url, "access", "--genesis", &host.lab.genesis];
    let said = host.jit("dave", &clone).exits(5);
    assert!(said.stderr.contains("terminal prompts disabled") && said.stderr.contains("credential"), "{said:?}");
    host.git_config("dave", "credential.username", "dave");
    host.store_password("dave", &server, "wrong");
    let said = host.jit("dave", &clone).exits(5);
    assert!(said.stderr.contains("Authentication failed"), "{said:?}");
    assert!(!said.stderr.contains("wrong"), "no secret is shown: {said:?}");
    assert!(!host.home("dave").join("access").exists());
}

#[test]
fn an_unknown_host_is_refused_without_a_terminal() {
    let host = Host::new();
    let (server, url) = host.sshd();
    host.git_config("dave", "core.sshCommand", &host.ssh("dave", &server, false));
    let said = host.jit("dave", &["clone", &url, "access", "--genesis", &host.lab.genesis]).exits(5);
    assert!(said.stderr.contains("Host key verification failed"), "{said:?}");
    // A known one whose key is another.
    let key = host.lab.public_key("mallory");
    std::fs::write(host.home("dave").join("known_hosts"), format!("[127.0.0.1]:{} {key}\n", server.port)).unwrap();
    let said = host.jit("dave", &["clone", &url, "access", "--genesis", &host.lab.genesis]).exits(5);
    assert!(said.stderr.contains("REMOTE HOST IDENTIFICATION HAS CHANGED"), "{said:?}");
}

#[test]
fn nobody_is_asked_where_only_a_part_is_a_terminal() {
    let host = Host::new();
    let (server, url) = host.sshd();
    host.git_config("dave", "core.sshCommand", &host.ssh("dave", &server, false));
    let like = host.jit_command("dave", &[]);
    // ssh would ask at the process's terminal whatever its input is.
    for part in ["< /dev/null", "2> said"] {
        let line = clone_line(&host, &url, "--genesis $GENESIS");
        let (status, shown) = Terminal::run(&like, &format!("{line} {part}")).ends();
        let said = std::fs::read_to_string(host.home("dave").join("said")).unwrap_or_default();
        assert_eq!(status, 5, "{shown}{said}");
        assert!(!shown.contains("continue connecting"), "{shown}");
        assert!(shown.contains("Host key verification failed") || said.contains("Host key verification failed"));
    }
}

#[test]
fn git_asks_for_a_password_at_a_terminal() {
    let host = Host::new();
    let (_server, url) = host.http();
    let mut terminal = Terminal::run(&host.jit_command("dave", &[]), &clone_line(&host, &url, ""));
    // Once: what git brought is all that is looked at.
    terminal.shows("Username for");
    terminal.types("dave");
    terminal.shows("Password for");
    terminal.types(&password("dave"));
    terminal.shows(&host.lab.genesis);
    terminal.shows("by another way? [y/N]");
    terminal.types("y");
    let (status, shown) = terminal.ends();
    assert_eq!(status, 0, "{shown}");
    assert!(!shown.contains(&password("dave")), "it is not shown while it is typed: {shown}");
}

#[test]
fn ssh_asks_about_an_unknown_host_at_a_terminal() {
    let host = Host::new();
    let (server, url) = host.sshd();
    host.git_config("dave", "core.sshCommand", &host.ssh("dave", &server, false));
    let like = host.jit_command("dave", &[]);
    let mut terminal = Terminal::run(&like, &clone_line(&host, &url, "--genesis $GENESIS"));
    terminal.shows("continue connecting");
    terminal.types("yes");
    let (status, shown) = terminal.ends();
    assert_eq!(status, 0, "{shown}");
    assert!(shown.contains("Cloned"), "{shown}");
}
