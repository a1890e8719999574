//! A terminal with somebody at it, by `script` of util-linux: a program runs on a terminal of its own, and what it shows
//! is waited for.

use std::io::{Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use crate::server::program;

/// How long a program may show nothing new.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A program that runs on a terminal.
pub(crate) struct Terminal {
    child: Child,
    keyboard: Option<ChildStdin>,
    screen: Receiver<Vec<u8>>,
    shown: String,
    /// What was waited for stands before this place.
    read: usize,
}

impl Terminal {
    /// Runs a line of shell, in the folder and environment of `like`.
    pub(crate) fn run(like: &Command, line: &str) -> Terminal {
        let mut command = Command::new(program("script", "bsdutils"));
        command.args(["--quiet", "--return", "--flush", "--command", line, "/dev/null"]).env_clear();
        command.envs(like.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("SHELL", "/bin/sh");
        command.current_dir(like.get_current_dir().expect("it has a folder"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().unwrap();
        let keyboard = child.stdin.take();
        let mut output = child.stdout.take().expect("it is piped");
        let (tell, screen) = mpsc::channel();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                if tell.send(bytes[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Terminal { child, keyboard, screen, shown: String::new(), read: 0 }
    }

    /// Waits until these words are shown, after those that were waited for before.
    #[track_caller]
    pub(crate) fn shows(&mut self, words: &str) {
        loop {
            if let Some(place) = self.shown[self.read..].find(words) {
                self.read += place + words.len();
                return;
            }
            match self.screen.recv_timeout(PATIENCE) {
                Ok(bytes) => self.shown.push_str(&String::from_utf8_lossy(&bytes)),
                Err(why) => panic!("no `{words}` ({why}): {}", self.shown),
            }
        }
    }

    /// Types a line.
    pub(crate) fn types(&mut self, line: &str) {
        self.press(format!("{line}\n").as_bytes());
    }

    /// Presses keys.
    pub(crate) fn press(&mut self, keys: &[u8]) {
        let keyboard = self.keyboard.as_mut().expect("it was not taken away");
        keyboard.write_all(keys).unwrap();
        keyboard.flush().unwrap();
    }

    /// Waits for the end, and returns the exit status, 128 and more for a signal, and all that was shown.
    pub(crate) fn ends(mut self) -> (i32, String) {
        loop {
            match self.screen.recv_timeout(PATIENCE) {
                Ok(bytes) => self.shown.push_str(&String::from_utf8_lossy(&bytes)),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end: {}", self.shown),
            }
        }
        let status = self.child.wait().unwrap();
        let status = status.code().or(status.signal().map(|signal| 128 + signal)).expect("it ended somehow");
        (status, std::mem::take(&mut self.shown))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // If it has ended by itself there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
