//! What a process that dies leaves behind, and disks that can't be written to.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use jit::core::history::append::NewLine;
use jit::edge::git::{GitError, Repo};
use jit::edge::log::{self, AppendError, Draft};

use crate::support::{Here, Temp, context};

const REPO: &str = "JIT_TEST_REPO";
const COUNT: &str = "JIT_TEST_COUNT";

/// Not a test of its own: run by the others as a process that can be killed or kept from writing. Says what it did.
#[test]
fn child_appends() {
    let Some(path) = std::env::var_os(REPO) else { return };
    let here = Here { repo: Repo::open(Path::new(&path)).unwrap() };
    for i in 0..std::env::var(COUNT).unwrap().parse().unwrap() {
        match here.try_append(&format!("child {i}")) {
            Ok(_) => println!("\nappended child {i}"),
            Err(error) => println!("\nfailed: {error}"),
        }
    }
}

/// This very program, set to run `child_appends` alone.
fn child(program: &Path, repo: &Path, count: u32) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$0\" \"$@\""]).arg(program);
    command.args(["--exact", "crash::child_appends", "--nocapture", "--test-threads=1"]);
    command.env(REPO, repo).env(COUNT, count.to_string()).env("HOME", repo);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

/// The same, after a shell has set limits.
fn limited(limits: &str, repo: &Path) -> std::process::Output {
    let program = std::env::current_exe().unwrap();
    let plain = child(&program, repo, 1);
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(format!("{limits}; exec \"$0\" \"$@\""))
        .args(plain.get_args().skip(2).collect::<Vec<&OsStr>>());
    command.envs(plain.get_envs().filter_map(|(key, value)| Some((key, value?))));
    command.output().unwrap()
}

#[test]
fn a_killed_process_loses_nothing_that_it_said_was_logged() {
    let temp = Temp::new();
    let here = temp.repo();
    let program = std::env::current_exe().unwrap();
    let mut said = Vec::new();
    for round in 0..10 {
        let mut child = child(&program, &temp.path("repo"), 1000).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut appended = lines.map(|line| line.unwrap()).filter(|line| line.starts_with("appended "));
        said.extend(appended.by_ref().take(round % 4 + 1).map(|line| line["appended ".len()..].to_owned()));
        child.kill().unwrap();
        child.wait().unwrap();
        said.extend(appended.map(|line| line["appended ".len()..].to_owned()));
        here.append("parent");
        said.push("parent".to_owned());
        let mut lines = here.lines().into_iter();
        // What was said is there, in that order; a line may be there of which nothing was said any more.
        for line in &said {
            assert!(lines.any(|logged| logged == *line), "{line} of {said:?}");
        }
    }
    assert!(here.walk().voids.is_empty());
    assert_eq!(fs::read_dir(temp.path("repo/.git/jit")).unwrap().count(), 1, "only append.lock stays");
    temp.git("repo", &["fsck", "--strict", "--full"]);
}

#[test]
fn leftovers_of_a_dead_process_are_told_from_a_lock_of_gits() {
    let temp = Temp::new();
    let here = temp.repo();
    let (jit, guard) = (temp.path("repo/.git/jit"), temp.path("repo/.git/refs/heads/jit/audit.lock"));
    let branch = temp.path("repo/.git/refs/heads/jit/audit");
    let private = jit.join("ref-0");
    let mut count = 1;
    let mut goes_on = |state: &str| {
        here.append("more");
        count += 1;
        assert_eq!(here.lines().len(), count, "{state}");
        assert_eq!(fs::read_dir(&jit).unwrap().count(), 1, "{state}");
        assert!(!guard.exists(), "{state}");
    };
    fs::write(&private, "").unwrap();
    goes_on("died while it wrote its file");
    fs::write(&private, format!("{}\n", here.tip())).unwrap();
    fs::hard_link(&private, &guard).unwrap();
    goes_on("died with the lock held");
    fs::hard_link(&branch, &private).unwrap();
    goes_on("died after the rename");
    fs::write(&private, "x").unwrap();
    fs::write(jit.join("ref-1"), "y").unwrap();
    fs::hard_link(jit.join("ref-1"), &guard).unwrap();
    goes_on("two died");
}

#[test]
fn a_lock_of_gits_is_waited_for_and_then_named() {
    let temp = Temp::new();
    let here = temp.repo();
    let guard = temp.path("repo/.git/refs/heads/jit/audit.lock");
    let tip = here.tip();
    fs::write(&guard, "").unwrap();
    fs::write(temp.path("repo/.git/jit/ref-0"), "of a dead process, and another file than git's").unwrap();
    match here.try_append("a") {
        Err(AppendError::Git(error @ GitError::Locked(_))) => {
            assert!(error.to_string().contains("audit.lock"), "{error}");
            assert!(error.help().unwrap().contains("rm "));
        }
        other => panic!("{other:?}"),
    }
    assert!(guard.exists() && here.tip() == tip);
    assert_eq!(fs::read_dir(temp.path("repo/.git/jit")).unwrap().count(), 1);
    // Git lets go while an append waits.
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| Here::open(&temp.path("repo")).append("b"));
        while fs::read_dir(temp.path("repo/.git/jit")).unwrap().count() < 2 && !waiting.is_finished() {
            std::thread::yield_now();
        }
        fs::remove_file(&guard).unwrap();
        waiting.join().unwrap();
    });
    assert_eq!(here.lines(), ["genesis", "b"]);
}

#[test]
fn a_limit_on_file_sizes_leaves_the_log_as_it_was() {
    let temp = Temp::new();
    let here = temp.repo();
    let tip = here.tip();
    // Killed by the signal while it writes an object.
    let output = limited("ulimit -f 0", &temp.path("repo"));
    assert!(!output.status.success() && here.tip() == tip, "{output:?}");
    // Told by an error.
    let output = limited("trap '' XFSZ; ulimit -f 0", &temp.path("repo"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("failed: while writing an object"), "{said}");
    // The objects are there, so what is written first is the branch's own file.
    let draft = Draft { lines: vec![NewLine::plain("child 0")], message: "Add lines".to_owned() };
    log::propose::<std::convert::Infallible>(&here.repo, &context(1), Some(&here.walk()), &draft).unwrap();
    let output = limited("ulimit -f 0", &temp.path("repo"));
    assert!(!output.status.success() && here.tip() == tip, "{output:?}");
    assert_eq!(fs::read_dir(temp.path("repo/.git/jit")).unwrap().count(), 2, "its private file");
    let output = limited("trap '' XFSZ; ulimit -f 0", &temp.path("repo"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("failed: while writing `") && said.contains("/jit/ref-"), "{said}");
    assert_eq!(fs::read_dir(temp.path("repo/.git/jit")).unwrap().count(), 1);
    assert_eq!(here.tip(), tip);
    here.append("a");
    assert_eq!(here.lines(), ["genesis", "a"]);
    temp.git("repo", &["fsck", "--strict"]);
}

#[test]
fn a_read_only_repository_can_be_read_and_not_appended_to() {
    const NOBODY: u32 = 65_534;
    let temp = Temp::new();
    let here = temp.repo();
    let tip = here.tip();
    let program = temp.path("program");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let mut command = child(&program, &temp.path("repo"), 1);
    let am_root = std::os::unix::fs::chown(temp.path("."), Some(NOBODY), None).is_ok();
    if am_root {
        // Root may write anywhere, so somebody else has to try.
        temp.git(".", &["config", "--file", "repo/.gitconfig", "safe.directory", "*"]);
        command.uid(NOBODY).gid(NOBODY);
    } else {
        temp.git("repo", &["config", "core.bare", "false"]);
        let lock = |path: &str| {
            let mut mode = fs::metadata(temp.path(path)).unwrap().permissions();
            mode.set_readonly(true);
            fs::set_permissions(temp.path(path), mode).unwrap();
        };
        ["repo/.git/jit", "repo/.git/objects", "repo/.git/refs/heads/jit"].iter().for_each(|path| lock(path));
        fs::read_dir(temp.path("repo/.git/objects")).unwrap().for_each(|entry| {
            lock(&format!("repo/.git/objects/{}", entry.unwrap().file_name().to_str().unwrap()));
        });
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("failed: while "), "{said}");
    assert_eq!(here.tip(), tip);
    assert_eq!(here.lines(), ["genesis"]);
}

#[test]
fn an_object_that_a_power_failure_emptied_is_written_again() {
    let temp = Temp::new();
    let here = temp.repo();
    let draft = Draft { lines: vec![NewLine::plain("a")], message: "Add lines".to_owned() };
    let proposed =
        log::propose::<std::convert::Infallible>(&here.repo, &context(1), Some(&here.walk()), &draft).unwrap();
    for oid in [proposed.commit, proposed.tail.tree] {
        let (hex, path) = (oid.to_string(), temp.path("repo/.git/objects"));
        let path = path.join(&hex[..2]).join(&hex[2..]);
        fs::remove_file(&path).unwrap();
        fs::write(&path, "").unwrap();
    }
    let again = Here::open(&temp.path("repo"));
    assert_eq!(again.append("a").commit, proposed.commit);
    assert_eq!(again.lines(), ["genesis", "a"]);
    temp.git("repo", &["fsck", "--strict", "--full"]);
}
