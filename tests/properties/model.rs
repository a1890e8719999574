//! A second opinion: requests, approvals, denials and revocations under one policy, from the design's words alone.
//!
//! It is slow and plain on purpose: whether people fill all places of a rule is found by trying every way, and every
//! question is answered from what was said, without anything in between.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use jit::core::hash::Hash;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::support::log::{EPOCH, Log, t};
use crate::support::org::Org;

const PEOPLE: [&str; 6] = ["alice", "bob", "carol", "dave", "erin", "robot"];
const ACTIONS: [&str; 3] = ["read", "write", "drop"];
const RESOURCE: &str = "db/prod";
/// How long a request may wait.
const PENDING_FOR: i64 = 24 * 3600;
/// How much earlier a start from somebody's clock counts.
const LEEWAY: i64 = 60;

/// An allow rule, as the model sees it.
struct Rule {
    id: &'static str,
    subjects: &'static [&'static str],
    action: &'static str,
    max: i64,
    /// Who, how many, and for requests longer than how many seconds.
    entries: &'static [(&'static [&'static str], usize, i64)],
}

const RULES: [Rule; 4] = [
    Rule { id: "read", subjects: &["bob", "robot"], action: "read", max: 3600, entries: &[] },
    Rule {
        id: "read-longer",
        subjects: &["bob", "robot", "erin"],
        action: "read",
        max: 7200,
        entries: &[(&["carol", "erin"], 1, 600)],
    },
    Rule {
        id: "write",
        subjects: &["bob", "robot"],
        action: "write",
        max: 7200,
        entries: &[(&["carol", "dave"], 1, 0), (&["dave", "erin", "bob"], 1, 3600)],
    },
    Rule {
        id: "drop",
        subjects: &["bob", "robot"],
        action: "drop",
        max: 3600,
        entries: &[(&["alice", "carol", "dave"], 2, 0)],
    },
];

fn org() -> Org {
    let list = |names: &[&str]| names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
    let mut org = Org::new(&["alice"], 1)
        .setting("revokers", "[\"erin\"]")
        .people("bob carol dave erin")
        .service("robot", "carol");
    for rule in RULES {
        let entries = rule.entries.iter().map(|(from, count, longer)| {
            let longer = if *longer > 0 { format!(", longer_than = \"{longer}s\"") } else { String::new() };
            format!("{{ from = [{}], count = {count}{longer} }}", list(from))
        });
        let entries: Vec<String> = entries.collect();
        let more = if entries.is_empty() { String::new() } else { format!("approvals = [{}]", entries.join(", ")) };
        org = org.allow_if(rule.id, &rule.subjects.join(" "), "db/**", rule.action, &format!("{}s", rule.max), &more);
    }
    org
}

#[derive(Clone, Debug)]
enum Step {
    Wait(u32),
    Request { by: usize, action: usize, seconds: u32, later: Option<u32> },
    Approve { by: usize, of: usize, seconds: Option<u32>, shift: i64 },
    Deny { by: usize, of: usize },
    Revoke { by: usize, of: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = 0..PEOPLE.len();
    let shift = prop_oneof![8 => Just(0), 1 => -100..0_i64, 1 => 0..200_000_i64, 1 => Just(PENDING_FOR)];
    let seconds = || prop_oneof![1..8000_u32, Just(600), Just(601), Just(3600), Just(3601), Just(7200), Just(7201)];
    let step = prop_oneof![
        1 => (1..2000_u32).prop_map(Step::Wait),
        5 => (who.clone(), 0..ACTIONS.len(), seconds(), proptest::option::weighted(0.2, 1..4000_u32))
            .prop_map(|(by, action, seconds, later)| Step::Request { by, action, seconds, later }),
        9 => (who.clone(), any::<usize>(), proptest::option::weighted(0.3, seconds()), shift)
            .prop_map(|(by, of, seconds, shift)| Step::Approve { by, of, seconds, shift }),
        1 => (who.clone(), any::<usize>()).prop_map(|(by, of)| Step::Deny { by, of }),
        2 => (who, any::<usize>()).prop_map(|(by, of)| Step::Revoke { by, of }),
    ];
    vec(step, 0..30)
}

/// What the model knows of a request.
#[derive(Debug)]
struct Asked {
    id: Hash,
    by: &'static str,
    action: &'static str,
    at: i64,
    seconds: i64,
    not_before: Option<i64>,
    /// Who, when, and for how long at most.
    approvals: Vec<(&'static str, i64, Option<i64>)>,
    status: State,
    revoked: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum State {
    WithoutEffect,
    Pending,
    Denied,
    Granted { rules: BTreeSet<String>, counted: Vec<String>, live_from: i64, start: i64, end: i64 },
}

impl Asked {
    fn fitting(&self) -> impl Iterator<Item = &'static Rule> {
        let fits =
            |rule: &&Rule| rule.subjects.contains(&self.by) && rule.action == self.action && self.seconds <= rule.max;
        RULES.iter().filter(fits).collect::<Vec<_>>().into_iter()
    }

    /// Each place of a rule that applies, as those who may fill it.
    fn places(&self, rule: &Rule) -> Vec<Vec<&'static str>> {
        let owners: &[&str] = if self.by == "robot" { &["carol"] } else { &[] };
        let applies = rule.entries.iter().filter(|(_, _, longer)| self.seconds > *longer);
        applies
            .flat_map(|(from, count, _)| {
                let able = from.iter().copied().filter(|who| *who != self.by && !owners.contains(who));
                std::iter::repeat_n(able.collect::<Vec<_>>(), *count)
            })
            .collect()
    }

    fn is_eligible(&self, who: &str) -> bool {
        self.fitting().any(|rule| self.places(rule).iter().any(|place| place.contains(&who)))
    }

    /// Completes the request where a rule is met as a whole.
    fn settle(&mut self) {
        let people: Vec<&str> = self.approvals.iter().map(|(who, _, _)| *who).collect();
        let met: BTreeSet<String> = self
            .fitting()
            .filter(|rule| can_fill(&self.places(rule), &people.iter().copied().collect()))
            .map(|rule| rule.id.to_owned())
            .collect();
        if met.is_empty() {
            return;
        }
        let mut counted: Vec<(&str, i64)> = Vec::new();
        for (who, at, _) in &self.approvals {
            if !counted.iter().any(|(earlier, _)| earlier == who) {
                counted.push((who, *at));
            }
        }
        let signed = counted.iter().map(|(_, at)| *at).chain([self.at]).max().unwrap_or(self.at);
        let not_before = self.not_before.unwrap_or(i64::MIN);
        let start = signed.max(not_before);
        let shortest = self.approvals.iter().filter_map(|(_, _, seconds)| *seconds).chain([self.seconds]).min();
        self.status = State::Granted {
            rules: met,
            counted: counted.iter().map(|(who, _)| (*who).to_owned()).collect(),
            live_from: (signed - LEEWAY).max(not_before),
            start,
            end: start + shortest.unwrap_or(self.seconds),
        };
    }

    fn answer(&self, now: i64) -> &'static str {
        match &self.status {
            _ if self.revoked => "deny",
            State::Granted { live_from, end, .. } if (*live_from..*end).contains(&now) => "allow",
            State::Pending if now <= self.at + PENDING_FOR => "pending",
            State::Granted { .. } | State::Pending | State::Denied | State::WithoutEffect => "deny",
        }
    }
}

/// Tells whether distinct people fill all places, by trying every way.
fn can_fill(places: &[Vec<&str>], people: &BTreeSet<&str>) -> bool {
    let Some((place, rest)) = places.split_first() else { return true };
    place.iter().any(|who| {
        let mut others = people.clone();
        others.remove(who) && can_fill(rest, &others)
    })
}

/// Says a step to both.
fn take(log: &mut Log, asked: &mut Vec<Asked>, step: &Step) {
    let name = |who: usize| PEOPLE.get(who).copied().unwrap_or("alice");
    let now = log.now().unix() - EPOCH;
    let pick = |asked: &Vec<Asked>, of: usize| (!asked.is_empty()).then(|| of % asked.len());
    match step.clone() {
        Step::Wait(seconds) => {
            log.wait(&format!("{seconds}s"));
        }
        Step::Request { by, action, seconds, later } => {
            let (by, action) = (name(by), ACTIONS.get(action).copied().unwrap_or("read"));
            let not_before = later.map(|later| now + i64::from(later));
            if let Some(not_before) = not_before {
                log.not_before(t(not_before));
            }
            let id = log.request(by, RESOURCE, action, &format!("{seconds}s"), "");
            let mut new = Asked {
                id,
                by,
                action,
                at: now,
                seconds: i64::from(seconds),
                not_before,
                approvals: Vec::new(),
                status: State::Pending,
                revoked: false,
            };
            if new.fitting().next().is_none() {
                new.status = State::WithoutEffect;
            } else {
                new.settle();
            }
            asked.push(new);
        }
        Step::Approve { by, of, seconds, shift } => {
            let Some(request) = pick(asked, of).and_then(|of| asked.get_mut(of)) else { return };
            let (by, at) = (name(by), (now + shift).max(0));
            log.at(t(at));
            match seconds {
                Some(seconds) => log.approve_for(by, request.id, &format!("{seconds}s")),
                None => log.approve(by, request.id),
            };
            let in_time = (request.at..=request.at + PENDING_FOR).contains(&at);
            if request.status == State::Pending && !request.revoked && request.is_eligible(by) && in_time {
                request.approvals.push((by, at, seconds.map(i64::from)));
                request.settle();
            }
        }
        Step::Deny { by, of } => {
            let Some(request) = pick(asked, of).and_then(|of| asked.get_mut(of)) else { return };
            log.deny(name(by), request.id);
            if request.status == State::Pending && !request.revoked && request.is_eligible(name(by)) {
                request.status = State::Denied;
            }
        }
        Step::Revoke { by, of } => {
            let Some(request) = pick(asked, of).and_then(|of| asked.get_mut(of)) else { return };
            let by = name(by);
            log.revoke(by, request.id);
            let counted = match &request.status {
                State::Granted { counted, .. } => counted.iter().any(|who| who == by),
                State::Pending => false,
                State::Denied | State::WithoutEffect => return,
            };
            // The maintainer and the revoker may as well.
            request.revoked |= by == request.by || counted || by == "alice" || by == "erin";
        }
    }
}

/// What the program knows of a request, in the model's words.
fn state(log: &Log, asked: &Asked) -> State {
    match log.status(asked.id) {
        "without effect" => State::WithoutEffect,
        "pending" => State::Pending,
        "denied" => State::Denied,
        _ => {
            let grant = log.grant(asked.id);
            State::Granted {
                rules: grant.rules.iter().map(ToString::to_string).collect(),
                counted: grant.counted.iter().map(|approval| approval.by.to_string()).collect(),
                live_from: grant.live_from.unix() - EPOCH,
                start: grant.start.unix() - EPOCH,
                end: grant.end.unix() - EPOCH,
            }
        }
    }
}

/// A log with the policy in force.
static START: LazyLock<Log> = LazyLock::new(|| {
    let mut log = Log::new(&["alice"], 1);
    log.policy("alice", &org());
    log
});

proptest! {
    #![proptest_config(crate::cases(3))]

    #[test]
    fn the_model_agrees(steps in steps()) {
        let mut log = START.clone();
        let mut asked: Vec<Asked> = Vec::new();
        for step in &steps {
            take(&mut log, &mut asked, step);
        }
        let mut times = vec![log.now().unix() - EPOCH];
        for request in &asked {
            prop_assert_eq!(&state(&log, request), &request.status, "{:?}", request);
            prop_assert_eq!(log.record(request.id).revoked.is_some(), request.revoked, "{:?}", request);
            if let State::Granted { live_from, end, .. } = &request.status {
                times.extend([live_from - 1, *live_from, end - 1, *end]);
            }
            times.extend([request.at + PENDING_FOR, request.at + PENDING_FOR + 1]);
        }
        // The policy is dated one second after the start; a clock behind that decides nothing.
        for now in times.into_iter().filter(|now| *now >= 1) {
            for subject in PEOPLE {
                for action in ACTIONS {
                    let theirs = asked.iter().filter(|request| request.by == subject && request.action == action);
                    let words: Vec<&str> = theirs.map(|request| request.answer(now)).collect();
                    let expected = ["allow", "pending"].into_iter().find(|word| words.contains(word)).unwrap_or("deny");
                    let said = log.answer_at(t(now), subject, RESOURCE, action);
                    prop_assert_eq!(said.split(' ').next(), Some(expected), "{} {} at {}", subject, action, now);
                }
            }
        }
    }
}
