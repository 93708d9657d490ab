//! What can be done to a running cluster, one file for each fault.
//!
//! A fault acts, reads back what became of it, and can be undone at any time, also when nobody asks for it any more:
//! an [`Acting`] fault is a guard that heals when it is dropped. How to undo it is in the run's [`journal`] before it
//! acts. Faults call blocking commands and wait for the kernel, so they run off the threads that clients run on.
//!
//! To add one: 1. write `name.rs` with a type that implements [`Fault`]; 2. `mod name;` below; 3. one entry in [`all`].
//! Help, `consistory list` and the documentation's table follow from the list.

use super::cluster::network::Network;
use super::system::{Cluster, NodeId};
use crate::history::Value;
use journal::{Entry, Journal, Undo};
use std::sync::Arc;

pub mod journal;
mod kill;
mod loss;
pub mod nemesis;
mod partition;
mod pause;
pub mod process;
mod restart;
mod rules;
pub mod schedule;
pub mod target;

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

/// The cluster that faults act on.
pub struct Scene {
    /// The system.
    pub cluster: Arc<dyn Cluster>,
    /// Where its nodes run, if in namespaces.
    pub network: Option<Network>,
}

impl Scene {
    /// The name of a node.
    #[must_use]
    pub fn name(&self, node: NodeId) -> &str {
        self.cluster.nodes().get(usize::from(node.0)).map_or("", |node| node.name.as_str())
    }

    /// The living process of a node.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub fn pid(&self, node: NodeId) -> Result<u32, String> {
        let name = self.name(node);
        let pids = self.cluster.pids();
        let pid = pids.into_iter().find(|(of, _)| of == name).map(|(_, pid)| pid);
        pid.filter(|&pid| process::is_alive(pid)).ok_or_else(|| format!("{name} has no process that this run started"))
    }
}

/// What a fault or its undoing did, as read back from the world: names and values for the history.
pub type Facts = Vec<(&'static str, Value)>;

/// One way to hurt a cluster.
pub trait Fault: Send + Sync {
    /// What it is.
    fn info(&self) -> &'static FaultInfo;

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

/// A fault that acts, until it is healed or dropped.
pub struct Acting {
    fault: &'static dyn Fault,
    scene: Arc<Scene>,
    targets: Vec<NodeId>,
    entries: Vec<Entry>,
    healed: bool,
}

impl Acting {
    /// Writes into the journal how to undo the fault, and strikes.
    ///
    /// # Errors
    /// Why it has no effect, in words; nothing is left to undo then.
    pub fn strike(
        fault: &'static dyn Fault,
        scene: Arc<Scene>,
        targets: Vec<NodeId>,
        journal: &Journal,
    ) -> Result<(Self, Facts), String> {
        if targets.is_empty() {
            return Err("there is no such node".into());
        }
        let undo = fault.undo(&scene, &targets)?;
        let entries = undo.iter().map(|undo| journal.open(undo)).collect::<Result<_, _>>();
        let entries = entries.map_err(|error| error.to_string())?;
        let acting = Self { fault, scene, targets, entries, healed: false };
        let facts = fault.strike(&acting.scene, &acting.targets)?;
        Ok((acting, facts))
    }

    /// Undoes it; what it did.
    ///
    /// # Errors
    /// See [`Fault::heal`].
    pub fn heal(mut self) -> Result<Facts, Unhealed> {
        self.undo()
    }

    fn undo(&mut self) -> Result<Facts, Unhealed> {
        self.healed = true;
        let result = self.fault.heal(&self.scene, &self.targets);
        // What stays stays in the journal too.
        if !matches!(result, Err(Unhealed::Stays(_))) {
            self.entries.drain(..).for_each(Entry::done);
        }
        result
    }
}

impl Drop for Acting {
    fn drop(&mut self) {
        if !self.healed {
            // Whoever drops it has an error of its own to tell; the journal keeps what could not be undone.
            let _ = self.undo();
        }
    }
}
