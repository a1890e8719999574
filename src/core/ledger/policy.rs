//! The chain of policies: who may propose one, and when it comes into force.
//!
//! A proposal comes into force at the first line where its author and the approvers so far, each a maintainer under the
//! policy in force just before, number the threshold, if its version is then one higher. If it changes maintainers,
//! their keys or the threshold, its own threshold of its own maintainers must hold too, counted by the keys that it
//! lists for them. What comes into force kills every other proposal.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::record::{Loaded, LockdownRecord, PolicyRecord, ProposalRecord};
use super::{Change, Effect, Placed};
use crate::core::key::PublicKey;
use crate::core::name::Name;
use crate::core::policy::{self, Policy, PolicyFiles};
use crate::core::statement::{Approval, PolicyProposal, Verdict};
use crate::core::view::{View, ViewExt};

/// Takes in a `policy` line.
pub(super) fn propose(
    view: &impl View,
    at: &Placed<'_>,
    proposal: &PolicyProposal,
    files: Option<&PolicyFiles>,
) -> Effect {
    let by = &at.statement.by;
    if !view.is_maintainer(by) {
        return Err(format!("`{by}` is no maintainer"));
    }
    let next = view.policy_record().map_or(0, |policy| policy.version) + 1;
    if proposal.version != next {
        return Err(format!("its version is {}, the next is {next}", proposal.version));
    }
    let policy = PolicyRecord {
        id: at.id,
        index: at.index,
        version: proposal.version,
        format: proposal.format,
        digest: proposal.digest,
        commit: proposal.commit,
        at: at.statement.at,
        signers: Vec::new(),
        loaded: load(proposal, files),
    };
    let record = ProposalRecord { policy, signatures: vec![(by.clone(), at.key.clone())] };
    Ok(settle(view, at, record))
}

/// Takes in an approval of a policy.
pub(super) fn approve(view: &impl View, at: &Placed<'_>, approval: &Approval) -> Effect {
    match approval.verdict {
        Verdict::Approve(None) => {}
        Verdict::Approve(Some(_)) => return Err("a policy can't be approved for a time".to_owned()),
        Verdict::Deny => return Err("a denial of a policy has no effect".to_owned()),
    }
    let Some(proposal) = view.proposal(&approval.of) else {
        return Err("the policy is in force already, or can't come into force any more".to_owned());
    };
    let by = &at.statement.by;
    let is_named = matches!(&proposal.policy.loaded, Loaded::Policy(policy) if policy.is_maintainer(by));
    if !view.is_maintainer(by) && !is_named {
        return Err(format!("`{by}` is no maintainer"));
    }
    let signature = (by.clone(), at.key.clone());
    if proposal.signatures.contains(&signature) {
        return Err(format!("`{by}` signed for it already"));
    }
    let mut record = ProposalRecord::clone(&proposal);
    record.signatures.push(signature);
    Ok(settle(view, at, record))
}

/// Reads the files of a proposal. One that does not load may still come into force, and then nothing is granted.
fn load(proposal: &PolicyProposal, files: Option<&PolicyFiles>) -> Loaded {
    if proposal.format > policy::FORMAT {
        return Loaded::Unsupported;
    }
    let Some(files) = files else { return Loaded::Broken("it has no files".to_owned()) };
    // A valid commit holds just the files that the line names; whoever brings others gets nothing.
    if files.digest() != proposal.digest {
        return Loaded::Broken("its files are not those that its digest names".to_owned());
    }
    let declared = policy::declared_format(files);
    if declared != Some(proposal.format) {
        return Loaded::Broken(format!("its line says format {}, its jit.toml does not", proposal.format));
    }
    match policy::load(files) {
        Ok(policy) => Loaded::Policy(Arc::new(policy)),
        Err(faults) => {
            Loaded::Broken(faults.first().map_or_else(|| "its files do not load".to_owned(), |fault| fault.to_string()))
        }
    }
}

/// Brings the proposal into force if it has what it needs, else keeps it open.
fn settle(view: &impl View, at: &Placed<'_>, mut record: ProposalRecord) -> Vec<Change> {
    if !is_carried(view, &record) {
        return vec![Change::Proposal(Box::new(record))];
    }
    for (name, _) in &record.signatures {
        if !record.policy.signers.contains(name) {
            record.policy.signers.push(name.clone());
        }
    }
    let mut changes = Vec::new();
    if let Loaded::Policy(policy) = &record.policy.loaded {
        for lockdown in view.lockdowns().into_iter().filter(|lockdown| lockdown.lifted.is_none()) {
            let mut followed = LockdownRecord::clone(&lockdown);
            followed.follow_groups(policy, at.index);
            if followed != *lockdown {
                changes.push(Change::Lockdown(Box::new(followed)));
            }
        }
    }
    changes.push(Change::PolicyInForce(Box::new(record.policy)));
    changes
}

/// Tells whether a proposal has the threshold of the policy before it, and its own where it changes who decides.
pub(crate) fn is_carried(view: &impl View, record: &ProposalRecord) -> bool {
    let tally = tally(view, record);
    tally.signed >= tally.threshold && tally.own.is_none_or(|(signed, threshold)| signed >= threshold)
}

/// How many have signed for a proposal, and how many it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// The maintainers under the policy in force who signed.
    pub signed: usize,
    /// The threshold of the policy in force.
    pub threshold: usize,
    /// Where the proposal changes who decides: its own maintainers who signed, and its own threshold.
    pub own: Option<(usize, usize)>,
}

/// Counts the signatures of a proposal.
pub fn tally(view: &impl View, record: &ProposalRecord) -> Tally {
    let is_theirs = |name: &Name, key: &PublicKey| view.is_maintainer(name) && view.owns_key(name, key);
    let signed: BTreeSet<&Name> =
        record.signatures.iter().filter(|(name, key)| is_theirs(name, key)).map(|(name, _)| name).collect();
    let own = match &record.policy.loaded {
        Loaded::Policy(policy) if changes_deciders(view, policy) => {
            Some((own_signatures(policy, record), policy.threshold()))
        }
        Loaded::Policy(_) | Loaded::Broken(_) | Loaded::Unsupported => None,
    };
    Tally { signed: signed.len(), threshold: view.threshold(), own }
}

/// Tells whether a policy changes maintainers, their keys or the threshold, so that it needs its own threshold too.
pub fn changes_deciders(view: &impl View, policy: &Policy) -> bool {
    deciders_of(policy) != deciders_now(view)
}

/// Counts the maintainers that the proposed policy names who signed by a key that it lists for them.
pub(crate) fn own_signatures(policy: &Policy, record: &ProposalRecord) -> usize {
    let is_own = |name: &Name, key: &PublicKey| {
        policy.is_maintainer(name) && policy.identity(name).is_some_and(|identity| identity.has_key(key))
    };
    let own: BTreeSet<&Name> =
        record.signatures.iter().filter(|(name, key)| is_own(name, key)).map(|(name, _)| name).collect();
    own.len()
}

/// Who decides about policies: maintainers, their keys, and how many it takes.
type Deciders = (BTreeMap<Name, BTreeSet<PublicKey>>, usize);

fn deciders_of(policy: &Policy) -> Deciders {
    let keys_of =
        |name: &Name| policy.identity(name).map(|identity| identity.keys().cloned().collect()).unwrap_or_default();
    (policy.maintainers().iter().map(|name| (name.clone(), keys_of(name))).collect(), policy.threshold())
}

fn deciders_now(view: &impl View) -> Deciders {
    match (view.roster(), view.genesis()) {
        (Some(policy), _) => deciders_of(&policy),
        (None, Some(genesis)) => {
            let keys = |founder: &super::super::statement::Founder| {
                (founder.name.clone(), BTreeSet::from([founder.key.clone()]))
            };
            (genesis.maintainers.iter().map(keys).collect(), view.threshold())
        }
        (None, None) => (BTreeMap::new(), usize::MAX),
    }
}
