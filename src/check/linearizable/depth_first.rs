//! A depth-first search for a legal order, for any model.
//!
//! Wing and Gong, "Testing and verifying concurrent objects" (JPDC 1993), with the memo of Lowe, "Testing for
//! linearizability" (CCPE 2017, §3): a configuration (set of linearized calls, state) is never entered twice. The
//! set is stored as a window: the number of leading calls that are all linearized, and bits for the few behind it,
//! so a configuration costs what is open, not what has passed.
//!
//! Sound and complete: every order is tried but for repeated configurations. Exponential in overlap at worst;
//! gives up only when the budget ends. Indeterminate calls are optional: the search ends when every call that
//! returned is placed.

use super::{Conflict, Decision, Wish};
use crate::check::budget::{Budget, Stop};
use crate::check::models::Model;
use crate::check::problem::{NEVER, Problem};
use rustc_hash::FxHashSet;
use std::mem::size_of;

/// The linearized calls: all places below `base`, and those behind it whose bit is set in `window`.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Placed {
    base: u32,
    window: Box<[u64]>,
}

struct Frame<S> {
    placed: Placed,
    state: S,
    /// The next place to try from here.
    candidate: u32,
    /// The call that led here, or `u32::MAX` at the root.
    came_by: u32,
}

/// What an entry of the memo has on the heap, about: its window and what its state holds.
const HEAP_BYTES: u64 = 64;

/// Decides one object.
pub(super) fn decide<M: Model>(problem: &Problem<M>, wish: Wish, budget: &Budget) -> Decision {
    Search::new(problem).run(wish, budget)
}

struct Search<'p, M: Model> {
    problem: &'p Problem<M>,
    /// The smallest return among the calls at this place and behind it, for finding candidates fast.
    suffix_min_return: Vec<u32>,
    required: usize,
    seen: FxHashSet<(Placed, M::State)>,
}

impl<'p, M: Model> Search<'p, M> {
    fn new(problem: &'p Problem<M>) -> Self {
        let mut suffix_min_return = problem.returned.clone();
        for at in (0..problem.len().saturating_sub(1)).rev() {
            suffix_min_return[at] = suffix_min_return[at].min(suffix_min_return[at + 1]);
        }
        let required = problem.returned.iter().filter(|&&returned| returned != NEVER).count();
        Self { problem, suffix_min_return, required, seen: FxHashSet::default() }
    }

    fn run(&mut self, wish: Wish, budget: &Budget) -> Decision {
        let root = Placed { base: 0, window: Box::default() };
        let mut stack =
            vec![Frame { placed: root, state: self.problem.model.initial(), candidate: 0, came_by: u32::MAX }];
        let mut reserved = 0;
        let mut required_placed = 0;
        let decision = loop {
            if required_placed == self.required {
                let order = stack.iter().map(|frame| frame.came_by).filter(|&by| by != u32::MAX).collect();
                break Decision::Holds(wish.order.then_some(order));
            }
            let Some(frame) = stack.last_mut() else {
                break Decision::Violated(Conflict { places: Vec::new(), event: None });
            };
            if let Some((at, state)) = next_move(self.problem, &self.suffix_min_return, frame) {
                let placed = frame.placed.with(at);
                if let Err(stop) = self.make_room(&mut reserved, budget) {
                    break Decision::GaveUp { stop, explained: 0 };
                }
                if self.enter(&placed, &state) {
                    required_placed += usize::from(self.problem.returned[at as usize] != NEVER);
                    stack.push(Frame { candidate: placed.base, placed, state, came_by: at });
                }
            } else {
                let dead = stack.pop().expect("the loop looked at it");
                if dead.came_by != u32::MAX {
                    required_placed -= usize::from(self.problem.returned[dead.came_by as usize] != NEVER);
                }
            }
        };
        budget.release(reserved);
        decision
    }

    fn enter(&mut self, placed: &Placed, state: &M::State) -> bool {
        self.seen.insert((placed.clone(), state.clone()))
    }

    /// Grows the memo before it must, so that the moment in which both the old and the new table exist is accounted
    /// for; looks at the clock now and then.
    fn make_room(&mut self, reserved: &mut u64, budget: &Budget) -> Result<(), Stop> {
        if self.seen.len() == self.seen.capacity() {
            let capacity = (self.seen.capacity() * 2).max(1 << 10);
            let bytes = capacity as u64 * (size_of::<(Placed, M::State)>() as u64 + HEAP_BYTES);
            budget.reserve(bytes)?;
            self.seen.reserve(capacity - self.seen.len());
            budget.release(*reserved);
            *reserved = bytes;
        }
        let stop = if self.seen.len().is_multiple_of(256) { budget.spend(256) } else { None };
        stop.map_or(Ok(()), Err)
    }
}

/// The next call that can come next: not placed, invoked before any unplaced call returned, legal here.
fn next_move<M: Model>(
    problem: &Problem<M>,
    suffix_min: &[u32],
    frame: &mut Frame<M::State>,
) -> Option<(u32, M::State)> {
    let horizon = frame.placed.first_return(&problem.returned, suffix_min);
    while (frame.candidate as usize) < problem.len() {
        let at = frame.candidate;
        if problem.invoked[at as usize] > horizon {
            return None;
        }
        frame.candidate += 1;
        if frame.placed.contains(at) {
            continue;
        }
        if let Some(state) = problem.model.step(&frame.state, &problem.calls[at as usize]) {
            return Some((at, state));
        }
    }
    None
}

impl Placed {
    fn contains(&self, at: u32) -> bool {
        if at < self.base {
            return true;
        }
        let bit = (at - self.base) as usize;
        self.window.get(bit / 64).is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }

    /// The smallest return among unplaced calls: whatever is placed next must have been invoked before it.
    fn first_return(&self, returned: &[u32], suffix_min: &[u32]) -> u32 {
        let behind = self.base as usize + self.window.len() * 64;
        let mut first = suffix_min.get(behind).copied().unwrap_or(NEVER);
        for at in self.base..u32::try_from(behind.min(returned.len())).expect("places are 32 bits") {
            if !self.contains(at) {
                first = first.min(returned[at as usize]);
            }
        }
        first
    }

    fn with(&self, at: u32) -> Self {
        let bit = (at - self.base) as usize;
        let mut window = self.window.to_vec();
        if window.len() <= bit / 64 {
            window.resize(bit / 64 + 1, 0);
        }
        window[bit / 64] |= 1 << (bit % 64);
        let mut base = self.base;
        // Canonical form: the window begins with an unplaced call and ends with a non-zero word.
        let full = window.iter().take_while(|&&word| word == u64::MAX).count();
        window.drain(..full);
        base += u32::try_from(full * 64).expect("places are 32 bits");
        let ones = window.first().map_or(0, |word| word.trailing_ones());
        if ones > 0 {
            let words = window.len();
            for place in 0..words {
                let above = window.get(place + 1).copied().unwrap_or(0);
                window[place] = window[place] >> ones | above << (64 - ones);
            }
            base += ones;
        }
        while window.last() == Some(&0) {
            window.pop();
        }
        Self { base, window: window.into_boxed_slice() }
    }
}
