//! The caller's signing key: finding it, and signing with it. The only files that touch secret bytes.
//!
//! 1. [`choose`] finds the key, in this order: `--key`, `JIT_KEY`, git's `user.signingkey` when `gpg.format` is `ssh`,
//!    and else the first key of the agent or of `~/.ssh` that is in identities/. Nothing is decrypted for that: an
//!    OpenSSH private key file has its public half in clear.
//! 2. [`Signer::sign`] signs one statement: through the agent, or with the file, whose passphrase is asked for then. The
//!    signature is checked strictly before it is handed out, so a wrong or hostile agent can't get a bad line written.
//!
//! Where a named file can be used in two ways, a private half that needs no passphrase comes first, then the agent, then
//! a private half that has to be unlocked (bcrypt makes that some 0.3 s). A key that was named otherwise, or not at all,
//! is looked for in the agent first. A security key signs only through an agent, which knows how to ask for the touch.
//!
//! Formats are read by the ssh-key crate's codecs, signatures are made by ed25519-dalek. A secret is held by
//! `ssh_key::PrivateKey`, `SigningKey` or [`Zeroizing`], all of which wipe it, and stands in no error and no `Debug`.

mod agent;
mod choose;
mod environment;
mod fault;
mod file;
mod passphrase;
mod public;
mod search;
mod ssh_config;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use ed25519_dalek::{Signer as _, SigningKey};
use zeroize::Zeroizing;

use crate::core::key::PublicKey;
use crate::core::signature::{Signature, signed_data};

use agent::Agent;
pub use agent::AgentFault;
pub use choose::{ChosenBy, GitKeyConfig, Origin, candidates, choose, choose_and_say};
pub use environment::Environment;
pub use fault::KeyFault;
use file::PrivateFile;
pub use file::{FileFault, MAX_KEY_FILE_LEN};
pub use passphrase::PassphraseFault;
pub use public::{PublicKeysError, PublicKeysFault, read_public_keys};
pub use search::{Search, Seen};

/// Somebody who may be asked for a passphrase and told to touch a security key.
pub trait Prompt {
    /// Asks for one line without echo; none if there is nobody to ask.
    ///
    /// # Errors
    /// The terminal can't be read.
    fn secret(&mut self, prompt: &str) -> Result<Option<Zeroizing<String>>, io::Error>;

    /// Says something; there is no answer.
    fn note(&mut self, text: &str);
}

/// A [`Prompt`] where nobody is there to answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nobody;

impl Prompt for Nobody {
    fn secret(&mut self, _: &str) -> Result<Option<Zeroizing<String>>, io::Error> {
        Ok(None)
    }

    fn note(&mut self, _: &str) {}
}

/// Where the private half of a key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// In the agent behind this socket.
    Agent(PathBuf),
    /// In this file.
    File(PathBuf),
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeySource::Agent(_) => f.write_str("agent"),
            KeySource::File(path) => f.write_str(&shown(path)),
        }
    }
}

/// A chosen key that can sign; a passphrase is asked for at the first signature, once.
pub struct Signer {
    public: PublicKey,
    half: Half,
    env: Environment,
}

enum Half {
    Agent(Agent),
    /// A file, and once it was needed the key inside.
    File(Box<PrivateFile>, Option<Box<SigningKey>>),
}

impl Signer {
    fn agent(env: &Environment, public: PublicKey, agent: Agent) -> Signer {
        Signer { public, half: Half::Agent(agent), env: env.clone() }
    }

    fn file(env: &Environment, file: PrivateFile) -> Signer {
        Signer { public: file.public().clone(), half: Half::File(Box::new(file), None), env: env.clone() }
    }

    /// Returns the key that signatures will be by.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// Returns where the private half is.
    pub fn source(&self) -> KeySource {
        match &self.half {
            Half::Agent(agent) => KeySource::Agent(agent.socket().to_owned()),
            Half::File(file, _) => KeySource::File(file.path().to_owned()),
        }
    }

    /// Returns where the private half is, for messages: `agent` or the file's path, escaped.
    pub fn describe(&self) -> String {
        self.source().to_string()
    }

    /// Signs `message` as a statement's body is signed, and checks the signature strictly before returning it.
    ///
    /// # Errors
    /// No or a wrong passphrase, an agent that is gone or refuses, a signature that does not fit.
    pub fn sign(&mut self, message: &[u8], prompt: &mut dyn Prompt) -> Result<Signature, KeyFault> {
        let data = signed_data(message);
        let signature = match &mut self.half {
            Half::File(file, unlocked) => {
                let key = match unlocked {
                    Some(key) => key,
                    None => unlocked.insert(Box::new(passphrase::unlock(&self.env, file, prompt)?)),
                };
                Ok(Signature::from_plain(self.public.clone(), key.sign(&data).to_bytes()))
            }
            Half::Agent(agent) => {
                if self.public.is_security_key() {
                    prompt.note(&format!("touch your security key to sign with {}", self.public.fingerprint()));
                }
                let blob = agent
                    .sign(&self.public, &data)
                    .map_err(|fault| KeyFault::Agent { socket: agent.socket().to_owned(), fault })?;
                Signature::from_agent(self.public.clone(), &blob)
            }
        };
        signature
            .and_then(|signature| signature.verify(message).map(|()| signature))
            .map_err(|why| KeyFault::Signature { place: self.describe(), why })
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({}, {})", self.public.fingerprint(), self.describe())
    }
}

/// Returns a path as messages show it: whatever could move a terminal's cursor is escaped.
fn shown(path: &Path) -> String {
    path.display().to_string().escape_debug().to_string()
}
