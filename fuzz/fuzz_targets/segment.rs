//! A segment of the log, and a git tree, in whatever bytes somebody pushed.
//!
//! The first byte says how many of the lines stood there before; the rest is the segment. What is accepted as an append
//! is what an appender would have built.

#![no_main]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::rc::Rc;

use jit::core::hash::Hash;
use jit::core::history::append::{NewLine, build};
use jit::core::history::judge::{judge_append, judge_first};
use jit::core::history::object::{
    CommitHead, MODE_FILE, MODE_FOLDER, Objects, Oid, TreeEntry, Writer, encode_tree, parse_commit, parse_tree,
};
use jit::core::history::segment::{
    Lines, MAX_APPEND_LINES, Tail, measure, read_segment_at, segment_starts, split_lines,
};
use jit::core::statement::policy_digest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some(entries) = parse_tree(bytes) {
        assert_eq!(encode_tree(&entries), bytes, "two forms of one tree");
    }
    parse_commit(bytes);
    let Some((old, segment)) = bytes.split_first() else { return };
    let lines = split_lines(segment);
    if let Ok(lines) = &lines {
        let joined: Vec<u8> = lines.iter().flat_map(|line| [line, b"\n".as_slice()].concat()).collect();
        assert_eq!(joined, segment, "lines that are not those of their segment");
    }
    let store = Store::default();
    let pushed = store.log_of(segment);
    let build_of = |old: Option<&Tail>, lines: &[Vec<u8>]| {
        let lines: Vec<NewLine> = lines.iter().map(|line| NewLine::plain(line.as_slice())).collect();
        build(&store, old, &lines, &policy_digest)
    };
    let build_all = |lines: &[Vec<u8>]| {
        let mut tail = None;
        for some in lines.chunks(MAX_APPEND_LINES as usize) {
            tail = Some(build_of(tail.as_ref(), some).ok()?);
        }
        tail
    };
    let list = |lines: &Lines| lines.iter().map(<[u8]>::to_vec).collect::<Vec<_>>();
    if let Ok(first) = judge_first(&store, pushed) {
        assert_eq!(
            build_of(None, &list(&first.lines)).ok(),
            Some(first.tail),
            "a first commit that nobody would build"
        );
    }
    // The log before: the first lines of what was pushed, as few appends.
    let before: Vec<Vec<u8>> =
        lines.unwrap_or_default().iter().take(usize::from(*old)).map(|line| line.to_vec()).collect();
    let Some(tail) = build_all(&before) else { return };
    assert_eq!(measure(&store, tail.tree), Ok(Some(tail)));
    if let Ok(appended) = judge_append(&store, &tail, pushed, &policy_digest) {
        let segment = |start| read_segment_at(&store, &appended.tail, start);
        let read: Vec<Vec<u8>> = segment_starts(appended.tail.size)
            .flat_map(|start| segment(start).unwrap_or_else(|_| unreachable!("it was judged to be a log")))
            .collect();
        assert_eq!(read, [before, list(&appended.lines)].concat(), "an append that changes what was there");
        assert_eq!(
            build_of(Some(&tail), &list(&appended.lines)).ok(),
            Some(appended.tail),
            "an append that nobody would build"
        );
    }
});

/// Objects in memory, named by a hash of theirs.
#[derive(Default)]
struct Store(RefCell<BTreeMap<Oid, Vec<u8>>>);

impl Store {
    fn put(&self, bytes: &[u8]) -> Oid {
        let oid = Oid(*Hash::of(bytes).0.first_chunk().expect("a hash is longer"));
        self.0.borrow_mut().insert(oid, bytes.to_vec());
        oid
    }

    fn get(&self, oid: Oid) -> Option<Vec<u8>> {
        self.0.borrow().get(&oid).cloned()
    }

    /// A log's tree with one segment, of these bytes.
    fn log_of(&self, segment: &[u8]) -> Oid {
        let folder = |name: &str, mode, oid| self.put(&encode_tree(&[TreeEntry { name: name.into(), mode, oid }]));
        let segments = folder("0000000000.jsonl", MODE_FILE, self.put(segment));
        let folders = folder("0000000000", MODE_FOLDER, segments);
        let audit = folder("0000000000", MODE_FOLDER, folders);
        folder("audit", MODE_FOLDER, audit)
    }
}

impl Objects for Store {
    type Error = Infallible;

    fn tree(&self, oid: Oid) -> Result<Option<Rc<[TreeEntry]>>, Infallible> {
        Ok(self.get(oid).and_then(|bytes| parse_tree(&bytes)).map(Rc::from))
    }

    fn blob_size(&self, oid: Oid) -> Result<Option<u64>, Infallible> {
        Ok(self.get(oid).map(|bytes| bytes.len() as u64))
    }

    fn blob(&self, oid: Oid, limit: u64) -> Result<Option<Rc<[u8]>>, Infallible> {
        Ok(self.get(oid).filter(|bytes| bytes.len() as u64 <= limit).map(Rc::from))
    }

    fn commit(&self, _: Oid) -> Result<Option<CommitHead>, Infallible> {
        Ok(None)
    }
}

impl Writer for Store {
    fn write_blob(&self, bytes: &[u8]) -> Result<Oid, Infallible> {
        Ok(self.put(bytes))
    }

    fn write_tree(&self, entries: &[TreeEntry]) -> Result<Oid, Infallible> {
        Ok(self.put(&encode_tree(entries)))
    }
}
