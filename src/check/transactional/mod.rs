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

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Read committed.
    ReadCommitted,
    /// Read atomic.
    ReadAtomic,
}

/// An order that the total order must have, and the transaction whose read asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Demand {
    edge: Edge,
    reader: u32,
}

/// Decides one of the two levels.
#[must_use]
pub fn decide(transactions: &Transactions, level: Level, budget: &Budget) -> Answer {
    let mut demands = match demands(transactions, level) {
        Ok(demands) => demands,
        Err(core) => return Answer::violated(core),
    };
    demands.sort_unstable();
    demands.dedup_by_key(|demand| demand.edge);
    let pairs: Vec<(u32, u32)> = demands.iter().map(|demand| (demand.edge.after, demand.edge.before)).collect();
    let also = Rows::grouped(transactions.len(), &pairs);
    match schedule(transactions, Some(&also), budget, |_| {}) {
        Ok(()) => Answer::Holds,
        Err(Stuck::Stopped(stop)) => Answer::GaveUp(stop),
        Err(Stuck::Cycle(edges)) => {
            let mut core = Vec::new();
            for edge in edges {
                let reader = demands.binary_search_by_key(&edge, |demand| demand.edge).ok();
                core.extend([edge.before, edge.after].into_iter().chain(reader.map(|at| demands[at].reader)));
            }
            Answer::violated(core)
        }
    }
}

/// The orders that reads demand, or a writer and a reader of the initial value that contradict by themselves.
fn demands(transactions: &Transactions, level: Level) -> Result<Vec<Demand>, Vec<u32>> {
    let mut demands = Vec::new();
    let mut last_own: FxHashMap<u32, u32> = FxHashMap::default();
    let mut session = u32::MAX;
    let mut sorted: Vec<(u32, u32, u32)> = Vec::new();
    let mut walk = |reader: u32, demands: &mut Vec<Demand>| {
        let reads = transactions.reads(reader);
        if transactions.session(reader) != session {
            session = transactions.session(reader);
            last_own.clear();
        }
        if level == Level::ReadAtomic {
            for read in reads {
                if let Some(&own) = last_own.get(&read.key) {
                    demand(own, *read, reader, demands)?;
                }
            }
            last_own.extend(transactions.writes(reader).iter().map(|&key| (key, reader)));
        }
        sorted.clear();
        sorted.extend((0..).zip(reads).map(|(at, read)| (read.key, at, read.source)));
        sorted.sort_unstable();
        visible_by_reading(transactions, level, reader, &sorted, demands)
    };
    for reader in transactions.all() {
        walk(reader, &mut demands)?;
    }
    Ok(demands)
}

/// `seen` are the reader's reads as key, place and source, ascending.
fn visible_by_reading(
    transactions: &Transactions,
    level: Level,
    reader: u32,
    seen: &[(u32, u32, u32)],
    demands: &mut Vec<Demand>,
) -> Result<(), Vec<u32>> {
    let mut done: Vec<u32> = Vec::new();
    for (at, read) in (0_u32..).zip(transactions.reads(reader)) {
        let visible = read.source;
        if visible == INITIAL || done.contains(&visible) {
            continue;
        }
        done.push(visible);
        let keys = transactions.writes(visible);
        let mut ask = |&(key, place, source): &(u32, u32, u32)| {
            let counts = level == Level::ReadAtomic || place > at;
            if counts { demand(visible, Read { key, source }, reader, demands) } else { Ok(()) }
        };
        if keys.len() < seen.len() {
            for &key in keys {
                let from = seen.partition_point(|&(of, ..)| of < key);
                seen[from..].iter().take_while(|(of, ..)| *of == key).try_for_each(&mut ask)?;
            }
        } else {
            seen.iter().filter(|(key, ..)| keys.binary_search(key).is_ok()).try_for_each(&mut ask)?;
        }
    }
    Ok(())
}

/// `visible` wrote the key of `read`.
fn demand(visible: u32, read: Read, reader: u32, demands: &mut Vec<Demand>) -> Result<(), Vec<u32>> {
    if read.source == INITIAL {
        return Err(vec![visible, reader]);
    }
    if read.source != visible {
        demands.push(Demand { edge: Edge { before: visible, after: read.source }, reader });
    }
    Ok(())
}
