//! What every command has in common: where the repo is found, talk and colour, and what a wrong command line says.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use insta::assert_snapshot;

use crate::support::Team;
use crate::support::shape::{assert_shape, error};

#[test]
fn the_repo() {
    let team = Team::new();
    let elsewhere = team.path("home");
    let table = [
        ("named", "whoami -C ../repo", None, team.path("home"), 0),
        ("in the environment", "whoami", Some(team.repo()), team.path("home"), 0),
        ("around the current folder", "whoami", None, team.repo().join("policies"), 0),
        ("the default one", "whoami", None, elsewhere, 0),
        ("no repo", "whoami -C /nowhere", None, team.repo(), 5),
        ("no repo, in the environment", "whoami", Some("/nowhere".into()), team.repo(), 5),
    ];
    for (what, line, variable, cwd, status) in table {
        let call = team.jit("alice", line).cwd(&cwd);
        let call = match variable {
            Some(repo) => call.var("JIT_REPO", repo),
            None => call,
        };
        if status != 0 {
            team.note(what);
        }
        let ran = if status == 0 { call.run() } else { call.show() };
        assert_eq!(ran.status, status, "{what}: {ran:?}");
    }
    team.note("nobody made one here");
    assert_eq!(team.jit("bob", "whoami").cwd(&team.path("home")).show().status, 5);
    team.note("a git repo without a log");
    let bare = Team::without_log();
    assert_eq!(bare.jit("alice", "list -C .").show().status, 5);
    assert_snapshot!(format!("{}\n\n{}", team.transcript(), bare.transcript()));
}

#[test]
fn quiet_and_verbose_and_colour() {
    let team = Team::new();
    let id = team.request("alice", "ssh/prod/web-1");
    let ran = team.jit("bob", &format!("approve {id} --yes -q")).run();
    assert_eq!((ran.err.as_str(), ran.out.is_empty()), ("", false));
    assert_eq!(team.jit("alice", "list -q -v").run().status, 2);
    for (line, colours) in [
        ("check ssh/prod/web-1 --color always", true),
        ("check ssh/prod/web-1 --color never", false),
        ("check ssh/prod/web-1", false),
    ] {
        assert_eq!(team.jit("alice", line).run().out.contains('\u{1b}'), colours, "{line}");
        let line = line.replace("web-1", "WEB");
        assert!(!team.jit("alice", &line).run().err.contains('\u{1b}'), "{line}");
    }
    let at_terminal = || team.jit("alice", "check ssh/prod/web-1").at_terminal();
    assert!(at_terminal().run().out.contains('\u{1b}'));
    assert!(!at_terminal().var("NO_COLOR", "1").run().out.contains('\u{1b}'));
    assert!(!at_terminal().var("TERM", "dumb").run().out.contains('\u{1b}'));
    assert!(team.jit("alice", "show 00000000 --color always").run().err.starts_with("\u{1b}[31merror:\u{1b}[0m"));
    assert!(team.jit("alice", "help").at_terminal().run().out.contains('\u{1b}'));
    assert!(!team.jit("alice", "help").at_terminal().var("NO_COLOR", "1").run().out.contains('\u{1b}'));
    for (line, shown) in [("request db/staging/x read --color always", "Granted"), ("list --color always", "live")] {
        let ran = team.jit("alice", line).run();
        assert!(ran.status == 0 && ran.out.contains(shown), "{ran:?}");
    }
}

#[test]
fn every_command_takes_yes() {
    let team = Team::new();
    let id = team.request("alice", "ssh/prod/web-1");
    for (who, line, status) in [
        ("alice", "request db/staging/x read --yes".to_owned(), 0),
        ("alice", "--yes check db/staging/x read".to_owned(), 0),
        ("alice", "done --yes".to_owned(), 0),
        ("alice", "whoami --yes".to_owned(), 0),
        ("bob", "list --yes --pending".to_owned(), 0),
        ("bob", format!("show --yes {id}"), 0),
        ("bob", format!("--yes approve {id}"), 0),
        ("alice", format!("token --yes {id}"), 0),
        ("alice", format!("revoke {id} --reason x --yes"), 0),
        ("alice", "policy status --yes".to_owned(), 0),
        ("alice", "policy publish --yes".to_owned(), 0),
        ("alice", "audit verify --yes".to_owned(), 0),
        ("alice", "sync --yes".to_owned(), 1),
    ] {
        let ran = team.jit(who, &line).run();
        assert_eq!(ran.status, status, "{line}: {ran:?}");
    }
    // Where it is given nobody looks, so a short id will not do: not even where nothing would be asked.
    let id = team.request("alice", "ssh/prod/web-1");
    for line in ["token --yes ID", "done --yes ID", "revoke --yes ID --reason x", "approve --yes ID"] {
        let ran = team.jit("alice", &line.replace("ID", &id[..8])).at_terminal().run();
        assert!(ran.status == 2 && ran.err.contains("with --yes an id needs at least 16 digits"), "{line}: {ran:?}");
    }
}

#[test]
fn wrong_command_lines() {
    let team = Team::new();
    for line in [
        "",
        "approv 00000000",
        "list --pendign",
        "identity",
        "policy",
        "audit",
        "check db/x --subject alice --ssh-key x",
        "list 'a\u{1b}[2Jb\nerror: all is well\u{202e}'",
        "list --color purple",
        "request '\u{202e}x'",
    ] {
        assert_eq!(team.jit("alice", line).show().status, 2, "{line}");
    }
    team.note("not UTF-8");
    let args = ["jit", "show"].iter().map(OsString::from).chain([OsString::from_vec(vec![b'a', 0xff, 0x1b])]);
    assert_eq!(team.args("alice", args.collect(), "show a\\xff\\x1b").show().status, 2);
    assert_snapshot!(team.transcript());
}

#[test]
fn failures_are_json_too() {
    let team = Team::new();
    for (line, status) in [
        ("whoami -C /nowhere", 5),
        ("show 0000000000000000", 1),
        ("show zz", 2),
        ("list --mine --key nowhere", 5),
        ("policy lint ../nowhere", 5),
        ("request db/staging/x --not-before never", 2),
        ("lockdown --reason x", 2),
        ("", 2),
        ("nothing", 2),
        ("check db//x", 2),
        ("request", 2),
        ("list --all --pending", 2),
        ("audit export --format csv", 2),
    ] {
        let ran = team.jit("alice", &format!("{line} --json")).run();
        assert_eq!(ran.status, status, "{line}");
        assert_shape(&ran.json(), &error());
        assert!(ran.err.contains("error: "), "{line}: {}", ran.err);
    }
    let answer = team.jit("alice", "check db//x --json").run().json();
    let text = "invalid value 'db//x' for '<RESOURCE>': a resource has no empty segment: no `/` at an end, no `//`";
    assert_eq!(answer["error"], serde_json::json!({"code": null, "message": text, "help": null}));
    let answer = team.jit("alice", "request --json").run().json();
    let text = "the following required arguments were not provided: <RESOURCE>";
    let help = "Usage: jit request --json <RESOURCE> [ACTION|RESOURCE]...";
    assert_eq!(answer["error"], serde_json::json!({"code": null, "message": text, "help": help}));
    // What follows `--` is no option.
    assert_eq!(team.jit("alice", "list -- --json").run().out, "");
}

#[test]
fn whoever_reads_may_go() {
    let team = Team::new();
    team.request("alice", "db/staging/x read");
    for line in ["list", "audit log", "audit export", "whoami --json", "--help", "--version"] {
        let ran = team.jit("alice", line).close_out().run();
        assert_eq!((ran.status, ran.err.as_str()), (0, ""), "{line}");
    }
}
