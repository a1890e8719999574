//! Every breach of the one form of a body, as tables.

use super::body;
use super::canonical::{Malformed, Reader};
use super::*;
use crate::core::testing::{Key, bodies};

/// Reads the whole of `text` as a body.
fn read(text: &str) -> Result<Body, Malformed> {
    let mut reader = Reader::new(text, 0);
    let body = body::read(&mut reader)?;
    if reader.at() == text.len() { Ok(body) } else { reader.fail("the end") }
}

fn is_known(body: &Body) -> bool {
    !matches!(body, Body::Statement(Statement { what: What::Unknown { .. }, .. }))
}

/// Asserts that `text` is refused, unless it reads as a body that is written in just these bytes; tells whether it was.
fn refused_or_written_so(text: &str) -> bool {
    match read(text) {
        Ok(body) => {
            assert!(!is_known(&body) || encode(&body) == text, "two forms of one body: {text}");
            false
        }
        Err(_) => true,
    }
}

/// Cuts the body into its top-level fields, each `"key":value`.
fn fields(body: &str) -> Vec<&str> {
    let inner = body.strip_prefix('{').and_then(|body| body.strip_suffix('}')).unwrap();
    let (mut depth, mut in_string, mut escaped, mut start) = (0, false, false, 0);
    let mut fields = Vec::new();
    for (at, byte) in inner.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth -= 1,
            b',' if depth == 0 => {
                fields.push(&inner[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    fields.push(&inner[start..]);
    fields
}

fn join(fields: &[&str]) -> String {
    format!("{{{}}}", fields.join(","))
}

#[test]
fn each_kind_reads_and_is_written_the_same() {
    for text in bodies::all() {
        let body = read(&text).unwrap();
        assert_eq!(join(&fields(&text)), text);
        assert!(text.contains(&format!("\"type\":\"{}\"", body.kind())));
        if is_known(&body) {
            assert_eq!(encode(&body), text);
        }
    }
}

#[test]
fn each_field_stands_once_in_its_place() {
    for text in bodies::all() {
        let known = read(&text).is_ok_and(|body| is_known(&body));
        let all = fields(&text);
        for at in 0..all.len() {
            // Of a kind that is not known only the head has places: `v` to `nonce`.
            let in_head = at < 7;
            let missing = changed(&all, |fields| {
                fields.remove(at);
            });
            assert!(read(&missing).is_err() || !(known || in_head), "{missing}");
            let twice = changed(&all, |fields| fields.insert(at, all[at]));
            assert!(read(&twice).is_err(), "{twice}");
            let again_at_the_end = changed(&all, |fields| fields.push(all[at]));
            assert!(read(&again_at_the_end).is_err(), "{again_at_the_end}");
            let more = changed(&all, |fields| fields.insert(at, "\"more\":1"));
            assert!(read(&more).is_err() || !(known || in_head), "{more}");
            for other in at + 1..all.len() {
                let swapped = changed(&all, |fields| fields.swap(at, other));
                assert!(read(&swapped).is_err() || !(known || in_head), "{swapped}");
            }
        }
        let more = changed_end(&text, ",\"more\":1}");
        assert!(read(&more).is_err() || !known, "{more}");
    }
}

fn changed<'a>(fields: &[&'a str], change: impl FnOnce(&mut Vec<&'a str>)) -> String {
    let mut fields = fields.to_vec();
    change(&mut fields);
    join(&fields)
}

fn changed_end(text: &str, end: &str) -> String {
    format!("{}{end}", text.strip_suffix('}').unwrap())
}

#[test]
fn each_field_holds_its_own_kind_of_value() {
    let others = [
        "null",
        "true",
        "0",
        "1",
        "2",
        "-1",
        "1.0",
        "1e3",
        "9007199254740991",
        "9007199254740992",
        "\"\"",
        "\"x\"",
        "\"X\"",
        "\"*\"",
        "\"2026-01-31T08:00:00Z\"",
        "[]",
        "[\"x\"]",
        "[null]",
        "[1]",
        "{}",
        "{\"x\":1}",
    ];
    let mut nulls = Vec::new();
    for text in bodies::all() {
        let body = read(&text).unwrap();
        for (at, field) in fields(&text).iter().enumerate() {
            let (key, value) = field.split_once(':').unwrap();
            for other in others {
                let mut fields = fields(&text);
                let changed = format!("{key}:{other}");
                fields[at] = &changed;
                let changed = join(&fields);
                let refused = refused_or_written_so(&changed);
                if other == "null" && !refused && is_known(&body) {
                    nulls.push(format!("{} {key} {}", body.kind(), if value == other { "only" } else { "too" }));
                }
            }
        }
    }
    let expected = [
        "request \"not_before\" too",
        "request \"bind\" too",
        "approval \"duration\" too",
        "approval \"duration\" only",
        "presentation \"audience\" too",
    ];
    assert_eq!(nulls, expected);
}

#[test]
fn no_byte_can_be_put_in_taken_out_or_changed_unnoticed() {
    for text in bodies::all() {
        let known = read(&text).is_ok_and(|body| is_known(&body));
        for at in (0..=text.len()).filter(|at| text.is_char_boundary(*at)) {
            let (before, after) = text.split_at(at);
            let shorter = after.chars().next().map(|next| &after[next.len_utf8()..]).unwrap_or_default();
            let mut spaces = 0;
            for inserted in
                [" ", "\t", "\n", "\r", "\0", "\u{7f}", "\u{85}", "\u{feff}", ",", "\"", "\\", "0", "-", "/"]
            {
                let longer = format!("{before}{inserted}{after}");
                spaces += usize::from(!refused_or_written_so(&longer) && inserted == " ");
                refused_or_written_so(&format!("{before}{inserted}{shorter}"));
            }
            refused_or_written_so(&format!("{before}{shorter}"));
            assert!(read(before).is_err() || at == text.len(), "{before}");
            // A space may stand in free text alone, and there it is another text.
            let in_text = ["reason\":\"", "comment\":\"", "audience\":\""]
                .iter()
                .any(|start| text.find(start).is_some_and(|found| at >= found + start.len()));
            assert!(spaces == 0 || in_text || !known, "{before} {after}");
        }
    }
}

/// Replaces `from`, which stands in `text` once.
fn with(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "{from} in {text}");
    text.replace(from, to)
}

#[test]
fn breaches_of_each_kind() {
    let name_65 = format!("\"by\":\"{}\"", "a".repeat(65));
    let resource_17 = format!("\"resource\":\"{}\"", ["a"; 17].join("/"));
    let resource_513 = format!("\"resource\":\"{}/ab\"", ["a".repeat(63).as_str(); 8].join("/"));
    let text_1025 = format!(":\"{}\"", "a".repeat(1025));
    let text_1026 = format!(":\"{}\"", "é".repeat(513));
    let e64 = "e".repeat(64);
    let hex = |digits: &str| format!("\"of\":\"{digits}\"");
    let (of_upper, of_63, of_65) = (hex(&e64.to_uppercase()), hex(&e64[1..]), hex(&format!("{e64}e")));
    let of = hex(&e64);
    let request = bodies::REQUEST;
    let cases: &[(&str, &str, &str)] = &[
        // The head.
        (request, "{\"v\":1,", "{\"v\":01,"),
        (request, "{\"v\":1,", "{\"v\":\"1\","),
        (request, "{\"v\":1,", "{\"v\":+1,"),
        (request, "{\"v\":1,", "{\"v\":1.0,"),
        (request, "{\"v\":1,", "{\"v\":1e0,"),
        (request, "{\"v\":1,", "{\"v\":-1,"),
        (request, "{\"v\":1,", "{\"v\":9007199254740992,"),
        (request, "{\"v\":1,", "{\"V\":1,"),
        (request, "\"type\":\"request\"", "\"type\":\"Request\""),
        (request, "\"type\":\"request\"", "\"type\":\"\\u0072equest\""),
        (request, "\"type\":\"request\"", "\"type\":\"\""),
        (request, "\"type\":\"request\"", "\"type\":\"presentation\""),
        (request, "\"log\":\"a", "\"log\":\"A"),
        (request, "\"log\":\"a", "\"log\":\""),
        (request, "\"log\":\"a", "\"log\":\"aa"),
        (request, "\"by\":\"alice\"", "\"by\":\"Alice\""),
        (request, "\"by\":\"alice\"", "\"by\":\"alic\u{435}\""),
        (request, "\"by\":\"alice\"", "\"by\":\"\""),
        (request, "\"by\":\"alice\"", "\"by\":\"group:dba\""),
        (request, "\"by\":\"alice\"", &name_65),
        (request, "T08:00:00Z", "T08:00:00z"),
        (request, "T08:00:00Z", "T08:00:00.0Z"),
        (request, "T08:00:00Z", "T08:00:00+00:00"),
        (request, "T08:00:00Z", "T08:00:60Z"),
        (request, "T08:00:00Z", "T24:00:00Z"),
        (request, "T08:00:00Z", " 08:00:00Z"),
        (request, "2026-01-31T08", "2026-02-30T08"),
        (request, "2026-01-31T08", "2026-1-31T08"),
        (request, "2026-01-31T08", "1969-01-31T08"),
        (request, "2026-01-31T08", "12026-01-31T08"),
        (request, "2026-01-31T08", "0000-01-31T08"),
        (request, "\"size\":3", "\"size\":03"),
        (request, "\"size\":3", "\"size\":-3"),
        (request, "\"size\":3", "\"size\":null"),
        (request, "\"size\":3", "\"size\":9007199254740992"),
        (request, "\"size\":3,", "\"size\":3, "),
        (request, "\"seen\":{\"size\":3,", "\"seen\":{"),
        (request, "\"root\":\"b", "\"root\":\"B"),
        (request, "},\"nonce\"", ",\"more\":1},\"nonce\""),
        (request, "\"nonce\":\"00", "\"nonce\":\""),
        (request, "\"nonce\":\"00", "\"nonce\":\"0000"),
        (request, "\"nonce\":\"00", "\"nonce\":\"0G"),
        // A request.
        (request, "db/prod/orders", "db//orders"),
        (request, "db/prod/orders", "/db/prod"),
        (request, "db/prod/orders", "db/prod/"),
        (request, "db/prod/orders", "db/../orders"),
        (request, "db/prod/orders", "db/%2f/orders"),
        (request, "db/prod/orders", "db/*/orders"),
        (request, "db/prod/orders", "db/Prod/orders"),
        (request, "\"resource\":\"db/prod/orders\"", &resource_17),
        (request, "\"resource\":\"db/prod/orders\"", &resource_513),
        (request, "\"action\":\"read\"", "\"action\":\"*\""),
        (request, "\"action\":\"read\"", "\"action\":\"\""),
        (request, "\"duration\":3600", "\"duration\":0"),
        (request, "\"duration\":3600", "\"duration\":31536001"),
        (request, "\"duration\":3600", "\"duration\":03600"),
        (request, "\"duration\":3600", "\"duration\":3600.0"),
        (request, "\"duration\":3600", "\"duration\":\"1h\""),
        (request, "\"duration\":3600", "\"duration\":null"),
        (request, "sha256:f", "f"),
        (request, "sha256:f", "sha256:F"),
        (request, "sha256:f", "SHA256:f"),
        (request, "sha256:f", "sha512:f"),
        (request, "sha256:f", "sha256:"),
        (request, "sha256:f", "sha256:ff"),
        (request, ":\"INC-7: \\\"slow\\\" C:\\\\ é\"", &text_1025),
        (request, ":\"INC-7: \\\"slow\\\" C:\\\\ é\"", &text_1026),
        (request, "INC", "\\n"),
        (request, "INC", "\\/"),
        (request, "INC", "\\u0049NC"),
        (request, "INC", "\n"),
        (request, "INC", "\u{1b}[2J"),
        (request, "INC", "\u{7f}"),
        (request, "INC", "\u{80}"),
        (request, "INC", "\u{85}"),
        (request, "INC", "\u{9f}"),
        // A policy.
        (bodies::POLICY, "\"version\":3", "\"version\":3.0"),
        (bodies::POLICY, "\"format\":1", "\"format\":null"),
        (bodies::POLICY, "\"commit\":\"c", "\"commit\":\""),
        (bodies::POLICY, "\"commit\":\"c", "\"commit\":\"cc"),
        (bodies::POLICY, "\"commit\":\"c", "\"commit\":\"C"),
        (bodies::POLICY, "\"digest\":\"d", "\"digest\":\""),
        (bodies::POLICY, "\"digest\":\"d", "\"digest\":\"D"),
        // Approvals.
        (bodies::APPROVAL, &of, &of_upper),
        (bodies::APPROVAL, &of, &of_63),
        (bodies::APPROVAL, &of, &of_65),
        (bodies::APPROVAL, "\"verdict\":\"approve\"", "\"verdict\":\"approved\""),
        (bodies::APPROVAL, "\"verdict\":\"approve\"", "\"verdict\":\"Approve\""),
        (bodies::APPROVAL, "\"verdict\":\"approve\"", "\"verdict\":\"deny\""),
        (bodies::APPROVAL, "\"verdict\":\"approve\"", "\"verdict\":true"),
        (bodies::APPROVAL, "\"duration\":1800", "\"duration\":0"),
        (bodies::APPROVAL, "\"duration\":1800", "\"duration\":31536001"),
        (bodies::APPROVAL, ":\"half will do\"", &text_1025),
        (bodies::APPROVAL, ":\"half will do\"", ":null"),
        (bodies::DENIAL, "\"duration\":null", "\"duration\":1"),
        (bodies::DENIAL, "\"duration\":null", "\"duration\":0"),
        // Revocations, lockdowns and lifts.
        (bodies::REVOCATION, &of, &of_upper),
        (bodies::REVOCATION, ":\"done\"", &text_1025),
        (bodies::REVOCATION, ":\"done\"", ":null"),
        (bodies::LOCKDOWN, "[\"*\",\"mallory\",\"group:contractors\"]", "[]"),
        (bodies::LOCKDOWN, "[\"*\",\"mallory\",\"group:contractors\"]", "\"*\""),
        (bodies::LOCKDOWN, "[\"*\",\"mallory\",\"group:contractors\"]", "[\"*\",]"),
        (bodies::LOCKDOWN, "[\"*\",\"mallory\",\"group:contractors\"]", "[null]"),
        (bodies::LOCKDOWN, "\"mallory\"", "\"Mallory\""),
        (bodies::LOCKDOWN, "\"mallory\"", "\"**\""),
        (bodies::LOCKDOWN, "\"mallory\"", "\"mal*\""),
        (bodies::LOCKDOWN, "\"mallory\"", "\"\""),
        (bodies::LOCKDOWN, "group:contractors", "group:"),
        (bodies::LOCKDOWN, "group:contractors", "group:*"),
        (bodies::LOCKDOWN, "group:contractors", "groups:contractors"),
        (bodies::LOCKDOWN, "group:contractors", "group:group:contractors"),
        (bodies::LOCKDOWN, "[\"**\",\"db/*/orders\"]", "[]"),
        (bodies::LOCKDOWN, "[\"**\",\"db/*/orders\"]", "[\"\"]"),
        (bodies::LOCKDOWN, "db/*/orders", "db/***/orders"),
        (bodies::LOCKDOWN, "db/*/orders", "db/a**"),
        (bodies::LOCKDOWN, "db/*/orders", "db//orders"),
        (bodies::LOCKDOWN, "db/*/orders", "db/?/orders"),
        (bodies::LOCKDOWN, ":\"laptop stolen\"", &text_1025),
        (bodies::LIFT, &of, &of_63),
        (bodies::LIFT, ":\"laptop found\"", &text_1025),
        // What stands outside the log.
        (bodies::PRESENTATION, &of, &of_65),
        (bodies::PRESENTATION, ":\"ci\"", &text_1025),
        (bodies::PRESENTATION, "T10:00:00Z", "T10:00Z"),
        (bodies::PRESENTATION, "\"expires\":\"2026-01-31T10:00:00Z\"", "\"expires\":null"),
        (bodies::CHECKPOINT, "\"type\":\"checkpoint\"", "\"type\":\"checkpoint\",\"type\":\"checkpoint\""),
        // What is not known: its head counts as any other.
        (bodies::UNKNOWN, "\"type\":\"review\"", "\"type\":\"re view\""),
        (bodies::UNKNOWN, "\"log\":\"a", "\"log\":\"A"),
        (bodies::UNKNOWN, "\"yes\"", "\"log\""),
        (bodies::UNKNOWN, "\"yes\"", "\"no\""),
        (bodies::UNKNOWN, "\"yes\"", "\"seen\""),
    ];
    for (text, from, to) in cases {
        let changed = with(text, from, to);
        assert!(read(&changed).is_err(), "{changed}");
    }
    // The limits themselves are inside; and what differs from a breach only in that.
    let name_64 = format!("\"by\":\"{}\"", "a".repeat(64));
    let resource_512 = format!("\"resource\":\"{}/{}\"", ["a".repeat(63).as_str(); 7].join("/"), "a".repeat(64));
    let text_1024 = format!(":\"{}\"", "a".repeat(1024));
    for (text, from, to) in [
        (request, "\"by\":\"alice\"", name_64.as_str()),
        (request, "\"resource\":\"db/prod/orders\"", &resource_512),
        (request, "\"duration\":3600", "\"duration\":1"),
        (request, "\"duration\":3600", "\"duration\":31536000"),
        (request, "\"size\":3", "\"size\":9007199254740991"),
        (request, "\"size\":3", "\"size\":0"),
        (request, "\"bbbbb", "\"11111"),
        (request, ":\"INC-7: \\\"slow\\\" C:\\\\ é\"", &text_1024),
        (request, "INC", "\u{a0}\u{202e}\u{200b}\u{feff}"),
        (request, "INC", ""),
        (bodies::LOCKDOWN, "[\"*\",\"mallory\",\"group:contractors\"]", "[\"*\"]"),
        (bodies::PRESENTATION, ":\"ci\"", ":\"\""),
        (bodies::POLICY, "\"version\":3", "\"version\":0"),
    ] {
        let changed = with(text, from, to);
        assert_eq!(read(&changed).map(|body| encode(&body)), Ok(changed.clone()), "{changed}");
    }
}

#[test]
fn breaches_of_a_genesis() {
    let genesis = bodies::genesis();
    let key = |seed| Key::plain(seed).public().to_openssh();
    let (one, two) = (key(1), key(2));
    let security = Key::security(1).public().to_openssh();
    // The neutral point, of order 1; and one of order 4.
    let weak = |first: u8| {
        use base64::Engine as _;
        let mut blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20".to_vec();
        blob.push(first);
        blob.extend([0; 31]);
        format!("ssh-ed25519 {}", base64::engine::general_purpose::STANDARD.encode(blob))
    };
    let rsa = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAAQM=";
    let padded = format!("{one} ");
    let commented = format!("{one} alice@laptop");
    let tabbed = one.replace(' ', "\\t");
    let maintainers = {
        let start = genesis.find("[{").unwrap();
        let end = genesis.find("}]").unwrap() + 2;
        genesis[start..end].to_owned()
    };
    let founder = |name: &str, key: &str| format!("{{\"name\":\"{name}\",\"key\":\"{key}\"}}");
    let reordered = format!("[{{\"key\":\"{one}\",\"name\":\"alice\"}},{}]", founder("bob", &two));
    for (from, to) in [
        ("\"threshold\":2", "\"threshold\":0"),
        ("\"threshold\":2", "\"threshold\":3"),
        ("\"threshold\":2", "\"threshold\":02"),
        ("\"threshold\":2", "\"threshold\":null"),
        ("\"name\":\"acme\"", "\"name\":\"Acme\""),
        ("\"name\":\"acme\"", "\"name\":\"\""),
        ("\"v\":1", "\"v\":2"),
        ("\"by\"", "\"log\":\"\",\"by\""),
        ("\"name\":\"bob\"", "\"name\":\"alice\""),
        ("\"name\":\"bob\"", "\"name\":\"Bob\""),
        (two.as_str(), one.as_str()),
        // One point is one key, whatever it says it lives in.
        (&two, &security),
        (&two, &weak(1)),
        (&two, &weak(0)),
        (&two, rsa),
        (&two, ""),
        (&two, "ssh-ed25519"),
        (&one, &padded),
        (&one, &commented),
        (&one, &tabbed),
        (&maintainers, "[]"),
        (&maintainers, "{}"),
        (&maintainers, "[{}]"),
        (&maintainers, "null"),
        (&maintainers, &reordered),
    ] {
        let changed = with(&genesis, from, to);
        assert!(read(&changed).is_err(), "{changed}");
    }
    for (from, to) in [
        ("\"threshold\":2", "\"threshold\":1"),
        // Who signs it is not a question of form.
        ("\"by\":\"alice\"", "\"by\":\"carol\""),
        (&two, &Key::security(2).public().to_openssh()),
    ] {
        let changed = with(&genesis, from, to);
        assert_eq!(read(&changed).map(|body| encode(&body)), Ok(changed.clone()));
    }
}

#[test]
fn pairs_that_are_not_known_keep_their_head() {
    let pair = |v: &str, kind: &str| {
        let known = with(bodies::UNKNOWN, "{\"v\":1,", &format!("{{\"v\":{v},"));
        with(&known, "\"review\"", &format!("\"{kind}\""))
    };
    for (v, kind) in [("1", "use"), ("0", "request"), ("2", "request"), ("2", "genesis"), ("9007199254740991", "x")] {
        match read(&pair(v, kind)) {
            Ok(Body::Statement(Statement { what: What::Unknown { v: read, kind: named }, by, .. })) => {
                assert_eq!((read.to_string().as_str(), named.as_str(), by.as_str()), (v, kind, "alice"));
            }
            other => panic!("{v} {kind}: {other:?}"),
        }
    }
    // A known pair is held to its own fields.
    for kind in ["request", "genesis", "policy", "checkpoint"] {
        assert!(read(&pair("1", kind)).is_err(), "{kind}");
    }
    // Nothing after the head is a body too.
    let bare = join(&fields(bodies::UNKNOWN)[..7]);
    assert_eq!(read(&bare).map(|body| encode(&body)), Ok(bare.clone()));
}
