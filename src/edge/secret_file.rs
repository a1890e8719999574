//! Files that a caller names: tokens, which nobody else may read, and public keys.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Reads a file that others can't read, of at most `limit` bytes.
///
/// # Errors
/// It can't be read, is no regular file, larger, or open to group or others.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, FileFault> {
    let (file, fault) = open(path)?;
    let metadata = file.metadata().map_err(|why| fault(Why::Io(why)))?;
    // What is looked at is the open file, so nobody can put another in its place.
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(fault(Why::Open(mode)));
    }
    if metadata.uid() != rustix::process::geteuid().as_raw() && rustix::process::geteuid().as_raw() != 0 {
        return Err(fault(Why::Stranger(metadata.uid())));
    }
    take(file, limit).map_err(fault)
}

/// Reads a file that anybody may read, of at most `limit` bytes.
///
/// # Errors
/// It can't be read, is no regular file, or larger.
pub fn read_public(path: &Path, limit: u64) -> Result<Vec<u8>, FileFault> {
    let (file, fault) = open(path)?;
    take(file, limit).map_err(fault)
}

fn open(path: &Path) -> Result<(File, impl Fn(Why) -> FileFault + use<>), FileFault> {
    let path = path.to_owned();
    let fault = move |why| FileFault { path: path.clone(), why };
    // A pipe that nobody writes to would hold a gate for ever: look before opening.
    let metadata = std::fs::metadata(fault(Why::TooLarge(0)).path).map_err(|why| fault(Why::Io(why)))?;
    if !metadata.is_file() {
        return Err(fault(Why::NoFile));
    }
    let file = File::open(fault(Why::TooLarge(0)).path).map_err(|why| fault(Why::Io(why)))?;
    Ok((file, fault))
}

fn take(file: File, limit: u64) -> Result<Vec<u8>, Why> {
    let mut bytes = Vec::with_capacity(file.metadata().map_or(0, |metadata| metadata.len().min(limit)) as usize + 1);
    file.take(limit + 1).read_to_end(&mut bytes).map_err(Why::Io)?;
    if bytes.len() as u64 > limit { Err(Why::TooLarge(limit)) } else { Ok(bytes) }
}

/// Why a file that was named is not read.
#[derive(Debug)]
pub struct FileFault {
    path: PathBuf,
    why: Why,
}

#[derive(Debug)]
enum Why {
    Io(io::Error),
    NoFile,
    TooLarge(u64),
    Open(u32),
    Stranger(u32),
}

impl FileFault {
    /// Tells whether the file is larger than was asked for.
    pub fn is_too_large(&self) -> bool {
        matches!(self.why, Why::TooLarge(_))
    }

    /// Returns what to do about it, if there is a command to type.
    pub fn help(&self) -> Option<String> {
        let path = self.path.to_string_lossy();
        matches!(self.why, Why::Open(_)).then(|| format!("chmod 600 '{}'", crate::core::escape::escape(&path)))
    }
}

impl fmt::Display for FileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.to_string_lossy();
        let path = crate::core::escape::escape(&path);
        match &self.why {
            Why::Io(why) => write!(f, "can't read `{path}`: {why}"),
            Why::NoFile => write!(f, "`{path}` is no regular file"),
            Why::TooLarge(limit) => write!(f, "`{path}` holds more than {limit} bytes"),
            Why::Open(mode) => write!(f, "others can read `{path}` (mode {mode:04o}), so it is no secret"),
            Why::Stranger(uid) => write!(f, "`{path}` belongs to another user ({uid})"),
        }
    }
}

impl std::error::Error for FileFault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_private_regular_small_files_are_secrets() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "jit1.x").unwrap();
        for (mode, taken) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o610, false)] {
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            assert_eq!(read(&path, 6).is_ok(), taken, "{mode:o}");
            assert_eq!(read(&path, 6).is_err_and(|fault| fault.help().is_some()), !taken, "{mode:o}");
        }
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        assert!(read(&path, 5).is_err_and(|fault| fault.is_too_large() && fault.help().is_none()));
        assert!(read(folder.path(), 5).is_err() && read(&folder.path().join("no"), 5).is_err());
    }
}
