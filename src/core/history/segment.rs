//! The log's layout: which line stands where in the tree of a commit.
//!
//! Line i stands in `audit/<i/262144*262144>/<i/4096*4096>/<i/64*64>.jsonl` (integer division, ten digits): 64 lines a
//! segment, 64 segments a folder, 64 folders a folder of folders. Every segment and folder is full except the last of
//! each kind. Beside `audit/` stands, once there is a policy, `policy/` with one folder for each line that proposes one.
//!
//! [`Tail`] is where a log ends. From it, [`read_segment_at`] reads the lines, a segment at a time, and [`is_prefix`]
//! tells whether another log extends this one; both look at no more of the tree than they must. What commits may do to
//! the tree is told in [`judge`](super::judge), and how to add to it in [`append`](super::append).
//!
//! # How much there may be
//!
//! Whoever may push makes git objects as they like, and a few kilobytes can stand for gigabytes: one file under many
//! names, or one that compresses well. So no part of the log is held whole that could be so large, and an append has a
//! measure: [`MAX_APPEND_LINES`] and [`MAX_APPEND_SIZE`]. It bounds what one commit costs those who walk it, which is to
//! look at a few segments. It does not bound how many commits there are: a pushed commit of some 300 bytes can still
//! stand for a segment of lines that say nothing. That costs every walk time, in proportion to the lines, and no more
//! memory than a verdict for each; how much may be pushed is for the host to bound.

use std::rc::Rc;

use super::object::{MODE_FILE, MODE_FOLDER, Objects, Oid, TreeEntry};
use super::void::Void;

/// How many lines a full segment has.
pub const SEGMENT_LINES: u64 = 64;
/// How many segments, or folders, a full folder has.
const FOLDER_ENTRIES: u64 = 64;
/// The longest line that an append may add, in bytes, without its LF. Statements are shorter still.
pub const MAX_LINE_SIZE: u64 = 64 << 10;
/// The largest segment, in bytes.
pub const MAX_SEGMENT_SIZE: u64 = SEGMENT_LINES * (MAX_LINE_SIZE + 1);
/// The most lines a log can have: their numbers have ten digits.
pub const MAX_LOG_SIZE: u64 = 10_000_000_000;
/// The most lines that one commit may append: those of four segments.
pub const MAX_APPEND_LINES: u64 = 4 * SEGMENT_LINES;
/// The most bytes that one commit may append, LFs included: a segment of lines as long as statements may be.
pub const MAX_APPEND_SIZE: u64 = SEGMENT_LINES * (16 << 10);

/// The folder of the lines.
pub const AUDIT: &str = "audit";
/// The folder of the policies' files.
pub const POLICY: &str = "policy";

/// Where a log ends: how many lines it has, at least one, and the tree that holds them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tail {
    /// The number of lines.
    pub size: u64,
    /// The tree of a commit: `audit/` and perhaps `policy/`.
    pub tree: Oid,
}

/// Why a tree could not be judged or read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TreeError<E> {
    /// It is not what an appender would build.
    Void(Void),
    /// An object is missing or damaged.
    Objects(E),
}

impl<E> From<Void> for TreeError<E> {
    fn from(void: Void) -> TreeError<E> {
        TreeError::Void(void)
    }
}

/// Returns the path of the segment that holds line number `line`.
pub fn path_of_line(line: u64) -> String {
    let mut path = AUDIT.to_owned();
    let mut level = Some(Level::TOP);
    while let Some(here) = level {
        path = format!("{path}/{}", here.name(line / here.child * here.child));
        level = here.below();
    }
    path
}

/// Returns the name of the folder of the policy that line number `line` proposes.
pub fn policy_folder_name(line: u64) -> String {
    format!("{line:010}")
}

/// Splits what a segment holds into its lines, without their LFs; an empty line is a line.
///
/// # Errors
/// The number of whole lines, if the last one lacks its LF.
pub fn split_lines(bytes: &[u8]) -> Result<Vec<&[u8]>, u64> {
    match bytes.split_last() {
        None => Ok(Vec::new()),
        Some((b'\n', lines)) => Ok(lines.split(|byte| *byte == b'\n').collect()),
        Some(_) => Err(bytes.iter().filter(|byte| **byte == b'\n').count() as u64),
    }
}

/// Some lines of a log, one after the other as in a segment: there are many, and none is worth a place of its own.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Lines {
    /// INVARIANT: each line ends with an LF, and holds no other.
    bytes: Vec<u8>,
    /// Where each line ends, after its LF: they are gone through more than once, and looked for once.
    ends: Vec<usize>,
}

impl Lines {
    /// Returns how many lines these are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Returns how many bytes they have, with their LFs.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Iterates over the lines, without their LFs.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).filter_map(|(start, end)| self.bytes.get(start..end - 1))
    }

    /// Adds a line that holds no LF.
    pub(crate) fn push(&mut self, line: &[u8]) {
        self.bytes.extend_from_slice(line);
        self.bytes.push(b'\n');
        self.ends.push(self.bytes.len());
    }
}

/// A kind of folder under `audit/`, by what its entries are.
#[derive(Clone, Copy)]
pub(crate) struct Level {
    /// How many lines one full entry holds.
    pub(crate) child: u64,
}

impl Level {
    /// `audit/` itself.
    pub(crate) const TOP: Level = Level { child: SEGMENT_LINES * FOLDER_ENTRIES * FOLDER_ENTRIES };

    /// Returns what the entries are; none if they are segments.
    pub(crate) fn below(self) -> Option<Level> {
        (self.child > SEGMENT_LINES).then_some(Level { child: self.child / FOLDER_ENTRIES })
    }

    /// Returns the name of the entry that starts with line number `start`.
    pub(crate) fn name(self, start: u64) -> String {
        let suffix = if self.child > SEGMENT_LINES { "" } else { ".jsonl" };
        format!("{start:010}{suffix}")
    }

    /// Returns the mode of the entries.
    pub(crate) fn mode(self) -> u32 {
        if self.child > SEGMENT_LINES { MODE_FOLDER } else { MODE_FILE }
    }

    /// Returns the most entries that such a folder has.
    pub(crate) fn max_entries(self) -> u64 {
        if self.child == Level::TOP.child { MAX_LOG_SIZE.div_ceil(self.child) } else { FOLDER_ENTRIES }
    }
}

/// Returns the entries of a folder, or that it is none.
pub(crate) fn read_folder<O: Objects + ?Sized>(
    objects: &O,
    oid: Oid,
    path: &str,
) -> Result<Rc<[TreeEntry]>, TreeError<O::Error>> {
    let entries = objects.tree(oid).map_err(TreeError::Objects)?;
    entries.ok_or_else(|| Void::Unreadable(path.to_owned()).into())
}

/// Returns what a segment holds, or that it is none.
pub(crate) fn read_segment<O: Objects + ?Sized>(
    objects: &O,
    oid: Oid,
    path: &str,
) -> Result<Rc<[u8]>, TreeError<O::Error>> {
    size_of_segment(objects, oid, path)?;
    read_sized_segment(objects, oid, path)
}

/// As [`read_segment`], where its size was looked at already.
pub(crate) fn read_sized_segment<O: Objects + ?Sized>(
    objects: &O,
    oid: Oid,
    path: &str,
) -> Result<Rc<[u8]>, TreeError<O::Error>> {
    let bytes = objects.blob(oid, MAX_SEGMENT_SIZE).map_err(TreeError::Objects)?;
    bytes.ok_or_else(|| Void::Unreadable(path.to_owned()).into())
}

/// Returns how many bytes a segment holds, without reading it, or that it is none.
pub(crate) fn size_of_segment<O: Objects + ?Sized>(
    objects: &O,
    oid: Oid,
    path: &str,
) -> Result<u64, TreeError<O::Error>> {
    match objects.blob_size(oid).map_err(TreeError::Objects)? {
        Some(size) if size > MAX_SEGMENT_SIZE => Err(Void::LongSegment(path.to_owned()).into()),
        Some(size) => Ok(size),
        None => Err(Void::Unreadable(path.to_owned()).into()),
    }
}

/// Returns `audit/` of a log's tree and, if there is one, `policy/`.
pub(crate) fn read_root<O: Objects + ?Sized>(
    objects: &O,
    tree: Oid,
) -> Result<(Oid, Option<Oid>), TreeError<O::Error>> {
    let (mut audit, mut policy) = (None, None);
    for entry in &*read_folder(objects, tree, "/")? {
        let name = String::from_utf8_lossy(&entry.name);
        match &*name {
            AUDIT | POLICY if entry.mode != MODE_FOLDER => return Err(Void::Mode(name.into_owned(), entry.mode).into()),
            AUDIT => audit = Some(entry.oid),
            POLICY => policy = Some(entry.oid),
            _ => return Err(Void::Stray(name.into_owned()).into()),
        }
    }
    Ok((audit.ok_or_else(|| Void::Missing(AUDIT.to_owned()))?, policy))
}

/// Returns the tail of the log in the tree of a commit that is known to be valid, such as a pinned one; none if there
/// is no log in it.
///
/// # Errors
/// An object is missing or damaged.
pub fn measure<O: Objects + ?Sized>(objects: &O, tree: Oid) -> Result<Option<Tail>, O::Error> {
    let measured = (|| {
        let (mut oid, _) = read_root(objects, tree)?;
        let (mut level, mut size) = (Some(Level::TOP), 0);
        while let Some(here) = level {
            let entries = read_folder(objects, oid, AUDIT)?;
            let last = entries.last().ok_or_else(|| Void::Empty(AUDIT.to_owned()))?;
            size += here.child * (entries.len() as u64 - 1);
            (oid, level) = (last.oid, here.below());
        }
        let bytes = read_segment(objects, oid, AUDIT)?;
        let lines = split_lines(&bytes).map_err(Void::NoLineFeed)?.len() as u64;
        Ok(Tail { size: size + lines, tree })
    })();
    match measured {
        Ok(tail) => Ok(Some(tail)),
        Err(TreeError::Objects(error)) => Err(error),
        Err(TreeError::Void(_)) => Ok(None),
    }
}

/// Returns the lines of one segment, without their LFs: of the one that holds line number `line`, from its first on, and
/// no lines beyond the end of the log.
///
/// # Errors
/// An object is missing or damaged; void if the tail was not that of a valid commit.
pub fn read_segment_at<O: Objects + ?Sized>(
    objects: &O,
    tail: &Tail,
    line: u64,
) -> Result<Vec<Vec<u8>>, TreeError<O::Error>> {
    if line >= tail.size {
        return Ok(Vec::new());
    }
    let (mut oid, _) = read_root(objects, tail.tree)?;
    let mut level = Some(Level::TOP);
    let (mut start, path) = (0, path_of_line(line));
    while let Some(here) = level {
        let entries = read_folder(objects, oid, &path)?;
        if entries.len() as u64 > here.max_entries() {
            return Err(Void::Stray(path).into());
        }
        let place = (line - start) / here.child;
        let entry = usize::try_from(place).ok().and_then(|place| entries.get(place));
        oid = entry.ok_or_else(|| Void::Missing(path.clone()))?.oid;
        start += place * here.child;
        level = here.below();
    }
    let bytes = read_segment(objects, oid, &path)?;
    let lines = split_lines(&bytes).map_err(|whole| Void::NoLineFeed(start + whole))?;
    Ok(lines.into_iter().map(<[u8]>::to_vec).collect())
}

/// Returns the number of the first line of each segment of a log of `size` lines.
pub fn segment_starts(size: u64) -> impl DoubleEndedIterator<Item = u64> {
    (0..size.div_ceil(SEGMENT_LINES)).map(|segment| segment * SEGMENT_LINES)
}

/// Tells whether the longer log extends the shorter one, or is it. Both tails are those of valid commits; then the
/// lines tell all: the policies' files follow from them. Folders that both share are not looked into.
///
/// # Errors
/// An object is missing or damaged.
pub fn is_prefix<O: Objects + ?Sized>(objects: &O, shorter: &Tail, longer: &Tail) -> Result<bool, O::Error> {
    if shorter.size > longer.size {
        return Ok(false);
    }
    if shorter.tree == longer.tree {
        return Ok(true);
    }
    let compared = (|| {
        let ((short, _), (long, _)) = (read_root(objects, shorter.tree)?, read_root(objects, longer.tree)?);
        folder_is_prefix(objects, Level::TOP, short, long)
    })();
    match compared {
        Ok(answer) => Ok(answer),
        Err(TreeError::Objects(error)) => Err(error),
        Err(TreeError::Void(_)) => Ok(false),
    }
}

fn folder_is_prefix<O: Objects + ?Sized>(
    objects: &O,
    level: Level,
    short: Oid,
    long: Oid,
) -> Result<bool, TreeError<O::Error>> {
    let (short, long) = (read_folder(objects, short, AUDIT)?, read_folder(objects, long, AUDIT)?);
    let (Some((last, full)), true) = (short.split_last(), short.len() <= long.len()) else {
        return Ok(false);
    };
    let Some(other) = long.get(full.len()).filter(|_| long.starts_with(full)) else {
        return Ok(false);
    };
    if last.oid == other.oid {
        return Ok(true);
    }
    match level.below() {
        Some(below) => folder_is_prefix(objects, below, last.oid, other.oid),
        None => {
            let short = read_segment(objects, last.oid, AUDIT)?;
            Ok(read_segment(objects, other.oid, AUDIT)?.starts_with(&short))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stand_where_the_design_says() {
        for (line, path) in [
            (0, "audit/0000000000/0000000000/0000000000.jsonl"),
            (63, "audit/0000000000/0000000000/0000000000.jsonl"),
            (64, "audit/0000000000/0000000000/0000000064.jsonl"),
            (4161, "audit/0000000000/0000004096/0000004160.jsonl"),
            (262_143, "audit/0000000000/0000258048/0000262080.jsonl"),
            (262_144, "audit/0000262144/0000262144/0000262144.jsonl"),
            (MAX_LOG_SIZE - 1, "audit/9999745024/9999998976/9999999936.jsonl"),
        ] {
            assert_eq!(path_of_line(line), path);
        }
    }

    #[test]
    fn every_line_ends_with_its_lf() {
        let whole = |lines: &[&'static [u8]]| Ok(lines.to_vec());
        for (bytes, lines) in [
            (&b""[..], whole(&[])),
            (b"\n", whole(&[b""])),
            (b"a\n\nb\n", whole(&[b"a", b"", b"b"])),
            (b"\n\n", whole(&[b"", b""])),
            (b"a\r\n", whole(&[b"a\r"])),
            (b"a", Err(0)),
            (b"a\n\nb", Err(2)),
        ] {
            assert_eq!(split_lines(bytes), lines, "{}", bytes.escape_ascii());
        }
    }
}
