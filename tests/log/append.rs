//! Appends as they should be: seen by stock git, by two at once, in packed and linked repositories.

use std::convert::Infallible;
use std::fs;

use jit::core::history::append::NewLine;
use jit::core::history::object::Oid;
use jit::core::policy::PolicyFiles;
use jit::edge::log::{self, AppendError, Draft};

use crate::support::{Here, Temp, context, policy};

#[test]
fn git_sees_a_history_and_nothing_else_is_touched() {
    let temp = Temp::new();
    let here = temp.repo();
    fs::write(temp.path("repo/staged"), "x").unwrap();
    temp.git("repo", &["add", "staged"]);
    let status = temp.git("repo", &["status", "--porcelain"]);
    let files = [("jit.toml", "format = 1"), ("identities/people.toml", "")];
    let logged = here.append_lines(&[policy(&files), NewLine::plain("")]).unwrap();
    assert_eq!((logged.first, logged.tail.size, logged.commit), (1, 3, here.tip()));

    assert_eq!(temp.git("repo", &["status", "--porcelain"]), status);
    assert_eq!(temp.git("repo", &["symbolic-ref", "HEAD"]), "refs/heads/main");
    temp.git("repo", &["fsck", "--strict", "--full"]);
    let history = temp.git("repo", &["log", "--format=%s by %an <%ae> at %ct", "jit/audit"]);
    let by = "by alice <alice@example.org> at 1700000000";
    assert_eq!(history, format!("Add lines {by}\nStart {by}"));
    let names = temp.git("repo", &["ls-tree", "-r", "--name-only", "jit/audit"]);
    let expected = [
        "audit/0000000000/0000000000/0000000000.jsonl",
        "policy/0000000001/identities/people.toml",
        "policy/0000000001/jit.toml",
    ];
    assert_eq!(names.lines().collect::<Vec<_>>(), expected);

    let walked = here.walk();
    assert_eq!(walked.size(), 3);
    let published = PolicyFiles::new(files.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))).unwrap();
    assert_eq!(walked.policy_files(&here.repo, 1).unwrap(), Some(published));
    assert_eq!(walked.policy_files(&here.repo, 2).unwrap(), None);
}

#[test]
fn the_author_is_gits_where_git_names_one() {
    let temp = Temp::new();
    let here = temp.repo();
    temp.git("repo", &["config", "user.name", "Alice A."]);
    here.append("a");
    assert_eq!(temp.git("repo", &["log", "-1", "--format=%an <%ae>", "jit/audit"]), "Alice A. <alice@example.org>");
    temp.git("repo", &["config", "user.email", "a@b"]);
    here.append("b");
    assert_eq!(temp.git("repo", &["log", "-1", "--format=%an <%ae>", "jit/audit"]), "Alice A. <a@b>");
}

#[test]
fn a_log_starts_once_and_with_a_genesis() {
    let temp = Temp::new();
    let here = temp.repo();
    let start = |line: &str| {
        log::start::<Infallible>(&here.repo, &context(0), NewLine::plain(line), String::new()).unwrap_err()
    };
    assert!(matches!(start("genesis"), AppendError::Exists));
    temp.git("repo", &["update-ref", "-d", "refs/heads/jit/audit"]);
    assert!(matches!(start("other"), AppendError::NotGenesis));
    assert!(matches!(here.try_append("a"), Err(AppendError::NoLog)));
}

#[test]
fn a_judge_may_decide_otherwise() {
    let temp = Temp::new();
    let here = temp.repo();
    let tip = here.tip();
    let refused = log::append(&here.repo, &context(1), None, &mut |walked| Err(walked.size()));
    assert!(matches!(refused, Err(AppendError::Judge(1))));
    assert!(matches!(here.append_lines(&[]), Err(AppendError::Build(_))));
    assert_eq!(here.tip(), tip);
}

#[test]
fn who_comes_second_is_judged_again_on_the_new_tip() {
    let temp = Temp::new();
    let here = temp.repo();
    let mut sizes = Vec::new();
    let logged = log::append::<Infallible>(&here.repo, &context(1), None, &mut |walked| {
        sizes.push(walked.size());
        if sizes.len() < 3 {
            here.append("first");
        }
        Ok(Draft { lines: vec![NewLine::plain("second")], message: String::new() })
    });
    assert_eq!(logged.unwrap().first, 3);
    assert_eq!(sizes, [1, 2, 3]);
    assert_eq!(here.lines(), ["genesis", "first", "first", "second"]);
}

#[test]
fn all_get_in_who_append_at_once() {
    const EACH: usize = 12;
    let temp = Temp::new();
    let here = temp.repo();
    let path = temp.path("repo");
    std::thread::scope(|scope| {
        for writer in ["a", "b", "c"] {
            let path = &path;
            scope.spawn(move || {
                let here = Here::open(path);
                for i in 0..EACH {
                    here.append(&format!("{writer} {i}"));
                }
            });
        }
    });
    let walked = here.walk();
    assert_eq!((walked.size(), walked.voids.len()), (1 + 3 * EACH as u64, 0));
    let lines = here.lines();
    for writer in ["a", "b", "c"] {
        let own: Vec<_> = lines.iter().filter(|line| line.starts_with(writer)).cloned().collect();
        assert_eq!(own, (0..EACH).map(|i| format!("{writer} {i}")).collect::<Vec<_>>());
    }
    assert_eq!(fs::read_dir(temp.path("repo/.git/jit")).unwrap().count(), 1, "only append.lock stays");
}

#[test]
fn packed_and_collected_repositories_go_on() {
    let temp = Temp::new();
    let here = temp.repo();
    for round in 0..4 {
        here.append(&format!("{round}"));
        temp.git("repo", &["pack-refs", "--all", "--prune"]);
        assert!(!temp.path("repo/.git/refs/heads/jit").exists(), "git removes the empty folder");
        temp.git("repo", &["gc", "-q", "--prune=now"]);
        assert_eq!(here.lines().len(), round + 2);
    }
    here.append("last");
    temp.git("repo", &["fsck", "--strict", "--full"]);
    assert_eq!(Here::open(&temp.path("repo")).lines(), ["genesis", "0", "1", "2", "3", "last"]);
}

#[test]
fn linked_work_trees_and_bare_clones_share_the_log() {
    let temp = Temp::new();
    let here = temp.repo();
    temp.git("repo", &["commit", "-q", "--allow-empty", "-m", "x"]);
    temp.git("repo", &["worktree", "add", "-q", "../linked"]);
    Here::open(&temp.path("linked")).append("from the linked one");
    assert_eq!(here.lines(), ["genesis", "from the linked one"]);
    temp.git(".", &["clone", "-q", "--bare", "repo", "bare.git"]);
    let bare = Here::open(&temp.path("bare.git"));
    bare.append("in the clone");
    assert_eq!(bare.lines().len(), 3);
    assert_eq!(here.lines().len(), 2);
}

#[test]
fn pins_are_found_again() {
    let temp = Temp::new();
    let here = temp.repo();
    let pin = here.append("a").commit;
    here.append("b");
    assert!(here.try_walk(Some(pin)).unwrap().holds_pin);
    assert!(!here.try_walk(Some(Oid([7; 20]))).unwrap().holds_pin);
    assert_eq!(here.walk().last_valid_commit, here.tip());
}
