//! What others may push: void commits, forks, merges, objects that stock git would not write.

use jit::core::history::chain::ChainError;
use jit::core::history::void::Void;
use jit::edge::log::WalkError;

use crate::support::{Temp, policy};

#[test]
fn void_commits_made_with_stock_git_are_told_and_healed() {
    let temp = Temp::new();
    let here = temp.repo();
    here.append("one");
    here.append("two");
    let start = here.tip().to_string();
    let valid = temp.git("repo", &["rev-parse", "jit/audit^{tree}"]);
    let audit = temp.git("repo", &["rev-parse", "jit/audit:audit"]);
    let blob = temp.object("blob", b"x");
    let with = |line: &str| temp.tree(&format!("040000 tree {audit}\taudit\n{line}\n"));
    let digest = policy(&[("jit.toml", "")]).line;
    let digest = String::from_utf8(digest).unwrap();
    let table = [
        (valid, Void::NothingNew),
        (temp.log_tree(&["genesis", "one"]), Void::Drops(2)),
        (temp.log_tree(&["genesis", "one", "2", "three"]), Void::Changes(2)),
        (temp.log_tree(&["genesis", "two", "one"]), Void::Reorders(1)),
        (temp.log_tree(&["genesis", "one", "two", &digest]), Void::Missing("policy/0000000003".into())),
        (with(&format!("100644 blob {blob}\tREADME")), Void::Stray("README".into())),
        (with(&format!("120000 blob {blob}\tpolicy")), Void::Mode("policy".into(), 0o120_000)),
        (with(&format!("160000 commit {start}\tpolicy")), Void::Mode("policy".into(), 0o160_000)),
        (temp.tree(""), Void::Missing("audit".into())),
    ];
    let mut expected = Vec::new();
    for (tree, void) in table {
        let tip = temp.commit(&tree, &[&here.tip().to_string()]);
        temp.move_branch(&tip);
        expected.push((here.tip(), void));
        assert_eq!(here.walk().voids, expected);
        assert_eq!(here.lines(), ["genesis", "one", "two"]);
    }
    let healed = here.append("three");
    assert_eq!(here.lines(), ["genesis", "one", "two", "three"]);
    assert_eq!(here.walk().voids, expected);
    assert_eq!(here.walk().last_valid_commit, healed.commit);
}

#[test]
fn objects_that_git_would_not_write_are_walked_past() {
    let temp = Temp::new();
    let here = temp.repo();
    let log = temp.log_tree(&["genesis", "one"]);
    let raw = |name: &str, oid: &str| {
        let bytes: Vec<u8> = (0..20).map(|i| u8::from_str_radix(&oid[2 * i..2 * i + 2], 16).unwrap()).collect();
        [name.as_bytes(), b"\0", &bytes].concat()
    };
    let audit = temp.git("repo", &["rev-parse", &format!("{log}:audit")]);
    let blob = temp.object("blob", b"genesis\none\n");
    let folder = temp.tree(&format!("100644 blob {blob}\t0000000000.jsonl"));
    let table = [
        ("a padded mode", raw("040000 audit", &audit), "/"),
        ("an entry twice", [raw("40000 audit", &audit), raw("40000 audit", &audit)].concat(), "/"),
        ("an empty name", raw("40000 ", &audit), "/"),
        ("no tree", b"garbage".to_vec(), "/"),
        ("a blob that is said to be a tree", raw("40000 audit", &blob), "audit"),
    ];
    for (name, tree, path) in table {
        let tree = temp.object("tree", &tree);
        let text = format!("tree {tree}\nparent {}\n\n", here.tip());
        let tip = temp.object("commit", text.as_bytes());
        temp.move_branch(&tip);
        assert_eq!(here.walk().voids.last().unwrap().1, Void::Unreadable(path.into()), "{name}");
    }
    // A tree that is said to be a segment.
    let mut below = raw("100644 0000000000.jsonl", &folder);
    for name in ["0000000000", "0000000000", "audit"] {
        below = raw(&format!("40000 {name}"), &temp.object("tree", &below));
    }
    let tip = temp.commit(&temp.object("tree", &below), &[&here.tip().to_string()]);
    temp.move_branch(&tip);
    let segment = "audit/0000000000/0000000000/0000000000.jsonl".to_owned();
    assert_eq!(here.walk().voids.last().unwrap().1, Void::Unreadable(segment));
    // No author, no message, upper-case digits: git walks it, and it is an append like any other.
    let text = format!("tree {}\nparent {}\nmumble", log.to_uppercase(), here.tip().to_string().to_uppercase());
    temp.move_branch(&temp.object("commit", text.as_bytes()));
    assert_eq!(here.lines(), ["genesis", "one"]);
    here.append("two");
    assert_eq!((here.lines().len(), here.walk().voids.len()), (3, 6));
}

#[test]
fn a_merge_with_a_forked_first_parent_does_not_hide_the_log() {
    let temp = Temp::new();
    let here = temp.repo();
    let first = here.tip().to_string();
    here.append("one");
    let pin = here.append("two").commit;
    let tip = here.tip().to_string();
    let fork_tree = temp.log_tree(&["genesis", "x", "y", "z"]);
    let fork = temp.commit(&fork_tree, &[&first]);
    let merge = temp.commit(&fork_tree, &[&fork, &tip]);
    temp.move_branch(&merge);
    assert!(matches!(here.try_walk(None), Err(WalkError::Chain(ChainError::Forked(at))) if at == here.tip()));
    assert!(here.try_walk(None).unwrap_err().is_untrusted());
    let walked = here.try_walk(Some(pin)).unwrap();
    assert_eq!((walked.size(), walked.holds_pin), (3, true));
    assert_eq!(walked.voids, [(here.tip(), Void::Merge(2))]);

    // A merge of the log with an older part of itself, and with something unrelated, is void and no more.
    let stranger = temp.commit(&temp.tree(""), &[]);
    let merge = temp.commit(&fork_tree, &[&stranger, &first, &tip]);
    temp.move_branch(&merge);
    assert_eq!(here.lines(), ["genesis", "one", "two"]);
    here.append("three");
    assert_eq!(here.lines(), ["genesis", "one", "two", "three"]);
}

#[test]
fn what_is_no_log_is_said_to_be_none() {
    let temp = Temp::new();
    let here = temp.repo();
    let table = [
        (temp.log_tree(&["genesis", "two"]), Void::NotAlone),
        (temp.log_tree(&["something"]), Void::NotGenesis),
        (temp.tree(""), Void::Missing("audit".into())),
    ];
    for (tree, expected) in table {
        temp.move_branch(&temp.commit(&tree, &[]));
        match here.try_walk(None) {
            Err(WalkError::Chain(ChainError::NoLog(commit, why))) => {
                assert_eq!((commit, why), (here.tip(), expected));
            }
            other => panic!("{other:?}"),
        }
        assert!(here.try_append("a").is_err());
    }
}

#[test]
fn a_missing_object_is_not_held_against_the_log() {
    let temp = Temp::new();
    let here = temp.repo();
    here.append("one");
    let blob = temp.git("repo", &["rev-parse", "jit/audit:audit/0000000000/0000000000/0000000000.jsonl"]);
    let (folder, file) = blob.split_at(2);
    std::fs::remove_file(temp.path(&format!("repo/.git/objects/{folder}/{file}"))).unwrap();
    let error = here.try_walk(None).unwrap_err();
    assert!(!error.is_untrusted(), "{error}");
    assert!(error.to_string().contains(&blob), "{error}");
}
