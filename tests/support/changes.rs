//! What changes in a folder, as the kernel tells it: what other processes do there is waited for, and not looked for again
//! and again.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

/// How long nothing may change before it is given up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

/// Tells of each file that comes to a folder, or leaves it.
pub(crate) struct Changes {
    told: Receiver<()>,
}

impl Changes {
    /// Listens from now on.
    #[track_caller]
    pub(crate) fn of(folder: &Path) -> Changes {
        let inotify = inotify::init(CreateFlags::CLOEXEC).unwrap();
        let flags = WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::MOVE;
        inotify::add_watch(&inotify, folder, flags).unwrap();
        let (tell, told) = mpsc::channel();
        // It ends with the folder at the latest.
        thread::spawn(move || {
            let (mut changes, mut bytes) = (File::from(inotify), [0; 4096]);
            while matches!(changes.read(&mut bytes), Ok(1..)) && tell.send(()).is_ok() {}
        });
        Changes { told }
    }

    /// Waits until something is so that can only come about by a change.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        while !is_so() {
            assert!(self.told.recv_timeout(PATIENCE).is_ok(), "not in {PATIENCE:?}: {what}");
        }
    }
}
