//! The command line: one file a subcommand, with its arguments and its `run`.
//!
//! A command reads what it needs, calls the core once, and carries out the answer; it decides nothing. [`run`] is the
//! whole program but for the process around it, so a test can run it in a world of its own.

mod approve;
mod audit;
mod check;
mod clone;
mod context;
mod deny;
mod doctor;
mod done;
mod exit;
mod freshness;
mod hook;
mod id;
mod identity;
mod init;
mod json;
mod later;
mod ledger;
mod lift;
mod list;
mod lockdown;
mod pin;
mod policy;
mod render;
mod request;
mod revoke;
mod show;
mod statement;
mod sync;
mod text;
mod token;
mod verdict;
mod watch;
mod whoami;
mod witness;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, FromArgMatches as _, Parser, Subcommand, ValueEnum};

pub use exit::{Exit, Failure};

use crate::core::escape::escape;
use crate::edge::world::World;
use context::Context;
use later::Later;

/// Just-in-time access with policy as code, from a git repository alone
#[derive(Parser, Debug)]
#[command(name = "jit", version, propagate_version = true, max_term_width = 110)]
struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

/// Options that every command takes.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Options of every command")]
struct Globals {
    /// The policy repo [default: JIT_REPO, else the one around the current folder, else the first that was made here]
    #[arg(short = 'C', long, global = true, value_name = "DIR")]
    repo: Option<PathBuf>,
    /// The key to sign with: a file, or the SHA256 fingerprint of one in the agent or ~/.ssh [default: JIT_KEY, else git's
    /// user.signingkey, else the one that is in identities/]
    #[arg(long, global = true, value_name = "FILE|FINGERPRINT")]
    key: Option<String>,
    /// Say yes to what is asked; an id then needs at least 16 digits
    #[arg(long, global = true)]
    yes: bool,
    /// Print one JSON object on standard output
    #[arg(long, global = true)]
    json: bool,
    /// Whether to colour what people read
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t = Color::Auto)]
    color: Color,
    /// Say only the answer
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Say more
    #[arg(short, long, global = true)]
    verbose: bool,
}

#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Make a policy repo, or add a log to a git repo that has none
    Init(Later<init::InitArgs>),
    /// Clone a policy repo, verify its whole log, and trust it on this machine
    Clone(Later<clone::CloneArgs>),
    /// Fetch the log from its remote, verify it, and let gates that share this clone know how old it is
    Sync(Later<sync::SyncArgs>),
    /// Vouch for the log as a witness: fetch and verify it, sign how far it has come, and push that to jit/witness/NAME
    Witness(Later<witness::WitnessArgs>),
    /// People and services
    #[command(subcommand)]
    Identity(Later<identity::IdentityCommand>),
    /// Show the identity behind your key, its groups, and what it may ask for
    Whoami(Later<whoami::WhoamiArgs>),
    /// Ask for access: signs a request, logs it, and shows the grant or what it waits for
    Request(Later<request::RequestArgs>),
    /// Approve requests, policies or lifts: shows each, asks, signs, logs
    Approve(Later<approve::ApproveArgs>),
    /// Deny requests: shows each, asks, signs, logs; a denied request has ended
    Deny(Later<deny::DenyArgs>),
    /// End requests and grants early; gates see it at their next look
    Revoke(Later<revoke::RevokeArgs>),
    /// End a grant of your own that you no longer need
    Done(Later<done::DoneArgs>),
    /// End for good all that matches, and hold it back until it is lifted: shows what it ends, asks, signs, logs
    Lockdown(Later<lockdown::LockdownArgs>),
    /// Lift a lockdown, with as many maintainers as a policy needs; what it ended stays ended
    Lift(Later<lift::LiftArgs>),
    /// List requests and grants: those that wait and those that are live, unless said otherwise
    #[command(visible_alias = "ls")]
    List(Later<list::ListArgs>),
    /// Show one statement: a request with all that came of it, or any other line of the log
    Show(Later<show::ShowArgs>),
    /// Sign and print a token of a grant of your own; whoever holds it is let in until it expires
    Token(Later<token::TokenArgs>),
    /// Ask whether access is allowed now: exit status 0 allowed, 1 denied, 3 pending, 4 untrusted, 5 unavailable
    Check(Later<check::CheckArgs>),
    /// Check what keeps a person, a CI job or a gate from working here, and say what to type about it
    Doctor(Later<doctor::DoctorArgs>),
    /// For maintainers: write, check and publish the policy
    #[command(subcommand)]
    Policy(Later<policy::PolicyCommand>),
    /// For auditors: read, verify and export the log
    #[command(subcommand)]
    Audit(Later<audit::AuditCommand>),
    /// For who hosts the repo: hooks of git
    #[command(subcommand)]
    Hook(Later<hook::HookCommand>),
}

impl Cli {
    /// Reads a command line.
    fn read(args: &[OsString]) -> clap::error::Result<Cli> {
        Cli::read_called(args).map_or_else(|| Cli::try_parse_from(args), Ok)
    }

    /// Reads a command line that begins with a subcommand, as nearly all do, by the description of that one alone: clap
    /// copies the options of every command into each of them. None of what is wrong, or asks for help: there the whole
    /// description has the word.
    fn read_called(args: &[OsString]) -> Option<Cli> {
        let all = Command::augment_subcommands(clap::Command::new("jit"));
        let called = all.find_subcommand(args.get(1)?)?.clone();
        let alone =
            Globals::augment_args(clap::Command::new("jit").version("").propagate_version(true)).subcommand(called);
        let mut matches = alone.try_get_matches_from(args).ok()?;
        Cli::from_arg_matches_mut(&mut matches).ok()
    }
}

/// Arguments stand in what clap says of them, and one that holds a line end could add lines of its own: then it is said
/// of the arguments escaped.
fn escaped(args: &[OsString], error: clap::Error) -> clap::Error {
    let args: Vec<_> = args.iter().map(|arg| arg.to_string_lossy()).collect();
    if !args.iter().any(|arg| arg.contains(char::is_control)) {
        return error;
    }
    match Cli::try_parse_from(args.iter().map(|arg| escape(arg).into_owned())) {
        Err(other) if other.kind() == error.kind() => other,
        Ok(_) | Err(_) => error,
    }
}

/// Tells whether `--json` stands among arguments that can't be read as a whole.
fn asks_for_json(args: &[OsString]) -> bool {
    args.iter().take_while(|arg| *arg != "--").any(|arg| arg == "--json")
}

/// Runs one command line, the program's own name first, and returns the status to exit with.
pub fn run(world: &mut World, args: Vec<OsString>) -> u8 {
    let cli = match Cli::read(&args) {
        Ok(cli) => cli,
        Err(error) => return render::usage(world, &escaped(&args, error), asks_for_json(&args)).code(),
    };
    world.set_quiet(cli.globals.quiet);
    let mut cx = Context::new(world, cli.globals);
    let outcome = match cli.command {
        Command::Init(Later(args)) => init::run(&mut cx, &args),
        Command::Clone(Later(args)) => clone::run(&mut cx, &args),
        Command::Sync(Later(args)) => sync::run(&mut cx, &args),
        Command::Witness(Later(args)) => witness::run(&mut cx, &args),
        Command::Identity(Later(command)) => identity::run(&mut cx, &command),
        Command::Whoami(Later(args)) => whoami::run(&mut cx, &args),
        Command::Request(Later(asked)) => request::run(&mut cx, &asked, &args),
        Command::Approve(Later(args)) => approve::run(&mut cx, &args),
        Command::Deny(Later(args)) => deny::run(&mut cx, &args),
        Command::Revoke(Later(args)) => revoke::run(&mut cx, &args),
        Command::Done(Later(args)) => done::run(&mut cx, &args),
        Command::Lockdown(Later(args)) => lockdown::run(&mut cx, &args),
        Command::Lift(Later(args)) => lift::run(&mut cx, &args),
        Command::List(Later(args)) => list::run(&mut cx, &args),
        Command::Show(Later(args)) => show::run(&mut cx, &args),
        Command::Token(Later(args)) => token::run(&mut cx, &args),
        Command::Check(Later(args)) => check::run(&mut cx, &args),
        Command::Doctor(Later(args)) => doctor::run(&mut cx, &args),
        Command::Policy(Later(command)) => policy::run(&mut cx, &command),
        Command::Audit(Later(command)) => audit::run(&mut cx, &command),
        Command::Hook(Later(command)) => hook::run(&mut cx, &command),
    };
    outcome.unwrap_or_else(|error| render::failure(&mut cx, &error)).code()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    /// What may stand without its value takes what stands next for something else; `jit request` looks at that.
    #[test]
    fn no_other_option_has_a_value_that_may_be_missing() {
        fn find(command: &clap::Command, found: &mut Vec<String>) {
            let may_lack = |arg: &&clap::Arg| {
                arg.get_action().takes_values() && arg.get_num_args().is_some_and(|range| range.min_values() == 0)
            };
            let options = command.get_arguments().filter(|arg| !arg.is_positional()).filter(may_lack);
            found.extend(options.map(|arg| format!("{} {}", command.get_name(), arg.get_id())));
            command.get_subcommands().for_each(|command| find(command, found));
        }
        let mut jit = Cli::command();
        jit.build();
        let mut found = Vec::new();
        find(&jit, &mut found);
        assert_eq!(found, ["request wait"]);
    }

    #[test]
    fn every_command_is_described() {
        let mut jit = Cli::command();
        jit.build();
        jit.clone().debug_assert();
        for command in jit.get_subcommands() {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            assert!(!about.is_empty() && !about.ends_with('.'), "{}: {about}", command.get_name());
            assert!(command.has_subcommands() || command.get_arguments().count() > 6, "{}", command.get_name());
            if let Some(long) = command.get_long_about() {
                assert!(long.to_string().starts_with(&format!("{about}\n\n")), "{long}");
            }
        }
    }

    #[test]
    fn a_command_read_alone_is_what_it_is_among_all() {
        for (line, is_right) in [
            ("check db/prod/orders read --token-file t --audience a", true),
            ("check -C . --json db/prod/orders --max-age 5m -q", true),
            ("check --color=never -v -- db/prod/orders read", true),
            ("ls --active --yes", true),
            ("list --key k --repo r", true),
            ("request db/prod/orders read --for 1h --reason why --wait=10s", true),
            ("policy --json lint", true),
            ("policy diff HEAD", true),
            ("audit -C r log --quiet", true),
            ("audit --color always verify", true),
            ("check", false),
            ("check db/prod/orders --version", false),
            ("check db/prod/orders -V", false),
            ("check db/prod/orders --help", false),
            ("check -q -v db/prod/orders", false),
            ("check db/prod/orders read more", false),
            ("check db/prod/orders --color sometimes", false),
            ("check db/prod/orders --no-such", false),
            ("policy", false),
            ("policy help lint", false),
            ("help check", false),
            ("-C r check db/prod/orders", false),
            ("chek db/prod/orders", false),
            ("--version", false),
            ("", false),
        ] {
            let args: Vec<OsString> = ["jit"].into_iter().chain(line.split_whitespace()).map(OsString::from).collect();
            let told =
                |cli: clap::error::Result<Cli>| cli.map(|cli| format!("{cli:?}")).map_err(|error| error.to_string());
            assert_eq!(Cli::read_called(&args).is_some(), is_right, "{line}");
            assert_eq!(told(Cli::read(&args)), told(Cli::try_parse_from(&args)), "{line}");
        }
    }
}
