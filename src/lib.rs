//! jit: just-in-time access with policy as code, from a git repository alone.

pub mod cli;
pub mod core;
pub mod edge;
