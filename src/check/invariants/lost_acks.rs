//! No acknowledged addition is lost: every element whose `add` completed before the last `read` of its set began is
//! in what that read returned.
//!
//! O(n) expected. Exact: an element is lost or not. Undecided where a set was never read after an acknowledged
//! addition. Indeterminate additions may be there or not. Does not judge reads before the last one, nor elements that
//! nobody added (the set model does).

use crate::check::partition::{Part, by_key};
use crate::check::verdict::{Contradiction, Undecided, Verdict, Violation, Why, Witness};
use crate::history::{History, OpId, Operation, Outcome, ValueId};
use rustc_hash::FxHashSet;

/// Judges every set of the history; also says how many there are.
#[must_use]
pub fn judge(history: &History) -> (Verdict, usize) {
    let sets: Vec<Part> =
        by_key(history).into_iter().filter(|part| part.ops.iter().any(|&id| is_add(history, id))).collect();
    let mut unread = None;
    let mut violation: Option<(Violation, Vec<OpId>)> = None;
    for set in &sets {
        match lost(history, set) {
            Err(add) => unread = unread.or(Some(add)),
            Ok(None) => {}
            Ok(Some((missing, read))) => {
                let (violation, all) = violation.get_or_insert_with(|| (first(set.key, missing[0], read), Vec::new()));
                violation.keys.push(set.key);
                all.extend(missing);
            }
        }
    }
    let verdict = match (violation, unread) {
        (Some((mut violation, lost)), _) => {
            violation.kind = Contradiction::LostAcknowledged { lost };
            Verdict::Violated(violation)
        }
        (None, Some(_)) => {
            let why = "a set was not read after its last acknowledged addition: end the run with final reads".into();
            Verdict::Undecided(Undecided { why: Why::Unsupported(why), open: Vec::new(), decided: 0 })
        }
        (None, None) => Verdict::Holds(Witness::default()),
    };
    (verdict, sets.len())
}

fn first(key: ValueId, add: OpId, read: OpId) -> Violation {
    let kind = Contradiction::LostAcknowledged { lost: Vec::new() };
    Violation {
        key,
        core: vec![add, read],
        kind,
        keys: Vec::new(),
        stuck: None,
        why_not: None,
        minimal: true,
        context: Vec::new(),
        before: 0,
        states: Vec::new(),
        // Set membership is its own proof: the core is the addition and the read that lacks its element.
        verified: true,
    }
}

/// The additions of a set that are missing in its last read, and that read; an unread addition as the error.
fn lost(history: &History, set: &Part) -> Result<Option<(Vec<OpId>, OpId)>, OpId> {
    let completed = |operation: &Operation<'_>| operation.outcome() == Outcome::Completed;
    let operations = || set.ops.iter().map(|&id| history.operation(id)).filter(completed);
    let adds = || operations().filter(|operation| operation.function() == "add");
    let Some(read) = operations().filter(|operation| operation.function() == "read").max_by_key(Operation::called)
    else {
        return adds().next().map_or(Ok(None), |add| Err(add.id()));
    };
    if let Some(unread) = adds().find(|add| add.returned() > read.called()) {
        return Err(unread.id());
    }
    let present: FxHashSet<ValueId> =
        history.values().items(read.result()).unwrap_or_default().iter().copied().collect();
    let missing: Vec<OpId> = adds().filter(|add| !present.contains(&add.argument())).map(|add| add.id()).collect();
    Ok((!missing.is_empty()).then(|| (missing, read.id())))
}

fn is_add(history: &History, id: OpId) -> bool {
    history.operation(id).function() == "add"
}
