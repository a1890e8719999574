//! Asking for a passphrase: on the terminal, or by the user's askpass program.
//!
//! Which of the two is OpenSSH's rule (ssh(1), since 8.4). `SSH_ASKPASS_REQUIRE` may be `force` (askpass, whatever else),
//! `prefer` (askpass where there is a display) or `never`; without it the terminal comes first, and askpass is used where
//! there is no terminal but a display (`DISPLAY` or `WAYLAND_DISPLAY`). The program is `SSH_ASKPASS`, else `ssh-askpass`
//! in `PATH`; it gets the question as its first argument and prints the answer as its first line. The question is worded
//! as ssh words it, since password managers look for those words.

use std::ffi::OsStr;
use std::fmt;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use ed25519_dalek::SigningKey;
use zeroize::Zeroizing;

use super::environment::Environment;
use super::fault::KeyFault;
use super::file::PrivateFile;
use super::{Prompt, shown};

/// How often a passphrase may be wrong; OpenSSH's number.
const TRIES: usize = 3;
/// The longest passphrase, in bytes; OpenSSH's own limit.
const MAX_PASSPHRASE_LEN: usize = 1023;
/// The most that is read of what askpass prints, in bytes.
const MAX_ANSWER_LEN: usize = 4096;

/// Returns the key in `file`, asking for its passphrase where it has one.
///
/// # Errors
/// [`KeyFault::Passphrase`], or a file that is damaged inside.
pub(super) fn unlock(env: &Environment, file: &PrivateFile, prompt: &mut dyn Prompt) -> Result<SigningKey, KeyFault> {
    let damaged = |fault| KeyFault::File { path: file.path().to_owned(), fault };
    let failed = |fault| KeyFault::Passphrase { path: file.path().to_owned(), fault };
    let tries = if file.is_encrypted() { TRIES } else { 1 };
    for attempt in 1..=tries {
        let passphrase =
            if file.is_encrypted() { ask(env, file.path(), prompt).map_err(failed)? } else { Secret::default() };
        if let Some(key) = file.unlock(&passphrase).map_err(damaged)? {
            if file.is_encrypted() {
                prompt.note(&format!(
                    "`ssh-add {}` lets an agent keep this key unlocked, which is faster",
                    shown(file.path())
                ));
            }
            return Ok(key);
        }
        if attempt < tries {
            prompt.note("wrong passphrase");
        }
    }
    Err(failed(PassphraseFault::Wrong { tries }))
}

type Secret = Zeroizing<Vec<u8>>;

/// Asks once; an empty answer is none.
fn ask(env: &Environment, path: &Path, prompt: &mut dyn Prompt) -> Result<Secret, PassphraseFault> {
    let question = format!("Enter passphrase for key '{}': ", shown(path));
    let askpass = Askpass::from_environment(env);
    let answer = match askpass {
        Askpass::First => run_askpass(env, &question)?,
        Askpass::Second | Askpass::Never => match prompt.secret(&question).map_err(PassphraseFault::Terminal)? {
            Some(line) => Zeroizing::new(line.as_bytes().to_vec()),
            None if askpass == Askpass::Second => run_askpass(env, &question)?,
            None => return Err(PassphraseFault::NobodyToAsk),
        },
    };
    if answer.is_empty() || answer.len() > MAX_PASSPHRASE_LEN { Err(PassphraseFault::NotGiven) } else { Ok(answer) }
}

/// When the askpass program is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Askpass {
    /// Instead of the terminal.
    First,
    /// If there is no terminal.
    Second,
    Never,
}

impl Askpass {
    fn from_environment(env: &Environment) -> Askpass {
        let has_display = env.get("DISPLAY").is_some() || env.get("WAYLAND_DISPLAY").is_some();
        let require = env.get("SSH_ASKPASS_REQUIRE").map(OsStr::to_ascii_lowercase);
        match (require.as_deref().and_then(OsStr::to_str), has_display) {
            (Some("force"), _) | (Some("prefer"), true) => Askpass::First,
            (Some("never"), _) | (_, false) => Askpass::Never,
            (_, true) => Askpass::Second,
        }
    }
}

/// Runs the askpass program and returns the first line it prints.
fn run_askpass(env: &Environment, question: &str) -> Result<Secret, PassphraseFault> {
    let program = find_askpass(env)?;
    let failed = |error| PassphraseFault::Askpass { program: program.clone(), error };
    let mut child = env.command(&program).arg(question).stdout(Stdio::piped()).spawn().map_err(failed)?;
    let mut answer = Zeroizing::new(vec![0; MAX_ANSWER_LEN]);
    let mut len = 0;
    let read = loop {
        let Some((stdout, room)) = child.stdout.as_mut().zip(answer.get_mut(len..).filter(|room| !room.is_empty()))
        else {
            break Ok(());
        };
        match stdout.read(room) {
            Ok(0) => break Ok(()),
            Ok(count) => len += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => break Err(error),
        }
    };
    // Closed before the wait: one that prints without end then ends.
    drop(child.stdout.take());
    let status = child.wait().map_err(failed)?;
    read.map_err(failed)?;
    if !status.success() {
        return Err(PassphraseFault::NotGiven);
    }
    let end = answer.iter().take(len).position(|byte| matches!(byte, b'\r' | b'\n' | 0)).unwrap_or(len);
    answer.truncate(end);
    Ok(answer)
}

/// Finds the askpass program: a path, or a name that is looked up in `PATH`.
fn find_askpass(env: &Environment) -> Result<PathBuf, PassphraseFault> {
    let name = env.get("SSH_ASKPASS").unwrap_or(OsStr::new("ssh-askpass"));
    let path = Path::new(name);
    let found = if path.is_absolute() {
        Some(path.to_owned())
    } else if path.components().count() == 1 {
        env.find_program(name)
    } else {
        None
    };
    found.ok_or_else(|| PassphraseFault::NoAskpass(name.to_string_lossy().escape_debug().to_string()))
}

/// Why there is no passphrase.
#[derive(Debug)]
pub enum PassphraseFault {
    /// It was wrong each time.
    Wrong {
        /// How often it was asked for.
        tries: usize,
    },
    /// The answer was empty, far too long, or the askpass program was closed.
    NotGiven,
    /// There is no terminal and no askpass program may be run.
    NobodyToAsk,
    /// The terminal can't be read.
    Terminal(io::Error),
    /// There is no askpass program of this name; it must be an absolute path or stand in `PATH`.
    NoAskpass(String),
    /// The askpass program can't be run.
    Askpass {
        /// Its path.
        program: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

impl fmt::Display for PassphraseFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PassphraseFault::Wrong { tries } => write!(f, "wrong passphrase, {tries} times"),
            PassphraseFault::NotGiven => write!(f, "no passphrase was given"),
            PassphraseFault::NobodyToAsk => write!(f, "it has a passphrase, and there is nobody to ask for it"),
            PassphraseFault::Terminal(error) => write!(f, "can't ask for the passphrase: {error}"),
            PassphraseFault::NoAskpass(name) => {
                write!(f, "can't ask for the passphrase: `{name}` is neither an absolute path nor in `PATH`")
            }
            PassphraseFault::Askpass { program, error } => {
                write!(f, "can't ask for the passphrase with `{}`: {error}", shown(program))
            }
        }
    }
}

impl std::error::Error for PassphraseFault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            PassphraseFault::Terminal(error) | PassphraseFault::Askpass { error, .. } => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn askpass_comes_when_openssh_says_so() {
        use Askpass::{First, Never, Second};
        let display = ("DISPLAY", ":0");
        let wayland = ("WAYLAND_DISPLAY", "wayland-0");
        let require = |value| ("SSH_ASKPASS_REQUIRE", value);
        for (vars, when) in [
            (vec![], Never),
            (vec![display], Second),
            (vec![wayland], Second),
            (vec![("DISPLAY", "")], Never),
            (vec![require("force")], First),
            (vec![require("FORCE")], First),
            (vec![require("prefer")], Never),
            (vec![require("prefer"), display], First),
            (vec![require("prefer"), wayland], First),
            (vec![require("never"), display], Never),
            (vec![require("sometimes"), display], Second),
            (vec![require("sometimes")], Never),
        ] {
            let env = Environment::from_vars(vars.iter().map(|(name, value)| (name.into(), value.into())));
            assert_eq!(Askpass::from_environment(&env), when, "{vars:?}");
        }
    }

    #[test]
    fn an_askpass_program_in_the_current_folder_is_not_run() {
        for name in ["./askpass", "bin/askpass", "../bin/sh", "Cargo.toml"] {
            let env = Environment::from_vars([("SSH_ASKPASS".into(), name.into()), ("PATH".into(), "/bin:.".into())]);
            assert!(matches!(find_askpass(&env), Err(PassphraseFault::NoAskpass(_))), "{name}");
        }
    }
}
