//! Two people over each transport: their appends get in, by `git` and by `jit`, and everything void is refused.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::forge::BRANCH;
use crate::host::Host;
use crate::lab::{Lab, Said};
use crate::pushes::assert_attacks_are_refused;
use crate::server::{Server, program};

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
    let (sshd, shell) = (program("sshd", "openssh-server"), program("git-shell", "git"));
    fs::create_dir(&folder).unwrap();
    let user = String::from_utf8(host.lab.run("id", &["-un"], b"")).unwrap().trim_end().to_owned();
    if user == "root" {
        // As root it gives up its rights in there, and Debian makes it only when its own sshd starts.
        fs::create_dir_all("/run/sshd").unwrap();
    }
    host.lab.make_key("host");
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let authorized = PEOPLE.iter().fold(String::new(), |mut text, who| {
        let run = format!(
            "env PATH='{}' HOME='{}' GIT_CONFIG_NOSYSTEM=1 JIT_USER={who} '{}' -c \\\"$SSH_ORIGINAL_COMMAND\\\"",
            std::env::var("PATH").unwrap(),
            path(&host.lab.path("home")),
            path(&shell)
        );
        let _ = writeln!(text, "restrict,command=\"{run}\" {}", host.lab.public_key(who));
        text
    });
    fs::write(folder.join("authorized_keys"), authorized).unwrap();
    let server = Server::start("Server listening on", |port| {
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nPidFile none\nAuthorizedKeysFile {}\nStrictModes no\n\
             PermitRootLogin prohibit-password\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\n",
            path(&host.lab.key("host")),
            path(&folder.join("authorized_keys"))
        );
        fs::write(folder.join("sshd_config"), config).unwrap();
        let mut command = host.lab.command(sshd.to_str().unwrap());
        command.args(["-D", "-e", "-f"]).arg(folder.join("sshd_config"));
        command
    });
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
    let lighttpd = program("lighttpd", "lighttpd");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("users"), "carol:pw-of-carol\ndave:pw-of-dave\n").unwrap();
    let backend = format!("{}/git-http-backend", host.lab.git(&["--exec-path"]));
    let server = Server::start("server started", |port| {
        let config = format!(
            r#"server.modules = ("mod_alias", "mod_setenv", "mod_auth", "mod_authn_file", "mod_cgi")
server.bind = "127.0.0.1"
server.port = {port}
server.document-root = "{folder}"
alias.url = ("/git" => "{backend}")
cgi.assign = ("" => "")
setenv.set-environment = (
    "GIT_PROJECT_ROOT" => "{root}", "GIT_HTTP_EXPORT_ALL" => "1", "GIT_CONFIG_NOSYSTEM" => "1",
    "PATH" => "{path}", "HOME" => "{home}"
)
auth.backend = "plain"
auth.backend.plain.userfile = "{folder}/users"
auth.require = ("/git" => ("method" => "basic", "realm" => "git", "require" => "valid-user"))
"#,
            folder = folder.display(),
            root = folder.parent().unwrap().display(),
            path = std::env::var("PATH").unwrap(),
            home = host.lab.path("home").display(),
        );
        fs::write(folder.join("lighttpd.conf"), config).unwrap();
        let mut command = host.lab.command(lighttpd.to_str().unwrap());
        command.args(["-D", "-f"]).arg(folder.join("lighttpd.conf"));
        command
    });
    let url = |who: &str| format!("http://{who}:pw-of-{who}@127.0.0.1:{}/git/access.git", server.port);
    let way = Way { url: &url, dress: &|_, _| {} };
    assert_two_people_can_push(&host, &way, true);
    let stranger = way.push(&host, "mallory", &["main"]);
    assert!(stranger.code == Some(128) && stranger.stderr.contains("Authentication failed"), "{stranger:?}");
}
