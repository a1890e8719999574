//! Many clones and one host, over real transports, with the real program and git.

#![cfg_attr(test, expect(clippy::disallowed_methods, reason = "a test's own environment is the process's"))]

#[cfg(test)]
mod contention;
#[cfg(test)]
mod host;
