//! Tokens: what their carrier may do with them, and what nobody may.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jit::core::hash::Hash;
use jit::core::statement::{Revocation, What};

use crate::file::Vector;
use crate::logs::{ORDERS, org, start};
use crate::support::keys::{key, key2};
use crate::support::log::{Log, TokenParts, bound, line, parse, t, token_of};

/// A log with a grant of bob's to drop the orders, approved by two.
fn granted() -> (Log, Hash) {
    let mut log = start();
    let id = log.request("bob", ORDERS, "drop", "1h", "INC-7");
    log.approve_for("carol", id, "50m");
    log.approve("dave", id);
    (log, id)
}

pub(crate) fn vectors() -> Vec<Vector> {
    [asked(), spoiled(), spelled(), later()].concat()
}

/// `token TEXT RESOURCE ACTION BIND AUDIENCE at TIME`
fn question(token: &str, rest: &str, now: impl ToString) -> String {
    format!("token {token} {rest} at {}", now.to_string())
}

const DROP: &str = "db/prod/orders drop - -";

/// A good token, and other questions than it answers.
fn asked() -> Vec<Vector> {
    let (log, id) = granted();
    let ci = |parts: &mut TokenParts| parts.audience = Some("ci".to_owned());
    let short = |parts: &mut TokenParts| parts.expires = t(60);
    let plain = log.token(id);
    let (named, brief) = (log.token_with(id, ci), log.token_with(id, short));
    let mut bound_log = start();
    let bound_id = bound_log.bind(bound("build 7")).request("bob", ORDERS, "read", "1h", "");
    let bound_token = bound_log.token(bound_id);
    let bound_to = |text: &str| format!("db/prod/orders read {} -", bound(text));
    let cases = [
        ("token-granted", "A token opens what it is for.", "allow granted", &log, &plain, DROP.to_owned(), log.now()),
        (
            "token-last-second",
            "In the last second of its grant.",
            "allow granted",
            &log,
            &plain,
            DROP.to_owned(),
            t(2 + 3001),
        ),
        ("token-expired", "Its grant is over.", "deny expired", &log, &plain, DROP.to_owned(), t(2 + 3002)),
        (
            "token-presentation-live",
            "A presentation that ends sooner.",
            "allow granted",
            &log,
            &brief,
            DROP.to_owned(),
            t(59),
        ),
        (
            "token-presentation-expired",
            "Its presentation is over.",
            "deny expired",
            &log,
            &brief,
            DROP.to_owned(),
            t(60),
        ),
        (
            "token-wrong-resource",
            "For another resource.",
            "deny wrong-resource",
            &log,
            &plain,
            "db/prod/items drop - -".to_owned(),
            log.now(),
        ),
        (
            "token-wrong-action",
            "For another action.",
            "deny wrong-action",
            &log,
            &plain,
            "db/prod/orders read - -".to_owned(),
            log.now(),
        ),
        (
            "token-wrong-everything",
            "All that is wrong is said.",
            "deny expired wrong-action wrong-audience wrong-bind wrong-resource",
            &log,
            &plain,
            format!("db/prod/items read {} ci", bound("build 7")),
            t(7200),
        ),
        (
            "token-audience",
            "For the gate that asks.",
            "allow granted",
            &log,
            &named,
            format!("{DROP}ci").replace("-ci", "ci"),
            log.now(),
        ),
        (
            "token-wrong-audience",
            "For another gate.",
            "deny wrong-audience",
            &log,
            &named,
            format!("{DROP}cd").replace("-cd", "cd"),
            log.now(),
        ),
        (
            "token-audience-missing",
            "The gate has no name.",
            "deny wrong-audience",
            &log,
            &named,
            DROP.to_owned(),
            log.now(),
        ),
        (
            "token-audience-unasked",
            "The token names no gate.",
            "deny wrong-audience",
            &log,
            &plain,
            format!("{DROP}ci").replace("-ci", "ci"),
            log.now(),
        ),
        (
            "token-bound",
            "Bound to what the gate knows.",
            "allow granted",
            &bound_log,
            &bound_token,
            bound_to("build 7"),
            bound_log.now(),
        ),
        (
            "token-wrong-bind",
            "Bound to something else.",
            "deny wrong-bind",
            &bound_log,
            &bound_token,
            bound_to("build 8"),
            bound_log.now(),
        ),
        (
            "token-bind-unasked",
            "Bound, and the gate knows of nothing.",
            "deny wrong-bind",
            &bound_log,
            &bound_token,
            "db/prod/orders read - -".to_owned(),
            bound_log.now(),
        ),
        (
            "token-bind-missing",
            "Bound to nothing.",
            "deny wrong-bind",
            &log,
            &plain,
            format!("db/prod/orders drop {} -", bound("build 7")),
            log.now(),
        ),
    ];
    cases
        .iter()
        .map(|(name, about, expect, log, token, rest, now)| {
            Vector::log(name, about, expect, log).check(log, &question(token, rest, now))
        })
        .collect()
}

/// Tokens whose lines are not what they should be.
fn spoiled() -> Vec<Vector> {
    let (mut log, id) = granted();
    let other = log.request("bob", ORDERS, "drop", "1h", "another");
    let read = log.request("bob", ORDERS, "read", "1h", "");
    log.approve("carol", other);
    let carols = log.line(log.size() - 1).to_vec();
    let elsewhere = Log::new(&["alice", "bob"], 1).genesis();
    let case = |name: &str, about: &str, expect: &str, change: &dyn Fn(&mut TokenParts)| {
        let token = log.token_with(id, change);
        Vector::log(name, about, expect, &log).check(&log, &question(&token, DROP, log.now()))
    };
    let raw = |name: &str, about: &str, expect: &str, lines: &[Vec<u8>]| {
        Vector::log(name, about, expect, &log).check(&log, &question(&token_of(lines), DROP, log.now()))
    };
    let lines = |range: std::ops::Range<u64>| range.map(|index| log.line(index).to_vec()).collect::<Vec<_>>();
    vec![
        case("token-without-approval", "A counted approval is left out.", "deny not-logged", &|parts| {
            parts.lines.remove(1);
        }),
        case("token-without-approvals", "All of them are.", "deny not-logged", &|parts| parts.lines.truncate(1)),
        case("token-approval-order", "They stand in another order.", "deny not-logged", &|parts| {
            parts.lines.swap(1, 2)
        }),
        case("token-approval-twice", "One of them stands twice.", "deny not-logged", &|parts| {
            parts.lines.push(parts.lines.last().cloned().unwrap_or_default());
        }),
        case("token-approval-of-another", "An approval of another request.", "deny not-logged", &|parts| {
            parts.lines.push(carols.clone());
        }),
        case("token-by-another", "Presented by someone else, from the public log.", "deny wrong-key", &|parts| {
            parts.key = key("erin");
            parts.statement.by = parse("erin");
        }),
        case(
            "token-in-anothers-name",
            "Presented in the subject's name by another's key.",
            "deny wrong-key",
            &|parts| {
                parts.key = key("erin");
            },
        ),
        case("token-by-old-key", "Presented by a key that is not the subject's.", "deny wrong-key", &|parts| {
            parts.key = key2("bob");
        }),
        case("token-by-nobody", "Presented by nobody who is known.", "deny unknown-subject", &|parts| {
            parts.key = key("mallory");
            parts.statement.by = parse("mallory");
        }),
        case("token-other-grant", "Presents another grant than it holds.", "deny malformed", &|parts| parts.of = read),
        case("token-presentation-of-another-log", "Presented for another log.", "deny wrong-log", &|parts| {
            parts.statement.log = elsewhere;
        }),
        case("token-presentation-of-a-fork", "Presented by someone who saw other lines.", "deny wrong-log", &|parts| {
            parts.statement.seen.root = Hash([7; 32]);
        }),
        case("token-presentation-from-ahead", "Presented by someone who saw more.", "deny not-logged", &|parts| {
            parts.statement.seen.size += 1;
        }),
        case(
            "token-presentation-too-early",
            "Presented by someone who can't have seen it.",
            "deny malformed",
            &|parts| {
                let seen = 2;
                parts.statement.seen.size = seen;
                parts.statement.seen.root = root_at(seen);
            },
        ),
        case("token-changed-request", "The request is signed for longer.", "deny not-logged", &|parts| {
            let request = parts.lines.first().expect("the request").clone();
            let body = jit::core::statement::Line::parse(&request).expect("a line").body_text().to_owned();
            let longer = line(&key("bob"), &body.replace("\"duration\":3600", "\"duration\":36000"));
            parts.of = jit::core::statement::Line::parse(&longer).expect("a line").id();
            parts.lines = vec![longer];
        }),
        case("token-bad-signature", "A byte of the request is changed.", "deny bad-signature", &|parts| {
            let approval = String::from_utf8(parts.lines.remove(1)).expect("a line is text");
            parts.lines.insert(1, approval.replace("\"duration\":3000", "\"duration\":3600").into_bytes());
        }),
        case("token-no-presentation", "Something else for the presentation.", "deny malformed", &|parts| {
            let statement = jit::core::statement::Statement {
                what: What::Revocation(Revocation { of: parts.of, reason: String::new() }),
                ..parts.statement.clone()
            };
            let body = jit::core::statement::encode(&jit::core::statement::Body::Statement(statement));
            parts.last = Some(line(&parts.key, &body));
        }),
        raw("token-lines-of-the-log", "The log's lines alone.", "deny malformed", &lines(2..5)),
        raw("token-nothing", "No line at all.", "deny malformed", &[]),
        {
            let (mut ahead, id) = granted();
            let later = ahead.request("bob", ORDERS, "read", "1h", "");
            let token = ahead.token(later);
            let (behind, _) = granted();
            let _ = id;
            Vector::log("token-not-logged", "Its request is not in this log yet.", "deny not-logged", &behind)
                .check(&behind, &question(&token, "db/prod/orders read - -", behind.now()))
        },
        {
            let mut other = Log::new(&["carol"], 1);
            other.policy("carol", &org().maintainers("carol", 1));
            let id = other.request("bob", ORDERS, "read", "1h", "");
            let token = other.token(id);
            Vector::log("token-wrong-log", "Of another log.", "deny wrong-log", &log)
                .check(&log, &question(&token, "db/prod/orders read - -", log.now()))
        },
    ]
}

/// The root of the first lines of [`granted`]'s log.
fn root_at(size: u64) -> Hash {
    use jit::core::view::ViewExt as _;
    granted().0.view().root_at(size).expect("the log is longer")
}

/// Spellings of a token.
fn spelled() -> Vec<Vector> {
    let (log, id) = granted();
    let good = log.token(id);
    let bytes = URL_SAFE_NO_PAD.decode(good.strip_prefix("jit1.").expect("a token")).expect("a token");
    let packed = |bytes: &[u8]| format!("jit1.{}", URL_SAFE_NO_PAD.encode(bytes));
    let crlf: Vec<u8> =
        bytes.iter().flat_map(|byte| if *byte == b'\n' { vec![b'\r', b'\n'] } else { vec![*byte] }).collect();
    let ended = bytes.strip_suffix(b"\n").expect("a token ends so");
    let cases = [
        ("token-other-prefix", "Of another version.", good.replace("jit1.", "jit2.")),
        ("token-no-prefix", "Without its start.", good.replace("jit1.", "")),
        ("token-padded", "Base64 with padding.", format!("{good}=")),
        ("token-standard-alphabet", "A digit of the other alphabet.", format!("{}+", &good[..good.len() - 1])),
        ("token-cut", "Cut short by a character.", good[..good.len() - 1].to_owned()),
        ("token-too-long", "Over 64 KiB.", format!("jit1.{}", "A".repeat(64 * 1024))),
        ("token-no-last-line-feed", "The last line has no end.", packed(ended)),
        ("token-empty-last-line", "An empty line at the end.", packed(&[bytes.as_slice(), b"\n"].concat())),
        ("token-crlf", "CR LF for LF.", packed(&crlf)),
    ];
    cases
        .iter()
        .map(|(name, about, token)| {
            let (name, about) = (*name, *about);
            Vector::log(name, about, "deny malformed", &log).check(&log, &question(token, DROP, log.now()))
        })
        .collect()
}

/// A good token, and what was said since.
fn later() -> Vec<Vector> {
    let case = |name: &str, about: &str, expect: &str, said: &dyn Fn(&mut Log, Hash)| {
        let (mut log, id) = granted();
        let token = log.token(id);
        said(&mut log, id);
        Vector::log(name, about, expect, &log).check(&log, &question(&token, DROP, log.now()))
    };
    vec![
        case("token-revoked", "Its grant was revoked.", "deny revoked", &|log, id| {
            log.revoke("carol", id);
        }),
        case("token-locked-down", "Its subject was locked down.", "deny lockdown", &|log, _| {
            log.lockdown("dave", "bob", "**");
        }),
        case("token-key-removed", "Its subject's key is gone.", "deny wrong-key", &|log, _| {
            log.policy("alice", &org().keys("bob", &[key2("bob")]));
        }),
        case("token-subject-removed", "Its subject is gone.", "deny unknown-subject", &|log, _| {
            let rest = Org::new(&["alice"], 1);
            log.policy("alice", &rest);
        }),
        case("token-approver-removed", "An approver left: what was approved stays.", "allow granted", &|log, _| {
            log.policy("alice", &org().keys("carol", &[key2("carol")]));
        }),
    ]
}

use crate::support::org::Org;
