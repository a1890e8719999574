//! What fuzzing starts from: the vectors, cut for each parser.

use std::collections::BTreeMap;

use jit::core::packed::{NoLines, Words, pack};
use jit::core::view::View as _;

use crate::file::Vector;
use crate::support::log::{Log, bound, t};
use crate::support::org::Org;

/// The files below `fuzz/seeds/`, by path. Beside them stand others, written by hand.
pub(crate) fn seeds(vectors: &[Vector]) -> BTreeMap<String, Vec<u8>> {
    let mut seeds = BTreeMap::new();
    for vector in vectors {
        let name = format!("vector-{}", vector.name);
        let mut put = |target: &str, bytes: Vec<u8>| seeds.insert(format!("{target}/{name}"), bytes);
        let by_itself = vector.fields("leaf").next().is_some();
        if let (Some(line), true) = (vector.fields("line").next(), by_itself)
            && vector.expect().starts_with("ok")
            && line.len() < 4096
        {
            put("line", line.as_bytes().to_vec());
            vector.fields("body").for_each(|body| drop(put("body", body.as_bytes().to_vec())));
        }
        if let (Some(line), true) = (vector.fields("line").next(), vector.name.starts_with("signature-")) {
            let signature = line.rsplit("\"sig\":\"").next().unwrap_or_default().trim_end_matches("\"}");
            put("signature", signature.as_bytes().to_vec());
        }
        if ["token-granted", "token-audience", "token-bound", "token-bad-signature", "token-other-grant"]
            .contains(&vector.name.as_str())
        {
            let token = vector.fields("check").next().and_then(|check| check.split(' ').nth(1)).expect("a token");
            put("token", token.as_bytes().to_vec());
        }
        if vector.name.starts_with("log-tree-") {
            let lines: Vec<&str> = vector.fields("line").take(64).collect();
            let old = u8::try_from(lines.len() / 2).expect("a segment has at most 64 lines");
            put("segment", [&[old], format!("{}\n", lines.join("\n")).as_bytes()].concat());
        }
    }
    for (name, org) in policies() {
        let mut text = Vec::new();
        for (path, content) in org.files().iter() {
            text.extend(format!("@ {path}\n").into_bytes());
            text.extend_from_slice(content);
        }
        seeds.insert(format!("policy/vector-{name}"), text);
    }
    for (number, record) in requests().view().requests(None).iter().enumerate() {
        let bytes = pack(record, &mut Words::none(), &NoLines);
        seeds.insert(format!("packed/vector-{number}"), bytes.into_vec());
    }
    seeds
}

/// Requests of which each came to something else.
fn requests() -> Log {
    let mut log = crate::logs::start();
    let ask = |log: &mut Log, action: &str| log.request("bob", "db/prod/orders", action, "1h", "INC-1 it is stuck");
    ask(&mut log, "write");
    ask(&mut log, "none");
    log.not_before(t(60)).bind(bound("artifact"));
    let granted = ask(&mut log, "read");
    log.revoke("bob", granted);
    let denied = ask(&mut log, "drop");
    log.deny("carol", denied);
    let approved = ask(&mut log, "drop");
    log.approve("carol", approved);
    log.approve_for("dave", approved, "10m");
    log
}

fn policies() -> [(&'static str, Org); 3] {
    let org = crate::logs::org();
    let more = org
        .clone()
        .setting("check", "{ max_age = \"5m\" }")
        .setting("request", "{ pending_for = \"24h\" }")
        .deny("never", "erin", "db/**/pii")
        .allow_if(
            "long",
            "group:ops",
            "ssh/*/web-*",
            "*",
            "2d",
            "reason = { pattern = \"^INC-[0-9]+\", min_length = 10 }\napprovals = [{ from = [\"carol\"], count = 1, longer_than = \"1h\" }]",
        );
    [("minimal", Org::new(&["alice"], 1)), ("plain", org), ("more", more)]
}
