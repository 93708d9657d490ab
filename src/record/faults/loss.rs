//! Loss: a share of the packets that come to a node and leave it is dropped at random, those of clients too.

use super::journal::Undo;
use super::{Facts, Fault, FaultInfo, Scene, Unhealed, rules};
use crate::history::Value;
use crate::record::system::NodeId;

/// Packets of a hundred that are dropped in each direction.
const PERCENT: i64 = 30;

/// See the module.
pub(super) struct Loss;

impl Fault for Loss {
    fn info(&self) -> &'static FaultInfo {
        &FaultInfo {
            name: "loss",
            about: "30 % of the packets to and from the target are dropped, those of clients too",
            undo: "remove the rules that drop packets",
            target: "random",
            needs_network: true,
        }
    }

    fn holds(&self) -> &'static str {
        "packets"
    }

    fn undo(&self, scene: &Scene, targets: &[NodeId]) -> Result<Vec<Undo>, String> {
        rules::undo(scene, targets)
    }

    fn strike(&self, scene: &Scene, targets: &[NodeId]) -> Result<Facts, String> {
        let rule = [format!("iif != lo numgen random mod 100 < {PERCENT} counter drop")];
        let out = [format!("oif != lo numgen random mod 100 < {PERCENT} counter drop")];
        let table = rules::table(self.info(), scene, targets);
        for &node in targets {
            rules::put(scene, &table, node, &rule, &out)?;
        }
        Ok(vec![("percent", Value::Int(PERCENT))])
    }

    fn heal(&self, scene: &Scene, targets: &[NodeId]) -> Result<Facts, Unhealed> {
        rules::take(scene, &rules::table(self.info(), scene, targets), targets)
    }
}
