//! The one JSON form of a body: a reader that accepts nothing else, and the writers that make it.
//!
//! No spaces; the caller asks for keys in their order; strings are UTF-8 whose only escapes are `\"` and `\\` and which
//! hold no control characters (U+0000–1F, U+007F, U+0080–9F); numbers are decimal, without sign, leading zero, fraction
//! or exponent, at most 2^53−1. Whatever a reader returned, written again, gives the same bytes.

use std::borrow::Cow;
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
        // Each field of each line is asked for, and none is written out unless it is not there.
        let after = self.rest().strip_prefix(",\"").and_then(|rest| rest.strip_prefix(key));
        match after.and_then(|rest| rest.strip_prefix("\":")) {
            Some(rest) => {
                self.at = self.text.len() - rest.len();
                Ok(())
            }
            None => self.fail(format!("`,\"{key}\":`")),
        }
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
    pub(super) fn string(&mut self) -> Result<Cow<'a, str>, Malformed> {
        self.expect("\"")?;
        let is_plain = |byte: &u8| (0x20..0x7f).contains(byte) && !matches!(byte, b'"' | b'\\');
        let plain = self.rest().bytes().take_while(|byte| is_plain(byte)).count();
        // Nearly all strings are plain ASCII to their end, and none of its bytes is looked at twice.
        let (start, rest) = self.rest().split_at(plain);
        self.at += plain;
        if rest.starts_with('"') {
            self.at += 1;
            return Ok(Cow::Borrowed(start));
        }
        let mut value = start.to_owned();
        loop {
            let Some(c) = self.rest().chars().next() else { return self.fail("the end of a string") };
            let (c, len) = match c {
                '"' => {
                    self.at += 1;
                    return Ok(Cow::Owned(value));
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
            Ok(value.into_owned())
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
        match self.plain_hex() {
            Some(bytes) => Ok(Hash(bytes)),
            None => self.parsed("64 lower-case hex digits"),
        }
    }

    /// Passes over a string of `2 * N` lower-case hex digits, if it comes next: each line has several, and no digit is
    /// looked at twice.
    fn plain_hex<const N: usize>(&mut self) -> Option<[u8; N]> {
        let rest = self.rest().strip_prefix('"')?;
        let (digits, rest) = rest.as_bytes().split_at_checked(2 * N)?;
        let bytes = parse_hex(digits).filter(|_| rest.starts_with(b"\""))?;
        self.at += 2 * N + 2;
        Some(bytes)
    }

    /// Reads `2 * N` lower-case hex digits.
    pub(super) fn hex<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let start = self.at;
        if let Some(bytes) = self.plain_hex() {
            return Ok(bytes);
        }
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
        if !keys.insert(key.into_owned()) {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the whole of `text` by `read`.
    fn whole<'a, T>(text: &'a str, read: impl FnOnce(&mut Reader<'a>) -> Result<T, Malformed>) -> Option<T> {
        let mut reader = Reader::new(text, 0);
        let value = read(&mut reader).ok()?;
        (reader.at() == text.len()).then_some(value)
    }

    #[test]
    fn numbers_have_one_form() {
        for (text, value) in [("0", 0), ("1", 1), ("10", 10), ("9007199254740991", MAX_NUMBER)] {
            assert_eq!(whole(text, Reader::number), Some(value), "{text:?}");
        }
        for bad in [
            "",
            "00",
            "01",
            "+1",
            "-1",
            "-0",
            "1.0",
            "1.",
            ".1",
            "1e3",
            "1E3",
            "0x1",
            " 1",
            "1 ",
            "1_000",
            "9007199254740992",
            "18446744073709551616",
            "99999999999999999999999999999999999999",
            "null",
            "\"1\"",
            "NaN",
            "١",
            "１",
        ] {
            assert_eq!(whole(bad, Reader::number), None, "{bad:?}");
        }
    }

    #[test]
    fn strings_have_one_form() {
        let text = "a \"b\" \\ / é \u{a0} \u{ad} \u{200b} \u{202e} \u{feff} \u{fffd} \u{10ffff}";
        let mut written = String::new();
        write_string(&mut written, text);
        assert_eq!(whole(&written, Reader::string).as_deref(), Some(text));
        let controls = (0..=0x1f).chain(0x7f..=0x9f).map(|code| char::from_u32(code).unwrap());
        let raw = controls.map(|c| format!("\"a{c}b\""));
        let escapes =
            (0..=0x10ff).filter_map(char::from_u32).filter(|c| !matches!(c, '"' | '\\')).map(|c| format!("\"\\{c}\""));
        let others = [
            r#"""#,
            r#""a"#,
            r#""a\"#,
            r#""a\""#,
            r#"a"#,
            r#"'a'"#,
            r#""a"b""#,
            r#""\u0041""#,
            r#""\u0022""#,
            r#""\ud800""#,
            r#""\x41""#,
            r#""\\\""#,
        ];
        for bad in raw.chain(escapes).chain(others.map(str::to_owned)) {
            assert_eq!(whole(&bad, Reader::string), None, "{bad:?}");
        }
    }

    #[test]
    fn text_ends_at_its_limit_decoded() {
        let quoted = |text: &str| {
            let mut out = String::new();
            write_string(&mut out, text);
            out
        };
        // (what repeats, the most times that fit): bytes count as they are, and an escape as the byte it stands for.
        for (unit, most) in [("a", 1024), ("\"", 1024), ("\\", 1024), ("é", 512), ("\u{10ffff}", 256)] {
            assert_eq!(whole(&quoted(&unit.repeat(most)), Reader::text), Some(unit.repeat(most)), "{unit:?}");
            assert_eq!(whole(&quoted(&unit.repeat(most + 1)), Reader::text), None, "{unit:?}");
            assert!(is_text(&unit.repeat(most)) && !is_text(&unit.repeat(most + 1)), "{unit:?}");
        }
        for control in ['\0', '\n', '\u{1b}', '\u{7f}', '\u{80}', '\u{9f}'] {
            assert!(!is_text(&format!("a{control}")), "{control:?}");
        }
    }

    #[test]
    fn hex_times_and_durations_have_one_form() {
        let digits = "0123456789abcdef0123456789abcdef";
        assert!(whole(&format!("\"{digits}\""), Reader::hex::<16>).is_some());
        for bad in [&digits[..31], &format!("{digits}0"), &digits.to_uppercase(), &digits.replace('a', "g"), ""] {
            assert!(whole(&format!("\"{bad}\""), Reader::hex::<16>).is_none(), "{bad:?}");
        }
        assert!(whole("\"2024-02-29T23:59:59Z\"", Reader::time).is_some());
        for bad in ["2023-02-29T00:00:00Z", "2024-02-29T24:00:00Z", "2024-02-29t00:00:00Z", "2024-02-29 00:00:00Z", ""]
        {
            assert!(whole(&format!("\"{bad}\""), Reader::time).is_none(), "{bad:?}");
        }
        for (text, good) in [("1", true), ("31536000", true), ("0", false), ("31536001", false), ("\"1\"", false)] {
            assert_eq!(whole(text, Reader::duration).is_some(), good, "{text:?}");
        }
        assert_eq!(whole("null", |reader| reader.optional(Reader::number)), Some(None));
        assert_eq!(whole("7", |reader| reader.optional(Reader::number)), Some(Some(7)));
        assert_eq!(whole("nul", |reader| reader.optional(Reader::number)), None);
    }

    #[test]
    fn lists_hold_something() {
        assert_eq!(whole("[1,2]", |reader| reader.list(Reader::number)), Some(vec![1, 2]));
        for bad in ["", "[", "[]", "[1", "[1,]", "[,1]", "[1 ,2]", "[1, 2]", "[1][2]", "[1;2]", "1,2"] {
            assert_eq!(whole(bad, |reader| reader.list(Reader::number)), None, "{bad:?}");
        }
    }

    #[test]
    fn what_is_ignored_is_canonical_all_the_same() {
        let skip = |text: &str| whole(text, |reader| reader.skip_fields(&["v", "type"])).is_some();
        let nested = |levels: usize| format!(",\"a\":{}1{}", "[".repeat(levels), "]".repeat(levels));
        let objects = |levels: usize| format!(",\"a\":{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels));
        let mixed = |pairs: usize| format!(",\"a\":{}1{}", "[{\"a\":".repeat(pairs), "}]".repeat(pairs));
        for good in [
            "",
            r#","a":null"#,
            r#","a":true,"b":false"#,
            r#","a":0,"b":"","c":[],"d":{}"#,
            r#","a":[1,"x",[],{},null]"#,
            r#","a":{"v":1,"type":2,"a":3}"#,
            r#","a":{"b":{"b":1}},"b":1"#,
            r#","":1"#,
            r#","a\"":1"#,
            &nested(16),
            &objects(16),
            &mixed(8),
        ] {
            assert!(skip(good), "{good:?}");
        }
        for bad in [
            ",",
            r#","a""#,
            r#","a":"#,
            r#","v":1"#,
            r#","a":1,"a":1"#,
            r#","a":{"b":1,"b":1}"#,
            r#","a":{"b":{"c":1,"c":1}}"#,
            r#", "a":1"#,
            r#","a" :1"#,
            r#","a": 1"#,
            r#","a":1 "#,
            r#","a":[1,]"#,
            r#","a":[1 ]"#,
            r#","a":{"b":1,}"#,
            r#","a":{b:1}"#,
            r#","a":{1:1}"#,
            r#","a":nul"#,
            r#","a":Null"#,
            r#","a":tru"#,
            r#","a":01"#,
            r#","a":-1"#,
            r#","a":1.5"#,
            r#","a":9007199254740992"#,
            r#","a":"\n""#,
            r#","a":"\u0041""#,
            r#","\u0041":1"#,
            ",\"a\":\"\u{7f}\"",
            ",\"\u{80}\":1",
            ",\"a\":undefined",
            ",a:1",
            &nested(17),
            &objects(17),
            &format!("{},\"b\":[", nested(1)),
            &mixed(9),
            &nested(5000),
        ] {
            assert!(!skip(bad), "{bad:?}");
        }
    }

    #[test]
    fn errors_name_the_place() {
        let mut reader = Reader::new("\"abc\u{7f}\"", 0);
        let error = reader.string().unwrap_err();
        assert_eq!((error.at, error.to_string().as_str()), (4, "byte 4: expected no control character"));
    }
}
