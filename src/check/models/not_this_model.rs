//! The error about an operation that means nothing to a model.

use crate::history::{OpId, Operation};

/// An operation that means nothing to a model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("operation '{function}' with value {value} is not one of model '{model}': {expected}")]
pub struct NotThisModel {
    /// Which operation.
    pub op: OpId,
    /// The line of its invocation, from 1.
    pub line: u32,
    /// The model.
    pub model: &'static str,
    /// Its function.
    pub function: String,
    /// Its value.
    pub value: String,
    /// What the model expects, in words.
    pub expected: &'static str,
}

impl NotThisModel {
    /// The error about `operation`.
    #[must_use]
    pub fn new(model: &'static str, operation: &Operation<'_>, expected: &'static str) -> Self {
        let result = operation.result();
        let value = if result.is_absent() { operation.argument_value() } else { operation.result_value() };
        Self {
            op: operation.id(),
            line: operation.line(),
            model,
            function: operation.function().to_owned(),
            value: value.to_string(),
            expected,
        }
    }
}
