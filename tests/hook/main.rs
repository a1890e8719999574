//! `jit hook update` in a bare repository that two people push to by stock git: over a path, over ssh with git-shell,
//! and over HTTP. What is no append is refused, and whoever pushed it sees why.
//!
//! Start with [`host`]: the bare repository and the two people's clones. The laboratory is that of `tests/hostile`.

#![cfg_attr(test, expect(clippy::disallowed_methods, reason = "a test's own clock and environment are the process's"))]

#[cfg(test)]
#[path = "../hostile/forge.rs"]
#[expect(dead_code, reason = "only a part of the laboratory is needed here")]
mod forge;
#[cfg(test)]
mod host;
#[cfg(test)]
#[path = "../hostile/lab.rs"]
#[expect(dead_code, reason = "only a part of the laboratory is needed here")]
mod lab;
#[cfg(test)]
mod pushes;
#[cfg(test)]
#[path = "../support/server.rs"]
mod server;
#[cfg(test)]
mod transports;
