//! From what somebody wants to say to a line in the log: compose, foresee, sign, append.

use anyhow::Context as _;

use super::context::{Context, Me};
use super::exit::Failure;
use super::ledger::Ledger;
use crate::core::hash::Hash;
use crate::core::ledger::{Delta, Verdict};
use crate::core::policy::PolicyFiles;
use crate::core::reason::Code;
use crate::core::statement::{Body, Line, Seen, Statement, What, encode};
use crate::core::time::Timestamp;
use crate::core::view::{View, ViewExt};
pub(super) use crate::edge::log::queue::Insist;

/// Composes what `me` says at `at`, vouching for the log as it stands in `ledger`.
pub(super) fn compose(
    cx: &mut Context<'_>,
    ledger: &Ledger,
    me: &Me,
    at: Timestamp,
    what: What,
) -> anyhow::Result<Statement> {
    let view = &ledger.view;
    let (Some(genesis), Some(root)) = (view.genesis(), view.root()) else {
        return Err(Failure::untrusted(Code::PolicyUnverified, "the log is empty").into());
    };
    let seen = Seen { size: view.size(), root };
    Ok(Statement { log: genesis.id, by: me.name.clone(), at, seen, nonce: cx.world.nonce(), what })
}

/// Refuses what would be a leaf and nothing more, or (for whoever wants an effect) change nothing.
pub(super) fn demand_effect(delta: &Delta) -> anyhow::Result<()> {
    match &delta.verdict {
        Verdict::Effect => Ok(()),
        Verdict::WithoutEffect(why) => Err(Failure::denied(format!("that would have no effect: {why}")).into()),
        Verdict::Inert(why) => Err(Failure::denied(format!("the log would not take that: {why}")).into()),
    }
}

/// Signs a statement.
pub(super) fn sign(cx: &mut Context<'_>, me: &mut Me, body: &Body) -> anyhow::Result<Line> {
    let text = encode(body);
    let signature = me.signer.sign(text.as_bytes(), &mut cx.prompt())?;
    Line::new(&text, &signature).context("while putting the line together")
}

/// A line that stands in the log.
#[derive(Debug)]
pub(super) struct Logged {
    /// Its id.
    pub(super) id: Hash,
}

/// Signs a statement and logs it; `ledger` then stands behind it. `message` says in plain words what happened. What is no
/// longer worth what is insisted on, because somebody else was first, is not logged.
pub(super) fn say(
    cx: &mut Context<'_>,
    ledger: &mut Ledger,
    me: &mut Me,
    statement: Statement,
    message: &str,
    insist: Insist,
) -> anyhow::Result<Logged> {
    say_with_files(cx, ledger, me, statement, None, message, insist)
}

/// As [`say`], for a policy line and its files.
pub(super) fn say_with_files(
    cx: &mut Context<'_>,
    ledger: &mut Ledger,
    me: &mut Me,
    statement: Statement,
    files: Option<&PolicyFiles>,
    message: &str,
    insist: Insist,
) -> anyhow::Result<Logged> {
    let line = sign(cx, me, &Body::Statement(statement))?;
    cx.append(ledger, std::slice::from_ref(&line), files, &me.name, message, insist)?;
    Ok(Logged { id: line.id() })
}

/// As [`say`], for several statements, which are all logged at once or not at all. The key is asked for each.
pub(super) fn say_all(
    cx: &mut Context<'_>,
    ledger: &mut Ledger,
    me: &mut Me,
    statements: Vec<Statement>,
    message: &str,
    insist: Insist,
) -> anyhow::Result<Vec<Logged>> {
    let signed = statements.into_iter().map(|statement| sign(cx, me, &Body::Statement(statement)));
    let lines = signed.collect::<anyhow::Result<Vec<Line>>>()?;
    cx.append(ledger, &lines, None, &me.name, message, insist)?;
    Ok(lines.iter().map(|line| Logged { id: line.id() }).collect())
}
