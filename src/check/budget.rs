//! The bound on what one judgement may cost: time, memory, and a way to call it off.
//!
//! Checkers poll [`Budget::exceeded`] at least every few thousand steps, and ask [`Budget::reserve`] before a
//! table grows: a table that doubles would overshoot a limit that is only looked at afterwards. Somebody
//! outside (a watchdog thread with a clock) may call [`Budget::stop`]; checking itself reads no clock but the
//! deadline it was given.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Instant;

/// Why a judgement was stopped before it was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The time was used up.
    Time,
    /// The memory was used up.
    Memory,
    /// Somebody called it off: an interrupt, or a rival strategy that was faster.
    Cancelled,
}

/// A time and memory allowance shared by all threads of one judgement.
#[derive(Debug)]
pub struct Budget {
    deadline: Option<Instant>,
    bytes_max: u64,
    bytes: AtomicU64,
    bytes_peak: AtomicU64,
    stopped: AtomicU8,
}

impl Budget {
    /// At most until `deadline`, with at most `bytes_max` bytes in search tables.
    #[must_use]
    pub fn new(deadline: Option<Instant>, bytes_max: u64) -> Self {
        Self { deadline, bytes_max, bytes: AtomicU64::new(0), bytes_peak: AtomicU64::new(0), stopped: AtomicU8::new(0) }
    }

    /// No limits: for tests and for problems known to be small.
    #[must_use]
    pub fn unlimited() -> Self {
        Self::new(None, u64::MAX)
    }

    /// Ends every judgement on this budget at its next look.
    pub fn stop(&self, why: Stop) {
        let code = match why {
            Stop::Time => 1,
            Stop::Memory => 2,
            Stop::Cancelled => 3,
        };
        // The first reason is the true one.
        let _ = self.stopped.compare_exchange(0, code, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Whether to stop now, and why. One atomic load when no deadline is set, a clock reading otherwise.
    #[must_use]
    pub fn exceeded(&self) -> Option<Stop> {
        if let Some(why) = self.stop_reason() {
            return Some(why);
        }
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            self.stop(Stop::Time);
        }
        self.stop_reason()
    }

    /// Accounts for `bytes` more in use.
    ///
    /// # Errors
    /// [`Stop::Memory`] when that would exceed the limit; nothing is then accounted, and the judgement as a
    /// whole is not stopped: the caller may free something, or give up.
    pub fn reserve(&self, bytes: u64) -> Result<(), Stop> {
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let after = before.saturating_add(bytes);
        if after > self.bytes_max {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            return Err(Stop::Memory);
        }
        self.bytes_peak.fetch_max(after, Ordering::Relaxed);
        Ok(())
    }

    /// Gives back what [`Self::reserve`] granted.
    pub fn release(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// The most that was in use at once, in bytes.
    #[must_use]
    pub fn bytes_peak(&self) -> u64 {
        self.bytes_peak.load(Ordering::Relaxed)
    }

    /// The limit in bytes.
    #[must_use]
    pub fn bytes_max(&self) -> u64 {
        self.bytes_max
    }

    fn stop_reason(&self) -> Option<Stop> {
        match self.stopped.load(Ordering::Relaxed) {
            0 => None,
            1 => Some(Stop::Time),
            2 => Some(Stop::Memory),
            _ => Some(Stop::Cancelled),
        }
    }
}
