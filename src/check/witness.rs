//! The independent check of every witness and every violation before it is shown.
//!
//! Short on purpose and free of every reduction: an order is replayed call by call; a contradiction is confirmed by
//! trying every order of its few operations. Nothing here is shared with the deciders but the model's `step`.

use super::models::Model;
use super::problem::{NEVER, Problem};
use crate::history::OpId;

/// A core larger than this is not re-verified by trying every order.
pub const CORE_MAX: usize = 24;
/// Trying every order ends after so many steps: a second or two.
const STEPS_MAX: u32 = 20_000_000;

/// Why an order is no linearization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// A place that does not exist or comes twice.
    #[error("place {0} comes twice or does not exist")]
    NotAPermutation(u32),
    /// A call that returned is not in the order.
    #[error("the call at place {0} returned but is not in the order")]
    Missing(u32),
    /// A call comes after one that was invoked only after it had returned.
    #[error("the call at place {0} comes too late: one before it was invoked after it had returned")]
    OutOfTime(u32),
    /// A call cannot have returned what it returned.
    #[error("the call at place {0} cannot return what it returned in the state it meets")]
    Illegal(u32),
}

/// Replays an order: a linearization places every call that returned exactly once, respects real time, and is
/// legal. O(n).
///
/// # Errors
/// The first flaw.
pub fn replay<M: Model>(problem: &Problem<M>, order: &[u32]) -> Result<(), Flaw> {
    let mut placed = vec![false; problem.len()];
    let mut state = problem.model.initial();
    let mut latest_invocation = 0;
    for &place in order {
        let at = place as usize;
        if placed.get(at) != Some(&false) {
            return Err(Flaw::NotAPermutation(place));
        }
        placed[at] = true;
        latest_invocation = latest_invocation.max(problem.invoked[at]);
        if problem.returned[at] < latest_invocation {
            return Err(Flaw::OutOfTime(place));
        }
        state = problem.model.step(&state, &problem.calls[at]).ok_or(Flaw::Illegal(place))?;
    }
    match (0..problem.len()).find(|&at| !placed[at] && problem.returned[at] != NEVER) {
        Some(at) => Err(Flaw::Missing(u32::try_from(at).expect("places are 32 bits"))),
        None => Ok(()),
    }
}

/// A point from which a contradiction begins: a state, and those of its calls that have already taken effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start<S> {
    /// The state.
    pub state: S,
    /// The calls.
    pub placed: Vec<OpId>,
}

/// Whether no order at all linearizes these few calls from any of those starts: all orders are tried, nothing is
/// memoised. `None` if there are more than [`CORE_MAX`] calls, or if there are too many orders to try.
#[must_use]
pub fn has_no_order_from<M: Model>(problem: &Problem<M>, starts: &[Start<M::State>]) -> Option<bool> {
    if problem.len() > CORE_MAX {
        return None;
    }
    let mut steps_left = STEPS_MAX;
    for start in starts {
        let mut placed: Vec<bool> = problem.ops.iter().map(|id| start.placed.contains(id)).collect();
        if some_order(problem, &mut placed, &start.state, &mut steps_left)? {
            return Some(false);
        }
    }
    Some(true)
}

/// Whether no order at all linearizes these few calls; see [`has_no_order_from`].
#[must_use]
pub fn has_no_order<M: Model>(problem: &Problem<M>) -> Option<bool> {
    has_no_order_from(problem, &[Start { state: problem.model.initial(), placed: Vec::new() }])
}

/// `None` when the steps are used up.
fn some_order<M: Model>(
    problem: &Problem<M>,
    placed: &mut [bool],
    state: &M::State,
    steps_left: &mut u32,
) -> Option<bool> {
    let open = |at: &usize| !placed[*at];
    let first_return = (0..problem.len()).filter(open).map(|at| problem.returned[at]).min().unwrap_or(NEVER);
    if first_return == NEVER {
        return Some(true);
    }
    for at in 0..problem.len() {
        if placed[at] || problem.invoked[at] > first_return {
            continue;
        }
        *steps_left = steps_left.checked_sub(1)?;
        if let Some(next) = problem.model.step(state, &problem.calls[at]) {
            placed[at] = true;
            let found = some_order(problem, placed, &next, steps_left)?;
            placed[at] = false;
            if found {
                return Some(true);
            }
        }
    }
    Some(false)
}
