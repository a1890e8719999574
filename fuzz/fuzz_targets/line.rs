//! A line: what reads as one is written in just these bytes, and a check of its signature returns.

#![no_main]

use jit::core::statement::{Body, Line, MAX_LINE_LEN, Statement, What, encode, policy_digest};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let digest = policy_digest(bytes);
    let Ok(line) = Line::parse(bytes) else { return };
    assert!(bytes.len() <= MAX_LINE_LEN, "a line over its limit");
    assert_eq!(line.as_str().as_bytes(), bytes, "a line is not what it was read from");
    assert_eq!(Line::new(line.body_text(), line.signature()).as_ref(), Ok(&line), "two forms of one line");
    let written = encode(line.unverified());
    let named = match line.unverified() {
        Body::Statement(Statement { what: What::Unknown { .. }, .. }) => None,
        Body::Statement(Statement { what: What::Policy(policy), .. }) => Some(policy.digest),
        Body::Genesis(_) | Body::Statement(_) => None,
    };
    if !matches!(line.unverified(), Body::Statement(Statement { what: What::Unknown { .. }, .. })) {
        assert_eq!(written, line.body_text(), "two forms of one body");
    }
    assert_eq!(digest, named, "a policy's digest is not the one that its line names");
    let _ = line.verify();
});
