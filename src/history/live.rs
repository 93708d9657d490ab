//! The operations that are open now, for judging a history while it is recorded.
//!
//! A [`LiveHistory`] is given events in the order of the file and hands out steps: an operation was invoked, it
//! returned, nobody knows. Rows of released operations are used again, so it holds what is open and the values that
//! were mentioned since the last [`LiveHistory::rename_values`], never the past.
//!
//! Ties in time are concurrent, as everywhere: a return is handed out once an event of a later time shows that no
//! call of the same time can follow, or at [`LiveHistory::end`]. Events without a time count in the order of the file.
//!
//! It pairs events and no more: what a reader of the whole file refuses besides (a retired process that goes on, a
//! completion of another function) is refused when the whole file is read.

use super::builder::{Actor, Defect, DefectKind, Event, Phase};
use super::columns::{History, Nanos, OpId, Operation, Outcome, ProcessId, Rank};
use super::symbols::{Symbol, Symbols};
use super::value::{Value, ValueId, Values};
use rustc_hash::FxHashMap;

/// What an event means for an operation. The operation's row stays as it is until it is released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiveStep {
    /// It is about to be sent; nothing of its outcome is known.
    Invoked(OpId),
    /// It completed or was rejected; see its outcome and result.
    Returned(OpId),
    /// It may take effect at any later time, or never.
    InDoubt(OpId),
}

/// See the module.
#[derive(Debug)]
pub struct LiveHistory {
    rows: History,
    free: Vec<OpId>,
    open: FxHashMap<ProcessId, OpId>,
    /// Returned at the time of the last event.
    tied: Vec<OpId>,
    last: (Nanos, u32),
}

impl Default for LiveHistory {
    fn default() -> Self {
        Self::new()
    }
}

impl LiveHistory {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            rows: History::default(),
            free: Vec::new(),
            open: FxHashMap::default(),
            tied: Vec::new(),
            last: (Nanos(0), 0),
        }
    }

    /// A look at an operation that is not released yet. Its ranks mean nothing.
    #[must_use]
    pub fn operation(&self, id: OpId) -> Operation<'_> {
        self.rows.operation(id)
    }

    /// The table behind the values of rows.
    #[must_use]
    pub fn values(&self) -> &Values {
        &self.rows.values
    }

    /// How many rows there are: the most operations that were ever unreleased at once.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// The id of a value, for as long as values are not renamed.
    pub fn intern(&mut self, value: &Value) -> ValueId {
        self.rows.values.intern(value)
    }

    pub(super) fn tables(&mut self) -> (&mut Values, &mut Symbols) {
        (&mut self.rows.values, &mut self.rows.functions)
    }

    /// Takes the next event, whose value, key and function are of this history's tables, and appends what it means.
    ///
    /// # Errors
    /// The [`Defect`] that makes it impossible.
    pub fn push(&mut self, event: &Event, steps: &mut Vec<LiveStep>) -> Result<(), Defect> {
        self.advance(event, steps)?;
        let Actor::Client(process) = event.actor else { return Ok(()) };
        match event.phase {
            Phase::Invoke => self.invoke(process, event, steps),
            phase => self.complete(process, phase, event, steps),
        }
    }

    /// Nothing follows: what waited for a later time has returned.
    pub fn end(&mut self, steps: &mut Vec<LiveStep>) {
        steps.extend(self.tied.drain(..).map(LiveStep::Returned));
    }

    /// The operation's row is of no further use.
    pub fn release(&mut self, id: OpId) {
        self.free.push(id);
    }

    /// Forgets all values but those of unreleased rows, and those that the caller asks `again` for: from an old id to
    /// its new one.
    pub fn rename_values(&mut self, again: impl FnOnce(&mut dyn FnMut(ValueId) -> ValueId)) {
        let old = std::mem::take(&mut self.rows.values);
        let fresh = &mut self.rows.values;
        let mut rename = |id| fresh.adopt(&old, id);
        let mut live = vec![true; self.rows.columns.key.len()];
        for id in &self.free {
            live[id.index()] = false;
        }
        let columns = &mut self.rows.columns;
        for at in (0..live.len()).filter(|&at| live[at]) {
            for column in [&mut columns.key, &mut columns.argument, &mut columns.result] {
                column[at] = rename(column[at]);
            }
        }
        again(&mut rename);
    }

    fn advance(&mut self, event: &Event, steps: &mut Vec<LiveStep>) -> Result<(), Defect> {
        if event.time == Nanos::UNKNOWN {
            return Ok(());
        }
        let (before, before_line) = self.last;
        if event.time < before {
            let kind = DefectKind::TimeBackwards { time: event.time.0, before: before.0, before_line };
            return Err(Defect { place: event.place, kind });
        }
        if event.time > before {
            self.end(steps);
        }
        self.last = (event.time, event.place.line);
        Ok(())
    }

    fn invoke(&mut self, process: ProcessId, event: &Event, steps: &mut Vec<LiveStep>) -> Result<(), Defect> {
        if let Some(&open) = self.open.get(&process) {
            let function = self.rows.functions.get(event.function).to_owned();
            let open_line = self.operation(open).line();
            let kind = DefectKind::DoubleInvoke { process: process.0, function, open_line };
            return Err(Defect { place: event.place, kind });
        }
        let id = self.row(process, event);
        self.open.insert(process, id);
        steps.push(LiveStep::Invoked(id));
        Ok(())
    }

    fn row(&mut self, process: ProcessId, event: &Event) -> OpId {
        let columns = &mut self.rows.columns;
        let id = self.free.pop().unwrap_or_else(|| {
            let id = OpId(u32::try_from(columns.process.len()).expect("fewer operations are open than ids"));
            columns.process.push(process);
            columns.function.push(Symbol::NONE);
            columns.key.push(ValueId::ABSENT);
            columns.argument.push(ValueId::ABSENT);
            columns.result.push(ValueId::ABSENT);
            columns.outcome.push(Outcome::Indeterminate);
            columns.node.push(Symbol::NONE);
            columns.error.push(Symbol::NONE);
            columns.call_time.push(Nanos::UNKNOWN);
            columns.return_time.push(Nanos::UNKNOWN);
            columns.call_rank.push(Rank(0));
            columns.return_rank.push(Rank::NEVER);
            columns.line.push(0);
            id
        });
        let at = id.index();
        columns.process[at] = process;
        columns.function[at] = event.function;
        columns.key[at] = event.key;
        columns.argument[at] = event.value;
        columns.result[at] = ValueId::ABSENT;
        columns.outcome[at] = Outcome::Indeterminate;
        columns.call_time[at] = event.time;
        columns.return_time[at] = Nanos::UNKNOWN;
        columns.line[at] = event.place.line;
        id
    }

    fn complete(
        &mut self,
        process: ProcessId,
        phase: Phase,
        event: &Event,
        steps: &mut Vec<LiveStep>,
    ) -> Result<(), Defect> {
        let Some(id) = self.open.remove(&process) else {
            let function = self.rows.functions.get(event.function).to_owned();
            return Err(Defect {
                place: event.place,
                kind: DefectKind::UnmatchedReturn { process: process.0, function },
            });
        };
        if phase == Phase::Info {
            steps.push(LiveStep::InDoubt(id));
            return Ok(());
        }
        let columns = &mut self.rows.columns;
        columns.return_time[id.index()] = event.time;
        columns.result[id.index()] = event.value;
        columns.outcome[id.index()] = if phase == Phase::Ok { Outcome::Completed } else { Outcome::Rejected };
        if event.time == Nanos::UNKNOWN {
            steps.push(LiveStep::Returned(id));
        } else {
            self.tied.push(id);
        }
        Ok(())
    }
}
