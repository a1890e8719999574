//! `jit policy test`: whether the policy says what its tests expect.

mod junit;

use std::path::PathBuf;

use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::exit::{Exit, Failure};
use crate::cli::render::{self, Role};
use crate::core::coverage::{self, Covered};
use crate::core::policy::{self, Place, Policy, PolicyFiles, Tests};
use crate::core::rehearsal::{Fault, Rehearsal, Rehearsed};
use crate::edge::policy_tree;

/// Run the policy's tests: cases, and assertions about everybody and everything
///
/// They stand in files under tests/. Nothing is signed, logged or fetched.
///
/// A rule is covered when a test meets it as a whole. A condition is covered when a test meets all of its rule but this
/// one condition, so that it alone makes the difference; an entry of `approvals` with `longer_than`, when the rule also
/// allows a request that is long enough for it and one that is not. An assertion covers a deny rule, or an entry of
/// `approvals`, without which it would not hold. With all covered, no condition of an allow rule can be dropped
/// unnoticed.
#[derive(clap::Args, Debug)]
pub(in crate::cli) struct TestArgs {
    /// The folder with jit.toml [default: that of the policy repo]
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Say which rules, and which conditions of them, the tests would notice the loss of
    #[arg(long)]
    coverage: bool,
    /// Fail if less than this of a hundred conditions is covered
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    fail_under: Option<u8>,
    /// Write the results to this file as JUnit XML, which CI hosts show
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
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
    /// The faults as people see them.
    #[serde(skip)]
    shown: Vec<String>,
}

#[derive(Serialize)]
struct TestsJson {
    ok: bool,
    tests: Vec<Tested>,
    #[serde(skip_serializing_if = "Option::is_none")]
    coverage: Option<CoverageJson>,
}

#[derive(Serialize)]
struct CoverageJson {
    percent: u8,
    rules: Vec<CoveredJson>,
}

#[derive(Serialize)]
struct CoveredJson {
    rule: String,
    covered: usize,
    of: usize,
    missing: Vec<String>,
}

pub(super) fn run(cx: &mut Context<'_>, args: &TestArgs) -> anyhow::Result<Exit> {
    let files = policy_tree::read_folder(&super::lint::folder(cx, args.folder.as_deref())?)?;
    let tests = read(cx, &files)?;
    let Some((policy, tests)) = tests else {
        return Err(Failure::denied("the policy or its tests do not load")
            .help("`jit policy lint` checks them")
            .into());
    };
    let rehearsal = Rehearsal::new(&policy);
    let rehearsed = rehearsal.rehearse(&tests);
    let tested = results(&tests, &rehearsed);
    let failed = tested.iter().filter(|one| !one.ok).count();
    if let Some(path) = &args.junit {
        let path = cx.world.cwd().join(path);
        junit::write(&path, &tested)?;
    }
    let covered =
        (args.coverage || args.fail_under.is_some()).then(|| coverage::coverage(&rehearsal, &tests, &rehearsed));
    let percent = covered.as_deref().map(coverage::percent);
    let is_under = args.fail_under.zip(percent).is_some_and(|(least, percent)| percent < least);
    let is_ok = failed == 0 && !is_under;
    if cx.json() {
        let coverage = covered.as_deref().zip(percent);
        let coverage = coverage
            .map(|(covered, percent)| CoverageJson { percent, rules: covered.iter().map(covered_json).collect() });
        cx.print_json(&TestsJson { ok: is_ok, tests: tested, coverage })?;
    } else {
        let coloured = cx.coloured();
        for one in tested.iter().filter(|one| !one.ok) {
            cx.print(&describe(one, coloured))?;
        }
        cx.print(&summary(&tests, failed))?;
        if let Some((covered, percent)) = covered.as_deref().zip(percent) {
            cx.print(&describe_coverage(covered, percent))?;
        }
        if let (true, Some(least)) = (is_under, args.fail_under) {
            cx.world.say(&format!("At least {least}% are wanted."));
        }
    }
    Ok(if is_ok { Exit::Done } else { Exit::Denied })
}

fn covered_json(one: &Covered) -> CoveredJson {
    CoveredJson {
        rule: one.rule.to_string(),
        covered: one.reached(),
        of: one.goals.len(),
        missing: one.missing().map(|goal| goal.to_string()).collect(),
    }
}

/// Says what no test shows, rule by rule.
fn describe_coverage(covered: &[Covered], percent: u8) -> String {
    let rows = covered.iter().flat_map(|one| {
        let mut missing = one.missing().map(|goal| goal.to_string());
        let first = [one.rule.to_string(), format!("{}/{}", one.reached(), one.goals.len())];
        let [rule, share] = first;
        let first = [rule, share, missing.next().unwrap_or_default()];
        [first].into_iter().chain(missing.map(|goal| [String::new(), String::new(), goal])).collect::<Vec<_>>()
    });
    let rows: Vec<[String; 3]> = rows.collect();
    format!("\n{}\n\nCovered: {percent}%.", render::table(["RULE", "COVERED", "NO TEST SHOWS IT"], &rows))
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
    results(tests, &Rehearsal::new(policy).rehearse(tests))
}

fn results(tests: &Tests, rehearsed: &Rehearsed) -> Vec<Tested> {
    let cases = tests.cases.iter().zip(&rehearsed.cases).map(|(case, played)| {
        let shown = played.faults.iter().map(as_diff).collect();
        let faults = played.faults.iter().map(ToString::to_string).collect();
        tested(&case.name, "test", case.place.as_ref(), faults, shown)
    });
    let assertions = tests.assertions.iter().zip(&rehearsed.assertions).map(|(assertion, breaches)| {
        let faults = breaches.clone().unwrap_or_else(|why| vec![format!("it can't be told: {why}")]);
        tested(&assertion.name, "assert", assertion.place.as_ref(), faults.clone(), faults)
    });
    cases.chain(assertions).collect()
}

/// Writes a fault as lines of a file and what would have to stand in their place.
fn as_diff(fault: &Fault) -> String {
    let why = fault.why.as_ref().map(|why| format!("\n  {why}")).unwrap_or_default();
    format!("- {}\n+ {}{why}", fault.expected, fault.found)
}

fn tested(name: &str, kind: &'static str, place: Option<&Place>, faults: Vec<String>, shown: Vec<String>) -> Tested {
    Tested {
        shown,
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
    let lines = one.shown.iter().flat_map(|fault| fault.lines());
    let faults: Vec<String> = lines
        .map(|line| match (line.starts_with("- "), line.starts_with("+ ")) {
            (true, _) => format!("  {}", render::paint(coloured, Role::Good, &render::safe(line))),
            (_, true) => format!("  {}", render::paint(coloured, Role::Bad, &render::safe(line))),
            (false, false) => format!("  {}", render::safe(line)),
        })
        .collect();
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
