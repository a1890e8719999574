//! Policies on a normal branch: read from a commit, compared with the work tree, written by `init`.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use jit::core::history::object::{Author, Oid};
use jit::core::policy::PolicyFiles;
use jit::edge::git::{GitError, Repo};
use jit::edge::policy_tree::{PolicyTreeError, dirty_policy_paths, read_policy_tree};
use jit::edge::work_tree::commit_files;

use crate::support::Temp;

type Files = Vec<(String, Vec<u8>)>;

fn policy(list: &[(&str, &str)]) -> PolicyFiles {
    PolicyFiles::new(files(list)).unwrap()
}

fn files(list: &[(&str, &str)]) -> Files {
    list.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect()
}

const STARTER: [(&str, &str); 3] =
    [("identities/people.toml", "# people\n"), ("jit.toml", "format = 1\n"), ("tests/a/b.toml", "")];

fn commit(repo: &Repo, list: &[(&str, &str)]) -> Result<Oid, GitError> {
    let author = Author { name: "alice".to_owned(), email: String::new() };
    commit_files(repo, &files(list), &author, 1_700_000_000, "Start a policy")
}

fn new_repo(temp: &Temp) -> Repo {
    temp.empty_repo();
    Repo::open(&temp.path("repo")).unwrap()
}

#[test]
fn files_are_committed_on_a_branch_without_commits() {
    let temp = Temp::new();
    let repo = new_repo(&temp);
    let tip = commit(&repo, &STARTER).unwrap();
    assert_eq!(temp.git("repo", &["rev-parse", "main"]), tip.to_string());
    assert_eq!(temp.git("repo", &["status", "--porcelain"]), "");
    assert_eq!(temp.git("repo", &["log", "--format=%s by %an <%ae>"]), "Start a policy by alice <>");
    assert_eq!(fs::read_to_string(temp.path("repo/jit.toml")).unwrap(), "format = 1\n");
    assert_eq!(read_policy_tree(&repo, tip).unwrap(), policy(&STARTER));
    assert_eq!(commit(&repo, &STARTER).unwrap(), tip, "again, and nothing changes");
    temp.git("repo", &["fsck", "--strict"]);
}

#[test]
fn a_file_is_never_half_there() {
    let temp = Temp::new();
    let repo = new_repo(&temp);
    // What a process of this number would leave if it were killed while it writes.
    let draft = temp.path(&format!("repo/.git/jit-new-{}", std::process::id()));
    fs::write(&draft, "form").unwrap();
    commit(&repo, &STARTER).unwrap();
    assert_eq!(fs::read_to_string(temp.path("repo/jit.toml")).unwrap(), "format = 1\n");
    assert!(!draft.exists());
}

#[test]
fn only_the_files_given_are_committed() {
    let temp = Temp::new();
    let repo = new_repo(&temp);
    fs::write(temp.path("repo/old"), "old").unwrap();
    temp.git("repo", &["add", "old"]);
    temp.git("repo", &["commit", "-q", "-m", "old"]);
    fs::write(temp.path("repo/old"), "changed").unwrap();
    fs::write(temp.path("repo/staged"), "staged").unwrap();
    temp.git("repo", &["add", "old", "staged"]);
    fs::write(temp.path("repo/jit.toml"), "format = 1\n").unwrap();
    let tip = commit(&repo, &STARTER).unwrap();
    assert_eq!(temp.git("repo", &["status", "--porcelain"]), "M  old\nA  staged");
    assert_eq!(temp.git("repo", &["show", &format!("{tip}:old")]), "old");
    assert_eq!(read_policy_tree(&repo, tip).unwrap(), policy(&STARTER));
}

#[test]
fn nothing_that_is_there_is_overwritten() {
    let temp = Temp::new();
    let repo = new_repo(&temp);
    fs::create_dir(temp.path("outside")).unwrap();
    let put = |what: &str| match what {
        "other content" => fs::write(temp.path("repo/jit.toml"), "mine").unwrap(),
        "a folder" => fs::create_dir(temp.path("repo/jit.toml")).unwrap(),
        "a link" => symlink(temp.path("outside/x"), temp.path("repo/jit.toml")).unwrap(),
        "a linked folder" => symlink(temp.path("outside"), temp.path("repo/tests")).unwrap(),
        _ => fs::write(temp.path("repo/tests"), "").unwrap(),
    };
    for what in ["other content", "a folder", "a link", "a linked folder", "a file for a folder"] {
        put(what);
        assert!(matches!(commit(&repo, &STARTER), Err(GitError::FileInTheWay(_))), "{what}");
        assert!(!temp.path("repo/identities").exists(), "{what}: nothing is written");
        assert_eq!(fs::read_dir(temp.path("outside")).unwrap().count(), 0, "{what}");
        for path in ["repo/jit.toml", "repo/tests"] {
            let _ = fs::remove_file(temp.path(path)).or_else(|_| fs::remove_dir(temp.path(path)));
        }
    }
    commit(&repo, &STARTER).unwrap();
}

#[test]
fn where_nothing_can_be_committed_is_said() {
    let temp = Temp::new();
    let repo = new_repo(&temp);
    fs::write(temp.path("repo/.git/index.lock"), "").unwrap();
    assert!(matches!(commit(&repo, &STARTER), Err(GitError::Locked(path)) if path.ends_with("index.lock")));
    fs::remove_file(temp.path("repo/.git/index.lock")).unwrap();
    commit(&repo, &STARTER).unwrap();
    temp.git("repo", &["checkout", "-q", "--detach"]);
    assert!(matches!(commit(&repo, &[("jit.toml", "x")]), Err(GitError::Detached(_))));
    temp.git(".", &["init", "-q", "--bare", "bare"]);
    let bare = Repo::open(&temp.path("bare")).unwrap();
    assert!(matches!(commit(&bare, &STARTER), Err(GitError::Bare(_))));
    assert_eq!(dirty_policy_paths(&bare).unwrap(), Vec::<String>::new());
}

#[test]
fn what_is_no_policy_file_is_refused_by_its_name() {
    let temp = Temp::new();
    let repo = new_repo(&temp);
    commit(&repo, &STARTER).unwrap();
    fs::write(temp.path("repo/README.md"), "fine here").unwrap();
    fs::create_dir(temp.path("repo/docs")).unwrap();
    fs::write(temp.path("repo/docs/Any.thing"), "fine here").unwrap();
    temp.git("repo", &["add", "."]);
    temp.git("repo", &["commit", "-q", "-m", "docs"]);
    let read = || read_policy_tree(&repo, repo.resolve_commit("HEAD").unwrap());
    assert_eq!(read().unwrap(), policy(&STARTER));
    let put = |path: &str| match path {
        "policies/link.toml" => symlink("../jit.toml", temp.path("repo/policies/link.toml")).unwrap(),
        "policies/run.toml" => {
            fs::write(temp.path("repo/policies/run.toml"), "").unwrap();
            fs::set_permissions(temp.path("repo/policies/run.toml"), fs::Permissions::from_mode(0o755)).unwrap();
        }
        _ => fs::write(temp.path(&format!("repo/{path}")), "").unwrap(),
    };
    fs::create_dir_all(temp.path("repo/policies/Sub")).unwrap();
    for (path, what) in [
        ("policies/README.md", "stand only"),
        ("policies/.hidden.toml", "stand only"),
        ("policies/Upper.toml", "stand only"),
        ("policies/Sub/a.toml", "stand only"),
        ("targets", "stand only"),
        ("policies/link.toml", "a symbolic link"),
        ("policies/run.toml", "executable"),
    ] {
        put(path);
        temp.git("repo", &["add", "."]);
        temp.git("repo", &["commit", "-q", "-m", path]);
        let error = read().unwrap_err();
        assert!(matches!(error, PolicyTreeError::Path(_) | PolicyTreeError::Mode(..)), "{error:?}");
        let offender = path.strip_suffix("/a.toml").unwrap_or(path);
        assert!(error.to_string().starts_with(&format!("`{offender}` ")), "{error}");
        assert!(error.to_string().contains(what), "{error}");
        temp.git("repo", &["rm", "-q", path]);
        temp.git("repo", &["commit", "-q", "-m", "gone"]);
        fs::create_dir_all(temp.path("repo/policies/Sub")).unwrap();
    }
    assert_eq!(read().unwrap(), policy(&STARTER));
    let blob = temp.git("repo", &["rev-parse", "HEAD:jit.toml"]);
    let oid: Vec<u8> = (0..20).map(|i| u8::from_str_radix(&blob[2 * i..2 * i + 2], 16).unwrap()).collect();
    let blob = Oid(oid.try_into().unwrap());
    assert!(matches!(read_policy_tree(&repo, blob), Err(PolicyTreeError::NoCommit(_))));
}

#[test]
fn uncommitted_changes_are_listed() {
    let temp = Temp::new();
    let repo = new_repo(&temp);
    fs::create_dir(temp.path("repo/policies")).unwrap();
    fs::write(temp.path("repo/policies/new.toml"), "").unwrap();
    assert_eq!(dirty_policy_paths(&repo).unwrap(), ["policies/new.toml"], "on a branch without commits too");
    fs::remove_file(temp.path("repo/policies/new.toml")).unwrap();
    commit(&repo, &STARTER).unwrap();
    fs::write(temp.path("repo/README"), "not the policy's").unwrap();
    fs::create_dir(temp.path("repo/docs")).unwrap();
    fs::write(temp.path("repo/docs/jit.toml"), "not the policy's").unwrap();
    assert_eq!(dirty_policy_paths(&repo).unwrap(), Vec::<String>::new());
    fs::write(temp.path("repo/jit.toml"), "changed").unwrap();
    fs::remove_file(temp.path("repo/tests/a/b.toml")).unwrap();
    fs::write(temp.path("repo/policies/any.thing"), "").unwrap();
    fs::create_dir(temp.path("repo/targets")).unwrap();
    fs::write(temp.path("repo/targets/staged.toml"), "").unwrap();
    temp.git("repo", &["add", "targets"]);
    let expected = ["jit.toml", "policies/any.thing", "targets/staged.toml", "tests/a/b.toml"];
    assert_eq!(dirty_policy_paths(&repo).unwrap(), expected);
}
