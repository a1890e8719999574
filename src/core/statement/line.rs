//! Lines: a body and the signature over it, `{"body":B,"sig":"S"}`.

use std::ops::Range;

use super::body;
use super::canonical::{Malformed, Reader};
use super::{Body, What};
use crate::core::hash::Hash;
use crate::core::signature::{Signature, SignatureError, Verified};

/// The longest line, in bytes, without its LF; a longer one is refused unparsed.
pub const MAX_LINE_LEN: usize = 16 * 1024;

const BEFORE_BODY: &str = "{\"body\":";
/// How every line with a `policy` body begins, whose keys and spelling are fixed.
const BEFORE_POLICY: &[u8] = b"{\"body\":{\"v\":1,\"type\":\"policy\",";
const BEFORE_SIGNATURE: &str = ",\"sig\":\"";
const AFTER_SIGNATURE: &str = "\"}";

/// A line of the right form. Its signature may still not fit: [`Line::verify`] says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    text: String,
    body_range: Range<usize>,
    body: Body,
    signature: Signature,
}

/// What a verified line said, and under which id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The SHA-256 of the body's bytes.
    pub id: Hash,
    /// The body.
    pub body: Body,
}

impl Line {
    /// Reads a line's bytes, without its LF.
    ///
    /// # Errors
    /// Whatever is not byte for byte what [`Line::new`] would print for the same body and signature, but for the
    /// ignored fields of kinds that are not known; see [`Malformed`] for the place.
    pub fn parse(bytes: &[u8]) -> Result<Line, Malformed> {
        let (text, body_range, body, signature) = read(bytes)?;
        Ok(Line { text: text.to_owned(), body_range, body, signature })
    }

    /// Reads a line's bytes and checks its signature, as [`Line::parse`] and [`Line::verify`] do, for whoever has no use for
    /// the line itself.
    ///
    /// # Errors
    /// As there: the outer one says that it is no line, the inner one that its signature does not fit.
    pub fn verify_bytes(bytes: &[u8]) -> Result<Result<Verified<Signed>, SignatureError>, Malformed> {
        let (text, body_range, body, signature) = read(bytes)?;
        Ok(verify(text, body_range, body, signature))
    }

    /// Puts a body, encoded, and the signature over it together.
    ///
    /// # Errors
    /// As [`Line::parse`]: text that no statement may hold, a line that is too long.
    pub fn new(encoded_body: &str, signature: &Signature) -> Result<Line, Malformed> {
        let line = format!("{BEFORE_BODY}{encoded_body}{BEFORE_SIGNATURE}{}{AFTER_SIGNATURE}", signature.to_base64());
        Line::parse(line.as_bytes())
    }

    /// Returns the line as it stands in the log, without its LF.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the bytes that are signed.
    pub fn body_text(&self) -> &str {
        self.text.get(self.body_range.clone()).unwrap_or_default()
    }

    /// Returns what the line says; nobody has checked yet that its author said so.
    pub fn unverified(&self) -> &Body {
        &self.body
    }

    /// Returns the signature.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Returns the statement's id: the SHA-256 of the body's bytes.
    pub fn id(&self) -> Hash {
        Hash::of(self.body_text().as_bytes())
    }

    /// Checks that the signature fits the key inside it. Whose key that is, is the log's to say.
    ///
    /// # Errors
    /// As [`Signature::verify`].
    pub fn verify(self) -> Result<Verified<Signed>, SignatureError> {
        let Line { text, body_range, body, signature } = self;
        verify(&text, body_range, body, signature)
    }
}

fn verify(
    text: &str,
    body_range: Range<usize>,
    body: Body,
    signature: Signature,
) -> Result<Verified<Signed>, SignatureError> {
    let message = text.get(body_range).unwrap_or_default().as_bytes();
    signature.verified(message, Signed { id: Hash::of(message), body })
}

/// Reads a whole line: its text, where its body stands in it, the body and the signature.
fn read(bytes: &[u8]) -> Result<(&str, Range<usize>, Body, Signature), Malformed> {
    let (text, body, body_range) = read_body(bytes)?;
    let mut reader = Reader::new(text, body_range.end);
    reader.expect(BEFORE_SIGNATURE)?;
    let start = reader.at();
    let signature = text
        .get(start..)
        .and_then(|rest| rest.strip_suffix(AFTER_SIGNATURE))
        .ok_or_else(|| Malformed { at: start, expected: "a signature and `\"}` at the end".to_owned() })?;
    let signature = Signature::parse_base64(signature)
        .map_err(|why| Malformed { at: start, expected: format!("an SSH signature: {why}") })?;
    Ok((text, body_range, body, signature))
}

/// Reads the first part of a line, up to and with its body.
fn read_body(bytes: &[u8]) -> Result<(&str, Body, Range<usize>), Malformed> {
    if bytes.len() > MAX_LINE_LEN {
        return Err(Malformed { at: MAX_LINE_LEN, expected: format!("a line of at most {MAX_LINE_LEN} bytes") });
    }
    let text =
        std::str::from_utf8(bytes).map_err(|why| Malformed { at: why.valid_up_to(), expected: "UTF-8".to_owned() })?;
    let mut reader = Reader::new(text, 0);
    reader.expect(BEFORE_BODY)?;
    let start = reader.at();
    let body = body::read(&mut reader)?;
    Ok((text, body, start..reader.at()))
}

/// Returns the digest that a line names if it holds a canonical `policy` body, whatever its signature is worth: such a
/// line, inert or not, brings its files along.
pub fn policy_digest(bytes: &[u8]) -> Option<Hash> {
    // Every line of a log is asked, and hardly one is such a line.
    if !bytes.starts_with(BEFORE_POLICY) {
        return None;
    }
    let (text, body, range) = read_body(bytes).ok()?;
    let framed = text.get(range.end..).is_some_and(|rest| {
        rest.strip_prefix(BEFORE_SIGNATURE)
            .and_then(|rest| rest.strip_suffix(AFTER_SIGNATURE))
            .is_some_and(|signature| !signature.contains(['"', '\\']) && !signature.chars().any(char::is_control))
    });
    match body {
        Body::Statement(statement) if framed => match statement.what {
            What::Policy(policy) => Some(policy.digest),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::{Key, bodies};

    /// A line of exactly `len` bytes: of a kind that is not known, padded in a field that nobody reads.
    fn line_of(len: usize) -> String {
        let body = |pad: usize| bodies::UNKNOWN.replace("\"yes\":true", &format!("\"yes\":\"{}\"", "a".repeat(pad)));
        let line = Key::plain(1).line_text(&body(0));
        let line = Key::plain(1).line_text(&body(len - line.len()));
        assert_eq!(line.len(), len);
        line
    }

    #[test]
    fn each_kind_reads_and_verifies() {
        for body in bodies::all() {
            for key in [Key::plain(1), Key::security(1)] {
                let line = key.line(&body);
                assert_eq!(Line::parse(line.as_str().as_bytes()), Ok(line.clone()));
                assert_eq!((line.body_text(), line.id()), (body.as_str(), Hash::of(body.as_bytes())));
                assert_eq!((line.unverified().by().as_str(), line.signature().key()), ("alice", &key.public()));
                let id = line.id();
                let verified = line.verify().unwrap();
                assert_eq!((verified.get().id, verified.key()), (id, &key.public()));
            }
        }
    }

    #[test]
    fn any_changed_bit_is_refused() {
        for body in bodies::all() {
            let line = Key::plain(1).line_text(&body).into_bytes();
            for at in 0..line.len() {
                for bit in 0..8 {
                    let mut changed = line.clone();
                    changed[at] ^= 1 << bit;
                    let refused = Line::parse(&changed).map(|line| line.verify().is_err()).unwrap_or(true);
                    assert!(refused, "bit {bit} of byte {at} of {body}");
                }
            }
        }
    }

    #[test]
    fn any_changed_byte_is_refused() {
        let line = Key::security(1).line_text(bodies::LIFT).into_bytes();
        for at in 0..line.len() {
            for byte in (0..=u8::MAX).filter(|byte| *byte != line[at]) {
                let mut changed = line.clone();
                changed[at] = byte;
                let refused = Line::parse(&changed).map(|line| line.verify().is_err()).unwrap_or(true);
                assert!(refused, "byte {at} as {byte:#x}");
            }
            for changed in [[&line[..at], &line[at + 1..]].concat(), [&line[..=at], &line[at..]].concat()] {
                let refused = Line::parse(&changed).map(|line| line.verify().is_err()).unwrap_or(true);
                assert!(refused, "byte {at} missing or twice");
            }
            assert!(Line::parse(&line[..at]).is_err());
        }
    }

    #[test]
    fn breaches_of_the_frame() {
        let text = Key::plain(1).line_text(bodies::REQUEST);
        let sig = Key::plain(1).sign(bodies::REQUEST.as_bytes()).to_base64();
        assert!(Line::parse(text.as_bytes()).is_ok());
        for (from, to) in [
            ("{\"body\":{", "{ \"body\":{"),
            ("{\"body\":{", "{\"body\": {"),
            ("{\"body\":{", "{\"Body\":{"),
            ("{\"body\":{", " {\"body\":{"),
            ("{\"body\":{", "\u{feff}{\"body\":{"),
            ("{\"body\":{", "{\"more\":1,\"body\":{"),
            ("},\"sig\":\"", "} ,\"sig\":\""),
            ("},\"sig\":\"", "}, \"sig\":\""),
            ("},\"sig\":\"", "},\"sig\": \""),
            ("},\"sig\":\"", "},\"Sig\":\""),
            ("},\"sig\":\"", "},\"more\":1,\"sig\":\""),
            ("},\"sig\":\"", "},\"sig\":\" "),
            (sig.as_str(), ""),
            (&sig, "null"),
            (&sig, &sig.replace('U', "\\u0055")),
            (&sig, &format!("{sig}\",\"sig\":\"{sig}")),
            (&sig, &format!("{sig}\",\"more\":\"")),
            (&sig, &format!("{}\\n{}", &sig[..70], &sig[70..])),
            (&sig, &format!("{}\n{}", &sig[..70], &sig[70..])),
            (&sig, sig.trim_end_matches('=')),
            (&sig, &format!("{sig}=")),
        ] {
            assert_eq!(text.matches(from).count(), 1, "{from}");
            assert!(Line::parse(text.replace(from, to).as_bytes()).is_err(), "{from} as {to}");
        }
        let swapped = format!("{{\"sig\":\"{sig}\",\"body\":{}}}", bodies::REQUEST);
        assert!(Line::parse(swapped.as_bytes()).is_err());
        for end in ["\n", "\r", " ", "\0", "}", ",", &text] {
            assert!(Line::parse(format!("{text}{end}").as_bytes()).is_err(), "{end:?}");
        }
        for whole in ["", "{}", "null", "{\"body\":{},\"sig\":\"\"}", "{\"body\":null,\"sig\":\"\"}", "\n"] {
            assert!(Line::parse(whole.as_bytes()).is_err(), "{whole:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_text() {
        let text = Key::plain(1).line_text(bodies::REQUEST);
        let at = text.find("INC").unwrap();
        for (bytes, what) in [
            (b"\xff".as_slice(), "no start of a character"),
            (b"\x80", "a lone continuation"),
            (b"\xc3", "half a character"),
            (b"\xc0\xaf", "an overlong slash"),
            (b"\xe0\x80\xaf", "a longer one"),
            (b"\xed\xa0\x80", "a lone high surrogate"),
            (b"\xed\xb0\x80", "a lone low surrogate"),
            (b"\xed\xa0\xbd\xed\xb8\x80", "a pair of surrogates (CESU-8)"),
            (b"\xf4\x90\x80\x80", "above U+10FFFF"),
            (b"\xc0\x80", "a NUL in two bytes"),
        ] {
            let changed = [&text.as_bytes()[..at], bytes, &text.as_bytes()[at..]].concat();
            let error = Line::parse(&changed).unwrap_err();
            assert_eq!((error.at, error.expected.as_str()), (at, "UTF-8"), "{what}");
        }
    }

    #[test]
    fn a_line_ends_at_its_limit() {
        assert!(Line::parse(line_of(MAX_LINE_LEN).as_bytes()).is_ok_and(|line| line.verify().is_ok()));
        for len in [MAX_LINE_LEN + 1, 20 * 1024, 100 * 1024] {
            let error = Line::parse(line_of(len).as_bytes()).unwrap_err();
            assert_eq!(error, Malformed { at: MAX_LINE_LEN, expected: "a line of at most 16384 bytes".to_owned() });
        }
        // Refused unparsed: what comes first does not matter.
        let error = Line::parse(&vec![0xff; MAX_LINE_LEN + 1]).unwrap_err();
        assert_eq!(error.at, MAX_LINE_LEN);
        let body = bodies::UNKNOWN.replace("\"yes\":true", &format!("\"yes\":\"{}\"", "a".repeat(MAX_LINE_LEN)));
        assert!(Line::new(&body, &Key::plain(1).sign(body.as_bytes())).is_err());
    }

    #[test]
    fn a_new_line_holds_no_text_that_does_not_read_back() {
        for (from, to) in [("INC", "a\nb"), ("INC", "\u{9f}"), ("\"action\":\"read\"", "\"action\":\"Read\"")] {
            let body = bodies::REQUEST.replace(from, to);
            assert!(Line::new(&body, &Key::plain(1).sign(body.as_bytes())).is_err(), "{to}");
        }
    }

    #[test]
    fn a_signature_fits_its_own_body_only() {
        let other = Key::plain(1).sign(bodies::LIFT.as_bytes());
        let line = Line::new(bodies::REQUEST, &other).unwrap();
        assert_eq!(line.verify().unwrap_err(), SignatureError::Mismatch);
    }

    #[test]
    fn a_policy_body_brings_its_files_whatever_its_signature_is_worth() {
        let digest = Some("d".repeat(64).parse().unwrap());
        let key = Key::plain(1);
        let good = key.line_text(bodies::POLICY);
        let sig = key.sign(bodies::POLICY.as_bytes()).to_base64();
        for line in
            [good.clone(), good.replace(&sig, ""), good.replace(&sig, "AAAA"), good.replace(&sig, "no base64 é")]
        {
            assert_eq!(policy_digest(line.as_bytes()), digest, "{line}");
        }
        for line in [
            key.line_text(bodies::REQUEST),
            key.line_text(&bodies::genesis()),
            key.line_text(&bodies::POLICY.replace("{\"v\":1,", "{\"v\":2,")),
            key.line_text(&bodies::POLICY.replace("\"version\":3", "\"version\":03")),
            key.line_text(&bodies::POLICY.replace("\"version\":3", "\"version\": 3")),
            format!("{good}\n"),
            format!("{good} "),
            good.replace(&sig, "a\",\"sig\":\"b"),
            good.replace(&sig, "\\"),
            good.replace(&sig, "\u{7f}"),
            good.replace("\"sig\"", "\"Sig\""),
            good.replace(&sig, &"A".repeat(MAX_LINE_LEN)),
        ] {
            assert_eq!(policy_digest(line.as_bytes()), None, "{line}");
        }
        assert_eq!(policy_digest(&[good.as_bytes(), b"\xff"].concat()), None);
    }
}
