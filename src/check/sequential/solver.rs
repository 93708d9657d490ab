//! Which of two writers comes before the other, decided by a constraint solver with clause learning (`batsat`) and the
//! theory that edges form no cycle ([`super::acyclic`]).
//!
//! One variable for each pair of transactions that write the same key: the one before the other, and with it whoever
//! reads from the one before the other, or the opposite. With sessions, sources and what is forced as edges that are
//! always there, an order of all transactions that agrees with the edges is sequentially consistent exactly if no read
//! has another writer of its key between itself and its source (Papadimitriou, "The serializability of concurrent
//! database updates", JACM 1979, §3, calls it a polygraph).
//!
//! There are too many pairs, and most of them do not matter. So none has a variable at first; the order that the theory
//! has is replayed, each read that is wrong there gives a variable to its source and the writer that it saw instead, and
//! the solver goes on with what it has learned. Whatever is contradictory with some pairs is so with all. Each round adds
//! a pair, so that it ends; exponential at worst. Variables are tried first as the record, or depth, suggests.
//!
//! If there is no order, the cycles that the theory found show it: whatever was learned was learned from them. Takes no
//! randomness; undecided only when the budget ends.

use super::Found;
use super::acyclic::Acyclic;
use super::forced::Forced;
use super::run::{readers, versions_seen};
use crate::check::budget::{Budget, Stop};
use crate::check::cycle;
use crate::check::precedence::{Edge, ranks};
use crate::check::transactions::{INITIAL, Rows, Transactions};
use batsat::{Callbacks, ClauseKind, Lit, Solver, SolverInterface, SolverOpts, lbool};
use rustc_hash::FxHashSet;
use std::cell::Cell;

/// So many learned clauses are kept at least: there are no others of which a share could be taken.
const LEARNED_MIN: i32 = 10_000;
/// Bytes for each transaction, edge, variable and clause, about.
const NODE_BYTES: u64 = 128;
const EDGE_BYTES: u64 = 48;
const VARIABLE_BYTES: u64 = 256;
const CLAUSE_BYTES: u64 = 48;

/// Looks for an order; what is forced must be saturated.
pub(super) fn decide(transactions: &Transactions, forced: &Forced<'_>, budget: &Budget) -> Found {
    let edges = always(transactions, forced);
    let bytes = graph_bytes(transactions, &edges);
    if let Err(stop) = budget.reserve(bytes) {
        return Found::Stopped(stop);
    }
    let mut choices = Choices::new(transactions, &edges, budget);
    let found = choices.decide(forced);
    budget.release(bytes + choices.solver.cb().reserved);
    found
}

fn graph_bytes(transactions: &Transactions, edges: &[Edge]) -> u64 {
    NODE_BYTES * transactions.len() as u64 + EDGE_BYTES * edges.len() as u64
}

/// Sessions, sources and what is forced.
fn always(transactions: &Transactions, forced: &Forced<'_>) -> Vec<Edge> {
    let mut edges: Vec<Edge> = forced.edges().collect();
    for at in transactions.all() {
        let sources = transactions.reads(at).iter().map(|read| read.source).filter(|&source| source != INITIAL);
        edges.extend(sources.chain(transactions.previous(at)).map(|before| Edge { before, after: at }));
    }
    edges
}

/// Looks at the budget for the solver, and accounts for its clauses.
struct Watch<'b> {
    budget: &'b Budget,
    reserved: u64,
    stopped: Cell<Option<Stop>>,
}

impl Watch<'_> {
    fn reserve(&mut self, bytes: u64) {
        match self.budget.reserve(bytes) {
            Ok(()) => self.reserved += bytes,
            Err(stop) => self.stopped.set(Some(stop)),
        }
    }
}

impl Callbacks for Watch<'_> {
    fn on_new_clause(&mut self, clause: &[Lit], _: ClauseKind) {
        self.reserve(clause_bytes(clause));
    }

    fn on_delete_clause(&mut self, clause: &[Lit]) {
        // What could not be reserved when it was new was not.
        let bytes = clause_bytes(clause).min(self.reserved);
        self.reserved -= bytes;
        self.budget.release(bytes);
    }

    fn stop(&self) -> bool {
        if self.stopped.get().is_none() {
            self.stopped.set(self.budget.exceeded());
        }
        self.stopped.get().is_some()
    }
}

fn clause_bytes(clause: &[Lit]) -> u64 {
    CLAUSE_BYTES + size_of_val(clause) as u64
}

/// The pairs that were found to matter, and the solver that decides them.
struct Choices<'t> {
    transactions: &'t Transactions,
    solver: Solver<Watch<'t>>,
    theory: Acyclic<'t>,
    ranks: Vec<u32>,
    /// For each write who reads it.
    readers: Rows<u32>,
    /// The smaller number before.
    pairs: FxHashSet<Edge>,
}

impl<'t> Choices<'t> {
    fn new(transactions: &'t Transactions, edges: &[Edge], budget: &'t Budget) -> Self {
        let readers = readers(transactions, &versions_seen(transactions));
        let ranks = ranks(transactions);
        let pairs: Vec<(u32, u32)> = edges.iter().map(|edge| (edge.before, edge.after)).collect();
        let order = cycle::sorted(ranks.len(), &pairs, |at| ranks[at as usize]);
        assert_eq!(order.len(), ranks.len(), "saturation has found every cycle of what is forced");
        let options = SolverOpts { min_learnts_lim: LEARNED_MIN, ..SolverOpts::default() };
        let watch = Watch { budget, reserved: 0, stopped: Cell::new(None) };
        Self {
            transactions,
            solver: Solver::new(options, watch),
            theory: Acyclic::new(&order, edges.iter().copied(), budget),
            ranks,
            readers,
            pairs: FxHashSet::default(),
        }
    }

    fn decide(&mut self, forced: &Forced<'_>) -> Found {
        loop {
            let satisfiable = self.solver.solve_limited_preserving_trail_th(&mut self.theory, &[]);
            let order = self.theory.order();
            self.solver.pop_model(&mut self.theory);
            let watch = self.solver.cb();
            let stop = watch.stopped.get().or_else(|| watch.budget.exceeded().filter(|_| self.theory.has_stopped()));
            if let Some(stop) = stop {
                return Found::Stopped(stop);
            }
            if satisfiable == lbool::FALSE {
                return Found::NoOrder(self.core(forced));
            }
            let pairs = self.open(&order);
            if pairs.is_empty() {
                return Found::Order(order);
            }
            let before = self.pairs.len();
            for pair in pairs {
                self.choose(pair);
            }
            assert!(self.pairs.len() > before, "a pair that is decided is in its order");
        }
    }

    /// Each read's source, and the writer whose version it would see in that order instead, in the order of numbers.
    fn open(&self, order: &[u32]) -> Vec<Edge> {
        let transactions = self.transactions;
        let mut last = vec![INITIAL; transactions.key_count()];
        let mut open = Vec::new();
        for &at in order {
            for read in transactions.reads(at) {
                let (source, seen) = (read.source, last[read.key as usize]);
                if seen != source {
                    debug_assert!(source != INITIAL, "it is forced that the initial value is read before all writers");
                    open.push(Edge { before: source.min(seen), after: source.max(seen) });
                }
            }
            transactions.writes(at).iter().for_each(|&key| last[key as usize] = at);
        }
        open
    }

    /// Gives a pair its variable.
    fn choose(&mut self, pair: Edge) {
        if !self.pairs.insert(pair) {
            return;
        }
        let variable = self.solver.new_var(lbool::UNDEF, true);
        let (first, second) = (self.ranks[pair.before as usize], self.ranks[pair.after as usize]);
        // The solver tries what is negative first, and then what was right last.
        let literal = Lit::new(variable, first > second);
        let meanings = [(literal, pair), (!literal, Edge { before: pair.after, after: pair.before })];
        let mut bytes = VARIABLE_BYTES;
        for (literal, edge) in meanings {
            let edges = self.edges(edge);
            bytes += size_of_val(&edges[..]) as u64;
            self.theory.mean(literal, edges);
        }
        self.solver.cb_mut().reserve(bytes);
    }

    /// What it takes that one writer comes before the other: that, and that all readers of its versions do, of each
    /// session the last one.
    fn edges(&self, pair: Edge) -> Vec<Edge> {
        let transactions = self.transactions;
        let mut edges = vec![pair];
        let same = |one: &u32, two: &u32| transactions.session(*one) == transactions.session(*two);
        for version in transactions.all_writes().span(pair.before) {
            if transactions.writes_key(pair.after, transactions.all_writes().items()[version]) {
                let version = u32::try_from(version).expect("accesses are counted in 32 bits");
                let others = |readers: &[u32]| readers.iter().rev().copied().find(|&reader| reader != pair.after);
                let last = self.readers.row(version).chunk_by(same).filter_map(others);
                edges.extend(last.map(|reader| Edge { before: reader, after: pair.after }));
            }
        }
        edges
    }

    /// The transactions of all cycles that were found.
    fn core(&self, forced: &Forced<'_>) -> Vec<u32> {
        let conflicts = self.theory.conflicts();
        let between = |edge: &&Edge| !self.transactions.in_session_order(edge.before, edge.after);
        let mut ring: Vec<Edge> = conflicts.always.iter().filter(between).copied().collect();
        ring.sort_unstable();
        forced.core(&ring, conflicts.nodes.iter().copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::precedence::schedule;
    use crate::check::sequential::forced::Why;
    use crate::check::sequential::run::{Guided, Run};
    use crate::check::sequential::{replay, search};
    use crate::check::transactions::{Read, Transaction};
    use rand::rngs::SmallRng;
    use rand::seq::IndexedRandom;
    use rand::{Rng, SeedableRng};

    /// Whether some order is legal, by trying all; `next` says how far each session is, `last` who wrote each key.
    fn some_order(transactions: &Transactions, next: &mut [u32], last: &mut [u32]) -> bool {
        let mut is_done = true;
        for session in 0..next.len() {
            let at = next[session];
            if at == transactions.of_session(u32::try_from(session).expect("few")).end {
                continue;
            }
            is_done = false;
            if transactions.reads(at).iter().any(|read| last[read.key as usize] != read.source) {
                continue;
            }
            let before = last.to_vec();
            transactions.writes(at).iter().for_each(|&key| last[key as usize] = at);
            next[session] += 1;
            let found = some_order(transactions, next, last);
            next[session] -= 1;
            last.copy_from_slice(&before);
            if found {
                return true;
            }
        }
        is_done
    }

    fn has_order(transactions: &Transactions) -> bool {
        let sessions = 0..u32::try_from(transactions.session_count()).expect("few");
        let mut next: Vec<u32> = sessions.map(|session| transactions.of_session(session).start).collect();
        some_order(transactions, &mut next, &mut vec![INITIAL; transactions.key_count()])
    }

    /// Up to five sessions of up to three transactions that read anything from anybody.
    fn random(dice: &mut SmallRng) -> Transactions {
        let keys = dice.random_range(1..=4);
        let mut sessions: Vec<Vec<Transaction>> = Vec::new();
        for _ in 0..dice.random_range(2..=5) {
            let transaction = |dice: &mut SmallRng| {
                let writes = (0..keys).filter(|_| dice.random_bool(0.4)).collect();
                Transaction { reads: Vec::new(), writes }
            };
            sessions.push((0..dice.random_range(1..=3)).map(|_| transaction(dice)).collect());
        }
        let written: Vec<Vec<u32>> = sessions.iter().flatten().map(|transaction| transaction.writes.clone()).collect();
        for (at, transaction) in (0_u32..).zip(sessions.iter_mut().flatten()) {
            for key in 0..keys {
                if dice.random_bool(0.7) {
                    continue;
                }
                let wrote = |&source: &u32| source != at && written[source as usize].contains(&key);
                let others = (0..u32::try_from(written.len()).expect("few")).filter(wrote);
                let sources: Vec<u32> = others.chain((dice.random_bool(0.1)).then_some(INITIAL)).collect();
                transaction.reads.extend(sources.choose(dice).map(|&source| Read { key, source }));
            }
        }
        Transactions::of_sessions(&sessions, keys)
    }

    /// Nothing but that the initial value is read before all writers.
    fn initial_only(transactions: &Transactions) -> Forced<'_> {
        let mut forced = Forced::new(transactions);
        for reader in transactions.all() {
            for read in transactions.reads(reader).iter().filter(|read| read.source == INITIAL) {
                let writers = transactions.all().filter(|&at| at != reader && transactions.writes_key(at, read.key));
                for after in writers {
                    forced.add(Edge { before: reader, after }, Why::Way(after, after, 0));
                }
            }
        }
        forced
    }

    #[test]
    fn the_solver_alone_agrees_with_trying_every_order() {
        let budget = Budget::unlimited();
        let (mut orders, mut none, mut without_a_choice) = (0, 0, 0);
        for seed in 0..20_000 {
            let transactions = random(&mut SmallRng::seed_from_u64(seed));
            let forced = initial_only(&transactions);
            let is_possible = has_order(&transactions);
            let before: Vec<(u32, u32)> = forced.edges().map(|edge| (edge.after, edge.before)).collect();
            let also = Rows::grouped(transactions.len(), before.iter().copied());
            if schedule(&transactions, Some(&also), &budget, |_| {}).is_err() {
                assert!(!is_possible, "seed {seed}: a cycle of sessions and sources");
                without_a_choice += 1;
                continue;
            }
            match decide(&transactions, &forced, &budget) {
                Found::Order(order) => {
                    assert!(is_possible && replay(&transactions, &order).is_ok(), "seed {seed}: {order:?}");
                    orders += 1;
                }
                Found::NoOrder(core) => {
                    assert!(!is_possible, "seed {seed}: there is an order");
                    assert!(!has_order(&transactions.select(&core)), "seed {seed}: {core:?} alone has an order");
                    none += 1;
                }
                Found::Stopped(stop) => panic!("seed {seed}: {stop:?} without a budget"),
            }
        }
        assert!(orders > 1_000 && none > 1_000, "{orders} orders, {none} none, {without_a_choice} without a choice");
    }

    /// Sessions that have an order exactly if some values of the variables satisfy all clauses of three literals: a
    /// variable is which of two writers of its key is first, and the readers that three literals put between other
    /// writers are on a cycle exactly if all three are false.
    struct Formula {
        sessions: Vec<Vec<Transaction>>,
        reads: Vec<Named>,
        keys: u32,
    }

    /// Three variables, and whether each is to be true.
    type Clause = [(u32, bool); 3];

    /// A read whose reader and source are named by session and place.
    struct Named {
        reader: (usize, usize),
        source: (usize, usize),
        key: u32,
    }

    impl Formula {
        fn encoded(variables: u32, clauses: &[Clause]) -> Transactions {
            let mut formula = Self { sessions: Vec::new(), reads: Vec::new(), keys: variables };
            for key in (0..variables).flat_map(|key| [key, key]) {
                formula.session(&[Some(key)]);
            }
            for clause in clauses {
                formula.clause(clause);
            }
            formula.build()
        }

        /// A session of writes and of transactions that are to read; its number.
        fn session(&mut self, writes: &[Option<u32>]) -> usize {
            let of = |write: &Option<u32>| Transaction { reads: Vec::new(), writes: write.iter().copied().collect() };
            self.sessions.push(writes.iter().map(of).collect());
            self.sessions.len() - 1
        }

        fn key(&mut self) -> u32 {
            self.keys += 1;
            self.keys - 1
        }

        fn clause(&mut self, literals: &Clause) {
            let links = [self.key(), self.key(), self.key()];
            let first = self.sessions.len();
            for (at, &(variable, is_positive)) in literals.iter().enumerate() {
                let (yes, no) = (2 * variable as usize, 2 * variable as usize + 1);
                let (yes, no) = if is_positive { (yes, no) } else { (no, yes) };
                let (key, follows) = (self.key(), self.key());
                self.sessions[no].push(Transaction { reads: Vec::new(), writes: vec![follows] });
                let overwrites = self.session(&[None, Some(key), Some(links[at])]);
                let reads = self.session(&[None, None]);
                let written = self.session(&[Some(key), None]);
                let before = (at + 2) % 3;
                let last = (no, self.sessions[no].len() - 1);
                self.reads.extend([
                    Named { reader: (overwrites, 0), source: last, key: follows },
                    Named { reader: (reads, 0), source: (first + 3 * before, 2), key: links[before] },
                    Named { reader: (reads, 1), source: (written, 0), key },
                    Named { reader: (written, 1), source: (yes, 0), key: variable },
                ]);
            }
        }

        fn build(mut self) -> Transactions {
            let number = |(session, place): (usize, usize)| {
                let before: usize = self.sessions[..session].iter().map(Vec::len).sum();
                u32::try_from(before + place).expect("few")
            };
            let sources: Vec<u32> = self.reads.iter().map(|read| number(read.source)).collect();
            for (Named { reader: (session, place), key, .. }, source) in self.reads.into_iter().zip(sources) {
                self.sessions[session][place].reads.push(Read { key, source });
            }
            Transactions::of_sessions(&self.sessions, self.keys)
        }
    }

    fn random_clauses(variables: u32, count: usize, seed: u64) -> Vec<Clause> {
        let mut dice = SmallRng::seed_from_u64(seed);
        let clause = |_| {
            let three = rand::seq::index::sample(&mut dice, variables as usize, 3).into_vec();
            [0, 1, 2].map(|at| (u32::try_from(three[at]).expect("few"), dice.random_bool(0.5)))
        };
        (0..count).map(clause).collect()
    }

    fn is_satisfiable(variables: u32, clauses: &[Clause]) -> bool {
        let holds = |values: u32, &(variable, is_positive): &(u32, bool)| (values >> variable & 1 == 1) == is_positive;
        (0..1 << variables)
            .any(|values| clauses.iter().all(|clause| clause.iter().any(|literal| holds(values, literal))))
    }

    #[test]
    fn sessions_that_encode_formulas_are_left_to_the_solver_which_decides_them_in_few_steps() {
        let mut satisfiable = 0;
        for seed in 0..12 {
            let clauses = random_clauses(12, 58, seed);
            let transactions = Formula::encoded(12, &clauses);
            let mut forced = Forced::new(&transactions);
            assert_eq!(forced.saturate(&Budget::unlimited()), Ok(()), "seed {seed}");
            let guided = Run::new(&transactions, &forced).guided(&mut forced, 8, &Budget::unlimited());
            assert!(matches!(guided, Guided::Unclear), "seed {seed}: the guided run has an answer");
            let is_possible = is_satisfiable(12, &clauses);
            match search(&transactions, &Budget::unlimited().at_most(200_000)) {
                Found::Order(order) => assert!(is_possible && replay(&transactions, &order).is_ok(), "seed {seed}"),
                Found::NoOrder(_) => assert!(!is_possible, "seed {seed}: the formula is satisfiable"),
                Found::Stopped(stop) => panic!("seed {seed}: {stop:?}"),
            }
            satisfiable += u32::from(is_possible);
        }
        assert!((2..=10).contains(&satisfiable), "both occur: {satisfiable} of 12 are satisfiable");
    }

    #[test]
    fn the_solver_ends_with_its_budget_of_steps_and_of_memory() {
        let transactions = Formula::encoded(40, &random_clauses(40, 170, 1));
        let mut forced = Forced::new(&transactions);
        assert_eq!(forced.saturate(&Budget::unlimited()), Ok(()));
        assert_eq!(decide(&transactions, &forced, &Budget::unlimited().at_most(50)), Found::Stopped(Stop::Time));
        let graph = graph_bytes(&transactions, &always(&transactions, &forced));
        for bytes in [graph - 1, graph + 10_000] {
            let budget = Budget::new(None, bytes);
            assert_eq!(decide(&transactions, &forced, &budget), Found::Stopped(Stop::Memory), "{bytes} bytes");
            assert_eq!(budget.reserve(bytes), Ok(()), "all is given back");
        }
    }
}
