//! Signals to the servers of a run, and what the kernel says became of them.

use rustix::process::{Pid, Signal, kill_process};
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(5);

/// The state of a process in `/proc/PID/stat`: `R`, `S`, `T`, `Z`, …; `None` if there is none.
#[must_use]
pub fn state(pid: u32) -> Option<char> {
    field(pid, 0)?.chars().next()
}

/// When a process was started, in ticks since the machine was; `None` if there is none.
#[must_use]
pub fn started(pid: u32) -> Option<u64> {
    field(pid, 19)?.parse().ok()
}

/// A field after the name, which may itself hold spaces and parentheses.
fn field(pid: u32, number: usize) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(number).map(str::to_owned)
}

/// Whether the process is there and not merely waiting to be reaped.
#[must_use]
pub fn is_alive(pid: u32) -> bool {
    state(pid).is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

/// Sends a signal.
///
/// # Errors
/// The refusal, in words.
pub fn signal(pid: u32, signal: Signal) -> Result<(), String> {
    let id = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or_else(|| format!("{pid} is no process id"))?;
    kill_process(id, signal).map_err(|error| format!("signalling {pid}: {error}"))
}

/// Waits until the state is as wanted; the last state.
#[must_use]
pub fn until(pid: u32, at_most: Duration, wanted: impl Fn(Option<char>) -> bool) -> Option<char> {
    let end = Instant::now() + at_most;
    loop {
        let state = state(pid);
        if wanted(state) || Instant::now() >= end {
            return state;
        }
        std::thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_of_this_process_and_of_none_with_an_impossible_id() {
        let own = std::process::id();
        assert!(is_alive(own) && started(own).is_some());
        assert_eq!((state(u32::MAX), started(u32::MAX)), (None, None));
        assert!(signal(u32::MAX, Signal::CONT).is_err());
    }
}
