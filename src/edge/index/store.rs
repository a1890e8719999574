//! The file of an index, and what becomes of it where it can't be read.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::IndexError;

/// How long a writer waits for readers to end, and a reader for a writer.
const PATIENCE: Duration = Duration::from_millis(50);

/// Opens the file; a lock of another process is waited for.
pub(super) fn connect(path: &Path) -> Result<Connection, IndexError> {
    let flags =
        OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW | OpenFlags::SQLITE_OPEN_PRIVATE_CACHE;
    // Where nothing may be written there is nothing to be rolled back either; what a killed writer left is an error then.
    let db = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_READ_WRITE)
        .or_else(|_| Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_READ_ONLY))?;
    db.busy_timeout(PATIENCE)?;
    // Else a plan depends on what is looked for, and SQLite makes each of them twice.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(db)
}

/// The file that is read, by the index and by the policies that are kept in it.
#[derive(Debug)]
pub(super) struct Store {
    /// None once it has gone on to what comes later.
    db: Mutex<Option<Connection>>,
    path: PathBuf,
    unread: Unread,
}

/// Why something of an index could not be read, as soon as that happens; it holds nothing of the index.
#[derive(Clone, Debug, Default)]
pub struct Unread(Arc<Mutex<Option<String>>>);

impl Unread {
    /// Says why; none as long as all could be read.
    pub fn why(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, why: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| why.to_owned());
    }
}

impl Store {
    pub(super) fn new(db: Connection, path: PathBuf) -> Store {
        Store { db: Mutex::new(Some(db)), path, unread: Unread::default() }
    }

    /// Returns the connection, for as long as that is held.
    pub(super) fn lock(&self) -> MutexGuard<'_, Option<Connection>> {
        self.db.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads, or says that it could not and returns nothing.
    pub(super) fn read<T: Default>(&self, read: impl FnOnce(&Connection) -> Result<T, IndexError>) -> T {
        let db = self.lock();
        let Some(db) = &*db else {
            self.unread.note("the index has gone on to what comes later");
            return T::default();
        };
        match read(db) {
            Ok(value) => value,
            Err(error) => {
                self.fail(&error);
                T::default()
            }
        }
    }

    /// Notes that something could not be read, and takes the file away: the log makes another.
    pub(super) fn fail(&self, error: &IndexError) {
        if self.unread.why().is_some() {
            return;
        }
        let next = match self.remove() {
            Ok(()) => "it is gone now, and the next command makes another".to_owned(),
            Err(why) => format!("delete it: {} ({why})", self.path.display().to_string().escape_debug()),
        };
        self.unread.note(&format!("the index can't be read, so nothing is sure: {error}; {next}"));
    }

    /// Takes the file away: the log makes another.
    pub(super) fn remove(&self) -> std::io::Result<()> {
        fs::remove_file(&self.path)
    }

    pub(super) fn unread(&self) -> &Unread {
        &self.unread
    }
}
