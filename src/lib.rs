//! jit
pub mod core;
pub mod edge;
