//! A signature's base64, or the blob inside: what parses prints the same bytes again, and a check of it returns.

#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jit::core::signature::Signature;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        check(text);
    }
    check(&STANDARD.encode(bytes));
});

fn check(text: &str) {
    if let Ok(signature) = Signature::parse_base64(text) {
        assert_eq!(signature.to_base64(), text, "two forms of one signature");
        assert!(
            signature.verify(b"nobody signed this").is_err(),
            "a signature that fits a message it was not made for"
        );
        assert!(signature.to_pem().starts_with("-----BEGIN SSH SIGNATURE-----\n"));
    }
}
