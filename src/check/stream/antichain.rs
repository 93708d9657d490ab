//! Configurations of a search none of which another one makes superfluous.
//!
//! Calls that only observe are better done than open: they change nothing, so whatever the one can do next the other
//! can too. Calls in doubt are better unused than used, since nothing ever asks for them. For any other open call
//! neither is better. O(members with the same state) for an insertion.

use rustc_hash::FxHashMap;
use std::hash::Hash;

/// A state of the object, and which open calls have led to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Configuration<S> {
    /// What the object remembers.
    pub(super) state: S,
    /// The slots of the open calls that are linearized.
    pub(super) done: u128,
}

/// Which slots are of what kind.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Slots {
    /// Calls that only observe.
    pub(super) observing: u128,
    /// Calls in doubt.
    pub(super) doubtful: u128,
}

/// The set.
#[derive(Debug)]
pub(super) struct Antichain<S> {
    slots: Slots,
    members: Vec<Option<Configuration<S>>>,
    by_state: FxHashMap<S, Vec<u32>>,
}

impl<S: Clone + Eq + Hash> Antichain<S> {
    pub(super) fn new(slots: Slots) -> Self {
        Self { slots, members: Vec::new(), by_state: FxHashMap::default() }
    }

    /// How many were ever added.
    pub(super) fn added(&self) -> usize {
        self.members.len()
    }

    /// Adds one unless it is superfluous; members that it makes superfluous go. Whether it was added.
    pub(super) fn insert(&mut self, new: Configuration<S>) -> bool {
        let Self { slots, members, by_state } = self;
        let same_state = by_state.entry(new.state.clone()).or_default();
        let done = |at: u32| members[at as usize].as_ref().map_or(0, |member| member.done);
        if same_state.iter().any(|&at| slots.at_least_as_good(done(at), new.done)) {
            return false;
        }
        same_state.retain(|&at| {
            let keep = !slots.at_least_as_good(new.done, members[at as usize].as_ref().map_or(0, |member| member.done));
            if !keep {
                members[at as usize] = None;
            }
            keep
        });
        same_state.push(u32::try_from(members.len()).expect("the search is bounded"));
        members.push(Some(new));
        true
    }

    /// The members in the order of their insertion.
    pub(super) fn into_members(self) -> Vec<Configuration<S>> {
        self.members.into_iter().flatten().collect()
    }
}

impl Slots {
    fn at_least_as_good(self, one: u128, other: u128) -> bool {
        let differ = one ^ other;
        differ & !(self.observing | self.doubtful) == 0
            && other & !one & self.observing == 0
            && one & !other & self.doubtful == 0
    }
}
