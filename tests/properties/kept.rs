//! A policy that is kept in pieces says what the whole one says, piece by piece and altogether.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use jit::core::name::{Name, Resource};
use jit::core::policy::{Keeper, Piece, Policy, PolicyFiles, Selector};
use proptest::prelude::*;

use crate::support::asked::said;
use crate::support::draft::{Draft, PEOPLE, SERVICES, loaded, universe};
use crate::support::history::Dice;
use crate::support::log::parse;

const ROTATION: (&str, &str) = (
    "identities/turns.toml",
    "[rotation.primary]\nmembers = [\"ann\", \"ben\"]\nstart = \"2026-01-05\"\nhandoff = \"09:00\"\ntz = \"Europe/Berlin\"\n\
     period = \"1d\"\noverrides = [{ from = \"2026-01-08\", to = \"2026-01-09T18:00\", member = \"cat\" }]\n",
);

fn with_rotation(files: &PolicyFiles) -> PolicyFiles {
    let turns = (ROTATION.0, ROTATION.1.as_bytes());
    PolicyFiles::new(files.iter().chain([turns]).map(|(path, bytes)| (path.to_owned(), bytes.to_vec()))).unwrap()
}

/// Pieces in memory.
#[derive(Debug, Default)]
struct Pieces {
    by_key: BTreeMap<(Piece, String), BTreeMap<String, String>>,
    failures: Mutex<Vec<String>>,
}

impl Keeper for Pieces {
    fn text(&self, piece: Piece, key: &str, part: &str) -> Option<String> {
        self.by_key.get(&(piece, key.to_owned()))?.get(part).cloned()
    }

    fn parts(&self, piece: Piece, key: &str) -> Vec<String> {
        self.by_key.get(&(piece, key.to_owned())).into_iter().flat_map(BTreeMap::keys).cloned().collect()
    }

    fn all(&self, piece: Piece) -> Vec<(String, String, String)> {
        let of_kind = self.by_key.iter().filter(|((kind, _), _)| *kind == piece);
        of_kind
            .flat_map(|((_, key), parts)| parts.iter().map(|(part, text)| (key.clone(), part.clone(), text.clone())))
            .collect()
    }

    fn fail(&self, why: &str) {
        self.failures.lock().unwrap().push(why.to_owned());
    }
}

fn kept(policy: &Policy) -> (Policy, Arc<Pieces>) {
    let mut pieces = Pieces::default();
    let put = |piece, key: &str, part: &str, text: &str| {
        pieces.by_key.entry((piece, key.to_owned())).or_default().insert(part.to_owned(), text.to_owned());
        Ok::<(), serde_json::Error>(())
    };
    policy.each_piece(put).unwrap();
    let pieces = Arc::new(pieces);
    (Policy::kept(&policy.head_text().unwrap(), Arc::clone(&pieces) as Arc<dyn Keeper>).unwrap(), pieces)
}

/// All that can be asked about single names, keys, resources and moments.
fn asked(policy: &Policy, all: &Policy) -> Vec<String> {
    let mut answers = Vec::new();
    let mut note = |answer: String| answers.push(answer);
    let names: Vec<Name> =
        PEOPLE.iter().chain(&SERVICES).chain(&["g0", "g2", "nobody", "primary"]).map(|name| parse(name)).collect();
    let selectors: Vec<Selector> =
        ["ann", "group:g0", "group:g2", "group:nobody", "rotation:primary", "person:*"].map(parse).into();
    let moments = ["2026-01-05T07:59:59Z", "2026-01-05T08:00:00Z", "2026-01-06T12:00:00Z", "2026-01-08T12:00:00Z"];
    for name in &names {
        note(format!("{:?} {:?} {:?}", policy.identity(name), policy.members(name), policy.rotation(name)));
        note(names.iter().map(|member| if policy.is_member(name, member) { 'y' } else { 'n' }).collect());
        for at in moments.map(parse) {
            let selected = selectors.iter().map(|one| policy.selects(std::slice::from_ref(one), name, at));
            note(format!("{:?} {:?}", policy.on_call(name, at), selected.collect::<Vec<_>>()));
        }
    }
    for key in all.identities().values().flat_map(|identity| identity.keys()) {
        note(format!("{:?}", policy.owner_of_key(key)));
    }
    for number in 0..7 {
        note(format!("{:?}", policy.rule(&parse(&format!("r{number}")))));
    }
    for resource in universe() {
        let near: Vec<_> = policy.rules_near(&parse(&resource)).map(|rule| &rule.id).collect();
        note(format!("{near:?}"));
    }
    answers
}

proptest! {
    #![proptest_config(crate::cases(2))]

    #[test]
    fn a_kept_policy_says_what_the_whole_one_says(seed in any::<u64>()) {
        let draft = Draft::random(&mut Dice::new(seed));
        let policy = loaded(&with_rotation(&draft.files()));
        let (kept, pieces) = kept(&policy);
        prop_assert_eq!(asked(&kept, &policy), asked(&policy, &policy));
        // What has been read stays, and is asked again.
        prop_assert_eq!(asked(&kept, &policy), asked(&policy, &policy));
        prop_assert_eq!(said(&kept), said(&policy));
        prop_assert_eq!(said(&kept.clone()), said(&policy));
        prop_assert_eq!(pieces.failures.lock().unwrap().len(), 0);
        // Whatever matches is near.
        for resource in universe().iter().map(|text| parse::<Resource>(text)) {
            let matching = policy.rules().values().filter(|rule| rule.resources.iter().any(|one| one.matches(&resource)));
            for rule in matching {
                prop_assert!(kept.rules_near(&resource).any(|near| near.id == rule.id), "{resource} {}", rule.id);
            }
        }
    }
}

#[test]
fn a_piece_that_does_not_read_is_told_of_and_taken_for_none() {
    let policy = Draft::random(&mut Dice::new(1)).policy();
    let (_, good) = kept(&policy);
    let ann: Name = parse("ann");
    for text in ["", "{}", "null", "[1,2", "{\"kind\":\"Person\",\"owners\":[],\"keys\":[[\"ssh-ed25519 AAAA\",\"\"]]}"]
    {
        let mut pieces = Pieces { by_key: good.by_key.clone(), failures: Mutex::default() };
        let known = pieces.by_key.get_mut(&(Piece::Identity, "ann".to_owned())).unwrap();
        known.insert(String::new(), text.to_owned());
        let pieces = Arc::new(pieces);
        let broken = Policy::kept(&policy.head_text().unwrap(), Arc::clone(&pieces) as Arc<dyn Keeper>).unwrap();
        assert_eq!(broken.identity(&ann), None, "{text}");
        assert_eq!(pieces.failures.lock().unwrap().len(), 1, "{text}");
        assert!(!broken.identities().contains_key(&ann), "{text}");
    }
    assert!(Policy::kept("{}", good).is_err());
}
