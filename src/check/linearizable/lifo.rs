//! Stacks whose values come once each.
//!
//! After Abdulla, Grahn, Jonsson, Krishna and Mishra, "Efficient linearizability monitoring" (PLDI 2025), and Lee
//! and Mathur, "Efficient decrease-and-conquer linearizability monitoring" (OOPSLA 2025): take away one value at a
//! time, such that the history had an order exactly if the rest has one.
//!
//! Critical intervals (see [`extents`](super::extents)) that overlap form components, with gaps between them.
//! 1. At a gap the stack may be empty: of any order, take first the operations on values that can be gone by then,
//!    and then those on values that need not have come; each part is legal, and real time does not object. So
//!    components are judged apart, and operations that found nothing fit exactly where there are gaps. Values without
//!    a critical interval are put in and taken out at one moment anywhere.
//! 2. Within a component the stack is never empty, so one value lies at the bottom throughout. It can be any value
//!    whose insertion can come before the component's first certain moment and whose removal after the last: around
//!    an order of the others it fits, and without it the others have one if the whole has. If there is no such value,
//!    there is no order.
//! 3. Take the bottom value away, which may split its component, and go on.
//!
//! Exact. A contradiction needs no more than a chain of values whose critical intervals cover the component, since
//! that chain alone has the same first and last moment. Removals of something unknown may have taken any value that
//! stays: with them this decides only histories that have an order without them, and contradictions among values
//! that certainly were taken. Does not apply if a value is put in twice.
//!
//! O(n log n) with a segment tree over time, and one over values that is searched for a bottom; the search visits at
//! most the insertions that overlap one moment.

use super::coverage::Coverage;
use super::extents::{Extent, Extents, chain};
use super::{Decision, Wish};
use crate::check::budget::Budget;
use crate::check::models::Stack;
use crate::check::problem::{NEVER, Problem};
use std::cmp::Reverse;

/// Decides a stack.
pub(super) fn decide(problem: &Problem<Stack>, wish: Wish, _: &Budget) -> Decision {
    let extents = match Extents::read(problem) {
        Ok(extents) => extents,
        Err(decision) => return decision,
    };
    let violated = |values: &[Extent], others: &[u32]| {
        if !extents.open() || values.iter().all(|value| value.take_to != NEVER) {
            Decision::Violated(extents.evidence(values, others))
        } else {
            Decision::NotApplicable("an unfinished removal may have taken a value that stays")
        }
    };
    let empty = match extents.empty_times(problem) {
        Ok(empty) => empty,
        Err(covered) => return violated(&covered.by, &[covered.place]),
    };
    match Peeling::new(&extents.values).run() {
        Ok(nests) => Decision::Holds(wish.order.then(|| order(&extents.values, &nests, &empty))),
        Err(chain) => violated(&chain, &[]),
    }
}

/// A value at the bottom of a component.
struct Nest {
    value: Extent,
    /// When it is put in: the component's first certain moment.
    from: u32,
    /// When it is taken out: the component's last.
    to: u32,
}

/// The critical values that are left.
struct Peeling {
    /// By the start of the critical interval.
    values: Vec<Extent>,
    left: Vec<bool>,
    /// The ends of all critical intervals that end, ascending; the piece of time behind an end has its index.
    ends: Vec<u32>,
    coverage: Coverage,
    bottoms: Bottoms,
}

impl Peeling {
    fn new(values: &[Extent]) -> Self {
        let mut values: Vec<Extent> = values.iter().copied().filter(|value| value.critical().is_some()).collect();
        values.sort_unstable_by_key(|value| value.insert_to);
        let mut changes: Vec<(u32, i32)> = Vec::with_capacity(2 * values.len());
        for value in &values {
            changes.push((value.insert_to, 1));
            changes.push((value.take_from, -1));
        }
        // What stays covers the last piece too.
        changes.retain(|&(end, _)| end != NEVER);
        changes.sort_unstable();
        let (mut counts, mut count) = (Vec::with_capacity(changes.len()), 0);
        for &(_, change) in &changes {
            count += change;
            counts.push(count);
        }
        let ends = changes.into_iter().map(|(end, _)| end).collect();
        let bottoms = Bottoms::new(&values);
        Self { left: vec![true; values.len()], values, ends, coverage: Coverage::new(&counts), bottoms }
    }

    /// The bottoms in the order in which they are found, each before those above it; or a chain of values for which
    /// there is none.
    fn run(mut self) -> Result<Vec<Nest>, Vec<Extent>> {
        let mut nests = Vec::with_capacity(self.values.len());
        let mut from = 0;
        // A component that loses its bottom is looked at again from its start, so all is done once the end is reached.
        while let Some(start) = self.coverage.first_covered(from) {
            let end =
                self.coverage.first_bare(start).map_or(NEVER, |piece| self.ends.get(piece).copied().unwrap_or(NEVER));
            let begin = self.ends[start];
            let first = self.values.partition_point(|value| value.insert_to < begin);
            let last = self.values.partition_point(|value| value.insert_to < end);
            let Some(at) = self.bottoms.find(first, last, begin, end) else {
                let inside = (first..last).filter(|&at| self.left[at]).map(|at| self.values[at]);
                return Err(chain(&inside.collect::<Vec<_>>(), begin, end));
            };
            let value = self.values[at];
            nests.push(Nest { value, from: begin, to: end });
            self.left[at] = false;
            self.bottoms.remove(at);
            let piece = |end: u32| self.ends.partition_point(|&other| other < end);
            let (gone_from, gone_to) = (piece(value.insert_to), piece(value.take_from));
            self.coverage.remove(gone_from, gone_to);
            from = start;
        }
        Ok(nests)
    }
}

/// Which of a range of values can have been put in early and taken out late: a segment tree that knows the earliest
/// insertion and the latest removal of each range.
struct Bottoms {
    leaves: usize,
    insert_from: Vec<u32>,
    take_to: Vec<u32>,
}

impl Bottoms {
    fn new(values: &[Extent]) -> Self {
        let leaves = values.len().next_power_of_two();
        let mut bottoms = Self { leaves, insert_from: vec![NEVER; 2 * leaves], take_to: vec![0; 2 * leaves] };
        for (at, value) in values.iter().enumerate() {
            bottoms.insert_from[leaves + at] = value.insert_from;
            bottoms.take_to[leaves + at] = value.take_to;
        }
        (1..leaves).rev().for_each(|node| bottoms.pull(node));
        bottoms
    }

    fn pull(&mut self, node: usize) {
        self.insert_from[node] = self.insert_from[2 * node].min(self.insert_from[2 * node + 1]);
        self.take_to[node] = self.take_to[2 * node].max(self.take_to[2 * node + 1]);
    }

    fn remove(&mut self, at: usize) {
        let mut node = self.leaves + at;
        (self.insert_from[node], self.take_to[node]) = (NEVER, 0);
        while node > 1 {
            node /= 2;
            self.pull(node);
        }
    }

    /// The first of the values `first..last` that can be put in by `begin` and taken out at `end` or later.
    fn find(&self, first: usize, last: usize, begin: u32, end: u32) -> Option<usize> {
        let mut open = vec![(1, 0, self.leaves)];
        while let Some((node, start, len)) = open.pop() {
            let outside = last <= start || start + len <= first;
            if outside || self.insert_from[node] > begin || self.take_to[node] < end {
                continue;
            }
            if len == 1 {
                return Some(start);
            }
            open.push((2 * node + 1, start + len / 2, len / 2));
            open.push((2 * node, start, len / 2));
        }
        None
    }
}

/// The operations at their times: around each component its bottom, inner values within outer ones.
fn order(values: &[Extent], nests: &[Nest], empty: &[(u32, u32)]) -> Vec<u32> {
    let mut timed: Vec<(u32, u8, Reverse<usize>, u32)> = Vec::with_capacity(2 * values.len() + empty.len());
    for (depth, nest) in nests.iter().enumerate() {
        // Outer values are found first; at equal times they go in first and come out last.
        timed.push((nest.from, 0, Reverse(nests.len() - depth), nest.value.insert));
        timed.extend(nest.value.take.map(|take| (nest.to, 1, Reverse(depth), take)));
    }
    for value in values.iter().filter(|value| value.critical().is_none()) {
        timed.push((value.take_from, 0, Reverse(0), value.insert));
        timed.extend(value.take.map(|take| (value.take_from, 1, Reverse(0), take)));
    }
    timed.extend(empty.iter().map(|&(place, time)| (time, 2, Reverse(0), place)));
    timed.sort_unstable();
    timed.into_iter().map(|(.., place)| place).collect()
}
