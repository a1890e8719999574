//! The command line, one module a subcommand: what people and programs read, and the exit status.
//!
//! Most runs are in this process, in a world of their own (`support`); `binary` runs the real program.
#![expect(clippy::disallowed_methods, reason = "a test's own environment is the process's")]

#[cfg(test)]
mod request;
#[cfg(test)]
mod support;
