//! Files under `policies/`: rules.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use toml::de::DeTable;

use crate::core::time::Duration;
use crate::core::zone::Zone;

use super::diagnostic::{escape, quoted};
use super::findings::At;
use super::hours::{Days, Hours, TimeOfDay, zone};
use super::load::{Draft, report_twice};
use super::model::{Actions, Allow, ApprovalRule, Effect, Limits, Rate, ReasonPattern, ReasonRule, Rule, Selector};
use super::syntax::{Declared, Reader, Section, Value, What};

pub(super) const RULE: Section = Section {
    name: "rule",
    what: "a rule",
    keys: &[
        "description",
        "effect",
        "subjects",
        "resources",
        "actions",
        "duration",
        "reason",
        "hours",
        "approvals",
        "limits",
        "require_hardware_key",
    ],
};
/// What an allow rule holds and a deny rule may not.
const ALLOW_ONLY: [&str; 5] = ["duration", "reason", "approvals", "limits", "require_hardware_key"];

/// The longest description, in bytes.
const MAX_DESCRIPTION_LEN: usize = 1_024;
/// The longest reason there can be, in bytes and so in characters.
const MAX_REASON_LEN: u64 = 1_024;
/// The most entries of `approvals`, and the most approvals one may ask for.
const MAX_APPROVALS: usize = 64;
const MAX_APPROVAL_COUNT: u64 = 1_000;
/// The most entries of `hours`.
const MAX_HOURS: usize = 64;
/// The highest `active` and `count` in `limits`.
const MAX_LIMIT: u64 = 1_000;

/// The longest pattern of a reason, in bytes.
const MAX_REGEX_LEN: usize = 1_024;
/// The most different patterns in one policy, so that no policy takes more than seconds to load.
const MAX_REGEXES: usize = 1_000;

/// Reads a file under policies/ into `draft`.
pub(super) fn read_rules(reader: &mut Reader<'_, '_>, table: &DeTable<'_>, draft: &mut Draft) {
    for (key, value) in table {
        match &**key.get_ref() {
            "rule" => {
                // Nothing refers to a rule, so there is nobody to excuse.
                for declared in reader.section(&RULE, value, &mut BTreeSet::new()) {
                    read_rule(reader, &declared, draft);
                }
            }
            other => {
                let help = match other {
                    "identity" | "group" | "rotation" => "move it to a file under identities/",
                    _ => "write `[rule.NAME]`",
                };
                let message = format!("{} does not stand in a file under policies/", quoted(other));
                reader.error(key.span(), message, Some(help.to_owned()));
            }
        }
    }
}

fn read_rule(reader: &mut Reader<'_, '_>, declared: &Declared<'_, '_>, draft: &mut Draft) {
    let rule = read_body(reader, declared, draft);
    match draft.rules.entry(declared.name.clone()) {
        Entry::Vacant(place) => drop(place.insert((declared.at.clone(), rule))),
        Entry::Occupied(first) => {
            let (first_at, _) = first.get();
            report_twice(reader, "rule", declared, first_at);
        }
    }
}

fn read_body(reader: &mut Reader<'_, '_>, declared: &Declared<'_, '_>, draft: &mut Draft) -> Option<Rule> {
    let table = declared.table;
    let what = format!("rule `{}`", declared.name);
    let owner = Some((what.as_str(), &declared.at));
    let description = table.get("description").and_then(|value| read_description(reader, value));
    let allows = match table.get("effect") {
        Some(value) => read_effect(reader, value),
        None => Some(true),
    };
    let subjects = reader.required(table, "subjects", owner, "subjects = [\"group:oncall\"]");
    let subjects = subjects.map(|value| read_selectors(reader, "subjects", value, draft));
    let resources = reader.required(table, "resources", owner, "resources = [\"db/prod/orders\"]").map(|value| {
        let list = reader.list("resources", value).unwrap_or_default();
        reader.entries("resources", list).into_iter().map(|(pattern, _)| pattern).collect()
    });
    let actions = match (table.get("actions"), allows) {
        (Some(value), _) => Some(read_actions(reader, value)),
        (None, Some(false)) => Some(Actions::Any),
        (None, Some(true) | None) => {
            reader.required(table, "actions", owner, "actions = [\"read\"]");
            None
        }
    };
    let hours = table.get("hours").map(|value| read_hours(reader, value)).unwrap_or_default();
    let effect = match allows {
        Some(true) => read_allow(reader, &what, declared, draft).map(Effect::Allow),
        Some(false) => {
            for (key, _) in table.iter().filter(|(key, _)| ALLOW_ONLY.contains(&&**key.get_ref())) {
                let help = "a deny rule takes only description, subjects, resources, actions and hours".to_owned();
                reader.error(key.span(), format!("a deny rule has no {}", quoted(key.get_ref())), Some(help));
            }
            Some(Effect::Deny)
        }
        None => None,
    };
    Some(Rule {
        id: declared.name.clone(),
        description,
        subjects: subjects?,
        resources: resources?,
        actions: actions?,
        hours,
        effect: effect?,
    })
}

fn read_description(reader: &mut Reader<'_, '_>, value: &Value<'_>) -> Option<String> {
    let text = reader.text(What::Key("description"), value)?;
    if text.len() > MAX_DESCRIPTION_LEN {
        let message = format!("a description has at most {MAX_DESCRIPTION_LEN} bytes, this one has {}", text.len());
        reader.error(value.span(), message, None);
    }
    Some(text.to_owned())
}

/// Tells whether the rule allows.
fn read_effect(reader: &mut Reader<'_, '_>, value: &Value<'_>) -> Option<bool> {
    match reader.text(What::Key("effect"), value)? {
        "allow" => Some(true),
        "deny" => Some(false),
        other => {
            let help = reader.findings.nearest(other, ["allow", "deny"]);
            reader.error(value.span(), format!("`effect` is `allow` or `deny`, not {}", quoted(other)), help);
            None
        }
    }
}

/// Reads a list of identities and groups, which are looked up when all files have been read.
fn read_selectors(reader: &mut Reader<'_, '_>, key: &str, value: &Value<'_>, draft: &mut Draft) -> Vec<Selector> {
    let list = reader.list(key, value).unwrap_or_default();
    let entries = reader.entries::<Selector>(key, list);
    let selectors = entries.iter().map(|(selector, _)| selector.clone()).collect();
    draft.mentioned.extend(entries);
    selectors
}

fn read_actions(reader: &mut Reader<'_, '_>, value: &Value<'_>) -> Actions {
    let list = reader.list("actions", value).unwrap_or_default();
    match list {
        [only] if only.get_ref().as_str() == Some("*") => Actions::Any,
        list => {
            if let Some(any) = list.iter().find(|entry| entry.get_ref().as_str() == Some("*")) {
                let help = Some("write `actions = [\"*\"]` for any action, or leave `*` out".to_owned());
                reader.error(any.span(), "`*` is any action and stands alone", help);
                return Actions::Any;
            }
            Actions::These(reader.entries("actions", list).into_iter().map(|(action, _)| action).collect())
        }
    }
}

fn read_allow(
    reader: &mut Reader<'_, '_>,
    what: &str,
    declared: &Declared<'_, '_>,
    draft: &mut Draft,
) -> Option<Allow> {
    let owner = Some((what, &declared.at));
    let duration = read_duration(reader, owner, declared, draft);
    let reason = declared.table.get("reason").and_then(|value| read_reason(reader, value, &mut draft.regexes));
    let approvals = declared.table.get("approvals").map(|value| read_approvals(reader, value, draft));
    let limits = declared.table.get("limits").map(|value| read_limits(reader, what, value)).unwrap_or_default();
    let hardware = declared.table.get("require_hardware_key");
    let hardware = hardware.and_then(|value| reader.boolean(What::Key("require_hardware_key"), value));
    let (max, default) = duration?;
    Some(Allow {
        max,
        default,
        reason,
        approvals: approvals.unwrap_or_default(),
        limits,
        require_hardware_key: hardware.unwrap_or(false),
    })
}

/// Reads a list of `{ days, from, to, tz }`.
fn read_hours(reader: &mut Reader<'_, '_>, value: &Value<'_>) -> Vec<Hours> {
    let list = reader.list("hours", value).unwrap_or_default();
    if list.len() > MAX_HOURS {
        let message = format!("`hours` has at most {MAX_HOURS} entries, this one has {}", list.len());
        reader.error(value.span(), message, None);
    }
    list.iter().filter_map(|value| read_hours_entry(reader, value)).collect()
}

fn read_hours_entry(reader: &mut Reader<'_, '_>, value: &Value<'_>) -> Option<Hours> {
    let table = reader.table(What::EntryOf("hours"), value)?;
    reader.check_keys("an entry of `hours`", table, &["days", "from", "to", "tz"]);
    let at = reader.at(value.span());
    let owner = Some(("an entry of `hours`", &at));
    let days = match table.get("days") {
        Some(days) => {
            let list = reader.list("days", days).unwrap_or_default();
            let days = reader.entries::<Days>("days", list).into_iter().map(|(days, _)| days).reduce(Days::or);
            days.unwrap_or(Days::ANY)
        }
        None => Days::ANY,
    };
    let from = reader.required(table, "from", owner, "from = \"08:00\"");
    let from = from.and_then(|value| reader.parsed::<TimeOfDay>(What::Key("from"), value));
    let to_value = reader.required(table, "to", owner, "to = \"18:00\"");
    let to = to_value.and_then(|value| reader.parsed::<TimeOfDay>(What::Key("to"), value));
    let tz = reader.required(table, "tz", owner, "tz = \"Europe/Berlin\"").and_then(|value| read_zone(reader, value));
    if from == Some(TimeOfDay::END) {
        let help = Some("write `from = \"00:00\"`; with `days`, that of the next day".to_owned());
        reader.error(value.span(), "`from` is before 24:00", help);
    } else if let (Some(from), Some(value)) = (from, to_value)
        && Some(from) == to
    {
        let help = Some("for whole days, write `from = \"00:00\", to = \"24:00\"`".to_owned());
        reader.error(value.span(), format!("`from` and `to` are both {from}"), help);
    }
    Some(Hours { days, from: from?, to: to?, tz: tz? })
}

/// Reads the name of a zone.
pub(super) fn read_zone(reader: &mut Reader<'_, '_>, value: &Value<'_>) -> Option<Zone> {
    let text = reader.text(What::Key("tz"), value)?;
    let zone = zone(text, reader.findings);
    zone.map_err(|nearest| {
        let help = nearest.or_else(|| Some("write for example `tz = \"Europe/Berlin\"`, or `tz = \"UTC\"`".to_owned()));
        reader.error(value.span(), format!("there is no time zone {}", quoted(text)), help);
    })
    .ok()
}

/// Reads `{ active, rate, cooldown }`, of which at least one is there.
fn read_limits(reader: &mut Reader<'_, '_>, what: &str, value: &Value<'_>) -> Limits {
    let Some(table) = reader.table(What::Key("limits"), value) else { return Limits::default() };
    reader.check_keys("`limits`", table, &["active", "rate", "cooldown"]);
    if table.is_empty() {
        reader.error(value.span(), "`limits` needs `active`, `rate` or `cooldown`", None);
    }
    let active = table.get("active").and_then(|value| read_count(reader, "active", value));
    let rate = table.get("rate").and_then(|value| read_rate(reader, what, value));
    let cooldown = table.get("cooldown").and_then(|value| reader.parsed(What::Key("cooldown"), value));
    Limits { active, rate, cooldown }
}

fn read_count(reader: &mut Reader<'_, '_>, key: &str, value: &Value<'_>) -> Option<u32> {
    reader.number(What::Key(key), value, 1..=MAX_LIMIT).and_then(|count| u32::try_from(count).ok())
}

/// Reads `{ count, per }`.
fn read_rate(reader: &mut Reader<'_, '_>, what: &str, value: &Value<'_>) -> Option<Rate> {
    let table = reader.table(What::Key("rate"), value)?;
    reader.check_keys("`rate`", table, &["count", "per"]);
    let at = reader.at(value.span());
    let whose = format!("`rate` of {what}");
    let owner = Some((whose.as_str(), &at));
    let count = reader.required(table, "count", owner, "count = 5");
    let count = count.and_then(|value| read_count(reader, "count", value));
    let per = reader.required(table, "per", owner, "per = \"24h\"");
    let per = per.and_then(|value| reader.parsed(What::Key("per"), value));
    Some(Rate { count: count?, per: per? })
}

/// Reads a rule's `duration`, and fills in what jit.toml says for all rules.
fn read_duration(
    reader: &mut Reader<'_, '_>,
    owner: Option<(&str, &At)>,
    declared: &Declared<'_, '_>,
    draft: &Draft,
) -> Option<(Duration, Duration)> {
    const EXAMPLE: &str = "duration = { max = \"4h\" }";
    let defaults = draft.settings.as_ref().map(|settings| settings.defaults.clone()).unwrap_or_default();
    let (mut max, mut default) = (None, None);
    let value = match defaults.max {
        Some(_) => declared.table.get("duration"),
        None => Some(reader.required(declared.table, "duration", owner, EXAMPLE)?),
    };
    if let Some(value) = value {
        let table = reader.table(What::Key("duration"), value)?;
        (max, default) = read_lengths(reader, table);
        if defaults.max.is_none() {
            let at = reader.at(value.span());
            let whose = owner.map_or_else(|| "`duration`".to_owned(), |(what, _)| format!("`duration` of {what}"));
            reader.required(table, "max", Some((&whose, &at)), "max = \"4h\"");
        }
        if let (Some(cap), Some(max), Some(value)) = (defaults.max, max, table.get("max"))
            && max > cap
        {
            let help = Some("lower it, or raise `max` in `defaults` for all rules".to_owned());
            reader.error(value.span(), format!("`max` is {max}, and jit.toml allows no rule more than {cap}"), help);
        }
        if let (Some(cap), None, Some(default), Some(value)) = (defaults.max, max, default, table.get("default"))
            && default > cap
        {
            reader.error(
                value.span(),
                format!("`default` is {default}, longer than the `max` of jit.toml, {cap}"),
                None,
            );
        }
    }
    let max = max.or(defaults.max)?;
    Some((max, default.or(defaults.default).map_or(max, |default| default.min(max))))
}

/// Reads `max` and `default` of a `duration`, each if it is there.
pub(super) fn read_lengths(reader: &mut Reader<'_, '_>, table: &DeTable<'_>) -> (Option<Duration>, Option<Duration>) {
    reader.check_keys("`duration`", table, &["max", "default"]);
    let max = table.get("max").and_then(|value| reader.parsed::<Duration>(What::Key("max"), value));
    let default_value = table.get("default");
    let default = default_value.and_then(|value| reader.parsed::<Duration>(What::Key("default"), value));
    if let (Some(value), Some(default), Some(max)) = (default_value, default, max)
        && default > max
    {
        reader.error(value.span(), format!("`default` is {default}, longer than `max`, which is {max}"), None);
    }
    (max, default)
}

/// Reads `{ pattern, min_length }`, of which at least one is there.
pub(super) fn read_reason(reader: &mut Reader<'_, '_>, value: &Value<'_>, regexes: &mut Regexes) -> Option<ReasonRule> {
    let table = reader.table(What::Key("reason"), value)?;
    reader.check_keys("`reason`", table, &["pattern", "min_length"]);
    if table.is_empty() {
        reader.error(value.span(), "`reason` needs `pattern`, `min_length` or both", None);
    }
    let pattern = table.get("pattern").and_then(|value| read_regex(reader, value, regexes));
    let min_length = table.get("min_length");
    let min_length = min_length.and_then(|value| reader.number(What::Key("min_length"), value, 1..=MAX_REASON_LEN));
    Some(ReasonRule { pattern, min_length: min_length.and_then(|number| u32::try_from(number).ok()) })
}

/// The patterns of one policy.
#[derive(Default)]
pub(super) struct Regexes {
    /// Compiled ones, by their text.
    compiled: BTreeMap<String, ReasonPattern>,
    /// How many were tried.
    tried: usize,
}

/// Compiles a pattern; rules that share one share the compiled one.
fn read_regex(reader: &mut Reader<'_, '_>, value: &Value<'_>, regexes: &mut Regexes) -> Option<ReasonPattern> {
    let text = reader.text(What::Key("pattern"), value)?;
    if let Some(compiled) = regexes.compiled.get(text) {
        return Some(compiled.clone());
    }
    if text.len() > MAX_REGEX_LEN {
        let message = format!("a pattern has at most {MAX_REGEX_LEN} bytes, this one has {}", text.len());
        reader.error(value.span(), message, None);
        return None;
    }
    if regexes.tried >= MAX_REGEXES {
        let message = format!("a policy has at most {MAX_REGEXES} different patterns for reasons");
        reader.error(value.span(), message, Some("share patterns between rules".to_owned()));
        return None;
    }
    regexes.tried += 1;
    match ReasonPattern::compile(text) {
        Ok(compiled) => {
            regexes.compiled.insert(text.to_owned(), compiled.clone());
            Some(compiled)
        }
        Err(why) => {
            reader.error(value.span(), format!("{} is no pattern: {}", quoted(text), explain(&why)), None);
            None
        }
    }
}

fn explain(why: &regex::Error) -> String {
    match why {
        regex::Error::CompiledTooBig(limit) => format!("compiled, it takes more than {limit} bytes"),
        // The crate shows the pattern on several lines, and says last what is wrong.
        why => {
            let text = why.to_string();
            let last = text.lines().last().unwrap_or_default();
            escape(last.strip_prefix("error: ").unwrap_or(last))
        }
    }
}

fn read_approvals(reader: &mut Reader<'_, '_>, value: &Value<'_>, draft: &mut Draft) -> Vec<ApprovalRule> {
    let list = reader.list("approvals", value).unwrap_or_default();
    if list.len() > MAX_APPROVALS {
        let message = format!("`approvals` has at most {MAX_APPROVALS} entries, this one has {}", list.len());
        reader.error(value.span(), message, None);
    }
    list.iter().filter_map(|value| read_approval(reader, value, draft)).collect()
}

/// Reads `{ from, count, longer_than, hardware_key }`.
fn read_approval(reader: &mut Reader<'_, '_>, value: &Value<'_>, draft: &mut Draft) -> Option<ApprovalRule> {
    let table = reader.table(What::EntryOf("approvals"), value)?;
    reader.check_keys("an entry of `approvals`", table, &["from", "count", "longer_than", "hardware_key"]);
    let at = reader.at(value.span());
    let from = reader.required(table, "from", Some(("an entry of `approvals`", &at)), "from = [\"group:dba\"]");
    let from = from.map(|value| read_selectors(reader, "from", value, draft));
    let count = match table.get("count") {
        Some(value) => reader.number(What::Key("count"), value, 1..=MAX_APPROVAL_COUNT),
        None => Some(1),
    };
    let longer_than = table.get("longer_than");
    let longer_than = longer_than.and_then(|value| reader.parsed(What::Key("longer_than"), value));
    let hardware = table.get("hardware_key").and_then(|value| reader.boolean(What::Key("hardware_key"), value));
    let count = count.and_then(|count| u32::try_from(count).ok());
    Some(ApprovalRule { from: from?, count: count?, longer_than, hardware_key: hardware.unwrap_or(false) })
}
