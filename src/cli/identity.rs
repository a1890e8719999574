//! `jit identity`: people and services.

use std::path::PathBuf;

use clap::Subcommand;
use serde::Serialize;

use super::context::{Context, shown};
use super::exit::{Exit, Failure};
use super::render;
use crate::core::key::PublicKey;
use crate::core::name::Name;
use crate::core::policy::{PolicyFiles, Schema, Severity};
use crate::edge::git::Repo;
use crate::edge::keys::read_public_keys;
use crate::edge::{policy_tree, secret_file, work_tree};

/// The longest file of public keys, in bytes.
const MAX_KEYS_LEN: usize = 64 * 1024;

#[derive(Subcommand, Debug)]
pub(super) enum IdentityCommand {
    Add(AddArgs),
}

/// Write the TOML of a person or service from public keys; it comes into force with the policy
#[derive(clap::Args, Debug)]
pub(super) struct AddArgs {
    /// The name
    name: Name,
    /// A file of public keys, one a line as in ~/.ssh/id_ed25519.pub, or - for standard input [default: no key]
    #[arg(value_name = "KEYFILE|-")]
    keys: Option<PathBuf>,
    /// It is a service, owned by these people; may be repeated
    #[arg(long = "service-of", value_name = "OWNER")]
    owners: Vec<Name>,
}

#[derive(Serialize)]
struct Added {
    name: String,
    file: String,
    fingerprints: Vec<String>,
}

pub(super) fn run(cx: &mut Context<'_>, command: &IdentityCommand) -> anyhow::Result<Exit> {
    match command {
        IdentityCommand::Add(args) => add(cx, args),
    }
}

fn add(cx: &mut Context<'_>, args: &AddArgs) -> anyhow::Result<Exit> {
    let repo: Repo = cx.repo()?;
    let folder = repo
        .work_dir()
        .ok_or_else(|| Failure::usage(format!("`{}` has no work tree to write to", shown(&repo.shown_path()))))?
        .to_owned();
    let keys = read_keys(cx, args)?;
    let path = format!("identities/{}.toml", args.name);
    // Only where the repo has the schemas: a path that leads nowhere makes editors complain.
    let has_schema = folder.join(Schema::Identities.path()).is_file();
    let line = Schema::line_for(&path).filter(|_| has_schema).unwrap_or_default();
    let text = format!("{line}{}", identity_toml(args, &keys));
    let mut files: Vec<(String, Vec<u8>)> =
        policy_tree::read_folder(&folder)?.iter().map(|(path, bytes)| (path.to_owned(), bytes.to_vec())).collect();
    if files.iter().any(|(taken, _)| *taken == path) {
        let text = format!("{path} is there already");
        return Err(Failure::denied(text).help("add the key to its `keys` there, beside the old one").into());
    }
    let (policy, _) = super::policy::check(&PolicyFiles::new(files.iter().cloned())?);
    if policy.is_some_and(|policy| policy.identity(&args.name).is_some()) {
        let text = format!("somebody is called `{}` already", args.name);
        return Err(Failure::denied(text)
            .help("add the key to their `keys` in identities/, beside the old one")
            .into());
    }
    files.push((path.clone(), text.clone().into_bytes()));
    refuse_what_does_not_load(cx, &PolicyFiles::new(files)?)?;
    work_tree::write_new_file(&repo, &path, text.as_bytes())?;
    let fingerprints: Vec<String> = keys.iter().map(|(key, _)| key.fingerprint()).collect();
    if cx.json() {
        cx.print_json(&Added { name: args.name.to_string(), file: path, fingerprints })?;
        return Ok(Exit::Done);
    }
    cx.print(&format!("Wrote {path}"))?;
    for (key, comment) in &keys {
        cx.print(&format!("  {} {}", key.fingerprint(), render::safe(comment)))?;
    }
    cx.print(if keys.is_empty() {
        "Without a key it can't ask for anything yet. Commit it, and `jit policy publish`."
    } else {
        "Have its owner read you each fingerprint by another way. Then commit it, and `jit policy publish`."
    })?;
    Ok(Exit::Done)
}

fn read_keys(cx: &mut Context<'_>, args: &AddArgs) -> anyhow::Result<Vec<(PublicKey, String)>> {
    let Some(source) = &args.keys else { return Ok(Vec::new()) };
    let (whence, bytes) = if source.as_os_str() == "-" {
        let bytes = cx.world.read_stdin(MAX_KEYS_LEN).map_err(|why| Failure::usage(why.to_string()))?;
        ("standard input".to_owned(), bytes)
    } else {
        let path = cx.world.cwd().join(source);
        let bytes =
            secret_file::read_public(&path, MAX_KEYS_LEN as u64).map_err(|why| Failure::usage(why.to_string()))?;
        (shown(source), bytes)
    };
    let text = String::from_utf8(bytes).map_err(|_| Failure::usage(format!("{whence} is no text")))?;
    let keys = read_public_keys(&text).map_err(|why| {
        let failure = Failure::usage(format!("{whence}: {why}"));
        match why.help() {
            Some(help) => failure.help(help),
            None => failure,
        }
    })?;
    if keys.is_empty() {
        return Err(Failure::usage(format!("{whence} holds no key")).into());
    }
    Ok(keys)
}

/// Writes the table. Comments of keys are free text of somebody else's: what TOML or a terminal could take amiss is left
/// out.
fn identity_toml(args: &AddArgs, keys: &[(PublicKey, String)]) -> String {
    let list = |items: Vec<String>| items.iter().map(|item| format!("\"{item}\"")).collect::<Vec<_>>().join(", ");
    let keys = keys.iter().map(|(key, comment)| {
        let comment: String = comment
            .chars()
            .filter(|c| c.is_ascii_graphic() && !matches!(c, '"' | '\\') || *c == ' ')
            .take(100)
            .collect();
        format!("{} {comment}", key.to_openssh()).trim_end().to_owned()
    });
    let keys: Vec<String> = keys.collect();
    let mut text = format!("[identity.\"{}\"]\n", args.name);
    if args.owners.is_empty() {
        text.push_str("kind = \"person\"\n");
    } else {
        text.push_str("kind = \"service\"\n");
        text.push_str(&format!("owners = [{}]\n", list(args.owners.iter().map(ToString::to_string).collect())));
    }
    text.push_str(&format!("keys = [{}]\n", list(keys)));
    text
}

/// A taken key or name, an unknown owner: whatever the new file breaks keeps it from being written.
fn refuse_what_does_not_load(cx: &mut Context<'_>, files: &PolicyFiles) -> anyhow::Result<()> {
    let (_, findings) = super::policy::check(files);
    let errors: Vec<_> = findings.iter().filter(|finding| finding.severity == Severity::Error).collect();
    for error in &errors {
        let text = super::policy::render_finding(files, error);
        cx.world.warn(&text);
    }
    if errors.is_empty() {
        return Ok(());
    }
    Err(Failure::denied("nothing was written: with this identity the policy would not load").into())
}
