//! The edge: everything that touches the outside. It fetches values for the core and carries out what the core decides.
//!
//! - [`world`] is the clock, random bytes, the environment and the terminal in one value.
//! - [`git`] opens a repository and reads its refs and objects; [`object_writer`] writes objects and flushes them to
//!   disk; [`mod@reference`] moves a ref so that a crash at any moment harms nothing; `sharing` opens what is written to
//!   whom `core.sharedRepository` names.
//! - [`log`] walks and appends to the log, the branch `jit/audit`. It never touches the work tree, the index or HEAD;
//!   [`replay`] folds what it walked.
//! - [`index`] keeps what follows from a verified prefix of a log, on disk and read by key.
//! - [`remote`] fetches the log from a git host and pushes to it, by the user's own git; [`log::append_remote`] appends
//!   there, together with what waits in the queue of this machine.
//! - [`probe`] asks a host without changing anything; [`refused`] keeps what a host said of the last push that it refused.
//! - [`witness`] fetches and pushes what witnesses say of the log.
//! - [`policy_tree`] reads a policy from a commit of a normal branch, and [`work_tree`] reads and writes files of one.
//! - [`keys`] finds the caller's key and signs with it; [`secret_file`] reads files that a caller names.
//! - [`report`] writes a file that the caller names.
//! - [`interrupt`] clears away what is half done when the process is interrupted.
//! - [`inspect`] looks at owners, modes and leftovers, for `jit doctor`.
//! - [`config`] keeps which logs this machine trusts, and how far it has seen them.

pub mod config;
pub mod git;
mod git_talk;
pub mod index;
pub mod inspect;
pub mod interrupt;
pub mod keys;
pub mod log;
pub mod object_writer;
pub mod policy_tree;
pub mod probe;
mod recent;
pub mod reference;
pub mod refused;
pub mod remote;
pub mod replay;
pub mod report;
pub mod secret_file;
mod sharing;
pub mod witness;
pub mod work_tree;
pub mod world;
