//! Files written to the work tree and committed on the current branch, as `jit init` does.
//!
//! Only the files given are committed, whatever else is staged, and nothing that is there is overwritten. Doing it again
//! changes nothing.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use git2::build::TreeUpdateBuilder;
use git2::{ErrorCode, FileMode};

use super::git::{GitError, Repo, from_oid, to_oid};
use super::object_writer::{ObjectWriter, share_object};
use super::reference::share;
use super::sharing::Sharing;
use crate::core::history::object::{Author, CommitHead, Oid};

/// Writes `files` (paths with `/`, and bytes), adds them to the index and commits them on the branch that is checked
/// out, which may have no commit yet. Returns the branch's tip, which is the old one if all files were in it already.
///
/// # Errors
/// There is no work tree, no branch, or another file in the way; then nothing is written. Or the disk or git fails;
/// then some files may be written, and the same call can be made again.
pub fn commit_files(
    repo: &Repo,
    files: &[(String, Vec<u8>)],
    author: &Author,
    now: i64,
    message: &str,
) -> Result<Oid, GitError> {
    let work_dir = repo.work_dir().ok_or_else(|| GitError::Bare(repo.shown_path()))?;
    if repo.git.head_detached().map_err(|error| GitError::git("reading HEAD", error))? {
        return Err(GitError::Detached(repo.shown_path()));
    }
    let mut missing = Vec::new();
    for (path, bytes) in files {
        let place = place_in(work_dir, path)?;
        if !holds(&place, bytes)? {
            missing.push((place, bytes));
        }
    }
    for (place, bytes) in missing {
        write_new(repo, &place, bytes).map_err(GitError::io("writing", &place))?;
    }
    let mut index = repo.git.index().map_err(|error| GitError::git("reading the index", error))?;
    let added = files.iter().try_for_each(|(path, _)| index.add_path(Path::new(path))).and_then(|()| index.write());
    added.map_err(|error| match error.code() {
        ErrorCode::Locked => GitError::Locked(repo.git.path().join("index.lock")),
        _ => GitError::git("adding to the index", error),
    })?;
    commit(repo, files, author, now, message)
}

/// Writes one new file into the work tree, and neither stages nor commits it.
///
/// # Errors
/// There is no work tree, something is in the way, or the disk fails.
pub fn write_new_file(repo: &Repo, path: &str, bytes: &[u8]) -> Result<(), GitError> {
    let work_dir = repo.work_dir().ok_or_else(|| GitError::Bare(repo.shown_path()))?;
    let place = place_in(work_dir, path)?;
    if fs::symlink_metadata(&place).is_ok() {
        return Err(GitError::FileInTheWay(place));
    }
    write_new(repo, &place, bytes).map_err(GitError::io("writing", &place))
}

/// Returns where a file stands; none of the folders on the way may be something else, such as a symbolic link.
fn place_in(work_dir: &Path, path: &str) -> Result<PathBuf, GitError> {
    let mut place = work_dir.to_owned();
    let mut segments = path.split('/').peekable();
    while let Some(segment) = segments.next() {
        place.push(segment);
        if segments.peek().is_none() {
            break;
        }
        match fs::symlink_metadata(&place) {
            Ok(data) if data.is_dir() => {}
            Ok(_) => return Err(GitError::FileInTheWay(place)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(GitError::io("looking at", &place)(error)),
        }
    }
    Ok(place)
}

/// Tells whether a file is there with exactly these bytes; false if there is none.
fn holds(place: &Path, bytes: &[u8]) -> Result<bool, GitError> {
    let in_the_way = || Err(GitError::FileInTheWay(place.to_owned()));
    match fs::symlink_metadata(place) {
        Ok(data) if data.is_file() && data.len() == bytes.len() as u64 => {
            let mut found = Vec::new();
            let read = fs::File::open(place).and_then(|file| file.take(data.len()).read_to_end(&mut found));
            read.map_err(GitError::io("reading", place))?;
            if found == bytes { Ok(true) } else { in_the_way() }
        }
        Ok(_) => in_the_way(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(GitError::io("looking at", place)(error)),
    }
}

/// Writes a new file whole, or leaves none, whenever this program or the machine stops: it is written inside the
/// repository's own folder first. The link then never replaces what is there, as a rename would.
fn write_new(repo: &Repo, place: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = place.parent() {
        fs::create_dir_all(folder)?;
    }
    let draft = repo.git.path().join(format!("jit-new-{}", std::process::id()));
    match fs::remove_file(&draft) {
        Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(why),
        // One that is there was left by a process of the same number, which has gone.
        Ok(()) | Err(_) => {}
    }
    write_file(&draft, bytes)?;
    let linked = match fs::hard_link(&draft, place) {
        Err(why) if why.kind() == io::ErrorKind::AlreadyExists => Err(why),
        // The work tree is on another disk, or on one without links.
        Err(_) => write_file(place, bytes),
        Ok(()) => Ok(()),
    };
    fs::remove_file(&draft)?;
    linked
}

/// Writes a new file and flushes it; removes it again where that fails.
fn write_file(place: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(place)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if written.is_err() {
        fs::remove_file(place)?;
    }
    written
}

/// Commits HEAD's tree with these files in it, and nothing of what else is staged.
fn commit(repo: &Repo, files: &[(String, Vec<u8>)], author: &Author, now: i64, message: &str) -> Result<Oid, GitError> {
    let failed = |error| GitError::git("committing", error);
    let git = &repo.git;
    let parent = match git.head() {
        Ok(head) => Some(head.peel_to_commit().map_err(failed)?),
        Err(error) if error.code() == ErrorCode::UnbornBranch => None,
        Err(error) => return Err(failed(error)),
    };
    let base = match &parent {
        Some(parent) => parent.tree().map_err(failed)?,
        None => {
            let empty = git.treebuilder(None).and_then(|builder| builder.write()).map_err(failed)?;
            git.find_tree(empty).map_err(failed)?
        }
    };
    let mut update = TreeUpdateBuilder::new();
    for (path, bytes) in files {
        let blob = git.blob(bytes).map_err(failed)?;
        update.upsert(path.as_str(), blob, FileMode::Blob);
    }
    let tree = update.create_updated(git, &base).map_err(failed)?;
    if let Some(parent) = &parent
        && tree == base.id()
    {
        return to_oid(parent.id());
    }
    let parents = parent.as_ref().map(|parent| to_oid(parent.id())).transpose()?.into_iter().collect();
    let head = CommitHead { tree: to_oid(tree)?, parents };
    let store = ObjectWriter::new(repo);
    let commit = store.write_commit(&head, &repo.author(author)?, now, message)?;
    store.flush()?;
    let branch = git.find_reference("HEAD").map_err(failed)?;
    let branch = branch.symbolic_target().map_err(failed)?.ok_or_else(|| GitError::Detached(repo.shown_path()))?;
    let new = from_oid(commit)?;
    match parent {
        Some(parent) => git.reference_matching(branch, new, true, parent.id(), "commit by jit"),
        None => git.reference(branch, new, false, "commit (initial) by jit"),
    }
    .map_err(|error| match error.code() {
        ErrorCode::Locked => GitError::Locked(repo.common_dir().join(format!("{branch}.lock"))),
        _ => failed(error),
    })?;
    share_commit(repo, [&base, &git.find_tree(tree).map_err(failed)?], branch)?;
    Ok(commit)
}

/// Opens what libgit2 wrote for a commit to whom the repository is shared with: the trees before and after, which may be
/// new both, and the files in the latter.
fn share_commit(repo: &Repo, [base, tree]: [&git2::Tree<'_>; 2], branch: &str) -> Result<(), GitError> {
    let sharing = Sharing::of(repo)?;
    if sharing == Sharing::Umask {
        return Ok(());
    }
    let mut written = vec![base.id(), tree.id()];
    let walked = tree.walk(git2::TreeWalkMode::PreOrder, |_, entry| {
        written.push(entry.id());
        git2::TreeWalkResult::Ok
    });
    walked.map_err(|error| GitError::git("committing", error))?;
    for oid in written {
        share_object(repo, sharing, to_oid(oid)?)?;
    }
    let logs = repo.common_dir().join("logs");
    for path in [repo.common_dir().join(branch), logs.join(branch), repo.git.path().join("logs/HEAD"), {
        repo.git.path().join("index")
    }] {
        share(repo, &path)?;
    }
    Ok(())
}
