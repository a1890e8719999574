//! Every kind of push, judged.

use crate::forge::{BRANCH, Entry, segment_path, segments};
use crate::host::{Hook, Host};
use crate::lab::Lab;

/// A branch of the laboratory's repo for what is pushed, so that its log stays as it is.
const SIDE: &str = "refs/heads/side";

/// A void commit: a name, the commit it is made on top of, what it changes, and words of the reason.
struct Attack {
    name: &'static str,
    parents: Vec<String>,
    entries: Vec<Entry>,
    removed: &'static [&'static str],
    reason: &'static str,
}

/// Each kind of commit that is no append, on top of the log as it stands.
fn attacks(lab: &Lab) -> Vec<Attack> {
    let (tip, lines) = (lab.tip(), lab.lines());
    let last = lines.len() - 1;
    let longer = [lines.clone(), vec![b"x".to_vec()]].concat();
    let mut changed = longer.clone();
    changed[last][20] ^= 1;
    let mut reordered = longer.clone();
    reordered.swap(last, last - 1);
    let with = |path: &str, bytes: &[u8]| [segments(&longer, 0), vec![Entry::file(path, bytes)]].concat();
    let first = lab.git(&["rev-list", "--max-parents=0", BRANCH]);
    let attack = |name, entries, removed, reason| Attack { name, parents: vec![tip.clone()], entries, removed, reason };
    vec![
        attack("drop", segments(&lines[..last], 0), &[], "it drops line"),
        attack("drop all", vec![Entry::file("README", b"")], &["audit", "policy"], "is void"),
        attack("change", segments(&changed, 0), &[], "it changes line"),
        attack("reorder", segments(&reordered, 0), &[], "it reorders the lines from line"),
        attack("nothing new", vec![], &[], "it adds no line"),
        attack("half a line", vec![Entry::file(&segment_path(0), b"x")], &[], "is void"),
        attack(
            "many lines",
            segments(&[lines.clone(), vec![Vec::new(); 257]].concat(), 0),
            &[],
            "more than 256 lines at once",
        ),
        attack(
            "large lines",
            segments(&[lines.clone(), vec![vec![b'x'; 60_000]; 18]].concat(), 0),
            &[],
            "more than 1024 KiB of lines at once",
        ),
        attack("stray file", with("README.md", b"hello\n"), &[], "it holds `README.md`"),
        attack("escapes", with("audit/\u{1b}[2J\u{202e}", b"x\n"), &[], "\\u{1b}[2J\\u{202e}"),
        attack("changed policy", with("policy/0000000001/jit.toml", b"format = 1\n"), &[], "it changes the policy in"),
        attack("policy without a line", with("policy/0000000009/jit.toml", b""), &[], "policy/0000000009"),
        Attack {
            parents: vec![tip.clone(), first.clone()],
            ..attack("merge", segments(&longer, 0), &[], "it is a merge of 2 commits")
        },
        Attack { parents: vec![first], ..attack("force", segments(&longer, 0), &[], "takes back commits") },
    ]
}

/// Pushes every attack, by `push`, which is given a refspec.
pub(crate) fn assert_attacks_are_refused(host: &Host, mut push: impl FnMut(&str) -> crate::lab::Said) {
    let before = host.tip(BRANCH).unwrap();
    for Attack { name, parents, entries, removed, reason } in attacks(&host.lab) {
        let parents: Vec<&str> = parents.iter().map(String::as_str).collect();
        host.lab.commit(SIDE, &parents, &entries, removed);
        let said = push(&format!("+{SIDE}:{BRANCH}"));
        assert_eq!(said.code, Some(1), "{name}: {said:?}");
        assert!(said.stdout.contains("(hook declined)"), "{name}: {said:?}");
        // git wraps nothing and puts `remote: ` before what the hook says.
        assert!(said.stderr.contains("remote: error: this push to jit/audit is refused: "), "{name}: {said:?}");
        assert!(said.stderr.contains(reason), "{name}: {said:?}");
        assert!(!said.stderr.contains(['\u{1b}', '\u{202e}']) || name != "escapes", "{name}: {said:?}");
        assert_eq!(host.tip(BRANCH).unwrap(), before, "{name}");
    }
    let said = push(&format!(":{BRANCH}"));
    assert!(said.code == Some(1) && said.stderr.contains("it deletes jit/audit"), "{said:?}");
    assert_eq!(host.tip(BRANCH).unwrap(), before);
}

#[test]
fn what_is_no_append_is_refused_and_the_pusher_sees_why() {
    let host = Host::new();
    host.lab.request("carol", &["db/prod/orders", "read"], 0);
    host.push(&[BRANCH]).exits(0);
    assert_attacks_are_refused(&host, |refspec| host.push(&[refspec]));
}

#[test]
fn appends_get_in_one_or_many_at_a_time() {
    let host = Host::new();
    for rounds in 1..=3 {
        for _ in 0..rounds {
            host.lab.request("carol", &["db/prod/orders", "read"], 0);
        }
        host.push(&[BRANCH]).exits(0);
        assert_eq!(host.tip(BRANCH).unwrap(), host.lab.tip());
    }
    // With a policy and its files, and with a line that no gate will believe: rights are not the host's to judge.
    host.lab.publish(&host.lab.changed("max = \"4h\"", "max = \"3h\"")).exits(0);
    host.lab.push(&["rubbish"]);
    host.push(&[BRANCH]).exits(0);
    assert_eq!(host.tip(BRANCH).unwrap(), host.lab.tip());
}

#[test]
fn a_void_commit_is_refused_also_below_one_that_heals_it() {
    let host = Host::new();
    let (tip, lines) = (host.lab.tip(), host.lab.lines());
    let dropped = host.lab.commit(SIDE, &[&tip], &segments(&lines[..1], 0), &[]);
    let healed = [lines, vec![b"more".to_vec()]].concat();
    let last = host.lab.commit(SIDE, &[&dropped], &segments(&healed, 0), &[]);
    let said = host.push(&[&format!("{last}:{BRANCH}")]).exits(1);
    assert!(said.stderr.contains(&format!("commit {dropped} is void: it drops line 1")), "{said:?}");
}

#[test]
fn other_refs_are_left_alone() {
    let host = Host::new();
    host.lab.commit_policy(&host.lab.changed("max = \"4h\"", "max = \"3h\""));
    let (tip, lines) = (host.lab.tip(), host.lab.lines());
    host.lab.commit(SIDE, &[&tip], &segments(&lines[..1], 0), &[]);
    for refspec in [
        "main",
        "+side:refs/heads/jit/witness/w",
        "+main:refs/heads/jit/witness/w",
        "side:refs/heads/jit/audit2",
        "+side:main",
        ":main",
    ] {
        // Deleting the branch that HEAD names is git's own to refuse.
        host.lab.git(&["-C", host.bare().to_str().unwrap(), "config", "receive.denyDeleteCurrent", "ignore"]);
        host.push(&[refspec]).exits(0);
    }
    assert_eq!(host.tip(BRANCH).unwrap(), tip);
    assert_eq!(host.tip("refs/heads/main"), None);
    // One bad ref does not keep the others out.
    host.push(&["main", &format!("+side:{BRANCH}")]).exits(1);
    assert!(host.tip("refs/heads/main").is_some());
    assert_eq!(host.tip(BRANCH).unwrap(), tip);
}

#[test]
fn a_new_branch_has_to_be_a_log() {
    let host = Host::empty(Hook::Update);
    let (tip, lines) = (host.lab.tip(), host.lab.lines());
    let first = host.lab.git(&["rev-list", "--max-parents=0", BRANCH]);
    let dropped = host.lab.commit(SIDE, &[&tip], &segments(&lines[..1], 0), &[]);
    let merge = host.lab.commit(SIDE, &[&tip, &first], &[], &[]);
    let stranger = host.lab.commit("refs/heads/stranger", &[], &segments(&[b"no genesis".to_vec()], 0), &[]);
    let whole = host.lab.commit("refs/heads/whole", &[], &segments(&lines[..2], 0), &[]);
    let main = host.lab.git(&["rev-parse", "main"]);
    for (pushed, reason) in [
        (&dropped, "it drops line"),
        (&merge, "it is a merge of 2 commits"),
        (&stranger, "line 0 is no valid genesis"),
        (&whole, "the first commit holds more than line 0"),
        (&main, "begins no log"),
    ] {
        let said = host.push(&[&format!("{pushed}:{BRANCH}")]).exits(1);
        assert!(said.stderr.contains(reason), "{reason}: {said:?}");
        assert_eq!(host.tip(BRANCH), None, "{reason}");
    }
    host.push(&[BRANCH]).exits(0);
    assert_eq!(host.tip(BRANCH).unwrap(), tip);
}

#[test]
fn what_git_still_keeps_apart_is_judged_too() {
    let host = Host::empty(Hook::PreReceive);
    host.push(&["main", BRANCH]).exits(0);
    host.lab.request("carol", &["db/prod/orders", "read"], 0);
    host.push(&[BRANCH]).exits(0);
    let (tip, lines) = (host.lab.tip(), host.lab.lines());
    let dropped = host.lab.commit(SIDE, &[&tip], &segments(&lines[..1], 0), &[]);
    let said = host.push(&[&format!("{dropped}:{BRANCH}")]).exits(1);
    assert!(said.stderr.contains("it drops line 1"), "{said:?}");
    assert_eq!(host.tip(BRANCH).unwrap(), tip);
    assert_eq!(host.tip(&format!("{dropped}^{{commit}}")), None, "what was refused is not kept");
}

#[test]
fn a_branch_that_was_broken_before_says_who_can_mend_it() {
    let host = Host::new();
    let stranger = host.lab.commit("refs/heads/stranger", &[], &segments(&[b"no genesis".to_vec()], 0), &[]);
    let next =
        host.lab.commit("refs/heads/next", &[&stranger], &segments(&[b"no genesis".to_vec(), b"x".to_vec()], 0), &[]);
    host.push(&["stranger", "next"]).exits(0);
    host.lab.git(&["-C", host.bare().to_str().unwrap(), "update-ref", BRANCH, &stranger]);
    let said = host.push(&[&format!("{next}:{BRANCH}")]).exits(1);
    assert!(
        said.stderr.contains("the branch as it stands can't be appended to") && said.stderr.contains("git update-ref"),
        "{said:?}"
    );
    // Where the log lacks objects nothing is let in either.
    let bare = host.bare();
    host.lab.git(&["-C", bare.to_str().unwrap(), "update-ref", BRANCH, &host.lab.tip()]);
    let zeros = "0".repeat(40);
    let missing = "9".repeat(40);
    let bare = bare.to_str().unwrap();
    for (args, code, words) in [
        ([BRANCH, &zeros, &missing], 5, "missing or damaged"),
        ([BRANCH, &missing, &host.lab.tip()], 1, "takes back commits"),
        ([BRANCH, "x", &missing], 2, "`x` is no commit id"),
        ([BRANCH, &zeros, "\u{1b}[2J"], 2, "is no commit id"),
        (["refs/heads/main", "x", "y"], 0, ""),
    ] {
        let said = host.lab.jit("mallory", &[&["-C", bare, "hook", "update"][..], &args].concat());
        assert!(said.code == Some(code) && said.stderr.contains(words) && !said.stderr.contains('\u{1b}'), "{said:?}");
    }
}

#[test]
fn git_s_own_settings_and_the_hook_go_together() {
    let host = Host::new().with_settings();
    let (tip, lines) = (host.lab.tip(), host.lab.lines());
    host.lab.request("carol", &["db/prod/orders", "read"], 0);
    host.push(&[BRANCH]).exits(0);
    let now = host.lab.tip();
    host.push(&[&format!("+{tip}:{BRANCH}")]).exits(1).says("non-fast-forward");
    host.push(&[&format!(":{BRANCH}")]).exits(1).says("deletion prohibited");
    let dropped = host.lab.commit(SIDE, &[&now], &segments(&lines, 0), &[]);
    host.push(&[&format!("{dropped}:{BRANCH}")]).exits(1).says("it drops line");
    assert_eq!(host.tip(BRANCH).unwrap(), now);
}
