//! Who is on call.

use chrono::{NaiveDateTime, TimeDelta};
use proptest::prelude::*;

use super::*;
use crate::core::time::Timestamp;
use crate::core::zone::Zone;

const PRIMARY: &str = "[rotation.primary]\nmembers=['alice','bob','carol']\nstart='2026-01-05'\nhandoff='09:00'\n\
                       tz='Europe/Berlin'\nperiod='7d'\n";
const CAROL: &str = "[identity.carol]\nkind='person'\n";

fn rotation(text: &str) -> Rotation {
    let policy = load_with(&[("identities/x.toml", &format!("{CAROL}{text}"))]);
    policy.rotations()["primary"].clone()
}

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

fn on_call(rotation: &Rotation, time: Timestamp) -> &str {
    rotation.on_call(time).map_or("nobody", Name::as_str)
}

#[test]
fn turns_pass_by_the_clock_on_the_wall() {
    let weekly = PRIMARY.to_owned();
    let daily = |handoff: &str, tz: &str, start: &str| {
        format!(
            "[rotation.primary]\nmembers=['alice','bob','carol']\nstart='{start}'\nhandoff='{handoff}'\ntz='{tz}'\nperiod='1d'\n"
        )
    };
    let swapped = format!(
        "{PRIMARY}overrides=[{{from='2026-01-14T12:00',to='2026-01-15',member='alice'}},\
         {{from='2026-01-01',to='2026-01-02',member='carol'}},{{from='2026-01-07',to='2026-01-14T12:00',member='carol'}}]\n"
    );
    let spring = daily("02:30", "Europe/Berlin", "2026-03-27");
    let autumn = daily("02:30", "Europe/Berlin", "2026-10-23");
    let midnight = daily("00:00", "America/Havana", "2026-03-06");
    let back_over_midnight = daily("23:30", "America/Havana", "2026-10-30");
    let skipped = daily("12:00", "Pacific/Apia", "2011-12-28");
    for (text, time, expected) in [
        // Mondays at 09:00, in winter (UTC+1).
        (&weekly, "2026-01-05T07:59:59Z", "nobody"),
        (&weekly, "2026-01-05T08:00:00Z", "alice"),
        (&weekly, "2026-01-12T07:59:59Z", "alice"),
        (&weekly, "2026-01-12T08:00:00Z", "bob"),
        (&weekly, "2026-01-19T08:00:00Z", "carol"),
        (&weekly, "2026-01-26T08:00:00Z", "alice"),
        (&weekly, "1970-01-01T00:00:00Z", "nobody"),
        // And in summer (UTC+2), the week being an hour shorter.
        (&weekly, "2026-03-29T23:00:00Z", "carol"),
        (&weekly, "2026-03-30T06:59:59Z", "carol"),
        (&weekly, "2026-03-30T07:00:00Z", "alice"),
        (&weekly, "2026-10-26T07:59:59Z", "carol"),
        (&weekly, "2026-10-26T08:00:00Z", "alice"),
        (&weekly, "9999-12-31T23:59:59Z", "bob"),
        // Somebody stands in, by dates and by times, before the first turn too.
        (&swapped, "2026-01-01T07:59:59Z", "nobody"),
        (&swapped, "2026-01-01T08:00:00Z", "carol"),
        (&swapped, "2026-01-02T08:00:00Z", "nobody"),
        (&swapped, "2026-01-07T07:59:59Z", "alice"),
        (&swapped, "2026-01-07T08:00:00Z", "carol"),
        (&swapped, "2026-01-14T10:59:59Z", "carol"),
        (&swapped, "2026-01-14T11:00:00Z", "alice"),
        (&swapped, "2026-01-15T08:00:00Z", "bob"),
        // On 2026-03-29 clocks go from 02:00 to 03:00, at 01:00 UTC: the handoff is then.
        (&spring, "2026-03-28T01:29:59Z", "alice"),
        (&spring, "2026-03-28T01:30:00Z", "bob"),
        (&spring, "2026-03-29T00:59:59Z", "bob"),
        (&spring, "2026-03-29T01:00:00Z", "carol"),
        (&spring, "2026-03-30T00:29:59Z", "carol"),
        (&spring, "2026-03-30T00:30:00Z", "alice"),
        // On 2026-10-25 they go back from 03:00 to 02:00, at 01:00 UTC: the first half past two is the handoff.
        (&autumn, "2026-10-25T00:29:59Z", "bob"),
        (&autumn, "2026-10-25T00:30:00Z", "carol"),
        (&autumn, "2026-10-25T01:00:00Z", "carol"),
        (&autumn, "2026-10-25T01:29:59Z", "carol"),
        (&autumn, "2026-10-26T01:29:59Z", "carol"),
        (&autumn, "2026-10-26T01:30:00Z", "alice"),
        // On 2026-03-08 there is no midnight in Havana, at 05:00 UTC it is 01:00.
        (&midnight, "2026-03-08T04:59:59Z", "bob"),
        (&midnight, "2026-03-08T05:00:00Z", "carol"),
        (&midnight, "2026-03-09T04:00:00Z", "alice"),
        // On 2026-11-01 it is 00:00 to 01:00 twice there; that changes nothing for half past eleven.
        (&back_over_midnight, "2026-11-01T03:29:59Z", "alice"),
        (&back_over_midnight, "2026-11-01T03:30:00Z", "bob"),
        (&back_over_midnight, "2026-11-01T05:30:00Z", "bob"),
        (&back_over_midnight, "2026-11-02T04:30:00Z", "carol"),
        // There was no 2011-12-30 in Samoa: its turn begins with the 31st, at 10:00 UTC, and ends at noon.
        (&skipped, "2011-12-30T09:59:59Z", "bob"),
        (&skipped, "2011-12-30T10:00:00Z", "carol"),
        (&skipped, "2011-12-30T22:00:00Z", "alice"),
    ] {
        assert_eq!(on_call(&rotation(text), at(time)), expected, "{text} {time}");
    }
}

#[test]
fn what_is_no_rotation() {
    let with = |from: &str, to: &str| format!("{CAROL}{}", PRIMARY.replace(from, to));
    let table: &[(&str, &str, &[&str])] = &[
        ("['alice','bob','carol']", "[]", &["@:4:9: `members` is an empty list"]),
        ("'bob','carol'", "'alcie'", &["@:4:18: there is no identity `alcie` | did you mean `alice`?"]),
        ("'bob','carol'", "'alice'", &["@:4:18: `alice` is twice in `members`"]),
        ("'bob','carol'", "'ci'", &["@:4:18: `ci` is a service, and who is on call in `primary` must be a person"]),
        (
            "'bob','carol'",
            "'group:dba'",
            &["@:4:18: `group:dba`: a name holds only a-z, 0-9, `.`, `_` and `-`, not `:` (character 6)"],
        ),
        ("2026-01-05", "2026-1-5", &["@:5:7: `2026-1-5` is no day; write it as in `2026-01-05`"]),
        ("2026-01-05", "2026-02-30", &["@:5:7: `2026-02-30` is no day; write it as in `2026-01-05`"]),
        ("2026-01-05", "1969-12-31", &["@:5:7: `1969-12-31` is no day; write it as in `2026-01-05`"]),
        ("start='2026-01-05'", "start=2026-01-05", &["@:5:7: `start` must be a text in quotes, this is a date"]),
        ("09:00", "24:00", &["@:6:9: `handoff` is before 24:00 | write `handoff = \"00:00\"`"]),
        ("09:00", "9:00", &["@:6:9: `9:00`: a time of day is written like 08:00, from 00:00 to 24:00"]),
        ("Berlin", "Berlim", &["@:7:4: there is no time zone `Europe/Berlim` | did you mean `Europe/Berlin`?"]),
        ("7d", "36h", &["@:8:8: `period` is in whole days, as in `7d`"]),
        ("period='7d'", "", &["@:3:11: rotation `primary` needs `period` | write for example `period = \"7d\"`"]),
        ("period", "perod='7d'\nperiod", &["@:8:1: unknown key `perod` in a rotation | did you mean `period`?"]),
        (
            "period='7d'",
            "period='7d'\noverrides=[{from='2026-01-05',to='2026-01-05T09:00',member='bob'}]",
            &["@:9:12: `from` of an override is before its `to`"],
        ),
        (
            "period='7d'",
            "period='7d'\noverrides=[{from='2026-01-05Z',to='2026-01-06',member='bbo'}]",
            &[
                "@:9:18: `2026-01-05Z` is no moment | write a day as in `2026-01-05`, for its handoff, or with a time as in \
                 `2026-01-05T18:00`; both are in the `tz` of the rotation",
            ],
        ),
        (
            "period='7d'",
            "period='7d'\n[[rotation.primary.overrides]]\nfrom='2026-01-07'\nto='2026-01-09'\nmember='bob'\n\
             [[rotation.primary.overrides]]\nfrom='2026-01-05'\nto='2026-01-07T09:01'\nmember='bbo'",
            &[
                "@:9:1: this override begins at 2026-01-07T08:00:00Z, and the one at @:13:1 ends at 2026-01-07T08:01:00Z \
                 | let one end where the next begins: only one person is on call",
                "@:16:8: there is no identity `bbo` | did you mean `bob`?",
            ],
        ),
    ];
    for (from, to, expected) in table {
        check("identities/x.toml", &with(from, to), expected);
    }
    let twice = [("identities/a.toml", PRIMARY), ("identities/x.toml", &with("", ""))];
    assert_eq!(
        errors_with(&twice),
        ["identities/x.toml:3:11: rotation `primary` is there already, at identities/a.toml:1:11"]
    );
    let dotted = with("rotation.primary", "rotation.a.b");
    let rule = RULE.replace("'bob'", "'rotation:a.b'");
    assert_eq!(
        errors_with(&[("identities/x.toml", &dotted), ("policies/x.toml", &rule)]),
        [
            "identities/x.toml:3:13: `a.b` without quotes is not one name but tables inside each other | write `[rotation.\"a.b\"]`"
        ]
    );
}

#[test]
fn a_rotation_is_named_where_groups_are() {
    let identities = format!("{CAROL}{PRIMARY}");
    let errors = |path: &str, text: &str| errors_with(&[("identities/x.toml", &identities), (path, text)]);
    let jit = |line: &str| format!("format=1\nname='a'\nthreshold=1\n{line}");
    let rule = |subject: &str, more: &str| format!("{}{more}", RULE.replace("'bob'", subject));
    for (path, text, expected) in [
        ("policies/x.toml", rule("'rotation:primary'", "approvals=[{from=['rotation:primary']}]"), None),
        ("jit.toml", jit("maintainers=['alice']\nrevokers=['rotation:primary']"), None),
        (
            "policies/x.toml",
            rule("'rotation:primray'", ""),
            Some("policies/x.toml:2:11: there is no rotation `primray` | did you mean `primary`?"),
        ),
        (
            "policies/x.toml",
            rule("'primary'", ""),
            Some(
                "policies/x.toml:2:11: there is no identity `primary` | `primary` is a rotation: write `rotation:primary`",
            ),
        ),
        (
            "policies/x.toml",
            rule("'group:primary'", ""),
            Some(
                "policies/x.toml:2:11: there is no group `primary` | `primary` is a rotation: write `rotation:primary`",
            ),
        ),
        (
            "policies/x.toml",
            rule("'rotation:dba'", ""),
            Some("policies/x.toml:2:11: there is no rotation `dba` | `dba` is a group: write `group:dba`"),
        ),
        (
            "policies/x.toml",
            rule("'rotation:bob'", ""),
            Some("policies/x.toml:2:11: there is no rotation `bob` | `bob` is an identity: write `bob`"),
        ),
        (
            "jit.toml",
            jit("maintainers=['rotation:primary']"),
            Some("jit.toml:4:14: maintainers are people by name, never groups or rotations"),
        ),
        (
            "jit.toml",
            jit("maintainers=['alice']\ncheck={witnesses=['rotation:primary']}"),
            Some("jit.toml:5:19: witnesses are services by name, never groups or rotations"),
        ),
        (
            "identities/y.toml",
            "[group.on]\nmembers=['rotation:primary']".to_owned(),
            Some(
                "identities/y.toml:2:10: who is on call is no member of a group | name `rotation:primary` beside the group, \
                 wherever it is meant",
            ),
        ),
        (
            "policies/x.toml",
            PRIMARY.to_owned(),
            Some(
                "policies/x.toml:1:2: `rotation` does not stand in a file under policies/ | move it to a file under identities/",
            ),
        ),
        (
            "jit.toml",
            jit(&format!("maintainers=['alice']\n{}", PRIMARY.replace("primary", "other"))),
            Some("jit.toml:5:2: `rotation` tables do not stand in jit.toml | move them to a file under identities/"),
        ),
    ] {
        let found = errors(path, &text);
        assert_eq!(found.first().map(String::as_str), expected, "{text}: {found:?}");
        assert!(found.len() < 2, "{found:?}");
    }
    assert!("rotation:primary".parse::<crate::core::statement::LockdownSubject>().is_err());
}

#[test]
fn lint_says_who_can_choose_their_turn() {
    let warnings = |jit: &str, rule: &str| {
        let people = format!("{CAROL}keys=['KEY3']\n{PRIMARY}");
        told(&lint(&load_with(&[
            ("jit.toml", &format!("{JIT}{jit}")),
            ("identities/x.toml", &people),
            ("policies/x.toml", &format!("{RULE}{rule}")),
        ])))
    };
    let turns = "whoever has turns can date theirs into one that is at most";
    let more = "if that is too much, name a group, or shorten `request.pending_for` in jit.toml";
    let asks = format!(
        "policies/x.toml:1:7: entry 1 of `approvals` in rule `x` asks who is on call at the time that an approval is dated: {turns}"
    );
    let short = "name more people with keys in `from`, or lower `count`; nobody approves for themselves";
    let needs = |need: u32, have: u32| {
        format!(
            "policies/x.toml:1:7: rule `x` needs {need} to approve, but for `bob` only {have} can at any time: a rotation is \
             one person, and nobody in their own turn | {short}"
        )
    };
    let asks_for = |length: &str| format!("{asks} {length} after the request | {more}");
    assert_eq!(
        warnings("", "approvals=[{from=['rotation:primary']}]"),
        [asks_for("1d"), needs(1, 0)],
        "when bob asks in his own turn, nobody can approve"
    );
    assert_eq!(
        warnings("request={pending_for='1h'}\n", "approvals=[{from=['alice','rotation:primary'],count=2}]"),
        [asks_for("1h"), needs(2, 1)]
    );
    let all = "approvals=[{from=['alice','bob','carol','rotation:primary'],count=2}]";
    assert_eq!(warnings("", all), Vec::<String>::new(), "all of them may approve at any time");
    let revokers = warnings("revokers=['rotation:primary']\n", "");
    assert_eq!(
        revokers,
        [
            "jit.toml: `revokers` names who is on call, at the time that a revocation or a lockdown is dated: whoever has turns \
          can date theirs into one, and so revoke at any time | if that is not meant, name people or groups"
        ]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Going step by step from before the first turn, and handing over once the wall shows the next handoff or later,
    /// finds the same: from the first turn on exactly one member is on call, or whoever stands in.
    #[test]
    fn who_is_on_call_is_found_by_going_step_by_step(
        members in 1_usize..4,
        quarter in 0_u32..96,
        days in 1_u32..15,
        tz in prop::sample::select(vec![
            "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/St_Johns",
            "Africa/Casablanca", "Pacific/Apia", "America/Havana",
        ]),
        start in prop::sample::select(vec![
            "2026-03-01", "2026-10-10", "2026-03-28", "2011-12-20", "2026-02-10", "2024-02-20", "1970-01-02",
        ]),
        stands_in in prop::option::of((0_i64..40, 1_u32..20)),
    ) {
        let names = ["'alice'", "'bob'", "'carol'"];
        let written = names[..members].join(",");
        let handoff = format!("{:02}:{:02}", quarter / 4, quarter % 4 * 15);
        let first: chrono::NaiveDate = start.parse().unwrap();
        let overrides = stands_in.map(|(from, length)| {
            let from = first + TimeDelta::days(from);
            let to = from + TimeDelta::days(i64::from(length));
            format!("overrides=[{{from='{from}T12:00',to='{to}T12:00',member='carol'}}]")
        });
        let rotation = rotation(&format!(
            "[rotation.primary]\nmembers=[{written}]\nstart='{start}'\nhandoff='{handoff}'\ntz='{tz}'\nperiod='{days}d'\n{}",
            overrides.unwrap_or_default()
        ));
        let tz: Zone = tz.parse().unwrap();
        let noon = |date: chrono::NaiveDate| date.and_hms_opt(12, 0, 0).unwrap();
        let mut next: NaiveDateTime = first.and_hms_opt(quarter / 4, quarter % 4 * 15, 0).unwrap();
        let (mut turn, mut begun, mut ended) = (None::<usize>, false, false);
        let mut last_change = None;
        // Zones have moved their clocks by whole quarters of an hour for long.
        let from = Timestamp::from_unix((noon(first) - TimeDelta::days(2)).and_utc().timestamp()).unix() / 900 * 900;
        for step in 0..50 * 96_i64 {
            let now = Timestamp::from_unix(from + step * 900);
            let wall = tz.wall(now);
            while wall >= next {
                turn = Some(turn.map_or(0, |turn| (turn + 1) % members));
                next += TimeDelta::days(i64::from(days));
            }
            if let Some((from, length)) = stands_in {
                begun |= wall >= noon(first + TimeDelta::days(from));
                ended |= wall >= noon(first + TimeDelta::days(from + i64::from(length)));
            }
            let expected = match (begun && !ended, turn) {
                (true, _) => "carol",
                (false, Some(turn)) => ["alice", "bob", "carol"][turn],
                (false, None) => "nobody",
            };
            prop_assert_eq!(on_call(&rotation, now), expected, "{} {}", now, wall);
            // The change that was foretold is the one that comes, and none comes that was not.
            let foretold = rotation.next_change(now.shifted(TimeDelta::seconds(-900)), now.shifted(TimeDelta::seconds(1)));
            let before = on_call(&rotation, now.shifted(TimeDelta::seconds(-900)));
            if step > 0 {
                prop_assert_eq!(foretold, (before != expected).then_some(now), "{} {}", now, wall);
            }
            last_change = foretold.or(last_change);
        }
        prop_assert!(last_change.is_some(), "the first turn has begun");
    }
}
