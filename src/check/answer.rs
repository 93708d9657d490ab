//! What a checker below linearizable says about sessions of transactions.

use super::budget::Stop;
use super::precedence::Stuck;

/// The answer on one claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing contradicts the claim.
    Holds,
    /// These transactions (ascending) contradict it, also without all others.
    Violated(Vec<u32>),
    /// The budget ended first.
    GaveUp(Stop),
}

impl Answer {
    /// A contradiction between those transactions, in any order and perhaps repeatedly.
    #[must_use]
    pub fn violated(mut transactions: Vec<u32>) -> Self {
        transactions.sort_unstable();
        transactions.dedup();
        Self::Violated(transactions)
    }
}

impl From<Stuck> for Answer {
    /// For orders that have no other edges than sessions and sources: their cycle contradicts by itself.
    fn from(stuck: Stuck) -> Self {
        match stuck {
            Stuck::Cycle(edges) => Self::violated(edges.iter().flat_map(|edge| [edge.before, edge.after]).collect()),
            Stuck::Stopped(stop) => Self::GaveUp(stop),
        }
    }
}
