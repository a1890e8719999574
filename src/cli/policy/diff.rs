//! `jit policy diff`: who gains and who loses from one policy to another.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;
use std::thread;

use clap::ValueEnum;
use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use super::reach::{denials_text, except_json, names};
use crate::cli::context::Context;
use crate::cli::exit::{Exit, Failure};
use crate::cli::render;
use crate::core::name::Name;
use crate::core::pattern::Pattern;
use crate::core::policy::{self, Diagnostic, Policy, PolicyFiles, Rule};
use crate::core::reach::compare::{Change, Comparison, Deeds, are_same, compare};
use crate::core::time::Duration;
use crate::edge::policy_tree::read_policy_tree;

/// What stands for the policy in force.
const IN_FORCE: &str = "in-force";
/// The title of the column with a case of each change.
const EXAMPLE: &str = "FOR EXAMPLE";

/// Show who gains and who loses between two policies, over all resources there could be
///
/// Deny rules, durations, approvals, groups and keys are counted. What changes in reasons, hours and limits is shown beside.
#[derive(clap::Args, Debug)]
pub(in crate::cli) struct DiffArgs {
    /// From one commit to another; `in-force` is the policy in force
    #[arg(value_name = "A..B", default_value = "in-force..HEAD")]
    range: String,
    /// How to write it; with --json it is JSON
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// Exit with 1 if anything differs
    #[arg(long)]
    exit_code: bool,
    /// Exit with 1 if somebody gains anything, conditions are eased, or one can't be sure
    #[arg(long)]
    fail_on_gain: bool,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// For a terminal
    Table,
    /// For a pull request
    Markdown,
}

#[derive(Serialize)]
struct DiffJson<'c> {
    from: String,
    to: String,
    /// Whether --fail-on-gain fails.
    gives: bool,
    gains: Vec<ChangeJson<'c>>,
    losses: Vec<ChangeJson<'c>>,
    eased: Vec<ChangeJson<'c>>,
    tightened: Vec<ChangeJson<'c>>,
    notes: &'c [String],
}

/// A change for one of its subjects.
#[derive(Serialize)]
struct ChangeJson<'c> {
    subject: &'c str,
    #[serde(flatten, serialize_with = "shared")]
    what: Rc<WhatJson>,
    /// None if patterns or approvals are too intricate to be sure.
    #[serde(serialize_with = "example_json")]
    example: (&'c Change<'c>, &'c Name),
}

#[derive(Serialize)]
struct WhatJson {
    rule: String,
    resources: String,
    /// `*` alone is any.
    actions: Vec<String>,
    except_actions: Vec<String>,
    over_s: Option<u32>,
    up_to_s: u32,
    approvals: Vec<String>,
    by_security_key: bool,
    conditions: Vec<String>,
    instead: Vec<String>,
    /// Deny rules of the policy that gives it which take something of it away.
    except: Box<RawValue>,
    /// Deny rules of the other policy which do.
    denied_by: Box<RawValue>,
}

#[derive(Serialize)]
struct ExampleJson {
    resource: String,
    action: String,
    approved_by: Vec<String>,
}

pub(super) fn run(cx: &mut Context<'_>, args: &DiffArgs) -> anyhow::Result<Exit> {
    let Some((from, to)) = args.range.split_once("..") else {
        let failure = Failure::usage(format!("`{}` names one policy, not two", render::safe(&args.range)));
        return Err(failure.help("write it as A..B, such as in-force..HEAD or main..HEAD").into());
    };
    let from = if from.is_empty() { IN_FORCE } else { from };
    let to = if to.is_empty() { "HEAD" } else { to };
    let (old, new) = (find(cx, from)?, find(cx, to)?);
    let [old, new] = thread::scope(|scope| {
        let old = scope.spawn(|| old.load());
        let new = new.load();
        [old.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), new]
    });
    let (old, new) = (report(cx, from, old)?, report(cx, to, new)?);
    let found = compare(&old, &new);
    let is_same = found.is_empty() && found.notes.is_empty();
    if cx.json() {
        cx.print_json(&DiffJson {
            from: from.to_owned(),
            to: to.to_owned(),
            gives: found.gives(),
            gains: to_json(&found.gains)?,
            losses: to_json(&found.losses)?,
            eased: to_json(&found.eased)?,
            tightened: to_json(&found.tightened)?,
            notes: &found.notes,
        })?;
    } else {
        let text = match args.format {
            Format::Table => in_tables(&found, from, to),
            Format::Markdown => in_markdown(&found, from, to),
        };
        cx.print(&text)?;
    }
    let fails = (args.exit_code && !is_same) || (args.fail_on_gain && found.gives());
    // The program ends here; to take all of it apart first would be a twentieth of the work.
    std::mem::forget(found);
    std::mem::forget((old, new));
    Ok(if fails { Exit::Denied } else { Exit::Done })
}

/// A policy that is there already, or the files of one.
enum Found {
    InForce(Arc<Policy>),
    Files(PolicyFiles),
}

/// A policy, or what is wrong with its files.
type Loaded<'f> = Result<Arc<Policy>, (&'f PolicyFiles, Vec<Diagnostic>)>;

impl Found {
    fn load(&self) -> Loaded<'_> {
        match self {
            Found::InForce(policy) => Ok(Arc::clone(policy)),
            Found::Files(files) => policy::load(files).map(Arc::new).map_err(|findings| (files, findings)),
        }
    }
}

/// Finds the policy in force, or that of a commit.
fn find(cx: &mut Context<'_>, name: &str) -> anyhow::Result<Found> {
    if name == IN_FORCE {
        return super::in_force(&cx.ledger()?).map(Found::InForce);
    }
    let repo = super::lint::repo_around(cx)?;
    Ok(Found::Files(read_policy_tree(&repo, repo.resolve_commit(name)?)?))
}

/// Says what is wrong with a policy that does not load.
fn report(cx: &mut Context<'_>, name: &str, loaded: Loaded<'_>) -> anyhow::Result<Arc<Policy>> {
    loaded.map_err(|(files, findings)| {
        for finding in &findings {
            let text = super::render_finding(files, finding);
            cx.world.warn(&text);
        }
        Failure::denied(format!("the policy of `{}` does not load", render::safe(name))).into()
    })
}

fn shared<S: Serializer>(what: &Rc<WhatJson>, serializer: S) -> Result<S::Ok, S::Error> {
    what.serialize(serializer)
}

fn example_json<S: Serializer>((change, subject): &(&Change<'_>, &Name), serializer: S) -> Result<S::Ok, S::Error> {
    let example = change.example_for(subject).map(|example| ExampleJson {
        resource: example.resource.to_string(),
        action: example.action.to_string(),
        approved_by: example.approved_by.iter().map(Name::to_string).collect(),
    });
    example.serialize(serializer)
}

/// Says of each subject what changes, by subject and rule.
fn to_json<'c>(changes: &'c [Change<'c>]) -> serde_json::Result<Vec<ChangeJson<'c>>> {
    let mut all = Vec::new();
    for change in changes {
        let what = Rc::new(what_json(change)?);
        let place = change.rule.resources.iter().position(|one| one == change.resources);
        for subject in change.subjects.iter() {
            let json = ChangeJson { subject: subject.as_str(), what: Rc::clone(&what), example: (change, subject) };
            all.push(((*subject, &change.rule.id, place), json));
        }
    }
    all.sort_by_key(|(key, _)| *key);
    Ok(all.into_iter().map(|(_, json)| json).collect())
}

fn what_json(change: &Change<'_>) -> serde_json::Result<WhatJson> {
    let list = |names: &mut dyn Iterator<Item = &Name>| names.map(Name::to_string).collect::<Vec<_>>();
    let (actions, except_actions) = match &change.actions {
        Deeds::These(actions) => (list(&mut actions.iter()), Vec::new()),
        Deeds::AllBut(actions) => (vec!["*".to_owned()], list(&mut actions.iter())),
    };
    // They may be many, and stand with each subject: written once.
    let denials = |rules: &[&Rule]| to_raw_value(&rules.iter().map(|rule| except_json(rule)).collect::<Vec<_>>());
    Ok(WhatJson {
        rule: change.rule.id.to_string(),
        resources: change.resources.to_string(),
        actions,
        except_actions,
        over_s: change.over.map(Duration::as_secs),
        up_to_s: change.up_to.as_secs(),
        approvals: change.approvals.clone(),
        by_security_key: change.by_security_key,
        conditions: change.conditions.to_vec(),
        instead: change.instead.clone(),
        except: denials(&change.except)?,
        denied_by: denials(&change.denied_by)?,
    })
}

/// A part of the answer: its title, the titles of its last two columns, and its rows.
struct Section {
    title: String,
    header: [&'static str; 8],
    rows: Vec<[String; 8]>,
}

/// Writes each part that there is, all at the same time: they may be long.
fn sections(found: &Comparison<'_>, write: fn(&Section) -> String) -> Vec<String> {
    let (eased, tightened) =
        ("The same access, asking less or other things", "The same access, asking more or other things");
    let all = [
        ("Gains", &found.gains, ["CONDITIONS", EXAMPLE]),
        ("Losses", &found.losses, ["CONDITIONS", EXAMPLE]),
        (eased, &found.eased, ["ASKED", "ASKED BEFORE"]),
        (tightened, &found.tightened, ["ASKED BEFORE", "ASKED"]),
    ];
    thread::scope(|scope| {
        let there = all.into_iter().filter(|(_, changes, _)| !changes.is_empty());
        let parts: Vec<_> =
            there.map(|(title, changes, names)| scope.spawn(move || write(&section(title, changes, names)))).collect();
        parts.into_iter().map(|part| part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}

/// Puts the changes of several people that are the same into one row.
fn section(title: &str, changes: &[Change<'_>], [asked, last]: [&'static str; 2]) -> Section {
    let header = ["WHO", "RESOURCES", "ACTIONS", "FOR", "APPROVALS", "RULE", asked, last];
    let there = if title == "Gains" { "before" } else { "now" };
    Section { title: format!("{title} ({})", people(changes)), header, rows: rows(changes, last, there) }
}

/// Counts whom it is about.
fn people(changes: &[Change<'_>]) -> String {
    let who: HashSet<&Name> = changes.iter().flat_map(|change| change.subjects.iter().copied()).collect();
    render::count(who.len() as u64, "subject")
}

/// `there` says of the other policy when it holds.
fn rows(changes: &[Change<'_>], last: &str, there: &str) -> Vec<[String; 8]> {
    // A row is one pattern of one rule; what comes first of it is shown.
    let mut places: HashMap<(&Name, &Pattern), Vec<usize>> = HashMap::new();
    let mut rows: Vec<(&Change<'_>, Vec<&Name>)> = Vec::new();
    for change in changes {
        let beside = places.entry((&change.rule.id, change.resources)).or_default();
        let same = beside.iter().find(|place| rows.get(**place).is_some_and(|(first, _)| is_same(first, change)));
        match same.and_then(|place| rows.get_mut(*place)) {
            Some((_, who)) => who.extend(change.subjects.iter()),
            None => {
                beside.push(rows.len());
                rows.push((change, change.subjects.to_vec()));
            }
        }
    }
    rows.into_iter().map(|(change, who)| row(change, who, last, there)).collect()
}

/// Tells whether two changes by the same pattern of a rule are the same but for whom they are about, and examples of it.
fn is_same(one: &Change<'_>, other: &Change<'_>) -> bool {
    (one.over, one.up_to, &one.actions, &one.approvals, &one.conditions)
        == (other.over, other.up_to, &other.actions, &other.approvals, &other.conditions)
        && are_same(&one.except, &other.except)
}

fn row(change: &Change<'_>, mut who: Vec<&Name>, last: &str, there: &str) -> [String; 8] {
    who.sort_unstable();
    let span = match change.over {
        Some(over) => format!("over {over}, up to {}", change.up_to),
        None => format!("up to {}", change.up_to),
    };
    let conditions: Vec<String> = change.conditions.iter().cloned().chain(denials_text(&change.except)).collect();
    [
        names(who.into_iter()),
        change.resources.to_string(),
        change.actions.to_string(),
        span,
        or("none", change.approvals.join("; ")),
        change.rule.id.to_string(),
        or("nothing", conditions.join("; ")),
        example(change, last, there),
    ]
}

/// The last cell of a row: one case, and the deny rules that are the difference; or what is asked instead.
fn example(change: &Change<'_>, last: &str, there: &str) -> String {
    match &change.example {
        None => "not sure: too intricate to tell".to_owned(),
        Some(_) if last != EXAMPLE => or("nothing", change.instead.join("; or ")),
        Some(example) => {
            let by: Vec<&str> = example.approved_by.iter().map(Name::as_str).collect();
            let by = if by.is_empty() { String::new() } else { format!(", approved by {}", by.join(", ")) };
            let denied = denials_text(&change.denied_by);
            let denied = if denied.is_empty() { String::new() } else { format!("; {there}: {}", denied.join("; ")) };
            format!("{} {}{by}{denied}", example.action, example.resource)
        }
    }
}

fn or(instead: &str, text: String) -> String {
    if text.is_empty() { instead.to_owned() } else { text }
}

/// Says that nothing differs.
fn nothing(from: &str, to: &str) -> String {
    format!("Nobody gains or loses anything from {} to {}.", render::safe(from), render::safe(to))
}

fn in_tables(found: &Comparison<'_>, from: &str, to: &str) -> String {
    let mut parts = Vec::new();
    if found.is_empty() {
        parts.push(nothing(from, to));
    }
    parts.extend(sections(found, |section| {
        format!("{}:\n{}", section.title, render::table(section.header, &section.rows))
    }));
    if !found.notes.is_empty() {
        let notes: Vec<String> = found.notes.iter().map(|note| format!("  {}", render::safe(note))).collect();
        parts.push(format!("Also changed:\n{}", notes.join("\n")));
    }
    parts.join("\n\n")
}

fn in_markdown(found: &Comparison<'_>, from: &str, to: &str) -> String {
    let mut parts = vec![format!("### Who gains and who loses, from {} to {}", code(from), code(to))];
    if found.is_empty() {
        parts.push("Nobody gains or loses anything.".to_owned());
    }
    parts.extend(sections(found, |section| {
        let line = |cells: Vec<String>| format!("| {} |", cells.join(" | "));
        let title = |name: &&str| {
            let (first, rest) = name.split_at(1);
            format!("{first}{}", rest.to_lowercase())
        };
        let mut lines = vec![
            line(section.header.iter().map(title).collect()),
            line(section.header.iter().map(|_| "---".to_owned()).collect()),
        ];
        lines.extend(section.rows.iter().map(|row| line(row.iter().map(|cell| code(cell)).collect())));
        format!("#### {}\n\n{}", section.title, lines.join("\n"))
    }));
    if !found.notes.is_empty() {
        let notes: Vec<String> = found.notes.iter().map(|note| format!("- {}", code(note))).collect();
        parts.push(format!("#### Also changed\n\n{}", notes.join("\n")));
    }
    parts.join("\n\n")
}

/// Writes text so that Markdown shows it as it is, in a table, too.
fn code(text: &str) -> String {
    let text = render::safe(text);
    if !text.contains(['`', '|', '\\']) {
        return format!("`{text}`");
    }
    // What ends a cell or a run of code is read differently here and there, unless it is written by its number.
    let escaped: String = text.chars().map(escaped).collect();
    format!("<code>{escaped}</code>")
}

fn escaped(c: char) -> String {
    let is_plain = !c.is_ascii_punctuation() || matches!(c, '+' | '-' | ',' | '^' | '(' | ')');
    if !is_plain { format!("&#{};", u32::from(c)) } else { c.to_string() }
}
