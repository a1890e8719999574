//! `jit.toml`: the settings of a policy.

use toml::de::{DeTable, DeValue};

use crate::core::name::Name;
use crate::core::time::Duration;

use super::FORMAT;
use super::files::SETTINGS;
use super::findings::At;
use super::model::{ReasonRule, Selector};
use super::rules::{Regexes, read_lengths, read_reason};
use super::syntax::{MAX_FILE_BYTES, Reader, Value, What};

pub(super) const KEYS: &[&str] =
    &["format", "name", "maintainers", "threshold", "revokers", "check", "request", "defaults"];
const DEFAULT_MAX_AGE_SECS: u64 = 5 * 60;
const DEFAULT_PENDING_SECS: u64 = 24 * 60 * 60;

/// The settings as they are written; the names in them may not exist, and what is none could not be read.
pub(super) struct Settings {
    pub(super) name: Option<Name>,
    pub(super) maintainers: Vec<(Name, At)>,
    pub(super) maintainers_at: Option<At>,
    pub(super) threshold: Option<usize>,
    pub(super) threshold_at: Option<At>,
    pub(super) revokers: Vec<(Selector, At)>,
    pub(super) max_age: Duration,
    pub(super) witnesses: Vec<(Name, At)>,
    pub(super) pending_for: Duration,
    pub(super) defaults: Defaults,
}

/// What a team sets once for all allow rules: they may be stricter, never looser.
#[derive(Clone, Default)]
pub(super) struct Defaults {
    /// The longest duration that any rule may allow, and what one without `max` allows.
    pub(super) max: Option<Duration>,
    /// The duration of a request that names none, where the rule names none either.
    pub(super) default: Option<Duration>,
    /// What every reason must be like.
    pub(super) reason: Option<ReasonRule>,
}

/// Reads jit.toml.
pub(super) fn read_settings(reader: &mut Reader<'_, '_>, table: &DeTable<'_>, regexes: &mut Regexes) -> Settings {
    for key in table.keys() {
        match &**key.get_ref() {
            // Whole tables in the wrong file deserve better than the list of keys.
            section @ ("identity" | "group" | "rotation") => misplaced(reader, section, "identities/", key.span()),
            "rule" => misplaced(reader, "rule", "policies/", key.span()),
            known if KEYS.contains(&known) => {}
            _ => reader.unknown_key(SETTINGS, key, KEYS),
        }
    }
    if let Some(value) = reader.required(table, "format", None, "format = 1") {
        reader.number(What::Key("format"), value, FORMAT..=FORMAT);
    }
    let name = reader.required(table, "name", None, "name = \"acme\"");
    let name = name.and_then(|value| reader.parsed(What::Key("name"), value));
    let maintainers_value = reader.required(table, "maintainers", None, "maintainers = [\"alice\"]");
    let maintainers = maintainers_value.map(|value| read_maintainers(reader, value)).unwrap_or_default();
    let threshold_value = reader.required(table, "threshold", None, "threshold = 1");
    let threshold = threshold_value.and_then(|value| read_threshold(reader, value, maintainers_value));
    let revokers = table.get("revokers").map(|value| {
        let list = reader.list_or_none("revokers", value).unwrap_or_default();
        reader.named("revokers", list)
    });
    let defaults = table.get("defaults").and_then(|value| reader.table(What::Key("defaults"), value));
    let defaults = defaults.map(|table| read_defaults(reader, table, regexes)).unwrap_or_default();
    let check = read_table(reader, table, "check", &["max_age", "witnesses"]);
    let request = read_table(reader, table, "request", &["pending_for"]);
    Settings {
        name,
        maintainers,
        maintainers_at: maintainers_value.map(|value| reader.at(value.span())),
        threshold,
        threshold_at: threshold_value.map(|value| reader.at(value.span())),
        revokers: revokers.unwrap_or_default(),
        max_age: read_duration_in(reader, check, "max_age", DEFAULT_MAX_AGE_SECS),
        witnesses: check.map(|check| read_witnesses(reader, check)).unwrap_or_default(),
        pending_for: read_duration_in(reader, request, "pending_for", DEFAULT_PENDING_SECS),
        defaults,
    }
}

/// Reads `{ duration = { max, default }, reason = { pattern, min_length } }`.
fn read_defaults(reader: &mut Reader<'_, '_>, table: &DeTable<'_>, regexes: &mut Regexes) -> Defaults {
    reader.check_keys("`defaults`", table, &["duration", "reason"]);
    let duration = table.get("duration").and_then(|value| reader.table(What::Key("duration"), value));
    let (max, default) = duration.map(|duration| read_lengths(reader, duration)).unwrap_or_default();
    let reason = table.get("reason").and_then(|value| read_reason(reader, value, regexes));
    Defaults { max, default, reason }
}

/// Reads the people; a group can't be one, since who decides about policies must not change by the way.
fn read_maintainers(reader: &mut Reader<'_, '_>, value: &Value<'_>) -> Vec<(Name, At)> {
    let list = reader.list("maintainers", value).unwrap_or_default();
    let entries = reader.entries::<Selector>("maintainers", list).into_iter();
    entries
        .filter_map(|(selector, at)| match selector {
            Selector::Identity(name) => Some((name, at)),
            Selector::Group(_) | Selector::Rotation(_) | Selector::Kind(_) => {
                reader.findings.error(&at, "maintainers are people by name, never groups or rotations", None);
                None
            }
        })
        .collect()
}

/// Reads a number from 1 to that of the maintainers.
fn read_threshold(reader: &mut Reader<'_, '_>, value: &Value<'_>, maintainers: Option<&Value<'_>>) -> Option<usize> {
    let threshold = reader.number(What::Key("threshold"), value, 1..=u64::MAX)?;
    let threshold = usize::try_from(threshold).unwrap_or(usize::MAX);
    // As many as are written: that some of them are at fault is told already.
    let most = maintainers.and_then(|value| value.get_ref().as_array()).map_or(usize::MAX, |list| list.len());
    if threshold > most.max(1) {
        let (are, s) = if most == 1 { ("is", "") } else { ("are", "s") };
        let message = format!("`threshold` is {threshold} but there {are} only {most} maintainer{s}");
        reader.error(value.span(), message, None);
    }
    Some(threshold)
}

fn misplaced(reader: &mut Reader<'_, '_>, section: &str, folder: &str, at: std::ops::Range<usize>) {
    let help = Some(format!("move them to a file under {folder}"));
    reader.error(at, format!("`{section}` tables do not stand in jit.toml"), help);
}

/// Reads a table such as `check = { max_age = "5m" }`, if it is there.
fn read_table<'v, 't>(
    reader: &mut Reader<'_, '_>,
    table: &'v DeTable<'t>,
    key: &str,
    keys: &[&str],
) -> Option<&'v DeTable<'t>> {
    let inner = table.get(key).and_then(|value| reader.table(What::Key(key), value))?;
    reader.check_keys(&format!("`{key}`"), inner, keys);
    Some(inner)
}

fn read_duration_in(
    reader: &mut Reader<'_, '_>,
    table: Option<&DeTable<'_>>,
    key: &str,
    default_secs: u64,
) -> Duration {
    let default = Duration::from_secs(default_secs).expect("the defaults are lengths of time");
    let value = table.and_then(|table| table.get(key));
    value.and_then(|value| reader.parsed(What::Key(key), value)).unwrap_or(default)
}

/// Reads the services that witness the log. Each has a git ref named for it, and git takes not every name for one.
fn read_witnesses(reader: &mut Reader<'_, '_>, check: &DeTable<'_>) -> Vec<(Name, At)> {
    let list = check.get("witnesses").and_then(|value| reader.list_or_none("witnesses", value)).unwrap_or_default();
    let entries = reader.entries::<Selector>("witnesses", list).into_iter();
    entries
        .filter_map(|(selector, at)| match selector {
            Selector::Identity(name) => {
                let text = name.as_str();
                if text.contains("..") || text.ends_with('.') || text.ends_with(".lock") {
                    let message = format!("`{name}` can't be a witness: git has no branch of such a name");
                    reader.findings.error(&at, message, None);
                }
                Some((name, at))
            }
            Selector::Group(_) | Selector::Rotation(_) | Selector::Kind(_) => {
                reader.findings.error(&at, "witnesses are services by name, never groups or rotations", None);
                None
            }
        })
        .collect()
}

/// Returns the `format` that jit.toml says, if it says a number, whatever else is wrong with the file
/// (but for its size).
pub(super) fn format_of(jit_toml: &[u8]) -> Option<u64> {
    if jit_toml.len() > MAX_FILE_BYTES {
        return None;
    }
    let text = String::from_utf8_lossy(jit_toml);
    let (table, _) = DeTable::parse_recoverable(&text);
    match table.get_ref().get("format")?.get_ref() {
        DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
        DeValue::String(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_)
        | DeValue::Table(_) => None,
    }
}
