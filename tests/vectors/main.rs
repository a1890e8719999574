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
//! - *a tree*: a policy's files, what `sha256sum` prints and the digest; a log's paths and git's names for its trees; the
//!   tree of a commit that adds to the one `before` it, with `expect: ok append`, or `void` and why.
//!
//! What fuzzing starts from, `fuzz/seeds/*/vector-*`, is cut from them. The files are made by this code from fixed keys and compared byte for byte; `JIT_BLESS=1 cargo test --test vectors`
//! writes them anew. A change in them is a change of a format, or of what it means.

#[path = "../support/mod.rs"]
mod support;

mod file;
mod lines;
mod logs;
mod seeds;
mod signatures;
mod tokens;
mod trees;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use file::Vector;

fn all() -> Vec<Vector> {
    [lines::vectors(), signatures::vectors(), logs::vectors(), tokens::vectors(), trees::vectors()].concat()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All files that the code makes, by path from the root of the repository.
fn made() -> BTreeMap<String, Vec<u8>> {
    let vectors = all();
    let seeds = seeds::seeds(&vectors).into_iter().map(|(path, bytes)| (format!("fuzz/seeds/{path}"), bytes));
    let mut files: BTreeMap<String, Vec<u8>> = seeds.collect();
    for vector in vectors {
        let path = format!("tests/vectors/{}.txt", vector.name);
        assert!(files.insert(path.clone(), vector.render().into_bytes()).is_none(), "two vectors at {path}");
    }
    files
}

/// The files on disk that only the code may make.
fn on_disk() -> BTreeSet<String> {
    let names = |folder: &str| -> Vec<String> {
        let entries = fs::read_dir(root().join(folder)).expect("the folder is there");
        entries
            .map(|entry| entry.expect("the folder can be read").file_name().into_string().expect("names are plain"))
            .map(|name| format!("{folder}/{name}"))
            .collect()
    };
    let vectors = names("tests/vectors").into_iter().filter(|path| path.ends_with(".txt"));
    let seeds = names("fuzz/seeds").into_iter().flat_map(|folder| names(&folder));
    vectors.chain(seeds.filter(|path| path.contains("/vector-"))).collect()
}

#[test]
fn the_files_are_what_the_code_makes() {
    let made = made();
    #[expect(
        clippy::disallowed_methods,
        reason = "a word to this test from whoever runs it; nothing sets it by default"
    )]
    let bless = std::env::var("JIT_BLESS").is_ok_and(|value| value == "1");
    if bless {
        for path in on_disk().iter().filter(|path| !made.contains_key(*path)) {
            fs::remove_file(root().join(path)).expect("an old file can be removed");
        }
        for (path, bytes) in &made {
            let path = root().join(path);
            fs::create_dir_all(path.parent().expect("a file has a folder")).expect("a folder can be made");
            fs::write(path, bytes).expect("a file can be written");
        }
    }
    let wrong: Vec<&String> = made
        .iter()
        .filter(|(path, bytes)| fs::read(root().join(path)).ok().as_ref() != Some(*bytes))
        .map(|(path, _)| path)
        .collect();
    assert!(wrong.is_empty(), "these files are others than the code makes: {wrong:?}");
    let strays: Vec<String> = on_disk().into_iter().filter(|path| !made.contains_key(path)).collect();
    assert!(strays.is_empty(), "the code does not make these files: {strays:?}");
}

#[test]
fn a_file_alone_says_what_the_core_does() {
    let made = all();
    assert!(made.len() > 200, "{} vectors", made.len());
    for vector in made {
        file::replay(&vector.name, &vector.render());
    }
}
