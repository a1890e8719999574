//! stub
use std::str::FromStr;
/// stub
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern(String);
impl Pattern {
    /// s
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// s
    pub fn matches(&self, _r: &crate::core::name::Resource) -> bool {
        true
    }
}
impl FromStr for Pattern {
    type Err = ();
    fn from_str(s: &str) -> Result<Self, ()> {
        Ok(Pattern(s.to_owned()))
    }
}
