//! A signature's base64: what parses prints the same bytes again, and a check of it returns.

#![no_main]

use jit::core::signature::Signature;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(signature) = Signature::parse_base64(text) {
        assert_eq!(signature.to_base64(), text, "two forms of one signature");
        assert!(
            signature.verify(b"nobody signed this").is_err(),
            "a signature that fits a message it was not made for"
        );
    }
});
