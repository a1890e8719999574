//! OpenSSH public keys: `ssh-ed25519` and `sk-ssh-ed25519@openssh.com`.
//!
//! A [`PublicKey`] can't be weak: its point lies on the curve, is written in its one canonical form, and is not of
//! small order (a signature by such a key can fit every message). Two keys are equal when their whole blobs are: type,
//! point and, for a security key, application. Formats are those of OpenSSH's PROTOCOL and PROTOCOL.u2f; the codec is
//! the ssh-key crate's.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use ssh_key::public::{Ed25519PublicKey, KeyData, SkEd25519};

use super::hash::{Hash, parse_hex};
use super::name::Name;
use super::strict::Point;

/// The longest application of a security key, in bytes; OpenSSH's own are `ssh:` and a few letters.
const MAX_APPLICATION_LEN: usize = 255;
/// The longest line that can hold a key and its comment, in bytes.
const MAX_KEY_LINE_LEN: usize = 8 * 1024;

/// A public key that may sign statements.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey {
    point: [u8; 32],
    /// The FIDO application of a security key; none for a plain key.
    application: Option<Arc<str>>,
}

impl PublicKey {
    /// Reads one OpenSSH public key line, `TYPE BASE64 [COMMENT]`, and returns the key and its comment.
    ///
    /// # Errors
    /// Any other shape, options before the type, a kind that is not supported, a weak or non-canonical point.
    pub fn parse_openssh(line: &str) -> Result<(PublicKey, String), KeyError> {
        let line = line.trim_matches([' ', '\t', '\r', '\n']);
        if line.len() > MAX_KEY_LINE_LEN || line.contains(['\n', '\r']) {
            return Err(KeyError::Form);
        }
        let mut fields = line.splitn(3, [' ', '\t']);
        let (Some(kind), Some(base64)) = (fields.next(), fields.next()) else { return Err(KeyError::Form) };
        check_kind(kind)?;
        let comment = fields.next().unwrap_or_default().trim().to_owned();
        let key = ssh_key::PublicKey::from_openssh(&format!("{kind} {base64}")).map_err(|_| KeyError::Form)?;
        let key = PublicKey::from_key_data(key.key_data())?;
        // What reads as a key but is not what we would print (odd padding, say) is not taken.
        if key.to_openssh() == format!("{kind} {base64}") { Ok((key, comment)) } else { Err(KeyError::Form) }
    }

    /// Reads `TYPE BASE64` exactly as [`PublicKey::to_openssh`] prints it, without a comment.
    ///
    /// # Errors
    /// As [`PublicKey::parse_openssh`], and any byte more or less.
    pub fn parse_canonical(text: &str) -> Result<PublicKey, KeyError> {
        let (key, _) = PublicKey::parse_openssh(text)?;
        if key.to_openssh() == text { Ok(key) } else { Err(KeyError::Form) }
    }

    /// Reads a key blob, as an agent lists it and as a signature carries it.
    ///
    /// # Errors
    /// Trailing bytes, a kind that is not supported, a weak or non-canonical point.
    pub fn from_blob(blob: &[u8]) -> Result<PublicKey, KeyError> {
        let key = ssh_key::PublicKey::from_bytes(blob).map_err(|_| KeyError::Form)?;
        PublicKey::from_key_data(key.key_data())
    }

    /// Takes the codec's form of a key.
    ///
    /// # Errors
    /// A kind that is not supported, a weak or non-canonical point, an application that is not printable ASCII.
    pub(crate) fn from_key_data(data: &KeyData) -> Result<PublicKey, KeyError> {
        match data {
            KeyData::Ed25519(key) => PublicKey::checked(key.0, None),
            KeyData::SkEd25519(key) => PublicKey::checked(key.public_key().0, Some(key.application())),
            other => Err(KeyError::Kind(other.algorithm().as_str().to_owned())),
        }
    }

    /// Takes the point of a plain key.
    ///
    /// # Errors
    /// It is weak, or not canonical.
    pub(super) fn plain(point: [u8; 32]) -> Result<PublicKey, KeyError> {
        PublicKey::checked(point, None)
    }

    fn checked(point: [u8; 32], application: Option<&str>) -> Result<PublicKey, KeyError> {
        on_curve(&point)?;
        if application.is_some_and(|text| !is_application(text)) {
            return Err(KeyError::Application);
        }
        Ok(PublicKey { point, application: application.map(Arc::from) })
    }

    /// Returns the text in which our own index keeps a key: its point in hex, and the application after a space.
    pub(in crate::core) fn to_kept(&self) -> String {
        let application = self.application.as_deref().map(|text| format!(" {text}")).unwrap_or_default();
        format!("{}{application}", Hash(self.point))
    }

    /// Reads what [`PublicKey::to_kept`] wrote. Whether the point is on the curve is not asked, which takes longer than all
    /// else that is read of a record: it was when it was written, and is asked wherever a signature is verified.
    ///
    /// # Errors
    /// Any other text.
    pub(in crate::core) fn from_kept(text: &str) -> Result<PublicKey, KeyError> {
        let (point, application) = match text.split_once(' ') {
            Some((point, application)) => (point, Some(application)),
            None => (text, None),
        };
        let point = parse_hex(point.as_bytes()).ok_or(KeyError::Form)?;
        PublicKey::from_parts_kept(point, application)
    }

    /// Takes the parts of a key as they were kept, with as little said for them as in [`PublicKey::from_kept`].
    ///
    /// # Errors
    /// The application is not printable ASCII.
    pub(in crate::core) fn from_parts_kept(point: [u8; 32], application: Option<&str>) -> Result<PublicKey, KeyError> {
        match application.is_none_or(is_application) {
            true => Ok(PublicKey { point, application: application.map(Arc::from) }),
            false => Err(KeyError::Application),
        }
    }

    /// Returns a key that stands for somebody's in a rehearsal, a security key or a plain one. It signs nothing, and is
    /// made from the name, so that it is always the same.
    pub(in crate::core) fn of_rehearsal(name: &Name, is_security_key: bool) -> PublicKey {
        let seed = Sha256::digest(format!("rehearsal of {name}"));
        let point = ed25519_dalek::SigningKey::from_bytes(&seed.into()).verifying_key().to_bytes();
        PublicKey { point, application: is_security_key.then(|| Arc::from("ssh:")) }
    }

    /// Returns the same point as a security key or a plain one, for a rehearsal.
    pub(in crate::core) fn with_touch(&self, is_security_key: bool) -> PublicKey {
        PublicKey { point: self.point, application: is_security_key.then(|| Arc::from("ssh:")) }
    }

    /// Returns the 32-byte point, which may belong to one identity only.
    pub fn point(&self) -> &[u8; 32] {
        &self.point
    }

    /// Returns the FIDO application of a security key.
    pub fn application(&self) -> Option<&str> {
        self.application.as_deref()
    }

    /// Tells whether this is a security key (`sk-ssh-ed25519@openssh.com`).
    pub fn is_security_key(&self) -> bool {
        self.application.is_some()
    }

    /// Returns the key as `TYPE BASE64`, without a comment; its one text form.
    pub fn to_openssh(&self) -> String {
        ssh_key::PublicKey::new(self.to_key_data(), "")
            .to_openssh()
            .expect("a checked key has an OpenSSH form")
            .trim_end()
            .to_owned()
    }

    /// Returns the key blob (RFC 4253 §6.6, PROTOCOL.u2f).
    pub fn to_blob(&self) -> Vec<u8> {
        ssh_key::PublicKey::new(self.to_key_data(), "").to_bytes().expect("a checked key has a blob")
    }

    /// Returns the fingerprint as OpenSSH prints it, `SHA256:` and unpadded base64.
    pub fn fingerprint(&self) -> String {
        use base64::Engine as _;
        let hash = Sha256::digest(self.to_blob());
        format!("SHA256:{}", base64::engine::general_purpose::STANDARD_NO_PAD.encode(hash))
    }

    pub(crate) fn to_key_data(&self) -> KeyData {
        match &self.application {
            None => KeyData::Ed25519(Ed25519PublicKey(self.point)),
            Some(application) => KeyData::SkEd25519(SkEd25519::new(Ed25519PublicKey(self.point), &**application)),
        }
    }

    /// Returns the point as the curve has it.
    ///
    /// # Errors
    /// It is weak or not canonical: nobody has looked at the key of a record that was read from an index.
    pub(super) fn on_curve(&self) -> Result<Point, KeyError> {
        on_curve(&self.point)
    }
}

thread_local! {
    /// The points that were looked at last. The same few people sign nearly all lines of a log, and to find a point on the
    /// curve takes a tenth of the time in which a signature is verified.
    static KNOWN: RefCell<BTreeMap<[u8; 32], Point>> = const { RefCell::new(BTreeMap::new()) };
}

/// How many points are kept; whoever makes up keys makes the next lines cost what they would without.
const MOST_KNOWN: usize = 1024;

/// Finds a point on the curve.
///
/// # Errors
/// It is not on it, of small order, or not in its canonical form.
fn on_curve(point: &[u8; 32]) -> Result<Point, KeyError> {
    if let Some(known) = KNOWN.with_borrow(|known| known.get(point).copied()) {
        return Ok(known);
    }
    let on_curve = Point::read(point).ok_or(KeyError::Weak)?;
    KNOWN.with_borrow_mut(|known| {
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        known.insert(*point, on_curve);
    });
    Ok(on_curve)
}

fn is_application(text: &str) -> bool {
    text.len() <= MAX_APPLICATION_LEN && text.bytes().all(|byte| (0x20..0x7f).contains(&byte))
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_openssh())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fingerprint())
    }
}

fn check_kind(kind: &str) -> Result<(), KeyError> {
    match kind {
        "ssh-ed25519" | "sk-ssh-ed25519@openssh.com" => Ok(()),
        _ if kind.ends_with("-cert-v01@openssh.com") => Err(KeyError::Certificate),
        _ if kind.starts_with("ssh-") || kind.starts_with("ecdsa-") || kind.starts_with("sk-") => {
            Err(KeyError::Kind(kind.to_owned()))
        }
        _ => Err(KeyError::Form),
    }
}

/// Why something is not a key that may sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// It is not an OpenSSH public key.
    Form,
    /// It is a certificate.
    Certificate,
    /// It is a key of another kind, named here.
    Kind(String),
    /// Its point is not on the curve, of small order, or not in its canonical form.
    Weak,
    /// Its FIDO application is not printable ASCII of at most 255 bytes.
    Application,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyError::Form => write!(f, "not an OpenSSH public key (`TYPE BASE64 COMMENT` on one line)"),
            KeyError::Certificate => write!(f, "certificates are not taken, only plain public keys"),
            KeyError::Kind(kind) => write!(
                f,
                "keys of kind `{}` are not supported, only ssh-ed25519 and sk-ssh-ed25519@openssh.com",
                kind.escape_debug()
            ),
            KeyError::Weak => write!(f, "the key is weak: its point is of small order or not in canonical form"),
            KeyError::Application => write!(f, "the security key's application is not plain text"),
        }
    }
}

impl std::error::Error for KeyError {}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

    fn with_point(point: [u8; 32]) -> String {
        ssh_key::PublicKey::new(KeyData::Ed25519(Ed25519PublicKey(point)), "").to_openssh().unwrap().trim().to_owned()
    }

    #[test]
    fn a_key_reads_and_prints() {
        let (key, comment) = PublicKey::parse_openssh(&format!("{ALICE} alice@laptop at home\n")).unwrap();
        assert_eq!((key.to_openssh().as_str(), comment.as_str()), (ALICE, "alice@laptop at home"));
        assert_eq!(PublicKey::from_blob(&key.to_blob()), Ok(key.clone()));
        assert_eq!(PublicKey::parse_canonical(ALICE), Ok(key.clone()));
        assert!(PublicKey::parse_canonical(&format!("{ALICE} c")).is_err());
        assert!(!key.is_security_key());
        assert!(key.fingerprint().starts_with("SHA256:UCUiLr7Pjs9wFFJMDByLgc3NrtdU344OgUM45wZPcIQ"), "{key:?}");
    }

    #[test]
    fn the_application_is_part_of_the_key() {
        let (plain, _) = PublicKey::parse_openssh(ALICE).unwrap();
        let make = |application: &str| PublicKey::checked(*plain.point(), Some(application));
        let (one, two) = (make("ssh:").unwrap(), make("ssh:work").unwrap());
        assert!(one != two && one != plain && one.point() == plain.point());
        assert_eq!(PublicKey::parse_canonical(&one.to_openssh()), Ok(one.clone()));
        assert_eq!(make("ssh:\0"), Err(KeyError::Application));
    }

    #[test]
    fn a_key_that_was_kept_is_the_same_and_verifies_only_by_a_point_on_the_curve() {
        let (plain, _) = PublicKey::parse_openssh(ALICE).unwrap();
        for application in [None, Some(""), Some("ssh:"), Some("ssh: two words")] {
            let key = PublicKey::checked(*plain.point(), application).unwrap();
            assert_eq!(PublicKey::from_kept(&key.to_kept()), Ok(key.clone()));
            assert!(key.on_curve().is_ok());
        }
        let kept = plain.to_kept();
        for (bad, why) in [
            ("", KeyError::Form),
            (&kept[1..], KeyError::Form),
            (&kept.to_uppercase(), KeyError::Form),
            (ALICE, KeyError::Form),
            (&format!("{kept} ssh:\0"), KeyError::Application),
        ] {
            assert_eq!(PublicKey::from_kept(bad), Err(why), "{bad:?}");
        }
        // Whoever wrote that into the index: it is read, and nothing verifies by it.
        let weak = PublicKey::from_kept(&"0".repeat(64)).unwrap();
        assert_eq!(weak.on_curve(), Err(KeyError::Weak));
    }

    #[test]
    fn weak_points_are_refused() {
        let mut identity = [0; 32];
        identity[0] = 1;
        let order_eight = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a";
        let mut eight = [0; 32];
        for (byte, pair) in eight.iter_mut().zip(order_eight.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        }
        // 2^255 - 16 is 3 written in a second form; 3 itself is the y of a point of large order.
        let mut second_form = [0xff; 32];
        second_form[0] = 0xf0;
        second_form[31] = 0x7f;
        let mut first_form = [0; 32];
        first_form[0] = 3;
        assert!(PublicKey::parse_openssh(&with_point(first_form)).is_ok());
        for point in [[0; 32], identity, eight, [0xff; 32], second_form] {
            assert_eq!(PublicKey::parse_openssh(&with_point(point)), Err(KeyError::Weak), "{point:02x?}");
        }
    }

    #[test]
    fn other_shapes_are_named() {
        assert!(matches!(PublicKey::parse_openssh("ssh-rsa AAAA x"), Err(KeyError::Kind(kind)) if kind == "ssh-rsa"));
        assert_eq!(PublicKey::parse_openssh("ssh-ed25519-cert-v01@openssh.com AAAA"), Err(KeyError::Certificate));
        for bad in ["", "ssh-ed25519", "restrict ssh-ed25519 AAAA", &ALICE.replace("ssh-ed25519 ", "ssh-ed25519  ")] {
            assert_eq!(PublicKey::parse_openssh(bad), Err(KeyError::Form), "{bad:?}");
        }
        assert_eq!(PublicKey::parse_openssh(&format!("{ALICE}AAAA")), Err(KeyError::Form));
    }
}
