//! jit: just-in-time access with policy as code, from a git repository alone.
//!
//! A grant is a proof: a request signed by the person who asks, plus the approvals that the policy demands, in an
//! append-only log on the branch `jit/audit` of a git repository. Anyone with a clone can check it.
//!
//! The floors, and what each may use:
//!
//! - [`core`] decides. It is pure: values in, values out; no files, git, network, environment, clock or randomness. It
//!   uses nothing but itself.
//! - [`edge`] touches the outside: git, keys and agents, configuration, the clock and the terminal. It uses the core.
//! - [`cli`] is the command line: it reads through the edge, calls the core once, carries out the answer and prints it.
//!
//! The way a request takes: `cli/request.rs` opens the log ([`edge::log::walk`], [`edge::replay`]), composes a statement
//! ([`core::statement`]), asks what it would change ([`core::ledger::foresee`]), signs it ([`edge::keys`]) and appends it
//! ([`edge::log::append`]). Others approve it the same way. [`core::ledger`] folds the lines into a [`core::view`]: there
//! the request becomes a grant when one rule is met as a whole. A gate asks [`core::decide::decide`].

pub mod cli;
pub mod core;
pub mod edge;
