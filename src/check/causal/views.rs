//! Causal memory (CM) and PRAM: every session has a view, an order of all writes and of its own reads.
//!
//! CM (Bouajjani and others, POPL 2017, Section 5): for each session the happened-before order of its last operation is
//! the least one that contains the causal order of its past and, for each own read of `x` from `w` and each other writer
//! `u` of `x` before that read, `u` before `w`; CM holds exactly when causal consistency does, no such order is cyclic
//! (`CyclicHB`), and no own read of the initial value has a writer of its key before it (`WriteHBInitRead`). The order
//! only grows along a session, so that one fixpoint for its last operation answers for all.
//!
//! PRAM (Lipton and Sandberg 1988) is the same with a smaller base: the orders of the sessions, and sources of the own
//! reads only. The same argument holds for it: own operations form a chain, and when the fixpoint is acyclic, the writes
//! before each own read can be placed before it in any order that extends the fixpoint, the source last of its key.
//!
//! For each transaction the first own operation after it is stored, one number a transaction and session; it only falls.
//! O(rounds × reads × sessions + transactions) a session, sessions in parallel; two rounds are usual. Exact.

use super::sources;
use crate::check::answer::Answer;
use crate::check::budget::{Budget, Stop};
use crate::check::clocks::Clocks;
use crate::check::precedence::{Edge, post_order, trail};
use crate::check::transactions::{INITIAL, Transactions, Writers};
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

/// No own operation comes after it.
const NEVER: u32 = u32::MAX;

/// What a view must respect.
#[derive(Clone, Copy, Debug)]
pub enum Base<'c> {
    /// The causal order, for causal memory.
    Causal(&'c Clocks),
    /// The orders of sessions, and the sources of the own reads: PRAM.
    Sessions,
}

/// Decides whether every session has a view. For causal memory the causal order must already be known to be acyclic.
#[must_use]
pub fn decide(transactions: &Transactions, base: Base<'_>, writers: &Writers, budget: &Budget) -> Answer {
    let sessions = u32::try_from(transactions.session_count()).expect("fewer than transactions");
    let answer_of = |session| match View::new(transactions, base, writers, session).fixpoint(budget) {
        Ok(()) => Answer::Holds,
        Err(Found::Contradiction(core)) => Answer::violated(core),
        Err(Found::Stopped(stop)) => Answer::GaveUp(stop),
    };
    let answer = (0..sessions).into_par_iter().map(answer_of).find_first(|answer| *answer != Answer::Holds);
    answer.unwrap_or(Answer::Holds)
}

/// For each session an order of all transactions that contains the base and explains the session's reads, if
/// [`decide`] says that they have views.
///
/// # Errors
/// The end of the budget.
pub fn orders(
    transactions: &Transactions,
    base: Base<'_>,
    writers: &Writers,
    budget: &Budget,
) -> Result<Vec<Vec<u32>>, Stop> {
    let sessions = u32::try_from(transactions.session_count()).expect("fewer than transactions");
    budget.reserve(4 * (transactions.len() * transactions.session_count()) as u64)?;
    let order_of = |session| {
        let mut view = View::new(transactions, base, writers, session);
        if let Err(Found::Stopped(stop)) = view.fixpoint(budget) {
            return Err(stop);
        }
        // What comes before an own transaction has to be placed before it, and nothing else may be.
        let last = transactions.of_session(session).chain(transactions.all());
        Ok(post_order(transactions, last, |at, into| view.steps(at, NEVER, into)))
    };
    (0..sessions).into_par_iter().map(order_of).collect()
}

enum Found {
    Contradiction(Vec<u32>),
    Stopped(Stop),
}

/// An edge of the fixpoint, with the own transaction that shows it.
#[derive(Clone, Copy, Debug)]
struct Derived {
    edge: Edge,
    reader: u32,
}

struct View<'t> {
    transactions: &'t Transactions,
    base: Base<'t>,
    writers: &'t Writers,
    session: u32,
    /// For each transaction the place in the session, from 1, of the first own transaction that is it or is after it.
    first: Vec<u32>,
    derived: Vec<Derived>,
    known: FxHashSet<Edge>,
    /// The derived edges that end at a transaction.
    into: FxHashMap<u32, Vec<u32>>,
}

impl<'t> View<'t> {
    fn new(transactions: &'t Transactions, base: Base<'t>, writers: &'t Writers, session: u32) -> Self {
        let first = vec![NEVER; transactions.len()];
        let (derived, known, into) = (Vec::new(), FxHashSet::default(), FxHashMap::default());
        let mut view = Self { transactions, base, writers, session, first, derived, known, into };
        let mut seen: Vec<u32> =
            (0..).take(transactions.session_count()).map(|session| transactions.of_session(session).start).collect();
        for (place, own) in (1..).zip(transactions.of_session(session)) {
            view.first[own as usize] = place;
            match base {
                Base::Causal(clocks) => {
                    clocks.row(own).each(|of, before| {
                        let end = transactions.of_session(of).start + before;
                        view.seen_until(&mut seen[of as usize], end, place);
                    });
                }
                Base::Sessions => {
                    for read in transactions.reads(own).iter().filter(|read| read.source != INITIAL) {
                        let of = transactions.session(read.source);
                        view.seen_until(&mut seen[of as usize], read.source + 1, place);
                    }
                }
            }
        }
        view
    }

    fn seen_until(&mut self, seen: &mut u32, end: u32, place: u32) {
        while *seen < end {
            let first = &mut self.first[*seen as usize];
            *first = (*first).min(place);
            *seen += 1;
        }
    }

    fn fixpoint(&mut self, budget: &Budget) -> Result<(), Found> {
        let own = self.transactions.of_session(self.session);
        let mut cursors = vec![0_u32; self.writers.entry_count()];
        loop {
            let before = self.derived.len();
            cursors.fill(0);
            for (place, reader) in (1..).zip(own.clone()) {
                self.reader(reader, place, &mut cursors)?;
            }
            if let Some(stop) = budget.exceeded() {
                return Err(Found::Stopped(stop));
            }
            if self.derived.len() == before {
                break;
            }
        }
        let reads_ahead = |reader: &u32| {
            self.transactions
                .reads(*reader)
                .iter()
                .any(|read| read.source != INITIAL && self.transactions.in_session_order(*reader, read.source))
        };
        // Without derived edges the base is all, and what it lacks to be acyclic is a read of an own later write.
        if self.derived.is_empty() && !own.clone().any(|reader| reads_ahead(&reader)) {
            return Ok(());
        }
        match self.cycle(own.end.wrapping_sub(1)) {
            None => Ok(()),
            Some(cycle) => Err(Found::Contradiction(self.explained(&cycle))),
        }
    }

    fn reader(&mut self, reader: u32, place: u32, cursors: &mut [u32]) -> Result<(), Found> {
        let transactions = self.transactions;
        for read in transactions.reads(reader) {
            for entry in self.writers.entries(read.key) {
                let row = self.writers.row(entry);
                let cursor = &mut cursors[entry];
                while row.get(*cursor as usize).is_some_and(|&writer| self.first[writer as usize] <= place) {
                    *cursor += 1;
                }
                let before = &row[..*cursor as usize];
                let Some(&writer) = before.iter().rev().find(|&&writer| writer != reader) else { continue };
                if writer == read.source {
                    continue;
                }
                if read.source == INITIAL {
                    return Err(Found::Contradiction(self.shown(writer, reader)));
                }
                self.derive(Derived { edge: Edge { before: writer, after: read.source }, reader });
            }
        }
        Ok(())
    }

    fn derive(&mut self, derived: Derived) {
        let Edge { before, after } = derived.edge;
        let already = match self.base {
            Base::Causal(clocks) => clocks.precedes(self.transactions, before, after),
            Base::Sessions => self.transactions.in_session_order(before, after),
        };
        if already || !self.known.insert(derived.edge) {
            return;
        }
        let number = u32::try_from(self.derived.len()).expect("fewer derived edges than 2^32");
        self.derived.push(derived);
        self.into.entry(after).or_default().push(number);
        let mut falling = vec![(before, self.first[after as usize])];
        let mut direct = Vec::new();
        while let Some((at, place)) = falling.pop() {
            if self.first[at as usize] <= place {
                continue;
            }
            self.first[at as usize] = place;
            direct.clear();
            self.steps(at, number + 1, &mut direct);
            direct.extend(self.transactions.previous(at));
            falling.extend(direct.iter().map(|&step| (step, place)));
        }
    }

    /// What is directly before a transaction besides its session's previous one, by the base and the first `edges` of
    /// those derived.
    fn steps(&self, at: u32, edges: u32, into: &mut Vec<u32>) {
        if matches!(self.base, Base::Causal(_)) || self.transactions.session(at) == self.session {
            sources(self.transactions, at, into);
        }
        let derived = self.into.get(&at).into_iter().flatten().filter(|&&number| number < edges);
        into.extend(derived.map(|&number| self.derived[number as usize].edge.before));
    }

    /// A cycle among what is before `last` or is it, each transaction directly before the next: depth first, backwards.
    fn cycle(&self, last: u32) -> Option<Vec<u32>> {
        #[derive(Clone, Copy, PartialEq)]
        enum State {
            New,
            Open,
            Done,
        }
        let mut states = vec![State::New; self.transactions.len()];
        let mut stack = vec![(last, Vec::new())];
        let directly = |at: u32| {
            let mut direct = Vec::new();
            self.steps(at, NEVER, &mut direct);
            direct.extend(self.transactions.previous(at));
            direct
        };
        states[last as usize] = State::Open;
        stack[0].1 = directly(last);
        while let Some((at, direct)) = stack.last_mut() {
            let Some(next) = direct.pop() else {
                states[*at as usize] = State::Done;
                stack.pop();
                continue;
            };
            match states[next as usize] {
                State::Done => {}
                State::Open => {
                    let from = stack.iter().position(|(open, _)| *open == next).expect("open ones are on the stack");
                    return Some(stack[from..].iter().rev().map(|(open, _)| *open).collect());
                }
                State::New => {
                    states[next as usize] = State::Open;
                    stack.push((next, directly(next)));
                }
            }
        }
        None
    }

    /// Those of a cycle that are at the ends of other steps than inside a session, and whatever shows those steps.
    fn explained(&self, cycle: &[u32]) -> Vec<u32> {
        let mut core = Vec::new();
        let mut pending = Vec::new();
        for (at, &before) in cycle.iter().enumerate() {
            let after = cycle[(at + 1) % cycle.len()];
            if self.transactions.previous(after) != Some(before) {
                core.extend([before, after]);
                pending.extend(self.number_of(before, after));
            }
        }
        self.justify(pending, core)
    }

    fn shown(&self, writer: u32, reader: u32) -> Vec<u32> {
        let edges = u32::try_from(self.derived.len()).expect("fewer derived edges than 2^32");
        let mut pending = Vec::new();
        let way = self.way(writer, reader, edges, &mut pending);
        self.justify(pending, way)
    }

    fn number_of(&self, before: u32, after: u32) -> Option<u32> {
        let is_it = |number: &&u32| self.derived[**number as usize].edge.before == before;
        self.into.get(&after)?.iter().find(is_it).copied()
    }

    /// Adds why derived edges hold, and why the edges hold that this takes; each rests on earlier ones only.
    fn justify(&self, mut pending: Vec<u32>, mut core: Vec<u32>) -> Vec<u32> {
        let mut done = FxHashSet::default();
        while let Some(number) = pending.pop() {
            if done.insert(number) {
                let Derived { edge, reader } = self.derived[number as usize];
                core.push(edge.after);
                core.extend(self.way(edge.before, reader, number, &mut pending));
            }
        }
        core
    }

    /// How `before` comes before `after` with the first `edges` derived edges; those it takes are left in `pending`.
    fn way(&self, before: u32, after: u32, edges: u32, pending: &mut Vec<u32>) -> Vec<u32> {
        let way = trail(self.transactions, before, after, |at, into| self.steps(at, edges, into));
        for &to in &way {
            for &number in self.into.get(&to).into_iter().flatten().filter(|&&number| number < edges) {
                if way.contains(&self.derived[number as usize].edge.before) {
                    pending.push(number);
                }
            }
        }
        way
    }
}
