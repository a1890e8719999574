//! Looking again and again until something has happened, politely: every few seconds, and each look costs a fetch.

use std::time::Duration as Length;

use super::context::Context;
use crate::core::time::{Duration, Timestamp};

/// How long to wait between two looks.
const PAUSE: Length = Length::from_secs(3);

/// How long somebody is ready to wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    until: Option<Timestamp>,
}

impl Patience {
    /// Waits for so long from now, or for as long as it takes.
    pub(super) fn new(cx: &Context<'_>, length: Option<Duration>) -> Patience {
        Patience { until: length.map(|length| cx.world.now().after(length)) }
    }

    /// Tells whether time is over.
    pub(super) fn is_over(&self, cx: &Context<'_>) -> bool {
        self.left(cx).is_zero()
    }

    /// Waits until it is time to look again, or over.
    pub(super) fn pause(&self, cx: &Context<'_>) {
        cx.world.sleep(self.left(cx).min(PAUSE));
    }

    fn left(&self, cx: &Context<'_>) -> Length {
        match self.until {
            None => PAUSE,
            Some(until) => Length::from_secs(u64::try_from(until.since(cx.world.now()).num_seconds()).unwrap_or(0)),
        }
    }
}
