//! `jit doctor`: what keeps a person, a CI job or a gate from working, and what to type about it.
//!
//! Each part looks at one thing after the other and adds a [`Check`] for it; where something that the rest needs can't be
//! had, the rest is left out. It must say something of use when all else is broken, so nothing it finds is an error of its
//! own. Nothing is changed: no ref moves, no pin, no stamp; `--remote` fetches into a folder that is removed again.

mod host;
mod key;
mod log;
mod machine;
mod repo;

use serde::Serialize;

use super::context::Context;
use super::exit::{Exit, Failure};
use super::render::{self, Role, paint};

/// Changes nothing. Run it as the user in question: a gate's own, if it is a gate.
#[derive(clap::Args, Debug)]
pub(super) struct DoctorArgs {
    /// Also ask the git host: whether it can be reached, has this log, and takes pushes; and which of its rules refused
    /// the last one
    #[arg(long)]
    remote: bool,
}

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grade {
    /// As it should be.
    Fine,
    /// Good to know, and in nobody's way.
    Note,
    /// In the way of somebody, who would meet this status.
    Problem(Exit),
}

/// One thing that was looked at.
#[derive(Clone, Debug)]
struct Check {
    name: &'static str,
    grade: Grade,
    message: String,
    help: Option<String>,
}

/// All that was looked at, in order.
#[derive(Debug, Default)]
struct Report {
    checks: Vec<Check>,
}

#[derive(Serialize)]
struct ReportJson<'a> {
    ok: bool,
    checks: Vec<CheckJson<'a>>,
}

#[derive(Serialize)]
struct CheckJson<'a> {
    name: &'static str,
    ok: bool,
    severity: Option<&'static str>,
    message: &'a str,
    help: Option<&'a str>,
}

impl Report {
    fn fine(&mut self, name: &'static str, message: impl Into<String>) {
        self.checks.push(Check { name, grade: Grade::Fine, message: message.into(), help: None });
    }

    fn note(&mut self, name: &'static str, message: impl Into<String>, help: Option<String>) {
        self.checks.push(Check { name, grade: Grade::Note, message: message.into(), help });
    }

    fn problem(&mut self, name: &'static str, exit: Exit, message: impl Into<String>, help: Option<String>) {
        let message = message.into();
        // One fault can be met in several places.
        if !self.checks.iter().any(|check| check.name == name && check.message == message) {
            self.checks.push(Check { name, grade: Grade::Problem(exit), message, help });
        }
    }

    /// Adds what an error says.
    fn failed(&mut self, name: &'static str, why: &anyhow::Error) {
        let failure = Failure::from_error(why);
        self.problem(name, failure.exit, failure.message, failure.help);
    }

    /// Returns what `result` holds, or adds what its error says.
    fn take<T>(&mut self, name: &'static str, result: Result<T, impl Into<anyhow::Error>>) -> Option<T> {
        result.map_err(|why| self.failed(name, &why.into())).ok()
    }

    fn problems(&self) -> impl Iterator<Item = Exit> {
        self.checks.iter().filter_map(|check| match check.grade {
            Grade::Problem(exit) => Some(exit),
            Grade::Fine | Grade::Note => None,
        })
    }

    /// Returns the worst status: what fails verification or can't be had wins over the rest.
    fn exit(&self) -> Exit {
        let weight = |exit: &Exit| match exit {
            Exit::Done => 0,
            Exit::Pending | Exit::Usage | Exit::Denied => 1,
            Exit::Unavailable => 2,
            Exit::Untrusted => 3,
        };
        match self.problems().max_by_key(weight) {
            None | Some(Exit::Done) => Exit::Done,
            Some(Exit::Pending | Exit::Usage | Exit::Denied) => Exit::Denied,
            Some(worst @ (Exit::Unavailable | Exit::Untrusted)) => worst,
        }
    }
}

pub(super) fn run(cx: &mut Context<'_>, args: &DoctorArgs) -> anyhow::Result<Exit> {
    let mut report = Report::default();
    look(cx, args, &mut report);
    print(cx, &report)?;
    Ok(report.exit())
}

fn look(cx: &mut Context<'_>, args: &DoctorArgs, report: &mut Report) {
    let has_git = machine::git(cx, report);
    let config = machine::config(cx, report);
    let Some(repo) = repo::look(cx, report) else {
        key::look(cx, None, None, report);
        return;
    };
    let known = log::look(cx, &config, &repo, report);
    key::look(cx, Some(&repo), known.as_ref().map(|known| &known.opened.view), report);
    if args.remote && has_git {
        host::look(cx, &repo, known.as_ref(), report);
    }
}

fn print(cx: &mut Context<'_>, report: &Report) -> anyhow::Result<()> {
    if cx.json() {
        let checks = report.checks.iter().map(|check| CheckJson {
            name: check.name,
            ok: check.grade == Grade::Fine,
            severity: match check.grade {
                Grade::Fine => None,
                Grade::Note => Some("note"),
                Grade::Problem(_) => Some("problem"),
            },
            message: &check.message,
            help: check.help.as_deref(),
        });
        return cx.print_json(&ReportJson { ok: report.exit() == Exit::Done, checks: checks.collect() });
    }
    let coloured = cx.coloured();
    for check in &report.checks {
        let (role, word) = match check.grade {
            Grade::Fine => (Role::Good, "ok"),
            Grade::Note => (Role::Waiting, "note"),
            Grade::Problem(_) => (Role::Bad, "problem"),
        };
        let word = paint(coloured, role, &format!("{word:7}"));
        // One line a finding; what an error lists below itself follows in the same one.
        let message = check.message.lines().map(str::trim).collect::<Vec<_>>().join("; ");
        cx.print(&format!("{word}  {:9}  {message}", check.name))?;
        if let Some(help) = &check.help {
            cx.print(&format!("                      help: {help}"))?;
        }
    }
    match report.problems().count() {
        0 => cx.world.say("Nothing is in the way."),
        problems => {
            let found = render::count(u64::try_from(problems)?, "problem");
            cx.world.say(&format!("{found} found; those further up may be the cause of those below."));
        }
    }
    Ok(())
}
