//! Public keys as people hand them in: the lines of a `.pub` file or of an authorized_keys file.

use std::fmt;

use crate::core::key::{KeyError, PublicKey};

/// The longest text that is read, in bytes.
const MAX_TEXT_LEN: usize = 64 * 1024;

/// Reads public keys, one a line as `TYPE BASE64 [COMMENT]`, with their comments. Blank lines and lines that start with
/// `#` are passed over.
///
/// # Errors
/// Options before the type, a certificate, a private key (nothing of it is quoted), another kind of key, a weak one, or
/// no key at all; with the line, counted from 1.
pub fn read_public_keys(text: &str) -> Result<Vec<(PublicKey, String)>, PublicKeysError> {
    if text.len() > MAX_TEXT_LEN {
        return Err(PublicKeysError { line: None, fault: PublicKeysFault::TooLong });
    }
    let lines = || (1..).zip(text.lines().map(str::trim));
    if let Some((number, _)) = lines().find(|(_, line)| is_private(line)) {
        return Err(PublicKeysError { line: Some(number), fault: PublicKeysFault::Private });
    }
    let mut keys = Vec::new();
    for (number, line) in lines().filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        match PublicKey::parse_openssh(line) {
            Ok(pair) => keys.push(pair),
            Err(KeyError::Form) if has_options(line) => {
                return Err(PublicKeysError { line: Some(number), fault: PublicKeysFault::Options });
            }
            Err(why) => return Err(PublicKeysError { line: Some(number), fault: PublicKeysFault::Key(why) }),
        }
    }
    if keys.is_empty() { Err(PublicKeysError { line: None, fault: PublicKeysFault::Empty }) } else { Ok(keys) }
}

/// Tells whether a line belongs to a private key in any of the usual formats.
fn is_private(line: &str) -> bool {
    (line.starts_with("-----BEGIN ") && line.contains("PRIVATE KEY")) || line.starts_with("PuTTY-User-Key-File-")
}

/// Tells whether a key stands in the line, but not at its start.
fn has_options(line: &str) -> bool {
    let is_kind = |field: &str| {
        ["ssh-", "ecdsa-", "sk-"].iter().any(|start| field.starts_with(start)) && !field.contains(['"', '='])
    };
    let mut fields = line.split([' ', '\t']).filter(|field| !field.is_empty());
    let starts_with_kind = fields.next().is_some_and(is_kind);
    let rest: Vec<&str> = fields.collect();
    !starts_with_kind
        && rest.iter().zip(rest.iter().skip(1)).any(|(kind, base64)| is_kind(kind) && base64.starts_with("AAAA"))
}

/// Why a text is not a list of public keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKeysError {
    /// The line at fault, counted from 1; none if it is the text as a whole.
    pub line: Option<usize>,
    /// What is wrong there.
    pub fault: PublicKeysFault,
}

/// What is wrong in a list of public keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKeysFault {
    /// The text is longer than 64 KiB.
    TooLong,
    /// There is no key in it.
    Empty,
    /// It is a private key.
    Private,
    /// There are options before the type.
    Options,
    /// The line is no key that may sign.
    Key(KeyError),
}

impl PublicKeysError {
    /// Returns what to do about it, where there is something.
    pub fn help(&self) -> Option<String> {
        match &self.fault {
            PublicKeysFault::Private => {
                Some("give the public half, the file that ends in `.pub`; `ssh-keygen -y -f FILE` prints it".to_owned())
            }
            PublicKeysFault::Options => Some("leave out everything before the type".to_owned()),
            PublicKeysFault::Key(KeyError::Kind(kind)) => Some(make_a_key(kind)),
            PublicKeysFault::Key(KeyError::Certificate) => {
                Some("give the plain public key that the certificate is for".to_owned())
            }
            PublicKeysFault::TooLong | PublicKeysFault::Empty | PublicKeysFault::Key(_) => None,
        }
    }
}

impl fmt::Display for PublicKeysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        match &self.fault {
            PublicKeysFault::TooLong => write!(f, "the text is longer than {MAX_TEXT_LEN} bytes"),
            PublicKeysFault::Empty => write!(f, "there is no public key in it"),
            PublicKeysFault::Private => write!(f, "this is a private key, which nobody else should ever see"),
            PublicKeysFault::Options => write!(f, "options before the key are not taken"),
            PublicKeysFault::Key(why) => why.fmt(f),
        }
    }
}

impl std::error::Error for PublicKeysError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.fault {
            PublicKeysFault::Key(why) => Some(why),
            _ => None,
        }
    }
}

/// Returns the command that makes a supported key, in hardware if `kind` is.
pub(super) fn make_a_key(kind: &str) -> String {
    let wanted = if kind.starts_with("sk-") { "ed25519-sk" } else { "ed25519" };
    format!("`ssh-keygen -t {wanted}` makes a key that is supported")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";
    const BOB: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOOXmVmdhgw5ilHXYNCYMHW5BUMQ+8AvIsMCaQ13fXGD";

    #[test]
    fn keys_comments_and_what_is_passed_over() {
        let text = format!("# the team\r\n\r\n  {ALICE} alice@laptop \r\n{BOB}\n#{ALICE}\n");
        let keys = read_public_keys(&text).unwrap();
        let shown: Vec<_> = keys.iter().map(|(key, comment)| (key.to_openssh(), comment.as_str())).collect();
        assert_eq!(shown, [(ALICE.to_owned(), "alice@laptop"), (BOB.to_owned(), "")]);
    }

    #[test]
    fn what_is_refused_and_in_which_line() {
        let rsa = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDA";
        let certificate = "ssh-ed25519-cert-v01@openssh.com AAAAIHNzaC1lZDI1NTE5LWNlcnQtdjAxQG9wZW5zc2guY29t";
        let private = "-----BEGIN OPENSSH PRIVATE KEY-----";
        use PublicKeysFault::{Empty, Key, Options, Private, TooLong};
        for (text, line, fault) in [
            (String::new(), None, Empty),
            ("# nothing\n\n".to_owned(), None, Empty),
            (format!("{ALICE}\n\nrestrict {BOB}"), Some(3), Options),
            (format!("command=\"echo hi\",no-pty {ALICE}"), Some(1), Options),
            (format!("from=\"ssh-ed25519 AAAA\" {rsa}"), Some(1), Options),
            (format!("{ALICE}\n{private}\nc2VjcmV0"), Some(2), Private),
            (format!("c2VjcmV0\n{private}"), Some(2), Private),
            ("-----BEGIN ENCRYPTED PRIVATE KEY-----".to_owned(), Some(1), Private),
            ("PuTTY-User-Key-File-3: ssh-ed25519".to_owned(), Some(1), Private),
            (rsa.to_owned(), Some(1), Key(KeyError::Kind("ssh-rsa".to_owned()))),
            (certificate.to_owned(), Some(1), Key(KeyError::Certificate)),
            ("hello".to_owned(), Some(1), Key(KeyError::Form)),
            (format!("ssh-ed25519 AAAA {ALICE}"), Some(1), Key(KeyError::Form)),
            (format!("{ALICE}="), Some(1), Key(KeyError::Form)),
            ("#".repeat(MAX_TEXT_LEN + 1), None, TooLong),
        ] {
            assert_eq!(read_public_keys(&text), Err(PublicKeysError { line, fault }), "{text}");
        }
    }

    #[test]
    fn a_private_key_is_never_quoted() {
        let text = "-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0c2VjcmV0\n-----END OPENSSH PRIVATE KEY-----\n";
        let error = read_public_keys(text).unwrap_err();
        let all = format!("{error} {error:?} {:?}", error.help());
        assert!(!all.contains("c2Vj") && all.contains("ssh-keygen -y"), "{all}");
        // A piece of one, without its first line, is only ever "not a key".
        let piece = read_public_keys("c2VjcmV0c2VjcmV0").unwrap_err();
        assert!(!format!("{piece} {piece:?}").contains("c2Vj"));
    }
}
