//! Git objects as values: their ids, and the exact bytes of trees and commits.
//!
//! What a commit of the log may be is judged on bytes that anyone with push rights chose. So trees and commits are
//! read here, strictly and without a git library in between: a tree either has the one form that `git mktree` would
//! write, entry by entry, or it is none. Of a commit only the head is read, as leniently as git itself reads it, so
//! that whatever a git server lets in can be walked past.
//!
//! [`Objects`] is where they are read from and [`Writer`] where they are written to.

use std::cmp::Ordering;
use std::fmt;
use std::rc::Rc;

use sha1::{Digest as _, Sha1};

use crate::core::hash::{parse_hex, write_hex};

/// The mode of a folder.
pub const MODE_FOLDER: u32 = 0o40000;
/// The mode of a regular file that is not executable.
pub const MODE_FILE: u32 = 0o100_644;

/// The largest tree that is read, in bytes: far more than any folder of the log needs.
pub const MAX_TREE_SIZE: u64 = 16 << 20;
/// The largest commit that is read, in bytes. So large since a commit that can't be read can't be walked past.
pub const MAX_COMMIT_SIZE: u64 = 256 << 20;

/// The id of a git object: its SHA-1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Oid(pub [u8; 20]);

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

/// One entry of a tree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TreeEntry {
    /// Any bytes but NUL and `/`; not empty.
    pub name: Vec<u8>,
    /// Such as [`MODE_FILE`].
    pub mode: u32,
    /// The id of the blob, tree or commit.
    pub oid: Oid,
}

/// Reads the bytes of a tree; none if they are not those that git would write for these entries.
pub fn parse_tree(mut bytes: &[u8]) -> Option<Vec<TreeEntry>> {
    let mut entries: Vec<TreeEntry> = Vec::new();
    while !bytes.is_empty() {
        let space = bytes.iter().position(|byte| *byte == b' ')?;
        let (mode, rest) = (bytes.get(..space)?, bytes.get(space + 1..)?);
        let nul = rest.iter().position(|byte| *byte == 0)?;
        let (name, rest) = (rest.get(..nul)?, rest.get(nul + 1..)?);
        let (oid, rest) = rest.split_first_chunk::<20>()?;
        let entry = TreeEntry { name: name.to_vec(), mode: parse_mode(mode)?, oid: Oid(*oid) };
        let in_order = entries.last().is_none_or(|before| tree_order(before, &entry).is_lt());
        if name.is_empty() || name.contains(&b'/') || !in_order {
            return None;
        }
        entries.push(entry);
        bytes = rest;
    }
    are_distinct(&entries).then_some(entries)
}

/// Tells whether entries that stand in [`tree_order`] all have different names.
fn are_distinct(entries: &[TreeEntry]) -> bool {
    let folders = entries.iter().filter(|entry| entry.mode == MODE_FOLDER).count();
    if folders == 0 || folders == entries.len() {
        return true;
    }
    // A file and a folder of one name are not neighbours in git's order.
    let mut names: Vec<&[u8]> = entries.iter().map(|entry| &*entry.name).collect();
    names.sort_unstable();
    names.iter().zip(names.iter().skip(1)).all(|(one, next)| one != next)
}

/// Reads an octal mode without leading zeros.
fn parse_mode(digits: &[u8]) -> Option<u32> {
    if !matches!(digits, [b'1'..=b'7', ..]) || digits.len() > 6 {
        return None;
    }
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()
}

/// Compares as git orders a tree: a folder as if its name ended with `/`.
pub fn tree_order(one: &TreeEntry, other: &TreeEntry) -> Ordering {
    let shared = one.name.len().min(other.name.len());
    let (start, rest) = one.name.split_at(shared);
    let (other_start, other_rest) = other.name.split_at(shared);
    let end = |entry: &TreeEntry| (entry.mode == MODE_FOLDER).then_some(b'/');
    let ended = || rest.iter().copied().chain(end(one)).cmp(other_rest.iter().copied().chain(end(other)));
    start.cmp(other_start).then_with(ended)
}

/// Returns the bytes of the tree with these entries, which must be in [`tree_order`].
pub fn encode_tree<'a>(entries: impl IntoIterator<Item = &'a TreeEntry>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        encode_entry(&mut bytes, &entry.name, entry.mode, entry.oid);
    }
    bytes
}

/// Adds an entry to the bytes of a tree.
pub(super) fn encode_entry(tree: &mut Vec<u8>, name: &[u8], mode: u32, oid: Oid) {
    tree.extend(format!("{mode:o} ").bytes());
    tree.extend(name);
    tree.push(0);
    tree.extend(oid.0);
}

/// Returns the id of an object of this kind (`blob`, `tree`, `commit`), by what is in it.
pub fn id_of(kind: &str, bytes: &[u8]) -> Oid {
    let head = format!("{kind} {}\0", bytes.len());
    Oid(Sha1::new().chain_update(head).chain_update(bytes).finalize().into())
}

/// What the log needs to know of a commit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommitHead {
    /// Its tree.
    pub tree: Oid,
    /// Its parents, in order; one may stand there twice.
    pub parents: Vec<Oid>,
}

/// Reads the head of a commit's bytes; none if git itself could not. Author, date and message are not looked at: the
/// log does not depend on them.
pub fn parse_commit(bytes: &[u8]) -> Option<CommitHead> {
    // Git takes upper-case digits too, and no line without its LF.
    let id = |line: &[u8], word: &[u8]| {
        let digits = line.strip_prefix(word)?.strip_suffix(b"\n")?;
        parse_hex(digits).or_else(|| parse_hex(&digits.to_ascii_lowercase())).map(Oid)
    };
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let tree = id(lines.next()?, b"tree ")?;
    let mut parents = Vec::new();
    for line in lines.take_while(|line| line.starts_with(b"parent ")) {
        parents.push(id(line, b"parent ")?);
    }
    Some(CommitHead { tree, parents })
}

/// Who a commit says made it, and when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Author {
    /// A person's or service's name.
    pub name: String,
    /// Their address; may be empty.
    pub email: String,
}

/// Returns the bytes of a commit by `author` at `now` (seconds since 1970, shown in UTC). What git's form can't hold
/// is left out of the author; NUL bytes are left out of the message, which ends with one LF.
pub fn encode_commit(head: &CommitHead, author: &Author, now: i64, message: &str) -> Vec<u8> {
    use std::fmt::Write as _;
    let clean = |text: &str| text.replace(|c: char| c.is_control() || c == '<' || c == '>', "").trim().to_owned();
    let by = format!("{} <{}> {} +0000", clean(&author.name), clean(&author.email), now.max(0));
    let mut text = format!("tree {}\n", head.tree);
    for parent in &head.parents {
        writeln!(text, "parent {parent}").expect("writing to a string does not fail");
    }
    let message = message.replace('\0', "");
    format!("{text}author {by}\ncommitter {by}\n\n{}\n", message.trim_end()).into_bytes()
}

/// Where objects are read from.
///
/// An object of another kind than asked, one that is not well-formed and one over the limit are answers (`None`): they
/// come from whoever pushed them. One that is missing or damaged is an error: the repository is at fault. What is read can
/// be shared: most of a commit is what the one before was, and is asked for twice.
pub trait Objects {
    /// Why an object can't be read.
    type Error;
    /// Returns the entries of a tree of at most [`MAX_TREE_SIZE`] bytes.
    ///
    /// # Errors
    /// The object is missing or damaged.
    fn tree(&self, oid: Oid) -> Result<Option<Rc<[TreeEntry]>>, Self::Error>;
    /// Returns the size of a blob, in bytes, without reading it.
    ///
    /// # Errors
    /// The object is missing or damaged.
    fn blob_size(&self, oid: Oid) -> Result<Option<u64>, Self::Error>;
    /// Returns a blob of at most `limit` bytes; its size is looked at first.
    ///
    /// # Errors
    /// The object is missing or damaged.
    fn blob(&self, oid: Oid, limit: u64) -> Result<Option<Rc<[u8]>>, Self::Error>;
    /// Returns the head of a commit of at most [`MAX_COMMIT_SIZE`] bytes.
    ///
    /// # Errors
    /// The object is missing or damaged.
    fn commit(&self, oid: Oid) -> Result<Option<CommitHead>, Self::Error>;
}

/// Where objects are written to.
pub trait Writer: Objects {
    /// Writes a blob.
    ///
    /// # Errors
    /// What the store fails with.
    fn write_blob(&self, bytes: &[u8]) -> Result<Oid, Self::Error>;
    /// Writes a tree; the entries are in [`tree_order`].
    ///
    /// # Errors
    /// What the store fails with.
    fn write_tree(&self, entries: &[TreeEntry]) -> Result<Oid, Self::Error>;
}

#[cfg(test)]
pub(crate) mod memory {
    //! Objects in memory, for tests.

    use std::cell::{Cell, RefCell};
    use std::collections::BTreeMap;

    use super::*;

    /// The object with this id is not there.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Missing(pub(crate) Oid);

    #[derive(Default)]
    pub(crate) struct MemoryObjects {
        objects: RefCell<BTreeMap<Oid, (&'static str, Vec<u8>)>>,
        /// How many objects were read.
        pub(crate) reads: Cell<usize>,
    }

    impl MemoryObjects {
        pub(crate) fn put(&self, kind: &'static str, bytes: &[u8]) -> Oid {
            let oid = id_of(kind, bytes);
            self.objects.borrow_mut().insert(oid, (kind, bytes.to_vec()));
            oid
        }

        pub(crate) fn put_commit(&self, tree: Oid, parents: &[Oid], message: &str) -> Oid {
            let author = Author { name: "a".into(), email: String::new() };
            let head = CommitHead { tree, parents: parents.to_vec() };
            self.put("commit", &encode_commit(&head, &author, 0, message))
        }

        fn get<T>(&self, oid: Oid, kind: &str, read: impl FnOnce(&[u8]) -> Option<T>) -> Result<Option<T>, Missing> {
            self.reads.set(self.reads.get() + 1);
            let objects = self.objects.borrow();
            let (found, bytes) = objects.get(&oid).ok_or(Missing(oid))?;
            Ok(if *found == kind { read(bytes) } else { None })
        }
    }

    impl Objects for MemoryObjects {
        type Error = Missing;

        fn tree(&self, oid: Oid) -> Result<Option<Rc<[TreeEntry]>>, Missing> {
            self.get(oid, "tree", |bytes| parse_tree(bytes).map(Rc::from))
        }

        fn blob_size(&self, oid: Oid) -> Result<Option<u64>, Missing> {
            self.get(oid, "blob", |bytes| Some(bytes.len() as u64))
        }

        fn blob(&self, oid: Oid, limit: u64) -> Result<Option<Rc<[u8]>>, Missing> {
            self.get(oid, "blob", |bytes| (bytes.len() as u64 <= limit).then(|| Rc::from(bytes)))
        }

        fn commit(&self, oid: Oid) -> Result<Option<CommitHead>, Missing> {
            self.get(oid, "commit", parse_commit)
        }
    }

    impl Writer for MemoryObjects {
        fn write_blob(&self, bytes: &[u8]) -> Result<Oid, Missing> {
            Ok(self.put("blob", bytes))
        }

        fn write_tree(&self, entries: &[TreeEntry]) -> Result<Oid, Missing> {
            Ok(self.put("tree", &encode_tree(entries)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(mode: u32, name: &str) -> TreeEntry {
        TreeEntry { name: name.into(), mode, oid: Oid([7; 20]) }
    }

    #[test]
    fn trees_have_one_form() {
        let good = [entry(MODE_FILE, "a.toml"), entry(MODE_FOLDER, "a"), entry(MODE_FILE, "a0"), entry(0o120_000, "b")];
        let bytes = encode_tree(&good);
        assert_eq!(parse_tree(&bytes).as_deref(), Some(&good[..]));
        assert_eq!(parse_tree(b""), Some(Vec::new()));
        let raw = |start: &[u8]| [start, &[7; 20]].concat();
        assert!(parse_tree(&raw(b"40000 a\0")).is_some());
        let unsorted = encode_tree(&[entry(MODE_FOLDER, "a"), entry(MODE_FILE, "a.toml")]);
        let twice = encode_tree(&[entry(MODE_FILE, "a"), entry(MODE_FILE, "a.b"), entry(MODE_FOLDER, "a")]);
        for bad in [
            &raw(b"040000 a\0")[..],
            &raw(b"+40000 a\0"),
            &raw(b"40008 a\0"),
            &raw(b"1000644 a\0"),
            &raw(b" a\0"),
            &raw(b"40000 \0"),
            &raw(b"40000 a/b\0"),
            &raw(b"40000 a"),
            b"40000",
            &bytes[..bytes.len() - 1],
            &unsorted,
            &twice,
        ] {
            assert_eq!(parse_tree(bad), None, "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn commits_are_read_as_git_reads_them() {
        let (tree, parents) = (Oid([0xab; 20]), vec![Oid([1; 20]), Oid([2; 20]), Oid([1; 20])]);
        let head = CommitHead { tree, parents };
        let author = Author { name: "Al\nice <x>".into(), email: " a@b\0 ".into() };
        let bytes = encode_commit(&head, &author, 12, "one\n\nparent 7\0\n\n");
        assert_eq!(parse_commit(&bytes), Some(head));
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains("\nauthor Alice x <a@b> 12 +0000\ncommitter"), "{text}");
        assert!(text.ends_with("\n\none\n\nparent 7\n"), "{text}");
        let bare = format!("tree {tree}\n");
        let upper = bare.to_uppercase().replace("TREE", "tree");
        for good in [&bare, &upper] {
            assert!(parse_commit(good.as_bytes()).is_some_and(|head| head.tree == tree && head.parents.is_empty()));
        }
        for bad in ["", "tree", "parent x", bare.trim_end(), &format!("{bare}parent 1\n"), &format!(" {bare}")] {
            assert_eq!(parse_commit(bad.as_bytes()), None, "{bad:?}");
        }
    }
}
