//! The formats of checkers of transactions: the same history in each, and what is said about what is no history.

use consistory::check::budget::Budget;
use consistory::check::guarantee;
use consistory::check::judge::{Question, judge};
use consistory::check::verdict::Verdict;
use consistory::history::formats::{self, ReadOptions};
use consistory::history::{History, Outcome, Value};

fn read(text: &str, format: &str) -> Result<History, String> {
    formats::read(text.as_bytes(), "h", Some(format), &ReadOptions::default()).map_err(|error| error.to_string())
}

/// Process, outcome and accesses of every operation.
fn told(history: &History) -> Vec<(u32, Outcome, String)> {
    let tell = |operation: consistory::history::Operation<'_>| {
        (operation.process().0, operation.outcome(), operation.result_value().to_string())
    };
    history.operations().map(tell).collect()
}

fn refused(text: &str, format: &str) -> String {
    let message = read(text, format).expect_err("no history");
    message.lines().next().expect("a message").to_owned()
}

#[test]
fn the_same_sessions_are_read_from_every_format() {
    let plume = "w(1,5,0,0)\nw(2,6,0,0)\nr(1,5,1,1)\nr(2,7,1,2)\n";
    let awdit = "w 1 5\nw 2 6\n=====\nr 1 5\n-----\nr 2 7";
    let dbcop = r#"{"id": 3, "data": [[{"events": [{"Write": {"variable": 1, "version": 5}},
        {"Write": {"variable": 2, "version": 6}}], "committed": true}],
      [{"events": [{"Read": {"variable": 1, "version": 5}}], "committed": true},
       {"events": [{"Read": {"variable": 2, "version": 7}}], "committed": true}]]}"#;
    let expected = [(0, "[[w 1 5] [w 2 6]]"), (1, "[[r 1 5]]"), (1, "[[r 2 7]]")];
    let expected: Vec<_> =
        expected.iter().map(|(process, value)| (*process, Outcome::Completed, (*value).to_owned())).collect();
    for (text, format) in [(plume, "plume-text"), (awdit, "awdit-text"), (dbcop, "dbcop-json")] {
        let history = read(text, format).unwrap_or_else(|error| panic!("{error}"));
        let mut told = told(&history);
        told.sort_by_key(|(process, ..)| *process);
        assert_eq!(told, expected, "{format}");
        assert!(!history.header().has_time(), "{format}");
    }
}

#[test]
fn an_aborted_transaction_is_rejected_and_lines_of_sessions_may_be_mixed() {
    let history =
        read("w(1,1,0,-1)\nr(1,0,1,5)\nw(2,1,0,-1)\nr(2,0,1,5)\nw(1,2,0,3)\n", "plume-text").expect("a history");
    let told = told(&history);
    assert!(told.contains(&(0, Outcome::Rejected, "[[w 1 1] [w 2 1]]".to_owned())), "{told:?}");
    assert!(told.contains(&(1, Outcome::Completed, "[[r 1 0] [r 2 0]]".to_owned())), "{told:?}");
    let dbcop = r#"{"data":[[{"events":[{"Read":{"variable":0,"version":null}}],"committed":false}]]}"#;
    let history = read(dbcop, "dbcop-json").expect("a history");
    assert_eq!(history.operations().next().expect("one").outcome(), Outcome::Rejected);
}

#[test]
fn a_key_of_awdit_holds_zero_unless_somebody_writes_it() {
    let initial = |text| read(text, "awdit-text").expect("a history").header().initial.clone();
    assert_eq!(initial("w 1 1\n"), Some(Value::Int(0)));
    let map = |key| Some(Value::Map([(Value::Int(key), Value::Int(0))].into()));
    assert_eq!(initial("r 1 0\n-----\n=====\nr 2 0\n-----\n=====\nw 2 0\n-----\n"), map(1));
    let text = "r 1 0\n-----\n=====\nw 2 0\n-----\n=====\nr 2 0\n-----\n";
    for claim in ["causal", "sequential"] {
        let claims = vec![guarantee::find(claim).expect("a claim")];
        let question = Question { claims, ..Question::default() };
        let history = read(text, "awdit-text").expect("a history");
        let finding = judge(&history, &question, &Budget::unlimited()).expect("a finding").remove(0);
        assert!(matches!(finding.verdict, Verdict::Holds(_)), "{claim}: {:?}", finding.verdict);
    }
}

#[test]
fn every_error_names_its_line_and_column() {
    let wrong = [
        ("plume-text", "w(1,1,0,0)\nx(1,1,0,0)\n", "h:2:1: "),
        ("plume-text", "w(1,1,0,0)\n  w(1,a,0,0)\n", "h:2:7: "),
        ("plume-text", "w(1,1,0)\n", "h:1:8: "),
        ("plume-text", "w(1,1,0,0) w\n", "h:1:11: "),
        ("plume-text", "w(1,1,0,0)\nw(1,2,0,1)\nw(1,3,0,0)\n", "h:3:1: transaction 0 goes on"),
        ("plume-text", "w(1,1,0,0)\nw(1,2,1,0)\n", "h:2:1: transaction 0 goes on"),
        ("awdit-text", "w 1 1\nw 1\n", "h:2:4: "),
        ("awdit-text", "w 1 1\nw 1 x\n", "h:2:5: "),
        ("awdit-text", "w 1 1\n--\n", "h:2:1: "),
        ("awdit-text", "r 1 1 1\n", "h:1:7: "),
        ("dbcop-json", "{\"data\":\n 7}", "h:2:2: this is no history of dbcop: "),
        ("dbcop-json", "{\"data\":[[{\"events\":[\n{\"Read\":1}],\"committed\":true}]]}", "h:2:"),
    ];
    for (format, text, start) in wrong {
        let said = refused(text, format);
        assert!(said.starts_with(start), "{format}: {said}");
    }
}
