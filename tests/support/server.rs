//! Servers on loopback, each with a folder and a port of its own, ended with the test that started it: [`sshd`] with
//! git-shell behind it, and [`http`] with `git http-backend`.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How often another port is tried when somebody was faster to take the one that was free.
const MOST_PORTS: u32 = 5;
/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that runs.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        // If it has ended by itself there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Starts a server in the foreground; once it says `ready` on standard error it takes connections.
    pub(crate) fn start(ready: &'static str, command: impl Fn(u16) -> Command) -> Server {
        let mut said = String::new();
        for _ in 0..MOST_PORTS {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut child = command(port).stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
            let mut talk = BufReader::new(child.stderr.take().expect("it is piped"));
            let server = Server { child, port };
            let (tell, told) = mpsc::channel();
            thread::spawn(move || {
                let (mut text, mut line) = (String::new(), String::new());
                while talk.read_line(&mut line).is_ok_and(|bytes| bytes > 0) && !line.contains(ready) {
                    text.push_str(&line);
                    line.clear();
                }
                let _ = tell.send(line.contains(ready).then_some(()).ok_or(text));
                // It would end if nobody heard it.
                let _ = talk.read_to_end(&mut Vec::new());
            });
            match told.recv_timeout(PATIENCE).expect("the server says something") {
                Ok(()) => return server,
                Err(text) => said = text,
            }
        }
        panic!("the server does not start: {said}");
    }
}

/// Finds a server program, or fails with the package that has it: what is not tested must not look tested.
pub(crate) fn program(name: &str, package: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    let found = folders.map(|folder| folder.join(name)).find(|program| Path::is_file(program));
    found.unwrap_or_else(|| panic!("this test needs `{name}`: apt-get install {package}"))
}

/// What git on the host's side has in its environment, beside `PATH`.
fn host_environment(home: &Path) -> [(&'static str, String); 2] {
    [("HOME", home.display().to_string()), ("GIT_CONFIG_NOSYSTEM", "1".to_owned())]
}

fn path() -> String {
    std::env::var("PATH").expect("PATH is set")
}

/// Returns the name of who runs the tests: as whom everybody comes in by ssh.
pub(crate) fn account() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// Starts OpenSSH's server in a new folder. Each of `people`, a name and a public key, gets git-shell and nothing else,
/// with the name in `JIT_USER`; git runs there with `home` for its own.
pub(crate) fn sshd(folder: &Path, host_key: &Path, home: &Path, people: &[(&str, String)]) -> Server {
    let (sshd, shell) = (program("sshd", "openssh-server"), program("git-shell", "git"));
    fs::create_dir(folder).unwrap();
    if account() == "root" {
        // As root it gives up its rights in there, and Debian makes it only when its own sshd starts.
        fs::create_dir_all("/run/sshd").unwrap();
    }
    let vars = host_environment(home).map(|(name, value)| format!("{name}='{value}'")).join(" ");
    let authorized = people.iter().fold(String::new(), |mut text, (who, key)| {
        let run = format!(
            "env PATH='{}' {vars} JIT_USER={who} '{}' -c \\\"$SSH_ORIGINAL_COMMAND\\\"",
            path(),
            shell.display()
        );
        let _ = writeln!(text, "restrict,command=\"{run}\" {key}");
        text
    });
    fs::write(folder.join("authorized_keys"), authorized).unwrap();
    Server::start("Server listening on", |port| {
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nPidFile none\nAuthorizedKeysFile {}\nStrictModes no\n\
             PermitRootLogin prohibit-password\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\n",
            host_key.display(),
            folder.join("authorized_keys").display()
        );
        fs::write(folder.join("sshd_config"), config).unwrap();
        let mut command = Command::new(&sshd);
        command.env_clear().env("PATH", path()).args(["-D", "-e", "-f"]).arg(folder.join("sshd_config"));
        command
    })
}

/// Starts lighttpd in a new folder, with every repository under `root` at `/git/`, for each of `people`, a name and a
/// password; git runs there with `home` for its own.
pub(crate) fn http(folder: &Path, root: &Path, home: &Path, people: &[(&str, &str)]) -> Server {
    let lighttpd = program("lighttpd", "lighttpd");
    fs::create_dir(folder).unwrap();
    let users: String = people.iter().map(|(who, password)| format!("{who}:{password}\n")).collect();
    fs::write(folder.join("users"), users).unwrap();
    let output = Command::new("git").arg("--exec-path").output().unwrap();
    let backend = format!("{}/git-http-backend", String::from_utf8(output.stdout).unwrap().trim_end());
    let vars = host_environment(home).map(|(name, value)| format!("\"{name}\" => \"{value}\"")).join(", ");
    Server::start("server started", |port| {
        let config = format!(
            r#"server.modules = ("mod_alias", "mod_setenv", "mod_auth", "mod_authn_file", "mod_cgi")
server.bind = "127.0.0.1"
server.port = {port}
server.document-root = "{folder}"
alias.url = ("/git" => "{backend}")
cgi.assign = ("" => "")
setenv.set-environment = ("GIT_PROJECT_ROOT" => "{root}", "GIT_HTTP_EXPORT_ALL" => "1", "PATH" => "{path}", {vars})
auth.backend = "plain"
auth.backend.plain.userfile = "{folder}/users"
auth.require = ("/git" => ("method" => "basic", "realm" => "git", "require" => "valid-user"))
"#,
            folder = folder.display(),
            root = root.display(),
            path = path(),
        );
        fs::write(folder.join("lighttpd.conf"), config).unwrap();
        let mut command = Command::new(&lighttpd);
        command.env_clear().env("PATH", path()).args(["-D", "-f"]).arg(folder.join("lighttpd.conf"));
        command
    })
}
