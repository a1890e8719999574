//! What is shown of work that takes long, and what is left of it. A git that takes its time stands in for a slow network:
//! it says how far it is until it is let go, and is then the real one.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::sync::mpsc;
use std::thread;

use crate::host::Host;
use crate::server::program;
use crate::terminal::{PATIENCE, Terminal};

/// The words of the slow git, which would clear the screen if they were not escaped.
const WORDS: &str = "remote: Counting objects:  45% (450/1000) ";

/// Prepares for dave's `jit` to find a slow git; it holds `held` open while it runs, and ends its wait once there is `go`.
fn slow_git(host: &Host) -> Command {
    let folder = host.home("dave").join("bin");
    fs::create_dir(&folder).unwrap();
    let words = WORDS.replace('%', "%%");
    let text = format!(
        "#!/bin/sh\ncase \" $* \" in *' --progress '*) ;; *) exec '{git}' \"$@\" ;; esac\nexec 9>\"$HOME/held\"\n\
         while [ ! -e \"$HOME/go\" ]; do\n    printf '{words}\\033[2J\\r' >&2\n    sleep 0.05\ndone\n\
         exec 9>&-\nexec '{git}' \"$@\"\n",
        git = program("git", "git").display()
    );
    fs::write(folder.join("git"), text).unwrap();
    fs::set_permissions(folder.join("git"), fs::Permissions::from_mode(0o755)).unwrap();
    assert!(host.command("dave", "mkfifo").arg("held").status().unwrap().success());
    let mut like = host.jit_command("dave", &[]);
    like.env("PATH", format!("{}:{}", folder.display(), std::env::var("PATH").unwrap()));
    like
}

fn clone_line(host: &Host, more: &str) -> String {
    let jit = env!("CARGO_BIN_EXE_jit");
    format!("'{jit}' {more} clone {} access --genesis {}", host.file_url(), host.lab.genesis)
}

/// Tells, by what it returns, when nobody holds the slow git's pipe any more.
fn end_of_git(host: &Host) -> mpsc::Receiver<()> {
    let held = host.home("dave").join("held");
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        File::open(held).unwrap().read_to_end(&mut Vec::new()).unwrap();
        let _ = tell.send(());
    });
    told
}

#[test]
fn a_slow_clone_says_how_far_it_is() {
    let host = Host::new();
    let like = slow_git(&host);
    let end = end_of_git(&host);
    let mut terminal = Terminal::run(&like, &clone_line(&host, ""));
    terminal.shows(&format!("\rgit: {}", WORDS.trim_end()));
    fs::write(host.home("dave").join("go"), "").unwrap();
    end.recv_timeout(PATIENCE).unwrap();
    let (status, shown) = terminal.ends();
    assert_eq!(status, 0, "{shown}");
    assert!(!shown.contains("\u{1b}[2J"), "{shown:?}");
    let (_, left) = shown.rsplit_once("\r\u{1b}[K").unwrap();
    assert!(left.starts_with("Cloned "), "the line is gone when there is an answer: {shown:?}");
}

#[test]
fn nothing_is_shown_to_whoever_wants_quiet_or_has_no_terminal() {
    let host = Host::new();
    let like = slow_git(&host);
    // The slow git is the real one at once for whoever does not ask how far it is.
    let (status, shown) = Terminal::run(&like, &clone_line(&host, "--quiet")).ends();
    assert_eq!(status, 0, "{shown}");
    assert!(shown.starts_with("Cloned ") && !shown.contains('\u{1b}'), "{shown:?}");
    fs::remove_dir_all(host.home("dave").join("access")).unwrap();
    let (status, shown) = Terminal::run(&like, &format!("{} 2> said", clone_line(&host, ""))).ends();
    assert_eq!(status, 0, "{shown}");
    assert_eq!(fs::read_to_string(host.home("dave").join("said")).unwrap(), "");
}

#[test]
fn ctrl_c_ends_git_too() {
    let host = Host::new();
    let like = slow_git(&host);
    let end = end_of_git(&host);
    let mut terminal = Terminal::run(&like, &clone_line(&host, ""));
    terminal.shows("\rgit: ");
    terminal.press(b"\x03");
    end.recv_timeout(PATIENCE).unwrap();
    let (status, shown) = terminal.ends();
    assert_eq!(status, 130, "{shown}");
    assert!(!host.home("dave").join("access").exists());
}

#[test]
fn ctrl_c_leaves_no_clone_that_nobody_trusts() {
    let host = Host::new();
    let like = host.jit_command("dave", &[]);
    let line = format!("'{}' clone {} access", env!("CARGO_BIN_EXE_jit"), host.file_url());
    for was_there in [false, true] {
        let folder = host.home("dave").join("access");
        if was_there {
            fs::create_dir(&folder).unwrap();
        }
        let mut terminal = Terminal::run(&like, &line);
        terminal.shows("Is that the genesis id");
        assert!(folder.join(".git").exists());
        terminal.press(b"\x03");
        let (status, shown) = terminal.ends();
        assert_eq!(status, 130, "{shown}");
        assert!(!folder.join(".git").exists());
        assert_eq!(folder.exists(), was_there, "{shown}");
    }
}
