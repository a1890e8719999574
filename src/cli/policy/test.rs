//! `jit policy test`: whether the policy says what its tests expect.

use std::path::PathBuf;

use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::exit::{Exit, Failure};
use crate::cli::render::{self, Role};
use crate::core::policy::{self, Place, Policy, PolicyFiles, Tests};
use crate::core::rehearsal::Rehearsal;
use crate::edge::policy_tree;

/// Run the policy's tests: cases, and assertions about everybody and everything
///
/// They stand in files under tests/. Nothing is signed, logged or fetched.
#[derive(clap::Args, Debug)]
pub(in crate::cli) struct TestArgs {
    /// The folder with jit.toml [default: that of the policy repo]
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

/// One case or assertion, and what came of it.
#[derive(Serialize)]
pub(super) struct Tested {
    name: String,
    kind: &'static str,
    pub(super) ok: bool,
    faults: Vec<String>,
    path: Option<String>,
    line: Option<usize>,
}

#[derive(Serialize)]
struct TestsJson {
    ok: bool,
    tests: Vec<Tested>,
}

pub(super) fn run(cx: &mut Context<'_>, args: &TestArgs) -> anyhow::Result<Exit> {
    let files = policy_tree::read_folder(&super::lint::folder(cx, args.folder.as_deref())?)?;
    let tests = read(cx, &files)?;
    let Some((policy, tests)) = tests else {
        return Err(Failure::denied("the policy or its tests do not load")
            .help("`jit policy lint` checks them")
            .into());
    };
    let tested = play(&policy, &tests);
    let failed = tested.iter().filter(|one| !one.ok).count();
    if cx.json() {
        cx.print_json(&TestsJson { ok: failed == 0, tests: tested })?;
        return Ok(if failed == 0 { Exit::Done } else { Exit::Denied });
    }
    let coloured = cx.coloured();
    for one in tested.iter().filter(|one| !one.ok) {
        cx.print(&describe(one, coloured))?;
    }
    cx.print(&summary(&tests, failed))?;
    Ok(if failed == 0 { Exit::Done } else { Exit::Denied })
}

/// Loads a policy and its tests, and says what is wrong with them; none if something is.
pub(super) fn read(cx: &mut Context<'_>, files: &PolicyFiles) -> anyhow::Result<Option<(Policy, Tests)>> {
    let loaded = policy::load(files).and_then(|policy| policy::read_tests(&policy, files).map(|tests| (policy, tests)));
    match loaded {
        Ok(loaded) => Ok(Some(loaded)),
        Err(errors) => {
            for error in &errors {
                let text = super::render_finding(files, error);
                cx.world.warn(&text);
            }
            Ok(None)
        }
    }
}

/// Plays all cases and asks all assertions.
pub(super) fn play(policy: &Policy, tests: &Tests) -> Vec<Tested> {
    let rehearsal = Rehearsal::new(policy);
    let cases = tests.cases.iter().map(|case| {
        let faults = rehearsal.play(case).faults;
        tested(&case.name, "test", case.place.as_ref(), faults)
    });
    let assertions = tests.assertions.iter().map(|assertion| {
        let faults = rehearsal.breaches(assertion).unwrap_or_else(|why| vec![format!("it can't be told: {why}")]);
        tested(&assertion.name, "assert", assertion.place.as_ref(), faults)
    });
    cases.chain(assertions).collect()
}

fn tested(name: &str, kind: &'static str, place: Option<&Place>, faults: Vec<String>) -> Tested {
    Tested {
        name: name.to_owned(),
        kind,
        ok: faults.is_empty(),
        faults,
        path: place.map(|place| place.path.clone()),
        line: place.map(|place| place.span.line),
    }
}

/// Describes one that failed.
pub(super) fn describe(one: &Tested, coloured: bool) -> String {
    let place = match (&one.path, one.line) {
        (Some(path), Some(line)) => format!("{path}:{line}: "),
        _ => String::new(),
    };
    let word = render::paint(coloured, Role::Bad, "FAILED");
    let faults: Vec<String> = one.faults.iter().map(|fault| format!("  {}", render::safe(fault))).collect();
    format!("{word} {}{} {}\n{}", render::safe(&place), one.kind, one.name, faults.join("\n"))
}

/// Says how many there were, and how many failed.
pub(super) fn summary(tests: &Tests, failed: usize) -> String {
    let count = |number: usize, thing| render::count(number as u64, thing);
    let all = format!("{}, {}", count(tests.cases.len(), "case"), count(tests.assertions.len(), "assertion"));
    match failed {
        0 => format!("{all}: all as expected."),
        failed => format!("{all}: {failed} failed."),
    }
}
