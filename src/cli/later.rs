//! Subcommands that are described once they are called: a gate starts thousands of times a day, and a third of its start
//! would be to put together the arguments of commands that it does not run.

use clap::builder::Resettable;
use clap::error::Result;
use clap::{ArgMatches, Args, Command, FromArgMatches, Subcommand};

/// What stands behind a subcommand's name, put together only when that is called or asked about.
///
/// The first line that is said of it stands with its name, for the list of all commands; what is said of `T` follows it
/// where that one is explained at length.
#[derive(Debug)]
pub(super) struct Later<T>(pub(super) T);

/// Describes a subcommand whose first line is there.
fn describe<T: Args>(command: Command) -> Command {
    let first = command.get_about().map(ToString::to_string).unwrap_or_default();
    let command = T::augment_args(command.about(Resettable::Reset).long_about(Resettable::Reset));
    // clap takes the full stop from a paragraph that stands alone.
    let alone = || Some(format!("{}.", command.get_about()?));
    match command.get_long_about().map(ToString::to_string).or_else(alone) {
        Some(rest) => command.long_about(format!("{first}\n\n{rest}")).about(first),
        None => command.about(first),
    }
}

impl<T: Args> Args for Later<T> {
    fn augment_args(command: Command) -> Command {
        command.defer(describe::<T>)
    }

    fn augment_args_for_update(command: Command) -> Command {
        T::augment_args_for_update(command)
    }
}

impl<T: Subcommand> Subcommand for Later<T> {
    fn augment_subcommands(command: Command) -> Command {
        command.defer(T::augment_subcommands)
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        T::augment_subcommands_for_update(command)
    }

    fn has_subcommand(name: &str) -> bool {
        T::has_subcommand(name)
    }
}

impl<T: FromArgMatches> FromArgMatches for Later<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Later<T>> {
        T::from_arg_matches(matches).map(Later)
    }

    fn from_arg_matches_mut(matches: &mut ArgMatches) -> Result<Later<T>> {
        T::from_arg_matches_mut(matches).map(Later)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<()> {
        self.0.update_from_arg_matches(matches)
    }
}
