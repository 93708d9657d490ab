//! The one source of chance: a seed gives the same numbers on every machine, for ever.
//!
//! `ChaCha` with 8 rounds (Bernstein 2008) is specified bit by bit; `SmallRng` and `StdRng` are not portable, and
//! the distributions of `rand` may change between its versions. So only raw 64-bit words are taken from the crate,
//! the seed is laid into the key here, and everything drawn from the words below is integer arithmetic: the
//! logarithm of the platform would differ in the last bit.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// A deterministic, portable source of chance.
#[derive(Clone, Debug)]
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    /// The dice of `seed`; each `stream` is independent of the others.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&stream.to_le_bytes());
        Self(ChaCha8Rng::from_seed(key))
    }

    /// A number below `bound`, which is at least 1. The bias is below `bound` / 2⁶⁴.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.0.next_u64()) * u128::from(bound);
        u64::try_from(product >> 64).expect("the high word of a product of two words")
    }

    /// Whether something with a chance of `millionths` / 1 000 000 happens.
    pub(crate) fn chance(&mut self, millionths: u32) -> bool {
        self.below(1_000_000) < u64::from(millionths)
    }

    /// A place in something of length `len`, which is at least 1.
    pub(crate) fn place(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).expect("below a length")
    }

    /// A waiting time with the given mean, at least 1: close to exponential.
    ///
    /// `-log2 u` of a uniform `u` is its number of leading zeros plus a fraction; the fraction is taken linear.
    /// That sum has mean 3/2 exactly, so the mean is right and the shape is off by less than nine hundredths.
    pub(crate) fn wait(&mut self, mean: u64) -> u64 {
        const UNIT_BITS: u32 = 20;
        let word = self.0.next_u64() | 1;
        let zeros = word.leading_zeros();
        let mantissa = (word << zeros) << 1 >> (64 - UNIT_BITS);
        let log = (u64::from(zeros) << UNIT_BITS) + ((1 << UNIT_BITS) - mantissa);
        let scaled = u128::from(mean) * u128::from(log) * 2 / 3;
        u64::try_from(scaled >> UNIT_BITS).unwrap_or(u64::MAX).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_a_seed_never_change() {
        let mut dice = Dice::new(4711, 0);
        let drawn: Vec<_> = (0..4).map(|_| dice.below(1_000_000)).collect();
        assert_eq!(drawn, PINNED, "a change here changes every generated history");
        assert_ne!(Dice::new(4711, 1).below(1 << 60), Dice::new(4711, 0).below(1 << 60));
    }

    /// Agree with an independent implementation of `ChaCha8`.
    const PINNED: [u64; 4] = [935_433, 900_627, 36_195, 389_873];

    #[test]
    fn waiting_times_have_the_mean_that_was_asked_for() {
        let mut dice = Dice::new(1, 0);
        let sum: u64 = (0..200_000).map(|_| dice.wait(1_000_000)).sum();
        let mean = sum / 200_000;
        assert!((990_000..1_010_000).contains(&mean), "mean {mean}");
    }
}
