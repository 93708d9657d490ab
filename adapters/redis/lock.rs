//! Locks on one key: `SET NX PX` takes one for a time, and a script gives it back if it is still the same holder's.
//!
//! Nothing prolongs a lock. A holder counts three quarters of the time from before it sent the request, by its own
//! monotonic clock, and does not believe to hold the lock any longer than that: what is left is for clocks that go
//! apart a little and for a busy machine. So an overlap needs a server that forgets, a clock that jumps, or a holder that
//! does not run.

use crate::record::system::Key;
use redis::Cmd;
use std::time::{Duration, Instant};

/// Deletes the key if it holds the token.
const RELEASE: &str = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

/// A lock that a client holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    key: Key,
    token: String,
    /// When its holder stops believing in it.
    until: Instant,
}

impl Held {
    /// What a client is about to acquire for that time.
    pub(super) fn new(key: Key, time: Duration) -> Self {
        Self { key, token: format!("{:032x}", rand::random::<u128>()), until: Instant::now() + time * 3 / 4 }
    }

    pub(super) fn is_of(&self, key: Key) -> bool {
        self.key == key
    }

    pub(super) fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }

    pub(super) fn until(&self) -> Instant {
        self.until
    }

    /// Takes the lock if nobody has it.
    pub(super) fn acquire(&self, key: &str, time: Duration) -> Cmd {
        let mut command = Cmd::new();
        let time_ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        command.arg("SET").arg(key).arg(&self.token).arg("NX").arg("PX").arg(time_ms);
        command
    }

    /// Gives it back if it is still this holder's.
    pub(super) fn release(&self, key: &str) -> Cmd {
        let mut command = Cmd::new();
        command.arg("EVAL").arg(RELEASE).arg(1).arg(key).arg(&self.token);
        command
    }
}
