//! Whether a history can show anything: silence of a checker that saw nothing is no good news.
//!
//! Vacuous are: too few completed operations; a function that was invoked and never once completed (what it does was
//! not tested; Jepsen's `stats` checker asks the same); a history without a single observation; and one that was recorded
//! under faults of which one had no effect, or none struck. Does not know
//! models: an observation is any completed operation but a blind change that answers with nothing or its own argument, and
//! but a transaction of nothing else than blind changes.

use crate::history::fault_windows::fault_windows;
use crate::history::{History, Operation, Outcome, Symbol, ValueId, ValueRef};
use crate::record::runner::FAULTS_SETTING;
use crate::report::counted;

/// Functions that change an object and learn nothing of it when all goes well.
const BLIND: &[&str] = &[
    "write",
    "w",
    "put",
    "append",
    "add",
    "remove",
    "inc",
    "increment",
    "dec",
    "decrement",
    "enqueue",
    "push",
    "release",
    "unlock",
];

/// The function whose value is a list of functions.
const TRANSACTION: &str = "txn";

/// What makes a history show something.
#[derive(Clone, Copy, Debug)]
pub(super) struct Demands {
    /// So many operations must be completed; with 0 nothing is demanded at all.
    pub(super) min_ops: u64,
    /// Whether a rejected operation is an answer that is judged.
    pub(super) rejections_count: bool,
}

/// Why a history that violates nothing shows nothing either, in words; `None` if it shows something.
pub(super) fn why_vacuous(history: &History, demands: Demands) -> Option<String> {
    if demands.min_ops == 0 {
        return None;
    }
    let completed = || history.operations().filter(|operation| operation.outcome() == Outcome::Completed);
    let count = completed().count() as u64;
    if count < demands.min_ops {
        let min = demands.min_ops;
        let count = counted(count, "completed operation");
        return Some(format!("only {count} (min {min}): too few to say that nothing is wrong"));
    }
    if let Some(function) = never_completed(history, demands) {
        return Some(format!("no '{function}' ever completed: what it does was not tested"));
    }
    if !completed().any(|operation| observes(&operation)) {
        return Some(
            "no completed operation returned anything that could contradict: read what was written".to_owned(),
        );
    }
    idle_fault(history)
}

/// Which of the faults that were planned had no effect, and why.
fn idle_fault(history: &History) -> Option<String> {
    let windows = fault_windows(history);
    for window in &windows {
        if let Some(why) = &window.idle {
            return Some(format!("the fault '{}' had no effect: {why}", window.name));
        }
    }
    let planned = history.header().config.iter().any(|(name, _)| name == FAULTS_SETTING);
    (planned && windows.is_empty()).then(|| "no fault struck, though some were planned".to_owned())
}

/// The first function that was invoked and never answered.
fn never_completed(history: &History, demands: Demands) -> Option<&str> {
    let answered = |operation: &Operation<'_>| match operation.outcome() {
        Outcome::Completed => true,
        Outcome::Rejected => demands.rejections_count,
        Outcome::Indeterminate => false,
    };
    let mut functions: Vec<(Symbol, bool)> = Vec::new();
    for operation in history.operations() {
        let symbol = operation.function_symbol();
        match functions.iter_mut().find(|(known, _)| *known == symbol) {
            Some((_, seen)) => *seen |= answered(&operation),
            None => functions.push((symbol, answered(&operation))),
        }
    }
    functions.iter().find(|(_, seen)| !seen).map(|&(symbol, _)| history.functions().get(symbol))
}

fn observes(operation: &Operation<'_>) -> bool {
    if operation.function() == TRANSACTION {
        let told = if operation.result().is_absent() { operation.argument() } else { operation.result() };
        // What is no list of micro-operations is left to the model.
        return operation.values().items(told).is_none_or(|items| items.iter().any(|&item| !is_blind(operation, item)));
    }
    let result = operation.result();
    let echo = result.is_absent() || result == operation.argument() || result == ValueId::NIL;
    !(echo && BLIND.contains(&operation.function()))
}

/// Whether a micro-operation `[function key value]` of a transaction changes something and learns nothing.
fn is_blind(operation: &Operation<'_>, item: ValueId) -> bool {
    let values = operation.values();
    let function = values.items(item).and_then(|item| item.first()).map(|&function| values.get(function));
    matches!(function, Some(ValueRef::Text(function)) if BLIND.contains(&function))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::formats::{self, ReadOptions};
    use std::fmt::Write;

    const DEMANDS: Demands = Demands { min_ops: 1, rejections_count: false };

    /// A write and a read, and the line of a fault, with a header that says that one was planned.
    fn with_fault(line: &str) -> History {
        let mut text = "{\"consistory\":1,\"config\":{\"run.faults\":\"kill:all@1s+1s\"}}\n".to_owned();
        for function in ["write", "read"] {
            for phase in ["invoke", "ok"] {
                let _ = writeln!(text, r#"{{"process":0,"type":"{phase}","f":"{function}","value":1}}"#);
            }
        }
        text += line;
        formats::read(text.as_bytes(), "test", None, &ReadOptions::default()).expect("well formed")
    }

    #[test]
    fn a_fault_without_effect_makes_a_history_vacuous() {
        let line = |acted: bool| {
            format!(
                r#"{{"process":"nemesis","type":"info","f":"kill-start","value":{{"acted":{acted},"why":"gone"}}}}"#
            )
        };
        assert_eq!(why_vacuous(&with_fault(&line(true)), DEMANDS), None);
        let idle = why_vacuous(&with_fault(&line(false)), DEMANDS).expect("it is vacuous");
        assert!(idle.contains("kill") && idle.contains("gone"), "{idle}");
        let none = why_vacuous(&with_fault(""), DEMANDS).expect("it is vacuous");
        assert!(none.contains("no fault struck"), "{none}");
    }

    /// Two operations: function, how it ended.
    fn history(operations: &[(&str, &str)]) -> History {
        let mut text = "{\"consistory\":1}\n".to_owned();
        for (process, (function, end)) in operations.iter().enumerate() {
            for phase in ["invoke", end] {
                let line = format!(r#"{{"process":{process},"type":"{phase}","f":"{function}","value":1}}"#);
                text.push_str(&line);
                text.push('\n');
            }
        }
        formats::read(text.as_bytes(), "test", None, &ReadOptions::default()).expect("a history")
    }

    fn why(operations: &[(&str, &str)]) -> Option<String> {
        why_vacuous(&history(operations), DEMANDS)
    }

    #[test]
    fn writes_that_are_read_show_something() {
        assert_eq!(why(&[("write", "ok"), ("read", "ok")]), None);
        assert_eq!(why(&[("acquire", "ok")]), None, "an acquired lock contradicts another one");
    }

    #[test]
    fn a_function_that_never_completed_was_not_tested() {
        for end in ["fail", "info"] {
            let why = why(&[("write", "ok"), ("read", "ok"), ("cas", end)]).expect("vacuous");
            assert!(why.contains("'cas'"), "{why}");
        }
        let judged = Demands { rejections_count: true, ..DEMANDS };
        let operations = [("write", "ok"), ("read", "ok"), ("cas", "fail")];
        assert_eq!(why_vacuous(&history(&operations), judged), None);
    }

    #[test]
    fn writes_that_nobody_reads_show_nothing() {
        let unread = why(&[("write", "ok"), ("write", "ok")]).expect("vacuous");
        assert!(unread.contains("returned anything"), "{unread}");
    }

    #[test]
    fn a_transaction_shows_something_only_if_it_reads() {
        let why = |items: &str| {
            let mut text = "{\"consistory\":1}\n".to_owned();
            for phase in ["invoke", "ok"] {
                let _ = writeln!(text, r#"{{"process":0,"type":"{phase}","f":"txn","value":{items}}}"#);
            }
            let history = formats::read(text.as_bytes(), "test", None, &ReadOptions::default()).expect("a history");
            why_vacuous(&history, DEMANDS)
        };
        for blind in ["[]", r#"[["w","x",1]]"#, r#"[["w","x",1],["append","y",2]]"#] {
            assert!(why(blind).expect("vacuous").contains("returned anything"), "{blind}");
        }
        assert_eq!(why(r#"[["w","x",1],["r","y",null]]"#), None);
    }

    #[test]
    fn who_demands_nothing_gets_no_complaint() {
        assert_eq!(why_vacuous(&history(&[]), Demands { min_ops: 0, ..DEMANDS }), None);
    }
}
