//! What became of each addition to a set: acknowledged and kept or lost; reported failed, yet present; of unknown outcome,
//! present or not; present more than once; present though nobody added it.
//!
//! Counts elements, not operations: one that was added in several attempts is acknowledged if any attempt was, and of
//! unknown outcome if any was and none acknowledged. Looks at the last completed read of each set, and at what was added
//! before it. O(n) expected. Says nothing of a history with other operations on sets, or without a read after additions.

use super::lost_acks::{foreign, sets};
use crate::check::partition::Part;
use crate::history::{History, Operation, Outcome, ValueId};
use rustc_hash::{FxHashMap, FxHashSet};

/// Counts of elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Additions {
    /// Some attempt to add them was acknowledged.
    pub acknowledged: u64,
    /// Of these, missing in the last read.
    pub lost: u64,
    /// Every attempt to add them failed for certain.
    pub failed: u64,
    /// Of these, present in the last read.
    pub resurrected: u64,
    /// Nobody knows whether they were added.
    pub unknown: u64,
    /// Of these, present in the last read.
    pub unknown_present: u64,
    /// Present more than once.
    pub duplicated: u64,
    /// Present though nobody tried to add them.
    pub invented: u64,
}

/// What is known of the attempts to add an element, the surest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Known {
    Failed,
    Unknown,
    Acknowledged,
}

/// Counts the elements of all sets of a history; `None` where it holds no set that is only added to and read at its end.
#[must_use]
pub fn additions(history: &History) -> Option<Additions> {
    let sets = sets(history);
    let mut all = Additions::default();
    if sets.is_empty() || sets.iter().any(|set| foreign(history, set).is_some()) {
        return None;
    }
    let mut read = false;
    for set in &sets {
        read |= count(history, set, &mut all);
    }
    read.then_some(all)
}

/// Adds the counts of one set; whether it was read.
fn count(history: &History, set: &Part, all: &mut Additions) -> bool {
    let operations = || set.ops.iter().map(|&id| history.operation(id));
    let reads = operations().filter(|operation| operation.function() == "read");
    let completed = reads.filter(|read| read.outcome() == Outcome::Completed);
    let Some(read) = completed.max_by_key(Operation::called) else { return false };
    let mut present: FxHashMap<ValueId, u64> = FxHashMap::default();
    for &element in history.values().items(read.result()).unwrap_or_default() {
        *present.entry(element).or_default() += 1;
    }
    let mut added: FxHashMap<ValueId, Known> = FxHashMap::default();
    let adds = || operations().filter(|operation| operation.function() == "add");
    let begun = adds().filter(|add| add.called() < read.returned());
    let begun: FxHashSet<ValueId> = begun.map(|add| add.argument()).collect();
    for add in adds().filter(|add| add.called() < read.called()) {
        let known = match add.outcome() {
            Outcome::Completed if add.returned() < read.called() => Known::Acknowledged,
            Outcome::Completed | Outcome::Indeterminate => Known::Unknown,
            Outcome::Rejected => Known::Failed,
        };
        let best = added.entry(add.argument()).or_insert(known);
        *best = known.max(*best);
    }
    all.duplicated += count_of(present.values().filter(|&&times| times > 1));
    all.invented += count_of(present.keys().filter(|element| !begun.contains(element)));
    let there = |element: &ValueId| u64::from(present.contains_key(element));
    #[expect(clippy::iter_over_hash_type, reason = "sums do not depend on the order")]
    for (element, known) in &added {
        let there = there(element);
        match known {
            Known::Acknowledged => {
                all.acknowledged += 1;
                all.lost += 1 - there;
            }
            Known::Failed => {
                all.failed += 1;
                all.resurrected += there;
            }
            Known::Unknown => {
                all.unknown += 1;
                all.unknown_present += there;
            }
        }
    }
    true
}

fn count_of(items: impl Iterator) -> u64 {
    items.count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::formats::{self, ReadOptions};
    use std::fmt::Write;

    /// Operations of one set, each of a process of its own: function, how it ended, value.
    fn counted(operations: &[(&str, &str, &str)]) -> Option<Additions> {
        let mut text = "{\"consistory\":1}\n".to_owned();
        for (process, (function, end, value)) in operations.iter().enumerate() {
            let argument = if *function == "read" { "null" } else { value };
            for (phase, value) in [("invoke", argument), (*end, *value)] {
                let event = format!(r#""type":"{phase}","f":"{function}","key":"s","value":{value}"#);
                let _ = writeln!(text, "{{\"process\":{process},{event}}}");
            }
        }
        additions(&formats::read(text.as_bytes(), "test", None, &ReadOptions::default()).expect("a history"))
    }

    #[test]
    fn each_element_is_counted_by_what_was_known_of_it_and_whether_it_is_there() {
        let counted = counted(&[
            ("add", "ok", "1"),
            ("add", "ok", "2"),
            ("add", "fail", "3"),
            ("add", "fail", "4"),
            ("add", "info", "5"),
            ("add", "info", "6"),
            ("read", "ok", "[1,4,6,6,9]"),
            ("add", "ok", "7"),
        ]);
        let expected = Additions {
            acknowledged: 2,
            lost: 1,
            failed: 2,
            resurrected: 1,
            unknown: 2,
            unknown_present: 1,
            duplicated: 1,
            invented: 1,
        };
        assert_eq!(counted, Some(expected));
    }

    #[test]
    fn an_element_that_was_added_again_is_known_by_its_best_attempt() {
        let acknowledged =
            counted(&[("add", "info", "1"), ("add", "fail", "1"), ("add", "ok", "1"), ("read", "ok", "[]")]);
        assert_eq!(acknowledged.map(|all| (all.acknowledged, all.lost, all.unknown, all.failed)), Some((1, 1, 0, 0)));
        let unknown =
            counted(&[("add", "fail", "1"), ("add", "info", "1"), ("add", "fail", "1"), ("read", "ok", "[1]")]);
        assert_eq!(unknown.map(|all| (all.unknown_present, all.resurrected)), Some((1, 0)));
    }

    #[test]
    fn nothing_is_said_where_sets_are_not_only_added_to_and_read() {
        assert_eq!(counted(&[("add", "ok", "1"), ("remove", "ok", "1"), ("read", "ok", "[]")]), None);
        assert_eq!(counted(&[("add", "ok", "1")]), None, "not read");
        assert_eq!(counted(&[("write", "ok", "1"), ("read", "ok", "1")]), None, "no set");
    }
}
