//! What was measured, as a table that can be pasted into a text.

use std::fmt::Write as _;

use crate::measure::Times;

/// What is expected of a ratio.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bar {
    /// It is told and no more.
    Told,
    AtMost(f64),
    AtLeast(f64),
}

/// A table, printed as it grows.
#[derive(Debug)]
pub(crate) struct Table {
    /// Whether ratios are held against their bars, which are for a whole run.
    judges: bool,
    /// What is measured now.
    part: String,
    missed: Vec<String>,
}

impl Table {
    pub(crate) fn new(judges: bool) -> Table {
        Table { judges, part: String::new(), missed: Vec::new() }
    }

    /// Prints the heading of a part.
    pub(crate) fn part(&mut self, name: &str) {
        self.part = name.to_owned();
        crate::print(&format!(
            "\n### {name}\n\n| what | median | least | ratio | to | bar | |\n| --- | ---: | ---: | ---: | --- | --- | --- |"
        ));
    }

    /// A peer, or something that is compared with nothing.
    pub(crate) fn time(&self, what: &str, times: &Times) {
        crate::print(&format!("| {what} | {} | {} | | | | |", seconds(times.median()), seconds(times.min())));
    }

    /// Times, and how they stand to others: of the medians, and of the least.
    pub(crate) fn ratio(&mut self, what: &str, times: &Times, to: &Times, name: &str, bar: Bar) {
        let shown = (seconds(times.median()), seconds(times.min()));
        let least = times.min() / to.min();
        self.row(what, shown, times.median() / to.median(), Some(least), name, bar);
    }

    /// A value of another kind, and how it stands to another.
    pub(crate) fn value(&mut self, what: &str, value: &str, ratio: f64, to: &str, bar: Bar) {
        self.row(what, (value.to_owned(), String::new()), ratio, None, to, bar);
    }

    /// A value of another kind that is compared with nothing.
    pub(crate) fn told(&self, what: &str, value: &str) {
        crate::print(&format!("| {what} | {value} | | | | | |"));
    }

    fn row(&mut self, what: &str, shown: (String, String), ratio: f64, least: Option<f64>, to: &str, bar: Bar) {
        let holds = |ratio: f64| match bar {
            Bar::Told => true,
            Bar::AtMost(most) => ratio <= most,
            Bar::AtLeast(least) => ratio >= least,
        };
        let text = match bar {
            Bar::Told => String::new(),
            Bar::AtMost(most) => format!("<= {most}"),
            Bar::AtLeast(least) => format!(">= {least}"),
        };
        let met = match (bar, !holds(ratio)) {
            (Bar::Told, _) => "",
            _ if !self.judges => "",
            (_, false) => "met",
            // On a busy machine the least is nearer to the truth.
            (_, true) if least.is_some_and(holds) => "met by the least",
            (_, true) => "MISSED",
        };
        let mut ratios = format!("{ratio:.2}");
        if let Some(least) = least {
            let _ = write!(ratios, " ({least:.2})");
        }
        if met == "MISSED" {
            self.missed.push(format!("{}: {what}: {ratios} to {to}, where {text} was wanted", self.part));
        }
        crate::print(&format!("| {what} | {} | {} | {ratios} | {to} | {text} | {met} |", shown.0, shown.1));
    }

    /// Says which bars were missed.
    pub(crate) fn sum_up(&self) {
        match self.missed.as_slice() {
            [] if !self.judges => crate::print("\nThe bars are for a whole run: `cargo bench`."),
            [] => crate::print("\nEvery bar was met."),
            missed => crate::print(&format!("\nMissed:\n- {}", missed.join("\n- "))),
        }
    }
}

/// Seconds, in a unit that suits them.
pub(crate) fn seconds(seconds: f64) -> String {
    if seconds < 1.0 { format!("{:.2} ms", seconds * 1000.0) } else { format!("{seconds:.2} s") }
}
