//! How runs are planned and told: faults that overlap, plans that cannot act, client policies, reports, runs from a file
//! and once more.

use crate::command::{Said, say};
use crate::systems::is_there;
use serde_json::Value;
use std::fs;
use std::path::Path;

/// A run that tells JSON.
fn run(folder: &Path, arguments: &str) -> Said {
    let all: Vec<&str> = ["run"].into_iter().chain(arguments.split_whitespace()).chain(["--format", "json"]).collect();
    say(folder, &all)
}

/// The lines of the latest history.
fn history(folder: &Path) -> Vec<Value> {
    let text = fs::read_to_string(folder.join("runs/latest/history.jsonl")).expect("a history");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// The lines of faults of the latest history: name, step, whether it acted.
fn faults(folder: &Path) -> Vec<(String, String, bool)> {
    let word = |value: &Value| value.as_str().expect("a text").to_owned();
    let lines = history(folder);
    let lines = lines.iter().filter(|line| line["value"]["acted"].is_boolean());
    lines.map(|line| (word(&line["f"]), word(&line["value"]["step"]), line["value"]["acted"] == true)).collect()
}

/// Whether faults of the network act here, too.
fn can_cut() -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    say(folder.path(), &["doctor", "--format", "json"]).json()["faults"]["namespaces"]["can_act"] == true
}

#[test]
fn etcd_stays_linearizable_while_its_leader_is_cut_off_another_is_killed_and_a_third_is_paused() {
    if !is_there("etcd") || !can_cut() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let plan = "partition:leader@1s+7s,pause:leader@3s+4s,kill:follower@4s+3s,loss:follower@4500ms+1s";
    let said = run(folder.path(), &format!("etcd -f {plan} --seed 7 --fault-pause 3s"));
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let lines = faults(folder.path());
    assert!(lines.iter().all(|(_, _, acted)| *acted), "{lines:?}");
    let ends: Vec<&str> = lines.iter().map(|(name, ..)| name.as_str()).collect();
    let order = ["partition-start", "pause-start", "kill-start"];
    assert_eq!(ends[..3], order, "all three act at once: {lines:?}");
    assert_eq!(lines.len(), 8, "{lines:?}");
    for (name, step, _) in &lines {
        assert!(plan.split(',').any(|planned| planned.split(':').next() == name.rsplit_once('-').map(|name| name.0)));
        assert!(step.starts_with(name.rsplit_once('-').expect("two words").0), "{name} {step}");
    }
    assert_eq!(said.json()["service"]["faults"], 4, "{}", said.out);
}

#[test]
fn faults_of_one_volley_strike_different_nodes() {
    if !is_there("etcd") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let pace = "--fault-warm-up 500ms --fault-length 1s --fault-pause 3s";
    let said = run(folder.path(), &format!("etcd -f kill+pause --seed 3 {pace}"));
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let starts: Vec<Value> = history(folder.path())
        .into_iter()
        .filter(|line| line["f"].as_str().is_some_and(|name| name.ends_with("-start")))
        .map(|line| line["value"]["targets"].clone())
        .collect();
    assert_eq!(starts.len(), 2, "{starts:?}");
    assert_ne!(starts[0], starts[1], "a killed node cannot be paused");
}

#[test]
fn a_plan_that_cannot_act_is_refused_before_anything_starts() {
    let folder = tempfile::tempdir().expect("a folder");
    for (arguments, expected) in [
        ("memory -f kill", "no fault acts"),
        ("redis -f partition", "no other side"),
        ("etcd -f partition-ring", "a ring of 3 nodes"),
        ("etcd?nodes=5 -f kill:n9", "there are n1 to n5"),
        ("redis -f kill:follower", "no follower"),
        ("redis -f kill@1s+2s,pause@2s+2s", "2 nodes at once"),
        ("zookeeper?nodes=1 -f pause:minority", "no minority"),
        ("redis:sentinel -f kill:n4", "there are n1 to n3"),
        ("redis:cluster -f kill:n7", "there are n1 to n6"),
    ] {
        let said = run(folder.path(), arguments);
        assert_eq!(said.code, 4, "{arguments}: {}{}", said.out, said.err);
        assert!(said.err.contains(expected), "{arguments}: {}", said.err);
    }
    assert!(!folder.path().join("runs").exists(), "nothing was started");
    for arguments in ["etcd -f kill:n1@1s+2s,pause:n1@2s+2s", "etcd -f partition:n1@1s+2s,partition-ring@2s+2s"] {
        let said = run(folder.path(), arguments);
        assert_eq!(said.code, 64, "{arguments}: {}", said.err);
        assert!(said.err.contains("a node that they share"), "{}", said.err);
    }
}

#[test]
fn each_adapter_says_which_faults_it_can_suffer() {
    let folder = tempfile::tempdir().expect("a folder");
    let listed = say(folder.path(), &["list", "adapters", "--format", "json"]).json();
    let faults = |name: &str| {
        let rows = listed["adapters"].as_array().expect("rows");
        let row = rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("no {name}"));
        let detail = row["detail"].as_array().expect("details").iter().find(|detail| detail["name"] == "faults");
        detail.map(|detail| detail["about"].as_str().expect("a text").to_owned())
    };
    assert_eq!(faults("memory"), None);
    assert!(faults("etcd").expect("some").contains("partition-ring"));
}
