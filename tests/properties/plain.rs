//! A second evaluator, straight from the words of the policy language, as slow and as plain as can be.
//!
//! It reads the same TOML and shares nothing else with the core: patterns are tried by recursion, groups are looked through
//! at each question, approvers are tried in every way, hours and turns are counted in minutes since 1970.

use std::collections::{BTreeMap, BTreeSet};

use jit::core::policy::PolicyFiles;
use toml::{Table, Value};

use crate::support::draft::ZONES;

/// A policy, as written.
pub(crate) struct Plain {
    identities: Table,
    groups: Table,
    rotations: Table,
    pub(crate) rules: Table,
    reason_for_all: Option<Value>,
}

/// When somebody must be meant, who is on call at times only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// At this Unix time.
    At(i64),
    /// At some time.
    Ever,
    /// Whoever is on call.
    Always,
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

/// Who approves, whether by a touch, and when.
pub(crate) type Given = BTreeMap<String, (bool, When)>;

impl Plain {
    pub(crate) fn read(files: &PolicyFiles) -> Plain {
        let (mut identities, mut groups, mut rotations, mut rules) =
            (Table::new(), Table::new(), Table::new(), Table::new());
        let mut reason_for_all = None;
        for (path, bytes) in files.iter() {
            let table: Table = toml::from_str(std::str::from_utf8(bytes).unwrap()).unwrap();
            let all = [
                ("identity", &mut identities),
                ("group", &mut groups),
                ("rotation", &mut rotations),
                ("rule", &mut rules),
            ];
            for (key, into) in all {
                into.extend(table.get(key).and_then(Value::as_table).cloned().unwrap_or_default());
            }
            if path == "jit.toml" {
                reason_for_all = table.get("defaults").and_then(|defaults| defaults.get("reason")).cloned();
            }
        }
        Plain { identities, groups, rotations, rules, reason_for_all }
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

    pub(crate) fn is_meant(&self, from: &[String], name: &str, when: When) -> bool {
        from.iter().any(|selector| match selector.split_once(':') {
            Some(("group", group)) => {
                let members = self.groups.get(group).map(|group| texts(group, "members")).unwrap_or_default();
                self.is_meant(&members, name, when)
            }
            Some(("rotation", rotation)) => match when {
                When::At(unix) => on_call(&self.rotations[rotation], unix).is_some_and(|member| member == name),
                When::Ever => takes_turns(&self.rotations[rotation]).contains(name),
                When::Always => false,
            },
            Some((kind, _)) => self.kind(name) == kind,
            None => selector == name,
        })
    }

    /// The rotations by which alone somebody is meant, as they are written; none if they always are.
    pub(crate) fn turns(&self, from: &[String], name: &str) -> Vec<(String, Value)> {
        if self.is_meant(from, name, When::Always) {
            return Vec::new();
        }
        let rotations = from.iter().filter_map(|selector| selector.strip_prefix("rotation:"));
        let mine = rotations.filter(|rotation| takes_turns(&self.rotations[*rotation]).contains(name));
        mine.map(|rotation| (rotation.to_owned(), self.rotations[rotation].clone())).collect()
    }

    /// All that the reasons of requests by a rule must be like.
    pub(crate) fn reasons(&self, rule: &Value) -> Vec<Value> {
        self.reason_for_all.iter().chain(rule.get("reason")).cloned().collect()
    }

    /// Whether the rule is for the subject, resource and action.
    pub(crate) fn is_addressed(&self, rule: &Value, subject: &str, resource: &str, action: &str, when: When) -> bool {
        let actions = texts(rule, "actions");
        let is_action = |own: &String| own == "*" || own == action;
        self.is_meant(&texts(rule, "subjects"), subject, when)
            && is_about(rule, resource)
            && (actions.is_empty() || actions.iter().any(is_action))
    }

    /// Whether a rule lets somebody have something, at some time and by some approvals, that an assertion says it must not.
    pub(crate) fn breaks(&self, assertion: &Value, rule: &Value, subject: &str, resource: &str, action: &str) -> bool {
        let denied = self.denying(subject, resource, action, When::Always);
        let actions = texts(assertion, "actions");
        let is_meant =
            assertion.get("subjects").is_none() || self.is_meant(&texts(assertion, "subjects"), subject, When::Ever);
        let is_reached = !is_deny(rule)
            && is_meant
            && is_about(assertion, resource)
            && (actions.is_empty() || actions.iter().any(|own| own == action))
            && self.is_addressed(rule, subject, resource, action, When::Ever)
            && denied.iter().all(|id| self.rules[id].get("hours").is_some());
        let known = texts(assertion, "approvers");
        let is_stranger = |entry: &Value, who: &str| {
            let mut entry = entry.clone();
            let others =
                texts(&entry, "from").into_iter().filter(|from| !known.contains(from)).map(Value::from).collect();
            entry.as_table_mut().unwrap().insert("from".to_owned(), Value::Array(others));
            self.can_approve(&entry, subject, who, (true, When::Ever)) && !self.is_meant(&known, who, When::Always)
        };
        let entries = self.entries(rule, max_minutes(rule));
        is_reached
            && match (assertion.get("needs_approval"), assertion.get("approvers")) {
                (Some(_), _) => self.entries(rule, 0).is_empty(),
                (None, Some(_)) => entries.iter().any(|entry| self.names().iter().any(|who| is_stranger(entry, who))),
                (None, None) => true,
            }
    }

    /// The deny rules that match, whatever their hours.
    pub(crate) fn denying(&self, subject: &str, resource: &str, action: &str, when: When) -> BTreeSet<String> {
        let rules = self.rules.iter().filter(|(_, rule)| is_deny(rule));
        let about = rules.filter(|(_, rule)| self.is_addressed(rule, subject, resource, action, when));
        about.map(|(id, _)| id.clone()).collect()
    }

    /// Whether a request fits an allow rule.
    pub(crate) fn fits(&self, rule: &Value, asked: &Asked, when: When) -> bool {
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
            && self.is_addressed(rule, &asked.subject, &asked.resource, &asked.action, when)
            && asked.minutes <= max_minutes(rule)
            && self.reasons(rule).iter().all(is_reason)
            && (asked.touched || !wants_touch)
    }

    /// The entries that apply to a request for so long.
    pub(crate) fn entries<'r>(&self, rule: &'r Value, duration: u64) -> Vec<&'r Value> {
        let all = rule.get("approvals").and_then(Value::as_array).into_iter().flatten();
        let bound = |entry: &Value| entry.get("longer_than").and_then(Value::as_str).map(minutes);
        all.filter(|entry| bound(entry).is_none_or(|bound| duration > bound)).collect()
    }

    /// Whether somebody can fill a place in an entry.
    pub(crate) fn can_approve(&self, entry: &Value, subject: &str, who: &str, (touched, when): (bool, When)) -> bool {
        let wants_touch = entry.get("hardware_key").and_then(Value::as_bool).unwrap_or(false);
        let owners = self.identities.get(subject).map(|identity| texts(identity, "owners")).unwrap_or_default();
        self.is_meant(&texts(entry, "from"), who, when)
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
                    .filter(|(_, (who, signed))| self.can_approve(entry, subject, who, **signed))
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
        let (from, to) = (clock(text("from")), clock(text("to")));
        let yesterday = (day + 6) % 7;
        match from < to {
            true => is_day(day) && from <= now && now < to,
            false => (is_day(day) && from <= now) || (is_day(yesterday) && now < to),
        }
    })
}

/// Who is on call then: whoever stands in, else whoever has the turn.
fn on_call(rotation: &Value, unix: i64) -> Option<String> {
    let text = |key| rotation.get(key).and_then(Value::as_str).unwrap();
    let (_, offset) = ZONES.iter().find(|(zone, _)| *zone == text("tz")).unwrap();
    let now = unix.div_euclid(60) + offset;
    let moment = |text: &str, handoff: &str| {
        let (date, time) = text.split_once('T').unwrap_or((text, handoff));
        days_since_1970(date) * 1_440 + clock(time)
    };
    for one in rotation.get("overrides").and_then(Value::as_array).into_iter().flatten() {
        let own = |key| one.get(key).and_then(Value::as_str).unwrap();
        if moment(own("from"), text("handoff")) <= now && now < moment(own("to"), text("handoff")) {
            return Some(own("member").to_owned());
        }
    }
    let members = texts(rotation, "members");
    let period = text("period").strip_suffix('d').unwrap().parse::<i64>().unwrap() * 1_440;
    let passed = now - moment(text("start"), text("handoff"));
    let turn = usize::try_from(passed.div_euclid(period)).ok()?;
    members.get(turn % members.len()).cloned()
}

/// All who are on call at some time.
fn takes_turns(rotation: &Value) -> BTreeSet<String> {
    let overrides = rotation.get("overrides").and_then(Value::as_array).into_iter().flatten();
    let standing_in = overrides.map(|one| one.get("member").and_then(Value::as_str).unwrap().to_owned());
    texts(rotation, "members").into_iter().chain(standing_in).collect()
}

/// By counting.
fn days_since_1970(date: &str) -> i64 {
    let parts: Vec<i64> = date.split('-').map(|part| part.parse().unwrap()).collect();
    let is_leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let of_year = |year: i64| if is_leap(year) { 366 } else { 365 };
    let of_month = |month: i64| match month {
        2 => of_year(parts[0]) - 337,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    (1970..parts[0]).map(of_year).sum::<i64>() + (1..parts[1]).map(of_month).sum::<i64>() + parts[2] - 1
}

fn clock(text: &str) -> i64 {
    let (hour, minute) = text.split_once(':').unwrap();
    hour.parse::<i64>().unwrap() * 60 + minute.parse::<i64>().unwrap()
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

pub(crate) fn texts(value: &Value, key: &str) -> Vec<String> {
    let list = value.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    list.iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// Whether one of the patterns of a rule or an assertion stands for the resource.
fn is_about(rule: &Value, resource: &str) -> bool {
    let segments: Vec<&str> = resource.split('/').collect();
    texts(rule, "resources").iter().any(|pattern| {
        let globs: Vec<&str> = pattern.split('/').collect();
        path_matches(&globs, &segments)
    })
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
