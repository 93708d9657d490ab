//! All accesses of all transactions, one after the other, keys by number: read from the history once, since every access
//! there is a list among other values.

use super::layout::Layout;
use super::source::{Access, Source};
use super::written::Written;
use crate::check::transactions::{Rows, index};
use crate::history::{OpId, Outcome, ValueId};
use rustc_hash::FxHashMap;

/// Whole numbers below this are keys that an array knows.
const SMALL_MAX: usize = 1 << 20;
/// Nobody has this number.
const NONE: u32 = u32::MAX;

/// The numbers of keys, in the order in which they occur.
#[derive(Default)]
pub(super) struct Names {
    small: Vec<u32>,
    others: FxHashMap<ValueId, u32>,
    pub(super) keys: Vec<ValueId>,
}

impl Names {
    pub(super) fn of(&mut self, key: ValueId) -> u32 {
        let Self { small, others, keys } = self;
        let number = match key.as_small().map(|raw| raw as usize).filter(|&raw| raw < SMALL_MAX) {
            Some(raw) => {
                if small.len() <= raw {
                    small.resize(raw + 1, NONE);
                }
                &mut small[raw]
            }
            None => others.entry(key).or_insert(NONE),
        };
        if *number == NONE {
            *number = index(keys.len());
            keys.push(key);
        }
        *number
    }
}

/// One access.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flat {
    /// The key, twice, and 1 more for a write.
    key: u32,
    pub(super) value: ValueId,
}

impl Flat {
    pub(super) fn key(self) -> u32 {
        self.key >> 1
    }

    pub(super) fn writes(self) -> bool {
        self.key & 1 == 1
    }
}

/// The accesses of every transaction.
pub(super) struct Accesses {
    pub(super) rows: Rows<Flat>,
    pub(super) names: Names,
    writes: usize,
    /// Who wrote what had no effect.
    pub(super) aborted: FxHashMap<(u32, ValueId), OpId>,
}

impl Accesses {
    pub(super) fn of(source: &Source<'_>, layout: &Layout) -> Result<Self, String> {
        let (mut rows, mut names, mut writes) = (Rows::with_capacity(layout.ops.len()), Names::default(), 0);
        for &op in &layout.ops {
            source.accesses(op, |Access { key, value, writes: is_write }| {
                rows.push(Flat { key: names.of(key) << 1 | u32::from(is_write), value });
                writes += usize::from(is_write);
            })?;
            rows.end_row();
        }
        let mut aborted = FxHashMap::default();
        for operation in source.history.operations().filter(|operation| operation.outcome() == Outcome::Rejected) {
            source.accesses(operation.id(), |access| {
                let key = names.of(access.key);
                if access.writes {
                    aborted.insert((key, access.value), operation.id());
                }
            })?;
        }
        assert!(names.keys.len() < 1 << 31, "a history has fewer than 2^31 keys");
        Ok(Self { rows, names, writes, aborted })
    }

    /// How many of them read.
    pub(super) fn reads(&self) -> usize {
        self.rows.items().len() - self.writes
    }

    /// Who wrote which value.
    pub(super) fn written(&self) -> Written {
        let mut written = Written::with_capacity(self.writes);
        let mut written_last = vec![NONE; self.names.keys.len()];
        for transaction in 0..self.rows.count() {
            for access in self.rows.row(transaction).iter().rev().filter(|access| access.writes()) {
                let key = access.key();
                let last = std::mem::replace(&mut written_last[key as usize], transaction) != transaction;
                written.add(key, access.value, transaction, last);
            }
        }
        written
    }
}
