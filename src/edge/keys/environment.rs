//! What the caller's environment says, as a value: whoever runs the program fills it once and passes it in.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The variable that may hold a token; no program that is started here has business with it.
const TOKEN_VARIABLE: &str = "JIT_TOKEN";

/// The home folder and all environment variables.
///
/// Read here: `SSH_AUTH_SOCK`, `SSH_ASKPASS`, `SSH_ASKPASS_REQUIRE`, `DISPLAY`, `WAYLAND_DISPLAY`, `JIT_KEY`, `PATH`, and
/// what an `IdentityAgent $VARIABLE` names. The rest is for `ssh` and the askpass program, which get all but `JIT_TOKEN`.
#[derive(Clone, Default)]
pub struct Environment {
    /// The user's home folder; `~/.ssh` is in it.
    pub home: Option<PathBuf>,
    /// The environment variables by name.
    pub vars: BTreeMap<String, OsString>,
}

impl Environment {
    /// Takes the variables of a process (`std::env::vars_os`); home is `HOME`, where that is an absolute path.
    pub fn from_vars(vars: impl IntoIterator<Item = (OsString, OsString)>) -> Environment {
        let vars: BTreeMap<String, OsString> =
            vars.into_iter().filter_map(|(name, value)| Some((name.into_string().ok()?, value))).collect();
        let home = vars.get("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
        Environment { home, vars }
    }

    /// Returns a variable; one that is empty counts as not set.
    pub(super) fn get(&self, name: &str) -> Option<&OsStr> {
        self.vars.get(name).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// Returns `path` with a leading `~/` replaced by the home folder.
    pub(super) fn expand(&self, path: &OsStr) -> PathBuf {
        match (Path::new(path).strip_prefix("~"), &self.home) {
            (Ok(rest), Some(home)) => home.join(rest),
            (Ok(_) | Err(_), _) => PathBuf::from(path),
        }
    }

    /// Finds a program in `PATH`. Entries that are not absolute are passed over: what stands in the current folder is
    /// never run.
    pub(super) fn find_program(&self, name: &OsStr) -> Option<PathBuf> {
        std::env::split_paths(self.get("PATH")?)
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join(name))
            .find(|path| path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0))
    }

    /// Returns a command that runs `program` in this environment, with nothing on its standard input.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(&self.vars).env_remove(TOKEN_VARIABLE).stdin(Stdio::null());
        command
    }
}

impl fmt::Debug for Environment {
    /// Names only: values may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").field("home", &self.home).field("vars", &self.vars.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        Environment::from_vars(pairs.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))))
    }

    #[test]
    fn home_is_expanded_at_the_start_only() {
        let env = environment(&[("HOME", "/home/alice"), ("EMPTY", "")]);
        for (path, expanded) in [
            ("~/.ssh/id", "/home/alice/.ssh/id"),
            ("/x/~/y", "/x/~/y"),
            ("~bob/id", "~bob/id"),
            ("a/~", "a/~"),
            ("~", "/home/alice"),
        ] {
            assert_eq!(env.expand(OsStr::new(path)), PathBuf::from(expanded), "{path}");
        }
        assert_eq!(env.get("EMPTY"), None);
        assert_eq!(environment(&[("HOME", "relative")]).home, None);
        assert!(!format!("{env:?}").contains("alice/.ssh"));
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "what is tested is that the process's own folder does not count")]
    fn programs_are_found_only_in_absolute_folders() {
        let here = tempfile::tempdir().unwrap();
        let program = here.path().join("tool");
        std::fs::write(&program, "").unwrap();
        let path = format!(".:relative::{}", here.path().display());
        let env = environment(&[("PATH", &path)]);
        assert_eq!(env.find_program(OsStr::new("tool")), None, "not executable");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(env.find_program(OsStr::new("tool")), Some(program));
        let up = "../".repeat(std::env::current_dir().unwrap().components().count());
        let relative = format!("{up}{}", here.path().display());
        assert!(Path::new(&relative).join("tool").exists());
        assert_eq!(environment(&[("PATH", &relative)]).find_program(OsStr::new("tool")), None);
        assert_eq!(environment(&[]).find_program(OsStr::new("sh")), None);
    }

    #[test]
    fn a_token_is_not_passed_on_and_values_are_not_shown() {
        let env = environment(&[("JIT_TOKEN", "jit1.secret"), ("DISPLAY", ":0")]);
        let command = env.command(Path::new("/bin/true"));
        let passed: Vec<_> = command.get_envs().filter(|(_, value)| value.is_some()).map(|(name, _)| name).collect();
        assert_eq!(passed, ["DISPLAY"]);
        assert!(!format!("{env:?}").contains("secret"));
    }
}
