//! A git repository on this machine: opening it, and reading its refs and objects.
//!
//! Reads go through libgit2, which checks that the repository belongs to who runs this. That each object has the hash it is
//! named by is checked here, in a tenth of the time: libgit2 would also look for what attacks on SHA-1 leave behind, for as
//! long as it takes to verify a fourth of a segment's signatures. Git does so when it lets an object in, and nothing here
//! rests on SHA-1: lines are held against roots and policies against digests, which are SHA-256.
//!
//! libgit2 maps packs into memory and keeps all of them that it has touched, so objects are read through a handle of their own
//! that is made anew after much has been read (`Reading`): a whole log is read in as little memory as a part of it.
//!
//! Trees and commits are taken from libgit2 as bytes and read by the core, which is stricter. Sizes are looked at before
//! objects are read.

mod error;

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use git2::{ErrorCode, ObjectType, Odb, Repository};

pub use self::error::GitError;
use super::keys::GitKeyConfig;
use crate::core::history::object::{
    Author, CommitHead, MAX_COMMIT_SIZE, MAX_TREE_SIZE, Objects, Oid, TreeEntry, id_of, parse_commit, parse_tree,
};

/// After how many bytes of objects the handle that they are read through is made anew, which takes as long as it does to
/// read some of them. So few since a pack's index counts too: of a log with a commit for each of a million lines it has 160 MiB,
/// and each object that is looked for there lets the system map some 64 KiB more of it.
const MUCH: u64 = 4 << 20;

/// An open repository.
pub struct Repo {
    pub(crate) git: Repository,
    reading: RefCell<Reading>,
}

/// What objects are read through.
#[derive(Default)]
struct Reading {
    /// None before the first is read.
    handle: Option<Odb<'static>>,
    /// How many bytes of objects were read through it.
    bytes: u64,
    /// The folders of objects beside the repository's own.
    more: Vec<String>,
}

impl Reading {
    /// Returns the handle, after `bytes` more are read through it; none where the folder has no name that libgit2 takes.
    fn handle(&mut self, objects: &Path, bytes: u64) -> Result<Option<&Odb<'static>>, git2::Error> {
        let Some(folder) = objects.to_str() else { return Ok(None) };
        if self.bytes > MUCH {
            // The old one goes first: what it maps is mapped as long as there is any.
            *self = Reading { more: std::mem::take(&mut self.more), ..Reading::default() };
        }
        self.bytes = self.bytes.saturating_add(bytes);
        if self.handle.is_none() {
            let new = Odb::new()?;
            for folder in [folder].into_iter().chain(self.more.iter().map(String::as_str)) {
                new.add_disk_alternate(folder)?;
            }
            self.handle = Some(new);
        }
        Ok(self.handle.as_ref())
    }
}

impl Repo {
    /// Opens the repository at `path`: a work tree, its `.git`, or a bare repository.
    ///
    /// # Errors
    /// There is none, it belongs to another user, or it is of a kind that libgit2 can't read.
    pub fn open(path: &Path) -> Result<Repo, GitError> {
        match Repository::open(path) {
            Ok(git) => Ok(Repo::of(git)),
            Err(error) => Err(why_not_open(path, error)),
        }
    }

    fn of(git: Repository) -> Repo {
        // [`Repo::read`] looks at hashes itself, and whoever reads an object more than once keeps it.
        git2::opts::strict_hash_verification(false);
        git2::opts::enable_caching(false);
        Repo { git, reading: RefCell::default() }
    }

    /// Opens the repository around the folder `from`; none if there is none.
    ///
    /// # Errors
    /// As [`Repo::open`], and where `from` can't be looked at.
    pub fn discover(from: &Path) -> Result<Option<Repo>, GitError> {
        match Repository::discover_path(from, std::iter::empty::<&Path>()) {
            Ok(found) => Repo::open(&found).map(Some),
            Err(error) if error.code() == ErrorCode::NotFound && from.is_dir() => Ok(None),
            Err(error) => Err(why_not_open(from, error)),
        }
    }

    /// Opens the repository whose work tree, or which itself, is the folder `at`; none if there is none just there. One
    /// that stands further up does not count.
    ///
    /// # Errors
    /// As [`Repo::open`].
    pub fn discover_at(at: &Path) -> Result<Option<Repo>, GitError> {
        match Repository::open(at) {
            Ok(git) => Ok(Some(Repo::of(git))),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(why_not_open(at, error)),
        }
    }

    /// Returns what git's configuration says about signing.
    ///
    /// # Errors
    /// The configuration can't be read.
    pub fn key_config(&self) -> Result<GitKeyConfig, GitError> {
        let failed = |error| GitError::git("reading git's configuration", error);
        let config = self.git.config().and_then(|mut config| config.snapshot()).map_err(failed)?;
        let get = |key: &str| match config.get_string(key) {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(failed(error)),
        };
        Ok(GitKeyConfig { format: get("gpg.format")?, signingkey: get("user.signingkey")? })
    }

    /// Reads objects from this folder too: git keeps apart what is being pushed until it is let in.
    ///
    /// # Errors
    /// It is no folder of objects.
    pub fn add_objects(&self, folder: &Path) -> Result<(), GitError> {
        let failed = |error| GitError::git(format!("opening the objects in {}", folder.display()), error);
        let text = folder.to_str().ok_or_else(|| failed(git2::Error::from_str("its name is not UTF-8")))?;
        self.git.odb().and_then(|odb| odb.add_disk_alternate(text)).map_err(failed)?;
        let mut reading = self.reading.borrow_mut();
        reading.handle = None;
        reading.more.push(text.to_owned());
        Ok(())
    }

    /// Returns the name of the remote that holds the log: `origin`, else the only one; none if there is none, or nobody
    /// can say which.
    ///
    /// # Errors
    /// Git's configuration can't be read.
    pub fn remote_name(&self) -> Result<Option<String>, GitError> {
        let names = self.remote_names()?;
        Ok(match names.as_slice() {
            [only] => Some(only.clone()),
            several => several.iter().find(|name| *name == "origin").cloned(),
        })
    }

    /// Returns the names of all remotes.
    ///
    /// # Errors
    /// Git's configuration can't be read.
    pub fn remote_names(&self) -> Result<Vec<String>, GitError> {
        let failed = |error| GitError::git("listing the remotes", error);
        let config = self.git.config().map_err(failed)?;
        let mut entries = config.entries(None).map_err(failed)?;
        let mut names = Vec::new();
        // As libgit2 lists them, which compiles a regular expression to do so: a gate asks at each start.
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(failed)?;
            if let Some(name) = remote_of(entry.name_bytes()) {
                names.push(
                    str::from_utf8(name).map_err(|why| failed(git2::Error::from_str(&why.to_string())))?.to_owned(),
                );
            }
        }
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    /// Returns the URL of a remote as it is configured, without a password that stands in it.
    pub fn shown_url(&self, remote: &str) -> Option<String> {
        let remote = self.git.find_remote(remote).ok()?;
        remote.url().ok().map(without_password)
    }

    /// Returns git's `core.sharedRepository`, if it is set.
    pub fn shared(&self) -> Option<String> {
        self.git.config().ok()?.get_string("core.sharedRepository").ok()
    }

    /// Returns the host of the remote where it is reached by ssh: its section of the ssh configuration may name an agent.
    pub fn remote_host(&self) -> Option<String> {
        let name = self.remote_name().ok().flatten()?;
        let remote = self.git.find_remote(&name).ok()?;
        ssh_host(remote.url().ok()?)
    }

    /// Makes a repository with a work tree at `path`, on branch `main`; one that is there already stays as it is.
    ///
    /// # Errors
    /// The folder can't be made or written to.
    pub fn init(path: &Path) -> Result<Repo, GitError> {
        let mut options = git2::RepositoryInitOptions::new();
        options.initial_head("main").mkpath(true);
        Repository::init_opts(path, &options).map_err(|error| why_not_open(path, error))?;
        Repo::open(path)
    }

    /// Returns the folder that all work trees share: refs and objects are under it.
    pub fn common_dir(&self) -> &Path {
        self.git.commondir()
    }

    /// Returns the work tree; none in a bare repository.
    pub fn work_dir(&self) -> Option<&Path> {
        self.git.workdir()
    }

    /// Returns what people call this repository: its work tree, else its own folder; without a slash at the end.
    pub fn shown_path(&self) -> PathBuf {
        self.git.workdir().unwrap_or_else(|| self.git.path()).components().collect()
    }

    /// Tells whether history is cut off, so that nothing can be verified from the first commit.
    pub fn is_shallow(&self) -> bool {
        self.git.is_shallow()
    }

    /// Returns the commit that a ref names, such as `refs/heads/main`; none if there is no such ref.
    ///
    /// # Errors
    /// The ref is symbolic or can't be read.
    pub fn read_ref(&self, name: &str) -> Result<Option<Oid>, GitError> {
        match self.git.find_reference(name) {
            Ok(found) => match found.target() {
                Some(oid) => to_oid(oid).map(Some),
                None => Err(GitError::Symbolic(name.to_owned())),
            },
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(GitError::git(format!("reading {name}"), error)),
        }
    }

    /// Tells whether one commit comes before another in its history.
    ///
    /// # Errors
    /// A commit can't be read.
    pub fn is_before(&self, earlier: Oid, later: Oid) -> Result<bool, GitError> {
        let comes = self.git.graph_descendant_of(from_oid(later)?, from_oid(earlier)?);
        comes.map_err(|error| GitError::git("comparing commits", error))
    }

    /// Returns the branch that is checked out, without `refs/heads/`; none where HEAD names none.
    pub fn branch(&self) -> Option<String> {
        let head = self.git.find_reference("HEAD").ok()?;
        let target = head.symbolic_target().ok().flatten()?;
        target.strip_prefix("refs/heads/").map(str::to_owned)
    }

    /// Makes a ref of ours that stands for a moment: nothing is flushed, and whatever it was before it is no more.
    ///
    /// # Errors
    /// The repository can't be written to.
    pub fn make_ref(&self, name: &str, commit: Oid) -> Result<(), GitError> {
        let made = self.git.reference(name, from_oid(commit)?, true, "");
        made.map(|_| ()).map_err(|error| GitError::git(format!("making {name}"), error))
    }

    /// Removes a ref, if it is there.
    ///
    /// # Errors
    /// The repository can't be written to.
    pub fn remove_ref(&self, name: &str) -> Result<(), GitError> {
        match self.git.find_reference(name).and_then(|mut found| found.delete()) {
            Ok(()) => Ok(()),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(()),
            Err(error) => Err(GitError::git(format!("removing {name}"), error)),
        }
    }

    /// Returns the commit that `spec` names as git reads it: `HEAD`, a branch, a tag, a (short) id.
    ///
    /// # Errors
    /// There is no such commit, or several.
    pub fn resolve_commit(&self, spec: &str) -> Result<Oid, GitError> {
        let object = self.git.revparse_single(spec);
        let commit = object.and_then(|object| object.peel_to_commit());
        match commit {
            Ok(commit) => to_oid(commit.id()),
            Err(source) => Err(GitError::NoCommit { spec: spec.to_owned(), source }),
        }
    }

    /// Returns who commits here: git's `user.name` and `user.email`; what is not set is taken from `fallback`.
    ///
    /// # Errors
    /// The configuration can't be read.
    pub fn author(&self, fallback: &Author) -> Result<Author, GitError> {
        let failed = |error| GitError::git("reading git's configuration", error);
        let config = self.git.config().and_then(|mut config| config.snapshot()).map_err(failed)?;
        let get = |key: &str, fallback: &str| match config.get_string(key) {
            Ok(value) if !value.trim().is_empty() => Ok(value),
            Ok(_) => Ok(fallback.to_owned()),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(fallback.to_owned()),
            Err(error) => Err(failed(error)),
        };
        Ok(Author { name: get("user.name", &fallback.name)?, email: get("user.email", &fallback.email)? })
    }

    /// Reads an object of this kind and at most `limit` bytes, and lets `take` have them; none if it is another or larger.
    pub(super) fn read<T>(
        &self,
        oid: Oid,
        kind: ObjectType,
        limit: u64,
        take: impl FnOnce(&[u8]) -> T,
    ) -> Result<Option<T>, GitError> {
        let unreadable = |source| GitError::Object { oid, source };
        let (size, found) = self.header(oid)?;
        if found != kind || size > limit {
            return Ok(None);
        }
        let id = from_oid(oid)?;
        let checked = |odb: &Odb<'_>| {
            let object = odb.read(id)?;
            let data = object.data();
            match id_of(kind.str(), data) == oid {
                true => Ok(Some(take(data))),
                false => Err(git2::Error::from_str("what it holds is not what it is named by")),
            }
        };
        self.through(size, checked).map_err(unreadable)
    }

    fn header(&self, oid: Oid) -> Result<(u64, ObjectType), GitError> {
        let unreadable = |source| GitError::Object { oid, source };
        let id = from_oid(oid)?;
        let (size, kind) = self.through(0, |odb| odb.read_header(id)).map_err(unreadable)?;
        Ok((size as u64, kind))
    }

    /// Reads objects, of so many bytes.
    fn through<T>(&self, bytes: u64, read: impl FnOnce(&Odb<'_>) -> Result<T, git2::Error>) -> Result<T, git2::Error> {
        match self.reading.borrow_mut().handle(&self.git.commondir().join("objects"), bytes)? {
            Some(odb) => read(odb),
            None => self.git.odb().and_then(|odb| read(&odb)),
        }
    }
}

impl Objects for Repo {
    type Error = GitError;

    fn tree(&self, oid: Oid) -> Result<Option<Rc<[TreeEntry]>>, GitError> {
        Ok(self.read(oid, ObjectType::Tree, MAX_TREE_SIZE, parse_tree)?.flatten().map(Rc::from))
    }

    fn blob_size(&self, oid: Oid) -> Result<Option<u64>, GitError> {
        let (size, kind) = self.header(oid)?;
        Ok((kind == ObjectType::Blob).then_some(size))
    }

    fn blob(&self, oid: Oid, limit: u64) -> Result<Option<Rc<[u8]>>, GitError> {
        self.read(oid, ObjectType::Blob, limit, |bytes| Rc::from(bytes))
    }

    fn commit(&self, oid: Oid) -> Result<Option<CommitHead>, GitError> {
        Ok(self.read(oid, ObjectType::Commit, MAX_COMMIT_SIZE, parse_commit)?.flatten())
    }
}

/// Returns the host of an ssh URL, `ssh://[user@]host[:port]/path` or `[user@]host:path`.
fn ssh_host(url: &str) -> Option<String> {
    let (authority, is_short) = match url.strip_prefix("ssh://") {
        Some(rest) => (rest.split('/').next()?, false),
        None if url.contains("://") => return None,
        None => (url.split_once(':').filter(|(before, _)| !before.contains('/'))?.0, true),
    };
    let host = authority.rsplit('@').next()?;
    let host = if is_short { host } else { host.split(':').next()? };
    (!host.is_empty()).then(|| host.to_owned())
}

/// Hides what stands between the name and the host of a URL such as `https://name:password@host/path`.
fn without_password(url: &str) -> String {
    let hidden = || {
        let (scheme, rest) = url.split_once("://")?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (login, host) = authority.rsplit_once('@')?;
        let name = login.split_once(':')?.0;
        Some(format!("{scheme}://{name}:…@{host}{path}"))
    };
    hidden().unwrap_or_else(|| url.to_owned())
}

/// Returns the remote whose URL a key of git's configuration is for.
fn remote_of(key: &[u8]) -> Option<&[u8]> {
    let rest = key.strip_prefix(b"remote.")?;
    rest.strip_suffix(b".url").or_else(|| rest.strip_suffix(b".pushurl"))
}

pub(crate) fn to_oid(oid: git2::Oid) -> Result<Oid, GitError> {
    let bytes = oid.as_bytes().first_chunk().copied().map(Oid);
    bytes.ok_or_else(|| GitError::git("reading an object id", git2::Error::from_str("it is no SHA-1")))
}

pub(crate) fn from_oid(oid: Oid) -> Result<git2::Oid, GitError> {
    git2::Oid::from_bytes(&oid.0).map_err(|error| GitError::git("reading an object id", error))
}

/// libgit2 has one code for what it can't read; what it was stands in its message only.
fn why_not_open(path: &Path, error: git2::Error) -> GitError {
    let path = path.to_owned();
    match error.code() {
        ErrorCode::Owner => GitError::Owner(path),
        ErrorCode::NotFound => GitError::NoRepo(path),
        ErrorCode::Locked => GitError::Locked(lock_of_making(&path)),
        _ if error.message().contains("object format") => {
            GitError::Unsupported { path, what: "objects that are not SHA-1" }
        }
        _ if error.message().contains("refstorage") => GitError::Unsupported { path, what: "refs that are not files" },
        _ => GitError::git(format!("opening {}", path.display()), error),
    }
}

/// Returns the lock that keeps a repository from being made or opened: what was killed while it made one leaves that of
/// either file behind, and libgit2 does not say which.
fn lock_of_making(path: &Path) -> PathBuf {
    let [head, config] = ["HEAD.lock", "config.lock"].map(|lock| path.join(".git").join(lock));
    if fs::symlink_metadata(&head).is_ok() { head } else { config }
}

/// Escapes what a terminal would act upon or not show: names, paths and git's words about them.
pub(crate) fn escaped(text: &str) -> String {
    let plain = |c: char| matches!(c, '\'' | '"' | '\\');
    text.chars().map(|c| if plain(c) { c.to_string() } else { c.escape_debug().to_string() }).collect()
}
