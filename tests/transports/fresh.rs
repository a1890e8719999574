//! What a CI job does: a fresh clone of a long log, and one check. How long that takes is told beside `git clone` alone,
//! on standard error past the test harness, and never fails.

use std::fs;
use std::io::Write as _;
use std::process::Command;
use std::time::{Instant, SystemTime};

use jit::core::time::Timestamp;

use crate::host::Host;
use crate::lab::Said;
use crate::support::history::{honest, import};

/// How many lines the log has.
const LINES: u64 = 10_000;

#[test]
fn a_ci_job_clones_a_long_log_and_checks() {
    let host = Host::new();
    let mut log = honest(LINES - 1, 1);
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    log.at(Timestamp::from_unix(since_1970.as_secs().try_into().unwrap()));
    log.request("p1", "db/staging/orders", "read", "1h", "a migration");
    assert!(log.deltas().iter().all(|delta| delta.verdict == jit::core::ledger::Verdict::Effect));
    fs::remove_dir_all(host.bare()).unwrap();
    host.lab.git(&["init", "-q", "--bare", "-b", "main", host.bare().to_str().unwrap()]);
    import(&log, &host.bare(), &[("jit.toml", b"")]);

    let url = host.file_url();
    let timed = |mut command: Command| {
        let started = Instant::now();
        let said = Said::from(command.output().unwrap()).exits(0);
        (started.elapsed(), said)
    };
    let mut git = host.command("robot", "git");
    git.args(["clone", "-q", "--no-tags", &url, "plain"]);
    let (git, _) = timed(git);
    let genesis = log.genesis().to_string();
    let (clone, said) = timed(host.jit_command("robot", &["clone", &url, "access", "--genesis", &genesis, "--json"]));
    assert_eq!(said.json()["size"], LINES);
    let asked = ["-C", "access", "check", "db/staging/orders", "read", "--subject", "p1"];
    let (check, _) = timed(host.jit_command("robot", &asked));
    let text = format!(
        "{LINES} lines: git clone {git:.2?}, jit clone {clone:.2?}, jit check {check:.2?}{}\n",
        if cfg!(debug_assertions) { " (not optimised)" } else { "" }
    );
    std::io::stderr().write_all(text.as_bytes()).unwrap();
}
