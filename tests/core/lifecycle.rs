//! What a request becomes when nobody attacks.

use crate::support::log::Log;
use crate::support::org::Org;

#[test]
fn a_request_is_approved_used_and_revoked() {
    let org = Org::new(&["alice"], 1).people("bob carol").allow_if(
        "read",
        "bob",
        "db/**",
        "read",
        "4h",
        r#"approvals = [{ from = ["carol"] }]"#,
    );
    let mut log = Log::new(&["alice"], 1);
    log.policy("alice", &org);
    let id = log.request("bob", "db/prod/orders", "read", "30m", "INC-1");
    assert_eq!(log.answer("bob", "db/prod/orders", "read"), "pending needs-approval");
    log.approve("carol", id);
    assert_eq!(log.last(), "effect");
    assert_eq!(log.answer("bob", "db/prod/orders", "read"), "allow granted");
    let gate = log.gate("db/prod/orders", "read");
    assert_eq!(gate.token(&log.token(id)), "allow granted");
    assert_eq!(gate.token(&log.token_with(id, |t| t.lines.truncate(1))), "deny not-logged");
    log.seeing(0).revoke("bob", id);
    assert_eq!(log.last(), "inert: seen-size");
    log.revoke("bob", id);
    assert_eq!(log.answer("bob", "db/prod/orders", "read"), "deny revoked");
}
