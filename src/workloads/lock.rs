//! Locks: clients try to take one of a few locks, hold it for a while, and give it back. Two that hold the same one at
//! once contradict the claim.
//!
//! There are three clients to a lock, so that one that is lost is soon taken by somebody else. A holder that learns that
//! its lock has ended by itself stops holding it there and then; see the adapters for when it learns.

use super::{Workload, WorkloadInfo, WorkloadOptions};
use crate::record::system::{Action, Answer, Function, Key};
use crate::record::work::{Generator, Plan};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::time::Duration;

/// Clients that compete for one lock.
const CLIENTS_PER_LOCK: u64 = 3;
/// A lock is held for a time drawn between this share of the longest and the longest.
const HOLD_MIN: u32 = 2;

/// The workload of mutual exclusion.
pub(super) struct Lock;

impl Workload for Lock {
    fn info(&self) -> &'static WorkloadInfo {
        &WorkloadInfo {
            name: "lock",
            about: "takes one of a few locks, holds it for a while and gives it back",
            model: "owner-mutex",
            claims: &["linearizable"],
            needs: &[Function::Acquire, Function::Release],
        }
    }

    fn plan(&self, options: &WorkloadOptions) -> Box<dyn Plan> {
        let locks = (options.clients / CLIENTS_PER_LOCK).min(options.keys).max(1);
        Box::new(LockPlan { locks, hold: options.hold, seed: options.seed })
    }
}

struct LockPlan {
    locks: u64,
    hold: Duration,
    seed: u64,
}

impl Plan for LockPlan {
    fn generator(&self, client: u64) -> Box<dyn Generator> {
        let seed = self.seed.wrapping_add(client.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let random = SmallRng::seed_from_u64(seed);
        Box::new(LockClient { locks: self.locks, hold: self.hold, random, holds: None })
    }

    fn final_reads(&self) -> Vec<Action> {
        Vec::new()
    }
}

struct LockClient {
    locks: u64,
    hold: Duration,
    random: SmallRng,
    holds: Option<Key>,
}

impl Generator for LockClient {
    fn next(&mut self) -> Action {
        // However the release ends, this client does not hold the lock any more.
        match self.holds.take() {
            Some(key) => Action::Release { key },
            None => Action::Acquire { key: Key(self.random.random_range(0..self.locks)) },
        }
    }

    fn observe(&mut self, action: &Action, _: &Answer) {
        if let Action::Acquire { key } = *action {
            self.holds = Some(key);
        }
    }

    fn pause(&mut self) -> Duration {
        if self.holds.is_none() {
            return Duration::ZERO;
        }
        self.random.random_range(self.hold / HOLD_MIN..=self.hold)
    }

    fn closing(&mut self) -> Option<Action> {
        self.holds.take().map(|key| Action::Release { key })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(seed: u64) -> LockClient {
        LockClient { locks: 3, hold: Duration::from_millis(200), random: SmallRng::seed_from_u64(seed), holds: None }
    }

    #[test]
    fn what_was_acquired_is_held_for_a_while_and_released_once() {
        let mut client = client(1);
        let taken = client.next();
        assert!(matches!(taken, Action::Acquire { .. }) && client.pause().is_zero(), "nothing is held yet");
        client.observe(&taken, &Answer::Done);
        assert!(!client.pause().is_zero());
        assert_eq!(client.next(), Action::Release { key: taken.key() });
        assert!(matches!(client.next(), Action::Acquire { .. }));
        assert_eq!(client.closing(), None, "what was not acquired is not released");
    }

    #[test]
    fn what_is_held_in_the_end_is_released() {
        let mut client = client(2);
        let taken = client.next();
        client.observe(&taken, &Answer::Done);
        assert_eq!(client.closing(), Some(Action::Release { key: taken.key() }));
        assert_eq!(client.closing(), None);
    }
}
