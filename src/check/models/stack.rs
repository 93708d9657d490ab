//! A last-in-first-out stack.

use super::container_call::{ContainerCall, Words};
use super::{Effect, Model, ModelInfo, NotThisModel};
use crate::check::persistent::PersistentMap;
use crate::history::Operation;

pub(super) const STACK: ModelInfo = ModelInfo {
    name: "stack",
    about: "a stack that hands out the youngest value first",
    functions: "push value, pop -> value (nil or :empty when there is none)",
};

const WORDS: Words = Words { model: STACK.name, insert: &["push"], take: &["pop"], expected: "it has push and pop" };

/// The model.
#[derive(Clone, Debug, Default)]
pub struct Stack;

/// The values on the stack by their height, from 0.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct StackState {
    heights: PersistentMap,
}

impl StackState {
    fn height(&self) -> u64 {
        self.heights.len() as u64
    }

    fn top(&self) -> Option<u32> {
        self.heights.get(self.height().checked_sub(1)?)
    }

    fn without_top(&self) -> Self {
        Self { heights: self.heights.without(self.height().saturating_sub(1)) }
    }
}

impl Model for Stack {
    type State = StackState;
    type Call = ContainerCall;

    fn initial(&self) -> StackState {
        StackState::default()
    }

    fn call(&self, operation: &Operation<'_>) -> Result<Option<ContainerCall>, NotThisModel> {
        WORDS.read(operation)
    }

    fn step(&self, state: &StackState, call: &ContainerCall) -> Option<StackState> {
        match *call {
            ContainerCall::Insert(value) => {
                Some(StackState { heights: state.heights.with(state.height(), value.raw()) })
            }
            ContainerCall::Take(value) => (state.top()? == value.raw()).then(|| state.without_top()),
            ContainerCall::TakeNothing => state.heights.is_empty().then(|| state.clone()),
            ContainerCall::TakeUnknown => Some(state.without_top()),
        }
    }

    fn effect(&self, call: &ContainerCall) -> Effect<StackState> {
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
