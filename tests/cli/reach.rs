//! `jit policy who-can`, `what-can` and `diff`: who can have what, and what a change of policy does to that.

use insta::assert_snapshot;

use crate::support::Team;
use crate::support::policy::{Files, edited, policy_and};
use crate::support::shape::{Shape, assert_shape, list, object, or_null};

/// Rules of every kind beside the usual ones.
const MORE: &str = r#"
[rule.hr]
subjects = ["person:*"]
resources = ["db/hr/**"]
actions = ["read", "write"]
duration = { max = "1h" }
hours = [{ days = ["mon-fri"], from = "08:00", to = "18:00", tz = "Europe/Berlin" }]
approvals = [{ from = ["person:*"], count = 2 }]
limits = { active = 1 }

[rule.no-write-at-night]
effect = "deny"
subjects = ["group:security"]
resources = ["db/hr/pay/*"]
actions = ["write"]
hours = [{ from = "16:00", to = "06:00", tz = "Europe/Berlin" }]

[rule.no-bob]
effect = "deny"
subjects = ["bob"]
resources = ["db/hr/pay/**"]

[rule.touched]
subjects = ["alice"]
resources = ["vault/root"]
actions = ["open"]
duration = { max = "10m" }
require_hardware_key = true

[rule.too-many]
subjects = ["erin"]
resources = ["vault/root"]
actions = ["open"]
duration = { max = "10m" }
approvals = [{ from = ["group:dba"], count = 2 }, { from = ["bob"] }]
"#;

fn team() -> Team {
    let team = Team::new();
    team.write("repo/policies/more.toml", MORE);
    team
}

fn tiers() -> Shape {
    let approval = object(&[
        ("from", list(Shape::Text)),
        ("count", Shape::Number),
        ("hardware_key", Shape::Bool),
        ("approvers", list(Shape::Text)),
    ]);
    list(object(&[
        ("over_s", or_null(Shape::Number)),
        ("up_to_s", Shape::Number),
        ("in_reach", Shape::Bool),
        ("approvals", list(approval)),
    ]))
}

#[test]
fn who_can() {
    let team = team();
    team.note("tiers, and who can approve for whom");
    team.jit("alice", "policy who-can db/prod/orders read").show();
    team.jit("alice", "policy who-can deploy/api/prod deploy").show();
    team.note("nobody, for want of a rule, of keys or of people");
    team.jit("alice", "policy who-can db/prod/orders write").show();
    team.jit("alice", "policy who-can vault/root open --folder .").show();
    team.note("hours, and deny rules with hours; at no moment, at one, at another");
    team.jit("alice", "policy who-can db/hr/pay/march write --folder .").show();
    team.jit("alice", "policy who-can db/hr/pay/march write --folder . --at 2026-01-05T10:00:00+01:00").show();
    team.jit("alice", "policy who-can db/hr/pay/march write --folder . --at 2026-01-05T16:00:00+01:00").show();
    assert_eq!(team.jit("alice", "policy who-can db//x").run().status, 2);
    assert_eq!(team.jit("alice", "policy who-can db/x --at noon").show().status, 2);
    assert_snapshot!(team.transcript());
    let way = object(&[
        ("subject", Shape::Text),
        ("rule", Shape::Text),
        ("holds", or_null(Shape::Bool)),
        ("tiers", tiers()),
        ("conditions", list(Shape::Text)),
    ]);
    let bar = object(&[("subject", Shape::Text), ("rule", Shape::Text), ("because", Shape::Text)]);
    let shape = object(&[
        ("resource", Shape::Text),
        ("action", Shape::Text),
        ("at", or_null(Shape::Time)),
        ("can", list(way)),
        ("cannot", list(bar)),
    ]);
    let ran =
        team.jit("alice", "policy who-can db/hr/pay/march write --folder . --at 2026-01-05T10:00:00Z --json").run();
    assert_shape(&ran.json(), &shape);
    assert_eq!(ran.json()["cannot"][0]["subject"], "bob");
    assert_eq!(ran.json()["can"][0]["tiers"][0]["approvals"][0]["approvers"][0], "bob");
    assert_shape(&team.jit("alice", "policy who-can db/prod/orders read --json").run().json(), &shape);
}

#[test]
fn what_can() {
    let team = team();
    team.jit("alice", "policy what-can alice").show();
    team.jit("alice", "policy what-can bob --folder .").show();
    team.jit("alice", "policy what-can carol --folder . --at 2026-01-05T17:00:00+01:00").show();
    team.jit("alice", "policy what-can alice --folder .").show();
    team.note("a part is denied, and all of it");
    team.jit("alice", "policy what-can erin").show();
    team.write(
        "repo/policies/never.toml",
        "[rule.never]\neffect = \"deny\"\nsubjects = [\"erin\"]\nresources = [\"db/staging/*/**\", \"db/staging\"]\n",
    );
    team.jit("alice", "policy what-can erin --folder .").show();
    team.note("nobody of that name");
    assert_eq!(team.jit("alice", "policy what-can alise").show().status, 2);
    assert_snapshot!(team.transcript());
    let except = object(&[("rule", Shape::Text), ("resources", list(Shape::Text)), ("actions", list(Shape::Text))]);
    let reach = object(&[
        ("rule", Shape::Text),
        ("resources", Shape::Text),
        ("actions", list(Shape::Text)),
        ("except", list(except)),
        ("example", or_null(object(&[("resource", Shape::Text), ("action", Shape::Text)]))),
        ("holds", or_null(Shape::Bool)),
        ("tiers", tiers()),
        ("conditions", list(Shape::Text)),
    ]);
    let bar = object(&[("rule", Shape::Text), ("resources", Shape::Text), ("because", Shape::Text)]);
    let shape =
        object(&[("subject", Shape::Text), ("at", or_null(Shape::Time)), ("can", list(reach)), ("cannot", list(bar))]);
    for who in ["alice", "erin --folder ."] {
        assert_shape(&team.jit("alice", &format!("policy what-can {who} --json")).run().json(), &shape);
    }
}

/// The usual policy with more rules, some of them changed.
fn changed(from: &str, to: &str) -> Files {
    let files = policy_and(&[("policies/more.toml", MORE)]);
    let path = ["policies/all.toml", "policies/more.toml", "identities/all.toml", "jit.toml"]
        .into_iter()
        .find(|path| files.iter().any(|(known, text)| known == path && text.contains(from)))
        .expect("it stands somewhere");
    edited(files, path, from, to)
}

#[test]
fn diff() {
    let team = team();
    let files = policy_and(&[("policies/more.toml", MORE)]);
    team.commit(&files);
    team.note("new rules, seen from the policy in force");
    assert_eq!(team.jit("alice", "policy diff").show().status, 0);
    assert_eq!(team.jit("alice", "policy publish --yes").run().status, 0);
    team.note("nothing");
    assert_eq!(team.jit("alice", "policy diff --exit-code --fail-on-gain").show().status, 0);
    for (why, from, to, fails) in [
        (
            "somebody joins the approvers",
            "members = [\"bob\", \"carol\"]",
            "members = [\"bob\", \"carol\", \"erin\"]",
            true,
        ),
        (
            "two have to approve instead of one",
            "{ from = [\"group:dba\"], count = 1,",
            "{ from = [\"group:dba\"], count = 2,",
            false,
        ),
        ("longer", "max = \"4h\"", "max = \"5h\"", true),
        ("a rule is only renamed", "[rule.staging]", "[rule.staging-all]", false),
        (
            "a deny rule goes",
            "effect = \"deny\"\nsubjects = [\"bob\"]",
            "effect = \"deny\"\nsubjects = [\"dave\"]",
            true,
        ),
        ("one action less, of all", "actions = [\"*\"]", "actions = [\"read\", \"write\"]", false),
        (
            "at any hour",
            "hours = [{ days = [\"mon-fri\"], from = \"08:00\", to = \"18:00\", tz = \"Europe/Berlin\" }]\napprovals",
            "approvals",
            true,
        ),
        ("another reason", "^INC-[0-9]+", "^(INC|`OPS`)-[0-9]+", true),
        ("settings", "pending_for = \"24h\"", "pending_for = \"48h\"", false),
    ] {
        team.note(why);
        team.commit(&changed(from, to));
        team.jit("alice", "policy diff in-force..HEAD").show();
        assert_eq!(
            team.jit("alice", "policy diff in-force..HEAD --exit-code").run().status,
            u8::from(why != "a rule is only renamed"),
            "{why}"
        );
        assert_eq!(team.jit("alice", "policy diff --fail-on-gain").run().status, u8::from(fails), "{why}");
    }
    team.note("for a pull request");
    team.jit("alice", "policy diff HEAD~8.. --format markdown").show();
    team.jit("alice", "policy diff HEAD~1..HEAD~1 --format markdown").show();
    team.note("what can't be compared");
    assert_eq!(team.jit("alice", "policy diff HEAD").show().status, 2);
    assert_eq!(team.jit("alice", "policy diff nowhere..HEAD").show().status, 5);
    team.commit(&changed("duration = { max = \"15m\" }", "duration = { max = \"15x\" }"));
    assert_eq!(team.jit("alice", "policy diff").show().status, 1);
    assert_snapshot!(team.transcript());
    let example = object(&[("resource", Shape::Text), ("action", Shape::Text), ("approved_by", list(Shape::Text))]);
    let hole = object(&[("rule", Shape::Text), ("resources", list(Shape::Text)), ("actions", list(Shape::Text))]);
    let change = object(&[
        ("subject", Shape::Text),
        ("rule", Shape::Text),
        ("resources", Shape::Text),
        ("actions", list(Shape::Text)),
        ("except_actions", list(Shape::Text)),
        ("over_s", or_null(Shape::Number)),
        ("up_to_s", Shape::Number),
        ("approvals", list(Shape::Text)),
        ("by_security_key", Shape::Bool),
        ("conditions", list(Shape::Text)),
        ("except", list(hole.clone())),
        ("denied_by", list(hole)),
        ("instead", list(Shape::Text)),
        ("example", or_null(example)),
    ]);
    let shape = object(&[
        ("from", Shape::Text),
        ("to", Shape::Text),
        ("gives", Shape::Bool),
        ("gains", list(change.clone())),
        ("losses", list(change.clone())),
        ("eased", list(change.clone())),
        ("tightened", list(change)),
        ("notes", list(Shape::Text)),
    ]);
    for range in ["HEAD~8..HEAD~7", "HEAD~7..HEAD~6", "HEAD~5..HEAD~3", "HEAD~4..HEAD~2"] {
        assert_shape(&team.jit("alice", &format!("policy diff {range} --json")).run().json(), &shape);
    }
}

const ON_CALL: &str = r#"
[rotation.primary]
members = ["alice", "bob"]
start = "2026-01-05"
handoff = "09:00"
tz = "Europe/Berlin"
period = "7d"
"#;

const BY_TURNS: &str = r#"
[rule.pager]
subjects = ["rotation:primary"]
resources = ["pager/*"]
actions = ["access"]
duration = { max = "1h" }
approvals = [{ from = ["rotation:primary", "carol"] }]
"#;

#[test]
fn whoever_is_on_call() {
    let team = Team::new();
    let files = policy_and(&[("identities/turns.toml", ON_CALL), ("policies/turns.toml", BY_TURNS)]);
    team.commit(&files);
    team.note("at any time, and in alice's turn");
    team.jit("alice", "policy who-can pager/x --folder .").show();
    team.jit("alice", "policy who-can pager/x --folder . --at 2026-01-06T12:00:00Z").show();
    let files =
        edited(files, "policies/turns.toml", "subjects = [\"rotation:primary\"]", "subjects = [\"alice\", \"bob\"]");
    team.commit(&files);
    team.note("at any time, no longer in their turns alone");
    assert_eq!(team.jit("alice", "policy diff HEAD~1..HEAD --fail-on-gain").show().status, 1);
    assert_eq!(team.jit("alice", "policy diff HEAD..HEAD~1 --fail-on-gain").run().status, 0);
    let files = edited(files, "identities/turns.toml", "period = \"7d\"", "period = \"14d\"");
    team.commit(&files);
    team.note("others approve at the same time");
    assert_eq!(team.jit("alice", "policy diff HEAD~1..HEAD --fail-on-gain").show().status, 1);
    assert_snapshot!(team.transcript());
}

const TURNS_BESIDE: &str = r#"
[rotation.second]
members = ["carol", "alice"]
start = "2026-01-05"
handoff = "09:00"
tz = "UTC"
period = "7d"
"#;

#[test]
fn fewer_turns_are_less_and_more_are_more() {
    let team = Team::new();
    let files_with = |(subjects, approvers, pagers): (&str, &str, &str)| {
        let group = format!("[group.pagers]\nmembers = [{pagers}]\n");
        let identities = format!("{ON_CALL}{TURNS_BESIDE}{group}");
        let rule = BY_TURNS
            .replace("subjects = [\"rotation:primary\"]", &format!("subjects = [{subjects}]"))
            .replace("from = [\"rotation:primary\", \"carol\"]", &format!("from = [{approvers}]"));
        policy_and(&[("identities/turns.toml", &identities), ("policies/turns.toml", &rule)])
    };
    let (one, both) = ("\"rotation:primary\"", "\"rotation:primary\", \"rotation:second\"");
    let (dave, bob) = ("\"dave\"", "\"bob\"");
    let (bob_too, pagers_too) = ("\"bob\", \"rotation:primary\"", "\"group:pagers\", \"rotation:primary\"");
    for (why, wide, narrow) in [
        ("alice asks in either of her turns, or in one", (both, dave, bob), (one, dave, bob)),
        ("bob approves at any time, or in his turns", (dave, bob_too, bob), (dave, one, bob)),
        ("the same, by the same words", (dave, pagers_too, "\"alice\", \"bob\""), (dave, pagers_too, "\"alice\"")),
    ] {
        team.commit(&files_with(wide));
        team.commit(&files_with(narrow));
        let diff = |range: &str, option: &str| team.jit("alice", &format!("policy diff {range} {option}")).run().status;
        assert_eq!(diff("HEAD~1..HEAD", "--exit-code"), 1, "{why}: it is told");
        assert_eq!(diff("HEAD~1..HEAD", "--fail-on-gain"), 0, "{why}: nobody gains");
        assert_eq!(diff("HEAD..HEAD~1", "--fail-on-gain"), 1, "{why}: the other way round somebody does");
    }
}

#[test]
fn deny_rules_past_what_one_reads_are_counted() {
    let team = Team::new();
    let sealed = |number: usize| {
        format!(
            "[rule.sealed{number}]\neffect = \"deny\"\nsubjects = [\"erin\"]\nresources = [\"db/staging/**/sealed{number}\"]\n"
        )
    };
    team.commit(&policy_and(&[("policies/sealed.toml", &(0..8).map(sealed).collect::<String>())]));
    // One more keeps erin away from what is personal, in both.
    for (command, most, rest) in [
        ("policy what-can erin --folder .", "(rule sealed4); not what 3 more rules deny", "sealed5"),
        ("policy diff HEAD~1..HEAD", "(rule sealed5); not what 2 more rules deny", "sealed6"),
    ] {
        let ran = team.jit("alice", command).run();
        assert!(ran.out.contains(most) && !ran.out.contains(rest), "{}", ran.out);
    }
    let all = |value: &serde_json::Value| value.as_array().map(Vec::len);
    let what_can = team.jit("alice", "policy what-can erin --folder . --json").run().json();
    let can = what_can["can"].as_array().unwrap();
    assert!(can.iter().any(|one| all(&one["except"]) == Some(9)), "{what_can}");
    let diff = team.jit("alice", "policy diff HEAD~1..HEAD --json").run().json();
    assert_eq!(all(&diff["losses"][0]["denied_by"]), Some(8), "{diff}");
}
