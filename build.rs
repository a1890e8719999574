//! Tells the linker what a check runs, so that it lies side by side: two thirds of the pages that a check meets of the program
//! itself, and a fifth of its time, are saved by that (docs/BENCHMARKS.md). Nothing else depends on it.

#![expect(clippy::disallowed_methods, reason = "that is how cargo says what it builds")]

use std::env;
use std::path::Path;

const ORDER: &str = ".cargo/order.ld";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={ORDER}");
    let of = |name| env::var(name).unwrap_or_default();
    // The script names what the GNU C library and this platform's compilers make.
    let platform = (of("CARGO_CFG_TARGET_ARCH"), of("CARGO_CFG_TARGET_OS"), of("CARGO_CFG_TARGET_ENV"));
    let known = (platform.0.as_str(), platform.1.as_str(), platform.2.as_str()) == ("x86_64", "linux", "gnu");
    // Rust's own linker and GNU ld add a script to what they do; a linker that somebody chose may know nothing of scripts.
    let chosen = of("CARGO_ENCODED_RUSTFLAGS").contains("fuse-ld");
    let script = Path::new(&of("CARGO_MANIFEST_DIR")).join(ORDER);
    if known && !chosen && of("PROFILE") == "release" && script.exists() {
        // Not by way of `-Wl`, which would cut a path at its commas.
        println!("cargo::rustc-link-arg-bins=-T{}", script.display());
    }
}
