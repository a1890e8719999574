//! Asking a git host without changing anything, there or here: no ref moves, and what has to be fetched to be looked at
//! goes to a folder that is removed again.

use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::git::{GitError, Repo};
use super::log::BRANCH;
use super::remote::{FETCH, Remote, RemoteError, run, run_with};
use super::world::World;
use crate::core::hash::parse_hex;
use crate::core::history::object::Oid;

/// Where temporary folders are made if `TMPDIR` does not say.
const TEMPORARY: &str = "/tmp";

/// Asks the host for the commit that the log's branch stands at; none if it has no such branch.
///
/// # Errors
/// The host can't be reached.
pub fn advertised(world: &World, repo: &Repo, remote: &Remote) -> Result<Option<Oid>, RemoteError> {
    let args = ["ls-remote", "--", &remote.name, BRANCH].map(OsString::from);
    let said = run(world, Some(repo), &args)?;
    if !said.status.success() {
        return Err(RemoteError::failed("asking the remote", remote, said));
    }
    let line = said.out.lines().find_map(|line| line.split_once('\t').filter(|(_, name)| *name == BRANCH));
    Ok(line.and_then(|(oid, _)| parse_hex(oid.as_bytes())).map(Oid))
}

/// A folder for objects, gone when it is dropped.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes it, for nobody else to enter. `random` names it.
    ///
    /// # Errors
    /// It can't be made.
    pub fn new(world: &World, random: [u8; 16]) -> Result<Scratch, GitError> {
        let parent = world.path_var("TMPDIR").unwrap_or_else(|| PathBuf::from(TEMPORARY));
        let path = parent.join(format!("jit-doctor-{:032x}", u128::from_be_bytes(random)));
        DirBuilder::new().mode(0o700).create(&path).map_err(GitError::io("making the folder", &path))?;
        Ok(Scratch { path })
    }

    /// Returns where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What can't be removed is a few kilobytes among the temporary files.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Fetches the log's branch into `scratch` alone: no ref of the repository moves, and none of its objects is added to.
///
/// # Errors
/// The host can't be reached.
pub fn bring(world: &World, repo: &Repo, remote: &Remote, scratch: &Scratch) -> Result<(), RemoteError> {
    let args: Vec<OsString> =
        FETCH.iter().copied().chain(["--quiet", "--", &remote.name, BRANCH]).map(OsString::from).collect();
    let own = repo.common_dir().join("objects");
    let vars =
        [("GIT_OBJECT_DIRECTORY", scratch.path().as_os_str()), ("GIT_ALTERNATE_OBJECT_DIRECTORIES", own.as_os_str())];
    let said = run_with(world, Some(repo), &args, &vars)?;
    if said.status.success() { Ok(()) } else { Err(RemoteError::failed("fetching from the remote", remote, said)) }
}

/// Asks the host whether it takes pushes from us at all, by a dry run that sends nothing: no hook is run for it, and no
/// rule about branches asked.
///
/// # Errors
/// The host can't be reached, or lets us read only; with its words.
pub fn may_push(world: &World, repo: &Repo, remote: &Remote, tip: Oid) -> Result<(), RemoteError> {
    let refspec = format!("{tip}:{BRANCH}");
    let options = ["push", "--dry-run", "--porcelain", "--no-verify", "--no-follow-tags", "--recurse-submodules=no"];
    let mut args: Vec<OsString> = options.map(OsString::from).to_vec();
    args.extend(["--", &remote.name, &refspec].map(OsString::from));
    let said = run(world, Some(repo), &args)?;
    // That others were first shows that we were heard.
    let was_heard = said.out.lines().any(|line| line.split('\t').nth(1).is_some_and(|refs| refs.ends_with(BRANCH)));
    if said.status.success() || was_heard {
        return Ok(());
    }
    Err(RemoteError::failed("asking the remote for a push", remote, said))
}
