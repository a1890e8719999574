//! Roots, ids, digests and paths, computed anew from what stock git reads.

use serde_json::Value;

use crate::forge::{hex, merkle_root, policy_digest, segment_path, sha256, split};
use crate::lab::{Files, Lab};

/// Asks whether the log has this root at this size.
fn knows(lab: &Lab, size: usize, root: &str) -> Option<i32> {
    lab.jit("mallory", &["audit", "verify", "--known", &format!("{size}:{root}"), "--json"]).code
}

fn paths(lab: &Lab) -> Vec<String> {
    let listed = lab.git(&["ls-tree", "-r", "--full-tree", "jit/audit", "audit/"]);
    listed
        .lines()
        .map(|line| line.strip_prefix("100644 blob ").unwrap().split_once('\t').unwrap().1.to_owned())
        .collect()
}

#[test]
fn every_root_and_every_line_that_vouches_for_it() {
    let lab = Lab::new();
    for resource in ["ssh/prod/a", "ssh/prod/b", "ssh/prod/c"] {
        lab.request("carol", &[resource], 3);
    }
    // One line for each size that somebody may have seen, as many in one commit as may be, over the edge of a segment.
    let mut lines = lab.lines();
    let start = lines.len();
    let fields = "\"subjects\":[\"dave\"],\"resources\":[\"**\"],\"reason\":\"no right to\"";
    for seen in 1..=65 {
        let line = lab.sign("carol", &lab.head_over("carol", &lines[..seen]).body("lockdown", fields));
        lines.push(line.into_bytes());
    }
    let new: Vec<_> = lines[start..].to_vec();
    lab.push(&new);
    let verified = lab.verify();
    assert_eq!((verified["size"].as_u64(), verified["without_effect"].as_u64()), (Some(70), Some(65)));
    assert_eq!(verified["root"].as_str(), Some(&*hex(&merkle_root(&lines))));
    assert_eq!(verified["inert"], serde_json::json!([]), "they vouch for roots of many sizes");
    for size in 1..=lines.len() {
        assert_eq!(knows(&lab, size, &hex(&merkle_root(&lines[..size]))), Some(0), "{size}");
    }
    for (size, root) in [(69, merkle_root(&lines)), (70, merkle_root(&lines[..69])), (71, merkle_root(&lines))] {
        assert_eq!(knows(&lab, size, &hex(&root)), Some(4), "{size}");
    }
}

#[test]
fn ids_and_leaves_of_every_line() {
    let lab = Lab::new();
    lab.request("carol", &["ssh/prod/a"], 3);
    lab.push(&["garbage"]);
    lab.request("carol", &["db/prod/orders", "read"], 0);
    let exported = lab.jit("mallory", &["audit", "export"]).exits(0).stdout;
    let exported: Vec<Value> = exported.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let lines = lab.lines();
    assert_eq!(exported.len(), lines.len());
    for (index, (exported, line)) in exported.iter().zip(&lines).enumerate() {
        assert_eq!(exported["index"], index);
        assert_eq!(exported["leaf"].as_str(), Some(&*hex(&sha256(&[b"\0", line.as_slice()].concat()))));
        let line = String::from_utf8(line.clone()).unwrap();
        if line == "garbage" {
            assert_eq!((exported["id"].as_str(), exported["verdict"].as_str()), (None, Some("inert")));
            assert_eq!(exported["bytes"].as_str(), Some(&*hex(b"garbage")));
            continue;
        }
        let (body, signature) = split(&line);
        // What people would type: `printf %s BODY | sha256sum`.
        let sum = String::from_utf8(lab.run("sha256sum", &[], body.as_bytes())).unwrap();
        assert_eq!(exported["id"].as_str(), sum.split(' ').next());
        assert_eq!(exported["sig"].as_str(), Some(signature));
        assert_eq!(exported["body"], serde_json::from_str::<Value>(body).unwrap());
    }
    let shown: Vec<Option<String>> = lab.log().iter().map(|row| row["id"].as_str().map(str::to_owned)).collect();
    let ids: Vec<Option<String>> = exported.iter().map(|row| row["id"].as_str().map(str::to_owned)).collect();
    assert_eq!(shown, ids);
}

#[test]
fn a_policy_has_the_digest_that_sha256sum_gives() {
    let lab = Lab::new();
    let mut files: Files = lab.changed("max = \"2h\"", "max = \"90m\"");
    // Sorted by bytes, not as a folder is listed: `a.toml` before `a/b.toml`, and a name may hold a dash or a dot.
    for path in ["policies/a.toml", "policies/a/b.toml", "policies/a-b.toml", "targets/x.toml", "tests/y.z.toml"] {
        files.insert(path.to_owned(), format!("# {path}, ünïcode, no line end"));
    }
    lab.publish(&files).exits(0);
    let digest = lab.verify()["policy"]["digest"].as_str().unwrap().to_owned();
    assert_eq!(digest, policy_digest(&files));
    lab.git(&["worktree", "add", "-q", "../log", "jit/audit"]);
    let sum = "cd ../log/policy/0000000002 && find * -type f | LC_ALL=C sort | xargs sha256sum | sha256sum";
    let sum = String::from_utf8(lab.run("sh", &["-c", sum], b"")).unwrap();
    assert_eq!(sum.split(' ').next(), Some(&*digest));
    let modes = lab.git(&["ls-tree", "-r", "jit/audit", "policy/"]);
    assert!(modes.lines().all(|line| line.starts_with("100644 blob ")) && modes.lines().count() == 3 + files.len());
}

#[test]
fn a_log_of_several_segments_and_folders() {
    let lab = Lab::new();
    // Lines that are worth nothing count as lines. Each round ends just before, at or behind an edge.
    for size in [63, 64, 65, 127, 129, 4095, 4096, 4097, 4161] {
        let from = lab.verify()["size"].as_u64().unwrap();
        let new: Vec<String> = (from..size).map(|line| format!("line {line}")).collect();
        if !new.is_empty() {
            lab.push(&new);
        }
        let index = size as usize;
        lab.request("carol", &["db/prod/orders", "read"], 0);
        let lines = lab.lines();
        assert_eq!(lines.len(), index + 1);
        let wanted: Vec<String> = (0..=index / 64).map(|place| segment_path(place * 64)).collect();
        assert_eq!(paths(&lab), wanted);
        let verified = lab.verify();
        assert_eq!(verified["root"].as_str(), Some(&*hex(&merkle_root(&lines))), "{size}");
        assert_eq!(verified["void"], serde_json::json!([]));
    }
    assert_eq!(segment_path(4161), "audit/0000000000/0000004096/0000004160.jsonl");
    let size = lab.verify()["size"].clone();
    assert_eq!(size, 4162);
    lab.check("carol", "db/prod/orders", "read").exits(0);
}
