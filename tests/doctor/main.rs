//! `jit doctor` where it matters: before a host that misbehaves, and as the user of a gate, with the real program and git.

#![cfg_attr(test, expect(clippy::disallowed_methods, reason = "a test's own environment is the process's"))]

#[cfg(test)]
mod gate;
#[cfg(test)]
mod host;
#[cfg(test)]
#[path = "../support/people.rs"]
mod people;
#[cfg(test)]
mod site;
