//! SHA-256 hashes: ids of statements, Merkle roots, digests of policies.
//!
//! People and statements spell one in 64 lower-case hex digits; no other spelling is read.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

/// A SHA-256 hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// Returns the hash of `bytes`.
    pub fn of(bytes: &[u8]) -> Hash {
        Hash(Sha256::digest(bytes).into())
    }

    /// Returns the first 8 digits, which is what people see of an id.
    pub fn short(&self) -> String {
        let mut text = self.to_string();
        text.truncate(8);
        text
    }
}

impl FromStr for Hash {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Hash, HashError> {
        parse_hex(text.as_bytes()).map(Hash).ok_or(HashError)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

/// The first digits of a hash, as people type them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdPrefix(String);

impl IdPrefix {
    /// Returns the least hash that starts with it.
    pub fn first(&self) -> Hash {
        self.filled_up('0')
    }

    /// Returns the greatest hash that starts with it.
    pub fn last(&self) -> Hash {
        self.filled_up('f')
    }

    fn filled_up(&self, digit: char) -> Hash {
        let rest = std::iter::repeat_n(digit, 2 * 32 - self.0.len());
        let digits: String = self.0.chars().chain(rest).collect();
        parse_hex(digits.as_bytes()).map(Hash).expect("64 digits are a hash")
    }

    /// Tells whether `hash` starts with it.
    pub fn is_of(&self, hash: &Hash) -> bool {
        (self.first()..=self.last()).contains(hash)
    }
}

impl FromStr for IdPrefix {
    type Err = HashError;

    /// Reads up to 64 lower-case hex digits.
    fn from_str(text: &str) -> Result<IdPrefix, HashError> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() <= 2 * 32 && text.bytes().all(is_digit) { Ok(IdPrefix(text.to_owned())) } else { Err(HashError) }
    }
}

/// A text that is not 64 lower-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashError;

impl fmt::Display for HashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not 64 lower-case hex digits")
    }
}

impl std::error::Error for HashError {}

/// Reads exactly `2 * N` lower-case hex digits.
pub(crate) fn parse_hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let (pairs, rest) = text.as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    // Every line has several, so that something is none is found at the end.
    let mut all = 0;
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        let (high, low) = (digit(*high), digit(*low));
        *byte = high << 4 | low & 0xf;
        all |= high | low;
    }
    (all <= 0xf).then_some(bytes)
}

/// Returns what a digit stands for, and more than 15 for what is none.
fn digit(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0',
        b'a'..=b'f' => byte - b'a' + 10,
        _ => 0x10,
    }
}

/// Writes `bytes` in lower-case hex.
pub(crate) fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    // Ids are written by the thousand, so not a digit at a time.
    let mut digits = [0; 2 * 32];
    for part in bytes.chunks(32) {
        let (pairs, _) = digits.as_chunks_mut::<2>();
        for (pair, byte) in pairs.iter_mut().zip(part) {
            *pair = [hex_digit(byte >> 4), hex_digit(byte & 0xf)];
        }
        let written = digits.get(..2 * part.len()).and_then(|digits| std::str::from_utf8(digits).ok());
        f.write_str(written.ok_or(fmt::Error)?)?;
    }
    Ok(())
}

fn hex_digit(value: u8) -> u8 {
    if value < 10 { b'0' + value } else { b'a' + value - 10 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_only() {
        // FIPS 180-2, appendix B.1.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Hash::of(b"abc").to_string(), abc);
        assert_eq!(abc.parse(), Ok(Hash::of(b"abc")));
        let upper = abc.to_uppercase();
        let long = format!("{abc}00");
        let odd = format!("{abc}0");
        for bad in ["", &abc[..62], &abc[..63], &long, &odd, &upper, &abc.replace('b', "g"), &abc.replace("ba", "é")] {
            assert_eq!(bad.parse::<Hash>(), Err(HashError), "{bad:?}");
        }
    }
}
