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
    at_hand: RefCell<VecDeque<(Oid, Object)>>,
    /// How many were read.
    count: Cell<u64>,
    /// Is told how many.
    tell: &'a dyn Fn(u64),
}

/// An object that was read.
#[derive(Clone)]
enum Object {
    /// What stands in a tree; none if it is not well-formed.
    Tree(Option<Rc<[TreeEntry]>>),
    Blob(Rc<[u8]>),
}

impl<'a> Recent<'a> {
    /// Has read nothing yet.
    pub(super) fn new(repo: &'a Repo, tell: &'a dyn Fn(u64)) -> Recent<'a> {
        Recent { repo, at_hand: RefCell::default(), count: Cell::new(0), tell }
    }

    fn at_hand(&self, oid: Oid) -> Option<Object> {
        self.at_hand.borrow().iter().rev().find(|(known, _)| *known == oid).map(|(_, object)| object.clone())
    }

    /// Keeps an object of this size at hand.
    fn keep(&self, oid: Oid, size: usize, object: Object) {
        self.one_more();
        if size as u64 > MAX_KEPT_SIZE {
            return;
        }
        let mut at_hand = self.at_hand.borrow_mut();
        if at_hand.len() == MOST_AT_HAND {
            at_hand.pop_front();
        }
        at_hand.push_back((oid, object));
    }

    fn one_more(&self) {
        self.count.set(self.count.get() + 1);
        (self.tell)(self.count.get());
    }
}

impl Objects for Recent<'_> {
    type Error = GitError;

    fn tree(&self, oid: Oid) -> Result<Option<Rc<[TreeEntry]>>, GitError> {
        match self.at_hand(oid) {
            Some(Object::Tree(entries)) => return Ok(entries),
            Some(Object::Blob(_)) => return Ok(None),
            None => {}
        }
        let parse = |bytes: &[u8]| (bytes.len(), parse_tree(bytes).map(Rc::from));
        let Some((size, entries)) = self.repo.read(oid, ObjectType::Tree, MAX_TREE_SIZE, parse)? else {
            return Ok(None);
        };
        self.keep(oid, size, Object::Tree(entries.clone()));
        Ok(entries)
    }

    fn blob_size(&self, oid: Oid) -> Result<Option<u64>, GitError> {
        // Whoever asks goes on to read it, unless it is too large.
        match self.blob(oid, MAX_KEPT_SIZE)? {
            Some(bytes) => Ok(Some(bytes.len() as u64)),
            None => self.repo.blob_size(oid),
        }
    }

    fn blob(&self, oid: Oid, limit: u64) -> Result<Option<Rc<[u8]>>, GitError> {
        match self.at_hand(oid) {
            Some(Object::Blob(bytes)) => return Ok(Some(bytes).filter(|bytes| bytes.len() as u64 <= limit)),
            Some(Object::Tree(_)) => return Ok(None),
            None => {}
        }
        let read = self.repo.read(oid, ObjectType::Blob, limit, |bytes| Rc::<[u8]>::from(bytes))?;
        let Some(bytes) = read else { return Ok(None) };
        self.keep(oid, bytes.len(), Object::Blob(Rc::clone(&bytes)));
        Ok(Some(bytes))
    }

    fn commit(&self, oid: Oid) -> Result<Option<CommitHead>, GitError> {
        self.one_more();
        self.repo.commit(oid)
    }
}
