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
//! source. Their ranks ([`Versions`]) are at least the source's horizon and below the reader's; readers are visited by
//! rank, so that these are usually the last few writers of the key so far, and near in memory. Where they are more than
//! sessions, the sessions that write the key are asked instead, each for its last writer in the past. O(reads × sessions
//! × log) time at worst, and an edge is stored only if neither end is known to be before the other. Exact.

use super::sources;
use super::versions::Versions;
use crate::check::answer::Answer;
use crate::check::budget::{Budget, Stop};
use crate::check::clocks::Clocks;
use crate::check::cycle;
use crate::check::precedence::{Edge, Stuck, post_order, schedule, trail};
use crate::check::transactions::{INITIAL, Read, Rows, Transactions, Writers, index};
use rustc_hash::FxHashMap;
use std::cell::OnceCell;

/// So many writers are looked at one by one before sessions are asked, or twice as many as there are sessions.
const FEW: usize = 16;
/// So many transactions are put into orders of their own: more are no order that anybody would read.
const OWN_ORDERS_MAX: usize = 1 << 24;
/// Stored edges are made distinct whenever so many have come together.
const EDGES_PER_ROUND: usize = 1 << 20;

/// What the decision needs to know of the transactions.
#[derive(Clone, Copy)]
pub struct Order<'t> {
    /// The causal order.
    pub clocks: &'t Clocks,
    /// Writers by rank.
    pub versions: &'t Versions,
    /// Writers by session, made when a read has many writers to look at.
    pub writers: &'t OnceCell<Writers>,
}

/// Decides CC.
#[must_use]
pub fn decide<'t>(transactions: &'t Transactions, order: Order<'t>, budget: &'t Budget) -> Answer {
    decide_with(few(transactions), transactions, order, None, budget)
}

/// Decides CCv and visits all transactions in an order that all sessions can agree on, if there is one.
#[must_use]
pub fn arbitrate<'t>(
    transactions: &'t Transactions,
    order: Order<'t>,
    budget: &'t Budget,
    mut visit: impl FnMut(u32),
) -> Answer {
    decide_with(few(transactions), transactions, order, Some(&mut visit), budget)
}

/// For each of those transactions an order of what comes causally before it, itself last, that explains its reads; none
/// for one that contradicts CC.
///
/// # Errors
/// The end of the budget, or more than [`OWN_ORDERS_MAX`] places in these orders.
pub fn own_orders<'t>(
    transactions: &'t Transactions,
    order: Order<'t>,
    of: &[bool],
    budget: &'t Budget,
) -> Result<Vec<(u32, Vec<u32>)>, Stop> {
    let mut scan = Scan::new(transactions, order, false, budget);
    let (mut orders, mut length) = (Vec::new(), 0);
    for &reader in order.versions.in_order().iter().filter(|&&reader| of[reader as usize]) {
        match scan.reader(reader) {
            Err(Found::Stopped(stop)) => return Err(stop),
            Err(Found::Contradiction(_)) => continue,
            Ok(()) => {}
        }
        let mut before: FxHashMap<u32, Vec<u32>> = FxHashMap::default();
        for Edge { before: writer, after } in scan.conflicts.iter().map(|conflict| conflict.edge) {
            before.entry(after).or_default().push(writer);
        }
        let order = post_order(transactions, [reader], |at, into| {
            sources(transactions, at, into);
            into.extend(before.get(&at).into_iter().flatten());
        });
        length += order.len();
        if length > OWN_ORDERS_MAX {
            return Err(Stop::Memory);
        }
        budget.reserve(size_of_val(&order[..]) as u64)?;
        orders.push((reader, order));
        if let Some(stop) = budget.exceeded() {
            return Err(stop);
        }
    }
    Ok(orders)
}

/// So many writers are looked at one by one.
fn few(transactions: &Transactions) -> usize {
    FEW.max(2 * transactions.session_count())
}

fn decide_with<'t>(
    few: usize,
    transactions: &'t Transactions,
    order: Order<'t>,
    agreed: Option<&mut dyn FnMut(u32)>,
    budget: &'t Budget,
) -> Answer {
    let mut scan = Scan::new(transactions, order, agreed.is_some(), budget);
    scan.few = few;
    match (scan.run(), agreed) {
        (Err(Found::Contradiction(core)), _) => Answer::violated(core),
        (Err(Found::Stopped(stop)), _) => Answer::GaveUp(stop),
        (Ok(()), Some(visit)) => scan.converges(visit),
        (Ok(()), None) => Answer::Holds,
    }
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
    writers: &'t OnceCell<Writers>,
    convergent: bool,
    budget: &'t Budget,
    few: usize,
    /// By key: how many of its writers have smaller ranks than the reader.
    ends: Vec<usize>,
    /// By session: the last read for which one of its writers was looked at.
    looked_at: Vec<u32>,
    read: u32,
    conflicts: Vec<Conflict>,
    limit: usize,
    steps: u32,
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
            ends: vec![0; transactions.key_count()],
            looked_at: vec![0; transactions.session_count()],
            read: 0,
            conflicts: Vec::new(),
            limit: EDGES_PER_ROUND,
            steps: 0,
        }
    }

    fn run(&mut self) -> Result<(), Found> {
        self.versions.in_order().iter().try_for_each(|&reader| self.reader(reader))
    }

    fn reader(&mut self, reader: u32) -> Result<(), Found> {
        if !self.convergent {
            self.conflicts.clear();
        }
        let transactions = self.transactions;
        for read in transactions.reads(reader) {
            self.step()?;
            let writers = self.versions.writers(read.key);
            let end = &mut self.ends[read.key as usize];
            while writers.get(*end).is_some_and(|&writer| self.versions.rank(writer) < self.versions.rank(reader)) {
                *end += 1;
            }
            let (writers, from) = (&writers[..*end], self.versions.horizon(read.source));
            let many =
                writers.len().checked_sub(self.few + 1).is_some_and(|at| self.versions.rank(writers[at]) >= from);
            if many { self.by_session(*read, reader)? } else { self.one_by_one(writers, from, read.source, reader)? }
        }
        if self.convergent { Ok(()) } else { self.explains_itself() }
    }

    /// Looks at the budget now and then.
    fn step(&mut self) -> Result<(), Found> {
        self.steps = self.steps.wrapping_add(1);
        match self.steps.is_multiple_of(4096).then(|| self.budget.exceeded()).flatten() {
            Some(stop) => Err(Found::Stopped(stop)),
            None => Ok(()),
        }
    }

    /// Looks at the last one in the past of every session's writers among those whose rank is at least `from`.
    fn one_by_one(&mut self, writers: &[u32], from: u32, source: u32, reader: u32) -> Result<(), Found> {
        self.read += 1;
        let past = self.clocks.row(reader);
        let versions = self.versions;
        for &writer in writers.iter().rev().take_while(|&&writer| versions.rank(writer) >= from) {
            let session = self.transactions.session(writer);
            let at = session as usize;
            let is_past = writer < self.transactions.of_session(session).start + past.of(session);
            if is_past && std::mem::replace(&mut self.looked_at[at], self.read) != self.read && writer != source {
                self.hidden(writer, source, reader)?;
            }
        }
        Ok(())
    }

    /// Asks every session that writes the key.
    fn by_session(&mut self, read: Read, reader: u32) -> Result<(), Found> {
        let writers = self.writers.get_or_init(|| Writers::of(self.transactions));
        let past = self.clocks.row(reader);
        for entry in writers.entries(read.key) {
            let session = writers.session(entry);
            let end = self.transactions.of_session(session).start + past.of(session);
            let row = writers.row(entry);
            let before = row.partition_point(|&writer| writer < end);
            let Some(&writer) = row[..before].last() else { continue };
            if writer != read.source {
                self.hidden(writer, read.source, reader)?;
            }
        }
        Ok(())
    }

    /// Whether the conflicts of one transaction leave an order of its past that explains all its reads: no source may
    /// come, by conflicts and causes, before itself. Only transactions with several sources can fail. Of each session's
    /// sources that a conflict puts before another source only the last one is kept: O(conflicts × sessions × log).
    fn explains_itself(&mut self) -> Result<(), Found> {
        self.conflicts.sort_unstable_by_key(|conflict| (conflict.edge.after, conflict.edge.before));
        let mut ends: Vec<u32> = self.conflicts.iter().map(|conflict| conflict.edge.after).collect();
        ends.dedup();
        if ends.len() < 2 {
            return Ok(());
        }
        let transactions = self.transactions;
        let same_session = |one: &u32, two: &u32| transactions.session(*one) == transactions.session(*two);
        // Transactions are numbered session after session.
        let runs: Vec<&[u32]> = ends.chunk_by(same_session).collect();
        let mut shown_by: FxHashMap<(u32, u32), Option<Conflict>> = FxHashMap::default();
        for pair in runs.iter().flat_map(|run| run.windows(2)) {
            shown_by.insert((pair[0], pair[1]), None);
        }
        for group in self.conflicts.chunk_by(|one, two| one.edge.after == two.edge.after) {
            let to = group[0].edge.after;
            for run in runs.iter().filter(|run| !same_session(&run[0], &to)) {
                let until = |conflict: &&Conflict| {
                    let writer = conflict.edge.before;
                    let known = self.clocks.row(writer).of(transactions.session(run[0]));
                    let end = transactions.of_session(transactions.session(run[0])).start + known;
                    run.partition_point(|&source| source < end || source == writer)
                };
                let last = group.iter().max_by_key(until).expect("a group has a member");
                if let Some(from) = until(&last).checked_sub(1) {
                    shown_by.insert((run[from], to), Some(*last));
                }
            }
            if let Some(stop) = self.budget.exceeded() {
                return Err(Found::Stopped(stop));
            }
        }
        let number = |end: u32| index(ends.partition_point(|&other| other < end));
        let edges: Vec<(u32, u32)> = shown_by.keys().map(|&(from, to)| (number(from), number(to))).collect();
        let Some(cycle) = cycle::find(ends.len(), &edges) else { return Ok(()) };
        let mut core = Vec::new();
        for (place, &at) in cycle.iter().enumerate() {
            let (from, to) = (ends[at as usize], ends[cycle[(place + 1) % cycle.len()] as usize]);
            core.extend([from, to]);
            if let Some(conflict) = shown_by[&(from, to)] {
                core.extend(self.way(conflict.edge.before, conflict.reader));
                core.extend(self.way(from, conflict.edge.before));
            }
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
        self.step()?;
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

    fn converges(&mut self, visit: &mut dyn FnMut(u32)) -> Answer {
        if let Err(stop) = self.tidy() {
            return Answer::GaveUp(stop);
        }
        let pairs = self.conflicts.iter().map(|conflict| (conflict.edge.after, conflict.edge.before));
        let also = Rows::grouped(self.transactions.len(), pairs);
        match schedule(self.transactions, Some(&also), self.budget, visit) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::transactions::Transaction;
    use rand::rngs::SmallRng;
    use rand::{Rng, SeedableRng};

    const SEED: u64 = 4711;
    const HISTORIES: u32 = 3_000;

    /// Reads of anything that was written before in some order of all transactions, late ones more often.
    fn drawn(random: &mut SmallRng) -> Transactions {
        const KEYS: u32 = 3;
        let mut sessions = vec![Vec::new(); random.random_range(1..5)];
        let mut written: Vec<Vec<(usize, usize)>> = vec![Vec::new(); KEYS as usize];
        let mut read_by: Vec<(usize, usize, u32, (usize, usize))> = Vec::new();
        for _ in 0..random.random_range(2..40) {
            let session = random.random_range(0..sessions.len());
            let place = sessions[session].len();
            let mut transaction = Transaction::default();
            for _ in 0..random.random_range(1..4) {
                let key = random.random_range(0..KEYS);
                let versions = &written[key as usize];
                match versions.len() {
                    0 if random.random_bool(0.2) => transaction.reads.push(Read { key, source: INITIAL }),
                    0 => {}
                    count => {
                        let most = random.random_range(1..=count.min(4));
                        let back = random.random_range(0..most);
                        read_by.push((session, place, key, versions[count - 1 - back]));
                    }
                }
            }
            let key = random.random_range(0..KEYS);
            transaction.writes.push(key);
            sessions[session].push(transaction);
            written[key as usize].push((session, place));
        }
        let starts: Vec<usize> = (0..sessions.len()).map(|at| sessions[..at].iter().map(Vec::len).sum()).collect();
        for (session, place, key, (of, at)) in read_by {
            let source = u32::try_from(starts[of] + at).expect("few");
            sessions[session][place].reads.push(Read { key, source });
        }
        Transactions::of_sessions(&sessions, KEYS)
    }

    #[test]
    fn looking_at_writers_one_by_one_and_asking_sessions_is_the_same() {
        let mut random = SmallRng::seed_from_u64(SEED);
        let mut held = [0; 2];
        for number in 0..HISTORIES {
            let transactions = drawn(&mut random);
            let budget = Budget::unlimited();
            let Ok(clocks) = Clocks::causal(&transactions, &budget) else { panic!("sources are before their readers") };
            let versions = Versions::of(&transactions, &clocks);
            let writers = OnceCell::new();
            let order = Order { clocks: &clocks, versions: &versions, writers: &writers };
            for (convergent, held) in [false, true].into_iter().zip(&mut held) {
                let mut nobody = |_| {};
                let answers = [0, 3, usize::MAX - 1].map(|few| {
                    let agreed: Option<&mut dyn FnMut(u32)> = if convergent { Some(&mut nobody) } else { None };
                    decide_with(few, &transactions, order, agreed, &budget)
                });
                let holds = answers.each_ref().map(|answer| *answer == Answer::Holds);
                assert_eq!(holds, [holds[0]; 3], "history {number} of seed {SEED}: {answers:?}");
                *held += u32::from(holds[0]);
            }
        }
        assert!(held.iter().all(|&held| (HISTORIES / 20..HISTORIES * 19 / 20).contains(&held)), "{held:?}");
    }
}
