//! Logs: what a line is worth at its place, and what a gate says then.

use jit::core::hash::Hash;
use jit::core::statement::{Checkpoint, Presentation, What};
use jit::core::time::Timestamp;
use jit::core::view::View as _;

use crate::file::Vector;
use crate::support::keys::{key, key2};
use crate::support::log::{Log, bound, line, t};
use crate::support::org::{Org, files};

/// The policy of every log here: bob reads freely, writes with one of two others' word, drops with both.
pub(crate) fn org() -> Org {
    Org::new(&["alice"], 1)
        .setting("revokers", "[\"dave\"]")
        .people("bob carol dave erin")
        .service("deployer", "carol")
        .group("ops", "bob deployer")
        .allow("read", "group:ops", "db/prod/*", "read", "4h")
        .allow_if(
            "write",
            "group:ops",
            "db/prod/*",
            "write",
            "4h",
            "approvals = [{ from = [\"bob\", \"carol\", \"dave\"] }]",
        )
        .allow_if(
            "drop",
            "group:ops",
            "db/prod/*",
            "drop",
            "1h",
            "approvals = [{ from = [\"carol\", \"dave\"], count = 2 }]",
        )
}

/// A log with that policy in force.
pub(crate) fn start() -> Log {
    let mut log = Log::new(&["alice"], 1);
    log.policy("alice", &org());
    log
}

pub(crate) const ORDERS: &str = "db/prod/orders";

/// `subject bob` asks for an action on the orders at `now`.
fn bob(action: &str, now: Timestamp) -> String {
    format!("subject bob {ORDERS} {action} - - at {now}")
}

/// One story with a line of each kind that stands in a log, and where each stands.
pub(crate) fn story() -> (Log, Vec<(u64, &'static str, &'static str, &'static str)>) {
    let mut log = Log::new(&["alice"], 1);
    let mut places = vec![(0, "line-genesis", "The first line of a log.", "genesis")];
    let mut here = |log: &Log, name, about, kind| places.push((log.size() - 1, name, about, kind));
    log.policy("alice", &org());
    here(&log, "line-policy", "A policy is proposed.", "policy");
    let read = log.request("bob", ORDERS, "read", "1h", "");
    here(&log, "line-request", "A request with nothing that may be left out.", "request");
    log.not_before(t(600)).bind(bound("build 7")).request("deployer", ORDERS, "read", "30m", "");
    here(&log, "line-request-bound", "A request for later, bound to an artifact.", "request");
    let write = log.request("bob", ORDERS, "write", "2h", "INC-7: \"slow\" in C:\\db, see été \u{1f600}");
    here(&log, "line-request-reason", "A request with a reason: escapes, and text beyond ASCII.", "request");
    log.approve("carol", write);
    here(&log, "line-approval", "An approval.", "approval");
    let narrowed = log.request("bob", ORDERS, "write", "2h", "");
    log.approve_for("carol", narrowed, "20m");
    here(&log, "line-approval-narrowed", "An approval for less than was asked.", "approval");
    let denied = log.request("bob", ORDERS, "write", "3h", "");
    log.deny("dave", denied);
    here(&log, "line-denial", "A denial.", "approval");
    log.revoke("bob", read);
    here(&log, "line-revocation", "A revocation.", "revocation");
    let lockdown = log.lockdown("dave", "* bob group:ops", "** db/*/orders");
    here(&log, "line-lockdown", "A lockdown of all kinds of subject.", "lockdown");
    log.lift("alice", lockdown);
    here(&log, "line-lift", "A lift.", "lift");
    log.unknown("alice", 1, "review", ",\"of\":null,\"ok\":true");
    here(&log, "line-unknown", "A kind of statement that this program does not know.", "review");
    (log, places)
}

pub(crate) fn vectors() -> Vec<Vector> {
    [stories(), inert(), requests(), approvals(), policies(), endings()].concat()
}

fn stories() -> Vec<Vector> {
    let (log, _) = story();
    let about = "A line of each kind; the last is one that this program does not know.";
    let expect = "without effect: this program does not know `review` of version 1";
    vec![Vector::log("log-of-each-kind", about, expect, &log)]
}

/// A log with a request of bob's last, made by `said`.
fn one(name: &str, about: &str, expect: &str, said: impl FnOnce(&mut Log)) -> Vector {
    let mut log = start();
    said(&mut log);
    Vector::log(name, about, expect, &log)
}

/// The policy in force.
fn in_force(log: &Log) -> Hash {
    log.view().policy_record().expect("there is one").id
}

/// Leaves, and nothing more.
fn inert() -> Vec<Vector> {
    let ask = |log: &mut Log| log.request("bob", ORDERS, "read", "1h", "");
    let mut vectors = vec![
        one("inert-garbage", "What is no line is a leaf all the same.", "inert: malformed", |log| log.raw(b"hello")),
        one("inert-empty", "An empty line is a line.", "inert: malformed", |log| log.raw(b"")),
        one("inert-unknown-author", "Nobody of that name.", "inert: unknown-author", |log| {
            log.request("mallory", ORDERS, "read", "1h", "");
        }),
        one("inert-other-key", "Signed by the key of another.", "inert: not-their-key", |log| {
            ask(log.by_key(key("carol")));
        }),
        one("inert-removed-key", "Signed by a key that is no longer the author's.", "inert: not-their-key", |log| {
            log.policy("alice", &org().keys("bob", &[key2("bob")]));
            ask(log);
        }),
        one("inert-other-log", "Of another log.", "inert: other-log", |log| {
            let other = Log::new(&["carol"], 1).genesis();
            ask(log.of_log(other));
        }),
        one("inert-seen-nothing", "Its author saw no line.", "inert: seen-size", |log| {
            let policy = in_force(log);
            ask(log.under(policy).seeing_root(0, Hash::of(b"")));
        }),
        one("inert-seen-future", "Its author saw more lines than there are.", "inert: seen-size", |log| {
            let policy = in_force(log);
            ask(log.under(policy).seeing(3));
        }),
        one("inert-seen-fork", "Its author saw other lines.", "inert: seen-root", |log| {
            let policy = in_force(log);
            ask(log.under(policy).seeing_root(2, Hash([7; 32])));
        }),
        one("inert-of-nothing", "It speaks of what is not there.", "inert: of", |log| {
            log.revoke("bob", Hash([7; 32]));
        }),
        one("inert-of-unseen", "It speaks of what its author can't have seen.", "inert: of", |log| {
            let id = ask(log);
            log.seeing(2).revoke("bob", id);
        }),
        one("inert-of-another-kind", "A revocation of a policy.", "inert: of", |log| {
            let policy = in_force(log);
            log.revoke("alice", policy);
        }),
        one("inert-of-inert", "It speaks of a line that is inert.", "inert: of", |log| {
            let id = ask(log.by_key(key("carol")));
            log.revoke("bob", id);
        }),
        one(
            "inert-old-policy",
            "A request under a policy that was no longer in force.",
            "inert: other-policy",
            |log| {
                let policy = in_force(log);
                log.policy("alice", &org().people("frank"));
                ask(log.under(policy));
            },
        ),
        one("inert-replayed", "The same line again.", "inert: repeated", |log| {
            ask(log);
            let again = log.line(2).to_vec();
            log.raw(&again);
        }),
        one("inert-signed-again", "The same body, signed by another of the author's keys.", "inert: repeated", |log| {
            log.policy("alice", &org().keys("bob", &[key("bob"), key2("bob")]));
            ask(log);
            let body = jit::core::statement::Line::parse(log.line(3)).expect("a line").body_text().to_owned();
            log.say(&key2("bob"), &body);
        }),
        one("inert-second-genesis", "A genesis that is not the first line.", "inert: second-genesis", |log| {
            let genesis = log.line(0).to_vec();
            log.raw(&genesis);
        }),
        one("inert-presentation", "A presentation belongs into a token.", "inert: no-place", |log| {
            let of = ask(log);
            log.state("bob", What::Presentation(Presentation { of, audience: None, expires: t(60) }));
        }),
        one("inert-checkpoint", "A checkpoint belongs on a ref of its own.", "inert: no-place", |log| {
            log.state("alice", What::Checkpoint(Checkpoint { size: 1, root: Hash([7; 32]) }));
        }),
    ];
    let genesis = Log::new(&["alice", "bob"], 1);
    let body = jit::core::statement::Line::parse(genesis.line(0)).expect("a line").body_text().to_owned();
    for (name, about, signer) in [
        ("genesis-by-none-of-its-keys", "A genesis signed by a key that it does not name.", key("carol")),
        ("genesis-by-the-other-key", "A genesis signed by another maintainer than it says.", key("bob")),
    ] {
        let first = String::from_utf8(line(&signer, &body)).expect("a line is text");
        let said = "no log: `alice` did not sign it by the key it names";
        let vector = Vector::new(name, about, said).with("genesis", genesis.genesis());
        vectors.push(vector.with("line", first).with("verdict", said));
    }
    vectors
}

/// What becomes of a request at its own line.
fn requests() -> Vec<Vector> {
    let asked = |name: &str, about: &str, line: &str, answer: &str, said: &dyn Fn(&mut Log)| {
        let mut log = start();
        said(&mut log);
        assert_eq!(log.last(), line, "{name}");
        Vector::log(name, about, answer, &log).check(&log, &bob("read", log.now()))
    };
    vec![
        asked("request-granted", "No approval is asked for.", "effect", "allow granted", &|log| {
            log.request("bob", ORDERS, "read", "1h", "");
        }),
        asked("request-not-yet", "For later.", "effect", "deny not-yet-valid", &|log| {
            log.not_before(t(3600)).request("bob", ORDERS, "read", "1h", "");
        }),
        asked("request-never-made", "Nobody asked.", "effect", "deny no-grant", &|_| {}),
        asked(
            "request-too-long",
            "For longer than the rule's most.",
            "without effect: too-long",
            "deny too-long",
            &|log| {
                log.request("bob", ORDERS, "read", "5h", "");
            },
        ),
        asked("request-no-rule", "Nothing allows it.", "without effect: no-matching-rule", "deny no-grant", &|log| {
            log.request("erin", ORDERS, "read", "1h", "");
        }),
        asked(
            "request-denied-by-rule",
            "A deny rule wins over every other.",
            "without effect: denied-by-rule",
            "deny denied-by-rule",
            &|log| {
                log.policy("alice", &org().deny("never", "bob", "db/**/orders"));
                log.request("bob", ORDERS, "read", "1h", "");
            },
        ),
        asked(
            "request-reason-rejected",
            "The rule wants another reason.",
            "without effect: reason-rejected",
            "deny reason-rejected",
            &|log| {
                let more = "reason = { pattern = \"^INC-[0-9]+\" }";
                log.policy("alice", &org().allow_if("read", "bob", "db/**", "read", "4h", more));
                log.request("bob", ORDERS, "read", "1h", "because");
            },
        ),
        asked("request-ended", "Its hour is over.", "effect", "deny expired", &|log| {
            log.request("bob", ORDERS, "read", "1h", "");
            log.wait("59m59s");
        }),
        asked("request-last-second", "The last second of its hour.", "effect", "allow granted", &|log| {
            log.request("bob", ORDERS, "read", "1h", "");
            log.wait("59m58s");
        }),
    ]
}

/// What approvals and denials do.
fn approvals() -> Vec<Vector> {
    let after = |name: &str, about: &str, action: &str, line: &str, answer: &str, said: &dyn Fn(&mut Log)| {
        let mut log = start();
        said(&mut log);
        assert_eq!(log.last(), line, "{name}");
        Vector::log(name, about, answer, &log).check(&log, &bob(action, log.now()))
    };
    let ask = |log: &mut Log, action: &str| log.request("bob", ORDERS, action, "1h", "");
    let pending = "pending needs-approval";
    let no_one = |who: &str| format!("without effect: no rule that the request fits names `{who}` as an approver");
    vec![
        after("approval-completes", "One word is all that is asked.", "write", "effect", "allow granted", &|log| {
            let id = ask(log, "write");
            log.approve("carol", id);
        }),
        after("approval-missing", "Nobody said a word.", "write", "effect", pending, &|log| {
            ask(log, "write");
        }),
        after(
            "approval-own-request",
            "Nobody approves their own request.",
            "write",
            "without effect: `bob` can't judge a request of their own",
            pending,
            &|log| {
                let id = ask(log, "write");
                log.approve("bob", id);
            },
        ),
        after(
            "approval-own-request-second-key",
            "Nor under another key of theirs.",
            "write",
            "without effect: `bob` can't judge a request of their own",
            pending,
            &|log| {
                log.policy("alice", &org().keys("bob", &[key("bob"), key2("bob")]));
                let id = ask(log, "write");
                log.by_key(key2("bob")).approve("bob", id);
            },
        ),
        {
            let mut log = start();
            let id = log.request("deployer", ORDERS, "write", "1h", "");
            log.approve("carol", id);
            assert_eq!(log.last(), no_one("carol"));
            let asked = format!("subject deployer {ORDERS} write - - at {}", log.now());
            let about = "Nor that of a service that they own.";
            Vector::log("approval-owned-service", about, pending, &log).check(&log, &asked)
        },
        after(
            "approval-by-stranger",
            "A word of someone whom no rule names.",
            "write",
            &no_one("erin"),
            pending,
            &|log| {
                let id = ask(log, "write");
                log.approve("erin", id);
            },
        ),
        after(
            "approval-before-request",
            "Signed before the request.",
            "write",
            "without effect: it was signed before the request",
            pending,
            &|log| {
                let id = ask(log, "write");
                log.at(t(1)).approve("carol", id);
            },
        ),
        after(
            "approval-at-the-last",
            "Signed in the last second in which it counts.",
            "write",
            "effect",
            "allow granted",
            &|log| {
                let id = ask(log, "write");
                log.at(t(2 + 24 * 3600)).approve("carol", id);
                log.wait("24h");
            },
        ),
        after(
            "approval-of-lapsed",
            "Signed a second too late.",
            "write",
            "without effect: it was signed after the request lapsed at 2026-01-06T08:00:02Z",
            "deny lapsed",
            &|log| {
                let id = ask(log, "write");
                log.at(t(3 + 24 * 3600)).approve("carol", id);
                log.wait("24h");
            },
        ),
        after("approval-quorum", "Two of two.", "drop", "effect", "allow granted", &|log| {
            let id = ask(log, "drop");
            log.approve("carol", id);
            log.approve("dave", id);
        }),
        after("approval-one-of-two", "One of two.", "drop", "effect", pending, &|log| {
            let id = ask(log, "drop");
            log.approve("carol", id);
        }),
        after(
            "approval-twice-by-one",
            "One person fills one place, under any of their keys.",
            "drop",
            "effect",
            pending,
            &|log| {
                log.policy("alice", &org().keys("carol", &[key("carol"), key2("carol")]));
                let id = ask(log, "drop");
                log.approve("carol", id);
                log.by_key(key2("carol")).approve("carol", id);
            },
        ),
        after(
            "approval-narrows",
            "The shortest duration signed holds: 20 minutes are over.",
            "drop",
            "effect",
            "deny expired",
            &|log| {
                let id = ask(log, "drop");
                log.approve_for("carol", id, "20m");
                log.approve("dave", id);
                log.wait("20m");
            },
        ),
        after(
            "approval-after-completion",
            "A later word moves nothing.",
            "write",
            "without effect: that request is granted already",
            "allow granted",
            &|log| {
                let id = ask(log, "write");
                log.approve("carol", id);
                log.wait("30m");
                log.approve_for("dave", id, "1m");
            },
        ),
        after(
            "approval-by-key-gone",
            "At completion a key that counted is its author's no more.",
            "drop",
            "effect",
            pending,
            &|log| {
                let id = ask(log, "drop");
                log.approve("carol", id);
                log.policy("alice", &org().keys("carol", &[key2("carol")]));
                log.approve("dave", id);
            },
        ),
        after("denial", "Somebody eligible said no.", "write", "effect", "deny denied-by-approver", &|log| {
            let id = ask(log, "write");
            log.deny("carol", id);
        }),
        after(
            "denial-then-approval",
            "A yes after a no comes too late.",
            "write",
            "without effect: `carol` denied that request already",
            "deny denied-by-approver",
            &|log| {
                let id = ask(log, "write");
                log.deny("carol", id);
                log.approve("dave", id);
            },
        ),
        after("denial-by-stranger", "A no of someone whom no rule names.", "write", &no_one("erin"), pending, &|log| {
            let id = ask(log, "write");
            log.deny("erin", id);
        }),
        after(
            "denial-after-completion",
            "A no after the grant.",
            "write",
            "without effect: that request is granted already",
            "allow granted",
            &|log| {
                let id = ask(log, "write");
                log.approve("carol", id);
                log.deny("dave", id);
            },
        ),
    ]
}

/// How policies come into force, and what they end.
fn policies() -> Vec<Vector> {
    let shared =
        || Org::new(&["alice", "bob"], 2).people("carol dave erin").allow("read", "bob", "db/**", "read", "4h");
    let after = |name: &str, about: &str, answer: &str, said: &dyn Fn(&mut Log)| {
        let mut log = Log::new(&["alice", "bob"], 2);
        let first = log.policy("alice", &shared());
        log.approve("bob", first);
        log.request("bob", ORDERS, "read", "1h", "");
        said(&mut log);
        Vector::log(name, about, answer, &log).check(&log, &bob("read", log.now()))
    };
    let unsigned = |name: &str, about: &str, said: &dyn Fn(&mut Log)| {
        let mut log = Log::new(&["alice", "bob"], 2);
        said(&mut log);
        Vector::log(name, about, "deny policy-unverified", &log).check(&log, &bob("read", log.now()))
    };
    let closed = || shared().without_rule("read");
    vec![
        unsigned("policy-one-of-two", "Half of the threshold.", &|log| {
            log.policy("alice", &shared());
        }),
        unsigned("policy-one-of-two-twice", "One maintainer counts once.", &|log| {
            let id = log.policy("alice", &shared());
            log.approve("alice", id);
        }),
        unsigned("policy-own-threshold", "A policy that names other maintainers needs their word too.", &|log| {
            let other = Org::new(&["carol"], 1).people("alice bob");
            let id = log.policy("alice", &other);
            log.approve("bob", id);
        }),
        after("policy-two-of-two", "What is granted stands.", "allow granted", &|_| {}),
        after("policy-proposed", "A proposal ends nothing yet.", "allow granted", &|log| {
            log.policy("alice", &closed());
        }),
        after("policy-rule-removed", "Its rule is gone.", "deny no-matching-rule policy-changed", &|log| {
            let id = log.policy("alice", &closed());
            log.approve("bob", id);
        }),
        after("policy-rule-tightened", "Its rule allows less.", "deny policy-changed too-long", &|log| {
            let id = log.policy("alice", &shared().allow("read", "bob", "db/**", "read", "30m"));
            log.approve("bob", id);
        }),
        after("policy-subject-removed", "Its subject is gone.", "deny unknown-subject", &|log| {
            let id = log.policy("alice", &Org::new(&["alice"], 1));
            log.approve("bob", id);
        }),
        after("policy-key-removed", "The key that signed it is gone.", "deny policy-changed wrong-key", &|log| {
            // A maintainer's new key can sign for itself only once it is listed beside the old one.
            let both = log.policy("alice", &shared().keys("bob", &[key("bob"), key2("bob")]));
            log.approve("bob", both);
            let id = log.policy("alice", &shared().keys("bob", &[key2("bob")]));
            log.by_key(key2("bob")).approve("bob", id);
        }),
        after("policy-key-not-signed-for", "A maintainer's new key has to sign for it too.", "allow granted", &|log| {
            let id = log.policy("alice", &shared().keys("bob", &[key2("bob")]));
            log.approve("bob", id);
        }),
        after("policy-second-proposal", "What comes into force kills what else was open.", "allow granted", &|log| {
            let one = log.policy("alice", &shared().people("frank"));
            let two = log.policy("bob", &closed());
            log.approve("bob", one);
            log.approve("alice", two);
        }),
        after("policy-by-stranger", "A proposal of someone who is no maintainer is dead.", "allow granted", &|log| {
            let id = log.policy("carol", &closed());
            log.approve("alice", id);
            log.approve("bob", id);
        }),
        after("policy-denied", "A denial of a policy has no effect.", "deny no-matching-rule policy-changed", &|log| {
            let id = log.policy("alice", &closed());
            log.deny("bob", id);
            log.approve("bob", id);
        }),
        after("policy-wrong-version", "A version that is not the next.", "allow granted", &|log| {
            let id = log.version(3).policy("alice", &closed());
            log.approve("bob", id);
        }),
        after(
            "policy-broken",
            "One that does not load is in force, and nothing is decided.",
            "deny policy-unverified",
            &|log| {
                let id = log.policy("alice", files(&[("jit.toml", "format = 1\nname = \"acme\"\nmaintainers = []\n")]));
                log.approve("bob", id);
            },
        ),
        after("policy-broken-then-mended", "Until a later one loads.", "allow granted", &|log| {
            let id = log.policy("alice", files(&[("jit.toml", "format = 1\n")]));
            log.approve("bob", id);
            let id = log.policy("bob", &shared());
            log.approve("alice", id);
        }),
        after("policy-format-above", "One of a later format.", "deny policy-unsupported", &|log| {
            let id = log.format(2).policy("alice", files(&[("jit.toml", "format = 2\n")]));
            log.approve("bob", id);
        }),
        after(
            "policy-format-above-then-ours",
            "After that, nothing more is decided.",
            "deny policy-unsupported",
            &|log| {
                let id = log.format(2).policy("alice", files(&[("jit.toml", "format = 2\n")]));
                log.approve("bob", id);
                let id = log.policy("bob", &shared());
                log.approve("alice", id);
            },
        ),
    ]
}

/// Revocations, lockdowns and lifts.
fn endings() -> Vec<Vector> {
    let after = |name: &str, about: &str, answer: &str, said: &dyn Fn(&mut Log, Hash)| {
        let mut log = start();
        let id = log.request("bob", ORDERS, "write", "1h", "");
        log.approve("carol", id);
        said(&mut log, id);
        Vector::log(name, about, answer, &log).check(&log, &bob("write", log.now()))
    };
    vec![
        after("revocation-by-subject", "Its subject is done.", "deny revoked", &|log, id| {
            log.revoke("bob", id);
        }),
        after("revocation-by-approver", "Its approver takes it back.", "deny revoked", &|log, id| {
            log.revoke("carol", id);
        }),
        after("revocation-by-revoker", "A revoker ends it.", "deny revoked", &|log, id| {
            log.revoke("dave", id);
        }),
        after("revocation-by-maintainer", "A maintainer ends it.", "deny revoked", &|log, id| {
            log.revoke("alice", id);
        }),
        after("revocation-by-stranger", "Others can't.", "allow granted", &|log, id| {
            log.revoke("erin", id);
            log.revoke("deployer", id);
        }),
        after("revocation-stays", "It holds, whatever becomes of its author.", "deny revoked", &|log, id| {
            log.revoke("dave", id);
            log.policy("alice", &org().setting("revokers", "[]"));
        }),
        after("lockdown", "What it matches is ended.", "deny lockdown", &|log, _| {
            log.lockdown("dave", "bob", "db/**");
        }),
        after("lockdown-of-another", "What it does not match is not.", "allow granted", &|log, _| {
            log.lockdown("dave", "deployer", "db/**");
            log.lockdown("dave", "bob", "ssh/**");
        }),
        after("lockdown-by-stranger", "Only a revoker or a maintainer can.", "allow granted", &|log, _| {
            log.lockdown("carol", "*", "**");
        }),
        after("lockdown-lifted", "What was ended stays ended.", "deny lockdown", &|log, _| {
            let lockdown = log.lockdown("dave", "*", "**");
            log.lift("alice", lockdown);
        }),
        after("lockdown-lifted-asked-again", "And can be asked for again.", "pending needs-approval", &|log, _| {
            let lockdown = log.lockdown("dave", "*", "**");
            log.lift("alice", lockdown);
            log.request("bob", ORDERS, "write", "1h", "");
        }),
        after(
            "lockdown-holds-back",
            "Until it is lifted nothing that matches is granted.",
            "deny lockdown",
            &|log, _| {
                log.lockdown("dave", "*", "**");
                let id = log.request("bob", ORDERS, "write", "1h", "");
                log.approve("carol", id);
            },
        ),
        after("lockdown-of-group", "A group counts as it stood at the line.", "deny lockdown", &|log, _| {
            log.lockdown("dave", "group:ops", "**");
            let everyone = "bob deployer";
            log.policy(
                "alice",
                &org().group("ops", "deployer").allow("read", everyone, "db/prod/*", "read", "4h").allow_if(
                    "write",
                    everyone,
                    "db/prod/*",
                    "write",
                    "4h",
                    "approvals = [{ from = [\"carol\"] }]",
                ),
            );
        }),
        {
            let mut log = Log::new(&["alice", "bob"], 2);
            let shared = Org::new(&["alice", "bob"], 2).allow("read", "bob", "db/**", "read", "4h");
            let id = log.policy("alice", &shared);
            log.approve("bob", id);
            let lockdown = log.lockdown("alice", "*", "**");
            log.lift("alice", lockdown);
            log.request("bob", ORDERS, "read", "1h", "");
            Vector::log(
                "lift-one-of-two",
                "Where two maintainers are needed, one lifts nothing.",
                "deny lockdown",
                &log,
            )
            .check(&log, &bob("read", log.now()))
        },
    ]
}
