use super::*;
use crate::core::history::append::tests::{log_of, named, plain, policy};
use crate::core::history::append::{BuildError, NewLine, build};
use crate::core::history::object::memory::{MemoryObjects, Missing};
use crate::core::history::object::{MODE_FILE, Writer as _, tree_order};
use crate::core::history::segment::segment_starts;

/// The tree of `lines`, with some of its files replaced: a path, a mode and bytes, or none to take it away.
struct Hand<'a> {
    store: &'a MemoryObjects,
    tree: Oid,
}

impl Hand<'_> {
    fn put(&self, path: &str, mode: u32, bytes: Option<&[u8]>) -> Self {
        let oid = bytes.map(|bytes| self.store.write_blob(bytes).unwrap());
        self.put_object(path, mode, oid)
    }

    fn put_object(&self, path: &str, mode: u32, oid: Option<Oid>) -> Self {
        let tree = self.replaced(Some(self.tree), path, mode, oid).unwrap_or(self.tree);
        Hand { store: self.store, tree }
    }

    fn replaced(&self, folder: Option<Oid>, path: &str, mode: u32, oid: Option<Oid>) -> Option<Oid> {
        let mut entries = folder.map_or(Vec::new(), |oid| self.store.tree(oid).unwrap().unwrap().to_vec());
        let (name, entry) = match path.split_once('/') {
            None => (path, oid.map(|oid| (mode, oid))),
            Some((name, rest)) => {
                let below = entries.iter().find(|entry| entry.name == name.as_bytes()).map(|entry| entry.oid);
                (name, self.replaced(below, rest, mode, oid).map(|oid| (MODE_FOLDER, oid)))
            }
        };
        entries.retain(|entry| entry.name != name.as_bytes());
        entries.extend(entry.map(|(mode, oid)| TreeEntry { name: name.into(), mode, oid }));
        entries.sort_by(tree_order);
        (!entries.is_empty()).then(|| self.store.write_tree(&entries).unwrap())
    }
}

const SEGMENT: &str = "audit/0000000000/0000000000/0000000000.jsonl";
const SECOND: &str = "audit/0000000000/0000000000/0000000064.jsonl";
const THIRD: &str = "audit/0000000000/0000000000/0000000128.jsonl";

fn segment(lines: std::ops::Range<u64>) -> Vec<u8> {
    plain(lines).iter().flat_map(|new| [&new.line[..], b"\n"].concat()).collect()
}

#[test]
fn each_kind_of_void_commit_is_told_by_its_name() {
    let store = MemoryObjects::default();
    let mut lines = plain(0..70);
    lines[65] = policy(&[("jit.toml", "1")]);
    let old = log_of(&store, &lines).unwrap();
    let mut more = lines.clone();
    more.push(NewLine::plain("line 70"));
    let new = log_of(&store, &more).unwrap();
    let added = judge_append(&store, &old, new.tree, &named).unwrap().lines;
    assert_eq!(added.iter().collect::<Vec<_>>(), [b"line 70"]);

    let hand = Hand { store: &store, tree: new.tree };
    let old_bytes = |path: &str| {
        let mut oid = old.tree;
        for name in path.split('/') {
            let entries = store.tree(oid).unwrap().unwrap();
            oid = entries.iter().find(|entry| entry.name == name.as_bytes()).unwrap().oid;
        }
        store.blob(oid, 1 << 20).unwrap().unwrap().to_vec()
    };
    let second = old_bytes(SECOND);
    let with = |tail: &[u8]| [&second[..], tail].concat();
    let file = |path: &str, bytes: &[u8]| hand.put(path, MODE_FILE, Some(bytes)).tree;
    let without = |path: &str| hand.put(path, MODE_FILE, None).tree;
    let mut swapped: Vec<&[u8]> = second.split_inclusive(|byte| *byte == b'\n').collect();
    swapped.swap(2, 4);
    let mut changed = second.clone();
    changed[5] ^= 1;
    let folder = hand.store.tree(new.tree).unwrap().unwrap()[0].oid;
    let full = [with(b""), segment(70..128)].concat();
    let policy_line = policy(&[("jit.toml", "2"), ("tests/a.toml", "x")]).line;
    let with_policy = [&with(&policy_line), &b"\n"[..]].concat();
    let policy_hand = hand.put(SECOND, MODE_FILE, Some(&with_policy));
    let new_policy = |files: &[(&str, u32, &[u8])]| {
        let mut hand = Hand { store: &store, tree: policy_hand.tree };
        for (path, mode, bytes) in files {
            hand = hand.put(&format!("policy/0000000070/{path}"), *mode, Some(bytes));
        }
        hand.tree
    };
    let right: [(&str, u32, &[u8]); 2] = [("jit.toml", MODE_FILE, b"2"), ("tests/a.toml", MODE_FILE, b"x")];
    assert!(judge_append(&store, &old, new_policy(&right), &named).is_ok());
    let plus = |path, mode, bytes| new_policy(&[right[0], right[1], (path, mode, bytes)]);
    let huge = vec![b' '; (16 << 20) + 1];

    let path = |path: &str| path.to_owned();
    for (name, tree, expected) in [
        ("the same tree", old.tree, Void::NothingNew),
        ("the last line gone", log_of(&store, &lines[..69]).unwrap().tree, Void::Drops(69)),
        ("a whole segment gone", without(SECOND), Void::Drops(64)),
        ("the first segment gone", without(SEGMENT), Void::Stray(path(SECOND))),
        ("all lines gone", without("audit"), Void::Missing(path("audit"))),
        ("a line changed", file(SECOND, &changed), Void::Changes(64)),
        ("an early line changed", file(SEGMENT, &segment(1..65)), Void::Changes(0)),
        ("a line slipped in", file(SECOND, &[b"x\n", &second[..]].concat()), Void::Changes(64)),
        ("lines swapped", file(SECOND, &swapped.concat()), Void::Reorders(66)),
        ("lines swapped, one more", file(SECOND, &[&swapped.concat()[..], b"x\n"].concat()), Void::Reorders(66)),
        ("a segment cut short", file(SEGMENT, &segment(0..63)), Void::Drops(63)),
        ("a segment emptied", file(SEGMENT, b""), Void::Drops(0)),
        ("no line feed", file(SECOND, &with(b"more")), Void::NoLineFeed(70)),
        ("no line feed, later", file(SECOND, &with(b"\nmore")), Void::NoLineFeed(71)),
        ("a long line", file(SECOND, &with(&[&[b'a'; 65_537][..], b"\n"].concat())), Void::LongLine(70)),
        ("a long segment", file(SECOND, &[&full[..], b"x\n"].concat()), Void::LongSegment(path(SECOND))),
        ("a vast segment", file(SECOND, &vec![b'\n'; 5 << 20]), Void::LongSegment(path(SECOND))),
        ("a gap", file(THIRD, b"x\n"), Void::NotFull(path(SECOND))),
        ("a longer gap", file(&path_of(192), b"x\n"), Void::Stray(path_of(192))),
        ("an empty segment", hand.put(SECOND, MODE_FILE, Some(&full)).put(THIRD, MODE_FILE, Some(b"")).tree, {
            Void::Empty(path(THIRD))
        }),
        ("the next folder too early", file(&path_of(4096), b"x\n"), Void::NotFull(path("audit/0000000000/0000000000"))),
        ("an executable segment", hand.put(SECOND, 0o100_755, Some(&with(b"x\n"))).tree, {
            Void::Mode(path(SECOND), 0o100_755)
        }),
        ("a linked segment", hand.put(SECOND, 0o120_000, Some(&with(b"x\n"))).tree, {
            Void::Mode(path(SECOND), 0o120_000)
        }),
        (
            "a folder as a segment",
            hand.put_object(SECOND, MODE_FILE, Some(folder)).tree,
            Void::Unreadable(path(SECOND)),
        ),
        ("a file as a folder", file("audit/0000000000", b"x"), Void::Mode(path("audit/0000000000"), MODE_FILE)),
        ("a file as audit", file("audit", b"x"), Void::Mode(path("audit"), MODE_FILE)),
        ("a submodule", hand.put("policy", 0o160_000, Some(b"x")).tree, Void::Mode(path("policy"), 0o160_000)),
        ("no tree at all", store.put("blob", b""), Void::Unreadable(path("/"))),
        ("another file", file("README", b"x"), Void::Stray(path("README"))),
        ("another file inside", file("audit/x", b"x"), Void::Stray(path("audit/x"))),
        ("another file deep inside", file(&format!("{SECOND}x"), b"x"), Void::Stray(format!("{SECOND}x"))),
        ("the old policy gone", without("policy"), Void::PolicyChanged(path("policy"))),
        ("the old policy changed", file("policy/0000000065/jit.toml", b"2"), {
            Void::PolicyChanged(path("policy/0000000065"))
        }),
        ("the old policy grown", file("policy/0000000065/tests/a.toml", b""), {
            Void::PolicyChanged(path("policy/0000000065"))
        }),
        ("files without a policy", file("policy/0000000070/jit.toml", b"2"), Void::Stray(path("policy/0000000070"))),
        ("files before the policy", file("policy/0000000064/jit.toml", b"2"), Void::Stray(path("policy/0000000064"))),
        ("a policy without files", new_policy(&[]), Void::Missing(path("policy/0000000070"))),
        ("a policy with too few files", new_policy(&right[..1]), Void::PolicyDigest(path("policy/0000000070"))),
        (
            "a policy with a file more",
            plus("tests/b.toml", MODE_FILE, b""),
            Void::PolicyDigest(path("policy/0000000070")),
        ),
        ("a policy with a stray file", plus("README", MODE_FILE, b""), Void::Stray(path("policy/0000000070/README"))),
        (
            "a policy with a stray folder",
            plus("docs/a.toml", MODE_FILE, b""),
            Void::Stray(path("policy/0000000070/docs")),
        ),
        ("a policy with a link", plus("tests/b.toml", 0o120_000, b"x"), {
            Void::Mode(path("policy/0000000070/tests/b.toml"), 0o120_000)
        }),
        ("a policy that is vast", plus("tests/b.toml", MODE_FILE, &huge), Void::PolicySize(path("policy/0000000070"))),
        ("a policy that is a file", policy_hand.put("policy/0000000070", MODE_FILE, Some(b"x")).tree, {
            Void::Mode(path("policy/0000000070"), MODE_FILE)
        }),
    ] {
        assert_eq!(judge_append(&store, &old, tree, &named), Err(TreeError::Void(expected)), "{name}");
    }
}

#[test]
fn a_folder_has_64_entries() {
    let store = MemoryObjects::default();
    let old = log_of(&store, &plain(0..4096)).unwrap();
    let path = "audit/0000000000/0000000000/0000004096.jsonl";
    let hand = Hand { store: &store, tree: old.tree }.put(path, MODE_FILE, Some(b"x\n"));
    assert_eq!(judge_append(&store, &old, hand.tree, &named), Err(Void::Stray(path.into()).into()));
    let hand = Hand { store: &store, tree: old.tree }.put(&path_of(4096), MODE_FILE, Some(b"x\n"));
    assert_eq!(judge_append(&store, &old, hand.tree, &named).map(|new| new.tail.size), Ok(4097));
}

fn path_of(line: u64) -> String {
    crate::core::history::segment::path_of_line(line)
}

#[test]
fn a_policy_may_not_hide_its_size_in_few_objects() {
    let store = MemoryObjects::default();
    let old = build(&store, None, &plain(0..1), &named).unwrap();
    let new = [policy(&[("tests/a.toml", "x")])];
    let tail = build(&store, Some(&old), &new, &named).unwrap();
    let hand = Hand { store: &store, tree: tail.tree };
    let blob = store.write_blob(b"").unwrap();
    // Ten folders in ten folders and so on: few objects, and more files than could ever be counted.
    let mut folder = blob;
    for level in 0..14 {
        let (mode, ending) = if level == 0 { (MODE_FILE, ".toml") } else { (MODE_FOLDER, "") };
        let entry = |i| TreeEntry { name: format!("{i}{ending}").into_bytes(), mode, oid: folder };
        folder = store.write_tree(&(0..10).map(entry).collect::<Vec<_>>()).unwrap();
    }
    let many = hand.put_object("policy/0000000001/tests/x", MODE_FOLDER, Some(folder));
    store.reads.set(0);
    let verdict = judge_append(&store, &old, many.tree, &named);
    assert_eq!(verdict, Err(Void::PolicyFiles("policy/0000000001".into()).into()));
    assert!(store.reads.get() < 20_000, "{}", store.reads.get());

    let mut folder = store.write_tree(&[TreeEntry { name: b"a.toml".into(), mode: MODE_FILE, oid: blob }]).unwrap();
    for _ in 0..100_000 {
        folder = store.write_tree(&[TreeEntry { name: b"a".into(), mode: MODE_FOLDER, oid: folder }]).unwrap();
    }
    let deep = hand.put_object("policy/0000000001/tests/x", MODE_FOLDER, Some(folder));
    assert!(matches!(judge_append(&store, &old, deep.tree, &named), Err(TreeError::Void(Void::Stray(_)))));

    // As many files as there may be, all at the end of the same long way.
    let mut folder = store.write_tree(&[TreeEntry { name: b"a.toml".into(), mode: MODE_FILE, oid: blob }]).unwrap();
    for _ in 0..400 {
        folder = store.write_tree(&[TreeEntry { name: b"a".into(), mode: MODE_FOLDER, oid: folder }]).unwrap();
    }
    let entry = |i| TreeEntry { name: format!("{i:04}").into_bytes(), mode: MODE_FOLDER, oid: folder };
    let wide = store.write_tree(&(0..5_000).map(entry).collect::<Vec<_>>()).unwrap();
    let long = hand.put_object("policy/0000000001/tests/x", MODE_FOLDER, Some(wide));
    store.reads.set(0);
    let verdict = judge_append(&store, &old, long.tree, &named);
    assert_eq!(verdict, Err(Void::PolicyDigest("policy/0000000001".into()).into()));
    assert!(store.reads.get() < 500, "{}", store.reads.get());

    let empty = hand.put_object("policy/0000000001/tests/x", MODE_FOLDER, Some(store.write_tree(&[]).unwrap()));
    let verdict = judge_append(&store, &old, empty.tree, &named);
    assert_eq!(verdict, Err(Void::Empty("policy/0000000001/tests/x/".into()).into()));
}

/// Objects that are small to push may stand for any number of lines: one segment, in one folder, under many names.
#[test]
fn an_append_has_a_measure() {
    let store = MemoryObjects::default();
    let old = build(&store, None, &plain(0..1), &named).unwrap();
    let hand = Hand { store: &store, tree: old.tree };
    let lines = |count: usize, size: usize| -> Vec<u8> {
        let line = [&vec![b'a'; size][..], b"\n"].concat();
        [&b"line 0\n"[..], &line.repeat(count)].concat()
    };
    let full = |size: usize| [&vec![b'a'; size][..], b"\n"].concat().repeat(64);
    let one = |bytes: Vec<u8>| hand.put(SEGMENT, MODE_FILE, Some(&bytes)).tree;
    let two = |first: Vec<u8>, second: Vec<u8>| {
        hand.put(SEGMENT, MODE_FILE, Some(&first)).put(SECOND, MODE_FILE, Some(&second)).tree
    };
    let ended = |rest: usize| [lines(15, 65_535), [&vec![b'a'; rest][..], b"\n"].concat()].concat();
    let (long, large) = (Err(Void::LongAppend.into()), Err(Void::LargeAppend.into()));
    // Empty lines after the first, up to the end of the fourth segment, and `more`.
    let four = |more: usize| {
        let first = hand.put(SEGMENT, MODE_FILE, Some(&lines(63, 0)));
        let starts: Vec<u64> = segment_starts(320).skip(1).collect();
        let (last, whole) = starts.split_last().unwrap();
        let whole = whole.iter().fold(first, |hand, start| hand.put(&path_of(*start), MODE_FILE, Some(&full(0))));
        whole.put(&path_of(*last), MODE_FILE, Some(&b"\n".repeat(more))).tree
    };
    for (name, tree, expected) in [
        ("256 lines", four(1), Ok(257)),
        ("257 lines", four(2), long.clone()),
        ("a fifth segment, full", four(64), long.clone()),
        ("1 MiB", one(ended(65_535)), Ok(17)),
        ("1 MiB and a byte", one(ended(65_536)), large.clone()),
        ("1 MiB and a byte, in two segments", two(lines(63, 16_383), vec![b'a'; 16_385]), large.clone()),
    ] {
        assert_eq!(judge_append(&store, &old, tree, &named).map(|new| new.tail.size), expected, "{name}");
    }

    // A whole folder of segments that are one and the same file.
    for (size, expected) in [(65_536, large), (0, long)] {
        let same = store.write_blob(&full(size)).unwrap();
        let mut vast = Hand { store: &store, tree: one(lines(63, 0)) };
        for start in segment_starts(4096).skip(1) {
            vast = vast.put_object(&path_of(start), MODE_FILE, Some(same));
        }
        store.reads.set(0);
        assert_eq!(judge_append(&store, &old, vast.tree, &named), expected.map(|_: u64| unreachable!()));
        assert!(store.reads.get() < 30, "{}", store.reads.get());
    }
}

#[test]
fn the_policies_of_an_append_have_the_measure_of_one() {
    let store = MemoryObjects::default();
    let old = build(&store, None, &plain(0..1), &named).unwrap();
    let half = "#".repeat(MAX_TOTAL_BYTES / 2 - 1);
    let small = policy(&[("tests/a.toml", &half)]);
    let other = policy(&[("tests/b.toml", &half)]);
    // Two that are one and the same are two: each is read by itself where it matters.
    for pair in [[small.clone(), other.clone()], [small.clone(), small.clone()]] {
        let tail = build(&store, Some(&old), &pair, &named).unwrap();
        assert_eq!(judge_append(&store, &old, tail.tree, &named).map(|new| new.policies), Ok(vec![1, 2]));
    }
    let tail = build(&store, Some(&old), &[small.clone(), other.clone()], &named).unwrap();
    let third = policy(&[("jit.toml", "###")]);
    let all = [small, other, third.clone()];
    assert_eq!(build(&store, Some(&old), &all, &named), Err(BuildError::LargePolicies(MAX_TOTAL_BYTES + 1)));
    let lines = [&segment(0..1), &all.iter().flat_map(|new| [&new.line[..], b"\n"].concat()).collect::<Vec<_>>()[..]];
    let hand = Hand { store: &store, tree: tail.tree }.put(SEGMENT, MODE_FILE, Some(&lines.concat())).put(
        "policy/0000000003/jit.toml",
        MODE_FILE,
        Some(b"###"),
    );
    let path = "policy/0000000003".to_owned();
    assert_eq!(judge_append(&store, &old, hand.tree, &named), Err(Void::PolicySize(path).into()));
    // By itself, in the next append, it is none too many.
    let next = build(&store, Some(&tail), &[third], &named).unwrap();
    assert_eq!(judge_append(&store, &tail, next.tree, &named).map(|new| new.policies), Ok(vec![3]));
}

#[test]
fn a_first_commit_holds_line_0_alone() {
    let store = MemoryObjects::default();
    let tree = |lines: &[NewLine]| build(&store, None, lines, &named).unwrap().tree;
    assert_eq!(judge_first(&store, tree(&plain(0..1))).map(|first| first.tail.size), Ok(1));
    assert_eq!(judge_first(&store, tree(&plain(0..2))), Err(Void::NotAlone.into()));
    let with_files = tree(&[policy(&[("jit.toml", "")])]);
    assert_eq!(judge_first(&store, with_files), Err(Void::Stray("policy/0000000000".into()).into()));
    assert_eq!(judge_first(&store, store.put("tree", b"")), Err(Void::Missing("audit".into()).into()));
}

#[test]
fn a_missing_object_is_an_error_and_no_verdict() {
    let store = MemoryObjects::default();
    let old = build(&store, None, &plain(0..1), &named).unwrap();
    let gone = Oid([3; 20]);
    let hand = Hand { store: &store, tree: old.tree };
    for tree in [gone, hand.put_object(SEGMENT, MODE_FILE, Some(gone)).tree] {
        assert_eq!(judge_append(&store, &old, tree, &named), Err(TreeError::Objects(Missing(gone))));
    }
}
