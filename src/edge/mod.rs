//! Everything that touches the outside: the clock, randomness, the environment, the terminal, files, git.

pub mod world;
//! The edge: everything that touches the outside. It reads, writes and talks; it never decides about access.

pub mod keys;
