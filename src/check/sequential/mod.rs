//! Sequential consistency (Lamport 1979) for sessions of transactions whose reads know their sources: one order of all
//! transactions that contains every session's and in which each read sees the last write of its key.
//!
//! NP-complete even so (Gibbons and Korach, SIAM J. Comput. 1997, "VSC-read"), hence a search: depth first over how far
//! each session has been run. Exact in both directions, and it may end with the budget, undecided. What it saves:
//!
//! - A version that still has readers must not be overwritten. So where each session stands says which versions are
//!   current wherever that matters, and the memo needs nothing else: at most `n^k` states for `k` sessions.
//! - A transaction that can run and whose writes nobody reads is run at once: whatever could be run instead can still be
//!   run afterwards, since what it overwrites has no readers left.
//! - Choices are tried in the order of invocation, which is the right one for most histories.

use super::budget::{Budget, Stop};
use super::transactions::{INITIAL, Read, Transactions};
use rustc_hash::{FxHashMap, FxHashSet};

/// What the search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// All transactions in such an order.
    Order(Vec<u32>),
    /// There is none.
    NoOrder,
    /// The budget ended.
    Stopped(Stop),
}

/// Looks for an order.
#[must_use]
pub fn search(transactions: &Transactions, budget: &Budget) -> Found {
    let mut search = Search::new(transactions);
    let mut reserved = 0;
    let found = search.run(budget, &mut reserved);
    budget.release(reserved);
    found
}

/// Whether an order is sequentially consistent: the independent check of a witness. O(accesses).
#[must_use]
pub fn replays(transactions: &Transactions, order: &[u32]) -> bool {
    let mut last: FxHashMap<u32, u32> = FxHashMap::default();
    let mut next: Vec<u32> =
        (0..).take(transactions.session_count()).map(|session| transactions.of_session(session).start).collect();
    order.len() == transactions.len()
        && order.iter().all(|&transaction| {
            let session = transactions.session(transaction) as usize;
            let in_order = next[session] == transaction;
            next[session] += 1;
            let legal = transactions
                .reads(transaction)
                .iter()
                .all(|read| last.get(&read.key).copied().unwrap_or(INITIAL) == read.source);
            last.extend(transactions.writes(transaction).iter().map(|&key| (key, transaction)));
            in_order && legal
        })
}

struct Search<'t> {
    transactions: &'t Transactions,
    /// By key and source: how many are still to read it, 0 included.
    readers: FxHashMap<(u32, u32), u32>,
    current: Vec<u32>,
    next: Vec<u32>,
    /// What was run, with the versions that each one replaced, key by key.
    order: Vec<u32>,
    replaced: Vec<u32>,
    tried: FxHashSet<Box<[u32]>>,
}

/// A point at which there was a choice.
struct Choice {
    run_before: usize,
    open: Vec<u32>,
}

impl<'t> Search<'t> {
    fn new(transactions: &'t Transactions) -> Self {
        let mut readers: FxHashMap<(u32, u32), u32> = FxHashMap::default();
        for reader in transactions.all() {
            for version in distinct(transactions, reader) {
                *readers.entry(version).or_default() += 1;
            }
        }
        let sessions = transactions.session_count();
        Self {
            transactions,
            readers,
            current: vec![INITIAL; transactions.key_count()],
            next: (0..).take(sessions).map(|session| transactions.of_session(session).start).collect(),
            order: Vec::with_capacity(transactions.len()),
            replaced: Vec::new(),
            tried: FxHashSet::default(),
        }
    }

    fn run(&mut self, budget: &Budget, reserved: &mut u64) -> Found {
        let bytes = (64 + 4 * self.next.len()) as u64;
        let mut choices: Vec<Choice> = Vec::new();
        loop {
            self.run_what_is_free();
            if self.order.len() == self.transactions.len() {
                return Found::Order(std::mem::take(&mut self.order));
            }
            let open = if self.tried.insert(self.next.clone().into()) { self.runnable() } else { Vec::new() };
            choices.push(Choice { run_before: self.order.len(), open });
            if let Some(stop) = budget.exceeded() {
                return Found::Stopped(stop);
            }
            if let Err(stop) = budget.reserve(bytes) {
                return Found::Stopped(stop);
            }
            *reserved += bytes;
            loop {
                let Some(choice) = choices.last_mut() else { return Found::NoOrder };
                let run_before = choice.run_before;
                let next = choice.open.pop();
                self.undo_to(run_before);
                if let Some(next) = next {
                    self.take(next);
                    break;
                }
                choices.pop();
            }
        }
    }

    /// Runs everything that can be run and leaves nothing behind that anybody reads.
    fn run_what_is_free(&mut self) {
        let mut progress = true;
        while progress {
            progress = false;
            for session in 0..self.next.len() {
                while let Some(next) = self.at(session).filter(|&next| self.is_free(next) && self.can_run(next)) {
                    self.take(next);
                    progress = true;
                }
            }
        }
    }

    fn at(&self, session: usize) -> Option<u32> {
        let number = u32::try_from(session).expect("fewer sessions than transactions");
        let next = self.next[session];
        (next < self.transactions.of_session(number).end).then_some(next)
    }

    fn is_free(&self, transaction: u32) -> bool {
        self.transactions.writes(transaction).iter().all(|&key| !self.readers.contains_key(&(key, transaction)))
    }

    fn can_run(&self, transaction: u32) -> bool {
        let reads = self.transactions.reads(transaction);
        reads.iter().all(|read| self.current[read.key as usize] == read.source)
            && self.transactions.writes(transaction).iter().all(|&key| {
                let source = self.current[key as usize];
                let own = u32::from(reads.iter().any(|read| read.key == key));
                self.readers.get(&(key, source)).is_none_or(|&readers| readers == own)
            })
    }

    /// Those that can be run now, the one to try first last.
    fn runnable(&self) -> Vec<u32> {
        let mut open: Vec<u32> =
            (0..self.next.len()).filter_map(|session| self.at(session)).filter(|&next| self.can_run(next)).collect();
        open.sort_unstable_by_key(|&transaction| std::cmp::Reverse(self.transactions.op(transaction)));
        open
    }

    fn take(&mut self, transaction: u32) {
        for version in distinct(self.transactions, transaction) {
            *self.readers.get_mut(&version).expect("every version that is read has an entry") -= 1;
        }
        for &key in self.transactions.writes(transaction) {
            self.replaced.push(std::mem::replace(&mut self.current[key as usize], transaction));
        }
        self.next[self.transactions.session(transaction) as usize] += 1;
        self.order.push(transaction);
    }

    fn undo_to(&mut self, run_before: usize) {
        while self.order.len() > run_before {
            let transaction = self.order.pop().expect("there is more than nothing");
            self.next[self.transactions.session(transaction) as usize] -= 1;
            for &key in self.transactions.writes(transaction).iter().rev() {
                self.current[key as usize] = self.replaced.pop().expect("one for each write");
            }
            for version in distinct(self.transactions, transaction) {
                *self.readers.get_mut(&version).expect("every version that is read has an entry") += 1;
            }
        }
    }
}

/// A transaction's reads, those of one key and source once.
fn distinct(transactions: &Transactions, reader: u32) -> impl Iterator<Item = (u32, u32)> {
    let reads = transactions.reads(reader);
    let is_first = move |&(at, read): &(usize, &Read)| !reads[..at].contains(read);
    reads.iter().enumerate().filter(is_first).map(|(_, read)| (read.key, read.source))
}
