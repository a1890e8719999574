//! What `who-can` and `what-can` have in common: which policy is asked, and how a way to something is shown.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::render;
use crate::cli::text::parse_time;
use crate::core::name::Name;
use crate::core::pattern::Pattern;
use crate::core::policy::{Actions, Policy, Rule, Selector};
use crate::core::reach::{Approval, Bar, Tier, Way};
use crate::core::time::{Duration, Timestamp};

/// How many names a table shows of a list before the rest is only counted.
const MOST_NAMES: usize = 6;
/// And of deny rules.
const MOST_DENIALS: usize = 6;

/// Which policy is asked, and about when
#[derive(clap::Args, Debug)]
pub(super) struct Scope {
    /// At this moment, as in `2026-01-05T09:00:00+01:00`, or `+2h` [default: at any; hours are shown]
    #[arg(long, value_name = "T")]
    at: Option<String>,
    /// Take the policy from this folder, not the one in force
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

impl Scope {
    /// Returns the policy and the moment.
    pub(super) fn read(&self, cx: &mut Context<'_>) -> anyhow::Result<(Arc<Policy>, Option<Timestamp>)> {
        let now = cx.world.now();
        let at = self.at.as_deref().map(|text| parse_time(text, now)).transpose()?;
        let policy = match self.folder.as_deref() {
            Some(folder) => super::of_folder(cx, folder)?,
            None => super::in_force(&cx.ledger()?)?,
        };
        Ok((policy, at))
    }
}

/// Says at which moment, if one was asked about.
pub(super) fn at_text(at: Option<Timestamp>) -> String {
    at.map(|at| format!(", at {at}")).unwrap_or_default()
}

#[derive(Serialize)]
pub(super) struct TierJson {
    over_s: Option<u32>,
    up_to_s: u32,
    in_reach: bool,
    approvals: Vec<ApprovalJson>,
}

#[derive(Serialize)]
struct ApprovalJson {
    from: Vec<String>,
    count: u32,
    hardware_key: bool,
    approvers: Vec<String>,
}

pub(super) fn tiers_json(way: &Way<'_>) -> Vec<TierJson> {
    let approval = |approval: &Approval<'_>| ApprovalJson {
        from: approval.entry.from.iter().map(Selector::to_string).collect(),
        count: approval.entry.count,
        hardware_key: approval.entry.hardware_key,
        approvers: approval.approvers.iter().map(ToString::to_string).collect(),
    };
    let tier = |tier: &Tier<'_>| TierJson {
        over_s: tier.over.map(Duration::as_secs),
        up_to_s: tier.up_to.as_secs(),
        in_reach: tier.is_in_reach,
        approvals: tier.approvals.iter().map(approval).collect(),
    };
    way.tiers.iter().map(tier).collect()
}

/// Says what a tier asks: its longest duration, and its approvals with who can give them.
pub(super) fn tier_text(tier: &Tier<'_>) -> [String; 2] {
    let entry = |approval: &Approval<'_>| {
        let from: Vec<String> = approval.entry.from.iter().map(Selector::to_string).collect();
        let touched = if approval.entry.hardware_key { " by a security key" } else { "" };
        let names = names(approval.approvers.iter().copied());
        format!("{} of {}{touched} ({names})", approval.entry.count, from.join(", "))
    };
    let mut text = match tier.approvals.is_empty() {
        true => "none".to_owned(),
        false => tier.approvals.iter().map(entry).collect::<Vec<_>>().join("; "),
    };
    if !tier.is_in_reach {
        text.push_str(": too few people");
    }
    [tier.up_to.to_string(), text]
}

/// Lists names, and counts what would be too many to read.
pub(super) fn names<'a>(names: impl ExactSizeIterator<Item = &'a Name>) -> String {
    let more = names.len().saturating_sub(MOST_NAMES);
    let mut shown: Vec<String> = names.take(MOST_NAMES).map(ToString::to_string).collect();
    if shown.is_empty() {
        return "nobody".to_owned();
    }
    if more > 0 {
        shown.push(format!("{more} more"));
    }
    shown.join(", ")
}

/// Says why somebody has nothing of what a rule allows.
pub(super) fn bar_text(bar: &Bar<'_>) -> String {
    match bar {
        Bar::Denied(rule) => format!("rule {rule} denies it"),
        Bar::NoKey(false) => "no key to ask by".to_owned(),
        Bar::NoKey(true) => "no security key to ask by".to_owned(),
        Bar::TooFew => "too few people can approve it".to_owned(),
    }
}

/// Lists actions; `*` is any.
pub(super) fn actions_json(actions: &Actions) -> Vec<String> {
    match actions {
        Actions::Any => vec!["*".to_owned()],
        Actions::These(actions) => actions.iter().map(ToString::to_string).collect(),
    }
}

/// A deny rule, and what it is about.
#[derive(Serialize)]
pub(super) struct ExceptJson {
    rule: String,
    resources: Vec<String>,
    actions: Vec<String>,
}

pub(super) fn except_json(rule: &Rule) -> ExceptJson {
    ExceptJson {
        rule: rule.id.to_string(),
        resources: rule.resources.iter().map(ToString::to_string).collect(),
        actions: actions_json(&rule.actions),
    }
}

/// Says what deny rules take away, and counts what would be too many to read.
pub(super) fn denials_text(rules: &[&Rule]) -> Vec<String> {
    let text = |rule: &&Rule| format!("not {} (rule {})", denied_text(&rule.resources, &rule.actions), rule.id);
    let mut shown: Vec<String> = rules.iter().take(MOST_DENIALS).map(text).collect();
    let more = rules.len() - shown.len();
    if more > 0 {
        shown.push(format!("not what {} deny", render::count(more as u64, "more rule")));
    }
    shown
}

/// Says what a deny rule is about.
fn denied_text(resources: &[Pattern], actions: &Actions) -> String {
    let resources: Vec<String> = resources.iter().map(ToString::to_string).collect();
    match actions.to_string().as_str() {
        "*" => resources.join(", "),
        actions => format!("{actions} on {}", resources.join(", ")),
    }
}

/// Says whether it holds then, for a table that has a column for it.
pub(super) fn holds_text(way: &Way<'_>) -> String {
    match way.holds {
        Some(true) => "yes".to_owned(),
        Some(false) => "no".to_owned(),
        None => String::new(),
    }
}
