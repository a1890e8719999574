//! What a commit may do to the log: add lines at its end, and nothing else.
//!
//! [`judge_first`] judges the tree of a first commit, [`judge_append`] that of any other against the last valid one.
//! Both accept exactly the trees that [`build`](super::append::build) makes. Folders that did not change are told by
//! their ids and not looked into, so one append costs a look at each level and at one segment, however long the log;
//! whatever is wrong, the judgement ends with the first thing found. How much a commit would add is told by the sizes of
//! its files before they are read, so one that adds too much costs no more.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::object::{MODE_FOLDER, Objects, Oid, TreeEntry};
use super::policy_folder::{Sums, digest_policy_folder};
use super::segment::{
    AUDIT, Level, Lines, MAX_APPEND_LINES, MAX_APPEND_SIZE, MAX_LINE_SIZE, POLICY, SEGMENT_LINES, Tail, TreeError,
    policy_folder_name, read_folder, read_root, read_segment, read_sized_segment, size_of_segment, split_lines,
};
use super::void::Void;
use crate::core::hash::Hash;
use crate::core::policy::{MAX_TOTAL_BYTES, PolicyFiles};

/// Gives the digest that a line names, if the line has a canonical `policy` body.
pub type NamedDigest<'a> = &'a dyn Fn(&[u8]) -> Option<Hash>;

/// What an append added.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Appended {
    /// Where the log ends now.
    pub tail: Tail,
    /// The new lines.
    pub lines: Lines,
    /// The numbers of the new lines that have a folder of policy files.
    pub policies: Vec<u64>,
}

/// Judges the tree of a first commit: line 0 alone. Whether that is a valid genesis is judged elsewhere.
///
/// # Errors
/// The commit is void, or an object is missing or damaged.
pub fn judge_first<O: Objects + ?Sized>(objects: &O, tree: Oid) -> Result<Appended, TreeError<O::Error>> {
    let appended = judge(objects, None, tree, &|_| None, &mut Sums::default())?;
    if appended.tail.size == 1 { Ok(appended) } else { Err(Void::NotAlone.into()) }
}

/// Judges the tree of a commit that comes after the valid log `old`.
///
/// # Errors
/// The commit is void, or an object is missing or damaged.
pub fn judge_append<O: Objects + ?Sized>(
    objects: &O,
    old: &Tail,
    new_tree: Oid,
    named_digest: NamedDigest<'_>,
) -> Result<Appended, TreeError<O::Error>> {
    judge_append_with(objects, old, new_tree, named_digest, &mut Sums::default())
}

/// As [`judge_append`], for one commit of many: what is summed up already is not read again.
pub(crate) fn judge_append_with<O: Objects + ?Sized>(
    objects: &O,
    old: &Tail,
    new_tree: Oid,
    named_digest: NamedDigest<'_>,
    sums: &mut Sums,
) -> Result<Appended, TreeError<O::Error>> {
    if old.tree == new_tree {
        return Err(Void::NothingNew.into());
    }
    judge(objects, Some(old), new_tree, named_digest, sums)
}

fn judge<O: Objects + ?Sized>(
    objects: &O,
    old: Option<&Tail>,
    tree: Oid,
    named_digest: NamedDigest<'_>,
    sums: &mut Sums,
) -> Result<Appended, TreeError<O::Error>> {
    let (old_audit, old_policies) = match old {
        None => (None, None),
        Some(tail) => {
            let (audit, policies) = read_root(objects, tail.tree)?;
            (Some((audit, tail.size)), policies)
        }
    };
    let (audit, policies) = read_root(objects, tree)?;
    let mut judge = Judge { objects, named_digest, sums, lines: Lines::default(), bytes: 0, digests: Vec::new() };
    let size = judge.folder(Level::TOP, 0, AUDIT, old_audit, audit)?;
    judge.policies(old_policies, policies)?;
    if judge.lines.is_empty() {
        return Err(Void::NothingNew.into());
    }
    let policies = judge.digests.iter().map(|(line, _)| *line).collect();
    Ok(Appended { tail: Tail { size, tree }, lines: judge.lines, policies })
}

struct Judge<'a, O: ?Sized> {
    objects: &'a O,
    named_digest: NamedDigest<'a>,
    sums: &'a mut Sums,
    /// The new lines so far, and their size.
    lines: Lines,
    bytes: u64,
    /// The new lines that name a digest of some files, and that digest.
    digests: Vec<(u64, Hash)>,
}

impl<O: Objects + ?Sized> Judge<'_, O> {
    /// Judges a folder whose first line is number `start`; `old` is what stood there before, with its number of lines.
    /// Returns how many lines there are now.
    fn folder(
        &mut self,
        level: Level,
        start: u64,
        path: &str,
        old: Option<(Oid, u64)>,
        new: Oid,
    ) -> Result<u64, TreeError<O::Error>> {
        let (known, old_count) = match old {
            Some((oid, count)) if oid == new => return Ok(count),
            Some((oid, count)) => (read_folder(self.objects, oid, path)?, count),
            None => (Rc::default(), 0),
        };
        let entries = read_folder(self.objects, new, path)?;
        // Whatever is the same as before, and has something behind it, was judged before and is full.
        let before_last = known.iter().take(known.len().saturating_sub(1));
        let same = before_last.zip(&*entries).take_while(|(known, entry)| known == entry).count();
        let mut count = same as u64 * level.child;
        let mut previous = match same.checked_sub(1).and_then(|last| entries.get(last)) {
            Some(last) => format!("{path}/{}", String::from_utf8_lossy(&last.name)),
            None => String::new(),
        };
        for (entry, place) in entries.iter().zip(0..).skip(same) {
            let before = place * level.child;
            let child_path = check_entry(level, start + before, place, path, entry)?;
            if count != before {
                return Err(Void::NotFull(previous).into());
            }
            let child_old = usize::try_from(place).ok().and_then(|place| known.get(place));
            let child_old = child_old.map(|known| (known.oid, level.child.min(old_count.saturating_sub(before))));
            count += match level.below() {
                Some(below) => self.folder(below, start + before, &child_path, child_old, entry.oid)?,
                None => self.segment(start + before, &child_path, child_old, entry.oid)?,
            };
            previous = child_path;
        }
        if entries.len() < known.len() {
            return Err(Void::Drops(start + count).into());
        }
        if entries.is_empty() { Err(Void::Empty(path.to_owned()).into()) } else { Ok(count) }
    }

    /// Judges a segment, as [`Judge::folder`] does a folder.
    fn segment(
        &mut self,
        start: u64,
        path: &str,
        old: Option<(Oid, u64)>,
        new: Oid,
    ) -> Result<u64, TreeError<O::Error>> {
        let (known, old_count) = match old {
            Some((oid, count)) if oid == new => return Ok(count),
            Some((oid, count)) => (self.known_segment(oid, path)?, count),
            None => (Rc::default(), 0),
        };
        self.bytes += size_of_segment(self.objects, new, path)?.saturating_sub(known.len() as u64);
        if self.bytes > MAX_APPEND_SIZE {
            return Err(Void::LargeAppend.into());
        }
        let bytes = read_sized_segment(self.objects, new, path)?;
        let Some(added) = bytes.strip_prefix(&*known) else {
            return Err(difference(start, &known, &bytes).into());
        };
        let first = start + old_count;
        let lines = split_lines(added).map_err(|whole| Void::NoLineFeed(first + whole))?;
        let count = old_count + lines.len() as u64;
        if count > SEGMENT_LINES {
            return Err(Void::LongSegment(path.to_owned()).into());
        }
        if count == 0 {
            return Err(Void::Empty(path.to_owned()).into());
        }
        if (self.lines.len() + lines.len()) as u64 > MAX_APPEND_LINES {
            return Err(Void::LongAppend.into());
        }
        for (line, number) in lines.into_iter().zip(first..) {
            if line.len() as u64 > MAX_LINE_SIZE {
                return Err(Void::LongLine(number).into());
            }
            // A policy without files has no folder: git has no empty ones.
            if let Some(digest) = (self.named_digest)(line).filter(|digest| *digest != PolicyFiles::default().digest())
            {
                self.digests.push((number, digest));
            }
            self.lines.push(line);
        }
        self.sums.last_segment = Some((new, bytes));
        Ok(count)
    }

    /// Reads a segment of the log before. That is the one which the commit before it wrote, or which the last void commit
    /// was held against too.
    fn known_segment(&mut self, oid: Oid, path: &str) -> Result<Rc<[u8]>, TreeError<O::Error>> {
        if let Some((last, bytes)) = &self.sums.last_segment
            && *last == oid
        {
            return Ok(Rc::clone(bytes));
        }
        let bytes = read_segment(self.objects, oid, path)?;
        self.sums.last_segment = Some((oid, Rc::clone(&bytes)));
        Ok(bytes)
    }

    /// Judges `policy/`: what stood there still does, and each new line that names a digest has its files there.
    fn policies(&mut self, old: Option<Oid>, new: Option<Oid>) -> Result<(), TreeError<O::Error>> {
        if old == new && self.digests.is_empty() {
            return Ok(());
        }
        let read = |oid: Option<Oid>| oid.map_or(Ok(Rc::default()), |oid| read_folder(self.objects, oid, POLICY));
        let before = read(old)?;
        let known: BTreeMap<&[u8], &TreeEntry> = before.iter().map(|entry| (&*entry.name, entry)).collect();
        let mut added: BTreeMap<Vec<u8>, Hash> =
            self.digests.iter().map(|(line, digest)| (policy_folder_name(*line).into_bytes(), *digest)).collect();
        let entries = read(new)?;
        if new.is_some() && entries.is_empty() {
            return Err(Void::Empty(POLICY.to_owned()).into());
        }
        let path = |name: &[u8]| format!("{POLICY}/{}", String::from_utf8_lossy(name));
        let mut kept = 0;
        // What one policy may have is all that one append may bring, however many lines name policies.
        let mut left = MAX_TOTAL_BYTES as u64;
        for entry in &*entries {
            let path = path(&entry.name);
            match (known.get(&*entry.name), added.remove(&entry.name)) {
                (Some(before), None) if *before == entry => kept += 1,
                (Some(_), _) => return Err(Void::PolicyChanged(path).into()),
                (None, Some(_)) if entry.mode != MODE_FOLDER => return Err(Void::Mode(path, entry.mode).into()),
                (None, Some(digest)) => {
                    if digest_policy_folder(self.objects, entry.oid, &path, self.sums, &mut left)? != digest {
                        return Err(Void::PolicyDigest(path).into());
                    }
                }
                (None, None) => return Err(Void::Stray(path).into()),
            }
        }
        if kept != known.len() {
            return Err(Void::PolicyChanged(POLICY.to_owned()).into());
        }
        match added.first_key_value() {
            Some((name, _)) => Err(Void::Missing(path(name)).into()),
            None => Ok(()),
        }
    }
}

/// Checks the entry at `place` of a folder and returns its path.
fn check_entry(level: Level, start: u64, place: u64, folder: &str, entry: &TreeEntry) -> Result<String, Void> {
    let path = format!("{folder}/{}", String::from_utf8_lossy(&entry.name));
    if place >= level.max_entries() || entry.name != level.name(start).as_bytes() {
        return Err(Void::Stray(path));
    }
    if entry.mode != level.mode() {
        return Err(Void::Mode(path, entry.mode));
    }
    Ok(path)
}

/// Tells what happened to the lines of a segment that held `known` and now, starting otherwise, holds `bytes`.
fn difference(start: u64, known: &[u8], bytes: &[u8]) -> Void {
    let lines = |bytes: &[u8]| bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>();
    let (mut known, mut now) = (lines(known), lines(bytes));
    let same = known.iter().zip(&now).take_while(|(one, other)| one == other).count();
    let line = start + same as u64;
    if same == now.len() {
        return Void::Drops(line);
    }
    now.truncate(known.len());
    known.sort();
    now.sort();
    if known == now { Void::Reorders(line) } else { Void::Changes(line) }
}

#[cfg(test)]
mod tests;
