//! Instants and lengths of time, in whole seconds of UTC.
//!
//! Statements spell an instant `YYYY-MM-DDTHH:MM:SSZ` and nothing else; years are 1970 to 9999, and an instant past
//! the last second of 9999 is cut to it. Lengths are 1 second to 365 days; people write them `90m`, `1h30m`, `2d`.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike as _, NaiveDate, TimeDelta, Timelike as _, Utc};

/// An instant in UTC, to the second, within the years 1970 to 9999.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// `9999-12-31T23:59:59Z`
const LAST_SECOND: i64 = 253_402_300_799;

impl Timestamp {
    /// The latest instant there is, `9999-12-31T23:59:59Z`.
    pub const MAX: Timestamp = Timestamp(LAST_SECOND);
    /// The earliest instant there is, `1970-01-01T00:00:00Z`.
    pub const MIN: Timestamp = Timestamp(0);

    /// Returns the instant `seconds` after the start of 1970, cut to what a statement can say.
    pub fn from_unix(seconds: i64) -> Timestamp {
        Timestamp(seconds.clamp(0, LAST_SECOND))
    }

    /// Returns the seconds since the start of 1970.
    pub fn unix(self) -> i64 {
        self.0
    }

    /// Returns the instant `length` later, cut at the end of the year 9999.
    pub fn after(self, length: Duration) -> Timestamp {
        self.shifted(TimeDelta::seconds(i64::from(length.0)))
    }

    /// Returns the instant moved by `delta` (either way), cut to what a statement can say.
    pub fn shifted(self, delta: TimeDelta) -> Timestamp {
        Timestamp::from_unix(self.0.saturating_add(delta.num_seconds()))
    }

    /// Returns how much later than `earlier` this is; negative if it is earlier.
    pub fn since(self, earlier: Timestamp) -> TimeDelta {
        TimeDelta::seconds(self.0 - earlier.0)
    }

    /// Returns the same instant as a chrono value, for tables in the user's zone.
    pub fn to_chrono(self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.0, 0).unwrap_or(DateTime::UNIX_EPOCH)
    }
}

impl From<DateTime<Utc>> for Timestamp {
    /// Cuts to the second below, and to the years a statement can say.
    fn from(time: DateTime<Utc>) -> Timestamp {
        Timestamp::from_unix(time.timestamp())
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    /// Reads exactly the form that [`Timestamp`] displays; a leap second, a missing digit or another zone is refused.
    fn from_str(text: &str) -> Result<Timestamp, TimestampError> {
        read_instant(text.as_bytes()).map(Timestamp).ok_or(TimestampError)
    }
}

/// Returns the seconds since the start of 1970. Every line has an instant, so nothing general reads it.
fn read_instant(text: &[u8]) -> Option<i64> {
    let [date @ .., b'T', h1, h2, b':', m1, m2, b':', s1, s2, b'Z'] = text else { return None };
    let [y1, y2, y3, y4, b'-', month1, month2, b'-', d1, d2] = date else { return None };
    let number = |digits: &[&u8]| {
        digits
            .iter()
            .try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u32::from(**digit - b'0')))
    };
    let year = i32::try_from(number(&[y1, y2, y3, y4])?).ok()?;
    let date = NaiveDate::from_ymd_opt(year, number(&[month1, month2])?, number(&[d1, d2])?)?;
    let time = date.and_hms_opt(number(&[h1, h2])?, number(&[m1, m2])?, number(&[s1, s2])?)?;
    Some(time.and_utc().timestamp()).filter(|seconds| (0..=LAST_SECOND).contains(seconds))
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = self.to_chrono();
        let date = [i64::from(time.year()), i64::from(time.month()), i64::from(time.day())];
        let clock = [time.hour(), time.minute(), time.second()].map(i64::from);
        let mut text = *b"0000-00-00T00:00:00Z";
        for (number, last) in date.into_iter().chain(clock).zip([3, 6, 9, 12, 15, 18]) {
            let mut rest = number;
            for byte in text.iter_mut().take(last + 1).rev().take_while(|byte| byte.is_ascii_digit()) {
                *byte = b'0' + u8::try_from(rest % 10).unwrap_or(0);
                rest /= 10;
            }
        }
        f.pad(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no instant of the form `YYYY-MM-DDTHH:MM:SSZ`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampError;

impl fmt::Display for TimestampError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a time is written like 2026-01-31T08:00:00Z")
    }
}

impl std::error::Error for TimestampError {}

/// A length of time: 1 second to 365 days.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(u32);

/// 365 days, the longest length, in seconds.
const LONGEST: u32 = 31_536_000;

impl Duration {
    /// The longest length, 365 days.
    pub const MAX: Duration = Duration(LONGEST);

    /// Returns the length of so many seconds; none if that is 0 or over 365 days.
    pub fn from_secs(seconds: u64) -> Option<Duration> {
        u32::try_from(seconds).ok().filter(|seconds| (1..=LONGEST).contains(seconds)).map(Duration)
    }

    /// Returns the length in seconds.
    pub fn as_secs(self) -> u32 {
        self.0
    }

    /// Returns the length as a chrono value, for arithmetic.
    pub fn delta(self) -> TimeDelta {
        TimeDelta::seconds(i64::from(self.0))
    }
}

const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

impl FromStr for Duration {
    type Err = DurationError;

    /// Reads `d`, `h`, `m`, `s` in that order, each at most once, as in `1h30m`.
    fn from_str(text: &str) -> Result<Duration, DurationError> {
        let mut units = UNITS.iter();
        let mut total: u64 = 0;
        let mut rest = text;
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (number, tail) = rest.split_at(digits);
            let number: u64 = number.parse().map_err(|_| DurationError::Form)?;
            let unit = tail.chars().next().ok_or(DurationError::Form)?;
            let (_, seconds) = units.find(|(letter, _)| *letter == unit).ok_or(DurationError::Form)?;
            total =
                number.checked_mul(*seconds).and_then(|part| total.checked_add(part)).ok_or(DurationError::Range)?;
            rest = tail.get(unit.len_utf8()..).unwrap_or_default();
        }
        if text.is_empty() {
            return Err(DurationError::Form);
        }
        Duration::from_secs(total).ok_or(DurationError::Range)
    }
}

impl fmt::Display for Duration {
    /// Writes the shortest form that reads back as the same length, such as `1h30m`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = u64::from(self.0);
        for (letter, seconds) in UNITS {
            if rest >= seconds {
                write!(f, "{}{letter}", rest / seconds)?;
                rest %= seconds;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is no length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DurationError {
    /// It is not made of numbers with `d`, `h`, `m`, `s` in that order.
    Form,
    /// It is 0, or over 365 days.
    Range,
}

impl fmt::Display for DurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DurationError::Form => {
                write!(f, "a duration is written like 90m, 1h30m or 2d: d, h, m, s in that order, each once")
            }
            DurationError::Range => write!(f, "a duration is at least 1s and at most 365d"),
        }
    }
}

impl std::error::Error for DurationError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_have_one_form() {
        for good in ["1970-01-01T00:00:00Z", "2024-02-29T23:59:59Z", "9999-12-31T23:59:59Z"] {
            assert_eq!(good.parse::<Timestamp>().map(|time| time.to_string()), Ok(good.to_owned()));
        }
        for bad in [
            "",
            "2023-02-29T00:00:00Z",
            "2024-02-29T23:59:60Z",
            "2024-02-29T24:00:00Z",
            "1969-12-31T23:59:59Z",
            "10000-01-01T00:00:00Z",
            "+2024-01-01T00:00:00Z",
            "2024-1-01T00:00:00Z",
            "2024-01-01T00:00:00+00:00",
            "2024-01-01T00:00:00.0Z",
            "2024-01-01 00:00:00Z",
            "2024-01-01t00:00:00z",
            " 2024-01-01T00:00:00Z",
            "2024-13-01T00:00:00Z",
            "2024-00-01T00:00:00Z",
            "2024-01-00T00:00:00Z",
            "2024-01-01T00:60:00Z",
            "2024-01-01T0:000:00Z",
            "2024-01-01T00:00:0/Z",
        ] {
            assert!(bad.parse::<Timestamp>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_end_of_time_is_cut() {
        assert_eq!(Timestamp::MAX.after(Duration::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::MIN.shifted(TimeDelta::seconds(-60)), Timestamp::MIN);
        assert_eq!(Timestamp::MAX.to_string(), "9999-12-31T23:59:59Z");
    }

    #[test]
    fn lengths_read_and_print() {
        let table =
            [("90m", 5400, "1h30m"), ("1h30m", 5400, "1h30m"), ("2d", 172_800, "2d"), ("365d", LONGEST, "365d")];
        for (text, seconds, printed) in table {
            let length: Duration = text.parse().unwrap();
            assert_eq!((length.as_secs(), length.to_string().as_str()), (seconds, printed));
        }
        for bad in
            ["", "0s", "1", "h", "1m1h", "1h1h", "366d", "1.5h", "-1h", "1H", "1h ", "99999999999999999999d", "1é"]
        {
            assert!(bad.parse::<Duration>().is_err(), "{bad:?}");
        }
    }
}
