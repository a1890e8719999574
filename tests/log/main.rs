//! The log in real git repositories: appended to, attacked by hand, interrupted.

#![cfg_attr(
    test,
    expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a test's own process is what it looks at")
)]

#[cfg(test)]
mod append;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod policy;
#[cfg(test)]
mod repository;
#[cfg(test)]
mod support;
