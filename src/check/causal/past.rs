//! Causal consistency (CC) and causal convergence (CCv).
//!
//! For a read of key `x` by `t` from `w`, every other writer `u` of `x` in the causal past of `t` must not be after `w`
//! (pattern `WriteCORead`), nor exist at all if `t` saw the initial value (`WriteCOInitRead`); with the absence of cycles
//! (`CyclicCO`) that is CC (Bouajjani and others, POPL 2017, Section 5). CCv wants besides that the edges from each such
//! `u` to `w` are acyclic together with the causal order (`CyclicCF`).
//!
//! A transaction that reads from several has all of that at once: there must be one order of its past that explains all
//! its reads, so that its own edges from each `u` to `w` are acyclic together with the causal order. For single reads
//! that is `WriteCORead` again; CCv implies it.
//!
//! Only the last writer of each session matters: earlier ones are before it; and only those that are not before the
//! source. Both are among the writers of the key in [`Versions::between`], of which a read usually has a few. Where they
//! are more than sessions, the sessions that write the key are asked instead: clocks and cursors only move forward along
//! a session, so that each read costs one step for each of them. O(reads × sessions) time, and an edge is stored only if
//! neither end is known to be before the other. Exact.

use super::sources;
use super::versions::Versions;
use crate::check::answer::Answer;
use crate::check::budget::{Budget, Stop};
use crate::check::cycle;
use crate::check::precedence::{Clocks, Edge, Stuck, schedule, trail};
use crate::check::transactions::{INITIAL, Read, Rows, Transactions, Writers};

/// So many writers are looked at one by one before sessions are asked, or twice as many as there are sessions.
const FEW: usize = 16;
/// Stored edges are made distinct whenever so many have come together.
const EDGES_PER_ROUND: usize = 1 << 20;

/// What the decision needs to know of the transactions.
#[derive(Clone, Copy)]
pub struct Order<'t> {
    /// The causal order.
    pub clocks: &'t Clocks,
    /// Writers by rank.
    pub versions: &'t Versions,
    /// Writers by session, asked for when a read has many writers to look at.
    pub writers: &'t dyn Fn() -> &'t Writers,
}

/// Decides CC, or CCv if it must be `convergent`.
#[must_use]
pub fn decide<'t>(transactions: &'t Transactions, order: Order<'t>, convergent: bool, budget: &'t Budget) -> Answer {
    decide_with(few(transactions), transactions, order, convergent, budget)
}

/// So many writers are looked at one by one.
fn few(transactions: &Transactions) -> usize {
    FEW.max(2 * transactions.session_count())
}

fn decide_with<'t>(
    few: usize,
    transactions: &'t Transactions,
    order: Order<'t>,
    convergent: bool,
    budget: &'t Budget,
) -> Answer {
    let mut scan = Scan::new(transactions, order, convergent, budget);
    scan.few = few;
    match scan.run() {
        Err(Found::Contradiction(core)) => Answer::violated(core),
        Err(Found::Stopped(stop)) => Answer::GaveUp(stop),
        Ok(()) if convergent => scan.converges(),
        Ok(()) => Answer::Holds,
    }
}

/// For causal order that converges: the edges that must be in every order that all agree on besides the causal order, as
/// the earlier and the later writer of a key, each once; nothing if there is no such order or the budget ended.
#[must_use]
pub fn conflicts<'t>(transactions: &'t Transactions, order: Order<'t>, budget: &'t Budget) -> Option<Vec<Edge>> {
    let mut scan = Scan::new(transactions, order, true, budget);
    scan.run().ok()?;
    scan.tidy().ok()?;
    Some(scan.conflicts.iter().map(|conflict| conflict.edge).collect())
}

/// A writer that comes before another one of the same key if all sessions agree on an order, and the transaction that
/// read from the second although the first is in its past.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Conflict {
    edge: Edge,
    reader: u32,
}

enum Found {
    Contradiction(Vec<u32>),
    Stopped(Stop),
}

struct Scan<'t> {
    transactions: &'t Transactions,
    clocks: &'t Clocks,
    versions: &'t Versions,
    writers: &'t dyn Fn() -> &'t Writers,
    convergent: bool,
    budget: &'t Budget,
    few: usize,
    /// By session: the last read for which one of its writers was looked at.
    looked_at: Vec<u32>,
    read: u32,
    /// For each key and session the writers in the past, for the session of which the second is.
    cursors: Vec<u32>,
    cursors_of: Option<u32>,
    conflicts: Vec<Conflict>,
    limit: usize,
}

impl<'t> Scan<'t> {
    fn new(transactions: &'t Transactions, order: Order<'t>, convergent: bool, budget: &'t Budget) -> Self {
        let Order { clocks, versions, writers } = order;
        Self {
            transactions,
            clocks,
            versions,
            writers,
            convergent,
            budget,
            few: few(transactions),
            looked_at: vec![0; transactions.session_count()],
            read: 0,
            cursors: Vec::new(),
            cursors_of: None,
            conflicts: Vec::new(),
            limit: EDGES_PER_ROUND,
        }
    }

    fn run(&mut self) -> Result<(), Found> {
        for (steps, reader) in (1_u32..).zip(self.transactions.all()) {
            self.reader(reader)?;
            if steps.is_multiple_of(4096)
                && let Some(stop) = self.budget.exceeded()
            {
                return Err(Found::Stopped(stop));
            }
        }
        Ok(())
    }

    fn reader(&mut self, reader: u32) -> Result<(), Found> {
        if !self.convergent {
            self.conflicts.clear();
        }
        let transactions = self.transactions;
        for read in transactions.reads(reader) {
            let between = self.versions.between(read.key, read.source, reader);
            if between.len() > self.few {
                self.by_session(*read, reader)?;
            } else {
                self.one_by_one(between, read.source, reader)?;
            }
        }
        if self.convergent { Ok(()) } else { self.explains_itself() }
    }

    /// Looks at the last one in the past of every session's writers among those.
    fn one_by_one(&mut self, writers: &[(u32, u32)], source: u32, reader: u32) -> Result<(), Found> {
        self.read += 1;
        let past = self.clocks.row(reader);
        for &(_, writer) in writers.iter().rev() {
            let session = self.transactions.session(writer);
            let at = session as usize;
            let is_past = writer < self.transactions.of_session(session).start + past[at];
            if is_past && std::mem::replace(&mut self.looked_at[at], self.read) != self.read && writer != source {
                self.hidden(writer, source, reader)?;
            }
        }
        Ok(())
    }

    /// Asks every session that writes the key.
    fn by_session(&mut self, read: Read, reader: u32) -> Result<(), Found> {
        let (writers, past) = ((self.writers)(), self.clocks.row(reader));
        let own = self.transactions.session(reader);
        if self.cursors_of.replace(own) != Some(own) {
            self.cursors.clear();
            self.cursors.resize(writers.entry_count(), 0);
        }
        for entry in writers.entries(read.key) {
            let session = writers.session(entry);
            let row = writers.row(entry);
            let end = self.transactions.of_session(session).start + past[session as usize];
            let cursor = &mut self.cursors[entry];
            while row.get(*cursor as usize).is_some_and(|&writer| writer < end) {
                *cursor += 1;
            }
            let Some(&writer) = (*cursor as usize).checked_sub(1).and_then(|last| row.get(last)) else { continue };
            if writer != read.source {
                self.hidden(writer, read.source, reader)?;
            }
        }
        Ok(())
    }

    /// Whether the conflicts of one transaction leave an order of its past that explains all its reads: no source may
    /// come, by conflicts and causes, before itself. Only transactions with several sources can fail.
    fn explains_itself(&self) -> Result<(), Found> {
        let conflicts = &self.conflicts;
        let same_end = |conflict: &Conflict| conflict.edge.after == conflicts[0].edge.after;
        if conflicts.iter().all(same_end) {
            return Ok(());
        }
        let is_until = |one: u32, two: u32| one == two || self.clocks.precedes(self.transactions, one, two);
        let pairs = (0..).zip(conflicts).flat_map(|(at, first)| {
            let continues = move |next: &Conflict| is_until(first.edge.after, next.edge.before);
            (0..).zip(conflicts).filter(move |(_, next)| continues(next)).map(move |(to, _)| (at, to))
        });
        let Some(cycle) = cycle::find(conflicts.len(), &pairs.collect::<Vec<_>>()) else { return Ok(()) };
        let mut core = Vec::new();
        for (place, &at) in cycle.iter().enumerate() {
            let conflict = conflicts[at as usize];
            let next = conflicts[cycle[(place + 1) % cycle.len()] as usize];
            core.extend(self.way(conflict.edge.before, conflict.reader));
            core.extend(self.way(conflict.edge.after, next.edge.before));
        }
        Err(Found::Contradiction(core))
    }

    /// `writer` is in the past of `reader`, who read the same key from `source`.
    fn hidden(&mut self, writer: u32, source: u32, reader: u32) -> Result<(), Found> {
        let transactions = self.transactions;
        if source == INITIAL {
            return Err(Found::Contradiction(self.way(writer, reader)));
        }
        if self.clocks.precedes(transactions, writer, source) {
            return Ok(());
        }
        if self.clocks.precedes(transactions, source, writer) {
            let mut core = self.way(source, writer);
            core.extend(self.way(writer, reader));
            return Err(Found::Contradiction(core));
        }
        self.conflicts.push(Conflict { edge: Edge { before: writer, after: source }, reader });
        if self.conflicts.len() >= self.limit {
            self.tidy().map_err(Found::Stopped)?;
        }
        Ok(())
    }

    /// Keeps each edge once, and accounts for those that are left.
    fn tidy(&mut self) -> Result<(), Stop> {
        self.conflicts.sort_unstable();
        self.conflicts.dedup_by_key(|conflict| conflict.edge);
        if 2 * self.conflicts.len() > self.limit {
            self.budget.reserve((self.limit * size_of::<Conflict>()) as u64)?;
            self.limit *= 2;
        }
        Ok(())
    }

    fn converges(&mut self) -> Answer {
        if let Err(stop) = self.tidy() {
            return Answer::GaveUp(stop);
        }
        let pairs = self.conflicts.iter().map(|conflict| (conflict.edge.after, conflict.edge.before));
        let also = Rows::grouped(self.transactions.len(), pairs);
        match schedule(self.transactions, Some(&also), self.budget, |_| {}) {
            Ok(()) => Answer::Holds,
            Err(Stuck::Stopped(stop)) => Answer::GaveUp(stop),
            Err(Stuck::Cycle(edges)) => Answer::violated(edges.iter().flat_map(|&edge| self.reason(edge)).collect()),
        }
    }

    /// The transactions that show an edge of a cycle.
    fn reason(&self, edge: Edge) -> Vec<u32> {
        let mut core = vec![edge.before, edge.after];
        if let Ok(at) = self.conflicts.binary_search_by_key(&edge, |conflict| conflict.edge) {
            core.extend(self.way(edge.before, self.conflicts[at].reader));
        }
        core
    }

    fn way(&self, before: u32, after: u32) -> Vec<u32> {
        trail(self.transactions, before, after, |at, into| sources(self.transactions, at, into))
    }
}
