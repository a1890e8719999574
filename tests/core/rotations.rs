//! Who is on call: of a subject at the request's `at`, and at a check when that is made; of an approver at theirs.

use jit::core::decide::Shown;
use jit::core::time::Timestamp;

use crate::support::keys::{key, security_key};
use crate::support::log::{Log, parse, t};
use crate::support::org::Org;

/// The first line is signed on a Monday at 08:00 UTC; the turns pass daily at 09:00.
const DAILY: &str = r#"
start = "2026-01-04"
handoff = "09:00"
tz = "UTC"
period = "1d""#;

/// So many hours after that Monday began.
fn hour(hour: i64) -> Timestamp {
    t((hour - 8) * 3600)
}

/// `bob` has Sunday's turn, until Monday at 09:00; `carol` the next, then `dave`.
fn org() -> Org {
    Org::new(&["alice"], 1).people("bob carol dave erin").rotation("primary", "bob carol dave", DAILY)
}

fn start(org: &Org) -> Log {
    let mut log = Log::new(&["alice"], 1);
    log.policy("alice", org);
    log
}

fn valid_until(log: &Log, subject: &str, now: Timestamp) -> String {
    let decision = log.gate("db/prod/orders", "read").at(now).decide(Shown::Subject(&parse(subject)));
    decision.valid_until.map_or(String::new(), |end| end.to_string())
}

#[test]
fn a_subject_has_it_in_their_turns_alone() {
    let mut log = start(&org().allow("read", "rotation:primary", "db/**", "read", "10d"));
    log.request("carol", "db/prod/orders", "read", "10d", "");
    assert_eq!(log.last(), "without effect: no-matching-rule", "it is bob's turn");
    let id = log.request("bob", "db/prod/orders", "read", "10d", "");
    assert_eq!(log.status(id), "complete");
    let answer = |log: &Log, now, subject: &str| log.answer_at(now, subject, "db/prod/orders", "read");
    assert_eq!(answer(&log, hour(8), "bob"), "allow granted");
    assert_eq!(valid_until(&log, "bob", hour(8)), "2026-01-05T09:00:00Z");
    assert_eq!(answer(&log, hour(9), "bob"), "deny no-matching-rule");
    let decision = log.gate("db/prod/orders", "read").at(hour(9)).decide(Shown::Subject(&parse("bob")));
    assert_eq!(
        decision.reasons[0].message,
        "no rule lets `bob` do `read` on `db/prod/orders` at 2026-01-05T09:00:00Z: rule `read` is for who is on call: \
         carol"
    );
    // In the next turn it holds again.
    assert_eq!(answer(&log, hour(2 * 24 + 9), "bob"), "allow granted");
    assert_eq!(valid_until(&log, "bob", hour(2 * 24 + 9)), "2026-01-08T09:00:00Z");
    // A false date lets a request through, and nobody in.
    let early = log.at(hour(9)).request("carol", "db/prod/orders", "read", "1h", "");
    assert_eq!(
        (log.status(early), answer(&log, hour(8), "carol").as_str()),
        ("complete", "deny no-matching-rule not-yet-valid")
    );
    let late = log.at(hour(8)).request("bob", "db/prod/sales", "read", "4h", "");
    assert_eq!(log.status(late), "complete");
    assert_eq!(log.answer_at(hour(10), "bob", "db/prod/sales", "read"), "deny no-matching-rule");
    // Somebody else's token or key is no way around.
    let token = log.token(id);
    assert_eq!(log.gate("db/prod/orders", "read").at(hour(8)).token(&token), "allow granted");
    assert_eq!(log.gate("db/prod/orders", "read").at(hour(10)).key(&key("bob").public()), "deny no-matching-rule");
}

#[test]
fn a_swap_by_a_later_policy_counts_at_the_next_check() {
    let org = org().allow("read", "rotation:primary", "db/**", "read", "10d");
    let mut log = start(&org);
    log.request("bob", "db/prod/orders", "read", "1d", "");
    let swap =
        format!("{DAILY}\noverrides = [{{ from = \"2026-01-05T08:30\", to = \"2026-01-06\", member = \"erin\" }}]");
    log.policy("alice", &org.rotation("primary", "bob carol dave", &swap));
    assert_eq!(log.answer_at(hour(8), "bob", "db/prod/orders", "read"), "allow granted");
    assert_eq!(valid_until(&log, "bob", hour(8)), "2026-01-05T08:30:00Z");
    assert_eq!(log.answer_at(t(1800), "bob", "db/prod/orders", "read"), "deny no-matching-rule policy-changed");
    log.at(hour(10)).request("erin", "db/prod/orders", "read", "1h", "");
    assert_eq!(log.answer_at(hour(10), "erin", "db/prod/orders", "read"), "allow granted");
    log.at(hour(10)).request("carol", "db/prod/orders", "read", "1h", "");
    assert_eq!(log.last(), "without effect: no-matching-rule");
}

#[test]
fn a_turn_ends_an_answer_only_where_nothing_else_allows_it() {
    let org = org()
        .allow("a-turn", "rotation:primary", "db/**", "read", "3h")
        .allow("b-always", "bob", "db/**", "read", "3h");
    let mut log = start(&org);
    log.request("bob", "db/prod/orders", "read", "3h", "");
    assert_eq!(valid_until(&log, "bob", hour(8)), "2026-01-05T11:00:02Z");
    log.policy("alice", &org.clone().without_rule("b-always"));
    assert_eq!(valid_until(&log, "bob", hour(8)), "2026-01-05T09:00:00Z");
    // By the hours of one rule, and then the turn of another.
    let office = r#"hours = [{ from = "09:00", to = "10:00", tz = "UTC" }]"#;
    log.policy("alice", &org.clone().allow_if("b-always", "bob", "db/**", "read", "3h", office));
    assert_eq!(valid_until(&log, "bob", hour(8)), "2026-01-05T10:00:00Z");
    // A member by name is in the rule whosever turn it is.
    log.policy(
        "alice",
        &org.clone().without_rule("b-always").allow("a-turn", "rotation:primary bob", "db/**", "read", "3h"),
    );
    assert_eq!(valid_until(&log, "bob", hour(8)), "2026-01-05T11:00:02Z");
    // Who comes on duty is denied from then on, and not before.
    log.policy("alice", &org.deny("resting", "rotation:other", "db/**").rotation("other", "erin bob", DAILY));
    assert_eq!(log.answer_at(hour(8), "bob", "db/prod/orders", "read"), "allow granted");
    assert_eq!(valid_until(&log, "bob", hour(8)), "2026-01-05T09:00:00Z");
    assert_eq!(log.answer_at(hour(9), "bob", "db/prod/orders", "read"), "deny denied-by-rule policy-changed");
}

#[test]
fn a_deny_rule_denies_the_request_in_the_turn_and_at_each_check_in_one() {
    let org =
        org().allow("read", "bob carol", "db/**", "read", "10d").deny("resting", "rotation:primary", "db/prod/**");
    let mut log = start(&org);
    log.request("bob", "db/prod/orders", "read", "1h", "");
    assert_eq!(log.last(), "without effect: denied-by-rule");
    let dated = log.at(hour(9)).request("bob", "db/prod/orders", "read", "1h", "");
    assert_eq!(log.status(dated), "complete");
    let id = log.request("carol", "db/prod/orders", "read", "2d", "");
    assert_eq!(log.status(id), "complete");
    assert_eq!(log.answer_at(hour(8), "bob", "db/prod/orders", "read"), "deny denied-by-rule not-yet-valid");
    assert_eq!(log.answer_at(hour(8), "carol", "db/prod/orders", "read"), "allow granted");
    assert_eq!(valid_until(&log, "carol", hour(8)), "2026-01-05T09:00:00Z");
    assert_eq!(log.answer_at(hour(9), "carol", "db/prod/orders", "read"), "deny denied-by-rule");
    assert_eq!(log.answer_at(hour(24 + 9), "carol", "db/prod/orders", "read"), "allow granted", "dave's turn");
}

#[test]
fn an_approval_counts_by_whose_turn_it_is_when_it_is_dated() {
    let more = r#"approvals = [{ from = ["rotation:primary"] }]"#;
    let org =
        org().setting("request", "{ pending_for = \"2h\" }").allow_if("read", "erin", "db/**", "read", "4h", more);
    let mut log = start(&org);
    let id = log.request("erin", "db/prod/orders", "read", "4h", "");
    log.approve("carol", id);
    assert_eq!(log.last(), "without effect: no rule that the request fits names `carol` as an approver");
    let mut other = log.clone();
    other.approve("bob", id);
    assert_eq!(other.status(id), "complete", "bob is on call");
    // Within the time that the request may wait, a false date shifts whose turn it is: the linter warns of it.
    let mut other = log.clone();
    other.at(hour(9)).approve("carol", id);
    assert_eq!((other.status(id), other.start(id)), ("complete", hour(9)));
    let mut other = log.clone();
    other.at(hour(9)).approve("bob", id);
    assert!(other.last().starts_with("without effect: no rule"), "{}", other.last());
    // Not beyond it: neither before the request nor after its lapse is anybody's turn.
    log.at(hour(24 + 9)).approve("dave", id);
    assert_eq!(log.last(), "without effect: no rule that the request fits names `dave` as an approver");
    log.at(hour(24 + 9)).deny("dave", id);
    assert_eq!(log.last(), "without effect: no rule that the request fits names `dave` as an approver");
    log.at(hour(24 + 9)).deny("carol", id);
    assert_eq!(log.status(id), "denied", "as if at its lapse, which is in carol's turn");
}

#[test]
fn a_turn_that_ends_before_the_completion_has_been_one() {
    let more = r#"approvals = [{ from = ["rotation:primary"] }, { from = ["alice"] }]"#;
    let org = org().allow_if("read", "erin", "db/**", "read", "4h", more);
    let mut log = start(&org);
    let id = log.request("erin", "db/prod/orders", "read", "4h", "");
    log.approve("bob", id);
    let mut swapped = log.clone();
    log.at(hour(20)).approve("alice", id);
    assert_eq!((log.status(id), log.start(id)), ("complete", hour(20)), "it was bob's turn when he approved");
    // Unless a later policy says that it was not.
    let swap =
        format!("{DAILY}\noverrides = [{{ from = \"2026-01-05T08:00\", to = \"2026-01-05\", member = \"dave\" }}]");
    swapped.policy("alice", &org.rotation("primary", "bob carol dave", &swap));
    swapped.at(hour(20)).approve("alice", id);
    assert_eq!(swapped.status(id), "pending");
    // Then bob can say so again in a turn that is his.
    let mut again = swapped.clone();
    again.at(t(30)).approve("dave", id);
    assert_eq!((again.status(id), again.start(id)), ("complete", hour(20)));
}

#[test]
fn one_person_has_two_turns_and_fills_one_place() {
    let more = r#"approvals = [{ from = ["rotation:primary"] }, { from = ["rotation:other"] }]"#;
    let org = org().rotation("other", "dave bob carol", DAILY).allow_if("read", "erin", "db/**", "read", "4h", more);
    let mut log = start(&org);
    let id = log.request("erin", "db/prod/orders", "read", "4h", "");
    // Bob is on call in the one, and a day later in the other.
    log.approve("bob", id);
    log.at(hour(9)).approve("bob", id);
    assert_eq!((log.last().as_str(), log.status(id)), ("effect", "pending"), "one person is one");
    assert_eq!(log.record(id).approvals.len(), 2, "kept, since each can be worth something by itself");
    log.at(hour(10)).approve("bob", id);
    assert_eq!(log.record(id).approvals.len(), 2, "and no more than that");
    // Carol fills the place of the first rotation, so bob has to fill that of the second: his later approval counts.
    let last = log.at(hour(9)).approve("carol", id);
    assert_eq!(log.status(id), "complete");
    let counted: Vec<_> = log.grant(id).counted.iter().map(|approval| (approval.by.to_string(), approval.at)).collect();
    assert_eq!(counted, [("bob".to_owned(), hour(9)), ("carol".to_owned(), hour(9))]);
    assert_eq!(log.grant(id).counted[1].id, last);
    let token = log.token(id);
    assert_eq!(log.gate("db/prod/orders", "read").at(hour(9)).token(&token), "allow granted");
}

#[test]
fn one_alone_is_chosen_who_needs_both_a_turn_and_a_touch() {
    let more = r#"approvals = [{ from = ["rotation:primary"], hardware_key = true }]"#;
    let org =
        org().keys("bob", &[key("bob"), security_key("bob")]).allow_if("read", "erin", "db/**", "read", "4h", more);
    let mut log = start(&org);
    let id = log.request("erin", "db/prod/orders", "read", "4h", "");
    log.approve("bob", id);
    assert!(log.last().contains("by a key that is no security key"), "{}", log.last());
    log.by_key(security_key("bob")).at(hour(9)).approve("bob", id);
    assert!(log.last().ends_with("names `bob` as an approver"), "{}", log.last());
    log.by_key(security_key("bob")).approve("bob", id);
    assert_eq!(log.status(id), "complete");
}

#[test]
fn a_subject_who_is_on_call_approves_nothing_of_theirs() {
    let more = r#"approvals = [{ from = ["rotation:primary"] }]"#;
    let org = org().service("ci", "bob").allow_if("read", "ci rotation:primary", "db/**", "read", "4h", more);
    let mut log = start(&org);
    for by in ["bob", "ci"] {
        let id = log.request(by, "db/prod/orders", "read", "4h", "");
        assert_eq!(log.status(id), "pending", "{by}");
        log.approve("bob", id);
        assert!(log.last().starts_with("without effect"), "{by}: {}", log.last());
        log.at(hour(9)).approve("carol", id);
        assert_eq!(log.status(id), "complete", "{by}");
    }
}

#[test]
fn a_request_waits_for_a_subject_whose_turn_is_over() {
    let more = r#"approvals = [{ from = ["alice"] }]"#;
    let mut log = start(&org().allow_if("read", "rotation:primary", "db/**", "read", "2d", more));
    let id = log.request("bob", "db/prod/orders", "read", "2d", "");
    assert_eq!(log.answer_at(hour(8), "bob", "db/prod/orders", "read"), "pending needs-approval");
    assert_eq!(log.answer_at(hour(10), "bob", "db/prod/orders", "read"), "deny no-matching-rule");
    log.at(hour(10)).approve("alice", id);
    assert_eq!(log.status(id), "complete", "asked in the turn");
    assert_eq!(log.answer_at(hour(11), "bob", "db/prod/orders", "read"), "deny no-matching-rule");
}

#[test]
fn revokers_are_on_call_when_they_say_so() {
    let org = org().setting("revokers", "[\"rotation:primary\"]").allow("read", "erin", "db/**", "read", "4h");
    let mut log = start(&org);
    let id = log.request("erin", "db/prod/orders", "read", "4h", "");
    log.revoke("carol", id);
    assert!(log.last().starts_with("without effect"), "{}", log.last());
    log.lockdown("carol", "erin", "db/**");
    assert!(log.last().starts_with("without effect"), "{}", log.last());
    let mut other = log.clone();
    other.lockdown("bob", "erin", "db/**");
    assert_eq!(other.answer("erin", "db/prod/orders", "read"), "deny lockdown");
    log.revoke("bob", id);
    assert_eq!(log.answer("erin", "db/prod/orders", "read"), "deny revoked");
}
