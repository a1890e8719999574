//! The index on disk answers as the view in memory, at every prefix, whatever the history and however it got there.

use std::path::Path;

use jit::core::history::object::Oid;
use jit::core::history::segment::Tail;
use jit::core::ledger::{apply, examine};
use jit::core::name::Name;
use jit::core::view::{Overlay, View as _, ViewExt as _};
use jit::edge::index::{IndexFile, Prefix};
use jit::edge::world::{Fixed, World, fixed};
use proptest::prelude::*;

use crate::histories::{Mix, PEOPLE, history, run};
use crate::invariants::answers;
use crate::support::asked::ask_all;
use crate::support::log::{Log, parse};

const MIX: Mix = Mix { policies: 2, lockdowns: 1, nonsense: 1 };

/// A world whose state is kept in this folder.
fn world(folder: &Path) -> World {
    fixed(Fixed::new(parse("2026-11-24T09:30:00Z")).var("XDG_STATE_HOME", folder.to_str().expect("a path in UTF-8")))
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
        strides in prop::collection::vec(1..6_usize, 1..30),
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let log = run(&steps);
        let file = IndexFile::of(&world(folder.path()), &log.genesis(), Path::new("/repo"), None).expect("a folder");
        let (ids, people, now) = (log.ids(), PEOPLE.map(parse::<Name>), log.now());
        let mut size = 1 + first.index(log.deltas().len()) as u64;
        build(&file, &log, size);
        for stride in strides.iter().cycle() {
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
        }
    }
}
