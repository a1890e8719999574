//! Lines by themselves: one of each kind, and what breaks the form of a body or of the line around it.

use jit::core::hash::Hash;
use jit::core::statement::{Checkpoint, MAX_LINE_LEN, Presentation, What};

use crate::file::Vector;
use crate::logs::{org, story};
use crate::support::keys::{Key, key, security_key};
use crate::support::log::{Log, bound, line, t};

pub(crate) fn vectors() -> Vec<Vector> {
    [kinds(), unknown_kinds(), bodies(), founders(), frames()].concat()
}

fn last(log: &Log) -> &[u8] {
    log.line(log.size() - 1)
}

/// One of each kind, from one log.
fn kinds() -> Vec<Vector> {
    let mut vectors = Vec::new();
    let mut take = |name: &str, about: &str, kind: &str, line: &[u8]| {
        vectors.push(Vector::line(name, about, &format!("ok {kind}"), line));
    };
    let (log, places) = story();
    for (index, name, about, kind) in places {
        take(name, about, kind, log.line(index));
    }
    let mut log = log;
    let grant = log.request("bob", "db/prod/orders", "read", "1h", "");
    log.by_key(security_key("bob")).request("bob", "db/prod/orders", "read", "1h", "");
    take("line-security-key", "A request signed by a security key that was touched.", "request", last(&log));
    let presentation = |audience: Option<&str>| {
        What::Presentation(Presentation { of: grant, audience: audience.map(str::to_owned), expires: t(3600) })
    };
    log.state("bob", presentation(None));
    take("line-presentation", "A presentation for any gate without a name.", "presentation", last(&log));
    log.state("bob", presentation(Some("ci")));
    take("line-presentation-audience", "A presentation for the gate `ci`.", "presentation", last(&log));
    log.state("deployer", What::Checkpoint(Checkpoint { size: 1, root: Hash([7; 32]) }));
    take("line-checkpoint", "A witness's word on a log's size and root.", "checkpoint", last(&log));
    vectors
}

/// Statements that this program does not know.
fn unknown_kinds() -> Vec<Vector> {
    let said = |v: u64, kind: &str, rest: &str| {
        let mut log = Log::new(&["alice"], 1);
        log.unknown("alice", v, kind, rest);
        last(&log).to_vec()
    };
    let deep = |levels: usize| format!(",\"x\":{}{}", "[".repeat(levels), "]".repeat(levels));
    let good = [
        ("unknown-bare", "A kind that is not known, with a head alone.", 1, "review", String::new()),
        (
            "unknown-fields",
            "What a kind that is not known says is ignored, but canonical.",
            1,
            "anchor",
            r#","":null,"a":[true,false,[],{}],"b":{"a":{"a":9007199254740991}},"c":"\"\\é""#.to_owned(),
        ),
        ("unknown-version", "A known type of another version is not known.", 2, "request", ",\"x\":1".to_owned()),
        ("unknown-genesis", "So is a genesis of another version, which has a head.", 2, "genesis", String::new()),
        ("unknown-depth-16", "Sixteen levels deep, the most there may be.", 1, "review", deep(16)),
    ];
    let bad = [
        ("unknown-depth-17", "One level too deep.", 1, "review", deep(17)),
        ("unknown-key-twice", "A key twice.", 1, "review", ",\"x\":1,\"x\":1".to_owned()),
        ("unknown-inner-key-twice", "A key twice, inside.", 1, "review", ",\"x\":{\"y\":1,\"y\":1}".to_owned()),
        ("unknown-head-key-twice", "A key of the head again.", 1, "review", ",\"seen\":1".to_owned()),
        ("unknown-space", "A space.", 1, "review", ",\"x\": 1".to_owned()),
        ("unknown-number", "A number with a fraction.", 1, "review", ",\"x\":1.0".to_owned()),
        ("unknown-escape", "An escape that is not needed.", 1, "review", ",\"x\":\"\\u0041\"".to_owned()),
        ("unknown-known-pair", "A known pair is held to its own fields.", 1, "request", ",\"x\":1".to_owned()),
    ];
    let good = good
        .map(|(name, about, v, kind, rest)| Vector::line(name, about, &format!("ok {kind}"), &said(v, kind, &rest)));
    let bad = bad.map(|(name, about, v, kind, rest)| Vector::line(name, about, "malformed", &said(v, kind, &rest)));
    good.into_iter().chain(bad).collect()
}

/// The body of a request with all its fields.
pub(crate) fn request_body() -> String {
    let mut log = Log::new(&["alice"], 1);
    log.policy("alice", &org());
    log.not_before(t(600)).bind(bound("build 7")).request("bob", "db/prod/orders", "read", "1h", "INC-7");
    body(last(&log))
}

fn body(line: &[u8]) -> String {
    let line = jit::core::statement::Line::parse(line).expect("the test's own lines are lines");
    line.body_text().to_owned()
}

/// Replaces what stands in `text` once.
fn with(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "{from} in {text}");
    text.replace(from, to)
}

/// A line whose signature fits a body that is malformed.
fn broken(name: &str, about: &str, key: &Key, text: &str, from: &str, to: &str) -> Vector {
    Vector::line(name, about, "malformed", &line(key, &with(text, from, to)))
}

/// One breach of the form of a body each.
fn bodies() -> Vec<Vector> {
    let request = request_body();
    let text_1025 = format!("\"reason\":\"{}\"", "a".repeat(1025));
    let name_65 = format!("\"by\":\"{}\"", "a".repeat(65));
    let long = format!("\"resource\":\"{}/ab\"", ["a".repeat(63).as_str(); 8].join("/"));
    let many = format!("\"resource\":\"{}\"", ["a"; 17].join("/"));
    let (kind, reason, seconds) = ("\"type\":\"request\"", "\"reason\":\"INC-7\"", "\"duration\":3600");
    let cases = [
        ("line-space-after-colon", "A space after a colon.", reason, "\"reason\": \"INC-7\""),
        ("line-space-before-colon", "A space before a colon.", reason, "\"reason\" :\"INC-7\""),
        ("line-space-after-comma", "A space after a comma.", reason, " \"reason\":\"INC-7\""),
        (
            "line-key-order",
            "Two keys the other way round.",
            "\"v\":1,\"type\":\"request\"",
            "\"type\":\"request\",\"v\":1",
        ),
        ("line-key-missing", "A field is missing.", ",\"action\":\"read\"", ""),
        ("line-key-extra", "A field more.", reason, "\"reason\":\"INC-7\",\"more\":1"),
        ("line-key-twice", "A field twice.", reason, "\"reason\":\"INC-7\",\"reason\":\"INC-7\""),
        ("line-key-capital", "A key with a capital.", "\"reason\":", "\"Reason\":"),
        ("line-key-escaped", "A key with an escape.", "\"reason\":", "\"\\u0072eason\":"),
        ("line-type-unlike-fields", "The fields of another type.", kind, "\"type\":\"revocation\""),
        ("line-type-no-name", "A type that is no name.", kind, "\"type\":\"Request\""),
        ("line-escape-newline", "The escape \\n.", reason, "\"reason\":\"INC\\n7\""),
        ("line-escape-unicode", "The escape \\u0049.", reason, "\"reason\":\"\\u0049NC-7\""),
        ("line-escape-surrogate", "An escaped lone surrogate.", reason, "\"reason\":\"INC-\\ud800\""),
        ("line-escape-slash", "The escape \\/.", reason, "\"reason\":\"INC\\/7\""),
        ("line-control-raw", "A raw ESC.", reason, "\"reason\":\"\u{1b}[2J\""),
        ("line-control-delete", "A raw U+007F.", reason, "\"reason\":\"\u{7f}\""),
        ("line-control-c1", "A raw U+0085.", reason, "\"reason\":\"\u{85}\""),
        ("line-number-leading-zero", "A leading zero.", seconds, "\"duration\":03600"),
        ("line-number-plus", "A sign.", seconds, "\"duration\":+3600"),
        ("line-number-minus", "A negative number.", seconds, "\"duration\":-3600"),
        ("line-number-fraction", "A fraction.", seconds, "\"duration\":3600.0"),
        ("line-number-exponent", "An exponent.", seconds, "\"duration\":36e2"),
        ("line-number-quoted", "A number as a string.", seconds, "\"duration\":\"3600\""),
        ("line-number-too-large", "The number 2^53.", "\"size\":2", "\"size\":9007199254740992"),
        ("line-null", "A null where none may be.", seconds, "\"duration\":null"),
        ("line-hex-upper-case", "A capital in hex.", "\"nonce\":\"0", "\"nonce\":\"A"),
        ("line-hex-short", "31 digits for 32.", "\"nonce\":\"0", "\"nonce\":\""),
        ("line-hex-long", "33 digits for 32.", "\"nonce\":\"0", "\"nonce\":\"00"),
        ("line-time-not-real", "A day that never was.", "\"at\":\"2026-01-05T", "\"at\":\"2026-02-30T"),
        ("line-time-hour-24", "An hour that never was.", "\"at\":\"2026-01-05T08", "\"at\":\"2026-01-05T24"),
        ("line-time-year-1969", "A year before 1970.", "\"at\":\"2026", "\"at\":\"1969"),
        (
            "line-time-no-zone",
            "A time without its Z.",
            "\"not_before\":\"2026-01-05T08:10:00Z\"",
            "\"not_before\":\"2026-01-05T08:10:00\"",
        ),
        ("line-duration-zero", "A duration of nothing.", seconds, "\"duration\":0"),
        ("line-duration-too-long", "A second more than 365 days.", seconds, "\"duration\":31536001"),
        ("line-name-capital", "A name with a capital.", "\"by\":\"bob\"", "\"by\":\"Bob\""),
        ("line-name-look-alike", "A name with a Cyrillic о.", "\"by\":\"bob\"", "\"by\":\"bоb\""),
        ("line-name-too-long", "A name of 65 bytes.", "\"by\":\"bob\"", &name_65),
        ("line-resource-empty-segment", "A resource with an empty segment.", "db/prod/orders", "db//orders"),
        ("line-resource-dots", "A resource that climbs.", "db/prod/orders", "db/../orders"),
        ("line-resource-percent", "A resource with an encoded slash.", "db/prod/orders", "db/prod%2forders"),
        ("line-resource-star", "A pattern for a resource.", "db/prod/orders", "db/*/orders"),
        ("line-resource-too-long", "A resource of over 512 bytes.", "\"resource\":\"db/prod/orders\"", &long),
        ("line-resource-too-deep", "A resource of 17 segments.", "\"resource\":\"db/prod/orders\"", &many),
        ("line-bind-bare", "A hash without its kind.", "\"bind\":\"sha256:", "\"bind\":\""),
        ("line-bind-sha512", "Another kind of hash.", "\"bind\":\"sha256:", "\"bind\":\"sha512:"),
        ("line-text-too-long", "A reason of 1025 bytes.", reason, &text_1025),
    ];
    let bob = key("bob");
    let mut vectors: Vec<Vector> =
        cases.iter().map(|(name, about, from, to)| broken(name, about, &bob, &request, from, to)).collect();

    let mut log = Log::new(&["alice"], 1);
    let of = log.policy("alice", &org());
    let alice = key("alice");
    log.deny("alice", of);
    let denial = body(last(&log));
    log.approve("alice", of);
    let approval = body(last(&log));
    log.lockdown("alice", "bob", "db/**");
    let lockdown = body(last(&log));
    let cases = [
        ("line-denial-for-a-time", "A denial with a duration.", &denial, "\"duration\":null", "\"duration\":60"),
        ("line-verdict-no-word", "A verdict that is none.", &approval, "\"approve\"", "\"approved\""),
        ("line-lockdown-no-subjects", "A lockdown of nobody.", &lockdown, "[\"bob\"]", "[]"),
        ("line-lockdown-no-resources", "A lockdown of nothing.", &lockdown, "[\"db/**\"]", "[]"),
        ("line-pattern-three-stars", "A pattern with three stars.", &lockdown, "db/**", "db/***"),
        ("line-pattern-stars-in-a-segment", "Two stars in a segment.", &lockdown, "db/**", "db/a**"),
        ("line-group-no-name", "A group without a name.", &lockdown, "\"bob\"", "\"group:\""),
    ];
    vectors.extend(cases.map(|(name, about, text, from, to)| broken(name, about, &alice, text, from, to)));
    for (name, about, seconds) in [
        ("line-duration-shortest", "A duration of one second.", "1"),
        ("line-duration-longest", "A duration of 365 days.", "31536000"),
    ] {
        let text = with(&request, "3600", seconds);
        vectors.push(Vector::line(name, about, "ok request", &line(&bob, &text)));
    }
    let text_1024 = format!("\"reason\":\"{}\"", "\\\"".repeat(1024));
    let longest = line(&bob, &with(&request, reason, &text_1024));
    vectors.push(Vector::line("line-text-longest", "A reason of 1024 bytes, escapes undone.", "ok request", &longest));
    vectors
}

/// One breach of the form of a genesis each.
fn founders() -> Vec<Vector> {
    let log = Log::new(&["alice", "bob"], 2);
    let genesis = body(log.line(0));
    let (alice, bob) = (key("alice").openssh(), key("bob").openssh());
    let weak = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let same_point = key("alice").with_application("ssh:").openssh();
    let commented = format!("{bob} bob@laptop");
    let maintainers = {
        let (start, end) = (genesis.find("[{").expect("a list"), genesis.find("}]").expect("its end"));
        genesis.get(start..end + 2).expect("a list").to_owned()
    };
    let cases = [
        ("genesis-names-equal", "One maintainer twice.", "\"name\":\"bob\"", "\"name\":\"alice\""),
        ("genesis-keys-equal", "One key for two maintainers.", bob.as_str(), alice.as_str()),
        ("genesis-points-equal", "One point as two kinds of key.", &bob, &same_point),
        ("genesis-weak-key", "The neutral point for a key.", &bob, weak),
        ("genesis-key-comment", "A key with a comment.", &bob, &commented),
        ("genesis-rsa-key", "A key of another kind.", &bob, "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAAQM="),
        ("genesis-threshold-zero", "Nobody has to agree.", "\"threshold\":2", "\"threshold\":0"),
        ("genesis-threshold-too-large", "More must agree than there are.", "\"threshold\":2", "\"threshold\":3"),
        ("genesis-no-maintainers", "Nobody maintains it.", &maintainers, "[]"),
    ];
    let signer = key("alice");
    cases.map(|(name, about, from, to)| broken(name, about, &signer, &genesis, from, to)).to_vec()
}

/// What breaks the line around a body that is good.
fn frames() -> Vec<Vector> {
    let bob = key("bob");
    let request = request_body();
    let good = line(&bob, &request);
    let text = String::from_utf8(good.clone()).expect("a line is text");
    let at = text.find("INC").expect("the reason is there");
    let put = |bytes: &[u8]| [good.get(..at), Some(bytes), good.get(at..)].map(|part| part.expect("a part")).concat();
    let padded = |len: usize| {
        let mut log = Log::new(&["alice"], 1);
        let rest = |pad: usize| format!(",\"pad\":\"{}\"", "a".repeat(pad));
        log.unknown("alice", 1, "review", &rest(0));
        let pad = len - last(&log).len();
        let mut log = Log::new(&["alice"], 1);
        log.unknown("alice", 1, "review", &rest(pad));
        assert_eq!(last(&log).len(), len);
        last(&log).to_vec()
    };
    let sig = text.find(",\"sig\"").expect("the signature is there");
    let cases: [(&str, &str, Vec<u8>); 14] = [
        ("line-empty", "An empty line.", Vec::new()),
        ("line-garbage", "No line at all.", b"hello".to_vec()),
        ("line-too-long", "A line of 16,385 bytes.", padded(MAX_LINE_LEN + 1)),
        ("line-trailing-space", "A space at the end.", [good.as_slice(), b" "].concat()),
        ("line-trailing-cr", "A CR at the end.", [good.as_slice(), b"\r"].concat()),
        ("line-byte-order-mark", "A byte order mark first.", ["\u{feff}".as_bytes(), &good].concat()),
        ("line-invalid-utf8", "A byte that starts no character.", put(b"\xff")),
        ("line-overlong-utf8", "A slash in two bytes.", put(b"\xc0\xaf")),
        ("line-lone-surrogate", "A lone surrogate.", put(b"\xed\xa0\x80")),
        ("line-surrogate-pair", "A pair of surrogates, as CESU-8 has it.", put(b"\xed\xa0\xbd\xed\xb8\x80")),
        ("line-frame-space", "A space before the signature.", with(&text, ",\"sig\":", ", \"sig\":").into_bytes()),
        (
            "line-frame-extra",
            "A field beside body and signature.",
            with(&text, ",\"sig\":", ",\"x\":1,\"sig\":").into_bytes(),
        ),
        (
            "line-frame-order",
            "The signature before the body.",
            format!("{{{},{}}}", &text[sig + 1..text.len() - 1], &text[1..sig]).into_bytes(),
        ),
        ("line-frame-no-signature", "No signature.", format!("{}}}", &text[..sig]).into_bytes()),
    ];
    let mut vectors: Vec<Vector> =
        cases.iter().map(|(name, about, line)| Vector::line(name, about, "malformed", line)).collect();
    vectors.push(Vector::line("line-longest", "A line of 16,384 bytes.", "ok review", &padded(MAX_LINE_LEN)));
    let other = Log::new(&["alice"], 1);
    let borrowed = jit::core::statement::Line::parse(other.line(0)).expect("a genesis is a line");
    let borrowed = text.replacen(&text[sig + 8..text.len() - 2], &borrowed.signature().to_base64(), 1);
    vectors.push(Vector::line(
        "line-borrowed-signature",
        "The signature of another line.",
        "bad-signature",
        borrowed.as_bytes(),
    ));
    let changed = with(&text, "INC-7", "INC-8");
    vectors.push(Vector::line(
        "line-changed-byte",
        "One byte of the body changed.",
        "bad-signature",
        changed.as_bytes(),
    ));
    vectors
}
