//! A set: add, remove, ask for one element, read all.

use super::{Effect, Model, ModelInfo, NotThisModel};
use crate::check::persistent::PersistentMap;
use crate::history::{Operation, Outcome, ValueId, ValueRef};
use std::sync::Arc;

pub(super) const SET: ModelInfo = ModelInfo {
    name: "set",
    about: "a set of elements; a read returns all of them",
    functions: "add element [-> whether it was new], remove element [-> whether it was there], \
                contains element -> bool, read -> elements",
};

const EXPECTED: &str = "it has add, remove, contains (completed with a bool) and read (completed with a list)";

/// The model.
#[derive(Clone, Debug, Default)]
pub struct Set;

/// The elements.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct SetState {
    elements: PersistentMap,
}

/// One operation on a set.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SetCall {
    /// Put an element in.
    Add {
        /// Which.
        element: ValueId,
        /// Whether it was new, if that was told.
        changed: Option<bool>,
    },
    /// Took an element out.
    Remove {
        /// Which.
        element: ValueId,
        /// Whether it was there, if that was told.
        changed: Option<bool>,
    },
    /// Asked for an element.
    Contains {
        /// Which.
        element: ValueId,
        /// Whether it was there.
        found: bool,
    },
    /// Saw exactly these elements (ascending ids, no repetition).
    Read(Arc<[ValueId]>),
}

impl SetCall {
    /// A read of these elements.
    #[must_use]
    pub fn read(mut elements: Vec<ValueId>) -> Self {
        elements.sort_unstable();
        elements.dedup();
        Self::Read(elements.into())
    }

    /// The one element that it is about, if it is no read of all.
    #[must_use]
    pub fn element(&self) -> Option<ValueId> {
        match *self {
            Self::Add { element, .. } | Self::Remove { element, .. } | Self::Contains { element, .. } => Some(element),
            Self::Read(_) => None,
        }
    }

    fn may_change(&self) -> bool {
        match self {
            Self::Add { changed, .. } | Self::Remove { changed, .. } => *changed != Some(false),
            Self::Contains { .. } | Self::Read(_) => false,
        }
    }
}

fn truth(operation: &Operation<'_>) -> Option<bool> {
    match operation.values().get(operation.result()) {
        ValueRef::Bool(truth) => Some(truth),
        _ => None,
    }
}

/// Whether an element changed the set, if a completed operation told so; the element itself tells nothing.
fn changed(operation: &Operation<'_>) -> Option<bool> {
    let told = operation.outcome() == Outcome::Completed && operation.result() != operation.argument();
    truth(operation).filter(|_| told)
}

impl Model for Set {
    type State = SetState;
    type Call = SetCall;

    fn initial(&self) -> SetState {
        SetState::default()
    }

    fn call(&self, operation: &Operation<'_>) -> Result<Option<SetCall>, NotThisModel> {
        let element = operation.argument();
        let unknown = || NotThisModel::new(SET.name, operation, EXPECTED);
        let call = match (operation.function(), operation.outcome()) {
            ("add" | "remove", Outcome::Rejected)
            | ("contains" | "read", Outcome::Rejected | Outcome::Indeterminate) => return Ok(None),
            ("add", _) => SetCall::Add { element, changed: changed(operation) },
            ("remove", _) => SetCall::Remove { element, changed: changed(operation) },
            ("contains", Outcome::Completed) => {
                SetCall::Contains { element, found: truth(operation).ok_or_else(unknown)? }
            }
            ("read", Outcome::Completed) => {
                SetCall::read(operation.values().items(operation.result()).ok_or_else(unknown)?.to_vec())
            }
            _ => return Err(unknown()),
        };
        Ok(Some(call))
    }

    fn step(&self, state: &SetState, call: &SetCall) -> Option<SetState> {
        let has = |element: ValueId| state.elements.get(u64::from(element.raw())).is_some();
        match call {
            SetCall::Add { element, changed } => {
                let key = u64::from(element.raw());
                let new = !has(*element);
                changed.is_none_or(|changed| changed == new).then(|| SetState { elements: state.elements.with(key, 1) })
            }
            SetCall::Remove { element, changed } => {
                let key = u64::from(element.raw());
                let there = has(*element);
                changed
                    .is_none_or(|changed| changed == there)
                    .then(|| SetState { elements: state.elements.without(key) })
            }
            SetCall::Contains { element, found } => (has(*element) == *found).then(|| state.clone()),
            SetCall::Read(seen) => {
                let same = seen.len() == state.elements.len() && seen.iter().all(|&element| has(element));
                same.then(|| state.clone())
            }
        }
    }

    fn effect(&self, call: &SetCall) -> Effect<SetState> {
        if call.may_change() { Effect::Update } else { Effect::Observe }
    }

    /// What happened to an element needs all that can have changed that element; a read needs that of the elements
    /// that it saw. Elements are then there as a whole or not at all, and a read sees the same of those that are.
    fn needs(&self, kept: &SetCall, other: &SetCall) -> bool {
        let Some(element) = other.element().filter(|_| other.may_change()) else { return false };
        match kept {
            SetCall::Read(seen) => seen.binary_search(&element).is_ok(),
            _ => kept.element() == Some(element),
        }
    }
}
