//! `jit` against a git host over each transport that git has for it: a path, ssh with git-shell, and HTTP, with the
//! user's own git and its settings. Two people and a gate, each with a HOME and nothing else in common; without a
//! terminal, where nobody can be asked, and on one.
//!
//! Start with [`host`]: the host and those who use it. The servers are in `tests/support`, the laboratory that the host's
//! repository comes from is that of `tests/hostile`.

#![cfg_attr(test, expect(clippy::disallowed_methods, reason = "a test's own clock and environment are the process's"))]

#[cfg(test)]
mod asked;
#[cfg(test)]
mod fresh;
#[cfg(test)]
mod host;
#[cfg(test)]
#[path = "../hostile/lab.rs"]
#[expect(dead_code, reason = "only a part of the laboratory is needed here")]
mod lab;
#[cfg(test)]
mod progress;
#[cfg(test)]
#[path = "../support/server.rs"]
mod server;
#[cfg(test)]
#[path = "../support/mod.rs"]
mod support;
#[cfg(test)]
mod terminal;
#[cfg(test)]
mod ways;
