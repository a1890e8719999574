//! A rule's hours are asked at each check, and not of a request.

use jit::core::decide::Shown;

use crate::support::log::{Log, parse, t};
use crate::support::org::Org;

/// The first line is signed on a Monday at 08:00 UTC.
const OFFICE: &str = r#"hours = [{ days = ["mon-fri"], from = "09:00", to = "17:00", tz = "UTC" }]"#;

fn hour(hour: i64) -> i64 {
    (hour - 8) * 3600
}

fn start(org: &Org) -> Log {
    let mut log = Log::new(&["alice"], 1);
    log.policy("alice", org);
    log
}

fn valid_until(log: &Log, seconds: i64) -> String {
    let gate = log.gate("db/prod/orders", "read").at(t(seconds));
    gate.decide(Shown::Subject(&parse("bob"))).valid_until.map_or(String::new(), |end| end.to_string())
}

#[test]
fn a_grant_holds_in_its_hours_alone() {
    let org = Org::new(&["alice"], 1).people("bob").allow_if("read", "bob", "db/**", "read", "10d", OFFICE);
    let mut log = start(&org);
    let id = log.request("bob", "db/prod/orders", "read", "10d", "");
    assert_eq!((log.last().as_str(), log.status(id)), ("effect", "complete"), "outside the hours, and granted");
    let answer = |seconds| log.answer_at(t(seconds), "bob", "db/prod/orders", "read");
    for (hours, expected) in [
        (hour(8) + 10, "deny outside-hours"),
        (hour(9) - 1, "deny outside-hours"),
        (hour(9), "allow granted"),
        (hour(17) - 1, "allow granted"),
        (hour(17), "deny outside-hours"),
        (hour(24 + 12), "allow granted"),
        (hour(5 * 24 + 12), "deny outside-hours"),
        (hour(7 * 24 + 12), "allow granted"),
        (hour(10 * 24 + 12), "deny expired"),
        (hour(10 * 24 + 18), "deny expired outside-hours"),
    ] {
        assert_eq!(answer(hours), expected, "{hours}");
    }
    assert_eq!(valid_until(&log, hour(9)), "2026-01-05T17:00:00Z");
    assert_eq!(valid_until(&log, hour(9 * 24 + 10)), "2026-01-14T17:00:00Z");
}

#[test]
fn the_end_of_a_grant_comes_before_that_of_its_hours() {
    let org = Org::new(&["alice"], 1).people("bob").allow_if("read", "bob", "db/**", "read", "2h", OFFICE);
    let mut log = start(&org);
    log.request("bob", "db/prod/orders", "read", "2h", "");
    assert_eq!(valid_until(&log, hour(9)), "2026-01-05T10:00:02Z");
}

#[test]
fn one_rule_of_a_grant_that_has_its_hour_is_enough() {
    let evening = r#"hours = [{ from = "17:00", to = "20:00", tz = "UTC" }]"#;
    let org = Org::new(&["alice"], 1).people("bob").allow_if("a-day", "bob", "db/**", "read", "1d", OFFICE).allow_if(
        "b-evening",
        "bob",
        "db/**",
        "read",
        "1d",
        evening,
    );
    let mut log = start(&org);
    log.request("bob", "db/prod/orders", "read", "1d", "");
    let rule = |seconds| {
        let gate = log.gate("db/prod/orders", "read").at(t(seconds));
        let decision = gate.decide(Shown::Subject(&parse("bob")));
        decision.grant.map_or(String::new(), |grant| grant.rule.to_string())
    };
    assert_eq!((rule(hour(10)).as_str(), rule(hour(18)).as_str(), rule(hour(21)).as_str()), ("a-day", "b-evening", ""));
    // The one goes over into the other.
    assert_eq!(valid_until(&log, hour(10)), "2026-01-05T20:00:00Z");
    // A rule that came later does not help a grant that it was not met for.
    let later = org.without_rule("b-evening").allow("c-any", "bob", "db/**", "read", "1d");
    log.policy("alice", &later);
    assert_eq!(log.answer_at(t(hour(18)), "bob", "db/prod/orders", "read"), "deny outside-hours");
    // Hours that the rule has got since are asked, and those it has lost are not.
    log.policy("alice", &later.clone().allow_if("a-day", "bob", "db/**", "read", "1d", evening));
    assert_eq!(log.answer_at(t(hour(18)), "bob", "db/prod/orders", "read"), "allow granted");
    assert_eq!(log.answer_at(t(hour(10)), "bob", "db/prod/orders", "read"), "deny outside-hours");
    log.policy("alice", &later.allow("a-day", "bob", "db/**", "read", "1d"));
    assert_eq!(log.answer_at(t(hour(22)), "bob", "db/prod/orders", "read"), "allow granted");
}

#[test]
fn a_deny_rule_with_hours_denies_in_them_alone() {
    let night = format!(
        "effect = \"deny\"\nsubjects = [\"bob\"]\nresources = [\"db/**\"]\n{}",
        r#"hours = [{ from = "22:00", to = "06:00", tz = "UTC" }]"#
    );
    let org = Org::new(&["alice"], 1)
        .people("bob carol")
        .allow("read", "bob", "db/prod/orders", "read", "2d")
        .allow_if("sales", "bob", "db/prod/sales", "read", "2d", r#"approvals = [{ from = ["carol"] }]"#)
        .rule("night", &night);
    let mut log = start(&org);
    // In the night, for the night: the request is as good as any other.
    log.at(t(hour(23))).request("bob", "db/prod/orders", "read", "2d", "");
    assert_eq!(log.last(), "effect");
    let waiting = log.at(t(hour(23))).request("bob", "db/prod/sales", "read", "2d", "");
    let answer = |log: &Log, hours, resource| log.answer_at(t(hour(hours)), "bob", resource, "read");
    assert_eq!(answer(&log, 23, "db/prod/orders"), "deny denied-by-rule");
    assert_eq!(answer(&log, 24 + 5, "db/prod/orders"), "deny denied-by-rule");
    assert_eq!(answer(&log, 24 + 6, "db/prod/orders"), "allow granted");
    assert_eq!(valid_until(&log, hour(24 + 6)), "2026-01-06T22:00:00Z");
    // What waits is no question of yes or later while something denies it.
    assert_eq!(answer(&log, 23, "db/prod/sales"), "deny denied-by-rule");
    assert_eq!(answer(&log, 24 + 6, "db/prod/sales"), "pending needs-approval");
    log.at(t(hour(24 + 1))).approve("carol", waiting);
    assert_eq!((log.last().as_str(), log.status(waiting)), ("effect", "complete"));
    // Without hours it denies the request.
    log.policy("alice", &org.deny("night", "bob", "db/**"));
    log.request("bob", "db/prod/orders", "read", "1d", "");
    assert_eq!(log.last(), "without effect: denied-by-rule");
}

#[test]
fn a_request_that_waits_is_not_asked_for_its_hours() {
    let more = format!("{OFFICE}\napprovals = [{{ from = [\"carol\"] }}]");
    let org = Org::new(&["alice"], 1).people("bob carol").allow_if("read", "bob", "db/**", "read", "1d", &more);
    let mut log = start(&org);
    let id = log.request("bob", "db/prod/orders", "read", "1d", "");
    assert_eq!(log.answer("bob", "db/prod/orders", "read"), "pending needs-approval");
    log.approve("carol", id);
    assert_eq!(log.answer("bob", "db/prod/orders", "read"), "deny outside-hours");
    assert_eq!(log.answer_at(t(hour(9)), "bob", "db/prod/orders", "read"), "allow granted");
    let token = log.token(id);
    assert_eq!(log.gate("db/prod/orders", "read").token(&token), "deny outside-hours");
    assert_eq!(log.gate("db/prod/orders", "read").at(t(hour(9))).token(&token), "allow granted");
}
