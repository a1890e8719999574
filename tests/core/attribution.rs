//! Claims 2, 4 and 7: whose a line is, in which log and at which place; the closed list of what makes it inert.

use jit::core::hash::Hash;
use jit::core::statement::{Body, Checkpoint, Founder, Genesis, Presentation, What, encode};
use jit::core::view::{View as _, ViewExt as _};

use crate::support::keys::{key, key2};
use crate::support::log::{Log, body_of, parse, t};
use crate::support::org::Org;
use crate::support::table::table;

/// A log with one statement of each kind to speak of.
#[derive(Clone)]
struct Scene {
    log: Log,
    org: Org,
    /// The policy in force.
    policy: Hash,
    /// A proposal that waits for a second maintainer.
    proposal: Hash,
    /// A request that waits for carol.
    request: Hash,
    approval: Hash,
    revocation: Hash,
    lockdown: Hash,
    lift: Hash,
    unknown: Hash,
    /// A line by nobody.
    inert: Hash,
}

fn scene() -> Scene {
    let org = Org::new(&["alice", "amy"], 2).people("bob carol").keys("bob", &[key("bob"), key2("bob")]).allow_if(
        "all",
        "bob",
        "**",
        "access",
        "4h",
        "approvals = [{ from = [\"carol\", \"amy\"], count = 2 }]",
    );
    let mut log = Log::new(&["alice", "amy"], 2);
    let policy = log.policy("alice", &org);
    log.approve("amy", policy);
    let request = log.request("bob", "db/prod/orders", "access", "1h", "");
    let approval = log.approve("amy", request);
    let other = log.request("bob", "web/prod", "access", "1h", "");
    let revocation = log.revoke("bob", other);
    let lockdown = log.lockdown("alice", "bob", "web/**");
    let lift = log.lift("alice", lockdown);
    let proposal = log.policy("alice", &org);
    let unknown = log.unknown("bob", 1, "note", "");
    let inert = log.by_key(key("mallory")).revoke("bob", request);
    assert_eq!(log.last(), "inert: not-their-key");
    Scene { log, org, policy, proposal, request, approval, revocation, lockdown, lift, unknown, inert }
}

const OTHER: Hash = Hash([7; 32]);

#[test]
fn heads() {
    table(
        &scene(),
        |s| s.log.last(),
        &[
            ("carol approves", |s| s.log.approve("carol", s.request), "effect"),
            // Log, author, key.
            ("in another log", |s| s.log.of_log(OTHER).approve("carol", s.request), "inert: other-log"),
            ("by nobody", |s| s.log.approve("mallory", s.request), "inert: unknown-author"),
            ("by a group's name", |s| s.log.approve("dba", s.request), "inert: unknown-author"),
            (
                "signed by another's key",
                |s| s.log.by_key(key("bob")).approve("carol", s.request),
                "inert: not-their-key",
            ),
            (
                "by a key nobody has",
                |s| s.log.by_key(key("mallory")).approve("carol", s.request),
                "inert: not-their-key",
            ),
            (
                "by a key that is not listed",
                |s| s.log.by_key(key2("carol")).approve("carol", s.request),
                "inert: not-their-key",
            ),
            (
                "by a second key that is",
                |s| s.log.by_key(key2("bob")).request("bob", "a", "access", "1h", ""),
                "effect",
            ),
            // What the author saw.
            ("has seen nothing", |s| s.log.seeing(0).approve("carol", s.request), "inert: seen-size"),
            (
                "has seen the line itself",
                |s| s.log.seeing(s.log.size() + 1).approve("carol", s.request),
                "inert: seen-size",
            ),
            ("has seen far ahead", |s| s.log.seeing((1 << 53) - 1).approve("carol", s.request), "inert: seen-size"),
            (
                "has seen another root",
                |s| s.log.seeing_root(s.log.size(), OTHER).approve("carol", s.request),
                "inert: seen-root",
            ),
            (
                "has seen the root of another size",
                |s| {
                    let root = s.log.view().root_at(4).unwrap();
                    s.log.seeing_root(5, root).approve("carol", s.request)
                },
                "inert: seen-root",
            ),
            ("has seen just the request", |s| s.log.seeing(4).approve("carol", s.request), "effect"),
            ("has not seen the request", |s| s.log.seeing(3).approve("carol", s.request), "inert: of"),
            ("has seen the genesis", |s| s.log.seeing(1).unknown("carol", 1, "note", ""), NOTE),
        ],
    );
}

const NOTE: &str = "without effect: this program does not know `note` of version 1";

/// A fork with the same lines but one: the same sizes, other roots.
#[test]
fn a_statement_made_on_a_fork_stays_there() {
    let (mut here, mut there) = (scene(), scene());
    here.log.request("bob", "a", "access", "1h", "");
    there.log.request("bob", "b", "access", "1h", "");
    let approval = there.log.approve("carol", there.request);
    assert_eq!(there.log.last(), "effect");
    let line = there.log.line(there.log.index(approval)).to_vec();
    here.log.raw(&line);
    assert_eq!(here.log.last(), "inert: seen-root");
}

#[test]
fn what_a_statement_speaks_of() {
    const NO_GRANT: &str =
        "without effect: `carol` is neither its subject, a counted approver, a revoker nor a maintainer";
    table(
        &scene(),
        |s| s.log.last(),
        &[
            // An approval: of a request, a policy, a lift.
            ("approval of a request", |s| s.log.approve("carol", s.request), "effect"),
            ("approval of a proposal", |s| s.log.approve("amy", s.proposal), "effect"),
            ("approval of a lift", |s| s.log.approve("amy", s.lift), "effect"),
            ("approval of nothing", |s| s.log.approve("carol", OTHER), "inert: of"),
            ("approval of an inert line", |s| s.log.approve("carol", s.inert), "inert: of"),
            ("approval of the genesis", |s| s.log.approve("carol", s.log.genesis()), "inert: of"),
            ("approval of an approval", |s| s.log.approve("carol", s.approval), "inert: of"),
            ("approval of a revocation", |s| s.log.approve("carol", s.revocation), "inert: of"),
            ("approval of a lockdown", |s| s.log.approve("amy", s.lockdown), "inert: of"),
            ("approval of an unknown kind", |s| s.log.approve("carol", s.unknown), "inert: of"),
            ("denial of nothing", |s| s.log.deny("carol", OTHER), "inert: of"),
            // A revocation: of a request.
            ("revocation of a request", |s| s.log.revoke("bob", s.request), "effect"),
            ("the same by carol", |s| s.log.revoke("carol", s.request), NO_GRANT),
            ("revocation of a policy", |s| s.log.revoke("alice", s.policy), "inert: of"),
            ("revocation of an approval", |s| s.log.revoke("amy", s.approval), "inert: of"),
            ("revocation of a lockdown", |s| s.log.revoke("alice", s.lockdown), "inert: of"),
            ("revocation of a revocation", |s| s.log.revoke("bob", s.revocation), "inert: of"),
            ("revocation of an inert line", |s| s.log.revoke("bob", s.inert), "inert: of"),
            // A lift: of a lockdown.
            ("lift of a lockdown", |s| s.log.lift("amy", s.lockdown), "effect"),
            ("lift of a lift", |s| s.log.lift("amy", s.lift), "inert: of"),
            ("lift of a request", |s| s.log.lift("amy", s.request), "inert: of"),
            ("lift of nothing", |s| s.log.lift("amy", OTHER), "inert: of"),
            // Above what the author saw: the boundary, for each kind.
            (
                "a revocation that saw the request last",
                |s| s.log.seeing(s.log.index(s.request) + 1).revoke("bob", s.request),
                "effect",
            ),
            (
                "a revocation that did not see it",
                |s| s.log.seeing(s.log.index(s.request)).revoke("bob", s.request),
                "inert: of",
            ),
            (
                "a lift that did not see the lockdown",
                |s| s.log.seeing(s.log.index(s.lockdown)).lift("amy", s.lockdown),
                "inert: of",
            ),
            (
                "an approval that did not see the proposal",
                |s| s.log.seeing(s.log.index(s.proposal)).approve("amy", s.proposal),
                "inert: of",
            ),
        ],
    );
}

/// A request names the policy that its author saw in force; the line is judged under the one in force at its place.
#[test]
fn the_policy_of_a_request() {
    let mut scene = scene();
    // Size 3 is where the first policy came into force; it is still in force after line `proposal`.
    scene.log.approve("amy", scene.proposal);
    assert_eq!((scene.log.last().as_str(), scene.log.policy_version()), ("effect", 2));
    table(
        &scene,
        |s| s.log.last(),
        &[
            ("the one in force", |s| s.log.under(s.proposal).request("bob", "a", "access", "1h", ""), "effect"),
            ("none", |s| s.log.under(OTHER).request("bob", "a", "access", "1h", ""), "inert: other-policy"),
            (
                "the one before it",
                |s| s.log.under(s.policy).request("bob", "a", "access", "1h", ""),
                "inert: other-policy",
            ),
            (
                "the one before it, by someone who saw no other in force",
                |s| s.log.seeing(s.log.size() - 1).under(s.policy).request("bob", "a", "access", "1h", ""),
                "effect",
            ),
            (
                "the new one, by someone who did not see it in force",
                |s| s.log.seeing(s.log.size() - 1).under(s.proposal).request("bob", "a", "access", "1h", ""),
                "inert: other-policy",
            ),
            (
                "the first one, by someone who saw it proposed",
                |s| s.log.seeing(2).under(s.policy).request("bob", "a", "access", "1h", ""),
                "inert: other-policy",
            ),
            (
                "the first one, by someone who saw it approved",
                |s| s.log.seeing(3).under(s.policy).request("bob", "a", "access", "1h", ""),
                "effect",
            ),
            (
                "another kind's id",
                |s| s.log.under(s.request).request("bob", "a", "access", "1h", ""),
                "inert: other-policy",
            ),
        ],
    );
}

#[test]
fn an_id_stands_once() {
    let mut scene = scene();
    let log = &mut scene.log;
    let id = log.request("bob", "a", "access", "1h", "");
    let line = log.line(log.index(id)).to_vec();
    log.raw(&line);
    assert_eq!(log.last(), "inert: repeated");
    // The same body by bob's other key is the same statement: it starts nothing anew.
    log.say(&key2("bob"), &body_of(&line));
    assert_eq!(log.last(), "inert: repeated");
    // By a key that is not his it never stood there.
    let (_, fresh) = log.body("bob", What::Unknown { v: 1, kind: parse("note") });
    log.say(&key("mallory"), &fresh);
    assert_eq!(log.last(), "inert: not-their-key");
    assert_eq!(log.view().entry(&Hash::of(fresh.as_bytes())), None);
    log.say(&key("bob"), &fresh);
    assert_eq!(log.last(), NOTE);
    log.say(&key("bob"), &fresh);
    assert_eq!(log.last(), "inert: repeated");
    // A statement without effect stands there too.
    let late = log.revoke("carol", id);
    let line = log.line(log.index(late)).to_vec();
    log.raw(&line);
    assert_eq!(log.last(), "inert: repeated");
}

#[test]
fn kinds_that_have_no_place() {
    let mut scene = scene();
    let (request, log) = (scene.request, &mut scene.log);
    let genesis = log.line(0).to_vec();
    log.raw(&genesis);
    assert_eq!(log.last(), "inert: second-genesis");
    let founders = vec![Founder { name: parse("alice"), key: key("alice").public() }];
    let body = Body::Genesis(Genesis {
        by: parse("alice"),
        at: t(9),
        nonce: [9; 16],
        name: parse("acme"),
        maintainers: founders,
        threshold: 1,
    });
    log.say(&key("alice"), &encode(&body));
    assert_eq!(log.last(), "inert: second-genesis");
    log.state("bob", What::Presentation(Presentation { of: request, audience: None, expires: t(9) }));
    assert_eq!(log.last(), "inert: no-place");
    let root = log.view().root().unwrap();
    log.state("alice", What::Checkpoint(Checkpoint { size: log.size(), root }));
    assert_eq!(log.last(), "inert: no-place");
    // The pair of version and kind says what it is, not the kind alone.
    log.unknown("bob", 2, "presentation", "");
    assert_eq!(log.last(), "without effect: this program does not know `presentation` of version 2");
    log.unknown("bob", 2, "genesis", "");
    assert_eq!(log.last(), "without effect: this program does not know `genesis` of version 2");
    log.unknown("alice", 2, "lockdown", ",\"subjects\":[\"*\"],\"resources\":[\"**\"],\"reason\":\"\"");
    assert_eq!(log.last(), "without effect: this program does not know `lockdown` of version 2");
    assert_eq!(log.answer("bob", "db/prod/orders", "access"), "pending needs-approval");
}

/// Of a kind that nobody knows the head counts as for any line; the rest is canonical JSON, and ignored.
#[test]
fn unknown_kinds() {
    let nested = |depth: usize| format!(",\"x\":{}{}", "[".repeat(depth), "]".repeat(depth));
    let objects = |depth: usize| format!(",\"x\":{}0{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    for (rest, expected) in [
        (String::new(), NOTE),
        (",\"x\":null,\"y\":true,\"z\":false".to_owned(), NOTE),
        (",\"x\":[],\"y\":{},\"z\":\"\"".to_owned(), NOTE),
        (",\"x\":[1,[2,{\"a\":[null]}],\"\\\"\\\\\"]".to_owned(), NOTE),
        (",\"\":0,\" \":9007199254740991".to_owned(), NOTE),
        (",\"x\":{\"a\":1},\"a\":2".to_owned(), NOTE),
        (nested(16), NOTE),
        (objects(16), NOTE),
        (nested(17), "inert: malformed"),
        (objects(17), "inert: malformed"),
        (nested(7000), "inert: malformed"),
        (",".to_owned(), "inert: malformed"),
        (",\"x\"".to_owned(), "inert: malformed"),
        (",\"x\":".to_owned(), "inert: malformed"),
        (",\"x\":1,".to_owned(), "inert: malformed"),
        (", \"x\":1".to_owned(), "inert: malformed"),
        (",\"x\": 1".to_owned(), "inert: malformed"),
        (",\"x\":[1, 2]".to_owned(), "inert: malformed"),
        (",\"x\":[1,]".to_owned(), "inert: malformed"),
        (",\"x\":1,\"x\":1".to_owned(), "inert: malformed"),
        (",\"x\":{\"a\":1,\"a\":1}".to_owned(), "inert: malformed"),
        (",\"nonce\":1".to_owned(), "inert: malformed"),
        (",\"type\":\"request\"".to_owned(), "inert: malformed"),
        (",\"x\":1.5".to_owned(), "inert: malformed"),
        (",\"x\":-1".to_owned(), "inert: malformed"),
        (",\"x\":1e3".to_owned(), "inert: malformed"),
        (",\"x\":007".to_owned(), "inert: malformed"),
        (",\"x\":9007199254740992".to_owned(), "inert: malformed"),
        (",\"x\":NaN".to_owned(), "inert: malformed"),
        (",\"x\":nul".to_owned(), "inert: malformed"),
        (",\"x\":\"\\n\"".to_owned(), "inert: malformed"),
        (",\"x\":\"\u{7f}\"".to_owned(), "inert: malformed"),
        (",\"x\":'a'".to_owned(), "inert: malformed"),
        (",x:1".to_owned(), "inert: malformed"),
        ("}".to_owned(), "inert: malformed"),
    ] {
        let mut log = scene().log;
        log.unknown("bob", 1, "note", &rest);
        assert_eq!(log.last(), expected, "{}", rest.escape_debug());
    }
    table(
        &scene().log,
        Log::last,
        &[
            ("version 0", |log| log.unknown("bob", 0, "request", ""), UNKNOWN_0),
            ("by nobody", |log| log.unknown("mallory", 1, "note", ""), "inert: unknown-author"),
            ("by another's key", |log| log.by_key(key("carol")).unknown("bob", 1, "note", ""), "inert: not-their-key"),
            ("in another log", |log| log.of_log(OTHER).unknown("bob", 1, "note", ""), "inert: other-log"),
            ("that saw nothing", |log| log.seeing(0).unknown("bob", 1, "note", ""), "inert: seen-size"),
            ("on a fork", |log| log.seeing_root(3, OTHER).unknown("bob", 1, "note", ""), "inert: seen-root"),
            // What it may speak of is unknown, too.
            ("of something", |log| log.unknown("bob", 1, "note", ",\"of\":\"nothing\""), NOTE),
        ],
    );
}

const UNKNOWN_0: &str = "without effect: this program does not know `request` of version 0";

/// A key that two people claim can't be in any policy; so no line can be whose it is not.
#[test]
fn a_key_claimed_twice_is_no_policy() {
    let mut scene = scene();
    let claimed = scene.org.clone().people("dave").keys("dave", &[key("bob")]);
    let id = scene.log.policy("alice", &claimed);
    scene.log.approve("amy", id);
    assert_eq!(scene.log.policy_version(), 2);
    assert_eq!(scene.log.answer("bob", "db/prod/orders", "access"), "deny policy-unverified");
    // The same point in another dress is the same claim.
    let claimed = scene.org.clone().people("dave").keys("dave", &[key("bob").with_application("ssh:")]);
    assert!(jit::core::policy::load(&claimed.files()).is_err());
    // Whose the key is stays as it was.
    scene.log.by_key(key("bob")).unknown("dave", 1, "note", "");
    assert_eq!(scene.log.last(), "inert: unknown-author");
}

/// Claim 4: every line, inert ones too, is a leaf; roots are over the lines alone.
#[test]
fn every_line_is_a_leaf() {
    let scene = scene();
    let log = &scene.log;
    for size in 1..=log.size() {
        let leaves = log.lines().iter().take(usize::try_from(size).unwrap());
        let mut tree = jit::core::merkle::MemoryTree::new();
        leaves.for_each(|line| tree.append(jit::core::merkle::leaf_hash(line)));
        assert_eq!(log.view().root_at(size), Some(tree.root()));
        assert_eq!(log.refold(size).root(), Some(tree.root()));
    }
    assert_eq!(log.view().root_at(log.size() + 1), None);
}
