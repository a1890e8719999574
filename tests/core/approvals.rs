//! Claim 2: nobody forges, widens or re-uses another's approval, and nobody approves their own request, by whatever
//! way.

use jit::core::hash::Hash;
use jit::core::statement::{Approval, Verdict, What};
use jit::core::view::View as _;

use crate::support::keys::{key, key2};
use crate::support::log::{Log, parse};
use crate::support::org::Org;
use crate::support::table::table;

/// Two of the dba decide about bob's requests; carol is one, and owns a service; bob is one himself.
fn org() -> Org {
    Org::new(&["alice"], 1)
        .people("bob carol dave erin frank")
        .keys("carol", &[key("carol"), key2("carol")])
        .keys("bob", &[key("bob"), key2("bob")])
        .service("robot", "carol bob")
        .group("dba", "bob carol dave erin robot")
        .allow_if(
            "read",
            "bob robot",
            "db/**",
            "read write",
            "4h",
            r#"approvals = [{ from = ["group:dba"], count = 2 }]"#,
        )
        .allow_if("free", "frank", "db/**", "read", "4h", r#"approvals = [{ from = ["frank", "robot"] }]"#)
}

#[derive(Clone)]
struct Scene {
    log: Log,
    org: Org,
    /// Bob's, which waits for two.
    request: Hash,
    /// The service's, which waits for two.
    robots: Hash,
    /// Frank's, which nobody else may approve.
    franks: Hash,
}

fn scene() -> Scene {
    let mut log = Log::new(&["alice"], 1);
    let org = org();
    log.policy("alice", &org);
    let request = log.request("bob", "db/prod/orders", "read", "1h", "");
    let robots = log.request("robot", "db/prod/orders", "read", "1h", "");
    let franks = log.request("frank", "db/prod/orders", "read", "1h", "");
    Scene { log, org, request, robots, franks }
}

/// What the last line is worth, and what became of the three requests.
fn see(s: &Scene) -> String {
    let status = |id| s.log.status(id);
    format!("{}; {} {} {}", s.log.last(), status(s.request), status(s.robots), status(s.franks))
}

#[test]
fn who_may_approve() {
    const OWN_BOB: &str = "without effect: `bob` can't judge a request of their own; pending pending pending";
    const OWN_FRANK: &str = "without effect: `frank` can't judge a request of their own; pending pending pending";
    const NOT_CAROL: &str =
        "without effect: no rule that the request fits names `carol` as an approver; pending pending pending";
    const NOT_BOB: &str =
        "without effect: no rule that the request fits names `bob` as an approver; pending pending pending";
    const NOT_FRANK: &str =
        "without effect: no rule that the request fits names `frank` as an approver; pending pending pending";
    const NOT_ALICE: &str =
        "without effect: no rule that the request fits names `alice` as an approver; pending pending pending";
    const NOT_ROBOT: &str =
        "without effect: no rule that the request fits names `robot` as an approver; pending pending pending";
    const ONE: &str = "effect; pending pending pending";
    table(
        &scene(),
        see,
        &[
            ("one of two", |s| s.log.approve("carol", s.request), ONE),
            (
                "two of two",
                |s| {
                    s.log.approve("carol", s.request);
                    s.log.approve("dave", s.request)
                },
                "effect; complete pending pending",
            ),
            // One person, one place.
            (
                "one person twice",
                |s| {
                    s.log.approve("carol", s.request);
                    s.log.approve("carol", s.request)
                },
                ONE,
            ),
            (
                "one person by two keys",
                |s| {
                    s.log.approve("carol", s.request);
                    s.log.by_key(key2("carol")).approve("carol", s.request)
                },
                ONE,
            ),
            (
                "one person and their service",
                |s| {
                    s.log.approve("carol", s.request);
                    s.log.approve("robot", s.request)
                },
                NOT_ROBOT,
            ),
            // The subject, under any key or name.
            ("the subject", |s| s.log.approve("bob", s.request), OWN_BOB),
            ("the subject by a second key", |s| s.log.by_key(key2("bob")).approve("bob", s.request), OWN_BOB),
            ("the subject's service", |s| s.log.approve("robot", s.request), NOT_ROBOT),
            (
                "the subject by a colleague's name",
                |s| s.log.by_key(key("bob")).approve("dave", s.request),
                "inert: not-their-key; pending pending pending",
            ),
            ("the subject, the only one the rule names", |s| s.log.approve("frank", s.franks), OWN_FRANK),
            ("the subject denies", |s| s.log.deny("bob", s.request), OWN_BOB),
            // A service, asking and approving.
            ("an owner of the service", |s| s.log.approve("carol", s.robots), NOT_CAROL),
            ("the other owner", |s| s.log.approve("bob", s.robots), NOT_BOB),
            ("an owner denies", |s| s.log.deny("carol", s.robots), NOT_CAROL),
            (
                "the service itself",
                |s| s.log.approve("robot", s.robots),
                "without effect: `robot` can't judge a request of their own; pending pending pending",
            ),
            ("a service that a rule names", |s| s.log.approve("robot", s.franks), NOT_ROBOT),
            (
                "two others for the service",
                |s| {
                    s.log.approve("dave", s.robots);
                    s.log.approve("erin", s.robots)
                },
                "effect; pending complete pending",
            ),
            // Somebody whom no rule names.
            ("somebody else", |s| s.log.approve("frank", s.request), NOT_FRANK),
            ("a maintainer", |s| s.log.approve("alice", s.request), NOT_ALICE),
            ("somebody else denies", |s| s.log.deny("frank", s.request), NOT_FRANK),
            ("a maintainer denies", |s| s.log.deny("alice", s.request), NOT_ALICE),
            ("a stranger", |s| s.log.approve("mallory", s.request), "inert: unknown-author; pending pending pending"),
            // A denial ends it, whoever approved before.
            ("a denial", |s| s.log.deny("carol", s.request), "effect; denied pending pending"),
            (
                "a denial after an approval",
                |s| {
                    s.log.approve("carol", s.request);
                    s.log.deny("carol", s.request)
                },
                "effect; denied pending pending",
            ),
            (
                "approvals after a denial",
                |s| {
                    s.log.deny("carol", s.request);
                    s.log.approve("dave", s.request);
                    s.log.approve("erin", s.request)
                },
                "without effect: `carol` denied that request already; denied pending pending",
            ),
            (
                "a denial without effect ends nothing",
                |s| {
                    s.log.deny("frank", s.request);
                    s.log.approve("dave", s.request);
                    s.log.approve("erin", s.request)
                },
                "effect; complete pending pending",
            ),
        ],
    );
}

/// An approval is of one request. Replayed, it is the same statement; for another it would be another.
#[test]
fn an_approval_is_of_one_request() {
    let Scene { mut log, request, .. } = scene();
    let others = [
        log.request("bob", "db/prod/orders", "read", "1h", ""),
        log.request("bob", "db/prod/orders", "write", "1h", ""),
        log.request("bob", "db/prod/salary", "read", "1h", ""),
    ];
    let approvals = [log.approve("carol", request), log.approve("dave", request)];
    assert_eq!(log.status(request), "complete");
    for approval in approvals {
        let line = log.line(log.index(approval)).to_vec();
        log.raw(&line);
        assert_eq!(log.last(), "inert: repeated");
        for other in others {
            let text = String::from_utf8(line.clone()).unwrap();
            log.raw(text.replace(&request.to_string(), &other.to_string()).as_bytes());
            assert_eq!(log.last(), "inert: bad-signature");
            assert_eq!(log.status(other), "pending");
        }
    }
    // On a fork of this log, with the same people, keys and policy; and in another log.
    let mut elsewhere = Log::new(&["alice"], 1);
    elsewhere.policy("alice", &org());
    for _ in 0..log.size() {
        elsewhere.unknown("alice", 1, "note", "");
    }
    let there = elsewhere.request("bob", "db/prod/orders", "read", "1h", "");
    elsewhere.raw(log.line(log.index(approvals[0])));
    assert_eq!(elsewhere.last(), "inert: seen-root");
    let mut named = Log::new(&["amy"], 1);
    named.policy("amy", Org::new(&["amy"], 1).people("bob carol dave").files());
    named.raw(log.line(log.index(approvals[0])));
    assert_eq!(named.last(), "inert: other-log");
    assert_eq!(elsewhere.status(there), "pending");
}

/// An approval of what has ended, or never began, changes nothing.
#[test]
fn approvals_that_come_too_late() {
    table(
        &scene(),
        |s| s.log.last(),
        &[
            (
                "after a revocation",
                |s| {
                    s.log.revoke("bob", s.request);
                    s.log.approve("carol", s.request)
                },
                "without effect: `bob` revoked that request",
            ),
            (
                "after completion",
                |s| {
                    s.log.approve("carol", s.request);
                    s.log.approve("dave", s.request);
                    s.log.approve("erin", s.request)
                },
                "without effect: that request is granted already",
            ),
            (
                "a denial after completion",
                |s| {
                    s.log.approve("carol", s.request);
                    s.log.approve("dave", s.request);
                    s.log.deny("erin", s.request)
                },
                "without effect: that request is granted already",
            ),
            (
                "of what never had an effect",
                |s| {
                    let id = s.log.request("bob", "db/prod/orders", "read", "5h", "");
                    s.log.approve("carol", id)
                },
                "without effect: that request never had an effect",
            ),
            (
                "of what never had an effect, under a policy that would allow it",
                |s| {
                    let id = s.log.request("bob", "db/prod/orders", "drop", "1h", "");
                    let org =
                        s.org.clone().allow_if("drop", "bob", "**", "drop", "4h", "approvals=[{from=[\"carol\"]}]");
                    s.log.policy("alice", &org);
                    s.log.approve("carol", id)
                },
                "without effect: that request never had an effect",
            ),
            (
                "after it lapsed",
                |s| s.log.wait("24h1s").approve("carol", s.request),
                "without effect: it was signed after the request lapsed at 2026-01-06T08:00:02Z",
            ),
        ],
    );
}

/// Start, end and counted approvals are fixed at completion. Nothing that comes later moves them, not even when one
/// who was counted leaves and another stays.
#[test]
fn nothing_moves_a_grant() {
    let Scene { mut log, org, request, .. } = scene();
    log.approve_for("carol", request, "50m");
    log.approve("dave", request);
    let fixed = log.grant(request);
    assert_eq!((fixed.start, fixed.end), (log.record(request).approvals[1].at, fixed.start.after(parse("50m"))));
    let check = |log: &Log| {
        assert_eq!(log.grant(request), fixed, "after: {}", log.last());
        assert_eq!(log.answer("bob", "db/prod/orders", "read"), "allow granted");
    };
    log.wait("10m");
    for by in ["erin", "carol", "dave", "bob"] {
        log.approve(by, request);
        check(&log);
        log.approve_for(by, request, "1s");
        check(&log);
        log.deny(by, request);
        check(&log);
    }
    // Carol leaves the group, then is gone; dave's key changes; the quorum rises.
    log.policy("alice", &org.clone().group("dba", "bob dave erin"));
    check(&log);
    log.policy("alice", &org.clone().without("carol").service("robot", "bob"));
    check(&log);
    log.approve("erin", request);
    check(&log);
    log.policy("alice", &org.clone().keys("dave", &[key2("dave")]));
    check(&log);
    log.policy("alice", &org.clone().allow_if("read", "bob", "db/**", "read", "1h", "approvals=[{from=[\"erin\"]}]"));
    check(&log);
    log.policy("alice", &org);
    check(&log);
    assert_eq!(log.answer_at(fixed.end, "bob", "db/prod/orders", "read"), "deny expired");
}

/// An approval counts if its author is eligible at its own line and at completion, by a key still theirs at both.
#[test]
fn eligible_at_both_ends() {
    const PENDING: &str = "effect; pending pending pending";
    const COMPLETE: &str = "effect; complete pending pending";
    table(
        &scene(),
        see,
        &[
            (
                "carol left the group in between",
                |s| {
                    s.log.approve("carol", s.request);
                    s.log.policy("alice", &s.org.clone().group("dba", "bob dave erin"));
                    s.log.approve("dave", s.request)
                },
                PENDING,
            ),
            (
                "carol left and came back",
                |s| {
                    s.log.approve("carol", s.request);
                    s.log.policy("alice", &s.org.clone().group("dba", "bob dave erin"));
                    s.log.policy("alice", &s.org);
                    s.log.approve("dave", s.request)
                },
                COMPLETE,
            ),
            (
                "carol came only after she approved",
                |s| {
                    s.log.policy("alice", &s.org.clone().group("dba", "bob dave erin"));
                    s.log.approve("carol", s.request);
                    s.log.policy("alice", &s.org);
                    s.log.approve("dave", s.request)
                },
                PENDING,
            ),
            (
                "carol is gone",
                |s| {
                    s.log.approve("carol", s.request);
                    s.log.policy("alice", &s.org.clone().without("carol").service("robot", "bob"));
                    s.log.approve("dave", s.request)
                },
                PENDING,
            ),
            (
                "carol's key is gone",
                |s| {
                    s.log.approve("carol", s.request);
                    s.log.policy("alice", &s.org.clone().keys("carol", &[key2("carol")]));
                    s.log.approve("dave", s.request)
                },
                PENDING,
            ),
            (
                "carol's other key is gone",
                |s| {
                    s.log.approve("carol", s.request);
                    s.log.policy("alice", &s.org.clone().keys("carol", &[key("carol")]));
                    s.log.approve("dave", s.request)
                },
                COMPLETE,
            ),
            (
                "carol's key went to somebody else",
                |s| {
                    s.log.approve("carol", s.request);
                    let org = s.org.clone().keys("carol", &[key2("carol")]).keys("erin", &[key("carol")]);
                    s.log.policy("alice", &org);
                    s.log.approve("dave", s.request)
                },
                PENDING,
            ),
            (
                "bob's key, which asked, is gone",
                |s| {
                    s.log.approve("carol", s.request);
                    s.log.policy("alice", &s.org.clone().keys("bob", &[key2("bob")]));
                    s.log.approve("dave", s.request)
                },
                PENDING,
            ),
            (
                "bob is gone",
                |s| {
                    s.log.approve("carol", s.request);
                    let org = s.org.clone().without("bob").service("robot", "carol");
                    s.log.policy("alice", &org.allow_if("read", "robot", "db/**", "read", "4h", NEEDS_TWO));
                    s.log.approve("dave", s.request)
                },
                "without effect: no rule that the request fits names `dave` as an approver; pending pending pending",
            ),
            (
                "the rule became shorter",
                |s| {
                    s.log.approve("carol", s.request);
                    s.log.policy("alice", &s.org.clone().allow_if("read", "bob", "db/**", "read", "59m", NEEDS_TWO));
                    s.log.approve("dave", s.request)
                },
                "without effect: no rule that the request fits names `dave` as an approver; pending pending pending",
            ),
            (
                "a deny rule came",
                |s| {
                    s.log.approve("carol", s.request);
                    s.log.policy("alice", &s.org.clone().deny("no", "bob", "**"));
                    s.log.approve("dave", s.request)
                },
                PENDING,
            ),
            (
                "a lockdown came",
                |s| {
                    s.log.approve("carol", s.request);
                    s.log.lockdown("alice", "bob", "**");
                    s.log.approve("dave", s.request);
                    // Its name is in the text; that it is none of these is what matters.
                    s.log.unknown("alice", 1, "note", "")
                },
                "without effect: this program does not know `note` of version 1; pending pending pending",
            ),
            (
                "the quorum went down: the next approval completes it",
                |s| {
                    s.log.policy("alice", &s.org.clone().allow_if("read", "bob", "db/**", "read", "4h", NEEDS_ONE));
                    s.log.approve("carol", s.request)
                },
                COMPLETE,
            ),
            (
                "the quorum went up",
                |s| {
                    s.log.approve("carol", s.request);
                    s.log.policy("alice", &s.org.clone().allow_if("read", "bob", "db/**", "read", "4h", NEEDS_THREE));
                    s.log.approve("dave", s.request)
                },
                PENDING,
            ),
            (
                "the rule has another name",
                |s| {
                    s.log.approve("carol", s.request);
                    let org = s.org.clone().without_rule("read");
                    s.log.policy("alice", &org.allow_if("renamed", "bob", "db/**", "read", "4h", NEEDS_TWO));
                    s.log.approve("dave", s.request)
                },
                COMPLETE,
            ),
        ],
    );
}

const NEEDS_ONE: &str = r#"approvals = [{ from = ["group:dba"] }]"#;
const NEEDS_TWO: &str = r#"approvals = [{ from = ["group:dba"], count = 2 }]"#;
const NEEDS_THREE: &str = r#"approvals = [{ from = ["group:dba"], count = 3 }]"#;

/// An approver who left does not count, not with the end they narrowed either; one who stays does.
#[test]
fn who_left_narrows_nothing() {
    let Scene { mut log, org, request, .. } = scene();
    log.approve_for("carol", request, "1m");
    log.policy("alice", &org.group("dba", "bob dave erin"));
    log.approve("dave", request);
    log.approve("erin", request);
    let grant = log.grant(request);
    assert_eq!(grant.end, grant.start.after(parse("1h")));
    let counted: Vec<&str> = grant.counted.iter().map(|approval| approval.by.as_str()).collect();
    assert_eq!(counted, ["dave", "erin"]);
}

/// Of each person the first approval that counts is counted: one by a key that is gone does not, nor narrows.
#[test]
fn an_approval_by_a_key_that_is_gone() {
    let Scene { mut log, org, request, .. } = scene();
    log.approve_for("carol", request, "1m");
    let second = log.by_key(key2("carol")).approve("carol", request);
    log.by_key(key2("carol")).approve_for("carol", request, "50m");
    log.policy("alice", &org.keys("carol", &[key2("carol")]));
    let daves = log.approve("dave", request);
    let grant = log.grant(request);
    let counted: Vec<Hash> = grant.counted.iter().map(|approval| approval.id).collect();
    assert_eq!(counted, [second, daves]);
    // Her last word counts, too, though it fills no place: it narrows, and does not move the start.
    assert_eq!(grant.start, grant.counted[1].at);
    assert_eq!(grant.end, grant.start.after(parse("50m")));
}

/// Whoever may approve may do so a thousand times: the fold keeps of each key the first and the shortest, so that its work
/// grows with the lines and not with their square.
#[test]
fn approvals_without_end() {
    let Scene { mut log, org, request, .. } = scene();
    let first = log.approve("carol", request);
    for seconds in (1..=50).rev() {
        let narrow = log.approve_for("carol", request, &format!("{seconds}m"));
        assert_eq!(log.last(), "effect");
        log.approve("carol", request);
        log.approve_for("carol", request, "55m");
        assert_eq!(log.last(), "effect");
        let kept: Vec<Hash> = log.record(request).approvals.iter().map(|approval| approval.id).collect();
        assert_eq!(kept, [first, narrow]);
    }
    // Each key has its own, since each may be gone at completion.
    let second = log.by_key(key2("carol")).approve_for("carol", request, "2m");
    assert_eq!(log.record(request).approvals.len(), 3);
    let mut without_first = log.clone();
    without_first.policy("alice", &org.keys("carol", &[key2("carol")]));
    for (mut log, counted, end) in [(log, first, "1m"), (without_first, second, "2m")] {
        let daves = log.approve("dave", request);
        let grant = log.grant(request);
        let ids: Vec<Hash> = grant.counted.iter().map(|approval| approval.id).collect();
        assert_eq!(ids, [counted, daves]);
        assert_eq!(grant.end, grant.start.after(parse(end)));
    }
}

/// Tiers look at the duration asked: who narrows a long request does not make it a short one.
#[test]
fn narrowing_dodges_no_tier() {
    let tiers = |more: &str| {
        Org::new(&["alice"], 1).people("bob carol dave").allow_if(
            "r",
            "bob",
            "db",
            "access",
            "8h",
            &format!("approvals = [{{ from = [\"carol\", \"dave\"], longer_than = \"1h\", count = 2 }}{more}]"),
        )
    };
    let mut log = Log::new(&["alice"], 1);
    log.policy("alice", &tiers(""));
    let id = log.request("bob", "db", "access", "2h", "");
    log.approve_for("carol", id, "5m");
    assert_eq!(log.status(id), "pending");
    log.approve("dave", id);
    assert_eq!(log.grant(id).end, log.grant(id).start.after(parse("5m")));
    // `max` looks at the duration asked, too, and later as well: narrowed to 5 minutes it is still too long.
    log.policy("alice", &tiers("").allow("r", "bob", "db", "access", "1h"));
    assert_eq!(log.answer("bob", "db", "access"), "deny policy-changed too-long");
}

/// Each rule stands alone: one rule's duration and another's approvals make no grant.
#[test]
fn rules_are_never_mixed() {
    let long = r#"approvals = [{ from = ["carol"] }]"#;
    let other = r#"approvals = [{ from = ["dave"] }]"#;
    let both = Org::new(&["alice"], 1)
        .people("bob carol dave")
        .allow_if("carols", "bob", "db", "access", "8h", long)
        .allow_if("daves", "bob", "db", "access", "1h", other)
        .allow_if("reason", "bob", "db", "access", "8h", "reason = { min_length = 3 }")
        .allow("web-only", "bob", "web", "access", "8h");
    let mut log = Log::new(&["alice"], 1);
    log.policy("alice", &both);
    // Dave's rule is too short, carol's has not got carol, and there is no reason.
    let id = log.request("bob", "db", "access", "2h", "");
    log.approve("dave", id);
    assert_eq!(log.last(), "without effect: no rule that the request fits names `dave` as an approver");
    assert_eq!(log.answer("bob", "db", "access"), "pending needs-approval");
    log.approve("carol", id);
    let grant = log.grant(id);
    let rules: Vec<&str> = grant.rules.iter().map(|rule| rule.as_str()).collect();
    assert_eq!(rules, ["carols"]);
    // At completion: two half-met rules are not one that is met.
    let halves = Org::new(&["alice"], 1)
        .people("bob carol dave erin")
        .allow_if("a", "bob", "db", "access", "8h", r#"approvals = [{ from = ["carol"] }, { from = ["erin"] }]"#)
        .allow_if("b", "bob", "db", "access", "8h", r#"approvals = [{ from = ["dave"] }, { from = ["erin"] }]"#);
    log.policy("alice", &halves);
    let id = log.request("bob", "db", "access", "2h", "");
    log.approve("carol", id);
    log.approve("dave", id);
    assert_eq!(log.status(id), "pending");
    log.approve("erin", id);
    assert_eq!(log.grant(id).rules.len(), 2);
    // And later: the rules met are gone, another still fits, but was never met.
    let mut tighter = log.clone();
    tighter
        .policy("alice", &halves.clone().without_rule("a").without_rule("b").allow("c", "bob", "db", "access", "8h"));
    tighter.revoke("bob", id);
    assert_eq!(tighter.answer("bob", "db", "access"), "deny no-matching-rule policy-changed revoked");
}

/// Approvals that a policy names a time for, or that speak of a request as of a policy.
#[test]
fn approvals_are_held_against_what_they_are_of() {
    let Scene { mut log, request, .. } = scene();
    log.state(
        "carol",
        What::Approval(Approval {
            of: request,
            verdict: Verdict::Approve(Some(parse("30m"))),
            comment: "ok".to_owned(),
        }),
    );
    assert_eq!(log.last(), "effect");
    // A denial for a time is malformed: the form has no room for it.
    let (signer, body) =
        log.body("dave", What::Approval(Approval { of: request, verdict: Verdict::Deny, comment: String::new() }));
    let spoiled = body.replace("\"verdict\":\"deny\",\"duration\":null", "\"verdict\":\"deny\",\"duration\":60");
    assert_ne!(spoiled, body);
    log.say(&signer, &spoiled);
    assert_eq!(log.last(), "inert: malformed");
    log.say(&signer, &body.replace("\"deny\"", "\"maybe\""));
    assert_eq!(log.last(), "inert: malformed");
    assert_eq!(log.status(request), "pending");
    assert_eq!(log.view().request(&request).unwrap().approvals.len(), 1);
}
