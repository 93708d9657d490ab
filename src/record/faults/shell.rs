//! The user's own commands, run by `sh -c` to their end, and ended if that takes too long.

use rustix::process::{Pid, Signal, kill_process_group};
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// How often it is looked whether a command has ended.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How much of what a command complains about is kept.
const WORDS_MAX: u64 = 500;
/// How long its complaint may take to arrive after its end: what it left behind may hold the pipe open.
const WORDS_WAIT: Duration = Duration::from_secs(2);

/// Runs a command with these variables, besides those of consistory; succeeds if it ends well in time.
///
/// # Errors
/// How it ended, in words.
pub(super) fn run(command: &str, variables: &[(String, String)], at_most: Duration) -> Result<(), String> {
    let child = Command::new("sh")
        .args(["-c", command])
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        // A group of its own: Ctrl-C is for consistory, which undoes things in order.
        .process_group(0)
        .spawn();
    let mut child = child.map_err(|error| format!("sh: {error}"))?;
    let (said, words) = channel();
    let mut complaints = child.stderr.take().expect("was asked for");
    std::thread::spawn(move || {
        let mut text = Vec::new();
        // What cannot be read was not said; the rest is read too, so that nobody waits to write it.
        let _ = complaints.by_ref().take(WORDS_MAX).read_to_end(&mut text);
        let _ = said.send(String::from_utf8_lossy(&text).into_owned());
        let _ = std::io::copy(&mut complaints, &mut std::io::sink());
    });
    let ended = wait(&mut child, at_most)?;
    if ended.success() {
        return Ok(());
    }
    let words = words.recv_timeout(WORDS_WAIT).unwrap_or_default();
    let words = words.lines().next().unwrap_or_default().trim();
    Err(format!("{ended}{}{words}", if words.is_empty() { "" } else { ": " }))
}

fn wait(child: &mut Child, at_most: Duration) -> Result<std::process::ExitStatus, String> {
    let end = Instant::now() + at_most;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if Instant::now() < end => std::thread::sleep(LOOK_EVERY),
            Ok(None) => break,
            Err(error) => return Err(error.to_string()),
        }
    }
    // It has not been waited for, so its group is its own.
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.wait();
    Err(format!("did not end within {at_most:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn try_it(command: &str, at_most: Duration) -> Result<(), String> {
        run(command, &[("NODE".into(), "n 2".into())], at_most)
    }

    #[test]
    fn a_command_says_how_it_ended() {
        let long = Duration::from_secs(20);
        assert_eq!(try_it("test \"$NODE\" = 'n 2'", long), Ok(()));
        let why = try_it("echo no such container >&2; exit 3", long).expect_err("it fails");
        assert!(why.contains('3') && why.contains("no such container"), "{why}");
        let why = try_it("sleep 600", Duration::from_millis(50)).expect_err("it takes too long");
        assert!(why.contains("50ms"), "{why}");
    }

    #[test]
    fn what_a_command_leaves_behind_does_not_hold_it_up() {
        let started = Instant::now();
        let why = try_it("sleep 20 & exit 1", Duration::from_secs(15)).expect_err("it fails");
        assert!(started.elapsed() < Duration::from_secs(10) && why.contains('1'), "{why}");
    }
}
