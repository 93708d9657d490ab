//! Judging a history: pure functions from a [`History`](crate::history::History) to a verdict.
//!
//! No files, clock, randomness or printing in here; seeds and budgets are parameters. Checkers do not know
//! each other: they share models, budgets and the verifier of [`witness`].

mod agreed_orders;
pub mod answer;
pub mod budget;
pub mod causal;
pub mod clocks;
pub mod convergent;
mod cycle;
mod evidence;
pub mod guarantee;
mod initial;
pub mod invariants;
pub mod judge;
pub mod key_value;
mod lattice;
pub mod linearizable;
pub mod models;
mod observed;
pub mod partition;
pub mod persistent;
pub mod precedence;
pub mod problem;
pub mod processor;
mod refute;
mod relation;
pub mod replay;
pub mod sequential;
pub mod session;
pub mod session_kind;
pub mod shrink;
pub mod staleness;
pub mod stream;
pub mod transactional;
pub mod transactions;
pub mod verdict;
pub mod witness;
mod wrong_read;
