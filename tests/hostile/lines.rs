//! Lines that must be worth nothing, pushed by somebody who may push anything.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};

use crate::encoder::Encoder;
use crate::forge::{Head, approval_fields, hex, id, line, merkle_root, request_fields, split};
use crate::lab::Lab;

/// A line that must be inert, and a word of the reason.
type Bad = (&'static str, Vec<u8>, &'static str);

/// Pushes the lines in one commit, and asserts that each is listed as inert for its reason and that nothing came of it.
#[track_caller]
fn assert_inert(lab: &Lab, bad: &[Bad]) {
    let first = lab.verify()["size"].as_u64().unwrap();
    let before = lab.verify();
    let state = lab.jit("carol", &["list", "--all", "--json"]).exits(0).json();
    lab.push(&bad.iter().map(|(_, line, _)| line).collect::<Vec<_>>());
    let verified = lab.verify();
    assert_eq!(verified["void"], before["void"]);
    assert_eq!(verified["statements"], before["statements"], "an inert line counts as no statement");
    assert_eq!(verified["policy"], before["policy"]);
    assert_eq!(verified["size"].as_u64(), Some(first + bad.len() as u64));
    let rows = lab.log();
    for (index, (name, _, reason)) in (first..).zip(bad) {
        let listed = verified["inert"].as_array().unwrap().iter().find(|inert| inert["index"] == index);
        let found = listed.unwrap_or_else(|| panic!("{name} is not inert"))["reason"].as_str().unwrap();
        assert!(found.contains(reason), "{name}: {found}");
        let row = &rows[usize::try_from(index).unwrap()];
        assert_eq!((row["id"].as_str(), row["verdict"].as_str()), (None, Some("inert")), "{name}");
    }
    assert_eq!(lab.jit("carol", &["list", "--all", "--json"]).exits(0).json(), state);
    let strict = lab.jit("mallory", &["audit", "verify", "--strict"]).exits(1);
    assert_eq!(strict.stdout.matches(" is inert: ").count(), verified["inert"].as_array().unwrap().len());
}

/// A request that would be granted at once.
fn good_body(lab: &Lab) -> String {
    let fields = request_fields(&lab.policy_id(), "db/prod/orders", "read", 600, "why not");
    lab.head("carol").body("request", &fields)
}

#[track_caller]
fn assert_carol_is_out(lab: &Lab) {
    lab.check("carol", "db/prod/orders", "read").exits(1).because("no-grant");
    let key = lab.public_key("carol");
    lab.jit("mallory", &["check", "db/prod/orders", "read", "--ssh-key", &key, "--json"]).exits(1).because("no-grant");
}

#[test]
fn every_breach_of_the_canonical_form() {
    let lab = Lab::new();
    let good = good_body(&lab);
    let at = &good[good.find("\"at\":\"").unwrap() + 6..][..20];
    let (genesis, policy) = (lab.genesis.clone(), lab.policy_id());
    let table: Vec<(&str, &str, String, &str)> = vec![
        ("a space", "\"v\":1,", "\"v\": 1,".to_owned(), "a number"),
        ("a space before the end", "\"why not\"}", "\"why not\" }".to_owned(), "expected `}`"),
        ("a tab in a string", "why not", "why\tnot".to_owned(), "no control character"),
        ("NUL", "why not", "why\0not".to_owned(), "no control character"),
        ("ESC", "why not", "why\u{1b}[2Jnot".to_owned(), "no control character"),
        ("CR", "why not", "why\rnot".to_owned(), "no control character"),
        ("DEL", "why not", "why\u{7f}not".to_owned(), "no control character"),
        ("C1, the next line", "why not", "why\u{85}not".to_owned(), "no control character"),
        ("C1, ESC [ in one", "why not", "why\u{9b}2Jnot".to_owned(), "no control character"),
        ("an escaped letter", "why not", "wh\\u0079 not".to_owned(), "no escape but"),
        ("an escaped line end", "why not", "why\\nnot".to_owned(), "no escape but"),
        ("an escaped slash", "db/prod", "db\\/prod".to_owned(), "no escape but"),
        ("a lone surrogate, escaped", "why not", "why \\ud800 not".to_owned(), "no escape but"),
        ("a surrogate pair, escaped", "why not", "why \\ud83d\\ude00 not".to_owned(), "no escape but"),
        ("a leading zero", "\"v\":1,", "\"v\":01,".to_owned(), "a number"),
        ("a fraction", "\"duration\":600", "\"duration\":600.0".to_owned(), "not_before"),
        ("an exponent", "\"duration\":600", "\"duration\":6e2".to_owned(), "not_before"),
        ("a sign", "\"duration\":600", "\"duration\":+600".to_owned(), "a number"),
        ("a negative", "\"duration\":600", "\"duration\":-600".to_owned(), "a number"),
        ("a number as a string", "\"duration\":600", "\"duration\":\"600\"".to_owned(), "a number"),
        ("over 2^53-1", "\"v\":1,", "\"v\":9007199254740992,".to_owned(), "2^53-1"),
        ("over 2^64", "\"duration\":600", "\"duration\":18446744073709552216".to_owned(), "2^53-1"),
        ("no time at all", "\"duration\":600", "\"duration\":0".to_owned(), "1 to 31536000 seconds"),
        ("over a year", "\"duration\":600", "\"duration\":31536001".to_owned(), "1 to 31536000 seconds"),
        ("a missing duration", "\"duration\":600", "\"duration\":null".to_owned(), "a number"),
        (
            "keys in another order",
            "\"not_before\":null,\"bind\":null",
            "\"bind\":null,\"not_before\":null".to_owned(),
            "not_before",
        ),
        ("a missing key", ",\"bind\":null", String::new(), "bind"),
        ("a key twice", "\"bind\":null", "\"bind\":null,\"bind\":null".to_owned(), "reason"),
        ("a key too many", "\"why not\"}", "\"why not\",\"extra\":1}".to_owned(), "expected `}`"),
        ("the first key again", "\"why not\"}", "\"why not\",\"v\":1}".to_owned(), "expected `}`"),
        ("no reason", "\"why not\"", "null".to_owned(), "expected `\"`"),
        ("a reason that is too long", "why not", "x".repeat(1025), "at most 1024 bytes"),
        ("such a reason in wide letters", "why not", "ü".repeat(513), "at most 1024 bytes"),
        ("an id in capitals", &genesis, genesis.to_uppercase(), "64 lower-case hex digits"),
        ("a short id", &policy, policy[1..].to_owned(), "64 lower-case hex digits"),
        ("a short nonce", "\"nonce\":\"0", "\"nonce\":\"".to_owned(), "32 lower-case hex digits"),
        ("a time with an offset", at, format!("{}+00:00", &at[..19]), "a time like"),
        ("a time with a fraction", at, format!("{}.0Z", &at[..19]), "a time like"),
        ("a day that is none", at, "2026-02-30T00:00:00Z".to_owned(), "a time like"),
        ("a leap second", at, "2016-12-31T23:59:60Z".to_owned(), "a time like"),
        ("hour 24", at, "2026-01-01T24:00:00Z".to_owned(), "a time like"),
        ("before 1970", at, "1969-12-31T23:59:59Z".to_owned(), "a time like"),
        ("a year of five digits", at, "10000-01-01T00:00:00Z".to_owned(), "a time like"),
        ("small letters in a time", at, at.to_lowercase(), "a time like"),
        ("a bind of another kind", "\"bind\":null", format!("\"bind\":\"sha512:{}\"", "a".repeat(64)), "`sha256:`"),
        ("a bind in capitals", "\"bind\":null", format!("\"bind\":\"sha256:{}\"", "A".repeat(64)), "`sha256:`"),
        ("a name in capitals", "\"by\":\"carol\"", "\"by\":\"Carol\"".to_owned(), "a name"),
        ("a look-alike name", "\"by\":\"carol\"", "\"by\":\"c\u{430}rol\"".to_owned(), "a name"),
        ("an empty name", "\"by\":\"carol\"", "\"by\":\"\"".to_owned(), "a name"),
        ("a name that is too long", "\"by\":\"carol\"", format!("\"by\":\"{}\"", "c".repeat(65)), "a name"),
        ("a name with a zero-width space", "\"by\":\"carol\"", "\"by\":\"carol\u{200b}\"".to_owned(), "a name"),
        ("`..`", "db/prod/orders", "db/prod/../prod/orders".to_owned(), "a resource"),
        ("`%2f`", "db/prod/orders", "db%2fprod/orders".to_owned(), "a resource"),
        ("an empty segment", "db/prod/orders", "db//prod/orders".to_owned(), "a resource"),
        ("a slash in front", "db/prod/orders", "/db/prod/orders".to_owned(), "a resource"),
        ("a slash behind", "db/prod/orders", "db/prod/orders/".to_owned(), "a resource"),
        ("a pattern for a resource", "db/prod/orders", "db/**".to_owned(), "a resource"),
        ("17 segments", "db/prod/orders", ["a"; 17].join("/"), "a resource"),
        ("a pattern for an action", "\"action\":\"read\"", "\"action\":\"*\"".to_owned(), "a name"),
        (
            "another type of field",
            "\"resource\":\"db/prod/orders\"",
            "\"resource\":[\"db/prod/orders\"]".to_owned(),
            "expected `\"`",
        ),
    ];
    let mut bad: Vec<Bad> = Vec::new();
    for (name, from, to, reason) in table {
        assert!(good.matches(from).count() == 1 || from == policy, "{name}");
        bad.push((name, lab.sign("carol", &good.replacen(from, &to, 1)).into_bytes(), reason));
    }
    assert_inert(&lab, &bad);
    assert_carol_is_out(&lab);
    // The same body as it should be.
    let head = Head { nonce: crate::forge::nonce(), ..lab.head("carol") };
    lab.say("carol", &head, "request", &request_fields(&policy, "db/prod/orders", "read", 600, "why not"));
    lab.check("carol", "db/prod/orders", "read").exits(0);
}

#[test]
fn whatever_is_no_line_and_lines_that_are_too_long() {
    let lab = Lab::new();
    let good = good_body(&lab);
    let signed = lab.sign("carol", &good);
    let (body, signature) = split(&signed);
    let surrogate = lab.sign_bytes("carol", &[good.as_bytes().split_at(good.len() - 2).0, b"\xed\xa0\x80\"}"].concat());
    let latin = lab.sign_bytes("carol", &[good.as_bytes().split_at(good.len() - 2).0, b"\xfc\"}"].concat());
    let overlong = lab.sign_bytes("carol", &[good.as_bytes().split_at(good.len() - 2).0, b"\xc0\xaf\"}"].concat());
    let padded = good.replacen("why not", &"x".repeat(20 << 10), 1);
    let long = lab.sign("carol", &padded);
    assert!(long.len() > 20 << 10);
    let bad: Vec<Bad> = vec![
        ("garbage", b"garbage".to_vec(), "malformed: byte 0"),
        ("an empty line", Vec::new(), "malformed: byte 0"),
        ("bytes", (0..=255).filter(|byte| *byte != b'\n').collect(), "malformed"),
        ("NULs", vec![0; 1000], "malformed"),
        ("an empty object", b"{}".to_vec(), "malformed: byte 0"),
        ("null", b"null".to_vec(), "malformed"),
        ("a body alone", body.as_bytes().to_vec(), "malformed"),
        ("a signature of nothing", format!("{{\"body\":,\"sig\":\"{signature}\"}}").into_bytes(), "malformed"),
        ("no signature", line(body, "").into_bytes(), "malformed"),
        ("half a line", signed.as_bytes()[..signed.len() / 2].to_vec(), "malformed"),
        ("a space in front", format!(" {signed}").into_bytes(), "malformed: byte 0"),
        ("a space behind", format!("{signed} ").into_bytes(), "malformed"),
        ("a CR behind", format!("{signed}\r").into_bytes(), "malformed"),
        ("a byte order mark", format!("\u{feff}{signed}").into_bytes(), "malformed: byte 0"),
        ("two lines in one", format!("{signed}{signed}").into_bytes(), "malformed"),
        ("a key more", signed.replacen("\"sig\"", "\"x\":1,\"sig\"", 1).into_bytes(), "malformed"),
        ("sig before body", format!("{{\"sig\":\"{signature}\",\"body\":{body}}}").into_bytes(), "malformed"),
        (
            "UTF-16",
            signed.encode_utf16().flat_map(u16::to_le_bytes).filter(|byte| *byte != b'\n').collect(),
            "malformed",
        ),
        ("a lone surrogate", surrogate, "UTF-8"),
        ("another encoding", latin, "UTF-8"),
        ("an overlong slash", overlong, "UTF-8"),
        ("20 KiB, signed", long.into_bytes(), "a line of at most 16384 bytes"),
        ("20 KiB of garbage", vec![b'x'; 20 << 10], "a line of at most 16384 bytes"),
        ("64 KiB of garbage", vec![b'x'; 64 << 10], "a line of at most 16384 bytes"),
        ("deep", [b"{\"body\":".to_vec(), vec![b'['; 16000]].concat(), "malformed"),
    ];
    assert_inert(&lab, &bad);
    assert_carol_is_out(&lab);
    lab.push(&[&signed]);
    lab.check("carol", "db/prod/orders", "read").exits(0);
}

#[test]
fn every_changed_byte_of_a_line() {
    let lab = Lab::new();
    let signed = lab.sign("carol", &good_body(&lab)).into_bytes();
    let mut bad: Vec<Bad> = Vec::new();
    for place in 0..signed.len() {
        for mask in [0x01, 0x20, 0x80] {
            let mut other = signed.clone();
            other[place] ^= mask;
            if other[place] != b'\n' {
                bad.push(("a changed byte", other, ""));
            }
        }
        let mut shorter = signed.clone();
        shorter.remove(place);
        bad.push(("a missing byte", shorter, ""));
    }
    assert!(bad.len() > 2000);
    assert_inert(&lab, &bad);
    assert_carol_is_out(&lab);
    lab.push(&[&signed]);
    lab.check("carol", "db/prod/orders", "read").exits(0);
}

#[test]
fn signatures_of_every_other_kind() {
    let lab = Lab::new();
    lab.make_key_of("rsa", &["-t", "rsa", "-b", "2048"]);
    lab.make_key_of("ecdsa", &["-t", "ecdsa"]);
    let good = good_body(&lab);
    let signed = |key: &str, options: &[&str]| line(&good, &lab.signature(key, good.as_bytes(), options)).into_bytes();
    let honest = lab.signature("carol", good.as_bytes(), &[]);
    let blob = STANDARD.decode(&honest).unwrap();
    let with = |signature: String| line(&good, &signature).into_bytes();
    let encoded = |bytes: &[u8]| with(STANDARD.encode(bytes));
    let unpadded = STANDARD_NO_PAD.encode(&blob);
    let mut high = blob.clone();
    // S + L: the same signature to a lax verifier (RFC 8032, section 5.1.7, demands S < L).
    let order = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10_u8,
    ];
    let scalar = high.len() - 32;
    let mut carry = 0;
    for (byte, add) in high[scalar..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        (*byte, carry) = ((sum & 0xff) as u8, sum >> 8);
    }
    let mut bad: Vec<Bad> = vec![
        ("RSA", signed("rsa", &[]), "an SSH signature"),
        ("ECDSA", signed("ecdsa", &[]), "an SSH signature"),
        ("sha256", signed("carol", &["-n", "jit", "-O", "hashalg=sha256"]), "an SSH signature"),
        ("git's namespace", signed("carol", &["-n", "git"]), "an SSH signature"),
        ("the namespace `file`", signed("carol", &["-n", "file"]), "an SSH signature"),
        ("a longer namespace", signed("carol", &["-n", "jit2"]), "an SSH signature"),
        ("S + L", encoded(&high), "bad signature"),
        ("trailing bytes", encoded(&[&blob[..], b"\0"].concat()), "an SSH signature"),
        ("cut short", encoded(&blob[..blob.len() - 1]), "an SSH signature"),
        (
            "the armor",
            with(format!("-----BEGIN SSH SIGNATURE-----{honest}-----END SSH SIGNATURE-----")),
            "an SSH signature",
        ),
        ("another alphabet", with(URL_SAFE.encode(&blob).replace('+', "-")), ""),
        ("white space", with(format!("{} {}", &honest[..70], &honest[70..])), "an SSH signature"),
        ("of another body", line(&good.replacen("600", "601", 1), &honest).into_bytes(), "bad signature"),
    ];
    if unpadded.len() == honest.len() {
        bad.push(("padding where none belongs", with(format!("{honest}=")), "an SSH signature"));
    } else {
        bad.push(("no padding", with(unpadded), "an SSH signature"));
    }
    if STANDARD.encode(&blob) == URL_SAFE.encode(&blob) {
        bad.retain(|(name, _, _)| *name != "another alphabet");
    }
    assert_inert(&lab, &bad);
    assert_carol_is_out(&lab);
    lab.push(&[with(honest)]);
    lab.check("carol", "db/prod/orders", "read").exits(0);
}

#[test]
fn signatures_that_ssh_keygen_can_not_make() {
    let lab = Lab::new();
    let (plain, hardware) = (Encoder::plain(1), Encoder::security_key(2));
    let mut files = lab.files("\"alice\"", 1);
    let people = files.get_mut("identities/people.toml").unwrap();
    people.push_str(&format!("\n[identity.erin]\nkind = \"person\"\nkeys = [\"{}\"]\n", plain.public_key()));
    people.push_str(&format!("\n[identity.frank]\nkind = \"person\"\nkeys = [\"{}\"]\n", hardware.public_key()));
    *people = people.replace("members = [\"carol\", \"dave\"]", "members = [\"carol\", \"dave\", \"erin\", \"frank\"]");
    lab.publish(&files).exits(0);
    let policy = lab.policy_id();
    let body = |by: &str| {
        let fields = request_fields(&policy, "db/prod/orders", "read", 600, "");
        lab.head(by).body("request", &fields)
    };
    let (erin, frank) = (body("erin"), body("frank"));
    let by_erin = |change: &dyn Fn(&mut Encoder)| {
        let mut encoder = plain.clone();
        change(&mut encoder);
        encoder.line(&erin).into_bytes()
    };
    let by_frank = |change: &dyn Fn(&mut Encoder)| {
        let mut encoder = hardware.clone();
        change(&mut encoder);
        encoder.line(&frank).into_bytes()
    };
    // The neutral element as a key: R = the neutral element and S = 0 then fit every message (but for the strict).
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let mut fits_all = [0; 64];
    fits_all[..32].copy_from_slice(&neutral);
    let bad: Vec<Bad> = vec![
        ("version 2", by_erin(&|encoder| encoder.version = 2), "an SSH signature"),
        ("a reserved field", by_erin(&|encoder| encoder.reserved = b"x"), "an SSH signature"),
        ("sha256", by_erin(&|encoder| encoder.hash = "sha256"), "an SSH signature"),
        ("a hash that is none", by_erin(&|encoder| encoder.hash = "sha1"), "an SSH signature"),
        ("no namespace", by_erin(&|encoder| encoder.namespace = ""), "an SSH signature"),
        ("trailing bytes", by_erin(&|encoder| encoder.trailing = b"\0\0\0\0"), "an SSH signature"),
        ("a weak key", by_erin(&|encoder| (encoder.point, encoder.signature) = (Some(neutral), Some(fits_all))), ""),
        ("a signature that fits weak keys", by_erin(&|encoder| encoder.signature = Some(fits_all)), "bad signature"),
        ("the key of a security key as a plain one", by_frank(&|encoder| encoder.application = None), "wrong key"),
        ("another application", by_frank(&|encoder| encoder.application = Some("ssh:other")), "wrong key"),
        ("nobody touched it", by_frank(&|encoder| encoder.flags = 0), ""),
        ("verified, yet nobody touched it", by_frank(&|encoder| encoder.flags = 4), ""),
        ("erin's body, frank's key", hardware.line(&erin).into_bytes(), "wrong key"),
    ];
    assert_inert(&lab, &bad);
    lab.check("erin", "db/prod/orders", "read").exits(1);
    lab.check("frank", "db/prod/orders", "read").exits(1);
    let mut touched = hardware.clone();
    touched.flags = 5;
    lab.push(&[plain.line(&erin), touched.line(&frank)]);
    lab.check("erin", "db/prod/orders", "read").exits(0);
    lab.check("frank", "db/prod/orders", "read").exits(0);
    // Whatever this program accepts, ssh-keygen accepts.
    assert!(lab.ssh_keygen_accepts(&plain.line(&erin), "erin", &plain.public_key()));
    assert!(lab.ssh_keygen_accepts(&touched.line(&frank), "frank", &hardware.public_key()));
}

#[test]
fn lines_by_the_wrong_author_or_about_the_wrong_log() {
    let lab = Lab::new();
    let policy = lab.policy_id();
    let fields = request_fields(&policy, "db/prod/orders", "read", 600, "");
    let lines = lab.lines();
    let honest = lab.head("carol");
    let size = honest.size;
    let forged = |change: &dyn Fn(&mut Head)| {
        let mut head = Head { nonce: crate::forge::nonce(), ..honest.clone() };
        change(&mut head);
        lab.sign("carol", &head.body("request", &fields)).into_bytes()
    };
    let by = |key: &str| lab.sign(key, &honest.body("request", &fields)).into_bytes();
    let say = |key: &str, kind: &str, fields: &str| lab.sign(key, &lab.head(key).body(kind, fields)).into_bytes();
    let pending = lab.request("dave", &["ssh/prod/web-1"], 3);
    let wanted = format!("\"of\":\"{pending}\",\"reason\":\"\"");
    let genesis = String::from_utf8(lines[0].clone()).unwrap();
    let other_genesis = split(&genesis).0.replacen("\"nonce\":\"", "\"nonce\":\"f", 1);
    let other_genesis = {
        let at = other_genesis.find("\"nonce\":\"").unwrap() + 9;
        format!("{}{}", &other_genesis[..at + 32], &other_genesis[at + 33..])
    };
    let log_of_policy = hex(&merkle_root(&lines));
    let bad: Vec<Bad> = vec![
        ("another's key", by("bob"), "wrong key"),
        ("nobody's key", by("mallory"), "wrong key"),
        ("an unknown author", forged(&|head| head.by = "mallory".to_owned()), "unknown author"),
        ("a group as author", forged(&|head| head.by = "dba".to_owned()), "unknown author"),
        ("another log", forged(&|head| head.log = "0".repeat(64)), "it belongs to the log 0000"),
        ("no line seen", forged(&|head| head.size = 0), "seen 0 lines"),
        ("seen in the future", forged(&|head| head.size = 1000), "seen 1000 lines"),
        ("seen far in the future", forged(&|head| head.size = (1 << 53) - 1), "seen 9007199254740991 lines"),
        ("another root", forged(&|head| head.root = "0".repeat(64)), "the root it saw"),
        ("the root of another size", forged(&|head| head.size = size - 1), "the root it saw"),
        ("another policy", say("carol", "request", &fields.replacen(&policy, &log_of_policy, 1)), "was not in force"),
        (
            "the genesis as policy",
            say("carol", "request", &fields.replacen(&policy, &lab.genesis, 1)),
            "was not in force",
        ),
        ("the genesis again", lines[0].clone(), "a second genesis"),
        ("another genesis", lab.sign("alice", &other_genesis).into_bytes(), "a second genesis"),
        (
            "an approval of nothing",
            say("bob", "approval", &approval_fields(&"0".repeat(64), "approve", "null", "")),
            "it speaks of 0000",
        ),
        (
            "an approval of the genesis",
            say("bob", "approval", &approval_fields(&lab.genesis, "approve", "null", "")),
            "it speaks of",
        ),
        ("a denial for a time", say("bob", "approval", &approval_fields(&pending, "deny", "60", "")), "malformed"),
        (
            "a verdict that is none",
            say("bob", "approval", &approval_fields(&pending, "maybe", "null", "")),
            "malformed",
        ),
        ("a revocation of a policy", say("rita", "revocation", &wanted.replacen(&pending, &policy, 1)), "it speaks of"),
        ("a lift of a request", say("alice", "lift", &wanted), "it speaks of"),
        (
            "a lockdown of nobody",
            say("rita", "lockdown", "\"subjects\":[],\"resources\":[\"**\"],\"reason\":\"\""),
            "malformed",
        ),
        (
            "a lockdown of nothing",
            say("rita", "lockdown", "\"subjects\":[\"*\"],\"resources\":[],\"reason\":\"\""),
            "malformed",
        ),
        (
            "a bad pattern",
            say("rita", "lockdown", "\"subjects\":[\"*\"],\"resources\":[\"a/***\"],\"reason\":\"\""),
            "malformed",
        ),
        (
            "a presentation",
            say(
                "dave",
                "presentation",
                &format!("\"of\":\"{pending}\",\"audience\":null,\"expires\":\"{}\"", lab.time(60)),
            ),
            "no place in the log",
        ),
        (
            "a checkpoint",
            say("robot", "checkpoint", &format!("\"size\":1,\"root\":\"{}\"", hex(&merkle_root(&lines[..1])))),
            "no place in the log",
        ),
    ];
    assert_inert(&lab, &bad);
    assert_carol_is_out(&lab);
    // Twice the same line: the second is inert, and the first lives on.
    let good = by("carol");
    lab.push(&[&good, &good]);
    let verified = lab.verify();
    let last = verified["inert"].as_array().unwrap().last().unwrap().clone();
    assert!(last["reason"].as_str().unwrap().ends_with("stands in the log already"), "{last}");
    lab.check("carol", "db/prod/orders", "read").exits(0);
    lab.check("dave", "ssh/prod/web-1", "access").exits(3);
}

#[test]
fn an_approval_is_of_one_request_in_one_log() {
    let lab = Lab::new();
    let other = lab.sibling();
    let ask = |lab: &Lab| lab.say_request("dave", "ssh/prod/web-1", "access", 600);
    let (here, again, there) = (ask(&lab), ask(&lab), ask(&other));
    let yes = lab.sign("bob", &lab.head("bob").body("approval", &approval_fields(&here, "approve", "null", "")));
    // Signed for `here`, held against another request: its bytes are another statement's.
    let moved = yes.replacen(&here, &again, 1);
    lab.push(&[&moved]);
    lab.check("dave", "ssh/prod/web-1", "access").exits(3);
    // The same two people, the same words, another log.
    let elsewhere =
        other.sign("bob", &other.head("bob").body("approval", &approval_fields(&there, "approve", "null", "")));
    lab.push(&[&elsewhere]);
    other.push(&[&yes]);
    lab.check("dave", "ssh/prod/web-1", "access").exits(3);
    other.check("dave", "ssh/prod/web-1", "access").exits(3);
    let reasons = |lab: &Lab| lab.verify()["inert"].to_string();
    assert!(
        reasons(&lab).contains("bad signature") && reasons(&lab).contains("it belongs to the log"),
        "{}",
        reasons(&lab)
    );
    assert!(reasons(&other).contains(&format!("it belongs to the log {}", lab.genesis)), "{}", reasons(&other));
    // A request of the other log's.
    let request = other.lines().into_iter().find(|line| id(std::str::from_utf8(line).unwrap()) == there).unwrap();
    lab.push(&[&request]);
    assert!(reasons(&lab).matches("it belongs to the log").count() == 2);
    // One who approves before they can have seen the request.
    let lines = lab.lines();
    let blind = Head { size: 1, root: hex(&merkle_root(&lines[..1])), ..lab.head("bob") };
    lab.say("bob", &blind, "approval", &approval_fields(&here, "approve", "null", ""));
    lab.check("dave", "ssh/prod/web-1", "access").exits(3);
    assert!(reasons(&lab).contains("can't have seen"), "{}", reasons(&lab));
    lab.push(&[&yes]);
    lab.check("dave", "ssh/prod/web-1", "access").exits(0);
}

#[test]
fn statements_of_types_to_come_are_kept_and_mean_nothing() {
    let lab = Lab::new();
    let deep = |levels: usize| format!("\"x\":{}{}", "[".repeat(levels), "]".repeat(levels));
    let unknown = |v: &str, kind: &str, fields: &str| {
        let head = Head { v: v.to_owned(), ..lab.head("carol") };
        lab.sign("carol", &head.body(kind, fields)).into_bytes()
    };
    let policy = lab.policy_id();
    let request = request_fields(&policy, "db/prod/orders", "read", 600, "");
    let bad: Vec<Bad> = vec![
        ("a key twice", unknown("1", "use", "\"x\":1,\"x\":2"), "no key twice"),
        ("a key of the head again", unknown("1", "use", "\"log\":1"), "no key twice"),
        ("a key twice, deeper", unknown("1", "use", "\"x\":{\"y\":[{\"z\":1,\"z\":1}]}"), "no key twice"),
        ("too deep", unknown("1", "use", &deep(17)), "at most 16 levels"),
        ("a fraction", unknown("1", "use", "\"x\":1.5"), "malformed"),
        ("a type that is no name", unknown("1", "Use", "\"x\":1"), "a name"),
        ("an escape", unknown("2", "request", "\"x\":\"\\u0041\""), "no escape but"),
    ];
    assert_inert(&lab, &bad);
    let kept = [
        unknown("2", "request", &request),
        unknown("0", "request", &request),
        unknown("1", "use", &deep(16)),
        unknown("1", "provision", "\"x\":null,\"y\":[true,false,{}],\"z\":{\"v\":1}"),
    ];
    lab.push(&kept);
    let verified = lab.verify();
    assert_eq!(
        (verified["without_effect"].as_u64(), verified["inert"].as_array().unwrap().len()),
        (Some(4), bad.len())
    );
    assert_carol_is_out(&lab);
    lab.jit("mallory", &["audit", "log"]).exits(0).says("does not know `use` of version 1");
}
