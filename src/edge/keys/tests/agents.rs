//! Signing through agents: the real one, one with a security key in it, and hostile ones.

use std::time::Duration;

use ed25519_dalek::{Signer as _, SigningKey};
use ssh_key::encoding::Encode as _;
use ssh_key::private::KeypairData;
use ssh_key::public::{Ed25519PublicKey, KeyData, SkEd25519};

use super::*;
use crate::core::signature::{SignatureError, authenticator_data};
use crate::edge::keys::agent::{Agent, AgentFault};
use crate::edge::keys::{KeySource, Nobody};

#[test]
fn the_real_agent_signs() {
    let mut home = Home::new();
    let key = home.key("id", "");
    let agent = RealAgent::start(home.path("agent"));
    agent.add(&home.path("id"));
    fs::remove_file(home.path("id")).unwrap();
    home.set("SSH_AUTH_SOCK", &agent.socket);
    let fingerprint = key.fingerprint();
    // By either file name, the public one and that of the private half that is gone; by fingerprint; by being known.
    for signer in [
        home.named(home.path("id.pub")),
        home.named(home.path("id")),
        home.named(&fingerprint),
        home.known(&[&key]),
        home.signing_key(&format!("key::{key}"), &[]),
    ] {
        let mut signer = signer.unwrap();
        assert_eq!(signer.source(), KeySource::Agent(agent.socket.clone()));
        assert_eq!(signer.describe(), "agent");
        home.assert_verifies(&key, &signer.sign(MESSAGE, &mut Nobody).unwrap());
    }
}

#[test]
fn a_key_that_the_agent_dropped_or_locked_away_is_a_clear_error() {
    let mut home = Home::new();
    let key = home.key("id", "");
    let agent = RealAgent::start(home.path("agent"));
    agent.add(&home.path("id"));
    home.set("SSH_AUTH_SOCK", &agent.socket);
    let mut signer = home.known(&[&key]).unwrap();
    run(Command::new("ssh-add").args(["-q", "-D"]).env("SSH_AUTH_SOCK", &agent.socket));
    let fault = signer.sign(MESSAGE, &mut Nobody).unwrap_err();
    assert!(matches!(fault, KeyFault::Agent { fault: AgentFault::Refused, .. }), "{fault}");
    assert!(fault.help().unwrap().contains("ssh-add -l"), "{fault}");

    let fault = home.known(&[&key]).unwrap_err();
    assert!(fault.to_string().contains("lists no keys, or is locked"), "{fault}");
    drop(agent);
    let fault = signer.sign(MESSAGE, &mut Nobody).unwrap_err();
    assert!(matches!(fault, KeyFault::Agent { fault: AgentFault::Connect(_), .. }), "{fault}");
}

#[test]
fn the_agent_of_the_ssh_configuration_is_the_one_that_counts() {
    let mut home = Home::new();
    let (ours, theirs) = (home.key("ours", ""), home.key("theirs", ""));
    let (one, other) = (RealAgent::start(home.path("one")), RealAgent::start(home.path("other")));
    one.add(&home.path("ours"));
    other.add(&home.path("theirs"));
    home.set("SSH_AUTH_SOCK", &one.socket);
    home.set("OTHER_SOCK", &other.socket);
    // ssh takes the home folder from the user database, not from HOME, so its configuration is named.
    let config = home.path("config");
    home.script("bin/ssh", &format!("exec /usr/bin/ssh -F '{}' \"$@\"", config.display()));
    let general =
        format!("Host git.example.com\n IdentityAgent none\nHost *\n IdentityAgent {}\n", other.socket.display());
    let by_variable = "IdentityAgent $OTHER_SOCK\n";
    let only_there = format!("Host git.example.com\n IdentityAgent {}\n", other.socket.display());
    let there = Some("git.example.com");
    for (text, host, chosen) in [
        ("", None, Some(&ours)),
        ("IdentityAgent SSH_AUTH_SOCK\n", None, Some(&ours)),
        (&general, None, Some(&theirs)),
        (&general, Some("elsewhere"), Some(&theirs)),
        (&general, there, None),
        (by_variable, there, Some(&theirs)),
        (&only_there, None, Some(&ours)),
        (&only_there, there, Some(&theirs)),
        ("IdentityAgent none\n", None, None),
        ("IdentityAgent /nonexistent/agent\n", None, None),
        ("no such setting\n", None, Some(&ours)),
    ] {
        fs::write(&config, text).unwrap();
        let signer = choose(&home.env, &GitKeyConfig::default(), host, None, &|_| true);
        assert_eq!(signer.as_ref().ok().map(Signer::public_key), chosen, "{text} {host:?}");
    }
    fs::write(&config, &general).unwrap();
    let fault = choose(&home.env, &GitKeyConfig::default(), there, None, &|_| true).unwrap_err();
    assert!(fault.to_string().contains("IdentityAgent none"), "{fault}");
}

/// A security key in software: what OpenSSH's PROTOCOL.u2f says that it signs.
struct SoftKey {
    secret: SigningKey,
    public: PublicKey,
    data: SkEd25519,
}

const APPLICATION: &str = "ssh:jit";

impl SoftKey {
    fn new() -> SoftKey {
        let secret = SigningKey::from_bytes(&[7; 32]);
        let data = SkEd25519::new(Ed25519PublicKey(secret.verifying_key().to_bytes()), APPLICATION);
        let public = PublicKey::from_key_data(&KeyData::SkEd25519(data.clone())).unwrap();
        SoftKey { secret, public, data }
    }

    /// Writes the file that stands for the key, as ssh-keygen does: with a handle, without a secret.
    fn write(&self, path: &Path) {
        let pair = ssh_key::private::SkEd25519::new(self.data.clone(), 1, [1, 2, 3]).unwrap();
        let key = ssh_key::PrivateKey::new(KeypairData::SkEd25519(pair), "").unwrap();
        fs::write(path, key.to_openssh(ssh_key::LineEnding::LF).unwrap().as_bytes()).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Serves as an agent that holds only this key, touched if `flags` says so.
    fn serve(self, socket: &Path, flags: u8) {
        fake_agent(socket, move |request| match request {
            [11] => framed(&list(&[&self.public])),
            [13, rest @ ..] => {
                let (blob, rest) = string(rest);
                let (data, flags_asked) = string(rest);
                assert_eq!((blob, flags_asked), (self.public.to_blob().as_slice(), &[0; 4][..]));
                let signed = authenticator_data(APPLICATION, flags, 9, data);
                let mut part = Vec::new();
                "sk-ssh-ed25519@openssh.com".encode(&mut part).unwrap();
                self.secret.sign(&signed).to_bytes().as_slice().encode(&mut part).unwrap();
                part.push(flags);
                9u32.encode(&mut part).unwrap();
                framed(&signature(&part))
            }
            _ => framed(&[5]),
        });
    }
}

fn string(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (len, rest) = bytes.split_first_chunk().unwrap();
    rest.split_at(usize::try_from(u32::from_be_bytes(*len)).unwrap())
}

fn list(keys: &[&PublicKey]) -> Vec<u8> {
    let mut answer = vec![12];
    keys.len().encode(&mut answer).unwrap();
    for key in keys {
        key.to_blob().encode(&mut answer).unwrap();
        "a\u{1b}[2Jcomment".encode(&mut answer).unwrap();
    }
    answer
}

fn signature(part: &[u8]) -> Vec<u8> {
    let mut answer = vec![14];
    part.encode(&mut answer).unwrap();
    answer
}

#[test]
fn a_security_key_signs_through_the_agent_and_must_be_touched() {
    for (flags, is_touched) in [(0x01, true), (0x05, true), (0x00, false), (0x04, false)] {
        let mut home = Home::new();
        let key = SoftKey::new();
        let public = key.public.clone();
        key.write(&home.path("id_sk"));
        key.serve(&home.path("agent"), flags);
        home.set("SSH_AUTH_SOCK", home.path("agent"));
        let mut signer = home.named(home.path("id_sk")).unwrap();
        assert_eq!((signer.public_key(), signer.describe().as_str()), (&public, "agent"));
        let mut prompt = Scripted::default();
        let signed = signer.sign(MESSAGE, &mut prompt);
        assert!(prompt.notes[0].contains("touch your security key"), "{:?}", prompt.notes);
        if is_touched {
            home.assert_verifies(&public, &signed.unwrap());
        } else {
            let fault = signed.unwrap_err();
            assert!(matches!(fault, KeyFault::Signature { why: SignatureError::NoPresence, .. }), "{fault}");
        }
    }
}

#[test]
fn a_security_key_file_without_an_agent_is_a_clear_error() {
    let home = Home::new();
    let key = SoftKey::new();
    key.write(&home.path(".ssh/id_ed25519_sk"));
    for fault in [
        home.named(home.path(".ssh/id_ed25519_sk")).unwrap_err(),
        home.named(key.public.fingerprint()).unwrap_err(),
        home.known(&[&key.public]).unwrap_err(),
    ] {
        assert!(matches!(fault, KeyFault::NeedsAgent { .. }), "{fault}");
        assert!(fault.to_string().contains("`SSH_AUTH_SOCK` is not set"), "{fault}");
        assert!(fault.help().unwrap().contains("ssh-add "), "{fault}");
    }
}

#[test]
fn an_agent_that_lies_is_found_out() {
    let home = Home::new();
    let (key, other) = (home.key("id", ""), SigningKey::from_bytes(&[9; 32]));
    let plain = |bytes: &[u8]| {
        let mut part = Vec::new();
        "ssh-ed25519".encode(&mut part).unwrap();
        bytes.encode(&mut part).unwrap();
        part
    };
    let by_other = other.sign(&crate::core::signature::signed_data(MESSAGE)).to_bytes();
    let mut renamed = plain(&by_other);
    renamed[4..15].copy_from_slice(b"ssh-ed25520");
    for (name, part) in [
        ("other", plain(&by_other)),
        ("zero", plain(&[0; 64])),
        ("short", plain(&by_other[1..])),
        ("renamed", renamed),
        ("trailing", [plain(&by_other), vec![0]].concat()),
        ("empty", Vec::new()),
    ] {
        let socket = home.path(name);
        let listed = key.clone();
        fake_agent(&socket, move |request| match request {
            [11] => framed(&list(&[&listed])),
            _ => framed(&signature(&part)),
        });
        let mut env = home.env.clone();
        env.vars.insert("SSH_AUTH_SOCK".to_owned(), socket.into());
        let mut signer = choose(&env, &GitKeyConfig::default(), None, None, &|_| true).unwrap();
        let fault = signer.sign(MESSAGE, &mut Nobody).unwrap_err();
        assert!(matches!(fault, KeyFault::Signature { .. }), "{name}: {fault}");
    }
}

#[test]
fn garbage_lengths_and_early_ends_are_errors() {
    let home = Home::new();
    let key = home.key("id", "");
    let limit: u32 = 256 * 1024;
    let count = |count: u32| [&[12][..], &count.to_be_bytes()].concat();
    let huge_string = [&count(1)[..], &[0xff; 4]].concat();
    let one_more = [&list(&[&key])[..], &[0]].concat();
    let mut one_less = list(&[&key]);
    one_less.pop();
    let long_signature = [&[14][..], &[0xff; 4]].concat();
    for (index, (bytes, says)) in [
        (Vec::new(), "hung up"),
        (vec![0, 0], "hung up"),
        (vec![0, 0, 0, 9, 12], "hung up"),
        (b"HTTP/1.1 400 Bad Request\r\n".to_vec(), "the limit is 262144"),
        ((limit + 1).to_be_bytes().to_vec(), "the limit is 262144"),
        (vec![0xff; 64], "the limit is 262144"),
        (framed(&[]), "not in the agent protocol's form"),
        (framed(&[99]), "not in the agent protocol's form"),
        (framed(&[5]), "refused"),
        (framed(&[30]), "refused"),
        (framed(&[102]), "refused"),
        (framed(&count(1)), "not in the agent protocol's form"),
        (framed(&count(2049)), "2049 keys"),
        (framed(&count(u32::MAX)), "4294967295 keys"),
        (framed(&huge_string), "not in the agent protocol's form"),
        (framed(&one_more), "not in the agent protocol's form"),
        (framed(&one_less), "not in the agent protocol's form"),
        (framed(&long_signature), "not in the agent protocol's form"),
    ]
    .into_iter()
    .enumerate()
    {
        let socket = home.path(&format!("a{index}"));
        let answer = bytes.clone();
        fake_agent(&socket, move |_| answer.clone());
        let agent = Agent::new(socket.clone());
        let listed = agent.list().unwrap_err().to_string();
        assert!(listed.contains(says), "{bytes:?}: {listed}");
        assert!(agent.sign(&key, b"data").is_err(), "{bytes:?}");

        // It is as if there were no agent, and the error says why.
        let mut env = home.env.clone();
        env.vars.insert("SSH_AUTH_SOCK".to_owned(), socket.into());
        let fault = choose(&env, &GitKeyConfig::default(), None, None, &|_| true).unwrap_err();
        assert!(fault.to_string().contains(says), "{fault}");
        choose(&env, &GitKeyConfig::default(), None, home.path("id").to_str(), &|_| true).unwrap();
    }
}

#[test]
fn an_agent_that_says_nothing_is_not_waited_for() {
    let home = Home::new();
    let key = home.key("id", "");
    let silent = home.path("silent");
    // Accepts, since the system does, and never answers.
    let _listener = UnixListener::bind(&silent).unwrap();
    let agent = Agent::new(silent).within(Duration::from_millis(50));
    assert!(matches!(agent.list(), Err(AgentFault::Silent(_))));
    assert!(matches!(agent.sign(&key, b"data"), Err(AgentFault::Silent(_))));
    for name in ["missing", "id"] {
        let agent = Agent::new(home.path(name));
        assert!(matches!(agent.list(), Err(AgentFault::Connect(_))), "{name}");
    }
}

#[test]
fn what_an_agent_says_is_escaped_when_shown() {
    let mut home = Home::new();
    let key = home.key("id", "");
    fake_agent(&home.path("agent"), move |_| framed(&list(&[&key])));
    home.set("SSH_AUTH_SOCK", home.path("agent"));
    let text = home.known(&[]).unwrap_err().to_string();
    assert!(text.contains("\\u{1b}[2Jcomment") && !text.contains('\u{1b}'), "{text}");
}
