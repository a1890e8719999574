//! Security keys: where a rule wants one, for the request, at the gate, or of an approver, nothing else will do.

use jit::core::decide::Shown;

use crate::support::keys::{key, security_key};
use crate::support::log::Log;
use crate::support::org::Org;

fn org() -> Org {
    Org::new(&["alice"], 1)
        .people("bob carol dave erin")
        .keys("bob", &[key("bob"), security_key("bob")])
        .keys("carol", &[key("carol"), security_key("carol")])
        .keys("dave", &[key("dave"), security_key("dave")])
}

fn start(org: &Org) -> Log {
    let mut log = Log::new(&["alice"], 1);
    log.policy("alice", org);
    log
}

#[test]
fn a_rule_that_wants_a_security_key_takes_no_other() {
    let org = org().allow_if("read", "bob", "db/**", "read", "4h", "require_hardware_key = true");
    let mut log = start(&org);
    log.request("bob", "db/prod/orders", "read", "1h", "");
    assert_eq!(log.last(), "without effect: needs-hardware-key");
    // Not touched: no signature at all.
    log.by_key(security_key("bob").flags(0)).request("bob", "db/prod/orders", "read", "1h", "");
    assert_eq!(log.last(), "inert: bad-signature, no presence");
    let id = log.by_key(security_key("bob")).request("bob", "db/prod/orders", "read", "1h", "");
    assert_eq!(log.last(), "effect");
    let gate = || log.gate("db/prod/orders", "read");
    assert_eq!(gate().subject("bob"), "allow granted", "the gate knows bob by its own means");
    assert_eq!(gate().key(&security_key("bob").public()), "allow granted");
    assert_eq!(gate().key(&key("bob").public()), "deny needs-hardware-key");
    let token = |key| log.token_with(id, |parts| parts.key = key);
    assert_eq!(gate().token(&token(security_key("bob"))), "allow granted");
    assert_eq!(gate().token(&token(key("bob"))), "deny needs-hardware-key");
    assert_eq!(gate().token(&token(security_key("bob").flags(0x04))), "deny bad-signature");
}

#[test]
fn a_rule_that_comes_to_want_one_ends_what_was_asked_without() {
    let org = org().allow("read", "bob", "db/**", "read", "4h");
    let mut log = start(&org);
    log.request("bob", "db/prod/orders", "read", "1h", "");
    log.by_key(security_key("bob")).request("bob", "db/prod/sales", "read", "1h", "");
    log.policy("alice", &org.allow_if("read", "bob", "db/**", "read", "4h", "require_hardware_key = true"));
    assert_eq!(log.answer("bob", "db/prod/orders", "read"), "deny needs-hardware-key policy-changed");
    assert_eq!(log.answer("bob", "db/prod/sales", "read"), "allow granted");
}

#[test]
fn another_rule_of_the_grant_without_the_demand_is_enough_at_the_gate() {
    let org = org()
        .allow_if("a-touched", "bob", "db/**", "read", "4h", "require_hardware_key = true")
        .allow("b-plain", "bob", "db/**", "read", "1h");
    let mut log = start(&org);
    log.by_key(security_key("bob")).request("bob", "db/prod/orders", "read", "1h", "");
    let by = |key: &jit::core::key::PublicKey| {
        let decision = log.gate("db/prod/orders", "read").decide(Shown::Key(key));
        decision.grant.map(|grant| grant.rule.to_string())
    };
    assert_eq!(by(&security_key("bob").public()).as_deref(), Some("a-touched"));
    assert_eq!(by(&key("bob").public()).as_deref(), Some("b-plain"));
}

#[test]
fn an_approval_that_must_be_touched() {
    let more = r#"approvals = [{ from = ["carol", "dave"], hardware_key = true }]"#;
    let org = org().allow_if("read", "bob", "db/**", "read", "4h", more);
    let mut log = start(&org);
    let id = log.request("bob", "db/prod/orders", "read", "1h", "");
    log.approve("carol", id);
    assert_eq!(
        log.last(),
        "without effect: no rule that the request fits names `carol` as an approver by a key that is no security key"
    );
    let mut denied = log.clone();
    denied.deny("carol", id);
    assert!(denied.last().starts_with("without effect"), "nor can carol deny it so");
    denied.by_key(security_key("carol")).deny("carol", id);
    assert_eq!(denied.status(id), "denied");
    log.by_key(security_key("carol").flags(0)).approve("carol", id);
    assert_eq!(log.last(), "inert: bad-signature, no presence");
    log.by_key(security_key("carol")).approve("carol", id);
    assert_eq!((log.last().as_str(), log.status(id)), ("effect", "complete"));
}

#[test]
fn of_two_approvals_by_one_person_the_one_that_is_needed_counts() {
    let more = r#"approvals = [{ from = ["carol", "dave"], hardware_key = true }, { from = ["carol", "dave"] }]"#;
    let mut log = start(&org().allow_if("read", "bob", "db/**", "read", "4h", more));
    let id = log.request("bob", "db/prod/orders", "read", "1h", "");
    let plain = log.approve("carol", id);
    let also_plain = log.approve("dave", id);
    assert_eq!(log.status(id), "pending");
    let mut by_carol = log.clone();
    let touched = by_carol.by_key(security_key("carol")).approve("carol", id);
    let counted = |log: &Log| log.grant(id).counted.iter().map(|approval| approval.id).collect::<Vec<_>>();
    assert_eq!(counted(&by_carol), [also_plain, touched], "in log order");
    // A token has just those, and the gate takes it.
    let token = by_carol.token(id);
    assert_eq!(by_carol.gate("db/prod/orders", "read").token(&token), "allow granted");
    let other = by_carol.token_with(id, |parts| parts.lines[1] = by_carol.line(by_carol.index(plain)).to_vec());
    assert_eq!(by_carol.gate("db/prod/orders", "read").token(&other), "deny not-logged");
    // Where both have touched, the first to have approved is asked first whether their plain one will do.
    let mut by_both = start(&org().allow_if(
        "read",
        "bob",
        "db/**",
        "read",
        "4h",
        &format!("{more}\n").replace("[{", "[{ from = [\"erin\"] }, {"),
    ));
    let id = by_both.request("bob", "db/prod/orders", "read", "1h", "");
    let first = by_both.approve("carol", id);
    by_both.by_key(security_key("carol")).approve("carol", id);
    by_both.approve("dave", id);
    let second = by_both.by_key(security_key("dave")).approve("dave", id);
    let last = by_both.approve("erin", id);
    let counted: Vec<_> = by_both.grant(id).counted.iter().map(|approval| approval.id).collect();
    assert_eq!(counted, [first, second, last]);
}

#[test]
fn what_an_approver_who_touched_may_do_is_theirs_alone() {
    let more = r#"approvals = [{ from = ["carol"], hardware_key = true }]"#;
    let org = org().allow_if("read", "bob", "db/**", "read", "4h", more);
    let mut log = start(&org);
    let id = log.request("bob", "db/prod/orders", "read", "1h", "");
    log.by_key(security_key("dave")).approve("dave", id);
    assert_eq!(log.last(), "without effect: no rule that the request fits names `dave` as an approver");
    log.by_key(security_key("bob")).approve("bob", id);
    assert!(log.last().starts_with("without effect"), "{}", log.last());
    assert_eq!(log.answer("bob", "db/prod/orders", "read"), "pending needs-approval");
}
