//! What the nodes were asked when the work was over, and what they answered at last.

use super::deeds::{Ask, Deeds, Did};
use crate::check::judge::Question;
use crate::check::transactions::Source;
use crate::history::fault_windows::{SETTLED, WORK_ENDED};
use crate::history::{History, OpId, Outcome, Symbol, ValueId};
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};

/// The first operation after the work, if a line says that it ended.
pub(super) fn work_end(history: &History) -> Option<OpId> {
    noted(history, WORK_ENDED)
}

/// The first operation after the system had settled after the work, as far as that is told. A run of this project's
/// recorder tells it, or ended before.
pub(super) fn settled(history: &History) -> Option<OpId> {
    let told = noted(history, SETTLED);
    if history.header().run.is_some() { told } else { told.or_else(|| work_end(history)) }
}

fn noted(history: &History, line: &str) -> Option<OpId> {
    let note = history.faults().iter().find(|note| history.functions().get(note.function) == line)?;
    Some(OpId(note.after_calls))
}

/// Whether a node that is named was asked for anything from that operation on.
pub(super) fn is_asked(history: &History, question: &Question, start: OpId) -> bool {
    let source = Source::new(history, question);
    history.operations().skip(start.index()).any(|operation| {
        let mut asks = false;
        if !operation.node().is_empty() {
            source.asked(operation.id(), |_| asks = true);
        }
        asks
    })
}

/// The last answer of a node about a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LastRead {
    pub(super) op: OpId,
    pub(super) value: ValueId,
}

/// What counts of the reads after the system had settled.
pub(super) struct LastReads<'h> {
    /// For each key that was asked for, or that somebody may have written, the nodes that answered.
    pub(super) by_key: BTreeMap<ValueId, BTreeMap<Symbol, LastRead>>,
    /// Every node that holds the keys, as far as the history tells.
    pub(super) nodes: BTreeSet<&'h str>,
    /// What nodes were asked when they said nothing for the last time.
    unanswered: FxHashMap<&'h str, ValueId>,
}

impl<'h> LastReads<'h> {
    pub(super) fn of(history: &'h History, deeds: &Deeds, settled: OpId) -> Self {
        let happened = |op: OpId| history.operation(op).outcome() != Outcome::Rejected;
        let wrote = deeds.all.iter().filter(|deed| !matches!(deed.did, Did::Saw(_)) && happened(deed.op));
        let mut by_key: BTreeMap<ValueId, BTreeMap<Symbol, LastRead>> =
            wrote.map(|deed| (deed.key, BTreeMap::new())).collect();
        let (mut silence, mut unanswered) = (Silence::default(), FxHashMap::default());
        for &Ask { op, key, told } in deeds.asks.iter().filter(|ask| ask.op >= settled) {
            let operation = history.operation(op);
            let reads = by_key.entry(key).or_default();
            let node = operation.node_symbol();
            if operation.outcome() != Outcome::Completed {
                silence.add(operation.node(), node, op);
                unanswered.insert(operation.node(), key);
            } else if operation.node().is_empty() {
                // Any node may have said that after what it is known to have said.
                reads.clear();
            } else if let Some(value) = told {
                reads.insert(node, LastRead { op, value });
            } else {
                reads.remove(&node);
            }
        }
        for reads in by_key.values_mut() {
            reads.retain(|&node, read| !silence.hides(node, read.op));
        }
        Self { by_key, nodes: nodes(history, deeds, settled), unanswered }
    }

    /// A key, and a node that said nothing about it at last; rather one that it was asked for.
    pub(super) fn silent(&self, history: &History) -> Option<(ValueId, &'h str)> {
        let answers = |key: ValueId, node: &str| {
            let reads = self.by_key.get(&key);
            reads.is_some_and(|reads| reads.keys().any(|&by| history.nodes().get(by) == node))
        };
        self.by_key.keys().find_map(|&key| {
            let node = *self.nodes.iter().find(|node| !answers(key, node))?;
            let asked = self.unanswered.get(node).copied().filter(|&asked| !answers(asked, node));
            Some((asked.unwrap_or(key), node))
        })
    }
}

/// Those of the topology and those that were asked at last; without a topology, whoever is named.
fn nodes<'h>(history: &'h History, deeds: &Deeds, settled: OpId) -> BTreeSet<&'h str> {
    let topology = &history.header().topology;
    let asked = deeds.asks.iter().filter(|ask| ask.op >= settled).map(|ask| history.operation(ask.op).node());
    let mut nodes: BTreeSet<&str> = asked.chain(topology.iter().map(|(name, _)| name.as_str())).collect();
    if topology.is_empty() {
        nodes.extend(history.operations().map(|operation| operation.node()));
    }
    nodes.remove("");
    nodes
}

/// Since when nodes have been silent: what a node said of any key before it fell silent is not what it holds at last.
#[derive(Default)]
struct Silence {
    of_node: FxHashMap<Symbol, OpId>,
    of_any: Option<OpId>,
}

impl Silence {
    fn add(&mut self, name: &str, node: Symbol, op: OpId) {
        if name.is_empty() {
            self.of_any = Some(op);
        } else {
            self.of_node.insert(node, op);
        }
    }

    fn hides(&self, node: Symbol, read: OpId) -> bool {
        self.of_node.get(&node).copied().max(self.of_any).is_some_and(|silent| silent > read)
    }
}
