//! The user's git as a child process that is held to bounds, whatever a host sends: in time, in words, in memory, and in
//! the size of a file. What it started ends with it.
//!
//! A host may stop in the middle of a sentence, or never stop. Git waits for the one and stores the other, so the bounds
//! are drawn around git.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration as StdDuration;

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};

use super::{NO_ANSWER, RemoteError};
use crate::core::time::Duration;
use crate::edge::git::Repo;
use crate::edge::git_talk;
use crate::edge::world::{Progress, World};

/// Names how long git may take over the network at a time, such as `30s`.
pub(super) const TIMEOUT: &str = "JIT_TIMEOUT";
/// How long that is where nobody says, in seconds.
pub(super) const PATIENCE: u64 = 120;
/// The same for a whole clone, which may bring all that a repository ever held.
pub(super) const PATIENCE_TO_CLONE: u64 = 60 * 60;
/// The most of git's words that are kept, in bytes.
const MOST_KEPT: usize = 64 * 1024;
/// The most that is listened to before git is ended.
const MOST_HEARD: usize = 4 << 20;
/// How long to listen on after git has ended, where something that it started still holds its ends of the pipes.
const REST: StdDuration = StdDuration::from_secs(2);
/// The most bytes that one fetch may bring: no file that git writes for us, such as a pack, may grow larger.
const LARGEST_FILE: u64 = 2 << 30;
/// The most memory that git may take for what a host tells it, such as the names of refs.
#[cfg(target_os = "linux")]
const MOST_MEMORY: u64 = 2 << 30;

/// What git can say of how far it is.
const LONG_WORK: [&str; 3] = ["clone", "fetch", "push"];

/// What git would take from whoever runs us, such as a hook, that belongs to another repository; and our own secret.
const NOT_PASSED_ON: [&str; 11] = [
    "JIT_TOKEN",
    "GIT_DIR",
    "GIT_COMMON_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_QUARANTINE_PATH",
    "GIT_SHALLOW_FILE",
    "GIT_TRACE",
];

/// What git said.
pub(in crate::edge) struct Said {
    pub(in crate::edge) status: ExitStatus,
    pub(in crate::edge) out: String,
    pub(in crate::edge) err: String,
}

/// What happens first.
enum Event {
    Ended(io::Result<ExitStatus>),
    TooMuch,
}

/// Runs the user's git in the repository, within bounds; `patience` is how many seconds it may take where the environment
/// does not say, and `vars` stand in its environment beside the user's.
pub(super) fn run(
    world: &World,
    repo: Option<&Repo>,
    args: &[OsString],
    vars: &[(&str, &OsStr)],
    patience: u64,
) -> Result<Said, RemoteError> {
    let patience = patience_of(world, patience)?;
    let mut command: Command = world.command("git");
    if let Some(repo) = repo {
        command.arg("--git-dir").arg(repo.common_dir());
        // A remote may be a path, and then it starts where git itself would stand.
        command.current_dir(repo.work_dir().unwrap_or(repo.common_dir()));
    }
    // While git asks for something its work has not begun, and it says nothing of how far that is.
    let progress = world.progress();
    let long = args.iter().position(|arg| LONG_WORK.iter().any(|long| arg == long)).filter(|_| progress.is_shown());
    let (head, rest) = args.split_at(long.map_or(0, |place| place + 1));
    command.args(head);
    if long.is_some() {
        command.arg("--progress");
    }
    command.args(rest);
    command.env("LC_ALL", "C").env("LANGUAGE", "C").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for variable in NOT_PASSED_ON {
        command.env_remove(variable);
    }
    command.envs(vars.iter().copied());
    if !(world.stdin_is_terminal() && world.stderr_is_terminal()) {
        // Nobody is there to answer: fail rather than wait.
        command.env("GIT_TERMINAL_PROMPT", "0").env("GCM_INTERACTIVE", "never");
        // ssh would ask at the process's own terminal all the same, but for a program to ask by: the user's, else one
        // that has no answer.
        command.env("SSH_ASKPASS_REQUIRE", "force");
        if world.path_var("SSH_ASKPASS").is_none() {
            command.env("SSH_ASKPASS", NO_ANSWER);
        }
    }
    let mut child = spawn(&mut command).map_err(RemoteError::NoGit)?;
    let pid = child.id();
    let (tell, events) = mpsc::channel();
    let out = Ear::new(child.stdout.take(), &tell, |from, kept| listen(from, kept));
    let shown = progress.clone();
    let err = Ear::new(child.stderr.take(), &tell, move |from, kept| listen_for_progress(from, kept, &shown));
    let waiter = thread::spawn(move || {
        // The receiver is gone only if it ends for another reason, and then nobody asks.
        let _ = tell.send(Event::Ended(child.wait()));
    });
    let why = match events.recv_timeout(patience) {
        Ok(Event::Ended(status)) => {
            return Ok(Said { status: status.map_err(RemoteError::NoGit)?, out: out.heard(), err: err.heard() });
        }
        Ok(Event::TooMuch) => RemoteError::TooTalkative(MOST_HEARD),
        Err(_) => RemoteError::TooSlow(patience),
    };
    end_family(pid);
    let _ = waiter.join();
    // Whoever still holds git's standard error has no more say.
    progress.end();
    Err(why)
}

/// Reads how long git may take.
fn patience_of(world: &World, patience: u64) -> Result<StdDuration, RemoteError> {
    let named = world.var_checked(TIMEOUT).map_err(|why| RemoteError::Timeout(why.to_string()))?;
    let seconds = match named {
        None => patience,
        Some(text) => match text.parse::<Duration>() {
            Ok(length) => u64::from(length.as_secs()),
            Err(why) => return Err(RemoteError::Timeout(format!("{TIMEOUT} is no length of time: {why}"))),
        },
    };
    Ok(StdDuration::from_secs(seconds))
}

/// Starts git, which inherits a limit on how large a file it may write.
fn spawn(command: &mut Command) -> io::Result<Child> {
    let before = getrlimit(Resource::Fsize);
    let bound = before.current.map_or(LARGEST_FILE, |current| current.min(LARGEST_FILE));
    // Where there can be no limit there is still the one on time.
    let is_bounded = setrlimit(Resource::Fsize, Rlimit { current: Some(bound), ..before }).is_ok();
    let child = command.spawn();
    if is_bounded {
        // We write no such file: a limit that stays harms nobody.
        let _ = setrlimit(Resource::Fsize, before);
    }
    if let Ok(child) = &child {
        bound_memory(child.id());
    }
    child
}

/// Limits the memory of git and of what it starts from now on. It has read nothing yet that a host sent.
#[cfg(target_os = "linux")]
fn bound_memory(pid: u32) {
    if let Some(pid) = to_pid(pid) {
        let limit = Rlimit { current: Some(MOST_MEMORY), maximum: Some(MOST_MEMORY) };
        // It may have ended already; and where it can't be limited there is still the time.
        let _ = rustix::process::prlimit(Some(pid), Resource::Data, limit);
    }
}

/// Only Linux limits the memory of another process.
#[cfg(not(target_os = "linux"))]
fn bound_memory(_: u32) {}

/// Listens to one of git's two streams.
struct Ear {
    heard: Arc<Mutex<Vec<u8>>>,
    end: Receiver<()>,
}

impl Ear {
    fn new<R: Read + Send + 'static>(
        from: Option<R>,
        tell: &Sender<Event>,
        listen: impl FnOnce(&mut R, &Mutex<Vec<u8>>) -> bool + Send + 'static,
    ) -> Ear {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (ended, end) = mpsc::channel();
        let (kept, tell) = (Arc::clone(&heard), tell.clone());
        thread::spawn(move || {
            let mut from = from;
            if from.as_mut().is_some_and(|from| listen(from, &kept)) {
                // Told before the stream is closed, or git could end of that first.
                let _ = tell.send(Event::TooMuch);
            }
            let _ = ended.send(());
        });
        Ear { heard, end }
    }

    /// Returns what was said, as text. A daemon that git or ssh left behind may hold the stream open for ever; it has
    /// nothing to say to us.
    fn heard(&self) -> String {
        let _ = self.end.recv_timeout(REST);
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&heard).into_owned()
    }
}

/// Reads a stream to its end and keeps the beginning; tells whether it was too much to listen to.
fn listen(mut from: impl Read, kept: &Mutex<Vec<u8>>) -> bool {
    let mut buffer = [0; 8 * 1024];
    let mut total = 0_usize;
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => return false,
            Ok(count) => count,
            Err(why) if why.kind() == io::ErrorKind::Interrupted => continue,
            // What is lost here is talk: the status says what happened.
            Err(_) => return false,
        };
        total = total.saturating_add(count);
        if total > MOST_HEARD {
            return true;
        }
        keep(kept, buffer.get(..count).unwrap_or_default());
    }
}

fn keep(kept: &Mutex<Vec<u8>>, heard: &[u8]) {
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    let room = MOST_KEPT.saturating_sub(kept.len()).min(heard.len());
    kept.extend_from_slice(heard.get(..room).unwrap_or_default());
}

/// As [`listen`], to git's standard error: how far git is, is shown and not kept.
fn listen_for_progress(from: impl Read, kept: &Mutex<Vec<u8>>, progress: &Progress) -> bool {
    let mut counted = Counted { from, left: MOST_HEARD, is_too_much: false };
    // What is lost here is talk: the status says what happened.
    let _ = git_talk::sort(&mut BufReader::new(&mut counted), &mut |heard| keep(kept, heard), progress);
    counted.is_too_much
}

/// A stream that ends when it was listened to for long enough.
struct Counted<R> {
    from: R,
    left: usize,
    is_too_much: bool,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        match self.left.checked_sub(count) {
            Some(left) => {
                self.left = left;
                Ok(count)
            }
            None => {
                self.is_too_much = true;
                Ok(0)
            }
        }
    }
}

/// Ends git and all that it started and did not send into the background. They are stopped first, so that none starts
/// another while they are looked for. They are in our own group of processes, not in one of theirs: so a person's Ctrl-C
/// reaches them, and they may ask at the terminal.
fn end_family(pid: u32) {
    let mut family = vec![pid];
    signal(pid, Signal::STOP);
    loop {
        let more: Vec<u32> = processes()
            .into_iter()
            .filter(|(pid, parent)| family.contains(parent) && !family.contains(pid))
            .map(|(pid, _)| pid)
            .collect();
        if more.is_empty() {
            break;
        }
        more.iter().for_each(|pid| signal(*pid, Signal::STOP));
        family.extend(more);
    }
    family.into_iter().for_each(|pid| signal(pid, Signal::KILL));
}

fn to_pid(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = to_pid(pid) {
        // If it has just ended by itself there is nothing to end.
        let _ = kill_process(pid, signal);
    }
}

/// Lists processes and their parents, proc(5); none where the system does not tell, and then git's helpers are left to
/// notice that it has gone.
fn processes() -> Vec<(u32, u32)> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let numbers = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    numbers
        .filter_map(|pid: u32| Some((pid, parent_in(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?)))
        .collect()
}

/// Reads the parent: `pid (name) state parent …`, where the name may hold anything.
fn parent_in(stat: &str) -> Option<u32> {
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::time::Timestamp;
    use crate::edge::world::{Fixed, fixed};

    #[test]
    fn a_process_may_have_any_name() {
        assert_eq!(parent_in("7 (git) S 6 7 7 0"), Some(6));
        assert_eq!(parent_in("7 (a) S 1 (b) c) R 65 7"), Some(65));
        assert_eq!(parent_in("7 git S"), None);
    }

    #[test]
    fn talk_is_kept_to_a_bound_and_heard_to_another() {
        let kept = Mutex::new(Vec::new());
        assert!(!listen(&vec![b'x'; MOST_HEARD][..], &kept));
        assert_eq!(kept.lock().unwrap().len(), MOST_KEPT);
        assert!(listen(io::repeat(b'x'), &Mutex::new(Vec::new())));
        let hidden = fixed(Fixed::new(Timestamp::MAX)).progress();
        let kept = Mutex::new(Vec::new());
        assert!(!listen_for_progress(&vec![b'x'; MOST_HEARD][..], &kept, &hidden));
        assert_eq!(kept.lock().unwrap().len(), MOST_KEPT);
        assert!(listen_for_progress(io::repeat(b'x'), &Mutex::new(Vec::new()), &hidden));
    }
}
