//! The index on disk answers as the view in memory, at every prefix, whatever the history and however it got there.

use std::path::Path;

use chrono::TimeDelta;
use jit::core::history::object::Oid;
use jit::core::history::segment::Tail;
use jit::core::ledger::{apply, examine};
use jit::core::name::Name;
use jit::core::time::Timestamp;
use jit::core::view::{Overlay, View as _, ViewExt as _};
use jit::edge::index::{IndexFile, Prefix};
use jit::edge::world::{Fixed, World, fixed};
use proptest::prelude::*;

use crate::histories::{Mix, PEOPLE, history, run};
use crate::invariants::answers;
use crate::support::asked::ask_all;
use crate::support::log::{Log, parse};

const MIX: Mix = Mix { policies: 2, lockdowns: 1, nonsense: 1 };

/// A world whose state is kept in this folder, and whose clock is so many hours beyond the end of a log.
fn world(folder: &Path, log: &Log, hours: i64) -> World {
    let now = log.now().shifted(TimeDelta::hours(hours));
    fixed(Fixed::new(now).var("XDG_STATE_HOME", folder.to_str().expect("a path in UTF-8")))
}

/// Nothing in the live part of an index had ended at the horizon, and all that reaches it is there.
fn check_parts(file: &IndexFile, requests: usize) {
    let db = rusqlite::Connection::open(file.path()).expect("a store");
    let count = |sql: &str| -> i64 { db.query_row(sql, [], |row| row.get(0)).expect(sql) };
    let keys = |from: &str| -> Vec<Vec<u8>> {
        let sql = format!("SELECT key FROM kept WHERE key >= x'{from}' AND key < x'{from}ff'");
        let mut found = db.prepare(&sql).expect(&sql);
        let rows = found.query_map([], |row| row.get(0)).expect(&sql);
        rows.map(|row| row.expect("a key")).collect()
    };
    let seconds = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | i64::from(*byte));
    let sql = "SELECT value FROM kept WHERE key = CAST(x'01' || 'horizon' AS BLOB)";
    let text: Vec<u8> = db.query_row(sql, [], |row| row.get(0)).expect("a horizon");
    let horizon: Timestamp = parse(str::from_utf8(&text).expect("a time").trim_matches('"'));
    // What is live, by line, by question and by end; and what has ended, by line and by question, on all levels.
    let [live, by_question, by_end] = ["08", "09", "0a"].map(keys);
    let ended = count("SELECT count(*) FROM ended");
    assert_eq!(i64::try_from(live.len()).ok().map(|live| live + ended), i64::try_from(requests).ok());
    assert_eq!((by_question.len(), by_end.len()), (live.len(), live.len()));
    let ended_by_question: usize = ["8001", "8101", "8201", "8301"].map(|level| keys(level).len()).iter().sum();
    assert_eq!(i64::try_from(ended_by_question), Ok(ended));
    assert!(by_end.iter().all(|key| key.get(1..6).is_some_and(|end| seconds(end) >= horizon.unix())));
    assert_eq!(count(&format!("SELECT count(*) FROM ended WHERE until >= {}", horizon.unix())), 0);
}

/// Up to where an index of the first `size` lines reaches, in a repo that nobody looks into.
fn prefix(log: &Log, size: u64) -> Prefix {
    let commit = |kind: u8| Oid([kind; 20].map(|byte| byte ^ u8::try_from(size).unwrap_or(0)));
    Prefix {
        genesis: log.genesis(),
        tip: commit(1),
        last_valid_commit: commit(2),
        tail: Tail { size, tree: commit(3) },
        pin: size.is_multiple_of(2).then(|| commit(4)),
    }
}

/// Builds the index of the first `size` lines.
fn build(file: &IndexFile, log: &Log, size: u64) {
    let mut builder = file.build().expect("a folder of our own");
    for delta in log.deltas().iter().take(usize::try_from(size).expect("a short log")) {
        builder.add(delta).expect("a store to write to");
    }
    builder.finish(&prefix(log, size), log.refold(size).root().expect("a root")).expect("a file to put in place");
}

proptest! {
    #![proptest_config(crate::cases(1))]

    #[test]
    fn index_and_memory_answer_alike_at_every_prefix(
        steps in history(MIX, 25),
        first in any::<prop::sample::Index>(),
        strides in prop::collection::vec((1..6_usize, -6..6_i64), 1..30),
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let log = run(&steps);
        let file_at = |hours| {
            IndexFile::of(&world(folder.path(), &log, hours), &log.genesis(), Path::new("/repo"), None).expect("a folder")
        };
        let (ids, people, now) = (log.ids(), PEOPLE.map(parse::<Name>), log.now());
        let mut size = 1 + first.index(log.deltas().len()) as u64;
        build(&file_at(strides.first().map_or(0, |(_, hours)| *hours)), &log, size);
        for (stride, hours) in strides.iter().cycle() {
            let file = file_at(*hours);
            let (index, reached) = file.open().expect("an index that reads").expect("an index");
            prop_assert_eq!(&reached, &prefix(&log, size));
            let memory = log.refold(size);
            prop_assert_eq!(ask_all(&index, &ids, &people, now), ask_all(&memory, &ids, &people, now));
            prop_assert_eq!(answers(&index, now), answers(&memory, now));
            let place = usize::try_from(size).expect("a short log");
            let new: Vec<_> = log.deltas().iter().skip(place).take(*stride).cloned().collect();
            if new.is_empty() {
                break;
            }
            // Over the index the next lines mean what they mean over the view in memory.
            let mut over = Overlay::over(index.clone());
            for (delta, line) in new.iter().zip(size..) {
                let found = apply(&over, &examine(log.line(line)), log.files(line)).expect("a log");
                prop_assert_eq!(&found, delta);
                over.commit(found);
            }
            size += new.len() as u64;
            let whole = log.refold(size);
            prop_assert_eq!(ask_all(&over, &ids, &people, now), ask_all(&whole, &ids, &people, now));
            index.advance(&new, &prefix(&log, size), whole.root().expect("a root")).expect("nobody else reads");
            prop_assert_eq!(index.failure(), None);
            check_parts(&file, whole.requests(None).len());
        }
    }
}
