//! Groups of calls that must not be interleaved, and whether real time lets them be ordered.
//!
//! Gibbons and Korach, "Testing shared memories" (SIAM Journal on Computing 26(4), 1997), §4, in the wording of
//! zones: a group occupies one stretch of time without calls of other groups in between. Let `first_return` be the
//! smallest return in it and `last_call` the largest invocation. Group A comes before B for certain exactly when
//! `A.first_return < B.last_call`. An order exists iff no two groups each come before the other: in a longer
//! chordless cycle A → B → C, `A.first_return < B.last_call ≤ C.first_return` (else C → B), and going round gives
//! `A.first_return < A.first_return`.
//!
//! O(m log m) for m groups.

/// The extreme moments of a group, each with the call that causes it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Zone {
    /// The smallest return, −1 for a group that precedes everything.
    pub(super) first_return: i64,
    /// The largest invocation.
    pub(super) last_call: i64,
    /// Whose return; [`NOBODY`] if no call's.
    pub(super) first_returned: u32,
    /// Whose invocation; [`NOBODY`] if no call's.
    pub(super) last_called: u32,
}

/// Stands for the history's beginning.
pub(super) const NOBODY: u32 = u32::MAX;

impl Zone {
    /// The zone of a group without calls, at no particular time.
    pub(super) const EMPTY: Self =
        Self { first_return: i64::MAX, last_call: -1, first_returned: NOBODY, last_called: NOBODY };

    /// The zone of what is there before any call.
    pub(super) const BEGINNING: Self = Self { first_return: -1, ..Self::EMPTY };

    /// With this call in the group.
    pub(super) fn add(&mut self, at: u32, invoked: u32, returned: u32) {
        if i64::from(returned) < self.first_return {
            (self.first_return, self.first_returned) = (i64::from(returned), at);
        }
        if i64::from(invoked) > self.last_call {
            (self.last_call, self.last_called) = (i64::from(invoked), at);
        }
    }

    /// With the calls of another group in the group.
    pub(super) fn join(&mut self, other: &Self) {
        if other.first_return < self.first_return {
            (self.first_return, self.first_returned) = (other.first_return, other.first_returned);
        }
        if other.last_call > self.last_call {
            (self.last_call, self.last_called) = (other.last_call, other.last_called);
        }
    }

    /// Whether the group occupies a stretch of time for certain.
    fn is_forward(&self) -> bool {
        self.first_return < self.last_call
    }

    /// The calls at its extremes.
    pub(super) fn extremes(&self) -> impl Iterator<Item = u32> {
        [self.first_returned, self.last_called].into_iter().filter(|&at| at != NOBODY)
    }
}

/// The zones that occupy time for certain, in order of time, or two that occupy the same time.
fn forward_zones(zones: &[Zone]) -> Result<Vec<u32>, (usize, usize)> {
    let mut forward: Vec<(i64, u32)> =
        (0..).zip(zones).filter(|(_, zone)| zone.is_forward()).map(|(at, zone)| (zone.first_return, at)).collect();
    forward.sort_unstable();
    for pair in forward.windows(2) {
        let (before, after) = (pair[0].1 as usize, pair[1].1 as usize);
        if zones[after].first_return < zones[before].last_call {
            return Err((before, after));
        }
    }
    Ok(forward.into_iter().map(|(_, at)| at).collect())
}

/// The groups in an order that respects real time, or two groups of which each must precede the other.
pub(super) fn arrange(zones: &[Zone]) -> Result<Vec<u32>, (usize, usize)> {
    let forward = forward_zones(zones)?;
    let mut keyed: Vec<(i64, u32)> = Vec::with_capacity(zones.len());
    for (at, zone) in (0..).zip(zones) {
        if zone.is_forward() {
            keyed.push((zone.first_return, at));
            continue;
        }
        let begun = forward.partition_point(|&other| zones[other as usize].first_return < zone.last_call);
        let around = begun.checked_sub(1).map(|index| forward[index] as usize);
        let around = around.filter(|&other| zones[other].last_call > zone.last_call);
        match around {
            Some(other) if zones[other].last_call > zone.first_return => return Err((other, at as usize)),
            // It reaches beyond the zone that occupies its beginning, and comes right after that one.
            Some(other) => keyed.push((zones[other].last_call, at)),
            None => keyed.push((zone.last_call, at)),
        }
    }
    keyed.sort_unstable();
    Ok(keyed.into_iter().map(|(_, at)| at).collect())
}
