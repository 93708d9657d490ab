//! Holds a judgement to its budget: a thread that looks at the clock, at the process's memory, and at whether the
//! user has interrupted the command.

use super::values::BudgetArg;
use crate::check::budget::{Budget, Stop};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Whether this process has been told to end; a signal is for the process as a whole.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Calls off all judgements of this process, those under way and those to come.
pub(super) fn interrupt() {
    INTERRUPTED.store(true, Ordering::Relaxed);
}

/// Whether judgements have been called off.
pub(super) fn is_interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// Watches until dropped.
pub(super) struct Watchdog {
    budget: Arc<Budget>,
    done: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    /// Starts watching a new budget.
    pub(super) fn start(limits: BudgetArg) -> Self {
        // A time that no clock reaches is no limit.
        let deadline = Instant::now().checked_add(limits.time);
        let budget = Arc::new(Budget::new(deadline, limits.bytes));
        let done = Arc::new(AtomicBool::new(false));
        let thread = {
            let (budget, done) = (Arc::clone(&budget), Arc::clone(&done));
            std::thread::spawn(move || {
                while !done.load(Ordering::Relaxed) && budget.exceeded().is_none() {
                    if is_interrupted() {
                        budget.stop(Stop::Cancelled);
                    }
                    if resident_bytes().is_some_and(|bytes| bytes > limits.bytes) {
                        budget.stop(Stop::Memory);
                    }
                    std::thread::park_timeout(LOOK_EVERY);
                }
            })
        };
        Self { budget, done, thread: Some(thread) }
    }

    /// The budget that is watched.
    pub(super) fn budget(&self) -> &Budget {
        &self.budget
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic of the watchdog has been printed; there is nothing to add.
            let _ = thread.join();
        }
    }
}

/// The memory that this process has in use now, in bytes.
fn resident_bytes() -> Option<u64> {
    let pages: u64 = std::fs::read_to_string("/proc/self/statm").ok()?.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// The most memory that this process ever had in use, in bytes.
pub(super) fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes: u64 = peak.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0);
    kibibytes * 1024
}

/// The processor time of this process so far.
pub(super) fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absurd_time_is_no_limit() {
        let watchdog = Watchdog::start(BudgetArg { time: Duration::MAX, bytes: u64::MAX });
        assert_eq!(watchdog.budget().exceeded(), None);
    }
}
