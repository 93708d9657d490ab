//! Consistory finds out what a distributed store really promises.
//!
//! **Record → history → check → report.** A run makes a history; a history is judged; a judgement is told. The history
//! file is the only thing that passes from recording to checking, so checking works on anybody's history, and recording
//! knows no model. The modules in the order in which data flows:

/// The systems under test.
#[path = "../adapters/mod.rs"]
pub mod adapters;

/// What clients do.
pub mod workloads;

/// Making a history.
pub mod record;

/// Made-up histories whose verdict is known, from a seed.
pub mod generate;

/// What happened.
pub mod history;

/// Judging it, purely.
pub mod check;

/// Telling the judgement.
pub mod report;

/// The command line, which uses all of the above and is used by none.
pub mod cli;
