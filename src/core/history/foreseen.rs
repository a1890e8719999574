//! What a commit most likely is, told before any of it is read: the line that stands next at the tip, appended alone.
//!
//! What was appended never changes, so the tip holds what each commit before it added, and nearly each added one line. The
//! tree that an appender would have built for that line has one id ([`build`](super::append::build)); a commit that has a
//! tree of this id is that append. So of a log with a commit for each line the tip's segments are read, once each, instead of
//! every state in which each of them ever was. Whatever is not foreseen is read and judged
//! ([`judge_append`](super::judge::judge_append)), and comes to the same.
//!
//! Ids are computed over the very bytes that an appender would write, so what is foreseen is certain. What it does not tell
//! is whether the repository has the objects of states that nobody needs any more.

use super::judge::{Appended, NamedDigest};
use super::object::{MODE_FOLDER, Objects, Oid, TreeEntry, encode_entry, encode_tree, id_of};
use super::segment::{
    AUDIT, Level, Lines, MAX_LINE_SIZE, MAX_LOG_SIZE, POLICY, SEGMENT_LINES, Tail, TreeError, measure, read_folder,
    read_root, read_segment, read_segment_at,
};

/// What the tip tells of the commits before it.
pub(super) struct Foreseen<'a, O: ?Sized> {
    objects: &'a O,
    /// Where the lines are taken from; none if the tip holds no log, or another.
    tip: Option<Tail>,
    /// A segment of the tip, and the number of its first line.
    segment: (u64, Vec<Vec<u8>>),
    /// What the next line goes into; none if that was not looked at.
    edge: Option<Edge>,
    /// Whether the last append was one that could be foreseen.
    is_likely: bool,
}

impl<'a, O: Objects + ?Sized> Foreseen<'a, O> {
    /// Looks ahead to a tip that has this tree.
    pub(super) fn new(objects: &'a O, tip: Option<Oid>) -> Foreseen<'a, O> {
        // Whatever can't be read is told when it is judged.
        let tip = tip.and_then(|tree| measure(objects, tree).ok().flatten());
        Foreseen { objects, tip, segment: (0, Vec::new()), edge: None, is_likely: true }
    }

    /// Returns what a commit with this tree appended to `old`, if that was foreseen.
    pub(super) fn append(&mut self, old: &Tail, tree: Oid, named_digest: NamedDigest<'_>) -> Option<Appended> {
        let edge = self.edge.take().filter(|edge| edge.tail == *old);
        if edge.is_none() && !self.is_likely {
            return None;
        }
        let line = self.line(old.size)?;
        if named_digest(&line).is_some() {
            return None;
        }
        let mut edge = edge.or_else(|| Edge::read(self.objects, old).ok())?;
        edge.append(&line);
        self.is_likely = edge.tail.tree == tree;
        if !self.is_likely {
            return None;
        }
        let mut lines = Lines::default();
        lines.push(&line);
        let tail = edge.tail;
        self.edge = Some(edge);
        Some(Appended { tail, lines, policies: Vec::new() })
    }

    /// Takes note of what a commit appended that was not foreseen.
    pub(super) fn learn(&mut self, appended: &Appended) {
        self.is_likely = appended.lines.len() == 1;
        if self.is_likely && self.line(appended.tail.size.saturating_sub(1)).as_deref() != appended.lines.iter().next()
        {
            // The tip holds another log, or one that is behind.
            self.tip = None;
        }
    }

    /// Returns a line of the tip.
    fn line(&mut self, index: u64) -> Option<Vec<u8>> {
        let tip = self.tip?;
        let start = index / SEGMENT_LINES * SEGMENT_LINES;
        if self.segment.0 != start || self.segment.1.is_empty() {
            let read = read_segment_at(self.objects, &tip, index);
            if read.is_err() {
                self.tip = None;
            }
            self.segment = (start, read.ok()?);
        }
        let line = usize::try_from(index - start).ok().and_then(|place| self.segment.1.get(place))?;
        (line.len() as u64 <= MAX_LINE_SIZE && index < MAX_LOG_SIZE).then(|| line.clone())
    }
}

/// The right edge of a log's tree: all that an append of one line changes, as git has it.
struct Edge {
    tail: Tail,
    /// The last segment.
    segment: Vec<u8>,
    /// The folders above it, the lowest first, up to `audit/`.
    folders: Vec<(Level, Vec<u8>)>,
    policies: Option<Oid>,
}

impl Edge {
    fn read<O: Objects + ?Sized>(objects: &O, tail: &Tail) -> Result<Edge, TreeError<O::Error>> {
        let (mut oid, policies) = read_root(objects, tail.tree)?;
        let (mut folders, mut level) = (Vec::new(), Some(Level::TOP));
        while let Some(here) = level {
            let entries = read_folder(objects, oid, AUDIT)?;
            oid = entries.last().map_or(oid, |last| last.oid);
            folders.push((here, encode_tree(&*entries)));
            level = here.below();
        }
        folders.reverse();
        let segment = read_segment(objects, oid, AUDIT)?.to_vec();
        Ok(Edge { tail: *tail, segment, folders, policies })
    }

    /// Appends a line.
    fn append(&mut self, line: &[u8]) {
        let index = self.tail.size;
        if index.is_multiple_of(SEGMENT_LINES) {
            self.segment.clear();
        }
        self.segment.extend_from_slice(line);
        self.segment.push(b'\n');
        let mut oid = id_of("blob", &self.segment);
        for (level, folder) in &mut self.folders {
            // What is below is new in here, and so may this folder be, or it is the last entry's other state.
            if index.is_multiple_of(level.child) {
                if index.is_multiple_of(level.child * level.max_entries()) {
                    folder.clear();
                }
                encode_entry(folder, level.name(index).as_bytes(), level.mode(), oid);
            } else {
                folder.truncate(folder.len().saturating_sub(oid.0.len()));
                folder.extend_from_slice(&oid.0);
            }
            oid = id_of("tree", folder);
        }
        let entry = |name: &str, oid| TreeEntry { name: name.into(), mode: MODE_FOLDER, oid };
        let root = [Some(entry(AUDIT, oid)), self.policies.map(|oid| entry(POLICY, oid))];
        let tree = id_of("tree", &encode_tree(root.iter().flatten()));
        self.tail = Tail { size: index + 1, tree };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::history::append::build;
    use crate::core::history::append::tests::{log_of, named, plain, policy};
    use crate::core::history::judge::judge_append;
    use crate::core::history::object::memory::MemoryObjects;

    #[test]
    fn what_is_foreseen_is_what_is_judged() {
        let store = MemoryObjects::default();
        for size in [1, 62, 63, 64, 4094, 4095, 4096, 262_142, 262_143, 262_144] {
            let lines = plain(0..size + 4);
            let tip = log_of(&store, &lines).unwrap();
            let mut foreseen = Foreseen::new(&store, Some(tip.tree));
            let mut old = log_of(&store, &lines[..size as usize]).unwrap();
            for line in &lines[size as usize..] {
                let new = build(&store, Some(&old), std::slice::from_ref(line), &named).unwrap();
                let appended = foreseen.append(&old, new.tree, &named);
                assert_eq!(appended, judge_append(&store, &old, new.tree, &named).ok(), "{old:?}");
                old = new;
            }
            assert_eq!(old, tip);
            assert_eq!(foreseen.append(&old, tip.tree, &named), None, "the tip has no more");
        }
    }

    #[test]
    fn nothing_else_is_foreseen() {
        let store = MemoryObjects::default();
        let first = build(&store, None, &plain(0..1), &named).unwrap();
        let old = build(&store, Some(&first), &[policy(&[("jit.toml", "1")])], &named).unwrap();
        let add = |new: &[_]| build(&store, Some(&old), new, &named).unwrap();
        let one = add(&plain(2..3));
        let with_policy = add(&[policy(&[("jit.toml", "2")])]);
        for (name, tip, tree, expected) in [
            ("the next line", add(&plain(2..9)), one.tree, Some(one)),
            ("two lines", add(&plain(2..9)), add(&plain(2..4)).tree, None),
            ("another line", add(&plain(2..9)), add(&plain(3..4)).tree, None),
            ("the same tree", add(&plain(2..9)), old.tree, None),
            ("the line with other policies", add(&plain(2..9)), log_of(&store, &plain(0..3)).unwrap().tree, None),
            ("a policy", with_policy, with_policy.tree, None),
            ("a tip that is behind", first, one.tree, None),
            ("another log", log_of(&store, &plain(7..17)).unwrap(), one.tree, None),
        ] {
            let mut foreseen = Foreseen::new(&store, Some(tip.tree));
            assert_eq!(foreseen.append(&old, tree, &named).map(|appended| appended.tail), expected, "{name}");
        }
        let no_log = store.put("tree", b"");
        assert_eq!(Foreseen::new(&store, Some(no_log)).append(&old, one.tree, &named), None);
    }

    /// Appends of several lines are not looked ahead to again and again, nor is a tip that is another log.
    #[test]
    fn what_was_not_foreseen_is_learned_from() {
        let store = MemoryObjects::default();
        let lines = plain(0..100);
        let tails = [1, 2, 5, 8, 9, 10].map(|size| log_of(&store, &lines[..size]).unwrap());
        let tip = log_of(&store, &lines).unwrap();
        let mut foreseen = Foreseen::new(&store, Some(tip.tree));
        let mut told = Vec::new();
        for pair in tails.windows(2) {
            let reads = store.reads.get();
            let appended = foreseen.append(&pair[0], pair[1].tree, &named);
            told.push((appended.is_some(), store.reads.get() > reads));
            if appended.is_none() {
                foreseen.learn(&judge_append(&store, &pair[0], pair[1].tree, &named).unwrap());
            }
        }
        let (hit, missed, idle) = ((true, true), (false, false), (false, false));
        // The first is read for; of the next the edge is at hand, and it turns out to be two lines more.
        assert_eq!(told, [hit, missed, idle, idle, (true, true)]);
        let other = log_of(&store, &plain(0..9).into_iter().chain(plain(70..80)).collect::<Vec<_>>()).unwrap();
        let mut foreseen = Foreseen::new(&store, Some(other.tree));
        assert_eq!(foreseen.append(&tails[4], tails[5].tree, &named), None);
        foreseen.learn(&judge_append(&store, &tails[4], tails[5].tree, &named).unwrap());
        assert_eq!(foreseen.tip, None);
    }
}
