//! The pure core: values in, values out. No files, git, network, environment, clock or randomness.

pub mod escape;
pub mod hash;
pub mod key;
pub mod name;
pub mod signature;
pub mod time;
