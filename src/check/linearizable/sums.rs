//! Counters whose additions all return their sum: fetch-and-add, tickets, sequence numbers.
//!
//! If all additions go up (or all down), sums grow with each of them, so the order of the additions is the order of
//! their sums, each must start where the one before it ended, and a read belongs right behind the addition whose sum
//! it saw. [`positions`] then tests real time. Exact, O(n log n).
//!
//! An addition that never returned may have filled a gap between two sums, in ways that pack numbers: with such
//! additions this decides only histories that have an order without those that do not tell their sum, and with those
//! that do as far as the sums of others reach.

use super::counting::{Observers, evidence};
use super::positions;
use super::{Decision, Wish};
use crate::check::budget::Budget;
use crate::check::models::{Counter, CounterCall};
use crate::check::problem::{NEVER, Problem};

/// Decides a counter.
pub(super) fn decide(problem: &Problem<Counter>, wish: Wish, _: &Budget) -> Decision {
    let additions = || (0..).zip(&problem.calls).filter(|(_, call)| !matches!(call, CounterCall::Read(_)));
    let up = additions().all(|(_, call)| call.delta() > 0);
    if !up && !additions().all(|(_, call)| call.delta() < 0) {
        return Decision::NotApplicable("additions do not all go the same way");
    }
    let silent = |place: u32, call: &CounterCall| {
        matches!(call, CounterCall::Add(_)) && problem.returned[place as usize] != NEVER
    };
    if additions().any(|(place, call)| silent(place, call)) {
        return Decision::NotApplicable("an addition that completed does not tell its sum");
    }
    let lost = additions().any(|(place, _)| problem.returned[place as usize] == NEVER);
    match order(problem) {
        Ok(order) => Decision::Holds(wish.order.then_some(order)),
        Err(_) if lost => Decision::NotApplicable("an addition that never returned may explain a gap"),
        Err(observers) => Decision::Violated(evidence(problem, &observers.0)),
    }
}

/// Where the sum stood when an operation was done, measured from the start.
fn distance(problem: &Problem<Counter>, sum: i64) -> i128 {
    i128::from(sum) - i128::from(problem.model.initial_sum())
}

fn order(problem: &Problem<Counter>) -> Result<Vec<u32>, Observers> {
    let returned = |place: u32| problem.returned[place as usize] != NEVER;
    let sums = (0..).zip(&problem.calls).filter_map(|(place, call)| match *call {
        CounterCall::Read(sum) | CounterCall::AddAndGet { sum, .. } => {
            returned(place).then_some(distance(problem, sum))
        }
        CounterCall::Add(_) => None,
    });
    let furthest = sums.map(i128::abs).max().unwrap_or(0);
    let mut chain: Vec<(i128, i64, u32)> = Vec::new();
    for (place, call) in (0..).zip(&problem.calls) {
        if let CounterCall::AddAndGet { delta, sum } = *call
            && (returned(place) || distance(problem, sum).abs() <= furthest)
        {
            chain.push((distance(problem, sum), delta, place));
        }
    }
    // Away from the start, whichever way that is.
    chain.sort_unstable_by_key(|&(distance, delta, place)| (distance * i128::from(delta.signum()), place));
    let mut before = 0;
    let mut keys = vec![None; problem.len()];
    for (at, &(distance, delta, place)) in (1u64..).zip(&chain) {
        if distance - i128::from(delta) != before {
            return Err(Observers(Vec::new()));
        }
        before = distance;
        keys[place as usize] = Some(2 * at);
    }
    for (place, call) in (0..).zip(&problem.calls) {
        if let CounterCall::Read(sum) = *call
            && returned(place)
        {
            let seen = distance(problem, sum);
            let passed = chain.partition_point(|&(distance, ..)| distance.abs() <= seen.abs());
            let reached = passed.checked_sub(1).map_or(0, |at| chain[at].0);
            if reached != seen {
                return Err(Observers(vec![place]));
            }
            keys[place as usize] = Some(2 * passed as u64 + 1);
        }
    }
    positions::order(problem, &keys).map_err(|inversion| Observers(vec![inversion.earlier, inversion.later]))
}
