//! Queues that hand out values in any order.
//!
//! Without operations that found nothing, values are objects of their own (Horn and Kroening, "Faster
//! linearizability checking via P-compositionality", FORTE 2015): a history has an order exactly if at every return
//! of a removal as many insertions of that value have been called as removals of it have returned. Values may
//! repeat.
//!
//! With operations that found nothing and values that come once, those must fall where no value certainly was
//! inside; then each insertion late and each removal early is an order. Exact. A removal of something unknown may
//! have made such a place, so with one this finds an order only if there is one without it, and a contradiction
//! only among values that certainly were taken; otherwise it does not apply, and neither if a value repeats.
//!
//! O(n log n).

use super::extents::Extents;
use super::timeline::{Moment, called_before_the_end, moments};
use super::{Conflict, Decision, Wish};
use crate::check::budget::Budget;
use crate::check::models::{ContainerCall, UnorderedQueue};
use crate::check::problem::{NEVER, Problem};
use crate::history::ValueId;
use rustc_hash::FxHashMap;

/// Decides a queue.
pub(super) fn decide(problem: &Problem<UnorderedQueue>, wish: Wish, _: &Budget) -> Decision {
    let counted = count(problem);
    let finds_nothing = problem.calls.contains(&ContainerCall::TakeNothing);
    match counted {
        // Something may have been found missing even earlier.
        Err(conflict) => Decision::Violated(Conflict { event: conflict.event.filter(|_| !finds_nothing), ..conflict }),
        Ok(order) if !finds_nothing => Decision::Holds(wish.order.then_some(order)),
        Ok(_) => with_nothing(problem, wish),
    }
}

/// Insertions when they are called, removals when they return; or a value that is taken too often. Of all values,
/// the first return that is too much is found first, so it is the first at which no order remains.
fn count(problem: &Problem<UnorderedQueue>) -> Result<Vec<u32>, Conflict> {
    let mut inside: FxHashMap<ValueId, u32> = FxHashMap::default();
    let mut order = Vec::with_capacity(problem.len());
    for moment in moments(&problem.invoked, &problem.returned) {
        match moment {
            Moment::Call(place) => {
                if let ContainerCall::Insert(value) = problem.calls[place as usize] {
                    *inside.entry(value).or_default() += 1;
                    order.push(place);
                }
            }
            Moment::Return(place) => {
                if let ContainerCall::Take(value) = problem.calls[place as usize] {
                    let Some(left) = inside.get(&value).and_then(|inside| inside.checked_sub(1)) else {
                        return Err(Conflict {
                            places: whole(problem, value, place),
                            event: Some(problem.returned[place as usize]),
                        });
                    };
                    inside.insert(value, left);
                    order.push(place);
                }
            }
        }
    }
    Ok(order)
}

/// All operations of a value that were called before the one at `last` returned, and the removals of something
/// unknown that its insertions need.
fn whole(problem: &Problem<UnorderedQueue>, value: ValueId, last: u32) -> Vec<u32> {
    let calls = &problem.calls[..called_before_the_end(problem, &[last])];
    let inserted = calls.contains(&ContainerCall::Insert(value));
    let member = |call: &ContainerCall| match *call {
        ContainerCall::Insert(other) | ContainerCall::Take(other) => other == value,
        ContainerCall::TakeUnknown => inserted,
        ContainerCall::TakeNothing => false,
    };
    (0..).zip(calls).filter(|(_, call)| member(call)).map(|(place, _)| place).collect()
}

fn with_nothing(problem: &Problem<UnorderedQueue>, wish: Wish) -> Decision {
    let extents = match Extents::read(problem) {
        Ok(extents) => extents,
        Err(decision) => return decision,
    };
    let empty = match extents.empty_times(problem) {
        Ok(empty) => empty,
        Err(covered) if !extents.open() || covered.by.iter().all(|value| value.take_to != NEVER) => {
            return Decision::Violated(extents.evidence(&covered.by, &[covered.place]));
        }
        Err(_) => {
            return Decision::NotApplicable("what an unfinished removal took decides whether the queue was empty");
        }
    };
    Decision::Holds(wish.order.then(|| {
        let mut timed: Vec<(u32, u8, u32)> = empty.into_iter().map(|(place, time)| (time, 2, place)).collect();
        for value in &extents.values {
            timed.push((value.insert_to.min(value.take_from), 0, value.insert));
            timed.extend(value.take.map(|take| (value.take_from, 1, take)));
        }
        timed.sort_unstable();
        timed.into_iter().map(|(.., place)| place).collect()
    }))
}
