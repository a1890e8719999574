//! The commands in docs/FORMAT.md: each block runs as it stands, in a policy repo, and does what the page says.

use std::fs;
use std::path::Path;

use crate::team::Team;

/// Returns the fenced blocks of a page that are marked as shell.
fn blocks(page: &str) -> Vec<String> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
    text.split("\n```bash\n").skip(1).map(|rest| rest.split("\n```").next().unwrap().to_owned()).collect()
}

#[test]
fn a_line_a_root_and_a_digest_by_hand() {
    let team = Team::new();
    // A size that leaves a hash over at two levels of the tree.
    let ask = "for n in $(seq 8); do jit request db/staging/orders write --reason \"say \\\"$n\\\", \\\\o/\"; done";
    team.shell("bob", ask);
    let verified = team.shell("alice", "jit audit verify --json").out;
    let verified: serde_json::Value = serde_json::from_str(&verified).unwrap();
    assert_eq!(verified["size"], 11);

    let blocks = blocks("docs/FORMAT.md");
    let [line, root, digest] = blocks.as_slice() else { panic!("{} blocks, not three", blocks.len()) };
    let id = team.shell("alice", "jit audit export | sed -n 4p").out;
    let id: serde_json::Value = serde_json::from_str(&id).unwrap();
    let said = team.shell("auditor", &format!("cd access\n{line}")).out;
    assert!(said.contains("Good \"jit\" signature for bob with ED25519 key SHA256:"), "{said}");
    assert!(said.contains(id["id"].as_str().unwrap()), "{said}");

    let said = team.shell("auditor", &format!("cd access\n{root}")).out;
    assert_eq!(said.trim_end(), format!("11:{}", verified["root"].as_str().unwrap()));
    team.shell("alice", &format!("jit audit verify --known {}", said.trim_end()));

    let said = team.shell("auditor", &format!("cd access\n{digest}")).out;
    assert_eq!(said.trim_end(), format!("{}  -", verified["policy"]["digest"].as_str().unwrap()));
}
