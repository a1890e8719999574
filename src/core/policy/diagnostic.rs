//! What is wrong with a policy, where, and what to do about it; and how people and programs are told.
//!
//! Whatever a diagnostic quotes from a policy is escaped when the diagnostic is made, and the line of source when it is
//! shown: a file can hold terminal control sequences or text that reads in another direction than it works.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde::Serialize;

/// The most characters of a text from a policy that a message quotes.
const MAX_QUOTED_LEN: usize = 80;
/// The most characters of a line of source that are shown before the place at fault, and from it on.
const MAX_SHOWN_LEN: (usize, usize) = (60, 200);

/// One thing that is wrong with a policy, or deserves a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether the policy loads nevertheless.
    pub severity: Severity,
    /// What kind of fault it is, for who must tell them apart.
    pub kind: Kind,
    /// The file, such as `policies/prod-db.toml`.
    pub path: String,
    /// Where in the file; none if it is about the file as a whole.
    pub span: Option<Span>,
    /// What is wrong: lower case, no full stop, on one line, escaped.
    pub message: String,
    /// What to do: a line to write or a command to type; escaped like the message.
    pub help: Option<String>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The policy does not load.
    Error,
    /// The policy loads, but may not do what its author meant.
    Warning,
}

/// The kinds of fault that callers treat differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Anything not named below.
    Fault,
    /// The policy's `format`, given here, is not the one this program knows.
    UnsupportedFormat(u64),
    /// The policy loads, and this deserves a look.
    Look(Check),
}

impl Kind {
    /// Returns the name that programs know it by.
    pub fn id(self) -> &'static str {
        match self {
            Kind::Fault => "does-not-load",
            Kind::UnsupportedFormat(_) => "unsupported-format",
            Kind::Look(check) => check.id(),
        }
    }

    /// Returns what it is about, in a sentence.
    pub fn about(self) -> &'static str {
        match self {
            Kind::Fault => "What can't be loaded or published",
            Kind::UnsupportedFormat(_) => "A policy of another format than this program knows",
            Kind::Look(check) => check.about(),
        }
    }
}

/// What is looked for in a policy that loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Check {
    /// One of several maintainers is enough.
    LoneMaintainer,
    /// Fewer maintainers can sign than must.
    MaintainersWithoutKeys,
    /// An entry of `approvals` that never applies.
    IdleTier,
    /// Fewer can approve than must.
    TooFewApprovers,
    /// A group, or a kind, in which nobody can do what the rule has them for.
    NobodyMeant,
    /// A rule that no request can ever meet.
    NeverMet,
    /// A rule of which deny rules leave nothing.
    Shadowed,
    /// A person who gets by a service of their own what a rule wants an approval for.
    OwnService,
    /// A person who can fill a place in each of a rule's entries of `approvals`.
    InEveryEntry,
    /// Approvers or revokers who are on call, at a time that they date themselves.
    ByTurns,
    /// There was more than could be compared.
    NotAllCompared,
}

impl Check {
    /// All of them.
    pub const ALL: [Check; 11] = [
        Check::LoneMaintainer,
        Check::MaintainersWithoutKeys,
        Check::IdleTier,
        Check::TooFewApprovers,
        Check::NobodyMeant,
        Check::NeverMet,
        Check::Shadowed,
        Check::OwnService,
        Check::InEveryEntry,
        Check::ByTurns,
        Check::NotAllCompared,
    ];

    /// Returns the name that programs know it by; it never changes.
    pub fn id(self) -> &'static str {
        match self {
            Check::LoneMaintainer => "lone-maintainer",
            Check::MaintainersWithoutKeys => "maintainers-without-keys",
            Check::IdleTier => "idle-tier",
            Check::TooFewApprovers => "too-few-approvers",
            Check::NobodyMeant => "nobody-meant",
            Check::NeverMet => "never-met",
            Check::Shadowed => "shadowed",
            Check::OwnService => "own-service",
            Check::InEveryEntry => "in-every-entry",
            Check::ByTurns => "by-turns",
            Check::NotAllCompared => "not-all-compared",
        }
    }

    /// Returns what it is about, in a sentence.
    pub fn about(self) -> &'static str {
        match self {
            Check::LoneMaintainer => "One of several maintainers can change the policy alone",
            Check::MaintainersWithoutKeys => "Fewer maintainers have a key than the threshold asks for",
            Check::IdleTier => "An entry of `approvals` is for requests longer than the rule allows",
            Check::TooFewApprovers => "For some subject there are fewer people who can approve than must",
            Check::NobodyMeant => "A rule names a group in which nobody can do what it names them for",
            Check::NeverMet => "No request can ever meet the rule",
            Check::Shadowed => "Deny rules leave nothing of the rule",
            Check::OwnService => "A person gets by a service of their own what a rule wants an approval for",
            Check::InEveryEntry => "One person can fill a place in each of a rule's entries of `approvals`",
            Check::ByTurns => "Who may approve or revoke depends on a time that they date themselves",
            Check::NotAllCompared => "The policy is too large or intricate to compare all of its rules",
        }
    }
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// The bytes of the file that are at fault.
    pub bytes: Range<usize>,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Severity::Error => write!(f, "error"),
            Severity::Warning => write!(f, "warning"),
        }
    }
}

impl fmt::Display for Diagnostic {
    /// Writes `path:line:column: message`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.span {
            Some(span) => write!(f, "{}:{}:{}: {}", escape(&self.path), span.line, span.column, self.message),
            None => write!(f, "{}: {}", escape(&self.path), self.message),
        }
    }
}

impl Serialize for Diagnostic {
    /// The form of `--json`: `path`, `line`, `column` (null where there is no place), `severity`, `check` (its name for
    /// programs), `message`, `help`.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shape<'a> {
            path: &'a str,
            line: Option<usize>,
            column: Option<usize>,
            severity: Severity,
            check: &'a str,
            message: &'a str,
            help: Option<&'a str>,
        }
        Shape {
            path: &self.path,
            line: self.span.as_ref().map(|span| span.line),
            column: self.span.as_ref().map(|span| span.column),
            severity: self.severity,
            check: self.kind.id(),
            message: &self.message,
            help: self.help.as_deref(),
        }
        .serialize(serializer)
    }
}

/// Writes a diagnostic for people: severity, place and message, the line of `source` (the whole file's text) with
/// carets under the fault, then the help; no colour, and no line feed at the end.
pub fn render(diagnostic: &Diagnostic, source: Option<&str>) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(diagnostic.to_string());
    let help = diagnostic.help.as_deref().map(|help| Level::HELP.message(help));
    let shown = diagnostic.span.as_ref().zip(source).map(|(span, source)| {
        let (line, carets) = source_line(source, &span.bytes);
        Snippet::source(line).line_start(span.line).annotation(AnnotationKind::Primary.span(carets))
    });
    let group = match (shown, help) {
        (Some(shown), Some(help)) => title.element(shown).element(help),
        (Some(shown), None) => title.element(shown),
        (None, Some(help)) => title.element(help),
        (None, None) => annotate_snippets::Group::with_title(title),
    };
    Renderer::plain().render(&[group])
}

/// Returns the line of `source` on which `bytes` start, escaped and cut to what fits a screen, and where in it they are.
fn source_line(source: &str, bytes: &Range<usize>) -> (String, Range<usize>) {
    let (before, after) = source.split_at_checked(bytes.start).unwrap_or((source, ""));
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let before = before.get(start..).unwrap_or_default();
    let line_end = after.find('\n').unwrap_or(after.len());
    let after = after.get(..line_end).unwrap_or_default().trim_end_matches('\r');
    let fault_len = bytes.len().min(after.len());
    let (fault, rest) = after.split_at_checked(fault_len).unwrap_or((after, ""));

    let (most_before, most_after) = MAX_SHOWN_LEN;
    let cut = before.char_indices().rev().nth(most_before).map(|(at, c)| at + c.len_utf8());
    let mut line = if cut.is_some() { "…".to_owned() } else { String::new() };
    line.push_str(&escape(before.get(cut.unwrap_or(0)..).unwrap_or_default()));
    let from = line.len();
    line.push_str(&escape(&shortened(fault, most_after)));
    let to = line.len();
    line.push_str(&escape(&shortened(rest, most_after)));
    (line, from..to)
}

fn shortened(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        None => Cow::Borrowed(text),
        Some((at, _)) => Cow::Owned(format!("{}…", text.get(..at).unwrap_or_default())),
    }
}

/// Returns `text` with all that a terminal might act on or not show (control characters, zero-width and bidirectional
/// marks, combining characters, line ends) spelled out, as in `\u{202e}`; a tab becomes four spaces.
pub fn escape(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => shown.push_str("    "),
            // These are harmless to a terminal, and patterns are full of them.
            '\\' | '"' | '\'' => shown.push(c),
            c => shown.extend(c.escape_debug()),
        }
    }
    shown
}

/// Returns `text` from a policy as messages show it: in backticks, escaped, cut where it is long.
pub(super) fn quoted(text: &str) -> String {
    format!("`{}`", escape(&shortened(text, MAX_QUOTED_LEN)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(source: &str, fault: &str) -> Diagnostic {
        let start = source.find(fault).unwrap();
        let line = source[..start].matches('\n').count() + 1;
        let column = source[..start].chars().rev().take_while(|c| *c != '\n').count() + 1;
        Diagnostic {
            severity: Severity::Error,
            kind: Kind::Fault,
            path: "policies/prod-db.toml".to_owned(),
            span: Some(Span { line, column, bytes: start..start + fault.len() }),
            message: "`quorum` is 3 but only 2 approvers are named".to_owned(),
            help: Some("lower `quorum` to 2".to_owned()),
        }
    }

    #[test]
    fn people_see_place_line_and_help() {
        let source = "a = 1\n\nquorum   = 3\r\nb = 2\n";
        let expected = "\
error: policies/prod-db.toml:3:12: `quorum` is 3 but only 2 approvers are named
  |
3 | quorum   = 3
  |            ^
  |
  = help: lower `quorum` to 2";
        let diagnostic = at(source, "3");
        assert_eq!(render(&diagnostic, Some(source)), expected);
        let bare = Diagnostic { span: None, help: None, severity: Severity::Warning, ..diagnostic };
        let expected = "warning: policies/prod-db.toml: `quorum` is 3 but only 2 approvers are named";
        assert_eq!(render(&bare, Some(source)), expected);
    }

    #[test]
    fn programs_see_the_same() {
        let json = serde_json::to_string(&at("x = 3\n", "3")).unwrap();
        assert_eq!(
            json,
            "{\"path\":\"policies/prod-db.toml\",\"line\":1,\"column\":5,\"severity\":\"error\",\
             \"check\":\"does-not-load\",\"message\":\"`quorum` is 3 but only 2 approvers are named\",\"help\":\"lower `quorum` to 2\"}"
        );
    }

    #[test]
    fn nothing_from_the_file_reaches_the_terminal_raw() {
        let nasty = "\u{1b}[2J\u{9b}31m\u{7}\u{8}\r\u{7f}\u{202e}\u{2066}\u{200b}\u{200d}\u{feff}\u{ad}\u{2028}\u{301}";
        let source = format!("a = \"{nasty}\" # {nasty}\n");
        for diagnostic in [at(&source, "\""), at(&source, &nasty[..4]), at(&source, &source[4..])] {
            let shown = render(&diagnostic, Some(&source));
            assert!(!shown.chars().any(|c| nasty.contains(c) && !"[2J31m".contains(c)), "{shown}");
            assert!(shown.contains("\\u{1b}[2J\\u{9b}31m\\u{7}\\u{8}\\r\\u{7f}\\u{202e}\\u{2066}\\u{200b}"), "{shown}");
        }
        assert_eq!(quoted("\u{1b}`é日\\d"), "`\\u{1b}`é日\\d`");
    }

    #[test]
    fn carets_stand_under_what_they_mean() {
        let source = "\tx\u{1b} = \"日本\" # é\nb = é\u{200b}!";
        for (fault, line, carets) in [
            ("é\u{200b}!", "2 | b = é\\u{200b}!", "  |     ^^^^^^^^^^"),
            ("\"日本\"", "1 |     x\\u{1b} = \"日本\" # é", "  |               ^^^^^^"),
        ] {
            let shown = render(&at(source, fault), Some(source));
            let lines: Vec<&str> = shown.lines().collect();
            assert_eq!(lines[2..4], [line, carets], "{shown}");
        }
    }

    #[test]
    fn long_lines_are_cut_and_odd_places_do_no_harm() {
        let source = format!("{}fault{}", "é".repeat(100_000), "b".repeat(100_000));
        let shown = render(&at(&source, "fault"), Some(&source));
        assert!(shown.len() < 1_500 && shown.contains("fault") && shown.contains("…"), "{}", shown.len());
        let mut diagnostic = at("ab", "b");
        for source in ["", "a", "日", "\n", "日本語"] {
            for bytes in [0..0, 1..2, 2..9, 9..9, 0..99, usize::MAX..usize::MAX] {
                diagnostic.span = Some(Span { line: 1, column: 1, bytes });
                assert!(render(&diagnostic, Some(source)).starts_with("error: policies/prod-db.toml:1:1: "));
            }
        }
    }
}
