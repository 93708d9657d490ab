//! A first-in-first-out queue.

use super::container_call::{ContainerCall, Words};
use super::{Effect, Model, ModelInfo, NotThisModel};
use crate::check::persistent::PersistentMap;
use crate::history::Operation;

pub(super) const FIFO_QUEUE: ModelInfo = ModelInfo {
    name: "fifo-queue",
    about: "a queue that hands out values in the order in which they came",
    functions: "enqueue value, dequeue -> value (nil or :empty when there is none)",
};

const WORDS: Words = Words {
    model: FIFO_QUEUE.name,
    insert: &["enqueue", "enq"],
    take: &["dequeue", "deq"],
    expected: "it has enqueue and dequeue",
};

/// The model.
#[derive(Clone, Debug, Default)]
pub struct FifoQueue;

/// The values in the queue, at consecutive places.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct FifoState {
    places: PersistentMap,
    /// The place of the oldest value.
    front: u64,
    /// The place behind the youngest.
    back: u64,
}

impl FifoState {
    fn front(&self) -> Option<u32> {
        self.places.get(self.front)
    }

    fn without_front(&self) -> Self {
        Self { places: self.places.without(self.front), front: self.front + 1, back: self.back }
    }
}

impl Model for FifoQueue {
    type State = FifoState;
    type Call = ContainerCall;

    fn initial(&self) -> FifoState {
        FifoState::default()
    }

    fn call(&self, operation: &Operation<'_>) -> Result<Option<ContainerCall>, NotThisModel> {
        WORDS.read(operation)
    }

    fn step(&self, state: &FifoState, call: &ContainerCall) -> Option<FifoState> {
        match *call {
            ContainerCall::Insert(value) => {
                let places = state.places.with(state.back, value.raw());
                Some(FifoState { places, front: state.front, back: state.back + 1 })
            }
            ContainerCall::Take(value) => (state.front()? == value.raw()).then(|| state.without_front()),
            ContainerCall::TakeNothing => state.front().is_none().then(|| state.clone()),
            ContainerCall::TakeUnknown if state.front().is_none() => Some(state.clone()),
            ContainerCall::TakeUnknown => Some(state.without_front()),
        }
    }

    fn effect(&self, call: &ContainerCall) -> Effect<FifoState> {
        match call {
            ContainerCall::TakeNothing => Effect::Observe,
            _ => Effect::Update,
        }
    }

    /// All operations of a value, together; with removals that may have taken anything, all operations.
    fn needs(&self, kept: &ContainerCall, other: &ContainerCall) -> bool {
        kept.needs_in_order(*other)
    }
}
