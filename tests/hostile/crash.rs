//! Processes that race, die at any moment, or find the locks of others.

use std::fs;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::changes::Changes;
use crate::forge::{BRANCH, hex, merkle_root};
use crate::lab::{Lab, Said};

const REQUEST: [&str; 3] = ["request", "db/prod/orders", "read"];

/// Starts a request that says this, and does not wait.
fn spawn(lab: &Lab, who: &str, reason: &str) -> Child {
    let mut command = lab.jit_command(who, &[&REQUEST[..], &["--reason", reason, "--json"]].concat());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn reasons(lab: &Lab) -> Vec<String> {
    let lines = lab.lines().into_iter().map(|line| serde_json::from_slice::<serde_json::Value>(&line).unwrap());
    lines.filter_map(|line| line["body"]["reason"].as_str().map(str::to_owned)).collect()
}

/// Asserts that the log is whole: for the program, for git, and for whoever computes its root.
#[track_caller]
fn assert_whole(lab: &Lab) {
    let verified = lab.verify();
    assert_eq!((&verified["void"], &verified["inert"]), (&serde_json::json!([]), &serde_json::json!([])));
    assert_eq!(verified["root"].as_str(), Some(&*hex(&merkle_root(&lab.lines()))));
    lab.git(&["fsck", "--strict", "--no-dangling"]);
}

#[test]
fn whoever_appends_at_once_gets_in() {
    let lab = Lab::new();
    let mut wanted: Vec<String> = (0..8).map(|process| format!("process {process}")).collect();
    let running: Vec<Child> = wanted
        .iter()
        .zip(["carol", "dave", "carol2"].into_iter().cycle())
        .map(|(reason, who)| spawn(&lab, who, reason))
        .collect();
    for child in running {
        Said::from(child.wait_with_output().unwrap()).exits(0);
    }
    let mut found = reasons(&lab);
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted);
    assert_whole(&lab);
    // Each is one commit upon another.
    assert_eq!(lab.git(&["rev-list", "--count", "--no-merges", BRANCH]), (2 + wanted.len()).to_string());
}

#[test]
fn two_approvers_at_once_make_one_grant() {
    let lab = Lab::new();
    let request = lab.request("dave", &["ssh/prod/web-1"], 3);
    let yes = |who: &str| {
        let mut command = lab.jit_command(who, &["approve", &request, "--yes", "--json"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let both = [yes("bob"), yes("carol")].map(|child| Said::from(child.wait_with_output().unwrap()));
    let codes: Vec<_> = both.iter().map(|said| said.code).collect();
    assert!(codes == [Some(0), Some(1)] || codes == [Some(1), Some(0)], "{both:?}");
    let said = lab.check("dave", "ssh/prod/web-1", "access").exits(0).json();
    assert_eq!(said["grant"]["approved_by"].as_array().unwrap().len(), 1);
    assert_whole(&lab);
}

#[test]
fn a_process_that_is_killed_leaves_a_line_or_none() {
    let lab = Lab::new();
    lab.jit("carol", &[&REQUEST[..], &["--reason", "first"]].concat()).exits(0);
    let start = Instant::now();
    lab.jit("carol", &[&REQUEST[..], &["--reason", "second"]].concat()).exits(0);
    let whole = start.elapsed().max(Duration::from_millis(10));
    let rounds = 48;
    let (mut said_so, mut there, mut cut) = (0, 0, 0);
    // On a machine that is faster now than when the time was taken, few are killed in time: then there are more rounds.
    for round in 0..rounds * 10 {
        if round >= rounds && cut > 5 && cut > said_so {
            break;
        }
        let before = lab.lines();
        let reason = format!("round {round}");
        let mut child = spawn(&lab, "carol", &reason);
        let until = Instant::now() + whole * (round % rounds) / rounds;
        while Instant::now() < until && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_micros(200));
        }
        child.kill().unwrap();
        let said = Said::from(child.wait_with_output().unwrap());
        let after = lab.lines();
        // What was there is there, and the new line is there as a whole or not at all.
        assert_eq!(&after[..before.len()], &before[..]);
        assert!(after.len() <= before.len() + 1);
        let logged = after.len() > before.len();
        if logged {
            assert!(reasons(&lab).contains(&reason));
            there += 1;
        }
        if said.stdout.contains("\"granted\"") {
            said_so += 1;
            assert!(logged, "it said so, and it is not there: {said:?}");
        }
        cut += u32::from(said.code.is_none());
        // Some of the time somebody else comes next, most of the time the next to be killed.
        if round % 8 == 7 {
            lab.jit("dave", &[&REQUEST[..], &["--reason", &format!("after {round}")]].concat()).exits(0);
        }
    }
    assert!(cut > 5 && cut > said_so, "{cut} were killed in time, {there} had logged, {said_so} said so");
    assert_whole(&lab);
    lab.jit("carol", &[&REQUEST[..], &["--reason", "last"]].concat()).exits(0);
    assert!(reasons(&lab).ends_with(&["last".to_owned()]));
    // Nothing is left behind in the repository but the lock that the kernel guards.
    let left: Vec<_> =
        fs::read_dir(lab.repo().join(".git/jit")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["append.lock"]);
    assert!(!lab.repo().join(".git/refs/heads/jit/audit.lock").exists());
    lab.check("carol", "db/prod/orders", "read").exits(0);
}

#[test]
fn a_lock_of_a_dead_jit_is_cleared_and_one_of_gits_is_not() {
    let lab = Lab::new();
    let (lock, private) = (lab.repo().join(".git/refs/heads/jit/audit.lock"), lab.repo().join(".git/jit/ref-dead"));
    // As a jit leaves it that died between taking the lock and moving the branch.
    fs::write(&private, format!("{}\n", lab.tip())).unwrap();
    fs::hard_link(&private, &lock).unwrap();
    lab.request("carol", &REQUEST[1..], 0);
    assert!(!lock.exists() && !private.exists());
    // Git's own is waited for, then named; what it guards is not touched.
    fs::write(&lock, "").unwrap();
    let tip = lab.tip();
    let said = lab.jit("carol", &REQUEST).exits(5).says("audit.lock").says("git is working there, or was killed");
    assert!(said.stderr.contains("rm '"), "{said:?}");
    assert!(lock.exists() && lab.tip() == tip);
    // Gates only read.
    lab.check("carol", "db/prod/orders", "read").exits(0);
    // Git lets go while a request waits.
    let waiting = spawn(&lab, "dave", "waits");
    let private = || fs::read_dir(lab.repo().join(".git/jit")).unwrap().count() > 1;
    Changes::of(&lab.repo().join(".git/jit")).until("it wants the lock", private);
    fs::remove_file(&lock).unwrap();
    Said::from(waiting.wait_with_output().unwrap()).exits(0);
    assert!(reasons(&lab).contains(&"waits".to_owned()));
    assert_whole(&lab);
}

#[test]
fn init_that_is_killed_can_be_run_again() {
    let lab = Lab::new();
    let init = |folder: &str| {
        let mut command = lab.jit_command("alice", &["init", folder, "--as", "alice", "--name", "again", "--json"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let start = Instant::now();
    Said::from(init("../whole").wait_with_output().unwrap()).exits(0);
    let whole = start.elapsed();
    for round in 0..12_u32 {
        let folder = format!("../cut{round}");
        let mut child = init(&folder);
        let until = Instant::now() + whole * round / 12;
        while Instant::now() < until && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_micros(200));
        }
        child.kill().unwrap();
        let cut = Said::from(child.wait_with_output().unwrap());
        let mut again = Said::from(init(&folder).wait_with_output().unwrap());
        // A lock of git's own is nobody's to take away unasked: the help line says how.
        for _ in 0..3 {
            let lock = again.stderr.split("remove it: rm '").nth(1).and_then(|rest| rest.split('\'').next());
            let Some(lock) = lock.map(str::to_owned) else { break };
            fs::remove_file(lock).unwrap();
            again = Said::from(init(&folder).wait_with_output().unwrap());
        }
        let finished_before = again.stderr.contains("has a log already");
        assert!(again.code == Some(0) || finished_before, "round {round}: {cut:?}, then {again:?}");
        let said = lab.jit("alice", &["-C", &folder, "audit", "verify", "--json"]).exits(0).json();
        assert_eq!((said["size"].as_u64(), said["policy"]["version"].as_u64()), (Some(2), Some(1)), "round {round}");
        let gate = lab.jit("alice", &["-C", &folder, "check", "db/prod/orders", "read", "--json"]);
        gate.exits(1).because("no-grant");
    }
}

#[test]
fn a_lock_of_gits_that_is_in_the_way_of_init_is_named() {
    let lab = Lab::new();
    for lock in ["HEAD.lock", "config.lock", "index.lock"] {
        let folder = lab.repo().parent().unwrap().join(format!("under-{lock}"));
        let lock = folder.join(".git").join(lock);
        fs::create_dir_all(lock.parent().unwrap()).unwrap();
        fs::write(&lock, "").unwrap();
        let init = || lab.jit("alice", &["init", folder.to_str().unwrap(), "--as", "alice"]);
        init().exits(5).says(&format!("rm '{}'", lock.display()));
        fs::remove_file(&lock).unwrap();
        init().exits(0);
    }
}
