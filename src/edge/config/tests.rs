use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::edge::world::{Fixed, fixed};

const GENESIS: Hash = Hash([7; 32]);

/// A home, an `/etc/jit` and two repos, all thrown away at the end.
struct Machine {
    temp: tempfile::TempDir,
}

impl Machine {
    fn new() -> Machine {
        let temp = tempfile::tempdir().unwrap();
        for folder in ["home", "etc/trust", "etc/pins", "repo", "other"] {
            fs::create_dir_all(temp.path().join(folder)).unwrap();
        }
        for folder in ["etc", "etc/trust", "etc/pins"] {
            fs::set_permissions(temp.path().join(folder), fs::Permissions::from_mode(0o755)).unwrap();
        }
        Machine { temp }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.temp.path().canonicalize().unwrap().join(name)
    }

    fn user_file(&self, name: &str) -> PathBuf {
        self.path("home/.config/jit").join(name)
    }

    fn config(&self) -> Config {
        Config::open(&fixed(self.fixed().var("HOME", self.path("home"))))
    }

    fn homeless(&self) -> Config {
        Config::open(&fixed(self.fixed()))
    }

    fn fixed(&self) -> Fixed {
        Fixed::new(now()).system_config(self.path("etc"))
    }

    fn trust(&self, repo: &str, pin: Pin) -> Result<(), ConfigError> {
        self.config().trust(&GENESIS, &self.path(repo), Origin::Init, now(), pin, |_| true)
    }

    /// Writes a file that nobody else may write.
    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o644)).unwrap();
    }
}

fn now() -> Timestamp {
    "2026-11-24T08:30:00Z".parse().unwrap()
}

/// The pin of a log that has `size` lines, in one of several histories.
fn pin(history: u8, size: u64) -> Pin {
    let byte = u8::try_from(size % 251).unwrap();
    Pin { commit: Oid([byte; 20]), size, root: Hash([history ^ byte; 32]) }
}

fn pin_text(pin: Pin) -> String {
    format!("commit = \"{}\"\nsize = {}\nroot = \"{}\"\n", pin.commit, pin.size, pin.root)
}

#[test]
fn a_new_machine_trusts_nothing() {
    let machine = Machine::new();
    for config in [machine.config(), machine.homeless()] {
        assert!(!config.trusts(&GENESIS).unwrap());
        assert!(!config.is_home_of(&GENESIS, &machine.path("repo")).unwrap());
        assert_eq!(config.pin(&GENESIS).unwrap(), None);
        assert_eq!(config.default_repo().unwrap(), None);
        assert_eq!((config.trusted().unwrap(), config.seen(&GENESIS).unwrap().minimums), (vec![], vec![]));
    }
    assert!(!machine.path("home/.config").exists());
}

#[test]
fn trust_is_kept_with_its_pin_and_the_first_repo_is_the_default() {
    let machine = Machine::new();
    machine.trust("repo", pin(0, 1)).unwrap();
    machine.trust("other", pin(0, 2)).unwrap();
    machine.trust("other", pin(0, 2)).unwrap();
    let config = machine.config();
    assert_eq!(config.trusted().unwrap(), [GENESIS]);
    assert!(config.trusts(&GENESIS).unwrap() && !config.trusts(&Hash([8; 32])).unwrap());
    assert_eq!(config.default_repo().unwrap(), Some(machine.path("repo")));
    assert_eq!(config.pin(&GENESIS).unwrap(), Some(pin(0, 2)));
    let trust = config.trust_in(&GENESIS).unwrap().unwrap();
    assert_eq!(trust.repos, [machine.path("repo"), machine.path("other")]);
    assert_eq!((trust.added, trust.origin), (Some(now()), Some(Origin::Init)));
    let mode = |path: PathBuf| fs::metadata(path).unwrap().mode() & 0o777;
    for name in ["", "trust", "pins"] {
        assert_eq!(mode(machine.user_file(name)), 0o700, "{name}");
    }
    for name in ["config.toml", &format!("trust/{GENESIS}.toml"), &format!("pins/{GENESIS}.toml")] {
        assert_eq!(mode(machine.user_file(name)), 0o600, "{name}");
    }
}

#[test]
fn a_repo_is_at_home_where_it_was_made_only() {
    let machine = Machine::new();
    machine.trust("repo", pin(0, 1)).unwrap();
    symlink(machine.path("repo"), machine.path("link")).unwrap();
    fs::create_dir(machine.path("repo/inside")).unwrap();
    let config = machine.config();
    let at_home = |name: &str| config.is_home_of(&GENESIS, &machine.path(name)).unwrap();
    assert!(at_home("repo") && at_home("link") && at_home("repo/inside/.."));
    assert!(!at_home("other") && !at_home("repo/inside"));
    assert!(!config.is_home_of(&Hash([8; 32]), &machine.path("repo")).unwrap());
    // A link put where a repo was made leads elsewhere, which is not at home.
    fs::rename(machine.path("repo"), machine.path("moved")).unwrap();
    symlink(machine.path("other"), machine.path("repo")).unwrap();
    assert!(!at_home("repo") && !at_home("moved"));
}

#[test]
fn a_default_repo_joins_what_stands_in_the_file() {
    let machine = Machine::new();
    fs::create_dir_all(machine.user_file("")).unwrap();
    fs::set_permissions(machine.user_file(""), fs::Permissions::from_mode(0o700)).unwrap();
    machine.write("home/.config/jit/config.toml", "# mine\n");
    machine.write("etc/config.toml", "repo = \"/srv/policy\"\n");
    assert_eq!(machine.config().default_repo().unwrap(), Some(PathBuf::from("/srv/policy")));
    machine.trust("repo", pin(0, 1)).unwrap();
    assert_eq!(machine.config().default_repo().unwrap(), Some(machine.path("repo")));
    assert!(fs::read_to_string(machine.user_file("config.toml")).unwrap().ends_with("\n# mine\n"));
}

#[test]
fn a_path_that_is_no_text_is_not_trusted() {
    let machine = Machine::new();
    let odd = machine.path("").join(std::ffi::OsStr::from_bytes(b"\xff"));
    fs::create_dir(&odd).unwrap();
    let error = machine.config().trust(&GENESIS, &odd, Origin::Clone, now(), pin(0, 1), |_| true).unwrap_err();
    assert!(matches!(error, ConfigError::PathNotText(_)), "{error}");
    assert!(!machine.config().trusts(&GENESIS).unwrap());
}

#[test]
fn a_pin_only_moves_on() {
    let machine = Machine::new();
    machine.trust("repo", pin(0, 5)).unwrap();
    let config = machine.config();
    // To, whether the log extends the pin, and where the pin then is.
    let table = [
        (pin(0, 5), false, "", pin(0, 5)),
        (pin(0, 4), true, "Backwards", pin(0, 5)),
        (pin(9, 5), true, "Forked", pin(0, 5)),
        (pin(9, 6), false, "Forked", pin(0, 5)),
        (pin(0, 6), true, "", pin(0, 6)),
        (Pin { commit: Oid([99; 20]), ..pin(0, 6) }, false, "Forked", pin(0, 6)),
        (pin(0, 5), true, "Backwards", pin(0, 6)),
    ];
    for (to, extends, error, left) in table {
        let moved = config.advance_pin(&GENESIS, to, |_| extends);
        let kind = moved.as_ref().err().map(|error| format!("{error:?}")).unwrap_or_default();
        assert!(kind.starts_with(error) && kind.is_empty() == error.is_empty(), "{to:?}: {kind}");
        assert_eq!(config.pin(&GENESIS).unwrap(), Some(left), "{to:?}");
        assert!(!moved.is_err_and(|error| error.is_unwritable()));
    }
    assert!(matches!(machine.trust("other", pin(0, 3)), Err(ConfigError::Backwards { have: 6, offered: 3 })));
    assert!(!config.is_home_of(&GENESIS, &machine.path("other")).unwrap());
}

#[test]
fn extension_is_asked_of_the_pin_that_stands_there_now() {
    let machine = Machine::new();
    machine.trust("repo", pin(0, 1)).unwrap();
    let (config, other) = (machine.config(), machine.config());
    let read_before = config.pin(&GENESIS).unwrap();
    other.advance_pin(&GENESIS, pin(0, 3), |_| true).unwrap();
    let mut asked = None;
    let moved = config.advance_pin(&GENESIS, pin(9, 4), |have| {
        asked = Some(*have);
        Some(*have) == read_before
    });
    assert!(matches!(moved, Err(ConfigError::Forked { .. })));
    assert_eq!(asked, Some(pin(0, 3)));
}

#[test]
fn processes_that_race_never_move_a_pin_back() {
    let machine = Machine::new();
    machine.trust("repo", pin(0, 1)).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4_u64)
            .map(|writer| {
                let config = machine.config();
                scope.spawn(move || {
                    for step in 0..12 {
                        let to = pin(0, 2 + step * 4 + (writer + step) % 4);
                        match config.advance_pin(&GENESIS, to, |have| have.size < to.size) {
                            Ok(()) | Err(ConfigError::Backwards { .. }) => {}
                            Err(error) => panic!("{error}"),
                        }
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            let config = machine.config();
            let mut last = 0;
            while !done.load(Ordering::Relaxed) {
                let seen = config.pin(&GENESIS).unwrap().unwrap();
                assert_eq!(seen, pin(0, seen.size), "a part of one pin and a part of another");
                assert!(seen.size >= last, "from {last} back to {}", seen.size);
                last = seen.size;
            }
        });
        let ended: Vec<_> = writers.into_iter().map(|writer| writer.join()).collect();
        done.store(true, Ordering::Relaxed);
        assert!(ended.iter().all(Result::is_ok));
    });
    assert_eq!(machine.config().pin(&GENESIS).unwrap(), Some(pin(0, 49)));
}

#[test]
fn a_lost_pin_is_an_error_and_not_a_first_look() {
    let machine = Machine::new();
    machine.trust("repo", pin(0, 5)).unwrap();
    fs::remove_file(machine.user_file(&format!("pins/{GENESIS}.toml"))).unwrap();
    let config = machine.config();
    let lost = |error: ConfigError| {
        let help = error.help().unwrap();
        matches!(error, ConfigError::LostPin { .. }) && help.contains("clone anew") && !error.is_unwritable()
    };
    assert!(lost(config.pin(&GENESIS).unwrap_err()));
    assert!(lost(config.seen(&GENESIS).unwrap_err()));
    assert!(lost(config.advance_pin(&GENESIS, pin(0, 1), |_| true).unwrap_err()));
    assert!(lost(machine.trust("other", pin(0, 1)).unwrap_err()));
    fs::remove_file(machine.user_file(&format!("trust/{GENESIS}.toml"))).unwrap();
    machine.trust("repo", pin(0, 1)).unwrap();
}

#[test]
fn a_bad_file_is_named_with_its_fault() {
    let root = Hash([1; 32]);
    let commit = "a".repeat(40);
    let pins = [
        ("", "1:1: missing field `commit`"),
        ("size = ", "1:8: "),
        ("commit = \"a\"\nsiez = 1\n", "2:1: unknown field `siez`"),
        ("commit = 1\n", "1:10: "),
        (&format!("commit = \"abc\"\nsize = 1\nroot = \"{root}\"\n"), "`commit`: it is 40 digits"),
        (
            &format!("commit = \"{}\"\nsize = 1\nroot = \"{root}\"\n", commit.to_uppercase()),
            "`commit`: it is 40 digits",
        ),
        (&format!("commit = \"{commit}\"\nsize = 0\nroot = \"{root}\"\n"), "`size`: it is at least 1"),
        (&format!("commit = \"{commit}\"\nsize = -1\nroot = \"{root}\"\n"), "2:8: "),
        (&format!("commit = \"{commit}\"\nsize = 1\nroot = \"{root}0\"\n"), "`root`: not 64 lower-case hex digits"),
    ];
    let trusts = [
        ("repos = [\"relative\"]\n", "`repos`: a path here starts with `/`"),
        ("added = \"yesterday\"\n", "`added`: a time is written like"),
        ("origin = \"found\"\n", "`origin`: it is `init` or `clone`"),
        ("minimum = { size = 1 }\n", "missing field `root`"),
        ("pin = 1\n", "1:1: unknown field `pin`"),
    ];
    let files = pins.map(|(text, said)| ("pins", text, said)).into_iter();
    for (folder, text, said) in files.chain(trusts.map(|(text, said)| ("trust", text, said))) {
        let machine = Machine::new();
        machine.trust("repo", pin(0, 5)).unwrap();
        let path = machine.user_file(&format!("{folder}/{GENESIS}.toml"));
        fs::write(&path, text).unwrap();
        let config = machine.config();
        let error = config.seen(&GENESIS).unwrap_err();
        let shown = error.to_string();
        assert!(shown.starts_with(&*path.to_string_lossy()) && shown.contains(said), "{text:?}: {shown}");
        assert!(error.help().is_some() && !error.is_unwritable());
        assert!(folder == "trust" || config.advance_pin(&GENESIS, pin(0, 9), |_| true).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), text, "a fault is not written over");
    }
}

#[test]
fn both_folders_hold_together() {
    let machine = Machine::new();
    let (etc_pin, minimum) = (pin(0, 9), Minimum { size: 3, root: Hash([3; 32]) });
    machine.write(&format!("etc/pins/{GENESIS}.toml"), &pin_text(etc_pin));
    let trust = format!(
        "repos = [\"{}\"]\nminimum = {{ size = 3, root = \"{}\" }}\n",
        machine.path("other").display(),
        minimum.root
    );
    machine.write(&format!("etc/trust/{GENESIS}.toml"), &trust);
    machine.write(&format!("etc/trust/{}.toml", Hash([8; 32])), "");

    let homeless = machine.homeless();
    assert_eq!(homeless.trusted().unwrap(), [GENESIS, Hash([8; 32])]);
    assert_eq!(homeless.pin(&GENESIS).unwrap(), Some(etc_pin));
    assert!(homeless.is_home_of(&GENESIS, &machine.path("other")).unwrap());
    assert_eq!(homeless.seen(&GENESIS).unwrap().minimums, [minimum, etc_pin.minimum()]);

    // The user's clone must extend what the machine's owner pinned, and then counts itself.
    assert!(matches!(machine.trust("repo", pin(0, 8)), Err(ConfigError::Backwards { .. })));
    machine.trust("repo", etc_pin).unwrap();
    assert!(machine.user_file(&format!("pins/{GENESIS}.toml")).exists());
    let config = machine.config();
    config.advance_pin(&GENESIS, pin(0, 12), |_| true).unwrap();
    assert_eq!(config.pin(&GENESIS).unwrap(), Some(pin(0, 12)));
    assert_eq!(config.seen(&GENESIS).unwrap().minimums, [minimum, pin(0, 12).minimum(), etc_pin.minimum()]);
    assert!(config.is_home_of(&GENESIS, &machine.path("repo")).unwrap());
    assert!(config.is_home_of(&GENESIS, &machine.path("other")).unwrap());

    machine.write(&format!("etc/pins/{GENESIS}.toml"), "broken");
    assert!(matches!(config.pin(&GENESIS), Err(ConfigError::Syntax { .. })));
    machine.write("etc/trust/short.toml", "");
    assert!(matches!(config.trusted(), Err(ConfigError::FileName(_))));
}

#[test]
fn a_gate_with_nowhere_to_write_still_checks() {
    let machine = Machine::new();
    machine.write(&format!("etc/pins/{GENESIS}.toml"), &pin_text(pin(0, 9)));
    let nowhere = Config::open(&fixed(machine.fixed().var("HOME", "/proc/nowhere")));
    for config in [machine.homeless(), nowhere] {
        config.advance_pin(&GENESIS, pin(0, 9), |_| false).unwrap();
        let error = config.advance_pin(&GENESIS, pin(0, 10), |_| true).unwrap_err();
        assert!(error.is_unwritable(), "{error}");
        let error = config.trust(&GENESIS, &machine.path("repo"), Origin::Init, now(), pin(0, 10), |_| true);
        assert!(error.is_err_and(|error| error.is_unwritable()));
        assert_eq!(config.pin(&GENESIS).unwrap(), Some(pin(0, 9)));
    }
}
