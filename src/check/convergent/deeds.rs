//! What operations did with keys, one entry for each key that they saw or wrote, and what was asked when the work was over.
//!
//! A single read, write or compare-and-set is a transaction of its own. What a transaction read of its own writes says
//! nothing about others and is left out. O(accesses).

use crate::check::judge::Question;
use crate::check::transactions::Source;
use crate::history::{History, OpId, Outcome, ValueId};
use rustc_hash::{FxHashMap, FxHashSet};

/// What an operation did with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Did {
    /// It found that value, which is not its own, and completed.
    Saw(ValueId),
    /// It wrote that value, and another one after it.
    Passed(ValueId),
    /// It left that value.
    Left(ValueId),
}

/// One entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deed {
    pub(super) op: OpId,
    pub(super) key: ValueId,
    pub(super) did: Did,
}

/// A key that was asked for when the work was over, and the answer if there was one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask {
    pub(super) op: OpId,
    pub(super) key: ValueId,
    pub(super) told: Option<ValueId>,
}

/// Both, each in the order of the operations.
#[derive(Debug, Default)]
pub(super) struct Deeds {
    pub(super) all: Vec<Deed>,
    pub(super) asks: Vec<Ask>,
}

impl Deeds {
    /// Of a history whose work ended before the operation `end`.
    ///
    /// # Errors
    /// Why its operations are no reads and writes of keys, in words.
    pub(super) fn of(history: &History, question: &Question, end: OpId) -> Result<Self, String> {
        let source = Source::new(history, question);
        let mut deeds = Self::default();
        let mut accesses = Vec::new();
        for operation in history.operations() {
            let op = operation.id();
            accesses.clear();
            source.accesses(op, |access| accesses.push(access))?;
            // By key: how many writes are still to come, and what was seen at last.
            let mut to_come: FxHashMap<ValueId, usize> = FxHashMap::default();
            for access in accesses.iter().filter(|access| access.writes) {
                *to_come.entry(access.key).or_default() += 1;
            }
            let mut own: FxHashSet<ValueId> = FxHashSet::default();
            let mut told: FxHashMap<ValueId, ValueId> = FxHashMap::default();
            for access in &accesses {
                let did = if access.writes {
                    own.insert(access.key);
                    let rest = to_come.entry(access.key).or_default();
                    *rest -= 1;
                    if *rest == 0 { Did::Left(access.value) } else { Did::Passed(access.value) }
                } else if operation.outcome() == Outcome::Completed && !own.contains(&access.key) {
                    told.insert(access.key, access.value);
                    Did::Saw(access.value)
                } else {
                    continue;
                };
                deeds.all.push(Deed { op, key: access.key, did });
            }
            if op >= end {
                source.asked(op, |key| deeds.asks.push(Ask { op, key, told: told.get(&key).copied() }));
            }
        }
        Ok(deeds)
    }
}
