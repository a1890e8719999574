//! A temporary repository, stock git with an empty environment, and short ways to append.

use std::convert::Infallible;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use jit::core::hash::Hash;
use jit::core::history::append::NewLine;
use jit::core::history::chain::Rules;
use jit::core::history::object::{Author, Oid};
use jit::core::policy::PolicyFiles;
use jit::edge::git::Repo;
use jit::edge::log::{self, AppendError, BRANCH, Context, Draft, Logged, WalkError, Walked};

/// In these tests a genesis is the line `genesis` and a policy line is `policy ` and a digest.
pub(crate) const RULES: Rules<'static> =
    Rules { is_genesis: &|line| line == b"genesis", named_digest: &|line| named_digest(line) };

fn named_digest(line: &[u8]) -> Option<Hash> {
    std::str::from_utf8(line.strip_prefix(b"policy ")?).ok()?.parse().ok()
}

pub(crate) fn policy(files: &[(&str, &str)]) -> NewLine {
    let files = files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()));
    let files = PolicyFiles::new(files).unwrap();
    NewLine { line: format!("policy {}", files.digest()).into_bytes(), files }
}

pub(crate) fn context(random: u8) -> Context<'static> {
    let identity = Author { name: "alice".to_owned(), email: "alice@example.org".to_owned() };
    Context { rules: RULES, pin: None, identity, now: 1_700_000_000, random: [random; 16] }
}

/// A folder that is removed at the end, with repositories in it.
pub(crate) struct Temp {
    dir: tempfile::TempDir,
}

impl Temp {
    pub(crate) fn new() -> Temp {
        Temp { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A repository named `repo` without commits.
    pub(crate) fn empty_repo(&self) {
        self.git(".", &["init", "-q", "-b", "main", "repo"]);
        // Hides what the machine's own configuration may say.
        self.git("repo", &["config", "user.name", ""]);
        self.git("repo", &["config", "user.email", ""]);
    }

    /// A repository named `repo` with a log of `genesis` alone.
    pub(crate) fn repo(&self) -> Here {
        self.empty_repo();
        let here = Here { repo: Repo::open(&self.path("repo")).unwrap() };
        log::start::<Infallible>(&here.repo, &context(0), NewLine::plain("genesis"), "Start".to_owned()).unwrap();
        here
    }

    /// Runs git in a folder and returns what it prints, trimmed.
    pub(crate) fn git(&self, folder: &str, args: &[&str]) -> String {
        self.git_with(folder, args, b"")
    }

    pub(crate) fn git_with(&self, folder: &str, args: &[&str], input: &[u8]) -> String {
        let output = self.try_git(folder, args, input);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "git {args:?}: {error}");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    pub(crate) fn try_git(&self, folder: &str, args: &[&str], input: &[u8]) -> std::process::Output {
        let mut command = Command::new("git");
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.dir.path());
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("LC_ALL", "C");
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), "git").env(format!("GIT_{role}_EMAIL"), "git@example.org");
            command.env(format!("GIT_{role}_DATE"), "1700000000 +0000");
        }
        command.current_dir(self.path(folder)).args(args);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        child.wait_with_output().unwrap()
    }

    /// Writes an object as git would, or with `--literally` whatever its form.
    pub(crate) fn object(&self, kind: &str, bytes: &[u8]) -> String {
        self.git_with("repo", &["hash-object", "--literally", "-w", "--stdin", "-t", kind], bytes)
    }

    /// A tree from the lines that `git ls-tree` would print.
    pub(crate) fn tree(&self, lines: &str) -> String {
        self.git_with("repo", &["mktree"], lines.as_bytes())
    }

    /// A commit on the log's branch, whatever it holds.
    pub(crate) fn commit(&self, tree: &str, parents: &[&str]) -> String {
        let mut args = vec!["commit-tree", "-m", "by hand", tree];
        parents.iter().for_each(|parent| args.extend(["-p", parent]));
        self.git("repo", &args)
    }

    pub(crate) fn move_branch(&self, commit: &str) {
        self.git("repo", &["update-ref", BRANCH, commit]);
    }

    /// A tree with a log of these lines (up to 64) and nothing else.
    pub(crate) fn log_tree(&self, lines: &[&str]) -> String {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let mut below = format!("100644 blob {}\t0000000000.jsonl\n", self.object("blob", text.as_bytes()));
        for name in ["0000000000", "0000000000", "audit"] {
            below = format!("040000 tree {}\t{name}\n", self.tree(&below));
        }
        self.tree(&below)
    }
}

/// An open repository with a log.
pub(crate) struct Here {
    pub(crate) repo: Repo,
}

impl Here {
    pub(crate) fn open(path: &Path) -> Here {
        Here { repo: Repo::open(path).unwrap() }
    }

    pub(crate) fn append(&self, line: &str) -> Logged {
        self.try_append(line).unwrap()
    }

    pub(crate) fn try_append(&self, line: &str) -> Result<Logged, AppendError<Infallible>> {
        self.append_lines(&[NewLine::plain(line)])
    }

    pub(crate) fn append_lines(&self, lines: &[NewLine]) -> Result<Logged, AppendError<Infallible>> {
        let draft = Draft { lines: lines.to_vec(), message: "Add lines".to_owned() };
        log::append(&self.repo, &context(1), None, &mut |_| Ok(draft.clone()))
    }

    pub(crate) fn tip(&self) -> Oid {
        self.repo.read_ref(BRANCH).unwrap().unwrap()
    }

    pub(crate) fn try_walk(&self, pin: Option<Oid>) -> Result<Walked, WalkError> {
        log::walk(&self.repo, self.tip(), pin, &RULES)
    }

    pub(crate) fn walk(&self) -> Walked {
        self.try_walk(None).unwrap()
    }

    /// The lines as text.
    pub(crate) fn lines(&self) -> Vec<String> {
        let walked = self.walk();
        let lines = walked.segments(&self.repo, 0).flat_map(Result::unwrap);
        lines.map(|line| String::from_utf8(line).unwrap()).collect()
    }
}
