//! Writing objects so that they survive a crash.
//!
//! libgit2 flushes nothing to disk unless a git setting says so, and git warns of that setting wherever it finds it. So
//! the files are flushed here, and the folders that name them, and only then may a ref point to them.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::thread;

use git2::ObjectType;

use super::git::{GitError, Repo, to_oid};
use super::sharing::Sharing;
use crate::core::history::object::{Author, CommitHead, Objects, Oid, TreeEntry, Writer, encode_commit, encode_tree};

/// How many files are flushed at the same time.
const FLUSHES_AT_ONCE: usize = 16;

/// Writes objects to a repository. They are safe after [`ObjectWriter::flush`].
pub struct ObjectWriter<'a> {
    repo: &'a Repo,
    written: RefCell<BTreeSet<Oid>>,
}

impl<'a> ObjectWriter<'a> {
    /// Returns a writer that has written nothing yet.
    pub fn new(repo: &'a Repo) -> ObjectWriter<'a> {
        ObjectWriter { repo, written: RefCell::default() }
    }

    /// Writes a commit.
    ///
    /// # Errors
    /// The repository can't be written to.
    pub fn write_commit(&self, head: &CommitHead, author: &Author, now: i64, message: &str) -> Result<Oid, GitError> {
        self.write(ObjectType::Commit, &encode_commit(head, author, now, message))
    }

    /// Flushes all that was written to disk.
    ///
    /// # Errors
    /// The disk fails.
    pub fn flush(&self) -> Result<(), GitError> {
        let objects = self.repo.common_dir().join("objects");
        self.share()?;
        let mut paths = BTreeSet::from([objects]);
        for oid in &*self.written.borrow() {
            let file = self.loose_path(*oid);
            paths.extend(file.parent().map(Path::to_owned));
            paths.insert(file);
        }
        sync_all(&paths.into_iter().collect::<Vec<_>>())?;
        self.written.borrow_mut().clear();
        Ok(())
    }

    /// Opens what was written to whom the repository is shared with.
    fn share(&self) -> Result<(), GitError> {
        let sharing = Sharing::of(self.repo)?;
        for oid in &*self.written.borrow() {
            share_object(self.repo, sharing, *oid)?;
        }
        Ok(())
    }

    fn write(&self, kind: ObjectType, bytes: &[u8]) -> Result<Oid, GitError> {
        let failed = |error| GitError::git("writing an object", error);
        let odb = self.repo.git.odb().map_err(failed)?;
        let id = git2::Oid::hash_object(kind, bytes).map_err(failed)?;
        let oid = to_oid(id)?;
        if odb.exists(id) && odb.read(id).is_err() {
            // A power failure left an empty or half-written file here, which git would take for the object.
            let path = self.loose_path(oid);
            fs::remove_file(&path).map_err(GitError::io("removing the damaged object", &path))?;
        }
        odb.write(kind, bytes).map_err(failed)?;
        self.written.borrow_mut().insert(oid);
        Ok(oid)
    }

    fn loose_path(&self, oid: Oid) -> PathBuf {
        loose_path(self.repo, oid)
    }
}

/// Returns where an object stands by itself, if it does.
fn loose_path(repo: &Repo, oid: Oid) -> PathBuf {
    let hex = oid.to_string();
    let (folder, file) = hex.split_at_checked(2).unwrap_or((&hex, ""));
    repo.common_dir().join("objects").join(folder).join(file)
}

/// Opens an object that was just written.
pub(super) fn share_object(repo: &Repo, sharing: Sharing, oid: Oid) -> Result<(), GitError> {
    let path = loose_path(repo, oid);
    let shared = sharing.apply_below(&repo.common_dir().join("objects"), &path);
    shared.map_err(GitError::io("setting the permissions of", &path))
}

/// Flushes files and folders to disk, several at once, so that the disk writes them together. One that is not there is
/// a loose object that was in a pack before, or its folder.
fn sync_all(paths: &[PathBuf]) -> Result<(), GitError> {
    let sync_some = |paths: &[PathBuf]| {
        paths.iter().try_for_each(|path| match sync(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done.map_err(GitError::io("flushing to disk", path)),
        })
    };
    thread::scope(|scope| {
        let share = paths.len().div_ceil(FLUSHES_AT_ONCE).max(1);
        let flushes: Vec<_> = paths.chunks(share).map(|paths| scope.spawn(move || sync_some(paths))).collect();
        flushes.into_iter().try_for_each(|flush| flush.join().expect("flushing does not panic"))
    })
}

/// Flushes a file or folder to disk.
pub(crate) fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

impl Objects for ObjectWriter<'_> {
    type Error = GitError;

    fn tree(&self, oid: Oid) -> Result<Option<Rc<[TreeEntry]>>, GitError> {
        self.repo.tree(oid)
    }

    fn blob_size(&self, oid: Oid) -> Result<Option<u64>, GitError> {
        self.repo.blob_size(oid)
    }

    fn blob(&self, oid: Oid, limit: u64) -> Result<Option<Rc<[u8]>>, GitError> {
        self.repo.blob(oid, limit)
    }

    fn commit(&self, oid: Oid) -> Result<Option<CommitHead>, GitError> {
        self.repo.commit(oid)
    }
}

impl Writer for ObjectWriter<'_> {
    fn write_blob(&self, bytes: &[u8]) -> Result<Oid, GitError> {
        self.write(ObjectType::Blob, bytes)
    }

    fn write_tree(&self, entries: &[TreeEntry]) -> Result<Oid, GitError> {
        self.write(ObjectType::Tree, &encode_tree(entries))
    }
}
