//! The examples that people copy, and the commands in docs/, run as they stand: with the real program, stock git and
//! stock ssh-keygen, in a home folder of their own.
#![expect(clippy::disallowed_methods, reason = "a test's own environment is the process's")]

#[cfg(test)]
mod docs;
#[cfg(test)]
mod gates;
#[cfg(test)]
mod quickstart;
#[cfg(test)]
mod team;
