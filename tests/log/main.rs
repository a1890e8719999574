//! The log in real git repositories: appended to, attacked by hand, interrupted.

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
