//! How long after the work the nodes came to agree.

use super::deeds::Deeds;
use super::last_reads::{LastReads, is_asked, settled, work_end};
use crate::check::judge::Question;
use crate::check::transactions::is_key_value;
use crate::history::fault_windows::{fault_windows, work_ended};
use crate::history::{History, Nanos, Symbol, ValueId};
use rustc_hash::FxHashMap;

/// Since when the nodes agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// How many nodes there are.
    pub nodes: usize,
    /// On how many keys they agree.
    pub keys: usize,
    /// At most so long after the work had ended and the last fault was healed, every node answered as it did at last.
    pub within: Nanos,
}

/// How long the nodes took to agree; `None` if they did not, a node did not answer, or nobody looked. O(operations).
#[must_use]
pub fn agreement(history: &History, question: &Question) -> Option<Agreement> {
    let (end, settled) = (work_end(history)?, settled(history)?);
    if !is_key_value(history, question) || !is_asked(history, question, settled) {
        return None;
    }
    let deeds = Deeds::of(history, question, end).ok()?;
    let last = LastReads::of(history, &deeds, settled);
    if last.nodes.is_empty() || last.by_key.is_empty() || last.silent(history).is_some() {
        return None;
    }
    for reads in last.by_key.values() {
        let first = reads.values().next()?.value;
        if reads.values().any(|read| read.value != first) {
            return None;
        }
    }
    let healed = fault_windows(history).iter().filter_map(|window| window.stop).max();
    let base = healed.into_iter().chain(work_ended(history)).max()?;
    // Where the last unbroken row of the final answer begins, for each node and key.
    let mut since: FxHashMap<(ValueId, Symbol), Option<Nanos>> = FxHashMap::default();
    for ask in &deeds.asks {
        let operation = history.operation(ask.op);
        let Some(at_last) = last.by_key.get(&ask.key).and_then(|reads| reads.get(&operation.node_symbol())) else {
            continue;
        };
        let Some(told) = ask.told else { continue };
        let row = since.entry((ask.key, operation.node_symbol())).or_default();
        *row = if told == at_last.value { row.or(Some(operation.return_time())) } else { None };
    }
    let latest = since.values().copied().collect::<Option<Vec<Nanos>>>()?.into_iter().max()?;
    let within = Nanos(latest.0.saturating_sub(base.0));
    Some(Agreement { nodes: last.nodes.len(), keys: last.by_key.len(), within })
}
