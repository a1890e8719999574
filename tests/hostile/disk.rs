//! Disks that are full and folders that can't be written to.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;

use crate::lab::{Lab, Said};

const NOBODY: u32 = 65_534;

/// Runs a request under a limit on the size of files, in units of 512 bytes; with the signal ignored it is an error.
fn limited(lab: &Lab, blocks: u32, args: &[&str]) -> Said {
    let plain = lab.jit_command("carol", args);
    let mut command = lab.command("sh");
    command.arg("-c").arg(format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\""));
    command.arg(plain.get_program()).args(plain.get_args());
    command.output().unwrap().into()
}

/// All files under a folder, with their sizes.
fn listing(folder: &Path) -> Vec<(std::path::PathBuf, u64)> {
    let mut files = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            let data = entry.metadata().unwrap();
            if data.is_dir() {
                waiting.push(entry.path());
            } else {
                files.push((entry.path(), data.len()));
            }
        }
    }
    files.sort();
    files
}

#[test]
fn a_full_disk_is_told_and_nothing_is_half_written() {
    let lab = Lab::new();
    let tip = lab.tip();
    let request = ["request", "db/prod/orders", "read"];
    let before = listing(&lab.repo().join(".git/refs"));
    // From the first byte on, and in the middle of an object.
    for blocks in 0..=1 {
        let said = limited(&lab, blocks, &request).exits(5);
        assert!(said.stderr.starts_with("error: while writing"), "{said:?}");
        assert!(said.stderr.contains("File too large"), "{said:?}");
        assert_eq!(lab.tip(), tip);
        assert_eq!(listing(&lab.repo().join(".git/refs")), before);
        assert!(lab.repo().join(".git/jit/append.lock").metadata().map_or(true, |data| data.len() == 0));
        lab.verify();
        lab.git(&["fsck", "--strict", "--no-dangling"]);
    }
    // Without the signal ignored the process dies of it; the log is as it was all the same.
    let plain = lab.jit_command("carol", &request);
    let mut command = lab.command("sh");
    command.arg("-c").arg("ulimit -f 0; exec \"$0\" \"$@\"").arg(plain.get_program()).args(plain.get_args());
    assert!(!command.output().unwrap().status.success());
    assert_eq!(lab.tip(), tip);
    // What reads does not mind.
    limited(&lab, 0, &["audit", "verify"]).exits(0);
    limited(&lab, 0, &["check", "db/prod/orders", "read", "--subject", "carol"]).exits(1);
    lab.request("carol", &request[1..], 0);
    lab.check("carol", "db/prod/orders", "read").exits(0);
}

/// Makes everything under a folder read-only, or ours again.
fn lock_down(folder: &Path, owner: u32, is_open: bool) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            lock_down(&path, owner, is_open);
        } else {
            chown(&path, Some(owner), Some(owner)).unwrap();
        }
    }
    chown(folder, Some(owner), Some(owner)).unwrap();
    fs::set_permissions(folder, fs::Permissions::from_mode(if is_open { 0o755 } else { 0o555 })).unwrap();
}

#[test]
fn a_read_only_repo_is_read_and_not_appended_to() {
    let lab = Lab::new();
    lab.request("carol", &["db/prod/orders", "read"], 0);
    let tip = lab.tip();
    let me = fs::metadata(lab.repo()).unwrap().uid();
    // Root may write anywhere, so somebody else has to try; whoever is not root can take their own rights away.
    let owner = if me == 0 { NOBODY } else { me };
    // The program itself may stand where nobody else may look.
    let program = lab.path("jit");
    fs::copy(env!("CARGO_BIN_EXE_jit"), &program).unwrap();
    let run = |args: &[&str]| {
        let mut command = lab.command(program.to_str().unwrap());
        command.arg("--key").arg(lab.key("carol")).args(args);
        if me == 0 {
            command.uid(owner).gid(owner);
        }
        Said::from(command.output().unwrap())
    };
    let everything = lab.path(".");
    lock_down(&everything, owner, true);
    run(&["request", "db/prod/orders", "read"]).exits(0);
    let tip = {
        assert_ne!(git_tip(&lab, owner), tip);
        git_tip(&lab, owner)
    };
    // The repo alone: a request says what it can't write, a gate answers.
    lock_down(&lab.repo(), owner, false);
    let said = run(&["request", "db/prod/orders", "read"]).exits(5);
    assert!(said.stderr.contains("Permission denied") || said.stderr.contains("ermission"), "{said:?}");
    run(&["check", "db/prod/orders", "read"]).exits(0);
    run(&["audit", "verify"]).exits(0);
    run(&["list"]).exits(0);
    // The home as well: the pin can't be kept, and the gate answers all the same.
    lock_down(&lab.path("home"), owner, false);
    run(&["check", "db/prod/orders", "read"]).exits(0);
    run(&["audit", "verify"]).exits(0);
    assert_eq!(git_tip(&lab, owner), tip);
    lock_down(&everything, owner, true);
    lock_down(&everything, me, true);
    lab.verify();
    lab.request("carol", &["db/prod/orders", "read"], 0);
}

/// The branch's tip, asked by who owns the repo.
fn git_tip(lab: &Lab, owner: u32) -> String {
    let mut command = lab.command("git");
    command.args(["-c", "safe.directory=*", "rev-parse", crate::forge::BRANCH]);
    if owner == NOBODY {
        command.uid(owner).gid(owner);
    }
    Said::from(command.output().unwrap()).exits(0).stdout
}

#[test]
fn a_home_that_can_not_be_written_to_makes_no_trust() {
    let lab = Lab::new();
    let home = lab.path("locked");
    fs::create_dir(&home).unwrap();
    // A file where the folder should be stops root, too.
    fs::write(home.join(".config"), "").unwrap();
    fs::write(home.join(".gitconfig"), "[user]\nname = A\nemail = a@example.org\n").unwrap();
    let mut init = lab.jit_command("alice", &["init", "../new", "--as", "alice"]);
    Said::from(init.env("HOME", &home).output().unwrap()).exits(5);
    let mut check = lab.jit_command("alice", &["check", "db/prod/orders", "read", "--subject", "carol", "--json"]);
    let said = Said::from(check.env("HOME", &home).output().unwrap());
    assert!(matches!(said.code, Some(4 | 5)) && said.json()["decision"] == "deny", "{said:?}");
}

#[test]
fn a_lost_or_foreign_pin_is_no_fresh_start() {
    let lab = Lab::new();
    lab.request("carol", &["db/prod/orders", "read"], 0);
    let pin = lab.path(&format!("home/.config/jit/pins/{}.toml", lab.genesis));
    let good = fs::read(&pin).unwrap();
    let ask = || lab.check("carol", "db/prod/orders", "read");
    ask().exits(0);
    for bad in [&b""[..], b"garbage", b"size = 1\n", &[0xff; 40], &good[..good.len() / 2]] {
        fs::write(&pin, bad).unwrap();
        let said = ask();
        assert!(matches!(said.code, Some(4 | 5)), "{said:?}");
        assert_eq!(said.json()["decision"], "deny");
    }
    fs::write(&pin, &good).unwrap();
    fs::set_permissions(&pin, fs::Permissions::from_mode(0o666)).unwrap();
    let said = ask();
    assert!(matches!(said.code, Some(4 | 5)), "others may write it: {said:?}");
    fs::remove_file(&pin).unwrap();
    let said = ask();
    assert!(matches!(said.code, Some(4 | 5)), "{said:?}");
    fs::write(&pin, &good).unwrap();
    fs::set_permissions(&pin, fs::Permissions::from_mode(0o600)).unwrap();
    ask().exits(0);
}
