//! What was tried of what is not forced, and what follows where it goes round in a circle.
//!
//! Two writers of a key are one before the other, so that an edge between them is wrong exactly if its opposite is right.
//! A [`Circle`] says that what was tried in it is not all right. Where that is one edge, its opposite is forced. Otherwise
//! the opposite of the latest choice among them is tried, *because* of the others, and whatever was tried because of that
//! choice is forgotten: dynamic backtracking (Ginsberg, JAIR 1993, §4). An edge that was itself tried because of others
//! stands for those. What comes out rests on the circles that led to it, whose members are kept for the explanation.

use super::forced::{Forced, Why};
use crate::check::precedence::Edge;
use rustc_hash::FxHashMap;

/// Edges that cannot all be right.
#[derive(Clone, Debug, Default)]
pub(super) struct Circle {
    /// Those that were tried.
    tried: Vec<Edge>,
    /// The others: of sources, or forced.
    rest: Vec<Edge>,
    /// Who else shows it: readers and those whose versions they read and overwrite.
    members: Vec<u32>,
}

impl Circle {
    /// Adds an edge that is there by itself.
    pub(super) fn push(&mut self, edge: Edge, tries: &Tries) {
        let to = if tries.contains(edge) { &mut self.tried } else { &mut self.rest };
        to.push(edge);
    }

    /// Adds that a reader of what `of` wrote comes before the next writer.
    pub(super) fn push_reader(&mut self, reader: u32, of: u32) {
        self.members.extend([reader, of]);
    }

    /// Adds who overwrites what a reader read.
    pub(super) fn push_member(&mut self, transaction: u32) {
        self.members.push(transaction);
    }

    fn merge(&mut self, other: &Self) {
        self.tried.extend(&other.tried);
        self.rest.extend(&other.rest);
        self.members.extend(&other.members);
        self.tidy();
    }

    fn tidy(&mut self) {
        self.tried.sort_unstable();
        self.tried.dedup();
        self.rest.sort_unstable();
        self.rest.dedup();
        self.members.sort_unstable();
        self.members.dedup();
    }
}

/// What the edge is tried for.
#[derive(Clone, Debug)]
enum Ground {
    Choice,
    /// With the opposite there would be this circle.
    Circle(Circle),
}

#[derive(Clone, Debug)]
struct Try {
    /// Later ones have larger numbers.
    number: u64,
    ground: Ground,
}

/// What a circle without a choice in it led to.
pub(super) enum Lesson {
    /// This edge holds as well from now on, these do not any more.
    Changed {
        /// What is new, tried or forced.
        new: Edge,
        /// What was given up.
        gone: Vec<Edge>,
    },
    /// There is no order: the transactions that show it.
    NoOrder(Vec<u32>),
}

/// See the module.
#[derive(Default)]
pub(super) struct Tries {
    edges: FxHashMap<Edge, Try>,
    last: u64,
}

impl Tries {
    pub(super) fn contains(&self, edge: Edge) -> bool {
        self.edges.contains_key(&edge)
    }

    /// Tries an edge of which nothing is known.
    pub(super) fn choose(&mut self, edge: Edge) {
        self.add(edge, Ground::Choice);
    }

    /// The opposite of this edge would close the circle.
    pub(super) fn infer(&mut self, edge: Edge, mut circle: Circle, forced: &mut Forced<'_>) {
        circle.tidy();
        if circle.tried.is_empty() {
            forced.add(edge, Why::Ring(circle.rest, circle.members));
        } else {
            self.add(edge, Ground::Circle(circle));
        }
    }

    /// Gives up the latest choice that closes a circle.
    pub(super) fn learn(&mut self, mut circle: Circle, forced: &mut Forced<'_>) -> Lesson {
        circle.tidy();
        loop {
            let number = |edge: &Edge| self.edges[edge].number;
            let Some(at) = (0..circle.tried.len()).max_by_key(|&at| number(&circle.tried[at])) else {
                return Lesson::NoOrder(forced.core(&circle.rest, circle.members));
            };
            let latest = circle.tried.remove(at);
            if let Ground::Circle(reason) = &self.edges[&latest].ground {
                circle.merge(reason);
                continue;
            }
            let gone = self.give_up(latest);
            let new = Edge { before: latest.after, after: latest.before };
            self.infer(new, circle, forced);
            return Lesson::Changed { new, gone };
        }
    }

    fn add(&mut self, edge: Edge, ground: Ground) {
        self.last += 1;
        self.edges.insert(edge, Try { number: self.last, ground });
    }

    /// Forgets an edge and all that was tried because of it.
    fn give_up(&mut self, edge: Edge) -> Vec<Edge> {
        let mut gone = vec![edge];
        let mut done = 0;
        self.edges.remove(&edge);
        while let Some(&because) = gone.get(done) {
            done += 1;
            let rests = |one: &Try| matches!(&one.ground, Ground::Circle(circle) if circle.tried.contains(&because));
            let before = gone.len();
            gone.extend(self.edges.iter().filter(|(_, one)| rests(one)).map(|(&edge, _)| edge));
            for edge in &gone[before..] {
                self.edges.remove(edge);
            }
        }
        gone
    }
}
