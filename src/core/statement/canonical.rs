//! The one JSON form of a body: a reader that accepts nothing else, and the writers that make it.
//!
//! No spaces; the caller asks for keys in their order; strings are UTF-8 whose only escapes are `\"` and `\\` and which
//! hold no control characters (U+0000–1F, U+007F, U+0080–9F); numbers are decimal, without sign, leading zero, fraction
//! or exponent, at most 2^53−1. Whatever a reader returned, written again, gives the same bytes.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::core::hash::{Hash, parse_hex};
use crate::core::name::Name;
use crate::core::time::{Duration, Timestamp};

/// The largest number in a body, 2^53−1.
pub const MAX_NUMBER: u64 = (1 << 53) - 1;
/// The longest reason, comment or other free text, in bytes of UTF-8 (decoded).
pub const MAX_TEXT_LEN: usize = 1024;
/// How deep arrays and objects may nest in the fields of a kind of statement that is not known.
const MAX_DEPTH: usize = 16;

/// Why bytes are no line: what was expected, and at which byte of the line (from 0).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The place, in bytes from the start of what was read.
    pub at: usize,
    /// What should have stood there.
    pub expected: String,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}: expected {}", self.at, self.expected)
    }
}

impl std::error::Error for Malformed {}

/// Reads canonical JSON from left to right.
pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    /// Starts at byte `at` of `text`.
    pub(super) fn new(text: &'a str, at: usize) -> Reader<'a> {
        Reader { text, at }
    }

    /// Returns the place of the next byte.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.rest().bytes().next()
    }

    /// Fails at the present place.
    pub(super) fn fail<T>(&self, expected: impl Into<String>) -> Result<T, Malformed> {
        self.fail_at(self.at, expected)
    }

    fn fail_at<T>(&self, at: usize, expected: impl Into<String>) -> Result<T, Malformed> {
        Err(Malformed { at, expected: expected.into() })
    }

    /// Passes over exactly `literal`.
    pub(super) fn expect(&mut self, literal: &str) -> Result<(), Malformed> {
        if self.take(literal) { Ok(()) } else { self.fail(format!("`{literal}`")) }
    }

    /// Passes over `literal` if it comes next, and tells whether it did.
    pub(super) fn take(&mut self, literal: &str) -> bool {
        let here = self.rest().starts_with(literal);
        if here {
            self.at += literal.len();
        }
        here
    }

    /// Passes over `,"key":`.
    pub(super) fn key(&mut self, key: &str) -> Result<(), Malformed> {
        self.expect(&format!(",\"{key}\":"))
    }

    /// Reads a number.
    pub(super) fn number(&mut self) -> Result<u64, Malformed> {
        let digits = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        let (text, _) = self.rest().split_at(digits);
        let value = text.parse().ok().filter(|value| *value <= MAX_NUMBER);
        match value {
            Some(value) if text == "0" || !text.starts_with('0') => {
                self.at += digits;
                Ok(value)
            }
            _ => self.fail("a number from 0 to 2^53-1 without leading zeros"),
        }
    }

    /// Reads a string and undoes its escapes.
    pub(super) fn string(&mut self) -> Result<String, Malformed> {
        self.expect("\"")?;
        let mut value = String::new();
        loop {
            let Some(c) = self.rest().chars().next() else { return self.fail("the end of a string") };
            let (c, len) = match c {
                '"' => {
                    self.at += 1;
                    return Ok(value);
                }
                '\\' => match self.rest().as_bytes().get(1) {
                    Some(b'"') => ('"', 2),
                    Some(b'\\') => ('\\', 2),
                    _ => return self.fail("no escape but \\\" and \\\\"),
                },
                c if c.is_control() => return self.fail("no control character"),
                c => (c, c.len_utf8()),
            };
            value.push(c);
            self.at += len;
        }
    }

    /// Reads free text of at most [`MAX_TEXT_LEN`] bytes.
    pub(super) fn text(&mut self) -> Result<String, Malformed> {
        let start = self.at;
        let value = self.string()?;
        if value.len() <= MAX_TEXT_LEN {
            Ok(value)
        } else {
            self.fail_at(start, format!("at most {MAX_TEXT_LEN} bytes of text"))
        }
    }

    /// Reads a string that parses as a `T`; `what` names it for the error.
    pub(super) fn parsed<T: FromStr>(&mut self, what: &str) -> Result<T, Malformed> {
        let start = self.at;
        let text = self.string()?;
        text.parse().or_else(|_| self.fail_at(start, what))
    }

    /// Reads a name.
    pub(super) fn name(&mut self) -> Result<Name, Malformed> {
        self.parsed("a name")
    }

    /// Reads an id or a root.
    pub(super) fn hash(&mut self) -> Result<Hash, Malformed> {
        self.parsed("64 lower-case hex digits")
    }

    /// Reads `2 * N` lower-case hex digits.
    pub(super) fn hex<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let start = self.at;
        let text = self.string()?;
        parse_hex(text.as_bytes()).map_or_else(|| self.fail_at(start, format!("{} lower-case hex digits", 2 * N)), Ok)
    }

    /// Reads an instant.
    pub(super) fn time(&mut self) -> Result<Timestamp, Malformed> {
        self.parsed("a time like 2026-01-31T08:00:00Z")
    }

    /// Reads a length of time in seconds.
    pub(super) fn duration(&mut self) -> Result<Duration, Malformed> {
        let start = self.at;
        let seconds = self.number()?;
        Duration::from_secs(seconds).map_or_else(|| self.fail_at(start, "1 to 31536000 seconds"), Ok)
    }

    /// Reads `null`, or what `read` reads.
    pub(super) fn optional<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Option<T>, Malformed> {
        if self.take("null") { Ok(None) } else { read(self).map(Some) }
    }

    /// Reads an array of at least one element.
    pub(super) fn list<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        self.expect("[")?;
        let mut values = vec![read(self)?];
        while !self.take("]") {
            self.expect(",")?;
            values.push(read(self)?);
        }
        Ok(values)
    }

    /// Passes over the remaining fields of an object whose keys `seen` have been, up to and without its `}`.
    pub(super) fn skip_fields(&mut self, seen: &[&str]) -> Result<(), Malformed> {
        let mut keys: BTreeSet<String> = seen.iter().map(|key| (*key).to_owned()).collect();
        while self.take(",") {
            self.skip_field(&mut keys, 0)?;
        }
        Ok(())
    }

    fn skip_field(&mut self, keys: &mut BTreeSet<String>, depth: usize) -> Result<(), Malformed> {
        let start = self.at;
        let key = self.string()?;
        if !keys.insert(key) {
            return self.fail_at(start, "no key twice");
        }
        self.expect(":")?;
        self.skip_value(depth)
    }

    /// Passes over any canonical value; `depth` arrays and objects stand around it.
    fn skip_value(&mut self, depth: usize) -> Result<(), Malformed> {
        match self.peek() {
            Some(b'"') => self.string().map(drop),
            Some(b'[' | b'{') if depth >= MAX_DEPTH => self.fail(format!("at most {MAX_DEPTH} levels")),
            Some(b'[') => {
                self.at += 1;
                if self.take("]") {
                    return Ok(());
                }
                loop {
                    self.skip_value(depth + 1)?;
                    if self.take("]") {
                        return Ok(());
                    }
                    self.expect(",")?;
                }
            }
            Some(b'{') => {
                self.at += 1;
                if self.take("}") {
                    return Ok(());
                }
                let mut keys = BTreeSet::new();
                loop {
                    self.skip_field(&mut keys, depth + 1)?;
                    if self.take("}") {
                        return Ok(());
                    }
                    self.expect(",")?;
                }
            }
            _ if self.take("null") || self.take("true") || self.take("false") => Ok(()),
            _ => self.number().map(drop),
        }
    }
}

/// Appends `text` as a JSON string in its one form.
///
/// Control characters have no form: callers hold them back by [`is_text`].
pub(super) fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}

/// Tells whether `text` can stand in a statement as free text: no control characters, at most [`MAX_TEXT_LEN`] bytes.
pub fn is_text(text: &str) -> bool {
    text.len() <= MAX_TEXT_LEN && !text.chars().any(char::is_control)
}
