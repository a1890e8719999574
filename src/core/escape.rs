//! Text from others, made fit to be shown: on a terminal, in a table's cell, in a spreadsheet.
//!
//! Anyone who may push can put any text into a reason or a file, so whatever is printed goes through [`escape`] first:
//! nothing that moves the cursor, turns the direction of writing, or can't be seen gets through as itself. Letters of
//! every script stay as they are. A hidden character shows as `\u{202e}`, its number in hex; a text that holds
//! those very eight letters looks the same, and is as harmless.

use std::borrow::Cow;
use std::ops::RangeInclusive;

/// What never reaches a terminal as itself, in order: what has no glyph of its own (Unicode's `Default_Ignorable`,
/// `Cc`, `Zl`, `Zp` and the format characters of `Cf` that steer layout), and what any font may draw as anything
/// (private use, `Co`). Arabic and Kaithi number signs are `Cf` too, but are seen, and stay. What no version of
/// Unicode has assigned yet stays unless it is set aside to be ignored: it may be a letter tomorrow, and today shows
/// as a box.
const HIDDEN: [RangeInclusive<char>; 25] = [
    '\0'..='\u{1f}',            // C0: ESC, CR, LF, BS, TAB
    '\u{7f}'..='\u{9f}',        // DEL and C1, whose U+009B is ESC [ in one
    '\u{ad}'..='\u{ad}',        // soft hyphen
    '\u{34f}'..='\u{34f}',      // combining grapheme joiner
    '\u{61c}'..='\u{61c}',      // Arabic letter mark (direction)
    '\u{115f}'..='\u{1160}',    // Hangul fillers
    '\u{17b4}'..='\u{17b5}',    // Khmer inherent vowels
    '\u{180b}'..='\u{180f}',    // Mongolian variation selectors and vowel separator
    '\u{200b}'..='\u{200f}',    // zero-width space, non-joiner and joiner; left-to-right and right-to-left marks
    '\u{2028}'..='\u{202e}',    // line and paragraph separators; embeddings and overrides of direction
    '\u{2060}'..='\u{206f}',    // word joiner, invisible operators, isolates of direction
    '\u{2800}'..='\u{2800}',    // blank Braille pattern
    '\u{3164}'..='\u{3164}',    // Hangul filler
    '\u{e000}'..='\u{f8ff}',    // private use
    '\u{fdd0}'..='\u{fdef}',    // noncharacters
    '\u{fe00}'..='\u{fe0f}',    // variation selectors
    '\u{feff}'..='\u{feff}',    // zero-width no-break space, the byte order mark
    '\u{ffa0}'..='\u{ffa0}',    // half-width Hangul filler
    '\u{fff0}'..='\u{fffb}',    // set aside to be ignored; interlinear annotation
    '\u{fffe}'..='\u{ffff}',    // noncharacters
    '\u{13430}'..='\u{1343f}',  // layout of Egyptian hieroglyphs
    '\u{1bca0}'..='\u{1bca3}',  // layout of shorthand
    '\u{1d173}'..='\u{1d17a}',  // layout of music
    '\u{e0000}'..='\u{e0fff}',  // tags, variation selectors, set aside to be ignored
    '\u{f0000}'..='\u{10ffff}', // private use
];

fn is_hidden(c: char) -> bool {
    let ends_plane = u32::from(c) & 0xfffe == 0xfffe;
    ends_plane || HIDDEN.iter().any(|range| range.contains(&c))
}

/// Returns `text` as it may be printed to a terminal, on one line: hidden characters are shown by number.
pub fn escape(text: &str) -> Cow<'_, str> {
    // Most texts are as plain as that, and a list shows thousands.
    if text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) || !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        push_shown(&mut shown, c);
    }
    Cow::Owned(shown)
}

fn push_shown(shown: &mut String, c: char) {
    if is_hidden(c) { shown.extend(c.escape_unicode()) } else { shown.push(c) }
}

/// Returns `text` escaped, and cut to at most `width` characters, of which the last is then `…`.
///
/// Neither a character nor an escape is cut in two. A width of 0 gives nothing.
pub fn shorten(text: &str, width: usize) -> Cow<'_, str> {
    let whole = escape(text);
    if whole.chars().count() <= width {
        return whole;
    }
    let Some(room) = width.checked_sub(1) else { return Cow::Borrowed("") };
    let mut shown = String::new();
    let mut used = 0;
    for c in text.chars() {
        let before = shown.len();
        push_shown(&mut shown, c);
        used += shown.get(before..).map_or(0, |added| added.chars().count());
        if used > room {
            shown.truncate(before);
            break;
        }
    }
    shown.push('…');
    Cow::Owned(shown)
}

/// Returns `text` with every token in it cut to its prefix.
///
/// Whoever reads a token is let in, so one that was put where none belongs, such as among the arguments, is repeated in
/// no error: that may be kept in a job's output for all to see. What follows the prefix and is too short to prove
/// anything is taken for a name, and stays.
pub fn hide_tokens(text: &str) -> Cow<'_, str> {
    const PREFIX: &str = "jit1.";
    const SHORTEST: usize = 64;
    if !text.contains(PREFIX) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(PREFIX) {
        let others = after.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
        shown.extend([before, PREFIX]);
        if after.len() - others.len() < SHORTEST {
            rest = after;
        } else {
            shown.push('…');
            rest = others;
        }
    }
    Cow::Owned(shown + rest)
}

/// Returns `text` as a cell of a CSV file that a spreadsheet will not take for a formula.
///
/// A cell whose first character is one that starts a formula (`=`, `+`, `-`, `@`, their full-width forms), or is
/// dropped by a program that reads it (tab, line ends), gets a `'` before it. Blanks and hidden characters in front are
/// looked through, for some programs drop those as well. Quoting of commas and quotes is the CSV writer's.
pub fn csv_safe(text: &str) -> Cow<'_, str> {
    let starts_formula = |c| matches!(c, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠');
    let is_dropped = text.starts_with(['\t', '\r', '\n']);
    let first_seen = text.chars().find(|c| !c.is_whitespace() && !is_hidden(*c));
    if is_dropped || first_seen.is_some_and(starts_formula) {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_cut_and_names_stay() {
        let token = format!("jit1.{}-_9", "eyJ".repeat(40));
        for (text, shown) in [
            ("unexpected argument", "unexpected argument".to_owned()),
            ("`policies/jit1.toml`", "`policies/jit1.toml`".to_owned()),
            ("jit1.", "jit1.".to_owned()),
            (&*format!("'{token}' found"), "'jit1.…' found".to_owned()),
            (&*format!("{token}={token} jit1.x {token}"), "jit1.…=jit1.… jit1.x jit1.…".to_owned()),
            (&*format!("jit1.{token}"), "jit1.jit1.…".to_owned()),
        ] {
            assert_eq!(hide_tokens(text), shown);
        }
    }

    #[test]
    fn what_is_seen_stays() {
        for text in [
            "",
            "INC-7: orders are stuck, \"quoted\", `ticked`, back\\slash",
            "Zoë Łukasz Ωmega Иван 山田太郎 홍길동 שלום مرحبا हिन्दी ไทย",
            "e\u{301} combined, nbsp\u{a0}kept, 🙂, \u{fffd}",
        ] {
            assert!(matches!(escape(text), Cow::Borrowed(same) if same == text), "{text:?}");
        }
    }

    #[test]
    fn what_is_hidden_shows_by_number() {
        let table = [
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("a\r\nb\u{8}\tc\0", "a\\u{d}\\u{a}b\\u{8}\\u{9}c\\u{0}"),
            ("\u{7f}\u{9b}1A\u{9d}", "\\u{7f}\\u{9b}1A\\u{9d}"),
            ("\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}", "\\u{202a}\\u{202b}\\u{202c}\\u{202d}\\u{202e}"),
            ("\u{2066}\u{2067}\u{2068}\u{2069}", "\\u{2066}\\u{2067}\\u{2068}\\u{2069}"),
            ("\u{200e}\u{200f}\u{61c}", "\\u{200e}\\u{200f}\\u{61c}"),
            ("al\u{200b}ice\u{200c}\u{200d}\u{2060}\u{feff}", "al\\u{200b}ice\\u{200c}\\u{200d}\\u{2060}\\u{feff}"),
            ("\u{ad}\u{180e}\u{2028}\u{2029}", "\\u{ad}\\u{180e}\\u{2028}\\u{2029}"),
            ("\u{e0000}\u{e0041}\u{e007f}", "\\u{e0000}\\u{e0041}\\u{e007f}"),
            ("\u{fe00}\u{fe0f}\u{e0100}\u{e01ef}", "\\u{fe00}\\u{fe0f}\\u{e0100}\\u{e01ef}"),
            ("\u{fff9}\u{fffa}\u{fffb}", "\\u{fff9}\\u{fffa}\\u{fffb}"),
            ("\u{e000}\u{f0000}\u{ffff}\u{8fffe}", "\\u{e000}\\u{f0000}\\u{ffff}\\u{8fffe}"),
            ("\u{3164}\u{115f}\u{ffa0}\u{2800}", "\\u{3164}\\u{115f}\\u{ffa0}\\u{2800}"),
        ];
        for (text, shown) in table {
            assert_eq!(escape(text), shown);
        }
    }

    #[test]
    fn escaping_twice_is_escaping_once() {
        for c in ('\0'..='\u{2ffff}').chain('\u{e0000}'..='\u{e0fff}') {
            let text = c.to_string();
            let once = escape(&text);
            assert_eq!(escape(&once), once, "{c:?}");
            assert!(!c.is_control() || once.starts_with('\\'), "{c:?}");
            assert!(!c.is_ascii_graphic() || once == text, "{c:?}");
        }
    }

    #[test]
    fn ranges_are_in_order() {
        for pair in HIDDEN.windows(2) {
            assert!(pair[0].start() <= pair[0].end() && pair[0].end() < pair[1].start(), "{pair:?}");
        }
    }

    #[test]
    fn cuts_keep_characters_and_escapes_whole() {
        let table = [
            ("orders", 6, "orders"),
            ("orders", 5, "orde…"),
            ("orders", 1, "…"),
            ("orders", 0, ""),
            ("", 0, ""),
            ("naïveté", 4, "naï…"),
            ("a\u{202e}b", 10, "a\\u{202e}b"),
            ("a\u{202e}bc", 10, "a\\u{202e}…"),
            ("a\u{202e}bc", 9, "a…"),
        ];
        for (text, width, shown) in table {
            assert_eq!(shorten(text, width), shown, "{text:?} in {width}");
        }
    }

    #[test]
    fn cells_are_no_formulas() {
        for text in
            ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx", "＝1", "＋1", "－1", "＠x", "  =1", "\u{feff}=1"]
        {
            assert_eq!(csv_safe(text), format!("'{text}"));
        }
        for text in ["", "INC-7", "1-1", "a=b", "'=1", "db/prod/orders", "  plain", "ünï"] {
            assert!(matches!(csv_safe(text), Cow::Borrowed(same) if same == text), "{text:?}");
        }
    }
}
