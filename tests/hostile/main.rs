//! Attacks on the real program, by what an insider has at hand: stock `ssh-keygen` to sign lines, stock `git` to push
//! commits. No code is shared with the crate, so a misreading of the formats can't hide on both sides.
//!
//! Start with [`lab`]: a temporary folder with a policy repo, people with keys, and ways to forge lines and commits.

#![cfg_attr(test, expect(clippy::disallowed_methods, reason = "a test's own clock and environment are the process's"))]

#[cfg(test)]
mod arguments;
#[cfg(test)]
#[path = "../support/changes.rs"]
mod changes;
#[cfg(test)]
mod commits;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod encoder;
#[cfg(test)]
mod forge;
#[cfg(test)]
mod gates;
#[cfg(test)]
mod interop;
#[cfg(test)]
mod lab;
#[cfg(test)]
mod lines;
#[cfg(test)]
mod policy;
#[cfg(test)]
mod recompute;
#[cfg(test)]
mod rights;
#[cfg(test)]
mod shown;
#[cfg(test)]
mod tokens;
