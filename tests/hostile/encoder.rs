//! An SSHSIG encoder of the test's own (OpenSSH's PROTOCOL.sshsig and PROTOCOL.u2f), for what `ssh-keygen` can't be
//! made to sign: security keys that are no hardware, weak keys, reserved fields that are not empty.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};
use sha2::{Digest as _, Sha256, Sha512};

/// A key, and how its signatures are put together; each field can be forged.
#[derive(Clone)]
pub(crate) struct Encoder {
    secret: SigningKey,
    /// The application of a security key; none for a plain key.
    pub(crate) application: Option<&'static str>,
    /// The flags of a security key's signature; 1 is user presence.
    pub(crate) flags: u8,
    pub(crate) version: u32,
    pub(crate) namespace: &'static str,
    pub(crate) reserved: &'static [u8],
    pub(crate) hash: &'static str,
    pub(crate) trailing: &'static [u8],
    /// The public key and the signature's halves, where they are not what the secret gives.
    pub(crate) point: Option<[u8; 32]>,
    pub(crate) signature: Option<[u8; 64]>,
}

impl Encoder {
    /// A plain key, honestly encoded.
    pub(crate) fn plain(seed: u8) -> Encoder {
        Encoder {
            secret: SigningKey::from_bytes(&[seed; 32]),
            application: None,
            flags: 1,
            version: 1,
            namespace: "jit",
            reserved: b"",
            hash: "sha512",
            trailing: b"",
            point: None,
            signature: None,
        }
    }

    /// A security key, honestly encoded.
    pub(crate) fn security_key(seed: u8) -> Encoder {
        Encoder { application: Some("ssh:"), ..Encoder::plain(seed) }
    }

    fn kind(&self) -> &'static str {
        if self.application.is_some() { "sk-ssh-ed25519@openssh.com" } else { "ssh-ed25519" }
    }

    fn key_blob(&self) -> Vec<u8> {
        let point = self.point.unwrap_or_else(|| self.secret.verifying_key().to_bytes());
        let mut blob = [string(self.kind().as_bytes()), string(&point)].concat();
        if let Some(application) = self.application {
            blob.extend(string(application.as_bytes()));
        }
        blob
    }

    /// The public key, type and base64.
    pub(crate) fn public_key(&self) -> String {
        format!("{} {}", self.kind(), STANDARD.encode(self.key_blob()))
    }

    /// Signs a message; returns the blob.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let digest =
            if self.hash == "sha256" { Sha256::digest(message).to_vec() } else { Sha512::digest(message).to_vec() };
        let fields = [string(self.namespace.as_bytes()), string(self.reserved), string(self.hash.as_bytes())].concat();
        let mut signed = [&b"SSHSIG"[..], &fields, &string(&digest)].concat();
        let presence = [&[self.flags][..], &7_u32.to_be_bytes()].concat();
        if let Some(application) = self.application {
            let message = Sha256::digest(&signed);
            signed = [&Sha256::digest(application)[..], &presence, &message[..]].concat();
        }
        let signature = self.signature.unwrap_or_else(|| self.secret.sign(&signed).to_bytes());
        let mut signature = [string(self.kind().as_bytes()), string(&signature)].concat();
        if self.application.is_some() {
            signature.extend(presence);
        }
        let version = self.version.to_be_bytes();
        [b"SSHSIG", &version[..], &string(&self.key_blob()), &fields, &string(&signature), self.trailing].concat()
    }

    /// Signs a body; returns the line.
    pub(crate) fn line(&self, body: &str) -> String {
        crate::forge::line(body, &STANDARD.encode(self.sign(body.as_bytes())))
    }
}

/// A string as SSH encodes it.
fn string(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).expect("it is short").to_be_bytes()[..], bytes].concat()
}
