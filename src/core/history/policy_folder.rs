//! The files of one policy in the log's tree, under `policy/<line>/`: which may stand there, and their digest.
//!
//! They are `jit.toml` and `*.toml` under `identities/`, `policies/`, `targets/` and `tests/`, regular files of mode
//! 100644, every path segment a name. The digest is the SHA-256 of what `sha256sum` would print over them, sorted by
//! the bytes of their paths.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::object::{MODE_FILE, MODE_FOLDER, Objects, Oid, TreeEntry};
use super::segment::{POLICY, Tail, TreeError, policy_folder_name, read_folder, read_root};
use super::void::Void;
use crate::core::hash::Hash;
use crate::core::policy::{
    FOLDERS, MAX_FILES, MAX_TOTAL_BYTES, PolicyFiles, SETTINGS, digest_of, is_policy_file, is_policy_folder,
};

/// Returns the files of the policy that line number `line` of a log proposes; none if it has no folder.
///
/// # Errors
/// An object is missing or damaged; void if the tail was not that of a valid commit.
pub fn read_policy<O: Objects + ?Sized>(
    objects: &O,
    tail: &Tail,
    line: u64,
) -> Result<Option<PolicyFiles>, TreeError<O::Error>> {
    let (_, Some(policies)) = read_root(objects, tail.tree)? else {
        return Ok(None);
    };
    let name = policy_folder_name(line);
    let entries = read_folder(objects, policies, POLICY)?;
    let Some(entry) = entries.iter().find(|entry| entry.name == name.as_bytes()) else {
        return Ok(None);
    };
    read_policy_folder(objects, entry.oid, &format!("{POLICY}/{name}")).map(Some)
}

/// Reads the policy files of a commit on a normal branch, where other files may stand beside them, though not under
/// the policy's own folders.
///
/// # Errors
/// An object is missing or damaged; void, with the path in the tree, if something else is where policy files stand.
pub fn read_policy_tree<O: Objects + ?Sized>(objects: &O, tree: Oid) -> Result<PolicyFiles, TreeError<O::Error>> {
    read_files(objects, list(objects, tree, "", Others::MayStandBeside)?, "")
}

/// What is known already from the commits before: the digests of folders, the sums of files, and a segment. One folder may stand under any number of policy
/// lines, and one file in any number of folders, though whoever pushed them made it once; so each is summed up once.
#[derive(Default)]
pub(crate) struct Sums {
    folders: BTreeMap<Oid, (u64, Hash)>,
    files: BTreeMap<Oid, (u64, Hash)>,
    /// The segment that was read last: the next commit is held against it.
    pub(super) last_segment: Option<(Oid, Rc<[u8]>)>,
}

/// Returns the digest of a folder of policy files and nothing but policy files; `at` is its path. Their bytes are taken off
/// `left`, and they are too large if it is less.
pub(crate) fn digest_policy_folder<O: Objects + ?Sized>(
    objects: &O,
    oid: Oid,
    at: &str,
    sums: &mut Sums,
    left: &mut u64,
) -> Result<Hash, TreeError<O::Error>> {
    let mut take = |size: u64| -> Result<(), Void> {
        *left = left.checked_sub(size).ok_or_else(|| Void::PolicySize(at.to_owned()))?;
        Ok(())
    };
    if let Some((size, digest)) = sums.folders.get(&oid) {
        take(*size)?;
        return Ok(*digest);
    }
    let mut total = 0;
    let mut files = Vec::new();
    for (path, oid) in list(objects, oid, at, Others::None)? {
        let known = sums.files.get(&oid).copied();
        let size = match known {
            Some((size, _)) => Some(size),
            None => objects.blob_size(oid).map_err(TreeError::Objects)?,
        };
        let size = size.ok_or_else(|| Void::Unreadable(join(at, &path)))?;
        take(size)?;
        total += size;
        let sum = match known {
            Some((_, sum)) => sum,
            None => {
                let bytes = objects.blob(oid, MAX_TOTAL_BYTES as u64).map_err(TreeError::Objects)?;
                let sum = Hash::of(&bytes.ok_or_else(|| Void::Unreadable(join(at, &path)))?);
                sums.files.insert(oid, (size, sum));
                sum
            }
        };
        files.push((path, sum));
    }
    let digest = digest_of(files.iter().map(|(path, sum)| (path.as_str(), *sum)));
    sums.folders.insert(oid, (total, digest));
    Ok(digest)
}

/// Reads a folder of policy files and nothing but policy files; `at` is its path.
fn read_policy_folder<O: Objects + ?Sized>(
    objects: &O,
    oid: Oid,
    at: &str,
) -> Result<PolicyFiles, TreeError<O::Error>> {
    read_files(objects, list(objects, oid, at, Others::None)?, at)
}

fn read_files<O: Objects + ?Sized>(
    objects: &O,
    found: Vec<(String, Oid)>,
    at: &str,
) -> Result<PolicyFiles, TreeError<O::Error>> {
    let mut left = MAX_TOTAL_BYTES as u64;
    for (path, oid) in &found {
        let size = objects.blob_size(*oid).map_err(TreeError::Objects)?;
        let size = size.ok_or_else(|| Void::Unreadable(join(at, path)))?;
        left = left.checked_sub(size).ok_or_else(|| Void::PolicySize(at.to_owned()))?;
    }
    let mut files = Vec::new();
    for (path, oid) in found {
        let bytes = objects.blob(oid, MAX_TOTAL_BYTES as u64).map_err(TreeError::Objects)?;
        let bytes = bytes.ok_or_else(|| Void::Unreadable(join(at, &path)))?;
        files.push((path, bytes.to_vec()));
    }
    // Paths, their number and the sizes are checked, so what is left is a file that grew since its size was asked.
    PolicyFiles::new(files).map_err(|_| Void::PolicySize(at.to_owned()).into())
}

fn join(at: &str, path: &str) -> String {
    if at.is_empty() { path.to_owned() } else { format!("{at}/{path}") }
}

/// What else may stand where policy files are.
#[derive(Clone, Copy, PartialEq)]
enum Others {
    None,
    /// Anything, beside `jit.toml` and the four folders.
    MayStandBeside,
}

/// Lists the files without reading them. Every folder holds a file or is void, and none is deeper than a path may be,
/// so the work is bounded however often one folder stands in another: each is read once, and of each path only what is
/// new in it is looked at.
fn list<O: Objects + ?Sized>(
    objects: &O,
    root: Oid,
    at: &str,
    others: Others,
) -> Result<Vec<(String, Oid)>, TreeError<O::Error>> {
    let mut read: BTreeMap<Oid, Rc<[TreeEntry]>> = BTreeMap::new();
    let mut files = Vec::new();
    let mut folders = vec![(String::new(), root)];
    while let Some((folder, oid)) = folders.pop() {
        let entries = match read.get(&oid) {
            Some(entries) => Rc::clone(entries),
            None => {
                let entries = read_folder(objects, oid, &join(at, &folder))?;
                read.insert(oid, Rc::clone(&entries));
                entries
            }
        };
        let skips = folder.is_empty() && others == Others::MayStandBeside;
        if entries.is_empty() && !skips {
            return Err(Void::Empty(join(at, &folder)).into());
        }
        // The last folder found is looked into first: a file is met before many folders wait.
        for entry in &*entries {
            let name = String::from_utf8_lossy(&entry.name);
            if skips && name != SETTINGS && !FOLDERS.contains(&&*name) {
                continue;
            }
            let mut path = String::with_capacity(folder.len() + name.len() + 1);
            path.push_str(&folder);
            path.push_str(&name);
            match entry.mode {
                MODE_FILE if is_policy_file(&folder, &name) => files.push((path, entry.oid)),
                MODE_FOLDER if is_policy_folder(&folder, &name) => {
                    path.push('/');
                    folders.push((path, entry.oid));
                }
                MODE_FILE | MODE_FOLDER => return Err(Void::Stray(join(at, &path)).into()),
                mode => return Err(Void::Mode(join(at, &path), mode).into()),
            }
            if files.len() + folders.len() > MAX_FILES {
                return Err(Void::PolicyFiles(at.to_owned()).into());
            }
        }
    }
    files.sort();
    Ok(files)
}
