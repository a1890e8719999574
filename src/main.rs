//! The program: the real world, and the exit status.

use std::process::ExitCode;

use jit::edge::world::World;

fn main() -> ExitCode {
    ExitCode::from(jit::cli::run(&mut World::real(), World::args()))
}
