//! Something breaks between every two steps of an append, a sync, a check and a clone. The steps are the runs of git, so
//! they are counted, not guessed: a `git` that stands first in `PATH` does it to the one that is meant.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::lab::{LONG_AGO, Lab, Said, WHAT, check, request, write_program};

/// A git that counts its runs in `$LAB/runs`, and at run number `$AT` does what `$FAULT` says.
const GIT: &str = r#"#!/bin/bash
echo "$*" >> "$RUNS"
run=$(wc -l < "$RUNS")
me=${0%/*}
real() { PATH=${PATH#"$me":} git "$@"; }
[[ $run == "$AT" ]] || { real "$@"; exit; }
case $FAULT in
killed-before) kill -9 $PPID ;;
killed-after) real "$@"; kill -9 $PPID ;;
fails) echo "fatal: the remote end hung up unexpectedly" >&2; exit 128 ;;
answer-lost) real "$@" >/dev/null 2>&1; echo "fatal: the remote end hung up unexpectedly" >&2; exit 128 ;;
answer-cut) real "$@" | head -c 20; echo "fatal: the remote end hung up unexpectedly" >&2; exit 128 ;;
git-killed) real "$@" & kill -9 $!; wait $! ; exit 137 ;;
somebody-first) "$FIRST"; real "$@" ;;
remote-gone) mv "$HOST" "$HOST.away"; real "$@" ;;
full-disk) trap '' XFSZ; ulimit -f 0; real "$@" ;;
full-disk-after) real "$@"; status=$?; touch "$RUNS.full"; exit $status ;;
esac
"#;

struct Broken<'l> {
    lab: &'l Lab,
}

impl Broken<'_> {
    /// Runs jit as bob with a fault at a run of git; returns what it said and how many runs there were.
    fn jit(&self, at: usize, fault: &str, args: &[&str]) -> (Said, usize) {
        let lab = self.lab;
        let runs = lab.path("runs");
        let _ = fs::remove_file(&runs);
        let mut command = lab.command("bob", env!("CARGO_BIN_EXE_jit"), args);
        command.env("PATH", lab.path_with("git", GIT)).env("RUNS", &runs).env("AT", at.to_string()).env("FAULT", fault);
        command.env("HOST", lab.host()).env("FIRST", lab.path("first"));
        let said = command.output().unwrap().into();
        let count = fs::read_to_string(&runs).unwrap_or_default().lines().count();
        let away = lab.path("host.git.away");
        if away.exists() {
            fs::rename(away, lab.host()).unwrap();
        }
        (said, count)
    }
}

const FAULTS: [&str; 8] =
    ["killed-before", "killed-after", "fails", "answer-lost", "answer-cut", "git-killed", "remote-gone", "full-disk"];

/// What stays in our folder for good: files whose locks count, and a stamp.
const LEFT: [&str; 3] = ["append.lock", "fetched-at", "queue/push"];

/// Asserts that what jit said of a line is so, and that a person can go on from it.
#[track_caller]
fn assert_honest(lab: &Lab, said: &Said, reason: &str, what: &str) {
    let times = lab.reasons().iter().filter(|logged| *logged == reason).count();
    assert!(times <= 1, "{what}: logged {times} times");
    match said.status {
        Some(0) => assert_eq!(times, 1, "{what}: it said that it is logged: {said:?}"),
        Some(5) => {
            let is_unsure = said.err.contains("nobody knows whether it was logged");
            let is_sure = said.err.contains("nothing was logged");
            assert!(is_unsure || (is_sure && times == 0), "{what}: {times} there, {said:?}");
            assert!(said.err.contains("help: "), "{what}: no next step in {said:?}");
        }
        None => {}
        Some(_) => panic!("{what}: {said:?}"),
    }
}

#[test]
fn whatever_breaks_in_an_append_no_line_is_lost_or_there_twice() {
    let lab = Lab::new();
    let broken = Broken { lab: &lab };
    let (whole, count) = broken.jit(0, "", &request("INC-0000 whole"));
    whole.exits(0);
    assert!((2..10).contains(&count), "{count} runs of git");
    let mut logged = 0;
    for fault in FAULTS {
        for at in 1..=count {
            let reason = format!("INC-0001 {fault} at {at}");
            let (said, runs) = broken.jit(at, fault, &request(&reason));
            assert!(runs >= at, "{reason}: {runs} runs");
            assert_honest(&lab, &said, &reason, &reason);
            logged += usize::from(said.status == Some(0));
        }
        // Whoever comes next finds nothing in the way.
        let after = format!("INC-0002 after {fault}");
        lab.request("bob", &after);
        lab.check("bob").exits(0);
        assert_eq!(lab.reasons().last(), Some(&after));
    }
    assert!(logged > 0, "no fault was survived");
    let verified = lab.jit("alice", &["audit", "verify", "--strict", "--json"]).exits(0).json();
    assert_eq!(verified["size"], 3 + lab.reasons().len());
    lab.on_host(&["fsck", "--strict", "--no-dangling"]);
    lab.git("bob", &["fsck", "--no-dangling"]);
    assert_eq!(left_behind(&lab), LEFT);
}

/// What lies in our folder of bob's clone, and in his queue there.
fn left_behind(lab: &Lab) -> Vec<String> {
    let list = |folder: &Path| -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    let folder = lab.path("bob/clone/.git/jit");
    let (queues, mut names): (Vec<_>, Vec<_>) = list(&folder).into_iter().partition(|name| name.starts_with("queue-"));
    for queue in queues {
        names.extend(list(&folder.join(queue)).into_iter().map(|name| format!("queue/{name}")));
    }
    names.sort();
    names
}

#[test]
fn whatever_breaks_in_a_look_no_gate_is_fooled_and_the_next_look_is_right() {
    let lab = Lab::new();
    let broken = Broken { lab: &lab };
    let (whole, count) = broken.jit(0, "", &["sync"]);
    whole.exits(0);
    assert!((1..5).contains(&count), "{count} runs of git");
    for (number, fault) in FAULTS.into_iter().enumerate() {
        for at in 1..=count {
            let id = lab.request("bob", &format!("INC-{number:04} {fault} at {at}"));
            lab.check("bob").exits(0);
            lab.jit("alice", &["revoke", &id, "--reason", "over"]).exits(0);
            let (said, _) = broken.jit(at, fault, &["sync"]);
            assert!(matches!(said.status, None | Some(0 | 5)), "{fault}: {said:?}");
            // A gate that may not answer from old data has it new or says that it can't.
            lab.stamp(LONG_AGO);
            let (said, _) = broken.jit(at, fault, &check("bob"));
            match said.status {
                None => {}
                Some(1) => drop(said.because("revoked")),
                Some(5) => drop(said.because("stale")),
                Some(_) => panic!("{fault}: {said:?}"),
            }
            lab.check("bob").exits(1).because("revoked");
        }
    }
    assert_eq!(left_behind(&lab), LEFT);
    lab.jit("bob", &["audit", "verify", "--strict"]).exits(0);
}

#[test]
fn whatever_breaks_in_a_clone_it_is_trusted_as_a_whole_or_not_at_all() {
    let lab = Lab::new();
    let broken = Broken { lab: &lab };
    let host = lab.host();
    fn args<'a>(lab: &'a Lab, host: &'a Path, folder: &'a str) -> [&'a str; 5] {
        ["clone", host.to_str().unwrap(), folder, "--genesis", &lab.genesis]
    }
    let trust = lab.path(&format!("bob/.config/jit/trust/{}.toml", lab.genesis));
    let (whole, count) = broken.jit(0, "", &args(&lab, &host, "whole"));
    whole.exits(0);
    for fault in FAULTS {
        for at in 1..=count {
            let name = format!("{fault}-{at}");
            let (said, _) = broken.jit(at, fault, &args(&lab, &host, &name));
            let is_trusted = fs::read_to_string(&trust).unwrap().contains(&name);
            let folder = lab.path(&format!("bob/{name}"));
            match said.status {
                Some(0) => assert!(is_trusted && folder.exists(), "{name}"),
                Some(5) => assert!(!is_trusted && !folder.exists() && said.err.contains("error: "), "{name}: {said:?}"),
                None => {
                    assert!(!is_trusted, "{name}");
                    if folder.exists() {
                        lab.jit("bob", &args(&lab, &host, &name)).exits(1).says("can be removed");
                        fs::remove_dir_all(&folder).unwrap();
                    }
                }
                Some(_) => panic!("{name}: {said:?}"),
            }
            if !is_trusted {
                lab.jit("bob", &args(&lab, &host, &name)).exits(0);
            }
        }
    }
}

#[test]
fn a_push_that_the_host_refuses_is_told_in_its_words_and_is_not_said_twice() {
    let lab = Lab::new();
    let hook = lab.host().join("hooks/pre-receive");
    write_program(&hook, "#!/bin/sh\necho asked >> ../asked\necho 'frozen until Monday' >&2\nexit 1\n");
    lab.jit("bob", &request("INC-0001 first"))
        .exits(5)
        .says("nothing was logged: the host refused it")
        .says("frozen until");
    // A host that words it as a lock does is asked a few times more, not for ever.
    for words in ["cannot lock ref", "failed to update ref", "(fetch first)", "is at x but expected y"] {
        write_program(&hook, &format!("#!/bin/sh\necho '{words}' >&2\nexit 1\n"));
        lab.jit("bob", &request("INC-0002 second")).exits(5).says("nothing was logged").says("help: ");
    }
    fs::remove_file(&hook).unwrap();
    lab.request("bob", "INC-0003 third");
    assert_eq!(lab.reasons(), ["INC-0003 third"]);
}

#[test]
fn whoever_is_first_between_two_steps_is_first() {
    let lab = Lab::new();
    let broken = Broken { lab: &lab };
    let (_, count) = broken.jit(0, "", &request("INC-0000 whole"));
    let first = |reason: &str| {
        let alice = lab.path("alice");
        let text = format!(
            "#!/bin/bash\nexport HOME={0} JIT_KEY={0}/key JIT_REPO={0}/clone FAULT= AT=0 RUNS=/dev/null\n\
             PATH=${{PATH#*/bin:}} exec {1} request {2} {3} --reason '{reason}' >/dev/null 2>&1\n",
            alice.display(),
            env!("CARGO_BIN_EXE_jit"),
            WHAT[0],
            WHAT[1],
        );
        write_program(&lab.path("first"), &text);
    };
    for at in 1..=count {
        let (theirs, mine) = (format!("INC-0001 theirs at {at}"), format!("INC-0002 mine at {at}"));
        first(&theirs);
        let (said, _) = broken.jit(at, "somebody-first", &request(&mine));
        said.exits(0);
        assert!(lab.reasons().ends_with(&[theirs, mine]), "{:?}", lab.reasons());
    }
    // Two at once stay together, behind whoever was first; and where their answer is lost, they are there once.
    for at in 1..=count {
        let (theirs, mine) = (format!("INC-0003 theirs at {at}"), format!("INC-0004 mine at {at}"));
        let two = |reason: &str, fault| {
            let args = ["request", "db/staging/a", "db/staging/b", "read", "--reason", reason];
            broken.jit(at, fault, &args).0
        };
        first(&theirs);
        two(&mine, "somebody-first").exits(0);
        assert!(lab.reasons().ends_with(&[theirs, mine.clone(), mine]), "{:?}", lab.reasons());
        let lost = format!("INC-0005 lost at {at}");
        let said = two(&lost, "answer-lost");
        let times = lab.reasons().iter().filter(|logged| **logged == lost).count();
        assert!(times == 2 || (times == 0 && said.status == Some(5)), "{lost}: {times} times, {said:?}");
    }
    lab.jit("bob", &["audit", "verify", "--strict"]).exits(0);
}

#[test]
fn a_process_that_is_killed_at_any_moment_leaves_a_line_or_none() {
    let lab = Lab::new();
    lab.request("bob", "INC-0000 whole");
    let start = Instant::now();
    lab.request("bob", "INC-0001 whole");
    let whole = start.elapsed();
    let rounds = 12;
    for round in 0..rounds {
        let reason = format!("INC-0002 round {round}");
        let before = lab.reasons();
        let mut command = lab.command("bob", env!("CARGO_BIN_EXE_jit"), &request(&reason));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let until = Instant::now() + whole * round / rounds;
        while Instant::now() < until && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_micros(200));
        }
        child.kill().unwrap();
        let said = Said::from(child.wait_with_output().unwrap());
        assert_honest(&lab, &said, &reason, &reason);
        // A push that was on its way may still arrive; what was there stays.
        assert!(lab.reasons().starts_with(&before));
    }
    lab.request("bob", "INC-0003 last");
    lab.check("bob").exits(0);
    lab.jit("alice", &["audit", "verify", "--strict"]).exits(0);
    let mut all = lab.reasons();
    let count = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), count, "a line is there twice");
}

/// Runs jit as bob where no file may grow past so many blocks of 512 bytes.
fn on_a_full_disk(lab: &Lab, blocks: u32, args: &[&str]) -> Said {
    let text = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    lab.run("bob", "sh", &[&["-c", &text, env!("CARGO_BIN_EXE_jit")], args].concat())
}

#[test]
fn a_full_disk_is_told_and_what_reached_the_host_is_no_failure() {
    let lab = Lab::new();
    for blocks in 0..=2 {
        let reason = format!("INC-0001 {blocks}");
        let said = on_a_full_disk(&lab, blocks, &request(&reason));
        let times = lab.reasons().iter().filter(|logged| **logged == reason).count();
        assert_eq!(said.status == Some(0), times == 1, "{blocks}: {said:?}");
        lab.stamp(LONG_AGO);
        let said = on_a_full_disk(&lab, blocks, &check("alice"));
        assert!(matches!(said.status, Some(1 | 5)), "{blocks}: {said:?}");
        lab.check("alice").exits(1);
    }
    // The disk is full once the line has arrived: it is logged, and that is what is said.
    let broken = Broken { lab: &lab };
    let clone = lab.path("bob/clone/.git/jit");
    let lock = |is_full: bool| {
        // A folder in the place of the file that would be written next.
        let fresh = clone.join("fetched-at.new");
        if is_full { fs::create_dir(&fresh).unwrap() } else { fs::remove_dir(&fresh).unwrap() }
    };
    lock(true);
    let (said, _) = broken.jit(0, "", &request("INC-0002 arrived"));
    lock(false);
    assert_honest(&lab, &said, "INC-0002 arrived", "full afterwards");
    assert_eq!(said.status, Some(0), "{said:?}");
    lab.request("bob", "INC-0003 last");
    lab.jit("bob", &["audit", "verify", "--strict"]).exits(0);
}

#[test]
fn a_lock_that_a_killed_git_left_stops_no_gate() {
    let lab = Lab::new();
    let git = lab.path("bob/clone/.git");
    lab.request("bob", "INC-0001 first");
    for lock in
        ["refs/jit/fetched.lock", "FETCH_HEAD.lock", "packed-refs.lock", "shallow.lock", "objects/maintenance.lock"]
    {
        let lock = git.join(lock);
        fs::create_dir_all(lock.parent().unwrap_or(Path::new("/"))).unwrap();
        fs::write(&lock, "").unwrap();
        let id = lab.request("alice", "INC-0002 second");
        lab.stamp(LONG_AGO);
        lab.check("alice").exits(0);
        lab.jit("alice", &["revoke", &id, "--reason", "over"]).exits(0);
        lab.stamp(LONG_AGO);
        lab.check("alice").exits(1).because("revoked");
        lab.request("bob", "INC-0003 third");
        fs::remove_file(lock).unwrap();
    }
    // A stamp that a power failure cut is no stamp; nor does it stop anybody.
    for stamp in ["", "2026-11", "\u{0}\u{0}\u{0}"] {
        lab.stamp(stamp);
        lab.check("bob").exits(0);
        lab.stamp(stamp);
        fs::rename(lab.host(), lab.path("away.git")).unwrap();
        let stale = lab.check("bob").exits(5).because("stale");
        assert!(stale.json()["age_s"].is_null() && stale.reason().1.contains("nobody knows how old"), "{}", stale.out);
        fs::rename(lab.path("away.git"), lab.host()).unwrap();
        lab.jit("bob", &["sync"]).exits(0);
    }
}

/// A host may answer whoever reads and break off whoever writes, as for somebody without the right: with no answer to the
/// push itself. Nothing is sent again and again then.
#[test]
fn a_push_that_is_never_answered_is_not_made_for_ever() {
    let lab = Lab::new();
    let (runs, before) = (lab.path("runs"), lab.tip());
    let git = r#"#!/bin/sh
case " $* " in
*" push "*)
    echo push >> "$RUNS"
    echo "fatal: Could not read from remote repository." >&2
    exit 128 ;;
esac
PATH=${PATH#*:} exec git "$@"
"#;
    let path = lab.path_with("git", git);
    let vars = [("PATH", path.to_str().unwrap()), ("RUNS", runs.to_str().unwrap())];
    let said = lab.jit_with("bob", &vars, &request("INC-0001 nobody answers")).exits(5);
    assert!(
        said.err.contains("nobody knows whether it was logged") && said.err.contains("jit doctor --remote"),
        "{}",
        said.err
    );
    assert_eq!((fs::read_to_string(&runs).unwrap().lines().count(), lab.tip()), (3, before));
    lab.request("bob", "INC-0002 answered");
}
