//! A queue that hands out its values in any order: a multiset.
//!
//! An indeterminate removal may have taken any value that was there. That is a choice, and models are
//! deterministic, so the state puts the choice off: it counts such removals and remembers for each value how many
//! there had been when the value came. Only an observation of emptiness has to know, and then it is enough that
//! the values still there can be assigned to different removals that came after them.

use super::container_call::{ContainerCall, Words};
use super::{Effect, Model, ModelInfo, NotThisModel};
use crate::check::persistent::PersistentMap;
use crate::history::{Operation, ValueId};

pub(super) const UNORDERED_QUEUE: ModelInfo = ModelInfo {
    name: "unordered-queue",
    about: "a queue that hands out each value once, in any order",
    functions: "enqueue value, dequeue -> value (nil or :empty when there is none)",
};

const WORDS: Words = Words {
    model: UNORDERED_QUEUE.name,
    insert: &["enqueue", "enq"],
    take: &["dequeue", "deq"],
    expected: "it has enqueue and dequeue",
};

/// The model.
#[derive(Clone, Debug, Default)]
pub struct UnorderedQueue;

/// The values in the queue.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct UnorderedState {
    /// How many copies there are of a value that came after so many removals of something unknown.
    copies: PersistentMap,
    /// Removals of something unknown since the queue was last seen empty.
    unknown: u32,
}

/// The key of a value that came after `unknown` removals of something unknown.
fn key(value: ValueId, unknown: u32) -> u64 {
    u64::from(unknown) << 32 | u64::from(value.raw())
}

impl UnorderedState {
    fn with(&self, value: ValueId) -> Self {
        let key = key(value, self.unknown);
        let copies = self.copies.get(key).unwrap_or(0) + 1;
        Self { copies: self.copies.with(key, copies), unknown: self.unknown }
    }

    /// Takes the youngest copy: fewer unknown removals can have taken it than an older one.
    fn without(&self, value: ValueId) -> Option<Self> {
        let key =
            (0..=self.unknown).rev().map(|unknown| key(value, unknown)).find(|&key| self.copies.get(key).is_some())?;
        let copies = match self.copies.get(key)? {
            1 => self.copies.without(key),
            several => self.copies.with(key, several - 1),
        };
        Some(Self { copies, unknown: self.unknown })
    }

    /// Whether all that is left can have gone into the unknown removals. Youngest first, each value takes one of
    /// those that came after it; so few must be wanted by the values that came after any number of them.
    fn can_be_empty(&self) -> bool {
        let mut youngest_first = self.copies.entries();
        youngest_first.reverse();
        let mut wanted = 0;
        youngest_first.iter().all(|&(key, copies)| {
            wanted += u64::from(copies);
            wanted <= u64::from(self.unknown) - (key >> 32)
        })
    }
}

impl Model for UnorderedQueue {
    type State = UnorderedState;
    type Call = ContainerCall;

    fn initial(&self) -> UnorderedState {
        UnorderedState::default()
    }

    fn call(&self, operation: &Operation<'_>) -> Result<Option<ContainerCall>, NotThisModel> {
        WORDS.read(operation)
    }

    fn step(&self, state: &UnorderedState, call: &ContainerCall) -> Option<UnorderedState> {
        match *call {
            ContainerCall::Insert(value) => Some(state.with(value)),
            ContainerCall::Take(value) => state.without(value),
            ContainerCall::TakeNothing => state.can_be_empty().then(UnorderedState::default),
            // What is in an empty queue cannot be taken later either.
            ContainerCall::TakeUnknown if state.copies.is_empty() => Some(state.clone()),
            ContainerCall::TakeUnknown => {
                Some(UnorderedState { copies: state.copies.clone(), unknown: state.unknown + 1 })
            }
        }
    }

    /// Nothing is only observed here: to see emptiness settles what the unknown removals took.
    fn effect(&self, _: &ContainerCall) -> Effect<UnorderedState> {
        Effect::Update
    }

    /// A removal needs the insertions of its value. An insertion needs the removals that may have taken its value,
    /// or an observation of emptiness would no longer hold.
    fn needs(&self, kept: &ContainerCall, other: &ContainerCall) -> bool {
        match (*kept, *other) {
            (ContainerCall::Insert(value), ContainerCall::Take(taken)) => value == taken,
            (ContainerCall::Take(value), ContainerCall::Insert(inserted)) => value == inserted,
            (ContainerCall::Insert(_), ContainerCall::TakeUnknown) => true,
            _ => false,
        }
    }
}
