//! What holds in every history: random lines, good and bad, folded as they come.
//!
//! [`histories`] says what people might say and in which order, hostile lines included; [`invariants`] what no line may
//! ever undo; [`model`] is a second, smaller opinion on requests and approvals, from the design's words alone. [`plain`] is one on what policies mean, which [`reach`]
//! holds against evaluation, explanations, tests, who-can, what-can and diff.
//!
//! `PROPTEST_CASES` (256) makes all of them search longer.

#[path = "support/mod.rs"]
mod support;

use proptest::test_runner::Config;

#[path = "properties/bodies.rs"]
mod bodies;
#[path = "properties/histories.rs"]
mod histories;
#[path = "properties/index.rs"]
mod index;
#[path = "properties/invariants.rs"]
mod invariants;
#[cfg(test)]
#[path = "properties/kept.rs"]
mod kept;
#[path = "properties/model.rs"]
mod model;
#[path = "properties/monotone.rs"]
mod monotone;
#[cfg(test)]
#[path = "properties/packed.rs"]
mod packed;
#[cfg(test)]
#[path = "properties/plain.rs"]
mod plain;
#[cfg(test)]
#[path = "properties/reach.rs"]
mod reach;
#[path = "properties/scale.rs"]
mod scale;

/// A search of `times` as many cases as usual.
fn cases(times: u32) -> Config {
    let config = Config::default();
    Config { cases: config.cases.saturating_mul(times), failure_persistence: None, ..config }
}
