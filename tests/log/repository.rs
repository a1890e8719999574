//! Repositories of other kinds, and what may be in the way in one.

use std::convert::Infallible;
use std::fs;
use std::path::Path;

use jit::core::history::append::NewLine;
use jit::edge::git::{GitError, Repo};
use jit::edge::log::{self, AppendError, BRANCH, WalkError};

use crate::support::{Here, Temp, context};

#[test]
fn a_repository_is_found_from_inside_it() {
    let temp = Temp::new();
    temp.repo();
    fs::create_dir_all(temp.path("repo/a/b")).unwrap();
    fs::create_dir_all(temp.path("elsewhere")).unwrap();
    let found = Repo::discover(&temp.path("repo/a/b")).unwrap().unwrap();
    assert_eq!(fs::canonicalize(found.work_dir().unwrap()).unwrap(), fs::canonicalize(temp.path("repo")).unwrap());
    assert!(Repo::discover(&temp.path("elsewhere")).unwrap().is_none());
    assert!(Repo::discover(&temp.path("nowhere")).is_err());
    assert!(matches!(Repo::open(&temp.path("elsewhere")), Err(GitError::NoRepo(_))));
}

#[test]
fn kinds_that_can_not_be_read_are_named() {
    let temp = Temp::new();
    temp.git(".", &["init", "-q", "--object-format=sha256", "sha256"]);
    temp.git(".", &["init", "-q", "--ref-format=reftable", "reftable"]);
    for (name, word) in [("sha256", "SHA-1"), ("reftable", "refs that are not files")] {
        for error in [Repo::open(&temp.path(name)).err(), Repo::discover(&temp.path(name)).err()] {
            let error = error.unwrap();
            assert!(matches!(error, GitError::Unsupported { .. }), "{error:?}");
            assert!(error.to_string().contains(word), "{error}");
            assert!(error.help().unwrap().contains("git init"));
        }
    }
}

#[test]
fn a_shallow_clone_is_told_how_to_deepen() {
    let temp = Temp::new();
    let here = temp.repo();
    here.append("a");
    let url = format!("file://{}", temp.path("repo").display());
    temp.git(".", &["clone", "-q", "--bare", "--depth=1", "--branch=jit/audit", &url, "shallow"]);
    let shallow = Here::open(&temp.path("shallow"));
    match shallow.try_walk(None) {
        Err(WalkError::Git(error @ GitError::Shallow(_))) => assert!(error.help().unwrap().contains("--unshallow")),
        other => panic!("{other:?}"),
    }
    temp.git("shallow", &["fetch", "-q", "--unshallow", "origin", "jit/audit"]);
    assert_eq!(Here::open(&temp.path("shallow")).lines(), ["genesis", "a"]);
}

#[test]
fn a_repository_of_another_user_is_refused() {
    let temp = Temp::new();
    temp.repo();
    let give_away = |path: &Path| std::os::unix::fs::chown(path, Some(65_534), None);
    if give_away(&temp.path("repo/.git")).is_err() {
        // Only root can give files away; who is not root can't have such a repository to open.
        return;
    }
    give_away(&temp.path("repo")).unwrap();
    let error = Repo::open(&temp.path("repo")).err().unwrap();
    assert!(matches!(error, GitError::Owner(_)), "{error:?}");
    assert!(error.help().unwrap().contains("safe.directory"));
}

fn start(repo: &Repo) -> Result<log::Logged, AppendError<Infallible>> {
    log::start(repo, &context(0), NewLine::plain("genesis"), "Start".to_owned())
}

#[test]
fn branches_in_the_way_are_named() {
    for (branch, packed) in [("jit", false), ("jit", true), ("jit/audit/x", false), ("jit/audit/x", true)] {
        let temp = Temp::new();
        temp.empty_repo();
        temp.git("repo", &["commit", "-q", "--allow-empty", "-m", "x"]);
        temp.git("repo", &["branch", branch]);
        if packed {
            temp.git("repo", &["pack-refs", "--all"]);
        }
        let repo = Repo::open(&temp.path("repo")).unwrap();
        match start(&repo) {
            Err(AppendError::Git(error @ GitError::InTheWay { .. })) => {
                assert!(error.to_string().contains(branch), "{error}");
                let help = error.help().unwrap();
                let command = help.split_once(": git ").unwrap().1;
                temp.git("repo", &command.split(' ').collect::<Vec<_>>());
            }
            other => panic!("{branch} {packed}: {other:?}"),
        }
        start(&repo).unwrap();
    }
}

#[test]
fn empty_folders_that_git_left_are_no_branches() {
    let temp = Temp::new();
    temp.empty_repo();
    fs::create_dir_all(temp.path("repo/.git/refs/heads/jit/audit/a/b")).unwrap();
    start(&Repo::open(&temp.path("repo")).unwrap()).unwrap();
    assert_eq!(Here::open(&temp.path("repo")).lines(), ["genesis"]);
}

#[test]
fn a_branch_that_points_to_another_is_refused() {
    let temp = Temp::new();
    let here = temp.repo();
    temp.git("repo", &["update-ref", "refs/heads/real", BRANCH]);
    temp.git("repo", &["symbolic-ref", BRANCH, "refs/heads/real"]);
    assert!(matches!(here.try_append("a"), Err(AppendError::Git(GitError::Symbolic(_)))));
}

#[test]
fn commits_are_resolved_as_git_does() {
    let temp = Temp::new();
    let here = temp.repo();
    let tip = here.append("a").commit;
    for spec in ["jit/audit", &tip.to_string(), &tip.to_string()[..12], "refs/heads/jit/audit"] {
        assert_eq!(here.repo.resolve_commit(spec).unwrap(), tip, "{spec}");
    }
    for spec in ["HEAD", "nothing", "", "jit/audit:audit", "\u{1b}[2J"] {
        let error = here.repo.resolve_commit(spec).unwrap_err();
        assert!(matches!(error, GitError::NoCommit { .. }), "{error:?}");
        assert!(!error.to_string().contains('\u{1b}'));
    }
}

#[test]
fn a_made_repository_is_on_main() {
    let temp = Temp::new();
    let repo = Repo::init(&temp.path("new/one")).unwrap();
    start(&repo).unwrap();
    assert_eq!(temp.git("new/one", &["symbolic-ref", "HEAD"]), "refs/heads/main");
    Repo::init(&temp.path("new/one")).unwrap();
    assert_eq!(Here::open(&temp.path("new/one")).lines(), ["genesis"]);
}
