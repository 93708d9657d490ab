//! What the runner asks of a workload: the operations of each client, and the reads after the run.

use super::system::{Action, Answer};
use std::time::Duration;

/// The work of one run.
pub trait Plan: Send + Sync {
    /// The operations of client number `client`; deterministic for the seed but for what other clients did.
    fn generator(&self, client: u64) -> Box<dyn Generator>;

    /// The reads after the run.
    fn final_reads(&self) -> Vec<Action>;

    /// Whether those reads are made at every node, until the nodes agree, instead of once by way of the leader.
    fn asks_every_node(&self) -> bool {
        false
    }
}

/// The operations of one client, in order.
pub trait Generator: Send {
    /// What to do next.
    fn next(&mut self) -> Action;

    /// What came of it, so that later operations can refer to it.
    fn observe(&mut self, action: &Action, answer: &Answer);

    /// How long to wait before the next operation; less if what the client holds is lost meanwhile.
    fn pause(&mut self) -> Duration {
        Duration::ZERO
    }

    /// What is to be done in the end, after the last operation.
    fn closing(&mut self) -> Option<Action> {
        None
    }
}
