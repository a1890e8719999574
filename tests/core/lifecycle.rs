//! What becomes of a request that nobody attacks: which rule it fits, what it waits for, when it starts and ends. The
//! other side of every attack is here: what must be allowed.

use chrono::TimeDelta;
use jit::core::decide::{Answer, Shown};
use jit::core::evaluate::default_duration;
use jit::core::policy::load;
use jit::core::time::Timestamp;

use crate::support::keys::key;
use crate::support::log::{Log, bound, parse, t};
use crate::support::org::Org;
use crate::support::table::table;

/// One rule of each sort.
fn org() -> Org {
    Org::new(&["alice"], 1)
        .people("bob carol dave erin")
        .service("deployer", "carol")
        .group("dba", "carol dave")
        .group("oncall", "group:dba erin")
        .allow("free", "bob", "web/**", "access read", "4h")
        .allow_if(
            "tiers",
            "bob",
            "db/prod/*",
            "read",
            "8h",
            r#"approvals = [
                { from = ["group:dba"], longer_than = "1h" },
                { from = ["group:oncall"], count = 2, longer_than = "4h" },
            ]"#,
        )
        .allow_if("reason", "bob", "k8s/prod", "*", "1h", r#"reason = { pattern = "^INC-[0-9]+", min_length = 6 }"#)
        .allow_if("deploy", "deployer", "deploy/api", "access", "1h", r#"approvals = [{ from = ["group:oncall"] }]"#)
        .allow("group", "group:oncall", "ssh/**", "access", "1h")
        .deny("never", "erin", "ssh/prod/**")
}

fn scene() -> Log {
    let mut log = Log::new(&["alice"], 1);
    log.policy("alice", &org());
    log
}

fn after(time: Timestamp, seconds: i64) -> Timestamp {
    time.shifted(TimeDelta::seconds(seconds))
}

#[test]
fn which_requests_fit() {
    table(
        &scene(),
        Log::last,
        &[
            // Subject, resource, action.
            ("as the rule says", |log| log.request("bob", "web/prod", "access", "1h", ""), "effect"),
            ("another action of it", |log| log.request("bob", "web/prod", "read", "1h", ""), "effect"),
            (
                "another action",
                |log| log.request("bob", "web/prod", "write", "1h", ""),
                "without effect: no-matching-rule",
            ),
            (
                "another subject",
                |log| log.request("carol", "web/prod", "access", "1h", ""),
                "without effect: no-matching-rule",
            ),
            (
                "another resource",
                |log| log.request("bob", "webs/prod", "access", "1h", ""),
                "without effect: no-matching-rule",
            ),
            ("no segments", |log| log.request("bob", "web", "access", "1h", ""), "effect"),
            ("many segments", |log| log.request("bob", "web/a/b/c", "access", "1h", ""), "effect"),
            ("one segment", |log| log.request("bob", "db/prod/orders", "read", "1h", ""), "effect"),
            (
                "one too many",
                |log| log.request("bob", "db/prod/orders/x", "read", "1h", ""),
                "without effect: no-matching-rule",
            ),
            ("any action", |log| log.request("bob", "k8s/prod", "drain", "1h", "INC-12"), "effect"),
            ("by a group", |log| log.request("erin", "ssh/dev", "access", "1h", ""), "effect"),
            ("by a group in a group", |log| log.request("dave", "ssh/prod/x", "access", "1h", ""), "effect"),
            (
                "outside the group",
                |log| log.request("bob", "ssh/dev", "access", "1h", ""),
                "without effect: no-matching-rule",
            ),
            (
                "denied by a rule",
                |log| log.request("erin", "ssh/prod/x", "access", "1h", ""),
                "without effect: denied-by-rule",
            ),
            (
                "denied by a rule, and too long",
                |log| log.request("erin", "ssh/prod/x", "access", "2h", ""),
                "without effect: denied-by-rule too-long",
            ),
            // Duration: `max` is included.
            ("just as long as max", |log| log.request("bob", "web/prod", "access", "4h", ""), "effect"),
            ("a second longer", |log| log.request("bob", "web/prod", "access", "4h1s", ""), "without effect: too-long"),
            // Reason: `min_length` is included, and counts scalar values.
            ("no reason", |log| log.request("bob", "k8s/prod", "access", "1h", ""), "without effect: reason-rejected"),
            (
                "a short reason",
                |log| log.request("bob", "k8s/prod", "access", "1h", "INC-1"),
                "without effect: reason-rejected",
            ),
            ("a reason just long enough", |log| log.request("bob", "k8s/prod", "access", "1h", "INC-1é"), "effect"),
            (
                "another reason",
                |log| log.request("bob", "k8s/prod", "access", "1h", "not INC-1"),
                "without effect: reason-rejected",
            ),
            (
                "too long and for no reason: both are told",
                |log| log.request("bob", "k8s/prod", "access", "2h", ""),
                "without effect: reason-rejected too-long",
            ),
        ],
    );
}

/// Short is free, long is hard; `longer_than` is strict, and the tiers add up.
#[test]
fn tiers_by_duration() {
    for (duration, approvers, expected) in [
        ("1h", &[][..], "allow granted"),
        ("1h1s", &[], "pending needs-approval"),
        ("1h1s", &["carol"], "allow granted"),
        ("1h1s", &["erin"], "pending needs-approval"),
        ("4h", &["dave"], "allow granted"),
        ("4h1s", &["dave"], "pending needs-approval"),
        // Three places: one of the dba, two of oncall.
        ("4h1s", &["dave", "carol"], "pending needs-approval"),
        ("4h1s", &["dave", "erin"], "pending needs-approval"),
        ("4h1s", &["dave", "carol", "erin"], "allow granted"),
        ("8h", &["erin", "carol", "dave"], "allow granted"),
        ("8h", &["carol", "dave", "dave"], "pending needs-approval"),
        ("8h1s", &[], "deny too-long"),
    ] {
        let mut log = scene();
        let id = log.request("bob", "db/prod/orders", "read", duration, "");
        for by in approvers {
            log.approve(by, id);
        }
        assert_eq!(log.answer("bob", "db/prod/orders", "read"), expected, "{duration} with {approvers:?}");
    }
}

/// A matching, not a sum, and not a greedy one: places move to other people where that helps.
#[test]
fn a_quorum_is_a_matching() {
    let org = |approvals: &str| {
        Org::new(&["alice"], 1)
            .people("bob a b c d")
            .group("ab", "a b")
            .group("bc", "b c")
            .group("abc", "a b c")
            .allow_if("r", "bob", "x", "access", "1h", &format!("approvals = [{approvals}]"))
    };
    let two_of_abc = r#"{ from = ["group:abc"], count = 2 }"#;
    let ab_then_a = r#"{ from = ["group:ab"] }, { from = ["a"] }"#;
    let a_then_ab = r#"{ from = ["a"] }, { from = ["group:ab"] }"#;
    let chain = r#"{ from = ["group:ab"] }, { from = ["group:bc"] }, { from = ["b"] }"#;
    let twice = r#"{ from = ["group:ab"], count = 2 }, { from = ["group:abc"] }"#;
    for (approvals, approvers, complete) in [
        (two_of_abc, "a", false),
        (two_of_abc, "a a", false),
        (two_of_abc, "a b", true),
        (two_of_abc, "b c", true),
        // One person fills one place, though both entries name them.
        (ab_then_a, "a", false),
        (ab_then_a, "b", false),
        (ab_then_a, "a b", true),
        (ab_then_a, "b a", true),
        (a_then_ab, "b a", true),
        // Greedy gives a's place to the first entry, or b's to the second, and fails.
        (chain, "a b c", true),
        (chain, "c b a", true),
        (chain, "b a c", true),
        (chain, "a b", false),
        (chain, "a c", false),
        (twice, "a b", false),
        (twice, "a c", false),
        (twice, "c a b", true),
        (twice, "a b c", true),
        (r#"{ from = ["group:abc"], count = 4 }"#, "a b c", false),
        (r#"{ from = ["group:abc"], count = 3 }"#, "a b c", true),
    ] {
        let mut log = Log::new(&["alice"], 1);
        log.policy("alice", &org(approvals));
        let id = log.request("bob", "x", "access", "1h", "");
        for by in approvers.split(' ') {
            assert_eq!(log.status(id), "pending", "{approvals} before {by} of {approvers}");
            log.approve(by, id);
        }
        assert_eq!(log.status(id) == "complete", complete, "{approvals} with {approvers}");
    }
}

/// Without a duration a request asks for the shortest default of the rules that match.
#[test]
fn default_durations() {
    let org = Org::new(&["alice"], 1)
        .people("bob carol")
        .allow("no-default", "bob", "a", "access", "3h")
        .rule(
            "with",
            "subjects=[\"bob\"]\nresources=[\"**\"]\nactions=[\"access\"]\nduration={default=\"1h\",max=\"9h\"}",
        )
        .rule(
            "other",
            "subjects=[\"carol\"]\nresources=[\"a\"]\nactions=[\"access\"]\nduration={default=\"1m\",max=\"9h\"}",
        )
        .allow("short", "bob", "b", "access read", "20m")
        .deny("never", "bob", "z");
    let policy = load(&org.files()).unwrap();
    for (resource, action, expected) in
        [("a", "access", Some("1h")), ("b", "access", Some("20m")), ("b", "read", Some("20m")), ("a", "read", None)]
    {
        let found = default_duration(&policy, &parse("bob"), &parse(resource), &parse(action), t(0));
        assert_eq!(found.map(|duration| duration.to_string()).as_deref(), expected, "{action} on {resource}");
    }
}

/// The window: start = the latest of the request's time, its `not_before` and the counted approvals' times; a start
/// that somebody's clock gave counts a minute earlier, `not_before` does not.
#[test]
fn where_a_window_lies() {
    // Seconds after the request: its `not_before`, the approvals' times, and then start and from when it is honoured.
    for (not_before, approvals, start, from) in [
        (None, &[][..], 0, -60),
        (Some(-10), &[], 0, -10),
        (Some(-100), &[], 0, -60),
        (Some(0), &[], 0, 0),
        (Some(10), &[], 10, 10),
        (None, &[5], 5, -55),
        (None, &[0], 0, -60),
        (None, &[30, 20], 30, -30),
        (None, &[20, 30], 30, -30),
        (Some(25), &[20, 30], 30, 25),
        (Some(40), &[20, 30], 40, 40),
        (Some(-20), &[100], 100, 40),
    ] {
        let case = format!("not before {not_before:?}, approved at {approvals:?}");
        let entry = format!("approvals = [{{ from = [\"carol\", \"dave\"], count = {} }}]", approvals.len());
        let org =
            org().allow_if("tiers", "bob", "db/prod/*", "read", "8h", if approvals.is_empty() { "" } else { &entry });
        let mut log = Log::new(&["alice"], 1);
        log.policy("alice", &org);
        log.wait("1h");
        let asked = log.now();
        if let Some(seconds) = not_before {
            log.not_before(after(asked, seconds));
        }
        let id = log.request("bob", "db/prod/orders", "read", "1h", "");
        for (seconds, by) in approvals.iter().zip(["carol", "dave"]) {
            log.at(after(asked, *seconds)).approve(by, id);
        }
        let (start, end) = (after(asked, start), after(asked, start + 3600));
        assert_eq!((log.start(id), log.end(id)), (start, end), "{case}");
        for (now, expected) in [
            (after(asked, from - 1), "deny not-yet-valid"),
            (after(asked, from), "allow granted"),
            (start, "allow granted"),
            (after(end, -1), "allow granted"),
            (end, "deny expired"),
            (after(end, 1_000_000), "deny expired"),
        ] {
            assert_eq!(log.answer_at(now, "bob", "db/prod/orders", "read"), expected, "{case}, {now}");
        }
    }
}

/// The end is the start and the smallest duration that anybody signed.
#[test]
fn where_a_window_ends() {
    for (asked, approvals, length) in [
        ("2h", &[("carol", None)][..], "2h"),
        ("2h", &[("carol", Some("90m"))], "90m"),
        ("2h", &[("carol", Some("2h"))], "2h"),
        // Not shorter than asked changes nothing.
        ("2h", &[("carol", Some("365d"))], "2h"),
        ("2h", &[("carol", Some("1s"))], "1s"),
        ("8h", &[("carol", Some("3h")), ("dave", Some("2h")), ("erin", None)], "2h"),
        ("8h", &[("carol", None), ("dave", None), ("erin", Some("2h"))], "2h"),
        // A second word of the same person narrows too.
        ("8h", &[("carol", None), ("dave", None), ("carol", Some("5m")), ("erin", None)], "5m"),
        ("8h", &[("carol", Some("5m")), ("dave", None), ("carol", Some("6h")), ("erin", None)], "5m"),
    ] {
        let mut log = scene();
        let id = log.request("bob", "db/prod/orders", "read", asked, "");
        for (by, duration) in approvals {
            match duration {
                Some(duration) => log.approve_for(by, id, duration),
                None => log.approve(by, id),
            };
        }
        let grant = log.grant(id);
        assert_eq!(grant.end, grant.start.after(parse(length)), "{asked} with {approvals:?}");
    }
}

/// An end past the year 9999 is cut.
#[test]
fn the_end_of_time() {
    let mut log = scene();
    let id = log.not_before(Timestamp::MAX).request("bob", "web/prod", "access", "1h", "");
    assert_eq!((log.start(id), log.end(id)), (Timestamp::MAX, Timestamp::MAX));
    assert_eq!(log.answer_at(Timestamp::MAX, "bob", "web/prod", "access"), "deny expired");
}

/// An approval counts if it was signed from the request's time to `pending_for` after it, both included.
#[test]
fn when_a_request_lapses() {
    const LATE: &str = "without effect: it was signed after the request lapsed at 2026-01-05T08:10:02Z";
    const EARLY: &str = "without effect: it was signed before the request";
    let mut log = Log::new(&["alice"], 1);
    log.policy("alice", &org().setting("request", "{ pending_for = \"10m\" }"));
    let id = log.request("bob", "db/prod/orders", "read", "2h", "");
    let asked = log.record(id).at;
    assert_eq!(asked, t(2));
    for (seconds, expected) in [(-1, EARLY), (-1_000_000, EARLY), (0, "effect"), (600, "effect"), (601, LATE)] {
        let mut log = log.clone();
        log.at(after(asked, seconds)).approve("carol", id);
        assert_eq!(log.last(), expected, "{seconds}");
    }
    for (seconds, expected) in [(600, "pending needs-approval"), (601, "deny lapsed")] {
        assert_eq!(log.answer_at(after(asked, seconds), "bob", "db/prod/orders", "read"), expected, "{seconds}");
    }
    // `pending_for` is the one at the request's line.
    log.policy("alice", &org());
    log.at(after(asked, 601)).approve("carol", id);
    assert_eq!(log.last(), LATE);
    let later = log.request("bob", "db/prod/orders", "read", "2h", "");
    let asked = log.record(later).at;
    for (seconds, expected) in
        [(86_400, "effect"), (86_401, "without effect: it was signed after the request lapsed at")]
    {
        let mut log = log.clone();
        log.at(after(asked, seconds)).approve("carol", later);
        assert!(log.last().starts_with(expected), "{seconds}: {}", log.last());
    }
    // Approved in time and logged late is approved in time.
    log.wait("30d").at(after(asked, 60)).approve("carol", later);
    assert_eq!(log.status(later), "complete");
    assert_eq!(log.answer("bob", "db/prod/orders", "read"), "deny expired lapsed");
}

/// Over several requests: any that allows (the latest end, then the smallest id), else one that waits, else no, with the
/// reasons of all that share the answer.
#[test]
fn several_requests() {
    let allowed = |log: &Log| {
        let decision = log.gate("db/prod/orders", "read").decide(Shown::Subject(&parse("bob")));
        assert_eq!(decision.answer, Answer::Allow);
        let grant = decision.grant.unwrap();
        assert_eq!(decision.valid_until, Some(grant.expires));
        grant.id
    };
    let mut log = scene();
    assert_eq!(log.answer("bob", "db/prod/orders", "read"), "deny no-grant");
    log.request("bob", "db/prod/orders", "read", "9h", "");
    assert_eq!(log.answer("bob", "db/prod/orders", "read"), "deny too-long");
    let revoked = log.request("bob", "db/prod/orders", "read", "1h", "");
    log.revoke("bob", revoked);
    assert_eq!(log.answer("bob", "db/prod/orders", "read"), "deny revoked too-long");
    let denied = log.request("bob", "db/prod/orders", "read", "2h", "");
    log.deny("carol", denied);
    assert_eq!(log.answer("bob", "db/prod/orders", "read"), "deny denied-by-approver revoked too-long");
    let waiting = log.request("bob", "db/prod/orders", "read", "2h", "");
    assert_eq!(log.answer("bob", "db/prod/orders", "read"), "pending needs-approval");
    let short = log.request("bob", "db/prod/orders", "read", "30m", "");
    assert_eq!(allowed(&log), short);
    log.approve("carol", waiting);
    assert_eq!(allowed(&log), waiting);
    // Two with one end: the smaller id, whichever came first.
    let at = log.now();
    for nonce in 1000..1006 {
        let mut log = log.clone();
        let one = log.at(at).nonce(nonce).request("bob", "db/prod/orders", "read", "1h", "");
        let two = log.at(at).nonce(nonce + 50).request("bob", "db/prod/orders", "read", "1h", "");
        log.revoke("bob", waiting);
        assert_eq!(log.end(one), log.end(two));
        assert_eq!(allowed(&log), one.min(two));
    }
    // Another question has another answer.
    assert_eq!(log.answer("bob", "db/prod/orders", "write"), "deny no-grant");
    assert_eq!(log.answer("bob", "db/prod/sales", "read"), "deny no-grant");
    assert_eq!(log.answer("carol", "db/prod/orders", "read"), "deny no-grant");
    assert_eq!(log.answer("nobody", "db/prod/orders", "read"), "deny unknown-subject");
}

/// A bound grant is for the gate that names the same, and no other; an unbound one for a gate that names nothing.
#[test]
fn bound_grants() {
    let mut log = scene();
    log.bind(bound("one")).request("bob", "web/prod", "access", "1h", "");
    let gate = || log.gate("web/prod", "access");
    assert_eq!(gate().bind(bound("one")).subject("bob"), "allow granted");
    assert_eq!(gate().bind(bound("two")).subject("bob"), "deny wrong-bind");
    assert_eq!(gate().subject("bob"), "deny wrong-bind");
    // One that waits is not for this gate either.
    log.bind(bound("one")).request("bob", "db/prod/orders", "read", "2h", "");
    assert_eq!(log.gate("db/prod/orders", "read").bind(bound("one")).subject("bob"), "pending needs-approval");
    assert_eq!(log.gate("db/prod/orders", "read").subject("bob"), "deny wrong-bind");
    log.request("bob", "web/prod", "access", "1h", "");
    for (bind, expected) in [(Some("one"), "allow granted"), (Some("two"), "deny wrong-bind"), (None, "allow granted")]
    {
        let gate = log.gate("web/prod", "access");
        let gate = bind.map_or(gate.clone(), |text| gate.bind(bound(text)));
        assert_eq!(gate.subject("bob"), expected, "{bind:?}");
    }
}

/// What a decision shows of a grant.
#[test]
fn a_grant_as_shown() {
    let mut log = scene();
    let id = log.request("bob", "db/prod/orders", "read", "2h", "because");
    log.approve_for("dave", id, "90m");
    let decision = log.gate("db/prod/orders", "read").decide(Shown::Subject(&parse("bob")));
    let grant = decision.grant.unwrap();
    assert_eq!((grant.id, grant.subject.as_str(), grant.resource.as_str()), (id, "bob", "db/prod/orders"));
    assert_eq!((grant.action.as_str(), grant.reason.as_str(), grant.rule.as_str()), ("read", "because", "tiers"));
    assert_eq!((grant.starts, grant.expires), (t(3), t(3 + 5400)));
    assert_eq!(grant.approved_by, ["dave".parse().unwrap()]);
    assert_eq!(decision.valid_until, Some(t(3 + 5400)));
}

/// A service is asked for by itself, and approved by people who do not own it.
#[test]
fn a_service_asks() {
    let mut log = scene();
    let id = log.request("deployer", "deploy/api", "access", "1h", "");
    assert_eq!(log.answer("deployer", "deploy/api", "access"), "pending needs-approval");
    log.approve("dave", id);
    assert_eq!(log.answer("deployer", "deploy/api", "access"), "allow granted");
    assert_eq!(log.gate("deploy/api", "access").key(&key("deployer").public()), "allow granted");
    assert_eq!(log.gate("deploy/api", "access").key(&key("mallory").public()), "deny unknown-subject");
}

/// The ids of all rules met are fixed; the one shown is the smallest that allows now.
#[test]
fn all_rules_met_are_kept() {
    let org = Org::new(&["alice"], 1)
        .people("bob carol")
        .allow("b", "bob", "x", "access", "4h")
        .allow("a", "bob", "x", "access", "2h")
        .allow_if("c", "bob", "x", "access", "4h", "approvals = [{ from = [\"carol\"] }]")
        .allow("d", "bob", "x", "access", "30m");
    let mut log = Log::new(&["alice"], 1);
    log.policy("alice", &org);
    let id = log.request("bob", "x", "access", "1h", "");
    let grant = log.grant(id);
    let rules: Vec<&str> = grant.rules.iter().map(|rule| rule.as_str()).collect();
    assert_eq!(rules, ["a", "b"]);
    let rule = |log: &Log| {
        let decision = log.gate("x", "access").decide(Shown::Subject(&parse("bob")));
        decision.grant.map(|grant| grant.rule.to_string())
    };
    assert_eq!(rule(&log).as_deref(), Some("a"));
    log.policy("alice", &org.clone().without_rule("a"));
    assert_eq!(rule(&log).as_deref(), Some("b"));
    // Rules that were not met there do not help, even where they would do.
    log.policy("alice", &org.clone().without_rule("a").without_rule("b").allow("d", "bob", "x", "access", "4h"));
    assert_eq!(rule(&log), None);
    assert_eq!(log.answer("bob", "x", "access"), "deny no-matching-rule policy-changed");
}
