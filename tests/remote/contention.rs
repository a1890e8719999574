//! Everybody writes at once.
//!
//! How many at once, and how often each, is as much as two cores of a CI runner take. The full size, where the program
//! and not its debug build is what is measured:
//!
//! ```text
//! JIT_CONTENTION=16x50x200 cargo test --release --test remote contention -- --nocapture --test-threads=1
//! ```

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::changes::{Changes, PATIENCE};
use crate::lab::{Lab, Said, write_program};
use crate::people;

/// How many clones write at once, how often each of them, and how many statements wait on one machine.
fn sizes() -> (usize, usize, usize) {
    let Ok(text) = std::env::var("JIT_CONTENTION") else { return (6, 5, 30) };
    let sizes: Vec<usize> = text.split('x').map(|size| size.parse().unwrap()).collect();
    let [clones, each, waiting] = sizes[..] else { panic!("JIT_CONTENTION={text} is no CLONESxEACHxWAITING") };
    (clones, each, waiting)
}

/// Reports how fast something went, and how long each had to wait.
fn report(what: &str, all: Duration, mut waits: Vec<Duration>) {
    waits.sort();
    let (median, longest) = (waits[waits.len() / 2], waits[waits.len() - 1]);
    println!(
        "{what}: {} in {all:.1?}, {:.2} a second; a writer waits {median:.2?} (median), {longest:.2?} at most, {:.1} \
         times as long",
        waits.len(),
        waits.len() as f64 / all.as_secs_f64(),
        longest.as_secs_f64() / median.as_secs_f64(),
    );
}

/// Lets so many writers write so often each, one after the other, all at once; returns how long it took, how long each
/// had to wait each time, and what each said.
fn race<T: Send>(
    writers: usize,
    each: usize,
    write: impl Fn(usize, usize) -> T + Sync,
) -> (Duration, Vec<Duration>, Vec<Vec<T>>) {
    let write_all = |writer| {
        let times = (0..each).map(|time| {
            let started = Instant::now();
            let said = write(writer, time);
            (started.elapsed(), said)
        });
        times.collect()
    };
    let started = Instant::now();
    let said: Vec<Vec<(Duration, T)>> = std::thread::scope(|scope| {
        let write_all = &write_all;
        let threads: Vec<_> = (0..writers).map(|writer| scope.spawn(move || write_all(writer))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let all = started.elapsed();
    let waits = said.iter().flatten().map(|(wait, _)| *wait).collect();
    (all, waits, said.into_iter().map(|said| said.into_iter().map(|(_, said)| said).collect()).collect())
}

/// A lab whose host notes each push.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.on_host(&["config", "core.logAllRefUpdates", "always"]);
    lab
}

/// Adds people with a home, a key and a clone each, whom alice makes engineers.
fn add_engineers(lab: &Lab, people: &[String]) {
    for person in people {
        people::settle(&lab.path("."), person);
        lab.jit("alice", &["identity", "add", person, &format!("../{person}/key.pub")]).exits(0);
    }
    let groups = lab.path("alice/clone/identities/groups.toml");
    let text = fs::read_to_string(&groups).unwrap();
    fs::write(&groups, text.replacen("\"alice\"", &format!("\"alice\", \"{}\"", people.join("\", \"")), 1)).unwrap();
    lab.publish("They join");
    people.iter().for_each(|person| lab.clone_as(person, "clone"));
}

/// Returns how often the log's branch was moved on the host.
fn pushes(lab: &Lab) -> usize {
    let noted = fs::read_to_string(lab.host().join("logs/refs/heads/jit/audit")).unwrap_or_default();
    noted.lines().count()
}

/// Returns the ids of all requests in the log, in order, as one who clones it anew finds them; all lines are valid.
fn requests(lab: &Lab) -> Vec<String> {
    people::settle(&lab.path("."), "auditor");
    lab.clone_as("auditor", "clone");
    let verified = lab.jit("auditor", &["audit", "verify", "--strict", "--json"]).exits(0).json();
    let log = lab.jit("auditor", &["audit", "export"]).exits(0).out;
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(verified["size"], lines.len());
    let requests = lines.iter().filter(|line| line["body"]["type"] == "request");
    requests.map(|line| line["id"].as_str().unwrap().to_owned()).collect()
}

/// Returns the id of a request that was made.
#[track_caller]
fn id(said: Said) -> String {
    said.exits(0).json()["request"]["id"].as_str().unwrap().to_owned()
}

#[test]
fn clones_that_write_at_once_all_get_in() {
    let (clones, each, _) = sizes();
    let lab = lab();
    let people: Vec<String> = (0..clones).map(|clone| format!("engineer{clone}")).collect();
    add_engineers(&lab, &people);
    let (all, waits, said) = race(clones, each, |clone, time| {
        let resource = format!("db/staging/{clone}-{time}");
        id(lab.jit(&people[clone], &["request", &resource, "read", "--json"]))
    });
    report("jit request", all, waits);
    let logged = requests(&lab);
    assert_eq!(logged.len(), clones * each);
    assert_eq!(logged.iter().collect::<BTreeSet<_>>().len(), clones * each, "none is there twice");
    for ids in said {
        let places: Vec<_> = ids.iter().map(|id| logged.iter().position(|other| other == id)).collect();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}");
    }
    let merges = lab.on_host(&["rev-list", "--min-parents=2", "jit/audit"]);
    assert_eq!(merges, "");

    // The same with git alone: commit, push, and where somebody was first, fetch, rebase and push again.
    let plain = lab.path("plain.git");
    let plain = plain.to_str().unwrap();
    let git = |clone: usize, args: &[&str]| {
        let folder = lab.path(&people[clone]).join("plain");
        lab.run(&people[clone], "git", &[&["-C", folder.to_str().unwrap()], args].concat())
    };
    lab.git("alice", &["init", "-q", "--bare", "-b", "main", plain]);
    lab.git("alice", &["push", "-q", plain, "main"]);
    for person in &people {
        lab.git(person, &["clone", "-q", plain, lab.path(person).join("plain").to_str().unwrap()]);
    }
    let (all, waits, _) = race(clones, each, |clone, time| {
        let name = format!("{clone}-{time}");
        fs::write(lab.path(&people[clone]).join("plain").join(&name), "").unwrap();
        git(clone, &["add", &name]).exits(0);
        git(clone, &["commit", "-qm", &name]).exits(0);
        while git(clone, &["push", "-q"]).status != Some(0) {
            git(clone, &["fetch", "-q"]).exits(0);
            git(clone, &["rebase", "-q", "origin/main"]).exits(0);
        }
    });
    report("git commit && git push", all, waits);
}

/// A hook that holds the first push until something is written to the pipe `go`.
const HOLD: &str = "#!/bin/sh\n[ -e done ] || { read -r _ <go; : >done; }\n";

/// What alice's machine has to log.
struct Queue<'a> {
    lab: &'a Lab,
}

impl Queue<'_> {
    fn ask(&self, what: &str) -> Child {
        self.ask_with(what, &[])
    }

    /// The same with more in its environment.
    fn ask_with(&self, what: &str, vars: &[(&str, OsString)]) -> Child {
        let resource = format!("db/staging/{what}");
        let args = ["request", &resource, "read", "--json"];
        let mut command = self.lab.command("alice", env!("CARGO_BIN_EXE_jit"), &args);
        command.envs(vars.iter().cloned());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Lets the host hold the first push.
    fn hold(&self) -> Held {
        let go = self.lab.host().join("go");
        self.lab.run("alice", "mkfifo", &[go.to_str().unwrap()]).exits(0);
        write_program(&self.lab.host().join("hooks/pre-receive"), HOLD);
        let first = self.ask("first");
        // That takes until the hook opens it, too.
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || tell.send(fs::OpenOptions::new().write(true).open(go)));
        let go = told.recv_timeout(PATIENCE).expect("the first push is held").unwrap();
        Held { first, go }
    }

    /// Waits until so many wait on alice's machine, with the one that pushes.
    fn holds(&self, count: usize) {
        let is_whole = |file: &&PathBuf| file.extension().is_none();
        let is_so = || self.files().iter().filter(is_whole).count() == count;
        Changes::of(self.files()[0].parent().unwrap()).until(&format!("{count} wait"), is_so);
    }

    fn files(&self) -> Vec<PathBuf> {
        let jit = self.lab.path("alice/clone/.git/jit");
        let folders = fs::read_dir(jit).unwrap().map(|entry| entry.unwrap().path());
        let queues = folders.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("queue-"));
        let files = queues.flat_map(|queue| fs::read_dir(queue).unwrap()).map(|entry| entry.unwrap().path());
        files.filter(|file| file.file_name().unwrap() != "push").collect()
    }
}

/// The first push, which the host holds.
struct Held {
    first: Child,
    go: fs::File,
}

impl Held {
    /// Lets it go on, and returns who pushed.
    fn release(mut self) -> Child {
        self.go.write_all(b"\n").unwrap();
        self.first
    }
}

#[test]
fn what_waits_on_one_machine_goes_in_one_commit() {
    let (.., waiting) = sizes();
    let lab = lab();
    let queue = Queue { lab: &lab };
    let before = pushes(&lab);
    let held = queue.hold();
    let others: Vec<Child> = (0..waiting).map(|number| queue.ask(&format!("waits-{number}"))).collect();
    queue.holds(waiting + 1);
    let started = Instant::now();
    let first = held.release();
    let said = [first].into_iter().chain(others).map(|child| id(child.wait_with_output().unwrap().into()));
    let said: BTreeSet<String> = said.collect();
    let pushes = pushes(&lab) - before;
    println!("{waiting} that waited were logged by {pushes} pushes in {:.2?}", started.elapsed());
    assert!(pushes <= 2, "{pushes} pushes");
    let logged = requests(&lab);
    assert_eq!((logged.len(), said.len()), (waiting + 1, waiting + 1));
    assert_eq!(logged.into_iter().collect::<BTreeSet<_>>(), said);
    assert_eq!(queue.files(), [] as [PathBuf; 0]);
    // It says in plain words what happened.
    let told = lab.on_host(&["log", "-1", "--format=%B", "jit/audit"]);
    assert!(told.contains(&format!("and {} more\n\n- alice asks to read db/staging/", waiting - 1)), "{told}");
    assert_eq!(told.matches("\n- alice asks to read db/staging/waits-").count(), waiting, "{told}");
}

#[test]
fn who_is_killed_loses_nothing_that_was_said_to_be_logged() {
    let lab = lab();
    let queue = Queue { lab: &lab };
    let started = Instant::now();
    let mut said = vec![id(queue.ask("whole").wait_with_output().unwrap().into())];
    let whole = started.elapsed();
    let (rounds, mut killed) = (16_u32, 0);
    // On a machine that is faster now than when the time was taken, few are killed in time: then there are more rounds.
    for round in 0..rounds * 10 {
        if round >= rounds && killed > 3 {
            break;
        }
        // The first is likely to push for them all, the last to wait for it.
        let mut asked: Vec<Child> = (0..4).map(|number| queue.ask(&format!("{round}-{number}"))).collect();
        let until = Instant::now() + whole * (round % rounds / 2 + 1) / 4;
        let victim = if round % 2 == 0 { 0 } else { 3 };
        while Instant::now() < until && asked[victim].try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_micros(200));
        }
        asked[victim].kill().unwrap();
        for (number, child) in asked.into_iter().enumerate() {
            let answer = Said::from(child.wait_with_output().unwrap());
            match answer.status {
                None if number == victim => killed += 1,
                _ => said.push(id(answer)),
            }
        }
    }
    assert!(killed > 3, "{killed} were killed in time");
    said.push(id(queue.ask("after").wait_with_output().unwrap().into()));
    let logged = requests(&lab);
    let once: BTreeSet<&String> = logged.iter().collect();
    assert_eq!(once.len(), logged.len(), "none is there twice");
    assert!(said.iter().all(|id| once.contains(id)), "what was said to be logged is");
    assert!(logged.len() <= said.len() + killed);
    assert_eq!(queue.files(), [] as [PathBuf; 0]);
}

/// A git that does `$FAULT` to the first push since `$ARMED` was there.
const GIT: &str = r#"#!/bin/bash
me=${0%/*}
real() { PATH=${PATH#"$me":} git "$@"; }
[[ " $* " == *" push "* ]] && mv "$ARMED" "$ARMED.spent" 2>/dev/null || { real "$@"; exit; }
case $FAULT in
killed-before) kill -9 $PPID ;;
killed-after) real "$@" >/dev/null 2>&1; kill -9 $PPID ;;
answer-lost) real "$@" >/dev/null 2>&1; echo "fatal: the remote end hung up unexpectedly" >&2; exit 128 ;;
fails) echo "fatal: the remote end hung up unexpectedly" >&2; exit 128 ;;
esac
"#;

#[test]
fn whatever_happens_to_who_pushes_for_others_each_line_is_there_once() {
    for fault in ["killed-before", "killed-after", "answer-lost", "fails"] {
        let lab = lab();
        let queue = Queue { lab: &lab };
        let armed = lab.path("armed");
        let vars = [
            ("PATH", lab.path_with("git", GIT)),
            ("ARMED", armed.clone().into_os_string()),
            ("FAULT", OsString::from(fault)),
        ];
        let held = queue.hold();
        let others: Vec<Child> = (0..5).map(|number| queue.ask_with(&format!("waits-{number}"), &vars)).collect();
        queue.holds(6);
        fs::write(&armed, "").unwrap();
        let mut said = vec![id(held.release().wait_with_output().unwrap().into())];
        let mut killed = 0;
        for other in others {
            let answer = Said::from(other.wait_with_output().unwrap());
            match answer.status {
                None => killed += 1,
                Some(_) => said.push(id(answer)),
            }
        }
        assert!(!armed.exists(), "{fault}: nobody pushed for others");
        assert_eq!(killed, usize::from(fault.starts_with("killed")), "{fault}");
        let logged = requests(&lab);
        let once: BTreeSet<&String> = logged.iter().collect();
        assert_eq!(once.len(), logged.len(), "{fault}: none is there twice");
        assert!(said.iter().all(|id| once.contains(id)), "{fault}: what was said to be logged is");
        // What was pushed before its author died is there too, and so may be what was read before.
        let least = said.len() + usize::from(fault == "killed-after");
        assert!((least..=6).contains(&logged.len()), "{fault}: {} of {least}", logged.len());
    }
}

#[test]
fn where_a_host_refuses_what_several_say_each_says_it_alone() {
    let lab = lab();
    let queue = Queue { lab: &lab };
    let held = queue.hold();
    let others: Vec<Child> = (0..4).map(|number| queue.ask(&format!("waits-{number}"))).collect();
    queue.holds(5);
    write_program(&lab.host().join("hooks/update"), "#!/bin/sh\n! git log -1 --format=%s \"$3\" | grep -q ', and '\n");
    let before = pushes(&lab);
    let said = [held.release()].into_iter().chain(others);
    let said: BTreeSet<String> = said.map(|child| id(child.wait_with_output().unwrap().into())).collect();
    assert_eq!((pushes(&lab) - before, said.len()), (5, 5));
    assert_eq!(requests(&lab).into_iter().collect::<BTreeSet<_>>(), said);
}

/// As one leaves it that has died, and as nobody leaves it.
#[test]
fn what_the_dead_left_is_cleared_away_and_not_logged() {
    let lab = lab();
    let queue = Queue { lab: &lab };
    let held = queue.hold();
    let (mut dead, alive) = (queue.ask("dead"), queue.ask("alive"));
    queue.holds(3);
    dead.kill().unwrap();
    dead.wait().unwrap();
    let folder = queue.files()[0].parent().unwrap().to_owned();
    fs::write(folder.join("0123.new"), "").unwrap();
    std::os::unix::fs::symlink("/dev/zero", folder.join("link")).unwrap();
    lab.run("alice", "mkfifo", &[folder.join("pipe").to_str().unwrap()]).exits(0);
    fs::create_dir(folder.join("folder")).unwrap();
    // Somebody alive who says what is no line, a line that is signed by nobody, and too much.
    let odd = ["record\nalice asks\n{}\n".to_owned(), "record".to_owned(), "x".repeat(1 << 20)];
    let locked: Vec<fs::File> = (0..)
        .zip(odd)
        .map(|(number, text)| {
            let path = folder.join(format!("{number:032}"));
            fs::write(&path, text).unwrap();
            let file = fs::File::open(path).unwrap();
            file.lock().unwrap();
            file
        })
        .collect();
    let first = held.release();
    let said: Vec<String> = [first, alive].map(|child| id(child.wait_with_output().unwrap().into())).into();
    assert_eq!(requests(&lab), said);
    drop(locked);
    lab.jit("alice", &["request", "db/staging/last", "read"]).exits(0);
    let mut left: Vec<_> = queue.files().iter().map(|file| file.file_name().unwrap().to_owned()).collect();
    left.sort();
    assert_eq!(left, ["folder", "link", "pipe"], "what is no file of ours is not touched");
}
