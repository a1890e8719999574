//! Signatures that are not taken, around a body that is good.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jit::core::key::PublicKey;
use jit::core::signature::signed_data;

use crate::file::Vector;
use crate::lines::request_body;
use crate::support::keys::{Key, key, put, security_key};
use crate::support::log::line;

/// The fields of PROTOCOL.sshsig, written as they are.
#[derive(Clone)]
struct Envelope {
    version: u32,
    key: Vec<u8>,
    namespace: &'static str,
    reserved: &'static str,
    hash: &'static str,
    signature: Vec<u8>,
    end: &'static [u8],
}

impl Envelope {
    fn base64(&self) -> String {
        let mut blob = b"SSHSIG".to_vec();
        blob.extend(self.version.to_be_bytes());
        for field in [
            self.key.as_slice(),
            self.namespace.as_bytes(),
            self.reserved.as_bytes(),
            self.hash.as_bytes(),
            &self.signature,
        ] {
            put(&mut blob, field);
        }
        blob.extend(self.end);
        STANDARD.encode(blob)
    }
}

fn strings(fields: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    fields.iter().for_each(|field| put(&mut out, field));
    out
}

fn plain(key: &Key, body: &str) -> Envelope {
    let raw = key.sign_bytes(&signed_data(body.as_bytes()));
    Envelope {
        version: 1,
        key: key.public().to_blob(),
        namespace: "jit",
        reserved: "",
        hash: "sha512",
        signature: strings(&[b"ssh-ed25519", &raw]),
        end: b"",
    }
}

pub(crate) fn vectors() -> Vec<Vector> {
    let body = request_body();
    let bob = key("bob");
    let good = plain(&bob, &body);
    let base64 = good.base64();
    let with_text = |sig: &str| format!("{{\"body\":{body},\"sig\":\"{sig}\"}}").into_bytes();
    assert_eq!(with_text(&base64), line(&bob, &body), "this encoder and the program's agree");
    let raw = bob.sign_bytes(&signed_data(body.as_bytes()));
    let neutral: Vec<u8> = std::iter::once(1).chain([0; 31]).collect();
    let fits_all: Vec<u8> = std::iter::once(1).chain([0; 63]).collect();
    let rsa = [b"ssh-rsa".as_slice(), &[1, 0, 1], &[0x7f; 256]];
    let longer = |signature: &[u8]| [signature, b"\0"].concat();
    let cases = [
        ("signature-version-2", "Version 2.", Envelope { version: 2, ..good.clone() }),
        ("signature-version-0", "Version 0.", Envelope { version: 0, ..good.clone() }),
        ("signature-namespace", "Made for files.", Envelope { namespace: "file", ..good.clone() }),
        ("signature-reserved", "The reserved field is filled.", Envelope { reserved: "x", ..good.clone() }),
        ("signature-sha256", "Over sha256.", Envelope { hash: "sha256", ..good.clone() }),
        ("signature-trailing-byte", "A byte after the blob.", Envelope { end: b"\0", ..good.clone() }),
        (
            "signature-trailing-byte-inside",
            "A byte after the signature part.",
            Envelope { signature: longer(&good.signature), ..good.clone() },
        ),
        ("signature-rsa", "By an RSA key.", Envelope { key: strings(&rsa), ..good.clone() }),
        (
            "signature-ecdsa",
            "By an ECDSA key.",
            Envelope { key: strings(&[b"ecdsa-sha2-nistp256", b"nistp256", &P256]), ..good.clone() },
        ),
        (
            "signature-inner-algorithm",
            "The part is of another algorithm than the key.",
            Envelope { signature: strings(&[b"rsa-sha2-512", &raw]), ..good.clone() },
        ),
        (
            "signature-plain-by-security-key",
            "The key is a security key, the part a plain one.",
            Envelope { key: bob.clone().with_application("ssh:").public().to_blob(), ..good.clone() },
        ),
        (
            "signature-small-order-key",
            "By the neutral point, whose signature fits every message.",
            Envelope {
                key: strings(&[b"ssh-ed25519", &neutral]),
                signature: strings(&[b"ssh-ed25519", &fits_all]),
                ..good.clone()
            },
        ),
    ];
    let mut vectors: Vec<Vector> = cases
        .iter()
        .map(|(name, about, envelope)| Vector::line(name, about, "malformed", &with_text(&envelope.base64())))
        .collect();

    let bare = base64.trim_end_matches('=');
    let pads = base64.len() - bare.len();
    assert!(pads > 0, "the blob has loose bits to set");
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (front, digit) = bare.split_at(bare.len() - 1);
    let next = alphabet.find(digit).and_then(|at| alphabet.get(at + 1..at + 2)).expect("there is a next digit");
    let (one, two) = base64.split_at(70);
    let texts = [
        ("signature-unpadded", "Base64 without its padding.", bare.to_owned()),
        ("signature-overpadded", "Base64 with more padding.", format!("{base64}=")),
        ("signature-loose-bits", "Base64 with unused bits set.", format!("{front}{next}{}", "=".repeat(pads))),
        ("signature-line-feed", "Base64 in two lines, as in an armored file.", format!("{one}\n{two}")),
        ("signature-space", "Base64 with a space.", format!("{one} {two}")),
        ("signature-url-alphabet", "Base64url.", base64.replace('+', "-").replace('/', "_")),
        ("signature-empty", "No signature.", String::new()),
    ];
    assert!(base64.contains(['+', '/']), "the other alphabet makes a difference");
    vectors.extend(texts.map(|(name, about, text)| Vector::line(name, about, "malformed", &with_text(&text))));

    // L, the order of the base point (RFC 8032 §5.1), little-endian; S + L fits the equation as S does.
    let order: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut malleable = raw;
    let mut carry = 0;
    for (byte, add) in malleable.iter_mut().skip(32).zip(order) {
        let [low, high] = (u16::from(*byte) + u16::from(add) + carry).to_le_bytes();
        *byte = low;
        carry = u16::from(high);
    }
    let small_r: Vec<u8> = neutral.iter().chain(raw.iter().skip(32)).copied().collect();
    let mut off_by_a_bit = raw;
    if let Some(byte) = off_by_a_bit.last_mut() {
        *byte ^= 1;
    }
    for (name, about, bytes) in [
        ("signature-second-form", "The scalar is not reduced.", malleable.as_slice()),
        ("signature-small-order-r", "The first half is the neutral point.", &small_r),
        ("signature-changed-bit", "One bit changed.", &off_by_a_bit),
    ] {
        let envelope = Envelope { signature: strings(&[b"ssh-ed25519", bytes]), ..good.clone() };
        vectors.push(Vector::line(name, about, "bad-signature", &with_text(&envelope.base64())));
    }
    vectors.extend(security_keys(&body));
    vectors
}

fn security_keys(body: &str) -> [Vector; 3] {
    let touched = security_key("bob");
    // The same signature, under a key that says it belongs to another application.
    let signed = touched.sign(body.as_bytes());
    let moved = touched.clone().with_application("ssh:work").public();
    let text = signed.to_base64();
    let blob = STANDARD.decode(&text).expect("a signature is base64");
    let part = blob.len() - (4 + 26 + 4 + 64 + 5);
    let (_, part) = blob.split_at(part);
    let elsewhere = Envelope { key: moved.to_blob(), signature: part.to_vec(), ..plain(&touched, body) };
    assert!(PublicKey::from_blob(&elsewhere.key).is_ok());
    let elsewhere = format!("{{\"body\":{body},\"sig\":\"{}\"}}", elsewhere.base64());
    [
        Vector::line(
            "signature-no-presence",
            "By a security key that nobody touched.",
            "bad-signature",
            &line(&touched.clone().flags(0x00), body),
        ),
        Vector::line(
            "signature-verified-not-present",
            "By a security key that asked for a PIN and not for a touch.",
            "bad-signature",
            &line(&touched.flags(0x04), body),
        ),
        Vector::line(
            "signature-other-application",
            "By a security key, for another application.",
            "bad-signature",
            elsewhere.as_bytes(),
        ),
    ]
}

/// The base point of NIST P-256, uncompressed (SEC 2 §2.4.2).
const P256: [u8; 65] = [
    0x04, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03,
    0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96, 0x4f, 0xe3, 0x42, 0xe2, 0xfe,
    0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce,
    0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5,
];
