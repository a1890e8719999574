//! Files that a command writes because its caller named them, such as a report for a CI host.

use std::path::Path;
use std::{fs, io};

/// Writes a file, in the place of what is there under that name.
///
/// # Errors
/// Whatever the system says.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    fs::write(path, text)
}
