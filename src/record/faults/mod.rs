//! What can be done to a running cluster, one file for each fault.
//!
//! A fault acts, reads back what became of it, and can be undone at any time, also when nobody asks for it any more:
//! an [`Acting`] fault is a guard that heals when it is dropped. How to undo it is in the run's [`journal`] before it
//! acts. Faults call blocking commands and wait for the kernel, so they run off the threads that clients run on.
//!
//! To add one: 1. write `name.rs` with a type that implements [`Fault`]; 2. `mod name;` below; 3. one entry in [`all`].
//! Help, `consistory list` and the documentation's table follow from the list.

use super::system::NodeId;
use crate::history::Value;
pub use acting::Acting;
use journal::Undo;
use means::Means;
pub use scene::Scene;

mod acting;
mod client_pause;
mod clock;
mod disk_full;
mod disk_stall;
pub mod feasible;
pub mod journal;
mod kill;
mod loss;
pub mod means;
mod membership;
pub mod nemesis;
mod partition;
mod pause;
mod power_cut;
pub mod process;
mod restart;
mod rules;
mod scene;
pub mod schedule;
pub(super) mod stage;
pub mod target;
mod vdso;

/// Every fault.
#[must_use]
pub fn all() -> &'static [&'static dyn Fault] {
    &[
        &kill::Kill,
        &pause::Pause,
        &restart::Restart,
        &partition::PARTITION,
        &partition::ONE_WAY,
        &partition::RING,
        &loss::Loss,
        &disk_stall::DiskStall,
        &disk_full::DiskFull,
        &power_cut::PowerCut,
        &client_pause::ClientPause,
        &clock::JUMP,
        &clock::SKEW,
        &membership::Membership,
    ]
}

/// The fault of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static dyn Fault> {
    all().iter().copied().find(|fault| fault.info().name == name)
}

/// What the catalogue says of a fault.
#[derive(Clone, Copy, Debug)]
pub struct FaultInfo {
    /// The word on the command line.
    pub name: &'static str,
    /// What it does.
    pub about: &'static str,
    /// What undoing it means.
    pub undo: &'static str,
    /// The target, if none is named.
    pub target: &'static str,
    /// Whether the nodes must run in namespaces of their own.
    pub needs_network: bool,
}

/// What a fault or its undoing did, as read back from the world: names and values for the history.
pub type Facts = Vec<(&'static str, Value)>;

/// One way to hurt a cluster.
pub trait Fault: Send + Sync {
    /// What it is.
    fn info(&self) -> &'static FaultInfo;

    /// By what it acts.
    fn means(&self) -> Means {
        if self.info().needs_network { Means::Namespaces } else { Means::Signals }
    }

    /// What of a node it acts on while it lasts, in a word: two faults that act on the same of one node are never at
    /// work at once, since each would undo what the other did.
    fn holds(&self) -> &'static str {
        if self.info().needs_network { "network" } else { "process" }
    }

    /// Why it can never act on so many of so many nodes, in words; `None` if it may.
    fn why_never(&self, nodes: usize, targets: usize) -> Option<String> {
        let _ = (nodes, targets);
        None
    }

    /// What will have to be undone.
    ///
    /// # Errors
    /// Why it cannot act on those nodes, in words.
    fn undo(&self, scene: &Scene, targets: &[NodeId]) -> Result<Vec<Undo>, String>;

    /// Acts, and reads back that it does.
    ///
    /// # Errors
    /// Why it has no effect, in words. It is healed in any case.
    fn strike(&self, scene: &Scene, targets: &[NodeId]) -> Result<Facts, String>;

    /// Undoes it, and tells what it did meanwhile.
    ///
    /// # Errors
    /// [`Unhealed::Harmless`] if it had no effect after all, [`Unhealed::Stays`] if it could not be undone.
    fn heal(&self, scene: &Scene, targets: &[NodeId]) -> Result<Facts, Unhealed>;
}

/// What went wrong at the end of a fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unhealed {
    /// It was undone, and it turned out that it had changed nothing.
    #[error("without effect: {0}")]
    Harmless(String),
    /// It could not be undone.
    #[error("not undone: {0}")]
    Stays(String),
}
