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
pub use scene::Scene;

mod acting;
pub mod background;
mod delay;
pub mod feasible;
pub mod hook;
pub mod journal;
mod kill;
mod loss;
pub mod means;
pub mod nemesis;
mod partition;
mod pause;
mod probe;
pub mod process;
mod reset;
mod restart;
mod rules;
mod scene;
pub mod schedule;
mod setting;
mod shell;
mod slow;
pub(super) mod stage;
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
        &loss::LOSS,
        &delay::DELAY,
        &delay::JITTER,
        &slow::SLOW,
        &reset::RESET,
        &hook::HOOK,
    ]
}

/// The fault of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static dyn Fault> {
    all().iter().copied().find(|fault| fault.info().name == name)
}

/// The fault of that name with what is set after an equals sign, such as `delay=50ms`.
///
/// # Errors
/// What there is instead, in words.
pub fn parse(text: &str) -> Result<&'static dyn Fault, String> {
    let (name, setting) = text.split_once('=').map_or((text, None), |(name, setting)| (name, Some(setting)));
    let fault = find(name).ok_or_else(|| {
        let known: Vec<_> = all().iter().map(|fault| fault.info().name).collect();
        format!("there is no fault '{name}'; there are: {}", known.join(", "))
    })?;
    match setting {
        None => Ok(fault),
        // A command has a handful of faults, which it needs to its end.
        Some(setting) => fault.with(setting).map(|fault| &*Box::leak(fault)),
    }
}

/// A fault as [`parse`] reads it.
#[must_use]
pub fn words(fault: &dyn Fault) -> String {
    let name = fault.info().name;
    fault.setting().map_or_else(|| name.to_owned(), |setting| format!("{name}={setting}"))
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
