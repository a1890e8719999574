//! The files of a policy, as they stand in a commit or in the log's tree, and their digest.
//!
//! A policy is `jit.toml` and all `*.toml` files under `identities/`, `policies/`, `targets/` and `tests/`. All of
//! them are in the digest that maintainers sign; [`super::load`] reads only the first three kinds of place.

use std::collections::BTreeMap;
use std::fmt;

use sha2::{Digest, Sha256};

use crate::core::hash::Hash;
use crate::core::name::{Name, NameError, is_name};
use crate::core::policy::diagnostic::escape;

/// The most files a policy may have.
pub const MAX_FILES: usize = 10_000;
/// The most bytes all files of a policy may have together.
pub const MAX_TOTAL_BYTES: usize = 16 * 1024 * 1024;

/// The longest path of a file, in bytes.
pub(super) const MAX_PATH_LEN: usize = 1024;

/// The settings of a policy: its format, name, maintainers.
pub const SETTINGS: &str = "jit.toml";
/// The folders whose files are part of a policy.
pub const FOLDERS: [&str; 4] = ["identities", "policies", "targets", "tests"];
const EXTENSION: &str = ".toml";

/// The files of a policy by path, sorted by path bytes; every path is one that [`is_policy_path`] takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyFiles(BTreeMap<String, Vec<u8>>);

impl PolicyFiles {
    /// Takes files, in any order.
    ///
    /// # Errors
    /// A path that is none of a policy's, a path twice, more than [`MAX_FILES`] files or [`MAX_TOTAL_BYTES`] bytes.
    pub fn new(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Result<PolicyFiles, FilesError> {
        let mut taken = BTreeMap::new();
        let mut bytes: usize = 0;
        for (path, content) in files {
            check_path(&path)?;
            bytes = bytes.saturating_add(content.len());
            if bytes > MAX_TOTAL_BYTES {
                return Err(FilesError::TooLarge(path));
            }
            if taken.len() >= MAX_FILES {
                return Err(FilesError::TooMany(path));
            }
            if taken.contains_key(&path) {
                return Err(FilesError::Twice(path));
            }
            taken.insert(path, content);
        }
        Ok(PolicyFiles(taken))
    }

    /// Returns the SHA-256 of what `sha256sum` prints over the files, sorted by path bytes: of each file its SHA-256
    /// in lower-case hex, two spaces, its path, a line feed.
    pub fn digest(&self) -> Hash {
        digest_of(self.0.iter().map(|(path, content)| (path.as_str(), Hash::of(content))))
    }

    /// Tells whether there is no file.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Iterates over paths and contents, sorted by path bytes.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(path, content)| (path.as_str(), content.as_slice()))
    }

    /// Returns the content of the file at `path`.
    pub fn get(&self, path: &str) -> Option<&[u8]> {
        self.0.get(path).map(Vec::as_slice)
    }
}

/// Returns the digest of the files with these paths, sorted by their bytes, and these SHA-256.
pub(crate) fn digest_of<'a>(files: impl Iterator<Item = (&'a str, Hash)>) -> Hash {
    let mut sums = Sha256::new();
    for (path, sum) in files {
        sums.update(format!("{sum}  {path}\n"));
    }
    Hash(sums.finalize().into())
}

/// Tells whether a file at `path` (segments joined by `/`) is part of a policy.
pub fn is_policy_path(path: &str) -> bool {
    check_path(path).is_ok()
}

/// Tells whether [`is_policy_path`] takes the file `name` in `folder`, which is empty or ends with `/` and is one that
/// [`is_policy_folder`] took: what it took is not looked at again.
pub(crate) fn is_policy_file(folder: &str, name: &str) -> bool {
    match folder {
        "" => name == SETTINGS,
        folder => is_name(name) && name.ends_with(EXTENSION) && folder.len() + name.len() <= MAX_PATH_LEN,
    }
}

/// Tells whether files that [`is_policy_path`] takes may stand in the folder `name` in `folder`, given as for
/// [`is_policy_file`]. There must be room for a name of one letter.
pub(crate) fn is_policy_folder(folder: &str, name: &str) -> bool {
    let shortest = folder.len() + name.len() + "/a".len() + EXTENSION.len();
    let is_named = if folder.is_empty() { FOLDERS.contains(&name) } else { is_name(name) };
    is_named && shortest <= MAX_PATH_LEN
}

fn check_path(path: &str) -> Result<(), FilesError> {
    if path.len() > MAX_PATH_LEN {
        return Err(FilesError::Long(path.len()));
    }
    if path == SETTINGS {
        return Ok(());
    }
    let inside = path.split_once('/').filter(|(folder, _)| FOLDERS.contains(folder));
    let Some((_, inside)) = inside else { return Err(FilesError::Place(path.to_owned())) };
    for segment in inside.split('/') {
        segment.parse::<Name>().map_err(|why| FilesError::Segment(path.to_owned(), why))?;
    }
    if path.ends_with(EXTENSION) { Ok(()) } else { Err(FilesError::Extension(path.to_owned())) }
}

/// Why files are not those of a policy; each names the path at fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilesError {
    /// It is neither jit.toml nor under one of the folders of a policy.
    Place(String),
    /// Its path has so many bytes, more than 1,024.
    Long(usize),
    /// It does not end in `.toml`.
    Extension(String),
    /// A part of the path is no name.
    Segment(String, NameError),
    /// It is there twice.
    Twice(String),
    /// With it there are more than [`MAX_FILES`] files.
    TooMany(String),
    /// With it there are more than [`MAX_TOTAL_BYTES`] bytes.
    TooLarge(String),
}

impl fmt::Display for FilesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FilesError::Place(path) => write!(
                f,
                "`{}` is not part of a policy: only jit.toml and what is under identities/, policies/, targets/ and tests/",
                escape(path)
            ),
            FilesError::Long(len) => {
                write!(f, "the path of a policy's file has at most {MAX_PATH_LEN} bytes, not {len}")
            }
            FilesError::Extension(path) => {
                write!(f, "`{}` is not part of a policy: its files end in {EXTENSION}", escape(path))
            }
            FilesError::Segment(path, why) => write!(f, "`{}` is not part of a policy: {why}", escape(path)),
            FilesError::Twice(path) => write!(f, "`{}` is there twice", escape(path)),
            FilesError::TooMany(path) => {
                write!(f, "a policy has at most {MAX_FILES} files; `{}` is one too many", escape(path))
            }
            FilesError::TooLarge(path) => {
                write!(f, "a policy has at most {MAX_TOTAL_BYTES} bytes; with `{}` it has more", escape(path))
            }
        }
    }
}

impl std::error::Error for FilesError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(list: &[(&str, &str)]) -> Result<PolicyFiles, FilesError> {
        PolicyFiles::new(list.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())))
    }

    #[test]
    fn paths_that_are_and_paths_that_are_not() {
        for good in [
            "jit.toml",
            "identities/people.toml",
            "policies/a/b/c.toml",
            "tests/t.toml",
            "targets/t.toml",
            "policies/0.toml",
            "identities/a..toml",
        ] {
            assert!(is_policy_path(good), "{good:?}");
        }
        for bad in [
            "",
            "/",
            "jit.toml/",
            "./jit.toml",
            "/jit.toml",
            "Jit.toml",
            "a.toml",
            "identities",
            "identities/",
            "identities/.toml",
            "identities/people.TOML",
            "identities/people",
            "identities/README.md",
            "identities/../jit.toml",
            "identities/./a.toml",
            "identities//a.toml",
            "identities/a.toml/",
            "identities/A.toml",
            "identities/a b.toml",
            "identities/a\\b.toml",
            "identities/a\n.toml",
            "audit/a.toml",
            "policy/a.toml",
            "other/identities/a.toml",
            "identities/-a.toml",
            &format!("identities/{}.toml", "a".repeat(60)),
        ] {
            assert!(!is_policy_path(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_path_is_checked_step_by_step_as_it_is_as_a_whole() {
        let deep = "a/".repeat(505);
        let names = ["jit.toml", "tests", "a", "a.toml", ".toml", "toml", "A.toml", "a.TOML", "é.toml", "..", ""];
        let mut taken = 0;
        for folder in ["", "tests/", "tests/a/", &format!("tests/{deep}"), &format!("tests/{deep}aaa/")] {
            for name in names.iter().copied().chain(["aaaaaaa.toml", "aaaaaaaa.toml", "aaaaaaaaa.toml"]) {
                let path = format!("{folder}{name}");
                assert_eq!(is_policy_file(folder, name), is_policy_path(&path), "{path}");
                assert_eq!(is_policy_folder(folder, name), is_policy_path(&format!("{path}/a.toml")), "{path}");
                taken += usize::from(is_policy_file(folder, name));
            }
        }
        assert!(taken > 5, "{taken}");
    }

    #[test]
    fn the_digest_is_that_of_sha256sum() {
        // jit.toml holds `format = 1` and a line feed, identities/a.toml nothing:
        // sha256sum identities/a.toml jit.toml | sha256sum
        let two = files(&[("jit.toml", "format = 1\n"), ("identities/a.toml", "")]).unwrap();
        let hex = two.digest().to_string();
        assert_eq!(hex, "178d99db601f10d53cb6e96f5e644a0c8e7325019a86de6b88d1c9a0492eed90");
        let none = files(&[]).unwrap().digest().to_string();
        assert_eq!(none, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn order_does_not_matter_and_paths_sort_by_bytes() {
        let list = [("tests/a/b.toml", "1"), ("tests/a.toml", "2"), ("jit.toml", "3"), ("tests/a-b.toml", "4")];
        let one = files(&list).unwrap();
        let mut reversed = list;
        reversed.reverse();
        assert_eq!(one, files(&reversed).unwrap());
        let paths: Vec<&str> = one.iter().map(|(path, _)| path).collect();
        assert_eq!(paths, ["jit.toml", "tests/a-b.toml", "tests/a.toml", "tests/a/b.toml"]);
        assert_eq!(one.get("tests/a.toml"), Some(&b"2"[..]));
    }

    #[test]
    fn limits_name_the_path() {
        assert_eq!(files(&[("jit.toml", ""), ("jit.toml", "")]), Err(FilesError::Twice("jit.toml".to_owned())));
        let path = |n: usize| format!("tests/{n}.toml");
        let many = |n: usize| PolicyFiles::new((0..n).map(|n| (path(n), Vec::new())));
        assert!(many(MAX_FILES).is_ok());
        assert_eq!(many(MAX_FILES + 1), Err(FilesError::TooMany(path(MAX_FILES))));
        let large =
            |extra: usize| PolicyFiles::new([(path(0), vec![b'#'; MAX_TOTAL_BYTES]), (path(1), vec![b'#'; extra])]);
        assert!(large(0).is_ok());
        assert_eq!(large(1), Err(FilesError::TooLarge(path(1))));
        let error = files(&[("x\u{1b}[2J", "")]).unwrap_err().to_string();
        assert!(error.contains("x\\u{1b}[2J") && !error.contains('\u{1b}'), "{error}");
    }
}
