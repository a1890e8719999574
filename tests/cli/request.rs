//! `jit request`.

use std::rc::Rc;

use insta::assert_snapshot;
use serde_json::Value;

use crate::support::policy::{policy, policy_and};
use crate::support::shape::{
    Shape, assert_shape, decision, grant, list, needs, object, or_null, reasons, request, with,
};
use crate::support::{Call, Ran, Team};

const REASON: &str = "--reason 'INC-1234 orders are stuck'";

#[test]
fn granted_at_once() {
    let team = Team::new();
    team.jit("alice", &format!("request db/prod/orders read {REASON}")).show();
    team.jit("alice", "request db/staging/x write --for 8h").show();
    team.note("for later");
    team.jit("alice", "request db/staging/x write --for 1h --not-before +2h").show();
    team.jit("alice", "request db/staging/x write --for 1h --not-before 2026-01-14T08:00:00+01:00").show();
    team.note("not before a time that is past");
    team.jit("alice", "request db/staging/x write --for 1h --not-before 2026-01-01T00:00:00Z").show();
    assert_snapshot!(team.transcript());
}

#[test]
fn waits_for_approvals() {
    let team = Team::new();
    assert_eq!(team.jit("alice", "request ssh/prod/web-1").show().status, 3);
    assert_eq!(team.jit("alice", &format!("request db/prod/orders read --for 2h {REASON}")).show().status, 3);
    assert_eq!(team.jit("alice", &format!("request db/prod/orders read --for 2h1s {REASON}")).show().status, 3);
    assert_eq!(team.jit("deployer", "request deploy/api/prod deploy").show().status, 3);
    assert_snapshot!(team.transcript());
}

#[test]
fn what_is_logged_says_its_id_on_a_line_of_its_own() {
    let team = Team::new();
    for (line, status) in [
        (format!("request db/prod/orders read {REASON}"), 0),
        ("request ssh/prod/web-1".to_owned(), 3),
        ("request db/prod/orders write --for 1h".to_owned(), 1),
    ] {
        let ran = team.jit("alice", &line).run();
        let ids: Vec<&str> = ran.out.lines().filter_map(|line| line.strip_prefix("id ")).collect();
        assert_eq!((ran.status, ids.len()), (status, 1), "{line}: {}", ran.out);
        assert_eq!(team.jit("alice", &format!("show {}", ids[0])).run().status, 0);
    }
}

#[test]
fn denied() {
    let team = Team::new();
    let table = [
        ("alice", "request db/prod/orders write"),
        ("alice", "request db/prod/orders write --for 1h"),
        ("alice", "request db/prod/orders read --for 4h1s --reason 'INC-1234 orders are stuck'"),
        ("alice", "request db/prod/orders read --reason 'just looking'"),
        ("alice", "request db/prod/orders read --reason 'INC-1'"),
        ("erin", "request db/staging/pii/x read"),
        ("erin", "request ssh/prod/web-1"),
    ];
    for (who, line) in table {
        assert_eq!(team.jit(who, line).show().status, 1, "{line}");
    }
    assert_snapshot!(team.transcript());
}

#[test]
fn dry_runs_log_nothing() {
    let team = Team::new();
    let before = team.git(&["rev-parse", "jit/audit"]);
    let table = [
        (format!("request db/prod/orders read {REASON} --dry-run"), 0),
        (format!("request db/prod/orders read --for 2h {REASON} --dry-run"), 3),
        ("request db/prod/orders read --dry-run".to_owned(), 1),
        ("request db/prod/nothing --dry-run".to_owned(), 1),
    ];
    for (line, status) in table {
        assert_eq!(team.jit("alice", &line).show().status, status, "{line}");
        let answer = team.jit("alice", &format!("{line} --json")).run().json();
        assert_eq!(answer["request"]["id"], Value::Null, "{line}");
        assert_eq!(answer["request"]["resource"], line.split(' ').nth(1).unwrap());
    }
    assert_snapshot!(team.transcript());
    assert_eq!(team.git(&["rev-parse", "jit/audit"]), before);
}

#[test]
fn tokens_go_to_standard_output_and_nothing_else() {
    let team = Team::new();
    let ran = team.jit("alice", "request db/staging/x read --token").show();
    assert!(ran.out.starts_with("jit1.") && ran.out.lines().count() == 1, "{}", ran.out);
    assert!(!ran.err.contains("jit1."));
    let check = team.jit("bob", &format!("check db/staging/x read --token - --genesis {}", team.genesis()));
    assert_eq!(check.stdin(ran.out).run().status, 0);
    let ran = team.jit("alice", "request ssh/prod/web-1 --token").show();
    assert_eq!((ran.status, ran.out.as_str()), (3, ""));
    let ran = team.jit("alice", "request db/prod/orders read --token").show();
    assert_eq!((ran.status, ran.out.as_str()), (1, ""));
    team.note("quiet: the token alone");
    team.jit("alice", "request db/staging/x read --token -q").show();
    assert_eq!(team.jit("alice", "request db/staging/x read --token --dry-run").show().status, 2);
    assert_snapshot!(team.transcript());
}

#[test]
fn json() {
    let team = Team::new();
    let unlogged = object(&[
        ("id", or_null(Shape::Id)),
        ("index", or_null(Shape::Number)),
        ("subject", Shape::Text),
        ("key", Shape::Text),
        ("at", Shape::Time),
        ("policy", or_null(Shape::Id)),
        ("resource", Shape::Text),
        ("action", Shape::Text),
        ("duration_s", or_null(Shape::Number)),
        ("not_before", or_null(Shape::Time)),
        ("bind", or_null(Shape::Bind)),
        ("reason", Shape::Text),
        ("lapses_at", or_null(Shape::Time)),
        ("approvals", request_list()),
        ("revoked", or_null(Shape::Text)),
    ]);
    let answer = |grant: Shape, request: Shape| {
        object(&[
            ("decision", decision()),
            ("grant", grant),
            ("request", request),
            ("needs", needs()),
            ("reasons", reasons()),
        ])
    };
    let none = or_null(Shape::Word(&[]));
    let bind = format!("--bind sha256:{}", "a".repeat(64));
    let table = [
        (format!("request db/prod/orders read {REASON} --json {bind}"), 0, "allow", grant(), request()),
        ("request db/staging/x read --not-before +1h --json".to_owned(), 0, "allow", grant(), request()),
        ("request ssh/prod/web-1 --json".to_owned(), 3, "pending", none.clone(), request()),
        ("request db/prod/orders read --json".to_owned(), 1, "deny", none.clone(), request()),
        ("request ssh/prod/web-1 --dry-run --json".to_owned(), 3, "pending", none.clone(), unlogged.clone()),
        // A grant's id is its request's, and that was never made.
        (
            "request db/staging/x read --dry-run --json".to_owned(),
            0,
            "allow",
            with(grant(), &[("id", none.clone())]),
            unlogged.clone(),
        ),
        ("request db/prod/nothing --json".to_owned(), 1, "deny", none.clone(), unlogged),
    ];
    for (line, status, decision, grant, request) in table {
        let ran = team.jit("alice", &line).run();
        assert_eq!(ran.status, status, "{line}");
        assert_shape(&ran.json(), &answer(grant, request));
        assert_eq!(ran.json()["decision"], decision, "{line}");
    }
    let pending = team.jit("alice", "request ssh/prod/web-1 --json").run().json();
    assert_eq!(
        pending["needs"],
        serde_json::json!([{"rule": "ssh-prod", "from": ["group:oncall"], "count": 1, "have": []}])
    );
    for (what, grant, token) in
        [("db/staging/x read", grant(), Shape::Text), ("ssh/prod/web-1", none.clone(), none.clone())]
    {
        let ran = team.jit("alice", &format!("request {what} --json --token")).run();
        assert_shape(&ran.json(), &with(answer(grant, request()), &[("token", token)]));
    }
}

#[test]
fn several_at_once() {
    let team = Team::new();
    let commits = || team.git(&["rev-list", "--count", "jit/audit"]).trim().parse::<u32>().unwrap();
    let lines = || team.jit("alice", "audit verify --json").run().json()["size"].as_u64().unwrap();
    let (before, size) = (commits(), lines());
    let ran = team.jit("alice", "request db/staging/a db/staging/b read write --for 1h").show();
    assert_eq!((ran.status, commits(), lines()), (0, before + 1, size + 4), "one commit has all of them");
    let ids: Vec<&str> = ran.out.lines().filter_map(|line| line.strip_prefix("id ")).collect();
    assert_eq!(ids.len(), 4);
    for (id, what) in
        ids.iter().zip(["read db/staging/a", "write db/staging/a", "read db/staging/b", "write db/staging/b"])
    {
        let shown = team.jit("alice", &format!("show {id} --json")).run().json();
        let request = &shown["request"];
        assert_eq!(format!("{} {}", request["action"].as_str().unwrap(), request["resource"].as_str().unwrap()), what);
        let (resource, action) = (request["resource"].as_str().unwrap(), request["action"].as_str().unwrap());
        assert_eq!(team.jit("alice", &format!("check {resource} {action}")).run().status, 0, "{what}");
    }
    team.note("what waits, and what no rule allows");
    assert_eq!(team.jit("alice", "request db/staging/c ssh/prod/web-1").show().status, 3);
    assert_eq!(team.jit("alice", "request db/staging/d ssh/prod/web-1 db/prod/orders --for 2h1s").show().status, 1);
    team.note("one can't be asked for, so none is");
    let (before, size) = (commits(), lines());
    assert_eq!(team.jit("alice", "request db/staging/e db/prod/nothing").show().status, 1);
    team.note("dry");
    assert_eq!(team.jit("alice", "request db/staging/e ssh/prod/web-1 --dry-run").show().status, 3);
    for line in
        ["db/staging/e db/staging/e", "db/staging/e read read", "db/staging/e/x db/staging/f --token", "db/a db//b"]
    {
        assert_eq!(team.jit("alice", &format!("request {line}")).show().status, 2, "{line}");
    }
    let many: Vec<String> = (0..33).map(|number| format!("db/staging/{number}")).collect();
    assert_eq!(team.jit("alice", &format!("request {}", many.join(" "))).run().status, 2);
    assert_eq!((commits(), lines()), (before, size));
    let ran = team.jit("alice", &format!("request {}", many[1..].join(" "))).run();
    assert_eq!((ran.status, commits(), lines()), (0, before + 1, size + 32));
    assert_snapshot!(team.transcript());
    assert_eq!(team.jit("alice", "audit verify --strict").run().status, 0);
}

/// One of a single segment is an action where it comes later, as it always was in the second place.
#[test]
fn a_word_without_a_slash_is_an_action_unless_it_is_first() {
    let team = Team::new();
    for (line, what) in [
        ("web read", vec!["read web"]),
        ("web", vec!["access web"]),
        ("web db/a", vec!["access web", "access db/a"]),
        ("web db/a read", vec!["read web", "read db/a"]),
        ("db/a read db/b", vec!["read db/a", "read db/b"]),
    ] {
        let answer = team.jit("alice", &format!("request {line} --for 1h --dry-run --json")).run().json();
        let requests = answer["requests"].as_array().cloned().unwrap_or_else(|| vec![answer.clone()]);
        let found: Vec<String> = requests
            .iter()
            .map(|one| {
                let request = &one["request"];
                format!("{} {}", request["action"].as_str().unwrap(), request["resource"].as_str().unwrap())
            })
            .collect();
        assert_eq!(found, what, "{line}");
    }
}

#[test]
fn limits_are_counted_from_one_to_the_next_of_several() {
    let team = Team::new();
    let more = "[rule.one]\nsubjects = [\"alice\"]\nresources = [\"cloud/**\"]\nactions = [\"*\"]\n\
                duration = { max = \"1h\" }\nlimits = { active = 1 }\n";
    team.commit(&policy_and(&[("policies/more.toml", more)]));
    assert_eq!(team.jit("alice", "policy publish --yes").run().status, 0);
    for line in ["request cloud/a cloud/b --dry-run --json", "request cloud/a cloud/b --json"] {
        let ran = team.jit("alice", line).run();
        let decisions: Vec<Value> =
            ran.json()["requests"].as_array().unwrap().iter().map(|one| one["decision"].clone()).collect();
        assert_eq!((ran.status, decisions), (1, vec![Value::from("allow"), Value::from("deny")]), "{line}");
        assert_eq!(ran.json()["decision"], "deny");
    }
}

#[test]
fn several_in_json() {
    let team = Team::new();
    let one = |request: Shape| {
        object(&[
            ("decision", decision()),
            ("grant", or_null(grant())),
            ("request", request),
            ("needs", needs()),
            ("reasons", reasons()),
        ])
    };
    let several = object(&[
        ("decision", decision()),
        ("requests", list(one(request()))),
        ("reasons", list(or_null(Shape::Word(&[])))),
    ]);
    let bind = format!("--bind sha256:{}", "a".repeat(64));
    for (line, status, word, each) in [
        (format!("db/staging/a db/staging/b {bind}"), 0, "allow", ["allow", "allow"]),
        ("db/staging/a ssh/prod/web-1".to_owned(), 3, "pending", ["allow", "pending"]),
        ("ssh/prod/web-1 db/prod/orders --for 1h".to_owned(), 1, "deny", ["pending", "deny"]),
    ] {
        let ran = team.jit("alice", &format!("request {line} --json")).run();
        assert_eq!(ran.status, status, "{line}");
        let answer = ran.json();
        assert_shape(&answer, &several);
        assert_eq!(answer["decision"], word, "{line}");
        let decisions: Vec<&str> =
            answer["requests"].as_array().unwrap().iter().map(|one| one["decision"].as_str().unwrap()).collect();
        assert_eq!(decisions, each, "{line}");
    }
    let ran = team.jit("alice", "request db/prod/nothing db/staging/a --json").run();
    let answer = ran.json();
    assert_eq!((ran.status, &answer["decision"]), (1, &Value::from("deny")));
    let codes: Vec<&Value> =
        answer["requests"].as_array().unwrap().iter().map(|one| &one["reasons"][0]["code"]).collect();
    assert_eq!(codes, ["no-matching-rule", "no-grant"]);
    assert!(answer["requests"].as_array().unwrap().iter().all(|one| one["request"]["id"].is_null()));
    let ran = team.jit("alice", "request db/staging/a db/staging/b --json -C /nowhere").run();
    assert_eq!((ran.status, &ran.json()["requests"]), (5, &serde_json::json!([])));
    assert_eq!(ran.json()["reasons"][0]["code"], "unavailable");
}

#[test]
fn waiting_for_several_ends_when_none_waits() {
    let team = Rc::new(Team::new());
    let first = Rc::clone(&team);
    let second = Rc::clone(&team);
    let approve = |team: &Team, resource: &str| {
        let list = team.jit("carol", "list --pending --json").run().json();
        let request = list["requests"].as_array().unwrap().iter().find(|one| one["resource"] == resource).unwrap();
        let id = request["id"].as_str().unwrap().to_owned();
        assert_eq!(team.jit("carol", &format!("approve {id} --yes")).run().status, 0);
    };
    let acts: Vec<Box<dyn Fn()>> =
        vec![Box::new(move || approve(&first, "ssh/prod/web-2")), Box::new(move || approve(&second, "ssh/prod/web-1"))];
    let call = team.jit("alice", "request ssh/prod/web-1 ssh/prod/web-2 --wait --json");
    let ran = meanwhile(call, acts).run();
    assert_eq!((ran.status, &ran.json()["decision"]), (0, &Value::from("allow")));
    // Time is over once for all.
    let ran = team.jit("alice", "request ssh/prod/web-3 ssh/prod/web-4 --wait=1m --json").run();
    assert_eq!((ran.status, &ran.json()["decision"]), (3, &Value::from("pending")));
}

/// A program that asks gets a decision, whatever goes wrong: no is what happens when nothing says yes.
#[test]
fn what_fails_is_a_decision_too() {
    let team = Team::new();
    let line = "request db/staging/x read --json";
    let none = || or_null(Shape::Word(&[]));
    let refused = object(&[
        ("decision", Shape::Word(&["deny"])),
        ("grant", none()),
        ("request", none()),
        ("needs", Shape::List(Box::new(none()))),
        ("reasons", reasons()),
    ]);
    let refuses = |what: &str, ran: &Ran, status: u8, code: &str| {
        assert_eq!(ran.status, status, "{what}: {ran:?}");
        assert_shape(&ran.json(), &refused);
        let reason = &ran.json()["reasons"][0];
        assert_eq!(reason["code"], code, "{what}");
        let message = reason["message"].as_str().unwrap();
        assert!(ran.err.contains(&format!("error: {message}")), "{what}: {}", ran.err);
    };
    let nowhere = team.jit("alice", &format!("{line} -C /nowhere")).run();
    refuses("no repo", &nowhere, 5, "unavailable");
    refuses("no key", &team.jit("alice", &format!("{line} --key nowhere")).run(), 5, "unavailable");
    let named = format!("{line} --key {}/.ssh/id_ed25519", team.home("mallory").display());
    refuses("nobody's key", &team.jit("mallory", &named).run(), 1, "unknown-subject");
    let token = team.jit("alice", &format!("{line} --key nowhere --token")).run();
    assert_shape(&token.json(), &with(refused.clone(), &[("token", none())]));
    let folder = team.repo().join(".git/objects");
    let kept = team.repo().join(".git/kept");
    std::fs::rename(&folder, &kept).unwrap();
    refuses("no objects", &team.jit("alice", line).run(), 5, "unavailable");
    std::fs::rename(&kept, &folder).unwrap();
    team.request("alice", "db/staging/x read");
    team.git(&["update-ref", "refs/heads/jit/audit", "refs/heads/jit/audit^"]);
    refuses("a rewritten log", &team.jit("alice", line).run(), 4, "log-rewritten");
}

fn request_list() -> Shape {
    crate::support::shape::list(Shape::Text)
}

#[test]
fn what_can_not_be_asked() {
    let team = Team::new();
    let long = "x".repeat(1025);
    let table = [
        "request".to_owned(),
        "request db//orders".to_owned(),
        "request db/../orders".to_owned(),
        "request Db/orders".to_owned(),
        "request db/orders Read".to_owned(),
        "request db/orders --for 1".to_owned(),
        "request db/orders --for 30m1h".to_owned(),
        "request db/orders --for 366d".to_owned(),
        "request db/orders --for 0s".to_owned(),
        "request db/orders --bind sha256:00".to_owned(),
        "request db/orders --bind md5:00".to_owned(),
        "request db/orders --not-before tomorrow".to_owned(),
        "request db/orders --not-before +soon".to_owned(),
        format!("request db/orders --reason {long}"),
        "request db/orders --reason 'a\u{1b}[2Jb'".to_owned(),
        "request db/orders --reason 'two\nlines'".to_owned(),
    ];
    for line in table {
        assert_eq!(team.jit("alice", &line).show().status, 2, "{line}");
    }
    assert_eq!(team.jit("mallory", "request db/staging/x").show().status, 5);
    assert_snapshot!(team.transcript().replace(&long, "xxx…"));
}

/// Lets others act each time `call` waits: the n-th of `acts` at the n-th pause.
fn meanwhile<'t>(call: Call<'t>, acts: Vec<Box<dyn Fn()>>) -> Call<'t> {
    let mut acts = acts.into_iter();
    call.during_sleep(move || {
        if let Some(act) = acts.next() {
            act();
        }
    })
}

/// The only request that waits.
fn pending(team: &Team) -> String {
    let list = team.jit("alice", "list --pending --json").run().json();
    list["requests"][0]["id"].as_str().unwrap().to_owned()
}

#[test]
fn waiting_ends_when_it_is_decided() {
    let team = Rc::new(Team::new());
    let act = |line: &'static str, who: &'static str| -> Box<dyn Fn()> {
        let team = Rc::clone(&team);
        Box::new(move || {
            let id = pending(&team);
            assert_eq!(team.jit(who, &line.replace("ID", &id)).run().status, 0, "{line}");
        })
    };
    let nothing = || -> Box<dyn Fn()> { Box::new(|| ()) };
    let line = "request ssh/prod/web-1 --wait";
    team.note("approved at the second look");
    let call = meanwhile(team.jit("alice", line), vec![nothing(), act("approve ID --yes", "bob")]);
    assert_eq!(call.show().status, 0);
    team.note("denied");
    let call = meanwhile(team.jit("alice", line), vec![act("deny ID --comment 'not now' --yes", "carol")]);
    assert_eq!(call.show().status, 1);
    team.note("taken back");
    let call = meanwhile(team.jit("alice", line), vec![act("revoke ID --reason x", "alice")]);
    assert_eq!(call.show().status, 1);
    team.note("granted, and over before the next look");
    let line_short = "request ssh/prod/web-1 --for 1s --wait";
    let call = meanwhile(team.jit("alice", line_short), vec![act("approve ID --yes", "bob")]);
    assert_eq!(call.show().status, 1);
    team.note("with a token, and as JSON");
    let call = meanwhile(team.jit("alice", &format!("{line} --token --json")), vec![act("approve ID --yes", "bob")]);
    let answer = call.run();
    assert_eq!(answer.status, 0);
    assert!(answer.json()["token"].as_str().unwrap().starts_with("jit1."), "{answer:?}");
    team.note("nobody answers, and nobody has to");
    assert_eq!(team.jit("alice", &format!("{line}=10s")).show().status, 3);
    assert_eq!(team.jit("alice", "request db/staging/x read --wait").show().status, 0);
    assert_eq!(team.jit("alice", &format!("{line} --dry-run")).show().status, 2);
    assert_snapshot!(team.transcript());
}

/// `--wait` takes its length behind a `=` alone, and lengths are one word: what stands apart would be asked for.
#[test]
fn a_length_that_stands_apart_is_not_asked_for() {
    let team = Team::new();
    let before = team.git(&["rev-parse", "jit/audit"]);
    for line in [
        "request db/staging/x read --wait 1s",
        "request db/staging/x --wait 1h30m",
        "request --wait 90 db/staging/x read",
        "request db/staging/x --wait 1s --json",
        "request db/staging/x read --for 1h 30m",
        "request db/staging/x read --wait=1h 30m",
    ] {
        assert_eq!(team.jit("alice", line).show().status, 2, "{line}");
    }
    assert_eq!(team.git(&["rev-parse", "jit/audit"]), before);
    team.note("what is named before, or is no length, is asked for");
    let table = [
        ("db/staging/x read 1s --for 1h --wait", 0),
        ("db/staging/x --for 1h --wait -- 1s", 0),
        ("db/staging/x --for 1h write", 0),
        ("--for 1h --wait 1/x", 1),
        ("--wait db/staging/x read", 0),
    ];
    for (words, status) in table {
        assert_eq!(team.jit("alice", &format!("request {words}")).show().status, status, "{words}");
    }
    assert_snapshot!(team.transcript());
}

#[test]
fn waiting_ends_when_it_has_lapsed() {
    let mut files = policy(1);
    for (_, text) in &mut files {
        *text = text.replace("pending_for = \"24h\"", "pending_for = \"7s\"");
    }
    let team = Team::with(&files);
    let ran = team.jit("alice", "request ssh/prod/web-1 --wait=1h --json").run();
    assert_eq!((ran.status, ran.json()["reasons"][0]["code"].as_str()), (1, Some("lapsed")));
}
