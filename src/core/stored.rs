//! How checked values are kept in a store: as the text that people write them in, and checked again when they are read.

use std::fmt::{self, Display};
use std::sync::Arc;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::hash::Hash;
use super::key::PublicKey;
use super::ledger::{Loaded, PolicyRecord};
use super::name::{Name, Resource};
use super::pattern::Pattern;
use super::policy::{Policy, ReasonPattern, Selector, TimeOfDay};
use super::statement::{Bind, LockdownSubject};
use super::time::{Duration, Timestamp};
use super::zone::Zone;

/// Reads a text, and hands it on as it stands in the store, without a copy: an index is read by the thousand records.
struct Text<F>(F);

impl<T, E: Display, F: FnOnce(&str) -> Result<T, E>> Visitor<'_> for Text<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a text")
    }

    fn visit_str<D: serde::de::Error>(self, text: &str) -> Result<T, D> {
        (self.0)(text).map_err(D::custom)
    }
}

/// Keeps each of these types as its text.
macro_rules! stored_as_text {
    ($($kind:ty),+) => {$(
        impl Serialize for $kind {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $kind {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$kind, D::Error> {
                deserializer.deserialize_str(Text(str::parse))
            }
        }
    )+};
}

stored_as_text!(Hash, Name, Resource, Pattern, Timestamp, Bind, LockdownSubject, Selector, TimeOfDay, Zone);

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_secs().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let seconds = u64::deserialize(deserializer)?;
        Duration::from_secs(seconds).ok_or_else(|| serde::de::Error::custom("no duration of a statement"))
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_kept())
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    /// Reads a key that was checked when it was written; its point is looked at again where a signature is verified.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<PublicKey, D::Error> {
        deserializer.deserialize_str(Text(PublicKey::from_kept))
    }
}

impl Serialize for ReasonPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ReasonPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ReasonPattern, D::Error> {
        String::deserialize(deserializer).map(ReasonPattern::checked)
    }
}

/// What the log says of a policy as it is kept; its pieces are kept elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredPolicy {
    id: Hash,
    index: u64,
    version: u64,
    format: u64,
    /// Of its files, by which it is found.
    pub digest: Hash,
    commit: [u8; 20],
    at: Timestamp,
    signers: Vec<Name>,
    loaded: StoredLoaded,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum StoredLoaded {
    Policy,
    Broken(String),
    Unsupported,
}

impl From<&PolicyRecord> for StoredPolicy {
    fn from(record: &PolicyRecord) -> StoredPolicy {
        StoredPolicy {
            id: record.id,
            index: record.index,
            version: record.version,
            format: record.format,
            digest: record.digest,
            commit: record.commit,
            at: record.at,
            signers: record.signers.clone(),
            loaded: match &record.loaded {
                Loaded::Policy(_) => StoredLoaded::Policy,
                Loaded::Broken(why) => StoredLoaded::Broken(why.clone()),
                Loaded::Unsupported => StoredLoaded::Unsupported,
            },
        }
    }
}

impl StoredPolicy {
    /// Returns the record; `load` is asked for the policy of these files, if it is one that loads, and says what it can't.
    ///
    /// # Errors
    /// What `load` says.
    pub fn into_record<E>(self, load: impl FnOnce(&Hash) -> Result<Arc<Policy>, E>) -> Result<PolicyRecord, E> {
        let loaded = match self.loaded {
            StoredLoaded::Policy => Loaded::Policy(load(&self.digest)?),
            StoredLoaded::Broken(why) => Loaded::Broken(why),
            StoredLoaded::Unsupported => Loaded::Unsupported,
        };
        Ok(PolicyRecord {
            id: self.id,
            index: self.index,
            version: self.version,
            format: self.format,
            digest: self.digest,
            commit: self.commit,
            at: self.at,
            signers: self.signers,
            loaded,
        })
    }
}
