//! What policies mean, twice: the core's answers against those of [`plain`](crate::plain), over random small policies in
//! which everything collides; and what must hold of any policy language.
//!
//! `PROPTEST_CASES=10000 cargo test --release --test properties reach` asks 10,000 policies, and 100,000 cases of them.

use std::collections::{BTreeMap, BTreeSet};

use jit::core::decide::Answer;
use jit::core::evaluate::{self, Approvers, Ask};
use jit::core::explain::explain;
use jit::core::name::{Name, Resource};
use jit::core::policy::{Case, Effect, GivenApproval, Policy};
use jit::core::reach::compare::{Change, Comparison, compare};
use jit::core::reach::{Way, what_can, who_can};
use jit::core::rehearsal::Rehearsal;
use jit::core::time::{Duration, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::Config;

use crate::plain::{Asked, Given, Plain, bounds, has_its_hour, is_deny, max_minutes};
use crate::support::draft::{ACTIONS, Draft, PEOPLE, REASONS, loaded, rule, universe};
use crate::support::history::Dice;
use crate::support::log::parse;

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

fn said_plainly(plain: &Plain, scene: &Scene) -> Said {
    let asked = &scene.asked;
    let given: Given = scene.given.iter().cloned().collect();
    let ids = |holds: &dyn Fn(&toml::Value) -> bool| -> BTreeSet<String> {
        plain.rules.iter().filter(|(_, rule)| holds(rule)).map(|(id, _)| id.clone()).collect()
    };
    Said {
        denying: plain.denying(&asked.subject, &asked.resource, &asked.action),
        fitting: ids(&|rule| plain.fits(rule, asked)),
        met: ids(&|rule| plain.fits(rule, asked) && plain.is_approved(rule, &asked.subject, asked.minutes, &given)),
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
        let given: Given = scene.given[..number].iter().cloned().collect();
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

/// Who can have it, by which rule, asked of everybody and every rule.
fn who_can_plainly(plain: &Plain, resource: &str, action: &str) -> BTreeSet<(String, String)> {
    let mut all = BTreeSet::new();
    for subject in plain.names() {
        let denied = plain.denying(&subject, resource, action);
        let is_denied = denied.iter().any(|id| plain.rules[id].get("hours").is_none());
        for (id, rule) in plain.rules.iter().filter(|(_, rule)| !is_deny(rule) && !is_denied) {
            let wants_touch = rule.get("require_hardware_key").is_some();
            let (plain_key, security_key) = plain.keys(&subject);
            let has_key = security_key || (plain_key && !wants_touch);
            if has_key
                && plain.is_addressed(rule, &subject, resource, action)
                && plain.is_approved(rule, &subject, 1, &everybody(plain))
            {
                all.insert((subject.clone(), id.clone()));
            }
        }
    }
    all
}

/// Everybody, by the best key they have.
fn everybody(plain: &Plain) -> Given {
    let with_keys = plain.names().into_iter().map(|name| (plain.keys(&name), name));
    with_keys.filter(|(keys, _)| keys.0 || keys.1).map(|(keys, name)| (name, keys.1)).collect()
}

fn check_tiers(plain: &Plain, way: &Way<'_>) -> Result<(), TestCaseError> {
    let (subject, rule) = (way.subject.to_string(), &plain.rules[way.rule.id.as_str()]);
    let everybody = everybody(plain);
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
            let can = everybody.iter().filter(|(who, touched)| plain.can_approve(entry, &subject, who, **touched));
            let can: Vec<&String> = can.map(|(who, _)| who).collect();
            let listed: Vec<String> = approval.approvers.iter().map(ToString::to_string).collect();
            prop_assert_eq!(listed.iter().collect::<Vec<_>>(), can);
        }
        prop_assert_eq!(tier.is_in_reach, plain.is_approved(rule, &subject, duration, &everybody));
    }
    Ok(())
}

/// What people do by a touch, or without, or not at all.
fn signings(plain: &Plain) -> Vec<Given> {
    let mut all = vec![Given::new()];
    for who in PEOPLE {
        let (has_plain, has_security) = plain.keys(who);
        let mut more = Vec::new();
        for given in &all {
            for touched in [false, true] {
                if if touched { has_security } else { has_plain } {
                    let mut given = given.clone();
                    given.insert(who.to_owned(), touched);
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
    let by =
        |(who, touched): (&String, &bool)| no_weaker_key(plain, who, *touched).map(|touched| (who.clone(), touched));
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

/// The allow rules for a subject, resource and action; none where a deny rule without hours is.
fn rules_for<'p>(plain: &'p Plain, subject: &str, resource: &str, action: &str) -> Vec<&'p toml::Value> {
    let denied = plain.denying(subject, resource, action);
    if denied.iter().any(|id| plain.rules[id].get("hours").is_none()) {
        return Vec::new();
    }
    let rules = plain.rules.iter().map(|(_, rule)| rule).filter(|rule| !is_deny(rule));
    rules.filter(|rule| plain.is_addressed(rule, subject, resource, action)).collect()
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
fn is_about(change: &Change, subject: &str, resource: &Resource, action: &Name, duration: u64) -> bool {
    change.subject.as_str() == subject
        && change.resources.matches(resource)
        && change.actions.contains(action)
        && change.over.is_none_or(|over| minutes(duration) > over)
        && minutes(duration) <= change.up_to
}

/// Holds what somebody is said to gain against what trying finds.
fn check_gains(changes: &[Change], new: &Plain, old: &Plain) -> Result<(), TestCaseError> {
    let ways = signings(new);
    let durations: BTreeSet<u64> = new
        .rules
        .iter()
        .chain(&old.rules)
        .filter(|(_, rule)| !is_deny(rule))
        .flat_map(|(_, rule)| bounds(rule))
        .collect();
    for change in changes {
        let Some(example) = &change.example else {
            return Err(TestCaseError::fail("such small policies are never too intricate"));
        };
        let (subject, resource, action) = (change.subject.as_str(), example.resource.as_str(), example.action.as_str());
        prop_assert!(change.resources.matches(&example.resource) && change.actions.contains(&example.action));
        let (rules, before) = (rules_for(new, subject, resource, action), rules_for(old, subject, resource, action));
        let names: BTreeSet<String> = example.approved_by.iter().map(ToString::to_string).collect();
        let mut inside =
            durations.iter().filter(|d| is_about(change, subject, &example.resource, &example.action, **d));
        prop_assert!(
            inside.any(|d| gains((new, old), subject, (&rules, &before), *d, &ways, Some(&names))),
            "it is no gain: {:?}",
            change
        );
    }
    let mut known: BTreeMap<_, bool> = BTreeMap::new();
    for subject in new.names() {
        for text in universe() {
            let resource: Resource = parse(&text);
            for action in ACTIONS {
                let (rules, before) =
                    (rules_for(new, &subject, &text, action), rules_for(old, &subject, &text, action));
                for duration in &durations {
                    let addresses =
                        |rules: &[&toml::Value]| rules.iter().map(|rule| std::ptr::from_ref(*rule)).collect::<Vec<_>>();
                    let key = (subject.clone(), *duration, addresses(&rules), addresses(&before));
                    let is_gain = *known
                        .entry(key)
                        .or_insert_with(|| gains((new, old), &subject, (&rules, &before), *duration, &ways, None));
                    let is_told =
                        || changes.iter().any(|one| is_about(one, &subject, &resource, &parse(action), *duration));
                    prop_assert!(
                        !is_gain || is_told(),
                        "{subject} gains {action} {text} for {duration}m, and it is not told"
                    );
                }
            }
        }
    }
    Ok(())
}

/// Without hours and reasons there is nothing beside the access as such.
fn is_nothing_eased(found: &Comparison) -> bool {
    found.eased.is_empty() && found.tightened.is_empty()
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
        let at = Timestamp::from_unix(1_700_000_000 + i64::try_from(dice.below(7 * 86_400)).unwrap());
        let all = universe();
        let mut reached: BTreeSet<(String, String, String)> = BTreeSet::new();
        for number in 0..6 {
            let text = &all[usize::try_from(dice.below(all.len() as u64)).unwrap()];
            let action = ACTIONS[number % ACTIONS.len()];
            let (resource, name): (Resource, Name) = (parse(text), parse(action));
            let found = who_can(&policy, &resource, &name, Some(at));
            let ways: BTreeSet<(String, String)> =
                found.ways.iter().map(|way| (way.subject.to_string(), way.rule.id.to_string())).collect();
            prop_assert_eq!(&ways, &who_can_plainly(&plain, text, action), "{} {} {:?}", action, text, &draft);
            for way in &found.ways {
                check_tiers(&plain, way)?;
                let denying = plain.denying(way.subject.as_str(), text, action);
                let is_denied = denying.iter().any(|id| has_its_hour(&plain.rules[id], at.unix()));
                let has_hour = has_its_hour(&plain.rules[way.rule.id.as_str()], at.unix());
                prop_assert_eq!(way.holds, Some(has_hour && !is_denied));
            }
            for subject in policy.identities().keys() {
                let of = what_can(&policy, subject, None);
                let about = of.reaches.iter().filter(|one| {
                    let is_excepted = |rule: &&jit::core::policy::Rule| {
                        rule.actions.matches(&name) && rule.resources.iter().any(|pattern| pattern.matches(&resource))
                    };
                    one.resources.matches(&resource) && one.actions.matches(&name) && !one.except.iter().any(is_excepted)
                });
                let rules: BTreeSet<String> = about.map(|one| one.way.rule.id.to_string()).collect();
                let by_who = ways.iter().filter(|(who, _)| who == subject.as_str()).map(|(_, rule)| rule.clone());
                prop_assert_eq!(rules, by_who.collect::<BTreeSet<_>>(), "{} {} {} {:?}", subject, action, text, &draft);
                for one in &of.reaches {
                    let (resource, action) = one.example.as_ref().expect("such small patterns are never too intricate");
                    reached.insert((subject.to_string(), one.way.rule.id.to_string(), format!("{action} {resource}")));
                    prop_assert!(one.resources.matches(resource) && one.actions.matches(action));
                }
            }
        }
        for (subject, rule, what) in reached {
            let (action, resource) = what.split_once(' ').unwrap();
            prop_assert!(who_can_plainly(&plain, resource, action).contains(&(subject, rule)), "{}", what);
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
        let found = compare(&draft.policy(), &with_deny);
        prop_assert!(found.gains.is_empty() && found.eased.is_empty(), "a deny rule gives: {:?}", &found);
        let with_deny = Rehearsal::new(&with_deny);
        let (group, left) = leave(&draft, &mut dice);
        let left_by_one = Rehearsal::new(&left.policy());
        let found = compare(&draft.policy(), &left.policy());
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
        let mut draft = Draft::random(&mut dice);
        let mut other = draft.changed(&mut dice);
        for rules in [&mut draft.rules, &mut other.rules] {
            rules.values_mut().filter(|rule| !rule.deny).for_each(|rule| {
                rule.hours = None;
                rule.reason = None;
            });
        }
        let found = compare(&draft.policy(), &other.policy());
        let (old, new) = (Plain::read(&draft.files()), Plain::read(&other.files()));
        check_gains(&found.gains, &new, &old).map_err(|why| TestCaseError::fail(format!("{why}\n{draft:?}\n{other:?}")))?;
        check_gains(&found.losses, &old, &new).map_err(|why| TestCaseError::fail(format!("{why}\n{draft:?}\n{other:?}")))?;
        let back = compare(&other.policy(), &draft.policy());
        prop_assert_eq!((&back.gains, &back.losses), (&found.losses, &found.gains));
        let has_timed = |draft: &Draft| draft.rules.values().any(|rule| rule.deny && rule.hours.is_some());
        prop_assert!(has_timed(&draft) || has_timed(&other) || is_nothing_eased(&found));
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
        let found = compare(&draft.policy(), &draft.changed(&mut dice).policy());
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
