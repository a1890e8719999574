//! Who may say what about whose access, on the real program: each claim is attacked by the command line and by lines
//! that the command line would refuse to sign.

use serde_json::Value;

use crate::forge::approval_fields;
use crate::lab::{Lab, Said};

/// Appends an approval by hand, with whatever key; returns the verdict on it.
fn approve_by_hand(lab: &Lab, key: &str, name: &str, of: &str, verdict: &str, duration: &str) -> String {
    lab.say(key, &lab.head(name), "approval", &approval_fields(of, verdict, duration, ""));
    last_verdict(lab)
}

fn last_verdict(lab: &Lab) -> String {
    lab.log().last().unwrap()["verdict"].as_str().unwrap().to_owned()
}

fn times(said: &Said) -> (Value, Value) {
    let grant = said.json()["grant"].clone();
    (grant["starts"].clone(), grant["expires"].clone())
}

#[test]
fn nobody_approves_their_own_request() {
    let lab = Lab::new();
    let own = lab.request("carol", &["ssh/prod/web-1"], 3);
    for key in ["carol", "carol2"] {
        lab.jit(key, &["approve", &own, "--yes"]).exits(1).says("of their own");
        assert_eq!(approve_by_hand(&lab, key, "carol", &own, "approve", "null"), "without-effect");
        assert_eq!(approve_by_hand(&lab, key, "carol", &own, "deny", "null"), "without-effect");
    }
    lab.check("carol", "ssh/prod/web-1", "access").exits(3).because("needs-approval");
    // Nor does an owner for their service, nor a service for anybody.
    let service = lab.request("robot", &["ssh/prod/web-2"], 3);
    lab.jit("bob", &["approve", &service, "--yes"]).exits(1).says("names `bob` as an approver");
    assert_eq!(approve_by_hand(&lab, "bob", "bob", &service, "approve", "null"), "without-effect");
    assert_eq!(approve_by_hand(&lab, "robot", "robot", &own, "approve", "null"), "without-effect");
    lab.check("robot", "ssh/prod/web-2", "access").exits(3);
    for stranger in ["alice", "dave", "rita"] {
        assert_eq!(approve_by_hand(&lab, stranger, stranger, &own, "approve", "null"), "without-effect");
        assert_eq!(approve_by_hand(&lab, stranger, stranger, &own, "deny", "null"), "without-effect");
    }
    lab.check("carol", "ssh/prod/web-1", "access").exits(3);
    lab.jit("bob", &["approve", &own, "--yes"]).exits(0);
    lab.jit("carol2", &["approve", &service, "--yes"]).exits(0);
    lab.check("carol", "ssh/prod/web-1", "access").exits(0);
    lab.check("robot", "ssh/prod/web-2", "access").exits(0);
}

#[test]
fn one_person_fills_one_place() {
    let lab = Lab::new();
    let request = lab.request("dave", &["vault/root", "open"], 3);
    lab.jit("carol", &["approve", &request, "--yes"]).exits(0).says("still waits for");
    lab.jit("carol2", &["approve", &request, "--yes"]).exits(0);
    approve_by_hand(&lab, "carol2", "carol", &request, "approve", "null");
    lab.check("dave", "vault/root", "open").exits(3);
    lab.jit("bob", &["approve", &request, "--yes"]).exits(0).says("Approved. dave may ");
    let said = lab.check("dave", "vault/root", "open").exits(0).json();
    assert_eq!(said["grant"]["approved_by"], serde_json::json!(["carol", "bob"]));
}

#[test]
fn a_grant_keeps_its_start_and_end() {
    let lab = Lab::new();
    let request = lab.request("dave", &["db/prod/orders", "read", "--for", "90m"], 3);
    lab.jit("bob", &["approve", &request, "--yes", "--for", "80m"]).exits(0);
    let granted = lab.check("dave", "db/prod/orders", "read").exits(0);
    let window = times(&granted);
    // More approvals, shorter and later ones, and a denial: all too late.
    for (key, verdict, duration) in [("carol", "approve", "60"), ("carol", "deny", "null"), ("bob", "approve", "61")] {
        assert_eq!(approve_by_hand(&lab, key, key, &request, verdict, duration), "without-effect");
    }
    lab.jit("carol", &["approve", &request, "--yes"]).exits(1).says("granted already");
    assert_eq!(times(&lab.check("dave", "db/prod/orders", "read").exits(0)), window);
    // The approver leaves; another stays.
    lab.publish(&lab.changed("members = [\"bob\", \"carol\"]", "members = [\"carol\"]")).exits(0);
    let said = lab.check("dave", "db/prod/orders", "read").exits(0);
    assert_eq!(times(&said), window);
    assert_eq!(said.json()["grant"]["approved_by"], serde_json::json!(["bob"]));
    assert_eq!(said.json()["grant"]["id"], request);
}

#[test]
fn what_has_lapsed_can_not_be_approved() {
    let lab = Lab::new();
    let mut head = lab.head("dave");
    head.at = lab.time(-90_000);
    let fields = crate::forge::request_fields(&lab.policy_id(), "ssh/prod/web-1", "access", 600, "");
    let request = lab.say("dave", &head, "request", &fields);
    lab.check("dave", "ssh/prod/web-1", "access").exits(1).because("lapsed");
    lab.jit("bob", &["approve", &request, "--yes"]).exits(1).says("lapsed");
    assert_eq!(approve_by_hand(&lab, "bob", "bob", &request, "approve", "null"), "without-effect");
    // An approver who dates their word back to before the request, and one who dates it far ahead.
    for offset in [-90_060, 90_000_000] {
        let mut head = lab.head("bob");
        head.at = lab.time(offset);
        lab.say("bob", &head, "approval", &approval_fields(&request, "approve", "null", ""));
        assert_eq!(last_verdict(&lab), "without-effect");
    }
    // Dated back to when it still counted, it makes a grant of that time, which is over.
    let mut late = lab.head("bob");
    late.at = lab.time(-10_000);
    lab.say("bob", &late, "approval", &approval_fields(&request, "approve", "null", ""));
    lab.check("dave", "ssh/prod/web-1", "access").exits(1).because("expired");
}

#[test]
fn a_narrowing_approval_does_not_lower_the_tier() {
    let lab = Lab::new();
    // Three hours: one dba for more than one hour, and two others for more than two.
    let request = lab.request("dave", &["db/prod/orders", "read", "--for", "3h"], 3);
    lab.jit("bob", &["approve", &request, "--yes", "--for", "10m"]).exits(0).says("still waits for");
    lab.jit("carol", &["approve", &request, "--yes", "--for", "20m"]).exits(0).says("still waits for");
    lab.check("dave", "db/prod/orders", "read").exits(3);
    lab.jit("alice", &["approve", &request, "--yes", "--for", "1h"]).exits(0).says("Approved. dave may ");
    let granted = lab.check("dave", "db/prod/orders", "read").exits(0);
    let (start, end) = times(&granted);
    let read = |time: &Value| chrono::DateTime::parse_from_rfc3339(time.as_str().unwrap()).unwrap();
    assert_eq!((read(&end) - read(&start)).num_seconds(), 600, "the shortest that anyone signed");
}

#[test]
fn conditions_of_two_rules_are_never_mixed() {
    let lab = Lab::new();
    let mut files = lab.files("\"alice\"", 1);
    let rule = |id: &str, from: &str| {
        format!(
            "[rule.{id}]\nsubjects = [\"dave\"]\nresources = [\"mixed/a\"]\nactions = [\"access\"]\n\
             duration = {{ max = \"1h\" }}\napprovals = [{{ from = [{from}], count = 2 }}]\n"
        )
    };
    let two = rule("one", "\"alice\", \"bob\"") + &rule("two", "\"carol\", \"rita\"");
    files.insert("policies/mixed.toml".to_owned(), two);
    lab.publish(&files).exits(0);
    let request = lab.request("dave", &["mixed/a"], 3);
    for half in ["bob", "carol"] {
        lab.jit(half, &["approve", &request, "--yes"]).exits(0).says("still waits for");
    }
    lab.check("dave", "mixed/a", "access").exits(3);
    // A policy line never completes a request, even if one rule would now be met.
    let merged = rule("one", "\"bob\", \"carol\"");
    files.insert("policies/mixed.toml".to_owned(), merged);
    lab.publish(&files).exits(0);
    lab.check("dave", "mixed/a", "access").exits(3);
}

#[test]
fn a_check_asks_the_policy_of_now() {
    let lab = Lab::new();
    let request = lab.request("dave", &["db/prod/orders", "read", "--for", "90m"], 3);
    lab.jit("bob", &["approve", &request, "--yes"]).exits(0);
    let original = lab.files("\"alice\"", 1);
    let deny = "[rule.no]\neffect = \"deny\"\nsubjects = [\"dave\"]\nresources = [\"db/**\"]\n\n[rule.ssh]";
    let without_dave = {
        let mut files = lab.changed("members = [\"carol\", \"dave\"]", "members = [\"carol\"]");
        let people = files.get_mut("identities/people.toml").unwrap();
        let start = people.find("[identity.dave]").unwrap();
        let end = people[start + 1..].find("[identity.").unwrap() + start + 1;
        people.replace_range(start..end, "");
        let rules = files.get_mut("policies/rules.toml").unwrap();
        *rules = rules.replace("subjects = [\"dave\"]", "subjects = [\"carol\"]");
        files
    };
    let table = [
        ("group left", lab.changed("members = [\"carol\", \"dave\"]", "members = [\"carol\"]"), "no-matching-rule"),
        ("rule renamed", lab.changed("[rule.orders]", "[rule.orders2]"), "no-matching-rule"),
        ("resource narrowed", lab.changed("db/prod/orders", "db/prod/order"), "no-matching-rule"),
        ("action narrowed", lab.changed("[\"read\"]", "[\"write\"]"), "no-matching-rule"),
        ("shorter", lab.changed("max = \"4h\"", "max = \"80m\""), "too-long"),
        (
            "a reason demanded",
            lab.changed("duration = { default", "reason = { min_length = 1 }\nduration = { default"),
            "reason-rejected",
        ),
        ("denied", lab.changed("[rule.ssh]", deny), "denied-by-rule"),
        ("key replaced", lab.changed(&lab.public_key("dave"), &lab.public_key("mallory")), "wrong-key"),
        ("person removed", without_dave, "unknown-subject"),
    ];
    for (name, files, code) in table {
        lab.publish(&files).exits(0);
        let said = lab.check("dave", "db/prod/orders", "read").exits(1).because(code);
        let codes = said.codes();
        assert_eq!(codes.contains(&"policy-changed".to_owned()), code != "unknown-subject", "{name}: {codes:?}");
        if code == "unknown-subject" {
            assert_eq!(codes, ["unknown-subject"]);
        }
        lab.publish(&original).exits(0);
        lab.check("dave", "db/prod/orders", "read").exits(0);
    }
}

#[test]
fn a_removed_key_says_nothing_any_more() {
    let lab = Lab::new();
    lab.publish(&lab.changed(&format!(", \"{}\"", lab.public_key("carol2")), "")).exits(0);
    let fields = crate::forge::request_fields(&lab.policy_id(), "db/prod/orders", "read", 600, "");
    lab.say("carol2", &lab.head("carol"), "request", &fields);
    let verified = lab.verify();
    assert!(verified["inert"][0]["reason"].as_str().unwrap().starts_with("wrong key"), "{verified}");
    lab.check("carol", "db/prod/orders", "read").exits(1).because("no-grant");
    lab.jit("carol2", &["request", "db/prod/orders", "read"]).exits(1).says("is nobody's key");
    // Nor can its holder bring it back: somebody else's identity can't claim a key that is taken.
    let twice = lab.changed(&lab.public_key("carol2"), &lab.public_key("bob"));
    lab.commit_policy(&twice);
    lab.jit("alice", &["policy", "publish", "--yes"]).exits(1).says("bob");
    let said = lab.jit("alice", &["check", "db/prod/orders", "read", "--ssh-key", &lab.public_key("carol2"), "--json"]);
    said.exits(1).because("unknown-subject");
}

#[test]
fn a_revocation_and_a_denial_outlive_their_author() {
    let lab = Lab::new();
    let granted = lab.request("dave", &["db/prod/orders", "read"], 0);
    let waiting = lab.request("dave", &["ssh/prod/web-1"], 3);
    for stranger in ["carol", "robot"] {
        lab.say(stranger, &lab.head(stranger), "revocation", &format!("\"of\":\"{granted}\",\"reason\":\"\""));
        assert_eq!(last_verdict(&lab), "without-effect");
        lab.jit(stranger, &["revoke", &granted, "--reason", "x"]).exits(1);
    }
    lab.check("dave", "db/prod/orders", "read").exits(0);
    lab.jit("rita", &["revoke", &granted, "--reason", "enough"]).exits(0);
    lab.jit("bob", &["deny", &waiting, "--yes"]).exits(0);
    let gone = lab.changed("revokers = [\"rita\"]", "revokers = []");
    let gone = gone
        .into_iter()
        .map(|(path, text)| (path, text.replace("members = [\"bob\", \"carol\"]", "members = [\"carol\"]")))
        .collect();
    lab.publish(&gone).exits(0);
    lab.check("dave", "db/prod/orders", "read").exits(1).because("revoked");
    lab.check("dave", "ssh/prod/web-1", "access").exits(1).because("denied-by-approver");
    lab.jit("carol", &["approve", &waiting, "--yes"]).exits(1).says("denied that request already");
    assert_eq!(approve_by_hand(&lab, "carol", "carol", &waiting, "approve", "null"), "without-effect");
    lab.check("dave", "ssh/prod/web-1", "access").exits(1);
}

#[test]
fn a_lockdown_ends_what_it_matches_and_a_lift_revives_nothing() {
    let lab = Lab::with_two_maintainers();
    lab.request("dave", &["db/prod/orders", "read"], 0);
    let waiting = lab.request("dave", &["ssh/prod/web-1"], 3);
    for stranger in ["carol", "dave"] {
        let fields = "\"subjects\":[\"*\"],\"resources\":[\"**\"],\"reason\":\"\"";
        lab.say(stranger, &lab.head(stranger), "lockdown", fields);
        assert_eq!(last_verdict(&lab), "without-effect");
        lab.jit(stranger, &["lockdown", "--reason", "x", "--yes"]).exits(1);
    }
    lab.check("dave", "db/prod/orders", "read").exits(0);
    let said = lab.jit("rita", &["lockdown", "--subject", "group:oncall", "--reason", "breach", "--yes", "--json"]);
    let lockdown = said.exits(0).json()["id"].as_str().unwrap().to_owned();
    let locked = || {
        lab.check("dave", "db/prod/orders", "read").exits(1).because("lockdown");
        lab.check("dave", "ssh/prod/web-1", "access").exits(1).because("lockdown");
    };
    locked();
    lab.jit("dave", &["request", "db/prod/orders", "read", "--json"]).exits(1).because("lockdown");
    lab.jit("bob", &["approve", &waiting, "--yes"]).exits(1);
    // Leaving the group does not free anybody, and one signature of two lifts nothing.
    for stranger in ["rita", "carol"] {
        lab.say(stranger, &lab.head(stranger), "lift", &format!("\"of\":\"{lockdown}\",\"reason\":\"\""));
        assert_eq!(last_verdict(&lab), "without-effect");
        lab.jit(stranger, &["lift", &lockdown, "--reason", "x", "--yes"]).exits(1);
    }
    let lift = lab.jit("alice", &["lift", &lockdown, "--reason", "over", "--yes", "--json"]).exits(3).json();
    let lift = lift["id"].as_str().unwrap();
    locked();
    lab.jit("alice", &["approve", lift, "--yes"]).exits(1);
    lab.say("rita", &lab.head("rita"), "approval", &approval_fields(lift, "approve", "null", ""));
    assert_eq!(last_verdict(&lab), "without-effect");
    locked();
    lab.jit("bob", &["approve", lift, "--yes"]).exits(0).says("lifted");
    locked();
    assert_eq!(approve_by_hand(&lab, "bob", "bob", &waiting, "approve", "null"), "without-effect");
    locked();
    lab.request("dave", &["db/prod/orders", "read"], 0);
    lab.check("dave", "db/prod/orders", "read").exits(0);
}
