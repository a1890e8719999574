//! Lines go both ways between this program and stock `ssh-keygen`.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::forge::{approval_fields, id, split};
use crate::lab::Lab;

/// Has the program write a statement of every type, and returns a token beside the log.
fn all_statement_types(lab: &Lab) -> String {
    lab.jit("carol", &["request", "db/prod/orders", "read"]).exits(0);
    let long = lab.request(
        "dave",
        &["db/prod/orders", "read", "--for", "90m", "--reason", r#"a "quoted" \ reason, ünïcode"#],
        3,
    );
    lab.jit("bob", &["approve", &long, "--yes", "--for", "80m", "--comment", "fine"]).exits(0);
    let denied = lab.request("dave", &["ssh/prod/web-1"], 3);
    lab.jit("carol", &["deny", &denied, "--yes", "--comment", "not today"]).exits(0);
    let token = lab.jit("dave", &["token", &long, "--audience", "gate-1"]).exits(0).stdout;
    let bind = format!("sha256:{}", "a1".repeat(32));
    lab.jit("carol", &["request", "db/prod/orders", "read", "--bind", &bind, "--not-before", "+1h"]).exits(0);
    lab.jit("rita", &["revoke", &long, "--reason", "enough"]).exits(0);
    let lockdown =
        lab.jit("rita", &["lockdown", "--subject", "dave", "--resource", "ssh/**", "--reason", "x", "--yes", "--json"]);
    let lockdown = lockdown.exits(0).json()["id"].as_str().unwrap().to_owned();
    lab.jit("alice", &["lift", &lockdown, "--reason", "over", "--yes"]).exits(0);
    token.trim_end().to_owned()
}

#[test]
fn ssh_keygen_verifies_every_signature_that_the_program_writes() {
    let lab = Lab::new();
    let token = all_statement_types(&lab);
    let presented = URL_SAFE_NO_PAD.decode(token.strip_prefix("jit1.").unwrap()).unwrap();
    let presented = String::from_utf8(presented).unwrap();
    let lines = lab.lines().into_iter().map(|line| String::from_utf8(line).unwrap());
    let mut types: BTreeMap<String, u32> = BTreeMap::new();
    for line in lines.chain([presented.lines().last().unwrap().to_owned()]) {
        let body: serde_json::Value = serde_json::from_str(split(&line).0).unwrap();
        let by = body["by"].as_str().unwrap();
        assert!(lab.ssh_keygen_accepts(&line, by, &lab.public_key(by)), "{line}");
        assert!(!lab.ssh_keygen_accepts(&line, by, &lab.public_key("mallory")), "{line}");
        assert!(!lab.ssh_keygen_accepts(&line.replacen("\"v\":1", "\"v\":2", 1), by, &lab.public_key(by)), "{line}");
        *types.entry(body["type"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let all = ["approval", "genesis", "lift", "lockdown", "policy", "presentation", "request", "revocation"];
    assert_eq!(types.keys().map(String::as_str).collect::<Vec<_>>(), all);
    // The first four lines of a token are the log's own.
    let logged = lab.lines();
    let presented: Vec<&str> = presented.lines().collect();
    let (last, before) = presented.split_last().unwrap();
    assert!(before.iter().all(|line| logged.contains(&line.as_bytes().to_vec())) && before.len() == 2);
    assert!(!logged.contains(&last.as_bytes().to_vec()));
}

#[test]
fn bodies_are_the_one_json_form_and_read_back_as_what_was_asked() {
    let lab = Lab::new();
    all_statement_types(&lab);
    let lines: Vec<String> = lab.lines().into_iter().map(|line| String::from_utf8(line).unwrap()).collect();
    for line in &lines {
        // A serializer without spaces gives the same bytes: nothing is escaped or ordered in a way of its own.
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        let body = split(line).0;
        let again: Box<serde_json::value::RawValue> = serde_json::from_str(body).unwrap();
        assert_eq!(again.get(), body);
        assert_eq!(value["body"]["v"], 1, "{line}");
    }
    let quoted = lines.iter().find(|line| line.contains("quoted")).unwrap();
    assert!(quoted.contains(r#""reason":"a \"quoted\" \\ reason, ünïcode""#), "{quoted}");
    let value: serde_json::Value = serde_json::from_str(split(quoted).0).unwrap();
    assert_eq!(value["reason"], r#"a "quoted" \ reason, ünïcode"#);
    assert_eq!((value["duration"].as_u64(), value["not_before"].is_null()), (Some(5400), true));
}

#[test]
fn lines_made_wholly_by_ssh_keygen_take_effect() {
    let lab = Lab::new();
    lab.check("carol", "db/prod/orders", "read").exits(1).because("no-grant");
    let short = lab.say_request("carol", "db/prod/orders", "read", 600);
    let said = lab.check("carol", "db/prod/orders", "read").exits(0).because("granted").json();
    assert_eq!((said["grant"]["id"].as_str(), said["grant"]["rule"].as_str()), (Some(&*short), Some("orders")));

    let long = lab.say_request("dave", "db/prod/orders", "read", 7000);
    lab.check("dave", "db/prod/orders", "read").exits(3).because("needs-approval");
    lab.say("bob", &lab.head("bob"), "approval", &approval_fields(&long, "approve", "5000", "by hand"));
    let said = lab.check("dave", "db/prod/orders", "read").exits(0).json();
    assert_eq!(said["grant"]["approved_by"], serde_json::json!(["bob"]));

    let revocation = format!("\"of\":\"{long}\",\"reason\":\"by hand\"");
    lab.say("rita", &lab.head("rita"), "revocation", &revocation);
    lab.check("dave", "db/prod/orders", "read").exits(1).because("revoked");
    let lockdown = "\"subjects\":[\"group:oncall\"],\"resources\":[\"db/**\"],\"reason\":\"by hand\"";
    let lockdown = lab.say("rita", &lab.head("rita"), "lockdown", lockdown);
    lab.check("carol", "db/prod/orders", "read").exits(1).because("lockdown");
    lab.say("alice", &lab.head("alice"), "lift", &format!("\"of\":\"{lockdown}\",\"reason\":\"by hand\""));
    // What was ended stays ended; what comes after the lift does not.
    lab.check("carol", "db/prod/orders", "read").exits(1).because("lockdown");
    lab.say_request("carol", "db/prod/orders", "read", 601);
    lab.check("carol", "db/prod/orders", "read").exits(0);

    let denied = lab.say_request("dave", "ssh/prod/web-1", "access", 600);
    lab.say("carol", &lab.head("carol"), "approval", &approval_fields(&denied, "deny", "null", "no"));
    lab.check("dave", "ssh/prod/web-1", "access").exits(1).because("denied-by-approver");

    let tighter = lab.changed("default = \"30m\", max = \"4h\"", "max = \"5m\"");
    let policy = lab.say_policy("alice", &lab.head("alice"), 2, 1, &tighter);
    let said =
        lab.check("carol", "db/prod/orders", "read").exits(1).because("too-long").because("policy-changed").json();
    assert_eq!(said["policy"]["id"].as_str(), Some(&*policy));
    let verified = lab.verify();
    assert_eq!((verified["inert"].as_array().unwrap().len(), verified["void"].as_array().unwrap().len()), (0, 0));
    assert_eq!(verified["without_effect"], 0);
}

#[test]
fn the_program_goes_on_after_lines_made_by_hand() {
    let lab = Lab::new();
    let by_hand = lab.say_request("dave", "ssh/prod/web-1", "access", 600);
    lab.jit("carol", &["approve", &by_hand, "--yes"]).exits(0).says("Approved. dave may ");
    let by_jit = lab.request("dave", &["ssh/prod/web-2"], 3);
    let line = lab.sign("carol", &lab.head("carol").body("approval", &approval_fields(&by_jit, "approve", "null", "")));
    lab.push(&[&line]);
    lab.check("dave", "ssh/prod/web-2", "access").exits(0);
    lab.jit("mallory", &["show", &id(&line)]).exits(0).says("has effect");
}
