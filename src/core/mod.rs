//! The pure core: values in, values out. No files, git, network, environment, clock or randomness.

pub mod hash;
pub mod key;
pub mod merkle;
pub mod name;
pub mod signature;
pub mod time;
