//! SSHSIG signatures in the namespace `jit`, and the strict check of them.
//!
//! The blob is that of OpenSSH's PROTOCOL.sshsig: version 1, an empty reserved field, sha512, a key of one of the two
//! kinds that [`PublicKey`] knows, no trailing bytes. `ssh-keygen -Y verify -n jit` accepts whatever is accepted here;
//! the reverse does not hold: [`Signature::verify`] takes what `verify_strict` takes (`strict.rs`), and of a security key's
//! signature the user-presence flag must be set, which stock tools do not look at.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256, Sha512};
use ssh_key::encoding::{Decode, Encode};
use ssh_key::{Algorithm, HashAlg, SshSig};

use super::key::{KeyError, PublicKey};

/// The SSHSIG namespace of every statement.
pub const NAMESPACE: &str = "jit";
/// The bit of a security key's flags that says somebody touched it (PROTOCOL.u2f).
const USER_PRESENT: u8 = 0x01;

/// A signature of the right form; whether it fits a message is what [`Signature::verify`] says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signature {
    key: PublicKey,
    bytes: [u8; 64],
    /// Flags and counter of a security key.
    touch: Option<(u8, u32)>,
}

impl Signature {
    /// Reads padded, canonical base64 (RFC 4648 §4) of an SSHSIG blob.
    ///
    /// # Errors
    /// Any deviation from the form that the module's head describes; see [`SignatureError`].
    pub fn parse_base64(text: &str) -> Result<Signature, SignatureError> {
        let blob = STANDARD.decode(text).map_err(|_| SignatureError::Base64)?;
        if let Some((point, bytes)) = split_plain(&blob) {
            let key = PublicKey::plain(point).map_err(SignatureError::Key)?;
            return Ok(Signature::from_plain(key, bytes));
        }
        let envelope = SshSig::decode(&mut blob.as_slice()).map_err(|_| SignatureError::Envelope)?;
        if envelope.namespace() != NAMESPACE {
            return Err(SignatureError::Namespace(envelope.namespace().to_owned()));
        }
        if envelope.hash_alg() != HashAlg::Sha512 {
            return Err(SignatureError::Hash);
        }
        let key = PublicKey::from_key_data(envelope.public_key()).map_err(SignatureError::Key)?;
        let signature = Signature::from_codec(key, envelope.signature())?;
        // What encodes to other bytes was not in the one form: another version, a filled reserved field.
        if signature.to_blob() == blob { Ok(signature) } else { Err(SignatureError::Envelope) }
    }

    /// Makes a signature from a key and what an agent answers: the signature part alone (PROTOCOL.agent §4.5).
    ///
    /// # Errors
    /// Another algorithm than the key's, wrong lengths, trailing bytes.
    pub fn from_agent(key: PublicKey, blob: &[u8]) -> Result<Signature, SignatureError> {
        let part = ssh_key::Signature::try_from(blob).map_err(|_| SignatureError::Envelope)?;
        // The codec reads a part and looks no further.
        if part.encode_vec().is_ok_and(|bytes| bytes == blob) {
            Signature::from_codec(key, &part)
        } else {
            Err(SignatureError::Envelope)
        }
    }

    /// Makes a signature from a plain key and the 64 bytes that it signed with.
    pub fn from_plain(key: PublicKey, bytes: [u8; 64]) -> Signature {
        Signature { key, bytes, touch: None }
    }

    fn from_codec(key: PublicKey, part: &ssh_key::Signature) -> Result<Signature, SignatureError> {
        let expected = if key.is_security_key() { Algorithm::SkEd25519 } else { Algorithm::Ed25519 };
        if part.algorithm() != expected {
            return Err(SignatureError::Algorithm);
        }
        let (bytes, rest) = part.as_bytes().split_first_chunk::<64>().ok_or(SignatureError::Envelope)?;
        let touch = match (key.is_security_key(), rest) {
            (false, []) => None,
            (true, [flags, counter @ ..]) => {
                let counter = counter.try_into().map_err(|_| SignatureError::Envelope)?;
                Some((*flags, u32::from_be_bytes(counter)))
            }
            _ => return Err(SignatureError::Envelope),
        };
        Ok(Signature { key, bytes: *bytes, touch })
    }

    /// Returns the key inside the signature. Whose key that is, is another question.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Returns the padded base64 of the SSHSIG blob, as a line holds it.
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.to_blob())
    }

    /// Returns the armored form that `ssh-keygen -Y verify` reads from a file.
    pub fn to_pem(&self) -> String {
        self.to_envelope().to_pem(ssh_key::LineEnding::LF).expect("a signature of the right form has an armored form")
    }

    fn to_blob(&self) -> Vec<u8> {
        self.to_envelope().encode_vec().expect("a signature of the right form has a blob")
    }

    fn to_envelope(&self) -> SshSig {
        let mut bytes = self.bytes.to_vec();
        let algorithm = match self.touch {
            None => Algorithm::Ed25519,
            Some((flags, counter)) => {
                bytes.push(flags);
                bytes.extend(counter.to_be_bytes());
                Algorithm::SkEd25519
            }
        };
        let part = ssh_key::Signature::new(algorithm, bytes).expect("the lengths are those of the algorithm");
        SshSig::new(self.key.to_key_data(), NAMESPACE, HashAlg::Sha512, part).expect("the namespace is not empty")
    }

    /// Checks that the signature fits `message`, strictly: no small-order point, no second form of the scalar, and a
    /// touch where the key is a security key.
    ///
    /// # Errors
    /// [`SignatureError::NoPresence`], [`SignatureError::Mismatch`], [`SignatureError::Algorithm`] where the key is a
    /// security key and the signature that of a plain one, [`SignatureError::Key`] where its point is weak after all.
    pub fn verify(&self, message: &[u8]) -> Result<(), SignatureError> {
        let signed = signed_data(message);
        let by_touch;
        let signed: &[u8] = match (self.touch, self.key.application()) {
            (None, None) => &signed,
            (Some((flags, _)), Some(_)) if flags & USER_PRESENT == 0 => return Err(SignatureError::NoPresence),
            (Some((flags, counter)), Some(application)) => {
                by_touch = authenticator_data(application, flags, counter, &signed);
                &by_touch
            }
            (None, Some(_)) | (Some(_), None) => return Err(SignatureError::Algorithm),
        };
        let point = self.key.on_curve().map_err(SignatureError::Key)?;
        if point.fits(signed, &self.bytes) { Ok(()) } else { Err(SignatureError::Mismatch) }
    }

    /// Checks the signature over `message` and keeps with the key what the message said.
    ///
    /// # Errors
    /// As [`Signature::verify`].
    pub(super) fn verified<T>(self, message: &[u8], value: T) -> Result<Verified<T>, SignatureError> {
        self.verify(message).map(|()| Verified { value, key: self.key })
    }
}

/// What stands in the blob of a plain key's signature before its point, and between that and the 64 bytes at the end.
const BEFORE_POINT: &[u8] = b"SSHSIG\0\0\0\x01\0\0\0\x33\0\0\0\x0bssh-ed25519\0\0\0\x20";
const AFTER_POINT: &[u8] = b"\0\0\0\x03jit\0\0\0\0\0\0\0\x06sha512\0\0\0\x53\0\0\0\x0bssh-ed25519\0\0\0\x40";

/// Takes the one form of a plain key's signature apart, which nearly every line has; none of any other blob, of which the
/// codec has to say what it is.
fn split_plain(blob: &[u8]) -> Option<([u8; 32], [u8; 64])> {
    let (point, rest) = blob.strip_prefix(BEFORE_POINT)?.split_first_chunk()?;
    Some((*point, rest.strip_prefix(AFTER_POINT)?.try_into().ok()?))
}

/// A value that whoever holds the key has signed. There is no way to one but through a signature that fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<T> {
    value: T,
    key: PublicKey,
}

impl<T> Verified<T> {
    /// Returns what was signed.
    pub fn get(&self) -> &T {
        &self.value
    }

    /// Returns the key that signed it.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }
}

/// What a key signs before the SHA-512 of a message.
const BEFORE_HASH: &[u8; 31] = b"SSHSIG\0\0\0\x03jit\0\0\0\0\0\0\0\x06sha512\0\0\0\x40";

/// Returns the bytes that a key signs for `message`: PROTOCOL.sshsig's envelope around its SHA-512. They are put together by
/// hand, since the codec takes its memory piece by piece, and each line of a log asks for them.
pub fn signed_data(message: &[u8]) -> [u8; BEFORE_HASH.len() + 64] {
    let mut bytes = [0; BEFORE_HASH.len() + 64];
    let (before, hash) = bytes.split_at_mut(BEFORE_HASH.len());
    before.copy_from_slice(BEFORE_HASH);
    hash.copy_from_slice(&Sha512::digest(message));
    bytes
}

/// Returns what a security key signs when it is asked to sign `signed` (PROTOCOL.u2f, "SSH U2F signatures").
pub fn authenticator_data(application: &str, flags: u8, counter: u32, signed: &[u8]) -> Vec<u8> {
    let mut data = Sha256::digest(application.as_bytes()).to_vec();
    data.push(flags);
    data.extend(counter.to_be_bytes());
    data.extend(Sha256::digest(signed));
    data
}

/// Why a signature is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignatureError {
    /// Not padded, canonical base64.
    Base64,
    /// Not an SSHSIG blob of version 1 with an empty reserved field and no trailing bytes.
    Envelope,
    /// Made for another namespace, named here.
    Namespace(String),
    /// Not over a sha512 hash.
    Hash,
    /// Of another algorithm than its key's.
    Algorithm,
    /// By a key that may not sign.
    Key(KeyError),
    /// By a security key that nobody touched.
    NoPresence,
    /// It does not fit the message.
    Mismatch,
}

impl fmt::Display for SignatureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SignatureError::Base64 => write!(f, "the signature is not canonical base64"),
            SignatureError::Envelope => write!(f, "the signature is not an SSHSIG of version 1"),
            SignatureError::Namespace(other) => {
                write!(f, "the signature is for the namespace `{}`, not `{NAMESPACE}`", other.escape_debug())
            }
            SignatureError::Hash => write!(f, "the signature is not over sha512"),
            SignatureError::Algorithm => write!(f, "the signature's algorithm is not its key's"),
            SignatureError::Key(why) => write!(f, "the signature's key: {why}"),
            SignatureError::NoPresence => write!(f, "nobody touched the security key for this signature"),
            SignatureError::Mismatch => write!(f, "the signature does not fit"),
        }
    }
}

impl std::error::Error for SignatureError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            SignatureError::Key(why) => Some(why),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::{APPLICATION, Key, field_len};

    const MESSAGE: &[u8] = b"a message";
    const SK: &[u8] = b"sk-ssh-ed25519@openssh.com";

    /// The fields of PROTOCOL.sshsig, written as they are.
    struct Envelope {
        magic: &'static [u8],
        version: u32,
        key: Vec<u8>,
        namespace: &'static [u8],
        reserved: &'static [u8],
        hash: &'static [u8],
        signature: Vec<u8>,
        end: &'static [u8],
    }

    impl Envelope {
        /// A signature over [`MESSAGE`] by a plain key.
        fn plain() -> Envelope {
            let key = Key::plain(1);
            let signature = key.sign_raw(&signed_data(MESSAGE));
            Envelope {
                magic: b"SSHSIG",
                version: 1,
                key: strings(&[b"ssh-ed25519", &key.point()]),
                namespace: b"jit",
                reserved: b"",
                hash: b"sha512",
                signature: strings(&[b"ssh-ed25519", &signature]),
                end: b"",
            }
        }

        /// A signature over [`MESSAGE`] by a security key, with these flags, that was made for `signed_for`.
        fn security(flags: u8, signed_for: &str) -> Envelope {
            let key = Key::plain(1);
            let signed = authenticator_data(signed_for, flags, 7, &signed_data(MESSAGE));
            let mut signature = strings(&[SK, &key.sign_raw(&signed)]);
            signature.extend([flags, 0, 0, 0, 7]);
            let key = strings(&[SK, &key.point(), APPLICATION.as_bytes()]);
            Envelope { key, signature, ..Envelope::plain() }
        }

        fn blob(&self) -> Vec<u8> {
            let mut blob = self.magic.to_vec();
            blob.extend(self.version.to_be_bytes());
            blob.extend(strings(&[&self.key, self.namespace, self.reserved, self.hash, &self.signature]));
            blob.extend(self.end);
            blob
        }

        fn base64(&self) -> String {
            STANDARD.encode(self.blob())
        }

        fn parse(&self) -> Result<Signature, SignatureError> {
            Signature::parse_base64(&self.base64())
        }
    }

    fn strings(fields: &[&[u8]]) -> Vec<u8> {
        fields.iter().flat_map(|field| [field_len(field).as_slice(), field].concat()).collect()
    }

    #[test]
    fn what_stock_ssh_keygen_makes() {
        // printf 'a message' | ssh-keygen -Y sign -n jit -f key
        let text = "U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgFdu8KQMHpNB6sq+1A/GhA+fXX/5Mpw1HKP9/ywsmbv8AAAADaml0\
                    AAAAAAAAAAZzaGE1MTIAAABTAAAAC3NzaC1lZDI1NTE5AAAAQOiUtDLFx298rhcRW7wml2aKPab7sdY8ODaRS3dV6r+SZfP9\
                    ayE0MEgsWb0Q2GTEDiA5Ebe9iY4SGo00GVWcxgM=";
        let signature = Signature::parse_base64(text).unwrap();
        assert_eq!(signature.verify(MESSAGE), Ok(()));
        assert_eq!(signature.verify(b"a message\n"), Err(SignatureError::Mismatch));
        assert_eq!(signature.to_base64(), text);
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBXbvCkDB6TQerKvtQPxoQPn11/+TKcNRyj/f8sLJm7/";
        assert_eq!(signature.key().to_openssh(), key);
        let pem = signature.to_pem();
        assert!(
            pem.starts_with("-----BEGIN SSH SIGNATURE-----\nU1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgFdu8KQMHp")
        );
        assert_eq!(pem.lines().filter(|line| !line.starts_with('-')).collect::<String>(), text);
    }

    #[test]
    fn a_plain_blob_is_the_same_by_hand_and_by_the_codec() {
        let blob = Envelope::plain().blob();
        let signature = Envelope::plain().parse().unwrap();
        assert_eq!(split_plain(&blob), Some((*signature.key.point(), signature.bytes)));
        assert_eq!(signature.to_blob(), blob);
        assert_eq!(split_plain(&[&blob[..], b"\0"].concat()), None);
        assert_eq!(split_plain(&blob[..blob.len() - 1]), None);
        assert_eq!(split_plain(&Envelope::security(1, APPLICATION).blob()), None);
    }

    #[test]
    fn what_is_signed_is_the_same_by_hand_and_by_the_codec() {
        for message in [b"".as_slice(), MESSAGE, &[7; 1000]] {
            assert_eq!(SshSig::signed_data(NAMESPACE, HashAlg::Sha512, message).unwrap(), signed_data(message));
        }
    }

    #[test]
    fn both_kinds_of_key_sign() {
        for (envelope, key) in [
            (Envelope::plain(), Key::plain(1)),
            (Envelope::security(1, APPLICATION), Key::security(1)),
            // Presence is all that is asked of the flags: a PIN, an attestation may be there as well.
            (Envelope::security(0xff, APPLICATION), Key::security(1)),
        ] {
            let signature = envelope.parse().unwrap();
            assert_eq!((signature.key(), signature.to_base64()), (&key.public(), envelope.base64()));
            assert_eq!(signature.verify(MESSAGE), Ok(()));
            assert_eq!(signature.verify(b"another"), Err(SignatureError::Mismatch));
            let verified = signature.verified(MESSAGE, 7).unwrap();
            assert_eq!((verified.get(), verified.key()), (&7, &key.public()));
        }
    }

    #[test]
    fn breaches_of_the_envelope() {
        let point = Key::plain(1).point();
        let plain = Envelope::plain;
        let touched = || Envelope::security(1, APPLICATION);
        let raw = Key::plain(1).sign_raw(&signed_data(MESSAGE));
        let longer = |mut envelope: Envelope| {
            envelope.signature.push(0);
            envelope
        };
        let shorter = |mut envelope: Envelope| {
            envelope.signature.pop();
            envelope
        };
        let key = |fields: &[&[u8]]| Envelope { key: strings(fields), ..plain() };
        let part = |fields: &[&[u8]]| Envelope { signature: strings(fields), ..plain() };
        let rsa = [b"ssh-rsa".as_slice(), &[1, 0, 1], &[0x7f; 256]];
        let ecdsa = [b"ecdsa-sha2-nistp256".as_slice(), b"nistp256", &P256];
        let envelope = Err(SignatureError::Envelope);
        let kind = |name: &str| Err(SignatureError::Key(KeyError::Kind(name.to_owned())));
        let cases = [
            ("magic", Envelope { magic: b"SSHSIh", ..plain() }, envelope.clone()),
            ("no magic", Envelope { magic: b"", ..plain() }, envelope.clone()),
            ("version 0", Envelope { version: 0, ..plain() }, envelope.clone()),
            ("version 2", Envelope { version: 2, ..plain() }, envelope.clone()),
            ("namespace file", Envelope { namespace: b"file", ..plain() }, namespace("file")),
            ("namespace Jit", Envelope { namespace: b"Jit", ..plain() }, namespace("Jit")),
            ("namespace jit with NUL", Envelope { namespace: b"jit\0", ..plain() }, namespace("jit\0")),
            ("no namespace", Envelope { namespace: b"", ..plain() }, envelope.clone()),
            ("reserved", Envelope { reserved: b"x", ..plain() }, envelope.clone()),
            ("sha256", Envelope { hash: b"sha256", ..plain() }, Err(SignatureError::Hash)),
            ("sha1", Envelope { hash: b"sha1", ..plain() }, envelope.clone()),
            ("SHA512", Envelope { hash: b"SHA512", ..plain() }, envelope.clone()),
            ("trailing byte", Envelope { end: b"\0", ..plain() }, envelope.clone()),
            ("trailing byte after a touch", Envelope { end: b"\0", ..touched() }, envelope.clone()),
            ("trailing byte inside", longer(plain()), envelope.clone()),
            ("trailing byte inside after a touch", longer(touched()), envelope.clone()),
            ("a byte less", shorter(plain()), envelope.clone()),
            ("a byte of the counter less", shorter(touched()), envelope.clone()),
            ("key with a byte more", key(&[b"ssh-ed25519", &point, b""]), envelope.clone()),
            ("key of 31 bytes", key(&[b"ssh-ed25519", &point[1..]]), envelope.clone()),
            ("rsa", key(&rsa), kind("ssh-rsa")),
            ("ecdsa", key(&ecdsa), envelope.clone()),
            ("certificate", key(&[b"ssh-ed25519-cert-v01@openssh.com", &point]), envelope.clone()),
            ("unknown key", key(&[b"ssh-ed448", &point]), envelope.clone()),
            ("point off the curve", key(&[b"ssh-ed25519", &[0xff; 32]]), Err(SignatureError::Key(KeyError::Weak))),
            ("sk key, plain part", Envelope { key: touched().key, ..plain() }, Err(SignatureError::Algorithm)),
            ("plain key, sk part", Envelope { key: plain().key, ..touched() }, Err(SignatureError::Algorithm)),
            ("part rsa-sha2-512", part(&[b"rsa-sha2-512", &raw]), Err(SignatureError::Algorithm)),
            ("part ssh-ed448", part(&[b"ssh-ed448", &raw]), envelope.clone()),
            ("part of 63 bytes", part(&[b"ssh-ed25519", &raw[1..]]), envelope.clone()),
            ("part of no bytes", part(&[b"ssh-ed25519", b""]), envelope.clone()),
        ];
        for (what, envelope, expected) in cases {
            assert_eq!(envelope.parse(), expected, "{what}");
        }
        let blob = plain().blob();
        for len in 0..blob.len() {
            assert!(Signature::parse_base64(&STANDARD.encode(&blob[..len])).is_err(), "the first {len} bytes");
        }
    }

    fn namespace(other: &str) -> Result<Signature, SignatureError> {
        Err(SignatureError::Namespace(other.to_owned()))
    }

    /// The base point of NIST P-256, uncompressed (SEC 2 §2.4.2).
    const P256: [u8; 65] = {
        let mut point = [0; 65];
        let hex = b"046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";
        let mut at = 0;
        while at < 65 {
            let (high, low) = (hex[2 * at], hex[2 * at + 1]);
            let high = if high <= b'9' { high - b'0' } else { high - b'a' + 10 };
            let low = if low <= b'9' { low - b'0' } else { low - b'a' + 10 };
            point[at] = high << 4 | low;
            at += 1;
        }
        point
    };

    #[test]
    fn base64_has_one_form() {
        // 100 bytes of key and signature more or less shift the padding, so that all three forms of the end are met.
        let text = Envelope::security(1, APPLICATION).base64();
        let plain = Envelope::plain().base64();
        assert!(plain.ends_with('=') && Signature::parse_base64(&plain).is_ok());
        let body = plain.trim_end_matches('=');
        let pads = plain.len() - body.len();
        let last = body.chars().last().unwrap();
        // The unused bits of the last digit are zero; set one of them.
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let next = alphabet.chars().nth(alphabet.find(last).unwrap() + 1).unwrap();
        let loose = format!("{}{next}{}", &body[..body.len() - 1], "=".repeat(pads));
        for bad in [
            "",
            body,
            &format!("{plain}="),
            &format!("{plain}\n"),
            &format!(" {plain}"),
            &format!("{}\n{}", &plain[..76], &plain[76..]),
            &format!("{}={}", &plain[..76], &plain[76..]),
            &plain.replace(['+', '/'], "-"),
            &format!("{plain}{plain}"),
            &loose,
            &format!("{plain}é"),
            &format!("{text}===="),
            &text.to_lowercase(),
            "-----BEGIN SSH SIGNATURE-----",
        ] {
            assert!(Signature::parse_base64(bad).is_err(), "{bad}");
        }
        assert_eq!(Signature::parse_base64(&loose), Err(SignatureError::Base64));
        assert_eq!(Signature::parse_base64(body), Err(SignatureError::Base64));
    }

    #[test]
    fn a_security_key_has_to_be_touched_and_meant() {
        for flags in [0x00, 0x04, 0x40, 0xfe] {
            let signature = Envelope::security(flags, APPLICATION).parse().unwrap();
            assert_eq!(signature.verify(MESSAGE), Err(SignatureError::NoPresence), "{flags:#04x}");
        }
        let other_application = Envelope::security(1, "https://example.org").parse().unwrap();
        assert_eq!(other_application.verify(MESSAGE), Err(SignatureError::Mismatch));
        // Flags and counter are signed.
        for at in 1..=5 {
            let mut envelope = Envelope::security(1, APPLICATION);
            let len = envelope.signature.len();
            envelope.signature[len - at] ^= 0x02;
            assert_eq!(
                envelope.parse().unwrap().verify(MESSAGE),
                Err(SignatureError::Mismatch),
                "byte {at} from the end"
            );
        }
        // One point under two kinds: neither's signature is the other's.
        let untouched = Signature::from_plain(Key::security(1).public(), Key::plain(1).sign_raw(&signed_data(MESSAGE)));
        assert_eq!(untouched.verify(MESSAGE), Err(SignatureError::Algorithm));
    }

    #[test]
    fn strict_is_stricter_than_the_equation() {
        // The neutral point signs every message with R = itself and S = 0; ssh-keygen and ssh-key take that.
        let mut neutral = [0; 32];
        neutral[0] = 1;
        let mut fits_all = [0; 64];
        fits_all[0] = 1;
        for (point, what) in [(neutral, "neutral"), ([0; 32], "order 4")] {
            let envelope = Envelope {
                key: strings(&[b"ssh-ed25519", &point]),
                signature: strings(&[b"ssh-ed25519", &fits_all]),
                ..Envelope::plain()
            };
            assert_eq!(envelope.parse(), Err(SignatureError::Key(KeyError::Weak)), "{what}");
        }
        // S + L fits the equation as S does (RFC 8032 §5.1.7 wants S < L).
        let order: [u8; 32] = [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
        ];
        let mut bytes = Key::plain(1).sign_raw(&signed_data(MESSAGE));
        let mut carry = 0;
        for (byte, add) in bytes[32..].iter_mut().zip(order) {
            let sum = u16::from(*byte) + u16::from(add) + carry;
            *byte = sum.to_le_bytes()[0];
            carry = sum >> 8;
        }
        let malleable = Signature::from_plain(Key::plain(1).public(), bytes);
        assert_eq!(malleable.verify(MESSAGE), Err(SignatureError::Mismatch));
        // A small-order R in an otherwise honest signature.
        let mut small = Key::plain(1).sign_raw(&signed_data(MESSAGE));
        small[..32].copy_from_slice(&neutral);
        assert_eq!(Signature::from_plain(Key::plain(1).public(), small).verify(MESSAGE), Err(SignatureError::Mismatch));
    }

    #[test]
    fn any_changed_bit_is_refused() {
        for (envelope, message) in [(Envelope::plain(), MESSAGE), (Envelope::security(1, APPLICATION), MESSAGE)] {
            let blob = envelope.blob();
            for at in 0..blob.len() {
                for bit in 0..8 {
                    let mut changed = blob.clone();
                    changed[at] ^= 1 << bit;
                    let outcome =
                        Signature::parse_base64(&STANDARD.encode(&changed)).and_then(|sig| sig.verify(message));
                    assert!(outcome.is_err(), "bit {bit} of byte {at}");
                }
            }
        }
    }

    #[test]
    fn what_an_agent_answers() {
        let (plain, touched) = (Envelope::plain(), Envelope::security(1, APPLICATION));
        let (key, security) = (Key::plain(1).public(), Key::security(1).public());
        let signature = Signature::from_agent(key.clone(), &plain.signature).unwrap();
        assert_eq!((signature.verify(MESSAGE), signature.to_base64()), (Ok(()), plain.base64()));
        let signature = Signature::from_agent(security.clone(), &touched.signature).unwrap();
        assert_eq!((signature.verify(MESSAGE), signature.to_base64()), (Ok(()), touched.base64()));
        assert_eq!(Signature::from_agent(security, &plain.signature), Err(SignatureError::Algorithm));
        assert_eq!(Signature::from_agent(key.clone(), &touched.signature), Err(SignatureError::Algorithm));
        let longer = [plain.signature.as_slice(), b"\0"].concat();
        let twice = [plain.signature.as_slice(), plain.signature.as_slice()].concat();
        for bad in [b"".as_slice(), &plain.signature[1..], &longer, &twice, &plain.signature[..40]] {
            assert_eq!(Signature::from_agent(key.clone(), bad), Err(SignatureError::Envelope), "{bad:02x?}");
        }
    }
}
