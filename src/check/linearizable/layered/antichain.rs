//! A set of configurations none of which dominates another.

use super::configuration::{Configuration, DEAD};
use super::mask::SlotMask;
use super::open_calls::OpenCalls;
use super::supply::Supply;

const NIL: u32 = u32::MAX;

/// The set, chained by state.
#[derive(Debug)]
pub(super) struct Antichain<M> {
    members: Vec<Configuration<M>>,
    /// The next member with the same state.
    next: Vec<u32>,
    /// By state (the last one is [`DEAD`]): the first member.
    heads: Vec<u32>,
    touched: Vec<u32>,
    dropped: Vec<u32>,
}

impl<M: SlotMask> Antichain<M> {
    pub(super) fn new(values: usize) -> Self {
        let heads = vec![NIL; values + 1];
        Self { members: Vec::new(), next: Vec::new(), heads, touched: Vec::new(), dropped: Vec::new() }
    }

    pub(super) fn clear(&mut self) {
        self.members.clear();
        self.next.clear();
        self.dropped.clear();
        for state in self.touched.drain(..) {
            self.heads[state as usize] = NIL;
        }
    }

    /// How many members there may be, dropped ones included.
    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// Adds a configuration unless a member dominates it; members that it dominates go. Whether it was added.
    pub(super) fn insert(&mut self, new: Configuration<M>, open: &OpenCalls<'_, M>, supply: &Supply) -> bool {
        let dead = self.heads.len() - 1;
        let state = if new.state == DEAD { dead } else { new.state as usize };
        // Without negative observers a value that nobody sees is good for nothing that any other value is not.
        let across = !open.timeline.negative;
        if across && state == dead {
            for index in 0..self.touched.len() {
                let other = self.touched[index] as usize;
                if other != dead && self.some_dominates(other, &new, open, supply) {
                    return false;
                }
            }
        }
        if self.some_dominates(state, &new, open, supply) {
            return false;
        }
        self.drop_dominated(state, &new, open, supply);
        if across && state != dead && self.heads[dead] != NIL {
            self.drop_dominated(dead, &new, open, supply);
        }
        if self.heads[state] == NIL && !self.touched.contains(&u32::try_from(state).expect("states are 32 bits")) {
            self.touched.push(u32::try_from(state).expect("states are 32 bits"));
        }
        self.next.push(self.heads[state]);
        self.heads[state] = u32::try_from(self.members.len()).expect("a layer is 32 bits");
        self.members.push(new);
        true
    }

    /// Moves the members to the end of a list, in order of insertion.
    pub(super) fn drain_into(&mut self, layer: &mut Vec<Configuration<M>>) {
        self.dropped.sort_unstable();
        let mut dropped = self.dropped.iter().peekable();
        for (at, member) in (0..).zip(&self.members) {
            if dropped.next_if_eq(&&at).is_none() {
                layer.push(*member);
            }
        }
        self.clear();
    }

    fn some_dominates(&self, state: usize, new: &Configuration<M>, open: &OpenCalls<'_, M>, supply: &Supply) -> bool {
        let mut at = self.heads[state];
        while at != NIL {
            if self.members[at as usize].dominates(new, open, supply) {
                return true;
            }
            at = self.next[at as usize];
        }
        false
    }

    fn drop_dominated(&mut self, state: usize, new: &Configuration<M>, open: &OpenCalls<'_, M>, supply: &Supply) {
        let mut before = NIL;
        let mut at = self.heads[state];
        while at != NIL {
            let after = self.next[at as usize];
            if new.dominates(&self.members[at as usize], open, supply) {
                self.dropped.push(at);
                if before == NIL {
                    self.heads[state] = after;
                } else {
                    self.next[before as usize] = after;
                }
            } else {
                before = at;
            }
            at = after;
        }
    }
}
