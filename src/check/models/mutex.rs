//! A mutual exclusion lock that does not know who holds it: anybody may release it.

use super::{Model, ModelInfo, NotThisModel};
use crate::history::{Operation, Outcome};

pub(super) const MUTEX: ModelInfo = ModelInfo {
    name: "mutex",
    about: "a lock that is free or held; anybody may release it",
    functions: "acquire, release",
};

/// The model.
#[derive(Clone, Debug, Default)]
pub struct Mutex;

/// One operation on a lock or on one permit of a semaphore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MutexCall {
    /// Found it free and took it.
    Acquire,
    /// Found it held and freed it.
    Release,
}

/// Reads `acquire` (or `lock`) and `release` (or `unlock`).
pub(super) fn acquire_or_release(
    model: &'static str,
    operation: &Operation<'_>,
) -> Result<Option<MutexCall>, NotThisModel> {
    let call = match operation.function() {
        "acquire" | "lock" => MutexCall::Acquire,
        "release" | "unlock" => MutexCall::Release,
        _ => return Err(NotThisModel::new(model, operation, "it has acquire and release")),
    };
    Ok((operation.outcome() != Outcome::Rejected).then_some(call))
}

impl Model for Mutex {
    /// Whether it is held.
    type State = bool;
    type Call = MutexCall;

    fn initial(&self) -> bool {
        false
    }

    fn call(&self, operation: &Operation<'_>) -> Result<Option<MutexCall>, NotThisModel> {
        acquire_or_release(MUTEX.name, operation)
    }

    fn step(&self, held: &bool, call: &MutexCall) -> Option<bool> {
        let acquires = *call == MutexCall::Acquire;
        (*held != acquires).then_some(acquires)
    }

    fn describe(&self, held: &bool) -> String {
        if *held { "held".to_owned() } else { "free".to_owned() }
    }
}
