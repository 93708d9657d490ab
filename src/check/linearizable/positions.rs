//! Operations that carry their place in the object's total order: versions, tokens, sums, snapshots.
//!
//! Known from the checkers of versioned stores and from Gibbons and Korach, "Testing shared memories" (SIAM Journal
//! on Computing 26(4), 1997, §4, reads with a known writer): if each operation has a key, mutators in the order in
//! which they happened and observers right behind what they saw, then an order by key is the only candidate up to
//! exchanges of equal keys. It respects real time exactly if no operation returns before the call of one with a
//! smaller key. Operations of equal keys must be legal in any order among themselves; that is the caller's part.
//!
//! O(n log n) for sorting the ends, one pass for the test.

use super::timeline::{Moment, moments};
use crate::check::models::Model;
use crate::check::problem::Problem;

/// Two operations that real time puts in the other order than their keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Inversion {
    /// Returned first, and has the larger key.
    pub earlier: u32,
    /// Called later, and has the smaller key.
    pub later: u32,
}

/// The order by key, or two operations that contradict it. Operations without a key are left out.
pub(super) fn order<M: Model>(problem: &Problem<M>, keys: &[Option<u64>]) -> Result<Vec<u32>, Inversion> {
    let mut largest: Option<(u64, u32)> = None;
    for moment in moments(&problem.invoked, &problem.returned) {
        match moment {
            Moment::Call(later) => {
                if let (Some(key), Some((passed, earlier))) = (keys[later as usize], largest)
                    && key < passed
                {
                    return Err(Inversion { earlier, later });
                }
            }
            Moment::Return(place) => {
                if let Some(key) = keys[place as usize]
                    && largest.is_none_or(|(passed, _)| key > passed)
                {
                    largest = Some((key, place));
                }
            }
        }
    }
    // Equal keys in order of their calls, which is the order of places.
    let mut order: Vec<(u64, u32)> = Vec::with_capacity(keys.len());
    order.extend((0..).zip(keys).filter_map(|(place, key): (u32, _)| key.map(|key| (key, place))));
    order.sort_unstable();
    Ok(order.into_iter().map(|(_, place)| place).collect())
}
