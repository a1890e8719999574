//! A body: what reads as one of a kind that is known is written in just these bytes.

#![no_main]

use jit::core::statement::{Body, Line, Statement, What, encode};
use libfuzzer_sys::fuzz_target;

/// A signature of the right form that fits nothing.
const SIGNATURE: &str = "U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgFdu8KQMHpNB6sq+1A/GhA+fXX/5Mpw1HKP9/ywsmbv8AAAADaml0AA\
                         AAAAAAAAZzaGE1MTIAAABTAAAAC3NzaC1lZDI1NTE5AAAAQOiUtDLFx298rhcRW7wml2aKPab7sdY8ODaRS3dV6r+SZfP9ayE0\
                         MEgsWb0Q2GTEDiA5Ebe9iY4SGo00GVWcxgM=";

fuzz_target!(|text: &str| {
    let line = format!("{{\"body\":{text},\"sig\":\"{SIGNATURE}\"}}");
    let Ok(line) = Line::parse(line.as_bytes()) else { return };
    // A body may end sooner only if what follows is a signature, and then there are two of them.
    assert_eq!(line.body_text(), text, "a body is not what it was read from");
    match line.unverified() {
        Body::Statement(Statement { what: What::Unknown { .. }, .. }) => {}
        body => assert_eq!(encode(body), text, "two forms of one body"),
    }
});
