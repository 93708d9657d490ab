//! The bound on what one judgement may cost: time, memory, and a way to call it off.
//!
//! Checkers poll [`Budget::exceeded`] at least every few thousand steps, and ask [`Budget::reserve`] before a
//! table grows: a table that doubles would overshoot a limit that is only looked at afterwards. Somebody
//! outside (a watchdog thread with a clock) may call [`Budget::stop`]; checking itself reads no clock but the
//! deadline it was given.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

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
    /// What this and every slice of it share.
    whole: Arc<Whole>,
    /// The end of this slice.
    deadline: Option<Instant>,
    /// How many steps of this slice are left.
    steps: Option<AtomicU64>,
    stopped: AtomicU8,
}

#[derive(Debug)]
struct Whole {
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
        let (bytes, bytes_peak, stopped) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU8::new(0));
        let whole = Arc::new(Whole { deadline, bytes_max, bytes, bytes_peak, stopped });
        Self { whole, deadline, steps: None, stopped: AtomicU8::new(0) }
    }

    /// A share of the time that is left, `1/parts` of it and at least `least`, of the same memory. Stopping the whole
    /// stops it too.
    #[must_use]
    pub fn slice(&self, parts: usize, least: Duration) -> Self {
        let now = Instant::now();
        let share = |deadline: Instant| {
            let parts = u32::try_from(parts.max(1)).unwrap_or(u32::MAX);
            now + (deadline.saturating_duration_since(now) / parts).max(least)
        };
        let deadline = self.deadline.map(|deadline| share(deadline).min(deadline));
        Self { whole: Arc::clone(&self.whole), deadline, steps: None, stopped: AtomicU8::new(0) }
    }

    /// At most so many steps, as searches count them, of the same time and memory: an end that comes at the same point
    /// on every machine and with any number of threads, as long as all that is started before it is waited for.
    #[must_use]
    pub fn at_most(&self, steps: u64) -> Self {
        let steps = Some(AtomicU64::new(steps));
        Self { whole: Arc::clone(&self.whole), deadline: self.deadline, steps, stopped: AtomicU8::new(0) }
    }

    /// No limits: for tests and for problems known to be small.
    #[must_use]
    pub fn unlimited() -> Self {
        Self::new(None, u64::MAX)
    }

    /// Ends every judgement on this budget, and on every slice of it, at its next look.
    pub fn stop(&self, why: Stop) {
        set(&self.whole.stopped, why);
    }

    /// Whether to stop now, and why. Two atomic loads when no deadline is set, a clock reading otherwise.
    #[must_use]
    pub fn exceeded(&self) -> Option<Stop> {
        self.spend(1)
    }

    /// The same after so many steps.
    #[must_use]
    pub fn spend(&self, steps: u64) -> Option<Stop> {
        if let Some(why) = get(&self.whole.stopped).or_else(|| get(&self.stopped)) {
            return Some(why);
        }
        let take = |left: u64| left.checked_sub(steps);
        let spent = |left: &AtomicU64| left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err();
        if self.steps.as_ref().is_some_and(spent) {
            set(&self.stopped, Stop::Time);
        }
        let now = Instant::now();
        if self.whole.deadline.is_some_and(|deadline| now >= deadline) {
            set(&self.whole.stopped, Stop::Time);
        }
        if self.deadline.is_some_and(|deadline| now >= deadline) {
            set(&self.stopped, Stop::Time);
        }
        get(&self.whole.stopped).or_else(|| get(&self.stopped))
    }

    /// Accounts for `bytes` more in use.
    ///
    /// # Errors
    /// [`Stop::Memory`] when that would exceed the limit; nothing is then accounted, and the judgement as a
    /// whole is not stopped: the caller may free something, or give up.
    pub fn reserve(&self, bytes: u64) -> Result<(), Stop> {
        let whole = &self.whole;
        let before = whole.bytes.fetch_add(bytes, Ordering::Relaxed);
        let after = before.saturating_add(bytes);
        if after > whole.bytes_max {
            whole.bytes.fetch_sub(bytes, Ordering::Relaxed);
            return Err(Stop::Memory);
        }
        whole.bytes_peak.fetch_max(after, Ordering::Relaxed);
        Ok(())
    }

    /// Gives back what [`Self::reserve`] granted.
    pub fn release(&self, bytes: u64) {
        self.whole.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// The most that was in use at once, in bytes.
    #[must_use]
    pub fn bytes_peak(&self) -> u64 {
        self.whole.bytes_peak.load(Ordering::Relaxed)
    }

    /// The limit in bytes.
    #[must_use]
    pub fn bytes_max(&self) -> u64 {
        self.whole.bytes_max
    }
}

fn set(stopped: &AtomicU8, why: Stop) {
    let code = match why {
        Stop::Time => 1,
        Stop::Memory => 2,
        Stop::Cancelled => 3,
    };
    // The first reason is the true one.
    let _ = stopped.compare_exchange(0, code, Ordering::Relaxed, Ordering::Relaxed);
}

fn get(stopped: &AtomicU8) -> Option<Stop> {
    match stopped.load(Ordering::Relaxed) {
        0 => None,
        1 => Some(Stop::Time),
        2 => Some(Stop::Memory),
        _ => Some(Stop::Cancelled),
    }
}
