//! The files of one policy in the log's tree, under `policy/<line>/`: which may stand there, and their digest.
//!
//! They are `jit.toml` and `*.toml` under `identities/`, `policies/`, `targets/` and `tests/`, regular files of mode
//! 100644, every path segment a name. The digest is the SHA-256 of what `sha256sum` would print over them, sorted by
//! the bytes of their paths.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::hash::Hash;
use super::name::{MAX_SEGMENTS, is_name};
use super::object::{MODE_FILE, MODE_FOLDER, Objects, Oid};
use super::segment::{POLICY, Tail, TreeError, policy_folder_name, read_folder, read_root};
use super::void::Void;

/// The most files that a policy has.
pub const MAX_POLICY_FILES: usize = 10_000;
/// The most bytes that a policy's files have together.
pub const MAX_POLICY_SIZE: u64 = 16 << 20;
/// The folders that a policy's files stand in, beside `jit.toml`.
pub const POLICY_FOLDERS: [&str; 4] = ["identities", "policies", "targets", "tests"];
/// The file of a policy that stands in no folder.
pub const POLICY_ROOT_FILE: &str = "jit.toml";

/// A policy's files: the path of each and its bytes.
pub type PolicyFileList = Vec<(String, Vec<u8>)>;

/// Tells whether a policy's file may have this path: at most 16 segments, as a resource has, each of them a name.
pub fn is_policy_path(path: &str) -> bool {
    let named = path.split('/').count() <= MAX_SEGMENTS && path.split('/').all(is_name);
    match path.split_once('/') {
        None => path == POLICY_ROOT_FILE,
        Some((folder, _)) => named && path.ends_with(".toml") && POLICY_FOLDERS.contains(&folder),
    }
}

/// Returns the digest that a policy line names for these files, in any order.
pub fn policy_digest(files: &[(String, Vec<u8>)]) -> Hash {
    // Sorted as text is sorted as bytes.
    let lines: BTreeSet<(&str, Hash)> = files.iter().map(|(path, bytes)| (path.as_str(), Hash::of(bytes))).collect();
    let mut digest = Sha256::new();
    for (path, hash) in lines {
        digest.update(format!("{hash}  {path}\n"));
    }
    Hash(digest.finalize().into())
}

/// Returns the files of the policy that line number `line` of a log proposes; none if it has no folder.
///
/// # Errors
/// An object is missing or damaged; void if the tail was not that of a valid commit.
pub fn read_policy<O: Objects + ?Sized>(
    objects: &O,
    tail: &Tail,
    line: u64,
) -> Result<Option<PolicyFileList>, TreeError<O::Error>> {
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
pub fn read_policy_tree<O: Objects + ?Sized>(objects: &O, tree: Oid) -> Result<PolicyFileList, TreeError<O::Error>> {
    read_files(objects, list(objects, tree, "", Others::MayStandBeside)?, "")
}

/// Reads a folder of policy files and nothing but policy files; `at` is its path.
pub(crate) fn read_policy_folder<O: Objects + ?Sized>(
    objects: &O,
    oid: Oid,
    at: &str,
) -> Result<PolicyFileList, TreeError<O::Error>> {
    read_files(objects, list(objects, oid, at, Others::None)?, at)
}

fn read_files<O: Objects + ?Sized>(
    objects: &O,
    found: Vec<(String, Oid)>,
    at: &str,
) -> Result<PolicyFileList, TreeError<O::Error>> {
    let mut left = MAX_POLICY_SIZE;
    for (path, oid) in &found {
        let size = objects.blob_size(*oid).map_err(TreeError::Objects)?;
        let size = size.ok_or_else(|| Void::Unreadable(join(at, path)))?;
        left = left.checked_sub(size).ok_or_else(|| Void::PolicySize(at.to_owned()))?;
    }
    let mut files = Vec::new();
    for (path, oid) in found {
        let bytes = objects.blob(oid, MAX_POLICY_SIZE).map_err(TreeError::Objects)?;
        let bytes = bytes.ok_or_else(|| Void::Unreadable(join(at, &path)))?;
        files.push((path, bytes));
    }
    Ok(files)
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
/// so the work is bounded however often one folder stands in another.
fn list<O: Objects + ?Sized>(
    objects: &O,
    root: Oid,
    at: &str,
    others: Others,
) -> Result<Vec<(String, Oid)>, TreeError<O::Error>> {
    let mut files = Vec::new();
    let mut folders = vec![(String::new(), root)];
    while let Some((folder, oid)) = folders.pop() {
        let entries = read_folder(objects, oid, &join(at, &folder))?;
        let skips = folder.is_empty() && others == Others::MayStandBeside;
        if entries.is_empty() && !skips {
            return Err(Void::Empty(join(at, &folder)).into());
        }
        // The last folder found is looked into first: a file is met before many folders wait.
        for entry in entries {
            let name = String::from_utf8_lossy(&entry.name);
            if skips && name != POLICY_ROOT_FILE && !POLICY_FOLDERS.contains(&&*name) {
                continue;
            }
            let path = format!("{folder}{name}");
            match entry.mode {
                MODE_FILE if is_policy_path(&path) => files.push((path, entry.oid)),
                MODE_FOLDER if is_policy_path(&format!("{path}/a.toml")) => {
                    folders.push((format!("{path}/"), entry.oid));
                }
                MODE_FILE | MODE_FOLDER => return Err(Void::Stray(join(at, &path)).into()),
                mode => return Err(Void::Mode(join(at, &path), mode).into()),
            }
            if files.len() + folders.len() > MAX_POLICY_FILES {
                return Err(Void::PolicyFiles(at.to_owned()).into());
            }
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_are_and_paths_that_are_not() {
        let deepest = format!("tests/{}a.toml", "a/".repeat(14));
        for good in ["jit.toml", "identities/a.toml", "policies/db/orders-1.toml", "targets/x.toml", &deepest] {
            assert!(is_policy_path(good), "{good}");
        }
        let too_deep = format!("tests/{}a.toml", "a/".repeat(15));
        for bad in [
            "",
            "other.toml",
            "jit.toml/a.toml",
            "identities.toml",
            "identities/a.TOML",
            "identities/a.toml~",
            "identities/.toml",
            "identities/.a.toml",
            "identities/../jit.toml",
            "identities//a.toml",
            "/identities/a.toml",
            "identities/a.toml/",
            "Identities/a.toml",
            "docs/a.toml",
            "policies/é.toml",
            &too_deep,
        ] {
            assert!(!is_policy_path(bad), "{bad}");
        }
    }

    #[test]
    fn the_digest_is_that_of_sha256sum() {
        // printf a >policies/b.toml; printf b >jit.toml; sha256sum jit.toml policies/b.toml | sha256sum
        let files = [("policies/b.toml".to_owned(), b"a".to_vec()), ("jit.toml".to_owned(), b"b".to_vec())];
        let digest = "303788b98b6d0fe409d266aacb5fefd1ca4d62ddc3fff0225e60d413e1da638a";
        assert_eq!(policy_digest(&files).to_string(), digest);
        assert_eq!(policy_digest(&[]), Hash::of(b""));
    }
}
