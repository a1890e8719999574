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
    let text: String =
        db.query_row("SELECT value FROM head WHERE name = 'horizon'", [], |row| row.get(0)).expect("a horizon");
    let horizon: Timestamp = parse(text.trim_matches('"'));
    let [live, ended] = ["live", "ended"].map(|part| count(&format!("SELECT count(*) FROM {part}")));
    assert_eq!(usize::try_from(live + ended), Ok(requests));
    assert_eq!(count("SELECT count(*) FROM ended_by_question"), ended);
    assert_eq!(count(&format!("SELECT count(*) FROM live WHERE until < {}", horizon.unix())), 0);
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
