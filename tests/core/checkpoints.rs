//! What a witness's word on the log is worth, and who is not believed.

use jit::core::checkpoint::{Distrust, Word, judge};
use jit::core::hash::Hash;
use jit::core::statement::{Checkpoint, What};
use jit::core::view::ViewExt as _;

use crate::support::keys::{key, key2};
use crate::support::log::{Log, t};
use crate::support::org::Org;

const OTHER: Option<Hash> = Some(Hash([9; 32]));

fn org() -> Org {
    Org::new(&["alice"], 1)
        .people("bob")
        .service("w1", "alice")
        .service("w2", "alice")
        .service("ci", "alice")
        .allow("read", "bob", "**", "read", "4h")
        .setting("check", "{ witnesses = [\"w1\", \"w2\"] }")
}

/// A log in which w1 and w2 are witnesses; four lines.
fn scene() -> Log {
    let mut log = Log::new(&["alice"], 1);
    log.policy("alice", &org());
    log.request("bob", "db/a", "read", "1h", "");
    log.request("bob", "db/b", "read", "1h", "");
    log
}

/// What somebody says that they saw, as a file; `change` sets what a test wants otherwise in it.
fn file(log: &Log, by: &str, size: u64, root: Option<Hash>, change: impl FnOnce(&mut Log) -> &mut Log) -> Vec<u8> {
    let mut other = log.clone();
    change(&mut other);
    let root = root.or_else(|| log.view().root_at(size)).unwrap_or(Hash([7; 32]));
    other.state(by, What::Checkpoint(Checkpoint { size, root }));
    [other.line(other.size() - 1), b"\n"].concat()
}

/// It is signed so many seconds after the first line.
fn at(seconds: i64) -> impl FnOnce(&mut Log) -> &mut Log {
    move |log| log.at(t(seconds))
}

fn told(log: &Log, file: &[u8], now: i64) -> String {
    match judge(log.view(), file, t(now)) {
        Word::Extended(seen) => format!("extends {} at {}", seen.size, seen.at.since(t(0)).num_seconds()),
        Word::Ahead(seen) => format!("ahead {} at {}", seen.size, seen.at.since(t(0)).num_seconds()),
        Word::Fork(fork) => {
            assert_ne!(fork.witnessed, fork.here);
            let text = fork.to_string();
            assert!([fork.witnessed, fork.here].iter().all(|root| text.contains(&root.to_string())), "{text}");
            format!("fork at {}", fork.size)
        }
        Word::NotBelieved(why) => match why {
            Distrust::NoLine(_) => "no line",
            Distrust::OtherKind(_) => "other kind",
            Distrust::OtherLog(_) => "other log",
            Distrust::NoWitness(_) => "no witness",
            Distrust::NotTheirKey(..) => "not their key",
            Distrust::Empty => "empty",
            Distrust::FromAhead(_) => "from ahead",
        }
        .to_owned(),
    }
}

#[test]
fn words_of_witnesses() {
    let log = scene();
    let table: Vec<(&str, Vec<u8>, &str)> = vec![
        ("the whole log", file(&log, "w1", 4, None, at(90)), "extends 4 at 90"),
        ("another witness", file(&log, "w2", 4, None, at(90)), "extends 4 at 90"),
        ("an older log", file(&log, "w1", 1, None, |o| o.seeing(1).at(t(90))), "extends 1 at 90"),
        ("just now", file(&log, "w1", 4, None, at(100)), "extends 4 at 100"),
        ("a clock that is ahead counts as now", file(&log, "w1", 4, None, at(160)), "extends 4 at 100"),
        ("but not by more", file(&log, "w1", 4, None, at(161)), "from ahead"),
        ("a longer log", file(&log, "w1", 5, None, at(90)), "ahead 5 at 90"),
        ("a longer log, yet to come", file(&log, "w1", 5, None, at(161)), "from ahead"),
        ("no line", file(&log, "w1", 0, None, at(90)), "empty"),
        ("no line seen", file(&log, "w1", 4, None, |o| o.seeing(0)), "empty"),
        ("another root", file(&log, "w1", 3, OTHER, at(90)), "fork at 3"),
        ("another root, yet to come", file(&log, "w1", 3, OTHER, at(900)), "fork at 3"),
        ("another root seen", file(&log, "w1", 4, None, |o| o.seeing_root(2, Hash([9; 32]))), "fork at 2"),
        ("a longer log of another root", file(&log, "w1", 9, OTHER, |o| o.seeing(2)), "ahead 9 at 4"),
        ("a service that is no witness", file(&log, "ci", 4, None, at(90)), "no witness"),
        ("a person, even a maintainer", file(&log, "alice", 4, None, at(90)), "no witness"),
        ("nobody, with another root", file(&log, "ci", 3, OTHER, at(90)), "no witness"),
        ("another's key", file(&log, "w1", 4, None, |o| o.by_key(key("w2"))), "not their key"),
        ("an unknown key, another root", file(&log, "w1", 3, OTHER, |o| o.by_key(key2("w1"))), "not their key"),
        ("another log", file(&log, "w1", 4, None, |o| o.of_log(Hash([1; 32]))), "other log"),
        ("a request", [log.line(2), b"\n"].concat(), "other kind"),
        ("the genesis", [log.line(0), b"\n"].concat(), "other kind"),
        ("nothing", Vec::new(), "no line"),
        ("an empty line", b"\n".to_vec(), "no line"),
        ("20 KiB", [vec![b'x'; 20 * 1024], b"\n".to_vec()].concat(), "no line"),
    ];
    for (name, file, expected) in table {
        assert_eq!(told(&log, &file, 100), expected, "{name}");
    }
}

#[test]
fn the_form_is_strict() {
    let log = scene();
    let good = file(&log, "w1", 4, None, |o| o);
    assert_eq!(told(&log, &good, 100), "extends 4 at 4");
    let line = good.strip_suffix(b"\n").unwrap();
    for bad in [line.to_vec(), [line, b"\r\n"].concat(), [&good[..], b"\n"].concat(), [&good[..], &good[..]].concat()] {
        assert_eq!(told(&log, &bad, 100), "no line");
    }
    for at in 0..line.len() {
        let mut changed = good.clone();
        changed[at] ^= 1;
        assert_eq!(told(&log, &changed, 100), "no line", "byte {at}");
    }
}

#[test]
fn whoever_is_a_witness_now_is_asked_now() {
    let mut log = scene();
    let word = file(&log, "w1", 4, None, |o| o);
    assert_eq!(told(&log, &word, 1000), "extends 4 at 4");
    let changes = [
        ("named no more", org().setting("check", "{ witnesses = [\"w2\"] }"), "no witness"),
        ("another key", org().keys("w1", &[key2("w1")]), "not their key"),
        ("no witnesses", org().setting("check", "{}"), "no witness"),
        ("named again", org(), "extends 4 at 4"),
    ];
    for (name, org, expected) in changes {
        log.policy("alice", &org);
        assert_eq!(told(&log, &word, 1000), expected, "{name}");
    }
    assert!(log.view().rules().is_some());
    // Before the first policy nobody is a witness.
    let start = Log::new(&["alice"], 1);
    assert_eq!(told(&start, &file(&start, "alice", 1, None, |o| o), 100), "no witness");
}

#[test]
fn a_checkpoint_of_a_fork_proves_it_once_the_logs_are_as_long() {
    let base = scene();
    let (mut here, mut there) = (base.clone(), base);
    there.request("bob", "db/there", "read", "1h", "");
    let word = file(&there, "w1", 5, None, |o| o);
    assert_eq!(told(&here, &word, 100), "ahead 5 at 5");
    here.request("bob", "db/here", "read", "1h", "");
    assert_eq!(told(&here, &word, 100), "fork at 5");
    here.request("bob", "db/more", "read", "1h", "");
    assert_eq!(told(&here, &word, 100), "fork at 5");
    assert_eq!(told(&there, &word, 100), "extends 5 at 5");
}
