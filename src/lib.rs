//! Consistory finds out what a distributed store really promises.
//!
//! Record → history → check → report: a run makes a history, a history is judged, a judgement is told.
//! The history file is the only thing that passes from recording to checking.

#[path = "../adapters/mod.rs"]
pub mod adapters;
pub mod check;
/// Makes up histories whose verdict is known, from a seed.
pub mod generate;
pub mod history;
pub mod record;
