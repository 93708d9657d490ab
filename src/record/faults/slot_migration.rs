//! Slot migration: some of a primary's slots are moved to another one while clients use them, and moved back when the
//! fault ends, as when a sharded cluster is resharded. Nothing is broken: systems promise to survive it.

use super::journal::Undo;
use super::membership::{told, wait};
use super::need::Need;
use super::{Facts, Fault, FaultInfo, Scene, Unhealed};
use crate::record::system::NodeId;

/// See the module.
pub(super) struct SlotMigration;

impl Fault for SlotMigration {
    fn info(&self) -> &'static FaultInfo {
        &FaultInfo {
            name: "slot-migration",
            about: "up to 500 slots of the target move to another primary (redis:cluster), those with keys first",
            undo: "move them back",
            target: "leader",
            needs_network: false,
        }
    }

    fn needs(&self) -> Need {
        Need::System
    }

    fn undo(&self, scene: &Scene, targets: &[NodeId]) -> Result<Vec<Undo>, String> {
        if targets.len() > 1 {
            return Err("one node at a time".into());
        }
        targets.iter().map(|&node| scene.pid(node).map(|_| Undo::Restart { node: scene.name(node).into() })).collect()
    }

    fn strike(&self, scene: &Scene, targets: &[NodeId]) -> Result<Facts, String> {
        let mut facts = Vec::new();
        for &node in targets {
            let change = wait(scene.cluster.migrate_slots(node, false))?;
            if change.before == change.after {
                return Err(format!("{} changed nothing", change.done));
            }
            facts = told(&change);
        }
        Ok(facts)
    }

    fn heal(&self, scene: &Scene, targets: &[NodeId]) -> Result<Facts, Unhealed> {
        let mut facts = Vec::new();
        for &node in targets {
            facts = told(&wait(scene.cluster.migrate_slots(node, true)).map_err(Unhealed::Stays)?);
        }
        Ok(facts)
    }
}
