//! Which nodes a fault acts on: named, drawn, or by the part they play when it strikes.

use crate::record::system::{Node, NodeId};
use rand::rngs::SmallRng;
use rand::seq::{IndexedRandom, SliceRandom};
use std::fmt;

/// Which nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The node of that name.
    Node(String),
    /// One, whichever.
    Random,
    /// One that leads.
    Leader,
    /// One that does not lead.
    Follower,
    /// Fewer than half.
    Minority,
    /// More than half.
    Majority,
    /// All.
    All,
}

impl Target {
    /// The words, for help.
    pub const WORDS: &'static str =
        "random, leader or primary, follower or replica, minority, majority, all, or a node such as n1";

    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let is_node = |word: &str| {
            word.strip_prefix('n')
                .is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
        };
        Some(match word {
            "random" => Self::Random,
            "leader" | "primary" => Self::Leader,
            "follower" | "replica" => Self::Follower,
            "minority" => Self::Minority,
            "majority" => Self::Majority,
            "all" => Self::All,
            name if is_node(name) => Self::Node(name.to_owned()),
            _ => return None,
        })
    }

    /// How many of so many nodes it means; none if it can mean nobody.
    #[must_use]
    pub fn count(&self, nodes: usize) -> usize {
        match self {
            Self::Node(name) => {
                let number = name.strip_prefix('n').and_then(|number| number.parse().ok());
                usize::from(number.is_some_and(|number: usize| (1..=nodes).contains(&number)))
            }
            Self::Random | Self::Leader => nodes.min(1),
            Self::Follower => usize::from(nodes > 1),
            Self::Minority => nodes.saturating_sub(1) / 2,
            Self::Majority => nodes / 2 + 1,
            Self::All => nodes,
        }
    }

    /// The nodes, in their order, none of which is `held`; nobody if not enough fit.
    #[must_use]
    pub fn choose(&self, nodes: &[Node], leaders: &[NodeId], held: &[NodeId], random: &mut SmallRng) -> Vec<NodeId> {
        let every = (0..nodes.len()).filter_map(|node| u16::try_from(node).ok()).map(NodeId);
        let all: Vec<NodeId> = every.filter(|node| !held.contains(node)).collect();
        let leading: Vec<NodeId> = leaders.iter().copied().filter(|node| all.contains(node)).collect();
        let one = |among: &[NodeId], random: &mut SmallRng| among.choose(random).copied().into_iter().collect();
        let mut several = |count: usize| {
            let mut shuffled = if count <= all.len() { all.clone() } else { Vec::new() };
            shuffled.shuffle(random);
            shuffled.truncate(count);
            shuffled.sort_unstable();
            shuffled
        };
        match self {
            Self::Node(name) => all.into_iter().filter(|node| nodes[usize::from(node.0)].name == *name).collect(),
            Self::Random => one(&all, random),
            Self::Leader => one(&leading, random),
            Self::Follower => {
                let followers: Vec<_> = all.iter().copied().filter(|node| !leaders.contains(node)).collect();
                one(&followers, random)
            }
            Self::Minority | Self::Majority | Self::All => several(self.count(nodes.len())),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Node(name) => name,
            Self::Random => "random",
            Self::Leader => "leader",
            Self::Follower => "follower",
            Self::Minority => "minority",
            Self::Majority => "majority",
            Self::All => "all",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    fn nodes(count: usize) -> Vec<Node> {
        let node = |number| Node { name: format!("n{number}"), address: String::new(), role: String::new() };
        (1..=count).map(node).collect()
    }

    fn choose(word: &str, count: usize, leaders: &[u16]) -> Vec<u16> {
        let leaders: Vec<_> = leaders.iter().copied().map(NodeId).collect();
        let target = Target::parse(word).expect("a target");
        let chosen = target.choose(&nodes(count), &leaders, &[], &mut SmallRng::seed_from_u64(7));
        chosen.into_iter().map(|node| node.0).collect()
    }

    #[test]
    fn a_target_is_who_its_word_says() {
        assert_eq!(choose("n2", 3, &[]), [1]);
        assert_eq!(choose("leader", 3, &[2]), [2]);
        assert_eq!(choose("follower", 2, &[1]), [0]);
        assert_eq!(choose("all", 3, &[]), [0, 1, 2]);
        for (count, minority, majority) in [(3, 1, 2), (5, 2, 3), (6, 2, 4)] {
            assert_eq!(
                (choose("minority", count, &[]).len(), choose("majority", count, &[]).len()),
                (minority, majority)
            );
        }
    }

    #[test]
    fn nobody_is_chosen_where_nobody_fits() {
        assert_eq!(choose("n4", 3, &[]), [0u16; 0]);
        assert_eq!(choose("leader", 3, &[]), [0u16; 0]);
        assert_eq!(choose("follower", 1, &[0]), [0u16; 0]);
        assert_eq!(choose("minority", 1, &[]), [0u16; 0]);
        assert_eq!(Target::parse("nobody"), None);
    }

    #[test]
    fn whom_another_fault_holds_is_not_chosen() {
        let chosen = |word: &str, held: &[u16]| {
            let held: Vec<_> = held.iter().copied().map(NodeId).collect();
            let target = Target::parse(word).expect("a target");
            let chosen = target.choose(&nodes(3), &[NodeId(2)], &held, &mut SmallRng::seed_from_u64(7));
            chosen.into_iter().map(|node| node.0).collect::<Vec<_>>()
        };
        assert_eq!(chosen("random", &[0, 2]), [1]);
        assert_eq!(chosen("follower", &[0]), [1]);
        assert_eq!(chosen("majority", &[1]), [0, 2]);
        for word in ["leader", "n3", "all"] {
            assert_eq!(chosen(word, &[2]), [0u16; 0], "{word}");
        }
        assert_eq!(chosen("majority", &[0, 1]), [0u16; 0]);
    }

    #[test]
    fn as_many_are_chosen_as_are_counted() {
        for word in ["random", "leader", "follower", "minority", "majority", "all", "n1", "n3", "n4"] {
            for count in 1..=5 {
                let target = Target::parse(word).expect("a target");
                assert_eq!(choose(word, count, &[0]).len(), target.count(count), "{word} of {count}");
            }
        }
    }
}
