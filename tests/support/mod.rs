//! What the integration tests share. Each test binary takes in all of it and uses its own part.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part of what is shared")]

pub mod asked;
pub mod company;
#[cfg(test)]
pub mod draft;
pub mod history;
pub mod keys;
pub mod log;
pub mod org;
pub mod scale;
pub mod table;
