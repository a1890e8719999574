//! Claim 5: policy comes into force only by a threshold of the maintainers of the policy before it, and never goes
//! back.

use jit::core::hash::Hash;
use jit::core::policy::PolicyFiles;
use jit::core::view::View as _;

use crate::support::keys::{Key, key, key2};
use crate::support::log::{Log, t};
use crate::support::org::{Org, files};
use crate::support::table::table;

/// Three maintainers, two of whom decide; bob may have anything at once.
fn org() -> Org {
    Org::new(&["alice", "amy", "ann"], 2)
        .people("bob carol")
        .keys("alice", &[key("alice"), key2("alice")])
        .allow("all", "bob", "**", "access", "4h")
}

/// The same, changed in nothing that bears on who decides.
fn tighter() -> Org {
    org().without_rule("all").allow("less", "bob", "web/**", "access", "4h")
}

/// A log with the policy in force, as version 1.
fn scene() -> Log {
    let mut log = Log::new(&["alice", "amy", "ann"], 2);
    // Alice's second key is a change of a maintainer's keys: their new threshold has to hold too, and does.
    let id = log.policy("alice", &org());
    log.approve("amy", id);
    log
}

/// What the last line is worth, and the version in force after it.
fn see(log: &Log) -> String {
    format!("{}; version {}", log.last(), log.policy_version())
}

#[test]
fn a_threshold_of_maintainers() {
    table(
        &scene(),
        see,
        &[
            ("one of two", |log| log.policy("alice", &tighter()), "effect; version 1"),
            (
                "two of two",
                |log| {
                    let id = log.policy("alice", &tighter());
                    log.approve("ann", id)
                },
                "effect; version 2",
            ),
            (
                "the author twice",
                |log| {
                    let id = log.policy("alice", &tighter());
                    log.approve("alice", id)
                },
                "without effect: `alice` signed for it already; version 1",
            ),
            (
                "the author by a second key",
                |log| {
                    let id = log.policy("alice", &tighter());
                    log.by_key(key2("alice")).approve("alice", id)
                },
                "effect; version 1",
            ),
            (
                "an approver who is no maintainer",
                |log| {
                    let id = log.policy("alice", &tighter());
                    log.approve("bob", id)
                },
                "without effect: `bob` is no maintainer; version 1",
            ),
            (
                "an approver without effect does not spoil it",
                |log| {
                    let id = log.policy("alice", &tighter());
                    log.approve("bob", id);
                    log.approve("amy", id)
                },
                "effect; version 2",
            ),
            (
                "an author who is no maintainer",
                |log| log.policy("bob", &tighter()),
                "without effect: `bob` is no maintainer; version 1",
            ),
            (
                "an author who is no maintainer, approved by all",
                |log| {
                    let id = log.policy("bob", &tighter());
                    log.approve("alice", id);
                    log.approve("amy", id);
                    log.approve("ann", id)
                },
                "without effect: the policy is in force already, or can't come into force any more; version 1",
            ),
            (
                "an author who would be a maintainer by it",
                |log| {
                    let id = log.policy("bob", &org().maintainers("alice bob", 2));
                    log.approve("alice", id);
                    log.approve("amy", id)
                },
                "without effect: the policy is in force already, or can't come into force any more; version 1",
            ),
            (
                "a denial",
                |log| {
                    let id = log.policy("alice", &tighter());
                    log.deny("amy", id)
                },
                "without effect: a denial of a policy has no effect; version 1",
            ),
            (
                "a denial ends nothing",
                |log| {
                    let id = log.policy("alice", &tighter());
                    log.deny("amy", id);
                    log.approve("amy", id)
                },
                "effect; version 2",
            ),
            (
                "an approval for a time",
                |log| {
                    let id = log.policy("alice", &tighter());
                    log.approve_for("amy", id, "1h")
                },
                "without effect: a policy can't be approved for a time; version 1",
            ),
            (
                "an approval of what is in force",
                |log| {
                    let id = log.policy("alice", &tighter());
                    log.approve("amy", id);
                    log.approve("ann", id)
                },
                "without effect: the policy is in force already, or can't come into force any more; version 2",
            ),
        ],
    );
}

#[test]
fn versions_go_up_by_one() {
    let mut scene = scene();
    let second = scene.policy("alice", &tighter());
    scene.approve("amy", second);
    assert_eq!(scene.policy_version(), 2);
    let old = scene.line(scene.index(second)).to_vec();
    table(
        &scene,
        see,
        &[
            ("the next", |log| log.version(3).policy("alice", &org()), "effect; version 2"),
            (
                "the one in force",
                |log| log.version(2).policy("alice", &org()),
                "without effect: its version is 2, the next is 3; version 2",
            ),
            (
                "an older one",
                |log| log.version(1).policy("alice", &org()),
                "without effect: its version is 1, the next is 3; version 2",
            ),
            (
                "none",
                |log| log.version(0).policy("alice", &org()),
                "without effect: its version is 0, the next is 3; version 2",
            ),
            (
                "one skipped",
                |log| log.version(4).policy("alice", &org()),
                "without effect: its version is 4, the next is 3; version 2",
            ),
            (
                "a wrong version, approved by all",
                |log| {
                    let id = log.version(2).policy("alice", &org());
                    log.approve("amy", id);
                    log.approve("ann", id)
                },
                "without effect: the policy is in force already, or can't come into force any more; version 2",
            ),
            (
                "proposed too early, approved once its turn has come",
                |log| {
                    let early = log.version(4).policy("alice", &org());
                    let third = log.policy("alice", &org());
                    log.approve("amy", third);
                    log.approve("amy", early)
                },
                "without effect: the policy is in force already, or can't come into force any more; version 3",
            ),
        ],
    );
    scene.raw(&old);
    assert_eq!(see(&scene), "inert: repeated; version 2");
}

/// Two proposals for one version: the first with its threshold wins, and the other is dead whoever approves it.
#[test]
fn one_proposal_wins() {
    let mut log = scene();
    let (one, two) = (log.policy("alice", &tighter()), log.policy("amy", &org()));
    log.approve("ann", two);
    assert_eq!((log.policy_version(), log.view().policy_record().unwrap().id), (2, two));
    for by in ["amy", "ann", "alice"] {
        log.approve(by, one);
        assert_eq!(
            see(&log),
            "without effect: the policy is in force already, or can't come into force any more; version 2"
        );
    }
    assert_eq!(log.view().policy_record().unwrap().id, two);
    assert_eq!(log.view().proposals().len(), 0);
}

/// A change of who decides needs the new deciders too.
#[test]
fn a_maintainer_change_needs_its_own_threshold() {
    const OPEN: &str = "effect; version 1";
    const DONE: &str = "effect; version 2";
    fn propose(log: &mut Log, org: Org, approvers: &[&str]) -> Hash {
        let id = log.policy("alice", &org);
        for by in approvers {
            log.approve(by, id);
        }
        id
    }
    table(
        &scene(),
        see,
        &[
            // bob comes: {alice amy ann} to {alice amy bob}.
            (
                "two old, who are two of the new",
                |log| propose(log, org().maintainers("alice amy bob", 2), &["amy"]),
                DONE,
            ),
            ("two old, one of whom stays", |log| propose(log, org().maintainers("alice bob carol", 2), &["amy"]), OPEN),
            (
                "two old, one of whom stays, and a new one",
                |log| propose(log, org().maintainers("alice bob carol", 2), &["amy", "bob"]),
                DONE,
            ),
            ("the new one first", |log| propose(log, org().maintainers("alice bob carol", 2), &["bob", "amy"]), DONE),
            (
                "one old and two new: the new do not count for the old threshold",
                |log| propose(log, org().maintainers("alice bob carol", 2), &["bob", "carol"]),
                OPEN,
            ),
            ("none of the new", |log| propose(log, org().maintainers("bob carol", 1), &["amy", "ann"]), OPEN),
            (
                "all old and one of the new",
                |log| propose(log, org().maintainers("bob carol", 1), &["amy", "bob"]),
                DONE,
            ),
            // The threshold alone.
            ("up to three, two signed", |log| propose(log, org().maintainers("alice amy ann", 3), &["amy"]), OPEN),
            (
                "up to three, three signed",
                |log| propose(log, org().maintainers("alice amy ann", 3), &["amy", "ann"]),
                DONE,
            ),
            ("down to one, one signed", |log| propose(log, org().maintainers("alice amy ann", 1), &[]), OPEN),
            ("down to one, two signed", |log| propose(log, org().maintainers("alice amy ann", 1), &["amy"]), DONE),
            // Who is named is not only counted: one who is not named may not approve.
            (
                "approved by someone neither a maintainer nor named",
                |log| propose(log, org().maintainers("alice amy", 2), &["bob"]),
                "without effect: `bob` is no maintainer; version 1",
            ),
            (
                "named in another proposal",
                |log| {
                    propose(log, org().maintainers("alice amy bob", 2), &[]);
                    propose(log, tighter(), &["bob"])
                },
                "without effect: `bob` is no maintainer; version 1",
            ),
            // Somebody who is not in identities/ yet can't speak at all.
            (
                "approved by someone yet unknown",
                |log| propose(log, org().people("zoe").maintainers("alice amy zoe", 3), &["amy", "zoe"]),
                "inert: unknown-author; version 1",
            ),
            // Keys: counted by those that the new policy lists for them.
            (
                "two old by their old keys, both with new keys",
                |log| {
                    let org = org().keys("alice", &[key2("alice")]).keys("amy", &[key2("amy")]);
                    propose(log, org.maintainers("alice amy", 1), &["amy"])
                },
                OPEN,
            ),
            (
                "a key taken away from alice, who signed by it; two others hold the new threshold",
                |log| propose(log, org().keys("alice", &[key2("alice")]), &["amy", "ann"]),
                DONE,
            ),
            ("the same with one other", |log| propose(log, org().keys("alice", &[key2("alice")]), &["amy"]), OPEN),
            (
                "the same, and alice by the key she keeps",
                |log| {
                    let id = propose(log, org().keys("alice", &[key2("alice")]), &["amy"]);
                    log.by_key(key2("alice")).approve("alice", id)
                },
                DONE,
            ),
            // What changes nobody who decides needs the old threshold alone.
            ("another person's key", |log| propose(log, org().keys("bob", &[key2("bob")]), &["amy"]), DONE),
            ("another person gone", |log| propose(log, org().without("carol"), &["amy"]), DONE),
        ],
    );
}

/// A sole maintainer can't drop the key that signs and keep one that may not sign yet: list both, then drop the old.
#[test]
fn a_sole_maintainer_rotates_a_key() {
    let (old, new) = (key("alice"), key2("alice"));
    let with = |keys: &[Key]| Org::new(&["alice"], 1).keys("alice", keys);
    let mut log = Log::new(&["alice"], 1);
    log.policy("alice", &with(std::slice::from_ref(&old)));
    // At once: it stays open, for ever.
    let at_once = log.policy("alice", &with(std::slice::from_ref(&new)));
    assert_eq!(see(&log), "effect; version 1");
    log.by_key(new.clone()).approve("alice", at_once);
    assert_eq!(see(&log), "inert: not-their-key; version 1");
    // In two steps.
    log.policy("alice", &with(&[old.clone(), new.clone()]));
    assert_eq!(see(&log), "effect; version 2");
    log.by_key(new.clone()).policy("alice", &with(std::slice::from_ref(&new)));
    assert_eq!(see(&log), "effect; version 3");
    log.policy("alice", &with(&[old]));
    assert_eq!(see(&log), "inert: not-their-key; version 3");
}

/// A policy that does not load takes its version all the same, and then nobody may do anything until a later one loads.
#[test]
fn a_policy_that_does_not_load() {
    let settings = |format: u64| {
        format!("format = {format}\nname = \"acme\"\nmaintainers = [\"alice\", \"amy\", \"ann\"]\nthreshold = 2\n")
    };
    let good = org().files();
    let with_settings = |text: &str| {
        let rest = good.iter().filter(|(path, _)| *path != "jit.toml");
        let all = rest.map(|(path, content)| (path.to_owned(), content.to_vec()));
        PolicyFiles::new(all.chain([("jit.toml".to_owned(), text.as_bytes().to_vec())])).unwrap()
    };
    let rows: Vec<(&str, u64, PolicyFiles, &str, &str)> = vec![
        ("as before", 1, with_settings(&settings(1)), "allow granted", "allow granted"),
        // Broken, and mended by the next.
        ("no files", 1, files(&[]), "deny policy-unverified", "allow granted"),
        ("no TOML", 1, with_settings("format = 1\n["), "deny policy-unverified", "allow granted"),
        (
            "no maintainers",
            1,
            with_settings("format = 1\nname = \"acme\"\n"),
            "deny policy-unverified",
            "allow granted",
        ),
        (
            "an unknown key",
            1,
            with_settings(&format!("{}more = 1\n", settings(1))),
            "deny policy-unverified",
            "allow granted",
        ),
        (
            "a witness that is nobody",
            1,
            with_settings(&format!("{}check = {{ witnesses = [\"w\"] }}\n", settings(1))),
            "deny policy-unverified",
            "allow granted",
        ),
        ("format 2 in the file alone", 1, with_settings(&settings(2)), "deny policy-unverified", "allow granted"),
        ("format 0 in the file alone", 1, with_settings(&settings(0)), "deny policy-unverified", "allow granted"),
        ("format 0 in both", 0, with_settings(&settings(0)), "deny policy-unverified", "allow granted"),
        ("format 0 in the line alone", 0, with_settings(&settings(1)), "deny policy-unverified", "allow granted"),
        // Too new: no later one mends it for this program.
        ("format 2 in both", 2, with_settings(&settings(2)), "deny policy-unsupported", "deny policy-unsupported"),
        (
            "format 2 in the line alone",
            2,
            with_settings(&settings(1)),
            "deny policy-unsupported",
            "deny policy-unsupported",
        ),
        ("format 2, and nothing readable", 2, files(&[]), "deny policy-unsupported", "deny policy-unsupported"),
    ];
    for (name, format, files, after, mended) in rows {
        let mut log = scene();
        log.request("bob", "db/prod/orders", "access", "1h", "");
        assert_eq!(log.answer("bob", "db/prod/orders", "access"), "allow granted");
        let id = log.format(format).policy("alice", files);
        assert_eq!(log.answer("bob", "db/prod/orders", "access"), "allow granted", "{name}: it has no threshold yet");
        log.approve("amy", id);
        assert_eq!(log.policy_version(), 2, "{name}");
        assert_eq!(log.answer("bob", "db/prod/orders", "access"), after, "{name}");
        assert_eq!(
            log.answer("nobody", "db/prod/orders", "access").contains("policy-"),
            after.contains("policy-"),
            "{name}"
        );
        let id = log.policy("alice", &org());
        log.approve("amy", id);
        assert_eq!(log.policy_version(), 3, "{name}");
        assert_eq!(log.answer("bob", "db/prod/orders", "access"), mended, "{name}: after the next");
    }
}

/// While the policy in force does not load, nothing is granted or approved; but who is who stays as it was.
#[test]
fn under_a_policy_that_does_not_load() {
    let waiting = org().setting("revokers", "[\"carol\"]").allow_if(
        "all",
        "bob",
        "**",
        "access",
        "4h",
        "approvals = [{ from = [\"carol\"] }]",
    );
    for (format, code) in [(1, "policy-unverified"), (2, "policy-unsupported")] {
        let mut log = Log::new(&["alice", "amy", "ann"], 2);
        let id = log.policy("alice", &waiting);
        log.approve("amy", id);
        let (asked, granted) =
            (log.request("bob", "a", "access", "1h", ""), log.request("bob", "b", "access", "1h", ""));
        log.approve("carol", granted);
        assert_eq!(log.answer("bob", "b", "access"), "allow granted");
        // A broken policy needs the old threshold only, whoever it may mean to name.
        let id =
            log.format(format).policy("alice", files(&[("jit.toml", "maintainers = [\"mallory\"]\nformat = 7\n")]));
        log.approve("ann", id);
        assert_eq!(log.policy_version(), 2);

        log.approve("carol", asked);
        assert!(log.last().starts_with("without effect: "), "{}", log.last());
        assert_eq!(log.status(asked), "pending");
        log.deny("carol", asked);
        assert!(log.last().starts_with("without effect: "), "{}", log.last());
        assert_eq!(log.status(asked), "pending");
        log.request("bob", "c", "access", "1h", "");
        // That is for ever, and so says nothing of a policy that may be replaced.
        assert_eq!(log.last(), "without effect: no-matching-rule");
        for resource in ["a", "b", "c", "d"] {
            assert_eq!(log.answer("bob", resource, "access"), format!("deny {code}"));
        }
        log.unknown("mallory", 1, "note", "");
        assert_eq!(log.last(), "inert: unknown-author");
        // Revokers and maintainers can still stop things.
        log.revoke("carol", granted);
        assert_eq!(log.last(), "effect");
        log.lockdown("carol", "bob", "**");
        assert_eq!(log.last(), "effect");
        log.policy("bob", &waiting);
        assert_eq!(see(&log), "without effect: `bob` is no maintainer; version 2");
    }
}

/// A policy line completes no request, kills no request, and old lines keep what they were worth.
#[test]
fn a_policy_line_judges_nothing_again() {
    let needs = |approvals: &str| {
        Org::new(&["alice"], 1).people("bob carol").allow_if("r", "bob", "**", "access", "4h", approvals)
    };
    let mut log = Log::new(&["alice"], 1);
    log.policy("alice", &needs("approvals = [{ from = [\"carol\"] }]"));
    let waiting = log.request("bob", "a", "access", "1h", "");
    let refused = log.request("bob", "b", "access", "5h", "");
    assert_eq!(log.last(), "without effect: too-long");
    log.policy("alice", &needs("").allow("more", "bob", "**", "access", "9h"));
    assert_eq!((log.status(waiting), log.status(refused)), ("pending", "without effect"));
    assert_eq!(log.answer("bob", "a", "access"), "pending needs-approval");
    assert_eq!(log.answer("bob", "b", "access"), "deny too-long");
    // Nobody is named by a rule any more, so nobody's approval counts either: bob asks again.
    log.approve("carol", waiting);
    assert_eq!(log.last(), "without effect: no rule that the request fits names `carol` as an approver");
    log.request("bob", "b", "access", "5h", "");
    assert_eq!(log.answer("bob", "b", "access"), "allow granted");
}

/// A clock set back behind the policy in force can't bring an older answer back.
#[test]
fn a_clock_behind_the_policy_in_force() {
    let mut log = scene();
    log.wait("1h");
    let at = log.now();
    let id = log.policy("alice", &tighter());
    log.approve("amy", id);
    log.request("bob", "web/prod", "access", "1h", "");
    let minus = |seconds: i64| at.shifted(-chrono::TimeDelta::seconds(seconds));
    for (now, expected) in [
        (minus(61), "deny clock"),
        (minus(3600), "deny clock"),
        (jit::core::time::Timestamp::MIN, "deny clock"),
        (minus(60), "deny not-yet-valid"),
        (minus(58), "allow granted"),
        (at, "allow granted"),
    ] {
        assert_eq!(log.answer_at(now, "bob", "web/prod", "access"), expected, "{now}");
        let token = log.token(log.view().requests(None)[0].id);
        assert_eq!(log.gate("web/prod", "access").at(now).token(&token), expected, "{now}, by a token");
    }
    // Only the policy in force is held against the clock; no other line's date is.
    log.at(t(900_000)).unknown("bob", 1, "note", "");
    log.at(t(900_000)).policy("alice", &org());
    assert_eq!(log.answer_at(at, "bob", "web/prod", "access"), "allow granted");
}
