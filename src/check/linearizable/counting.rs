//! Counters that grow in equal steps: reads, additions that say nothing, additions that return the sum.
//!
//! After `t` additions the sum is known, so an order assigns each addition a slot `t`. A read of the sum after `v`
//! additions lies between slots `v` and `v+1`; an addition that returned its sum has its slot. An addition that said
//! nothing must lie behind the largest of these that precedes it in real time and before the smallest that follows.
//! These are unit jobs with release times and deadlines on one machine, and earliest deadline first finds a schedule
//! if there is one (Jackson 1955; see Brucker, *Scheduling Algorithms*, §4.2). Windows grow along real time, so
//! breaking ties by return respects it. Additions that never returned are jobs without deadline that may stay out.
//!
//! Exact. O(n log n). Does not apply if additions differ in size (then sums pack numbers); the slots that an
//! operation can fill stay within 64 bits as the sums do.
//!
//! What Jepsen's counter checker does (bounds for each read by itself) is necessary, but misses what two reads
//! contradict.

use super::timeline::{Moment, called_before_the_end, moments};
use super::{Conflict, Decision, Wish};
use crate::check::budget::Budget;
use crate::check::models::{Counter, CounterCall};
use crate::check::problem::{NEVER, Problem};
use rustc_hash::FxHashSet;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Decides a counter.
pub(super) fn decide(problem: &Problem<Counter>, wish: Wish, _: &Budget) -> Decision {
    let deltas = || problem.calls.iter().filter(|call| !matches!(call, CounterCall::Read(_))).map(|call| call.delta());
    let step = deltas().next().unwrap_or(1);
    if step == 0 || deltas().any(|delta| delta != step) {
        return Decision::NotApplicable("additions differ in size");
    }
    let unfinished =
        |(call, &returned): (&CounterCall, &u32)| matches!(call, CounterCall::AddAndGet { .. }) && returned == NEVER;
    if problem.calls.iter().zip(&problem.returned).any(unfinished) {
        return Decision::NotApplicable("an addition that has not returned tells its sum");
    }
    let found =
        Slots::read(problem, step).and_then(|slots| slots.windows(problem)).and_then(|slots| slots.fill(problem));
    match found {
        Ok(order) => Decision::Holds(wish.order.then_some(order)),
        Err(observers) => Decision::Violated(evidence(problem, &observers.0)),
    }
}

/// Operations that tell a sum, and that no order of all additions explains.
pub(super) struct Observers(pub Vec<u32>);

/// The observers and, since sums need them all, every addition called before the last of them returned.
pub(super) fn evidence(problem: &Problem<Counter>, observers: &[u32]) -> Conflict {
    let known = called_before_the_end(problem, observers);
    let observers: FxHashSet<u32> = observers.iter().copied().collect();
    let kept = |place: u32, call: &CounterCall| call.delta() != 0 || observers.contains(&place);
    let calls = (0..).zip(&problem.calls[..known]);
    let places = calls.filter(|(place, call)| kept(*place, call)).map(|(place, _)| place).collect();
    Conflict { places, event: None }
}

/// Where each operation must lie: between the slots of a window, both included.
struct Slots {
    /// Twice the slot of an addition that returned its sum, twice its number of additions plus one for a read that
    /// returned, `None` for what says nothing.
    position: Vec<Option<i128>>,
    first: Vec<i128>,
    last: Vec<i128>,
    /// The last slot that somebody saw filled.
    filled: i128,
}

impl Slots {
    fn read(problem: &Problem<Counter>, step: i64) -> Result<Self, Observers> {
        let slot = |sum: i64| {
            let distance = i128::from(sum) - i128::from(problem.model.initial_sum());
            (distance % i128::from(step) == 0).then_some(distance / i128::from(step)).filter(|&slot| slot >= 0)
        };
        let mut position = Vec::with_capacity(problem.len());
        let mut filled = 0;
        for (place, call) in (0..).zip(&problem.calls) {
            let impossible = || Observers(vec![place]);
            let (sum, observed) = match *call {
                CounterCall::Add(_) => {
                    position.push(None);
                    continue;
                }
                CounterCall::Read(_) if problem.returned[place as usize] == NEVER => {
                    position.push(None);
                    continue;
                }
                CounterCall::Read(sum) => (sum, 1),
                CounterCall::AddAndGet { sum, .. } => (sum, 0),
            };
            let slot = slot(sum).filter(|&slot| slot > 0 || observed == 1).ok_or_else(impossible)?;
            filled = filled.max(slot);
            position.push(Some(2 * slot + observed));
        }
        let len = problem.len();
        Ok(Self { position, first: vec![0; len], last: vec![i128::MAX; len], filled })
    }

    /// Narrows each window by what precedes and what follows in real time.
    fn windows(mut self, problem: &Problem<Counter>) -> Result<Self, Observers> {
        let moments = moments(&problem.invoked, &problem.returned);
        let mut largest: Option<(i128, u32)> = None;
        for &moment in &moments {
            match moment {
                Moment::Return(place) => largest = largest.max(self.position[place as usize].map(|at| (at, place))),
                Moment::Call(place) => {
                    let passed = largest.map_or(0, |(at, _)| at);
                    self.first[place as usize] = passed / 2 + 1;
                    if self.position[place as usize].is_some_and(|at| at < passed) {
                        return Err(Observers(vec![largest.map_or(place, |(_, earlier)| earlier), place]));
                    }
                }
            }
        }
        let mut smallest = i128::MAX;
        for &moment in moments.iter().rev() {
            match moment {
                Moment::Call(place) => smallest = smallest.min(self.position[place as usize].unwrap_or(i128::MAX)),
                Moment::Return(place) if smallest < i128::MAX => {
                    self.last[place as usize] = (smallest - 1).div_euclid(2);
                }
                Moment::Return(_) => {}
            }
        }
        for (place, position) in self.position.iter().enumerate() {
            if let Some(at) = position.filter(|at| at % 2 == 0) {
                (self.first[place], self.last[place]) = (at / 2, at / 2);
            }
        }
        Ok(self)
    }

    /// Fills the slots by earliest deadline first, and puts the reads between them.
    fn fill(self, problem: &Problem<Counter>) -> Result<Vec<u32>, Observers> {
        let mut jobs: Vec<u32> = Vec::new();
        let mut reads: Vec<(i128, u32)> = Vec::new();
        for (place, position) in (0..).zip(&self.position) {
            match position {
                Some(at) if at % 2 == 1 => reads.push((at / 2, place)),
                None if problem.calls[place as usize].delta() == 0 => {}
                _ => jobs.push(place),
            }
        }
        reads.sort_unstable();
        jobs.sort_unstable_by_key(|&place| self.first[place as usize]);
        let mut reads = reads.into_iter().peekable();
        let mut waiting = jobs.iter().copied().peekable();
        let mut open = BinaryHeap::new();
        let mut order = Vec::with_capacity(problem.len());
        let mut filled_by: Vec<u32> = Vec::new();
        for slot in 0..=self.filled {
            if slot > 0 {
                while let Some(place) = waiting.next_if(|&place| self.first[place as usize] <= slot) {
                    open.push(Reverse((self.last[place as usize], problem.returned[place as usize], place)));
                }
                match open.pop() {
                    None => return Err(self.too_few(problem, slot)),
                    Some(Reverse((last, ..))) if last < slot => return Err(self.too_many(problem, last, &filled_by)),
                    Some(Reverse((_, _, place))) => {
                        order.push(place);
                        filled_by.push(place);
                    }
                }
            }
            order.extend(std::iter::from_fn(|| reads.next_if(|&(at, _)| at == slot)).map(|(_, place)| place));
        }
        let mut rest: Vec<u32> = open.into_iter().map(|Reverse((_, _, place))| place).chain(waiting).collect();
        if let Some(last) =
            rest.iter().map(|&place| self.last[place as usize]).min().filter(|&last| last <= self.filled)
        {
            return Err(self.too_many(problem, last, &filled_by));
        }
        rest.retain(|&place| problem.returned[place as usize] != NEVER);
        rest.sort_unstable_by_key(|&place| problem.returned[place as usize]);
        order.extend(rest);
        Ok(order)
    }

    /// Fewer additions than `slot` were called before somebody saw that many: the observer that returned first.
    fn too_few(&self, problem: &Problem<Counter>, slot: i128) -> Observers {
        Observers(self.first_to_see(problem, slot).into_iter().collect())
    }

    /// Too many additions have a deadline up to `last`. Behind the last slot that was filled by one with a later
    /// deadline nothing else was open, so all of them also lie behind what the first observer of that slot saw.
    fn too_many(&self, problem: &Problem<Counter>, last: i128, filled_by: &[u32]) -> Observers {
        let idle = filled_by.iter().rposition(|&place| self.last[place as usize] > last).map_or(0, |at| at + 1);
        let idle = i128::try_from(idle).expect("a number of operations");
        let before = (idle > 0).then(|| self.first_to_see(problem, idle)).flatten();
        let observers = (0..).zip(&self.position).filter_map(|(place, position)| position.map(|at| (at, place)));
        let after = observers
            .filter(|&(at, _)| (at - 1).div_euclid(2) <= last)
            .max_by_key(|&(_, place): &(i128, u32)| problem.invoked[place as usize])
            .map(|(_, place)| place);
        // Additions that returned a sum between the two are bound to their slots by themselves.
        let bound = (0..)
            .zip(&self.position)
            .filter(|(_, position)| position.is_some_and(|at| at % 2 == 0 && at / 2 > idle && at / 2 <= last));
        Observers(before.into_iter().chain(after).chain(bound.map(|(place, _)| place)).collect())
    }

    /// Of those who saw that many additions or more, the one that returned first.
    fn first_to_see(&self, problem: &Problem<Counter>, slot: i128) -> Option<u32> {
        let saw = |&(_, position): &(u32, &Option<i128>)| position.is_some_and(|at| at / 2 >= slot);
        let observers = (0..).zip(&self.position).filter(saw).map(|(place, _)| place);
        observers.min_by_key(|&place: &u32| problem.returned[place as usize])
    }
}
