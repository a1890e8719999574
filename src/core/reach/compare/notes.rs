//! What differs between two policies beside who has what: settings, keys and usual durations, in words.

use std::collections::BTreeSet;

use crate::core::name::Name;
use crate::core::policy::{Effect, Policy, Selector};

/// Says what else has changed.
pub(super) fn notes(old: &Policy, new: &Policy) -> Vec<String> {
    let mut notes = Vec::new();
    let rotations = |policy: &Policy, id: &Name| policy.rotations().get(id).cloned();
    let ids: BTreeSet<&Name> = old.rotations().keys().chain(new.rotations().keys()).collect();
    for id in ids.into_iter().filter(|id| rotations(old, id) != rotations(new, id)) {
        notes.push(format!("rotation {id}: other people, or at other times"));
    }
    let mut changed = |what: &str, old: String, new: String| {
        if old != new {
            notes.push(format!("{what}: {new}, was {old}"));
        }
    };
    let list = |names: &BTreeSet<Name>| or_none(names.iter().map(Name::to_string).collect());
    let selectors = |from: &[Selector]| {
        let sorted: BTreeSet<String> = from.iter().map(Selector::to_string).collect();
        or_none(sorted.into_iter().collect())
    };
    changed("maintainers", list(old.maintainers()), list(new.maintainers()));
    changed("threshold", old.threshold().to_string(), new.threshold().to_string());
    changed("revokers", selectors(old.revokers()), selectors(new.revokers()));
    changed("check.max_age", old.max_age().to_string(), new.max_age().to_string());
    changed("check.witnesses", list(old.witnesses()), list(new.witnesses()));
    changed("request.pending_for", old.pending_for().to_string(), new.pending_for().to_string());
    let all: BTreeSet<&Name> = old.identities().keys().chain(new.identities().keys()).collect();
    for name in all {
        let keys = |policy: &Policy| {
            let keys = policy.identity(name).into_iter().flat_map(|identity| identity.keys());
            or_none(keys.map(|key| key.fingerprint()).collect())
        };
        changed(&format!("keys of {name}"), keys(old), keys(new));
    }
    for (id, rule) in new.rules() {
        // Where `max` has changed, too, that says it.
        if let (Effect::Allow(allow), Some(Effect::Allow(before))) =
            (&rule.effect, old.rules().get(id).map(|rule| &rule.effect))
            && allow.max == before.max
        {
            changed(&format!("usual duration of rule {id}"), before.default.to_string(), allow.default.to_string());
        }
    }
    notes
}

fn or_none(mut list: Vec<String>) -> String {
    list.sort();
    if list.is_empty() { "none".to_owned() } else { list.join(", ") }
}
