//! The pure core: values in, values out. No files, git, network, environment, clock or randomness.

pub mod key;
pub mod name;
pub mod pattern;
pub mod policy;
pub mod signature;
pub mod time;
