//! Patterns: which resources a rule or a lockdown is about.
//!
//! A pattern is written like a resource. In a segment `*` stands for zero or more characters of it; a whole segment
//! `**` stands for zero or more segments. There is nothing else: no classes, no escapes, no negation. What could be
//! read in two ways (`***`, `a**`, an empty segment) is refused when the pattern is read, so that matching needs no
//! special cases.
//!
//! **Time.** Matching is linear in the length of pattern and resource. Inside a segment the pieces between the stars
//! are looked for from left to right, each once, and the leftmost place is always good enough; the standard library's
//! search is linear. Among the segments the same holds for the runs between two `**`: a run that does not fit is tried
//! one segment further on, and never an earlier one again, so each segment of the pattern meets each segment of the
//! resource at most once, and a pattern has at most 16.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::core::name::{MAX_RESOURCE_LEN, MAX_SEGMENTS, Resource, is_name_byte};

/// The segment that stands for zero or more segments.
pub(in crate::core) const ANY_SEGMENTS: &str = "**";

/// A checked pattern of resources: 1 to [`MAX_SEGMENTS`] segments, [`MAX_RESOURCE_LEN`] bytes at most; cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern(Arc<str>);

impl Pattern {
    /// Tells whether the pattern stands for `resource`.
    pub fn matches(&self, resource: &Resource) -> bool {
        self.takes(resource.as_str())
    }

    /// Tells whether the pattern plainly stands for all that `other` does; a no may still be a yes, which
    /// [`region`](super::region) tells.
    pub(in crate::core) fn plainly_covers(&self, other: &Pattern) -> bool {
        self.takes(other.as_str())
    }

    /// Tells whether the pattern stands for a text that is read like a resource: a wildcard in it is a letter for which only
    /// a wildcard stands, and `**` is more than one `*` stands for.
    fn takes(&self, text: &str) -> bool {
        let fits = |glob: &str, segment: &str| segment != ANY_SEGMENTS && segment_matches(glob, segment);
        // Most that do not fit do not end alike.
        match (self.0.rsplit('/').next(), text.rsplit('/').next()) {
            (Some(glob), Some(segment)) if glob != ANY_SEGMENTS && !fits(glob, segment) => return false,
            _ => {}
        }
        let mut globs = self.0.split('/');
        let mut segments = text.split('/');
        // What is left of both after the last `**`, for when the run after it does not fit where it was tried.
        let mut retry = None;
        loop {
            let glob = globs.next();
            if glob == Some(ANY_SEGMENTS) {
                retry = Some((globs.clone(), segments.clone()));
                continue;
            }
            match (glob, segments.next()) {
                (None, None) => return true,
                (Some(glob), Some(segment)) if fits(glob, segment) => {}
                // The text is used up: a run that starts later has even less to fit.
                (Some(_), None) => return false,
                (Some(_) | None, Some(_)) => {
                    let Some((run, start)) = &mut retry else { return false };
                    if start.next().is_none() {
                        return false;
                    }
                    globs = run.clone();
                    segments = start.clone();
                }
            }
        }
    }

    /// Returns the pattern of all resources, `**`.
    pub fn everything() -> Pattern {
        Pattern(Arc::from(ANY_SEGMENTS))
    }

    /// Returns the pattern as text, such as `db/*/orders`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Tells whether `glob`, one segment of a pattern other than `**`, stands for `segment`.
pub(in crate::core) fn segment_matches(glob: &str, segment: &str) -> bool {
    let Some((head, rest)) = glob.split_once('*') else { return glob == segment };
    let (middle, tail) = rest.rsplit_once('*').unwrap_or(("", rest));
    let inner = segment.strip_prefix(head).and_then(|text| text.strip_suffix(tail));
    let Some(mut inner) = inner else { return false };
    for piece in middle.split('*') {
        let Some((_, after)) = inner.split_once(piece) else { return false };
        inner = after;
    }
    true
}

/// Tells whether `text` is a pattern.
pub fn is_pattern(text: &str) -> bool {
    check_pattern(text).is_ok()
}

fn check_pattern(text: &str) -> Result<(), PatternError> {
    if text.len() > MAX_RESOURCE_LEN {
        return Err(PatternError::TooLong(text.len()));
    }
    if text.split('/').count() > MAX_SEGMENTS {
        return Err(PatternError::TooManySegments);
    }
    text.split('/').try_for_each(check_segment)
}

fn check_segment(segment: &str) -> Result<(), PatternError> {
    let Some(first) = segment.chars().next() else { return Err(PatternError::EmptySegment) };
    if let Some(bad) = segment.chars().find(|c| *c != '*' && !u8::try_from(*c).is_ok_and(is_name_byte)) {
        return Err(PatternError::Character(segment.to_owned(), bad));
    }
    if segment != ANY_SEGMENTS && segment.contains(ANY_SEGMENTS) {
        return Err(PatternError::Stars(segment.to_owned()));
    }
    if matches!(first, '.' | '_' | '-') {
        return Err(PatternError::Start(segment.to_owned(), first));
    }
    Ok(())
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Pattern, PatternError> {
        check_pattern(text).map(|()| Pattern(Arc::from(text)))
    }
}

impl From<&Resource> for Pattern {
    /// Returns the pattern of that resource alone.
    fn from(resource: &Resource) -> Pattern {
        Pattern(Arc::from(resource.as_str()))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl AsRef<str> for Pattern {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// Why a text is not a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatternError {
    /// It is longer than [`MAX_RESOURCE_LEN`] bytes.
    TooLong(usize),
    /// It has more than [`MAX_SEGMENTS`] segments.
    TooManySegments,
    /// A segment is empty.
    EmptySegment,
    /// A segment, quoted here, has stars side by side but is not `**`.
    Stars(String),
    /// A segment, quoted here, starts with `.`, `_` or `-`.
    Start(String, char),
    /// A segment, quoted here, holds a character that no pattern may hold.
    Character(String, char),
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PatternError::TooLong(len) => {
                write!(f, "a pattern has at most {MAX_RESOURCE_LEN} bytes, this one has {len}")
            }
            PatternError::TooManySegments => write!(f, "a pattern has at most {MAX_SEGMENTS} segments"),
            PatternError::EmptySegment => write!(f, "a pattern has no empty segment: no `/` at an end, no `//`"),
            PatternError::Stars(segment) => write!(
                f,
                "segment `{}`: `**` must be a whole segment; inside one, write a single `*`",
                segment.escape_debug()
            ),
            PatternError::Start(segment, c) => {
                write!(f, "segment `{}`: it starts with a letter, a digit or `*`, not `{c}`", segment.escape_debug())
            }
            PatternError::Character(segment, c) => write!(
                f,
                "segment `{}`: it holds only a-z, 0-9, `.`, `_`, `-` and `*`, not `{}`",
                segment.escape_debug(),
                c.escape_debug()
            ),
        }
    }
}

impl std::error::Error for PatternError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_that_are_and_patterns_that_are_not() {
        let sixteen = ["**"; 16].join("/");
        let long = format!("{}*", "a".repeat(511));
        for good in
            ["*", "**", "a", "db/prod/orders", "a*", "*a", "*-x", "a*b*c", "**/**", "db/**/pii", &sixteen, &long]
        {
            assert_eq!(good.parse::<Pattern>().map(|pattern| pattern.to_string()), Ok(good.to_owned()));
        }
        let seventeen = ["*"; 17].join("/");
        let over = format!("{long}a");
        for bad in [
            "", "/", "a/", "/a", "a//b", "***", "a**", "**a", "a/b**c", "****", "..", "-a", "_*", "a/.b", "A", "a b",
            "a?", "[a]", "a\n", "é*", "!a", "a\\*", &seventeen, &over,
        ] {
            assert!(!is_pattern(bad), "{bad:?}");
        }
    }

    #[test]
    fn what_matches_and_what_does_not() {
        let table: &[(&str, &[&str], &[&str])] = &[
            ("db/prod/orders", &["db/prod/orders"], &["db/prod", "db/prod/orders/x", "db/prod/order"]),
            ("*", &["a", "web-1"], &["a/b"]),
            ("**", &["a", "a/b", "a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p"], &[]),
            ("db/*", &["db/a"], &["db", "db/a/b", "dbx/a"]),
            ("db/**", &["db", "db/a", "db/a/b"], &["dbx", "x/db"]),
            ("**/db", &["db", "a/db", "a/b/db", "db/db"], &["db/a", "xdb"]),
            ("db/**/pii", &["db/pii", "db/a/pii", "db/pii/pii", "db/a/b/pii"], &["db", "pii", "db/pii/a", "db/a/pii2"]),
            ("a*", &["a", "ab", "a-b"], &["ba", "b"]),
            ("*a", &["a", "ba", "aa"], &["ab"]),
            ("a*a", &["aa", "aba", "aaa"], &["a", "ab"]),
            ("a*b*a", &["aba", "abba", "a1b2a"], &["aa", "ab", "ba", "aab"]),
            ("*ab*ab*", &["abab", "xabyabz"], &["ab", "aba"]),
            ("**/a/**/a", &["a/a", "x/a/y/a", "a/a/a", "a/b/a/c/a"], &["a", "a/b", "a/a/b"]),
            ("**/a/b/**/c", &["a/a/b/c", "a/b/a/b/x/c"], &["a/x/b/c", "a/b"]),
            ("**/**", &["a", "a/b"], &[]),
            ("**/*", &["a", "a/b/c"], &[]),
            ("*/**/*", &["a/b", "a/b/c"], &["a"]),
        ];
        for (pattern, fits, others) in table {
            let pattern: Pattern = pattern.parse().unwrap();
            for resource in *fits {
                assert!(pattern.matches(&resource.parse().unwrap()), "{pattern} {resource}");
            }
            for resource in *others {
                assert!(!pattern.matches(&resource.parse().unwrap()), "{pattern} {resource}");
            }
        }
    }

    /// The meaning of a pattern, said as plainly as can be; takes exponential time.
    fn plainly(glob: &[&str], segments: &[&str]) -> bool {
        fn inside(glob: &[u8], text: &[u8]) -> bool {
            match (glob, text) {
                ([], []) => true,
                ([b'*', rest @ ..], _) => {
                    inside(rest, text) || text.split_first().is_some_and(|(_, tail)| inside(glob, tail))
                }
                ([g, rest @ ..], [t, tail @ ..]) => g == t && inside(rest, tail),
                ([], _) | (_, []) => false,
            }
        }
        match (glob, segments) {
            ([], []) => true,
            (["**", rest @ ..], _) => {
                plainly(rest, segments) || segments.split_first().is_some_and(|(_, tail)| plainly(glob, tail))
            }
            ([g, rest @ ..], [s, tail @ ..]) => inside(g.as_bytes(), s.as_bytes()) && plainly(rest, tail),
            ([], _) | (_, []) => false,
        }
    }

    proptest! {
        #[test]
        fn matching_means_what_it_says(
            globs in proptest::collection::vec("\\*\\*|\\*?([ab]{1,2}\\*?){1,3}|\\*", 1..6),
            segments in proptest::collection::vec("[ab]{1,5}", 1..7),
        ) {
            let (text, path) = (globs.join("/"), segments.join("/"));
            let pattern: Pattern = text.parse().unwrap();
            let globs: Vec<&str> = text.split('/').collect();
            let segments: Vec<&str> = path.split('/').collect();
            prop_assert_eq!(pattern.matches(&path.parse().unwrap()), plainly(&globs, &segments), "{} {}", text, path);
        }

        #[test]
        fn what_is_no_pattern_is_refused_not_a_panic(text in "[ab*/.é-]{0,20}") {
            prop_assert_eq!(text.parse::<Pattern>().is_ok(), is_pattern(&text));
        }
    }

    #[test]
    fn the_worst_patterns_are_no_slower() {
        // Backtracking over these would not end within a lifetime.
        let inside: Pattern = "*a".repeat(250).parse().unwrap();
        assert!(!inside.matches(&"a".repeat(64).parse().unwrap()));
        let among: Pattern = format!("{}b", "**/a/".repeat(7)).parse().unwrap();
        assert!(!among.matches(&["a"; 16].join("/").parse().unwrap()));
    }
}
