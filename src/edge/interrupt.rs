//! What is cleared away where a person's Ctrl-C, or the system, ends this process in the middle of something.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

/// What is done at the end, if there is still something to do.
type Duty = Arc<Mutex<Option<Box<dyn FnOnce() + Send>>>>;

/// As long as it is held, something is cleared away when the process is interrupted.
#[derive(Default)]
pub struct Armed(Duty);

impl Armed {
    /// Takes the step after which nothing is to be cleared away any more, if it succeeds. What interrupts meanwhile waits
    /// for it.
    ///
    /// # Errors
    /// As the step's.
    pub fn take_last_step<T, E>(&self, step: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let mut duty = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = step()?;
        *duty = None;
        Ok(taken)
    }
}

/// Clears something away when the process is interrupted, which then ends as it would have.
///
/// # Errors
/// The system takes no handler or starts no thread; then an interrupted process clears nothing away.
pub fn clear_when_interrupted(clear: impl FnOnce() + Send + 'static) -> io::Result<Armed> {
    let duty: Duty = Arc::new(Mutex::new(Some(Box::new(clear))));
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let at_the_end = Arc::clone(&duty);
    // It stays when nothing is left to clear: somebody has to end the process from now on.
    thread::Builder::new().spawn(move || {
        for signal in signals.forever() {
            take(&at_the_end);
            let _ = emulate_default_handler(signal);
        }
    })?;
    Ok(Armed(duty))
}

/// Does what there is to do. Whoever disarms meanwhile waits for it.
fn take(duty: &Duty) {
    if let Some(clear) = duty.lock().unwrap_or_else(PoisonError::into_inner).take() {
        clear();
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn armed() -> (Armed, Arc<AtomicBool>) {
        let cleared = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&cleared);
        (Armed(Arc::new(Mutex::new(Some(Box::new(move || seen.store(true, Ordering::SeqCst)))))), cleared)
    }

    #[test]
    fn what_has_taken_its_last_step_is_not_cleared_away() {
        let (armed, cleared) = armed();
        let interrupter = armed.take_last_step(|| {
            let duty = Arc::clone(&armed.0);
            assert!(duty.try_lock().is_err(), "what interrupts now would clear away what is about to be trusted");
            Ok::<_, ()>(thread::spawn(move || take(&duty)))
        });
        interrupter.unwrap().join().unwrap();
        assert!(!cleared.load(Ordering::SeqCst));
    }

    #[test]
    fn a_last_step_that_fails_changes_nothing() {
        let (armed, cleared) = armed();
        assert_eq!(armed.take_last_step(|| Err::<(), _>("no")), Err("no"));
        take(&armed.0);
        assert!(cleared.load(Ordering::SeqCst));
    }
}
