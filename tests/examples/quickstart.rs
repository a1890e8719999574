//! The quickstart checks itself: each of its steps ends as it should, or it stops there.

use std::process::Command;

#[test]
fn the_quickstart_plays_to_its_end() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/quickstart.sh");
    let ended = Command::new(script).env("JIT", env!("CARGO_BIN_EXE_jit")).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "{err}\n{out}");
}
