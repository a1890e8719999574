//! The edge: everything that touches the outside. It reads, writes and talks; it never decides about access.

pub mod config;
pub mod git;
pub mod keys;
pub mod log;
pub mod secret_file;
pub mod world;
//! The edge: everything that touches the outside. It fetches values for the core and carries out what the core decides.
//!
//! - [`git`] opens a repository and reads its refs and objects; [`object_writer`] writes objects and flushes them to
//!   disk; [`reference`] moves a ref so that a crash at any moment harms nothing.
//! - [`log`] walks and appends to the log, the branch `jit/audit`. It never touches the work tree, the index or HEAD.
//! - [`policy_tree`] reads a policy from a commit of a normal branch, and [`work_tree`] writes files of one.

pub mod git;
pub mod log;
pub mod object_writer;
pub mod policy_tree;
pub mod reference;
pub mod work_tree;
