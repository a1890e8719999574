//! `jit policy explain`: every rule about a resource, with each of its conditions met or not.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::exit::{Exit, Failure};
use crate::cli::render::{self, Role};
use crate::cli::text::parse_time;
use crate::core::evaluate::{self, Approvers, Ask, Given};
use crate::core::explain::{Explained, explain};
use crate::core::name::{Name, Resource};
use crate::core::policy::{Effect, Limits, Policy};
use crate::core::time::Duration;

/// Show every rule that is about a resource, and which of its conditions a request would meet
#[derive(clap::Args, Debug)]
pub(in crate::cli) struct ExplainArgs {
    /// What would be asked for
    resource: Resource,
    /// What would be done to it
    #[arg(default_value = "access")]
    action: Name,
    /// Who would ask [default: you]
    #[arg(long, value_name = "NAME")]
    subject: Option<Name>,
    /// For how long [default: what a request without --for asks]
    #[arg(long = "for", value_name = "D")]
    duration: Option<Duration>,
    /// Why
    #[arg(long, value_name = "T", default_value = "")]
    reason: String,
    /// When, as in `2026-01-05T09:00:00+01:00`, or `+2h` [default: now]
    #[arg(long, value_name = "T")]
    at: Option<String>,
    /// Who would have approved it; again for each
    #[arg(long = "approved-by", value_name = "NAME")]
    approved_by: Vec<Name>,
    /// The request and the approvals would be signed by security keys
    #[arg(long)]
    hardware_key: bool,
    /// Take the policy from this folder, not the one in force
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

#[derive(Serialize)]
struct ExplainedJson {
    rule: String,
    effect: &'static str,
    met: bool,
    conditions: Vec<ConditionJson>,
}

#[derive(Serialize)]
struct ConditionJson {
    condition: String,
    met: bool,
    wants: String,
}

#[derive(Serialize)]
struct ExplanationJson {
    subject: String,
    resource: String,
    action: String,
    duration_s: u32,
    at: String,
    rules: Vec<ExplainedJson>,
}

pub(super) fn run(cx: &mut Context<'_>, args: &ExplainArgs) -> anyhow::Result<Exit> {
    let now = cx.world.now();
    let at = args.at.as_deref().map(|text| parse_time(text, now)).transpose()?.unwrap_or(now);
    let (policy, subject) = policy_and_subject(cx, args)?;
    for name in [&subject].into_iter().chain(&args.approved_by) {
        if policy.identity(name).is_none() {
            return Err(super::nobody_called(&policy, name).into());
        }
    }
    let usual = || evaluate::default_duration(&policy, &subject, &args.resource, &args.action, at);
    let duration = args.duration.or_else(usual).unwrap_or_else(|| shortest_default(&policy, &args.resource));
    let ask = Ask {
        subject: &subject,
        resource: &args.resource,
        action: &args.action,
        duration,
        reason: &args.reason,
        by_hardware_key: args.hardware_key,
        at,
    };
    let given = Given { by_hardware_key: args.hardware_key, at };
    let people: Approvers = args.approved_by.iter().map(|name| (name.clone(), vec![given])).collect();
    let explained = explain(&policy, &ask, &people);
    if cx.json() {
        cx.print_json(&ExplanationJson {
            subject: subject.to_string(),
            resource: args.resource.to_string(),
            action: args.action.to_string(),
            duration_s: duration.as_secs(),
            at: at.to_string(),
            rules: explained.iter().map(to_json).collect(),
        })?;
        return Ok(Exit::Done);
    }
    if explained.is_empty() {
        cx.print(&format!("No rule is about `{}`, so nobody may have it.", args.resource))?;
        return Ok(Exit::Done);
    }
    let what = format!("{subject} asks to {} {} for {duration}, at {at}:", args.action, args.resource);
    cx.print(&what)?;
    let coloured = cx.coloured();
    for one in &explained {
        let text = describe(coloured, one);
        cx.print(&text)?;
    }
    Ok(Exit::Done)
}

/// Returns the shortest default of the rules that are about the resource, for somebody whom none of them is for.
fn shortest_default(policy: &Policy, resource: &Resource) -> Duration {
    let about = policy.rules_near(resource).filter(|rule| rule.resources.iter().any(|one| one.matches(resource)));
    let defaults = about.filter_map(|rule| match &rule.effect {
        Effect::Allow(allow) => Some(allow.default),
        Effect::Deny => None,
    });
    defaults.min().unwrap_or(Duration::MAX)
}

/// Returns the policy to ask, and who asks.
fn policy_and_subject(cx: &mut Context<'_>, args: &ExplainArgs) -> anyhow::Result<(Arc<Policy>, Name)> {
    let Some(folder) = &args.folder else {
        let ledger = cx.ledger()?;
        let subject = match &args.subject {
            Some(subject) => subject.clone(),
            None => cx.me(&ledger)?.name,
        };
        let policy = super::in_force(&ledger)?;
        return Ok((policy, subject));
    };
    let policy = super::of_folder(cx, folder)?;
    let subject = args.subject.clone().ok_or_else(|| Failure::usage("name who asks: --subject NAME"))?;
    Ok((policy, subject))
}

fn effect(one: &Explained<'_>) -> &'static str {
    if one.is_deny() { "deny" } else { "allow" }
}

fn to_json(one: &Explained<'_>) -> ExplainedJson {
    let conditions = one.conditions.iter().map(|asked| ConditionJson {
        condition: asked.condition.to_string(),
        met: asked.is_met,
        wants: asked.wants.clone(),
    });
    ExplainedJson {
        rule: one.rule.id.to_string(),
        effect: effect(one),
        met: one.is_met(),
        conditions: conditions.collect(),
    }
}

/// Shows one rule and its conditions as a table.
pub(in crate::cli) fn describe(coloured: bool, one: &Explained<'_>) -> String {
    let (role, word) = match (one.is_met(), one.is_deny()) {
        (true, true) => (Role::Bad, "denies it"),
        (true, false) => (Role::Good, "allows it"),
        (false, _) if !one.is_addressed() => (Role::Waiting, "is not for it"),
        (false, true) => (Role::Waiting, "does not deny it now"),
        (false, false) => (Role::Waiting, "does not allow it"),
    };
    let rows: Vec<[String; 3]> = one
        .conditions
        .iter()
        .map(|asked| {
            let met = if asked.is_met { "yes" } else { "no" };
            [asked.condition.to_string(), met.to_owned(), render::safe(&asked.wants).into_owned()]
        })
        .collect();
    let table = render::table(["CONDITION", "MET", "WANTS"], &rows);
    // How much the subject has had is not in the policy: who asks in earnest is told.
    let limits = match &one.rule.effect {
        Effect::Allow(allow) if allow.limits != Limits::default() => {
            format!("\nIts limits are counted when a grant would be complete: {}", allow.limits)
        }
        Effect::Allow(_) | Effect::Deny => String::new(),
    };
    format!("\nrule {} {}\n{table}{limits}", one.rule.id, render::paint(coloured, role, word))
}
