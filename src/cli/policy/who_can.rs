//! `jit policy who-can`: everybody who can have something, and what it takes.

use std::collections::BTreeMap;

use serde::Serialize;

use super::reach::{self, Scope, TierJson};
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::render;
use crate::core::name::{Name, Resource};
use crate::core::reach::{WhoCan, who_can};

/// Show who can have a resource, for how long, and who has to approve it
///
/// Deny rules are counted, and so is who has a key. Approvers are those who can approve for just that subject.
#[derive(clap::Args, Debug)]
pub(in crate::cli) struct WhoCanArgs {
    /// What would be asked for
    resource: Resource,
    /// What would be done to it
    #[arg(default_value = "access")]
    action: Name,
    #[command(flatten)]
    scope: Scope,
}

#[derive(Serialize)]
struct WhoCanJson {
    resource: String,
    action: String,
    at: Option<String>,
    can: Vec<WayJson>,
    cannot: Vec<BarJson>,
}

#[derive(Serialize)]
struct WayJson {
    subject: String,
    rule: String,
    /// None if no moment was asked about.
    holds: Option<bool>,
    tiers: Vec<TierJson>,
    conditions: Vec<String>,
}

#[derive(Serialize)]
struct BarJson {
    subject: String,
    rule: String,
    because: String,
}

pub(super) fn run(cx: &mut Context<'_>, args: &WhoCanArgs) -> anyhow::Result<Exit> {
    let (policy, at) = args.scope.read(cx)?;
    let found = who_can(&policy, &args.resource, &args.action, at);
    if cx.json() {
        let ways = found.ways.iter().map(|way| WayJson {
            subject: way.subject.to_string(),
            rule: way.rule.id.to_string(),
            holds: way.holds,
            tiers: reach::tiers_json(way),
            conditions: way.conditions.clone(),
        });
        let barred = found.barred.iter().map(|(subject, rule, bar)| BarJson {
            subject: subject.to_string(),
            rule: rule.to_string(),
            because: reach::bar_text(bar),
        });
        cx.print_json(&WhoCanJson {
            resource: args.resource.to_string(),
            action: args.action.to_string(),
            at: at.map(|at| at.to_string()),
            can: ways.collect(),
            cannot: barred.collect(),
        })?;
        return Ok(Exit::Done);
    }
    let what = format!("{} {}{}", args.action, args.resource, reach::at_text(at));
    if found.ways.is_empty() {
        cx.print(&format!("Nobody can {what}"))?;
    } else {
        cx.print(&format!("Who can {what}"))?;
        cx.print(&ways_table(&found, at.is_some()))?;
    }
    if !found.barred.is_empty() {
        cx.print("Not, though a rule is for them:")?;
        cx.print(&bars_table(&found))?;
    }
    Ok(Exit::Done)
}

/// What a row says of a way beside whose it is: rule, conditions and whether it holds; and its tiers.
type Row = ([String; 3], Vec<[String; 2]>);

/// Shows the ways, those of several subjects that are the same in one row.
fn ways_table(found: &WhoCan<'_>, with_moment: bool) -> String {
    let mut rows: Vec<(Row, Vec<&Name>)> = Vec::new();
    let mut known: BTreeMap<Row, usize> = BTreeMap::new();
    for way in &found.ways {
        let head = [way.rule.id.to_string(), way.conditions.join("; "), reach::holds_text(way)];
        let row: Row = (head, way.tiers.iter().map(reach::tier_text).collect());
        let index = *known.entry(row.clone()).or_insert_with(|| {
            rows.push((row, Vec::new()));
            rows.len() - 1
        });
        if let Some((_, who)) = rows.get_mut(index) {
            who.push(way.subject);
        }
    }
    let mut lines: Vec<[String; 6]> = Vec::new();
    for (([rule, conditions, holds], tiers), who) in rows {
        let mut head = [reach::names(who.into_iter()), rule, holds, conditions];
        for [up_to, approvals] in tiers {
            let [who, rule, holds, conditions] = std::mem::take(&mut head);
            lines.push([who, rule, up_to, approvals, conditions, holds]);
        }
    }
    if with_moment {
        return render::table(["WHO", "RULE", "UP TO", "APPROVALS", "CONDITIONS", "HOLDS THEN"], &lines);
    }
    let lines: Vec<[String; 5]> = lines
        .into_iter()
        .map(|[who, rule, up_to, approvals, conditions, _]| [who, rule, up_to, approvals, conditions])
        .collect();
    render::table(["WHO", "RULE", "UP TO", "APPROVALS", "CONDITIONS"], &lines)
}

fn bars_table(found: &WhoCan<'_>) -> String {
    let mut together: BTreeMap<(&Name, String), Vec<&Name>> = BTreeMap::new();
    for (subject, rule, bar) in &found.barred {
        together.entry((rule, reach::bar_text(bar))).or_default().push(subject);
    }
    let rows: Vec<[String; 3]> =
        together.into_iter().map(|((rule, why), who)| [reach::names(who.into_iter()), rule.to_string(), why]).collect();
    render::table(["WHO", "RULE", "WHY NOT"], &rows)
}
