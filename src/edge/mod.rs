//! Everything that touches the outside: the clock, randomness, the environment, the terminal, files, git.

pub mod config;
pub mod world;
