//! Sequential consistency (Lamport 1979) for sessions of transactions whose reads know their sources: one order of all
//! transactions that contains every session's and in which each read sees the last write of its key.
//!
//! NP-complete even so (Gibbons and Korach, SIAM J. Comput. 1997, "VSC-read"). In three steps:
//!
//! 1. [`forced`]: what every such order must contain, by saturation; a cycle in it decides. It contains whatever causal
//!    convergence and causal memory derive, so that their violations are found here.
//! 2. [`run`], *guided*: sessions are run as far as they can be; what a version that still has readers keeps from being
//!    overwritten shows, where all are stuck, a ring of waits. If one overwriting is its only step that is not forced, the
//!    opposite is, and is learned; otherwise one is tried the other way round, and where a ring holds nothing but what is
//!    forced or was tried, [`tries`] finds out what to give up. The run goes on where the wrong one was.
//!    It ends undecided after a number of steps: most histories of real systems take few, and where few do not do, many
//!    seldom do.
//! 3. [`solver`]: a constraint solver decides which writer of a pair comes before the other, for the pairs that matter.
//!
//! An order is an answer only after [`replay`] has checked it. Exact in both directions; the last step may end with the
//! budget, undecided. The first two are polynomial.
//!
//! There is no search of all frontiers, how far each session has been run, with a memo of those visited: on sets of
//! sessions that encode formulas (`solver`'s tests) it fails from three variables on, where the solver decides a hundred,
//! and it decided none that the solver did not.

mod acyclic;
mod forced;
mod run;
mod solver;
mod tries;

use super::budget::{Budget, Stop};
use super::replay::{Flaw, view};
use super::transactions::Transactions;
use forced::Forced;
use run::{Guided, Run};

/// So often as many transactions are run as there are, again and again, before it is left to the solver for some steps.
/// Histories of stores with up to 200 sessions take at most six.
const RUNS_FEW: u64 = 8;
/// So many steps: a second or two. Sessions that encode formulas of a hundred variables take fewer.
const STEPS_FEW: u64 = 200_000;
/// So often they are run in a second attempt, before it is left to the solver altogether: with many sessions a run that
/// learns gets on faster than the solver.
const RUNS_MANY: u64 = 64;

/// What the search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// All transactions in such an order.
    Order(Vec<u32>),
    /// There is none, not even of these transactions alone.
    NoOrder(Vec<u32>),
    /// The budget ended.
    Stopped(Stop),
}

/// Looks for an order.
#[must_use]
pub fn search(transactions: &Transactions, budget: &Budget) -> Found {
    let mut forced = Forced::new(transactions);
    if let Err(found) = forced.saturate(budget) {
        return found;
    }
    if let Some(found) = guided(transactions, &mut forced, RUNS_FEW, budget) {
        return found;
    }
    match solver::decide(transactions, &forced, &budget.at_most(STEPS_FEW)) {
        Found::Stopped(_) if budget.exceeded().is_none() => {}
        found => return found,
    }
    let found = guided(transactions, &mut forced, RUNS_MANY, budget);
    found.unwrap_or_else(|| solver::decide(transactions, &forced, budget))
}

/// Runs and learns; what was learned may force more. `None` if that does not decide.
fn guided(transactions: &Transactions, forced: &mut Forced<'_>, runs: u64, budget: &Budget) -> Option<Found> {
    match Run::new(transactions, forced).guided(forced, runs, budget) {
        Guided::Found(found) => Some(found),
        Guided::Unclear => forced.saturate(budget).err(),
    }
}

/// The independent check of an order. O(accesses).
///
/// # Errors
/// Why it is not sequentially consistent.
pub fn replay(transactions: &Transactions, order: &[u32]) -> Result<(), Flaw> {
    view(transactions, order, false, |_| true)
}
