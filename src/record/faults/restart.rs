//! Restart: every targeted server is killed and started again at once, before the others can take over.

use super::journal::Undo;
use super::kill::{kill, start};
use super::{Facts, Fault, FaultInfo, Scene, Unhealed};
use crate::record::system::NodeId;

/// See the module.
pub(super) struct Restart;

impl Fault for Restart {
    fn info(&self) -> &'static FaultInfo {
        &FaultInfo {
            name: "restart",
            about: "kill -9 of the servers, started again at once",
            undo: "none: the servers run again when it has struck",
            target: "all",
            needs_network: false,
        }
    }

    fn undo(&self, scene: &Scene, targets: &[NodeId]) -> Result<Vec<Undo>, String> {
        targets.iter().map(|&node| scene.pid(node).map(|_| Undo::Restart { node: scene.name(node).into() })).collect()
    }

    fn strike(&self, scene: &Scene, targets: &[NodeId]) -> Result<Facts, String> {
        let mut facts = kill(scene, targets)?;
        facts.extend(start(scene, targets).map_err(|error| error.to_string())?);
        Ok(facts)
    }

    /// Starts what has ended since; a server that runs stays.
    fn heal(&self, scene: &Scene, targets: &[NodeId]) -> Result<Facts, Unhealed> {
        let ended: Vec<_> = targets.iter().copied().filter(|&node| scene.pid(node).is_err()).collect();
        if ended.is_empty() { Ok(Vec::new()) } else { start(scene, &ended) }
    }
}
