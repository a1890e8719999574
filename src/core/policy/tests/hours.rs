//! Hours of the week, by the wall clock.

use proptest::prelude::*;

use super::*;
use crate::core::time::Timestamp;

fn hours(text: &str) -> Vec<Hours> {
    let policy = load_with(&[("policies/x.toml", &format!("{RULE}hours=[{text}]"))]);
    policy.rules()["x"].hours.clone()
}

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

#[test]
fn hours_hold_by_the_clock_on_the_wall() {
    let office = "{days=['mon-fri'],from='08:00',to='18:00',tz='Europe/Berlin'}";
    let night = "{days=['fri'],from='22:00',to='06:00',tz='Europe/Berlin'}";
    let to_midnight = "{days=['sun'],from='12:00',to='24:00',tz='UTC'}";
    let over_the_week = "{days=['fri-mon'],from='00:00',to='24:00',tz='UTC'}";
    let at_midnight = "{days=['sun'],from='12:00',to='00:00',tz='UTC'}";
    let half_past_two = "{from='02:15',to='02:45',tz='Europe/Berlin'}";
    let lord_howe = "{from='01:45',to='02:15',tz='Australia/Lord_Howe'}";
    let kathmandu = "{days=['thu'],from='00:00',to='00:01',tz='Asia/Kathmandu'}";
    for (text, time, expected) in [
        // A Monday in winter (UTC+1), in summer (UTC+2), and a weekend.
        (office, "2026-01-05T06:59:59Z", false),
        (office, "2026-01-05T07:00:00Z", true),
        (office, "2026-01-05T16:59:59Z", true),
        (office, "2026-01-05T17:00:00Z", false),
        (office, "2026-07-06T05:59:59Z", false),
        (office, "2026-07-06T06:00:00Z", true),
        (office, "2026-07-06T16:00:00Z", false),
        (office, "2026-01-10T10:00:00Z", false),
        // Past midnight it belongs to the day it starts.
        (night, "2026-01-09T20:59:59Z", false),
        (night, "2026-01-09T21:00:00Z", true),
        (night, "2026-01-10T04:59:59Z", true),
        (night, "2026-01-10T05:00:00Z", false),
        (night, "2026-01-09T04:00:00Z", false),
        (to_midnight, "2026-01-11T23:59:59Z", true),
        (to_midnight, "2026-01-12T00:00:00Z", false),
        (at_midnight, "2026-01-11T23:59:59Z", true),
        (at_midnight, "2026-01-12T00:00:00Z", false),
        (over_the_week, "2026-01-08T23:59:59Z", false),
        (over_the_week, "2026-01-09T00:00:00Z", true),
        (over_the_week, "2026-01-11T00:00:00Z", true),
        (over_the_week, "2026-01-12T23:59:59Z", true),
        (over_the_week, "2026-01-13T00:00:00Z", false),
        // On 2026-03-29 clocks go from 02:00 to 03:00: half past two does not come.
        (half_past_two, "2026-03-28T01:30:00Z", true),
        (half_past_two, "2026-03-29T00:30:00Z", false),
        (half_past_two, "2026-03-29T01:30:00Z", false),
        (half_past_two, "2026-03-30T00:30:00Z", true),
        // On 2026-10-25 they go back from 03:00 to 02:00: it comes twice.
        (half_past_two, "2026-10-25T00:30:00Z", true),
        (half_past_two, "2026-10-25T01:00:00Z", false),
        (half_past_two, "2026-10-25T01:30:00Z", true),
        (half_past_two, "2026-10-25T01:45:00Z", false),
        // Half an hour of summer time: on 2026-04-05 the clock goes from 02:00 to 01:30, at 15:00 UTC.
        (lord_howe, "2026-04-04T14:50:00Z", true),
        (lord_howe, "2026-04-04T15:10:00Z", false),
        (lord_howe, "2026-04-04T15:20:00Z", true),
        // UTC+5:45
        (kathmandu, "2025-12-31T18:14:59Z", false),
        (kathmandu, "2025-12-31T18:15:00Z", true),
        (kathmandu, "2025-12-31T18:16:00Z", false),
        // The ends of time.
        (office, "1970-01-01T07:00:00Z", true),
        (night, "1970-01-01T00:00:00Z", false),
        (to_midnight, "9999-12-31T23:59:59Z", false),
    ] {
        assert_eq!(any_contain(&hours(text), at(time)), expected, "{text} {time}");
    }
}

#[test]
fn the_next_change_is_found() {
    let office = "{days=['mon-fri'],from='08:00',to='18:00',tz='Europe/Berlin'}";
    let always = "{from='00:00',to='12:00',tz='UTC'},{from='12:00',to='24:00',tz='UTC'}";
    let joined = "{from='08:00',to='12:00',tz='Europe/Berlin'},{from='11:00',to='18:00',tz='Europe/Berlin'}";
    let monday = "{days=['mon'],from='00:00',to='03:00',tz='America/New_York'}";
    let small = "{from='02:30',to='04:00',tz='Europe/Berlin'}";
    for (text, now, limit, expected) in [
        (office, "2026-01-05T07:00:00Z", "2026-02-01T00:00:00Z", Some("2026-01-05T17:00:00Z")),
        (office, "2026-01-05T07:00:00Z", "2026-01-05T17:00:00Z", None),
        (office, "2026-01-05T07:00:00Z", "2026-01-05T17:00:01Z", Some("2026-01-05T17:00:00Z")),
        (office, "2026-01-09T17:00:00Z", "2026-02-01T00:00:00Z", Some("2026-01-12T07:00:00Z")),
        (joined, "2026-01-05T07:00:00Z", "2026-02-01T00:00:00Z", Some("2026-01-05T17:00:00Z")),
        (always, "2026-01-05T07:00:00Z", "2027-01-05T07:00:00Z", None),
        (monday, "2026-03-29T02:06:00Z", "2026-04-01T00:00:00Z", Some("2026-03-30T04:00:00Z")),
        // The wall clock jumps back from 03:00 to 02:00, and out of the hours; half an hour on it is inside again.
        (small, "2026-10-25T00:45:00Z", "2026-10-26T00:00:00Z", Some("2026-10-25T01:00:00Z")),
        (small, "2026-10-25T01:00:00Z", "2026-10-26T00:00:00Z", Some("2026-10-25T01:30:00Z")),
        // It jumps from 02:00 to 03:00, and into them.
        (small, "2026-03-29T00:45:00Z", "2026-03-30T00:00:00Z", Some("2026-03-29T01:00:00Z")),
        (office, "9999-12-31T10:00:00Z", "9999-12-31T23:59:59Z", Some("9999-12-31T17:00:00Z")),
        ("{from='22:00',to='06:00',tz='UTC'}", "9999-12-31T23:00:00Z", "9999-12-31T23:59:59Z", None),
    ] {
        let found = next_change(&hours(text), at(now), at(limit)).map(|change| change.to_string());
        assert_eq!(found.as_deref(), expected, "{text} {now}");
    }
    assert_eq!(next_change(&[], at("2026-01-05T07:00:00Z"), Timestamp::MAX.min(at("2027-01-01T00:00:00Z"))), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Looking minute by minute finds the same change: no zone has moved its clock by seconds since long before.
    #[test]
    fn the_next_change_is_that_of_looking_minute_by_minute(
        entries in prop::collection::vec(
            (
                prop::sample::select(vec!["mon", "tue-thu", "sat-sun", "fri-mon", "mon-sun"]),
                0_u32..48,
                1_u32..48,
                prop::sample::select(vec![
                    "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/St_Johns",
                    "Africa/Casablanca", "Pacific/Apia",
                ]),
            ),
            1..4,
        ),
        now in 1_262_304_000_i64..2_100_000_000,
        near in prop::option::of(prop::sample::select(vec![1_774_746_000_i64, 1_792_889_000, 1_762_063_200, 1_325_239_200])),
    ) {
        let now = near.map_or(now, |near| near + now % 10_000) / 60 * 60;
        let text: Vec<String> = entries
            .iter()
            .map(|(days, from, length, tz)| {
                let (from, to) = (from * 30, (from + length) * 30 % (24 * 60));
                let (from, to) = if from == to { (from, (to + 30) % (24 * 60)) } else { (from, to) };
                let clock = |minute: u32| format!("{:02}:{:02}", minute / 60, minute % 60);
                format!("{{days=['{days}'],from='{}',to='{}',tz='{tz}'}}", clock(from), clock(to))
            })
            .collect();
        let hours = hours(&text.join(","));
        let (now, limit) = (Timestamp::from_unix(now), Timestamp::from_unix(now + 3 * 86_400));
        let holds = any_contain(&hours, now);
        let slow = (1..3 * 24 * 60)
            .map(|minute| Timestamp::from_unix(now.unix() + minute * 60))
            .find(|minute| any_contain(&hours, *minute) != holds);
        prop_assert_eq!(next_change(&hours, now, limit), slow, "{:?} from {}", text, now);
    }
}

#[test]
fn days_read_and_print() {
    for (text, printed) in [
        ("mon", "mon"),
        ("mon-fri", "mon-fri"),
        ("fri-mon", "mon,fri-sun"),
        ("sun-sat", "any day"),
        ("mon-sun", "any day"),
        ("sun-mon", "mon,sun"),
        ("wed-wed", "wed"),
    ] {
        assert_eq!(text.parse::<Days>().unwrap().to_string(), printed, "{text}");
    }
    let entry = hours("{days=['wed','fri-sat'],from='22:00',to='06:00',tz='UTC'}");
    assert_eq!(entry[0].to_string(), "wed,fri-sat 22:00-06:00 UTC");
}
