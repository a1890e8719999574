//! Files that trust hangs on: read only if nobody else could have written them, replaced only as a whole.
//!
//! Reading opens the file first and judges what was opened, so there is no moment between the look and the read.
//! Replacing writes a file beside it, flushes it to the disk, renames it, and flushes the folder: whenever the
//! process or the machine dies, the old text or the new one stands there, never a part. The caller holds the lock.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::ConfigError;

/// The largest file that is read or written, in bytes.
pub(super) const MAX_FILE_LEN: u64 = 64 * 1024;
/// Write permission for the group and for all others.
const OTHERS_WRITE: u32 = 0o022;
/// The file in a folder that is locked while something in the folder changes.
const LOCK: &str = "lock";

/// A folder of such files.
#[derive(Clone, Debug)]
pub(in crate::edge) struct Folder {
    path: PathBuf,
    /// The user we run as, who may own files here; so may root.
    uid: u32,
}

impl Folder {
    pub(in crate::edge) fn new(path: PathBuf, uid: u32) -> Folder {
        Folder { path, uid }
    }

    pub(super) fn join(&self, name: &str) -> Folder {
        Folder { path: self.path.join(name), uid: self.uid }
    }

    /// Returns where it is, there or not.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns where the file of this name stands, there or not.
    pub(in crate::edge) fn place(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Reads a file; none if it, or the folder, is not there.
    pub(super) fn read(&self, name: &str) -> Result<Option<String>, ConfigError> {
        if !self.exists()? {
            return Ok(None);
        }
        let path = self.place(name);
        // Without O_NONBLOCK a pipe put there would stop us here for ever.
        let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
        let file = match OpenOptions::new().read(true).custom_flags(flags).open(&path) {
            Ok(file) => file,
            // A link that leads nowhere is not the same as no file: what it led to is lost.
            Err(error) if error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(&path).is_err() => {
                return Ok(None);
            }
            Err(error) => return Err(ConfigError::Read(path, error)),
        };
        let metadata = file.metadata().map_err(|error| ConfigError::Read(path.clone(), error))?;
        if !metadata.is_file() {
            return Err(ConfigError::NotAFile(path));
        }
        self.check_hands(&path, &metadata)?;
        // Most are small: one call reads them.
        let mut text = String::with_capacity(metadata.len().min(MAX_FILE_LEN) as usize + 1);
        match file.take(MAX_FILE_LEN + 1).read_to_string(&mut text) {
            Ok(_) if text.len() as u64 > MAX_FILE_LEN => Err(ConfigError::TooLarge(path)),
            Ok(_) => Ok(Some(text)),
            Err(error) => Err(ConfigError::Read(path, error)),
        }
    }

    /// Returns the path of a file that nobody else can have written; none if it, or the folder, is not there.
    pub(in crate::edge) fn file(&self, name: &str) -> Result<Option<PathBuf>, ConfigError> {
        let path = self.place(name);
        if !self.exists()? {
            return Ok(None);
        }
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_file() => self.check_hands(&path, &metadata).map(|()| Some(path)),
            Ok(_) => Err(ConfigError::NotAFile(path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(ConfigError::Read(path, error)),
        }
    }

    /// Lists the names in the folder, sorted; none if it is not there.
    pub(super) fn names(&self) -> Result<Vec<String>, ConfigError> {
        if !self.exists()? {
            return Ok(Vec::new());
        }
        let failed = |error| ConfigError::Read(self.path.clone(), error);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(failed)? {
            names.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    /// Tells whether the folder is there, and refuses one that others could write to.
    fn exists(&self) -> Result<bool, ConfigError> {
        match fs::metadata(&self.path) {
            Ok(metadata) if metadata.is_dir() => self.check_hands(&self.path, &metadata).map(|()| true),
            Ok(_) => Err(ConfigError::NotAFolder(self.path.clone())),
            Err(error) if error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(&self.path).is_err() => {
                Ok(false)
            }
            Err(error) => Err(ConfigError::Read(self.path.clone(), error)),
        }
    }

    fn check_hands(&self, path: &Path, metadata: &Metadata) -> Result<(), ConfigError> {
        match other_hand(metadata.uid(), metadata.mode(), self.uid) {
            None => Ok(()),
            Some(OtherHand::Owner) => Err(ConfigError::OtherOwner(path.to_owned(), metadata.uid())),
            Some(OtherHand::Mode) => Err(ConfigError::OthersWrite(path.to_owned())),
        }
    }

    /// Makes the folder, for nobody else to enter, if it is not there.
    pub(in crate::edge) fn make(&self) -> Result<(), ConfigError> {
        if self.exists()? {
            return Ok(());
        }
        let failed = |error| ConfigError::Write(self.path.clone(), error);
        DirBuilder::new().recursive(true).mode(0o700).create(&self.path).map_err(failed)?;
        if let Some(parent) = self.path.parent() {
            flush_folder(parent).map_err(failed)?;
        }
        Ok(())
    }

    /// Waits until nobody else changes this folder; it is ours until what is returned is dropped, or we die.
    pub(super) fn lock(&self) -> Result<File, ConfigError> {
        self.make()?;
        let path = self.place(LOCK);
        let failed = |error| ConfigError::Write(path.clone(), error);
        let options = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).to_owned();
        let lock = options.open(&path).map_err(failed)?;
        lock.lock().map_err(failed)?;
        Ok(lock)
    }

    /// Puts `text` in the place of a file, as a whole, for nobody else to read. The caller holds the lock.
    pub(super) fn replace(&self, name: &str, text: &str) -> Result<(), ConfigError> {
        self.make()?;
        let path = self.place(name);
        if text.len() as u64 > MAX_FILE_LEN {
            return Err(ConfigError::TooLarge(path));
        }
        self.write_beside(name, text).map_err(|error| ConfigError::Write(path, error))
    }

    fn write_beside(&self, name: &str, text: &str) -> io::Result<()> {
        let beside = self.place(&format!(".{name}.new"));
        // One that died before its rename may have left this; under the lock it is nobody's.
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, self.place(name))?;
        flush_folder(&self.path)
    }
}

fn flush_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Why somebody else could have written a file or folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OtherHand {
    /// It belongs to somebody who is neither root nor the user we run as.
    Owner,
    /// Its group or everybody may write to it.
    Mode,
}

fn other_hand(owner: u32, mode: u32, me: u32) -> Option<OtherHand> {
    if owner != 0 && owner != me {
        Some(OtherHand::Owner)
    } else if mode & OTHERS_WRITE != 0 {
        Some(OtherHand::Mode)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    fn folder(name: &str) -> (tempfile::TempDir, Folder) {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::new(temp.path().join(name), rustix::process::geteuid().as_raw());
        (temp, folder)
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn hands_that_may_have_written() {
        let table = [
            (1000, 0o100_600, None),
            (1000, 0o100_644, None),
            (0, 0o100_644, None),
            (1001, 0o100_600, Some(OtherHand::Owner)),
            (1001, 0o100_666, Some(OtherHand::Owner)),
            (1000, 0o100_620, Some(OtherHand::Mode)),
            (0, 0o100_602, Some(OtherHand::Mode)),
            (1000, 0o041_777, Some(OtherHand::Mode)),
        ];
        for (owner, mode, found) in table {
            assert_eq!(other_hand(owner, mode, 1000), found, "{owner} {mode:o}");
        }
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_and_for_us_alone() {
        let (_temp, folder) = folder("a/b");
        assert_eq!(folder.read("x").unwrap(), None);
        folder.replace("x", "one").unwrap();
        folder.replace("x", "2").unwrap();
        assert_eq!(folder.read("x").unwrap().as_deref(), Some("2"));
        assert_eq!(folder.names().unwrap(), ["x"]);
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&folder.path), mode(&folder.place("x"))), (0o700, 0o600));
    }

    #[test]
    fn what_a_killed_process_left_is_in_nobodys_way() {
        let (_temp, folder) = folder("a");
        folder.replace("x", "old").unwrap();
        fs::write(folder.place(".x.new"), "ha").unwrap();
        assert_eq!(folder.read("x").unwrap().as_deref(), Some("old"));
        folder.replace("x", "new").unwrap();
        assert_eq!(folder.read("x").unwrap().as_deref(), Some("new"));
        assert_eq!(folder.names().unwrap(), ["x"]);
    }

    #[test]
    fn what_others_may_write_is_not_read() {
        let (_temp, folder) = folder("a");
        folder.replace("x", "mine").unwrap();
        set_mode(&folder.place("x"), 0o622);
        assert!(matches!(folder.read("x"), Err(ConfigError::OthersWrite(path)) if path == folder.place("x")));
        set_mode(&folder.place("x"), 0o600);
        set_mode(&folder.path, 0o770);
        assert!(matches!(folder.read("x"), Err(ConfigError::OthersWrite(path)) if path == folder.path));
        assert!(matches!(folder.replace("x", ""), Err(ConfigError::OthersWrite(_))));
        assert!(matches!(folder.lock(), Err(ConfigError::OthersWrite(_))));
    }

    #[test]
    fn what_is_no_plain_file_is_an_error() {
        let (_temp, folder) = folder("a");
        folder.make().unwrap();
        symlink("nowhere", folder.place("dangling")).unwrap();
        assert!(matches!(folder.read("dangling"), Err(ConfigError::Read(..))));
        fs::create_dir(folder.place("folder")).unwrap();
        assert!(matches!(folder.read("folder"), Err(ConfigError::NotAFile(_))));
        rustix_fifo(&folder.place("pipe"));
        assert!(matches!(folder.read("pipe"), Err(ConfigError::NotAFile(_))));
        fs::write(folder.place("latin"), [0xe9]).unwrap();
        assert!(matches!(folder.read("latin"), Err(ConfigError::Read(..))));
        fs::write(folder.place("large"), " ".repeat(64 * 1024 + 1)).unwrap();
        assert!(matches!(folder.read("large"), Err(ConfigError::TooLarge(_))));
        assert!(matches!(folder.replace("x", &" ".repeat(64 * 1024 + 1)), Err(ConfigError::TooLarge(_))));
        assert!(matches!(folder.join("latin").read("x"), Err(ConfigError::NotAFolder(_))));
        // A link to a file is as good as the file: what counts is who may write what it leads to.
        folder.replace("x", "text").unwrap();
        symlink("x", folder.place("link")).unwrap();
        assert_eq!(folder.read("link").unwrap().as_deref(), Some("text"));
    }

    fn rustix_fifo(path: &Path) {
        assert!(std::process::Command::new("mkfifo").arg("-m").arg("600").arg(path).status().unwrap().success());
    }
}
