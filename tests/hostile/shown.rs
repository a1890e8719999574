//! What a terminal is made to show of text that others wrote.

use crate::forge::{approval_fields, request_fields};
use crate::lab::{Files, Lab, Said};

/// Whatever moves the cursor, turns the direction of writing, or can't be seen.
const HIDDEN: [char; 12] = [
    '\u{1b}',
    '\r',
    '\u{8}',
    '\u{202e}',
    '\u{202d}',
    '\u{2066}',
    '\u{2069}',
    '\u{200b}',
    '\u{200d}',
    '\u{feff}',
    '\u{ad}',
    '\u{e0041}',
];
/// What a body may hold of it, and a formula in front.
const NASTY: &str = "=cmd|'/c calc'!A1 \u{202e}live si siht\u{202c} \u{2066}x\u{2069} a\u{200b}b\u{feff}c\u{ad}d \u{e0041}e 'f' \\\"g\\\" `h`";

#[track_caller]
fn assert_plain(said: &Said, what: &str) {
    for text in [&said.stdout, &said.stderr] {
        assert!(!text.contains(HIDDEN), "{what} shows what it must not: {text:?}");
    }
}

#[test]
fn every_command_escapes_what_others_wrote() {
    let lab = Lab::new();
    let nasty_request = |who: &str, resource: &str, action: &str, seconds| {
        let fields = request_fields(&lab.policy_id(), resource, action, seconds, NASTY);
        lab.say(who, &lab.head(who), "request", &fields)
    };
    let granted = nasty_request("carol", "db/prod/orders", "read", 600);
    let waiting = nasty_request("dave", "ssh/prod/web-1", "access", 600);
    let denied = nasty_request("dave", "ssh/prod/web-2", "access", 600);
    let other = nasty_request("dave", "ssh/prod/web-3", "access", 600);
    let quorum = nasty_request("dave", "vault/x", "open", 600);
    let said_no = lab.say("carol", &lab.head("carol"), "approval", &approval_fields(&denied, "deny", "null", NASTY));
    let said_yes =
        lab.say("carol", &lab.head("carol"), "approval", &approval_fields(&quorum, "approve", "null", NASTY));
    let revoked = nasty_request("dave", "db/prod/orders", "read", 600);
    let fields = |of: &str| format!("\"of\":\"{of}\",\"reason\":\"{NASTY}\"");
    let revocation = lab.say("rita", &lab.head("rita"), "revocation", &fields(&revoked));
    let locked = format!("\"subjects\":[\"robot\"],\"resources\":[\"**\"],\"reason\":\"{NASTY}\"");
    let lockdown = lab.say("rita", &lab.head("rita"), "lockdown", &locked);
    let presented = format!("\"of\":\"{granted}\",\"audience\":\"{NASTY}\",\"expires\":\"{}\"", lab.time(60));
    let head = lab.head("carol");
    lab.push(&[
        lab.sign("carol", &head.body("presentation", &presented)).into_bytes(),
        lab.sign("carol", &head.body("use", &format!("\"what\":\"{NASTY}\""))).into_bytes(),
        b"\x1b[2J\x1b]0;title\x07 garbage \xe2\x80\xae".to_vec(),
        "{\"body\":{\"v\":1,\"type\":\"request\u{202e}\u{1b}[31m\"".as_bytes().to_vec(),
    ]);
    let shown = |who: &str, args: &[&str], code: i32| {
        let said = lab.jit(who, args).exits(code);
        assert_plain(&said, &format!("{args:?}"));
        said
    };
    shown("bob", &["list"], 0).says("\\u{202e}");
    for args in [&["list", "--all"][..], &["list", "--pending"], &["list", "--active"], &["audit", "log"]] {
        shown("bob", args, 0).says("\\u{202e}");
    }
    shown("carol", &["list", "--mine", "--color", "never"], 0);
    for id in [&granted, &waiting, &denied, &quorum, &said_no, &said_yes, &revoked, &revocation, &lockdown] {
        shown("bob", &["show", id], 0).says("\\u{202e}");
        shown("bob", &["show", id, "-v"], 0).says("\\u{202e}");
    }
    for args in [&["audit", "verify"][..], &["whoami"], &["policy", "status"], &["audit", "verify", "--verbose"]] {
        shown("bob", args, 0);
    }
    shown("mallory", &["check", "db/prod/orders", "read", "--subject", "carol"], 0);
    shown("mallory", &["check", "db/prod/orders", "read", "--subject", "dave"], 1);
    shown("mallory", &["check", "ssh/prod/web-2", "--subject", "dave"], 1);
    // Escaped on a terminal, and as it is for other programs: JSON and CSV.
    let csv = shown("bob", &["audit", "export", "--format", "csv"], 0).says("\\u{202e}");
    for cell in csv.stdout.lines().flat_map(|row| row.split(',')) {
        assert!(!cell.trim_start_matches('"').starts_with(['=', '+', '@']), "a formula: {cell}");
    }
    // What people look at before they sign.
    shown("bob", &["approve", &waiting, "--yes", "--comment", "a\u{202e}b"], 0).says("\\u{202e}");
    shown("bob", &["deny", &other, "--yes", "--comment", "a\u{202e}b"], 0).says("\\u{202e}");
    shown("bob", &["approve", &quorum, "--yes"], 0).says("\\u{202e}");
    shown("alice", &["lift", &lockdown, "--reason", "a\u{202e}b", "--yes"], 0).says("\\u{202e}");
    shown("rita", &["lockdown", "--subject", "robot", "--reason", "a\u{202e}b", "--yes"], 0);
    shown("rita", &["revoke", &granted, "--reason", "a\u{202e}b"], 0);
    shown("carol", &["request", "db/prod/orders", "read", "--reason", "a\u{202e}b"], 0);
    shown("carol", &["request", "db/prod/orders", "read", "--reason", "a\u{202e}b", "--dry-run"], 0);
    // The history that git shows holds none of it either.
    let history = lab.git(&["log", "--format=%an %ae %s %b", "jit/audit"]);
    assert!(!history.contains(HIDDEN), "{history:?}");
}

#[test]
fn json_is_one_object_whatever_others_wrote() {
    let lab = Lab::new();
    let fields = request_fields(&lab.policy_id(), "db/prod/orders", "read", 600, NASTY);
    let id = lab.say("carol", &lab.head("carol"), "request", &fields);
    lab.push(&[b"\x1b[2J \xff"]);
    let text = NASTY.replace("\\\"", "\"");
    assert_eq!(lab.check("carol", "db/prod/orders", "read").exits(0).json()["grant"]["reason"], text);
    assert_eq!(lab.jit("bob", &["show", &id, "--json"]).exits(0).json()["request"]["reason"], text);
    for args in [
        &["list", "--all", "--json"][..],
        &["audit", "log", "--json"],
        &["audit", "verify", "--json"],
        &["policy", "status", "--json"],
        &["whoami", "--json"],
        &["show", "ffff", "--json"],
        &["show", "x", "--json"],
        &["revoke", &id, "--reason", "a\u{1b}b", "--json"],
    ] {
        let said = lab.jit("bob", args);
        assert!(said.json().is_object(), "{said:?}");
        assert_eq!(said.stdout.lines().count(), 1, "{said:?}");
    }
}

#[test]
fn a_policy_that_writes_to_the_terminal_of_who_approves_it() {
    let lab = Lab::with_two_maintainers();
    let files = lab.files("\"alice\", \"bob\"", 2);
    let nasty: Files = files
        .iter()
        .map(|(path, text)| (path.clone(), format!("# \u{202e}\u{2066}\u{200b} nothing to see\n{text}")))
        .collect();
    let id = lab.say_policy("alice", &lab.head("alice"), 2, 1, &nasty);
    let said = lab.jit("bob", &["approve", &id]).exits(2).says("\\u{202e}");
    assert_plain(&said, "approve");
    let escapes: Files = files
        .iter()
        .map(|(path, text)| {
            (path.clone(), format!("# \u{1b}[2J\u{1b}[1;1H\u{8}\n{text}\n[rule.\"\u{202e}\u{1b}\"]\nx = 1\r2\n"))
        })
        .collect();
    let broken = lab.say_policy("alice", &lab.head("alice"), 2, 1, &escapes);
    let said = lab.jit("bob", &["approve", &broken, "--yes"]).exits(0).says("DOES NOT LOAD").says("\\u{1b}");
    assert_plain(&said, "approve");
    let said = lab.jit("bob", &["policy", "status"]).exits(4);
    assert_plain(&said, "status");
    let said = lab.jit("bob", &["check", "db/prod/orders", "read", "--subject", "carol"]).exits(4);
    assert_plain(&said, "check");
    lab.commit_policy(&escapes);
    for args in [&["policy", "lint"][..], &["policy", "publish", "--yes"]] {
        let said = lab.jit("alice", args).exits(1);
        assert_plain(&said, "lint");
    }
}
