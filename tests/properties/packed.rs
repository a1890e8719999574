//! A packed request is the request, whoever keeps it; and no bytes are more than a refusal.

use std::collections::BTreeMap;

use jit::core::hash::Hash;
use jit::core::key::PublicKey;
use jit::core::ledger::{ApprovalRecord, Change, Ending, Grant, RequestRecord, Status};
use jit::core::name::Name;
use jit::core::packed::{LineOf, Lines, NoLines, Words, is_for, pack, unpack};
use jit::core::reason::{Code, Reason};
use jit::core::statement::{Bind, Request};
use jit::core::time::{Duration, Timestamp};
use jit::core::view::View as _;
use proptest::prelude::*;

use crate::histories::{Mix, PEOPLE, history, run};
use crate::support::history::Dice;
use crate::support::keys::key;
use crate::support::log::parse;

const NAMES: [&str; 6] = ["a", "bob", "deployer.ci", "0-9_x", "erin", "read"];
const TEXTS: [&str; 5] = ["", "INC-1", "das hält nicht", "\u{1f600} \"quoted\"\n", "a"];
const CODES: [Code; 34] = [
    Code::Granted,
    Code::NoMatchingRule,
    Code::DeniedByRule,
    Code::NoGrant,
    Code::NeedsApproval,
    Code::DeniedByApprover,
    Code::TooLong,
    Code::ReasonRejected,
    Code::NeedsHardwareKey,
    Code::OverLimit,
    Code::OutsideHours,
    Code::NotYetValid,
    Code::Expired,
    Code::Lapsed,
    Code::Revoked,
    Code::Lockdown,
    Code::UnknownSubject,
    Code::WrongKey,
    Code::BadSignature,
    Code::Malformed,
    Code::WrongLog,
    Code::NotLogged,
    Code::WrongResource,
    Code::WrongAction,
    Code::WrongBind,
    Code::WrongAudience,
    Code::PolicyChanged,
    Code::Stale,
    Code::Clock,
    Code::Unavailable,
    Code::LogRewritten,
    Code::PolicyUnverified,
    Code::PolicyUnsupported,
    Code::UnknownGenesis,
];
/// Places and instants that are near, far and the last there are.
const PLACES: [u64; 7] = [0, 1, 127, 128, 1_000_000, 9_999_999_999, u64::MAX];
const SECONDS: [i64; 6] = [0, 1, 1_767_600_000, 1_767_600_127, 4_000_000_000, 253_402_300_799];

/// Knows the lines at even places, and no other.
struct Even(BTreeMap<u64, LineOf>);

impl Even {
    fn of(records: &[RequestRecord]) -> Even {
        let mut known = BTreeMap::new();
        for record in records {
            let lines = record.approvals.iter().map(|approval| (approval.index, approval.id, approval.leaf));
            for (index, id, leaf) in lines.chain([(record.index, record.id, record.leaf)]) {
                if index % 2 == 0 {
                    known.entry(index).or_insert(LineOf { id, leaf });
                }
            }
        }
        Even(known)
    }
}

impl Lines for Even {
    fn line(&self, index: u64) -> Option<LineOf> {
        self.0.get(&index).copied()
    }
}

/// A record that no log need ever make.
struct Drawn(Dice);

impl Drawn {
    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.0.below(of.len() as u64)).expect("a short list")]
    }

    fn is(&mut self) -> bool {
        self.0.below(2) == 0
    }

    fn hash(&mut self) -> Hash {
        Hash::of(&self.0.below(5).to_be_bytes())
    }

    fn name(&mut self) -> Name {
        parse(self.one(&NAMES))
    }

    fn key(&mut self) -> PublicKey {
        let who = self.one(&["alice", "bob"]);
        if self.is() { key(who).public() } else { security_key(who) }
    }

    fn at(&mut self) -> Timestamp {
        Timestamp::from_unix(self.one(&SECONDS))
    }

    fn duration(&mut self) -> Duration {
        Duration::from_secs(self.one(&[1, 127, 128, 3600, 31_536_000])).expect("a length")
    }

    fn text(&mut self) -> String {
        self.one(&TEXTS).to_owned()
    }

    fn approval(&mut self) -> ApprovalRecord {
        ApprovalRecord {
            id: self.hash(),
            index: self.one(&PLACES),
            leaf: self.hash(),
            by: self.name(),
            key: self.key(),
            at: self.at(),
            duration: self.is().then(|| self.duration()),
            comment: self.text(),
        }
    }

    fn ending(&mut self) -> Ending {
        Ending { index: self.one(&PLACES), by: self.name(), at: self.at(), reason: self.text() }
    }

    fn status(&mut self, approvals: &[ApprovalRecord]) -> Status {
        match self.0.below(5) {
            0 => Status::Pending,
            1 => Status::Denied(self.ending()),
            2 => {
                let reasons = (0..self.0.below(3)).map(|_| Reason::new(self.one(&CODES), self.text()));
                Status::WithoutEffect(reasons.collect())
            }
            _ => {
                let mut counted: Vec<ApprovalRecord> =
                    approvals.iter().filter(|_| self.0.below(3) > 0).cloned().collect();
                // In any order, and some that are not among the approvals.
                if self.0.below(4) == 0 {
                    counted.reverse();
                    counted.push(self.approval());
                }
                let rules = (0..self.0.below(4)).map(|_| self.name()).collect();
                let (index, policy) = (self.one(&PLACES), self.hash());
                let [start, end, live_from] = [(); 3].map(|()| self.at());
                Status::Complete(Grant { index, policy, rules, counted, start, end, live_from })
            }
        }
    }

    fn record(&mut self) -> RequestRecord {
        let approvals: Vec<ApprovalRecord> = (0..self.0.below(4)).map(|_| self.approval()).collect();
        RequestRecord {
            id: self.hash(),
            index: self.one(&PLACES),
            leaf: self.hash(),
            by: self.name(),
            key: self.key(),
            at: self.at(),
            request: Request {
                policy: self.hash(),
                resource: parse(self.one(&["db", "db/prod/orders", "a/b/c/d"])),
                action: self.name(),
                duration: self.duration(),
                not_before: self.is().then(|| self.at()),
                bind: self.is().then(|| Bind(self.hash())),
                reason: self.text(),
            },
            pending_for: self.duration(),
            status: self.status(&approvals),
            approvals,
            revoked: self.is().then(|| self.ending()),
        }
    }
}

/// The same point as a security key.
fn security_key(who: &str) -> PublicKey {
    let point = key(who).public();
    let text = ssh_key::public::SkEd25519::new(ssh_key::public::Ed25519PublicKey(*point.point()), "ssh:");
    let text = ssh_key::PublicKey::new(ssh_key::public::KeyData::SkEd25519(text), "").to_openssh().expect("a key");
    PublicKey::parse_canonical(text.trim()).expect("a key as it is printed")
}

/// Three ways to keep records: each by itself, together, and together beside the lines.
fn ways(records: &[RequestRecord]) -> [(Words, Option<Even>); 3] {
    [(Words::none(), None), (Words::shared(), None), (Words::shared(), Some(Even::of(records)))]
}

fn check(records: &[RequestRecord], words: &mut Words, lines: &impl Lines) -> Result<Vec<Box<[u8]>>, TestCaseError> {
    let packed: Vec<Box<[u8]>> = records.iter().map(|record| pack(record, words, lines)).collect();
    for (record, bytes) in records.iter().zip(&packed) {
        prop_assert_eq!(&unpack(bytes, words, lines), &Ok(record.clone()));
        for resource in ["db", "db/prod/orders"].map(parse) {
            for action in NAMES.map(parse) {
                let is_asked = is_for(bytes, words, lines, &resource, &action);
                prop_assert_eq!(is_asked, Ok(record.is_for(&resource, &action)));
            }
        }
    }
    Ok(packed)
}

proptest! {
    #![proptest_config(crate::cases(1))]

    #[test]
    fn whatever_is_packed_is_unpacked(seed in any::<u64>()) {
        let mut drawn = Drawn(Dice::new(seed));
        let records: Vec<RequestRecord> = (0..6).map(|_| drawn.record()).collect();
        for (mut words, lines) in ways(&records) {
            match lines {
                Some(lines) => check(&records, &mut words, &lines)?,
                None => check(&records, &mut words, &NoLines)?,
            };
        }
    }

    #[test]
    fn damaged_bytes_are_refused_or_are_some_record(
        seed in any::<u64>(),
        places in any::<[(prop::sample::Index, prop::sample::Index, u8); 16]>(),
    ) {
        let record = Drawn(Dice::new(seed)).record();
        let mut words = Words::none();
        let bytes = pack(&record, &mut words, &NoLines);
        let mut shared = Words::shared();
        let beside = pack(&record, &mut shared, &Even::of(std::slice::from_ref(&record)));
        prop_assert!(unpack(&beside, &Words::none(), &NoLines).is_err(), "words and lines that are not there");
        for (place, other, change) in places {
            let (place, other) = (place.index(bytes.len()), other.index(bytes.len()));
            prop_assert!(unpack(&bytes[..place], &words, &NoLines).is_err(), "cut at {place}");
            prop_assert!(unpack(&[&bytes, &[change][..]].concat(), &words, &NoLines).is_err(), "one more");
            for byte in [bytes[place] ^ change, bytes[place] ^ 0x80, bytes[other]] {
                let mut damaged = bytes.to_vec();
                damaged[place] = byte;
                if let Ok(read) = unpack(&damaged, &words, &NoLines) {
                    let again = pack(&read, &mut words, &NoLines);
                    prop_assert_eq!(unpack(&again, &words, &NoLines), Ok(read));
                }
            }
        }
    }

    #[test]
    fn a_view_answers_with_the_records_that_it_was_given(
        steps in history(Mix { policies: 2, lockdowns: 1, nonsense: 1 }, 40),
    ) {
        let log = run(&steps);
        let mut given: BTreeMap<u64, RequestRecord> = BTreeMap::new();
        for change in log.deltas().iter().flat_map(|delta| &delta.changes) {
            if let Change::Request(record) = change {
                given.insert(record.index, RequestRecord::clone(record));
            }
        }
        let all: Vec<RequestRecord> = given.values().cloned().collect();
        let found = log.view().requests(None);
        prop_assert_eq!(found.iter().map(AsRef::as_ref).collect::<Vec<_>>(), all.iter().collect::<Vec<_>>());
        for subject in PEOPLE.map(parse::<Name>) {
            for after in all.iter().filter_map(|record| record.grant()).flat_map(|grant| [grant.start, grant.end]) {
                let ends_later = |record: &&RequestRecord| record.grant().is_some_and(|grant| grant.end > after);
                let theirs = all.iter().filter(|record| record.by == subject).filter(ends_later).collect::<Vec<_>>();
                let found = log.view().grants_of(&subject, after);
                prop_assert_eq!(found.iter().map(AsRef::as_ref).collect::<Vec<_>>(), theirs);
            }
        }
        for record in &all {
            let found = log.view().request(&record.id);
            prop_assert_eq!(found.as_deref(), Some(record));
        }
    }
}
