//! Witnesses, with the real program, stock git and stock ssh-keygen: what a gate makes of what they say, and of what others
//! put in their place.

#![cfg_attr(test, expect(clippy::disallowed_methods, reason = "a test's own environment is the process's"))]

#[cfg(test)]
mod gates;
#[cfg(test)]
#[path = "../support/people.rs"]
mod people;
#[cfg(test)]
mod team;
