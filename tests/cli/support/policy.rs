//! The policy that most tests start with: five people and a service, and one rule of each kind.

use super::keys::public_key;

pub(crate) type Files = Vec<(String, String)>;

const SETTINGS: &str = r#"format = 1
name = "acme"
maintainers = ["alice", "bob"]
threshold = THRESHOLD
revokers = ["group:security"]
check = { max_age = "5m" }
request = { pending_for = "24h" }
"#;

const IDENTITIES: &str = r#"[identity.alice]
kind = "person"
keys = ["ALICE"]

[identity.bob]
kind = "person"
keys = ["BOB"]

[identity.carol]
kind = "person"
keys = ["CAROL"]

[identity.dave]
kind = "person"
keys = ["DAVE"]

[identity.erin]
kind = "person"
keys = ["ERIN"]

[identity.deployer]
kind = "service"
owners = ["alice"]
keys = ["DEPLOYER"]

[group.oncall]
members = ["alice", "bob", "carol"]

[group.dba]
members = ["bob", "carol"]

[group.security]
members = ["carol", "dave"]

[group.contractors]
members = ["erin"]
"#;

const RULES: &str = r#"[rule.orders-read]
description = "On-call reads the orders database during an incident"
subjects = ["group:oncall"]
resources = ["db/prod/orders"]
actions = ["read"]
duration = { default = "30m", max = "4h" }
reason = { pattern = "^INC-[0-9]+", min_length = 12 }
approvals = [
    { from = ["group:dba"], count = 1, longer_than = "1h" },
    { from = ["group:security"], count = 1, longer_than = "2h" },
]

[rule.ssh-prod]
subjects = ["group:oncall"]
resources = ["ssh/prod/*"]
actions = ["access"]
duration = { default = "1h", max = "2h" }
approvals = [{ from = ["group:oncall"], count = 1 }]

[rule.staging]
subjects = ["group:oncall", "group:contractors"]
resources = ["db/staging/**"]
actions = ["*"]
duration = { default = "2h", max = "8h" }

[rule.deploy]
subjects = ["deployer"]
resources = ["deploy/*/prod"]
actions = ["deploy"]
duration = { max = "15m" }
approvals = [{ from = ["alice", "bob"], count = 1 }]

[rule.no-contractors-near-pii]
effect = "deny"
subjects = ["group:contractors"]
resources = ["**/pii/**"]
"#;

/// The policy, which needs this many maintainers to change.
pub(crate) fn policy(threshold: usize) -> Files {
    let identities =
        ["alice", "bob", "carol", "dave", "erin", "deployer"].iter().fold(IDENTITIES.to_owned(), |text, name| {
            text.replace(&format!("\"{}\"", name.to_uppercase()), &format!("\"{}\"", public_key(name)))
        });
    vec![
        ("jit.toml".to_owned(), SETTINGS.replace("THRESHOLD", &threshold.to_string())),
        ("identities/all.toml".to_owned(), identities),
        ("policies/all.toml".to_owned(), RULES.to_owned()),
    ]
}

/// The usual policy with one maintainer, and more files beside it.
pub(crate) fn policy_and(more: &[(&str, &str)]) -> Files {
    let more = more.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
    policy(1).into_iter().chain(more).collect()
}

/// Returns files with one text replaced by another in one of them; it must be there.
pub(crate) fn edited(mut files: Files, path: &str, from: &str, to: &str) -> Files {
    let (_, text) = files.iter_mut().find(|(known, _)| known == path).expect("the file is part of the policy");
    assert!(text.contains(from), "{path} holds no {from}");
    *text = text.replace(from, to);
    files
}
