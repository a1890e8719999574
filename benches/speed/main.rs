//! How fast it is, beside peers in the same run: `cargo bench`. docs/BENCHMARKS.md says how to read it.
//!
//! ```text
//! cargo bench                       all of it: a history of 1,000,000 lines is made once, and kept
//! cargo bench -- --short            a minute's worth, of small histories
//! cargo bench -- --lines 100000     the longest history has so many lines, and no more than a tenth of them revoke
//! cargo bench -- --commits 1000000  so many has the log that is cloned, one for each line; of many it is cloned once
//! cargo bench -- check append       only these parts
//! cargo bench -- --program FILE     another build of the program
//! ```
//! `JIT_BENCH_CACHE` names the folder where histories are kept (target/bench-cache). Nothing fails for being slow.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it measures this machine's processes from outside, and prints what it finds"
)]

mod ground;
mod machine;
mod measure;
mod parts;
mod policies;
mod table;

#[path = "../../tests/support/mod.rs"]
mod support;

use std::path::PathBuf;

use crate::ground::Ground;
use crate::table::Table;

/// How large things are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// Of how many runs a median is, where a run is short, and where it is long.
    pub(crate) runs: usize,
    pub(crate) few_runs: usize,
    /// Lines: few, the usual number, and the most.
    pub(crate) lines: [u64; 3],
    /// Rules: few, the usual number, and the most.
    pub(crate) rules: [u64; 3],
    /// Live grants: the usual number, and the most.
    pub(crate) live: [u64; 2],
    /// Revocations: the usual number, and the most.
    pub(crate) revocations: [u64; 2],
    /// The lines of a log with a commit for each.
    pub(crate) commits: u64,
    /// How many signatures `verify_strict` verifies alone, each thread.
    pub(crate) signatures: usize,
    /// Rules of a policy that its tools are asked about: few, and many.
    pub(crate) company: [u64; 2],
    /// The bytes of a policy's file that is only read.
    pub(crate) toml: usize,
}

const WHOLE: Sizes = Sizes {
    runs: 101,
    few_runs: 5,
    lines: [100, 10_000, 1_000_000],
    rules: [10, 1_000, 10_000],
    live: [10, 10_000],
    revocations: [100, 100_000],
    commits: 10_000,
    signatures: 40_000,
    company: [1_000, 10_000],
    toml: 1024 * 1024,
};

const SHORT: Sizes = Sizes {
    runs: 11,
    few_runs: 3,
    lines: [100, 400, 2_000],
    rules: [10, 50, 250],
    live: [10, 200],
    revocations: [20, 400],
    commits: 300,
    signatures: 2_000,
    company: [20, 60],
    toml: 16 * 1024,
};

fn main() {
    let (mut sizes, mut wanted) = (WHOLE, Vec::new());
    let mut program = PathBuf::from(env!("CARGO_BIN_EXE_jit"));
    let mut is_optimised = !cfg!(debug_assertions);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            // This is how cargo says that it is `cargo bench`.
            "--bench" => {}
            "--short" => sizes = SHORT,
            "--lines" | "--commits" => {
                let number = args.next().and_then(|text| text.parse().ok()).expect("a number follows");
                *(if arg == "--lines" { &mut sizes.lines[2] } else { &mut sizes.commits }) = number;
                sizes.revocations[1] = sizes.revocations[1].min(sizes.lines[2] / 10);
            }
            "--program" => {
                program = args.next().map(PathBuf::from).expect("a path follows");
                is_optimised = true;
            }
            part => wanted.push(part.to_owned()),
        }
    }
    let known = parts::PARTS.map(|(name, _)| name);
    if let Some(unknown) = wanted.iter().find(|part| !known.contains(&part.as_str())) {
        eprintln!("there is no part `{unknown}`: {}", known.join(", "));
        std::process::exit(2);
    }
    program = program.canonicalize().expect("the program is there");
    let described = machine::describe(&program);
    print(&format!("{described}\nprogram: {}\nload before: {}", program.display(), machine::load()));
    // What is small, or not optimised, is told and no more.
    let mut table = Table::new(sizes.lines[1] == WHOLE.lines[1] && is_optimised);
    let mut ground = Ground::new(program);
    for (name, run) in parts::PARTS {
        if wanted.is_empty() || wanted.iter().any(|part| part == name) {
            run(&mut ground, &mut table, &sizes);
        }
    }
    table.sum_up();
    print(&format!("\nload after: {}", machine::load()));
}

/// Prints a line of the answer.
pub(crate) fn print(text: &str) {
    println!("{text}");
}

/// Says what takes so long.
pub(crate) fn note(text: &str) {
    eprintln!("{text}");
}
