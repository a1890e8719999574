//! Long histories of honest people, made from a seed, and put into a repository fast.
//!
//! ```ignore
//! let log = honest(10_000, 1);       // the same lines each time
//! import(&log, &bare, &[]);          // one commit a line, as `jit` would have made them, in one pack
//! ```

use std::fmt::Write as _;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use jit::core::hash::Hash;
use jit::core::history::segment::{SEGMENT_LINES, path_of_line, policy_folder_name};
use jit::core::policy::PolicyFiles;
use jit::core::time::Timestamp;

use super::log::Log;
use super::org::Org;

/// How many people ask; each has a number.
const ASKING: u64 = 40;
/// Who approves.
const APPROVING: [&str; 3] = ["dora", "dirk", "dina"];
/// Every so many lines the policy changes.
const POLICY_EVERY: u64 = 500;
/// The seconds between two lines.
const PACE: &str = "7m";

/// Numbers that look random and are the same each time.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice that fall as the seed has it.
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// One of several.
    pub fn one_of<'a>(&mut self, several: &[&'a str]) -> &'a str {
        let place = usize::try_from(self.below(several.len() as u64)).ok();
        place.and_then(|place| several.get(place)).expect("there is one")
    }

    /// The next number below `end`. SplitMix64, which takes any seed.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}

/// The policy under which they ask, which grows by a person with each version.
fn org(version: u64) -> Org {
    let asking = (0..ASKING + version).map(|number| format!("p{number}")).collect::<Vec<_>>().join(" ");
    Org::new(&["alice"], 1)
        .people(&format!("{asking} {}", APPROVING.join(" ")))
        .group("oncall", &asking)
        .group("dba", &APPROVING.join(" "))
        .allow("staging", "group:oncall", "db/staging/**", "read write", "8h")
        .allow_if("prod", "group:oncall", "db/prod/*", "read", "4h", "approvals = [{ from = [\"group:dba\"] }]")
}

/// A log of so many lines, at least two: people ask, others say yes or no, some end what they have early, and now and
/// then the policy changes. Every line has an effect.
pub fn honest(lines: u64, seed: u64) -> Log {
    let mut dice = Dice::new(seed);
    let mut log = Log::new(&["alice"], 1);
    let mut version = 0;
    log.policy("alice", &org(version));
    let mut waiting: Vec<Hash> = Vec::new();
    let mut granted: Vec<(String, Hash)> = Vec::new();
    while log.size() < lines {
        log.wait(PACE);
        if log.size().is_multiple_of(POLICY_EVERY) {
            version += 1;
            log.policy("alice", &org(version));
            // What waits was asked for under the policy before, and lapses.
            waiting.clear();
            continue;
        }
        let person = format!("p{}", dice.below(ASKING));
        match dice.below(10) {
            0 if !granted.is_empty() => {
                let place = dice.below(granted.len() as u64);
                let (who, id) = granted.swap_remove(usize::try_from(place).expect("it is a place in a list"));
                log.revoke(&who, id);
            }
            1..=4 if !waiting.is_empty() => {
                let id = waiting.swap_remove(0);
                let approver = dice.one_of(&APPROVING);
                if dice.below(8) == 0 {
                    log.deny(approver, id);
                } else {
                    log.approve(approver, id);
                }
            }
            5..=6 => {
                let reason = format!("INC-{} the orders of customer {person} are stuck", dice.below(100_000));
                waiting.push(log.request(&person, "db/prod/orders", "read", "1h", &reason));
            }
            _ => {
                let resource = format!("db/staging/service-{}", dice.below(50));
                let id = log.request(&person, &resource, "write", "2h", "trying out a migration");
                granted.push((person, id));
                granted.truncate(8);
            }
        }
    }
    log
}

/// Puts a log on the branch `jit/audit` of a repository, one commit a line; and other files, by path, on `main`.
pub fn import(log: &Log, git_dir: &Path, main: &[(&str, &[u8])]) {
    let mut to = Importer::new(git_dir);
    for (index, line) in (0..).zip(log.lines()) {
        to.line(line, log.files(index));
        to.commit(super::log::t(i64::try_from(index).expect("a log is not that long")));
    }
    if !main.is_empty() {
        to.write_commit(
            "main",
            super::log::t(0),
            main.iter().map(|(path, bytes)| ((*path).to_owned(), bytes.to_vec())),
        );
    }
    to.finish();
}

/// Writes lines into a repository as they come, as many to a commit as one likes: `git fast-import`, with a segment and
/// what is in the next commit in memory.
#[derive(Debug)]
pub struct Importer {
    git: Child,
    to: BufWriter<ChildStdin>,
    /// The number of the next line.
    index: u64,
    /// The segment that the next line goes into.
    segment: Vec<u8>,
    /// What the next commit changes, but for that segment.
    files: Vec<(String, Vec<u8>)>,
    is_changed: bool,
}

impl Importer {
    /// Starts a log on the branch `jit/audit` of a repository that has none.
    pub fn new(git_dir: &Path) -> Importer {
        let mut git = Command::new("git");
        git.arg("--git-dir").arg(git_dir).args(["fast-import", "--quiet"]).stdin(Stdio::piped());
        let mut git = git.spawn().expect("git starts");
        let to = BufWriter::new(git.stdin.take().expect("it is piped"));
        Importer { git, to, index: 0, segment: Vec::new(), files: Vec::new(), is_changed: false }
    }

    /// Adds a line, without its LF, and the policy files that it names to the next commit.
    pub fn line(&mut self, line: &[u8], policy: Option<&PolicyFiles>) {
        if self.index.is_multiple_of(SEGMENT_LINES) && !self.segment.is_empty() {
            let full = std::mem::take(&mut self.segment);
            // A segment that a commit has filled stands there as it is.
            if self.is_changed {
                self.files.push((path_of_line(self.index - 1), full));
            }
        }
        let folder = format!("policy/{}", policy_folder_name(self.index));
        let policy = policy.into_iter().flat_map(PolicyFiles::iter);
        self.files.extend(policy.map(|(path, bytes)| (format!("{folder}/{path}"), bytes.to_vec())));
        self.segment.extend(line);
        self.segment.push(b'\n');
        self.index += 1;
        self.is_changed = true;
    }

    /// Commits the lines since the last commit, if there are any.
    pub fn commit(&mut self, at: Timestamp) {
        if std::mem::take(&mut self.is_changed) {
            let files = std::mem::take(&mut self.files);
            let last = (path_of_line(self.index - 1), self.segment.clone());
            self.write_commit("jit/audit", at, files.into_iter().chain([last]));
        }
    }

    /// Waits until all of it is in the repository.
    pub fn finish(self) {
        let Importer { mut git, to, .. } = self;
        drop(to.into_inner().expect("git reads"));
        assert!(git.wait().expect("git ends").success(), "git takes the log");
    }

    fn write_commit(&mut self, branch: &str, at: Timestamp, files: impl Iterator<Item = (String, Vec<u8>)>) {
        let mut head = format!("commit refs/heads/{branch}\n");
        let _ = writeln!(head, "committer Somebody <somebody@example.org> {} +0000\ndata 7\na line", at.unix());
        self.write(head.as_bytes());
        for (path, bytes) in files {
            self.write(format!("M 100644 inline {path}\ndata {}\n", bytes.len()).as_bytes());
            self.write(&bytes);
            self.write(b"\n");
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        self.to.write_all(bytes).expect("git reads");
    }
}
