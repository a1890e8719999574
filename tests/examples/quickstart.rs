//! The quickstart checks itself: each of its steps ends as it should, or it stops there.

use std::process::Command;

#[test]
fn the_quickstart_plays_to_its_end() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/quickstart.sh");
    let ended = Command::new(script).env("JIT", env!("CARGO_BIN_EXE_jit")).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "{err}\n{out}");
}

/// Whoever names a program means that one, and no other that happens to be installed.
#[test]
fn a_program_that_is_not_there_is_no_program() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/quickstart.sh");
    for named in ["/nowhere/jit", "no-such-jit", env!("CARGO_MANIFEST_DIR")] {
        let ended = Command::new(script).env("JIT", named).output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
        assert_eq!((ended.status.code(), &*out), (Some(1), ""), "{err}");
        assert!(err.contains(&format!("JIT names no program: {named}")), "{err}");
    }
}
