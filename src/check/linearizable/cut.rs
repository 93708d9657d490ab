//! Contradictions of objects whose every operation matters: from which point on they begin.
//!
//! This walks through the returns of an object with every configuration that an order of the past can have led to: a
//! state, and which of the open calls have already taken effect. Where no configuration remains, the calls of the last
//! few returns contradict themselves, given the configurations before them; everything earlier is summed up in those.
//! Configurations are kept lazily, as in Lowe, "Testing for linearizability" (CCPE 2017, §4, just-in-time
//! linearization): a call takes effect only when a return asks for it.
//!
//! Sound and complete where it answers; declines when too many calls are open or too many configurations remain.

use crate::check::budget::Budget;
use crate::check::models::Model;
use crate::check::problem::{NEVER, Problem};
use crate::check::witness::Start;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::VecDeque;

/// The most calls open at once, and the most calls of a contradiction.
const OPEN_MAX: usize = 96;
/// The most configurations before a return.
const CONFIGURATIONS_MAX: usize = 4_096;
/// The most configurations that a contradiction may start from.
const STARTS_MAX: usize = 16;
/// So many returns before the fatal one may be part of the contradiction.
const RETURNS_BEFORE: usize = 6;
/// A contradiction of fewer calls says little: it goes further back where it can.
const CALLS_MIN: usize = 3;

/// The calls in which no order remains, and the configurations that the calls before can have led to.
pub(super) struct Contradiction<M: Model> {
    /// Its calls, cut off behind the return that cannot be explained.
    pub(super) part: Problem<M>,
    /// None of them allows an order of the part.
    pub(super) starts: Vec<Start<M::State>>,
    /// How many calls had returned before it.
    pub(super) before: usize,
}

/// A state, and the open calls that have taken effect, ascending.
type Configuration<S> = (S, Vec<u32>);

/// The configurations before a return.
struct Layer<S> {
    configurations: Vec<Configuration<S>>,
    open: Vec<u32>,
    /// The first call that comes later.
    next_call: usize,
    returned: usize,
}

/// The first contradiction, if it can be found.
pub(super) fn find<M: Model>(problem: &Problem<M>, budget: &Budget) -> Option<Contradiction<M>> {
    let mut returns: Vec<u32> =
        (0..).take(problem.len()).filter(|&at| problem.returned[at as usize] != NEVER).collect();
    returns.sort_unstable_by_key(|&at| problem.returned[at as usize]);
    let mut recent: VecDeque<Layer<M::State>> = VecDeque::new();
    let mut configurations = vec![(problem.model.initial(), Vec::new())];
    let mut open: Vec<u32> = Vec::new();
    let mut next_call = 0;
    for (returned, &leaving) in returns.iter().enumerate() {
        let before_calls = next_call;
        let event = problem.returned[leaving as usize];
        let open_before = open.clone();
        while next_call < problem.len() && problem.invoked[next_call] < event {
            open.push(u32::try_from(next_call).expect("places are 32 bits"));
            next_call += 1;
        }
        if open.len() > OPEN_MAX || budget.exceeded().is_some() {
            return None;
        }
        recent.push_back(Layer {
            configurations: configurations.clone(),
            open: open_before,
            next_call: before_calls,
            returned,
        });
        if recent.len() > RETURNS_BEFORE {
            recent.pop_front();
        }
        configurations = after_return(problem, &configurations, &open, leaving)?;
        if configurations.is_empty() {
            return contradiction(problem, &recent, event);
        }
        open.retain(|&at| at != leaving);
    }
    None
}

/// The configurations after a return: whatever else takes effect, the leaving call has.
fn after_return<M: Model>(
    problem: &Problem<M>,
    before: &[Configuration<M::State>],
    open: &[u32],
    leaving: u32,
) -> Option<Vec<Configuration<M::State>>> {
    let mut after = FxHashSet::default();
    let mut seen: FxHashSet<Configuration<M::State>> = before.iter().cloned().collect();
    let mut todo = before.to_vec();
    while let Some((state, placed)) = todo.pop() {
        if placed.binary_search(&leaving).is_ok() {
            after.insert((state, placed.into_iter().filter(|&at| at != leaving).collect()));
            continue;
        }
        for &at in open {
            let Err(place) = placed.binary_search(&at) else { continue };
            let Some(next) = problem.model.step(&state, &problem.calls[at as usize]) else { continue };
            let mut placed = placed.clone();
            placed.insert(place, at);
            let configuration = (next, placed);
            if seen.insert(configuration.clone()) {
                todo.push(configuration);
            }
        }
        if seen.len() > CONFIGURATIONS_MAX {
            return None;
        }
    }
    Some(after.into_iter().collect())
}

/// The shortest contradiction that says something: from the latest layer that has few configurations and leaves enough
/// calls.
fn contradiction<M: Model>(
    problem: &Problem<M>,
    recent: &VecDeque<Layer<M::State>>,
    event: u32,
) -> Option<Contradiction<M>> {
    let until = problem.invoked.partition_point(|&invoked| invoked < event);
    let calls = |layer: &Layer<M::State>| layer.open.len() + until - layer.next_call;
    let fits = |layer: &&Layer<M::State>| layer.configurations.len() <= STARTS_MAX && calls(layer) <= OPEN_MAX;
    let long_enough = recent.iter().rev().filter(fits).find(|layer| calls(layer) >= CALLS_MIN);
    let layer = long_enough.or_else(|| recent.iter().find(fits))?;
    let places: Vec<usize> = layer.open.iter().map(|&at| at as usize).chain(layer.next_call..until).collect();
    let mut part = problem.select(&places);
    for returned in part.returned.iter_mut().filter(|returned| **returned > event) {
        *returned = NEVER;
    }
    let ids = |placed: &[u32]| placed.iter().map(|&at| problem.ops[at as usize]).collect();
    let starts = layer.configurations.iter().map(|(state, placed)| Start { state: state.clone(), placed: ids(placed) });
    Some(Contradiction { part, starts: starts.collect(), before: layer.returned })
}

/// Whether none of the starts allows an order of the calls; `None` if that is too much to look through.
pub(super) fn is_contradiction<M: Model>(part: &Problem<M>, starts: &[Start<M::State>]) -> Option<bool> {
    let bits: FxHashMap<_, u128> = part.ops.iter().enumerate().map(|(at, &id)| (id, 1 << at)).collect();
    let mask =
        |start: &Start<M::State>| start.placed.iter().filter_map(|id| bits.get(id)).fold(0, |mask, bit| mask | bit);
    let required = (0..part.len()).filter(|&at| part.returned[at] != NEVER).fold(0_u128, |mask, at| mask | 1 << at);
    let mut todo: Vec<(u128, M::State)> = starts.iter().map(|start| (mask(start), start.state.clone())).collect();
    let mut seen: FxHashSet<(u128, M::State)> = todo.iter().cloned().collect();
    while let Some((placed, state)) = todo.pop() {
        if placed & required == required {
            return Some(false);
        }
        let unplaced = |at: &usize| placed >> at & 1 == 0;
        let first_return = (0..part.len()).filter(unplaced).map(|at| part.returned[at]).min().unwrap_or(NEVER);
        for at in (0..part.len()).filter(unplaced).filter(|&at| part.invoked[at] < first_return) {
            let Some(next) = part.model.step(&state, &part.calls[at]) else { continue };
            let configuration = (placed | 1 << at, next);
            if seen.insert(configuration.clone()) {
                todo.push(configuration);
            }
        }
        if seen.len() > CONFIGURATIONS_MAX {
            return None;
        }
    }
    Some(true)
}
