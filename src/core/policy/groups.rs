//! Resolves groups of groups to the identities in them.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::name::Name;

use super::findings::Findings;
use super::identities::DraftGroup;
use super::model::Selector;

/// The most memberships a policy may have: over all groups, each identity named in it counts 1 and each group named in
/// it as many as are in that group. Without it, groups inside groups could multiply a small file to any size.
const MAX_MEMBERSHIPS: usize = 1_000_000;
/// The most groups that the message about a cycle names.
const MAX_SHOWN: usize = 8;

/// Returns all identities in each group; notes groups that contain themselves. Unknown members are left out.
pub(super) fn resolve_groups(
    groups: &BTreeMap<Name, DraftGroup>,
    findings: &mut Findings<'_>,
) -> BTreeMap<Name, BTreeSet<Name>> {
    let mut resolved: BTreeMap<Name, BTreeSet<Name>> = BTreeMap::new();
    let mut memberships: usize = 0;
    for start in groups.keys() {
        // Depth first, with a stack of our own: a chain of groups may be longer than the program's stack is deep. Of
        // each group on the way, how many of its members have been looked at.
        let mut way: Vec<(&Name, usize)> = vec![(start, 0)];
        // And how deep each of them stands in it.
        let mut on_way: BTreeMap<&Name, usize> = BTreeMap::from([(start, 0)]);
        while let Some((name, next)) = way.pop() {
            let Some(group) = groups.get(name).filter(|_| !resolved.contains_key(name)) else { continue };
            match group.members.get(next) {
                Some((Selector::Group(inner), at)) => {
                    way.push((name, next + 1));
                    if let Some(depth) = on_way.get(inner) {
                        let names = way.get(*depth..).unwrap_or_default().iter().map(|(name, _)| *name);
                        findings.error(at, format!("group `{inner}` contains itself: {}", circle(names, inner)), None);
                    } else if groups.contains_key(inner) && !resolved.contains_key(inner) {
                        on_way.insert(inner, way.len());
                        way.push((inner, 0));
                    }
                }
                Some((Selector::Identity(_) | Selector::Rotation(_) | Selector::Kind(_), _)) => {
                    way.push((name, next + 1))
                }
                None => {
                    let mut members = BTreeSet::new();
                    for (member, at) in &group.members {
                        let inner = match member {
                            Selector::Identity(_) | Selector::Rotation(_) | Selector::Kind(_) => None,
                            Selector::Group(inner) => resolved.get(inner),
                        };
                        memberships += inner.map_or(1, BTreeSet::len);
                        if memberships > MAX_MEMBERSHIPS {
                            let message = format!("the groups have more than {MAX_MEMBERSHIPS} members all together");
                            findings.error(at, message, Some("name fewer groups inside groups".to_owned()));
                            return resolved;
                        }
                        match member {
                            Selector::Identity(name) => drop(members.insert(name.clone())),
                            Selector::Group(_) => members.extend(inner.into_iter().flatten().cloned()),
                            // Told where it was read.
                            Selector::Rotation(_) | Selector::Kind(_) => {}
                        }
                    }
                    on_way.remove(name);
                    resolved.insert(name.clone(), members);
                }
            }
        }
    }
    resolved
}

/// Spells a cycle, as in `a` -> `b` -> `a`.
fn circle<'n>(names: impl Iterator<Item = &'n Name>, end: &Name) -> String {
    let mut names: Vec<String> = names.take(MAX_SHOWN + 1).map(|name| format!("`{name}`")).collect();
    if names.len() > MAX_SHOWN {
        names.truncate(MAX_SHOWN);
        names.push("…".to_owned());
    }
    names.push(format!("`{end}`"));
    names.join(" -> ")
}
