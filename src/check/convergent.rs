//! Convergence after quiescence: when the work has ended and every fault is healed, do all nodes hold the same?
//!
//! After "convergence" and "eventual delivery" of Shapiro, Preguiça, Baquero and Zawirski ("Conflict-free replicated data
//! types", SSS 2011) and "quiescent consistency" of Burckhardt ("Principles of eventual consistency", 2014, Section 5.1),
//! as far as reads can tell. Of each key, the last completed read at each node after the work counts:
//!
//! 1. **Agreement**: all nodes return the same value.
//! 2. **Validity**: it is the initial value, or somebody wrote it in an operation that did not certainly fail.
//! 3. **Not overwritten**: no session that had written or read that value completed another write of the key afterwards,
//!    and the initial value is gone once any write of the key has completed. An order of updates that delivers all of them
//!    and respects what their authors knew cannot end with a value that was overwritten knowingly.
//!
//! An indeterminate write may take effect between the reads of two nodes. So two different values are a contradiction only
//! if no write of either is indeterminate, else the key is undecided; that also makes every linearizable history convergent.
//! Nothing is said about lost updates of sessions that did not know of each other, nor about how long it took:
//! [`agreement`] measures that. O(operations).

use super::initial::Initial;
use super::judge::Question;
use super::session_kind::{SessionName, SessionNames};
use super::verdict::{Contradiction, Diverged, Undecided, Verdict, Violation, Why, Witness, WrongRead, WrongReadKind};
use crate::history::fault_windows::{SETTLED, WORK_ENDED, fault_windows, work_ended};
use crate::history::{History, Nanos, OpId, Operation, Outcome, Symbol, ValueId};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeMap;

/// What nobody has to be told twice.
const NO_READS: &str =
    "nobody read every node when the system had settled after the work; record with --workload convergence";

/// Whether a history has what this is judged by.
#[must_use]
pub fn is_expressible(history: &History) -> bool {
    settled(history).is_some_and(|settled| final_reads(history, settled).next().is_some())
}

/// The verdict, and how many keys it is about; an error if the independent check contradicts it.
pub(super) fn judge(history: &History, question: &Question) -> Result<(Verdict, usize), String> {
    let (Some(end), Some(settled)) = (work_end(history), settled(history)) else {
        return Ok((unsupported(NO_READS.to_owned()), 0));
    };
    let names = match SessionNames::of(history, question.session) {
        Ok(names) => names,
        Err(why) => return Ok((unsupported(why), 0)),
    };
    let last = LastReads::of(history, settled);
    if last.by_key.is_empty() {
        return Ok((unsupported(NO_READS.to_owned()), 0));
    }
    let scene = Scene { history, question, end, settled, names, last };
    let keys = scene.last.by_key.len();
    if let Some(violation) = scene.contradiction() {
        if !scene.stands(&violation) {
            return Err(format!("the operations {:?} are no counterexample", violation.core));
        }
        return Ok((Verdict::Violated(violation), keys));
    }
    Ok((scene.unclear().map_or(Verdict::Holds(Witness::default()), unsupported), keys))
}

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

/// How long the nodes took to agree; `None` if they did not, or nobody looked.
#[must_use]
pub fn agreement(history: &History) -> Option<Agreement> {
    let end = work_end(history)?;
    let last = LastReads::of(history, settled(history)?);
    let nodes: FxHashSet<Symbol> = last.by_key.values().flat_map(|reads| reads.keys().copied()).collect();
    let value = |id: OpId| history.operation(id).result();
    for reads in last.by_key.values() {
        let first = value(*reads.values().next()?);
        if reads.len() < nodes.len() || reads.values().any(|&read| value(read) != first) {
            return None;
        }
    }
    let healed = fault_windows(history).iter().filter_map(|window| window.stop).max();
    let base = healed.into_iter().chain(work_ended(history)).max()?;
    // Where the last unbroken row of the final answer begins, for each node and key.
    let mut since: FxHashMap<(ValueId, Symbol), Option<Nanos>> = FxHashMap::default();
    for read in final_reads(history, end) {
        let is_final = last.by_key.get(&read.key()).and_then(|reads| reads.get(&read.node_symbol()));
        let is_final = is_final.is_some_and(|&id| value(id) == read.result());
        let row = since.entry((read.key(), read.node_symbol())).or_default();
        *row = if is_final { row.or(Some(read.return_time())) } else { None };
    }
    let latest = since.values().copied().collect::<Option<Vec<Nanos>>>()?.into_iter().max()?;
    let within = Nanos(latest.0.saturating_sub(base.0));
    (!last.by_key.is_empty()).then_some(Agreement { nodes: nodes.len(), keys: last.by_key.len(), within })
}

/// How many operations were called before the work had ended.
fn work_end(history: &History) -> Option<u32> {
    let ended = |symbol| history.functions().get(symbol) == WORK_ENDED;
    history.faults().iter().find(|note| ended(note.function)).map(|note| note.after_calls)
}

/// How many operations were called before the system had settled after the work, as far as that is told. A run of this
/// project's recorder tells it, or ended before.
fn settled(history: &History) -> Option<u32> {
    let is_it = |symbol| history.functions().get(symbol) == SETTLED;
    let told = history.faults().iter().find(|note| is_it(note.function)).map(|note| note.after_calls);
    if history.header().run.is_some() { told } else { told.or_else(|| work_end(history)) }
}

/// The completed reads at known nodes after the work.
fn final_reads(history: &History, end: u32) -> impl Iterator<Item = Operation<'_>> {
    let read = |operation: &Operation<'_>| {
        let is_read = matches!(operation.function(), "read" | "r" | "get") && !operation.result().is_absent();
        // Sets are read whole; they are no values.
        let is_value = operation.values().items(operation.result()).is_none();
        is_read && is_value && operation.outcome() == Outcome::Completed && !operation.node().is_empty()
    };
    (end..u32::try_from(history.len()).expect("ids are 32 bits")).map(|id| history.operation(OpId(id))).filter(read)
}

/// The last read of each key at each node, in the order in which the keys were first read.
struct LastReads {
    by_key: BTreeMap<ValueId, BTreeMap<Symbol, OpId>>,
}

impl LastReads {
    fn of(history: &History, end: u32) -> Self {
        let mut by_key: BTreeMap<ValueId, BTreeMap<Symbol, OpId>> = BTreeMap::new();
        for read in final_reads(history, end) {
            by_key.entry(read.key()).or_default().insert(read.node_symbol(), read.id());
        }
        // What a node said before it fell silent is not what it holds in the end.
        for silent in
            (end..u32::try_from(history.len()).expect("ids are 32 bits")).map(|id| history.operation(OpId(id)))
        {
            if silent.outcome() != Outcome::Completed {
                for reads in by_key.values_mut() {
                    reads.retain(|&node, &mut read| node != silent.node_symbol() || read > silent.id());
                }
            }
        }
        by_key.retain(|_, reads| !reads.is_empty());
        Self { by_key }
    }
}

/// A change of a key: what it found (for a compare-and-set) and what it left.
fn change(operation: &Operation<'_>) -> Option<(Option<ValueId>, ValueId)> {
    match operation.function() {
        "write" | "w" | "put" => {
            let value = operation.argument();
            Some((None, if value.is_absent() { ValueId::NIL } else { value }))
        }
        "cas" => match operation.values().items(operation.argument()) {
            Some(&[from, to]) => Some((Some(from), to)),
            _ => None,
        },
        _ => None,
    }
}

/// Who wrote a value that was read at the end.
#[derive(Clone, Copy, Debug, Default)]
struct Writers {
    completed: Option<OpId>,
    open: Option<OpId>,
    failed: Option<OpId>,
    several: bool,
}

struct Scene<'h> {
    history: &'h History,
    question: &'h Question,
    /// How many operations were called before the work had ended, and before the system had settled.
    end: u32,
    settled: u32,
    names: SessionNames,
    last: LastReads,
}

impl Scene<'_> {
    fn initial(&self, key: ValueId) -> ValueId {
        Initial::of(self.history, self.question).value_of(key)
    }

    fn work(&self) -> impl Iterator<Item = Operation<'_>> {
        (0..self.end).map(|id| self.history.operation(OpId(id)))
    }

    /// The values of each key that some node holds at last, each with a read of it.
    fn held(&self) -> BTreeMap<ValueId, Vec<(ValueId, OpId)>> {
        let mut held = BTreeMap::new();
        for (&key, reads) in &self.last.by_key {
            let mut values: Vec<(ValueId, OpId)> = Vec::new();
            for &read in reads.values() {
                let value = self.history.operation(read).result();
                if values.iter().all(|(known, _)| *known != value) {
                    values.push((value, read));
                }
            }
            held.insert(key, values);
        }
        held
    }

    fn writers(&self, held: &BTreeMap<ValueId, Vec<(ValueId, OpId)>>) -> FxHashMap<(ValueId, ValueId), Writers> {
        let mut writers: FxHashMap<(ValueId, ValueId), Writers> = FxHashMap::default();
        for (&key, values) in held {
            writers.extend(values.iter().map(|&(value, _)| ((key, value), Writers::default())));
        }
        for operation in self.work() {
            let Some((_, value)) = change(&operation) else { continue };
            let Some(known) = writers.get_mut(&(operation.key(), value)) else { continue };
            let id = Some(operation.id());
            match operation.outcome() {
                Outcome::Rejected => known.failed = known.failed.or(id),
                outcome => {
                    known.several |= known.completed.is_some() || known.open.is_some();
                    let place = if outcome == Outcome::Completed { &mut known.completed } else { &mut known.open };
                    *place = place.or(id);
                }
            }
        }
        writers
    }

    fn contradiction(&self) -> Option<Violation> {
        let held = self.held();
        let writers = self.writers(&held);
        for (&key, values) in &held {
            let initial = self.initial(key);
            for &(value, read) in values {
                let known = writers[&(key, value)];
                if value != initial && known.completed.or(known.open).is_none() {
                    let kind = if known.failed.is_some() { WrongReadKind::Aborted } else { WrongReadKind::ThinAir };
                    let wrong = WrongRead { reader: read, key, value, writer: known.failed, kind };
                    let core = std::iter::once(read).chain(known.failed).collect();
                    return Some(violation(key, core, Contradiction::WrongRead(wrong)));
                }
            }
            let settled: Vec<&(ValueId, OpId)> =
                values.iter().filter(|(value, _)| writers[&(key, *value)].open.is_none()).collect();
            if let [one, other, ..] = settled[..] {
                let written = |value: ValueId| writers[&(key, value)].completed;
                let core = [one.1, other.1].into_iter().chain(written(one.0)).chain(written(other.0)).collect();
                let kind = Contradiction::NotConverged(Diverged::Disagree { one: one.1, other: other.1 });
                return Some(violation(key, core, kind));
            }
        }
        self.overwritten(&held, &writers)
    }

    /// A value that is held although somebody who knew it, or found it, has overwritten it.
    fn overwritten(
        &self,
        held: &BTreeMap<ValueId, Vec<(ValueId, OpId)>>,
        writers: &FxHashMap<(ValueId, ValueId), Writers>,
    ) -> Option<Violation> {
        let mut knew: FxHashMap<(SessionName, ValueId, ValueId), OpId> = FxHashMap::default();
        for operation in self.work().filter(|operation| operation.outcome() == Outcome::Completed) {
            let key = operation.key();
            let Some(values) = held.get(&key) else { continue };
            let session = self.names.of_operation(&operation);
            let changed = change(&operation);
            for &(value, reader) in values {
                let known = writers[&(key, value)];
                let is_written = known.completed.or(known.open).is_some();
                if known.several || is_written && value == self.initial(key) {
                    continue;
                }
                if let Some((found, left)) = changed
                    && left != value
                {
                    let seen = if found == Some(value) { Some(operation.id()) } else { None };
                    let seen = seen.or_else(|| knew.get(&(session, key, value)).copied());
                    if seen.is_some() || !is_written {
                        let core =
                            [reader, operation.id()].into_iter().chain(seen).chain(known.completed.or(known.open));
                        let kind = Diverged::Overwritten { reader, seen, by: operation.id() };
                        return Some(violation(key, core.collect(), Contradiction::NotConverged(kind)));
                    }
                }
                let sees = changed.map_or(operation.result(), |(_, left)| left) == value;
                if sees && is_written {
                    knew.entry((session, key, value)).or_insert(operation.id());
                }
            }
        }
        None
    }

    /// Why nothing contradicts but nothing is sure either.
    fn unclear(&self) -> Option<String> {
        let topology = &self.history.header().topology;
        let nodes: FxHashSet<&str> = self
            .last
            .by_key
            .values()
            .flat_map(|reads| reads.keys().map(|&node| self.history.nodes().get(node)))
            .chain(topology.iter().map(|(name, _)| name.as_str()))
            .collect();
        for (&key, reads) in &self.last.by_key {
            let silent = || nodes.iter().filter(|node| reads.keys().all(|&by| self.history.nodes().get(by) != **node));
            if let Some(node) = silent().min() {
                let key = self.history.values().to_value(key);
                return Some(format!("{node} did not answer the reads of key {key} after the work"));
            }
        }
        let open = self.held().into_iter().find(|(_, values)| values.len() > 1);
        open.map(|(key, values)| {
            format!(
                "the nodes hold {} values of key {}, of which a write of unknown outcome may have come in between",
                values.len(),
                self.history.values().to_value(key)
            )
        })
    }

    /// The independent check: looks at everything again for this one contradiction.
    fn stands(&self, violation: &Violation) -> bool {
        let operation = |id: OpId| self.history.operation(id);
        let is_last = |id: OpId| {
            let read = operation(id);
            let later = |other: &Operation<'_>| {
                other.id() > id && other.key() == read.key() && other.node_symbol() == read.node_symbol()
            };
            final_reads(self.history, self.settled).any(|other| other.id() == id)
                && !final_reads(self.history, self.settled).any(|other| later(&other))
        };
        let writes = |value: ValueId, wanted: fn(Outcome) -> bool| {
            let wrote = |other: &Operation<'_>| change(other).is_some_and(|(_, left)| left == value);
            let fits = |other: &Operation<'_>| other.key() == violation.key && wanted(other.outcome()) && wrote(other);
            self.work().filter(fits).map(|other| other.id()).collect::<Vec<_>>()
        };
        let happened: fn(Outcome) -> bool = |outcome| outcome != Outcome::Rejected;
        match violation.kind {
            Contradiction::WrongRead(wrong) => {
                is_last(wrong.reader)
                    && operation(wrong.reader).result() == wrong.value
                    && wrong.value != self.initial(violation.key)
                    && writes(wrong.value, happened).is_empty()
            }
            Contradiction::NotConverged(Diverged::Disagree { one, other }) => {
                let open: fn(Outcome) -> bool = |outcome| outcome == Outcome::Indeterminate;
                let is_sure = |id: OpId| is_last(id) && writes(operation(id).result(), open).is_empty();
                let apart = operation(one).result() != operation(other).result();
                apart && operation(one).key() == operation(other).key() && is_sure(one) && is_sure(other)
            }
            Contradiction::NotConverged(Diverged::Overwritten { reader, seen, by }) => {
                let held = operation(reader).result();
                let left = change(&operation(by)).is_some_and(|(_, left)| left != held);
                let gone =
                    operation(by).outcome() == Outcome::Completed && operation(by).key() == violation.key && left;
                let knew = match seen {
                    None => held == self.initial(violation.key) && writes(held, happened).is_empty(),
                    Some(seen) if seen == by => change(&operation(by)).is_some_and(|(found, _)| found == Some(held)),
                    Some(seen) => {
                        let saw = change(&operation(seen)).map_or(operation(seen).result(), |(_, left)| left);
                        let session = |id: OpId| self.names.of_operation(&operation(id));
                        saw == held && seen < by && session(seen) == session(by)
                    }
                };
                is_last(reader) && gone && knew
            }
            _ => false,
        }
    }
}

fn unsupported(why: String) -> Verdict {
    Verdict::Undecided(Undecided { why: Why::Unsupported(why), open: Vec::new(), decided: 0 })
}

fn violation(key: ValueId, mut core: Vec<OpId>, kind: Contradiction) -> Violation {
    core.sort_unstable();
    core.dedup();
    Violation {
        key,
        core,
        kind,
        keys: vec![key],
        stuck: None,
        why_not: None,
        context: Vec::new(),
        before: 0,
        states: Vec::new(),
        // What it takes to say it.
        minimal: true,
        verified: true,
    }
}
