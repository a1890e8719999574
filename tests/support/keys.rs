//! Fixed keys: each is derived from a word, so the same test makes the same bytes every time.
//!
//! ```ignore
//! key("bob")                      // bob's key, which `Org::person("bob")` lists
//! key2("bob")                     // another one, listed only where a test says so
//! security_key("bob")             // an sk- key in software; touched
//! security_key("bob").flags(0x04) // what it signs when nobody touched it
//! ```

use std::ops::{Add, Mul};

use ed25519_dalek::{Signer as _, SigningKey, Verifier as _};
use jit::core::hash::Hash;
use jit::core::key::PublicKey;
use jit::core::signature::{Signature, authenticator_data, signed_data};
use sha2::{Digest as _, Sha512};

/// The application of every security key here, as OpenSSH's own.
const APPLICATION: &str = "ssh:";

/// A key that signs: a plain one, or a security key with the flags that it puts into its signatures.
#[derive(Clone, Debug)]
pub struct Key {
    signing: SigningKey,
    /// Of a security key its application, flags and counter.
    touch: Option<(String, u8, u32)>,
}

/// The key of the identity `name`.
pub fn key(name: &str) -> Key {
    Key { signing: SigningKey::from_bytes(&Hash::of(name.as_bytes()).0), touch: None }
}

/// A second key for the identity `name`.
pub fn key2(name: &str) -> Key {
    key(&format!("{name}, second key"))
}

/// A security key for the identity `name`; somebody touches it.
pub fn security_key(name: &str) -> Key {
    Key { touch: Some((APPLICATION.to_owned(), 0x01, 7)), ..key(&format!("{name}, security key")) }
}

impl Key {
    /// The same security key, signing with other flags.
    pub fn flags(mut self, flags: u8) -> Key {
        self.touch = self.touch.map(|(application, _, counter)| (application, flags, counter));
        self
    }

    /// The same point as a security key of that application.
    pub fn with_application(mut self, application: &str) -> Key {
        self.touch = Some((application.to_owned(), 0x01, 7));
        self
    }

    /// The public key.
    pub fn public(&self) -> PublicKey {
        let mut blob = Vec::new();
        let kind = if self.touch.is_some() { "sk-ssh-ed25519@openssh.com" } else { "ssh-ed25519" };
        put(&mut blob, kind.as_bytes());
        put(&mut blob, self.signing.verifying_key().as_bytes());
        if let Some((application, _, _)) = &self.touch {
            put(&mut blob, application.as_bytes());
        }
        PublicKey::from_blob(&blob).expect("a fixed key is a key")
    }

    /// The public key as a line of identities/ holds it.
    pub fn openssh(&self) -> String {
        self.public().to_openssh()
    }

    /// Signs what an SSHSIG over `message` signs.
    pub fn sign(&self, message: &[u8]) -> Signature {
        let signed = signed_data(message);
        match self.touched(&signed) {
            Some(part) => {
                Signature::from_agent(self.public(), &part).expect("a signature of a security key has this form")
            }
            None => Signature::from_plain(self.public(), self.sign_bytes(&signed)),
        }
    }

    /// What a security key answers that is asked to sign `data`, as an agent passes it on; none of a plain key.
    pub fn touched(&self, data: &[u8]) -> Option<Vec<u8>> {
        let (application, flags, counter) = self.touch.as_ref()?;
        let bytes = self.sign_bytes(&authenticator_data(application, *flags, *counter, data));
        let mut part = Vec::new();
        put(&mut part, b"sk-ssh-ed25519@openssh.com");
        put(&mut part, &bytes);
        part.push(*flags);
        part.extend(counter.to_be_bytes());
        Some(part)
    }

    /// Signs `bytes` themselves, without an envelope.
    pub fn sign_bytes(&self, bytes: &[u8]) -> [u8; 64] {
        self.signing.sign(bytes).to_bytes()
    }

    /// A signature over `bytes` whose R is the neutral point: S = k·a fits the equation S·B = R + k·A, and only a strict
    /// check refuses it, for the small order of R.
    pub fn sign_bytes_with_neutral_r(&self, bytes: &[u8]) -> [u8; 64] {
        let secret = self.signing.to_scalar();
        let mut signature = [0; 64];
        signature[0] = 1;
        let hash =
            Sha512::new().chain_update(&signature[..32]).chain_update(self.signing.verifying_key()).chain_update(bytes);
        let k = scalar_like(secret, &hash.finalize());
        signature[32..].copy_from_slice(&(k * secret).to_bytes());
        signature
    }

    /// Tells whether a lax check takes a signature over `bytes`.
    pub fn fits_laxly(&self, bytes: &[u8], signature: [u8; 64]) -> bool {
        self.signing.verifying_key().verify(bytes, &signature.into()).is_ok()
    }
}

/// Reads little-endian bytes as a number of the same type as `_like`, modulo the order of the group.
fn scalar_like<S: Copy + From<u64> + Add<Output = S> + Mul<Output = S>>(_like: S, bytes: &[u8]) -> S {
    bytes.iter().rev().fold(S::from(0), |sum, byte| sum * S::from(256) + S::from(u64::from(*byte)))
}

/// Appends a string as SSH's wire format has it (RFC 4251 §5): its length in four bytes, then itself.
pub fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(u32::try_from(bytes.len()).expect("strings here are short").to_be_bytes());
    out.extend(bytes);
}
