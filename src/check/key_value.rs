//! Judging the claims about sessions that read and write keys: from a history to a verdict with its evidence.
//!
//! The history is compiled once for all claims ([`super::transactions`]), the claim's checker answers, and what it calls
//! a violation is made small and held against the definition by [`super::refute`] before anybody sees it. A checker that
//! is contradicted there gives no verdict but an error.

use super::answer::Answer;
use super::budget::Budget;
use super::causal::versions::Versions;
use super::causal::{past, views};
use super::clocks::Clocks;
use super::evidence;
use super::guarantee::Claim;
use super::judge::{JudgeError, Question};
use super::observed::Observed;
use super::precedence::Stuck;
use super::processor;
use super::refute::{CORE_MAX, ORDERS_MAX, Refutation, refute};
use super::replay::Flaw;
use super::sequential::{self, Found};
use super::session::{self, Guarantee};
use super::transactional::{self, Level};
use super::transactions::{Ambiguous, Transactions, Writers, compile};
use super::verdict::{Contradiction, Finding, Pattern, Undecided, Verdict, Violation, Why, Witness, WrongRead};
use super::wrong_read;
use crate::history::{History, ValueId};
use std::cell::OnceCell;

/// A history compiled for these claims, with the indexes that several of them need.
pub struct Sessions {
    transactions: Result<Transactions, String>,
    indexes: Indexes,
}

/// What several checkers look things up in, made when it is asked for.
#[derive(Default)]
pub(super) struct Indexes {
    clocks: OnceCell<Result<Clocks, Stuck>>,
    writers: OnceCell<Writers>,
    versions: OnceCell<Versions>,
}

impl Indexes {
    /// The causal order.
    pub(super) fn clocks(&self, transactions: &Transactions, budget: &Budget) -> Result<&Clocks, Stuck> {
        self.clocks.get_or_init(|| Clocks::causal(transactions, budget)).as_ref().map_err(Clone::clone)
    }

    /// Who wrote which key.
    pub(super) fn writers(&self, transactions: &Transactions) -> &Writers {
        self.writers.get_or_init(|| Writers::of(transactions))
    }

    /// What CC and CCv are decided by.
    pub(super) fn past<'i>(&'i self, transactions: &Transactions, clocks: &'i Clocks) -> past::Order<'i> {
        let versions = self.versions.get_or_init(|| Versions::of(transactions, clocks));
        past::Order { clocks, versions, writers: &self.writers }
    }
}

impl Sessions {
    /// Compiles a history. O(accesses).
    #[must_use]
    pub fn of(history: &History, question: &Question) -> Self {
        Self { transactions: compile(history, question), indexes: Indexes::default() }
    }

    /// The verdict on one claim, which [`Claim::is_about_sessions`].
    ///
    /// # Errors
    /// When the independent check contradicts the checker.
    pub fn judge(
        &self,
        claim: Claim,
        history: &History,
        question: &Question,
        budget: &Budget,
    ) -> Result<Finding, JudgeError> {
        let mut finding = Finding {
            claim,
            model: None,
            verdict: Verdict::Holds(Witness::default()),
            decided_by: Vec::new(),
            operations: history.len(),
            objects: 0,
            assumptions: question.session.assumption().map(str::to_owned).into_iter().collect(),
        };
        let transactions = match &self.transactions {
            Ok(transactions) => transactions,
            Err(why) => {
                finding.verdict = undecided(Why::Unsupported(why.clone()));
                return Ok(finding);
            }
        };
        finding.objects = transactions.key_count();
        finding.decided_by = vec![(decider(claim), transactions.key_count())];
        let line = |wrong: &WrongRead| history.operation(wrong.reader).line();
        finding.verdict = match transactions.wrong_reads.first() {
            Some(wrong) if wrong_read::stands(history, question, wrong) => {
                Verdict::Violated(of_wrong_read(*wrong, history, transactions))
            }
            Some(wrong) => return Err(contradicted(claim, format!("the read on line {} is not wrong", line(wrong)))),
            None => self.verdict(claim, transactions, history, question, budget)?,
        };
        Ok(finding)
    }

    fn verdict(
        &self,
        claim: Claim,
        transactions: &Transactions,
        history: &History,
        question: &Question,
        budget: &Budget,
    ) -> Result<Verdict, JudgeError> {
        let mut order = None;
        let core = match answer(claim, transactions, &self.indexes, &mut order, budget) {
            Answer::GaveUp(stop) => return Ok(undecided(Why::Stopped(stop))),
            Answer::Holds => return self.held(claim, transactions, history, question, order.as_deref(), budget),
            Answer::Violated(core) => core,
        };
        let observed = Observed::new(history, transactions);
        let small = smallest(claim, transactions, observed.with_observers(&core), &observed, budget);
        let Some(refutation) = small.refutation else {
            // Who had no time, or too much to look at, contradicts nobody.
            let part = transactions.select(&small.core);
            let searched = matches!(claim, Claim::Sequential | Claim::Processor)
                && small.core.len() > ORDERS_MAX
                && answer(claim, &part, &Indexes::default(), &mut None, budget) != Answer::Holds;
            if small.core.len() > CORE_MAX || searched || budget.exceeded().is_some() {
                return Ok(Verdict::Violated(of_large_core(transactions, &small)));
            }
            return Err(contradicted(claim, format!("its {} transactions are no counterexample", small.core.len())));
        };
        Ok(Verdict::Violated(of_refutation(transactions, &small.core, refutation, small.minimal)))
    }

    /// Nothing contradicts the claim; whether that says anything depends on the reads that were left out. An order that
    /// was found is replayed, and so is whatever is shown.
    fn held(
        &self,
        claim: Claim,
        transactions: &Transactions,
        history: &History,
        question: &Question,
        order: Option<&[u32]>,
        budget: &Budget,
    ) -> Result<Verdict, JudgeError> {
        if let Some(Err(flaw)) = order.map(|order| sequential::replay(transactions, order)) {
            return Err(contradicted(claim, flaw.to_string()));
        }
        if let Some(ambiguous) = transactions.ambiguous {
            return Ok(undecided(Why::Unsupported(not_unique(history, ambiguous))));
        }
        if !question.witness {
            return Ok(Verdict::Holds(Witness::default()));
        }
        match evidence::witness(claim, history, transactions, &self.indexes, order, budget) {
            Ok(witness) => Ok(Verdict::Holds(witness)),
            Err(Flaw::Stopped(stop)) => Ok(Verdict::Holds(Witness { stopped: Some(stop), ..Witness::default() })),
            Err(flaw) => Err(contradicted(claim, flaw.to_string())),
        }
    }
}

/// The checker and what checks it do not agree.
fn contradicted(claim: Claim, flaw: String) -> JudgeError {
    JudgeError::Contradicted { decider: decider(claim), key: "all".to_owned(), flaw }
}

/// The name of a claim's checker.
fn decider(claim: Claim) -> &'static str {
    match claim {
        Claim::Causal | Claim::CausalConvergence => "bad patterns",
        Claim::CausalMemory | Claim::Pram => "views",
        Claim::ReadCommitted | Claim::ReadAtomic => "visibility",
        Claim::Sequential => "frontiers",
        Claim::Processor => "agreed orders",
        Claim::ReadYourWrites | Claim::MonotonicReads | Claim::MonotonicWrites | Claim::WritesFollowReads => {
            "order of writes"
        }
        Claim::Linearizable | Claim::Convergent | Claim::LostAcks => "none",
    }
}

fn answer(
    claim: Claim,
    transactions: &Transactions,
    indexes: &Indexes,
    order: &mut Option<Vec<u32>>,
    budget: &Budget,
) -> Answer {
    let writers = || indexes.writers(transactions);
    let guarantee = |guarantee| session::decide(transactions, guarantee, budget);
    match claim {
        Claim::ReadCommitted => return transactional::decide(transactions, Level::ReadCommitted, budget),
        Claim::ReadAtomic => return transactional::decide(transactions, Level::ReadAtomic, budget),
        Claim::ReadYourWrites => return guarantee(Guarantee::ReadYourWrites),
        Claim::MonotonicReads => return guarantee(Guarantee::MonotonicReads),
        Claim::MonotonicWrites => return guarantee(Guarantee::MonotonicWrites),
        Claim::WritesFollowReads => return guarantee(Guarantee::WritesFollowReads),
        Claim::Pram => return views::decide(transactions, views::Base::Sessions, writers(), budget),
        Claim::Processor => {
            // What it implies is decided fast, with smaller contradictions.
            let implied = [
                guarantee(Guarantee::ReadYourWrites),
                guarantee(Guarantee::MonotonicWrites),
                views::decide(transactions, views::Base::Sessions, writers(), budget),
            ];
            let broken = implied.into_iter().find(|answer| *answer != Answer::Holds);
            return broken.unwrap_or_else(|| processor::decide(transactions, budget));
        }
        Claim::Causal | Claim::CausalConvergence | Claim::CausalMemory | Claim::Sequential => {}
        // Judged elsewhere; see `Claim::is_about_sessions`.
        Claim::Linearizable | Claim::Convergent | Claim::LostAcks => return Answer::Holds,
    }
    let clocks = match indexes.clocks(transactions, budget) {
        Ok(clocks) => clocks,
        Err(stuck) => return stuck.into(),
    };
    let memory = || views::decide(transactions, views::Base::Causal(clocks), writers(), budget);
    match claim {
        Claim::Causal => past::decide(transactions, indexes.past(transactions, clocks), budget),
        Claim::CausalConvergence => past::arbitrate(transactions, indexes.past(transactions, clocks), budget, |_| {}),
        Claim::CausalMemory => memory(),
        // What it finds to be forced contains whatever the two above derive.
        _ => sequential(transactions, order, budget),
    }
}

fn sequential(transactions: &Transactions, order: &mut Option<Vec<u32>>, budget: &Budget) -> Answer {
    match sequential::search(transactions, budget) {
        Found::Stopped(stop) => Answer::GaveUp(stop),
        Found::NoOrder(core) => Answer::violated(core),
        Found::Order(found) => {
            *order = Some(found);
            Answer::Holds
        }
    }
}

fn not_unique(history: &History, ambiguous: Ambiguous) -> String {
    let value = history.values().to_value(ambiguous.value);
    let key = if ambiguous.key.is_absent() {
        String::new()
    } else {
        format!(" of key {}", history.values().to_value(ambiguous.key))
    };
    let others = ambiguous.reads - 1;
    let others = match others {
        0 => String::new(),
        1 => " and one other read".to_owned(),
        others => format!(" and {others} other reads"),
    };
    format!(
        "values are not unique: the read of {value}{key} on line {}{others} may be from several writes, the initial value \
         included; write every value once",
        history.operation(ambiguous.first).line()
    )
}

fn undecided(why: Why) -> Verdict {
    Verdict::Undecided(Undecided { why, open: Vec::new(), decided: 0 })
}

/// A counterexample that was made as small as could be.
struct Small {
    core: Vec<u32>,
    refutation: Option<Refutation>,
    minimal: bool,
}

/// Drops transactions, many at first, then one by one, as long as the rest contradicts the claim by itself.
fn smallest(
    claim: Claim,
    transactions: &Transactions,
    mut core: Vec<u32>,
    observed: &Observed<'_>,
    budget: &Budget,
) -> Small {
    let breaks = |core: &[u32]| {
        if !observed.stands(core) {
            return false;
        }
        let part = transactions.select(core);
        if core.len() <= CORE_MAX {
            refute(claim, &part, budget).is_some()
        } else {
            matches!(answer(claim, &part, &Indexes::default(), &mut None, budget), Answer::Violated(_))
        }
    };
    let mut chunk = core.len().div_ceil(2);
    let mut minimal = true;
    while chunk > 0 && minimal {
        let mut at = 0;
        let before = core.len();
        while at < core.len() {
            let end = core.len().min(at + chunk);
            let rest: Vec<u32> = [&core[..at], &core[end..]].concat();
            if budget.exceeded().is_some() {
                minimal = false;
                break;
            }
            if breaks(&rest) {
                core = rest;
            } else {
                at = end;
            }
        }
        if chunk > 1 || core.len() == before {
            chunk /= 2;
        }
    }
    let part = transactions.select(&core);
    let refutation = if core.len() <= CORE_MAX { refute(claim, &part, budget) } else { None };
    Small { core, refutation, minimal }
}

fn of_refutation(transactions: &Transactions, core: &[u32], refutation: Refutation, minimal: bool) -> Violation {
    let name = |at: u32| transactions.op(core[at as usize]);
    let steps: Vec<_> = refutation.steps.into_iter().map(|step| step.renamed(name)).collect();
    let reader = refutation.reader.map(|(reader, key)| (name(reader), key));
    let key = reader.map_or(ValueId::ABSENT, |(_, key)| key);
    let kind = Contradiction::Forbidden { pattern: refutation.pattern, steps, reader };
    let core = core.iter().map(|&at| transactions.op(at)).collect();
    Violation { minimal, verified: refutation.verified, ..Violation::of_core(key, core, kind) }
}

fn of_large_core(transactions: &Transactions, small: &Small) -> Violation {
    let kind = Contradiction::Forbidden { pattern: Pattern::Unexplained, steps: Vec::new(), reader: None };
    let core = small.core.iter().map(|&at| transactions.op(at)).collect();
    Violation { minimal: small.minimal, verified: false, ..Violation::of_core(ValueId::ABSENT, core, kind) }
}

fn of_wrong_read(wrong: WrongRead, history: &History, transactions: &Transactions) -> Violation {
    let mut core = vec![wrong.reader];
    core.extend(wrong.writer.filter(|&writer| writer != wrong.reader));
    // The read of one in doubt is wrong only if it happened.
    let reader = transactions.all().find(|&transaction| transactions.op(transaction) == wrong.reader);
    let with_observers = Observed::new(history, transactions).with_observers(reader.as_slice());
    core.extend(with_observers.iter().map(|&at| transactions.op(at)).filter(|&op| op != wrong.reader));
    // The read and who wrote its value, if anybody: there is nothing to derive.
    Violation::of_core(wrong.key, core, Contradiction::WrongRead(wrong))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::guarantee;
    use crate::check::transactions::tests::few;
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    const SEED: u64 = 4712;
    const ROUNDS: u32 = 5_000;

    #[test]
    fn what_a_checker_calls_violated_is_refuted_and_nothing_else_is() {
        let mut random = SmallRng::seed_from_u64(SEED);
        let claims = guarantee::all().iter().map(|info| info.claim).filter(|claim| claim.is_about_sessions());
        let claims: Vec<Claim> = claims.collect();
        let mut refuted = vec![0; claims.len()];
        for round in 0..ROUNDS {
            let transactions = few(&mut random);
            let budget = Budget::unlimited();
            for (&claim, refuted) in claims.iter().zip(&mut refuted) {
                let answer = answer(claim, &transactions, &Indexes::default(), &mut None, &budget);
                let refutation = refute(claim, &transactions, &budget);
                let about = format!("{}, round {round} of seed {SEED}: {transactions:?}", claim.name());
                assert_eq!(refutation.is_some(), answer != Answer::Holds, "{about}: {answer:?}, {refutation:?}");
                *refuted += u32::from(refutation.is_some());
            }
        }
        for (claim, refuted) in claims.iter().zip(refuted) {
            assert!((ROUNDS / 50..ROUNDS * 49 / 50).contains(&refuted), "{}: {refuted}", claim.name());
        }
    }
}
