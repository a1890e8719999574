//! An index that is written beside the fold: a thread of its own takes what lines change, some lines at a time, so that
//! whoever reads a log from its first line does not wait for the store at each of them.

use std::sync::mpsc::{self, SyncSender};
use std::thread::{self, JoinHandle};

use super::{Builder, Prefix};
use crate::core::hash::Hash;
use crate::core::ledger::Delta;

/// How many lines are handed over at once.
const BATCH: usize = 256;
/// How many batches wait to be written, at most.
const MOST_WAITING: usize = 8;

/// An index on its way. What of it can't be written is written by nobody, and is no reason not to go on.
#[derive(Debug)]
pub struct Writing {
    deltas: Vec<Delta>,
    /// None once nothing more is written.
    to: Option<SyncSender<Vec<Delta>>>,
    thread: Option<JoinHandle<Option<Builder>>>,
}

impl Writing {
    /// Starts to write.
    pub fn start(mut builder: Builder) -> Writing {
        let (to, from) = mpsc::sync_channel::<Vec<Delta>>(MOST_WAITING);
        let write = move || {
            for delta in from.into_iter().flatten() {
                builder.add(&delta).ok()?;
            }
            Some(builder)
        };
        Writing { deltas: Vec::new(), to: Some(to), thread: thread::Builder::new().spawn(write).ok() }
    }

    /// Adds what the next line changed.
    pub fn add(&mut self, delta: &Delta) {
        if self.to.is_some() {
            self.deltas.push(delta.clone());
        }
        if self.deltas.len() >= BATCH {
            self.send();
        }
    }

    /// Puts it in its place.
    pub fn finish(mut self, prefix: &Prefix, root: Hash) {
        self.send();
        if let Some(builder) = self.end() {
            let _ = builder.finish(prefix, root);
        }
    }

    fn send(&mut self) {
        let deltas = std::mem::take(&mut self.deltas);
        if self.to.as_ref().is_some_and(|to| to.send(deltas).is_err()) {
            self.to = None;
        }
    }

    /// Waits until all that was handed over is written; none if it could not be.
    fn end(&mut self) -> Option<Builder> {
        self.to = None;
        self.thread.take()?.join().ok()?
    }
}

impl Drop for Writing {
    /// What was not finished is gone before anything else happens.
    fn drop(&mut self) {
        drop(self.end());
    }
}
