//! One line on the terminal that says how far something is, for whoever waits longer than a second.
//!
//! It shows nothing of what is over sooner, is drawn over itself, and is gone at the end. It is drawn only when there is
//! news of the work, never by a clock: git and ssh may stand there with a question until their work begins.

use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long nothing is shown.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long what is shown stays at least.
const PAUSE: Duration = Duration::from_millis(100);

/// The line; clones share it. It is wiped when the last one goes.
#[derive(Clone)]
pub struct Progress(Option<Arc<Mutex<Line>>>);

struct Line {
    screen: Box<dyn Write + Send>,
    /// How wide the terminal is, in characters.
    columns: fn() -> usize,
    started: Instant,
    drawn: Option<Instant>,
    is_over: bool,
}

impl Progress {
    /// Nobody is there to see it.
    pub(super) fn hidden() -> Progress {
        Progress(None)
    }

    /// Draws on a terminal what takes long from now on.
    pub(super) fn on(screen: Box<dyn Write + Send>, columns: fn() -> usize) -> Progress {
        let line = Line { screen, columns, started: Instant::now(), drawn: None, is_over: false };
        Progress(Some(Arc::new(Mutex::new(line))))
    }

    /// Tells whether somebody may see it.
    pub fn is_shown(&self) -> bool {
        self.0.is_some()
    }

    /// Says how far it is.
    pub fn tell(&self, text: impl fmt::Display) {
        if let Some(line) = &self.0 {
            line.lock().unwrap_or_else(PoisonError::into_inner).draw(Instant::now(), &text);
        }
    }

    /// Wipes the line for good, also where somebody else still has news.
    pub fn end(&self) {
        if let Some(line) = &self.0 {
            line.lock().unwrap_or_else(PoisonError::into_inner).end();
        }
    }
}

impl Line {
    fn draw(&mut self, now: Instant, text: &dyn fmt::Display) {
        let is_early = now.duration_since(self.started) < PATIENCE;
        if self.is_over || is_early || self.drawn.is_some_and(|before| now.duration_since(before) < PAUSE) {
            return;
        }
        self.drawn = Some(now);
        // As wide as it is drawn: one character each, and the last column stays free, or the terminal would go on below.
        let plain = |c: char| if matches!(c, ' '..='~') { c } else { '?' };
        let width = (self.columns)().saturating_sub(1);
        let text: String = text.to_string().chars().map(plain).take(width).collect();
        self.put(&format!("\r{text}\x1b[K"));
    }

    fn end(&mut self) {
        if self.drawn.is_some() && !self.is_over {
            self.put("\r\x1b[K");
        }
        self.is_over = true;
    }

    fn put(&mut self, text: &str) {
        // With the terminal gone there is nobody left to tell.
        let _ = self.screen.write_all(text.as_bytes()).and_then(|()| self.screen.flush());
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keeps what is written to it.
    #[derive(Clone, Default)]
    struct Screen(Arc<Mutex<Vec<u8>>>);

    impl Write for Screen {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Screen {
        fn take(&self) -> String {
            String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
        }
    }

    fn line(screen: &Screen) -> Line {
        let screen = Box::new(screen.clone());
        Line { screen, columns: || 20, started: Instant::now(), drawn: None, is_over: false }
    }

    #[test]
    fn what_is_over_within_a_second_is_not_shown() {
        let screen = Screen::default();
        let mut line = line(&screen);
        line.draw(line.started, &"1%");
        line.draw(line.started + PATIENCE - PAUSE, &"99%");
        drop(line);
        assert_eq!(screen.take(), "");
    }

    #[test]
    fn a_line_is_drawn_over_itself_and_wiped_once() {
        let screen = Screen::default();
        let mut line = line(&screen);
        let at = line.started + PATIENCE;
        line.draw(at, &"1%");
        line.draw(at + PAUSE / 2, &"2%");
        line.draw(at + PAUSE, &"3%");
        assert_eq!(screen.take(), "\r1%\u{1b}[K\r3%\u{1b}[K");
        line.end();
        line.draw(at + PAUSE * 2, &"4%");
        drop(line);
        assert_eq!(screen.take(), "\r\u{1b}[K");
    }

    #[test]
    fn a_line_fits_and_does_nothing_to_the_terminal() {
        let screen = Screen::default();
        let mut line = line(&screen);
        line.draw(line.started + PATIENCE, &"\u{1b}[2J\r\n\u{202e}字 and a good deal more");
        assert_eq!(screen.take(), "\r?[2J???? and a good\u{1b}[K");
    }
}
