//! From TOML to values with places: the part of reading that knows types but not meaning.
//!
//! The `toml` crate parses a file into tables whose keys and values know their bytes, going on after an error. A
//! [`Reader`] then takes values out of them. Each of its functions notes what is wrong and returns what could be read,
//! so its callers just go on: whether the policy loads is decided at the end, by whether anything was noted.
//!
//! The TOML is version 1.1 as the crate reads it, with at most 80 levels of nesting; a byte order mark is taken.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::{Range, RangeInclusive};
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::core::name::Name;

use super::diagnostic::{escape, quoted};
use super::findings::{At, Findings};
use super::model::Selector;

/// The largest file that is read, in bytes; parsed, a file takes up to eighty times its size.
pub(super) const MAX_FILE_BYTES: usize = 4 * 1024 * 1024;

pub(super) type Value<'t> = Spanned<DeValue<'t>>;

/// A kind of table that has its name in its header, and the keys it may hold.
pub(super) struct Section {
    /// The first part of the header.
    pub(super) name: &'static str,
    /// What one such table is, for messages, as in "a rule".
    pub(super) what: &'static str,
    /// All keys.
    pub(super) keys: &'static [&'static str],
}

/// What a value is, for a message about it.
#[derive(Clone, Copy)]
pub(super) enum What<'a> {
    /// The value of the key of this name.
    Key(&'a str),
    /// An entry of the list under this key.
    EntryOf(&'a str),
}

impl fmt::Display for What<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Key(key) => f.write_str(&quoted(key)),
            What::EntryOf(key) => write!(f, "each entry of {}", quoted(key)),
        }
    }
}

/// One table of a [`Section`].
pub(super) struct Declared<'v, 't> {
    pub(super) name: Name,
    /// Where its name stands.
    pub(super) at: At,
    pub(super) table: &'v DeTable<'t>,
}

/// Reads values of one file and notes what is wrong with them.
pub(super) struct Reader<'f, 'a> {
    pub(super) file: usize,
    pub(super) text: &'a str,
    pub(super) findings: &'f mut Findings<'a>,
}

impl<'f, 'a> Reader<'f, 'a> {
    /// Parses a file; none if it has to be repaired before anything in it means something.
    pub(super) fn open(
        findings: &'f mut Findings<'a>,
        file: usize,
        content: &'a [u8],
    ) -> Option<(Reader<'f, 'a>, DeTable<'a>)> {
        if content.len() > MAX_FILE_BYTES {
            let message = format!("the file has {} bytes, at most {MAX_FILE_BYTES} are read", content.len());
            findings.file_error(file, message, Some("split it into several files".to_owned()));
            return None;
        }
        let text = match str::from_utf8(content) {
            Ok(text) => text,
            Err(error) => {
                let start = error.valid_up_to();
                let bytes = start..start + error.error_len().unwrap_or(content.len() - start);
                findings.error(&At { file, bytes }, "the file is not UTF-8", None);
                return None;
            }
        };
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            let bytes = error.span().unwrap_or(text.len()..text.len());
            let message = match (error.message(), text.get(bytes.clone())) {
                ("duplicate key", Some(key)) => format!("{} is there already", quoted(key)),
                (message, _) => escape(message),
            };
            findings.error(&At { file, bytes }, message, None);
        }
        errors.is_empty().then(|| (Reader { file, text, findings }, table.into_inner()))
    }

    pub(super) fn at(&self, bytes: Range<usize>) -> At {
        At { file: self.file, bytes }
    }

    pub(super) fn error(&mut self, bytes: Range<usize>, message: impl Into<String>, help: Option<String>) {
        self.findings.error(&At { file: self.file, bytes }, message, help);
    }

    /// Notes the keys of `table` that it may not hold; `what` says whose keys they are, as in "a rule".
    pub(super) fn check_keys(&mut self, what: &str, table: &DeTable<'_>, keys: &[&str]) {
        for key in table.keys() {
            if !keys.contains(&&**key.get_ref()) {
                self.unknown_key(what, key, keys);
            }
        }
    }

    /// Notes a key that is none of `keys`.
    pub(super) fn unknown_key(&mut self, what: &str, key: &Spanned<impl AsRef<str>>, keys: &[&str]) {
        let text = key.get_ref().as_ref();
        let help = self.findings.nearest(text, keys.iter().copied());
        let help = help.unwrap_or_else(|| format!("{what} may hold {}", keys.join(", ")));
        self.error(key.span(), format!("unknown key {} in {what}", quoted(text)), Some(help));
    }

    /// Reads all tables of a section, and checks their names and keys.
    ///
    /// A dotted name without quotes makes a table inside a table; this is told, and the dotted name is added to
    /// `excused`, so that nobody is told as well that it does not exist.
    pub(super) fn section<'v, 't>(
        &mut self,
        section: &Section,
        value: &'v Value<'t>,
        excused: &mut BTreeSet<String>,
    ) -> Vec<Declared<'v, 't>> {
        let mut declared = Vec::new();
        let Some(tables) = self.table(What::Key(section.name), value) else { return declared };
        for (key, value) in tables {
            let name = key.get_ref().parse::<Name>();
            if let Err(why) = &name {
                self.error(key.span(), format!("{}: {why}", quoted(key.get_ref())), None);
            }
            let Some(table) = self.table(What::Key(key.get_ref()), value) else { continue };
            let mut forgotten = false;
            for (inner, value) in table {
                match self.dotted(section, inner.get_ref(), value) {
                    Some(rest) => {
                        self.forgotten_quotes(section, inner.span(), &format!("{}.{rest}", key.get_ref()), excused);
                        forgotten = true;
                    }
                    None if section.keys.contains(&&**inner.get_ref()) => {}
                    None => self.unknown_key(section.what, inner, section.keys),
                }
            }
            if forgotten {
                excused.insert(key.get_ref().to_string());
            } else if let Ok(name) = name {
                declared.push(Declared { name, at: self.at(key.span()), table });
            }
        }
        declared
    }

    /// Tells whether `key` in a table of `section` comes from a header like `[identity.a.b]`; returns `b` then.
    fn dotted(&self, section: &Section, key: &str, value: &Value<'_>) -> Option<String> {
        let table = value.get_ref().as_table()?;
        if self.text.get(value.span()).is_some_and(|text| text.starts_with('[')) {
            // `[rule.change.reason]` is the reason of a rule, unless it holds what only a rule holds.
            let holds = |keys: &[&str]| table.keys().any(|inner| keys.contains(&&**inner.get_ref()));
            return (!section.keys.contains(&key) || holds(section.keys)).then(|| key.to_owned());
        }
        // The table of `[identity.a.b.c]` is in `b`, which has no header of its own.
        let deeper = table.iter().find_map(|(inner, value)| self.dotted(section, inner.get_ref(), value))?;
        Some(format!("{key}.{deeper}"))
    }

    fn forgotten_quotes(&mut self, section: &Section, at: Range<usize>, name: &str, excused: &mut BTreeSet<String>) {
        let message = format!("{} without quotes is not one name but tables inside each other", quoted(name));
        let help = format!("write `[{}.\"{}\"]`", section.name, escape(name));
        self.error(at, message, Some(help));
        excused.insert(name.to_owned());
    }

    /// Returns a key's value; notes that it is missing at `owner`, or for the whole file if there is none.
    pub(super) fn required<'v, 't>(
        &mut self,
        table: &'v DeTable<'t>,
        key: &str,
        owner: Option<(&str, &At)>,
        example: &str,
    ) -> Option<&'v Value<'t>> {
        let value = table.get(key);
        if value.is_none() {
            let help = Some(format!("write for example `{example}`"));
            match owner {
                Some((what, at)) => self.findings.error(at, format!("{what} needs `{key}`"), help),
                None => self.findings.file_error(self.file, format!("`{key}` is missing"), help),
            }
        }
        value
    }

    fn mismatch(&mut self, what: What<'_>, value: &Value<'_>, expected: &str) {
        let found = match value.get_ref() {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a fraction",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.error(value.span(), format!("{what} must be {expected}, this is {found}"), None);
    }

    pub(super) fn table<'v, 't>(&mut self, what: What<'_>, value: &'v Value<'t>) -> Option<&'v DeTable<'t>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.mismatch(what, value, "a table");
        }
        table
    }

    pub(super) fn text<'v>(&mut self, what: What<'_>, value: &'v Value<'_>) -> Option<&'v str> {
        let text = value.get_ref().as_str();
        if text.is_none() {
            self.mismatch(what, value, "a text in quotes");
        }
        text
    }

    /// Reads a text of a form, such as a name or a duration.
    pub(super) fn parsed<T>(&mut self, what: What<'_>, value: &Value<'_>) -> Option<T>
    where
        T: FromStr,
        T::Err: fmt::Display,
    {
        let text = self.text(what, value)?;
        let parsed = text.parse();
        parsed.map_err(|why: T::Err| self.error(value.span(), format!("{}: {why}", quoted(text)), None)).ok()
    }

    pub(super) fn boolean(&mut self, what: What<'_>, value: &Value<'_>) -> Option<bool> {
        let known = value.get_ref().as_bool();
        if known.is_none() {
            self.mismatch(what, value, "true or false");
        }
        known
    }

    /// Reads a whole number within a range; an end of `u64::MAX` is none.
    pub(super) fn number(&mut self, what: What<'_>, value: &Value<'_>, range: RangeInclusive<u64>) -> Option<u64> {
        let number = match value.get_ref() {
            DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => {
                self.mismatch(what, value, "a whole number");
                return None;
            }
        };
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            let (least, most) = (range.start(), range.end());
            let message = match most {
                _ if least == most => format!("{what} must be {least}"),
                &u64::MAX => format!("{what} must be at least {least}"),
                most => format!("{what} must be from {least} to {most}"),
            };
            self.error(value.span(), message, None);
        }
        number
    }

    /// Reads a list that holds something.
    pub(super) fn list<'v, 't>(&mut self, key: &str, value: &'v Value<'t>) -> Option<&'v [Value<'t>]> {
        let list = self.list_or_none(key, value)?;
        if list.is_empty() {
            self.error(value.span(), format!("`{key}` is an empty list"), None);
        }
        Some(list)
    }

    /// Reads a list that may be empty.
    pub(super) fn list_or_none<'v, 't>(&mut self, key: &str, value: &'v Value<'t>) -> Option<&'v [Value<'t>]> {
        match value.get_ref() {
            DeValue::Array(list) => Some(list),
            _ => {
                self.mismatch(What::Key(key), value, "a list");
                None
            }
        }
    }

    /// Reads the entries of a list as values of a form, none of them twice.
    pub(super) fn entries<T>(&mut self, key: &str, list: &[Value<'_>]) -> Vec<(T, At)>
    where
        T: FromStr + fmt::Display + Ord + Clone,
        T::Err: fmt::Display,
    {
        let mut seen = BTreeSet::new();
        let mut entries = Vec::new();
        for value in list {
            let Some(entry) = self.parsed::<T>(What::EntryOf(key), value) else { continue };
            if seen.insert(entry.clone()) {
                entries.push((entry, self.at(value.span())));
            } else {
                self.error(value.span(), format!("`{entry}` is twice in `{key}`"), None);
            }
        }
        entries
    }

    /// Reads a list of identities, groups and rotations by name.
    pub(super) fn named(&mut self, key: &str, list: &[Value<'_>]) -> Vec<(Selector, At)> {
        let mut entries = self.entries::<Selector>(key, list);
        entries.retain(|(selector, at)| {
            let is_named = !matches!(selector, Selector::Kind(_));
            if !is_named {
                let message = format!("`{selector}` does not stand in `{key}`: name people, services or groups");
                self.findings.error(at, message, None);
            }
            is_named
        });
        entries
    }
}
