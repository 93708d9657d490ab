//! Locks without owner and semaphores, one permit at a time.
//!
//! Lowe, "Testing for linearizability" (CCPE 2017, §4): it is enough to place an operation when it returns, together
//! with what must come right before it. Here at most one operation must: an acquisition that finds no permit needs a
//! release before it, a release that finds none taken needs an acquisition. Of those that have been called and not
//! placed, the one that returns first is chosen; operations that never return come last.
//!
//! Exact. To place no more than needed loses nothing: from a configuration that has placed fewer operations, those
//! that another has placed on top can still be placed, in some order, since with at least one permit either an
//! acquisition or a release is always possible. To choose the earliest return loses nothing: wherever another order
//! uses the chosen one later, the one that it used instead is still open then (the exchange argument of earliest
//! deadline first). So the first return at which this fails is the first at which no order remains.
//!
//! O(n log n). Does not apply to a semaphore of which several permits are taken at once: that packs numbers.

use super::timeline::{Moment, moments};
use super::{Conflict, Decision, Wish};
use crate::check::budget::Budget;
use crate::check::models::{Model, Mutex, MutexCall, Semaphore};
use crate::check::problem::Problem;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Decides a lock.
pub(super) fn decide_mutex(problem: &Problem<Mutex>, wish: Wish, _: &Budget) -> Decision {
    settle(problem, 1, |call| *call, wish)
}

/// Decides a semaphore.
pub(super) fn decide_semaphore(problem: &Problem<Semaphore>, wish: Wish, _: &Budget) -> Decision {
    if problem.calls.iter().any(|call| call.permits != 1) {
        return Decision::NotApplicable("several permits are taken or given back at once");
    }
    settle(problem, problem.model.permits(), |call| call.kind, wish)
}

fn settle<M: Model>(problem: &Problem<M>, permits: u32, kind: fn(&M::Call) -> MutexCall, wish: Wish) -> Decision {
    let mut sweep = Sweep {
        returned: &problem.returned,
        permits,
        taken: 0,
        placed: vec![false; problem.len()],
        open: [BinaryHeap::new(), BinaryHeap::new()],
        order: Vec::with_capacity(problem.len()),
    };
    for moment in moments(&problem.invoked, &problem.returned) {
        match moment {
            Moment::Call(place) => sweep.call(place, kind(&problem.calls[place as usize])),
            Moment::Return(place) => {
                if !sweep.settle(place, kind(&problem.calls[place as usize])) {
                    let event = Some(problem.returned[place as usize]);
                    return Decision::Violated(Conflict { places: Vec::new(), event });
                }
            }
        }
    }
    Decision::Holds(wish.order.then_some(sweep.order))
}

struct Sweep<'p> {
    returned: &'p [u32],
    permits: u32,
    taken: u32,
    placed: Vec<bool>,
    /// Acquisitions and releases that have been called, by return; placed ones are skipped when they come up.
    open: [BinaryHeap<Reverse<(u32, u32)>>; 2],
    order: Vec<u32>,
}

impl Sweep<'_> {
    fn call(&mut self, place: u32, kind: MutexCall) {
        self.open[kind as usize].push(Reverse((self.returned[place as usize], place)));
    }

    /// Places an operation that returns; whether that was possible.
    fn settle(&mut self, place: u32, kind: MutexCall) -> bool {
        if self.placed[place as usize] {
            return true;
        }
        if !self.possible(kind) {
            let other = match kind {
                MutexCall::Acquire => MutexCall::Release,
                MutexCall::Release => MutexCall::Acquire,
            };
            let Some(helper) = self.first_open(other).filter(|_| self.possible(other)) else { return false };
            self.place(helper, other);
        }
        self.place(place, kind);
        true
    }

    fn possible(&self, kind: MutexCall) -> bool {
        match kind {
            MutexCall::Acquire => self.taken < self.permits,
            MutexCall::Release => self.taken > 0,
        }
    }

    fn first_open(&mut self, kind: MutexCall) -> Option<u32> {
        let open = &mut self.open[kind as usize];
        while let Some(&Reverse((_, place))) = open.peek() {
            if !self.placed[place as usize] {
                return Some(place);
            }
            open.pop();
        }
        None
    }

    fn place(&mut self, place: u32, kind: MutexCall) {
        self.placed[place as usize] = true;
        self.order.push(place);
        match kind {
            MutexCall::Acquire => self.taken += 1,
            MutexCall::Release => self.taken -= 1,
        }
    }
}
