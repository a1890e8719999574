//! The command line: one file a subcommand, with its arguments and its `run`.
//!
//! A command reads what it needs, calls the core once, and carries out the answer; it decides nothing. [`run`] is the
//! whole program but for the process around it, so a test can run it in a world of its own.

mod append;
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

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use exit::{Exit, Failure};

use crate::core::escape::escape;
use crate::edge::world::World;
use context::Context;

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
    Init(init::InitArgs),
    Clone(clone::CloneArgs),
    Sync(sync::SyncArgs),
    Witness(witness::WitnessArgs),
    /// People and services
    #[command(subcommand)]
    Identity(identity::IdentityCommand),
    Whoami(whoami::WhoamiArgs),
    Request(request::RequestArgs),
    Approve(approve::ApproveArgs),
    Deny(deny::DenyArgs),
    Revoke(revoke::RevokeArgs),
    Done(done::DoneArgs),
    Lockdown(lockdown::LockdownArgs),
    Lift(lift::LiftArgs),
    #[command(visible_alias = "ls")]
    List(list::ListArgs),
    Show(show::ShowArgs),
    Token(token::TokenArgs),
    Check(check::CheckArgs),
    Doctor(doctor::DoctorArgs),
    /// For maintainers: write, check and publish the policy
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// For auditors: read, verify and export the log
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// For who hosts the repo: hooks of git
    #[command(subcommand)]
    Hook(hook::HookCommand),
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
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) => return render::usage(world, &escaped(&args, error), asks_for_json(&args)).code(),
    };
    world.set_quiet(cli.globals.quiet);
    let mut cx = Context::new(world, cli.globals);
    let outcome = match cli.command {
        Command::Init(args) => init::run(&mut cx, &args),
        Command::Clone(args) => clone::run(&mut cx, &args),
        Command::Sync(args) => sync::run(&mut cx, &args),
        Command::Witness(args) => witness::run(&mut cx, &args),
        Command::Identity(command) => identity::run(&mut cx, &command),
        Command::Whoami(args) => whoami::run(&mut cx, &args),
        Command::Request(args) => request::run(&mut cx, &args),
        Command::Approve(args) => approve::run(&mut cx, &args),
        Command::Deny(args) => deny::run(&mut cx, &args),
        Command::Revoke(args) => revoke::run(&mut cx, &args),
        Command::Done(args) => done::run(&mut cx, &args),
        Command::Lockdown(args) => lockdown::run(&mut cx, &args),
        Command::Lift(args) => lift::run(&mut cx, &args),
        Command::List(args) => list::run(&mut cx, &args),
        Command::Show(args) => show::run(&mut cx, &args),
        Command::Token(args) => token::run(&mut cx, &args),
        Command::Check(args) => check::run(&mut cx, &args),
        Command::Doctor(args) => doctor::run(&mut cx, &args),
        Command::Policy(command) => policy::run(&mut cx, &command),
        Command::Audit(command) => audit::run(&mut cx, &command),
        Command::Hook(command) => hook::run(&mut cx, &command),
    };
    outcome.unwrap_or_else(|error| render::failure(&mut cx, &error)).code()
}
