//! One part for each key.
//!
//! A history is linearizable if and only if its restriction to each object is (Herlihy and Wing 1990, Theorem 1).
//! This does not hold for sequential or causal consistency, nor where one operation touches several keys.

use crate::history::{History, OpId, ValueId};
use rustc_hash::FxHashMap;

/// The operations of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Which; [`ValueId::ABSENT`] for operations without one.
    pub key: ValueId,
    /// Its operations in order of invocation.
    pub ops: Vec<OpId>,
}

/// The parts in order of their first operations. O(n).
#[must_use]
pub fn by_key(history: &History) -> Vec<Part> {
    let mut index = FxHashMap::default();
    let mut parts: Vec<Part> = Vec::new();
    for (at, &key) in history.keys().iter().enumerate() {
        let part = *index.entry(key).or_insert_with(|| {
            parts.push(Part { key, ops: Vec::new() });
            parts.len() - 1
        });
        parts[part].ops.push(OpId(u32::try_from(at).expect("operations are counted in 32 bits")));
    }
    parts
}
