//! `jit policy what-can`: everything that somebody can have, and what it takes.

use serde::Serialize;

use super::reach::{self, ExceptJson, Scope, TierJson, denials_text, except_json};
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::render;
use crate::core::name::Name;
use crate::core::reach::{Reach, what_can};

/// Show all that a person or a service can have, for how long, and who has to approve it
///
/// Deny rules are counted: what they leave nothing of is told apart, what they take a part of says so.
#[derive(clap::Args, Debug)]
pub(in crate::cli) struct WhatCanArgs {
    /// A person or a service
    subject: Name,
    #[command(flatten)]
    scope: Scope,
}

#[derive(Serialize)]
struct WhatCanJson {
    subject: String,
    at: Option<String>,
    can: Vec<ReachJson>,
    cannot: Vec<BarJson>,
}

#[derive(Serialize)]
struct ReachJson {
    rule: String,
    resources: String,
    /// `*` alone is any.
    actions: Vec<String>,
    except: Vec<ExceptJson>,
    /// None if the patterns are too intricate to tell whether deny rules leave anything.
    example: Option<ExampleJson>,
    holds: Option<bool>,
    tiers: Vec<TierJson>,
    conditions: Vec<String>,
}

#[derive(Serialize)]
struct ExampleJson {
    resource: String,
    action: String,
}

#[derive(Serialize)]
struct BarJson {
    rule: String,
    resources: String,
    because: String,
}

pub(super) fn run(cx: &mut Context<'_>, args: &WhatCanArgs) -> anyhow::Result<Exit> {
    let (policy, at) = args.scope.read(cx)?;
    let Some((subject, _)) = policy.identities().get_key_value(&args.subject) else {
        return Err(super::nobody_called(&policy, &args.subject).into());
    };
    let found = what_can(&policy, subject, at);
    if cx.json() {
        let barred = found.barred.iter().map(|(rule, pattern, bar)| BarJson {
            rule: rule.to_string(),
            resources: pattern.to_string(),
            because: reach::bar_text(bar),
        });
        cx.print_json(&WhatCanJson {
            subject: subject.to_string(),
            at: at.map(|at| at.to_string()),
            can: found.reaches.iter().map(to_json).collect(),
            cannot: barred.collect(),
        })?;
        return Ok(Exit::Done);
    }
    let when = reach::at_text(at);
    if found.reaches.is_empty() {
        cx.print(&format!("{subject} can have nothing{when}"))?;
    } else {
        cx.print(&format!("What {subject} can have{when}"))?;
        cx.print(&table(&found.reaches, at.is_some()))?;
    }
    if !found.barred.is_empty() {
        cx.print(&format!("Not, though a rule is for {subject}:"))?;
        let row = |(rule, pattern, bar): &(&Name, _, _)| [rule.to_string(), format!("{pattern}"), reach::bar_text(bar)];
        let rows: Vec<[String; 3]> = found.barred.iter().map(row).collect();
        cx.print(&render::table(["RULE", "RESOURCES", "WHY NOT"], &rows))?;
    }
    Ok(Exit::Done)
}

fn to_json(one: &Reach<'_>) -> ReachJson {
    ReachJson {
        rule: one.way.rule.id.to_string(),
        resources: one.resources.to_string(),
        actions: reach::actions_json(&one.actions),
        except: one.except.iter().map(|rule| except_json(rule)).collect(),
        example: one
            .example
            .as_ref()
            .map(|(resource, action)| ExampleJson { resource: resource.to_string(), action: action.to_string() }),
        holds: one.way.holds,
        tiers: reach::tiers_json(&one.way),
        conditions: one.way.conditions.clone(),
    }
}

fn table(reaches: &[Reach<'_>], with_moment: bool) -> String {
    let mut lines: Vec<[String; 7]> = Vec::new();
    for one in reaches {
        let mut conditions = one.way.conditions.clone();
        conditions.extend(denials_text(&one.except));
        if one.example.is_none() {
            conditions.push("patterns too intricate to tell whether that leaves any".to_owned());
        }
        let mut head = [
            one.resources.to_string(),
            one.actions.to_string(),
            one.way.rule.id.to_string(),
            conditions.join("; "),
            reach::holds_text(&one.way),
        ];
        for tier in &one.way.tiers {
            let [resources, actions, rule, conditions, holds] = std::mem::take(&mut head);
            let [up_to, approvals] = reach::tier_text(tier);
            lines.push([resources, actions, rule, up_to, approvals, conditions, holds]);
        }
    }
    if with_moment {
        let header = ["RESOURCES", "ACTIONS", "RULE", "UP TO", "APPROVALS", "CONDITIONS", "HOLDS THEN"];
        return render::table(header, &lines);
    }
    let lines: Vec<[String; 6]> = lines.into_iter().map(|[a, b, c, d, e, f, _]| [a, b, c, d, e, f]).collect();
    render::table(["RESOURCES", "ACTIONS", "RULE", "UP TO", "APPROVALS", "CONDITIONS"], &lines)
}
