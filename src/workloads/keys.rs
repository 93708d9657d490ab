//! Which object an operation is about: a few at a time, replaced before their histories grow too long to judge.

use crate::record::system::Key;
use rand::Rng;
use rand::rngs::SmallRng;
use rand_distr::{Distribution, Zipf};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// How a client picks among the objects in use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum KeyChoice {
    /// All alike.
    Uniform,
    /// The i-th with a weight of `1 / i^exponent`.
    Zipf(f64),
}

impl fmt::Display for KeyChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uniform => f.write_str("uniform"),
            Self::Zipf(exponent) => write!(f, "zipf:{exponent}"),
        }
    }
}

/// The objects in use, shared by all clients.
///
/// Place `p` of `n` holds the keys `p`, `p + n`, `p + 2n`, … one after another, each for `ops_per_key` operations:
/// one atomic addition decides which.
#[derive(Debug)]
pub struct Keys {
    started: Box<[AtomicU64]>,
    ops_per_key: u64,
    zipf: Option<Zipf<f64>>,
}

impl Keys {
    /// `keys` objects in use at a time.
    #[must_use]
    pub fn new(keys: u64, ops_per_key: u64, choice: KeyChoice) -> Self {
        let keys = keys.max(1);
        let zipf = match choice {
            KeyChoice::Uniform => None,
            #[expect(clippy::cast_precision_loss, reason = "fewer than 2^52 keys are in use at a time")]
            KeyChoice::Zipf(exponent) => Zipf::new(keys as f64, exponent).ok(),
        };
        Self { started: (0..keys).map(|_| AtomicU64::new(0)).collect(), ops_per_key: ops_per_key.max(1), zipf }
    }

    /// The place and key of the next operation.
    pub fn pick(&self, random: &mut SmallRng) -> (usize, Key) {
        let place = match self.zipf {
            None => random.random_range(0..self.started.len()),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a rank from 1 to the number of keys"
            )]
            Some(zipf) => (zipf.sample(random) as usize).clamp(1, self.started.len()) - 1,
        };
        let before = self.started[place].fetch_add(1, Ordering::Relaxed);
        (place, self.key(place, before / self.ops_per_key))
    }

    /// Every key that an operation has been started on.
    #[must_use]
    pub fn used(&self) -> Vec<Key> {
        let rounds = |place: usize| self.started[place].load(Ordering::Relaxed).div_ceil(self.ops_per_key);
        let mut keys: Vec<_> = (0..self.started.len())
            .flat_map(|place| (0..rounds(place)).map(move |round| self.key(place, round)))
            .collect();
        keys.sort_unstable();
        keys
    }

    /// How many places there are.
    #[must_use]
    pub fn places(&self) -> usize {
        self.started.len()
    }

    fn key(&self, place: usize, round: u64) -> Key {
        Key(place as u64 + round * self.started.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn no_key_gets_more_than_its_operations_and_none_is_forgotten() {
        let keys = Keys::new(3, 10, KeyChoice::Zipf(1.0));
        let mut random = SmallRng::seed_from_u64(1);
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..1_000 {
            *counts.entry(keys.pick(&mut random).1).or_insert(0) += 1;
        }
        assert!(counts.values().all(|&count| count <= 10), "{counts:?}");
        assert_eq!(keys.used(), counts.keys().copied().collect::<Vec<_>>());
    }
}
