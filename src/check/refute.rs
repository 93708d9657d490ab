//! The independent check of every violation below linearizable: on its few transactions, by the definition.
//!
//! Shares no clock, cursor or index with the checkers: relations are boolean matrices that are closed again and again.
//! What it finds is also what people are shown, with the reason of every step. [`CORE_MAX`] bounds what it is asked.

use super::agreed_orders;
use super::answer::Answer;
use super::budget::Budget;
use super::guarantee::Claim;
use super::processor;
use super::relation::Relation;
use super::sequential::{self, Found};
use super::transactions::{INITIAL, Transactions};
use super::verdict::{Pattern, Reason, Step};
use crate::history::ValueId;

/// A core of more transactions is not checked again.
pub(super) const CORE_MAX: usize = 256;
/// So many transactions can be held against every order of them.
pub(super) const ORDERS_MAX: usize = 16;
/// Trying every order ends after so many steps.
const STEPS_MAX: u32 = 5_000_000;

/// Why a claim is broken, in numbers of transactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refutation {
    pub pattern: Pattern,
    pub steps: Vec<Step<u32>>,
    /// The transaction whose read is wrong, and its key.
    pub reader: Option<(u32, ValueId)>,
    /// Whether this check knows by itself; otherwise it relies on the search that it stands for.
    pub verified: bool,
}

/// Why those transactions break the claim; `None` if they do not.
pub(super) fn refute(claim: Claim, transactions: &Transactions, budget: &Budget) -> Option<Refutation> {
    let small = Small { transactions };
    match claim {
        Claim::ReadCommitted | Claim::ReadAtomic => small.visible(claim),
        Claim::ReadYourWrites | Claim::MonotonicReads | Claim::MonotonicWrites | Claim::WritesFollowReads => {
            small.guarantee(claim)
        }
        Claim::Pram => small.views(false),
        Claim::Causal => small.causal(false),
        Claim::CausalConvergence => small.causal(true),
        Claim::CausalMemory => small.causal(false).or_else(|| small.views(true)),
        Claim::Sequential => {
            let pattern = small.causal(true).or_else(|| small.views(true));
            pattern.or_else(|| small.sequential(budget))
        }
        Claim::Processor => {
            let weaker = [Claim::ReadYourWrites, Claim::MonotonicWrites].map(|weaker| small.guarantee(weaker));
            weaker.into_iter().flatten().next().or_else(|| small.views(false)).or_else(|| small.agreed_orders(budget))
        }
        Claim::Linearizable | Claim::Convergent | Claim::LostAcks => None,
    }
}

struct Small<'t> {
    transactions: &'t Transactions,
}

/// An order that a read asks for: `writer` before `source`, both of `key`.
fn hidden(reader: u32, key: ValueId) -> Reason<u32> {
    Reason::Hidden { reader, key }
}

fn found(pattern: Pattern, steps: Vec<Step<u32>>) -> Refutation {
    Refutation { pattern, steps, reader: None, verified: true }
}

impl Small<'_> {
    fn relation(&self) -> Relation {
        Relation::new(self.transactions.len())
    }

    /// Every session's order and the sources of reads by those that `reads`.
    fn order(&self, reads: impl Fn(u32) -> bool) -> Relation {
        let mut order = self.relation();
        for after in self.transactions.all() {
            for before in self.transactions.all().filter(|&before| self.transactions.in_session_order(before, after)) {
                order.add(before, after, Reason::Session);
            }
            for read in self.transactions.reads(after).iter().filter(|read| reads(after) && read.source != INITIAL) {
                order.add(read.source, after, Reason::ReadFrom { key: self.transactions.key(read.key) });
            }
        }
        order.close();
        order
    }

    fn writers(&self, key: u32) -> impl Iterator<Item = u32> {
        self.transactions.all().filter(move |&writer| self.transactions.writes_key(writer, key))
    }

    /// Each read with another writer of its key: reader, key, source, writer.
    fn rivals(&self) -> impl Iterator<Item = (u32, ValueId, u32, u32)> {
        self.transactions.all().flat_map(move |reader| {
            self.transactions.reads(reader).iter().flat_map(move |read| {
                let others = self.writers(read.key).filter(move |&writer| writer != read.source && writer != reader);
                others.map(move |writer| (reader, self.transactions.key(read.key), read.source, writer))
            })
        })
    }

    fn causal(&self, convergent: bool) -> Option<Refutation> {
        let order = self.order(|_| true);
        if let Some(steps) = order.cycle() {
            return Some(found(Pattern::CausalCycle, steps));
        }
        let mut with_conflicts = order.clone();
        let mut wrong: Vec<Refutation> = Vec::new();
        for (reader, key, source, writer) in self.rivals().filter(|&(reader, .., writer)| order.reaches(writer, reader))
        {
            let steps = order.way(writer, reader);
            let at = Some((reader, key));
            if source == INITIAL {
                wrong.push(Refutation { reader: at, ..found(Pattern::InitialAfterWrite, steps) });
            } else if order.reaches(source, writer) {
                let mut all = order.way(source, writer);
                all.extend(steps);
                wrong.push(Refutation { reader: at, ..found(Pattern::Overwritten, all) });
            } else {
                with_conflicts.add(writer, source, hidden(reader, key));
            }
        }
        let shortest = wrong.into_iter().min_by_key(|refutation| refutation.steps.len());
        if shortest.is_some() || !convergent {
            return shortest.or_else(|| self.one_transaction(&order));
        }
        with_conflicts.close();
        with_conflicts.cycle().map(|steps| found(Pattern::NoCommonOrder, steps))
    }

    /// Whether some transaction's reads do not fit together.
    fn one_transaction(&self, order: &Relation) -> Option<Refutation> {
        let several = |reader: &u32| self.transactions.reads(*reader).len() > 1;
        self.transactions.all().filter(several).find_map(|transaction| {
            let mut own = order.clone();
            for (reader, key, source, writer) in self.rivals().filter(|&(reader, ..)| reader == transaction) {
                if order.reaches(writer, reader) {
                    own.add(writer, source, hidden(reader, key));
                }
            }
            own.close();
            own.cycle().map(|steps| found(Pattern::NoView, steps))
        })
    }

    /// Whether some session has no view of its own.
    fn views(&self, causal: bool) -> Option<Refutation> {
        let sessions = u32::try_from(self.transactions.session_count()).expect("a small history");
        (0..sessions).find_map(|session| self.view(session, causal))
    }

    fn view(&self, session: u32, causal: bool) -> Option<Refutation> {
        let is_own = |transaction: u32| self.transactions.session(transaction) == session;
        let mut view = self.order(|reader| causal || is_own(reader));
        let last = self.transactions.all().rfind(|&own| is_own(own))?;
        loop {
            let mut added = false;
            for (reader, key, source, writer) in self.rivals().filter(|&(reader, ..)| is_own(reader)) {
                if !view.reaches(writer, reader) || source != INITIAL && view.reaches(writer, source) {
                    continue;
                }
                if source == INITIAL {
                    let refutation = found(Pattern::InitialAfterWrite, view.way(writer, reader));
                    return Some(Refutation { reader: Some((reader, key)), ..refutation });
                }
                view.add(writer, source, hidden(reader, key));
                added = true;
            }
            if !added {
                break;
            }
            view.close();
        }
        // Cycles elsewhere are none of this session's business.
        let mut past = self.relation();
        let in_past = |transaction: u32| transaction == last || view.reaches(transaction, last);
        for from in self.transactions.all().filter(|&from| in_past(from)) {
            for step in view.steps(from).iter().filter(|step| in_past(step.to)) {
                past.add(step.from, step.to, step.why.clone());
            }
        }
        past.close();
        past.cycle().map(|steps| found(Pattern::NoView, steps))
    }

    /// Read committed and read atomic.
    fn visible(&self, claim: Claim) -> Option<Refutation> {
        let transactions = self.transactions;
        let mut order = self.order(|_| true);
        for reader in transactions.all() {
            let reads = transactions.reads(reader);
            for (at, read) in reads.iter().enumerate() {
                let seen = if claim == Claim::ReadCommitted { &reads[..at] } else { reads };
                let by_reading = |writer: u32| seen.iter().any(|other| other.source == writer);
                let by_session =
                    |writer: u32| claim == Claim::ReadAtomic && transactions.in_session_order(writer, reader);
                for writer in self.writers(read.key).filter(|&writer| by_reading(writer) || by_session(writer)) {
                    if read.source == INITIAL {
                        let refutation = found(Pattern::InitialAfterWrite, order.way(writer, reader));
                        return Some(Refutation { reader: Some((reader, transactions.key(read.key))), ..refutation });
                    }
                    if writer != read.source {
                        order.add(writer, read.source, hidden(reader, transactions.key(read.key)));
                    }
                }
            }
        }
        order.close();
        order.cycle().map(|steps| found(Pattern::NoCommonOrder, steps))
    }

    /// The four session guarantees.
    fn guarantee(&self, claim: Claim) -> Option<Refutation> {
        let transactions = self.transactions;
        let mut order = self.relation();
        for after in transactions.all() {
            for before in transactions.all().filter(|&before| transactions.in_session_order(before, after)) {
                if claim == Claim::MonotonicWrites {
                    order.add(before, after, Reason::Session);
                }
            }
            if claim == Claim::WritesFollowReads {
                for (source, key, by) in self.read_until(after) {
                    order.add(source, after, Reason::Followed { reader: by, key });
                }
            }
        }
        for reader in transactions.all() {
            for (at, read) in transactions.reads(reader).iter().enumerate() {
                let seen = self.must_see(claim, reader, at);
                for writer in self.writers(read.key).filter(|&writer| seen[writer as usize] && writer != read.source) {
                    if read.source == INITIAL {
                        let step = Step { from: writer, to: reader, why: Reason::MustSee };
                        let refutation = found(Pattern::InitialAfterWrite, vec![step]);
                        return Some(Refutation { reader: Some((reader, transactions.key(read.key))), ..refutation });
                    }
                    order.add(writer, read.source, hidden(reader, transactions.key(read.key)));
                }
            }
        }
        order.close();
        order.cycle().map(|steps| found(Pattern::NoCommonOrder, steps))
    }

    /// What a session had read up to a transaction: source, key and reader.
    fn read_until(&self, last: u32) -> impl Iterator<Item = (u32, ValueId, u32)> {
        let counts = move |&by: &u32| by == last || self.transactions.in_session_order(by, last);
        let reads = move |by: u32| {
            self.transactions.reads(by).iter().map(move |read| (read.source, self.transactions.key(read.key), by))
        };
        self.transactions.all().filter(counts).flat_map(reads).filter(|(source, ..)| *source != INITIAL)
    }

    /// Which transactions the read at that place of `reader` must see.
    fn must_see(&self, claim: Claim, reader: u32, at: usize) -> Vec<bool> {
        let transactions = self.transactions;
        let mut seen = vec![false; transactions.len()];
        if claim == Claim::ReadYourWrites {
            for own in transactions.all().filter(|&own| transactions.in_session_order(own, reader)) {
                seen[own as usize] = true;
            }
            return seen;
        }
        let earlier = self.read_until(reader).filter(|&(.., by)| by != reader).map(|(source, ..)| source);
        let now = transactions.reads(reader)[..=at].iter().map(|read| read.source).filter(|&source| source != INITIAL);
        let mut open: Vec<u32> = earlier.chain(now).collect();
        while let Some(writer) = open.pop() {
            if std::mem::replace(&mut seen[writer as usize], true) {
                continue;
            }
            match claim {
                Claim::MonotonicWrites => {
                    open.extend(transactions.all().filter(|&before| transactions.in_session_order(before, writer)));
                }
                Claim::WritesFollowReads => open.extend(self.read_until(writer).map(|(source, ..)| source)),
                _ => {}
            }
        }
        seen
    }

    /// Whether no orders of the keys' writes give every session a view.
    fn agreed_orders(&self, budget: &Budget) -> Option<Refutation> {
        let refutation = |verified| Refutation { verified, ..found(Pattern::NoAgreedOrder, Vec::new()) };
        if self.transactions.len() <= ORDERS_MAX {
            match agreed_orders::exist(self.transactions, &mut STEPS_MAX.clone()) {
                Some(true) => return None,
                Some(false) => return Some(refutation(true)),
                None => {}
            }
        }
        matches!(processor::decide(self.transactions, budget), Answer::Violated(_)).then(|| refutation(false))
    }

    fn sequential(&self, budget: &Budget) -> Option<Refutation> {
        let refutation = |verified| Refutation { verified, ..found(Pattern::NoOrder, Vec::new()) };
        if self.transactions.len() <= ORDERS_MAX {
            let mut steps = STEPS_MAX;
            let sessions = (0..).take(self.transactions.session_count());
            let mut next: Vec<u32> = sessions.map(|session| self.transactions.of_session(session).start).collect();
            let mut last = vec![INITIAL; self.transactions.key_count()];
            match self.some_order(&mut next, &mut last, &mut steps) {
                Some(true) => return None,
                Some(false) => return Some(refutation(true)),
                None => {}
            }
        }
        matches!(sequential::search(self.transactions, budget), Found::NoOrder(_)).then(|| refutation(false))
    }

    /// Tries every interleaving of the sessions; `None` when the steps are used up.
    fn some_order(&self, next: &mut [u32], last: &mut [u32], steps: &mut u32) -> Option<bool> {
        let mut ended = true;
        for session in 0..next.len() {
            let number = u32::try_from(session).expect("a small history");
            let at = next[session];
            if at == self.transactions.of_session(number).end {
                continue;
            }
            ended = false;
            *steps = steps.checked_sub(1)?;
            if self.transactions.reads(at).iter().any(|read| last[read.key as usize] != read.source) {
                continue;
            }
            let keys = self.transactions.writes(at);
            let before: Vec<u32> = keys.iter().map(|&key| last[key as usize]).collect();
            for &key in keys {
                last[key as usize] = at;
            }
            next[session] += 1;
            let found = self.some_order(next, last, steps)?;
            next[session] -= 1;
            keys.iter().zip(before).for_each(|(&key, before)| last[key as usize] = before);
            if found {
                return Some(true);
            }
        }
        Some(ended)
    }
}
