//! Why there is no signature, and what to do about it.

use std::fmt;
use std::path::PathBuf;

use super::agent::AgentFault;
use super::choose::Origin;
use super::file::FileFault;
use super::passphrase::PassphraseFault;
use super::public::make_a_key;
use super::search::Search;
use super::shown;
use crate::core::key::KeyError;
use crate::core::signature::SignatureError;

/// Why no key was found, or why it did not sign.
#[derive(Debug)]
pub enum KeyFault {
    /// Something is wrong with a key that was named elsewhere than on the command line.
    Named {
        /// Where it was named.
        origin: Origin,
        /// What is wrong with it.
        fault: Box<KeyFault>,
    },
    /// A key file is of no use.
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: FileFault,
    },
    /// A named key may not sign.
    Literal(KeyError),
    /// This starts like a fingerprint and is not a whole one.
    Fingerprint(String),
    /// No key with this fingerprint is in the agent or in `~/.ssh`.
    Missing {
        /// The fingerprint.
        wanted: String,
        /// What was looked at.
        search: Box<Search>,
    },
    /// Of a named key only the public half is here.
    NoPrivateHalf {
        /// The public half.
        path: PathBuf,
        /// Its fingerprint.
        fingerprint: String,
        /// Why the agent can't sign with it.
        agent: String,
    },
    /// A security key signs only through an agent.
    NeedsAgent {
        /// The key's file.
        path: PathBuf,
        /// Why the agent can't sign with it.
        agent: String,
    },
    /// None of the keys that are here is in identities/.
    NoneKnown(Box<Search>),
    /// A key file could not be unlocked.
    Passphrase {
        /// The key file.
        path: PathBuf,
        /// What went wrong.
        fault: PassphraseFault,
    },
    /// The agent did not sign.
    Agent {
        /// The agent's socket.
        socket: PathBuf,
        /// What went wrong.
        fault: AgentFault,
    },
    /// What came back is not a signature of the message by the key.
    Signature {
        /// Who made it: `agent` or a path.
        place: String,
        /// What is wrong with it.
        why: SignatureError,
    },
}

impl KeyFault {
    /// Says where the key was named.
    pub(super) fn at(self, origin: Origin) -> KeyFault {
        KeyFault::Named { origin, fault: Box::new(self) }
    }

    /// Tells whether the key is of a kind that can't sign statements, or a certificate.
    pub(super) fn is_other_kind(&self) -> bool {
        match self {
            KeyFault::Literal(why) | KeyFault::File { fault: FileFault::Public(why), .. } => {
                matches!(why, KeyError::Kind(_) | KeyError::Certificate)
            }
            KeyFault::File { fault: FileFault::Kind(_), .. } => true,
            _ => false,
        }
    }

    /// Returns what to do about it, where there is something: a command to type.
    pub fn help(&self) -> Option<String> {
        match self {
            KeyFault::Named { fault, .. } => fault.help(),
            KeyFault::File { path, fault } => match fault {
                FileFault::Exposed { .. } => Some(format!("`chmod 600 {}` closes it", shown(path))),
                FileFault::Kind(kind) => Some(make_a_key(kind)),
                FileFault::Format("PuTTY") => {
                    Some(format!("`puttygen {0} -O private-openssh-new -o {0}.openssh` rewrites it", shown(path)))
                }
                FileFault::Format(_) => {
                    Some(format!("`ssh-keygen -p -f {}` rewrites an ed25519 key; {}", shown(path), make_a_key("")))
                }
                FileFault::Cipher(_) | FileFault::Rounds(_) => {
                    Some(format!("`ssh-keygen -p -f {}` encrypts it anew", shown(path)))
                }
                FileFault::Read(why) if why.kind() == std::io::ErrorKind::NotFound => {
                    Some("`ls ~/.ssh` and `ssh-add -l` show the keys that are here; `--key FILE` names one".to_owned())
                }
                FileFault::Read(_)
                | FileFault::NotRegular
                | FileFault::TooLarge
                | FileFault::Broken
                | FileFault::Public(_)
                | FileFault::Several(_)
                | FileFault::NotPair => None,
            },
            KeyFault::Literal(KeyError::Kind(kind)) => Some(make_a_key(kind)),
            KeyFault::Literal(_) => None,
            KeyFault::Fingerprint(_) => Some("`ssh-keygen -l -f FILE` and `ssh-add -l` print whole ones".to_owned()),
            KeyFault::Missing { .. } => Some("`ssh-add FILE` gives the key to the agent; `--key FILE` names its file".to_owned()),
            KeyFault::NoPrivateHalf { .. } => Some("`ssh-add FILE` gives the private half to the agent".to_owned()),
            KeyFault::NeedsAgent { path, .. } => Some(format!("`ssh-add {}` gives it to the agent", shown(path))),
            KeyFault::NoneKnown(_) => Some(
                "`--key FILE` names another key; `jit identity add NAME FILE.pub` adds one to the policy; `ssh-keygen -t ed25519` makes one"
                    .to_owned(),
            ),
            KeyFault::Passphrase { path, .. } => {
                Some(format!("`ssh-add {}` gives it to the agent, which asks only once", shown(path)))
            }
            KeyFault::Agent { fault: AgentFault::Refused, .. } => Some(
                "`ssh-add -l` lists what the agent holds, `ssh-add -X` unlocks it; a touch or a confirmation may have been missing"
                    .to_owned(),
            ),
            KeyFault::Agent { .. } | KeyFault::Signature { .. } => None,
        }
    }
}

impl fmt::Display for KeyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyFault::Named { origin, fault } => write!(f, "{origin}: {fault}"),
            KeyFault::File { path, fault } => write!(f, "`{}`: {fault}", shown(path)),
            KeyFault::Literal(why) => why.fmt(f),
            KeyFault::Fingerprint(text) => {
                write!(f, "`{}` is not a whole fingerprint (`SHA256:` and 43 characters)", text.escape_debug())
            }
            KeyFault::Missing { wanted, search } => {
                write!(f, "no private key with the fingerprint {wanted} in the agent or in ~/.ssh{search}")
            }
            KeyFault::NoPrivateHalf { path, fingerprint, agent } => {
                write!(f, "`{}`: only the public half of {fingerprint} is here ({agent})", shown(path))
            }
            KeyFault::NeedsAgent { path, agent } => {
                write!(f, "`{}`: a security key signs only through an agent ({agent})", shown(path))
            }
            KeyFault::NoneKnown(search) if search.seen.is_empty() => {
                write!(f, "no key was found, neither in an agent nor in ~/.ssh{search}")
            }
            KeyFault::NoneKnown(search) => write!(f, "none of these keys is in identities/:{search}"),
            KeyFault::Passphrase { path, fault } => write!(f, "`{}`: {fault}", shown(path)),
            KeyFault::Agent { socket, fault } => write!(f, "the agent at `{}` did not sign: {fault}", shown(socket)),
            KeyFault::Signature { place, why } => write!(f, "a signature by {place} was not taken: {why}"),
        }
    }
}

impl std::error::Error for KeyFault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            KeyFault::Named { fault, .. } => Some(&**fault),
            KeyFault::File { fault, .. } => Some(fault),
            KeyFault::Literal(why) => Some(why),
            KeyFault::Passphrase { fault, .. } => Some(fault),
            KeyFault::Agent { fault, .. } => Some(fault),
            KeyFault::Signature { why, .. } => Some(why),
            KeyFault::Fingerprint(_)
            | KeyFault::Missing { .. }
            | KeyFault::NoPrivateHalf { .. }
            | KeyFault::NeedsAgent { .. }
            | KeyFault::NoneKnown(_) => None,
        }
    }
}
