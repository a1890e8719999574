//! Attacks on what must hold (design, section 2), through the core's public API: what each line of a log is worth, and
//! what a gate says then.

#[path = "../support/mod.rs"]
mod support;

mod lifecycle;
