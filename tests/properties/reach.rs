//! What policies mean, twice: the core's answers against those of [`plain`](crate::plain), over random small policies in
//! which everything collides; and what must hold of any policy language.
//!
//! `PROPTEST_CASES=10000 cargo test --release --test properties reach` asks 10,000 policies, and 100,000 cases of them;
//! with 40000, as many pairs of policies are compared by trying everything.

use std::collections::{BTreeMap, BTreeSet};

use jit::core::decide::Answer;
use jit::core::evaluate::{self, Approvers, Ask};
use jit::core::explain::explain;
use jit::core::name::{Name, Resource};
use jit::core::policy::{Case, Effect, GivenApproval, Policy, read_tests};
use jit::core::reach::compare::{Change, Comparison, Example, compare};
use jit::core::reach::{Way, what_can, who_can};
use jit::core::rehearsal::{Prop, Rehearsal};
use jit::core::time::{Duration, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::Config;

use crate::plain::{Asked, Given, Plain, When, bounds, has_its_hour, is_deny, max_minutes, texts};
use crate::support::draft::{ACTIONS, Draft, PEOPLE, REASONS, list, loaded, rule, universe};
use crate::support::history::Dice;
use crate::support::log::parse;
use crate::support::org::files;

/// How many requests are made up for each policy.
const ASKED_EACH: usize = 10;

/// A request, who approves it in which order, and when all that is.
#[derive(Clone, Debug)]
struct Scene {
    asked: Asked,
    given: Vec<(String, bool)>,
    at: Timestamp,
}

fn scene(dice: &mut Dice) -> Scene {
    let all = universe();
    let pick = |dice: &mut Dice, list: &[String]| list[usize::try_from(dice.below(list.len() as u64)).unwrap()].clone();
    let subjects: Vec<&str> = PEOPLE.iter().copied().chain(["bot"]).collect();
    // More is about short ones.
    let resource = if dice.below(4) == 0 {
        pick(dice, &all)
    } else {
        dice.one_of(&["a", "b", "ab", "a/b", "a/a", "b/ab"]).to_owned()
    };
    let asked = Asked {
        subject: dice.one_of(&subjects).to_owned(),
        resource,
        action: dice.one_of(&ACTIONS).to_owned(),
        minutes: [1, 10, 11, 20, 25, 30, 31, 60, 61][usize::try_from(dice.below(9)).unwrap()],
        reason: dice.one_of(&REASONS).to_owned(),
        touched: dice.below(2) == 0,
    };
    let mut given: Vec<(String, bool)> = Vec::new();
    for _ in 0..dice.below(5) {
        let who = dice.one_of(&subjects).to_owned();
        let touched = dice.below(2) == 0;
        if given.iter().all(|(known, _)| *known != who) {
            given.push((who, touched));
        }
    }
    // Any minute of a year, and a second of it.
    let at = 1_700_000_000 + i64::try_from(dice.below(365 * 86_400)).unwrap();
    Scene { asked, given, at: Timestamp::from_unix(at) }
}

/// What an evaluation says of a scene.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    denying: BTreeSet<String>,
    fitting: BTreeSet<String>,
    met: BTreeSet<String>,
    /// Of all rules, those whose hours hold.
    at_their_hour: BTreeSet<String>,
}

/// What was given up to a number of approvals, all at the time of the scene.
fn given_plainly(scene: &Scene, number: usize) -> Given {
    let when = When::At(scene.at.unix());
    scene.given.iter().take(number).map(|(who, touched)| (who.clone(), (*touched, when))).collect()
}

fn said_plainly(plain: &Plain, scene: &Scene) -> Said {
    let (asked, when) = (&scene.asked, When::At(scene.at.unix()));
    let given = given_plainly(scene, scene.given.len());
    let ids = |holds: &dyn Fn(&toml::Value) -> bool| -> BTreeSet<String> {
        plain.rules.iter().filter(|(_, rule)| holds(rule)).map(|(id, _)| id.clone()).collect()
    };
    Said {
        denying: plain.denying(&asked.subject, &asked.resource, &asked.action, when),
        fitting: ids(&|rule| plain.fits(rule, asked, when)),
        met: ids(&|rule| {
            plain.fits(rule, asked, when) && plain.is_approved(rule, &asked.subject, asked.minutes, &given)
        }),
        at_their_hour: ids(&|rule| has_its_hour(rule, scene.at.unix())),
    }
}

/// A request as the core takes it.
struct Question {
    subject: Name,
    resource: Resource,
    action: Name,
    duration: Duration,
    reason: String,
    touched: bool,
    given: Approvers,
    at: Timestamp,
}

fn question(scene: &Scene) -> Question {
    let asked = &scene.asked;
    Question {
        subject: parse(&asked.subject),
        resource: parse(&asked.resource),
        action: parse(&asked.action),
        duration: minutes(asked.minutes),
        reason: asked.reason.clone(),
        touched: asked.touched,
        given: scene.given.iter().map(|(who, touched)| (parse(who), vec![given(*touched, scene.at)])).collect(),
        at: scene.at,
    }
}

fn given(by_hardware_key: bool, at: Timestamp) -> evaluate::Given {
    evaluate::Given { by_hardware_key, at }
}

impl Question {
    fn ask(&self) -> Ask<'_> {
        Ask {
            subject: &self.subject,
            resource: &self.resource,
            action: &self.action,
            duration: self.duration,
            reason: &self.reason,
            by_hardware_key: self.touched,
            at: self.at,
        }
    }
}

fn said_by_core(policy: &Policy, scene: &Scene) -> Said {
    let question = question(scene);
    let ask = question.ask();
    let fitting = evaluate::fitting(policy, &ask);
    let is_met =
        |allow: &&(&Name, &jit::core::policy::Allow)| evaluate::is_approved(policy, allow.1, &ask, &question.given);
    let ids = |ids: &mut dyn Iterator<Item = &Name>| ids.map(ToString::to_string).collect::<BTreeSet<String>>();
    Said {
        denying: ids(&mut evaluate::denials(policy, &ask).map(|rule| &rule.id)),
        fitting: ids(&mut fitting.iter().map(|(id, _)| *id)),
        met: ids(&mut fitting.iter().filter(is_met).map(|(id, _)| *id)),
        at_their_hour: ids(&mut policy
            .rules()
            .values()
            .filter(|rule| rule.has_its_hour(scene.at))
            .map(|rule| &rule.id)),
    }
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60).unwrap()
}

/// What a gate says if all is said at once, at the time of the scene: the request is judged, then each approval in turn,
/// and the first that completes it fixes the rules.
fn answer_plainly(plain: &Plain, scene: &Scene) -> Answer {
    let asked = &scene.asked;
    let said = said_plainly(plain, scene);
    let (timed, always): (Vec<&String>, Vec<&String>) =
        said.denying.iter().partition(|id| plain.rules[*id].get("hours").is_some());
    if !always.is_empty() || said.fitting.is_empty() || timed.iter().any(|id| said.at_their_hour.contains(*id)) {
        return Answer::Deny;
    }
    for number in 0..=scene.given.len() {
        let given = given_plainly(scene, number);
        let met: Vec<&String> = said
            .fitting
            .iter()
            .filter(|id| plain.is_approved(&plain.rules[*id], &asked.subject, asked.minutes, &given))
            .collect();
        if !met.is_empty() {
            let holds = met.iter().any(|id| said.at_their_hour.contains(*id));
            return if holds { Answer::Allow } else { Answer::Deny };
        }
    }
    Answer::Pending
}

fn answer_by_rehearsal(rehearsal: &Rehearsal, scene: &Scene) -> Answer {
    let question = question(scene);
    let given = |(name, touched): &(String, bool)| GivenApproval {
        name: parse(name),
        duration: None,
        by_hardware_key: *touched,
    };
    let case = Case {
        name: "scene".to_owned(),
        place: None,
        subject: question.subject,
        resource: question.resource,
        action: question.action,
        duration: Some(question.duration),
        reason: question.reason,
        at: scene.at,
        not_before: None,
        by_hardware_key: question.touched,
        approved_by: scene.given.iter().map(given).collect(),
        earlier: Vec::new(),
        expect: Answer::Allow,
        rule: None,
        missing: None,
        reasons: None,
    };
    rehearsal.play(&case).decision.answer
}

/// At a moment, or at some.
fn when(at: Option<Timestamp>) -> When {
    at.map_or(When::Ever, |at| When::At(at.unix()))
}

/// Whom a deny rule is for at that moment, or whoever is on call.
fn when_denied(at: Option<Timestamp>) -> When {
    at.map_or(When::Always, |at| When::At(at.unix()))
}

/// Who can have it, by which rule, asked of everybody and every rule.
fn who_can_plainly(plain: &Plain, resource: &str, action: &str, at: Option<Timestamp>) -> BTreeSet<(String, String)> {
    let mut all = BTreeSet::new();
    for subject in plain.names() {
        let denied = plain.denying(&subject, resource, action, when_denied(at));
        let is_denied = denied.iter().any(|id| plain.rules[id].get("hours").is_none());
        for (id, rule) in plain.rules.iter().filter(|(_, rule)| !is_deny(rule) && !is_denied) {
            let wants_touch = rule.get("require_hardware_key").is_some();
            let (plain_key, security_key) = plain.keys(&subject);
            let has_key = security_key || (plain_key && !wants_touch);
            if has_key
                && plain.is_addressed(rule, &subject, resource, action, when(at))
                && plain.is_approved(rule, &subject, 1, &everybody(plain, when(at)))
            {
                all.insert((subject.clone(), id.clone()));
            }
        }
    }
    all
}

/// Everybody, by the best key they have.
fn everybody(plain: &Plain, when: When) -> Given {
    let with_keys = plain.names().into_iter().map(|name| (plain.keys(&name), name));
    with_keys.filter(|(keys, _)| keys.0 || keys.1).map(|(keys, name)| (name, (keys.1, when))).collect()
}

fn check_tiers(plain: &Plain, way: &Way<'_>, at: Option<Timestamp>) -> Result<(), TestCaseError> {
    let (subject, rule) = (way.subject.to_string(), &plain.rules[way.rule.id.as_str()]);
    let everybody = everybody(plain, when(at));
    for duration in 1..=max_minutes(rule) + 1 {
        let tier = way
            .tiers
            .iter()
            .find(|tier| tier.over.is_none_or(|over| minutes(duration) > over) && minutes(duration) <= tier.up_to);
        prop_assert_eq!(tier.is_some(), duration <= max_minutes(rule));
        let Some(tier) = tier else { continue };
        let entries = plain.entries(rule, duration);
        prop_assert_eq!(tier.approvals.len(), entries.len());
        for (approval, entry) in tier.approvals.iter().zip(entries) {
            let can = everybody.iter().filter(|(who, signed)| plain.can_approve(entry, &subject, who, **signed));
            let can: Vec<&String> = can.map(|(who, _)| who).collect();
            let listed: Vec<String> = approval.approvers.iter().map(ToString::to_string).collect();
            prop_assert_eq!(listed.iter().collect::<Vec<_>>(), can);
        }
        prop_assert_eq!(tier.is_in_reach, plain.is_approved(rule, &subject, duration, &everybody));
    }
    Ok(())
}

/// What people do by a touch, or without, or not at all; at some time.
fn signings(plain: &Plain) -> Vec<Given> {
    let mut all = vec![Given::new()];
    for who in PEOPLE {
        let (has_plain, has_security) = plain.keys(who);
        let mut more = Vec::new();
        for given in &all {
            for touched in [false, true] {
                if if touched { has_security } else { has_plain } {
                    let mut given = given.clone();
                    given.insert(who.to_owned(), (touched, When::Ever));
                    more.push(given);
                }
            }
        }
        all.extend(more);
    }
    all
}

/// The same people, by keys of theirs in another policy that ask no more of them.
fn no_weaker(plain: &Plain, given: &Given) -> Given {
    let by = |(who, (touched, when)): (&String, &(bool, When))| {
        no_weaker_key(plain, who, *touched).map(|touched| (who.clone(), (touched, *when)))
    };
    given.iter().filter_map(by).collect()
}

fn no_weaker_key(plain: &Plain, who: &str, touched: bool) -> Option<bool> {
    match plain.keys(who) {
        (_, true) if touched => Some(true),
        (true, _) => Some(false),
        (false, _) => None,
    }
}

/// Whether some allow rule lets the subject have it for so long, beside reasons and hours.
fn is_given(plain: &Plain, rules: &[&toml::Value], subject: &str, duration: u64, touched: bool, given: &Given) -> bool {
    rules.iter().any(|rule| {
        duration <= max_minutes(rule)
            && (touched || rule.get("require_hardware_key").is_none())
            && plain.is_approved(rule, subject, duration, given)
    })
}

/// The allow rules for a subject, resource and action; none where a deny rule is that always holds.
fn rules_for<'p>(plain: &'p Plain, subject: &str, resource: &str, action: &str) -> Vec<&'p toml::Value> {
    let denied = plain.denying(subject, resource, action, When::Always);
    if denied.iter().any(|id| plain.rules[id].get("hours").is_none()) {
        return Vec::new();
    }
    let rules = plain.rules.iter().map(|(_, rule)| rule).filter(|rule| !is_deny(rule));
    rules.filter(|rule| plain.is_addressed(rule, subject, resource, action, When::Ever)).collect()
}

/// The deny rules for a subject, resource and action that hold at times.
fn timed_for<'p>(plain: &'p Plain, subject: &str, resource: &str, action: &str) -> Vec<&'p toml::Value> {
    let always = plain.denying(subject, resource, action, When::Always);
    let ever = plain.denying(subject, resource, action, When::Ever);
    let is_timed = |id: &&String| plain.rules[*id].get("hours").is_some() || !always.contains(*id);
    ever.iter().filter(is_timed).map(|id| &plain.rules[id]).collect()
}

/// Whether somebody has it under one policy for so long who would not have it under the other: every way that they and
/// others could sign is tried. `approving` are the only ones who may, if given.
fn gains(
    (new, old): (&Plain, &Plain),
    subject: &str,
    (rules, before): (&[&toml::Value], &[&toml::Value]),
    duration: u64,
    ways: &[Given],
    approving: Option<&BTreeSet<String>>,
) -> bool {
    let (has_plain, has_security) = new.keys(subject);
    [(false, has_plain), (true, has_security)].into_iter().filter(|(_, has)| *has).any(|(touched, _)| {
        ways.iter().filter(|given| approving.is_none_or(|names| given.keys().eq(names))).any(|given| {
            let had = no_weaker_key(old, subject, touched)
                .is_some_and(|touched| is_given(old, before, subject, duration, touched, &no_weaker(old, given)));
            !had && is_given(new, rules, subject, duration, touched, given)
        })
    })
}

/// Whether a change is about this.
fn is_about(change: &Change<'_>, subject: &str, resource: &Resource, action: &Name, duration: u64) -> bool {
    change.subjects.iter().any(|one| one.as_str() == subject)
        && change.resources.matches(resource)
        && change.actions.contains(action)
        && change.over.is_none_or(|over| minutes(duration) > over)
        && minutes(duration) <= change.up_to
}

/// Each change for each of its subjects alone.
fn each<'a>(changes: &[Change<'a>]) -> Vec<Change<'a>> {
    let alone = |change: &Change<'a>, subject: &'a Name| Change {
        subjects: [subject].into(),
        example: change.example_for(subject),
        ..change.clone()
    };
    changes.iter().flat_map(|change| change.subjects.iter().map(move |subject| alone(change, subject))).collect()
}

/// The example of a change, which is one of what it is about.
fn example_of<'c>(change: &'c Change<'_>) -> Result<&'c Example, TestCaseError> {
    let Some(example) = &change.example else {
        return Err(TestCaseError::fail("such small policies are never too intricate"));
    };
    prop_assert!(change.resources.matches(&example.resource) && change.actions.contains(&example.action));
    Ok(example)
}

/// The durations at which something changes in either policy.
fn durations(new: &Plain, old: &Plain) -> BTreeSet<u64> {
    let allowing = new.rules.values().chain(old.rules.values()).filter(|rule| !is_deny(rule));
    allowing.flat_map(bounds).collect()
}

/// Holds what somebody is said to gain against what trying finds.
fn check_gains(changes: &[Change<'_>], new: &Plain, old: &Plain) -> Result<(), TestCaseError> {
    let ways = signings(new);
    let durations = durations(new, old);
    for change in each(changes) {
        let example = example_of(&change)?;
        let (subject, resource, action) =
            (change.subjects[0].as_str(), example.resource.as_str(), example.action.as_str());
        let (rules, before) = (rules_for(new, subject, resource, action), rules_for(old, subject, resource, action));
        let names: BTreeSet<String> = example.approved_by.iter().map(ToString::to_string).collect();
        let mut inside =
            durations.iter().filter(|d| is_about(&change, subject, &example.resource, &example.action, **d));
        prop_assert!(
            inside.any(|d| gains((new, old), subject, (&rules, &before), *d, &ways, Some(&names))),
            "it is no gain: {:?}",
            change
        );
    }
    let about = |who: &str, what: &str, action: &str| [new, old].map(|policy| rules_for(policy, who, what, action));
    check_told("gains it", [changes, &[]], new, &durations, about, |subject, [rules, before], duration| {
        gains((new, old), subject, (rules, before), duration, &ways, None)
    })
}

/// Asks of everybody, each resource, action and duration whether `finds` it, and holds that against what is told. What it
/// finds rests on the rules that are `about` a case, so it is asked once where they are the same.
fn check_told<'p, const N: usize>(
    what: &str,
    told: [&[Change<'_>]; 2],
    plain: &Plain,
    durations: &BTreeSet<u64>,
    about: impl Fn(&str, &str, &str) -> [Vec<&'p toml::Value>; N],
    finds: impl Fn(&str, &[Vec<&'p toml::Value>; N], u64) -> bool,
) -> Result<(), TestCaseError> {
    let mut known: BTreeMap<_, bool> = BTreeMap::new();
    for subject in plain.names() {
        for text in universe() {
            let resource: Resource = parse(&text);
            for action in ACTIONS {
                let rules = about(&subject, &text, action);
                let which =
                    rules.each_ref().map(|rules| rules.iter().copied().map(std::ptr::from_ref).collect::<Vec<_>>());
                for duration in durations {
                    let key = (subject.clone(), *duration, which.clone());
                    let is_so = *known.entry(key).or_insert_with(|| finds(&subject, &rules, *duration));
                    let is_told = || {
                        let mut told = told.into_iter().flatten();
                        told.any(|one| is_about(one, &subject, &resource, &parse(action), *duration))
                    };
                    prop_assert!(
                        !is_so || is_told(),
                        "{subject} {what}, {action} {text} for {duration}m, and it is not told"
                    );
                }
            }
        }
    }
    Ok(())
}

/// Whether an allow rule asks, beside approvals and keys, no more of a subject than another of the other policy: of the same
/// reason, at the same hours, within the same limits, and of nobody to be on call where they need not be.
fn asks_no_more(
    subject: &str,
    (plain, rule): (&Plain, &toml::Value),
    (other, one): (&Plain, &toml::Value),
    duration: u64,
) -> bool {
    let number = |value: Option<&toml::Value>| value.and_then(toml::Value::as_integer);
    let have = other.reasons(one);
    let same_reason = plain.reasons(rule).iter().all(|wanted| {
        let pattern = wanted.get("pattern");
        let length = number(wanted.get("min_length"));
        (pattern.is_none() || have.iter().any(|have| have.get("pattern") == pattern))
            && length.is_none_or(|length| {
                have.iter().any(|have| number(have.get("min_length")).is_some_and(|have| have >= length))
            })
    });
    same_reason
        && hours_hold_no_less(rule, one)
        && limits_no_more(rule, one)
        && turns_no_more(plain.turns(&texts(rule, "subjects"), subject), other.turns(&texts(one, "subjects"), subject))
        && PEOPLE.iter().all(|who| approver_turns_no_more(subject, who, (plain, rule), (other, one), duration))
}

/// Whether the hours of the first, as they are written, are all those of the second.
fn hours_hold_no_less(rule: &toml::Value, one: &toml::Value) -> bool {
    let hours = |rule: &toml::Value| rule.get("hours").and_then(toml::Value::as_array).cloned();
    match (hours(rule), hours(one)) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(own), Some(other)) => other.iter().all(|hours| own.contains(hours)),
    }
}

fn limits_no_more(rule: &toml::Value, one: &toml::Value) -> bool {
    let limit = |rule: &toml::Value, path: &[&str]| {
        let found = path.iter().try_fold(rule.get("limits")?.clone(), |value, key| value.get(key).cloned());
        found.map(|value| value.to_string())
    };
    // The drafts know one cooldown and one rate.
    let active = |rule: &toml::Value| limit(rule, &["active"]).map_or(u64::MAX, |text| text.parse().unwrap());
    let same = |path: &[&str]| limit(rule, path).is_none() || limit(rule, path) == limit(one, path);
    active(one) <= active(rule) && same(&["cooldown"]) && same(&["rate"])
}

type Turns = Vec<(String, toml::Value)>;

/// Whether whoever has one of the second's turns has one of the first's.
fn turns_no_more(turns: Turns, other: Turns) -> bool {
    turns.is_empty() || (!other.is_empty() && other.iter().all(|turn| turns.contains(turn)))
}

/// Whether somebody who may approve by the second rule may by the first whenever that is.
fn approver_turns_no_more(
    subject: &str,
    who: &str,
    (plain, rule): (&Plain, &toml::Value),
    (other, one): (&Plain, &toml::Value),
    duration: u64,
) -> bool {
    let turns = |plain: &Plain, rule: &toml::Value| -> Vec<Turns> {
        let entries = plain.entries(rule, duration);
        let able = entries.iter().filter(|entry| plain.can_approve(entry, subject, who, (true, When::Ever)));
        able.map(|entry| plain.turns(&texts(entry, "from"), who)).collect()
    };
    let (own, others) = (turns(plain, rule), turns(other, one));
    own == others || own.iter().all(|own| others.iter().all(|other| turns_no_more(own.clone(), other.clone())))
}

/// Whether somebody has it under both policies, and under the one for less: no rule of the other that the same people meet
/// asks no more, or a deny rule of the other stops it at times at which none of the one's does.
fn is_easier(
    (new, old): (&Plain, &Plain),
    subject: &str,
    (rules, before): (&[&toml::Value], &[&toml::Value]),
    (timed, timed_before): (&[&toml::Value], &[&toml::Value]),
    duration: u64,
    ways: &[Given],
    approving: Option<&BTreeSet<String>>,
) -> bool {
    let (has_plain, has_security) = new.keys(subject);
    // What asks no more of anybody is told by the key that asks least.
    let Some(touched) = [has_plain.then_some(false), has_security.then_some(true)].into_iter().flatten().next() else {
        return false;
    };
    let denied_more = timed_before.iter().any(|denial| {
        !timed.iter().any(|own| {
            hours_hold_no_less(own, denial)
                && turns_no_more(
                    new.turns(&texts(own, "subjects"), subject),
                    old.turns(&texts(denial, "subjects"), subject),
                )
        })
    });
    rules.iter().any(|one| {
        let touched = touched || one.get("require_hardware_key").is_some();
        if touched && !has_security {
            return false;
        }
        ways.iter().filter(|given| approving.is_none_or(|names| given.keys().eq(names))).any(|given| {
            let had = |rule: &&toml::Value| {
                no_weaker_key(old, subject, touched)
                    .is_some_and(|touched| is_given(old, &[*rule], subject, duration, touched, &no_weaker(old, given)))
            };
            is_given(new, &[*one], subject, duration, touched, given)
                && (denied_more
                    || !before.iter().any(|rule| had(rule) && asks_no_more(subject, (old, rule), (new, one), duration)))
        })
    })
}

/// Holds what is said to be easier for somebody against what trying finds.
fn check_eased(eased: &[Change<'_>], gains: &[Change<'_>], new: &Plain, old: &Plain) -> Result<(), TestCaseError> {
    let ways = signings(new);
    let durations = durations(new, old);
    for change in each(eased) {
        let example = example_of(&change)?;
        let (subject, resource, action) =
            (change.subjects[0].as_str(), example.resource.as_str(), example.action.as_str());
        let before = rules_for(old, subject, resource, action);
        let one = &new.rules[change.rule.id.as_str()];
        prop_assert!(rules_for(new, subject, resource, action).iter().any(|rule| std::ptr::eq(*rule, one)));
        let timed = (timed_for(new, subject, resource, action), timed_for(old, subject, resource, action));
        let names: BTreeSet<String> = example.approved_by.iter().map(ToString::to_string).collect();
        let mut inside =
            durations.iter().filter(|d| is_about(&change, subject, &example.resource, &example.action, **d));
        prop_assert!(
            inside.any(|d| {
                let rules = (&[one][..], &before[..]);
                is_easier((new, old), subject, rules, (&timed.0, &timed.1), *d, &ways, Some(&names))
            }),
            "it is no easier: {:?}",
            change
        );
    }
    let about = |who: &str, what: &str, action: &str| {
        let [rules, before] = [new, old].map(|policy| rules_for(policy, who, what, action));
        let [timed, timed_before] = [new, old].map(|policy| timed_for(policy, who, what, action));
        [rules, before, timed, timed_before]
    };
    check_told("has it for less", [eased, gains], new, &durations, about, |subject, lists, duration| {
        let [rules, before, timed, timed_before] = lists;
        is_easier((new, old), subject, (rules, before), (timed, timed_before), duration, &ways, None)
    })
}

/// Whether a gate lets somebody in for whom all is said at once, but for the approvals, which are as old as they are.
fn lets_in(plain: &Plain, asked: &Asked, given: &Given, at: i64) -> bool {
    let when = When::At(at);
    let denying = plain.denying(&asked.subject, &asked.resource, &asked.action, when);
    !denying.iter().any(|id| has_its_hour(&plain.rules[id], at))
        && plain.rules.iter().any(|(_, rule)| {
            plain.fits(rule, asked, when)
                && has_its_hour(rule, at)
                && plain.is_approved(rule, &asked.subject, asked.minutes, given)
        })
}

/// Looks for a case in which the one policy lets somebody in and the other does not, and which is not told.
fn check_silence(
    told: [&[Change<'_>]; 2],
    new: &Plain,
    old: &Plain,
    dice: &mut Dice,
    times: usize,
) -> Result<(), TestCaseError> {
    for _ in 0..times {
        let scene = scene(dice);
        let asked = &scene.asked;
        let (has_plain, has_security) = new.keys(&asked.subject);
        if !(if asked.touched { has_security } else { has_plain }) {
            continue;
        }
        let given: Given = scene
            .given
            .iter()
            .filter(|(who, touched)| if *touched { new.keys(who).1 } else { new.keys(who).0 })
            .map(|(who, touched)| {
                let earlier = i64::try_from(dice.below(3 * 86_400)).unwrap();
                (who.clone(), (*touched, When::At(scene.at.unix() - earlier)))
            })
            .collect();
        if !lets_in(new, asked, &given, scene.at.unix()) {
            continue;
        }
        let let_in_before = no_weaker_key(old, &asked.subject, asked.touched).is_some_and(|touched| {
            let asked = Asked { touched, ..asked.clone() };
            lets_in(old, &asked, &no_weaker(old, &given), scene.at.unix())
        });
        let (resource, action) = (parse(&asked.resource), parse(&asked.action));
        let is_told = || {
            told.iter()
                .flat_map(|rows| rows.iter())
                .any(|one| is_about(one, &asked.subject, &resource, &action, asked.minutes))
        };
        prop_assert!(let_in_before || is_told(), "it is not told: {scene:?} {given:?}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(crate::cases(1))]

    #[test]
    fn the_plain_evaluator_explanations_tests_and_gates_agree_with_the_core(seed in any::<u64>()) {
        let mut dice = Dice::new(seed);
        let draft = Draft::random(&mut dice);
        let (policy, plain) = (draft.policy(), Plain::read(&draft.files()));
        let rehearsal = Rehearsal::new(&policy);
        for _ in 0..ASKED_EACH {
            let scene = scene(&mut dice);
            let said = said_plainly(&plain, &scene);
            prop_assert_eq!(&said_by_core(&policy, &scene), &said, "{:?} {:?}", &draft, &scene);
            let question = question(&scene);
            for one in explain(&policy, &question.ask(), &question.given) {
                let id = one.rule.id.to_string();
                let says = if one.is_deny() { said.denying.contains(&id) } else { said.met.contains(&id) };
                prop_assert_eq!(one.is_met(), says && said.at_their_hour.contains(&id), "{} {:?} {:?}", id, &draft, &scene);
            }
            let answer = answer_plainly(&plain, &scene);
            prop_assert_eq!(answer_by_rehearsal(&rehearsal, &scene), answer, "{:?} {:?}", &draft, &scene);
        }
    }

    #[test]
    fn who_can_and_what_can_are_what_asking_everybody_of_everything_gives(seed in any::<u64>()) {
        let mut dice = Dice::new(seed);
        let draft = Draft::random(&mut dice);
        let (policy, plain) = (draft.policy(), Plain::read(&draft.files()));
        let moment = Timestamp::from_unix(1_700_000_000 + i64::try_from(dice.below(365 * 86_400)).unwrap());
        let all = universe();
        for at in [None, Some(moment)] {
            let mut reached: BTreeSet<(String, String, String)> = BTreeSet::new();
            for number in 0..6 {
                let text = &all[usize::try_from(dice.below(all.len() as u64)).unwrap()];
                let action = ACTIONS[number % ACTIONS.len()];
                let (resource, name): (Resource, Name) = (parse(text), parse(action));
                let found = who_can(&policy, &resource, &name, at);
                let ways: BTreeSet<(String, String)> =
                    found.ways.iter().map(|way| (way.subject.to_string(), way.rule.id.to_string())).collect();
                let plainly = who_can_plainly(&plain, text, action, at);
                prop_assert_eq!(&ways, &plainly, "{} {} {:?} {:?}", action, text, at, &draft);
                for way in &found.ways {
                    check_tiers(&plain, way, at)?;
                    let holds = at.map(|at| {
                        let denying = plain.denying(way.subject.as_str(), text, action, When::At(at.unix()));
                        let is_denied = denying.iter().any(|id| has_its_hour(&plain.rules[id], at.unix()));
                        has_its_hour(&plain.rules[way.rule.id.as_str()], at.unix()) && !is_denied
                    });
                    prop_assert_eq!(way.holds, holds);
                }
                for subject in policy.identities().keys() {
                    let of = what_can(&policy, subject, at);
                    let about: Vec<_> = of
                        .reaches
                        .iter()
                        .filter(|one| {
                            let is_excepted = |rule: &&jit::core::policy::Rule| {
                                rule.actions.matches(&name)
                                    && rule.resources.iter().any(|pattern| pattern.matches(&resource))
                            };
                            one.resources.matches(&resource)
                                && one.actions.matches(&name)
                                && !one.except.iter().any(is_excepted)
                        })
                        .collect();
                    let rules: BTreeSet<String> = about.iter().map(|one| one.way.rule.id.to_string()).collect();
                    let by_who = ways.iter().filter(|(who, _)| who == subject.as_str()).map(|(_, rule)| rule.clone());
                    let by_who: BTreeSet<String> = by_who.collect();
                    prop_assert_eq!(rules, by_who, "{} {} {} {:?} {:?}", subject, action, text, at, &draft);
                    let now = found.ways.iter().filter(|way| way.subject == subject && way.holds == Some(true));
                    for way in now {
                        // What holds of one resource holds of the pattern.
                        let holds = |one: &&&jit::core::reach::Reach<'_>| one.way.rule.id == way.rule.id;
                        let mut own = about.iter().filter(holds);
                        prop_assert!(own.all(|one| one.way.holds == Some(true)), "{} {} {:?}", subject, text, &draft);
                    }
                    for one in &of.reaches {
                        let (resource, action) =
                            one.example.as_ref().expect("such small patterns are never too intricate");
                        reached.insert((subject.to_string(), one.way.rule.id.to_string(), format!("{action} {resource}")));
                        prop_assert!(one.resources.matches(resource) && one.actions.matches(action));
                    }
                }
            }
            for (subject, rule, what) in reached {
                let (action, resource) = what.split_once(' ').unwrap();
                prop_assert!(who_can_plainly(&plain, resource, action, at).contains(&(subject, rule)), "{}", what);
            }
        }
    }

    #[test]
    fn assertions_break_where_asking_everybody_of_everything_breaks_them(seed in any::<u64>()) {
        let mut dice = Dice::new(seed);
        let draft = Draft::random(&mut dice);
        let (policy, plain) = (draft.policy(), Plain::read(&draft.files()));
        let rehearsal = Rehearsal::new(&policy);
        for _ in 0..4 {
            let text = assertion(&mut dice);
            let tests = read_tests(&policy, &files(&[("tests/all.toml", &text)])).expect("it reads");
            let breaches = rehearsal.breaches(&tests.assertions[0]).expect("such small patterns are never too intricate");
            let written: toml::Table = text.parse().unwrap();
            let written = &written["assert"]["a"];
            let mut told: BTreeSet<String> = BTreeSet::new();
            for breach in &breaches {
                // `subject` can `action` `resource` by rule `rule`
                let words: Vec<&str> = breach.split('`').skip(1).step_by(2).take(4).collect();
                let [subject, action, resource, rule] = words[..] else { panic!("{breach}") };
                prop_assert!(plain.breaks(written, &plain.rules[rule], subject, resource, action), "{breach} {text} {draft:?}");
                told.insert(rule.to_owned());
            }
            for (id, rule) in plain.rules.iter().filter(|(id, _)| !told.contains(*id)) {
                for (subject, resource) in plain.names().iter().flat_map(|who| universe().into_iter().map(move |what| (who, what))) {
                    let breaks = ACTIONS.iter().any(|action| plain.breaks(written, rule, subject, &resource, action));
                    prop_assert!(!breaks, "{id} breaks it for {subject} and {resource}: {text} {draft:?}");
                }
            }
        }
    }

    #[test]
    fn an_assertion_leans_on_what_it_would_not_hold_without(seed in any::<u64>()) {
        let mut dice = Dice::new(seed);
        let draft = Draft::random(&mut dice);
        let policy = draft.policy();
        let rehearsal = Rehearsal::new(&policy);
        for _ in 0..4 {
            let text = assertion(&mut dice);
            let tests = read_tests(&policy, &files(&[("tests/all.toml", &text)])).expect("it reads");
            let assertion = &tests.assertions[0];
            let holds = |rehearsal: &Rehearsal| {
                let breaches = rehearsal.breaches(assertion);
                breaches.expect("such small patterns are never too intricate").is_empty()
            };
            if !holds(&rehearsal) {
                continue;
            }
            let mut leans_on = BTreeSet::new();
            for (id, rule) in &draft.rules {
                if rule.deny {
                    let mut without = draft.clone();
                    without.rules.remove(id);
                    if !holds(&Rehearsal::new(&without.policy())) {
                        leans_on.insert(Prop::Denial(parse(id)));
                    }
                }
                for index in 0..rule.approvals.len() {
                    let mut without = draft.clone();
                    without.rules.entry(id.clone()).and_modify(|rule| drop(rule.approvals.remove(index)));
                    if !holds(&Rehearsal::new(&without.policy())) {
                        leans_on.insert(Prop::Entry(parse(id), index));
                    }
                }
            }
            prop_assert_eq!(rehearsal.props(assertion), leans_on, "{} {:?}", text, &draft);
        }
    }

    #[test]
    fn neither_the_order_of_rules_nor_of_files_matters(seed in any::<u64>()) {
        let mut dice = Dice::new(seed);
        let draft = Draft::random(&mut dice);
        let (one, other) = (draft.policy(), loaded(&draft.files_in_order(&mut dice)));
        prop_assert_eq!(compare(&one, &other), Comparison::default());
        for _ in 0..ASKED_EACH {
            let scene = scene(&mut dice);
            prop_assert_eq!(said_by_core(&one, &scene), said_by_core(&other, &scene));
        }
    }

    #[test]
    fn less_never_opens_more_and_no_rule_mixes_with_another(seed in any::<u64>()) {
        let mut dice = Dice::new(seed);
        let draft = Draft::random(&mut dice);
        let rehearsal = Rehearsal::new(&draft.policy());
        let with_deny = {
            let mut draft = draft.clone();
            let denial = std::iter::repeat_with(|| rule(&mut dice)).find(|rule| rule.deny).unwrap();
            draft.rules.insert("one-more".to_owned(), denial);
            draft.policy()
        };
        let before = draft.policy();
        let found = compare(&before, &with_deny);
        prop_assert!(found.gains.is_empty() && found.eased.is_empty(), "a deny rule gives: {:?}", &found);
        let with_deny = Rehearsal::new(&with_deny);
        let (group, left) = leave(&draft, &mut dice);
        let left_by_one = Rehearsal::new(&left.policy());
        let after = left.policy();
        let found = compare(&before, &after);
        prop_assert!(found.gains.is_empty(), "leaving {} gives: {:?}", group, &found);
        let alone: Vec<Rehearsal> = draft
            .rules
            .iter()
            .filter(|(_, rule)| !rule.deny)
            .map(|(id, _)| {
                let mut only = draft.clone();
                only.rules.retain(|other, rule| other == id || rule.deny);
                Rehearsal::new(&only.policy())
            })
            .collect();
        for _ in 0..ASKED_EACH {
            let scene = scene(&mut dice);
            let allows = |rehearsal: &Rehearsal, scene: &Scene| answer_by_rehearsal(rehearsal, scene) == Answer::Allow;
            let is_open = |scene: &Scene| allows(&rehearsal, scene);
            if allows(&with_deny, &scene) {
                prop_assert!(is_open(&scene), "a deny rule opens it");
            }
            // What completes a request first fixes its rules, so hours are left out where that could come out differently.
            let hours = draft.rules.values().any(|rule| !rule.deny && rule.hours.is_some());
            if hours {
                continue;
            }
            if allows(&left_by_one, &scene) {
                prop_assert!(is_open(&scene), "leaving {} opens it", group);
            }
            let mut fewer = scene.clone();
            if fewer.given.pop().is_some() && is_open(&fewer) {
                prop_assert!(is_open(&scene), "an approval less opens it");
            }
            let mut longer = scene.clone();
            longer.asked.minutes += 1 + dice.below(30);
            if is_open(&longer) {
                prop_assert!(is_open(&scene), "asking longer opens it");
            }
            prop_assert_eq!(is_open(&scene), alone.iter().any(|only| allows(only, &scene)), "rules are mixed: {:?}", &scene);
        }
    }
}

/// Something that shall hold of a policy, in TOML.
fn assertion(dice: &mut Dice) -> String {
    let like = rule(dice);
    let mut text = format!("[assert.a]\nresources = {}\n", list(&like.resources));
    if dice.below(2) == 0 {
        text.push_str(&format!("subjects = {}\n", list(&like.subjects)));
    }
    if !like.actions.is_empty() {
        text.push_str(&format!("actions = {}\n", list(&like.actions)));
    }
    match dice.below(3) {
        0 => text.push_str("access = false\n"),
        1 => text.push_str("needs_approval = true\n"),
        _ => text.push_str(&format!("approvers = {}\n", list(&rule(dice).subjects))),
    }
    text
}

/// Trying everything takes long: a fourth of the usual cases.
fn fewer_cases() -> Config {
    let config = crate::cases(1);
    Config { cases: config.cases.div_ceil(4), ..config }
}

proptest! {
    #![proptest_config(fewer_cases())]

    #[test]
    fn who_gains_and_who_loses_is_what_trying_everything_finds(seed in any::<u64>()) {
        let mut dice = Dice::new(seed);
        let draft = Draft::random(&mut dice);
        let other = draft.changed(&mut dice);
        let (before, after) = (draft.policy(), other.policy());
        let found = compare(&before, &after);
        let (old, new) = (Plain::read(&draft.files()), Plain::read(&other.files()));
        let failed = |why| TestCaseError::fail(format!("{why}\n{draft:?}\n{other:?}"));
        check_gains(&found.gains, &new, &old).map_err(failed)?;
        check_gains(&found.losses, &old, &new).map_err(failed)?;
        check_eased(&found.eased, &found.gains, &new, &old).map_err(failed)?;
        check_eased(&found.tightened, &found.losses, &old, &new).map_err(failed)?;
        check_silence([&found.gains, &found.eased], &new, &old, &mut dice, 100).map_err(failed)?;
        check_silence([&found.losses, &found.tightened], &old, &new, &mut dice, 100).map_err(failed)?;
        let back = compare(&after, &before);
        prop_assert_eq!((&back.gains, &back.losses), (&found.losses, &found.gains));
        prop_assert_eq!((&back.eased, &back.tightened), (&found.tightened, &found.eased));
    }
}

/// The same with somebody out of a group that no deny rule names.
fn leave(draft: &Draft, dice: &mut Dice) -> (String, Draft) {
    let mut left = draft.clone();
    let denied: Vec<&String> = draft.rules.values().filter(|rule| rule.deny).flat_map(|rule| &rule.subjects).collect();
    let group = dice.one_of(&["g0", "g1", "g2"]).to_owned();
    // Groups are named by later ones; one that is, directly or not, is not left.
    let number = |group: &str| group.trim_start_matches("group:g").parse::<u32>().ok();
    let own: u32 = group[1..].parse().unwrap();
    let is_denied = denied.iter().any(|name| number(name).is_some_and(|number| number >= own));
    if !is_denied && let Some(members) = left.groups.get_mut(&group).filter(|members| members.len() > 1) {
        let place = usize::try_from(dice.below(members.len() as u64)).unwrap();
        members.remove(place);
    }
    (group, left)
}

/// Policies that never allow, deny or differ would prove nothing.
#[test]
fn drafts_are_eventful() {
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    for seed in 0..300 {
        let mut dice = Dice::new(seed);
        let draft = Draft::random(&mut dice);
        let plain = Plain::read(&draft.files());
        let (before, after) = (draft.policy(), draft.changed(&mut dice).policy());
        let found = compare(&before, &after);
        let mut count = |what, is: bool| *seen.entry(what).or_default() += u32::from(is);
        count("gains", !found.gains.is_empty());
        count("losses", !found.losses.is_empty());
        count("eased", !found.eased.is_empty());
        count("tightened", !found.tightened.is_empty());
        count("same", found.is_empty());
        for _ in 0..ASKED_EACH {
            let scene = scene(&mut dice);
            let answer = answer_plainly(&plain, &scene);
            let said = said_plainly(&plain, &scene);
            count("allow", answer == Answer::Allow);
            count(
                "allow by approvals",
                answer == Answer::Allow && !said.met.is_empty() && {
                    let given = Scene { given: Vec::new(), ..scene.clone() };
                    answer_plainly(&plain, &given) != Answer::Allow
                },
            );
            count("pending", answer == Answer::Pending);
            count("denied by a rule", !said.denying.is_empty() && !said.fitting.is_empty());
        }
        count("has allow rules", draft.policy().rules().values().any(|rule| matches!(rule.effect, Effect::Allow(_))));
    }
    for (what, times) in &seen {
        assert!(*times >= 10, "{what}: {times} of {seen:?}");
    }
}
