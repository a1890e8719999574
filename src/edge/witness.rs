//! Witnesses' checkpoints in a repository and on its remote.
//!
//! A witness has a branch of its own, `jit/witness/<name>`: a commit without a parent, whose tree holds one file,
//! `checkpoint`, with one line and its LF. Each checkpoint overwrites the one before; it is the one ref that jit ever
//! forces. What a line is worth is for [`crate::core::checkpoint`] to say; nothing here believes it.
//!
//! A fetch brings a witness's branch to a ref of ours. Whoever finds that the log extends it may [`keep`] it under
//! another, so that a host that shows something else afterwards takes nothing away. Without a remote the branches of this
//! repository are read.

use super::git::{GitError, Repo};
use super::object_writer::ObjectWriter;
use super::reference::{AppendLock, Moved, advance};
use super::remote::{Pushed, Remote, RemoteError, fetch_refs, push_to};
use super::world::World;
use crate::core::checkpoint::MAX_CHECKPOINT_LEN;
use crate::core::history::object::{Author, CommitHead, MODE_FILE, Objects as _, Oid, TreeEntry, Writer as _};
use crate::core::name::Name;

/// Where witnesses' branches stand.
const BRANCHES: &str = "refs/heads/jit/witness/";
/// Where a fetch puts them.
const FETCHED: &str = "refs/jit/witness/fetched/";
/// Where those stay that a log was found to extend.
const KEPT: &str = "refs/jit/witness/kept/";
/// The one file in a checkpoint's tree.
const FILE: &[u8] = b"checkpoint";
/// How often to fetch anew because another process holds a ref.
const MOST_TRIES: usize = 5;

/// A commit that may hold a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The commit.
    pub commit: Oid,
    /// Its file; none where it holds something else.
    pub file: Option<Vec<u8>>,
}

/// Fetches these witnesses' branches and nothing else. Of one that the remote does not have, what was fetched before is
/// forgotten; what was kept stays.
///
/// # Errors
/// The remote can't be reached, takes too long, or sends what git does not take; with git's words.
pub fn fetch<'n>(
    world: &World,
    repo: &Repo,
    remote: &Remote,
    names: impl IntoIterator<Item = &'n Name>,
) -> Result<(), RemoteError> {
    let mut wanted: Vec<&Name> = names.into_iter().collect();
    let mut tries = 0;
    while !wanted.is_empty() {
        let refspecs = wanted.iter().map(|name| format!("+{BRANCHES}{name}:{FETCHED}{name}"));
        let said = fetch_refs(world, repo, remote, &[], refspecs)?;
        if said.status.success() {
            return Ok(());
        }
        // Git stops at the first that the remote does not have, and says which.
        if let Some(place) = wanted.iter().position(|name| said.lacks(&format!("{BRANCHES}{name}"))) {
            let name = wanted.remove(place);
            repo.remove_ref(&format!("{FETCHED}{name}"))?;
            continue;
        }
        tries += 1;
        // Another process fetches the same here.
        let is_held = said.err.contains("cannot lock ref") || said.err.contains("unable to update local ref");
        if !is_held || tries == MOST_TRIES {
            return Err(RemoteError::failed("fetching checkpoints from the remote", remote, said));
        }
    }
    Ok(())
}

/// Returns what is here of one witness: with a remote what was kept of it and what was fetched last, else its branch.
///
/// # Errors
/// The repository can't be read.
pub fn found(repo: &Repo, remote: Option<&Remote>, name: &Name) -> Result<Vec<Found>, GitError> {
    let places: &[&str] = if remote.is_some() { &[KEPT, FETCHED] } else { &[BRANCHES] };
    let mut all: Vec<Found> = Vec::new();
    for place in places {
        if let Some(commit) = repo.read_ref(&format!("{place}{name}"))?
            && all.iter().all(|known| known.commit != commit)
        {
            all.push(Found { commit, file: read(repo, commit)? });
        }
    }
    Ok(all)
}

/// Reads the file of a commit that has the form of a checkpoint's; none of any other.
fn read(repo: &Repo, commit: Oid) -> Result<Option<Vec<u8>>, GitError> {
    let Some(head) = repo.commit(commit)?.filter(|head| head.parents.is_empty()) else { return Ok(None) };
    match repo.tree(head.tree)?.as_deref() {
        Some([TreeEntry { name, mode: MODE_FILE, oid }]) if name == FILE => {
            Ok(repo.blob(*oid, MAX_CHECKPOINT_LEN as u64)?.map(|bytes| bytes.to_vec()))
        }
        Some(_) | None => Ok(None),
    }
}

/// Keeps a checkpoint that was found. `random` names a file.
///
/// # Errors
/// The repository can't be written to.
pub fn keep(repo: &Repo, name: &Name, commit: Oid, random: [u8; 16]) -> Result<(), GitError> {
    let kept = format!("{KEPT}{name}");
    let lock = AppendLock::take(repo)?;
    let known = repo.read_ref(&kept)?;
    if known != Some(commit) {
        match advance(repo, &lock, &kept, known, commit, random)? {
            // Another process has kept one that it found as good.
            Moved::Yes | Moved::Raced => {}
        }
    }
    Ok(())
}

/// Writes a checkpoint's commit, flushed to disk; no ref is moved. `line` is without its LF.
///
/// # Errors
/// The repository can't be written to.
pub fn write(repo: &Repo, line: &str, author: &Author, now: i64, message: &str) -> Result<Oid, GitError> {
    let store = ObjectWriter::new(repo);
    let oid = store.write_blob(format!("{line}\n").as_bytes())?;
    let tree = store.write_tree(&[TreeEntry { name: FILE.to_vec(), mode: MODE_FILE, oid }])?;
    let commit = store.write_commit(&CommitHead { tree, parents: Vec::new() }, author, now, message)?;
    store.flush()?;
    Ok(commit)
}

/// Overwrites a witness's branch, on the remote if there is one, else here. `random` names a file.
///
/// # Errors
/// The remote can't be reached, or the repository can't be written to.
pub fn publish(
    world: &World,
    repo: &Repo,
    remote: Option<&Remote>,
    name: &Name,
    commit: Oid,
    random: [u8; 16],
) -> Result<Pushed, RemoteError> {
    let branch = format!("{BRANCHES}{name}");
    let Some(remote) = remote else {
        let lock = AppendLock::take(repo)?;
        let known = repo.read_ref(&branch)?;
        return Ok(match advance(repo, &lock, &branch, known, commit, random)? {
            Moved::Yes => Pushed::Done,
            Moved::Raced => Pushed::Raced,
        });
    };
    push_to(world, repo, remote, commit, &branch, "+")
}
