//! A client of ssh-agent: list the keys, sign with one.
//!
//! The protocol is draft-miller-ssh-agent (OpenSSH's PROTOCOL.agent): each message is a 4-byte length and as many bytes,
//! the first of which is its type. Each question gets its own connection. The agent may be on another machine, or
//! hostile: lengths and counts are bounded, every wait ends, and what it signs is checked by the caller.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use ssh_key::encoding::{Decode as _, Encode as _};

use crate::core::key::{KeyError, PublicKey};

/// The longest message taken from an agent, in bytes; OpenSSH's own limit.
const MAX_MESSAGE_LEN: u32 = 256 * 1024;
/// The most keys an agent may list; OpenSSH's own limit.
const MAX_KEYS: u32 = 2048;
/// The most of a key's comment that is kept, in characters.
const MAX_COMMENT_LEN: usize = 128;
/// How long an agent may take to list its keys; it may have to be unlocked for it.
const LIST_WITHIN: Duration = Duration::from_secs(20);
/// How long a signature may take: somebody may have to confirm it, type a PIN or touch a security key.
const SIGN_WITHIN: Duration = Duration::from_secs(120);

const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;
/// `SSH_AGENT_FAILURE`, and the two older forms of it that OpenSSH knows.
const FAILURES: [u8; 3] = [5, 30, 102];
/// Flags of a signature request; those that exist are about RSA.
const NO_FLAGS: u32 = 0;

/// An agent, by its socket.
#[derive(Clone, Debug)]
pub(super) struct Agent {
    socket: PathBuf,
    list_within: Duration,
    sign_within: Duration,
}

/// A key that an agent lists.
#[derive(Clone, Debug)]
pub(super) struct AgentKey {
    /// The blob as listed.
    pub(super) blob: Vec<u8>,
    /// The comment, shortened and with everything escaped that could move a cursor.
    pub(super) comment: String,
    /// The key, or why it can't sign here.
    pub(super) key: Result<PublicKey, KeyError>,
}

impl Agent {
    pub(super) fn new(socket: PathBuf) -> Agent {
        Agent { socket, list_within: LIST_WITHIN, sign_within: SIGN_WITHIN }
    }

    /// The same agent with less patience.
    #[cfg(test)]
    pub(super) fn within(self, limit: Duration) -> Agent {
        Agent { list_within: limit, sign_within: limit, ..self }
    }

    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Lists the agent's keys, in its order.
    ///
    /// # Errors
    /// See [`AgentFault`].
    pub(super) fn list(&self) -> Result<Vec<AgentKey>, AgentFault> {
        let answer = self.ask(&[REQUEST_IDENTITIES], self.list_within)?;
        read_list(&answer)
    }

    /// Lets the agent sign `data` with `key` and returns the signature blob, unchecked.
    ///
    /// # Errors
    /// See [`AgentFault`].
    pub(super) fn sign(&self, key: &PublicKey, data: &[u8]) -> Result<Vec<u8>, AgentFault> {
        let mut request = vec![SIGN_REQUEST];
        let parts = [key.to_blob().encode(&mut request), data.encode(&mut request), NO_FLAGS.encode(&mut request)];
        if parts.iter().any(Result::is_err) {
            return Err(AgentFault::Malformed);
        }
        let answer = self.ask(&request, self.sign_within)?;
        read_signature(&answer)
    }

    /// Sends one message and returns the answer without its length.
    fn ask(&self, request: &[u8], within: Duration) -> Result<Vec<u8>, AgentFault> {
        let wait = Wait { within, until: Instant::now() + within };
        let mut message = Vec::new();
        request.encode(&mut message).map_err(|_| AgentFault::Malformed)?;
        let mut stream = connect(&self.socket, &wait)?;
        stream.set_write_timeout(Some(wait.left()?)).map_err(AgentFault::Io)?;
        stream.write_all(&message).map_err(|error| wait.fault(error))?;

        let mut length = [0; 4];
        read_exact(&mut stream, &mut length, &wait)?;
        let length = u32::from_be_bytes(length);
        if length > MAX_MESSAGE_LEN {
            return Err(AgentFault::TooLong(length));
        }
        let mut answer = vec![0; usize::try_from(length).map_err(|_| AgentFault::TooLong(length))?];
        read_exact(&mut stream, &mut answer, &wait)?;
        Ok(answer)
    }
}

/// Reads the answer that lists the keys.
fn read_list(answer: &[u8]) -> Result<Vec<AgentKey>, AgentFault> {
    let mut rest = body(answer, IDENTITIES_ANSWER)?;
    let count = u32::decode(&mut rest).map_err(|_| AgentFault::Malformed)?;
    if count > MAX_KEYS {
        return Err(AgentFault::TooMany(count));
    }
    let mut keys = Vec::new();
    for _ in 0..count {
        let blob = Vec::<u8>::decode(&mut rest).map_err(|_| AgentFault::Malformed)?;
        let comment = Vec::<u8>::decode(&mut rest).map_err(|_| AgentFault::Malformed)?;
        let comment = String::from_utf8_lossy(&comment).chars().take(MAX_COMMENT_LEN).collect::<String>();
        let key = read_blob(&blob);
        keys.push(AgentKey { blob, comment: comment.escape_debug().to_string(), key });
    }
    if rest.is_empty() { Ok(keys) } else { Err(AgentFault::Malformed) }
}

/// Reads the answer that holds a signature.
fn read_signature(answer: &[u8]) -> Result<Vec<u8>, AgentFault> {
    let mut rest = body(answer, SIGN_RESPONSE)?;
    let signature = Vec::<u8>::decode(&mut rest).map_err(|_| AgentFault::Malformed)?;
    if rest.is_empty() { Ok(signature) } else { Err(AgentFault::Malformed) }
}

/// Reads a listed blob. The codec knows fewer kinds than agents hold, so the kind is looked at first.
fn read_blob(blob: &[u8]) -> Result<PublicKey, KeyError> {
    match kind_of_blob(blob) {
        Some(kind) if kind.ends_with("-cert-v01@openssh.com") => Err(KeyError::Certificate),
        Some(kind) if kind != "ssh-ed25519" && kind != "sk-ssh-ed25519@openssh.com" => Err(KeyError::Kind(kind)),
        Some(_) => PublicKey::from_blob(blob),
        None => Err(KeyError::Form),
    }
}

/// Returns the kind that a public key blob names, such as `ssh-rsa`.
pub(super) fn kind_of_blob(mut blob: &[u8]) -> Option<String> {
    let kind = Vec::<u8>::decode(&mut blob).ok()?;
    let plain = !kind.is_empty() && kind.len() <= 64 && kind.iter().all(u8::is_ascii_graphic);
    if plain { String::from_utf8(kind).ok() } else { None }
}

/// Returns what follows the type in an answer of the type that is wanted.
fn body(answer: &[u8], wanted: u8) -> Result<&[u8], AgentFault> {
    match answer.split_first() {
        Some((kind, rest)) if *kind == wanted => Ok(rest),
        Some((kind, _)) if FAILURES.contains(kind) => Err(AgentFault::Refused),
        Some(_) | None => Err(AgentFault::Malformed),
    }
}

/// A limit in time that several steps share.
struct Wait {
    within: Duration,
    until: Instant,
}

impl Wait {
    fn left(&self) -> Result<Duration, AgentFault> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(AgentFault::Silent(self.within)) } else { Ok(left) }
    }

    fn fault(&self, error: io::Error) -> AgentFault {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => AgentFault::Silent(self.within),
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => AgentFault::Closed,
            _ => AgentFault::Io(error),
        }
    }
}

/// Connects, on a thread of its own: std has no limit in time for this kind of socket, and one whose queue is full
/// blocks.
fn connect(socket: &Path, wait: &Wait) -> Result<UnixStream, AgentFault> {
    let (sender, receiver) = mpsc::channel();
    let path = socket.to_owned();
    thread::spawn(move || sender.send(UnixStream::connect(path)));
    match receiver.recv_timeout(wait.left()?) {
        Ok(connected) => connected.map_err(AgentFault::Connect),
        Err(_) => Err(AgentFault::Silent(wait.within)),
    }
}

/// Fills `buffer`; an agent that sends byte by byte does not get more time.
fn read_exact(stream: &mut UnixStream, mut buffer: &mut [u8], wait: &Wait) -> Result<(), AgentFault> {
    while !buffer.is_empty() {
        stream.set_read_timeout(Some(wait.left()?)).map_err(AgentFault::Io)?;
        match stream.read(buffer) {
            Ok(0) => return Err(AgentFault::Closed),
            Ok(count) => buffer = buffer.get_mut(count..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(wait.fault(error)),
        }
    }
    Ok(())
}

/// Why an agent is of no use.
#[derive(Debug)]
pub enum AgentFault {
    /// Nobody listens on the socket.
    Connect(io::Error),
    /// Reading or writing failed.
    Io(io::Error),
    /// It did not answer in this time.
    Silent(Duration),
    /// It hung up before it had answered.
    Closed,
    /// Its answer would be this many bytes long.
    TooLong(u32),
    /// It would list this many keys.
    TooMany(u32),
    /// Its answer is not in the protocol's form.
    Malformed,
    /// It said no.
    Refused,
}

impl fmt::Display for AgentFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AgentFault::Connect(error) => write!(f, "can't connect: {error}"),
            AgentFault::Io(error) => write!(f, "{error}"),
            AgentFault::Silent(within) => write!(f, "no answer within {within:?}"),
            AgentFault::Closed => write!(f, "it hung up without an answer"),
            AgentFault::TooLong(len) => write!(f, "its answer is {len} bytes long, the limit is {MAX_MESSAGE_LEN}"),
            AgentFault::TooMany(count) => write!(f, "it lists {count} keys, the limit is {MAX_KEYS}"),
            AgentFault::Malformed => write!(f, "its answer is not in the agent protocol's form"),
            AgentFault::Refused => write!(f, "it refused"),
        }
    }
}

impl std::error::Error for AgentFault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            AgentFault::Connect(error) | AgentFault::Io(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_answer_makes_us_panic(kind in 0..16u8, rest in proptest::collection::vec(any::<u8>(), 0..200)) {
            let answer = [&[kind], rest.as_slice()].concat();
            let (list, signature) = (read_list(&answer), read_signature(&answer));
            prop_assert!(kind == IDENTITIES_ANSWER || list.is_err());
            prop_assert!(kind == SIGN_RESPONSE || signature.is_err());
        }
    }

    #[test]
    fn a_signature_is_the_whole_answer() {
        assert_eq!(read_signature(&[14, 0, 0, 0, 1, 7]).unwrap(), [7]);
        for answer in [&[14, 0, 0, 0, 1, 7, 0][..], &[14, 0, 0, 0, 2, 7], &[14, 0, 0, 0], &[14], &[]] {
            assert!(matches!(read_signature(answer), Err(AgentFault::Malformed)), "{answer:?}");
        }
    }

    #[test]
    fn certificates_and_other_kinds_are_listed_as_such() {
        let blob = |kind: &str| {
            let mut blob = Vec::new();
            kind.encode(&mut blob).unwrap();
            blob
        };
        for (kind, why) in [
            ("ssh-rsa", KeyError::Kind("ssh-rsa".to_owned())),
            ("ecdsa-sha2-nistp256", KeyError::Kind("ecdsa-sha2-nistp256".to_owned())),
            ("ssh-ed25519-cert-v01@openssh.com", KeyError::Certificate),
            ("ssh-ed25519", KeyError::Form),
            ("a\u{1b}[2J", KeyError::Form),
        ] {
            assert_eq!(read_blob(&blob(kind)), Err(why), "{kind}");
        }
    }
}
