//! What happened: the recorded operations of one run, validated and indexed.
//!
//! Readers of [`formats`] push [`Event`]s into a [`HistoryBuilder`]; it pairs every invocation with its
//! completion, refuses what no recorder can have written, and hands out a [`History`]: columns, one entry
//! an operation, in order of invocation. A history that exists is valid; checkers never look again.

mod builder;
mod columns;
pub mod fault_windows;
pub mod formats;
mod header;
mod live;
pub mod requests;
mod symbols;
mod value;

pub use builder::{Actor, Defect, DefectKind, Event, HistoryBuilder, Phase, Place, Retry, Ties};
pub use columns::{Attempt, FaultNote, History, Nanos, OpId, Operation, Outcome, ProcessId, Rank};
pub use header::Header;
pub use live::{LiveHistory, LiveStep};
pub use symbols::{Symbol, Symbols};
pub use value::{Value, ValueId, ValueRef, Values};
