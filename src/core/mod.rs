//! The pure core: values in, values out. No files, git, network, environment, clock or randomness.

pub mod append;
pub mod chain;
pub mod hash;
pub mod judge;
pub mod key;
pub mod merkle;
pub mod name;
pub mod object;
pub mod policy_folder;
pub mod segment;
pub mod signature;
pub mod time;
pub mod void;
