//! Two people over each transport: their appends get in, by `git` and by `jit`, and everything void is refused.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::forge::BRANCH;
use crate::host::Host;
use crate::lab::{Lab, Said};
use crate::pushes::assert_attacks_are_refused;
use crate::server::{account, http, sshd};

/// Who pushes: they may ask for access, and each has a key.
const PEOPLE: [&str; 2] = ["carol", "dave"];

/// A way to the host: the URL that somebody uses, and what their git needs for it.
struct Way<'a> {
    url: &'a dyn Fn(&str) -> String,
    dress: &'a dyn Fn(&str, &mut Command),
}

impl Way<'_> {
    fn push(&self, host: &Host, who: &str, args: &[&str]) -> Said {
        host.push_to(&(self.url)(who), args, |command| (self.dress)(who, command))
    }

    /// Runs `jit` in a home folder of their own.
    fn jit(&self, lab: &Lab, who: &str, args: &[&str]) -> Said {
        let home = lab.path(&format!("home-of-{who}"));
        fs::create_dir_all(&home).unwrap();
        let mut command = lab.jit_command(who, args);
        command.env("HOME", &home).current_dir(&home);
        (self.dress)(who, &mut command);
        command.output().unwrap().into()
    }
}

/// `names` tells whether the host knows who pushes.
fn assert_two_people_can_push(host: &Host, way: &Way<'_>, names: bool) {
    let lab = &host.lab;
    for who in PEOPLE {
        lab.request(who, &["db/prod/orders", "read"], 0);
        way.push(host, who, &[BRANCH]).exits(0);
        assert_eq!(host.tip(BRANCH).unwrap(), lab.tip(), "{who}");
        lab.git(&["commit", "-q", "--allow-empty", "-m", who]);
        way.push(host, who, &["main", "main:refs/heads/jit/witness/w"]).exits(0);
        assert_eq!(host.tip("refs/heads/main").unwrap(), lab.git(&["rev-parse", "main"]), "{who}");
    }
    let mut turn = PEOPLE.iter().cycle();
    assert_attacks_are_refused(host, |refspec| way.push(host, turn.next().unwrap(), &[refspec]));
    // By `jit`, each from a clone of their own; the second is behind and has to go on from the first one's line.
    for who in PEOPLE {
        way.jit(lab, who, &["clone", &(way.url)(who), "access", "--genesis", &lab.genesis, "--yes"]).exits(0);
    }
    let before = host.tip(BRANCH).unwrap();
    for who in PEOPLE {
        way.jit(lab, who, &["-C", "access", "request", "db/prod/orders", "read"]).exits(0);
    }
    let bare = host.bare();
    let added = lab.git(&["-C", bare.to_str().unwrap(), "rev-list", "--count", &format!("{before}..{BRANCH}")]);
    assert_eq!(added, "2");
    let pushers = fs::read_to_string(host.pushers()).unwrap();
    for who in PEOPLE.iter().filter(|_| names) {
        assert!(
            pushers.contains(&format!("{who} {BRANCH}\n")) && pushers.contains(&format!("{who} refs/heads/main\n"))
        );
    }
}

#[test]
fn over_a_path() {
    let host = Host::new();
    let way = Way { url: &|_| host.url(), dress: &|_, _| {} };
    assert_two_people_can_push(&host, &way, false);
}

#[test]
fn over_ssh_with_git_shell() {
    let host = Host::new();
    let folder = host.lab.path("sshd");
    host.lab.make_key("host");
    let people = PEOPLE.map(|who| (who, host.lab.public_key(who)));
    let server = sshd(&folder, &host.lab.key("host"), &host.lab.path("home"), &people);
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let user = account();
    let known = format!("[127.0.0.1]:{} {}\n", server.port, host.lab.public_key("host"));
    fs::write(folder.join("known_hosts"), known).unwrap();
    let way = Way {
        url: &|_| format!("ssh://{user}@127.0.0.1:{}{}", server.port, path(&host.bare())),
        dress: &|who, command| {
            let ssh = format!(
                "ssh -F none -i '{}' -o IdentitiesOnly=yes -o UserKnownHostsFile='{}' -o StrictHostKeyChecking=yes",
                path(&host.lab.key(who)),
                path(&folder.join("known_hosts"))
            );
            command.env("GIT_SSH_COMMAND", ssh);
        },
    };
    assert_two_people_can_push(&host, &way, true);
    let stranger = way.push(&host, "mallory", &["main"]);
    assert!(stranger.code == Some(128) && stranger.stderr.contains("Permission denied"), "{stranger:?}");
}

#[test]
fn over_http_behind_git_http_backend() {
    let host = Host::new();
    let folder = host.lab.path("lighttpd");
    let people = [("carol", "pw-of-carol"), ("dave", "pw-of-dave")];
    let server = http(&folder, host.bare().parent().unwrap(), &host.lab.path("home"), &people);
    let url = |who: &str| format!("http://{who}:pw-of-{who}@127.0.0.1:{}/git/access.git", server.port);
    let way = Way { url: &url, dress: &|_, _| {} };
    assert_two_people_can_push(&host, &way, true);
    let stranger = way.push(&host, "mallory", &["main"]);
    assert!(stranger.code == Some(128) && stranger.stderr.contains("Authentication failed"), "{stranger:?}");
}
