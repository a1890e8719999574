//! The tools of policies: what they cost with a large one, and what reading costs that is made to be hard to read.

use std::fs;
use std::path::{Path, PathBuf};

use jit::core::policy::PolicyFiles;

use crate::Sizes;
use crate::ground::{Ground, git};
use crate::measure::{Program, Times, rounds};
use crate::support::company::{ACTION, Company, RESOURCE, SUBJECT};
use crate::table::{Bar, Table};

/// The company's policy, with a change in one of a hundred rules, and in each.
const TAGS: [(&str, u64); 3] = [("old", u64::MAX), ("one", 100), ("all", 1)];
/// How much longer ten times as many rules may take.
const NEAR_LINEAR: Bar = Bar::AtMost(12.0);
/// What is of the same order.
const SAME_ORDER: Bar = Bar::AtMost(10.0);

/// The repository of a company with so many rules, from the cache or made now.
fn repo(ground: &Ground, rules: u64) -> PathBuf {
    ground.kept(&format!("company-{rules}"), |folder| {
        git(folder, &["init", "-q", "-b", "main"]);
        for (tag, every) in TAGS.into_iter().rev() {
            write(folder, &Company::of(rules).changed(every));
            git(folder, &["add", "-A"]);
            let me = ["-c", "user.name=jit", "-c", "user.email=jit@example.org"];
            // Of few rules not one in a hundred is there.
            git(folder, &[&me[..], &["commit", "-q", "--allow-empty", "-m", tag]].concat());
            git(folder, &["tag", tag]);
        }
    })
}

fn write(folder: &Path, files: &PolicyFiles) {
    for (path, content) in files.iter() {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().expect("a file stands in a folder")).expect("the folder can be written");
        fs::write(path, content).expect("the folder can be written");
    }
}

pub(crate) fn policy(ground: &mut Ground, table: &mut Table, sizes: &Sizes) {
    let [few, most] = sizes.company;
    let size = |rules: u64| {
        let Company { identities, groups, cases, assertions, .. } = Company::of(rules);
        format!("{rules} rules, {identities} identities, {groups} groups, {} cases, {assertions} assertions", cases * 4)
    };
    table.part(&format!("The tools of policies: {}, and {}", size(few), size(most)));
    let home = ground.folder("policy-home");
    let repos = [few, most].map(|rules| repo(ground, rules));
    let tools: [(&str, &[&str]); 7] = [
        ("`policy lint`", &["lint", "."]),
        ("`policy test`", &["test", "."]),
        ("`policy test --coverage`", &["test", "--coverage", "."]),
        ("`policy who-can`", &["who-can", RESOURCE, ACTION, "--folder", "."]),
        ("`policy what-can`", &["what-can", SUBJECT, "--folder", "."]),
        ("`policy diff`, one rule in a hundred changed", &["diff", "old..one"]),
        ("`policy diff`, each rule changed", &["diff", "old..all"]),
    ];
    let second = Times::from(std::time::Duration::from_secs(1));
    for (name, args) in tools {
        let program = |repo: &PathBuf| {
            let args: Vec<&str> = ["policy"].into_iter().chain(args.iter().copied()).collect();
            Program::new(&ground.program, &args).var("HOME", &home).folder(repo)
        };
        let [one, other] = repos.each_ref().map(program);
        let [few_times, most_times] = rounds(sizes.few_runs, [&one, &other]);
        table.time(&format!("{name}, {few} rules"), &few_times);
        table.ratio(&format!("{name}, {most} rules"), &most_times, &few_times, &format!("{few} rules"), NEAR_LINEAR);
        table.ratio(&format!("{name}, {most} rules"), &most_times, &second, "1 s", Bar::AtMost(1.0));
    }
}

/// A policy's file of at least so many bytes, that is a policy or is made to be hard to read.
type Text = fn(usize) -> String;

const FRIENDLY: Text = |bytes| {
    repeated(bytes, |number| {
        format!(
            "[rule.rule{number}]\nsubjects = [\"p0\"]\nresources = [\"app/prod/service{number}/**\"]\n\
             actions = [\"read\"]\nduration = {{ max = \"1h\" }}\n\n"
        )
    })
};

const HARD: [(&str, Text); 12] = [
    ("lists in lists", |bytes| format!("x = {}{}", "[".repeat(bytes / 2), "]".repeat(bytes / 2))),
    ("lists that do not end", |bytes| repeated(bytes, |number| format!("k{number} = [\n"))),
    ("tables in tables", |bytes| format!("x = {}", "{a=".repeat(bytes / 3))),
    ("one long key", |bytes| format!("{} = 1\n", "a".repeat(bytes))),
    ("one key of many parts", |bytes| format!("{}a = 1\n", "a.".repeat(bytes / 2))),
    ("many keys of parts", |bytes| repeated(bytes, |number| format!("rule.r{number}.a.b.c.d = 1\n"))),
    ("many headers of parts", |bytes| repeated(bytes, |number| format!("[rule.{}k{number}]\n", "a.".repeat(60)))),
    ("one long string", |bytes| format!("x = \"{}\"\n", "a".repeat(bytes))),
    ("strings that do not end", |bytes| repeated(bytes, |number| format!("k{number} = \"abc\n"))),
    ("many tables", |bytes| repeated(bytes, |number| format!("[rule.r{number}]\n"))),
    ("one table many times", |bytes| repeated(bytes, |_| "[rule.a]\n".to_owned())),
    ("equals signs", |bytes| "=".repeat(bytes)),
];

fn repeated(bytes: usize, piece: impl Fn(usize) -> String) -> String {
    let mut text = String::new();
    for number in 0.. {
        if text.len() >= bytes {
            break;
        }
        text.push_str(&piece(number));
    }
    text
}

pub(crate) fn toml(ground: &mut Ground, table: &mut Table, sizes: &Sizes) {
    let kib = sizes.toml / 1024;
    table.part(&format!("Reading {kib} KiB of TOML: `jit policy test` of a policy without tests"));
    let home = ground.folder("toml-home");
    let settings = "format = 1\nname = \"acme\"\nmaintainers = [\"p0\"]\nthreshold = 1\n";
    let program = |name: &str, text: Text| {
        let folder = ground.folder(&format!("toml {name}"));
        let people = "[identity.p0]\nkind = \"person\"\n".to_owned();
        let files = [
            ("jit.toml", settings.to_owned()),
            ("identities/people.toml", people),
            ("policies/rules.toml", text(sizes.toml)),
        ];
        let files = files.map(|(path, text)| (path.to_owned(), text.into_bytes()));
        write(&folder, &PolicyFiles::new(files).expect("the paths are good"));
        Program::new(&ground.program, &["policy", "test", "."]).var("HOME", &home).folder(&folder)
    };
    let friendly = program("friendly", FRIENDLY);
    for (index, (name, text)) in HARD.into_iter().enumerate() {
        let hard = program(name, text).status(1);
        let [friendly, hard] = rounds(sizes.few_runs, [&friendly, &hard]);
        if index == 0 {
            table.time("a policy", &friendly);
        }
        table.ratio(name, &hard, &friendly, "a policy", SAME_ORDER);
    }
}
