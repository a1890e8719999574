//! Why a git repository did not do as asked, and what to do about it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use git2::ErrorCode;

use super::escaped;
use crate::core::history::object::Oid;

/// What went wrong in a git repository.
#[derive(Debug)]
pub enum GitError {
    /// There is no repository at this path.
    NoRepo(PathBuf),
    /// The repository belongs to another user.
    Owner(PathBuf),
    /// The repository is of a kind that libgit2 can't read.
    Unsupported {
        /// Where it is.
        path: PathBuf,
        /// What it has.
        what: &'static str,
    },
    /// The repository's history is cut off.
    Shallow(PathBuf),
    /// This text names no commit.
    NoCommit {
        /// What was given.
        spec: String,
        /// What git makes of it.
        source: git2::Error,
    },
    /// This ref points to another ref.
    Symbolic(String),
    /// An object is missing or damaged.
    Object {
        /// Which.
        oid: Oid,
        /// How.
        source: git2::Error,
    },
    /// Git, or somebody else, holds this lock.
    Locked(PathBuf),
    /// Another jit holds this lock.
    Busy(PathBuf),
    /// A ref of this name stands where a folder of refs must be, or the reverse.
    InTheWay {
        /// The ref that is to be made.
        name: String,
        /// The one that is there.
        other: String,
    },
    /// The repository has no work tree.
    Bare(PathBuf),
    /// HEAD names no branch.
    Detached(PathBuf),
    /// A file with other content is there already, or its folder is no folder.
    FileInTheWay(PathBuf),
    /// A file can't be read or written.
    Io {
        /// What was done, as in "while …".
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Git failed.
    Git {
        /// What was done, as in "while …".
        doing: String,
        /// Why not.
        source: git2::Error,
    },
}

impl GitError {
    pub(crate) fn git(doing: impl Into<String>, source: git2::Error) -> GitError {
        GitError::Git { doing: doing.into(), source }
    }

    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> GitError {
        let path = path.to_owned();
        move |source| GitError::Io { doing, path, source }
    }

    /// Returns what to do about it, if there is a command to type or a thing to change.
    pub fn help(&self) -> Option<String> {
        let shown = |path: &Path| escaped(&path.display().to_string());
        match self {
            GitError::Owner(path) => {
                Some(format!("if you trust it: git config --global --add safe.directory '{}'", shown(path)))
            }
            GitError::Unsupported { .. } => {
                Some("use a repository made by `git init --object-format=sha1 --ref-format=files`".to_owned())
            }
            GitError::Shallow(path) => Some(format!("git -C '{}' fetch --unshallow", shown(path))),
            GitError::Locked(path) => Some(format!("if no git command runs there, remove it: rm '{}'", shown(path))),
            GitError::InTheWay { other, .. } => {
                let branch = other.strip_prefix("refs/heads/")?;
                Some(format!("rename that branch: git branch -m {branch} {}-old", branch.replace('/', "-")))
            }
            GitError::NoRepo(_) => Some("name another with -C DIR, or make one with `jit init`".to_owned()),
            GitError::Object { source, .. } if source.code() == ErrorCode::Locked => Some(
                "who wrote it opens it with chmod g+r; `git config core.sharedRepository group` keeps the next ones open"
                    .to_owned(),
            ),
            GitError::Detached(_) => Some("switch to a branch: git switch main".to_owned()),
            _ => None,
        }
    }
}

impl fmt::Display for GitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |path: &Path| escaped(&path.display().to_string());
        let said = |source: &git2::Error| escaped(source.message());
        match self {
            GitError::NoRepo(path) => write!(f, "there is no git repository at `{}`", shown(path)),
            GitError::Owner(path) => write!(f, "the repository `{}` belongs to another user", shown(path)),
            GitError::Unsupported { path, what } => {
                write!(f, "the repository `{}` has {what}, which can't be read", shown(path))
            }
            GitError::Shallow(path) => {
                write!(f, "the repository `{}` is a shallow clone, so the log can't be verified", shown(path))
            }
            GitError::NoCommit { spec, source } => {
                write!(f, "`{}` names no commit: {}", escaped(spec), said(source))
            }
            GitError::Symbolic(name) => write!(f, "{name} points to another ref, not to a commit"),
            // So libgit2 calls a file that this user may not read.
            GitError::Object { oid, source } if source.code() == ErrorCode::Locked => {
                write!(f, "the object {oid} can't be read: {}", said(source))
            }
            GitError::Object { oid, source } => {
                write!(f, "the object {oid} is missing or damaged: {}", said(source))
            }
            GitError::Locked(path) => write!(f, "`{}` exists: git is working there, or was killed", shown(path)),
            GitError::Busy(path) => write!(f, "another jit has held `{}` for too long", shown(path)),
            GitError::InTheWay { name, other } => {
                write!(f, "{name} can't be made because {} exists", escaped(other))
            }
            GitError::Bare(path) => write!(f, "the repository `{}` has no work tree", shown(path)),
            GitError::Detached(path) => write!(f, "no branch is checked out in `{}`", shown(path)),
            GitError::FileInTheWay(path) => write!(f, "`{}` exists already and is something else", shown(path)),
            GitError::Io { doing, path, source } => write!(f, "while {doing} `{}`: {source}", shown(path)),
            GitError::Git { doing, source } => write!(f, "while {}: {}", escaped(doing), said(source)),
        }
    }
}

impl std::error::Error for GitError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            GitError::Io { source, .. } => Some(source),
            GitError::NoCommit { source, .. } | GitError::Object { source, .. } | GitError::Git { source, .. } => {
                Some(source)
            }
            _ => None,
        }
    }
}
