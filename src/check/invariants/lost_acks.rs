//! No acknowledged addition is lost: every element whose `add` completed before the last `read` of its set began is
//! in what that read returned.
//!
//! O(n) expected. Exact: an element is lost or not. Undecided where nothing was acknowledged at all, where a set was not
//! read after an acknowledged addition, and where it has other operations (a removal explains what is missing) or reads
//! that are no lists. Indeterminate additions may be there or not. Does not judge reads before the last one, nor
//! elements that nobody added (the set model does).

use crate::check::partition::{Part, by_key};
use crate::check::verdict::{Contradiction, Undecided, Verdict, Violation, Why, Witness};
use crate::history::{History, OpId, Operation, Outcome, ValueId};
use rustc_hash::FxHashSet;

/// Judges every set of the history; also says how many there are.
#[must_use]
pub fn judge(history: &History) -> (Verdict, usize) {
    let sets = sets(history);
    let mut open: Option<String> = None;
    let mut violation: Option<(Violation, Vec<OpId>)> = None;
    for set in &sets {
        match judge_set(history, set) {
            OfSet::Kept => {}
            OfSet::Open(why) => open = open.or(Some(why)),
            OfSet::Lost { adds, read } => {
                let (violation, all) = violation.get_or_insert_with(|| (first(set.key, adds[0], read), Vec::new()));
                violation.keys.push(set.key);
                all.extend(adds);
            }
        }
    }
    if !sets.iter().flat_map(|set| &set.ops).any(|&id| is_add(history, id) && is_completed(history, id)) {
        open = open.or_else(|| Some("no acknowledged addition is in the history: there is nothing to lose".into()));
    }
    let verdict = match (violation, open) {
        (Some((mut violation, lost)), _) => {
            violation.kind = Contradiction::LostAcknowledged { lost };
            Verdict::Violated(violation)
        }
        (None, Some(why)) => Verdict::Undecided(Undecided { why: Why::Unsupported(why), open: Vec::new(), decided: 0 }),
        (None, None) => Verdict::Holds(Witness::default()),
    };
    (verdict, sets.len())
}

/// Every object of the history that somebody added to.
pub(super) fn sets(history: &History) -> Vec<Part> {
    by_key(history).into_iter().filter(|part| part.ops.iter().any(|&id| is_add(history, id))).collect()
}

/// What is known of one set.
enum OfSet {
    /// Its last read has every element that was acknowledged before.
    Kept,
    /// The elements of these additions are missing in that read.
    Lost { adds: Vec<OpId>, read: OpId },
    /// It cannot be said, and why.
    Open(String),
}

fn first(key: ValueId, add: OpId, read: OpId) -> Violation {
    let kind = Contradiction::LostAcknowledged { lost: Vec::new() };
    // Set membership is its own proof: the core is the addition and the read that lacks its element.
    Violation { keys: Vec::new(), ..Violation::of_core(key, vec![add, read], kind) }
}

fn judge_set(history: &History, set: &Part) -> OfSet {
    if let Some(why) = foreign(history, set) {
        return OfSet::Open(why);
    }
    let completed = || set.ops.iter().filter(|&&id| is_completed(history, id)).map(|&id| history.operation(id));
    let adds = || completed().filter(|operation| operation.function() == "add");
    let unread = || {
        OfSet::Open("a set was not read after its last acknowledged addition: end the run with final reads".to_owned())
    };
    let read = completed().filter(|operation| operation.function() == "read").max_by_key(Operation::called);
    let Some(read) = read else { return if adds().next().is_some() { unread() } else { OfSet::Kept } };
    let present: FxHashSet<ValueId> =
        history.values().items(read.result()).unwrap_or_default().iter().copied().collect();
    let known = adds().filter(|add| add.returned() < read.called());
    let missing: Vec<OpId> = known.filter(|add| !present.contains(&add.argument())).map(|add| add.id()).collect();
    if !missing.is_empty() {
        OfSet::Lost { adds: missing, read: read.id() }
    } else if adds().any(|add| add.returned() > read.called()) {
        unread()
    } else {
        OfSet::Kept
    }
}

/// Why a set is not one that elements are only added to and that is read whole; `None` if it is.
pub(super) fn foreign(history: &History, set: &Part) -> Option<String> {
    set.ops.iter().map(|&id| history.operation(id)).find_map(|operation| {
        let (line, function) = (operation.line(), operation.function());
        match function {
            "add" => None,
            "read" if !is_completed(history, operation.id()) => None,
            "read" if history.values().items(operation.result()).is_some() => None,
            "read" => {
                let result = operation.result_value();
                Some(format!("the read of line {line} returned {result}, which is no list of elements"))
            }
            _ => Some(format!("line {line} has '{function}' on a set: lost-acks knows add and read only")),
        }
    })
}

fn is_add(history: &History, id: OpId) -> bool {
    history.operation(id).function() == "add"
}

fn is_completed(history: &History, id: OpId) -> bool {
    history.operation(id).outcome() == Outcome::Completed
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::check::verdict::{Contradiction, Verdict, Why};
    use crate::history::formats::{self, ReadOptions};
    use crate::history::{History, OpId};
    use std::fmt::Write;

    /// One operation after the other on one set: function, kind of completion, value.
    fn history(operations: &[(&str, &str, &str)]) -> History {
        let mut text = "{\"consistory\":1}\n".to_owned();
        for (function, completion, value) in operations {
            let argument = if *function == "read" { "null" } else { value };
            for (phase, value) in [("invoke", argument), (*completion, *value)] {
                let _ =
                    writeln!(text, r#"{{"process":0,"type":"{phase}","f":"{function}","key":"s","value":{value}}}"#);
            }
        }
        formats::read(text.as_bytes(), "test", None, &ReadOptions::default()).expect("a history")
    }

    fn why_undecided(operations: &[(&str, &str, &str)]) -> String {
        match judge(&history(operations)).0 {
            Verdict::Undecided(undecided) => match undecided.why {
                Why::Unsupported(why) => why,
                Why::Stopped(_) => panic!("there is no budget"),
            },
            verdict => panic!("decided: {verdict:?}"),
        }
    }

    #[test]
    fn what_was_acknowledged_and_read_is_kept() {
        let verdict = judge(&history(&[("add", "ok", "1"), ("read", "ok", "[1]")])).0;
        assert!(matches!(verdict, Verdict::Holds(_)), "{verdict:?}");
    }

    #[test]
    fn without_an_acknowledged_addition_nothing_is_shown() {
        let nothing: [&[(&str, &str, &str)]; 4] = [
            &[],
            &[("read", "ok", "[]")],
            &[("add", "fail", "1"), ("read", "ok", "[]")],
            &[("write", "ok", "1"), ("read", "ok", "1")],
        ];
        for operations in nothing {
            let why = why_undecided(operations);
            assert!(why.contains("no acknowledged addition"), "{operations:?}: {why}");
        }
    }

    #[test]
    fn a_removal_is_no_loss() {
        let why = why_undecided(&[("add", "ok", "1"), ("remove", "ok", "1"), ("read", "ok", "[]")]);
        assert!(why.contains("line 4") && why.contains("'remove'"), "{why}");
    }

    #[test]
    fn a_read_of_no_list_accuses_nobody() {
        for value in ["null", "1", "\"1\"", "{\"1\":1}"] {
            let why = why_undecided(&[("add", "ok", "1"), ("read", "ok", value)]);
            assert!(why.contains("line 4") && why.contains("no list"), "{value}: {why}");
        }
    }

    #[test]
    fn an_element_is_lost_even_if_a_later_one_was_never_read() {
        let verdict = judge(&history(&[("add", "ok", "1"), ("read", "ok", "[]"), ("add", "ok", "2")])).0;
        let Verdict::Violated(violation) = verdict else { panic!("not violated: {verdict:?}") };
        assert_eq!(violation.kind, Contradiction::LostAcknowledged { lost: vec![OpId(0)] });
        assert_eq!(violation.core, [OpId(0), OpId(1)]);
    }

    #[test]
    fn an_addition_after_the_last_read_is_open() {
        let why = why_undecided(&[("add", "ok", "1"), ("read", "ok", "[1]"), ("add", "ok", "2")]);
        assert!(why.contains("not read after"), "{why}");
    }
}
