//! Moving a ref from one commit to the next so that a crash at any moment harms nothing.
//!
//! Git guards a ref by a file beside it, `<ref>.lock`, that is made exclusively and then renamed over the ref. Whoever
//! is killed in between leaves the lock, and nobody can tell it from one in use. So a lock of ours is made to be told:
//!
//! 1. take `jit/append.lock` in the repository's common folder, a lock that the kernel releases when its holder dies;
//! 2. write the new id to a private file `jit/ref-<random>`, flushed, and its name too;
//! 3. hard-link it to `<ref>.lock`: that succeeds only if there is none;
//! 4. check that the ref still is what it was;
//! 5. rename `<ref>.lock` over the ref, flush the folder, remove the private file.
//!
//! A lock that is the same file as some `jit/ref-*` is thus one of ours, and as only the holder of `append.lock` makes
//! any, its maker is dead: whoever holds `append.lock` next removes both. Any other lock is git's and is waited for.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::git::{GitError, Repo};
use super::object_writer::sync;
use super::sharing::Sharing;
use crate::core::history::object::Oid;

/// How long to wait between two looks at a lock.
pub(super) const PAUSE: Duration = Duration::from_millis(20);
/// How often to look at a lock of git's: 5 seconds.
const LOOKS_AT_GIT: u32 = 250;
/// How often to look at the lock of another jit, which holds it for milliseconds: 20 seconds.
const LOOKS_AT_JIT: u32 = 1000;

/// The right to move refs, held by one process at a time; given up when dropped, or when its holder dies.
#[derive(Debug)]
pub struct AppendLock {
    _file: File,
    folder: PathBuf,
}

impl AppendLock {
    /// Waits for the lock and takes it.
    ///
    /// # Errors
    /// The repository can't be written to, or another process holds the lock for too long.
    pub fn take(repo: &Repo) -> Result<AppendLock, GitError> {
        let folder = repo.common_dir().join("jit");
        fs::create_dir_all(&folder).map_err(GitError::io("making the folder", &folder))?;
        let path = folder.join("append.lock");
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = open.map_err(GitError::io("opening", &path))?;
        share(repo, &path)?;
        for _ in 0..LOOKS_AT_JIT {
            match file.try_lock() {
                Ok(()) => return Ok(AppendLock { _file: file, folder }),
                Err(TryLockError::WouldBlock) => thread::sleep(PAUSE),
                Err(TryLockError::Error(error)) => return Err(GitError::io("locking", &path)(error)),
            }
        }
        Err(GitError::Busy(path))
    }
}

/// What came of moving a ref.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moved {
    /// It is moved, and will be after a crash.
    Yes,
    /// It is no longer what was expected: somebody was first.
    Raced,
}

/// Moves the ref `name` from `expected` (none: it must not exist) to `new`, whose objects are flushed already.
///
/// `random` names a file that must not exist yet.
///
/// # Errors
/// The repository can't be written to, git holds the ref for too long, or another ref is in the way: the ref is as it
/// was. Only if flushing its folder fails, the last step, it is moved and a power failure could undo that.
pub fn advance(
    repo: &Repo,
    lock: &AppendLock,
    name: &str,
    expected: Option<Oid>,
    new: Oid,
    random: [u8; 16],
) -> Result<Moved, GitError> {
    if expected.is_none() {
        check_nothing_in_the_way(repo, name)?;
    }
    let target = repo.common_dir().join(name);
    let guard = repo.common_dir().join(format!("{name}.lock"));
    clear_leftovers(&lock.folder, &guard)?;

    let private = lock.folder.join(format!("ref-{:032x}", u128::from_be_bytes(random)));
    let moved = write_private(&private, new)
        .and_then(|()| share(repo, &private))
        .and_then(|()| take_guard(&private, &guard))
        .and_then(|()| share(repo, &guard))
        .and_then(|()| swap(repo, name, expected, &guard, &target));
    // Removing it can fail only in ways that the next holder of the lock meets again, and says.
    let _ = fs::remove_file(&private);
    moved
}

/// Removes what a dead jit left behind. Nobody else writes such files while we hold the lock.
fn clear_leftovers(folder: &Path, guard: &Path) -> Result<(), GitError> {
    let file_id = |path: &Path| match fs::symlink_metadata(path) {
        Ok(data) => Ok(Some((data.dev(), data.ino()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(GitError::io("looking at", path)(error)),
    };
    let list = || {
        let entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
        let is_private = |entry: &fs::DirEntry| entry.file_name().as_encoded_bytes().starts_with(b"ref-");
        Ok(entries.into_iter().filter(is_private).map(|entry| entry.path()).collect())
    };
    let leftovers: Vec<PathBuf> = list().map_err(GitError::io("listing", folder))?;
    for leftover in leftovers {
        let private = file_id(&leftover)?;
        // The guard goes first: without the private file nobody could tell whose it is.
        if private.is_some() && file_id(guard)? == private {
            fs::remove_file(guard).map_err(GitError::io("removing", guard))?;
        }
        fs::remove_file(&leftover).map_err(GitError::io("removing", &leftover))?;
    }
    Ok(())
}

/// Opens a file that was just written in the repository's own folder, and the folders above it, to whom it is shared with.
pub(super) fn share(repo: &Repo, path: &Path) -> Result<(), GitError> {
    let shared = Sharing::of(repo)?.apply_below(repo.common_dir(), path);
    shared.map_err(GitError::io("setting the permissions of", path))
}

fn write_private(path: &Path, oid: Oid) -> Result<(), GitError> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
        writeln!(file, "{oid}")?;
        file.sync_all()?;
        // Its name must outlast a power failure if the guard's does.
        path.parent().map_or(Ok(()), sync)
    };
    write().map_err(GitError::io("writing", path))
}

/// Makes the guard, waiting for git if it holds one.
fn take_guard(private: &Path, guard: &Path) -> Result<(), GitError> {
    let mut looks = 0;
    loop {
        match fs::hard_link(private, guard) {
            Ok(()) => return Ok(()),
            Err(error) if looks >= LOOKS_AT_GIT && error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(GitError::Locked(guard.to_owned()));
            }
            Err(error) if looks >= LOOKS_AT_GIT => return Err(GitError::io("making", guard)(error)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => thread::sleep(PAUSE),
            // No ref stands in that folder yet, or git has just packed the last one and removed it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let folder = guard.parent().unwrap_or(guard);
                fs::create_dir_all(folder).map_err(GitError::io("making the folder", folder))?;
            }
            Err(error) => return Err(GitError::io("making", guard)(error)),
        }
        looks += 1;
    }
}

/// With the guard in place: checks the ref and renames the guard over it, or removes the guard.
fn swap(repo: &Repo, name: &str, expected: Option<Oid>, guard: &Path, target: &Path) -> Result<Moved, GitError> {
    let moved = match repo.read_ref(name) {
        Ok(found) if found == expected => rename(name, guard, target).map(|()| Moved::Yes),
        Ok(_) => Ok(Moved::Raced),
        Err(error) => Err(error),
    };
    if !matches!(moved, Ok(Moved::Yes)) {
        fs::remove_file(guard).map_err(GitError::io("removing", guard))?;
        return moved;
    }
    // The folder of the ref may be new too, and the one it stands in.
    for folder in target.ancestors().skip(1).take_while(|folder| folder.starts_with(repo.common_dir().join("refs"))) {
        sync(folder).map_err(GitError::io("flushing to disk", folder))?;
    }
    moved
}

fn rename(name: &str, guard: &Path, target: &Path) -> Result<(), GitError> {
    let failed = match fs::rename(guard, target) {
        Ok(()) => return Ok(()),
        Err(error) => error,
    };
    // Git leaves empty folders where refs were.
    if target.is_dir() {
        remove_empty_folders(target)
            .map_err(|_| GitError::InTheWay { name: name.to_owned(), other: format!("{name}/") })?;
        return fs::rename(guard, target).map_err(GitError::io("writing", target));
    }
    Err(GitError::io("writing", target)(failed))
}

/// Removes a folder that holds folders alone; fails at the first file.
fn remove_empty_folders(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        remove_empty_folders(&entry?.path())?;
    }
    fs::remove_dir(path)
}

/// Checks that no ref is where a new one needs a folder, nor the reverse; loose or packed.
fn check_nothing_in_the_way(repo: &Repo, name: &str) -> Result<(), GitError> {
    let in_the_way = |other: &str| GitError::InTheWay { name: name.to_owned(), other: other.to_owned() };
    for (at, _) in name.match_indices('/') {
        let other = name.get(..at).unwrap_or_default();
        // What is above `refs/heads` is no ref name to ask for.
        if other.matches('/').count() >= 2 && repo.read_ref(other)?.is_some() {
            return Err(in_the_way(other));
        }
    }
    let below = format!("{name}/*");
    let failed = |error| GitError::git(format!("listing {below}"), error);
    let mut refs = repo.git.references_glob(&below).map_err(failed)?;
    match refs.names().next() {
        Some(other) => Err(in_the_way(other.map_err(failed)?)),
        None => Ok(()),
    }
}
