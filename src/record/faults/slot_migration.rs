//! Slot migration: some of a primary's slots are moved to another one while clients use them, and moved back when the
//! fault ends, as when a sharded cluster is resharded. Nothing is broken: systems promise to survive it.

use super::journal::Undo;
use super::membership::{changed, restored, undo_one};
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
        undo_one(scene, targets)
    }

    fn strike(&self, scene: &Scene, targets: &[NodeId]) -> Result<Facts, String> {
        changed(targets, |node| scene.cluster.migrate_slots(node, false))
    }

    fn heal(&self, scene: &Scene, targets: &[NodeId]) -> Result<Facts, Unhealed> {
        restored(targets, |node| scene.cluster.migrate_slots(node, true))
    }
}
