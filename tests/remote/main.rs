//! The log on a git host, with the real program and stock git: what a host, an insider, a network and a disk can do to it.

#![cfg_attr(test, expect(clippy::disallowed_methods, reason = "a test's own environment is the process's"))]

#[cfg(test)]
#[path = "../support/changes.rs"]
mod changes;
#[cfg(test)]
#[expect(clippy::print_stdout, reason = "how long things took is told, and fails nothing")]
mod contention;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod freshness;
#[cfg(test)]
mod hosts;
#[cfg(test)]
mod insiders;
#[cfg(test)]
mod lab;
#[cfg(test)]
#[path = "../support/people.rs"]
mod people;
