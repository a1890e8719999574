//! SSHSIG signatures in the namespace `jit`, and the strict check of them.
//!
//! The blob is that of OpenSSH's PROTOCOL.sshsig: version 1, an empty reserved field, sha512, a key of one of the two
//! kinds that [`PublicKey`] knows, no trailing bytes. `ssh-keygen -Y verify -n jit` accepts whatever is accepted here;
//! the reverse does not hold: [`Signature::verify`] is `verify_strict`, and of a security key's signature the
//! user-presence flag must be set, which stock tools do not look at.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
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
        Signature::from_codec(key, &part)
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
    /// [`SignatureError::NoPresence`] or [`SignatureError::Mismatch`].
    pub fn verify(&self, message: &[u8]) -> Result<(), SignatureError> {
        let mut signed = signed_data(message);
        if let (Some((flags, counter)), Some(application)) = (self.touch, self.key.application()) {
            if flags & USER_PRESENT == 0 {
                return Err(SignatureError::NoPresence);
            }
            signed = authenticator_data(application, flags, counter, &signed);
        }
        let signature = ed25519_dalek::Signature::from_bytes(&self.bytes);
        self.key.verifying_key().verify_strict(&signed, &signature).map_err(|_| SignatureError::Mismatch)
    }

    /// Checks the signature over `message` and keeps with the key what the message said.
    ///
    /// # Errors
    /// As [`Signature::verify`].
    pub(super) fn verified<T>(self, message: &[u8], value: T) -> Result<Verified<T>, SignatureError> {
        self.verify(message).map(|()| Verified { value, key: self.key })
    }
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

/// Returns the bytes that a key signs for `message`: PROTOCOL.sshsig's envelope around its SHA-512.
pub fn signed_data(message: &[u8]) -> Vec<u8> {
    SshSig::signed_data(NAMESPACE, HashAlg::Sha512, message).expect("the namespace is not empty")
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
