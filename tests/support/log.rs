//! Logs in memory: real signed lines, folded as they are said, so that a test reads like the story it tells.
//!
//! ```ignore
//! let org = Org::new(&["alice"], 1).people("bob carol").allow_if(
//!     "read", "bob", "db/**", "read", "4h", r#"approvals = [{ from = ["carol"] }]"#);
//! let mut log = Log::new(&["alice"], 1);                       // a genesis
//! log.policy("alice", &org);                                   // proposed, and in force with one signature
//! let id = log.request("bob", "db/prod/orders", "read", "30m", "INC-1");
//! assert_eq!(log.answer("bob", "db/prod/orders", "read"), "pending needs-approval");
//! log.approve("carol", id);
//! assert_eq!(log.last(), "effect");                            // what the fold said of the last line
//! assert_eq!(log.answer("bob", "db/prod/orders", "read"), "allow granted");
//!
//! log.seeing(0).revoke("bob", id);                             // the next line only: its head, changed
//! assert_eq!(log.last(), "inert: seen-size");
//! let token = log.token_with(id, |t| t.lines.truncate(1));     // a token without its approval
//! let gate = log.gate("db/prod/orders", "read").at(log.end(id));
//! assert_eq!(gate.token(&token), "deny not-logged");
//! ```
//!
//! **Time.** The first line is signed at [`EPOCH`], and each later one a second after the one before. [`Log::now`] is
//! when the next line would be signed; [`Log::wait`] moves it on, [`Log::at`] signs the next line at another time.
//!
//! **The next line's head.** [`Log::at`], [`Log::by_key`], [`Log::seeing`], [`Log::seeing_root`], [`Log::of_log`]
//! and [`Log::nonce`] hold for the next line only, whatever its kind; [`Log::not_before`],
//! [`Log::bind`] and [`Log::under`] for the next request; [`Log::version`] and [`Log::format`] for the next policy.
//!
//! **Branches.** A log is a value: `log.clone()` starts another story from the same past.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use jit::core::decide::{Decision, Question, Shown, decide};
use jit::core::hash::Hash;
use jit::core::key::PublicKey;
use jit::core::ledger::{
    Delta, Examined, Grant, Inert, RequestRecord, Status, Verdict, apply, examine, foresee, needs_files,
};
use jit::core::name::{Name, Resource};
use jit::core::policy::PolicyFiles;
use jit::core::reason::{Code, Reason};
use jit::core::signature::SignatureError;
use jit::core::statement::{
    Approval, Bind, Body, Founder, Genesis, Lift, Lockdown, PolicyProposal, Presentation, Request, Revocation, Seen,
    Signed, Statement, Verdict as Vote, What, encode,
};
use jit::core::time::{Duration, Timestamp};
use jit::core::token;
use jit::core::view::{Memory, View, ViewExt};

use super::keys::{Key, key};

/// When the first line is signed: 2026-01-05T08:00:00Z, a Monday.
pub const EPOCH: i64 = 1_767_600_000;

/// The instant so many seconds after the first line.
pub fn t(seconds: i64) -> Timestamp {
    Timestamp::from_unix(EPOCH + seconds)
}

/// Reads a name, resource, duration or time that a test is sure of.
pub fn parse<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| unreachable!("the test's `{text}` does not parse"))
}

/// Something to bind a grant to.
pub fn bound(text: &str) -> Bind {
    Bind(Hash::of(text.as_bytes()))
}

/// What a test wants otherwise in the next line.
#[derive(Clone, Debug, Default)]
struct Next {
    at: Option<Timestamp>,
    key: Option<Key>,
    size: Option<u64>,
    root: Option<Hash>,
    log: Option<Hash>,
    nonce: Option<u128>,
    not_before: Option<Timestamp>,
    bind: Option<Bind>,
    policy: Option<Hash>,
    version: Option<u64>,
    format: Option<u64>,
}

/// A log, all that the fold knows of it, and what it said of each line.
#[derive(Clone, Debug)]
pub struct Log {
    view: Memory,
    genesis: Hash,
    lines: Vec<Vec<u8>>,
    deltas: Vec<Delta>,
    files: BTreeMap<u64, PolicyFiles>,
    /// Where each id first stands.
    places: BTreeMap<Hash, u64>,
    clock: Timestamp,
    nonces: u128,
    next: Next,
}

impl Log {
    /// A log with a genesis by the first of `maintainers`, each with the key that [`key`] gives.
    pub fn new(maintainers: &[&str], threshold: u64) -> Log {
        let founders = maintainers.iter().map(|name| Founder { name: parse(name), key: key(name).public() }).collect();
        let by = maintainers.first().expect("a log has a maintainer");
        let genesis =
            Genesis { by: parse(by), at: t(0), nonce: [0; 16], name: parse("acme"), maintainers: founders, threshold };
        let body = encode(&Body::Genesis(genesis));
        let mut log = Log {
            view: Memory::new(),
            genesis: Hash::of(body.as_bytes()),
            lines: Vec::new(),
            deltas: Vec::new(),
            files: BTreeMap::new(),
            places: BTreeMap::new(),
            clock: t(0),
            nonces: 0,
            next: Next::default(),
        };
        log.say(&key(by), &body);
        log
    }

    // What people say. Each returns the statement's id.

    /// Proposes a policy, of the next version; with a threshold of 1 it is in force then.
    pub fn policy(&mut self, by: &str, files: impl Into<PolicyFiles>) -> Hash {
        let files = files.into();
        let next = self.view.policy_record().map_or(0, |policy| policy.version) + 1;
        let proposal = PolicyProposal {
            version: self.next.version.unwrap_or(next),
            format: self.next.format.unwrap_or(1),
            commit: [0; 20],
            digest: files.digest(),
        };
        self.files.insert(self.size(), files);
        self.state(by, What::Policy(proposal))
    }

    /// Asks for access.
    pub fn request(&mut self, by: &str, resource: &str, action: &str, duration: &str, reason: &str) -> Hash {
        let seen = self.next.size.unwrap_or(self.size());
        let policy = self.next.policy.or_else(|| self.view.policy_at(seen)).unwrap_or(Hash([0; 32]));
        let request = Request {
            policy,
            resource: parse(resource),
            action: parse(action),
            duration: parse(duration),
            not_before: self.next.not_before,
            bind: self.next.bind,
            reason: reason.to_owned(),
        };
        self.state(by, What::Request(request))
    }

    /// Approves a request, a policy or a lift.
    pub fn approve(&mut self, by: &str, of: Hash) -> Hash {
        self.vote(by, of, Vote::Approve(None))
    }

    /// Approves a request for at most `duration`.
    pub fn approve_for(&mut self, by: &str, of: Hash, duration: &str) -> Hash {
        self.vote(by, of, Vote::Approve(Some(parse(duration))))
    }

    /// Denies a request, a policy or a lift.
    pub fn deny(&mut self, by: &str, of: Hash) -> Hash {
        self.vote(by, of, Vote::Deny)
    }

    fn vote(&mut self, by: &str, of: Hash, verdict: Vote) -> Hash {
        self.state(by, What::Approval(Approval { of, verdict, comment: String::new() }))
    }

    /// Revokes a request or grant.
    pub fn revoke(&mut self, by: &str, of: Hash) -> Hash {
        self.state(by, What::Revocation(Revocation { of, reason: String::new() }))
    }

    /// Locks down; `subjects` and `resources` are words, such as `bob group:dba` and `db/**`.
    pub fn lockdown(&mut self, by: &str, subjects: &str, resources: &str) -> Hash {
        let lockdown = Lockdown {
            subjects: subjects.split_whitespace().map(parse).collect(),
            resources: resources.split_whitespace().map(parse).collect(),
            reason: String::new(),
        };
        self.state(by, What::Lockdown(lockdown))
    }

    /// Lifts a lockdown, or proposes to.
    pub fn lift(&mut self, by: &str, of: Hash) -> Hash {
        self.state(by, What::Lift(Lift { of, reason: String::new() }))
    }

    /// Says anything.
    pub fn state(&mut self, by: &str, what: What) -> Hash {
        let (key, body) = self.body(by, what);
        self.say(&key, &body)
    }

    /// Says a kind of statement that nobody knows; `rest` is what comes after the head, such as `,"x":[null]`.
    pub fn unknown(&mut self, by: &str, v: u64, kind: &str, rest: &str) -> Hash {
        let (key, body) = self.body(by, What::Unknown { v, kind: parse(kind) });
        let head = body.strip_suffix('}').expect("a body ends so");
        self.say(&key, &format!("{head}{rest}}}"))
    }

    /// Signs a body's text, whatever it is, and appends the line.
    pub fn say(&mut self, key: &Key, body: &str) -> Hash {
        let line = line(key, body);
        self.append(line, Some(Hash::of(body.as_bytes())))
    }

    /// Appends bytes as a line, without an LF.
    pub fn raw(&mut self, line: &[u8]) {
        self.append(line.to_vec(), None);
    }

    /// The body that the next line would have, and the key that would sign it; takes the next line's changes.
    pub fn body(&mut self, by: &str, what: What) -> (Key, String) {
        let next = std::mem::take(&mut self.next);
        self.nonces += 1;
        let size = next.size.unwrap_or(self.size());
        let statement = Statement {
            log: next.log.unwrap_or(self.genesis),
            by: parse(by),
            at: next.at.unwrap_or(self.clock),
            seen: Seen { size, root: next.root.or_else(|| self.view.root_at(size)).unwrap_or(Hash([0; 32])) },
            nonce: next.nonce.unwrap_or(self.nonces).to_be_bytes(),
            what,
        };
        (next.key.unwrap_or_else(|| key(by)), encode(&Body::Statement(statement)))
    }

    fn append(&mut self, line: Vec<u8>, id: Option<Hash>) -> Hash {
        let index = self.size();
        let files = self.files.get(&index);
        let examined = examine(&line);
        let delta = apply(&self.view, &examined, files).expect("the first line is a genesis");
        if let Some((statement, key)) = statement_of(&examined) {
            // What a program says before it asks for a signature must be what everybody says of the line then.
            assert_eq!(foresee(&self.view, statement, key, files).verdict, delta.verdict, "foreseen, and then seen");
        }
        if files.is_some() && !needs_files(&self.view, &examined) {
            let without = apply(&self.view, &examined, None).expect("the first line is a genesis");
            assert_eq!(without, delta, "files that need not be read change nothing");
        }
        self.view.commit(delta.clone());
        let id = id.unwrap_or_else(|| Hash::of(&line));
        self.places.entry(id).or_insert(index);
        self.lines.push(line);
        self.deltas.push(delta);
        self.clock = self.clock.shifted(TimeDelta::seconds(1));
        id
    }

    // The next line, changed.

    /// Signs the next line at `at`.
    pub fn at(&mut self, at: Timestamp) -> &mut Log {
        self.next.at = Some(at);
        self
    }

    /// Signs the next line by `key`, whosever it is.
    pub fn by_key(&mut self, key: Key) -> &mut Log {
        self.next.key = Some(key);
        self
    }

    /// Signs the next line as having seen so many lines, with their root if there are so many.
    pub fn seeing(&mut self, size: u64) -> &mut Log {
        self.next.size = Some(size);
        self
    }

    /// Signs the next line as having seen that size and root.
    pub fn seeing_root(&mut self, size: u64, root: Hash) -> &mut Log {
        self.next.size = Some(size);
        self.next.root = Some(root);
        self
    }

    /// Signs the next line for another log.
    pub fn of_log(&mut self, genesis: Hash) -> &mut Log {
        self.next.log = Some(genesis);
        self
    }

    /// Signs the next line with that nonce.
    pub fn nonce(&mut self, nonce: u128) -> &mut Log {
        self.next.nonce = Some(nonce);
        self
    }

    /// Asks, in the next request, for access not before `time`.
    pub fn not_before(&mut self, time: Timestamp) -> &mut Log {
        self.next.not_before = Some(time);
        self
    }

    /// Binds the next request.
    pub fn bind(&mut self, bind: Bind) -> &mut Log {
        self.next.bind = Some(bind);
        self
    }

    /// Names another policy in the next request.
    pub fn under(&mut self, policy: Hash) -> &mut Log {
        self.next.policy = Some(policy);
        self
    }

    /// Gives the next policy another version.
    pub fn version(&mut self, version: u64) -> &mut Log {
        self.next.version = Some(version);
        self
    }

    /// Gives the next policy line another format.
    pub fn format(&mut self, format: u64) -> &mut Log {
        self.next.format = Some(format);
        self
    }

    /// Lets time pass.
    pub fn wait(&mut self, duration: &str) -> &mut Log {
        self.clock = self.clock.after(parse::<Duration>(duration));
        self
    }

    // What is known.

    /// When the next line would be signed.
    pub fn now(&self) -> Timestamp {
        self.clock
    }

    /// The number of lines.
    pub fn size(&self) -> u64 {
        self.lines.len() as u64
    }

    /// The log's id.
    pub fn genesis(&self) -> Hash {
        self.genesis
    }

    /// All that the fold knows.
    pub fn view(&self) -> &Memory {
        &self.view
    }

    /// The lines, each without its LF.
    pub fn lines(&self) -> &[Vec<u8>] {
        &self.lines
    }

    /// What the fold said of each line.
    pub fn deltas(&self) -> &[Delta] {
        &self.deltas
    }

    /// The files that stand in the log's tree under the line at `index`.
    pub fn files(&self, index: u64) -> Option<&PolicyFiles> {
        self.files.get(&index)
    }

    /// Where a statement first stands.
    pub fn index(&self, id: Hash) -> u64 {
        *self.places.get(&id).expect("the statement stands in the log")
    }

    /// The line at `index`.
    pub fn line(&self, index: u64) -> &[u8] {
        usize::try_from(index).ok().and_then(|index| self.lines.get(index)).expect("the line is there")
    }

    /// The view of the first `size` lines, folded anew.
    pub fn refold(&self, size: u64) -> Memory {
        let mut view = Memory::new();
        for (index, line) in (0..size).zip(&self.lines) {
            let delta = apply(&view, &examine(line), self.files.get(&index)).expect("the first line is a genesis");
            view.commit(delta);
        }
        view
    }

    /// The ids of all statements logged so far, those of inert lines too.
    pub fn ids(&self) -> Vec<Hash> {
        self.places.keys().copied().collect()
    }

    /// The record of a request.
    pub fn record(&self, id: Hash) -> Arc<RequestRecord> {
        self.view.request(&id).expect("the request is on record")
    }

    /// The grant that came of a request.
    pub fn grant(&self, id: Hash) -> Grant {
        self.record(id).grant().expect("the request is complete").clone()
    }

    /// When a grant starts.
    pub fn start(&self, id: Hash) -> Timestamp {
        self.grant(id).start
    }

    /// When a grant ends.
    pub fn end(&self, id: Hash) -> Timestamp {
        self.grant(id).end
    }

    /// A request's status in a word: `pending`, `denied`, `complete`, or `without effect`.
    pub fn status(&self, id: Hash) -> &'static str {
        match self.record(id).status {
            Status::WithoutEffect(_) => "without effect",
            Status::Pending => "pending",
            Status::Denied(_) => "denied",
            Status::Complete(_) => "complete",
        }
    }

    /// The version of the policy in force; 0 before the first.
    pub fn policy_version(&self) -> u64 {
        self.view.policy_record().map_or(0, |policy| policy.version)
    }

    /// What the line at `index` is worth: `effect`; `without effect: ` and, of a request, its codes, else the text;
    /// `inert: ` and a word.
    pub fn verdict(&self, index: u64) -> String {
        let delta = usize::try_from(index).ok().and_then(|index| self.deltas.get(index)).expect("the line is there");
        match &delta.verdict {
            Verdict::Effect => "effect".to_owned(),
            Verdict::WithoutEffect(why) => {
                let id = self.places.iter().find(|(_, place)| **place == index).map(|(id, _)| id);
                let record = id.and_then(|id| self.view.request(id));
                match record.as_ref().map(|record| &record.status) {
                    Some(Status::WithoutEffect(reasons)) => format!("without effect: {}", codes(reasons)),
                    _ => format!("without effect: {why}"),
                }
            }
            Verdict::Inert(why) => format!("inert: {}", inert(why)),
        }
    }

    /// What the last line is worth.
    pub fn last(&self) -> String {
        self.verdict(self.size() - 1)
    }

    /// Why the last line is inert, in full.
    pub fn why(&self) -> String {
        match self.deltas.last().map(|delta| &delta.verdict) {
            Some(Verdict::Inert(why)) => why.to_string(),
            Some(Verdict::Effect | Verdict::WithoutEffect(_)) | None => self.last(),
        }
    }

    // What a gate says.

    /// The answer and the sorted codes for a subject that the gate has authenticated, now: `allow granted`.
    pub fn answer(&self, subject: &str, resource: &str, action: &str) -> String {
        self.gate(resource, action).subject(subject)
    }

    /// The same at another time.
    pub fn answer_at(&self, now: Timestamp, subject: &str, resource: &str, action: &str) -> String {
        self.gate(resource, action).at(now).subject(subject)
    }

    /// A gate that asks about `resource` and `action` now.
    pub fn gate(&self, resource: &str, action: &str) -> Gate<'_> {
        Gate {
            view: &self.view,
            resource: parse(resource),
            action: parse(action),
            bind: None,
            audience: None,
            now: self.clock,
        }
    }

    /// A token for a grant, as its subject makes it: until the grant's end, for any gate without a name.
    pub fn token(&self, id: Hash) -> String {
        self.token_with(id, |_| {})
    }

    /// A token that `change` spoils first.
    pub fn token_with(&self, id: Hash, change: impl FnOnce(&mut TokenParts)) -> String {
        let record = self.record(id);
        let mut lines = vec![self.line(record.index).to_vec()];
        let counted = record.grant().map(|grant| grant.counted.as_slice()).unwrap_or_default();
        lines.extend(counted.iter().map(|approval| self.line(approval.index).to_vec()));
        let mut parts = TokenParts {
            lines,
            key: key(record.by.as_str()),
            statement: Statement {
                log: self.genesis,
                by: record.by.clone(),
                at: self.clock,
                seen: Seen { size: self.size(), root: self.view.root().expect("a log has a root") },
                nonce: [0x70; 16],
                what: What::Unknown { v: 1, kind: parse("presentation") },
            },
            of: id,
            audience: None,
            expires: record.grant().map_or(Timestamp::MAX, |grant| grant.end),
            last: None,
        };
        change(&mut parts);
        parts.encode()
    }
}

/// What a token is made of.
#[derive(Clone, Debug)]
pub struct TokenParts {
    /// The lines before the presentation: the request, its counted approvals.
    pub lines: Vec<Vec<u8>>,
    /// The key that signs the presentation.
    pub key: Key,
    /// The presentation's head; `what` is set last, from the next three.
    pub statement: Statement,
    /// Of which grant.
    pub of: Hash,
    /// For which gate.
    pub audience: Option<String>,
    /// Until when.
    pub expires: Timestamp,
    /// Another last line, instead of the presentation.
    pub last: Option<Vec<u8>>,
}

impl TokenParts {
    fn encode(mut self) -> String {
        self.statement.what =
            What::Presentation(Presentation { of: self.of, audience: self.audience, expires: self.expires });
        let last = self.last.unwrap_or_else(|| line(&self.key, &encode(&Body::Statement(self.statement))));
        token_of(&self.lines.into_iter().chain([last]).collect::<Vec<_>>())
    }
}

/// A token of any lines.
pub fn token_of(lines: &[Vec<u8>]) -> String {
    let bytes: Vec<u8> = lines.iter().flat_map(|line| line.iter().copied().chain([b'\n'])).collect();
    format!("{}{}", token::PREFIX, URL_SAFE_NO_PAD.encode(bytes))
}

/// The lines of a token, the presentation last.
pub fn lines_of(token: &str) -> Vec<Vec<u8>> {
    let text = token.strip_prefix(token::PREFIX).expect("a token starts so");
    let bytes = URL_SAFE_NO_PAD.decode(text).expect("a token is base64url");
    let mut lines: Vec<Vec<u8>> = bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    assert_eq!(lines.pop(), Some(Vec::new()), "each line of a token has its end");
    lines
}

/// A gate about to ask.
#[derive(Clone, Debug)]
pub struct Gate<'a> {
    view: &'a Memory,
    resource: Resource,
    action: Name,
    bind: Option<Bind>,
    audience: Option<String>,
    now: Timestamp,
}

impl Gate<'_> {
    /// Wants the grant bound.
    pub fn bind(mut self, bind: Bind) -> Self {
        self.bind = Some(bind);
        self
    }

    /// Has a name of its own.
    pub fn audience(mut self, audience: &str) -> Self {
        self.audience = Some(audience.to_owned());
        self
    }

    /// Asks at another time.
    pub fn at(mut self, now: Timestamp) -> Self {
        self.now = now;
        self
    }

    /// Asks about a subject: the answer and the sorted codes.
    pub fn subject(&self, subject: &str) -> String {
        shown(&self.decide(Shown::Subject(&parse(subject))))
    }

    /// Asks about the holder of a key.
    pub fn key(&self, key: &PublicKey) -> String {
        shown(&self.decide(Shown::Key(key)))
    }

    /// Asks about whoever brings a token.
    pub fn token(&self, text: &str) -> String {
        shown(&self.decide(Shown::Token { text, audience: self.audience.as_deref() }))
    }

    /// The whole decision.
    pub fn decide(&self, shown: Shown<'_>) -> Decision {
        let question = Question { resource: &self.resource, action: &self.action, bind: self.bind, shown };
        decide(self.view, &question, self.now)
    }
}

/// A decision as `allow granted`: the answer and the sorted codes.
pub fn shown(decision: &Decision) -> String {
    format!("{} {}", decision.answer.as_str(), codes(&decision.reasons))
}

/// The sorted codes of reasons, with a space between them.
pub fn codes(reasons: &[Reason]) -> String {
    let mut codes: Vec<&str> = reasons.iter().map(|reason| Code::as_str(reason.code)).collect();
    codes.sort_unstable();
    codes.join(" ")
}

/// A line: a body's text, whatever it is, and a signature over it.
pub fn line(key: &Key, body: &str) -> Vec<u8> {
    format!("{{\"body\":{body},\"sig\":\"{}\"}}", key.sign(body.as_bytes()).to_base64()).into_bytes()
}

/// The text of a line's body.
pub fn body_of(line: &[u8]) -> String {
    let text = String::from_utf8(line.to_vec()).expect("a line is text");
    let parts = text.strip_prefix("{\"body\":").and_then(|rest| rest.rsplit_once(",\"sig\""));
    parts.expect("a line has a body and a signature").0.to_owned()
}

/// The statement of a line that is one, unless parts of it are unknown, and the key that signed it.
fn statement_of(examined: &Examined) -> Option<(&Statement, &PublicKey)> {
    let signed = examined.outcome.as_ref().ok()?;
    match &signed.get().body {
        Body::Statement(Statement { what: What::Unknown { .. }, .. }) | Body::Genesis(_) => None,
        Body::Statement(statement) => Some((statement, signed.key())),
    }
}

/// What a line says, if it is one and its signature fits.
pub fn signed(line: &[u8]) -> Option<Signed> {
    examine(line).outcome.ok().map(|verified| verified.get().clone())
}

/// Why a line is inert, in a word or two.
pub fn inert(why: &Inert) -> &'static str {
    match why {
        Inert::Malformed(_) => "malformed",
        Inert::BadSignature(SignatureError::NoPresence) => "bad-signature, no presence",
        Inert::BadSignature(_) => "bad-signature",
        Inert::SecondGenesis => "second-genesis",
        Inert::NoPlace(_) => "no-place",
        Inert::OtherLog(_) => "other-log",
        Inert::UnknownAuthor(_) => "unknown-author",
        Inert::NotTheirKey(..) => "not-their-key",
        Inert::SeenSize(_) => "seen-size",
        Inert::SeenRoot(_) => "seen-root",
        Inert::Of(_) => "of",
        Inert::OtherPolicy(_) => "other-policy",
        Inert::Repeated(_) => "repeated",
    }
}
