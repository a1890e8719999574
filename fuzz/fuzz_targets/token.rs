//! A token, or the lines inside: what parses is packed in just these bytes.

#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jit::core::statement::Line;
use jit::core::token::{MAX_TOKEN_LEN, PREFIX, Token, encode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        check(text);
    }
    check(&format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)));
});

fn check(text: &str) {
    if Token::parse(text).is_err() {
        return;
    }
    assert!(text.len() <= MAX_TOKEN_LEN, "a token over its limit");
    let bytes =
        URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX).expect("a token starts so")).expect("a token is base64url");
    let lines = bytes.strip_suffix(b"\n").expect("a token ends so").split(|byte| *byte == b'\n');
    let mut lines: Vec<Line> = lines.map(|line| Line::parse(line).expect("a token is made of lines")).collect();
    let presentation = lines.pop().expect("a token has a presentation");
    assert_eq!(encode(lines.iter().map(Line::as_str), &presentation), text, "two spellings of one token");
}
