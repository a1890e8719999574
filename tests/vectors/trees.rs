//! Trees: a policy's files and their digest; a log's segments, and git's names for them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use jit::core::hash::Hash;
use jit::core::history::append::{NewLine, build};
use jit::core::history::judge::{judge_append, judge_first};
use jit::core::history::object::{
    CommitHead, MODE_FILE, MODE_FOLDER, Objects, Oid, TreeEntry, Writer, encode_tree, parse_tree,
};
use jit::core::history::segment::{Tail, TreeError, path_of_line, read_segment_at, segment_starts};
use jit::core::policy::PolicyFiles;
use jit::core::statement::policy_digest;

use crate::file::Vector;
use crate::logs::{org, start};
use crate::support::log::Log;
use crate::support::org::files;

pub(crate) fn vectors() -> Vec<Vector> {
    let minimal = org().files();
    let many = files(&[
        ("jit.toml", "format = 1\nname = \"acme\"\n"),
        ("identities/people.toml", ""),
        ("identities/a/b.toml", "# éñ\n"),
        ("identities/a-b.toml", "\r\n"),
        ("identities/a.toml", "# no line feed at the end"),
        ("policies/0.toml", "\0"),
        ("targets/web-1.toml", "#\n"),
        ("tests/deep/er/still/t.toml", "#\n#\n"),
    ]);
    vec![
        policy("policy-tree", "A policy that loads.", &minimal),
        policy("policy-tree-order", "Paths sort by bytes: `-` before `.` before `/`.", &many),
        policy("policy-tree-empty", "No files at all.", &files(&[])),
        log("log-tree-one-line", "A genesis alone.", &Log::new(&["alice"], 1)),
        log(
            "log-tree-full-segment",
            "A policy's files, and a segment of 64 lines, the most there may be.",
            &longer(64),
        ),
        log("log-tree-two-segments", "The line after that starts a segment.", &longer(65)),
        log("log-tree-three-segments", "The second policy's files stand beside the first's.", &{
            let mut log = longer(129);
            log.policy("alice", &org().people("frank"));
            log
        }),
        append("append-lines-most", "As many lines as one commit may add: 256.", 256, 0, "ok append"),
        append("append-lines-too-many", "One line more.", 257, 0, "void it adds more than 256 lines at once"),
        append(
            "append-bytes-most",
            "As many bytes as one commit may add, LFs included: 1 MiB.",
            64,
            16_383,
            "ok append",
        ),
        append(
            "append-bytes-too-many",
            "A byte more in each line.",
            64,
            16_384,
            "void it adds more than 1024 KiB of lines at once",
        ),
    ]
}

/// A commit that adds `count` equal lines of `length` bytes to a genesis, and whether it is an append.
fn append(name: &str, about: &str, count: usize, length: usize, expect: &str) -> Vector {
    let genesis = Log::new(&["alice"], 1);
    let store = Store::default();
    let old = build(&store, None, &[NewLine::plain(genesis.line(0))], &policy_digest).expect("an appender builds this");
    let line = "a".repeat(length);
    let mut lines = vec![genesis.line(0).to_vec()];
    lines.extend(vec![line.clone().into_bytes(); count]);
    let mut folder = Vec::new();
    for (lines, start) in lines.chunks(64).zip((0..).step_by(64)) {
        let bytes: Vec<u8> = lines.iter().flat_map(|line| [line.as_slice(), b"\n"].concat()).collect();
        let oid = store.write_blob(&bytes).expect("it is kept");
        folder.push(TreeEntry { name: format!("{start:010}.jsonl").into_bytes(), mode: MODE_FILE, oid });
    }
    for name in ["0000000000", "0000000000", "audit"] {
        let oid = store.write_tree(&folder).expect("it is kept");
        folder = vec![TreeEntry { name: name.into(), mode: MODE_FOLDER, oid }];
    }
    let tree = store.write_tree(&folder).expect("it is kept");
    let said = match judge_append(&store, &old, tree, &policy_digest) {
        Ok(_) => "ok append".to_owned(),
        Err(TreeError::Void(why)) => format!("void {why}"),
        Err(TreeError::Objects(why)) => unreachable!("{name}: {why}"),
    };
    assert_eq!(said, expect, "{name}");
    let line = if line.is_empty() { String::new() } else { format!(", each {length} times `a`") };
    let mut vector = Vector::new(name, about, expect)
        .with("line", String::from_utf8_lossy(genesis.line(0)))
        .with("before", old.tree)
        .with("added", format!("{count} lines{line}"))
        .with("tree", tree);
    for entry in store.list(tree, "") {
        vector = vector.with("entry", entry);
    }
    vector
}

/// A log of `size` lines, most of them as short as can be: what is no statement is a line all the same.
fn longer(size: u64) -> Log {
    let mut log = start();
    while log.size() < size {
        let line = log.size();
        log.raw(if line == 2 { String::new() } else { format!("line {line}") }.as_bytes());
    }
    log
}

/// The files, what `sha256sum` prints over them, and the SHA-256 of that.
fn policy(name: &str, about: &str, files: &PolicyFiles) -> Vector {
    let sums: Vec<String> = files.iter().map(|(path, text)| format!("{}  {path}", Hash::of(text))).collect();
    let printed: String = sums.iter().map(|sum| format!("{sum}\n")).collect();
    let digest = files.digest();
    assert_eq!(digest, Hash::of(printed.as_bytes()), "{name}");
    let mut vector = Vector::new(name, about, "ok policy").with("digest", digest);
    for (path, text) in files.iter() {
        let text = std::str::from_utf8(text).expect("files here are text");
        vector = vector.with("file", format!("{path} {}", serde_json::to_string(text).expect("text is JSON")));
    }
    for sum in sums {
        vector = vector.with("sum", sum);
    }
    vector
}

/// Git's objects in memory, under the names that git gives them.
#[derive(Default)]
struct Store(RefCell<BTreeMap<Oid, Vec<u8>>>);

impl Store {
    fn put(&self, kind: git2::ObjectType, bytes: &[u8]) -> Result<Oid, git2::Error> {
        let name = git2::Oid::hash_object(kind, bytes)?;
        let oid = Oid(name.as_bytes().try_into().map_err(|_| git2::Error::from_str("a name of another length"))?);
        self.0.borrow_mut().insert(oid, bytes.to_vec());
        Ok(oid)
    }

    fn get(&self, oid: Oid) -> Result<Vec<u8>, git2::Error> {
        self.0.borrow().get(&oid).cloned().ok_or_else(|| git2::Error::from_str("not there"))
    }

    /// All files and folders below a tree, as `MODE NAME PATH`.
    fn list(&self, tree: Oid, path: &str) -> Vec<String> {
        let entries = parse_tree(&self.get(tree).expect("the tree is there")).expect("it is a tree");
        let mut listed = Vec::new();
        for entry in entries {
            let path = format!("{path}{}", String::from_utf8_lossy(&entry.name));
            listed.push(format!("{:06o} {} {path}", entry.mode, entry.oid));
            if entry.mode == MODE_FOLDER {
                listed.extend(self.list(entry.oid, &format!("{path}/")));
            }
        }
        listed
    }
}

impl Objects for Store {
    type Error = git2::Error;

    fn tree(&self, oid: Oid) -> Result<Option<Rc<[TreeEntry]>>, git2::Error> {
        self.get(oid).map(|bytes| parse_tree(&bytes).map(Rc::from))
    }

    fn blob_size(&self, oid: Oid) -> Result<Option<u64>, git2::Error> {
        self.get(oid).map(|bytes| Some(bytes.len() as u64))
    }

    fn blob(&self, oid: Oid, limit: u64) -> Result<Option<Rc<[u8]>>, git2::Error> {
        self.get(oid).map(|bytes| (bytes.len() as u64 <= limit).then(|| bytes.into()))
    }

    fn commit(&self, _: Oid) -> Result<Option<CommitHead>, git2::Error> {
        Ok(None)
    }
}

impl Writer for Store {
    fn write_blob(&self, bytes: &[u8]) -> Result<Oid, git2::Error> {
        self.put(git2::ObjectType::Blob, bytes)
    }

    fn write_tree(&self, entries: &[TreeEntry]) -> Result<Oid, git2::Error> {
        self.put(git2::ObjectType::Tree, &encode_tree(entries))
    }
}

/// The lines and files of a log, and every entry of the tree that holds them. Each line is appended by itself, and the
/// tree is the same when all but the first come 64 at once.
fn log(name: &str, about: &str, log: &Log) -> Vector {
    let store = Store::default();
    let new = |index: u64| {
        let files = log.files(index).cloned().unwrap_or_default();
        NewLine { line: log.line(index).to_vec(), files }
    };
    let append = |old: Option<&Tail>, lines: &[NewLine]| {
        build(&store, old, lines, &policy_digest).expect("an appender builds this")
    };
    let first = append(None, &[new(0)]);
    assert!(judge_first(&store, first.tree).is_ok(), "{name}");
    let mut tail = first;
    for index in 1..log.size() {
        let next = append(Some(&tail), &[new(index)]);
        assert!(judge_append(&store, &tail, next.tree, &policy_digest).is_ok(), "{name}: line {index}");
        tail = next;
    }
    if log.size() > 1 {
        let rest: Vec<NewLine> = (1..log.size()).map(new).collect();
        let many = rest.chunks(64).fold(first, |old, lines| append(Some(&old), lines));
        assert_eq!(many, tail, "{name}");
    }
    let segments = segment_starts(tail.size).map(|start| read_segment_at(&store, &tail, start));
    let read: Vec<Vec<u8>> = segments.flat_map(|lines| lines.expect("the log can be read")).collect();
    assert_eq!((tail.size, read.as_slice()), (log.size(), log.lines()), "{name}");
    let mut vector = Vector::new(name, about, "ok tree");
    for index in 0..log.size() {
        vector = vector.with("line", String::from_utf8_lossy(log.line(index)));
        for (path, text) in log.files(index).into_iter().flat_map(PolicyFiles::iter) {
            let text = std::str::from_utf8(text).expect("files here are text");
            vector = vector.with("file", format!("{path} {}", serde_json::to_string(text).expect("text is JSON")));
        }
    }
    vector = vector.with("last-line", path_of_line(log.size() - 1)).with("tree", tail.tree);
    for entry in store.list(tail.tree, "") {
        vector = vector.with("entry", entry);
    }
    vector
}
