//! Files that are large, spoilt or in another order.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[test]
fn a_file_that_cannot_be_read_is_one_error_and_not_many() {
    // Everybody in it is unknown now, but that is not what is wrong.
    check("identities/people.toml", "[identity.alice\nkind='person'", &["@:1:16: unclosed table, expected `]`"]);
    let files = |content: &[u8]| {
        let good = policy_with(&[]);
        let bad = ("identities/people.toml".to_owned(), content.to_vec());
        let others = good.iter().filter(|(path, _)| *path != bad.0);
        PolicyFiles::new(others.map(|(path, text)| (path.to_owned(), text.to_vec())).chain([bad.clone()])).unwrap()
    };
    let errors = load(&files(b"# \xc3\xa9\xff\n")).unwrap_err();
    assert_eq!(told(&errors), ["identities/people.toml:1:4: the file is not UTF-8"]);
    let errors = load(&files(&vec![b'#'; 4 * 1024 * 1024 + 1])).unwrap_err();
    assert_eq!(
        told(&errors),
        ["identities/people.toml: the file has 4194305 bytes, at most 4194304 are read | split it into several files",]
    );
    let errors = load(&PolicyFiles::default()).unwrap_err();
    assert_eq!(told(&errors), ["jit.toml: the file is missing | it says format, name, maintainers and threshold"]);
}

/// All that decides, without the places.
fn meaning(policy: &Policy) -> String {
    let settings = (policy.name(), policy.maintainers(), policy.threshold(), policy.max_age(), policy.pending_for());
    let people = (policy.identities(), policy.groups(), &policy.whole().key_owners, policy.revokers());
    format!("{settings:?} {people:?} {:?}", policy.rules())
}

const PIECES: [&str; 6] = [
    "[identity.carol]\nkind = \"person\"\nkeys = [\"KEY3\", \"SK3\"]\n",
    "[identity.bot]\nkind = \"service\"\nowners = [\"carol\", \"bob\"]\nkeys = [\"KEY4\"]\n",
    "[group.all]\nmembers = [\"group:some\", \"alice\"]\n",
    "[group.some]\nmembers = [\"bot\", \"group:dba\"]\n",
    "[identity.dan]\nkind = \"person\"\n",
    "[group.one]\nmembers = [\"dan\"]\n",
];
const MORE_RULES: [&str; 4] = [
    "[rule.a]\nsubjects=[\"group:all\"]\nresources=[\"a/**\"]\nactions=[\"*\"]\nduration={max=\"1h\"}\nreason={pattern=\"x\"}\n",
    "[rule.b]\nsubjects=[\"bot\"]\nresources=[\"a\"]\nactions=[\"b\",\"a\"]\nduration={max=\"1h\"}\nreason={pattern=\"x\"}\n",
    "[rule.c]\nsubjects=[\"dan\"]\nresources=[\"b\"]\neffect=\"deny\"\n",
    "[rule.d]\nsubjects=[\"dan\"]\nresources=[\"b\"]\nactions=[\"a\"]\nduration={max=\"2h\"}\napprovals=[{from=[\"group:one\"]}]\n",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// However tables are spread over files, and in whatever order they stand, the policy is the same.
    #[test]
    fn order_never_matters(
        people in Just(PIECES.to_vec()).prop_shuffle(),
        rules in Just(MORE_RULES.to_vec()).prop_shuffle(),
        where_people in proptest::collection::vec(0..3_usize, 6),
        where_rules in proptest::collection::vec(0..3_usize, 4),
    ) {
        let mut files: BTreeMap<String, String> = BTreeMap::new();
        for (folder, pieces, places) in [("identities", people, where_people), ("policies", rules, where_rules)] {
            for (piece, place) in pieces.into_iter().zip(places) {
                files.entry(format!("{folder}/{}.toml", ["a", "z", "p/q"][place])).or_default().push_str(piece);
            }
        }
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let (all_people, all_rules) = (PIECES.concat(), MORE_RULES.concat());
        let plain = load_with(&[("identities/a.toml", &all_people), ("policies/a.toml", &all_rules)]);
        prop_assert_eq!(meaning(&load_with(&files)), meaning(&plain));
    }

    /// Files cut, doubled or spoilt anywhere are loaded or refused with places that can be shown; never a panic.
    #[test]
    fn spoilt_files_are_refused_and_shown(at in 0..PEOPLE.len(), len in 0..40_usize, new in "[\\PC\n\"\\[\\]{}.=#\u{1b}\u{202e}]{0,6}") {
        for (path, good) in [("identities/people.toml", PEOPLE), ("policies/db.toml", RULES), ("jit.toml", JIT)] {
            let start = at.min(good.len());
            let end = (start + len).min(good.len());
            let text = with_keys(&format!("{}{new}{}", &good[..start], &good[end..]));
            for error in load(&policy_with(&[(path, &text)])).err().unwrap_or_default() {
                let shown = render(&error, (error.path == path).then_some(&text));
                prop_assert!(!shown.chars().any(|c| c != '\n' && (c.is_control() || c == '\u{202e}')), "{:?}", shown);
                let span = error.span.map(|span| span.bytes);
                prop_assert!(error.path != path || span.is_none_or(|bytes| text.get(bytes).is_some()));
            }
        }
    }
}

#[test]
fn what_is_hostile_costs_little() {
    let cases = [
        ("policies/x.toml", format!("a={}", "[".repeat(1 << 18))),
        ("policies/x.toml", format!("a={}", "{a=".repeat(100_000))),
        ("policies/x.toml", format!("[rule.{}a]", "a.".repeat(100_000))),
        ("policies/x.toml", "]\n".repeat(100_000)),
        (
            "policies/x.toml",
            format!("[rule.x]\n{}", (0..20_000).map(|n| format!("subject{n}=1\n")).collect::<String>()),
        ),
        (
            "policies/x.toml",
            format!("[rule.x]\nsubjects=[{}]", (0..20_000).map(|n| format!("'u{n}',")).collect::<String>()),
        ),
        ("identities/x.toml", (0..10_000).map(|n| format!("[group.g{n}]\nmembers=['group:g{}']\n", n + 1)).collect()),
        (
            "identities/x.toml",
            (0..10_000).map(|n| format!("[group.g{n}]\nmembers=['group:g{n}','group:g{}']\n", n + 1)).collect(),
        ),
        (
            "identities/x.toml",
            (0..3_000)
                .map(|n| format!("[identity.u{n}]\nkind='person'\n[group.g{n}]\nmembers=['u{n}','group:g{}']\n", n + 1))
                .collect::<String>()
                + "[group.g3000]\nmembers=['alice']",
        ),
    ];
    for (path, text) in cases {
        let errors = load(&policy_with(&[(path, &text)])).unwrap_err();
        assert!((1..=1_001).contains(&errors.len()), "{}", &text[..40]);
    }
}
