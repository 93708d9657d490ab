//! The tester tested: a correct store holds, and every named bug is found with a small counterexample.

use crate::command::say;
use serde_json::Value;

/// Runs a backend that many operations and returns the exit code with the JSON verdict.
fn verdict(backend: &str, workload: &str, seed: &str) -> (i32, Value) {
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = ["run", backend, "-w", workload, "--ops", "6000", "-t", "60s", "--seed", seed, "--format", "json"];
    let said = say(folder.path(), &arguments);
    (said.code, said.json())
}

/// The functions of the counterexample's operations, in order, after checking what every counterexample must be.
fn counterexample(backend: &str, workload: &str) -> Vec<String> {
    let (code, verdict) = verdict(backend, workload, "7");
    assert_eq!(code, 1, "{backend}: {verdict:#}");
    let claim = &verdict["claims"][0];
    assert_eq!(claim["verdict"], "violated", "{backend}");
    let witness = &claim["witness"];
    assert_eq!(witness["verified"], true, "{backend}");
    let operations = witness["operations"].as_array().expect("operations");
    assert!((1..=4).contains(&operations.len()), "{backend}: {} operations", operations.len());
    operations.iter().map(|operation| operation["f"].as_str().expect("a function").to_owned()).collect()
}

#[test]
fn a_correct_store_holds_for_every_workload() {
    for (workload, claim) in [("register", "linearizable"), ("set", "lost-acks")] {
        let (code, verdict) = verdict("memory", workload, "7");
        assert_eq!(code, 0, "{verdict:#}");
        assert_eq!(verdict["verdict"], "holds");
        assert_eq!(verdict["claims"][0]["claim"], claim);
        assert!(verdict["claims"][0]["operations"].as_u64().expect("a number") >= 6000);
    }
}

#[test]
fn a_read_behind_its_time_is_found_whatever_the_bug_behind_it() {
    for bug in ["stale-read", "lost-write", "duplicate-write", "no-read-your-writes", "write-order", "split-brain"] {
        let functions = counterexample(&format!("faulty:{bug}"), "register");
        assert!(functions.len() >= 2, "{bug}: one operation alone cannot be behind: {functions:?}");
        let last = functions.last().expect("not empty");
        assert!(last == "read" || last == "cas", "{bug}: an observer comes last: {functions:?}");
        let writes = functions.iter().filter(|function| *function != "read").count();
        assert!(writes >= 1, "{bug}: something was overwritten: {functions:?}");
    }
}

#[test]
fn a_dirty_read_is_one_read_and_the_failed_write_is_named() {
    let (code, verdict) = verdict("faulty:dirty-read", "register", "7");
    assert_eq!(code, 1);
    let witness = &verdict["claims"][0]["witness"];
    assert_eq!(witness["operations"].as_array().expect("operations").len(), 1, "{witness:#}");
    let words: Vec<&str> = witness["words"].as_array().expect("lines").iter().filter_map(Value::as_str).collect();
    assert!(words[0].contains("failed (aborted)"), "{words:?}");
    assert!(words.last().expect("a conclusion").contains("no write of"), "{words:?}");
}

#[test]
fn a_lost_update_is_a_compare_and_set_that_found_an_old_value() {
    let functions = counterexample("faulty:lost-update?rate=0.2", "register");
    assert!(functions.iter().any(|function| function == "cas"), "{functions:?}");
}

#[test]
fn a_lost_acknowledged_addition_is_found_in_the_final_read() {
    let functions = counterexample("faulty:lost-write", "set");
    assert_eq!(functions, ["add", "read"]);
}

#[test]
fn a_bug_that_never_strikes_is_not_accused() {
    let (code, verdict) = verdict("faulty:stale-read?rate=0", "register", "7");
    assert_eq!(code, 0, "{verdict:#}");
}
