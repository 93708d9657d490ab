//! One object's operations, compiled for a model: what a decider of linearizability is given.

use super::models::{Model, NotThisModel};
use crate::history::{History, OpId, Outcome, Rank};

/// The return of an operation that may take effect at any later time, or never.
pub const NEVER: u32 = u32::MAX;

/// The calls of one object in order of invocation, column by column.
///
/// `invoked` and `returned` are ranks of the history's events: all different (but [`NEVER`]), and `a` precedes
/// `b` in real time exactly when `returned[a] < invoked[b]`. A linearization orders all calls that returned
/// and any of the others, respects that order, and is legal for the model.
#[derive(Clone, Debug)]
pub struct Problem<M: Model> {
    /// The sequential specification.
    pub model: M,
    /// What each operation does and returned.
    pub calls: Vec<M::Call>,
    /// The rank of each invocation, ascending.
    pub invoked: Vec<u32>,
    /// The rank of each return, or [`NEVER`].
    pub returned: Vec<u32>,
    /// Which operation of the history each one is.
    pub ops: Vec<OpId>,
}

impl<M: Model> Problem<M> {
    /// A problem without operations.
    #[must_use]
    pub fn empty(model: M) -> Self {
        Self { model, calls: Vec::new(), invoked: Vec::new(), returned: Vec::new(), ops: Vec::new() }
    }

    /// Compiles those operations of a history (ascending ids). Operations that the model says have neither an
    /// effect nor a constraint are left out.
    ///
    /// # Errors
    /// The first operation that the model does not know.
    pub fn compile(model: M, history: &History, ids: impl IntoIterator<Item = OpId>) -> Result<Self, NotThisModel> {
        let mut problem = Self::empty(model);
        for id in ids {
            let operation = history.operation(id);
            let Some(call) = problem.model.call(&operation)? else { continue };
            let returned = match operation.outcome() {
                Outcome::Indeterminate => NEVER,
                Outcome::Completed | Outcome::Rejected => operation.returned().0,
            };
            problem.push(call, operation.called(), Rank(returned), id);
        }
        Ok(problem)
    }

    /// Adds a call; invocations come in ascending order.
    pub fn push(&mut self, call: M::Call, invoked: Rank, returned: Rank, id: OpId) {
        debug_assert!(self.invoked.last().is_none_or(|&last| last < invoked.0), "calls come in order of invocation");
        self.calls.push(call);
        self.invoked.push(invoked.0);
        self.returned.push(returned.0);
        self.ops.push(id);
    }

    /// How many calls there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.calls.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Only the calls at those places (ascending).
    #[must_use]
    pub fn select(&self, keep: &[usize]) -> Self {
        Self {
            model: self.model.clone(),
            calls: keep.iter().map(|&at| self.calls[at].clone()).collect(),
            invoked: keep.iter().map(|&at| self.invoked[at]).collect(),
            returned: keep.iter().map(|&at| self.returned[at]).collect(),
            ops: keep.iter().map(|&at| self.ops[at]).collect(),
        }
    }

    /// What was known when the event of that rank had happened: later invocations are gone, later returns have
    /// not been seen yet. Linearizable if the whole is (the converse does not hold).
    #[must_use]
    pub fn prefix(&self, last_event: u32) -> Self {
        let known = self.invoked.partition_point(|&invoked| invoked <= last_event);
        let mut prefix = self.select(&(0..known).collect::<Vec<_>>());
        for returned in &mut prefix.returned {
            if *returned > last_event {
                *returned = NEVER;
            }
        }
        prefix
    }
}
