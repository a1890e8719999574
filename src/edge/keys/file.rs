//! Key files: which half is in them, and the rules that a private one must meet.
//!
//! A key file is a regular file (perhaps behind a symlink) of at most [`MAX_KEY_FILE_LEN`] bytes. A private one is in
//! OpenSSH's format (PROTOCOL.key) and closed to everyone but its owner: OpenSSH refuses an open one if the caller owns
//! it, here it is refused whoever does. The public half is read from the part that is never encrypted.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::SigningKey;
use ssh_key::encoding::Decode as _;
use ssh_key::private::KeypairData;
use ssh_key::{Cipher, Kdf};
use zeroize::Zeroizing;

use super::agent::kind_of_blob;
use super::public::{PublicKeysError, PublicKeysFault, read_public_keys};
use crate::core::key::{KeyError, PublicKey};

/// The longest key file that is read, in bytes.
pub const MAX_KEY_FILE_LEN: u64 = 64 * 1024;
/// The most rounds of bcrypt that are run for a passphrase: some minutes. OpenSSH's default is 16 or 24.
const MAX_ROUNDS: u32 = 10_000;
/// The permission bits that let anyone but the owner at a file.
const OTHERS: u32 = 0o077;

const OPENSSH_BEGIN: &str = "-----BEGIN OPENSSH PRIVATE KEY-----";
const OPENSSH_END: &str = "-----END OPENSSH PRIVATE KEY-----";
const OPENSSH_MAGIC: &[u8] = b"openssh-key-v1\0";

/// What a key file holds.
pub(super) enum KeyFile {
    Public(PublicKey),
    Private(Box<PrivateFile>),
}

/// A private key file, perhaps still encrypted.
pub(super) struct PrivateFile {
    path: PathBuf,
    public: PublicKey,
    key: ssh_key::PrivateKey,
}

impl PrivateFile {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn public(&self) -> &PublicKey {
        &self.public
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.key.is_encrypted()
    }

    /// Returns the key itself, decrypting it where a passphrase is needed; none if that passphrase is wrong.
    pub(super) fn unlock(&self, passphrase: &[u8]) -> Result<Option<SigningKey>, FileFault> {
        let opened;
        let key = if self.key.is_encrypted() {
            match self.key.decrypt(passphrase) {
                Ok(key) => {
                    opened = key;
                    &opened
                }
                Err(ssh_key::Error::Crypto) => return Ok(None),
                Err(_) => return Err(FileFault::Broken),
            }
        } else {
            &self.key
        };
        match key.key_data() {
            KeypairData::Ed25519(pair) => SigningKey::try_from(pair).map(Some).map_err(|_| FileFault::Broken),
            _ => Err(FileFault::Broken),
        }
    }
}

/// Reads the key file at `path`, without decrypting anything.
///
/// # Errors
/// See [`FileFault`].
pub(super) fn read_key_file(path: &Path) -> Result<KeyFile, FileFault> {
    let (bytes, mode) = read_bounded(path)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| FileFault::Public(KeyError::Form))?;
    match format_of(text) {
        Format::OpenSsh if mode & OTHERS != 0 => Err(FileFault::Exposed { mode: mode & 0o777 }),
        Format::OpenSsh => read_openssh(path, text).map(|file| KeyFile::Private(Box::new(file))),
        Format::OtherKind(kind) => Err(FileFault::Kind(kind.to_owned())),
        Format::Rewritable(name) => Err(FileFault::Format(name)),
        Format::Public => read_public(text).map(KeyFile::Public),
    }
}

/// Reads a regular file of bounded length, and its mode.
fn read_bounded(path: &Path) -> Result<(Zeroizing<Vec<u8>>, u32), FileFault> {
    // Opening a pipe would wait for its other end, so it is looked at first, and again once open.
    if !path.metadata().map_err(FileFault::Read)?.is_file() {
        return Err(FileFault::NotRegular);
    }
    let file = File::open(path).map_err(FileFault::Read)?;
    let meta = file.metadata().map_err(FileFault::Read)?;
    if !meta.is_file() {
        return Err(FileFault::NotRegular);
    }
    // One allocation for all of it, so that no copy of a secret stays behind when it grows.
    let capacity = usize::try_from(MAX_KEY_FILE_LEN + 1).map_err(|_| FileFault::TooLarge)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(capacity));
    file.take(MAX_KEY_FILE_LEN + 1).read_to_end(&mut bytes).map_err(FileFault::Read)?;
    if bytes.len() < capacity { Ok((bytes, meta.permissions().mode())) } else { Err(FileFault::TooLarge) }
}

/// The formats that a key file may be in.
enum Format {
    OpenSsh,
    /// A format for keys of this kind only, which are not supported.
    OtherKind(&'static str),
    /// A format, named here, that can hold a key of the right kind.
    Rewritable(&'static str),
    /// None of them, so perhaps a public key.
    Public,
}

fn format_of(text: &str) -> Format {
    let first = text.trim_start().lines().next().unwrap_or_default().trim_end();
    match first {
        OPENSSH_BEGIN => Format::OpenSsh,
        "-----BEGIN RSA PRIVATE KEY-----" => Format::OtherKind("ssh-rsa"),
        "-----BEGIN EC PRIVATE KEY-----" => Format::OtherKind("ecdsa"),
        "-----BEGIN DSA PRIVATE KEY-----" => Format::OtherKind("ssh-dss"),
        _ if first.starts_with("PuTTY-User-Key-File-") => Format::Rewritable("PuTTY"),
        _ if first.starts_with("-----BEGIN ") && first.contains("PRIVATE KEY") => Format::Rewritable("PKCS#8"),
        _ => Format::Public,
    }
}

fn read_openssh(path: &Path, text: &str) -> Result<PrivateFile, FileFault> {
    // The codec knows fewer kinds than there are files, so the kind is looked at first.
    if let Some(kind) = kind_of_openssh(text)
        && kind != "ssh-ed25519"
        && kind != "sk-ssh-ed25519@openssh.com"
    {
        return Err(FileFault::Kind(kind));
    }
    let key = ssh_key::PrivateKey::from_openssh(text.trim_start()).map_err(|_| FileFault::Broken)?;
    let public = PublicKey::from_key_data(key.public_key().key_data()).map_err(FileFault::Public)?;
    match (key.cipher(), key.kdf()) {
        (cipher @ Cipher::TdesCbc, _) => Err(FileFault::Cipher(cipher.as_str())),
        (_, Kdf::Bcrypt { rounds, .. }) if *rounds > MAX_ROUNDS => Err(FileFault::Rounds(*rounds)),
        _ => Ok(PrivateFile { path: path.to_owned(), public, key }),
    }
}

/// Returns the kind that the clear part of an OpenSSH private key names.
fn kind_of_openssh(text: &str) -> Option<String> {
    let armor = text.trim().strip_prefix(OPENSSH_BEGIN)?.strip_suffix(OPENSSH_END)?;
    let mut base64 = Zeroizing::new(Vec::with_capacity(armor.len()));
    base64.extend(armor.bytes().filter(|byte| !byte.is_ascii_whitespace()));
    let mut bytes = Zeroizing::new(vec![0; base64.len()]);
    let len = STANDARD.decode_slice(&*base64, &mut bytes).ok()?;
    let mut rest = bytes.get(..len)?.strip_prefix(OPENSSH_MAGIC)?;
    let (_cipher, _kdf, _options) =
        (Vec::<u8>::decode(&mut rest).ok()?, Vec::<u8>::decode(&mut rest).ok()?, Vec::<u8>::decode(&mut rest).ok()?);
    let _count = u32::decode(&mut rest).ok()?;
    kind_of_blob(&Vec::<u8>::decode(&mut rest).ok()?)
}

fn read_public(text: &str) -> Result<PublicKey, FileFault> {
    match read_public_keys(text) {
        Ok(keys) => match <[_; 1]>::try_from(keys) {
            Ok([(key, _)]) => Ok(key),
            Err(keys) => Err(FileFault::Several(keys.len())),
        },
        Err(PublicKeysError { fault: PublicKeysFault::Key(KeyError::Kind(kind)), .. }) => Err(FileFault::Kind(kind)),
        Err(PublicKeysError { fault: PublicKeysFault::Key(why), .. }) => Err(FileFault::Public(why)),
        Err(_) => Err(FileFault::Public(KeyError::Form)),
    }
}

/// Why a file is of no use as a key.
#[derive(Debug)]
pub enum FileFault {
    /// It can't be read.
    Read(io::Error),
    /// It is a folder, a pipe, a device.
    NotRegular,
    /// It is longer than [`MAX_KEY_FILE_LEN`].
    TooLarge,
    /// It holds a private key, and others than its owner may do something with it.
    Exposed {
        /// The nine permission bits.
        mode: u32,
    },
    /// It holds a key of a kind that is not supported, named here.
    Kind(String),
    /// It holds a private key in this format, which OpenSSH can rewrite.
    Format(&'static str),
    /// It is encrypted with this cipher, which is not supported.
    Cipher(&'static str),
    /// Its passphrase goes through this many rounds of bcrypt, which would take hours.
    Rounds(u32),
    /// It looks like an OpenSSH private key and is none.
    Broken,
    /// It is neither a private key nor a public key that may sign.
    Public(KeyError),
    /// It holds this many public keys.
    Several(usize),
    /// It holds another key than the public half beside it.
    NotPair,
}

impl FileFault {
    /// Tells whether there is no such file.
    pub(super) fn is_not_found(&self) -> bool {
        matches!(self, FileFault::Read(error) if error.kind() == io::ErrorKind::NotFound)
    }
}

impl fmt::Display for FileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileFault::Read(error) => write!(f, "{error}"),
            FileFault::NotRegular => write!(f, "not a regular file"),
            FileFault::TooLarge => write!(f, "longer than {MAX_KEY_FILE_LEN} bytes, so no key"),
            FileFault::Exposed { mode } => {
                write!(f, "the private key is open to others than its owner (mode {mode:04o})")
            }
            FileFault::Kind(kind) => KeyError::Kind(kind.clone()).fmt(f),
            FileFault::Format(name) => write!(f, "the private key is in {name} format, not in OpenSSH's"),
            FileFault::Cipher(name) => write!(f, "the private key is encrypted with `{name}`, which is not supported"),
            FileFault::Rounds(rounds) => {
                write!(f, "the passphrase goes through {rounds} rounds of bcrypt, the limit is {MAX_ROUNDS}")
            }
            FileFault::Broken => write!(f, "the OpenSSH private key is damaged"),
            FileFault::Public(why) => why.fmt(f),
            FileFault::Several(count) => write!(f, "holds {count} public keys, not one"),
            FileFault::NotPair => write!(f, "not the private half of the public key beside it"),
        }
    }
}

impl std::error::Error for FileFault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            FileFault::Read(error) => Some(error),
            FileFault::Public(why) => Some(why),
            _ => None,
        }
    }
}
