//! Claim 6, by hand: who may end a grant early, and that it stays ended.

use jit::core::hash::Hash;

use crate::support::keys::key2;
use crate::support::log::Log;
use crate::support::org::Org;
use crate::support::table::table;

/// Two of carol, dave and erin approve; rita may revoke, and whoever is in security.
fn org() -> Org {
    Org::new(&["alice"], 1)
        .people("bob carol dave erin frank rita sid")
        .group("security", "sid")
        .setting("revokers", r#"["rita", "group:security"]"#)
        .allow_if("r", "bob", "db/**", "read", "4h", r#"approvals = [{ from = ["carol", "dave", "erin"], count = 2 }]"#)
}

#[derive(Clone)]
struct Scene {
    log: Log,
    org: Org,
    /// Carol and dave approved it.
    granted: Hash,
    /// Carol approved it, and it waits for another.
    waiting: Hash,
}

fn scene() -> Scene {
    let mut log = Log::new(&["alice"], 1);
    let org = org();
    log.policy("alice", &org);
    let granted = log.request("bob", "db/a", "read", "1h", "");
    log.approve("carol", granted);
    log.approve("dave", granted);
    let waiting = log.request("bob", "db/b", "read", "1h", "");
    log.approve("carol", waiting);
    Scene { log, org, granted, waiting }
}

fn see(s: &Scene) -> String {
    let answer = |resource| s.log.answer("bob", resource, "read");
    format!("{}; {}; {}", s.log.last(), answer("db/a"), answer("db/b"))
}

#[test]
fn who_may_revoke() {
    const GRANT_ENDED: &str = "effect; deny revoked; pending needs-approval";
    const REQUEST_ENDED: &str = "effect; allow granted; deny revoked";
    const ASKED: &str = "allow granted; pending needs-approval";
    fn no_right(who: &str) -> String {
        format!(
            "without effect: `{who}` is neither its subject, a counted approver, a revoker nor a maintainer; {ASKED}"
        )
    }
    let (erin, frank, carol) = (no_right("erin"), no_right("frank"), no_right("carol"));
    table(
        &scene(),
        see,
        &[
            ("the subject", |s| s.log.revoke("bob", s.granted), GRANT_ENDED),
            ("a counted approver", |s| s.log.revoke("carol", s.granted), GRANT_ENDED),
            ("the other counted approver", |s| s.log.revoke("dave", s.granted), GRANT_ENDED),
            ("a revoker", |s| s.log.revoke("rita", s.granted), GRANT_ENDED),
            ("a revoker by a group", |s| s.log.revoke("sid", s.granted), GRANT_ENDED),
            ("a maintainer", |s| s.log.revoke("alice", s.granted), GRANT_ENDED),
            ("who might have approved, and did not", |s| s.log.revoke("erin", s.granted), &erin),
            (
                "who approved after completion",
                |s| {
                    s.log.approve("erin", s.granted);
                    s.log.revoke("erin", s.granted)
                },
                &erin,
            ),
            ("somebody else", |s| s.log.revoke("frank", s.granted), &frank),
            (
                "a stranger",
                |s| s.log.revoke("mallory", s.granted),
                "inert: unknown-author; allow granted; pending needs-approval",
            ),
            // Before completion nobody is counted yet.
            ("the subject, while it waits", |s| s.log.revoke("bob", s.waiting), REQUEST_ENDED),
            ("a revoker, while it waits", |s| s.log.revoke("rita", s.waiting), REQUEST_ENDED),
            ("who approved, while it waits", |s| s.log.revoke("carol", s.waiting), &carol),
            // Rights as at the line.
            (
                "a counted approver who left the rule",
                |s| {
                    let rule = r#"approvals = [{ from = ["dave", "erin"], count = 2 }]"#;
                    s.log.policy("alice", &s.org.clone().allow_if("r", "bob", "db/**", "read", "4h", rule));
                    s.log.revoke("carol", s.granted)
                },
                GRANT_ENDED,
            ),
            (
                "who was a revoker once",
                |s| {
                    s.log.policy("alice", &s.org.clone().group("security", "frank"));
                    s.log.revoke("sid", s.granted)
                },
                &no_right("sid"),
            ),
            (
                "who became a revoker",
                |s| {
                    s.log.policy("alice", &s.org.clone().group("security", "frank"));
                    s.log.revoke("frank", s.granted)
                },
                GRANT_ENDED,
            ),
            (
                "a removed revoker's revocation still holds",
                |s| {
                    s.log.revoke("rita", s.granted);
                    let org = s.org.clone().without("rita").setting("revokers", "[]");
                    s.log.policy("alice", &org);
                    s.log.unknown("bob", 1, "note", "")
                },
                "without effect: this program does not know `note` of version 1; deny revoked; pending needs-approval",
            ),
            (
                "so does one by a key that is gone",
                |s| {
                    s.log.revoke("rita", s.granted);
                    s.log.policy("alice", &s.org.clone().keys("rita", &[key2("rita")]))
                },
                "effect; deny revoked; pending needs-approval",
            ),
            // Once.
            (
                "twice",
                |s| {
                    s.log.revoke("bob", s.granted);
                    s.log.revoke("rita", s.granted)
                },
                "without effect: `bob` revoked it already; deny revoked; pending needs-approval",
            ),
            (
                "what was denied",
                |s| {
                    s.log.deny("erin", s.waiting);
                    s.log.revoke("bob", s.waiting)
                },
                "without effect: `erin` denied it already; allow granted; deny denied-by-approver",
            ),
            (
                "what never had an effect",
                |s| {
                    let id = s.log.request("bob", "db/c", "read", "5h", "");
                    s.log.revoke("bob", id)
                },
                "without effect: that request never had an effect; allow granted; pending needs-approval",
            ),
        ],
    );
}

/// A revocation ends one grant for good, and no other; approvals do not bring it back.
#[test]
fn revoked_is_revoked() {
    let Scene { mut log, org, granted, waiting } = scene();
    log.revoke("bob", granted);
    log.revoke("bob", waiting);
    log.approve("dave", waiting);
    assert_eq!(log.last(), "without effect: `bob` revoked that request");
    log.approve("erin", granted);
    assert_eq!(log.last(), "without effect: that request is granted already");
    for _ in 0..2 {
        assert_eq!(log.answer("bob", "db/a", "read"), "deny revoked");
        assert_eq!(log.answer("bob", "db/b", "read"), "deny revoked");
        log.policy("alice", &org.clone().allow("r", "bob", "**", "read", "9h"));
    }
    let anew = log.request("bob", "db/a", "read", "1h", "");
    assert_eq!(log.answer("bob", "db/a", "read"), "allow granted");
    log.revoke("bob", anew);
    assert_eq!(log.answer("bob", "db/a", "read"), "deny revoked");
}
