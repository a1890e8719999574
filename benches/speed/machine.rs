//! What the machine is, and how busy.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

/// How many threads run at once here.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// How busy it is: the load average over the last minute.
pub(crate) fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("unknown").to_owned()
}

/// The machine and the programs that are compared, a line each.
pub(crate) fn describe(jit: &Path) -> String {
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = processor.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let kernel = said("uname", &["-srm"]);
    [
        format!("cores: {} ({})", cores(), processor.map_or("unknown", |(_, name)| name)),
        format!("kernel: {kernel}"),
        format!("versions: {}, {}, {}", said(jit, &["--version"]), said("git", &["--version"]), said("ssh", &["-V"])),
    ]
    .join("\n")
}

fn said(program: impl AsRef<OsStr>, args: &[&str]) -> String {
    let Ok(output) = Command::new(program).args(args).output() else { return "none".to_owned() };
    let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    String::from_utf8_lossy(&text).lines().next().unwrap_or_default().to_owned()
}
