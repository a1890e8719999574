//! Claims 1 and 6: a check can only take away. Whatever the policy in force now does not allow stops a live grant at the
//! next look; what it would allow anew is not brought to life by it.

use crate::support::keys::{key, key2};
use crate::support::log::Log;
use crate::support::org::Org;
use crate::support::table::table;
use jit::core::view::View as _;

fn org() -> Org {
    Org::new(&["alice"], 1)
        .people("bob carol")
        .keys("bob", &[key("bob"), key2("bob")])
        .group("oncall", "bob carol")
        .allow_if("read", "group:oncall", "db/**", "read", "4h", r#"approvals = [{ from = ["carol"] }]"#)
        .allow("web", "bob", "web/*", "access", "4h")
}

#[derive(Clone)]
struct Scene {
    log: Log,
    org: Org,
}

/// Bob has one grant that carol approved, for two hours, and one request that waits.
fn scene() -> Scene {
    let mut log = Log::new(&["alice"], 1);
    let org = org();
    log.policy("alice", &org);
    let granted = log.request("bob", "db/prod/orders", "read", "2h", "INC-1");
    log.approve("carol", granted);
    log.request("bob", "db/prod/sales", "read", "2h", "INC-1");
    Scene { log, org }
}

/// The answers about the grant, and about the request that waits.
fn see(s: &Scene) -> String {
    let answer = |resource| s.log.answer("bob", resource, "read");
    format!("{}; {}", answer("db/prod/orders"), answer("db/prod/sales"))
}

const READ: &str = r#"approvals = [{ from = ["carol"] }]"#;

#[test]
fn what_a_later_policy_takes_away() {
    table(
        &scene(),
        see,
        &[
            ("nothing", |s| s.log.policy("alice", &s.org), "allow granted; pending needs-approval"),
            // Who.
            (
                "bob is gone: that alone",
                |s| s.log.policy("alice", &s.org.clone().without("bob").without_rule("web")),
                "deny unknown-subject; deny unknown-subject",
            ),
            (
                "the key that asked is gone",
                |s| s.log.policy("alice", &s.org.clone().keys("bob", &[key2("bob")])),
                "deny policy-changed wrong-key; deny policy-changed wrong-key",
            ),
            (
                "another key of bob's is gone",
                |s| s.log.policy("alice", &s.org.clone().keys("bob", &[key("bob")])),
                "allow granted; pending needs-approval",
            ),
            (
                "the key that asked is somebody else's now",
                |s| {
                    let org = s.org.clone().people("dave").keys("bob", &[key2("bob")]).keys("dave", &[key("bob")]);
                    s.log.policy("alice", &org)
                },
                "deny policy-changed wrong-key; deny policy-changed wrong-key",
            ),
            (
                "bob left the group",
                |s| s.log.policy("alice", &s.org.clone().group("oncall", "carol")),
                "deny no-matching-rule policy-changed; deny no-matching-rule policy-changed",
            ),
            // The rule: gone, renamed, narrowed in each condition.
            (
                "the rule is gone",
                |s| s.log.policy("alice", &s.org.clone().without_rule("read")),
                "deny no-matching-rule policy-changed; deny no-matching-rule policy-changed",
            ),
            (
                "the rule has another name: what was met is gone, what waits may still be met",
                |s| {
                    let org = s.org.clone().without_rule("read");
                    s.log.policy("alice", &org.allow_if("renamed", "bob", "db/**", "read", "4h", READ))
                },
                "deny no-matching-rule policy-changed; pending needs-approval",
            ),
            (
                "other resources",
                |s| s.log.policy("alice", &s.org.clone().allow_if("read", "bob", "db/dev/*", "read", "4h", READ)),
                "deny no-matching-rule policy-changed; deny no-matching-rule policy-changed",
            ),
            (
                "other actions",
                |s| s.log.policy("alice", &s.org.clone().allow_if("read", "bob", "db/**", "write", "4h", READ)),
                "deny no-matching-rule policy-changed; deny no-matching-rule policy-changed",
            ),
            (
                "just as long",
                |s| s.log.policy("alice", &s.org.clone().allow_if("read", "bob", "db/**", "read", "2h", READ)),
                "allow granted; pending needs-approval",
            ),
            (
                "shorter",
                |s| s.log.policy("alice", &s.org.clone().allow_if("read", "bob", "db/**", "read", "119m", READ)),
                "deny policy-changed too-long; deny policy-changed too-long",
            ),
            (
                "another reason wanted",
                |s| {
                    let more = format!("{READ}\nreason = {{ pattern = \"^CHG\" }}");
                    s.log.policy("alice", &s.org.clone().allow_if("read", "bob", "db/**", "read", "4h", &more))
                },
                "deny policy-changed reason-rejected; deny policy-changed reason-rejected",
            ),
            (
                "shorter, and another reason wanted",
                |s| {
                    let more = format!("{READ}\nreason = {{ pattern = \"^CHG\" }}");
                    s.log.policy("alice", &s.org.clone().allow_if("read", "bob", "db/**", "read", "1h", &more))
                },
                "deny policy-changed reason-rejected too-long; deny policy-changed reason-rejected too-long",
            ),
            (
                "made a deny rule",
                |s| s.log.policy("alice", &s.org.clone().deny("read", "bob", "db/**")),
                "deny denied-by-rule no-matching-rule policy-changed; deny denied-by-rule no-matching-rule policy-changed",
            ),
            // A deny rule.
            (
                "a deny rule",
                |s| s.log.policy("alice", &s.org.clone().deny("no", "bob", "db/prod/*")),
                "deny denied-by-rule policy-changed; deny denied-by-rule policy-changed",
            ),
            (
                "a deny rule for one resource",
                |s| s.log.policy("alice", &s.org.clone().deny("no", "group:oncall", "db/prod/orders")),
                "deny denied-by-rule policy-changed; pending needs-approval",
            ),
            (
                "a deny rule for others",
                |s| s.log.policy("alice", &s.org.clone().deny("no", "carol", "**").deny("no2", "bob", "web/**")),
                "allow granted; pending needs-approval",
            ),
            (
                "a deny rule for another action",
                |s| {
                    let rule = "effect=\"deny\"\nsubjects=[\"bob\"]\nresources=[\"**\"]\nactions=[\"write\"]";
                    s.log.policy("alice", &s.org.clone().rule("no", rule))
                },
                "allow granted; pending needs-approval",
            ),
            // Approvals are not counted again.
            (
                "more approvals wanted",
                |s| {
                    let more = r#"approvals = [{ from = ["alice", "carol"], count = 2 }]"#;
                    s.log.policy("alice", &s.org.clone().allow_if("read", "bob", "db/**", "read", "4h", more))
                },
                "allow granted; pending needs-approval",
            ),
            (
                "the approver is gone",
                |s| {
                    let more = r#"approvals = [{ from = ["alice"] }]"#;
                    let org = s.org.clone().without("carol");
                    s.log.policy("alice", &org.allow_if("read", "bob", "db/**", "read", "4h", more))
                },
                "allow granted; pending needs-approval",
            ),
            // Two faults at once are both told.
            (
                "the rule is gone and a deny rule came, and the key is another",
                |s| {
                    let org = s.org.clone().without_rule("read").deny("no", "bob", "**").keys("bob", &[key2("bob")]);
                    s.log.policy("alice", &org)
                },
                "deny denied-by-rule no-matching-rule policy-changed wrong-key; \
                 deny denied-by-rule no-matching-rule policy-changed wrong-key",
            ),
            // The way back: a check asks the policy in force now, and nothing else.
            (
                "taken away and given back",
                |s| {
                    s.log.policy("alice", &s.org.clone().without_rule("read").deny("no", "bob", "**"));
                    s.log.policy("alice", &s.org)
                },
                "allow granted; pending needs-approval",
            ),
        ],
    );
}

/// Nothing is allowed that no rule allows, and nobody is asked about who is not there.
#[test]
fn what_was_never_granted() {
    let Scene { log, .. } = scene();
    for (subject, resource, action, expected) in [
        ("bob", "db/prod/orders", "read", "allow granted"),
        ("bob", "db/prod/orders", "write", "deny no-grant"),
        ("bob", "db/prod/orders", "access", "deny no-grant"),
        ("bob", "db/prod", "read", "deny no-grant"),
        ("bob", "db/prod/orders/x", "read", "deny no-grant"),
        ("carol", "db/prod/orders", "read", "deny no-grant"),
        ("alice", "db/prod/orders", "read", "deny no-grant"),
        ("oncall", "db/prod/orders", "read", "deny unknown-subject"),
        ("bobby", "db/prod/orders", "read", "deny unknown-subject"),
    ] {
        assert_eq!(log.answer(subject, resource, action), expected, "{subject} {action} {resource}");
    }
    for (name, key, expected) in [
        ("bob's", key("bob"), "allow granted"),
        ("bob's second", key2("bob"), "allow granted"),
        ("carol's", key("carol"), "deny no-grant"),
        ("nobody's", key("mallory"), "deny unknown-subject"),
        ("bob's point as a security key", key("bob").with_application("ssh:"), "deny unknown-subject"),
    ] {
        assert_eq!(log.gate("db/prod/orders", "read").key(&key.public()), expected, "{name}");
    }
}

/// What was refused stays refused: no later policy line brings a request to life, nor makes one longer.
#[test]
fn no_policy_brings_a_request_to_life() {
    let Scene { mut log, org } = scene();
    let mut refused = Vec::new();
    for (resource, action, duration) in [("db/x", "read", "5h"), ("db/x", "write", "1h"), ("nowhere", "read", "1h")] {
        refused.push(log.request("bob", resource, action, duration, ""));
        assert!(log.last().starts_with("without effect: "), "{}", log.last());
    }
    let denied = log.request("bob", "db/y", "read", "1h", "");
    log.deny("carol", denied);
    log.policy("alice", &org.clone().allow("read", "bob", "**", "read write", "30d"));
    for id in refused {
        assert_eq!(log.status(id), "without effect");
    }
    assert_eq!(log.answer("bob", "db/x", "write"), "deny no-matching-rule");
    assert_eq!(log.answer("bob", "db/x", "read"), "deny too-long");
    assert_eq!(log.answer("bob", "db/y", "read"), "deny denied-by-approver");
    // A denial holds whatever becomes of its author.
    log.policy("alice", &org.clone().without("carol").allow("read", "bob", "**", "read", "30d"));
    assert_eq!(log.answer("bob", "db/y", "read"), "deny denied-by-approver");
    // A longer `max` lengthens nothing.
    let grant = log.view().requests(None).iter().find_map(|record| record.grant().cloned()).unwrap();
    assert_eq!(grant.end, grant.start.after(crate::support::log::parse("2h")));
}

/// A statement is judged at its place: a removed person's or key's new lines are nothing, their old ones stand.
#[test]
fn a_removed_person_says_no_more() {
    let Scene { mut log, org } = scene();
    log.policy("alice", &org.clone().without("carol"));
    // That policy does not load: its rule still names carol. Nothing is decided by the one before it.
    assert_eq!(log.answer("bob", "db/prod/orders", "read"), "deny policy-unverified");
    let alice = r#"approvals = [{ from = ["alice"] }]"#;
    let without = org.clone().without("carol").allow_if("read", "bob", "db/**", "read", "4h", alice);
    log.policy("alice", &without);
    assert_eq!(log.answer("bob", "db/prod/orders", "read"), "allow granted");
    let id = log.request("bob", "db/z", "read", "1h", "");
    log.approve("carol", id);
    assert_eq!(log.last(), "inert: unknown-author");
    log.policy("alice", &org.clone().keys("carol", &[key2("carol")]));
    log.approve("carol", id);
    assert_eq!(log.last(), "inert: not-their-key");
    log.by_key(key2("carol")).approve("carol", id);
    assert_eq!(log.last(), "effect");
    assert_eq!(log.answer("bob", "db/z", "read"), "allow granted");
    // One who knew an older policy may not speak as if it were in force still.
    log.policy("alice", &without);
    log.seeing(log.size() - 1).by_key(key2("carol")).revoke("carol", id);
    assert_eq!(log.last(), "inert: unknown-author");
}
