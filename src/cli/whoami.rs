//! `jit whoami`: the identity behind the key.

use serde::Serialize;

use super::context::Context;
use super::exit::Exit;
use super::render;
use crate::core::decide;
use crate::core::name::Name;
use crate::core::policy::{Actions, Effect, Policy, Rotation, Rule, Selector};
use crate::core::reach;
use crate::core::time::{Duration, Timestamp};
use crate::core::view::ViewExt;

#[derive(clap::Args, Debug)]
pub(super) struct WhoamiArgs {}

#[derive(Serialize)]
struct Whoami {
    name: String,
    kind: &'static str,
    key: String,
    key_source: String,
    groups: Vec<String>,
    /// The rotations that one has turns in.
    rotations: Vec<TurnJson>,
    maintainer: bool,
    revoker: bool,
    may_ask_for: Vec<MayAsk>,
}

#[derive(Serialize)]
struct TurnJson {
    rotation: String,
    /// Whether that is you, now.
    on_call: bool,
    /// When that changes; none if it does not within a year.
    until: Option<String>,
    #[serde(skip)]
    text: String,
}

#[derive(Serialize)]
struct MayAsk {
    rule: String,
    resources: Vec<String>,
    /// `*` alone is any.
    actions: Vec<String>,
    max_s: u32,
    approvals: Vec<EntryJson>,
    /// What else the rule wants, in words.
    conditions: Vec<String>,
}

#[derive(Serialize)]
struct EntryJson {
    from: Vec<String>,
    count: u32,
    /// None where it counts for each request.
    longer_than_s: Option<u32>,
    hardware_key: bool,
    /// All of it in words.
    #[serde(skip)]
    text: String,
}

pub(super) fn run(cx: &mut Context<'_>, _args: &WhoamiArgs) -> anyhow::Result<Exit> {
    let ledger = cx.ledger()?;
    let me = cx.me(&ledger)?;
    let view = &ledger.view;
    let policy = view.rules();
    let now = cx.world.now();
    let whoami = Whoami {
        name: me.name.to_string(),
        kind: if view.is_person(&me.name) { "person" } else { "service" },
        key: me.signer.public_key().fingerprint(),
        key_source: me.signer.describe(),
        groups: policy.as_deref().map(|policy| groups_of(policy, &me.name)).unwrap_or_default(),
        rotations: policy.as_deref().map(|policy| rotations_of(cx, policy, &me.name, now)).unwrap_or_default(),
        maintainer: view.is_maintainer(&me.name),
        revoker: view.is_revoker(&me.name, now),
        may_ask_for: policy.as_deref().map(|policy| may_ask(policy, &me.name, now)).unwrap_or_default(),
    };
    if cx.json() {
        cx.print_json(&whoami)?;
        return Ok(Exit::Done);
    }
    let mut roles = Vec::new();
    if whoami.maintainer {
        roles.push("maintainer");
    }
    if whoami.revoker {
        roles.push("revoker");
    }
    let mut rows = vec![
        ("name", format!("{} ({})", whoami.name, whoami.kind)),
        ("key", format!("{} ({})", whoami.key, whoami.key_source)),
        ("groups", or_none(&whoami.groups.join(", "))),
        ("roles", or_none(&roles.join(", "))),
    ];
    rows.extend(whoami.rotations.iter().map(|turn| ("on call", turn.text.clone())));
    cx.print(&render::details(&rows))?;
    if let Some(obstacle) = decide::obstacle(view, now) {
        cx.print(&format!("Nothing can be asked for now: {}", obstacle.message))?;
        return Ok(Exit::Done);
    }
    if whoami.may_ask_for.is_empty() {
        cx.print("No rule lets you ask for anything.")?;
        return Ok(Exit::Done);
    }
    let rows: Vec<[String; 6]> = whoami
        .may_ask_for
        .iter()
        .map(|may| {
            let longest = Duration::from_secs(u64::from(may.max_s));
            let approvals = may.approvals.iter().map(|entry| entry.text.as_str()).collect::<Vec<_>>();
            [
                may.rule.clone(),
                may.actions.join(", "),
                may.resources.join(", "),
                longest.map(|longest| longest.to_string()).unwrap_or_default(),
                or_none(&approvals.join("; ")),
                render::safe(&may.conditions.join("; ")).into_owned(),
            ]
        })
        .collect();
    cx.print("You may ask for:")?;
    cx.print(&render::table(["RULE", "ACTIONS", "RESOURCES", "UP TO", "APPROVALS", "CONDITIONS"], &rows))?;
    Ok(Exit::Done)
}

fn or_none(text: &str) -> String {
    if text.is_empty() { "none".to_owned() } else { text.to_owned() }
}

fn groups_of(policy: &Policy, name: &Name) -> Vec<String> {
    policy.groups().iter().filter(|(_, members)| members.contains(name)).map(|(group, _)| group.to_string()).collect()
}

/// Returns the rotations in which somebody has turns, and when theirs begin or end.
fn rotations_of(cx: &Context<'_>, policy: &Policy, name: &Name, now: Timestamp) -> Vec<TurnJson> {
    let theirs = policy.rotations().iter().filter(|(_, rotation)| rotation.people().contains(name));
    let turn = |(id, _): (&Name, &Rotation)| {
        let on_call = policy.selects(&[Selector::Rotation(id.clone())], name, now);
        let until = policy.next_turn(&[Selector::Rotation(id.clone())], name, now, now.after(Duration::MAX));
        let when = until.map(|until| render::both_times(cx.world, until));
        let text = match (on_call, when) {
            (true, Some(when)) => format!("{id}, until {when}"),
            (true, None) => id.to_string(),
            (false, Some(when)) => format!("not now: {id} from {when}"),
            (false, None) => format!("not now: {id}"),
        };
        TurnJson { rotation: id.to_string(), on_call, until: until.map(|until| until.to_string()), text }
    };
    theirs.map(turn).collect()
}

fn may_ask(policy: &Policy, name: &Name, now: Timestamp) -> Vec<MayAsk> {
    let mine = policy.rules().values().filter(|rule| policy.selects(&rule.subjects, name, now));
    mine.filter_map(|rule: &Rule| match &rule.effect {
        Effect::Deny => None,
        Effect::Allow(allow) => Some(MayAsk {
            rule: rule.id.to_string(),
            resources: rule.resources.iter().map(ToString::to_string).collect(),
            actions: match &rule.actions {
                Actions::Any => vec!["*".to_owned()],
                Actions::These(actions) => actions.iter().map(ToString::to_string).collect(),
            },
            max_s: allow.max.as_secs(),
            approvals: allow
                .approvals
                .iter()
                .map(|entry| EntryJson {
                    from: entry.from.iter().map(Selector::to_string).collect(),
                    count: entry.count,
                    longer_than_s: entry.longer_than.map(Duration::as_secs),
                    hardware_key: entry.hardware_key,
                    text: entry.to_string(),
                })
                .collect(),
            conditions: reach::conditions(policy, rule, allow),
        }),
    })
    .collect()
}
