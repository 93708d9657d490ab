//! What keys hold before anybody writes them.
//!
//! A map as the initial value says it key by key where one object holds many keys, as in transactions; of registers that
//! stand for themselves it is the value.

use super::judge::Question;
use crate::history::{History, Value, ValueId};
use rustc_hash::FxHashMap;

/// See the module.
#[derive(Clone, Debug)]
pub(super) enum Initial {
    Same(ValueId),
    ByKey(FxHashMap<ValueId, ValueId>),
}

impl Initial {
    /// As asked, else as the history tells, else nil.
    pub(super) fn of(history: &History, question: &Question) -> Self {
        let id = |value: &Value| history.values().id_of(value);
        let model = question.model.as_deref().or(history.header().model.as_deref());
        let has_keys = model.map_or_else(|| history.functions().find("txn").is_some(), |name| name == "multi-register");
        match question.initial.as_ref().or(history.header().initial.as_ref()) {
            None => Self::Same(ValueId::NIL),
            Some(Value::Map(pairs)) if has_keys => {
                Self::ByKey(pairs.iter().map(|(key, value)| (id(key), id(value))).collect())
            }
            Some(value) => Self::Same(id(value)),
        }
    }

    /// What a key holds.
    pub(super) fn value_of(&self, key: ValueId) -> ValueId {
        match self {
            Self::Same(value) => *value,
            Self::ByKey(values) => values.get(&key).copied().unwrap_or(ValueId::NIL),
        }
    }
}
