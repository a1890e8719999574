//! One request against the rules of one policy: which fit, what each still needs.
//!
//! A request *fits* an allow rule by subject, resource, action, duration, reason and hardware key. A rule is *met* when
//! every `approvals` entry that applies to the duration asked has its number of distinct people, one person filling one
//! place (a matching, not a sum), and its limits leave room. Each rule stands alone: conditions of different rules are
//! never mixed. Hours are asked at each check, and not of a request.

use std::collections::BTreeMap;

use super::name::{Name, Resource};
use super::policy::{Allow, ApprovalRule, Effect, IdentityKind, Limits, Policy, Rule, Selector};
use super::reason::{Code, Reason};
use super::time::{Duration, Timestamp};

/// What of a request the rules look at.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// Who asks.
    pub subject: &'a Name,
    /// For what.
    pub resource: &'a Resource,
    /// To do what.
    pub action: &'a Name,
    /// For how long.
    pub duration: Duration,
    /// Why.
    pub reason: &'a str,
    /// Whether the request is signed by a security key.
    pub by_hardware_key: bool,
    /// The moment at which the rules are asked whom they are for (UTC).
    pub at: Timestamp,
}

/// What of an approval the rules look at, beside who gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Given {
    /// Whether it is signed by a security key.
    pub by_hardware_key: bool,
    /// When it was signed (UTC): the moment at which its author must be among those whom a rule names.
    pub at: Timestamp,
}

/// Who has approved a request, and all their approvals; at least one each.
pub type Approvers = BTreeMap<Name, Vec<Given>>;

/// What a subject already holds by one rule: the grants that its limits count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// In any order.
    pub held: Vec<Held>,
}

/// An earlier grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// When it starts.
    pub start: Timestamp,
    /// When it ends, if nothing ends it early.
    pub end: Timestamp,
    /// Whether it was revoked or locked down.
    pub is_ended: bool,
}

/// Says which limit leaves no room for one more grant from `start` to `end`, if one does.
pub fn over_limit(limits: &Limits, facts: &Facts, start: Timestamp, end: Timestamp) -> Option<String> {
    let full = |count: usize, most: u32| u32::try_from(count).is_ok_and(|count| count < most);
    if let Some(most) = limits.active {
        let overlapping =
            facts.held.iter().filter(|held| !held.is_ended && held.start < end && start < held.end).count();
        if !full(overlapping, most) {
            return Some(Limits { active: Some(most), ..Limits::default() }.to_string());
        }
    }
    if let Some(rate) = limits.rate {
        let near = facts.held.iter().filter(|held| held.start.since(start).abs() < rate.per.delta()).count();
        if !full(near, rate.count) {
            return Some(rate.to_string());
        }
    }
    if let Some(cooldown) = limits.cooldown {
        let is_near = |held: &Held| {
            let (after, before) = (start.since(held.end), held.start.since(end));
            after < cooldown.delta() && before < cooldown.delta()
        };
        if facts.held.iter().any(is_near) {
            return Some(Limits { cooldown: Some(cooldown), ..Limits::default() }.to_string());
        }
    }
    None
}

/// Why an allow rule does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// It is not for this subject, resource or action; or it is no allow rule.
    NotAddressed,
    /// It is, but for shorter.
    TooLong {
        /// The rule's `max`.
        max: Duration,
    },
    /// It is, but wants another reason; the text says which.
    Reason(String),
    /// It is, but wants a security key.
    HardwareKey,
}

impl Misfit {
    /// Says it to people; that a rule is for others is no reason, there are many of them.
    fn to_reason(&self, rule: &Name, ask: &Ask<'_>) -> Option<Reason> {
        match self {
            Misfit::NotAddressed => None,
            Misfit::TooLong { max } => {
                let text = format!("rule `{rule}` allows at most {max}, asked were {}", ask.duration);
                Some(Reason::new(Code::TooLong, text))
            }
            Misfit::Reason(why) => {
                Some(Reason::new(Code::ReasonRejected, format!("rule `{rule}` wants another reason: {why}")))
            }
            Misfit::HardwareKey => {
                let text = format!("rule `{rule}` wants a request signed by a security key (sk-ssh-ed25519)");
                Some(Reason::new(Code::NeedsHardwareKey, text))
            }
        }
    }
}

/// Tells whether a rule is for this subject, resource and action, at a moment.
pub fn addresses(
    policy: &Policy,
    rule: &Rule,
    subject: &Name,
    resource: &Resource,
    action: &Name,
    at: Timestamp,
) -> bool {
    is_about(rule, resource, action) && policy.selects(&rule.subjects, subject, at)
}

/// Tells whether a rule is for this resource and action, whoever asks.
pub fn is_about(rule: &Rule, resource: &Resource, action: &Name) -> bool {
    rule.actions.matches(action) && rule.resources.iter().any(|pattern| pattern.matches(resource))
}

/// Returns the rule's allow side if the request fits it.
///
/// # Errors
/// All that does not fit; where the rule is not for this subject, resource or action, that alone.
pub fn fit<'a>(policy: &Policy, rule: &'a Rule, ask: &Ask<'_>) -> Result<&'a Allow, Vec<Misfit>> {
    let Effect::Allow(allow) = &rule.effect else { return Err(vec![Misfit::NotAddressed]) };
    if !addresses(policy, rule, ask.subject, ask.resource, ask.action, ask.at) {
        return Err(vec![Misfit::NotAddressed]);
    }
    let too_long = (ask.duration > allow.max).then_some(Misfit::TooLong { max: allow.max });
    let demands = policy.reason_for_all().into_iter().chain(&allow.reason);
    let refusal = demands.filter_map(|demand| demand.accepts(ask.reason).err()).next();
    let refusal = refusal.map(|why| Misfit::Reason(why.to_string()));
    let wrong_key = (allow.require_hardware_key && !ask.by_hardware_key).then_some(Misfit::HardwareKey);
    let misfits: Vec<Misfit> = too_long.into_iter().chain(refusal).chain(wrong_key).collect();
    if misfits.is_empty() { Ok(allow) } else { Err(misfits) }
}

/// Returns the allow rules that the request fits, by id, smallest first.
pub fn fitting<'a>(policy: &'a Policy, ask: &Ask<'_>) -> Vec<(&'a Name, &'a Allow)> {
    fitting_among(policy, policy.rules_near(ask.resource), ask)
}

/// As [`fitting`], where the rules that could be for the resource were looked up already.
pub(in crate::core) fn fitting_among<'a>(
    policy: &Policy,
    rules: impl Iterator<Item = &'a Rule>,
    ask: &Ask<'_>,
) -> Vec<(&'a Name, &'a Allow)> {
    rules.filter_map(|rule| fit(policy, rule, ask).ok().map(|allow| (&rule.id, allow))).collect()
}

/// Says why none of `rules` fits; empty if one does.
///
/// A rule that is for this subject, resource and action says what it lacks; only where none is, the answer is
/// `no-matching-rule`.
pub fn misfits<'a>(policy: &Policy, rules: impl IntoIterator<Item = &'a Rule>, ask: &Ask<'_>) -> Vec<Reason> {
    let mut reasons = Vec::new();
    for rule in rules {
        let Err(misfits) = fit(policy, rule, ask) else { return Vec::new() };
        super::reason::merge(&mut reasons, misfits.into_iter().filter_map(|misfit| misfit.to_reason(&rule.id, ask)));
    }
    if reasons.is_empty() {
        reasons.push(no_matching_rule(policy, ask.subject, ask.resource, ask.action, ask.at));
    }
    reasons
}

/// Says that no rule is for this subject, resource and action; and who is on call, where one is for the subject whenever
/// that is they.
pub fn no_matching_rule(policy: &Policy, subject: &Name, resource: &Resource, action: &Name, at: Timestamp) -> Reason {
    let mut text = format!("no rule lets `{subject}` do `{action}` on `{resource}`");
    let by_turns = |rule: &&Rule| {
        matches!(rule.effect, Effect::Allow(_))
            && is_about(rule, resource, action)
            && policy.could_select(&rule.subjects, subject)
            && !policy.selects(&rule.subjects, subject, at)
    };
    if let Some(rule) = policy.rules_near(resource).find(by_turns) {
        let turns = policy.turns(&rule.subjects, at);
        text.push_str(&format!(" at {at}: rule `{}` is for who is on call: {turns}", rule.id));
    }
    Reason::new(Code::NoMatchingRule, text)
}

/// Iterates over the deny rules that are for the subject, resource and action, by id, whatever their hours.
pub fn denials<'a>(policy: &'a Policy, ask: &Ask<'_>) -> impl Iterator<Item = &'a Rule> {
    policy.rules_near(ask.resource).filter(|rule| is_denial(policy, rule, ask))
}

/// Tells whether this is a deny rule that is for the subject, resource and action, whatever its hours.
pub(in crate::core) fn is_denial(policy: &Policy, rule: &Rule, ask: &Ask<'_>) -> bool {
    is_denial_of_anybody(rule, ask) && policy.selects(&rule.subjects, ask.subject, ask.at)
}

fn is_denial_of_anybody(rule: &Rule, ask: &Ask<'_>) -> bool {
    matches!(rule.effect, Effect::Deny) && is_about(rule, ask.resource, ask.action)
}

/// Iterates over the deny rules that are for the resource and action, by id, whoever they are for.
pub fn denials_of_anybody<'a>(policy: &'a Policy, ask: &Ask<'_>) -> impl Iterator<Item = &'a Rule> {
    policy.rules_near(ask.resource).filter(|rule| is_denial_of_anybody(rule, ask))
}

/// Returns the shortest `default` of the allow rules that are for this subject, resource and action at a moment: what a
/// request without a duration asks for.
pub fn default_duration(
    policy: &Policy,
    subject: &Name,
    resource: &Resource,
    action: &Name,
    at: Timestamp,
) -> Option<Duration> {
    policy
        .rules_near(resource)
        .filter(|rule| addresses(policy, rule, subject, resource, action, at))
        .filter_map(|rule| match &rule.effect {
            Effect::Allow(allow) => Some(allow.default),
            Effect::Deny => None,
        })
        .min()
}

/// Returns the `approvals` entries that apply to a request for `duration`.
pub fn demanded(allow: &Allow, duration: Duration) -> impl Iterator<Item = &ApprovalRule> {
    allow.approvals.iter().filter(move |entry| entry.applies_to(duration))
}

/// Tells whether `who`, by an approval like this, may fill a place in `entry` for a request of `subject`: a person whom it
/// names at that moment, never the subject nor one of its owners.
pub fn may_fill(policy: &Policy, entry: &ApprovalRule, subject: &Name, who: &Name, given: Given) -> bool {
    let has_key = given.by_hardware_key || !entry.hardware_key;
    has_key && may_judge(policy, subject, who) && policy.selects(&entry.from, who, given.at)
}

/// Tells whether `who` could approve or deny requests of `subject`, if a rule named them.
pub fn may_judge(policy: &Policy, subject: &Name, who: &Name) -> bool {
    let is_person = policy.identity(who).is_some_and(|identity| identity.kind == IdentityKind::Person);
    let owns_subject = policy.identity(subject).is_some_and(|identity| identity.owners.contains(who));
    is_person && who != subject && !owns_subject
}

/// Tells whether `who`, by an approval like this, may approve or deny the request: eligible is whoever may fill a place in
/// an entry that applies of any rule that fits, met or not.
pub fn is_eligible(policy: &Policy, ask: &Ask<'_>, who: &Name, given: Given) -> bool {
    is_eligible_by(policy, &fitting(policy, ask), ask, who, given)
}

/// As [`is_eligible`], where the rules that the request fits are known.
pub(in crate::core) fn is_eligible_by(
    policy: &Policy,
    fitting: &[(&Name, &Allow)],
    ask: &Ask<'_>,
    who: &Name,
    given: Given,
) -> bool {
    let may_fill = |entry| may_fill(policy, entry, ask.subject, who, given);
    fitting.iter().any(|(_, allow)| demanded(allow, ask.duration).any(may_fill))
}

/// Tells whether `who`, by one of their approvals, may fill a place in `entry` for a request of `subject`.
pub fn may_fill_by_one(policy: &Policy, entry: &ApprovalRule, subject: &Name, who: &Name, given: &[Given]) -> bool {
    given.iter().any(|given| may_fill(policy, entry, subject, who, *given))
}

/// Tells whether `people` fill every place that the rule demands, each person one. Its limits are asked elsewhere, since
/// they depend on when the grant would start.
pub fn is_approved(policy: &Policy, allow: &Allow, ask: &Ask<'_>, people: &Approvers) -> bool {
    let entries: Vec<&ApprovalRule> = demanded(allow, ask.duration).collect();
    let places: u64 = entries.iter().map(|entry| u64::from(entry.count)).sum();
    // More places than people can't all be filled; asking first keeps a huge `count` from costing anything.
    if places > people.len() as u64 {
        return false;
    }
    let able = |entry: &ApprovalRule| -> Vec<usize> {
        let fits = |(index, (who, given)): (usize, (&Name, &Vec<Given>))| {
            may_fill_by_one(policy, entry, ask.subject, who, given).then_some(index)
        };
        people.iter().enumerate().filter_map(fits).collect()
    };
    let able: Vec<Vec<usize>> = entries.iter().map(|entry| able(entry)).collect();
    let counts: Vec<u32> = entries.iter().map(|entry| entry.count).collect();
    can_fill(able, &counts, people.len())
}

/// Tells whether each entry can have its count of people to itself, out of so many people; `able` says, per entry, which of
/// them (by number) may fill a place in it.
pub(in crate::core) fn can_fill(able: Vec<Vec<usize>>, counts: &[u32], people: usize) -> bool {
    let entries = able.len();
    let mut matching = Matching { able, fills: vec![None; people] };
    let mut counts = counts.iter().enumerate();
    counts.all(|(index, count)| (0..*count).all(|_| matching.fill(index, &mut vec![false; entries])))
}

/// A matching of places to people, grown one augmenting path at a time (Kuhn's algorithm). It finds a full one whenever
/// there is one, whatever the order of entries and people.
struct Matching {
    /// Per entry, the people who may fill its places.
    able: Vec<Vec<usize>>,
    /// Per person, the entry of which they fill a place.
    fills: Vec<Option<usize>>,
}

impl Matching {
    /// Fills one more place of `entry`, moving others to other places where that helps; `tried` entries are no way out.
    fn fill(&mut self, entry: usize, tried: &mut [bool]) -> bool {
        match tried.get_mut(entry) {
            Some(tried) if !*tried => *tried = true,
            _ => return false,
        }
        for person in self.able.get(entry).cloned().unwrap_or_default() {
            let held = self.fills.get(person).copied().flatten();
            if held.is_none_or(|other| self.fill(other, tried)) {
                if let Some(place) = self.fills.get_mut(person) {
                    *place = Some(entry);
                }
                return true;
            }
        }
        false
    }
}

/// What a rule that fits still demands: one `approvals` entry, and who of those it names has approved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// The rule.
    pub rule: Name,
    /// Whom the entry names.
    pub from: Vec<Selector>,
    /// How many distinct people.
    pub count: u32,
    /// Whether each must sign by a security key.
    pub hardware_key: bool,
    /// Who of them has approved, by name.
    pub have: Vec<Name>,
}

/// Returns what the rules that fit still demand, rule by rule; a rule that demands nothing is not listed.
pub fn needs(policy: &Policy, ask: &Ask<'_>, people: &Approvers) -> Vec<Need> {
    let mut needs = Vec::new();
    for (id, allow) in fitting(policy, ask) {
        for entry in demanded(allow, ask.duration) {
            needs.push(Need {
                rule: id.clone(),
                from: entry.from.clone(),
                count: entry.count,
                hardware_key: entry.hardware_key,
                have: people
                    .iter()
                    .filter(|(who, given)| may_fill_by_one(policy, entry, ask.subject, who, given))
                    .map(|(who, _)| who.clone())
                    .collect(),
            });
        }
    }
    needs
}
