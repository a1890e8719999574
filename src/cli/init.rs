//! `jit init`: make a policy repo.

mod templates;

use std::path::PathBuf;

use serde::Serialize;

use super::context::{Context, Me, shown};
use super::exit::{Exit, Failure};
use super::ledger;
use super::ledger::Ledger;
use super::pin;
use super::render;
use super::statement;
use crate::core::history::append::NewLine;
use crate::core::history::object::{Author, Oid};
use crate::core::key::PublicKey;
use crate::core::name::Name;
use crate::core::policy::{Policy, PolicyFiles, SETTINGS, is_policy_path};
use crate::core::statement::{Body, Founder, Genesis};
use crate::core::view::{View, ViewExt};
use crate::edge::config::{Config, Origin};
use crate::edge::git::Repo;
use crate::edge::log::{self, BRANCH};
use crate::edge::policy_tree::read_policy_tree;
use crate::edge::remote;
use crate::edge::work_tree::commit_files;

/// Commits starter policies on the current branch (where no jit.toml is committed yet), signs the genesis of the log on
/// the branch jit/audit, publishes the first policy, and trusts the log on this machine.
#[derive(clap::Args, Debug)]
pub(super) struct InitArgs {
    /// The folder
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
    /// The log's name [default: the folder's]
    #[arg(long, value_name = "N")]
    name: Option<Name>,
    /// Your own name in it [default: your login name]
    #[arg(long = "as", value_name = "ME")]
    me: Option<Name>,
    /// The starter policies: small-team, on-call, ci-deploys or regulated
    #[arg(long, value_name = "T", default_value = templates::USUAL)]
    template: String,
    /// Say which starter policies there are, and make nothing
    #[arg(long, conflicts_with_all = ["folder", "name", "me", "template"])]
    list_templates: bool,
}

#[derive(Serialize)]
struct Initialised {
    genesis: String,
    repo: String,
    name: String,
    me: String,
    key: String,
    policy_in_force: bool,
}

pub(super) fn run(cx: &mut Context<'_>, args: &InitArgs) -> anyhow::Result<Exit> {
    if args.list_templates {
        return templates::list(cx);
    }
    // Before who it is for: whoever mistypes this may want to see what there is.
    templates::named(&args.template)?;
    let folder = cx.world.cwd().join(&args.folder);
    let repo = match Repo::discover_at(&folder)? {
        Some(repo) => repo,
        None => {
            // Nothing is made for a command line that makes no sense.
            names(cx, args, &folder)?;
            Repo::init(&folder)?
        }
    };
    if repo.read_ref(BRANCH)?.is_some() {
        return finish(cx, repo);
    }
    // Nor is one made beside the log of a remote, in a clone that git made.
    if pin::log_ref(&repo, remote::find(&repo)?.as_ref())?.is_some() {
        let text = format!("`{}` is a clone of a repo that has a log", shown(&repo.shown_path()));
        return Err(Failure::denied(text)
            .help("`jit clone URL DIR` makes one whose log is verified and trusted")
            .into());
    }
    // A second log where a first one was lost would have its people believe that all is well.
    let config = Config::open(cx.world);
    if let Some(mut gone) = pin::gone_log(&config, &repo)? {
        if let Some(file) = pin::home_id(&config, &repo)?.map(|id| config.trust_file(&id)).transpose()?.flatten() {
            let file = shown(&file);
            gone.help = gone.help.map(|help| {
                format!("{help}; to give that log up for good and start another here, first `rm '{file}'`")
            });
        }
        return Err(gone.into());
    }
    let mut signer = cx.signer(Some(&repo), &|_| true)?;
    let (policy, name, commit) = starting_policy(cx, args, &repo, &folder, signer.public_key())?;
    let founders = founders(&policy, &name, signer.public_key())?;
    let now = cx.world.now();
    let log_name: Name = policy.name().parse().map_err(|why| Failure::usage(format!("the policy's name: {why}")))?;
    let genesis = Genesis {
        by: name.clone(),
        at: now,
        nonce: cx.world.nonce(),
        name: log_name.clone(),
        maintainers: founders,
        threshold: policy.threshold() as u64,
    };
    let fingerprint = signer.public_key().fingerprint();
    cx.world.say(&format!("Signing the genesis of log {log_name} as {name}, by {fingerprint} ({})", signer.describe()));
    let mut me = Me { name: name.clone(), signer };
    let line = statement::sign(cx, &mut me, &Body::Genesis(genesis))?;
    signer = me.signer;
    let mut random = [0; 16];
    cx.world.random(&mut random);
    let context = log::Context {
        rules: ledger::rules(),
        pin: None,
        identity: Author { name: name.to_string(), email: format!("{name}@jit.invalid") },
        now: now.unix(),
        random,
    };
    let message = format!("{name} starts the log {log_name}");
    log::start::<anyhow::Error>(&repo, &context, NewLine::plain(line.as_str()), message).map_err(Failure::of_append)?;
    trust(cx, &repo)?;
    let mut me = Me { name, signer };
    cx.use_repo(&repo);
    let mut ledger = cx.ledger()?;
    let exit = cx.silently(|cx| super::policy::publish(cx, &mut ledger, &mut me, commit))?;
    answer(cx, &repo, &ledger, &me, exit)
}

/// Finishes what was cut off: the log is there, and perhaps neither trust nor a policy. Anything more is no business of
/// `init`'s.
fn finish(cx: &mut Context<'_>, repo: Repo) -> anyhow::Result<Exit> {
    cx.use_repo(&repo);
    let mut ledger = cx.ledger()?;
    let help = if Config::open(cx.world).trusts(&ledger.genesis_id())? {
        "this machine trusts it: `jit whoami` says what you may ask for there, and `jit audit verify` checks it"
    } else {
        "`jit audit verify` checks it; to use it as it is, name its genesis: --genesis ID"
    };
    let text = format!("`{}` has a log already", shown(&repo.shown_path()));
    let exists = || Failure::denied(text.as_str()).help(help);
    if ledger.view.policy_record().is_some() || ledger.view.size() > 1 {
        return Err(exists().into());
    }
    let mut me = cx.me(&ledger).map_err(|_| exists())?;
    cx.world.say("The log was started before, and has no policy yet: going on from there");
    trust(cx, &repo)?;
    let commit = repo.resolve_commit("HEAD")?;
    let exit = cx.silently(|cx| super::policy::publish(cx, &mut ledger, &mut me, commit))?;
    answer(cx, &repo, &ledger, &me, exit)
}

fn answer(cx: &mut Context<'_>, repo: &Repo, ledger: &Ledger, me: &Me, exit: Exit) -> anyhow::Result<Exit> {
    let view = &ledger.view;
    let Some(genesis) = view.genesis() else { return Err(Failure::unavailable("the log is empty").into()) };
    let initialised = Initialised {
        genesis: genesis.id.to_string(),
        repo: repo.shown_path().to_string_lossy().into_owned(),
        name: genesis.name.to_string(),
        me: me.name.to_string(),
        key: me.signer.public_key().fingerprint(),
        policy_in_force: view.rules().is_some(),
    };
    if cx.json() {
        cx.print_json(&initialised)?;
        return Ok(exit);
    }
    cx.print(&format!("Made the policy repo {}", shown(&repo.shown_path())))?;
    cx.print(&render::details(&[
        ("log", initialised.name.clone()),
        ("genesis", initialised.genesis.clone()),
        ("you", format!("{} ({})", initialised.me, initialised.key)),
        ("policy", policy_line(ledger)?),
    ]))?;
    if view.rules().is_some_and(|policy| is_alone(&policy)) {
        cx.print("Until you add a colleague (`jit identity add NAME KEYFILE`), what needs an approval stays pending.")?;
    }
    if let Some(remote) = repo.remote_name()? {
        cx.print(&first_push(&remote, repo.branch().as_deref()))?;
    }
    cx.print(
        "Next: `jit whoami` says what you may ask for. To change who may do what, edit identities/ and policies/, run \
         `jit policy lint`, commit, and `jit policy publish`. Tell your colleagues the genesis id by another way than \
         this repo.",
    )?;
    Ok(exit)
}

/// Says how a new log gets to its host, and what keeps it there.
fn first_push(remote: &str, branch: Option<&str>) -> String {
    let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._/-".contains(&byte));
    // What a shell would take for something else is left for git to know.
    let remote = if is_plain(remote) { remote } else { "REMOTE" };
    let branch = branch.filter(|branch| is_plain(branch)).unwrap_or("HEAD");
    format!(
        "Nobody else has the log yet. Push it, together with the policy:\n  git push -u {remote} {branch} jit/audit\n\
         On the host, let everybody push to jit/audit who may ask or approve, and set these rules for that branch:\n  \
         linear history (no merges)\n  no forced push\n  no deletion"
    )
}

/// Says in a line what became of the first policy.
fn policy_line(ledger: &Ledger) -> anyhow::Result<String> {
    let files = |index| super::policy::files_of(ledger, index).map(|files| files.iter().count());
    match (ledger.view.policy_record(), ledger.view.proposals().first()) {
        (Some(policy), _) => {
            // Who is alone can't be approved by anybody, which lint would say of every rule; that is said below, once.
            let (rules, warnings) = ledger.view.rules().map_or((0, 0), |policy| {
                let warnings = if is_alone(&policy) { 0 } else { crate::core::policy::lint(&policy).len() };
                (policy.rules().len(), warnings)
            });
            let count = |number: usize, thing| render::count(number as u64, thing);
            let (files, rules) = (count(files(policy.index)?, "file"), count(rules, "rule"));
            let lint = match warnings {
                0 => String::new(),
                some => format!("; `jit policy lint` has {}", count(some, "warning")),
            };
            Ok(format!("version {} is in force: {files}, {rules}{lint}", policy.version))
        }
        (None, Some(proposal)) => {
            let id = proposal.policy.id;
            Ok(format!("waits for more signatures; each maintainer says `jit approve {id}`"))
        }
        (None, None) => Ok("none yet".to_owned()),
    }
}

/// Tells whether nobody but one person can sign anything.
fn is_alone(policy: &Policy) -> bool {
    policy.identities().values().filter(|identity| identity.is_person() && identity.keys().next().is_some()).count()
        <= 1
}

fn trust(cx: &mut Context<'_>, repo: &Repo) -> anyhow::Result<()> {
    let config = Config::open(cx.world);
    let (genesis, pin) = cx.first_pin(repo)?;
    let now = cx.world.now();
    Ok(config.trust(&genesis, &repo.shown_path(), Origin::Init, now, pin, |known| {
        known.root == pin.root && known.size == pin.size
    })?)
}

/// Returns the policy to start with, the caller's name in it, and the commit that holds it. Where none is committed,
/// starters are.
fn starting_policy(
    cx: &mut Context<'_>,
    args: &InitArgs,
    repo: &Repo,
    folder: &std::path::Path,
    key: &PublicKey,
) -> anyhow::Result<(Policy, Name, Oid)> {
    if let Ok(commit) = repo.resolve_commit("HEAD") {
        let files = read_policy_tree(repo, commit)?;
        if files.get(SETTINGS).is_some() {
            // What deserves a look is for `jit policy lint`; it is counted in the end.
            let policy = cx.silently(|cx| super::policy::load_and_report(cx, &files)).ok_or_else(|| {
                Failure::denied("the policy that is committed does not load")
                    .help("correct it, commit, and run `jit init` again")
            })?;
            let name = policy.owner_of_key(key).cloned().ok_or_else(|| {
                Failure::denied(format!("{} is nobody's key in the policy that is committed", key.fingerprint()))
                    .help("name another with --key, or add it to identities/ and commit")
            })?;
            if let Some(me) = args.me.as_ref().filter(|me| **me != name) {
                let text = format!("--as {me}: in the policy that is committed this key is `{name}`'s");
                return Err(Failure::usage(text).help("leave --as out, or name another key with --key").into());
            }
            if let Some(named) = args.name.as_ref().filter(|named| named.as_str() != policy.name()) {
                let text = format!("--name {named}: the policy that is committed is called `{}`", policy.name());
                return Err(Failure::usage(text)
                    .help("leave --name out, or change `name` in jit.toml and commit")
                    .into());
            }
            return Ok((policy, name, commit));
        }
    }
    let (name, log_name) = names(cx, args, folder)?;
    let files = templates::starters(&args.template, &name, &log_name, key)?;
    let (policy, _) =
        super::policy::check(&PolicyFiles::new(files.iter().filter(|(path, _)| is_policy_path(path)).cloned())?);
    let policy = policy.ok_or_else(|| {
        Failure::unavailable(format!("the starter pack `{}` does not load", render::safe(&args.template)))
    })?;
    let author = repo.author(&Author { name: name.to_string(), email: format!("{name}@jit.invalid") })?;
    let commit = commit_files(repo, &files, &author, cx.world.now().unix(), "Start with a policy")?;
    Ok((policy, name, commit))
}

/// Returns the caller's name and the log's, for a starter pack that takes them.
fn names(cx: &Context<'_>, args: &InitArgs, folder: &std::path::Path) -> anyhow::Result<(Name, Name)> {
    let me = match &args.me {
        Some(name) => name.clone(),
        None => login_name(cx)?,
    };
    let log = match &args.name {
        Some(name) => name.clone(),
        None => name_of(folder)?,
    };
    templates::pack_for(&args.template, &me)?;
    Ok((me, log))
}

fn login_name(cx: &Context<'_>) -> anyhow::Result<Name> {
    let login = cx.world.var("USER").or_else(|| cx.world.var("LOGNAME"));
    let Some(login) = login else {
        let failure = Failure::usage("your login name is not known: USER is not set");
        return Err(failure.help("say who you are: jit init --as NAME").into());
    };
    login.to_ascii_lowercase().parse().map_err(|_| {
        Failure::usage(format!("your login name `{}` can't be your name here", render::safe(&login)))
            .help("choose one: jit init --as NAME (a-z, 0-9, `.`, `_` and `-`)")
            .into()
    })
}

fn name_of(folder: &std::path::Path) -> anyhow::Result<Name> {
    let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let last = whole.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    last.parse().map_err(|_| {
        Failure::usage(format!("the folder's name `{}` can't be the log's", render::safe(&last)))
            .help("choose one: jit init --name NAME (a-z, 0-9, `.`, `_` and `-`)")
            .into()
    })
}

/// Returns the maintainers of a policy for its genesis, one key each; the caller's by the key that signs.
fn founders(policy: &Policy, me: &Name, key: &PublicKey) -> anyhow::Result<Vec<Founder>> {
    if !policy.is_maintainer(me) {
        return Err(Failure::denied(format!("`{me}` is no maintainer of the policy that is committed")).into());
    }
    let key_of = |name: &Name| {
        let first = || policy.identity(name).and_then(|identity| identity.keys().next()).cloned();
        if name == me { Some(key.clone()) } else { first() }
    };
    policy
        .maintainers()
        .iter()
        .map(|name| {
            let key = key_of(name).ok_or_else(|| Failure::denied(format!("the maintainer `{name}` has no key")))?;
            Ok(Founder { name: name.clone(), key })
        })
        .collect()
}
