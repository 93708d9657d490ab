//! Which side of a partition a node was on.
//!
//! Nodes that hear each other both ways are one side, also when they do so by way of others. The side with more than half
//! of all nodes is the majority, all others are the minority; where the nodes fall in halves, nobody is the majority. A
//! cut after which all still hear each other by way of others (a ring) makes no sides.

use crate::history::fault_windows::FaultWindow;
use crate::history::{History, Nanos};

/// On which side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Majority,
    Minority,
}

/// The partitions of a history.
pub(super) struct Partitions<'w>(Vec<Partition<'w>>);

struct Partition<'w> {
    window: &'w FaultWindow,
    majority: Vec<String>,
}

impl<'w> Partitions<'w> {
    pub(super) fn of(history: &History, windows: &'w [FaultWindow]) -> Self {
        let nodes: Vec<String> = history.header().topology.iter().map(|(name, _)| name.clone()).collect();
        let partition =
            |window: &'w FaultWindow| majority(&nodes, &window.cut).map(|majority| Partition { window, majority });
        Self(windows.iter().filter_map(partition).collect())
    }

    /// Whether some partition acts at that time.
    pub(super) fn acts(&self, time: Nanos) -> bool {
        self.0.iter().any(|partition| partition.window.holds(time))
    }

    /// The side of a node at a time at which some partition acts: the minority if it is cut off by any.
    pub(super) fn side(&self, node: &str, time: Nanos) -> Side {
        let cut_off = |partition: &Partition<'_>| !partition.majority.iter().any(|name| name == node);
        let mut acting = self.0.iter().filter(|partition| partition.window.holds(time));
        if acting.any(cut_off) { Side::Minority } else { Side::Majority }
    }
}

/// The nodes of the majority, perhaps none; `None` if the cut makes no sides.
fn majority(nodes: &[String], cut: &[(String, String)]) -> Option<Vec<String>> {
    let is_cut =
        |one: &String, two: &String| cut.iter().any(|(from, to)| (from, to) == (one, two) || (from, to) == (two, one));
    // The number of each node's side is the smallest place of its nodes.
    let mut sides: Vec<usize> = (0..nodes.len()).collect();
    for one in 0..nodes.len() {
        for two in 0..one {
            if !is_cut(&nodes[one], &nodes[two]) {
                let (from, to) = (sides[one].max(sides[two]), sides[one].min(sides[two]));
                sides.iter_mut().filter(|side| **side == from).for_each(|side| *side = to);
            }
        }
    }
    if cut.is_empty() || sides.iter().all(|&side| side == 0) {
        return None;
    }
    let count = |side: usize| sides.iter().filter(|&&other| other == side).count();
    let largest = (0..nodes.len()).find(|&side| 2 * count(side) > nodes.len());
    let members = nodes.iter().zip(&sides).filter(|&(_, &side)| Some(side) == largest);
    Some(members.map(|(name, _)| name.clone()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sides(nodes: u16, cut: &[(u16, u16)]) -> Option<Vec<String>> {
        let name = |node: &u16| format!("n{node}");
        let nodes: Vec<String> = (1..=nodes).map(|node| name(&node)).collect();
        let cut: Vec<_> = cut.iter().map(|(from, to)| (name(from), name(to))).collect();
        majority(&nodes, &cut)
    }

    #[test]
    fn the_side_with_more_than_half_of_the_nodes_is_the_majority() {
        let both = [(1, 3), (3, 1), (2, 3), (3, 2)];
        assert_eq!(sides(3, &both), Some(vec!["n1".into(), "n2".into()]));
        assert_eq!(sides(3, &[(3, 1), (3, 2)]), Some(vec!["n1".into(), "n2".into()]), "one way");
        assert_eq!(sides(2, &[(1, 2), (2, 1)]), Some(Vec::new()), "halves");
    }

    #[test]
    fn a_ring_makes_no_sides_and_neither_does_no_cut() {
        assert_eq!(sides(4, &[(1, 3), (3, 1), (2, 4), (4, 2)]), None);
        assert_eq!(sides(3, &[]), None);
    }
}
