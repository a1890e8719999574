//! The program: the real world, and the exit status.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use jit::edge::world::World;

/// The exit status of a bug of ours, sysexits' EX_SOFTWARE.
const BUG: u8 = 70;

fn main() -> ExitCode {
    let run = AssertUnwindSafe(|| jit::cli::run(&mut World::real(), World::args()));
    // The panic has said on standard error what broke and where; nothing is half-written, and nothing is allowed.
    let status = catch_unwind(run).unwrap_or_else(|_| {
        World::real().warn("this is a bug in jit: please report the lines above, and what you did");
        BUG
    });
    ExitCode::from(status)
}
