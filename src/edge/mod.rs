//! The edge: everything that touches the outside. It reads, writes and talks; it never decides about access.

pub mod config;
pub mod git;
pub mod keys;
pub mod log;
pub mod secret_file;
pub mod world;
