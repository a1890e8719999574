//! The command line, one module a subcommand: what people and programs read, and the exit status.
//!
//! Most runs are in this process, in a world of their own (`support`); `binary` runs the real program. What people read
//! is held by snapshots, which are read as they would; what programs read is held by `support::shape`.
#![expect(clippy::disallowed_methods, reason = "a test's own environment is the process's")]

#[cfg(test)]
mod approve;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod binary;
#[cfg(test)]
mod check;
#[cfg(test)]
mod deny;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod done;
#[cfg(test)]
mod globals;
#[cfg(test)]
mod hardware;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod init;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod lift;
#[cfg(test)]
mod list;
#[cfg(test)]
mod lockdown;
#[cfg(test)]
mod policy;
#[cfg(test)]
mod request;
#[cfg(test)]
mod revoke;
#[cfg(test)]
mod show;
#[cfg(test)]
#[path = "../support/keys.rs"]
#[expect(dead_code, unreachable_pub, reason = "what is shared has more than this needs")]
mod signing_keys;
#[cfg(test)]
mod support;
#[cfg(test)]
mod token;
#[cfg(test)]
mod whoami;
