//! What a fault is: what the catalogue says of it, and what it does when it strikes and heals.

use super::Scene;
use super::journal::Undo;
use super::need::Need;
use crate::history::Value;
use crate::record::system::NodeId;

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

    /// What is set, as it is written after its name and an equals sign; nothing if there is nothing to set.
    fn setting(&self) -> Option<String> {
        None
    }

    /// The same fault with that setting.
    ///
    /// # Errors
    /// What the setting may be, in words.
    fn with(&self, setting: &str) -> Result<Box<dyn Fault>, String> {
        Err(format!("{} has nothing to set to '{setting}'", self.info().name))
    }

    /// Whether it can act on a cluster that the run has not started.
    fn acts_on_existing(&self) -> bool {
        false
    }

    /// Whether proxies between the nodes can stand in for namespaces of their own.
    fn acts_on_links(&self) -> bool {
        false
    }

    /// What the header of the history says of it besides the schedule, by name.
    fn settings(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// What it needs to act.
    fn needs(&self) -> Need {
        if self.info().needs_network { Need::Network } else { Need::Signals }
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
