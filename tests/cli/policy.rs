//! `jit policy lint`, `publish` and `status`.

use std::fs;

use insta::assert_snapshot;

use super::approve::said;
use crate::support::Team;
use crate::support::policy::{edited, policy, policy_and};
use crate::support::shape::{Shape, assert_shape, error, list, object, or_null, with};

#[test]
fn lint() {
    let team = Team::new();
    team.jit("alice", "policy lint").show();
    team.note("every error of every file at once");
    team.write("repo/policies/more.toml", "[rule.x]\nsubjects = [\"group:onca11\"]\nresources = [\"db/***\"]\nactions = [\"read\"]\nduration = { max = \"1h\" }\ncolour = \"red\"\n");
    team.write("repo/identities/more.toml", "[identity.alice]\nkind = \"robot\"\n");
    assert_eq!(team.jit("alice", "policy lint").show().status, 1);
    team.note("what is no policy file, too");
    team.write("repo/policies/README.md", "read me\n");
    team.write("repo/policies/Prod.toml", "");
    team.write("repo/tests/Deep/x.toml", "");
    std::os::unix::fs::symlink("more.toml", team.repo().join("identities/link.toml")).unwrap();
    assert_eq!(team.jit("alice", "policy lint").show().status, 1);
    team.note("a folder by name");
    team.write("other/jit.toml", "format = 1\n");
    assert_eq!(team.jit("alice", "policy lint ../other").show().status, 1);
    assert_eq!(team.jit("alice", "policy lint ../home").show().status, 1);
    assert_eq!(team.jit("alice", "policy lint ../nowhere").show().status, 5);
    assert_snapshot!(team.transcript());
}

/// What code-review pages need of SARIF 2.1.0; the format's own schema has the same names and types for all of it.
#[test]
fn lint_for_code_review() {
    let team = Team::new();
    team.write(
        "repo/policies/more.toml",
        "[rule.x]\nsubjects = [\"alice\"]\nresources = [\"ssh/a\"]\nactions = [\"read\"]\nduration = { max = \"1h\" }\n\
         approvals = [{ from = [\"alice\"] }]\n",
    );
    let at = object(&[
        ("startLine", Shape::Number),
        ("startColumn", Shape::Number),
        ("endLine", Shape::Number),
        ("endColumn", Shape::Number),
    ]);
    let place = object(&[("artifactLocation", object(&[("uri", Shape::Text)])), ("region", at)]);
    let message = object(&[("text", Shape::Text)]);
    let result = object(&[
        ("ruleId", Shape::Text),
        ("ruleIndex", Shape::Number),
        ("level", Shape::Word(&["error", "warning"])),
        ("message", message.clone()),
        ("locations", list(object(&[("physicalLocation", place)]))),
    ]);
    let rule = object(&[("id", Shape::Text), ("shortDescription", message)]);
    let driver = object(&[("name", Shape::Text), ("semanticVersion", Shape::Text), ("rules", list(rule))]);
    let run = object(&[
        ("tool", object(&[("driver", driver)])),
        ("columnKind", Shape::Word(&["unicodeCodePoints"])),
        ("results", list(result)),
    ]);
    let log = object(&[("$schema", Shape::Text), ("version", Shape::Word(&["2.1.0"])), ("runs", list(run))]);
    let ran = team.jit("alice", "policy lint --sarif").run();
    assert_eq!(ran.status, 0);
    assert_shape(&ran.json(), &log);
    let answer = ran.json();
    let found =
        answer["runs"][0]["results"].as_array().unwrap().iter().find(|found| found["ruleId"] == "too-few-approvers");
    let found = found.expect("alice can't approve for herself");
    assert_eq!(found["level"], "warning");
    let place = &found["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "policies/more.toml");
    assert_eq!((&place["region"]["startLine"], &place["region"]["startColumn"]), (&1.into(), &7.into()));
    team.write("repo/policies/more.toml", "[rule.x]\n");
    let ran = team.jit("alice", "policy lint --sarif").run();
    assert_eq!((ran.status, &ran.json()["runs"][0]["results"][0]["level"]), (1, &"error".into()));
    assert_eq!(team.jit("alice", "policy lint --sarif --json").run().status, 2);
}

#[test]
fn publish_shows_what_changes() {
    let team = Team::new();
    team.note("nothing new");
    team.jit("alice", "policy publish").show();
    let mut files = edited(policy(1), "policies/all.toml", "max = \"4h\"", "max = \"8h\"");
    files.push(("tests/some.toml".to_owned(), "# \u{202e} hidden\n".to_owned()));
    let files = edited(files, "identities/all.toml", "members = [\"bob\", \"carol\"]", "members = [\"bob\", \"erin\"]");
    team.commit(&files);
    team.jit("alice", "policy status").show();
    team.note("no; no terminal; quiet");
    assert_eq!(team.jit("alice", "policy publish").answer("n").show().status, 1);
    assert_eq!(team.jit("alice", "policy publish -q").show().status, 2);
    team.note("yes");
    team.jit("alice", "policy publish").answer("y").show();
    team.jit("alice", "policy status").show();
    assert_snapshot!(team.transcript());
}

#[test]
fn more_than_can_be_looked_at_is_cut_off_and_says_how_to_see_the_rest() {
    let team = Team::new();
    team.commit(&policy_and(&[("tests/long.toml", &"# x\n".repeat(500))]));
    let ran = team.jit("alice", "policy publish --yes").run();
    assert_eq!(ran.status, 0);
    let commit = team.git(&["rev-parse", "HEAD"]);
    let command = format!("git diff refs/heads/jit/audit:policy/0000000001 {}", commit.trim());
    assert!(ran.err.contains(&format!("… and 101 lines more: `{command}` shows all")), "{}", ran.err);
    let args: Vec<&str> = command.split(' ').skip(1).collect();
    assert_eq!(team.git(&args).matches("+# x").count(), 500);
}

#[test]
fn what_is_proposed_already_is_named() {
    let team = Team::new();
    team.commit(&policy(2));
    assert_eq!(team.jit("alice", "policy publish --yes").run().status, 3);
    let ran = team.jit("bob", "policy publish").run();
    let proposed = &team.jit("bob", "policy status --json").run().json()["proposed"][0]["id"];
    let note =
        format!("just these files are proposed already; `jit approve {}` signs for that", proposed.as_str().unwrap());
    assert!(ran.err.contains(&note), "{}", ran.err);
}

#[test]
fn two_are_needed_where_two_are() {
    let team = Team::new();
    team.note("alice alone makes it two; from then on carol decides too");
    team.commit(&edited(policy(2), "jit.toml", "[\"alice\", \"bob\"]", "[\"alice\", \"carol\"]"));
    let ran = team.jit("alice", "policy publish").answer("y").show();
    assert_eq!(ran.status, 3);
    team.jit("alice", "policy status").show();
    let id = ran.out.split('`').nth(1).unwrap().split(' ').nth(2).unwrap().to_owned();
    team.note("who has no say, and who has");
    assert_eq!(team.jit("erin", &format!("approve {id} --yes")).show().status, 1);
    assert_eq!(team.jit("alice", &format!("approve {id} --yes")).show().status, 1);
    assert_eq!(team.jit("bob", &format!("deny {id} --yes")).show().status, 1);
    assert_eq!(team.jit("bob", &format!("approve {id} --for 1h --yes")).show().status, 1);
    team.jit("bob", &format!("approve {} ", &id[..8])).answer("y").show();
    team.jit("carol", &format!("approve {} ", &id[..8])).answer("y").show();
    team.jit("alice", "policy status").show();
    assert_eq!(team.jit("carol", &format!("approve {id} --yes")).show().status, 1);
    assert_snapshot!(team.transcript());
}

#[test]
fn refusals() {
    let team = Team::new();
    team.note("what is not committed");
    team.write("repo/policies/new.toml", "\n");
    assert_eq!(team.jit("alice", "policy publish --yes").show().status, 1);
    fs::remove_file(team.repo().join("policies/new.toml")).unwrap();
    team.note("what does not load");
    team.commit(&edited(policy(1), "policies/all.toml", "db/prod/orders\"", "db//orders\""));
    assert_eq!(team.jit("alice", "policy publish --yes").show().status, 1);
    team.jit("alice", "policy status").show();
    team.note("no commit");
    assert_eq!(team.jit("alice", "policy publish nowhere --yes").show().status, 5);
    team.note("no maintainer");
    team.commit(&edited(policy(1), "policies/all.toml", "max = \"4h\"", "max = \"8h\""));
    assert_eq!(team.jit("carol", "policy publish --yes").show().status, 1);
    team.note("what is no policy file");
    team.write("repo/policies/README.md", "read me\n");
    team.git(&["add", "-A"]);
    team.git(&["commit", "-q", "-m", "x"]);
    assert_eq!(team.jit("alice", "policy publish --yes").show().status, 1);
    assert_snapshot!(team.transcript());
}

#[test]
fn json() {
    let team = Team::new();
    let finding = object(&[
        ("path", Shape::Text),
        ("line", or_null(Shape::Number)),
        ("column", or_null(Shape::Number)),
        ("severity", Shape::Word(&["error", "warning"])),
        ("check", Shape::Text),
        ("message", Shape::Text),
        ("help", or_null(Shape::Text)),
    ]);
    let lint = object(&[("ok", Shape::Bool), ("findings", list(finding))]);
    let ran = team.jit("alice", "policy lint --json").run();
    assert_eq!((ran.status, &ran.json()["ok"]), (0, &true.into()));
    assert_shape(&ran.json(), &lint);
    team.write("repo/policies/more.toml", "[rule.x]\n");
    let ran = team.jit("alice", "policy lint --json").run();
    assert_eq!((ran.status, &ran.json()["ok"]), (1, &false.into()));
    assert_shape(&ran.json(), &lint);

    let published = object(&[
        ("id", or_null(Shape::Id)),
        ("version", Shape::Number),
        ("digest", Shape::Id),
        ("in_force", Shape::Bool),
    ]);
    let ran = team.jit("alice", "policy publish --yes --json").run();
    assert_eq!(ran.status, 1);
    assert_shape(&ran.json(), &error());
    fs::remove_file(team.repo().join("policies/more.toml")).unwrap();
    let ran = team.jit("alice", "policy publish --yes --json").run();
    assert_eq!((ran.status, &ran.json()["id"]), (0, &serde_json::Value::Null));
    assert_shape(&ran.json(), &published);
    team.commit(&policy(2));
    let ran = team.jit("alice", "policy publish --yes --json").run();
    assert_eq!((ran.status, &ran.json()["in_force"]), (3, &false.into()));
    assert_shape(&ran.json(), &published);

    let policy = object(&[
        ("id", Shape::Id),
        ("version", Shape::Number),
        ("format", Shape::Number),
        ("digest", Shape::Id),
        ("commit", Shape::Commit),
        ("at", Shape::Time),
        ("signed_by", list(Shape::Text)),
        ("loads", Shape::Bool),
        ("fault", or_null(Shape::Text)),
    ]);
    let proposed = with(
        policy.clone(),
        &[
            ("signatures", Shape::Number),
            ("threshold", Shape::Number),
            ("own_signatures", or_null(Shape::Number)),
            ("own_threshold", or_null(Shape::Number)),
        ],
    );
    let head = object(&[
        ("commit", Shape::Commit),
        ("digest", or_null(Shape::Id)),
        ("in_force", Shape::Bool),
        ("fault", or_null(Shape::Text)),
    ]);
    let status = object(&[("in_force", or_null(policy)), ("proposed", list(proposed)), ("head", or_null(head))]);
    let ran = team.jit("alice", "policy status --json").run();
    assert_eq!(ran.status, 0);
    let answer = ran.json();
    assert_shape(&answer, &status);
    let proposal = &answer["proposed"][0];
    assert_eq!((&proposal["own_signatures"], &proposal["own_threshold"]), (&1.into(), &2.into()));
    let ran = team.jit("bob", &format!("approve {} --yes --json", proposal["id"].as_str().unwrap())).run();
    assert_eq!(ran.status, 0);
    assert_shape(&ran.json(), &said());
    assert_eq!(ran.json()["said"][0]["kind"], "policy");
}

#[test]
fn a_branch_that_is_ahead_can_be_told_by_its_status() {
    let team = Team::new();
    let status = |expected: u8| {
        assert_eq!(team.jit("alice", "policy status").run().status, 0);
        assert_eq!(team.jit("alice", "policy status --exit-code").run().status, expected);
        let ran = team.jit("alice", "policy status --exit-code --json").run();
        assert_eq!((ran.status, ran.json()["head"]["in_force"].as_bool()), (expected, Some(expected == 0)));
    };
    status(0);
    team.commit(&policy_and(&[("policies/more.toml", "# more to come\n")]));
    status(1);
    assert_eq!(team.jit("alice", "policy publish --yes").run().status, 0);
    status(0);
    team.git(&["rm", "-q", "jit.toml"]);
    team.git(&["commit", "-q", "-m", "No policy"]);
    status(1);
}

const TESTS: &str = r#"
[test.short-is-free]
subject = "alice"
resource = "db/prod/orders"
action = "read"
reason = "INC-1234 orders are stuck"
expect = "allow"
rule = "orders-read"
reasons = ["granted"]

[test.longer]
subject = "alice"
resource = "db/prod/orders"
action = "read"
reason = "INC-1234 orders are stuck"
duration = "2h"
cases = [
    { expect = "pending", missing = ["group:dba"] },
    { expect = "allow", approved_by = ["carol"] },
    { duration = "5h", expect = "deny", reasons = ["too-long"] },
]

[assert.nobody-else-approves]
resources = ["db/prod/orders"]
approvers = ["group:dba", "group:security"]
"#;

#[test]
fn tests_of_a_policy() {
    let team = Team::new();
    team.note("none");
    team.jit("alice", "policy test").show();
    team.note("all as expected");
    team.write("repo/tests/orders.toml", TESTS);
    assert_eq!(team.jit("alice", "policy test").show().status, 0);
    team.note("not as expected");
    let wrong = TESTS.replace("expect = \"deny\", reasons = [\"too-long\"]", "expect = \"pending\"");
    let wrong = wrong.replace("rule = \"orders-read\"", "rule = \"staging\"").replace(", \"group:security\"", "");
    let wrong = format!("{wrong}\n[assert.alone]\nresources = [\"db/**\"]\nneeds_approval = true\n");
    team.write("repo/tests/orders.toml", &wrong);
    assert_eq!(team.jit("alice", "policy test").show().status, 1);
    let ran = team.jit("alice", "policy test --json").run();
    let tested = object(&[
        ("name", Shape::Text),
        ("kind", Shape::Word(&["test", "assert"])),
        ("ok", Shape::Bool),
        ("faults", list(Shape::Text)),
        ("path", or_null(Shape::Text)),
        ("line", or_null(Shape::Number)),
    ]);
    assert_eq!(ran.status, 1);
    assert_shape(&ran.json(), &object(&[("ok", Shape::Bool), ("tests", list(tested))]));
    team.note("such a policy is not published");
    team.git(&["add", "-A"]);
    team.git(&["commit", "-q", "-m", "x"]);
    assert_eq!(team.jit("alice", "policy publish --yes").show().status, 1);
    team.note("what does not load");
    team.write("repo/tests/orders.toml", &TESTS.replace("\"carol\"", "\"carl\"").replace("missing", "mising"));
    assert_eq!(team.jit("alice", "policy test").show().status, 1);
    assert_eq!(team.jit("alice", "policy lint").show().status, 1);
    assert_snapshot!(team.transcript());
}

#[test]
fn coverage_of_a_policy_by_its_tests() {
    let team = Team::new();
    team.write("repo/tests/orders.toml", TESTS);
    team.jit("alice", "policy test --coverage").show();
    team.note("less than is wanted; enough");
    assert_eq!(team.jit("alice", "policy test --fail-under 100").show().status, 1);
    assert_eq!(team.jit("alice", "policy test --fail-under 5 --junit ../report.xml").run().status, 0);
    assert_eq!(team.jit("alice", "policy test --fail-under 101").run().status, 2);
    assert_eq!(team.jit("alice", "policy test --junit nowhere/report.xml").run().status, 5);
    team.note("the report for CI hosts");
    team.write("repo/tests/orders.toml", &TESTS.replace("expect = \"pending\"", "expect = \"deny\""));
    assert_eq!(team.jit("alice", "policy test --junit ../report.xml").run().status, 1);
    let report = fs::read_to_string(team.repo().join("../report.xml")).unwrap();
    let rule = object(&[
        ("rule", Shape::Text),
        ("covered", Shape::Number),
        ("of", Shape::Number),
        ("missing", list(Shape::Text)),
    ]);
    let ran = team.jit("alice", "policy test --coverage --json").run();
    assert_shape(&ran.json()["coverage"], &object(&[("percent", Shape::Number), ("rules", list(rule))]));
    assert_snapshot!(format!("{}{report}", team.transcript()));
}

#[test]
fn explanations() {
    let team = Team::new();
    team.jit("alice", "policy explain db/prod/orders read --for 2h --reason 'INC-1234 orders are stuck'").show();
    team.jit("alice", "policy explain db/prod/orders read --subject deployer --approved-by carol").show();
    team.jit("alice", "policy explain cloud/nothing").show();
    assert_eq!(team.jit("alice", "policy explain db/prod/orders --subject nobody").show().status, 2);
    assert_eq!(team.jit("alice", "policy explain db/prod/orders --folder .").show().status, 2);
    team.jit("alice", "policy explain db/prod/orders read --folder . --subject bob").show();
    let condition = object(&[("condition", Shape::Text), ("met", Shape::Bool), ("wants", Shape::Text)]);
    let rule = object(&[
        ("rule", Shape::Text),
        ("effect", Shape::Word(&["allow", "deny"])),
        ("met", Shape::Bool),
        ("conditions", list(condition)),
    ]);
    let explanation = object(&[
        ("subject", Shape::Text),
        ("resource", Shape::Text),
        ("action", Shape::Text),
        ("duration_s", Shape::Number),
        ("at", Shape::Time),
        ("rules", list(rule)),
    ]);
    assert_shape(&team.jit("alice", "policy explain db/prod/orders read --json").run().json(), &explanation);
    assert_snapshot!(team.transcript());
}
