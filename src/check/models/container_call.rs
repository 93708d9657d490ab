//! The operations that queues and stacks share: put something in, take something out.

use super::NotThisModel;
use crate::history::{Operation, Outcome, ValueId, ValueRef};

/// One operation on a queue or a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ContainerCall {
    /// Puts this value in.
    Insert(ValueId),
    /// Takes this value out.
    Take(ValueId),
    /// Finds nothing to take.
    TakeNothing,
    /// Nobody knows what it took: an indeterminate removal. On an empty container it takes nothing.
    TakeUnknown,
}

/// The words of a container's two operations and of the model itself.
pub(super) struct Words {
    pub model: &'static str,
    pub insert: &'static [&'static str],
    pub take: &'static [&'static str],
    pub expected: &'static str,
}

impl Words {
    /// Reads an operation. A removal that completed with `nil` or `:empty` found nothing.
    pub(super) fn read(&self, operation: &Operation<'_>) -> Result<Option<ContainerCall>, NotThisModel> {
        let outcome = operation.outcome();
        if self.insert.contains(&operation.function()) {
            let argument = operation.argument();
            let value = if argument.is_absent() { ValueId::NIL } else { argument };
            return Ok((outcome != Outcome::Rejected).then_some(ContainerCall::Insert(value)));
        }
        if !self.take.contains(&operation.function()) {
            return Err(NotThisModel::new(self.model, operation, self.expected));
        }
        Ok(match outcome {
            Outcome::Rejected => None,
            Outcome::Indeterminate => Some(ContainerCall::TakeUnknown),
            Outcome::Completed => Some(match operation.values().get(operation.result()) {
                ValueRef::Nil | ValueRef::Text("empty") => ContainerCall::TakeNothing,
                _ => ContainerCall::Take(operation.result()),
            }),
        })
    }
}

impl ContainerCall {
    /// What a value's operations need of each other in an ordered container: an insertion needs every removal that
    /// may have taken its value, for otherwise the value would stay and be in the way; a removal needs every
    /// insertion that may have put its value there.
    pub(super) fn needs_in_order(self, other: Self) -> bool {
        match (self, other) {
            (Self::Insert(value), Self::Take(taken)) => value == taken,
            (Self::Take(value), Self::Insert(inserted)) => value == inserted,
            (Self::Insert(_), Self::TakeUnknown) | (Self::TakeUnknown, Self::Insert(_)) => true,
            _ => false,
        }
    }
}
