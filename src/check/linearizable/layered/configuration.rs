//! A configuration of the search: what has been decided at one event, and what is still free to choose.
//!
//! It stands for a legal order of everything that has returned, of the open calls in `done`, and of some
//! indeterminate calls. Besides the state it remembers one place in that order: right before the last blind write.
//! What is inserted there is overwritten at once, so any excursion through open calls fits in: a blind write, what
//! reads it, a compare-and-set from it, and so on. `pool` says which calls can be part of one.

use super::mask::SlotMask;
use super::open_calls::OpenCalls;
use super::supply::Supply;

/// The state of a register whose value nobody can see any more.
pub(super) const DEAD: u32 = u32::MAX;

/// No configuration before this one.
pub(super) const ROOT: u32 = u32::MAX;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Configuration<M> {
    /// The register's value, or [`DEAD`].
    pub(super) state: u32,
    /// The use of indeterminate calls: a row of [`Supply`].
    pub(super) used: u32,
    /// How many indeterminate calls had been invoked when the last blind write was linearized.
    pub(super) point: u32,
    /// Which configuration of the layer before it came from.
    pub(super) parent: u32,
    /// Linearized.
    pub(super) done: M,
    /// Not linearized, and open when the last blind write was: can be inserted before that one.
    pub(super) pool: M,
    /// Not linearized, but there is a place kept for it that suits no other call: a write while the register held
    /// its value; a compare-and-set before an overwriting, or at the end of an excursion.
    pub(super) free: M,
}

impl<M: SlotMask> Configuration<M> {
    /// The initial one.
    pub(super) fn initial(state: u32) -> Self {
        let none = M::default();
        Self { state, used: super::supply::UNUSED, point: 0, parent: ROOT, done: none, pool: none, free: none }
    }

    /// Linearizes the call in a slot.
    pub(super) fn consume(&mut self, slot: usize) {
        let bit = M::bit(slot);
        self.done = self.done.or(bit);
        self.pool = self.pool.minus(bit);
        self.free = self.free.minus(bit);
    }

    /// Forgets a slot.
    pub(super) fn forget(&mut self, slot: usize) {
        let bit = M::bit(slot);
        self.done = self.done.minus(bit);
        self.pool = self.pool.minus(bit);
        self.free = self.free.minus(bit);
    }

    /// Whether everything that can follow `other` can follow this one: the states agree (the caller sees to it),
    /// and call by call this one is at least as well off.
    ///
    /// Observers: done ≥ in the pool ≥ open. Writes: in the pool ≥ free ≥ open, and what can be placed at no cost
    /// ≥ done. Compare-and-sets: free ≥ done, free ≥ open, and the pool only helps.
    #[inline]
    pub(super) fn dominates(&self, other: &Self, open: &OpenCalls<'_, M>, supply: &Supply) -> bool {
        let more_done = self.done.minus(other.done).minus(open.observers);
        let less_done = other.done.minus(self.done);
        let at_no_cost = open.writes.and(self.pool).or(self.free);
        let less_pool = other.pool.minus(self.pool).minus(self.done.and(open.observers));
        let less_free = other.free.minus(self.free).minus(self.pool.and(open.writes));
        self.point >= other.point
            && more_done.or(less_done.minus(at_no_cost)).or(less_pool).or(less_free).is_empty()
            && supply.leaves_more(self.used, other.used)
    }
}
