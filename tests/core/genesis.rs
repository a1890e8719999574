//! Claim 5, at its root: a log begins with a genesis, and until the first policy only its founders speak.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jit::core::ledger::{apply, examine};
use jit::core::statement::{Body, Founder, Genesis, What, encode};
use jit::core::view::{Memory, View as _};

use crate::support::keys::{Key, key, key2, put};
use crate::support::log::{Log, line, parse, t};
use crate::support::org::Org;
use crate::support::table::table;

/// What the last line is worth, and the version in force after it.
fn see(log: &Log) -> String {
    format!("{}; version {}", log.last(), log.policy_version())
}

/// The first policy is a change of who decides as any other, from the keys of the genesis.
#[test]
fn the_first_policy() {
    let founded = Log::new(&["alice", "amy"], 2);
    let org = Org::new(&["alice", "amy"], 2);
    for (name, org, approvers, expected) in [
        ("one of two", org.clone(), &[][..], "effect; version 0"),
        ("two of two", org.clone(), &["amy"], "effect; version 1"),
        ("down to one, signed by one", org.clone().maintainers("alice amy", 1), &[], "effect; version 0"),
        ("another key for alice", org.clone().keys("alice", &[key2("alice")]), &["amy"], "effect; version 0"),
        (
            "somebody else in amy's place",
            org.clone().people("bob").maintainers("alice bob", 2),
            &["amy"],
            "effect; version 0",
        ),
        (
            "somebody else in amy's place, one enough",
            org.clone().people("bob").maintainers("alice bob", 1),
            &["amy"],
            "effect; version 1",
        ),
        (
            "by somebody it would name",
            org.clone().people("bob").maintainers("alice bob", 2),
            &["bob"],
            "inert: unknown-author; version 0",
        ),
    ] {
        let mut log = founded.clone();
        let id = log.policy("alice", &org);
        for by in approvers {
            log.approve(by, id);
        }
        assert_eq!(see(&log), expected, "{name}");
    }
    let mut log = founded.clone();
    log.version(2).policy("alice", &org);
    assert_eq!(see(&log), "without effect: its version is 2, the next is 1; version 0");
}

/// Until the first policy only the founders speak, by the keys of the genesis; and nothing is granted.
#[test]
fn before_the_first_policy() {
    let log = Log::new(&["alice", "amy"], 2);
    table(
        &log,
        Log::last,
        &[
            (
                "a founder",
                |log| log.unknown("amy", 1, "note", ""),
                "without effect: this program does not know `note` of version 1",
            ),
            (
                "a founder's other key",
                |log| log.by_key(key2("amy")).unknown("amy", 1, "note", ""),
                "inert: not-their-key",
            ),
            (
                "a founder by the other's key",
                |log| log.by_key(key("alice")).unknown("amy", 1, "note", ""),
                "inert: not-their-key",
            ),
            ("anybody else", |log| log.unknown("bob", 1, "note", ""), "inert: unknown-author"),
            ("a request", |log| log.request("alice", "db", "access", "1h", ""), "inert: other-policy"),
            ("a lockdown", |log| log.lockdown("amy", "*", "**"), "effect"),
            (
                "a lift by one of two",
                |log| {
                    let id = log.lockdown("amy", "*", "**");
                    let lift = log.lift("amy", id);
                    assert_eq!(log.view().lockdown(&id).unwrap().lifted, None);
                    log.approve("alice", lift);
                    assert!(log.view().lockdown(&id).unwrap().lifted.is_some());
                    lift
                },
                "effect",
            ),
        ],
    );
    assert_eq!(log.answer("alice", "db", "access"), "deny policy-unverified");
    assert_eq!(log.answer("nobody", "db", "access"), "deny policy-unverified");
    assert_eq!(log.gate("db", "access").key(&key("alice").public()), "deny policy-unverified");
}

/// Without a valid genesis there is no log at all.
#[test]
fn a_log_begins_with_a_genesis() {
    let founders = |list: &[(&str, &Key)]| -> Vec<Founder> {
        list.iter().map(|(name, key)| Founder { name: parse(name), key: key.public() }).collect()
    };
    let (alice, amy) = (key("alice"), key("amy"));
    let genesis = |by: &str, maintainers: &[(&str, &Key)], threshold: u64| {
        let (by, name) = (parse(by), parse("acme"));
        encode(&Body::Genesis(Genesis {
            by,
            at: t(0),
            nonce: [0; 16],
            name,
            maintainers: founders(maintainers),
            threshold,
        }))
    };
    let both = [("alice", &alice), ("amy", &amy)];
    let good = genesis("alice", &both, 2);
    let begin = |bytes: &[u8]| match apply(&Memory::new(), &examine(bytes), None) {
        Ok(_) => "a log".to_owned(),
        Err(no_log) => no_log.to_string(),
    };
    assert_eq!(begin(&line(&alice, &good)), "a log");
    assert_eq!(begin(&line(&amy, &genesis("amy", &both, 1))), "a log");
    const UNSIGNED: &str = "the first line is no valid genesis: `alice` did not sign it by the key it names";
    for (name, bytes, expected) in [
        ("by another founder's key", line(&amy, &good), UNSIGNED),
        ("by another key", line(&key2("alice"), &good), UNSIGNED),
        ("by the same point as a security key", line(&key("alice").with_application("ssh:"), &good), UNSIGNED),
        (
            "by somebody it does not name",
            line(&key("bob"), &genesis("bob", &both, 2)),
            "the first line is no valid genesis: `bob` did not sign it by the key it names",
        ),
    ] {
        assert_eq!(begin(&bytes), expected, "{name}");
    }
    let mut other = Log::new(&["alice"], 1);
    let (_, body) = other.body("alice", What::Unknown { v: 1, kind: parse("note") });
    assert_eq!(begin(&line(&alice, &body)), "the first line is no valid genesis: it is a `note`");
    // What is malformed says where.
    let third = key("alice").with_application("ssh:");
    for (name, body) in [
        ("threshold 0", genesis("alice", &both, 0)),
        ("threshold 3 of 2", genesis("alice", &both, 3)),
        ("nobody", genesis("alice", &[], 1)),
        ("a name twice", genesis("alice", &[("alice", &alice), ("alice", &amy)], 1)),
        ("a key twice", genesis("alice", &[("alice", &alice), ("amy", &alice)], 1)),
        ("a point twice", genesis("alice", &[("alice", &alice), ("amy", &third)], 1)),
        ("a comment at a key", good.replace("\"},{\"name\":\"amy\"", " a comment\"},{\"name\":\"amy\"")),
        ("a weak key", good.replace(&alice.openssh(), &weak_key())),
    ] {
        assert_ne!(body, good, "{name}");
        let why = begin(&line(&alice, &body));
        assert!(why.starts_with("the first line is no valid genesis: byte "), "{name}: {why}");
    }
    assert!(begin(b"").starts_with("the first line is no valid genesis: byte 0"));
}

/// The neutral point as an OpenSSH key.
fn weak_key() -> String {
    let mut blob = Vec::new();
    put(&mut blob, b"ssh-ed25519");
    let mut point = [0; 32];
    point[0] = 1;
    put(&mut blob, &point);
    format!("ssh-ed25519 {}", STANDARD.encode(blob))
}
