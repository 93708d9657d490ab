//! Partitions: nodes stop hearing each other, while clients reach all of them. Packets are dropped where they arrive, so
//! that senders see silence, and the counters of the dropping rules are the evidence; or they are held by proxies, which
//! count them.

use super::journal::Undo;
use super::{Facts, Fault, FaultInfo, Scene, Unhealed, rules};
use crate::history::Value;
use crate::record::cluster::links::{Effect, Ways};
use crate::record::system::NodeId;

/// The fewest nodes of which a ring leaves some that do not hear each other.
const RING_MIN: usize = 4;

/// Which nodes stop hearing which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    /// The targets and the rest do not hear each other.
    BothWays,
    /// The rest does not hear the targets, which hear everybody.
    OneWay,
    /// Each node hears only its two neighbours.
    Ring,
}

/// A kind of partition.
pub(super) struct Partition {
    cut: Cut,
    info: FaultInfo,
}

/// The targets on one side, the rest on the other.
pub(super) const PARTITION: Partition = Partition {
    cut: Cut::BothWays,
    info: FaultInfo {
        name: "partition",
        about: "the target and the rest do not hear each other; clients reach both sides",
        undo: "remove the rules that drop packets",
        target: "leader",
        needs_network: true,
    },
};

/// The targets are not heard.
pub(super) const ONE_WAY: Partition = Partition {
    cut: Cut::OneWay,
    info: FaultInfo {
        name: "partition-one-way",
        about: "the rest does not hear the target, which hears the rest",
        undo: "remove the rules that drop packets",
        target: "leader",
        needs_network: true,
    },
};

/// A ring of all nodes.
pub(super) const RING: Partition = Partition {
    cut: Cut::Ring,
    info: FaultInfo {
        name: "partition-ring",
        about: "each node hears only its two neighbours; needs four nodes or more",
        undo: "remove the rules that drop packets",
        target: "all",
        needs_network: true,
    },
};

impl Cut {
    /// Whether a node stops hearing another.
    fn is_deaf(self, nodes: usize, targets: &[NodeId], node: NodeId, other: NodeId) -> bool {
        let is_target = |node| targets.contains(&node);
        match self {
            Self::BothWays => is_target(node) != is_target(other),
            Self::OneWay => !is_target(node) && is_target(other),
            Self::Ring => {
                let apart = node.0.abs_diff(other.0);
                apart != 0 && apart != 1 && usize::from(apart) + 1 != nodes
            }
        }
    }
}

impl Fault for Partition {
    fn info(&self) -> &'static FaultInfo {
        match self.cut {
            Cut::BothWays => &PARTITION.info,
            Cut::OneWay => &ONE_WAY.info,
            Cut::Ring => &RING.info,
        }
    }

    fn holds(&self) -> &'static str {
        "links"
    }

    fn acts_on_links(&self) -> bool {
        true
    }

    fn why_never(&self, nodes: usize, targets: usize) -> Option<String> {
        match self.cut {
            Cut::Ring if nodes < RING_MIN => Some(format!("a ring of {nodes} nodes cuts nothing; it needs {RING_MIN}")),
            Cut::BothWays | Cut::OneWay if targets >= nodes => {
                Some(format!("there is no other side: {targets} of {nodes} nodes would be cut off from the rest"))
            }
            _ => None,
        }
    }

    fn undo(&self, scene: &Scene, targets: &[NodeId]) -> Result<Vec<Undo>, String> {
        let nodes = rules::nodes(scene);
        self.why_never(nodes.len(), targets.len()).map_or_else(|| rules::undo(scene, &nodes), Err)
    }

    fn strike(&self, scene: &Scene, targets: &[NodeId]) -> Result<Facts, String> {
        let nodes = rules::nodes(scene);
        let table = rules::table(self.info(), scene, targets);
        let (mut cut, mut pairs) = (Vec::new(), Vec::new());
        for &node in &nodes {
            let mut drops = Vec::new();
            for &other in nodes.iter().filter(|&&other| self.cut.is_deaf(nodes.len(), targets, node, other)) {
                cut.push(Value::text(&format!("{}→{}", scene.name(other), scene.name(node))));
                pairs.push((usize::from(other.0), usize::from(node.0)));
                if scene.links.is_none() {
                    drops.push(format!("ip saddr {} counter drop", rules::ip(scene, other)?));
                }
            }
            if scene.links.is_none() {
                rules::put(scene, &table, node, &drops, &[])?;
            }
        }
        if let Some(links) = &scene.links {
            links.put(&table, Ways::Between(pairs), Effect::Cut)?;
        }
        Ok(vec![("cut", Value::List(cut.into()))])
    }

    fn heal(&self, scene: &Scene, targets: &[NodeId]) -> Result<Facts, Unhealed> {
        let table = rules::table(self.info(), scene, targets);
        let Some(links) = &scene.links else { return rules::take_dropping(scene, &table, &rules::nodes(scene)) };
        match links.take(&table).map_or(0, |held| held.packets) {
            0 => Err(Unhealed::Harmless("nothing was to pass".into())),
            held => Ok(vec![("held", Value::Int(i64::try_from(held).unwrap_or(i64::MAX)))]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pairs `heard>deaf` among `nodes` nodes, from 1.
    fn pairs(cut: Cut, nodes: u16, targets: &[u16]) -> Vec<String> {
        let targets: Vec<_> = targets.iter().map(|node| NodeId(node - 1)).collect();
        let mut pairs = Vec::new();
        for other in 0..nodes {
            for node in 0..nodes {
                if cut.is_deaf(usize::from(nodes), &targets, NodeId(node), NodeId(other)) {
                    pairs.push(format!("{}>{}", other + 1, node + 1));
                }
            }
        }
        pairs
    }

    #[test]
    fn each_cut_drops_what_its_name_says() {
        assert_eq!(pairs(Cut::BothWays, 3, &[2]), ["1>2", "2>1", "2>3", "3>2"]);
        assert_eq!(pairs(Cut::OneWay, 3, &[2]), ["2>1", "2>3"]);
        assert_eq!(pairs(Cut::Ring, 4, &[]), ["1>3", "2>4", "3>1", "4>2"]);
        assert_eq!(pairs(Cut::Ring, 3, &[]), [""; 0]);
    }
}
