//! A signed line goes into the log, and the ledger stands behind it.

use anyhow::anyhow;

use super::{Ledger, Opened, rules};
use crate::cli::context::Context;
use crate::cli::exit::Failure;
use crate::cli::pin::{check_pin, rewritten};
use crate::core::history::append::NewLine;
use crate::core::history::object::Author;
use crate::core::ledger::Delta;
use crate::core::name::Name;
use crate::core::policy::PolicyFiles;
use crate::core::statement::Line;
use crate::core::view::{View, ViewExt};
use crate::edge::config::Config;
use crate::edge::log::{self, AppendError, BRANCH_NAME, Draft, Walked};
use crate::edge::refused;
use crate::edge::remote;
use crate::edge::replay::LogView;
use crate::edge::replay::{self, Replayed};

impl Ledger {
    /// Folds a longer log that this one must be the beginning of.
    fn catch_up(&self, walked: &Walked) -> anyhow::Result<Replayed> {
        let replayed = replay::replay(&self.repo, walked, &|_, _| {})?;
        check_pin(walked, &replayed.view, self.pin)?;
        let (size, root) = (self.view.size(), self.view.root());
        if replayed.view.root_at(size) == root {
            return Ok(replayed);
        }
        Err(rewritten("the log changed while this command ran", size, root, &replayed.view).into())
    }
}

impl Context<'_> {
    /// Appends a signed line, and lets `ledger` stand behind it. `judge` is asked with the log as it stands when the line
    /// goes in, again each time somebody else was first; what it answers is what the line changes.
    pub(in crate::cli) fn append(
        &mut self,
        ledger: &mut Ledger,
        line: &Line,
        files: Option<&PolicyFiles>,
        author: &Name,
        message: &str,
        judge: &mut dyn FnMut(&LogView) -> anyhow::Result<Delta>,
    ) -> anyhow::Result<()> {
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
        let bytes = line.as_str().as_bytes();
        let mut before = None;
        let mut put = |walked: &Walked| -> anyhow::Result<Draft> {
            // If nobody was first, what is known already is the log that the line goes into. Of as many lines is not enough:
            // whoever rewrites the branch meanwhile may have put others in their place.
            let raced = if walked.tail == ledger.tail {
                check_pin(walked, &ledger.view, ledger.pin)?;
                None
            } else {
                Some(ledger.catch_up(walked)?)
            };
            let delta = judge(raced.as_ref().map_or(&ledger.view, |raced| &raced.view))?;
            before = Some((walked.clone(), raced, delta));
            let new = NewLine { line: bytes.to_vec(), files: files.cloned().unwrap_or_default() };
            Ok(Draft { lines: vec![new], message: message.to_owned() })
        };
        let logged = match &ledger.remote {
            None => log::append(&ledger.repo, &context, &mut put),
            Some(remote) => log::append_remote(self.world, &ledger.repo, remote, &context, &mut put),
        };
        match &logged {
            Err(AppendError::Refused(said)) => refused::keep(&ledger.repo, started, BRANCH_NAME, said),
            Ok(_) if ledger.remote.is_some() => refused::forget(&ledger.repo),
            Ok(_) | Err(_) => {}
        }
        let logged = logged.map_err(Failure::of_append)?;
        let (mut walked, raced, delta) = before.ok_or_else(|| anyhow!("a line went in that nobody judged"))?;
        if ledger.remote.is_some()
            // What was pushed to is what is known, as of before the push.
            && let Err(why) = remote::stamp(&ledger.repo, started)
        {
            // It is logged; whoever took this for a failure would say it twice.
            self.warn_once(&format!("warning: it is logged, but not when: {why}"), "");
        }
        let size = walked.size();
        if (logged.first, logged.tail.size) != (size, size + 1) {
            // It was found in the log after its answer was lost, and more stands there by now.
            walked = log::walk(&ledger.repo, logged.commit, context.pin, &context.rules).map_err(Failure::of_walk)?;
            let replayed = ledger.catch_up(&walked)?;
            ledger.opened = Opened {
                view: replayed.view,
                verdicts: replayed.verdicts,
                voids: walked.voids,
                last_valid_commit: walked.last_valid_commit,
                tail: walked.tail,
            };
            let config = Config::open(self.world);
            return self.advance_pin(&config, ledger);
        }
        let opened = &mut ledger.opened;
        if let Some(raced) = raced {
            opened.view = raced.view;
            opened.verdicts = raced.verdicts;
        }
        opened.verdicts.push(delta.verdict.clone());
        opened.view.commit(delta);
        opened.voids = walked.voids;
        opened.last_valid_commit = logged.commit;
        opened.tail = logged.tail;
        let config = Config::open(self.world);
        self.advance_pin(&config, ledger)
    }
}
