//! Encoding and parsing undo each other.

use jit::core::hash::Hash;
use jit::core::statement::{
    Approval, Bind, Body, Checkpoint, Founder, Genesis, Lift, Line, Lockdown, MAX_NUMBER, PolicyProposal, Presentation,
    Request, Revocation, Seen, Statement, Verdict, What, encode, is_text,
};
use jit::core::time::{Duration, Timestamp};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::support::keys::{key, security_key};
use crate::support::log::parse;

fn parsed<T: std::str::FromStr + std::fmt::Debug>(pattern: &'static str) -> impl Strategy<Value = T> {
    pattern.prop_map(|text| parse(&text))
}

fn hash() -> impl Strategy<Value = Hash> {
    any::<[u8; 32]>().prop_map(Hash)
}

fn time() -> impl Strategy<Value = Timestamp> {
    (0..=Timestamp::MAX.unix()).prop_map(Timestamp::from_unix)
}

fn duration() -> impl Strategy<Value = Duration> {
    (1..=u64::from(Duration::MAX.as_secs())).prop_filter_map("a duration", Duration::from_secs)
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[ -~]{0,40}", "\\PC{0,40}", "[\"\\\\/]{0,10}"].prop_filter("text", |text| is_text(text))
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..=3_u64, 0..=MAX_NUMBER, Just(MAX_NUMBER)]
}

fn name<T: std::str::FromStr + std::fmt::Debug>() -> impl Strategy<Value = T> {
    parsed("[a-z0-9][a-z0-9._-]{0,63}")
}

fn resource<T: std::str::FromStr + std::fmt::Debug>() -> impl Strategy<Value = T> {
    parsed("[a-z0-9][a-z0-9._-]{0,9}(/[a-z0-9][a-z0-9._-]{0,9}){0,15}")
}

fn what() -> impl Strategy<Value = What> {
    prop_oneof![
        (number(), number(), any::<[u8; 20]>(), hash())
            .prop_map(|(version, format, commit, digest)| PolicyProposal { version, format, commit, digest })
            .prop_map(What::Policy),
        (hash(), resource(), name(), duration(), option::of(time()), option::of(hash().prop_map(Bind)), text())
            .prop_map(|(policy, resource, action, duration, not_before, bind, reason)| {
                What::Request(Request { policy, resource, action, duration, not_before, bind, reason })
            }),
        (hash(), prop_oneof![option::of(duration()).prop_map(Verdict::Approve), Just(Verdict::Deny)], text())
            .prop_map(|(of, verdict, comment)| What::Approval(Approval { of, verdict, comment })),
        (hash(), text()).prop_map(|(of, reason)| What::Revocation(Revocation { of, reason })),
        (
            vec(prop_oneof![Just(parse("*")), name(), parsed("group:[a-z]{1,9}")], 1..4),
            vec(prop_oneof![parsed("[*]{2}"), resource(), parsed("[a-z][*](/[*]{2}){0,2}/[*]x")], 1..4),
            text()
        )
            .prop_map(|(subjects, resources, reason)| What::Lockdown(Lockdown { subjects, resources, reason })),
        (hash(), text()).prop_map(|(of, reason)| What::Lift(Lift { of, reason })),
        (hash(), option::of(text()), time()).prop_map(|(of, audience, expires)| What::Presentation(Presentation {
            of,
            audience,
            expires
        })),
        (number(), hash()).prop_map(|(size, root)| What::Checkpoint(Checkpoint { size, root })),
        (2..9_u64, name()).prop_map(|(v, kind)| What::Unknown { v, kind }),
    ]
}

fn statement() -> impl Strategy<Value = Body> {
    (hash(), name(), time(), number(), hash(), any::<[u8; 16]>(), what()).prop_map(
        |(log, by, at, size, root, nonce, what)| {
            Body::Statement(Statement { log, by, at, seen: Seen { size, root }, nonce, what })
        },
    )
}

fn genesis() -> impl Strategy<Value = Body> {
    (name(), time(), any::<[u8; 16]>(), name(), 1..5_u64, any::<bool>()).prop_map(|(by, at, nonce, name, count, sk)| {
        let founder = |n: u64| {
            let name = format!("m{n}");
            let key = if sk { security_key(&name) } else { key(&name) };
            Founder { name: parse(&name), key: key.public() }
        };
        let maintainers: Vec<Founder> = (0..count).map(founder).collect();
        Body::Genesis(Genesis { by, at, nonce, name, maintainers, threshold: count.div_ceil(2) })
    })
}

proptest! {
    #![proptest_config(crate::cases(4))]

    #[test]
    fn what_is_encoded_parses_and_what_is_parsed_encodes(body in prop_oneof![9 => statement(), 1 => genesis()]) {
        let text = encode(&body);
        let signature = key("alice").sign(text.as_bytes());
        let line = Line::new(&text, &signature).expect("a body has a line");
        prop_assert_eq!(line.unverified(), &body);
        prop_assert_eq!(line.body_text(), &text);
        prop_assert_eq!(line.signature(), &signature);
        let again = Line::parse(line.as_str().as_bytes());
        prop_assert_eq!(again.as_ref(), Ok(&line));
        prop_assert_eq!(encode(line.unverified()), text);
        let id = line.id();
        let verified = line.verify().expect("the signature fits");
        prop_assert_eq!((verified.get().id, &verified.get().body), (id, &body));
    }
}
