//! What every sequential order must contain: the least relation that contains sessions and sources and in which, for each
//! read `r` of a key from `w` and each other writer `u` of the key,
//!
//! - `u` before `r` puts `u` before `w`;
//! - `w` before `u` puts `r` before `u`, and the initial value is before every writer.
//!
//! (Gibbons and Korach 1997; Zennou, Atig and others, "Gradual consistency checking", CAV 2019.) By rounds: clocks of what
//! is known, then the last writers before each read and the first ones after each source, session by session. An edge is
//! stored only if nothing else of the round implies it. O(reads × sessions × log) a round; the rounds are few, but
//! nothing bounds them but the number of edges. A cycle contradicts, and is explained by the transactions of its edges
//! and of the ways by which they were derived; each edge rests on earlier ones only.

use super::Found;
use crate::check::budget::Budget;
use crate::check::causal::sources;
use crate::check::clocks::Clocks;
use crate::check::precedence::{Edge, Stuck, trail};
use crate::check::transactions::{INITIAL, Read, Rows, Transactions, Writers};
use rustc_hash::{FxHashMap, FxHashSet};

/// Why an edge is there.
#[derive(Clone, Debug)]
pub(super) enum Why {
    /// The first comes before the second by the first so many edges, and the edge's other end read, or was read.
    Way(u32, u32, u32),
    /// Without it these go round in a circle; some readers show that.
    Ring(Vec<Edge>, Vec<u32>),
}

#[derive(Clone, Debug)]
struct Known {
    edge: Edge,
    why: Why,
}

/// See the module.
pub(super) struct Forced<'t> {
    transactions: &'t Transactions,
    writers: Writers,
    known: Vec<Known>,
    /// The number of an edge.
    numbers: FxHashMap<Edge, u32>,
    /// The edges that end at a transaction.
    into: FxHashMap<u32, Vec<u32>>,
}

impl<'t> Forced<'t> {
    pub(super) fn new(transactions: &'t Transactions) -> Self {
        let (known, numbers, into) = (Vec::new(), FxHashMap::default(), FxHashMap::default());
        Self { transactions, writers: Writers::of(transactions), known, numbers, into }
    }

    /// All edges that are not of sessions or sources.
    pub(super) fn edges(&self) -> impl Iterator<Item = Edge> {
        self.known.iter().map(|known| known.edge)
    }

    /// Whether that edge is known.
    pub(super) fn contains(&self, edge: Edge) -> bool {
        self.numbers.contains_key(&edge)
    }

    /// Adds an edge; whether it is new.
    pub(super) fn add(&mut self, edge: Edge, why: Why) -> bool {
        let number = self.count();
        let is_new = *self.numbers.entry(edge).or_insert(number) == number;
        if is_new {
            self.known.push(Known { edge, why });
            self.into.entry(edge.after).or_default().push(number);
        }
        is_new
    }

    fn count(&self) -> u32 {
        u32::try_from(self.known.len()).expect("fewer edges than 2^32")
    }

    /// Derives all that follows.
    pub(super) fn saturate(&mut self, budget: &Budget) -> Result<(), Found> {
        loop {
            let pairs = self.known.iter().map(|known| (known.edge.after, known.edge.before));
            let also = Rows::grouped(self.transactions.len(), pairs);
            let clocks = match Clocks::over(self.transactions, Some(&also), budget) {
                Ok(clocks) => clocks,
                Err(Stuck::Stopped(stop)) => return Err(Found::Stopped(stop)),
                Err(Stuck::Cycle(ring)) => return Err(Found::NoOrder(self.core(&ring, Vec::new()))),
            };
            let before = self.count();
            let round = Round { clocks: &clocks, known: before, candidates: Vec::new() };
            let derived = self.round(round, budget);
            clocks.release(budget);
            derived?;
            if self.count() == before {
                return Ok(());
            }
        }
    }

    fn round(&mut self, mut round: Round<'_>, budget: &Budget) -> Result<(), Found> {
        let mut cursors = vec![0_u32; self.writers.entry_count()];
        let sessions = u32::try_from(self.transactions.session_count()).expect("fewer than transactions");
        for session in 0..sessions {
            cursors.fill(0);
            for reader in self.transactions.of_session(session) {
                for read in self.transactions.reads(reader) {
                    self.before(&mut round, reader, *read, &mut cursors)?;
                    self.after(&mut round, reader, *read);
                }
            }
            if let Some(stop) = budget.exceeded() {
                return Err(Found::Stopped(stop));
            }
        }
        Ok(())
    }

    /// Writers before the reader come before the source.
    fn before(&mut self, round: &mut Round<'_>, reader: u32, read: Read, cursors: &mut [u32]) -> Result<(), Found> {
        let transactions = self.transactions;
        let past = round.clocks.row(reader);
        round.candidates.clear();
        for entry in self.writers.entries(read.key) {
            let session = self.writers.session(entry);
            let row = self.writers.row(entry);
            let end = transactions.of_session(session).start + past.of(session);
            let cursor = &mut cursors[entry];
            while row.get(*cursor as usize).is_some_and(|&writer| writer < end) {
                *cursor += 1;
            }
            let Some(&writer) = (*cursor as usize).checked_sub(1).and_then(|last| row.get(last)) else { continue };
            if read.source == INITIAL {
                return Err(Found::NoOrder(self.shown(writer, reader)));
            }
            if writer != read.source && !round.clocks.precedes(transactions, writer, read.source) {
                round.candidates.push(writer);
            }
        }
        round.keep(|clocks, other, one| clocks.precedes(transactions, one, other));
        for at in 0..round.candidates.len() {
            let edge = Edge { before: round.candidates[at], after: read.source };
            self.add(edge, Why::Way(edge.before, reader, round.known));
        }
        Ok(())
    }

    /// The reader comes before writers after the source.
    fn after(&mut self, round: &mut Round<'_>, reader: u32, read: Read) {
        let transactions = self.transactions;
        let clocks = round.clocks;
        round.candidates.clear();
        for entry in self.writers.entries(read.key) {
            let row = self.writers.row(entry);
            let is_before =
                |&writer: &u32| read.source != INITIAL && !clocks.precedes(transactions, read.source, writer);
            let Some(&writer) = row.get(row.partition_point(is_before)) else { continue };
            // Where the reader itself is the first one, its session puts it before the others.
            if writer != reader && !clocks.precedes(transactions, reader, writer) {
                round.candidates.push(writer);
            }
        }
        round.keep(|clocks, other, one| clocks.precedes(transactions, other, one));
        for at in 0..round.candidates.len() {
            let edge = Edge { before: reader, after: round.candidates[at] };
            let from = if read.source == INITIAL { edge.after } else { read.source };
            self.add(edge, Why::Way(from, edge.after, round.known));
        }
    }

    /// The transactions that show a cycle of edges, besides those given.
    pub(super) fn core(&self, ring: &[Edge], mut core: Vec<u32>) -> Vec<u32> {
        core.extend(ring.iter().flat_map(|edge| [edge.before, edge.after]));
        self.justify(ring.iter().filter_map(|edge| self.numbers.get(edge).copied()).collect(), core)
    }

    fn shown(&self, writer: u32, reader: u32) -> Vec<u32> {
        let mut pending = Vec::new();
        let way = self.way(writer, reader, self.count(), &mut pending);
        self.justify(pending, way)
    }

    /// Adds why edges are there, and why those are that this takes.
    fn justify(&self, mut pending: Vec<u32>, mut core: Vec<u32>) -> Vec<u32> {
        let mut done = FxHashSet::default();
        while let Some(number) = pending.pop() {
            if !done.insert(number) {
                continue;
            }
            let Known { edge, why } = &self.known[number as usize];
            core.extend([edge.before, edge.after]);
            match why {
                Why::Way(first, last, known) if first != last => {
                    core.extend(self.way(*first, *last, *known, &mut pending));
                }
                Why::Way(..) => {}
                Why::Ring(ring, readers) => {
                    core.extend(readers);
                    core.extend(ring.iter().flat_map(|edge| [edge.before, edge.after]));
                    pending.extend(ring.iter().filter_map(|edge| self.numbers.get(edge)).filter(|&&of| of < number));
                }
            }
        }
        core.sort_unstable();
        core.dedup();
        core
    }

    /// How `before` comes before `after` with the first `edges` edges; those it takes are left in `pending`.
    fn way(&self, before: u32, after: u32, edges: u32, pending: &mut Vec<u32>) -> Vec<u32> {
        let usable = |at: u32| self.into.get(&at).into_iter().flatten().copied().filter(move |&number| number < edges);
        let way = trail(self.transactions, before, after, |at, into| {
            sources(self.transactions, at, into);
            into.extend(usable(at).map(|number| self.known[number as usize].edge.before));
        });
        let members: FxHashSet<u32> = way.iter().copied().collect();
        for &to in &way {
            pending.extend(usable(to).filter(|&number| members.contains(&self.known[number as usize].edge.before)));
        }
        way
    }
}

/// What is known at the beginning of a round.
struct Round<'c> {
    clocks: &'c Clocks,
    /// How many edges that rests on.
    known: u32,
    candidates: Vec<u32>,
}

impl Round<'_> {
    /// Keeps the candidates that no other one implies.
    fn keep(&mut self, implies: impl Fn(&Clocks, u32, u32) -> bool) {
        let mut kept = 0;
        for at in 0..self.candidates.len() {
            let one = self.candidates[at];
            if self.candidates[..kept].iter().any(|&other| implies(self.clocks, other, one)) {
                continue;
            }
            // What the new one implies goes.
            let mut left = 0;
            for before in 0..kept {
                let other = self.candidates[before];
                if !implies(self.clocks, one, other) {
                    self.candidates[left] = other;
                    left += 1;
                }
            }
            self.candidates[left] = one;
            kept = left + 1;
        }
        self.candidates.truncate(kept);
    }
}
