//! Claim 2: only a key's holder signs by it, in one form, strictly; and a security key only when touched.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use jit::core::signature::{Signature, signed_data};
use jit::core::statement::What;
use sha2::{Digest as _, Sha256, Sha512};

use crate::support::keys::{Key, key, key2, put, security_key};
use crate::support::log::{Log, body_of};
use crate::support::org::Org;

/// A log in which bob has a plain key and a security key.
fn scene() -> Log {
    let org = Org::new(&["alice"], 1)
        .people("bob carol")
        .keys("bob", &[key("bob"), security_key("bob")])
        .allow("all", "bob", "**", "access", "365d");
    let mut log = Log::new(&["alice"], 1);
    log.policy("alice", &org);
    log
}

/// A security key's flags and counter.
const TOUCH: &[u8] = &[0x01, 0, 0, 0, 7];

/// The body of a request that would be granted.
fn body(log: &Log) -> String {
    let mut log = log.clone();
    log.request("bob", "db/prod/orders", "access", "1h", "");
    body_of(log.line(log.size() - 1))
}

/// All that an SSHSIG blob says (PROTOCOL.sshsig), to be spoiled field by field.
struct Blob {
    magic: &'static [u8],
    version: u32,
    key: Vec<u8>,
    namespace: &'static str,
    reserved: &'static str,
    hash: &'static str,
    algorithm: &'static str,
    /// Bytes after the 64 of the signature, in the same string.
    tail: &'static [u8],
    /// Bytes after that string: where a security key has its flags and counter.
    touch: &'static [u8],
    /// Bytes after the whole.
    trailing: &'static [u8],
    /// What is done to the 64 bytes.
    spoil: fn(&mut [u8; 64]),
    signer: Key,
}

impl Blob {
    /// As bob's plain key makes one.
    fn new() -> Blob {
        Blob {
            magic: b"SSHSIG",
            version: 1,
            key: key("bob").public().to_blob(),
            namespace: "jit",
            reserved: "",
            hash: "sha512",
            algorithm: "ssh-ed25519",
            tail: b"",
            touch: b"",
            trailing: b"",
            spoil: |_| {},
            signer: key("bob"),
        }
    }

    /// Signs `message` just as the fields say, whatever they say, so that nothing but them is wrong.
    fn sign(self, message: &str) -> Vec<u8> {
        let digest = match self.hash {
            "sha256" => Sha256::digest(message.as_bytes()).to_vec(),
            _ => Sha512::digest(message.as_bytes()).to_vec(),
        };
        let mut signed = b"SSHSIG".to_vec();
        for field in [self.namespace.as_bytes(), self.reserved.as_bytes(), self.hash.as_bytes(), &digest] {
            put(&mut signed, field);
        }
        let mut bytes = self.signer.sign_bytes(&signed);
        (self.spoil)(&mut bytes);
        let mut part = Vec::new();
        put(&mut part, self.algorithm.as_bytes());
        put(&mut part, &[&bytes[..], self.tail].concat());
        part.extend(self.touch);
        let mut blob = [self.magic, &self.version.to_be_bytes()].concat();
        for field in [&self.key, self.namespace.as_bytes(), self.reserved.as_bytes(), self.hash.as_bytes(), &part] {
            put(&mut blob, field);
        }
        blob.extend(self.trailing);
        blob
    }
}

/// Why the line with this blob is inert, or `effect`.
fn why(log: &Log, body: &str, signature: &str) -> String {
    let mut log = log.clone();
    log.raw(format!("{{\"body\":{body},\"sig\":\"{signature}\"}}").as_bytes());
    log.why()
}

/// Adds the order of the group to S: the same signature in a second form, which a lax check takes.
fn second_form(bytes: &mut [u8; 64]) {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut carry = 0;
    for (byte, add) in bytes[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        (*byte, carry) = (sum.to_le_bytes()[0], sum >> 8);
    }
}

/// The neutral point, of order 1; by it, R = it and S = 0 fit every message where the check is lax.
fn neutral() -> [u8; 32] {
    let mut point = [0; 32];
    point[0] = 1;
    point
}

fn blob_of(kind: &str, fields: &[&[u8]]) -> Vec<u8> {
    let mut blob = Vec::new();
    put(&mut blob, kind.as_bytes());
    fields.iter().for_each(|field| put(&mut blob, field));
    blob
}

#[test]
fn a_signature_has_one_form() {
    let log = scene();
    let body = body(&log);
    let inside = |why: &str| format!("malformed: byte {}: expected an SSH signature: {why}", body.len() + 16);
    let no_sshsig = inside("the signature is not an SSHSIG of version 1");
    let base = Blob::new;
    let rows: Vec<(&str, Blob, String)> = vec![
        ("as it should be", base(), "effect".to_owned()),
        ("magic", Blob { magic: b"SSHSIC", ..base() }, no_sshsig.clone()),
        ("version 0", Blob { version: 0, ..base() }, no_sshsig.clone()),
        ("version 2", Blob { version: 2, ..base() }, no_sshsig.clone()),
        ("reserved field filled", Blob { reserved: "x", ..base() }, no_sshsig.clone()),
        ("trailing byte", Blob { trailing: b"\0", ..base() }, no_sshsig.clone()),
        ("a part too long", Blob { tail: b"\0", ..base() }, no_sshsig.clone()),
        ("flags in a plain signature", Blob { touch: TOUCH, ..base() }, no_sshsig.clone()),
        (
            "namespace file",
            Blob { namespace: "file", ..base() },
            inside("the signature is for the namespace `file`, not `jit`"),
        ),
        (
            "namespace git",
            Blob { namespace: "git", ..base() },
            inside("the signature is for the namespace `git`, not `jit`"),
        ),
        (
            "namespace jit2",
            Blob { namespace: "jit2", ..base() },
            inside("the signature is for the namespace `jit2`, not `jit`"),
        ),
        ("namespace empty", Blob { namespace: "", ..base() }, no_sshsig.clone()),
        ("sha256", Blob { hash: "sha256", ..base() }, inside("the signature is not over sha512")),
        ("sha1", Blob { hash: "sha1", ..base() }, no_sshsig.clone()),
        (
            "a security key's algorithm on a plain key",
            Blob { algorithm: "sk-ssh-ed25519@openssh.com", touch: TOUCH, ..base() },
            inside("the signature's algorithm is not its key's"),
        ),
        (
            "a plain signature on a security key",
            Blob { key: security_key("bob").public().to_blob(), signer: security_key("bob"), ..base() },
            inside("the signature's algorithm is not its key's"),
        ),
        (
            "a key of order 1, and a signature that fits every message",
            Blob {
                key: blob_of("ssh-ed25519", &[&neutral()]),
                spoil: |bytes| {
                    *bytes = [0; 64];
                    bytes[0] = 1;
                },
                ..base()
            },
            inside("the signature's key: the key is weak: its point is of small order or not in canonical form"),
        ),
        (
            "the scalar's second form",
            Blob { spoil: second_form, ..base() },
            "bad signature: the signature does not fit".to_owned(),
        ),
        (
            "all zero",
            Blob { spoil: |bytes| bytes.fill(0), ..base() },
            "bad signature: the signature does not fit".to_owned(),
        ),
        (
            "bob's key named, carol's used",
            Blob { signer: key("carol"), ..base() },
            "bad signature: the signature does not fit".to_owned(),
        ),
    ];
    for (name, blob, expected) in rows {
        assert_eq!(why(&log, &body, &STANDARD.encode(blob.sign(&body))), expected, "{name}");
    }
}

#[test]
fn keys_of_other_kinds_sign_nothing() {
    let log = scene();
    let body = body(&log);
    let modulus = [&[0u8, 0xc1][..], &[0x5a; 255]].concat();
    let point = [&[4u8][..], &[0x5a; 64]].concat();
    for (kind, key, algorithm) in [
        ("ssh-rsa", blob_of("ssh-rsa", &[&[1, 0, 1], &modulus]), "rsa-sha2-512"),
        ("ecdsa", blob_of("ecdsa-sha2-nistp256", &[b"nistp256", &point]), "ecdsa-sha2-nistp256"),
        ("a certificate", blob_of("ssh-ed25519-cert-v01@openssh.com", &[&[7; 32], &[8; 32]]), "ssh-ed25519"),
        ("none", Vec::new(), "ssh-ed25519"),
    ] {
        let blob = Blob { key, algorithm, ..Blob::new() }.sign(&body);
        let mut log = log.clone();
        log.raw(format!("{{\"body\":{body},\"sig\":\"{}\"}}", STANDARD.encode(blob)).as_bytes());
        assert_eq!(log.last(), "inert: malformed", "{kind}");
        assert!(log.why().contains("an SSH signature"), "{kind}: {}", log.why());
    }
}

#[test]
fn base64_has_one_form() {
    let log = scene();
    let body = body(&log);
    let blob = Blob::new().sign(&body);
    let good = STANDARD.encode(&blob);
    // Of the last letter before the padding the low bits mean nothing; only one letter has them zero.
    assert!(good.ends_with("=") && good.contains(['+', '/']), "{good}");
    let (start, _) = good.split_at(good.trim_end_matches('=').len() - 1);
    let last = good.trim_end_matches('=').chars().last().unwrap();
    let sloppy = format!("{start}{}{}", char::from(u8::try_from(last).unwrap() + 1), &good[start.len() + 1..]);
    for (name, text) in [
        ("no padding", STANDARD_NO_PAD.encode(&blob)),
        ("the URL alphabet", URL_SAFE.encode(&blob)),
        ("loose bits", sloppy),
        ("more padding", format!("{good}=")),
        ("a space", format!("{} {}", &good[..8], &good[8..])),
        ("an escape", format!("\\u0055{}", &good[1..])),
        ("nothing", String::new()),
    ] {
        let text = why(&log, &body, &text);
        assert!(text.starts_with("malformed: ") && text.contains("base64") || name == "nothing", "{name}: {text}");
        assert!(text.starts_with("malformed: "), "{name}: {text}");
    }
    assert_eq!(why(&log, &body, &good), "effect");
}

#[test]
fn a_security_key_is_touched() {
    for (flags, expected) in [
        (0x01, "effect"),
        (0x05, "effect"),
        (0xff, "effect"),
        (0x00, "inert: bad-signature, no presence"),
        (0x04, "inert: bad-signature, no presence"),
        (0xfe, "inert: bad-signature, no presence"),
    ] {
        let mut log = scene();
        log.by_key(security_key("bob").flags(flags)).request("bob", "db/prod/orders", "access", "1h", "");
        assert_eq!(log.last(), expected, "{flags:#04x}");
    }
}

/// A key is its whole blob: its point under another type or application is another key, and nobody's.
#[test]
fn a_point_is_no_key() {
    let org = Org::new(&["alice"], 1)
        .people("bob")
        .keys("bob", &[key("bob"), key2("bob").with_application("ssh:work")])
        .allow("all", "bob", "**", "access", "365d");
    for (name, signer, expected) in [
        ("the plain key", key("bob"), "effect"),
        ("the plain key's point as a security key", key("bob").with_application("ssh:"), "inert: not-their-key"),
        ("the security key", key2("bob").with_application("ssh:work"), "effect"),
        ("the security key's point as a plain key", key2("bob"), "inert: not-their-key"),
        ("under another application", key2("bob").with_application("ssh:"), "inert: not-their-key"),
    ] {
        let mut log = Log::new(&["alice"], 1);
        log.policy("alice", &org);
        log.by_key(signer).request("bob", "db/prod/orders", "access", "1h", "");
        assert_eq!(log.last(), expected, "{name}");
    }
}

/// A signature is good for its own body alone.
#[test]
fn a_signature_does_not_move() {
    let mut log = scene();
    log.request("bob", "db/prod/orders", "access", "1h", "");
    let line = String::from_utf8(log.line(log.size() - 1).to_vec()).unwrap();
    let (_, signature) = line.split_once(",\"sig\":\"").unwrap();
    let (_, other) = log.body("bob", What::Unknown { v: 1, kind: "note".parse().unwrap() });
    log.raw(format!("{{\"body\":{other},\"sig\":\"{signature}").as_bytes());
    assert_eq!(log.last(), "inert: bad-signature");
    log.raw(line.replace("db/prod/orders", "db/prod/salary").as_bytes());
    assert_eq!(log.last(), "inert: bad-signature");
    log.raw(line.replace("\"duration\":3600", "\"duration\":7200").as_bytes());
    assert_eq!(log.last(), "inert: bad-signature");
}

/// A signature whose R has small order fits by the lax check, for whoever holds the key, in a second way.
#[test]
fn an_r_of_small_order_is_refused() {
    let log = scene();
    let body = body(&log);
    let signed = signed_data(body.as_bytes());
    let bytes = key("bob").sign_bytes_with_neutral_r(&signed);
    assert!(key("bob").fits_laxly(&signed, bytes));
    let signature = Signature::from_plain(key("bob").public(), bytes).to_base64();
    assert_eq!(why(&log, &body, &signature), "bad signature: the signature does not fit");
}
