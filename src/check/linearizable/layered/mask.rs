//! Sets of open calls, one bit a slot.

use std::fmt::Debug;
use std::hash::Hash;

/// A set of slots.
pub(super) trait SlotMask: Copy + Eq + Hash + Debug + Default + Send + Sync + 'static {
    /// How many slots there are.
    const SLOTS: usize;

    /// The set of that slot alone.
    fn bit(slot: usize) -> Self;
    /// What is in both.
    fn and(self, other: Self) -> Self;
    /// What is in either.
    fn or(self, other: Self) -> Self;
    /// What is in this one but not in the other.
    fn minus(self, other: Self) -> Self;
    /// Whether nothing is in it.
    fn is_empty(self) -> bool;
    /// How many slots are in it.
    fn count(self) -> u32;
    /// The smallest slot in it.
    fn first(self) -> Option<usize>;

    /// Whether the slot is in it.
    fn has(self, slot: usize) -> bool {
        !self.and(Self::bit(slot)).is_empty()
    }

    /// The slots in it, ascending.
    fn slots(mut self) -> impl Iterator<Item = usize> {
        std::iter::from_fn(move || {
            let slot = self.first()?;
            self = self.minus(Self::bit(slot));
            Some(slot)
        })
    }
}

macro_rules! mask_of_an_integer {
    ($integer:ty) => {
        impl SlotMask for $integer {
            const SLOTS: usize = <$integer>::BITS as usize;

            #[inline]
            fn bit(slot: usize) -> Self {
                1 << slot
            }
            #[inline]
            fn and(self, other: Self) -> Self {
                self & other
            }
            #[inline]
            fn or(self, other: Self) -> Self {
                self | other
            }
            #[inline]
            fn minus(self, other: Self) -> Self {
                self & !other
            }
            #[inline]
            fn is_empty(self) -> bool {
                self == 0
            }
            #[inline]
            fn count(self) -> u32 {
                self.count_ones()
            }
            #[inline]
            fn first(self) -> Option<usize> {
                (self != 0).then(|| self.trailing_zeros() as usize)
            }
        }
    };
}

mask_of_an_integer!(u64);
mask_of_an_integer!(u128);

/// A set over many words, for histories with hundreds of open calls.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Wide<const WORDS: usize>([u64; WORDS]);

impl<const WORDS: usize> Default for Wide<WORDS> {
    fn default() -> Self {
        Self([0; WORDS])
    }
}

impl<const WORDS: usize> SlotMask for Wide<WORDS> {
    const SLOTS: usize = WORDS * 64;

    fn bit(slot: usize) -> Self {
        let mut mask = Self::default();
        mask.0[slot / 64] = 1 << (slot % 64);
        mask
    }

    fn and(self, other: Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] & other.0[word]))
    }

    fn or(self, other: Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] | other.0[word]))
    }

    fn minus(self, other: Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] & !other.0[word]))
    }

    fn is_empty(self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }

    fn count(self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    fn first(self) -> Option<usize> {
        let word = self.0.iter().position(|&word| word != 0)?;
        Some(word * 64 + self.0[word].trailing_zeros() as usize)
    }
}
