//! Who wrote a value: every write in one table with open addressing, its entries side by side in memory, so that most
//! look-ups touch one line of the cache. 12 bytes a place, two thirds of which are taken.

use crate::history::ValueId;

/// Who wrote a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Writer {
    /// The first transaction that wrote it.
    pub(super) transaction: u32,
    /// Whether it is what the transaction left behind.
    pub(super) last: bool,
    /// Whether others wrote it too.
    pub(super) several: bool,
}

#[derive(Clone, Copy)]
struct Place {
    /// The key, twice, and 1 more if several wrote the value.
    key: u32,
    value: ValueId,
    /// The transaction, twice, and 1 more if it left the value behind; [`FREE`].
    writer: u32,
}

/// No transaction has this number: there are fewer than 2³¹ − 1.
const FREE: u32 = u32::MAX;

/// See the module.
pub(super) struct Written {
    places: Vec<Place>,
}

impl Written {
    /// An empty table for so many writes of at most 2³¹ keys.
    pub(super) fn with_capacity(writes: usize) -> Self {
        let free = Place { key: 0, value: ValueId::ABSENT, writer: FREE };
        Self { places: vec![free; writes + writes / 2 + 1] }
    }

    /// The place of a key and a value, or the free one at which it would be.
    fn place(&self, key: u32, value: ValueId) -> usize {
        const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut hash = (u64::from(key) << 32 | u64::from(value.raw())).wrapping_mul(SPREAD);
        hash = (hash ^ hash >> 32).wrapping_mul(SPREAD);
        let product = u128::from(hash) * self.places.len() as u128;
        let mut at = usize::try_from(product >> 64).expect("below the length of the table");
        loop {
            let there = &self.places[at];
            if there.writer == FREE || there.value == value && there.key >> 1 == key {
                return at;
            }
            at = if at + 1 == self.places.len() { 0 } else { at + 1 };
        }
    }

    pub(super) fn add(&mut self, key: u32, value: ValueId, transaction: u32, last: bool) {
        let at = self.place(key, value);
        let place = &mut self.places[at];
        if place.writer == FREE {
            *place = Place { key: key << 1, value, writer: transaction << 1 | u32::from(last) };
        } else {
            place.key |= u32::from(place.writer >> 1 != transaction);
            place.writer |= u32::from(last);
        }
    }

    pub(super) fn find(&self, key: u32, value: ValueId) -> Option<Writer> {
        let place = self.places[self.place(key, value)];
        let writer =
            Writer { transaction: place.writer >> 1, last: place.writer & 1 == 1, several: place.key & 1 == 1 };
        (place.writer != FREE).then_some(writer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_found_with_its_first_writer_and_nothing_else_is() {
        let id = |number: u32| ValueId::small(i64::from(number)).expect("small");
        let mut written = Written::with_capacity(3 * 1000);
        for number in 0..1000 {
            written.add(number % 7, id(number), number, false);
            written.add(number % 7, id(number), number, number % 2 == 0);
            if number % 3 == 0 {
                written.add(number % 7, id(number), number + 1, true);
            }
        }
        for number in 0..1000 {
            let several = number % 3 == 0;
            let expected = Writer { transaction: number, last: several || number % 2 == 0, several };
            assert_eq!(written.find(number % 7, id(number)), Some(expected), "{number}");
            assert_eq!(written.find(number % 7 + 1, id(number)), None, "{number}");
        }
        assert_eq!(Written::with_capacity(0).find(0, id(0)), None);
    }
}
