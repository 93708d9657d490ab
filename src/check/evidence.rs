//! What shows that a claim about sessions holds: orders, each of which is replayed ([`super::replay`]) before it is shown.
//!
//! - sequential: one order that explains every read;
//! - causal convergence: one order of all in which each read sees the last write that comes causally before it;
//! - causal: such an order, and for each transaction that it does not explain an order of its own;
//! - causal memory, PRAM: for each session an order of all that explains the session's reads.
//!
//! Deliberately not for the other claims: their checkers answer by the absence of a cycle alone.

use super::answer::Answer;
use super::budget::Budget;
use super::causal::{past, views};
use super::clocks::Clocks;
use super::guarantee::Claim;
use super::key_value::Indexes;
use super::precedence::{Stuck, schedule};
use super::replay::{Flaw, own_order, unexplained, view};
use super::transactions::Transactions;
use super::verdict::{Explains, LegalOrder, Witness};
use crate::history::{History, Outcome};

/// The witness of a claim that holds; `sequential` is the order that was found for it.
///
/// # Errors
/// Why the orders show nothing, which contradicts the checker, or the end of the budget.
pub(super) fn witness(
    claim: Claim,
    history: &History,
    transactions: &Transactions,
    indexes: &Indexes,
    sequential: Option<&[u32]>,
    budget: &Budget,
) -> Result<Witness, Flaw> {
    // What is in doubt and was seen by nobody need not have happened, and changes nothing in these orders.
    let happened = |&transaction: &u32| {
        let outcome = history.operation(transactions.op(transaction)).outcome();
        outcome != Outcome::Indeterminate || !transactions.writes(transaction).is_empty()
    };
    let named = |explains, order: &[u32]| LegalOrder {
        explains,
        ops: order.iter().filter(|at| happened(at)).map(|&transaction| transactions.op(transaction)).collect(),
    };
    let orders = match claim {
        Claim::Sequential => sequential.map(|order| named(Explains::All, order)).into_iter().collect(),
        Claim::CausalConvergence => {
            let order = arbitration(transactions, indexes, budget)?;
            if let Some(&misread) = unexplained(transactions, &order, budget)?.first() {
                return Err(Flaw::Misread(misread));
            }
            vec![named(Explains::All, &order)]
        }
        Claim::Causal => {
            let (common, own) = causal(transactions, indexes, budget)?;
            let own = own.iter().map(|(reader, order)| named(Explains::Reader(transactions.op(*reader)), order));
            std::iter::once(named(Explains::All, &common)).chain(own).collect()
        }
        Claim::CausalMemory | Claim::Pram => {
            let is_causal = claim == Claim::CausalMemory;
            let base = if is_causal {
                views::Base::Causal(clocks(transactions, indexes, budget)?)
            } else {
                views::Base::Sessions
            };
            let views = views::orders(transactions, base, indexes.writers(transactions), budget);
            let mut orders = Vec::new();
            for (session, order) in (0..).zip(views.map_err(Flaw::Stopped)?) {
                view(transactions, &order, is_causal, |transaction| transactions.session(transaction) == session)?;
                if let Some(first) = transactions.of_session(session).find(happened) {
                    orders.push(named(Explains::Session(transactions.op(first)), &order));
                }
            }
            orders
        }
        _ => Vec::new(),
    };
    Ok(Witness { orders, stopped: None })
}

/// The causal order, which was found to be one before.
fn clocks<'i>(transactions: &Transactions, indexes: &'i Indexes, budget: &Budget) -> Result<&'i Clocks, Flaw> {
    indexes.clocks(transactions, budget).map_err(|stuck| match stuck {
        Stuck::Stopped(stop) => Flaw::Stopped(stop),
        Stuck::Cycle(edges) => Flaw::Misplaced(edges[0].before),
    })
}

/// An order that all sessions agree on.
fn arbitration(transactions: &Transactions, indexes: &Indexes, budget: &Budget) -> Result<Vec<u32>, Flaw> {
    let order = indexes.past(transactions, clocks(transactions, indexes, budget)?);
    let mut agreed = Vec::with_capacity(transactions.len());
    match past::arbitrate(transactions, order, budget, |transaction| agreed.push(transaction)) {
        Answer::GaveUp(stop) => Err(Flaw::Stopped(stop)),
        // Where there is none the replay says so.
        Answer::Holds | Answer::Violated(_) => Ok(agreed),
    }
}

/// A transaction and an order that explains its reads.
type OwnOrder = (u32, Vec<u32>);

/// An order that explains as many as it can, and the orders of those that it does not explain.
fn causal(transactions: &Transactions, indexes: &Indexes, budget: &Budget) -> Result<(Vec<u32>, Vec<OwnOrder>), Flaw> {
    let mut common = arbitration(transactions, indexes, budget)?;
    if common.len() < transactions.len() {
        common.clear();
        let _ = schedule(transactions, None, budget, |transaction| common.push(transaction));
    }
    let mut is_unexplained = vec![false; transactions.len()];
    for reader in unexplained(transactions, &common, budget)? {
        is_unexplained[reader as usize] = true;
    }
    let order = indexes.past(transactions, clocks(transactions, indexes, budget)?);
    let own = past::own_orders(transactions, order, &is_unexplained, budget);
    let own = own.map_err(Flaw::Stopped)?;
    for (reader, order) in &own {
        own_order(transactions, order, *reader)?;
        is_unexplained[*reader as usize] = false;
    }
    match (0..).zip(is_unexplained).find(|(_, is_unexplained)| *is_unexplained) {
        Some((reader, _)) => Err(Flaw::Misread(reader)),
        None => Ok((common, own)),
    }
}
