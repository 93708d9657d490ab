//! A counting semaphore: a number of permits that are taken and given back.

use super::mutex::{MutexCall, acquire_or_release};
use super::{Model, ModelInfo, NotThisModel};
use crate::history::{Operation, ValueRef};

pub(super) const SEMAPHORE: ModelInfo = ModelInfo {
    name: "semaphore",
    about: "so many permits (the initial value); anybody may give back what was taken",
    functions: "acquire [permits, else 1], release [permits, else 1]",
};

/// The model.
#[derive(Clone, Debug)]
pub struct Semaphore {
    permits: u32,
}

/// Takes or gives back some permits at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SemaphoreCall {
    /// Which.
    pub kind: MutexCall,
    /// How many.
    pub permits: u32,
}

impl Semaphore {
    /// A semaphore with so many permits.
    #[must_use]
    pub fn new(permits: u32) -> Self {
        Self { permits }
    }

    /// How many permits there are.
    #[must_use]
    pub fn permits(&self) -> u32 {
        self.permits
    }
}

impl Model for Semaphore {
    /// How many permits are taken.
    type State = u32;
    type Call = SemaphoreCall;

    fn initial(&self) -> u32 {
        0
    }

    fn call(&self, operation: &Operation<'_>) -> Result<Option<SemaphoreCall>, NotThisModel> {
        let Some(kind) = acquire_or_release(SEMAPHORE.name, operation)? else { return Ok(None) };
        let permits = match operation.values().get(operation.argument()) {
            ValueRef::Nil => Some(1),
            ValueRef::Int(number) => u32::try_from(number).ok(),
            _ => None,
        };
        let permits = permits
            .ok_or_else(|| NotThisModel::new(SEMAPHORE.name, operation, "a value is a number of permits, or nil"))?;
        Ok(Some(SemaphoreCall { kind, permits }))
    }

    fn step(&self, taken: &u32, call: &SemaphoreCall) -> Option<u32> {
        match call.kind {
            MutexCall::Acquire => taken.checked_add(call.permits).filter(|&taken| taken <= self.permits),
            MutexCall::Release => taken.checked_sub(call.permits),
        }
    }

    fn describe(&self, taken: &u32) -> String {
        format!("{taken} of {} permits taken", self.permits)
    }
}
