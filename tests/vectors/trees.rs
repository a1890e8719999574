//! Trees: a policy's files and their digest.

use jit::core::hash::Hash;
use jit::core::policy::PolicyFiles;

use crate::file::Vector;
use crate::logs::org;
use crate::support::org::files;

pub(crate) fn vectors() -> Vec<Vector> {
    let minimal = org().files();
    let many = files(&[
        ("jit.toml", "format = 1\nname = \"acme\"\n"),
        ("identities/people.toml", ""),
        ("identities/a/b.toml", "# éñ\n"),
        ("identities/a-b.toml", "\r\n"),
        ("identities/a.toml", "# no line feed at the end"),
        ("policies/0.toml", "\0"),
        ("targets/web-1.toml", "#\n"),
        ("tests/deep/er/still/t.toml", "#\n#\n"),
    ]);
    vec![
        policy("policy-tree", "A policy that loads.", &minimal),
        policy("policy-tree-order", "Paths sort by bytes: `-` before `.` before `/`.", &many),
        policy("policy-tree-empty", "No files at all.", &files(&[])),
    ]
}

/// The files, what `sha256sum` prints over them, and the SHA-256 of that.
fn policy(name: &str, about: &str, files: &PolicyFiles) -> Vector {
    let sums: Vec<String> = files.iter().map(|(path, text)| format!("{}  {path}", Hash::of(text))).collect();
    let printed: String = sums.iter().map(|sum| format!("{sum}\n")).collect();
    let digest = Hash(files.digest());
    assert_eq!(digest, Hash::of(printed.as_bytes()), "{name}");
    let mut vector = Vector::new(name, about, "ok policy").with("digest", digest);
    for (path, text) in files.iter() {
        let text = std::str::from_utf8(text).expect("files here are text");
        vector = vector.with("file", format!("{path} {}", serde_json::to_string(text).expect("text is JSON")));
    }
    for sum in sums {
        vector = vector.with("sum", sum);
    }
    vector
}
