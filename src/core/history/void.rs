//! Why a commit on the log's branch is no append, in the words of the audit report.

use std::fmt;

use super::segment::{MAX_APPEND_LINES, MAX_APPEND_SIZE, MAX_LINE_SIZE, SEGMENT_LINES};

/// Why a commit is void. Lines are counted from 0, paths are those in the commit's tree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Void {
    /// It has several parents.
    Merge(usize),
    /// It is the first commit and holds more than line 0.
    NotAlone,
    /// It is the first commit and line 0 is no valid genesis.
    NotGenesis,
    /// It ends the log before this line, which was there.
    Drops(u64),
    /// This line is not what it was.
    Changes(u64),
    /// The lines from this one to the end of its segment stand in another order.
    Reorders(u64),
    /// It adds no line.
    NothingNew,
    /// The last line, with this number, does not end with a line feed.
    NoLineFeed(u64),
    /// It adds more than [`MAX_APPEND_LINES`].
    LongAppend,
    /// It adds more than [`MAX_APPEND_SIZE`].
    LargeAppend,
    /// This line is over [`MAX_LINE_SIZE`].
    LongLine(u64),
    /// This file holds more lines than a segment has.
    LongSegment(String),
    /// This file or folder is not full though the log goes on after it.
    NotFull(String),
    /// This file or folder holds nothing.
    Empty(String),
    /// No appender would put this here.
    Stray(String),
    /// This has another mode than an appender gives it.
    Mode(String, u32),
    /// This is not there.
    Missing(String),
    /// This is not a file or folder of git's form, or far too large.
    Unreadable(String),
    /// The files of this earlier policy are not what they were.
    PolicyChanged(String),
    /// The files of this new policy do not have the digest that its line names.
    PolicyDigest(String),
    /// The files of this new policy are too many.
    PolicyFiles(String),
    /// The files of this new policy are too large, or are with those that the same commit brings before it.
    PolicySize(String),
}

impl fmt::Display for Void {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Void::Merge(parents) => write!(f, "it is a merge of {parents} commits"),
            Void::NotAlone => write!(f, "the first commit holds more than line 0"),
            Void::NotGenesis => write!(f, "line 0 is no valid genesis"),
            Void::Drops(line) => write!(f, "it drops line {line} and what follows"),
            Void::Changes(line) => write!(f, "it changes line {line}"),
            Void::Reorders(line) => write!(f, "it reorders the lines from line {line} on"),
            Void::NothingNew => write!(f, "it adds no line"),
            Void::NoLineFeed(line) => write!(f, "line {line} does not end with a line feed"),
            Void::LongAppend => write!(f, "it adds more than {MAX_APPEND_LINES} lines at once"),
            Void::LargeAppend => write!(f, "it adds more than {} KiB of lines at once", MAX_APPEND_SIZE / 1024),
            Void::LongLine(line) => write!(f, "line {line} is over {} KiB", MAX_LINE_SIZE / 1024),
            Void::LongSegment(path) => write!(f, "`{}` holds more than {SEGMENT_LINES} lines", shown(path)),
            Void::NotFull(path) => write!(f, "`{}` is not full, though the log goes on after it", shown(path)),
            Void::Empty(path) => write!(f, "`{}` is empty", shown(path)),
            Void::Stray(path) => write!(f, "it holds `{}`, which no append puts there", shown(path)),
            Void::Mode(path, mode) => write!(f, "it gives `{}` the mode {mode:o}", shown(path)),
            Void::Missing(path) => write!(f, "it lacks `{}`", shown(path)),
            Void::Unreadable(path) => write!(f, "`{}` is not what a file or folder of the log is made of", shown(path)),
            Void::PolicyChanged(path) => write!(f, "it changes the policy in `{}`", shown(path)),
            Void::PolicyDigest(path) => {
                write!(f, "the policy files in `{}` do not have the digest that their line names", shown(path))
            }
            Void::PolicyFiles(path) => write!(f, "there are too many policy files in `{}`", shown(path)),
            Void::PolicySize(path) => write!(f, "the policy files in `{}` are too large", shown(path)),
        }
    }
}

/// A path as it is shown: names come from whoever pushed the commit, with any bytes and of any length.
fn shown(path: &str) -> String {
    const LONGEST: usize = 200;
    let shown: String = path.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if path.chars().nth(LONGEST).is_some() { shown + "…" } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_can_not_write_to_the_terminal() {
        let text = Void::Stray(format!("audit/\u{1b}[2J\u{202e}{}", "x".repeat(1000))).to_string();
        assert!(text.starts_with("it holds `audit/\\u{1b}[2J\\u{202e}xxx"), "{text}");
        assert!(text.len() < 300 && text.contains("x…`"), "{text}");
    }
}
