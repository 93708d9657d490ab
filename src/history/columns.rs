//! A validated history: one entry an operation, column by column.

use super::header::Header;
use super::symbols::{Symbol, Symbols};
use super::value::{Value, ValueId, Values};
use std::fmt;

/// A logical process: one client that has at most one operation open at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProcessId(pub u32);

/// The place of an operation in its history, in order of invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OpId(pub u32);

impl OpId {
    /// The number as an index into columns.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Nanoseconds on the recorder's clock since the start of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Nanos(pub u64);

impl Nanos {
    /// The time of an event that has none.
    pub const UNKNOWN: Self = Self(u64::MAX);

    /// Seconds, for people.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "for display only")]
    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

/// The position of a call or return among all calls and returns of a history.
///
/// Ranks are what checkers compare: operation `a` precedes `b` exactly when `a.returned < b.called`.
/// At equal timestamps a call ranks before a return, which makes the two operations concurrent; the other
/// way would invent an order that the clock did not show (intervals are closed).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Rank(pub u32);

impl Rank {
    /// The return of an operation that may still take effect at any later time.
    pub const NEVER: Self = Self(u32::MAX);
}

/// How an operation ended, as far as its caller can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// It took effect exactly once between its call and its return (`ok`).
    Completed,
    /// It certainly had no effect (`fail`).
    Rejected,
    /// It may take effect once at any time after its call, or never (`info`); its process id retires.
    /// Timeouts, lost connections and operations still open at the end of the file are all this.
    Indeterminate,
}

/// One line about what a fault did to the cluster: the `nemesis` events of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultNote {
    /// When.
    pub time: Nanos,
    /// What, such as `partition-start`.
    pub function: Symbol,
    /// Details: targets and evidence.
    pub value: ValueId,
    /// How many operations had been called before it, for histories without times.
    pub after_calls: u32,
}

/// An operation that is one more attempt at what its user asked for once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The operation.
    pub id: OpId,
    /// Its number among the attempts, 2 for the second.
    pub number: u32,
    /// The attempt before.
    pub previous: OpId,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Columns {
    pub process: Vec<ProcessId>,
    pub function: Vec<Symbol>,
    pub key: Vec<ValueId>,
    pub argument: Vec<ValueId>,
    pub result: Vec<ValueId>,
    pub outcome: Vec<Outcome>,
    pub node: Vec<Symbol>,
    pub error: Vec<Symbol>,
    pub call_time: Vec<Nanos>,
    pub return_time: Vec<Nanos>,
    pub call_rank: Vec<Rank>,
    pub return_rank: Vec<Rank>,
    pub line: Vec<u32>,
}

/// Everything that was recorded of one run, known to be well formed.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub(super) header: Header,
    pub(super) values: Values,
    pub(super) functions: Symbols,
    pub(super) nodes: Symbols,
    pub(super) errors: Symbols,
    pub(super) columns: Columns,
    pub(super) faults: Vec<FaultNote>,
    /// In order of their operations.
    pub(super) attempts: Vec<Attempt>,
    pub(super) warnings: Vec<String>,
}

impl History {
    /// How many operations there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.columns.process.len()
    }

    /// Whether nothing was recorded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Facts about the run.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The table behind every [`ValueId`] of this history.
    #[must_use]
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// The table of function names.
    #[must_use]
    pub fn functions(&self) -> &Symbols {
        &self.functions
    }

    /// The table of node names.
    #[must_use]
    pub fn nodes(&self) -> &Symbols {
        &self.nodes
    }

    /// What faults did, in order of time.
    #[must_use]
    pub fn faults(&self) -> &[FaultNote] {
        &self.faults
    }

    /// The operations that are attempts after the first, in their order. Each is an operation like any other: it went over
    /// the wire, and may have taken effect.
    #[must_use]
    pub fn attempts(&self) -> &[Attempt] {
        &self.attempts
    }

    /// What a reader should be told although the history is usable, such as a torn last line.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// A look at one operation.
    ///
    /// # Panics
    /// When `id` is not of this history.
    #[must_use]
    pub fn operation(&self, id: OpId) -> Operation<'_> {
        assert!(id.index() < self.len(), "operation {} is not in this history", id.0);
        Operation { history: self, id }
    }

    /// All operations in order of invocation.
    #[must_use]
    pub fn operations(&self) -> impl ExactSizeIterator<Item = Operation<'_>> + Clone {
        (0..u32::try_from(self.len()).expect("ids are 32 bits")).map(|id| Operation { history: self, id: OpId(id) })
    }

    /// The key column, for partitioning without touching anything else.
    #[must_use]
    pub fn keys(&self) -> &[ValueId] {
        &self.columns.key
    }

    /// The operations in `keep` (ascending) as a history of their own: same tables, times and lines,
    /// ranks as they were; which of them are further attempts is not kept.
    #[must_use]
    pub fn select(&self, keep: &[OpId]) -> Self {
        fn pick<T: Copy>(column: &[T], keep: &[OpId]) -> Vec<T> {
            keep.iter().map(|id| column[id.index()]).collect()
        }
        let all = &self.columns;
        let columns = Columns {
            process: pick(&all.process, keep),
            function: pick(&all.function, keep),
            key: pick(&all.key, keep),
            argument: pick(&all.argument, keep),
            result: pick(&all.result, keep),
            outcome: pick(&all.outcome, keep),
            node: pick(&all.node, keep),
            error: pick(&all.error, keep),
            call_time: pick(&all.call_time, keep),
            return_time: pick(&all.return_time, keep),
            call_rank: pick(&all.call_rank, keep),
            return_rank: pick(&all.return_rank, keep),
            line: pick(&all.line, keep),
        };
        Self { columns, warnings: Vec::new(), ..self.clone_tables() }
    }

    fn clone_tables(&self) -> Self {
        Self {
            header: self.header.clone(),
            values: self.values.clone(),
            functions: self.functions.clone(),
            nodes: self.nodes.clone(),
            errors: self.errors.clone(),
            faults: self.faults.clone(),
            ..Self::default()
        }
    }
}

/// A look at one operation of a [`History`].
#[derive(Clone, Copy)]
pub struct Operation<'h> {
    history: &'h History,
    id: OpId,
}

impl<'h> Operation<'h> {
    /// Its place in the history.
    #[must_use]
    pub fn id(&self) -> OpId {
        self.id
    }

    /// Who called it.
    #[must_use]
    pub fn process(&self) -> ProcessId {
        self.history.columns.process[self.id.index()]
    }

    /// What was called: `read`, `write`, `cas`, …
    #[must_use]
    pub fn function(&self) -> &'h str {
        self.history.functions.get(self.function_symbol())
    }

    /// What was called, as a number that is cheap to compare.
    #[must_use]
    pub fn function_symbol(&self) -> Symbol {
        self.history.columns.function[self.id.index()]
    }

    /// The object, or [`ValueId::ABSENT`] where the history has only one.
    #[must_use]
    pub fn key(&self) -> ValueId {
        self.history.columns.key[self.id.index()]
    }

    /// The value of its invocation.
    #[must_use]
    pub fn argument(&self) -> ValueId {
        self.history.columns.argument[self.id.index()]
    }

    /// The value of its completion, or [`ValueId::ABSENT`] where there was none.
    #[must_use]
    pub fn result(&self) -> ValueId {
        self.history.columns.result[self.id.index()]
    }

    /// How it ended.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.history.columns.outcome[self.id.index()]
    }

    /// The node that answered (or was asked), by name; empty where unknown.
    #[must_use]
    pub fn node(&self) -> &'h str {
        self.history.nodes.get(self.history.columns.node[self.id.index()])
    }

    /// The node that answered (or was asked), as a number that is cheap to compare.
    #[must_use]
    pub fn node_symbol(&self) -> Symbol {
        self.history.columns.node[self.id.index()]
    }

    /// Why it was rejected or indeterminate; empty where unknown.
    #[must_use]
    pub fn error(&self) -> &'h str {
        self.history.errors.get(self.history.columns.error[self.id.index()])
    }

    /// When it was called.
    #[must_use]
    pub fn call_time(&self) -> Nanos {
        self.history.columns.call_time[self.id.index()]
    }

    /// When its completion was seen; [`Nanos::UNKNOWN`] if never.
    #[must_use]
    pub fn return_time(&self) -> Nanos {
        self.history.columns.return_time[self.id.index()]
    }

    /// The rank of its call.
    #[must_use]
    pub fn called(&self) -> Rank {
        self.history.columns.call_rank[self.id.index()]
    }

    /// The rank of its return; [`Rank::NEVER`] for an indeterminate operation.
    #[must_use]
    pub fn returned(&self) -> Rank {
        self.history.columns.return_rank[self.id.index()]
    }

    /// The line of its invocation in the file it came from, from 1.
    #[must_use]
    pub fn line(&self) -> u32 {
        self.history.columns.line[self.id.index()]
    }

    /// The table behind its values.
    #[must_use]
    pub fn values(&self) -> &'h Values {
        &self.history.values
    }

    /// An owned copy of its argument.
    #[must_use]
    pub fn argument_value(&self) -> Value {
        self.history.values.to_value(self.argument())
    }

    /// An owned copy of its result.
    #[must_use]
    pub fn result_value(&self) -> Value {
        self.history.values.to_value(self.result())
    }
}

impl fmt::Debug for Operation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "#{} p{} {}({}) {:?} -> {} [{},{}] {:?}",
            self.id.0,
            self.process().0,
            self.function(),
            self.argument_value(),
            self.key(),
            self.result_value(),
            self.called().0,
            self.returned().0,
            self.outcome()
        )
    }
}
