//! From a stream of events to a validated [`History`].
//!
//! Refuses what no recorder can have written: a return without a call, a second call while one is open,
//! time that goes backwards, a process that goes on after an indeterminate operation. Complexity O(1) an
//! event. What it does not check: whether functions and values mean anything to a model.

use super::columns::{Attempt, FaultNote, History, Nanos, OpId, Outcome, ProcessId, Rank};
use super::header::Header;
use super::symbols::{Symbol, Symbols};
use super::value::{ValueId, Values};
use rustc_hash::FxHashMap;
use std::fmt;

/// The four kinds of event, in Jepsen's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The operation is about to be sent.
    Invoke,
    /// It completed.
    Ok,
    /// It certainly did not happen.
    Fail,
    /// Nobody knows.
    Info,
}

/// Who an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A client.
    Client(ProcessId),
    /// The part that injects faults.
    Nemesis,
}

/// That an invocation is one more attempt at what was asked for once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// The number of this attempt, 2 for the second.
    pub attempt: u32,
    /// Whose last operation is the attempt before.
    pub previous: ProcessId,
}

/// Where in a file something stands, both from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Line.
    pub line: u32,
    /// Column in bytes.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// One line of a history; ids and symbols are of the builder's own tables.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// When, or [`Nanos::UNKNOWN`].
    pub time: Nanos,
    /// Who.
    pub actor: Actor,
    /// Which kind.
    pub phase: Phase,
    /// What is called; a completion may leave it empty and means what its invocation named.
    pub function: Symbol,
    /// On which object; [`ValueId::ABSENT`] if there is only one.
    pub key: ValueId,
    /// The argument of an invocation, the result of a completion.
    pub value: ValueId,
    /// The node asked or answering.
    pub node: Symbol,
    /// The error of a failed or indeterminate operation.
    pub error: Symbol,
    /// Set on the invocation of an attempt after the first.
    pub retry: Option<Retry>,
    /// Where it stands.
    pub place: Place,
}

/// What is wrong with an event, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct Defect {
    /// Where.
    pub place: Place,
    /// What, and what to do.
    pub kind: DefectKind,
}

/// What can be wrong with an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DefectKind {
    /// A completion whose process has nothing open.
    #[error(
        "process {process} completes '{function}' but has no operation open; its invoke line is missing or came after: record the invocation before the request is sent"
    )]
    UnmatchedReturn {
        /// Whose.
        process: u32,
        /// What it completes.
        function: String,
    },
    /// A second invocation of a process whose first is still open.
    #[error(
        "process {process} invokes '{function}' while its operation of line {open_line} is still open; a process has one operation at a time: complete it (ok, fail or info) first, or use another process id"
    )]
    DoubleInvoke {
        /// Whose.
        process: u32,
        /// What it invokes.
        function: String,
        /// Where the open one was invoked.
        open_line: u32,
    },
    /// A process that goes on after an indeterminate operation.
    #[error(
        "process {process} invokes '{function}' after its indeterminate operation of line {open_line}; after 'info' an id retires, since that operation may still take effect: continue under a new process id"
    )]
    RetiredProcess {
        /// Whose.
        process: u32,
        /// What it invokes.
        function: String,
        /// Where the indeterminate one was invoked.
        open_line: u32,
    },
    /// A completion of another function than the open one.
    #[error(
        "process {process} completes '{function}' but line {open_line} invoked '{open_function}'; the two lines of one operation name the same function"
    )]
    OtherFunction {
        /// Whose.
        process: u32,
        /// What the completion names.
        function: String,
        /// Where the open one was invoked.
        open_line: u32,
        /// What the invocation named.
        open_function: String,
    },
    /// A completion on another key than the open one.
    #[error(
        "process {process} completes '{function}' on another key than line {open_line} invoked it on; the two lines of one operation name the same key"
    )]
    OtherKey {
        /// Whose.
        process: u32,
        /// What it completes.
        function: String,
        /// Where the open one was invoked.
        open_line: u32,
    },
    /// A timestamp smaller than the one before.
    #[error(
        "time goes backwards: {time} ns after {before} ns on line {before_line}; events must be in the order of one monotonic clock: sort the file by time, or leave 'time' out"
    )]
    TimeBackwards {
        /// The offending time.
        time: u64,
        /// The larger time before it.
        before: u64,
        /// Where that stands.
        before_line: u32,
    },
    /// More than 2³¹ events.
    #[error("a history holds at most 2147483647 events; split the file by key")]
    TooLong,
}

/// Builds a [`History`] event by event.
#[derive(Debug)]
pub struct HistoryBuilder {
    history: History,
    open: OpenTable,
    next_rank: u32,
    last: (Nanos, u32),
    /// Returns at the current timestamp, which rank after every call at the same timestamp.
    tied: Vec<OpId>,
    /// Those of them after which their own process called again, all of one process, with the rank kept free for each.
    followed: Vec<(OpId, Rank)>,
    ties: Ties,
}

/// What equal timestamps mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ties {
    /// Concurrent: calls rank before returns. But a process has one operation at a time, so that its return ranks
    /// before its own next call, where that orders no operations of different processes: where no other process calls
    /// after that at the same timestamp.
    CallsFirst,
    /// The order of the file is the truth, as in the log of a single recorder; times may be absent or
    /// unordered and are for display.
    FileOrder,
}

#[derive(Clone, Copy, Debug)]
enum Slot {
    Open(OpId),
    Retired(OpId),
    /// Returned, perhaps at the current timestamp.
    Returned(OpId),
}

/// What each process has open. Process ids are small and dense in every history but hand-made ones, so
/// most live in a plain table.
#[derive(Debug, Default)]
struct OpenTable {
    small: Vec<Option<Slot>>,
    large: FxHashMap<u32, Slot>,
}

impl OpenTable {
    /// Ids below this are looked up by index.
    const SMALL: u32 = 1 << 16;

    #[inline]
    fn get(&self, process: ProcessId) -> Option<Slot> {
        match self.small.get(process.0 as usize) {
            Some(slot) => *slot,
            None => self.large.get(&process.0).copied(),
        }
    }

    #[inline]
    fn set(&mut self, process: ProcessId, slot: Option<Slot>) {
        let at = process.0 as usize;
        if process.0 < Self::SMALL {
            if at >= self.small.len() {
                self.small.resize(at + 1, None);
            }
            self.small[at] = slot;
        } else if let Some(slot) = slot {
            self.large.insert(process.0, slot);
        } else {
            self.large.remove(&process.0);
        }
    }
}

impl HistoryBuilder {
    /// An empty history.
    #[must_use]
    pub fn new(header: Header, ties: Ties) -> Self {
        let history = History { header, ..History::default() };
        let (returns, followed) = (Vec::new(), Vec::new());
        Self { history, open: OpenTable::default(), next_rank: 0, last: (Nanos(0), 0), tied: returns, followed, ties }
    }

    /// The table in which events' values must be interned.
    pub fn values(&mut self) -> &mut Values {
        &mut self.history.values
    }

    /// The table in which events' functions must be interned.
    pub fn functions(&mut self) -> &mut Symbols {
        &mut self.history.functions
    }

    /// The table in which events' nodes must be interned.
    pub fn nodes(&mut self) -> &mut Symbols {
        &mut self.history.nodes
    }

    /// The table in which events' errors must be interned.
    pub fn errors(&mut self) -> &mut Symbols {
        &mut self.history.errors
    }

    /// The header, for readers that learn it late.
    pub fn header(&mut self) -> &mut Header {
        &mut self.history.header
    }

    /// Something a reader should be told although the history is usable.
    pub fn warn(&mut self, warning: String) {
        self.history.warnings.push(warning);
    }

    /// How many operations have been invoked so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.history.len()
    }

    /// Whether nothing has been invoked so far.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.history.is_empty()
    }

    /// Takes the next event.
    ///
    /// # Errors
    /// The [`Defect`] that makes it impossible; the builder is then of no further use.
    pub fn push(&mut self, event: &Event) -> Result<(), Defect> {
        self.advance(event)?;
        let Actor::Client(process) = event.actor else {
            let after_calls = u32::try_from(self.len()).unwrap_or(u32::MAX);
            self.history.faults.push(FaultNote {
                time: event.time,
                function: event.function,
                value: event.value,
                after_calls,
            });
            return Ok(());
        };
        match event.phase {
            Phase::Invoke => self.invoke(process, event),
            phase => self.complete(process, phase, event),
        }
    }

    /// The history; operations still open are indeterminate.
    #[must_use]
    pub fn finish(mut self) -> History {
        self.release_ties();
        self.history
    }

    fn advance(&mut self, event: &Event) -> Result<(), Defect> {
        let defect = |kind| Err(Defect { place: event.place, kind });
        if self.next_rank >= i32::MAX as u32 {
            return defect(DefectKind::TooLong);
        }
        if self.ties == Ties::FileOrder || event.time == Nanos::UNKNOWN {
            return Ok(());
        }
        let (before, before_line) = self.last;
        if event.time < before {
            return defect(DefectKind::TimeBackwards { time: event.time.0, before: before.0, before_line });
        }
        if event.time > before {
            self.release_ties();
        }
        self.last = (event.time, event.place.line);
        Ok(())
    }

    fn release_ties(&mut self) {
        for (id, rank) in self.followed.drain(..) {
            self.history.columns.return_rank[id.index()] = rank;
        }
        for place in 0..self.tied.len() {
            let id = self.tied[place];
            if self.history.columns.return_rank[id.index()] == Rank::NEVER {
                self.history.columns.return_rank[id.index()] = self.rank();
            }
        }
        self.tied.clear();
    }

    /// Before a call of `process`: keeps a rank free for its return at the same timestamp. Ranks are one line, and ids
    /// follow it, so that a return before this call is before every later one too. That is true of the process itself;
    /// of another one it would be made up.
    fn order_own(&mut self, process: ProcessId, before: Option<Slot>) {
        let columns = &self.history.columns;
        if self.followed.last().is_some_and(|(id, _)| columns.process[id.index()] != process) {
            self.followed.clear();
        }
        if let Some(Slot::Returned(id)) = before
            && columns.return_rank[id.index()] == Rank::NEVER
        {
            let rank = self.rank();
            self.followed.push((id, rank));
        }
    }

    fn rank(&mut self) -> Rank {
        let rank = Rank(self.next_rank);
        self.next_rank += 1;
        rank
    }

    fn invoke(&mut self, process: ProcessId, event: &Event) -> Result<(), Defect> {
        let slot = self.open.get(process);
        if let Some(Slot::Open(open)) = slot {
            let (process, function) = (process.0, self.named(event));
            let open_line = self.history.columns.line[open.index()];
            return Err(Defect { place: event.place, kind: DefectKind::DoubleInvoke { process, function, open_line } });
        }
        if let Some(Slot::Retired(open)) = slot {
            let (process, function) = (process.0, self.named(event));
            let open_line = self.history.columns.line[open.index()];
            return Err(Defect {
                place: event.place,
                kind: DefectKind::RetiredProcess { process, function, open_line },
            });
        }
        self.order_own(process, slot);
        let called = self.rank();
        let id = OpId(u32::try_from(self.len()).expect("bounded by the rank"));
        self.note_retry(id, event.retry);
        self.open.set(process, Some(Slot::Open(id)));
        let columns = &mut self.history.columns;
        columns.process.push(process);
        columns.function.push(event.function);
        columns.key.push(event.key);
        columns.argument.push(event.value);
        columns.result.push(ValueId::ABSENT);
        columns.outcome.push(Outcome::Indeterminate);
        columns.node.push(event.node);
        columns.error.push(Symbol::NONE);
        columns.call_time.push(event.time);
        columns.return_time.push(Nanos::UNKNOWN);
        columns.call_rank.push(called);
        columns.return_rank.push(Rank::NEVER);
        columns.line.push(event.place.line);
        Ok(())
    }

    /// Links an attempt to the one before. One whose process is not known any more is an operation of its own.
    fn note_retry(&mut self, id: OpId, retry: Option<Retry>) {
        let Some(Retry { attempt, previous }) = retry else { return };
        if let Some(Slot::Returned(previous) | Slot::Retired(previous)) = self.open.get(previous) {
            self.history.attempts.push(Attempt { id, number: attempt, previous });
        }
    }

    fn named(&self, event: &Event) -> String {
        self.history.functions.get(event.function).to_owned()
    }

    fn complete(&mut self, process: ProcessId, phase: Phase, event: &Event) -> Result<(), Defect> {
        let Some(Slot::Open(id)) = self.open.get(process) else {
            let function = self.history.functions.get(event.function).to_owned();
            let kind = DefectKind::UnmatchedReturn { process: process.0, function };
            return Err(Defect { place: event.place, kind });
        };
        self.expect_same_target(process, id, event)?;
        let at = id.index();
        let columns = &mut self.history.columns;
        columns.return_time[at] = event.time;
        if event.node != Symbol::NONE {
            columns.node[at] = event.node;
        }
        columns.error[at] = event.error;
        if phase == Phase::Info {
            self.open.set(process, Some(Slot::Retired(id)));
            return Ok(());
        }
        columns.result[at] = event.value;
        columns.outcome[at] = if phase == Phase::Ok { Outcome::Completed } else { Outcome::Rejected };
        let ties = self.ties == Ties::CallsFirst && event.time != Nanos::UNKNOWN;
        // Only what failed is tried again.
        self.open.set(process, (ties || phase == Phase::Fail).then_some(Slot::Returned(id)));
        if ties {
            self.tied.push(id);
        } else {
            let rank = self.rank();
            self.history.columns.return_rank[at] = rank;
        }
        Ok(())
    }

    fn expect_same_target(&self, process: ProcessId, id: OpId, event: &Event) -> Result<(), Defect> {
        let columns = &self.history.columns;
        let at = id.index();
        let name = |symbol| self.history.functions.get(symbol).to_owned();
        let open_line = columns.line[at];
        let kind = if event.function != Symbol::NONE && event.function != columns.function[at] {
            let open_function = name(columns.function[at]);
            DefectKind::OtherFunction { process: process.0, function: name(event.function), open_line, open_function }
        } else if !event.key.is_absent() && event.key != columns.key[at] {
            DefectKind::OtherKey { process: process.0, function: name(event.function), open_line }
        } else {
            return Ok(());
        };
        Err(Defect { place: event.place, kind })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls (`true`) and returns of processes at times.
    fn history(events: &[(u64, u32, bool)]) -> History {
        let mut builder = HistoryBuilder::new(Header::default(), Ties::CallsFirst);
        let function = builder.functions().intern("write");
        for (line, &(time, process, call)) in (1..).zip(events) {
            let event = Event {
                time: Nanos(time),
                actor: Actor::Client(ProcessId(process)),
                phase: if call { Phase::Invoke } else { Phase::Ok },
                function,
                key: ValueId::ABSENT,
                value: ValueId::NIL,
                node: Symbol::NONE,
                error: Symbol::NONE,
                retry: None,
                place: Place { line, column: 1 },
            };
            builder.push(&event).expect("a possible event");
        }
        builder.finish()
    }

    fn precedes(history: &History, a: u32, b: u32) -> bool {
        history.operation(OpId(a)).returned() < history.operation(OpId(b)).called()
    }

    #[test]
    fn a_process_follows_itself_even_at_equal_times() {
        let history = history(&[(1, 0, true), (5, 0, false), (5, 0, true), (5, 0, false), (5, 0, true), (6, 0, false)]);
        assert!(precedes(&history, 0, 1) && precedes(&history, 1, 2));
    }

    #[test]
    fn equal_times_order_no_two_processes() {
        // 0 and 1 return at 5, and 0 goes on.
        let others = history(&[(1, 0, true), (1, 1, true), (5, 1, false), (5, 0, false), (5, 0, true), (6, 0, false)]);
        assert!(precedes(&others, 0, 2), "its own");
        assert!(!precedes(&others, 1, 2), "another one that returned at the same time");
        // 0 returns and goes on, then 1 calls at the same time.
        let later = history(&[(1, 0, true), (5, 0, false), (5, 0, true), (5, 1, true), (6, 0, false), (7, 1, false)]);
        assert!(!precedes(&later, 0, 2), "another one that was called at the same time");
    }

    #[test]
    fn ranks_are_different_and_calls_rank_in_order() {
        let history = history(&[(1, 0, true), (1, 1, true), (5, 0, false), (5, 0, true), (5, 1, false), (5, 1, true)]);
        let calls: Vec<_> = history.operations().map(|operation| operation.called()).collect();
        assert!(calls.is_sorted_by(|a, b| a < b), "{calls:?}");
        let mut all: Vec<_> = history.operations().map(|operation| operation.returned()).collect();
        all.retain(|&rank| rank != Rank::NEVER);
        all.extend(calls);
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
