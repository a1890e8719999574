//! A second evaluator, straight from the words of the policy language, as slow and as plain as can be.
//!
//! It reads the same TOML and shares nothing else with the core: patterns are tried by recursion, groups are looked through
//! at each question, approvers are tried in every way, hours are counted in minutes since 1970.

use std::collections::{BTreeMap, BTreeSet};

use jit::core::policy::PolicyFiles;
use toml::{Table, Value};

use crate::support::draft::ZONES;

/// A policy, as written.
pub(crate) struct Plain {
    identities: Table,
    groups: Table,
    pub(crate) rules: Table,
    reason_for_all: Option<Value>,
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) subject: String,
    pub(crate) resource: String,
    pub(crate) action: String,
    pub(crate) minutes: u64,
    pub(crate) reason: String,
    pub(crate) touched: bool,
}

/// Who approves, and whether by a touch.
pub(crate) type Given = BTreeMap<String, bool>;

impl Plain {
    pub(crate) fn read(files: &PolicyFiles) -> Plain {
        let (mut identities, mut groups, mut rules) = (Table::new(), Table::new(), Table::new());
        let mut reason_for_all = None;
        for (path, bytes) in files.iter() {
            let table: Table = toml::from_str(std::str::from_utf8(bytes).unwrap()).unwrap();
            for (key, into) in [("identity", &mut identities), ("group", &mut groups), ("rule", &mut rules)] {
                into.extend(table.get(key).and_then(Value::as_table).cloned().unwrap_or_default());
            }
            if path == "jit.toml" {
                reason_for_all = table.get("defaults").and_then(|defaults| defaults.get("reason")).cloned();
            }
        }
        Plain { identities, groups, rules, reason_for_all }
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.identities.keys().cloned().collect()
    }

    fn kind(&self, name: &str) -> &str {
        self.identities.get(name).and_then(|identity| identity.get("kind")).and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether somebody has a plain key, and a security key.
    pub(crate) fn keys(&self, name: &str) -> (bool, bool) {
        let keys = self.identities.get(name).map(|identity| texts(identity, "keys")).unwrap_or_default();
        let is_security = |key: &&String| key.starts_with("sk-");
        (keys.iter().any(|key| !is_security(&key)), keys.iter().any(|key| is_security(&key)))
    }

    fn is_meant(&self, from: &[String], name: &str) -> bool {
        from.iter().any(|selector| match selector.split_once(':') {
            Some(("group", group)) => {
                let members = self.groups.get(group).map(|group| texts(group, "members")).unwrap_or_default();
                self.is_meant(&members, name)
            }
            Some((kind, _)) => self.kind(name) == kind,
            None => selector == name,
        })
    }

    /// Whether the rule is for the subject, resource and action.
    pub(crate) fn is_addressed(&self, rule: &Value, subject: &str, resource: &str, action: &str) -> bool {
        let segments: Vec<&str> = resource.split('/').collect();
        let is_pattern = |pattern: &String| {
            let globs: Vec<&str> = pattern.split('/').collect();
            path_matches(&globs, &segments)
        };
        let actions = texts(rule, "actions");
        let is_action = |own: &String| own == "*" || own == action;
        self.is_meant(&texts(rule, "subjects"), subject)
            && texts(rule, "resources").iter().any(is_pattern)
            && (actions.is_empty() || actions.iter().any(is_action))
    }

    /// The deny rules that match, whatever their hours.
    pub(crate) fn denying(&self, subject: &str, resource: &str, action: &str) -> BTreeSet<String> {
        let rules = self.rules.iter().filter(|(_, rule)| is_deny(rule));
        let about = rules.filter(|(_, rule)| self.is_addressed(rule, subject, resource, action));
        about.map(|(id, _)| id.clone()).collect()
    }

    /// Whether a request fits an allow rule.
    pub(crate) fn fits(&self, rule: &Value, asked: &Asked) -> bool {
        let reasons = self.reason_for_all.iter().chain(rule.get("reason"));
        let is_reason = |demand: &Value| {
            let is_long = demand
                .get("min_length")
                .and_then(Value::as_integer)
                .is_none_or(|least| asked.reason.chars().count() >= usize::try_from(least).unwrap());
            // Of patterns there is only one in the drafts.
            let is_found = demand.get("pattern").is_none_or(|_| {
                asked.reason.split("INC-").skip(1).any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
            });
            is_long && is_found
        };
        let wants_touch = rule.get("require_hardware_key").and_then(Value::as_bool).unwrap_or(false);
        !is_deny(rule)
            && self.is_addressed(rule, &asked.subject, &asked.resource, &asked.action)
            && asked.minutes <= max_minutes(rule)
            && reasons.into_iter().all(is_reason)
            && (asked.touched || !wants_touch)
    }

    /// The entries that apply to a request for so long.
    pub(crate) fn entries<'r>(&self, rule: &'r Value, duration: u64) -> Vec<&'r Value> {
        let all = rule.get("approvals").and_then(Value::as_array).into_iter().flatten();
        let bound = |entry: &Value| entry.get("longer_than").and_then(Value::as_str).map(minutes);
        all.filter(|entry| bound(entry).is_none_or(|bound| duration > bound)).collect()
    }

    /// Whether somebody can fill a place in an entry.
    pub(crate) fn can_approve(&self, entry: &Value, subject: &str, who: &str, touched: bool) -> bool {
        let wants_touch = entry.get("hardware_key").and_then(Value::as_bool).unwrap_or(false);
        let owners = self.identities.get(subject).map(|identity| texts(identity, "owners")).unwrap_or_default();
        self.is_meant(&texts(entry, "from"), who)
            && self.kind(who) == "person"
            && who != subject
            && !owners.contains(&who.to_owned())
            && (touched || !wants_touch)
    }

    /// Whether these people fill all places of a rule, each one of them: by trying every way.
    pub(crate) fn is_approved(&self, rule: &Value, subject: &str, duration: u64, given: &Given) -> bool {
        let places: Vec<&Value> = self
            .entries(rule, duration)
            .into_iter()
            .flat_map(|entry| {
                let count = entry.get("count").and_then(Value::as_integer).unwrap_or(1);
                std::iter::repeat_n(entry, usize::try_from(count).unwrap())
            })
            .collect();
        let able: Vec<Vec<usize>> = places
            .iter()
            .map(|entry| {
                let people = given.iter().enumerate();
                people
                    .filter(|(_, (who, touched))| self.can_approve(entry, subject, who, **touched))
                    .map(|(at, _)| at)
                    .collect()
            })
            .collect();
        fills(&able, &mut BTreeSet::new())
    }
}

fn fills(places: &[Vec<usize>], used: &mut BTreeSet<usize>) -> bool {
    let Some((place, rest)) = places.split_first() else { return true };
    place.iter().any(|who| {
        if !used.insert(*who) {
            return false;
        }
        let filled = fills(rest, used);
        used.remove(who);
        filled
    })
}

/// Whether a rule holds then, by its hours.
pub(crate) fn has_its_hour(rule: &Value, unix: i64) -> bool {
    let Some(hours) = rule.get("hours").and_then(Value::as_array) else { return true };
    hours.iter().any(|hours| {
        let text = |key| hours.get(key).and_then(Value::as_str).unwrap();
        let (_, offset) = ZONES.iter().find(|(zone, _)| *zone == text("tz")).unwrap();
        let minute = unix.div_euclid(60) + offset;
        // The first of January 1970 was a Thursday; Monday is 0.
        let (day, now) = ((minute.div_euclid(1_440) + 3).rem_euclid(7), minute.rem_euclid(1_440));
        let days = hours.get("days").map(|_| texts(hours, "days"));
        let is_day = |day: i64| days.as_ref().is_none_or(|days| days.iter().any(|span| is_in(span, day)));
        let clock = |text: &str| {
            let (hour, minute) = text.split_once(':').unwrap();
            hour.parse::<i64>().unwrap() * 60 + minute.parse::<i64>().unwrap()
        };
        let (from, to) = (clock(text("from")), clock(text("to")));
        let yesterday = (day + 6) % 7;
        match from < to {
            true => is_day(day) && from <= now && now < to,
            false => (is_day(day) && from <= now) || (is_day(yesterday) && now < to),
        }
    })
}

fn is_in(span: &str, day: i64) -> bool {
    let number = |name: &str| ["mon", "tue", "wed", "thu", "fri", "sat", "sun"].iter().position(|one| *one == name);
    let (first, last) = span.split_once('-').unwrap_or((span, span));
    let (mut at, last) = (number(first).unwrap(), number(last).unwrap());
    loop {
        if i64::try_from(at).unwrap() == day {
            return true;
        }
        if at == last {
            return false;
        }
        at = (at + 1) % 7;
    }
}

pub(crate) fn is_deny(rule: &Value) -> bool {
    rule.get("effect").and_then(Value::as_str) == Some("deny")
}

/// The longest duration of an allow rule.
pub(crate) fn max_minutes(rule: &Value) -> u64 {
    rule.get("duration").and_then(|duration| duration.get("max")).and_then(Value::as_str).map_or(0, minutes)
}

/// All bounds of durations of a rule.
pub(crate) fn bounds(rule: &Value) -> Vec<u64> {
    let entries = rule.get("approvals").and_then(Value::as_array).into_iter().flatten();
    let bounds = entries.filter_map(|entry| entry.get("longer_than").and_then(Value::as_str).map(minutes));
    bounds.chain([max_minutes(rule)]).collect()
}

fn minutes(text: &str) -> u64 {
    text.strip_suffix('m').unwrap().parse().unwrap()
}

fn texts(value: &Value, key: &str) -> Vec<String> {
    let list = value.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    list.iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

fn path_matches(globs: &[&str], segments: &[&str]) -> bool {
    match (globs, segments) {
        ([], []) => true,
        (["**", rest @ ..], _) => {
            path_matches(rest, segments) || segments.split_first().is_some_and(|(_, tail)| path_matches(globs, tail))
        }
        ([glob, rest @ ..], [segment, tail @ ..]) => {
            segment_matches(glob.as_bytes(), segment.as_bytes()) && path_matches(rest, tail)
        }
        ([], _) | (_, []) => false,
    }
}

fn segment_matches(glob: &[u8], text: &[u8]) -> bool {
    match (glob, text) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => {
            segment_matches(rest, text) || text.split_first().is_some_and(|(_, tail)| segment_matches(glob, tail))
        }
        ([own, rest @ ..], [c, tail @ ..]) => own == c && segment_matches(rest, tail),
        ([], _) | (_, []) => false,
    }
}
