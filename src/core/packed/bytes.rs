//! The bytes of a packed record, one thing after the other.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::Deserialize as _;
use serde::de::IntoDeserializer;
use serde::de::value::Error as NoCode;

use super::Damaged;
use crate::core::hash::Hash;
use crate::core::key::PublicKey;
use crate::core::name::{Name, Resource};
use crate::core::reason::Code;
use crate::core::time::{Duration, Timestamp};

/// How many words of each kind are shared; what comes after them is spelled out in each record. It is far more than an
/// organisation has people, and whoever makes up words costs no more than what they say.
const MOST: usize = 8192;

/// The words that records share, each known by its number from when it first came.
#[derive(Clone, Debug, Default)]
pub struct Words {
    /// How many of each kind are taken in.
    most: usize,
    names: Table<Name>,
    resources: Table<Resource>,
    keys: Table<PublicKey>,
    hashes: Table<Hash>,
}

impl Words {
    /// Returns the words of records that can be read one without the other: there are none, and there will be none.
    pub fn none() -> Words {
        Words::default()
    }

    /// Returns the words of records that stand together: none yet.
    pub fn shared() -> Words {
        Words { most: MOST, ..Words::default() }
    }
}

#[derive(Clone, Debug)]
struct Table<T> {
    words: Vec<T>,
    numbers: BTreeMap<T, usize>,
}

impl<T> Default for Table<T> {
    fn default() -> Table<T> {
        Table { words: Vec::new(), numbers: BTreeMap::new() }
    }
}

impl<T: Ord + Clone> Table<T> {
    /// Returns the number of a word; none where it has none, and there is no room for more than `most`.
    fn number(&mut self, word: &T, most: usize) -> Option<usize> {
        if let Some(number) = self.numbers.get(word) {
            return Some(*number);
        }
        let number = self.words.len();
        if number >= most {
            return None;
        }
        self.words.push(word.clone());
        self.numbers.insert(word.clone(), number);
        Some(number)
    }
}

/// The words that one record spells out, in the order in which they come.
struct Spelled<T>(Vec<T>);

impl<T> Default for Spelled<T> {
    fn default() -> Spelled<T> {
        Spelled(Vec::new())
    }
}

#[derive(Default)]
struct AllSpelled {
    names: Spelled<Name>,
    resources: Spelled<Resource>,
    keys: Spelled<PublicKey>,
    hashes: Spelled<Hash>,
}

/// Writes a record.
pub(super) struct Writer<'a> {
    bytes: Vec<u8>,
    words: &'a mut Words,
    spelled: AllSpelled,
}

impl<'a> Writer<'a> {
    pub(super) fn new(words: &'a mut Words) -> Writer<'a> {
        Writer { bytes: Vec::with_capacity(256), words, spelled: AllSpelled::default() }
    }

    pub(super) fn finish(self) -> Box<[u8]> {
        Box::from(self.bytes.as_slice())
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    pub(super) fn number(&mut self, number: u64) {
        put_number(&mut self.bytes, number);
    }

    /// Writes how far `place` is after `own`, or before it.
    pub(super) fn place_after(&mut self, own: u64, place: u64) {
        let difference = place.wrapping_sub(own).cast_signed();
        self.number(zigzag(difference));
    }

    pub(super) fn instant(&mut self, at: Timestamp) {
        self.number(at.unix().cast_unsigned());
    }

    /// Writes how far `at` is after `own`, or before it.
    pub(super) fn instant_after(&mut self, own: Timestamp, at: Timestamp) {
        self.number(zigzag(at.unix().wrapping_sub(own.unix())));
    }

    pub(super) fn duration(&mut self, duration: Duration) {
        self.number(u64::from(duration.as_secs()));
    }

    pub(super) fn hash(&mut self, hash: &Hash) {
        self.bytes.extend(hash.0);
    }

    pub(super) fn text(&mut self, text: &str) {
        put_text(&mut self.bytes, text);
    }

    pub(super) fn list<T>(&mut self, list: &[T], mut put: impl FnMut(&mut Self, &T)) {
        self.number(list.len() as u64);
        list.iter().for_each(|item| put(self, item));
    }

    pub(super) fn name(&mut self, name: &Name) {
        let shared = self.words.names.number(name, self.words.most);
        put_word(&mut self.bytes, name, shared, &mut self.spelled.names, |to, name| put_text(to, name.as_str()));
    }

    pub(super) fn resource(&mut self, resource: &Resource) {
        let shared = self.words.resources.number(resource, self.words.most);
        let put = |to: &mut Vec<u8>, resource: &Resource| put_text(to, resource.as_str());
        put_word(&mut self.bytes, resource, shared, &mut self.spelled.resources, put);
    }

    pub(super) fn key(&mut self, key: &PublicKey) {
        let shared = self.words.keys.number(key, self.words.most);
        put_word(&mut self.bytes, key, shared, &mut self.spelled.keys, |to, key| {
            to.extend(key.point());
            // A key without an application is another than one whose application is empty.
            put_number(to, key.application().map_or(0, |text| text.len() as u64 + 1));
            to.extend(key.application().unwrap_or_default().as_bytes());
        });
    }

    pub(super) fn hash_word(&mut self, hash: &Hash) {
        let shared = self.words.hashes.number(hash, self.words.most);
        put_word(&mut self.bytes, hash, shared, &mut self.spelled.hashes, |to, hash| to.extend(hash.0));
    }
}

fn put_number(to: &mut Vec<u8>, number: u64) {
    let mut rest = number;
    while let Some(byte) = u8::try_from(rest & 0x7f).ok().filter(|_| rest > 0x7f) {
        to.push(byte | 0x80);
        rest >>= 7;
    }
    to.extend(u8::try_from(rest));
}

fn put_text(to: &mut Vec<u8>, text: &str) {
    put_number(to, text.len() as u64);
    to.extend(text.as_bytes());
}

/// Writes a word: by its number among those that are shared, an odd one; by its number among those that this record spells
/// out, an even one; or 0 and itself.
fn put_word<T: PartialEq + Clone>(
    to: &mut Vec<u8>,
    word: &T,
    shared: Option<usize>,
    spelled: &mut Spelled<T>,
    put: impl Fn(&mut Vec<u8>, &T),
) {
    match (shared, spelled.0.iter().position(|known| known == word)) {
        (Some(number), _) => put_number(to, number as u64 * 2 + 1),
        (None, Some(number)) => put_number(to, number as u64 * 2 + 2),
        (None, None) => {
            put_number(to, 0);
            put(to, word);
            spelled.0.push(word.clone());
        }
    }
}

/// Small numbers for what is near, before or after.
fn zigzag(difference: i64) -> u64 {
    ((difference << 1) ^ (difference >> 63)).cast_unsigned()
}

fn from_zigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

/// Reads a record.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    words: &'a Words,
    spelled: AllSpelled,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8], words: &'a Words) -> Reader<'a> {
        Reader { rest: bytes, words, spelled: AllSpelled::default() }
    }

    /// Sees that nothing is left.
    pub(super) fn end(&self) -> Result<(), Damaged> {
        if self.rest.is_empty() { Ok(()) } else { Err(Damaged) }
    }

    pub(super) fn byte(&mut self) -> Result<u8, Damaged> {
        let (first, rest) = self.rest.split_first().ok_or(Damaged)?;
        self.rest = rest;
        Ok(*first)
    }

    pub(super) fn number(&mut self) -> Result<u64, Damaged> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            // What does not fit, or is written longer than it need be, was not written by us.
            if bits << shift >> shift != bits || (byte == 0 && shift > 0) {
                return Err(Damaged);
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Damaged)
    }

    pub(super) fn place_after(&mut self, own: u64) -> Result<u64, Damaged> {
        Ok(own.wrapping_add_signed(from_zigzag(self.number()?)))
    }

    pub(super) fn instant(&mut self) -> Result<Timestamp, Damaged> {
        checked_instant(self.number()?.cast_signed())
    }

    pub(super) fn instant_after(&mut self, own: Timestamp) -> Result<Timestamp, Damaged> {
        checked_instant(own.unix().wrapping_add(from_zigzag(self.number()?)))
    }

    pub(super) fn duration(&mut self) -> Result<Duration, Damaged> {
        Duration::from_secs(self.number()?).ok_or(Damaged)
    }

    pub(super) fn hash(&mut self) -> Result<Hash, Damaged> {
        let (hash, rest) = self.rest.split_first_chunk().ok_or(Damaged)?;
        self.rest = rest;
        Ok(Hash(*hash))
    }

    pub(super) fn text(&mut self) -> Result<&'a str, Damaged> {
        let length = self.number()?;
        self.text_of(length)
    }

    fn text_of(&mut self, length: u64) -> Result<&'a str, Damaged> {
        let length = usize::try_from(length).map_err(|_| Damaged)?;
        let (text, rest) = self.rest.split_at_checked(length).ok_or(Damaged)?;
        self.rest = rest;
        std::str::from_utf8(text).map_err(|_| Damaged)
    }

    /// Reads a list. Each item takes a byte at least, so no more is made room for than there is.
    pub(super) fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> Result<T, Damaged>) -> Result<Vec<T>, Damaged> {
        let length = self.number()?;
        let mut list = Vec::new();
        for _ in 0..length {
            list.push(read(self)?);
        }
        Ok(list)
    }

    pub(super) fn code(&mut self) -> Result<Code, Damaged> {
        let text = self.text()?;
        Code::deserialize(IntoDeserializer::<NoCode>::into_deserializer(text)).map_err(|_| Damaged)
    }

    pub(super) fn name(&mut self) -> Result<Name, Damaged> {
        self.word(|words| &words.names, |spelled| &mut spelled.names, Reader::checked)
    }

    pub(super) fn resource(&mut self) -> Result<Resource, Damaged> {
        self.word(|words| &words.resources, |spelled| &mut spelled.resources, Reader::checked)
    }

    pub(super) fn key(&mut self) -> Result<PublicKey, Damaged> {
        let read = |from: &mut Reader<'_>| {
            let point = from.hash()?;
            let application = match from.number()?.checked_sub(1) {
                Some(length) => Some(from.text_of(length)?),
                None => None,
            };
            PublicKey::from_parts_kept(point.0, application).map_err(|_| Damaged)
        };
        self.word(|words| &words.keys, |spelled| &mut spelled.keys, read)
    }

    pub(super) fn hash_word(&mut self) -> Result<Hash, Damaged> {
        self.word(|words| &words.hashes, |spelled| &mut spelled.hashes, Reader::hash)
    }

    fn checked<T: FromStr>(&mut self) -> Result<T, Damaged> {
        self.text()?.parse().map_err(|_| Damaged)
    }

    fn word<T: Clone + 'a>(
        &mut self,
        shared: impl Fn(&'a Words) -> &'a Table<T>,
        spelled: impl Fn(&mut AllSpelled) -> &mut Spelled<T>,
        read: impl Fn(&mut Self) -> Result<T, Damaged>,
    ) -> Result<T, Damaged> {
        let number = self.number()?;
        let Some(number) = number.checked_sub(1) else {
            let word = read(self)?;
            spelled(&mut self.spelled).0.push(word.clone());
            return Ok(word);
        };
        let place = usize::try_from(number / 2).map_err(|_| Damaged)?;
        let known = if number % 2 == 0 { &shared(self.words).words } else { &spelled(&mut self.spelled).0 };
        known.get(place).cloned().ok_or(Damaged)
    }
}

fn checked_instant(seconds: i64) -> Result<Timestamp, Damaged> {
    let at = Timestamp::from_unix(seconds);
    if at.unix() == seconds { Ok(at) } else { Err(Damaged) }
}
