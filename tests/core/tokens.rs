//! Claims 2 and 3: a token proves a grant that stands in the log, to one gate, while its subject's key is theirs. Nobody
//! makes one from the public log.

use chrono::TimeDelta;
use jit::core::decide::Shown;
use jit::core::hash::Hash;
use jit::core::statement::{Checkpoint, What};
use jit::core::time::Timestamp;
use jit::core::view::{View as _, ViewExt as _};

use crate::support::keys::{key, key2, security_key};
use crate::support::log::{Log, TokenParts, body_of, bound, line, lines_of, parse, token_of};
use crate::support::org::Org;

fn org() -> Org {
    Org::new(&["alice"], 1)
        .people("bob carol dave erin")
        .keys("bob", &[key("bob"), key2("bob"), security_key("bob")])
        .keys("carol", &[key("carol"), key2("carol")])
        .allow_if(
            "r",
            "bob erin",
            "db/**",
            "read write",
            "4h",
            r#"approvals = [{ from = ["carol", "dave"], count = 2 }]"#,
        )
        .allow("free", "bob", "web/*", "access", "4h")
}

struct Scene {
    log: Log,
    org: Org,
    /// Bob's, approved by carol and dave, for an hour.
    id: Hash,
    /// Bob's for something else, approved by the same.
    other: Hash,
    /// Bob's, approved by carol alone.
    waiting: Hash,
}

fn scene() -> Scene {
    let mut log = Log::new(&["alice"], 1);
    let org = org();
    log.policy("alice", &org);
    let id = log.request("bob", "db/prod/orders", "read", "1h", "");
    log.approve_for("carol", id, "50m");
    log.approve("dave", id);
    let other = log.request("bob", "db/prod/orders", "write", "1h", "");
    log.approve("carol", other);
    log.approve("dave", other);
    let waiting = log.request("bob", "db/prod/sales", "read", "1h", "");
    log.approve("carol", waiting);
    Scene { log, org, id, other, waiting }
}

fn answer(log: &Log, token: &str) -> String {
    log.gate("db/prod/orders", "read").token(token)
}

/// A row: what is done to the parts of a good token, and the answer then.
type Row<'a> = (&'a str, &'a dyn Fn(&mut TokenParts), &'a str);

#[track_caller]
fn tokens(log: &Log, id: Hash, rows: &[Row<'_>]) {
    let mut faults = String::new();
    for (name, change, expected) in rows {
        let seen = answer(log, &log.token_with(id, change));
        if seen != *expected {
            faults.push_str(&format!("\n  {name}\n    expected: {expected}\n    seen:     {seen}"));
        }
    }
    assert!(faults.is_empty(), "{faults}\n");
}

#[test]
fn the_lines_of_a_token() {
    let Scene { mut log, id, other, waiting, .. } = scene();
    // Somebody's approval after completion is in the log, and has no place in a token.
    log.by_key(key2("carol")).approve("carol", id);
    let late = log.line(log.size() - 1).to_vec();
    let of = |id: Hash| log.line(log.index(id)).to_vec();
    let (request, other_request, waiting_request) = (of(id), of(other), of(waiting));
    // The same request, signed by bob's other key: the same id, another line.
    let signed_anew = line(&key2("bob"), &body_of(&request));
    let other_approval = of(log.grant(other).counted[0].id);
    let presentation = |parts: &TokenParts| {
        let token = log.token_with(id, |t| *t = parts.clone());
        lines_of(&token).pop().unwrap()
    };
    tokens(
        &log,
        id,
        &[
            ("as it should be", &|_| {}, "allow granted"),
            // The narrowing approval, the other one, both.
            ("without the approval that narrows", &|t| drop(t.lines.remove(1)), "deny not-logged"),
            ("without the other approval", &|t| drop(t.lines.remove(2)), "deny not-logged"),
            ("without approvals", &|t| t.lines.truncate(1), "deny not-logged"),
            ("in another order", &|t| t.lines.swap(1, 2), "deny not-logged"),
            ("with an approval twice", &|t| t.lines.push(t.lines[1].clone()), "deny not-logged"),
            ("with one that did not count", &|t| t.lines.push(late.clone()), "deny not-logged"),
            ("with another grant's approval", &|t| t.lines[1] = other_approval.clone(), "deny not-logged"),
            ("with the request signed anew", &|t| t.lines[0] = signed_anew.clone(), "deny not-logged"),
            // The frame.
            ("without a request", &|t| drop(t.lines.remove(0)), "deny malformed"),
            ("without any line of the log", &|t| t.lines.clear(), "deny malformed"),
            ("with the request twice", &|t| t.lines.insert(0, t.lines[0].clone()), "deny malformed"),
            ("with the request last", &|t| t.lines.rotate_left(1), "deny malformed"),
            ("without a presentation", &|t| t.last = t.lines.pop(), "deny malformed"),
            ("with two presentations", &|t| t.lines.push(presentation(t)), "deny malformed"),
            ("with a policy line", &|t| t.lines.insert(1, log.line(1).to_vec()), "deny malformed"),
            ("with an empty line", &|t| t.lines.insert(1, Vec::new()), "deny malformed"),
            ("with the genesis first", &|t| t.lines.insert(0, log.line(0).to_vec()), "deny malformed"),
            ("with garbage", &|t| t.lines[1] = b"garbage".to_vec(), "deny malformed"),
            // Another grant's request, or its presentation.
            ("a presentation of another grant", &|t| t.of = other, "deny malformed"),
            ("a presentation of nothing", &|t| t.of = Hash([7; 32]), "deny malformed"),
            ("the request of another grant", &|t| t.lines[0] = other_request.clone(), "deny malformed"),
            (
                "another request, presented, with this one's approvals",
                &|t| {
                    t.lines[0] = other_request.clone();
                    t.of = other;
                },
                "deny not-logged",
            ),
            (
                "one that waits, as if complete",
                &|t| {
                    t.lines[0] = waiting_request.clone();
                    t.of = waiting;
                },
                "deny not-logged",
            ),
            (
                "the request alone, presented by a line of the log",
                &|t| t.last = Some(request.clone()),
                "deny malformed",
            ),
        ],
    );
}

/// The public log is not enough: the last line is signed freshly, by the subject's key, for this log and grant.
#[test]
fn who_presents() {
    let Scene { log, id, .. } = scene();
    let size = log.size();
    let root = |size: u64| log.view().root_at(size).unwrap();
    let root_of_five = root(5);
    tokens(
        &log,
        id,
        &[
            ("the subject by another key of theirs", &|t| t.key = key2("bob"), "allow granted"),
            ("the subject by a security key", &|t| t.key = security_key("bob"), "allow granted"),
            ("by a security key that nobody touched", &|t| t.key = security_key("bob").flags(0), "deny bad-signature"),
            ("in the subject's name by another's key", &|t| t.key = key("erin"), "deny wrong-key"),
            ("in the subject's name by nobody's key", &|t| t.key = key("mallory"), "deny wrong-key"),
            (
                "somebody else in their own name",
                &|t| (t.statement.by, t.key) = (parse("erin"), key("erin")),
                "deny wrong-key",
            ),
            (
                "an approver in their own name",
                &|t| (t.statement.by, t.key) = (parse("carol"), key("carol")),
                "deny wrong-key",
            ),
            (
                "a maintainer in their own name",
                &|t| (t.statement.by, t.key) = (parse("alice"), key("alice")),
                "deny wrong-key",
            ),
            (
                "a stranger in their own name",
                &|t| (t.statement.by, t.key) = (parse("mallory"), key("mallory")),
                "deny unknown-subject",
            ),
            // The log that it was made on.
            ("for another log", &|t| t.statement.log = Hash([7; 32]), "deny wrong-log"),
            ("on a fork", &|t| t.statement.seen.root = Hash([7; 32]), "deny wrong-log"),
            ("with another size's root", &|t| t.statement.seen.root = root_of_five, "deny wrong-log"),
            ("ahead of this clone", &|t| t.statement.seen.size = size + 1, "deny not-logged"),
            ("that saw nothing", &|t| t.statement.seen.size = 0, "deny not-logged"),
            (
                "made when the log was shorter",
                &|t| (t.statement.seen.size, t.statement.seen.root) = (5, root_of_five),
                "allow granted",
            ),
            ("dated at any time", &|t| t.statement.at = Timestamp::MAX, "allow granted"),
        ],
    );
}

#[test]
fn the_form_of_a_token() {
    let Scene { log, id, .. } = scene();
    let token = log.token(id);
    let text = token.replace("jit1.", "");
    for bad in [
        "",
        "jit1",
        "jit1.",
        &text,
        &token.replace("jit1.", "jit2."),
        &token.replace("jit1.", "JIT1."),
        &format!(" {token}"),
        &format!("{token}\n"),
        &format!("{token}="),
        &format!("{token}."),
    ] {
        assert_eq!(answer(&log, bad), "deny malformed", "{bad:.20}");
    }
}

/// For another resource, action, bind or gate, and outside its time.
#[test]
fn what_a_token_is_for() {
    let Scene { mut log, id, .. } = scene();
    let token = log.token(id);
    for (resource, action, expected) in [
        ("db/prod/orders", "read", "allow granted"),
        ("db/prod/sales", "read", "deny wrong-resource"),
        ("db/prod", "read", "deny wrong-resource"),
        ("db/prod/orders", "write", "deny wrong-action"),
        ("db/prod/sales", "write", "deny wrong-action wrong-resource"),
    ] {
        assert_eq!(log.gate(resource, action).token(&token), expected, "{action} on {resource}");
    }
    // Audience: equal on both sides, none included.
    let named = log.token_with(id, |t| t.audience = Some("gate-1".to_owned()));
    let gate = || log.gate("db/prod/orders", "read");
    for (name, answer, expected) in [
        ("named for a gate of that name", gate().audience("gate-1").token(&named), "allow granted"),
        ("named for another", gate().audience("gate-2").token(&named), "deny wrong-audience"),
        ("named for one without a name", gate().token(&named), "deny wrong-audience"),
        ("unnamed for one with a name", gate().audience("gate-1").token(&token), "deny wrong-audience"),
        ("an empty name is a name", gate().audience("").token(&token), "deny wrong-audience"),
        ("bound to nothing, for a gate that wants something", gate().bind(bound("x")).token(&token), "deny wrong-bind"),
        (
            "all at once",
            log.gate("db/prod/sales", "write").audience("x").bind(bound("x")).at(log.end(id)).token(&token),
            "deny expired wrong-action wrong-audience wrong-bind wrong-resource",
        ),
    ] {
        assert_eq!(answer, expected, "{name}");
    }
    // Time: the presentation's end or the grant's, whichever comes first.
    let (end, sooner) = (log.end(id), log.now().after(parse("5m")));
    let before = |time: Timestamp| time.shifted(TimeDelta::seconds(-1));
    let short = log.token_with(id, |t| t.expires = sooner);
    let long = log.token_with(id, |t| t.expires = end.after(parse("9h")));
    for (name, token, now, expected) in [
        ("short, just before", &short, before(sooner), "allow granted"),
        ("short, at its end", &short, sooner, "deny expired"),
        ("as long as the grant, just before", &token, before(end), "allow granted"),
        ("as long as the grant, at its end", &token, end, "deny expired"),
        ("longer than the grant, just before", &long, before(end), "allow granted"),
        ("longer than the grant, at its end", &long, end, "deny expired"),
    ] {
        assert_eq!(gate().at(now).token(token), expected, "{name}");
    }
    let until = |token: &str| {
        let shown = Shown::Token { text: token, audience: None };
        gate().decide(shown).valid_until
    };
    assert_eq!((until(&short), until(&token), until(&long)), (Some(sooner), Some(end), Some(end)));
    // A bound grant.
    let bound_id = log.bind(bound("one")).request("bob", "web/a", "access", "1h", "");
    let token = log.token(bound_id);
    let gate = || log.gate("web/a", "access");
    assert_eq!(gate().bind(bound("one")).token(&token), "allow granted");
    assert_eq!(gate().bind(bound("two")).token(&token), "deny wrong-bind");
    assert_eq!(gate().token(&token), "deny wrong-bind");
}

/// The decision comes from the log alone: a good token of what has ended is no.
#[test]
fn a_token_outlives_nothing() {
    let Scene { log: before, org, id, .. } = scene();
    let token = before.token(id);
    let stale = |name: &str, act: &dyn Fn(&mut Log), expected: &str| {
        let mut log = before.clone();
        act(&mut log);
        assert_eq!(answer(&log, &token), expected, "{name}");
    };
    let publish = |log: &mut Log, org: &Org| {
        log.policy("alice", org);
    };
    stale("nothing", &|_| {}, "allow granted");
    stale("revoked", &|log| _ = log.revoke("bob", id), "deny revoked");
    stale("locked down", &|log| _ = log.lockdown("alice", "*", "db/**"), "deny lockdown");
    stale("another policy", &|log| publish(log, &org), "allow granted");
    stale(
        "a deny rule",
        &|log| publish(log, &org.clone().deny("no", "bob", "db/**")),
        "deny denied-by-rule policy-changed",
    );
    stale(
        "the rule is gone",
        &|log| publish(log, &org.clone().without_rule("r")),
        "deny no-matching-rule policy-changed",
    );
    stale(
        "bob is gone",
        &|log| publish(log, &org.clone().without("bob").without_rule("free").without_rule("r")),
        // The rules named him, so this policy does not load unless they go too.
        "deny unknown-subject",
    );
    stale(
        "the key that asked and presents is gone",
        &|log| publish(log, &org.clone().keys("bob", &[key2("bob")])),
        "deny wrong-key",
    );
    stale(
        "an approver is gone",
        &|log| publish(log, &org.clone().without("carol").allow("r", "bob", "db/**", "read", "4h")),
        "allow granted",
    );
    stale(
        "a policy that does not load",
        &|log| publish(log, &org.clone().setting("more", "1")),
        "deny policy-unverified",
    );
    // Gone is gone, whoever presents it and for what.
    let mut log = before.clone();
    log.policy("alice", &org.clone().without("bob").without_rule("free").allow("r", "erin", "db/**", "read", "4h"));
    let by_erin = before.token_with(id, |t| (t.statement.by, t.key) = (parse("erin"), key("erin")));
    assert_eq!(answer(&log, &by_erin), "deny unknown-subject");
    assert_eq!(log.gate("db/x", "write").audience("x").bind(bound("x")).token(&by_erin), "deny unknown-subject");
    // The key that asked is there and the one that presents is not, and the other way round.
    let by_second = before.token_with(id, |t| t.key = key2("bob"));
    let mut log = before.clone();
    log.policy("alice", &org.clone().keys("bob", &[key2("bob")]));
    assert_eq!(answer(&log, &by_second), "deny policy-changed wrong-key");
    let mut log = before.clone();
    log.policy("alice", &org.clone().keys("bob", &[key("bob")]));
    assert_eq!(answer(&log, &by_second), "deny wrong-key");
    assert_eq!(answer(&log, &token), "allow granted");
}

/// Claim 3: a grant stands in the log first. What was signed and not logged, or logged elsewhere, proves nothing.
#[test]
fn what_is_not_logged() {
    let Scene { log, id, .. } = scene();
    // A clone that has not got the approvals yet, or not even the request.
    let token = log.token(id);
    let mut clone = Log::new(&["alice"], 1);
    clone.policy("alice", &org());
    assert_eq!(answer(&clone, &token), "deny not-logged");
    clone.raw(log.line(2));
    assert_eq!(clone.last(), "effect");
    assert_eq!(answer(&clone, &token), "deny not-logged");
    clone.raw(log.line(3));
    clone.raw(log.line(4));
    assert_eq!(clone.view().size(), 5);
    // The lines are there; what its author saw beyond them is not yet.
    assert_eq!(answer(&clone, &token), "deny not-logged");
    for index in 5..log.size() {
        clone.raw(log.line(index));
    }
    assert_eq!(clone.view().root(), log.view().root());
    assert_eq!(answer(&clone, &token), "allow granted");
    // Signed well by all, and never logged.
    let mut offline = log.clone();
    let unlogged = offline.request("bob", "db/prod/orders", "read", "4h", "");
    offline.approve("carol", unlogged);
    offline.approve("dave", unlogged);
    let token = offline.token(unlogged);
    assert_eq!(answer(&offline, &token), "allow granted");
    assert_eq!(answer(&log, &token), "deny not-logged");
    // Of another log with the same people.
    let mut other = Log::new(&["alice", "carol"], 1);
    let publish = org().maintainers("alice", 1);
    other.policy("alice", &publish);
    let theirs = other.request("bob", "web/a", "access", "1h", "");
    assert_eq!(log.gate("web/a", "access").token(&other.token(theirs)), "deny wrong-log");
}

/// What waits, and what never was.
#[test]
fn a_token_of_no_grant() {
    let Scene { mut log, waiting, .. } = scene();
    let gate = |log: &Log, token: &str| log.gate("db/prod/sales", "read").token(token);
    let token = log.token(waiting);
    assert_eq!(gate(&log, &token), "pending needs-approval");
    let with_one = log.token_with(waiting, |t| {
        let approval = log.record(waiting).approvals[0].index;
        t.lines.push(log.line(approval).to_vec());
    });
    assert_eq!(gate(&log, &with_one), "deny not-logged");
    log.approve("dave", waiting);
    assert_eq!(gate(&log, &token), "deny not-logged");
    let refused = log.request("bob", "db/prod/sales", "read", "5h", "");
    let token = log.token(refused);
    assert_eq!(gate(&log, &token), "deny too-long");
}

/// Any changed letter of a token, and any changed byte of what is in it.
#[test]
fn every_changed_byte_of_a_token() {
    let Scene { mut log, id: approved, .. } = scene();
    let id = log.request("bob", "web/a", "access", "1h", "");
    let gate = || log.gate("web/a", "access");
    let token = log.token(id);
    assert_eq!(gate().token(&token), "allow granted");
    let allowed = ["deny malformed", "deny bad-signature"];
    for place in 0..token.len() {
        for letter in ["A", "B", "Q", "g", "_", "-", "=", "\n", "é", ""] {
            let changed = format!("{}{letter}{}", &token[..place], &token[place + 1..]);
            if changed != token {
                let answer = gate().token(&changed);
                assert!(allowed.contains(&&*answer), "letter {place} to {letter:?}: {answer}");
            }
        }
        assert_eq!(gate().token(&token[..place]), "deny malformed", "cut at letter {place}");
    }
    for lines in [lines_of(&token), lines_of(&log.token(approved))] {
        for (number, good) in lines.iter().enumerate() {
            for place in 0..good.len() {
                for bit in [0, 5] {
                    let mut lines = lines.clone();
                    lines[number][place] ^= 1 << bit;
                    let answer = gate().token(&token_of(&lines));
                    assert!(allowed.contains(&&*answer), "bit {bit} of byte {place} of line {number}: {answer}");
                }
            }
        }
    }
}

/// A token that is too large is refused unread.
#[test]
fn the_size_of_a_token() {
    let Scene { log, id, .. } = scene();
    let large = log.token_with(id, |t| {
        let line = t.lines[1].clone();
        t.lines.extend(std::iter::repeat_n(line, 90));
    });
    assert!(large.len() > jit::core::token::MAX_TOKEN_LEN);
    let code = |text: &str| {
        let decision = log.gate("db/prod/orders", "read").decide(Shown::Token { text, audience: None });
        decision.reasons.iter().map(|reason| reason.message.clone()).collect::<Vec<_>>().join("; ")
    };
    assert_eq!(code(&large), "the token is malformed: it is longer than 64 KiB");
    assert_eq!(code(&format!("jit1.{}", "A".repeat(10_000_000))), "the token is malformed: it is longer than 64 KiB");
    assert_eq!(code("jit1.Cg"), "a line of the token is malformed: byte 0: expected `{\"body\":`");
}

/// A presentation or checkpoint is inert in the log, and a logged one proves no more than any other.
#[test]
fn a_presentation_in_the_log() {
    let Scene { mut log, id, .. } = scene();
    let token = log.token(id);
    let last = lines_of(&token).pop().unwrap();
    log.raw(&last);
    assert_eq!(log.last(), "inert: no-place");
    assert_eq!(answer(&log, &token), "allow granted");
    let checkpoint = What::Checkpoint(Checkpoint { size: 1, root: Hash([0; 32]) });
    let (signer, body) = log.body("bob", checkpoint);
    let spoiled = log.token_with(id, |t| t.last = Some(line(&signer, &body)));
    assert_eq!(answer(&log, &spoiled), "deny malformed");
}
