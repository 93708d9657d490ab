//! A constraint solver's theory: each of its literals stands for edges of a graph that has no cycle.
//!
//! The graph's nodes are kept in an order that every edge agrees with (Pearce and Kelly, "A dynamic topological sort
//! algorithm for directed acyclic graphs", JEA 2006, §3): an edge that does not moves what is between its ends, and a
//! walk through the same nodes finds the cycle that it would close. That is a conflict of the edges' literals; the
//! order needs no undoing, since it stays right when edges are taken back. Edges without a literal are always there.
//!
//! O(nodes and edges between the ends) for an edge that does not fit, O(1) otherwise. Nothing is propagated, only
//! contradicted.

use crate::check::budget::Budget;
use crate::check::precedence::Edge;
use batsat::theory::TheoryArg;
use batsat::{Lit, Theory};
use rustc_hash::FxHashSet;
use std::collections::VecDeque;

/// The literal of an edge that is always there.
const ALWAYS: Lit = Lit::UNDEF;
/// So many edges are added between two looks at the budget.
const EDGES_UNWATCHED: u32 = 256;

/// An edge to or from a node, and its literal.
#[derive(Clone, Copy, Debug)]
struct Arc {
    other: u32,
    literal: Lit,
}

/// How far the theory was when the solver made a decision.
#[derive(Clone, Copy, Debug)]
struct Level {
    edges: usize,
    literals: usize,
}

/// See the module.
pub(super) struct Acyclic<'b> {
    budget: &'b Budget,
    stopped: bool,
    edges_since: u32,
    after: Vec<Vec<Arc>>,
    before: Vec<Vec<Arc>>,
    /// The place of each node.
    place: Vec<u32>,
    /// By the number of a literal.
    meaning: Vec<Vec<Edge>>,
    /// Edges of literals, in the order in which they were added.
    added: Vec<Edge>,
    levels: Vec<Level>,
    /// How many of the solver's literals were taken over.
    literals: usize,
    /// Nodes visited have this mark.
    marks: Vec<u32>,
    mark: u32,
    came_from: Vec<Arc>,
    conflicts: Conflicts,
}

/// What cycles consist of.
#[derive(Debug, Default)]
pub(super) struct Conflicts {
    /// Edges that are always there.
    pub(super) always: FxHashSet<Edge>,
    /// Ends of edges of literals, and of each such literal's first edge.
    pub(super) nodes: FxHashSet<u32>,
}

impl<'b> Acyclic<'b> {
    /// Nodes in an order with which the edges agree that are always there.
    pub(super) fn new(order: &[u32], edges: impl Iterator<Item = Edge>, budget: &'b Budget) -> Self {
        let nodes = order.len();
        let mut place = vec![0; nodes];
        (0..).zip(order).for_each(|(at, &node)| place[node as usize] = at);
        let mut theory = Self {
            budget,
            stopped: false,
            edges_since: 0,
            after: vec![Vec::new(); nodes],
            before: vec![Vec::new(); nodes],
            place,
            meaning: Vec::new(),
            added: Vec::new(),
            levels: Vec::new(),
            literals: 0,
            marks: vec![0; nodes],
            mark: 0,
            came_from: vec![Arc { other: 0, literal: ALWAYS }; nodes],
            conflicts: Conflicts::default(),
        };
        for edge in edges {
            debug_assert!(theory.place[edge.before as usize] < theory.place[edge.after as usize], "{edge:?}");
            theory.link(edge, ALWAYS);
        }
        theory
    }

    /// What a literal stands for from now on, at least one edge; it must have no value yet.
    pub(super) fn mean(&mut self, literal: Lit, edges: Vec<Edge>) {
        let at = literal.idx() as usize;
        if self.meaning.len() <= at {
            self.meaning.resize(at + 1, Vec::new());
        }
        self.meaning[at] = edges;
    }

    /// Whether the budget ended in here, so that the solver's answer says nothing.
    pub(super) fn has_stopped(&self) -> bool {
        self.stopped
    }

    /// The nodes in their present order.
    pub(super) fn order(&self) -> Vec<u32> {
        let mut order = vec![0; self.place.len()];
        (0..).zip(&self.place).for_each(|(node, &place)| order[place as usize] = node);
        order
    }

    /// What cycles consisted of so far.
    pub(super) fn conflicts(&self) -> &Conflicts {
        &self.conflicts
    }

    fn link(&mut self, edge: Edge, literal: Lit) {
        self.after[edge.before as usize].push(Arc { other: edge.after, literal });
        self.before[edge.after as usize].push(Arc { other: edge.before, literal });
    }

    /// Adds an edge, unless it closes a cycle.
    fn add(&mut self, edge: Edge, literal: Lit) -> bool {
        if self.place[edge.before as usize] >= self.place[edge.after as usize] && !self.make_room(edge) {
            return false;
        }
        self.link(edge, literal);
        self.added.push(edge);
        true
    }

    /// Moves what is between the ends of an edge so that it fits.
    fn make_room(&mut self, edge: Edge) -> bool {
        let (first, last) = (self.place[edge.after as usize], self.place[edge.before as usize]);
        let Some(mut later) = self.reached(edge.after, |place| place <= last, |theory| &theory.after, edge.before)
        else {
            return false;
        };
        let earlier = self.reached(edge.before, |place| place >= first, |theory| &theory.before, edge.after);
        let mut nodes = earlier.expect("there was no way in the other direction");
        let place = |node: &u32| self.place[*node as usize];
        nodes.sort_unstable_by_key(place);
        later.sort_unstable_by_key(place);
        nodes.append(&mut later);
        let mut places: Vec<u32> = nodes.iter().map(place).collect();
        places.sort_unstable();
        for (node, place) in nodes.into_iter().zip(places) {
            self.place[node as usize] = place;
        }
        true
    }

    /// What is reached over places that are `within`, unless `forbidden` is.
    fn reached(
        &mut self,
        from: u32,
        within: impl Fn(u32) -> bool,
        arcs: impl Fn(&Self) -> &[Vec<Arc>],
        forbidden: u32,
    ) -> Option<Vec<u32>> {
        let mut marks = std::mem::take(&mut self.marks);
        self.mark += 1;
        let mut reached = vec![from];
        marks[from as usize] = self.mark;
        let mut done = 0;
        let mut free = from != forbidden;
        while let Some(&at) = reached.get(done).filter(|_| free) {
            done += 1;
            for arc in &arcs(self)[at as usize] {
                if arc.other == forbidden {
                    free = false;
                    break;
                }
                let mark = &mut marks[arc.other as usize];
                if *mark != self.mark && within(self.place[arc.other as usize]) {
                    *mark = self.mark;
                    reached.push(arc.other);
                }
            }
        }
        self.marks = marks;
        free.then_some(reached)
    }

    /// The literals of a way, as few as there can be, which is noted.
    fn way(&mut self, from: u32, to: u32, literals: &mut Vec<Lit>) {
        let last = self.place[to as usize];
        self.mark += 1;
        let mut queue = VecDeque::from([(from, Arc { other: from, literal: ALWAYS })]);
        while let Some((at, by)) = queue.pop_front() {
            if self.marks[at as usize] == self.mark {
                continue;
            }
            self.marks[at as usize] = self.mark;
            self.came_from[at as usize] = by;
            if at == to {
                break;
            }
            for &Arc { other, literal } in &self.after[at as usize] {
                if self.marks[other as usize] == self.mark || self.place[other as usize] > last {
                    continue;
                }
                let step = (other, Arc { other: at, literal });
                if literal == ALWAYS { queue.push_front(step) } else { queue.push_back(step) }
            }
        }
        let mut at = to;
        while at != from {
            let Arc { other, literal } = self.came_from[at as usize];
            self.note(Edge { before: other, after: at }, literal);
            if literal != ALWAYS {
                literals.push(literal);
            }
            at = other;
        }
    }

    fn note(&mut self, edge: Edge, literal: Lit) {
        if literal == ALWAYS {
            self.conflicts.always.insert(edge);
            return;
        }
        for edge in [edge, self.meaning[literal.idx() as usize][0]] {
            self.conflicts.nodes.extend([edge.before, edge.after]);
        }
    }

    /// Takes over a literal: those of a cycle that it closes, or none.
    fn assume(&mut self, literal: Lit) -> Vec<Lit> {
        let number = literal.idx() as usize;
        let mut cycle = Vec::new();
        for at in 0..self.meaning[number].len() {
            let edge = self.meaning[number][at];
            self.edges_since += 1;
            if !self.add(edge, literal) {
                cycle.push(literal);
                self.note(edge, literal);
                self.way(edge.after, edge.before, &mut cycle);
                break;
            }
        }
        cycle
    }

    fn is_over_budget(&mut self) -> bool {
        if self.edges_since >= EDGES_UNWATCHED {
            self.edges_since = 0;
            self.stopped |= self.budget.exceeded().is_some();
        }
        self.stopped
    }
}

impl Theory for Acyclic<'_> {
    fn final_check(&mut self, solver: &mut TheoryArg) {
        self.partial_check(solver);
    }

    fn partial_check(&mut self, solver: &mut TheoryArg) {
        while let Some(&literal) = solver.model().get(self.literals) {
            if self.is_over_budget() {
                return;
            }
            self.literals += 1;
            let cycle = self.assume(literal);
            if !cycle.is_empty() {
                let mut clause: Vec<Lit> = cycle.into_iter().map(|literal| !literal).collect();
                clause.sort_unstable();
                clause.dedup();
                solver.raise_conflict(&clause, false);
                return;
            }
        }
    }

    fn create_level(&mut self) {
        self.levels.push(Level { edges: self.added.len(), literals: self.literals });
    }

    fn pop_levels(&mut self, count: usize) {
        let left = self.levels.len() - count;
        let Level { edges, literals } = self.levels[left];
        self.levels.truncate(left);
        self.literals = literals;
        while self.added.len() > edges {
            let edge = self.added.pop().expect("there are more than that");
            self.after[edge.before as usize].pop();
            self.before[edge.after as usize].pop();
        }
    }

    fn n_levels(&self) -> usize {
        self.levels.len()
    }

    fn explain_propagation(&mut self, _: Lit) -> &[Lit] {
        unreachable!("nothing is propagated")
    }
}
