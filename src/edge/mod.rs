//! The edge: everything that touches the outside. It reads, writes and talks; it never decides about access.

pub mod keys;
