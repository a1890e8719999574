//! jit
pub mod core;
