//! Names: of identities, groups, rules, actions, and the segments of resources.
//!
//! A name is `[a-z0-9][a-z0-9._-]{0,63}`, ASCII only, so that no two names look alike. Everything that carries a
//! [`Name`] or a [`Resource`] has been checked once, at the edge, and is not checked again.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The longest name, in bytes.
pub const MAX_NAME_LEN: usize = 64;
/// The longest resource or pattern, in bytes.
pub const MAX_RESOURCE_LEN: usize = 512;
/// The most segments a resource or pattern may have.
pub const MAX_SEGMENTS: usize = 16;

/// A checked name; cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

impl Name {
    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The action of a request that names none: `access`.
    pub fn access() -> Name {
        Name(Arc::from("access"))
    }
}

/// Tells whether `text` is a name.
pub fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    let starts_well = bytes.next().is_some_and(|first| first.is_ascii_lowercase() || first.is_ascii_digit());
    starts_well && text.len() <= MAX_NAME_LEN && bytes.all(is_name_byte)
}

/// Tells whether `byte` may stand in a name after its first byte.
pub(crate) fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-')
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Name, NameError> {
        if is_name(text) { Ok(Name(Arc::from(text))) } else { Err(NameError::explain(text)) }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// Why a text is not a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameError {
    /// There is no text.
    Empty,
    /// It is longer than [`MAX_NAME_LEN`] bytes.
    TooLong(usize),
    /// It starts with `.`, `_` or `-`.
    Start(char),
    /// It holds a character that no name may hold; the place is counted from 1, in characters.
    Character(char, usize),
}

impl NameError {
    fn explain(text: &str) -> NameError {
        let bad = text.chars().enumerate().find(|(_, c)| !u8::try_from(*c).is_ok_and(is_name_byte));
        match (text.chars().next(), bad) {
            (None, _) => NameError::Empty,
            (_, Some((index, c))) => NameError::Character(c, index + 1),
            _ if text.len() > MAX_NAME_LEN => NameError::TooLong(text.len()),
            (Some(first), None) => NameError::Start(first),
        }
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NameError::Empty => write!(f, "a name can't be empty"),
            NameError::TooLong(len) => write!(f, "a name has at most {MAX_NAME_LEN} bytes, this one has {len}"),
            NameError::Start(c) => write!(f, "a name starts with a letter or a digit, not `{c}`"),
            NameError::Character(c, at) => {
                write!(f, "a name holds only a-z, 0-9, `.`, `_` and `-`, not `{}` (character {at})", c.escape_debug())
            }
        }
    }
}

impl std::error::Error for NameError {}

/// What is accessed: 1 to [`MAX_SEGMENTS`] names joined by `/`, [`MAX_RESOURCE_LEN`] bytes at most.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resource(Arc<str>);

impl Resource {
    /// Returns the resource as text, such as `db/prod/orders`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Iterates over the segments, first to last.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }
}

/// Tells whether `text` is a resource.
pub fn is_resource(text: &str) -> bool {
    check_resource(text).is_ok()
}

fn check_resource(text: &str) -> Result<(), ResourceError> {
    if text.len() > MAX_RESOURCE_LEN {
        return Err(ResourceError::TooLong(text.len()));
    }
    let mut count = 0;
    for segment in text.split('/') {
        count += 1;
        if count > MAX_SEGMENTS {
            return Err(ResourceError::TooManySegments);
        }
        if !is_name(segment) {
            return Err(ResourceError::Segment(segment.to_owned(), NameError::explain(segment)));
        }
    }
    Ok(())
}

impl FromStr for Resource {
    type Err = ResourceError;

    fn from_str(text: &str) -> Result<Resource, ResourceError> {
        check_resource(text).map(|()| Resource(Arc::from(text)))
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// Why a text is not a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResourceError {
    /// It is longer than [`MAX_RESOURCE_LEN`] bytes.
    TooLong(usize),
    /// It has more than [`MAX_SEGMENTS`] segments.
    TooManySegments,
    /// A segment, quoted here, is no name.
    Segment(String, NameError),
}

impl fmt::Display for ResourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ResourceError::TooLong(len) => {
                write!(f, "a resource has at most {MAX_RESOURCE_LEN} bytes, this one has {len}")
            }
            ResourceError::TooManySegments => write!(f, "a resource has at most {MAX_SEGMENTS} segments"),
            ResourceError::Segment(_, NameError::Empty) => {
                write!(f, "a resource has no empty segment: no `/` at an end, no `//`")
            }
            ResourceError::Segment(segment, why) => write!(f, "segment `{}`: {why}", segment.escape_debug()),
        }
    }
}

impl std::error::Error for ResourceError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_and_names_that_are_not() {
        for good in ["a", "0", "alice", "web-1", "a.b_c-d", &"a".repeat(64)] {
            assert_eq!(good.parse::<Name>().map(|name| name.to_string()), Ok(good.to_owned()));
        }
        for bad in
            ["", "-a", ".a", "_a", "A", "a b", "а", "ı", "K", "a\u{200b}", "a\n", "a/b", "a*", "é", &"a".repeat(65)]
        {
            assert!(bad.parse::<Name>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn resources_that_are_and_resources_that_are_not() {
        let sixteen = ["a"; 16].join("/");
        let long = ["a".repeat(63).as_str(); 8].join("/");
        assert_eq!(long.len(), 511);
        for good in ["a", "db/prod/orders", &sixteen, &long] {
            assert!(good.parse::<Resource>().is_ok(), "{good:?}");
        }
        let seventeen = ["a"; 17].join("/");
        let over = format!("{long}/a");
        for bad in ["", "/", "a/", "/a", "a//b", "..", "a/../b", "a/%2f", "a/*", "A", &seventeen, &over] {
            assert!(bad.parse::<Resource>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn errors_name_the_place() {
        let error = "alicе".parse::<Name>().unwrap_err();
        assert_eq!(error, NameError::Character('е', 5));
        assert!("-a".parse::<Name>().unwrap_err().to_string().contains("starts with"));
    }
}
