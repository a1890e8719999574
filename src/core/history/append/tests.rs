use proptest::prelude::*;

use super::*;
use crate::core::history::judge::{judge_append, judge_first};
use crate::core::history::object::Objects;
use crate::core::history::object::memory::{MemoryObjects, Missing};
use crate::core::history::policy_folder::read_policy;
use crate::core::history::segment::{is_prefix, measure, read_segment_at, segment_starts, split_lines};

/// In these tests a policy line is `policy ` and the digest of its files.
pub(crate) fn named(line: &[u8]) -> Option<Hash> {
    std::str::from_utf8(line.strip_prefix(b"policy ")?).ok()?.parse().ok()
}

pub(crate) fn policy(files: &[(&str, &str)]) -> NewLine {
    let files = files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()));
    let files = PolicyFiles::new(files).unwrap();
    NewLine { line: format!("policy {}", files.digest()).into_bytes(), files }
}

pub(crate) fn plain(lines: impl IntoIterator<Item = u64>) -> Vec<NewLine> {
    lines.into_iter().map(|line| NewLine::plain(format!("line {line}"))).collect()
}

/// The tree of a log that may be longer than one append.
pub(crate) fn log_of(store: &MemoryObjects, lines: &[NewLine]) -> Result<Tail, BuildError<Missing>> {
    let mut tail = None;
    for new in lines.chunks(MAX_APPEND_LINES as usize) {
        tail = Some(build(store, tail.as_ref(), new, &named)?);
    }
    tail.ok_or(BuildError::Nothing)
}

/// The lines of a log from number `from` to its end.
pub(crate) fn lines_from(store: &MemoryObjects, tail: &Tail, from: u64) -> Vec<Vec<u8>> {
    let starts = segment_starts(tail.size).filter(|start| start + SEGMENT_LINES > from);
    let lines = starts.flat_map(|start| (start..).zip(read_segment_at(store, tail, start).unwrap()));
    lines.filter(|(line, _)| *line >= from).map(|(_, text)| text).collect()
}

fn text(lines: &[NewLine]) -> Vec<Vec<u8>> {
    lines.iter().map(|new| new.line.clone()).collect()
}

#[test]
fn logs_grow_over_every_border() {
    let store = MemoryObjects::default();
    for (border, adds) in [
        (1, &[1, 2, 63, 64][..]),
        (63, &[1, 2, 64]),
        (64, &[1, 64]),
        (65, &[63, 64]),
        (4095, &[1, 2, 64]),
        (4096, &[1, 64]),
        (262_143, &[64]),
        (262_144, &[1]),
    ] {
        let mut lines = plain(0..border);
        let old = log_of(&store, &lines).unwrap();
        for add in adds.iter().copied() {
            let new = plain(border..border + add);
            let tail = build(&store, Some(&old), &new, &named).unwrap();
            let reads = store.reads.get();
            let appended = judge_append(&store, &old, tail.tree, &named).unwrap();
            assert!(store.reads.get() - reads < 24, "{border} + {add}: {}", store.reads.get() - reads);
            let appended = (appended.tail, appended.lines.iter().map(<[u8]>::to_vec).collect());
            assert_eq!(appended, (tail, text(&new)), "{border} + {add}");
            lines.extend(new);
            assert_eq!(log_of(&store, &lines).as_ref(), Ok(&tail), "these steps or others are the same");
            assert_eq!(measure(&store, tail.tree), Ok(Some(tail)));
            let from = border.saturating_sub(70);
            assert_eq!(lines_from(&store, &tail, from), text(&lines[from as usize..]));
            assert_eq!(is_prefix(&store, &old, &tail), Ok(true));
            assert_eq!(is_prefix(&store, &tail, &old), Ok(false));
            lines.truncate(border as usize);
        }
    }
}

#[test]
fn forks_are_no_prefixes() {
    let store = MemoryObjects::default();
    let log = |lines: &[NewLine]| log_of(&store, lines).unwrap();
    for size in [1_u64, 64, 65, 4096, 4160, 5000] {
        for fork in [0, size / 2, size - 1] {
            let mut forked = plain(0..size + 70);
            forked[fork as usize] = NewLine::plain("fork");
            let (honest, forked) = (log(&plain(0..size)), log(&forked));
            assert_eq!(is_prefix(&store, &honest, &forked), Ok(false), "{size} forked at {fork}");
            assert_eq!(is_prefix(&store, &honest, &honest), Ok(true));
        }
    }
}

#[test]
fn policies_get_their_folders() {
    let store = MemoryObjects::default();
    let first = policy(&[("jit.toml", "1"), ("identities/people.toml", "a"), ("identities/a/b.toml", "")]);
    let bare = policy(&[]);
    let new = [NewLine::plain("genesis"), first.clone(), bare, NewLine::plain("policy nonsense"), first.clone()];
    let old = build(&store, None, &new[..1], &named).unwrap();
    assert_eq!(judge_first(&store, old.tree).unwrap().tail, old);
    let tail = build(&store, Some(&old), &new[1..], &named).unwrap();
    assert_eq!(judge_append(&store, &old, tail.tree, &named).unwrap().policies, [1, 4]);
    let files = first.files;
    for (line, expected) in [(0, None), (1, Some(&files)), (2, None), (3, None), (4, Some(&files)), (5, None)] {
        assert_eq!(read_policy(&store, &tail, line).unwrap().as_ref(), expected, "{line}");
    }
}

#[test]
fn what_no_judge_would_take_is_not_built() {
    let store = MemoryObjects::default();
    let build = |new: &[NewLine]| build(&store, None, new, &named).map(|_| ());
    assert_eq!(build(&[]), Err(BuildError::Nothing));
    assert_eq!(build(&[NewLine::plain("a\nb")]), Err(BuildError::LineFeed));
    assert_eq!(build(&[NewLine::plain(vec![b'a'; 65_537])]), Err(BuildError::LongLine(65_537)));
    assert_eq!(build(&[NewLine::plain(vec![b'a'; 65_536])]), Ok(()));
    assert_eq!(build(&plain(0..256)), Ok(()));
    assert_eq!(build(&plain(0..257)), Err(BuildError::LongAppend(257)));
    let large = |last: usize| {
        let mut lines = vec![NewLine::plain(vec![b'a'; 65_535]); 15];
        lines.push(NewLine::plain(vec![b'a'; last]));
        build(&lines)
    };
    assert_eq!(large(65_535), Ok(()));
    assert_eq!(large(65_536), Err(BuildError::LargeAppend(1 + (1 << 20))));
    let good = policy(&[("jit.toml", "1")]);
    let other = policy(&[("jit.toml", "2")]);
    let stray = NewLine { line: b"x".to_vec(), files: good.files.clone() };
    assert!(matches!(build(&[stray]), Err(BuildError::Digest { named: None, .. })));
    let swapped = NewLine { line: good.line.clone(), files: other.files };
    assert!(matches!(build(&[swapped]), Err(BuildError::Digest { named: Some(_), .. })));
    let missing = NewLine::plain(good.line);
    assert!(matches!(build(&[missing]), Err(BuildError::Digest { named: Some(_), .. })));
    let both = policy(&[("tests/a.toml", ""), ("tests/a.toml/b.toml", "")]);
    assert!(matches!(build(&[both]), Err(BuildError::Path(_))));
}

/// A tree as files: path, mode, bytes. Folders that hold nothing show as a path with `/` at its end.
type Listing = Vec<(String, u32, Vec<u8>)>;

fn list(store: &MemoryObjects, oid: Oid, prefix: &str, listing: &mut Listing) -> Option<()> {
    let entries = store.tree(oid).ok()??;
    if entries.is_empty() {
        listing.push((prefix.to_owned(), 0, Vec::new()));
    }
    for entry in &*entries {
        let path = format!("{prefix}{}", std::str::from_utf8(&entry.name).ok()?);
        match entry.mode {
            MODE_FOLDER => list(store, entry.oid, &format!("{path}/"), listing)?,
            mode => listing.push((path, mode, store.blob(entry.oid, 1 << 30).ok()??.to_vec())),
        }
    }
    Some(())
}

/// Tells independently of the judge whether `tree` is what an appender would have built after `old`: takes the
/// lines out of it in the order of their paths, and builds it anew.
fn is_append(store: &MemoryObjects, old: &[NewLine], tree: Oid) -> bool {
    let mut listing = Vec::new();
    if list(store, tree, "", &mut listing).is_none() {
        return false;
    }
    let mut lines: Vec<NewLine> = Vec::new();
    let mut files: BTreeMap<usize, Vec<(String, Vec<u8>)>> = BTreeMap::new();
    for (_, _, bytes) in listing.iter().filter(|(path, ..)| path.starts_with("audit/")) {
        let Ok(found) = split_lines(bytes) else { return false };
        lines.extend(found.into_iter().map(NewLine::plain));
    }
    for (path, _, bytes) in &listing {
        let Some((line, path)) = path.strip_prefix("policy/").and_then(|rest| rest.split_once('/')) else {
            continue;
        };
        let Ok(line) = line.parse() else { return false };
        files.entry(line).or_default().push((path.to_owned(), bytes.clone()));
    }
    for (line, files) in files {
        let (Some(line), Ok(files)) = (lines.get_mut(line), PolicyFiles::new(files)) else { return false };
        line.files = files;
    }
    let extends = lines.len() > old.len() && lines.iter().zip(old).all(|(one, other)| one.line == other.line);
    let few = lines.len() <= old.len() + MAX_APPEND_LINES as usize;
    extends && few && log_of(store, &lines).is_ok_and(|tail| tail.tree == tree)
}

/// Changes one thing somewhere in a tree: `path` picks the entry at each level, `change` what is done there.
fn mutate(store: &MemoryObjects, tree: Oid, path: &[u8], change: u8) -> Oid {
    let mut entries = store.tree(tree).unwrap().unwrap().to_vec();
    let (pick, rest) = path.split_first().unwrap();
    let place = usize::from(*pick) % entries.len();
    let last = entries[entries.len() - 1].oid;
    let entry = &mut entries[place];
    match change % 16 {
        0 if rest.len() < 5 => entry.mode = [MODE_FILE, MODE_FOLDER, 0o100_755, 0o120_000, 0o160_000][rest.len()],
        1 if rest.len() < 5 => drop(entries.remove(place)),
        2 if rest.len() < 5 => entry.name.push(b'0'),
        3 if rest.len() < 5 => {
            let mut copy = entry.clone();
            copy.name = format!("{:010}", u64::from(*pick) * 64).into_bytes();
            entries.push(copy);
        }
        4 if rest.len() < 5 => entry.oid = last,
        5 if rest.len() < 5 => entry.oid = store.write_tree(&[]).unwrap(),
        6 if rest.len() < 5 => entry.oid = store.write_blob(b"").unwrap(),
        _ if entry.mode == MODE_FOLDER => entry.oid = mutate(store, entry.oid, rest, change),
        kind => {
            let mut bytes = store.blob(entry.oid, 1 << 30).unwrap().unwrap().to_vec();
            let at = usize::from(rest.first().copied().unwrap_or(0)) % bytes.len().max(1);
            match kind {
                7 => bytes.extend(b"more\n"),
                8 => bytes.extend(b"more"),
                9 => drop(bytes.pop()),
                10 => bytes.insert(at, b'\n'),
                11 => bytes.reverse(),
                12 => bytes.clear(),
                13 => bytes.extend(format!("policy {}\n", Hash::of(b"x")).bytes()),
                14 => bytes.truncate(bytes.len() / 2),
                _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1),
            }
            entry.oid = store.write_blob(&bytes).unwrap();
        }
    }
    entries.sort_by(tree_order);
    store.write_tree(&entries).unwrap()
}

fn line_strategy() -> impl Strategy<Value = NewLine> {
    let path = prop::sample::select(&["jit.toml", "tests/a.toml", "tests/b/c.toml", "policies/x.toml"][..]);
    let files = prop::collection::btree_map(path, "[a-b]{0,2}", 0..4);
    prop_oneof![
        8 => "[a-c]{0,3}".prop_map(NewLine::plain),
        1 => files.prop_map(|files| {
            policy(&files.iter().map(|(path, text)| (*path, text.as_str())).collect::<Vec<_>>())
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_is_built_is_accepted(appends in prop::collection::vec(prop::collection::vec(line_strategy(), 1..40), 1..12)) {
        let store = MemoryObjects::default();
        let mut lines: Vec<NewLine> = Vec::new();
        let mut old: Option<Tail> = None;
        for new in appends {
            let tail = build(&store, old.as_ref(), &new, &named).unwrap();
            if let Some(old) = old {
                let appended = judge_append(&store, &old, tail.tree, &named).unwrap();
                prop_assert_eq!(appended.tail, tail);
                prop_assert_eq!(appended.lines.iter().map(<[u8]>::to_vec).collect::<Vec<_>>(), text(&new));
            }
            let added = new.len();
            lines.extend(new);
            prop_assert!(is_append(&store, &lines[..lines.len() - added], tail.tree));
            prop_assert_eq!(lines_from(&store, &tail, 0), text(&lines));
            old = Some(tail);
        }
    }

    #[test]
    fn a_changed_tree_is_accepted_only_if_an_appender_would_build_it(
        old in prop::collection::vec(line_strategy(), 1..200),
        new in prop::collection::vec(line_strategy(), 1..65),
        changes in prop::collection::vec((any::<[u8; 6]>(), any::<u8>()), 1..30),
    ) {
        let store = MemoryObjects::default();
        let old_tail = log_of(&store, &old).unwrap();
        let tail = build(&store, Some(&old_tail), &new, &named).unwrap();
        for (path, change) in changes {
            let changed = mutate(&store, tail.tree, &path, change);
            let verdict = judge_append(&store, &old_tail, changed, &named);
            prop_assert_eq!(verdict.is_ok(), is_append(&store, &old, changed), "{:?}", verdict);
            prop_assert!(matches!(verdict, Ok(_) | Err(TreeError::Void(_))), "{:?}", verdict);
        }
    }
}
