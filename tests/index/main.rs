//! The index of a machine, with the real program: whatever becomes of it, answers are those of the log or none at all.

#![cfg_attr(test, expect(clippy::disallowed_methods, reason = "a test's own environment is the process's"))]

#[cfg(test)]
#[path = "../support/people.rs"]
mod people;

#[cfg(test)]
mod life {
    use std::fs;
    use std::io::{BufRead as _, BufReader};
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::path::{Path, PathBuf};
    use std::process::Stdio;

    use rusqlite::Connection;
    use serde_json::Value;

    use crate::people::{self, Said};

    const GATE: [&str; 5] = ["check", "db/staging/web", "--subject", "alice", "--json"];

    /// Where the index says how far it reaches, which form it has, which policy is in force, and what is live.
    const PREFIX: &str = "key = CAST(x'01' || 'prefix' AS BLOB)";
    const FORM: &str = "key = CAST(x'01' || 'form' AS BLOB)";
    const POLICY: &str = "key = CAST(x'01' || 'policy' AS BLOB)";
    const LIVE: &str = "key >= x'08' AND key < x'09'";

    /// Alice's repo, with a grant of hers.
    struct Machine {
        folder: tempfile::TempDir,
    }

    impl Machine {
        fn new() -> Machine {
            let machine = Machine { folder: tempfile::tempdir().unwrap() };
            people::settle(machine.folder.path(), "alice");
            machine.jit(&["init", "clone", "--name", "acme"]).exits(0);
            machine.ask("db/staging/web").exits(0);
            machine
        }

        fn jit(&self, args: &[&str]) -> Said {
            people::command(self.folder.path(), "alice", env!("CARGO_BIN_EXE_jit"), args).output().unwrap().into()
        }

        fn ask(&self, resource: &str) -> Said {
            self.jit(&["request", resource, "--for", "2h", "--reason", "INC-1234 it is stuck"])
        }

        fn folder(&self) -> PathBuf {
            index_folder(self.folder.path(), "alice")
        }

        /// The one index that there is.
        #[track_caller]
        fn index(&self) -> PathBuf {
            let found = indexes(&self.folder());
            assert_eq!(found.len(), 1, "{found:?}");
            found.into_iter().next().unwrap()
        }

        /// How many lines the index has; none if there is none that can be read.
        fn indexed(&self) -> Option<u64> {
            size_of(&self.index())
        }

        /// All requests and how each stands, as the index has it and as the log does.
        fn both(&self) -> [Value; 2] {
            let list = || self.jit(&["list", "--all", "--json"]).exits(0).json();
            let indexed = list();
            let aside = self.folder.path().join("aside");
            fs::rename(self.folder(), &aside).unwrap();
            let whole = list();
            fs::remove_dir_all(aside).unwrap();
            [indexed, whole]
        }
    }

    fn index_folder(folder: &Path, who: &str) -> PathBuf {
        folder.join(who).join(".local/state/jit/index")
    }

    /// The indexes in a folder.
    fn indexes(folder: &Path) -> Vec<PathBuf> {
        let names = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
        names.filter(|path| path.extension().is_some_and(|kind| kind == "db")).collect()
    }

    /// How many lines an index has; none if it can't be read.
    fn size_of(index: &Path) -> Option<u64> {
        let db = Connection::open(index).ok()?;
        let text: Vec<u8> =
            db.query_row(&format!("SELECT value FROM kept WHERE {PREFIX}"), [], |row| row.get(0)).ok()?;
        serde_json::from_slice::<Value>(&text).ok()?["size"].as_u64()
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn change(path: &Path, sql: &str) {
        Connection::open(path).unwrap().execute_batch(sql).unwrap();
    }

    /// Writes other bytes over those of each record in the live part.
    fn forge(index: &Path, bytes: &[u8], others: &[u8]) {
        let db = Connection::open(index).unwrap();
        let mut records = db.prepare(&format!("SELECT key, value FROM kept WHERE {LIVE}")).unwrap();
        let rows = records.query_map([], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?))).unwrap();
        for (key, mut record) in rows.map(Result::unwrap).collect::<Vec<_>>() {
            let at = record.windows(bytes.len()).position(|window| window == bytes).unwrap();
            record[at..at + bytes.len()].copy_from_slice(others);
            db.execute("UPDATE kept SET value = ? WHERE key = ?", (record, key)).unwrap();
        }
    }

    #[test]
    fn an_index_that_is_not_to_be_believed_is_made_anew() {
        type Damage = fn(&Path);
        let machine = Machine::new();
        machine.jit(&GATE).exits(0);
        let lines = machine.indexed().unwrap();
        let damages: [(&str, Damage); 12] = [
            ("gone", |path| fs::remove_file(path).unwrap()),
            ("empty", |path| fs::write(path, "").unwrap()),
            ("no store", |path| fs::write(path, "what is this? ".repeat(1000)).unwrap()),
            ("cut", |path| fs::File::options().write(true).open(path).unwrap().set_len(5000).unwrap()),
            ("cut at a page", |path| fs::File::options().write(true).open(path).unwrap().set_len(8192).unwrap()),
            ("writable by others", |path| set_mode(path, 0o666)),
            ("a link", |path| {
                fs::rename(path, path.with_extension("moved")).unwrap();
                symlink(path.with_extension("moved"), path).unwrap();
            }),
            ("another version", |path| {
                change(path, &format!("UPDATE kept SET value = CAST('\"jit 0, index 0\"' AS BLOB) WHERE {FORM}"))
            }),
            ("a hash changed", |path| change(path, "UPDATE lines SET data = zeroblob(length(data)) WHERE line = 0")),
            ("a hash gone", |path| change(path, "DELETE FROM lines WHERE line = 1")),
            ("no tables", |path| change(path, "DROP TABLE kept")),
            ("a record that does not read", |path| {
                change(path, &format!("UPDATE kept SET value = CAST('{{}}' AS BLOB) WHERE {POLICY}"));
            }),
        ];
        for (what, damage) in damages {
            damage(&machine.index());
            let said = machine.jit(&GATE);
            assert_eq!(
                (said.status, said.json()["decision"].as_str()),
                (Some(0), Some("allow")),
                "{what}: {}",
                said.err
            );
            machine.jit(&GATE).exits(0);
            let is_linked = fs::symlink_metadata(machine.index()).unwrap().is_symlink();
            assert_eq!((machine.indexed(), is_linked), (Some(lines), false), "{what}");
        }
    }

    #[test]
    fn where_no_index_can_be_kept_the_log_is_read() {
        let machine = Machine::new();
        for mode in [0o777, 0o722] {
            set_mode(&machine.folder(), mode);
            machine.jit(&GATE).exits(0);
        }
        fs::remove_dir_all(machine.folder()).unwrap();
        fs::write(machine.folder(), "a file where the folder should be").unwrap();
        machine.jit(&GATE).exits(0);
        machine.ask("db/staging/other").exits(0);
    }

    /// Whoever looks again and again lets others add to the index between two looks.
    #[test]
    fn who_watches_is_in_nobodys_way() {
        let machine = Machine::new();
        machine.jit(&GATE).exits(0);
        let mut watching =
            people::command(machine.folder.path(), "alice", env!("CARGO_BIN_EXE_jit"), &["list", "--watch"])
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
        let mut looked = BufReader::new(watching.stdout.take().unwrap());
        assert!(looked.read_line(&mut String::new()).unwrap() > 0);
        // It says what it sees a moment before it lets go.
        let before = machine.indexed().unwrap();
        let is_added = (0..4).any(|_| {
            machine.ask("db/staging/web").exits(0);
            machine.indexed() > Some(before)
        });
        watching.kill().unwrap();
        watching.wait().unwrap();
        assert!(is_added, "nobody could add to the index");
    }

    /// Damages one page of the index after the other, tries what there is to try and says whether it was noticed; one page at
    /// least has to be.
    fn damage_each_page(machine: &Machine, mut is_noticed: impl FnMut(usize) -> bool) {
        const PAGE: usize = 4096;
        let path = machine.index();
        let whole = fs::read(&path).unwrap();
        let mut noticed = 0;
        for start in (0..whole.len()).step_by(PAGE) {
            let mut bytes = whole.clone();
            bytes[start..start + PAGE].fill(0xa5);
            fs::write(&path, &bytes).unwrap();
            noticed += usize::from(is_noticed(start / PAGE));
        }
        assert!(noticed > 0, "no page mattered once the index was open");
    }

    #[test]
    fn a_damaged_page_is_noticed_or_does_not_matter() {
        let machine = Machine::new();
        machine.jit(&GATE).exits(0);
        damage_each_page(&machine, |page| {
            let said = machine.jit(&GATE);
            let decision = said.json()["decision"].as_str().unwrap().to_owned();
            match said.status {
                Some(0) => assert_eq!(decision, "allow", "page {page}"),
                Some(5) => {
                    assert_eq!(
                        (decision.as_str(), said.json()["reasons"][0]["code"].as_str()),
                        ("deny", Some("unavailable"))
                    );
                    // It was taken away, and the log made another.
                    machine.jit(&GATE).exits(0);
                }
                other => panic!("page {page}: {other:?} {}", said.err),
            }
            said.status == Some(5)
        });
    }

    /// What is shown is all there is, or there is no answer.
    #[test]
    fn a_damaged_page_leaves_no_gap_in_a_list() {
        let machine = Machine::new();
        let list = ["list", "--all", "--json"];
        let all = machine.jit(&list).exits(0).json();
        damage_each_page(&machine, |page| {
            let said = machine.jit(&list);
            match said.status {
                Some(0) => assert_eq!(said.json(), all, "page {page}"),
                Some(5) => {
                    assert!(said.err.contains("can't be read"), "{}", said.err);
                    assert_eq!(machine.jit(&list).exits(0).json(), all);
                }
                other => panic!("page {page}: {other:?} {}", said.err),
            }
            said.status == Some(5)
        });
    }

    #[test]
    fn a_request_that_does_not_read_is_no_answer() {
        let machine = Machine::new();
        machine.jit(&GATE).exits(0);
        for damage in [
            "x''",
            "'alice'",
            "substr(value, 1, length(value) - 1)",
            "CAST(value || x'00' AS BLOB)",
            "zeroblob(length(value))",
        ] {
            let path = machine.index();
            change(&path, &format!("UPDATE kept SET value = {damage} WHERE {LIVE}"));
            let said = machine.jit(&GATE).exits(5);
            let json = said.json();
            let answer = (json["decision"].as_str(), json["reasons"][0]["code"].as_str());
            assert_eq!(answer, (Some("deny"), Some("unavailable")), "{damage}");
            assert!(!path.exists(), "{damage}");
            machine.jit(&GATE).exits(0);
        }
    }

    /// What is damaged where only who adds to an index looks does not keep it as it is for ever.
    #[test]
    fn an_index_that_nobody_can_add_to_is_made_anew() {
        let machine = Machine::new();
        machine.jit(&GATE).exits(0);
        for damage in ["UPDATE kept SET value = x'7b7d' WHERE key = x'0b'", "INSERT INTO lines VALUES(4000, x'00')"] {
            let lines = machine.indexed().unwrap();
            change(&machine.index(), &damage.replace("4000", &lines.to_string()));
            machine.ask("db/staging/web").exits(0);
            machine.jit(&GATE).exits(0);
            machine.jit(&GATE).exits(0);
            assert_eq!(machine.indexed(), Some(lines + 1), "{damage}");
        }
        let [indexed, whole] = machine.both();
        assert_eq!(indexed, whole);
    }

    #[test]
    fn many_at_once_find_and_leave_what_the_log_says() {
        let machine = Machine::new();
        std::thread::scope(|scope| {
            for worker in 0..4 {
                let machine = &machine;
                scope.spawn(move || {
                    for turn in 0..6 {
                        machine.ask(&format!("db/staging/w{worker}-{turn}")).exits(0);
                        machine.jit(&GATE).exits(0);
                    }
                });
            }
        });
        let [indexed, whole] = machine.both();
        assert_eq!(indexed["requests"].as_array().map(Vec::len), Some(25));
        assert_eq!(indexed, whole);
    }

    #[test]
    fn a_killed_process_leaves_an_index_that_is_right() {
        let machine = Machine::new();
        for turn in 0..30_u64 {
            // Those that come to their end are as good: what is left behind is looked at each time.
            let resource = format!("db/staging/k{turn}");
            let args = ["request", &resource, "--for", "2h", "--reason", "INC-1234 it is stuck"];
            let mut command = people::command(machine.folder.path(), "alice", env!("CARGO_BIN_EXE_jit"), &args);
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(std::time::Duration::from_millis(3 * turn));
            child.kill().unwrap();
            child.wait().unwrap();
            machine.jit(&GATE).exits(0);
        }
        let [indexed, whole] = machine.both();
        assert_eq!(indexed, whole);
        machine.jit(&["audit", "verify", "--strict"]).exits(0);
    }
    #[test]
    fn a_clone_has_an_index_and_what_is_fetched_goes_into_it_at_once() {
        let machine = Machine::new();
        let folder = machine.folder.path();
        people::settle(folder, "bob");
        let bob = |program: &str, args: &[&str]| -> Said {
            people::command(folder, "bob", program, args).output().unwrap().into()
        };
        let jit = env!("CARGO_BIN_EXE_jit");
        let log = machine.jit(&["audit", "verify", "--json"]).exits(0).json();
        let (genesis, size) = (log["genesis"].as_str().unwrap(), log["size"].as_u64().unwrap());
        let index = || indexes(&index_folder(folder, "bob"));

        let other = format!("{genesis}:{size}:{}", "0".repeat(64));
        bob(jit, &["clone", "../alice/clone", "clone", "--genesis", &other]).exits(4);
        assert_eq!(index(), Vec::<PathBuf>::new(), "nobody trusts that log");
        bob(jit, &["clone", "../alice/clone", "clone", "--genesis", genesis]).exits(0);
        assert_eq!(index().iter().map(|path| size_of(path)).collect::<Vec<_>>(), [Some(size)]);

        // One line is there before the gate looks, the next comes when it fetches.
        machine.ask("db/staging/one").exits(0);
        bob("git", &["fetch", "-q", "origin"]).exits(0);
        machine.ask("db/staging/two").exits(0);
        fs::remove_file(folder.join("bob/clone/.git/jit/fetched-at")).unwrap();
        let gate = ["check", "db/staging/two", "--subject", "alice", "--json"];
        assert_eq!(bob(jit, &gate).exits(0).json()["decision"], "allow");
        assert_eq!(index().iter().map(|path| size_of(path)).collect::<Vec<_>>(), [Some(size + 2)]);
        let list = || bob(jit, &["list", "--all", "--json"]).exits(0).json();
        let indexed = list();
        fs::remove_dir_all(index_folder(folder, "bob")).unwrap();
        assert_eq!(list(), indexed);

        // What is cloned is verified, whatever an index says that stood here before.
        let index = index().remove(0);
        forge(&index, b"alice", b"carol");
        fs::remove_dir_all(folder.join("bob/clone")).unwrap();
        bob(jit, &["clone", "../alice/clone", "clone", "--genesis", genesis]).exits(0);
        assert_eq!(list(), indexed);
    }
}
