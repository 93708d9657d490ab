//! Whether a few transactions are processor consistent, by trying every order of the writes of each key: the independent
//! check of [`super::processor`], with which it shares nothing. Exponential, for counterexamples only.

use super::relation::Relation;
use super::transactions::{INITIAL, Transactions};
use super::verdict::Reason;

/// Whether there are orders of the keys with which every session has a view; `None` when the steps are used up.
pub(super) fn exist(transactions: &Transactions, steps: &mut u32) -> Option<bool> {
    let keys = (0..).take(transactions.key_count());
    let unordered: Vec<Vec<u32>> =
        keys.map(|key| transactions.all().filter(|&at| transactions.writes_key(at, key)).collect()).collect();
    extend(transactions, &unordered, &mut Vec::new(), steps)
}

/// Tries every order of the next key's writers.
fn extend(
    transactions: &Transactions,
    unordered: &[Vec<u32>],
    orders: &mut Vec<Vec<u32>>,
    steps: &mut u32,
) -> Option<bool> {
    *steps = steps.checked_sub(1)?;
    let Some(writers) = unordered.get(orders.len()) else {
        let sessions = u32::try_from(transactions.session_count()).expect("a small history");
        return Some((0..sessions).all(|session| has_view(transactions, orders, session)));
    };
    let mut found = Some(false);
    permute(&mut writers.clone(), 0, &mut |order| {
        orders.push(order.to_vec());
        found = extend(transactions, unordered, orders, steps);
        orders.pop();
        found != Some(false)
    });
    found
}

/// Hands out every order of the items from `from` on, until one is enough.
fn permute(items: &mut [u32], from: usize, enough: &mut impl FnMut(&[u32]) -> bool) -> bool {
    if from == items.len() {
        return enough(items);
    }
    (from..items.len()).any(|at| {
        items.swap(from, at);
        let found = permute(items, from + 1, enough);
        items.swap(from, at);
        found
    })
}

fn has_view(transactions: &Transactions, orders: &[Vec<u32>], session: u32) -> bool {
    let mut view = Relation::new(transactions.len());
    let is_own = |at: u32| transactions.session(at) == session;
    let counts = |at: u32| is_own(at) || !transactions.writes(at).is_empty();
    for after in transactions.all().filter(|&after| counts(after)) {
        for before in transactions.all().filter(|&before| counts(before)) {
            let in_key = |order: &Vec<u32>| {
                let place = |at| order.iter().position(|&other| other == at);
                matches!((place(before), place(after)), (Some(one), Some(two)) if one < two)
            };
            if transactions.in_session_order(before, after) || orders.iter().any(in_key) {
                view.add(before, after, Reason::Session);
            }
        }
    }
    for reader in transactions.all().filter(|&reader| is_own(reader)) {
        for read in transactions.reads(reader) {
            let order = &orders[read.key as usize];
            let source = order.iter().position(|&at| at == read.source);
            if read.source != INITIAL {
                view.add(read.source, reader, Reason::Session);
            }
            for &later in &order[source.map_or(0, |place| place + 1)..] {
                if later != reader {
                    view.add(reader, later, Reason::Session);
                }
            }
        }
    }
    view.close();
    view.cycle().is_none()
}
