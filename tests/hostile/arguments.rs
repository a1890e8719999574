//! What people type, or are made to type: ids, names, resources, reasons, keys.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;

use crate::forge::{BRANCH, Head, hex, request_fields, sha256};
use crate::lab::{Lab, Said};

/// Finds two requests whose ids start with the same 8 digits, which takes seconds and no key.
fn two_alike(lab: &Lab) -> (String, String) {
    let head = lab.head("dave");
    let fields = request_fields(&lab.policy_id(), "ssh/prod/web-1", "access", 600, "");
    let mut met: HashMap<[u8; 4], String> = HashMap::new();
    for counter in 0_u64.. {
        let body = Head { nonce: format!("{counter:032x}"), ..head.clone() }.body("request", &fields);
        let start = sha256(body.as_bytes())[..4].try_into().unwrap();
        if let Some(other) = met.insert(start, body.clone()) {
            return (other, body);
        }
    }
    unreachable!("there are only so many ids of 8 digits")
}

#[test]
fn a_prefix_that_somebody_ground_names_nothing() {
    let lab = Lab::new();
    let (one, other) = two_alike(&lab);
    let (first, second) = (hex(&sha256(one.as_bytes())), hex(&sha256(other.as_bytes())));
    lab.push(&[lab.sign("dave", &one)]);
    lab.jit("bob", &["show", &first[..8]]).exits(0).says(&first);
    lab.push(&[lab.sign("dave", &other)]);
    let size = lab.lines().len();
    for prefix in [&first[..4], &first[..8]] {
        lab.jit("bob", &["show", prefix]).exits(2).says("ambiguous").says(&first).says(&second);
    }
    // Nobody looks before signing here, so nothing short is taken, ambiguous or not.
    for prefix in [&first[..8], &first[..15], &lab.genesis[..8], "0000"] {
        for command in [
            &["approve", prefix, "--yes"][..],
            &["approve", prefix],
            &["deny", prefix, "--yes"],
            &["revoke", prefix, "--reason", "x"],
            &["lift", prefix, "--reason", "x", "--yes"],
            &["done", prefix],
            &["token", prefix],
        ] {
            let said = lab.jit("bob", command);
            assert_eq!(said.code, Some(2), "{command:?}: {said:?}");
        }
    }
    assert_eq!(lab.lines().len(), size);
    lab.jit("bob", &["approve", &second[..16], "--yes"]).exits(0);
    lab.check("dave", "ssh/prod/web-1", "access").exits(0);
    for nonsense in ["", "abc", "ABCDEF12", "0x12ab", "12 34", "g123", &"a".repeat(65), "*", "--", "-1", "\u{ff11}234"]
    {
        let said = lab.jit("bob", &["show", nonsense]);
        assert_eq!(said.code, Some(2), "{nonsense}: {said:?}");
    }
    lab.jit("bob", &["show", "0000000000000000"]).exits(1);
    // Inert lines have no id to be found by.
    lab.push(&[lab.sign("mallory", &one.replacen("dave", "mallory", 1))]);
    let inert = hex(&sha256(one.replacen("dave", "mallory", 1).as_bytes()));
    for command in [&["show", &inert][..], &["approve", &inert, "--yes"], &["token", &inert]] {
        lab.jit("bob", command).exits(1).says("no statement in this log");
    }
}

#[test]
fn whatever_signs_asks_or_refuses() {
    let lab = Lab::new();
    let request = lab.request("dave", &["ssh/prod/web-1"], 3);
    let lockdown =
        lab.jit("rita", &["lockdown", "--subject", "robot", "--reason", "x", "--yes", "--json"]).exits(0).json();
    let lockdown = lockdown["id"].as_str().unwrap().to_owned();
    lab.commit_policy(&lab.changed("\"2h\"", "\"3h\""));
    let tip = lab.tip();
    for (who, command) in [
        ("bob", &["approve", &request][..]),
        ("bob", &["deny", &request]),
        ("alice", &["lift", &lockdown, "--reason", "x"]),
        ("rita", &["lockdown", "--subject", "dave", "--reason", "x"]),
        ("rita", &["lockdown", "--reason", "x"]),
        ("alice", &["policy", "publish"]),
    ] {
        lab.jit(who, command).exits(2).says("--yes");
    }
    assert_eq!(lab.tip(), tip);
}

#[test]
fn names_and_resources_that_look_like_others() {
    let lab = Lab::new();
    let tip = lab.tip();
    let long = format!("db/{}", "a".repeat(64));
    let (deep, wide) = (["a"; 17].join("/"), vec!["a".repeat(63); 9].join("/"));
    for resource in [
        "",
        "/",
        ".",
        "..",
        "db/..",
        "../db",
        "db/../db/prod/orders",
        "db/./prod",
        "db/prod/orders/",
        "/db/prod/orders",
        "db//prod",
        "db%2fprod/orders",
        "db/prod%2forders",
        "db\\prod\\orders",
        "DB/prod/orders",
        "db/prod/Orders",
        "db/pr\u{43e}d/orders",
        "db/prod/orders\u{200b}",
        "\u{202e}sredro/dorp/bd",
        "db/prod/orders ",
        " db/prod/orders",
        "db/prod/or ders",
        "db/prod/orders\n",
        "db/prod/orders\u{1b}[2J",
        "db/prod/*",
        "db/**",
        "db/prod/-orders",
        "db/prod/.orders",
        "db/prod/_orders",
        "db/prod/orders?x=1",
        "db/prod/orders#x",
        "db/prod/orders:read",
        "\u{ff44}b/prod/orders",
        &format!("{long}a"),
        &deep,
        &wide,
    ] {
        for command in [&["request", resource, "read"][..], &["check", resource, "read", "--subject", "carol"]] {
            let said = lab.jit("carol", command);
            assert_eq!(said.code, Some(2), "{resource:?}: {said:?}");
            assert!(!said.stderr.contains(['\u{1b}', '\u{202e}', '\u{200b}']), "{said:?}");
        }
    }
    for name in
        ["", "Carol", "c\u{430}rol", "carol ", "carol\u{200d}", "group:dba", "*", "..", "-x", "carol/x", "carol%2f"]
    {
        let said = lab.jit("carol", &["check", "db/prod/orders", "read", &format!("--subject={name}")]);
        assert_eq!(said.code, Some(2), "{name:?}: {said:?}");
        // A second word with a slash is another resource to ask for.
        if name != "carol/x" {
            let said = lab.jit("carol", &["request", "db/prod/orders", "--", name]);
            assert_eq!(said.code, Some(2), "{name:?}: {said:?}");
        }
    }
    for pattern in ["", "***", "a**", "a/**b", "/a", "a//b", "A", "..", "a/../b", "a%2fb", "a b", "a\u{202e}"] {
        let said = lab.jit("rita", &["lockdown", "--resource", pattern, "--reason", "x", "--yes"]);
        assert_eq!(said.code, Some(2), "{pattern:?}: {said:?}");
    }
    for subject in ["", "group:", "group:Dba", "Carol", "**", "group:*", "c\u{430}rol"] {
        let said = lab.jit("rita", &["lockdown", "--subject", subject, "--reason", "x", "--yes"]);
        assert!(matches!(said.code, Some(2)), "{subject:?}: {said:?}");
    }
    for bytes in [&b"db/prod/\xff"[..], b"\xff\xfe", b"db/prod/\xed\xa0\x80"] {
        let mut command = lab.jit_command("carol", &["request"]);
        Said::from(command.arg(OsStr::from_bytes(bytes)).output().unwrap()).exits(2);
    }
    assert_eq!(lab.tip(), tip);
}

#[test]
fn reasons_that_no_statement_may_hold() {
    let lab = Lab::new();
    let request = lab.request("dave", &["ssh/prod/web-1"], 3);
    let tip = lab.tip();
    let (long, wide, huge) = ("x".repeat(1025), "ü".repeat(513), "x".repeat(100 << 10));
    for text in ["\u{1b}[2J", "a\rb", "a\nb", "a\tb", "\u{7f}", "\u{85}", "\u{9b}2J", "\u{7}", &long, &wide, &huge] {
        for (who, command) in [
            ("carol", &["request", "db/prod/orders", "read", "--reason", text][..]),
            ("carol", &["request", "db/prod/orders", "read", "--dry-run", "--reason", text]),
            ("bob", &["approve", &request, "--yes", "--comment", text]),
            ("bob", &["deny", &request, "--yes", "--comment", text]),
            ("rita", &["revoke", &request, "--reason", text]),
            ("rita", &["lockdown", "--reason", text, "--yes"]),
            ("carol", &["check", "db/prod/orders", "read", "--audience", text]),
        ] {
            let said = lab.jit(who, command);
            assert_eq!(said.code, Some(2), "{text:.20?}: {said:?}");
            assert!(said.stderr.len() < 4000, "{} bytes of error", said.stderr.len());
            assert!(said.stderr.chars().all(|c| c == '\n' || !c.is_control()), "{said:?}");
        }
    }
    assert_eq!(lab.tip(), tip);
    // The longest that fits.
    lab.request("carol", &["db/prod/orders", "read", "--reason", &long[1..]], 0);
    lab.request("carol", &["db/prod/orders", "read", "--reason", &wide[2..]], 0);
    assert_eq!(lab.verify()["inert"], serde_json::json!([]));
}

#[test]
fn lengths_and_times_that_mean_nothing() {
    let lab = Lab::new();
    let tip = lab.tip();
    for length in [
        "",
        "0",
        "0s",
        "1",
        "-1h",
        "1h-",
        "1.5h",
        "1h1h",
        "30m1h",
        "366d",
        "31536001s",
        "99999999999999999999d",
        "1H",
        "1 h",
        "\u{661}h",
    ] {
        for command in [
            &["request", "db/prod/orders", "read", &format!("--for={length}")][..],
            &["check", "db/prod/orders", "read", "--subject", "carol", &format!("--max-age={length}")],
        ] {
            let said = lab.jit("carol", command);
            assert_eq!(said.code, Some(2), "{length:?}: {said:?}");
        }
    }
    for time in [
        "",
        "now",
        "tomorrow",
        "2026-02-30T00:00:00Z",
        "2026-01-01",
        "+",
        "+0s",
        "12:00",
        "1e9",
        "+99999d",
        "9999999-01-01T00:00:00Z",
    ] {
        let said = lab.jit("carol", &["request", "db/prod/orders", "read", "--not-before", time]);
        assert_eq!(said.code, Some(2), "{time:?}: {said:?}");
    }
    for bind in ["", "sha256:", "sha1:aa", &format!("sha256:{}", "A".repeat(64)), &"a".repeat(64)] {
        lab.jit("carol", &["request", "db/prod/orders", "read", "--bind", bind]).exits(2);
    }
    assert_eq!(lab.tip(), tip);
}

#[test]
fn a_private_key_that_others_can_read_does_not_sign() {
    let lab = Lab::new();
    let tip = lab.tip();
    for mode in [0o644, 0o640, 0o604, 0o660] {
        fs::set_permissions(lab.key("carol"), fs::Permissions::from_mode(mode)).unwrap();
        let said = lab.jit("carol", &["request", "db/prod/orders", "read"]).exits(5).says("chmod 600");
        assert!(!said.stderr.contains("PRIVATE"), "{said:?}");
        lab.jit("carol", &["check", "db/prod/orders", "read", "--json"]).exits(5);
    }
    fs::set_permissions(lab.key("carol"), fs::Permissions::from_mode(0o600)).unwrap();
    for (name, text) in
        [("empty", &b""[..]), ("garbage", b"garbage"), ("bytes", &[0xff; 100]), ("large", &[b'x'; 1 << 20])]
    {
        fs::write(lab.key(name), text).unwrap();
        fs::set_permissions(lab.key(name), fs::Permissions::from_mode(0o600)).unwrap();
        lab.jit(name, &["request", "db/prod/orders", "read"]).exits(5);
    }
    for kind in [&["-t", "rsa", "-b", "2048"][..], &["-t", "ecdsa"]] {
        lab.make_key_of(kind[1], kind);
        lab.jit(kind[1], &["request", "db/prod/orders", "read"]).exits(5).says("ed25519");
    }
    lab.jit("nowhere", &["request", "db/prod/orders", "read"]).exits(5);
    assert_eq!(lab.tip(), tip);
    lab.jit("carol", &["request", "db/prod/orders", "read"]).exits(0);
}

#[test]
fn public_keys_that_do_not_belong_in_identities() {
    let lab = Lab::new();
    lab.make_key_of("rsa", &["-t", "rsa", "-b", "2048"]);
    lab.make_key_of("ecdsa", &["-t", "ecdsa"]);
    let (authority, plain) = (lab.key("alice"), lab.key("mallory"));
    let public = plain.with_extension("pub");
    lab.run(
        "ssh-keygen",
        &["-q", "-s", authority.to_str().unwrap(), "-I", "x", "-n", "mallory", public.to_str().unwrap()],
        b"",
    );
    let certificate = fs::read_to_string(lab.path("keys/mallory-cert.pub")).unwrap();
    let mallory = fs::read_to_string(&public).unwrap();
    for (name, text) in [
        ("rsa", fs::read_to_string(lab.path("keys/rsa.pub")).unwrap()),
        ("ecdsa", fs::read_to_string(lab.path("keys/ecdsa.pub")).unwrap()),
        ("a certificate", certificate),
        ("options", format!("command=\"/bin/sh\" {mallory}")),
        ("taken", fs::read_to_string(lab.path("keys/bob.pub")).unwrap()),
        ("a private key", fs::read_to_string(&plain).unwrap()),
        ("weak", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned()),
        ("no key", "\n".to_owned()),
        ("cut short", mallory[..40].to_owned()),
        ("twice", format!("{mallory}{mallory}")),
    ] {
        let file = lab.path("elsewhere/key.pub");
        fs::write(&file, &text).unwrap();
        let said = lab.jit("alice", &["identity", "add", "eve", file.to_str().unwrap()]);
        assert!(matches!(said.code, Some(1 | 2)), "{name}: {said:?}");
        assert!(!said.stderr.contains("b3BlbnNzaC1r"), "a private key is shown: {said:?}");
        assert_eq!(lab.git(&["status", "--porcelain"]), "", "{name}");
    }
    let file = lab.path("elsewhere/key.pub");
    fs::write(&file, &mallory).unwrap();
    for name in ["bob", "Bob", "b\u{43e}b", "../bob", "group:dba", "", "dba"] {
        let said = lab.jit("alice", &["identity", "add", name, file.to_str().unwrap()]);
        let code = said.code;
        assert!(matches!(code, Some(1 | 2)) || name == "dba", "{name}: {said:?}");
        lab.git(&["checkout", "-q", "."]);
        lab.git(&["clean", "-qfd"]);
    }
    lab.jit("alice", &["identity", "add", "eve", file.to_str().unwrap()]).exits(0).says("SHA256:");
    assert_eq!(lab.git(&["rev-parse", BRANCH]), lab.tip());
}
