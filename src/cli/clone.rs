//! `jit clone`: get a policy repo, verify its log, and trust it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::context::{Context, shown};
use super::exit::{Exit, Failure};
use super::freshness::names_witnesses;
use super::ledger::{Expected, Unfetched, UseOfIndex};
use super::pin::{GenesisOption, check_minimum};
use super::render;
use crate::core::hash::Hash;
use crate::core::history::object::Oid;
use crate::core::reason::Code;
use crate::core::time::Timestamp;
use crate::core::view::{View, ViewExt};
use crate::edge::config::{Config, Origin, Pin};
use crate::edge::git::Repo;
use crate::edge::interrupt::{Armed, clear_when_interrupted};
use crate::edge::log;
use crate::edge::remote::{self, Remote};
use crate::edge::replay::Opened;

/// Shows the genesis id and the maintainers, and asks. Compare the genesis id with the one that a maintainer told you by
/// another way. With --yes or without a terminal, name it with --genesis or JIT_GENESIS.
#[derive(clap::Args, Debug)]
pub(super) struct CloneArgs {
    /// Where it is, as git takes it
    url: String,
    /// The folder to make [default: the last part of the URL]
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
    /// The log that it must hold, and perhaps a size and root that it must begin with
    #[arg(long, value_name = "ID[:SIZE:ROOT]")]
    genesis: Option<String>,
    /// Make a bare clone, for a gate
    #[arg(long)]
    bare: bool,
}

#[derive(Serialize)]
struct Cloned {
    genesis: String,
    repo: String,
    name: String,
    size: u64,
    root: String,
}

pub(super) fn run(cx: &mut Context<'_>, args: &CloneArgs) -> anyhow::Result<Exit> {
    let from_environment = cx.world.var_checked("JIT_GENESIS")?;
    let named = args.genesis.clone().or(from_environment);
    let named = named.as_deref().map(GenesisOption::parse).transpose()?;
    if named.is_none() && (cx.globals.yes || !cx.can_ask()) {
        return Err(Failure::usage("there is nobody to look at the genesis id before it is trusted")
            .help("name the log: --genesis ID, or JIT_GENESIS=ID")
            .into());
    }
    let folder = cx.world.cwd().join(match &args.folder {
        Some(folder) => folder.clone(),
        None => last_part(&args.url)?,
    });
    let is_free = fs::read_dir(&folder)
        .map_or_else(|why| why.kind() == io::ErrorKind::NotFound, |mut in_it| in_it.next().is_none());
    if !is_free {
        return Err(Failure::denied(format!("`{}` is there already, and not empty", shown(&folder)))
            .help("name another folder: jit clone URL DIR; what a clone that was killed left there can be removed")
            .into());
    }
    let was_there = folder.exists();
    let started = cx.world.now();
    let adopted = remote::clone(cx.world, &args.url, &folder, args.bare).map_err(anyhow::Error::from).and_then(|()| {
        // Git has cleared up behind itself so far.
        let untrusted = folder.clone();
        let armed = clear_when_interrupted(move || drop(clear(&untrusted, was_there))).unwrap_or_default();
        adopt(cx, &folder, named.as_ref(), (started, &armed))
    });
    let (genesis, opened) = match adopted {
        Ok(adopted) => adopted,
        Err(why) => {
            // What is not trusted does not stay where the next command could stumble on it.
            return Err(match clear(&folder, was_there) {
                Err(left) if left.kind() != io::ErrorKind::NotFound => {
                    why.context(format!("`{}` is left behind: {left}", shown(&folder)))
                }
                _ => why,
            });
        }
    };
    let view = &opened.view;
    let cloned = Cloned {
        genesis: genesis.to_string(),
        repo: folder.to_string_lossy().into_owned(),
        name: view.genesis().map(|genesis| genesis.name.to_string()).unwrap_or_default(),
        size: view.size(),
        root: view.root().map(|root| root.to_string()).unwrap_or_default(),
    };
    if cx.json() {
        cx.print_json(&cloned)?;
    } else {
        cx.print(&format!("Cloned {} and trusted its log {} ({} lines)", shown(&folder), cloned.name, cloned.size))?;
    }
    Ok(Exit::Done)
}

/// Says that there is nothing to verify.
fn no_log() -> Failure {
    Failure::denied("that repository has no branch jit/audit, so it is no policy repo")
}

/// Removes what was cloned, but not a folder that was there before.
fn clear(folder: &Path, was_there: bool) -> io::Result<()> {
    fs::remove_dir_all(folder).and_then(|()| if was_there { fs::create_dir(folder) } else { Ok(()) })
}

/// Verifies the log of a clone that was `started` then, asks whether it is the right one, and trusts it.
fn adopt(
    cx: &mut Context<'_>,
    folder: &Path,
    named: Option<&GenesisOption>,
    (started, armed): (Timestamp, &Armed),
) -> anyhow::Result<(Hash, Opened)> {
    let repo = Repo::open(folder)?;
    let remote = remote::find(&repo)?.ok_or_else(no_log)?;
    // Git has just brought it, and asked for whatever it needed; once is enough.
    let tip = repo.read_ref(&remote.tracking)?.ok_or_else(no_log)?;
    let config = Config::open(cx.world);
    let first = log::first_line(&repo, tip)?.ok_or_else(no_log)?;
    let id = crate::core::ledger::examine(&first).outcome.ok().map(|signed| signed.get().id);
    let genesis =
        id.ok_or_else(|| Failure::untrusted(Code::PolicyUnverified, "the first line of its log is no genesis"))?;
    if let Some(named) = named.filter(|named| named.id != genesis) {
        let text = format!("the log there is {genesis}, not the {} that was named", named.id);
        return Err(Failure::untrusted(Code::UnknownGenesis, text).into());
    }
    // All of it is verified now, whatever an index of a clone that was here before says; what follows from it is kept.
    let index = UseOfIndex::of(cx.world, &config, &genesis, &repo, true)?.filter(UseOfIndex::is_emptied);
    let expected = Expected { genesis: Some(genesis), seen: config.seen(&genesis)?, index };
    let adopted = trust(cx, &config, (&repo, &remote), (tip, &expected), named, (started, armed));
    if let (Err(_), Some(index)) = (&adopted, &expected.index) {
        // It can't be read where nobody trusts that log, and goes as the clone does.
        let _ = index.file.remove();
    }
    adopted.map(|opened| (genesis, opened))
}

/// Verifies the log up to `tip` from its first line, asks whether it is the right one, and trusts it.
fn trust(
    cx: &mut Context<'_>,
    config: &Config,
    (repo, remote): (&Repo, &Remote),
    (tip, expected): (Oid, &Expected),
    named: Option<&GenesisOption>,
    (started, armed): (Timestamp, &Armed),
) -> anyhow::Result<Opened> {
    let opened = expected.open_at(cx.world, repo, tip)?;
    let heard = cx.hear_witnesses(repo, remote, (tip, opened), expected);
    let (tip, opened) = heard.map_err(Unfetched::into_error)?;
    if let Some(minimum) = named.and_then(|named| named.minimum) {
        check_minimum(&opened.view, &minimum, "the one that --genesis names")?;
    }
    let (Some(record), Some(root)) = (opened.view.genesis(), opened.view.root()) else { return Err(no_log().into()) };
    let vouched = if names_witnesses(&opened.view) { Some(cx.age_of(repo, remote, &opened.view)?) } else { None };
    if named.is_none() {
        let maintainers = match opened.view.roster() {
            Some(policy) => policy.maintainers().iter().map(ToString::to_string).collect::<Vec<_>>(),
            None => record.maintainers.iter().map(|founder| founder.name.to_string()).collect(),
        };
        let mut rows = vec![
            ("log", record.name.to_string()),
            ("genesis", record.id.to_string()),
            ("started", render::both_times(cx.world, record.at)),
            ("maintainers", maintainers.join(", ")),
            ("size", format!("{} lines, root {root}", opened.view.size())),
        ];
        rows.extend(vouched.as_ref().map(|vouched| ("witnesses", vouched.told.clone())));
        cx.world.warn(&format!("Every line of it verifies:\n{}", render::details(&rows)));
        cx.confirm("Is that the genesis id that a maintainer told you by another way?")?;
    }
    let mut random = [0; 16];
    cx.world.random(&mut random);
    remote::accept(repo, remote, tip, random)?;
    cx.keep_checkpoint(repo, remote, &opened.view)?;
    remote::stamp(repo, started)?;
    let pin = Pin { commit: opened.walked.last_valid_commit, size: opened.view.size(), root };
    let extends = |known: &Pin| opened.view.root_at(known.size) == Some(known.root);
    armed.take_last_step(|| config.trust(&record.id, &repo.shown_path(), Origin::Clone, started, pin, extends))?;
    let most = opened.view.rules().map_or(0, |policy| u64::from(policy.max_age().as_secs()));
    if let Some(vouched) = vouched.filter(|vouched| vouched.seconds.is_none_or(|seconds| seconds > most)) {
        cx.world.warn(&format!("warning: {}; until one does anew, gates here say `stale`", vouched.told));
    }
    Ok(opened)
}

/// Returns the folder that git would choose: the last part of the URL, without `.git`.
fn last_part(url: &str) -> anyhow::Result<PathBuf> {
    let last = url.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or_default();
    let name = last.strip_suffix(".git").unwrap_or(last);
    if name.is_empty() || name == "." || name == ".." {
        return Err(Failure::usage("that URL names no folder")
            .help("name the folder to make: jit clone URL DIR")
            .into());
    }
    Ok(PathBuf::from(name))
}
