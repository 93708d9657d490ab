//! Who saw that an indeterminate transaction happened: a counterexample that has it needs one of them, or proves nothing.

use super::transactions::{INITIAL, Transactions};
use crate::history::{History, Outcome};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::VecDeque;

/// The indeterminate transactions of a history with those that read from each.
pub(super) struct Observed<'h> {
    history: &'h History,
    transactions: &'h Transactions,
    readers: FxHashMap<u32, Vec<u32>>,
}

impl<'h> Observed<'h> {
    /// Looks at all reads.
    pub(super) fn new(history: &'h History, transactions: &'h Transactions) -> Self {
        let mut observed = Self { history, transactions, readers: FxHashMap::default() };
        for reader in transactions.all() {
            for read in transactions.reads(reader).iter().filter(|read| read.source != INITIAL) {
                if observed.is_in_doubt(read.source) {
                    observed.readers.entry(read.source).or_default().push(reader);
                }
            }
        }
        observed
    }

    fn is_in_doubt(&self, transaction: u32) -> bool {
        self.history.operation(self.transactions.op(transaction)).outcome() == Outcome::Indeterminate
    }

    /// The transactions (ascending) with those that show that they happened: of each that is in doubt a reader, and if
    /// that is in doubt too one of it, up to one that completed.
    pub(super) fn with_observers(&self, core: &[u32]) -> Vec<u32> {
        let mut all = core.to_vec();
        for &transaction in core.iter().filter(|&&transaction| self.is_in_doubt(transaction)) {
            let mut came_from: FxHashMap<u32, u32> = FxHashMap::default();
            let mut queue = VecDeque::from([transaction]);
            while let Some(at) = queue.pop_front() {
                if !self.is_in_doubt(at) {
                    all.extend(std::iter::successors(Some(at), |at| came_from.get(at).copied()));
                    break;
                }
                for &reader in self.readers.get(&at).into_iter().flatten() {
                    if reader != transaction && !came_from.contains_key(&reader) {
                        came_from.insert(reader, at);
                        queue.push_back(reader);
                    }
                }
            }
        }
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Whether those transactions (ascending) alone show that each of them happened.
    pub(super) fn stands(&self, core: &[u32]) -> bool {
        let mut happened: FxHashSet<u32> = FxHashSet::default();
        let mut seen: Vec<u32> = core.iter().copied().filter(|&transaction| !self.is_in_doubt(transaction)).collect();
        while let Some(reader) = seen.pop() {
            if happened.insert(reader) {
                let sources = self.transactions.reads(reader).iter().map(|read| read.source);
                seen.extend(sources.filter(|source| core.binary_search(source).is_ok()));
            }
        }
        core.iter().all(|transaction| happened.contains(transaction))
    }
}
