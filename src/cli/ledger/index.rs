//! A log opened from the index of this machine: what it has is read by key, and only what is new is walked and folded.

use std::rc::Rc;

use super::{Expected, rules};
use crate::core::hash::Hash;
use crate::core::history::object::Oid;
use crate::core::ledger::Delta;
use crate::core::view::{View as _, ViewExt as _};
use crate::edge::config::Config;
use crate::edge::git::Repo;
use crate::edge::index::{IndexError, IndexFile};
use crate::edge::replay::{Opened, Unsaved};
use crate::edge::world::World;

/// An index, and whether it may be changed.
pub(in crate::cli) struct UseOfIndex {
    /// Where it stands, there or not.
    pub(in crate::cli) file: IndexFile,
    /// Whether what this repo holds is what this machine has seen of the log.
    pub(super) writes: bool,
}

impl UseOfIndex {
    /// Returns the index of the log `genesis` in a repo; none where there is no home to keep it in.
    ///
    /// # Errors
    /// The configuration can't be read.
    pub(in crate::cli) fn of(
        world: &World,
        config: &Config,
        genesis: &Hash,
        repo: &Repo,
        writes: bool,
    ) -> anyhow::Result<Option<UseOfIndex>> {
        let shared = config.shared_index()?;
        let file = IndexFile::of(world, genesis, &repo.shown_path(), shared.as_deref()).ok();
        Ok(file.map(|file| UseOfIndex { writes: writes && file.is_ours(), file }))
    }

    /// Takes away what is there, so that the log is read from its first line; false where this user can't.
    pub(in crate::cli) fn is_emptied(&self) -> bool {
        self.writes && self.file.remove().is_ok()
    }

    /// Returns how many lines the index has; none if there is none.
    ///
    /// # Errors
    /// It can't be read, or not believed.
    pub(in crate::cli) fn reach(&self) -> Result<Option<u64>, IndexError> {
        let opened = self.file.open()?;
        Ok(opened.map(|(_, prefix)| prefix.tail.size))
    }
}

impl Expected {
    /// Goes on from what the index has; none where the log itself has to be read to say anything.
    pub(super) fn open_indexed(&self, index: &UseOfIndex, repo: &Repo, tip: Oid) -> Option<Opened> {
        let (known, prefix) = index.file.open().ok().flatten()?;
        if Some(prefix.genesis) != self.genesis {
            return None;
        }
        let pin = self.seen.pin.map(|pin| pin.commit);
        let mut opened = Opened::of_index(known.clone(), &prefix, pin);
        let deltas = self.fold_new(&mut opened, repo, tip)?;
        if index.writes
            && let (Some(next), Some(root)) = (opened.prefix(pin), opened.view.root())
            && next != prefix
        {
            opened.unsaved = Some(Rc::new(Unsaved::new(known, deltas, (next, root))));
        }
        Some(opened)
    }

    /// Walks and folds what is new up to a tip, and returns what it changed; none where only opening the log anew can tell.
    fn fold_new(&self, opened: &mut Opened, repo: &Repo, tip: Oid) -> Option<Vec<Delta>> {
        let pin = self.seen.pin.map(|pin| pin.commit);
        let mut deltas = Vec::new();
        let keep = &mut |delta: &Delta| deltas.push(delta.clone());
        let is_had = opened.go_on_keeping(repo, tip, pin, &rules(), keep).ok()?;
        (is_had && self.check(opened).is_ok() && opened.view.failure().is_none()).then_some(deltas)
    }

    /// Goes on to a later tip from a log that was opened from the index, without opening that again; none where only opening
    /// it anew can tell.
    pub(super) fn go_on(&self, before: &Opened, repo: &Repo, tip: Oid) -> Option<Opened> {
        // What was read without an index has one by now, and is much to have twice.
        let index = self.index.as_ref().filter(|_| before.view.base().size() > 0)?;
        let pin = self.seen.pin.map(|pin| pin.commit);
        let mut longer = before.clone();
        let deltas = self.fold_new(&mut longer, repo, tip)?;
        if index.writes
            && let Some(reach) = longer.prefix(pin).zip(longer.view.root())
        {
            match &longer.unsaved {
                Some(unsaved) => unsaved.extend(deltas, reach),
                None => {
                    let unsaved = Unsaved::new(longer.view.base().clone(), deltas, reach);
                    longer.unsaved = Some(Rc::new(unsaved));
                }
            }
        }
        Some(longer)
    }
}
