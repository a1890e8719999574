//! The pure core: values in, values out. No files, git, network, environment, clock or randomness.

pub mod append;
pub mod chain;
pub mod decide;
pub mod escape;
pub mod evaluate;
pub mod hash;
pub mod judge;
pub mod key;
pub mod ledger;
pub mod merkle;
pub mod name;
pub mod object;
pub mod pattern;
pub mod policy;
pub mod policy_folder;
pub mod reason;
pub mod segment;
pub mod signature;
pub mod statement;
pub mod time;
pub mod token;
pub mod view;
pub mod void;
