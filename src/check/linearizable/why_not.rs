//! Why an observer cannot have seen what it saw, found in the whole history of its object.
//!
//! Nothing here decides: it words a contradiction that is already certain. What it says is true of the whole object, not
//! only of the few operations that are shown; what would cost too much to find out is left unsaid.

use super::{Decision, Ladder, Wish, decide};
use crate::check::budget::Budget;
use crate::check::models::Model;
use crate::check::problem::{NEVER, Problem};
use crate::check::verdict::{Origin, WhyNot};
use crate::history::{OpId, ValueId};

/// So many calls may be judged in all to find out what could have been seen.
const CALLS_MAX: usize = 400_000;
/// So many steps it may take to find that out: a fraction of a second, and the same sentence on every machine.
const STEPS_MAX: u64 = 1 << 20;
/// So many values may be tried.
const VALUES_MAX: usize = 40;

/// Explains the last observer of the core.
pub(super) fn explain<M: Ladder>(problem: &Problem<M>, core: &Problem<M>, budget: &Budget) -> Option<WhyNot> {
    let model = &problem.model;
    let sure = (0..core.len()).rev().filter(|&at| core.returned[at] != NEVER);
    let mut seen = sure.filter_map(|at| Some((core.ops[at], model.observes(&core.calls[at])?)));
    let (op, saw) = seen.next()?;
    // A call of the core may have been made to forget what it saw; the problem has it as it was.
    let observer = problem.ops.binary_search(&op).ok()?;
    Some(WhyNot {
        op,
        saw,
        origin: origin(problem, core, observer, saw),
        could_see: could_see(problem, observer, budget),
    })
}

fn origin<M: Model>(problem: &Problem<M>, core: &Problem<M>, observer: usize, saw: ValueId) -> Origin {
    let produces = |at: &usize| *at != observer && problem.model.produces(&problem.calls[*at]) == Some(saw);
    let writers: Vec<usize> = (0..problem.len()).filter(produces).collect();
    let shown = |writers: &[usize]| -> Vec<OpId> {
        writers.iter().map(|&at| problem.ops[at]).filter(|id| core.ops.contains(id)).collect()
    };
    if writers.is_empty() {
        return if problem.model.holds_initially() == Some(saw) { Origin::Initial } else { Origin::Nowhere };
    }
    if writers.iter().all(|&at| problem.invoked[at] > problem.returned[observer])
        && problem.model.holds_initially() != Some(saw)
    {
        return Origin::Later(shown(&writers));
    }
    let early = |at: &&usize| problem.invoked[**at] < problem.returned[observer];
    match last_change(problem, observer) {
        Some(last) if writers.iter().filter(early).all(|&at| problem.returned[at] < last) => {
            Origin::Overwritten(shown(&writers))
        }
        _ => Origin::Written(shown(&writers)),
    }
}

/// When the last of the changes that completed before the observer began was invoked: every change that returned before
/// that is overwritten.
fn last_change<M: Model>(problem: &Problem<M>, observer: usize) -> Option<u32> {
    let changes = |at: &usize| problem.model.produces(&problem.calls[*at]).is_some();
    let over = |at: &usize| problem.returned[*at] < problem.invoked[observer];
    (0..problem.len()).filter(over).filter(changes).map(|at| problem.invoked[at]).max()
}

/// The values with which everything up to the observer's return has an order.
fn could_see<M: Ladder>(problem: &Problem<M>, observer: usize, budget: &Budget) -> Vec<ValueId> {
    let prefix = problem.prefix(problem.returned[observer]);
    let candidates = live_values(&prefix, observer);
    if candidates.len() > VALUES_MAX || candidates.len() * prefix.len() > CALLS_MAX {
        return Vec::new();
    }
    let budget = &budget.at_most(STEPS_MAX);
    let mut possible = Vec::new();
    for value in candidates {
        let Some(call) = prefix.model.returning(&prefix.calls[observer], value) else { return Vec::new() };
        let mut changed = prefix.clone();
        changed.calls[observer] = call;
        match decide(&changed, Wish::default(), budget).decision {
            Decision::Holds(_) => possible.push(value),
            Decision::Violated(_) => {}
            Decision::NotApplicable(_) | Decision::GaveUp { .. } => return Vec::new(),
        }
    }
    possible
}

/// Every value that the object may hold when the observer looks: those of writes that are not followed, strictly before
/// the observer, by a completed change; the initial one if no change completed before.
fn live_values<M: Model>(prefix: &Problem<M>, observer: usize) -> Vec<ValueId> {
    let changes = |at: usize| prefix.model.produces(&prefix.calls[at]);
    let last_change = last_change(prefix, observer);
    let live = |at: &usize| *at != observer && last_change.is_none_or(|last| prefix.returned[*at] >= last);
    let initial = prefix.model.holds_initially().filter(|_| last_change.is_none());
    let mut values: Vec<ValueId> = Vec::new();
    for value in initial.into_iter().chain((0..prefix.len()).filter(live).filter_map(changes)) {
        if !values.contains(&value) {
            values.push(value);
        }
    }
    values
}
