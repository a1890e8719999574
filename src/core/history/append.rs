//! Adding to the log's tree.
//!
//! [`build`] writes what an append consists of: the last segment with the new lines, the folders above it, and the
//! files of the policies among the lines. The rest of the tree stays as it is, by its ids. What it builds is what
//! [`judge_append`](super::judge::judge_append) accepts, and nothing else is.

use std::collections::BTreeMap;
use std::fmt;

use super::judge::NamedDigest;
use super::object::{MODE_FILE, MODE_FOLDER, Oid, TreeEntry, Writer, tree_order};
use super::segment::{
    AUDIT, Level, MAX_APPEND_LINES, MAX_APPEND_SIZE, MAX_LINE_SIZE, MAX_LOG_SIZE, POLICY, SEGMENT_LINES, Tail,
    TreeError, path_of_line, policy_folder_name, read_folder, read_root, read_segment,
};
use crate::core::hash::Hash;
use crate::core::policy::{MAX_TOTAL_BYTES, PolicyFiles};

/// A line to add, and the files of the policy that it proposes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NewLine {
    /// The line without its LF.
    pub line: Vec<u8>,
    /// The files whose digest it names; of any other line there are none.
    pub files: PolicyFiles,
}

impl NewLine {
    /// Returns a line that has no files.
    pub fn plain(line: impl Into<Vec<u8>>) -> NewLine {
        NewLine { line: line.into(), files: PolicyFiles::default() }
    }
}

/// Why nothing was built.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BuildError<E> {
    /// There is no line to add.
    Nothing,
    /// A line holds a line feed.
    LineFeed,
    /// A line is over [`MAX_LINE_SIZE`]; this is its size.
    LongLine(usize),
    /// There are more than [`MAX_APPEND_LINES`]; this is how many.
    LongAppend(usize),
    /// Together they are over [`MAX_APPEND_SIZE`]; this is their size.
    LargeAppend(u64),
    /// Together the files of their policies are over [`MAX_TOTAL_BYTES`]; this is their size.
    LargePolicies(usize),
    /// The log is full: [`MAX_LOG_SIZE`].
    Full,
    /// A line names another digest than that of the files that came with it, or none at all.
    Digest {
        /// What the line names.
        named: Option<Hash>,
        /// What the files have.
        files: Hash,
    },
    /// This is the path both of a policy's file and of a folder with others.
    Path(String),
    /// The old tree can't be read, or the store fails.
    Tree(TreeError<E>),
}

impl<E> From<TreeError<E>> for BuildError<E> {
    fn from(error: TreeError<E>) -> BuildError<E> {
        BuildError::Tree(error)
    }
}

impl<E: fmt::Display> fmt::Display for BuildError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildError::Nothing => write!(f, "there is no line to log"),
            BuildError::LineFeed => write!(f, "a line can't hold a line feed"),
            BuildError::LongLine(size) => {
                write!(f, "a line of the log has at most {MAX_LINE_SIZE} bytes, this one has {size}")
            }
            BuildError::LongAppend(count) => {
                write!(f, "at most {MAX_APPEND_LINES} lines are logged at once, these are {count}")
            }
            BuildError::LargeAppend(size) => {
                write!(f, "at most {MAX_APPEND_SIZE} bytes of lines are logged at once, these are {size}")
            }
            BuildError::LargePolicies(size) => {
                write!(f, "at most {MAX_TOTAL_BYTES} bytes of policy files are logged at once, these are {size}")
            }
            BuildError::Full => write!(f, "the log is full: it holds at most {MAX_LOG_SIZE} lines"),
            BuildError::Digest { named: Some(named), files } => {
                write!(f, "the line names the policy digest {named}, its files have {files}")
            }
            BuildError::Digest { named: None, .. } => write!(f, "a line that proposes no policy has no policy files"),
            BuildError::Path(path) => write!(f, "`{}` is both a policy file and a folder", path.escape_debug()),
            BuildError::Tree(TreeError::Void(void)) => write!(f, "the log's tree can't be read: {void}"),
            BuildError::Tree(TreeError::Objects(error)) => error.fmt(f),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for BuildError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            BuildError::Tree(TreeError::Objects(error)) => error.source(),
            _ => None,
        }
    }
}

/// Writes the tree of `old` (none: of an empty log) with `new` at its end, and returns where the log would then end.
///
/// # Errors
/// See [`BuildError`]; what was written then is in no tree of the log.
pub fn build<W: Writer + ?Sized>(
    store: &W,
    old: Option<&Tail>,
    new: &[NewLine],
    named_digest: NamedDigest<'_>,
) -> Result<Tail, BuildError<W::Error>> {
    let old_size = old.map_or(0, |tail| tail.size);
    let size = old_size + new.len() as u64;
    check(new, named_digest)?;
    if size > MAX_LOG_SIZE {
        return Err(BuildError::Full);
    }
    let (old_audit, old_policies) = match old {
        None => (None, None),
        Some(tail) => {
            let (audit, policies) = read_root(store, tail.tree)?;
            (Some((audit, tail.size)), policies)
        }
    };
    let mut lines = new.iter().map(|new| &*new.line);
    let audit = build_folder(store, Level::TOP, 0, old_audit, &mut lines)?;
    let mut root = vec![TreeEntry { name: AUDIT.into(), mode: MODE_FOLDER, oid: audit }];
    let policies = build_policies(store, old_policies, old_size, new)?;
    root.extend(policies.map(|oid| TreeEntry { name: POLICY.into(), mode: MODE_FOLDER, oid }));
    let tree = write_tree(store, &root)?;
    Ok(Tail { size, tree })
}

fn check<E>(new: &[NewLine], named_digest: NamedDigest<'_>) -> Result<(), BuildError<E>> {
    if new.is_empty() {
        return Err(BuildError::Nothing);
    }
    if new.len() as u64 > MAX_APPEND_LINES {
        return Err(BuildError::LongAppend(new.len()));
    }
    for NewLine { line, files } in new {
        if line.contains(&b'\n') {
            return Err(BuildError::LineFeed);
        }
        if line.len() as u64 > MAX_LINE_SIZE {
            return Err(BuildError::LongLine(line.len()));
        }
        let (named, digest) = (named_digest(line), files.digest());
        let fits = named.map_or(files.is_empty(), |named| named == digest);
        if !fits {
            return Err(BuildError::Digest { named, files: digest });
        }
    }
    let size: u64 = new.iter().map(|new| new.line.len() as u64 + 1).sum();
    if size > MAX_APPEND_SIZE {
        return Err(BuildError::LargeAppend(size));
    }
    let files = new.iter().flat_map(|new| new.files.iter()).map(|(_, bytes)| bytes.len()).sum();
    if files > MAX_TOTAL_BYTES { Err(BuildError::LargePolicies(files)) } else { Ok(()) }
}

/// Writes the folder that starts with line number `start` with as many of `lines` as fit at its end.
fn build_folder<W: Writer + ?Sized>(
    store: &W,
    level: Level,
    start: u64,
    old: Option<(Oid, u64)>,
    lines: &mut dyn ExactSizeIterator<Item = &[u8]>,
) -> Result<Oid, BuildError<W::Error>> {
    let (mut entries, old_count) = match old {
        Some((oid, count)) => (read_folder(store, oid, AUDIT)?.to_vec(), count),
        None => (Vec::new(), 0),
    };
    let partial = old_count % level.child;
    // The last entry is rewritten where it is not full.
    let mut child_old = if partial > 0 { entries.pop().map(|entry| (entry.oid, partial)) } else { None };
    while lines.len() > 0 && (entries.len() as u64) < level.max_entries() {
        let child_start = start + entries.len() as u64 * level.child;
        let oid = match level.below() {
            Some(below) => build_folder(store, below, child_start, child_old.take(), lines)?,
            None => build_segment(store, child_start, child_old.take(), lines)?,
        };
        entries.push(TreeEntry { name: level.name(child_start).into_bytes(), mode: level.mode(), oid });
    }
    write_tree(store, &entries)
}

fn build_segment<W: Writer + ?Sized>(
    store: &W,
    start: u64,
    old: Option<(Oid, u64)>,
    lines: &mut dyn ExactSizeIterator<Item = &[u8]>,
) -> Result<Oid, BuildError<W::Error>> {
    let (mut bytes, mut count) = match old {
        Some((oid, count)) => (read_segment(store, oid, &path_of_line(start))?.to_vec(), count),
        None => (Vec::new(), 0),
    };
    while count < SEGMENT_LINES {
        let Some(line) = lines.next() else { break };
        bytes.extend(line);
        bytes.push(b'\n');
        count += 1;
    }
    write_blob(store, &bytes)
}

/// Writes `policy/` with a folder for each new line that has files; none if it stays without any.
fn build_policies<W: Writer + ?Sized>(
    store: &W,
    old: Option<Oid>,
    old_size: u64,
    new: &[NewLine],
) -> Result<Option<Oid>, BuildError<W::Error>> {
    let mut entries = match old {
        Some(oid) => read_folder(store, oid, POLICY)?.to_vec(),
        None => Vec::new(),
    };
    let old_count = entries.len();
    for (NewLine { files, .. }, line) in new.iter().zip(old_size..).filter(|(new, _)| !new.files.is_empty()) {
        let oid = build_files(store, &files.iter().collect())?;
        entries.push(TreeEntry { name: policy_folder_name(line).into_bytes(), mode: MODE_FOLDER, oid });
    }
    if entries.len() == old_count { Ok(old) } else { write_tree(store, &entries).map(Some) }
}

/// Writes a folder of files, given by their paths in it. Paths are checked, so none is deeper than they may be.
fn build_files<W: Writer + ?Sized>(store: &W, files: &BTreeMap<&str, &[u8]>) -> Result<Oid, BuildError<W::Error>> {
    let mut folders: BTreeMap<&str, BTreeMap<&str, &[u8]>> = BTreeMap::new();
    let mut entries = Vec::new();
    for (path, bytes) in files {
        match path.split_once('/') {
            Some((folder, rest)) => {
                folders.entry(folder).or_default().insert(rest, bytes);
            }
            None => {
                let oid = write_blob(store, bytes)?;
                entries.push(TreeEntry { name: path.as_bytes().to_vec(), mode: MODE_FILE, oid });
            }
        }
    }
    for (folder, files) in &folders {
        if entries.iter().any(|entry| entry.name == folder.as_bytes()) {
            return Err(BuildError::Path((*folder).to_owned()));
        }
        let oid = build_files(store, files)?;
        entries.push(TreeEntry { name: folder.as_bytes().to_vec(), mode: MODE_FOLDER, oid });
    }
    entries.sort_by(tree_order);
    write_tree(store, &entries)
}

fn write_blob<W: Writer + ?Sized>(store: &W, bytes: &[u8]) -> Result<Oid, BuildError<W::Error>> {
    store.write_blob(bytes).map_err(|error| BuildError::Tree(TreeError::Objects(error)))
}

fn write_tree<W: Writer + ?Sized>(store: &W, entries: &[TreeEntry]) -> Result<Oid, BuildError<W::Error>> {
    store.write_tree(entries).map_err(|error| BuildError::Tree(TreeError::Objects(error)))
}

#[cfg(test)]
pub(crate) mod tests;
