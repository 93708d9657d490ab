//! A small order with the reason of every edge: for the independent check, and for saying why.
//!
//! Boolean matrices and breadth-first search, nothing clever. O(n³/64) to close, for at most a few hundred nodes.

use super::verdict::{Reason, Step};
use std::collections::VecDeque;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Relation {
    words: usize,
    reach: Vec<u64>,
    edges: Vec<Vec<Step<u32>>>,
}

impl Relation {
    pub(super) fn new(nodes: usize) -> Self {
        let words = nodes.div_ceil(64);
        Self { words, reach: vec![0; nodes * words], edges: vec![Vec::new(); nodes] }
    }

    pub(super) fn add(&mut self, from: u32, to: u32, why: Reason<u32>) {
        self.edges[from as usize].push(Step { from, to, why });
        self.reach[from as usize * self.words + to as usize / 64] |= 1 << (to % 64);
    }

    /// The edges from a node.
    pub(super) fn steps(&self, from: u32) -> &[Step<u32>] {
        &self.edges[from as usize]
    }

    /// Makes what is reached over several edges reached.
    pub(super) fn close(&mut self) {
        let (nodes, words) = (self.edges.len(), self.words);
        for via in 0..nodes {
            let row = self.reach[via * words..(via + 1) * words].to_vec();
            for from in 0..nodes {
                if self.reach[from * words + via / 64] >> (via % 64) & 1 == 1 {
                    self.reach[from * words..][..words].iter_mut().zip(&row).for_each(|(mine, more)| *mine |= more);
                }
            }
        }
    }

    /// Whether `to` is reached from `from`, after [`Self::close`] over several edges.
    pub(super) fn reaches(&self, from: u32, to: u32) -> bool {
        self.reach[from as usize * self.words + to as usize / 64] >> (to % 64) & 1 == 1
    }

    /// A shortest way.
    pub(super) fn way(&self, from: u32, to: u32) -> Vec<Step<u32>> {
        let mut came_by: Vec<Option<&Step<u32>>> = vec![None; self.edges.len()];
        let mut queue = VecDeque::from([from]);
        while let Some(at) = queue.pop_front() {
            for step in &self.edges[at as usize] {
                if came_by[step.to as usize].is_none() {
                    came_by[step.to as usize] = Some(step);
                    queue.push_back(step.to);
                }
            }
        }
        let (mut way, mut at) = (Vec::new(), to);
        while let Some(step) = came_by[at as usize] {
            way.push(step.clone());
            at = step.from;
            if at == from {
                break;
            }
        }
        way.reverse();
        way
    }

    /// A shortest cycle of a closed relation, if there is one.
    pub(super) fn cycle(&self) -> Option<Vec<Step<u32>>> {
        let nodes = u32::try_from(self.edges.len()).expect("a small relation");
        (0..nodes).filter(|&node| self.reaches(node, node)).map(|node| self.way(node, node)).min_by_key(Vec::len)
    }
}
