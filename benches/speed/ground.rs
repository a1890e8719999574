//! Where it is measured: histories, made once and kept, and repositories of them, each with a home folder whose owner
//! trusts it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use jit::core::hash::Hash;
use jit::core::history::object::Oid;
use jit::core::history::segment::path_of_line;
use jit::core::merkle::leaf_hash;
use jit::core::time::Timestamp;
use jit::edge::config::{Config, Origin, Pin};
use jit::edge::world::{Fixed, fixed};
use ssh_key::LineEnding;
use ssh_key::private::{Ed25519Keypair, PrivateKey};

use crate::measure::Program;
use crate::support::history::Importer;
use crate::support::scale::{ACTION, Made, Plan, RESOURCE, SUBJECT};

const BRANCH: &str = "refs/heads/jit/audit";
/// How long before what is live in a history ends it is made anew.
const SPARE: Duration = Duration::from_hours(24);

/// The folder where histories are kept, and one of this run that goes when it ends.
#[derive(Debug)]
pub(crate) struct Ground {
    /// The program that is measured.
    pub(crate) program: PathBuf,
    cache: PathBuf,
    run: tempfile::TempDir,
    places: BTreeMap<String, Rc<Place>>,
}

/// A repository, as it stands on somebody's machine.
#[derive(Debug)]
pub(crate) struct Place {
    program: PathBuf,
    folder: PathBuf,
    pub(crate) made: Made,
    /// How many of the last lines are not on the branch yet.
    news: Cell<u64>,
    /// How long the first command took, which found no index.
    pub(crate) opened: Duration,
}

impl Ground {
    pub(crate) fn new(program: PathBuf) -> Ground {
        let cache = std::env::var_os("JIT_BENCH_CACHE");
        let cache =
            cache.map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench-cache"), PathBuf::from);
        fs::create_dir_all(&cache).expect("the cache folder can be made");
        let run = tempfile::Builder::new().prefix("run-").tempdir_in(&cache).expect("the cache folder can be written");
        Ground { program, cache, run, places: BTreeMap::new() }
    }

    /// A new folder of this run.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        let folder = self.run.path().join(name);
        fs::create_dir_all(&folder).expect("the folder of this run can be written");
        folder
    }

    /// The bare repository of a history, from the cache or made now, and what is in it.
    pub(crate) fn history(&self, plan: &Plan, per_commit: u64) -> (PathBuf, Made) {
        let name = format!("{}-{per_commit}-a-commit", plan.name());
        let folder = self.cache.join(&name);
        let kept = fs::read_to_string(folder.join("made.json")).ok();
        let kept = kept.and_then(|text| serde_json::from_str::<Made>(&text).ok());
        let spare = i64::try_from(SPARE.as_secs()).unwrap_or(i64::MAX);
        if let Some(made) = kept.filter(|made| made.until - spare > now().unix()) {
            return (folder.join("repo.git"), made);
        }
        let mut made = None;
        self.make(&name, |new| {
            git(new, &["init", "-q", "--bare", "-b", "main", "repo.git"]);
            let mut importer = Importer::new(&new.join("repo.git"));
            let written = plan.write(&mut importer, per_commit);
            importer.finish();
            let text = serde_json::to_string(&written).expect("it can be written as JSON");
            fs::write(new.join("made.json"), text).expect("the folder of this run can be written");
            made = Some(written);
        });
        (folder.join("repo.git"), made.expect("it was made"))
    }

    /// A folder of the cache that is good for ever, made now if it is not there.
    pub(crate) fn kept(&self, name: &str, make: impl FnOnce(&Path)) -> PathBuf {
        let folder = self.cache.join(name);
        if !folder.exists() {
            self.make(name, make);
        }
        folder
    }

    /// Makes a folder of the cache, as a whole or not at all.
    fn make(&self, name: &str, make: impl FnOnce(&Path)) {
        crate::note(&format!("making {name}"));
        let new = self.folder(name);
        make(&new);
        let folder = self.cache.join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::rename(new, &folder).expect("the cache folder can be written");
    }

    /// A repository of that history, opened once, at the branch's tip but for the lines that can be [news](Place::hear).
    pub(crate) fn place(&mut self, plan: &Plan) -> Rc<Place> {
        let name = plan.name();
        if let Some(place) = self.places.get(&name) {
            return Rc::clone(place);
        }
        let place = Rc::new(self.new_place(plan, &name));
        self.places.insert(name, Rc::clone(&place));
        place
    }

    /// The same, for nobody else.
    pub(crate) fn new_place(&self, plan: &Plan, name: &str) -> Place {
        let (history, made) = self.history(plan, 256);
        let folder = self.folder(name);
        git(&folder, &["init", "-q", "--bare", "-b", "main", "repo.git"]);
        // Packs never change, so both repositories can have the same.
        let packs = Path::new("objects/pack");
        for entry in fs::read_dir(history.join(packs)).expect("a history has packs").flatten() {
            let to = folder.join("repo.git").join(packs).join(entry.file_name());
            fs::hard_link(entry.path(), to).expect("a pack can be linked");
        }
        let tip = git(&history, &["rev-parse", BRANCH]);
        let commit = format!("{tip}~{}", made.news);
        git(&folder.join("repo.git"), &["update-ref", BRANCH, &commit]);
        let program = self.program.clone();
        let mut place = Place { program, folder, news: Cell::new(made.news), made, opened: Duration::ZERO };
        trust(&place.home(), &place.repo(), &tip);
        place.opened = place.check(&["--subject", SUBJECT]).run();
        fs::write(place.repo().join("news"), tip).expect("the folder of this run can be written");
        place
    }
}

impl Place {
    pub(crate) fn repo(&self) -> PathBuf {
        self.folder.join("repo.git")
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.folder.join("home")
    }

    /// The program, as the one who has the grant runs it.
    pub(crate) fn jit<A: AsRef<OsStr>>(&self, args: &[A]) -> Program {
        as_subject(&self.program, &self.home(), args).var("JIT_REPO", self.repo())
    }

    /// Asks for what is granted, in this way.
    pub(crate) fn check(&self, shown: &[&str]) -> Program {
        let args = ["check", RESOURCE, ACTION].into_iter().chain(shown.iter().copied()).collect::<Vec<_>>();
        self.jit(&args)
    }

    /// Asks by a token of the grant with two approvals.
    pub(crate) fn check_token(&self) -> Program {
        let path = self.home().join("token");
        if !path.exists() {
            write_secret(&path, &self.jit(&["token", &self.made.grant]).output());
        }
        self.jit(&["check", RESOURCE, ACTION, "--token-file", path.to_str().expect("a path in UTF-8")])
    }

    /// Lets so many lines more be on the branch; false if there are not that many.
    pub(crate) fn hear(&self, lines: u64) -> bool {
        let Some(left) = self.news.get().checked_sub(lines) else { return false };
        let tip = fs::read_to_string(self.repo().join("news")).expect("it was written before");
        git(&self.repo(), &["update-ref", BRANCH, &format!("{tip}~{left}")]);
        self.news.set(left);
        true
    }

    /// Lets all lines be on the branch, and the index have them.
    pub(crate) fn catch_up(&self) {
        self.hear(self.news.get());
        self.check(&["--subject", SUBJECT]).run();
    }

    /// One line of the log, a request.
    pub(crate) fn request(&self) -> Vec<u8> {
        let segment = git(&self.repo(), &["cat-file", "blob", &format!("{BRANCH}:{}", path_of_line(2))]);
        segment.lines().nth(2).expect("a history begins with more than two lines").as_bytes().to_vec()
    }

    /// How many bytes the repository takes, and the index with it.
    pub(crate) fn sizes(&self) -> [u64; 2] {
        [self.repo(), self.home()].map(|folder| size_of(&folder))
    }
}

/// The program, with nothing in its environment but a home folder and the key in it.
pub(crate) fn as_subject<A: AsRef<OsStr>>(program: &Path, home: &Path, args: &[A]) -> Program {
    Program::new(program, args).var("HOME", home).var("JIT_KEY", home.join("key"))
}

/// Makes a home folder for the one who has the grant.
pub(crate) fn settle(home: &Path) {
    fs::create_dir_all(home).expect("a home folder can be made");
    let mut key = PrivateKey::from(Ed25519Keypair::from_seed(&Hash::of(SUBJECT.as_bytes()).0));
    key.set_comment(SUBJECT);
    write_secret(&home.join("key"), &key.to_openssh(LineEnding::LF).expect("a key can be written"));
    let public = key.public_key().to_openssh().expect("a key can be written");
    fs::write(home.join("key.pub"), public + "\n").expect("the home folder can be written");
}

/// Trusts the log of a repository, as `jit init` does, from its first line on.
fn trust(home: &Path, repo: &Path, tip: &str) {
    settle(home);
    let first = git(repo, &["rev-list", "--max-parents=0", tip]);
    let line = git(repo, &["cat-file", "blob", &format!("{first}:{}", path_of_line(0))]);
    let genesis = Hash::of(crate::support::log::body_of(line.as_bytes()).as_bytes());
    let world = fixed(Fixed::new(now()).var("HOME", home));
    let commit = git2::Oid::from_str(&first).expect("git names a commit");
    let commit = Oid(commit.as_bytes().try_into().expect("ids of git are that long"));
    let pin = Pin { commit, size: 1, root: leaf_hash(line.as_bytes()) };
    let trusted = Config::open(&world).trust(&genesis, repo, Origin::Init, now(), pin, |_| true);
    trusted.expect("the home folder can be written");
}

fn write_secret(path: &Path, text: &str) {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).expect("the home folder can be written");
}

/// Runs git in a folder, and returns what it prints.
pub(crate) fn git(folder: &Path, args: &[&str]) -> String {
    let folder = ["-C", folder.to_str().expect("a path in UTF-8")];
    Program::new("git", &folder.iter().chain(args).collect::<Vec<_>>()).output()
}

/// Returns the time, to the second.
pub(crate) fn now() -> Timestamp {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix(i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX))
}

fn size_of(path: &Path) -> u64 {
    match fs::read_dir(path) {
        Ok(entries) => entries.flatten().map(|entry| size_of(&entry.path())).sum(),
        Err(_) => fs::symlink_metadata(path).map_or(0, |file| file.len()),
    }
}
