//! What a sequential specification must say of itself.

use super::NotThisModel;
use crate::history::{Operation, ValueId};
use std::fmt::Debug;
use std::hash::Hash;

/// A deterministic sequential specification of one object.
///
/// The state is what the object remembers, a call is an operation with its argument *and its observed result*.
pub trait Model: Clone + Send + Sync + 'static {
    /// What the object remembers. Small and cheap to hash: it is copied once for each configuration searched.
    type State: Clone + Eq + Hash + Debug + Send + Sync;
    /// One operation with its argument and observed result.
    type Call: Clone + Eq + Hash + Debug + Send + Sync;

    /// The state before any operation.
    fn initial(&self) -> Self::State;

    /// Reads an operation of a history. `None` if it has neither effect nor constraint: a rejected write, an
    /// indeterminate read.
    ///
    /// An indeterminate operation has no result; its call must then be legal wherever it can have happened.
    ///
    /// # Errors
    /// [`NotThisModel`] if the function or its value means nothing to this model.
    fn call(&self, operation: &Operation<'_>) -> Result<Option<Self::Call>, NotThisModel>;

    /// The state after `call`, or `None` if it cannot return what it returned in this state.
    fn step(&self, state: &Self::State, call: &Self::Call) -> Option<Self::State>;

    /// What is known of a call without a state; the default claims nothing. Deciders rely on it.
    fn effect(&self, call: &Self::Call) -> Effect<Self::State> {
        let _ = call;
        Effect::Update
    }

    /// Whether a set of operations that keeps `kept` must keep `other` too to say anything about the whole.
    ///
    /// Soundness of shrinking rests on this: whenever a legal sequence is restricted to a set of calls that is
    /// closed under `needs`, the rest must still be legal. A register's read needs the writes of the value
    /// that it returned, and nothing else. The default (everything) is always sound.
    fn needs(&self, kept: &Self::Call, other: &Self::Call) -> bool {
        let _ = (kept, other);
        true
    }

    /// The call with its observation forgotten, if it then still has an effect: a compare-and-set becomes a write.
    ///
    /// Must be weaker: wherever `call` is legal, the result is legal and leads to the same state.
    fn forget(&self, call: &Self::Call) -> Option<Self::Call> {
        let _ = call;
        None
    }

    /// Whether `needs` only ever asks for operations that come before the kept one in every order. Shrinking may then
    /// ignore operations that were invoked after the kept one had returned, and those that were certainly overwritten
    /// (followed, strictly between in real time, by a completed change that the kept one does not need).
    fn needs_only_the_past(&self) -> bool {
        false
    }

    /// The call as if it had returned `value` instead: for saying what it had to return. `None` if it returns nothing.
    fn returning(&self, call: &Self::Call, value: ValueId) -> Option<Self::Call> {
        let _ = (call, value);
        None
    }

    /// The value that an untouched object holds, if it holds one.
    fn holds_initially(&self) -> Option<ValueId> {
        None
    }

    /// A state in words, short.
    fn describe(&self, state: &Self::State) -> String {
        format!("{state:?}")
    }

    /// The value that the call found in the object, if it found one.
    fn observes(&self, call: &Self::Call) -> Option<ValueId> {
        let _ = call;
        None
    }

    /// The values that an operation with this call may put into the object for a later one to return.
    fn produces(&self, call: &Self::Call) -> Option<ValueId> {
        let _ = call;
        None
    }

    /// Whether each key is an object of its own, so that keys can be judged apart (Herlihy and Wing 1990, §3.3:
    /// linearizability is local).
    fn partitions_by_key(&self) -> bool {
        true
    }
}

/// What a call does, as far as it is known without a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect<S> {
    /// It never changes the state (a read, a failed compare-and-set).
    Observe,
    /// It is legal in every state and leads to this one (a blind write).
    Overwrite(S),
    /// Anything else.
    Update,
}
