//! A policy's tests: reading them returns, and what reads is played and asked without end or panic, the same every time.
//!
//! The input is a file under tests/, for a policy that has a little of everything.

#![no_main]

use jit::core::coverage::{coverage, percent};
use jit::core::policy::{PolicyFiles, load, read_tests, render};
use jit::core::rehearsal::Rehearsal;
use libfuzzer_sys::fuzz_target;

const POLICY: [(&str, &str); 3] = [
    ("jit.toml", "format = 1\nname = \"acme\"\nmaintainers = [\"alice\"]\nthreshold = 1\n"),
    (
        "identities/all.toml",
        "[identity.alice]\nkind = \"person\"\n[identity.bob]\nkind = \"person\"\n[identity.carol]\nkind = \"person\"\n\
         [identity.ci]\nkind = \"service\"\nowners = [\"carol\"]\n[group.dba]\nmembers = [\"bob\", \"carol\"]\n",
    ),
    (
        "policies/all.toml",
        "[rule.read]\nsubjects = [\"alice\", \"ci\"]\nresources = [\"db/**\"]\nactions = [\"read\"]\n\
         duration = { default = \"30m\", max = \"4h\" }\nreason = { pattern = \"^INC\", min_length = 3 }\n\
         approvals = [{ from = [\"group:dba\"], longer_than = \"1h\" }]\nlimits = { active = 1, cooldown = \"1m\" }\n\
         hours = [{ days = [\"mon-fri\"], from = \"08:00\", to = \"18:00\", tz = \"Europe/Berlin\" }]\n\
         [rule.key]\nsubjects = [\"person:*\"]\nresources = [\"key/*\"]\nactions = [\"*\"]\nduration = { max = \"1h\" }\n\
         require_hardware_key = true\n[rule.no]\neffect = \"deny\"\nsubjects = [\"bob\"]\nresources = [\"**/pii\"]\n",
    ),
];

/// More would only be more of the same.
const MOST: usize = 64;

fuzz_target!(|bytes: &[u8]| {
    let files = POLICY.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()));
    let files = files.chain([("tests/x.toml".to_owned(), bytes.to_vec())]);
    let files = PolicyFiles::new(files).expect("the paths are good");
    let policy = load(&files).expect("tests never bear on loading");
    match read_tests(&policy, &files) {
        Ok(mut tests) => {
            tests.cases.truncate(MOST);
            tests.assertions.truncate(MOST);
            tests.cases.iter_mut().for_each(|case| {
                case.earlier.truncate(MOST);
                case.approved_by.truncate(MOST);
            });
            let rehearsal = Rehearsal::new(&policy);
            for case in &tests.cases {
                let (one, other) = (rehearsal.play(case), rehearsal.play(case));
                assert_eq!(one.faults, other.faults, "two answers to one case");
            }
            for assertion in &tests.assertions {
                let _ = rehearsal.breaches(assertion);
            }
            let covered = coverage(&rehearsal, &tests, &rehearsal.rehearse(&tests));
            assert!(percent(&covered) <= 100);
        }
        Err(faults) => {
            assert!(!faults.is_empty(), "they do not load, for no reason");
            for fault in &faults {
                let shown = render(fault, std::str::from_utf8(bytes).ok());
                assert!(!shown.contains('\u{1b}') && !shown.contains('\u{202e}'), "a file reaches the terminal raw");
            }
        }
    }
});
