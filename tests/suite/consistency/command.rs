//! `check --all` and `--claim` from the outside.

use crate::command::say;
use std::fs;

/// A session that goes back behind what it saw, in a history without times.
const BACK: &str = "w(1,1,0,0)\nw(1,2,0,1)\nr(1,2,1,2)\nr(1,1,1,3)\n";

#[test]
fn all_claims_are_judged_and_the_strongest_that_hold_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("back.txt"), BACK).expect("written");
    let said = say(folder.path(), &["check", "back.txt", "--all"]);
    assert_eq!(said.code, 1, "{}", said.out);
    assert!(said.out.contains("strongest not violated: "), "{}", said.out);
    let line =
        |start: &str| said.out.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{}", said.out));
    let strongest = line("strongest not violated: ");
    assert!(strongest.contains("read-atomic") && strongest.contains("writes-follow-reads"), "{strongest}");
    let weakest = line("weakest violated: ");
    assert!(weakest.contains("monotonic-writes") && !weakest.contains("sequential"), "{weakest}");
    assert!(said.out.contains("\u{2717} sequential          VIOLATED      since "), "{}", said.out);
    assert!(!said.out.contains("linearizable"), "there is no time: {}", said.out);
    assert!(said.out.contains("why not monotonic-writes (4 operations"), "{}", said.out);
    assert!(!said.out.contains("why not sequential"), "only the weakest are explained: {}", said.out);
}

#[test]
fn one_claim_is_judged_with_its_counterexample_in_words_and_as_a_document() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("back.txt"), BACK).expect("written");
    let said = say(folder.path(), &["check", "back.txt", "--claim", "causal"]);
    assert_eq!(said.code, 1, "{}", said.out);
    assert!(said.out.contains("the same client, in this order"), "{}", said.out);
    assert!(said.out.contains("was overwritten before"), "{}", said.out);
    let document = say(folder.path(), &["check", "back.txt", "--claim", "causal", "--format", "json"]).json();
    let witness = &document["claims"][0]["witness"];
    assert_eq!(witness["verified"], true, "{document:#}");
    assert_eq!(witness["operations"].as_array().expect("operations").len(), 4, "{document:#}");
    let held = say(folder.path(), &["check", "back.txt", "--claim", "read-atomic"]);
    assert_eq!(held.code, 0, "{}", held.out);
}

#[test]
fn a_history_without_times_is_not_called_linearizable() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("fine.txt"), "w(1,1,0,0)\nr(1,1,1,1)\n").expect("written");
    let said = say(folder.path(), &["check", "fine.txt", "--claim", "linearizable"]);
    assert_eq!(said.code, 2, "{}", said.out);
    assert!(said.out.contains("says nothing about time"), "{}", said.out);
}

/// What `check` says of these lines of events, and its exit code.
fn checked(lines: &[&str], arguments: &[&str]) -> crate::command::Said {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("h.jsonl"), lines.join("\n") + "\n").expect("written");
    say(folder.path(), &[&["check", "h.jsonl"], arguments].concat())
}

#[test]
fn what_the_nodes_hold_follows_from_no_other_claim() {
    let lines = [
        r#"{"consistory":1,"topology":{"n1":"a","n2":"b"}}"#,
        r#"{"time":0,"process":0,"type":"invoke","f":"write","key":"x","value":5,"node":"n1"}"#,
        r#"{"time":1,"process":0,"type":"ok","f":"write","key":"x","value":5,"node":"n1"}"#,
        r#"{"time":2,"process":"nemesis","type":"info","f":"work-ended"}"#,
        r#"{"time":3,"process":1,"type":"invoke","f":"read","key":"x","node":"n1"}"#,
        r#"{"time":4,"process":1,"type":"ok","f":"read","key":"x","value":5,"node":"n1"}"#,
    ];
    let said = checked(&lines, &["--all"]);
    assert_eq!(said.code, 2, "{}{}", said.out, said.err);
    assert!(said.out.contains("n2 did not answer the reads of key x"), "{}", said.out);
    assert!(said.out.contains("undecided: convergent\n"), "{}", said.out);
}

#[test]
fn transactions_that_nobody_reads_show_nothing() {
    let lines = [
        r#"{"consistory":1}"#,
        r#"{"time":0,"process":0,"type":"invoke","f":"txn","value":[["w","x",1]]}"#,
        r#"{"time":9,"process":0,"type":"ok","f":"txn","value":[["w","x",1]]}"#,
    ];
    assert_eq!(checked(&lines, &["--all"]).code, 4);
    let empty = r#"{"data":[[{"events":[],"committed":true}]]}"#;
    let said = checked(&[empty], &["--from", "dbcop-json", "--all"]);
    assert_eq!(said.code, 4, "{}{}", said.out, said.err);
}

#[test]
fn reads_of_a_register_alone_are_judged_and_one_operation_is_no_operations() {
    let lines = [
        r#"{"consistory":1}"#,
        r#"{"time":0,"process":0,"type":"invoke","f":"read","key":"x"}"#,
        r#"{"time":5,"process":0,"type":"ok","f":"read","key":"x","value":null}"#,
        r#"{"time":9,"process":"nemesis","type":"info","f":"work-ended"}"#,
    ];
    let said = checked(&lines, &["--all"]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    assert!(said.out.contains("linearizable        not violated  1 operation on 1 object · register"), "{}", said.out);
    assert!(said.out.contains("inferred from the functions read\n"), "{}", said.out);
}

#[test]
fn a_history_that_was_recorded_for_a_word_is_judged_by_the_claims_it_stands_for() {
    let said = checked(
        &[
            r#"{"consistory":1,"claims":["session","read-your-writes"]}"#,
            r#"{"process":0,"type":"invoke","f":"write","value":1}"#,
            r#"{"process":0,"type":"ok","f":"write","value":1}"#,
            r#"{"process":0,"type":"invoke","f":"read"}"#,
            r#"{"process":0,"type":"ok","f":"read","value":1}"#,
        ],
        &[],
    );
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    for claim in ["read-your-writes", "monotonic-reads", "monotonic-writes", "writes-follow-reads"] {
        assert_eq!(said.out.matches(claim).count(), 1, "{}", said.out);
    }
}

/// So many sessions, each of which reads the next one's write before it writes its own key: a ring.
fn ring(sessions: usize) -> String {
    let session = |at: usize| format!("r {} 1\n-----\nw {at} 1\n-----\n=====\n", (at + 1) % sessions);
    (0..sessions).map(session).collect()
}

#[test]
fn every_operation_of_a_long_ring_is_shown_and_named() {
    let folder = tempfile::tempdir().expect("a folder");
    for sessions in [12, 13, 60] {
        fs::write(folder.path().join("ring.txt"), ring(sessions)).expect("written");
        for claim in ["causal", "read-committed", "sequential"] {
            let said = say(folder.path(), &["check", "ring.txt", "--from", "awdit-text", "--claim", claim]);
            assert_eq!(said.code, 1, "{claim} of {sessions}: {}{}", said.out, said.err);
            let smallest = format!("smallest set found: {0} of {0} operations", 2 * sessions);
            assert!(said.out.contains(&smallest), "{claim} of {sessions}: {}", said.out);
            let steps = said.out.lines().filter(|line| line.contains(" before ") && line.contains(": ")).count();
            assert_eq!(steps, 2 * sessions, "{claim}: {}", said.out);
            let shown = said.out.lines().filter(|line| line.contains("  client ")).count();
            assert_eq!(shown, 2 * sessions, "{claim}: {}", said.out);
        }
    }
}

#[test]
fn one_transaction_with_many_conflicts_is_judged_within_a_small_budget() {
    use std::fmt::Write;
    let folder = tempfile::tempdir().expect("a folder");
    // Two sessions wrote all keys, and a third read each key from the one or the other.
    let (mut writes, mut reads) = (String::new(), String::new());
    for key in 0..20_000 {
        let _ = writeln!(writes, "w {key} VALUE");
        let _ = writeln!(reads, "r {key} {}", 1 + key % 2);
    }
    let text = ["1", "2"].map(|value| format!("{}-----\n=====\n", writes.replace("VALUE", value))).concat();
    fs::write(folder.path().join("wide.txt"), format!("{text}{reads}-----\n")).expect("written");
    let check = ["check", "wide.txt", "--from", "awdit-text", "--budget", "1m,64MiB", "--claim"];
    for claim in ["causal", "causal-convergence", "read-atomic"] {
        let said = say(folder.path(), &[&check[..], &[claim]].concat());
        assert_eq!(said.code, 1, "{claim}: {}{}", said.out, said.err);
        assert!(said.out.contains("3 of 3 operations"), "{claim}: {}", said.out);
    }
}

/// A client's own order at the very time at which another one calls too.
const TIE: &str = r#"{"consistory":1}
{"time":0,"process":0,"type":"invoke","f":"write","key":"x","value":1}
{"time":10,"process":0,"type":"ok","f":"write","key":"x","value":1}
{"time":10,"process":0,"type":"invoke","f":"read","key":"x"}
{"time":10,"process":1,"type":"invoke","f":"read","key":"y"}
{"time":20,"process":1,"type":"ok","f":"read","key":"y","value":null}
{"time":20,"process":0,"type":"ok","f":"read","key":"x","value":null}
"#;

#[test]
fn where_the_clock_is_too_coarse_linearizable_vouches_for_no_client() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("tie.jsonl"), TIE).expect("written");
    let said = say(folder.path(), &["check", "tie.jsonl", "--all"]);
    assert_eq!(said.code, 1, "{}", said.out);
    assert!(said.out.contains("why not read-your-writes"), "{}", said.out);
    let line = said.out.lines().find(|line| line.contains("linearizable"));
    assert!(line.is_some_and(|line| line.contains("VIOLATED")), "{}", said.out);
    let said = say(folder.path(), &["check", "tie.jsonl"]);
    assert_eq!(said.code, 0, "{}", said.out);
    assert!(said.out.contains("assuming that 1 operation may overlap"), "{}", said.out);
}

#[test]
fn the_orders_that_show_what_holds_are_written_as_lines_of_the_history() {
    let folder = tempfile::tempdir().expect("a folder");
    // Two sessions that see two writes in different orders: causal, but not causal convergence.
    fs::write(folder.path().join("h.txt"), "w(1,1,0,0)\nw(1,2,1,1)\nr(1,2,0,2)\nr(1,1,1,3)\n").expect("written");
    let orders = |claim: &str| {
        let said = say(folder.path(), &["check", "h.txt", "--claim", claim, "--witness", "orders.jsonl"]);
        assert_eq!(said.code, 0, "{claim}: {}{}", said.out, said.err);
        fs::read_to_string(folder.path().join("orders.jsonl")).expect("written")
    };
    assert_eq!(
        orders("causal-memory"),
        "{\"claim\":\"causal-memory\",\"order\":[1,2,3,4],\"session\":1}\n\
         {\"claim\":\"causal-memory\",\"order\":[2,1,4,3],\"session\":2}\n"
    );
    let causal = orders("causal");
    let lines: Vec<serde_json::Value> = causal.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(lines.len() > 1 && lines[1..].iter().all(|line| line["reader"].is_u64()), "{causal}");
    assert_eq!(orders("monotonic-reads"), "", "it has none");
}

#[test]
fn users_of_a_coarse_clock_are_vouched_for_by_nothing_and_break_nothing_that_knows_no_users() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = r#"{"consistory":1,"config":{"run.clients":"1"}}
{"time":1,"process":0,"type":"invoke","f":"write","key":"x","value":1}
{"time":5,"process":0,"type":"ok","f":"write","key":"x","value":1}
{"time":5,"process":1,"type":"invoke","f":"read","key":"x"}
{"time":6,"process":1,"type":"ok","f":"read","key":"x","value":null}
"#;
    fs::write(folder.path().join("users.jsonl"), text).expect("written");
    let said = say(folder.path(), &["check", "users.jsonl", "--all", "--session", "user"]);
    assert_eq!(said.code, 1, "{}", said.out);
    let verdict = |claim: &str| said.out.lines().find(|line| line.contains(claim)).expect("a line").to_owned();
    assert!(verdict("read-your-writes").contains("VIOLATED"), "{}", said.out);
    assert!(verdict("linearizable").contains("not violated"), "{}", said.out);
}

#[test]
fn a_witness_that_does_not_fit_the_budget_takes_nothing_from_the_verdict() {
    let folder = tempfile::tempdir().expect("a folder");
    let session = |at: usize| format!("w({at},1,{at},{at})\n");
    let text: String = (0..5000).map(session).collect();
    fs::write(folder.path().join("many.txt"), text + "r(0,1,5000,5000)\n").expect("written");
    let check = ["check", "many.txt", "--claim", "pram", "--witness", "orders.jsonl", "--budget", "1m,64MiB"];
    let said = say(folder.path(), &check);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    assert!(said.out.contains("no orders that show pram: the memory budget ended"), "{}", said.out);
    assert_eq!(fs::read_to_string(folder.path().join("orders.jsonl")).expect("written"), "");
}
