//! Claim 6, at large: a lockdown ends for good what it matches, and until it is lifted nothing that matches is granted.

use jit::core::hash::Hash;
use jit::core::view::View as _;

use crate::support::keys::{key, key2};
use crate::support::log::Log;
use crate::support::org::Org;
use crate::support::table::table;

/// Three maintainers, two of whom decide. Sid may revoke. Bob and carol may read, bob is on call; dave approves.
fn org() -> Org {
    Org::new(&["alice", "amy", "ann"], 2)
        .people("bob carol dave sid")
        .keys("amy", &[key("amy"), key2("amy")])
        .setting("revokers", r#"["sid"]"#)
        .group("oncall", "bob")
        .group("idle", "dave")
        .allow("read", "bob carol", "db/** web/**", "read", "4h")
        .allow_if("write", "bob carol", "db/**", "write", "4h", r#"approvals = [{ from = ["dave"] }]"#)
}

fn publish(log: &mut Log, org: &Org) -> Hash {
    let id = log.policy("alice", org);
    log.approve("ann", id);
    id
}

#[derive(Clone)]
struct Scene {
    log: Log,
    org: Org,
    /// A lockdown, where a row has one.
    locked: Hash,
    lift: Hash,
}

/// Bob has a grant, and a request that waits.
fn scene() -> Scene {
    let (mut log, org) = (Log::new(&["alice", "amy", "ann"], 2), org());
    publish(&mut log, &org.clone().keys("amy", &[key("amy")]));
    publish(&mut log, &org);
    log.request("bob", "db/prod", "read", "4h", "");
    log.request("bob", "db/prod", "write", "4h", "");
    let locked = log.genesis();
    Scene { log, org, locked, lift: locked }
}

/// The answers about the grant, and about the request that waits.
fn see(s: &Scene) -> String {
    format!("{}; {}", s.log.answer("bob", "db/prod", "read"), s.log.answer("bob", "db/prod", "write"))
}

const FREE: &str = "allow granted; pending needs-approval";
const LOCKED: &str = "deny lockdown; deny lockdown";

#[test]
fn what_a_lockdown_matches() {
    table(
        &scene(),
        see,
        &[
            ("none", |s| s.log.unknown("bob", 1, "note", ""), FREE),
            ("bob", |s| s.log.lockdown("sid", "bob", "**"), LOCKED),
            ("everybody", |s| s.log.lockdown("sid", "*", "**"), LOCKED),
            ("his group", |s| s.log.lockdown("sid", "group:oncall", "**"), LOCKED),
            ("another group", |s| s.log.lockdown("sid", "group:idle", "**"), FREE),
            ("a group that is not there", |s| s.log.lockdown("sid", "group:nobody", "**"), FREE),
            ("a group's name as a person's", |s| s.log.lockdown("sid", "oncall", "**"), FREE),
            ("a person's name as a group's", |s| s.log.lockdown("sid", "group:bob", "**"), FREE),
            ("carol", |s| s.log.lockdown("sid", "carol", "**"), FREE),
            ("carol and bob", |s| s.log.lockdown("sid", "carol bob", "**"), LOCKED),
            ("the resource", |s| s.log.lockdown("sid", "*", "db/prod"), LOCKED),
            ("a pattern", |s| s.log.lockdown("sid", "*", "d*/**"), LOCKED),
            ("one of two patterns", |s| s.log.lockdown("sid", "*", "web/** db/*"), LOCKED),
            ("another resource", |s| s.log.lockdown("sid", "*", "web/**"), FREE),
            ("bob, on another resource: both must match", |s| s.log.lockdown("sid", "bob", "web/**"), FREE),
            ("carol, on this resource", |s| s.log.lockdown("sid", "carol", "db/**"), FREE),
            // Who may.
            ("by a maintainer alone", |s| s.log.lockdown("amy", "*", "**"), LOCKED),
            ("by somebody else", |s| s.log.lockdown("dave", "*", "**"), FREE),
            ("by the subject", |s| s.log.lockdown("bob", "*", "**"), FREE),
            ("by nobody", |s| s.log.lockdown("mallory", "*", "**"), FREE),
        ],
    );
}

/// While it holds, nothing that matches is granted; and what it ended stays ended after the lift.
#[test]
fn a_lockdown_and_its_lift() {
    let Scene { mut log, .. } = scene();
    let waiting = log.view().requests(None).iter().find(|record| record.request.action.as_str() == "write").unwrap().id;
    let locked = log.lockdown("sid", "bob", "db/**");
    log.approve("dave", waiting);
    assert!(log.last().starts_with("without effect: `sid` locked it down"), "{}", log.last());
    log.request("bob", "db/prod", "read", "1h", "");
    assert_eq!(log.last(), "without effect: lockdown");
    log.request("bob", "db/x", "write", "1h", "");
    assert_eq!(log.last(), "without effect: lockdown");
    let elsewhere = log.request("bob", "web", "read", "1h", "");
    assert_eq!((log.last().as_str(), log.status(elsewhere)), ("effect", "complete"));
    log.request("carol", "db/prod", "read", "1h", "");
    assert_eq!(log.answer("carol", "db/prod", "read"), "allow granted");

    let lift = log.lift("alice", locked);
    assert_eq!(log.answer("bob", "db/prod", "read"), "deny lockdown");
    log.approve("amy", lift);
    assert!(log.view().lockdown(&locked).unwrap().lifted.is_some());
    assert_eq!(log.answer("bob", "db/prod", "read"), "deny lockdown");
    assert_eq!(log.answer("bob", "db/x", "write"), "deny lockdown");
    log.approve("dave", waiting);
    assert!(log.last().starts_with("without effect: `sid` locked it down"), "{}", log.last());
    // Who asks anew gets it anew.
    log.request("bob", "db/prod", "read", "1h", "");
    assert_eq!(log.answer("bob", "db/prod", "read"), "allow granted");
    let anew = log.request("bob", "db/x", "write", "1h", "");
    log.approve("dave", anew);
    assert_eq!(log.answer("bob", "db/x", "write"), "allow granted");
}

/// Once a lockdown is lifted, nobody is to sign for another lift of it: what others had open is closed. One of another
/// lockdown stays open.
#[test]
fn a_lift_closes_the_other_lifts_of_its_lockdown() {
    let Scene { mut log, .. } = scene();
    let locked = log.lockdown("sid", "bob", "db/**");
    let elsewhere = log.lockdown("sid", "bob", "web");
    let open = [log.lift("alice", locked), log.lift("ann", locked), log.lift("amy", locked)];
    let other = log.lift("alice", elsewhere);
    assert_eq!(log.view().lifts().len(), 4);
    log.approve("alice", open[2]);
    assert!(log.view().lockdown(&locked).unwrap().lifted.is_some());
    let left: Vec<_> = log.view().lifts().iter().map(|lift| lift.id).collect();
    assert_eq!(left, [other]);
    for lift in open {
        log.approve("ann", lift);
        assert_eq!(log.last(), "without effect: the lift has taken effect already, or never can");
    }
    log.lift("ann", locked);
    assert_eq!(log.last(), "without effect: that lockdown is lifted already");
    log.approve("amy", other);
    assert!(log.view().lockdown(&elsewhere).unwrap().lifted.is_some());
}

/// A lift takes the threshold of those who are maintainers where it is counted, by keys still theirs.
#[test]
fn a_lift_needs_the_threshold() {
    let mut scene = scene();
    scene.locked = scene.log.lockdown("sid", "*", "**");
    scene.lift = scene.log.lift("amy", scene.locked);
    let see = |s: &Scene| {
        let lifted = s.log.view().lockdown(&s.locked).is_some_and(|lockdown| lockdown.lifted.is_some());
        format!("{}; {}", s.log.last(), if lifted { "lifted" } else { "locked" })
    };
    assert_eq!(see(&scene), "effect; locked");
    table(
        &scene,
        see,
        &[
            ("two of two", |s| s.log.approve("alice", s.lift), "effect; lifted"),
            ("one twice", |s| s.log.approve("amy", s.lift), "without effect: `amy` signed for it already; locked"),
            ("one by two keys", |s| s.log.by_key(key2("amy")).approve("amy", s.lift), "effect; locked"),
            (
                "one who locked it down",
                |s| s.log.approve("sid", s.lift),
                "without effect: `sid` is no maintainer; locked",
            ),
            ("somebody else", |s| s.log.approve("bob", s.lift), "without effect: `bob` is no maintainer; locked"),
            ("two lifts of one signature each", |s| s.log.lift("alice", s.locked), "effect; locked"),
            (
                "a lift of somebody else's",
                |s| {
                    let lift = s.log.lift("sid", s.locked);
                    s.log.approve("amy", lift);
                    s.log.approve("alice", lift)
                },
                "without effect: the lift has taken effect already, or never can; locked",
            ),
            ("a denial", |s| s.log.deny("alice", s.lift), "without effect: a denial of a lift has no effect; locked"),
            (
                "a denial ends nothing",
                |s| {
                    s.log.deny("alice", s.lift);
                    s.log.approve("ann", s.lift)
                },
                "effect; lifted",
            ),
            (
                "an approval for a time",
                |s| s.log.approve_for("alice", s.lift, "1h"),
                "without effect: a lift can't be approved for a time; locked",
            ),
            (
                "lifted twice",
                |s| {
                    s.log.approve("alice", s.lift);
                    s.log.lift("ann", s.locked)
                },
                "without effect: that lockdown is lifted already; lifted",
            ),
            (
                "a lift of a lockdown without effect",
                |s| {
                    let locked = s.log.lockdown("bob", "*", "**");
                    s.log.lift("amy", locked)
                },
                "without effect: that lockdown had no effect; locked",
            ),
            // Open lifts stay open when policies change; who counts is asked where they are counted.
            (
                "a policy in between",
                |s| {
                    publish(&mut s.log, &s.org.clone().group("idle", "carol"));
                    s.log.approve("alice", s.lift)
                },
                "effect; lifted",
            ),
            (
                "the first signer is no maintainer any more",
                |s| {
                    publish(&mut s.log, &s.org.clone().maintainers("alice ann", 2));
                    s.log.approve("alice", s.lift)
                },
                "effect; locked",
            ),
            (
                "the first signer is none any more, two others sign",
                |s| {
                    publish(&mut s.log, &s.org.clone().maintainers("alice ann", 2));
                    s.log.approve("alice", s.lift);
                    s.log.approve("ann", s.lift)
                },
                "effect; lifted",
            ),
            (
                "the first signer's key is gone",
                |s| {
                    publish(&mut s.log, &s.org.clone().keys("amy", &[key2("amy")]));
                    s.log.approve("alice", s.lift)
                },
                "effect; locked",
            ),
            (
                "the first signer's key is gone, and they sign by the other",
                |s| {
                    publish(&mut s.log, &s.org.clone().keys("amy", &[key2("amy")]));
                    s.log.approve("alice", s.lift);
                    s.log.by_key(key2("amy")).approve("amy", s.lift)
                },
                "effect; lifted",
            ),
            (
                "the threshold went up",
                |s| {
                    let id = s.log.policy("alice", &s.org.clone().maintainers("alice amy ann", 3));
                    s.log.approve("ann", id);
                    s.log.approve("amy", id);
                    s.log.approve("alice", s.lift)
                },
                "effect; locked",
            ),
            (
                "the threshold went down: a policy line lifts nothing",
                |s| publish(&mut s.log, &s.org.clone().maintainers("alice amy ann", 1)),
                "effect; locked",
            ),
            (
                "the threshold went down: the next signature does",
                |s| {
                    publish(&mut s.log, &s.org.clone().maintainers("alice amy ann", 1));
                    s.log.approve("amy", s.lift)
                },
                "effect; lifted",
            ),
            (
                "who became a maintainer since",
                |s| {
                    publish(&mut s.log, &s.org.clone().maintainers("alice amy ann dave", 2));
                    s.log.approve("dave", s.lift)
                },
                "effect; lifted",
            ),
        ],
    );
}

/// Two lockdowns: one lifted, the other holds.
#[test]
fn each_lockdown_is_lifted_by_itself() {
    let Scene { mut log, .. } = scene();
    let (one, two) = (log.lockdown("sid", "bob", "**"), log.lockdown("sid", "*", "web/**"));
    for locked in [one, two] {
        assert_eq!((log.request("bob", "web", "read", "1h", ""), log.last().as_str()).1, "without effect: lockdown");
        let lift = log.lift("alice", locked);
        log.approve("amy", lift);
    }
    log.request("bob", "web", "read", "1h", "");
    assert_eq!(log.last(), "effect");
}

/// A lockdown's groups count as they stood at its line, and, while it is not lifted, also as they stand now.
#[test]
fn groups_of_a_lockdown() {
    let mut scene = scene();
    scene.log.request("carol", "db/prod", "read", "4h", "");
    scene.locked = scene.log.lockdown("sid", "group:oncall", "**");
    let see = |s: &Scene| {
        format!("bob: {}, carol: {}", s.log.answer("bob", "db/prod", "read"), s.log.answer("carol", "db/prod", "read"))
    };
    fn lift(s: &mut Scene) -> Hash {
        let lift = s.log.lift("alice", s.locked);
        s.log.approve("ann", lift)
    }
    fn ask(s: &mut Scene, who: &str) -> Hash {
        s.log.request(who, "db/prod", "read", "1h", "")
    }
    table(
        &scene,
        see,
        &[
            ("as at its line", |s| s.log.unknown("bob", 1, "note", ""), "bob: deny lockdown, carol: allow granted"),
            (
                "bob left: he was in it at its line",
                |s| {
                    publish(&mut s.log, &s.org.clone().group("oncall", "dave"));
                    ask(s, "bob")
                },
                "bob: deny lockdown, carol: allow granted",
            ),
            (
                "carol joined",
                |s| publish(&mut s.log, &s.org.clone().group("oncall", "bob carol")),
                "bob: deny lockdown, carol: deny lockdown",
            ),
            (
                "carol joined by a group in the group",
                |s| publish(&mut s.log, &s.org.clone().group("oncall", "group:idle").group("idle", "carol")),
                "bob: deny lockdown, carol: deny lockdown",
            ),
            (
                "carol joined and asks again",
                |s| {
                    publish(&mut s.log, &s.org.clone().group("oncall", "bob carol"));
                    ask(s, "carol")
                },
                "bob: deny lockdown, carol: deny lockdown",
            ),
            (
                "carol joined and left: what that ended stays ended",
                |s| {
                    publish(&mut s.log, &s.org.clone().group("oncall", "bob carol"));
                    publish(&mut s.log, &s.org)
                },
                "bob: deny lockdown, carol: deny lockdown",
            ),
            (
                "carol joined and left, and asks anew",
                |s| {
                    publish(&mut s.log, &s.org.clone().group("oncall", "bob carol"));
                    publish(&mut s.log, &s.org);
                    ask(s, "carol")
                },
                "bob: deny lockdown, carol: allow granted",
            ),
            (
                "carol joined, left, asked anew and joined again",
                |s| {
                    publish(&mut s.log, &s.org.clone().group("oncall", "bob carol"));
                    publish(&mut s.log, &s.org);
                    ask(s, "carol");
                    publish(&mut s.log, &s.org.clone().group("oncall", "bob carol"))
                },
                "bob: deny lockdown, carol: deny lockdown",
            ),
            (
                "the same, and left again",
                |s| {
                    publish(&mut s.log, &s.org.clone().group("oncall", "bob carol"));
                    publish(&mut s.log, &s.org);
                    ask(s, "carol");
                    publish(&mut s.log, &s.org.clone().group("oncall", "bob carol"));
                    publish(&mut s.log, &s.org)
                },
                "bob: deny lockdown, carol: deny lockdown",
            ),
            // A group that is gone counts as it last stood.
            (
                "the group is gone",
                |s| {
                    publish(&mut s.log, &s.org.clone().without_group("oncall"));
                    ask(s, "bob")
                },
                "bob: deny lockdown, carol: allow granted",
            ),
            (
                "carol joined, then the group went",
                |s| {
                    publish(&mut s.log, &s.org.clone().group("oncall", "carol"));
                    publish(&mut s.log, &s.org.clone().without_group("oncall"));
                    ask(s, "carol")
                },
                "bob: deny lockdown, carol: deny lockdown",
            ),
            (
                "the group went and came back with carol",
                |s| {
                    publish(&mut s.log, &s.org.clone().without_group("oncall"));
                    publish(&mut s.log, &s.org.clone().group("oncall", "carol"))
                },
                "bob: deny lockdown, carol: deny lockdown",
            ),
            // A policy that does not load changes no group.
            (
                "a policy that does not load, with carol in the group, and one that does",
                |s| {
                    publish(&mut s.log, &s.org.clone().group("oncall", "bob carol").setting("more", "1"));
                    publish(&mut s.log, &s.org)
                },
                "bob: deny lockdown, carol: allow granted",
            ),
            // The lift ends what holds back, and nothing more.
            ("lifted", |s| lift(s), "bob: deny lockdown, carol: allow granted"),
            (
                "lifted, and both ask anew",
                |s| {
                    lift(s);
                    ask(s, "bob");
                    ask(s, "carol")
                },
                "bob: allow granted, carol: allow granted",
            ),
            (
                "lifted, and carol joins after",
                |s| {
                    lift(s);
                    publish(&mut s.log, &s.org.clone().group("oncall", "bob carol"))
                },
                "bob: deny lockdown, carol: allow granted",
            ),
            (
                "carol joined, then it was lifted",
                |s| {
                    publish(&mut s.log, &s.org.clone().group("oncall", "bob carol"));
                    lift(s)
                },
                "bob: deny lockdown, carol: deny lockdown",
            ),
            (
                "carol joined, then it was lifted, then she left",
                |s| {
                    publish(&mut s.log, &s.org.clone().group("oncall", "bob carol"));
                    lift(s);
                    publish(&mut s.log, &s.org)
                },
                "bob: deny lockdown, carol: deny lockdown",
            ),
            (
                "carol joined, then it was lifted, and she asks anew",
                |s| {
                    publish(&mut s.log, &s.org.clone().group("oncall", "bob carol"));
                    lift(s);
                    ask(s, "carol")
                },
                "bob: deny lockdown, carol: allow granted",
            ),
        ],
    );
}

/// A lockdown of a group that comes only later holds whoever is in it then.
#[test]
fn a_group_that_comes_later() {
    let Scene { mut log, org, .. } = scene();
    log.lockdown("sid", "group:contractors", "**");
    assert_eq!(log.answer("bob", "db/prod", "read"), "allow granted");
    publish(&mut log, &org.group("contractors", "bob"));
    assert_eq!(log.answer("bob", "db/prod", "read"), "deny lockdown");
    log.request("bob", "db/prod", "read", "1h", "");
    assert_eq!(log.last(), "without effect: lockdown");
}

/// A lockdown holds whatever becomes of its author, and of the person.
#[test]
fn who_is_removed_stays_locked_down() {
    let Scene { mut log, org, .. } = scene();
    log.lockdown("sid", "bob", "**");
    publish(&mut log, &org.clone().without("sid").setting("revokers", "[]"));
    assert_eq!(log.answer("bob", "db/prod", "read"), "deny lockdown");
    let nobody = org.clone().without("bob").group("oncall", "carol").allow("read", "carol", "**", "read", "4h");
    publish(&mut log, &nobody.without_rule("write"));
    assert_eq!(log.answer("bob", "db/prod", "read"), "deny unknown-subject");
    publish(&mut log, &org);
    assert_eq!(log.answer("bob", "db/prod", "read"), "deny lockdown");
    log.request("bob", "db/prod", "read", "1h", "");
    assert_eq!(log.last(), "without effect: lockdown");
}
