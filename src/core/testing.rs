//! Fixed keys and lines for the tests of the core.

use ed25519_dalek::{Signer, SigningKey};
use ssh_key::public::{Ed25519PublicKey, KeyData, SkEd25519};

use super::key::PublicKey;
use super::signature::{Signature, authenticator_data, signed_data};
use super::statement::Line;

/// The application of every security key that does not name another.
pub(in crate::core) const APPLICATION: &str = "ssh:";

/// A key pair made from one byte: a plain key, or one that signs as a security key does.
pub(in crate::core) struct Key {
    secret: SigningKey,
    application: Option<&'static str>,
}

impl Key {
    /// A plain key.
    pub(in crate::core) fn plain(seed: u8) -> Key {
        Key { secret: SigningKey::from_bytes(&[seed; 32]), application: None }
    }

    /// A security key.
    pub(in crate::core) fn security(seed: u8) -> Key {
        Key { application: Some(APPLICATION), ..Key::plain(seed) }
    }

    /// The 32 bytes of the public key.
    pub(in crate::core) fn point(&self) -> [u8; 32] {
        self.secret.verifying_key().to_bytes()
    }

    /// The public key.
    pub(in crate::core) fn public(&self) -> PublicKey {
        let point = Ed25519PublicKey(self.point());
        let data = match self.application {
            None => KeyData::Ed25519(point),
            Some(application) => KeyData::SkEd25519(SkEd25519::new(point, application)),
        };
        PublicKey::from_key_data(&data).unwrap()
    }

    /// The 64 bytes of an ed25519 signature over `bytes` as they are.
    pub(in crate::core) fn sign_raw(&self, bytes: &[u8]) -> [u8; 64] {
        self.secret.sign(bytes).to_bytes()
    }

    /// A signature over a message; a security key's has been touched.
    pub(in crate::core) fn sign(&self, message: &[u8]) -> Signature {
        let signed = signed_data(message);
        let Some(application) = self.application else {
            return Signature::from_plain(self.public(), self.sign_raw(&signed));
        };
        let (flags, counter) = (1, 7);
        let bytes = self.sign_raw(&authenticator_data(application, flags, counter, &signed));
        let mut part = Vec::new();
        for field in [b"sk-ssh-ed25519@openssh.com".as_slice(), &bytes] {
            part.extend(field_len(field));
            part.extend(field);
        }
        part.push(flags);
        part.extend(u32::to_be_bytes(counter));
        Signature::from_agent(self.public(), &part).unwrap()
    }

    /// A line with `body` in it, whatever that is, and a signature that fits.
    pub(in crate::core) fn line_text(&self, body: &str) -> String {
        format!("{{\"body\":{body},\"sig\":\"{}\"}}", self.sign(body.as_bytes()).to_base64())
    }

    /// A line of the right form.
    pub(in crate::core) fn line(&self, body: &str) -> Line {
        Line::new(body, &self.sign(body.as_bytes())).unwrap()
    }
}

/// The length of a field as SSH writes it.
pub(in crate::core) fn field_len(field: &[u8]) -> [u8; 4] {
    u32::try_from(field.len()).unwrap().to_be_bytes()
}

/// A body of each kind, with all its fields, in its one form.
pub(in crate::core) mod bodies {
    /// Two maintainers; `KEY-1` and `KEY-2` stand for what [`genesis`] puts there.
    const GENESIS: &str = concat!(
        r#"{"v":1,"type":"genesis","by":"alice","at":"2026-01-31T08:00:00Z","#,
        r#""nonce":"000102030405060708090a0b0c0d0e0f","name":"acme","#,
        r#""maintainers":[{"name":"alice","key":"KEY-1"},{"name":"bob","key":"KEY-2"}],"threshold":2}"#
    );

    pub(in crate::core) fn genesis() -> String {
        let key = |seed| super::Key::plain(seed).public().to_openssh();
        GENESIS.replace("KEY-1", &key(1)).replace("KEY-2", &key(2))
    }

    macro_rules! body {
        ($kind:literal, $rest:literal) => {
            concat!(
                r#"{"v":1,"type":""#,
                $kind,
                r#"","log":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","by":"alice","#,
                r#""at":"2026-01-31T08:00:00Z","seen":{"size":3,"#,
                r#""root":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"},"#,
                r#""nonce":"000102030405060708090a0b0c0d0e0f","#,
                $rest,
                "}"
            )
        };
    }

    pub(in crate::core) const POLICY: &str = body!(
        "policy",
        r#""version":3,"format":1,"commit":"cccccccccccccccccccccccccccccccccccccccc","digest":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd""#
    );
    pub(in crate::core) const REQUEST: &str = body!(
        "request",
        r#""policy":"eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee","resource":"db/prod/orders","action":"read","duration":3600,"not_before":"2026-01-31T09:00:00Z","bind":"sha256:ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff","reason":"INC-7: \"slow\" C:\\ é""#
    );
    pub(in crate::core) const APPROVAL: &str = body!(
        "approval",
        r#""of":"eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee","verdict":"approve","duration":1800,"comment":"half will do""#
    );
    pub(in crate::core) const DENIAL: &str = body!(
        "approval",
        r#""of":"eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee","verdict":"deny","duration":null,"comment":"no""#
    );
    pub(in crate::core) const REVOCATION: &str = body!(
        "revocation",
        r#""of":"eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee","reason":"done""#
    );
    pub(in crate::core) const LOCKDOWN: &str = body!(
        "lockdown",
        r#""subjects":["*","mallory","group:contractors"],"resources":["**","db/*/orders"],"reason":"laptop stolen""#
    );
    pub(in crate::core) const LIFT: &str = body!(
        "lift",
        r#""of":"eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee","reason":"laptop found""#
    );
    pub(in crate::core) const PRESENTATION: &str = body!(
        "presentation",
        r#""of":"eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee","audience":"ci","expires":"2026-01-31T10:00:00Z""#
    );
    pub(in crate::core) const CHECKPOINT: &str =
        body!("checkpoint", r#""size":3,"root":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb""#);
    pub(in crate::core) const UNKNOWN: &str =
        body!("review", r#""of":["a",{"b":null,"c":{}}],"yes":true,"no":false,"many":[0,[],"\"\\"]"#);

    /// All of them but the genesis.
    pub(in crate::core) const STATEMENTS: [&str; 10] =
        [POLICY, REQUEST, APPROVAL, DENIAL, REVOCATION, LOCKDOWN, LIFT, PRESENTATION, CHECKPOINT, UNKNOWN];

    /// All of them.
    pub(in crate::core) fn all() -> Vec<String> {
        std::iter::once(genesis()).chain(STATEMENTS.map(str::to_owned)).collect()
    }
}
