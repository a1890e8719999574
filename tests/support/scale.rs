//! Honest histories of any size, written as they are made: what is kept in memory does not grow with the lines.
//!
//! ```ignore
//! let plan = Plan { lines: 1_000_000, live: 10_000, ..Plan::small(now) };
//! let made = plan.write(&mut Importer::new(&bare), 256);         // some two minutes, and a pack of half a gigabyte
//! ```
//!
//! A genesis and a policy; then years of requests, approvals, denials and early ends, and now and then another policy, all
//! over by the end; then one grant with two approvals and the wanted number of others, live for weeks to come; and last
//! some lines more, so that there is something new to be found. Every line has an effect.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use jit::core::hash::Hash;
use jit::core::merkle::{HashReader, MissingHash, Node, leaf_hash, root, stored_hashes};
use jit::core::policy::PolicyFiles;
use jit::core::statement::{
    Approval, Body, Founder, Genesis, PolicyProposal, Request, Revocation, Seen, Statement, Verdict, What, encode,
};
use jit::core::time::{Duration, Timestamp};
use serde::{Deserialize, Serialize};

use super::history::{Dice, Importer};
use super::keys::{Key, key};
use super::log::{line, parse};
use super::org;

/// What a cached history is named for: another form of histories is another number.
pub const FORM: u32 = 1;
/// How many people ask, beside those that come with more rules; each has a number.
const ASKING: u64 = 200;
/// Who approves.
const APPROVING: [&str; 3] = ["dora", "dirk", "dina"];
/// How many policies there are in a history.
const POLICIES: u64 = 3;
/// The lines at the end by which a history grows after all that is asked about it is there.
const MOST_NEWS: u64 = 2048;
/// How long before the end the past is over, and how far back it reaches at most.
const RECENT: TimeDelta = TimeDelta::days(1);
const LONGEST_PAST: TimeDelta = TimeDelta::days(400);
/// How long what is live at the end lasts, as a request says it.
const LIVE_FOR: &str = "60d";
/// Who has the grant with two approvals, and what it is for.
pub const SUBJECT: &str = "p0";
pub const RESOURCE: &str = "db/prod/orders";
pub const ACTION: &str = "read";

/// What a history shall be like.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How many lines it has; at least 16 more than are live.
    pub lines: u64,
    /// How many rules its policies have, at least two.
    pub rules: u64,
    /// How many grants without approvals are live at its end.
    pub live: u64,
    /// How many grants are ended early, at most; each takes a request too.
    pub revocations: u64,
    /// When its last line is signed.
    pub ends: Timestamp,
    /// What makes it this one and no other.
    pub seed: u64,
}

/// What a history turned out to be.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Made {
    /// The log's id.
    pub genesis: String,
    /// The root over all of its lines.
    pub root: String,
    /// The number of lines.
    pub size: u64,
    /// The grant with two approvals.
    pub grant: String,
    /// How many grants without approvals are live at its end.
    pub live: u64,
    /// How many were ended early.
    pub revocations: u64,
    /// Of how many lines at the end each has a commit of its own.
    pub news: u64,
    /// Unix time until which all of this is so.
    pub until: i64,
}

impl Plan {
    /// A short history that ends then.
    pub fn small(ends: Timestamp) -> Plan {
        Plan { lines: 100, rules: 10, live: 10, revocations: 10, ends, seed: 1 }
    }

    /// A name for it, which says all but when it ends.
    pub fn name(&self) -> String {
        let Plan { lines, rules, live, revocations, seed, .. } = self;
        format!("form{FORM}-{lines}-lines-{rules}-rules-{live}-live-{revocations}-revoked-seed{seed}")
    }

    /// The policy of that version: the rules that are asked for, and those of teams that nobody asks for; a later one
    /// knows a person more.
    pub fn policy(&self, version: u64) -> PolicyFiles {
        let asking = (0..ASKING + version).map(|number| format!("p{number}")).collect::<Vec<_>>();
        let teams = (self.rules / 25).max(1);
        let members = (self.rules / 10).max(5);
        let list = |names: &[String]| format!("[\"{}\"]", names.join("\", \""));
        let mut people = String::new();
        let others = (0..members).map(|number| format!("member{number}"));
        for name in
            asking.iter().cloned().chain(others).chain(["alice"].into_iter().chain(APPROVING).map(str::to_owned))
        {
            people += &format!("[identity.{name}]\nkind = \"person\"\nkeys = [\"{}\"]\n", key(&name).openssh());
        }
        let mut groups = format!("[group.oncall]\nmembers = {}\n", list(&asking));
        groups += &format!("[group.dba]\nmembers = {}\n", list(&APPROVING.map(str::to_owned)));
        for team in 0..teams {
            let of_team = (0..5).map(|number| format!("member{}", (team * 5 + number) % members)).collect::<Vec<_>>();
            groups += &format!("[group.team{team}]\nmembers = {}\n", list(&of_team));
        }
        let mut files = BTreeMap::from([
            (
                "jit.toml".to_owned(),
                "format = 1\nname = \"acme\"\nmaintainers = [\"alice\"]\nthreshold = 1\n".to_owned(),
            ),
            ("identities/people.toml".to_owned(), people),
            ("identities/groups.toml".to_owned(), groups),
            ("policies/databases.toml".to_owned(), DATABASES.to_owned()),
        ]);
        for rule in 2..self.rules {
            let team = rule % teams;
            *files.entry(format!("policies/team{team}.toml")).or_default() += &format!(
                "[rule.app{rule}]\nsubjects = [\"group:team{team}\"]\nresources = [\"app/team{team}/service{rule}/**\"]\n\
                 actions = [\"deploy\", \"logs\"]\nduration = {{ default = \"1h\", max = \"8h\" }}\n\
                 reason = {{ min_length = 10 }}\napprovals = [{{ from = [\"group:team{team}\"], longer_than = \"2h\" }}]\n"
            );
        }
        let files = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect::<Vec<_>>();
        org::files(&files)
    }

    /// Writes it: `per_commit` lines a commit, but the first, and the last ones, which have one each.
    pub fn write(&self, to: &mut Importer, per_commit: u64) -> Made {
        let news = (self.lines / 4).min(MOST_NEWS);
        let recent = self.live + 3 + news;
        assert!(self.lines > recent + POLICIES, "there is room for what shall be in it");
        let past = self.lines - recent;
        let mut writer = Writer::new(self, to, per_commit, past);
        writer.past(past, self.revocations);
        let step = (RECENT.num_seconds() / i64::try_from(recent).unwrap_or(i64::MAX)).min(30);
        writer.clock = self.ends.shifted(TimeDelta::seconds(-step * i64::try_from(recent).unwrap_or(0)));
        writer.pace = TimeDelta::seconds(step);
        let grant = writer.request(SUBJECT, RESOURCE, LIVE_FOR);
        APPROVING.iter().take(2).for_each(|approver| writer.vote(approver, grant, Verdict::Approve(None)));
        for number in 0..self.live {
            // Everybody has some, but the one that is asked about.
            writer.request(&format!("p{}", 1 + number % (ASKING - 1)), &staging(number / (ASKING - 1)), LIVE_FOR);
        }
        writer.to.commit(writer.clock);
        writer.per_commit = 1;
        for number in 0..news {
            writer.request(&format!("p{}", 1 + number % (ASKING - 1)), &staging(number), "1s");
        }
        let until = self.ends.shifted(-RECENT).after(parse::<Duration>(LIVE_FOR)).unix();
        let made = Made {
            genesis: writer.genesis.to_string(),
            root: writer.root().to_string(),
            size: writer.size,
            grant: grant.to_string(),
            live: self.live,
            revocations: writer.revocations,
            news,
            until,
        };
        writer.to.commit(writer.clock);
        made
    }
}

/// The two rules that are asked for.
const DATABASES: &str = r#"[rule.prod]
subjects = ["group:oncall"]
resources = ["db/prod/*"]
actions = ["read"]
duration = { default = "1h", max = "90d" }
approvals = [{ from = ["group:dba"], count = 2 }]

[rule.staging]
subjects = ["group:oncall"]
resources = ["db/staging/**"]
actions = ["read", "write"]
duration = { default = "1h", max = "90d" }
"#;

fn staging(number: u64) -> String {
    format!("db/staging/service{number}")
}

/// Says lines, and knows no more of what was said than it needs for the next.
struct Writer<'a> {
    plan: &'a Plan,
    to: &'a mut Importer,
    per_commit: u64,
    dice: Dice,
    keys: BTreeMap<String, Key>,
    genesis: Hash,
    policy: Hash,
    version: u64,
    size: u64,
    edge: Edge,
    clock: Timestamp,
    pace: TimeDelta,
    nonces: u128,
    revocations: u64,
}

impl<'a> Writer<'a> {
    /// A log with its genesis and its first policy.
    fn new(plan: &'a Plan, to: &'a mut Importer, per_commit: u64, past: u64) -> Writer<'a> {
        let past = i64::try_from(past).unwrap_or(i64::MAX);
        let pace = (LONGEST_PAST.num_seconds() / past).clamp(1, 420);
        let mut writer = Writer {
            plan,
            to,
            per_commit: 1,
            dice: Dice::new(plan.seed),
            keys: BTreeMap::new(),
            genesis: Hash([0; 32]),
            policy: Hash([0; 32]),
            version: 0,
            size: 0,
            edge: Edge::default(),
            // What waits for approvals in the end has lapsed before what comes next.
            clock: plan.ends.shifted(-RECENT * 3 - TimeDelta::seconds(pace * past)),
            pace: TimeDelta::seconds(pace),
            nonces: 0,
            revocations: 0,
        };
        let maintainers = vec![Founder { name: parse("alice"), key: key("alice").public() }];
        let at = writer.clock;
        let genesis =
            Genesis { by: parse("alice"), at, nonce: [0; 16], name: parse("acme"), maintainers, threshold: 1 };
        writer.genesis = writer.say("alice", &Body::Genesis(genesis), None);
        writer.per_commit = per_commit;
        writer.publish();
        writer
    }

    /// People ask, others say yes or no, some end what they have early, and now and then the policy changes, up to a line.
    fn past(&mut self, until: u64, revocations: u64) {
        let policy_every = until / POLICIES + 1;
        let mut waiting: Vec<(Hash, usize)> = Vec::new();
        let mut granted: Vec<(String, Hash)> = Vec::new();
        while self.size < until {
            if self.size.is_multiple_of(policy_every) {
                self.publish();
                // What waits was asked for under the policy before, and lapses.
                waiting.clear();
                continue;
            }
            // A few lines are left over, for what there was nothing to end for when its turn came.
            let left = (until - self.size).saturating_sub(64).max(1);
            let ends_early = self.dice.below(left) < revocations - self.revocations;
            if ends_early && let Some((who, of)) = granted.pop() {
                self.state(&who, What::Revocation(Revocation { of, reason: "done".to_owned() }), None);
                self.revocations += 1;
                continue;
            }
            let person = format!("p{}", self.dice.below(ASKING));
            match (self.dice.below(10), waiting.first().copied()) {
                (0..=5, Some((of, approvals))) if !ends_early => {
                    let verdict = if self.dice.below(16) == 0 { Verdict::Deny } else { Verdict::Approve(None) };
                    self.vote(APPROVING.get(approvals).expect("two of three approve"), of, verdict);
                    match (verdict, approvals) {
                        (Verdict::Approve(_), 0) => waiting.iter_mut().take(1).for_each(|first| first.1 = 1),
                        (Verdict::Approve(_), _) | (Verdict::Deny, _) => drop(waiting.remove(0)),
                    }
                }
                (0..=6, _) if !ends_early && waiting.len() < 8 => {
                    waiting.push((self.request(&person, RESOURCE, "1h"), 0));
                }
                (_, _) => {
                    let resource = staging(self.dice.below(50));
                    let id = self.request(&person, &resource, "8h");
                    granted.push((person, id));
                    if granted.len() > 8 {
                        granted.remove(0);
                    }
                }
            }
        }
    }

    fn publish(&mut self) {
        self.version += 1;
        let files = self.plan.policy(self.version);
        let proposal = PolicyProposal { version: self.version, format: 1, commit: [0; 20], digest: files.digest() };
        self.policy = self.state("alice", What::Policy(proposal), Some(&files));
    }

    fn request(&mut self, by: &str, resource: &str, duration: &str) -> Hash {
        let (action, reason) = match resource {
            RESOURCE => (ACTION, format!("INC-{} the orders of a customer are stuck", self.dice.below(100_000))),
            _ => ("write", "trying out a migration".to_owned()),
        };
        let request = Request {
            policy: self.policy,
            resource: parse(resource),
            action: parse(action),
            duration: parse(duration),
            not_before: None,
            bind: None,
            reason,
        };
        self.state(by, What::Request(request), None)
    }

    fn vote(&mut self, by: &str, of: Hash, verdict: Verdict) {
        self.state(by, What::Approval(Approval { of, verdict, comment: String::new() }), None);
    }

    fn state(&mut self, by: &str, what: What, files: Option<&PolicyFiles>) -> Hash {
        self.nonces += 1;
        let statement = Statement {
            log: self.genesis,
            by: parse(by),
            at: self.clock,
            seen: Seen { size: self.size, root: self.root() },
            nonce: self.nonces.to_be_bytes(),
            what,
        };
        self.say(by, &Body::Statement(statement), files)
    }

    fn say(&mut self, by: &str, body: &Body, files: Option<&PolicyFiles>) -> Hash {
        let body = encode(body);
        let key = self.keys.entry(by.to_owned()).or_insert_with(|| key(by));
        let line = line(key, &body);
        self.edge.append(self.size, leaf_hash(&line));
        self.to.line(&line, files);
        self.size += 1;
        if self.per_commit == 1 || self.size.is_multiple_of(self.per_commit) {
            self.to.commit(self.clock);
        }
        self.clock = self.clock.shifted(self.pace);
        Hash::of(body.as_bytes())
    }

    fn root(&self) -> Hash {
        root(self.size, &self.edge).expect("the edge is kept")
    }
}

/// The right edge of a Merkle tree: per level the last complete subtree, which is all that growing takes.
#[derive(Debug, Default)]
struct Edge(Vec<(u64, Hash)>);

impl Edge {
    fn append(&mut self, index: u64, leaf: Hash) {
        let hashes = stored_hashes(index, leaf, self).expect("the edge is kept");
        self.0.resize(self.0.len().max(hashes.len()), (0, Hash([0; 32])));
        for (level, (last, hash)) in self.0.iter_mut().zip(hashes).enumerate() {
            *last = (index >> level, hash);
        }
    }
}

impl HashReader for Edge {
    type Error = MissingHash;

    fn read(&self, node: Node) -> Result<Hash, MissingHash> {
        let last = usize::try_from(node.level).ok().and_then(|level| self.0.get(level));
        last.filter(|(index, _)| *index == node.index).map(|(_, hash)| *hash).ok_or(MissingHash(node))
    }
}
