//! `jit lockdown`: stop all that matches.

use serde::Serialize;

use super::context::Context;
use super::exit::Exit;
use super::render;
use super::statement::{self, Insist};
use super::text::check_text;
use crate::core::decide::{self, Answer};
use crate::core::ledger::{RequestRecord, foresee};
use crate::core::pattern::Pattern;
use crate::core::statement::{Lockdown, LockdownSubject, What};
use crate::core::view::{View, ViewExt};
use crate::edge::replay::LogView;

#[derive(clap::Args, Debug)]
pub(super) struct LockdownArgs {
    /// Whom: a name, or group:NAME; may be repeated [default: everyone]
    #[arg(long = "subject", value_name = "S")]
    subjects: Vec<LockdownSubject>,
    /// Where: a resource or a pattern; may be repeated [default: everywhere]
    #[arg(long = "resource", value_name = "P")]
    resources: Vec<Pattern>,
    /// Why; kept in the audit log
    #[arg(long, value_name = "T")]
    reason: String,
}

#[derive(Serialize)]
struct LockedDown {
    id: String,
    ended: Vec<String>,
}

pub(super) fn run(cx: &mut Context<'_>, args: &LockdownArgs) -> anyhow::Result<Exit> {
    check_text("--reason", &args.reason)?;
    let everything = args.subjects.is_empty() && args.resources.is_empty();
    let or_all = |given: &[LockdownSubject]| {
        if given.is_empty() { vec![LockdownSubject::Everyone] } else { given.to_vec() }
    };
    let lockdown = Lockdown {
        subjects: or_all(&args.subjects),
        resources: if args.resources.is_empty() { vec![Pattern::everything()] } else { args.resources.clone() },
        reason: args.reason.clone(),
    };
    let shown = describe(&lockdown.subjects, &lockdown.resources);
    let mut ledger = cx.ledger()?;
    for subject in lockdown.subjects.iter().filter(|subject| !is_known(&ledger.view, subject)) {
        cx.world
            .warn(&format!("warning: there is no `{subject}` in the policy in force: for now that holds nobody back"));
    }
    let mut me = cx.me(&ledger)?;
    let now = cx.world.now();
    let statement = statement::compose(cx, &ledger, &me, now, What::Lockdown(lockdown))?;
    let foreseen = foresee(&ledger.view, &statement, me.signer.public_key(), None);
    statement::demand_effect(&foreseen)?;
    // A grant for later is as good as a live one, and a lockdown ends it for good.
    let is_open = |view: &LogView, record: &RequestRecord| {
        let decision = decide::stand(view, record, now);
        decision.answer != Answer::Deny || decision.is_asleep()
    };
    let mut after = ledger.view.clone();
    after.commit(foreseen);
    let ended: Vec<_> = ledger
        .view
        .requests(Some(now))
        .into_iter()
        .filter(|record| is_open(&ledger.view, record) && !is_open(&after, record))
        .collect();
    let rows = [
        ("locks down", shown.clone()),
        ("why", render::quoted(&args.reason)),
        (
            "ends now",
            if ended.is_empty() {
                "nothing".to_owned()
            } else {
                format!("{}, live, pending or for later:", ended.len())
            },
        ),
    ];
    let mut text = format!("About to lock down, as {}:\n{}", me.describe(), render::details(&rows));
    for record in &ended {
        let request = &record.request;
        text.push_str(&format!(
            "\n    {}  {}: {} on {}",
            record.id.short(),
            record.by,
            request.action,
            request.resource
        ));
    }
    cx.show_before_signing(&text);
    let ended: Vec<String> = ended.iter().map(|record| record.id.to_string()).collect();
    cx.confirm("Sign and log this lockdown?")?;
    if everything {
        cx.confirm("This stops everyone, everywhere. Are you sure?")?;
    }
    let message = format!("{} locks down {}", me.name, shown.replace('\n', "; "));
    let logged = statement::say(cx, &mut ledger, &mut me, statement, &message, Insist::OnEffect)?;
    if cx.json() {
        cx.print_json(&LockedDown { id: logged.id.to_string(), ended })?;
    } else {
        cx.print(&format!("Locked down until it is lifted by `jit lift {}`", logged.id))?;
    }
    Ok(Exit::Done)
}

/// Tells whether the policy in force knows whom a lockdown names.
fn is_known(view: &impl View, subject: &LockdownSubject) -> bool {
    match subject {
        LockdownSubject::Everyone => true,
        LockdownSubject::Identity(name) => view.knows(name),
        LockdownSubject::Group(group) => view.roster().is_some_and(|policy| policy.members(group).is_some()),
    }
}

/// Describes whom and where.
pub(super) fn describe(subjects: &[LockdownSubject], resources: &[Pattern]) -> String {
    let subject = |subject: &LockdownSubject| match subject {
        LockdownSubject::Everyone => "everyone (*)".to_owned(),
        LockdownSubject::Identity(_) | LockdownSubject::Group(_) => subject.to_string(),
    };
    let resource = |pattern: &Pattern| match pattern.to_string() {
        all if all == "**" => "everything (**)".to_owned(),
        some => some,
    };
    let subjects = subjects.iter().map(subject).collect::<Vec<_>>().join(", ");
    let resources = resources.iter().map(resource).collect::<Vec<_>>().join(", ");
    format!("{subjects} on {resources}")
}
