//! Causal consistency in three strengths, and PRAM, for sessions of transactions whose reads know their sources.
//!
//! Bouajjani, Enea, Guerraoui and Hamza ("On verifying causal consistency", POPL 2017) show that a history whose written
//! values are unique is causally consistent exactly when it is free of a few patterns over the causal order, the
//! transitive closure of sessions and sources; [`past`] finds those of causal consistency (CC) and causal convergence
//! (CCv), [`views`] those of causal memory (CM) and, with a smaller order, PRAM. Their operations are single reads and
//! writes. A transaction is one operation here that reads and writes several keys: CCv is then the "causal consistency"
//! of Biswas and Enea (OOPSLA 2019).
//!
//! The initial value precedes every operation of every session: a read of it after any write that is before the read is a
//! violation under each of the four.

pub mod past;
pub mod versions;
pub mod views;

use super::transactions::{INITIAL, Transactions};

/// The sources of a transaction's reads: what the causal order puts directly before it besides its session.
pub(super) fn sources(transactions: &Transactions, transaction: u32, into: &mut Vec<u32>) {
    into.extend(transactions.reads(transaction).iter().map(|read| read.source).filter(|&source| source != INITIAL));
}
