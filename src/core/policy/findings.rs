//! Collects what is wrong while a policy is read, so that all of it can be told at once.
//!
//! Everything here is bounded, whatever the files hold: how many diagnostics are kept, what finding a line and column
//! costs, and how many names are compared to find the nearest.

use std::cell::OnceCell;
use std::ops::Range;

use super::diagnostic::{Diagnostic, Kind, Severity, Span, quoted};

/// The most diagnostics that are kept; how many more there were is told.
const MAX_DIAGNOSTICS: usize = 1_000;
/// How many pairs of names are compared, in one load, to offer the nearest known one.
const MAX_COMPARISONS: usize = 200_000;

/// A place in one of the files being read.
#[derive(Clone, Debug)]
pub(super) struct At {
    /// The file's index in [`Findings`].
    pub(super) file: usize,
    /// The bytes of it.
    pub(super) bytes: Range<usize>,
}

/// What is wrong so far, and the files it is about.
#[derive(Default)]
pub(super) struct Findings<'a> {
    sources: Vec<Source<'a>>,
    found: Vec<Diagnostic>,
    dropped: usize,
    comparisons: usize,
}

impl<'a> Findings<'a> {
    /// Adds a file and returns its index.
    pub(super) fn add_file(&mut self, path: &'a str, content: &'a [u8]) -> usize {
        self.sources.push(Source { path, content, places: OnceCell::new() });
        self.sources.len() - 1
    }

    /// Tells whether nothing is wrong.
    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Notes an error at a place.
    pub(super) fn error(&mut self, at: &At, message: impl Into<String>, help: Option<String>) {
        self.note(Kind::Fault, at.file, Some(at.bytes.clone()), message.into(), help);
    }

    /// Notes an error about a file as a whole.
    pub(super) fn file_error(&mut self, file: usize, message: impl Into<String>, help: Option<String>) {
        self.note(Kind::Fault, file, None, message.into(), help);
    }

    /// Notes an error of any kind, at a place in a file or about it as a whole.
    pub(super) fn note(
        &mut self,
        kind: Kind,
        file: usize,
        bytes: Option<Range<usize>>,
        message: String,
        help: Option<String>,
    ) {
        if self.found.len() >= MAX_DIAGNOSTICS {
            self.dropped += 1;
            return;
        }
        let path = self.sources.get(file).map(|source| source.path.to_owned()).unwrap_or_default();
        let span = bytes.and_then(|bytes| self.sources.get(file).map(|source| source.span(bytes)));
        self.found.push(Diagnostic { severity: Severity::Error, kind, path, span, message, help });
    }

    /// Returns path and span of a place, for what outlives the load.
    pub(super) fn place(&self, at: &At) -> Option<(String, Span)> {
        self.sources.get(at.file).map(|source| (source.path.to_owned(), source.span(at.bytes.clone())))
    }

    /// Returns a place as `path:line:column`, for a message about another place.
    pub(super) fn spell(&self, at: &At) -> String {
        self.place(at).map(|(path, span)| format!("{path}:{}:{}", span.line, span.column)).unwrap_or_default()
    }

    /// Returns the help that offers the known name nearest to `word`, if one is near.
    pub(super) fn nearest<'n>(&mut self, word: &str, known: impl IntoIterator<Item = &'n str>) -> Option<String> {
        let left = MAX_COMPARISONS.saturating_sub(self.comparisons);
        let known = known.into_iter().filter(|name| may_be_near(word, name)).take(left);
        nearest(word, known.inspect(|_| self.comparisons += 1)).map(did_you_mean)
    }

    /// Returns all that was found, in the order of paths, then of places; what concerns a whole file is first in it.
    pub(super) fn into_sorted(self) -> Vec<Diagnostic> {
        let mut sorted = self.found;
        let place = |span: &Option<Span>| span.as_ref().map(|span| (span.bytes.start, span.bytes.end));
        sorted.sort_by(|one, other| {
            (&one.path, place(&one.span), &one.message).cmp(&(&other.path, place(&other.span), &other.message))
        });
        if let (Some(last), 1..) = (sorted.last(), self.dropped) {
            let message = format!("{} more errors in this or other files are not shown", self.dropped);
            sorted.push(Diagnostic { span: None, message, help: None, ..last.clone() });
        }
        sorted
    }
}

/// Returns the known name nearest to `word`, if one is near.
pub fn nearest<'n>(word: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let near = known.into_iter().filter(|name| may_be_near(word, name));
    let distances = near.map(|name| (strsim::osa_distance(word, name), name));
    distances.filter(|(distance, _)| *distance <= near_enough(word)).min().map(|(_, name)| name)
}

/// Returns the help that offers a name.
pub fn did_you_mean(name: &str) -> String {
    format!("did you mean {}?", quoted(name))
}

/// Returns how many letters may differ.
fn near_enough(word: &str) -> usize {
    (word.chars().count() / 3).max(1)
}

/// Tells by the lengths alone.
fn may_be_near(word: &str, name: &str) -> bool {
    name.len().abs_diff(word.len()) <= near_enough(word) * 2
}

/// A file being read.
struct Source<'a> {
    path: &'a str,
    content: &'a [u8],
    places: OnceCell<Places>,
}

impl Source<'_> {
    fn span(&self, bytes: Range<usize>) -> Span {
        let places = self.places.get_or_init(|| Places::of(self.content));
        let (line, column) = places.line_and_column(self.content, bytes.start);
        Span { line, column, bytes }
    }
}

/// Lines and columns of one file: those of every 1,024th byte, so that no look-up reads more than that.
struct Places(Vec<(usize, usize)>);

const STRIDE: usize = 1_024;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl Places {
    fn of(content: &[u8]) -> Places {
        // Editors show no byte order mark, so it takes no column.
        let start = if content.starts_with(BYTE_ORDER_MARK) { (1, 0) } else { (1, 1) };
        let states = content.chunks(STRIDE).scan(start, |place, chunk| {
            let here = *place;
            *place = chunk.iter().fold(here, Places::step);
            Some(here)
        });
        let states: Vec<_> = states.collect();
        Places(if states.is_empty() { vec![start] } else { states })
    }

    fn line_and_column(&self, content: &[u8], offset: usize) -> (usize, usize) {
        let offset = offset.min(content.len());
        let index = (offset / STRIDE).min(self.0.len().saturating_sub(1));
        let here = self.0.get(index).copied().unwrap_or((1, 1));
        content.get(index * STRIDE..offset).unwrap_or_default().iter().fold(here, Places::step)
    }

    /// Returns the place after `byte`; of a character only the first byte counts.
    fn step((line, column): (usize, usize), byte: &u8) -> (usize, usize) {
        match byte {
            b'\n' => (line + 1, 1),
            0x80..=0xbf => (line, column),
            _ => (line, column + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn lines_and_columns_are_those_of_counting(text in "[a-z\né日]{0,40}", times in 1_usize..200, offset in 0_usize..9_000) {
            let text = text.repeat(times);
            let offset = (0..=offset.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap();
            let (line, column) = Places::of(text.as_bytes()).line_and_column(text.as_bytes(), offset);
            let before = &text[..offset];
            prop_assert_eq!(line, before.matches('\n').count() + 1);
            prop_assert_eq!(column, before.chars().rev().take_while(|c| *c != '\n').count() + 1);
        }
    }

    #[test]
    fn a_byte_order_mark_takes_no_column() {
        let text = "\u{feff}ab".as_bytes();
        assert_eq!(Places::of(text).line_and_column(text, 3), (1, 1));
        assert_eq!(Places::of(b"").line_and_column(b"", 7), (1, 1));
    }

    #[test]
    fn the_number_kept_is_bounded_and_the_rest_is_told() {
        let mut findings = Findings::default();
        let file = findings.add_file("jit.toml", b"x");
        for _ in 0..MAX_DIAGNOSTICS + 5 {
            findings.error(&At { file, bytes: 0..1 }, "no", None);
        }
        let all = findings.into_sorted();
        assert_eq!(all.len(), MAX_DIAGNOSTICS + 1);
        assert_eq!(all.last().unwrap().message, "5 more errors in this or other files are not shown");
    }

    #[test]
    fn the_nearest_name_is_offered_only_if_near() {
        let mut findings = Findings::default();
        let known = ["subjects", "resources", "actions", "duration"];
        assert_eq!(findings.nearest("subject", known).as_deref(), Some("did you mean `subjects`?"));
        assert_eq!(findings.nearest("acitons", known).as_deref(), Some("did you mean `actions`?"));
        assert_eq!(findings.nearest("colour", known), None);
        assert_eq!(findings.nearest("x", ["b", "a"]).as_deref(), Some("did you mean `a`?"));
        findings.comparisons = MAX_COMPARISONS;
        assert_eq!(findings.nearest("subject", known), None);
    }
}
