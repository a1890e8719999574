//! Tokens that somebody found, changed, or put together from the public log.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::forge::{BRANCH, Head, approval_fields, hex, merkle_root, request_fields, segments};
use crate::lab::{Lab, Said, feed};

fn token(lines: &[&str]) -> String {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    format!("jit1.{}", URL_SAFE_NO_PAD.encode(text))
}

fn lines_of(token: &str) -> Vec<String> {
    let bytes = URL_SAFE_NO_PAD.decode(token.trim_end().strip_prefix("jit1.").unwrap()).unwrap();
    String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
}

/// Asks the gate with a token on standard input.
fn present(lab: &Lab, token: &str, args: &[&str]) -> Said {
    let args = [&["check", "--token", "-", "--json"], args].concat();
    feed(&mut lab.jit_command("mallory", &args), token.as_bytes()).into()
}

const ORDERS: [&str; 2] = ["db/prod/orders", "read"];

/// A presentation by hand.
fn presentation(lab: &Lab, key: &str, head: &Head, of: &str, audience: &str, expires: &str) -> String {
    let fields = format!("\"of\":\"{of}\",\"audience\":{audience},\"expires\":\"{expires}\"");
    lab.sign(key, &head.body("presentation", &fields))
}

/// The log's line with this id.
fn logged(lab: &Lab, id: &str) -> String {
    let lines = lab.lines().into_iter().map(|line| String::from_utf8(line).unwrap());
    lines.into_iter().find(|line| crate::forge::id(line) == id).unwrap()
}

#[test]
fn every_changed_byte_of_a_token() {
    let lab = Lab::new();
    let said = lab.jit("carol", &["request", "db/prod/orders", "read", "--token"]).exits(0);
    let good = said.stdout.trim_end().to_owned();
    assert!(good.starts_with("jit1.") && !said.stderr.contains("jit1."));
    present(&lab, &good, &ORDERS).exits(0);
    let codes = ["malformed", "bad-signature", "not-logged", "wrong-log", "wrong-key", "unknown-subject"];
    let refused = |token: &str| {
        let said = present(&lab, token, &ORDERS).exits(1);
        assert!(said.codes().iter().all(|code| codes.contains(&&**code)), "{said:?}");
        assert!(!said.stdout.contains(&token[5..60]) && !said.stderr.contains(&token[5..60]), "it is echoed: {said:?}");
    };
    // Every prefix byte, and every 17th after it, so that all places of a base64 group are met.
    for place in (0..5).chain((5..good.len()).step_by(17)).chain([good.len() - 1]) {
        let mut bytes = good.clone().into_bytes();
        bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
        refused(&String::from_utf8(bytes).unwrap());
    }
    for cut in [good.len() - 1, good.len() - 2, good.len() / 2] {
        refused(&good[..cut]);
    }
    refused(&format!("{good}A"));
    refused(&format!("{good}="));
    refused(&good.replacen("jit1.", "jit2.", 1));
    let lines = lines_of(&good);
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    refused(&token(&lines[..1]));
    refused(&token(&lines[1..]));
    refused(&token(&[lines[1], lines[0]]));
    refused(&token(&[lines[0], lines[0], lines[1]]));
    refused(&token(&[lines[0], lines[1], lines[1]]));
    refused(&token(&[lines[0], lines[1], ""]));
    refused(&token(&[lines[0], "", lines[1]]));
    refused(&format!("jit1.{}", URL_SAFE_NO_PAD.encode(format!("{}\n{}", lines[0], lines[1]))));
    refused(&format!("jit1.{}", URL_SAFE_NO_PAD.encode(format!("{}\r\n{}\r\n", lines[0], lines[1]))));
    assert_eq!(token(&lines), good, "the encoder of these tests makes the same");
    // A line end at its end, as files have, is no change.
    present(&lab, &format!("{good}\n"), &ORDERS).exits(0);
}

#[test]
fn a_token_put_together_from_the_public_log() {
    let lab = Lab::new();
    let id = lab.request("carol", &ORDERS, 0);
    let other = lab.request("dave", &ORDERS, 0);
    let (request, others) = (logged(&lab, &id), logged(&lab, &other));
    let soon = lab.time(600);
    let by = |key: &str, name: &str, of: &str| presentation(&lab, key, &lab.head(name), of, "null", &soon);
    let refused = |lines: &[&str], code: &str| present(&lab, &token(lines), &ORDERS).exits(1).because(code);
    present(&lab, &token(&[&request, &by("carol", "carol", &id)]), &ORDERS).exits(0);
    refused(&[&request, &by("mallory", "carol", &id)], "wrong-key");
    refused(&[&request, &by("mallory", "mallory", &id)], "unknown-subject");
    refused(&[&request, &by("dave", "dave", &id)], "wrong-key");
    refused(&[&request, &by("dave", "carol", &id)], "wrong-key");
    refused(&[&request, &by("carol", "carol", &other)], "malformed");
    refused(&[&others, &by("carol", "carol", &other)], "wrong-key");
    refused(&[&request, &by("carol", "carol", &id).replacen(&id, &other, 1)], "malformed");
    refused(&[&request, &by("carol", "carol", &id).replacen(&soon, &lab.time(9000), 1)], "bad-signature");
    // One that never was in the log, although carol signed it.
    let body = lab.head("carol").body("request", &request_fields(&lab.policy_id(), ORDERS[0], ORDERS[1], 600, ""));
    let unlogged = lab.sign("carol", &body);
    let of = crate::forge::id(&unlogged);
    refused(&[&unlogged, &by("carol", "carol", &of)], "not-logged");
    let early = Head { size: 1000, ..lab.head("carol") };
    refused(&[&request, &presentation(&lab, "carol", &early, &id, "null", &soon)], "not-logged");
    let forked = Head { root: "0".repeat(64), ..lab.head("carol") };
    refused(&[&request, &presentation(&lab, "carol", &forked, &id, "null", &soon)], "wrong-log");
    let lines = lab.lines();
    let blind = Head { size: 1, root: hex(&merkle_root(&lines[..1])), ..lab.head("carol") };
    refused(&[&request, &presentation(&lab, "carol", &blind, &id, "null", &soon)], "malformed");
}

#[test]
fn a_token_for_something_else() {
    let lab = Lab::new();
    let bind = format!("sha256:{}", "ab".repeat(32));
    let id = lab.request("carol", &[&ORDERS[..], &["--bind", &bind]].concat(), 0);
    let request = logged(&lab, &id);
    let soon = lab.time(600);
    let shown = |audience: &str, expires: &str| {
        token(&[&request, &presentation(&lab, "carol", &lab.head("carol"), &id, audience, expires)])
    };
    let good = shown("\"gate-1\"", &soon);
    let ask = |token: &str, args: &[&str]| present(&lab, token, args);
    let right = [&ORDERS[..], &["--bind", &bind, "--audience", "gate-1"]].concat();
    ask(&good, &right).exits(0);
    let other = bind.replace("ab", "cb");
    for (args, code) in [
        (vec!["db/prod/order", "read", "--bind", &bind, "--audience", "gate-1"], "wrong-resource"),
        (vec!["db/prod/orders/read", "read", "--bind", &bind, "--audience", "gate-1"], "wrong-resource"),
        (vec!["db/prod/orders", "write", "--bind", &bind, "--audience", "gate-1"], "wrong-action"),
        (vec!["db/prod/orders", "--bind", &bind, "--audience", "gate-1"], "wrong-action"),
        (vec!["db/prod/orders", "read", "--bind", &other, "--audience", "gate-1"], "wrong-bind"),
        (vec!["db/prod/orders", "read", "--audience", "gate-1"], "wrong-bind"),
        (vec!["db/prod/orders", "read", "--bind", &bind, "--audience", "gate-2"], "wrong-audience"),
        (vec!["db/prod/orders", "read", "--bind", &bind, "--audience", "Gate-1"], "wrong-audience"),
        (vec!["db/prod/orders", "read", "--bind", &bind, "--audience", ""], "wrong-audience"),
        (vec!["db/prod/orders", "read", "--bind", &bind], "wrong-audience"),
    ] {
        ask(&good, &args).exits(1).because(code);
    }
    ask(&shown("null", &soon), &right).exits(1).because("wrong-audience");
    ask(&shown("\"\"", &soon), &right).exits(1).because("wrong-audience");
    ask(&shown("\"gate-1\"", &lab.time(-1)), &right).exits(1).because("expired");
    ask(&shown("\"gate-1\"", "1970-01-01T00:00:00Z"), &right).exits(1).because("expired");
    // Of another log, with the same people in it.
    let other = lab.sibling();
    let there = other.request("carol", &ORDERS, 0);
    let there = other.jit("carol", &["token", &there]).exits(0).stdout;
    other.jit("mallory", &["audit", "verify"]).exits(0);
    present(&other, &there, &ORDERS).exits(0);
    present(&lab, &there, &ORDERS).exits(1).because("wrong-log");
    // Revoked, and then shown.
    lab.jit("carol", &["done", &id]).exits(0);
    ask(&good, &right).exits(1).because("revoked");
}

#[test]
fn a_token_of_a_grant_that_is_over() {
    let lab = Lab::new();
    let mut head = lab.head("carol");
    head.at = lab.time(-700);
    let fields = request_fields(&lab.policy_id(), ORDERS[0], ORDERS[1], 600, "");
    let id = lab.say("carol", &head, "request", &fields);
    lab.check("carol", ORDERS[0], ORDERS[1]).exits(1).because("expired");
    lab.jit("carol", &["token", &id]).exits(1).says("expired");
    let late = presentation(&lab, "carol", &lab.head("carol"), &id, "null", &lab.time(600));
    present(&lab, &token(&[&logged(&lab, &id), &late]), &ORDERS).exits(1).because("expired");
    // One that has not begun: a request dated ahead by more than clocks may differ.
    let mut head = lab.head("dave");
    head.at = lab.time(300);
    let id = lab.say("dave", &head, "request", &fields);
    lab.check("dave", ORDERS[0], ORDERS[1]).exits(1).because("not-yet-valid");
    let early = presentation(&lab, "dave", &lab.head("dave"), &id, "null", &lab.time(600));
    present(&lab, &token(&[&logged(&lab, &id), &early]), &ORDERS).exits(1).because("not-yet-valid");
}

#[test]
fn a_token_has_all_approvals_that_counted_and_no_others() {
    let lab = Lab::new();
    let id = lab.request("dave", &["vault/root", "open", "--for", "1h"], 3);
    lab.jit("carol", &["approve", &id, "--yes", "--for", "10m"]).exits(0);
    lab.jit("bob", &["approve", &id, "--yes"]).exits(0);
    lab.say("alice", &lab.head("alice"), "approval", &approval_fields(&id, "approve", "null", ""));
    let made = lab.jit("dave", &["token", &id]).exits(0).stdout;
    let lines = lines_of(&made);
    let [request, narrow, wide, shown] = lines.iter().map(String::as_str).collect::<Vec<_>>()[..] else {
        panic!("{lines:?}");
    };
    let vault = ["vault/root", "open"];
    present(&lab, &token(&[request, narrow, wide, shown]), &vault).exits(0);
    let all = lab.lines();
    let without_effect = std::str::from_utf8(all.last().unwrap()).unwrap();
    for left in [
        &[request, wide, shown][..],
        &[request, narrow, shown],
        &[request, shown],
        &[request, wide, narrow, shown],
        &[request, narrow, narrow, wide, shown],
        &[request, narrow, wide, without_effect, shown],
    ] {
        present(&lab, &token(left), &vault).exits(1).because("not-logged");
    }
}

#[test]
fn a_token_is_taken_where_others_can_not_read_it() {
    let lab = Lab::new();
    let made = lab.jit("carol", &["request", "db/prod/orders", "read", "--token"]).exits(0).stdout;
    let secret = made.trim_end();
    let file = lab.path("elsewhere/token");
    fs::write(&file, secret).unwrap();
    let named = file.to_str().unwrap();
    let never_echoed = |said: Said| {
        assert!(!said.stdout.contains(&secret[..40]) && !said.stderr.contains(&secret[..40]), "it is echoed: {said:?}");
        said
    };
    // In argv every process on the machine can read it; do not repeat it in a CI job's output as well.
    for args in [
        &["check", "db/prod/orders", "read", "--token", secret][..],
        &["check", "db/prod/orders", "read", &format!("--token={secret}")],
        &["check", "db/prod/orders", "read", secret],
        &["check", "db/prod/orders", secret],
        &["check", secret],
        &["check", "db/prod/orders", "read", "--tokn", secret],
        &["check", "db/prod/orders", "read", "--subject", secret],
        &["check", "db/prod/orders", "read", "--token-file", secret],
        &["check", "db/prod/orders", "read", "--ssh-key", secret],
        &["check", "db/prod/orders", "read", "--audience", "x", "--max-age", secret],
        &[secret],
    ] {
        let said = never_echoed(lab.jit("mallory", args));
        assert!(matches!(said.code, Some(2 | 5)), "{args:?}: {said:?}");
        let said = never_echoed(lab.jit("mallory", &[args, &["--json"]].concat()));
        assert!(matches!(said.code, Some(2 | 5)), "{args:?}: {said:?}");
    }
    let ask = |args: &[&str]| lab.jit("mallory", &[&["check", "db/prod/orders", "read"], args].concat());
    for mode in [0o644, 0o640, 0o604, 0o666] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let said = ask(&["--token-file", named]).exits(5).says("others can read").says("chmod 600");
        never_echoed(said);
    }
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    ask(&["--token-file", named]).exits(0);
    for nothing in [lab.path("elsewhere/none"), lab.path("elsewhere")] {
        ask(&["--token-file", nothing.to_str().unwrap()]).exits(5);
    }
    // A pipe that nobody writes to does not hold the gate for ever.
    let pipe = lab.path("elsewhere/pipe");
    lab.run("mkfifo", &["-m", "600", pipe.to_str().unwrap()], b"");
    ask(&["--token-file", pipe.to_str().unwrap()]).exits(5);
    let large = lab.path("elsewhere/large");
    fs::write(&large, format!("jit1.{}", "A".repeat(70_000))).unwrap();
    fs::set_permissions(&large, fs::Permissions::from_mode(0o600)).unwrap();
    let said = ask(&["--token-file", large.to_str().unwrap(), "--json"]).exits(1).because("malformed");
    assert!(!said.stderr.contains("chmod"), "{said:?}");
    present(&lab, &format!("jit1.{}", "A".repeat(1 << 20)), &ORDERS).exits(1).because("malformed");
    for nothing in ["", "\n", "jit1.", " ", "\0"] {
        present(&lab, nothing, &ORDERS).exits(1).because("malformed");
    }
    let not_text = feed(
        &mut lab.jit_command("mallory", &["check", "db/prod/orders", "read", "--token", "-", "--json"]),
        b"\xff\xfe",
    );
    Said::from(not_text).exits(1).because("malformed");
    // The environment counts only where nothing else is named.
    let with = |value: &str, args: &[&str]| {
        let args = [&["check", "db/prod/orders", "read", "--json"], args].concat();
        Said::from(lab.jit_command("mallory", &args).env("JIT_TOKEN", value).output().unwrap())
    };
    with(secret, &[]).exits(0);
    // Empty is as if not set: the caller asks for themselves.
    with("", &[]).exits(1).because("unknown-subject");
    with("jit1.x", &[]).exits(1).because("malformed");
    let not_text = |lab: &Lab| {
        let mut command = lab.jit_command("mallory", &["check", "db/prod/orders", "read", "--json"]);
        let value = std::ffi::OsStr::from_bytes(b"jit1.\xff");
        Said::from(command.env("JIT_TOKEN", value).output().unwrap())
    };
    not_text(&lab).exits(1).because("malformed");
    with("jit1.x", &["--token-file", named]).exits(0);
    with(secret, &["--subject", "dave"]).exits(1).because("no-grant");
    with(secret, &["--token-file", named, "--subject", "carol"]).exits(2);
    // Two at once are no way to choose the better one.
    ask(&["--token", "-", "--token-file", named]).exits(2);
    // No command shows a token unasked.
    let said = lab.jit("carol", &["request", "db/prod/orders", "read"]).exits(0);
    assert!(!said.stdout.contains("jit1.") && !said.stderr.contains("jit1."));
    // A gate that can't trust its log says so first, whatever is wrong with the token.
    lab.commit(BRANCH, &[], &segments(&[b"no genesis".to_vec()], 0), &[]);
    present(&lab, &format!("jit1.{}", "A".repeat(1 << 20)), &ORDERS).exits(4);
    ask(&["--token-file", large.to_str().unwrap(), "--json"]).exits(4);
    not_text(&lab).exits(4);
    with("jit1.x", &[]).exits(4);
}
