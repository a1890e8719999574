//! A SHA-256 hash: a statement's id, a Merkle root, a policy's digest.
//!
//! Its one text form is 64 lower-case hex digits.

use std::fmt;
use std::str::FromStr;

/// 32 bytes of SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; 32]);

impl FromStr for Hash {
    type Err = HashError;

    /// Reads exactly 64 lower-case hex digits.
    fn from_str(text: &str) -> Result<Hash, HashError> {
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return Err(HashError) };
        let mut bytes = [0; 32];
        if pairs.len() != bytes.len() {
            return Err(HashError);
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = digit(*high).ok_or(HashError)? << 4 | digit(*low).ok_or(HashError)?;
        }
        Ok(Hash(bytes))
    }
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not 64 lower-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashError;

impl fmt::Display for HashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an id or a root is 64 digits of 0-9 and a-f")
    }
}

impl std::error::Error for HashError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_have_one_form() {
        let good = "00ff0123456789abcdef".to_owned() + &"7e".repeat(22);
        let hash: Hash = good.parse().unwrap();
        assert_eq!((hash.to_string(), &hash.0[..3]), (good.clone(), &[0x00, 0xff, 0x01][..]));
        for bad in ["", &good[..62], &good[..63], &format!("{good}0"), &format!("{good}00"), &good.to_uppercase()] {
            assert_eq!(bad.parse::<Hash>(), Err(HashError), "{bad:?}");
        }
        for bad in ["+", " ", "g", "/", ":", "`"] {
            assert_eq!(good.replacen('0', bad, 1).parse::<Hash>(), Err(HashError), "{bad:?}");
        }
    }
}
