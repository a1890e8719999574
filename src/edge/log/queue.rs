//! What waits on this machine to be logged on a remote, so that whoever pushes next takes all of it along.
//!
//! Each process that wants to append puts what it has to say into a file of its own in `jit/queue-<uid>/`, in the
//! repository's common folder, and holds a lock on it for as long as it lives. Then it waits for the lock on that folder's
//! file `push`, or until its own file is taken out: whoever holds that lock logs what waits, and then takes it out.
//!
//! Each account has its own folder, closed to others: nobody pushes another's statements with their own credentials, and
//! nobody else holds a lock here. Nor does anything rest on this. A line goes in once because a push never forces and
//! because the log is looked at before each push; what a killed process leaves is told by its lock, which the kernel has
//! released, and is removed by the next. What is odd is passed over.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::OFlags;
use rustix::process::geteuid;

use crate::core::history::segment::{MAX_APPEND_LINES, MAX_LINE_SIZE};
use crate::core::ledger::Verdict;
use crate::edge::git::{GitError, Repo, escaped};
use crate::edge::reference::share;

/// The most statements that are read at once: one of them may not be worth logging.
const MOST_AT_ONCE: usize = 2 * MAX_APPEND_LINES as usize;
/// The most files that are looked at.
const MOST_FILES: usize = 10_000;
/// The longest message, in bytes.
const MAX_MESSAGE: usize = 1000;
/// The largest file, in bytes.
const MAX_FILE: u64 = MAX_LINE_SIZE + MAX_MESSAGE as u64 + 64;
/// How often a file is made anew that somebody takes for that of a dead process.
const MOST_TRIES: u32 = 20;
/// The file whose lock is the right to push.
const LOCK: &str = "push";
/// What a file ends with while it is written.
const UNFINISHED: &str = ".new";

/// What a line has to be worth to whoever signed it, or else it is not to be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insist {
    /// It has an effect.
    OnEffect,
    /// It is valid, with an effect or without: each request is on record.
    OnRecord,
}

impl Insist {
    const ALL: [(Insist, &str); 2] = [(Insist::OnEffect, "effect"), (Insist::OnRecord, "record")];

    /// Tells whether that is enough.
    pub fn takes(self, verdict: &Verdict) -> bool {
        match verdict {
            Verdict::Effect => true,
            Verdict::WithoutEffect(_) => self == Insist::OnRecord,
            Verdict::Inert(_) => false,
        }
    }
}

/// A signed line that waits to be logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) line: Vec<u8>,
    pub(super) message: String,
    pub(super) insist: Insist,
}

impl Waiting {
    /// Three lines: what it insists on, the message, the signed line.
    fn encode(&self) -> Vec<u8> {
        let insist = Insist::ALL.iter().find(|(insist, _)| *insist == self.insist).map_or("", |(_, word)| word);
        let message: String = self.message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        [insist.as_bytes(), message.as_bytes(), &self.line, b""].join(&b'\n')
    }

    /// Reads it; none if it is anything else.
    fn parse(bytes: &[u8]) -> Option<Waiting> {
        let parts: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        let [insist, message, line, b""] = *parts else { return None };
        let (insist, _) = *Insist::ALL.iter().find(|(_, word)| word.as_bytes() == insist)?;
        let message = std::str::from_utf8(message).ok().filter(|message| message.len() <= MAX_MESSAGE)?;
        Some(Waiting { line: line.to_vec(), message: escaped(message), insist })
    }
}

/// The right to push what waits, held by one process at a time; given up when dropped, or when its holder dies.
#[derive(Debug)]
pub(super) struct PushLock {
    _file: File,
}

impl PushLock {
    /// Takes the lock; none if another process holds it.
    pub(super) fn try_take(repo: &Repo) -> Result<Option<PushLock>, GitError> {
        let path = folder(repo)?.join(LOCK);
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = open.map_err(GitError::io("opening", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(PushLock { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(GitError::io("locking", &path)(error)),
        }
    }
}

/// A place in the queue: this process's own, or that of another, which is alive. One's own is left when dropped.
#[derive(Debug)]
pub(super) struct Place {
    file: File,
    path: PathBuf,
    is_own: bool,
}

impl Place {
    /// Takes a place. `random` names its file.
    pub(super) fn take(repo: &Repo, waiting: &Waiting, random: [u8; 16]) -> Result<Place, GitError> {
        let path = folder(repo)?.join(format!("{:032x}", u128::from_be_bytes(random)));
        let unfinished = path.with_extension(UNFINISHED.trim_start_matches('.'));
        let write = || -> io::Result<Place> {
            let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&unfinished)?;
            let mut place = Place { file, path: unfinished.clone(), is_own: true };
            place.file.lock()?;
            place.file.write_all(&waiting.encode())?;
            fs::rename(&unfinished, &path)?;
            path.clone_into(&mut place.path);
            Ok(place)
        };
        let mut tries = 0;
        loop {
            match write() {
                Ok(place) => return Ok(place),
                // Until it is locked it looks like one of a dead process.
                Err(why) if why.kind() == io::ErrorKind::NotFound && tries < MOST_TRIES => tries += 1,
                Err(why) => return Err(GitError::io("writing", &path)(why)),
            }
        }
    }

    /// Tells whether somebody has taken it out: it is logged, they say.
    pub(super) fn is_gone(&self) -> bool {
        self.file.metadata().is_ok_and(|data| data.nlink() == 0)
    }

    /// Takes it out.
    pub(super) fn remove(&self) {
        // What stays is looked up in the log by its owner, and is of no harm to others.
        let _ = fs::remove_file(&self.path);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.is_own && !self.is_gone() {
            self.remove();
        }
    }
}

/// Returns what other processes wait with, those first who came first, and clears away what dead ones left.
pub(super) fn others(repo: &Repo, own: Option<&Place>) -> Result<Vec<(Place, Waiting)>, GitError> {
    let folder = folder(repo)?;
    let entries = fs::read_dir(&folder).map_err(GitError::io("listing", &folder))?;
    let mut found: Vec<(SystemTime, Place)> = Vec::new();
    for entry in entries.take(MOST_FILES).flatten() {
        let path = entry.path();
        if entry.file_name() != LOCK && own.is_none_or(|own| own.path != path) {
            found.extend(look_at(path));
        }
    }
    found.sort_by(|(at, place), (other_at, other)| (at, &place.path).cmp(&(other_at, &other.path)));
    let read = |(_, place): (SystemTime, Place)| {
        let mut bytes = Vec::new();
        (&place.file).take(MAX_FILE).read_to_end(&mut bytes).ok()?;
        Some((Waiting::parse(&bytes)?, place))
    };
    Ok(found.into_iter().filter_map(read).take(MOST_AT_ONCE).map(|(waiting, place)| (place, waiting)).collect())
}

/// Opens what waits, and returns since when; none if its process is dead.
fn look_at(path: PathBuf) -> Option<(SystemTime, Place)> {
    let (file, data) = open(&path)?;
    if is_dead(&file)? {
        // Who can't remove it passes over it all the same.
        let _ = fs::remove_file(&path);
        return None;
    }
    let is_unfinished = path.as_os_str().as_encoded_bytes().ends_with(UNFINISHED.as_bytes());
    if is_unfinished || data.len() > MAX_FILE {
        return None;
    }
    Some((data.modified().ok()?, Place { file, path, is_own: false }))
}

/// Opens a file; none if it is none, or can't be read.
fn open(path: &Path) -> Option<(File, Metadata)> {
    // Neither a link is followed, nor is a pipe waited for.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let file = OpenOptions::new().read(true).custom_flags(i32::try_from(flags).ok()?).open(path).ok()?;
    let data = file.metadata().ok()?;
    data.is_file().then_some((file, data))
}

/// Tells whether nobody holds a file's lock any more; none if nobody can say.
fn is_dead(file: &File) -> Option<bool> {
    // Several may look at once, so each look shares the lock with the others.
    match file.try_lock_shared() {
        Ok(()) => Some(true),
        Err(TryLockError::WouldBlock) => Some(false),
        Err(TryLockError::Error(_)) => None,
    }
}

/// Lists what dead processes left in this account's queue; the next append clears it away.
///
/// # Errors
/// The folder can't be read.
pub fn left_behind(repo: &Repo) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder_of(repo, geteuid().as_raw())) {
        Ok(entries) => entries,
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(why) => return Err(why),
    };
    let mut dead = Vec::new();
    for entry in entries.take(MOST_FILES) {
        let entry = entry?;
        if entry.file_name() != LOCK && open(&entry.path()).and_then(|(file, _)| is_dead(&file)) == Some(true) {
            dead.push(entry.path());
        }
    }
    Ok(dead)
}

fn folder_of(repo: &Repo, uid: u32) -> PathBuf {
    repo.common_dir().join(format!("jit/queue-{uid}"))
}

/// Returns the folder of this account's queue, and makes it.
fn folder(repo: &Repo) -> Result<PathBuf, GitError> {
    let uid = geteuid().as_raw();
    let folder = folder_of(repo, uid);
    let above = repo.common_dir().join("jit");
    fs::create_dir_all(&above).map_err(GitError::io("making the folder", &above))?;
    share(repo, &above)?;
    let made = match DirBuilder::new().mode(0o700).create(&folder) {
        Err(why) if why.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    };
    let data = made.and_then(|()| fs::symlink_metadata(&folder)).map_err(GitError::io("making the folder", &folder))?;
    // Whoever else may write to the repository can have made it first.
    let is_ours = data.is_dir() && data.uid() == uid && data.mode() & 0o077 == 0;
    if is_ours { Ok(folder) } else { Err(GitError::FileInTheWay(folder)) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn waiting(line: &str) -> Waiting {
        let insist = if line.len().is_multiple_of(2) { Insist::OnEffect } else { Insist::OnRecord };
        Waiting { line: line.as_bytes().to_vec(), message: format!("bob says {line}"), insist }
    }

    #[test]
    fn what_waits_is_read_as_it_was_written_and_nothing_else_is_read() {
        for line in ["one", "three", ""] {
            assert_eq!(Waiting::parse(&waiting(line).encode()), Some(waiting(line)));
        }
        let odd = Waiting { message: "two\nlines \u{1b}[31m".to_owned(), ..waiting("one") };
        let read = Waiting::parse(&odd.encode()).unwrap();
        assert_eq!((read.message.as_str(), &read.line), ("two lines  [31m", &odd.line));
        let shown = Waiting::parse("record\n\u{202e}\none\n".as_bytes()).unwrap();
        assert_eq!(shown.message, "\\u{202e}");
        let long = format!("record\n{}\none\n", "x".repeat(MAX_MESSAGE + 1));
        for bytes in
            ["", "\n", "record", "record\nm\none", "record\nm\none\ntwo\n", "Record\nm\none\n", "\nm\none\n", &long]
        {
            assert_eq!(Waiting::parse(bytes.as_bytes()), None, "{bytes:?}");
        }
        assert_eq!(Waiting::parse(b"record\n\xff\none\n"), None);
    }

    #[test]
    fn those_who_live_are_seen_in_order_and_the_dead_are_cleared_away() {
        let folder = tempfile::tempdir().unwrap();
        let repo = Repo::init(folder.path()).unwrap();
        assert_eq!(left_behind(&repo).unwrap(), [] as [PathBuf; 0]);
        let places: Vec<Place> =
            (0..4).map(|at| Place::take(&repo, &waiting(&"x".repeat(at)), [9 - at as u8; 16]).unwrap()).collect();
        let first = SystemTime::UNIX_EPOCH;
        for (late, place) in places.iter().rev().enumerate() {
            place.file.set_modified(first + std::time::Duration::from_secs(late as u64)).unwrap();
        }
        let queue = places[0].path.parent().unwrap().to_owned();
        assert_eq!(fs::metadata(&queue).unwrap().permissions().mode() & 0o777, 0o700);
        let dead = queue.join("dead");
        fs::write(&dead, waiting("dead").encode()).unwrap();
        assert_eq!(left_behind(&repo).unwrap(), std::slice::from_ref(&dead));
        let seen: Vec<_> = others(&repo, Some(&places[1])).unwrap();
        assert_eq!(seen.iter().map(|(_, waiting)| waiting.line.len()).collect::<Vec<_>>(), [3, 2, 0]);
        assert!(!dead.exists());
        // Who is taken out sees it; who leaves is gone; a look at somebody else's place changes nothing.
        seen[0].0.remove();
        drop(seen);
        assert_eq!(places.iter().map(Place::is_gone).collect::<Vec<_>>(), [false, false, false, true]);
        drop(places);
        assert_eq!(others(&repo, None).unwrap().len(), 0);
        assert_eq!(fs::read_dir(&queue).unwrap().count(), 0);
    }

    #[test]
    fn one_at_a_time_may_push_and_nobody_in_a_folder_that_others_may_write_to() {
        let folder = tempfile::tempdir().unwrap();
        let repo = Repo::init(folder.path()).unwrap();
        let held = PushLock::try_take(&repo).unwrap();
        assert!(held.is_some() && PushLock::try_take(&repo).unwrap().is_none());
        drop(held);
        assert!(PushLock::try_take(&repo).unwrap().is_some());
        let queue = folder_of(&repo, geteuid().as_raw());
        for mode in [0o770, 0o755, 0o701] {
            fs::set_permissions(&queue, fs::Permissions::from_mode(mode)).unwrap();
            assert!(PushLock::try_take(&repo).is_err() && others(&repo, None).is_err(), "{mode:o}");
        }
    }
}
