//! Loss: a share of the packets that come to a node and leave it is dropped at random, those of clients too.

use super::journal::Undo;
use super::{Facts, Fault, FaultInfo, Scene, Unhealed, rules};
use crate::history::Value;
use crate::record::system::NodeId;

/// The share of packets that is dropped in each direction, as it is written.
pub(super) struct Loss {
    percent: u8,
}

/// What it is when nothing else is said.
pub(super) const LOSS: Loss = Loss { percent: 30 };

impl Fault for Loss {
    fn info(&self) -> &'static FaultInfo {
        &FaultInfo {
            name: "loss",
            about: "a share of the packets to and from the target is dropped, those of clients too",
            undo: "remove the rules that drop packets",
            target: "random",
            needs_network: true,
        }
    }

    fn setting(&self) -> Option<String> {
        Some(format!("{}%", self.percent))
    }

    fn with(&self, setting: &str) -> Result<Box<dyn Fault>, String> {
        let percent = setting.strip_suffix('%').unwrap_or(setting).parse().ok();
        let percent = percent.filter(|percent| (1..=100).contains(percent));
        let percent = percent.ok_or_else(|| format!("'{setting}' is no share of packets; write 1% to 100%"))?;
        Ok(Box::new(Self { percent }))
    }

    fn holds(&self) -> &'static str {
        "packets"
    }

    fn undo(&self, scene: &Scene, targets: &[NodeId]) -> Result<Vec<Undo>, String> {
        rules::undo(scene, targets)
    }

    fn strike(&self, scene: &Scene, targets: &[NodeId]) -> Result<Facts, String> {
        let rule = [format!("iif != lo numgen random mod 100 < {} counter drop", self.percent)];
        let out = [format!("oif != lo numgen random mod 100 < {} counter drop", self.percent)];
        for &node in targets {
            rules::put(scene, &rules::table(self.info(), scene, targets), node, &rule, &out)?;
        }
        Ok(vec![("percent", Value::Int(self.percent.into()))])
    }

    fn heal(&self, scene: &Scene, targets: &[NodeId]) -> Result<Facts, Unhealed> {
        rules::take_dropping(scene, &rules::table(self.info(), scene, targets), targets)
    }
}
