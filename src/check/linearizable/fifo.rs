//! First-in-first-out queues whose values come once each.
//!
//! Henzinger, Sezgin and Vafeiadis, "Aspect-oriented linearizability proofs" (CONCUR 2013, §3), reduce the question
//! to patterns of two values: real time must not order two insertions one way and the removals the other way
//! (`VOrd`), a value must not stay while a later one is taken, and nothing may be found where a value certainly is.
//! Two are enough because the order that values must have is the union of two interval orders (of insertions and of
//! removals), and a cycle of such a union contains a cycle of length two: of a <₁ b <₂ c one may shorten to the
//! stronger. With suffix minima that is O(n log n), as in Lee and Mathur, "Efficient decrease-and-conquer
//! linearizability monitoring" (OOPSLA 2025).
//!
//! Removals of something unknown may have taken values that stay: the values that must go, each before a time, are
//! matched with the removals, earliest first; one that has not returned but tells its value (in a prefix of a history) goes to
//! that value. Exact without them or without operations that found nothing. With
//! both, which value a removal took decides what was empty: then an order is found only if the earliest matching
//! leads to one, and a contradiction only among values that certainly were taken; otherwise this does not apply.
//! It does not apply either if a value is put in twice.
//!
//! The order: values as real time demands, earliest removal first among those that may come next; each removal as
//! early as that allows, each insertion as late. Then at every time at which no critical interval lies the queue is
//! empty, since values that may have gone come before values that may not have come.

use super::extents::{Extent, Extents};
use super::{Decision, Wish};
use crate::check::budget::Budget;
use crate::check::models::FifoQueue;
use crate::check::problem::{NEVER, Problem};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Decides a queue.
pub(super) fn decide(problem: &Problem<FifoQueue>, wish: Wish, _: &Budget) -> Decision {
    let mut extents = match Extents::read(problem) {
        Ok(extents) => extents,
        Err(decision) => return decision,
    };
    if let Err(overtaken) = take_what_must_go(&mut extents, problem) {
        return Decision::Violated(extents.evidence(&overtaken, &[]));
    }
    let empty = match extents.empty_times(problem) {
        Ok(times) => times,
        Err(covered) => {
            let certain = covered.by.iter().all(|value| value.take_to != NEVER);
            if !extents.open() || certain {
                return Decision::Violated(extents.evidence(&covered.by, &[covered.place]));
            }
            return Decision::NotApplicable("what an unfinished removal took decides whether the queue was empty");
        }
    };
    Decision::Holds(wish.order.then(|| order(&extents.values, &empty)))
}

/// Finds values that are overtaken: a later one was certainly taken first. Those that nobody took may have gone into
/// a removal of something unknown.
fn take_what_must_go(extents: &mut Extents, problem: &Problem<FifoQueue>) -> Result<(), Vec<Extent>> {
    let overtakers = Overtakers::new(&extents.values);
    let mut must_go: Vec<(u32, usize)> = Vec::new();
    for (at, value) in extents.values.iter().enumerate() {
        let Some(overtaker) = overtakers.first(value.insert_to) else { continue };
        if value.take.is_none() {
            must_go.push((overtaker.take_to, at));
        } else if overtaker.take_to < value.take_from {
            return Err(vec![*value, overtaker]);
        }
    }
    must_go.sort_unstable();
    let unknown = extents.unknown.clone();
    let mut removals = unknown.into_iter();
    for (before, at) in must_go {
        let in_time = |&removal: &u32| problem.invoked[removal as usize] < before;
        let value = &mut extents.values[at];
        let removal = value.maybe.filter(in_time).or_else(|| removals.next().filter(in_time));
        let Some(removal) = removal else {
            return Err(std::iter::once(*value).chain(overtakers.first(value.insert_to)).collect());
        };
        value.take = Some(removal);
        value.take_from = problem.invoked[removal as usize].max(value.insert_from);
    }
    Ok(())
}

/// Answers which value that came certainly later was taken first of all such.
struct Overtakers {
    /// By the start of the insertion, with the value behind it that was gone first.
    by_insertion: Vec<(u32, Extent)>,
}

impl Overtakers {
    fn new(values: &[Extent]) -> Self {
        let mut by_insertion: Vec<(u32, Extent)> = values.iter().map(|value| (value.insert_from, *value)).collect();
        by_insertion.sort_unstable_by_key(|&(start, _)| start);
        for at in (1..by_insertion.len()).rev() {
            if by_insertion[at].1.take_to < by_insertion[at - 1].1.take_to {
                by_insertion[at - 1].1 = by_insertion[at].1;
            }
        }
        Self { by_insertion }
    }

    fn first(&self, inserted: u32) -> Option<Extent> {
        let later = self.by_insertion.partition_point(|&(start, _)| start < inserted);
        self.by_insertion.get(later).map(|&(_, first)| first).filter(|first| first.take_to != NEVER)
    }
}

/// The values in the order in which they pass through the queue; those that stay come last.
fn sequence(values: &[Extent]) -> Vec<Extent> {
    let mut staying: Vec<Extent> = values.iter().copied().filter(|value| value.take.is_none()).collect();
    staying.sort_unstable_by_key(|value| value.insert_from);
    let mut passing: Vec<Extent> = values.iter().copied().filter(|value| value.take.is_some()).collect();
    passing.sort_unstable_by_key(|value| value.insert_from);
    let ranked = |end: fn(&Extent) -> u32| {
        let mut ranked: Vec<(u32, usize)> = passing.iter().enumerate().map(|(at, value)| (end(value), at)).collect();
        ranked.sort_unstable();
        ranked
    };
    let by_take = ranked(|value| value.take_from);
    let (mut inserted, mut taken) = (ranked(|value| value.insert_to), ranked(|value| value.take_to));
    inserted.reverse();
    taken.reverse();
    let mut gone = vec![false; passing.len()];
    // How many of its two hurdles a value has passed: nothing left was certainly inserted, or taken, before it.
    let mut passed = vec![0u8; passing.len()];
    let (mut next_insert, mut next_take) = (0, 0);
    let mut ready = BinaryHeap::new();
    let mut sequence = Vec::with_capacity(values.len());
    while sequence.len() < passing.len() {
        let first_inserted = first_left(&mut inserted, &gone);
        let first_taken = first_left(&mut taken, &gone);
        while next_insert < passing.len() && passing[next_insert].insert_from <= first_inserted {
            advance(next_insert, &mut passed, &mut ready, &passing);
            next_insert += 1;
        }
        while next_take < passing.len() && by_take[next_take].0 <= first_taken {
            advance(by_take[next_take].1, &mut passed, &mut ready, &passing);
            next_take += 1;
        }
        let Reverse((_, at)) = ready.pop().expect("two interval orders without a contradicting pair have no cycle");
        gone[at] = true;
        sequence.push(passing[at]);
    }
    sequence.extend(staying);
    sequence
}

fn first_left(ends: &mut Vec<(u32, usize)>, gone: &[bool]) -> u32 {
    while ends.last().is_some_and(|&(_, at)| gone[at]) {
        ends.pop();
    }
    ends.last().map_or(NEVER, |&(end, _)| end)
}

fn advance(at: usize, passed: &mut [u8], ready: &mut BinaryHeap<Reverse<(u32, usize)>>, values: &[Extent]) {
    passed[at] += 1;
    if passed[at] == 2 {
        ready.push(Reverse((values[at].take_from, at)));
    }
}

/// The operations at their times; at equal times value after value, and nothing found between two values.
fn order(values: &[Extent], empty: &[(u32, u32)]) -> Vec<u32> {
    let sequence = sequence(values);
    let mut latest_insert: Vec<u32> = sequence.iter().map(|value| value.insert_to).collect();
    for at in (1..latest_insert.len()).rev() {
        latest_insert[at - 1] = latest_insert[at - 1].min(latest_insert[at]);
    }
    let mut timed: Vec<(u32, usize, u8, u32)> = Vec::with_capacity(2 * values.len() + empty.len());
    let mut removed: Vec<u32> = Vec::with_capacity(sequence.len());
    let mut removal = 0;
    for (at, value) in sequence.iter().enumerate() {
        removal = removal.max(value.take_from);
        removed.push(removal);
        timed.push((latest_insert[at].min(removal), at, 1, value.insert));
        timed.extend(value.take.map(|take| (removal, at, 2, take)));
    }
    for &(place, time) in empty {
        let gone = removed.partition_point(|&removal| removal <= time);
        timed.push((time, gone, 0, place));
    }
    timed.sort_unstable();
    timed.into_iter().map(|(.., place)| place).collect()
}
