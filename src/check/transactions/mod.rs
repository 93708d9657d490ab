//! A history as sessions of transactions that read and write keys: what every checker below linearizable is given.
//!
//! A single operation is a transaction of one access; a compare-and-set reads and writes. A session is what one process
//! did, in its order. Every read knows its *source*, the transaction that wrote what it saw, which needs values that
//! tell their writer ([`compile`] says how, and what it does where they do not). The initial value has the source
//! [`INITIAL`], which precedes every transaction of every session.
//!
//! Deliberately without time: none of these checkers looks at a clock.

mod compile;
#[cfg(test)]
pub(super) mod tests;
mod writers;

pub(in crate::check) use compile::Source;
pub use compile::{compile, is_key_value};
pub use writers::Writers;

use crate::check::verdict::WrongRead;
use crate::history::{OpId, ValueId};
use std::ops::Range;

/// The source of a read of the initial value.
pub const INITIAL: u32 = u32::MAX;

/// A read of another transaction's write, or of the initial value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Read {
    /// Which key, as an index into the keys of [`Transactions`].
    pub key: u32,
    /// The transaction that wrote what was read, or [`INITIAL`].
    pub source: u32,
}

/// One transaction to build [`Transactions`] of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transaction {
    /// Reads of others' writes in the order in which they were made.
    pub reads: Vec<Read>,
    /// The keys written, in any order.
    pub writes: Vec<u32>,
}

/// A read whose value several transactions may have written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ambiguous {
    /// How many there are.
    pub reads: usize,
    /// The first.
    pub first: OpId,
    /// Its key.
    pub key: ValueId,
    /// Its value.
    pub value: ValueId,
}

/// Rows of different lengths, one after the other.
#[derive(Clone, Debug)]
pub struct Rows<T> {
    starts: Vec<u32>,
    items: Vec<T>,
}

impl<T: Copy> Rows<T> {
    /// No rows yet, but space for so many.
    #[must_use]
    pub fn with_capacity(rows: usize) -> Self {
        Self::with_capacities(rows, 0)
    }

    /// No rows yet, but space for so many with so many items together.
    #[must_use]
    pub fn with_capacities(rows: usize, items: usize) -> Self {
        let mut starts = Vec::with_capacity(rows + 1);
        starts.push(0);
        Self { starts, items: Vec::with_capacity(items) }
    }

    /// The row of pairs' second members for each first member below `rows`, in their order. Goes through them twice.
    #[must_use]
    pub fn grouped(rows: usize, pairs: impl Iterator<Item = (u32, T)> + Clone) -> Self {
        let mut starts = vec![0_u32; rows + 1];
        for (row, _) in pairs.clone() {
            starts[row as usize + 1] += 1;
        }
        for row in 0..rows {
            starts[row + 1] += starts[row];
        }
        let mut next = starts.clone();
        let first = pairs.clone().next();
        let mut items: Vec<T> = first.map_or_else(Vec::new, |(_, any)| vec![any; starts[rows] as usize]);
        for (row, item) in pairs {
            items[next[row as usize] as usize] = item;
            next[row as usize] += 1;
        }
        Self { starts, items }
    }

    /// Ends the row whose items were [`Self::push`]ed.
    pub fn end_row(&mut self) {
        self.starts.push(index(self.items.len()));
    }

    /// Adds to the row that is not ended yet.
    pub fn push(&mut self, item: T) {
        self.items.push(item);
    }

    /// How many rows have been ended.
    #[must_use]
    pub fn count(&self) -> u32 {
        index(self.starts.len() - 1)
    }

    /// One row.
    #[must_use]
    pub fn row(&self, at: u32) -> &[T] {
        &self.items[self.span(at)]
    }

    /// Where a row lies among all items.
    #[must_use]
    pub fn span(&self, at: u32) -> Range<usize> {
        self.starts[at as usize] as usize..self.starts[at as usize + 1] as usize
    }

    /// All items, row after row, without the rows.
    #[must_use]
    pub fn into_items(self) -> Vec<T> {
        self.items
    }

    /// All items, row after row.
    #[must_use]
    pub fn items(&self) -> &[T] {
        &self.items
    }
}

impl Rows<u32> {
    /// Puts the row that is not ended yet into ascending order, each item once.
    pub fn sort_open_row(&mut self) {
        let start = self.starts.last().map_or(0, |&start| start as usize);
        let row = &mut self.items[start..];
        row.sort_unstable();
        let mut kept = usize::from(!row.is_empty());
        for at in 1..row.len() {
            if row[at] != row[kept - 1] {
                row[kept] = row[at];
                kept += 1;
            }
        }
        self.items.truncate(start + kept);
    }
}

/// See the module. Transactions are numbered session after session, each in its order.
#[derive(Clone, Debug)]
pub struct Transactions {
    ops: Vec<OpId>,
    sessions: Vec<u32>,
    session_starts: Vec<u32>,
    keys: Vec<ValueId>,
    reads: Rows<Read>,
    writes: Rows<u32>,
    /// Reads that no claim admits, the first one first; their transactions' other accesses count nevertheless.
    pub wrong_reads: Vec<WrongRead>,
    /// What cannot be told apart; such reads are left out, which can only hide violations.
    pub ambiguous: Option<Ambiguous>,
}

impl Transactions {
    /// Sessions of transactions whose operations have the numbers of the transactions; for tests and tools.
    /// Sources are numbers of transactions, session after session.
    #[must_use]
    pub fn of_sessions(sessions: &[Vec<Transaction>], keys: u32) -> Self {
        let mut all =
            Self::empty((0..keys).map(|key| ValueId::small(i64::from(key)).unwrap_or(ValueId::NIL)).collect());
        for (session, transactions) in (0..).zip(sessions) {
            for transaction in transactions {
                let op = OpId(index(all.ops.len()));
                all.push(op, session, transaction.reads.iter().copied(), transaction.writes.iter().copied());
            }
            all.session_starts.push(index(all.ops.len()));
        }
        all
    }

    fn empty(keys: Vec<ValueId>) -> Self {
        Self {
            ops: Vec::new(),
            sessions: Vec::new(),
            session_starts: vec![0],
            keys,
            reads: Rows::with_capacity(0),
            writes: Rows::with_capacity(0),
            wrong_reads: Vec::new(),
            ambiguous: None,
        }
    }

    fn push(&mut self, op: OpId, session: u32, reads: impl Iterator<Item = Read>, writes: impl Iterator<Item = u32>) {
        self.ops.push(op);
        self.sessions.push(session);
        reads.for_each(|read| self.reads.push(read));
        self.reads.end_row();
        writes.for_each(|key| self.writes.push(key));
        self.writes.sort_open_row();
        self.writes.end_row();
    }

    /// How many transactions there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ops.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// Every transaction's number.
    #[must_use]
    pub fn all(&self) -> Range<u32> {
        0..index(self.ops.len())
    }

    /// How many sessions there are.
    #[must_use]
    pub fn session_count(&self) -> usize {
        self.session_starts.len() - 1
    }

    /// The transactions of a session.
    #[must_use]
    pub fn of_session(&self, session: u32) -> Range<u32> {
        self.session_starts[session as usize]..self.session_starts[session as usize + 1]
    }

    /// The session of a transaction.
    #[must_use]
    pub fn session(&self, transaction: u32) -> u32 {
        self.sessions[transaction as usize]
    }

    /// How many transactions of its session come before it.
    #[must_use]
    pub fn place(&self, transaction: u32) -> u32 {
        transaction - self.session_starts[self.session(transaction) as usize]
    }

    /// The transaction before it in its session.
    #[must_use]
    pub fn previous(&self, transaction: u32) -> Option<u32> {
        (self.place(transaction) > 0).then(|| transaction - 1)
    }

    /// Whether one is before the other in the same session.
    #[must_use]
    pub fn in_session_order(&self, before: u32, after: u32) -> bool {
        before < after && self.session(before) == self.session(after)
    }

    /// What it read of others, in order.
    #[must_use]
    pub fn reads(&self, transaction: u32) -> &[Read] {
        self.reads.row(transaction)
    }

    /// Which keys it wrote, ascending.
    #[must_use]
    pub fn writes(&self, transaction: u32) -> &[u32] {
        self.writes.row(transaction)
    }

    /// What all read of others, transaction after transaction, with where each one's lie.
    #[must_use]
    pub fn all_reads(&self) -> &Rows<Read> {
        &self.reads
    }

    /// The keys written by all, transaction after transaction, with where each one's lie.
    #[must_use]
    pub fn all_writes(&self) -> &Rows<u32> {
        &self.writes
    }

    /// Whether it wrote that key.
    #[must_use]
    pub fn writes_key(&self, transaction: u32, key: u32) -> bool {
        self.writes(transaction).binary_search(&key).is_ok()
    }

    /// How many keys there are.
    #[must_use]
    pub fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// A key's value.
    #[must_use]
    pub fn key(&self, key: u32) -> ValueId {
        self.keys[key as usize]
    }

    /// The operation of a transaction.
    #[must_use]
    pub fn op(&self, transaction: u32) -> OpId {
        self.ops[transaction as usize]
    }

    /// Only those transactions (ascending). What they read from others is forgotten, which can only hide violations;
    /// reads of the initial value stay.
    #[must_use]
    pub fn select(&self, keep: &[u32]) -> Self {
        let mut part = Self::empty(self.keys.clone());
        let mut last = None;
        for &transaction in keep {
            let session = self.session(transaction);
            if last.is_some_and(|last| last != session) {
                part.session_starts.push(index(part.ops.len()));
            }
            last = Some(session);
            let renamed = |read: &Read| {
                let source =
                    if read.source == INITIAL { INITIAL } else { index(keep.binary_search(&read.source).ok()?) };
                Some(Read { key: read.key, source })
            };
            let number = index(part.session_starts.len() - 1);
            let reads = self.reads(transaction).iter().filter_map(renamed);
            part.push(self.op(transaction), number, reads, self.writes(transaction).iter().copied());
        }
        if last.is_some() {
            part.session_starts.push(index(part.ops.len()));
        }
        part
    }
}

/// A length as the 32-bit number that transactions, reads and writes are counted in.
pub(super) fn index(at: usize) -> u32 {
    u32::try_from(at).expect("a history has fewer than 2^31 events, and its accesses are counted in 32 bits")
}
