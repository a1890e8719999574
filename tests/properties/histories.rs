//! Random histories: what people might say, good and bad, in any order.

use std::sync::LazyLock;

use jit::core::hash::Hash;
use jit::core::ledger::{RequestRecord, Status};
use jit::core::policy::PolicyFiles;
use jit::core::time::Timestamp;
use jit::core::view::View as _;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::support::keys::{key, key2};
use crate::support::log::{Log, parse};
use crate::support::org::Org;

/// All who may speak; the last is unknown to every policy here.
pub(crate) const PEOPLE: [&str; 7] = ["alice", "bob", "carol", "dave", "erin", "deployer", "mallory"];
/// What they ask for.
pub(crate) const RESOURCES: [&str; 3] = ["db/prod/orders", "db/prod/items", "ssh/web-1"];
/// What they want to do.
pub(crate) const ACTIONS: [&str; 3] = ["read", "write", "drop"];

const SUBJECTS: [&str; 6] = ["bob", "group:ops", "group:gone", "*", "deployer erin", "mallory"];
const PATTERNS: [&str; 4] = ["**", "db/**", "db/*/orders ssh/*", "*/web-*"];

/// One thing that somebody says, or time that passes.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Wait(u32),
    Say { by: usize, what: Say, head: Head },
}

/// What is said. Statements that are spoken of are given by a number, and are any of those before.
#[derive(Clone, Debug)]
pub(crate) enum Say {
    Request { resource: usize, action: usize, minutes: u32, not_before: Option<u32> },
    Approve { of: usize, minutes: Option<u32> },
    Deny { of: usize },
    Revoke { of: usize },
    Lockdown { subjects: usize, resources: usize },
    Lift { of: usize },
    Policy { shape: usize },
    Unknown,
    Garbage,
    Replay { of: usize },
}

/// What is wrong with a line's head; mostly nothing.
#[derive(Clone, Debug)]
pub(crate) enum Head {
    Good,
    OtherKey(usize),
    SecondKey,
    SeenFewer(u64),
    SeenMore,
    SeenFork,
    OtherLog,
    Shifted(i64),
}

/// The kinds of thing that are generated, each by its weight.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mix {
    pub(crate) policies: u32,
    pub(crate) lockdowns: u32,
    pub(crate) nonsense: u32,
}

pub(crate) fn history(mix: Mix, longest: usize) -> impl Strategy<Value = Vec<Step>> {
    vec(prop_oneof![1 => (1..5000_u32).prop_map(Step::Wait), 12 => said(mix)], 0..longest)
}

fn said(mix: Mix) -> impl Strategy<Value = Step> {
    (say(mix), head(mix)).prop_map(|((by, what), head)| Step::Say { by, what, head })
}

/// Who says what; mostly those who may.
fn say(mix: Mix) -> impl Strategy<Value = (usize, Say)> {
    let of = || any::<usize>();
    let by = |likely: &'static [usize]| prop_oneof![6 => prop::sample::select(likely), 1 => 0..PEOPLE.len()];
    // In PEOPLE: 0 and 2 maintain, 1, 4 and 5 ask, 2, 3 and 4 approve, 3 revokes.
    let (asks, approves, decides) = (by(&[1, 1, 4, 5]), by(&[2, 3, 4]), by(&[0, 2]));
    let request = (0..RESOURCES.len(), 0..ACTIONS.len(), 1..130_u32, proptest::option::weighted(0.1, 0..7200_u32))
        .prop_map(|(resource, action, minutes, not_before)| Say::Request { resource, action, minutes, not_before });
    let approve =
        (of(), proptest::option::weighted(0.3, 1..130_u32)).prop_map(|(of, minutes)| Say::Approve { of, minutes });
    let lockdown =
        (0..SUBJECTS.len(), 0..PATTERNS.len()).prop_map(|(subjects, resources)| Say::Lockdown { subjects, resources });
    // What stops every decision comes seldom, or nothing else would be seen.
    let shape = prop_oneof![20 => 0..GENTLE, 1 => GENTLE..SHAPES];
    prop_oneof![
        10 => (asks.clone(), request),
        14 => (approves.clone(), approve),
        1 => (approves.clone(), of().prop_map(|of| Say::Deny { of })),
        2 => (by(&[0, 1, 2, 3, 4, 5]), of().prop_map(|of| Say::Revoke { of })),
        mix.lockdowns => (by(&[0, 2, 3]), lockdown),
        2 * mix.lockdowns => (decides.clone(), of().prop_map(|of| Say::Lift { of })),
        mix.policies => (decides, shape.prop_map(|shape| Say::Policy { shape })),
        mix.nonsense => (0..PEOPLE.len(), Just(Say::Unknown)),
        mix.nonsense => (0..PEOPLE.len(), Just(Say::Garbage)),
        mix.nonsense => (0..PEOPLE.len(), of().prop_map(|of| Say::Replay { of })),
    ]
}

fn head(mix: Mix) -> impl Strategy<Value = Head> {
    prop_oneof![
        40 => Just(Head::Good),
        mix.nonsense => (0..PEOPLE.len()).prop_map(Head::OtherKey),
        mix.nonsense => Just(Head::SecondKey),
        mix.nonsense => (0..5_u64).prop_map(Head::SeenFewer),
        mix.nonsense => Just(Head::SeenMore),
        mix.nonsense => Just(Head::SeenFork),
        mix.nonsense => Just(Head::OtherLog),
        mix.nonsense => (-100_000..100_000_i64).prop_map(Head::Shifted),
    ]
}

/// The first policy: two maintainers, of whom one is enough; tiers by duration; a quorum of two.
pub(crate) fn org() -> Org {
    Org::new(&["alice", "carol"], 1)
        .setting("revokers", "[\"dave\"]")
        .people("bob dave erin")
        .service("deployer", "carol")
        .group("ops", "bob deployer")
        .allow("read", "group:ops erin", "db/**", "read", "1h")
        .allow_if("write", "group:ops", "db/prod/*", "write", "2h", TIERS)
        .allow_if("drop", "group:ops erin", "**", "drop read", "2h", QUORUM)
}

const TIERS: &str = r#"approvals = [
    { from = ["bob", "carol"], longer_than = "10m" },
    { from = ["dave", "erin"], longer_than = "1h" }]"#;
const QUORUM: &str = r#"approvals = [{ from = ["alice", "carol", "dave", "erin"], count = 2 }]"#;

/// The number of [`shape`]s, and of those that can be loaded.
const SHAPES: usize = 14;
const GENTLE: usize = 12;
/// The one of a format that nobody knows yet.
const FORMAT_2: usize = 13;

/// What the next policy is.
fn shape(shape: usize) -> PolicyFiles {
    match shape {
        0 => org().files(),
        1 => org().allow("read", "group:ops erin", "db/**", "read", "10m").files(),
        2 => org().deny("never", "bob", "db/prod/orders").files(),
        3 => org().keys("bob", &[key2("bob")]).files(),
        4 => org().keys("bob", &[key("bob"), key2("bob")]).keys("carol", &[key("carol"), key2("carol")]).files(),
        5 => org().group("ops", "erin deployer").files(),
        6 => org().without_rule("write").files(),
        7 => org().maintainers("alice carol", 2).files(),
        8 => org().setting("revokers", "[]").files(),
        9 => org().group("gone", "erin bob").files(),
        10 => org().maintainers("alice dave", 1).files(),
        11 => Org::new(&["alice", "carol"], 1).people("bob").allow("read", "bob", "**", "read", "1h").files(),
        FORMAT_2 => org().setting("format", "2").files(),
        // It names somebody who is gone, so it does not load.
        _ => org().without("erin").files(),
    }
}

/// A log with [`org`] in force.
pub(crate) fn start() -> Log {
    static START: LazyLock<Log> = LazyLock::new(|| {
        let mut log = Log::new(&["alice", "carol"], 1);
        log.policy("alice", &org());
        log
    });
    START.clone()
}

/// All that was said so far: the ids that lines may speak of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    pub(crate) ids: Vec<Hash>,
}

impl Said {
    /// Picks what a line speaks of: mostly one of those that it can do something to, else anything.
    fn pick(&self, log: &Log, of: usize, likely: impl Fn(&Log, &Hash) -> bool) -> Hash {
        let likely: Vec<&Hash> = self.ids.iter().filter(|id| likely(log, id)).collect();
        let (among, place) = (if of.is_multiple_of(4) { self.ids.iter().collect() } else { likely }, of / 4);
        among.get(place % among.len().max(1)).map_or_else(|| log.genesis(), |id| **id)
    }
}

fn is_pending(log: &Log, id: &Hash) -> bool {
    let open = |record: &RequestRecord| record.status == Status::Pending && record.revoked.is_none();
    log.view().request(id).is_some_and(|record| open(&record))
        || log.view().proposal(id).is_some()
        || log.view().lift(id).is_some()
}

fn is_granted(log: &Log, id: &Hash) -> bool {
    log.view().request(id).is_some_and(|record| record.grant().is_some() && record.revoked.is_none())
}

fn is_locked(log: &Log, id: &Hash) -> bool {
    log.view().lockdown(id).is_some_and(|lockdown| lockdown.lifted.is_none())
}

/// Says one more thing.
pub(crate) fn take(log: &mut Log, said: &mut Said, step: &Step) {
    let (by, what, head) = match step {
        Step::Wait(seconds) => {
            log.wait(&format!("{seconds}s"));
            return;
        }
        Step::Say { by, what, head } => (PEOPLE.get(*by).copied().unwrap_or("alice"), what, head),
    };
    bend(log, by, head);
    let open = |log: &Log, of: &usize| said.pick(log, *of, is_pending);
    let word = |words: &[&'static str], at: &usize| words.get(*at).copied().unwrap_or("*");
    let id = match what {
        Say::Request { resource, action, minutes, not_before } => {
            if let Some(later) = not_before {
                let time = log.now().after(parse(&format!("{}s", later + 1)));
                log.not_before(time);
            }
            log.request(by, word(&RESOURCES, resource), word(&ACTIONS, action), &format!("{minutes}m"), "INC-1")
        }
        Say::Approve { of, minutes: None } => log.approve(by, open(log, of)),
        Say::Approve { of, minutes: Some(minutes) } => log.approve_for(by, open(log, of), &format!("{minutes}m")),
        Say::Deny { of } => log.deny(by, open(log, of)),
        Say::Revoke { of } => log.revoke(by, said.pick(log, *of, is_granted)),
        Say::Lockdown { subjects, resources } => {
            log.lockdown(by, word(&SUBJECTS, subjects), word(&PATTERNS, resources))
        }
        Say::Lift { of } => log.lift(by, said.pick(log, *of, is_locked)),
        Say::Policy { shape: number } => {
            if *number == FORMAT_2 {
                log.format(2);
            }
            log.policy(by, shape(*number))
        }
        Say::Unknown => log.unknown(by, 1, "review", ",\"x\":[null,{}]"),
        Say::Garbage => {
            log.raw(b"{\"body\":{\"v\":1}}");
            return;
        }
        Say::Replay { of } => {
            let line = log.line(*of as u64 % log.size()).to_vec();
            log.raw(&line);
            return;
        }
    };
    said.ids.push(id);
}

fn bend(log: &mut Log, by: &str, head: &Head) {
    match head {
        Head::Good => {}
        Head::OtherKey(whose) => {
            log.by_key(key(PEOPLE.get(*whose).copied().unwrap_or("alice")));
        }
        Head::SecondKey => {
            log.by_key(key2(by));
        }
        Head::SeenFewer(fewer) => {
            let size = log.size().saturating_sub(*fewer);
            log.seeing(size);
        }
        Head::SeenMore => {
            let size = log.size() + 1;
            log.seeing(size);
        }
        Head::SeenFork => {
            let size = log.size();
            log.seeing_root(size, Hash([9; 32]));
        }
        Head::OtherLog => {
            log.of_log(Hash([9; 32]));
        }
        Head::Shifted(seconds) => {
            let at = Timestamp::from_unix(log.now().unix() + seconds);
            log.at(at);
        }
    }
}

/// Says all of it.
pub(crate) fn run(steps: &[Step]) -> Log {
    let (mut log, mut said) = (start(), Said::default());
    steps.iter().for_each(|step| take(&mut log, &mut said, step));
    log
}
