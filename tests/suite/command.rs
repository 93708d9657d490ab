//! The built command, run as a user runs it.

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// What one call printed and how it ended.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    /// The JSON document on standard output.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("no JSON ({error}): {}\n{}", self.out, self.err))
    }
}

/// The command with those arguments, in that folder, without colours.
pub(crate) fn consistory(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_consistory"));
    command.args(arguments).current_dir(folder).env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

/// Runs it to its end.
pub(crate) fn say(folder: &Path, arguments: &[&str]) -> Said {
    said(&consistory(folder, arguments).output().expect("the command starts"))
}

/// What an ended command said.
pub(crate) fn said(output: &Output) -> Said {
    Said {
        code: output.status.code().expect("the command is not killed"),
        out: String::from_utf8(output.stdout.clone()).expect("the output is UTF-8"),
        err: String::from_utf8(output.stderr.clone()).expect("the messages are UTF-8"),
    }
}

/// Asks every few milliseconds until the answer is yes.
pub(crate) fn wait_until(what: &str, at_most: Duration, mut yes: impl FnMut() -> bool) {
    let end = Instant::now() + at_most;
    while !yes() {
        assert!(Instant::now() < end, "not within {at_most:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The processes whose command line or working folder mentions that folder.
pub(crate) fn processes_in(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().expect("the folder's name is UTF-8");
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("this is Linux").flatten() {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        let is_process = entry.file_name().to_str().is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
        let works_there = std::fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder));
        if is_process && (line.contains(folder) || works_there) {
            found.push(format!("{} {line}", entry.file_name().display()));
        }
    }
    found
}
