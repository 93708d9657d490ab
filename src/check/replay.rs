//! The independent check of orders that show a claim about sessions to hold: they are replayed, read by read.
//!
//! By the definitions of Bouajjani, Enea, Guerraoui and Hamza ("On verifying causal consistency", POPL 2017, Section 3),
//! and nothing is shared with the checkers: no clock, no index, no pattern. An order of the *view* of a session (sequential
//! consistency, causal memory, PRAM) is replayed as on one store; an order that all agree on (causal convergence) is asked
//! for the last writer that each reader knows of.

use super::budget::{Budget, Stop};
use super::transactions::{INITIAL, Transactions};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// Why an order shows nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// A transaction that is missing, comes twice, or comes before another that it must follow.
    #[error("transaction {0} of its order comes twice, too early or not at all")]
    Misplaced(u32),
    /// A read that did not see the last write before it.
    #[error("its order does not explain what transaction {0} read")]
    Misread(u32),
    /// There was no memory or time to tell.
    #[error("the budget ended before its order was replayed")]
    Stopped(Stop),
}

/// Whether an order of all transactions contains every session's, puts every source before its readers if it is to be
/// `causal`, and explains the reads of those transactions that `sees` picks: each saw the last write before it.
/// O(accesses).
///
/// # Errors
/// The first flaw.
pub fn view(transactions: &Transactions, order: &[u32], causal: bool, sees: impl Fn(u32) -> bool) -> Result<(), Flaw> {
    let mut last: FxHashMap<u32, u32> = FxHashMap::default();
    let mut next: Vec<u32> =
        (0..).take(transactions.session_count()).map(|session| transactions.of_session(session).start).collect();
    for &transaction in order {
        if transaction as usize >= transactions.len() {
            return Err(Flaw::Misplaced(transaction));
        }
        let is_placed = |at: u32, next: &[u32]| at < next[transactions.session(at) as usize];
        let reads = transactions.reads(transaction);
        let sources_placed = reads.iter().all(|read| read.source == INITIAL || is_placed(read.source, &next));
        if next[transactions.session(transaction) as usize] != transaction || causal && !sources_placed {
            return Err(Flaw::Misplaced(transaction));
        }
        let saw_last = |key: u32, source: u32| last.get(&key).copied().unwrap_or(INITIAL) == source;
        if sees(transaction) && !reads.iter().all(|read| saw_last(read.key, read.source)) {
            return Err(Flaw::Misread(transaction));
        }
        next[transactions.session(transaction) as usize] += 1;
        last.extend(transactions.writes(transaction).iter().map(|&key| (key, transaction)));
    }
    match (0..).zip(&next).find(|&(session, &next)| next != transactions.of_session(session).end) {
        Some((_, &missing)) => Err(Flaw::Misplaced(missing)),
        None => Ok(()),
    }
}

/// The transactions, in that order, that did not read what it says: of each key the last write among those that come
/// causally before the reader. The order is one of all transactions that contains every session's and puts every source
/// before its readers. O((transactions + reads) × sessions × log).
///
/// # Errors
/// The first flaw of the order itself, or the end of the budget.
pub fn unexplained(transactions: &Transactions, order: &[u32], budget: &Budget) -> Result<Vec<u32>, Flaw> {
    view(transactions, order, true, |_| false)?;
    let sessions = transactions.session_count();
    let bytes = 4 * (transactions.len() * (sessions + 1)) as u64;
    budget.reserve(bytes).map_err(Flaw::Stopped)?;
    // How much of every session each transaction known.
    let mut rows = vec![0_u32; transactions.len() * sessions];
    let mut written = vec![Written::default(); transactions.key_count()];
    let (mut unexplained, mut stop) = (Vec::new(), None);
    for (steps, &reader) in (1_u32..).zip(order) {
        let mut known = vec![0; sessions];
        let sources = transactions.reads(reader).iter().map(|read| read.source).filter(|&source| source != INITIAL);
        for before in transactions.previous(reader).into_iter().chain(sources) {
            let theirs = &rows[before as usize * sessions..][..sessions];
            known.iter_mut().zip(theirs).for_each(|(mine, theirs)| *mine = (*mine).max(*theirs));
            let own = &mut known[transactions.session(before) as usize];
            *own = (*own).max(transactions.place(before) + 1);
        }
        let explained = transactions.reads(reader).iter().all(|read| {
            let last = written[read.key as usize].last(transactions, &known);
            last.unwrap_or(INITIAL) == read.source
        });
        if !explained {
            unexplained.push(reader);
        }
        for &key in transactions.writes(reader) {
            written[key as usize].push(transactions.session(reader), reader, steps);
        }
        rows[reader as usize * sessions..][..sessions].copy_from_slice(&known);
        if steps.is_multiple_of(4096) {
            stop = budget.exceeded();
        }
        if stop.is_some() {
            break;
        }
    }
    budget.release(bytes);
    stop.map_or(Ok(unexplained), |stop| Err(Flaw::Stopped(stop)))
}

/// So many writers are looked at one by one before sessions are asked.
const NEAR: usize = if cfg!(test) { 1 } else { 64 };

/// The writers of one key so far.
#[derive(Clone, Debug, Default)]
struct Written {
    all: Vec<u32>,
    /// The same, and how far the order had come, session by session.
    by_session: BTreeMap<u32, Vec<(u32, u32)>>,
}

impl Written {
    fn push(&mut self, session: u32, writer: u32, step: u32) {
        self.all.push(writer);
        self.by_session.entry(session).or_default().push((writer, step));
    }

    /// The last of them that is known: of each session the first so many are.
    fn last(&self, transactions: &Transactions, known: &[u32]) -> Option<u32> {
        let is_known = |writer: u32| known[transactions.session(writer) as usize] > transactions.place(writer);
        let near = self.all.iter().rev().take(NEAR).copied().find(|&writer| is_known(writer));
        if near.is_some() || self.all.len() <= NEAR {
            return near;
        }
        let of_session = |writers: &Vec<(u32, u32)>| {
            let until = writers.partition_point(|&(writer, _)| is_known(writer));
            writers[..until].last().copied()
        };
        self.by_session.values().filter_map(of_session).max_by_key(|&(_, step)| step).map(|(writer, _)| writer)
    }
}

/// Whether an order explains what `reader`, its last transaction, read: it holds everything that comes causally before
/// what it holds, in an order that contains the causal one, and each read of `reader` saw the last write.
/// O(accesses of those transactions).
///
/// # Errors
/// The first flaw.
pub fn own_order(transactions: &Transactions, order: &[u32], reader: u32) -> Result<(), Flaw> {
    let mut placed = vec![false; transactions.len()];
    let mut last: FxHashMap<u32, u32> = FxHashMap::default();
    for &transaction in order {
        let sources = transactions.reads(transaction).iter().map(|read| read.source);
        let before = transactions.previous(transaction).into_iter().chain(sources.filter(|&source| source != INITIAL));
        if before.clone().any(|before| !placed[before as usize]) || placed[transaction as usize] {
            return Err(Flaw::Misplaced(transaction));
        }
        placed[transaction as usize] = true;
        if transaction != reader {
            last.extend(transactions.writes(transaction).iter().map(|&key| (key, transaction)));
        }
    }
    if order.last() != Some(&reader) {
        return Err(Flaw::Misplaced(reader));
    }
    let saw_last = |key: u32, source: u32| last.get(&key).copied().unwrap_or(INITIAL) == source;
    let explained = transactions.reads(reader).iter().all(|read| saw_last(read.key, read.source));
    if explained { Ok(()) } else { Err(Flaw::Misread(reader)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::transactions::Transaction;
    use crate::check::transactions::tests::few;
    use rand::rngs::SmallRng;
    use rand::seq::SliceRandom;
    use rand::{Rng, SeedableRng};

    const SEED: u64 = 815;
    const ROUNDS: u32 = 20_000;

    /// Few transactions that read anything, and an order of them: any, or one that keeps sessions.
    fn drawn(random: &mut SmallRng) -> (Transactions, Vec<u32>) {
        let transactions = few(random);
        let mut order: Vec<u32> = transactions.all().collect();
        order.shuffle(random);
        if random.random_bool(0.9) {
            // The places of each session in ascending order.
            let sessions = (0..).take(transactions.session_count());
            let mut next: Vec<u32> = sessions.map(|at| transactions.of_session(at).start).collect();
            for place in &mut order {
                let session = transactions.session(*place) as usize;
                *place = next[session];
                next[session] += 1;
            }
        }
        (transactions, order)
    }

    /// Whether one comes causally before another, by trying every way.
    fn causes(transactions: &Transactions, before: u32, after: u32, steps: usize) -> bool {
        let sources = transactions.reads(after).iter().map(|read| read.source).filter(|&source| source != INITIAL);
        let mut direct = sources.chain(transactions.previous(after));
        steps > 0 && direct.any(|at| at == before || causes(transactions, before, at, steps - 1))
    }

    #[test]
    fn replaying_is_what_the_definitions_say() {
        let mut random = SmallRng::seed_from_u64(SEED);
        let mut seen = [[0_u32; 2]; 4];
        for round in 0..ROUNDS {
            let (transactions, order) = drawn(&mut random);
            let count = order.len();
            let place = |at: u32| order.iter().position(|&other| other == at).expect("it is placed");
            let all = || transactions.all();
            let before = |a: u32, b: u32| place(a) < place(b);
            let sessions = all().all(|b| all().all(|a| !transactions.in_session_order(a, b) || before(a, b)));
            let causal = all().all(|b| all().all(|a| !causes(&transactions, a, b, count) || before(a, b)));
            // What a reader sees of a key in that order if it knows these.
            let saw = |reader: u32, knows: &dyn Fn(u32) -> bool| {
                transactions.reads(reader).iter().all(|read| {
                    let wrote = |at: &u32| transactions.writes_key(*at, read.key) && knows(*at) && before(*at, reader);
                    all().filter(wrote).max_by_key(|&at| place(at)).unwrap_or(INITIAL) == read.source
                })
            };
            let first = |at: u32| transactions.session(at) == 0;
            let legal = sessions && all().filter(|&at| first(at)).all(|reader| saw(reader, &|_| true));
            let about = format!("round {round} of seed {SEED}: {transactions:?} {order:?}");
            let unexplained = unexplained(&transactions, &order, &Budget::unlimited());
            let misread = |reader: &u32| !saw(*reader, &|at| causes(&transactions, at, *reader, count));
            let misread: Vec<u32> = order.iter().copied().filter(misread).collect();
            let last = order[count - 1];
            let prefix = all().all(|a| all().all(|b| transactions.previous(b) != Some(a) || before(a, b)));
            let said = [
                (view(&transactions, &order, false, first).is_ok(), legal),
                (view(&transactions, &order, true, first).is_ok(), legal && causal),
                (unexplained == Ok(vec![]), causal && misread.is_empty()),
                (own_order(&transactions, &order, last).is_ok(), prefix && causal && saw(last, &|_| true)),
            ];
            if causal {
                assert_eq!(unexplained, Ok(misread), "{about}");
            }
            for (number, ((said, expected), seen)) in said.into_iter().zip(&mut seen).enumerate() {
                assert_eq!(said, expected, "check {number}, {about}");
                seen[usize::from(said)] += 1;
            }
        }
        assert!(seen.iter().flatten().all(|&count| count > ROUNDS / 50), "{seen:?}");
    }

    #[test]
    fn an_order_that_lacks_repeats_or_invents_a_transaction_is_none() {
        let write = Transaction { reads: Vec::new(), writes: vec![0] };
        let transactions = Transactions::of_sessions(&[vec![write.clone(), write.clone()], vec![write]], 1);
        for (order, flawed) in [(vec![0, 1], 2), (vec![0, 0, 1, 2], 0), (vec![0, 1, 2, 7], 7), (vec![1, 0, 2], 1)] {
            let said = view(&transactions, &order, true, |_| true);
            assert_eq!(said, Err(Flaw::Misplaced(flawed)), "{order:?}");
            assert_eq!(unexplained(&transactions, &order, &Budget::unlimited()), Err(Flaw::Misplaced(flawed)));
        }
        assert_eq!(own_order(&transactions, &[0, 2], 2), Ok(()), "what it does not know may be left out");
        assert_eq!(own_order(&transactions, &[1], 1), Err(Flaw::Misplaced(1)));
        assert_eq!(own_order(&transactions, &[0, 1, 1], 1), Err(Flaw::Misplaced(1)));
    }
}
