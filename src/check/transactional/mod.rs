//! Read committed and read atomic, for sessions of transactions whose reads know their sources.
//!
//! In the common form of Biswas and Enea ("On the complexity of checking transactional consistency", OOPSLA 2019): there
//! is a total order of all transactions that contains every session's and puts every source before its readers, such that
//! whenever `t` reads `x` from `w` and another writer `u` of `x` is *visible* to `t`, `u` comes before `w`. Visible is
//!
//! - for **read committed** what `t` itself had read from earlier in its own order;
//! - for **read atomic** what `t` read from at all, and what came before `t` in its session.
//!
//! The initial value precedes every transaction: who sees it although a writer of the key is visible violates either.
//! Visibility does not depend on the order looked for, so that one pass and one test for cycles decide exactly. For each
//! transaction the smaller of "keys that I read" and "keys that you wrote" is walked: O(a^1.5) for `a` accesses (as in
//! Møldrup, Pavlogiannis and others, AWDIT, PLDI 2025).
//!
//! Reads of values that were never committed, or not left behind by their transaction, are found before ([`super::transactions`]).

use super::answer::Answer;
use super::budget::Budget;
use super::precedence::{Edge, Stuck, schedule};
use super::transactions::{INITIAL, Read, Rows, Transactions};
use rustc_hash::FxHashMap;

/// Demands are made distinct whenever so many have come together.
const DEMANDS_PER_ROUND: usize = 1 << 22;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Read committed.
    ReadCommitted,
    /// Read atomic.
    ReadAtomic,
}

/// Decides one of the two levels.
#[must_use]
pub fn decide(transactions: &Transactions, level: Level, budget: &Budget) -> Answer {
    let mut demands = Demands { pairs: Vec::new(), limit: DEMANDS_PER_ROUND, reserved: 0, budget };
    let walked = Walk::new(transactions, level, budget).all(&mut |edge, _| demands.add(edge));
    let answer = match walked.and_then(|()| demands.tidy()) {
        Ok(()) => scheduled(transactions, level, std::mem::take(&mut demands.pairs), budget),
        Err(answer) => answer,
    };
    budget.release(demands.reserved);
    answer
}

fn scheduled(transactions: &Transactions, level: Level, demands: Vec<(u32, u32)>, budget: &Budget) -> Answer {
    let also = Rows::grouped(transactions.len(), demands.iter().copied());
    drop(demands);
    match schedule(transactions, Some(&also), budget, |_| {}) {
        Ok(()) => Answer::Holds,
        Err(Stuck::Stopped(stop)) => Answer::GaveUp(stop),
        Err(Stuck::Cycle(edges)) => {
            let mut core: Vec<u32> = edges.iter().flat_map(|edge| [edge.before, edge.after]).collect();
            // Who asked for the edges was not kept: there are millions, and a cycle is asked for once.
            let mut asked: FxHashMap<Edge, u32> = FxHashMap::default();
            let again = Walk::new(transactions, level, budget).all(&mut |edge, reader| {
                if edges.contains(&edge) {
                    asked.entry(edge).or_insert(reader);
                }
                Ok(())
            });
            if let Err(Answer::GaveUp(stop)) = again {
                return Answer::GaveUp(stop);
            }
            core.extend(edges.iter().filter_map(|edge| asked.get(edge)));
            Answer::violated(core)
        }
    }
}

/// The orders demanded so far, `after` first.
struct Demands<'b> {
    pairs: Vec<(u32, u32)>,
    limit: usize,
    reserved: u64,
    budget: &'b Budget,
}

impl Demands<'_> {
    fn add(&mut self, edge: Edge) -> Result<(), Answer> {
        self.pairs.push((edge.after, edge.before));
        if self.pairs.len() >= self.limit { self.tidy() } else { Ok(()) }
    }

    /// Keeps each pair once if there are many, and accounts for those that are left, which are grouped later.
    fn tidy(&mut self) -> Result<(), Answer> {
        if self.pairs.len() >= self.limit {
            self.pairs.sort_unstable();
            self.pairs.dedup();
        }
        self.budget.exceeded().map_or(Ok(()), |stop| Err(Answer::GaveUp(stop)))?;
        if 2 * self.pairs.len() > self.limit {
            let bytes = 2 * (self.limit * size_of::<(u32, u32)>()) as u64;
            self.budget.reserve(bytes).map_err(Answer::GaveUp)?;
            self.reserved += bytes;
            self.limit *= 2;
        }
        Ok(())
    }
}

/// Goes through the reads and hands out the orders that they demand, with the transaction that read.
struct Walk<'t> {
    transactions: &'t Transactions,
    level: Level,
    /// By key: the transaction after the last one that wrote it, of any session.
    after_last: Vec<u32>,
    /// For each transaction a bit for each key it wrote, by [`bit`].
    written: Vec<u64>,
    /// For each transaction the last reader for which it was looked at.
    done_for: Vec<u32>,
    budget: &'t Budget,
    steps: u32,
}

/// A bit that stands for a key and a few others.
fn bit(key: u32) -> u64 {
    1 << (key.wrapping_mul(0x9e37_79b9) >> 26)
}

type Visit<'v> = &'v mut dyn FnMut(Edge, u32) -> Result<(), Answer>;

impl<'t> Walk<'t> {
    fn new(transactions: &'t Transactions, level: Level, budget: &'t Budget) -> Self {
        let bits = |at| transactions.writes(at).iter().fold(0, |bits, &key| bits | bit(key));
        Self {
            transactions,
            level,
            after_last: vec![0; transactions.key_count()],
            written: transactions.all().map(bits).collect(),
            done_for: vec![INITIAL; transactions.len()],
            budget,
            steps: 0,
        }
    }

    /// All demands; the error is a writer and a reader of the initial value that contradict by themselves, or the visitor's.
    fn all(mut self, visit: Visit<'_>) -> Result<(), Answer> {
        for reader in self.transactions.all() {
            if self.level == Level::ReadAtomic {
                self.by_session(reader, visit)?;
            }
            self.by_reading(reader, visit)?;
        }
        Ok(())
    }

    /// What the session wrote before is visible; of one key, the last one says it all.
    fn by_session(&mut self, reader: u32, visit: Visit<'_>) -> Result<(), Answer> {
        let transactions = self.transactions;
        let start = transactions.of_session(transactions.session(reader)).start;
        for read in transactions.reads(reader) {
            if let Some(own) = self.after_last[read.key as usize].checked_sub(1).filter(|&own| own >= start) {
                demand(own, *read, reader, visit)?;
            }
        }
        for &key in transactions.writes(reader) {
            self.after_last[key as usize] = reader + 1;
        }
        Ok(())
    }

    /// Those that the reader read from are visible.
    fn by_reading(&mut self, reader: u32, visit: Visit<'_>) -> Result<(), Answer> {
        let reads = self.transactions.reads(reader);
        // Of sources that wrote only what was read from them there is nothing to demand.
        let others = |source: u32| reads.iter().filter(move |read| read.source != source);
        let mut by_key: Option<Vec<(u32, u32, u32)>> = None;
        for (at, read) in (0_u32..).zip(reads) {
            let visible = read.source;
            if visible == INITIAL || std::mem::replace(&mut self.done_for[visible as usize], reader) == reader {
                continue;
            }
            self.steps = self.steps.wrapping_add(1);
            if let Some(stop) = self.steps.is_multiple_of(4096).then(|| self.budget.exceeded()).flatten() {
                return Err(Answer::GaveUp(stop));
            }
            let written = self.written[visible as usize];
            if !others(visible).any(|read| written & bit(read.key) != 0) {
                continue;
            }
            let seen = by_key.get_or_insert_with(|| sorted(reads));
            self.visible(visible, at, reader, seen, visit)?;
        }
        Ok(())
    }

    /// `seen` are the reader's reads as [`sorted`], `at` the place of its first one from `visible`.
    fn visible(
        &self,
        visible: u32,
        at: u32,
        reader: u32,
        seen: &[(u32, u32, u32)],
        visit: Visit<'_>,
    ) -> Result<(), Answer> {
        let keys = self.transactions.writes(visible);
        let mut ask = |&(key, place, source): &(u32, u32, u32)| {
            let counts = self.level == Level::ReadAtomic || place > at;
            if counts { demand(visible, Read { key, source }, reader, visit) } else { Ok(()) }
        };
        if keys.len() < seen.len() {
            for &key in keys {
                let from = seen.partition_point(|&(of, ..)| of < key);
                seen[from..].iter().take_while(|(of, ..)| *of == key).try_for_each(&mut ask)?;
            }
            return Ok(());
        }
        seen.iter().filter(|(key, ..)| keys.binary_search(key).is_ok()).try_for_each(&mut ask)
    }
}

/// Reads as key, place and source, ascending.
fn sorted(reads: &[Read]) -> Vec<(u32, u32, u32)> {
    let mut sorted: Vec<_> = (0..).zip(reads).map(|(at, read)| (read.key, at, read.source)).collect();
    sorted.sort_unstable();
    sorted
}

/// `visible` wrote the key of `read`.
fn demand(visible: u32, read: Read, reader: u32, visit: Visit<'_>) -> Result<(), Answer> {
    if read.source == INITIAL {
        return Err(Answer::violated(vec![visible, reader]));
    }
    if read.source != visible {
        return visit(Edge { before: visible, after: read.source }, reader);
    }
    Ok(())
}
