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
        Ok(Line { text: text.to_owned(), body_range, body, signature })
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
        let message = text.get(body_range).unwrap_or_default().as_bytes();
        signature.verified(message, Signed { id: Hash::of(message), body })
    }
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
