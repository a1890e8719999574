//! Random small policies, in which everything collides: few names, few segments, patterns that overlap, rules that deny,
//! tiers, hours, limits, turns on call and keys of both kinds. They are written as TOML, so what reads them is tested along.
//!
//! ```ignore
//! let draft = Draft::random(&mut Dice::new(seed));
//! let policy = draft.policy();                      // it always loads
//! let other = draft.changed(&mut dice);             // a few things are different
//! ```

use std::cell::RefCell;
use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};
use jit::core::policy::{Policy, PolicyFiles, load};

use super::history::Dice;
use super::keys::{key, security_key};
use super::org::files;

/// People and services; the services are owned by `ann`.
pub const PEOPLE: [&str; 4] = ["ann", "ben", "cat", "dan"];
pub const SERVICES: [&str; 1] = ["bot"];
const GROUPS: [&str; 3] = ["g0", "g1", "g2"];
const ROTATIONS: [&str; 2] = ["t0", "t1"];
const SELECTORS: [&str; 13] = [
    "ann",
    "ben",
    "cat",
    "dan",
    "bot",
    "group:g0",
    "group:g1",
    "group:g2",
    "rotation:t0",
    "rotation:t0",
    "rotation:t1",
    "person:*",
    "service:*",
];
const APPROVING: [&str; 10] =
    ["ann", "ben", "cat", "dan", "group:g0", "group:g1", "group:g2", "rotation:t0", "rotation:t1", "person:*"];
const SEGMENTS: [&str; 9] = ["a", "b", "*", "a*", "*b", "**", "**", "**", "a*b"];
pub const ACTIONS: [&str; 3] = ["read", "write", "other"];
/// Longest durations and bounds of tiers, in minutes.
const MINUTES: [u64; 4] = [10, 20, 30, 60];
/// Hours of the week in zones whose clocks never change.
pub const ZONES: [(&str, i64); 3] = [("UTC", 0), ("Asia/Kolkata", 330), ("Etc/GMT+5", -300)];
const DAYS: [&str; 5] = ["mon", "mon-fri", "fri-mon", "sat-sun", "wed"];
const TIMES: [&str; 5] = ["00:00", "08:00", "12:30", "18:00", "23:59"];
pub const REASONS: [&str; 3] = ["", "INC-7", "a long enough reason"];

/// A policy that is being made up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Of each identity, whether it has a plain key and a security key.
    pub keys: BTreeMap<String, (bool, bool)>,
    pub groups: BTreeMap<String, Vec<String>>,
    /// In TOML.
    pub rotations: BTreeMap<String, String>,
    pub rules: BTreeMap<String, Rule>,
    /// A reason that all rules want, in TOML.
    pub reason: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub deny: bool,
    pub subjects: Vec<String>,
    pub resources: Vec<String>,
    /// None for all.
    pub actions: Vec<String>,
    pub minutes: u64,
    pub reason: Option<String>,
    /// In TOML.
    pub hours: Option<String>,
    pub approvals: Vec<Entry>,
    pub touched: bool,
    /// In TOML.
    pub limits: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub from: Vec<String>,
    pub count: u64,
    pub longer_than: Option<u64>,
    pub touched: bool,
}

impl Draft {
    pub fn random(dice: &mut Dice) -> Draft {
        let keys = PEOPLE.iter().chain(&SERVICES).map(|name| {
            let keys = match dice.below(8) {
                0 => (false, false),
                1 => (false, true),
                2..5 => (true, true),
                _ => (true, false),
            };
            ((*name).to_owned(), keys)
        });
        let keys = keys.collect();
        let mut groups = BTreeMap::new();
        for (index, group) in GROUPS.iter().enumerate() {
            let mut members = some(dice, &PEOPLE, 3);
            if index > 0 && dice.below(2) == 0 {
                members.push(format!("group:{}", GROUPS[index - 1]));
            }
            groups.insert((*group).to_owned(), members);
        }
        let rotations = ROTATIONS.iter().map(|name| ((*name).to_owned(), rotation(dice))).collect();
        let count = 2 + dice.below(4);
        let rules = (0..count).map(|number| (format!("r{number}"), rule(dice))).collect();
        let reason = (dice.below(6) == 0).then(|| "{ min_length = 3 }".to_owned());
        Draft { keys, groups, rotations, rules, reason }
    }

    /// The same with a few things changed.
    pub fn changed(&self, dice: &mut Dice) -> Draft {
        let mut draft = self.clone();
        for _ in 0..1 + dice.below(3) {
            let id = format!("r{}", dice.below(6));
            match dice.below(12) {
                0 => drop(draft.rules.remove(&id)),
                1 => drop(draft.rules.insert(id, rule(dice))),
                2 => {
                    let group = dice.one_of(&GROUPS).to_owned();
                    let inner: Vec<String> =
                        draft.groups[&group].iter().filter(|member| member.starts_with("group:")).cloned().collect();
                    let mut members = some(dice, &PEOPLE, 3);
                    members.extend(inner);
                    draft.groups.insert(group, members);
                }
                3 => {
                    let name = dice.one_of(&PEOPLE).to_owned();
                    draft.keys.insert(name, (dice.below(2) == 0, dice.below(2) == 0));
                }
                4 => {
                    let name = dice.one_of(&ROTATIONS).to_owned();
                    draft.rotations.insert(name, rotation(dice));
                }
                what => {
                    let other = rule(dice);
                    let Some(rule) = draft.rules.get_mut(&id).filter(|rule| !rule.deny) else { continue };
                    match what {
                        5 if rule.hours.is_some() => rule.hours = None,
                        5 => rule.minutes = other.minutes,
                        6 => rule.approvals = other.approvals,
                        7 => rule.resources = other.resources,
                        8 => rule.subjects = other.subjects,
                        9 => rule.reason = other.reason,
                        10 => rule.limits = other.limits,
                        _ => rule.touched = !rule.touched,
                    }
                }
            }
        }
        draft
    }

    /// The policy's files: what is in them, and in how many of them, in an order that the dice choose.
    pub fn files_in_order(&self, dice: &mut Dice) -> PolicyFiles {
        let mut identities: Vec<String> = self
            .keys
            .iter()
            .map(|(name, keys)| {
                let kind = match SERVICES.contains(&name.as_str()) {
                    true => "kind = \"service\"\nowners = [\"ann\"]",
                    false => "kind = \"person\"",
                };
                format!("[identity.{name}]\n{kind}\nkeys = {}\n", list(&written_keys(name, *keys)))
            })
            .chain(self.groups.iter().map(|(name, members)| format!("[group.{name}]\nmembers = {}\n", list(members))))
            .chain(self.rotations.iter().map(|(name, text)| format!("[rotation.{name}]\n{text}")))
            .collect();
        let mut rules: Vec<String> =
            self.rules.iter().map(|(id, rule)| format!("[rule.{id}]\n{}", rule.toml())).collect();
        for parts in [&mut identities, &mut rules] {
            for index in (1..parts.len()).rev() {
                parts.swap(index, usize::try_from(dice.below(index as u64 + 1)).unwrap());
            }
        }
        let mut settings = "format = 1\nname = \"acme\"\nmaintainers = [\"ann\"]\nthreshold = 1\n".to_owned();
        if let Some(reason) = &self.reason {
            settings.push_str(&format!("defaults = {{ reason = {reason} }}\n"));
        }
        let cut = usize::try_from(dice.below(rules.len() as u64 + 1)).unwrap();
        let (one, other) = rules.split_at(cut);
        files(&[
            ("jit.toml", &settings),
            ("identities/all.toml", &identities.concat()),
            ("policies/one.toml", &one.concat()),
            ("policies/other.toml", &other.concat()),
        ])
    }

    pub fn files(&self) -> PolicyFiles {
        self.files_in_order(&mut Dice::new(0))
    }

    pub fn policy(&self) -> Policy {
        loaded(&self.files())
    }
}

/// The policy of files that must load.
pub fn loaded(files: &PolicyFiles) -> Policy {
    load(files).unwrap_or_else(|errors| panic!("it does not load: {errors:?}"))
}

impl Rule {
    fn toml(&self) -> String {
        let mut text = format!("subjects = {}\nresources = {}\n", list(&self.subjects), list(&self.resources));
        if !self.actions.is_empty() {
            text.push_str(&format!("actions = {}\n", list(&self.actions)));
        }
        if let Some(hours) = &self.hours {
            text.push_str(&format!("hours = [{hours}]\n"));
        }
        if self.deny {
            text.push_str("effect = \"deny\"\n");
            return text;
        }
        if self.actions.is_empty() {
            text.push_str("actions = [\"*\"]\n");
        }
        text.push_str(&format!("duration = {{ max = \"{}m\" }}\n", self.minutes));
        if let Some(reason) = &self.reason {
            text.push_str(&format!("reason = {reason}\n"));
        }
        let entries: Vec<String> = self.approvals.iter().map(Entry::toml).collect();
        if !entries.is_empty() {
            text.push_str(&format!("approvals = [{}]\n", entries.join(", ")));
        }
        if self.touched {
            text.push_str("require_hardware_key = true\n");
        }
        if let Some(limits) = &self.limits {
            text.push_str(&format!("limits = {limits}\n"));
        }
        text
    }
}

impl Entry {
    fn toml(&self) -> String {
        let mut text = format!("{{ from = {}, count = {}", list(&self.from), self.count);
        if let Some(minutes) = self.longer_than {
            text.push_str(&format!(", longer_than = \"{minutes}m\""));
        }
        if self.touched {
            text.push_str(", hardware_key = true");
        }
        text.push_str(" }");
        text
    }
}

/// A rule of any kind; one in four denies.
pub fn rule(dice: &mut Dice) -> Rule {
    let deny = dice.below(4) == 0;
    let patterns = 1 + dice.below(2);
    let mut resources: Vec<String> = (0..patterns).map(|_| pattern(dice)).collect();
    resources.sort();
    resources.dedup();
    let actions = if dice.below(2) == 0 { Vec::new() } else { some(dice, &["read", "write"], 2) };
    let approvals = (0..dice.below(3)).map(|_| Entry {
        from: some(dice, &APPROVING, 2),
        count: 1 + dice.below(2),
        longer_than: (dice.below(2) == 0).then(|| MINUTES[usize::try_from(dice.below(3)).unwrap()]),
        touched: dice.below(6) == 0,
    });
    Rule {
        deny,
        approvals: approvals.collect(),
        subjects: some(dice, &SELECTORS, 2),
        resources,
        actions,
        minutes: MINUTES[usize::try_from(dice.below(4)).unwrap()],
        reason: match dice.below(6) {
            0 => Some("{ pattern = \"INC-[0-9]\" }".to_owned()),
            1 => Some("{ min_length = 8 }".to_owned()),
            _ => None,
        },
        hours: (dice.below(4) == 0).then(|| hours(dice)),
        touched: dice.below(6) == 0,
        limits: match dice.below(12) {
            0 => Some("{ active = 1 }".to_owned()),
            1 => Some("{ active = 2, cooldown = \"10m\" }".to_owned()),
            2 => Some("{ rate = { count = 2, per = \"1d\" } }".to_owned()),
            _ => None,
        },
    }
}

/// Turns that begin before or within the year that is asked about, and perhaps swaps, even before the first turn.
fn rotation(dice: &mut Dice) -> String {
    let members = some(dice, &PEOPLE, 3);
    let (zone, _) = ZONES[usize::try_from(dice.below(3)).unwrap()];
    let first = NaiveDate::from_ymd_opt(2023, 11, 1).unwrap();
    let start = first + Days::new(dice.below(2) * 200);
    let mut text = format!(
        "members = {}\nstart = \"{start}\"\nhandoff = \"{}\"\ntz = \"{zone}\"\nperiod = \"{}d\"\n",
        list(&members),
        dice.one_of(&TIMES),
        dice.one_of(&["1", "2", "7"]),
    );
    let mut overrides = Vec::new();
    let mut day = first;
    for _ in 0..dice.below(3) {
        let from = day + Days::new(dice.below(150));
        // Whatever the time of the handoff, a day later is after it.
        day = from + Days::new(2 + dice.below(40));
        let from = if dice.below(2) == 0 { from.to_string() } else { format!("{from}T{}", dice.one_of(&TIMES)) };
        overrides.push(format!("{{ from = \"{from}\", to = \"{day}\", member = \"{}\" }}", dice.one_of(&PEOPLE)));
        day = day + Days::new(1);
    }
    if !overrides.is_empty() {
        text.push_str(&format!("overrides = [{}]\n", overrides.join(", ")));
    }
    text
}

fn hours(dice: &mut Dice) -> String {
    let from = dice.one_of(&TIMES);
    let to = loop {
        match dice.one_of(&TIMES) {
            "00:00" => break "24:00",
            to if to != from => break to,
            _ => {}
        }
    };
    let days = if dice.below(3) == 0 { String::new() } else { format!("days = [\"{}\"], ", dice.one_of(&DAYS)) };
    let (zone, _) = ZONES[usize::try_from(dice.below(3)).unwrap()];
    format!("{{ {days}from = \"{from}\", to = \"{to}\", tz = \"{zone}\" }}")
}

fn pattern(dice: &mut Dice) -> String {
    let segments: Vec<&str> = (0..1 + dice.below(3)).map(|_| dice.one_of(&SEGMENTS)).collect();
    segments.join("/")
}

/// All resources of up to three segments out of a few: enough to tell such patterns apart.
pub fn universe() -> Vec<String> {
    let texts = ["a", "b", "c", "ab"];
    let mut all: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
    for _ in 0..2 {
        let longer: Vec<String> =
            all.iter().flat_map(|head| texts.iter().map(move |text| format!("{head}/{text}"))).collect();
        all.extend(longer);
    }
    all.sort();
    all.dedup();
    all
}

/// Some of several, at least one, each once.
fn some(dice: &mut Dice, several: &[&str], most: u64) -> Vec<String> {
    let mut picked: Vec<String> = (0..1 + dice.below(most)).map(|_| dice.one_of(several).to_owned()).collect();
    picked.sort();
    picked.dedup();
    picked
}

/// A list in TOML.
pub fn list(words: &[String]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    format!("[{}]", quoted.join(", "))
}

/// Making keys takes longer than all else here.
fn written_keys(name: &str, (plain, security): (bool, bool)) -> Vec<String> {
    thread_local! {
        static KNOWN: RefCell<BTreeMap<String, [String; 2]>> = const { RefCell::new(BTreeMap::new()) };
    }
    KNOWN.with_borrow_mut(|known| {
        let made = || [key(name).openssh(), security_key(name).openssh()];
        let [one, other] = known.entry(name.to_owned()).or_insert_with(made).clone();
        plain.then_some(one).into_iter().chain(security.then_some(other)).collect()
    })
}
