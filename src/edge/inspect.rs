//! Looking at files without changing any: who owns them, who may write to them, and what dead processes left behind.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, Mode, access};
use rustix::process::umask;

use super::git::Repo;
use super::log::queue;
use super::remote::{RemoteError, run, talk};
use super::world::World;

/// What lies in a clone that decides what git does there; whoever may write to one of them is as good as its owner.
const SENSITIVE: [&str; 8] = ["", "config", "hooks", "refs", "refs/heads", "objects", "packed-refs", "jit"];
/// Write permission for all others.
const OTHERS_WRITE: u32 = 0o002;
/// Write permission for the group.
const GROUP_WRITES: u32 = 0o020;
/// Who is a user of this machine, and in which group.
const USERS: &str = "/etc/passwd";
const GROUPS: &str = "/etc/group";
/// The most bytes of the user database that are read.
const MAX_USERS: u64 = 1 << 20;

/// How a file or folder stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The user that owns it.
    pub owner: u32,
    /// Whether we may write to it.
    pub is_writable: bool,
    mode: u32,
    group: u32,
}

impl Standing {
    /// Tells whether its group may write to it, and others than the owner are in that group. (Many systems give each user
    /// a group of their own, and have files be open to it.)
    pub fn is_open_to_group(&self) -> bool {
        self.mode & GROUP_WRITES != 0 && !is_private(self.group, self.owner, &database(USERS), &database(GROUPS))
    }

    /// Tells whether everybody may write to it.
    pub fn is_open_to_all(&self) -> bool {
        self.mode & OTHERS_WRITE != 0
    }
}

/// Looks at a file or folder, behind links; none if it is not there.
///
/// # Errors
/// It can't be looked at.
pub fn standing(path: &Path) -> io::Result<Option<Standing>> {
    match fs::metadata(path) {
        Ok(data) => {
            let is_writable = access(path, Access::WRITE_OK).is_ok();
            Ok(Some(Standing { owner: data.uid(), is_writable, mode: data.mode(), group: data.gid() }))
        }
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(why) => Err(why),
    }
}

/// Looks at what decides what git does in a repository.
///
/// # Errors
/// One of them can't be looked at.
pub fn sensitive(repo: &Repo) -> io::Result<Vec<(PathBuf, Standing)>> {
    let mut found = Vec::new();
    for name in SENSITIVE {
        let path: PathBuf = repo.common_dir().join(name).components().collect();
        if let Some(standing) = standing(&path)? {
            found.push((path, standing));
        }
    }
    Ok(found)
}

/// Reads the users or the groups of this machine. Those that come from elsewhere, a directory service say, have their
/// number only.
fn database(path: &str) -> String {
    let mut text = String::new();
    let _ = File::open(path).and_then(|file| file.take(MAX_USERS).read_to_string(&mut text));
    text
}

/// Tells whether nobody but the user `owner` is in a group: by the group's list, or because it is another user's first.
/// Of a group that is not in the list nobody knows.
fn is_private(group: u32, owner: u32, users: &str, groups: &str) -> bool {
    let fields = |line| str::split(line, ':').collect::<Vec<_>>();
    let of = |fields: &[&str], place: usize| fields.get(place).and_then(|field| field.parse::<u32>().ok());
    let users: Vec<Vec<&str>> = users.lines().map(fields).collect();
    let owner_name = users.iter().find(|user| of(user, 2) == Some(owner)).and_then(|user| user.first());
    let is_anothers = users.iter().any(|user| of(user, 3) == Some(group) && of(user, 2) != Some(owner));
    let listed = groups.lines().map(fields).find(|listed| of(listed, 2) == Some(group));
    let Some(members) = listed.as_ref().and_then(|listed| listed.get(3)) else { return false };
    let has_others = members.split(',').any(|member| !member.is_empty() && Some(&member) != owner_name);
    !is_anothers && !has_others
}

/// Returns the name of a user, and the number where it has none; escaped.
pub fn user_name(uid: u32) -> String {
    let text = database(USERS);
    let name = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    });
    name.map_or_else(|| format!("user {uid}"), super::git::escaped)
}

/// Returns the permissions that files made now will lack.
pub fn lacking() -> u32 {
    // There is no other way to ask than to set it; it is put back at once.
    let now = umask(Mode::from_raw_mode(0o077));
    umask(now);
    now.bits()
}

/// What dead processes left in a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// Files of a jit that was killed; the next append removes them.
    pub ours: Vec<PathBuf>,
    /// Locks of git's, or of somebody else's: at work, or killed.
    pub locks: Vec<PathBuf>,
}

/// Looks for what dead processes left; `refs` are those whose locks would be in our way.
///
/// # Errors
/// The folders can't be read.
pub fn leftovers(repo: &Repo, refs: &[&str]) -> io::Result<Leftovers> {
    let mut found = Leftovers { ours: queue::left_behind(repo)?, locks: Vec::new() };
    let folder = repo.common_dir().join("jit");
    let mut ids = Vec::new();
    // Whoever holds the lock is at work: then what is there is not left over.
    let is_idle = match File::open(folder.join("append.lock")) {
        Ok(lock) => lock.try_lock().is_ok(),
        Err(_) => true,
    };
    match fs::read_dir(&folder) {
        Ok(entries) => {
            for entry in entries {
                let entry = entry?;
                if entry.file_name().as_encoded_bytes().starts_with(b"ref-") {
                    // One that has just been removed is not left over either.
                    let Ok(data) = entry.metadata() else { continue };
                    ids.push((data.dev(), data.ino()));
                    if is_idle {
                        found.ours.push(entry.path());
                    }
                }
            }
        }
        Err(why) if why.kind() == io::ErrorKind::NotFound => {}
        Err(why) => return Err(why),
    }
    for name in refs {
        let lock = repo.common_dir().join(format!("{name}.lock"));
        match fs::symlink_metadata(&lock) {
            // The same file as one of ours: it goes with it.
            Ok(data) if ids.contains(&(data.dev(), data.ino())) => {}
            Ok(_) => found.locks.push(lock),
            Err(why) if why.kind() == io::ErrorKind::NotFound => {}
            Err(why) => return Err(why),
        }
    }
    found.ours.sort();
    Ok(found)
}

/// Returns the version of the user's git, escaped.
///
/// # Errors
/// There is none that can be run.
pub fn git_version(world: &World) -> io::Result<String> {
    let output = world.command("git").arg("--version").env("LC_ALL", "C").output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let text = text.lines().next().unwrap_or_default();
    match text.strip_prefix("git version ").filter(|_| output.status.success()) {
        Some(version) => Ok(super::git::escaped(version)),
        None => Err(io::Error::new(io::ErrorKind::InvalidData, "what is called git there says no version")),
    }
}

/// Asks the user's git whether it takes a repository for one; says why not, in its own words, escaped.
///
/// # Errors
/// Git can't be run.
pub fn why_git_refuses(world: &World, repo: &Repo) -> Result<Option<String>, RemoteError> {
    let said = run(world, Some(repo), &["rev-parse", "--git-dir"].map(OsString::from))?;
    Ok((!said.status.success()).then(|| talk(&said.err)))
}

/// Tells whether a version of git has all that is asked of it, as far as its number says.
pub fn is_new_enough(version: &str, least: (u32, u32)) -> bool {
    let mut numbers = version.split(['.', '-', ' ']).map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= least,
        // One that numbers itself otherwise may well do.
        _ => true,
    }
}

/// Returns where git's owner check is switched off for all folders, as git names the place: `global`, `system`, …
pub fn unchecked_owner_scopes(world: &World) -> Vec<String> {
    let mut command = world.command("git");
    command.args(["config", "--show-scope", "--get-all", "safe.directory"]).env("LC_ALL", "C").current_dir("/");
    let Ok(output) = command.output() else { return Vec::new() };
    let text = String::from_utf8_lossy(&output.stdout);
    let scopes = text.lines().filter_map(|line| line.split_once('\t').filter(|(_, folder)| *folder == "*"));
    scopes.map(|(scope, _)| super::git::escaped(scope)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::log::BRANCH;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn versions() {
        for (version, is_enough) in
            [("2.41.0", true), ("2.40.9", false), ("3.0", true), ("2.47.3-rc1 (Apple Git-1)", true), ("odd", true)]
        {
            assert_eq!(is_new_enough(version, (2, 41)), is_enough, "{version}");
        }
    }

    #[test]
    fn who_may_write() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        assert_eq!(standing(&path).unwrap(), None);
        fs::write(&path, "").unwrap();
        for (mode, all) in [(0o600, false), (0o660, false), (0o666, true)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let standing = standing(&path).unwrap().unwrap();
            assert_eq!(standing.is_open_to_all(), all, "{mode:o}");
            assert!(standing.is_writable && standing.owner == rustix::process::geteuid().as_raw());
        }
        assert_eq!(user_name(0), "root");
        assert_eq!(user_name(4_000_000_000), "user 4000000000");
        let before = lacking();
        assert_eq!(lacking(), before);
    }

    #[test]
    fn groups_that_are_one_users_own() {
        let users = "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/:\nbob:x:1001:1001::/:\neve:x:1002:1003::/:\nodd\n";
        let groups = "ann:x:1000:\nbob:x:1001:bob,ann\nteam:x:1002:ann\nfirst:x:1003:\nodd:x\n";
        let table = [
            (1000, 1000, true),
            (1001, 1001, false),
            (1002, 1000, true),
            (1002, 1001, false),
            (1003, 1000, false),
            (4000, 1000, false),
        ];
        for (group, owner, is_own) in table {
            assert_eq!(is_private(group, owner, users, groups), is_own, "{group} {owner}");
        }
    }

    #[test]
    fn what_is_left_over() {
        let folder = tempfile::tempdir().unwrap();
        let repo = Repo::init(folder.path()).unwrap();
        assert_eq!(leftovers(&repo, &[BRANCH]).unwrap(), Leftovers::default());
        let ours = repo.common_dir().join("jit/ref-00");
        let lock = repo.common_dir().join(format!("{BRANCH}.lock"));
        for path in [&ours, &lock] {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
        }
        fs::write(&ours, "").unwrap();
        fs::hard_link(&ours, &lock).unwrap();
        assert_eq!(leftovers(&repo, &[BRANCH]).unwrap(), Leftovers { ours: vec![ours.clone()], locks: Vec::new() });
        let queue = repo.common_dir().join(format!("jit/queue-{}", rustix::process::geteuid().as_raw()));
        fs::create_dir(&queue).unwrap();
        let waiting = File::create(queue.join("waiting")).unwrap();
        waiting.lock().unwrap();
        for name in ["push", "dead"] {
            fs::write(queue.join(name), "").unwrap();
        }
        assert_eq!(leftovers(&repo, &[]).unwrap().ours, [queue.join("dead"), ours.clone()]);
        fs::remove_dir_all(&queue).unwrap();
        // While another holds the lock, it is at work.
        let held = File::create(repo.common_dir().join("jit/append.lock")).unwrap();
        held.lock().unwrap();
        assert_eq!(leftovers(&repo, &[BRANCH]).unwrap(), Leftovers::default());
        drop(held);
        fs::remove_file(&ours).unwrap();
        assert_eq!(leftovers(&repo, &[BRANCH]).unwrap(), Leftovers { ours: Vec::new(), locks: vec![lock] });
    }
}
