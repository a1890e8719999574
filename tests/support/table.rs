//! Tables of attacks: one past, many ways to go on from it, and what is seen then.
//!
//! What is done returns the id of what was last said, so that a row is one expression.
//!
//! All rows are tried before any fault is told, so that one look shows the whole gap between yes and no.

use jit::core::hash::Hash;

/// A row: what it is called, what is done to a copy of the scene, and what must be seen then.
pub type Row<'a, S> = (&'a str, fn(&mut S) -> Hash, &'a str);

/// Tries each row on its own copy of `scene`, and holds what `see` finds then against the row.
#[track_caller]
pub fn table<S: Clone>(scene: &S, see: impl Fn(&S) -> String, rows: &[Row<'_, S>]) {
    let mut faults = String::new();
    for (name, act, expected) in rows {
        let mut scene = scene.clone();
        act(&mut scene);
        let seen = see(&scene);
        if seen != *expected {
            faults.push_str(&format!("\n  {name}\n    expected: {expected}\n    seen:     {seen}"));
        }
    }
    assert!(faults.is_empty(), "{faults}\n");
}
