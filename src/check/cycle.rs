//! A cycle in a plain directed graph, or an order of its nodes: iterative, O(nodes + edges), and a logarithm for the order.

use super::transactions::Rows;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The nodes of a cycle, each with an edge to the next and the last with one to the first; `None` if there is none.
/// `edges` are pairs of a node and one that comes after it.
#[must_use]
pub(super) fn find(nodes: usize, edges: &[(u32, u32)]) -> Option<Vec<u32>> {
    let after = Rows::grouped(nodes, edges.iter().copied());
    let mut open = vec![0_u32; nodes];
    for &(_, to) in edges {
        open[to as usize] += 1;
    }
    let mut ready: Vec<u32> = (0..).zip(&open).filter(|(_, open)| **open == 0).map(|(node, _)| node).collect();
    let mut left = nodes;
    while let Some(node) = ready.pop() {
        left -= 1;
        for &to in after.row(node) {
            open[to as usize] -= 1;
            if open[to as usize] == 0 {
                ready.push(to);
            }
        }
    }
    (left > 0).then(|| walk(nodes, edges, &open))
}

/// As many nodes as can be put into an order that contains the edges, small keys first: all if there is no cycle.
#[must_use]
pub(super) fn sorted<K: Ord>(nodes: usize, edges: &[(u32, u32)], key: impl Fn(u32) -> K) -> Vec<u32> {
    let after = Rows::grouped(nodes, edges.iter().copied());
    let mut open = vec![0_u32; nodes];
    for &(_, to) in edges {
        open[to as usize] += 1;
    }
    let entry = |at: u32| Reverse((key(at), at));
    let mut ready: BinaryHeap<_> = (0..).zip(&open).filter(|(_, open)| **open == 0).map(|(at, _)| entry(at)).collect();
    let mut order = Vec::with_capacity(nodes);
    while let Some(Reverse((_, at))) = ready.pop() {
        order.push(at);
        for &to in after.row(at) {
            open[to as usize] -= 1;
            if open[to as usize] == 0 {
                ready.push(entry(to));
            }
        }
    }
    order
}

/// Every node that is left has one before it that is left: walking backwards ends in a cycle.
fn walk(nodes: usize, edges: &[(u32, u32)], open: &[u32]) -> Vec<u32> {
    let mut before = vec![u32::MAX; nodes];
    for &(from, to) in edges {
        if open[from as usize] > 0 {
            before[to as usize] = from;
        }
    }
    let mut place = vec![usize::MAX; nodes];
    let mut walked = Vec::new();
    let mut at = (0..).zip(open).find(|(_, open)| **open > 0).map_or(0, |(node, _)| node);
    while place[at as usize] == usize::MAX {
        place[at as usize] = walked.len();
        walked.push(at);
        at = before[at as usize];
    }
    let mut cycle = walked.split_off(place[at as usize]);
    cycle.reverse();
    cycle
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn a_cycle_is_found_behind_what_leads_to_it_and_before_what_follows() {
        assert_eq!(find(3, &[(0, 1), (1, 2), (0, 2)]), None);
        let cycle = find(5, &[(0, 1), (1, 2), (2, 3), (3, 1), (3, 4)]).expect("a cycle");
        assert_eq!(cycle.len(), 3);
        for at in 0..3 {
            assert!([(1, 2), (2, 3), (3, 1)].contains(&(cycle[at], cycle[(at + 1) % 3])));
        }
    }
}
