//! Sets that only grow and are read as a whole.
//!
//! Reads then see ever more, so they must form a chain by inclusion. An addition belongs between the last read (in
//! that chain) that misses its element and the first that has it, and [`positions`] tests real time. Exact: equal
//! reads, and additions between the same reads, are legal in any order among themselves.
//!
//! O(n log n + s) with s the total size of the reads. Does not apply if anything is removed, asked for by itself, or
//! added twice, or if an addition tells whether the element was new.

use super::positions::{self, Inversion};
use super::timeline::called_before_the_end;
use super::{Conflict, Decision, Wish};
use crate::check::budget::Budget;
use crate::check::models::{Set, SetCall};
use crate::check::problem::{NEVER, Problem};
use crate::history::ValueId;
use rustc_hash::{FxHashMap, FxHashSet};

/// Decides a set.
pub(super) fn decide(problem: &Problem<Set>, wish: Wish, _: &Budget) -> Decision {
    let mut added: FxHashMap<ValueId, u32> = FxHashMap::default();
    let mut reads: Vec<(&[ValueId], u32)> = Vec::new();
    for (place, call) in (0..).zip(&problem.calls) {
        match call {
            SetCall::Add { element, changed: None } => {
                if added.insert(*element, place).is_some() {
                    return Decision::NotApplicable("an element is added twice");
                }
            }
            SetCall::Read(_) if problem.returned[place as usize] == NEVER => {}
            SetCall::Read(seen) => reads.push((seen, place)),
            _ => return Decision::NotApplicable("an operation other than a plain addition or a read of the whole"),
        }
    }
    match order(problem, &added, reads) {
        Ok(order) => Decision::Holds(wish.order.then_some(order)),
        Err(core) => Decision::Violated(evidence(problem, &core)),
    }
}

/// The operations and, for the reads among them, every addition of what they saw; what was called when the last of
/// the operations had returned is enough.
fn evidence(problem: &Problem<Set>, core: &[u32]) -> Conflict {
    let mut seen: FxHashSet<ValueId> = FxHashSet::default();
    for &place in core {
        if let SetCall::Read(elements) = &problem.calls[place as usize] {
            seen.extend(elements.iter().copied());
        }
    }
    let kept = |place: u32, call: &SetCall| {
        core.contains(&place) || call.element().is_some_and(|element| seen.contains(&element))
    };
    let calls = (0..).zip(&problem.calls[..called_before_the_end(problem, core)]);
    let places = calls.filter(|(place, call)| kept(*place, call)).map(|(place, _)| place).collect();
    Conflict { places, event: None }
}

/// The order, or operations that have none together with the additions of what they saw.
fn order(
    problem: &Problem<Set>,
    added: &FxHashMap<ValueId, u32>,
    mut reads: Vec<(&[ValueId], u32)>,
) -> Result<Vec<u32>, Vec<u32>> {
    reads.sort_unstable_by(|a, b| (a.0.len(), a.0, a.1).cmp(&(b.0.len(), b.0, b.1)));
    let mut keys: Vec<Option<u64>> = vec![None; problem.len()];
    // For each class of equal reads, one of them.
    let mut classes: Vec<u32> = Vec::new();
    let mut before: &[ValueId] = &[];
    let mut known: FxHashSet<ValueId> = FxHashSet::default();
    for &(seen, place) in &reads {
        if classes.is_empty() || seen != before {
            classes.push(place);
            let mut found = 0;
            for &element in seen {
                found += usize::from(!known.insert(element));
                let addition = added.get(&element).copied().ok_or_else(|| vec![place])?;
                let key = &mut keys[addition as usize];
                *key = key.or(Some(2 * classes.len() as u64));
            }
            if found != before.len() {
                let smaller = classes.len().checked_sub(2).map(|at| classes[at]);
                return Err(smaller.into_iter().chain([place]).collect());
            }
            before = seen;
        }
        keys[place as usize] = Some(2 * classes.len() as u64 + 1);
    }
    // Additions that nobody saw come last, or never happened.
    for (key, &returned) in keys.iter_mut().zip(&problem.returned) {
        if key.is_none() && returned != NEVER {
            *key = Some(u64::MAX);
        }
    }
    positions::order(problem, &keys).map_err(|inversion| explain(problem, &keys, &classes, inversion))
}

/// Two operations out of order; if both are additions, also a read that saw the later one and missed the earlier.
fn explain(problem: &Problem<Set>, keys: &[Option<u64>], classes: &[u32], inversion: Inversion) -> Vec<u32> {
    let Inversion { earlier, later } = inversion;
    let adds = |place: u32| matches!(problem.calls[place as usize], SetCall::Add { .. });
    let class = keys[later as usize].map_or(0, |key| key / 2);
    let seen_first = usize::try_from(class).ok().and_then(|class| classes.get(class.checked_sub(1)?));
    let read = seen_first.filter(|_| adds(earlier) && adds(later)).copied();
    [earlier, later].into_iter().chain(read).collect()
}
