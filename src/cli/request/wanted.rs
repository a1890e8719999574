//! What a request is for: the words of its command line, each resource with each action.

use std::ffi::OsString;
use std::str::FromStr;

use super::RequestArgs;
use crate::cli::exit::Failure;
use crate::core::name::{Name, NameError, Resource, ResourceError};
use crate::core::time::Duration;

/// The most requests that are made at once: somebody has to read what came of each.
const MOST_AT_ONCE: usize = 32;

/// A word after the first resource. An action has no `/`, and what has one is a resource; so one of a single segment is
/// asked for first, or by itself.
#[derive(Clone, Debug)]
pub(super) enum Word {
    Action(Name),
    Resource(Resource),
}

impl FromStr for Word {
    type Err = String;

    fn from_str(text: &str) -> Result<Word, String> {
        match text.contains('/') {
            true => text.parse().map(Word::Resource).map_err(|why: ResourceError| why.to_string()),
            false => text.parse().map(Word::Action).map_err(|why: NameError| why.to_string()),
        }
    }
}

/// What one request is for.
pub(super) struct Wanted {
    pub(super) resource: Resource,
    pub(super) action: Name,
}

impl RequestArgs {
    /// Returns what is asked for: each action on each resource, in the order in which they are named.
    pub(super) fn wanted(&self) -> anyhow::Result<Vec<Wanted>> {
        let (mut resources, mut actions) = (vec![&self.resource], Vec::new());
        for word in &self.more {
            match word {
                Word::Action(action) => actions.push(action),
                Word::Resource(resource) => resources.push(resource),
            }
        }
        let usual: Name = USUAL_ACTION.parse()?;
        if actions.is_empty() {
            actions.push(&usual);
        }
        let count = resources.len().saturating_mul(actions.len());
        if count > MOST_AT_ONCE {
            let text = format!("these are {count} requests, and at most {MOST_AT_ONCE} are made at once");
            return Err(Failure::usage(text).help("ask in several steps").into());
        }
        let pairs: Vec<(&Resource, &Name)> =
            resources.iter().flat_map(|resource| actions.iter().map(|action| (*resource, *action))).collect();
        let again = pairs.iter().enumerate().find(|(at, pair)| pairs.iter().take(*at).any(|before| before == *pair));
        if let Some((_, (resource, action))) = again {
            return Err(Failure::usage(format!("to {action} {resource} is asked for twice")).into());
        }
        if self.token && count > 1 {
            let text = format!("--token prints one token, and these are {count} requests");
            return Err(Failure::usage(text).help("ask without it; `jit token ID` makes the token of each").into());
        }
        let wanted =
            pairs.into_iter().map(|(resource, action)| Wanted { resource: resource.clone(), action: action.clone() });
        Ok(wanted.collect())
    }

    /// Tells whether these are several requests.
    pub(super) fn are_several(&self) -> bool {
        let actions = self.more.iter().filter(|word| matches!(word, Word::Action(_))).count();
        actions > 1 || actions < self.more.len()
    }
}

/// What a request asks to do if it does not say.
const USUAL_ACTION: &str = "access";

/// Refuses a length, or a part of one, that stands apart from its option: it would be one more action or resource, and asked
/// for.
pub(super) fn refuse_lone_length(line: &[OsString]) -> Result<(), Failure> {
    let words: Vec<&str> = line.iter().take_while(|word| *word != "--").filter_map(|word| word.to_str()).collect();
    let is_length = |word: &str| word.parse::<Duration>().is_ok();
    let whole = words.iter().enumerate().find_map(|(place, word)| {
        let before =
            |back: usize| place.checked_sub(back).and_then(|place| words.get(place)).copied().unwrap_or_default();
        match (before(2), before(1)) {
            // Whatever begins so is meant for a length, be it a good one or not.
            (_, "--wait") if word.starts_with(|first: char| first.is_ascii_digit()) && !word.contains('/') => {
                Some((word, format!("--wait={word}")))
            }
            ("--for", length) if is_length(word) => Some((word, format!("--for {length}{word}"))),
            (_, option) if is_length(word) && ["--for=", "--wait="].iter().any(|name| option.starts_with(name)) => {
                Some((word, format!("{option}{word}")))
            }
            _ => None,
        }
    });
    match whole {
        Some((word, whole)) => {
            Err(Failure::usage(format!("`{word}` stands apart from its option: it would be one more thing to ask for"))
                .help(format!("write `{whole}`; to ask for `{word}`, name it before the options")))
        }
        None => Ok(()),
    }
}
