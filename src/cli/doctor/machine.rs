//! Git itself, and where this machine keeps what it trusts.

use std::io::ErrorKind;
use std::path::Path;

use super::Report;
use crate::cli::context::{Context, shown};
use crate::cli::exit::Exit;
use crate::edge::config::{Config, ConfigError};
use crate::edge::inspect::{self, Standing};

/// The first version of git whose `fetch` has `--porcelain`.
const LEAST_GIT: (u32, u32) = (2, 41);

/// Looks at git; tells whether it can be run.
pub(super) fn git(cx: &Context<'_>, report: &mut Report) -> bool {
    let version = match inspect::git_version(cx.world) {
        Ok(version) => version,
        Err(why) => {
            let help = "install git, so that it is found in PATH: apt-get install git".to_owned();
            report.problem("git", Exit::Unavailable, format!("git can't be run: {why}"), Some(help));
            return false;
        }
    };
    if inspect::is_new_enough(&version, LEAST_GIT) {
        report.fine("git", version);
    } else {
        let (major, minor) = LEAST_GIT;
        let text = format!("{version}, older than {major}.{minor}: fetching from a remote does not work");
        report.problem("git", Exit::Unavailable, text, Some("apt-get install git, from a newer release".to_owned()));
    }
    for scope in inspect::unchecked_owner_scopes(cx.world) {
        let text = format!(
            "safe.directory is `*` in the {scope} configuration: git, and jit, take any folder of anybody's for granted"
        );
        let unset = format!("git config --{scope} --unset-all safe.directory '[*]'");
        let help = format!("{unset}; then add the folders that are meant, one by one, with --add safe.directory DIR");
        report.problem("git", Exit::Denied, text, Some(help));
    }
    true
}

/// Looks at the folders of trust and pins.
pub(super) fn config(cx: &Context<'_>, report: &mut Report) -> Config {
    let config = Config::open(cx.world);
    own(cx, &config, report);
    system(&config, report);
    // What reading them says of owners and modes, and of their content.
    let all = [config.default_repo().map(drop), config.trusted().map(drop)];
    for why in all.into_iter().filter_map(Result::err) {
        let exit = if why.is_untrusted() { Exit::Untrusted } else { Exit::Unavailable };
        let help = why.help().or_else(|| open_up(&config, &why));
        report.problem("config", exit, why.to_string(), help);
    }
    config
}

/// Says how a file of everyone's is opened to everyone.
fn open_up(config: &Config, why: &ConfigError) -> Option<String> {
    match why {
        ConfigError::Read(path, why)
            if why.kind() == ErrorKind::PermissionDenied && path.starts_with(config.system_folder()) =>
        {
            Some(format!("as root: chmod a+rX '{}'", shown(path)))
        }
        _ => None,
    }
}

fn own(cx: &Context<'_>, config: &Config, report: &mut Report) {
    let path = match config.own_folder() {
        Ok(path) => path,
        Err(why) => {
            let text = format!("{why}: this user keeps no pin, and goes by /etc/jit alone");
            return report.note("config", text, Some("a person sets HOME; a gate can do without".to_owned()));
        }
    };
    // The nearest folder that is there is the one to write to.
    let nearest = path.ancestors().find_map(|folder| inspect::standing(folder).ok().flatten());
    match nearest {
        Some(Standing { is_writable: true, .. }) => report.fine("config", format!("this user's: {}", shown(path))),
        Some(_) | None => {
            let text = format!("{} can't be written to: this user keeps no pin", shown(path));
            let help = format!(
                "a gate can do without, with trust in /etc/jit; a person: mkdir -p '{0}', as the owner of {1}",
                shown(path),
                cx.world.home().map_or_else(|| "the home folder".to_owned(), |home| shown(&home))
            );
            report.note("config", text, Some(help));
        }
    }
}

fn system(config: &Config, report: &mut Report) {
    let path = config.system_folder();
    let standing = match inspect::standing(path) {
        Ok(Some(standing)) => standing,
        Ok(None) => return report.fine("config", format!("{} is not there: it is not used", shown(path))),
        Err(why) => {
            let text = format!("{} can't be looked at: {why}", shown(path));
            return report.problem(
                "config",
                Exit::Unavailable,
                text,
                Some(format!("as root: chmod a+rx '{}'", shown(path))),
            );
        }
    };
    let files = match config.system_files() {
        Ok(files) => files,
        Err(why) => return report.problem("config", Exit::Unavailable, why.to_string(), why.help()),
    };
    let all = [(path.to_owned(), standing)].into_iter().chain(files.into_iter().filter_map(|file| {
        let standing = inspect::standing(&file).ok().flatten()?;
        Some((file, standing))
    }));
    let mut is_fine = true;
    for (file, standing) in all {
        is_fine &= is_roots(&file, standing, report);
    }
    if is_fine {
        report.fine("config", format!("everyone's: {}, which only root can write to", shown(path)));
    }
}

/// Tells whether a file that all on this machine go by is root's alone, and reports it if it is not.
fn is_roots(path: &Path, standing: Standing, report: &mut Report) -> bool {
    let path = shown(path);
    if standing.owner != 0 {
        let text = format!(
            "{path} belongs to `{}`, who could have every gate here trust another log",
            inspect::user_name(standing.owner)
        );
        report.problem(
            "config",
            Exit::Denied,
            text,
            Some(format!("as root, if all in it is right: chown root '{path}'")),
        );
        return false;
    }
    if standing.is_open_to_group() || standing.is_open_to_all() {
        let text = format!("{path} can be written by others, who could have every gate here trust another log");
        report.problem(
            "config",
            Exit::Denied,
            text,
            Some(format!("as root, if all in it is right: chmod go-w '{path}'")),
        );
        return false;
    }
    true
}
