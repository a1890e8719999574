//! The log as commits of a git branch: its layout in trees, what an append is, which commits are void.
//!
//! Line i stands in a segment file of 64 lines, in a tree of 64s ([`segment`]); the files of a policy line stand under
//! `policy/` ([`policy_folder`]). [`append::build`] makes the tree of an append, [`judge`] accepts just what it makes,
//! and [`chain::follow`] walks commits from the first one to a tip: each is an append to the last valid one, or void
//! ([`void`]) and ignored; what the tip tells of them beforehand is in `foreseen`. A host refuses what would be void
//! ([`incoming`]). Nothing here reads a repository: objects come through [`object::Objects`].

pub mod append;
pub mod chain;
mod foreseen;
pub mod incoming;
pub mod judge;
pub mod object;
pub mod policy_folder;
pub mod segment;
pub mod void;
