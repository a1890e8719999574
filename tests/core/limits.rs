//! Limits count what a subject was granted before by the same rule, once, when another grant would be complete.

use crate::support::log::{Log, t};
use crate::support::org::Org;
use jit::core::view::View as _;

fn start(limits: &str) -> (Log, Org) {
    let org = Org::new(&["alice"], 1)
        .people("bob carol dave")
        .setting("revokers", r#"["alice"]"#)
        .allow_if("read", "bob dave", "db/**", "read", "4h", limits);
    let mut log = Log::new(&["alice"], 1);
    log.policy("alice", &org);
    (log, org)
}

/// Asks for an hour from that second on, and says what came of it.
fn ask(log: &mut Log, from: i64) -> String {
    log.not_before(t(from)).request("bob", "db/prod/orders", "read", "1h", "");
    log.last()
}

const OVER: &str = "without effect: over-limit";

#[test]
fn active_counts_windows_that_overlap() {
    let (mut log, org) = start("limits = { active = 2 }");
    assert_eq!(ask(&mut log, 10_000), "effect");
    assert_eq!(ask(&mut log, 10_000), "effect");
    let full = log.clone();
    assert_eq!(ask(&mut log, 10_000), OVER);
    // It touches neither of them.
    assert_eq!(ask(&mut log, 10_000 + 3_600), "effect");
    assert_eq!(ask(&mut log, 10_000 + 3_599), OVER);
    assert_eq!(ask(&mut log, 10_000 - 3_600), "effect");
    assert_eq!(ask(&mut log, 10_000 - 3_599), OVER);
    // Others have their own.
    log.not_before(t(10_000)).request("dave", "db/prod/orders", "read", "1h", "");
    assert_eq!(log.last(), "effect");

    // What is revoked or locked down is left out; what merely can't be used any more is not.
    let mut log = full.clone();
    let first = log.record(log.view().requests(None)[0].id).id;
    log.revoke("alice", first);
    assert_eq!(ask(&mut log, 10_000), "effect");
    let mut log = full.clone();
    let lockdown = log.lockdown("alice", "bob", "db/**");
    log.lift("alice", lockdown);
    assert_eq!(
        (ask(&mut log, 10_000), ask(&mut log, 10_000), ask(&mut log, 10_000)),
        ("effect".to_owned(), "effect".to_owned(), OVER.to_owned())
    );
    let mut log = full;
    log.policy("alice", &org.clone().allow_if("read", "bob", "db/**", "read", "1h", "limits = { active = 3 }"));
    assert_eq!((ask(&mut log, 10_000).as_str(), ask(&mut log, 10_000).as_str()), ("effect", OVER));
}

#[test]
fn rate_counts_starts_that_are_near_in_either_direction() {
    let (mut log, _) = start("limits = { rate = { count = 2, per = \"6h\" } }");
    assert_eq!(ask(&mut log, 100_000), "effect");
    assert_eq!(ask(&mut log, 100_000 + 6 * 3_600 - 1), "effect");
    assert_eq!(ask(&mut log, 100_000 + 3 * 3_600), OVER);
    assert_eq!(ask(&mut log, 100_000 + 6 * 3_600 - 1 + 6 * 3_600), "effect");
    // Six hours before the first, and the first is not less than that away.
    assert_eq!(ask(&mut log, 100_000 - 6 * 3_600), "effect");
    // One revoked counts all the same: it was used up.
    let ids: Vec<_> =
        log.view().requests(None).iter().filter(|record| record.grant().is_some()).map(|record| record.id).collect();
    for id in ids {
        log.revoke("bob", id);
    }
    assert_eq!(ask(&mut log, 100_000 + 3_600), OVER);
}

#[test]
fn cooldown_is_the_time_from_an_end_to_a_start_in_either_direction() {
    let (mut log, _) = start("limits = { cooldown = \"10m\" }");
    assert_eq!(ask(&mut log, 100_000), "effect");
    for (from, expected) in [
        (100_000, OVER),
        (100_000 + 1_800, OVER),
        (100_000 + 3_600, OVER),
        (100_000 + 3_600 + 599, OVER),
        (100_000 - 3_600, OVER),
        (100_000 - 3_600 - 599, OVER),
        (100_000 + 3_600 + 600, "effect"),
        (100_000 - 3_600 - 600, "effect"),
    ] {
        assert_eq!(ask(&mut log, from), expected, "{from}");
    }
}

#[test]
fn a_false_time_gains_nothing() {
    let (mut log, _) = start("limits = { active = 1, rate = { count = 1, per = \"24h\" } }");
    log.request("bob", "db/prod/orders", "read", "1h", "");
    assert_eq!(log.last(), "effect");
    for at in [-7_200, 7_200] {
        log.at(t(at)).request("bob", "db/prod/orders", "read", "1h", "");
        assert_eq!(log.last(), OVER, "{at}");
    }
}

#[test]
fn a_request_waits_for_another_rule_and_not_for_a_limit() {
    let (log, org) = start("limits = { active = 1 }");
    let mut alone = log.clone();
    assert_eq!((ask(&mut alone, 10_000).as_str(), ask(&mut alone, 10_000).as_str()), ("effect", OVER));

    // Another rule fits and waits for approvals: then the request does.
    let mut log = log;
    let two = org.clone().allow_if("asked", "bob", "db/**", "read", "4h", r#"approvals = [{ from = ["carol"] }]"#);
    log.policy("alice", &two);
    assert_eq!(ask(&mut log, 10_000), "effect");
    let id = log.not_before(t(10_000)).request("bob", "db/prod/orders", "read", "1h", "");
    assert_eq!((log.last().as_str(), log.status(id)), ("effect", "pending"));
    log.approve("carol", id);
    assert_eq!(log.status(id), "complete");
    let rules = |log: &Log, id| log.grant(id).rules.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(rules(&log, id), ["asked"], "the other has no room");

    // A limit behind approvals is asked when they are there, at each approval anew.
    let mut log = Log::new(&["alice"], 1);
    let more = "approvals = [{ from = [\"carol\", \"dave\"] }]\nlimits = { active = 1 }";
    log.policy("alice", &org.allow_if("read", "bob", "db/**", "read", "4h", more));
    let first = log.request("bob", "db/prod/orders", "read", "1h", "");
    let second = log.request("bob", "db/prod/orders", "read", "1h", "");
    log.approve("carol", first);
    log.approve("carol", second);
    assert_eq!((log.status(first), log.status(second), log.last().as_str()), ("complete", "pending", "effect"));
    log.revoke("bob", first);
    assert_eq!(log.status(second), "pending", "only an approval completes it");
    log.approve("dave", second);
    assert_eq!(log.status(second), "complete");
}

#[test]
fn a_grant_counts_for_each_of_its_rules() {
    let (mut log, org) = start("limits = { active = 1 }");
    let two = org.allow_if("other", "bob", "db/**", "read write", "4h", "limits = { active = 1 }");
    log.policy("alice", &two);
    assert_eq!(ask(&mut log, 10_000), "effect");
    log.not_before(t(10_000)).request("bob", "db/prod/orders", "write", "1h", "");
    assert_eq!(log.last(), OVER, "the grant to read is by both rules");
}
