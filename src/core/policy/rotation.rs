//! Who is on call: people who take turns, as a wall clock in some zone tells.
//!
//! ```toml
//! [rotation.primary]                 # named as `rotation:primary`, wherever a group is
//! members = ["alice", "bob"]         # people, in the order of their turns
//! start = "2026-01-05"               # the day of the first turn
//! handoff = "09:00"                  # when one turn ends and the next begins
//! tz = "Europe/Berlin"
//! period = "7d"                      # whole days
//! overrides = [{ from = "2026-01-07", to = "2026-01-09T18:00", member = "bob" }]
//! ```
//!
//! The turn with the number n, from 0, begins n periods of days after `start`, at the first instant at which the clock on
//! the wall shows `handoff` or later: where clocks are put forward over it, when they are; where they are put back over
//! it, the first time. From the first turn on exactly one person is on call, before it nobody. An override puts somebody
//! in for a while, whoever's turn it is, and even before the first one; a date without a time in it is that day's handoff.
//! No two overrides of a rotation overlap.
//!
//! When somebody must be on call: a subject at the request's own `at`, where it is judged in the log, and at a check
//! when that is made, so that a false `at` gains nothing. It is the same for the deny rules that name a rotation. Who
//! approves or denies, at the `at` of their own signature; one outside of the time that the request may wait is taken for
//! the nearest inside. So somebody of the rotation can date an approval into their turn, if that is near enough; the
//! linter says so where a rule leans on it. A revoker, at the `at` of the revocation or the lockdown, which nothing bounds.

use std::collections::BTreeSet;

use chrono::{Datelike as _, Days, NaiveDate};
use serde::{Deserialize, Serialize};

use crate::core::name::Name;
use crate::core::time::Timestamp;
use crate::core::zone::Zone;

use super::hours::TimeOfDay;

/// People who take turns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotation {
    /// In the order of their turns; at least one, nobody twice.
    pub(super) members: Vec<Name>,
    /// When the turns begin and end.
    pub(super) handoffs: Handoffs,
    /// Who stands in for whom, by time; no two overlap.
    pub(super) overrides: Vec<Override>,
}

/// A time for which somebody stands in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// When it begins.
    pub from: Timestamp,
    /// When it has ended; after `from`.
    pub to: Timestamp,
    /// Who is on call.
    pub member: Name,
}

impl Rotation {
    /// Returns who is on call at `now` (UTC); nobody before the first turn.
    pub fn on_call(&self, now: Timestamp) -> Option<&Name> {
        if let Some(standing_in) = self.override_at(now) {
            return Some(&standing_in.member);
        }
        let turn = usize::try_from(self.handoffs.turn_at(now)?).ok()?;
        self.members.get(turn.checked_rem(self.members.len())?)
    }

    /// Returns the first instant after `now` and before `limit` at which somebody else is on call than at `now`.
    pub fn next_change(&self, now: Timestamp, limit: Timestamp) -> Option<Timestamp> {
        let before = self.on_call(now);
        let mut at = now;
        loop {
            at = self.next_boundary(at).filter(|next| *next < limit)?;
            if self.on_call(at) != before {
                return Some(at);
            }
        }
    }

    /// Returns everybody who is on call at some time.
    pub fn people(&self) -> BTreeSet<&Name> {
        self.members.iter().chain(self.overrides.iter().map(|one| &one.member)).collect()
    }

    fn override_at(&self, now: Timestamp) -> Option<&Override> {
        let begun = self.overrides.partition_point(|one| one.from <= now);
        self.overrides.get(begun.checked_sub(1)?).filter(|last| now < last.to)
    }

    /// Returns the next instant after `at` at which an override or a turn begins or ends.
    fn next_boundary(&self, at: Timestamp) -> Option<Timestamp> {
        if let Some(standing_in) = self.override_at(at) {
            return Some(standing_in.to);
        }
        let override_begins = self.overrides.get(self.overrides.partition_point(|one| one.from <= at));
        let handoff = match self.handoffs.turn_at(at) {
            // Nobody takes over from somebody who is alone.
            Some(_) if self.members.len() == 1 => None,
            Some(turn) => self.handoffs.begins(turn + 1),
            None => self.handoffs.begins(0),
        };
        let handoff = handoff.map(Timestamp::from_unix).filter(|handoff| *handoff > at);
        override_begins.map(|one| one.from).into_iter().chain(handoff).min()
    }
}

/// When turns begin and end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Handoffs {
    /// The day of the first.
    pub(super) start: NaiveDate,
    /// When on a day; never 24:00.
    pub(super) time: TimeOfDay,
    /// Whose wall clock.
    pub(super) tz: Zone,
    /// How many days a turn lasts; at least one.
    pub(super) days: u32,
}

impl Handoffs {
    /// Returns the number of the turn at `now`; none before the first.
    fn turn_at(&self, now: Timestamp) -> Option<u64> {
        let today = self.tz.wall(now).date();
        let passed = today.num_days_from_ce() - self.start.num_days_from_ce();
        let near = i64::from(passed).div_euclid(i64::from(self.days.max(1)));
        // The wall may show the day before a handoff again, and yesterday's handoffs have all been.
        let has_begun = |turn: &u64| self.begins(*turn).is_some_and(|begins| begins <= now.unix());
        [near + 1, near, near - 1].into_iter().filter_map(|turn| u64::try_from(turn).ok()).find(has_begun)
    }

    /// Returns when a turn begins, in seconds since the start of 1970; none after the end of calendars.
    fn begins(&self, turn: u64) -> Option<i64> {
        let days = turn.checked_mul(u64::from(self.days))?;
        self.tz.first_at_or_after(self.time.on(self.start.checked_add_days(Days::new(days))?)?)
    }

    /// Reads a moment as overrides have it: a date, for its handoff, or with a time, as in `2026-01-09T18:00`.
    pub(super) fn parse_moment(&self, text: &str) -> Option<Timestamp> {
        let (date, time) = match text.split_once('T') {
            Some((date, time)) => (date, time.parse().ok()?),
            None => (text, self.time),
        };
        self.tz.first_at_or_after(time.on(parse_date(date)?)?).map(Timestamp::from_unix)
    }
}

/// Reads a day as in `2026-01-05`, from 1970 to 9999.
pub(super) fn parse_date(text: &str) -> Option<NaiveDate> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    // What reads dates takes several spellings; there is to be one.
    ((1970..=9999).contains(&date.year()) && date.to_string() == text).then_some(date)
}
