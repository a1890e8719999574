//! A repository that is read one commit after the other: what was read last is still at hand, since each commit is judged
//! against the one before, and most of it is the same.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use git2::ObjectType;

use super::git::{GitError, Repo};
use crate::core::history::object::{CommitHead, MAX_TREE_SIZE, Objects, Oid, TreeEntry, parse_tree};

/// How many objects are at hand: two commits' trees and segments, and the files of a policy between them.
const MOST_AT_HAND: usize = 32;
/// Larger objects are not kept.
const MAX_KEPT_SIZE: u64 = 1 << 20;

/// The objects of a repository, each read once while it is needed.
pub(super) struct Recent<'a> {
    repo: &'a Repo,
    at_hand: RefCell<VecDeque<Object>>,
    /// How many were read.
    count: Cell<u64>,
    /// Is told how many.
    tell: &'a dyn Fn(u64),
}

/// An object that was read.
#[derive(Clone)]
struct Object {
    oid: Oid,
    kind: ObjectType,
    bytes: Rc<[u8]>,
}

impl<'a> Recent<'a> {
    /// Has read nothing yet.
    pub(super) fn new(repo: &'a Repo, tell: &'a dyn Fn(u64)) -> Recent<'a> {
        Recent { repo, at_hand: RefCell::default(), count: Cell::new(0), tell }
    }

    /// Returns an object of this kind and at most `limit` bytes; none if it is another or larger.
    fn read(&self, oid: Oid, kind: ObjectType, limit: u64) -> Result<Option<Rc<[u8]>>, GitError> {
        let known = self.at_hand.borrow().iter().rev().find(|known| known.oid == oid).cloned();
        if let Some(known) = known {
            let fits = known.kind == kind && known.bytes.len() as u64 <= limit;
            return Ok(fits.then_some(known.bytes));
        }
        let Some(bytes) = self.repo.read(oid, kind, limit)? else { return Ok(None) };
        self.one_more();
        let bytes: Rc<[u8]> = bytes.into();
        if bytes.len() as u64 <= MAX_KEPT_SIZE {
            let mut at_hand = self.at_hand.borrow_mut();
            if at_hand.len() == MOST_AT_HAND {
                at_hand.pop_front();
            }
            at_hand.push_back(Object { oid, kind, bytes: Rc::clone(&bytes) });
        }
        Ok(Some(bytes))
    }

    fn one_more(&self) {
        self.count.set(self.count.get() + 1);
        (self.tell)(self.count.get());
    }
}

impl Objects for Recent<'_> {
    type Error = GitError;

    fn tree(&self, oid: Oid) -> Result<Option<Vec<TreeEntry>>, GitError> {
        Ok(self.read(oid, ObjectType::Tree, MAX_TREE_SIZE)?.and_then(|bytes| parse_tree(&bytes)))
    }

    fn blob_size(&self, oid: Oid) -> Result<Option<u64>, GitError> {
        // Whoever asks goes on to read it, unless it is too large.
        match self.read(oid, ObjectType::Blob, MAX_KEPT_SIZE)? {
            Some(bytes) => Ok(Some(bytes.len() as u64)),
            None => self.repo.blob_size(oid),
        }
    }

    fn blob(&self, oid: Oid, limit: u64) -> Result<Option<Vec<u8>>, GitError> {
        Ok(self.read(oid, ObjectType::Blob, limit)?.map(|bytes| bytes.to_vec()))
    }

    fn commit(&self, oid: Oid) -> Result<Option<CommitHead>, GitError> {
        self.one_more();
        self.repo.commit(oid)
    }
}
