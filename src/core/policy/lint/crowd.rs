//! Who is meant by a selector, looked up once for all rules that name it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::core::name::Name;
use crate::core::policy::loaded::Policy;
use crate::core::policy::model::Selector;

/// Those whom a selector means.
struct Meant<'p> {
    members: Rc<BTreeSet<&'p Name>>,
    /// Whether one of them has a key; and whether a security key.
    has_keys: (bool, bool),
    /// Whether a person among them has one.
    can_approve: (bool, bool),
}

/// The people and services of a policy, by selector.
pub(super) struct Crowd<'p> {
    policy: &'p Policy,
    known: RefCell<BTreeMap<&'p Selector, Rc<Meant<'p>>>>,
}

impl<'p> Crowd<'p> {
    pub(super) fn new(policy: &'p Policy) -> Crowd<'p> {
        Crowd { policy, known: RefCell::new(BTreeMap::new()) }
    }

    /// Returns everybody that the selector means.
    pub(super) fn members(&self, selector: &'p Selector) -> Rc<BTreeSet<&'p Name>> {
        Rc::clone(&self.meant(selector).members)
    }

    /// Tells whether one of them has a key, or a security key.
    pub(super) fn has_keys(&self, selector: &'p Selector, security_key: bool) -> bool {
        let (any, security) = self.meant(selector).has_keys;
        if security_key { security } else { any }
    }

    /// Tells whether one of them is a person with a key, or a security key.
    pub(super) fn can_approve(&self, selector: &'p Selector, security_key: bool) -> bool {
        let (any, security) = self.meant(selector).can_approve;
        if security_key { security } else { any }
    }

    fn meant(&self, selector: &'p Selector) -> Rc<Meant<'p>> {
        if let Some(meant) = self.known.borrow().get(selector) {
            return Rc::clone(meant);
        }
        let members: BTreeSet<&'p Name> = self.policy.selected(selector).collect();
        let any = |tells: fn(&Policy, &Name, bool) -> bool| {
            let some = |security_key| members.iter().any(|name| tells(self.policy, name, security_key));
            (some(false), some(true))
        };
        let (has_keys, can_approve) = (any(has_key), any(can_approve));
        let meant = Rc::new(Meant { members: Rc::new(members), has_keys, can_approve });
        self.known.borrow_mut().insert(selector, Rc::clone(&meant));
        meant
    }
}

fn has_key(policy: &Policy, name: &Name, security_key: bool) -> bool {
    policy.identity(name).is_some_and(|identity| identity.keys().any(|key| !security_key || key.is_security_key()))
}

/// Tells whether somebody is a person with a key, or a security key.
pub(super) fn can_approve(policy: &Policy, name: &Name, security_key: bool) -> bool {
    policy.identity(name).is_some_and(|identity| identity.is_person()) && has_key(policy, name, security_key)
}
