//! Contradictions that are visible without a search, in registers whose values have several writers.
//!
//! Every one of these holds of a linearizable history (compare Gibbons and Korach, 1997, §4, and Golab, Li, Shah,
//! "Analyzing consistency properties for fun and profit", PODC 2011, §3):
//! 1. what a call saw was set before it returned, by some call, or is the initial value;
//! 2. not all calls that can have set it were overwritten for certain before it was invoked;
//! 3. the calls that set or saw a value with a single writer occupy a stretch of time of their own.
//!
//! Sound for Violated, and never says Holds. O(n log n) time, O(n) space.

use super::core_closure::closure;
use super::overwriting::Overwriting;
use super::register_view::{INITIAL, RegisterView};
use super::zones::{Zone, arrange};
use super::{Conflict, Decision, Wish};
use crate::check::budget::{Budget, Stop};
use crate::check::models::Register;
use crate::check::problem::{NEVER, Problem};

/// Looks for a contradiction in one object.
pub(super) fn decide(problem: &Problem<Register>, _: Wish, budget: &Budget) -> Decision {
    // Per call: the view (28), overwriting (28), writers (12), zones (24).
    let bytes = problem.len() as u64 * 92;
    if let Some(stop) = budget.exceeded() {
        return Decision::GaveUp { stop, explained: 0 };
    }
    if budget.reserve(bytes).is_err() {
        return Decision::GaveUp { stop: Stop::Memory, explained: 0 };
    }
    let view = RegisterView::new(problem);
    let found = impossible_observation(&view).or_else(|| clash_of_single_writers(&view));
    budget.release(bytes);
    match found {
        Some(calls) => {
            let places: Vec<u32> = calls.into_iter().map(|at| view.places[at as usize]).collect();
            Decision::Violated(Conflict { places: closure(problem, &places), event: None })
        }
        None => Decision::NotApplicable("no contradiction is visible without a search"),
    }
}

/// The calls that set each value, in order of invocation.
struct Setters {
    begins: Vec<u32>,
    /// (invocation, the latest return so far).
    calls: Vec<(u32, u32)>,
}

impl Setters {
    fn new(view: &RegisterView) -> Self {
        let mut begins = vec![0; view.values + 2];
        for value in view.acts.iter().filter_map(|act| act.set()) {
            begins[value as usize + 2] += 1;
        }
        for value in 2..begins.len() {
            begins[value] += begins[value - 1];
        }
        let mut calls = vec![(0, 0); *begins.last().expect("never empty") as usize];
        for (at, act) in view.acts.iter().enumerate() {
            if let Some(value) = act.set() {
                let (begin, end) = (begins[value as usize] as usize, begins[value as usize + 1] as usize);
                let latest = if begin < end { calls[end - 1].1 } else { 0 };
                calls[end] = (view.invoked[at], view.returned[at].max(latest));
                begins[value as usize + 1] += 1;
            }
        }
        Self { begins, calls }
    }

    fn of(&self, value: u32) -> &[(u32, u32)] {
        let value = value as usize;
        &self.calls[self.begins[value] as usize..self.begins[value + 1] as usize]
    }

    /// The latest return of a call that sets `value` and was invoked before `limit`.
    fn latest_return(&self, value: u32, limit: u32) -> Option<u32> {
        let calls = self.of(value);
        let begun = calls.partition_point(|&(invoked, _)| invoked < limit);
        begun.checked_sub(1).map(|last| calls[last].1)
    }
}

/// Conditions 1 and 2: the call with the earliest return that cannot have seen what it saw, and the call that
/// overwrote that, if any.
fn impossible_observation(view: &RegisterView) -> Option<Vec<u32>> {
    let setters = Setters::new(view);
    let overwriting = Overwriting::new(view);
    let mut earliest: Option<(u32, Vec<u32>)> = None;
    for at in 0..view.len() {
        let Some(value) = view.acts[at].seen() else { continue };
        let returned = view.returned[at];
        if returned == NEVER || earliest.as_ref().is_some_and(|&(before, _)| before < returned) {
            continue;
        }
        let call = u32::try_from(at).expect("places are 32 bits");
        let latest = setters.latest_return(value, returned);
        let overwritten = match latest {
            None if value != INITIAL => {
                earliest = Some((returned, vec![call]));
                continue;
            }
            None => overwriting.of_initial(value),
            Some(latest) => overwriting.of(value, latest),
        };
        if overwritten.returned < view.invoked[at] {
            earliest = Some((returned, vec![call, overwritten.at]));
        }
    }
    earliest.map(|(_, calls)| calls)
}

/// Condition 3.
fn clash_of_single_writers(view: &RegisterView) -> Option<Vec<u32>> {
    let mut writers = vec![0u32; view.values];
    writers[INITIAL as usize] = 1;
    for value in view.acts.iter().filter_map(|act| act.set()) {
        writers[value as usize] = writers[value as usize].saturating_add(1);
    }
    let mut zones = vec![Zone::EMPTY; view.values];
    zones[INITIAL as usize] = Zone::BEGINNING;
    for at in 0..view.len() {
        // What never returned may never have happened.
        if view.completed(at) {
            let place = u32::try_from(at).expect("places are 32 bits");
            for value in [view.acts[at].seen(), view.acts[at].set()].into_iter().flatten() {
                zones[value as usize].add(place, view.invoked[at], view.returned[at]);
            }
        }
    }
    let single = |&value: &usize| writers[value] == 1 && zones[value].last_call >= 0;
    let zones: Vec<Zone> = (0..view.values).filter(single).map(|value| zones[value]).collect();
    let (a, b) = arrange(&zones).err()?;
    Some(zones[a].extremes().chain(zones[b].extremes()).collect())
}
