//! Hours of the week, as a wall clock in some zone shows them.
//!
//! `{ days = ["mon-fri"], from = "08:00", to = "18:00", tz = "Europe/Berlin" }` holds from 08:00 on, up to but not at
//! 18:00, on the days named. Where `to` is not after `from` it reaches past midnight and belongs to the day it starts.
//! What counts is the reading of the clock on the wall: an hour that is shown twice when clocks go back counts twice, one
//! that is skipped when they go forward does not come.
//!
//! Zones are those of [`Zone`].

use std::fmt;
use std::str::FromStr;

use chrono::{Datelike as _, NaiveDate, NaiveDateTime, TimeDelta, Timelike as _};
use serde::{Deserialize, Serialize};

use crate::core::time::Timestamp;
use crate::core::zone::Zone;

use super::findings::Findings;

const DAY: TimeDelta = TimeDelta::days(1);

/// One entry of `hours`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hours {
    /// The days on which it starts.
    pub days: Days,
    /// When it starts; never 24:00.
    pub from: TimeOfDay,
    /// When it has ended; not the same as `from`.
    pub to: TimeOfDay,
    /// Whose wall clock.
    pub tz: Zone,
}

impl Hours {
    /// Tells whether they hold at `now` (UTC).
    pub fn contain(&self, now: Timestamp) -> bool {
        let wall = self.tz.wall(now);
        let (today, second) = (wall.weekday(), wall.num_seconds_from_midnight());
        let (from, to) = (self.from.seconds(), self.to.seconds());
        let has_begun = second >= from && self.days.contains(today);
        if from < to {
            return has_begun && second < to;
        }
        has_begun || (second < to && self.days.contains(today.pred()))
    }

    /// Adds the instants of one UTC day at which what [`Hours::contain`] says may change.
    fn add_changes(&self, midnight: Timestamp, instants: &mut Vec<Timestamp>) {
        let next = midnight.shifted(DAY);
        let (first, last) = (self.tz.wall(midnight).date(), self.tz.wall(next).date());
        let dates = first.iter_days().take_while(|date| *date <= last);
        for wall in dates.flat_map(|date| [self.from, self.to].map(|time| time.on(date))).flatten() {
            let times = self.tz.instants(wall).into_iter().flat_map(|(first, last)| [first, last]);
            instants.extend(times.map(Timestamp::from_unix));
        }
        // Where clocks are put forward or back, the wall may jump over or back behind a start or an end.
        let changes = self.tz.changes_after(midnight.unix() - 1).take_while(|change| *change < next.unix());
        instants.extend(changes.map(Timestamp::from_unix));
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}-{} {}", self.days, self.from, self.to, self.tz)
    }
}

/// Tells whether one of `hours` holds at `now`.
pub fn any_contain(hours: &[Hours], now: Timestamp) -> bool {
    hours.iter().any(|hours| hours.contain(now))
}

/// Returns the first instant after `now` and before `limit` at which [`any_contain`] says something else than at `now`.
pub fn next_change(hours: &[Hours], now: Timestamp, limit: Timestamp) -> Option<Timestamp> {
    let holds = any_contain(hours, now);
    let mut midnight = Timestamp::from_unix(now.unix().div_euclid(86_400).saturating_mul(86_400));
    while midnight < limit {
        let mut instants = Vec::new();
        for hours in hours {
            hours.add_changes(midnight, &mut instants);
        }
        // What lies on other days is met again there, with all else of that day.
        let next = midnight.shifted(DAY);
        instants.retain(|instant| *instant > now && *instant < limit && (midnight..next).contains(instant));
        instants.sort_unstable();
        if let Some(change) = instants.into_iter().find(|instant| any_contain(hours, *instant) != holds) {
            return Some(change);
        }
        midnight = next;
    }
    None
}

/// Days of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Days(u8);

impl Days {
    /// All seven.
    pub const ANY: Days = Days(0b111_1111);

    /// Tells whether `day` is one of them.
    pub fn contains(self, day: chrono::Weekday) -> bool {
        self.0 & bit(day.num_days_from_monday()) != 0
    }

    /// Returns the days that are in either.
    pub(super) fn or(self, other: Days) -> Days {
        Days(self.0 | other.0)
    }
}

const DAY_NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

fn bit(days_from_monday: u32) -> u8 {
    1 << (days_from_monday % 7)
}

impl FromStr for Days {
    type Err = DaysError;

    /// Reads `mon`, or `mon-fri`; `fri-mon` goes over the weekend.
    fn from_str(text: &str) -> Result<Days, DaysError> {
        let day =
            |name: &str| DAY_NAMES.iter().position(|known| *known == name).and_then(|day| u32::try_from(day).ok());
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (first, last) = (day(first).ok_or(DaysError)?, day(last).ok_or(DaysError)?);
        let length = (last + 7 - first) % 7;
        Ok(Days((0..=length).fold(0, |days, step| days | bit(first + step))))
    }
}

impl fmt::Display for Days {
    /// Writes the days as runs from Monday on, such as `mon-wed,fri`; all of them as `any day`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Days::ANY {
            return f.write_str("any day");
        }
        let has = |day: usize| u32::try_from(day).is_ok_and(|day| day < 7 && self.0 & bit(day) != 0);
        let mut is_first = true;
        let mut day = 0;
        while day < 7 {
            let length = (day..7).take_while(|day| has(*day)).count();
            if let (Some(first), Some(last)) = (DAY_NAMES.get(day), DAY_NAMES.get((day + length).saturating_sub(1)))
                && length > 0
            {
                let comma = if is_first { "" } else { "," };
                match length {
                    1 => write!(f, "{comma}{first}")?,
                    _ => write!(f, "{comma}{first}-{last}")?,
                }
                is_first = false;
            }
            day += length.max(1);
        }
        Ok(())
    }
}

/// A text that names no days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DaysError;

impl fmt::Display for DaysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "days are written like mon, or mon-fri; the days are {}", DAY_NAMES.join(", "))
    }
}

impl std::error::Error for DaysError {}

/// A reading of a wall clock, to the minute: 00:00 to 24:00.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeOfDay(u16);

impl TimeOfDay {
    /// The end of a day.
    pub const END: TimeOfDay = TimeOfDay(24 * 60);

    fn seconds(self) -> u32 {
        u32::from(self.0) * 60
    }

    /// Returns the reading on a date; 24:00 is the next day's 00:00.
    pub(super) fn on(self, date: NaiveDate) -> Option<NaiveDateTime> {
        let date = if self == TimeOfDay::END { date.succ_opt()? } else { date };
        let minute = u32::from(self.0 % (24 * 60));
        date.and_hms_opt(minute / 60, minute % 60, 0)
    }
}

impl FromStr for TimeOfDay {
    type Err = TimeOfDayError;

    fn from_str(text: &str) -> Result<TimeOfDay, TimeOfDayError> {
        let digits = |text: &str| match text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit()) {
            true => text.parse::<u16>().ok(),
            false => None,
        };
        let (hour, minute) = text.split_once(':').ok_or(TimeOfDayError)?;
        match (digits(hour), digits(minute)) {
            (Some(hour @ 0..24), Some(minute @ 0..60)) | (Some(hour @ 24), Some(minute @ 0)) => {
                Ok(TimeOfDay(hour * 60 + minute))
            }
            _ => Err(TimeOfDayError),
        }
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

/// A text that is no reading of a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeOfDayError;

impl fmt::Display for TimeOfDayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a time of day is written like 08:00, from 00:00 to 24:00")
    }
}

impl std::error::Error for TimeOfDayError {}

/// Returns the zone of that name.
///
/// # Errors
/// There is none; the nearest name, if one is near.
pub(super) fn zone(name: &str, findings: &mut Findings<'_>) -> Result<Zone, Option<String>> {
    name.parse().map_err(|_| findings.nearest(name, Zone::names()))
}
