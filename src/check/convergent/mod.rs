//! Convergence after quiescence: when the work has ended and every fault is healed, do all nodes hold the same?
//!
//! After "convergence" and "eventual delivery" of Shapiro, Preguiça, Baquero and Zawirski ("Conflict-free replicated data
//! types", SSS 2011) and "quiescent consistency" of Burckhardt ("Principles of eventual consistency", 2014, Section 5.1),
//! as far as reads can tell. The *last read* of a key at a node is the one called last of those called after the system had
//! settled (if nobody says when it had, after the work); a read in a transaction counts unless the transaction had written
//! the key itself. It is no answer if it did not complete, and then neither are the node's earlier reads of other keys; a
//! read that names no node may be any node's. For each key:
//!
//! 1. **Agreement**: all last reads return the same value. Values may be lists.
//! 2. **Validity**: it is the initial value, or an operation left it that did not certainly fail and was called before the
//!    read returned.
//! 3. **Not overwritten**: no session that had left or seen that value completed, after that and before the read was called,
//!    an operation that left another one; and the initial value is gone once any write of the key has returned. A value with
//!    several writers (the initial value counts as written) is left out here. An order of updates that delivers all of
//!    them and respects what their authors knew cannot end with a value that was overwritten knowingly.
//!
//! A write is *late* for a key if it may take effect between its last reads: it is of unknown outcome, or returned after the
//! first of them was called, and it was called before the last of them returned; whether the work had ended then does not
//! matter. Two values contradict each other only if neither has a late write.
//!
//! What contradicts nothing **holds** if every node answered about every key that was asked for or may have been written,
//! and all answers are the same, else it is **undecided**. The nodes are those of the topology and those that were asked;
//! without a topology, all that the history names.
//!
//! Every linearizable history is judged convergent or undecided: of two reads with different values the later one has a
//! write in between, which is late; and a value whose overwriting returned before the read is gone.
//!
//! Nothing is said about lost updates of sessions that did not know of each other, nor about how long it took:
//! [`agreement`] measures that. O(accesses · nodes).

mod agreement;
mod deeds;
mod last_reads;

pub use agreement::{Agreement, agreement};

use super::initial::Initial;
use super::judge::Question;
use super::session_kind::{SessionName, SessionNames};
use super::transactions::is_key_value;
use super::verdict::{Contradiction, Diverged, Undecided, Verdict, Violation, Why, Witness, WrongRead, WrongReadKind};
use super::wrong_read;
use crate::history::{History, OpId, Operation, Outcome, ValueId};
use deeds::{Deeds, Did};
use last_reads::{LastRead, LastReads, is_asked, settled, work_end};
use rustc_hash::FxHashMap;

/// What nobody has to be told twice.
const NO_READS: &str =
    "nobody read every node when the system had settled after the work; record with --workload convergence";
const NO_KEYS: &str = "this is decided for keys with values that are read and written";

/// Whether a history has what this is judged by: somebody asked a node after the work.
#[must_use]
pub fn is_expressible(history: &History, question: &Question) -> bool {
    work_end(history).is_some_and(|end| is_asked(history, question, end))
}

/// The verdict, and how many keys it is about; an error if the independent check contradicts it.
pub(super) fn judge(history: &History, question: &Question) -> Result<(Verdict, usize), String> {
    if !is_key_value(history, question) {
        return Ok((unsupported(NO_KEYS.to_owned()), 0));
    }
    let (Some(end), Some(settled)) = (work_end(history), settled(history)) else {
        return Ok((unsupported(NO_READS.to_owned()), 0));
    };
    if !is_asked(history, question, settled) {
        return Ok((unsupported(NO_READS.to_owned()), 0));
    }
    let names = SessionNames::of(history, question.session);
    let (names, deeds) = match (names, Deeds::of(history, question, end)) {
        (Ok(names), Ok(deeds)) => (names, deeds),
        (Err(why), _) | (_, Err(why)) => return Ok((unsupported(why), 0)),
    };
    let last = LastReads::of(history, &deeds, settled);
    let writers = writers(history, &deeds, &last);
    let initial = Initial::of(history, question);
    let scene = Scene { history, question, initial, names, deeds, last, writers };
    let keys = scene.last.by_key.len();
    if let Some(violation) = scene.contradiction() {
        if !scene.stands(&violation) {
            return Err(format!("the operations {:?} are no counterexample", violation.core));
        }
        return Ok((Verdict::Violated(violation), keys));
    }
    Ok((scene.unclear().map_or(Verdict::Holds(Witness::default()), unsupported), keys))
}

/// Who wrote a value that was read at last, whenever that was.
#[derive(Clone, Debug, Default)]
struct Writers {
    /// Who left it and did not certainly fail.
    left: Vec<OpId>,
    /// Who wrote it and then another value, and did not certainly fail.
    passed: Vec<OpId>,
    failed: Option<OpId>,
}

fn writers(history: &History, deeds: &Deeds, last: &LastReads<'_>) -> FxHashMap<(ValueId, ValueId), Writers> {
    let held = last.by_key.iter().flat_map(|(&key, reads)| reads.values().map(move |read| (key, read.value)));
    let mut writers: FxHashMap<(ValueId, ValueId), Writers> = held.map(|held| (held, Writers::default())).collect();
    for deed in &deeds.all {
        let (Did::Left(value) | Did::Passed(value)) = deed.did else { continue };
        let Some(known) = writers.get_mut(&(deed.key, value)) else { continue };
        if history.operation(deed.op).outcome() == Outcome::Rejected {
            known.failed = known.failed.or(Some(deed.op));
        } else if matches!(deed.did, Did::Left(_)) {
            known.left.push(deed.op);
        } else {
            known.passed.push(deed.op);
        }
    }
    writers
}

/// Where the value of a last read comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    Initial,
    One(OpId),
    Several,
}

struct Scene<'h> {
    history: &'h History,
    question: &'h Question,
    initial: Initial,
    names: SessionNames,
    deeds: Deeds,
    last: LastReads<'h>,
    /// By key and value.
    writers: FxHashMap<(ValueId, ValueId), Writers>,
}

impl<'h> Scene<'h> {
    fn initial(&self, key: ValueId) -> ValueId {
        self.initial.value_of(key)
    }

    fn operation(&self, id: OpId) -> Operation<'h> {
        self.history.operation(id)
    }

    /// Whether one may have begun before the other was over.
    fn may_precede(&self, writer: OpId, read: OpId) -> bool {
        writer != read && self.operation(writer).called() < self.operation(read).returned()
    }

    fn is_before(&self, first: OpId, then: OpId) -> bool {
        self.operation(first).returned() < self.operation(then).called()
    }

    fn contradiction(&self) -> Option<Violation> {
        for (&key, reads) in &self.last.by_key {
            let wrong = reads.values().find_map(|&read| self.wrong_read(key, read));
            if let Some(violation) = wrong.or_else(|| self.disagreement(key)) {
                return Some(violation);
            }
        }
        self.overwritten()
    }

    fn wrong_read(&self, key: ValueId, read: LastRead) -> Option<Violation> {
        let writers = &self.writers[&(key, read.value)];
        let in_time = |&writer: &OpId| self.may_precede(writer, read.op);
        if read.value == self.initial(key) || writers.left.iter().any(in_time) {
            return None;
        }
        let later = writers.left.iter().chain(&writers.passed).copied().find(|&writer| writer != read.op);
        let (kind, writer) = if let Some(passed) = writers.passed.iter().copied().find(|writer| in_time(writer)) {
            (WrongReadKind::Intermediate, Some(passed))
        } else if let Some(later) = later {
            (WrongReadKind::Early, Some(later))
        } else if !writers.left.is_empty() || !writers.passed.is_empty() {
            (WrongReadKind::Future, None)
        } else if writers.failed.is_some() {
            (WrongReadKind::Aborted, writers.failed)
        } else {
            (WrongReadKind::ThinAir, None)
        };
        let wrong = WrongRead { reader: read.op, key, value: read.value, writer, kind };
        let core = std::iter::once(read.op).chain(writer).collect();
        Some(Violation::of_core(key, core, Contradiction::WrongRead(wrong)))
    }

    /// The values of a key that nodes returned at last, each with such a read.
    fn held(&self, key: ValueId) -> Vec<LastRead> {
        let mut held: Vec<LastRead> = Vec::new();
        for &read in self.last.by_key[&key].values() {
            if held.iter().all(|known| known.value != read.value) {
                held.push(read);
            }
        }
        held
    }

    /// Whether a write of that value may have taken effect between the last reads of its key.
    fn is_late(&self, key: ValueId, value: ValueId) -> bool {
        let reads = || self.last.by_key[&key].values().map(|read| self.operation(read.op));
        let (first, end) = (reads().map(|read| read.called()).min(), reads().map(|read| read.returned()).max());
        let late = |&writer: &OpId| {
            let writer = self.operation(writer);
            Some(writer.returned()) > first && Some(writer.called()) < end
        };
        self.writers[&(key, value)].left.iter().any(late)
    }

    fn disagreement(&self, key: ValueId) -> Option<Violation> {
        let sure: Vec<LastRead> =
            self.held(key).into_iter().filter(|read| !self.is_late(key, read.value)).take(2).collect();
        let [one, other] = sure[..] else { return None };
        let written = |read: LastRead| self.writers[&(key, read.value)].left.first().copied();
        let core = [one.op, other.op].into_iter().chain(written(one)).chain(written(other)).collect();
        let kind = Diverged::Disagree { one: one.op, other: other.op };
        Some(Violation::of_core(key, core, Contradiction::NotConverged(kind)))
    }

    fn source(&self, key: ValueId, read: LastRead) -> From {
        let left = &self.writers[&(key, read.value)].left;
        let mut left = left.iter().copied().filter(|&writer| self.may_precede(writer, read.op));
        match (left.next(), left.next()) {
            (None, _) => From::Initial,
            (Some(one), None) if read.value != self.initial(key) => From::One(one),
            _ => From::Several,
        }
    }

    /// A value that is held although somebody who knew it, or found it, had overwritten it.
    fn overwritten(&self) -> Option<Violation> {
        let sources = |(&key, reads): (&ValueId, &std::collections::BTreeMap<_, LastRead>)| {
            let reads = reads.values().map(|&read| (read, self.source(key, read)));
            (key, reads.filter(|(_, from)| *from != From::Several).collect::<Vec<_>>())
        };
        let held: FxHashMap<ValueId, Vec<(LastRead, From)>> = self.last.by_key.iter().map(sources).collect();
        let mut knew: FxHashMap<(SessionName, ValueId, ValueId), OpId> = FxHashMap::default();
        for deed in &self.deeds.all {
            let (op, key) = (deed.op, deed.key);
            let operation = self.operation(op);
            let (Did::Saw(value) | Did::Left(value)) = deed.did else { continue };
            let Some(reads) = held.get(&key).filter(|_| operation.outcome() == Outcome::Completed) else { continue };
            let session = self.names.of_operation(&operation);
            for &(read, from) in reads {
                if value == read.value {
                    knew.entry((session, key, value)).or_insert(op);
                } else if matches!(deed.did, Did::Left(_)) && self.is_before(op, read.op) {
                    let seen = match from {
                        From::Initial => None,
                        _ => match knew.get(&(session, key, read.value)) {
                            Some(&seen) if seen == op || self.is_before(seen, op) => Some(seen),
                            _ => continue,
                        },
                    };
                    let writer = if let From::One(writer) = from { Some(writer) } else { None };
                    let core = [read.op, op].into_iter().chain(seen).chain(writer).collect();
                    let kind = Diverged::Overwritten { reader: read.op, seen, by: op };
                    return Some(Violation::of_core(key, core, Contradiction::NotConverged(kind)));
                }
            }
        }
        None
    }

    /// Why nothing contradicts but nothing is sure either.
    fn unclear(&self) -> Option<String> {
        let of_key = |key: ValueId| {
            let name = || format!(" of key {}", self.history.values().to_value(key));
            if key.is_absent() { String::new() } else { name() }
        };
        if let Some((key, node)) = self.last.silent(self.history) {
            return Some(format!("{node} did not answer the reads{} after the work", of_key(key)));
        }
        self.last.by_key.keys().find(|&&key| self.held(key).len() > 1).map(|&key| {
            format!(
                "the nodes hold {} values{}, of which a write may have taken effect in between",
                self.held(key).len(),
                of_key(key)
            )
        })
    }

    /// The independent check: looks at everything again for this one contradiction.
    fn stands(&self, violation: &Violation) -> bool {
        let key = violation.key;
        let held = |id: OpId| {
            let reads = self.last.by_key.get(&key)?;
            let node = self.operation(id).node_symbol();
            let is_later =
                |ask: &deeds::Ask| ask.op > id && ask.key == key && self.operation(ask.op).node_symbol() == node;
            let is_last = !self.deeds.asks.iter().any(is_later);
            reads.get(&node).filter(|read| is_last && read.op == id).map(|read| read.value)
        };
        let did =
            |op: OpId, did: Did| self.deeds.all.iter().any(|deed| deed.op == op && deed.key == key && deed.did == did);
        let left = |value: ValueId, fits: &dyn Fn(OpId) -> bool| {
            let wrote = |deed: &&deeds::Deed| deed.key == key && deed.did == Did::Left(value);
            let happened = |op: OpId| self.operation(op).outcome() != Outcome::Rejected;
            self.deeds.all.iter().filter(wrote).any(|deed| happened(deed.op) && fits(deed.op))
        };
        match violation.kind {
            Contradiction::WrongRead(wrong) => {
                held(wrong.reader) == Some(wrong.value)
                    && wrong.value != self.initial(key)
                    && !left(wrong.value, &|writer| self.may_precede(writer, wrong.reader))
                    && wrong_read::stands(self.history, self.question, &wrong)
            }
            Contradiction::NotConverged(Diverged::Disagree { one, other }) => {
                let (Some(a), Some(b)) = (held(one), held(other)) else { return false };
                let between = |writer: OpId| {
                    let ends = !self.is_before(writer, one) || !self.is_before(writer, other);
                    ends && (self.may_precede(writer, one) || self.may_precede(writer, other))
                };
                a != b && !left(a, &between) && !left(b, &between)
            }
            Contradiction::NotConverged(Diverged::Overwritten { reader, seen, by }) => {
                let Some(value) = held(reader) else { return false };
                let completed = |op: OpId| self.operation(op).outcome() == Outcome::Completed;
                let session = |op: OpId| self.names.of_operation(&self.operation(op));
                let replaced = self.deeds.all.iter().any(|deed| {
                    deed.op == by && deed.key == key && matches!(deed.did, Did::Left(other) if other != value)
                });
                let knew = match seen {
                    None => !left(value, &|writer| self.may_precede(writer, reader)),
                    Some(seen) if seen == by => did(by, Did::Saw(value)),
                    Some(seen) => {
                        let saw = did(seen, Did::Saw(value)) || did(seen, Did::Left(value));
                        saw && completed(seen) && self.is_before(seen, by) && session(seen) == session(by)
                    }
                };
                completed(by) && replaced && self.is_before(by, reader) && knew
            }
            _ => false,
        }
    }
}

fn unsupported(why: String) -> Verdict {
    Verdict::Undecided(Undecided { why: Why::Unsupported(why), open: Vec::new(), decided: 0 })
}
