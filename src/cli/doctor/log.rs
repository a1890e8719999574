//! The log as it is here: whether it verifies, is trusted and pinned, holds a policy that loads, and how old it is.

use super::Report;
use crate::cli::context::{Context, shown};
use crate::cli::exit::{Exit, Failure};
use crate::cli::freshness::names_witnesses;
use crate::cli::ledger::{Expected, UseOfIndex, check_clock, is_clone};
use crate::cli::pin::{GenesisOption, expected_id, gone_log, log_ref, no_log};
use crate::cli::policy::head;
use crate::cli::render;
use crate::core::decide;
use crate::core::hash::Hash;
use crate::core::history::object::Oid;
use crate::core::ledger::Verdict;
use crate::core::reason::{Code, Weight};
use crate::core::time::Duration;
use crate::core::view::{View, ViewExt};
use crate::edge::config::{Config, Seen};
use crate::edge::git::Repo;
use crate::edge::inspect;
use crate::edge::remote::{self, Remote};
use crate::edge::replay::Opened;
use crate::edge::world::World;

/// The log, as far as it verifies.
pub(super) struct Known {
    pub(super) opened: Opened,
    pub(super) expected: Expected,
    /// The commit that it was read at.
    pub(super) tip: Oid,
    /// Whether that is what came from the remote, and not this repo's own branch.
    pub(super) is_remote: bool,
}

/// Looks at the log; none if it does not verify.
pub(super) fn look(cx: &mut Context<'_>, config: &Config, repo: &Repo, report: &mut Report) -> Option<Known> {
    let remote = report.take("remote", remote::find(repo))?;
    say_remote(repo, remote.as_ref(), report);
    let known = match read(cx.world, config, repo, remote.as_ref()) {
        Ok(known) => known,
        Err(why) => {
            let failure = Failure::from_error(&why);
            // What is damaged can be had again, whole.
            let again =
                format!("git -C '{}' fsck shows more; a fresh `jit clone` has it whole", shown(&repo.shown_path()));
            let help = failure.help.or_else(|| (failure.exit == Exit::Unavailable).then_some(again));
            report.problem("log", failure.exit, failure.message, help);
            return None;
        }
    };
    say_log(&known, report);
    trust(cx, config, repo, &known, report);
    policy(cx, repo, &known, report);
    age(cx, config, repo, remote.as_ref(), &known, report);
    index(cx.world, config, repo, &known, report);
    Some(known)
}

fn say_log(known: &Known, report: &mut Report) {
    let view = &known.opened.view;
    if let Some(pin) = known.expected.seen.pin.filter(|pin| pin.size > view.size()) {
        let (here, seen) = (render::count(view.size(), "line"), render::count(pin.size, "line"));
        let text =
            format!("{here}, and this machine has seen {seen}: another clone here is ahead, or the host went back");
        return report.note("log", text, Some("jit sync".to_owned()));
    }
    let is_inert = |(_, verdict): &(u64, &Verdict)| matches!(verdict, Verdict::Inert(_));
    let inert = known.opened.verdicts.without_effect().filter(is_inert).count();
    let voids = known.opened.walked.voids.len();
    let count = |number: usize, thing| render::count(u64::try_from(number).unwrap_or(u64::MAX), thing);
    let size = render::count(view.size(), "line");
    if inert == 0 && voids == 0 {
        report.fine("log", format!("{size}, and every one verifies"));
    } else {
        let (inert, voids) = (count(inert, "inert line"), count(voids, "void commit"));
        let text = format!("{size}; {inert} and {voids} have no effect, and somebody put them there");
        report.note("log", text, Some("jit audit verify".to_owned()));
    }
}

fn say_remote(repo: &Repo, remote: Option<&Remote>, report: &mut Report) {
    match remote {
        Some(remote) => {
            let url = repo.shown_url(&remote.name).unwrap_or_default();
            report.fine("remote", format!("`{}`, {}", render::safe(&remote.name), render::safe(&url)));
        }
        None => match repo.remote_names() {
            Ok(names) if names.len() > 1 => {
                let names = names.iter().map(|name| format!("`{}`", render::safe(name))).collect::<Vec<_>>().join(", ");
                let text = format!("there are several, and none is called origin: {names}; none is used");
                report.problem("remote", Exit::Denied, text, Some("git remote rename NAME origin".to_owned()));
            }
            Ok(_) => report.fine("remote", "none: the log here is its own truth"),
            Err(why) => report.failed("remote", &why.into()),
        },
    }
}

/// Reads the log without touching anything.
fn read(world: &World, config: &Config, repo: &Repo, remote: Option<&Remote>) -> anyhow::Result<Known> {
    let Some((tip, is_remote)) = log_ref(repo, remote)? else {
        return Err(gone_log(config, repo)?.unwrap_or_else(|| no_log(repo)).into());
    };
    let genesis = expected_id(config, repo)?;
    let seen = genesis.map(|genesis| config.seen(&genesis)).transpose()?.unwrap_or_default();
    let expected = Expected { genesis, seen, index: None };
    let opened = match expected.open_at(world, repo, tip) {
        Ok(opened) => opened,
        // What is in a clone may be older than what another clone here has seen: every command fetches, and looks again.
        Err(why) if is_remote => {
            let opened = open_unpinned(world, repo, tip, genesis)?;
            let is_behind = expected.seen.pin.is_some_and(|pin| opened.view.size() < pin.size);
            if is_behind { opened } else { return Err(why) }
        }
        Err(why) => return Err(why),
    };
    Ok(Known { opened, expected, tip, is_remote })
}

fn trust(cx: &Context<'_>, config: &Config, repo: &Repo, known: &Known, report: &mut Report) {
    let Some(id) = known.opened.view.genesis().map(|genesis| genesis.id) else { return };
    let Some(is_home) = report.take("trust", facts(config, repo, &id)) else { return };
    let named = cx.world.var("JIT_GENESIS").and_then(|text| GenesisOption::parse(&text).ok());
    let path = shown(&repo.shown_path());
    match (is_home, named) {
        (_, Some(named)) if named.id != id => {
            let text = format!("JIT_GENESIS names the log {}, and this is {id}", named.id);
            report.problem(
                "trust",
                Exit::Untrusted,
                text,
                Some(format!("export JIT_GENESIS={id}, if that is the right one")),
            );
        }
        (None, None) => {
            let text = format!("this machine does not trust the log {id}, so gates refuse to answer from it");
            let help = format!(
                "if a maintainer told you that id by another way: export JIT_GENESIS={id}; for each user of this machine, \
                 as root: mkdir -p /etc/jit/trust && echo 'repos = [\"{path}\"]' > /etc/jit/trust/{id}.toml"
            );
            report.problem("trust", Exit::Untrusted, text, Some(help));
        }
        (None, Some(_)) => report.fine("trust", format!("the log {id} is named by JIT_GENESIS; no pin is kept of it")),
        (Some(false), _) => {
            let text = format!(
                "the log {id} is trusted, but not in this folder: a gate takes it only where -C or JIT_REPO names it"
            );
            report.note("trust", text, Some(format!("as root: add \"{path}\" to `repos` in /etc/jit/trust/{id}.toml")));
        }
        (Some(true), _) => {
            let pin = match known.expected.seen.pin {
                Some(pin) => format!("seen here up to {}, root {}", render::count(pin.size, "line"), pin.root),
                None => "this user has no pin of it".to_owned(),
            };
            report.fine("trust", format!("the log {id}; {pin}"));
        }
    }
}

/// Tells whether a trusted log was made or cloned in this folder; none if it is not trusted.
fn facts(config: &Config, repo: &Repo, id: &Hash) -> anyhow::Result<Option<bool>> {
    if !config.trusts(id)? {
        return Ok(None);
    }
    Ok(Some(config.is_home_of(id, &repo.shown_path())?))
}

fn policy(cx: &Context<'_>, repo: &Repo, known: &Known, report: &mut Report) {
    let view = &known.opened.view;
    if let Some(obstacle) = decide::obstacle(view, cx.world.now()) {
        let (name, exit) = match obstacle.code.weight() {
            Weight::Unavailable => ("clock", Exit::Unavailable),
            Weight::Untrusted | Weight::Answer => ("policy", Exit::Untrusted),
        };
        let help = match obstacle.code {
            Code::Clock => "set the clock: timedatectl set-ntp true",
            Code::PolicyUnsupported => "upgrade jit",
            _ => "jit policy status",
        };
        return report.problem(name, exit, render::safe(&obstacle.message), Some(help.to_owned()));
    }
    let Some(record) = view.policy_record() else { return };
    let version = format!("version {} is in force", record.version);
    let branch = repo.branch().unwrap_or_else(|| "HEAD".to_owned());
    // What a bare clone calls HEAD is as old as the clone.
    let head = head(repo, view).filter(|head| repo.work_dir().is_some() && head.fault.is_none());
    match head {
        Some(head) if !head.in_force => {
            let proposed = view.proposals().iter().any(|one| head.digest == Some(one.policy.digest.to_string()));
            let (text, help) = if proposed {
                ("is proposed, and waits for maintainers", "jit policy status")
            } else {
                ("holds another, which does not count yet", "jit policy publish")
            };
            report.note("policy", format!("{version}; `{}` {text}", render::safe(&branch)), Some(help.to_owned()));
        }
        Some(_) | None => report.fine("policy", version),
    }
}

/// Says whether commands can be quick: whether this machine has an index of the log that can be read and kept.
fn index(world: &World, config: &Config, repo: &Repo, known: &Known, report: &mut Report) {
    let Some(id) = known.expected.genesis else { return };
    let Some(kept) = report.take("index", UseOfIndex::of(world, config, &id, repo, false)).flatten() else { return };
    let place = shown(&kept.file.path());
    match kept.reach() {
        Ok(Some(size)) if size <= known.opened.view.size() => {
            report.fine("index", format!("{} of {}", size, render::count(known.opened.view.size(), "line")));
        }
        Ok(Some(_)) => report.note(
            "index",
            "it is of a longer log than the one here, so each command reads the log from its first line",
            Some(format!("jit sync; or, if this is the right log: rm '{place}'")),
        ),
        Ok(None) => report.fine("index", "there is none yet: the next command reads the log from its first line"),
        Err(why) => report.note(
            "index",
            format!("it can't be read, so each command reads the log from its first line: {why}"),
            Some(format!("see who owns `{place}` and its folder; the file may be deleted at any time")),
        ),
    }
}

fn age(cx: &Context<'_>, config: &Config, repo: &Repo, remote: Option<&Remote>, known: &Known, report: &mut Report) {
    let view = &known.opened.view;
    let Some(stamped) = report.take("age", remote::stamped(repo)) else { return };
    let Some(remote) = remote.filter(|_| known.is_remote || stamped.is_some()) else {
        match is_clone(config, known.expected.genesis, repo) {
            Ok(false) => {}
            Ok(true) => {
                let text = "it was cloned, and has no remote any more: gates say `stale`";
                report.problem("age", Exit::Unavailable, text, Some("git remote add origin URL".to_owned()));
            }
            Err(why) => report.failed("age", &why),
        }
        return;
    };
    if let Err(why) = check_clock(stamped, cx.world.now()) {
        return report.failed("clock", &why);
    }
    let Some(aged) = report.take("age", cx.age_of(repo, remote, view)) else { return };
    let limit = view.rules().map(|policy| policy.max_age());
    let is_fresh = aged.seconds.zip(limit).is_some_and(|(age, limit)| age <= u64::from(limit.as_secs()));
    let limit = limit.map_or_else(|| "no".to_owned(), |limit: Duration| limit.to_string());
    if is_fresh && !aged.lacks_lines {
        return report.fine("age", format!("{} (max_age {limit})", aged.told));
    }
    let path = shown(&repo.shown_path());
    let text = match aged.seconds {
        Some(_) if !is_fresh => format!("{}: older than max_age ({limit}) allows", aged.told),
        // Nobody knows its age, or it is known that there is more.
        Some(_) | None => aged.told,
    };
    let folder = inspect::standing(repo.common_dir()).ok().flatten();
    match folder {
        // Only who can write to the clone can fetch into it.
        Some(folder) if !folder.is_writable => {
            let owner = inspect::user_name(folder.owner);
            let help =
                format!("as root: systemctl status jit-sync; or by hand: sudo -u {owner} -H jit -C '{path}' sync");
            report.problem("age", Exit::Unavailable, format!("{text}, so gates of this user say `stale`"), Some(help));
        }
        _ if names_witnesses(view) => {
            let help = "jit sync; and on the witness's machine: systemctl status jit-witness".to_owned();
            report.note(
                "age",
                format!("{text}; a gate fetches first, and says `stale` if no witness has spoken"),
                Some(help),
            );
        }
        _ => report.note("age", format!("{text}; a gate fetches first"), Some("jit sync".to_owned())),
    }
}

/// Verifies the log at another commit, as if this machine had seen nothing of it.
pub(super) fn open_unpinned(world: &World, repo: &Repo, tip: Oid, genesis: Option<Hash>) -> anyhow::Result<Opened> {
    let expected = Expected { genesis, seen: Seen::default(), index: None };
    expected.open_at(world, repo, tip)
}
