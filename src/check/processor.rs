//! Processor consistency (Goodman 1989, as defined by Ahamad, Bazzi, John, Kohli and Neiger, "The power of processor
//! consistency", SPAA 1993): PRAM and coherence. Every session has a view, an order of all writes and its own reads that
//! contains every session's order and explains its reads, and all views agree on the order of the writes of each key.
//!
//! Once there is one order of the writes of every key, the views are independent of each other and each one is a question
//! of cycles: sessions' orders, the orders of keys, each own read after its source and before the source's successor.
//! What remains is to find the orders of keys:
//!
//! 1. What a session saw of a key forces the order of what it saw (`last seen` before `seen now`).
//! 2. One order of all writes that contains sessions and what is forced, ties by the time of the call, is a guess. A view
//!    that just adds its reads to that order is checked in one pass; where that fails the view is sought by itself.
//! 3. A view that has a cycle refutes the orders of the pairs in it that were guessed. If one was, its opposite is forced;
//!    if several were, one is tried both ways.
//!
//! Sound and complete, but exponential in the number of pairs tried both ways at worst: testing is NP-hard, and then the
//! budget ends. O(sessions × accesses) for each guess, and a guess is right at once for most histories of real systems.
//! Weaker claims (PRAM, read your writes, monotonic writes) are worth asking before: they answer near-linearly.

use super::answer::Answer;
use super::budget::Budget;
use super::cycle;
use super::transactions::{INITIAL, Transactions};
use rustc_hash::{FxHashMap, FxHashSet};

/// Bytes for each access and transaction, about.
const BYTES: u64 = 96;
/// No transaction.
const NOBODY: u32 = u32::MAX;

/// Decides processor consistency.
#[must_use]
pub fn decide(transactions: &Transactions, budget: &Budget) -> Answer {
    let bytes = (transactions.len() + transactions.all_writes().items().len()) as u64 * BYTES;
    if let Err(stop) = budget.reserve(bytes) {
        return Answer::GaveUp(stop);
    }
    let answer = Search::new(transactions).run(budget);
    budget.release(bytes);
    answer
}

/// Two writers of one key in their order.
type Pair = (u32, u32);

/// Why a guess is wrong: these transactions, and the pairs in their order by guess.
struct Conflict {
    nodes: Vec<u32>,
    guessed: Vec<Pair>,
}

struct Search<'t> {
    transactions: &'t Transactions,
    /// Pairs whose order is known, with the two transactions that show it.
    forced: FxHashMap<Pair, [u32; 2]>,
    /// The same pairs in the order in which they became known.
    trail: Vec<Pair>,
    /// Pairs that are tried both ways: the length of the trail before, and the order tried first.
    choices: Vec<(usize, Pair)>,
    core: FxHashSet<u32>,
}

impl<'t> Search<'t> {
    fn new(transactions: &'t Transactions) -> Self {
        let mut search = Self {
            transactions,
            forced: FxHashMap::default(),
            trail: Vec::new(),
            choices: Vec::new(),
            core: FxHashSet::default(),
        };
        search.force_what_sessions_saw();
        search
    }

    /// A session that saw one version of a key and then another has them in that order in its view.
    fn force_what_sessions_saw(&mut self) {
        let transactions = self.transactions;
        let mut last: FxHashMap<u32, [u32; 2]> = FxHashMap::default();
        let mut session = NOBODY;
        for at in transactions.all() {
            if transactions.session(at) != session {
                session = transactions.session(at);
                last.clear();
            }
            let read = transactions.reads(at).iter().map(|read| (read.key, read.source));
            let written = transactions.writes(at).iter().map(|&key| (key, at));
            for (key, version) in read.chain(written).filter(|(_, version)| *version != INITIAL) {
                if let Some([before, by]) = last.insert(key, [version, at])
                    && before != version
                {
                    self.force((before, version), [by, at]);
                }
            }
        }
    }

    fn force(&mut self, pair: Pair, shown_by: [u32; 2]) {
        if self.forced.insert(pair, shown_by).is_none() {
            self.trail.push(pair);
        }
    }

    fn run(mut self, budget: &Budget) -> Answer {
        loop {
            if let Some(stop) = budget.exceeded() {
                return Answer::GaveUp(stop);
            }
            let conflicts = match self.guess() {
                Ok(guess) => guess.conflicts(&self.forced),
                Err(conflict) => vec![conflict],
            };
            if conflicts.is_empty() {
                return Answer::Holds;
            }
            for conflict in &conflicts {
                self.core.extend(&conflict.nodes);
            }
            if conflicts.iter().any(|conflict| conflict.guessed.is_empty()) {
                if !self.back() {
                    return Answer::violated(self.core.into_iter().collect());
                }
                continue;
            }
            let mut learnt = false;
            for conflict in &conflicts {
                if let [(before, after)] = conflict.guessed[..] {
                    self.force((after, before), [after, before]);
                    learnt = true;
                }
            }
            if !learnt {
                let (before, after) = conflicts[0].guessed[0];
                self.choices.push((self.trail.len(), (after, before)));
                self.force((after, before), [after, before]);
            }
        }
    }

    /// Goes back to the last pair that was tried one way only, and tries it the other way.
    fn back(&mut self) -> bool {
        let Some((length, (before, after))) = self.choices.pop() else { return false };
        for pair in self.trail.drain(length..) {
            self.forced.remove(&pair);
        }
        self.core.extend([before, after]);
        self.force((after, before), [after, before]);
        true
    }

    /// An order of all writers that contains sessions and forced pairs.
    fn guess(&self) -> Result<Guess<'t>, Conflict> {
        let transactions = self.transactions;
        let mut edges: Vec<Pair> = self.trail.clone();
        let mut last = NOBODY;
        for at in writers(transactions) {
            if last != NOBODY && transactions.in_session_order(last, at) {
                edges.push((last, at));
            }
            last = at;
        }
        let nodes = transactions.len();
        // Those first that were called first.
        let order = cycle::sorted(nodes, &edges, |at| transactions.op(at));
        if order.len() < nodes {
            let cycle = cycle::find(nodes, &edges).expect("what could not be sorted has a cycle");
            let shown = (0..cycle.len()).map(|at| (cycle[at], cycle[(at + 1) % cycle.len()]));
            let shown = shown.filter_map(|pair| self.forced.get(&pair)).flatten().copied();
            return Err(Conflict { nodes: cycle.iter().copied().chain(shown).collect(), guessed: Vec::new() });
        }
        Ok(Guess::new(transactions, &order))
    }
}

fn writers(transactions: &Transactions) -> impl Iterator<Item = u32> {
    transactions.all().filter(|&at| !transactions.writes(at).is_empty())
}

/// An order of the writers of each key.
struct Guess<'t> {
    transactions: &'t Transactions,
    /// The place of each transaction in the order of all.
    place: Vec<u32>,
    /// Keys' writers one after the other, with where each key's lie, and the place of each writer's key among them.
    chains: Vec<Vec<u32>>,
    next: FxHashMap<(u32, u32), u32>,
}

impl<'t> Guess<'t> {
    fn new(transactions: &'t Transactions, order: &[u32]) -> Self {
        let mut place = vec![0; transactions.len()];
        let mut chains: Vec<Vec<u32>> = vec![Vec::new(); transactions.key_count()];
        let mut next = FxHashMap::default();
        for (number, &at) in (0..).zip(order) {
            place[at as usize] = number;
            for &key in transactions.writes(at) {
                let before = chains[key as usize].last().copied().unwrap_or(INITIAL);
                next.insert((key, before), at);
                chains[key as usize].push(at);
            }
        }
        Self { transactions, place, chains, next }
    }

    /// What follows a version of a key, unless it is the last one.
    fn successor(&self, key: u32, version: u32) -> Option<u32> {
        self.next.get(&(key, version)).copied()
    }

    /// One conflict for each session that has no view with these orders.
    fn conflicts(&self, forced: &FxHashMap<Pair, [u32; 2]>) -> Vec<Conflict> {
        let sessions = u32::try_from(self.transactions.session_count()).expect("fewer than transactions");
        let failing = (0..sessions).filter(|&session| !self.fits(session));
        failing.filter_map(|session| self.conflict(session, forced)).collect()
    }

    /// Whether a session's reads fit into the order of all writes as it is.
    fn fits(&self, session: u32) -> bool {
        // Where the session stands: right after so many writes.
        let mut stands = 0;
        self.transactions.of_session(session).all(|at| {
            let place = |version: u32| self.place[version as usize] + 1;
            let reads = self.transactions.reads(at);
            let sources = reads.iter().filter(|read| read.source != INITIAL).map(|read| place(read.source));
            let after = sources.fold(stands, u32::max);
            let successors = reads.iter().filter_map(|read| self.successor(read.key, read.source));
            let before = successors.filter(|&next| next != at).map(place).min().unwrap_or(u32::MAX);
            let own = place(at);
            if self.transactions.writes(at).is_empty() {
                stands = after;
                stands < before
            } else {
                stands = own;
                after < own && own < before
            }
        })
    }

    /// Whether a session has no view: a cycle, and what was guessed about it.
    fn conflict(&self, session: u32, forced: &FxHashMap<Pair, [u32; 2]>) -> Option<Conflict> {
        let transactions = self.transactions;
        let mut edges: Vec<Pair> = Vec::new();
        let mut last = NOBODY;
        for at in transactions.all() {
            let counts = transactions.session(at) == session || !transactions.writes(at).is_empty();
            if !counts {
                continue;
            }
            if last != NOBODY && transactions.in_session_order(last, at) {
                edges.push((last, at));
            }
            last = at;
        }
        for chain in &self.chains {
            edges.extend(chain.windows(2).map(|pair| (pair[0], pair[1])));
        }
        // Why a read comes before a writer: that one comes after the source.
        let mut because: FxHashMap<Pair, u32> = FxHashMap::default();
        for reader in transactions.of_session(session) {
            for read in transactions.reads(reader) {
                if read.source != INITIAL {
                    edges.push((read.source, reader));
                }
                let next = self.successor(read.key, read.source).filter(|&next| next != reader);
                if let Some(next) = next {
                    edges.push((reader, next));
                    because.insert((reader, next), read.source);
                }
            }
        }
        let cycle = cycle::find(transactions.len(), &edges)?;
        let mut conflict = Conflict { nodes: cycle.clone(), guessed: Vec::new() };
        for (at, &from) in cycle.iter().enumerate() {
            let to = cycle[(at + 1) % cycle.len()];
            self.explain((from, to), because.get(&(from, to)).copied(), session, forced, &mut conflict);
        }
        conflict.guessed.sort_unstable();
        conflict.guessed.dedup();
        Some(conflict)
    }

    /// Adds what shows one step of a cycle, and whether it was guessed.
    fn explain(
        &self,
        (from, to): Pair,
        because: Option<u32>,
        session: u32,
        forced: &FxHashMap<Pair, [u32; 2]>,
        conflict: &mut Conflict,
    ) {
        let transactions = self.transactions;
        let is_own_read =
            transactions.session(to) == session && transactions.reads(to).iter().any(|read| read.source == from);
        if transactions.in_session_order(from, to) || is_own_read || because == Some(INITIAL) {
            return;
        }
        let pair = (because.unwrap_or(from), to);
        conflict.nodes.push(pair.0);
        if transactions.in_session_order(pair.0, pair.1) {
            return;
        }
        match forced.get(&pair) {
            Some(shown) => conflict.nodes.extend(shown),
            None => conflict.guessed.push(pair),
        }
    }
}
