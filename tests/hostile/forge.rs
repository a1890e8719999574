//! Lines and commits made by hand, as the design lays them out (sections 4 and 5), by stock `ssh-keygen` and `git`.

use std::fmt::Write as _;
use std::path::Path;

use chrono::{TimeDelta, Utc};
use sha2::{Digest as _, Sha256};

use crate::lab::{Files, Lab, feed};

/// The log's branch.
pub(crate) const BRANCH: &str = "refs/heads/jit/audit";

/// What a body starts with; each field can be forged.
#[derive(Clone)]
pub(crate) struct Head {
    pub(crate) v: String,
    pub(crate) log: String,
    pub(crate) by: String,
    pub(crate) at: String,
    pub(crate) size: u64,
    pub(crate) root: String,
    pub(crate) nonce: String,
}

impl Head {
    /// Returns a body of this kind with these further fields, written as JSON without braces.
    pub(crate) fn body(&self, kind: &str, fields: &str) -> String {
        let Head { v, log, by, at, size, root, nonce } = self;
        format!(
            "{{\"v\":{v},\"type\":\"{kind}\",\"log\":\"{log}\",\"by\":\"{by}\",\"at\":\"{at}\",\
             \"seen\":{{\"size\":{size},\"root\":\"{root}\"}},\"nonce\":\"{nonce}\",{fields}}}"
        )
    }
}

/// The fields of a request without `not_before` and `bind`.
pub(crate) fn request_fields(policy: &str, resource: &str, action: &str, seconds: u64, reason: &str) -> String {
    format!(
        "\"policy\":\"{policy}\",\"resource\":\"{resource}\",\"action\":\"{action}\",\"duration\":{seconds},\
         \"not_before\":null,\"bind\":null,\"reason\":\"{reason}\""
    )
}

/// The fields of an approval.
pub(crate) fn approval_fields(of: &str, verdict: &str, duration: &str, comment: &str) -> String {
    format!("\"of\":\"{of}\",\"verdict\":\"{verdict}\",\"duration\":{duration},\"comment\":\"{comment}\"")
}

/// Puts a body and a signature, in base64, together.
pub(crate) fn line(body: &str, signature: &str) -> String {
    format!("{{\"body\":{body},\"sig\":\"{signature}\"}}")
}

/// Takes a line apart.
pub(crate) fn split(line: &str) -> (&str, &str) {
    let (body, signature) = line.rsplit_once(",\"sig\":\"").expect("it is a line");
    (body.strip_prefix("{\"body\":").expect("it is a line"), signature.strip_suffix("\"}").expect("it is a line"))
}

/// The SHA-256 of bytes.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The id of the statement in a line.
pub(crate) fn id(line: &str) -> String {
    hex(&sha256(split(line).0.as_bytes()))
}

/// The root of the Merkle tree over lines (RFC 6962, section 2.1).
pub(crate) fn merkle_root(lines: &[Vec<u8>]) -> [u8; 32] {
    match lines {
        [] => sha256(b""),
        [line] => sha256(&[b"\0", line.as_slice()].concat()),
        _ => {
            let (left, right) = lines.split_at(lines.len().next_power_of_two() / 2);
            sha256(&[&b"\x01"[..], &merkle_root(left), &merkle_root(right)].concat())
        }
    }
}

/// The digest of a policy's files.
pub(crate) fn policy_digest(files: &Files) -> String {
    let text: String =
        files.iter().map(|(path, text)| format!("{}  {path}\n", hex(&sha256(text.as_bytes())))).collect();
    hex(&sha256(text.as_bytes()))
}

/// The path of the segment that holds a line.
pub(crate) fn segment_path(line: usize) -> String {
    let start = |of: usize| line / of * of;
    format!("audit/{:010}/{:010}/{:010}.jsonl", start(262_144), start(4096), start(64))
}

/// The segments that hold the lines from this one on.
pub(crate) fn segments(lines: &[Vec<u8>], from: usize) -> Vec<Entry> {
    let first = from / 64;
    let segment = |(place, lines): (usize, &[Vec<u8>])| {
        let bytes = lines.iter().flat_map(|line| [line.as_slice(), b"\n"].concat()).collect();
        Entry { mode: "100644", path: segment_path(place * 64), bytes }
    };
    lines.chunks(64).enumerate().skip(first).map(segment).collect()
}

/// A file that a commit changes.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) mode: &'static str,
    pub(crate) path: String,
    pub(crate) bytes: Vec<u8>,
}

impl Entry {
    pub(crate) fn file(path: &str, bytes: &[u8]) -> Entry {
        Entry { mode: "100644", path: path.to_owned(), bytes: bytes.to_vec() }
    }
}

impl Lab {
    /// A time as bodies have it, so many seconds from now.
    pub(crate) fn time(&self, offset: i64) -> String {
        (Utc::now() + TimeDelta::seconds(offset)).format("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// Returns the commit at the branch's tip.
    pub(crate) fn tip(&self) -> String {
        self.git(&["rev-parse", BRANCH])
    }

    /// Reads the lines in the tree of the branch's tip, without their LFs.
    pub(crate) fn lines(&self) -> Vec<Vec<u8>> {
        self.lines_at(BRANCH)
    }

    /// Reads the lines in the tree of a commit.
    pub(crate) fn lines_at(&self, commit: &str) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        for path in self.git(&["ls-tree", "-r", "--name-only", commit, "audit/"]).lines() {
            let bytes = self.run("git", &["cat-file", "blob", &format!("{commit}:{path}")], b"");
            lines.extend(bytes.split_inclusive(|byte| *byte == b'\n').map(|line| line[..line.len() - 1].to_vec()));
        }
        lines
    }

    /// Returns an honest head for somebody who has seen the log at the branch's tip.
    pub(crate) fn head(&self, by: &str) -> Head {
        let lines = self.lines();
        self.head_over(by, &lines)
    }

    /// Returns an honest head for somebody who has seen these lines.
    pub(crate) fn head_over(&self, by: &str, lines: &[Vec<u8>]) -> Head {
        Head {
            v: "1".to_owned(),
            log: self.genesis.clone(),
            by: by.to_owned(),
            at: self.time(0),
            size: lines.len() as u64,
            root: hex(&merkle_root(lines)),
            nonce: nonce(),
        }
    }

    /// Returns the id of the policy in force.
    pub(crate) fn policy_id(&self) -> String {
        self.verify()["policy"]["id"].as_str().expect("a policy is in force").to_owned()
    }

    /// Signs bytes with stock `ssh-keygen`, and returns the signature in base64.
    #[track_caller]
    pub(crate) fn signature(&self, key: &str, body: &[u8], options: &[&str]) -> String {
        let key = self.key(key);
        let options = if options.is_empty() { &["-n", "jit"] } else { options };
        let args = [&["-Y", "sign", "-q", "-f", key.to_str().unwrap()], options].concat();
        let armored = String::from_utf8(self.run("ssh-keygen", &args, body)).unwrap();
        armored.lines().filter(|line| !line.starts_with("-----")).collect()
    }

    /// Signs a body with somebody's key, and returns the line.
    #[track_caller]
    pub(crate) fn sign(&self, key: &str, body: &str) -> String {
        line(body, &self.signature(key, body.as_bytes(), &[]))
    }

    /// Signs bytes that need not be text.
    #[track_caller]
    pub(crate) fn sign_bytes(&self, key: &str, body: &[u8]) -> Vec<u8> {
        let signature = self.signature(key, body, &[]);
        [b"{\"body\":", body, b",\"sig\":\"", signature.as_bytes(), b"\"}"].concat()
    }

    /// Asks `ssh-keygen` whether a line's signature is by this key in the namespace `jit`.
    pub(crate) fn ssh_keygen_accepts(&self, line: &str, name: &str, public_key: &str) -> bool {
        let (body, signature) = split(line);
        let (signers, armored) = (self.path("signers"), self.path("signature"));
        std::fs::write(&signers, format!("{name} namespaces=\"jit\" {public_key}\n")).unwrap();
        let text = format!("-----BEGIN SSH SIGNATURE-----\n{}\n-----END SSH SIGNATURE-----\n", wrapped(signature));
        std::fs::write(&armored, text).unwrap();
        let path = |path: &Path| path.to_str().unwrap().to_owned();
        let (signers, armored) = (path(&signers), path(&armored));
        let args = ["-Y", "verify", "-f", &signers, "-I", name, "-n", "jit", "-s", &armored];
        feed(self.command("ssh-keygen").args(args), body.as_bytes()).status.success()
    }

    /// Makes a commit on a branch by stock git: the first parent's tree, these files put in and these paths removed.
    #[track_caller]
    pub(crate) fn commit(&self, branch: &str, parents: &[&str], entries: &[Entry], removed: &[&str]) -> String {
        let mut input = format!("commit {branch}\ncommitter git <git@example.org> 1700000000 +0000\n").into_bytes();
        input.extend(b"data 7\nby hand\n");
        for (place, parent) in parents.iter().enumerate() {
            let word = if place == 0 { "from" } else { "merge" };
            input.extend(format!("{word} {parent}\n").into_bytes());
        }
        for path in removed {
            input.extend(format!("D {path}\n").into_bytes());
        }
        for Entry { mode, path, bytes } in entries {
            input.extend(format!("M {mode} inline {path}\ndata {}\n", bytes.len()).into_bytes());
            input.extend_from_slice(bytes);
            input.push(b'\n');
        }
        self.run("git", &["fast-import", "--force", "--quiet"], &input);
        self.git(&["rev-parse", branch])
    }

    /// Appends lines to the branch, in one commit, or in several where they are more than one may append.
    #[track_caller]
    pub(crate) fn push<L: AsRef<[u8]>>(&self, new: &[L]) -> String {
        let mut lines = self.lines();
        let mut tip = self.tip();
        for some in new.chunks(64) {
            let from = lines.len();
            lines.extend(some.iter().map(|line| line.as_ref().to_vec()));
            tip = self.commit(BRANCH, &[&tip], &segments(&lines, from), &[]);
        }
        tip
    }

    /// Appends lines to the branch, in one commit with these files.
    #[track_caller]
    pub(crate) fn push_with<L: AsRef<[u8]>>(&self, new: &[L], files: &[Entry]) -> String {
        let mut lines = self.lines();
        let from = lines.len();
        lines.extend(new.iter().map(|line| line.as_ref().to_vec()));
        self.commit(BRANCH, &[&self.tip()], &[segments(&lines, from), files.to_vec()].concat(), &[])
    }

    /// Signs and appends one statement; returns its id.
    #[track_caller]
    pub(crate) fn say(&self, key: &str, head: &Head, kind: &str, fields: &str) -> String {
        let line = self.sign(key, &head.body(kind, fields));
        self.push(&[&line]);
        id(&line)
    }

    /// Signs and appends a request for access.
    #[track_caller]
    pub(crate) fn say_request(&self, who: &str, resource: &str, action: &str, seconds: u64) -> String {
        let fields = request_fields(&self.policy_id(), resource, action, seconds, "by hand");
        self.say(who, &self.head(who), "request", &fields)
    }

    /// Signs and appends a policy with its files; returns its id.
    #[track_caller]
    pub(crate) fn say_policy(&self, who: &str, head: &Head, version: u64, format: u64, files: &Files) -> String {
        let digest = policy_digest(files);
        let commit = self.git(&["rev-parse", "HEAD"]);
        let fields =
            format!("\"version\":{version},\"format\":{format},\"commit\":\"{commit}\",\"digest\":\"{digest}\"");
        let line = self.sign(who, &head.body("policy", &fields));
        self.push_with(&[&line], &policy_folder(self.lines().len(), files));
        id(&line)
    }
}

/// A policy's files as they stand in the log's tree.
pub(crate) fn policy_folder(index: usize, files: &Files) -> Vec<Entry> {
    files.iter().map(|(path, text)| Entry::file(&format!("policy/{index:010}/{path}"), text.as_bytes())).collect()
}

/// Returns 32 hex digits that no other call in this process returns.
pub(crate) fn nonce() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("{:032x}", NEXT.fetch_add(1, Ordering::Relaxed))
}

fn wrapped(text: &str) -> String {
    text.as_bytes().chunks(70).map(|row| std::str::from_utf8(row).unwrap()).collect::<Vec<_>>().join("\n")
}
