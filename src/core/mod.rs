//! The pure core: values in, values out. No files, git, network, environment, clock or randomness.

pub mod checkpoint;
pub mod coverage;
pub mod decide;
pub mod escape;
pub mod evaluate;
pub mod explain;
pub mod hash;
pub mod history;
pub mod key;
pub mod ledger;
pub mod merkle;
pub mod name;
mod near;
pub mod packed;
pub mod pattern;
pub mod policy;
pub mod reach;
pub mod reason;
pub mod refusal;
pub mod region;
pub mod rehearsal;
pub mod signature;
pub mod statement;
pub mod stored;
mod strict;
#[cfg(test)]
mod testing;
pub mod time;
pub mod token;
pub mod view;
pub mod zone;
