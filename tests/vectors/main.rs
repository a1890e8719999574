//! Golden vectors: what the formats are, byte for byte, in files that another program could be held against.
//!
//! One scenario a file, `NAME.txt`, named for what it shows; `key: value` lines in order, `#` starts a remark. The
//! first key is `expect`, written here by hand and held against what the core says, so that one fault can't hide
//! behind another. Three shapes:
//!
//! - *a line* by itself: `line` (or `line-hex`, where its bytes are no plain text), the `leaf` over it, its `body` and
//!   `id` if it has one, and `expect: ok KIND`, `malformed` (with `why`, the place included) or `bad-signature`;
//! - *a log*: per line a `line`, its `verdict`, and after a policy the `file`s that stand with it, as a path and a JSON
//!   string; then the `root` over all, and what gates say: `check` and its `answer`;
//! - *a tree*: a policy's files, what `sha256sum` prints and the digest; a log's paths and git's names for its trees.
//!
//! The files are made by this code from fixed keys and compared byte for byte; `JIT_BLESS=1 cargo test --test vectors`
//! writes them anew. A change in them is a change of a format, or of what it means.

#[path = "../support/mod.rs"]
mod support;

mod file;
mod lines;
mod logs;
mod signatures;
mod tokens;
mod trees;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use file::Vector;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

fn all() -> Vec<Vector> {
    [lines::vectors(), signatures::vectors(), logs::vectors(), tokens::vectors(), trees::vectors()].concat()
}

/// The files on disk, by name.
fn on_disk() -> BTreeMap<String, String> {
    let files = fs::read_dir(folder()).expect("the folder of vectors is there");
    files
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .map(|path| {
            let name = path.file_stem().and_then(|name| name.to_str()).expect("names are plain").to_owned();
            (name, fs::read_to_string(path).expect("a vector is text"))
        })
        .collect()
}

#[test]
fn the_files_are_what_the_code_makes() {
    let made = all();
    let names: BTreeSet<&str> = made.iter().map(|vector| vector.name.as_str()).collect();
    assert_eq!(names.len(), made.len(), "two vectors of one name");
    #[expect(
        clippy::disallowed_methods,
        reason = "a word to this test, from whoever runs it; nothing reads it by default"
    )]
    let bless = std::env::var("JIT_BLESS").is_ok_and(|value| value == "1");
    if bless {
        for name in on_disk().keys().filter(|name| !names.contains(name.as_str())) {
            fs::remove_file(folder().join(format!("{name}.txt"))).expect("an old vector can be removed");
        }
        for vector in &made {
            fs::write(folder().join(format!("{}.txt", vector.name)), vector.render()).expect("a vector can be written");
        }
    }
    let disk = on_disk();
    for vector in &made {
        let there = disk.get(&vector.name).map(String::as_str).unwrap_or_default();
        assert!(
            there == vector.render(),
            "{}.txt is another:\n{there}\nThe code makes:\n{}",
            vector.name,
            vector.render()
        );
    }
    let strays: Vec<&String> = disk.keys().filter(|name| !names.contains(name.as_str())).collect();
    assert!(strays.is_empty(), "files that the code does not make: {strays:?}");
}

#[test]
fn a_file_alone_says_what_the_core_does() {
    let made = all();
    assert!(made.len() > 200, "{} vectors", made.len());
    for vector in made {
        file::replay(&vector.name, &vector.render());
    }
}
