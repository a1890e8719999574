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
pub struct Armed(Duty);

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
