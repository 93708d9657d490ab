//! What a client does about failures: it tries again, and it stops asking for a while.
//!
//! Policies change what is sent, not what is recorded: every attempt is an operation of its own in the history, one that
//! a breaker refuses too. What an answer is (a completion, a mismatch) is never tried again.

use std::fmt;
use std::time::{Duration, Instant};

/// What clients do about failures; by default nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientPolicy {
    /// Whether and how they try again.
    pub retry: Option<RetryPolicy>,
    /// Whether and how they stop asking for a while.
    pub breaker: Option<BreakerPolicy>,
}

/// Exponential backoff.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How many attempts may follow the first.
    pub times: u32,
    /// The pause before the second attempt; before each further one it is twice as long.
    pub first: Duration,
}

/// A circuit breaker, one for each client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// After so many failed attempts in a row nothing is sent.
    pub failures: u32,
    /// For so long; then one attempt may show whether it is of use again.
    pub rest: Duration,
}

impl RetryPolicy {
    /// The pause after attempt number `attempt`, from 1, if another may follow.
    #[must_use]
    pub fn pause_after(&self, attempt: u32) -> Option<Duration> {
        let doubled = 1u32.checked_shl(attempt - 1).unwrap_or(u32::MAX);
        (attempt <= self.times).then(|| self.first.saturating_mul(doubled))
    }
}

/// The state of a client's circuit breaker.
#[derive(Clone, Debug, Default)]
pub(super) struct Breaker {
    policy: Option<BreakerPolicy>,
    /// Failed attempts in a row.
    failed: u32,
    closed_again: Option<Instant>,
}

impl Breaker {
    /// The error of an attempt that it refuses.
    pub(super) const OPEN: &'static str = "circuit breaker open";

    pub(super) fn new(policy: Option<BreakerPolicy>) -> Self {
        Self { policy, failed: 0, closed_again: None }
    }

    /// Whether an attempt may be sent now.
    pub(super) fn allows(&self, now: Instant) -> bool {
        self.closed_again.is_none_or(|closed| now >= closed)
    }

    /// Learns how an attempt that was sent ended.
    pub(super) fn hear(&mut self, answered: bool, now: Instant) {
        let Some(policy) = self.policy else { return };
        self.failed = if answered { 0 } else { self.failed.saturating_add(1) };
        self.closed_again = (self.failed >= policy.failures).then(|| now + policy.rest);
    }
}

impl fmt::Display for RetryPolicy {
    /// As it is asked for.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}ms", self.times, self.first.as_millis())
    }
}

impl fmt::Display for BreakerPolicy {
    /// As it is asked for.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}ms", self.failures, self.rest.as_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_end() {
        let retry = RetryPolicy { times: 3, first: Duration::from_secs(1) };
        let pauses: Vec<_> = (1..=5).map(|attempt| retry.pause_after(attempt).map(|pause| pause.as_secs())).collect();
        assert_eq!(pauses, [Some(1), Some(2), Some(4), None, None]);
        let long = RetryPolicy { times: u32::MAX, first: Duration::from_secs(1) };
        assert_eq!(long.pause_after(40).map(|pause| pause.as_secs()), Some(u32::MAX.into()), "and do not come round");
    }

    #[test]
    fn a_breaker_opens_after_failures_in_a_row_and_lets_one_attempt_through_after_its_rest() {
        let (start, rest) = (Instant::now(), Duration::from_secs(2));
        let mut breaker = Breaker::new(Some(BreakerPolicy { failures: 2, rest }));
        let at = |seconds| start + Duration::from_secs(seconds);
        for answered in [false, true, false] {
            breaker.hear(answered, at(0));
            assert!(breaker.allows(at(0)), "never two in a row");
        }
        breaker.hear(false, at(1));
        assert!(!breaker.allows(at(2)) && breaker.allows(at(3)));
        breaker.hear(false, at(3));
        assert!(!breaker.allows(at(4)), "it failed once more");
        breaker.hear(true, at(5));
        assert!(breaker.allows(at(5)));
    }

    #[test]
    fn without_a_policy_everything_is_sent() {
        let mut breaker = Breaker::new(None);
        for _ in 0..100 {
            breaker.hear(false, Instant::now());
            assert!(breaker.allows(Instant::now()));
        }
    }
}
