//! A text by key: get, put, append.
//!
//! The model of Porcupine's key-value logs. One object is one key's text, empty at first.

use super::{Effect, Model, ModelInfo, NotThisModel};
use crate::history::{Operation, Outcome, ValueId, ValueRef};
use std::sync::Arc;

pub(super) const KV_APPEND: ModelInfo = ModelInfo {
    name: "kv-append",
    about: "a text by key that grows by appending; empty at first",
    functions: "get -> text, put text, append text",
};

const EXPECTED: &str = "it has get, put and append, and its values are texts";

/// The model.
#[derive(Clone, Debug, Default)]
pub struct KvAppend;

/// One operation on a text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KvAppendCall {
    /// Returned this text.
    Get(Arc<str>),
    /// Replaced the text.
    Put(Arc<str>),
    /// Put this behind the text.
    Append(Arc<str>),
}

/// A text; none is the empty one, a number is its digits.
fn text(operation: &Operation<'_>, id: ValueId) -> Result<Arc<str>, NotThisModel> {
    match operation.values().get(id) {
        ValueRef::Nil => Ok("".into()),
        ValueRef::Text(text) => Ok(text.into()),
        ValueRef::Int(number) => Ok(number.to_string().into()),
        _ => Err(NotThisModel::new(KV_APPEND.name, operation, EXPECTED)),
    }
}

impl Model for KvAppend {
    type State = Arc<str>;
    type Call = KvAppendCall;

    fn initial(&self) -> Arc<str> {
        "".into()
    }

    fn call(&self, operation: &Operation<'_>) -> Result<Option<KvAppendCall>, NotThisModel> {
        let outcome = operation.outcome();
        match operation.function() {
            "get" if outcome != Outcome::Completed => Ok(None),
            "get" => Ok(Some(KvAppendCall::Get(text(operation, operation.result())?))),
            "put" | "append" if outcome == Outcome::Rejected => Ok(None),
            "put" => Ok(Some(KvAppendCall::Put(text(operation, operation.argument())?))),
            "append" => Ok(Some(KvAppendCall::Append(text(operation, operation.argument())?))),
            _ => Err(NotThisModel::new(KV_APPEND.name, operation, EXPECTED)),
        }
    }

    fn step(&self, state: &Arc<str>, call: &KvAppendCall) -> Option<Arc<str>> {
        match call {
            KvAppendCall::Get(seen) => (state == seen).then(|| state.clone()),
            KvAppendCall::Put(text) => Some(text.clone()),
            KvAppendCall::Append(text) => Some(format!("{state}{text}").into()),
        }
    }

    fn effect(&self, call: &KvAppendCall) -> Effect<Arc<str>> {
        match call {
            KvAppendCall::Get(_) => Effect::Observe,
            KvAppendCall::Put(text) => Effect::Overwrite(text.clone()),
            KvAppendCall::Append(_) => Effect::Update,
        }
    }

    /// What was seen needs every put and append: any of them may be part of it, or have replaced what is not.
    fn needs(&self, kept: &KvAppendCall, other: &KvAppendCall) -> bool {
        matches!(kept, KvAppendCall::Get(_)) && !matches!(other, KvAppendCall::Get(_))
    }
}
