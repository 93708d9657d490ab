//! How operations become transactions: what in doubt happened, whose value was read, and what cannot be told.

use consistory::check::budget::Budget;
use consistory::check::guarantee::Claim;
use consistory::check::judge::{Question, judge};
use consistory::check::verdict::{Contradiction, Verdict, WrongReadKind};
use consistory::history::formats::{self, ReadOptions};
use std::fmt::Write;

/// The verdict on causal consistency of registers that hold 0 at first; lines are process, type, function, key, value.
fn causal(events: &[(u32, &str, &str, &str, &str)]) -> Verdict {
    let mut text = "{\"consistory\":1,\"initial\":0}\n".to_owned();
    for (process, kind, function, key, value) in events {
        let _ = writeln!(
            text,
            "{{\"process\":{process},\"type\":\"{kind}\",\"f\":\"{function}\",\"key\":\"{key}\",\"value\":{value}}}"
        );
    }
    let history = formats::read(text.as_bytes(), "events", None, &ReadOptions::default()).expect("a history");
    let question = Question { claims: vec![Claim::Causal], ..Question::default() };
    judge(&history, &question, &Budget::unlimited()).unwrap_or_else(|error| panic!("{error}")).remove(0).verdict
}

#[test]
fn a_compare_and_set_in_doubt_that_was_seen_had_found_what_it_asks_for() {
    let written = [
        (1, "invoke", "write", "y", "7"),
        (1, "ok", "write", "y", "7"),
        (1, "invoke", "write", "x", "1"),
        (1, "ok", "write", "x", "1"),
        (0, "invoke", "cas", "x", "[1,2]"),
        (0, "info", "cas", "x", "[1,2]"),
        (2, "invoke", "read", "x", "null"),
        (2, "ok", "read", "x", "2"),
        (2, "invoke", "read", "y", "null"),
    ];
    let missed = [&written[..], &[(2, "ok", "read", "y", "0")]].concat();
    assert!(matches!(causal(&missed), Verdict::Violated(_)), "y was written before what the reader saw");
    let seen = [&written[..], &[(2, "ok", "read", "y", "7")]].concat();
    assert!(matches!(causal(&seen), Verdict::Holds(_)));
}

#[test]
fn a_value_of_a_failed_write_is_told_from_one_that_nobody_wrote() {
    let kind = |events: &[_]| match causal(events) {
        Verdict::Violated(violation) => match violation.kind {
            Contradiction::WrongRead(wrong) => wrong.kind,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    let read = [(1, "invoke", "read", "x", "null"), (1, "ok", "read", "x", "5")];
    let failed = [(0, "invoke", "write", "x", "5"), (0, "fail", "write", "x", "5")];
    assert_eq!(kind(&[&failed[..], &read].concat()), WrongReadKind::Aborted);
    assert_eq!(kind(&read), WrongReadKind::ThinAir);
}

#[test]
fn the_initial_value_written_again_leaves_open_whose_it_was() {
    let again = [
        (0, "invoke", "write", "x", "0"),
        (0, "ok", "write", "x", "0"),
        (1, "invoke", "read", "x", "null"),
        (1, "ok", "read", "x", "0"),
    ];
    let Verdict::Undecided(undecided) = causal(&again) else { panic!("two origins of 0 are told apart") };
    assert!(undecided.why.to_string().contains("not unique"), "{}", undecided.why);
}

#[test]
fn a_counterexample_with_an_operation_in_doubt_has_those_who_saw_that_it_happened() {
    let in_doubt = |process: u32, value: &'static str| {
        [(process, "invoke", "cas", "x", value), (process, "info", "cas", "x", value)]
    };
    let read = |process: u32, value: &'static str| {
        [(process, "invoke", "read", "x", "null"), (process, "ok", "read", "x", value)]
    };
    let core = |events: &[_]| match causal(events) {
        Verdict::Violated(violation) => violation.core.iter().map(|id| id.0).collect::<Vec<u32>>(),
        other => panic!("{other:?}"),
    };
    // Seen by nobody it need not have happened; seen by one who is in doubt, neither.
    assert!(matches!(causal(&in_doubt(0, "[7,2]")), Verdict::Holds(_)));
    assert!(matches!(causal(&[in_doubt(0, "[7,2]"), in_doubt(1, "[2,3]")].concat()), Verdict::Holds(_)));
    assert_eq!(core(&[in_doubt(0, "[7,2]"), read(1, "2"), read(2, "2")].concat()), [0, 1]);
    assert_eq!(core(&[in_doubt(0, "[7,2]"), in_doubt(1, "[2,3]"), read(2, "3")].concat()), [0, 1, 2]);
    // A ring of two in doubt, with an observer, who shows both.
    assert_eq!(core(&[in_doubt(0, "[3,2]"), in_doubt(1, "[2,3]"), read(2, "0"), read(3, "2")].concat()), [0, 1, 3]);
}

#[test]
fn a_map_as_the_initial_value_is_one_by_key_only_where_one_object_holds_many_keys() {
    let register = r#"{"consistory":1,"initial":{"a":1}}
{"time":0,"process":0,"type":"invoke","f":"read"}
{"time":10,"process":0,"type":"ok","f":"read","value":{"a":1}}
{"time":20,"process":0,"type":"invoke","f":"write","value":5}
{"time":30,"process":0,"type":"ok","f":"write","value":5}
"#;
    let transaction = r#"{"consistory":1,"initial":{"a":1}}
{"time":0,"process":0,"type":"invoke","f":"txn","value":[["r","a",null]]}
{"time":10,"process":0,"type":"ok","f":"txn","value":[["r","a",1]]}
{"time":20,"process":0,"type":"invoke","f":"txn","value":[["w","a",5]]}
{"time":30,"process":0,"type":"ok","f":"txn","value":[["w","a",5]]}
"#;
    for text in [register, transaction] {
        let history = formats::read(text.as_bytes(), "events", None, &ReadOptions::default()).expect("a history");
        let claims = vec![Claim::Linearizable, Claim::Sequential, Claim::ReadAtomic];
        let question = Question { claims, ..Question::default() };
        for finding in judge(&history, &question, &Budget::unlimited()).expect("findings") {
            assert!(matches!(finding.verdict, Verdict::Holds(_)), "{}: {:?}", finding.claim.name(), finding.verdict);
        }
    }
}
