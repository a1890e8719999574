//! Claims 2 and 7: a line has one form. Whatever else is pushed is a leaf that says nothing.

use jit::core::statement::{MAX_LINE_LEN, Request, What};
use jit::core::view::{View as _, ViewExt as _};

use crate::support::keys::key;
use crate::support::log::{Log, bound, line, parse};
use crate::support::org::Org;

/// A log in which bob may have what he asks for at once.
fn scene() -> Log {
    let mut log = Log::new(&["alice"], 1);
    log.policy("alice", &Org::new(&["alice"], 1).people("bob").allow("all", "bob", "**", "access", "365d"));
    log
}

/// The body of a request that would be granted, with a reason, a time and a bind to spoil.
fn good_body(log: &Log) -> String {
    let mut log = log.clone();
    let policy = log.view().policy_at(log.size()).expect("a policy is in force");
    let what = What::Request(Request {
        policy,
        resource: parse("db/prod/orders"),
        action: parse("access"),
        duration: parse("1h"),
        not_before: Some(log.now()),
        bind: Some(bound("a commit")),
        reason: "why not".to_owned(),
    });
    log.body("bob", what).1
}

/// What a line with this body is worth, signed well by bob.
fn worth(log: &Log, body: &str) -> String {
    let mut log = log.clone();
    log.say(&key("bob"), body);
    log.last()
}

/// What these bytes are worth as a line.
fn worth_raw(log: &Log, line: &[u8]) -> String {
    let mut log = log.clone();
    log.raw(line);
    log.last()
}

#[test]
fn every_changed_byte_makes_a_line_inert() {
    let log = scene();
    let good = line(&key("bob"), &good_body(&log));
    assert_eq!(worth_raw(&log, &good), "effect");
    let is_nothing = |bytes: &[u8]| ["inert: malformed", "inert: bad-signature"].contains(&&*worth_raw(&log, bytes));
    for place in 0..good.len() {
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[place] ^= 1 << bit;
            assert!(is_nothing(&bytes), "bit {bit} of byte {place} flipped");
        }
        let mut without = good.clone();
        let byte = without.remove(place);
        assert!(is_nothing(&without), "byte {place} gone");
        let mut twice = good.clone();
        twice.insert(place, byte);
        assert!(is_nothing(&twice), "byte {place} twice");
        assert!(is_nothing(&good[..place]), "cut at byte {place}");
    }
    for end in [&b"\n"[..], b"\r", b" ", b"\0", b"}"] {
        assert!(is_nothing(&[&good[..], end].concat()), "{end:?} at the end");
        assert!(is_nothing(&[end, &good[..]].concat()), "{end:?} at the start");
    }
}

/// Each breach is signed well, over exactly its bytes: nothing but the form is wrong.
#[test]
fn a_body_has_one_form() {
    let log = scene();
    let good = good_body(&log);
    assert_eq!(worth(&log, &good), "effect");
    let harmless = [
        ("why not", ""),
        ("why not", r#"a \"quoted\" \\ word"#),
        ("why not", "héllo \u{a0}\u{200b}\u{202e}\u{2028}\u{10ffff}"),
        ("\"duration\":3600", "\"duration\":1"),
        ("\"duration\":3600", "\"duration\":31536000"),
        ("\"not_before\":\"2026-01-05T08:00:02Z\"", "\"not_before\":null"),
        ("\"not_before\":\"2026", "\"not_before\":\"9999"),
    ];
    let malformed = [
        // White space.
        ("{\"v\"", "{ \"v\""),
        ("\"v\":1", "\"v\": 1"),
        ("\"v\":1,", "\"v\":1, "),
        ("\"v\":1,", "\"v\":1,\t"),
        ("\"reason\":\"why not\"", "\"reason\":\"why not\" "),
        // Keys: their order, one missing, one more, one twice, one spelled otherwise.
        ("\"v\":1,\"type\":\"request\"", "\"type\":\"request\",\"v\":1"),
        (
            "\"resource\":\"db/prod/orders\",\"action\":\"access\"",
            "\"action\":\"access\",\"resource\":\"db/prod/orders\"",
        ),
        (",\"reason\":\"why not\"", ""),
        ("\"not_before\":\"2026-01-05T08:00:02Z\",", ""),
        ("\"v\":1,", ""),
        ("\"reason\":\"why not\"", "\"reason\":\"why not\",\"more\":1"),
        ("\"reason\":\"why not\"", "\"reason\":\"why not\",\"reason\":\"why not\""),
        ("\"action\":\"access\"", "\"action\":\"access\",\"action\":\"access\""),
        ("\"by\"", "\"\\u0062y\""),
        ("\"by\"", "\"By\""),
        // Escapes, and what must not stand in a string at all.
        ("why not", "\\u0041"),
        ("why not", "\\/"),
        ("why not", "\\n"),
        ("why not", "\\ud800"),
        ("why not", "\\udfff\\ud800"),
        ("why not", "\\"),
        ("why not", "\0"),
        ("why not", "\n"),
        ("why not", "\r"),
        ("why not", "\u{1b}[2J"),
        ("why not", "\u{1f}"),
        ("why not", "\u{7f}"),
        ("why not", "\u{80}"),
        ("why not", "\u{9f}"),
        ("bob", "b\\\"b"),
        // Numbers.
        ("\"v\":1", "\"v\":01"),
        ("\"v\":1", "\"v\":\"1\""),
        ("\"duration\":3600", "\"duration\":0"),
        ("\"duration\":3600", "\"duration\":31536001"),
        ("\"duration\":3600", "\"duration\":03600"),
        ("\"duration\":3600", "\"duration\":-3600"),
        ("\"duration\":3600", "\"duration\":+3600"),
        ("\"duration\":3600", "\"duration\":3600.0"),
        ("\"duration\":3600", "\"duration\":36e2"),
        ("\"duration\":3600", "\"duration\":\"3600\""),
        ("\"duration\":3600", "\"duration\":4294970896"),
        ("\"size\":2", "\"size\":9007199254740992"),
        ("\"size\":2", "\"size\":18446744073709551618"),
        ("\"size\":2", "\"size\":"),
        ("\"size\":2", "\"size\":null"),
        // Null where nothing says it may be.
        ("\"reason\":\"why not\"", "\"reason\":null"),
        ("\"duration\":3600", "\"duration\":null"),
        ("\"action\":\"access\"", "\"action\":null"),
        ("\"by\":\"bob\"", "\"by\":null"),
        // Hex.
        ("\"nonce\":\"0", "\"nonce\":\"A"),
        ("\"nonce\":\"0", "\"nonce\":\""),
        ("\"nonce\":\"0", "\"nonce\":\"00"),
        ("sha256:", "sha512:"),
        ("sha256:", "SHA256:"),
        ("sha256:", ""),
        ("sha256:", "sha256:0"),
        // Times.
        ("\"at\":\"2026-01-05T08:00:02Z\"", "\"at\":\"2026-01-05T08:00:02\""),
        ("\"at\":\"2026-01-05T08:00:02Z\"", "\"at\":\"2026-01-05T08:00:02+00:00\""),
        ("\"at\":\"2026-01-05T08:00:02Z\"", "\"at\":\"2026-01-05t08:00:02z\""),
        ("\"at\":\"2026-01-05T08:00:02Z\"", "\"at\":\"2026-01-05 08:00:02Z\""),
        ("\"at\":\"2026-01-05T08:00:02Z\"", "\"at\":\"2026-01-05T08:00:02.0Z\""),
        ("\"at\":\"2026-01-05T08:00:02Z\"", "\"at\":\"2026-01-05T08:00:60Z\""),
        ("\"at\":\"2026-01-05T08:00:02Z\"", "\"at\":\"2026-01-05T24:00:00Z\""),
        ("\"at\":\"2026-01-05T08:00:02Z\"", "\"at\":\"2026-02-29T08:00:02Z\""),
        ("\"at\":\"2026-01-05T08:00:02Z\"", "\"at\":\"1969-12-31T23:59:59Z\""),
        ("\"at\":\"2026-01-05T08:00:02Z\"", "\"at\":\"10000-01-01T00:00:00Z\""),
        ("\"at\":\"2026-01-05T08:00:02Z\"", "\"at\":1767600002"),
        // Names and resources that look like others, or lead elsewhere.
        ("\"by\":\"bob\"", "\"by\":\"Bob\""),
        ("\"by\":\"bob\"", "\"by\":\"bоb\""),
        ("\"by\":\"bob\"", "\"by\":\"bob\u{200b}\""),
        ("\"by\":\"bob\"", "\"by\":\"bob \""),
        ("\"by\":\"bob\"", "\"by\":\"\""),
        ("db/prod/orders", "db/../orders"),
        ("db/prod/orders", "db/prod%2forders"),
        ("db/prod/orders", "db//orders"),
        ("db/prod/orders", "/db/prod/orders"),
        ("db/prod/orders", "db/prod/orders/"),
        ("db/prod/orders", "db/prod/*"),
        ("db/prod/orders", "DB/prod/orders"),
        ("db/prod/orders", "a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a"),
        ("\"action\":\"access\"", "\"action\":\"*\""),
        ("\"type\":\"request\"", "\"type\":\"Request\""),
        ("\"type\":\"request\"", "\"type\":\"\""),
        // Another shape altogether.
        ("\"seen\":{", "\"seen\":["),
        ("\"reason\":\"why not\"}", "\"reason\":\"why not\"}}"),
        ("\"reason\":\"why not\"}", "\"reason\":\"why not\""),
    ];
    let rows = harmless.iter().map(|row| (row, "effect")).chain(malformed.iter().map(|row| (row, "inert: malformed")));
    for ((from, to), expected) in rows {
        assert!(good.contains(from), "nothing to change: {from}");
        assert_eq!(worth(&log, &good.replacen(from, to, 1)), expected, "{from} -> {}", to.escape_debug());
    }
}

/// The fields of the other kinds, each breach signed well by somebody who may say such a thing.
#[test]
fn each_kind_has_its_fields() {
    let mut log = scene();
    let request = log.request("bob", "db", "access", "1h", "");
    let request = format!("\"{request}\"");
    let approval = format!(",\"of\":{request},\"verdict\":\"approve\",\"duration\":null,\"comment\":\"\"");
    let revocation = format!(",\"of\":{request},\"reason\":\"\"");
    let lockdown = ",\"subjects\":[\"bob\"],\"resources\":[\"web/**\"],\"reason\":\"\"";
    let policy =
        format!(",\"version\":2,\"format\":1,\"commit\":\"{}\",\"digest\":\"{}\"", "0".repeat(40), "0".repeat(64));
    const LATE: &str = "without effect: that request is granted already";
    let rows = [
        ("approval", &*approval, "", "", LATE),
        ("approval", &approval, "null", "60", LATE),
        ("approval", &approval, "null", "0", "inert: malformed"),
        ("approval", &approval, "null", "31536001", "inert: malformed"),
        ("approval", &approval, "null", "\"1h\"", "inert: malformed"),
        ("approval", &approval, "\"approve\"", "\"deny\"", LATE),
        ("approval", &approval, "\"approve\",\"duration\":null", "\"deny\",\"duration\":60", "inert: malformed"),
        ("approval", &approval, "\"approve\"", "\"Approve\"", "inert: malformed"),
        ("approval", &approval, "\"approve\"", "true", "inert: malformed"),
        ("approval", &approval, &request, "null", "inert: malformed"),
        ("approval", &approval, "\"comment\":\"\"", "\"comment\":null", "inert: malformed"),
        ("approval", &approval, ",\"comment\":\"\"", "", "inert: malformed"),
        ("approval", &approval, "\"comment\"", "\"reason\"", "inert: malformed"),
        ("revocation", &revocation, "", "", "effect"),
        ("revocation", &revocation, "\"reason\"", "\"comment\"", "inert: malformed"),
        ("revocation", &revocation, &request, "[]", "inert: malformed"),
        ("lockdown", lockdown, "", "", "effect"),
        ("lockdown", lockdown, "\"bob\"", "\"*\",\"group:dba\",\"anybody\"", "effect"),
        ("lockdown", lockdown, "[\"bob\"]", "[]", "inert: malformed"),
        ("lockdown", lockdown, "[\"web/**\"]", "[]", "inert: malformed"),
        ("lockdown", lockdown, "[\"bob\"]", "\"bob\"", "inert: malformed"),
        ("lockdown", lockdown, "[\"bob\"]", "[\"bob\",]", "inert: malformed"),
        ("lockdown", lockdown, "[\"bob\"]", "null", "inert: malformed"),
        ("lockdown", lockdown, "\"bob\"", "\"group:\"", "inert: malformed"),
        ("lockdown", lockdown, "\"bob\"", "\"group:*\"", "inert: malformed"),
        ("lockdown", lockdown, "\"bob\"", "\"b*\"", "inert: malformed"),
        ("lockdown", lockdown, "\"bob\"", "\"**\"", "inert: malformed"),
        ("lockdown", lockdown, "\"bob\"", "\"\"", "inert: malformed"),
        ("lockdown", lockdown, "web/**", "web/***", "inert: malformed"),
        ("lockdown", lockdown, "web/**", "web**", "inert: malformed"),
        ("lockdown", lockdown, "web/**", "web//x", "inert: malformed"),
        ("lockdown", lockdown, "web/**", "web/../x", "inert: malformed"),
        ("lockdown", lockdown, "web/**", "", "inert: malformed"),
        ("policy", &policy, "", "", "effect"),
        ("policy", &policy, "\"version\":2", "\"version\":02", "inert: malformed"),
        ("policy", &policy, "\"version\":2", "\"version\":null", "inert: malformed"),
        ("policy", &policy, "\"commit\":\"0", "\"commit\":\"", "inert: malformed"),
        ("policy", &policy, "\"commit\":\"0", "\"commit\":\"F", "inert: malformed"),
        ("policy", &policy, "\"digest\":\"0", "\"digest\":\"", "inert: malformed"),
        ("lift", &revocation, "", "", "inert: of"),
        ("lift", lockdown, "", "", "inert: malformed"),
        ("revocation", &approval, "", "", "inert: malformed"),
        ("request", "", "", "", "inert: malformed"),
    ];
    for (kind, fields, from, to, expected) in rows {
        assert!(fields.contains(from), "nothing to change: {from}");
        let mut log = log.clone();
        log.unknown("alice", 1, kind, &fields.replacen(from, to, 1));
        assert_eq!(log.last(), expected, "{kind} with {from} -> {to}");
    }
}

#[test]
fn texts_are_as_long_as_they_may_be() {
    let log = scene();
    let with_reason = |reason: &str| worth(&log, &good_body(&log).replacen("why not", reason, 1));
    for (reason, expected) in [
        ("a".repeat(1024), "effect"),
        ("a".repeat(1025), "inert: malformed"),
        ("a".repeat(100_000), "inert: malformed"),
        // The limit is on what is meant, not on how it is spelled; and in bytes, not in letters.
        ("\\\"".repeat(1024), "effect"),
        ("\\\"".repeat(1025), "inert: malformed"),
        ("é".repeat(512), "effect"),
        ("é".repeat(513), "inert: malformed"),
    ] {
        assert_eq!(with_reason(&reason), expected, "{} bytes", reason.len());
    }
}

#[test]
fn a_line_is_as_long_as_it_may_be() {
    let log = scene();
    let of_length = |length: usize| {
        let mut log = log.clone();
        log.unknown("alice", 1, "note", ",\"x\":\"\"");
        let empty = log.line(log.size() - 1).len();
        let mut log = scene();
        log.unknown("alice", 1, "note", &format!(",\"x\":\"{}\"", "x".repeat(length - empty)));
        assert_eq!(log.line(log.size() - 1).len(), length);
        log.last()
    };
    assert_eq!(of_length(MAX_LINE_LEN), "without effect: this program does not know `note` of version 1");
    for length in [MAX_LINE_LEN + 1, 20 * 1024, 100 * 1024] {
        assert_eq!(of_length(length), "inert: malformed", "{length}");
    }
    assert_eq!(worth_raw(&log, &vec![b'x'; 20 * 1024]), "inert: malformed");
    assert_eq!(worth_raw(&log, &vec![b'['; 100 * 1024]), "inert: malformed");
}

#[test]
fn a_frame_has_one_form() {
    let log = scene();
    let body = good_body(&log);
    let signature = key("bob").sign(body.as_bytes()).to_base64();
    let good = String::from_utf8(line(&key("bob"), &body)).unwrap();
    for bad in [
        String::new(),
        "garbage".to_owned(),
        "{}".to_owned(),
        "null".to_owned(),
        body.clone(),
        format!("{{\"sig\":\"{signature}\",\"body\":{body}}}"),
        format!("{{\"body\":{body}}}"),
        format!("{{\"body\":{body},\"sig\":null}}"),
        format!("{{\"body\":{body},\"sig\":\"\"}}"),
        format!("{{\"body\":{body}, \"sig\":\"{signature}\"}}"),
        format!("{{\"body\":{body},\"sig\":\"{signature}\",\"sig\":\"{signature}\"}}"),
        format!("{{\"body\":{body},\"sig\":\"{signature}\",\"more\":1}}"),
        format!("{{\"body\":{body},\"body\":{body},\"sig\":\"{signature}\"}}"),
        format!("{{\"body\":{body:?},\"sig\":\"{signature}\"}}"),
        format!("{{\"body\":[{body}],\"sig\":\"{signature}\"}}"),
        format!("{good}\n{good}"),
        format!("\u{feff}{good}"),
        good.to_uppercase(),
    ] {
        assert_eq!(worth_raw(&log, bad.as_bytes()), "inert: malformed", "{}", bad.escape_debug());
    }
    // What no Rust text can hold: a lone surrogate, an overlong slash, a stray byte, half of a letter.
    for bytes in [&b"\xed\xa0\x80"[..], b"\xc0\xaf", b"\xff", b"\xc3"] {
        let (before, after) = good.split_once("why not").unwrap();
        let bad = [before.as_bytes(), bytes, after.as_bytes()].concat();
        assert_eq!(worth_raw(&log, &bad), "inert: malformed", "{bytes:x?}");
    }
}

/// Claim 7: garbage is a leaf of the tree and nothing more; the log goes on behind it.
#[test]
fn garbage_does_not_stop_the_log() {
    let mut log = scene();
    for garbage in [&b""[..], b"garbage", b"\xff\xfe", b"{\"body\":{}}", &[b'x'; 100_000]] {
        let before = log.view().clone();
        log.raw(garbage);
        assert_eq!(log.last(), "inert: malformed");
        assert_eq!(log.view().size(), before.size() + 1);
        assert_ne!(log.view().root(), before.root());
        assert_eq!(log.view().policy_record(), before.policy_record());
    }
    log.request("bob", "db/prod/orders", "access", "1h", "");
    assert_eq!(log.last(), "effect");
    assert_eq!(log.answer("bob", "db/prod/orders", "access"), "allow granted");
}
