//! Exit statuses, and the failures that choose one.

use std::fmt;

use crate::core::decide::{Answer, Decision};
use crate::core::escape::hide_tokens;
use crate::core::history::chain::ChainError;
use crate::core::reason::{Code, Reason, Weight};
use crate::edge::config::ConfigError;
use crate::edge::git::GitError;
use crate::edge::keys::KeyFault;
use crate::edge::log::{AppendError, WalkError};
use crate::edge::policy_tree::PolicyTreeError;
use crate::edge::remote::RemoteError;

/// What the process ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Allowed, or done.
    Done,
    /// Denied, or the thing asked about is not so.
    Denied,
    /// The command line makes no sense.
    Usage,
    /// Waits for approvals.
    Pending,
    /// Log, pin, genesis or policy fails verification.
    Untrusted,
    /// Something needed can't be had: no key, no repo, I/O, a clock that is wrong.
    Unavailable,
}

impl Exit {
    /// Returns the number.
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Denied => 1,
            Exit::Usage => 2,
            Exit::Pending => 3,
            Exit::Untrusted => 4,
            Exit::Unavailable => 5,
        }
    }

    /// Returns the status for an answer and its reasons: what fails verification or can't be had wins over the rest.
    pub fn of(answer: Answer, reasons: &[Reason]) -> Exit {
        let weight = reasons.iter().map(|reason| reason.code.weight()).max().unwrap_or(Weight::Answer);
        match (weight, answer) {
            (Weight::Untrusted, _) => Exit::Untrusted,
            (Weight::Unavailable, _) => Exit::Unavailable,
            (Weight::Answer, Answer::Allow) => Exit::Done,
            (Weight::Answer, Answer::Pending) => Exit::Pending,
            (Weight::Answer, Answer::Deny) => Exit::Denied,
        }
    }
}

/// A failure with its exit status, and what to do next.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The status.
    pub exit: Exit,
    /// The reason code, where a gate has one for it.
    pub code: Option<Code>,
    /// What happened and why: lower case, no full stop, escaped.
    pub message: String,
    /// A command to type, or a thing to change.
    pub help: Option<String>,
}

impl Failure {
    /// Makes a failure without help.
    pub fn new(exit: Exit, message: impl Into<String>) -> Failure {
        Failure { exit, code: None, message: message.into(), help: None }
    }

    /// The command line makes no sense.
    pub fn usage(message: impl Into<String>) -> Failure {
        Failure::new(Exit::Usage, message)
    }

    /// The thing asked about is not so.
    pub fn denied(message: impl Into<String>) -> Failure {
        Failure::new(Exit::Denied, message)
    }

    /// Something needed can't be had.
    pub fn unavailable(message: impl Into<String>) -> Failure {
        Failure { code: Some(Code::Unavailable), ..Failure::new(Exit::Unavailable, message) }
    }

    /// Log, pin, genesis or policy fails verification.
    pub fn untrusted(code: Code, message: impl Into<String>) -> Failure {
        Failure { code: Some(code), ..Failure::new(Exit::Untrusted, message) }
    }

    /// Adds what to do next.
    pub fn help(mut self, help: impl Into<String>) -> Failure {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl Failure {
    /// Returns the failure that an error is, or stands for: what the edge can't do is unavailable. No token is in it.
    pub(super) fn from_error(error: &anyhow::Error) -> Failure {
        let failure = Failure::found_in(error);
        let hidden = |text: &str| hide_tokens(text).into_owned();
        Failure { message: hidden(&failure.message), help: failure.help.as_deref().map(hidden), ..failure }
    }

    fn found_in(error: &anyhow::Error) -> Failure {
        for cause in error.chain() {
            if let Some(failure) = cause.downcast_ref::<Failure>() {
                return failure.clone();
            }
        }
        // Most errors say what caused them; what they left out follows. What libgit2 says is in the error that holds it.
        let causes = error.chain().filter(|cause| !cause.is::<git2::Error>());
        let message = causes.fold(String::new(), |message, cause| match cause.to_string() {
            cause if message.is_empty() => cause,
            cause if message.contains(&cause) => message,
            cause => format!("{message}: {cause}"),
        });
        let failure = Failure::unavailable(message);
        let help = error.chain().find_map(|cause| {
            cause
                .downcast_ref::<GitError>()
                .and_then(GitError::help)
                .or_else(|| cause.downcast_ref::<RemoteError>().and_then(RemoteError::help))
                .or_else(|| cause.downcast_ref::<KeyFault>().and_then(KeyFault::help))
                .or_else(|| cause.downcast_ref::<ConfigError>().and_then(ConfigError::help))
        });
        if error.downcast_ref::<PolicyTreeError>().is_some_and(PolicyTreeError::is_in_the_files) {
            return Failure { help, exit: Exit::Denied, code: None, ..failure };
        }
        if error.downcast_ref::<ConfigError>().is_some_and(ConfigError::is_untrusted) {
            return Failure { help, exit: Exit::Untrusted, code: Some(Code::LogRewritten), ..failure };
        }
        Failure { help, ..failure }
    }

    /// Returns the decision that this failure is where one was asked for: whoever can't be sure says no. None where the
    /// command line itself is wrong.
    pub(super) fn decision(&self) -> Option<Decision> {
        let reason = Reason::new(self.code.unwrap_or(Code::Unavailable), self.message.clone());
        (self.exit != Exit::Usage).then(|| Decision::deny(reason))
    }

    /// What keeps a log from being walked.
    pub(super) fn of_walk(error: WalkError) -> anyhow::Error {
        let forked = matches!(&error, WalkError::Chain(ChainError::Forked(_)));
        if error.is_untrusted() {
            let code = if forked { Code::LogRewritten } else { Code::PolicyUnverified };
            return Failure::untrusted(code, error.to_string()).into();
        }
        let help = error.git().and_then(GitError::help);
        Failure { help, ..Failure::unavailable(error.to_string()) }.into()
    }

    /// What keeps a line from being appended.
    pub(super) fn of_append(error: AppendError<anyhow::Error>) -> anyhow::Error {
        match error {
            AppendError::Judge(error) => error,
            AppendError::Walk(error) => Failure::of_walk(error),
            AppendError::Replay(error) => error.into(),
            AppendError::Git(error) => error.into(),
            other => Failure { help: other.help(), ..Failure::unavailable(other.to_string()) }.into(),
        }
    }
}
