//! Signed lines go into the log: on the remote, or where there is none, on the local branch. The ledger stands behind it.

use anyhow::anyhow;

use super::{Age, Ledger, rules};
use crate::cli::context::Context;
use crate::cli::exit::Failure;
use crate::cli::pin::{check_pin, rewritten};
use crate::cli::statement::{Insist, demand_effect};
use crate::core::history::append::NewLine;
use crate::core::history::object::{Author, Oid};
use crate::core::ledger::{self, Delta, Examined};
use crate::core::name::Name;
use crate::core::policy::PolicyFiles;
use crate::core::statement::Line;
use crate::core::view::{View, ViewExt};
use crate::edge::config::{Config, Pin};
use crate::edge::git::Repo;
use crate::edge::log::append_remote::{Append, judge_all};
use crate::edge::log::{self, AppendError, BRANCH_NAME, Draft, Walked};
use crate::edge::refused;
use crate::edge::replay::{self, Opened};

impl Context<'_> {
    /// Appends signed lines by one commit, all or none, and lets `ledger` stand behind them. They are judged on the log as it
    /// stands when they go in, again each time somebody else was first. Only one that comes alone has `files`.
    pub(in crate::cli) fn append(
        &mut self,
        ledger: &mut Ledger,
        lines: &[Line],
        files: Option<&PolicyFiles>,
        author: &Name,
        message: &str,
        insist: Insist,
    ) -> anyhow::Result<()> {
        self.check_read()?;
        let mut random = [0; 16];
        self.world.random(&mut random);
        let started = self.world.now();
        let context = log::Context {
            rules: rules(),
            pin: ledger.pin.map(|pin| pin.commit),
            identity: Author { name: author.to_string(), email: format!("{author}@jit.invalid") },
            now: started.unix(),
            random,
        };
        let new_line = |line: &Line| NewLine {
            line: line.as_str().as_bytes().to_vec(),
            files: files.cloned().unwrap_or_default(),
        };
        let new: Vec<NewLine> = lines.iter().map(new_line).collect();
        let Ledger { repo, remote, opened, pin, age, .. } = &mut *ledger;
        let (repo, pin) = (&*repo, *pin);
        let (size, root) = (opened.view.size(), opened.view.root());
        // A log that this one must be the beginning of.
        let open_longer = |walked: Walked| -> anyhow::Result<Opened> {
            let replayed = replay::replay(repo, &walked)?;
            check_pin(&walked, &replayed.view, pin)?;
            if replayed.view.root_at(size) != root {
                return Err(rewritten("the log changed while this command ran", size, root, &replayed.view).into());
            }
            Ok(Opened { walked, view: replayed.view, verdicts: replayed.verdicts, unsaved: None })
        };
        let refuse =
            |delta: &Delta| demand_effect(delta).err().unwrap_or_else(|| anyhow!("the log would not take that"));
        let logged = match remote {
            None => {
                let examined: Vec<Examined> = new.iter().map(|new| ledger::examine(&new.line)).collect();
                let draft = Draft { lines: new.clone(), message: message.to_owned() };
                let judge = |walked: &Walked, known: &Opened| {
                    // If nobody was first, what is known already is the log that the line goes into. Of as many lines is not
                    // enough: whoever rewrites the branch meanwhile may have put others in their place.
                    let longer = match walked.tail == known.walked.tail {
                        true => check_pin(walked, &known.view, pin).map(|()| None)?,
                        false => Some(go_on(repo, &context, known, walked, pin, &open_longer)?),
                    };
                    let view = longer.as_ref().map_or(&known.view, |longer| &longer.view);
                    let deltas = judge_all(view, &new, &examined, insist)?.map_err(|delta| refuse(&delta))?;
                    Ok((longer, deltas))
                };
                append_here(repo, &context, opened, &draft, &judge).map(|()| None)
            }
            Some(remote) => {
                let open = |tip: Oid| {
                    let walked = log::walk(repo, tip, context.pin, &context.rules).map_err(Failure::of_walk)?;
                    open_longer(walked)
                };
                let (world, context, new) = (&*self.world, &context, new.as_slice());
                let append =
                    Append { world, repo, remote, context, new, message, insist, open: &open, refuse: &refuse };
                append.run(opened, *age == Age::Fetched(0))
            }
        };
        match &logged {
            Err(AppendError::Refused(said)) => refused::keep(repo, started, BRANCH_NAME, said),
            Ok(_) if remote.is_some() => refused::forget(repo),
            Ok(_) | Err(_) => {}
        }
        if let Some(why) = logged.map_err(Failure::of_append)? {
            // Whoever took this for a failure would say it twice.
            self.warn_once(&format!("warning: it is logged, but not when: {why}"), "");
        }
        let config = Config::open(self.world);
        self.advance_pin(&config, ledger)
    }
}

/// What the lines would change, and the log that they would go into, where that is longer than what is known.
type Judged = (Option<Opened>, Vec<Delta>);

/// Opens a longer log than what is known: by what is new alone, if that can tell.
fn go_on(
    repo: &Repo,
    context: &log::Context<'_>,
    known: &Opened,
    walked: &Walked,
    pin: Option<Pin>,
    open_longer: &dyn Fn(Walked) -> anyhow::Result<Opened>,
) -> anyhow::Result<Opened> {
    let mut longer = known.clone();
    if longer.go_on(repo, walked.tip, context.pin, &context.rules)? {
        check_pin(&longer.walked, &longer.view, pin)?;
        return Ok(longer);
    }
    open_longer(walked.clone())
}

/// Appends to the log on the local branch, where there is no remote.
fn append_here(
    repo: &Repo,
    context: &log::Context<'_>,
    known: &mut Opened,
    draft: &Draft,
    judge: &dyn Fn(&Walked, &Opened) -> anyhow::Result<Judged>,
) -> Result<(), AppendError<anyhow::Error>> {
    let mut judged = None;
    let from = known.walked.clone();
    let logged = log::append(repo, context, Some(&from), &mut |walked| {
        judged = Some((walked.clone(), judge(walked, known)?));
        Ok(draft.clone())
    })?;
    let (walked, (longer, deltas)) =
        judged.ok_or_else(|| AppendError::Judge(anyhow!("a line went in that nobody judged")))?;
    if let Some(longer) = longer {
        *known = longer;
    }
    known.walked = walked;
    known.walked.take_in(&logged);
    deltas.iter().for_each(|delta| known.verdicts.push(&delta.verdict));
    deltas.into_iter().for_each(|delta| known.view.commit(delta));
    Ok(())
}
