//! Servers on loopback, each with a folder and a port of its own, ended with the test that started it.

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
