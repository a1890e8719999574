//! `jit witness`: vouch for the log, again and again.

use serde::Serialize;

use super::context::Context;
use super::exit::{Exit, Failure};
use super::ledger::Age;
use super::statement;
use crate::core::checkpoint::{self, Word};
use crate::core::history::object::Author;
use crate::core::reason::Code;
use crate::core::refusal;
use crate::core::statement::{Body, Checkpoint, What};
use crate::core::time::Duration;
use crate::core::view::{View, ViewExt};
use crate::edge::refused;
use crate::edge::remote::Pushed;
use crate::edge::witness;

/// For a service that `check.witnesses` in jit.toml names, on a machine of its own. Where witnesses are named, gates count
/// the age of what they know from the newest checkpoint that their log extends; one that contradicts it proves a fork.
#[derive(clap::Args, Debug)]
pub(super) struct WitnessArgs {
    /// Again and again, this long after each other, until it is ended; well below max_age
    #[arg(long, value_name = "D")]
    every: Option<Duration>,
}

#[derive(Serialize)]
struct Witnessed {
    witness: String,
    size: u64,
    root: String,
    at: String,
}

pub(super) fn run(cx: &mut Context<'_>, args: &WitnessArgs) -> anyhow::Result<Exit> {
    let Some(every) = args.every else { return vouch(cx) };
    loop {
        // What is wrong is said, and gates see it when the last checkpoint is too old for them.
        if let Err(why) = vouch(cx) {
            super::render::failure(cx, &why);
        }
        cx.world.sleep(std::time::Duration::from_secs(u64::from(every.as_secs())));
    }
}

fn vouch(cx: &mut Context<'_>) -> anyhow::Result<Exit> {
    // What is fetched from now on is no older than now.
    let at = cx.world.now();
    let ledger = cx.ledger()?;
    match &ledger.age {
        Age::OwnTruth | Age::Fetched(0) => {}
        Age::Fetched(_) | Age::Unknown | Age::Stale { .. } => {
            return Err(Failure::unavailable("nothing was fetched, so there is nothing to vouch for").into());
        }
    }
    if !ledger.moves_pin() {
        let text = format!("this machine does not trust the log {}", ledger.genesis_id());
        return Err(Failure::untrusted(Code::UnknownGenesis, text)
            .help("a witness remembers what it has seen: let it work in a clone that `jit clone URL --genesis ID` made")
            .into());
    }
    let Some(root) = ledger.view.root() else { return Err(Failure::unavailable("the log is empty").into()) };
    let size = ledger.view.size();
    let mut me = cx.me(&ledger)?;
    if !ledger.view.rules().is_some_and(|policy| policy.witnesses().contains(&me.name)) {
        let text = format!("the policy in force does not name `{}` as a witness", me.name);
        return Err(Failure::denied(text)
            .help(format!("in jit.toml: check = {{ witnesses = [\"{}\"] }}, then commit and publish it", me.name))
            .into());
    }
    let what = What::Checkpoint(Checkpoint { size, root });
    let statement = statement::compose(cx, &ledger, &me, at, what)?;
    let line = statement::sign(cx, &mut me, &Body::Statement(statement))?;
    match checkpoint::judge(&ledger.view, format!("{}\n", line.as_str()).as_bytes(), cx.world.now()) {
        Word::Extended(_) => {}
        Word::Ahead(_) | Word::Fork(_) => return Err(Failure::unavailable("the clock or the log moved back").into()),
        Word::NotBelieved(why) => {
            return Err(Failure::unavailable(format!("nobody would believe that checkpoint: {why}")).into());
        }
    }
    let author = Author { name: me.name.to_string(), email: format!("{}@jit.invalid", me.name) };
    let author = ledger.repo.author(&author)?;
    let message = format!("{} has seen {size} lines of the log", me.name);
    let commit = witness::write(&ledger.repo, line.as_str(), &author, at.unix(), &message)?;
    let mut random = [0; 16];
    cx.world.random(&mut random);
    match witness::publish(cx.world, &ledger.repo, ledger.remote(), &me.name, commit, random)? {
        Pushed::Done => refused::forget(&ledger.repo),
        Pushed::Raced => return Err(Failure::unavailable("another jit wrote a checkpoint at the same time").into()),
        Pushed::Held(why) | Pushed::Refused(why) => {
            let branch = format!("jit/witness/{}", me.name);
            let (rule, help) = match refusal::classify(&why) {
                Some(refusal) => (format!(" ({refusal})"), refusal.help(&branch)),
                None => (String::new(), format!("let `{}` push, with force, to the branch {branch}", me.name)),
            };
            let text = format!("the host refused the checkpoint{rule}: {}", crate::edge::remote::talk(&why));
            refused::keep(&ledger.repo, at, &branch, &why);
            return Err(Failure::unavailable(text).help(help).into());
        }
    }
    let witnessed = Witnessed { witness: me.name.to_string(), size, root: root.to_string(), at: at.to_string() };
    if cx.json() {
        cx.print_json(&witnessed)?;
    } else {
        cx.print(&format!("Witnessed by {}: {size} lines, root {root}", me.name))?;
    }
    Ok(Exit::Done)
}
