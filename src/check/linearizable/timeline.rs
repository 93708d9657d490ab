//! The calls and returns of a problem, one after another in real time.

use crate::check::models::Model;
use crate::check::problem::{NEVER, Problem};

/// One end of an operation; the number is its place in the problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// It was called.
    Call(u32),
    /// It returned.
    Return(u32),
}

/// All calls and returns in order of time, for calls in order of invocation. What never returns has no return here.
/// O(n log n).
pub(super) fn moments(invoked: &[u32], returned: &[u32]) -> Vec<Moment> {
    let mut ends: Vec<(u32, u32)> = Vec::with_capacity(returned.len());
    for (place, &returned) in (0..).zip(returned) {
        if returned != NEVER {
            ends.push((returned, place));
        }
    }
    ends.sort_unstable();
    let mut moments = Vec::with_capacity(invoked.len() + ends.len());
    let mut ends = ends.into_iter().peekable();
    for (place, &invoked) in (0..).zip(invoked) {
        while let Some((_, ended)) = ends.next_if(|&(returned, _)| returned < invoked) {
            moments.push(Moment::Return(ended));
        }
        moments.push(Moment::Call(place));
    }
    moments.extend(ends.map(|(_, ended)| Moment::Return(ended)));
    moments
}

/// How many calls of a problem had been made when the last of some had returned. A contradiction between those is
/// complete by then: what is called later comes behind them in every order.
pub(super) fn called_before_the_end<M: Model>(problem: &Problem<M>, contradicting: &[u32]) -> usize {
    let returns = contradicting.iter().map(|&place| problem.returned[place as usize]);
    let end = returns.filter(|&returned| returned != NEVER).max().unwrap_or(NEVER);
    problem.invoked.partition_point(|&called| called < end)
}
