//! Attacks on what must hold (design, section 2), through the core's public API: what each line of a log is worth, and
//! what a gate says then.
//!
//! From the bytes up: the form of a line and its signature (`lines`, `signatures`), whose it is (`attribution`), the
//! chain of policies (`genesis`, `policies`); then what becomes of a request that nobody attacks (`lifecycle`), who may approve
//! (`approvals`, `hardware`), what it may be (`limits`, `hours`), whose turn it is (`rotations`), what takes a grant away (`grants`, `lockdowns`, `revocations`), and what proves one (`tokens`), and how
//! old what is known is (`checkpoints`); and what a policy's own tests and its explanations say of it
//! (`rehearsal`, `explain`, `coverage`).

#[path = "../support/mod.rs"]
mod support;

mod approvals;
mod attribution;
mod checkpoints;
mod coverage;
mod explain;
mod genesis;
mod grants;
mod hardware;
mod hours;
mod lifecycle;
mod limits;
mod lines;
mod lockdowns;
mod policies;
mod rehearsal;
mod revocations;
mod rotations;
mod signatures;
mod tokens;
