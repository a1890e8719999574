//! Who else may read and write what is put into a repository: git's `core.sharedRepository`.
//!
//! Git and libgit2 make files and folders as the umask says, and git then opens them to whom this setting names. What is
//! written here is opened likewise, so that nobody in a group that shares a repository needs another umask for it.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use git2::ErrorCode;

use super::git::{GitError, Repo};

/// New entries of a folder get its group, not that of whoever makes them.
const SET_GROUP: u32 = 0o2000;

/// To whom a repository is open, beside its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// As the umask says.
    Umask,
    /// To these as well.
    Also(u32),
    /// To these and nobody else.
    Only(u32),
}

impl Sharing {
    /// Returns what git's configuration says.
    ///
    /// # Errors
    /// The configuration can't be read, or git would not take it either.
    pub(crate) fn of(repo: &Repo) -> Result<Sharing, GitError> {
        let failed = |error| GitError::git("reading core.sharedRepository", error);
        let config = repo.git.config().and_then(|mut config| config.snapshot()).map_err(failed)?;
        let value = match config.get_string("core.sharedrepository") {
            Ok(value) => value,
            Err(error) if error.code() == ErrorCode::NotFound => return Ok(Sharing::Umask),
            Err(error) => return Err(failed(error)),
        };
        let why = "it is neither umask, group, all nor an octal mode with which its owner can read and write";
        Sharing::parse(&value).ok_or_else(|| failed(git2::Error::from_str(why)))
    }

    fn parse(value: &str) -> Option<Sharing> {
        let (group, all) = (Sharing::Also(0o660), Sharing::Also(0o664));
        match value.to_ascii_lowercase().as_str() {
            "umask" | "false" | "no" | "off" | "" => return Some(Sharing::Umask),
            "group" | "true" | "yes" | "on" => return Some(group),
            "all" | "world" | "everybody" => return Some(all),
            _ => {}
        }
        match u32::from_str_radix(value, 8).ok()? {
            0 => Some(Sharing::Umask),
            1 => Some(group),
            2 => Some(all),
            mode => (mode & 0o600 == 0o600).then_some(Sharing::Only(mode & 0o666)),
        }
    }

    /// Opens a file or folder that was just written. One that is not there, or somebody else's, stays as it is.
    pub(crate) fn apply(self, path: &Path) -> io::Result<()> {
        if self == Sharing::Umask {
            return Ok(());
        }
        let data = match fs::symlink_metadata(path) {
            Ok(data) => data,
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(why) => return Err(why),
        };
        if data.is_symlink() {
            return Ok(());
        }
        let old = data.permissions().mode();
        let new = self.mode(old & 0o7777, data.is_dir());
        if new == old & 0o7777 {
            return Ok(());
        }
        match fs::set_permissions(path, Permissions::from_mode(new)) {
            Err(why) if why.kind() == io::ErrorKind::PermissionDenied => Ok(()),
            outcome => outcome,
        }
    }

    /// As [`Sharing::apply`], for the folders above it too, up to `root`, which stays as it is.
    pub(crate) fn apply_below(self, root: &Path, path: &Path) -> io::Result<()> {
        path.ancestors().take_while(|place| *place != root && place.starts_with(root)).try_for_each(|at| self.apply(at))
    }

    /// What git makes of a mode.
    fn mode(self, old: u32, is_folder: bool) -> u32 {
        let (open, kept) = match self {
            Sharing::Umask => return old,
            Sharing::Also(open) => (open, old),
            Sharing::Only(open) => (open, old & !0o777),
        };
        let open = if old & 0o200 == 0 { open & !0o222 } else { open };
        let new = kept | if old & 0o100 == 0 { open } else { open | (open & 0o444) >> 2 };
        match is_folder {
            true if (new | (new & 0o444) >> 2) & 0o060 != 0 => new | (new & 0o444) >> 2 | SET_GROUP,
            true => new | (new & 0o444) >> 2,
            false => new,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_says_is_read_as_git_does() {
        let (group, all) = (Some(Sharing::Also(0o660)), Some(Sharing::Also(0o664)));
        for (value, expected) in [
            ("umask", Some(Sharing::Umask)),
            ("false", Some(Sharing::Umask)),
            ("0", Some(Sharing::Umask)),
            ("group", group),
            ("true", group),
            ("1", group),
            ("all", all),
            ("world", all),
            ("everybody", all),
            ("2", all),
            ("0640", Some(Sharing::Only(0o640))),
            ("0777", Some(Sharing::Only(0o666))),
            ("0040", None),
            ("0888", None),
            ("some", None),
            ("-1", None),
        ] {
            assert_eq!(Sharing::parse(value), expected, "{value}");
        }
    }

    #[test]
    fn modes_are_those_that_git_gives() {
        let (group, all) = (Sharing::Also(0o660), Sharing::Also(0o664));
        for (sharing, old, is_folder, new) in [
            (Sharing::Umask, 0o644, false, 0o644),
            (group, 0o600, false, 0o660),
            (group, 0o644, false, 0o664),
            // Objects are for reading alone.
            (group, 0o400, false, 0o440),
            (group, 0o700, true, 0o2770),
            (group, 0o755, true, 0o2775),
            (all, 0o600, false, 0o664),
            (all, 0o700, true, 0o2775),
            (Sharing::Only(0o640), 0o666, false, 0o640),
            (Sharing::Only(0o640), 0o444, false, 0o440),
            (Sharing::Only(0o640), 0o755, true, 0o2750),
            (Sharing::Only(0o600), 0o755, true, 0o700),
        ] {
            assert_eq!(sharing.mode(old, is_folder), new, "{sharing:?} {old:o}");
        }
    }
}
