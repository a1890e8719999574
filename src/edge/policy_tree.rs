//! A policy on a normal branch: what `publish` takes, and what keeps it from being taken.

use std::fmt;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use git2::StatusOptions;

use super::git::{GitError, Repo, escaped};
use crate::core::history::object::{MODE_FILE, Objects as _, Oid};
use crate::core::history::policy_folder::read_policy_tree as read_tree;
use crate::core::history::segment::TreeError;
use crate::core::history::void::Void;
use crate::core::policy::{FOLDERS, FilesError, MAX_FILES, MAX_TOTAL_BYTES, PolicyFiles, SETTINGS, is_policy_path};

/// Reads the policy files of a commit, sorted by their paths. Other files beside `jit.toml` and the policy's folders are
/// left out; anything that is no policy file under those folders is refused by its name.
///
/// # Errors
/// See [`PolicyTreeError`].
pub fn read_policy_tree(repo: &Repo, commit: Oid) -> Result<PolicyFiles, PolicyTreeError> {
    let head = repo.commit(commit)?.ok_or(PolicyTreeError::NoCommit(commit))?;
    read_tree(repo, head.tree).map_err(|error| match error {
        TreeError::Objects(error) => PolicyTreeError::Git(error),
        TreeError::Void(Void::Mode(path, mode)) => PolicyTreeError::Mode(path, mode),
        TreeError::Void(Void::Stray(path) | Void::Empty(path)) => PolicyTreeError::Path(path),
        TreeError::Void(Void::Unreadable(path)) => PolicyTreeError::Unreadable(path),
        TreeError::Void(_) => PolicyTreeError::TooLarge,
    })
}

/// Reads the policy files of a folder, committed or not. Other files beside `jit.toml` and the policy's folders are left
/// out; anything that is no policy file under those folders is refused by its name, as `publish` would.
///
/// # Errors
/// See [`PolicyTreeError`].
pub fn read_folder(folder: &Path) -> Result<PolicyFiles, PolicyTreeError> {
    let (files, rejected) = look_through(folder)?;
    match rejected.into_iter().next() {
        Some(path) => Err(PolicyTreeError::Path(path)),
        None => Ok(files),
    }
}

/// As [`read_folder`], for who wants to say all that is wrong at once: returns what is a policy file, and the paths of what
/// is none, sorted.
///
/// # Errors
/// See [`PolicyTreeError`].
pub fn look_through(folder: &Path) -> Result<(PolicyFiles, Vec<String>), PolicyTreeError> {
    let mut files = Vec::new();
    let mut rejected = Vec::new();
    let settings = folder.join(SETTINGS);
    if fs::symlink_metadata(&settings).is_ok() {
        rejected.extend(read_file(&settings, SETTINGS, &mut files)?);
    }
    let mut waiting: Vec<(PathBuf, String)> =
        FOLDERS.iter().map(|name| (folder.join(name), (*name).to_owned())).collect();
    while let Some((place, path)) = waiting.pop() {
        let entries = match fs::read_dir(&place) {
            Ok(entries) => entries,
            Err(why) if why.kind() == io::ErrorKind::NotFound => continue,
            Err(why) => return Err(PolicyTreeError::Folder(path, why)),
        };
        for entry in entries {
            let entry = entry.map_err(|why| PolicyTreeError::Folder(path.clone(), why))?;
            let inside = format!("{path}/{}", entry.file_name().to_string_lossy());
            let kind = entry.file_type().map_err(|why| PolicyTreeError::Folder(inside.clone(), why))?;
            if kind.is_dir() && is_policy_path(&format!("{inside}/a.toml")) {
                waiting.push((entry.path(), inside));
            } else {
                rejected.extend(read_file(&entry.path(), &inside, &mut files)?);
                if rejected.len() > MAX_FILES {
                    return Err(PolicyTreeError::TooLarge);
                }
            }
        }
    }
    rejected.sort();
    Ok((PolicyFiles::new(files).map_err(PolicyTreeError::Files)?, rejected))
}

/// Reads a file, or returns its path if it is none that can be published.
fn read_file(place: &Path, path: &str, files: &mut Vec<(String, Vec<u8>)>) -> Result<Option<String>, PolicyTreeError> {
    let io = |why| PolicyTreeError::Folder(path.to_owned(), why);
    let data = fs::symlink_metadata(place).map_err(io)?;
    if !data.is_file() || !is_policy_path(path) {
        return Ok(Some(path.to_owned()));
    }
    if data.len() > MAX_TOTAL_BYTES as u64 || files.len() >= MAX_FILES {
        return Err(PolicyTreeError::TooLarge);
    }
    let mut bytes = Vec::new();
    fs::File::open(place).and_then(|file| file.take(MAX_TOTAL_BYTES as u64).read_to_end(&mut bytes)).map_err(io)?;
    files.push((path.to_owned(), bytes));
    Ok(None)
}

/// Lists what is not committed under the policy's paths, in the work tree or in the index, files that git does not know
/// included; sorted. In a bare repository there is nothing.
///
/// # Errors
/// The work tree or the index can't be read.
pub fn dirty_policy_paths(repo: &Repo) -> Result<Vec<String>, GitError> {
    if repo.work_dir().is_none() {
        return Ok(Vec::new());
    }
    let mut options = StatusOptions::new();
    options.include_untracked(true).recurse_untracked_dirs(true).include_ignored(false).disable_pathspec_match(true);
    for path in FOLDERS.iter().chain([&SETTINGS]) {
        options.pathspec(path);
    }
    let failed = |error| GitError::git("comparing the work tree with HEAD", error);
    let statuses = repo.git.statuses(Some(&mut options)).map_err(failed)?;
    let mut paths: Vec<String> =
        statuses.iter().map(|entry| String::from_utf8_lossy(entry.path_bytes()).into_owned()).collect();
    paths.sort();
    paths.dedup();
    Ok(paths)
}

/// Why a commit holds no policy that could be published.
#[derive(Debug)]
pub enum PolicyTreeError {
    /// This object is no commit.
    NoCommit(Oid),
    /// Something is where only policy files may stand; its path.
    Path(String),
    /// Something there is no plain file; its path and mode.
    Mode(String, u32),
    /// An object is not what its folder says; its path.
    Unreadable(String),
    /// There are too many files, or too large ones.
    TooLarge,
    /// A file or folder of the work tree can't be read; its path.
    Folder(String, io::Error),
    /// The files are not what a policy is made of.
    Files(FilesError),
    /// The repository can't be read.
    Git(GitError),
}

impl PolicyTreeError {
    /// Tells whether the files are at fault, rather than something being out of reach.
    pub fn is_in_the_files(&self) -> bool {
        match self {
            PolicyTreeError::Path(_)
            | PolicyTreeError::Mode(..)
            | PolicyTreeError::TooLarge
            | PolicyTreeError::Files(_) => true,
            PolicyTreeError::NoCommit(_)
            | PolicyTreeError::Unreadable(_)
            | PolicyTreeError::Folder(..)
            | PolicyTreeError::Git(_) => false,
        }
    }
}

impl From<GitError> for PolicyTreeError {
    fn from(error: GitError) -> PolicyTreeError {
        PolicyTreeError::Git(error)
    }
}

impl fmt::Display for PolicyTreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PolicyTreeError::NoCommit(oid) => write!(f, "{oid} is not a commit that can be read"),
            PolicyTreeError::Path(path) => write!(
                f,
                "`{}` can't be published: under identities/, policies/, targets/ and tests/ stand only `*.toml` files, \
                 with names of a-z, 0-9, `.`, `_` and `-`",
                escaped(path)
            ),
            PolicyTreeError::Mode(path, mode) => {
                let what = match mode {
                    0o120_000 => "a symbolic link",
                    0o160_000 => "a submodule",
                    0o100_755 => "executable",
                    _ => "no plain file",
                };
                let path = escaped(path);
                write!(f, "`{path}` can't be published: it is {what} (mode {mode:o}, not {MODE_FILE:o})")
            }
            PolicyTreeError::Unreadable(path) => write!(f, "`{}` can't be read from git", escaped(path)),
            PolicyTreeError::TooLarge => {
                let mib = MAX_TOTAL_BYTES >> 20;
                write!(f, "a policy has at most {MAX_FILES} files of {mib} MiB together")
            }
            PolicyTreeError::Folder(path, why) => write!(f, "`{}` can't be read: {why}", path.escape_debug()),
            PolicyTreeError::Files(why) => why.fmt(f),
            PolicyTreeError::Git(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for PolicyTreeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            PolicyTreeError::Git(error) => error.source(),
            PolicyTreeError::Folder(_, why) => Some(why),
            PolicyTreeError::Files(why) => why.source(),
            PolicyTreeError::NoCommit(_)
            | PolicyTreeError::Path(_)
            | PolicyTreeError::Mode(..)
            | PolicyTreeError::Unreadable(_)
            | PolicyTreeError::TooLarge => None,
        }
    }
}
